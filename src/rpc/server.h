/* SPDX-License-Identifier: Apache-2.0 */
/* The control socket: JSON-RPC 2.0, a request a line, on a unix stream socket (rpc/connection.h
 * has the bounds, rpc/jsonrpc.h the protocol). Control thread.
 */
#pragma once

#include <event2/event.h>
#include <sys/types.h>

#include "base/error.h"
#include "rpc/jsonrpc.h"

#define RPC_CLIENTS_MAX 64	  /* at once; more are turned away */
#define RPC_CLIENTS_OF_USERS 48	  /* of them, others than root's: root always gets in */
#define RPC_CLIENTS_OF_PROCESS 16 /* of them: who forgets to close its own leaves others room */
#define RPC_SERVER_FDS 2

struct rpc_server;

struct rpc_config {
	const char *path;  /* of the socket; its directory must exist */
	const char *group; /* may use it beside root and the owner; NULL: none */
	uid_t owner;	   /* who has started the daemon; this process may be somebody else's */
	struct event_base *base;
	const struct rpc_method *methods; /* ended by a NULL name; must outlive the server */
	void *ctx;			  /* for the methods */
	bool (*settled)(void *ctx);	  /* see rpc/connection.h; may be NULL */
	int fds[RPC_SERVER_FDS]; /* with n_fds: of the server of an earlier process, which this one
				  * goes on with; they are the server's */
	unsigned n_fds;		 /* RPC_SERVER_FDS or 0 */
};

/* Makes the socket and serves it from the loop. Fails with a text: the socket's file cannot be
 * made, another daemon serves it (-EBUSY), there is no such group (-EINVAL).
 */
int rpc_server_create(struct rpc_server **out, const struct rpc_config *config, struct error *err);

/* What a later process can go on with; they stay the server's. */
void rpc_server_fds(const struct rpc_server *server, int fds[RPC_SERVER_FDS]);

/* Closes all connections and removes the socket; not from within a method. NULL is fine. */
void rpc_server_destroy(struct rpc_server *server);
