/* SPDX-License-Identifier: Apache-2.0 */
/* An endpoint with a socket of its own: it listens, or connects and tries again until somebody is
 * there. What it is told to keep it forgets. Control thread.
 *
 * A message stays in the socket until it is done; another process that has the endpoint's
 * descriptors and its outbox can go on with it at any moment (vhost/outbox.h).
 */
#pragma once

#include "vhost/endpoint.h"
#include "vhost/outbox.h"
#include "vhost/socket.h"

/* Makes them, on a loop. */
struct vhost_socket_maker {
	struct vhost_endpoint_maker maker;
	struct event_base *base;
};

/* Fills in a maker. */
void vhost_socket_maker_init(struct vhost_socket_maker *maker, struct event_base *base);

/* Listens, or starts to connect (retries after 50 ms, doubling to 1 s). A stale socket file is
 * replaced; a live one, a path that is too long and what is no socket are refused. Returns 0 and
 * the endpoint, or -errno and a text. @events and @owner must outlive it.
 */
int vhost_socket_endpoint_create(struct vhost_endpoint **out,
				 const struct vhost_endpoint_config *config,
				 const struct vhost_endpoint_events *events, void *owner,
				 struct event_base *base, struct error *err);

/* What another process needs to go on, beside the outbox. */
struct vhost_socket_fds {
	int listen_fd; /* -1: none */
	struct vhost_socket_file file;
	int fd; /* of the connection; -1: none */
	int peer_pid;
};

/* Makes the endpoint of another process, which has ended, or is about to. Takes over @fds. Without
 * a connection it waits for wait(). The owner is told nothing of the connection that it does not
 * know.
 */
int vhost_socket_endpoint_restore(struct vhost_endpoint **out,
				  const struct vhost_endpoint_config *config,
				  const struct vhost_socket_fds *fds,
				  const struct vhost_endpoint_events *events, void *owner,
				  struct event_base *base, struct error *err);

/* Lets the outbox be in @outbox, zeroed or that of the other process, of which what the change
 * number @made and those before have brought about counts. */
void vhost_socket_endpoint_use(struct vhost_endpoint *ep, struct vhost_outbox *outbox,
			       uint64_t made);

/* Goes on with the connection, if there is one: may hand out a message at once. */
void vhost_socket_endpoint_resume(struct vhost_endpoint *ep);

/* Before done(): what comes of the message is to count from the change @number on. 0 or -errno. */
int vhost_socket_endpoint_prepare(struct vhost_endpoint *ep, const struct vhost_verdict *verdict,
				  uint64_t number);

/* The endpoint's descriptors stay its own. */
struct vhost_socket_fds vhost_socket_endpoint_fds(const struct vhost_endpoint *ep);

/* Leaves the socket file where it is when the endpoint is destroyed. */
void vhost_socket_endpoint_leave(struct vhost_endpoint *ep);
