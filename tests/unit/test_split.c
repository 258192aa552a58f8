// SPDX-License-Identifier: Apache-2.0
/* Split ring, device side: format, faults, limits, notifications. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <linux/virtio_config.h>

#include "base/compiler.h"
#include "ring_pair.h"

static struct iovec arena[RING_ARENA_LEN];

#define NEXT VRING_DESC_F_NEXT
#define WRITE VRING_DESC_F_WRITE
#define TABLE VRING_DESC_F_INDIRECT

static unsigned take(struct ring_pair *p, struct ring_chain *chains, unsigned max)
{
	return ring_take(&p->device, p->mem, chains, max, arena, ARRAY_SIZE(arena));
}

static void test_start_refused(void **state)
{
	struct ring_pair p;
	struct ring ring;
	struct ring_config good, c;
	struct error err;

	pair_init(&p, 0, 8, 0, 0);
	good = pair_device_config(&p);
	assert_int_equal(ring_start(&ring, &good, &err), 0);
	assert_string_equal(ring.ops->name, "split");
	for (unsigned i = 0; i < 9; i++) {
		c = good;
		switch (i) {
		case 0:
			c.size = 0;
			break;
		case 1:
			c.size = 3;
			break;
		case 2:
			c.size = 65536;
			break;
		case 3:
			c.desc = (uint8_t *)c.desc + 8;
			break;
		case 4:
			c.driver = (uint8_t *)c.driver + 1;
			break;
		case 5:
			c.device = (uint8_t *)c.device + 2;
			break;
		case 6:
			c.features |= BIT(VIRTIO_F_RING_PACKED);
			break;
		case 7:
			c.desc = NULL;
			break;
		case 8:
			c.device = NULL;
			break;
		}
		err.text[0] = 0;
		assert_int_equal(ring_start(&ring, &c, &err), -EINVAL);
		assert_null(ring.ops);
		assert_true(err.text[0]);
	}
	pair_destroy(&p);
}

static void test_fault_texts(void **state)
{
	for (int i = 0; i < RING_N_FAULTS; i++)
		for (int j = 0; j < i; j++)
			assert_string_not_equal(ring_fault_text((enum ring_fault)i),
						ring_fault_text((enum ring_fault)j));
	assert_string_equal(ring_fault_text(RING_OK), "ok");
	assert_string_equal(ring_fault_text(RING_N_FAULTS), "unknown fault");
}

/* Passes chains of one buffer, in bursts, until the indices have wrapped twice. */
static void pass_many(uint32_t size, uint16_t start, uint64_t features)
{
	struct ring_chain chains[RING_TAKE_MAX];
	uint32_t lens[RING_TAKE_MAX], len;
	uint64_t added = 0, taken = 0, got = 0, total = 2 * 65536 + 3 * (uint64_t)size;
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
		assert_int_equal(ring_base(&p.device), (uint16_t)(start + taken - n));
		ring_complete(&p.device, lens, n);
		assert_int_equal(ring_base(&p.device), (uint16_t)(start + taken));
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

static void test_wrap(void **state)
{
	static const uint32_t sizes[] = { 1, 2, 256, 32768 };

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		pass_many(sizes[i], 0, 0);
		pass_many(sizes[i], 65535, EVENT_IDX);
		pass_many(sizes[i], 12345, INDIRECT);
	}
}

/* One chain of @n_out + @n_in buffers goes through and comes back. */
static void pass_chain(struct ring_pair *p, unsigned n_out, unsigned n_in)
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

static void test_chain_lengths(void **state)
{
	for (unsigned indirect = 0; indirect <= 1; indirect++) {
		struct ring_pair p;

		pair_init(&p, INDIRECT, 64, 0, indirect ? 64 : 0);
		for (unsigned n = 1; n <= 64; n++)
			for (unsigned n_out = 0; n_out <= n; n_out++)
				pass_chain(&p, n_out, n - n_out);
		pair_destroy(&p);
	}
}

static void test_longest_chain(void **state)
{
	struct ring_pair p;

	pair_init(&p, 0, 32768, 0, 0);
	pass_chain(&p, 32768, 0);
	pass_chain(&p, 1, 32767);
	pair_destroy(&p);
	/* An indirect table may be longer than the ring. */
	pair_init(&p, INDIRECT, 2, 0, 32768);
	pass_chain(&p, 20000, 12768);
	pair_destroy(&p);
}

/* Direct descriptors, then a table (2.7.5.3.2); buffers of no length; a table anywhere. */
static void test_mixed_chain(void **state)
{
	struct ring_pair p;
	struct ring_chain c;
	struct vring_desc *d, table[4] = {
		{ PAIR_BUF_ADDR + 2, 3, NEXT, 2 },
		{ 0, 0, 0, 0 },
		{ UINT64_MAX, 0, NEXT, 3 }, /* no length: address does not matter */
		{ PAIR_BUF_ADDR + 5, 7, WRITE, 0 },
	};
	/* In one region, at an odd address, and across two: each descriptor, and inside of one. */
	static const uint64_t at[] = { PAIR_BUF_ADDR + 4096, PAIR_BUF_ADDR + 4097,
				       PAIR_NEXT_ADDR - 16,  PAIR_NEXT_ADDR - 24,
				       PAIR_NEXT_ADDR - 7,   PAIR_NEXT_ADDR };

	pair_init(&p, INDIRECT, 4, 0, 0);
	d = pair_desc(&p);
	for (size_t i = 0; i < ARRAY_SIZE(at); i++) {
		for (unsigned j = 0; j < sizeof(table); j++) {
			uint64_t len, a = at[i] + j;

			*(uint8_t *)guestmem_lookup(p.mem, a, &len) = ((uint8_t *)table)[j];
		}
		d[1] = (struct vring_desc){ PAIR_BUF_ADDR, 2, NEXT, 3 };
		/* WRITE is ignored beside INDIRECT. */
		d[3] = (struct vring_desc){ at[i], sizeof(table), TABLE | WRITE, 0 };
		pair_offer(&p, 1);
		assert_int_equal(take(&p, &c, 1), 1);
		assert_int_equal(c.n_out, 2);
		assert_int_equal(c.n_in, 1);
		assert_int_equal(c.out_len, 5);
		assert_int_equal(c.in_len, 7);
		assert_ptr_equal(c.iov[0].iov_base, p.buf);
		assert_ptr_equal(c.iov[1].iov_base, p.buf + 2);
		assert_ptr_equal(c.iov[2].iov_base, p.buf + 5);
		ring_complete(&p.device, NULL, 1);
	}
	pair_destroy(&p);
}

static void test_empty_chain(void **state)
{
	struct ring_pair p;
	struct ring_chain c;

	pair_init(&p, 0, 4, 0, 0);
	pair_desc(&p)[0] = (struct vring_desc){ 0, 0, 0, 0 };
	pair_offer(&p, 0);
	assert_int_equal(take(&p, &c, 1), 1);
	assert_int_equal(c.n_out + c.n_in, 0);
	assert_int_equal(c.out_len + c.in_len, 0);
	ring_complete(&p.device, NULL, 1);
	assert_false(ring_broken(&p.device));
	pair_destroy(&p);
}

static void test_straddle(void **state)
{
	struct ring_pair p;
	struct ring_chain c;

	pair_init(&p, 0, 4, 0, 0);
	pair_desc(&p)[0] = (struct vring_desc){ PAIR_NEXT_ADDR - 100, 300, NEXT, 1 };
	pair_desc(&p)[1] = (struct vring_desc){ PAIR_BUF_ADDR, PAIR_BUF_LEN + 1, WRITE, 0 };
	pair_offer(&p, 0);
	assert_int_equal(take(&p, &c, 1), 1);
	assert_int_equal(c.n_out, 2);
	assert_int_equal(c.n_in, 2);
	assert_int_equal(c.out_len, 300);
	assert_int_equal(c.in_len, PAIR_BUF_LEN + 1);
	assert_ptr_equal(c.iov[0].iov_base, p.buf + PAIR_BUF_LEN - 100);
	assert_int_equal(c.iov[0].iov_len, 100);
	assert_ptr_equal(c.iov[1].iov_base, p.next);
	assert_int_equal(c.iov[1].iov_len, 200);
	assert_int_equal(c.iov[3].iov_len, 1);
	pair_destroy(&p);
}

/* What a hostile guest puts behind one good chain, and what it is found to be. */
struct attack {
	enum ring_fault fault;
	uint64_t features;
	struct vring_desc desc[4];  /* head is 0 */
	struct vring_desc table[4]; /* at PAIR_BUF_ADDR */
	uint16_t head;
};

#define GOOD(flags, next)                              \
	{                                              \
		PAIR_BUF_ADDR + 0x100, 64, flags, next \
	}
#define IND(len)                                     \
	{                                            \
		{                                    \
			PAIR_BUF_ADDR, len, TABLE, 0 \
		}                                    \
	}

static const struct attack attacks[] = {
	{ RING_FAULT_DESC_INDEX, 0, { GOOD(0, 0) }, { { 0 } }, 4 },
	{ RING_FAULT_DESC_INDEX, 0, { GOOD(0, 0) }, { { 0 } }, 65535 },
	{ RING_FAULT_DESC_INDEX, 0, { GOOD(NEXT, 4) }, { { 0 } }, 0 },
	{ RING_FAULT_DESC_INDEX, 0, { GOOD(NEXT, 65535) }, { { 0 } }, 0 },
	{ RING_FAULT_DESC_INDEX, INDIRECT, IND(32), { GOOD(NEXT, 2) }, 0 },
	{ RING_FAULT_LOOP, 0, { GOOD(NEXT, 0) }, { { 0 } }, 0 },
	{ RING_FAULT_LOOP, 0, { GOOD(NEXT, 1), GOOD(NEXT, 2), GOOD(NEXT, 0) }, { { 0 } }, 0 },
	{ RING_FAULT_LOOP, 0, { { 0, 0, NEXT, 1 }, { 0, 0, NEXT, 0 } }, { { 0 } }, 0 },
	{ RING_FAULT_LOOP, INDIRECT, IND(32), { GOOD(NEXT, 1), GOOD(NEXT, 0) }, 0 },
	{ RING_FAULT_ADDRESS, 0, { { 0, 1, 0, 0 } }, { { 0 } }, 0 },
	{ RING_FAULT_ADDRESS, 0, { { PAIR_BUF_ADDR - 1, 2, 0, 0 } }, { { 0 } }, 0 },
	{ RING_FAULT_ADDRESS, 0, { { PAIR_NEXT_ADDR, PAIR_NEXT_LEN + 1, 0, 0 } }, { { 0 } }, 0 },
	{ RING_FAULT_ADDRESS, 0, { { UINT64_MAX, 1, WRITE, 0 } }, { { 0 } }, 0 },
	{ RING_FAULT_ADDRESS, 0, { { UINT64_MAX - 5, UINT32_MAX, 0, 0 } }, { { 0 } }, 0 },
	{ RING_FAULT_ADDRESS, 0, { { PAIR_BUF_ADDR, UINT32_MAX, 0, 0 } }, { { 0 } }, 0 },
	{ RING_FAULT_ADDRESS, INDIRECT, { { 0, 16, TABLE, 0 } }, { { 0 } }, 0 },
	{ RING_FAULT_ADDRESS, INDIRECT, { { UINT64_MAX - 15, 16, TABLE, 0 } }, { { 0 } }, 0 },
	{ RING_FAULT_ADDRESS, INDIRECT, { { UINT64_MAX - 16, 16, TABLE, 0 } }, { { 0 } }, 0 },
	{ RING_FAULT_ADDRESS,
	  INDIRECT,
	  { { PAIR_NEXT_ADDR + PAIR_NEXT_LEN - 8, 16, TABLE, 0 } },
	  { { 0 } },
	  0 },
	{ RING_FAULT_ADDRESS, INDIRECT, IND(16), { { 1, 1, 0, 0 } }, 0 },
	{ RING_FAULT_CHAIN_LENGTH,
	  0,
	  { GOOD(NEXT, 1), { PAIR_BUF_ADDR, UINT32_MAX, 0, 0 } },
	  { { 0 } },
	  0 },
	{ RING_FAULT_CHAIN_LENGTH,
	  0,
	  { GOOD(NEXT, 1), { PAIR_BUF_ADDR, UINT32_MAX, WRITE, 0 } },
	  { { 0 } },
	  0 },
	{ RING_FAULT_DIRECTION, 0, { GOOD(WRITE | NEXT, 1), GOOD(0, 0) }, { { 0 } }, 0 },
	{ RING_FAULT_DIRECTION, 0, { { 0, 0, WRITE | NEXT, 1 }, { 0, 0, 0, 0 } }, { { 0 } }, 0 },
	{ RING_FAULT_DIRECTION, INDIRECT, IND(32), { GOOD(WRITE | NEXT, 1), GOOD(0, 0) }, 0 },
	{ RING_FAULT_DIRECTION,
	  INDIRECT,
	  { GOOD(WRITE | NEXT, 1), { PAIR_BUF_ADDR, 16, TABLE, 0 } },
	  { GOOD(0, 0) },
	  0 },
	{ RING_FAULT_INDIRECT_FEATURE, 0, IND(16), { GOOD(0, 0) }, 0 },
	{ RING_FAULT_INDIRECT_NESTED, INDIRECT, IND(16), { { PAIR_BUF_ADDR, 16, TABLE, 0 } }, 0 },
	{ RING_FAULT_INDIRECT_NEXT,
	  INDIRECT,
	  { { PAIR_BUF_ADDR, 16, TABLE | NEXT, 1 }, GOOD(0, 0) },
	  { GOOD(0, 0) },
	  0 },
	{ RING_FAULT_INDIRECT_SIZE, INDIRECT, IND(0), { GOOD(0, 0) }, 0 },
	{ RING_FAULT_INDIRECT_SIZE, INDIRECT, IND(15), { GOOD(0, 0) }, 0 },
	{ RING_FAULT_INDIRECT_SIZE, INDIRECT, IND(17), { GOOD(0, 0) }, 0 },
	{ RING_FAULT_INDIRECT_SIZE, INDIRECT, IND(16 * 32769), { GOOD(0, 0) }, 0 },
	{ RING_FAULT_INDIRECT_SIZE, INDIRECT, IND(UINT32_MAX - 15), { GOOD(0, 0) }, 0 },
};

static void test_attacks(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(attacks); i++) {
		const struct attack *a = &attacks[i];
		struct ring_chain chains[4];
		struct ring_pair p;

		pair_init(&p, a->features, 4, 0, 0);
		/* A good chain first: it is handed out, the bad one is not. */
		pair_desc(&p)[3] = (struct vring_desc)GOOD(0, 0);
		pair_offer(&p, 3);
		memcpy(p.buf, a->table, sizeof(a->table));
		memcpy(pair_desc(&p), a->desc, 3 * sizeof(a->desc[0]));
		pair_offer(&p, a->head);
		assert_int_equal(take(&p, chains, 4), 1);
		assert_ptr_equal(chains[0].iov[0].iov_base, p.buf + 0x100);
		assert_false(ring_broken(&p.device));
		assert_int_equal(take(&p, chains, 4), 0);
		if (p.device.fault != a->fault)
			fail_msg("attack %zu: \"%s\" instead of \"%s\"", i,
				 ring_fault_text(p.device.fault), ring_fault_text(a->fault));

		/* A broken ring gives and takes nothing, and does not sleep for ever on that. */
		ring_complete(&p.device, NULL, 1);
		assert_int_equal(pair_used(&p)->idx, 0);
		assert_int_equal(p.device.n_taken, 0);
		assert_false(ring_wants_notify(&p.device));
		assert_false(ring_enable_kick(&p.device));
		ring_disable_kick(&p.device);
		ring_break(&p.device, RING_FAULT_UNMAPPED);
		assert_int_equal(p.device.fault, a->fault);
		pair_destroy(&p);
	}
}

static void test_avail_index(void **state)
{
	struct ring_chain chains[8];
	struct ring_pair p;

	/* One more than the ring has entries, and everything behind that. */
	for (unsigned jump = 5; jump < 65536; jump += 1 + jump / 3) {
		pair_init(&p, 0, 4, 100, 0);
		pair_avail(&p)->idx = (uint16_t)(100 + jump);
		assert_int_equal(take(&p, chains, 8), 0);
		assert_int_equal(p.device.fault, RING_FAULT_AVAIL_INDEX);
		pair_destroy(&p);
	}

	/* What is in flight counts. */
	pair_init(&p, 0, 4, 0, 0);
	for (uint16_t i = 0; i < 4; i++)
		pair_offer(&p, i);
	assert_int_equal(take(&p, chains, 3), 3);
	pair_offer(&p, 0);
	/* The fourth was announced when all was well. */
	assert_int_equal(take(&p, chains + 3, 8), 1);
	assert_false(ring_broken(&p.device));
	assert_int_equal(take(&p, chains + 4, 8), 0);
	assert_int_equal(p.device.fault, RING_FAULT_AVAIL_INDEX);
	pair_destroy(&p);
}

/* A chain in more pieces than the longest legal one can have. */
static void test_too_many_pieces(void **state)
{
	struct ring_chain c;
	struct ring_pair p;
	struct vring_desc *d;

	pair_init(&p, 0, 32768, 0, 0);
	d = pair_desc(&p);
	for (unsigned i = 0; i < 32768; i++)
		d[i] = (struct vring_desc){ PAIR_NEXT_ADDR - 1, 2, NEXT, (uint16_t)(i + 1) };
	d[32767].flags = 0;
	pair_offer(&p, 0);
	/* It may be that only the arena is too short: no fault. */
	assert_int_equal(ring_take(&p.device, p.mem, &c, 1, arena, 1000), 0);
	assert_false(ring_broken(&p.device));
	assert_int_equal(take(&p, &c, 1), 0);
	assert_int_equal(p.device.fault, RING_FAULT_CHAIN_LENGTH);
	pair_destroy(&p);
}

/* Chains that are long and hold nothing do not keep a worker for long. */
static void test_long_work(void **state)
{
	struct ring_chain chains[32];
	struct ring_pair p;

	pair_init(&p, 0, 32768, 0, 0);
	for (unsigned i = 0; i < 32768; i++)
		pair_desc(&p)[i] =
			(struct vring_desc){ 0, 0, i == 32767 ? 0 : NEXT, (uint16_t)(i + 1) };
	for (unsigned i = 0; i < 32; i++)
		pair_offer(&p, i < 2 ? 16384 : 0);
	assert_int_equal(take(&p, chains, 32), 2);
	assert_int_equal(take(&p, chains, 32), 1);
	assert_false(ring_broken(&p.device));
	pair_destroy(&p);
}

static void test_arena(void **state)
{
	struct ring_chain chains[8];
	struct iovec iov[3];
	struct ring_pair p;

	pair_init(&p, 0, 64, 0, 0);
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
	assert_int_equal(pair_used(&p)->idx, 8);
	pair_destroy(&p);
}

static void test_in_flight(void **state)
{
	struct ring_chain chains[256];
	struct ring_pair p;

	pair_init(&p, 0, 256, 0, 0);
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
	assert_int_equal(ring_base(&p.device), 1);
	assert_int_equal(take(&p, chains, 256), 50);
	assert_ptr_equal(chains[0].iov[0].iov_base, p.buf + RING_TAKE_MAX + 1 - 50);
	ring_untake(&p.device, 0);
	ring_complete(&p.device, NULL, RING_TAKE_MAX);
	assert_int_equal(pair_used(&p)->idx, RING_TAKE_MAX + 1);
	pair_destroy(&p);
}

/* The driver rewrites everything after the take: what was handed out stays what it was. */
static void test_rewrite_after_take(void **state)
{
	struct ring_chain c;
	struct ring_pair p;

	pair_init(&p, 0, 4, 0, 0);
	pair_desc(&p)[2] = (struct vring_desc)GOOD(0, 0);
	pair_offer(&p, 2);
	assert_int_equal(take(&p, &c, 1), 1);
	memset(pair_desc(&p), 0xff, 64);
	pair_avail(&p)->ring[0] = 0xffff;
	assert_ptr_equal(c.iov[0].iov_base, p.buf + 0x100);
	assert_int_equal(c.iov[0].iov_len, 64);
	ring_complete(&p.device, NULL, 1);
	assert_int_equal(pair_used(&p)->ring[0].id, 2);
	pair_destroy(&p);
}

/* The used index says where a ring goes on. */
static void test_resume(void **state)
{
	struct ring_chain c;
	struct ring_config config;
	struct ring_pair p;
	struct error err;
	uint32_t len;

	pair_init(&p, 0, 4, 0, 0);
	for (unsigned i = 0; i < 3; i++) {
		struct iovec v = { p.buf + i, 1 };

		assert_int_equal(driver_ring_add(&p.driver, &v, 1, NULL, 0, p.buf + i), 0);
	}
	driver_ring_publish(&p.driver);
	assert_int_equal(take(&p, &c, 1), 1);
	ring_complete(&p.device, NULL, 1);
	assert_int_equal(take(&p, &c, 1), 1); /* in flight when the device dies */
	assert_int_equal(driver_ring_base(&p.driver), 1);

	config = pair_device_config(&p);
	config.next_avail = 0;
	assert_int_equal(ring_start(&p.device, &config, &err), 0);
	assert_int_equal(ring_base(&p.device), 1);
	assert_int_equal(take(&p, &c, 1), 1);
	assert_ptr_equal(c.iov[0].iov_base, p.buf + 1);
	ring_complete(&p.device, NULL, 1);
	/* Nobody knows what the dead one told: the first time the driver is called. */
	driver_ring_disable_call(&p.driver);
	assert_ptr_equal(driver_ring_get(&p.driver, &len), p.buf);
	assert_ptr_equal(driver_ring_get(&p.driver, &len), p.buf + 1);
	assert_null(driver_ring_get(&p.driver, &len));
	pair_destroy(&p);
}

static void add_one(struct ring_pair *p)
{
	struct iovec v = { p->buf, 1 };

	assert_int_equal(driver_ring_add(&p->driver, &v, 1, NULL, 0, p), 0);
	driver_ring_publish(&p->driver);
}

static void use_one(struct ring_pair *p)
{
	struct ring_chain c;

	assert_int_equal(take(p, &c, 1), 1);
	ring_complete(&p->device, NULL, 1);
}

static void test_kick(void **state)
{
	for (unsigned event = 0; event <= 1; event++) {
		/* Around the wrap of the index too. */
		for (unsigned start = 65530; start < 65541; start++) {
			struct ring_pair p;

			pair_init(&p, event ? EVENT_IDX : 0, 16, (uint16_t)start, 0);
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
			assert_false(event == 0 && driver_ring_wants_kick(&p.driver));
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

static void test_call(void **state)
{
	for (unsigned event = 0; event <= 1; event++) {
		for (unsigned start = 65530; start < 65541; start++) {
			struct ring_pair p;
			uint32_t len;

			pair_init(&p, event ? EVENT_IDX : 0, 16, (uint16_t)start, 0);
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
			assert_false(event == 0 && ring_wants_notify(&p.device));
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_start_refused),
		cmocka_unit_test(test_fault_texts),
		cmocka_unit_test(test_wrap),
		cmocka_unit_test(test_chain_lengths),
		cmocka_unit_test(test_longest_chain),
		cmocka_unit_test(test_mixed_chain),
		cmocka_unit_test(test_empty_chain),
		cmocka_unit_test(test_straddle),
		cmocka_unit_test(test_attacks),
		cmocka_unit_test(test_avail_index),
		cmocka_unit_test(test_too_many_pieces),
		cmocka_unit_test(test_arena),
		cmocka_unit_test(test_long_work),
		cmocka_unit_test(test_in_flight),
		cmocka_unit_test(test_rewrite_after_take),
		cmocka_unit_test(test_resume),
		cmocka_unit_test(test_kick),
		cmocka_unit_test(test_call),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
