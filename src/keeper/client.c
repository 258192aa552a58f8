// SPDX-License-Identifier: Apache-2.0
/* What the switch process asks of the keeper. */
#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "base/log.h"
#include "keeper/client.h"
#include "keeper/held.h"
#include "keeper/link.h"
#include "virtio/ring_state.h"

#define ANSWER_MS 5000		      /* the keeper does little, and at once */
#define BUSY_NS (200 * NSEC_PER_MSEC) /* between two that say that there is much to do */
#define CONFIG_LEN_MAX (64 << 20)     /* bytes: whoever has left more was out of order */
/* A process before this one may have to leave first, and the keeper kills it in the end. */
#define START_MS (KEEPER_BUSY_MAX_MS + 3 * KEEPER_STEP_MS)
#define STATES_LEN (VHOST_VRINGS_MAX * sizeof(struct ring_state)) /* unused ones cost nothing */

LOG_MODULE("keeper");

/* How far an endpoint's front-end is, as its owner knows it. */
enum phase {
	OVER,	  /* none is there, and none may come before wait() */
	WAITING,  /* for one */
	RESUMING, /* one is there, and its owner is told what is kept */
	SERVING,  /* ... its next message may come */
	ACTING,	  /* ... one is not done */
};

struct remote_endpoint {
	struct vhost_endpoint endpoint;
	struct remote_endpoint *next;
	struct keeper_client *client;
	uint32_t id;
	uint32_t connection; /* number of the one that events are of */
	enum phase phase;
};

struct keeper_client {
	struct keeper_link *link;
	struct vhost_endpoint_maker maker;
	struct keep keep;
	uint64_t said_busy_ns;
	struct broker broker;
	struct remote_endpoint *endpoints;
	uint32_t last_id;
	uint32_t last_request;
	struct held *held;
	struct keeper_start start;
	char *config;	   /* of an earlier process */
	char *config_sent; /* what the keeper has */
	const struct keeper_client_ops *ops;
	void *owner;
};

/* Tells the keeper something that is so from now on. It must have it before anything follows from
 * it: a message that has acted, and whose ring then carries frames, would act once more if this
 * process died with the packet still in its memory. The keeper does little, so this hardly waits.
 */
static void tell(struct keeper_client *client, const struct keeper_packet *p)
{
	keeper_link_send(client->link, p);
	if (keeper_link_flush(client->link, ANSWER_MS))
		log_limited(LOG_ERROR, "the keeper does not read what it is told");
}

/* ---- endpoints */

static struct remote_endpoint *of(struct vhost_endpoint *ep)
{
	return container_of(ep, struct remote_endpoint, endpoint);
}

static void send_simple(const struct remote_endpoint *e, enum keeper_kind kind)
{
	struct keeper_packet p;

	keeper_packet_init(&p, kind, e->id, e->connection);
	tell(e->client, &p);
}

static bool is_connected(const struct remote_endpoint *e)
{
	return e->phase >= RESUMING;
}

static void remote_wait(struct vhost_endpoint *ep)
{
	of(ep)->phase = WAITING;
	send_simple(of(ep), KEEPER_DEVICE_WAIT);
}

static void remote_hang_up(struct vhost_endpoint *ep)
{
	struct remote_endpoint *e = of(ep);

	if (is_connected(e))
		send_simple(e, KEEPER_DEVICE_HANG_UP);
	e->phase = OVER;
}

static void remote_done(struct vhost_endpoint *ep, const struct vhost_verdict *v)
{
	size_t edits_len = v->n_edits * sizeof(v->edits[0]), at = sizeof(struct keeper_done);
	size_t size = v->reply ? v->size : 0;
	struct remote_endpoint *e = of(ep);
	struct keeper_packet p;

	keeper_packet_init(&p, KEEPER_DEVICE_DONE, e->id, e->connection);
	p.done = (struct keeper_done){ .request = v->request,
				       .reply = v->reply,
				       .n_edits = v->n_edits,
				       .size = (uint32_t)size };
	if (edits_len)
		memcpy(p.bytes + at, v->edits, edits_len);
	if (size)
		memcpy(p.bytes + at + edits_len, v->payload, size);
	p.header.size = (uint32_t)(at + edits_len + size);
	if (v->reply && v->n_fds)
		memcpy(p.fds, v->fds, v->n_fds * sizeof(v->fds[0]));
	p.n_fds = v->reply ? v->n_fds : 0;
	e->phase = SERVING;
	tell(e->client, &p);
}

static void remote_destroy(struct vhost_endpoint *ep)
{
	struct remote_endpoint *e, **at;

	if (!ep)
		return;
	e = of(ep);
	at = &e->client->endpoints;
	while (*at != e)
		at = &(*at)->next;
	*at = e->next;
	send_simple(e, KEEPER_DEVICE_CLOSE);
	keep_unmap(ep->ring_states, STATES_LEN);
	free(e);
}

static const struct vhost_endpoint_ops remote_ops = {
	.wait = remote_wait,
	.done = remote_done,
	.hang_up = remote_hang_up,
	.destroy = remote_destroy,
};

static int copy_text(char *to, size_t size, const char *what, const char *text, struct error *err)
{
	if (strlen(text) >= size)
		return error_set(err, -ENAMETOOLONG, "the %s \"%s\" is too long", what, text);
	strncpy(to, text, size);
	return 0;
}

/* Asks the keeper for an endpoint. @fd: a file for the states of rings, in place of which comes
 * that of an earlier process, if there was one. */
static int ask_to_open(struct keeper_client *client, uint32_t id,
		       const struct vhost_endpoint_config *config, int *fd, struct error *err)
{
	struct keeper_packet packet, *p = &packet;
	int rc;

	keeper_packet_init(p, KEEPER_DEVICE_OPEN, id, 0);
	p->open = (struct keeper_open){ .mode = config->mode,
					.uid = config->rights.uid,
					.gid = config->rights.gid,
					.rights = config->rights.mode };
	p->header.size = sizeof(p->open);
	rc = copy_text(p->open.name, sizeof(p->open.name), "name", config->name, err);
	if (!rc)
		rc = copy_text(p->open.path, sizeof(p->open.path), "path", config->path, err);
	if (rc)
		return rc;
	p->fds[p->n_fds++] = *fd;
	keeper_link_send(client->link, p);
	rc = keeper_link_wait(client->link, KEEPER_DEVICE_OPENED, id, ANSWER_MS, p, err);
	if (rc)
		return rc;
	if (p->n_fds) {
		close(*fd);
		*fd = p->fds[0];
		p->fds[0] = -1;
	}
	keeper_packet_close_fds(p);
	p->opened.text[sizeof(p->opened.text) - 1] = 0;
	if (!p->opened.error)
		return 0;
	return error_set(err, p->opened.error < 0 ? p->opened.error : -EPROTO, "%s",
			 *p->opened.text ? p->opened.text : "the keeper does not say why");
}

/* A file for the states of rings, of this layout; zeroed. */
static int make_states(void)
{
	int fd = memfd_create("vireo-rings", MFD_CLOEXEC);

	if (fd >= 0 && ftruncate(fd, STATES_LEN) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static bool states_fit(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_size == STATES_LEN;
}

static int map_states(int fd, struct ring_state **states, struct error *err)
{
	if (!states_fit(fd))
		return error_set(err, -EINVAL, "the states of its rings make no sense");
	*states = keep_map(fd, STATES_LEN, 0);
	return *states ? 0 : error_set(err, -ENOMEM, "out of memory");
}

/* The same, and what an earlier process has left is given up if it is of another version: the
 * front-end connects anew. */
static int open_endpoint(struct remote_endpoint *e, const struct vhost_endpoint_config *config,
			 int *fd, struct error *err)
{
	struct keeper_client *client = e->client;
	int rc;

	e->id = ++client->last_id;
	rc = ask_to_open(client, e->id, config, fd, err);
	if (rc || states_fit(*fd))
		return rc;
	log_warning("%s: the states of its rings are of another version of vireod: its front-end "
		    "has to connect anew",
		    config->name);
	send_simple(e, KEEPER_DEVICE_CLOSE);
	close(*fd);
	*fd = make_states();
	if (*fd < 0)
		return error_set(err, -ENOMEM, "out of memory");
	e->id = ++client->last_id;
	return ask_to_open(client, e->id, config, fd, err);
}

static int remote_make(const struct vhost_endpoint_maker *maker, struct vhost_endpoint **out,
		       const struct vhost_endpoint_config *config,
		       const struct vhost_endpoint_events *events, void *owner, struct error *err)
{
	struct keeper_client *client =
		container_of((struct vhost_endpoint_maker *)maker, struct keeper_client, maker);
	struct remote_endpoint *e = calloc(1, sizeof(*e));
	int fd = make_states(), rc;

	if (!e || fd < 0) {
		free(e);
		if (fd >= 0)
			close(fd);
		return error_set(err, -ENOMEM, "out of memory");
	}
	e->endpoint =
		(struct vhost_endpoint){ .ops = &remote_ops, .events = events, .owner = owner };
	e->client = client;
	e->phase = WAITING;
	rc = open_endpoint(e, config, &fd, err);
	if (!rc) {
		rc = map_states(fd, &e->endpoint.ring_states, err);
		if (rc)
			send_simple(e, KEEPER_DEVICE_CLOSE);
	}
	if (fd >= 0)
		close(fd);
	if (rc) {
		free(e);
		return rc;
	}
	e->next = client->endpoints;
	client->endpoints = e;
	*out = &e->endpoint;
	return 0;
}

/* ---- packets */

static struct remote_endpoint *find_endpoint(struct keeper_client *client, uint32_t id)
{
	struct remote_endpoint *e = client->endpoints;

	while (e && e->id != id)
		e = e->next;
	return e;
}

/* The message in a packet, with the packet's fds. */
static bool unpack_message(struct keeper_packet *p, struct vhost_message *m)
{
	memset(m, 0, sizeof(*m));
	if (p->header.size < sizeof(m->header))
		return false;
	memcpy(&m->header, p->bytes, sizeof(m->header));
	m->fds_lost = p->fds_lost || m->header.flags & KEEPER_FDS_LOST;
	m->header.flags &= ~KEEPER_FDS_LOST;
	if (m->header.size > sizeof(m->payload) ||
	    p->header.size != sizeof(m->header) + m->header.size)
		return false;
	memcpy(m->payload.bytes, p->bytes + sizeof(m->header), m->header.size);
	memcpy(m->fds, p->fds, p->n_fds * sizeof(p->fds[0]));
	m->n_fds = p->n_fds;
	p->n_fds = 0;
	return true;
}

static void connected(struct remote_endpoint *e, const struct keeper_packet *p)
{
	if (e->phase != WAITING)
		return;
	e->connection = p->header.connection;
	e->phase = p->connected.resumed ? RESUMING : SERVING;
	e->endpoint.events->connected(e->endpoint.owner, p->connected.peer_pid,
				      p->connected.resumed);
}

/* What does not fit to where the front-end is, is left out. */
static void endpoint_packet(struct remote_endpoint *e, struct keeper_packet *p)
{
	const struct vhost_endpoint_events *events = e->endpoint.events;
	void *owner = e->endpoint.owner;
	struct vhost_message m;

	if (p->header.kind == KEEPER_DEVICE_CONNECTED) {
		connected(e, p);
		return;
	}
	if (!is_connected(e) || e->connection != p->header.connection)
		return; /* of a connection that we have given up */
	switch (p->header.kind) {
	case KEEPER_DEVICE_KEPT:
		if (e->phase == RESUMING && unpack_message(p, &m))
			events->kept(owner, &m);
		break;
	case KEEPER_DEVICE_RESUMED:
		if (e->phase != RESUMING)
			break;
		e->phase = SERVING;
		events->resumed(owner);
		break;
	case KEEPER_DEVICE_MESSAGE:
		if (e->phase != SERVING || !unpack_message(p, &m))
			break;
		e->phase = ACTING;
		events->message(owner, &m);
		break;
	case KEEPER_DEVICE_DISCONNECTED:
		p->text[sizeof(p->text) - 1] = 0;
		e->phase = OVER;
		events->disconnected(owner, *p->text ? p->text : NULL);
		break;
	default:
		break;
	}
}

/* The keeper wants to know whether this process goes on: it does if it comes here. */
static void answer(struct keeper_client *client)
{
	struct keeper_packet p;
	bool asleep = false;

	keeper_packet_init(&p, KEEPER_ALIVE, 0, 0);
	p.alive.stuck = client->ops->look ? client->ops->look(client->owner, &asleep) : 0;
	p.alive.quiet = asleep;
	p.header.size = sizeof(p.alive);
	keeper_link_send(client->link, &p);
}

static void on_packet(void *owner, struct keeper_packet *p)
{
	struct keeper_client *client = owner;
	struct remote_endpoint *e = find_endpoint(client, p->header.device);

	if (e) {
		endpoint_packet(e, p);
	} else if (p->header.kind == KEEPER_TOLD) {
		client->ops->told(client->owner);
	} else if (p->header.kind == KEEPER_LEAVE) {
		client->ops->leave(client->owner);
	} else if (p->header.kind == KEEPER_ASK) {
		answer(client);
	} else if (p->header.kind == KEEPER_REPLACED) {
		client->ops->replaced(client->owner);
	} else if (p->header.kind == KEEPER_REFUSED) {
		p->text[sizeof(p->text) - 1] = 0;
		/* keepers of before told no errno */
		client->ops->refused(client->owner, -(int)(p->header.connection ?: EPERM), p->text);
	}
	keeper_packet_close_fds(p);
}

static void on_writable(void *owner)
{
}

static void on_closed(void *owner, const char *why)
{
	struct keeper_client *client = owner;

	client->ops->lost(client->owner, why);
}

static const struct keeper_link_ops link_ops = { .packet = on_packet,
						 .writable = on_writable,
						 .closed = on_closed };

/* ---- what this process may not do */

static void send_request(struct keeper_client *client, const struct broker_call *call)
{
	struct keeper_packet p;

	keeper_packet_init(&p, KEEPER_REQUEST, client->last_request, 0);
	p.request.what = call->what;
	p.request.size = (uint32_t)call->size;
	if (call->size)
		memcpy(p.request.args, call->args, call->size);
	p.header.size = (uint32_t)(offsetof(struct keeper_request, args) + call->size);
	p.n_fds = call->n_fds;
	if (call->n_fds)
		memcpy(p.fds, call->fds, call->n_fds * sizeof(call->fds[0]));
	keeper_link_send(client->link, &p);
}

/* Takes the files of a packet, as far as there is room for them. */
static void take_files(struct broker_call *call, struct keeper_packet *p)
{
	for (unsigned i = 0; i < p->n_fds; i++) {
		if (call->n_answer == call->max)
			break;
		call->answer[call->n_answer++] = p->fds[i];
		p->fds[i] = -1;
	}
	keeper_packet_close_fds(p);
}

static void close_files(struct broker_call *call)
{
	while (call->n_answer)
		close(call->answer[--call->n_answer]);
}

static int client_ask(struct broker *broker, struct broker_call *call, struct error *err)
{
	struct keeper_client *client = container_of(broker, struct keeper_client, broker);
	struct keeper_packet p;
	int rc;

	assert(call->size <= KEEPER_ARGS_MAX && call->n_fds <= KEEPER_FDS_MAX);
	client->last_request++;
	send_request(client, call);
	do {
		rc = keeper_link_wait(client->link, KEEPER_ANSWER, client->last_request, ANSWER_MS,
				      &p, err);
		if (rc)
			break;
		take_files(call, &p);
		p.answer.text[sizeof(p.answer.text) - 1] = 0;
		call->value = p.answer.value;
		if (p.answer.error)
			rc = error_set(err, p.answer.error, "%s", p.answer.text);
	} while (!rc && p.answer.more);
	if (rc)
		close_files(call);
	return rc;
}

struct broker *keeper_client_broker(struct keeper_client *client)
{
	return &client->broker;
}

void keeper_client_report(int fd, int call, int tid, uint32_t kind)
{
	const struct {
		struct keeper_header header;
		struct keeper_forbidden forbidden;
	} packet = { .header = { .kind = KEEPER_FORBIDDEN, .size = sizeof(packet.forbidden) },
		     .forbidden = { .call = call, .tid = tid, .kind = kind } };

	if (write(fd, &packet, sizeof(packet)) < 0) {
		/* then the signal has to say it alone */
	}
}

void keeper_client_calm(struct keeper_client *client)
{
	struct keeper_packet p;

	keeper_packet_init(&p, KEEPER_CALM, 0, 0);
	keeper_link_send(client->link, &p);
}

/* ---- file descriptors and configuration */

static void packet_of_key(struct keeper_packet *p, enum keeper_kind kind, const char *key)
{
	keeper_packet_init(p, kind, 0, 0);
	snprintf(p->key, sizeof(p->key), "%s", key);
	p->header.size = sizeof(p->key);
}

static void client_hold(struct keep *keep, const char *key, const int *fds, unsigned n)
{
	struct keeper_client *client = container_of(keep, struct keeper_client, keep);
	struct keeper_packet p;

	packet_of_key(&p, KEEPER_HOLD, key);
	p.n_fds = min(n, (unsigned)KEEPER_FDS_MAX);
	memcpy(p.fds, fds, p.n_fds * sizeof(fds[0]));
	tell(client, &p);
}

static void client_release(struct keep *keep, const char *key)
{
	struct keeper_client *client = container_of(keep, struct keeper_client, keep);
	struct keeper_packet p;

	packet_of_key(&p, KEEPER_RELEASE, key);
	tell(client, &p);
}

static unsigned client_take(struct keep *keep, const char *key, int *fds, unsigned max)
{
	struct keeper_client *client = container_of(keep, struct keeper_client, keep);

	return held_take(&client->held, key, fds, max);
}

static void client_busy(struct keep *keep)
{
	struct keeper_client *client = container_of(keep, struct keeper_client, keep);
	uint64_t now = clock_coarse_ns();
	struct keeper_packet p;

	if (now - client->said_busy_ns < BUSY_NS)
		return;
	client->said_busy_ns = now;
	keeper_packet_init(&p, KEEPER_BUSY, 0, 0);
	keeper_link_send(client->link, &p);
}

/* A file's text; NULL when it cannot be read. */
static char *read_text(int fd)
{
	struct stat st;
	char *text;

	if (fstat(fd, &st) < 0 || st.st_size > CONFIG_LEN_MAX)
		return NULL;
	text = calloc(1, (size_t)st.st_size + 1);
	if (text && pread(fd, text, (size_t)st.st_size, 0) != st.st_size) {
		free(text);
		return NULL;
	}
	return text;
}

char *keeper_client_config(struct keeper_client *client)
{
	char *text = client->config;

	client->config = NULL;
	return text;
}

void keeper_client_set_config(struct keeper_client *client, const char *text)
{
	size_t len = strlen(text);
	struct keeper_packet p;
	int fd;

	if (client->config_sent && !strcmp(client->config_sent, text))
		return;
	fd = memfd_create("vireo-config", MFD_CLOEXEC);
	if (fd < 0 || write(fd, text, len) != (ssize_t)len) {
		log_error("the configuration cannot be kept for a restart: %s", strerror(errno));
	} else {
		keeper_packet_init(&p, KEEPER_CONFIG, 0, 0);
		p.fds[p.n_fds++] = fd;
		tell(client, &p);
		free(client->config_sent);
		client->config_sent = strdup(text);
	}
	if (fd >= 0)
		close(fd);
}

void keeper_client_ready(struct keeper_client *client)
{
	struct keeper_packet p;

	for (const struct held *h = client->held; h; h = h->next)
		client_release(&client->keep, h->key);
	held_clear(&client->held);
	keeper_packet_init(&p, KEEPER_READY, 0, 0);
	tell(client, &p);
}

static void send_file(struct keeper_client *client, enum keeper_kind kind, int fd)
{
	struct keeper_packet p;

	keeper_packet_init(&p, kind, 0, 0);
	p.fds[p.n_fds++] = fd;
	keeper_link_send(client->link, &p);
}

void keeper_client_set_bell(struct keeper_client *client, int fd)
{
	send_file(client, KEEPER_BELL, fd);
}

void keeper_client_set_lifeline(struct keeper_client *client, int fd)
{
	send_file(client, KEEPER_LIFELINE, fd);
}

void keeper_client_upgrade(struct keeper_client *client, const char *path, bool keeper, int order)
{
	struct keeper_packet p;

	keeper_packet_init(&p, keeper ? KEEPER_REPLACE : KEEPER_UPGRADE, 0, 0);
	p.header.size = (uint32_t)snprintf(p.text, sizeof(p.text), "%s", path) + 1;
	p.header.size = min(p.header.size, (uint32_t)sizeof(p.text));
	p.fds[p.n_fds++] = order;
	tell(client, &p);
}

void keeper_client_left(struct keeper_client *client)
{
	struct keeper_packet p;

	keeper_packet_init(&p, KEEPER_LEFT, 0, 0);
	tell(client, &p);
}

/* ---- construction */

/* Reads what there is from an earlier process, up to KEEPER_START. */
static int receive_start(struct keeper_client *client, struct error *err)
{
	struct keeper_packet p;
	int rc;

	for (;;) {
		rc = keeper_link_wait(client->link, 0, 0, START_MS, &p, err);
		if (rc)
			return rc;
		if (p.header.kind != KEEPER_HELD)
			break;
		if (!held_put(&client->held, &p)) {
			keeper_packet_close_fds(&p);
			return error_set(err, -ENOMEM, "out of memory");
		}
	}
	client->start = p.start;
	if (p.n_fds)
		client->config = read_text(p.fds[0]);
	keeper_packet_close_fds(&p);
	if (p.header.kind != KEEPER_START || p.start.version != KEEPER_VERSION)
		return error_set(err, -EPROTO, "the keeper speaks version %u, this program %u",
				 p.start.version, KEEPER_VERSION);
	return 0;
}

/* The number may be a user's, who cannot know it. */
static int check_socket(int fd, struct error *err)
{
	socklen_t len = sizeof(int);
	int type;

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_SEQPACKET)
		return 0;
	return error_set(err, -EINVAL,
			 "file descriptor %d is no socket of a keeper (--keeper-fd is for the "
			 "keeper alone)",
			 fd);
}

int keeper_client_create(struct keeper_client **out, int fd, struct event_base *base,
			 const struct keeper_client_ops *ops, void *owner, struct error *err)
{
	struct keeper_client *client;
	struct keeper_packet hello;
	int rc;

	rc = check_socket(fd, err);
	if (rc) {
		close(fd);
		return rc;
	}
	client = calloc(1, sizeof(*client));
	if (!client) {
		close(fd);
		return error_set(err, -ENOMEM, "out of memory");
	}
	client->maker.make = remote_make;
	client->keep = (struct keep){ client_hold, client_release, client_take, client_busy };
	client->broker.ask = client_ask;
	client->ops = ops;
	client->owner = owner;
	client->link = keeper_link_create(fd, base, &link_ops, client);
	if (!client->link) {
		free(client);
		return error_set(err, -ENOMEM, "out of memory");
	}
	keeper_packet_init(&hello, KEEPER_HELLO, 0, 0);
	hello.hello.version = KEEPER_VERSION;
	hello.header.size = sizeof(hello.hello);
	keeper_link_send(client->link, &hello);
	rc = receive_start(client, err);
	if (rc) {
		keeper_client_destroy(client);
		return rc;
	}
	*out = client;
	return 0;
}

void keeper_client_destroy(struct keeper_client *client)
{
	if (!client)
		return;
	held_clear(&client->held);
	keeper_link_destroy(client->link);
	free(client->config);
	free(client->config_sent);
	free(client);
}

const struct keeper_start *keeper_client_start(const struct keeper_client *client)
{
	return &client->start;
}

const struct vhost_endpoint_maker *keeper_client_endpoints(const struct keeper_client *client)
{
	return &client->maker;
}

struct keep *keeper_client_keep(struct keeper_client *client)
{
	return &client->keep;
}
