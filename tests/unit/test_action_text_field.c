// SPDX-License-Identifier: Apache-2.0
/* Actions that change fields and tags, there and back. */
#include "action_round.h"

static const struct round rounds[] = {
	/* of OpenFlow 1.0 */

	{ .match = "ip", .text = "mod_nw_src:1.2.3.4", .of13 = "set_field:1.2.3.4->ip_src" },
	{ .text = "mod_nw_dst:1.2.3.4", .of13 = "set_field:1.2.3.4->ip_dst" },
	{ .match = "ip", .text = "mod_nw_tos:40", .of13 = "set_field:10->ip_dscp" },
	{ .match = "ip",
	  .text = "mod_nw_ecn:2",
	  .of10 = "load:0x2->NXM_NX_IP_ECN[]",
	  .of13 = "set_field:2->nw_ecn" },
	{ .match = "ip", .text = "mod_nw_ttl:5", .of10 = "load:0x5->NXM_NX_IP_TTL[]" },
	{ .match = "tcp", .text = "mod_tp_src:5", .of13 = "set_field:5->tcp_src" },
	{ .match = "udp", .text = "mod_tp_dst:5", .of13 = "set_field:5->udp_dst" },
	{ .match = "sctp", .text = "mod_tp_dst:5", .of13 = "set_field:5->sctp_dst" },
	{ .text = "mod_dl_src:00:11:22:33:44:55", .of13 = "set_field:00:11:22:33:44:55->eth_src" },
	{ .text = "mod_dl_dst:00:11:22:33:44:55", .of13 = "set_field:00:11:22:33:44:55->eth_dst" },
	{ .text = "mod_vlan_vid:5", .of13 = "push_vlan:0x8100,set_field:4101->vlan_vid" },
	{ .text = "mod_vlan_vid:5,mod_vlan_pcp:3",
	  .of13 = "push_vlan:0x8100,set_field:4101->vlan_vid,set_field:3->vlan_pcp" },
	{ .match = "dl_vlan=5", .text = "mod_vlan_vid:6", .of13 = "set_field:4102->vlan_vid" },
	{ .match = "dl_vlan=5",
	  .text = "strip_vlan,mod_vlan_vid:5",
	  .of13 = "strip_vlan,push_vlan:0x8100,set_field:4101->vlan_vid" },
	{ .match = "dl_vlan=5", .text = "pop_vlan", .shown = "strip_vlan" },
	{ .text = "set_tunnel:0x5", .of13 = "set_field:0x5->tun_id" },
	{ .text = "set_tunnel:0", .of13 = "set_field:0->tun_id" },
	{ .text = "set_tunnel64:0x5", .of13 = "set_field:0x5->tun_id" },
	{ .text = "set_tunnel:0x1ffffffff",
	  .shown = "set_tunnel64:0x1ffffffff",
	  .of13 = "set_field:0x1ffffffff->tun_id" },
	{ .match = "mpls",
	  .text = "set_mpls_label(5),set_mpls_tc(3)",
	  .of13 = "set_field:5->mpls_label,set_field:3->mpls_tc" },
	{ .match = "mpls", .text = "set_mpls_ttl:9", .shown = "set_mpls_ttl(9)" },
	/* tags */

	{ .text = "push_vlan:0x88a8,output:1", .of10 = "output:1" },
	{ .text = "push_vlan:0x8100,set_field:4101->vlan_vid", .of10 = "mod_vlan_vid:5" },
	{ .match = "dl_vlan=5",
	  .text = "set_vlan_vid:6",
	  .shown = "set_field:4102->vlan_vid",
	  .of10 = "mod_vlan_vid:6" },
	{ .match = "dl_vlan=5",
	  .text = "set_vlan_pcp:6",
	  .shown = "set_field:6->vlan_pcp",
	  .of10 = "mod_vlan_pcp:6" },
	{ .text = "push_mpls:0x8847" },
	{ .match = "mpls", .text = "dec_mpls_ttl,pop_mpls:0x0800" },
	{ .match = "ip", .text = "dec_ttl" },
	{ .match = "ip", .text = "dec_ttl()", .shown = "dec_ttl" },
	{ .match = "ip", .text = "dec_ttl(0)" },
	{ .match = "ip", .text = "dec_ttl(1,2)" },
	/* set_field */

	{ .match = "tcp", .text = "set_field:5->tcp_dst", .of10 = "mod_tp_dst:5" },
	{ .match = "udp", .text = "set_field:5->udp_src", .of10 = "mod_tp_src:5" },
	{ .match = "sctp", .text = "set_field:5->sctp_src", .of10 = "load:0x5->OXM_OF_SCTP_SRC[]" },
	{ .match = "ip", .text = "set_field:10->ip_dscp", .of10 = "mod_nw_tos:40" },
	{ .match = "ip", .text = "set_field:40->nw_tos", .of10 = "mod_nw_tos:40" },
	{ .match = "ip", .text = "set_field:1.2.3.4->ip_src", .of10 = "mod_nw_src:1.2.3.4" },
	{ .match = "ip",
	  .text = "set_field:1.2.3.0/24->ip_src",
	  .of10 = "load:0x10203->NXM_OF_IP_SRC[8..31]",
	  .of13 = "load:0x10203->NXM_OF_IP_SRC[8..31]",
	  .of15 = "set_field:1.2.3.0/24->ip_src" },
	{ .match = "ipv6",
	  .text = "set_field:2001:db8::1->ipv6_src",
	  .of10 = "load:0x1->NXM_NX_IPV6_SRC[0..63],"
		  "load:0x20010db800000000->NXM_NX_IPV6_SRC[64..127]" },
	{ .match = "ipv6",
	  .text = "set_field:0x12345->ipv6_label",
	  .of10 = "load:0x12345->NXM_NX_IPV6_LABEL[]" },
	{ .match = "arp", .text = "set_field:2->arp_op", .of10 = "load:0x2->NXM_OF_ARP_OP[]" },
	{ .match = "icmp6,icmp_type=135",
	  .text = "set_field:fe80::1->nd_target",
	  .of10 = "load:0x1->NXM_NX_ND_TARGET[0..63],"
		  "load:0xfe80000000000000->NXM_NX_ND_TARGET[64..127]" },
	{ .text = "set_field:1->reg0",
	  .shown = "set_field:0x1->reg0",
	  .of10 = "load:0x1->NXM_NX_REG0[]" },
	{ .text = "set_field:1/3->reg0",
	  .shown = "set_field:0x1/0x3->reg0",
	  .of10 = "load:0x1->NXM_NX_REG0[0..1]",
	  .of13 = "load:0x1->NXM_NX_REG0[0..1]",
	  .of15 = "set_field:0x1/0x3->reg0" },
	{ .text = "set_field:0xf0f/0xf0f->reg0",
	  .of10 = "load:0xf->NXM_NX_REG0[0..3],load:0xf->NXM_NX_REG0[8..11]",
	  .of13 = "load:0xf->NXM_NX_REG0[0..3],load:0xf->NXM_NX_REG0[8..11]",
	  .of15 = "set_field:0xf0f/0xf0f->reg0" },
	{ .text = "set_field:0x5->xreg1", .of10 = "load:0x5->OXM_OF_PKT_REG1[]" },
	{ .text = "set_field:0x5->metadata", .of10 = "load:0x5->OXM_OF_METADATA[]" },
	{ .text = "set_field:0x123456789abcdef0123456789->xxreg0",
	  .of10 = "load:0xabcdef0123456789->NXM_NX_XXREG0[0..63],"
		  "load:0x123456789->NXM_NX_XXREG0[64..127]" },
	{ .text = "set_field:LOCAL->in_port", .of10 = "load:0xfffe->NXM_OF_IN_PORT[]" },
	{ .text = "set_field:0x1005->vlan_tci", .of10 = "load:0x1005->NXM_OF_VLAN_TCI[]" },
	/* load, move, the stack */

	{ .text = "load:1->NXM_NX_REG0[0..3]",
	  .shown = "load:0x1->NXM_NX_REG0[0..3]",
	  .of15 = "set_field:0x1/0xf->reg0" },
	{ .text = "load:0->NXM_OF_IN_PORT[]", .of15 = "set_field:0->in_port" },
	{ .text = "load:0xf->OXM_OF_PKT_REG0[60..63]",
	  .of15 = "set_field:0xf000000000000000/0xf000000000000000->xreg0" },
	{ .match = "ip", .text = "load:0x28->NXM_OF_IP_TOS[]", .of15 = "set_field:40->nw_tos" },
	{ .match = "dl_vlan=5",
	  .text = "load:0x5->NXM_OF_VLAN_TCI[0..11]",
	  .of15 = "set_field:0x5/0xfff->vlan_tci" },
	{ .text = "move:NXM_NX_REG0[]->reg1[]", .shown = "move:NXM_NX_REG0[]->NXM_NX_REG1[]" },
	{ .text = "move:NXM_OF_IN_PORT[]->NXM_NX_REG1[0..15]" },
	{ .text = "move:NXM_NX_CT_STATE[]->NXM_NX_REG0[]" },
	{ .text = "move:NXM_NX_CT_STATE[0..7]->NXM_NX_REG0[0..7]" },
	{ .text = "move:NXM_NX_CT_STATE[4..11]->NXM_NX_REG0[0..7]" },
	{ .text = "load:0x5->NXM_OF_IN_PORT[0..7]", .of15 = "set_field:0x5/0xff->in_port" },
	{ .match = "tcp", .text = "move:NXM_OF_TCP_SRC[]->NXM_OF_TCP_DST[]" },
	{ .text = "push:NXM_NX_REG2[1..5],pop:NXM_OF_ETH_SRC[0..4]" },
	{ .text = "check_pkt_larger(1500)->reg0[0]",
	  .shown = "check_pkt_larger(1500)->NXM_NX_REG0[0]" },
	{ .text = "check_pkt_larger(1500)->NXM_NX_XXREG1[100]" },
	{ .text = "write_metadata:5", .shown = "write_metadata:0x5" },
	{ .text = "write_metadata:0x5/0xff" },
};

static void test_there_and_back(void **state)
{
	(void)state;
	round_all(rounds, ARRAY_SIZE(rounds));
}

static void test_refuses(void **state)
{
	(void)state;
	round_refused("load:16->NXM_NX_REG0[0..3]", "16 is too much");
	round_refused("load:1->NXM_OF_ETH_TYPE[]", "read-only");
	round_refused("load:1->foo[]", "is no field");
	round_refused("load:1", "lacks \"->FIELD\"");
	round_refused("load:1->NXM_NX_REG0[]x", "behind a field is too much");
	round_refused("set_field:1->eth_type", "read-only");
	round_refused("set_field:1->foo", "there is no field foo");
	round_refused("set_field:10->nw_tos", "is no value of nw_tos");
	round_refused("set_field:5->vlan_vid", "4096 and the number of the VLAN: 4101");
	round_refused("set_field:70000->in_port", "70000");
	round_refused("move:NXM_NX_REG0[0..3]->NXM_NX_REG1[0..4]", "4 bits do not go into 5");
	round_refused("move:NXM_NX_REG0[0..15]->NXM_OF_ETH_TYPE[]", "read-only");
	round_refused("push:reg0[32]", "reg0 has bits");
	round_refused("push:tun_ttl[]", "no access to tun_ttl");
	round_refused("push:in_port[0..16]", "in_port has bits 0 to 15");
	round_refused("push_vlan:0x800", "is no tag");
	round_refused("push_mpls:0x800", "is not MPLS");
	round_refused("mod_nw_tos:41", "lower two bits");
	round_refused("mod_nw_ecn:4", "too much");
	round_refused("mod_nw_src:1.2.3.0/24", "a mask cannot be given");
	round_refused("mod_vlan_vid:4096", "too much");
	round_refused("mod_vlan_pcp:8", "too much");
	round_refused("check_pkt_larger(1500)->reg0[0..1]", "one writable bit");
	round_refused("check_pkt_larger(70000)->reg0[0]", "too much");
	round_refused("check_pkt_larger(1500)", "must stand behind it");
	round_refused("dec_ttl(1,x)", "no number");
	round_refused("write_metadata:1/x", "no number");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
