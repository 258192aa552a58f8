// SPDX-License-Identifier: Apache-2.0
/* One peer at a stream socket. Like clients of the control socket, with recvmsg(2) and sendmsg(2)
 * alone, so that the sandbox has no further calls to allow.
 */
#include <errno.h>
#include <event2/buffer.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "base/limit.h"
#include "base/log.h"
#include "base/peer.h"
#include "openflow/connection.h"
#include "openflow/message.h"

LOG_MODULE("openflow");
LIMIT_EACH(hello_seconds, "openflow_hello_seconds", OF_HELLO_SECONDS,
	   "until an OpenFlow peer must have said hello");
LIMIT_EACH(stall_seconds, "openflow_stall_seconds", OF_STALL_SECONDS,
	   "that an OpenFlow peer may leave unread what was sent");
LIMIT_EACH(snoop_bytes, "openflow_snoop_bytes", OF_SNOOP_MAX,
	   "of messages that one who snoops has not read");

#define INPUT_MAX (65536 + 32768) /* bytes: the largest message, and the beginning of the next */
#define SEND_VECTORS 16

struct of_connection {
	struct of_transport transport;
	const struct of_connection_env *env;
	struct of_session *session; /* NULL: only listens */
	int fd;
	struct event *readable, *writable, *more, *hello;
	uint8_t *
		in; /* INPUT_MAX bytes; in[start..end) is not handled yet; NULL: nothing is there */
	size_t start, end;
	struct evbuffer *out;
	uint64_t n_lost;      /* messages, when it listens */
	uint64_t answered_ns; /* when it was last sent something */
	unsigned n_prompt;    /* requests that came as soon as it was answered: asks_again() */
	bool in_turn;
	bool closing; /* nothing more is read: closed when all is sent */
	bool gone;    /* nothing more can be sent either */
};

static struct of_connection *of_transport(const struct of_transport *transport)
{
	return container_of(transport, struct of_connection, transport);
}

/* ---- what a session sees */

static const struct timeval now, stall = { .tv_sec = OF_STALL_SECONDS };

/* Lets the loop send, or end. */
static void go_on_soon(struct of_connection *c)
{
	if (!c->in_turn)
		event_add(c->more, &now);
}

static void queue(struct of_transport *transport, const uint8_t *message, size_t len)
{
	struct of_connection *c = of_transport(transport);

	if (c->gone || evbuffer_add(c->out, message, len))
		c->gone = true;
	go_on_soon(c);
}

static size_t waiting(const struct of_transport *transport)
{
	return evbuffer_get_length(of_transport(transport)->out);
}

static void ready(struct of_transport *transport)
{
	go_on_soon(of_transport(transport));
}

static void end(struct of_transport *transport)
{
	struct of_connection *c = of_transport(transport);

	c->closing = true;
	go_on_soon(c);
}

/* ---- in */

static void receive(struct of_connection *c)
{
	struct iovec iov;
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	if (!c->in)
		c->in = malloc(INPUT_MAX);
	if (!c->in) {
		c->gone = true;
		return;
	}
	iov = (struct iovec){ .iov_base = c->in + c->end, .iov_len = INPUT_MAX - c->end };
	n = recvmsg(c->fd, &msg, MSG_DONTWAIT);
	if (n > 0)
		c->end += (size_t)n;
	else if (!n)
		c->closing = true;
	else if (errno != EAGAIN && errno != EINTR)
		c->gone = true;
}

/* The length of the message at the start; 0: it is not there wholly. */
static size_t whole_message(struct of_connection *c)
{
	size_t have = c->end - c->start, len;

	if (have < OF_HEADER)
		return 0;
	len = be16_load(c->in + c->start + 2);
	if (len < OF_HEADER) {
		log_limited(LOG_WARNING, "peer closed: a message of %zu bytes", len);
		c->gone = true;
		return 0;
	}
	return have < len ? 0 : len;
}

static bool may_handle(const struct of_connection *c)
{
	return !c->gone && !c->session->ended && of_session_ready(c->session) &&
	       evbuffer_get_length(c->out) <= OF_QUEUE_MAX;
}

/* Handles what waits, within the budget. */
static void handle_waiting(struct of_connection *c)
{
	uint64_t until = clock_ns() + OF_TURN_NS;

	of_session_more(c->session);
	of_session_gather(c->session);
	for (unsigned n = 0; n < OF_TURN && may_handle(c); n++) {
		size_t len;

		if (n && clock_ns() > until)
			break;
		len = whole_message(c);
		if (!len)
			break;
		message_handle(c->session, c->in + c->start, len);
		c->start += len;
	}
	of_session_publish(c->session);
	if (clock_ns() > until)
		keep_busy(c->env->keep);
}

static void make_room(struct of_connection *c)
{
	if (c->start == c->end) {
		free(c->in); /* a peer without anything to say holds no memory */
		c->in = NULL;
		c->start = c->end = 0;
	} else if (c->start) {
		memmove(c->in, c->in + c->start, c->end - c->start);
		c->end -= c->start;
		c->start = 0;
	}
}

/* ---- out */

static void transmit(struct of_connection *c)
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
		c->answered_ns = clock_ns();
	}
}

/* ---- the loop */

/* Nothing more can come of what has been received. */
static bool is_through(struct of_connection *c)
{
	return !c->session || c->session->ended ||
	       (of_session_ready(c->session) && !whole_message(c));
}

/* All that there was to do has been. */
static bool is_idle(struct of_connection *c)
{
	return c->session && !c->session->later && is_through(c) && !c->gone && !c->closing &&
	       !evbuffer_get_length(c->out);
}

static void note_prompt(struct of_connection *c)
{
	c->n_prompt = min(c->n_prompt + 1, 2u * OF_PROMPT_MIN);
}

/* Who asks one thing at a time, each as soon as the one before is answered, pays more for two
 * threads that wake each other up than for what they do. So, as long as it goes on, the loop does
 * not sleep before its next request, and meanwhile serves all who have something for it. In vain it
 * is where the peer needs the same processor: each time takes OF_PROMPT_MIN prompt requests to come
 * again.
 */
static bool asks_again(struct of_connection *c)
{
	if (c->n_prompt < OF_PROMPT_MIN || !is_idle(c))
		return false;
	if (clock_ns() - c->answered_ns < OF_PROMPT_NS)
		return true;
	c->n_prompt -= OF_PROMPT_MIN;
	return false;
}

/* Asks the loop for what can go on. */
static void wait_for_more(struct of_connection *c)
{
	bool sending = evbuffer_get_length(c->out) > 0, handles, through = is_through(c);

	if (c->gone || (c->closing && !sending && through)) {
		c->env->closed(c->env->owner, c);
		return;
	}
	if (!sending)
		event_del(c->writable);
	else if (!event_pending(c->writable, EV_WRITE, NULL))
		event_add(c->writable, &stall);
	handles = c->session && evbuffer_get_length(c->out) <= OF_QUEUE_MAX;
	/* a timer, not event_active(): what is ready elsewhere comes first */
	if ((handles && (c->session->later || (may_handle(c) && !through))) || asks_again(c))
		event_add(c->more, &now);
	if (c->closing || (c->session && !(may_handle(c) && through)))
		event_del(c->readable);
	else
		event_add(c->readable, NULL);
}

static void go_on(struct of_connection *c)
{
	c->in_turn = true;
	if (c->session)
		handle_waiting(c);
	else
		c->start = c->end; /* who listens has nothing to say */
	make_room(c);
	transmit(c);
	c->in_turn = false;
	wait_for_more(c);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct of_connection *c = arg;

	if (clock_ns() - c->answered_ns < OF_PROMPT_NS)
		note_prompt(c);
	receive(c);
	go_on(c);
}

static void on_more(evutil_socket_t fd, short what, void *arg)
{
	go_on(arg);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct of_connection *c = arg;

	if (what & EV_TIMEOUT) {
		limit_refuse(&stall_seconds);
		log_limited(LOG_WARNING, "peer closed: it does not read what it asked for");
		c->gone = true;
	}
	go_on(c);
}

static void on_hello_timeout(evutil_socket_t fd, short what, void *arg)
{
	struct of_connection *c = arg;

	if (!c->session || c->session->version)
		return;
	limit_refuse(&hello_seconds);
	log_limited(LOG_WARNING, "peer closed: it did not say hello");
	c->env->closed(c->env->owner, c);
}

/* ---- who listens */

static void say_hello(struct of_connection *c)
{
	static const uint8_t hello[] = { OF15, OFT_HELLO, 0, 16, 0, 0, 0, 1,
					 0,    1,	  0, 8,	 0, 0, 0, OF_VERSIONS };

	queue(&c->transport, hello, sizeof(hello));
}

void of_connection_copy(struct of_connection *c, const uint8_t *message, size_t len)
{
	if (evbuffer_get_length(c->out) + len > OF_SNOOP_MAX) {
		c->n_lost++;
		limit_refuse(&snoop_bytes);
		return;
	}
	queue(&c->transport, message, len);
}

/* ---- life */

static bool make_events(struct of_connection *c, int fd)
{
	static const struct timeval hello = { .tv_sec = OF_HELLO_SECONDS };
	struct event_base *base = c->env->base;

	c->readable = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, c);
	c->writable = event_new(base, fd, EV_WRITE | EV_PERSIST, on_writable, c);
	c->more = evtimer_new(base, on_more, c);
	c->hello = evtimer_new(base, on_hello_timeout, c);
	return c->readable && c->writable && c->more && c->hello && !event_add(c->readable, NULL) &&
	       !event_add(c->hello, &hello);
}

int of_connection_create(struct of_connection **out, int fd, struct of_bridge *bridge,
			 const struct of_connection_env *env)
{
	struct of_connection *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->transport = (struct of_transport){ queue, waiting, ready, end };
	c->env = env;
	c->fd = -1;
	c->out = evbuffer_new();
	if (!c->out || !make_events(c, fd))
		goto fail;
	if (bridge)
		c->session = of_session_create(bridge, &c->transport);
	else
		say_hello(c);
	if (bridge && !c->session)
		goto fail;
	if (bridge) {
		c->session->pid = peer_pid(fd);
		c->session->root = peer_is_root(fd);
	}
	c->fd = fd;
	*out = c;
	return 0;
fail:
	of_connection_destroy(c);
	return -ENOMEM;
}

static void free_event(struct event *event)
{
	if (event)
		event_free(event);
}

void of_connection_destroy(struct of_connection *c)
{
	if (!c)
		return;
	if (c->n_lost)
		log_info("somebody who snooped lost %llu messages", (unsigned long long)c->n_lost);
	of_session_destroy(c->session);
	free_event(c->hello);
	free_event(c->more);
	free_event(c->writable);
	free_event(c->readable);
	if (c->out)
		evbuffer_free(c->out);
	free(c->in);
	if (c->fd >= 0)
		close(c->fd);
	free(c);
}
