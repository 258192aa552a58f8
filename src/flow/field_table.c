// SPDX-License-Identifier: Apache-2.0
/* The rows of all fields: where each is, how it is called and numbered. Numbers are those of
 * OpenFlow 1.5.1 (7.2.3.7) and of Nicira's extensible match; names those of ovs-fields(7).
 */
#include "flow/field.h"

#define OF10 1
#define OF12 3
#define OF13 4
#define OF15 6

/* Where it is: a whole member of the key, or some of its bits. */
#define AT(member)                                   \
	.offset = offsetof(struct flow_key, member), \
	.size = sizeof(((struct flow_key *)NULL)->member)
#define ALL(member) AT(member), .n_bits = 8 * sizeof(((struct flow_key *)NULL)->member)
#define BITS(member, first, bits) AT(member), .shift = (first), .n_bits = (bits)

/* Numbers and names on the wire. */
#define HEADER(class, number, bytes) ((class) << 16 | (number) << 9 | (bytes))
#define NXM_OF(word, number, bytes) \
	.nxm = HEADER(0x0000u, number, bytes), .nxm_name = "NXM_OF_" #word
#define NXM_NX(word, number, bytes) \
	.nxm = HEADER(0x0001u, number, bytes), .nxm_name = "NXM_NX_" #word
#define ERICSSON(word, number, bytes) \
	.nxm = HEADER(0x1000u, number, bytes), .nxm_name = "ERICOXM_OF_" #word
#define NXM_NAME(word) .nxm_name = word
#define NO_NXM .nxm = 0
#define OXM_OF(word, number, bytes, since) \
	.oxm = HEADER(0x8000u, number, bytes), .oxm_name = "OXM_OF_" #word, .oxm_since = (since)
#define NO_OXM .oxm = 0

#define MASKABLE 1
#define WRITABLE 2

#define ROW(field, other, text, place, how, needs, form, nxm_, oxm_) \
	[FIELD_##field] = { .id = FIELD_##field,                     \
			    .name = #field,                          \
			    .other_name = (other),                   \
			    .help = (text),                          \
			    place,                                   \
			    .maskable = ((how)&MASKABLE) != 0,       \
			    .writable = ((how)&WRITABLE) != 0,       \
			    .prereq = PREREQ_##needs,                \
			    .format = FORMAT_##form,                 \
			    nxm_,                                    \
			    oxm_ }

/* @kind @i of the registers, @bytes long, @at bytes in. */
#define REGISTER(kind, i, at, bytes, text, nxm_, oxm_)                                \
	[FIELD_##kind##0 + (i)] = { .id = FIELD_##kind##0 + (i),                      \
				    .name = #kind #i,                                 \
				    .help = (text),                                   \
				    .offset = offsetof(struct flow_key, regs) + (at), \
				    .size = (bytes),                                  \
				    .n_bits = 8 * (bytes),                            \
				    .maskable = true,                                 \
				    .writable = true,                                 \
				    .prereq = PREREQ_NONE,                            \
				    .format = FORMAT_HEX,                             \
				    nxm_,                                             \
				    oxm_ }
#define REG(i) \
	REGISTER(reg, i, 4 * ((i) ^ 3), 4, "register of 32 bits", NXM_NX(REG##i, i, 4), NO_OXM)
#define XREG(i) REGISTER(xreg, i, 8 * ((i) ^ 1), 8, "two registers: 64 bits", NO_NXM, PKT_REG(i))
#define PKT_REG(i) .oxm = HEADER(0x8001u, i, 8), .oxm_name = "OXM_OF_PKT_REG" #i, .oxm_since = OF13
#define XXREG(i)                                                     \
	REGISTER(xxreg, i, 16 * (i), 16, "four registers: 128 bits", \
		 NXM_NX(XXREG##i, 111 + (i), 16), NO_OXM)

/* clang-format off */
const struct field fields[FIELD_N] = {
	/* conduit */
	ROW(in_port, NULL, "OpenFlow port that the packet came in by",
	    ALL(in_port), WRITABLE, NONE, PORT,
	    NXM_OF(IN_PORT, 0, 2), NO_OXM),
	ROW(in_port_oxm, NULL, "the same, with 32 bits",
	    ALL(in_port), WRITABLE, NONE, PORT,
	    NO_NXM, OXM_OF(IN_PORT, 0, 4, OF12)),
	ROW(packet_type, NULL, "kind of packet; all are Ethernet: (0,0)",
	    ALL(packet_type), 0, NONE, HEX,
	    NO_NXM, OXM_OF(PACKET_TYPE, 44, 4, OF15)),
	ROW(actset_output, NULL, "port of the action set's output, or UNSET",
	    ALL(actset_output), 0, NONE, PORT,
	    NXM_NAME("ONFOXM_ET_ACTSET_OUTPUT"), OXM_OF(ACTSET_OUTPUT, 43, 4, OF15)),
	ROW(conj_id, NULL, "conjunction whose clauses are all met",
	    ALL(conj_id), 0, NONE, DECIMAL,
	    NXM_NX(CONJ_ID, 37, 4), NO_OXM),
	ROW(recirc_id, NULL, "0: packets go through the pipeline once",
	    ALL(recirc_id), 0, NONE, HEX,
	    NXM_NX(RECIRC_ID, 36, 4), NO_OXM),
	ROW(dp_hash, NULL, "hash of the datapath; 0",
	    ALL(dp_hash), MASKABLE, NONE, HEX,
	    NXM_NX(DP_HASH, 35, 4), NO_OXM),

	/* tunnel */
	ROW(tun_id, "tunnel_id", "tunnel key (VNI) that the packet came with",
	    ALL(tun_id), MASKABLE | WRITABLE, NONE, HEX,
	    NXM_NX(TUN_ID, 16, 8), OXM_OF(TUNNEL_ID, 38, 8, OF13)),
	ROW(tun_src, NULL, "IPv4 source of the tunnel",
	    ALL(tun_src), MASKABLE | WRITABLE, NONE, IPV4,
	    NXM_NX(TUN_IPV4_SRC, 31, 4), NO_OXM),
	ROW(tun_dst, NULL, "IPv4 destination of the tunnel",
	    ALL(tun_dst), MASKABLE | WRITABLE, NONE, IPV4,
	    NXM_NX(TUN_IPV4_DST, 32, 4), NO_OXM),
	ROW(tun_ipv6_src, NULL, "IPv6 source of the tunnel",
	    ALL(tun_ipv6_src), MASKABLE | WRITABLE, NONE, IPV6,
	    NXM_NX(TUN_IPV6_SRC, 109, 16), NO_OXM),
	ROW(tun_ipv6_dst, NULL, "IPv6 destination of the tunnel",
	    ALL(tun_ipv6_dst), MASKABLE | WRITABLE, NONE, IPV6,
	    NXM_NX(TUN_IPV6_DST, 110, 16), NO_OXM),
	ROW(tun_flags, NULL, "flags of the tunnel: oam",
	    BITS(tun_flags, 0, 1), MASKABLE | WRITABLE, NONE, TUN_FLAGS,
	    NXM_NX(TUN_FLAGS, 104, 2), NO_OXM),
	ROW(tun_tos, NULL, "TOS of the tunnel; rules cannot match it",
	    ALL(tun_tos), 0, NONE, DECIMAL,
	    NO_NXM, NO_OXM),
	ROW(tun_ttl, NULL, "TTL of the tunnel; rules cannot match it",
	    ALL(tun_ttl), 0, NONE, DECIMAL,
	    NO_NXM, NO_OXM),

	/* connection tracking */
	ROW(ct_state, NULL, "what is known of the connection",
	    BITS(ct_state, 0, 8), MASKABLE, NONE, CT_STATE,
	    NXM_NX(CT_STATE, 105, 4), NO_OXM),
	ROW(ct_zone, NULL, "zone of the connection",
	    ALL(ct_zone), 0, NONE, DECIMAL,
	    NXM_NX(CT_ZONE, 106, 2), NO_OXM),
	ROW(ct_mark, NULL, "mark of the connection",
	    ALL(ct_mark), MASKABLE | WRITABLE, NONE, HEX,
	    NXM_NX(CT_MARK, 107, 4), NO_OXM),
	ROW(ct_label, NULL, "label of the connection",
	    ALL(ct_label), MASKABLE | WRITABLE, NONE, HEX,
	    NXM_NX(CT_LABEL, 108, 16), NO_OXM),
	ROW(ct_nw_proto, NULL, "protocol of the connection's first packet",
	    ALL(ct_nw_proto), 0, CT, DECIMAL,
	    NXM_NX(CT_NW_PROTO, 119, 1), NO_OXM),
	ROW(ct_nw_src, NULL, "its IPv4 source",
	    ALL(ct_nw_src), MASKABLE, CT_IPV4, IPV4,
	    NXM_NX(CT_NW_SRC, 120, 4), NO_OXM),
	ROW(ct_nw_dst, NULL, "its IPv4 destination",
	    ALL(ct_nw_dst), MASKABLE, CT_IPV4, IPV4,
	    NXM_NX(CT_NW_DST, 121, 4), NO_OXM),
	ROW(ct_ipv6_src, NULL, "its IPv6 source",
	    ALL(ct_ipv6_src), MASKABLE, CT_IPV6, IPV6,
	    NXM_NX(CT_IPV6_SRC, 122, 16), NO_OXM),
	ROW(ct_ipv6_dst, NULL, "its IPv6 destination",
	    ALL(ct_ipv6_dst), MASKABLE, CT_IPV6, IPV6,
	    NXM_NX(CT_IPV6_DST, 123, 16), NO_OXM),
	ROW(ct_tp_src, NULL, "its source port",
	    ALL(ct_tp_src), MASKABLE, CT, DECIMAL,
	    NXM_NX(CT_TP_SRC, 124, 2), NO_OXM),
	ROW(ct_tp_dst, NULL, "its destination port",
	    ALL(ct_tp_dst), MASKABLE, CT, DECIMAL,
	    NXM_NX(CT_TP_DST, 125, 2), NO_OXM),

	/* registers */
	ROW(metadata, NULL, "what tables tell each other",
	    ALL(metadata), MASKABLE | WRITABLE, NONE, HEX,
	    NO_NXM, OXM_OF(METADATA, 2, 8, OF10)),
	ROW(pkt_mark, NULL, "mark of the packet",
	    ALL(pkt_mark), MASKABLE | WRITABLE, NONE, HEX,
	    NXM_NX(PKT_MARK, 33, 4), NO_OXM),
	REG(0), REG(1), REG(2), REG(3), REG(4), REG(5), REG(6), REG(7),
	REG(8), REG(9), REG(10), REG(11), REG(12), REG(13), REG(14), REG(15),
	XREG(0), XREG(1), XREG(2), XREG(3), XREG(4), XREG(5), XREG(6), XREG(7),
	XXREG(0), XXREG(1), XXREG(2), XXREG(3),

	/* layer 2 */
	ROW(eth_src, "dl_src", "Ethernet source",
	    BITS(eth_src, 0, 48), MASKABLE | WRITABLE, NONE, MAC,
	    NXM_OF(ETH_SRC, 2, 6), OXM_OF(ETH_SRC, 4, 6, OF12)),
	ROW(eth_dst, "dl_dst", "Ethernet destination",
	    BITS(eth_dst, 0, 48), MASKABLE | WRITABLE, NONE, MAC,
	    NXM_OF(ETH_DST, 1, 6), OXM_OF(ETH_DST, 3, 6, OF12)),
	ROW(eth_type, "dl_type", "EtherType behind VLAN tags",
	    ALL(eth_type), 0, NONE, HEX,
	    NXM_OF(ETH_TYPE, 3, 2), OXM_OF(ETH_TYPE, 5, 2, OF12)),
	ROW(vlan_tci, NULL, "outer VLAN tag, all of it; 0x1000: there is one, 0: none",
	    ALL(vlan[0].tci), MASKABLE | WRITABLE, NONE, HEX,
	    NXM_OF(VLAN_TCI, 4, 2), NO_OXM),
	ROW(vlan_vid, NULL, "VLAN of the outer tag; 0x1000: there is one, 0: none",
	    BITS(vlan[0].tci, 0, 12), MASKABLE | WRITABLE, NONE, DECIMAL,
	    NO_NXM, OXM_OF(VLAN_VID, 6, 2, OF12)),
	ROW(vlan_pcp, "dl_vlan_pcp", "priority of the outer tag",
	    BITS(vlan[0].tci, 13, 3), WRITABLE, VLAN, DECIMAL,
	    NO_NXM, OXM_OF(VLAN_PCP, 7, 1, OF12)),
	ROW(mpls_label, NULL, "outermost MPLS label",
	    BITS(mpls_lse[0], 12, 20), WRITABLE, MPLS, DECIMAL,
	    NO_NXM, OXM_OF(MPLS_LABEL, 34, 4, OF12)),
	ROW(mpls_tc, NULL, "its traffic class",
	    BITS(mpls_lse[0], 9, 3), WRITABLE, MPLS, DECIMAL,
	    NO_NXM, OXM_OF(MPLS_TC, 35, 1, OF12)),
	ROW(mpls_bos, NULL, "whether it is the last label",
	    BITS(mpls_lse[0], 8, 1), 0, MPLS, DECIMAL,
	    NO_NXM, OXM_OF(MPLS_BOS, 36, 1, OF13)),
	ROW(mpls_ttl, NULL, "its TTL",
	    BITS(mpls_lse[0], 0, 8), WRITABLE, MPLS, DECIMAL,
	    NXM_NX(MPLS_TTL, 30, 1), NO_OXM),

	/* layer 3 */
	ROW(ip_src, "nw_src", "IPv4 source",
	    ALL(nw_src), MASKABLE | WRITABLE, IPV4, IPV4,
	    NXM_OF(IP_SRC, 7, 4), OXM_OF(IPV4_SRC, 11, 4, OF12)),
	ROW(ip_dst, "nw_dst", "IPv4 destination",
	    ALL(nw_dst), MASKABLE | WRITABLE, IPV4, IPV4,
	    NXM_OF(IP_DST, 8, 4), OXM_OF(IPV4_DST, 12, 4, OF12)),
	ROW(ipv6_src, NULL, "IPv6 source",
	    ALL(ipv6_src), MASKABLE | WRITABLE, IPV6, IPV6,
	    NXM_NX(IPV6_SRC, 19, 16), OXM_OF(IPV6_SRC, 26, 16, OF12)),
	ROW(ipv6_dst, NULL, "IPv6 destination",
	    ALL(ipv6_dst), MASKABLE | WRITABLE, IPV6, IPV6,
	    NXM_NX(IPV6_DST, 20, 16), OXM_OF(IPV6_DST, 27, 16, OF12)),
	ROW(ipv6_label, NULL, "IPv6 flow label",
	    BITS(ipv6_label, 0, 20), MASKABLE | WRITABLE, IPV6, HEX,
	    NXM_NX(IPV6_LABEL, 27, 4), OXM_OF(IPV6_FLABEL, 28, 4, OF12)),
	ROW(nw_proto, "ip_proto", "protocol of IP; of IPv6: behind extension headers",
	    ALL(nw_proto), 0, IP, DECIMAL,
	    NXM_OF(IP_PROTO, 6, 1), OXM_OF(IP_PROTO, 10, 1, OF12)),
	ROW(nw_ttl, "ip_ttl", "TTL or hop limit",
	    ALL(nw_ttl), WRITABLE, IP, DECIMAL,
	    NXM_NX(IP_TTL, 29, 1), NO_OXM),
	ROW(ip_frag, "nw_frag", "fragments: no, yes, first, later or not_later",
	    BITS(nw_frag, 0, 2), MASKABLE, IP, FRAG,
	    NXM_NX(IP_FRAG, 26, 1), NO_OXM),
	ROW(nw_tos, "ip_tos", "DSCP, in the upper six bits of a byte",
	    BITS(nw_tos, 0, 8), WRITABLE, IP, DECIMAL,
	    NXM_OF(IP_TOS, 5, 1), NO_OXM),
	ROW(ip_dscp, NULL, "DSCP, six bits",
	    BITS(nw_tos, 2, 6), WRITABLE, IP, DECIMAL,
	    NO_NXM, OXM_OF(IP_DSCP, 8, 1, OF12)),
	ROW(nw_ecn, "ip_ecn", "ECN, two bits",
	    BITS(nw_tos, 0, 2), WRITABLE, IP, DECIMAL,
	    NXM_NX(IP_ECN, 28, 1), OXM_OF(IP_ECN, 9, 1, OF12)),
	ROW(arp_op, NULL, "ARP operation",
	    ALL(arp_op), WRITABLE, ARP, DECIMAL,
	    NXM_OF(ARP_OP, 15, 2), OXM_OF(ARP_OP, 21, 2, OF12)),
	ROW(arp_spa, NULL, "sender's IPv4 address",
	    ALL(nw_src), MASKABLE | WRITABLE, ARP, IPV4,
	    NXM_OF(ARP_SPA, 16, 4), OXM_OF(ARP_SPA, 22, 4, OF12)),
	ROW(arp_tpa, NULL, "target's IPv4 address",
	    ALL(nw_dst), MASKABLE | WRITABLE, ARP, IPV4,
	    NXM_OF(ARP_TPA, 17, 4), OXM_OF(ARP_TPA, 23, 4, OF12)),
	ROW(arp_sha, NULL, "sender's Ethernet address",
	    BITS(arp_sha, 0, 48), MASKABLE | WRITABLE, ARP, MAC,
	    NXM_NX(ARP_SHA, 17, 6), OXM_OF(ARP_SHA, 24, 6, OF12)),
	ROW(arp_tha, NULL, "target's Ethernet address",
	    BITS(arp_tha, 0, 48), MASKABLE | WRITABLE, ARP, MAC,
	    NXM_NX(ARP_THA, 18, 6), OXM_OF(ARP_THA, 25, 6, OF12)),

	/* layer 4 */
	ROW(tcp_src, "tp_src", "TCP source port",
	    ALL(tp_src), MASKABLE | WRITABLE, TCP, DECIMAL,
	    NXM_OF(TCP_SRC, 9, 2), OXM_OF(TCP_SRC, 13, 2, OF12)),
	ROW(tcp_dst, "tp_dst", "TCP destination port",
	    ALL(tp_dst), MASKABLE | WRITABLE, TCP, DECIMAL,
	    NXM_OF(TCP_DST, 10, 2), OXM_OF(TCP_DST, 14, 2, OF12)),
	ROW(tcp_flags, NULL, "TCP flags, such as +syn-ack",
	    BITS(tcp_flags, 0, 12), MASKABLE, TCP, TCP_FLAGS,
	    NXM_NX(TCP_FLAGS, 34, 2), OXM_OF(TCP_FLAGS, 42, 2, OF15)),
	ROW(udp_src, NULL, "UDP source port",
	    ALL(tp_src), MASKABLE | WRITABLE, UDP, DECIMAL,
	    NXM_OF(UDP_SRC, 11, 2), OXM_OF(UDP_SRC, 15, 2, OF12)),
	ROW(udp_dst, NULL, "UDP destination port",
	    ALL(tp_dst), MASKABLE | WRITABLE, UDP, DECIMAL,
	    NXM_OF(UDP_DST, 12, 2), OXM_OF(UDP_DST, 16, 2, OF12)),
	ROW(sctp_src, NULL, "SCTP source port",
	    ALL(tp_src), MASKABLE | WRITABLE, SCTP, DECIMAL,
	    NO_NXM, OXM_OF(SCTP_SRC, 17, 2, OF10)),
	ROW(sctp_dst, NULL, "SCTP destination port",
	    ALL(tp_dst), MASKABLE | WRITABLE, SCTP, DECIMAL,
	    NO_NXM, OXM_OF(SCTP_DST, 18, 2, OF10)),
	ROW(icmp_type, "icmpv4_type", "ICMP type",
	    BITS(tp_src, 0, 8), WRITABLE, ICMPV4, DECIMAL,
	    NXM_OF(ICMP_TYPE, 13, 1), OXM_OF(ICMPV4_TYPE, 19, 1, OF12)),
	ROW(icmp_code, "icmpv4_code", "ICMP code",
	    BITS(tp_dst, 0, 8), WRITABLE, ICMPV4, DECIMAL,
	    NXM_OF(ICMP_CODE, 14, 1), OXM_OF(ICMPV4_CODE, 20, 1, OF12)),
	ROW(icmpv6_type, NULL, "ICMPv6 type",
	    BITS(tp_src, 0, 8), WRITABLE, ICMPV6, DECIMAL,
	    NXM_NX(ICMPV6_TYPE, 21, 1), OXM_OF(ICMPV6_TYPE, 29, 1, OF12)),
	ROW(icmpv6_code, NULL, "ICMPv6 code",
	    BITS(tp_dst, 0, 8), WRITABLE, ICMPV6, DECIMAL,
	    NXM_NX(ICMPV6_CODE, 22, 1), OXM_OF(ICMPV6_CODE, 30, 1, OF12)),
	ROW(nd_target, NULL, "address that neighbour discovery is about",
	    ALL(nd_target), MASKABLE | WRITABLE, ND, IPV6,
	    NXM_NX(ND_TARGET, 23, 16), OXM_OF(IPV6_ND_TARGET, 31, 16, OF12)),
	ROW(nd_sll, NULL, "sender's Ethernet address, of a solicitation",
	    BITS(arp_sha, 0, 48), MASKABLE | WRITABLE, ND_SOLICIT, MAC,
	    NXM_NX(ND_SLL, 24, 6), OXM_OF(IPV6_ND_SLL, 32, 6, OF12)),
	ROW(nd_tll, NULL, "target's Ethernet address, of an advertisement",
	    BITS(arp_tha, 0, 48), MASKABLE | WRITABLE, ND_ADVERT, MAC,
	    NXM_NX(ND_TLL, 25, 6), OXM_OF(IPV6_ND_TLL, 33, 6, OF12)),
	ROW(nd_reserved, NULL, "reserved word of neighbour discovery",
	    ALL(nd_reserved), WRITABLE, ND, DECIMAL,
	    ERICSSON(ICMPV6_ND_RESERVED, 1, 4), NO_OXM),
	ROW(nd_options_type, NULL, "type of the first option of neighbour discovery",
	    ALL(nd_options_type), WRITABLE, ND, DECIMAL,
	    ERICSSON(ICMPV6_ND_OPTIONS_TYPE, 2, 1), NO_OXM),
};
/* clang-format on */

static_assert(FIELD_reg15 == FIELD_reg0 + FLOW_REGS - 1, "a row for each");
