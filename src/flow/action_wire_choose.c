// SPDX-License-Identifier: Apache-2.0
/* The wire of actions that choose by a hash, and of those that are notes to the switch (Nicira's
 * extensions). */
#include "flow/action_private.h"

enum { NX_NOTE = 8, NX_MULTIPATH = 10, NX_BUNDLE = 12, NX_BUNDLE_LOAD = 13 };
enum { NX_FIN_TIMEOUT = 19, NX_CONJUNCTION = 34 };

#define BUNDLE_LEN 32
#define MEMBERS_OFPORT 0x00000002u /* of the kind that NXM_OF_IN_PORT has */
#define NOTE_AT 10

static enum of_error bad(const struct action_decode *d, const char *what)
{
	return (enum of_error)error_set(d->err, OFERR_ACT_BAD_ARGUMENT, "%s", what);
}

/* ---- multipath */

enum of_error action_decode_multipath(struct action_decode *d, const struct action_row *row,
				      const uint8_t *p, size_t len)
{
	uint16_t bits = be16_load(p + 26), hash = be16_load(p + 10), algorithm = be16_load(p + 16);
	struct action_multipath *a;
	struct subfield to;
	enum of_error error;

	(void)row;
	(void)len;
	if (!action_hash_valid(hash) || !action_multipath_valid(algorithm))
		return bad(d, "multipath: the hash or the algorithm is not known");
	error = action_decode_to(d, be32_load(p + 28), ofs_first(bits), ofs_n_bits(bits), &to);
	if (error)
		return error;
	if (!action_links_fit(&to, be16_load(p + 18)))
		return bad(d, "multipath: the links do not fit into the field");
	if (be32_load(p + 20) > UINT16_MAX)
		return bad(d, "multipath: arg is too large");
	a = actions_append(d->list, ACTION_MULTIPATH, sizeof(*a));
	if (!a)
		return action_no_room(d->err);
	a->fields = (uint8_t)hash;
	a->algorithm = (uint8_t)algorithm;
	a->basis = be16_load(p + 12);
	a->max_link = be16_load(p + 18);
	a->arg = (uint16_t)be32_load(p + 20);
	subfield_copy(&a->to, &to);
	return OFERR_NONE;
}

void action_encode_multipath(struct action_encode *e, const struct action *action)
{
	const struct action_multipath *a = (const void *)action;
	uint8_t *p = action_encode_nx(e, NX_MULTIPATH, 32);

	be16_store(p + 10, a->fields);
	be16_store(p + 12, a->basis);
	be16_store(p + 16, a->algorithm);
	be16_store(p + 18, a->max_link);
	be32_store(p + 20, a->arg);
	be16_store(p + 26, ofs_word(&a->to));
	be32_store(p + 28, action_nx_header(&a->to));
}

/* ---- bundle */

static enum of_error decode_bundle_to(const struct action_decode *d, const struct action_row *row,
				      const uint8_t *p, struct subfield *to)
{
	uint16_t bits = be16_load(p + 22);

	if (row->number == NX_BUNDLE_LOAD)
		return action_decode_to(d, be32_load(p + 24), ofs_first(bits), ofs_n_bits(bits),
					to);
	return bits || be32_load(p + 24) ? bad(d, "bundle: there is a field") : OFERR_NONE;
}

enum of_error action_decode_bundle(struct action_decode *d, const struct action_row *row,
				   const uint8_t *p, size_t len)
{
	uint16_t algorithm = be16_load(p + 10), hash = be16_load(p + 12), n = be16_load(p + 20);
	struct action_bundle *a;
	struct subfield to;
	enum of_error error;

	if (!action_hash_valid(hash) || !action_bundle_valid(algorithm))
		return bad(d, "bundle: the hash or the algorithm is not known");
	if (be32_load(p + 16) != MEMBERS_OFPORT || n > ACTION_MEMBERS_MAX)
		return bad(d, "bundle: these members are not supported");
	if (n > (len - BUNDLE_LEN) / 2)
		return (enum of_error)error_set(d->err, OFERR_ACT_BAD_LEN,
						"bundle: %u members do not fit", n);
	error = decode_bundle_to(d, row, p, &to);
	if (error)
		return error;
	a = action_append_bundle(d->list, n);
	if (!a)
		return action_no_room(d->err);
	a->fields = (uint8_t)hash;
	a->algorithm = (uint8_t)algorithm;
	a->basis = be16_load(p + 14);
	a->has_to = row->number == NX_BUNDLE_LOAD;
	if (a->has_to)
		subfield_copy(&a->to, &to);
	for (unsigned i = 0; i < n; i++)
		a->ports[i] = action_port16(be16_load(p + BUNDLE_LEN + 2 * (size_t)i));
	return OFERR_NONE;
}

void action_encode_bundle(struct action_encode *e, const struct action *action)
{
	const struct action_bundle *a = (const void *)action;
	size_t start = *e->n;
	uint8_t *p = action_encode_nx(e, a->has_to ? NX_BUNDLE_LOAD : NX_BUNDLE, BUNDLE_LEN);

	be16_store(p + 10, a->algorithm);
	be16_store(p + 12, a->fields);
	be16_store(p + 14, a->basis);
	be32_store(p + 16, MEMBERS_OFPORT);
	be16_store(p + 20, (uint16_t)a->n_ports);
	if (a->has_to) {
		be16_store(p + 22, ofs_word(&a->to));
		be32_store(p + 24, action_nx_header(&a->to));
	}
	for (uint32_t i = 0; i < a->n_ports; i++)
		be16_store(action_encode_bytes(e, 2), (uint16_t)a->ports[i]);
	action_encode_end(e, start);
}

/* ---- conjunction, note, fin_timeout */

enum of_error action_decode_conjunction(struct action_decode *d, const struct action_row *row,
					const uint8_t *p, size_t len)
{
	struct action_conjunction *a;

	(void)row;
	(void)len;
	if (p[11] < ACTION_CLAUSES_MIN || p[11] > ACTION_CLAUSES_MAX || p[10] >= p[11])
		return bad(d, "conjunction: there are 2 to 64 clauses");
	a = actions_append(d->list, ACTION_CONJUNCTION, sizeof(*a));
	if (!a)
		return action_no_room(d->err);
	a->clause = p[10];
	a->n_clauses = p[11];
	a->id = be32_load(p + 12);
	return OFERR_NONE;
}

void action_encode_conjunction(struct action_encode *e, const struct action *action)
{
	const struct action_conjunction *a = (const void *)action;
	uint8_t *p = action_encode_nx(e, NX_CONJUNCTION, 16);

	p[10] = a->clause;
	p[11] = a->n_clauses;
	be32_store(p + 12, a->id);
}

enum of_error action_decode_note(struct action_decode *d, const struct action_row *row,
				 const uint8_t *p, size_t len)
{
	(void)row;
	if (len - NOTE_AT > ACTION_NOTE_MAX)
		return bad(d, "note: it is too long");
	return action_append_note(d->list, p + NOTE_AT, len - NOTE_AT) ? action_no_room(d->err)
								       : OFERR_NONE;
}

void action_encode_note(struct action_encode *e, const struct action *action)
{
	const struct action_note *a = (const void *)action;
	size_t start = *e->n;

	action_encode_nx(e, NX_NOTE, NOTE_AT);
	action_encode_copy(e, a->bytes, a->n);
	action_encode_end(e, start);
}

enum of_error action_decode_fin_timeout(struct action_decode *d, const struct action_row *row,
					const uint8_t *p, size_t len)
{
	struct action_fin_timeout *a;

	(void)len;
	a = actions_append(d->list, row->kind, sizeof(*a));
	if (!a)
		return action_no_room(d->err);
	a->idle = be16_load(p + 10);
	a->hard = be16_load(p + 12);
	return OFERR_NONE;
}

void action_encode_fin_timeout(struct action_encode *e, const struct action *action)
{
	const struct action_fin_timeout *a = (const void *)action;
	uint8_t *p = action_encode_nx(e, NX_FIN_TIMEOUT, 16);

	be16_store(p + 10, a->idle);
	be16_store(p + 12, a->hard);
}
