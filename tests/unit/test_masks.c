// SPDX-License-Identifier: Apache-2.0
/* Masks of plans: what makes two the same, their order, and which ones go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "flow/masks.h"

static int setup(void **state)
{
	struct masks *m = malloc(sizeof(*m));

	if (!m)
		return -1;
	masks_init(m);
	*state = m;
	return 0;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

static struct flow_key examined_port(uint16_t bits)
{
	return (struct flow_key){ .in_port = UINT32_MAX, .tp_dst = bits };
}

static int take(struct masks *m, uint16_t bits)
{
	struct flow_key examined = examined_port(bits);
	struct mask mask;
	int place;

	masks_describe(m, &examined, &mask);
	place = masks_take(m, &mask);
	if (place >= 0)
		m->masks[place].n_plans[0] = 1;
	return place;
}

static void test_same_bits_are_one_mask(void **state)
{
	struct masks *m = *state;
	struct flow_key examined = examined_port(0xff);
	struct mask mask;
	int place = take(m, 0xff);

	assert_true(place >= 0);
	assert_int_equal(take(m, 0xff), place);
	assert_int_equal(m->n, 1);
	assert_int_not_equal(take(m, 0xfe), place);
	assert_int_equal(m->n, 2);
	/* words that no received packet has do not matter */
	examined.metadata = 1;
	masks_describe(m, &examined, &mask);
	assert_int_equal(masks_take(m, &mask), place);
	assert_int_equal(mask.n_words, 2);
	assert_int_equal(mask.map, 1 << 0 | 1 << 3);
}

static void test_hash_of_bits(void **state)
{
	struct masks *m = *state;
	struct flow_key key = { .in_port = 7, .tp_dst = 0x1234, .nw_src = 5 };

	for (unsigned n = 0; n < FLOW_KEY_PACKET_WORDS; n++) {
		struct flow_key examined = { 0 };
		struct mask mask;
		uint64_t hash;

		for (unsigned i = 0; i <= n; i++)
			examined.words[i] = 0x0f0f0f0f0f0f0f0full;
		masks_describe(m, &examined, &mask);
		hash = masks_hash(m, &mask, &key);
		for (unsigned bit = 0; bit < 64 * FLOW_KEY_PACKET_WORDS; bit++) {
			struct flow_key other = key;
			bool counts = examined.words[bit / 64] >> bit % 64 & 1;

			other.words[bit / 64] ^= 1ull << bit % 64;
			assert_int_equal(masks_hash(m, &mask, &other) != hash, counts);
		}
	}
}

static void test_no_bits(void **state)
{
	struct masks *m = *state;
	struct flow_key nothing = { 0 }, key = { .in_port = 7 };
	struct mask mask;

	masks_describe(m, &nothing, &mask);
	assert_int_equal(mask.n_words, 0);
	assert_int_equal(masks_hash(m, &mask, &nothing), masks_hash(m, &mask, &key));
	assert_true(masks_take(m, &mask) >= 0);
}

static void test_order(void **state)
{
	struct masks *m = *state;
	int a = take(m, 1), b = take(m, 2), c = take(m, 3);

	m->masks[a].hits = 10;
	m->masks[b].hits = 100;
	m->masks[c].hits = 50;
	masks_rank(m);
	assert_int_equal(m->order[0], b);
	assert_int_equal(m->order[1], c);
	assert_int_equal(m->order[2], a);
	m->masks[a].hits = 60; /* the past counts half */
	masks_rank(m);
	assert_int_equal(m->order[0], a);
	assert_int_equal(m->order[1], b);
}

static void test_room(void **state)
{
	struct masks *m = *state;
	int live = take(m, 1);

	for (uint16_t i = 2; i <= MASKS_MAX; i++)
		assert_true(take(m, i) >= 0);
	assert_int_equal(take(m, 1000), -1);
	masks_rank(m);
	/* all of them may have been in use a moment ago */
	assert_int_equal(take(m, 1000), -1);
	m->masks[live].idle = 0;
	masks_rank(m);
	for (uint16_t i = 1000; i < 1000 + MASKS_MAX - 1; i++)
		assert_true(take(m, i) >= 0);
	assert_int_equal(take(m, 1), live);
	assert_int_equal(take(m, 2000), -1);
	assert_int_equal(m->n, MASKS_MAX);
	/* none of them is of any use for a long time */
	for (int i = 0; i < 100; i++)
		masks_rank(m);
	assert_int_equal(m->n, 0);
	assert_true(take(m, 1) >= 0);
}

static void test_empty_half(void **state)
{
	struct masks *m = *state;
	int a = take(m, 1), b = take(m, 2);

	take(m, 3);
	m->masks[b].n_plans[1] = 1;
	masks_empty_half(m, 1);
	assert_int_equal(m->n, 3);
	m->masks[a].n_plans[1] = 1;
	masks_empty_half(m, 0);
	assert_int_equal(m->n, 1);
	assert_int_equal(m->order[0], a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_same_bits_are_one_mask, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hash_of_bits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_bits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_room, setup, teardown),
		cmocka_unit_test_setup_teardown(test_empty_half, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
