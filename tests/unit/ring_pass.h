/* SPDX-License-Identifier: Apache-2.0 */
/* What a ring of either layout has to do, as tests: chains that pass from the driver to the device
 * and back, and who is told of them. To be included after cmocka.h.
 */
#pragma once

#include "base/compiler.h"
#include "ring_pair.h"
#include "virtio/packed.h"

static struct iovec arena[RING_ARENA_LEN];

static inline unsigned take(struct ring_pair *p, struct ring_chain *chains, unsigned max)
{
	return ring_take(&p->device, p->mem, chains, max, arena, ARRAY_SIZE(arena));
}

/* ring_base() after @n chains of one descriptor since index 0. */
static inline uint32_t pass_base(const struct ring_pair *p, uint64_t n)
{
	uint32_t size = p->driver.config.size, position;

	if (!(p->driver.config.features & PACKED))
		return (uint16_t)n;
	position = packed_position((uint16_t)(n % size), !(n / size & 1));
	return position | position << 16;
}

/* Passes chains of one buffer, in bursts, until all indices have wrapped. */
static inline void pass_many(uint64_t features, uint32_t size, uint16_t start)
{
	struct ring_chain chains[RING_TAKE_MAX];
	uint32_t lens[RING_TAKE_MAX], len;
	uint64_t added = 0, taken = 0, got = 0, total = 66000 + 3 * (uint64_t)size;
	struct ring_pair p;

	pair_init(&p, features, size, start, 0);
	while (got < total) {
		unsigned n;
		void *cookie;

		while (driver_ring_free(&p.driver) && added < total) {
			struct iovec v = { p.buf + added % 1000, 1 + added % 5000 };

			assert_int_equal(driver_ring_add(&p.driver, added % 2 ? &v : NULL,
							 added % 2, added % 2 ? NULL : &v,
							 !(added % 2), (void *)(added + 1)),
					 0);
			added++;
		}
		driver_ring_publish(&p.driver);
		n = take(&p, chains, 1 + (unsigned)(taken % RING_TAKE_MAX));
		assert_true(n > 0);
		for (unsigned i = 0; i < n; i++, taken++) {
			assert_int_equal(chains[i].n_out, taken % 2);
			assert_int_equal(chains[i].n_in, !(taken % 2));
			assert_int_equal(chains[i].out_len + chains[i].in_len, 1 + taken % 5000);
			assert_ptr_equal(chains[i].iov[0].iov_base, p.buf + taken % 1000);
			assert_int_equal(chains[i].iov[0].iov_len, 1 + taken % 5000);
			lens[i] = (uint32_t)taken;
		}
		assert_int_equal(ring_base(&p.device), pass_base(&p, start + taken - n));
		ring_complete(&p.device, lens, n);
		assert_int_equal(ring_base(&p.device), pass_base(&p, start + taken));
		for (; (cookie = driver_ring_get(&p.driver, &len)); got++) {
			assert_int_equal((uintptr_t)cookie, got + 1);
			assert_int_equal(len, (uint32_t)got);
		}
		assert_int_equal(got, taken);
	}
	assert_int_equal(p.device.n_chains, total);
	assert_true(driver_ring_idle(&p.driver));
	assert_false(ring_broken(&p.device));
	pair_destroy(&p);
}

/* One chain of @n_out + @n_in buffers goes through and comes back. */
static inline void pass_chain(struct ring_pair *p, unsigned n_out, unsigned n_in)
{
	static struct iovec iov[RING_SIZE_MAX];
	struct ring_chain c;
	uint32_t out_len = 0, in_len = 0, len;

	for (unsigned i = 0; i < n_out + n_in; i++) {
		iov[i] = (struct iovec){ p->buf + i, 1 + i % 100 };
		*(i < n_out ? &out_len : &in_len) += 1 + i % 100;
	}
	assert_int_equal(driver_ring_add(&p->driver, iov, n_out, iov + n_out, n_in, p), 0);
	driver_ring_publish(&p->driver);
	assert_int_equal(take(p, &c, 32), 1);
	assert_int_equal(c.n_out, n_out);
	assert_int_equal(c.n_in, n_in);
	assert_int_equal(c.out_len, out_len);
	assert_int_equal(c.in_len, in_len);
	assert_memory_equal(c.iov, iov, (n_out + n_in) * sizeof(iov[0]));
	ring_complete(&p->device, &in_len, 1);
	assert_ptr_equal(driver_ring_get(&p->driver, &len), p);
	assert_int_equal(len, in_len);
	assert_true(driver_ring_idle(&p->driver));
}

/* Chains of every length that a ring of 64 entries, or a table, can hold. */
static inline void pass_lengths(uint64_t layout)
{
	for (unsigned indirect = 0; indirect <= 1; indirect++) {
		struct ring_pair p;

		pair_init(&p, layout | INDIRECT, 64, 0, indirect ? 64 : 0);
		for (unsigned n = 1; n <= 64; n++)
			for (unsigned n_out = 0; n_out <= n; n_out++)
				pass_chain(&p, n_out, n - n_out);
		pair_destroy(&p);
	}
}

/* The longest chains that there are. */
static inline void pass_longest(uint64_t layout)
{
	struct ring_pair p;

	pair_init(&p, layout, 32768, 0, 0);
	pass_chain(&p, 32768, 0);
	pass_chain(&p, 1, 32767);
	pair_destroy(&p);
	/* An indirect table may be longer than the ring. */
	pair_init(&p, layout | INDIRECT, 2, 0, 32768);
	pass_chain(&p, 20000, 12768);
	pair_destroy(&p);
}

/* An arena that is too short. */
static inline void pass_arena(uint64_t layout)
{
	struct ring_chain chains[8];
	struct iovec iov[3];
	struct ring_pair p;

	pair_init(&p, layout, 64, 0, 0);
	for (unsigned i = 0; i < 3; i++)
		iov[i] = (struct iovec){ p.buf + i, 1 };
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(driver_ring_add(&p.driver, iov, 3, NULL, 0, p.buf + i), 0);
	driver_ring_publish(&p.driver);
	assert_int_equal(ring_take(&p.device, p.mem, chains, 8, arena, 0), 0);
	assert_int_equal(ring_take(&p.device, p.mem, chains, 8, arena, 2), 0);
	assert_int_equal(ring_take(&p.device, p.mem, chains, 8, arena, 3), 1);
	assert_int_equal(ring_take(&p.device, p.mem, chains, 8, arena, 11), 3);
	assert_ptr_equal(chains[0].iov, arena);
	assert_ptr_equal(chains[2].iov, arena + 6);
	assert_int_equal(ring_take(&p.device, p.mem, chains, 8, arena, 100), 4);
	ring_complete(&p.device, NULL, 8);
	assert_false(ring_broken(&p.device));
	assert_int_equal(ring_base(&p.device), pass_base(&p, layout & PACKED ? 24 : 8));
	pair_destroy(&p);
}

/* As many chains as can be taken. */
static inline void pass_in_flight(uint64_t layout)
{
	struct ring_chain chains[256];
	struct ring_pair p;

	pair_init(&p, layout, 256, 0, 0);
	for (unsigned i = 0; i < 256; i++) {
		struct iovec v = { p.buf + i, 1 };

		assert_int_equal(driver_ring_add(&p.driver, &v, 1, NULL, 0, p.buf + i), 0);
	}
	driver_ring_publish(&p.driver);
	assert_int_equal(take(&p, chains, 100), 100);
	assert_int_equal(take(&p, chains + 100, 100), RING_TAKE_MAX - 100);
	assert_int_equal(take(&p, chains, 1), 0);
	ring_complete(&p.device, NULL, 1);
	assert_int_equal(take(&p, chains, 100), 1);
	assert_ptr_equal(chains[0].iov[0].iov_base, p.buf + RING_TAKE_MAX);

	/* What goes back comes again. */
	ring_untake(&p.device, 50);
	assert_int_equal(ring_base(&p.device), pass_base(&p, 1));
	assert_int_equal(take(&p, chains, 256), 50);
	assert_ptr_equal(chains[0].iov[0].iov_base, p.buf + RING_TAKE_MAX + 1 - 50);
	ring_untake(&p.device, 0);
	ring_complete(&p.device, NULL, RING_TAKE_MAX);
	assert_int_equal(ring_base(&p.device), pass_base(&p, RING_TAKE_MAX + 1));
	pair_destroy(&p);
}

static inline void add_one(struct ring_pair *p)
{
	struct iovec v = { p->buf, 1 };

	assert_int_equal(driver_ring_add(&p->driver, &v, 1, NULL, 0, p), 0);
	driver_ring_publish(&p->driver);
}

static inline void use_one(struct ring_pair *p)
{
	struct ring_chain c;

	assert_int_equal(take(p, &c, 1), 1);
	ring_complete(&p->device, NULL, 1);
}

/* Who kicks when. Around the wrap of the indices, too. */
static inline void pass_kicks(uint64_t layout)
{
	for (unsigned event = 0; event <= 1; event++) {
		for (unsigned start = 65530; start < 65541; start++) {
			struct ring_pair p;

			pair_init(&p, layout | (event ? EVENT_IDX : 0), 16, (uint16_t)start, 0);
			assert_false(driver_ring_wants_kick(&p.driver)); /* nothing is there */
			assert_false(ring_enable_kick(&p.device));
			add_one(&p);
			assert_true(driver_ring_wants_kick(&p.driver));
			assert_false(driver_ring_wants_kick(&p.driver)); /* was said */
			assert_true(ring_enable_kick(&p.device));	 /* do not sleep */
			use_one(&p);

			ring_disable_kick(&p.device);
			add_one(&p);
			add_one(&p);
			assert_false((!event || layout & PACKED) &&
				     driver_ring_wants_kick(&p.driver));
			use_one(&p);
			use_one(&p);
			assert_false(ring_enable_kick(&p.device));
			add_one(&p);
			add_one(&p);
			assert_true(driver_ring_wants_kick(&p.driver));
			/* With EVENT_IDX, one kick for one request. */
			add_one(&p);
			assert_int_equal(driver_ring_wants_kick(&p.driver), !event);
			pair_destroy(&p);
		}
	}
}

/* Uses a chain and looks too early: the driver is awake, and does not ask for anything. */
static inline void use_unheard(struct ring_pair *p)
{
	uint32_t len;

	add_one(p);
	use_one(p);
	assert_false(ring_peek_notify(&p->device));
	assert_non_null(driver_ring_get(&p->driver, &len));
}

/* A driver that falls asleep after any number of early looks is called by the final one. */
static inline void pass_early_looks(uint64_t layout)
{
	static const unsigned early[] = { 0, 1, 15, 16, 65534, 65535 };

	for (unsigned i = 0; i < 2 * ARRAY_SIZE(early); i++) {
		struct ring_pair p;
		uint32_t len;

		pair_init(&p, layout | (i % 2 ? EVENT_IDX : 0), 16, 0, 0);
		assert_false(driver_ring_enable_call(&p.driver));
		add_one(&p);
		use_one(&p);
		assert_true(ring_peek_notify(&p.device));
		assert_non_null(driver_ring_get(&p.driver, &len));
		driver_ring_disable_call(&p.driver);
		for (unsigned n = 0; n < early[i / 2]; n++)
			use_unheard(&p);
		assert_false(driver_ring_enable_call(&p.driver));
		add_one(&p);
		use_one(&p);
		assert_true(ring_settle_notify(&p.device));
		assert_false(ring_settle_notify(&p.device));
		pair_destroy(&p);
	}
}

/* Who calls when. */
static inline void pass_calls(uint64_t layout)
{
	for (unsigned event = 0; event <= 1; event++) {
		for (unsigned start = 65530; start < 65541; start++) {
			struct ring_pair p;
			uint32_t len;

			pair_init(&p, layout | (event ? EVENT_IDX : 0), 16, (uint16_t)start, 0);
			assert_false(driver_ring_enable_call(&p.driver));
			for (unsigned i = 0; i < 8; i++)
				add_one(&p);
			use_one(&p);
			assert_true(ring_wants_notify(&p.device));
			assert_false(ring_wants_notify(&p.device));	 /* nothing since */
			assert_true(driver_ring_enable_call(&p.driver)); /* do not sleep */
			assert_non_null(driver_ring_get(&p.driver, &len));
			assert_null(driver_ring_get(&p.driver, &len));

			driver_ring_disable_call(&p.driver);
			use_one(&p);
			assert_false((!event || layout & PACKED) && ring_wants_notify(&p.device));
			use_one(&p);
			while (driver_ring_get(&p.driver, &len))
				;
			assert_false(driver_ring_enable_call(&p.driver));
			use_one(&p);
			use_one(&p);
			assert_true(ring_wants_notify(&p.device));
			use_one(&p);
			assert_int_equal(ring_wants_notify(&p.device), !event);
			assert_int_equal(p.device.n_notified, event ? 2 : 3);
			pair_destroy(&p);
		}
	}
}
