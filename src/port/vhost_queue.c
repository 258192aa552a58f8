// SPDX-License-Identifier: Apache-2.0
/* Packets out of and into a guest's rings. The payload is copied once, from the source's memory
 * straight into the receiving guest's buffers.
 */
#include <errno.h>
#include <sys/mman.h>

#include "base/notify.h"
#include "port/offload.h"
#include "port/vhost_queue.h"
#include "virtio/net_header.h"

#define ARENA_BYTES (RING_ARENA_LEN * sizeof(struct iovec))

int vhost_queue_init(struct vhost_queue *q, struct port *port, unsigned pair,
		     struct vhost_vring *vring, const struct vhost_device_state *state,
		     bool guest_sends)
{
	if (!guest_sends && !q->arena) {
		/* mapped, not touched: guests with short chains cost a page */
		void *arena = mmap(NULL, ARENA_BYTES, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

		if (arena == MAP_FAILED)
			return -ENOMEM;
		q->arena = arena;
	}
	if (guest_sends)
		q->rxq = (struct rxq){ .port = port, .index = pair, .wake_fd = vring->kick_fd };
	else
		q->txq = (struct txq){ .port = port,
				       .index = pair,
				       .offloads = offload_of_guest(state->features) };
	q->vring = vring;
	q->state = state;
	q->header_len = net_header_len(state->features);
	q->mergeable = state->features >> VIRTIO_NET_F_MRG_RXBUF & 1;
	q->enabled = vring->enabled;
	/* a ring that is still broken, and was told of, is old news */
	if (!ring_broken(&vring->ring))
		q->reported = q->told = false;
	return 0;
}

void vhost_queue_free(struct vhost_queue *q)
{
	if (q->arena)
		munmap(q->arena, ARENA_BYTES);
	q->arena = NULL;
}

static struct vhost_queue *of_rxq(struct rxq *rxq)
{
	return container_of(rxq, struct vhost_queue, rxq);
}

/* Tells the control thread, once, that the ring is broken. */
static void report_if_broken(struct vhost_queue *q, struct port *port)
{
	if (likely(!ring_broken(&q->vring->ring)) || q->reported)
		return;
	q->reported = true;
	port->env->attention(port);
}

/* Interrupts the guest if it asked for it. */
static void notify(struct vhost_queue *q)
{
	/* a full pipe wakes the guest as well; nothing else can be done for it */
	if (ring_wants_notify(&q->vring->ring) && q->vring->call_fd >= 0)
		notify_fd(q->vring->call_fd);
}

/* Returns the oldest @n chains of what the guest sends. */
static void give_back(struct vhost_queue *q, unsigned n)
{
	if (!n)
		return;
	ring_complete(&q->vring->ring, NULL, n);
	notify(q);
}

/* Makes a packet of a chain. False: dropped, and counted. */
static bool receive_chain(const struct vhost_queue *q, struct ring_chain *chain, struct pkt *pkt,
			  struct port_counters *c)
{
	struct virtio_net_hdr_mrg_rxbuf header = { 0 };
	uint32_t len = chain->out_len - q->header_len;
	int n = net_header_pull(&chain->iov, chain->n_out, &header, q->header_len);

	if (unlikely(n < 0)) {
		drop_count(c, DROP_net_header, 1);
		return false;
	}
	if (unlikely(len > FRAME_LEN_MAX)) {
		drop_count(c, DROP_too_long, 1);
		return false;
	}
	if (unlikely(!net_header_valid(&header.hdr, q->state->features, len))) {
		drop_count(c, DROP_net_header, 1);
		return false;
	}
	pkt_init(pkt, chain->iov, (unsigned)n, len);
	net_header_clean(&header.hdr);
	pkt->offload = header.hdr;
	return true;
}

/* Throws away what the guest sends on a queue that it has not enabled. */
static void discard(struct vhost_queue *q, const struct ring_chain *chains, unsigned n,
		    struct port_counters *c)
{
	for (unsigned i = 0; i < n; i++)
		if (chains[i].out_len > q->header_len)
			counter_add(&c->rx_bytes, chains[i].out_len - q->header_len);
	drop_count(c, DROP_queue_disabled, n);
	give_back(q, n);
}

void vhost_queue_rx(struct rxq *rxq, struct batch *batch, struct port_counters *c)
{
	struct vhost_queue *q = of_rxq(rxq);
	struct ring *ring = &q->vring->ring;
	struct ring_chain chains[BATCH_MAX];
	uint64_t bytes = 0, copied = 0;
	unsigned n;

	n = ring_take(ring, rcu_read(&q->state->mem), chains, BATCH_MAX, batch->frags,
		      BATCH_FRAGS_MAX);
	if (!n) {
		report_if_broken(q, rxq->port);
		return;
	}
	counter_add(&c->rx_packets, n);
	if (unlikely(!q->enabled)) {
		discard(q, chains, n, c);
		return;
	}
	for (unsigned i = 0; i < n; i++)
		if (likely(chains[i].n_out))
			__builtin_prefetch(chains[i].iov[0].iov_base);
	for (unsigned i = 0; i < n; i++) {
		struct pkt *pkt = &batch->pkts[batch->n];

		if (likely(chains[i].out_len > q->header_len))
			bytes += chains[i].out_len - q->header_len;
		if (!receive_chain(q, &chains[i], pkt, c))
			continue;
		copied += pkt->head_len;
		batch->n++;
	}
	counter_add(&c->rx_bytes, bytes);
	counter_add(&c->copied_bytes, copied);
	if (unlikely(!batch->n))
		give_back(q, n);
}

void vhost_queue_rx_done(struct rxq *rxq, struct batch *batch)
{
	struct vhost_queue *q = of_rxq(rxq);

	give_back(q, q->vring->ring.n_taken);
}

bool vhost_queue_arm(struct rxq *rxq)
{
	struct vhost_queue *q = of_rxq(rxq);

	return !ring_broken(&q->vring->ring) && ring_enable_kick(&q->vring->ring);
}

void vhost_queue_disarm(struct rxq *rxq)
{
	struct vhost_queue *q = of_rxq(rxq);

	if (!ring_broken(&q->vring->ring))
		ring_disable_kick(&q->vring->ring);
}

/* Receive buffers of a guest, taken and being filled. */
struct fill {
	struct vhost_queue *q;
	const struct guestmem *mem;
	unsigned n;	    /* taken */
	unsigned used;	    /* of these, filled; the rest is given back unused */
	unsigned n_packets; /* in the filled ones */
	uint64_t n_bytes;
	bool delivered;	     /* the guest got some */
	unsigned arena_used; /* elements */
	struct ring_chain chains[RING_TAKE_MAX];
	uint32_t lens[RING_TAKE_MAX];
};

/* A place in a list of buffers. */
struct cursor {
	struct ring_chain *chain;
	struct iovec *iov; /* the next one */
	uint8_t *at;
	size_t room;
};

/* Gets up to @n more buffers. Returns how many. */
static unsigned take_buffers(struct fill *f, unsigned n)
{
	struct ring *ring = &f->q->vring->ring;
	unsigned got;

	n = min(n, RING_TAKE_MAX - f->n);
	got = ring_take(ring, f->mem, &f->chains[f->n], n, f->q->arena + f->arena_used,
			RING_ARENA_LEN - f->arena_used);
	for (unsigned i = 0; i < got; i++) {
		struct ring_chain *chain = &f->chains[f->n + i];

		f->arena_used += chain->n_out + chain->n_in;
		if (likely(chain->in_len))
			__builtin_prefetch(chain->iov[chain->n_out].iov_base, 1);
	}
	f->n += got;
	return got;
}

/* Returns filled buffers to the guest, which does not see them any more when its ring is broken. */
static void deliver(struct fill *f, struct port_counters *c)
{
	struct ring *ring = &f->q->vring->ring;

	if (!f->used)
		return;
	if (likely(!ring_broken(ring))) {
		counter_add(&c->tx_packets, f->n_packets);
		counter_add(&c->tx_bytes, f->n_bytes);
		f->delivered = true;
	} else {
		drop_count(c, DROP_tx_ring_broken, f->n_packets);
	}
	counter_add(&c->copied_bytes, f->n_bytes);
	ring_complete(ring, f->lens, f->used);
	f->n_packets = 0;
	f->n_bytes = 0;
}

/* Returns filled buffers to the guest and makes room for more. */
static void complete(struct fill *f, struct port_counters *c)
{
	unsigned rest = f->n - f->used;

	deliver(f, c);
	/* fragments of the rest stay where they are in the arena */
	memmove(f->chains, f->chains + f->used, rest * sizeof(f->chains[0]));
	f->n = rest;
	f->used = 0;
	if (!rest)
		f->arena_used = 0;
}

enum room { ROOM_OK, ROOM_NONE, ROOM_SMALL, ROOM_BROKEN };

/* Finds buffers for @need bytes: chains used..used+*n_chains-1. @ahead: packets that will want
 * buffers too. */
static enum room find_room(struct fill *f, uint32_t need, unsigned ahead, unsigned *n_chains)
{
	uint64_t room = 0;
	unsigned k = f->used;

	for (;;) {
		if (k == f->n && !take_buffers(f, ahead + 1))
			return ring_broken(&f->q->vring->ring) ? ROOM_BROKEN
			       : f->n == RING_TAKE_MAX	       ? ROOM_SMALL
							       : ROOM_NONE;
		if (unlikely(!f->chains[k].in_len)) {
			ring_break(&f->q->vring->ring, RING_FAULT_NO_WRITABLE);
			return ROOM_BROKEN;
		}
		room += f->chains[k++].in_len;
		if (room >= need)
			break;
		if (!f->q->mergeable)
			return ROOM_SMALL;
	}
	*n_chains = k - f->used;
	return ROOM_OK;
}

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

/* The common case: one buffer that holds it all. False when it is not so. */
static inline bool write_at_once(struct fill *f, const struct pkt *pkt,
				 const struct virtio_net_hdr_mrg_rxbuf *header)
{
	const struct ring_chain *chain = &f->chains[f->used];
	const struct iovec *iov = &chain->iov[chain->n_out];
	uint32_t len = f->q->header_len + pkt->len;
	uint8_t *at = iov->iov_base;

	if (unlikely(iov->iov_len < len))
		return false;
	/* two lengths that the compiler knows, instead of a call */
	if (likely(f->q->header_len == sizeof(*header)))
		memcpy(at, header, sizeof(*header));
	else
		memcpy(at, &header->hdr, sizeof(header->hdr));
	pkt_copy(pkt, at + f->q->header_len);
	f->lens[f->used++] = len;
	return true;
}

/* Copies header and packet into @n_chains chains that have room for it. */
static void write_packet(struct fill *f, const struct pkt *pkt, unsigned n_chains)
{
	struct virtio_net_hdr_mrg_rxbuf header = { .hdr = pkt->offload,
						   .num_buffers = (uint16_t)n_chains };
	uint32_t left = f->q->header_len + pkt->len;
	struct cursor cur;

	if (likely(write_at_once(f, pkt, &header)))
		return;
	cursor_open(&cur, &f->chains[f->used]);
	cursor_write(&cur, &header, f->q->header_len);
	cursor_write(&cur, pkt->head, pkt->head_len);
	for (unsigned i = 0; i < pkt->n_frags; i++)
		cursor_write(&cur, pkt->frags[i].iov_base, pkt->frags[i].iov_len);
	for (unsigned i = 0; i < n_chains; i++) {
		uint32_t part = min(left, f->chains[f->used].in_len);

		f->lens[f->used++] = part;
		left -= part;
	}
}

static const enum drop_reason drop_of_room[] = {
	[ROOM_NONE] = DROP_tx_ring_full,
	[ROOM_SMALL] = DROP_tx_buffer_small,
	[ROOM_BROKEN] = DROP_tx_ring_broken,
};

void vhost_queue_tx(struct txq *txq, struct pkt *const *pkts, unsigned n, struct port_counters *c)
{
	struct vhost_queue *q = container_of(txq, struct vhost_queue, txq);
	struct fill f;

	f.q = q;
	f.mem = rcu_read(&q->state->mem);
	f.n = f.used = f.arena_used = f.n_packets = 0;
	f.n_bytes = 0;
	f.delivered = false;
	for (unsigned i = 0; i < n; i++) {
		uint32_t need = q->header_len + pkts[i]->len;
		unsigned n_chains;
		enum room room;

		room = find_room(&f, need, n - i - 1, &n_chains);
		if (unlikely(room == ROOM_SMALL && f.used)) {
			/* so many buffers are in hand that no more can be taken: let go of the
			 * filled ones */
			complete(&f, c);
			room = find_room(&f, need, n - i - 1, &n_chains);
		}
		if (unlikely(room != ROOM_OK)) {
			drop_count(c, drop_of_room[room], 1);
			continue;
		}
		write_packet(&f, pkts[i], n_chains);
		f.n_packets++;
		f.n_bytes += pkts[i]->len;
	}
	if (f.n > f.used)
		ring_untake(&q->vring->ring, f.n - f.used);
	deliver(&f, c);
	if (f.delivered)
		notify(q);
	report_if_broken(q, txq->port);
}
