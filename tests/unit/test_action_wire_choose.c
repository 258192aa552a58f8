// SPDX-License-Identifier: Apache-2.0
/* The wire of actions that choose by a hash, and of notes to the switch. */
#include "action_round.h"

#define MULTIPATH(hash, algorithm, max_link, arg, bits)                                   \
	"ffff0020 00002320 000a " hash " 0032 0000 " algorithm max_link arg " 0000 " bits \
	" 00010004"
#define BUNDLE(number, algorithm, hash, kind, n, bits, to)                            \
	"ffff0028 00002320 00" number algorithm hash "0000" kind n bits to "00000000" \
	"00010002"                                                                    \
	"00000000"

static void test_reads(void **state)
{
	(void)state;
	round_wire(1, true, MULTIPATH("0000", "0000", "0000", "00000000", "001f"),
		   "multipath(eth_src,50,modulo_n,1,0,NXM_NX_REG0[])");
	round_wire(1, true, BUNDLE("0c", "0000", "0001", "00000002", "0002", "0000", "00000000"),
		   "bundle(symmetric_l4,0,active_backup,ofport,members:1,2)");
	round_wire(1, true, BUNDLE("0d", "0001", "0000", "00000002", "0001", "001f", "00010004"),
		   "bundle_load(eth_src,0,hrw,ofport,NXM_NX_REG0[],members:1)");
	round_wire(1, true, "ffff0010 00002320 0022 02 03 00000005", "conjunction(5,3/3)");
	round_wire(1, true, "ffff0010 00002320 0008 010203040506", "note:01.02.03.04.05.06");
	round_wire(1, true, "ffff0010 00002320 0013 0005 0003 0000",
		   "fin_timeout(idle_timeout=5,hard_timeout=3)");
	round_wire(1, true, "ffff0010 00002320 0011 000000000000", "exit");
}

static void refuse(const char *hex, enum of_error error)
{
	round_wire_refused(1, true, hex, error);
}

static void test_refuses(void **state)
{
	(void)state;
	refuse(MULTIPATH("0007", "0000", "0000", "00000000", "001f"), OFERR_ACT_BAD_ARGUMENT);
	refuse(MULTIPATH("0000", "0004", "0000", "00000000", "001f"), OFERR_ACT_BAD_ARGUMENT);
	refuse(MULTIPATH("0000", "0000", "0010", "00000000", "0003"), OFERR_ACT_BAD_ARGUMENT);
	refuse(MULTIPATH("0000", "0000", "0000", "00010000", "001f"), OFERR_ACT_BAD_ARGUMENT);
	refuse(MULTIPATH("0000", "0000", "0000", "00000000", "07df"), OFERR_ACT_BAD_SET_LEN);
	refuse(BUNDLE("0c", "0002", "0001", "00000002", "0002", "0000", "00000000"),
	       OFERR_ACT_BAD_ARGUMENT);
	refuse(BUNDLE("0c", "0000", "0007", "00000002", "0002", "0000", "00000000"),
	       OFERR_ACT_BAD_ARGUMENT);
	refuse(BUNDLE("0c", "0000", "0001", "00000004", "0002", "0000", "00000000"),
	       OFERR_ACT_BAD_ARGUMENT);
	refuse(BUNDLE("0c", "0000", "0001", "00000002", "0005", "0000", "00000000"),
	       OFERR_ACT_BAD_LEN);
	refuse(BUNDLE("0c", "0000", "0001", "00000002", "0002", "001f", "00010004"),
	       OFERR_ACT_BAD_ARGUMENT);
	refuse(BUNDLE("0d", "0000", "0001", "00000002", "0002", "001f", "00000602"),
	       OFERR_ACT_BAD_SET_LEN);
	refuse("ffff0010 00002320 0022 02 02 00000005", OFERR_ACT_BAD_ARGUMENT);
	refuse("ffff0010 00002320 0022 00 01 00000005", OFERR_ACT_BAD_ARGUMENT);
	refuse("ffff0010 00002320 0022 00 41 00000005", OFERR_ACT_BAD_ARGUMENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads),
		cmocka_unit_test(test_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
