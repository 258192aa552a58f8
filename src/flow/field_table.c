// SPDX-License-Identifier: Apache-2.0
/* The rows of all fields: where each is, how it is called and numbered. Numbers are those of
 * OpenFlow 1.5.1 (7.2.3.7) and of Nicira's extensible match; names those of ovs-fields(7).
 */
#include "flow/field.h"

#define OF10 1
#define OF12 3
#define OF13 4
#define OF15 6

#define NXM0(number, len) (0x0000u << 16 | (number) << 9 | (len))
#define NXM1(number, len) (0x0001u << 16 | (number) << 9 | (len))
#define OXM(number, len) (0x8000u << 16 | (number) << 9 | (len))
#define ERICSSON(number, len) (0x1000u << 16 | (number) << 9 | (len))
#define XREG(number) (0x8001u << 16 | (number) << 9 | 8)

/* Where a member of the key is; SUB: some of its bits. */
#define AT(member)                                   \
	.offset = offsetof(struct flow_key, member), \
	.size = sizeof(((struct flow_key *)NULL)->member)
#define ALL(member) AT(member), .n_bits = 8 * sizeof(((struct flow_key *)NULL)->member)
#define SUB(member, first, bits) AT(member), .shift = (first), .n_bits = (bits)

#define MASKABLE .maskable = true
#define WRITABLE .writable = true

#define REG(i)                                                                            \
	[FIELD_reg0 + (i)] = { .id = FIELD_reg0 + (i),                                    \
			       .name = "reg" #i,                                          \
			       .help = "register of 32 bits",                             \
			       .offset = offsetof(struct flow_key, regs) + 4 * ((i) ^ 3), \
			       .size = 4,                                                 \
			       .n_bits = 32,                                              \
			       MASKABLE,                                                  \
			       WRITABLE,                                                  \
			       .format = FORMAT_HEX,                                      \
			       .nxm = NXM1(i, 4) }
#define XREG_ROW(i)                                                                        \
	[FIELD_xreg0 + (i)] = { .id = FIELD_xreg0 + (i),                                   \
				.name = "xreg" #i,                                         \
				.help = "two registers together, 64 bits",                 \
				.offset = offsetof(struct flow_key, regs) + 8 * ((i) ^ 1), \
				.size = 8,                                                 \
				.n_bits = 64,                                              \
				MASKABLE,                                                  \
				WRITABLE,                                                  \
				.format = FORMAT_HEX,                                      \
				.oxm = XREG(i),                                            \
				.oxm_since = OF10 }
#define XXREG_ROW(i)                                                                   \
	[FIELD_xxreg0 + (i)] = { .id = FIELD_xxreg0 + (i),                             \
				 .name = "xxreg" #i,                                   \
				 .help = "four registers together, 128 bits",          \
				 .offset = offsetof(struct flow_key, regs) + 16 * (i), \
				 .size = 16,                                           \
				 .n_bits = 128,                                        \
				 MASKABLE,                                             \
				 WRITABLE,                                             \
				 .format = FORMAT_HEX,                                 \
				 .nxm = NXM1(111 + (i), 16) }

/* clang-format off */
const struct field fields[FIELD_N] = {
	[FIELD_in_port] = { .id = FIELD_in_port, .name = "in_port", .help = "port that the packet came in by", ALL(in_port), WRITABLE,
		.format = FORMAT_PORT, .nxm = NXM0(0, 2) },
	[FIELD_in_port_oxm] = { .id = FIELD_in_port_oxm, .name = "in_port_oxm", .help = "the same, with 32 bits", ALL(in_port), WRITABLE,
		.format = FORMAT_PORT, .oxm = OXM(0, 4), .oxm_since = OF12 },
	[FIELD_packet_type] = { .id = FIELD_packet_type, .name = "packet_type", .help = "what kind of packet; always Ethernet: 0", ALL(packet_type),
		.format = FORMAT_HEX, .oxm = OXM(44, 4), .oxm_since = OF15 },
	[FIELD_actset_output] = { .id = FIELD_actset_output, .name = "actset_output", .help = "port of the action set's output", ALL(actset_output),
		.format = FORMAT_PORT, .oxm = OXM(43, 4), .oxm_since = OF15 },
	[FIELD_conj_id] = { .id = FIELD_conj_id, .name = "conj_id", .help = "conjunction that was met", ALL(conj_id),
		.format = FORMAT_DECIMAL, .nxm = NXM1(37, 4) },
	[FIELD_recirc_id] = { .id = FIELD_recirc_id, .name = "recirc_id", .help = "always 0: packets go through the pipeline once", ALL(recirc_id),
		.format = FORMAT_HEX, .nxm = NXM1(36, 4) },
	[FIELD_dp_hash] = { .id = FIELD_dp_hash, .name = "dp_hash", .help = "always 0", ALL(dp_hash), MASKABLE,
		.format = FORMAT_HEX, .nxm = NXM1(35, 4) },

	[FIELD_tun_id] = { .id = FIELD_tun_id, .name = "tun_id", .other_name = "tunnel_id", .help = "tunnel key (VNI) that the packet came with", ALL(tun_id),
		MASKABLE, WRITABLE, .format = FORMAT_HEX, .nxm = NXM1(16, 8), .oxm = OXM(38, 8), .oxm_since = OF13 },
	[FIELD_tun_src] = { .id = FIELD_tun_src, .name = "tun_src", .help = "IPv4 source of the tunnel", ALL(tun_src), MASKABLE, WRITABLE,
		.format = FORMAT_IPV4, .nxm = NXM1(31, 4) },
	[FIELD_tun_dst] = { .id = FIELD_tun_dst, .name = "tun_dst", .help = "IPv4 destination of the tunnel", ALL(tun_dst), MASKABLE, WRITABLE,
		.format = FORMAT_IPV4, .nxm = NXM1(32, 4) },
	[FIELD_tun_ipv6_src] = { .id = FIELD_tun_ipv6_src, .name = "tun_ipv6_src", .help = "IPv6 source of the tunnel", ALL(tun_ipv6_src), MASKABLE, WRITABLE,
		.format = FORMAT_IPV6, .nxm = NXM1(109, 16) },
	[FIELD_tun_ipv6_dst] = { .id = FIELD_tun_ipv6_dst, .name = "tun_ipv6_dst", .help = "IPv6 destination of the tunnel", ALL(tun_ipv6_dst), MASKABLE, WRITABLE,
		.format = FORMAT_IPV6, .nxm = NXM1(110, 16) },
	[FIELD_tun_flags] = { .id = FIELD_tun_flags, .name = "tun_flags", .help = "flags of the tunnel: oam", SUB(tun_flags, 0, 1), MASKABLE, WRITABLE,
		.format = FORMAT_TUN_FLAGS, .nxm = NXM1(104, 2) },
	[FIELD_tun_tos] = { .id = FIELD_tun_tos, .name = "tun_tos", .help = "TOS of the tunnel; not on the wire", ALL(tun_tos),
		.format = FORMAT_DECIMAL },
	[FIELD_tun_ttl] = { .id = FIELD_tun_ttl, .name = "tun_ttl", .help = "TTL of the tunnel; not on the wire", ALL(tun_ttl),
		.format = FORMAT_DECIMAL },

	[FIELD_ct_state] = { .id = FIELD_ct_state, .name = "ct_state", .help = "what is known of the connection", SUB(ct_state, 0, 8), MASKABLE,
		.format = FORMAT_CT_STATE, .nxm = NXM1(105, 4) },
	[FIELD_ct_zone] = { .id = FIELD_ct_zone, .name = "ct_zone", .help = "zone of the connection", ALL(ct_zone), .format = FORMAT_DECIMAL, .nxm = NXM1(106, 2) },
	[FIELD_ct_mark] = { .id = FIELD_ct_mark, .name = "ct_mark", .help = "mark of the connection", ALL(ct_mark), MASKABLE, WRITABLE, .format = FORMAT_HEX, .nxm = NXM1(107, 4) },
	[FIELD_ct_label] = { .id = FIELD_ct_label, .name = "ct_label", .help = "label of the connection", ALL(ct_label), MASKABLE, WRITABLE, .format = FORMAT_HEX, .nxm = NXM1(108, 16) },
	[FIELD_ct_nw_proto] = { .id = FIELD_ct_nw_proto, .name = "ct_nw_proto", .help = "protocol of the connection's first packet", ALL(ct_nw_proto), .prereq = PREREQ_CT, .format = FORMAT_DECIMAL, .nxm = NXM1(119, 1) },
	[FIELD_ct_nw_src] = { .id = FIELD_ct_nw_src, .name = "ct_nw_src", .help = "its IPv4 source", ALL(ct_nw_src), MASKABLE, .prereq = PREREQ_CT, .format = FORMAT_IPV4, .nxm = NXM1(120, 4) },
	[FIELD_ct_nw_dst] = { .id = FIELD_ct_nw_dst, .name = "ct_nw_dst", .help = "its IPv4 destination", ALL(ct_nw_dst), MASKABLE, .prereq = PREREQ_CT, .format = FORMAT_IPV4, .nxm = NXM1(121, 4) },
	[FIELD_ct_ipv6_src] = { .id = FIELD_ct_ipv6_src, .name = "ct_ipv6_src", .help = "its IPv6 source", ALL(ct_ipv6_src), MASKABLE, .prereq = PREREQ_CT, .format = FORMAT_IPV6, .nxm = NXM1(122, 16) },
	[FIELD_ct_ipv6_dst] = { .id = FIELD_ct_ipv6_dst, .name = "ct_ipv6_dst", .help = "its IPv6 destination", ALL(ct_ipv6_dst), MASKABLE, .prereq = PREREQ_CT, .format = FORMAT_IPV6, .nxm = NXM1(123, 16) },
	[FIELD_ct_tp_src] = { .id = FIELD_ct_tp_src, .name = "ct_tp_src", .help = "its source port", ALL(ct_tp_src), MASKABLE, .prereq = PREREQ_CT, .format = FORMAT_DECIMAL, .nxm = NXM1(124, 2) },
	[FIELD_ct_tp_dst] = { .id = FIELD_ct_tp_dst, .name = "ct_tp_dst", .help = "its destination port", ALL(ct_tp_dst), MASKABLE, .prereq = PREREQ_CT, .format = FORMAT_DECIMAL, .nxm = NXM1(125, 2) },

	[FIELD_metadata] = { .id = FIELD_metadata, .name = "metadata", .help = "what tables tell each other (OpenFlow)", ALL(metadata), MASKABLE, WRITABLE,
		.format = FORMAT_HEX, .oxm = OXM(2, 8), .oxm_since = OF10 },
	[FIELD_pkt_mark] = { .id = FIELD_pkt_mark, .name = "pkt_mark", .help = "mark of the packet", ALL(pkt_mark), MASKABLE, WRITABLE,
		.format = FORMAT_HEX, .nxm = NXM1(33, 4) },
	REG(0), REG(1), REG(2), REG(3), REG(4), REG(5), REG(6), REG(7), REG(8), REG(9), REG(10), REG(11),
	REG(12), REG(13), REG(14), REG(15),
	XREG_ROW(0), XREG_ROW(1), XREG_ROW(2), XREG_ROW(3), XREG_ROW(4), XREG_ROW(5), XREG_ROW(6), XREG_ROW(7),
	XXREG_ROW(0), XXREG_ROW(1), XXREG_ROW(2), XXREG_ROW(3),

	[FIELD_eth_src] = { .id = FIELD_eth_src, .name = "eth_src", .other_name = "dl_src", .help = "Ethernet source", SUB(eth_src, 0, 48), MASKABLE, WRITABLE,
		.format = FORMAT_MAC, .nxm = NXM0(2, 6), .oxm = OXM(4, 6), .oxm_since = OF12 },
	[FIELD_eth_dst] = { .id = FIELD_eth_dst, .name = "eth_dst", .other_name = "dl_dst", .help = "Ethernet destination", SUB(eth_dst, 0, 48), MASKABLE, WRITABLE,
		.format = FORMAT_MAC, .nxm = NXM0(1, 6), .oxm = OXM(3, 6), .oxm_since = OF12 },
	[FIELD_eth_type] = { .id = FIELD_eth_type, .name = "eth_type", .other_name = "dl_type", .help = "EtherType behind VLAN tags", ALL(eth_type),
		.format = FORMAT_HEX, .nxm = NXM0(3, 2), .oxm = OXM(5, 2), .oxm_since = OF12 },
	[FIELD_vlan_tci] = { .id = FIELD_vlan_tci, .name = "vlan_tci", .help = "tag control information, 0x1000: there is a tag", ALL(vlan[0].tci), MASKABLE, WRITABLE,
		.format = FORMAT_HEX, .nxm = NXM0(4, 2) },
	[FIELD_vlan_vid] = { .id = FIELD_vlan_vid, .name = "vlan_vid", .help = "VLAN, 12 bits", SUB(vlan[0].tci, 0, 12), MASKABLE, WRITABLE,
		.prereq = PREREQ_NONE, .format = FORMAT_DECIMAL, .oxm = OXM(6, 2), .oxm_since = OF12 },
	[FIELD_vlan_pcp] = { .id = FIELD_vlan_pcp, .name = "vlan_pcp", .other_name = "dl_vlan_pcp", .help = "priority of the tag, 3 bits", SUB(vlan[0].tci, 13, 3), WRITABLE,
		.prereq = PREREQ_VLAN, .format = FORMAT_DECIMAL, .oxm = OXM(7, 1), .oxm_since = OF12 },
	[FIELD_mpls_label] = { .id = FIELD_mpls_label, .name = "mpls_label", .help = "outermost MPLS label", SUB(mpls_lse[0], 12, 20), WRITABLE,
		.prereq = PREREQ_MPLS, .format = FORMAT_DECIMAL, .oxm = OXM(34, 4), .oxm_since = OF12 },
	[FIELD_mpls_tc] = { .id = FIELD_mpls_tc, .name = "mpls_tc", .help = "its traffic class", SUB(mpls_lse[0], 9, 3), WRITABLE,
		.prereq = PREREQ_MPLS, .format = FORMAT_DECIMAL, .oxm = OXM(35, 1), .oxm_since = OF12 },
	[FIELD_mpls_bos] = { .id = FIELD_mpls_bos, .name = "mpls_bos", .help = "whether it is the last", SUB(mpls_lse[0], 8, 1),
		.prereq = PREREQ_MPLS, .format = FORMAT_DECIMAL, .oxm = OXM(36, 1), .oxm_since = OF13 },
	[FIELD_mpls_ttl] = { .id = FIELD_mpls_ttl, .name = "mpls_ttl", .help = "its TTL", SUB(mpls_lse[0], 0, 8), WRITABLE,
		.prereq = PREREQ_MPLS, .format = FORMAT_DECIMAL, .nxm = NXM1(30, 1) },

	[FIELD_ip_src] = { .id = FIELD_ip_src, .name = "ip_src", .other_name = "nw_src", .help = "IPv4 source", ALL(nw_src), MASKABLE, WRITABLE,
		.prereq = PREREQ_IPV4, .format = FORMAT_IPV4, .nxm = NXM0(7, 4), .oxm = OXM(11, 4), .oxm_since = OF12 },
	[FIELD_ip_dst] = { .id = FIELD_ip_dst, .name = "ip_dst", .other_name = "nw_dst", .help = "IPv4 destination", ALL(nw_dst), MASKABLE, WRITABLE,
		.prereq = PREREQ_IPV4, .format = FORMAT_IPV4, .nxm = NXM0(8, 4), .oxm = OXM(12, 4), .oxm_since = OF12 },
	[FIELD_ipv6_src] = { .id = FIELD_ipv6_src, .name = "ipv6_src", .help = "IPv6 source", ALL(ipv6_src), MASKABLE, WRITABLE,
		.prereq = PREREQ_IPV6, .format = FORMAT_IPV6, .nxm = NXM1(19, 16), .oxm = OXM(26, 16), .oxm_since = OF12 },
	[FIELD_ipv6_dst] = { .id = FIELD_ipv6_dst, .name = "ipv6_dst", .help = "IPv6 destination", ALL(ipv6_dst), MASKABLE, WRITABLE,
		.prereq = PREREQ_IPV6, .format = FORMAT_IPV6, .nxm = NXM1(20, 16), .oxm = OXM(27, 16), .oxm_since = OF12 },
	[FIELD_ipv6_label] = { .id = FIELD_ipv6_label, .name = "ipv6_label", .help = "IPv6 flow label", SUB(ipv6_label, 0, 20), MASKABLE, WRITABLE,
		.prereq = PREREQ_IPV6, .format = FORMAT_HEX, .nxm = NXM1(27, 4), .oxm = OXM(28, 4), .oxm_since = OF12 },
	[FIELD_nw_proto] = { .id = FIELD_nw_proto, .name = "nw_proto", .other_name = "ip_proto", .help = "protocol behind the IP header", ALL(nw_proto),
		.prereq = PREREQ_IP, .format = FORMAT_DECIMAL, .nxm = NXM0(6, 1), .oxm = OXM(10, 1), .oxm_since = OF12 },
	[FIELD_nw_ttl] = { .id = FIELD_nw_ttl, .name = "nw_ttl", .other_name = "ip_ttl", .help = "TTL or hop limit", ALL(nw_ttl), WRITABLE,
		.prereq = PREREQ_IP, .format = FORMAT_DECIMAL, .nxm = NXM1(29, 1) },
	[FIELD_ip_frag] = { .id = FIELD_ip_frag, .name = "ip_frag", .other_name = "nw_frag", .help = "fragment: no, yes, first, later, not_later", SUB(nw_frag, 0, 2), MASKABLE,
		.prereq = PREREQ_IP, .format = FORMAT_FRAG, .nxm = NXM1(26, 1) },
	[FIELD_nw_tos] = { .id = FIELD_nw_tos, .name = "nw_tos", .other_name = "ip_tos", .help = "DSCP in the upper six bits of a byte", SUB(nw_tos, 0, 8), WRITABLE,
		.prereq = PREREQ_IP, .format = FORMAT_DECIMAL, .nxm = NXM0(5, 1) },
	[FIELD_ip_dscp] = { .id = FIELD_ip_dscp, .name = "ip_dscp", .help = "DSCP, six bits", SUB(nw_tos, 2, 6), WRITABLE,
		.prereq = PREREQ_IP, .format = FORMAT_DECIMAL, .oxm = OXM(8, 1), .oxm_since = OF12 },
	[FIELD_nw_ecn] = { .id = FIELD_nw_ecn, .name = "nw_ecn", .other_name = "ip_ecn", .help = "ECN, two bits", SUB(nw_tos, 0, 2), WRITABLE,
		.prereq = PREREQ_IP, .format = FORMAT_DECIMAL, .nxm = NXM1(28, 1), .oxm = OXM(9, 1), .oxm_since = OF12 },
	[FIELD_arp_op] = { .id = FIELD_arp_op, .name = "arp_op", .help = "ARP operation", ALL(arp_op), WRITABLE,
		.prereq = PREREQ_ARP, .format = FORMAT_DECIMAL, .nxm = NXM0(15, 2), .oxm = OXM(21, 2), .oxm_since = OF12 },
	[FIELD_arp_spa] = { .id = FIELD_arp_spa, .name = "arp_spa", .help = "sender's protocol address", ALL(nw_src), MASKABLE, WRITABLE,
		.prereq = PREREQ_ARP, .format = FORMAT_IPV4, .nxm = NXM0(16, 4), .oxm = OXM(22, 4), .oxm_since = OF12 },
	[FIELD_arp_tpa] = { .id = FIELD_arp_tpa, .name = "arp_tpa", .help = "target's protocol address", ALL(nw_dst), MASKABLE, WRITABLE,
		.prereq = PREREQ_ARP, .format = FORMAT_IPV4, .nxm = NXM0(17, 4), .oxm = OXM(23, 4), .oxm_since = OF12 },
	[FIELD_arp_sha] = { .id = FIELD_arp_sha, .name = "arp_sha", .help = "sender's hardware address", SUB(arp_sha, 0, 48), MASKABLE, WRITABLE,
		.prereq = PREREQ_ARP, .format = FORMAT_MAC, .nxm = NXM1(17, 6), .oxm = OXM(24, 6), .oxm_since = OF12 },
	[FIELD_arp_tha] = { .id = FIELD_arp_tha, .name = "arp_tha", .help = "target's hardware address", SUB(arp_tha, 0, 48), MASKABLE, WRITABLE,
		.prereq = PREREQ_ARP, .format = FORMAT_MAC, .nxm = NXM1(18, 6), .oxm = OXM(25, 6), .oxm_since = OF12 },

	[FIELD_tcp_src] = { .id = FIELD_tcp_src, .name = "tcp_src", .other_name = "tp_src", .help = "TCP source port", ALL(tp_src), MASKABLE, WRITABLE,
		.prereq = PREREQ_TCP, .format = FORMAT_DECIMAL, .nxm = NXM0(9, 2), .oxm = OXM(13, 2), .oxm_since = OF12 },
	[FIELD_tcp_dst] = { .id = FIELD_tcp_dst, .name = "tcp_dst", .other_name = "tp_dst", .help = "TCP destination port", ALL(tp_dst), MASKABLE, WRITABLE,
		.prereq = PREREQ_TCP, .format = FORMAT_DECIMAL, .nxm = NXM0(10, 2), .oxm = OXM(14, 2), .oxm_since = OF12 },
	[FIELD_tcp_flags] = { .id = FIELD_tcp_flags, .name = "tcp_flags", .help = "TCP flags, 12 bits", SUB(tcp_flags, 0, 12), MASKABLE,
		.prereq = PREREQ_TCP, .format = FORMAT_TCP_FLAGS, .nxm = NXM1(34, 2), .oxm = OXM(42, 2), .oxm_since = OF15 },
	[FIELD_udp_src] = { .id = FIELD_udp_src, .name = "udp_src", .help = "UDP source port", ALL(tp_src), MASKABLE, WRITABLE,
		.prereq = PREREQ_UDP, .format = FORMAT_DECIMAL, .nxm = NXM0(11, 2), .oxm = OXM(15, 2), .oxm_since = OF12 },
	[FIELD_udp_dst] = { .id = FIELD_udp_dst, .name = "udp_dst", .help = "UDP destination port", ALL(tp_dst), MASKABLE, WRITABLE,
		.prereq = PREREQ_UDP, .format = FORMAT_DECIMAL, .nxm = NXM0(12, 2), .oxm = OXM(16, 2), .oxm_since = OF12 },
	[FIELD_sctp_src] = { .id = FIELD_sctp_src, .name = "sctp_src", .help = "SCTP source port", ALL(tp_src), MASKABLE, WRITABLE,
		.prereq = PREREQ_SCTP, .format = FORMAT_DECIMAL, .oxm = OXM(17, 2), .oxm_since = OF10 },
	[FIELD_sctp_dst] = { .id = FIELD_sctp_dst, .name = "sctp_dst", .help = "SCTP destination port", ALL(tp_dst), MASKABLE, WRITABLE,
		.prereq = PREREQ_SCTP, .format = FORMAT_DECIMAL, .oxm = OXM(18, 2), .oxm_since = OF10 },
	[FIELD_icmp_type] = { .id = FIELD_icmp_type, .name = "icmp_type", .other_name = "icmpv4_type", .help = "ICMP type", SUB(tp_src, 0, 8), WRITABLE,
		.prereq = PREREQ_ICMPV4, .format = FORMAT_DECIMAL, .nxm = NXM0(13, 1), .oxm = OXM(19, 1), .oxm_since = OF12 },
	[FIELD_icmp_code] = { .id = FIELD_icmp_code, .name = "icmp_code", .other_name = "icmpv4_code", .help = "ICMP code", SUB(tp_dst, 0, 8), WRITABLE,
		.prereq = PREREQ_ICMPV4, .format = FORMAT_DECIMAL, .nxm = NXM0(14, 1), .oxm = OXM(20, 1), .oxm_since = OF12 },
	[FIELD_icmpv6_type] = { .id = FIELD_icmpv6_type, .name = "icmpv6_type", .help = "ICMPv6 type", SUB(tp_src, 0, 8), WRITABLE,
		.prereq = PREREQ_ICMPV6, .format = FORMAT_DECIMAL, .nxm = NXM1(21, 1), .oxm = OXM(29, 1), .oxm_since = OF12 },
	[FIELD_icmpv6_code] = { .id = FIELD_icmpv6_code, .name = "icmpv6_code", .help = "ICMPv6 code", SUB(tp_dst, 0, 8), WRITABLE,
		.prereq = PREREQ_ICMPV6, .format = FORMAT_DECIMAL, .nxm = NXM1(22, 1), .oxm = OXM(30, 1), .oxm_since = OF12 },
	[FIELD_nd_target] = { .id = FIELD_nd_target, .name = "nd_target", .help = "address that neighbour discovery is about", ALL(nd_target), MASKABLE, WRITABLE,
		.prereq = PREREQ_ND, .format = FORMAT_IPV6, .nxm = NXM1(23, 16), .oxm = OXM(31, 16), .oxm_since = OF12 },
	[FIELD_nd_sll] = { .id = FIELD_nd_sll, .name = "nd_sll", .help = "source link-layer address of a solicitation", SUB(arp_sha, 0, 48), MASKABLE, WRITABLE,
		.prereq = PREREQ_ND_SOLICIT, .format = FORMAT_MAC, .nxm = NXM1(24, 6), .oxm = OXM(32, 6), .oxm_since = OF12 },
	[FIELD_nd_tll] = { .id = FIELD_nd_tll, .name = "nd_tll", .help = "target link-layer address of an advertisement", SUB(arp_tha, 0, 48), MASKABLE, WRITABLE,
		.prereq = PREREQ_ND_ADVERT, .format = FORMAT_MAC, .nxm = NXM1(25, 6), .oxm = OXM(33, 6), .oxm_since = OF12 },
	[FIELD_nd_reserved] = { .id = FIELD_nd_reserved, .name = "nd_reserved", .help = "reserved word of neighbour discovery", ALL(nd_reserved),
		.prereq = PREREQ_ND, .format = FORMAT_DECIMAL, .nxm = ERICSSON(1, 4) },
	[FIELD_nd_options_type] = { .id = FIELD_nd_options_type, .name = "nd_options_type", .help = "type of its first option", ALL(nd_options_type),
		.prereq = PREREQ_ND, .format = FORMAT_DECIMAL, .nxm = ERICSSON(2, 1) },
};
/* clang-format on */
