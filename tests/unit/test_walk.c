// SPDX-License-Identifier: Apache-2.0
/* Buffers and indirect tables of a chain, wherever they lie in guest memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ring_pair.h"
#include "virtio/walk.h"

#define ARENA 8

struct stage {
	struct ring_pair p;
	struct walk w;
	struct ring_chain chain;
	struct iovec arena[ARENA];
};

static void open_stage(struct stage *s, unsigned arena_len)
{
	pair_init(&s->p, INDIRECT, 4, 0, 0);
	walk_init(&s->w, &s->p.device, s->p.mem, s->arena, arena_len);
	walk_open(&s->w, &s->chain);
}

static void check_piece(const struct stage *s, unsigned i, const void *base, size_t len)
{
	assert_ptr_equal(s->chain.iov[i].iov_base, base);
	assert_int_equal(s->chain.iov[i].iov_len, len);
}

/* The quick way takes what lies in the last range, and leaves the rest to the other. */
static void test_single(void **state)
{
	struct stage s;

	open_stage(&s, ARENA);
	assert_false(walk_single(&s.w, PAIR_BUF_ADDR, 10, false, &s.chain)); /* another range */
	assert_false(walk_single(&s.w, PAIR_NEXT_ADDR, 0, false, &s.chain));
	assert_false(walk_single(&s.w, PAIR_NEXT_ADDR, PAIR_NEXT_LEN + 1, true, &s.chain));
	assert_true(walk_single(&s.w, PAIR_NEXT_ADDR + 5, 10, true, &s.chain));
	check_piece(&s, 0, s.p.next + 5, 10);
	assert_int_equal(s.chain.n_in, 1);
	assert_int_equal(s.chain.in_len, 10);
	assert_int_equal(s.chain.n_out, 0);
	walk_next(&s.w);
	assert_ptr_equal(s.w.iov, s.arena + 1);
	s.w.max_iov = 0;
	assert_false(walk_single(&s.w, PAIR_NEXT_ADDR, 10, false, &s.chain));
	pair_destroy(&s.p);
}

static void test_add(void **state)
{
	struct stage s;

	open_stage(&s, ARENA);
	assert_int_equal(walk_add(&s.w, PAIR_NEXT_ADDR - 3, 10, false), RING_OK);
	assert_int_equal(walk_add(&s.w, 0, 0, false), RING_OK); /* no byte, no address */
	assert_int_equal(walk_add(&s.w, PAIR_BUF_ADDR, 20, true), RING_OK);
	walk_close(&s.w, &s.chain);
	check_piece(&s, 0, s.p.buf + PAIR_BUF_LEN - 3, 3);
	check_piece(&s, 1, s.p.next, 7);
	check_piece(&s, 2, s.p.buf, 20);
	assert_int_equal(s.chain.n_out, 2);
	assert_int_equal(s.chain.n_in, 1);
	assert_int_equal(s.chain.out_len, 10);
	assert_int_equal(s.chain.in_len, 20);
	assert_int_equal(walk_add(&s.w, PAIR_BUF_ADDR, 1, false), RING_FAULT_DIRECTION);
	assert_int_equal(walk_add(&s.w, PAIR_BUF_ADDR, UINT32_MAX, true), RING_FAULT_CHAIN_LENGTH);
	pair_destroy(&s.p);
}

static void test_add_refused(void **state)
{
	struct stage s;

	open_stage(&s, 1);
	assert_int_equal(walk_add(&s.w, PAIR_NEXT_ADDR - 1, 2, false), RING_FAULT_CHAIN_LENGTH);
	assert_true(s.w.full);
	walk_open(&s.w, &s.chain);
	assert_false(s.w.full);
	assert_int_equal(walk_add(&s.w, 5, 1, false), RING_FAULT_ADDRESS);
	assert_int_equal(walk_add(&s.w, UINT64_MAX, 2, false), RING_FAULT_ADDRESS);
	pair_destroy(&s.p);
}

static void test_table(void **state)
{
	static const uint64_t at[] = { PAIR_BUF_ADDR, PAIR_BUF_ADDR + 3, PAIR_NEXT_ADDR - 16,
				       PAIR_NEXT_ADDR - 20 };
	struct walk_table table;
	struct stage s;

	open_stage(&s, ARENA);
	for (unsigned i = 0; i < ARRAY_SIZE(at); i++) {
		uint64_t words[2];

		for (unsigned j = 0; j < 32; j++) {
			uint64_t len;

			*(uint8_t *)guestmem_lookup(s.p.mem, at[i] + j, &len) = (uint8_t)(j + 1);
		}
		assert_int_equal(walk_table_open(&s.w, at[i], 32, &table), RING_OK);
		assert_int_equal(table.n, 2);
		assert_true(walk_table_load(&s.w, &table, 1, words));
		assert_int_equal(words[0], 0x1817161514131211);
		assert_int_equal(words[1], 0x201f1e1d1c1b1a19);
		assert_true(walk_table_load(&s.w, &table, 0, words));
		assert_int_equal(words[0], 0x0807060504030201);
	}
	assert_int_equal(walk_table_open(&s.w, PAIR_NEXT_ADDR + PAIR_NEXT_LEN - 16, 32, &table),
			 RING_OK);
	assert_false(walk_table_load(&s.w, &table, 1, (uint64_t[2]){ 0 }));
	assert_int_equal(walk_table_open(&s.w, UINT64_MAX - 20, 32, &table), RING_FAULT_ADDRESS);
	assert_int_equal(walk_table_open(&s.w, 0, 8, &table), RING_FAULT_INDIRECT_SIZE);
	s.p.device.config.features = 0;
	assert_int_equal(walk_table_open(&s.w, 0, 16, &table), RING_FAULT_INDIRECT_FEATURE);
	pair_destroy(&s.p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_single),
		cmocka_unit_test(test_add),
		cmocka_unit_test(test_add_refused),
		cmocka_unit_test(test_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
