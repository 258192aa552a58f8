// SPDX-License-Identifier: Apache-2.0
/* Matches on the wire: OXM (OpenFlow 1.5.1, 7.2.3) and Nicira's NXM, which are written alike. */
#include <errno.h>

#include "base/bytes.h"
#include "flow/match.h"

#define HEADER_LEN 4
#define HASMASK 0x100u
#define EXPERIMENTER 0xffffu /* class */

#define XREGS_SINCE 6 /* OpenFlow version that has registers in pairs */

/* Fields that were extensions of the Open Networking Foundation before they were numbered. */
#define ONF 0x4f4e4600u
#define ONF_LEN 4
#define ONF_SINCE 6 /* OpenFlow version that has them itself */

static const struct {
	enum field_id id;
	uint32_t header; /* with the bytes of the value, as in other headers */
} extensions[] = {
	{ FIELD_tcp_flags, EXPERIMENTER << 16 | 42u << 9 | 2 },
	{ FIELD_actset_output, EXPERIMENTER << 16 | 43u << 9 | 4 },
};

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

static u128 ones(unsigned bytes)
{
	return bytes == 16 ? ~(u128)0 : ((u128)1 << 8 * bytes) - 1;
}

/* A term of a match: what is on the wire, and back. */
struct term {
	const struct field *field; /* NULL: one that is not known */
	unsigned len;		   /* bytes of the value */
	bool masked;
	u128 value, mask;
};

/* Its place in the key: the bit that says that there is a tag is in OXM's VLAN, too. */
static const struct field *place_of(const struct field *field)
{
	return field->id == FIELD_vlan_vid ? &fields[FIELD_vlan_tci] : field;
}

/* Bits that it may have. */
static u128 bits_of(const struct field *field)
{
	if (field->id == FIELD_vlan_vid)
		return 0x1fff;
	return field->id == FIELD_nw_tos ? 0xfc : field_ones(field);
}

static enum of_error bad(enum of_error e, struct error *err, const struct field *field,
			 const char *what)
{
	error_set(err, -EINVAL, "%s: %s", field->name, what);
	return e;
}

/* The value as the key has it. */
static bool take_value(struct term *t)
{
	if (t->field->id == FIELD_in_port && t->value >= 0xff00)
		t->value |= 0xffff0000u;
	if (t->field->format == FORMAT_PORT)
		return field_is_port(t->value);
	return !(t->value & ~bits_of(t->field)) &&
	       (t->field->id != FIELD_packet_type || t->value == 0);
}

static enum of_error set_term(struct match *match, struct term *t, struct error *err)
{
	const struct field *field = t->field, *place = place_of(field);

	if (t->value & ~t->mask)
		return bad(OFERR_MATCH_BAD_WILDCARDS, err, field,
			   "bits of the value are not in the mask");
	if (t->masked && !field->maskable && t->mask && t->mask != ones(t->len))
		return bad(OFERR_MATCH_BAD_MASK, err, field, "it cannot be matched with a mask");
	if (!take_value(t))
		return bad(OFERR_MATCH_BAD_VALUE, err, field, "there is no such value");
	if (!field_ensured(field->prereq, &match->key, &match->mask)) {
		error_set(err, -EINVAL, "%s can be matched only behind %s", field->name,
			  field_prereq_words(field->prereq));
		return OFERR_MATCH_BAD_PREREQ;
	}
	if (field_get(place, &match->mask) & bits_of(field))
		return bad(OFERR_MATCH_DUP_FIELD, err, field, "it is there twice");
	if (!t->mask)
		return OFERR_NONE;
	t->mask = field->maskable ? t->mask & bits_of(field) : bits_of(field);
	field_set(place, &match->mask, t->mask, t->mask);
	field_set(place, &match->key, t->value, t->mask);
	return OFERR_NONE;
}

/* @header: as if it were not an experimenter's. */
static const struct field *find_extension(uint32_t header, bool masked)
{
	for (unsigned i = 0; i < ARRAY_SIZE(extensions); i++) {
		uint32_t h = extensions[i].header;

		if (header == (masked ? h + (h & 0xff) + HASMASK : h))
			return &fields[extensions[i].id];
	}
	return NULL;
}

/* Reads the term at the front. The bytes that it takes; 0: it is cut off. */
static size_t read_term(const uint8_t *bytes, size_t len, struct term *t)
{
	const uint8_t *value = bytes + HEADER_LEN;
	uint32_t header;
	unsigned n;

	if (len < HEADER_LEN || len - HEADER_LEN < bytes[3])
		return 0;
	header = be32_load(bytes);
	n = header & 0xff;
	t->masked = header & HASMASK;
	if (header >> 16 == EXPERIMENTER) {
		bool onf = n >= ONF_LEN && be32_load(value) == ONF;

		t->field = onf ? find_extension(header - ONF_LEN, t->masked) : NULL;
		value += ONF_LEN;
		n -= ONF_LEN;
	} else {
		t->field = field_by_header(header);
	}
	if (!t->field)
		return HEADER_LEN + bytes[3];
	t->len = t->masked ? n / 2 : n;
	t->value = load(value, t->len);
	t->mask = t->masked ? load(value + t->len, t->len) : ones(t->len);
	return HEADER_LEN + bytes[3];
}

enum of_error match_decode(struct match *match, const uint8_t *bytes, size_t len, bool loose,
			   struct error *err)
{
	const struct field *tci = &fields[FIELD_vlan_tci];

	match_init(match);
	while (len) {
		struct term t = { 0 };
		size_t n = read_term(bytes, len, &t);
		enum of_error e;

		if (!n) {
			error_set(err, -EINVAL, "a match that is cut off");
			return OFERR_MATCH_BAD_LEN;
		}
		if (t.field) {
			e = set_term(match, &t, err);
			if (e != OFERR_NONE)
				return e;
		} else if (!loose) {
			error_set(err, -EINVAL, "field 0x%08x is not known", be32_load(bytes));
			return OFERR_MATCH_BAD_FIELD;
		}
		bytes += n;
		len -= n;
	}
	match_set(match, tci, field_get(tci, &match->key), field_get(tci, &match->mask));
	/* later terms may deny what earlier ones need: a fragment without ports, another code */
	return match_check(match, err);
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

static void put_number(struct out *o, u128 v, unsigned len)
{
	uint8_t bytes[16];

	store(bytes, len, v);
	put(o, bytes, len);
}

/* A term: @header has no mask, and the length without one. */
static void put_term(struct out *o, uint32_t header, bool masked, u128 value, u128 mask)
{
	unsigned len = header & 0xff;
	bool onf = header >> 16 == EXPERIMENTER;

	if (masked)
		header += HASMASK + len;
	put_number(o, onf ? header + ONF_LEN : header, HEADER_LEN);
	if (onf)
		put_number(o, ONF, ONF_LEN);
	put_number(o, value, len);
	if (masked)
		put_number(o, mask, len);
}

static void put_vlan(struct out *o, const struct match *match, uint8_t version)
{
	uint16_t mask = match->mask.vlan[0].tci, tci = match->key.vlan[0].tci;
	uint16_t vid = mask & 0x1fff, pcp = mask & 0xe000;
	bool none = mask == UINT16_MAX && !tci;

	if (!mask)
		return;
	/* OXM has VLAN and priority apart, and the priority only of a tag, and without a mask */
	if (version < 3 || (pcp && !none && (pcp != 0xe000 || !(tci & FLOW_VLAN_PRESENT)))) {
		put_term(o, fields[FIELD_vlan_tci].nxm, mask != UINT16_MAX, tci, mask);
		return;
	}
	put_term(o, fields[FIELD_vlan_vid].oxm, vid != 0x1fff, tci & 0x1fff, vid);
	if (pcp && !none)
		put_term(o, fields[FIELD_vlan_pcp].oxm, false, tci >> 13, 7);
}

/* DSCP and ECN: one byte here, two fields there. */
static void put_tos(struct out *o, const struct match *match, uint8_t version)
{
	uint8_t dscp = match->mask.nw_tos & 0xfc, ecn = match->mask.nw_tos & 3;
	uint8_t tos = match->key.nw_tos;

	if (dscp && version < 3)
		put_term(o, fields[FIELD_nw_tos].nxm, dscp != 0xfc, tos & 0xfc, dscp);
	else if (dscp)
		put_term(o, fields[FIELD_ip_dscp].oxm, dscp != 0xfc, tos >> 2, dscp >> 2);
	if (ecn)
		put_term(o, field_header(&fields[FIELD_nw_ecn], version), ecn != 3, tos & 3, ecn);
}

static void put_port(struct out *o, const struct match *match, uint8_t version)
{
	uint32_t port = match->key.in_port;

	if (!match->mask.in_port)
		return;
	if (version >= 3)
		put_term(o, fields[FIELD_in_port_oxm].oxm, false, port, UINT32_MAX);
	else
		put_term(o, fields[FIELD_in_port].nxm, false, port & 0xffff, UINT16_MAX);
}

/* Fields that put_port() and so on write, or others that share their containers. Registers go in
 * pairs where these have a number of OpenFlow's own. */
static bool is_written_elsewhere(const struct field *field, uint8_t version)
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
		if (field->id >= FIELD_reg0 && field->id <= FIELD_reg15)
			return version >= XREGS_SINCE;
		if (field->id >= FIELD_xreg0 && field->id <= FIELD_xreg7)
			return version < XREGS_SINCE;
		return field->id >= FIELD_xxreg0 && field->id <= FIELD_xxreg3;
	}
}

static uint32_t header_for(const struct field *field, uint8_t version)
{
	if (version < ONF_SINCE && (version >= 3 || !field->nxm))
		for (unsigned i = 0; i < ARRAY_SIZE(extensions); i++)
			if (extensions[i].id == field->id)
				return extensions[i].header;
	return field_header(field, version);
}

static void put_field(struct out *o, const struct field *field, const struct match *match,
		      uint8_t version)
{
	u128 mask;
	uint32_t header;
	/* not all of their bits are known, so that a value without a mask would say more */
	bool flags = field->format == FORMAT_CT_STATE || field->format == FORMAT_TUN_FLAGS;

	if (!field_is_in(field, &match->mask) || is_written_elsewhere(field, version) ||
	    !field_ensured(field->prereq, &match->key, &match->mask))
		return;
	mask = field_get(field, &match->mask);
	header = header_for(field, version);
	if (!header)
		return;
	put_term(o, header, flags || mask != field_ones(field), field_get(field, &match->key),
		 mask);
}

/* Prerequisites, which go in front of what needs them. */
static const uint8_t first[] = { FIELD_eth_type, FIELD_nw_proto, FIELD_icmpv6_type };

static bool goes_first(unsigned id)
{
	for (unsigned i = 0; i < ARRAY_SIZE(first); i++)
		if (first[i] == id)
			return true;
	return false;
}

size_t match_encode(const struct match *match, uint8_t version, uint8_t *bytes, size_t size)
{
	struct out o = { bytes, size, 0 };

	put_port(&o, match, version);
	put_vlan(&o, match, version);
	for (unsigned i = 0; i < ARRAY_SIZE(first); i++)
		put_field(&o, &fields[first[i]], match, version);
	put_tos(&o, match, version);
	for (unsigned i = 0; i < FIELD_N; i++)
		if (!goes_first(i))
			put_field(&o, &fields[i], match, version);
	return o.len;
}
