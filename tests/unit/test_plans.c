// SPDX-License-Identifier: Apache-2.0
/* The cache of plans: both levels, versions, counts, what stays when memory is short; and random
 * plans beside a plain array.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "flow/plans.h"
#include "scale.h"

#define HALF (256u << 10)
#define VERSION 7

static struct plan_draft draft; /* large */

static int setup(void **state)
{
	*state = plans_create(HALF);
	draft = (struct plan_draft){ .cacheable = true };
	draft.examined.in_port = UINT32_MAX;
	draft.examined.nw_dst = UINT32_MAX;
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	plans_destroy(*state);
	plans_destroy(NULL);
	return 0;
}

static struct flow_key key_of(uint32_t n)
{
	return (struct flow_key){ .in_port = 1, .eth_type = 0x800, .nw_dst = n };
}

/* Hashes spread, so that hints do not collide in the tests that need them. */
static uint32_t hash_of(uint32_t n)
{
	return n * 2654435761u;
}

static struct plan *find(struct plans *c, uint32_t n)
{
	struct flow_key key = key_of(n);

	return plans_find(c, &key, VERSION, hash_of(n));
}

/* Of which packet a plan is: its only step says it. */
static uint32_t number_of(const struct plan *plan)
{
	struct plan_step step;

	assert_int_equal(plan->steps_len, sizeof(step));
	memcpy(&step, plan->steps, sizeof(step));
	return step.arg;
}

static struct plan *add(struct plans *c, uint32_t n)
{
	struct plan_step step = { PLAN_OUTPUT, sizeof(step), n };
	struct flow_key key = key_of(n);

	memcpy(draft.steps, &step, sizeof(step));
	draft.steps_len = sizeof(step);
	return plans_add(c, &key, VERSION, hash_of(n), &draft);
}

static struct plans_stats stats_of(const struct plans *c)
{
	struct plans_stats s;

	plans_stats(c, &s);
	return s;
}

static void test_levels(void **state)
{
	struct plans *c = *state;
	struct flow_key key = key_of(5);
	struct plan *plan;

	assert_null(find(c, 5));
	plan = add(c, 5);
	assert_non_null(plan);
	assert_ptr_equal(find(c, 5), plan);
	assert_int_equal(number_of(plan), 5);
	assert_int_equal(stats_of(c).hint_hits, 1);
	assert_int_equal(stats_of(c).mask_hits, 0);
	/* another flow of the same plan */
	key.tp_dst = 80;
	assert_ptr_equal(plans_find(c, &key, VERSION, 1), plan);
	assert_int_equal(stats_of(c).mask_hits, 1);
	assert_ptr_equal(plans_find(c, &key, VERSION, 1), plan);
	assert_int_equal(stats_of(c).hint_hits, 2);
	/* a hint of this hash, and of another packet */
	key.nw_dst = 6;
	assert_null(plans_find(c, &key, VERSION, 1));
	assert_int_equal(stats_of(c).misses, 2);
	assert_int_equal(stats_of(c).made, 1);
	assert_int_equal(stats_of(c).n_plans, 1);
	assert_int_equal(stats_of(c).n_masks, 1);
}

static void test_every_bit(void **state)
{
	struct plans *c = *state;
	struct flow_key key;

	for (unsigned i = 0; i < FLOW_KEY_PACKET_WORDS; i++) {
		key.words[i] = 0x123456789abcdef0ull * (i + 1);
		draft.examined.words[i] = 0xff00f0f0ccccaa55ull << i % 7;
	}
	memset(&key.metadata, 0, sizeof(key) - 8 * FLOW_KEY_PACKET_WORDS);
	draft.examined.metadata = UINT64_MAX; /* is 0 in all packets */
	assert_non_null(plans_add(c, &key, VERSION, 1, &draft));
	for (unsigned bit = 0; bit < 64 * FLOW_KEY_PACKET_WORDS; bit++) {
		bool counts = draft.examined.words[bit / 64] >> bit % 64 & 1;
		struct flow_key other = key;

		other.words[bit / 64] ^= 1ull << bit % 64;
		/* by the hint, and by the mask */
		assert_int_equal(!plans_find(c, &other, VERSION, 1), counts);
		assert_int_equal(!plans_find(c, &other, VERSION, bit + 100), counts);
	}
}

static void test_nothing_examined(void **state)
{
	struct plans *c = *state;
	struct plan *plan;

	draft.examined = (struct flow_key){ 0 };
	plan = add(c, 1);
	assert_non_null(plan);
	assert_ptr_equal(find(c, 2), plan);
	assert_ptr_equal(find(c, 1), plan);
}

static void test_versions(void **state)
{
	struct plans *c = *state;
	struct flow_key key = key_of(1);
	struct plan *plan = add(c, 1), *other;

	assert_null(plans_find(c, &key, VERSION + 1, hash_of(1)));
	assert_null(plans_find(c, &key, VERSION + 1, 99));
	other = plans_add(c, &key, VERSION + 1, hash_of(1), &draft);
	assert_non_null(other);
	/* two bridges may have the same numbers of ports */
	for (int i = 0; i < 4; i++) {
		assert_ptr_equal(plans_find(c, &key, VERSION, hash_of(1)), plan);
		assert_ptr_equal(plans_find(c, &key, VERSION + 1, hash_of(1)), other);
	}
	assert_int_equal(stats_of(c).hint_hits, 8);
	assert_null(plans_find(c, &key, 0, hash_of(1)));
}

static void test_counts(void **state)
{
	struct plans *c = *state;
	struct tally a = { 0 }, b = { 0 };
	struct plan *one, *two;

	draft.n_credits = 1;
	draft.credits[0] = &a;
	one = add(c, 1);
	draft.n_credits = 2;
	draft.credits[1] = &b;
	two = add(c, 2);
	assert_true(plans_settled(c));
	plans_set_time(c, 1200);
	plans_count(c, two, 10);
	plans_set_time(c, 1234);
	plans_count(c, one, 100);
	plans_count(c, one, 200);
	assert_false(plans_settled(c));
	assert_int_equal(a.packets, 0);
	plans_settle(c, 9999); /* when they are credited does not matter */
	assert_true(plans_settled(c));
	assert_int_equal(a.packets, 3);
	assert_int_equal(a.bytes, 310);
	assert_int_equal(a.used_ms, 1234);
	assert_int_equal(b.packets, 1);
	assert_int_equal(b.bytes, 10);
	assert_int_equal(b.used_ms, 1200);
	plans_settle(c, 10000);
	assert_int_equal(a.packets, 3);
	assert_int_equal(a.used_ms, 1234);
	plans_count(c, two, 1);
	plans_settle(c, 10300);
	assert_int_equal(a.packets, 4);
	assert_int_equal(b.used_ms, 10000);
}

static void test_refused(void **state)
{
	struct plans *c = *state;
	static struct tally t;

	draft.cacheable = false;
	assert_null(add(c, 1));
	assert_int_equal(stats_of(c).not_cacheable, 1);
	draft.cacheable = true;
	draft.n_credits = HALF / PLANS_STAY / sizeof(void *);
	for (uint32_t i = 0; i < draft.n_credits; i++)
		draft.credits[i] = &t;
	assert_null(add(c, 1));
	assert_int_equal(stats_of(c).too_large, 1);
	assert_int_equal(stats_of(c).n_masks, 0);
	draft.n_credits -= 20;
	assert_non_null(add(c, 1));
}

/* Makes plans until memory has been full @n times. */
static uint32_t flood(struct plans *c, uint32_t from, uint64_t n)
{
	for (n += stats_of(c).flipped; stats_of(c).flipped < n; from++)
		if (!find(c, from))
			(void)(add(c, from) || add(c, from));
	return from;
}

static void test_live_ones_stay(void **state)
{
	struct plans *c = *state;
	struct tally t = { 0 };
	uint32_t n = 1000000;

	draft.n_credits = 1;
	draft.credits[0] = &t;
	for (uint32_t i = 0; i < 100; i++)
		assert_non_null(add(c, i));
	draft.n_credits = 0;
	for (int round = 0; round < 6; round++) {
		n = flood(c, n, 1);
		for (uint32_t i = 0; i < 100; i++) {
			struct plan *plan = find(c, i);

			assert_non_null(plan);
			assert_int_equal(number_of(plan), i);
			plans_count(c, plan, i);
			assert_ptr_equal(find(c, i), plan);
		}
		assert_int_equal(stats_of(c).moved, 100 * (round + 1));
	}
	assert_null(find(c, 1000000));
	assert_true(stats_of(c).evicted > 1000);
	assert_true(stats_of(c).n_plans < 2 * HALF / 100);
	assert_true(stats_of(c).used <= HALF);
	/* what was counted before a plan moved, or went, is there */
	flood(c, n, 2);
	assert_null(find(c, 1));
	plans_settle(c, 5);
	assert_int_equal(t.packets, 600);
	assert_int_equal(t.bytes, 6 * 99 * 50);
}

static void test_first_time_is_not_enough(void **state)
{
	struct plans *c = *state;
	uint32_t n = flood(c, 1, 1);
	struct plan *plan;

	assert_null(find(c, n));
	assert_null(add(c, n));
	assert_int_equal(stats_of(c).once, 1);
	assert_null(find(c, n));
	plan = add(c, n);
	assert_non_null(plan);
	assert_ptr_equal(find(c, n), plan);
	/* packets that never come again push out nothing */
	for (uint32_t i = 1; i < 100000; i++)
		assert_null(add(c, n + i));
	assert_int_equal(stats_of(c).flipped, 1);
	assert_ptr_equal(find(c, n), plan);
}

/* A plan that is returned stays, even if it was in the half that had to be emptied for it. */
static void test_moves_into_its_own_half(void **state)
{
	struct plans *c = *state;
	struct plans_stats s;
	struct tally t = { 0 };
	struct plan *plan;
	uint32_t n;

	draft.n_credits = 20; /* memory is full before tables are */
	for (int i = 0; i < 20; i++)
		draft.credits[i] = &t;
	plan = add(c, 1);
	plans_count(c, plan, 3);
	n = flood(c, 10, 1);
	/* the current half has no place left */
	for (s = stats_of(c); s.size - s.used >= plan->len; s = stats_of(c), n++)
		assert_true(add(c, n) || add(c, n));
	assert_int_equal(s.flipped, 1);
	plan = find(c, 1);
	assert_non_null(plan);
	assert_int_equal(stats_of(c).flipped, 2);
	assert_int_equal(number_of(plan), 1);
	assert_int_equal(plan->packets, 0);
	assert_int_equal(t.packets, 20);
	plans_count(c, plan, 3);
	assert_ptr_equal(find(c, 1), plan);
	/* by its mask, too, which had gone with all others */
	assert_ptr_equal(plans_find(c, &(struct flow_key){ .in_port = 1, .nw_dst = 1 }, VERSION, 0),
			 plan);
	plans_settle(c, 1);
	assert_int_equal(t.packets, 40);
}

static struct plan *add_mask(struct plans *c, uint32_t n)
{
	draft.examined.tp_dst = (uint16_t)n;
	return add(c, n);
}

static void test_masks_are_bounded(void **state)
{
	struct plans *c = *state;
	struct plan *plan = add_mask(c, 1), *late;
	uint64_t now = 10000;

	for (uint32_t i = 2; i <= PLANS_MASKS_MAX; i++)
		assert_non_null(add_mask(c, i));
	assert_int_equal(stats_of(c).masks_full, 0);
	/* one more: its own flow has it, others do not */
	late = add_mask(c, 1000);
	assert_non_null(late);
	assert_int_equal(stats_of(c).masks_full, 1);
	assert_int_equal(stats_of(c).n_masks, PLANS_MASKS_MAX);
	assert_ptr_equal(find(c, 1000), late);
	assert_int_equal(number_of(late), 1000);
	assert_null(plans_find(c, &(struct flow_key){ .in_port = 1, .nw_dst = 1000 }, VERSION, 0));
	for (int i = 0; i < 5; i++) {
		plans_count(c, plan, 1);
		plans_settle(c, now += 1000);
	}
	/* one of those that nothing used makes room; the live one stays */
	for (uint32_t i = 1000; i < 1000 + PLANS_MASKS_MAX - 1; i++)
		assert_non_null(add_mask(c, i));
	assert_int_equal(stats_of(c).masks_full, 1);
	/* all find now what one flow alone has found */
	assert_non_null(
		plans_find(c, &(struct flow_key){ .in_port = 1, .nw_dst = 1000 }, VERSION, 0));
	(void)add_mask(c, 2000);
	assert_int_equal(stats_of(c).masks_full, 2);
	assert_ptr_equal(plans_find(c, &(struct flow_key){ .in_port = 1, .nw_dst = 1 }, VERSION, 0),
			 plan);
	/* a plan whose mask is gone: the hint still leads to it */
	assert_non_null(find(c, 2));
	assert_int_equal(stats_of(c).n_masks, PLANS_MASKS_MAX);
}

/* Flows without number of one plan whose mask has come too late share it. */
static void test_late_flows_share_a_plan(void **state)
{
	struct plans *c = *state;
	struct flow_key key = key_of(1000);
	struct plan *late;
	uint64_t made;

	for (uint32_t i = 1; i <= PLANS_MASKS_MAX; i++)
		assert_non_null(add_mask(c, i));
	late = add_mask(c, 1000);
	made = stats_of(c).made;
	for (uint32_t flow = 1; flow < 1000; flow++) {
		key.tp_src = (uint16_t)flow;
		assert_null(plans_find(c, &key, VERSION, flow));
		assert_ptr_equal(plans_add(c, &key, VERSION, flow, &draft), late);
		assert_ptr_equal(plans_find(c, &key, VERSION, flow), late);
	}
	assert_int_equal(stats_of(c).made, made);
	assert_int_equal(stats_of(c).masks_full, 1000);
}

/* The order of masks is made new where nobody asks for counts, too. */
static void test_masks_of_a_busy_worker(void **state)
{
	struct plans *c = *state;
	struct flow_key key = { .in_port = 1, .nw_dst = 1000 };

	for (uint32_t i = 1; i <= PLANS_MASKS_MAX; i++)
		assert_non_null(add_mask(c, i));
	for (uint64_t now = 10000; now <= 20000; now += 100) {
		plans_set_time(c, now);
		assert_non_null(add_mask(c, 1000));
	}
	assert_int_not_equal(stats_of(c).masks_full, 0);
	assert_non_null(plans_find(c, &key, VERSION, 99));
}

/* Random plans; each packet is looked for in all of them. */
#define MODEL_PLANS 4000
#define MODEL_TALLIES 64

struct model {
	struct flow_key key, examined;
	uint64_t version;
};

static uint64_t seed = 1;

static uint32_t random_below(uint32_t n)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)((seed >> 33) % n);
}

static struct flow_key random_key(void)
{
	struct flow_key key = { .in_port = random_below(4), .eth_type = 0x800 };

	key.nw_src = random_below(64);
	key.nw_dst = random_below(64);
	key.tp_dst = (uint16_t)random_below(4);
	key.nw_ttl = (uint8_t)random_below(2);
	return key;
}

static struct flow_key random_bits(void)
{
	static const uint32_t bits[] = { 0, UINT32_MAX, UINT32_MAX, 0x38 };
	struct flow_key key = { .in_port = UINT32_MAX };

	key.nw_src = bits[random_below(4)];
	key.nw_dst = bits[random_below(4)];
	key.tp_dst = (uint16_t)bits[random_below(3)];
	key.nw_ttl = (uint8_t)bits[random_below(2)];
	return key;
}

static void check_found(const struct plan *plan, const struct model *models,
			const struct flow_key *key, uint64_t version)
{
	const struct model *m = &models[number_of(plan)];

	assert_int_equal(m->version, version);
	for (unsigned i = 0; i < FLOW_KEY_PACKET_WORDS; i++)
		assert_int_equal((m->key.words[i] ^ key->words[i]) & m->examined.words[i], 0);
}

static void count_in(struct tally *expected, uint32_t n, uint32_t bytes)
{
	for (uint32_t i = 0; i < n % 5; i++) {
		expected[(n + i) % MODEL_TALLIES].packets++;
		expected[(n + i) % MODEL_TALLIES].bytes += bytes;
	}
}

static struct plan *add_model(struct plans *c, struct model *m, uint32_t n, struct tally *tallies,
			      uint32_t hash)
{
	struct plan_step step = { PLAN_OUTPUT, sizeof(step), n };

	memcpy(draft.steps, &step, sizeof(step));
	draft.steps_len = sizeof(step);
	draft.examined = m->examined;
	draft.n_credits = n % 5;
	for (uint32_t i = 0; i < n % 5; i++)
		draft.credits[i] = &tallies[(n + i) % MODEL_TALLIES];
	return plans_add(c, &m->key, m->version, hash, &draft);
}

static void test_against_a_plain_array(void **state)
{
	struct plans *c = *state;
	static struct model models[MODEL_PLANS];
	struct tally tallies[MODEL_TALLIES] = { 0 }, expected[MODEL_TALLIES] = { 0 };
	uint64_t version = 1, now = 0;
	uint32_t n = 0;

	for (uint64_t i = 0, most = max(scaled(300000), 150000u); i < most; i++) {
		struct flow_key key = random_key();
		uint64_t v = version + random_below(2);
		uint32_t hash = (uint32_t)(key.words[0] * 31 + key.words[3] * 17 + key.words[5]),
			 bytes = random_below(1500);
		struct plan *plan = plans_find(c, &key, v, hash);

		if (plan) {
			check_found(plan, models, &key, v);
		} else {
			n = (n + 1) % MODEL_PLANS;
			models[n] = (struct model){ key, random_bits(), v };
			plan = add_model(c, &models[n], n, tallies, hash);
		}
		if (plan) {
			plans_count(c, plan, bytes);
			count_in(expected, number_of(plan), bytes);
		}
		if (!random_below(500))
			version++;
		if (!random_below(300))
			plans_settle(c, now += random_below(3000));
	}
	plans_settle(c, now);
	for (int i = 0; i < MODEL_TALLIES; i++) {
		assert_int_equal(tallies[i].packets, expected[i].packets);
		assert_int_equal(tallies[i].bytes, expected[i].bytes);
	}
	assert_true(stats_of(c).flipped > 3);
	assert_true(stats_of(c).moved > 100);
	assert_true(stats_of(c).hint_hits > 1000);
	assert_true(stats_of(c).mask_hits > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_levels, setup, teardown),
		cmocka_unit_test_setup_teardown(test_every_bit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nothing_examined, setup, teardown),
		cmocka_unit_test_setup_teardown(test_versions, setup, teardown),
		cmocka_unit_test_setup_teardown(test_counts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_live_ones_stay, setup, teardown),
		cmocka_unit_test_setup_teardown(test_first_time_is_not_enough, setup, teardown),
		cmocka_unit_test_setup_teardown(test_moves_into_its_own_half, setup, teardown),
		cmocka_unit_test_setup_teardown(test_masks_are_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(test_late_flows_share_a_plan, setup, teardown),
		cmocka_unit_test_setup_teardown(test_masks_of_a_busy_worker, setup, teardown),
		cmocka_unit_test_setup_teardown(test_against_a_plain_array, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
