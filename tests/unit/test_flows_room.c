// SPDX-License-Identifier: Apache-2.0
/* Bytes of actions: counted whatever becomes of rules and groups, and bounded before they are
 * copied.
 */
#include "switch/flows_private.h"

#include "base/limit.h"
#include "flows_rig.h"

#define LONG 4000 /* actions, of a rule */
#define MANY 5000

static const struct limit *find_limit(const char *name)
{
	const struct limit *l = limits();

	while (l && strcmp(l->name, name) != 0)
		l = l->next;
	assert_non_null(l);
	return l;
}

static bool add_rule(void *arg, struct rule *rule)
{
	*(uint64_t *)arg += rule->actions.len;
	return true;
}

static bool add_group(void *arg, const struct group *group)
{
	*(uint64_t *)arg += room_of_group(group);
	return true;
}

/* What is counted must be what is shown; and when all has settled, what there is. */
static void expect_counted(struct flows_rig *r)
{
	uint64_t len = 0;

	pipeline_each_rule(flows_pipeline(r->flows), 255, NULL, add_rule, &len);
	pipeline_each_group(flows_pipeline(r->flows), add_group, &len);
	assert_int_equal(r->flows->actions_len, len);
	count_rules(r);
	rcu_drain();
	assert_int_equal(limit_now(find_limit("action_bytes")), len);
}

static enum of_error mod_group(struct flows_rig *r, enum group_command command, const char *text)
{
	struct group *group;
	struct error err = { "" };
	uint32_t bucket = BUCKET_LAST;

	if (group_parse(&group, &bucket, text, &err) != 0)
		fail_msg("%s: %s", text, err.text);
	return flows_group_mod(r->flows, command, group->id, group, bucket, &err);
}

/* @text, and many actions behind it: the caller's. */
static char *long_actions(const char *text)
{
	char *out = malloc(strlen(text) + LONG * 10), *at = out + sprintf(out, "%s", text);

	for (unsigned i = 0; i < LONG; i++)
		at += sprintf(at, ",output:%u", 1 + i % 3);
	return out;
}

static void test_counts(void **state)
{
	struct flows_rig *r = *state;
	struct error err;
	char bad[] = "in_port=3,actions=output:1,output:2\nin_port=2,actions=group:9";

	expect_counted(r);
	change_rules(r, FLOW_ADD, "in_port=1,actions=output:2,output:3\nin_port=2,actions=drop");
	expect_counted(r);
	change_rules(r, FLOW_ADD, "in_port=2,actions=output:1,output:3,output:1");
	change_rules(r, FLOW_MODIFY, "in_port=1,actions=output:2");
	expect_counted(r);
	assert_true(flows_change(r->flows, FLOW_ADD, bad, &err) < 0);
	expect_counted(r);
	assert_int_equal(
		mod_group(r, GROUP_ADD,
			  "group_id=4,type=all,bucket=bucket_id:1,actions=output:2,output:3,"
			  "bucket=bucket_id:2,actions=output:3"),
		OFERR_NONE);
	expect_counted(r);
	assert_int_equal(mod_group(r, GROUP_INSERT_BUCKET,
				   "group_id=4,command_bucket_id=last,"
				   "bucket=bucket_id:3,actions=output:1"),
			 OFERR_NONE);
	expect_counted(r);
	assert_int_equal(flows_group_mod(r->flows, GROUP_REMOVE_BUCKET, 4, NULL, 1, &err), 0);
	expect_counted(r);
	assert_int_equal(mod_group(r, GROUP_MODIFY, "group_id=4,type=all"), OFERR_NONE);
	change_rules(r, FLOW_ADD, "in_port=3,actions=group:4,output:1");
	assert_int_equal(flows_group_mod(r->flows, GROUP_DELETE, 4, NULL, 0, &err), 0);
	expect_counted(r);
	change_rules(r, FLOW_DELETE, "");
	assert_int_equal(r->flows->actions_len, 0);
	expect_counted(r);
}

/* Long actions for many rules at once are refused before any of them is looked at, or copied. */
static void test_modifies_many(void **state)
{
	const struct limit *all = find_limit("action_bytes");
	char *text = malloc(MANY * 64), *at = text,
	     *actions = long_actions("table=1,actions=group:9");
	struct flows_rig *r = *state;
	uint64_t before;

	for (unsigned i = 0; i < MANY; i++)
		at += sprintf(at, "table=1,priority=%u,in_port=1,actions=output:2\n", i);
	change_rules(r, FLOW_ADD, text);
	before = limit_now(all);
	assert_int_equal(mod_rules(r, FLOW_MODIFY, 4, actions, 0), OFERR_FLOW_TABLE_FULL);
	assert_int_equal(limit_now(all), before);
	expect_counted(r);
	change_rules(r, FLOW_DELETE, "table=1");
	expect_counted(r);
	free(text);
	free(actions);
}

/* A bridge that has as much as it may takes nothing that is longer, and all that is shorter. */
static void test_full_bridge(void **state)
{
	const struct limit *of_bridge = find_limit("action_bytes_of_bridge");
	uint64_t refused = limit_refused(of_bridge), len;
	struct flows_rig *r = *state;

	change_rules(r, FLOW_ADD, "in_port=1,actions=output:2,output:3");
	assert_int_equal(mod_group(r, GROUP_ADD, "group_id=4,type=all,bucket=actions=output:2"), 0);
	len = r->flows->actions_len;
	r->flows->actions_len = FLOWS_ACTIONS_MAX;
	assert_int_equal(mod_rules(r, FLOW_ADD, 4, "in_port=2,actions=output:1", 0),
			 OFERR_FLOW_TABLE_FULL);
	assert_int_equal(
		mod_rules(r, FLOW_ADD, 4, "in_port=1,actions=output:1,output:2,output:3", 0),
		OFERR_FLOW_TABLE_FULL);
	assert_int_equal(mod_rules(r, FLOW_MODIFY, 4, "actions=output:1,output:2,output:3", 0),
			 OFERR_FLOW_TABLE_FULL);
	assert_int_equal(
		mod_group(r, GROUP_MODIFY, "group_id=4,type=all,bucket=actions=output:2,output:3"),
		OFERR_GROUP_OUT_OF_BUCKETS);
	assert_int_equal(limit_refused(of_bridge), refused + 4);
	assert_int_equal(mod_rules(r, FLOW_ADD, 4, "in_port=2,actions=drop", 0), OFERR_NONE);
	assert_int_equal(mod_rules(r, FLOW_ADD, 4, "in_port=1,actions=output:3", 0), OFERR_NONE);
	assert_int_equal(mod_rules(r, FLOW_ADD, 4, "in_port=2,actions=output:1", 0), OFERR_NONE);
	assert_int_equal(mod_group(r, GROUP_MODIFY, "group_id=4,type=all,bucket=actions=drop"), 0);
	r->flows->actions_len += len - FLOWS_ACTIONS_MAX;
	expect_counted(r);
}

/* So when there is no more room for all bridges. */
static void test_full_everywhere(void **state)
{
	const struct limit *all = find_limit("action_bytes");
	struct flows_rig *r = *state;
	uint64_t rest = all->most - limit_now(all);

	assert_true(room_take(rest));
	assert_int_equal(mod_rules(r, FLOW_ADD, 4, "in_port=1,actions=output:2", 0),
			 OFERR_FLOW_TABLE_FULL);
	assert_int_equal(mod_group(r, GROUP_ADD, "group_id=4,type=all,bucket=actions=output:2"),
			 OFERR_GROUP_OUT_OF_BUCKETS);
	change_rules(r, FLOW_ADD, "in_port=1,actions=drop");
	change_rules(r, FLOW_DELETE, "");
	room_give(rest);
	change_rules(r, FLOW_ADD, "in_port=1,actions=output:2");
	expect_counted(r);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, flows_setup, flows_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_counts),
		TEST(test_modifies_many),
		TEST(test_full_bridge),
		TEST(test_full_everywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
