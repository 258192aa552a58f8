// SPDX-License-Identifier: Apache-2.0
/* Places: matches, packed and unpacked, beside plain comparisons of bits. */
#include "flow/place.h"
#include "made_rules.h"
#include "scale.h"
#include "short_memory.h"

static const struct action_list none;

static bool naive_overlaps(const struct match *a, const struct match *b)
{
	for (unsigned i = 0; i < FLOW_KEY_WORDS; i++)
		if ((a->key.words[i] ^ b->key.words[i]) & a->mask.words[i] & b->mask.words[i])
			return false;
	return true;
}

static bool naive_within(const struct match *a, const struct match *b)
{
	for (unsigned i = 0; i < FLOW_KEY_WORDS; i++)
		if (b->mask.words[i] & ~a->mask.words[i])
			return false;
	return naive_overlaps(a, b);
}

static void test_matches(void **state)
{
	for (unsigned round = 0, most = scaled(3000); round < most; round++) {
		struct classifier_place *place;
		const struct classifier_place *now;
		struct match match, other, again;
		union shape_room shape_room;
		union place_room room;

		draw_match(&match);
		draw_match(&other);
		place = place_create(&match, &none);
		assert_non_null(place);
		assert_null(place->clauses);
		place_match(place, &again);
		assert_memory_equal(&again, &match, sizeof(match));
		assert_int_equal(place_overlaps(place, &other), naive_overlaps(&match, &other));
		assert_int_equal(place_is_within(place, &other), naive_within(&match, &other));
		assert_true(place_is_within(place, &match));
		now = place_for_now(&room, shape_for_now(&shape_room, &other.mask), &other);
		assert_int_equal(shape_equal(now->shape, place->shape) && place_same(now, place),
				 !memcmp(&match, &other, sizeof(match)));
		draw_key(&other.key);
		memset(&other.mask, 0xff, sizeof(other.mask));
		assert_int_equal(place_covers(place, &other.key), naive_overlaps(&match, &other));
		place_destroy(place);
	}
	place_destroy(NULL);
}

static void test_shares(void **state)
{
	struct match match = { .mask.nw_src = 1 };
	struct classifier_place *a = place_create(&match, &none);
	struct classifier_place *b = place_create(&match, &none);
	struct classifier_place *c = place_create(&match, &none);

	place_share(a, a->shape);
	place_share(b, a->shape);
	assert_ptr_equal(a->shape, b->shape);
	place_share(b, c->shape); /* once only */
	assert_ptr_equal(a->shape, b->shape);
	place_destroy(a);
	assert_int_equal(b->shape->n_parts, 1);
	place_destroy(b);
	place_destroy(c);
}

/* Among other actions. */
static void test_clauses(void **state)
{
	struct match match = { 0 };
	struct action_list list = { 0 };
	struct classifier_place *place;
	struct action *first;

	for (unsigned i = 0; i < 4; i++)
		add_conjunction(&list, 10 + i, i, 4);
	first = (void *)list.bytes;
	first->kind = ACTION_NOTE;
	place = place_create(&match, &list);
	assert_int_equal(place->clauses->n, 3);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(place->clauses->at[i].id, 11 + i);
		assert_int_equal(place->clauses->at[i].clause, 1 + i);
		assert_int_equal(place->clauses->at[i].n_clauses, 4);
	}
	place_destroy(place);
#ifndef MEMORY_IS_NEVER_SHORT
	for (int n = 0; n < 3; n++) {
		memory_left = n;
		place = place_create(&match, &list);
		memory_left = -1;
		assert_null(place);
	}
#endif
	free(list.bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_matches),
		cmocka_unit_test(test_shares),
		cmocka_unit_test(test_clauses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
