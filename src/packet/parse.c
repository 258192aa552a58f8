// SPDX-License-Identifier: Apache-2.0
// Header parsing: Ethernet, one 802.1Q tag, IPv4 (RFC 791), IPv6 with its extension headers
// (RFC 8200, RFC 4302) and the ports of TCP, UDP, UDP-Lite, DCCP and SCTP, for the flow's hash.
#include <netinet/in.h>

#include "base/bytes.h"
#include "base/hash.h"
#include "packet/parse.h"

#define IPV4_HEADER_MIN 20
#define IPV4_FRAGMENT 0x3fff /* "more fragments" and the offset */
#define IPV6_HEADER_LEN 40
#define IPV6_EXTENSIONS_MAX 8 /* walked; a longer chain hashes by addresses alone */

/* The hash of a flow while it grows. Both factors of each mix are keyed: neither can be chosen by a
 * guest such that the product is 0.
 */
struct flow_hash {
	uint64_t value, key;
};

static inline uint64_t load48(const uint8_t *p)
{
	uint64_t v = 0;

	memcpy(&v, p, ETH_ALEN);
	return v;
}

static inline uint32_t load32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint64_t load64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline void add(struct flow_hash *h, uint64_t a, uint64_t b)
{
	h->value = hash_mix(h->value ^ a, h->key ^ b);
}

/* The two ends of a flow, in either order: both directions of a flow hash alike. */
static inline void add_ends(struct flow_hash *h, uint64_t a, uint64_t b)
{
	add(h, min(a, b), max(a, b));
}

/* The protocol and, where it has them, the ports that start at @p. */
static inline void add_transport(struct flow_hash *h, uint8_t protocol, const uint8_t *p,
				 const uint8_t *end)
{
	uint32_t from = 0, to = 0;

	switch (protocol) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
	case IPPROTO_SCTP:
	case IPPROTO_DCCP:
		if (end - p >= 4) {
			from = be16_load(p);
			to = be16_load(p + 2);
		}
		break;
	default:
		break;
	}
	add(h, min(from, to) << 16 | max(from, to), protocol);
}

/* False: no IPv4 header is there. */
static inline bool parse_ipv4(struct flow_hash *h, const uint8_t *p, const uint8_t *end)
{
	unsigned header_len;

	if (end - p < IPV4_HEADER_MIN || p[0] >> 4 != 4)
		return false;
	add_ends(h, load32(p + 12), load32(p + 16));
	header_len = (p[0] & 0xfu) * 4;
	if (header_len >= IPV4_HEADER_MIN && header_len <= end - p &&
	    !(be16_load(p + 6) & IPV4_FRAGMENT))
		add_transport(h, p[9], p + header_len, end);
	return true;
}

/* What follows the addresses: from the header @next at @p on. */
static void parse_ipv6_headers(struct flow_hash *h, uint8_t next, const uint8_t *p,
			       const uint8_t *end)
{
	for (unsigned i = 0; i < IPV6_EXTENSIONS_MAX; i++) {
		unsigned len;

		switch (next) {
		case IPPROTO_HOPOPTS:
		case IPPROTO_ROUTING:
		case IPPROTO_DSTOPTS:
		case IPPROTO_AH:
			if (end - p < 8)
				return;
			/* AH counts words of 4 bytes, the others of 8 (RFC 4302 2.2). */
			len = next == IPPROTO_AH ? (p[1] + 2u) * 4 : (p[1] + 1u) * 8;
			if (len > end - p)
				return;
			next = p[0];
			p += len;
			break;
		case IPPROTO_FRAGMENT:
			return;
		default:
			add_transport(h, next, p, end);
			return;
		}
	}
}

/* False: no IPv6 header is there. */
static inline bool parse_ipv6(struct flow_hash *h, const uint8_t *p, const uint8_t *end)
{
	uint64_t src, dst;

	if (end - p < IPV6_HEADER_LEN || p[0] >> 4 != 6)
		return false;
	src = hash_mix(h->value ^ load64(p + 8), h->key ^ load64(p + 16));
	dst = hash_mix(h->value ^ load64(p + 24), h->key ^ load64(p + 32));
	add_ends(h, src, dst);
	parse_ipv6_headers(h, p[6], p + IPV6_HEADER_LEN, end);
	return true;
}

static inline bool parse_ip(struct flow_hash *h, const struct pkt *pkt)
{
	const uint8_t *p = pkt->head + ETH_HLEN + (pkt->tagged ? VLAN_TAG_LEN : 0);
	const uint8_t *end = pkt->head + pkt->head_len;

	if (pkt->ethertype == ETH_P_IP)
		return parse_ipv4(h, p, end);
	return pkt->ethertype == ETH_P_IPV6 && parse_ipv6(h, p, end);
}

uint32_t pkt_hash(const struct pkt *pkt)
{
	uint64_t secret = hash_secret();
	struct flow_hash h = { .value = secret, .key = secret << 32 | secret >> 32 };

	if (!parse_ip(&h, pkt))
		add_ends(&h, load48(pkt->head), load48(pkt->head + ETH_ALEN));
	add(&h, pkt->tci & VLAN_VID_MASK, pkt->ethertype);
	return (uint32_t)(h.value ^ h.value >> 32);
}
