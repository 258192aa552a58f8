// SPDX-License-Identifier: Apache-2.0
/* The wire of actions that change fields and tags (OpenFlow 1.0.0, 5.2.4; 1.5.1, 7.2.6; Nicira's
 * extensions). */
#include "flow/action_private.h"

#define SET_FIELD13 25
#define COPY_FIELD15 28

enum { NX_SET_TUNNEL = 2, NX_REG_MOVE = 6, NX_REG_LOAD = 7, NX_SET_TUNNEL64 = 9 };
enum { NX_DEC_TTL = 18, NX_DEC_TTL_IDS = 21, NX_WRITE_METADATA = 22, NX_PUSH_MPLS = 23 };
enum { NX_POP_MPLS = 24, NX_SET_MPLS_TTL = 25, NX_STACK_PUSH = 27, NX_STACK_POP = 28 };
enum { NX_SET_MPLS_LABEL = 30, NX_SET_MPLS_TC = 31, NX_CHECK_PKT_LARGER = 49 };

#define HEADER_HASMASK 0x100u
#define HEADER_LEN 0xffu

/* ---- fields on the wire */

u128 action_load(const uint8_t *p, size_t n)
{
	u128 value = 0;

	while (n--)
		value = value << 8 | *p++;
	return value;
}

void action_store(uint8_t *p, size_t n, u128 value)
{
	while (n--) {
		p[n] = (uint8_t)value;
		value >>= 8;
	}
}

/* NULL, and *@error: there is no such part of a field. */
static const struct field *decode_part(const struct action_decode *d, uint32_t header,
				       unsigned first, unsigned n_bits, enum of_error *error)
{
	const struct field *field = header & HEADER_HASMASK ? NULL : field_by_header(header);

	if (!field) {
		*error = OFERR_MATCH_BAD_FIELD;
		error_set(d->err, (int)*error, "there is no field 0x%08x", header);
		return NULL;
	}
	if (n_bits && n_bits <= subfield_bits(field) && first <= subfield_bits(field) - n_bits)
		return field;
	*error = OFERR_ACT_BAD_SET_LEN;
	error_set(d->err, (int)*error, "%s has no %u bits from %u on", field->name, n_bits, first);
	return NULL;
}

static void set_subfield(struct subfield *sub, const struct field *field, unsigned first,
			 unsigned n_bits)
{
	memset(sub, 0, sizeof(*sub));
	sub->field = field;
	sub->first = (uint8_t)first;
	sub->n_bits = (uint8_t)n_bits;
}

static enum of_error read_only(const struct action_decode *d, const struct field *field)
{
	error_set(d->err, OFERR_ACT_BAD_SET_ARGUMENT, "%s is read-only", field->name);
	return OFERR_ACT_BAD_SET_ARGUMENT;
}

enum of_error action_decode_subfield(const struct action_decode *d, uint32_t header, unsigned first,
				     unsigned n_bits, struct subfield *sub)
{
	enum of_error error = OFERR_NONE;

	set_subfield(sub, decode_part(d, header, first, n_bits, &error), first, n_bits);
	return error;
}

enum of_error action_decode_to(const struct action_decode *d, uint32_t header, unsigned first,
			       unsigned n_bits, struct subfield *sub)
{
	enum of_error error = OFERR_NONE;
	const struct field *field = decode_part(d, header, first, n_bits, &error);

	set_subfield(sub, field, first, n_bits);
	return field && !field->writable ? read_only(d, field) : error;
}

uint32_t action_nx_header(const struct subfield *sub)
{
	return field_header(sub->field, OF10);
}

static enum of_error append_set(struct action_decode *d, const struct field *field, u128 value,
				u128 mask, enum set_style style)
{
	if (!action_value_valid(field, value, mask))
		return (enum of_error)error_set(d->err, OFERR_ACT_BAD_SET_ARGUMENT,
						"that is no value of %s", field->name);
	return action_append_set(d->list, field, value, mask, style) ? action_no_room(d->err)
								     : OFERR_NONE;
}

/* ---- set_field */

static unsigned header_len(uint32_t header)
{
	return header & HEADER_LEN;
}

static enum of_error bad_set(const struct action_decode *d, enum of_error error, const char *what)
{
	return (enum of_error)error_set(d->err, (int)error, "set_field: %s", what);
}

/* What actions do to VLAN numbers on the wire includes that there is a tag. */
static enum of_error take_vid(const struct action_decode *d, u128 *value, u128 *mask)
{
	if (!(*value & *mask & FLOW_VLAN_PRESENT) || *value > (FLOW_VLAN_PRESENT | 0xfff))
		return bad_set(d, OFERR_ACT_BAD_SET_ARGUMENT, "that is no value of vlan_vid");
	*value &= 0xfff;
	*mask &= 0xfff;
	return OFERR_NONE;
}

/* The header of a field, its value and (with @masks) its mask, at @p; nothing but padding follows.
 */
static enum of_error decode_entry(struct action_decode *d, const uint8_t *p, size_t len, bool masks,
				  enum set_style style)
{
	uint32_t header = be32_load(p);
	const struct field *field = field_by_header(header);
	bool masked = header & HEADER_HASMASK;
	unsigned n = header_len(header);
	enum of_error error = OFERR_NONE;
	u128 value, mask;

	if (!field)
		return bad_set(d, OFERR_ACT_BAD_SET_TYPE, "there is no such field");
	if (!field->writable)
		return read_only(d, field);
	if (masked && !masks)
		return bad_set(d, OFERR_ACT_BAD_SET_MASK, "a mask is not for this version");
	if (4 + n > len || len - (4 + n) >= 8)
		return bad_set(d, OFERR_ACT_BAD_SET_LEN, "its length is wrong");
	n = masked ? n / 2 : n;
	value = action_load(p + 4, n);
	mask = masked ? action_load(p + 4 + n, n) : ~(u128)0;
	if (value & ~mask)
		return bad_set(d, OFERR_ACT_BAD_SET_ARGUMENT, "bits are set that are masked");
	if (field->id == FIELD_vlan_vid)
		error = take_vid(d, &value, &mask);
	if (error)
		return error;
	return append_set(d, field, value, mask, style);
}

enum of_error action_decode_set_field(struct action_decode *d, const struct action_row *row,
				      const uint8_t *p, size_t len)
{
	(void)row;
	return decode_entry(d, p + 4, len - 4, d->version >= OF15, SET_STYLE_FIELD);
}

/* As set_field with a mask, before there was one. */
enum of_error action_decode_reg_load2(struct action_decode *d, const struct action_row *row,
				      const uint8_t *p, size_t len)
{
	(void)row;
	return decode_entry(d, p + 10, len - 10, true, SET_STYLE_FIELD);
}

enum of_error action_decode_reg_load(struct action_decode *d, const struct action_row *row,
				     const uint8_t *p, size_t len)
{
	uint16_t bits = be16_load(p + 10);
	struct subfield to;
	enum of_error error;
	u128 value = action_load(p + 16, 8), mask;

	(void)row;
	(void)len;
	error = action_decode_to(d, be32_load(p + 12), ofs_first(bits), ofs_n_bits(bits), &to);
	if (error)
		return error;
	mask = bits_ones(to.n_bits) << to.first;
	if (value & ~bits_ones(to.n_bits))
		return (enum of_error)error_set(d->err, OFERR_ACT_BAD_ARGUMENT,
						"load: the value has more than %u bits", to.n_bits);
	if (!(mask & action_field_full(to.field)))
		return bad_set(d, OFERR_ACT_BAD_SET_ARGUMENT, "these bits are not the field's");
	return append_set(d, to.field, (value << to.first) & action_field_full(to.field), mask,
			  SET_STYLE_LOAD);
}

/* Those of OpenFlow 1.0 and Nicira's that each set one field. */
enum of_error action_decode_mod(struct action_decode *d, const struct action_row *row,
				const uint8_t *p, size_t len)
{
	const struct field *field = &fields[row->field];
	size_t n = (field->n_bits + 7) / 8, at = row->space == SPACE_NX ? 10 : 4;
	enum set_style style = SET_STYLE_MOD;
	u128 value;

	(void)len;
	if (row->space == SPACE_NX && row->number == NX_SET_TUNNEL64) {
		at = 16;
		style = SET_STYLE_MOD64;
	} else if (field->id == FIELD_tun_id || field->id == FIELD_mpls_label) {
		at = 12;
		n = 4;
	}
	value = action_load(p + at, n);
	if (field->id == FIELD_ip_dscp) {
		if (value & 3)
			return (enum of_error)error_set(d->err, OFERR_ACT_BAD_ARGUMENT,
							"a TOS has its lower two bits set");
		value >>= 2;
	}
	if (value & ~field_ones(field))
		return (enum of_error)error_set(d->err, OFERR_ACT_BAD_ARGUMENT,
						"that is no value of %s", field->name);
	return append_set(d, field, value, ~(u128)0, style);
}

static void put_entry(struct action_encode *e, const struct action_set_field *a)
{
	bool masked = a->mask != action_field_full(a->field);
	uint32_t header = field_header(a->field, e->version);
	unsigned n = header_len(header);
	u128 value = a->value, mask = a->mask;
	size_t start = *e->n;
	uint8_t *p;

	if (a->field->id == FIELD_vlan_vid) {
		value |= FLOW_VLAN_PRESENT;
		mask |= FLOW_VLAN_PRESENT;
	}
	p = action_encode_plain(e, SET_FIELD13, 8 + n * (masked ? 2 : 1));
	be32_store(p + 4, masked ? (header & ~HEADER_LEN) | HEADER_HASMASK | 2 * n : header);
	action_store(p + 8, n, value);
	if (masked)
		action_store(p + 8 + n, n, mask);
	action_encode_end(e, start);
}

static void put_loads(struct action_encode *e, const struct action_set_field *a)
{
	u128 mask = a->mask == action_field_full(a->field) ? field_ones(a->field) : a->mask;
	struct subfield to;
	uint64_t value;

	mask &= bits_ones(subfield_bits(a->field));
	while (action_next_load(a, &mask, &to, &value)) {
		uint8_t *p = action_encode_nx(e, NX_REG_LOAD, 24);

		be16_store(p + 10, ofs_word(&to));
		be32_store(p + 12, action_nx_header(&to));
		action_store(p + 16, 8, value);
	}
}

/* Numbers of OpenFlow 1.0's actions that set a whole field. */
static const struct legacy {
	uint8_t field, number, n;
	bool mod_only; /* not for set_field */
} legacy[] = {
	{ FIELD_vlan_vid, 1, 2, false }, { FIELD_vlan_pcp, 2, 1, false },
	{ FIELD_eth_src, 4, 6, false },	 { FIELD_eth_dst, 5, 6, false },
	{ FIELD_ip_src, 6, 4, false },	 { FIELD_ip_dst, 7, 4, false },
	{ FIELD_ip_dscp, 8, 1, false },	 { FIELD_nw_tos, 8, 1, false },
	{ FIELD_tcp_src, 9, 2, false },	 { FIELD_tcp_dst, 10, 2, false },
	{ FIELD_udp_src, 9, 2, false },	 { FIELD_udp_dst, 10, 2, false },
	{ FIELD_sctp_src, 9, 2, true },	 { FIELD_sctp_dst, 10, 2, true },
};

static bool put_legacy(struct action_encode *e, const struct action_set_field *a)
{
	_Static_assert(FIELD_N <= UINT8_MAX, "numbers of fields are bytes");
	for (unsigned i = 0; i < ARRAY_SIZE(legacy); i++) {
		const struct legacy *l = &legacy[i];

		if (l->field != a->field->id || a->mask != action_field_full(a->field) ||
		    (l->mod_only && a->style != SET_STYLE_MOD))
			continue;
		action_store(action_encode_plain(e, l->number, l->n > 4 ? 16 : 8) + 4, l->n,
			     l->field == FIELD_ip_dscp ? a->value << 2 : a->value);
		return true;
	}
	return false;
}

/* The same for Nicira's. */
static bool put_nx_mod(struct action_encode *e, const struct action_set_field *a)
{
	switch (a->field->id) {
	case FIELD_tun_id:
		if (a->style == SET_STYLE_MOD64 || a->value > UINT32_MAX)
			action_store(action_encode_nx(e, NX_SET_TUNNEL64, 24) + 16, 8, a->value);
		else
			action_store(action_encode_nx(e, NX_SET_TUNNEL, 16) + 12, 4, a->value);
		return true;
	case FIELD_mpls_label:
		action_store(action_encode_nx(e, NX_SET_MPLS_LABEL, 16) + 12, 4, a->value);
		return true;
	case FIELD_mpls_tc:
		action_encode_nx(e, NX_SET_MPLS_TC, 16)[10] = (uint8_t)a->value;
		return true;
	case FIELD_mpls_ttl:
		action_encode_nx(e, NX_SET_MPLS_TTL, 16)[10] = (uint8_t)a->value;
		return true;
	default:
		return false;
	}
}

static void encode_set10(struct action_encode *e, const struct action_set_field *a)
{
	if (a->style != SET_STYLE_LOAD && put_legacy(e, a))
		return;
	if (a->style >= SET_STYLE_MOD && put_nx_mod(e, a))
		return;
	put_loads(e, a);
}

void action_encode_set_field(struct action_encode *e, const struct action *action)
{
	const struct action_set_field *a = (const void *)action;
	bool mod = a->style >= SET_STYLE_MOD;

	if (e->version == OF10)
		encode_set10(e, a);
	else if (mod && a->field->id == FIELD_nw_ttl)
		action_encode_plain(e, 23, 8)[4] = (uint8_t)a->value;
	else if (mod && a->field->id == FIELD_mpls_ttl)
		action_encode_plain(e, 15, 8)[4] = (uint8_t)a->value;
	else if (e->version >= OF15 ||
		 (a->style != SET_STYLE_LOAD && a->mask == action_field_full(a->field)))
		put_entry(e, a);
	else
		put_loads(e, a);
}

/* ---- move */

static enum of_error append_move(struct action_decode *d, unsigned n_bits, const uint8_t *offsets,
				 const uint8_t *headers)
{
	struct subfield from, to;
	struct action_move *a;
	enum of_error error;

	error = action_decode_subfield(d, be32_load(headers), be16_load(offsets), n_bits, &from);
	if (!error)
		error = action_decode_to(d, be32_load(headers + 4), be16_load(offsets + 2), n_bits,
					 &to);
	if (error)
		return error;
	a = actions_append(d->list, ACTION_MOVE, sizeof(*a));
	if (!a)
		return action_no_room(d->err);
	subfield_copy(&a->from, &from);
	subfield_copy(&a->to, &to);
	return OFERR_NONE;
}

enum of_error action_decode_move(struct action_decode *d, const struct action_row *row,
				 const uint8_t *p, size_t len)
{
	(void)row;
	(void)len;
	return append_move(d, be16_load(p + 10), p + 12, p + 16);
}

/* Of OpenFlow 1.5, and of the ONF for earlier versions, where it begins 8 bytes later. */
enum of_error action_decode_copy_field(struct action_decode *d, const struct action_row *row,
				       const uint8_t *p, size_t len)
{
	(void)len;
	if (row->space == SPACE_ONF)
		p += 8;
	return append_move(d, be16_load(p + 4), p + 6, p + 12);
}

void action_encode_move(struct action_encode *e, const struct action *action)
{
	const struct action_move *a = (const void *)action;
	bool copy = e->version >= OF15;
	uint8_t *p = copy ? action_encode_plain(e, COPY_FIELD15, 24)
			  : action_encode_nx(e, NX_REG_MOVE, 24);
	uint8_t *bits = p + (copy ? 4 : 10), *headers = p + (copy ? 12 : 16);

	be16_store(bits, a->from.n_bits);
	be16_store(bits + 2, a->from.first);
	be16_store(bits + 4, a->to.first);
	be32_store(headers,
		   copy ? field_header(a->from.field, e->version) : action_nx_header(&a->from));
	be32_store(headers + 4,
		   copy ? field_header(a->to.field, e->version) : action_nx_header(&a->to));
}

/* ---- the stack, and a bit that says how long a packet is */

enum of_error action_decode_stack(struct action_decode *d, const struct action_row *row,
				  const uint8_t *p, size_t len)
{
	struct action_stack *a;
	struct subfield sub;
	enum of_error error;

	(void)len;
	if (row->kind == ACTION_STACK_POP)
		error = action_decode_to(d, be32_load(p + 12), be16_load(p + 10), be16_load(p + 16),
					 &sub);
	else
		error = action_decode_subfield(d, be32_load(p + 12), be16_load(p + 10),
					       be16_load(p + 16), &sub);
	if (error)
		return error;
	a = actions_append(d->list, row->kind, sizeof(*a));
	if (!a)
		return action_no_room(d->err);
	subfield_copy(&a->sub, &sub);
	return OFERR_NONE;
}

void action_encode_stack(struct action_encode *e, const struct action *action)
{
	const struct subfield *sub = &((const struct action_stack *)action)->sub;
	uint8_t *p = action_encode_nx(
		e, action->kind == ACTION_STACK_PUSH ? NX_STACK_PUSH : NX_STACK_POP, 24);

	be16_store(p + 10, sub->first);
	be32_store(p + 12, action_nx_header(sub));
	be16_store(p + 16, sub->n_bits);
}

enum of_error action_decode_check_len(struct action_decode *d, const struct action_row *row,
				      const uint8_t *p, size_t len)
{
	struct action_check_len *a;
	struct subfield to;
	enum of_error error;

	(void)row;
	(void)len;
	error = action_decode_to(d, be32_load(p + 14), be16_load(p + 12), 1, &to);
	if (error)
		return error;
	a = actions_append(d->list, ACTION_CHECK_PKT_LARGER, sizeof(*a));
	if (!a)
		return action_no_room(d->err);
	a->len = be16_load(p + 10);
	subfield_copy(&a->to, &to);
	return OFERR_NONE;
}

void action_encode_check_len(struct action_encode *e, const struct action *action)
{
	const struct action_check_len *a = (const void *)action;
	uint8_t *p = action_encode_nx(e, NX_CHECK_PKT_LARGER, 24);

	be16_store(p + 10, a->len);
	be16_store(p + 12, a->to.first);
	be32_store(p + 14, action_nx_header(&a->to));
}

/* ---- tags */

enum of_error action_decode_vlan(struct action_decode *d, const struct action_row *row,
				 const uint8_t *p, size_t len)
{
	bool byte = row->kind == ACTION_SET_VLAN_PCP;
	unsigned value = byte ? p[4] : be16_load(p + (row->space == SPACE_NX ? 10 : 4));
	bool ok = row->kind == ACTION_PUSH_VLAN	     ? action_tpid_valid(value)
		  : row->kind == ACTION_PUSH_MPLS    ? action_mpls_valid(value)
		  : row->kind == ACTION_SET_VLAN_VID ? value <= 0xfff
		  : row->kind == ACTION_SET_VLAN_PCP ? value <= 7
						     : true;

	(void)len;
	if (!ok)
		return (enum of_error)error_set(d->err, OFERR_ACT_BAD_ARGUMENT,
						"%s: 0x%x cannot be set", row->name, value);
	return action_append_vlan(d->list, row->kind, value) ? action_no_room(d->err) : OFERR_NONE;
}

/* Since OpenFlow 1.2 a tag is pushed, then its fields are set. */
static void encode_set_vlan13(struct action_encode *e, const struct action_vlan *a)
{
	struct action_set_field set = {
		.field = &fields[a->action.kind == ACTION_SET_VLAN_VID ? FIELD_vlan_vid
								       : FIELD_vlan_pcp],
		.value = a->value,
	};

	if (!a->tagged)
		be16_store(action_encode_plain(e, 17, 8) + 4, 0x8100);
	set.mask = field_ones(set.field);
	put_entry(e, &set);
}

static void put_ethertype(struct action_encode *e, unsigned type, unsigned nx, unsigned ethertype)
{
	if (e->version == OF10)
		be16_store(action_encode_nx(e, nx, 16) + 10, (uint16_t)ethertype);
	else
		be16_store(action_encode_plain(e, type, 8) + 4, (uint16_t)ethertype);
}

void action_encode_vlan(struct action_encode *e, const struct action *action)
{
	const struct action_vlan *a = (const void *)action;

	switch (action->kind) {
	case ACTION_PUSH_MPLS:
		put_ethertype(e, 19, NX_PUSH_MPLS, a->value);
		break;
	case ACTION_POP_MPLS:
		put_ethertype(e, 20, NX_POP_MPLS, a->value);
		break;
	case ACTION_PUSH_VLAN: /* in OpenFlow 1.0 a tag comes with its number */
		if (e->version != OF10)
			put_ethertype(e, 17, 0, a->value);
		break;
	default:
		if (e->version != OF10)
			encode_set_vlan13(e, a);
		else if (action->kind == ACTION_SET_VLAN_VID)
			be16_store(action_encode_plain(e, 1, 8) + 4, a->value);
		else
			action_encode_plain(e, 2, 8)[4] = (uint8_t)a->value;
		break;
	}
}

/* ---- others */

enum of_error action_decode_dec_ttl(struct action_decode *d, const struct action_row *row,
				    const uint8_t *p, size_t len)
{
	bool named = row->space == SPACE_NX && row->number == NX_DEC_TTL_IDS;
	unsigned n = named ? be16_load(p + 10) : 0;
	uint16_t ids[ACTION_IDS_MAX];

	if ((named && !n) || n > ARRAY_SIZE(ids))
		return (enum of_error)error_set(d->err, OFERR_ACT_BAD_ARGUMENT,
						"dec_ttl names 1 to %d controllers, not %u",
						ACTION_IDS_MAX, n);
	if (n > (len - (named ? 16 : len)) / 2)
		return (enum of_error)error_set(d->err, OFERR_ACT_BAD_LEN,
						"dec_ttl: %u controllers do not fit", n);
	for (unsigned i = 0; i < n; i++)
		ids[i] = be16_load(p + 16 + 2 * (size_t)i);
	return action_append_ids(d->list, ids, n) ? action_no_room(d->err) : OFERR_NONE;
}

void action_encode_dec_ttl(struct action_encode *e, const struct action *action)
{
	const struct action_ids *a = (const void *)action;
	size_t start = *e->n;

	if (!a->n) {
		if (e->version == OF10)
			action_encode_nx(e, NX_DEC_TTL, 16);
		else
			action_encode_plain(e, 24, 8);
		return;
	}
	be16_store(action_encode_nx(e, NX_DEC_TTL_IDS, 16) + 10, a->n);
	for (unsigned i = 0; i < a->n; i++)
		be16_store(action_encode_bytes(e, 2), a->ids[i]);
	action_encode_end(e, start);
}

void action_set_metadata(struct action_metadata *a, const uint8_t *p)
{
	a->mask = (uint64_t)action_load(p + 8, 8);
	a->value = (uint64_t)action_load(p, 8) & a->mask;
}

void action_put_metadata(const struct action_metadata *a, uint8_t *p)
{
	action_store(p, 8, a->value);
	action_store(p + 8, 8, a->mask);
}

enum of_error action_decode_metadata(struct action_decode *d, const struct action_row *row,
				     const uint8_t *p, size_t len)
{
	struct action_metadata *a;

	(void)len;
	a = actions_append(d->list, row->kind, sizeof(*a));
	if (!a)
		return action_no_room(d->err);
	action_set_metadata(a, p + 16);
	return OFERR_NONE;
}

void action_encode_metadata(struct action_encode *e, const struct action *action)
{
	action_put_metadata((const void *)action, action_encode_nx(e, NX_WRITE_METADATA, 32) + 16);
}
