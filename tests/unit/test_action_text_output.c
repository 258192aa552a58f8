// SPDX-License-Identifier: Apache-2.0
/* Actions that send packets somewhere, there and back. */
#include "action_round.h"

static const struct round rounds[] = {
	{ .text = "", .shown = "drop" },
	{ .text = "drop" },
	{ .text = "output:1" },
	{ .text = "1,2", .shown = "output:1,output:2" },
	{ .text = "LOCAL" },
	{ .text = "IN_PORT" },
	{ .text = "table", .shown = "TABLE" },
	{ .text = "NORMAL,FLOOD,all", .shown = "NORMAL,FLOOD,ALL" },
	{ .text = "output:65534", .shown = "LOCAL" },
	{ .text = "output:4294967290", .shown = "NORMAL" },
	{ .text = "controller", .shown = "CONTROLLER:65535" },
	{ .text = "output:CONTROLLER", .shown = "CONTROLLER:65535" },
	{ .text = "controller:100", .shown = "CONTROLLER:100" },
	{ .text = "controller(max_len=100)", .shown = "CONTROLLER:100" },
	{ .text = "controller(reason=action)", .shown = "CONTROLLER:65535" },
	{ .text = "controller(userdata=)", .shown = "CONTROLLER:65535" },
	{ .text = "controller(id=5)" },
	{ .text = "controller(reason=invalid_ttl)" },
	{ .text = "controller(reason=invalid_ttl,meter_id=5)" },
	{ .text = "controller(userdata=aabb)", .shown = "controller(userdata=aa.bb)" },
	{ .text = "controller(userdata=00.01.02.03.04.05.06.07.08)" },
	{ .text = "controller(reason=no_match,max_len=5,id=3,userdata=aa.bb,pause)" },
	{ .text = "output(port=1,max_len=100)" },
	{ .text = "output(max_len=14,port=IN_PORT)", .shown = "output(port=IN_PORT,max_len=14)" },
	{ .text = "output:NXM_NX_REG0[]" },
	{ .text = "output:reg0[0..15]", .shown = "output:NXM_NX_REG0[0..15]" },
	{ .text = "output:NXM_OF_IN_PORT[]" },
	{ .text = "enqueue:1:2", .of13 = "set_queue:2,output:1,pop_queue" },
	{ .text = "enqueue(LOCAL,2)",
	  .shown = "enqueue:LOCAL:2",
	  .of13 = "set_queue:2,LOCAL,pop_queue" },
	{ .text = "set_queue:5,output:1,pop_queue" },
	{ .text = "group:5" },
	{ .text = "resubmit:5" },
	{ .text = "resubmit(5,)", .shown = "resubmit:5" },
	{ .text = "resubmit(LOCAL)", .shown = "resubmit:LOCAL" },
	{ .text = "resubmit(,2)" },
	{ .text = "resubmit(1,2)" },
	{ .text = "resubmit(in_port,3)", .shown = "resubmit(,3)" },
	{ .text = "clone(output:1,clone(load:0x1->NXM_NX_REG0[])),output:3",
	  .of15 = "clone(output:1,clone(set_field:0x1->reg0)),output:3" },
	{ .text = "clone()", .shown = "clone(drop)" },
	{ .text = "exit" },
	{ .text = "goto_table:1", .of10 = "resubmit(,1)" },
	{ .text = "meter:1,output:5", .of10 = "output:5" },
	{ .text = "meter:1,output:5,goto_table:2", .of10 = "output:5,resubmit(,2)" },
	{ .text = "clear_actions", .of10 = "drop" },
	{ .text = "write_actions(output:1,group:2,set_field:0x1->reg0),goto_table:3",
	  .of10 = "resubmit(,3)" },
	{ .text = "output:1,clear_actions,write_actions(output:2),goto_table:2",
	  .of10 = "output:1,resubmit(,2)" },
};

static void test_there_and_back(void **state)
{
	(void)state;
	round_all(rounds, ARRAY_SIZE(rounds));
}

static void test_refuses(void **state)
{
	char text[3 * CONTROLLER_USERDATA_MAX + 64] = "controller(userdata=";

	(void)state;
	round_refused("output:70000", "port 70000 is none");
	round_refused("output:4294967296", "too much");
	round_refused("output:reg0[0..40]", "reg0 has bits");
	round_refused("output(port=1,max_len=13)", "max_len is less than 14");
	round_refused("output(port=CONTROLLER,max_len=100)", "cannot be cut");
	round_refused("output(max_len=100)", "cannot be cut");
	round_refused("output(port=1,max_len=100,x=1)", "port and max_len are known");
	round_refused("controller(reason=foo)", "'foo' is no reason");
	round_refused("controller(foo=1)", "unknown argument foo");
	round_refused("controller(id=65536)", "too much");
	round_refused("controller(userdata=a)", "no pair of hex digits");
	round_refused("enqueue:1", "PORT:QUEUE");
	round_refused("set_queue:x", "no number");
	round_refused("group:4294967296", "too much");
	round_refused("resubmit:", "a port or a table");
	round_refused("resubmit(,256)", "too much");
	round_refused("resubmit(1,2,ct)", "not supported yet");
	round_refused("goto_table:255", "too much");
	for (unsigned i = 0; i <= CONTROLLER_USERDATA_MAX; i++)
		strcat(text, "00");
	round_refused(strcat(text, ")"), "more than 1024 bytes");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
