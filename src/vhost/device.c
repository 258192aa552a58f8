// SPDX-License-Identifier: Apache-2.0
/* A vhost-user device's life: wait for a front-end, serve its messages, reset, wait again.
 *
 * Theory of operation. One of the states below holds at a time. Messages are read in SERVING only.
 * One that would disturb a live ring is kept in HELD until the owner says that workers have let go;
 * then it acts. When the connection ends while rings are live, they are kept in RESETTING, until
 * workers have let go of them too. The owner is asked to quiesce on the way into HELD or from
 * SERVING into RESETTING, and told that things have changed on the way out.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/notify.h"
#include "vhost/channel.h"
#include "vhost/device.h"
#include "vhost/features.h"
#include "vhost/memory.h"
#include "vhost/message.h"
#include "vhost/socket.h"
#include "vhost/vring.h"

#define MESSAGES_PER_TURN 32 /* then other sockets get their turn */
#define RETRY_MIN_MS 50
#define RETRY_MAX_MS 1000

LOG_MODULE("vhost");

enum state {
	WAITING,   /* for a front-end: listening, or the retry timer runs */
	SERVING,   /* connected */
	HELD,	   /* connected; a message waits until workers have let go of the rings */
	RESETTING, /* no longer connected; workers have not let go of the rings yet */
};

struct vhost_device {
	struct vhost_session session;
	struct vhost_device_config config; /* name and path are ours */
	enum state state;
	struct vhost_channel channel;
	const struct vhost_rule *held_rule;
	struct vhost_message held;
	int listen_fd;
	struct vhost_socket_file file;
	struct event *accept_event;		/* VHOST_LISTEN */
	struct event *retry_event;		/* next try to connect or to accept */
	struct event *read_event, *write_event; /* of the connection; NULL: none */
	struct event_base *base;
	unsigned retry_ms;
	bool retry_told; /* why connecting fails has been logged */
};

static const char *name(const struct vhost_device *d)
{
	return d->session.name;
}

/* ---- waiting for a front-end */

static void retry_later(struct vhost_device *d)
{
	struct timeval tv = { .tv_sec = d->retry_ms / 1000, .tv_usec = d->retry_ms % 1000 * 1000 };

	event_add(d->retry_event, &tv);
	d->retry_ms = min(2 * d->retry_ms, (unsigned)RETRY_MAX_MS);
}

static void wait_for_front_end(struct vhost_device *d)
{
	d->state = WAITING;
	if (d->config.mode == VHOST_LISTEN)
		event_add(d->accept_event, NULL);
	else
		retry_later(d);
}

/* ---- the end of a connection */

static void close_connection(struct vhost_device *d)
{
	if (d->read_event)
		event_free(d->read_event);
	if (d->write_event)
		event_free(d->write_event);
	d->read_event = d->write_event = NULL;
	vhost_message_close_fds(&d->held);
	vhost_channel_close(&d->channel);
	d->session.state.connected = false;
}

/* Nobody uses a ring: forget the front-end and wait for the next one. */
static void reset(struct vhost_device *d)
{
	struct vhost_session *s = &d->session;

	vhost_vrings_reset(s, true);
	vhost_memory_reset(s);
	vhost_features_reset(s);
	s->state.n_vrings_used = 0;
	s->state.peer_pid = 0;
	s->changed = false;
	wait_for_front_end(d);
	s->ops->changed(s->owner);
}

/* The connection is over. @quiesced: workers have let go and wait for changed(). */
static void end_connection(struct vhost_device *d, bool quiesced)
{
	bool asked = d->state == HELD;

	close_connection(d);
	if (quiesced || !(asked || vhost_session_live(&d->session))) {
		reset(d);
		return;
	}
	d->state = RESETTING;
	if (d->config.mode == VHOST_LISTEN)
		event_del(d->accept_event); /* the next front-end waits in the backlog */
	if (!asked)
		d->session.ops->quiesce(d->session.owner);
}

/* We end it, because of what the front-end did. */
static void refuse(struct vhost_device *d, const char *why, bool quiesced)
{
	snprintf(d->session.state.last_error, sizeof(d->session.state.last_error), "%s", why);
	log_limited(LOG_WARNING, "%s: closing the connection: %s", name(d), why);
	end_connection(d, quiesced);
}

/* ---- messages */

/* Sends an answer. False when the connection is over. */
static bool answer(struct vhost_device *d, uint32_t request, const void *payload, size_t size,
		   bool quiesced)
{
	int rc = vhost_channel_send(&d->channel, request, VHOST_USER_FLAG_REPLY, payload, size,
				    NULL, 0);

	if (rc == -ECONNRESET) {
		log_limited(LOG_INFO, "%s: front-end disconnected", name(d));
		end_connection(d, quiesced);
		return false;
	}
	if (rc) {
		refuse(d,
		       rc == -ENOBUFS ? "the front-end does not read the answers" : strerror(-rc),
		       quiesced);
		return false;
	}
	if (vhost_channel_sending(&d->channel))
		event_add(d->write_event, NULL);
	return true;
}

/* Answers a message that has acted, or has failed with @rc. False when the connection is over. */
static bool conclude(struct vhost_device *d, const struct vhost_rule *rule, struct vhost_message *m,
		     int rc, struct error *err, bool quiesced)
{
	bool has_reply = rule && rule->reply;
	bool wants_ack = !has_reply && (m->header.flags & VHOST_USER_FLAG_NEED_REPLY) &&
			 vhost_protocol_has(&d->session, VHOST_USER_PROTOCOL_F_REPLY_ACK);
	uint64_t ack = rc ? 1 : 0;

	vhost_message_close_fds(m);
	if (rc) {
		error_prefix(err, "%s", vhost_request_name(m->header.request));
		if (!wants_ack) {
			refuse(d, err->text, quiesced);
			return false;
		}
		log_limited(LOG_WARNING, "%s: refused %s", name(d), err->text);
	}
	if (has_reply)
		return answer(d, m->header.request, &m->payload, m->header.size, quiesced);
	if (wants_ack)
		return answer(d, m->header.request, &ack, sizeof(ack), quiesced);
	return true;
}

static void tell_changes(struct vhost_device *d, bool quiesced)
{
	bool changed = d->session.changed;

	d->session.changed = false;
	if (changed || quiesced)
		d->session.ops->changed(d->session.owner);
}

/* Lets a message act. False when the connection is over. */
static bool act(struct vhost_device *d, const struct vhost_rule *rule, struct vhost_message *m,
		bool quiesced)
{
	struct error err;
	int rc = vhost_message_act(&d->session, rule, m, &err);

	if (!conclude(d, rule, m, rc, &err, quiesced))
		return false;
	tell_changes(d, quiesced);
	return true;
}

static void hold(struct vhost_device *d, const struct vhost_rule *rule,
		 const struct vhost_message *m)
{
	d->state = HELD;
	d->held_rule = rule;
	d->held = *m;
	event_del(d->read_event);
	d->session.ops->quiesce(d->session.owner);
}

/* Serves one message. False when the next must not be read now. */
static bool serve(struct vhost_device *d, struct vhost_message *m)
{
	const struct vhost_rule *rule = vhost_message_rule(m->header.request);
	struct error err;
	int rc;

	log_debug("%s: %s, %u bytes, %u fds", name(d), vhost_request_name(m->header.request),
		  m->header.size, m->n_fds);
	d->retry_ms = RETRY_MIN_MS; /* somebody speaks vhost-user at the other end */
	if (rule)
		rc = vhost_message_check(&d->session, rule, m, &err);
	else
		rc = error_set(&err, -EOPNOTSUPP, "not supported");
	if (rc)
		return conclude(d, rule, m, rc, &err, false);
	if (vhost_message_disturbs(&d->session, rule, m)) {
		hold(d, rule, m);
		return false;
	}
	return act(d, rule, m, false);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct vhost_device *d = arg;
	struct vhost_message m;
	struct error err;
	int rc;

	for (unsigned i = 0; i < MESSAGES_PER_TURN; i++) {
		rc = vhost_channel_receive(&d->channel, &m, &err);
		if (rc == 0)
			return;
		if (rc == -ECONNRESET) {
			log_limited(LOG_INFO, "%s: front-end disconnected", name(d));
			end_connection(d, false);
			return;
		}
		if (rc < 0) {
			refuse(d, err.text, false);
			return;
		}
		if (!serve(d, &m))
			return;
	}
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct vhost_device *d = arg;

	if (vhost_channel_flush(&d->channel)) {
		log_limited(LOG_INFO, "%s: front-end disconnected", name(d));
		end_connection(d, false);
		return;
	}
	if (!vhost_channel_sending(&d->channel))
		event_del(d->write_event);
}

void vhost_device_quiesced(struct vhost_device *device)
{
	struct vhost_message m;

	if (device->state == RESETTING) {
		reset(device);
		return;
	}
	if (device->state != HELD)
		return;
	m = device->held;
	device->held.n_fds = 0;
	device->state = SERVING;
	if (act(device, device->held_rule, &m, true) && device->state == SERVING)
		event_add(device->read_event, NULL);
}

/* ---- the start of a connection */

static void start_connection(struct vhost_device *d, int fd)
{
	struct vhost_device_state *state = &d->session.state;

	vhost_channel_init(&d->channel, fd);
	d->read_event = event_new(d->base, fd, EV_READ | EV_PERSIST, on_readable, d);
	d->write_event = event_new(d->base, fd, EV_WRITE | EV_PERSIST, on_writable, d);
	if (!d->read_event || !d->write_event || event_add(d->read_event, NULL)) {
		log_limited(LOG_WARNING, "%s: cannot serve the front-end: out of memory", name(d));
		close_connection(d);
		wait_for_front_end(d);
		return;
	}
	d->state = SERVING;
	d->retry_told = false;
	vhost_features_offer(&d->session, &d->config);
	state->connected = true;
	state->peer_pid = vhost_socket_peer_pid(fd);
	state->n_connects++;
	log_limited(LOG_INFO, "%s: front-end connected, process %d", name(d), state->peer_pid);
	d->session.ops->changed(d->session.owner);
}

static void on_connectable(evutil_socket_t fd, short what, void *arg)
{
	struct vhost_device *d = arg;

	/* Of two that come at once, the one that is there stays. One whose end we have not read yet
	 * does not count: the new one waits in the backlog until that is done. */
	if (d->state != WAITING && vhost_socket_hung_up(d->channel.fd)) {
		event_del(d->accept_event);
		return;
	}
	fd = accept4(d->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0) {
		if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
			return;
		log_limited(LOG_WARNING, "%s: cannot accept a front-end: %s", name(d),
			    strerror(errno));
		event_del(d->accept_event);
		retry_later(d);
		return;
	}
	if (d->state != WAITING) {
		log_limited(LOG_WARNING,
			    "%s: refused process %d: process %d is connected, and a socket serves "
			    "one front-end",
			    name(d), vhost_socket_peer_pid(fd), d->session.state.peer_pid);
		close(fd);
		return;
	}
	start_connection(d, fd);
}

static void on_retry(evutil_socket_t fd, short what, void *arg)
{
	struct vhost_device *d = arg;
	struct error err;

	if (d->config.mode == VHOST_LISTEN) {
		if (d->state != RESETTING)
			event_add(d->accept_event, NULL);
		return;
	}
	fd = vhost_socket_connect(d->config.path, &err);
	if (fd >= 0) {
		start_connection(d, fd);
		return;
	}
	if (!d->retry_told)
		log_info("%s: waiting for the front-end: %s", name(d), err.text);
	d->retry_told = true;
	retry_later(d);
}

/* ---- construction */

static int make_session(struct vhost_device *d, const struct vhost_device_ops *ops, void *owner)
{
	struct vhost_session *s = &d->session;

	s->name = d->config.name;
	s->ops = ops;
	s->owner = owner;
	s->backend_req_fd = s->state.log_fd = -1;
	s->n_vrings = 2 * d->config.n_queue_pairs;
	s->vrings = calloc(s->n_vrings, sizeof(*s->vrings));
	if (!s->vrings)
		return -ENOMEM;
	for (unsigned i = 0; i < s->n_vrings; i++)
		vhost_vring_init(&s->vrings[i]);
	s->empty = guestmem_create();
	if (!s->empty)
		return -ENOMEM;
	s->mem = s->empty;
	s->state.mem = s->mem;
	return 0;
}

static int make_socket(struct vhost_device *d, struct error *err)
{
	int rc = vhost_socket_check_path(d->config.path, err);
	struct timeval now = { 0 };

	if (rc)
		return rc;
	d->retry_event = event_new(d->base, -1, 0, on_retry, d);
	if (!d->retry_event)
		return error_set(err, -ENOMEM, "out of memory");
	if (d->config.mode == VHOST_CONNECT)
		return event_add(d->retry_event, &now) ? error_set(err, -ENOMEM, "out of memory")
						       : 0;
	d->listen_fd = vhost_socket_listen(d->config.path, &d->config.rights, &d->file, err);
	if (d->listen_fd < 0)
		return d->listen_fd;
	d->accept_event = event_new(d->base, d->listen_fd, EV_READ | EV_PERSIST, on_connectable, d);
	if (!d->accept_event || event_add(d->accept_event, NULL))
		return error_set(err, -ENOMEM, "out of memory");
	return 0;
}

int vhost_device_create(struct vhost_device **out, const struct vhost_device_config *config,
			const struct vhost_device_ops *ops, void *owner, struct event_base *base,
			struct error *err)
{
	struct vhost_device *d = calloc(1, sizeof(*d));
	int rc;

	assert(config->n_queue_pairs >= 1 && config->n_queue_pairs <= VHOST_VRINGS_MAX / 2);
	if (!d)
		return error_set(err, -ENOMEM, "out of memory");
	d->config = *config;
	d->config.name = strdup(config->name);
	d->config.path = strdup(config->path);
	d->base = base;
	d->retry_ms = RETRY_MIN_MS;
	d->listen_fd = -1;
	d->channel.fd = -1;
	rc = d->config.name && d->config.path ? make_session(d, ops, owner) : -ENOMEM;
	if (rc)
		error_set(err, rc, "out of memory");
	else
		rc = make_socket(d, err);
	if (rc) {
		vhost_device_destroy(d);
		return rc;
	}
	*out = d;
	return 0;
}

void vhost_device_destroy(struct vhost_device *device)
{
	struct vhost_session *s;

	if (!device)
		return;
	s = &device->session;
	close_connection(device);
	if (device->accept_event)
		event_free(device->accept_event);
	if (device->retry_event)
		event_free(device->retry_event);
	if (device->listen_fd >= 0) {
		vhost_socket_remove(device->config.path, &device->file);
		close(device->listen_fd);
	}
	if (s->vrings)
		vhost_vrings_reset(s, true);
	if (s->empty) {
		vhost_memory_reset(s);
		vhost_features_reset(s);
		guestmem_destroy_later(s->empty);
	}
	free(s->vrings);
	free((char *)device->config.name);
	free((char *)device->config.path);
	free(device);
}

/* ---- what the owner asks */

const struct vhost_device_state *vhost_device_state(const struct vhost_device *device)
{
	return &device->session.state;
}

struct vhost_vring *vhost_device_vring(struct vhost_device *device, unsigned index)
{
	assert(index < device->session.n_vrings);
	return &device->session.vrings[index];
}

void vhost_device_set_offer(struct vhost_device *device, uint64_t features, uint16_t mtu)
{
	device->config.features = features;
	device->config.mtu = mtu;
}

void vhost_device_ring_broken(struct vhost_device *device, unsigned index)
{
	struct vhost_vring *v = vhost_device_vring(device, index);
	int r = v->err_fd >= 0 ? notify_fd(v->err_fd) : 0;

	log_limited(LOG_WARNING, "%s: ring %u is broken: %s", name(device), index,
		    ring_fault_text(ring_fault(&v->ring)));
	if (r < 0)
		log_debug("%s: ring %u: error eventfd: %s", name(device), index, strerror(-r));
}
