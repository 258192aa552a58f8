// SPDX-License-Identifier: Apache-2.0
/* The rows of actions: each kind has what it needs, no name or number stands for two. */
#include "action_round.h"

#include "flow/action_private.h"

static void test_kinds_are_whole(void **state)
{
	(void)state;
	for (unsigned kind = 0; kind < ACTION_KINDS; kind++) {
		const struct action_row *row = action_row(kind);

		assert_non_null(row);
		assert_non_null(row->name);
		assert_non_null(row->encode);
		assert_true(row->parse || kind == ACTION_OUTPUT_REG);
	}
	assert_null(action_row(ACTION_KINDS + 1));
	assert_true(action_is_instruction(ACTION_GOTO_TABLE));
	assert_false(action_is_instruction(ACTION_METER));
	assert_false(action_is_instruction(ACTION_OUTPUT));
}

static bool share_version(const struct action_row *a, const struct action_row *b)
{
	return (!a->until || a->until >= b->since) && (!b->until || b->until >= a->since);
}

static void test_names_and_numbers_differ(void **state)
{
	(void)state;
	for (unsigned i = 0; i < n_action_rows; i++) {
		const struct action_row *a = &action_rows[i];

		assert_true(a->parse || a->space);
		assert_true(!a->space || (a->decode && a->len >= 8 && a->len % 8 == 0));
		for (unsigned j = 0; j < i; j++) {
			const struct action_row *b = &action_rows[j];

			assert_false(a->parse && b->parse && !strcmp(a->name, b->name));
			assert_false(a->space && a->space == b->space && a->number == b->number &&
				     share_version(a, b));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds_are_whole),
		cmocka_unit_test(test_names_and_numbers_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
