// SPDX-License-Identifier: Apache-2.0
/* Bounds: what fits, what is refused and counted, also by several threads at once. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/limit.h"

#define THREADS 4
#define ROUNDS 20000

LIMIT(in_all, "test_in_all", 10, "of all");
LIMIT_EACH(each, "test_each", 5, "of each");
LIMIT(sorted, "test_a", 1, "sorted");

static void test_take_and_give(void **state)
{
	assert_true(limit_take(&in_all, 4));
	assert_true(limit_take(&in_all, 6));
	assert_int_equal(limit_now(&in_all), 10);
	assert_false(limit_take(&in_all, 1));
	assert_true(limit_take(&in_all, 0));
	assert_int_equal(limit_refused(&in_all), 1);
	limit_give(&in_all, 6);
	assert_false(limit_take(&in_all, 7));
	assert_false(limit_take(&in_all, UINT64_MAX));
	assert_int_equal(limit_refused(&in_all), 3);
	assert_int_equal(limit_now(&in_all), 4);
	limit_give(&in_all, 4);
	assert_int_equal(limit_now(&in_all), 0);
}

static void test_each(void **state)
{
	assert_true(limit_now(&each) == LIMIT_UNKNOWN);
	limit_refuse(&each);
	assert_int_equal(limit_refused(&each), 1);
	assert_true(limit_now(&each) == LIMIT_UNKNOWN);
}

static uint64_t seven(void)
{
	return 7;
}

static void test_look(void **state)
{
	sorted.look = seven;
	assert_int_equal(limit_now(&sorted), 7);
	sorted.look = NULL;
	assert_int_equal(limit_now(&sorted), 0);
}

static void test_list(void **state)
{
	const struct limit *before = NULL;
	unsigned ours = 0;

	for (const struct limit *l = limits(); l; l = l->next) {
		assert_true(!before || strcmp(before->name, l->name) < 0);
		ours += !strncmp(l->name, "test_", 5);
		before = l;
	}
	assert_int_equal(ours, 3);
}

/* Returns how often it got something. */
static void *take_much(void *arg)
{
	uintptr_t n = 0;

	for (unsigned i = 0; i < ROUNDS; i++) {
		if (!limit_take(&in_all, 3))
			continue;
		n++;
		if (limit_now(&in_all) > in_all.most)
			return (void *)(uintptr_t)-1;
		limit_give(&in_all, 3);
	}
	return (void *)n;
}

static void test_threads(void **state)
{
	uint64_t refused = limit_refused(&in_all), taken = 0;
	pthread_t threads[THREADS];

	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, take_much, NULL), 0);
	for (unsigned i = 0; i < THREADS; i++) {
		void *n;

		pthread_join(threads[i], &n);
		assert_true((uintptr_t)n <= ROUNDS);
		taken += (uintptr_t)n;
	}
	assert_int_equal(limit_now(&in_all), 0);
	assert_int_equal(taken + limit_refused(&in_all) - refused, THREADS * ROUNDS);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_take_and_give), cmocka_unit_test(test_each),
		cmocka_unit_test(test_look),	      cmocka_unit_test(test_list),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
