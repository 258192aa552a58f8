/* SPDX-License-Identifier: Apache-2.0 */
/* The flow key: all that a rule can match of a packet and of what the pipeline knows about it.
 *
 * Everything is in host byte order, each field in a container of 1, 2, 4, 8 or 16 bytes
 * (flow/field.h says where). A mask has the same type: bit by bit, whether it counts. What a packet
 * does not have is 0. The words are ordered such that those that come from the packet itself stand
 * first: the key of a received packet has nothing but 0 from FLOW_KEY_PACKET_WORDS on.
 */
#pragma once

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "packet/pkt.h"

/* Aligned like the words around it: lists of actions are. */
__extension__ typedef unsigned __int128 u128 __attribute__((aligned(8)));

#define FLOW_REGS 16  /* registers of 32 bits */
#define FLOW_VLANS 2  /* tags that can be matched */
#define FLOW_LABELS 3 /* MPLS labels that are known, of which the outermost can be matched */

/* nw_frag */
#define FLOW_FRAG_ANY 1u   /* a fragment */
#define FLOW_FRAG_LATER 2u /* and not the first */

/* vlan[].tci: set when there is a tag, as in Open vSwitch's vlan_tci */
#define FLOW_VLAN_PRESENT 0x1000u

/* OpenFlow port numbers, 32 bits (OpenFlow 1.5.1, 7.2.1); those of OpenFlow 1.0 are the low half.
 */
#define OFPORT_MAX 0xffffff00u
#define OFPORT_UNSET 0xfffffff7u /* actset_output when the action set has no output */
#define OFPORT_IN_PORT 0xfffffff8u
#define OFPORT_TABLE 0xfffffff9u
#define OFPORT_NORMAL 0xfffffffau
#define OFPORT_FLOOD 0xfffffffbu
#define OFPORT_ALL 0xfffffffcu
#define OFPORT_CONTROLLER 0xfffffffdu
#define OFPORT_LOCAL 0xfffffffeu
#define OFPORT_NONE 0xffffffffu /* OFPP_ANY */

struct flow_vlan {
	uint16_t tpid; /* 0: no tag */
	uint16_t tci;  /* with FLOW_VLAN_PRESENT in place of the DEI bit */
};

struct flow_key {
	union {
		struct {
			/* 0 */
			uint32_t in_port; /* OFPORT */
			uint8_t nw_frag;  /* FLOW_FRAG */
			uint8_t nw_proto;
			uint8_t nw_tos; /* DSCP and ECN, in their places */
			uint8_t nw_ttl;
			/* 1, 2 */
			uint64_t eth_dst, eth_src; /* mac_t */
			/* 3: eth_type is that behind the tags; tp_*: also ICMP type and code */
			uint16_t eth_type, tcp_flags, tp_src, tp_dst;
			/* 4 */
			struct flow_vlan vlan[FLOW_VLANS]; /* outermost first */
			/* 5: also ARP's protocol addresses */
			uint32_t nw_src, nw_dst;
			/* 6 to 9 */
			u128 ipv6_src, ipv6_dst;
			/* 10, 11 */
			uint32_t ipv6_label;
			uint32_t mpls_lse[FLOW_LABELS]; /* outermost first; 0: none */
			/* 12, 13: also the link-layer options of neighbour discovery: sll, tll */
			uint64_t arp_sha, arp_tha;
			/* 14, 15 */
			u128 nd_target;
			/* 16 */
			uint16_t arp_op;
			uint8_t nd_options_type, pad0;
			uint32_t nd_reserved;
			/* 17 */
			uint32_t packet_type, pad1; /* always 0: Ethernet */

			/* 18: not from the packet from here on */
			uint64_t metadata;
			uint64_t tun_id;
			/* 20 */
			uint32_t tun_src, tun_dst;
			uint16_t tun_flags;
			uint8_t tun_tos, tun_ttl;
			uint32_t pkt_mark;
			/* 22 */
			u128 tun_ipv6_src, tun_ipv6_dst;
			/* 26 */
			uint32_t ct_state;
			uint16_t ct_zone;
			uint8_t ct_nw_proto, pad2;
			uint32_t ct_mark, ct_nw_src;
			/* 28 */
			uint32_t ct_nw_dst;
			uint16_t ct_tp_src, ct_tp_dst;
			uint32_t dp_hash, recirc_id;
			/* 30 */
			u128 ct_label;
			u128 ct_ipv6_src, ct_ipv6_dst;
			/* 36: registers as they come in xxreg0..3: reg[0] is the highest quarter of
			 * xxreg0; stored so that xreg and xxreg are containers too: see
			 * flow_key_reg() */
			uint32_t regs[FLOW_REGS];
			/* 44 */
			uint32_t conj_id, actset_output;
			/* 45 */
			uint64_t pad3;
		};
		uint64_t words[46];
	};
};

#define FLOW_KEY_WORDS 46	 /* a bit for each fits into a word */
#define FLOW_KEY_PACKET_WORDS 18 /* of them, that a received packet fills in */

/* Bits of a key: those of the words in @map, others are not filled in. Who looks at a packet looks
 * at few words of its key. */
struct key_bits {
	uint64_t map;
	uint64_t words[FLOW_KEY_WORDS];
};

/* Adds bits of one word. */
static inline void key_bits_add(struct key_bits *bits, unsigned word, uint64_t more)
{
	bits->words[word] = bits->map >> word & 1 ? bits->words[word] | more : more;
	bits->map |= 1ull << word;
}

/* Adds bits of a member of struct flow_key that has at most 64. */
#define KEY_BITS_ADD(bits, member, more)                          \
	key_bits_add(bits, offsetof(struct flow_key, member) / 8, \
		     (uint64_t)(more) << offsetof(struct flow_key, member) % 8 * 8)

/* The same bits as a whole key. */
static inline void key_bits_expand(const struct key_bits *bits, struct flow_key *out)
{
	for (unsigned w = 0; w < FLOW_KEY_WORDS; w++)
		out->words[w] = bits->map >> w & 1 ? bits->words[w] : 0;
}

static_assert(sizeof(struct flow_key) == 8 * FLOW_KEY_WORDS, "no hole");
static_assert(offsetof(struct flow_key, metadata) == 8 * FLOW_KEY_PACKET_WORDS, "in order");
static_assert(offsetof(struct flow_key, regs) % 16 == 0, "xxregs are containers");

/* Where reg @i is in regs[]: a group of four lies in reverse, so that on this (little-endian)
 * machine xreg and xxreg are plain integers there. */
static inline unsigned flow_key_reg(unsigned i)
{
	return i ^ 3;
}

/* Fills in the first FLOW_KEY_PACKET_WORDS words of @key, all of them, from a packet's private
 * copy; leaves the others alone. @pkt has at least ETH_HLEN bytes; nothing in it is trusted. What
 * is cut off or malformed is 0, as Open vSwitch has it: a header that is not wholly there (within
 * head_len) is not there. Does not need pkt_parse(). Worker threads.
 */
void flow_key_extract(struct flow_key *key, const struct pkt *pkt, uint32_t in_port);
