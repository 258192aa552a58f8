/* SPDX-License-Identifier: Apache-2.0 */
/* Frames of all kinds whose headers are known, and a naive reading of their checksums. What kind is
 * told by choices: of a random generator in tests, of the input in fuzzers.
 */
#pragma once

#include <netinet/in.h>

#include "base/bytes.h"
#include "flow/key.h"
#include "packet/crc32c.h"
#include "packet/pkt.h"

#define MADE_MAX 400

struct made_choices {
	void *arg;
	unsigned (*choose)(void *arg, unsigned n); /* 0 to n - 1; n <= 256 */
};

enum made_kind { MADE_IPV4, MADE_IPV6, MADE_ARP, MADE_MPLS, MADE_OTHER, MADE_KINDS };

struct made {
	uint8_t bytes[MADE_MAX];
	uint32_t len;
	enum made_kind kind;
	unsigned n_tags, n_labels;
	uint32_t network, transport;
	uint32_t end; /* of the IP packet */
	uint8_t proto;
	bool fragment, later;
	bool routed; /* the destination that counts is another than that in the IPv6 header: */
	uint8_t final[16];
	bool nd;
	uint32_t sll, tll; /* 0: no such option */
	bool no_checksum;  /* UDP without */
	struct virtio_net_hdr offload;
};

static inline unsigned made_choose(const struct made_choices *c, unsigned n)
{
	return c->choose(c->arg, n);
}

static inline uint8_t *made_add(struct made *m, size_t len)
{
	uint8_t *at = m->bytes + m->len;

	assert(m->len + len <= MADE_MAX);
	memset(at, 0, len);
	m->len += (uint32_t)len;
	return at;
}

static inline uint8_t *made_add_any(struct made *m, const struct made_choices *c, size_t len)
{
	uint8_t *at = made_add(m, len);

	for (size_t i = 0; i < len; i++)
		at[i] = (uint8_t)made_choose(c, 256);
	return at;
}

/* ---- checksums, naively */

static inline uint32_t made_sum(uint32_t sum, const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* Where the internet checksum of the transport header is; 0: it has none. */
static inline uint32_t made_field(const struct made *m)
{
	if (!m->transport || m->later)
		return 0;
	switch (m->proto) {
	case IPPROTO_TCP:
		return m->transport + 16;
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
		return m->transport + 6;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return m->transport + 2;
	default:
		return 0;
	}
}

static inline uint32_t made_pseudo(const struct made *m, const uint8_t *frame)
{
	const uint8_t *ip = frame + m->network;
	uint32_t sum = m->proto + (m->end - m->transport);

	if (m->proto == IPPROTO_ICMP)
		return 0;
	if (m->kind == MADE_IPV4)
		return made_sum(sum, ip + 12, 8);
	sum = made_sum(sum, ip + 8, 16);
	return made_sum(sum, m->routed ? m->final : ip + 24, 16);
}

/* Whether all checksums of @frame, which has the headers of @m, are right (or as a request for one
 * wants them). A fragment is made as if it were all. */
static inline bool made_is_right(const struct made *m, const uint8_t *frame)
{
	const uint8_t *transport = frame + m->transport;
	uint32_t field = made_field(m);

	if (m->kind == MADE_IPV4 &&
	    made_sum(0, frame + m->network, (frame[m->network] & 0xfu) * 4) != 0xffff)
		return false;
	if (m->transport && !m->later && m->proto == IPPROTO_SCTP) {
		uint8_t copy[MADE_MAX];
		uint32_t crc;

		if (m->fragment) /* it covers what is not here */
			return true;
		memcpy(&crc, transport + 8, 4);
		memcpy(copy, transport, m->end - m->transport);
		memset(copy + 8, 0, 4);
		return crc == crc32c(copy, m->end - m->transport);
	}
	if (!field)
		return true;
	if (m->offload.flags)
		return made_sum(0, frame + field, 2) % 0xffff == made_pseudo(m, frame) % 0xffff;
	if (m->no_checksum)
		return !be16_load(frame + field);
	if (m->proto == IPPROTO_UDP && !be16_load(frame + field))
		return false;
	return made_sum(made_pseudo(m, frame), transport, m->end - m->transport) == 0xffff;
}

/* ---- making */

static inline void made_ethernet(struct made *m, const struct made_choices *c)
{
	static const uint16_t types[] = { ETH_P_IP, ETH_P_IPV6, ETH_P_ARP, ETH_P_MPLS_UC, 0x88cc };

	made_add_any(m, c, 2 * ETH_ALEN);
	m->n_tags = made_choose(c, 3);
	for (unsigned i = 0; i < m->n_tags; i++) {
		be16_store(made_add(m, 2), made_choose(c, 2) ? ETH_P_8021Q : ETH_P_8021AD);
		made_add_any(m, c, 2);
	}
	if (made_choose(c, 8) == 0) { /* 802.3 and SNAP */
		be16_store(made_add(m, 2), 100);
		memcpy(made_add(m, 6), "\xaa\xaa\x03\0\0", 6);
	}
	be16_store(made_add(m, 2), types[m->kind]);
	m->network = m->len;
}

static inline void made_arp(struct made *m, const struct made_choices *c)
{
	uint8_t *arp = made_add_any(m, c, 28);

	memcpy(arp, "\0\1\x08\0\6\4\0\1", 8);
}

static inline void made_mpls(struct made *m, const struct made_choices *c)
{
	m->n_labels = 1 + made_choose(c, 3);
	for (unsigned i = 0; i < m->n_labels; i++) {
		uint8_t *lse = made_add_any(m, c, 4);

		lse[2] = (uint8_t)((lse[2] & 0xfe) | (i + 1 == m->n_labels));
		lse[3] |= 1; /* never 0 as a whole */
	}
	made_add_any(m, c, 20);
}

static inline void made_nd(struct made *m, const struct made_choices *c, uint8_t *icmp)
{
	m->nd = true;
	icmp[0] = (uint8_t)(135 + made_choose(c, 2));
	icmp[1] = 0;
	made_add_any(m, c, 16);
	for (unsigned type = 1; type <= 2; type++) {
		uint8_t *option;

		if (!made_choose(c, 2))
			continue;
		option = made_add_any(m, c, 8);
		option[0] = (uint8_t)type;
		option[1] = 1;
		option[2] |= 2; /* an address that is not 0 */
		*(type == 1 ? &m->sll : &m->tll) = (uint32_t)(option + 2 - m->bytes);
	}
}

static inline void made_transport(struct made *m, const struct made_choices *c)
{
	uint8_t *l4;

	m->transport = m->len;
	switch (m->proto) {
	case IPPROTO_TCP:
		l4 = made_add_any(m, c, 20);
		l4[12] = (uint8_t)(0x50 | (l4[12] & 0xf));
		break;
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
		made_add_any(m, c, 8);
		m->no_checksum = m->proto == IPPROTO_UDP && !made_choose(c, 8);
		break;
	case IPPROTO_SCTP:
		made_add_any(m, c, 12);
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		l4 = made_add_any(m, c, 8);
		l4[0] = 128; /* echo request; or anything that is no neighbour discovery */
		if (m->proto == IPPROTO_ICMPV6 && !m->fragment && made_choose(c, 2))
			made_nd(m, c, l4);
		break;
	default:
		made_add_any(m, c, 8);
		break;
	}
}

static inline void made_payload(struct made *m, const struct made_choices *c)
{
	unsigned len = made_choose(c, 4) ? made_choose(c, 40) : made_choose(c, 160);
	unsigned seed = made_choose(c, 256);
	uint8_t *p;

	if (m->nd)
		len = 0;
	p = made_add(m, len);
	for (unsigned i = 0; i < len; i++)
		p[i] = (uint8_t)(seed * (i + 1));
	m->end = m->len;
	if (m->len < 60)
		made_add(m, made_choose(c, 2) ? 60 - m->len : 0); /* padding */
}

/* Neither the transport header's checksum field nor what it asks for is there yet. */
static inline void made_checksums(struct made *m, const struct made_choices *c)
{
	uint32_t field = made_field(m), crc;
	uint16_t sum;

	if (m->kind == MADE_IPV4) {
		uint8_t *ip = m->bytes + m->network;

		be16_store(ip + 10, 0);
		be16_store(ip + 10, (uint16_t)~made_sum(0, ip, (ip[0] & 0xfu) * 4));
	}
	if (m->transport && !m->later && m->proto == IPPROTO_SCTP) {
		memset(m->bytes + m->transport + 8, 0, 4);
		crc = crc32c(m->bytes + m->transport, m->end - m->transport);
		memcpy(m->bytes + m->transport + 8, &crc, 4);
	}
	if (!field)
		return;
	be16_store(m->bytes + field, 0);
	if (m->no_checksum)
		return;
	sum = (uint16_t)made_pseudo(m, m->bytes);
	if (!m->fragment && made_choose(c, 2)) {
		m->offload.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		m->offload.csum_start = (uint16_t)m->transport;
		m->offload.csum_offset = (uint16_t)(field - m->transport);
		be16_store(m->bytes + field, sum);
		return;
	}
	sum = (uint16_t)~made_sum(sum, m->bytes + m->transport, m->end - m->transport);
	be16_store(m->bytes + field, !sum && m->proto == IPPROTO_UDP ? 0xffff : sum);
}

static inline void made_ipv4(struct made *m, const struct made_choices *c)
{
	static const uint8_t protos[] = { IPPROTO_TCP,	IPPROTO_UDP,	 IPPROTO_ICMP,
					  IPPROTO_SCTP, IPPROTO_UDPLITE, 47 };
	unsigned options = made_choose(c, 4) ? 0 : made_choose(c, 5);
	uint8_t *ip = made_add_any(m, c, 20 + 4 * options);

	ip[0] = (uint8_t)(0x45 + options);
	m->fragment = !made_choose(c, 6);
	m->later = m->fragment && made_choose(c, 2);
	be16_store(ip + 6, (uint16_t)(!m->fragment ? 0x4000 : m->later ? 0x2010 : 0x2000));
	m->proto = ip[9] = protos[made_choose(c, ARRAY_SIZE(protos))];
	made_transport(m, c);
	made_payload(m, c);
	be16_store(ip + 2, (uint16_t)(m->end - m->network));
	made_checksums(m, c);
}

/* Returns where its next header is to be written. */
static inline uint8_t *made_extension(struct made *m, const struct made_choices *c, uint8_t *next)
{
	static const uint8_t kinds[] = { IPPROTO_HOPOPTS, IPPROTO_ROUTING, IPPROTO_DSTOPTS,
					 IPPROTO_FRAGMENT };
	uint8_t kind = kinds[made_choose(c, ARRAY_SIZE(kinds))], *h = made_add(m, 8);

	*next = kind;
	if (kind == IPPROTO_FRAGMENT) {
		m->fragment = m->fragment || made_choose(c, 2);
		h[3] = m->fragment;
	}
	if (kind == IPPROTO_ROUTING && !m->routed && made_choose(c, 2)) {
		m->routed = true;
		h[1] = 2;
		h[2] = 4;
		h[3] = 1;
		memcpy(m->final, made_add_any(m, c, 16), 16);
	}
	return h;
}

static inline void made_ipv6(struct made *m, const struct made_choices *c)
{
	static const uint8_t protos[] = { IPPROTO_TCP,	IPPROTO_UDP,	 IPPROTO_ICMPV6,
					  IPPROTO_SCTP, IPPROTO_UDPLITE, 47 };
	uint8_t *ip = made_add_any(m, c, 40), *next = ip + 6;

	ip[0] = (uint8_t)(0x60 | (ip[0] & 0xf));
	if (!made_choose(c, 3))
		next = made_extension(m, c, next);
	m->proto = *next = protos[made_choose(c, ARRAY_SIZE(protos))];
	made_transport(m, c);
	made_payload(m, c);
	be16_store(ip + 4, (uint16_t)(m->end - m->network - 40));
	made_checksums(m, c);
}

/* A frame that is right. The transport header is within PKT_HEAD_MAX. */
static inline void made_frame(struct made *m, const struct made_choices *c)
{
	memset(m, 0, sizeof(*m));
	m->kind = (enum made_kind)made_choose(c, MADE_KINDS);
	made_ethernet(m, c);
	switch (m->kind) {
	case MADE_IPV4:
		made_ipv4(m, c);
		break;
	case MADE_IPV6:
		made_ipv6(m, c);
		break;
	case MADE_ARP:
		made_arp(m, c);
		break;
	case MADE_MPLS:
		made_mpls(m, c);
		break;
	default:
		made_add_any(m, c, 20);
		break;
	}
}

/* ---- what can be rewritten of it such that no header becomes another */

static inline void made_writable_transport(const struct made *m, struct flow_key *mask)
{
	if (!m->transport || m->later)
		return;
	switch (m->proto) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_SCTP:
		mask->tp_src = mask->tp_dst = 0xffff;
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		mask->tp_src = m->nd ? 0 : 0x63; /* 128 does not become 135 */
		mask->tp_dst = m->nd ? 0 : 0xff;
		break;
	default:
		break;
	}
	if (!m->nd)
		return;
	mask->nd_reserved = ~0u;
	mask->nd_target = ~(u128)0;
	if (m->sll && m->sll + ETH_ALEN <= PKT_HEAD_MAX)
		mask->arp_sha = 0xffffffffffffull;
	if (m->tll && m->tll + ETH_ALEN <= PKT_HEAD_MAX)
		mask->arp_tha = 0xffffffffffffull;
}

static inline void made_writable(const struct made *m, struct flow_key *mask)
{
	memset(mask, 0, sizeof(*mask));
	mask->eth_dst = mask->eth_src = 0xffffffffffffull;
	for (unsigned i = 0; i < m->n_tags; i++)
		mask->vlan[i].tci = 0xefff;
	for (unsigned i = 0; i < m->n_labels; i++)
		mask->mpls_lse[i] = 0xfffffeff;
	if (m->kind == MADE_ARP) {
		mask->arp_op = 0xff;
		mask->nw_src = mask->nw_dst = ~0u;
		mask->arp_sha = mask->arp_tha = 0xffffffffffffull;
	}
	if (m->kind != MADE_IPV4 && m->kind != MADE_IPV6)
		return;
	mask->nw_tos = mask->nw_ttl = 0xff;
	if (m->kind == MADE_IPV4) {
		mask->nw_src = mask->nw_dst = ~0u;
	} else {
		mask->ipv6_src = mask->ipv6_dst = ~(u128)0;
		mask->ipv6_label = 0xfffff;
	}
	made_writable_transport(m, mask);
}
