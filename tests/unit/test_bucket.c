// SPDX-License-Identifier: Apache-2.0
/* Token bucket: rate, burst, and no overflow at extremes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/bucket.h"

static void no_rate_is_no_limit(void **state)
{
	struct bucket b = bucket_make(0, 5);

	for (int i = 0; i < 1000; i++)
		assert_true(bucket_take(&b, 1000, 0));
}

static void burst_then_rate(void **state)
{
	struct bucket b = bucket_make(10, 3);
	uint64_t now = 5 * NSEC_PER_SEC;

	b.last_ns = now;
	for (int i = 0; i < 3; i++)
		assert_true(bucket_take(&b, 1, now));
	assert_false(bucket_take(&b, 1, now));
	assert_false(bucket_take(&b, 1, now + NSEC_PER_SEC / 10 - 1));
	assert_true(bucket_take(&b, 1, now + NSEC_PER_SEC / 10));
	assert_false(bucket_take(&b, 1, now + NSEC_PER_SEC / 10));
}

static void failing_takes_nothing(void **state)
{
	struct bucket b = bucket_make(1, 4);

	assert_false(bucket_take(&b, 5, 0));
	assert_true(bucket_take(&b, 4, 0));
}

static void never_more_than_the_burst(void **state)
{
	struct bucket b = bucket_make(1000, 7);
	unsigned n = 0;

	assert_true(bucket_take(&b, 7, 0));
	while (bucket_take(&b, 1, 3600 * NSEC_PER_SEC))
		n++;
	assert_int_equal(n, 7);
}

static void time_that_goes_back_is_ignored(void **state)
{
	struct bucket b = bucket_make(1, 1);

	assert_true(bucket_take(&b, 1, 100 * NSEC_PER_SEC));
	assert_false(bucket_take(&b, 1, 50 * NSEC_PER_SEC));
	assert_false(bucket_take(&b, 1, 100 * NSEC_PER_SEC));
	assert_true(bucket_take(&b, 1, 101 * NSEC_PER_SEC));
}

/* In ten seconds at any step, as many as the rate says and the burst, no more and no less. */
static void long_run_rate_is_exact(void **state)
{
	static const uint64_t steps[] = { 7, 1000, 333333, 10000019 };

	for (unsigned i = 0; i < 4; i++) {
		uint64_t end = i ? 10 * NSEC_PER_SEC : NSEC_PER_MSEC, taken = 0, now;
		struct bucket b = bucket_make(50, 2);

		if (!i)
			b = bucket_make(1000000, 2);
		for (now = 0; now <= end; now += steps[i])
			taken += bucket_take(&b, 1, now);
		assert_in_range(taken, (i ? 500 : 1000) - 1, (i ? 500 : 1000) + 2);
	}
}

static void extremes_do_not_overflow(void **state)
{
	struct bucket b = bucket_make(UINT64_MAX, 1000000000);

	assert_true(bucket_take(&b, 1000000000, 0));
	assert_false(bucket_take(&b, 1, 0));
	/* Refilled, never over-full: the product of rate and time does not fit 64 bits. */
	assert_true(bucket_take(&b, 1000000000, UINT64_MAX));
	assert_false(bucket_take(&b, 1, UINT64_MAX));
	b = bucket_make(1, 0);
	assert_int_equal(b.burst, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_rate_is_no_limit),
		cmocka_unit_test(burst_then_rate),
		cmocka_unit_test(failing_takes_nothing),
		cmocka_unit_test(never_more_than_the_burst),
		cmocka_unit_test(time_that_goes_back_is_ignored),
		cmocka_unit_test(long_run_rate_is_exact),
		cmocka_unit_test(extremes_do_not_overflow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
