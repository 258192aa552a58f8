/* SPDX-License-Identifier: Apache-2.0 */
/* Rules, groups and meters of all kinds as text, made from the input: of few tables, groups, ports
 * and values, so that they meet; and, one time in a while, of any.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "input.h"

#define RULES_TEXT_MAX 4096
#define RULES_ACTIONS_MAX 8 /* in a row */
#define RULES_DEPTH_MAX 12  /* of actions in actions */

struct rules_text {
	char bytes[RULES_TEXT_MAX];
	size_t len;
};

/* Which actions may stand where. */
enum rules_place { PLACE_RULE, PLACE_BUCKET, PLACE_NESTED };

static const char *const rules_matches[] = {
	"", /* again and again, so that something meets packets */
	"",
	"in_port=#",
	"ip",
	"tcp",
	"udp6",
	"arp",
	"mpls",
	"icmp6,icmp_type=135",
	"tcp,tp_dst=#",
	"ip,nw_dst=10.0.0.#/31",
	"ipv6,ipv6_dst=::#/127",
	"dl_vlan=#",
	"vlan_tci=0",
	"vlan_tci=0x1000/0x1000,dl_vlan_pcp=#",
	"reg0=#",
	"reg1=#/0x1",
	"metadata=#",
	"tun_id=#",
	"ip,nw_frag=yes",
	"ip,nw_frag=not_later,nw_ttl=#",
	"tcp,tcp_flags=+syn-ack",
	"dl_dst=01:00:00:00:00:00/01:00:00:00:00:00",
	"dl_src=02:00:00:00:00:0#",
	"mpls,mpls_bos=1",
	"mpls,mpls_label=#",
	"conj_id=#",
	"conj_id=#,ip",
	"actset_output=#",
	"xxreg1=#/0xff",
	"sctp,tp_src=0/0xfff0",
	"arp,arp_op=#,arp_spa=10.0.0.#",
	"pkt_mark=#",
	"ip,nw_tos=32",
};

static const char *const rules_simple[] = {
	"output:#",
	"NORMAL",
	"FLOOD",
	"ALL",
	"IN_PORT",
	"LOCAL",
	"CONTROLLER:#",
	"TABLE",
	"controller(max_len=#,reason=no_match,userdata=01.02.03,id=3)",
	"output(port=#,max_len=20)",
	"output:NXM_NX_REG0[]",
	"resubmit(,#)",
	"resubmit(#,2)",
	"resubmit(#)",
	"group:#",
	"dec_ttl",
	"dec_ttl(1,2)",
	"dec_mpls_ttl",
	"push_vlan:0x8100",
	"push_vlan:0x88a8",
	"pop_vlan",
	"mod_vlan_vid:#",
	"mod_vlan_pcp:#",
	"push_mpls:0x8847",
	"push_mpls:0x8848",
	"pop_mpls:0x0800",
	"pop_mpls:0x86dd",
	"pop_mpls:0x8847",
	"pop_mpls:0x0806",
	"set_field:#->mpls_label",
	"set_field:#->nw_ttl",
	"set_field:#->tcp_dst",
	"set_field:10.0.0.#->ip_dst",
	"set_field:::#->ipv6_src",
	"set_field:4097->vlan_vid",
	"set_field:0x#/0xf->reg0",
	"set_field:02:00:00:00:00:0#->eth_dst",
	"set_field:#->in_port",
	"set_field:#->tun_id",
	"set_field:::#->nd_target",
	"load:#->NXM_NX_REG0[]",
	"load:#->NXM_OF_VLAN_TCI[0..11]",
	"load:#->NXM_NX_REG1[3..5]",
	"mod_tp_dst:#",
	"mod_nw_tos:32",
	"mod_dl_src:02:00:00:00:00:0#",
	"move:NXM_OF_IP_SRC[]->NXM_OF_IP_DST[]",
	"move:NXM_NX_REG0[0..11]->NXM_OF_VLAN_TCI[0..11]",
	"move:NXM_OF_ETH_SRC[]->NXM_NX_XXREG0[16..63]",
	"move:NXM_OF_IN_PORT[]->NXM_NX_REG0[0..15]",
	"move:OXM_OF_METADATA[0..31]->NXM_NX_REG1[]",
	"push:NXM_OF_ETH_SRC[]",
	"push:NXM_NX_XXREG0[]",
	"pop:NXM_OF_ETH_DST[]",
	"pop:NXM_NX_XXREG1[]",
	"pop:NXM_OF_VLAN_TCI[]",
	"set_queue:#",
	"pop_queue",
	"enqueue(#,2)",
	"multipath(symmetric_l4,50,hrw,16,0,NXM_NX_REG1[0..3])",
	"multipath(eth_src,#,iter_hash,12,32,NXM_NX_REG1[0..3])",
	"multipath(symmetric_l3l4+udp,#,modulo_n,16,0,NXM_NX_REG0[0..3])",
	"bundle(symmetric_l3,60,hrw,ofport,slaves:1,2,#)",
	"bundle_load(nw_src,0,active_backup,ofport,NXM_NX_REG0[],slaves:2,#)",
	"check_pkt_larger(#)->NXM_NX_REG0[0]",
	"note:01.02",
	"exit",
	"fin_timeout(idle_timeout=#,hard_timeout=3)",
	"meter:#",
	"learn(table=#,priority=5,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],"
	"load:NXM_OF_IN_PORT[]->NXM_NX_REG0[0..15],output:NXM_OF_IN_PORT[])",
	"learn(table=3,cookie=#,limit=2,result_dst=NXM_NX_REG2[0],delete_learned,eth_type=0x800,"
	"NXM_OF_IP_DST[]=NXM_OF_IP_SRC[],load:#->NXM_OF_IP_DST[],output:NXM_NX_REG1[])",
	"learn(table=#,fin_idle_timeout=2,NXM_OF_VLAN_TCI[0..11],NXM_OF_IN_PORT[],"
	"NXM_NX_REG0[]=#,load:NXM_NX_REG1[]->NXM_NX_REG3[])",
};

static const char *const rules_instructions[] = {
	"clear_actions",
	"write_metadata:0x#/0xff",
	"goto_table:#",
};

static const char *const rules_conjunctions[] = {
	"conjunction(1,1/2)", "conjunction(1,2/2)", "conjunction(2,1/3)",
	"conjunction(2,2/3)", "conjunction(2,3/3)", "conjunction(1,1/2),conjunction(2,2/3)",
};

static inline uint32_t rules_number(struct input *in)
{
	unsigned n = take_choice(in, 16);

	return n < 14 ? n % 7 : (uint32_t)take_number(in, n == 14 ? 2 : 4);
}

/* Adds @form, with a number for each "#". What has no room makes a text that is refused. */
static inline void rules_add(struct rules_text *t, struct input *in, const char *form)
{
	for (; *form && t->len + 16 < RULES_TEXT_MAX; form++)
		if (*form == '#')
			t->len += (size_t)sprintf(t->bytes + t->len, "%u", rules_number(in));
		else
			t->bytes[t->len++] = *form;
	t->bytes[t->len] = '\0';
}

#define RULES_PICK(in, list) list[take_choice(in, ARRAY_SIZE(list))]

static inline void rules_actions(struct rules_text *t, struct input *in, enum rules_place place,
				 unsigned depth)
{
	for (unsigned n = take_choice(in, RULES_ACTIONS_MAX + 1); n; n--) {
		unsigned kind = take_choice(in, 16);

		if (kind < 2 && depth < RULES_DEPTH_MAX) {
			bool write = kind && place == PLACE_RULE;

			rules_add(t, in, write ? "write_actions(" : "clone(");
			rules_actions(t, in, write ? PLACE_BUCKET : PLACE_NESTED, depth + 1);
			rules_add(t, in, ")");
		} else if (kind == 2 && place == PLACE_RULE) {
			rules_add(t, in, RULES_PICK(in, rules_instructions));
		} else {
			rules_add(t, in, RULES_PICK(in, rules_simple));
		}
		rules_add(t, in, ",");
	}
}

/* "group_id=ID,..." */
static inline void rules_group(struct rules_text *t, struct input *in, unsigned id)
{
	static const char *const types[] = { "all",
					     "select",
					     "indirect",
					     "ff",
					     "select,selection_method=hash,fields(ip_dst)",
					     "select,selection_method=dp_hash" };
	static const char *const watches[] = { "", "watch_port:#,", "watch_group:#,", "weight:#," };

	t->len = (size_t)sprintf(t->bytes, "group_id=%u,type=%s", id, RULES_PICK(in, types));
	for (unsigned n = take_choice(in, 5); n; n--) {
		rules_add(t, in, ",bucket=");
		rules_add(t, in, RULES_PICK(in, watches));
		rules_add(t, in, "actions=");
		rules_actions(t, in, PLACE_BUCKET, 0);
	}
}

/* "meter=ID ..." */
static inline void rules_meter(struct rules_text *t, struct input *in, unsigned id)
{
	static const char *const forms[] = {
		"kbps bands=type=drop rate=#",
		"pktps stats bands=type=drop rate=#",
		"kbps burst bands=type=dscp_remark rate=# burst_size=# prec_level=#",
		"pktps burst bands=type=drop rate=1 burst_size=# type=dscp_remark rate=# burst_size=1 prec_level=1",
	};

	t->len = (size_t)sprintf(t->bytes, "meter=%u ", id);
	rules_add(t, in, RULES_PICK(in, forms));
}
