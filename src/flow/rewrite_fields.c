// SPDX-License-Identifier: Apache-2.0
/* Fields of headers that change, and the checksums that cover them. What a change does to a
 * checksum is gathered as a sum of what goes (complemented) and what comes (RFC 1624, equation 3),
 * one for each thing that is covered, and put into the checksums at the end.
 */
#include <netinet/in.h>

#include "base/bytes.h"
#include "flow/layout.h"
#include "flow/rewrite.h"
#include "packet/checksum.h"
#include "packet/crc32c.h"
#include "packet/parse.h"

/* Assured forwarding has classes 1 to 4 and drop precedences 1 to 3 (RFC 2597). */
#define DSCP_CLASSES_MAX 4
#define DROP_PRECEDENCE_MAX 3

/* The words of the key that are dealt with below. */
#define WORD(member) (offsetof(struct flow_key, member) / 8)
static_assert(WORD(nw_tos) == 0 && WORD(nw_ttl) == 0 && WORD(eth_dst) == 1 && WORD(eth_src) == 2 &&
		      WORD(tp_src) == 3 && WORD(vlan) == 4 && WORD(nw_src) == 5 &&
		      WORD(ipv6_src) == 6 && WORD(ipv6_dst) == 8 && WORD(ipv6_label) == 10 &&
		      WORD(mpls_lse[1]) == 11 && WORD(arp_sha) == 12 && WORD(arp_tha) == 13 &&
		      WORD(nd_target) == 14 && WORD(arp_op) == 16,
	      "the order of flow/key.h");

/* A packet that is being changed. */
struct edit {
	struct pkt *pkt;
	struct layout l;
	struct layout_nd nd;
	/* sums of what went and came: of the IPv4 header, the pseudo header, the transport header
	 */
	uint64_t network, pseudo, transport;
};

/* A part of a word of the key, and where its value goes. */
struct change {
	uint64_t value, mask;
};

/* Bits @shift to @shift + @bits - 1 of it. */
static struct change part(struct change c, unsigned shift, unsigned bits)
{
	uint64_t ones = bits < 64 ? (1ull << bits) - 1 : ~0ull;

	return (struct change){ c.value >> shift & ones, c.mask >> shift & ones };
}

/* The same, further up: of a field that is not the last one of its integer. */
static struct change raised(struct change c, unsigned shift)
{
	return (struct change){ c.value << shift, c.mask << shift };
}

static uint64_t sum_of(uint64_t v)
{
	return (v >> 48) + (v >> 32 & 0xffff) + (v >> 16 & 0xffff) + (v & 0xffff);
}

static uint64_t load(const uint8_t *p, unsigned len)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < len; i++)
		v = v << 8 | p[i];
	return v;
}

static void store(uint8_t *p, unsigned len, uint64_t v)
{
	for (unsigned i = len; i-- > 0; v >>= 8)
		p[i] = (uint8_t)v;
}

/* Changes the integer of @len (2, 4, 6 or 8) bytes at @at. What is added to *@sum is for a checksum
 * whose words are aligned with it. */
static ALWAYS_INLINE void put(struct edit *e, uint32_t at, unsigned len, struct change c,
			      uint64_t *sum)
{
	uint8_t *p = e->pkt->head + at;
	uint64_t old = load(p, len), new = (old & ~c.mask) | (c.value & c.mask);

	if (old == new)
		return;
	store(p, len, new);
	*sum += sum_of(new) + len / 2 * 0xffffull - sum_of(old);
}

static uint16_t fold(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum >> 16) + (sum & 0xffff);
	return (uint16_t)sum;
}

static void put_tos_ttl(struct edit *e, struct change word)
{
	struct change tos = part(word, 48, 8), ttl = part(word, 56, 8);
	uint64_t ignored = 0;

	if (e->l.kind == LAYOUT_IPV4) {
		put(e, e->l.network, 2, tos, &e->network);
		put(e, e->l.network + 8u, 2, raised(ttl, 8), &e->network);
	} else if (e->l.kind == LAYOUT_IPV6 && !e->l.broken) {
		put(e, e->l.network, 2, raised(tos, 4), &ignored);
		put(e, e->l.network + 6u, 2, ttl, &ignored);
	}
}

static void put_tags(struct edit *e, struct change word)
{
	for (unsigned i = 0; i < e->l.n_tags; i++) {
		struct change tci = part(word, 32 * i + 16, 16);
		uint64_t ignored = 0;

		tci.mask &= (uint16_t)~FLOW_VLAN_PRESENT;
		put(e, 2 * ETH_ALEN + 2 + VLAN_TAG_LEN * i, 2, tci, &ignored);
	}
	pkt_parse(e->pkt);
}

/* Ports of SCTP. The length of what a fragment is of is not known. */
static void put_sctp_ports(struct edit *e, struct change ports)
{
	uint8_t *sctp = e->pkt->head + e->l.transport, *field = sctp + 8;
	uint32_t before, after, crc;
	uint64_t ignored = 0;

	memcpy(&before, sctp, sizeof(before));
	put(e, e->l.transport, 4, ports, &ignored);
	if (e->l.fragment)
		return;
	memcpy(&after, sctp, sizeof(after));
	memcpy(&crc, field, sizeof(crc));
	crc ^= crc32c_change(before, after, e->l.end - e->l.transport);
	memcpy(field, &crc, sizeof(crc));
}

static void put_ports(struct edit *e, struct change word)
{
	struct change src = part(word, 32, 16), dst = part(word, 48, 16);
	struct change ports = { src.value << 16 | dst.value, src.mask << 16 | dst.mask };
	struct change type_code = { (src.value & 0xff) << 8 | (dst.value & 0xff),
				    (src.mask & 0xff) << 8 | (dst.mask & 0xff) };

	if (!e->l.l4)
		return;
	switch (e->l.proto) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
		put(e, e->l.transport, 4, ports, &e->transport);
		break;
	case IPPROTO_SCTP:
		put_sctp_ports(e, ports);
		break;
	default:
		put(e, e->l.transport, 2, type_code, &e->transport);
		break;
	}
}

static void put_ipv4(struct edit *e, struct change word)
{
	struct change src = part(word, 0, 32), dst = part(word, 32, 32);
	uint64_t sum = 0;

	if (e->l.kind == LAYOUT_IPV4) {
		put(e, e->l.network + 12u, 4, src, &sum);
		put(e, e->l.network + 16u, 4, dst, &sum);
		e->network += sum;
		e->pseudo += sum;
	} else if (e->l.kind == LAYOUT_ARP) {
		put(e, e->l.network + 14u, 4, src, &sum);
		put(e, e->l.network + 24u, 4, dst, &sum);
	}
}

/* @i: 0, 1: lower and upper half of the source, 2, 3: of the destination. */
static void put_ipv6(struct edit *e, unsigned i, struct change word)
{
	static const uint8_t at[] = { 16, 8, 32, 24 };
	uint64_t ignored = 0;

	if (e->l.kind == LAYOUT_IPV6)
		put(e, e->l.network + at[i], 8, word,
		    i >= 2 && e->l.routed ? &ignored : &e->pseudo);
}

static void put_labels(struct edit *e, unsigned i, struct change word)
{
	uint64_t ignored = 0;

	if (e->l.n_labels > i)
		put(e, e->l.network + MPLS_LSE_LEN * i, 4, word, &ignored);
}

static void put_label(struct edit *e, struct change word)
{
	uint64_t ignored = 0;

	if (e->l.kind == LAYOUT_IPV6 && !e->l.broken)
		put(e, e->l.network, 4, part(word, 0, 20), &ignored);
	put_labels(e, 0, part(word, 32, 32));
}

/* Hardware addresses of ARP, or of neighbour discovery. */
static void put_hardware(struct edit *e, bool target, struct change word)
{
	uint16_t option = target ? e->nd.tll : e->nd.sll;
	struct change mac = part(word, 0, 48);
	uint64_t ignored = 0;

	if (e->l.kind == LAYOUT_ARP)
		put(e, e->l.network + (target ? 18u : 8u), ETH_ALEN, mac, &ignored);
	else if (option)
		put(e, option, ETH_ALEN, mac, &e->transport);
}

static void put_nd_target(struct edit *e, bool upper, struct change word)
{
	if (e->nd.target)
		put(e, e->nd.target + (upper ? 0u : 8u), 8, word, &e->transport);
}

static void put_arp_op(struct edit *e, struct change word)
{
	uint64_t ignored = 0;

	if (e->l.kind == LAYOUT_ARP)
		put(e, e->l.network + 6u, 2, part(word, 0, 16), &ignored);
	if (!e->nd.is)
		return;
	put(e, e->l.transport + 4u, 4, part(word, 32, 32), &e->transport);
	if (e->nd.first)
		put(e, e->nd.first, 2, raised(part(word, 16, 8), 8), &e->transport);
}

static void put_word(struct edit *e, unsigned i, struct change word)
{
	uint64_t ignored = 0;

	switch (i) {
	case WORD(nw_tos):
		put_tos_ttl(e, word);
		break;
	case WORD(eth_dst):
	case WORD(eth_src):
		put(e, i == WORD(eth_dst) ? 0 : ETH_ALEN, ETH_ALEN, part(word, 0, 48), &ignored);
		break;
	case WORD(tp_src):
		put_ports(e, word);
		break;
	case WORD(vlan):
		put_tags(e, word);
		break;
	case WORD(nw_src):
		put_ipv4(e, word);
		break;
	case WORD(ipv6_src)... WORD(ipv6_dst) + 1:
		put_ipv6(e, i - WORD(ipv6_src), word);
		break;
	case WORD(ipv6_label):
		put_label(e, word);
		break;
	case WORD(mpls_lse[1]):
		put_labels(e, 1, part(word, 0, 32));
		put_labels(e, 2, part(word, 32, 32));
		break;
	case WORD(arp_sha):
	case WORD(arp_tha):
		put_hardware(e, i == WORD(arp_tha), word);
		break;
	case WORD(nd_target):
	case WORD(nd_target) + 1:
		put_nd_target(e, i != WORD(nd_target), word);
		break;
	case WORD(arp_op):
		put_arp_op(e, word);
		break;
	default:
		break;
	}
}

static void update_network(struct edit *e)
{
	uint8_t *field = e->pkt->head + e->l.network + 10;

	if (e->network)
		be16_store(field, (uint16_t)~fold((uint16_t)~be16_load(field) + e->network));
}

/* Where the checksum is still to be made, its field holds the pseudo header's sum, as it is. */
static void update_transport(struct edit *e)
{
	bool udp = e->l.proto == IPPROTO_UDP, lite = e->l.proto == IPPROTO_UDPLITE, addresses;
	uint16_t offset, checksum;
	uint8_t *field;

	if (!(e->pseudo | e->transport) || !layout_checksum(&e->l, &offset, &addresses))
		return;
	if (!addresses)
		e->pseudo = 0;
	field = e->pkt->head + e->l.transport + offset;
	checksum = be16_load(field);
	if (layout_request_is_own(&e->l, e->pkt)) {
		if (e->pseudo)
			be16_store(field, fold(checksum + e->pseudo));
		return;
	}
	if (udp && !checksum) /* none (RFC 768) */
		return;
	if (!(e->pseudo | e->transport))
		return;
	checksum = (uint16_t)~fold((uint16_t)~checksum + e->pseudo + e->transport);
	be16_store(field, !checksum && (udp || lite) ? 0xffff : checksum);
}

static void start(struct edit *e, struct pkt *pkt)
{
	e->pkt = pkt;
	e->network = e->pseudo = e->transport = 0;
	layout_read(&e->l, pkt);
	if (e->l.l4 && e->l.proto == IPPROTO_ICMPV6)
		layout_read_nd(&e->nd, &e->l, pkt);
	else
		e->nd = (struct layout_nd){ 0 };
}

static void finish(struct edit *e)
{
	update_network(e);
	update_transport(e);
}

void rewrite_fields(struct pkt *pkt, const struct plan_rewrite *r)
{
	struct edit e;
	unsigned i = 0;

	start(&e, pkt);
	for (uint64_t map = r->map; map; map &= map - 1, i++)
		put_word(&e, (unsigned)__builtin_ctzll(map),
			 (struct change){ r->words[i].value, r->words[i].mask });
	finish(&e);
}

void rewrite_remark(struct pkt *pkt, uint8_t levels)
{
	struct edit e;
	uint8_t class, precedence;
	const uint8_t *ip;
	uint8_t tos;

	start(&e, pkt);
	ip = pkt->head + e.l.network;
	if (e.l.kind == LAYOUT_IPV4)
		tos = ip[1];
	else if (e.l.kind == LAYOUT_IPV6)
		tos = (uint8_t)(be16_load(ip) >> 4);
	else
		return;
	class = tos >> 5;
	precedence = tos >> 3 & 3;
	if (tos & 4 || !class || class > DSCP_CLASSES_MAX || !precedence)
		return;
	precedence = (uint8_t)min(precedence + levels, DROP_PRECEDENCE_MAX);
	put_tos_ttl(&e, (struct change){ (uint64_t)precedence << 51, 3ull << 51 });
	finish(&e);
}
