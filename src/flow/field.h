/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of the flow key: one row each says where it is, how it is called and numbered, what
 * must be matched before it can be, and how it is written. Any thread; the table is constant.
 */
#pragma once

#include "base/error.h"
#include "flow/key.h"

/* What must be matched (or known) for a field to mean something (OpenFlow 1.5.1, 7.2.3.8). */
enum field_prereq {
	PREREQ_NONE,
	PREREQ_VLAN, /* a tag */
	PREREQ_IPV4,
	PREREQ_IPV6,
	PREREQ_IP,  /* either */
	PREREQ_ARP, /* or RARP */
	PREREQ_MPLS,
	PREREQ_TCP, /* of IPv4 or IPv6, and so on */
	PREREQ_UDP,
	PREREQ_SCTP,
	PREREQ_ICMPV4,
	PREREQ_ICMPV6,
	PREREQ_ND, /* neighbour solicitation or advertisement */
	PREREQ_ND_SOLICIT,
	PREREQ_ND_ADVERT,
	PREREQ_CT, /* a connection */
	PREREQ_CT_IPV4,
	PREREQ_CT_IPV6,
};

/* How a value is written. */
enum field_format {
	FORMAT_DECIMAL,
	FORMAT_HEX,
	FORMAT_MAC,
	FORMAT_IPV4,
	FORMAT_IPV6,
	FORMAT_PORT,	  /* OpenFlow port: a number or a name (LOCAL, NORMAL ...) */
	FORMAT_FRAG,	  /* no, yes, first, later, not_later */
	FORMAT_TCP_FLAGS, /* +syn-ack, or hex/mask */
	FORMAT_CT_STATE,  /* +new-est ... */
	FORMAT_TUN_FLAGS,
};

/* One number for each field; the rows of flow/field_table.c are in this order. Names are those of
 * ovs-fields(7). */
enum field_id {
	/* conduit */
	FIELD_in_port,
	FIELD_in_port_oxm, /* the same container; 32 bits on the wire */
	FIELD_packet_type,
	FIELD_actset_output,
	FIELD_conj_id,
	FIELD_recirc_id,
	FIELD_dp_hash,
	/* tunnel */
	FIELD_tun_id,
	FIELD_tun_src,
	FIELD_tun_dst,
	FIELD_tun_ipv6_src,
	FIELD_tun_ipv6_dst,
	FIELD_tun_flags,
	FIELD_tun_tos,
	FIELD_tun_ttl,
	/* connection tracking */
	FIELD_ct_state,
	FIELD_ct_zone,
	FIELD_ct_mark,
	FIELD_ct_label,
	FIELD_ct_nw_proto,
	FIELD_ct_nw_src,
	FIELD_ct_nw_dst,
	FIELD_ct_ipv6_src,
	FIELD_ct_ipv6_dst,
	FIELD_ct_tp_src,
	FIELD_ct_tp_dst,
	/* registers */
	FIELD_metadata,
	FIELD_pkt_mark,
	FIELD_reg0,
	FIELD_reg15 = FIELD_reg0 + 15,
	FIELD_xreg0,
	FIELD_xreg7 = FIELD_xreg0 + 7,
	FIELD_xxreg0,
	FIELD_xxreg3 = FIELD_xxreg0 + 3,
	/* layer 2 */
	FIELD_eth_src,
	FIELD_eth_dst,
	FIELD_eth_type,
	FIELD_vlan_tci, /* 16 bits, with FLOW_VLAN_PRESENT */
	FIELD_vlan_vid, /* 12 bits, with FLOW_VLAN_PRESENT on the wire of OXM */
	FIELD_vlan_pcp,
	FIELD_mpls_label,
	FIELD_mpls_tc,
	FIELD_mpls_bos,
	FIELD_mpls_ttl,
	/* layer 3 */
	FIELD_ip_src,
	FIELD_ip_dst,
	FIELD_ipv6_src,
	FIELD_ipv6_dst,
	FIELD_ipv6_label,
	FIELD_nw_proto,
	FIELD_nw_ttl,
	FIELD_ip_frag,
	FIELD_nw_tos,  /* DSCP in the upper six bits of a byte (OpenFlow 1.0, NXM) */
	FIELD_ip_dscp, /* six bits (OXM) */
	FIELD_nw_ecn,
	FIELD_arp_op,
	FIELD_arp_spa,
	FIELD_arp_tpa,
	FIELD_arp_sha,
	FIELD_arp_tha,
	/* layer 4 */
	FIELD_tcp_src,
	FIELD_tcp_dst,
	FIELD_tcp_flags,
	FIELD_udp_src,
	FIELD_udp_dst,
	FIELD_sctp_src,
	FIELD_sctp_dst,
	FIELD_icmp_type,
	FIELD_icmp_code,
	FIELD_icmpv6_type,
	FIELD_icmpv6_code,
	FIELD_nd_target,
	FIELD_nd_sll,
	FIELD_nd_tll,
	FIELD_nd_reserved,
	FIELD_nd_options_type,
	FIELD_N,
};

struct field {
	enum field_id id;
	const char *name;	/* as ovs-ofctl prints it */
	const char *other_name; /* another that is understood; NULL: none */
	const char *help;	/* one line for the manual */
	uint16_t offset;	/* of the container in struct flow_key, bytes */
	uint8_t size;		/* of the container: 1, 2, 4, 8, 16 bytes */
	uint8_t shift;		/* of the field's lowest bit in it */
	uint8_t n_bits;
	bool maskable;
	bool writable; /* by set_field, load and move */
	enum field_prereq prereq;
	enum field_format format;
	uint32_t nxm; /* header without mask bit: class, number, bytes on the wire; 0: none */
	uint32_t oxm;
	uint8_t oxm_since; /* OpenFlow version (wire: 1, 4, 5, 6) that has oxm; nxm before */
	const char *nxm_name, *oxm_name; /* "NXM_OF_ETH_DST", "OXM_OF_ETH_DST"; NULL: none */
};

/* By enum field_id. */
extern const struct field fields[FIELD_N];

/* By any of its names (as typed, case-insensitive for NXM and OXM names such as NXM_OF_IN_PORT,
 * OXM_OF_ETH_DST); NULL: none. */
const struct field *field_find(const char *name, size_t len);
/* By the header on the wire, whether or not its mask bit is set; NULL: none. */
const struct field *field_by_header(uint32_t header);
/* The header that a peer of @version is told (without mask bit). */
uint32_t field_header(const struct field *field, uint8_t version);
/* "OXM_OF_ETH_DST", "NXM_NX_REG0": the name that subfields are written with. */
const char *field_wire_name(const struct field *field);
/* All ones in n_bits. */
u128 field_ones(const struct field *field);
/* Whether a value of FORMAT_PORT is one: that of a port that can be, or a reserved one. */
bool field_is_port(u128 port);

/* Whether a mask has any bit of the field. */
bool field_is_in(const struct field *field, const struct flow_key *mask);
/* The value (or with a mask for @key, the mask). */
u128 field_get(const struct field *field, const struct flow_key *key);
/* Sets the bits of @mask to those of @value; both have n_bits, further bits are ignored. */
void field_set(const struct field *field, struct flow_key *key, u128 value, u128 mask);

/* Adds those of @mask, which has n_bits. */
void field_examine(const struct field *field, u128 mask, struct key_bits *bits);

/* Whether a packet with this key has the field. Adds to @examined (may be NULL) the bits that the
 * answer depends on. */
bool field_present(const struct field *field, const struct flow_key *key,
		   struct key_bits *examined);
/* Whether a match (flow/match.h) with this key and mask makes sure that it has. */
bool field_ensured(enum field_prereq prereq, const struct flow_key *key,
		   const struct flow_key *mask);
/* What a user would write to make sure: "tcp or tcp6". */
const char *field_prereq_words(enum field_prereq prereq);

/* "80", "0x50/0xf0", "10.0.0.0/8": value and mask. Returns 0, or -EINVAL and a text. */
int field_parse(const struct field *field, const char *text, u128 *value, u128 *mask,
		struct error *err);
/* Writes it as ovs-ofctl does, without the name; returns the length as snprintf() does. */
int field_print(const struct field *field, u128 value, u128 mask, char *text, size_t size);

/* Part of a field, as actions name it: "NXM_NX_REG0[0..15]", "eth_dst[]", "reg1[3]". */
struct subfield {
	const struct field *field;
	uint8_t first, n_bits;
};

/* Bits that a field has for actions, as on the wire of NXM: a port has 16, and some of ct_state are
 * always 0. */
static inline unsigned subfield_bits(const struct field *field)
{
	return field->id == FIELD_in_port ? 16 : field->id == FIELD_ct_state ? 32 : field->n_bits;
}

/* Reads one from the front of *@text and moves that behind it. 0, or -EINVAL and a text. */
int subfield_parse(const char **text, struct subfield *out, struct error *err);
int subfield_print(const struct subfield *sub, char *text, size_t size);
u128 subfield_get(const struct subfield *sub, const struct flow_key *key);
void subfield_set(const struct subfield *sub, struct flow_key *key, u128 value);
/* Adds the bits of the subfield. */
void subfield_examine(const struct subfield *sub, struct key_bits *bits);
