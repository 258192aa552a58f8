/* SPDX-License-Identifier: Apache-2.0 */
/* How a device reaches its front-end: waits for one, gets its messages, answers them, hangs up.
 * There is one front-end at a time. vhost/socket_endpoint.h is an endpoint with a socket of this
 * process's own; another can be in a process that outlives this one. Control thread.
 *
 * The endpoint hands out one message at a time; the next comes after done(). So at any moment it is
 * clear which message has acted, and an endpoint that outlives the device hands out the one that
 * has not, again, to the next one, behind those that it was told to keep.
 */
#pragma once

#include <event2/event.h>

#include "vhost/channel.h"
#include "vhost/journal.h"
#include "vhost/state.h"

struct vhost_endpoint;

/* What the endpoint tells its owner, from the loop, never from inside a call of an operation. */
struct vhost_endpoint_events {
	/* A front-end is there. @resumed: it was there before the owner was; what it has set up
	 * follows, then resumed(). */
	void (*connected)(void *owner, int peer_pid, bool resumed);
	/* A message that was kept. It must not be answered, and there is no done() for it. Its fds
	 * are the owner's. */
	void (*kept)(void *owner, struct vhost_message *m);
	/* All that was kept has been told. */
	void (*resumed)(void *owner);
	/* A message; its fds are the owner's. The owner calls done(), now or later, or hang_up().
	 */
	void (*message)(void *owner, struct vhost_message *m);
	/* The connection is over, by the front-end or by a fault, which @why names (NULL: it just
	 * closed). The next front-end waits until wait(). */
	void (*disconnected)(void *owner, const char *why);
};

/* What comes of a message. */
struct vhost_verdict {
	bool reply; /* the next five are the answer's */
	uint32_t request;
	const void *payload;
	size_t size;	/* bytes, at most VHOST_USER_PAYLOAD_MAX */
	const int *fds; /* that go with it; stay the caller's */
	unsigned n_fds;
	const struct vhost_edit *edits; /* in this order */
	unsigned n_edits;
};

struct vhost_endpoint_ops {
	/* Lets the next front-end come. */
	void (*wait)(struct vhost_endpoint *ep);
	/* Answers the message at hand and keeps of it what the verdict says; the next may come.
	 * When the answer cannot be sent, disconnected() follows. */
	void (*done)(struct vhost_endpoint *ep, const struct vhost_verdict *verdict);
	/* Ends the connection; wait() lets the next come. */
	void (*hang_up)(struct vhost_endpoint *ep);
	/* Hangs up, closes and removes the socket that it made, frees. NULL is fine. */
	void (*destroy)(struct vhost_endpoint *ep);
};

/* First member of each kind. */
struct vhost_endpoint {
	const struct vhost_endpoint_ops *ops;
	const struct vhost_endpoint_events *events;
	void *owner;
	struct ring_state *ring_states; /* VHOST_VRINGS_MAX, in memory that outlives this process;
					 * NULL: none does */
};

/* Where an endpoint is. */
struct vhost_endpoint_config {
	const char *name; /* for log lines; copied */
	const char *path; /* of the socket, at most 107 bytes; copied */
	enum vhost_mode mode;
	struct vhost_socket_rights rights; /* listening sockets */
};

/* Makes endpoints of one kind. */
struct vhost_endpoint_maker {
	/* Returns 0 and an endpoint that waits for a front-end, or -errno and a text. @events and
	 * @owner must outlive it. */
	int (*make)(const struct vhost_endpoint_maker *maker, struct vhost_endpoint **out,
		    const struct vhost_endpoint_config *config,
		    const struct vhost_endpoint_events *events, void *owner, struct error *err);
};
