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

/* The quick way: what lies in a range, and chains of one buffer. */
static void test_single(void **state)
{
	struct ring_chain chain;
	struct iovec iov;
	uint8_t byte;

	assert_true(walk_fits(0, 1, 1));
	assert_true(walk_fits(90, 10, 100));
	assert_false(walk_fits(91, 10, 100));
	assert_false(walk_fits(0, 0, 100));
	assert_false(walk_fits(0, 101, 100));
	assert_false(walk_fits(UINT64_MAX, 1, 100));
	assert_false(walk_fits(UINT64_MAX, UINT32_MAX, UINT64_MAX));
	for (int in = 0; in < 2; in++) {
		walk_set_single(&chain, &iov, &byte, 10, in, 7);
		assert_ptr_equal(chain.iov, &iov);
		assert_ptr_equal(iov.iov_base, &byte);
		assert_int_equal(iov.iov_len, 10);
		assert_int_equal(chain.n_in, in);
		assert_int_equal(chain.n_out, !in);
		assert_int_equal(chain.in_len, in ? 10 : 0);
		assert_int_equal(chain.out_len, in ? 0 : 10);
		assert_int_equal(chain.id, 7);
	}
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
