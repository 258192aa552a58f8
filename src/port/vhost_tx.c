// SPDX-License-Identifier: Apache-2.0
/* Packets into a guest's receive buffers. The payload is copied once, from the source's memory
 * straight into the receiving guest's buffers.
 *
 * Theory of operation. A guest's buffers are taken before there is a packet for them, a batch
 * ahead, and their first cache lines are asked for at once: so much of the way to another core's
 * cache is over when packets come. What is taken and not filled stays in hand for the next batch.
 * It is read and checked like all that is taken; it is given up when the guest's memory is another
 * than it was then, and when the queue changes hands.
 *
 * How much was written to each filled buffer stands where the ring keeps it, ring_lens(), so that
 * whoever goes on after a crash finds it there.
 */
#include <sys/mman.h>

#include "base/cpu.h"
#include "port/vhost_dirty.h"
#include "port/vhost_queue.h"
#include "virtio/net_header.h"

#define AHEAD BATCH_MAX	 /* buffers in hand after a batch */
#define AHEAD_PIECES 256 /* fragments that these may have, at most */
#define BULK_LEN 256	 /* bytes of a packet from which on its lines are fetched ahead */
#define BULK_LEN_MAX 512 /* ... and up to which: the processor sees by then where it goes */

/* Buffers in hand, in ring order: chains[done..used-1] are filled, [used..n-1] free. */
struct vhost_buffers {
	uint64_t serial;	/* of the guest's memory that the fragments point into */
	unsigned done, used, n; /* done <= used <= n <= RING_TAKE_MAX */
	unsigned arena_used;	/* elements */
	unsigned n_packets;	/* in the filled ones */
	uint64_t n_bytes;
	struct ring_chain chains[RING_TAKE_MAX];
	struct iovec arena[RING_ARENA_LEN];
};

struct vhost_buffers *vhost_buffers_create(void)
{
	/* mapped, not touched: guests with short chains cost a few pages */
	struct vhost_buffers *b = mmap(NULL, sizeof(*b), PROT_READ | PROT_WRITE,
				       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return b == MAP_FAILED ? NULL : b;
}

void vhost_buffers_destroy(struct vhost_buffers *buffers)
{
	if (buffers)
		munmap(buffers, sizeof(*buffers));
}

static void let_go(struct vhost_queue *q)
{
	struct vhost_buffers *b = q->buffers;

	if (b->n > b->used)
		ring_untake(&q->vring->ring, b->n - b->used);
	b->n = b->used;
}

void vhost_buffers_reset(struct vhost_queue *q)
{
	struct vhost_buffers *b = q->buffers;

	/* a ring that was started anew knows nothing of them */
	if (q->vring->ring.n_taken)
		let_go(q);
	b->done = b->used = b->n = b->arena_used = 0;
}

/* Moves what is in hand to the front, to make room behind it. */
static void compact(struct vhost_buffers *b)
{
	struct iovec *first = b->done < b->n ? b->chains[b->done].iov : b->arena + b->arena_used;
	size_t gone = (size_t)(first - b->arena);
	unsigned n = b->n - b->done;

	memmove(b->arena, first, (b->arena_used - gone) * sizeof(*first));
	memmove(b->chains, b->chains + b->done, n * sizeof(b->chains[0]));
	for (unsigned i = 0; i < n; i++)
		b->chains[i].iov -= gone;
	b->arena_used -= (unsigned)gone;
	b->used -= b->done;
	b->n = n;
	b->done = 0;
}

/* Takes up to @n more buffers, of at most @pieces fragments. Returns how many. */
static unsigned take(struct vhost_queue *q, const struct guestmem *mem, unsigned n, unsigned pieces)
{
	struct vhost_buffers *b = q->buffers;
	unsigned got;

	if (b->done && b->n + n > RING_TAKE_MAX)
		compact(b);
	got = ring_take(&q->vring->ring, mem, &b->chains[b->n], min(n, RING_TAKE_MAX - b->n),
			b->arena + b->arena_used, pieces);
	for (unsigned i = 0; i < got; i++) {
		const struct ring_chain *chain = &b->chains[b->n + i];
		const uint8_t *at;

		b->arena_used += chain->n_out + chain->n_in;
		if (unlikely(!chain->in_len))
			continue;
		at = chain->iov[chain->n_out].iov_base;
		prefetch_write(at);
		prefetch_write(at + CACHE_LINE);
	}
	b->n += got;
	return got;
}

/* Buffers for the next batch. */
static void take_ahead(struct vhost_queue *q, const struct guestmem *mem)
{
	struct vhost_buffers *b = q->buffers;
	unsigned n = b->n - b->used;

	if (!n)
		b->done = b->used = b->n = b->arena_used = 0;
	else if (b->arena_used > AHEAD_PIECES)
		compact(b);
	if (n >= AHEAD)
		return;
	if (unlikely(b->arena_used >= AHEAD_PIECES))
		let_go(q); /* chains that long are not worth it */
	else
		take(q, mem, AHEAD - n, AHEAD_PIECES - b->arena_used);
}

/* Returns filled buffers to the guest, which does not see them any more when its ring is broken. */
static void deliver(struct vhost_queue *q, struct port_counters *c)
{
	struct ring *ring = &q->vring->ring;
	struct vhost_buffers *b = q->buffers;

	if (b->used == b->done)
		return;
	if (likely(!ring_broken(ring))) {
		counter_add(&c->tx_packets, b->n_packets);
		counter_add(&c->tx_bytes, b->n_bytes);
	} else {
		drop_count(c, DROP_tx_ring_broken, b->n_packets);
	}
	counter_add(&c->copied_bytes, b->n_bytes);
	if (unlikely(q->logs))
		vhost_dirty_complete(q->vring, q->state, b->chains + b->done, ring_lens(ring),
				     b->used - b->done);
	else
		ring_complete(ring, ring_lens(ring), b->used - b->done);
	b->done = b->used;
	b->n_packets = 0;
	b->n_bytes = 0;
}

enum room { ROOM_OK, ROOM_NONE, ROOM_SMALL, ROOM_BROKEN };

/* Finds buffers for @need bytes: the first *@n_chains free ones. @ahead: packets that will want
 * buffers too. */
static enum room find_room(struct vhost_queue *q, const struct guestmem *mem, uint32_t need,
			   unsigned ahead, unsigned *n_chains)
{
	struct vhost_buffers *b = q->buffers;
	struct ring *ring = &q->vring->ring;
	uint64_t room = 0;
	unsigned k = 0;

	for (;;) {
		if (b->used + k == b->n && !take(q, mem, ahead + 1, RING_ARENA_LEN - b->arena_used))
			return ring_broken(ring)		 ? ROOM_BROKEN
			       : b->n - b->done == RING_TAKE_MAX ? ROOM_SMALL
								 : ROOM_NONE;
		if (unlikely(!b->chains[b->used + k].in_len)) {
			ring_break(ring, RING_FAULT_NO_WRITABLE);
			return ROOM_BROKEN;
		}
		room += b->chains[b->used + k++].in_len;
		if (room >= need)
			break;
		if (!q->mergeable)
			return ROOM_SMALL;
	}
	*n_chains = k;
	return ROOM_OK;
}

/* A place in a list of buffers. */
struct cursor {
	struct ring_chain *chain;
	struct iovec *iov; /* the next one */
	uint8_t *at;
	size_t room;
};

static void cursor_open(struct cursor *cur, struct ring_chain *chain)
{
	cur->chain = chain;
	cur->iov = chain->iov + chain->n_out;
	cur->at = cur->iov->iov_base;
	cur->room = cur->iov->iov_len;
	cur->iov++;
}

/* The next buffer, of this chain or the next; find_room() made sure that there is one. */
static void cursor_advance(struct cursor *cur)
{
	struct ring_chain *chain = cur->chain;

	if (cur->iov == chain->iov + chain->n_out + chain->n_in) {
		cursor_open(cur, chain + 1);
		return;
	}
	cur->at = cur->iov->iov_base;
	cur->room = cur->iov->iov_len;
	cur->iov++;
}

static inline void cursor_write(struct cursor *cur, const void *from, size_t len)
{
	const uint8_t *at = from;

	while (len) {
		size_t part;

		if (unlikely(!cur->room))
			cursor_advance(cur);
		part = min(len, cur->room);
		memcpy(cur->at, at, part);
		cur->at += part;
		cur->room -= part;
		at += part;
		len -= part;
	}
}

/* Copies header and packet into the first @n_chains free chains, which have room for it. */
static void write_packet(struct vhost_queue *q, const struct pkt *pkt, unsigned n_chains)
{
	struct virtio_net_hdr_mrg_rxbuf header = { .hdr = pkt->offload,
						   .num_buffers = (uint16_t)n_chains };
	struct vhost_buffers *b = q->buffers;
	uint32_t left = q->header_len + pkt->len, *lens = ring_lens(&q->vring->ring);
	struct cursor cur;

	cursor_open(&cur, &b->chains[b->used]);
	cursor_write(&cur, &header, q->header_len);
	cursor_write(&cur, pkt->head, pkt->head_len);
	for (unsigned i = 0; i < pkt->n_frags; i++)
		cursor_write(&cur, pkt->frags[i].iov_base, pkt->frags[i].iov_len);
	for (unsigned i = 0; i < n_chains; i++) {
		uint32_t part = min(left, b->chains[b->used].in_len);

		shared_store(&lens[b->used++ - b->done], part);
		left -= part;
	}
}

/* Asks for the lines of the buffer at @at where a packet will be written that is about as long as
 * @pkt. */
static inline void fetch_bulk(const struct vhost_buffers *b, unsigned at, const struct pkt *pkt)
{
	const struct ring_chain *chain;
	const struct iovec *iov;
	size_t len;

	if (at >= b->n)
		return;
	chain = &b->chains[at];
	if (!chain->in_len)
		return;
	iov = &chain->iov[chain->n_out];
	len = min(pkt->len, (uint32_t)BULK_LEN_MAX);
	len = min(len, iov->iov_len);
	for (size_t i = (size_t)2 * CACHE_LINE; i < len; i += CACHE_LINE)
		prefetch_write((const uint8_t *)iov->iov_base + i);
}

static const enum drop_reason drop_of_room[] = {
	[ROOM_NONE] = DROP_tx_ring_full,
	[ROOM_SMALL] = DROP_tx_buffer_small,
	[ROOM_BROKEN] = DROP_tx_ring_broken,
};

/* Writes a packet and its header, of a length that the compiler knows, to one buffer. */
static ALWAYS_INLINE void write_single(uint8_t *at, const struct pkt *pkt, unsigned header_len)
{
	/* what num_buffers is when there is such a field (5.1.6.4) */
	uint32_t end = pkt->offload.csum_offset | 1u << 16;

	memcpy(at, &pkt->offload, 8);
	memcpy(at + 8, &end, header_len - 8);
	pkt_copy(pkt, at + header_len);
}

/* Fills buffers in hand with packets that fit in one of them, in one piece, as nearly all do, as
 * long as they come. Returns how many.
 */
static inline unsigned fill_singles(struct vhost_queue *q, struct pkt *const *pkts, unsigned n)
{
	struct vhost_buffers *b = q->buffers;
	const unsigned header_len = q->header_len;
	const bool demote = q->demote;
	const struct ring_chain *chain = &b->chains[b->used];
	uint32_t *lens = ring_lens(&q->vring->ring) + (b->used - b->done);
	uint64_t bytes = 0;
	unsigned i;

	n = min(n, b->n - b->used);
	for (i = 0; i < n; i++, chain++) {
		const struct iovec *iov = &chain->iov[chain->n_out];
		const struct pkt *pkt = pkts[i];
		uint32_t len = header_len + pkt->len;

		if (unlikely(!chain->in_len || iov->iov_len < len))
			break;
		if (pkt->len >= BULK_LEN)
			fetch_bulk(b, b->used + i + 1, pkt);
		if (likely(header_len == sizeof(struct virtio_net_hdr_mrg_rxbuf)))
			write_single(iov->iov_base, pkt, sizeof(struct virtio_net_hdr_mrg_rxbuf));
		else
			write_single(iov->iov_base, pkt, sizeof(struct virtio_net_hdr));
		/* of many lines in a row only the first: moving all costs more than it saves */
		if (demote)
			cache_demote(iov->iov_base);
		shared_store(&lens[i], len);
		bytes += pkt->len;
	}
	b->used += i;
	b->n_packets += i;
	b->n_bytes += bytes;
	return i;
}

/* Fills the buffers that one packet takes, whatever it is. @ahead: packets that will want buffers
 * too. */
static void fill(struct vhost_queue *q, const struct guestmem *mem, const struct pkt *pkt,
		 unsigned ahead, struct port_counters *c)
{
	struct vhost_buffers *b = q->buffers;
	uint32_t need = q->header_len + pkt->len;
	unsigned n_chains;
	enum room room;

	room = find_room(q, mem, need, ahead, &n_chains);
	if (unlikely(room == ROOM_SMALL && b->used > b->done)) {
		/* so many buffers are in hand that no more can be taken: let go of the filled
		 * ones */
		deliver(q, c);
		room = find_room(q, mem, need, ahead, &n_chains);
	}
	if (unlikely(room != ROOM_OK)) {
		drop_count(c, drop_of_room[room], 1);
		return;
	}
	write_packet(q, pkt, n_chains);
	b->n_packets++;
	b->n_bytes += pkt->len;
}

void vhost_queue_tx(struct txq *txq, struct pkt *const *pkts, unsigned n, struct port_counters *c)
{
	struct vhost_queue *q = container_of(txq, struct vhost_queue, txq);
	const struct guestmem *mem = rcu_read(&q->state->mem);
	struct vhost_buffers *b = q->buffers;
	uint64_t delivered = c->tx_packets;

	if (unlikely(b->serial != mem->serial)) {
		let_go(q);
		b->serial = mem->serial;
	}
	ring_prepare(&q->vring->ring, n);
	for (unsigned i = 0;; i++) {
		i += fill_singles(q, pkts + i, n - i);
		if (likely(i == n))
			break;
		fill(q, mem, pkts[i], n - i - 1, c);
	}
	deliver(q, c);
	if (c->tx_packets != delivered)
		vhost_queue_notify(q);
	take_ahead(q, mem);
	vhost_queue_report_if_broken(q, txq->port);
}
