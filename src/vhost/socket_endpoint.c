// SPDX-License-Identifier: Apache-2.0
/* Waiting on a unix socket for a front-end, reading its messages, answering. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/compiler.h"
#include "base/files.h"
#include "base/letgo.h"
#include "base/log.h"
#include "vhost/socket.h"
#include "vhost/socket_endpoint.h"

#define MESSAGES_PER_TURN 32 /* then other sockets get their turn */
#define RETRY_MIN_MS 50
#define RETRY_MAX_MS 1000

LOG_MODULE("vhost");

struct socket_endpoint {
	struct vhost_endpoint endpoint;
	char *name, *path;
	enum vhost_mode mode;
	bool waiting;		      /* for a front-end: listening, or the retry timer runs */
	bool at_hand;		      /* a message was handed out and is not done */
	bool reading;		      /* on the way through on_readable() */
	bool prepared;		      /* its end is in the outbox */
	struct vhost_channel channel; /* fd -1: not connected */
	struct vhost_outbox *outbox, own_outbox;
	int answer_fd; /* what goes with the answer that is in it; -1: nothing */
	int peer_pid;
	int listen_fd;
	struct vhost_socket_file file;
	struct event *accept_event;		/* VHOST_LISTEN */
	struct event *retry_event;		/* next try to connect or to accept */
	struct event *read_event, *write_event; /* of the connection; NULL: none */
	struct event *end_event;		/* tells later that an answer could not be sent */
	const char *why;
	struct event_base *base;
	unsigned retry_ms;
	bool retry_told; /* why connecting fails has been logged */
};

static struct socket_endpoint *of(struct vhost_endpoint *ep)
{
	return container_of(ep, struct socket_endpoint, endpoint);
}

static bool connected(const struct socket_endpoint *e)
{
	return e->channel.fd >= 0;
}

/* ---- waiting for a front-end */

static void retry_later(struct socket_endpoint *e)
{
	struct timeval tv = { .tv_sec = e->retry_ms / 1000, .tv_usec = e->retry_ms % 1000 * 1000 };

	event_add(e->retry_event, &tv);
	e->retry_ms = min(2 * e->retry_ms, (unsigned)RETRY_MAX_MS);
}

static void wait_for_front_end(struct vhost_endpoint *ep)
{
	struct socket_endpoint *e = of(ep);

	e->waiting = true;
	if (e->mode == VHOST_LISTEN)
		event_add(e->accept_event, NULL);
	else
		retry_later(e);
}

/* ---- the end of a connection */

static void forget_file(struct socket_endpoint *e)
{
	if (e->answer_fd >= 0)
		close(e->answer_fd);
	e->answer_fd = -1;
}

static void close_connection(struct socket_endpoint *e)
{
	letgo_begin(); /* what is still in the socket goes with it */
	forget_file(e);
	if (e->read_event)
		event_free(e->read_event);
	if (e->write_event)
		event_free(e->write_event);
	e->read_event = e->write_event = NULL;
	if (connected(e)) /* others may have this socket open, too, to keep it for us */
		shutdown(e->channel.fd, SHUT_RDWR);
	vhost_channel_close(&e->channel);
	letgo_end();
	e->at_hand = e->prepared = false;
	if (e->end_event)
		event_del(e->end_event);
	if (e->accept_event)
		event_del(e->accept_event); /* the next front-end waits in the backlog */
}

static void hang_up(struct vhost_endpoint *ep)
{
	close_connection(of(ep));
}

static void end_connection(struct socket_endpoint *e, const char *why)
{
	close_connection(e);
	e->endpoint.events->disconnected(e->endpoint.owner, why);
}

static void on_end(evutil_socket_t fd, short what, void *arg)
{
	struct socket_endpoint *e = arg;

	letgo_begin();
	end_connection(e, e->why);
	letgo_end();
}

/* ---- messages */

/* Looks at the socket from now on, and now: edges, since what stays there keeps it readable. */
static void read_on(struct socket_endpoint *e)
{
	event_del(e->read_event);
	event_add(e->read_event, NULL);
}

static void end_soon(struct socket_endpoint *e, int rc)
{
	e->why = rc == -ECONNRESET ? NULL : strerror(-rc);
	/* not from inside done(), and nothing is read before */
	event_del(e->read_event);
	event_active(e->end_event, EV_TIMEOUT, 0);
}

/* Takes the message that has acted out of the socket. */
static int take_out(struct socket_endpoint *e)
{
	struct vhost_outbox *out = e->outbox;
	int rc = 0;

	if (out->consumed != out->acted)
		rc = vhost_channel_consume(&e->channel);
	if (!rc)
		vhost_outbox_consumed(out);
	return rc;
}

/* Sends its answer, if there is one. */
static int send_answer(struct socket_endpoint *e)
{
	int rc = vhost_outbox_send(e->outbox, e->channel.fd, e->answer_fd);

	if (rc != -EAGAIN)
		forget_file(e);
	return rc;
}

/* Both. True when the next may come. */
static bool finish(struct socket_endpoint *e)
{
	int rc = take_out(e);

	if (!rc)
		rc = send_answer(e);
	if (rc == -EAGAIN)
		event_add(e->write_event, NULL);
	else if (rc)
		end_soon(e, rc);
	return !rc;
}

static void read_messages(struct socket_endpoint *e)
{
	struct vhost_message m;
	struct error err;
	int rc;

	for (unsigned i = 0; i < MESSAGES_PER_TURN; i++) {
		if (e->at_hand || vhost_outbox_sending(e->outbox)) {
			event_del(e->read_event);
			return;
		}
		rc = vhost_channel_receive(&e->channel, &m, &err);
		if (rc == 0)
			return;
		if (rc < 0) {
			end_connection(e, rc == -ECONNRESET ? NULL : err.text);
			return;
		}
		e->retry_ms = RETRY_MIN_MS; /* somebody speaks vhost-user at the other end */
		e->at_hand = e->reading = true;
		e->endpoint.events->message(e->endpoint.owner, &m);
		e->reading = false;
		if (!connected(e) || event_pending(e->end_event, EV_TIMEOUT, NULL))
			return;
	}
	read_on(e);
}

/* Reading a message, and whatever comes of it, lets go of files: no front-end may make us wait. */
static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	letgo_begin();
	read_messages(arg);
	letgo_end();
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct socket_endpoint *e = arg;
	int rc = send_answer(e);

	if (rc == -EAGAIN)
		return;
	if (rc) {
		letgo_begin();
		end_connection(e, rc == -ECONNRESET ? NULL : strerror(-rc));
		letgo_end();
		return;
	}
	event_del(e->write_event);
	read_on(e);
}

int vhost_socket_endpoint_prepare(struct vhost_endpoint *ep, const struct vhost_verdict *v,
				  uint64_t number)
{
	struct socket_endpoint *e = of(ep);
	bool with_fd = v->reply && v->n_fds;
	int rc = vhost_outbox_put(e->outbox, number, v->reply, v->request, v->payload, v->size,
				  with_fd);

	forget_file(e);
	if (with_fd)
		e->answer_fd = fcntl(v->fds[0], F_DUPFD_CLOEXEC, 0);
	e->prepared = rc == 0;
	return rc;
}

static void done(struct vhost_endpoint *ep, const struct vhost_verdict *verdict)
{
	struct socket_endpoint *e = of(ep);
	int rc = 0;

	if (!e->at_hand)
		return;
	if (!e->prepared)
		rc = vhost_socket_endpoint_prepare(ep, verdict, e->outbox->acted + 1);
	e->at_hand = e->prepared = false;
	if (rc)
		end_soon(e, rc);
	else if (finish(e) && !e->reading)
		read_on(e);
}

/* ---- the start of a connection */

static int use_connection(struct socket_endpoint *e, int fd)
{
	vhost_channel_init(&e->channel, fd);
	e->read_event = event_new(e->base, fd, EV_READ | EV_ET | EV_PERSIST, on_readable, e);
	e->write_event = event_new(e->base, fd, EV_WRITE | EV_ET | EV_PERSIST, on_writable, e);
	return e->read_event && e->write_event ? 0 : -ENOMEM;
}

static void start_connection(struct socket_endpoint *e, int fd)
{
	vhost_outbox_clear(e->outbox);
	if (use_connection(e, fd) || vhost_channel_let_stay(&e->channel) ||
	    event_add(e->read_event, NULL)) {
		log_limited(LOG_WARNING, "%s: cannot serve the front-end: out of memory", e->name);
		close_connection(e);
		wait_for_front_end(&e->endpoint);
		return;
	}
	e->waiting = false;
	e->retry_told = false;
	e->peer_pid = vhost_socket_peer_pid(fd);
	e->endpoint.events->connected(e->endpoint.owner, e->peer_pid, false);
}

static void on_connectable(evutil_socket_t fd, short what, void *arg)
{
	struct socket_endpoint *e = arg;

	/* Of two that come at once, the one that is there stays. One whose end we have not read yet
	 * does not count: the new one waits in the backlog until that is done. */
	if (!e->waiting && vhost_socket_hung_up(e->channel.fd)) {
		event_del(e->accept_event);
		return;
	}
	fd = files_admit(accept4(e->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC));
	if (fd < 0) {
		if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
			return;
		log_limited(LOG_WARNING, "%s: cannot accept a front-end: %s", e->name,
			    strerror(errno));
		event_del(e->accept_event);
		retry_later(e);
		return;
	}
	if (!e->waiting) {
		log_limited(LOG_WARNING,
			    "%s: refused process %d: process %d is connected, and a socket serves "
			    "one front-end",
			    e->name, vhost_socket_peer_pid(fd), e->peer_pid);
		letgo_begin();
		close(fd);
		letgo_end();
		return;
	}
	start_connection(e, fd);
}

static void on_retry(evutil_socket_t fd, short what, void *arg)
{
	struct socket_endpoint *e = arg;
	struct error err;

	if (e->mode == VHOST_LISTEN) {
		if (e->waiting || connected(e))
			event_add(e->accept_event, NULL);
		return;
	}
	fd = vhost_socket_connect(e->path, &err);
	if (fd >= 0) {
		start_connection(e, fd);
		return;
	}
	if (!e->retry_told)
		log_limited(LOG_INFO, "%s: waiting for the front-end: %s", e->name, err.text);
	e->retry_told = true;
	retry_later(e);
}

/* ---- construction */

static void free_event(struct event *event)
{
	if (event)
		event_free(event);
}

static void destroy(struct vhost_endpoint *ep)
{
	struct socket_endpoint *e;

	if (!ep)
		return;
	e = of(ep);
	close_connection(e);
	free_event(e->accept_event);
	free_event(e->retry_event);
	free_event(e->end_event);
	vhost_socket_remove(e->path, &e->file);
	if (e->listen_fd >= 0)
		close(e->listen_fd);
	free(e->name);
	free(e->path);
	free(e);
}

static const struct vhost_endpoint_ops socket_ops = {
	.wait = wait_for_front_end,
	.done = done,
	.hang_up = hang_up,
	.destroy = destroy,
};

static int make_events(struct socket_endpoint *e, struct error *err)
{
	e->retry_event = event_new(e->base, -1, 0, on_retry, e);
	e->end_event = event_new(e->base, -1, 0, on_end, e);
	if (e->listen_fd >= 0)
		e->accept_event =
			event_new(e->base, e->listen_fd, EV_READ | EV_PERSIST, on_connectable, e);
	if (!e->retry_event || !e->end_event || (e->listen_fd >= 0 && !e->accept_event))
		return error_set(err, -ENOMEM, "out of memory");
	return 0;
}

static int make_socket(struct socket_endpoint *e, const struct vhost_socket_rights *rights,
		       struct error *err)
{
	int rc = vhost_socket_check_path(e->path, err);
	struct timeval now = { 0 };

	if (rc)
		return rc;
	e->waiting = true;
	if (e->mode == VHOST_LISTEN) {
		e->listen_fd = vhost_socket_listen(e->path, rights, &e->file, err);
		if (e->listen_fd < 0)
			return e->listen_fd;
	}
	rc = make_events(e, err);
	if (rc)
		return rc;
	rc = e->mode == VHOST_LISTEN ? event_add(e->accept_event, NULL)
				     : event_add(e->retry_event, &now);
	return rc ? error_set(err, -ENOMEM, "out of memory") : 0;
}

static struct socket_endpoint *make_endpoint(const struct vhost_endpoint_config *config,
					     const struct vhost_endpoint_events *events,
					     void *owner, struct event_base *base)
{
	struct socket_endpoint *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->endpoint =
		(struct vhost_endpoint){ .ops = &socket_ops, .events = events, .owner = owner };
	e->name = strdup(config->name);
	e->path = strdup(config->path);
	e->mode = config->mode;
	e->base = base;
	e->retry_ms = RETRY_MIN_MS;
	e->listen_fd = e->answer_fd = -1;
	e->channel.fd = -1;
	e->outbox = &e->own_outbox;
	if (e->name && e->path)
		return e;
	destroy(&e->endpoint);
	return NULL;
}

int vhost_socket_endpoint_create(struct vhost_endpoint **out,
				 const struct vhost_endpoint_config *config,
				 const struct vhost_endpoint_events *events, void *owner,
				 struct event_base *base, struct error *err)
{
	struct socket_endpoint *e = make_endpoint(config, events, owner, base);
	int rc;

	if (!e)
		return error_set(err, -ENOMEM, "out of memory");
	rc = make_socket(e, &config->rights, err);
	if (rc) {
		destroy(&e->endpoint);
		return rc;
	}
	*out = &e->endpoint;
	return 0;
}

int vhost_socket_endpoint_restore(struct vhost_endpoint **out,
				  const struct vhost_endpoint_config *config,
				  const struct vhost_socket_fds *fds,
				  const struct vhost_endpoint_events *events, void *owner,
				  struct event_base *base, struct error *err)
{
	struct socket_endpoint *e = make_endpoint(config, events, owner, base);

	if (!e)
		return error_set(err, -ENOMEM, "out of memory");
	e->listen_fd = fds->listen_fd;
	e->file = fds->file;
	e->peer_pid = fds->peer_pid;
	e->channel.fd = fds->fd;
	if (e->mode == VHOST_LISTEN && e->listen_fd < 0) {
		destroy(&e->endpoint);
		return error_set(err, -EINVAL, "the socket that it listens at is not there");
	}
	if ((fds->fd >= 0 && use_connection(e, fds->fd)) || make_events(e, err)) {
		destroy(&e->endpoint);
		return error_set(err, -ENOMEM, "out of memory");
	}
	if (e->accept_event && fds->fd >= 0)
		event_add(e->accept_event, NULL); /* to refuse a second one */
	*out = &e->endpoint;
	return 0;
}

void vhost_socket_endpoint_use(struct vhost_endpoint *ep, struct vhost_outbox *outbox,
			       uint64_t made)
{
	vhost_outbox_resume(outbox, made);
	of(ep)->outbox = outbox;
}

void vhost_socket_endpoint_resume(struct vhost_endpoint *ep)
{
	struct socket_endpoint *e = of(ep);
	int rc;

	if (!connected(e))
		return;
	rc = take_out(e);
	if (!rc) /* what the other process has looked at since is looked at again */
		rc = vhost_channel_let_stay(&e->channel);
	if (rc) {
		end_soon(e, rc);
	} else if (finish(e)) {
		event_add(e->read_event, NULL);
		on_readable(e->channel.fd, EV_READ, e);
	}
}

struct vhost_socket_fds vhost_socket_endpoint_fds(const struct vhost_endpoint *ep)
{
	const struct socket_endpoint *e = container_of(ep, struct socket_endpoint, endpoint);

	return (struct vhost_socket_fds){ e->listen_fd, e->file, e->channel.fd, e->peer_pid };
}

void vhost_socket_endpoint_leave(struct vhost_endpoint *ep)
{
	of(ep)->file.ino = 0;
}

static int make(const struct vhost_endpoint_maker *maker, struct vhost_endpoint **out,
		const struct vhost_endpoint_config *config,
		const struct vhost_endpoint_events *events, void *owner, struct error *err)
{
	const struct vhost_socket_maker *m = container_of(maker, struct vhost_socket_maker, maker);

	return vhost_socket_endpoint_create(out, config, events, owner, m->base, err);
}

void vhost_socket_maker_init(struct vhost_socket_maker *maker, struct event_base *base)
{
	*maker = (struct vhost_socket_maker){ .maker = { make }, .base = base };
}
