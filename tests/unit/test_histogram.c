// SPDX-License-Identifier: Apache-2.0
// Histograms of durations: which bucket, and what is read back.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/histogram.h"

/* Buckets follow each other without a gap, and none is wider than a sixteenth of its values. */
static void test_buckets(void **state)
{
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		uint64_t start = histogram_bucket_start(i);

		assert_int_equal(histogram_bucket(start), i);
		if (i == 0)
			continue;
		assert_int_equal(histogram_bucket(start - 1), i - 1);
		assert_true(start - histogram_bucket_start(i - 1) <=
			    1 + histogram_bucket_start(i - 1) / HISTOGRAM_STEPS);
	}
	assert_int_equal(histogram_bucket_start(0), 0);
	assert_int_equal(histogram_bucket(UINT64_MAX), HISTOGRAM_BUCKETS - 1);
}

static void test_quantiles(void **state)
{
	struct histogram h = { 0 };

	assert_int_equal(histogram_quantile(&h, 0.5), 0);
	histogram_add(&h, 1000003);
	assert_int_equal(histogram_quantile(&h, 0), 1000003);
	assert_int_equal(histogram_quantile(&h, 1), 1000003);
	h = (struct histogram){ 0 };
	for (unsigned i = 1; i <= 1000; i++)
		histogram_add(&h, i);
	assert_int_equal(h.count, 1000);
	assert_int_equal(h.min, 1);
	assert_int_equal(h.max, 1000);
	assert_int_equal(histogram_quantile(&h, 0), 1);
	assert_int_equal(histogram_quantile(&h, 0.01), 10);
	assert_in_range(histogram_quantile(&h, 0.5), 500 - 500 / 16, 500);
	assert_in_range(histogram_quantile(&h, 0.99), 990 - 990 / 16, 990);
	assert_in_range(histogram_quantile(&h, 1), 1000 - 1000 / 16, 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_buckets),
		cmocka_unit_test(test_quantiles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
