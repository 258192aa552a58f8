// SPDX-License-Identifier: Apache-2.0
/* Meters: what passes in a burst and in the long run, beside a token bucket; which band counts;
 * several threads.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "flow/meter.h"

#define SECOND 1000000000ull
#define NOW (1000 * SECOND)

static struct meter_state state_of_meter;

static struct meter make(uint32_t flags, uint32_t rate, uint32_t burst)
{
	memset(&state_of_meter, 0, sizeof(state_of_meter));
	return (struct meter){
		.refs = 1,
		.id = 1,
		.flags = flags,
		.n_bands = 1,
		.bands[0] = { .type = BAND_DROP, .rate = rate, .burst = burst },
		.state = &state_of_meter,
	};
}

/* Packets of @len bytes that pass, of @n at once. */
static unsigned passing(const struct meter *m, unsigned n, uint32_t len, uint64_t now)
{
	unsigned passed = 0;
	uint8_t level;

	for (unsigned i = 0; i < n; i++)
		passed += meter_take(m, len, now, &level) == METER_PASS;
	return passed;
}

static void test_packets(void **state)
{
	struct meter m = make(METER_PKTPS | METER_BURST, 100, 10);

	assert_int_equal(passing(&m, 50, 1500, NOW), 10);
	assert_int_equal(passing(&m, 50, 1500, NOW + 9 * SECOND / 1000), 0);
	assert_int_equal(passing(&m, 50, 60, NOW + SECOND / 100), 1);
	assert_int_equal(passing(&m, 50, 60, NOW + 6 * SECOND / 100), 5);
	assert_int_equal(passing(&m, 50, 60, NOW + 100 * SECOND), 10);
	assert_int_equal(state_of_meter.packets, 250);
	assert_int_equal(state_of_meter.bytes, 50 * (2 * 1500 + 3 * 60));
	assert_int_equal(state_of_meter.bands[0].packets, 250 - 26);
	/* without a burst: a second's */
	m = make(METER_PKTPS, 100, 0);
	assert_int_equal(passing(&m, 500, 60, NOW), 100);
}

static void test_bits(void **state)
{
	struct meter m = make(METER_KBPS | METER_BURST, 1000, 80); /* ten packets of 1000 bytes */

	assert_int_equal(passing(&m, 50, 1000, NOW), 10);
	assert_int_equal(passing(&m, 50, 1000, NOW + 8 * SECOND / 1000), 1);
	assert_int_equal(passing(&m, 50, 500, NOW + 16 * SECOND / 1000), 2);
	/* one that is longer than the burst never passes */
	m = make(METER_KBPS | METER_BURST, 1000, 8);
	assert_int_equal(passing(&m, 1, 1001, NOW), 0);
	assert_int_equal(passing(&m, 2, 1000, NOW), 1);
	/* the longest and the shortest times */
	m = make(METER_KBPS | METER_BURST, 1, ~0u);
	assert_int_equal(passing(&m, 1000, 65535, NOW), 1000);
	m = make(METER_KBPS | METER_BURST, ~0u, 1);
	assert_in_range(passing(&m, 2, 64, NOW), 1, 2);
	m = make(METER_PKTPS, 0, 0);
	assert_int_equal(passing(&m, 5, 64, NOW), 0);
}

/* A packet of 64 bytes takes 5.12 ns of 100 Gb/s: in the long run, no more pass, and no less. */
static void test_rate_in_the_long_run(void **state)
{
	struct meter m = make(METER_KBPS | METER_BURST, 100000000, 1000);
	unsigned passed = 0;

	for (unsigned i = 0; i < 1000; i++)
		passed += passing(&m, 300, 64, NOW + i * 1000);
	/* 999 us and the burst of 10 us */
	assert_in_range(passed, 195000, 199500);
}

/* Of what is exceeded, the highest rate. All take their part of what they let pass. */
static void test_bands(void **state)
{
	struct meter m = make(METER_PKTPS | METER_BURST, 100, 5);
	uint8_t level = 0;

	m.n_bands = 3;
	m.bands[1] = (struct meter_band){
		.type = BAND_DSCP_REMARK, .prec_level = 2, .rate = 50, .burst = 2
	};
	m.bands[2] = (struct meter_band){
		.type = BAND_DSCP_REMARK, .prec_level = 1, .rate = 60, .burst = 3
	};
	for (unsigned i = 0; i < 8; i++) {
		enum meter_verdict v = meter_take(&m, 100, NOW, &level);

		assert_int_equal(v, i < 2 ? METER_PASS : i < 5 ? METER_REMARK : METER_DROP);
		if (v == METER_REMARK)
			assert_int_equal(level, i < 3 ? 2 : 1);
	}
	assert_int_equal(state_of_meter.bands[0].packets, 3);
	assert_int_equal(state_of_meter.bands[1].packets, 1);
	assert_int_equal(state_of_meter.bands[2].packets, 2);
	assert_int_equal(state_of_meter.bands[2].bytes, 200);
	m.n_bands = 0;
	assert_int_equal(meter_take(&m, 100, NOW, &level), METER_PASS);
}

/* What other settings have left is no reason to wait. */
static void test_time_of_other_settings(void **state)
{
	struct meter m = make(METER_PKTPS | METER_BURST, 100, 10);

	state_of_meter.bands[0].due = ~0ull;
	assert_int_equal(passing(&m, 5, 60, NOW), 0);
	assert_int_equal(passing(&m, 5, 60, NOW + SECOND / 100), 1);
	assert_int_equal(passing(&m, 50, 60, NOW + SECOND), 10);
	/* another worker's clock is a little behind */
	assert_int_equal(passing(&m, 50, 60, NOW + SECOND - 1000), 0);
	assert_int_equal(passing(&m, 50, 60, NOW + SECOND + SECOND / 100), 1);
}

/* A bucket that is filled and emptied in whole numbers. */
static void test_against_a_bucket(void **state)
{
	struct meter m = make(METER_KBPS | METER_BURST, 1000, 100);
	uint64_t bucket = 100000, now = NOW; /* bits */
	unsigned seed = 3;

	for (unsigned i = 0; i < 20000; i++) {
		uint64_t ms = (uint64_t)rand_r(&seed) % 8;
		uint32_t len = 60 + (uint32_t)rand_r(&seed) % 1400;
		bool passes;

		now += ms * 1000000;
		bucket = min(bucket + ms * 1000, (uint64_t)100000);
		passes = bucket >= 8 * len;
		if (passes)
			bucket -= 8 * len;
		assert_int_equal(passing(&m, 1, len, now), passes);
	}
}

static void *takes(void *arg)
{
	const struct meter *m = arg;

	return (void *)(uintptr_t)passing(m, 20000, 100, NOW);
}

static void test_threads(void **state)
{
	struct meter m = make(METER_PKTPS | METER_BURST, 1000, 12345);
	pthread_t threads[3];
	uintptr_t sum = 0;
	void *n;

	for (unsigned i = 0; i < ARRAY_SIZE(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, takes, &m), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(threads); i++) {
		pthread_join(threads[i], &n);
		sum += (uintptr_t)n;
	}
	assert_int_equal(sum, 12345);
	assert_int_equal(state_of_meter.packets, 60000);
	assert_int_equal(state_of_meter.bands[0].packets, 60000 - 12345);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_packets),
		cmocka_unit_test(test_bits),
		cmocka_unit_test(test_rate_in_the_long_run),
		cmocka_unit_test(test_bands),
		cmocka_unit_test(test_time_of_other_settings),
		cmocka_unit_test(test_against_a_bucket),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
