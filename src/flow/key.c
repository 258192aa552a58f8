// SPDX-License-Identifier: Apache-2.0
/* The flow key of a packet. Untagged TCP and UDP over IPv4 without options has a way of its own,
 * with one branch and each word written once.
 */
#include <netinet/in.h>

#include "base/bytes.h"
#include "flow/key.h"
#include "flow/layout.h"
#include "packet/parse.h"

#define IPV4_FRAGMENT 0x3fff /* "more fragments" and the offset */
#define TCP_HEADER_MIN 20
#define UDP_HEADER_LEN 8
#define TCP_FLAGS 0x0fff

/* From here on, reading either of the two headers is safe. */
#define PLAIN_LEN (ETH_HLEN + IPV4_HEADER_MIN + TCP_HEADER_MIN)

static u128 load128(const uint8_t *p)
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

/* False, and nothing written, when the packet is not plain. */
static ALWAYS_INLINE bool extract_plain(struct flow_key *key, const struct pkt *pkt,
					uint32_t in_port)
{
	const uint8_t *head = pkt->head, *ip = head + ETH_HLEN, *l4 = ip + IPV4_HEADER_MIN;
	uint32_t room = pkt->len - ETH_HLEN, ip_len, l4_len;
	bool tcp, plain;

	if (unlikely(pkt->head_len < PLAIN_LEN))
		return false;
	tcp = ip[9] == IPPROTO_TCP;
	ip_len = load16(ip + 2);
	l4_len = tcp ? (l4[12] >> 4) * 4u : UDP_HEADER_LEN;
	/* no short circuits: one branch */
	plain = (load16(head + 2 * ETH_ALEN) == ETH_P_IP) & ((ip[0] & 0xf) == 5) &
		!(load16(ip + 6) & IPV4_FRAGMENT) & (tcp | (ip[9] == IPPROTO_UDP)) &
		(ip_len <= room) & (room - ip_len <= UINT16_MAX) &
		(l4_len >= (tcp ? TCP_HEADER_MIN : UDP_HEADER_LEN)) &
		(ip_len >= IPV4_HEADER_MIN + l4_len);
	if (unlikely(!plain))
		return false;
	key->in_port = in_port;
	key->nw_frag = 0;
	key->nw_proto = ip[9];
	key->nw_tos = ip[1];
	key->nw_ttl = ip[8];
	key->eth_dst = mac_load(head);
	key->eth_src = mac_load(head + ETH_ALEN);
	key->eth_type = ETH_P_IP;
	key->tcp_flags = tcp ? load16(l4 + 12) & TCP_FLAGS : 0;
	key->tp_src = load16(l4);
	key->tp_dst = load16(l4 + 2);
	key->words[4] = 0;
	key->nw_src = load32(ip + 12);
	key->nw_dst = load32(ip + 16);
	memset(&key->words[6], 0, 8 * (FLOW_KEY_PACKET_WORDS - 6));
	return true;
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
	key->ipv6_label = first & 0xfffff;
	key->nw_tos = (uint8_t)(first >> 20);
	key->nw_ttl = ip[7];
	key->nw_proto = l->proto;
	key->nw_frag = l->frag;
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
	memset(key->words, 0, 8 * FLOW_KEY_PACKET_WORDS);
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
		key->nw_frag = l.frag;
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
