// SPDX-License-Identifier: Apache-2.0
/* What outlives a ring: which states are refused, what is made of the others, and that neither a
 * damaged state nor a guest that has changed its ring meanwhile does harm. tests/crash kills real
 * processes; test_ring_model crashes at random.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>

#include "ring_pass.h"

#define SIZE 8

/* A pair of ends whose device has a state of ours, and runs. */
static struct ring_config begin(struct ring_pair *p, uint64_t features, struct ring_state *state)
{
	struct ring_config config;
	struct error err;

	pair_init(p, features, SIZE, 0, 0);
	config = pair_device_config(p);
	config.state = state;
	assert_int_equal(ring_start(&p->device, &config, &err), 0);
	return config;
}

/* The driver adds @n chains of one buffer, the ith of which is i bytes. */
static void add(struct ring_pair *p, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct iovec v = { p->buf, i + 1 };

		assert_int_equal(driver_ring_add(&p->driver, NULL, 0, &v, 1, p->buf + i), 0);
	}
	driver_ring_publish(&p->driver);
}

static int resume(struct ring *ring, struct ring_config config, struct error *err)
{
	config.resume = true;
	config.base = 0xffffffff; /* does not matter */
	err->text[0] = 0;
	return ring_start(ring, &config, err);
}

/* A change to a good state that makes it a bad one, and what is said of it. */
struct damage {
	const char *text;
	uint64_t running, position, fault; /* added to what is there */
	uint32_t taken;			   /* what is in all of taken[]; 0: as it is */
};

/* As in the position: chains that are being completed. */
#define COMPLETING(n) ((uint64_t)(n) << 32)

static void check_refused(uint64_t features, const struct damage *damage)
{
	struct ring_state state = { 0 }, copy;
	struct ring_config config;
	struct ring_pair p;
	struct ring ring;
	struct error err;

	config = begin(&p, features, &state);
	state.running += damage->running;
	state.position += damage->position;
	state.fault += (uint32_t)damage->fault;
	for (unsigned i = 0; damage->taken && i < RING_TAKE_MAX; i++)
		state.taken[i] = damage->taken;
	copy = state;
	assert_int_equal(resume(&ring, config, &err), -EINVAL);
	assert_non_null(strstr(err.text, damage->text));
	assert_null(ring.ops);
	assert_memory_equal(&state, &copy, sizeof(state));
	pair_destroy(&p);
}

static void test_refused(void **state)
{
	static const struct damage any[] = {
		{ .text = "layout 2, known is 1", .running = 1 },
		{ .text = "layout 0, known is 1", .running = (uint64_t)-1 },
		{ .text = "of 9 entries", .running = 1ull << 32 },
		{ .text = "packed", .running = 1ull << 16 },
		{ .text = "fault", .fault = RING_N_FAULTS },
		{ .text = "fault", .fault = UINT32_MAX },
	};
	static const struct damage packed[] = {
		{ .text = "damaged", .position = SIZE },
		{ .text = "damaged", .position = 0x7fff },
		{ .text = "damaged", .position = RING_TAKE_MAX << 16 },
		{ .text = "damaged", .position = 0xffffull << 16 },
		{ .text = "damaged", .position = COMPLETING(RING_TAKE_MAX + 1) },
		{ .text = "damaged", .position = COMPLETING(0xffff), .taken = 0x10000 },
		{ .text = "damaged", .position = COMPLETING(1) },
		{ .text = "damaged", .position = COMPLETING(SIZE + 1), .taken = 0x10000 },
		{ .text = "damaged", .position = COMPLETING(3), .taken = 0x30000 },
		{ .text = "damaged", .position = COMPLETING(1), .taken = 0xffffffff },
		{ .text = "damaged", .position = 2ull << 48 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(any); i++) {
		check_refused(PACKED, &any[i]);
		check_refused(0, &any[i]);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(packed); i++)
		check_refused(PACKED, &packed[i]);
}

/* Before a ring has run, after it was stopped, and without a state at all. */
static void test_not_running(void **unused)
{
	static const uint64_t features[] = { 0, PACKED };
	struct ring_state state = { 0 };
	struct ring_config config;
	struct ring ring = { 0 };
	struct ring_pair p;
	struct error err;

	ring_stop(&ring);
	for (unsigned i = 0; i < ARRAY_SIZE(features); i++) {
		config = begin(&p, features[i], &state);
		assert_int_equal(resume(&ring, config, &err), 0);
		ring_stop(&ring);
		assert_null(ring.ops);
		assert_int_equal(resume(&ring, config, &err), -EINVAL);
		assert_non_null(strstr(err.text, "no ring ran"));
		state = (struct ring_state){ 0 };
		assert_int_equal(resume(&ring, config, &err), -EINVAL);
		config.state = NULL;
		assert_int_equal(resume(&ring, config, &err), -EINVAL);
		/* a start that fails runs nothing */
		config.state = &state;
		config.desc = (uint8_t *)config.desc + 1;
		assert_int_equal(ring_start(&ring, &config, &err), -EINVAL);
		assert_int_equal(state.running, 0);
		pair_destroy(&p);
	}
}

/* A crash between any two steps of completing three chains, made by hand. */
static void check_completing(uint64_t features, unsigned step)
{
	struct ring_chain chains[3];
	uint32_t lens[] = { 1, 2, 3 }, len;
	struct ring_state state = { 0 };
	struct ring_config config;
	struct vring_packed_desc before[SIZE];
	struct ring_pair p;
	struct error err;
	uint64_t position;

	config = begin(&p, features, &state);
	add(&p, 4);
	assert_int_equal(take(&p, chains, 3), 3);
	position = state.position;
	memcpy(before, pair_packed(&p), sizeof(before));
	ring_complete(&p.device, lens, 3);
	if (step < 4) /* before the last word */
		state.position = position | COMPLETING(3);
	if (step < 3) /* before publishing */
		pair_packed(&p)[0] = before[0];
	if (step < 2) /* the third was not written */
		pair_packed(&p)[2] = before[2];
	if (step < 1)
		pair_packed(&p)[1] = before[1];
	assert_int_equal(resume(&p.device, config, &err), 0);
	assert_int_equal(state.position, position + 3 * 0x10001);
	assert_int_equal(ring_base(&p.device), (position + 3) * 0x10001);
	for (unsigned i = 0; i < 3; i++) {
		assert_ptr_equal(driver_ring_get(&p.driver, &len), p.buf + i);
		assert_int_equal(len, i + 1);
	}
	assert_null(driver_ring_get(&p.driver, &len));
	assert_true(ring_wants_notify(&p.device));
	assert_int_equal(take(&p, chains, 3), 1);
	assert_int_equal(chains[0].in_len, 4);
	pair_destroy(&p);
}

static void test_completing(void **state)
{
	for (unsigned step = 0; step < 5; step++) {
		check_completing(PACKED, step);
		check_completing(PACKED | IN_ORDER, step);
		check_completing(PACKED | EVENT_IDX, step);
	}
}

/* Why a ring broke, and what it carried, is still known. */
static void test_what_is_known(void **unused)
{
	static const uint64_t features[] = { 0, PACKED };
	struct ring_state state = { 0 };
	struct ring_chain chains[4];
	struct ring_config config;
	struct ring_pair p;
	struct error err;

	for (unsigned i = 0; i < ARRAY_SIZE(features); i++) {
		config = begin(&p, features[i], &state);
		add(&p, 6);
		assert_int_equal(take(&p, chains, 4), 4);
		assert_int_equal(state.n_taken, 4);
		ring_complete(&p.device, NULL, 2);
		assert_true(ring_wants_notify(&p.device));
		ring_untake(&p.device, 1);
		assert_int_equal(state.n_taken, 1);
		assert_int_equal(resume(&p.device, config, &err), 0);
		assert_int_equal(state.n_taken, 0);
		assert_int_equal(p.device.n_chains, 2);
		assert_int_equal(p.device.n_notified, 1);
		assert_true(ring_wants_notify(&p.device)); /* nobody knows: once more */
		assert_false(ring_wants_notify(&p.device));

		ring_break(&p.device, RING_FAULT_LOOP);
		ring_break(&p.device, RING_FAULT_ADDRESS);
		assert_int_equal(resume(&p.device, config, &err), 0);
		assert_int_equal(ring_fault(&p.device), RING_FAULT_LOOP);
		assert_int_equal(take(&p, chains, 4), 0);
		assert_false(ring_wants_notify(&p.device));

		ring_start(&p.device, &config, &err);
		assert_int_equal(state.n_chains, 0);
		ring_count_from(&p.device, 70, 7);
		assert_int_equal(resume(&p.device, config, &err), 0);
		assert_int_equal(p.device.n_chains, 70);
		assert_int_equal(p.device.n_notified, 7);
		pair_destroy(&p);
	}
}

/* A ring that stood elsewhere than its state says: the guest has changed it, or it was used by
 * somebody who knew nothing of the state. */
static void test_other_position(void **unused)
{
	struct ring_state state = { 0 };
	struct ring_config config;
	struct ring_chain c;
	struct ring_pair p;
	struct ring ring;
	struct error err;

	config = begin(&p, PACKED, &state);
	add(&p, 2);
	config.state = NULL;
	assert_int_equal(ring_start(&ring, &config, &err), 0);
	assert_int_equal(ring_take(&ring, p.mem, &c, 1, arena, RING_ARENA_LEN), 1);
	ring_complete(&ring, NULL, 1);
	config.state = &state;
	assert_int_equal(resume(&ring, config, &err), 0);
	assert_int_equal(ring_fault(&ring), RING_FAULT_POSITION);
	assert_int_equal(resume(&ring, config, &err), 0);
	assert_int_equal(ring_fault(&ring), RING_FAULT_POSITION);
	pair_destroy(&p);
}

/* Any bytes in the state behind a right mark, any in the ring: whatever comes of it stays in
 * bounds, and the ring ends like others that guests have spoiled. */
static void test_any_bytes(void **unused)
{
	unsigned seed = 1, n_ran = 0;
	struct ring_state state;

	for (unsigned i = 0; i < 20000; i++) {
		uint64_t features = i % 2 ? PACKED : 0;
		struct ring_chain chains[4];
		struct ring_config config;
		uint8_t *bytes = (uint8_t *)&state;
		struct ring_pair p;
		struct error err;
		unsigned n;

		memset(&state, 0, sizeof(state));
		config = begin(&p, features, &state);
		for (unsigned j = sizeof(state.running); j < sizeof(state); j++)
			if (!(rand_r(&seed) % 8))
				bytes[j] = (uint8_t)rand_r(&seed);
		/* most of what is random is refused for these */
		state.fault = 0;
		state.position &= 0x0001000f007f8007;
		for (unsigned j = 0; j < SIZE * 16; j++)
			p.regions[0].host[j] = (uint8_t)rand_r(&seed);
		if (resume(&p.device, config, &err) == 0) {
			n_ran++;
			n = take(&p, chains, 4);
			ring_complete(&p.device, NULL, n);
			ring_wants_notify(&p.device);
			ring_enable_kick(&p.device);
		}
		pair_destroy(&p);
	}
	assert_in_range(n_ran, 11000, 20000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),	       cmocka_unit_test(test_not_running),
		cmocka_unit_test(test_completing),     cmocka_unit_test(test_what_is_known),
		cmocka_unit_test(test_other_position), cmocka_unit_test(test_any_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
