// SPDX-License-Identifier: Apache-2.0
// The walk through tables and action sets, ports, fragments, and its bounds.
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

static void test_no_rule(void **state)
{
	struct world *w = *state;
	struct pipeline_table table = *pipeline_table(w->p, 0);

	table.miss = MISS_DROP;
	assert_int_equal(pipeline_set_table(w->p, 0, &table), 0);
	assert_string_equal(world_run(w, TCP), "drop:flow_no_rule");
	assert_true(w->draft.cacheable);
	table.miss = MISS_CONTROLLER;
	assert_int_equal(pipeline_set_table(w->p, 0, &table), 0);
	assert_string_equal(world_run(w, TCP), "controller:0");
	assert_int_equal(w->sent[0].max_len, 128);
	assert_int_equal(w->sent[0].reason, 0);
	world_port(w, (struct pipeline_port){ .number = 1, .live = true, .no_packet_in = true });
	assert_string_equal(world_run(w, TCP), "drop:flow_no_rule");
	table.miss = MISS_CONTINUE;
	assert_int_equal(pipeline_set_table(w->p, 0, &table), 0);
	world_rule(w, 1, 1, "", "output:2");
	assert_string_equal(world_run(w, TCP), "output:2");
}

static void test_a_rule_that_drops(void **state)
{
	struct world *w = *state;

	world_rule(w, 0, 5, "tcp", "drop");
	assert_string_equal(world_run(w, TCP), "drop:flow_drop");
}

static void test_goto(void **state)
{
	struct world *w = *state;
	struct rule *first = world_rule(w, 0, 5, "tcp", "output:2,goto_table:7");
	struct rule *second = world_rule(w, 7, 5, "", "output:3");
	struct rule *other = world_rule(w, 7, 1, "", "output:4");

	assert_string_equal(world_run(w, TCP), "output:2 output:3");
	assert_true(world_credited(w, first->tally));
	assert_true(world_credited(w, second->tally));
	assert_false(world_credited(w, other->tally));
}

/* Only a goto_table asks what the table does with packets that no rule is for. */
static void test_resubmit(void **state)
{
	struct world *w = *state;
	struct pipeline_table table = *pipeline_table(w->p, 1);

	table.miss = MISS_CONTROLLER;
	assert_int_equal(pipeline_set_table(w->p, 1, &table), 0);
	world_rule(w, 0, 5, "in_port=1", "resubmit(,1),resubmit(,2),resubmit(3,3),output:4");
	world_rule(w, 2, 5, "", "output:2");
	world_rule(w, 3, 5, "in_port=3", "output:3,in_port");
	world_rule(w, 3, 1, "", "output:4");
	/* in_port is another one for the lookup alone */
	assert_string_equal(world_run(w, TCP), "output:2 output:3 output:1 output:4");
	world_rule(w, 0, 5, "in_port=1", "goto_table:1");
	assert_string_equal(world_run(w, TCP), "controller:0");
}

static void test_resubmit_sees_changes(void **state)
{
	struct world *w = *state;

	world_rule(w, 0, 5, "", "set_field:7->reg3,resubmit(,1)");
	world_rule(w, 1, 5, "reg3=7", "set_field:8->tcp_dst,goto_table:2");
	world_rule(w, 2, 5, "tcp,tp_dst=8", "output:2");
	assert_string_equal(world_run(w, TCP), "set output:2");
	assert_int_equal(w->sent[0].key.tp_dst, 8);
}

static void test_exit(void **state)
{
	struct world *w = *state;

	world_rule(w, 0, 5, "", "output:2,resubmit(,1),output:4");
	world_rule(w, 1, 5, "", "output:3,exit,output:4");
	assert_string_equal(world_run(w, TCP), "output:2 output:3");
}

static void test_action_set(void **state)
{
	struct world *w = *state;

	world_rule(w, 0, 5, "",
		   "write_actions(output:2,set_field:00:00:00:00:00:09->eth_dst),goto_table:1");
	world_rule(w, 1, 5, "",
		   "output:4,write_actions(push_vlan:0x8100,set_field:4099->vlan_vid,output:3),"
		   "goto_table:2");
	world_rule(w, 2, 5, "actset_output=3", "write_metadata:0x55/0xff,goto_table:3");
	world_rule(w, 3, 5, "metadata=0x55", "write_actions(set_field:1->reg0)");
	/* the last output counts; all fields that were set do; the tag is there before its field */
	assert_string_equal(world_run(w, TCP), "output:4 push_vlan set output:3");
	assert_int_equal(w->sent[1].key.eth_dst, 9);
	assert_int_equal(w->sent[1].key.vlan[0].tci & 0xfff, 3);
	world_rule(w, 3, 5, "metadata=0x55", "clear_actions");
	assert_string_equal(world_run(w, TCP), "output:4");
	world_rule(w, 3, 5, "metadata=0x55", "clear_actions,write_actions(set_field:1->reg0)");
	assert_string_equal(world_run(w, TCP), "output:4");
	world_rule(w, 3, 5, "metadata=0x55", "clear_actions,write_actions(normal)");
	assert_string_equal(world_run(w, TCP), "output:4 normal");
}

static void test_ports(void **state)
{
	struct world *w = *state;

	world_rule(w, 0, 9, "reg0=0,tcp,tp_dst=1", "output:1,output:2");
	world_rule(w, 0, 9, "tcp,tp_dst=2", "in_port");
	world_rule(w, 0, 9, "tcp,tp_dst=3", "all");
	world_rule(w, 0, 9, "tcp,tp_dst=4", "flood");
	world_rule(w, 0, 9, "tcp,tp_dst=5", "output:77");
	world_rule(w, 0, 9, "tcp,tp_dst=6", "local");
	world_rule(w, 0, 9, "tcp,tp_dst=7", "controller:50");
	world_rule(w, 0, 9, "tcp,tp_dst=8", "output:1");
	world_port(w, (struct pipeline_port){ .number = 3, .live = true, .no_flood = true });
	world_port(w, (struct pipeline_port){ .number = 4, .live = true, .no_forward = true });
	assert_string_equal(world_run(w, "in_port=1,tcp,tp_dst=1"), "output:2");
	assert_string_equal(world_run(w, "in_port=1,tcp,tp_dst=2"), "output:1");
	assert_string_equal(world_run(w, "in_port=1,tcp,tp_dst=3"),
			    "output:2 output:3 output:4294967294");
	assert_string_equal(world_run(w, "in_port=1,tcp,tp_dst=4"), "output:2 output:4294967294");
	assert_string_equal(world_run(w, "in_port=1,tcp,tp_dst=5"), "drop:no_such_port");
	assert_string_equal(world_run(w, "in_port=1,tcp,tp_dst=6"), "output:4294967294");
	assert_string_equal(world_run(w, "in_port=1,tcp,tp_dst=7"), "controller:0");
	assert_int_equal(w->sent[0].max_len, 50);
	assert_int_equal(w->sent[0].reason, 1);
	assert_string_equal(world_run(w, "in_port=1,tcp,tp_dst=8"), "drop:same_port");
	assert_string_equal(world_run(w, "in_port=4,tcp,tp_dst=2"), "drop:flow_port");
	world_port(w, (struct pipeline_port){ .number = 1, .live = true, .no_receive = true });
	assert_string_equal(world_run(w, "in_port=1,tcp,tp_dst=1"), "drop:flow_port");
}

static void test_fragments(void **state)
{
	struct world *w = *state;

	world_rule(w, 0, 9, "tcp,tp_dst=80", "output:2");
	world_rule(w, 0, 8, "tcp,tp_dst=0", "output:3");
	assert_string_equal(world_run(w, "in_port=1,tcp,tp_dst=80"), "output:2");
	assert_string_equal(world_run(w, "in_port=1,tcp,tp_dst=80,ip_frag=first"), "output:3");
	/* what is not seen is not examined */
	assert_int_equal(w->draft.examined.tp_dst, 0);
	assert_int_equal(w->draft.examined.nw_frag, FLOW_FRAG_ANY);
	pipeline_set_frags(w->p, 1);
	assert_string_equal(world_run(w, "in_port=1,tcp,tp_dst=80,ip_frag=first"),
			    "drop:flow_fragment");
	assert_string_equal(world_run(w, "in_port=1,tcp,tp_dst=80"), "output:2");
	assert_int_equal(w->draft.examined.nw_frag, FLOW_FRAG_ANY);
	pipeline_set_frags(w->p, 3);
	assert_string_equal(world_run(w, "in_port=1,tcp,tp_dst=80,ip_frag=first"), "output:2");
}

static void test_packet_out(void **state)
{
	struct world *w = *state;
	struct flow_key key = world_key(TCP);
	struct action_list actions = { 0 };
	struct error err;
	struct translate_input in = { .pipeline = w->p, .key = &key, .actions = &actions };

	world_rule(w, 0, 5, "in_port=1", "output:3,controller");
	assert_int_equal(actions_parse(&actions, "output:2,table,controller", false, &err), 0);
	translate(&in, &w->draft, &w->limit);
	world_carry_out(w, &key);
	assert_string_equal(w->words, "output:2 output:3 controller:0 controller:0");
	assert_int_equal(w->sent[2].reason, 1);
	assert_int_equal(w->sent[3].reason, 5);
	actions_free(&actions);
}

/* ---- bounds */

static void test_resubmit_to_itself(void **state)
{
	struct world *w = *state;
	struct rule *rule = world_rule(w, 0, 5, "", "output:2,resubmit(,0)");

	assert_string_equal(world_run(w, TCP), "drop:flow_limit");
	assert_string_equal(w->limit.what, "more than 64 resubmits within each other");
	assert_ptr_equal(w->limit.rule, rule);
	world_rule(w, 0, 5, "", "output:2");
	assert_string_equal(world_run(w, TCP), "output:2");
	assert_null(w->limit.what);
}

static void test_too_many_resubmits(void **state)
{
	struct world *w = *state;
	char text[64];

	/* twice as many in each table */
	for (unsigned i = 0; i < 40; i++) {
		snprintf(text, sizeof(text), "resubmit(,%u),resubmit(,%u)", i + 1, i + 1);
		world_rule(w, (uint8_t)i, 5, "", text);
	}
	assert_string_equal(world_run(w, TCP), "drop:flow_limit");
	assert_string_equal(w->limit.what, "more than 4096 resubmits");
}

/* As deep as it gets: through all tables, and back to the first. */
static void test_deep(void **state)
{
	struct world *w = *state;
	char text[64];

	for (unsigned i = 0; i < PIPELINE_TABLES; i++) {
		snprintf(text, sizeof(text), "resubmit(,%u)", (i + 1) % PIPELINE_TABLES);
		world_rule(w, (uint8_t)i, 5, "", text);
	}
	assert_string_equal(world_run(w, TCP), "drop:flow_limit");
	assert_string_equal(w->limit.what, "more than 4096 resubmits");
}

static void test_too_much_to_do(void **state)
{
	struct world *w = *state;
	char text[64 * 60] = "", first[4096] = "";

	for (unsigned i = 0; i < 60; i++)
		snprintf(text + strlen(text), 64, "set_field:%u->tcp_dst,output:2,", i);
	world_rule(w, 1, 5, "", text);
	for (unsigned i = 0; i < 60; i++)
		strcat(first, "resubmit(,1),");
	world_rule(w, 0, 5, "", first);
	assert_string_equal(world_run(w, TCP), "drop:flow_limit");
	assert_string_equal(w->limit.what, "more than 64 kB of steps");
}

/* Actions that make no step; sets that are looked through; each of them again and again. */
static void test_too_much_work(void **state)
{
	struct world *w = *state;
	char all[4096] = "", some[8192] = "";

	for (unsigned i = 0; i < 200; i++) {
		strcat(some, "load:1->reg1,");
		strcat(all, "resubmit(,1),");
	}
	world_rule(w, 1, 5, "", some);
	world_rule(w, 0, 5, "reg0=0", all);
	assert_string_equal(world_run(w, TCP), "drop:flow_drop");
	assert_null(w->limit.what);
	world_rule(w, 2, 5, "", all);
	world_rule(w, 0, 5, "reg0=0", "resubmit(,2),resubmit(,2),resubmit(,2),resubmit(,2)");
	assert_string_equal(world_run(w, TCP), "drop:flow_drop");
	for (unsigned i = 0; i < 200; i++)
		strcat(some, "load:1->reg1,");
	world_rule(w, 1, 5, "", some);
	assert_string_equal(world_run(w, TCP), "drop:flow_limit");
	assert_non_null(strstr(w->limit.what, "262144 actions"));
}

/* A table is searched mask by mask, each time it is come to. */
static void test_too_many_masks(void **state)
{
	struct world *w = *state;
	char match[64], all[4096] = "";

	for (unsigned i = 1; i <= 100; i++) {
		snprintf(match, sizeof(match), "reg1=%#x/%#x", i, i);
		world_rule(w, 1, 5, match, "drop");
	}
	for (unsigned i = 0; i < 200; i++)
		strcat(all, "resubmit(,1),");
	world_rule(w, 2, 5, "", all);
	world_rule(w, 0, 5, "", "resubmit(,2),resubmit(,2),resubmit(,2),output:2");
	assert_string_equal(world_run(w, TCP), "output:2");
	world_rule(w, 0, 5, "", "resubmit(,2),resubmit(,2),resubmit(,2),resubmit(,2),output:2");
	assert_string_equal(world_run(w, TCP), "drop:flow_limit");
	assert_non_null(strstr(w->limit.what, "masks"));
	assert_int_equal(w->limit.rule->table, 2);
}

static void test_too_many_copies(void **state)
{
	struct world *w = *state;

	/* they only matter when all of them change the packet */
	world_rule(
		w, 0, 5, "reg0=0",
		"clone(dec_ttl,output:2,clone(dec_ttl,output:2,clone(dec_ttl,output:2,"
		"clone(dec_ttl,output:2,clone(dec_ttl,output:2,clone(dec_ttl,output:2,"
		"clone(dec_ttl,output:2,clone(dec_ttl,output:2,clone(dec_ttl,output:2"
		"),output:3),output:3),output:3),output:3),output:3),output:3),output:3),output:3)"
		",output:4");
	assert_string_equal(world_run(w, TCP), "drop:flow_limit");
	world_rule(w, 0, 5, "reg0=0", "clone(resubmit(,0)),output:2");
	assert_string_equal(world_run(w, TCP), "drop:flow_limit");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_no_rule, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_rule_that_drops, setup, teardown),
		cmocka_unit_test_setup_teardown(test_goto, setup, teardown),
		cmocka_unit_test_setup_teardown(test_resubmit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_resubmit_sees_changes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_exit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_action_set, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ports, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fragments, setup, teardown),
		cmocka_unit_test_setup_teardown(test_packet_out, setup, teardown),
		cmocka_unit_test_setup_teardown(test_resubmit_to_itself, setup, teardown),
		cmocka_unit_test_setup_teardown(test_too_many_resubmits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_deep, setup, teardown),
		cmocka_unit_test_setup_teardown(test_too_much_to_do, setup, teardown),
		cmocka_unit_test_setup_teardown(test_too_much_work, setup, teardown),
		cmocka_unit_test_setup_teardown(test_too_many_masks, setup, teardown),
		cmocka_unit_test_setup_teardown(test_too_many_copies, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
