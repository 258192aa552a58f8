/* SPDX-License-Identifier: Apache-2.0 */
/* The inflight region that a front-end keeps for its back-ends, one after the other (vhost-user,
 * "Inflight I/O tracking"). The front-end's thread.
 */
#pragma once

#include <errno.h>
#include <unistd.h>

#include "base/error.h"
#include "vhost/channel.h"

struct kept_inflight {
	struct vhost_user_inflight shape; /* as the back-end that made it said */
	int fd;				  /* ours; -1: there is none */
};

/* Keeps what GET_INFLIGHT_FD was answered. Returns 0, or -EPROTO and a text. */
static inline int kept_inflight_take(struct kept_inflight *kept, struct vhost_message *m,
				     struct error *err)
{
	if (m->n_fds != 1)
		return error_set(err, -EPROTO, "GET_INFLIGHT_FD answered without a file");
	kept->shape = m->payload.inflight;
	kept->fd = m->fds[0];
	m->fds[0] = -1;
	return 0;
}

/* Lets go of it. */
static inline void kept_inflight_forget(struct kept_inflight *kept)
{
	if (kept->fd >= 0)
		close(kept->fd);
	kept->fd = -1;
}
