/* SPDX-License-Identifier: Apache-2.0 */
/* How a worker shares its time among its receive queues: each gets as much of it as any other that
 * wants it, whatever its packets cost.
 *
 * Theory of operation. The worker goes round all queues in turns. In a turn a queue may take as
 * much time as a full batch of the cheapest packets of the last turns. What it takes beyond this
 * share it owes, and as long as it owes a share or more it is passed over, which pays for one
 * (deficit round robin; Shreedhar, Varghese, 1995; of time instead of bytes). A batch cannot be
 * ended while it is handled, so one that took several shares makes the next one half as long, and
 * one that took less than a share twice: others do not wait much longer for an expensive queue than
 * for a cheap one.
 *
 * Nobody is passed over for the sake of nobody: when all others have nothing, those that owe are
 * served at once, and owe nothing. A queue that wants less than its share owes nothing and is
 * served in each turn. Debts are bounded: that the thread lost its core in the middle of a batch is
 * not the queue's fault.
 *
 * The clock is read once behind each batch. What that took began where the batch before it ended,
 * or, when somebody without packets was looked at since, with another reading: what looking costs
 * (with taps, a system call) is at nobody's expense.
 */
#pragma once

#include "packet/pkt.h"
#include "port/port.h"

/* Less than this is no share, however cheap somebody's packets are: of clock_ticks(), of which
 * there are one to five in a nanosecond; and so much more for each queue, since all are looked at
 * in a turn. */
#define FAIR_SHARE_MIN 1000u
#define FAIR_SHARE_LOOK 100u
#define FAIR_DEBT_SHARES 8 /* what a queue owes, at most */
#define FAIR_CUT_MAX 5	   /* a batch is one packet at least */

/* Of a worker. */
struct fair {
	uint32_t share; /* of a queue in this turn, ticks */
	bool looked;	/* somebody who had nothing was looked at since the clock was read, ... */
	bool passed;	/* somebody was passed over in this turn */
	uint64_t at;	/* ... at this time */
	uint32_t ticks; /* the cheapest batch of this turn: what it took, ... */
	uint32_t n;	/* ... and its packets; 0: there was none */
};

/* Nothing is known of anybody. */
void fair_init(struct fair *f);

/* A turn begins: the clock was read at @now, and since then something @else_done. */
static inline void fair_begin(struct fair *f, uint64_t now, bool else_done)
{
	f->at = now;
	f->looked = else_done;
	f->passed = false;
	f->n = 0;
}

/* Whether @q is passed over in this turn, which pays for a share of what it owes. */
static inline bool fair_passes(struct fair *f, struct rxq *q)
{
	if (likely(q->debt < f->share))
		return false;
	q->debt -= f->share;
	f->passed = true;
	return true;
}

/* At the end of a turn in which nobody had packets: whether @q may have some, since it was passed
 * over. Then it is to be looked at now. */
static inline bool fair_forgives(struct rxq *q)
{
	if (!q->busy)
		return false;
	q->debt = 0;
	return true;
}

/* How many packets a batch of @q has now, at most. */
static inline unsigned fair_most(const struct rxq *q)
{
	return BATCH_MAX >> q->cut;
}

/* Whether f->at is to be read anew before @q is looked at. */
static inline bool fair_reads_before(const struct fair *f, const struct rxq *q)
{
	return f->looked && q->busy;
}

/* @q was looked at and had nothing. */
static inline void fair_nothing(struct fair *f, struct rxq *q)
{
	f->looked = true;
	q->busy = false;
}

/* @q had a batch of @n packets (1..fair_most()), which was done at @now. */
void fair_charge(struct fair *f, struct rxq *q, unsigned n, uint64_t now);

/* Behind a turn: whether the clock was read at its end. */
static inline bool fair_is_now(const struct fair *f)
{
	return f->n && !f->looked;
}

/* The turn over @n_queues ends. */
void fair_end(struct fair *f, unsigned n_queues);
