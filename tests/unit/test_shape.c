// SPDX-License-Identifier: Apache-2.0
/* Shapes: masks split into stages, and put together again. */
#include "flow/shape.h"
#include "made_rules.h"
#include "scale.h"

static void draw_mask(struct flow_key *mask)
{
	memset(mask, 0, sizeof(*mask));
	for (unsigned n = draw_below(2 * FLOW_KEY_WORDS); n; n--)
		mask->words[draw_below(FLOW_KEY_WORDS)] |= draw() & draw() & draw();
}

/* Each bit of the mask is in one part, and parts come stage by stage. */
static void test_parts(void **state)
{
	for (unsigned round = 0, most = scaled(500); round < most; round++) {
		struct flow_key mask, again = { 0 }, key;
		struct shape *shape;
		struct key_bits bits;
		uint64_t hash;

		draw_mask(&mask);
		shape = shape_create(&mask);
		assert_non_null(shape);
		for (unsigned i = 0; i < shape->n_parts; i++) {
			assert_false(again.words[shape->parts[i].word] & shape->parts[i].mask);
			again.words[shape->parts[i].word] |= shape->parts[i].mask;
		}
		assert_memory_equal(&again, &mask, sizeof(mask));
		assert_int_equal(shape->ends[SHAPE_STAGES - 1], shape->n_parts);
		for (unsigned i = 1; i < SHAPE_STAGES; i++)
			assert_true(shape->ends[i - 1] <= shape->ends[i]);
		bits.map = 0;
		shape_examine(shape, shape->n_parts, &bits);
		key_bits_expand(&bits, &again);
		assert_memory_equal(&again, &mask, sizeof(mask));
		assert_true(shape_has(shape, &mask));
		/* the hash is over the mask's bits, and over all of them */
		memset(&key, 0xa5, sizeof(key));
		hash = shape_hash_key(shape, &key);
		for (unsigned i = 0; i < FLOW_KEY_WORDS; i++)
			for (unsigned bit = 0; bit < 64; bit += 1 + draw_below(9)) {
				bool counts = mask.words[i] >> bit & 1;

				key.words[i] ^= 1ull << bit;
				assert_int_equal(shape_hash_key(shape, &key) != hash, counts);
				key.words[i] ^= 1ull << bit;
			}
		shape_unref(shape);
	}
}

static void test_equal(void **state)
{
	for (unsigned round = 0, most = scaled(500); round < most; round++) {
		struct flow_key a, b;
		struct shape *x, *y;
		bool same = draw_below(2);
		unsigned word = draw_below(FLOW_KEY_WORDS);

		draw_mask(&a);
		b = a;
		if (!same)
			b.words[word] ^= 1ull << draw_below(64);
		x = shape_create(&a);
		y = shape_create(&b);
		assert_int_equal(shape_equal(x, y), same);
		assert_int_equal(x->hash == y->hash, same);
		/* one has a bit more */
		assert_int_equal(shape_has(x, &b), !(b.words[word] & ~a.words[word]));
		assert_int_equal(shape_has(y, &a), !(a.words[word] & ~b.words[word]));
		shape_ref(x);
		shape_unref(x);
		shape_unref(x);
		shape_unref(y);
	}
	shape_unref(NULL);
}

/* Where fields that share a word belong. */
/* Masks that differ as the numbers of their words do. */
static void test_hash_of_words(void **state)
{
	for (unsigned i = 0; i + 1 < FLOW_KEY_WORDS; i++) {
		struct flow_key a = { 0 }, b = { 0 };
		union shape_room x, y;

		a.words[i] = UINT32_MAX;
		b.words[i + 1] = UINT32_MAX ^ i ^ (i + 1);
		assert_int_not_equal(shape_for_now(&x, &a)->hash, shape_for_now(&y, &b)->hash);
	}
}

static void test_stages(void **state)
{
	struct flow_key mask = { 0 }, examined;
	struct key_bits bits = { .map = 0 };
	struct shape *shape;

	mask.in_port = mask.regs[3] = mask.nw_dst = UINT32_MAX;
	mask.nw_proto = UINT8_MAX;
	mask.eth_type = mask.tp_dst = mask.arp_op = UINT16_MAX;
	mask.mpls_lse[0] = mask.ipv6_label = mask.nd_reserved = UINT32_MAX;
	shape = shape_create(&mask);
	shape_examine(shape, shape->ends[0], &bits);
	key_bits_expand(&bits, &examined);
	assert_true(examined.in_port && examined.regs[3] && !examined.nw_proto);
	assert_true(!examined.eth_type && !examined.mpls_lse[0]);
	shape_examine(shape, shape->ends[1], &bits);
	key_bits_expand(&bits, &examined);
	assert_true(examined.eth_type && examined.mpls_lse[0] && !examined.ipv6_label);
	assert_true(!examined.nw_proto && !examined.tp_dst && !examined.arp_op);
	shape_examine(shape, shape->ends[2], &bits);
	key_bits_expand(&bits, &examined);
	assert_true(examined.nw_proto && examined.nw_dst && examined.arp_op && examined.ipv6_label);
	assert_true(!examined.tp_dst && !examined.nd_reserved);
	for (unsigned i = 0; i < SHAPE_STAGES; i++)
		assert_int_equal(shape_is_staged(shape, i), i < SHAPE_STAGES - 1);
	shape_unref(shape);
	memset(&mask, 0, sizeof(mask));
	mask.eth_dst = mask.tp_src = 1;
	shape = shape_create(&mask);
	assert_false(shape_is_staged(shape, 0) || shape_is_staged(shape, 2));
	assert_true(shape_is_staged(shape, 1));
	shape_unref(shape);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_equal),
		cmocka_unit_test(test_hash_of_words),
		cmocka_unit_test(test_stages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
