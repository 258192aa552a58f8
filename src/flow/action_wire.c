// SPDX-License-Identifier: Apache-2.0
/* The wire of actions: lists of them, instructions of OpenFlow 1.3 to 1.5 (1.5.1, 7.2.5 and 7.2.6),
 * and what reading and writing several of them have in common. */
#include <errno.h>
#include <stdlib.h>

#include "flow/action_private.h"

#define HEADER_LEN 4	    /* of actions and instructions: type and length */
#define EXPERIMENTER_LEN 10 /* and then vendor and subtype */
#define TYPE_EXPERIMENTER 0xffffu

enum { INST_GOTO = 1, INST_METADATA, INST_WRITE, INST_APPLY, INST_CLEAR, INST_METER, INST_N };

enum of_error action_no_room(struct error *err)
{
	return (enum of_error)error_set(err, OFERR_ACT_TOO_MANY, "too many actions");
}

/* ---- reading actions */

static bool in_version(const struct action_row *row, uint8_t version)
{
	return (!row->since || version >= row->since) && (!row->until || version <= row->until);
}

static const struct action_row *row_of(enum action_space space, unsigned number, uint8_t version)
{
	for (unsigned i = 0; i < n_action_rows; i++) {
		const struct action_row *row = &action_rows[i];

		if (row->space == space && row->number == number && in_version(row, version))
			return row;
	}
	return NULL;
}

static enum of_error refuse(const struct action_decode *d, enum of_error error, const char *what,
			    unsigned type)
{
	error_set(d->err, (int)error, "an action of type %u: %s", type, what);
	return error;
}

/* NULL, and *@error: there is none. */
static const struct action_row *find_row(const struct action_decode *d, const uint8_t *p,
					 size_t len, enum of_error *error)
{
	unsigned type = be16_load(p);
	const struct action_row *row;
	uint32_t vendor;

	if (type != TYPE_EXPERIMENTER) {
		row = row_of(d->version == OF10 ? SPACE_OF10 : SPACE_OF13, type, d->version);
		if (!row)
			*error = refuse(d, OFERR_ACT_BAD_TYPE, "not known", type);
		return row;
	}
	if (len < EXPERIMENTER_LEN) {
		*error = refuse(d, OFERR_ACT_BAD_LEN, "too short", type);
		return NULL;
	}
	vendor = be32_load(p + 4);
	type = be16_load(p + 8);
	if (vendor != NX_VENDOR && vendor != ONF_VENDOR) {
		*error = refuse(d, OFERR_ACT_BAD_EXPERIMENTER, "of an unknown experimenter", type);
		return NULL;
	}
	row = row_of(vendor == NX_VENDOR ? SPACE_NX : SPACE_ONF, type, d->version);
	if (!row)
		*error = refuse(d, OFERR_ACT_BAD_EXP_TYPE, "not known", type);
	return row;
}

static enum of_error decode_action(struct action_decode *d, const uint8_t *p, size_t len)
{
	enum of_error error = OFERR_NONE;
	const struct action_row *row = find_row(d, p, len, &error);

	if (!row)
		return error;
	if (len < row->len || (len > row->len && !row->more))
		return (enum of_error)error_set(d->err, OFERR_ACT_BAD_LEN,
						"an action of type %u has %zu bytes, not %u",
						row->number, len, row->len);
	if (action_is_instruction(row->kind) && (d->place != PLACE_RULE || d->depth))
		return (enum of_error)error_set(d->err, OFERR_ACT_BAD_TYPE,
						"%s is an instruction, which cannot stand here",
						row->name);
	return row->decode(d, row, p, len);
}

enum of_error action_decode_list(struct action_decode *d, const uint8_t *p, size_t len)
{
	if (d->depth > ACTIONS_NESTED_MAX)
		return (enum of_error)error_set(d->err, OFERR_ACT_TOO_MANY,
						"actions are nested more than %d deep",
						ACTIONS_NESTED_MAX);
	while (len) {
		size_t one = len >= HEADER_LEN ? be16_load(p + 2) : 0;
		enum of_error error;

		if (one < 8 || one % 8 || one > len)
			return (enum of_error)error_set(d->err, OFERR_ACT_BAD_LEN,
							"%zu bytes of actions are left, %zu are "
							"said to be of the next one",
							len, one);
		error = decode_action(d, p, one);
		if (error)
			return error;
		p += one;
		len -= one;
	}
	return OFERR_NONE;
}

/* ---- reading instructions */

struct instruction {
	const uint8_t *p; /* NULL: there is none */
	size_t len;
};

static const struct {
	uint8_t len;
	bool more;
} instruction_lens[INST_N] = {
	[INST_GOTO] = { 8, false }, [INST_METADATA] = { 24, false }, [INST_WRITE] = { 8, true },
	[INST_APPLY] = { 8, true }, [INST_CLEAR] = { 8, false },     [INST_METER] = { 8, false },
};

static enum of_error bad_instruction(struct action_decode *d, enum of_error error, unsigned type,
				     const char *what)
{
	return (enum of_error)error_set(d->err, (int)error, "instruction of type %u: %s", type,
					what);
}

static enum of_error note_instruction(struct action_decode *d, struct instruction *found,
				      const uint8_t *p, size_t len)
{
	unsigned type = be16_load(p);

	if (type == TYPE_EXPERIMENTER)
		return bad_instruction(d, OFERR_INST_BAD_EXPERIMENTER, type, "not known");
	if (!type || type >= INST_N || (type == INST_METER && d->version >= OF15))
		return bad_instruction(d, OFERR_INST_UNKNOWN, type, "not known");
	if (len < instruction_lens[type].len ||
	    (len > instruction_lens[type].len && !instruction_lens[type].more))
		return bad_instruction(d, OFERR_INST_BAD_LEN, type, "its length is wrong");
	if (found[type].p)
		return bad_instruction(d, OFERR_INST_DUPLICATE, type, "there is more than one");
	found[type] = (struct instruction){ p, len };
	return OFERR_NONE;
}

static enum of_error split_instructions(struct action_decode *d, struct instruction *found,
					const uint8_t *p, size_t len)
{
	while (len) {
		size_t one = len >= HEADER_LEN ? be16_load(p + 2) : 0;
		enum of_error error;

		if (one < 8 || one % 8 || one > len)
			return (enum of_error)error_set(d->err, OFERR_INST_BAD_LEN,
							"%zu bytes of instructions are left, %zu "
							"are said to be of the next one",
							len, one);
		error = note_instruction(d, found, p, one);
		if (error)
			return error;
		p += one;
		len -= one;
	}
	return OFERR_NONE;
}

static enum of_error decode_set(struct action_decode *d, const struct instruction *in)
{
	struct action_decode inner = *d;
	uint32_t at = actions_open(d->list, ACTION_WRITE_ACTIONS);
	enum of_error error;

	if (at == ACTIONS_NONE)
		return action_no_room(d->err);
	inner.place = PLACE_SET;
	inner.depth++;
	error = action_decode_list(&inner, in->p + 8, in->len - 8);
	if (!error)
		actions_close(d->list, at);
	return error;
}

static enum of_error decode_plain(struct action_decode *d, const struct instruction *in)
{
	unsigned type = be16_load(in->p);
	void *a = NULL;

	switch (type) {
	case INST_GOTO:
		if (in->p[4] == UINT8_MAX)
			return bad_instruction(d, OFERR_INST_BAD_TABLE_ID, type, "no such table");
		a = actions_append(d->list, ACTION_GOTO_TABLE, sizeof(struct action_goto));
		if (a)
			((struct action_goto *)a)->table = in->p[4];
		break;
	case INST_METADATA:
		a = actions_append(d->list, ACTION_WRITE_METADATA, sizeof(struct action_metadata));
		if (a)
			action_set_metadata(a, in->p + 8);
		break;
	case INST_CLEAR:
		a = actions_append(d->list, ACTION_CLEAR_ACTIONS, sizeof(struct action));
		break;
	case INST_METER:
		a = actions_append(d->list, ACTION_METER, sizeof(struct action_meter));
		if (a)
			((struct action_meter *)a)->meter = be32_load(in->p + 4);
		break;
	default:
		break;
	}
	return a ? OFERR_NONE : action_no_room(d->err);
}

/* In the order in which they are carried out. */
static enum of_error decode_instructions(struct action_decode *d, const uint8_t *p, size_t len)
{
	static const uint8_t order[] = { INST_METER, INST_APPLY,    INST_CLEAR,
					 INST_WRITE, INST_METADATA, INST_GOTO };
	struct instruction found[INST_N] = { 0 };
	enum of_error error = split_instructions(d, found, p, len);

	for (unsigned i = 0; i < ARRAY_SIZE(order) && !error; i++) {
		const struct instruction *in = &found[order[i]];

		if (!in->p)
			continue;
		if (order[i] == INST_APPLY)
			error = action_decode_list(d, in->p + 8, in->len - 8);
		else if (order[i] == INST_WRITE)
			error = decode_set(d, in);
		else
			error = decode_plain(d, in);
	}
	return error;
}

enum of_error actions_decode(struct action_list *list, uint8_t version, bool instructions,
			     const uint8_t *bytes, size_t len, struct error *err)
{
	struct action_decode d = {
		.list = list,
		.err = err,
		.version = version,
		.place = instructions ? PLACE_RULE : PLACE_ACTIONS,
	};
	enum of_error error;

	if (instructions && version != OF10)
		error = decode_instructions(&d, bytes, len);
	else
		error = action_decode_list(&d, bytes, len);
	if (!error && action_check_order(list, err))
		error = OFERR_ACT_UNSUPPORTED_ORDER;
	if (error)
		actions_free(list);
	return error;
}

/* ---- writing */

static bool grow(struct action_encode *e, size_t len)
{
	size_t size = *e->size ? *e->size : 256;
	uint8_t *bytes;

	while (size < *e->n + len)
		size *= 2;
	if (size == *e->size)
		return true;
	bytes = realloc(*e->bytes, size);
	if (!bytes)
		return false;
	*e->bytes = bytes;
	*e->size = size;
	return true;
}

uint8_t *action_encode_bytes(struct action_encode *e, size_t len)
{
	uint8_t *p = e->nowhere;

	if (e->failed || !grow(e, len)) {
		e->failed = true;
	} else {
		p = *e->bytes + *e->n;
		*e->n += len;
	}
	memset(p, 0, len);
	return p;
}

void action_encode_copy(struct action_encode *e, const uint8_t *bytes, size_t len)
{
	if (e->failed || !grow(e, len)) {
		e->failed = true;
		return;
	}
	memcpy(*e->bytes + *e->n, bytes, len);
	*e->n += len;
}

uint8_t *action_encode_plain(struct action_encode *e, unsigned type, size_t len)
{
	uint8_t *p = action_encode_bytes(e, len);

	be16_store(p, (uint16_t)type);
	be16_store(p + 2, (uint16_t)len);
	return p;
}

uint8_t *action_encode_nx(struct action_encode *e, unsigned subtype, size_t len)
{
	uint8_t *p = action_encode_plain(e, TYPE_EXPERIMENTER, len);

	be32_store(p + 4, NX_VENDOR);
	be16_store(p + 8, (uint16_t)subtype);
	return p;
}

void action_encode_end(struct action_encode *e, size_t start)
{
	if (e->failed)
		return;
	action_encode_bytes(e, ACTION_ROUND(*e->n - start) - (*e->n - start));
	/* longer ones cannot be said, though lists are shorter in memory than that */
	if (*e->n - start > UINT16_MAX)
		e->failed = e->too_long = true;
	if (!e->failed)
		be16_store(*e->bytes + start + 2, (uint16_t)(*e->n - start));
}

void action_encode_list(struct action_encode *e, const uint8_t *bytes, size_t len)
{
	ACTIONS_FOR_EACH(action, bytes, len)
	action_row(action->kind)->encode(e, action);
}

static void encode_instruction(struct action_encode *e, const struct action *action)
{
	const void *a = action;
	size_t start = *e->n;
	uint8_t *p;

	switch (action->kind) {
	case ACTION_METER:
		p = action_encode_plain(e, INST_METER, 8);
		be32_store(p + 4, ((const struct action_meter *)a)->meter);
		break;
	case ACTION_CLEAR_ACTIONS:
		action_encode_plain(e, INST_CLEAR, 8);
		break;
	case ACTION_WRITE_ACTIONS:
		action_encode_plain(e, INST_WRITE, 8);
		action_encode_list(e, ((const struct action_nested *)a)->actions,
				   action_nested_len(action));
		action_encode_end(e, start);
		break;
	case ACTION_WRITE_METADATA:
		p = action_encode_plain(e, INST_METADATA, 24);
		action_put_metadata(a, p + 8);
		break;
	default: /* ACTION_GOTO_TABLE */
		p = action_encode_plain(e, INST_GOTO, 8);
		p[4] = ((const struct action_goto *)a)->table;
		break;
	}
}

static bool is_applied(const struct action_encode *e, const struct action *action)
{
	if (action->kind == ACTION_METER)
		return e->version >= OF15;
	return !action_is_instruction(action->kind); /* meters are, until then */
}

/* All actions that are carried out at once are one instruction. */
static void encode_apply(struct action_encode *e, const uint8_t *bytes, size_t len)
{
	size_t start = *e->n;
	bool any = false;

	ACTIONS_FOR_EACH(action, bytes, len)
	{
		if (!is_applied(e, action))
			continue;
		if (!any)
			action_encode_plain(e, INST_APPLY, 8);
		any = true;
		action_row(action->kind)->encode(e, action);
	}
	if (any)
		action_encode_end(e, start);
	if (!e->failed && *e->n == start + 8) /* they do nothing in this version */
		*e->n = start;
}

/* Before OpenFlow 1.5 a rule has one meter, for all of its packets. */
static void encode_meter(struct action_encode *e, const uint8_t *bytes, size_t len)
{
	ACTIONS_FOR_EACH(action, bytes, len)
	{
		if (action->kind == ACTION_METER) {
			encode_instruction(e, action);
			return;
		}
	}
}

static void encode_instructions(struct action_encode *e, const uint8_t *bytes, size_t len)
{
	bool applied = false;

	if (e->version < OF15)
		encode_meter(e, bytes, len);
	ACTIONS_FOR_EACH(action, bytes, len)
	{
		if (is_applied(e, action) && !applied) {
			encode_apply(e, bytes, len);
			applied = true;
		} else if (action_is_instruction(action->kind)) {
			encode_instruction(e, action);
		}
	}
}

int actions_encode(const uint8_t *bytes, size_t len, uint8_t version, bool instructions,
		   uint8_t **out, size_t *n, size_t *size)
{
	struct action_encode e = { .bytes = out, .n = n, .size = size, .version = version };
	size_t start = *n;

	if (instructions && version != OF10)
		encode_instructions(&e, bytes, len);
	else
		action_encode_list(&e, bytes, len);
	if (!e.failed)
		return 0;
	*n = start;
	return e.too_long ? -EMSGSIZE : -ENOMEM;
}
