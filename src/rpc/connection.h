/* SPDX-License-Identifier: Apache-2.0 */
/* One client of the control socket: lines come in, with files; answers go out. Control thread.
 *
 * Nothing that a client does blocks or grows without bound: a request is at most RPC_REQUEST_MAX
 * bytes; after RPC_TURN requests, or RPC_TURN_NS, other clients and the rest of the loop have their
 * turn; a client that does not read its answers is not served, and closed after RPC_STALL_SECONDS.
 *
 * Files belong to the request that holds the last byte of the recvmsg(2) that brought them: the
 * kernel ends a receive at a message with files, so that is the request they were sent with if the
 * client sends each request by a sendmsg(2) of its own.
 */
#pragma once

#include <event2/event.h>
#include <stdbool.h>

#include "rpc/jsonrpc.h"

#define RPC_REQUEST_MAX (1u << 20) /* bytes, without the line's end */
#define RPC_TURN 16		   /* requests of one client in a turn of the loop */
#define RPC_TURN_NS 1000000 /* after this long, a turn's next request waits for the next turn */
#define RPC_QUEUE_MAX (256u << 10) /* waiting bytes of answers, above which no request is read */
#define RPC_STALL_SECONDS 30

struct rpc_connection;

/* What a connection needs; must outlive it. */
struct rpc_env {
	struct event_base *base;
	const struct rpc_method *methods;
	void *ctx; /* for the methods */
	/* Whether what was asked has taken effect wholly; until then answers are held back and no
	 * further request is carried out. NULL: always. */
	bool (*settled)(void *ctx);
	/* The client has gone or was cut off: the owner must destroy the connection. */
	void (*closed)(void *owner, struct rpc_connection *conn);
	void *owner;
};

/* Serves the stream socket @fd, and closes it in the end; not if this fails (-ENOMEM). */
int rpc_connection_create(struct rpc_connection **out, int fd, const struct rpc_env *env);

/* Closes; answers that the client did not take are lost. NULL is fine. */
void rpc_connection_destroy(struct rpc_connection *conn);
