// SPDX-License-Identifier: Apache-2.0
/* A vhost-user device's life: wait for a front-end, serve its messages, reset, wait again.
 *
 * Theory of operation. One of the states below holds at a time. Messages are read in SERVING only.
 * One that would disturb a live ring is kept in HELD until the owner says that workers have let go;
 * then it acts. When the connection ends while rings are live, they are kept in RESETTING, until
 * workers have let go of them too. One that must know how a transfer of state ends waits in
 * TRANSFERRING. The owner is asked to quiesce on the way into HELD or from
 * SERVING into RESETTING, and told that things have changed on the way out.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/blame.h"
#include "base/compiler.h"
#include "base/log.h"
#include "base/notify.h"
#include "vhost/device.h"
#include "vhost/device_state.h"
#include "vhost/features.h"
#include "vhost/memory.h"
#include "vhost/message.h"
#include "vhost/vring.h"

LOG_MODULE("vhost");

enum state {
	WAITING,      /* for a front-end */
	SERVING,      /* connected */
	HELD,	      /* connected; a message waits until workers have let go of the rings */
	TRANSFERRING, /* connected; a message waits for the end of a transfer of state */
	RESETTING,    /* no longer connected; workers have not let go of the rings yet */
};

struct vhost_device {
	struct vhost_session session;
	struct vhost_device_config config; /* name is ours */
	enum state state;
	struct vhost_endpoint *endpoint;
	const struct vhost_rule *held_rule;
	struct vhost_message held;
	unsigned n_kept; /* messages that an earlier process was told on this connection */
};

static const char *name(const struct vhost_device *d)
{
	return d->session.name;
}

/* Nobody uses a ring: forget the front-end and wait for the next one. */
static void reset(struct vhost_device *d)
{
	struct vhost_session *s = &d->session;

	s->frozen = false;
	vhost_vrings_reset(s, true);
	vhost_memory_reset(s);
	vhost_features_reset(s);
	s->state.n_vrings_used = 0;
	s->state.peer_pid = 0;
	s->state.resumed = false;
	s->state.n_again = 0;
	s->changed = false;
	d->state = WAITING;
	d->endpoint->ops->wait(d->endpoint);
	s->ops->changed(s->owner);
}

/* The connection is over. @quiesced: workers have let go and wait for changed(). */
static void end_connection(struct vhost_device *d, bool quiesced)
{
	bool asked = d->state == HELD;

	vhost_message_close_fds(&d->held);
	vhost_device_state_reset(&d->session);
	d->session.state.connected = false;
	if (quiesced || !(asked || vhost_session_live(&d->session))) {
		reset(d);
		return;
	}
	d->state = RESETTING;
	if (!asked)
		d->session.ops->quiesce(d->session.owner);
}

/* Tells why a connection ends other than by the front-end. */
static void tell_end(struct vhost_device *d, const char *why)
{
	snprintf(d->session.state.last_error, sizeof(d->session.state.last_error), "%s", why);
	log_limited(LOG_WARNING, "%s: closing the connection: %s", name(d), why);
}

/* We end it, because of what the front-end did. */
static void refuse(struct vhost_device *d, const char *why, bool quiesced)
{
	tell_end(d, why);
	d->endpoint->ops->hang_up(d->endpoint);
	end_connection(d, quiesced);
}

/* ---- messages */

/* Tells the endpoint how a message has ended that has acted, or has failed with @rc. False when the
 * connection is over. */
static bool conclude(struct vhost_device *d, const struct vhost_rule *rule, struct vhost_message *m,
		     int rc, struct error *err, bool quiesced)
{
	bool has_reply = rule && rule->reply;
	bool wants_ack = !has_reply && (m->header.flags & VHOST_USER_FLAG_NEED_REPLY) &&
			 vhost_protocol_has(&d->session, VHOST_USER_PROTOCOL_F_REPLY_ACK);
	uint64_t ack = rc ? 1 : 0;
	struct vhost_edit edits[VHOST_EDITS_MAX];
	struct vhost_verdict verdict = { .reply = has_reply || wants_ack,
					 .request = m->header.request,
					 .edits = edits };

	if (rc || !(rule && rule->reply_fd))
		vhost_message_close_fds(m);
	if (rc) {
		error_prefix(err, "%s", vhost_request_name(m->header.request));
		if (!wants_ack) {
			refuse(d, err->text, quiesced);
			return false;
		}
		log_limited(LOG_WARNING, "%s: refused %s", name(d), err->text);
	} else {
		verdict.n_edits = vhost_message_edits(&d->session, m, edits);
	}
	verdict.payload = has_reply ? (const void *)&m->payload : &ack;
	verdict.size = has_reply ? m->header.size : sizeof(ack);
	verdict.fds = m->fds;
	verdict.n_fds = m->n_fds;
	d->endpoint->ops->done(d->endpoint, &verdict);
	vhost_message_close_fds(m);
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
	int rc;

	blame_begin(name(d));
	rc = vhost_message_act(&d->session, rule, m, &err);
	blame_end();
	if (!conclude(d, rule, m, rc, &err, quiesced))
		return false;
	tell_changes(d, quiesced);
	return true;
}

static void keep_for_later(struct vhost_device *d, enum state state, const struct vhost_rule *rule,
			   const struct vhost_message *m)
{
	d->state = state;
	d->held_rule = rule;
	d->held = *m;
}

static void hold(struct vhost_device *d, const struct vhost_rule *rule,
		 const struct vhost_message *m)
{
	keep_for_later(d, HELD, rule, m);
	d->session.ops->quiesce(d->session.owner);
}

/* What was kept for later acts. */
static void act_on_held(struct vhost_device *d, bool quiesced)
{
	struct vhost_message m = d->held;

	d->held.n_fds = 0;
	d->state = SERVING;
	act(d, d->held_rule, &m, quiesced);
}

static void on_transferred(struct vhost_session *session)
{
	struct vhost_device *d = container_of(session, struct vhost_device, session);

	if (d->state == TRANSFERRING)
		act_on_held(d, false);
}

static void on_message(void *owner, struct vhost_message *m)
{
	struct vhost_device *d = owner;
	const struct vhost_rule *rule = vhost_message_rule(m->header.request);
	struct error err;
	int rc;

	log_debug("%s: %s, %u bytes, %u fds", name(d), vhost_request_name(m->header.request),
		  m->header.size, m->n_fds);
	if (rule)
		rc = vhost_message_check(&d->session, rule, m, &err);
	else
		rc = error_set(&err, -EOPNOTSUPP, "not supported");
	if (rc)
		conclude(d, rule, m, rc, &err, false);
	else if (vhost_message_waits(&d->session, rule))
		keep_for_later(d, TRANSFERRING, rule, m);
	else if (vhost_message_disturbs(&d->session, rule, m))
		hold(d, rule, m);
	else
		act(d, rule, m, false);
}

void vhost_device_quiesced(struct vhost_device *device)
{
	if (device->state == RESETTING)
		reset(device);
	else if (device->state == HELD)
		act_on_held(device, true);
}

static void on_disconnected(void *owner, const char *why)
{
	struct vhost_device *d = owner;

	if (why)
		tell_end(d, why);
	else
		log_limited(LOG_INFO, "%s: front-end disconnected", name(d));
	end_connection(d, false);
}

/* ---- the start of a connection */

static void on_connected(void *owner, int peer_pid, bool resumed)
{
	struct vhost_device *d = owner;
	struct vhost_device_state *state = &d->session.state;

	d->state = SERVING;
	vhost_features_offer(&d->session, &d->config);
	if (resumed)
		d->session.features |= d->config.supported;
	d->session.frozen = resumed;
	d->n_kept = 0;
	if (!resumed)
		vhost_vrings_forget(&d->session);
	state->connected = true;
	state->peer_pid = peer_pid;
	state->n_connects++;
	log_limited(LOG_INFO, "%s: front-end %s, process %d", name(d),
		    resumed ? "still connected" : "connected", state->peer_pid);
	d->session.ops->changed(d->session.owner);
}

/* What an earlier process was told. It acts as it did then; no ring is live, so nothing is
 * disturbed. */
static void on_kept(void *owner, struct vhost_message *m)
{
	struct vhost_device *d = owner;
	const struct vhost_rule *rule = vhost_message_rule(m->header.request);
	struct error err;
	int rc;

	log_debug("%s: kept %s", name(d), vhost_request_name(m->header.request));
	if (vhost_features_offered(&d->session, m)) {
		vhost_message_close_fds(m);
		return;
	}
	rc = rule ? vhost_message_check(&d->session, rule, m, &err)
		  : error_set(&err, -EOPNOTSUPP, "not supported");
	d->n_kept++;
	blame_begin(name(d));
	if (!rc)
		rc = vhost_message_act(&d->session, rule, m, &err);
	blame_end();
	vhost_message_close_fds(m);
	if (!rc)
		return;
	error_prefix(&err, "what the front-end has set up cannot be taken over: %s",
		     vhost_request_name(m->header.request));
	refuse(d, err.text, false);
}

static void on_resumed(void *owner)
{
	struct vhost_device *d = owner;
	struct error err;

	if (vhost_vrings_resume(&d->session, &err)) {
		refuse(d, err.text, false);
		return;
	}
	if (!d->n_kept) /* it came when no process was there */
		vhost_vrings_forget(&d->session);
	d->session.changed = false;
	log_info("%s: goes on; up to %u frames are received again", name(d),
		 d->session.state.n_again);
	d->session.ops->changed(d->session.owner);
}

static const struct vhost_endpoint_events endpoint_events = {
	.connected = on_connected,
	.kept = on_kept,
	.resumed = on_resumed,
	.message = on_message,
	.disconnected = on_disconnected,
};

/* ---- construction */

static int make_session(struct vhost_device *d, const struct vhost_device_ops *ops, void *owner)
{
	struct vhost_session *s = &d->session;

	s->name = d->config.name;
	s->ops = ops;
	s->owner = owner;
	s->base = d->config.base;
	s->transferred = on_transferred;
	s->transfer_result = -ENODATA;
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

static int make_endpoint(struct vhost_device *d, const struct vhost_device_config *config,
			 const struct vhost_endpoint_maker *maker, struct error *err)
{
	struct vhost_endpoint_config where = { .name = config->name,
					       .path = config->path,
					       .mode = config->mode,
					       .rights = config->rights };

	int rc = maker->make(maker, &d->endpoint, &where, &endpoint_events, d, err);

	if (!rc)
		d->session.ring_states = d->endpoint->ring_states;
	return rc;
}

int vhost_device_create(struct vhost_device **out, const struct vhost_device_config *config,
			const struct vhost_device_ops *ops, void *owner,
			const struct vhost_endpoint_maker *maker, struct error *err)
{
	struct vhost_device *d = calloc(1, sizeof(*d));
	int rc;

	assert(config->n_queue_pairs >= 1 && config->n_queue_pairs <= VHOST_VRINGS_MAX / 2);
	if (!d)
		return error_set(err, -ENOMEM, "out of memory");
	d->config = *config;
	d->config.name = strdup(config->name);
	d->config.path = NULL;
	rc = d->config.name ? make_session(d, ops, owner) : -ENOMEM;
	if (rc)
		error_set(err, rc, "out of memory");
	else
		rc = make_endpoint(d, config, maker, err);
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
	vhost_message_close_fds(&device->held);
	vhost_device_state_reset(s);
	if (s->vrings) /* before the endpoint, whose ring states they look at */
		vhost_vrings_reset(s, true);
	if (device->endpoint)
		device->endpoint->ops->destroy(device->endpoint);
	if (s->empty) {
		vhost_memory_reset(s);
		vhost_features_reset(s);
		guestmem_destroy_later(s->empty);
	}
	free(s->vrings);
	free((char *)device->config.name);
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
