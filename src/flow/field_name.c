// SPDX-License-Identifier: Apache-2.0
/* Names of fields: as typed, and as the wire's documents have them. */
#include <ctype.h>
#include <strings.h>

#include "flow/field.h"

/* What Open vSwitch calls the header, and what OpenFlow calls it; NULL: there is none. */
struct wire_name {
	const char *nxm, *oxm;
};

#define REG(i) [FIELD_reg0 + (i)] = { "NXM_NX_REG" #i, NULL }
#define XREG(i) [FIELD_xreg0 + (i)] = { NULL, "OXM_OF_PKT_REG" #i }
#define XXREG(i) [FIELD_xxreg0 + (i)] = { "NXM_NX_XXREG" #i, NULL }

static const struct wire_name wire_names[FIELD_N] = {
	[FIELD_in_port] = { "NXM_OF_IN_PORT", NULL },
	[FIELD_in_port_oxm] = { NULL, "OXM_OF_IN_PORT" },
	[FIELD_packet_type] = { NULL, "OXM_OF_PACKET_TYPE" },
	[FIELD_actset_output] = { NULL, "OXM_OF_ACTSET_OUTPUT" },
	[FIELD_conj_id] = { "NXM_NX_CONJ_ID", NULL },
	[FIELD_recirc_id] = { "NXM_NX_RECIRC_ID", NULL },
	[FIELD_dp_hash] = { "NXM_NX_DP_HASH", NULL },
	[FIELD_tun_id] = { "NXM_NX_TUN_ID", "OXM_OF_TUNNEL_ID" },
	[FIELD_tun_src] = { "NXM_NX_TUN_IPV4_SRC", NULL },
	[FIELD_tun_dst] = { "NXM_NX_TUN_IPV4_DST", NULL },
	[FIELD_tun_ipv6_src] = { "NXM_NX_TUN_IPV6_SRC", NULL },
	[FIELD_tun_ipv6_dst] = { "NXM_NX_TUN_IPV6_DST", NULL },
	[FIELD_tun_flags] = { "NXM_NX_TUN_FLAGS", NULL },
	[FIELD_ct_state] = { "NXM_NX_CT_STATE", NULL },
	[FIELD_ct_zone] = { "NXM_NX_CT_ZONE", NULL },
	[FIELD_ct_mark] = { "NXM_NX_CT_MARK", NULL },
	[FIELD_ct_label] = { "NXM_NX_CT_LABEL", NULL },
	[FIELD_ct_nw_proto] = { "NXM_NX_CT_NW_PROTO", NULL },
	[FIELD_ct_nw_src] = { "NXM_NX_CT_NW_SRC", NULL },
	[FIELD_ct_nw_dst] = { "NXM_NX_CT_NW_DST", NULL },
	[FIELD_ct_ipv6_src] = { "NXM_NX_CT_IPV6_SRC", NULL },
	[FIELD_ct_ipv6_dst] = { "NXM_NX_CT_IPV6_DST", NULL },
	[FIELD_ct_tp_src] = { "NXM_NX_CT_TP_SRC", NULL },
	[FIELD_ct_tp_dst] = { "NXM_NX_CT_TP_DST", NULL },
	[FIELD_metadata] = { NULL, "OXM_OF_METADATA" },
	[FIELD_pkt_mark] = { "NXM_NX_PKT_MARK", NULL },
	REG(0),
	REG(1),
	REG(2),
	REG(3),
	REG(4),
	REG(5),
	REG(6),
	REG(7),
	REG(8),
	REG(9),
	REG(10),
	REG(11),
	REG(12),
	REG(13),
	REG(14),
	REG(15),
	XREG(0),
	XREG(1),
	XREG(2),
	XREG(3),
	XREG(4),
	XREG(5),
	XREG(6),
	XREG(7),
	XXREG(0),
	XXREG(1),
	XXREG(2),
	XXREG(3),
	[FIELD_eth_src] = { "NXM_OF_ETH_SRC", "OXM_OF_ETH_SRC" },
	[FIELD_eth_dst] = { "NXM_OF_ETH_DST", "OXM_OF_ETH_DST" },
	[FIELD_eth_type] = { "NXM_OF_ETH_TYPE", "OXM_OF_ETH_TYPE" },
	[FIELD_vlan_tci] = { "NXM_OF_VLAN_TCI", NULL },
	[FIELD_vlan_vid] = { NULL, "OXM_OF_VLAN_VID" },
	[FIELD_vlan_pcp] = { NULL, "OXM_OF_VLAN_PCP" },
	[FIELD_mpls_label] = { NULL, "OXM_OF_MPLS_LABEL" },
	[FIELD_mpls_tc] = { NULL, "OXM_OF_MPLS_TC" },
	[FIELD_mpls_bos] = { NULL, "OXM_OF_MPLS_BOS" },
	[FIELD_mpls_ttl] = { "NXM_NX_MPLS_TTL", NULL },
	[FIELD_ip_src] = { "NXM_OF_IP_SRC", "OXM_OF_IPV4_SRC" },
	[FIELD_ip_dst] = { "NXM_OF_IP_DST", "OXM_OF_IPV4_DST" },
	[FIELD_ipv6_src] = { "NXM_NX_IPV6_SRC", "OXM_OF_IPV6_SRC" },
	[FIELD_ipv6_dst] = { "NXM_NX_IPV6_DST", "OXM_OF_IPV6_DST" },
	[FIELD_ipv6_label] = { "NXM_NX_IPV6_LABEL", "OXM_OF_IPV6_FLABEL" },
	[FIELD_nw_proto] = { "NXM_OF_IP_PROTO", "OXM_OF_IP_PROTO" },
	[FIELD_nw_ttl] = { "NXM_NX_IP_TTL", NULL },
	[FIELD_ip_frag] = { "NXM_NX_IP_FRAG", NULL },
	[FIELD_nw_tos] = { "NXM_OF_IP_TOS", NULL },
	[FIELD_ip_dscp] = { NULL, "OXM_OF_IP_DSCP" },
	[FIELD_nw_ecn] = { "NXM_NX_IP_ECN", "OXM_OF_IP_ECN" },
	[FIELD_arp_op] = { "NXM_OF_ARP_OP", "OXM_OF_ARP_OP" },
	[FIELD_arp_spa] = { "NXM_OF_ARP_SPA", "OXM_OF_ARP_SPA" },
	[FIELD_arp_tpa] = { "NXM_OF_ARP_TPA", "OXM_OF_ARP_TPA" },
	[FIELD_arp_sha] = { "NXM_NX_ARP_SHA", "OXM_OF_ARP_SHA" },
	[FIELD_arp_tha] = { "NXM_NX_ARP_THA", "OXM_OF_ARP_THA" },
	[FIELD_tcp_src] = { "NXM_OF_TCP_SRC", "OXM_OF_TCP_SRC" },
	[FIELD_tcp_dst] = { "NXM_OF_TCP_DST", "OXM_OF_TCP_DST" },
	[FIELD_tcp_flags] = { "NXM_NX_TCP_FLAGS", "OXM_OF_TCP_FLAGS" },
	[FIELD_udp_src] = { "NXM_OF_UDP_SRC", "OXM_OF_UDP_SRC" },
	[FIELD_udp_dst] = { "NXM_OF_UDP_DST", "OXM_OF_UDP_DST" },
	[FIELD_sctp_src] = { NULL, "OXM_OF_SCTP_SRC" },
	[FIELD_sctp_dst] = { NULL, "OXM_OF_SCTP_DST" },
	[FIELD_icmp_type] = { "NXM_OF_ICMP_TYPE", "OXM_OF_ICMPV4_TYPE" },
	[FIELD_icmp_code] = { "NXM_OF_ICMP_CODE", "OXM_OF_ICMPV4_CODE" },
	[FIELD_icmpv6_type] = { "NXM_NX_ICMPV6_TYPE", "OXM_OF_ICMPV6_TYPE" },
	[FIELD_icmpv6_code] = { "NXM_NX_ICMPV6_CODE", "OXM_OF_ICMPV6_CODE" },
	[FIELD_nd_target] = { "NXM_NX_ND_TARGET", "OXM_OF_IPV6_ND_TARGET" },
	[FIELD_nd_sll] = { "NXM_NX_ND_SLL", "OXM_OF_IPV6_ND_SLL" },
	[FIELD_nd_tll] = { "NXM_NX_ND_TLL", "OXM_OF_IPV6_ND_TLL" },
	[FIELD_nd_reserved] = { "ERICOXM_OF_ICMPV6_ND_RESERVED", NULL },
	[FIELD_nd_options_type] = { "ERICOXM_OF_ICMPV6_ND_OPTIONS_TYPE", NULL },
};

const char *field_wire_name(const struct field *field)
{
	const struct wire_name *w = &wire_names[field->id];

	return w->nxm ? w->nxm : w->oxm ? w->oxm : field->name;
}

/* Whether @name is that of @len bytes at @word; @fold: in capitals or not. */
static bool is(const char *name, const char *word, size_t len, bool fold)
{
	if (!name || strlen(name) != len)
		return false;
	return fold ? !strncasecmp(name, word, len) : !memcmp(name, word, len);
}

const struct field *field_find(const char *name, size_t len)
{
	for (unsigned i = 0; i < FIELD_N; i++)
		if (is(fields[i].name, name, len, false) ||
		    is(fields[i].other_name, name, len, false) ||
		    is(wire_names[i].nxm, name, len, true) ||
		    is(wire_names[i].oxm, name, len, true))
			return &fields[i];
	return NULL;
}
