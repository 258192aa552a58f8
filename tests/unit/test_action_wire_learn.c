// SPDX-License-Identifier: Apache-2.0
/* The wire of the learn action. */
#include "action_round.h"

/* Number and settings up to the table; then what is behind. */
#define LEARN(len, number) "ffff 00" len " 00002320 00" number " 0000 0000 8000 0000000000000000 "

static void test_reads(void **state)
{
	(void)state;
	round_wire(1, true, LEARN("20", "10") "0000 01 00 0000 0000", "learn(table=1)");
	round_wire(1, true, LEARN("28", "2d") "0000 01 00 0000 0000 00000005 0000 0000",
		   "learn(table=1,limit=5)");
	round_wire(1, true,
		   LEARN("30", "2d") "0004 01 00 0000 0000 00000005 0003 0000 00010004 00000000",
		   "learn(table=1,limit=5,result_dst=NXM_NX_REG0[3])");
	round_wire(1, true,
		   LEARN("38", "10") "0000 01 00 0000 0000 2010 0800 00000602 0000 1010 00000002 "
				     "0000 0000 0000 0000",
		   "learn(table=1,eth_type=0x800,output:NXM_OF_IN_PORT[])");
}

static void test_refuses(void **state)
{
	(void)state;
	/* table 255, flags, bytes that must be zero, no room for the limit and the result */
	round_wire_refused(1, true, LEARN("20", "10") "0000 ff 00 0000 0000",
			   OFERR_ACT_BAD_ARGUMENT);
	round_wire_refused(1, true, LEARN("20", "10") "0004 01 00 0000 0000",
			   OFERR_ACT_BAD_ARGUMENT);
	round_wire_refused(1, true, LEARN("20", "10") "0000 01 01 0000 0000",
			   OFERR_ACT_BAD_ARGUMENT);
	round_wire_refused(1, true, LEARN("20", "2d") "0000 01 00 0000 0000", OFERR_ACT_BAD_LEN);
	round_wire_refused(1, true, LEARN("28", "2d") "0004 01 00 0000 0000 00000005 0003 0000",
			   OFERR_ACT_BAD_LEN);
	/* parts: cut off, unknown, a value that does not fit, padding that is none, read-only */
	round_wire_refused(1, true, LEARN("28", "10") "0000 01 00 0000 0000 2010 0800 00000602",
			   OFERR_ACT_BAD_LEN);
	round_wire_refused(1, true, LEARN("28", "10") "0000 01 00 0000 0000 c010 0800 00000602",
			   OFERR_ACT_BAD_ARGUMENT);
	round_wire_refused(1, true, LEARN("28", "10") "0000 01 00 0000 0000 1810 0800 00000602",
			   OFERR_ACT_BAD_ARGUMENT);
	round_wire_refused(1, true, LEARN("28", "10") "0000 01 00 0000 0000 3010 0800 00000602",
			   OFERR_ACT_BAD_ARGUMENT);
	round_wire_refused(1, true, LEARN("28", "10") "0000 01 00 0000 0000 2004 0010 00010004",
			   OFERR_ACT_BAD_ARGUMENT);
	round_wire_refused(1, true, LEARN("28", "10") "0000 01 00 0000 0000 27ff 0010 00010004",
			   OFERR_ACT_BAD_ARGUMENT);
	round_wire_refused(1, true, LEARN("28", "10") "0000 01 00 0000 0000 0000 0000 00000001",
			   OFERR_ACT_BAD_ARGUMENT);
	round_wire_refused(1, true,
			   LEARN("30", "10") "0000 01 00 0000 0000 2810 0800 00000602 0000 0000 "
					     "00000000",
			   OFERR_ACT_BAD_SET_ARGUMENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads),
		cmocka_unit_test(test_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
