// SPDX-License-Identifier: Apache-2.0
/* The wire of the learn action (Nicira's numbers 16, and 45 with a limit): settings, then parts,
 * each a header of 16 bits that says what it copies to where. */
#include "flow/action_private.h"

enum { NX_LEARN = 16, NX_LEARN2 = 45 };

#define LEARN_LEN 32  /* of what all have */
#define LEARN2_LEN 40 /* with a limit */

#define FLAG_WRITE_RESULT 4u

/* the header of a part */
#define PART_N_BITS 0x7ffu
#define PART_TO 0x1800u /* MATCH, LOAD, OUTPUT */
#define PART_TO_LOAD 0x0800u
#define PART_TO_OUTPUT 0x1000u
#define PART_VALUE 0x2000u /* copies a value, not a field */
#define PART_UNKNOWN 0xc000u

/* ---- reading */

struct bytes {
	const uint8_t *p;
	size_t left;
};

/* The next @n bytes; NULL: they are not there. */
static const uint8_t *take(struct bytes *in, size_t n)
{
	const uint8_t *p = in->p;

	if (n > in->left)
		return NULL;
	in->p += n;
	in->left -= n;
	return p;
}

static enum of_error bad(const struct action_decode *d, enum of_error error, const char *what)
{
	return (enum of_error)error_set(d->err, (int)error, "learn: %s", what);
}

/* A field's header and the first bit. */
static enum of_error take_subfield(const struct action_decode *d, struct bytes *in, unsigned n_bits,
				   bool written, struct subfield *sub)
{
	const uint8_t *p = take(in, 6);

	if (!p)
		return bad(d, OFERR_ACT_BAD_LEN, "a part is cut off");
	return (written ? action_decode_to : action_decode_subfield)(d, be32_load(p),
								     be16_load(p + 4), n_bits, sub);
}

static enum of_error take_value(const struct action_decode *d, struct bytes *in, unsigned n_bits,
				u128 *value)
{
	size_t n = 2 * ((n_bits + 15) / 16);
	const uint8_t *p;

	if (n_bits > 128)
		return bad(d, OFERR_ACT_BAD_ARGUMENT, "a value has more than 128 bits");
	p = take(in, n);
	if (!p)
		return bad(d, OFERR_ACT_BAD_LEN, "a part is cut off");
	*value = action_load(p, n);
	if (*value & ~bits_ones(n_bits))
		return bad(d, OFERR_ACT_BAD_ARGUMENT, "a value does not fit");
	return OFERR_NONE;
}

static enum of_error decode_part(struct action_decode *d, uint32_t at, struct bytes *in,
				 unsigned header)
{
	unsigned n_bits = header & PART_N_BITS, to = header & PART_TO;
	bool value = header & PART_VALUE;
	struct learn_spec part = { 0 }, *spec;
	enum of_error error;

	if (header & PART_UNKNOWN || !n_bits || to > PART_TO_OUTPUT ||
	    (to == PART_TO_OUTPUT && value))
		return bad(d, OFERR_ACT_BAD_ARGUMENT, "a part is not known");
	part.kind = (uint8_t)(to == PART_TO_OUTPUT ? LEARN_OUTPUT
			      : to == PART_TO_LOAD ? (value ? LEARN_LOAD_VALUE : LEARN_LOAD_FIELD)
			      : value		   ? LEARN_MATCH_VALUE
						   : LEARN_MATCH_FIELD);
	error = value ? take_value(d, in, n_bits, &part.value)
		      : take_subfield(d, in, n_bits, false, &part.from);
	if (!error && to != PART_TO_OUTPUT)
		error = take_subfield(d, in, n_bits, to == PART_TO_LOAD, &part.to);
	if (error)
		return error;
	spec = action_learn_add(d->list, at);
	if (!spec)
		return action_no_room(d->err);
	spec->kind = part.kind;
	subfield_copy(&spec->from, &part.from);
	subfield_copy(&spec->to, &part.to);
	spec->value = part.value;
	return OFERR_NONE;
}

static enum of_error decode_parts(struct action_decode *d, uint32_t at, struct bytes *in)
{
	while (in->left >= 2 && be16_load(in->p)) {
		unsigned header = be16_load(in->p);
		enum of_error error;

		take(in, 2);
		error = decode_part(d, at, in, header);
		if (error)
			return error;
	}
	for (; in->left; in->left--)
		if (*in->p++)
			return bad(d, OFERR_ACT_BAD_ARGUMENT, "the padding is not zero");
	return OFERR_NONE;
}

static void read_settings(struct action_learn *a, const uint8_t *p)
{
	a->idle_timeout = be16_load(p + 10);
	a->hard_timeout = be16_load(p + 12);
	a->priority = be16_load(p + 14);
	a->cookie = (uint64_t)action_load(p + 16, 8);
	a->flags = (uint8_t)(be16_load(p + 24) & (LEARN_SEND_FLOW_REM | LEARN_DELETE_LEARNED));
	a->table = p[26];
	a->fin_idle_timeout = be16_load(p + 28);
	a->fin_hard_timeout = be16_load(p + 30);
}

static enum of_error take_limit(struct action_decode *d, uint32_t at, struct bytes *in,
				unsigned flags)
{
	const uint8_t *p = take(in, 8);
	struct subfield result;
	struct action_learn *a;
	enum of_error error;
	uint32_t limit;

	if (!p)
		return bad(d, OFERR_ACT_BAD_LEN, "it is too short");
	limit = be32_load(p);
	if (flags & FLAG_WRITE_RESULT) {
		const uint8_t *header = take(in, 4);

		if (!header)
			return bad(d, OFERR_ACT_BAD_LEN, "it is too short");
		error = action_decode_to(d, be32_load(header), be16_load(p + 4), 1, &result);
		if (error)
			return error;
	}
	a = (void *)(d->list->bytes + at);
	a->limit = limit;
	a->has_result = flags & FLAG_WRITE_RESULT;
	if (a->has_result)
		subfield_copy(&a->result, &result);
	return OFERR_NONE;
}

enum of_error action_decode_learn(struct action_decode *d, const struct action_row *row,
				  const uint8_t *p, size_t len)
{
	struct bytes in = { p + LEARN_LEN, len - LEARN_LEN };
	unsigned flags = be16_load(p + 24), known = LEARN_SEND_FLOW_REM | LEARN_DELETE_LEARNED;
	uint32_t at = d->list->len;
	struct action_learn *a;
	enum of_error error = OFERR_NONE;

	if (row->number == NX_LEARN2)
		known |= FLAG_WRITE_RESULT;
	if (flags & ~known || p[27])
		return bad(d, OFERR_ACT_BAD_ARGUMENT, "there are flags that are not known");
	if (p[26] == UINT8_MAX)
		return bad(d, OFERR_ACT_BAD_ARGUMENT, "there is no table 255");
	a = actions_append(d->list, ACTION_LEARN, sizeof(*a));
	if (!a)
		return action_no_room(d->err);
	read_settings(a, p);
	if (row->number == NX_LEARN2)
		error = take_limit(d, at, &in, flags);
	return error ? error : decode_parts(d, at, &in);
}

/* ---- writing */

static void put_subfield(struct action_encode *e, const struct subfield *sub)
{
	uint8_t *p = action_encode_bytes(e, 6);

	be32_store(p, action_nx_header(sub));
	be16_store(p + 4, sub->first);
}

static void put_part(struct action_encode *e, const struct learn_spec *spec)
{
	unsigned n_bits = spec->kind == LEARN_OUTPUT ? spec->from.n_bits : spec->to.n_bits;
	bool value = spec->kind == LEARN_MATCH_VALUE || spec->kind == LEARN_LOAD_VALUE;
	unsigned header = n_bits;
	size_t n = 2 * ((n_bits + 15u) / 16);

	if (value)
		header |= PART_VALUE;
	if (spec->kind == LEARN_LOAD_VALUE || spec->kind == LEARN_LOAD_FIELD)
		header |= PART_TO_LOAD;
	else if (spec->kind == LEARN_OUTPUT)
		header |= PART_TO_OUTPUT;
	be16_store(action_encode_bytes(e, 2), (uint16_t)header);
	if (value)
		action_store(action_encode_bytes(e, n), n, spec->value);
	else
		put_subfield(e, &spec->from);
	if (spec->kind != LEARN_OUTPUT)
		put_subfield(e, &spec->to);
}

static void put_settings(const struct action_learn *a, uint8_t *p)
{
	be16_store(p + 10, a->idle_timeout);
	be16_store(p + 12, a->hard_timeout);
	be16_store(p + 14, a->priority);
	action_store(p + 16, 8, a->cookie);
	be16_store(p + 24, (uint16_t)(a->flags | (a->has_result ? FLAG_WRITE_RESULT : 0)));
	p[26] = a->table;
	be16_store(p + 28, a->fin_idle_timeout);
	be16_store(p + 30, a->fin_hard_timeout);
}

void action_encode_learn(struct action_encode *e, const struct action *action)
{
	const struct action_learn *a = (const void *)action;
	bool second = a->limit || a->has_result;
	size_t start = *e->n;
	uint8_t *p =
		action_encode_nx(e, second ? NX_LEARN2 : NX_LEARN, second ? LEARN2_LEN : LEARN_LEN);

	put_settings(a, p);
	if (second) {
		be32_store(p + LEARN_LEN, a->limit);
		be16_store(p + LEARN_LEN + 4, a->has_result ? a->result.first : 0);
	}
	if (a->has_result)
		be32_store(action_encode_bytes(e, 4), action_nx_header(&a->result));
	for (uint32_t i = 0; i < a->n_specs; i++)
		put_part(e, &a->specs[i]);
	action_encode_end(e, start);
}
