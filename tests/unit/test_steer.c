// SPDX-License-Identifier: Apache-2.0
/* Receive steering: what is remembered for how long, and who may take whose place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "flow/steer.h"

/* Flows that have the same entries to choose from. */
#define FLOW(n) (0x12345678u ^ (uint32_t)(n) << 24)
#define ONE FLOW(0)
#define OTHER FLOW(1)

static int setup(void **state)
{
	*state = steer_create();
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	steer_destroy(*state);
	return 0;
}

static void the_last_queue_counts(void **state)
{
	assert_int_equal(steer_find(*state, ONE, 1), STEER_NONE);
	assert_int_equal(steer_find(*state, 0, 1), STEER_NONE);
	steer_note(*state, ONE, 3, 1);
	assert_int_equal(steer_find(*state, ONE, 1), 3);
	steer_note(*state, ONE, 127, 1);
	assert_int_equal(steer_find(*state, ONE, 1), 127);
	steer_note(*state, ONE, 0, 1);
	assert_int_equal(steer_find(*state, ONE, 1), 0);
	/* another flow of the same entry, and one of another entry */
	assert_int_equal(steer_find(*state, OTHER, 1), STEER_NONE);
	assert_int_equal(steer_find(*state, ONE + 1, 1), STEER_NONE);
}

/* Others take what is left. */
static void fill(struct steer *steer, unsigned pair, uint32_t now)
{
	for (unsigned i = 1; i < STEER_WAYS; i++)
		steer_note(steer, FLOW(i + 1), pair, now);
}

/* Whoever has an entry keeps it as long as there are packets, in whichever direction. */
static void a_flow_keeps_its_place(void **state)
{
	uint32_t now = 250; /* the byte for the time wraps */

	steer_note(*state, ONE, 1, now);
	for (unsigned i = 0; i < 20; i++) {
		now += STEER_IDLE_S;
		fill(*state, 3, now);
		steer_note(*state, OTHER, 2, now);
		assert_int_equal(steer_find(*state, OTHER, now), STEER_NONE);
		if (i % 2)
			steer_note(*state, ONE, 1, now);
		assert_int_equal(steer_find(*state, ONE, now), 1);
	}
}

static void an_idle_flow_gives_way(void **state)
{
	steer_note(*state, ONE, 1, 5);
	fill(*state, 3, 5 + STEER_IDLE_S);
	steer_note(*state, OTHER, 2, 5 + STEER_IDLE_S);
	assert_int_equal(steer_find(*state, OTHER, 5 + STEER_IDLE_S), STEER_NONE);
	steer_note(*state, OTHER, 2, 5 + STEER_IDLE_S + 1);
	assert_int_equal(steer_find(*state, OTHER, 20), 2);
	assert_int_equal(steer_find(*state, ONE, 20), STEER_NONE);
}

/* Nobody needs the place: an entry does not end by itself. */
static void an_idle_flow_is_not_forgotten(void **state)
{
	steer_note(*state, ONE, 1, 5);
	assert_int_equal(steer_find(*state, ONE, 100000), 1);
}

/* Flows whose hashes differ in all bits: few of them find no place, up to half of the table. */
static void most_flows_find_a_place(void **state)
{
	unsigned n = STEER_FLOWS / 2, found = 0;

	for (uint32_t i = 0; i < n; i++)
		steer_note(*state, i * 2654435769u, i % 128, 1);
	for (uint32_t i = 0; i < n; i++) {
		unsigned pair = steer_find(*state, i * 2654435769u, 1);

		assert_true(pair == i % 128 || pair == STEER_NONE);
		found += pair != STEER_NONE;
	}
	assert_in_range(found, n * 9 / 10, n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_last_queue_counts, setup, teardown),
		cmocka_unit_test_setup_teardown(a_flow_keeps_its_place, setup, teardown),
		cmocka_unit_test_setup_teardown(an_idle_flow_gives_way, setup, teardown),
		cmocka_unit_test_setup_teardown(an_idle_flow_is_not_forgotten, setup, teardown),
		cmocka_unit_test_setup_teardown(most_flows_find_a_place, setup, teardown),
	};

	steer_destroy(NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
