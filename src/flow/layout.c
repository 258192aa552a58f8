// SPDX-License-Identifier: Apache-2.0
/* Where headers are: Ethernet and 802.3 with SNAP, tags, MPLS labels, ARP (RFC 826), IPv4 (RFC
 * 791), IPv6 with its extension headers (RFC 8200, RFC 4302) and what they carry. What counts as
 * malformed is what Open vSwitch takes for malformed.
 */
#include <netinet/icmp6.h>
#include <netinet/in.h>

#include "base/bytes.h"
#include "flow/layout.h"
#include "packet/checksum.h"
#include "packet/parse.h"

#define SNAP_LEN 8 /* LLC and SNAP: aa aa 03, organization 0, type */
#define ETHER_TYPE_MIN 0x0600

#define IPV4_MORE 0x2000u /* of the fragment word */
#define IPV4_OFFSET 0x1fffu
#define IPV6_OFFSET 0xfff8u

/* Transport headers, at least. */
#define TCP_LEN 20
#define UDP_LEN 8
#define SCTP_LEN 12
#define ICMP_LEN 8 /* and IGMP, ICMPv6 */

#define ICMP_CSUM_OFFSET 2

#define ND_OPTION_LEN 8 /* units of length; a link-layer address of Ethernet has one */

static bool readable(const struct layout *l, uint32_t at, uint32_t len)
{
	return at + len <= l->limit;
}

/* A type below 0x600 is a length. Moves behind SNAP if it is there. */
static void read_8023(struct layout *l, const uint8_t *head)
{
	static const uint8_t snap[6] = { 0xaa, 0xaa, 0x03, 0, 0, 0 };
	const uint8_t *at = head + l->network;

	l->eth_type = FLOW_TYPE_NONE;
	if (!readable(l, l->network, SNAP_LEN) || memcmp(at, snap, sizeof(snap)) != 0)
		return;
	l->network += SNAP_LEN;
	if (be16_load(at + 6) >= ETHER_TYPE_MIN)
		l->eth_type = be16_load(at + 6);
}

static void read_ethernet(struct layout *l, const uint8_t *head)
{
	uint32_t at = 2 * ETH_ALEN;
	uint16_t type = be16_load(head + at);

	while (ethertype_is_tag(type) && l->n_tags < LAYOUT_TAGS &&
	       readable(l, at, VLAN_TAG_LEN + 2)) {
		at += VLAN_TAG_LEN;
		type = be16_load(head + at);
		l->n_tags++;
	}
	l->eth_type = type;
	l->network = (uint16_t)(at + 2);
	if (type < ETHER_TYPE_MIN)
		read_8023(l, head);
}

static void read_mpls(struct layout *l, const uint8_t *head)
{
	uint32_t at = l->network;

	l->kind = LAYOUT_MPLS;
	while (l->n_labels < LAYOUT_LABELS && readable(l, at, MPLS_LSE_LEN)) {
		l->n_labels++;
		if (be32_load(head + at) & MPLS_BOTTOM)
			break;
		at += MPLS_LSE_LEN;
	}
	l->looked = l->network + l->n_labels * MPLS_LSE_LEN;
}

static void read_arp(struct layout *l, const uint8_t *head)
{
	static const uint8_t ethernet_ipv4[6] = { 0, 1, 8, 0, ETH_ALEN, 4 };

	if (!readable(l, l->network, ARP_LEN) ||
	    memcmp(head + l->network, ethernet_ipv4, sizeof(ethernet_ipv4)) != 0)
		return;
	l->kind = LAYOUT_ARP;
	l->looked = l->network + ARP_LEN;
}

/* Whether an IP packet of @len bytes may be in the frame, and not too much behind it. */
static bool set_end(struct layout *l, const struct pkt *pkt, uint32_t len)
{
	uint32_t room = pkt->len - l->network;

	if (len > room || room - len > UINT16_MAX)
		return false;
	l->end = l->network + len;
	l->limit = (uint16_t)min((uint32_t)l->limit, l->end);
	return true;
}

static void read_ipv4(struct layout *l, const struct pkt *pkt)
{
	const uint8_t *ip = pkt->head + l->network;
	uint32_t len, total;
	uint16_t fragment;

	if (!readable(l, l->network, IPV4_HEADER_MIN))
		return;
	len = (ip[0] & 0xfu) * 4;
	total = be16_load(ip + 2);
	if (len < IPV4_HEADER_MIN || !readable(l, l->network, len) || len > total ||
	    !set_end(l, pkt, total))
		return;
	l->kind = LAYOUT_IPV4;
	fragment = be16_load(ip + 6);
	l->fragment = fragment & (IPV4_MORE | IPV4_OFFSET);
	l->later = fragment & IPV4_OFFSET;
	l->proto = ip[9];
	l->transport = (uint16_t)(l->network + len);
	l->looked = l->transport;
}

/* One extension header at @at; returns its length, or 0 when it is not whole. */
static uint32_t read_extension(struct layout *l, const uint8_t *head, uint32_t at)
{
	uint8_t kind = l->proto;
	uint32_t len;

	if (!readable(l, at, 8))
		return 0;
	len = kind == IPPROTO_FRAGMENT ? 8
	      : kind == IPPROTO_AH     ? (head[at + 1] + 2u) * 4
				       : (head[at + 1] + 1u) * 8;
	if (len > l->end - at)
		return 0;
	l->proto = head[at];
	l->looked = at + 8;
	if (kind == IPPROTO_ROUTING && head[at + 3])
		l->routed = true;
	if (kind == IPPROTO_FRAGMENT && be16_load(head + at + 2)) {
		l->fragment = true;
		l->later = be16_load(head + at + 2) & IPV6_OFFSET;
		if (l->later)
			l->proto = IPPROTO_FRAGMENT;
	}
	return len;
}

static bool is_extension(uint8_t proto)
{
	switch (proto) {
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_DSTOPTS:
	case IPPROTO_AH:
	case IPPROTO_FRAGMENT:
		return true;
	default:
		return false;
	}
}

static void read_ipv6(struct layout *l, const struct pkt *pkt)
{
	const uint8_t *ip = pkt->head + l->network;
	uint32_t at = l->network + IPV6_HEADER_LEN;

	if (!readable(l, l->network, IPV6_HEADER_LEN) ||
	    !set_end(l, pkt, IPV6_HEADER_LEN + be16_load(ip + 4)))
		return;
	l->kind = LAYOUT_IPV6;
	l->looked = at;
	l->proto = ip[6];
	while (is_extension(l->proto) && !l->later) {
		uint32_t len = read_extension(l, pkt->head, at);

		if (!len) {
			l->broken = true;
			l->proto = 0;
			l->fragment = false;
			return;
		}
		at += len;
	}
	/* it may be behind the private copy, but not behind 64 KiB */
	if (at < UINT16_MAX)
		l->transport = (uint16_t)at;
}

static bool tcp_is_whole(const struct layout *l, const uint8_t *head)
{
	uint32_t len;

	if (!readable(l, l->transport, TCP_LEN))
		return false;
	len = (head[l->transport + 12] >> 4) * 4u;
	return len >= TCP_LEN && len <= l->end - l->transport;
}

static bool is_nd(const uint8_t *icmp)
{
	return !icmp[1] && (icmp[0] == ND_NEIGHBOR_SOLICIT || icmp[0] == ND_NEIGHBOR_ADVERT);
}

static void read_transport(struct layout *l, const uint8_t *head)
{
	uint32_t len = ICMP_LEN;

	switch (l->proto) {
	case IPPROTO_TCP:
		l->l4 = tcp_is_whole(l, head);
		len = TCP_LEN;
		break;
	case IPPROTO_UDP:
		len = UDP_LEN;
		l->l4 = readable(l, l->transport, len);
		break;
	case IPPROTO_SCTP:
		len = SCTP_LEN;
		l->l4 = readable(l, l->transport, len);
		break;
	case IPPROTO_ICMP:
	case IPPROTO_IGMP:
		l->l4 = readable(l, l->transport, len);
		break;
	case IPPROTO_ICMPV6:
		l->l4 = readable(l, l->transport, len);
		if (l->l4 && is_nd(head + l->transport))
			len = l->limit - l->transport;
		break;
	default:
		break;
	}
	if (l->l4)
		l->looked = l->transport + len;
}

void layout_read(struct layout *l, const struct pkt *pkt)
{
	*l = (struct layout){ .limit = pkt->head_len, .end = pkt->len };
	read_ethernet(l, pkt->head);
	l->looked = l->network;
	switch (l->eth_type) {
	case ETH_P_IP:
		read_ipv4(l, pkt);
		break;
	case ETH_P_IPV6:
		read_ipv6(l, pkt);
		break;
	case ETH_P_ARP:
	case ETH_P_RARP:
		read_arp(l, pkt->head);
		break;
	case ETH_P_MPLS_UC:
	case ETH_P_MPLS_MC:
		read_mpls(l, pkt->head);
		break;
	default:
		break;
	}
	if (l->later)
		l->transport = 0;
	if (l->transport)
		read_transport(l, pkt->head);
}

/* Notes the link-layer address of an option. False when there was one already. */
static bool take_option(struct layout_nd *nd, const uint8_t *head, uint16_t at)
{
	bool source = head[at] == ND_OPT_SOURCE_LINKADDR;
	uint16_t *address = source ? &nd->sll : &nd->tll;

	if (*address && mac_load(head + *address))
		return false;
	*address = (uint16_t)(at + 2);
	if (!nd->option_type) {
		nd->option_type = head[at];
		nd->first = at;
	}
	return true;
}

void layout_read_nd(struct layout_nd *nd, const struct layout *l, const struct pkt *pkt)
{
	const uint8_t *head = pkt->head;
	uint16_t at = (uint16_t)(l->transport + ICMP_LEN);

	*nd = (struct layout_nd){ 0 };
	if (head[l->transport + 1] ||
	    (head[l->transport] != ND_NEIGHBOR_SOLICIT && head[l->transport] != ND_NEIGHBOR_ADVERT))
		return;
	nd->is = true;
	if (!readable(l, at, sizeof(struct in6_addr)))
		return;
	nd->target = at;
	at += sizeof(struct in6_addr);
	while (readable(l, at, ND_OPTION_LEN)) {
		uint32_t len = head[at + 1] * (uint32_t)ND_OPTION_LEN;

		if (!len || !readable(l, at, len))
			return;
		if (len == ND_OPTION_LEN &&
		    (head[at] == ND_OPT_SOURCE_LINKADDR || head[at] == ND_OPT_TARGET_LINKADDR) &&
		    !take_option(nd, head, at)) {
			/* two of a kind: none of it is believed */
			*nd = (struct layout_nd){ .is = true, .option_type = nd->option_type };
			return;
		}
		at = (uint16_t)(at + len);
	}
}

bool layout_checksum(const struct layout *l, uint16_t *offset, bool *addresses)
{
	*addresses = true;
	switch (l->transport ? l->proto : IPPROTO_NONE) {
	case IPPROTO_TCP:
		*offset = TCP_CSUM_OFFSET;
		break;
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
	case IPPROTO_DCCP:
		*offset = UDP_CSUM_OFFSET;
		break;
	case IPPROTO_ICMP:
	case IPPROTO_IGMP:
		*offset = ICMP_CSUM_OFFSET;
		*addresses = false;
		break;
	case IPPROTO_ICMPV6:
		*offset = ICMP_CSUM_OFFSET;
		break;
	default:
		return false;
	}
	return readable(l, l->transport, *offset + 2u);
}

bool layout_request_is_own(const struct layout *l, const struct pkt *pkt)
{
	uint16_t offset;
	bool addresses;

	return pkt->offload.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM &&
	       layout_checksum(l, &offset, &addresses) && pkt->offload.csum_start == l->transport &&
	       pkt->offload.csum_offset == offset;
}
