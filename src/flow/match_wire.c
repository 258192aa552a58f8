// SPDX-License-Identifier: Apache-2.0
/* Matches on the wire: OXM (OpenFlow 1.5.1, 7.2.3) and Nicira's NXM, which are written alike. */
#include <errno.h>

#include "base/bytes.h"
#include "flow/match.h"

#define HEADER_LEN 4
#define HASMASK 0x100u
#define EXPERIMENTER 0xffffu /* class */

/* tcp_flags before OpenFlow 1.5: an extension of the Open Networking Foundation */
#define ONF 0x4f4e4600u
#define ONF_TCP_FLAGS (0xffffu << 16 | 42u << 9)

static u128 load(const uint8_t *bytes, unsigned n)
{
	u128 v = 0;

	while (n--)
		v = v << 8 | *bytes++;
	return v;
}

static void store(uint8_t *bytes, unsigned n, u128 v)
{
	while (n--) {
		bytes[n] = (uint8_t)v;
		v >>= 8;
	}
}

/* A value as it is on the wire to what the key has, and which bits of it; and back. Only some
 * fields differ: ports of 16 bits, and the bit that says that there is a tag.
 */
static bool from_wire(const struct field *field, unsigned len, u128 *value, u128 *mask)
{
	if (field->id == FIELD_in_port && len == 2) {
		if (*value >= 0xff00)
			*value |= 0xffff0000u;
		*mask = UINT32_MAX;
		return true;
	}
	if (field->id == FIELD_vlan_vid)
		return !(*value & ~(u128)0x1fff);
	return !(*value & ~field_ones(field));
}

static const struct field *container_of_vid(const struct field *field)
{
	return field->id == FIELD_vlan_vid ? &fields[FIELD_vlan_tci] : field;
}

static enum of_error bad(enum of_error e, struct error *err, const char *what,
			 const struct field *field)
{
	error_set(err, -EINVAL, "%s: %s", field->name, what);
	return e;
}

/* What one term says of the match. */
static enum of_error set_term(struct match *match, const struct field *field, u128 value, u128 mask,
			      bool masked, unsigned len, struct error *err)
{
	const struct field *to = container_of_vid(field);
	u128 all = field->id == FIELD_vlan_vid ? 0x1fff : field_ones(field);
	u128 wire_ones = len == 16 ? ~(u128)0 : ((u128)1 << 8 * len) - 1;

	if (value & ~mask)
		return bad(OFERR_MATCH_BAD_WILDCARDS, err, "bits of the value are not in the mask",
			   field);
	if (masked && field->id == FIELD_in_port && mask != UINT16_MAX)
		return bad(OFERR_MATCH_BAD_MASK, err, "cannot be matched with a mask", field);
	if (!from_wire(field, len, &value, &mask))
		return bad(OFERR_MATCH_BAD_VALUE, err, "the value has too many bits", field);
	if (masked && mask & ~all & wire_ones && (mask & wire_ones) != wire_ones)
		return bad(OFERR_MATCH_BAD_MASK, err, "the mask has too many bits", field);
	mask &= all;
	if (masked && !field->maskable && mask != all && mask)
		return bad(OFERR_MATCH_BAD_MASK, err, "cannot be matched with a mask", field);
	if (field->id == FIELD_nw_tos) {
		if (value & 3)
			return bad(OFERR_MATCH_BAD_VALUE, err, "the lower two bits are ECN", field);
		mask &= 0xfc;
	}
	if (field->id == FIELD_packet_type && value)
		return bad(OFERR_MATCH_BAD_VALUE, err, "all packets are Ethernet", field);
	if (field->prereq == PREREQ_VLAN) { /* OXM's priority needs the tag */
		field_set(&fields[FIELD_vlan_tci], &match->mask, FLOW_VLAN_PRESENT,
			  FLOW_VLAN_PRESENT);
		field_set(&fields[FIELD_vlan_tci], &match->key, FLOW_VLAN_PRESENT,
			  FLOW_VLAN_PRESENT);
	}
	if (field_get(to, &match->mask) & mask)
		return bad(OFERR_MATCH_DUP_FIELD, err, "is there twice", field);
	field_set(to, &match->mask, mask, mask);
	field_set(to, &match->key, value, mask);
	return OFERR_NONE;
}

/* "No tag" of OXM is a match on the whole of it. */
static void mend_vlan(struct match *match)
{
	if ((match->mask.vlan[0].tci & 0x1fff) == 0x1fff && !(match->key.vlan[0].tci & 0x1fff))
		match->mask.vlan[0].tci = UINT16_MAX;
}

enum of_error match_decode(struct match *match, const uint8_t *bytes, size_t len, bool loose,
			   struct error *err)
{
	match_init(match);
	while (len) {
		const struct field *field;
		const uint8_t *at = bytes;
		uint32_t header;
		unsigned n, skip = HEADER_LEN;
		bool masked;
		enum of_error e;

		if (len < HEADER_LEN || len - HEADER_LEN < bytes[3])
			goto cut;
		header = be32_load(bytes);
		masked = header & HASMASK;
		n = header & 0xff;
		at += HEADER_LEN;
		if (header >> 16 == EXPERIMENTER && n >= 4) {
			bool flags = be32_load(at) == ONF && (header & ~0x1ffu) == ONF_TCP_FLAGS;

			at += 4;
			n -= 4;
			field = flags && n == (masked ? 4u : 2u) ? &fields[FIELD_tcp_flags] : NULL;
		} else {
			field = field_by_header(header);
		}
		skip += header & 0xff;
		if (field) {
			unsigned half = masked ? n / 2 : n;
			u128 mask = masked	 ? load(at + half, half)
				    : half == 16 ? ~(u128)0
						 : ((u128)1 << 8 * half) - 1;

			e = set_term(match, field, load(at, half), mask, masked, half, err);
			if (e != OFERR_NONE)
				return e;
		} else if (!loose) {
			error_set(err, -EINVAL, "field 0x%08x is not known", header);
			return OFERR_MATCH_BAD_FIELD;
		}
		bytes += skip;
		len -= skip;
	}
	mend_vlan(match);
	return match_check(match, err);
cut:
	error_set(err, -EINVAL, "a match that is cut off");
	return OFERR_MATCH_BAD_LEN;
}

struct out {
	uint8_t *bytes;
	size_t size, len;
};

static void put(struct out *o, const void *bytes, size_t n)
{
	if (o->len + n <= o->size)
		memcpy(o->bytes + o->len, bytes, n);
	o->len += n;
}

/* A term with its header; @len: bytes of the value on the wire. */
static void put_term(struct out *o, uint32_t header, const uint8_t *experimenter, u128 value,
		     u128 mask, u128 all, unsigned len)
{
	bool masked = mask != all;
	uint8_t bytes[HEADER_LEN + 16];

	if (masked)
		header |= HASMASK;
	store(bytes, HEADER_LEN,
	      (header & ~0xffu) | ((masked ? 2 * len : len) + (experimenter ? 4 : 0)));
	put(o, bytes, HEADER_LEN);
	if (experimenter)
		put(o, experimenter, 4);
	store(bytes, len, value);
	put(o, bytes, len);
	if (!masked)
		return;
	store(bytes, len, mask);
	put(o, bytes, len);
}

static void put_vlan(struct out *o, const struct match *match, uint8_t version)
{
	uint16_t mask = match->mask.vlan[0].tci, tci = match->key.vlan[0].tci;

	if (!mask)
		return;
	/* OXM has VLAN and priority apart, and cannot mask the priority */
	if (version < 3 || ((mask & 0xe000) != 0xe000 && mask & 0xe000) ||
	    (mask & 0xe000 && !(tci & FLOW_VLAN_PRESENT) && mask != UINT16_MAX)) {
		put_term(o, fields[FIELD_vlan_tci].nxm, NULL, tci, mask, UINT16_MAX, 2);
		return;
	}
	if (mask & 0x1fff)
		put_term(o, fields[FIELD_vlan_vid].oxm, NULL, tci & 0x1fff, mask & 0x1fff, 0x1fff,
			 2);
	if (mask & 0xe000 && tci & FLOW_VLAN_PRESENT)
		put_term(o, fields[FIELD_vlan_pcp].oxm, NULL, tci >> 13, 7, 7, 1);
}

/* DSCP and ECN: one byte here, two fields there. */
static void put_tos(struct out *o, const struct match *match, uint8_t version)
{
	uint8_t mask = match->mask.nw_tos, tos = match->key.nw_tos;

	if (mask & 0xfc && version < 3)
		put_term(o, fields[FIELD_nw_tos].nxm, NULL, tos & 0xfc, mask | 3, 0xff, 1);
	else if (mask & 0xfc)
		put_term(o, fields[FIELD_ip_dscp].oxm, NULL, tos >> 2, mask >> 2, 0x3f, 1);
	if (mask & 3)
		put_term(o, field_header(&fields[FIELD_nw_ecn], version), NULL, tos & 3, mask & 3,
			 3, 1);
}

static void put_port(struct out *o, const struct match *match, uint8_t version)
{
	uint32_t port = match->key.in_port;

	if (!match->mask.in_port)
		return;
	if (version >= 3)
		put_term(o, fields[FIELD_in_port_oxm].oxm, NULL, port, UINT32_MAX, UINT32_MAX, 4);
	else
		put_term(o, fields[FIELD_in_port].nxm, NULL, port & 0xffff, UINT16_MAX, UINT16_MAX,
			 2);
}

/* Fields that put_port() and so on write, or others that share their containers. */
static bool is_written_elsewhere(const struct field *field)
{
	switch (field->id) {
	case FIELD_in_port:
	case FIELD_in_port_oxm:
	case FIELD_vlan_tci:
	case FIELD_vlan_vid:
	case FIELD_vlan_pcp:
	case FIELD_nw_tos:
	case FIELD_ip_dscp:
	case FIELD_nw_ecn:
		return true;
	default:
		return field->id >= FIELD_xreg0 && field->id <= FIELD_xxreg3;
	}
}

static void put_field(struct out *o, const struct field *field, const struct match *match,
		      uint8_t version)
{
	static const uint8_t onf[] = { 'O', 'N', 'F', 0 };
	u128 mask = field_get(field, &match->mask), value = field_get(field, &match->key);
	uint32_t header = field_header(field, version);

	if (!mask || is_written_elsewhere(field) || !header ||
	    !field_ensured(field->prereq, &match->key, &match->mask))
		return;
	if (field->id == FIELD_tcp_flags && (version == 4 || version == 5))
		put_term(o, ONF_TCP_FLAGS, onf, value, mask, field_ones(field), 2);
	else
		put_term(o, header, NULL, value, mask, field_ones(field), header & 0xff);
}

size_t match_encode(const struct match *match, uint8_t version, uint8_t *bytes, size_t size)
{
	static const uint8_t first[] = { FIELD_eth_type, FIELD_nw_proto };
	struct out o = { bytes, size, 0 };

	put_port(&o, match, version);
	put_vlan(&o, match, version);
	/* prerequisites in front of what needs them */
	for (unsigned i = 0; i < ARRAY_SIZE(first); i++)
		put_field(&o, &fields[first[i]], match, version);
	put_tos(&o, match, version);
	for (unsigned i = 0; i < FIELD_N; i++)
		if (i != FIELD_eth_type && i != FIELD_nw_proto)
			put_field(&o, &fields[i], match, version);
	return o.len;
}
