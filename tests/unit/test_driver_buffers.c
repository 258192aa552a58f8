// SPDX-License-Identifier: Apache-2.0
// Buffers that go round in batches, in every layout, by its own way and one by one.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "ring_pair.h"

#define RING_SIZE 16
#define N_BUFFERS 24
#define TURNS 50

/* The device takes @n chains, checks them against @list and completes them. */
static void device_turn(struct ring_pair *p, struct driver_buffer *const *list, unsigned first,
			unsigned n, bool writable)
{
	static struct iovec arena[RING_ARENA_LEN];
	struct ring_chain chains[RING_SIZE];
	uint32_t lens[RING_SIZE];

	assert_int_equal(ring_take(&p->device, p->mem, chains, n, arena, RING_ARENA_LEN), n);
	for (unsigned i = 0; i < n; i++) {
		const struct driver_buffer *b = list[(first + i) % RING_SIZE];

		assert_int_equal(chains[i].n_out, !writable);
		assert_int_equal(chains[i].n_in, writable);
		assert_ptr_equal(chains[i].iov->iov_base, b->host);
		assert_int_equal(chains[i].iov->iov_len, b->len);
		lens[i] = writable ? b->len : 0;
	}
	ring_complete(&p->device, lens, n);
}

static void go_round(uint64_t features, bool own, bool writable)
{
	struct driver_buffer buffers[N_BUFFERS], *list[N_BUFFERS];
	struct driver_ring_ops plain;
	void *cookies[RING_SIZE];
	uint32_t lens[RING_SIZE];
	unsigned n_got = 0;
	struct ring_pair p;

	pair_init(&p, features, RING_SIZE, 65530, 0);
	plain = *p.driver.ops;
	assert_non_null(plain.add_buffers);
	plain.add_buffers = NULL;
	if (!own)
		p.driver.ops = &plain;
	for (unsigned i = 0; i < N_BUFFERS; i++) {
		assert_int_equal(
			driver_buffer_init(&buffers[i], &p.memory, p.buf + 100 * i, 50 + i), 0);
		list[i] = &buffers[i];
	}
	/* in two parts, with nothing visible between them */
	assert_int_equal(driver_ring_add_buffers(&p.driver, list, 0, writable), 0);
	assert_int_equal(driver_ring_add_buffers(&p.driver, list, 3, writable), 3);
	device_turn(&p, list, 0, 0, writable);
	assert_int_equal(driver_ring_add_buffers(&p.driver, list + 3, N_BUFFERS - 3, writable),
			 RING_SIZE - 3);
	assert_int_equal(driver_ring_add_buffers(&p.driver, list, 1, writable), 0);
	driver_ring_publish(&p.driver);
	for (unsigned turn = 0; turn < TURNS; turn++) {
		unsigned n = turn % 7;

		device_turn(&p, list, n_got, n, writable);
		assert_int_equal(driver_ring_get_batch(&p.driver, cookies, lens, RING_SIZE), n);
		for (unsigned i = 0; i < n; i++, n_got++) {
			const struct driver_buffer *b = list[n_got % RING_SIZE];

			assert_ptr_equal(cookies[i], b);
			assert_int_equal(lens[i], writable ? b->len : 0);
		}
		assert_int_equal(driver_ring_free(&p.driver), n);
		assert_int_equal(driver_ring_add_buffers(
					 &p.driver, (struct driver_buffer **)cookies, n, writable),
				 n);
		driver_ring_publish(&p.driver);
	}
	assert_int_equal(p.driver.n_added, RING_SIZE + n_got);
	assert_false(p.driver.broken || ring_broken(&p.device));
	device_turn(&p, list, n_got, RING_SIZE, writable);
	assert_int_equal(driver_ring_get_batch(&p.driver, cookies, lens, RING_SIZE), RING_SIZE);
	assert_true(driver_ring_idle(&p.driver));
	p.driver.broken = true;
	assert_int_equal(driver_ring_add_buffers(&p.driver, list, 1, writable), 0);
	pair_destroy(&p);
}

static void test_rounds(void **state)
{
	static const uint64_t features[] = { 0, IN_ORDER, PACKED, PACKED | IN_ORDER };

	for (unsigned i = 0; i < 16; i++)
		go_round(features[i / 4], i & 1, i & 2);
}

/* Buffers and chains of more than one descriptor in turn. */
static void test_mixed(void **state)
{
	static const uint64_t features[] = { 0, IN_ORDER, PACKED, PACKED | IN_ORDER };

	for (unsigned f = 0; f < 4; f++) {
		struct driver_buffer buffer, *list = &buffer;
		struct ring_chain chains[4];
		struct iovec iov[3], arena[16];
		struct ring_pair p;
		void *cookie;
		uint32_t len;

		pair_init(&p, features[f], 8, 0, 0);
		assert_int_equal(driver_buffer_init(&buffer, &p.memory, p.buf, 10), 0);
		for (unsigned i = 0; i < 3; i++)
			iov[i] = (struct iovec){ p.buf + 100 * i, 100 };
		for (unsigned turn = 0; turn < 20; turn++) {
			assert_int_equal(driver_ring_add_buffers(&p.driver, &list, 1, false), 1);
			assert_int_equal(driver_ring_add(&p.driver, iov, 1, iov + 1, 2, &p), 0);
			assert_int_equal(driver_ring_add_buffers(&p.driver, &list, 1, true), 1);
			driver_ring_publish(&p.driver);
			assert_int_equal(ring_take(&p.device, p.mem, chains, 4, arena, 16), 3);
			assert_int_equal(chains[0].out_len, 10);
			assert_int_equal(chains[1].n_in, 2);
			assert_int_equal(chains[2].in_len, 10);
			ring_complete(&p.device, NULL, 3);
			assert_ptr_equal(driver_ring_get(&p.driver, &len), &buffer);
			assert_ptr_equal(driver_ring_get(&p.driver, &len), &p);
			cookie = driver_ring_get(&p.driver, &len);
			assert_ptr_equal(cookie, &buffer);
			assert_true(driver_ring_idle(&p.driver));
		}
		pair_destroy(&p);
	}
}

static void test_init(void **state)
{
	struct driver_buffer buffer;
	struct ring_pair p;

	pair_init(&p, 0, 8, 0, 0);
	assert_int_equal(driver_buffer_init(&buffer, &p.memory, p.next, PAIR_NEXT_LEN), 0);
	assert_int_equal(buffer.addr, PAIR_NEXT_ADDR);
	assert_int_equal(driver_buffer_init(&buffer, &p.memory, p.next + 1, PAIR_NEXT_LEN),
			 -EFAULT);
	pair_destroy(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rounds),
		cmocka_unit_test(test_mixed),
		cmocka_unit_test(test_init),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
