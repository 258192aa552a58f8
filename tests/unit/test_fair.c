// SPDX-License-Identifier: Apache-2.0
/* How queues share a worker's time: guests, and a clock that is moved by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "datapath/fair.h"

#define CHEAP 100 /* ticks of a packet that was seen before */
#define DEAR 2000 /* of one that is decided anew */
#define LOOK 60	  /* of looking at a queue that has nothing */
#define TURNS 4000
#define SETTLED 500
#define CHEAP_BATCH (BATCH_MAX * CHEAP)
#define GUESTS 4
#define ALWAYS UINT32_MAX
#define GREEDY(price_)                             \
	{                                          \
		.price = (price_), .burst = ALWAYS \
	}

/* Sends @burst packets every @gap turns, ALWAYS: as many as are taken. */
struct guest {
	uint32_t price;
	unsigned burst, gap;
	struct rxq q;
	unsigned waiting;
	uint64_t packets, ticks, batches;
	uint64_t longest;	      /* of a batch */
	unsigned waited, waited_most; /* turns with something to do */
};

struct world {
	struct fair fair;
	uint64_t now;
	unsigned turns, idle; /* idle: in which nobody was served, though somebody had packets */
	struct guest guests[GUESTS];
};

/* As a worker does. */
static unsigned serve(struct world *w, struct guest *g)
{
	unsigned n = min(g->waiting, fair_most(&g->q));
	uint64_t ticks = (uint64_t)n * g->price;

	if (fair_reads_before(&w->fair, &g->q))
		w->fair.at = w->now;
	if (!n) {
		w->now += LOOK;
		fair_nothing(&w->fair, &g->q);
		return 0;
	}
	w->now += ticks;
	fair_charge(&w->fair, &g->q, n, w->now);
	if (g->burst != ALWAYS)
		g->waiting -= n;
	g->packets += n;
	g->ticks += ticks;
	g->batches++;
	g->longest = max(g->longest, ticks);
	g->waited = 0;
	return n;
}

static void turn(struct world *w)
{
	unsigned n = 0, waiting = 0;

	fair_begin(&w->fair, w->now, false);
	for (unsigned i = 0; i < GUESTS; i++) {
		struct guest *g = &w->guests[i];

		if (g->burst == ALWAYS)
			g->waiting = ALWAYS;
		else if (g->gap && w->turns % g->gap == 0)
			g->waiting += g->burst;
		waiting += g->waiting > 0;
		g->waited_most = max(g->waited_most, g->waited);
		g->waited += g->waiting > 0;
		if (!fair_passes(&w->fair, &g->q))
			n += serve(w, g);
	}
	for (unsigned i = 0; !n && w->fair.passed && i < GUESTS; i++)
		if (fair_forgives(&w->guests[i].q))
			n += serve(w, &w->guests[i]);
	fair_end(&w->fair, GUESTS);
	w->idle += waiting && !n;
	w->turns++;
}

static void turns(struct world *w, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		turn(w);
	assert_int_equal(w->idle, 0);
}

/* All know what the others cost; counting begins. */
static void begin(struct world *w)
{
	fair_init(&w->fair);
	w->now = 1000000;
	turns(w, SETTLED);
	for (unsigned i = 0; i < GUESTS; i++) {
		struct guest *g = &w->guests[i];

		g->packets = g->ticks = g->batches = g->longest = 0;
		g->waited_most = 0;
		g->q.busy_ticks = 0;
	}
	w->turns = 0;
}

/* Whether @is is @should, but for so many in a hundred. */
static bool near(uint64_t is, uint64_t should, unsigned percent)
{
	return 100 * is >= (100 - percent) * should && 100 * is <= (100 + percent) * should;
}

/* Those whose packets cost the same are served in turn, in full batches. */
static void test_equals_take_turns(void **state)
{
	struct world w = { .guests = { GREEDY(CHEAP), GREEDY(CHEAP), GREEDY(CHEAP) } };

	begin(&w);
	turns(&w, TURNS);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(w.guests[i].packets, TURNS * BATCH_MAX);
		assert_int_equal(w.guests[i].q.cut, 0);
		assert_int_equal(w.guests[i].q.debt, 0);
	}
}

/* Two whose packets cost twenty times as much get the same time as two others, who get as much as
 * beside two like them. */
static void test_dear_packets_take_no_more_time(void **state)
{
	struct world cheap = { .guests = { GREEDY(CHEAP), GREEDY(CHEAP), GREEDY(CHEAP),
					   GREEDY(CHEAP) } };
	struct world dear = { .guests = { GREEDY(CHEAP), GREEDY(CHEAP), GREEDY(DEAR),
					  GREEDY(DEAR) } };
	uint64_t end;

	begin(&cheap);
	begin(&dear);
	end = dear.now - cheap.now;
	turns(&cheap, TURNS);
	end += cheap.now;
	while (dear.now < end)
		turns(&dear, 1);
	for (unsigned i = 0; i < 2; i++) {
		assert_true(near(dear.guests[i].packets, cheap.guests[i].packets, 5));
		assert_true(near(dear.guests[2 + i].ticks, cheap.guests[i].ticks, 5));
		assert_int_equal(dear.guests[i].q.cut, 0);
		assert_true(dear.guests[2 + i].longest <= 3 * CHEAP_BATCH);
	}
}

/* The same where a single packet costs more than a share: it is waited for, not starved. */
static void test_huge_packets(void **state)
{
	struct world w = { .guests = { GREEDY(CHEAP), GREEDY(10 * CHEAP_BATCH) } };

	begin(&w);
	turns(&w, TURNS);
	assert_true(near(w.guests[1].ticks, w.guests[0].ticks, 25)); /* debts are bounded */
	assert_int_equal(fair_most(&w.guests[1].q), 1);
	assert_in_range(w.guests[1].waited_most, FAIR_DEBT_SHARES - 1, FAIR_DEBT_SHARES);
}

/* A loop of few packets, never a full batch, keeps the others short as well. */
static void test_small_batches_have_their_share(void **state)
{
	struct world w = { .guests = { { .price = CHEAP, .burst = 8, .gap = 1 }, GREEDY(DEAR) } };

	begin(&w);
	turns(&w, TURNS);
	assert_int_equal(w.guests[0].packets, 8 * TURNS);
	assert_int_equal(w.guests[0].waited_most, 0);
	assert_true(w.guests[1].ticks <= (uint64_t)TURNS * CHEAP_BATCH * 11 / 10);
}

/* Who sends little is served in each turn, whoever else there is. */
static void test_quiet_queue_never_waits(void **state)
{
	struct world w = { .guests = { { .price = 3 * DEAR, .burst = 1, .gap = 3 },
				       GREEDY(CHEAP),
				       GREEDY(DEAR) } };

	begin(&w);
	turns(&w, TURNS);
	assert_true(near(w.guests[0].packets, TURNS / 3, 1));
	assert_int_equal(w.guests[0].waited_most, 0);
}

/* Nobody to be fair to: no time is lost, and batches are full again. */
static void test_alone(void **state)
{
	struct world w = { .guests = { GREEDY(CHEAP), GREEDY(DEAR) } };
	uint64_t before;

	begin(&w);
	assert_true(w.guests[1].q.cut > 0);
	w.guests[0] = (struct guest){ .price = CHEAP };
	turns(&w, SETTLED); /* the share grows again */
	assert_int_equal(w.fair.share, BATCH_MAX * DEAR);
	w.guests[1].packets = 0;
	before = w.now;
	turns(&w, TURNS);
	assert_int_equal(w.guests[1].packets, TURNS * BATCH_MAX);
	/* beside that only empty queues were looked at, once a turn */
	assert_int_equal(w.now - before,
			 (uint64_t)TURNS * (BATCH_MAX * DEAR + (GUESTS - 1) * LOOK));
}

/* The thread lost its core in the middle of a batch. */
static void test_lost_time_is_soon_forgotten(void **state)
{
	struct world w = { .guests = { GREEDY(CHEAP), GREEDY(CHEAP) } };

	begin(&w);
	w.guests[1].price = 1000000000;
	turns(&w, 1);
	w.guests[1].price = CHEAP;
	turns(&w, 3 * FAIR_DEBT_SHARES);
	assert_in_range(w.guests[1].waited_most, FAIR_DEBT_SHARES - 1, FAIR_DEBT_SHARES);
	assert_true(w.fair.share <= CHEAP_BATCH);
	assert_int_equal(w.guests[1].q.cut, 0);
	assert_int_equal(w.guests[1].q.debt, 0);
	/* and a clock that goes back costs no more */
	fair_begin(&w.fair, w.now, false);
	fair_charge(&w.fair, &w.guests[1].q, 1, w.now - 1);
	assert_true(w.guests[1].q.debt <= FAIR_DEBT_SHARES * w.fair.share);
}

/* What looking at others costs is not charged to those who have packets. */
static void test_looking_is_free(void **state)
{
	struct world w = { .guests = { { .price = 1 }, { .price = 1 }, GREEDY(CHEAP) } };

	begin(&w);
	turns(&w, TURNS);
	assert_int_equal(w.guests[2].q.busy_ticks, w.guests[2].ticks);
	assert_false(w.guests[0].q.busy);
	assert_int_equal(w.guests[0].q.busy_ticks, 0);
}

/* Whose packets cost next to nothing, like those that are thrown away, makes nobody's share
 * small. */
static void test_least_share(void **state)
{
	struct world w = { .guests = { GREEDY(1), GREEDY(CHEAP) } };

	begin(&w);
	turns(&w, TURNS);
	assert_int_equal(w.fair.share, FAIR_SHARE_MIN + GUESTS * FAIR_SHARE_LOOK);
	assert_true(w.guests[1].ticks >= (uint64_t)TURNS * w.fair.share * 9 / 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_equals_take_turns),
		cmocka_unit_test(test_dear_packets_take_no_more_time),
		cmocka_unit_test(test_huge_packets),
		cmocka_unit_test(test_small_batches_have_their_share),
		cmocka_unit_test(test_quiet_queue_never_waits),
		cmocka_unit_test(test_alone),
		cmocka_unit_test(test_lost_time_is_soon_forgotten),
		cmocka_unit_test(test_looking_is_free),
		cmocka_unit_test(test_least_share),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
