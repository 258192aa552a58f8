// SPDX-License-Identifier: Apache-2.0
/* From a batch of received packets to batches on transmit queues. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "datapath/forward.h"
#include "flow/normal.h"
#include "flow/trip.h"
#include "packet/parse.h"
#include "port/offload.h"

#define INBOX_SIZE (1u << 20)	  /* bytes; untouched ones cost nothing */
#define INBOX_RUN (BATCH_MAX - 1) /* records handled before their room is given back */
#define INBOX_RECORD_MIN 48	  /* bytes that a record takes there, at least */

/* What of one port waits in our inbox. Bytes are counted in two spans: all that was put in before
 * the current one began has left the inbox when its position @until has, so the sum is never less
 * than what is there.
 */
struct share {
	uint64_t until;
	uint64_t before, now; /* bytes in the span before, and in this one */
};

/* Packets that go out by one port, in order. */
struct outbox {
	const struct view_port *port;
	unsigned n_waiting; /* packets for this port id in our inbox */
	struct share share;
	unsigned n;
	bool mixed; /* else no packet has, gets or loses a tag, or asks for an offload */
	struct pkt *pkts[BATCH_MAX];
	struct normal_tag tags[BATCH_MAX];
};

struct forwarder {
	unsigned worker;
	struct inboxes *inboxes;
	const struct view *view; /* that decides: the newest when the batch was taken */
	uint64_t now;
	struct trip_cache *trips;
	struct unsettled *unsettled;
	const struct trip_key *key; /* of the frame at hand, and where its trip begins; NULL: */
	struct trip *slot;	    /* it cannot have one */
	uint32_t now_s;		    /* of now, seconds */
	unsigned n_crossings;	    /* of patch ports, by the packet at hand and its copies */
	bool waited;		    /* the packets at hand, in our inbox */
	uint32_t home;		    /* of the queue that they were received from */
	unsigned n_touched;
	uint32_t touched[VIEW_PORTS_MAX];	/* ids of outboxes that hold packets */
	struct outbox outboxes[VIEW_PORTS_MAX]; /* by port id */
	struct batch batch;			/* for what comes out of inboxes */
	struct batch segments;			/* of large packets, while they are sent */
};

enum record_kind { RECORD_TRANSMIT, RECORD_RECEIVE };

/* A packet in an inbox; the frame follows. */
struct record {
	uint32_t port, serial;
	uint32_t len;
	uint16_t tci, ethertype;
	bool tagged;
	uint8_t kind;
	uint8_t home;
	struct virtio_net_hdr offload;
};

int inboxes_init(struct inboxes *in, unsigned n_workers)
{
	unsigned n = n_workers + 1;

	in->n_workers = n_workers;
	in->queues = aligned_alloc(CACHE_LINE, n * sizeof(*in->queues));
	if (!in->queues)
		return -ENOMEM;
	memset(in->queues, 0, n * sizeof(*in->queues));
	for (unsigned i = 0; i < n; i++)
		if (spsc_init(&in->queues[i], INBOX_SIZE) < 0) {
			inboxes_destroy(in);
			return -ENOMEM;
		}
	return 0;
}

void inboxes_destroy(struct inboxes *in)
{
	if (!in->queues)
		return;
	for (unsigned i = 0; i <= in->n_workers; i++)
		spsc_destroy(&in->queues[i]);
	free(in->queues);
	in->queues = NULL;
}

struct forwarder *forwarder_create(unsigned worker, struct inboxes *inboxes,
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
	fw->trips = trip_cache_create();
	if (!fw->trips) {
		forwarder_destroy(fw);
		return NULL;
	}
	return fw;
}

void forwarder_destroy(struct forwarder *fw)
{
	if (!fw)
		return;
	trip_cache_destroy(fw->trips);
	munmap(fw, sizeof(*fw));
}

static struct port_counters *counters(const struct forwarder *fw, const struct view_port *port)
{
	return &port->state->counters[fw->worker];
}

/* Seen from outside. */
static bool is_empty(const struct spsc *queue)
{
	/* pairs with spsc_release(), which comes when what was taken is sent, or waits again */
	uint64_t tail = __atomic_load_n(&queue->tail, __ATOMIC_ACQUIRE);

	return __atomic_load_n(&queue->head, __ATOMIC_ACQUIRE) == tail;
}

bool inboxes_empty(const struct inboxes *in)
{
	/* that of the control thread first: what leaves it may enter another */
	for (unsigned i = in->n_workers + 1; i--;)
		if (!is_empty(&in->queues[i]))
			return false;
	return true;
}

int inboxes_inject(struct inboxes *in, const struct view_port *port, const void *frame,
		   uint32_t len)
{
	struct spsc *queue = inboxes_of_control(in);
	struct record *r = spsc_reserve(queue, sizeof(*r) + len);

	if (!r)
		return -ENOBUFS;
	*r = (struct record){
		.port = port->id, .serial = port->serial, .len = len, .kind = RECORD_RECEIVE
	};
	memcpy(r + 1, frame, len);
	spsc_commit(queue, sizeof(*r) + len);
	return 0;
}

/* Whether @len more bytes for a port may wait in our inbox: as long as it has less there than is
 * free, so that no port, however it is flooded, takes the room of the others.
 */
static bool take_share(struct share *share, const struct spsc *queue, size_t len)
{
	uint64_t published = spsc_published(queue), consumed = spsc_consumed(queue);
	size_t is_free = queue->size - (size_t)(published - consumed);

	if (consumed >= share->until) {
		share->before = share->now;
		share->now = 0;
		share->until = published;
	}
	if (share->before + share->now + len > is_free)
		return false;
	share->now += len;
	return true;
}

/* Notes what waits for @out where it outlives the process, whose inboxes do not. */
static void note_held(const struct forwarder *fw, const struct view_port *out)
{
	counter_set(&counters(fw, out)->tx_held, fw->outboxes[out->id].n_waiting);
}

/* Copies a packet into our inbox. */
static void let_wait(struct forwarder *fw, const struct view_port *out, struct pkt *pkt)
{
	struct spsc *queue = inboxes_of_worker(fw->inboxes, fw->worker);
	struct outbox *box = &fw->outboxes[out->id];
	size_t len = sizeof(struct record) + pkt->len;
	struct record *r = NULL;

	if (take_share(&box->share, queue, len))
		r = spsc_reserve(queue, len);
	if (!r) {
		drop_count(counters(fw, out), DROP_tx_held_full, 1);
		return;
	}
	*r = (struct record){
		.port = out->id,
		.serial = out->serial,
		.len = pkt->len,
		.tci = pkt->tci,
		.ethertype = pkt->ethertype,
		.tagged = pkt->tagged,
		.kind = RECORD_TRANSMIT,
		.home = (uint8_t)fw->home,
		.offload = pkt->offload,
	};
	pkt_copy(pkt, r + 1);
	spsc_commit(queue, len);
	box->n_waiting++;
	note_held(fw, out);
}

/* Whether packets for @out have to wait in our inbox. */
static bool must_wait(const struct forwarder *fw, const struct view_port *out)
{
	return out->held || (!fw->waited && fw->outboxes[out->id].n_waiting);
}

/* The queue of @out for a packet, among those of @range: an index into out->txqs. */
static unsigned pick_txq(const struct forwarder *fw, const struct view_port *out,
			 const struct view_txq_range *range, const struct pkt *pkt)
{
	uint32_t hash;

	if (range->n == 1)
		return range->first;
	hash = pkt_hash(pkt);
	if (out->steer) {
		unsigned pair = steer_find(out->steer, hash, fw->now_s);
		unsigned at = pair == STEER_NONE ? VIEW_NO_TXQ : out->by_pair[pair];

		/* the queue may be disabled, or of another home */
		if (at - range->first < range->n)
			return at;
	}
	return range->first + hash % range->n;
}

/* Sends on one queue. @plain: no packet asks for an offload. */
static void transmit_at(struct forwarder *fw, const struct view_port *out, unsigned at,
			struct pkt *const *pkts, unsigned n, bool plain)
{
	struct txq *q = out->txqs[at].q;
	bool shared = out->txqs[at].shared;

	unsettled_make_room(fw->unsettled);
	if (shared)
		lock_take(&q->lock);
	if (likely(plain))
		q->port->ops->tx(q, pkts, n, counters(fw, out));
	else
		offload_transmit(&fw->segments, q, pkts, n, counters(fw, out));
	unsettled_add_tx(fw->unsettled, q, shared);
	if (shared)
		lock_release(&q->lock);
}

/* There is a choice of queues: a flow stays on one of them. */
static void transmit_spread(struct forwarder *fw, const struct view_port *out,
			    const struct view_txq_range *range, struct pkt *const *pkts, unsigned n,
			    bool plain)
{
	struct pkt *some[BATCH_MAX];
	unsigned at[BATCH_MAX];
	uint32_t left = UINT32_MAX >> (32 - n);

	static_assert(BATCH_MAX == 32, "a bit for each packet");
	for (unsigned i = 0; i < n; i++)
		at[i] = pick_txq(fw, out, range, pkts[i]);
	while (left) { /* the first one's queue, and all that go there, too */
		unsigned first = (unsigned)__builtin_ctz(left), k = 0;

		for (unsigned i = first; i < n; i++)
			if (left & 1u << i && at[i] == at[first]) {
				some[k++] = pkts[i];
				left &= ~(1u << i);
			}
		transmit_at(fw, out, at[first], some, k, plain);
	}
}

/* @n >= 1 */
static void transmit(struct forwarder *fw, const struct view_port *out, struct pkt *const *pkts,
		     unsigned n, bool plain)
{
	const struct view_txq_range *range;

	if (unlikely(!out->n_txqs)) {
		drop_count(counters(fw, out), out->link ? DROP_tx_no_queue : DROP_tx_link_down, n);
		return;
	}
	if (unlikely(must_wait(fw, out))) {
		for (unsigned i = 0; i < n; i++)
			let_wait(fw, out, pkts[i]);
		return;
	}
	range = &out->by_home[fw->home];
	if (likely(range->n == 1))
		transmit_at(fw, out, range->first, pkts, n, plain);
	else
		transmit_spread(fw, out, range, pkts, n, plain);
}

static void flush_outbox(struct forwarder *fw, struct outbox *box)
{
	if (unlikely(box->mixed))
		for (unsigned i = 0; i < box->n; i++) {
			struct pkt *pkt = box->pkts[i];
			struct normal_tag tag = box->tags[i];

			if (pkt->tagged || tag.tagged)
				pkt_set_tag(pkt, tag.tagged, tag.tci);
		}
	transmit(fw, box->port, box->pkts, box->n, !box->mixed);
	box->n = 0;
	box->mixed = false;
}

static void flush_all(struct forwarder *fw)
{
	for (unsigned i = 0; i < fw->n_touched; i++) {
		struct outbox *box = &fw->outboxes[fw->touched[i]];

		if (box->n)
			flush_outbox(fw, box);
		box->port = NULL;
	}
	fw->n_touched = 0;
}

/* Opens the outbox of @out, if that is to be done. */
static inline struct outbox *open_outbox(struct forwarder *fw, const struct view_port *out)
{
	struct outbox *box = &fw->outboxes[out->id];

	if (!box->port) {
		box->port = out;
		fw->touched[fw->n_touched++] = out->id;
	}
	return box;
}

static inline void put(struct outbox *box, struct pkt *pkt, struct normal_tag tag)
{
	box->pkts[box->n] = pkt;
	box->tags[box->n++] = tag;
}

static void put_in_outbox(struct forwarder *fw, const struct view_port *out, struct pkt *pkt,
			  struct normal_tag tag)
{
	struct outbox *box = open_outbox(fw, out);

	/* the same packet twice (two ways through patch ports) may want two tags */
	if (unlikely(box->n == BATCH_MAX || (box->n && box->pkts[box->n - 1] == pkt)))
		flush_outbox(fw, box);
	put(box, pkt, tag);
	box->mixed = true; /* the packet may be in other outboxes, too, which change its tag */
}

/* Bytes of the frame, or of the longest one that a large packet stands for. */
static uint32_t frame_len(const struct pkt *pkt)
{
	if (likely(pkt->offload.gso_type == VIRTIO_NET_HDR_GSO_NONE))
		return pkt->len;
	return min(pkt->len, (uint32_t)pkt->offload.hdr_len + pkt->offload.gso_size);
}

/* Bytes behind the Ethernet header and tags, which is what an MTU limits. */
static uint32_t payload_len(const struct pkt *pkt)
{
	uint32_t len = frame_len(pkt);
	uint32_t headers = ETH_HLEN + (pkt->tagged ? VLAN_TAG_LEN : 0);
	uint16_t type = pkt->ethertype;

	/* at most two tags, as many as FRAME_LEN_MAX allows for */
	while (unlikely(ethertype_is_tag(type)) && headers < ETH_HLEN + 2 * VLAN_TAG_LEN) {
		headers += VLAN_TAG_LEN;
		if (pkt->head_len < headers)
			break;
		type = (uint16_t)(pkt->head[headers - 2] << 8 | pkt->head[headers - 1]);
	}
	return len > headers ? len - headers : 0;
}

static void forward_frame(struct forwarder *fw, const struct view_port *in, struct pkt *pkt,
			  struct normal_tag tag, unsigned hops);

/* To the other end of a patch port. */
static void cross(struct forwarder *fw, const struct view_port *out, struct pkt *pkt,
		  struct normal_tag tag, unsigned hops)
{
	/* as it is on the cable: the packet gets its tag where it leaves the switch */
	uint32_t len =
		pkt->len + (tag.tagged ? VLAN_TAG_LEN : 0) - (pkt->tagged ? VLAN_TAG_LEN : 0);
	const struct view_port *peer = out->patch_peer ? fw->view->ports[out->patch_peer] : NULL;

	if (!peer) {
		drop_count(counters(fw, out), DROP_tx_link_down, 1);
		return;
	}
	if (hops == VIEW_PATCH_HOPS_MAX || fw->n_crossings == fw->view->n_ports) {
		drop_count(counters(fw, out), DROP_patch_loop, 1);
		return;
	}
	fw->n_crossings++;
	counter_add(&counters(fw, out)->tx_packets, 1);
	counter_add(&counters(fw, out)->tx_bytes, len);
	counter_add(&counters(fw, peer)->rx_packets, 1);
	counter_add(&counters(fw, peer)->rx_bytes, len);
	forward_frame(fw, peer, pkt, tag, hops + 1);
}

static void emit(struct forwarder *fw, const struct view_port *out, struct pkt *pkt,
		 struct normal_tag tag, unsigned hops)
{
	if (unlikely(payload_len(pkt) > out->mtu)) {
		drop_count(counters(fw, out), DROP_tx_too_long, 1);
		return;
	}
	if (likely(!out->patch))
		put_in_outbox(fw, out, pkt, tag);
	else
		cross(fw, out, pkt, tag, hops);
}

static void flood(struct forwarder *fw, const struct view_port *in, struct pkt *pkt,
		  const struct normal_frame *frame, unsigned hops)
{
	const struct view_bridge *bridge = in->bridge;
	bool sent = false;

	for (unsigned i = 0; i < bridge->n_ports; i++) {
		const struct view_port *out = bridge->ports[i];

		if (!normal_may_send(in, out, frame->vid))
			continue;
		emit(fw, out, pkt, normal_out_tag(out, frame), hops);
		sent = true;
	}
	if (!sent)
		drop_count(counters(fw, in), DROP_no_output, 1);
}

/* A frame that carries @tag enters by @in; addresses are in the packet's private copy. */
static void forward_frame(struct forwarder *fw, const struct view_port *in, struct pkt *pkt,
			  struct normal_tag tag, unsigned hops)
{
	struct normal_frame frame;
	struct normal_result result;
	enum drop_reason why;

	if (unlikely(
		    !normal_receive(in, pkt->head, tag.tagged, tag.tci, fw->now_s, &frame, &why))) {
		drop_count(counters(fw, in), why, 1);
		return;
	}
	result = normal_decide(fw->view, in, &frame, fw->now);
	switch (result.verdict) {
	case NORMAL_UNICAST:
		if (likely(fw->slot && !result.out->patch && hops == 0))
			trip_record(fw->slot, fw->key, fw->view, in, &frame, result.out);
		emit(fw, result.out, pkt, normal_out_tag(result.out, &frame), hops);
		break;
	case NORMAL_FLOOD:
		flood(fw, in, pkt, &frame, hops);
		break;
	case NORMAL_DROP:
		drop_count(counters(fw, in), result.drop, 1);
		break;
	}
}

/* A tag that comes to light where the one before it, of no VLAN, is taken off: then the frame would
 * be in a VLAN of the sender's choice.
 */
static bool hides_tag(const struct pkt *pkt)
{
	return pkt->tagged && pkt->ethertype == ETH_P_8021Q && !(pkt->tci & VLAN_VID_MASK);
}

/* Decides for a frame without a trip, and lets it begin one at @slot (NULL: it cannot). */
static void decide(struct forwarder *fw, const struct view_port *in, struct pkt *pkt,
		   const struct trip_key *key, struct trip *slot)
{
	if (unlikely(hides_tag(pkt))) {
		drop_count(counters(fw, in), DROP_vlan, 1);
		return;
	}
	if (unlikely(payload_len(pkt) > in->mtu)) {
		drop_count(counters(fw, in), DROP_too_long, 1);
		return;
	}
	fw->n_crossings = 0;
	fw->key = key;
	fw->slot = slot;
	forward_frame(fw, in, pkt, (struct normal_tag){ pkt->tagged, pkt->tci }, 0);
	fw->slot = NULL;
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

static inline void forward_received(struct forwarder *fw, const struct view_port *in,
				    struct pkt *pkt, struct run *run)
{
	struct trip *trip = NULL;
	struct trip_key key;
	bool keyed;

	if (likely(join_run(fw, pkt, run)))
		return;
	if (unlikely(pkt->len < ETH_HLEN)) {
		drop_count(counters(fw, in), DROP_too_short, 1);
		return;
	}
	keyed = trip_key_read(pkt, &key);
	if (unlikely(!offload_none(pkt) && !offload_check(pkt))) {
		drop_count(counters(fw, in), DROP_offload, 1);
		return;
	}
	if (likely(keyed)) {
		trip = trip_slot(fw->trips, &key, in);
		if (likely(follow_trip(fw, in, pkt, &key, trip, run)))
			return;
	}
	run->box = NULL; /* what is learned now may change where its frames go */
	decide(fw, in, pkt, &key, trip);
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

void forward_batch(struct forwarder *fw, const struct view *view, const struct view_rxq *rxq,
		   struct batch *batch, uint64_t now, struct port_counters *c)
{
	const struct view_port *in = find_port(view, rxq->port);
	struct run run = { .box = NULL };

	if (unlikely(!in)) {
		drop_count(c, DROP_port_removed, batch->n);
		return;
	}
	follow(fw, view, now);
	fw->waited = false;
	fw->home = home_of(fw, rxq->home);
	if (unlikely(in->steer))
		note_flows(fw, in, rxq->q->index, batch);
	for (unsigned i = 0; i < batch->n; i++)
		forward_received(fw, in, &batch->pkts[i], &run);
	flush_all(fw);
}

/* The port that a record is for; NULL: it is gone, even if there is a new one of that id. */
static const struct view_port *port_of(const struct view *view, const struct record *r)
{
	const struct view_port *port = find_port(view, r->port);

	return port && port->serial == r->serial ? port : NULL;
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

		port = port_of(fw->view, r);
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
		pkt_init_linear(pkt, r + 1, r->len, &batch->frags[n]);
		if (r->kind == RECORD_RECEIVE) {
			forward_received(fw, port, pkt, &(struct run){ .box = NULL });
			continue;
		}
		pkt->tagged = r->tagged;
		pkt->tci = r->tci;
		pkt->ethertype = r->ethertype;
		pkt->offload = r->offload;
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
