// SPDX-License-Identifier: Apache-2.0
/* The learn action, there and back. */
#include "action_round.h"

static const struct round rounds[] = {
	{ .text = "learn()", .shown = "learn(table=1)" },
	{ .text = "learn(table=1,idle_timeout=5,NXM_OF_VLAN_TCI[0..11],NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],"
		  "output:NXM_OF_IN_PORT[],load:5->NXM_NX_REG0[],limit=5,result_dst=reg0[0])",
	  .shown =
		  "learn(table=1,idle_timeout=5,limit=5,result_dst=NXM_NX_REG0[0],NXM_OF_VLAN_TCI[0..11],"
		  "NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[],load:0x5->NXM_NX_REG0[])" },
	{ .text = "learn(table=2,priority=5,cookie=0x5,hard_timeout=3,fin_idle_timeout=2,"
		  "fin_hard_timeout=1,send_flow_rem,delete_learned,in_port=5)",
	  .shown = "learn(table=2,hard_timeout=3,fin_idle_timeout=2,fin_hard_timeout=1,priority=5,"
		   "send_flow_rem,delete_learned,cookie=0x5,in_port=5)" },
	{ .text = "learn(NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],dl_type=0x800,reg0=5,NXM_NX_REG1[0..3]=3,"
		  "load:NXM_OF_IN_PORT[]->NXM_NX_REG2[0..15],NXM_OF_ETH_SRC[])",
	  .shown =
		  "learn(table=1,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],eth_type=0x800,reg0=0x5,"
		  "NXM_NX_REG1[0..3]=0x3,load:NXM_OF_IN_PORT[]->NXM_NX_REG2[0..15],NXM_OF_ETH_SRC[])" },
	{ .match = "ip",
	  .text = "learn(NXM_OF_ETH_TYPE[]=0x800,NXM_OF_IP_SRC[]=NXM_OF_IP_DST[])",
	  .shown = "learn(table=1,eth_type=0x800,NXM_OF_IP_SRC[]=NXM_OF_IP_DST[])" },
	{ .text = "learn(table=1,NXM_NX_CT_STATE[0..7]=0x21,NXM_NX_CT_STATE[]=0x121)" },
	{ .text = "learn(eth_type=0x86dd,ipv6_src=2001:db8::1,"
		  "load:0x123456789abcdef0->NXM_NX_XXREG0[0..63])",
	  .shown = "learn(table=1,eth_type=0x86dd,ipv6_src=2001:db8::1,"
		   "load:0x123456789abcdef0->NXM_NX_XXREG0[0..63])" },
	{ .text = "learn(in_port=LOCAL,limit=7)", .shown = "learn(table=1,limit=7,in_port=LOCAL)" },
	{ .text = "learn(eth_type=0x800,nw_proto=6,tcp_dst=80)",
	  .shown = "learn(table=1,eth_type=0x800,nw_proto=6,tcp_dst=80)" },
};

static void test_there_and_back(void **state)
{
	(void)state;
	round_all(rounds, ARRAY_SIZE(rounds));
}

static void test_refuses(void **state)
{
	(void)state;
	round_refused("learn(table=255)", "too much");
	round_refused("learn(priority=65536)", "too much");
	round_refused("learn(limit=x)", "no number");
	round_refused("learn(foo=1)", "neither a setting nor a field");
	round_refused("learn(result_dst=reg0[])", "one writable bit");
	round_refused("learn(NXM_NX_REG0[0..3]=NXM_NX_REG1[])", "32 bits are not compared with 4");
	round_refused("learn(NXM_NX_REG0[0..3]=16)", "too much");
	round_refused("learn(eth_type=0x800/0xff)", "mask");
	round_refused("learn(load:1.2.3.4->reg1[])", "no number");
	round_refused("learn(load:1->NXM_OF_ETH_TYPE[])", "read-only");
	round_refused("learn(load:reg0[0..3]->reg1[])", "4 bits do not go into 32");
	round_refused("learn(output:foo[])", "is no field");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
