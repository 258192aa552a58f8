/* SPDX-License-Identifier: Apache-2.0 */
/* What a worker does with packets: decide for the whole batch, group by output, send each group
 * once. Worker threads; a forwarder belongs to one worker.
 *
 * A worker sends everything itself. A transmit queue that others use, too, it locks, once for all
 * packets of a batch that go there (flow/view.h says which those are).
 *
 * Theory of operation (queues that change). While a port is held, because its kind changes its
 * queues, each worker puts copies of what it has for the port into its inbox, a bounded queue of
 * records, where they wait. While packets of a port wait there, those that come behind line up. So
 * nothing is lost or overtaken. How many wait stands among the port's counters, so that it is known
 * when the port goes away, or the process dies, before they are sent.
 *
 * Which queue. A packet goes to a transmit queue of the same home as the receive queue that it came
 * from (flow/view.h): among several, the one of the queue pair on which the port's guest last sent
 * packets of the flow (flow/steer.h), or the one that the flow's hash says. As long as no queue has
 * moved, that is a queue that only the worker uses that has the packet, unless there is none. So a
 * flow changes queues only when its receiver does, and what is on its way then may be overtaken, as
 * with any other device that steers for its driver.
 *
 * When queues move from one worker to another, views list no receive queues until all
 * inboxes are empty: then nothing waits that could be overtaken by what another worker sends.
 */
#pragma once

#include "datapath/inbox.h"
#include "datapath/unsettled.h"
#include "datapath/upcall.h"
#include "flow/plans.h"
#include "flow/view.h"
#include "packet/pkt.h"

struct forwarder;

/* What is for the control thread goes to @up, transmit queues that were used to @unsettled, which
 * all of which must outlive the forwarder. NULL when memory is short. */
struct forwarder *forwarder_create(unsigned worker, struct inboxes *inboxes, struct upcalls *up,
				   struct unsettled *unsettled);
void forwarder_destroy(struct forwarder *fw);

/* Handles a batch received from @rxq. All that is sent has been copied when this returns. @now:
 * clock_ns(). @c: the counters of the port that it was received by; if that is gone from @view, the
 * batch is dropped, and counted there. */
void forward_batch(struct forwarder *fw, const struct view *view, const struct view_rxq *rxq,
		   struct batch *batch, uint64_t now, struct port_counters *c);

/* Handles what has waited and what the control thread has injected. Returns how many packets.
 * Comes before forward_batch() in every turn. */
unsigned forward_inboxes(struct forwarder *fw, const struct view *view, uint64_t now);

/* Whether it has nothing to handle there. */
bool forward_inboxes_empty(const struct forwarder *fw);

/* Credits rules, tables and groups with what has been counted for them; whether nothing is left. */
void forward_settle(struct forwarder *fw);
bool forward_settled(const struct forwarder *fw);

/* Of the cache of plans. Any thread; each number is right, all together are of about one time. */
void forward_stats(const struct forwarder *fw, struct plans_stats *out);
