// SPDX-License-Identifier: Apache-2.0
/* libFuzzer target: any bytes from a client of the control socket, in pieces, with files.
 *
 * Byte 0 is the length of a piece, the bits of byte 1 say which of each eight pieces bring a file;
 * the rest is what the client sends. Each line of what comes back must be JSON-RPC; no file may
 * stay open. The switch is a stub: what the options mean is not tested here.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../unit/switch_stub.h"
#include "base/log.h"
#include "input.h"
#include "rpc/connection.h"
#include "rpc/methods.h"

#define TURNS_MAX 10000
#define PIECES_MAX 16 /* then comes the rest */

static bool gone;

static void on_closed(void *owner, struct rpc_connection *conn)
{
	rpc_connection_destroy(conn);
	gone = true;
}

/* Aborts unless @line is an answer. */
static void check_line(const char *line, size_t len)
{
	json_t *answer = json_loadb(line, len, 0, NULL);

	if (!json_object_get(answer, "jsonrpc") || !json_object_get(answer, "id") ||
	    !json_object_get(answer, "result") == !json_object_get(answer, "error"))
		abort();
	json_decref(answer);
}

/* Takes what was answered; a line may come in pieces. */
static void take_answers(int fd)
{
	static char text[1 << 22];
	static size_t len;
	size_t start = 0;
	ssize_t n;

	if (gone)
		len = 0;
	while ((n = recv(fd, text + len, sizeof(text) - len, MSG_DONTWAIT)) > 0)
		len += (size_t)n;
	for (char *nl; (nl = memchr(text + start, '\n', len - start));) {
		check_line(text + start, (size_t)(nl - text) - start);
		start = (size_t)(nl - text) + 1;
	}
	memmove(text, text + start, len - start);
	len -= start;
}

/* Sends a piece; false: no room now, or nobody there. */
static bool put(int fd, const uint8_t *piece, size_t len, bool with_file)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { .bytes = "" };
	struct iovec iov = { (void *)piece, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	int file = STDERR_FILENO;

	if (with_file) {
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.header), &file, sizeof(file));
	}
	return sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)len;
}

static void talk(struct event_base *base, int fd, const uint8_t *data, size_t size)
{
	size_t n_sent = 0, at = 2;
	bool ended = false;

	for (int turn = 0; turn < TURNS_MAX && !gone; turn++) {
		while (at < size) {
			size_t piece = n_sent < PIECES_MAX ? data[0] + 1u : size;

			piece = min(piece, size - at);
			if (!put(fd, data + at, piece, data[1] >> (n_sent % 8) & 1))
				break;
			at += piece;
			n_sent++;
		}
		if (at == size && !ended)
			ended = shutdown(fd, SHUT_WR) == 0;
		event_base_loop(base, EVLOOP_NONBLOCK | EVLOOP_ONCE);
		take_answers(fd);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct methods_context context = { .log_level = "error" };
	static struct rpc_env env = { .methods = methods, .ctx = &context, .closed = on_closed };
	int pair[2], first = open("/dev/null", O_RDONLY | O_CLOEXEC), again;
	struct rpc_connection *conn;

	if (size < 3)
		goto out;
	log_set_level("all", "error", NULL);
	if (!env.base)
		env.base = event_base_new();
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) ||
	    rpc_connection_create(&conn, pair[1], &env))
		abort();
	gone = false;
	talk(env.base, pair[0], data, size);
	if (!gone)
		abort(); /* the client has ended: so must the connection */
	take_answers(pair[0]);
	close(pair[0]);
out:
	close(first);
	again = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (again != first && size >= 3)
		abort();
	close(again);
	return 0;
}
