// SPDX-License-Identifier: Apache-2.0
/* Split ring, driver side: what it writes, what it refuses, and what it makes of a device. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "base/compiler.h"
#include "ring_pair.h"

#define NEXT VRING_DESC_F_NEXT
#define WRITE VRING_DESC_F_WRITE

static void test_layout(void **state)
{
	struct driver_layout l;

	assert_int_equal(driver_layout(0, 0, &l), -EINVAL);
	assert_int_equal(driver_layout(0, 3, &l), -EINVAL);
	assert_int_equal(driver_layout(0, 65536, &l), -EINVAL);
	for (uint32_t size = 1; size <= 32768; size *= 2) {
		assert_int_equal(driver_layout(0, size, &l), 0);
		assert_true(l.driver >= l.desc + 16 * size);
		assert_true(l.device >= l.driver + 6 + 2 * size);
		assert_true(l.size >= l.device + 6 + 8 * size);
		assert_int_equal(l.desc % 16 + l.driver % 2 + l.device % 4, 0);
		assert_int_equal(l.align % 16, 0);
	}
}

static void test_memory(void **state)
{
	uint8_t memory[64] = { 0 }, *bytes = memory + 16;
	struct driver_region regions[] = {
		{ bytes, 16, 0x1000, 0x70000, -1, 0 },
		{ bytes + 16, 16, 0x9000, 0x80000, -1, 0 },
	};
	struct driver_memory mem = { 2, regions };

	assert_ptr_equal(driver_memory_find(&mem, bytes, 16), &regions[0]);
	assert_ptr_equal(driver_memory_find(&mem, bytes + 15, 1), &regions[0]);
	assert_ptr_equal(driver_memory_find(&mem, bytes + 16, 16), &regions[1]);
	assert_null(driver_memory_find(&mem, bytes, 17)); /* not one piece for the device */
	assert_null(driver_memory_find(&mem, bytes + 32, 1));
	assert_null(driver_memory_find(&mem, bytes - 1, 1));
	assert_null(driver_memory_find(&mem, bytes, UINT64_MAX));
	assert_int_equal(driver_memory_guest_addr(&mem, bytes + 5), 0x1005);
	assert_int_equal(driver_memory_guest_addr(&mem, bytes + 20), 0x9004);
	assert_int_equal(driver_memory_user_addr(&mem, bytes + 20), 0x80004);
}

static void test_init_refused(void **state)
{
	struct driver_ring ring;
	struct driver_config c;
	struct ring_pair p;
	struct error err;

	pair_init(&p, 0, 8, 0, 0);
	c = p.driver.config;
	c.size = 7;
	assert_int_equal(driver_ring_init(&ring, &c, &err), -EINVAL);
	c = p.driver.config;
	c.ring = (uint8_t *)c.ring + 8;
	assert_int_equal(driver_ring_init(&ring, &c, &err), -EINVAL);
	c = p.driver.config;
	c.ring = p.next + PAIR_NEXT_LEN - 16;
	assert_int_equal(driver_ring_init(&ring, &c, &err), -EINVAL);
	c = p.driver.config;
	c.indirect = (struct vring_desc *)p.next;
	c.indirect_len = 1000;
	assert_int_equal(driver_ring_init(&ring, &c, &err), -EINVAL);
	driver_ring_destroy(&ring); /* a failed one is fine too */
	pair_destroy(&p);
}

/* The bytes in the ring are those of virtio 1.2, 2.7. */
static void test_format(void **state)
{
	struct ring_pair p;
	struct iovec out[2], in;
	struct vring_desc *d, *table;

	pair_init(&p, INDIRECT, 4, 7, 3);
	assert_int_equal(pair_avail(&p)->idx, 7);
	assert_int_equal(pair_used(&p)->idx, 7);
	out[0] = (struct iovec){ p.buf + 1, 10 };
	out[1] = (struct iovec){ p.next + 2, 20 };
	in = (struct iovec){ p.buf + 3, 30 };

	/* Direct: under indirect_min. */
	assert_int_equal(driver_ring_add(&p.driver, NULL, 0, &in, 1, p.buf), 0);
	d = &pair_desc(&p)[pair_avail(&p)->ring[7 % 4]];
	assert_int_equal(d->addr, PAIR_BUF_ADDR + 3);
	assert_int_equal(d->len, 30);
	assert_int_equal(d->flags, WRITE);

	/* A table of three. */
	assert_int_equal(driver_ring_add(&p.driver, out, 2, &in, 1, p.buf), 0);
	d = &pair_desc(&p)[pair_avail(&p)->ring[8 % 4]];
	assert_int_equal(d->flags, VRING_DESC_F_INDIRECT);
	assert_int_equal(d->len, 48);
	table = guestmem_guest(p.mem, d->addr, d->len);
	assert_non_null(table);
	assert_int_equal(table[0].addr, PAIR_BUF_ADDR + 1);
	assert_int_equal(table[0].flags, NEXT);
	assert_int_equal(table[0].next, 1);
	assert_int_equal(table[1].addr, PAIR_NEXT_ADDR + 2);
	assert_int_equal(table[1].next, 2);
	assert_int_equal(table[2].flags, WRITE);
	assert_int_equal(driver_ring_free(&p.driver), 2);

	/* Nothing is visible before it is published. */
	assert_int_equal(pair_avail(&p)->idx, 7);
	driver_ring_publish(&p.driver);
	assert_int_equal(pair_avail(&p)->idx, 9);
	pair_destroy(&p);
}

static void test_add_refused(void **state)
{
	struct iovec v[5], bad, long_one;
	struct ring_pair p;

	pair_init(&p, 0, 4, 0, 0);
	for (unsigned i = 0; i < 5; i++)
		v[i] = (struct iovec){ p.buf, 1 };
	bad = (struct iovec){ p.buf + PAIR_BUF_LEN - 1, 2 };
	long_one = (struct iovec){ p.buf, 1ull << 32 };
	assert_int_equal(driver_ring_add(&p.driver, NULL, 0, NULL, 0, &p), -EINVAL);
	assert_int_equal(driver_ring_add(&p.driver, v, 5, NULL, 0, &p), -EINVAL);
	assert_int_equal(driver_ring_add(&p.driver, &long_one, 1, NULL, 0, &p), -EINVAL);
	assert_int_equal(driver_ring_add(&p.driver, v, 2, &bad, 1, &p), -EFAULT);
	assert_int_equal(driver_ring_free(&p.driver), 4);
	assert_int_equal(driver_ring_add(&p.driver, v, 1, v, 2, &p), 0);
	assert_int_equal(driver_ring_add(&p.driver, v, 2, NULL, 0, &p), -ENOSPC);
	assert_int_equal(driver_ring_add(&p.driver, v, 1, NULL, 0, &p), 0);
	assert_int_equal(driver_ring_free(&p.driver), 0);
	assert_int_equal(driver_ring_add(&p.driver, v, 1, NULL, 0, &p), -ENOSPC);
	driver_ring_publish(&p.driver);
	assert_int_equal(pair_avail(&p)->idx, 2);
	pair_destroy(&p);
}

/* A device that returns what it was not given. */
static void test_hostile_device(void **state)
{
	for (unsigned attack = 0; attack < 6; attack++) {
		struct ring_pair p;
		struct vring_used *used;
		struct iovec v;
		uint32_t len;

		pair_init(&p, 0, 4, 0, 0);
		used = pair_used(&p);
		v = (struct iovec){ p.buf, 1 };
		for (unsigned i = 0; i < 3; i++)
			assert_int_equal(driver_ring_add(&p.driver, &v, 1, NULL, 0, p.buf + i), 0);
		driver_ring_publish(&p.driver);
		used->ring[0].id = 0;
		used->ring[1].id = 1;
		used->ring[2].id = 2;
		used->idx = 2;
		switch (attack) {
		case 0:
			used->ring[1].id = 4;
			break;
		case 1:
			used->ring[1].id = UINT32_MAX;
			break;
		case 2:
			used->ring[1].id = 0; /* twice */
			break;
		case 3:
			used->ring[1].id = 3; /* free */
			break;
		case 4:
			used->ring[1].id = 0x10001; /* only its low bits are right */
			break;
		case 5:
			used->idx = 4; /* more than were given */
			break;
		}
		if (attack < 5) {
			/* What comes before it is right. */
			assert_ptr_equal(driver_ring_get(&p.driver, &len), p.buf);
			assert_false(p.driver.broken);
		}
		assert_null(driver_ring_get(&p.driver, &len));
		assert_true(p.driver.broken);
		assert_int_equal(driver_ring_add(&p.driver, &v, 1, NULL, 0, &p), -EIO);
		assert_false(driver_ring_wants_kick(&p.driver));
		assert_false(driver_ring_enable_call(&p.driver));
		pair_destroy(&p);
	}
}

/* IN_ORDER: one used element for a batch, and batches that are wrong. */
static void test_in_order(void **state)
{
	for (unsigned attack = 0; attack < 4; attack++) {
		struct ring_pair p;
		struct vring_used *used;
		struct iovec v[2];
		uint32_t len;

		pair_init(&p, IN_ORDER, 4, 2, 0);
		used = pair_used(&p);
		v[0] = v[1] = (struct iovec){ p.buf, 6 };
		assert_int_equal(driver_ring_add(&p.driver, NULL, 0, v, 1, p.buf), 0);
		assert_int_equal(driver_ring_add(&p.driver, v, 1, v, 1, p.buf + 1), 0);
		driver_ring_publish(&p.driver);
		assert_int_equal(pair_avail(&p)->ring[3], 1);
		used->ring[2] = (struct vring_used_elem){ .id = 1, .len = 9 };
		used->idx = 4;
		switch (attack) {
		case 1:
			used->ring[2].id = 0; /* then the second is of another batch */
			used->ring[3].id = 2; /* which is not right */
			break;
		case 2:
			used->ring[2].id = 3; /* free */
			break;
		case 3:
			used->idx = 3; /* the batch is longer than the index says */
			break;
		}
		if (attack < 2) {
			assert_ptr_equal(driver_ring_get(&p.driver, &len), p.buf);
			assert_int_equal(len, attack ? 9 : 6);
		}
		if (attack == 0) {
			assert_true(driver_ring_enable_call(&p.driver));
			assert_ptr_equal(driver_ring_get(&p.driver, &len), p.buf + 1);
			assert_int_equal(len, 9);
			assert_true(driver_ring_idle(&p.driver));
			/* Heads go on around the table. */
			assert_int_equal(driver_ring_add(&p.driver, v, 2, NULL, 0, &p), 0);
			assert_int_equal(pair_avail(&p)->ring[0], 3);
			assert_int_equal(pair_desc(&p)[3].next, 0);
		}
		assert_null(driver_ring_get(&p.driver, &len));
		assert_int_equal(p.driver.broken, attack != 0);
		pair_destroy(&p);
	}
}

static void test_detach(void **state)
{
	struct ring_pair p;
	struct iovec v[2];
	unsigned n = 0, seen = 0;
	uint8_t *cookie;

	pair_init(&p, 0, 8, 0, 0);
	v[0] = v[1] = (struct iovec){ p.buf, 1 };
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(driver_ring_add(&p.driver, v, 1 + i % 2, NULL, 0, p.buf + i), 0);
	while ((cookie = driver_ring_detach(&p.driver))) {
		seen |= 1u << (cookie - p.buf);
		n++;
	}
	assert_int_equal(n, 4);
	assert_int_equal(seen, 15);
	assert_null(driver_ring_detach(&p.driver));
	pair_destroy(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_layout),	     cmocka_unit_test(test_memory),
		cmocka_unit_test(test_init_refused), cmocka_unit_test(test_format),
		cmocka_unit_test(test_add_refused),  cmocka_unit_test(test_hostile_device),
		cmocka_unit_test(test_detach),	     cmocka_unit_test(test_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
