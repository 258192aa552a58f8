// SPDX-License-Identifier: Apache-2.0
/* A device's state goes, or comes. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/blame.h"
#include "base/log.h"
#include "vhost/device_state.h"
#include "vhost/fd_kind.h"
#include "vhost/transfer.h"

LOG_MODULE("vhost");

void vhost_device_state_reset(struct vhost_session *s)
{
	vhost_transfer_destroy(s->transfer);
	s->transfer = NULL;
	s->transfer_result = -ENODATA;
}

/* The transfer is over: how, session->transfer_result says. */
static void conclude(struct vhost_session *s, int rc, const char *why)
{
	if (rc)
		log_limited(LOG_WARNING, "%s: its state was not transferred: %s", s->name, why);
	vhost_transfer_destroy(s->transfer);
	s->transfer = NULL;
	s->transfer_result = rc;
	s->transferred(s);
}

static void on_saved(void *owner, int rc, const char *why)
{
	conclude(owner, rc, why);
}

static void on_loaded(void *owner, int rc, const char *why)
{
	struct vhost_session *s = owner;
	struct error err = { "" };
	const uint8_t *bytes;
	size_t n;

	if (!rc) {
		bytes = vhost_transfer_bytes(s->transfer, &n);
		blame_begin(s->name);
		rc = s->ops->load(s->owner, bytes, n, &err);
		blame_end();
		why = err.text;
	}
	conclude(s, rc, why);
}

static int save(struct vhost_session *s, int fd, struct error *err)
{
	struct vhost_transfer_owner owner = { on_saved, s };
	uint8_t *bytes;
	size_t n;
	int rc = s->ops->save(s->owner, &bytes, &n, err);

	if (rc) {
		close(fd);
		return rc;
	}
	return vhost_transfer_write(&s->transfer, fd, bytes, n, s->base, &owner, err);
}

static int load(struct vhost_session *s, int fd, struct error *err)
{
	struct vhost_transfer_owner owner = { on_loaded, s };

	return vhost_transfer_read(&s->transfer, fd, VHOST_DEVICE_STATE_MAX, s->base, &owner, err);
}

static int begin(struct vhost_session *s, struct vhost_message *m, struct error *err)
{
	uint32_t direction = m->payload.transfer.direction;
	int fd;

	if (direction > VHOST_USER_TRANSFER_LOAD)
		return error_set(err, -EINVAL, "direction %u is not 0 (save) or 1 (load)",
				 direction);
	if (m->payload.transfer.phase != VHOST_USER_TRANSFER_STOPPED)
		return error_set(err, -EINVAL, "phase %u is not 0 (stopped)",
				 m->payload.transfer.phase);
	if (vhost_session_started(s))
		return error_set(err, -EBUSY, "rings are not stopped");
	if (vhost_fd_kind(m->fds[0]) != VHOST_FD_PIPE)
		return error_set(err, -EINVAL, "the file descriptor is no pipe");
	fd = vhost_pipe_open(m->fds[0],
			     direction == VHOST_USER_TRANSFER_SAVE ? O_WRONLY : O_RDONLY);
	if (fd < 0)
		return error_set(err, fd, "the pipe cannot be %s: %s",
				 direction == VHOST_USER_TRANSFER_SAVE ? "written to" : "read",
				 strerror(-fd));
	return direction == VHOST_USER_TRANSFER_SAVE ? save(s, fd, err) : load(s, fd, err);
}

static int answer(struct vhost_message *m, uint64_t value)
{
	m->payload.u64 = value;
	m->header.size = sizeof(value);
	return 0;
}

int vhost_set_device_state_fd(struct vhost_session *s, struct vhost_message *m, struct error *err)
{
	struct error why = { "" };
	int rc;

	vhost_device_state_reset(s);
	rc = begin(s, m, &why);
	if (rc)
		log_limited(LOG_WARNING, "%s: its state is not transferred: %s", s->name, why.text);
	return answer(m, VHOST_USER_TRANSFER_NO_FD | (rc ? 1 : 0));
}

bool vhost_check_device_state_waits(struct vhost_session *s)
{
	if (s->transfer)
		vhost_transfer_hurry(s->transfer);
	return s->transfer;
}

int vhost_check_device_state(struct vhost_session *s, struct vhost_message *m, struct error *err)
{
	if (s->transfer_result == -ENODATA)
		log_limited(LOG_WARNING, "%s: no state was transferred, or only a part of it: %s",
			    s->name, "there was no transfer since this process began");
	return answer(m, s->transfer_result ? 1 : 0);
}
