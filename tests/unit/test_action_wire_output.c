// SPDX-License-Identifier: Apache-2.0
/* The wire of actions that send packets somewhere. */
#include "action_round.h"

static void test_reads(void **state)
{
	(void)state;
	round_wire(1, true, "00000008fffd0064", "CONTROLLER:100");
	round_wire(1, true, "00000008fff80000", "IN_PORT");
	round_wire(1, true, "000b001000010000 0000000000000002", "enqueue:1:2");
	round_wire(4, false, "00000010fffffffdffff000000000000", "CONTROLLER:65535");
	round_wire(4, false, "00150008 00000005", "set_queue:5");
	round_wire(4, false, "00160008 00000005", "group:5");
	round_wire(1, true, "ffff0010 00002320 0001 0005 00 000000", "resubmit:5");
	round_wire(1, true, "ffff0010 00002320 000e fff8 05 000000", "resubmit(,5)");
	round_wire(1, true, "ffff0010 00002320 000e fff8 ff 000000", "resubmit(,)");
	round_wire(1, true, "ffff0018 00002320 000f 001f 00010004 0064 000000000000",
		   "output:NXM_NX_REG0[]");
	round_wire(1, true, "ffff0018 00002320 0020 001f ffff 00010004 000000000000",
		   "output:NXM_NX_REG0[]");
	round_wire(1, true, "ffff0010 00002320 0014 0064 0005 01 00",
		   "controller(max_len=100,id=5)");
	round_wire(1, true, "ffff0010 00002320 0014 ffff 0000 01 00", "CONTROLLER:65535");
	round_wire(1, true,
		   "ffff0030 00002320 0025 000000000000 0000000600400000 0001000600050000"
		   "00030006aabb0000 0004000400000000",
		   "controller(max_len=64,id=5,userdata=aa.bb,pause)");
	round_wire(1, true, "ffff0010 00002320 0028 0000 00000005", "group:5");
	round_wire(1, true, "ffff0010 00002320 0027 0001 00000064", "output(port=1,max_len=100)");
	round_wire(1, true, "ffff0018 00002320 002a 000000000000 00000008 00010000",
		   "clone(output:1)");
}

static void test_refuses(void **state)
{
	(void)state;
	round_wire_refused(4, false, "000000100000ff01ffff000000000000", OFERR_ACT_BAD_OUT_PORT);
	round_wire_refused(1, true, "000b0010fffd0000 0000000000000002", OFERR_ACT_BAD_OUT_PORT);
	round_wire_refused(1, true, "ffff0010 00002320 0027 fffb 00000064", OFERR_ACT_BAD_OUT_PORT);
	round_wire_refused(1, true, "ffff0010 00002320 0027 0001 0000000d", OFERR_ACT_BAD_ARGUMENT);
	round_wire_refused(1, true, "ffff0010 00002320 0014 0064 0005 06 00",
			   OFERR_ACT_BAD_ARGUMENT);
	/* properties: no length, too long, unknown, a part of a meter */
	round_wire_refused(1, true, "ffff0018 00002320 0025 000000000000 0000000000400000",
			   OFERR_ACT_BAD_ARGUMENT);
	round_wire_refused(1, true, "ffff0018 00002320 0025 000000000000 0003000900400000",
			   OFERR_ACT_BAD_ARGUMENT);
	round_wire_refused(1, true, "ffff0018 00002320 0025 000000000000 0009000800400000",
			   OFERR_ACT_BAD_ARGUMENT);
	round_wire_refused(1, true, "ffff0018 00002320 0025 000000000000 0005000600400000",
			   OFERR_ACT_BAD_ARGUMENT);
	round_wire_refused(1, true, "ffff0018 00002320 000f 07df 00010004 0064 000000000000",
			   OFERR_ACT_BAD_SET_LEN);
	round_wire_refused(1, true, "ffff0018 00002320 000f 001f 00019904 0064 000000000000",
			   OFERR_MATCH_BAD_FIELD);
	round_wire_refused(1, true, "ffff0018 00002320 002a 000000000000 00000010 00010000",
			   OFERR_ACT_BAD_LEN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads),
		cmocka_unit_test(test_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
