// SPDX-License-Identifier: Apache-2.0
/* Lists of actions: their memory and its bound, copies, what they send where, their order. */
#include "action_round.h"

#include "flow/action_private.h"

static void parse(struct action_list *list, const char *text)
{
	struct error err;

	*list = (struct action_list){ 0 };
	assert_int_equal(actions_parse(list, text, true, &err), 0);
}

static void test_appends_zeroed(void **state)
{
	struct action_list list = { 0 };
	struct action *a;

	(void)state;
	a = actions_append(&list, ACTION_EXIT, 9);
	assert_non_null(a);
	assert_int_equal(a->kind, ACTION_EXIT);
	assert_int_equal(a->len, 16);
	assert_int_equal(((uint64_t *)a)[1], 0);
	assert_int_equal(list.len, 16);
	actions_free(&list);
	actions_free(&list);
	assert_null(list.bytes);
}

static void test_is_bounded(void **state)
{
	struct action_list list = { 0 };

	(void)state;
	assert_null(actions_append(&list, ACTION_NOTE, ACTIONS_LEN_MAX + 1));
	assert_null(actions_append(&list, ACTION_NOTE, SIZE_MAX));
	for (unsigned i = 0; i < ACTIONS_LEN_MAX / 8; i++)
		assert_non_null(actions_append(&list, ACTION_EXIT, 8));
	assert_null(actions_append(&list, ACTION_EXIT, 8));
	assert_int_equal(list.len, ACTIONS_LEN_MAX);
	actions_free(&list);
}

static void test_copies(void **state)
{
	struct action_list a, b, none = { 0 };

	(void)state;
	parse(&a, "set_field:1->reg0,output:1");
	assert_int_equal(actions_copy(&b, &a), 0);
	assert_true(actions_equal(&a, &b));
	assert_false(actions_equal(&a, &none));
	actions_free(&b);
	parse(&b, "set_field:1->reg0,output:2");
	assert_false(actions_equal(&a, &b));
	actions_free(&b);
	assert_int_equal(actions_copy(&b, &none), 0);
	assert_true(actions_equal(&b, &none));
	actions_free(&a);
}

static void test_knows_where_packets_go(void **state)
{
	struct action_list list;

	(void)state;
	parse(&list, "output:1,clone(enqueue:2:5,clone(group:7)),controller(id=1),"
		     "write_actions(output:3,group:8)");
	for (uint32_t port = 0; port < 5; port++)
		assert_int_equal(actions_output_to(&list, port), port >= 1 && port <= 3);
	assert_true(actions_output_to(&list, OFPORT_CONTROLLER));
	assert_false(actions_output_to(&list, OFPORT_LOCAL));
	assert_true(actions_use_group(&list, 7));
	assert_true(actions_use_group(&list, 8));
	assert_false(actions_use_group(&list, 1));
	actions_free(&list);
}

static void test_order(void **state)
{
	struct action_list list = { 0 };
	struct error err;

	(void)state;
	actions_append(&list, ACTION_METER, sizeof(struct action_meter));
	actions_append(&list, ACTION_EXIT, sizeof(struct action));
	actions_append(&list, ACTION_CLEAR_ACTIONS, sizeof(struct action));
	actions_append(&list, ACTION_GOTO_TABLE, sizeof(struct action_goto));
	assert_int_equal(action_check_order(&list, &err), 0);
	actions_append(&list, ACTION_GOTO_TABLE, sizeof(struct action_goto));
	assert_int_equal(action_check_order(&list, &err), -EINVAL);
	assert_string_equal(err.text, "there is more than one goto_table");
	list.len -= ACTION_ROUND(sizeof(struct action_goto));
	actions_append(&list, ACTION_EXIT, sizeof(struct action));
	assert_int_equal(action_check_order(&list, &err), -EINVAL);
	assert_string_equal(err.text, "exit must stand before goto_table");
	actions_free(&list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_appends_zeroed),
		cmocka_unit_test(test_is_bounded),
		cmocka_unit_test(test_copies),
		cmocka_unit_test(test_knows_where_packets_go),
		cmocka_unit_test(test_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
