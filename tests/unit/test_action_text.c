// SPDX-License-Identifier: Apache-2.0
/* Text of actions: words, numbers, ports, nesting, and what cannot stand where. */
#include "action_round.h"

#include "flow/action_private.h"

static void test_words(void **state)
{
	char line[] = " a, b:c,d=e(f,g) h(i,(j))->k,l", *text = line, *name, *arg, *tail;
	static const char *const expected[][3] = { { "a", "", "" },
						   { "b", "c", "" },
						   { "d", "e(f,g)", "" },
						   { "h", "i,(j)", "->k" },
						   { "l", "", "" } };
	struct error err;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(expected); i++) {
		assert_int_equal(action_text_next(&text, &name, &arg, &tail, &err), 1);
		assert_string_equal(name, expected[i][0]);
		assert_string_equal(arg, expected[i][1]);
		assert_string_equal(tail, expected[i][2]);
	}
	assert_int_equal(action_text_next(&text, &name, &arg, &tail, &err), 0);
}

static void test_numbers(void **state)
{
	struct error err;
	u128 n;

	(void)state;
	assert_int_equal(action_parse_number("0x1f", 31, "x", &n, &err), 0);
	assert_true(n == 31);
	assert_int_equal(action_parse_number("32", 31, "x", &n, &err), -EINVAL);
	assert_string_equal(err.text, "32 is too much for x");
	assert_int_equal(
		action_parse_number("0xffffffffffffffffffffffffffffffff", ~(u128)0, "x", &n, &err),
		0);
	assert_true(n == ~(u128)0);
	assert_int_equal(
		action_parse_number("0x100000000000000000000000000000000", ~(u128)0, "x", &n, &err),
		-EINVAL);
	assert_int_equal(action_parse_number("9", 5, "x", &n, &err), -EINVAL);
	assert_int_equal(action_parse_number("", 5, "x", &n, &err), -EINVAL);
	assert_int_equal(action_parse_number("0x", 5, "x", &n, &err), -EINVAL);
	assert_int_equal(action_parse_number("1f", 99, "x", &n, &err), -EINVAL);
}

static void test_refuses(void **state)
{
	(void)state;
	round_refused("foo", "unknown action foo");
	round_refused("output:foo", "output: 'foo' is no port");
	round_refused("drop,output:1", "drop cannot stand with another action");
	round_refused("output:1,drop", "drop cannot stand with another action");
	round_refused("goto_table:1,goto_table:2", "more than one goto_table");
	round_refused("goto_table:1,output:2", "output must stand before goto_table");
	round_refused("write_metadata:1,clear_actions", "clear_actions must stand before");
	round_refused("clone(goto_table:1)", "is an instruction");
	round_refused("clone(output:1", "a parenthesis is not closed");
	round_refused("exit:1", "there is no argument");
	round_refused("note(00)x", "behind it is too much");
	round_refused(":", "a name was expected");
	round_refused("ct(commit)", "ct: not supported");
	round_refused("sample(probability=1)", "sample: not supported");
	round_refused("encap(ethernet)", "encap: not supported");
	round_refused("apply_actions(output:1)", "is what actions do without it");
}

static void test_nests_to_a_depth(void **state)
{
	struct action_list list = { 0 };
	char text[1024] = "";
	struct error err;

	(void)state;
	for (unsigned i = 0; i < ACTIONS_NESTED_MAX; i++)
		strcat(text, "clone(");
	strcat(text, "output:1");
	for (unsigned i = 0; i < ACTIONS_NESTED_MAX; i++)
		strcat(text, ")");
	assert_int_equal(actions_parse(&list, text, false, &err), 0);
	round_shown(&list, text);
	actions_free(&list);
	memmove(text + 6, text, strlen(text) + 1);
	memcpy(text, "clone(", 6);
	strcat(text, ")");
	round_refused(text, "nested more than 16 deep");
}

static void test_instructions_are_not_for_lists(void **state)
{
	struct action_list list = { 0 };
	struct error err;

	(void)state;
	assert_int_equal(actions_parse(&list, "goto_table:1", false, &err), -EINVAL);
	assert_int_equal(actions_parse(&list, "meter:1,output:1", false, &err), 0);
	actions_free(&list);
}

static void test_is_cut(void **state)
{
	struct action_list list = { 0 };
	char text[8];
	struct error err;

	(void)state;
	assert_int_equal(actions_parse(&list, "output:1,output:2", false, &err), 0);
	assert_int_equal(actions_print(&list, text, sizeof(text)), 17);
	assert_string_equal(text, "output:");
	assert_int_equal(actions_print(&list, NULL, 0), 17);
	actions_free(&list);
}

static void test_long_text_is_refused(void **state)
{
	size_t n = ACTIONS_LEN_MAX;
	char *text = malloc(2 * n + 1);
	struct action_list list = { 0 };
	struct error err;

	(void)state;
	assert_non_null(text);
	for (size_t i = 0; i < n; i++)
		memcpy(text + 2 * i, "1,", 3);
	assert_int_equal(actions_parse(&list, text, false, &err), -ENOMEM);
	assert_null(list.bytes);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_refuses),
		cmocka_unit_test(test_nests_to_a_depth),
		cmocka_unit_test(test_instructions_are_not_for_lists),
		cmocka_unit_test(test_is_cut),
		cmocka_unit_test(test_long_text_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
