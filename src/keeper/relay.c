// SPDX-License-Identifier: Apache-2.0
/* Between front-ends and the switch process. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/compiler.h"
#include "base/letgo.h"
#include "base/log.h"
#include "keeper/device_record.h"
#include "keeper/relay.h"
#include "vhost/names.h"

#define CRASHES_MAX 2 /* with the same message at hand */

LOG_MODULE("keeper");

/* What the switch has been told of a connection. */
enum told {
	TOLD_NOTHING,
	TOLD_CONNECTED, /* and as far as @kept_until what is kept */
	TOLD_ALL,
};

struct device {
	struct device *next;
	struct keeper_relay *relay;
	struct keeper_open where;
	uint32_t id; /* what the switch calls it; 0: it has not opened it */
	int state_fd;
	struct vhost_endpoint *endpoint;
	struct device_mirror mirror;
	const struct table_record *record, *outbox; /* NULL: the table is broken */

	uint32_t connection;  /* number of the last one */
	bool connected, over; /* over: the switch has to say wait() */
	bool resumed;	      /* this connection is older than the process */
	struct vhost_journal *journal;
	struct vhost_message message; /* came, and has not acted */
	bool has_message;
	int last_fd; /* of a connection that is over, until the switch has let go of it; -1: none */
	unsigned n_crashes; /* of processes, while they had it */

	enum told told;
	uint64_t kept_until;
	bool told_message;
	bool tell_end;	/* that the connection is over */
	bool condemned; /* it is, by us; the switch has not said wait() yet */
	char why[256];
};

struct keeper_relay {
	struct event_base *base;
	struct keeper_link *link; /* NULL: no process */
	struct keeper_table *table;
	uint32_t last_number; /* of a device */
	bool frozen;
	bool ready; /* the process has opened all its devices, and is not told yet that all is told
		     */
	unsigned n_devices;
	struct device *devices;
};

/* ---- in the table */

/* Writes down what has changed, as one change. */
static void save(struct device *d)
{
	struct device_record r = { .where = d->where,
				   .number = d->mirror.number,
				   .id = d->id,
				   .connection = d->connection,
				   .connected = d->connected,
				   .over = d->over,
				   .told_message = d->has_message && d->told_message,
				   .fds = vhost_socket_endpoint_fds(d->endpoint),
				   .state_fd = d->state_fd };

	d->record = device_record_save(d->mirror.table, d->record, &r);
	keeper_table_commit(d->mirror.table);
}

/* ---- to the switch */

static void send_simple(struct device *d, enum keeper_kind kind)
{
	struct keeper_packet p;

	keeper_packet_init(&p, kind, d->id, d->connection);
	keeper_link_send(d->relay->link, &p);
}

static void send_connected(struct device *d)
{
	struct keeper_packet p;

	keeper_packet_init(&p, KEEPER_DEVICE_CONNECTED, d->id, d->connection);
	p.connected = (struct keeper_connected){
		.peer_pid = vhost_socket_endpoint_fds(d->endpoint).peer_pid, .resumed = d->resumed
	};
	p.header.size = sizeof(p.connected);
	keeper_link_send(d->relay->link, &p);
}

static void send_message(struct device *d, enum keeper_kind kind, const struct vhost_message *m)
{
	struct vhost_user_header header = m->header;
	struct keeper_packet p;

	header.flags &= ~KEEPER_FDS_LOST;
	if (m->fds_lost)
		header.flags |= KEEPER_FDS_LOST;
	keeper_packet_init(&p, kind, d->id, d->connection);
	memcpy(p.bytes, &header, sizeof(header));
	memcpy(p.bytes + sizeof(m->header), m->payload.bytes, m->header.size);
	p.header.size = (uint32_t)(sizeof(m->header) + m->header.size);
	memcpy(p.fds, m->fds, m->n_fds * sizeof(m->fds[0]));
	p.n_fds = m->n_fds;
	keeper_link_send(d->relay->link, &p);
}

static void send_end(struct device *d)
{
	struct keeper_packet p;

	keeper_packet_init(&p, KEEPER_DEVICE_DISCONNECTED, d->id, d->connection);
	p.header.size = (uint32_t)snprintf(p.text, sizeof(p.text), "%s", d->why) + 1;
	keeper_link_send(d->relay->link, &p);
}

/* Tells one thing. False when all is told. */
static bool tell_one(struct device *d)
{
	struct vhost_message m;
	uint64_t number;

	if (d->tell_end && d->told == TOLD_NOTHING) { /* condemned: the end needs a beginning */
		send_connected(d);
		d->told = TOLD_ALL;
		return true;
	}
	if (d->tell_end) {
		d->tell_end = false;
		send_end(d);
		return true;
	}
	if (!d->connected)
		return false;
	switch (d->told) {
	case TOLD_NOTHING:
		send_connected(d);
		d->told = d->resumed ? TOLD_CONNECTED : TOLD_ALL;
		d->kept_until = 0;
		return true;
	case TOLD_CONNECTED:
		number = vhost_journal_next(d->journal, d->kept_until, &m);
		if (number) {
			send_message(d, KEEPER_DEVICE_KEPT, &m);
			d->kept_until = number;
		} else {
			send_simple(d, KEEPER_DEVICE_RESUMED);
			d->told = TOLD_ALL;
		}
		return true;
	case TOLD_ALL:
		break;
	}
	if (!d->has_message || d->told_message)
		return false;
	send_message(d, KEEPER_DEVICE_MESSAGE, &d->message);
	d->told_message = true;
	return true;
}

static void tell(struct device *d)
{
	if (!d->id || !d->relay->link || d->relay->frozen)
		return;
	while (!keeper_link_full(d->relay->link) && tell_one(d))
		;
}

/* Tells a process that has opened its devices when it knows all that is kept of them. */
static void tell_end_of_kept(struct keeper_relay *relay)
{
	struct keeper_packet p;

	if (!relay->ready || !relay->link)
		return;
	for (const struct device *d = relay->devices; d; d = d->next)
		if (d->connected && d->told != TOLD_ALL)
			return;
	relay->ready = false;
	keeper_packet_init(&p, KEEPER_TOLD, 0, 0);
	keeper_link_send(relay->link, &p);
}

void keeper_relay_freeze(struct keeper_relay *relay, bool frozen)
{
	relay->frozen = frozen;
	if (!frozen)
		keeper_relay_pump(relay);
}

/* Puts the first device behind all others. */
static void rotate(struct keeper_relay *relay)
{
	struct device *first = relay->devices, **end = &relay->devices;

	if (!first)
		return;
	*end = first->next;
	first->next = NULL;
	while (*end)
		end = &(*end)->next;
	*end = first;
}

void keeper_relay_pump(struct keeper_relay *relay)
{
	for (struct device *d = relay->devices; d; d = d->next)
		tell(d);
	rotate(relay); /* when the link is full again before all are told, the next time others are
			*/
	tell_end_of_kept(relay);
}

/* ---- from the front-end */

static void drop_message(struct device *d)
{
	if (d->has_message)
		vhost_message_close_fds(&d->message);
	d->has_message = d->told_message = false;
	d->n_crashes = 0;
}

static void close_last(struct device *d)
{
	if (d->last_fd >= 0)
		close(d->last_fd);
	d->last_fd = -1;
}

/* Whoever is the last to close a back-end channel lets go of all that the front-end has put into
 * it. That may make him wait, and the switch could do nothing about it (base/letgo.h). */
static void be_the_last(struct device *d)
{
	struct vhost_message m;
	uint64_t number = 0;

	while ((number = vhost_journal_next(d->journal, number, &m))) {
		if (m.header.request != VHOST_USER_SET_BACKEND_REQ_FD || !m.n_fds)
			continue;
		close_last(d);
		d->last_fd = fcntl(m.fds[0], F_DUPFD_CLOEXEC, 0);
	}
}

static void forget_connection(struct device *d)
{
	be_the_last(d);
	drop_message(d);
	vhost_journal_clear(d->journal);
	d->connected = d->resumed = false;
	d->over = true;
	save(d);
}

static void on_connected(void *owner, int peer_pid, bool resumed)
{
	struct device *d = owner;

	d->connection++;
	d->connected = true;
	d->over = d->resumed = false;
	d->told = TOLD_NOTHING;
	save(d);
	tell(d);
}

static void on_message(void *owner, struct vhost_message *m)
{
	struct device *d = owner;

	d->message = *m;
	d->has_message = true;
	tell(d);
}

static void on_disconnected(void *owner, const char *why)
{
	struct device *d = owner;

	/* who was not told of the beginning need not be told of the end */
	d->tell_end = d->told != TOLD_NOTHING;
	snprintf(d->why, sizeof(d->why), "%s", why ?: "");
	forget_connection(d);
	if (d->tell_end) {
		tell(d);
	} else {
		d->over = false;
		close_last(d);
		d->endpoint->ops->wait(d->endpoint);
	}
}

static const struct vhost_endpoint_events events = {
	.connected = on_connected,
	.message = on_message,
	.disconnected = on_disconnected,
};

/* ---- from the switch */

static struct device *find_id(struct keeper_relay *relay, uint32_t id)
{
	struct device *d = relay->devices;

	while (d && (!id || d->id != id))
		d = d->next;
	return d;
}

static struct device *find_name(struct keeper_relay *relay, const char *name)
{
	struct device *d = relay->devices;

	while (d && strcmp(d->where.name, name))
		d = d->next;
	return d;
}

static struct device *find_number(struct keeper_relay *relay, uint32_t number)
{
	struct device *d = relay->devices;

	while (d && d->mirror.number != number)
		d = d->next;
	return d;
}

static void remove_device(struct device *d)
{
	struct device **at = &d->relay->devices;

	while (*at && *at != d)
		at = &(*at)->next;
	if (*at)
		*at = d->next;
	d->relay->n_devices--;
	/* a socket file that nobody has any more is replaced, one that is missing is not */
	vhost_journal_destroy(d->journal);
	keeper_table_drop(d->mirror.table, d->record);
	keeper_table_drop(d->mirror.table, d->outbox);
	keeper_table_commit(d->mirror.table);
	if (d->endpoint)
		d->endpoint->ops->destroy(d->endpoint);
	drop_message(d);
	close_last(d);
	if (d->state_fd >= 0)
		close(d->state_fd);
	free(d);
}

static struct vhost_endpoint_config config_of(const struct device *d)
{
	return (struct vhost_endpoint_config){
		.name = d->where.name,
		.path = d->where.path,
		.mode = (enum vhost_mode)d->where.mode,
		.rights = { d->where.uid, d->where.gid, d->where.rights },
	};
}

/* A device without an endpoint. */
static struct device *make_device(struct keeper_relay *relay, const struct keeper_open *where,
				  uint32_t number)
{
	struct device *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->relay = relay;
	d->where = *where;
	d->state_fd = d->last_fd = -1;
	d->mirror = (struct device_mirror){ relay->table, number };
	d->journal = vhost_journal_create();
	if (!d->journal) {
		free(d);
		return NULL;
	}
	relay->last_number = max(relay->last_number, number);
	relay->n_devices++;
	d->next = relay->devices;
	relay->devices = d;
	return d;
}

static int add_device(struct keeper_relay *relay, struct keeper_packet *p, struct device **out,
		      struct error *err)
{
	struct vhost_endpoint_config config;
	struct device *d;
	int rc;

	if (relay->n_devices >= KEEPER_DEVICES_MAX)
		return error_set(err, -ENOSPC, "more than %u sockets", KEEPER_DEVICES_MAX);
	d = make_device(relay, &p->open, relay->last_number + 1);
	if (!d)
		return error_set(err, -ENOMEM, "out of memory");
	vhost_journal_set_mirror(d->journal, &device_journal_mirror, &d->mirror);
	config = config_of(d);
	rc = vhost_socket_endpoint_create(&d->endpoint, &config, &events, d, relay->base, err);
	if (rc) {
		remove_device(d);
		return rc;
	}
	if (p->n_fds) {
		d->state_fd = p->fds[0];
		p->fds[0] = -1;
	}
	d->outbox = device_outbox_add(relay->table, d->mirror.number);
	if (d->outbox)
		vhost_socket_endpoint_use(d->endpoint, device_outbox(d->outbox),
					  keeper_table_made(relay->table));
	save(d);
	*out = d;
	return 0;
}

/* A new process goes on with a device of the one before. */
static void adopt(struct device *d)
{
	d->told = TOLD_NOTHING;
	d->told_message = false;
	d->tell_end = d->condemned;
	d->resumed = d->connected || d->condemned;
	close_last(d); /* the process that had it, too, is dead */
	if (d->over && !d->condemned) {
		d->over = false;
		d->endpoint->ops->wait(d->endpoint);
	}
}

/* What the switch has asked for is no more than a configuration could: it may not be itself any
 * more. */
static int check_open(const struct keeper_packet *p, struct error *err)
{
	const struct keeper_open *o = &p->open;

	if (p->header.size != sizeof(*o) || !p->header.device || !*o->name || !*o->path ||
	    o->mode > VHOST_CONNECT || o->uid < -1 || o->gid < -1 || o->rights < -1 ||
	    o->rights > 0777)
		return error_set(err, -EINVAL, "a request for a socket that makes no sense");
	return 0;
}

static void open_device(struct keeper_relay *relay, struct keeper_packet *p)
{
	struct error err = { "" };
	int rc = check_open(p, &err);
	struct device *old = rc ? NULL : find_name(relay, p->open.name), *d = old;
	uint32_t id = p->header.device;
	struct keeper_packet answer;

	if (old && (old->id || memcmp(&old->where, &p->open, sizeof(old->where)))) {
		remove_device(old); /* another one of that name */
		old = NULL;
	}
	if (old)
		adopt(old);
	else if (!rc)
		rc = add_device(relay, p, &d, &err);
	keeper_packet_init(&answer, KEEPER_DEVICE_OPENED, id, 0);
	answer.opened = (struct keeper_opened){ .error = rc, .resumed = old != NULL };
	snprintf(answer.opened.text, sizeof(answer.opened.text), "%s", err.text);
	answer.header.size = sizeof(answer.opened);
	if (old && old->state_fd >= 0)
		answer.fds[answer.n_fds++] = old->state_fd;
	keeper_link_send(relay->link, &answer);
	if (rc || !d)
		return;
	d->id = id;
	tell(d);
}

static void device_done(struct device *d, struct keeper_packet *p)
{
	const struct keeper_done *done = &p->done;
	struct vhost_edit edits[VHOST_EDITS_MAX];
	struct vhost_verdict verdict;
	size_t edits_len;

	if (!d->has_message || done->n_edits > VHOST_EDITS_MAX)
		return;
	edits_len = done->n_edits * sizeof(struct vhost_edit);
	if (p->header.size != sizeof(*done) + edits_len + done->size)
		return;
	verdict = (struct vhost_verdict){ .reply = done->reply,
					  .request = done->request,
					  .payload = p->bytes + sizeof(*done) + edits_len,
					  .size = done->size,
					  .fds = p->fds,
					  .n_fds = p->n_fds };
	memcpy(edits, p->bytes + sizeof(*done), edits_len);
	if (vhost_journal_edit(d->journal, edits, done->n_edits, &d->message) < 0)
		log_limited(LOG_ERROR, "%s: no room: what %s", d->where.name,
			    "the front-end has set up will not outlive the switch process");
	drop_message(d);
	/* with this change the message has acted; then it is answered */
	if (d->outbox)
		vhost_socket_endpoint_prepare(d->endpoint, &verdict,
					      keeper_table_made(d->mirror.table) + 1);
	keeper_table_commit(d->mirror.table);
	d->endpoint->ops->done(d->endpoint, &verdict);
}

static void device_packet(struct device *d, struct keeper_packet *p)
{
	bool current = d->connected && p->header.connection == d->connection;

	switch (p->header.kind) {
	case KEEPER_DEVICE_CLOSE:
		remove_device(d);
		break;
	case KEEPER_DEVICE_WAIT:
		if (!d->over)
			break;
		d->over = d->tell_end = d->condemned = false;
		close_last(d);
		d->endpoint->ops->wait(d->endpoint);
		break;
	case KEEPER_DEVICE_HANG_UP:
		if (!current)
			break;
		d->endpoint->ops->hang_up(d->endpoint);
		forget_connection(d);
		break;
	case KEEPER_DEVICE_DONE:
		if (current)
			device_done(d, p);
		break;
	default:
		break;
	}
}

void keeper_relay_packet(struct keeper_relay *relay, struct keeper_packet *p)
{
	struct device *d;

	letgo_begin(); /* of files that front-ends have sent */
	if (!relay->link) {
		/* who has not said hello cannot be answered */
	} else if (p->header.kind == KEEPER_DEVICE_OPEN) {
		p->open.name[sizeof(p->open.name) - 1] = 0;
		p->open.path[sizeof(p->open.path) - 1] = 0;
		open_device(relay, p);
	} else {
		d = find_id(relay, p->header.device);
		if (d)
			device_packet(d, p);
	}
	keeper_packet_close_fds(p);
	letgo_end();
}

/* ---- processes */

void keeper_relay_attach(struct keeper_relay *relay, struct keeper_link *link)
{
	relay->link = link;
	relay->frozen = relay->ready = false;
	for (struct device *d = relay->devices; d; d = d->next)
		d->id = 0;
}

/* Who comes next is welcome: he may send something else. */
static void condemn(struct device *d)
{
	snprintf(d->why, sizeof(d->why), "the switch crashed %u times while it handled %s",
		 d->n_crashes, vhost_request_name(d->message.header.request));
	log_error("%s: closing the connection: %s", d->where.name, d->why);
	d->endpoint->ops->hang_up(d->endpoint);
	forget_connection(d);
	d->condemned = true;
}

void keeper_relay_crashed(struct keeper_relay *relay)
{
	for (struct device *d = relay->devices; d; d = d->next) {
		if (!d->has_message || !d->told_message)
			continue;
		d->told_message = false; /* the next process may not get as far as that */
		if (++d->n_crashes >= CRASHES_MAX)
			condemn(d);
	}
}

/* ---- another keeper */

static int restore_endpoint(struct device *d, const struct device_record *r)
{
	struct vhost_endpoint_config config = config_of(d);
	struct error err;

	return vhost_socket_endpoint_restore(&d->endpoint, &config, &r->fds, &events, d,
					     d->relay->base, &err);
}

/* What there is of a device, before its front-end is heard. */
static bool restore_state(struct device *d, const struct device_record *r, bool same)
{
	struct keeper_table *table = d->mirror.table;

	d->state_fd = r->state_fd;
	if (restore_endpoint(d, r))
		return false;
	d->outbox = device_outbox_find(table, d->mirror.number);
	if (!d->outbox || !device_journal_load(&d->mirror, d->journal))
		return false;
	vhost_socket_endpoint_use(d->endpoint, device_outbox(d->outbox), keeper_table_made(table));
	d->connection = r->connection;
	d->connected = d->resumed = r->connected;
	d->id = same ? r->id : 0;
	d->over = same ? r->over : !r->connected;
	d->told = same && r->connected ? TOLD_ALL : TOLD_NOTHING;
	d->told_message = same && r->told_message;
	return true;
}

static void restore_device(struct keeper_relay *relay, const struct table_record *record, bool same)
{
	struct device_record r;
	struct device *d;
	bool good;

	if (!device_record_load(relay->table, record, &r)) {
		log_error("a front-end cannot be kept: its file descriptors cannot be had");
		keeper_table_drop(relay->table, record);
		return;
	}
	d = make_device(relay, &r.where, r.number);
	if (!d)
		return;
	d->record = record;
	good = restore_state(d, &r, same);
	vhost_journal_set_mirror(d->journal, &device_journal_mirror, &d->mirror);
	if (!good) {
		log_error("%s: the front-end cannot be kept: out of memory", d->where.name);
		remove_device(d);
		return;
	}
	if (!d->connected && !d->over)
		d->endpoint->ops->wait(d->endpoint);
	vhost_socket_endpoint_resume(d->endpoint);
}

void keeper_relay_restore(struct keeper_relay *relay, bool same)
{
	const struct table_record *record = NULL;

	while ((record = keeper_table_next(relay->table, TABLE_DEVICE, record)))
		if (!find_number(relay, record->device)) /* it may have been written anew */
			restore_device(relay, record, same);
}

void keeper_relay_go_on(struct keeper_relay *relay, struct keeper_link *link)
{
	relay->link = link;
	keeper_relay_pump(relay);
}

bool keeper_relay_all_told(const struct keeper_relay *relay)
{
	return !relay->ready;
}

bool keeper_relay_quiet(const struct keeper_relay *relay)
{
	if (!relay->link || relay->ready || keeper_link_full(relay->link))
		return false;
	for (const struct device *d = relay->devices; d; d = d->next)
		if (!d->id || d->tell_end || (d->connected && d->told != TOLD_ALL))
			return false;
	return true;
}

void keeper_relay_save(struct keeper_relay *relay)
{
	for (struct device *d = relay->devices; d; d = d->next)
		save(d);
}

unsigned keeper_relay_n_orphans(const struct keeper_relay *relay)
{
	unsigned n = 0;

	for (const struct device *d = relay->devices; d; d = d->next)
		n += !d->id;
	return n;
}

void keeper_relay_ready(struct keeper_relay *relay)
{
	struct device *d = relay->devices;

	while (d) {
		struct device *next = d->next;

		if (!d->id)
			remove_device(d);
		d = next;
	}
	relay->ready = true;
	tell_end_of_kept(relay);
}

struct keeper_relay *keeper_relay_create(struct event_base *base, struct keeper_table *table)
{
	struct keeper_relay *relay = calloc(1, sizeof(*relay));

	if (!relay)
		return NULL;
	relay->base = base;
	relay->table = table;
	return relay;
}

void keeper_relay_destroy(struct keeper_relay *relay)
{
	struct device *d, *next;

	if (!relay)
		return;
	for (d = relay->devices; d; d = next) {
		next = d->next;
		remove_device(d);
	}
	free(relay);
}
