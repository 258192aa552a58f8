// SPDX-License-Identifier: Apache-2.0
/* From a batch of received packets to batches on transmit queues. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "datapath/bridging.h"
#include "datapath/execute.h"
#include "datapath/forward.h"
#include "datapath/watch.h"
#include "port/offload.h"

#define INBOX_RUN (BATCH_MAX - 1) /* records handled before their room is given back */

/* A packet enters by a port of any bridge, from another one. */
static void enter(struct forwarder *fw, const struct view_port *in, struct pkt *pkt,
		  struct normal_tag tag, unsigned hops)
{
	const struct rule *normal;
	const struct pipeline *rules = execution_rules(in->bridge, &normal);

	if (rules) {
		execution_enter(fw, rules, in, pkt, tag, hops);
		return;
	}
	if (normal)
		execution_count_normal(fw->execution, in->bridge, normal, 1, pkt->len);
	bridging_normal(fw, in, pkt, tag, hops);
}

struct forwarder *forwarder_create(unsigned worker, struct inboxes *inboxes, struct upcalls *up,
				   struct unsettled *unsettled)
{
	/* mapped, not allocated: outboxes of ports that do not exist are never touched */
	struct forwarder *fw = mmap(NULL, sizeof(*fw), PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (fw == MAP_FAILED)
		return NULL;
	fw->worker = worker;
	fw->inboxes = inboxes;
	fw->unsettled = unsettled;
	fw->upcalls = up;
	fw->enter = enter;
	fw->trips = trip_cache_create();
	fw->execution = execution_create(up);
	if (!fw->trips || !fw->execution) {
		forwarder_destroy(fw);
		return NULL;
	}
	return fw;
}

void forwarder_destroy(struct forwarder *fw)
{
	if (!fw)
		return;
	execution_destroy(fw->execution);
	trip_cache_destroy(fw->trips);
	munmap(fw, sizeof(*fw));
}

/* Untagged frames often come in runs that take the same trip: what that was, in this batch. */
struct run {
	struct trip_key key;
	struct outbox *box; /* NULL: no run */
	uint32_t max_len;   /* of a frame, for which the MTUs need not be looked at */
	uint16_t ethertype;
	struct normal_tag tag;
};

/* Puts a packet into an outbox, which no flood has put it into. */
static inline void put_once(struct forwarder *fw, struct outbox *box, struct pkt *pkt,
			    struct normal_tag tag)
{
	if (unlikely(box->n == BATCH_MAX))
		flush_outbox(fw, box);
	put(box, pkt, tag);
	box->mixed |= pkt->tagged || tag.tagged || !offload_none(pkt);
}

/* Sends a frame on the trip at @trip. False: there is none, or the frame is too long for it. */
static inline bool follow_trip(struct forwarder *fw, const struct view_port *in, struct pkt *pkt,
			       const struct trip_key *key, const struct trip *trip, struct run *run)
{
	uint32_t len = payload_len(pkt);
	const struct view_port *out;
	struct outbox *box;

	/* what is too long to come in is no sign of its source */
	if (unlikely(len > in->mtu))
		return false;
	out = trip_find(trip, key, fw->view, in, fw->now_s);
	if (unlikely(!out || len > out->mtu))
		return false;
	box = open_outbox(fw, out);
	*run = (struct run){ .key = *key,
			     .max_len = min(in->mtu, out->mtu) + ETH_HLEN,
			     .ethertype = pkt->ethertype,
			     .box = pkt->tagged ? NULL : box,
			     .tag = trip->tag };
	put_once(fw, box, pkt, trip->tag);
	return true;
}

/* Puts an untagged frame that belongs to @run, where it goes. False: it may not be one. */
static inline bool join_run(struct forwarder *fw, struct pkt *pkt, struct run *run)
{
	struct trip_key key;

	if (unlikely(!run->box || pkt->len < ETH_HLEN + VLAN_TAG_LEN || pkt->len > run->max_len ||
		     !offload_none(pkt)))
		return false;
	trip_key_read_untagged(pkt, &key);
	if (key.first != run->key.first || key.second != run->key.second)
		return false;
	pkt->ethertype = run->ethertype;
	pkt->tci = 0;
	pkt->tagged = false;
	put_once(fw, run->box, pkt, run->tag);
	return true;
}

/* A frame that joins no run. False: it is dropped before it comes to NORMAL. */
static bool forward_alone(struct forwarder *fw, const struct view_port *in, struct pkt *pkt,
			  struct run *run)
{
	struct trip *trip = NULL;
	struct trip_key key;
	bool keyed;

	if (unlikely(pkt->len < ETH_HLEN)) {
		drop_count(counters(fw, in), DROP_too_short, 1);
		return false;
	}
	keyed = trip_key_read(pkt, &key);
	if (unlikely(!offload_none(pkt) && !offload_check(pkt))) {
		drop_count(counters(fw, in), DROP_offload, 1);
		return false;
	}
	if (likely(keyed)) {
		trip = trip_slot(fw->trips, &key, in);
		if (likely(follow_trip(fw, in, pkt, &key, trip, run)))
			return true;
	}
	run->box = NULL; /* what is learned now may change where its frames go */
	return bridging_decide(fw, in, pkt, &key, trip);
}

/* A packet that has come in by a port whose bridge has rules. */
static void meet_rules(struct forwarder *fw, const struct pipeline *rules,
		       const struct view_port *in, struct pkt *pkt)
{
	if (unlikely(pkt->len < ETH_HLEN)) {
		drop_count(counters(fw, in), DROP_too_short, 1);
		return;
	}
	pkt_parse(pkt);
	if (unlikely(!offload_none(pkt) && !offload_check(pkt))) {
		drop_count(counters(fw, in), DROP_offload, 1);
		return;
	}
	if (unlikely(!bridging_admits(fw, in, pkt)))
		return;
	fw->n_crossings = 0;
	execution_packet(fw, rules, in, pkt, 0);
}

/* Packets that were received together, by @in. */
static void forward_packets(struct forwarder *fw, const struct view_port *in, struct batch *batch)
{
	struct run run = { .box = NULL };
	const struct rule *normal;
	const struct pipeline *rules = execution_rules(in->bridge, &normal);
	unsigned n = batch->n;
	uint64_t bytes = 0;

	if (rules) {
		for (unsigned i = 0; i < batch->n; i++)
			meet_rules(fw, rules, in, &batch->pkts[i]);
		return;
	}
	for (unsigned i = 0; i < batch->n; i++) {
		struct pkt *pkt = &batch->pkts[i];

		bytes += pkt->len;
		if (unlikely(!join_run(fw, pkt, &run)) &&
		    unlikely(!forward_alone(fw, in, pkt, &run))) {
			bytes -= pkt->len;
			n--;
		}
	}
	if (normal && likely(n))
		execution_count_normal(fw->execution, in->bridge, normal, n, bytes);
}

static const struct view_port *find_port(const struct view *view, uint32_t id)
{
	return id < view->n_ports ? view->ports[id] : NULL;
}

static void follow(struct forwarder *fw, const struct view *view, uint64_t now)
{
	fw->view = view;
	fw->now = now;
	fw->now_s = (uint32_t)(now / NSEC_PER_SEC);
	execution_set_time(fw->execution, now);
}

/* The home of packets that come from @home. What has waited until that moved to another worker goes
 * where this one sends anyway: views say by these homes who uses a queue.
 */
static uint32_t home_of(const struct forwarder *fw, uint32_t home)
{
	return likely(fw->view->workers[fw->worker].homes >> home & 1) ? home : fw->worker;
}

/* Remembers on which queue pair of @in the flows of @batch are sent. */
static void note_flows(const struct forwarder *fw, const struct view_port *in, unsigned pair,
		       struct batch *batch)
{
	for (unsigned i = 0; i < batch->n; i++) {
		struct pkt *pkt = &batch->pkts[i];

		if (unlikely(pkt->len < ETH_HLEN))
			continue;
		pkt_parse(pkt);
		steer_note(in->steer, pkt_hash(pkt), pair, fw->now_s);
	}
}

/* Lets those see a batch that want to, before it is decided what becomes of it. */
static void notice(const struct forwarder *fw, const struct view_port *in, unsigned pair,
		   struct batch *batch)
{
	if (in->steer)
		note_flows(fw, in, pair, batch);
	if (in->n_watches)
		watch_batch(fw->upcalls, in, batch, fw->now);
}

void forward_batch(struct forwarder *fw, const struct view *view, const struct view_rxq *rxq,
		   struct batch *batch, uint64_t now, struct port_counters *c)
{
	const struct view_port *in = find_port(view, rxq->port);

	if (unlikely(!in)) {
		drop_count(c, DROP_port_removed, batch->n);
		return;
	}
	follow(fw, view, now);
	fw->waited = false;
	fw->home = home_of(fw, rxq->home);
	if (unlikely(in->noticed))
		notice(fw, in, rxq->q->index, batch);
	forward_packets(fw, in, batch);
	flush_all(fw);
}

/* The port that a record is for; NULL: it is gone, even if there is a new one of that id. */
static const struct view_port *port_of(const struct view *view, const struct record *r)
{
	const struct view_port *port = find_port(view, r->port);

	return port && port->serial == r->serial ? port : NULL;
}

/* The same, or what stands for a port where a packet is from nowhere. */
static const struct view_port *source_of(const struct view *view, const struct record *r)
{
	if (r->port)
		return port_of(view, r);
	for (unsigned i = 0; r->rules && i < view->n_bridges; i++)
		if (view->bridges[i]->rules == r->rules)
			return view->bridges[i]->nowhere;
	return NULL;
}

/* What the control thread has a packet for. */
static void forward_injected(struct forwarder *fw, const struct view_port *in,
			     const struct record *r, struct pkt *pkt)
{
	const struct action_list actions = { (uint8_t *)(r + 1), r->actions_len, r->actions_len };
	const struct execution_out out = {
		.in = in,
		.in_port = r->in_port,
		.actions = r->actions_len || r->kind == RECORD_PACKET_OUT ? &actions : NULL,
		.n_waits = r->n_waits,
		.version = r->version,
		.hops = r->hops,
	};
	const struct rule *normal;
	const struct pipeline *rules = execution_rules(in->bridge, &normal);

	if (r->kind == RECORD_RECEIVE && !rules) {
		uint32_t len = pkt->len;

		if (forward_alone(fw, in, pkt, &(struct run){ .box = NULL }) && normal)
			execution_count_normal(fw->execution, in->bridge, normal, 1, len);
	} else if (r->kind == RECORD_RECEIVE) {
		meet_rules(fw, rules, in, pkt);
	} else if (pkt->len >= ETH_HLEN) {
		pkt_parse(pkt);
		fw->n_crossings = r->n_crossings;
		execution_packet_out(fw, &out, pkt);
	}
}

/* Sends what has waited. It is noted as waiting until then: what is in no count when the switch
 * dies would be lost without a word. */
static void flush_waited(struct forwarder *fw)
{
	unsigned n = fw->n_touched;

	flush_all(fw);
	for (unsigned i = 0; i < n; i++)
		note_held(fw, fw->view->ports[fw->touched[i]]);
}

/* Takes records until @queue is empty, a batch is full, or one must wait. */
static unsigned forward_inbox(struct forwarder *fw, struct spsc *queue)
{
	struct batch *batch = &fw->batch;
	const struct view_port *port;
	struct record *r;
	unsigned n = 0;
	size_t len;

	while (n < INBOX_RUN && (r = spsc_peek(queue, &len))) {
		struct pkt *pkt = &batch->pkts[n];

		port = r->kind == RECORD_TRANSMIT ? port_of(fw->view, r) : source_of(fw->view, r);
		if (port && r->kind == RECORD_TRANSMIT && must_wait(fw, port))
			break;
		spsc_pop(queue);
		n++;
		if (fw->waited)
			fw->outboxes[r->port].n_waiting--;
		if (!port)
			continue;
		if (home_of(fw, r->home) != fw->home) {
			flush_waited(fw);
			fw->home = home_of(fw, r->home);
		}
		pkt_init_linear(pkt, (uint8_t *)(r + 1) + r->actions_len, r->len, &batch->frags[n]);
		pkt->offload = r->offload;
		if (r->kind != RECORD_TRANSMIT) {
			forward_injected(fw, port, r, pkt);
			continue;
		}
		pkt->tagged = r->tagged;
		pkt->tci = r->tci;
		pkt->ethertype = r->ethertype;
		put_in_outbox(fw, port, pkt, (struct normal_tag){ r->tagged, r->tci });
	}
	flush_waited(fw);
	spsc_release(queue);
	return n;
}

/* All of it, so that nothing received later overtakes it; bounded, as the control thread may fill
 * it meanwhile. */
static unsigned empty_inbox(struct forwarder *fw, struct spsc *queue)
{
	unsigned runs = INBOX_SIZE / INBOX_RECORD_MIN / INBOX_RUN, total = 0, n;

	do {
		n = forward_inbox(fw, queue);
		total += n;
	} while (n == INBOX_RUN && --runs);
	return total;
}

unsigned forward_inboxes(struct forwarder *fw, const struct view *view, uint64_t now)
{
	unsigned n;

	follow(fw, view, now);
	fw->waited = true;
	n = empty_inbox(fw, inboxes_of_worker(fw->inboxes, fw->worker));
	fw->waited = false;
	if (fw->worker == 0)
		n += empty_inbox(fw, inboxes_of_control(fw->inboxes));
	return n;
}

bool forward_inboxes_empty(const struct forwarder *fw)
{
	return spsc_empty(inboxes_of_worker(fw->inboxes, fw->worker)) &&
	       (fw->worker || spsc_empty(inboxes_of_control(fw->inboxes)));
}

void forward_settle(struct forwarder *fw)
{
	execution_settle(fw->execution);
}

bool forward_settled(const struct forwarder *fw)
{
	return execution_settled(fw->execution);
}

void forward_stats(const struct forwarder *fw, struct plans_stats *out)
{
	execution_stats(fw->execution, out);
}
