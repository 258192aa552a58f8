// SPDX-License-Identifier: Apache-2.0
/* Counts of what rules use. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "switch/uses.h"

static void test_counts(void **state)
{
	struct uses uses = { 0 };

	assert_null(uses_find(&uses, USE_GROUP, 0, 1));
	assert_int_equal(uses_add(&uses, USE_GROUP, 0, 1)->count, 1);
	assert_int_equal(uses_add(&uses, USE_GROUP, 0, 1)->count, 2);
	assert_null(uses_find(&uses, USE_METER, 0, 1));
	assert_null(uses_find(&uses, USE_GROUP, 0, 2));
	assert_null(uses_find(&uses, USE_GROUP, 1, 1));
	assert_false(uses_sub(&uses, USE_GROUP, 0, 1));
	assert_true(uses_sub(&uses, USE_GROUP, 0, 1));
	assert_null(uses_find(&uses, USE_GROUP, 0, 1));
	assert_true(uses_sub(&uses, USE_GROUP, 0, 1)); /* one that is not there */
	uses_free(&uses);
}

static void test_many(void **state)
{
	struct uses uses = { 0 };

	for (uint32_t i = 0; i < 5000; i++)
		assert_non_null(uses_add(&uses, USE_COOKIE, (uint8_t)i, i));
	assert_int_equal(uses.n, 5000);
	assert_int_equal(uses.by_kind[USE_COOKIE], 5000);
	for (uint32_t i = 0; i < 5000; i++)
		assert_int_equal(uses_find(&uses, USE_COOKIE, (uint8_t)i, i)->count, 1);
	for (uint32_t i = 0; i < 5000; i += 2)
		assert_true(uses_sub(&uses, USE_COOKIE, (uint8_t)i, i));
	assert_null(uses_find(&uses, USE_COOKIE, 0, 0));
	assert_non_null(uses_find(&uses, USE_COOKIE, 1, 1));
	uses_free(&uses);
	assert_null(uses_find(&uses, USE_COOKIE, 1, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
