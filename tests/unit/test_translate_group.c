// SPDX-License-Identifier: Apache-2.0
// Groups, multipath and bundle: who is chosen, by which bits, and what is live.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "flow_world.h"

static int setup(void **state)
{
	*state = world_create(4);
	return 0;
}

static int teardown(void **state)
{
	world_destroy(*state);
	return 0;
}

#define TCP "in_port=1,tcp,nw_src=10.0.0.1,nw_dst=10.0.0.2,nw_ttl=64,tp_src=1000,tp_dst=80"

static void test_all(void **state)
{
	struct world *w = *state;
	struct group *group = world_group(
		w, "group_id=1,type=all,bucket=actions=set_field:1->tcp_dst,output:2,"
		   "bucket=actions=output:3,bucket=actions=set_field:2->reg0,resubmit(,1)");

	world_rule(w, 0, 5, "", "group:1,output:2");
	world_rule(w, 1, 5, "reg0=2", "output:4");
	assert_string_equal(world_run(w, TCP),
			    "save set output:2 restore output:3 output:4 output:2");
	assert_int_equal(w->sent[0].key.tp_dst, 1);
	assert_int_equal(w->sent[1].key.tp_dst, 80);
	assert_true(world_credited(w, group->tally));
	for (unsigned i = 0; i < 3; i++)
		assert_true(world_credited(w, group->buckets[i].tally));
}

/* A bucket is an action set: it has an order, and goes nowhere without an output. */
static void test_buckets_are_action_sets(void **state)
{
	struct world *w = *state;

	world_group(w, "group_id=1,type=all,bucket=actions=output:2,set_field:1->tcp_dst,"
		       "bucket=actions=set_field:2->tcp_dst");
	world_rule(w, 0, 5, "", "group:1");
	assert_string_equal(world_run(w, TCP), "set output:2");
	assert_int_equal(w->sent[0].key.tp_dst, 1);
}

static void test_group_of_the_action_set_goes_first(void **state)
{
	struct world *w = *state;

	world_group(w, "group_id=1,type=indirect,bucket=actions=output:4");
	world_rule(w, 0, 5, "", "write_actions(output:2,group:1,set_queue:3)");
	assert_string_equal(world_run(w, TCP), "queue:3 output:4");
}

static void test_exit_ends_a_bucket(void **state)
{
	struct world *w = *state;

	world_group(w, "group_id=1,type=all,bucket=actions=resubmit(,1),bucket=actions=output:3");
	world_rule(w, 0, 5, "", "group:1,output:4");
	world_rule(w, 1, 5, "", "output:2,exit");
	assert_string_equal(world_run(w, TCP), "output:2 output:3 output:4");
}

static void test_select(void **state)
{
	struct world *w = *state;
	struct flow_key key = world_key(TCP);
	unsigned got[5] = { 0 };
	struct group *group;

	group = world_group(w, "group_id=1,type=select,bucket=weight=1,actions=output:2,"
			       "bucket=weight=3,actions=output:3,bucket=weight=0,actions=output:4");
	world_rule(w, 0, 5, "", "group:1");
	for (unsigned i = 0; i < 4000; i++) {
		key.tp_src = (uint16_t)i;
		world_run_key(w, &key);
		assert_int_equal(w->n_sent, 1);
		got[w->sent[0].port]++;
		assert_true(world_credited(w, group->buckets[w->sent[0].port - 2].tally));
		assert_false(world_credited(w, group->buckets[3 - w->sent[0].port].tally));
	}
	assert_in_range(got[2], 850, 1150);
	assert_int_equal(got[2] + got[3], 4000);
	/* the five-tuple is examined, and no more */
	assert_int_equal(w->draft.examined.tp_src, UINT16_MAX);
	assert_int_equal(w->draft.examined.nw_dst, UINT32_MAX);
	assert_int_equal(w->draft.examined.nw_proto, UINT8_MAX);
	assert_int_equal(w->draft.examined.eth_dst, 0);
	assert_int_equal(w->draft.examined.nw_ttl, 0);
}

/* Replies go the same way. */
static void test_select_is_symmetric(void **state)
{
	struct world *w = *state;
	struct flow_key key = world_key(TCP), reply = key;

	world_group(w, "group_id=1,type=select,bucket=actions=output:2,bucket=actions=output:3,"
		       "bucket=actions=output:4");
	world_rule(w, 0, 5, "", "group:1");
	reply.nw_src = key.nw_dst;
	reply.nw_dst = key.nw_src;
	for (unsigned i = 0; i < 100; i++) {
		uint32_t port;

		key.tp_src = reply.tp_dst = (uint16_t)i;
		reply.tp_src = key.tp_dst;
		world_run_key(w, &key);
		port = w->sent[0].port;
		world_run_key(w, &reply);
		assert_int_equal(w->sent[0].port, port);
	}
}

static void test_select_by_fields(void **state)
{
	struct world *w = *state;
	struct flow_key key = world_key(TCP);
	bool got[5] = { 0 };

	world_group(w, "group_id=1,type=select,selection_method=hash,fields(ip_src),"
		       "bucket=actions=output:2,bucket=actions=output:3");
	world_rule(w, 0, 5, "", "group:1");
	for (unsigned i = 0; i < 64; i++) {
		key.nw_src = i;
		world_run_key(w, &key);
		got[w->sent[0].port] = true;
	}
	assert_true(got[2] && got[3]);
	assert_int_equal(w->draft.examined.nw_src, UINT32_MAX);
	assert_int_equal(w->draft.examined.nw_dst, 0);
	assert_int_equal(w->draft.examined.tp_src, 0);
}

static void test_liveness(void **state)
{
	struct world *w = *state;
	const struct pipeline_port dead = { .number = 2 };

	world_group(w, "group_id=1,type=ff,bucket=watch_port:2,actions=output:2,"
		       "bucket=watch_port:3,actions=output:3");
	world_group(w, "group_id=2,type=ff,bucket=watch_group:3,actions=output:4,"
		       "bucket=watch_port:3,actions=output:3");
	world_group(w, "group_id=3,type=select,bucket=watch_port:2,actions=output:2");
	world_rule(w, 0, 5, "tcp,tp_dst=80", "group:1");
	world_rule(w, 0, 5, "tcp,tp_dst=81", "group:2");
	world_rule(w, 0, 5, "tcp,tp_dst=82", "group:3");
	world_rule(w, 0, 5, "tcp,tp_dst=83", "group:9");
	assert_string_equal(world_run(w, TCP), "output:2");
	assert_string_equal(world_run(w, "in_port=1,tcp,tp_dst=81"), "output:4");
	assert_string_equal(world_run(w, "in_port=1,tcp,tp_dst=82"), "output:2");
	world_port(w, dead);
	assert_string_equal(world_run(w, TCP), "output:3");
	assert_string_equal(world_run(w, "in_port=1,tcp,tp_dst=81"), "output:3");
	assert_string_equal(world_run(w, "in_port=1,tcp,tp_dst=82"), "drop:flow_group");
	assert_string_equal(world_run(w, "in_port=1,tcp,tp_dst=83"), "drop:flow_group");
}

static void test_groups_that_watch_each_other(void **state)
{
	struct world *w = *state;

	world_group(w, "group_id=1,type=ff,bucket=watch_group:2,actions=output:2");
	world_group(w, "group_id=2,type=ff,bucket=watch_group:1,actions=output:2");
	world_rule(w, 0, 5, "", "group:1");
	assert_string_equal(world_run(w, TCP), "drop:flow_group");
}

/* Each asks the next one twice. */
static void test_many_watches(void **state)
{
	struct world *w = *state;
	char text[128];

	for (unsigned i = 1; i <= 31; i++) {
		snprintf(text, sizeof(text),
			 "group_id=%u,type=ff,bucket=watch_group:%u,actions=output:2,"
			 "bucket=watch_group:%u,actions=output:3",
			 i, i + 1, i + 1);
		world_group(w, text);
	}
	world_rule(w, 0, 5, "", "group:1");
	assert_string_equal(world_run(w, TCP), "drop:flow_limit");
	assert_non_null(strstr(w->limit.what, "262144 actions"));
	world_group(w, "group_id=32,type=ff,bucket=watch_port:2,actions=output:2");
	world_rule(w, 0, 5, "", "group:2");
	assert_string_equal(world_run(w, TCP), "output:2");
}

static void test_groups_in_a_loop(void **state)
{
	struct world *w = *state;

	world_group(w,
		    "group_id=1,type=all,bucket=actions=resubmit(,0),bucket=actions=resubmit(,0)");
	world_rule(w, 0, 5, "", "group:1");
	assert_string_equal(world_run(w, TCP), "drop:flow_limit");
	assert_non_null(w->limit.what);
}

static void test_multipath(void **state)
{
	struct world *w = *state;
	struct flow_key key = world_key(TCP);
	bool got[8] = { 0 };

	world_rule(w, 0, 5, "",
		   "multipath(symmetric_l3l4,50,hrw,3,0,NXM_NX_REG0[8..11]),"
		   "move:NXM_NX_REG0[8..11]->NXM_NX_REG1[0..3],resubmit(,1)");
	world_rule(w, 1, 5, "reg1=0", "output:2");
	world_rule(w, 1, 5, "reg1=1", "output:3");
	world_rule(w, 1, 5, "reg1=2", "output:4");
	for (unsigned i = 0; i < 64; i++) {
		key.tp_src = (uint16_t)i;
		world_run_key(w, &key);
		assert_int_equal(w->n_sent, 1);
		got[w->sent[0].port] = true;
	}
	assert_true(got[2] && got[3] && got[4]);
	assert_int_equal(w->draft.examined.tp_src, UINT16_MAX);
	assert_int_equal(w->draft.examined.eth_src, 0);
}

static void test_bundle(void **state)
{
	struct world *w = *state;
	struct flow_key key = world_key(TCP);
	bool got[8] = { 0 };

	world_rule(w, 0, 5, "", "bundle(eth_src,0,active_backup,ofport,members:2,3)");
	assert_string_equal(world_run(w, TCP), "output:2");
	assert_int_equal(w->draft.examined.eth_src, 0);
	world_port(w, (struct pipeline_port){ .number = 2 });
	assert_string_equal(world_run(w, TCP), "output:3");
	world_rule(w, 0, 5, "",
		   "bundle_load(eth_src,0,hrw,ofport,NXM_NX_REG0[0..15],members:2,3,4),"
		   "output:NXM_NX_REG0[0..15]");
	for (unsigned i = 0; i < 64; i++) {
		key.eth_src = i;
		world_run_key(w, &key);
		got[w->sent[0].port] = true;
	}
	assert_true(!got[2] && got[3] && got[4]);
	world_port(w, (struct pipeline_port){ .number = 3 });
	world_port(w, (struct pipeline_port){ .number = 4 });
	assert_string_equal(world_run(w, TCP), "drop:flow_port");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_all, setup, teardown),
		cmocka_unit_test_setup_teardown(test_buckets_are_action_sets, setup, teardown),
		cmocka_unit_test_setup_teardown(test_group_of_the_action_set_goes_first, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_exit_ends_a_bucket, setup, teardown),
		cmocka_unit_test_setup_teardown(test_select, setup, teardown),
		cmocka_unit_test_setup_teardown(test_select_is_symmetric, setup, teardown),
		cmocka_unit_test_setup_teardown(test_select_by_fields, setup, teardown),
		cmocka_unit_test_setup_teardown(test_liveness, setup, teardown),
		cmocka_unit_test_setup_teardown(test_groups_that_watch_each_other, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_watches, setup, teardown),
		cmocka_unit_test_setup_teardown(test_groups_in_a_loop, setup, teardown),
		cmocka_unit_test_setup_teardown(test_multipath, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bundle, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
