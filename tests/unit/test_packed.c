// SPDX-License-Identifier: Apache-2.0
/* Packed ring, device side: format, faults, limits, notifications, where it starts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "ring_pass.h"

#define NEXT VRING_DESC_F_NEXT
#define WRITE VRING_DESC_F_WRITE
#define TABLE VRING_DESC_F_INDIRECT
#define AVAIL PACKED_F_AVAIL
#define USED PACKED_F_USED

/* Writes a descriptor that is available at a position with this wrap counter. */
static void put(struct ring_pair *p, unsigned at, struct vring_packed_desc d, bool wrap)
{
	d.flags |= (uint16_t)packed_avail_bits(wrap);
	pair_packed(p)[at] = d;
}

static void check_used(struct ring_pair *p, unsigned at, uint16_t id, uint32_t len, unsigned flags)
{
	const struct vring_packed_desc *d = &pair_packed(p)[at];

	assert_int_equal(d->id, id);
	assert_int_equal(d->len, len);
	assert_int_equal(d->flags, flags);
}

static void test_start_refused(void **state)
{
	static const uint32_t bases[] = { 0, 0x8000, 0x80008000, 0x80068006, 0x00068006, 0x6 };
	static const uint32_t wrong[] = { 7, 0x8007, 0x80078000, 0xffffffff, 0x00078000 };
	struct ring_pair p;
	struct ring_config good, c;
	struct ring ring;
	struct error err;

	pair_init(&p, PACKED, 7, 0, 0);
	good = pair_device_config(&p);
	for (size_t i = 0; i < ARRAY_SIZE(bases); i++) {
		c = good;
		c.base = bases[i];
		assert_int_equal(ring_start(&ring, &c, &err), 0);
		assert_string_equal(ring.ops->name, "packed");
	}
	for (unsigned i = 0; i < 7 + ARRAY_SIZE(wrong); i++) {
		c = good;
		switch (i) {
		case 0:
			c.size = 0;
			break;
		case 1:
			c.size = 32769;
			break;
		case 2:
			c.desc = (uint8_t *)c.desc + 8;
			break;
		case 3:
			c.driver = (uint8_t *)c.driver + 2;
			break;
		case 4:
			c.device = (uint8_t *)c.device + 2;
			break;
		case 5:
			c.desc = NULL;
			break;
		case 6:
			c.driver = NULL;
			break;
		default:
			c.base = wrong[i - 7];
		}
		err.text[0] = 0;
		assert_int_equal(ring_start(&ring, &c, &err), -EINVAL);
		assert_null(ring.ops);
		assert_true(err.text[0]);
	}
	pair_destroy(&p);
}

static void test_wrap(void **state)
{
	static const uint32_t sizes[] = { 1, 2, 3, 7, 256, 1000, 32767, 32768 };

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		pass_many(PACKED, sizes[i], 0);
		pass_many(PACKED | EVENT_IDX, sizes[i], 65535);
		pass_many(PACKED | IN_ORDER, sizes[i], 12345);
	}
}

/* The bytes in the ring are those of virtio 1.2, 2.8. */
static void test_format(void **state)
{
	struct ring_chain chains[4];
	struct ring_pair p;
	uint32_t lens[] = { 0, 70, 0 };

	pair_init(&p, PACKED, 5, 3, 0);
	/* A chain of one; one of three that wraps, whose id is that of its last. */
	put(&p, 3, (struct vring_packed_desc){ PAIR_BUF_ADDR, 10, 7, 0 }, true);
	put(&p, 4, (struct vring_packed_desc){ PAIR_BUF_ADDR + 1, 11, 8, NEXT }, true);
	put(&p, 0, (struct vring_packed_desc){ PAIR_BUF_ADDR + 2, 12, 9, NEXT | WRITE }, false);
	put(&p, 1, (struct vring_packed_desc){ PAIR_BUF_ADDR + 3, 13, 65535, WRITE }, false);
	assert_int_equal(take(&p, chains, 4), 2);
	assert_int_equal(chains[0].id, 7);
	assert_int_equal(chains[1].id, 65535);
	assert_int_equal(chains[1].n_out, 1);
	assert_int_equal(chains[1].n_in, 2);
	assert_int_equal(chains[1].in_len, 25);
	put(&p, 2, (struct vring_packed_desc){ PAIR_BUF_ADDR, 10, 1, 0 }, true);
	assert_int_equal(take(&p, chains, 4), 0); /* of the last time around */
	put(&p, 2, (struct vring_packed_desc){ PAIR_BUF_ADDR, 10, 1, 0 }, false);
	assert_int_equal(take(&p, chains, 4), 1);

	ring_complete(&p.device, lens, 3);
	check_used(&p, 3, 7, 0, AVAIL | USED);
	check_used(&p, 4, 65535, 70, AVAIL | USED | WRITE);
	check_used(&p, 2, 1, 0, 0);
	assert_int_equal(ring_base(&p.device), 0x00030003);
	assert_int_equal(take(&p, chains, 4), 0);
	assert_false(ring_broken(&p.device));
	pair_destroy(&p);
}

/* One used descriptor for a batch; each its own when there are lengths. */
static void test_in_order(void **state)
{
	struct ring_chain chains[4];
	struct ring_pair p;
	uint32_t lens[] = { 5, 6 };

	pair_init(&p, PACKED | IN_ORDER, 8, 0, 0);
	for (uint16_t i = 0; i < 6; i++)
		put(&p, i,
		    (struct vring_packed_desc){ PAIR_BUF_ADDR, 10, (uint16_t)(i + 20),
						i == 1 ? NEXT : 0 },
		    true);
	assert_int_equal(take(&p, chains, 3), 3);
	ring_complete(&p.device, NULL, 3);
	check_used(&p, 0, 23, 0, AVAIL | USED);
	check_used(&p, 1, 21, 10, AVAIL | NEXT); /* not touched */
	check_used(&p, 3, 23, 10, AVAIL);
	assert_int_equal(take(&p, chains, 4), 2);
	ring_complete(&p.device, lens, 2);
	check_used(&p, 4, 24, 5, AVAIL | USED | WRITE);
	check_used(&p, 5, 25, 6, AVAIL | USED | WRITE);
	pair_destroy(&p);
}

static void test_chain_lengths(void **state)
{
	pass_lengths(PACKED);
}

static void test_longest_chain(void **state)
{
	pass_longest(PACKED);
}

/* Tables at any address, whose flags mean nothing except for WRITE. */
static void test_table(void **state)
{
	static const uint64_t at[] = { PAIR_BUF_ADDR + 4096, PAIR_BUF_ADDR + 4097,
				       PAIR_NEXT_ADDR - 16,  PAIR_NEXT_ADDR - 24,
				       PAIR_NEXT_ADDR - 7,   PAIR_NEXT_ADDR };
	struct vring_packed_desc table[3] = {
		{ PAIR_BUF_ADDR + 2, 3, 9, TABLE },
		{ UINT64_MAX, 0, 9, AVAIL }, /* no length: address does not matter */
		{ PAIR_BUF_ADDR + 5, 7, 9, WRITE | NEXT },
	};
	struct ring_pair p;
	struct ring_chain c;

	pair_init(&p, PACKED | INDIRECT, 6, 0, 0);
	for (unsigned i = 0; i < ARRAY_SIZE(at); i++) {
		for (unsigned j = 0; j < sizeof(table); j++) {
			uint64_t len, a = at[i] + j;

			*(uint8_t *)guestmem_lookup(p.mem, a, &len) = ((uint8_t *)table)[j];
		}
		/* WRITE is ignored beside INDIRECT. */
		put(&p, i, (struct vring_packed_desc){ at[i], sizeof(table), 77, TABLE | WRITE },
		    true);
		assert_int_equal(take(&p, &c, 1), 1);
		assert_int_equal(c.id, 77);
		assert_int_equal(c.n_out, 1);
		assert_int_equal(c.n_in, 1);
		assert_int_equal(c.out_len, 3);
		assert_int_equal(c.in_len, 7);
		assert_ptr_equal(c.iov[0].iov_base, p.buf + 2);
		assert_ptr_equal(c.iov[1].iov_base, p.buf + 5);
		ring_complete(&p.device, NULL, 1);
		check_used(&p, i, 77, 0, AVAIL | USED);
	}
	pair_destroy(&p);
}

/* What a hostile guest puts behind one good chain, and what it is found to be. */
struct attack {
	enum ring_fault fault;
	uint64_t features;
	struct vring_packed_desc desc[3];
	struct vring_packed_desc table[2]; /* at PAIR_BUF_ADDR */
};

#define GOOD(flags)                                 \
	{                                           \
		PAIR_BUF_ADDR + 0x100, 64, 5, flags \
	}
#define IND(len)                                     \
	{                                            \
		{                                    \
			PAIR_BUF_ADDR, len, 5, TABLE \
		}                                    \
	}

static const struct attack attacks[] = {
	{ RING_FAULT_LOOP, 0, { GOOD(NEXT), GOOD(NEXT), GOOD(NEXT) }, { { 0 } } },
	{ RING_FAULT_ADDRESS, 0, { { 0, 1, 0, 0 } }, { { 0 } } },
	{ RING_FAULT_ADDRESS, 0, { { PAIR_BUF_ADDR - 1, 2, 0, 0 } }, { { 0 } } },
	{ RING_FAULT_ADDRESS, 0, { { PAIR_NEXT_ADDR, PAIR_NEXT_LEN + 1, 0, 0 } }, { { 0 } } },
	{ RING_FAULT_ADDRESS, 0, { { UINT64_MAX, 1, 0, WRITE } }, { { 0 } } },
	{ RING_FAULT_ADDRESS, 0, { GOOD(NEXT), { 0, 1, 0, 0 } }, { { 0 } } },
	{ RING_FAULT_ADDRESS, INDIRECT, { { 0, 16, 0, TABLE } }, { { 0 } } },
	{ RING_FAULT_ADDRESS, INDIRECT, { { UINT64_MAX - 15, 16, 0, TABLE } }, { { 0 } } },
	{ RING_FAULT_ADDRESS,
	  INDIRECT,
	  { { PAIR_NEXT_ADDR + PAIR_NEXT_LEN - 8, 16, 0, TABLE } },
	  { { 0 } } },
	{ RING_FAULT_ADDRESS, INDIRECT, IND(32), { GOOD(0), { 1, 1, 0, 0 } } },
	{ RING_FAULT_CHAIN_LENGTH,
	  0,
	  { GOOD(NEXT), { PAIR_BUF_ADDR, UINT32_MAX, 0, 0 } },
	  { { 0 } } },
	{ RING_FAULT_DIRECTION, 0, { GOOD(WRITE | NEXT), GOOD(0) }, { { 0 } } },
	{ RING_FAULT_DIRECTION, INDIRECT, IND(32), { GOOD(WRITE), GOOD(0) } },
	{ RING_FAULT_INDIRECT_FEATURE, 0, IND(16), { GOOD(0) } },
	{ RING_FAULT_INDIRECT_NEXT,
	  INDIRECT,
	  { { PAIR_BUF_ADDR, 16, 0, TABLE | NEXT }, GOOD(0) },
	  { GOOD(0) } },
	{ RING_FAULT_INDIRECT_NEXT,
	  INDIRECT,
	  { GOOD(NEXT), { PAIR_BUF_ADDR, 16, 0, TABLE } },
	  { GOOD(0) } },
	{ RING_FAULT_INDIRECT_SIZE, INDIRECT, IND(0), { GOOD(0) } },
	{ RING_FAULT_INDIRECT_SIZE, INDIRECT, IND(17), { GOOD(0) } },
	{ RING_FAULT_INDIRECT_SIZE, INDIRECT, IND(16 * 32769), { GOOD(0) } },
	{ RING_FAULT_INDIRECT_SIZE, INDIRECT, IND(UINT32_MAX - 15), { GOOD(0) } },
};

static void test_attacks(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(attacks); i++) {
		const struct attack *a = &attacks[i];
		struct ring_chain chains[4];
		struct ring_pair p;

		pair_init(&p, PACKED | a->features, 4, 0, 0);
		memcpy(p.buf, a->table, sizeof(a->table));
		put(&p, 0, (struct vring_packed_desc)GOOD(0), true);
		for (unsigned j = 0; j < 3; j++)
			put(&p, j + 1, a->desc[j], true);
		assert_int_equal(take(&p, chains, 4), 1);
		assert_false(ring_broken(&p.device));
		assert_int_equal(take(&p, chains, 4), 0);
		if (p.device.fault != a->fault)
			fail_msg("attack %zu: \"%s\" instead of \"%s\"", i,
				 ring_fault_text(p.device.fault), ring_fault_text(a->fault));

		/* A broken ring gives and takes nothing, and does not sleep for ever on that. */
		ring_complete(&p.device, NULL, 1);
		check_used(&p, 0, 5, 64, AVAIL);
		assert_int_equal(p.device.n_taken, 0);
		assert_false(ring_wants_notify(&p.device));
		assert_false(ring_enable_kick(&p.device));
		ring_disable_kick(&p.device);
		assert_int_equal(*(uint32_t *)p.driver.device, 0);
		pair_destroy(&p);
	}
}

/* Available again while the device still has it. */
static void test_avail_again(void **state)
{
	struct ring_chain chains[4];
	struct ring_pair p;

	pair_init(&p, PACKED, 3, 0, 0);
	for (unsigned i = 0; i < 3; i++)
		put(&p, i, (struct vring_packed_desc)GOOD(0), true);
	assert_int_equal(take(&p, chains, 4), 3);
	assert_int_equal(take(&p, chains, 4), 0);
	assert_false(ring_broken(&p.device));
	put(&p, 0, (struct vring_packed_desc)GOOD(0), false);
	assert_int_equal(take(&p, chains, 4), 0);
	assert_int_equal(p.device.fault, RING_FAULT_AVAIL_INDEX);
	pair_destroy(&p);

	/* A chain that reaches into what is in flight. */
	pair_init(&p, PACKED, 4, 0, 0);
	for (unsigned i = 0; i < 4; i++)
		put(&p, i, (struct vring_packed_desc)GOOD(i < 2 ? 0 : NEXT), true);
	assert_int_equal(take(&p, chains, 2), 2);
	assert_int_equal(take(&p, chains, 2), 0);
	assert_int_equal(p.device.fault, RING_FAULT_LOOP);
	pair_destroy(&p);
}

/* A chain in more pieces than the longest legal one can have. */
static void test_too_many_pieces(void **state)
{
	struct ring_chain c;
	struct ring_pair p;

	pair_init(&p, PACKED, 32768, 0, 0);
	for (unsigned i = 0; i < 32768; i++)
		put(&p, i,
		    (struct vring_packed_desc){ PAIR_NEXT_ADDR - 1, 2, 0, i < 32767 ? NEXT : 0 },
		    true);
	/* It may be that only the arena is too short: no fault. */
	assert_int_equal(ring_take(&p.device, p.mem, &c, 1, arena, 1000), 0);
	assert_false(ring_broken(&p.device));
	assert_int_equal(take(&p, &c, 1), 0);
	assert_int_equal(p.device.fault, RING_FAULT_CHAIN_LENGTH);
	pair_destroy(&p);
}

/* Tables that are long and hold nothing do not keep a worker for long. */
static void test_long_work(void **state)
{
	struct ring_chain chains[32];
	struct ring_pair p;

	pair_init(&p, PACKED | INDIRECT, 32, 0, 0);
	for (unsigned i = 0; i < 32; i++)
		put(&p, i, (struct vring_packed_desc){ PAIR_BUF_ADDR, 32768, 0, TABLE }, true);
	assert_int_equal(take(&p, chains, 32), 16); /* 2048 descriptors each */
	assert_int_equal(take(&p, chains, 32), 16);
	assert_false(ring_broken(&p.device));
	pair_destroy(&p);
}

static void test_arena(void **state)
{
	pass_arena(PACKED);
}

static void test_in_flight(void **state)
{
	pass_in_flight(PACKED);
}

/* What was in flight when the device died is taken again. */
static void test_resume(void **state)
{
	struct ring_chain c;
	struct ring_pair p;
	struct ring_config config;
	struct error err;
	uint32_t len;

	pair_init(&p, PACKED, 3, 65535, 0);
	for (unsigned i = 0; i < 3; i++) {
		struct iovec v = { p.buf + i, 1 };

		assert_int_equal(driver_ring_add(&p.driver, &v, 1, NULL, 0, p.buf + i), 0);
	}
	driver_ring_publish(&p.driver);
	assert_int_equal(take(&p, &c, 1), 1);
	ring_complete(&p.device, NULL, 1);
	assert_int_equal(take(&p, &c, 1), 1);
	config = pair_device_config(&p);
	assert_int_equal(config.base, pass_base(&p, 65536));
	assert_int_equal(config.base, ring_base(&p.device));
	/* As a back-end says it that has taken more than it has completed. */
	config.base = (config.base & 0xffff0000) | packed_position(2, !(65537 / 3 & 1));
	assert_int_equal(ring_start(&p.device, &config, &err), 0);
	assert_int_equal(take(&p, &c, 1), 1);
	assert_ptr_equal(c.iov[0].iov_base, p.buf + 1);
	ring_complete(&p.device, NULL, 1);
	assert_ptr_equal(driver_ring_get(&p.driver, &len), p.buf);
	assert_ptr_equal(driver_ring_get(&p.driver, &len), p.buf + 1);
	assert_null(driver_ring_get(&p.driver, &len));
	pair_destroy(&p);
}

/* A front-end that has forgotten where the ring was, or never said it. */
static void test_lost_position(void **state)
{
	struct ring_pair p;
	struct ring_config config;
	struct ring_chain c;
	struct ring ring;
	struct error err;

	pair_init(&p, PACKED, 4, 0, 0);
	config = pair_device_config(&p);
	add_one(&p);
	add_one(&p);
	use_one(&p);
	assert_int_equal(ring_start(&ring, &config, &err), 0);
	assert_int_equal(ring.fault, RING_FAULT_POSITION);
	assert_int_equal(ring_take(&ring, p.mem, &c, 1, arena, RING_ARENA_LEN), 0);
	config.base = ring_base(&p.device);
	assert_int_equal(ring_start(&ring, &config, &err), 0);
	assert_int_equal(ring.fault, RING_OK);
	config.base = 0;
	assert_int_equal(ring_start(&ring, &config, &err), 0);
	assert_int_equal(ring.fault, RING_FAULT_POSITION);
	pair_destroy(&p);
}

static void test_kick(void **state)
{
	pass_kicks(PACKED);
}

static void test_early_looks(void **state)
{
	pass_early_looks(PACKED);
}

static void test_call(void **state)
{
	pass_calls(PACKED);
}

/* An event at each place of the ring, and batches of each length before each place. */
static void test_events(void **state)
{
	for (unsigned size = 1; size <= 5; size++)
		for (unsigned n = 1; n <= size; n++)
			for (unsigned end = 0; end < 2 * size; end++)
				for (unsigned event = 0; event < 2 * size; event++) {
					uint16_t at = (uint16_t)(end % size);
					uint16_t at_event = (uint16_t)(event % size);
					unsigned ago = (2 * size + end - event) % (2 * size);
					uint32_t word = packed_position(at_event, event >= size) |
							VRING_PACKED_EVENT_FLAG_DESC << 16;
					bool wanted = (ago >= 1 && ago <= n) || n == size;

					assert_int_equal(
						packed_wants_event(&word, at, end >= size, n, size),
						wanted);
				}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_start_refused), cmocka_unit_test(test_wrap),
		cmocka_unit_test(test_format),	      cmocka_unit_test(test_in_order),
		cmocka_unit_test(test_chain_lengths), cmocka_unit_test(test_longest_chain),
		cmocka_unit_test(test_table),	      cmocka_unit_test(test_attacks),
		cmocka_unit_test(test_avail_again),   cmocka_unit_test(test_too_many_pieces),
		cmocka_unit_test(test_long_work),     cmocka_unit_test(test_arena),
		cmocka_unit_test(test_in_flight),     cmocka_unit_test(test_resume),
		cmocka_unit_test(test_lost_position), cmocka_unit_test(test_kick),
		cmocka_unit_test(test_call),	      cmocka_unit_test(test_early_looks),
		cmocka_unit_test(test_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
