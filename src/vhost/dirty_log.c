// SPDX-License-Identifier: Apache-2.0
/* The dirty log of a vhost-user device: where it comes from, and where it goes. */
#include <unistd.h>

#include "base/log.h"
#include "vhost/dirty_log.h"

LOG_MODULE("vhost");

/* Makes the log that workers use the one that they should use. */
static void choose(struct vhost_session *s)
{
	const struct dirty_log *log = vhost_session_logs(s) ? s->log : NULL;

	if (log == s->state.log)
		return;
	if (!log != !s->state.log)
		log_limited(LOG_INFO, "%s: writes to guest memory are %s", s->name,
			    log ? "logged, for a migration" : "not logged any more");
	s->state.log = log;
	s->changed = true;
}

int vhost_dirty_log_set(struct vhost_session *s, int fd, uint64_t offset, uint64_t size,
			struct error *err)
{
	struct dirty_log *log, *old = s->log;
	int rc;

	rc = dirty_log_create(&log, fd, offset, size, err);
	if (rc)
		return rc;
	rc = dirty_log_check(log, s->mem, err);
	if (rc) {
		dirty_log_destroy(log);
		return rc;
	}
	s->log = log;
	choose(s);
	dirty_log_destroy(old);
	return 0;
}

void vhost_dirty_log_set_fd(struct vhost_session *s, int fd)
{
	if (s->state.log_fd >= 0)
		close(s->state.log_fd);
	s->state.log_fd = fd;
}

void vhost_dirty_log_update(struct vhost_session *s)
{
	bool logged = s->state.log;

	choose(s);
	if (logged && !s->state.log)
		vhost_dirty_log_reset(s);
}

int vhost_dirty_log_check(const struct vhost_session *s, const struct guestmem *mem,
			  struct error *err)
{
	return s->log ? dirty_log_check(s->log, mem, err) : 0;
}

void vhost_dirty_log_reset(struct vhost_session *s)
{
	struct dirty_log *log = s->log;

	s->log = NULL;
	choose(s);
	dirty_log_destroy(log);
}
