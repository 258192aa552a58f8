// SPDX-License-Identifier: Apache-2.0
/* From running objects to the view that workers follow.
 *
 * Theory of operation (queues that are shared). Who may send on a transmit queue follows from homes
 * and from which worker serves which pair. Both change only behind a view in which nothing is
 * received and all queues are shared, when all workers follow it (switch_move_pair()). So a queue
 * gets a lock before it gets a second user. It loses the lock after it has lost that user: what a
 * view need not share any more goes on being shared until all workers follow that view. A port's
 * own set of queues changes while it is held, or grows, which gives no queue another user.
 */
#include <stdlib.h>

#include "base/log.h"
#include "flow/key.h"
#include "port/patch.h"
#include "switch/private.h"

LOG_MODULE("switch");

#define RETRY_US 10000 /* before the next try, when there was no memory for a view */

/* One block of memory, handed out from the front: a view's arrays live and die together. */
struct arena {
	char *memory;
	size_t used, size;
};

static void *carve(struct arena *a, size_t n, size_t size)
{
	void *p = a->memory + a->used;

	a->used += (n * size + 15) & ~(size_t)15;
	return p;
}

static size_t padded(size_t n, size_t size)
{
	return (n * size + 15) & ~(size_t)15;
}

/* Shown to workers: created, not going away. */
static bool shown(const struct sw_port *p)
{
	return p->port && !p->removing;
}

static size_t port_memory(const struct sw_port *p, unsigned n_workers)
{
	return padded(1, sizeof(struct view_port)) +
	       padded(p->port->n_txqs, sizeof(struct view_txq)) +
	       padded(n_workers, sizeof(struct view_txq_range)) +
	       padded(PORT_QUEUES_MAX, sizeof(uint8_t)) +
	       padded(p->settings.n_macs, sizeof(mac_t)) + padded(4096 / 64, sizeof(uint64_t)) +
	       padded(p->port->n_rxqs, sizeof(struct view_rxq)) +
	       padded(p->n_lives, sizeof(struct watch *));
}

static size_t view_memory(const struct swtch *sw, unsigned n_ports, unsigned n_workers)
{
	size_t size = padded(n_ports, sizeof(void *)) +
		      padded(n_workers, sizeof(struct view_worker)) + n_workers * 16;
	unsigned n_bridges = 0;

	for (const struct sw_bridge *b = sw->bridges; b; b = b->next) {
		size += padded(1, sizeof(struct view_bridge)) + padded(n_ports, sizeof(void *)) +
			padded(n_ports, sizeof(struct view_ofport)) +
			padded(1, sizeof(struct view_port));
		n_bridges++;
	}
	size += padded(n_bridges, sizeof(void *));
	for (const struct sw_port *p = sw->ports; p; p = p->next)
		if (shown(p))
			size += port_memory(p, n_workers);
	return size;
}

/* Who serves receive queues of which home: bits. Pairs that are there no more count: they may come
 * back.
 */
static void show_homes(const struct swtch *sw, struct view *view)
{
	for (unsigned w = 0; w < view->n_workers; w++)
		view->workers[w].homes = 1ull << w;
	for (const struct sw_port *p = sw->ports; p; p = p->next)
		for (unsigned q = 0; q < PORT_QUEUES_MAX; q++)
			if (shown(p) && p->assigned[q])
				view->workers[p->worker[q]].homes |= 1ull << p->home[q];
}

/* Homes whose transmit queues of @p are used by others than the worker of that number. */
static uint64_t homes_to_share(const struct sw_port *p, const struct view *view)
{
	uint64_t have = 0, elsewhere = 0, all = ~0ull >> (64 - view->n_workers);

	if (view->n_workers == 1 || !p->port->n_txqs)
		return 0;
	if (p->sw->moving)
		return all;
	for (unsigned q = 0; q < p->port->n_txqs; q++)
		have |= 1ull << p->home[p->port->txqs[q]->index];
	if (have != all)
		return all;
	for (unsigned w = 0; w < view->n_workers; w++)
		elsewhere |= view->workers[w].homes & ~(1ull << w);
	return elsewhere;
}

/* Decides which queues are shared. */
static void share_queues(struct swtch *sw, const struct view *view)
{
	for (struct sw_port *p = sw->ports; p; p = p->next) {
		uint64_t homes = shown(p) ? homes_to_share(p, view) : 0;

		p->shared |= homes;
		p->must_share |= homes;
	}
}

/* All workers follow the view that was the newest when this was asked for. */
static void share_less(void *arg)
{
	struct swtch *sw = arg;

	sw->unsharing = false;
	for (struct sw_port *p = sw->ports; p; p = p->next)
		p->shared = p->must_share;
	if (!sw->destroying)
		switch_publish(sw);
}

/* Behind the publication of @view: lets queues be shared no longer than they must. */
static void share_less_later(struct swtch *sw, const struct view *view)
{
	bool useful = false;

	if (sw->unsharing || sw->moving)
		return;
	for (struct sw_port *p = sw->ports; p; p = p->next) {
		p->must_share = shown(p) ? homes_to_share(p, view) : 0;
		useful |= shown(p) && p->shared != p->must_share;
	}
	if (!useful)
		return;
	sw->unsharing = true;
	datapath_quiesce(sw->dp, share_less, sw);
}

/* Lists transmit queues by their homes. */
static void show_txqs(struct view_port *v, const struct sw_port *p, struct arena *a,
		      unsigned n_workers)
{
	unsigned n = 0;

	v->n_txqs = p->port->n_txqs;
	v->txqs = carve(a, v->n_txqs, sizeof(*v->txqs));
	v->by_home = carve(a, n_workers, sizeof(*v->by_home));
	for (unsigned w = 0; w < n_workers; w++) {
		v->by_home[w].first = (uint16_t)n;
		for (unsigned q = 0; q < v->n_txqs; q++) {
			struct txq *txq = p->port->txqs[q];

			if (p->home[txq->index] == w)
				v->txqs[n++] = (struct view_txq){ txq, p->shared >> w & 1 };
		}
		v->by_home[w].n = (uint16_t)(n - v->by_home[w].first);
	}
	for (unsigned w = 0; w < n_workers; w++)
		if (!v->by_home[w].n)
			v->by_home[w] = (struct view_txq_range){ .n = (uint16_t)n };
}

/* Whether there is a choice of transmit queues for some packet. */
static bool has_choice(const struct view_port *v, unsigned n_workers)
{
	for (unsigned w = 0; w < n_workers; w++)
		if (v->by_home[w].n > 1)
			return true;
	return false;
}

/* Lets replies follow the queue on which the guest sends, where that can be. */
static void show_steering(struct view_port *v, struct sw_port *p, struct arena *a,
			  unsigned n_workers)
{
	uint8_t *by_pair;

	if (!has_choice(v, n_workers))
		return;
	if (!p->steer)
		p->steer = steer_create();
	if (!p->steer) /* then flows go by their hash */
		return;
	by_pair = carve(a, PORT_QUEUES_MAX, sizeof(*by_pair));
	memset(by_pair, VIEW_NO_TXQ, PORT_QUEUES_MAX);
	for (unsigned i = 0; i < v->n_txqs; i++)
		by_pair[v->txqs[i].q->index] = (uint8_t)i;
	v->by_pair = by_pair;
	v->steer = p->steer;
}

/* Lets those see what comes in who want to. */
static void show_watches(struct view_port *v, const struct sw_port *p, struct arena *a)
{
	struct watch **watches = carve(a, p->n_lives, sizeof(*watches));

	live_show(p, watches);
	v->watches = watches;
	v->n_watches = p->n_lives;
	v->noticed = v->steer || v->n_watches;
}

static void show_settings(struct view_port *v, const struct port_settings *s, struct arena *a)
{
	v->access = s->access;
	v->native_tagged = s->native_tagged;
	v->tag = s->tag;
	v->is_protected = s->is_protected;
	v->mtu = s->mtu;
	v->broadcast_limit = s->broadcast_limit;
	v->unknown_limit = s->unknown_limit;
	v->n_macs = s->n_macs;
	if (s->n_macs) {
		mac_t *macs = carve(a, s->n_macs, sizeof(*macs));

		memcpy(macs, s->macs, s->n_macs * sizeof(*macs));
		v->macs = macs;
	}
	if (s->has_trunks) {
		uint64_t *trunks = carve(a, ARRAY_SIZE(s->trunks), sizeof(*trunks));

		memcpy(trunks, s->trunks, sizeof(s->trunks));
		v->trunks = trunks;
	}
}

static struct view_port *show_port(struct sw_port *p, const struct view_bridge *bridge,
				   struct arena *a, unsigned n_workers)
{
	struct view_port *v = carve(a, 1, sizeof(*v));

	v->id = p->id;
	v->serial = p->serial;
	v->ofport = p->ofport;
	v->port = p->port;
	v->state = p->state;
	v->bridge = bridge;
	v->link = p->port->link;
	v->held = p->changing;
	flows_show_flags(p, v);
	show_settings(v, &p->settings, a);
	v->mac_limit = switch_mac_limit(p);
	show_txqs(v, p, a, n_workers);
	show_steering(v, p, a, n_workers);
	show_watches(v, p, a);
	return v;
}

static int by_number(const void *a, const void *b)
{
	const struct view_ofport *x = a, *y = b;

	return x->number < y->number ? -1 : x->number > y->number;
}

/* Ports by their OpenFlow numbers, and what stands for no port. */
static void show_rules(const struct sw_bridge *b, struct view_bridge *v, struct arena *a)
{
	struct view_ofport *ofports = carve(a, v->n_ports, sizeof(*ofports));
	struct view_port *nowhere = carve(a, 1, sizeof(*nowhere));

	for (unsigned i = 0; i < v->n_ports; i++)
		ofports[i] = (struct view_ofport){ v->ports[i]->ofport, v->ports[i] };
	qsort(ofports, v->n_ports, sizeof(*ofports), by_number);
	nowhere->state = b->nowhere;
	nowhere->bridge = v;
	nowhere->ofport = OFPORT_NONE;
	nowhere->mtu = FRAME_LEN_MAX;
	v->rules = b->rules;
	v->listened = b->listened;
	v->ofports = ofports;
	v->nowhere = nowhere;
}

static struct view_bridge *show_bridge(struct swtch *sw, const struct sw_bridge *b,
				       struct view *view, struct arena *a)
{
	struct view_bridge *v = carve(a, 1, sizeof(*v));

	v->macs = b->macs;
	v->ports = carve(a, view->n_ports, sizeof(*v->ports));
	for (struct sw_port *p = sw->ports; p; p = p->next) {
		if (!shown(p) || p->bridge != b)
			continue;
		view->ports[p->id] = show_port(p, v, a, view->n_workers);
		v->ports[v->n_ports++] = view->ports[p->id];
	}
	show_rules(b, v, a);
	return v;
}

static void show_bridges(struct swtch *sw, struct view *view, struct arena *a)
{
	unsigned n = 0;

	for (const struct sw_bridge *b = sw->bridges; b; b = b->next)
		n++;
	view->bridges = carve(a, n, sizeof(*view->bridges));
	for (const struct sw_bridge *b = sw->bridges; b; b = b->next)
		view->bridges[view->n_bridges++] = show_bridge(sw, b, view, a);
}

/* Two patch ports that name each other are the ends of one cable. */
static void join_patches(struct swtch *sw, const struct view *view)
{
	for (const struct sw_port *p = sw->ports; p; p = p->next) {
		const struct sw_port *peer;
		struct view_port *v;

		if (!shown(p) || !port_is_patch(p->port))
			continue;
		v = (struct view_port *)view->ports[p->id];
		v->patch = true;
		peer = switch_find_port(sw, patch_peer_name(p->port));
		if (!peer || !shown(peer) || peer == p || !port_is_patch(peer->port) ||
		    strcmp(patch_peer_name(peer->port), p->name))
			peer = NULL;
		v->patch_peer = peer ? peer->id : 0;
		p->port->link = peer;
		v->link = peer;
	}
}

/* Gives each worker the list of receive queues it polls: none while queues move. */
static void show_rxqs(struct swtch *sw, struct view *view, struct arena *a)
{
	for (unsigned w = 0; w < view->n_workers; w++) {
		struct view_worker *worker = &view->workers[w];

		worker->rxqs = carve(a, 0, sizeof(*worker->rxqs));
		for (const struct sw_port *p = sw->ports; p; p = p->next) {
			if (!shown(p) || p->changing || sw->moving || sw->restoring || sw->leaving)
				continue;
			for (unsigned q = 0; q < p->port->n_rxqs; q++) {
				struct rxq *rxq = p->port->rxqs[q];

				if (p->worker[rxq->index] == w)
					worker->rxqs[worker->n_rxqs++] =
						(struct view_rxq){ rxq, p->id,
								   p->home[rxq->index] };
			}
		}
		carve(a, worker->n_rxqs, sizeof(*worker->rxqs));
	}
}

void switch_publish(struct swtch *sw)
{
	static const struct timeval retry = { .tv_usec = RETRY_US };
	struct arena a = { 0 };
	struct view *view = calloc(1, sizeof(*view));

	event_del(sw->publish_event);
	switch_wake_up(sw);
	if (!view)
		goto no_memory;
	view->n_workers = datapath_n_workers(sw->dp);
	for (struct sw_port *p = sw->ports; p; p = p->next) {
		if (!shown(p))
			continue;
		switch_assign(p);
		view->n_ports = max(view->n_ports, p->id + 1);
	}
	a.size = view_memory(sw, view->n_ports, view->n_workers);
	a.memory = calloc(1, a.size);
	if (!a.memory)
		goto no_memory;
	view->memory = a.memory;
	view->ports = carve(&a, view->n_ports, sizeof(*view->ports));
	view->workers = carve(&a, view->n_workers, sizeof(*view->workers));
	show_homes(sw, view);
	share_queues(sw, view);
	show_bridges(sw, view, &a);
	join_patches(sw, view);
	show_rxqs(sw, view, &a);
	flows_ports_changed(sw);
	datapath_publish(sw->dp, view);
	share_less_later(sw, view);
	return;
no_memory:
	free(view);
	log_limited(LOG_ERROR, "out of memory: workers go on with the view they have");
	datapath_owes_view(sw->dp);
	event_add(sw->publish_event, &retry);
}

void switch_publish_soon(struct swtch *sw)
{
	struct timeval now = { 0 };

	event_add(sw->publish_event, &now);
}
