// SPDX-License-Identifier: Apache-2.0
/* The wire of actions that change fields and tags. */
#include "action_round.h"

static void test_reads(void **state)
{
	(void)state;
	round_wire(1, true, "0001000800050000", "mod_vlan_vid:5");
	round_wire(1, true, "0002000807000000", "mod_vlan_pcp:7");
	round_wire(1, true, "0003000800000000", "strip_vlan");
	round_wire(1, true, "00040010001122334455000000000000", "mod_dl_src:00:11:22:33:44:55");
	round_wire(1, true, "0006000801020304", "mod_nw_src:1.2.3.4");
	round_wire(1, true, "0008000828000000", "mod_nw_tos:40");
	round_wire(1, true, "0009000800500000", "mod_tp_src:80");
	round_wire(4, false, "00190010000100040000000500000000", "set_field:0x5->reg0");
	round_wire(4, false,
		   "0019001080000c02100500000000"
		   "0000",
		   "set_field:4101->vlan_vid");
	round_wire(6, false, "0019001000010108000000050000000f", "set_field:0x5/0xf->reg0");
	round_wire(1, true, "ffff0018 00002320 0007 001f 00010004 000000001234 5678",
		   "load:0x12345678->NXM_NX_REG0[]");
	round_wire(1, true, "ffff0018 00002320 0021 00010108 00000005 0000000f 0000",
		   "set_field:0x5/0xf->reg0");
	round_wire(1, true, "ffff0010 00002320 0002 0000 00000005", "set_tunnel:0x5");
	round_wire(1, true, "ffff0018 00002320 0009 000000000000 0000000000000005",
		   "set_tunnel64:0x5");
	round_wire(1, true, "ffff0010 00002320 001e 0000 00000005", "set_mpls_label(5)");
	round_wire(4, false, "000f000809000000", "set_mpls_ttl(9)");
	round_wire(4, false, "0017000809000000", "mod_nw_ttl:9");
	round_wire(4, false, "0011000888a80000", "push_vlan:0x88a8");
	round_wire(4, false, "0014000808000000", "pop_mpls:0x0800");
	round_wire(1, true, "ffff0018 00002320 0015 0002 00000000 0001 0002 00000000",
		   "dec_ttl(1,2)");
	round_wire(1, true, "ffff0018 00002320 001b 0000 00010004 0020 000000000000",
		   "push:NXM_NX_REG0[]");
	round_wire(1, true, "ffff0018 00002320 0031 05dc 0003 00010004 00000000 0000",
		   "check_pkt_larger(1500)->NXM_NX_REG0[3]");
}

static void test_reads_moves(void **state)
{
	const char *shown = "move:NXM_NX_REG0[]->NXM_NX_REG1[]";

	(void)state;
	round_wire(1, true, "ffff0018 00002320 0006 0020 0000 0000 00010004 00010204", shown);
	round_wire(4, false,
		   "ffff0020 4f4e4600 0c80 0000 0020 0000 0000 0000 00010004 00010204 00000000",
		   shown);
	round_wire(6, false, "001c0018 0020 0000 0000 0000 00010004 00010204 00000000", shown);
}

static void test_refuses(void **state)
{
	(void)state;
	round_wire_refused(1, true, "0001000810050000", OFERR_ACT_BAD_ARGUMENT);
	round_wire_refused(4, false, "00190010800000040302040100000000",
			   OFERR_ACT_BAD_SET_ARGUMENT);
	round_wire_refused(1, true, "0002000809000000", OFERR_ACT_BAD_ARGUMENT);
	round_wire_refused(1, true, "000800082b000000", OFERR_ACT_BAD_ARGUMENT);
	round_wire_refused(4, false,
			   "0019001080000c02000500000000"
			   "0000",
			   OFERR_ACT_BAD_SET_ARGUMENT);
	round_wire_refused(4, false, "0019001000010108000000050000000f", OFERR_ACT_BAD_SET_MASK);
	round_wire_refused(4, false, "00190010800006040000000000000000", OFERR_ACT_BAD_SET_TYPE);
	round_wire_refused(4, false, "00190010000100140000000000000000", OFERR_ACT_BAD_SET_TYPE);
	round_wire_refused(4, false, "00190010000126100000000000000000", OFERR_ACT_BAD_SET_LEN);
	round_wire_refused(4, false,
			   "00190018000100040000000500000000"
			   "0000000000000000",
			   OFERR_ACT_BAD_SET_LEN);
	round_wire_refused(4, false, "00190010000006020800000000000000",
			   OFERR_ACT_BAD_SET_ARGUMENT);
	round_wire_refused(6, false, "0019001000010108000000ff0000000f",
			   OFERR_ACT_BAD_SET_ARGUMENT);
	round_wire_refused(1, true, "ffff0018 00002320 0007 0003 00010004 0000000000000010",
			   OFERR_ACT_BAD_ARGUMENT);
	round_wire_refused(1, true, "ffff0018 00002320 0007 001f 00000602 0000000000000010",
			   OFERR_ACT_BAD_SET_LEN);
	round_wire_refused(1, true, "ffff0018 00002320 0007 000f 00000602 0000000000000010",
			   OFERR_ACT_BAD_SET_ARGUMENT);
	round_wire_refused(6, false, "ffff0018 00002320 0006 0020 0000 0000 00010004 00010204",
			   OFERR_ACT_BAD_EXP_TYPE);
	round_wire_refused(1, true, "ffff0018 00002320 0006 0000 0000 0000 00010004 00010204",
			   OFERR_ACT_BAD_SET_LEN);
	round_wire_refused(1, true, "ffff0018 00002320 0006 0020 ffff 0000 00010004 00010204",
			   OFERR_ACT_BAD_SET_LEN);
	round_wire_refused(1, true, "ffff0018 00002320 0015 0000 00000000 0001 0002 00000000",
			   OFERR_ACT_BAD_ARGUMENT);
	round_wire_refused(1, true, "ffff0018 00002320 0015 0005 00000000 0001 0002 00000000",
			   OFERR_ACT_BAD_LEN);
	round_wire_refused(4, false, "0011000808000000", OFERR_ACT_BAD_ARGUMENT);
	round_wire_refused(4, false, "0013000808000000", OFERR_ACT_BAD_ARGUMENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads),
		cmocka_unit_test(test_reads_moves),
		cmocka_unit_test(test_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
