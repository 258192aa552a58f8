// SPDX-License-Identifier: Apache-2.0
/* Split ring, device side: format, faults, limits, notifications. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "base/compiler.h"
#include "ring_pass.h"

#define NEXT VRING_DESC_F_NEXT
#define WRITE VRING_DESC_F_WRITE
#define TABLE VRING_DESC_F_INDIRECT

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
	for (unsigned i = 0; i < 8; i++) {
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
			c.desc = NULL;
			break;
		case 7:
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

static void test_wrap(void **state)
{
	static const uint32_t sizes[] = { 1, 2, 256, 32768 };

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		pass_many(0, sizes[i], 0);
		pass_many(EVENT_IDX, sizes[i], 65535);
		pass_many(INDIRECT, sizes[i], 12345);
	}
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

/* IN_ORDER: one used element for a batch; each its own when there are lengths. */
static void test_in_order(void **state)
{
	struct ring_chain chains[8];
	struct ring_pair p;
	uint32_t lens[] = { 5, 6 };

	pair_init(&p, IN_ORDER, 8, 7, 0);
	for (unsigned i = 0; i < 5; i++) {
		struct iovec v = { p.buf, 1 };

		assert_int_equal(driver_ring_add(&p.driver, &v, 1, NULL, 0, &p), 0);
	}
	driver_ring_publish(&p.driver);
	assert_int_equal(take(&p, chains, 5), 5);
	pair_used(&p)->ring[0].id = 99;
	ring_complete(&p.device, NULL, 3);
	assert_int_equal(pair_used(&p)->idx, 10);
	assert_int_equal(pair_used(&p)->ring[7].id, 2);
	assert_int_equal(pair_used(&p)->ring[7].len, 0);
	assert_int_equal(pair_used(&p)->ring[0].id, 99); /* not touched */
	ring_complete(&p.device, lens, 2);
	assert_int_equal(pair_used(&p)->ring[2].id, 3);
	assert_int_equal(pair_used(&p)->ring[2].len, 5);
	assert_int_equal(pair_used(&p)->ring[3].id, 4);
	assert_int_equal(pair_used(&p)->ring[3].len, 6);
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
	config.base = 0;
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

static void test_chain_lengths(void **state)
{
	pass_lengths(0);
}

static void test_longest_chain(void **state)
{
	pass_longest(0);
}

static void test_arena(void **state)
{
	pass_arena(0);
}

static void test_in_flight(void **state)
{
	pass_in_flight(0);
}

static void test_kick(void **state)
{
	pass_kicks(0);
}

static void test_early_looks(void **state)
{
	pass_early_looks(0);
}

static void test_call(void **state)
{
	pass_calls(0);
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
		cmocka_unit_test(test_in_order),
		cmocka_unit_test(test_resume),
		cmocka_unit_test(test_kick),
		cmocka_unit_test(test_call),
		cmocka_unit_test(test_early_looks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
