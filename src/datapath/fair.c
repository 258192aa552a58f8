// SPDX-License-Identifier: Apache-2.0
/* Sharing a worker's time (see fair.h for how it works). */
#include <assert.h>

#include "datapath/fair.h"

/* By these parts the share changes in a turn, at most. It rises slowly: those whose packets are
 * cheap come and go. */
#define RISE 32
#define FALL 8
#define CUT_AT 3 /* shares that a batch takes: then the next one is shorter */
#define FEW 4u	 /* packets cost no more than one: so a batch of fewer does not look expensive */
#define TICKS_MAX (1u << 26) /* of a batch: whatever is more was not its own */

static_assert(BATCH_MAX >> FAIR_CUT_MAX == 1, "one packet is the least");
static_assert((uint64_t)TICKS_MAX * BATCH_MAX <= UINT32_MAX, "ticks and packets can be multiplied");

void fair_init(struct fair *f)
{
	*f = (struct fair){ .share = TICKS_MAX };
}

void fair_charge(struct fair *f, struct rxq *q, unsigned n, uint64_t now)
{
	uint32_t took = (uint32_t)min(now - f->at, (uint64_t)TICKS_MAX);
	uint32_t counted, debt = q->debt + took;
	bool full = n == fair_most(q);

	f->at = now;
	f->looked = false;
	q->busy = true;
	counter_add(&q->busy_ticks, took);
	counted = max(n, FEW);
	/* took / counted < f->ticks / f->n */
	if (!f->n || took * f->n < f->ticks * counted) {
		f->ticks = took;
		f->n = counted;
	}
	q->debt = debt > f->share ? min(debt - f->share, FAIR_DEBT_SHARES * f->share) : 0;
	if (unlikely(took > CUT_AT * f->share))
		q->cut += n > 1 && q->cut < FAIR_CUT_MAX;
	else if (unlikely(q->cut && full && took < f->share))
		q->cut--;
}

void fair_end(struct fair *f, unsigned n_queues)
{
	uint32_t share;

	if (!f->n)
		return;
	share = f->ticks * BATCH_MAX / f->n;
	share = min(share, f->share + f->share / RISE);
	share = max(share, f->share - f->share / FALL);
	share = min(share, TICKS_MAX);
	f->share = max(share, FAIR_SHARE_MIN + n_queues * FAIR_SHARE_LOOK);
}
