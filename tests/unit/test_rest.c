// SPDX-License-Identifier: Apache-2.0
/* How a worker rests: the traffic, the processor and its timers are played by a clock that is moved
 * by hand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "datapath/rest.h"

#define TURN_NS 80     /* of a turn without packets */
#define PACKET_NS 60   /* of each packet */
#define TIMER_NS 40000 /* how late timers and kicks wake a thread */
#define BATCH 32       /* packets in a turn, at most */
#define NO_PACKETS UINT64_MAX

/* What comes: a burst every so often, or the next one when the last was answered. */
struct traffic {
	uint64_t gap_ns;
	unsigned burst;
	bool waits_for_answer;
};

struct world {
	struct rest rest;
	uint64_t now, next; /* next: burst */
	unsigned waiting;   /* packets */
	uint64_t packets, naps, dozes, sleeps, idle_ns, polls_ns;
};

static void arrive(struct world *w, const struct traffic *t)
{
	while (w->next <= w->now && !(t->waits_for_answer && w->waiting)) {
		w->waiting += t->burst;
		w->next = t->waits_for_answer ? NO_PACKETS : w->next + t->gap_ns;
	}
}

static void pass(struct world *w, uint64_t ns)
{
	w->now += ns;
	w->idle_ns += ns;
}

static void one_turn(struct world *w, const struct traffic *t)
{
	unsigned n;

	arrive(w, t);
	n = min(w->waiting, (unsigned)BATCH);
	w->now += TURN_NS + n * PACKET_NS;
	w->waiting -= n;
	w->packets += n;
	if (n && t->waits_for_answer && !w->waiting)
		w->next = w->now + t->gap_ns;
	switch (rest_choose(&w->rest, w->now, n)) {
	case REST_POLL:
		w->polls_ns += n ? 0 : TURN_NS;
		break;
	case REST_NAP:
		assert_int_equal(n, 0);
		w->naps++;
		pass(w, rest_nap_ns(&w->rest) + TIMER_NS);
		rest_napped(&w->rest, TIMER_NS);
		break;
	case REST_DOZE:
		w->dozes++;
		if (!t->waits_for_answer && w->next > w->now + REST_DOZE_NS) {
			pass(w, REST_DOZE_NS + TIMER_NS);
			rest_slept(&w->rest, w->now);
			break;
		}
		/* fallthrough */
	case REST_SLEEP:
		assert_int_equal(n, 0);
		w->sleeps++;
		assert_true(w->next != NO_PACKETS);
		if (w->next > w->now)
			pass(w, w->next - w->now);
		pass(w, TIMER_NS);
		rest_slept(&w->rest, w->now);
		break;
	}
}

static void begin(struct world *w)
{
	*w = (struct world){ .now = NSEC_PER_SEC };
	w->next = w->now;
	rest_init(&w->rest, w->now);
}

/* Plays for so long; counts start anew. */
static void play(struct world *w, const struct traffic *t, uint64_t ns)
{
	uint64_t end = w->now + ns;

	if (w->next == NO_PACKETS || w->next < w->now)
		w->next = w->now + t->gap_ns;
	w->packets = w->naps = w->dozes = w->sleeps = w->idle_ns = w->polls_ns = 0;
	while (w->now < end)
		one_turn(w, t);
}

#define SECOND NSEC_PER_SEC

static void test_little_traffic_is_slept_through(void **state)
{
	const struct traffic t = { .gap_ns = 5000000, .burst = 2 };
	struct world w;

	begin(&w);
	play(&w, &t, SECOND);
	assert_int_equal(w.naps + w.dozes, 0);
	assert_in_range(w.sleeps, 190, 201);
	assert_true(w.polls_ns < SECOND / 100);
}

static void test_some_traffic_keeps_the_core_awake(void **state)
{
	const struct traffic some = { .gap_ns = 1000000, .burst = 2 };
	const struct traffic none = { .gap_ns = 60 * SECOND, .burst = 1 };
	struct world w;

	begin(&w);
	play(&w, &some, SECOND);
	assert_int_equal(w.naps, 0);
	assert_in_range(w.dozes, 5000, 11000);
	assert_true(w.polls_ns < SECOND / 25);
	/* but not when it has ended */
	play(&w, &none, 60 * SECOND);
	assert_true(w.dozes < 25);
	assert_true(w.sleeps <= 2);
}

static void test_steady_traffic_gets_naps(void **state)
{
	static const uint64_t gaps[] = { 25000, 10000, 3000, 1000 };

	for (unsigned i = 0; i < ARRAY_SIZE(gaps); i++) {
		const struct traffic t = { .gap_ns = gaps[i], .burst = 2 };
		struct world w;

		begin(&w);
		play(&w, &t, SECOND / 10);
		play(&w, &t, SECOND);
		assert_true(w.packets > 2 * SECOND / gaps[i] * 99 / 100);
		assert_true(w.naps > 5000);
		assert_true(w.idle_ns > SECOND * 4 / 10);
	}
}

static void test_kicks_are_cheaper_than_naps_for_few(void **state)
{
	const struct traffic t = { .gap_ns = 60000, .burst = 2 };
	struct world w;

	begin(&w);
	play(&w, &t, SECOND);
	assert_int_equal(w.naps, 0);
	assert_true(w.sleeps > SECOND / 100000);
	assert_true(w.polls_ns < SECOND / 10);
}

static void test_much_traffic_is_polled(void **state)
{
	const struct traffic t = { .gap_ns = 500, .burst = 2 };
	struct world w;

	begin(&w);
	play(&w, &t, SECOND);
	assert_int_equal(w.naps, 0);
	assert_int_equal(w.sleeps, 0);
}

static void test_answers_are_not_kept_waiting(void **state)
{
	/* each packet waits for the answer to the last: 10 us, and again 10 us */
	const struct traffic t = { .gap_ns = 10000, .burst = 1, .waits_for_answer = true };
	struct world w;

	begin(&w);
	play(&w, &t, SECOND / 2);
	play(&w, &t, 4 * SECOND);
	/* tried again and again, and given up after a period, ever more seldom */
	assert_true(w.naps > 0);
	assert_true(w.packets > 4 * SECOND / 10000 * 95 / 100);
}

static void test_the_end_of_the_traffic_ends_the_naps(void **state)
{
	const struct traffic much = { .gap_ns = 10000, .burst = 2 };
	const struct traffic little = { .gap_ns = SECOND / 10, .burst = 1 };
	struct world w;

	begin(&w);
	play(&w, &much, SECOND / 10);
	assert_true(w.rest.naps);
	play(&w, &little, SECOND);
	assert_true(w.naps <= 2);
	assert_in_range(w.sleeps, 8, 11);
}

static void test_polling_grows_with_what_waited(void **state)
{
	struct rest r;
	uint64_t now = SECOND;

	rest_init(&r, now);
	r.naps = true;
	rest_napped(&r, 60000);
	assert_int_equal(rest_choose(&r, now, 32), REST_POLL);
	assert_int_equal(rest_choose(&r, now, 32), REST_POLL);
	assert_int_equal(rest_choose(&r, now, 6), REST_POLL);
	/* what comes from now on did not wait */
	assert_int_equal(rest_choose(&r, now, 0), REST_POLL);
	assert_int_equal(rest_choose(&r, now + 10000, 5), REST_POLL);
	assert_int_equal(rest_choose(&r, now + 19599, 0), REST_POLL);
	assert_int_equal(rest_choose(&r, now + 19600, 0), REST_NAP);
	/* however much came, it does not poll for ever */
	rest_napped(&r, 60000);
	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(rest_choose(&r, now, BATCH), REST_POLL);
	assert_int_equal(rest_choose(&r, now, 0), REST_POLL);
	assert_int_equal(rest_choose(&r, now + 82943, 0), REST_POLL);
	assert_int_equal(rest_choose(&r, now + 82944, 0), REST_NAP);
	/* nothing waited: naps are over */
	rest_napped(&r, 60000);
	assert_int_equal(rest_choose(&r, now + 82944, 0), REST_POLL);
	assert_false(r.naps);
	assert_int_equal(rest_choose(&r, now + 200000, 0), REST_SLEEP);
}

/* A machine that stood still for a second says nothing of what naps take. */
static void test_a_long_nap_is_forgotten(void **state)
{
	static const uint64_t gaps[] = { 20000, 10000, 3000, 1000 };

	for (unsigned i = 0; i < ARRAY_SIZE(gaps); i++) {
		const struct traffic t = { .gap_ns = gaps[i], .burst = 2 };
		struct world w;

		begin(&w);
		play(&w, &t, SECOND / 10);
		assert_true(w.rest.naps);
		w.now += SECOND;
		w.next = w.now; /* what came meanwhile did not fit into the ring */
		rest_napped(&w.rest, SECOND);
		play(&w, &t, 2 * SECOND);
		play(&w, &t, SECOND);
		assert_true(w.naps > 5000);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_little_traffic_is_slept_through),
		cmocka_unit_test(test_some_traffic_keeps_the_core_awake),
		cmocka_unit_test(test_steady_traffic_gets_naps),
		cmocka_unit_test(test_kicks_are_cheaper_than_naps_for_few),
		cmocka_unit_test(test_much_traffic_is_polled),
		cmocka_unit_test(test_answers_are_not_kept_waiting),
		cmocka_unit_test(test_the_end_of_the_traffic_ends_the_naps),
		cmocka_unit_test(test_polling_grows_with_what_waited),
		cmocka_unit_test(test_a_long_nap_is_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
