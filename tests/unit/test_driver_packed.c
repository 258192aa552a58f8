// SPDX-License-Identifier: Apache-2.0
/* Packed ring, driver side: what it writes, what it refuses, and what it makes of a device. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "base/compiler.h"
#include "ring_pair.h"
#include "virtio/packed.h"

#define NEXT VRING_DESC_F_NEXT
#define WRITE VRING_DESC_F_WRITE
#define AVAIL PACKED_F_AVAIL
#define USED PACKED_F_USED

static void test_layout(void **state)
{
	static const uint32_t sizes[] = { 1, 2, 3, 100, 32767, 32768 };
	struct driver_layout l;

	assert_int_equal(driver_layout(PACKED, 0, &l), -EINVAL);
	assert_int_equal(driver_layout(PACKED, 32769, &l), -EINVAL);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		assert_int_equal(driver_layout(PACKED, sizes[i], &l), 0);
		assert_true(l.driver >= l.desc + 16 * sizes[i]);
		assert_true(l.device >= l.driver + 4);
		assert_true(l.size >= l.device + 4);
		assert_int_equal(l.desc % 16 + l.driver % 4 + l.device % 4, 0);
		assert_int_equal(l.align % 16, 0);
	}
}

static void check_desc(struct ring_pair *p, unsigned at, uint64_t addr, uint32_t len,
		       unsigned flags)
{
	const struct vring_packed_desc *d = &pair_packed(p)[at];

	assert_int_equal(d->addr, addr);
	assert_int_equal(d->len, len);
	assert_int_equal(d->flags, flags);
}

/* The bytes in the ring are those of virtio 1.2, 2.8. */
static void test_format(void **state)
{
	struct iovec out[2], in;
	struct vring_packed_desc *table;
	struct ring_pair p;

	pair_init(&p, PACKED | INDIRECT, 5, 3, 3);
	out[0] = (struct iovec){ p.buf + 1, 10 };
	out[1] = (struct iovec){ p.next + 2, 20 };
	in = (struct iovec){ p.buf + 3, 30 };

	/* Nothing is visible before it is published: the first stays what it was. */
	assert_int_equal(driver_ring_add(&p.driver, NULL, 0, &in, 1, p.buf), 0);
	check_desc(&p, 3, PAIR_BUF_ADDR + 3, 0, 0);
	/* A table of three. */
	assert_int_equal(driver_ring_add(&p.driver, out, 2, &in, 1, p.buf), 0);
	driver_ring_publish(&p.driver);
	check_desc(&p, 3, PAIR_BUF_ADDR + 3, 30, WRITE | AVAIL);
	assert_int_equal(pair_packed(&p)[4].flags, VRING_DESC_F_INDIRECT | AVAIL);
	assert_int_equal(pair_packed(&p)[4].len, 48);
	assert_int_not_equal(pair_packed(&p)[4].id, pair_packed(&p)[3].id);
	table = guestmem_guest(p.mem, pair_packed(&p)[4].addr, 48);
	assert_non_null(table);
	assert_int_equal(table[0].addr, PAIR_BUF_ADDR + 1);
	assert_int_equal(table[0].flags, 0);
	assert_int_equal(table[1].addr, PAIR_NEXT_ADDR + 2);
	assert_int_equal(table[1].len, 20);
	assert_int_equal(table[1].flags, 0);
	assert_int_equal(table[2].flags, WRITE);
	/* Behind the wrap, a direct chain: its last descriptor has the id. */
	p.driver.config.indirect_min = 4;
	assert_int_equal(driver_ring_add(&p.driver, out, 2, &in, 1, &in), 0);
	check_desc(&p, 1, PAIR_NEXT_ADDR + 2, 20, NEXT | USED);
	check_desc(&p, 2, PAIR_BUF_ADDR + 3, 30, WRITE | USED);
	assert_ptr_equal(p.driver.state[pair_packed(&p)[2].id].cookie, &in);
	assert_int_equal(pair_packed(&p)[0].flags, AVAIL | USED); /* as if from the last time */
	driver_ring_publish(&p.driver);
	check_desc(&p, 0, PAIR_BUF_ADDR + 1, 10, NEXT | USED);
	assert_int_equal(driver_ring_free(&p.driver), 0);
	pair_destroy(&p);
}

static void test_add_refused(void **state)
{
	struct iovec v[5], bad, long_one;
	struct ring_pair p;

	pair_init(&p, PACKED, 4, 2, 0);
	for (unsigned i = 0; i < 5; i++)
		v[i] = (struct iovec){ p.buf, 1 };
	bad = (struct iovec){ p.buf + PAIR_BUF_LEN - 1, 2 };
	long_one = (struct iovec){ p.buf, 1ull << 32 };
	assert_int_equal(driver_ring_add(&p.driver, NULL, 0, NULL, 0, &p), -EINVAL);
	assert_int_equal(driver_ring_add(&p.driver, v, 5, NULL, 0, &p), -EINVAL);
	assert_int_equal(driver_ring_add(&p.driver, &long_one, 1, NULL, 0, &p), -EINVAL);
	assert_int_equal(driver_ring_add(&p.driver, v, 2, &bad, 1, &p), -EFAULT);
	/* Of what came to nothing, nothing is available. */
	for (unsigned i = 0; i < 4; i++)
		assert_false(packed_is_avail(pair_packed(&p)[i].flags, i >= 2));
	assert_int_equal(driver_ring_free(&p.driver), 4);
	assert_int_equal(driver_ring_add(&p.driver, v, 1, v, 2, &p), 0);
	assert_int_equal(driver_ring_add(&p.driver, v, 2, NULL, 0, &p), -ENOSPC);
	assert_int_equal(driver_ring_add(&p.driver, v, 1, NULL, 0, &p), 0);
	assert_int_equal(driver_ring_free(&p.driver), 0);
	assert_int_equal(driver_ring_add(&p.driver, v, 1, NULL, 0, &p), -ENOSPC);
	pair_destroy(&p);
}

/* Marks a descriptor used, in the first round. */
static void use(struct ring_pair *p, unsigned at, uint16_t id, uint32_t len)
{
	pair_packed(p)[at] =
		(struct vring_packed_desc){ .len = len, .id = id, .flags = AVAIL | USED };
}

/* Three chains of 1, 2 and 1 descriptors; ids in @ids, by the ring. */
static void add_three(struct ring_pair *p, uint16_t ids[3])
{
	struct iovec v[2] = { { p->buf, 4 }, { p->buf + 8, 5 } };

	assert_int_equal(driver_ring_add(&p->driver, NULL, 0, v, 1, p->buf), 0);
	assert_int_equal(driver_ring_add(&p->driver, NULL, 0, v, 2, p->buf + 1), 0);
	assert_int_equal(driver_ring_add(&p->driver, NULL, 0, v, 1, p->buf + 2), 0);
	driver_ring_publish(&p->driver);
	ids[0] = pair_packed(p)[0].id;
	ids[1] = pair_packed(p)[2].id;
	ids[2] = pair_packed(p)[3].id;
}

/* A device that returns chains in another order. */
static void test_out_of_order(void **state)
{
	struct ring_pair p;
	uint16_t ids[3];
	uint32_t len;

	pair_init(&p, PACKED, 6, 0, 0);
	add_three(&p, ids);
	use(&p, 0, ids[1], 7);
	use(&p, 2, ids[2], 8);
	assert_int_equal(driver_ring_base(&p.driver), 0x80038003);
	assert_ptr_equal(driver_ring_get(&p.driver, &len), p.buf + 1);
	assert_int_equal(len, 7);
	assert_ptr_equal(driver_ring_get(&p.driver, &len), p.buf + 2);
	assert_int_equal(len, 8);
	assert_null(driver_ring_get(&p.driver, &len));
	assert_false(driver_ring_enable_call(&p.driver));
	use(&p, 3, ids[0], 9);
	assert_true(driver_ring_enable_call(&p.driver));
	assert_ptr_equal(driver_ring_get(&p.driver, &len), p.buf);
	assert_true(driver_ring_idle(&p.driver));
	assert_false(p.driver.broken);
	pair_destroy(&p);
}

/* One used descriptor for two chains; it is got one by one. */
static void test_in_order(void **state)
{
	struct ring_pair p;
	uint16_t ids[3];
	uint32_t len;

	pair_init(&p, PACKED | IN_ORDER, 6, 0, 0);
	add_three(&p, ids);
	use(&p, 0, ids[1], 7);
	assert_int_equal(driver_ring_base(&p.driver), 0x80038003);
	assert_ptr_equal(driver_ring_get(&p.driver, &len), p.buf);
	assert_int_equal(len, 4); /* all of it */
	assert_int_equal(driver_ring_base(&p.driver), 0x80038003);
	assert_true(driver_ring_enable_call(&p.driver));
	assert_ptr_equal(driver_ring_get(&p.driver, &len), p.buf + 1);
	assert_int_equal(len, 7);
	assert_null(driver_ring_get(&p.driver, &len));
	assert_false(driver_ring_enable_call(&p.driver));
	use(&p, 3, ids[2], 8);
	assert_ptr_equal(driver_ring_get(&p.driver, &len), p.buf + 2);
	assert_true(driver_ring_idle(&p.driver));
	pair_destroy(&p);
}

/* A device that returns what it was not given: the right one first, then a wrong one. */
static void test_hostile_device(void **state)
{
	for (unsigned attack = 0; attack < 10; attack++) {
		uint64_t features = PACKED | (attack % 2 ? IN_ORDER : 0);
		struct iovec v[4] = { { NULL, 0 } };
		struct ring_pair p;
		uint16_t ids[3];
		uint32_t len;

		pair_init(&p, features, 8, 0, 0);
		add_three(&p, ids);
		use(&p, 0, ids[0], 0);
		switch (attack / 2) {
		case 0:
			use(&p, 1, 8, 0); /* beyond the ring */
			break;
		case 1:
			use(&p, 1, UINT16_MAX, 0);
			break;
		case 2:
			use(&p, 1, ids[0], 0); /* twice */
			break;
		case 3:
			use(&p, 1, 5, 0); /* free */
			break;
		case 4: /* added, not published, and longer than what the device has */
			assert_int_equal(driver_ring_add(&p.driver, v, 4, NULL, 0, &p), 0);
			use(&p, 1, pair_packed(&p)[7].id, 0);
			break;
		}
		assert_ptr_equal(driver_ring_get(&p.driver, &len), p.buf);
		assert_false(p.driver.broken);
		assert_null(driver_ring_get(&p.driver, &len));
		assert_true(p.driver.broken);
		assert_int_equal(driver_ring_add(&p.driver, v, 1, NULL, 0, &p), -EIO);
		assert_false(driver_ring_wants_kick(&p.driver));
		assert_false(driver_ring_enable_call(&p.driver));
		pair_destroy(&p);
	}
}

static void test_detach(void **state)
{
	struct ring_pair p;
	unsigned n = 0, seen = 0;
	uint16_t ids[3];
	uint8_t *cookie;

	pair_init(&p, PACKED, 8, 0, 0);
	add_three(&p, ids);
	while ((cookie = driver_ring_detach(&p.driver))) {
		seen |= 1u << (cookie - p.buf);
		n++;
	}
	assert_int_equal(n, 3);
	assert_int_equal(seen, 7);
	pair_destroy(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_layout),	    cmocka_unit_test(test_format),
		cmocka_unit_test(test_add_refused), cmocka_unit_test(test_out_of_order),
		cmocka_unit_test(test_in_order),    cmocka_unit_test(test_hostile_device),
		cmocka_unit_test(test_detach),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
