// SPDX-License-Identifier: Apache-2.0
/* Frames of the oracle (see frame.h). Checksums are made by adding up all that they cover. */
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <string.h>

#include "frame.h"

#define TCI_TAG 0x1000u
#define LSE_BOTTOM 0x100u
#define IPV6_FRAGMENT 44

/* Where things are; 0: not there. */
struct parts {
	uint32_t tags, labels, network, transport, option;
	unsigned n_tags, n_labels;
	uint16_t type;
	uint8_t proto;
	uint32_t end; /* of the transport's data */
};

uint16_t frame_load16(const struct frame *f, uint32_t at)
{
	return (uint16_t)(f->bytes[at] << 8 | f->bytes[at + 1]);
}

static uint32_t load32(const struct frame *f, uint32_t at)
{
	return (uint32_t)frame_load16(f, at) << 16 | frame_load16(f, at + 2);
}

static void store(struct frame *f, uint32_t at, unsigned n, u128 value)
{
	while (n--) {
		f->bytes[at + n] = (uint8_t)value;
		value >>= 8;
	}
}

void frame_store16(struct frame *f, uint32_t at, uint16_t value)
{
	store(f, at, 2, value);
}

void frame_store32(struct frame *f, uint32_t at, uint32_t value)
{
	store(f, at, 4, value);
}

static bool is_tag(uint16_t type)
{
	return type == ETH_P_8021Q || type == ETH_P_8021AD;
}

static bool is_mpls(uint16_t type)
{
	return type == ETH_P_MPLS_UC || type == ETH_P_MPLS_MC;
}

static void split_ip(const struct frame *f, struct parts *p)
{
	uint32_t at = p->network;

	if (p->type == ETH_P_IP && f->bytes[at] >> 4 == 4) {
		p->proto = f->bytes[at + 9];
		p->end = at + frame_load16(f, at + 2);
		if (!(frame_load16(f, at + 6) & 0x1fff))
			p->transport = at + (f->bytes[at] & 15) * 4u;
	} else if (p->type == ETH_P_IPV6 && f->bytes[at] >> 4 == 6) {
		p->end = at + 40 + frame_load16(f, at + 4);
		p->proto = f->bytes[at + 6];
		p->transport = at + 40;
		if (p->proto != IPV6_FRAGMENT)
			return;
		p->proto = f->bytes[at + 40];
		p->transport = frame_load16(f, at + 42) & 0xfff8 ? 0 : at + 48;
	}
}

static void split(const struct frame *f, struct parts *p)
{
	uint32_t at = 12;

	memset(p, 0, sizeof(*p));
	p->tags = at;
	for (; p->n_tags < 2 && is_tag(frame_load16(f, at)); at += 4)
		p->n_tags++;
	p->type = frame_load16(f, at);
	p->network = at + 2;
	if (is_mpls(p->type)) {
		p->labels = p->network;
		do
			p->n_labels++;
		while (p->n_labels < 3 &&
		       !(load32(f, p->labels + 4 * p->n_labels - 4) & LSE_BOTTOM));
		return;
	}
	split_ip(f, p);
	if (p->transport && p->proto == IPPROTO_ICMPV6 && p->end >= p->transport + 32 &&
	    (f->bytes[p->transport] == 135 || f->bytes[p->transport] == 136))
		p->option = p->transport + 24;
}

uint32_t frame_network(const struct frame *f)
{
	struct parts p;

	split(f, &p);
	return p.network;
}

unsigned frame_n_tags(const struct frame *f)
{
	unsigned n = 0;

	while (is_tag(frame_load16(f, 12 + 4 * n)))
		n++;
	return n;
}

void frame_insert(struct frame *f, uint32_t at, uint32_t n)
{
	memmove(f->bytes + at + n, f->bytes + at, f->len - at);
	memset(f->bytes + at, 0, n);
	f->len += n;
}

void frame_remove(struct frame *f, uint32_t at, uint32_t n)
{
	memmove(f->bytes + at, f->bytes + at + n, f->len - at - n);
	f->len -= n;
}

/* ---- checksums */

static uint32_t add_up(const struct frame *f, uint32_t at, uint32_t end)
{
	uint32_t sum = 0;

	for (; at < end; at += 2)
		sum += f->bytes[at] << 8 | (at + 1 < end ? f->bytes[at + 1] : 0);
	return sum;
}

static uint16_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* Where the transport's checksum is; 0: there is none. */
static uint32_t checksum_at(const struct parts *p)
{
	if (!p->transport)
		return 0;
	switch (p->proto) {
	case IPPROTO_TCP:
		return p->transport + 16;
	case IPPROTO_UDP:
		return p->transport + 6;
	case IPPROTO_ICMP:
		return p->type == ETH_P_IP ? p->transport + 2 : 0;
	case IPPROTO_ICMPV6:
		return p->type == ETH_P_IPV6 ? p->transport + 2 : 0;
	default:
		return 0;
	}
}

/* Of all that the transport's checksum covers. */
static uint16_t covered_sum(const struct frame *f, const struct parts *p)
{
	uint32_t sum = add_up(f, p->transport, p->end);

	if (p->proto == IPPROTO_ICMP)
		return fold(sum);
	if (p->type == ETH_P_IP)
		sum += add_up(f, p->network + 12, p->network + 20);
	else
		sum += add_up(f, p->network + 8, p->network + 40);
	return fold(sum + p->proto + (p->end - p->transport));
}

static uint32_t crc32c(const struct frame *f, uint32_t at, uint32_t end)
{
	uint32_t crc = ~0u;

	for (; at < end; at++) {
		crc ^= f->bytes[at];
		for (int i = 0; i < 8; i++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
	}
	return ~crc;
}

/* Makes the sum over all that is covered @sum: 0xffff is right. */
static void put_checksums(struct frame *f, const struct parts *p, uint16_t sum)
{
	uint32_t at = checksum_at(p);

	if (p->type == ETH_P_IP && p->end) {
		frame_store16(f, p->network + 10, 0);
		frame_store16(
			f, p->network + 10,
			(uint16_t)~fold(add_up(f, p->network,
					       p->network + (f->bytes[p->network] & 15) * 4u)));
	}
	if (p->transport && p->proto == IPPROTO_SCTP) {
		uint32_t crc;

		frame_store32(f, p->transport + 8, 0);
		crc = __builtin_bswap32(crc32c(f, p->transport, p->end));
		frame_store32(f, p->transport + 8, crc);
	}
	if (at) {
		uint16_t rest;

		frame_store16(f, at, 0);
		rest = (uint16_t)~covered_sum(f, p);
		if (sum != 0xffff)
			rest = fold((uint32_t)rest + sum);
		frame_store16(f, at, !rest && p->proto == IPPROTO_UDP ? 0xffff : rest);
	}
}

/* ---- fields */

static void write_l2(struct frame *f, const struct parts *p, const struct flow_key *key)
{
	store(f, 0, 6, key->eth_dst);
	store(f, 6, 6, key->eth_src);
	for (unsigned i = 0; i < p->n_tags; i++) {
		uint32_t at = p->tags + 4 * i + 2;

		frame_store16(f, at,
			      (uint16_t)((key->vlan[i].tci & ~TCI_TAG) |
					 (frame_load16(f, at) & TCI_TAG)));
	}
	for (unsigned i = 0; i < p->n_labels; i++)
		frame_store32(f, p->labels + 4 * i, key->mpls_lse[i]);
}

static void write_l3(struct frame *f, const struct parts *p, const struct flow_key *key)
{
	uint32_t at = p->network;

	if (p->type == ETH_P_ARP || p->type == ETH_P_RARP) {
		frame_store16(f, at + 6, key->arp_op);
		store(f, at + 8, 6, key->arp_sha);
		frame_store32(f, at + 14, key->nw_src);
		store(f, at + 18, 6, key->arp_tha);
		frame_store32(f, at + 24, key->nw_dst);
	} else if (p->type == ETH_P_IP && p->end) {
		f->bytes[at + 1] = key->nw_tos;
		f->bytes[at + 8] = key->nw_ttl;
		frame_store32(f, at + 12, key->nw_src);
		frame_store32(f, at + 16, key->nw_dst);
	} else if (p->type == ETH_P_IPV6 && p->end) {
		frame_store32(f, at, 6u << 28 | (uint32_t)key->nw_tos << 20 | key->ipv6_label);
		f->bytes[at + 7] = key->nw_ttl;
		store(f, at + 8, 16, key->ipv6_src);
		store(f, at + 24, 16, key->ipv6_dst);
	}
}

static void write_l4(struct frame *f, const struct parts *p, const struct flow_key *key)
{
	uint32_t at = p->transport;

	if (!at)
		return;
	switch (p->proto) {
	case IPPROTO_TCP:
		frame_store16(f, at + 12,
			      (uint16_t)((frame_load16(f, at + 12) & 0xf000) | key->tcp_flags));
		/* fall through */
	case IPPROTO_UDP:
	case IPPROTO_SCTP:
		frame_store16(f, at, key->tp_src);
		frame_store16(f, at + 2, key->tp_dst);
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		f->bytes[at] = (uint8_t)key->tp_src;
		f->bytes[at + 1] = (uint8_t)key->tp_dst;
		break;
	default:
		break;
	}
	if (!p->option)
		return;
	frame_store32(f, at + 4, key->nd_reserved);
	store(f, at + 8, 16, key->nd_target);
	f->bytes[p->option] = key->nd_options_type;
	if (key->nd_options_type == 1)
		store(f, p->option + 2, 6, key->arp_sha);
	else if (key->nd_options_type == 2)
		store(f, p->option + 2, 6, key->arp_tha);
}

void frame_patch(struct frame *f, const struct flow_key *key)
{
	uint16_t sum = 0;
	struct parts p;
	bool has_sum;

	split(f, &p);
	has_sum = checksum_at(&p);
	if (has_sum)
		sum = covered_sum(f, &p);
	write_l2(f, &p, key);
	write_l3(f, &p, key);
	write_l4(f, &p, key);
	put_checksums(f, &p, sum);
}

/* ---- making */

static uint32_t transport_len(uint8_t proto, bool nd)
{
	switch (proto) {
	case IPPROTO_TCP:
		return 20;
	case IPPROTO_SCTP:
		return 12;
	case IPPROTO_ICMPV6:
		return nd ? 32 : 8;
	default:
		return 8;
	}
}

/* What is the same in all packets of a kind; the rest is patched in. */
static uint32_t build_ip(struct frame *f, uint32_t at, const struct flow_key *key, unsigned payload)
{
	bool v6 = key->eth_type == ETH_P_IPV6, later = key->nw_frag & FLOW_FRAG_LATER;
	bool nd = key->nd_options_type;
	uint32_t l4 = at + (v6 ? 40 + (key->nw_frag ? 8 : 0) : 20), end;
	uint16_t offset = later ? 100 : 0, more = key->nw_frag == FLOW_FRAG_ANY;

	end = l4 + (later ? 16 : transport_len(key->nw_proto, nd)) + payload;
	if (v6) {
		frame_store32(f, at, 6u << 28);
		frame_store16(f, at + 4, (uint16_t)(end - at - 40));
		f->bytes[at + 6] = key->nw_frag ? IPV6_FRAGMENT : key->nw_proto;
		if (key->nw_frag) {
			f->bytes[at + 40] = key->nw_proto;
			frame_store16(f, at + 42, (uint16_t)(offset << 3 | more));
		}
	} else {
		f->bytes[at] = 0x45;
		frame_store16(f, at + 2, (uint16_t)(end - at));
		frame_store16(f, at + 6, (uint16_t)(offset | more << 13));
		f->bytes[at + 9] = key->nw_proto;
	}
	if (later)
		return end;
	if (key->nw_proto == IPPROTO_TCP)
		f->bytes[l4 + 12] = 0x50;
	else if (key->nw_proto == IPPROTO_UDP)
		frame_store16(f, l4 + 4, (uint16_t)(end - l4));
	else if (key->nw_proto ==
		 IPPROTO_ICMP) /* RFC 1624 does not say what it is of nothing but 0 */
		frame_store16(f, l4 + 4, 77);
	if (nd) {
		f->bytes[l4] = (uint8_t)key->tp_src;
		f->bytes[l4 + 24] = key->nd_options_type;
		f->bytes[l4 + 25] = 1;
	}
	return end;
}

/* A small IPv4 packet, behind labels. */
static uint32_t build_inner(struct frame *f, uint32_t at, unsigned payload)
{
	const struct flow_key inner = {
		.eth_type = ETH_P_IP,
		.nw_proto = IPPROTO_UDP,
		.nw_ttl = (uint8_t)(payload + 1),
		.nw_src = 0x0a000001 + payload % 3,
		.nw_dst = 0x0a000002,
		.tp_src = 10,
		.tp_dst = (uint16_t)(payload % 4),
	};
	struct frame whole;

	frame_build(&whole, &inner, payload);
	memcpy(f->bytes + at, whole.bytes + 14, whole.len - 14);
	return at + whole.len - 14;
}

void frame_build(struct frame *f, const struct flow_key *key, unsigned payload)
{
	uint32_t at = 12;
	struct parts p;

	memset(f, 0, sizeof(*f));
	for (unsigned i = 0; i < 2 && key->vlan[i].tpid; i++, at += 4)
		frame_store16(f, at, key->vlan[i].tpid);
	frame_store16(f, at, key->eth_type);
	at += 2;
	if (is_mpls(key->eth_type)) {
		unsigned n = 0;

		do
			frame_store32(f, at + 4 * n, key->mpls_lse[n]);
		while (!(key->mpls_lse[n] & LSE_BOTTOM) && ++n < 3);
		at = build_inner(f, at + 4 * (n + 1), payload);
	} else if (key->eth_type == ETH_P_ARP || key->eth_type == ETH_P_RARP) {
		frame_store16(f, at, 1);
		frame_store16(f, at + 2, ETH_P_IP);
		frame_store16(f, at + 4, 0x0604);
		at += 28;
	} else if (key->eth_type == ETH_P_IP || key->eth_type == ETH_P_IPV6) {
		at = build_ip(f, at, key, payload);
	} else {
		at += 46 + payload;
	}
	f->len = at;
	for (uint32_t i = at - payload; i < at && key->eth_type != ETH_P_ARP &&
					key->eth_type != ETH_P_RARP && !is_mpls(key->eth_type);
	     i++)
		f->bytes[i] = (uint8_t)(i * 7);
	split(f, &p);
	write_l2(f, &p, key);
	write_l3(f, &p, key);
	write_l4(f, &p, key);
	put_checksums(f, &p, 0xffff);
}

void frame_key(const struct frame *f, uint32_t in_port, struct flow_key *key)
{
	struct iovec rest;
	struct pkt pkt;

	pkt_init_single(&pkt, &rest, f->bytes, f->len);
	flow_key_extract(key, &pkt, in_port);
}
