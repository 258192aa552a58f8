/* SPDX-License-Identifier: Apache-2.0 */
/* JSON-RPC 2.0 (jsonrpc.org/specification), the words of it: one request's text in, one answer's
 * text out. Knows nothing of sockets. Requests come one at a time: batches (arrays of requests) are
 * refused, because a client can write several requests in a row as well. Control thread.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

#define RPC_FDS_MAX 8		   /* files that one request may bring */
#define RPC_ANSWER_MAX (16u << 20) /* bytes of one answer */

/* Codes of the specification, and one for all that the switch refuses. */
#define RPC_PARSE_ERROR (-32700)
#define RPC_INVALID_REQUEST (-32600)
#define RPC_METHOD_NOT_FOUND (-32601)
#define RPC_INVALID_PARAMS (-32602)
#define RPC_INTERNAL_ERROR (-32603)
#define RPC_REFUSED 1

/* The files that came with a request. A method that keeps one puts -1 in its place; the others are
 * closed after the call.
 */
struct rpc_fds {
	unsigned n;
	int fd[RPC_FDS_MAX];
	bool root; /* who sent it is root */
};

/* What clients may call; an array of these ends with a NULL name. */
struct rpc_method {
	const char *name;
	/* @params: an object, empty when the request had none; may be changed. Returns 0 and
	 * *@result (a new reference; NULL means true), or a text and -errno (the request was
	 * understood, and refused) or RPC_INVALID_PARAMS.
	 */
	int (*call)(void *ctx, json_t *params, struct rpc_fds *fds, json_t **result,
		    struct error *err);
};

/* Carries out the request in @text and returns its answer, one line with its end (malloc'd, *@len
 * bytes), or NULL when there is none to be sent: the request was a notification. Never fails
 * otherwise: errors are answers. @fds may be NULL; it does not close them.
 */
char *jsonrpc_answer(const struct rpc_method *methods, void *ctx, const char *text, size_t text_len,
		     struct rpc_fds *fds, size_t *len);

/* The answer that tells an error without a request: @code and @message. Same ownership. */
char *jsonrpc_error(int code, const char *message, size_t *len);
