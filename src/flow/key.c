// SPDX-License-Identifier: Apache-2.0
/* The flow key of a packet. Untagged TCP and UDP over IPv4 without options has a way of its own,
 * with one branch and each word written once.
 */
#include <netinet/in.h>

#include "base/bytes.h"
#include "flow/key.h"
#include "flow/layout.h"
#include "packet/parse.h"

static_assert(LAYOUT_TAGS == FLOW_VLANS && LAYOUT_LABELS == FLOW_LABELS, "all are told");

#define IPV4_FRAGMENT 0x3fff /* "more fragments" and the offset */
#define TCP_HEADER_MIN 20
#define UDP_HEADER_LEN 8
#define TCP_FLAGS 0x0fff
#define IPV6_LABEL 0xfffff

static inline u128 load128(const uint8_t *p)
{
	uint64_t high, low;

	memcpy(&high, p, 8);
	memcpy(&low, p + 8, 8);
	return (u128)__builtin_bswap64(high) << 64 | __builtin_bswap64(low);
}

static inline uint16_t load16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return __builtin_bswap16(v);
}

static inline uint32_t load32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return __builtin_bswap32(v);
}

/* Clears @n <= 6 words: of more at once, compilers make string instructions, which cost more than
 * all the rest. */
static ALWAYS_INLINE void clear(struct flow_key *key, unsigned first, unsigned n)
{
	memset(&key->words[first], 0, 8 * n);
}

/* What any plain packet has, whose IP header is at @at, ETH_HLEN or behind a tag. */
static ALWAYS_INLINE void extract_plain_ethernet(struct flow_key *key, const uint8_t *head,
						 unsigned at)
{
	key->eth_dst = mac_load(head);
	key->eth_src = mac_load(head + ETH_ALEN);
	key->words[4] = 0;
	if (at != ETH_HLEN)
		key->vlan[0] = (struct flow_vlan){
			.tpid = ETH_P_8021Q,
			.tci = load16(head + ETH_HLEN) | FLOW_VLAN_PRESENT,
		};
}

/* The ports, if the packet is plain so far (@odd is 0) and its transport header wholly within @len
 * bytes. False: it is not plain. */
static ALWAYS_INLINE bool extract_plain_transport(struct flow_key *key, const uint8_t *l4,
						  uint8_t proto, uint32_t len, unsigned odd)
{
	bool tcp = proto == IPPROTO_TCP;
	uint32_t l4_len = tcp ? (l4[12] >> 4) * 4u : UDP_HEADER_LEN;

	/* no short circuits: one branch */
	odd |= (tcp ? 0 : proto ^ IPPROTO_UDP) | (l4_len > len);
	odd |= l4_len < (tcp ? TCP_HEADER_MIN : UDP_HEADER_LEN);
	if (unlikely(odd))
		return false;
	key->tcp_flags = tcp ? load16(l4 + 12) & TCP_FLAGS : 0;
	key->tp_src = load16(l4);
	key->tp_dst = load16(l4 + 2);
	return true;
}

/* What is written is of no use when they return false. */
static ALWAYS_INLINE bool extract_plain_ipv4(struct flow_key *key, const struct pkt *pkt,
					     uint32_t in_port, unsigned at)
{
	const uint8_t *ip = pkt->head + at;
	uint32_t room = pkt->len - at, len;
	unsigned odd;

	/* from here on, reading either transport header is safe */
	if (unlikely(pkt->head_len < at + IPV4_HEADER_MIN + TCP_HEADER_MIN))
		return false;
	len = load16(ip + 2);
	odd = ((ip[0] & 0xfu) ^ 5) | (load16(ip + 6) & IPV4_FRAGMENT) | (len < IPV4_HEADER_MIN);
	odd |= (len > room) | (room - len > UINT16_MAX);
	if (!extract_plain_transport(key, ip + IPV4_HEADER_MIN, ip[9], len - IPV4_HEADER_MIN, odd))
		return false;
	key->in_port = in_port;
	key->nw_frag = 0;
	key->nw_proto = ip[9];
	key->nw_tos = ip[1];
	key->nw_ttl = ip[8];
	extract_plain_ethernet(key, pkt->head, at);
	key->eth_type = ETH_P_IP;
	key->nw_src = load32(ip + 12);
	key->nw_dst = load32(ip + 16);
	clear(key, 6, 6);
	clear(key, 12, 6);
	return true;
}

static ALWAYS_INLINE bool extract_plain_ipv6(struct flow_key *key, const struct pkt *pkt,
					     uint32_t in_port, unsigned at)
{
	const uint8_t *ip = pkt->head + at;
	uint32_t room = pkt->len - at, len, first;
	unsigned odd;

	if (unlikely(pkt->head_len < at + IPV6_HEADER_LEN + TCP_HEADER_MIN))
		return false;
	len = load16(ip + 4);
	first = load32(ip);
	odd = (len > room - IPV6_HEADER_LEN) | (room - IPV6_HEADER_LEN - len > UINT16_MAX);
	if (!extract_plain_transport(key, ip + IPV6_HEADER_LEN, ip[6], len, odd))
		return false;
	key->in_port = in_port;
	key->nw_frag = 0;
	key->nw_proto = ip[6];
	key->nw_tos = (uint8_t)(first >> 20);
	key->nw_ttl = ip[7];
	extract_plain_ethernet(key, pkt->head, at);
	key->eth_type = ETH_P_IPV6;
	key->words[5] = 0;
	key->ipv6_src = load128(ip + 8);
	key->ipv6_dst = load128(ip + 24);
	key->words[10] = first & IPV6_LABEL;
	clear(key, 11, 4);
	clear(key, 15, 3);
	return true;
}

static inline bool extract_plain(struct flow_key *key, const struct pkt *pkt, uint32_t in_port)
{
	const uint8_t *type = pkt->head + 2 * ETH_ALEN, *inner = type + VLAN_TAG_LEN;

	if (likely(load16(type) == ETH_P_IP))
		return extract_plain_ipv4(key, pkt, in_port, ETH_HLEN);
	if (load16(type) == ETH_P_IPV6)
		return extract_plain_ipv6(key, pkt, in_port, ETH_HLEN);
	if (load16(type) != ETH_P_8021Q || pkt->head_len < ETH_HLEN + VLAN_TAG_LEN)
		return false;
	if (load16(inner) == ETH_P_IP)
		return extract_plain_ipv4(key, pkt, in_port, ETH_HLEN + VLAN_TAG_LEN);
	return load16(inner) == ETH_P_IPV6 &&
	       extract_plain_ipv6(key, pkt, in_port, ETH_HLEN + VLAN_TAG_LEN);
}

static uint8_t fragment(const struct layout *l)
{
	return (uint8_t)((l->fragment ? FLOW_FRAG_ANY : 0) | (l->later ? FLOW_FRAG_LATER : 0));
}

static void extract_tags(struct flow_key *key, const struct layout *l, const uint8_t *head)
{
	const uint8_t *tag = head + 2 * ETH_ALEN;

	for (unsigned i = 0; i < l->n_tags; i++, tag += VLAN_TAG_LEN) {
		key->vlan[i].tpid = be16_load(tag);
		key->vlan[i].tci = be16_load(tag + 2) | FLOW_VLAN_PRESENT;
	}
}

static void extract_arp(struct flow_key *key, const uint8_t *arp)
{
	uint16_t op = be16_load(arp + 6);

	key->arp_op = op <= UINT8_MAX ? op : 0; /* of greater ones, nothing is known */
	key->arp_sha = mac_load(arp + 8);
	key->nw_src = be32_load(arp + 14);
	key->arp_tha = mac_load(arp + 18);
	key->nw_dst = be32_load(arp + 24);
}

static void extract_ipv6(struct flow_key *key, const struct layout *l, const uint8_t *ip)
{
	uint32_t first = be32_load(ip);

	key->ipv6_src = load128(ip + 8);
	key->ipv6_dst = load128(ip + 24);
	if (l->broken)
		return;
	key->ipv6_label = first & IPV6_LABEL;
	key->nw_tos = (uint8_t)(first >> 20);
	key->nw_ttl = ip[7];
	key->nw_proto = l->proto;
	key->nw_frag = fragment(l);
}

static void extract_nd(struct flow_key *key, const struct layout *l, const struct pkt *pkt)
{
	struct layout_nd nd;

	layout_read_nd(&nd, l, pkt);
	if (!nd.is)
		return;
	key->nd_reserved = be32_load(pkt->head + l->transport + 4);
	key->nd_options_type = nd.option_type;
	if (nd.target)
		key->nd_target = load128(pkt->head + nd.target);
	if (nd.sll)
		key->arp_sha = mac_load(pkt->head + nd.sll);
	if (nd.tll)
		key->arp_tha = mac_load(pkt->head + nd.tll);
}

static void extract_transport(struct flow_key *key, const struct layout *l, const struct pkt *pkt)
{
	const uint8_t *l4 = pkt->head + l->transport;

	switch (l->proto) {
	case IPPROTO_TCP:
		key->tcp_flags = be16_load(l4 + 12) & TCP_FLAGS;
		/* fall through */
	case IPPROTO_UDP:
	case IPPROTO_SCTP:
		key->tp_src = be16_load(l4);
		key->tp_dst = be16_load(l4 + 2);
		break;
	default: /* ICMP, IGMP, ICMPv6 */
		key->tp_src = l4[0];
		key->tp_dst = l4[1];
		if (l->proto == IPPROTO_ICMPV6)
			extract_nd(key, l, pkt);
		break;
	}
}

static NEVER_INLINE void extract_any(struct flow_key *key, const struct pkt *pkt, uint32_t in_port)
{
	const uint8_t *head = pkt->head, *network;
	struct layout l;

	layout_read(&l, pkt);
	network = head + l.network;
	for (unsigned i = 0; i < FLOW_KEY_PACKET_WORDS; i += 6)
		clear(key, i, 6);
	key->in_port = in_port;
	key->eth_dst = mac_load(head);
	key->eth_src = mac_load(head + ETH_ALEN);
	key->eth_type = l.eth_type;
	extract_tags(key, &l, head);
	switch (l.kind) {
	case LAYOUT_IPV4:
		key->nw_tos = network[1];
		key->nw_ttl = network[8];
		key->nw_proto = l.proto;
		key->nw_frag = fragment(&l);
		key->nw_src = be32_load(network + 12);
		key->nw_dst = be32_load(network + 16);
		break;
	case LAYOUT_IPV6:
		extract_ipv6(key, &l, network);
		break;
	case LAYOUT_ARP:
		extract_arp(key, network);
		break;
	default:
		for (unsigned i = 0; i < l.n_labels; i++)
			key->mpls_lse[i] = be32_load(network + MPLS_LSE_LEN * i);
		break;
	}
	if (l.l4)
		extract_transport(key, &l, pkt);
}

void flow_key_extract(struct flow_key *key, const struct pkt *pkt, uint32_t in_port)
{
	if (unlikely(!extract_plain(key, pkt, in_port)))
		extract_any(key, pkt, in_port);
}
