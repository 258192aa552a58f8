/* SPDX-License-Identifier: Apache-2.0 */
/* What a worker does with packets: decide for the whole batch, group by output, send each group
 * once. Worker threads; a forwarder belongs to one worker.
 *
 * A transmit queue belongs to one worker. A packet for a queue of another worker is copied into
 * that worker's inbox, a bounded queue of records, one for each pair of workers. Packets for a port
 * whose queues are changing hands (view_port.held) go to the worker's own inbox and wait there; so
 * nothing is lost or overtaken when a queue moves.
 */
#pragma once

#include "base/spsc.h"
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
static inline struct spsc *inboxes_queue(struct inboxes *in, unsigned to, unsigned from)
{
	return &in->queues[to * (in->n_workers + 1) + from];
}

/* Puts a frame into @queue, to be handled by a worker as if it had been received on port @port. The
 * queue's producer. 0 or -ENOBUFS.
 */
int inbox_inject(struct spsc *queue, uint32_t port, const void *frame, uint32_t len);

/* NULL when memory is short. */
struct forwarder *forwarder_create(unsigned worker, struct inboxes *inboxes);
void forwarder_destroy(struct forwarder *fw);

/* Handles a batch received on port @in of @view. All that is sent has been copied when this
 * returns. @now: clock_ns(). */
void forward_batch(struct forwarder *fw, const struct view *view, uint32_t in, struct batch *batch,
		   uint64_t now);

/* Handles what has come in from other workers and the control thread. Returns how many packets.
 * Comes before forward_batch() in every turn; @view stays valid for the turn.
 */
unsigned forward_inboxes(struct forwarder *fw, const struct view *view, uint64_t now);

/* Whether every inbox is empty. */
bool forward_inboxes_empty(const struct forwarder *fw);

/* The workers that were handed packets since the last call, as bits: they may be asleep. */
uint64_t forward_take_handed(struct forwarder *fw);
