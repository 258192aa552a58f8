// SPDX-License-Identifier: Apache-2.0
// What each action does to a packet and its metadata.
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

#define TCP                                                                                \
	"in_port=1,tcp,dl_src=00:00:00:00:00:04,dl_dst=00:00:00:00:00:05,nw_src=10.0.0.1," \
	"nw_dst=10.0.0.2,nw_ttl=64,tp_src=1000,tp_dst=80"

static void test_set_field_needs_the_field(void **state)
{
	struct world *w = *state;

	world_rule(w, 0, 5, "", "load:0x50->NXM_OF_TCP_DST[],output:2");
	assert_string_equal(world_run(w, "in_port=1,arp"), "output:2");
	assert_string_equal(world_run(w, "in_port=1,udp"), "output:2");
}

static void test_parts_of_fields(void **state)
{
	struct world *w = *state;

	world_rule(
		w, 0, 5, "",
		"load:0xab->NXM_OF_ETH_DST[8..15],move:NXM_OF_ETH_SRC[0..3]->NXM_OF_ETH_DST[40..43],"
		"move:NXM_OF_IP_SRC[]->NXM_NX_REG0[],move:NXM_NX_REG0[0..15]->NXM_OF_TCP_SRC[],output:2");
	world_run(
		w,
		"in_port=1,tcp,dl_src=00:00:00:00:00:04,dl_dst=00:00:00:00:00:05,nw_src=10.0.0.1");
	assert_int_equal(w->sent[0].key.eth_dst, 0x04000000ab05ull);
	assert_int_equal(w->sent[0].key.tp_src, 1);
}

static void test_dec_ttl(void **state)
{
	struct world *w = *state;

	world_rule(w, 0, 5, "", "resubmit(,1),output:3");
	world_rule(w, 1, 5, "", "dec_ttl(5,6),output:2");
	assert_string_equal(world_run(w, TCP), "set output:2 output:3");
	assert_int_equal(w->sent[0].key.nw_ttl, 63);
	/* the list ends, others go on; a list of controllers is told */
	assert_string_equal(world_run(w, "in_port=1,tcp,nw_ttl=1"),
			    "controller:5 controller:6 output:3");
	assert_int_equal(w->sent[0].reason, 2);
	assert_string_equal(world_run(w, "in_port=1,arp"), "output:2 output:3");
	assert_string_equal(world_run(w, "in_port=1,ipv6,nw_ttl=0"),
			    "controller:5 controller:6 output:3");
}

static void test_stack(void **state)
{
	struct world *w = *state;

	world_rule(w, 0, 5, "",
		   "push:NXM_OF_ETH_SRC[],push:NXM_OF_ETH_DST[],pop:NXM_OF_ETH_SRC[],"
		   "pop:NXM_OF_ETH_DST[],pop:NXM_OF_ETH_DST[],output:2");
	world_run(w, TCP);
	assert_int_equal(w->sent[0].key.eth_src, 5);
	assert_int_equal(w->sent[0].key.eth_dst, 4);
	/* a clone has a stack of its own */
	world_rule(
		w, 0, 5, "",
		"push:NXM_OF_ETH_SRC[],clone(pop:NXM_NX_XXREG0[0..47],push:NXM_OF_ETH_DST[],"
		"push:NXM_OF_ETH_DST[],pop:NXM_OF_ETH_SRC[],output:2),pop:NXM_OF_ETH_DST[],output:3");
	world_run(w, TCP);
	assert_int_equal(w->sent[0].key.eth_src, 5);
	assert_int_equal(w->sent[1].key.eth_src, 4);
	assert_int_equal(w->sent[1].key.eth_dst, 4);
}

static void test_stack_is_bounded(void **state)
{
	struct world *w = *state;
	char text[8192] = "", first[1024] = "";

	for (unsigned i = 0; i < 100; i++)
		strcat(text, "push:NXM_NX_REG0[],pop:NXM_NX_REG0[],push:NXM_NX_REG1[],");
	world_rule(w, 1, 5, "", text);
	for (unsigned i = 0; i < 30; i++)
		strcat(first, "resubmit(,1),");
	world_rule(w, 0, 5, "", first);
	assert_string_equal(world_run(w, TCP), "drop:flow_limit");
	assert_string_equal(w->limit.what, "more than 2048 values pushed on the stack");
}

static void test_clone_keeps_all_to_itself(void **state)
{
	struct world *w = *state;

	world_rule(w, 0, 5, "", "clone(set_field:5->reg0,set_queue:3,resubmit(,1)),resubmit(,1)");
	world_rule(w, 1, 5, "reg0=5", "output:2");
	world_rule(w, 1, 4, "reg0=0", "output:3");
	assert_string_equal(world_run(w, TCP), "queue:3 output:2 queue:-1 output:3");
}

static void test_clone_has_the_action_set(void **state)
{
	struct world *w = *state;

	world_rule(w, 0, 5, "", "write_actions(output:2),goto_table:1");
	world_rule(w, 1, 5, "", "clone(output:3,resubmit(,2)),output:4");
	world_rule(w, 2, 5, "", "clear_actions,write_actions(in_port)");
	assert_string_equal(world_run(w, TCP), "output:3 output:1 output:4 output:2");
}

static void test_output_reg(void **state)
{
	struct world *w = *state;

	world_rule(w, 0, 5, "", "set_field:3->reg2,output:NXM_NX_REG2[]");
	assert_string_equal(world_run(w, TCP), "output:3");
	world_rule(w, 0, 5, "", "set_field:0xfff8->reg2,output:NXM_NX_REG2[0..15]");
	assert_string_equal(world_run(w, TCP), "output:1");
	world_rule(w, 0, 5, "", "set_field:0x10003->reg2,output:NXM_NX_REG2[]");
	assert_string_equal(world_run(w, TCP), "drop:flow_drop");
}

static void test_controller(void **state)
{
	struct world *w = *state;
	const struct plan_controller *step = (const void *)w->draft.steps;
	struct rule *rule;

	rule = world_rule(w, 0, 5, "",
			  "set_field:7->reg1,set_field:9->metadata,"
			  "controller(max_len=60,reason=no_match,id=4,userdata=01.02.03)");
	assert_string_equal(world_run(w, TCP), "controller:4");
	assert_int_equal(step->max_len, 60);
	assert_int_equal(step->reason, 0);
	assert_int_equal(step->table, 0);
	assert_ptr_equal(step->rule, rule);
	assert_int_equal(step->cookie, 5);
	assert_int_equal(step->userdata_len, 3);
	assert_int_equal(__builtin_popcountll(step->map), 2);
	assert_int_equal(step->words[0], 9);
	assert_memory_equal(&step->words[2], "\1\2\3", 3);
}

static void test_check_pkt_larger(void **state)
{
	struct world *w = *state;

	world_rule(w, 0, 5, "", "check_pkt_larger(99)->NXM_NX_REG0[0],resubmit(,1)");
	world_rule(w, 1, 5, "reg0=1", "output:2");
	world_rule(w, 1, 4, "", "output:3");
	assert_string_equal(world_run(w, TCP), "output:2");
	assert_false(w->draft.cacheable);
	assert_non_null(w->draft.why_not);
	world_rule(w, 0, 5, "", "check_pkt_larger(100)->NXM_NX_REG0[0],resubmit(,1)");
	assert_string_equal(world_run(w, TCP), "output:3");
	world_rule(w, 0, 5, "",
		   "push_vlan:0x8100,check_pkt_larger(103)->NXM_NX_REG0[0],resubmit(,1)");
	assert_string_equal(world_run(w, TCP), "push_vlan output:2");
}

static void test_fin_timeout(void **state)
{
	struct world *w = *state;

	world_rule(w, 0, 5, "tcp", "fin_timeout(idle_timeout=5),output:2");
	assert_string_equal(world_run(w, TCP), "output:2");
	assert_int_equal(w->draft.examined.tcp_flags, 5);
	assert_string_equal(world_run(w, "in_port=1,tcp,tcp_flags=+fin+ack"),
			    "fin_timeout output:2");
}

/* Behind a meter that may remark, the DSCP is written, though the packet had it: it may have
 * another one by then. */
static void test_dscp_behind_a_meter(void **state)
{
	static const char *const bands[] = { "drop rate=5", "dscp_remark rate=5 prec_level=1" };
	struct world *w = *state;

	world_rule(w, 0, 5, "ip,nw_tos=40", "meter:1,set_field:10->ip_dscp,output:2");
	world_rule(w, 0, 5, "ip,nw_tos=48", "clone(meter:1),set_field:12->ip_dscp,output:2");
	for (unsigned i = 0; i < 2; i++) {
		struct error err = { "" };
		struct meter *meter;
		char text[80];

		snprintf(text, sizeof(text), "meter=1 pktps bands=type=%s", bands[i]);
		assert_int_equal(meter_parse(&meter, text, &err), 0);
		assert_int_equal(pipeline_add_meter(w->p, meter), 0);
		assert_string_equal(world_run(w, "in_port=1,tcp,nw_tos=40"),
				    i ? "meter set output:2" : "meter output:2");
		/* what happens to a copy does not matter */
		assert_string_equal(world_run(w, "in_port=1,tcp,nw_tos=48"),
				    "save meter restore output:2");
		assert_int_equal(pipeline_remove_meter(w->p, 1), 0);
	}
}

/* A meter that drops a copy leaves open which queue it was at. */
static void test_queue_behind_a_meter(void **state)
{
	struct world *w = *state;
	struct error err = { "" };
	struct meter *meter;

	assert_int_equal(meter_parse(&meter, "meter=1 pktps bands=type=drop rate=5", &err), 0);
	assert_int_equal(pipeline_add_meter(w->p, meter), 0);
	world_rule(w, 0, 5, "", "enqueue:3:2,clone(meter:1,output:2),output:4");
	assert_string_equal(world_run(w, TCP), "queue:2 output:3 save meter queue:-1 output:2 "
					       "restore queue:-1 output:4");
}

static void test_those_that_do_nothing(void **state)
{
	struct world *w = *state;

	world_rule(w, 0, 5, "", "note:00.11.22,output:2");
	assert_string_equal(world_run(w, TCP), "output:2");
	world_rule(w, 0, 5, "", "meter:9,output:2"); /* there is none */
	assert_string_equal(world_run(w, TCP), "output:2");
}

static void test_conjunction(void **state)
{
	struct world *w = *state;

	world_rule(w, 0, 9, "ip,nw_src=10.0.0.1", "conjunction(7,1/2)");
	world_rule(w, 0, 9, "tcp,tp_dst=80", "conjunction(7,2/2)");
	world_rule(w, 0, 8, "conj_id=7", "output:2");
	world_rule(w, 0, 1, "", "output:3");
	assert_string_equal(world_run(w, TCP), "output:2");
	assert_string_equal(world_run(w, "in_port=1,tcp,nw_src=10.0.0.1,tp_dst=81"), "output:3");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_set_field_needs_the_field, setup, teardown),
		cmocka_unit_test_setup_teardown(test_parts_of_fields, setup, teardown),
		cmocka_unit_test_setup_teardown(test_dscp_behind_a_meter, setup, teardown),
		cmocka_unit_test_setup_teardown(test_queue_behind_a_meter, setup, teardown),
		cmocka_unit_test_setup_teardown(test_dec_ttl, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stack, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stack_is_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(test_clone_keeps_all_to_itself, setup, teardown),
		cmocka_unit_test_setup_teardown(test_clone_has_the_action_set, setup, teardown),
		cmocka_unit_test_setup_teardown(test_output_reg, setup, teardown),
		cmocka_unit_test_setup_teardown(test_controller, setup, teardown),
		cmocka_unit_test_setup_teardown(test_check_pkt_larger, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fin_timeout, setup, teardown),
		cmocka_unit_test_setup_teardown(test_those_that_do_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_conjunction, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
