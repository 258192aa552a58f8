/* SPDX-License-Identifier: Apache-2.0 */
/* What a worker does with packets: decide for the whole batch, group by output, send each group
 * once. Worker threads; a forwarder belongs to one worker.
 *
 * A transmit queue belongs to one worker. A packet for a queue of another worker is copied into
 * that worker's inbox, a bounded queue of records, one for each pair of workers.
 *
 * Theory of operation (queues that change). While a port is held, because its kind changes its
 * queues, each worker puts what it has for the port into its own inbox, where it waits; what other
 * workers have handed over before waits in their inboxes. While packets of a port wait in a
 * worker's own inbox, those that come behind line up there. So nothing is lost or overtaken.
 *
 * Which queue. A packet goes to a transmit queue of the same home as the receive queue that it came
 * from (flow/view.h): among several, the one of the queue pair on which the port's guest last sent
 * packets of the flow (flow/steer.h), or the one that the flow's hash says. As long as no queue has
 * moved, that is a queue of the worker that has the packet, unless it has none. So a flow changes
 * queues only when its receiver does, and what is on its way then may be overtaken, as with any
 * other device that steers for its driver.
 *
 * When queues move from one worker to another, views list no receive queues until all
 * inboxes are empty: then nothing is on its way that could be overtaken on the new ways.
 */
#pragma once

#include "base/spsc.h"
#include "datapath/unsettled.h"
#include "flow/view.h"
#include "packet/pkt.h"

struct forwarder;

/* The inboxes of all workers: from each worker, and from the control thread. */
struct inboxes {
	unsigned n_workers;
	struct spsc *
		queues; /* [to * (n_workers + 1) + from]; from == n_workers is the control thread */
};

/* Returns 0 or -ENOMEM. */
int inboxes_init(struct inboxes *in, unsigned n_workers);
void inboxes_destroy(struct inboxes *in);

/* The queue from @from to @to. */
static inline struct spsc *inboxes_queue(const struct inboxes *in, unsigned to, unsigned from)
{
	return &in->queues[to * (in->n_workers + 1) + from];
}

/* Whether nothing is on its way between workers. Any thread; means something while nobody receives.
 */
bool inboxes_empty(const struct inboxes *in);

/* Puts a frame into @queue, to be handled by a worker as if it had been received on @port. The
 * queue's producer. 0 or -ENOBUFS.
 */
int inbox_inject(struct spsc *queue, const struct view_port *port, const void *frame, uint32_t len);

/* Transmit queues that were used go to @unsettled, which must outlive the forwarder. NULL when
 * memory is short. */
struct forwarder *forwarder_create(unsigned worker, struct inboxes *inboxes,
				   struct unsettled *unsettled);
void forwarder_destroy(struct forwarder *fw);

/* Handles a batch received from @rxq, whose port may be gone from @view. All that is sent has been
 * copied when this returns. @now: clock_ns(). */
void forward_batch(struct forwarder *fw, const struct view *view, const struct view_rxq *rxq,
		   struct batch *batch, uint64_t now);

/* Handles what has come in from other workers and the control thread. Returns how many packets.
 * Comes before forward_batch() in every turn. */
unsigned forward_inboxes(struct forwarder *fw, const struct view *view, uint64_t now);

/* Whether every inbox is empty. */
bool forward_inboxes_empty(const struct forwarder *fw);

/* The workers that were handed packets since the last call, as bits: they may be asleep. */
uint64_t forward_take_handed(struct forwarder *fw);
