/* SPDX-License-Identifier: Apache-2.0 */
/* Where the headers are that the flow key knows of a packet: one reading for those who look at them
 * (flow/key.c) and those who change them (flow/rewrite.c). Worker threads. Hostile input: nothing
 * behind head_len is read.
 */
#pragma once

#include "packet/pkt.h"

#define FLOW_TYPE_NONE 0x05ff /* EtherType of frames that have none: 802.3 without SNAP */

#define LAYOUT_TAGS 2	/* that are looked behind */
#define LAYOUT_LABELS 3 /* the same */

/* Lengths in bytes: of IPv4 without options, IPv6, a label stack entry. */
#define IPV4_HEADER_MIN 20
#define IPV6_HEADER_LEN 40
#define MPLS_LSE_LEN 4

#define MPLS_BOTTOM 0x100u /* of a label stack entry */
#define ARP_LEN 28	   /* for IPv4 over Ethernet */

enum layout_network {
	LAYOUT_NOTHING, /* nothing that is known, or malformed */
	LAYOUT_IPV4,
	LAYOUT_IPV6,
	LAYOUT_ARP, /* and RARP */
	LAYOUT_MPLS,
};

/* Offsets are from the start of the frame. */
struct layout {
	uint16_t eth_type;  /* behind the tags and SNAP */
	uint16_t network;   /* behind Ethernet; the two bytes in front of it are the type */
	uint16_t transport; /* 0: none, or not known where */
	uint8_t kind;	    /* enum layout_network */
	uint8_t n_tags, n_labels;
	bool fragment;	 /* of an IP packet, */
	bool later;	 /* and not the first: then there is no transport header */
	uint8_t proto;	 /* behind IPv6's extension headers */
	bool broken;	 /* IPv6: the extension headers are, nothing else is known */
	bool routed;	 /* IPv6: not the destination of the transport header's checksum yet */
	bool l4;	 /* the transport header is one of those that are known, and whole */
	uint16_t limit;	 /* end of what can be read: of the packet or of the private copy */
	uint32_t end;	 /* of the IP packet: padding may follow */
	uint32_t looked; /* end of what the key depends on */
};

/* Neighbour discovery: offsets, 0 for what is not there. */
struct layout_nd {
	bool is;	     /* a solicitation or an advertisement */
	uint8_t option_type; /* of the first link-layer address */
	uint16_t target;
	uint16_t sll, tll; /* the addresses in their options */
	uint16_t first;	   /* the option that @option_type is of */
};

/* @pkt has at least ETH_HLEN bytes. */
void layout_read(struct layout *layout, const struct pkt *pkt);

/* @layout is of ICMPv6 with l4 set. */
void layout_read_nd(struct layout_nd *nd, const struct layout *layout, const struct pkt *pkt);

/* Where the checksum of the transport header is in it, and whether it covers the addresses, too.
 * False: it has none that a change must mind, or that is not within the private copy. */
bool layout_checksum(const struct layout *layout, uint16_t *offset, bool *addresses);

/* Whether the packet's request for a checksum (virtio 1.2, 5.1.6.2) is for that of its transport
 * header. */
bool layout_request_is_own(const struct layout *layout, const struct pkt *pkt);

/* Whether an EtherType says that a label stack follows (RFC 5332). */
static inline bool layout_is_mpls(uint16_t eth_type)
{
	return eth_type == ETH_P_MPLS_UC || eth_type == ETH_P_MPLS_MC;
}
