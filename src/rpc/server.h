/* SPDX-License-Identifier: Apache-2.0 */
/* The control socket: JSON-RPC 2.0, a request a line, on a unix stream socket (rpc/connection.h
 * has the bounds, rpc/jsonrpc.h the protocol). Control thread.
 */
#pragma once

#include <event2/event.h>

#include "base/error.h"
#include "rpc/jsonrpc.h"

#define RPC_CLIENTS_MAX 64 /* at once; more are turned away */

struct rpc_server;

struct rpc_config {
	const char *path;  /* of the socket; its directory must exist */
	const char *group; /* may use it beside root and the daemon's user; NULL: none */
	struct event_base *base;
	const struct rpc_method *methods; /* ended by a NULL name; must outlive the server */
	void *ctx;			  /* for the methods */
	bool (*settled)(void *ctx);	  /* see rpc/connection.h; may be NULL */
};

/* Makes the socket and serves it from the loop. Fails with a text: the socket's file cannot be
 * made, another daemon serves it (-EBUSY), there is no such group (-EINVAL).
 */
int rpc_server_create(struct rpc_server **out, const struct rpc_config *config, struct error *err);

/* Closes all connections and removes the socket; not from within a method. NULL is fine. */
void rpc_server_destroy(struct rpc_server *server);
