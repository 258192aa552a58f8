/* SPDX-License-Identifier: Apache-2.0 */
/* The switch process's end of the keeper: endpoints for vhost-user devices, file descriptors and
 * the configuration that outlive this process. Control thread.
 */
#pragma once

#include <event2/event.h>

#include "base/broker.h"
#include "base/error.h"
#include "base/keep.h"
#include "keeper/proto.h"
#include "vhost/endpoint.h"

struct keeper_client;

/* What the keeper tells its owner, from the loop. */
struct keeper_client_ops {
	/* It is gone. */
	void (*lost)(void *owner, const char *why);
	/* After keeper_client_ready(): all devices know what an earlier process was told. */
	void (*told)(void *owner);
	/* Another process is there to go on: stop, save what is to be saved, keeper_client_left().
	 */
	void (*leave)(void *owner);
	/* Another program is the keeper now; it knows nothing of the bell and the lifeline. */
	void (*replaced)(void *owner);
	/* There is no upgrade (@rc is -errno), and this process goes on. */
	void (*refused)(void *owner, int rc, const char *why);
	/* Whether the threads of this process go on: datapath_look(). NULL: there are none. */
	int (*look)(void *owner, bool *asleep);
};

/* Takes over @fd, the socket that the keeper has given this process, and waits for what there is
 * from an earlier one, which may still have to leave. Returns 0, or -errno and a text (another
 * version, no answer).
 */
int keeper_client_create(struct keeper_client **out, int fd, struct event_base *base,
			 const struct keeper_client_ops *ops, void *owner, struct error *err);

/* After all devices were destroyed. NULL is fine. */
void keeper_client_destroy(struct keeper_client *client);

/* What is known of processes before this one. */
const struct keeper_start *keeper_client_start(const struct keeper_client *client);

/* Makes endpoints in the keeper, as long as the client lives. */
const struct vhost_endpoint_maker *keeper_client_endpoints(const struct keeper_client *client);

/* Lets the keeper hold fds, as long as the client lives. */
struct keep *keeper_client_keep(struct keeper_client *client);

/* Has the keeper do what this process may not, as long as the client lives. */
struct broker *keeper_client_broker(struct keeper_client *client);

/* Tells the keeper over its socket @fd which system call is the end of this process. In a signal
 * handler: makes no other call than write(2). */
void keeper_client_report(int fd, int call, int tid, uint32_t kind);

/* Packets go on: this process may be scheduled as any other. */
void keeper_client_calm(struct keeper_client *client);

/* The configuration of an earlier process, to be freed; NULL: none. Lets the keeper have @text for
 * the next; does nothing when it has the same. */
char *keeper_client_config(struct keeper_client *client);
void keeper_client_set_config(struct keeper_client *client, const char *text);

/* Lets the keeper look after this process, and be woken by the eventfd @fd, which stays the
 * caller's. */
void keeper_client_set_bell(struct keeper_client *client, int fd);

/* Lets the keeper learn at once when this process dies, by the file @fd of lifeline_tie(), which
 * stays the caller's. */
void keeper_client_set_lifeline(struct keeper_client *client, int fd);

/* Asks for the program at @path to go on in the place of this process: leave() or refused()
 * follows; or, with @keeper, in that of the keeper: replaced() or refused() follows. @order: root's
 * for just that (base/order.h); stays the caller's. */
void keeper_client_upgrade(struct keeper_client *client, const char *path, bool keeper, int order);

/* This process does nothing any more, and is about to end. Waits until the keeper can know. */
void keeper_client_left(struct keeper_client *client);

/* This process serves; devices that it has not opened, and fds that it has not taken, are given up.
 */
void keeper_client_ready(struct keeper_client *client);
