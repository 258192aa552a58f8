// SPDX-License-Identifier: Apache-2.0
/* Actions that choose by a hash, and notes to the switch, there and back. */
#include "action_round.h"

static const struct round rounds[] = {
	{ .text = "multipath(eth_src,50,modulo_n,1,0,NXM_NX_REG0[])" },
	{ .text = "multipath(symmetric_l3l4+udp,50,iter_hash,100,3,NXM_NX_REG0[0..7])" },
	{ .text = "multipath(nw_src, 50, hrw, 65536, 0, reg0[])",
	  .shown = "multipath(nw_src,50,hrw,65536,0,NXM_NX_REG0[])" },
	{ .text = "multipath(symmetric_l3,50,hash_threshold,1,0,NXM_NX_REG0[])" },
	{ .text = "bundle(eth_src,0,active_backup,ofport,slaves:1,2)",
	  .shown = "bundle(eth_src,0,active_backup,ofport,members:1,2)" },
	{ .text = "bundle(eth_src,0,active_backup,ofport,members:)" },
	{ .text = "bundle(eth_src,0,active_backup,ofport,members:1,NONE,LOCAL)",
	  .shown = "bundle(eth_src,0,active_backup,ofport,members:1,ANY,LOCAL)" },
	{ .text = "bundle(nw_dst,5,hrw,ofport,members:1,2,3)" },
	{ .text = "bundle_load(symmetric_l4,0,hrw,ofport,NXM_NX_REG0[],members:1,2)" },
	{ .text = "conjunction(1,1/2),conjunction(2,3/3),note:01",
	  .shown = "conjunction(1,1/2),conjunction(2,3/3),note:01.00.00.00.00.00" },
	{ .text = "note:", .shown = "note:00.00.00.00.00.00" },
	{ .text = "note:0102030405060708",
	  .shown = "note:01.02.03.04.05.06.07.08.00.00.00.00.00.00" },
	{ .match = "tcp", .text = "fin_timeout(idle_timeout=5,hard_timeout=3)" },
	{ .match = "tcp", .text = "fin_timeout(hard_timeout=3)" },
	{ .match = "tcp", .text = "fin_timeout()" },
};

static void test_there_and_back(void **state)
{
	(void)state;
	round_all(rounds, ARRAY_SIZE(rounds));
}

static void test_refuses(void **state)
{
	(void)state;
	round_refused("multipath(foo,50,modulo_n,1,0,reg0[])", "'foo' is no hash");
	round_refused("multipath(eth_src,50,foo,1,0,reg0[])", "'foo' is no algorithm");
	round_refused("multipath(eth_src,50,modulo_n,1,0)", "six arguments");
	round_refused("multipath(eth_src,50,modulo_n,0,0,reg0[])", "there must be a link");
	round_refused("multipath(eth_src,50,modulo_n,20,0,NXM_NX_REG0[0..2])",
		      "20 links do not fit into 3 bits");
	round_refused("multipath(eth_src,50,modulo_n,1,0,eth_type[])", "read-only");
	round_refused("bundle(eth_src,0,hrw,ofport,1,2)", "\"members:\" was expected");
	round_refused("bundle(eth_src,0,hrw,foo,members:1)", "ofport alone");
	round_refused("bundle(eth_src,0,hrw,ofport,members:foo)", "no port");
	round_refused("conjunction(1,1/1)", "there are 2 to 64 clauses");
	round_refused("conjunction(1,1/65)", "there are 2 to 64 clauses");
	round_refused("conjunction(1,3/2)", "clause 3 is not one of 1 to 2");
	round_refused("conjunction(1,0/2)", "clause 0");
	round_refused("conjunction(1)", "(ID,CLAUSE/CLAUSES)");
	round_refused("note:zz", "no pair of hex digits");
	round_refused("fin_timeout(foo=1)", "unknown argument");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
