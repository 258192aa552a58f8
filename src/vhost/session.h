/* SPDX-License-Identifier: Apache-2.0 */
/* The part of a device that messages read and change; device.c owns it, the message handlers work
 * on it. Control thread.
 */
#pragma once

#include <linux/virtio_net.h>

#include "vhost/proto.h"
#include "vhost/state.h"
#include "virtio/inflight.h"

/* SET_INFLIGHT_FD, see vhost/inflight.h. */
struct vhost_inflight {
	struct filemap map;
	uint64_t size;		       /* bytes of it */
	unsigned n_queues, queue_size; /* 0: there is none */
};

struct vhost_session {
	const char *name; /* for log lines; borrowed from the device */
	struct vhost_device_state state;
	struct guestmem *mem;	/* what state.mem points to */
	struct guestmem *empty; /* of no region; in use whenever there is no memory */
	struct dirty_log *log;	/* SET_LOG_BASE; NULL: none. In use with VHOST_F_LOG_ALL only. */

	struct vhost_inflight inflight;

	/* Offered to this front-end; fixed when it connects. */
	uint64_t features, protocol_features;
	struct virtio_net_config config;

	struct vhost_transfer *transfer; /* of the device's state, under way; NULL: none */
	int transfer_result;		 /* of the last one: 0 or -errno, -ENODATA: none */

	int backend_req_fd; /* -1: none */
	unsigned n_vrings;
	struct vhost_vring *vrings;
	struct ring_state *ring_states; /* one for each; borrowed. NULL: rings do not outlive us */
	bool changed;			/* set by handlers: the owner must look again */
	bool frozen; /* no ring becomes live yet: the front-end has set up more than we know */

	struct event_base *base;
	/* The device's: a transfer is over. */
	void (*transferred)(struct vhost_session *session);

	const struct vhost_device_ops *ops;
	void *owner;
};

/* Whether the front-end has acknowledged VHOST_F_LOG_ALL: wants to know what we write. */
static inline bool vhost_session_logs(const struct vhost_session *session)
{
	return session->state.features >> VHOST_USER_F_LOG_ALL & 1;
}

/* Whether some ring is started. */
static inline bool vhost_session_started(const struct vhost_session *session)
{
	for (unsigned i = 0; i < session->n_vrings; i++)
		if (session->vrings[i].started)
			return true;
	return false;
}

/* Whether a worker may be using a ring. */
static inline bool vhost_session_live(const struct vhost_session *session)
{
	for (unsigned i = 0; i < session->n_vrings; i++)
		if (session->vrings[i].live)
			return true;
	return false;
}
