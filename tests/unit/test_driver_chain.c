// SPDX-License-Identifier: Apache-2.0
/* How chains are planned, put into tables, and found again in a batch. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ring_pair.h"
#include "virtio/driver_chain.h"

static void test_plan(void **state)
{
	struct driver_plan plan;
	struct iovec v[6] = { { NULL, 0 } };
	struct ring_pair p;

	pair_init(&p, INDIRECT, 4, 0, 5);
	for (unsigned i = 0; i < 6; i++)
		v[i] = (struct iovec){ p.buf, i + 1 };
	assert_int_equal(driver_plan(&p.driver, v, 1, NULL, 0, &plan), 0);
	assert_false(plan.indirect); /* under indirect_min */
	assert_int_equal(plan.n_desc, 1);
	assert_int_equal(driver_plan(&p.driver, v, 2, v + 2, 3, &plan), 0);
	assert_true(plan.indirect);
	assert_int_equal(plan.n, 5);
	assert_int_equal(plan.n_desc, 1);
	assert_int_equal(plan.in_len, 3 + 4 + 5);
	assert_int_equal(driver_plan(&p.driver, v, 6, NULL, 0, &plan), -EINVAL); /* neither fits */
	assert_int_equal(driver_plan(&p.driver, v, 0, NULL, 0, &plan), -EINVAL);
	p.driver.config.indirect = NULL;
	assert_int_equal(driver_plan(&p.driver, v, 2, NULL, 0, &plan), 0);
	assert_int_equal(plan.n_desc, 2);
	p.driver.n_free = 1;
	assert_int_equal(driver_plan(&p.driver, v, 2, NULL, 0, &plan), -ENOSPC);
	v[0].iov_len = 1ull << 32;
	assert_int_equal(driver_plan(&p.driver, v, 1, NULL, 0, &plan), -EINVAL);
	p.driver.broken = true;
	assert_int_equal(driver_plan(&p.driver, v + 1, 1, NULL, 0, &plan), -EIO);
	pair_destroy(&p);
}

static void test_fill_table(void **state)
{
	for (unsigned packed = 0; packed <= 1; packed++) {
		struct ring_pair p;
		struct vring_desc *d;
		struct iovec v[2], bad;
		uint64_t addr;

		pair_init(&p, INDIRECT | (packed ? PACKED : 0), 4, 0, 3);
		v[0] = (struct iovec){ p.buf, 7 };
		v[1] = (struct iovec){ p.next, 8 };
		bad = (struct iovec){ p.next + PAIR_NEXT_LEN, 1 };
		assert_int_equal(driver_fill_table(&p.driver, 2, v, 1, v + 1, 1, &addr), 0);
		d = p.driver.config.indirect + 2 * 3;
		assert_int_equal(addr, driver_memory_guest_addr(&p.memory, d));
		assert_int_equal(d[0].addr, PAIR_BUF_ADDR);
		assert_int_equal(d[1].addr, PAIR_NEXT_ADDR);
		assert_int_equal(d[1].len, 8);
		/* packed: the flags come last */
		assert_int_equal(packed ? d[0].next : d[0].flags, packed ? 0 : VRING_DESC_F_NEXT);
		assert_int_equal(packed ? d[0].flags : d[0].next, packed ? 0 : 1);
		assert_int_equal(packed ? d[1].next : d[1].flags, VRING_DESC_F_WRITE);
		assert_int_equal(driver_fill_table(&p.driver, 2, v, 1, &bad, 1, &addr), -EFAULT);
		pair_destroy(&p);
	}
}

/* Chains of 2, 1 and 3 descriptors from descriptor 4 of 7 on, returned by the last of them. */
static void test_batch(void **state)
{
	static const unsigned heads[] = { 4, 6, 0 }, lens[] = { 20, 10, 99 };
	struct driver_plan plan = { .in_len = 0 };
	struct ring_pair p;
	uint32_t len;
	void *cookie;

	pair_init(&p, PACKED | IN_ORDER, 7, 4, 0);
	for (unsigned i = 0; i < 3; i++) {
		plan.n_desc = i == 0 ? 2 : i == 1 ? 1 : 3;
		plan.in_len = 10 * plan.n_desc;
		driver_keep(&p.driver, (uint16_t)heads[i], &plan, p.buf + i);
	}
	assert_int_equal(p.driver.n_free, 1);
	assert_int_equal(driver_batch_span(&p.driver, 4, 0), 6);
	assert_false(driver_batch_begin(&p.driver, 7, 99, 6));
	assert_false(driver_batch_begin(&p.driver, 5, 99, 6)); /* inside of a chain */
	assert_false(driver_batch_begin(&p.driver, 0, 99, 5)); /* not all of it was given */
	assert_true(driver_batch_begin(&p.driver, 0, 99, 6));
	for (unsigned i = 0; i < 3; i++) {
		assert_true(p.driver.in_batch);
		assert_int_equal(driver_batch_next(&p.driver, &cookie, &len), i == 0   ? 2
									      : i == 1 ? 1
										       : 3);
		assert_ptr_equal(cookie, p.buf + i);
		assert_int_equal(len, lens[i]);
	}
	assert_false(p.driver.in_batch);
	assert_int_equal(p.driver.oldest, 3);
	assert_true(driver_ring_idle(&p.driver));
	pair_destroy(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plan),
		cmocka_unit_test(test_fill_table),
		cmocka_unit_test(test_batch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
