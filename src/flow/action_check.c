// SPDX-License-Identifier: Apache-2.0
/* Whether actions make sense behind a match: what is known of a packet is followed through tags and
 * labels that come and go, and each field that is read or written must be there (OpenFlow 1.5.1,
 * 6.4 and 7.2.3.8). */
#include <linux/if_ether.h>

#include "flow/action_private.h"

static enum of_error refuse(const struct action_check *c, enum of_error error,
			    const struct action *action, const char *what)
{
	return (enum of_error)error_set(c->err, (int)error, "%s: %s",
					action_row(action->kind)->name, what);
}

/* ---- what is known of the packet */

static const struct field *tci(void)
{
	return &fields[FIELD_vlan_tci];
}

static bool is_tagged(const struct match *match)
{
	return match->key.vlan[0].tci & match->mask.vlan[0].tci & FLOW_VLAN_PRESENT;
}

static void forget_network(struct match *match, unsigned ethertype)
{
	match_set(match, &fields[FIELD_eth_type], ethertype, UINT16_MAX);
	match->key.nw_proto = match->mask.nw_proto = 0;
	match->key.nw_frag = match->mask.nw_frag = 0;
}

static void push_tag(struct match *match)
{
	match->key.vlan[1] = match->key.vlan[0];
	match->mask.vlan[1] = match->mask.vlan[0];
	match_set(match, tci(), FLOW_VLAN_PRESENT, UINT16_MAX);
}

static void pop_tag(struct match *match)
{
	match->key.vlan[0] = match->key.vlan[1];
	match->mask.vlan[0] = match->mask.vlan[1];
	memset(&match->key.vlan[1], 0, sizeof(match->key.vlan[1]));
	memset(&match->mask.vlan[1], 0, sizeof(match->mask.vlan[1]));
}

/* What the packet is behind an action. */
static void advance(struct match *match, const struct action *action)
{
	const struct action_set_field *set = (const void *)action;

	switch (action->kind) {
	case ACTION_PUSH_VLAN:
		push_tag(match);
		break;
	case ACTION_POP_VLAN:
		pop_tag(match);
		break;
	case ACTION_SET_VLAN_VID:
	case ACTION_SET_VLAN_PCP:
		match_set(match, tci(), FLOW_VLAN_PRESENT, FLOW_VLAN_PRESENT);
		break;
	case ACTION_PUSH_MPLS:
	case ACTION_POP_MPLS:
		forget_network(match,
			       ((const struct action_mpls *)(const void *)action)->ethertype);
		break;
	case ACTION_SET_FIELD:
		if (set->field == tci())
			match_set(match, tci(), set->value, set->mask);
		break;
	default:
		break;
	}
}

/* ---- prerequisites */

static bool has(const struct action_check *c, enum field_prereq prereq)
{
	return !c->known || field_ensured(prereq, &c->match.key, &c->match.mask);
}

static enum of_error check_field(struct action_check *c, const struct action *action,
				 const struct field *field)
{
	if (has(c, field->prereq))
		return OFERR_NONE;
	return (enum of_error)error_set(c->err, OFERR_ACT_MATCH_INCONSISTENT,
					"%s: the match does not make sure that packets have %s",
					action_row(action->kind)->name, field->name);
}

/* OpenFlow 1.0's actions do nothing to packets that do not have the field. What a packet is when an
 * action set is carried out, nobody knows when it is written. */
static enum of_error check_lax(struct action_check *c, const struct action *action, bool ok)
{
	if (ok || c->limits->inconsistent || c->set)
		return OFERR_NONE;
	return refuse(c, OFERR_ACT_MATCH_INCONSISTENT, action,
		      "the match does not make sure that packets have what it changes");
}

static bool is_port(const struct field *field)
{
	return field->id == FIELD_tcp_src || field->id == FIELD_tcp_dst;
}

static bool is_of_connection(const struct field *field)
{
	return field->id == FIELD_ct_mark || field->id == FIELD_ct_label;
}

enum of_error action_check_set_field(struct action_check *c, const struct action *action)
{
	const struct action_set_field *a = (const void *)action;

	if (a->style >= SET_STYLE_MOD && is_port(a->field))
		return check_lax(c, action,
				 has(c, PREREQ_TCP) || has(c, PREREQ_UDP) || has(c, PREREQ_SCTP));
	if (a->style >= SET_STYLE_MOD)
		return check_lax(c, action, has(c, a->field->prereq));
	if (is_of_connection(a->field))
		return refuse(c, OFERR_ACT_BAD_SET_ARGUMENT, action,
			      "fields of connections are set by ct alone");
	if (a->field->id == FIELD_vlan_vid && !has(c, PREREQ_VLAN))
		return refuse(c, OFERR_ACT_MATCH_INCONSISTENT, action,
			      "the match does not make sure that packets have a VLAN tag");
	return check_field(c, action, a->field);
}

enum of_error action_check_move(struct action_check *c, const struct action *action)
{
	const struct action_move *a = (const void *)action;
	enum of_error error = check_field(c, action, a->from.field);

	if (!error && is_of_connection(a->to.field))
		return refuse(c, OFERR_ACT_BAD_SET_ARGUMENT, action,
			      "fields of connections are set by ct alone");
	return error ? error : check_field(c, action, a->to.field);
}

enum of_error action_check_stack(struct action_check *c, const struct action *action)
{
	return check_field(c, action, ((const struct action_stack *)action)->sub.field);
}

enum of_error action_check_multipath(struct action_check *c, const struct action *action)
{
	return check_field(c, action, ((const struct action_multipath *)action)->to.field);
}

enum of_error action_check_bundle(struct action_check *c, const struct action *action)
{
	const struct action_bundle *a = (const void *)action;

	return a->has_to ? check_field(c, action, a->to.field) : OFERR_NONE;
}

enum of_error action_check_check_len(struct action_check *c, const struct action *action)
{
	return check_field(c, action, ((const struct action_check_len *)action)->to.field);
}

/* ---- tags, labels, time to live */

enum of_error action_check_vlan(struct action_check *c, const struct action *action)
{
	switch (action->kind) {
	case ACTION_PUSH_VLAN:
		if (c->known && c->match.key.vlan[FLOW_VLANS - 1].tci & FLOW_VLAN_PRESENT)
			return refuse(c, OFERR_ACT_BAD_TAG, action, "there are two tags already");
		return OFERR_NONE;
	case ACTION_POP_VLAN:
		return check_lax(c, action, has(c, PREREQ_VLAN));
	case ACTION_POP_MPLS:
	case ACTION_DEC_MPLS_TTL:
		return check_lax(c, action, has(c, PREREQ_MPLS));
	case ACTION_DEC_TTL:
		return check_lax(c, action, has(c, PREREQ_IP));
	case ACTION_FIN_TIMEOUT:
		return check_lax(c, action, has(c, PREREQ_TCP));
	default:
		return OFERR_NONE;
	}
}

/* ---- where packets go */

static bool is_output_port(uint32_t port)
{
	return port < OFPORT_MAX || (port >= OFPORT_IN_PORT && port != OFPORT_NONE);
}

enum of_error action_check_output(struct action_check *c, const struct action *action)
{
	const struct action_output *a = (const void *)action;

	if (is_output_port(a->port))
		return OFERR_NONE;
	return refuse(c, OFERR_ACT_BAD_OUT_PORT, action, "there can be no such port");
}

enum of_error action_check_output_reg(struct action_check *c, const struct action *action)
{
	return check_field(c, action, ((const struct action_output_reg *)action)->from.field);
}

enum of_error action_check_enqueue(struct action_check *c, const struct action *action)
{
	uint32_t port = ((const struct action_queue *)action)->port;

	if (port < OFPORT_MAX || port == OFPORT_IN_PORT || port == OFPORT_LOCAL)
		return OFERR_NONE;
	return refuse(c, OFERR_ACT_BAD_OUT_PORT, action, "this port has no queues");
}

static enum of_error check_meter(struct action_check *c, const struct action *action,
				 uint32_t meter)
{
	if (!c->limits->meter_exists || c->limits->meter_exists(c->limits->arg, meter))
		return OFERR_NONE;
	return (enum of_error)error_set(c->err, OFERR_METER_INVALID, "%s: there is no meter %u",
					action_row(action->kind)->name, meter);
}

enum of_error action_check_meter(struct action_check *c, const struct action *action)
{
	return check_meter(c, action, ((const struct action_meter *)action)->meter);
}

enum of_error action_check_controller(struct action_check *c, const struct action *action)
{
	const struct action_controller *a = (const void *)action;

	return a->has_meter ? check_meter(c, action, a->meter) : OFERR_NONE;
}

enum of_error action_check_group(struct action_check *c, const struct action *action)
{
	uint32_t group = ((const struct action_group *)action)->group;

	if (!c->limits->group_exists || c->limits->group_exists(c->limits->arg, group))
		return OFERR_NONE;
	return (enum of_error)error_set(c->err, OFERR_ACT_BAD_OUT_GROUP, "there is no group %u",
					group);
}

enum of_error action_check_goto(struct action_check *c, const struct action *action)
{
	unsigned table = ((const struct action_goto *)action)->table;

	if (!c->limits->has_table || table > c->limits->table)
		return OFERR_NONE;
	return (enum of_error)error_set(c->err, OFERR_INST_BAD_TABLE_ID,
					"goto_table goes forward alone, not from table %u to %u",
					c->limits->table, table);
}

/* ---- learn */

/* What a learned rule is known to match. */
static void learn_match(struct match *match, const struct learn_spec *spec)
{
	match_set(match, spec->to.field, spec->value << spec->to.first,
		  bits_ones(spec->to.n_bits) << spec->to.first);
}

static enum of_error check_spec(struct action_check *c, struct action_check *learned,
				const struct action *action, const struct learn_spec *spec)
{
	enum of_error error = OFERR_NONE;

	if (spec->kind != LEARN_MATCH_VALUE && spec->kind != LEARN_LOAD_VALUE)
		error = check_field(c, action, spec->from.field);
	if (error || spec->kind == LEARN_OUTPUT)
		return error;
	error = check_field(learned, action, spec->to.field);
	if (spec->kind == LEARN_MATCH_VALUE)
		learn_match(&learned->match, spec);
	return error;
}

enum of_error action_check_learn(struct action_check *c, const struct action *action)
{
	const struct action_learn *a = (const void *)action;
	struct action_check learned = { .known = true, .limits = c->limits, .err = c->err };
	enum of_error error = OFERR_NONE;

	match_init(&learned.match);
	if (a->has_result)
		error = check_field(c, action, a->result.field);
	for (uint32_t i = 0; i < a->n_specs && !error; i++)
		error = check_spec(c, &learned, action, &a->specs[i]);
	return error;
}

/* ---- lists */

/* Those of which an action set holds one of each kind (OpenFlow 1.5.1, 5.6), and Nicira's that fit.
 */
static bool in_set(unsigned kind)
{
	switch (kind) {
	case ACTION_OUTPUT:
	case ACTION_CONTROLLER:
	case ACTION_ENQUEUE:
	case ACTION_SET_QUEUE:
	case ACTION_POP_QUEUE:
	case ACTION_SET_FIELD:
	case ACTION_MOVE:
	case ACTION_PUSH_VLAN:
	case ACTION_POP_VLAN:
	case ACTION_SET_VLAN_VID:
	case ACTION_SET_VLAN_PCP:
	case ACTION_PUSH_MPLS:
	case ACTION_POP_MPLS:
	case ACTION_DEC_TTL:
	case ACTION_DEC_MPLS_TTL:
	case ACTION_GROUP:
	case ACTION_CLONE:
	case ACTION_METER:
	case ACTION_RESUBMIT:
		return true;
	default:
		return false;
	}
}

static bool is_truncated(const struct action *action)
{
	const struct action_output *a = (const void *)action;

	return action->kind == ACTION_OUTPUT && a->max_len && a->port != OFPORT_CONTROLLER;
}

enum of_error action_check_nest(struct action_check *c, const struct action *action)
{
	const struct action_nested *a = (const void *)action;
	size_t len = action_nested_len(action);
	struct action_check before = *c;
	enum of_error error;

	c->set = c->set || action->kind == ACTION_WRITE_ACTIONS;
	if (action->kind == ACTION_WRITE_ACTIONS)
		ACTIONS_FOR_EACH(inner, a->actions, len)
	if (!in_set(inner->kind) || is_truncated(inner))
		return refuse(c, OFERR_ACT_BAD_TYPE, inner, "an action set cannot have it");
	error = action_check_list(c, a->actions, len);
	*c = before;
	return error;
}

/* A conjunction is alone, or with others and notes. */
static enum of_error check_conjunction(struct action_check *c, const uint8_t *bytes, size_t len)
{
	const struct action *conjunction = NULL, *other = NULL;

	ACTIONS_FOR_EACH(action, bytes, len)
	{
		if (action->kind == ACTION_CONJUNCTION)
			conjunction = action;
		else if (action->kind != ACTION_NOTE)
			other = action;
	}
	if (!conjunction || !other)
		return OFERR_NONE;
	return (enum of_error)error_set(c->err, OFERR_ACT_BAD_ARGUMENT,
					"conjunction can stand with note alone, not with %s",
					action_row(other->kind)->name);
}

enum of_error action_check_list(struct action_check *c, const uint8_t *bytes, size_t len)
{
	enum of_error error = check_conjunction(c, bytes, len);

	if (error)
		return error;
	ACTIONS_FOR_EACH(action, bytes, len)
	{
		const struct action_row *row = action_row(action->kind);

		error = row->check ? row->check(c, action) : OFERR_NONE;
		if (error)
			return error;
		advance(&c->match, action);
	}
	return OFERR_NONE;
}

enum of_error actions_check(const struct action_list *list, const struct match *match,
			    const struct action_limits *limits, struct error *err)
{
	struct action_check c = { .known = match, .limits = limits, .err = err };

	if (match)
		c.match = *match;
	else
		match_init(&c.match);
	if (action_check_order(list, err))
		return OFERR_ACT_UNSUPPORTED_ORDER;
	return action_check_list(&c, list->bytes, list->len);
}

/* ---- what is kept of the match */

/* mod_tp_src and mod_tp_dst set the port of whatever protocol a packet has. */
static void settle_port(struct action_set_field *a, const struct match *match)
{
	bool src = a->field->id == FIELD_tcp_src;

	if (a->style < SET_STYLE_MOD || !is_port(a->field))
		return;
	if (field_ensured(PREREQ_UDP, &match->key, &match->mask))
		a->field = &fields[src ? FIELD_udp_src : FIELD_udp_dst];
	else if (field_ensured(PREREQ_SCTP, &match->key, &match->mask))
		a->field = &fields[src ? FIELD_sctp_src : FIELD_sctp_dst];
}

static void settle(struct match *match, uint8_t *bytes, size_t len)
{
	for (size_t at = 0; at < len; at += ((struct action *)(void *)(bytes + at))->len) {
		struct action *action = (void *)(bytes + at);
		struct match inner = *match;

		if (action_is_nest(action))
			settle(&inner, ((struct action_nested *)action)->actions,
			       action_nested_len(action));
		else if (action->kind == ACTION_SET_VLAN_VID || action->kind == ACTION_SET_VLAN_PCP)
			((struct action_vlan *)action)->tagged = is_tagged(match);
		else if (action->kind == ACTION_SET_FIELD)
			settle_port((void *)action, match);
		advance(match, action);
	}
}

void actions_settle(struct action_list *list, const struct match *match)
{
	struct match known = *match;

	settle(&known, list->bytes, list->len);
}
