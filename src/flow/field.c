// SPDX-License-Identifier: Apache-2.0
/* Fields of the flow key: finding them, reading and writing them, and what must be there first. */
#include <linux/if_ether.h>
#include <netinet/in.h>

#include "base/compiler.h"
#include "flow/field.h"

#define ICMPV6_SOLICIT 135
#define ICMPV6_ADVERT 136

#define CT_NEW 0x01u
#define CT_EST 0x02u
#define CT_REL 0x04u
#define CT_RPL 0x08u
#define CT_INV 0x10u
#define CT_TRK 0x20u
#define CT_SNAT 0x40u
#define CT_DNAT 0x80u

#define HEADER_LEN 0xffu
#define HEADER_HASMASK 0x100u

u128 field_ones(const struct field *field)
{
	return field->n_bits == 128 ? ~(u128)0 : ((u128)1 << field->n_bits) - 1;
}

/* Containers are numbers as this machine has them, little-endian: one of up to 8 bytes is part of
 * a word, and this is where the field's lowest bit is in it. */
static unsigned shift_in_word(const struct field *field)
{
	return field->offset % 8u * 8 + field->shift;
}

static uint64_t word_ones(const struct field *field)
{
	return field->n_bits >= 64 ? UINT64_MAX : (1ull << field->n_bits) - 1;
}

u128 field_get(const struct field *field, const struct flow_key *key)
{
	u128 v;

	if (likely(field->size <= 8))
		return key->words[field->offset / 8] >> shift_in_word(field) & word_ones(field);
	memcpy(&v, (const uint8_t *)key + field->offset, sizeof(v));
	return v >> field->shift & field_ones(field);
}

bool field_is_in(const struct field *field, const struct flow_key *mask)
{
	const uint64_t *words = &mask->words[field->offset / 8];

	/* most fields are not: their words are seen before their bits */
	if (likely(!words[0] && (field->size <= 8 || !words[1])))
		return false;
	return field_get(field, mask);
}

/* Of a field of up to 8 bytes. */
static void set_in_word(const struct field *field, struct flow_key *key, uint64_t value,
			uint64_t mask)
{
	uint64_t *word = &key->words[field->offset / 8];

	mask = (mask & word_ones(field)) << shift_in_word(field);
	*word = (*word & ~mask) | (value << shift_in_word(field) & mask);
}

void field_set(const struct field *field, struct flow_key *key, u128 value, u128 mask)
{
	uint8_t *at = (uint8_t *)key + field->offset;
	u128 v;

	if (likely(field->size <= 8)) {
		set_in_word(field, key, (uint64_t)value, (uint64_t)mask);
		return;
	}
	memcpy(&v, at, sizeof(v));
	mask = (mask & field_ones(field)) << field->shift;
	v = (v & ~mask) | (value << field->shift & mask);
	memcpy(at, &v, sizeof(v));
}

void field_examine(const struct field *field, u128 mask, struct key_bits *bits)
{
	unsigned word = field->offset / 8;

	if (likely(field->size <= 8)) {
		key_bits_add(bits, word,
			     ((uint64_t)mask & word_ones(field)) << shift_in_word(field));
		return;
	}
	mask = (mask & field_ones(field)) << field->shift;
	key_bits_add(bits, word, (uint64_t)mask);
	key_bits_add(bits, word + 1, (uint64_t)(mask >> 64));
}

bool field_is_port(u128 port)
{
	return port < 0xff00 || (port >= OFPORT_MAX && port <= UINT32_MAX);
}

uint32_t field_header(const struct field *field, uint8_t version)
{
	if (field->oxm && (version >= field->oxm_since || !field->nxm))
		return field->oxm;
	return field->nxm;
}

const struct field *field_by_header(uint32_t header)
{
	/* a mask doubles the length */
	uint32_t len = header & HEADER_HASMASK ? (header & HEADER_LEN) / 2 : header & HEADER_LEN;

	if (header & HEADER_HASMASK && header & 1)
		return NULL;
	header = (header & ~(HEADER_HASMASK | HEADER_LEN)) | len;
	for (unsigned i = 0; i < FIELD_N; i++)
		if ((fields[i].nxm == header || fields[i].oxm == header) &&
		    (fields[i].nxm || fields[i].oxm) && header & HEADER_LEN)
			return &fields[i];
	return NULL;
}

/* What is asked of a key, step by step: bits that do not count yet are not examined. */
struct question {
	const struct flow_key *key;
	struct key_bits *examined; /* or NULL */
};

#define EXAMINE(q, member, bits)                                   \
	do {                                                       \
		if ((q)->examined)                                 \
			KEY_BITS_ADD((q)->examined, member, bits); \
	} while (0)

static bool type_is(struct question *q, uint16_t a, uint16_t b)
{
	EXAMINE(q, eth_type, UINT16_MAX);
	return q->key->eth_type == a || q->key->eth_type == b;
}

static bool proto_is(struct question *q, uint8_t proto)
{
	EXAMINE(q, nw_proto, UINT8_MAX);
	if (q->key->nw_proto != proto)
		return false;
	EXAMINE(q, nw_frag, FLOW_FRAG_LATER);
	return !(q->key->nw_frag & FLOW_FRAG_LATER);
}

/* Whether it is ICMPv6 of type @a or @b, code 0. */
static bool icmpv6_is(struct question *q, uint16_t a, uint16_t b)
{
	if (!type_is(q, ETH_P_IPV6, ETH_P_IPV6) || !proto_is(q, IPPROTO_ICMPV6))
		return false;
	EXAMINE(q, tp_src, UINT8_MAX); /* all that ICMP has of it */
	if (q->key->tp_src != a && q->key->tp_src != b)
		return false;
	EXAMINE(q, tp_dst, UINT8_MAX);
	return q->key->tp_dst == 0;
}

/* Whether a packet belongs to a connection: one of these is always set then. */
static bool has_connection(struct question *q)
{
	uint32_t any = CT_NEW | CT_EST | CT_RPL;

	EXAMINE(q, ct_state, any);
	return q->key->ct_state & any;
}

/* Whether a match asks for packets of connections: for what only they have, or for those that have
 * been tracked and are not invalid. */
static bool asks_connection(const struct flow_key *key, const struct flow_key *mask)
{
	uint32_t any = CT_NEW | CT_EST | CT_REL | CT_RPL | CT_SNAT | CT_DNAT;
	uint32_t set = key->ct_state & mask->ct_state, clear = mask->ct_state & ~key->ct_state;

	return set & any || (set & CT_TRK && clear & CT_INV);
}

static bool is_met(enum field_prereq prereq, struct question *q)
{
	switch (prereq) {
	case PREREQ_NONE:
		return true;
	case PREREQ_VLAN:
		EXAMINE(q, vlan[0].tci, FLOW_VLAN_PRESENT);
		return q->key->vlan[0].tci & FLOW_VLAN_PRESENT;
	case PREREQ_IPV4:
		return type_is(q, ETH_P_IP, ETH_P_IP);
	case PREREQ_IPV6:
		return type_is(q, ETH_P_IPV6, ETH_P_IPV6);
	case PREREQ_IP:
		return type_is(q, ETH_P_IP, ETH_P_IPV6);
	case PREREQ_ARP:
		return type_is(q, ETH_P_ARP, ETH_P_RARP);
	case PREREQ_MPLS:
		return type_is(q, ETH_P_MPLS_UC, ETH_P_MPLS_MC);
	case PREREQ_TCP:
		return type_is(q, ETH_P_IP, ETH_P_IPV6) && proto_is(q, IPPROTO_TCP);
	case PREREQ_UDP:
		return type_is(q, ETH_P_IP, ETH_P_IPV6) && proto_is(q, IPPROTO_UDP);
	case PREREQ_SCTP:
		return type_is(q, ETH_P_IP, ETH_P_IPV6) && proto_is(q, IPPROTO_SCTP);
	case PREREQ_ICMPV4:
		return type_is(q, ETH_P_IP, ETH_P_IP) && proto_is(q, IPPROTO_ICMP);
	case PREREQ_ICMPV6:
		return type_is(q, ETH_P_IPV6, ETH_P_IPV6) && proto_is(q, IPPROTO_ICMPV6);
	case PREREQ_ND:
		return icmpv6_is(q, ICMPV6_SOLICIT, ICMPV6_ADVERT);
	case PREREQ_ND_SOLICIT:
		return icmpv6_is(q, ICMPV6_SOLICIT, ICMPV6_SOLICIT);
	case PREREQ_ND_ADVERT:
		return icmpv6_is(q, ICMPV6_ADVERT, ICMPV6_ADVERT);
	case PREREQ_CT:
		return has_connection(q);
	case PREREQ_CT_IPV4:
		return has_connection(q) && type_is(q, ETH_P_IP, ETH_P_IP);
	case PREREQ_CT_IPV6:
		return has_connection(q) && type_is(q, ETH_P_IPV6, ETH_P_IPV6);
	}
	return false;
}

bool field_present(const struct field *field, const struct flow_key *key, struct key_bits *examined)
{
	return is_met(field->prereq, &(struct question){ key, examined });
}

bool field_ensured(enum field_prereq prereq, const struct flow_key *key,
		   const struct flow_key *mask)
{
	/* A match on ports is one on packets that have them. Of neighbour discovery the code need
	 * not be matched, but no other one is. */
	static const struct flow_key given = { .nw_frag = UINT8_MAX, .tp_dst = UINT16_MAX };
	struct key_bits needed = { .map = 0 };

	switch (prereq) {
	case PREREQ_NONE:
		return true;
	case PREREQ_CT:
		return asks_connection(key, mask);
	case PREREQ_CT_IPV4:
		return asks_connection(key, mask) && field_ensured(PREREQ_IPV4, key, mask);
	case PREREQ_CT_IPV6:
		return asks_connection(key, mask) && field_ensured(PREREQ_IPV6, key, mask);
	default:
		break;
	}
	if (!is_met(prereq, &(struct question){ key, &needed }))
		return false;
	for (uint64_t map = needed.map; map; map &= map - 1) {
		unsigned w = (unsigned)__builtin_ctzll(map);

		if (needed.words[w] & ~mask->words[w] & ~given.words[w])
			return false;
	}
	return true;
}

const char *field_prereq_words(enum field_prereq prereq)
{
	static const char *const words[] = {
		[PREREQ_NONE] = "nothing",
		[PREREQ_VLAN] = "a VLAN",
		[PREREQ_IPV4] = "ip",
		[PREREQ_IPV6] = "ipv6",
		[PREREQ_IP] = "ip or ipv6",
		[PREREQ_ARP] = "arp or rarp",
		[PREREQ_MPLS] = "mpls or mplsm",
		[PREREQ_TCP] = "tcp or tcp6",
		[PREREQ_UDP] = "udp or udp6",
		[PREREQ_SCTP] = "sctp or sctp6",
		[PREREQ_ICMPV4] = "icmp",
		[PREREQ_ICMPV6] = "icmp6",
		[PREREQ_ND] = "icmp6,icmp_type=135 (or 136)",
		[PREREQ_ND_SOLICIT] = "icmp6,icmp_type=135",
		[PREREQ_ND_ADVERT] = "icmp6,icmp_type=136",
		[PREREQ_CT] = "ct_state=+trk-inv (or +new, +est, +rel, +rpl)",
		[PREREQ_CT_IPV4] = "ip,ct_state=+trk-inv (or +new, +est, +rel, +rpl)",
		[PREREQ_CT_IPV6] = "ipv6,ct_state=+trk-inv (or +new, +est, +rel, +rpl)",
	};

	return words[prereq];
}
