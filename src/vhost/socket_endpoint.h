/* SPDX-License-Identifier: Apache-2.0 */
/* An endpoint with a socket of its own: it listens, or connects and tries again until somebody is
 * there. What it is told to keep it forgets. Control thread.
 */
#pragma once

#include "vhost/endpoint.h"

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
