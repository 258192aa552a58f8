// SPDX-License-Identifier: Apache-2.0
/* From packets with a port to go to, to transmit queues; or to the inbox, where they wait. */
#include <assert.h>

#include "datapath/outbox.h"
#include "packet/parse.h"
#include "port/offload.h"

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

void note_held(const struct forwarder *fw, const struct view_port *out)
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

void flush_outbox(struct forwarder *fw, struct outbox *box)
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

void flush_all(struct forwarder *fw)
{
	for (unsigned i = 0; i < fw->n_touched; i++) {
		struct outbox *box = &fw->outboxes[fw->touched[i]];

		if (box->n)
			flush_outbox(fw, box);
		box->port = NULL;
	}
	fw->n_touched = 0;
}

void put_in_outbox(struct forwarder *fw, const struct view_port *out, struct pkt *pkt,
		   struct normal_tag tag)
{
	struct outbox *box = open_outbox(fw, out);

	/* the same packet twice (two ways through patch ports) may want two tags */
	if (unlikely(box->n == BATCH_MAX || (box->n && box->pkts[box->n - 1] == pkt)))
		flush_outbox(fw, box);
	put(box, pkt, tag);
	box->mixed = true; /* the packet may be in other outboxes, too, which change its tag */
}
