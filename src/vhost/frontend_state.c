// SPDX-License-Identifier: Apache-2.0
/* A back-end's state, out and in: the pipe is offered, the bytes go through it when the back-end
 * has agreed, and when all are through it is asked how it was.
 */
#include "vhost/frontend_state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/compiler.h"
#include "vhost/proto.h"
#include "vhost/transfer.h"

struct frontend_state {
	struct frontend *frontend;
	struct event_base *base;
	frontend_state_over *over; /* NULL: it was called */
	void *owner;
	int fd;		/* our end of the pipe, until the transfer has it; -1: none */
	uint8_t *bytes; /* to be loaded, until the transfer has them */
	size_t n;
	bool saves;
	struct vhost_transfer *transfer;
};

static void end(struct frontend_state *s, int rc, const char *why)
{
	frontend_state_over *over = s->over;
	const uint8_t *bytes = NULL;
	size_t n = 0;

	if (!over)
		return;
	s->over = NULL;
	if (s->transfer && s->saves && !rc)
		bytes = vhost_transfer_bytes(s->transfer, &n);
	over(s->owner, rc, bytes, n, why);
}

/* All that was to go through the pipe has gone through. */
static void on_through(void *owner, int rc, const char *why)
{
	struct frontend_state *s = owner;

	if (!rc) {
		rc = frontend_ask(s->frontend, VHOST_USER_CHECK_DEVICE_STATE, NULL, 0, -1);
		why = "the back-end cannot be asked";
	}
	if (rc)
		end(s, rc, why);
}

/* The back-end has agreed. */
static void start(struct frontend_state *s)
{
	const struct vhost_transfer_owner owner = { on_through, s };
	uint8_t *bytes = s->bytes;
	struct error err;
	int fd = s->fd, rc;

	s->fd = -1;
	s->bytes = NULL;
	if (s->saves)
		rc = vhost_transfer_read(&s->transfer, fd, FRONTEND_STATE_MAX, s->base, &owner,
					 &err);
	else
		rc = vhost_transfer_write(&s->transfer, fd, bytes, s->n, s->base, &owner, &err);
	if (rc)
		end(s, rc, err.text);
}

/* The back-end has brought a channel of its own, which takes the place of ours. */
static void take_channel(struct frontend_state *s, int *fd)
{
	close(s->fd);
	s->fd = *fd;
	*fd = -1;
	fcntl(s->fd, F_SETFL, fcntl(s->fd, F_GETFL) | O_NONBLOCK);
}

void frontend_state_answered(struct frontend_state *s, uint32_t request, uint64_t value, int *fd)
{
	if (!s->over)
		return;
	if (request == VHOST_USER_CHECK_DEVICE_STATE && s->transfer) {
		end(s, value ? -EIO : 0, value ? "the back-end says that it went wrong" : "");
		return;
	}
	if (request != VHOST_USER_SET_DEVICE_STATE_FD || s->transfer || s->fd < 0)
		return;
	if (value & 0xff) {
		end(s, -EIO, "the back-end refuses");
		return;
	}
	if (!(value & VHOST_USER_TRANSFER_NO_FD)) {
		if (*fd < 0) {
			end(s, -EPROTO, "the back-end's channel did not come");
			return;
		}
		take_channel(s, fd);
	}
	start(s);
}

void frontend_state_down(struct frontend_state *state, const char *why)
{
	end(state, -ECONNRESET, why);
}

/* Offers the back-end its end of a new pipe. */
static int offer(struct frontend_state *s, struct error *err)
{
	struct vhost_user_transfer transfer = {
		.direction = s->saves ? VHOST_USER_TRANSFER_SAVE : VHOST_USER_TRANSFER_LOAD,
		.phase = VHOST_USER_TRANSFER_STOPPED,
	};
	int ends[2], rc;

	if (!(frontend_protocol_features(s->frontend) >> VHOST_USER_PROTOCOL_F_DEVICE_STATE & 1))
		return error_set(err, -EOPNOTSUPP, "the back-end has no state to give or to take");
	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_set(err, -errno, "pipe: %s", strerror(errno));
	s->fd = ends[!s->saves];
	fcntl(s->fd, F_SETFL, O_NONBLOCK);
	rc = frontend_ask(s->frontend, VHOST_USER_SET_DEVICE_STATE_FD, &transfer, sizeof(transfer),
			  ends[s->saves]);
	close(ends[s->saves]);
	return rc ? error_set(err, rc, "the back-end cannot be asked: %s", strerror(-rc)) : 0;
}

static int create(struct frontend_state **out, const struct frontend_state *from, struct error *err)
{
	struct frontend_state *s = malloc(sizeof(*s));
	int rc;

	if (!s) {
		free(from->bytes);
		return error_set(err, -ENOMEM, "out of memory");
	}
	*s = *from;
	rc = offer(s, err);
	if (rc)
		frontend_state_destroy(s);
	else
		*out = s;
	return rc;
}

int frontend_state_save(struct frontend_state **out, struct frontend *frontend,
			struct event_base *base, frontend_state_over *over, void *owner,
			struct error *err)
{
	const struct frontend_state s = { .frontend = frontend,
					  .base = base,
					  .over = over,
					  .owner = owner,
					  .fd = -1,
					  .saves = true };

	return create(out, &s, err);
}

int frontend_state_load(struct frontend_state **out, struct frontend *frontend,
			struct event_base *base, const uint8_t *bytes, size_t n,
			frontend_state_over *over, void *owner, struct error *err)
{
	struct frontend_state s = { .frontend = frontend,
				    .base = base,
				    .over = over,
				    .owner = owner,
				    .fd = -1,
				    .bytes = malloc(n + 1),
				    .n = n };

	if (!s.bytes)
		return error_set(err, -ENOMEM, "out of memory");
	if (n)
		memcpy(s.bytes, bytes, n);
	return create(out, &s, err);
}

void frontend_state_destroy(struct frontend_state *state)
{
	if (!state)
		return;
	vhost_transfer_destroy(state->transfer);
	if (state->fd >= 0)
		close(state->fd);
	free(state->bytes);
	free(state);
}
