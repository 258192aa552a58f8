// SPDX-License-Identifier: Apache-2.0
/* One client of the control socket. Input is read only when no whole request waits in the buffer,
 * so that what is pending stays bounded.
 */
#include <errno.h>
#include <event2/buffer.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/files.h"
#include "base/limit.h"
#include "base/log.h"
#include "base/peer.h"
#include "rpc/connection.h"

LOG_MODULE("rpc");
LIMIT_EACH(request_bytes, "rpc_request_bytes", RPC_REQUEST_MAX, "of a client's request");
LIMIT_EACH(request_files, "rpc_request_files", RPC_FDS_MAX, "with a client's request");
LIMIT_EACH(stall_seconds, "rpc_stall_seconds", RPC_STALL_SECONDS,
	   "that a client may leave its answers unread");

#define CHUNK 65536 /* bytes of one receive */
#define SEND_VECTORS 16
#define SETTLE_POLL_USEC 500  /* between looks whether a change has taken effect */
#define SETTLE_LOOKS_MAX 4000 /* then it is answered anyway: a worker is stuck, the log says so */

/* A file that waits for the end of its request. */
struct waiting_fd {
	int fd;
	uint64_t at; /* offset in the stream of the last byte it came with */
};

struct rpc_connection {
	const struct rpc_env *env;
	int fd;
	struct event *readable, *writable, *more;
	char *in; /* what was received: in[start..end) */
	size_t in_size, start, end;
	size_t scanned; /* no line end in in[start..scanned) */
	uint64_t base;	/* offset in the stream of in[0] */
	unsigned n_fds;
	struct waiting_fd fds[2 * RPC_FDS_MAX]; /* of an unfinished request, and of one receive */
	struct evbuffer *out;
	unsigned n_looks; /* in a row that found the switch not settled */
	bool eof;	  /* the client sends no more */
	bool closing;	  /* nothing more is read: closed when the answers are out */
	bool gone;	  /* nothing more can be sent either */
	bool root;	  /* the client is */
};

static void close_fds(struct rpc_fds *fds)
{
	for (unsigned i = 0; i < fds->n; i++)
		if (fds->fd[i] >= 0)
			close(fds->fd[i]);
	fds->n = 0;
}

static void queue(struct rpc_connection *c, char *line, size_t len)
{
	if (line && evbuffer_add(c->out, line, len))
		c->gone = true;
	free(line);
}

/* Tells the client what it did wrong, and ends. */
static void end_with(struct rpc_connection *c, const char *text)
{
	size_t len = 0;
	char *line = jsonrpc_error(RPC_INVALID_REQUEST, text, &len);

	log_limited(LOG_WARNING, "client closed: %s", text);
	queue(c, line, len);
	c->closing = true;
}

static void end_too_long(struct rpc_connection *c)
{
	limit_refuse(&request_bytes);
	end_with(c, "request longer than 1 MiB");
}

static void end_too_many_files(struct rpc_connection *c, const char *text)
{
	limit_refuse(&request_files);
	end_with(c, text);
}

/* Takes the files that came with in[..@end); too many for one request end the connection. */
static void take_fds(struct rpc_connection *c, size_t end, struct rpc_fds *fds)
{
	unsigned kept = 0;
	bool surplus = false;

	fds->n = 0;
	for (unsigned i = 0; i < c->n_fds; i++) {
		if (c->fds[i].at >= c->base + end) {
			c->fds[kept++] = c->fds[i];
		} else if (fds->n < RPC_FDS_MAX) {
			fds->fd[fds->n++] = c->fds[i].fd;
		} else {
			close(c->fds[i].fd);
			surplus = true;
		}
	}
	c->n_fds = kept;
	if (surplus) {
		close_fds(fds);
		end_too_many_files(c, "more than 8 files with a request");
	}
}

static bool is_blank(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (text[i] != ' ' && text[i] != '\t' && text[i] != '\r')
			return false;
	return true;
}

/* Answers the request in[start..@end), which @ending bytes end. */
static void answer(struct rpc_connection *c, size_t end, size_t ending)
{
	const char *text = c->in + c->start;
	size_t text_len = end - c->start, len = 0;
	struct rpc_fds fds;

	take_fds(c, end + ending, &fds);
	fds.root = c->root;
	c->start = c->scanned = end + ending;
	if (c->closing || is_blank(text, text_len)) {
		close_fds(&fds);
		return;
	}
	if (text_len > RPC_REQUEST_MAX) {
		end_too_long(c);
	} else {
		char *line =
			jsonrpc_answer(c->env->methods, c->env->ctx, text, text_len, &fds, &len);

		queue(c, line, len);
	}
	close_fds(&fds);
}

/* The end of the first whole line, or NULL. */
static const char *line_end(struct rpc_connection *c)
{
	const char *nl = NULL;

	if (c->scanned < c->end)
		nl = memchr(c->in + c->scanned, '\n', c->end - c->scanned);
	c->scanned = nl ? (size_t)(nl - c->in) : c->end;
	return nl;
}

static bool settled(const struct rpc_connection *c)
{
	return !c->env->settled || c->n_looks >= SETTLE_LOOKS_MAX || c->env->settled(c->env->ctx);
}

static bool may_answer(const struct rpc_connection *c)
{
	return !c->closing && !c->gone && settled(c) &&
	       evbuffer_get_length(c->out) <= RPC_QUEUE_MAX;
}

/* Answers what waits in the buffer, within the budget. */
static void answer_waiting(struct rpc_connection *c)
{
	uint64_t end = clock_ns() + RPC_TURN_NS;

	for (unsigned n = 0; n < RPC_TURN && may_answer(c); n++) {
		const char *nl;

		if (n && clock_ns() > end)
			break;
		nl = line_end(c);

		if (nl) {
			answer(c, (size_t)(nl - c->in), 1);
			continue;
		}
		if (c->end - c->start > RPC_REQUEST_MAX)
			end_too_long(c);
		else if (c->eof && c->start < c->end)
			answer(c, c->end, 0); /* the last line may lack its end */
		if (c->eof)
			c->closing = true;
		break;
	}
	if (c->start) {
		memmove(c->in, c->in + c->start, c->end - c->start);
		c->base += c->start;
		c->end -= c->start;
		c->scanned -= c->start;
		c->start = 0;
	}
	if (!c->end && c->in_size > CHUNK) {
		free(c->in); /* an idle client holds no memory */
		c->in = NULL;
		c->in_size = 0;
	}
}

/* Room for a chunk behind in[..end). */
static int make_room(struct rpc_connection *c)
{
	size_t size = c->in_size ? c->in_size : CHUNK;
	char *in;

	while (size - c->end < CHUNK)
		size *= 2;
	if (size == c->in_size)
		return 0;
	in = realloc(c->in, size);
	if (!in)
		return -ENOMEM;
	c->in = in;
	c->in_size = size;
	return 0;
}

/* Notes the files of a message whose last byte is at @at. */
static void note_fds(struct rpc_connection *c, const struct msghdr *msg, uint64_t at)
{
	for (struct cmsghdr *h = CMSG_FIRSTHDR(msg); h; h = CMSG_NXTHDR((struct msghdr *)msg, h)) {
		size_t n = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(h) + i * sizeof(fd), sizeof(fd));
			if (c->n_fds == ARRAY_SIZE(c->fds)) {
				close(fd);
				end_too_many_files(c, "more than 8 files with a request");
			} else if (files_admit(fd) < 0) {
				end_with(c, "vireod has too many files open: try again later");
			} else {
				c->fds[c->n_fds++] = (struct waiting_fd){ .fd = fd, .at = at };
			}
		}
	}
	if (msg->msg_flags & MSG_CTRUNC && !c->closing)
		end_too_many_files(c,
				   "some of the files did not arrive (at most 8 with a request)");
}

static void receive(struct rpc_connection *c)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(RPC_FDS_MAX * sizeof(int))];
	} control;
	struct iovec iov;
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	ssize_t n;

	if (make_room(c)) {
		c->gone = true;
		return;
	}
	iov = (struct iovec){ .iov_base = c->in + c->end, .iov_len = CHUNK };
	n = recvmsg(c->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			c->gone = true;
		return;
	}
	note_fds(c, &msg, c->base + c->end + (size_t)(n ? n - 1 : 0));
	c->end += (size_t)n;
	if (!n)
		c->eof = true;
}

static void transmit(struct rpc_connection *c)
{
	while (evbuffer_get_length(c->out) && !c->gone) {
		struct evbuffer_iovec vec[SEND_VECTORS];
		int n_vec = evbuffer_peek(c->out, -1, NULL, vec, SEND_VECTORS);
		struct msghdr msg = { .msg_iov = (struct iovec *)vec,
				      .msg_iovlen = (size_t)min(n_vec, SEND_VECTORS) };
		ssize_t n = sendmsg(c->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			c->gone = errno != EAGAIN;
			return;
		}
		evbuffer_drain(c->out, (size_t)n);
	}
}

/* Asks the loop for what can go on. */
static void wait_for_more(struct rpc_connection *c)
{
	static const struct timeval now, stall = { .tv_sec = RPC_STALL_SECONDS };
	bool sending = evbuffer_get_length(c->out) > 0;
	bool waiting = may_answer(c) && line_end(c);

	if (c->gone || (c->closing && !sending)) {
		c->env->closed(c->env->owner, c);
		return;
	}
	if (!sending)
		event_del(c->writable);
	else if (!event_pending(c->writable, EV_WRITE, NULL))
		event_add(c->writable, &stall);
	/* a timer, not event_active(): what is ready elsewhere comes first */
	if (waiting || (c->eof && may_answer(c)))
		event_add(c->more, &now);
	if (may_answer(c) && !waiting && !c->eof)
		event_add(c->readable, NULL);
	else
		event_del(c->readable);
}

static void go_on(struct rpc_connection *c)
{
	static const struct timeval soon = { .tv_usec = SETTLE_POLL_USEC };

	answer_waiting(c);
	if (!c->gone && !settled(c)) {
		c->n_looks++;
		event_del(c->readable);
		event_add(c->more, &soon);
		return;
	}
	c->n_looks = 0;
	transmit(c);
	wait_for_more(c);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	receive(arg);
	go_on(arg);
}

static void on_more(evutil_socket_t fd, short what, void *arg)
{
	go_on(arg);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct rpc_connection *c = arg;

	if (what & EV_TIMEOUT) {
		limit_refuse(&stall_seconds);
		log_limited(LOG_WARNING, "client closed: it does not read its answers");
		c->gone = true;
	}
	go_on(c);
}

int rpc_connection_create(struct rpc_connection **out, int fd, const struct rpc_env *env)
{
	struct rpc_connection *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->env = env;
	c->fd = -1;
	c->out = evbuffer_new();
	c->readable = event_new(env->base, fd, EV_READ | EV_PERSIST, on_readable, c);
	c->writable = event_new(env->base, fd, EV_WRITE | EV_PERSIST, on_writable, c);
	c->more = evtimer_new(env->base, on_more, c);
	if (!c->out || !c->readable || !c->writable || !c->more || event_add(c->readable, NULL)) {
		rpc_connection_destroy(c);
		return -ENOMEM;
	}
	c->fd = fd;
	c->root = peer_is_root(fd);
	*out = c;
	return 0;
}

void rpc_connection_destroy(struct rpc_connection *c)
{
	if (!c)
		return;
	if (c->more)
		event_free(c->more);
	if (c->writable)
		event_free(c->writable);
	if (c->readable)
		event_free(c->readable);
	if (c->out)
		evbuffer_free(c->out);
	for (unsigned i = 0; i < c->n_fds; i++)
		close(c->fds[i].fd);
	free(c->in);
	if (c->fd >= 0)
		close(c->fd);
	free(c);
}
