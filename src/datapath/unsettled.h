/* SPDX-License-Identifier: Apache-2.0 */
/* Queues that a worker has to come back to: their peers were looked at, whether they wait to be
 * told of what was done, without a barrier in between (see port_ops.rx_settle, virtio/ring.h). A
 * barrier for each batch would wait until cache lines of the guest have arrived; one for many
 * batches, or when there is nothing else to do, costs nothing. One list for each worker.
 *
 * A queue must be settled before the worker announces that it follows a newer view (which may give
 * the queue to somebody else), and before it sleeps. A transmit queue that several workers use is
 * in the lists of all of them.
 */
#pragma once

#include "port/port.h"
#include "virtio/shared.h"

#define UNSETTLED_MAX 32   /* of each direction; with more, the barrier comes earlier */
#define UNSETTLED_TURNS 16 /* of a busy worker, between barriers, at most; and as many packets: */
#define UNSETTLED_PACKETS 1024

/* A worker's list. A queue is in it once, as its own flag says. */
struct unsettled {
	unsigned worker;
	unsigned n_rx, n_tx, turns, packets;
	struct rxq *rx[UNSETTLED_MAX];
	struct {
		struct txq *q;
		bool shared; /* may be used by others meanwhile */
	} tx[UNSETTLED_MAX];
};

/* Comes back to a transmit queue. */
static inline void unsettled_settle_tx(struct unsettled *u, struct txq *q, bool shared)
{
	if (shared) {
		lock_take(&q->lock);
		/* the answer will be final for what others have sent, too; pairs with those of the
		 * peers */
		shared_fence();
	}
	q->unsettled &= ~(1ull << u->worker);
	q->port->ops->tx_settle(q);
	if (shared)
		lock_release(&q->lock);
}

/* Comes back to all of them. */
static inline void unsettled_settle(struct unsettled *u)
{
	u->turns = u->packets = 0;
	if (!u->n_rx && !u->n_tx)
		return;
	shared_fence(); /* pairs with those of the peers, see virtio/ring.h */
	for (; u->n_rx; u->n_rx--) {
		struct rxq *q = u->rx[u->n_rx - 1];

		q->unsettled = false;
		q->port->ops->rx_settle(q);
	}
	for (; u->n_tx; u->n_tx--)
		unsettled_settle_tx(u, u->tx[u->n_tx - 1].q, u->tx[u->n_tx - 1].shared);
}

/* Behind rx_done(), not before: adding others may settle all that is in the list. */
static inline void unsettled_add_rx(struct unsettled *u, struct rxq *q)
{
	if (q->unsettled || !q->port->ops->rx_settle)
		return;
	if (unlikely(u->n_rx == UNSETTLED_MAX))
		unsettled_settle(u);
	q->unsettled = true;
	u->rx[u->n_rx++] = q;
}

/* Before tx(), without any lock: settling takes locks. */
static inline void unsettled_make_room(struct unsettled *u)
{
	if (unlikely(u->n_tx == UNSETTLED_MAX))
		unsettled_settle(u);
}

/* Behind tx(), with the lock of a queue that is @shared. */
static inline void unsettled_add_tx(struct unsettled *u, struct txq *q, bool shared)
{
	if (q->unsettled >> u->worker & 1 || !q->port->ops->tx_settle)
		return;
	q->unsettled |= 1ull << u->worker;
	u->tx[u->n_tx].q = q;
	u->tx[u->n_tx++].shared = shared;
}

/* At the end of a turn, in which the worker had @n packets. */
static inline void unsettled_turn(struct unsettled *u, unsigned n)
{
	u->packets += n;
	if (!n || ++u->turns == UNSETTLED_TURNS || u->packets >= UNSETTLED_PACKETS)
		unsettled_settle(u);
}
