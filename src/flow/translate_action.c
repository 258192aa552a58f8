// SPDX-License-Identifier: Apache-2.0
/* Translation: what each action does. */
#include <string.h>

#include "flow/translate_private.h"

#define TCP_FIN 0x001u
#define TCP_RST 0x004u

/* OFPR (OpenFlow 1.5.1, 7.4.1) */
enum { REASON_ACTION = 1, REASON_INVALID_TTL, REASON_ACTION_SET, REASON_GROUP, REASON_PACKET_OUT };

/* ---- output */

/* To all ports, but for where it came from. */
static void flood(struct translation *t, bool all)
{
	const struct pipeline_port *ports = pipeline_ports(t->p);
	unsigned n = pipeline_n_ports(t->p);
	bool sent = false;

	if (!translate_work(t, n))
		return;
	for (unsigned i = 0; i < n && !t->stopped; i++) {
		if (ports[i].number == t->s.key.in_port || (!all && ports[i].no_flood) ||
		    ports[i].no_forward)
			continue;
		translate_send(t, ports[i].number, 0);
		sent = true;
	}
	if (!sent)
		translate_reason(t, DROP_no_output);
}

/* Metadata of the packet, as the message has it. */
static uint64_t metadata_map(const struct flow_key *key)
{
	const unsigned last = offsetof(struct flow_key, conj_id) / 8; /* not known to controllers */
	uint64_t map = 0;

	for (unsigned w = FLOW_KEY_PACKET_WORDS; w < last; w++)
		if (key->words[w])
			map |= 1ull << (w - FLOW_KEY_PACKET_WORDS);
	return map;
}

NEVER_INLINE void translate_controller(struct translation *t,
				       const struct action_controller *action)
{
	uint64_t map = metadata_map(&t->s.key);
	unsigned n = (unsigned)__builtin_popcountll(map), i = 0;
	struct plan_controller *step;

	translate_commit(t);
	step = translate_step(t, PLAN_CONTROLLER,
			      sizeof(*step) + n * sizeof(step->words[0]) + action->userdata_len,
			      action->id);
	if (!step)
		return;
	step->rule = t->rule;
	step->cookie = t->rule ? t->rule->cookie : UINT64_MAX;
	step->max_len = action->max_len;
	step->reason = action->reason;
	step->table = t->table;
	step->userdata_len = action->userdata_len;
	step->map = map;
	for (; map; map &= map - 1)
		step->words[i++] = t->s.key.words[FLOW_KEY_PACKET_WORDS + __builtin_ctzll(map)];
	memcpy(&step->words[i], action->userdata, action->userdata_len);
}

static void output_controller(struct translation *t, uint32_t max_len, unsigned id, unsigned reason)
{
	struct action_controller action = {
		.max_len = (uint16_t)min(max_len, CONTROLLER_WHOLE),
		.id = (uint16_t)id,
		.reason = (uint8_t)reason,
	};

	translate_controller(t, &action);
}

static unsigned output_reason(const struct translation *t)
{
	if (t->in->actions && !t->rule)
		return REASON_PACKET_OUT;
	if (t->in_group)
		return REASON_GROUP;
	return t->in_set ? REASON_ACTION_SET : REASON_ACTION;
}

/* "controller" without anything is an output to that port. */
static void to_controller(struct translation *t, const struct action_controller *action)
{
	if (action->reason == REASON_ACTION && !action->id && !action->userdata_len)
		output_controller(t, action->max_len, 0, output_reason(t));
	else
		translate_controller(t, action);
}

static void meter(struct translation *t, uint32_t id)
{
	struct meter *found = pipeline_meter(t->p, id);
	struct plan_meter *step;

	if (!found) {
		translate_note(t, "there is no meter %u", id);
		return;
	}
	translate_commit(t); /* it may change what it finds */
	step = translate_step(t, PLAN_METER, sizeof(*step), 0);
	if (!step)
		return;
	step->meter = found;
	if (meter_remarks(found))
		t->s.remarked = METER_REMARK_BITS;
}

/* What its meter drops, or changes, is the controller's copy alone. */
static NEVER_INLINE void metered_controller(struct translation *t,
					    const struct action_controller *action)
{
	struct translate_copy copy;

	translate_copy_begin(t, &copy);
	meter(t, action->meter);
	to_controller(t, action);
	translate_copy_end(t, &copy);
}

static void controller(struct translation *t, const struct action_controller *action)
{
	if (action->has_meter)
		metered_controller(t, action);
	else
		to_controller(t, action);
}

static void output_port(struct translation *t, uint32_t port, uint32_t max_len)
{
	if (port == t->s.key.in_port) {
		translate_note(t, "not back to the port that it came from");
		translate_reason(t, DROP_same_port);
	} else {
		translate_send(t, port, max_len);
	}
}

static void output_normal(struct translation *t)
{
	translate_commit(t);
	translate_step(t, PLAN_NORMAL, sizeof(struct plan_step), 0);
}

void translate_output(struct translation *t, uint32_t port, uint32_t max_len)
{
	switch (port) {
	case OFPORT_IN_PORT:
		translate_send(t, t->s.key.in_port, max_len);
		break;
	case OFPORT_TABLE:
		if (t->in->actions && !t->rule)
			translate_visit(t, 0, t->s.key.in_port, true);
		break;
	case OFPORT_NORMAL:
		output_normal(t);
		break;
	case OFPORT_FLOOD:
	case OFPORT_ALL:
		flood(t, port == OFPORT_ALL);
		break;
	case OFPORT_CONTROLLER:
		output_controller(t, max_len, 0, output_reason(t));
		break;
	case OFPORT_NONE:
		break;
	default:
		output_port(t, port, max_len);
		break;
	}
}

/* Ports in fields are of 16 bits, or of 32 (OpenFlow 1.5.1, 7.2.1). OFPORT_NONE: it is none. */
static uint32_t port_of(u128 value)
{
	if (value <= UINT16_MAX)
		return value < (OFPORT_MAX & UINT16_MAX) ? (uint32_t)value
							 : (uint32_t)value | 0xffff0000u;
	return value >= OFPORT_MAX && value <= UINT32_MAX ? (uint32_t)value : OFPORT_NONE;
}

/* A limit of length is for the controller only. */
static void output_reg(struct translation *t, const struct action_output_reg *action)
{
	uint32_t port = port_of(translate_read(t, &action->from));

	translate_output(t, port, port == OFPORT_CONTROLLER ? action->max_len : 0);
}

static void enqueue(struct translation *t, const struct action_queue *action)
{
	uint32_t queue = t->s.queue;

	t->s.queue = action->queue;
	if (action->port == OFPORT_IN_PORT)
		translate_send(t, t->s.key.in_port, 0);
	else
		output_port(t, action->port, 0);
	t->s.queue = queue;
}

/* ---- fields */

/* mod_tp_src and mod_tp_dst are for all protocols that have ports, and their fields are in one
 * place. */
static bool has_ports(struct translation *t, const struct action_set_field *action)
{
	return action->style == SET_STYLE_MOD &&
	       (action->field->id == FIELD_tcp_src || action->field->id == FIELD_tcp_dst) &&
	       (translate_present(t, &fields[FIELD_udp_src]) ||
		translate_present(t, &fields[FIELD_sctp_src]));
}

static void set_field(struct translation *t, const struct action_set_field *action)
{
	if (translate_present(t, action->field) || has_ports(t, action))
		translate_write(t, action->field, action->value, action->mask);
	else
		translate_note(t, "the packet has no %s", action->field->name);
}

static void move(struct translation *t, const struct action_move *action)
{
	if (translate_present(t, action->to.field) && translate_present(t, action->from.field))
		translate_write_sub(t, &action->to, translate_read(t, &action->from));
	else
		translate_note(t, "the packet does not have both fields");
}

/* mod_vlan_vid, mod_vlan_pcp: in a tag that is made when there is none. */
static void set_vlan(struct translation *t, const struct action_vlan *action, bool vid)
{
	const struct field *field = &fields[FIELD_vlan_tci];
	uint16_t bits = vid ? 0x0fff : 0xe000;
	uint16_t value = vid ? action->value & bits : (uint16_t)(action->value << 13);

	translate_write(t, field, value | FLOW_VLAN_PRESENT, bits | FLOW_VLAN_PRESENT);
}

/* Tells all who are to be told of packets whose time to live is over. */
static void ttl_over(struct translation *t, const struct action_ids *ids)
{
	translate_note(t, "its time to live is over");
	translate_reason(t, DROP_flow_ttl);
	if (!ids || !ids->n)
		output_controller(t, CONTROLLER_WHOLE, 0, REASON_INVALID_TTL);
	for (unsigned i = 0; ids && i < ids->n; i++)
		output_controller(t, CONTROLLER_WHOLE, ids->ids[i], REASON_INVALID_TTL);
}

static bool dec_ttl(struct translation *t, const struct action_ids *ids)
{
	const struct subfield ttl = { &fields[FIELD_nw_ttl], 0, 8 };
	u128 value;

	if (!translate_present(t, ttl.field))
		return true;
	value = translate_read(t, &ttl);
	if (value > 1)
		translate_write_sub(t, &ttl, value - 1);
	else
		ttl_over(t, ids);
	return value > 1;
}

static bool dec_mpls_ttl(struct translation *t)
{
	const struct subfield ttl = { &fields[FIELD_mpls_ttl], 0, 8 };
	u128 value;

	if (!translate_present(t, ttl.field))
		return true;
	value = translate_read(t, &ttl);
	if (value > 1)
		translate_write_sub(t, &ttl, value - 1);
	else
		ttl_over(t, NULL);
	return value > 1;
}

/* ---- the stack */

static void stack_push(struct translation *t, const struct action_stack *action)
{
	struct translate_pushed *pushed = &t->pushed[t->n_pushed];

	if (t->n_pushed == TRANSLATE_PUSHES_MAX) {
		translate_stop(t, "more than 2048 values pushed on the stack");
		return;
	}
	pushed->value = translate_read(t, &action->sub);
	pushed->n_bits = action->sub.n_bits;
	pushed->below = t->top;
	t->top = ++t->n_pushed;
}

static void stack_pop(struct translation *t, const struct action_stack *action)
{
	const struct translate_pushed *pushed;

	if (!t->top) {
		translate_note(t, "the stack is empty");
		return;
	}
	pushed = &t->pushed[t->top - 1];
	if (t->top == t->n_pushed && t->n_pushed > t->pushed_floor)
		t->n_pushed--;
	t->top = pushed->below;
	if (translate_present(t, action->sub.field))
		translate_write_sub(t, &action->sub, pushed->value);
}

/* ---- others */

static void check_len(struct translation *t, const struct action_check_len *action)
{
	uint64_t len = (uint64_t)((int64_t)t->in->len + t->s.grown);

	t->out->cacheable = false;
	t->out->why_not = "check_pkt_larger depends on the length, which is not in the key";
	translate_write_sub(t, &action->to, len > action->len);
}

static void fin_timeout(struct translation *t, const struct action_fin_timeout *action)
{
	struct plan_fin_timeout *step;

	if (!t->rule || !translate_present(t, &fields[FIELD_tcp_flags]))
		return;
	translate_examine_field(t, FIELD_tcp_flags, TCP_FIN | TCP_RST);
	if (!(t->s.key.tcp_flags & (TCP_FIN | TCP_RST)))
		return;
	step = translate_step(t, PLAN_FIN_TIMEOUT, sizeof(*step), 0);
	if (!step)
		return;
	step->rule = t->rule;
	step->idle = action->idle;
	step->hard = action->hard;
}

static void bundle(struct translation *t, const struct action_bundle *action)
{
	uint32_t port = translate_bundle(t, action);

	if (action->has_to)
		translate_write_sub(t, &action->to, port);
	else
		translate_output(t, port, 0);
}

static void clear_set(struct translation *t)
{
	t->n_set = t->set_first;
	t->set_has_group = false;
	t->s.key.actset_output = PORT_UNSET;
}

static void write_metadata(struct translation *t, const struct action_metadata *action)
{
	t->s.key.metadata = (t->s.key.metadata & ~action->mask) | (action->value & action->mask);
}

/* Actions that change fields; false: it is none. */
static bool change(struct translation *t, const struct action *action, bool *go_on)
{
	const void *a = action;

	switch (action->kind) {
	case ACTION_SET_FIELD:
		set_field(t, a);
		return true;
	case ACTION_MOVE:
		move(t, a);
		return true;
	case ACTION_PUSH_VLAN:
		translate_push_vlan(t, ((const struct action_vlan *)a)->value, 0);
		return true;
	case ACTION_POP_VLAN:
		translate_pop_vlan(t);
		return true;
	case ACTION_SET_VLAN_VID:
	case ACTION_SET_VLAN_PCP:
		set_vlan(t, a, action->kind == ACTION_SET_VLAN_VID);
		return true;
	case ACTION_PUSH_MPLS:
		translate_push_mpls(t, ((const struct action_mpls *)a)->ethertype);
		return true;
	case ACTION_POP_MPLS:
		translate_pop_mpls(t, ((const struct action_mpls *)a)->ethertype);
		return true;
	case ACTION_DEC_TTL:
		*go_on = dec_ttl(t, a);
		return true;
	case ACTION_DEC_MPLS_TTL:
		*go_on = dec_mpls_ttl(t);
		return true;
	case ACTION_STACK_PUSH:
		stack_push(t, a);
		return true;
	case ACTION_STACK_POP:
		stack_pop(t, a);
		return true;
	case ACTION_WRITE_METADATA:
		write_metadata(t, a);
		return true;
	default:
		return false;
	}
}

NEVER_INLINE bool translate_simple(struct translation *t, const struct action *action)
{
	const void *a = action;
	bool go_on = true;

	if (change(t, action, &go_on))
		return go_on;
	switch (action->kind) {
	case ACTION_OUTPUT_REG:
		output_reg(t, a);
		break;
	case ACTION_CONTROLLER:
		controller(t, a);
		break;
	case ACTION_ENQUEUE:
		enqueue(t, a);
		break;
	case ACTION_SET_QUEUE:
		t->s.queue = ((const struct action_queue *)a)->queue;
		break;
	case ACTION_POP_QUEUE:
		t->s.queue = NO_QUEUE;
		break;
	case ACTION_LEARN:
		translate_learn(t, a);
		break;
	case ACTION_MULTIPATH:
		translate_multipath(t, a);
		break;
	case ACTION_BUNDLE:
		bundle(t, a);
		break;
	case ACTION_CHECK_PKT_LARGER:
		check_len(t, a);
		break;
	case ACTION_EXIT:
		t->exited = true;
		break;
	case ACTION_FIN_TIMEOUT:
		fin_timeout(t, a);
		break;
	case ACTION_METER:
		meter(t, ((const struct action_meter *)a)->meter);
		break;
	case ACTION_CLEAR_ACTIONS:
		clear_set(t);
		break;
	default: /* note, conjunction: nothing when carried out */
		break;
	}
	return go_on;
}

/* ---- those that lead on */

static void resubmit(struct translation *t, const struct action_resubmit *action)
{
	uint32_t port = action->port == OFPORT_IN_PORT ? t->s.key.in_port : action->port;

	translate_visit(t, action->table == 255 ? t->table : action->table, port, false);
}

/* The copy ends with the action set that the packet has by then; exit ends not the copy alone. (So
 * it is in Open vSwitch.) */
static NEVER_INLINE void run_clone(struct translation *t, const struct action_nested *action)
{
	uint32_t floor = t->pushed_floor, top = t->top, n_pushed = t->n_pushed;
	unsigned set_first = t->set_first, n_set = t->n_set, n = n_set - set_first;
	bool has_group = t->set_has_group;
	struct translate_copy copy;

	if (n > TRANSLATE_SET_MAX - n_set)
		translate_stop(t, "more than 256 write_actions");
	if (!translate_work(t, n))
		return;
	memcpy(&t->set[n_set], &t->set[set_first], n * sizeof(t->set[0]));
	t->set_first = n_set;
	t->n_set = n_set + n;
	translate_copy_begin(t, &copy);
	t->pushed_floor = n_pushed;
	t->indent++;
	translate_list(t, action->actions, action->action.len - sizeof(action->action));
	translate_own_set(t);
	t->indent--;
	translate_copy_end(t, &copy);
	t->pushed_floor = floor;
	t->top = top;
	t->n_pushed = n_pushed;
	t->set_first = set_first;
	t->n_set = n_set;
	t->set_has_group = has_group;
}

/* actset_output is the port of an output, unless there is a group (OpenFlow 1.5.1, 7.2.3.8). */
static void note_output(struct translation *t, const struct action_nested *action)
{
	ACTIONS_FOR_EACH(a, action->actions, action->action.len - sizeof(action->action))
	{
		if (t->set_has_group)
			return;
		if (a->kind == ACTION_OUTPUT) {
			t->s.key.actset_output = ((const struct action_output *)a)->port;
		} else if (a->kind == ACTION_GROUP) {
			t->s.key.actset_output = PORT_UNSET;
			t->set_has_group = true;
		}
	}
}

static void write_actions(struct translation *t, const struct action_nested *action)
{
	if (t->n_set == TRANSLATE_SET_MAX) {
		translate_stop(t, "more than 256 write_actions");
		return;
	}
	translate_note(t, "kept for the end");
	note_output(t, action);
	t->set[t->n_set++] = (struct translate_segment){
		action->actions,
		(uint32_t)(action->action.len - sizeof(action->action)),
	};
}

bool translate_nested(struct translation *t, const struct action *action)
{
	const void *a = action;

	switch (action->kind) {
	case ACTION_OUTPUT:
		translate_output(t, ((const struct action_output *)a)->port,
				 ((const struct action_output *)a)->max_len);
		break;
	case ACTION_RESUBMIT:
		resubmit(t, a);
		break;
	case ACTION_GROUP:
		translate_group(t, ((const struct action_group *)a)->group);
		break;
	case ACTION_CLONE:
		run_clone(t, a);
		break;
	case ACTION_WRITE_ACTIONS:
		write_actions(t, a);
		break;
	case ACTION_GOTO_TABLE:
		t->next = ((const struct action_goto *)a)->table;
		return false;
	default:
		break;
	}
	return true;
}
