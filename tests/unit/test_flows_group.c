// SPDX-License-Identifier: Apache-2.0
/* Groups and meters: what goes on, what goes with them, loops. */
#include "count_walks.h"
#include "flows_rig.h"

static struct group *make(const char *text)
{
	struct group *group;
	uint32_t bucket = BUCKET_LAST;
	struct error err = { "" };

	if (group_parse(&group, &bucket, text, &err) != 0)
		fail_msg("%s: %s", text, err.text);
	return group;
}

static enum of_error mod(struct flows_rig *r, enum group_command command, const char *text,
			 uint32_t bucket)
{
	struct group *group = make(text);
	struct error err = { "" };

	return flows_group_mod(r->flows, command, group->id, group, bucket, &err);
}

static enum of_error del(struct flows_rig *r, uint32_t id)
{
	struct error err = { "" };

	return flows_group_mod(r->flows, GROUP_DELETE, id, NULL, 0, &err);
}

static const struct group *get(struct flows_rig *r, uint32_t id)
{
	return pipeline_group(flows_pipeline(r->flows), id);
}

#define TWO "group_id=1,type=all,bucket=actions=output:2,bucket=actions=output:3"

static void test_adds_and_changes(void **state)
{
	struct flows_rig *r = *state;

	assert_int_equal(mod(r, GROUP_MODIFY, TWO, 0), OFERR_GROUP_UNKNOWN);
	assert_int_equal(mod(r, GROUP_ADD, TWO, 0), 0);
	assert_int_equal(mod(r, GROUP_ADD, TWO, 0), OFERR_GROUP_EXISTS);
	assert_int_equal(get(r, 1)->n_buckets, 2);
	assert_int_equal(mod(r, GROUP_ADD_OR_MOD, "group_id=1,type=all,bucket=actions=output:2", 0),
			 0);
	assert_int_equal(get(r, 1)->n_buckets, 1);
	assert_int_equal(del(r, 1), 0);
	assert_null(get(r, 1));
	assert_int_equal(del(r, 1), 0); /* there need be none */
}

static void test_counts_of_buckets_that_stay(void **state)
{
	struct flows_rig *r = *state;
	struct tally *first, *second;

	assert_int_equal(mod(r, GROUP_ADD, TWO, 0), 0);
	change_rules(r, FLOW_ADD, "in_port=1,actions=group:1");
	send_packets(r, 0, 6, 53);
	await_packets(r, "vm1", 6);
	assert_int_equal(tally_read(get(r, 1)->tally).packets, 6);
	first = get(r, 1)->buckets[0].tally;
	second = get(r, 1)->buckets[1].tally;
	assert_int_equal(tally_read(first).packets, 6);
	assert_int_equal(tally_read(second).packets, 6);
	/* the second one is another one now */
	assert_int_equal(mod(r, GROUP_MODIFY,
			     "group_id=1,type=all,bucket=actions=output:2,bucket=actions=output:1",
			     0),
			 0);
	assert_ptr_equal(get(r, 1)->buckets[0].tally, first);
	assert_ptr_not_equal(get(r, 1)->buckets[1].tally, second);
	assert_int_equal(tally_read(get(r, 1)->buckets[1].tally).packets, 0);
	assert_int_equal(tally_read(get(r, 1)->tally).packets, 6);
}

static enum of_error insert(struct flows_rig *r, uint32_t id, uint32_t port, uint32_t where)
{
	struct group *group = make("group_id=1,type=all,bucket=actions=output:1");
	struct error err = { "" };

	group->buckets[0].id = id;
	((struct action_output *)group->buckets[0].actions.bytes)->port = port;
	return flows_group_mod(r->flows, GROUP_INSERT_BUCKET, 1, group, where, &err);
}

static enum of_error take_out(struct flows_rig *r, uint32_t bucket)
{
	struct error err = { "" };

	return flows_group_mod(r->flows, GROUP_REMOVE_BUCKET, 1, NULL, bucket, &err);
}

static void expect_buckets(struct flows_rig *r, const char *want)
{
	char text[128] = "";

	for (unsigned i = 0; i < get(r, 1)->n_buckets; i++)
		sprintf(text + strlen(text), "%u ", get(r, 1)->buckets[i].id);
	assert_string_equal(text, want);
}

static void test_buckets(void **state)
{
	struct flows_rig *r = *state;
	struct tally *first;

	assert_int_equal(insert(r, 5, 1, BUCKET_LAST), OFERR_GROUP_UNKNOWN);
	assert_int_equal(mod(r, GROUP_ADD, TWO, 0), 0);
	first = get(r, 1)->buckets[0].tally;
	assert_int_equal(insert(r, 1, 1, BUCKET_LAST), OFERR_GROUP_BUCKET_EXISTS);
	assert_int_equal(insert(r, 5, 1, 77), OFERR_GROUP_UNKNOWN_BUCKET);
	assert_int_equal(insert(r, 5, 1, BUCKET_FIRST), 0);
	assert_int_equal(insert(r, 6, 1, BUCKET_LAST), 0);
	assert_int_equal(insert(r, 7, 1, 0), 0);
	expect_buckets(r, "5 0 7 1 6 ");
	assert_ptr_equal(get(r, 1)->buckets[1].tally, first);
	assert_int_equal(take_out(r, 77), OFERR_GROUP_UNKNOWN_BUCKET);
	assert_int_equal(take_out(r, 7), 0);
	assert_int_equal(take_out(r, BUCKET_FIRST), 0);
	assert_int_equal(take_out(r, BUCKET_LAST), 0);
	expect_buckets(r, "0 1 ");
	assert_ptr_equal(get(r, 1)->buckets[0].tally, first);
	assert_int_equal(take_out(r, BUCKET_ALL), 0);
	expect_buckets(r, "");
	assert_int_equal(take_out(r, BUCKET_FIRST), 0); /* there is none to remove */
	assert_int_equal(take_out(r, 7), OFERR_GROUP_UNKNOWN_BUCKET);
}

/* Rules that use it go with it. */
static void test_takes_rules_along(void **state)
{
	struct flows_rig *r = *state;

	assert_int_equal(mod_rules(r, FLOW_ADD, 4, "in_port=1,actions=group:1", 0),
			 OFERR_ACT_BAD_OUT_GROUP);
	assert_int_equal(mod(r, GROUP_ADD, TWO, 0), 0);
	assert_int_equal(mod(r, GROUP_ADD, "group_id=2,type=all,bucket=actions=output:2", 0), 0);
	change_rules(r, FLOW_ADD,
		     "send_flow_rem,in_port=1,actions=group:1\nin_port=2,actions=group:2\n"
		     "in_port=3,actions=output:1");
	assert_int_equal(del(r, 1), 0);
	expect_rules(r, "0 0  -> NORMAL\n0 32768 in_port=2 -> group:2\n"
			"0 32768 in_port=3 -> output:1\n");
	UNTIL(&r->rig, r->n_removed == 1);
	assert_int_equal(r->why, REMOVED_GROUP_DELETE);
	assert_int_equal(del(r, GROUP_ALL), 0);
	assert_int_equal(pipeline_n_groups(flows_pipeline(r->flows)), 0);
	expect_rules(r, "0 0  -> NORMAL\n0 32768 in_port=3 -> output:1\n");
}

static enum of_error chain(struct flows_rig *r, enum group_command command, uint32_t id,
			   uint32_t to)
{
	struct group *group = make("group_id=1,type=all,bucket=actions=output:1");
	struct error err = { "" };
	struct action_group *a;

	group->id = id;
	actions_free(&group->buckets[0].actions);
	a = actions_append(&group->buckets[0].actions, ACTION_GROUP, sizeof(*a));
	a->group = to;
	return flows_group_mod(r->flows, command, id, group, 0, &err);
}

static void test_loops(void **state)
{
	struct flows_rig *r = *state;

	assert_int_equal(chain(r, GROUP_ADD, 1, 1), OFERR_GROUP_LOOP);
	assert_int_equal(chain(r, GROUP_ADD, 1, 2), 0); /* which need not be there yet */
	assert_int_equal(chain(r, GROUP_ADD, 2, 3), 0);
	assert_int_equal(chain(r, GROUP_ADD, 3, 1), OFERR_GROUP_LOOP);
	for (uint32_t id = 3; id < 2000; id++)
		assert_int_equal(chain(r, GROUP_ADD, id, id + 1), 0);
	assert_int_equal(chain(r, GROUP_ADD, 2000, 1), OFERR_GROUP_LOOP);
	assert_int_equal(chain(r, GROUP_MODIFY, 1999, 1998), OFERR_GROUP_LOOP);
	assert_int_equal(del(r, GROUP_ALL), 0);
	assert_int_equal(chain(r, GROUP_ADD, 3, 1), 0);
}

#define IDS 9

/* Who leads to whom, and whether @from gets to @to that way. */
static bool gets_to(const bool leads[IDS][IDS], unsigned from, unsigned to)
{
	bool met[IDS] = { false };

	for (unsigned n = 0; n < IDS; n++) /* a way is no longer than that */
		for (unsigned i = 0; i < IDS; i++)
			for (unsigned j = 0; j < IDS; j++)
				if (leads[i][j] && (i == from || met[i]))
					met[j] = true;
	return met[to];
}

/* A group that leads to some groups: by an action, by one in a copy, or since it watches them. */
static struct group *lead(uint32_t id, const bool to[IDS])
{
	static const char *const ways[] = { "group:%u", "clone(clone(group:%u))" };
	struct group *group;
	char text[512];
	int n = snprintf(text, sizeof(text), "group_id=%u,type=select", id);

	for (unsigned i = 0; i < IDS; i++) {
		char actions[64];

		if (!to[i])
			continue;
		snprintf(actions, sizeof(actions), ways[random() % 2], i);
		if (random() % 3)
			n += sprintf(text + n, ",bucket=weight:1,actions=%s", actions);
		else
			n += sprintf(text + n, ",bucket=weight:1,watch_group:%u,actions=output:1",
				     i);
	}
	group = make(text);
	return group;
}

/* Those are refused that lead to themselves, and no others, whatever was changed before. */
static void test_loops_of_all_kinds(void **state)
{
	struct flows_rig *r = *state;
	bool leads[IDS][IDS] = { { false } }, before[IDS];
	unsigned n_loops = 0, n_good = 0;
	struct error err;

	srandom(7);
	for (unsigned n = 0; n < 3000; n++) {
		uint32_t id = (uint32_t)random() % IDS;
		bool loop;

		if (random() % 4 == 0) {
			assert_int_equal(del(r, id), 0);
			memset(leads[id], 0, sizeof(leads[id]));
			continue;
		}
		memcpy(before, leads[id], sizeof(before));
		for (unsigned i = 0; i < IDS; i++)
			leads[id][i] = random() % 6 == 0;
		loop = gets_to(leads, id, id);
		assert_int_equal(flows_group_mod(r->flows, GROUP_ADD_OR_MOD, id,
						 lead(id, leads[id]), 0, &err),
				 loop ? OFERR_GROUP_LOOP : 0);
		if (loop)
			memcpy(leads[id], before, sizeof(before));
		n_loops += loop;
		n_good += !loop;
	}
	assert_in_range(n_loops, 100, 3000);
	assert_in_range(n_good, 100, 3000);
}

/* A group that no other one leads to is no reason to look at others. */
static void test_no_search_for_new_groups(void **state)
{
	struct flows_rig *r = *state;
	unsigned before = n_groups_asked;

	for (uint32_t id = 1; id <= 2000; id++)
		assert_int_equal(chain(r, GROUP_ADD, id, id - 1), 0);
	assert_in_range(n_groups_asked - before, 1, 3 * 2000);
	before = n_groups_asked;
	assert_int_equal(chain(r, GROUP_MODIFY, 2000, 2000), OFERR_GROUP_LOOP);
	assert_int_equal(chain(r, GROUP_MODIFY, 2000, 1998), 0);
	assert_in_range(n_groups_asked - before, 1, 6);
	assert_int_equal(chain(r, GROUP_MODIFY, 1998, 2000), OFERR_GROUP_LOOP);
}

static enum of_error meter(struct flows_rig *r, enum meter_command command, const char *text)
{
	struct meter *meter = NULL;
	struct error err = { "" };

	if (meter_parse(&meter, text, &err) != 0)
		fail_msg("%s", err.text);
	return flows_meter_mod(r->flows, command, meter->id, meter, &err);
}

#define METER "meter=5,pktps,burst,bands=type=drop,rate=100,burst_size=10"

static void test_meters(void **state)
{
	struct flows_rig *r = *state;
	const struct meter *m;
	struct error err = { "" };

	assert_int_equal(meter(r, METER_MODIFY, METER), OFERR_METER_UNKNOWN_METER);
	assert_int_equal(meter(r, METER_ADD, METER), 0);
	assert_int_equal(meter(r, METER_ADD, METER), OFERR_METER_EXISTS);
	change_rules(r, FLOW_ADD, "send_flow_rem,in_port=1,actions=meter:5,output:2");
	send_packets(r, 0, 50, 53);
	await_packets(r, "vm1", 50);
	m = pipeline_meter(flows_pipeline(r->flows), 5);
	assert_int_equal(m->state->packets, 50);
	assert_true(m->state->bands[0].packets > 0);
	assert_int_equal(meter(r, METER_MODIFY, METER), 0);
	m = pipeline_meter(flows_pipeline(r->flows), 5);
	assert_int_equal(m->state->packets, 50); /* goes on */
	assert_int_equal(flows_meter_mod(r->flows, METER_DELETE, METER_ALL, NULL, &err), 0);
	expect_rules(r, "0 0  -> NORMAL\n");
	UNTIL(&r->rig, r->n_removed == 1);
	assert_int_equal(r->why, REMOVED_METER_DELETE);
}

#define MANY 6000

/* So many groups and meters, each used by a rule. */
static void make_many(struct flows_rig *r)
{
	char *text = malloc(MANY * 128), *at = text;

	for (unsigned i = 1; i <= MANY; i++) {
		char one[128];

		snprintf(one, sizeof(one), "group_id=%u,type=all,bucket=actions=output:2", i);
		assert_int_equal(mod(r, GROUP_ADD, one, 0), 0);
		snprintf(one, sizeof(one), "meter=%u,kbps,bands=type=drop,rate=100", i);
		assert_int_equal(meter(r, METER_ADD, one), 0);
		at += sprintf(at, "table=1,reg0=%u,actions=clone(group:%u)\n", i, i);
		at += sprintf(at, "table=2,reg0=%u,actions=meter:%u,output:1\n", i, i);
	}
	change_rules(r, FLOW_ADD, text);
	free(text);
}

/* All groups, or meters, go without a walk over all rules for each. */
static void test_many_go_at_once(void **state)
{
	struct flows_rig *r = *state;
	struct error err = { "" };
	unsigned n_before;

	make_many(r);
	n_before = n_walks;
	assert_int_equal(del(r, GROUP_ALL), 0);
	assert_int_equal(flows_meter_mod(r->flows, METER_DELETE, METER_ALL, NULL, &err), 0);
	assert_in_range(n_walks - n_before, 1, 10);
	assert_int_equal(pipeline_n_groups(flows_pipeline(r->flows)), 0);
	assert_int_equal(pipeline_n_meters(flows_pipeline(r->flows)), 0);
	expect_rules(r, "0 0  -> NORMAL\n");
}

/* Each takes the rules along that use it, and no other rule is looked at. */
static void test_many_go_one_by_one(void **state)
{
	struct flows_rig *r = *state;
	struct error err = { "" };
	unsigned n_before;

	make_many(r);
	n_before = n_walks;
	for (uint32_t i = 1; i <= MANY; i++) {
		assert_int_equal(del(r, i), 0);
		assert_int_equal(flows_meter_mod(r->flows, METER_DELETE, i, NULL, &err), 0);
		assert_int_equal(pipeline_n_rules(flows_pipeline(r->flows), 1), MANY - i);
		assert_int_equal(pipeline_n_rules(flows_pipeline(r->flows), 2), MANY - i);
	}
	assert_int_equal(n_walks, n_before);
}

/* A rule may use a thing twice, and others; what is refused leaves all as it was. */
static void test_uses_more_than_one(void **state)
{
	char refused[] = "in_port=1,actions=drop\nin_port=2,actions=group:9";
	struct flows_rig *r = *state;
	struct error err = { "" };

	assert_int_equal(mod(r, GROUP_ADD, TWO, 0), 0);
	assert_int_equal(mod(r, GROUP_ADD, "group_id=2,type=all,bucket=actions=output:2", 0), 0);
	assert_int_equal(meter(r, METER_ADD, METER), 0);
	change_rules(r, FLOW_ADD,
		     "in_port=1,actions=meter:5,group:1,group:2,clone(group:1)\n"
		     "in_port=2,actions=group:1\nin_port=3,actions=group:2");
	change_rules(r, FLOW_MODIFY, "in_port=2,actions=group:1,group:2");
	assert_int_equal(flows_group_users(r->flows, 1), 2);
	assert_int_equal(flows_group_users(r->flows, 2), 3);
	/* the second is refused, and the first with it */
	assert_int_not_equal(flows_change(r->flows, FLOW_ADD, refused, &err), 0);
	assert_int_equal(flows_group_users(r->flows, 1), 2);
	assert_int_equal(flows_group_users(r->flows, 2), 3);
	assert_int_equal(flows_meter_users(r->flows, 5), 1);
	assert_int_equal(del(r, 1), 0);
	expect_rules(r, "0 0  -> NORMAL\n0 32768 in_port=3 -> group:2\n");
	assert_int_equal(flows_group_users(r->flows, 2), 1);
	assert_int_equal(flows_meter_users(r->flows, 5), 0);
}

static void test_counts_users(void **state)
{
	struct flows_rig *r = *state;

	assert_int_equal(mod(r, GROUP_ADD, TWO, 0), 0);
	assert_int_equal(meter(r, METER_ADD, METER), 0);
	assert_int_equal(flows_group_users(r->flows, 1), 0);
	change_rules(r, FLOW_ADD, "in_port=1,actions=meter:5,group:1");
	change_rules(r, FLOW_ADD, "in_port=2,actions=write_actions(group:1)");
	assert_int_equal(flows_group_users(r->flows, 1), 2);
	assert_int_equal(flows_meter_users(r->flows, 5), 1);
	change_rules(r, FLOW_DELETE, "in_port=1");
	assert_int_equal(flows_group_users(r->flows, 1), 1);
	assert_int_equal(flows_meter_users(r->flows, 5), 0);
	assert_int_equal(flows_group_users(r->flows, 2), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, flows_setup, flows_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_adds_and_changes),
		TEST(test_counts_users),
		TEST(test_counts_of_buckets_that_stay),
		TEST(test_buckets),
		TEST(test_takes_rules_along),
		TEST(test_loops),
		TEST(test_loops_of_all_kinds),
		TEST(test_no_search_for_new_groups),
		TEST(test_meters),
		TEST(test_many_go_at_once),
		TEST(test_many_go_one_by_one),
		TEST(test_uses_more_than_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
