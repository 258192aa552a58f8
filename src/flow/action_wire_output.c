// SPDX-License-Identifier: Apache-2.0
/* The wire of actions that send packets somewhere (OpenFlow 1.0.0, 5.2.4; 1.5.1, 7.2.6; Nicira's
 * extensions). */
#include "flow/action_private.h"

#define OUTPUT10 0
#define OUTPUT13 0
#define ENQUEUE10 11
#define SET_QUEUE13 21
#define GROUP13 22
#define METER15 29

#define NX_RESUBMIT 1
#define NX_SET_QUEUE 4
#define NX_POP_QUEUE 5
#define NX_RESUBMIT_TABLE 14
#define NX_OUTPUT_REG 15
#define NX_EXIT 17
#define NX_CONTROLLER 20
#define NX_DEC_MPLS_TTL 26
#define NX_CONTROLLER2 37
#define NX_OUTPUT_TRUNC 39
#define NX_GROUP 40
#define NX_CLONE 42

/* ---- output */

static enum of_error bad_port(const struct action_decode *d, uint32_t port)
{
	return (enum of_error)error_set(d->err, OFERR_ACT_BAD_OUT_PORT, "port %u is none", port);
}

static enum of_error append_output(struct action_decode *d, uint32_t port, uint32_t max_len)
{
	struct action_output *a;

	if (!action_port_valid(port))
		return bad_port(d, port);
	a = actions_append(d->list, ACTION_OUTPUT, sizeof(*a));
	if (!a)
		return action_no_room(d->err);
	a->port = port;
	a->max_len = max_len;
	return OFERR_NONE;
}

enum of_error action_decode_output10(struct action_decode *d, const struct action_row *row,
				     const uint8_t *p, size_t len)
{
	uint32_t port = action_port16(be16_load(p + 4));

	(void)row;
	(void)len;
	return append_output(d, port, port == OFPORT_CONTROLLER ? be16_load(p + 6) : 0);
}

enum of_error action_decode_output13(struct action_decode *d, const struct action_row *row,
				     const uint8_t *p, size_t len)
{
	uint32_t port = be32_load(p + 4);

	(void)row;
	(void)len;
	return append_output(d, port, port == OFPORT_CONTROLLER ? be16_load(p + 8) : 0);
}

enum of_error action_decode_truncate(struct action_decode *d, const struct action_row *row,
				     const uint8_t *p, size_t len)
{
	uint32_t port = action_port16(be16_load(p + 10)), max_len = be32_load(p + 12);

	(void)row;
	(void)len;
	if (!action_can_truncate(port))
		return bad_port(d, port);
	if (max_len < 14)
		return (enum of_error)error_set(d->err, OFERR_ACT_BAD_ARGUMENT,
						"packets are cut to %u bytes, less than 14",
						max_len);
	return append_output(d, port, max_len);
}

void action_encode_output(struct action_encode *e, const struct action *action)
{
	const struct action_output *a = (const void *)action;
	uint8_t *p;

	if (a->max_len && a->port != OFPORT_CONTROLLER) {
		p = action_encode_nx(e, NX_OUTPUT_TRUNC, 16);
		be16_store(p + 10, (uint16_t)a->port);
		be32_store(p + 12, a->max_len);
	} else if (e->version == OF10) {
		p = action_encode_plain(e, OUTPUT10, 8);
		be16_store(p + 4, (uint16_t)a->port);
		be16_store(p + 6, (uint16_t)a->max_len);
	} else {
		p = action_encode_plain(e, OUTPUT13, 16);
		be32_store(p + 4, a->port);
		be16_store(p + 8, (uint16_t)a->max_len);
	}
}

/* Number 15: the field behind the bits; 32: the limit between them. */
enum of_error action_decode_output_reg(struct action_decode *d, const struct action_row *row,
				       const uint8_t *p, size_t len)
{
	bool second = row->number != NX_OUTPUT_REG;
	uint16_t bits = be16_load(p + 10);
	struct action_output_reg *a;
	struct subfield from;
	enum of_error error;

	(void)len;
	error = action_decode_subfield(d, be32_load(p + (second ? 14 : 12)), ofs_first(bits),
				       ofs_n_bits(bits), &from);
	if (error)
		return error;
	a = actions_append(d->list, ACTION_OUTPUT_REG, sizeof(*a));
	if (!a)
		return action_no_room(d->err);
	subfield_copy(&a->from, &from);
	a->max_len = be16_load(p + (second ? 12 : 16));
	return OFERR_NONE;
}

void action_encode_output_reg(struct action_encode *e, const struct action *action)
{
	const struct action_output_reg *a = (const void *)action;
	uint8_t *p = action_encode_nx(e, NX_OUTPUT_REG, 24);

	be16_store(p + 10, ofs_word(&a->from));
	be32_store(p + 12, action_nx_header(&a->from));
	be16_store(p + 16, (uint16_t)a->max_len);
}

/* ---- controller */

static enum of_error append_controller(struct action_decode *d,
				       const struct action_controller *head,
				       const uint8_t *userdata)
{
	if (!action_reason_valid(head->reason))
		return (enum of_error)error_set(d->err, OFERR_ACT_BAD_ARGUMENT,
						"controller: there is no reason %u", head->reason);
	if (action_controller_plain(head))
		return append_output(d, OFPORT_CONTROLLER, head->max_len);
	return action_append_controller(d->list, head, userdata) ? action_no_room(d->err)
								 : OFERR_NONE;
}

enum of_error action_decode_controller(struct action_decode *d, const struct action_row *row,
				       const uint8_t *p, size_t len)
{
	const struct action_controller head = {
		.max_len = be16_load(p + 10),
		.id = be16_load(p + 12),
		.reason = p[14],
	};

	(void)row;
	(void)len;
	return append_controller(d, &head, p);
}

enum { PROP_MAX_LEN, PROP_ID, PROP_REASON, PROP_USERDATA, PROP_PAUSE, PROP_METER };

/* One property, without its header. False: it is unknown, or its length is wrong. */
static bool read_property(struct action_controller *head, const uint8_t **userdata, unsigned type,
			  const uint8_t *p, size_t len)
{
	switch (type) {
	case PROP_MAX_LEN:
		head->max_len = len >= 2 ? be16_load(p) : 0;
		return len == 2 || len == 4;
	case PROP_ID:
		head->id = len >= 2 ? be16_load(p) : 0;
		return len == 2 || len == 4;
	case PROP_REASON:
		head->reason = len ? p[0] : 0;
		return len == 1 || len == 4;
	case PROP_USERDATA:
		*userdata = p;
		head->userdata_len = (uint16_t)len;
		return len <= CONTROLLER_USERDATA_MAX;
	case PROP_PAUSE:
		head->pause = true;
		return true;
	case PROP_METER:
		head->has_meter = true;
		head->meter = len >= 4 ? be32_load(p) : 0;
		return len == 4;
	default:
		return false;
	}
}

enum of_error action_decode_controller2(struct action_decode *d, const struct action_row *row,
					const uint8_t *p, size_t len)
{
	struct action_controller head = { .max_len = CONTROLLER_WHOLE, .reason = 1 };
	const uint8_t *userdata = p;

	(void)row;
	p += 16;
	len -= 16;
	while (len) {
		size_t one = len >= 4 ? be16_load(p + 2) : 0;

		if (one < 4 || one > len || ACTION_ROUND(one) > len ||
		    !read_property(&head, &userdata, be16_load(p), p + 4, one - 4))
			return (enum of_error)error_set(d->err, OFERR_ACT_BAD_ARGUMENT,
							"controller: a property is malformed");
		p += ACTION_ROUND(one);
		len -= ACTION_ROUND(one);
	}
	return append_controller(d, &head, userdata);
}

static uint8_t *put_property(struct action_encode *e, unsigned type, size_t len)
{
	uint8_t *p = action_encode_bytes(e, ACTION_ROUND(4 + len));

	be16_store(p, (uint16_t)type);
	be16_store(p + 2, (uint16_t)(4 + len));
	return p + 4;
}

static void put_userdata(struct action_encode *e, const struct action_controller *a)
{
	size_t len = 4u + a->userdata_len;
	uint8_t *p = action_encode_bytes(e, 4);

	be16_store(p, PROP_USERDATA);
	be16_store(p + 2, (uint16_t)len);
	action_encode_copy(e, a->userdata, a->userdata_len);
	action_encode_bytes(e, ACTION_ROUND(len) - len);
}

static void encode_controller2(struct action_encode *e, const struct action_controller *a)
{
	size_t start = *e->n;

	action_encode_nx(e, NX_CONTROLLER2, 16);
	if (a->max_len != CONTROLLER_WHOLE)
		be16_store(put_property(e, PROP_MAX_LEN, 4), a->max_len);
	if (a->id)
		be16_store(put_property(e, PROP_ID, 4), a->id);
	if (a->reason != 1)
		*put_property(e, PROP_REASON, 1) = a->reason;
	if (a->userdata_len)
		put_userdata(e, a);
	if (a->pause)
		put_property(e, PROP_PAUSE, 0);
	if (a->has_meter)
		be32_store(put_property(e, PROP_METER, 4), a->meter);
	action_encode_end(e, start);
}

void action_encode_controller(struct action_encode *e, const struct action *action)
{
	const struct action_controller *a = (const void *)action;
	uint8_t *p;

	if (a->userdata_len || a->pause || a->has_meter) {
		encode_controller2(e, a);
		return;
	}
	p = action_encode_nx(e, NX_CONTROLLER, 16);
	be16_store(p + 10, a->max_len);
	be16_store(p + 12, a->id);
	p[14] = a->reason;
}

/* ---- queues, groups, meters */

enum of_error action_decode_enqueue(struct action_decode *d, const struct action_row *row,
				    const uint8_t *p, size_t len)
{
	uint32_t port = action_port16(be16_load(p + 4));
	struct action_queue *a;

	(void)row;
	(void)len;
	if (port >= OFPORT_MAX && port != OFPORT_IN_PORT && port != OFPORT_LOCAL)
		return bad_port(d, port);
	a = actions_append(d->list, ACTION_ENQUEUE, sizeof(*a));
	if (!a)
		return action_no_room(d->err);
	a->port = port;
	a->queue = be32_load(p + 12);
	return OFERR_NONE;
}

static void put_set_queue(struct action_encode *e, uint32_t queue)
{
	if (e->version == OF10)
		be32_store(action_encode_nx(e, NX_SET_QUEUE, 16) + 12, queue);
	else
		be32_store(action_encode_plain(e, SET_QUEUE13, 8) + 4, queue);
}

void action_encode_enqueue(struct action_encode *e, const struct action *action)
{
	const struct action_queue *a = (const void *)action;
	uint8_t *p;

	if (e->version == OF10) {
		p = action_encode_plain(e, ENQUEUE10, 16);
		be16_store(p + 4, (uint16_t)a->port);
		be32_store(p + 12, a->queue);
	} else {
		put_set_queue(e, a->queue);
		be32_store(action_encode_plain(e, OUTPUT13, 16) + 4, a->port);
		action_encode_nx(e, NX_POP_QUEUE, 16);
	}
}

/* A queue, a group or a meter. */
enum of_error action_decode_number(struct action_decode *d, const struct action_row *row,
				   const uint8_t *p, size_t len)
{
	uint32_t number = be32_load(p + (row->space == SPACE_NX ? 12 : 4));
	size_t size = row->kind == ACTION_SET_QUEUE ? sizeof(struct action_queue)
						    : sizeof(struct action_group);
	void *a = actions_append(d->list, row->kind, size);

	(void)len;
	if (!a)
		return action_no_room(d->err);
	if (row->kind == ACTION_SET_QUEUE)
		((struct action_queue *)a)->queue = number;
	else
		((struct action_group *)a)->group = number;
	return OFERR_NONE;
}

void action_encode_number(struct action_encode *e, const struct action *action)
{
	const void *a = action;

	if (action->kind == ACTION_SET_QUEUE)
		put_set_queue(e, ((const struct action_queue *)a)->queue);
	else if (action->kind == ACTION_METER && e->version >= OF15)
		be32_store(action_encode_plain(e, METER15, 8) + 4,
			   ((const struct action_meter *)a)->meter);
	else if (action->kind == ACTION_GROUP && e->version == OF10)
		be32_store(action_encode_nx(e, NX_GROUP, 16) + 12,
			   ((const struct action_group *)a)->group);
	else if (action->kind == ACTION_GROUP)
		be32_store(action_encode_plain(e, GROUP13, 8) + 4,
			   ((const struct action_group *)a)->group);
}

/* ---- tables */

enum of_error action_decode_resubmit(struct action_decode *d, const struct action_row *row,
				     const uint8_t *p, size_t len)
{
	uint32_t port = action_port16(be16_load(p + 10));
	struct action_resubmit *a;

	(void)len;
	a = actions_append(d->list, ACTION_RESUBMIT, sizeof(*a));
	if (!a)
		return action_no_room(d->err);
	a->port = port;
	a->table = row->number == NX_RESUBMIT ? UINT8_MAX : p[12];
	a->old = a->table == UINT8_MAX && port != OFPORT_IN_PORT;
	return OFERR_NONE;
}

static void put_resubmit(struct action_encode *e, uint32_t port, uint8_t table)
{
	uint8_t *p = action_encode_nx(e, table == UINT8_MAX ? NX_RESUBMIT : NX_RESUBMIT_TABLE, 16);

	be16_store(p + 10, (uint16_t)port);
	if (table != UINT8_MAX)
		p[12] = table;
}

void action_encode_resubmit(struct action_encode *e, const struct action *action)
{
	const struct action_resubmit *a = (const void *)action;

	put_resubmit(e, a->port, a->table);
}

/* OpenFlow 1.0 has none. */
void action_encode_goto(struct action_encode *e, const struct action *action)
{
	put_resubmit(e, OFPORT_IN_PORT, ((const struct action_goto *)action)->table);
}

/* ---- those without arguments, and those with actions in them */

enum of_error action_decode_bare(struct action_decode *d, const struct action_row *row,
				 const uint8_t *p, size_t len)
{
	(void)p;
	(void)len;
	return actions_append(d->list, row->kind, sizeof(struct action)) ? OFERR_NONE
									 : action_no_room(d->err);
}

void action_encode_bare(struct action_encode *e, const struct action *action)
{
	static const struct {
		uint8_t kind, of10, of13, nx; /* numbers and one; 0: none */
	} plain[] = {
		{ ACTION_POP_VLAN, 3 + 1, 18 + 1, 0 },
		{ ACTION_DEC_MPLS_TTL, 0, 16 + 1, NX_DEC_MPLS_TTL + 1 },
		{ ACTION_POP_QUEUE, 0, 0, NX_POP_QUEUE + 1 },
		{ ACTION_EXIT, 0, 0, NX_EXIT + 1 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(plain); i++) {
		unsigned own = e->version == OF10 ? plain[i].of10 : plain[i].of13;

		if (plain[i].kind != action->kind)
			continue;
		if (own)
			action_encode_plain(e, own - 1, 8);
		else
			action_encode_nx(e, plain[i].nx - 1u, 16);
	}
}

enum of_error action_decode_clone(struct action_decode *d, const struct action_row *row,
				  const uint8_t *p, size_t len)
{
	struct action_decode inner = *d;
	uint32_t at = actions_open(d->list, row->kind);
	enum of_error error;

	if (at == ACTIONS_NONE)
		return action_no_room(d->err);
	inner.place = PLACE_ACTIONS;
	inner.depth++;
	error = action_decode_list(&inner, p + 16, len - 16);
	if (!error)
		actions_close(d->list, at);
	return error;
}

void action_encode_clone(struct action_encode *e, const struct action *action)
{
	size_t start = *e->n;

	action_encode_nx(e, NX_CLONE, 16);
	action_encode_list(e, ((const struct action_nested *)action)->actions,
			   action_nested_len(action));
	action_encode_end(e, start);
}

enum of_error action_decode_refused(struct action_decode *d, const struct action_row *row,
				    const uint8_t *p, size_t len)
{
	(void)p;
	(void)len;
	return (enum of_error)error_set(d->err, OFERR_ACT_BAD_TYPE, "%s is not supported",
					row->name);
}
