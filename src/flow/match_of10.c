// SPDX-License-Identifier: Apache-2.0
/* The match of OpenFlow 1.0: twelve fields at fixed places, and which of them count
 * (OpenFlow 1.0.0, 5.2.3). */
#include <linux/if_ether.h>
#include <netinet/in.h>

#include "base/bytes.h"
#include "flow/match.h"

#define FW_IN_PORT 0x1u
#define FW_DL_VLAN 0x2u
#define FW_DL_SRC 0x4u
#define FW_DL_DST 0x8u
#define FW_DL_TYPE 0x10u
#define FW_NW_PROTO 0x20u
#define FW_TP_SRC 0x40u
#define FW_TP_DST 0x80u
#define FW_NW_SRC_SHIFT 8
#define FW_NW_DST_SHIFT 14
#define FW_NW_MASK 0x3fu
#define FW_DL_VLAN_PCP 0x100000u
#define FW_NW_TOS 0x200000u

#define NO_VLAN 0xffffu

/* Where fields are. */
enum {
	AT_IN_PORT = 4,
	AT_DL_SRC = 6,
	AT_DL_DST = 12,
	AT_DL_VLAN = 18,
	AT_DL_PCP = 20,
	AT_DL_TYPE = 22,
	AT_NW_TOS = 24,
	AT_NW_PROTO = 25,
	AT_NW_SRC = 28,
	AT_NW_DST = 32,
	AT_TP_SRC = 36,
	AT_TP_DST = 38
};

static void set(struct match *match, enum field_id id, u128 value)
{
	match_set(match, &fields[id], value, field_ones(&fields[id]));
}

static void decode_vlan(struct match *match, const uint8_t *b, uint32_t w)
{
	uint16_t vlan = be16_load(b + AT_DL_VLAN), tci = 0, mask = 0;

	if (!(w & FW_DL_VLAN) && vlan == NO_VLAN) {
		match_set(match, &fields[FIELD_vlan_tci], 0, UINT16_MAX);
		return;
	}
	if (!(w & FW_DL_VLAN)) {
		tci = (vlan & 0xfff) | FLOW_VLAN_PRESENT;
		mask = 0x1fff;
	}
	if (!(w & FW_DL_VLAN_PCP)) {
		tci |= (uint16_t)((b[AT_DL_PCP] & 7) << 13 | FLOW_VLAN_PRESENT);
		mask |= 0xf000;
	}
	match_set(match, &fields[FIELD_vlan_tci], tci, mask);
}

/* Mask of an address of which the lowest bits are wild. */
static uint32_t address_mask(uint32_t wild)
{
	return wild >= 32 ? 0 : UINT32_MAX << wild;
}

static void decode_addresses(struct match *match, const uint8_t *b, uint32_t w, bool arp)
{
	uint32_t src = address_mask(w >> FW_NW_SRC_SHIFT & FW_NW_MASK);
	uint32_t dst = address_mask(w >> FW_NW_DST_SHIFT & FW_NW_MASK);

	match_set(match, &fields[arp ? FIELD_arp_spa : FIELD_ip_src],
		  be32_load(b + AT_NW_SRC) & src, src);
	match_set(match, &fields[arp ? FIELD_arp_tpa : FIELD_ip_dst],
		  be32_load(b + AT_NW_DST) & dst, dst);
}

static bool decode_port(struct match *match, enum field_id id, uint16_t value, bool wild)
{
	if (!wild && value & ~field_ones(&fields[id]))
		return false;
	if (!wild)
		set(match, id, value);
	return true;
}

/* False: there is no such ICMP type or code. */
static bool decode_ports(struct match *match, const uint8_t *b, uint32_t w)
{
	static const struct {
		uint8_t proto, src, dst;
	} kinds[] = {
		{ IPPROTO_TCP, FIELD_tcp_src, FIELD_tcp_dst },
		{ IPPROTO_UDP, FIELD_udp_src, FIELD_udp_dst },
		{ IPPROTO_SCTP, FIELD_sctp_src, FIELD_sctp_dst },
		{ IPPROTO_ICMP, FIELD_icmp_type, FIELD_icmp_code },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++)
		if (match->key.nw_proto == kinds[i].proto)
			return decode_port(match, kinds[i].src, be16_load(b + AT_TP_SRC),
					   w & FW_TP_SRC) &&
			       decode_port(match, kinds[i].dst, be16_load(b + AT_TP_DST),
					   w & FW_TP_DST);
	return true;
}

/* Fields whose protocol is not matched are passed over: so the specification has it. */
enum of_error match_decode_of10(struct match *match, const uint8_t b[MATCH_OF10_LEN])
{
	uint32_t w = be32_load(b);
	uint16_t port = be16_load(b + AT_IN_PORT), type = be16_load(b + AT_DL_TYPE);
	bool ip, arp;

	match_init(match);
	if (!(w & FW_IN_PORT))
		set(match, FIELD_in_port, port >= 0xff00 ? 0xffff0000u | port : port);
	if (!(w & FW_DL_SRC))
		set(match, FIELD_eth_src, mac_load(b + AT_DL_SRC));
	if (!(w & FW_DL_DST))
		set(match, FIELD_eth_dst, mac_load(b + AT_DL_DST));
	decode_vlan(match, b, w);
	if (w & FW_DL_TYPE)
		return OFERR_NONE;
	set(match, FIELD_eth_type, type);
	ip = type == ETH_P_IP;
	arp = type == ETH_P_ARP || type == ETH_P_RARP;
	if (ip && !(w & FW_NW_TOS))
		match_set(match, &fields[FIELD_nw_tos], b[AT_NW_TOS] & 0xfc, 0xfc);
	if (ip && !(w & FW_NW_PROTO))
		set(match, FIELD_nw_proto, b[AT_NW_PROTO]);
	if (arp && !(w & FW_NW_PROTO))
		set(match, FIELD_arp_op, b[AT_NW_PROTO]);
	if (ip || arp)
		decode_addresses(match, b, w, arp);
	if (ip && !(w & FW_NW_PROTO) && !decode_ports(match, b, w))
		return OFERR_MATCH_BAD_VALUE;
	return OFERR_NONE;
}

/* Bits that are wild at the end of an address; 64: it is no prefix. */
static unsigned wild_bits(uint32_t mask)
{
	unsigned n = mask ? (unsigned)__builtin_ctz(mask) : 32;

	return mask == address_mask(n) ? n : 64;
}

static bool encode_vlan(const struct match *match, uint8_t *b, uint32_t *w)
{
	uint16_t mask = match->mask.vlan[0].tci, tci = match->key.vlan[0].tci;

	if (!mask)
		return true;
	if (mask == UINT16_MAX && !tci) {
		be16_store(b + AT_DL_VLAN, NO_VLAN);
		*w &= ~(FW_DL_VLAN | FW_DL_VLAN_PCP); /* as Open vSwitch does */
		return true;
	}
	if (!(tci & FLOW_VLAN_PRESENT) || !(mask & FLOW_VLAN_PRESENT))
		return false;
	if ((mask & 0xfff) == 0xfff) {
		be16_store(b + AT_DL_VLAN, tci & 0xfff);
		*w &= ~FW_DL_VLAN;
	} else if (mask & 0xfff) {
		return false;
	}
	if ((mask & 0xe000) == 0xe000) {
		b[AT_DL_PCP] = (uint8_t)(tci >> 13);
		*w &= ~FW_DL_VLAN_PCP;
	} else if (mask & 0xe000) {
		return false;
	}
	return mask & 0xefff;
}

/* Whether nothing is matched that this match has no place for. */
static bool fits(const struct match *match)
{
	struct match m = *match;

	m.mask.in_port = 0;
	m.mask.eth_src = m.mask.eth_dst = 0;
	m.mask.eth_type = 0;
	m.mask.vlan[0].tci = 0;
	m.mask.nw_tos &= (uint8_t)~0xfc;
	m.mask.nw_proto = 0;
	m.mask.arp_op = 0;
	m.mask.nw_src = m.mask.nw_dst = 0;
	m.mask.tp_src = m.mask.tp_dst = 0;
	for (unsigned i = 0; i < FLOW_KEY_WORDS; i++)
		if (m.mask.words[i])
			return false;
	return true;
}

static bool all_or_nothing(u128 mask, u128 all)
{
	return !mask || mask == all;
}

static void encode_ethernet(const struct match *match, uint8_t *b, uint32_t *w)
{
	if (match->mask.in_port) {
		be16_store(b + AT_IN_PORT, (uint16_t)match->key.in_port);
		*w &= ~FW_IN_PORT;
	}
	if (match->mask.eth_src) {
		mac_store(b + AT_DL_SRC, match->key.eth_src);
		*w &= ~FW_DL_SRC;
	}
	if (match->mask.eth_dst) {
		mac_store(b + AT_DL_DST, match->key.eth_dst);
		*w &= ~FW_DL_DST;
	}
	if (match->mask.eth_type) {
		be16_store(b + AT_DL_TYPE, match->key.eth_type);
		*w &= ~FW_DL_TYPE;
	}
}

static void encode_ip(const struct match *match, uint8_t *b, uint32_t *w)
{
	if (match->mask.nw_tos & 0xfc) {
		b[AT_NW_TOS] = match->key.nw_tos & 0xfc;
		*w &= ~FW_NW_TOS;
	}
	if (match->mask.nw_proto || match->mask.arp_op) {
		b[AT_NW_PROTO] = (uint8_t)(match->key.nw_proto | match->key.arp_op);
		*w &= ~FW_NW_PROTO;
	}
	be32_store(b + AT_NW_SRC, match->key.nw_src);
	be32_store(b + AT_NW_DST, match->key.nw_dst);
	*w &= ~(FW_NW_MASK << FW_NW_SRC_SHIFT | FW_NW_MASK << FW_NW_DST_SHIFT);
	*w |= wild_bits(match->mask.nw_src) << FW_NW_SRC_SHIFT | wild_bits(match->mask.nw_dst)
									 << FW_NW_DST_SHIFT;
	if (match->mask.tp_src) {
		be16_store(b + AT_TP_SRC, match->key.tp_src);
		*w &= ~FW_TP_SRC;
	}
	if (match->mask.tp_dst) {
		be16_store(b + AT_TP_DST, match->key.tp_dst);
		*w &= ~FW_TP_DST;
	}
}

bool match_encode_of10(const struct match *match, uint8_t b[MATCH_OF10_LEN])
{
	const struct flow_key *m = &match->mask;
	bool icmp = match->key.nw_proto == IPPROTO_ICMP;
	uint32_t w = FW_IN_PORT | FW_DL_VLAN | FW_DL_SRC | FW_DL_DST | FW_DL_TYPE | FW_NW_PROTO |
		     FW_TP_SRC | FW_TP_DST | 32u << FW_NW_SRC_SHIFT | 32u << FW_NW_DST_SHIFT |
		     FW_DL_VLAN_PCP | FW_NW_TOS;
	uint16_t ports = icmp ? UINT8_MAX : UINT16_MAX;

	memset(b, 0, MATCH_OF10_LEN);
	if (!fits(match) || !all_or_nothing(m->eth_src, 0xffffffffffffull) ||
	    !all_or_nothing(m->eth_dst, 0xffffffffffffull) ||
	    !all_or_nothing(m->nw_tos & 0xfc, 0xfc) || !all_or_nothing(m->tp_src, ports) ||
	    !all_or_nothing(m->tp_dst, ports) || wild_bits(m->nw_src) > 32 ||
	    wild_bits(m->nw_dst) > 32 || (m->arp_op && match->key.arp_op > UINT8_MAX))
		return false;
	/* what depends on a protocol that it does not know */
	if (m->eth_type && match->key.eth_type == ETH_P_IPV6 && (m->nw_proto || m->nw_tos))
		return false;
	if (!encode_vlan(match, b, &w))
		return false;
	encode_ethernet(match, b, &w);
	encode_ip(match, b, &w);
	be32_store(b, w);
	return true;
}
