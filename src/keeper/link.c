// SPDX-License-Identifier: Apache-2.0
/* Packets with file descriptors between two processes that trust each other. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "keeper/link.h"

#define PACKETS_PER_TURN 64 /* then others get their turn */
#define WAITING_MAX 512	    /* packets: who does not read so many is not read, either */
#define HEADER_LEN sizeof(struct keeper_header)

LOG_MODULE("keeper");

struct waiting {
	struct waiting *next;
	struct keeper_packet packet; /* fds are ours */
};

struct queue {
	struct waiting *first, **end;
	unsigned n;
};

struct keeper_link {
	int fd; /* -1: closed */
	struct event *read_event, *write_event, *early_event;
	struct queue out;   /* to be sent */
	struct queue early; /* came while somebody waited for another */
	const struct keeper_link_ops *ops;
	void *owner;
};

union fd_control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(int) * KEEPER_FDS_MAX)];
};

void keeper_packet_init(struct keeper_packet *p, enum keeper_kind kind, uint32_t device,
			uint32_t connection)
{
	memset(&p->header, 0, sizeof(p->header));
	p->header.kind = kind;
	p->header.device = device;
	p->header.connection = connection;
	p->n_fds = 0;
}

void keeper_packet_close_fds(struct keeper_packet *p)
{
	for (unsigned i = 0; i < p->n_fds; i++)
		if (p->fds[i] >= 0)
			close(p->fds[i]);
	p->n_fds = 0;
}

/* ---- queues */

static void queue_init(struct queue *q)
{
	q->first = NULL;
	q->end = &q->first;
	q->n = 0;
}

static void queue_add(struct queue *q, struct waiting *w)
{
	w->next = NULL;
	*q->end = w;
	q->end = &w->next;
	q->n++;
}

static void queue_drop_first(struct queue *q)
{
	struct waiting *w = q->first;

	q->first = w->next;
	if (!q->first)
		q->end = &q->first;
	q->n--;
	keeper_packet_close_fds(&w->packet);
	free(w);
}

/* ---- sending */

/* 0, -EAGAIN when the socket takes nothing now, or -errno. */
static int send_now(int fd, const struct keeper_packet *p)
{
	struct iovec iov[] = { { (void *)&p->header, HEADER_LEN },
			       { (void *)p->bytes, p->header.size } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	union fd_control control;
	ssize_t n;

	if (p->n_fds) {
		struct cmsghdr *c;

		memset(&control, 0, sizeof(control));
		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * p->n_fds);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * p->n_fds);
		memcpy(CMSG_DATA(c), p->fds, sizeof(int) * p->n_fds);
	}
	do {
		n = sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n >= 0)
		return 0;
	return errno == EWOULDBLOCK ? -EAGAIN : -errno;
}

static void close_link(struct keeper_link *l)
{
	if (l->fd < 0)
		return;
	event_free(l->read_event);
	event_free(l->write_event);
	l->read_event = l->write_event = NULL;
	close(l->fd);
	l->fd = -1;
	while (l->out.first)
		queue_drop_first(&l->out);
}

/* Puts a copy, with fds of its own, behind what waits. */
static void keep_for_later(struct keeper_link *l, const struct keeper_packet *p)
{
	struct waiting *w = malloc(sizeof(*w));

	if (!w) {
		log_error("out of memory: a packet to the other process is lost");
		return;
	}
	memcpy(&w->packet, p, sizeof(*p));
	for (unsigned i = 0; i < p->n_fds; i++) {
		w->packet.fds[i] = fcntl(p->fds[i], F_DUPFD_CLOEXEC, 0);
		if (w->packet.fds[i] < 0)
			log_error("a file descriptor for the other process is lost: %s",
				  strerror(errno));
	}
	queue_add(&l->out, w);
	event_add(l->write_event, NULL);
}

void keeper_link_send(struct keeper_link *link, const struct keeper_packet *p)
{
	int rc;

	if (link->fd < 0)
		return;
	if (link->ops->sends)
		link->ops->sends(link->owner);
	rc = link->out.first ? -EAGAIN : send_now(link->fd, p);
	if (rc == -EAGAIN)
		keep_for_later(link, p);
	else if (rc && rc != -EPIPE && rc != -ECONNRESET) /* that shows when it is read */
		log_error("cannot send to the other process: %s", strerror(-rc));
}

bool keeper_link_full(const struct keeper_link *link)
{
	return link->fd >= 0 && link->out.first;
}

/* Sends what waits, as far as the socket takes it. */
static void send_waiting(struct keeper_link *l)
{
	while (l->out.first && send_now(l->fd, &l->out.first->packet) != -EAGAIN)
		queue_drop_first(&l->out);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct keeper_link *l = arg;

	send_waiting(l);
	if (l->out.n < WAITING_MAX)
		event_add(l->read_event, NULL);
	if (l->out.first)
		return;
	event_del(l->write_event);
	l->ops->writable(l->owner);
}

int keeper_link_flush(struct keeper_link *link, int ms)
{
	uint64_t end = clock_ns() + (uint64_t)ms * NSEC_PER_MSEC, now;

	while (keeper_link_full(link) && (now = clock_ns()) < end) {
		struct pollfd poller = { .fd = link->fd, .events = POLLOUT };

		poll(&poller, 1, (int)((end - now) / NSEC_PER_MSEC) + 1);
		send_waiting(link);
	}
	return keeper_link_full(link) ? -ETIMEDOUT : 0;
}

/* ---- receiving */

static void collect_fds(struct keeper_packet *p, struct msghdr *msg)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		unsigned n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		for (unsigned i = 0; i < n && p->n_fds < KEEPER_FDS_MAX; i++)
			memcpy(&p->fds[p->n_fds++], CMSG_DATA(c) + i * sizeof(int), sizeof(int));
	}
}

/* 1 and a packet, 0 for none now, or -errno and why. */
static int receive(int fd, struct keeper_packet *p, const char **why)
{
	struct iovec iov[] = { { &p->header, HEADER_LEN }, { p->bytes, KEEPER_PAYLOAD_MAX } };
	union fd_control control;
	struct msghdr msg = { .msg_iov = iov,
			      .msg_iovlen = 2,
			      .msg_control = control.bytes,
			      .msg_controllen = sizeof(control.bytes) };
	unsigned n_resets = 0;
	ssize_t n;

	p->n_fds = 0;
	/* When a process has died with packets unread, the kernel tells that first, and once; what
	 * it had sent comes behind that. */
	do {
		n = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	} while (n < 0 && (errno == EINTR || (errno == ECONNRESET && n_resets++ == 0)));
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return 0;
	if (n < 0) {
		*why = strerror(errno);
		return -errno;
	}
	collect_fds(p, &msg);
	if (n == 0) {
		*why = "it ended";
		return -ECONNRESET;
	}
	if (n < (ssize_t)HEADER_LEN || p->header.size != (size_t)n - HEADER_LEN ||
	    msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
		keeper_packet_close_fds(p);
		*why = "a packet that makes no sense";
		return -EPROTO;
	}
	memset(p->bytes + p->header.size, 0, KEEPER_PAYLOAD_MAX - p->header.size);
	return 1;
}

/* What came while somebody waited for another. */
static void on_early(evutil_socket_t fd, short what, void *arg)
{
	struct keeper_link *l = arg;

	while (l->early.first) {
		struct keeper_packet p = l->early.first->packet;

		l->early.first->packet.n_fds = 0;
		queue_drop_first(&l->early);
		l->ops->packet(l->owner, &p);
	}
}

static void read_some(struct keeper_link *l)
{
	struct keeper_packet p;
	const char *why;

	for (unsigned i = 0; i < PACKETS_PER_TURN && l->fd >= 0; i++) {
		int rc;

		on_early(-1, 0, l); /* came before */
		rc = receive(l->fd, &p, &why);
		if (rc == 0)
			return;
		if (rc < 0) {
			close_link(l);
			l->ops->closed(l->owner, why);
			return;
		}
		l->ops->packet(l->owner, &p);
	}
}

/* Answers to one that reads none must not pile up without an end. */
static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct keeper_link *l = arg;

	if (l->out.n < WAITING_MAX)
		read_some(l);
	else
		event_del(l->read_event); /* on_writable() adds it */
}

void keeper_link_drain(struct keeper_link *link)
{
	struct pollfd poller = { .fd = link->fd, .events = POLLIN };

	while (link->fd >= 0 && poll(&poller, 1, 0) > 0)
		read_some(link);
}

static int keep_early(struct keeper_link *l, const struct keeper_packet *p, struct error *err)
{
	struct waiting *w = malloc(sizeof(*w));

	if (!w)
		return error_set(err, -ENOMEM, "out of memory");
	memcpy(&w->packet, p, sizeof(*p));
	queue_add(&l->early, w);
	event_active(l->early_event, EV_TIMEOUT, 0);
	return 0;
}

int keeper_link_wait(struct keeper_link *link, uint32_t kind, uint32_t device, int ms,
		     struct keeper_packet *p, struct error *err)
{
	uint64_t end = clock_ns() + (uint64_t)ms * NSEC_PER_MSEC;
	const char *why = "it ended";

	for (;;) {
		struct pollfd poller = { .fd = link->fd, .events = POLLIN };
		uint64_t now = clock_ns();
		int rc = link->fd < 0 ? -ECONNRESET : receive(link->fd, p, &why);

		if (rc < 0)
			return error_set(err, -ECONNRESET, "the other process: %s", why);
		if (rc == 1) {
			if ((!kind || p->header.kind == kind) &&
			    (!device || p->header.device == device))
				return 0;
			rc = keep_early(link, p, err);
			if (rc)
				return rc;
			continue;
		}
		if (now >= end)
			return error_set(err, -ETIMEDOUT, "the other process does not answer");
		send_waiting(link); /* maybe the question is in it */
		if (link->out.first)
			poller.events |= POLLOUT;
		poll(&poller, 1, (int)((end - now) / NSEC_PER_MSEC) + 1);
	}
}

/* ---- construction */

struct keeper_link *keeper_link_create(int fd, struct event_base *base,
				       const struct keeper_link_ops *ops, void *owner)
{
	struct keeper_link *l = calloc(1, sizeof(*l));

	if (!l) {
		close(fd);
		return NULL;
	}
	l->fd = fd;
	l->ops = ops;
	l->owner = owner;
	queue_init(&l->out);
	queue_init(&l->early);
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	l->read_event = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, l);
	l->write_event = event_new(base, fd, EV_WRITE | EV_PERSIST, on_writable, l);
	l->early_event = event_new(base, -1, 0, on_early, l);
	if (!l->read_event || !l->write_event || !l->early_event ||
	    event_add(l->read_event, NULL)) {
		keeper_link_destroy(l);
		return NULL;
	}
	return l;
}

int keeper_link_fd(const struct keeper_link *link)
{
	return link->fd;
}

void keeper_link_set_owner(struct keeper_link *link, void *owner)
{
	link->owner = owner;
}

void keeper_link_destroy(struct keeper_link *link)
{
	if (!link)
		return;
	if (link->read_event && link->write_event) {
		close_link(link);
	} else if (link->fd >= 0) { /* half made */
		if (link->read_event)
			event_free(link->read_event);
		close(link->fd);
	}
	while (link->early.first)
		queue_drop_first(&link->early);
	if (link->early_event)
		event_free(link->early_event);
	free(link);
}
