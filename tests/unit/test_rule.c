// SPDX-License-Identifier: Apache-2.0
/* Rules: what they are made of, who has them, and when they go. */
#include "flow/rule.h"
#include "made_rules.h"
#include "short_memory.h"

static unsigned n_freed;
static void *last_owner;

static void on_free(struct rule *rule)
{
	n_freed++;
	last_owner = rule->owner;
}

static void test_life(void **state)
{
	struct action_list actions = { 0 };
	struct match match, again;
	struct rule *rule;
	uint8_t bytes[64];
	uint32_t len;

	draw_match(&match);
	add_conjunction(&actions, 1, 0, 2);
	len = actions.len;
	assert_in_range(len, 1, sizeof(bytes));
	memcpy(bytes, actions.bytes, len);
	rule = rule_create(7, 99, &match, &actions);
	assert_non_null(rule);
	assert_true(!actions.bytes && !actions.len && !actions.size);
	assert_int_equal(rule->actions.len, len);
	assert_memory_equal(rule->actions.bytes, bytes, len);
	assert_true(rule->table == 7 && rule->priority == 99);
	assert_true(!rule->cookie && !rule->flags && !rule->hidden && !rule->tally);
	rule_match(rule, &again);
	assert_memory_equal(&again, &match, sizeof(match));
	rule->owner = &n_freed;
	rule_on_free = on_free;
	rule_ref(rule);
	rule_unref(rule);
	assert_int_equal(n_freed, 0);
	rule_unref(rule);
	assert_int_equal(n_freed, 1);
	assert_ptr_equal(last_owner, &n_freed);
	rule_unref(NULL);
	rule_on_free = NULL;
	rule_unref(rule_create(0, 0, &match, &actions));
	assert_int_equal(n_freed, 1);
}

static void test_memory_is_short(void **state)
{
#ifdef MEMORY_IS_NEVER_SHORT
	skip();
#else
	struct match match = { 0 };

	for (int n = 0; n < 4; n++) {
		struct action_list actions = { 0 };
		struct rule *rule;

		add_conjunction(&actions, 1, 0, 2);
		memory_left = n;
		rule = rule_create(0, 0, &match, &actions);
		memory_left = -1;
		assert_null(rule);
		assert_true(!actions.bytes && !actions.len);
	}
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_life),
		cmocka_unit_test(test_memory_is_short),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
