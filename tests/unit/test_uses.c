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

/* Whoever uses something is found by it, once, until it uses nothing any more. */
static void test_users(void **state)
{
	struct uses uses = { 0 };
	struct rule *rules[3] = { (struct rule *)&rules[0], (struct rule *)&rules[1],
				  (struct rule *)&rules[2] };
	struct user *users[3] = { NULL };

	for (unsigned i = 0; i < 3; i++) {
		uses_add_user(&uses, USE_GROUP, 1, rules[i], &users[i]);
		uses_add_user(&uses, USE_METER, 1, rules[i], &users[i]);
		uses_add_user(&uses, USE_GROUP, 1, rules[i], &users[i]); /* once more */
	}
	uses_add_user(&uses, USE_GROUP, 2, rules[2], &users[2]);
	assert_int_equal(uses_find(&uses, USE_GROUP, 0, 1)->count, 3);
	assert_int_equal(uses_find(&uses, USE_METER, 0, 1)->count, 3);
	uses_drop_users(&uses, &users[1]);
	assert_null(users[1]);
	assert_int_equal(uses_find(&uses, USE_GROUP, 0, 1)->count, 2);
	assert_ptr_equal(uses_find(&uses, USE_GROUP, 0, 1)->users->rule, rules[2]);
	assert_ptr_equal(uses_find(&uses, USE_GROUP, 0, 1)->users->next->rule, rules[0]);
	uses_drop_users(&uses, &users[2]);
	assert_null(uses_find(&uses, USE_GROUP, 0, 2));
	assert_ptr_equal(uses_find(&uses, USE_METER, 0, 1)->users->rule, rules[0]);
	uses_drop_users(&uses, &users[0]);
	assert_int_equal(uses.n, 0);
	uses_add_user(&uses, USE_GROUP, 1, rules[0], &users[0]);
	uses_free(&uses); /* with its users */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_users),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
