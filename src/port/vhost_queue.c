// SPDX-License-Identifier: Apache-2.0
/* A vhost-user port's queues: making them, and packets out of what the guest sends. The other
 * direction is in vhost_tx.c.
 */
#include <errno.h>

#include "base/cpu.h"
#include "base/notify.h"
#include "port/offload.h"
#include "port/vhost_dirty.h"
#include "port/vhost_queue.h"
#include "virtio/net_header.h"

static void interrupt(const struct vhost_queue *q)
{
	/* a full pipe wakes the guest as well; nothing else can be done for it */
	if (q->vring->call_fd >= 0)
		notify_fd(q->vring->call_fd);
}

int vhost_queue_init(struct vhost_queue *q, struct port *port, unsigned pair,
		     struct vhost_vring *vring, const struct vhost_device_state *state,
		     bool guest_sends)
{
	if (!guest_sends && !q->buffers) {
		q->buffers = vhost_buffers_create();
		if (!q->buffers)
			return -ENOMEM;
	}
	if (guest_sends)
		q->rxq = (struct rxq){ .port = port, .index = pair, .wake_fd = vring->kick_fd };
	else
		q->txq = (struct txq){ .port = port,
				       .index = pair,
				       .offloads = offload_of_guest(state->features) };
	q->vring = vring;
	q->state = state;
	q->logs = state->log;
	q->header_len = net_header_len(state->features);
	q->header_asks = net_header_asks(state->features);
	q->mergeable = state->features >> VIRTIO_NET_F_MRG_RXBUF & 1;
	q->enabled = vring->enabled;
	if (!guest_sends) {
		q->demote = cpu_has_cache_demote();
		vhost_buffers_reset(q);
		/* buffers are looked for when there is a packet: nobody waits for them */
		ring_disable_kick(&q->vring->ring);
	}
	/* whoever ran the ring before us may have died between completing chains and telling */
	if (vring->ring.config.resume && ring_wants_notify(&vring->ring))
		interrupt(q);
	if (q->logs)
		vhost_dirty_start(vring, state);
	/* a ring that is still broken, and was told of, is old news */
	if (!ring_broken(&vring->ring))
		q->reported = q->told = false;
	return 0;
}

void vhost_queue_free(struct vhost_queue *q)
{
	vhost_buffers_destroy(q->buffers);
	q->buffers = NULL;
}

static struct vhost_queue *of_rxq(struct rxq *rxq)
{
	return container_of(rxq, struct vhost_queue, rxq);
}

void vhost_queue_report_if_broken(struct vhost_queue *q, struct port *port)
{
	if (likely(!ring_broken(&q->vring->ring)) || q->reported)
		return;
	q->reported = true;
	port->env->attention(port);
}

void vhost_queue_notify(struct vhost_queue *q)
{
	if (ring_peek_notify(&q->vring->ring))
		interrupt(q);
}

static void settle(struct vhost_queue *q)
{
	if (ring_settle_notify(&q->vring->ring))
		interrupt(q);
}

void vhost_queue_rx_settle(struct rxq *rxq)
{
	settle(of_rxq(rxq));
}

void vhost_queue_tx_settle(struct txq *txq)
{
	settle(container_of(txq, struct vhost_queue, txq));
}

/* Returns the oldest @n chains of what the guest sends, to which nothing was written. */
static void complete(struct vhost_queue *q, unsigned n)
{
	if (unlikely(q->logs))
		vhost_dirty_complete(q->vring, q->state, NULL, NULL, n);
	else
		ring_complete(&q->vring->ring, NULL, n);
}

/* Does so and tells the guest. */
static void give_back(struct vhost_queue *q, unsigned n)
{
	if (!n)
		return;
	complete(q, n);
	vhost_queue_notify(q);
}

/* The same for chains of which the worker hears nothing. */
static void give_back_unseen(struct vhost_queue *q, unsigned n)
{
	complete(q, n);
	if (ring_wants_notify(&q->vring->ring))
		interrupt(q);
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
	if (!q->header_asks)
		header = (struct virtio_net_hdr_mrg_rxbuf){ 0 };
	if (unlikely(!net_header_valid(&header.hdr, q->state->features, len))) {
		drop_count(c, DROP_net_header, 1);
		return false;
	}
	pkt_init(pkt, chain->iov, (unsigned)n, len);
	net_header_clean(&header.hdr);
	pkt->offload = header.hdr;
	return true;
}

/* The same for the common case: a header of the usual length that asks for nothing, and the whole
 * frame, in one piece of memory. False: it is not so, nothing was done.
 */
static inline bool receive_plain(const struct ring_chain *chain, bool header_asks, struct pkt *pkt)
{
	const uint8_t *at = chain->iov->iov_base;
	uint32_t len = chain->out_len - NET_HEADER_LEN_MAX; /* modulo 2^32 */
	uint16_t asks = 0;

	if (unlikely(chain->n_out != 1 || len - 1 >= FRAME_LEN_MAX))
		return false;
	/* flags and gso_type, read once: if they are 0 nothing else in it means anything */
	if (header_asks)
		memcpy(&asks, at, sizeof(asks));
	if (unlikely(asks))
		return false;
	pkt_init_single(pkt, chain->iov, at + NET_HEADER_LEN_MAX, len);
	return true;
}

/* Asks for the lines that packets' private heads are copied from, which begin @skip bytes behind
 * their buffers. Those of a long head that are further behind follow by themselves.
 */
static inline void fetch_heads(const struct ring_chain *chains, unsigned n, unsigned skip)
{
	for (unsigned i = 0; i < n; i++) {
		const uint8_t *at;

		if (unlikely(!chains[i].n_out))
			continue;
		at = chains[i].iov->iov_base;
		__builtin_prefetch(at + skip);
		__builtin_prefetch(at + CACHE_LINE);
	}
}

/* Throws away what the guest sends on a queue that it has not enabled. */
static void discard(struct vhost_queue *q, const struct ring_chain *chains, unsigned n,
		    struct port_counters *c)
{
	counter_add(&c->rx_packets, n);
	for (unsigned i = 0; i < n; i++)
		if (chains[i].out_len > q->header_len)
			counter_add(&c->rx_bytes, chains[i].out_len - q->header_len);
	drop_count(c, DROP_queue_disabled, n);
	give_back_unseen(q, n);
}

void vhost_queue_rx(struct rxq *rxq, struct batch *batch, struct port_counters *c)
{
	struct vhost_queue *q = of_rxq(rxq);
	struct ring *ring = &q->vring->ring;
	struct ring_chain chains[BATCH_MAX];
	const unsigned header_len = q->header_len;
	const bool header_asks = q->header_asks, usual = header_len == NET_HEADER_LEN_MAX;
	struct pkt *pkt = batch->pkts;
	uint64_t bytes = 0, copied = 0;
	unsigned n, segments = 0;

	n = ring_take(ring, rcu_read(&q->state->mem), chains, batch->most, batch->frags,
		      BATCH_FRAGS_MAX);
	if (!n) {
		vhost_queue_report_if_broken(q, rxq->port);
		return;
	}
	if (unlikely(!q->enabled)) {
		discard(q, chains, n, c);
		return;
	}
	fetch_heads(chains, n, header_asks ? 0 : header_len);
	ring_prepare(ring, n);
	for (unsigned i = 0; i < n; i++) {
		uint32_t len = chains[i].out_len - header_len;

		if (unlikely(!(usual && receive_plain(&chains[i], header_asks, pkt)))) {
			if (segments >= OFFLOAD_TURN) {
				/* the rest is for the next turn: others have theirs before */
				ring_untake(ring, n - i);
				n = i;
				break;
			}
			bytes += chains[i].out_len > header_len ? len : 0;
			if (!receive_chain(q, &chains[i], pkt, c))
				continue;
			segments += offload_segments(&pkt->offload, len);
		} else {
			bytes += len;
		}
		copied += pkt->head_len;
		pkt++;
	}
	counter_add(&c->rx_packets, n);
	batch->n = (unsigned)(pkt - batch->pkts);
	counter_add(&c->rx_bytes, bytes);
	counter_add(&c->copied_bytes, copied);
	if (unlikely(!batch->n))
		give_back_unseen(q, n);
}

void vhost_queue_rx_done(struct rxq *rxq, struct batch *batch)
{
	struct vhost_queue *q = of_rxq(rxq);

	give_back(q, q->vring->ring.n_taken);
}

bool vhost_queue_arm(struct rxq *rxq)
{
	struct vhost_queue *q = of_rxq(rxq);

	bool more;

	if (ring_broken(&q->vring->ring))
		return false;
	more = ring_enable_kick(&q->vring->ring);
	if (unlikely(q->logs))
		vhost_dirty_events(q->vring, q->state);
	return more;
}

void vhost_queue_disarm(struct rxq *rxq)
{
	struct vhost_queue *q = of_rxq(rxq);

	if (ring_broken(&q->vring->ring))
		return;
	ring_disable_kick(&q->vring->ring);
	if (unlikely(q->logs))
		vhost_dirty_events(q->vring, q->state);
}
