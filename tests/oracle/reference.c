// SPDX-License-Identifier: Apache-2.0
/* The reference: tables, actions, action sets (see reference.h). Groups and other choices are in
 * reference_choice.c, what changes packets is in reference_change.c.
 */
#include <assert.h>
#include <limits.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "reference_private.h"

#define MISS_LEN 128

bool reference_tell;
enum meter_verdict (*reference_meter)(uint32_t id, uint32_t len, uint8_t *levels);

enum meter_verdict meter_says(bool remarks, const struct frame *frame, unsigned n, uint8_t *levels)
{
	unsigned which = (frame->len + n) % 5;

	*levels = (uint8_t)which;
	return !which ? METER_DROP : which < 3 && remarks ? METER_REMARK : METER_PASS;
}

void reference_credit(struct run *r, const struct expect *e)
{
	assert(r->out->n_credits < CREDITS_MAX);
	r->out->credits[r->out->n_credits++] = (struct expect *)e;
}

struct record *reference_record(struct run *r, enum record_kind kind)
{
	struct record *record = &r->ignored;

	reference_sync(r);
	if (!r->dead) {
		assert(r->out->records.n < RECORDS_MAX);
		record = &r->out->records.list[r->out->records.n++];
	}
	memset(record, 0, offsetof(struct record, frame));
	record->kind = kind;
	record->frame = r->s.frame;
	return record;
}

/* ---- outputs */

static const struct pipeline_port *find_port(const struct world *w, uint32_t number)
{
	for (unsigned i = 0; i < w->n_ports; i++)
		if (w->ports[i].number == number)
			return &w->ports[i];
	return NULL;
}

bool reference_port_live(const struct world *w, uint32_t number)
{
	const struct pipeline_port *p = find_port(w, number);

	return p && p->live;
}

static void send_to(struct run *r, uint32_t number, uint32_t max_len)
{
	const struct pipeline_port *p = find_port(r->w, number);
	struct record *record;

	if (!p || p->no_forward)
		return;
	record = reference_record(r, RECORD_OUTPUT);
	record->port = number;
	record->queue = r->s.queue;
	if (max_len && max_len < record->frame.len)
		record->frame.len = max_len < ETH_HLEN ? ETH_HLEN : max_len;
}

void reference_to_controller(struct run *r, uint32_t id, uint32_t max_len, uint8_t reason,
			     unsigned userdata_len)
{
	struct record *record = reference_record(r, RECORD_CONTROLLER);

	record->port = id;
	record->max_len = max_len;
	record->reason = reason;
	record->rule = r->rule;
	record->cookie = r->rule ? r->rule->cookie : UINT64_MAX;
	record->table = r->table;
	record->userdata_len = (uint8_t)userdata_len;
	record->match.key = r->s.key;
	memset(&record->match.key, 0, 8 * FLOW_KEY_PACKET_WORDS);
	record->match.key.actset_output = record->match.key.conj_id = 0;
}

void reference_output(struct run *r, uint32_t port, uint32_t max_len)
{
	switch (port) {
	case OFPORT_IN_PORT:
		send_to(r, r->s.key.in_port, max_len);
		return;
	case OFPORT_NORMAL:
		reference_record(r, RECORD_NORMAL);
		return;
	case OFPORT_FLOOD:
	case OFPORT_ALL:
		for (unsigned i = 0; i < r->w->n_ports; i++)
			if (r->w->ports[i].number != r->s.key.in_port &&
			    (port == OFPORT_ALL || !r->w->ports[i].no_flood))
				send_to(r, r->w->ports[i].number, 0);
		return;
	case OFPORT_CONTROLLER:
		/* OFPR_GROUP, OFPR_ACTION_SET, OFPR_APPLY_ACTION */
		reference_to_controller(r, 0, max_len, r->in_group ? 4 : r->in_set ? 3 : 1, 0);
		return;
	default:
		if (port != r->s.key.in_port)
			send_to(r, port, max_len);
		return;
	}
}

/* ---- tables */

static bool is_met(const struct world_rule *rule, uint8_t table, const struct flow_key *key)
{
	return !rule->gone && rule->rule->table == table && match_covers(&rule->match, key);
}

/* The rule of the highest priority that is no clause of a conjunction. */
static const struct world_rule *find_hard(struct run *r, uint8_t table, const struct flow_key *key)
{
	const struct world_rule *best = NULL;
	bool tie = false;

	for (unsigned i = 0; i < r->w->n_rules; i++) {
		const struct world_rule *rule = &r->w->rules[i];

		if (rule->is_clause || !is_met(rule, table, key))
			continue;
		if (!best || rule->rule->priority > best->rule->priority) {
			best = rule;
			tie = false;
		} else if (rule->rule->priority == best->rule->priority) {
			tie = true;
		}
	}
	/* nobody says which of two is met */
	if (tie)
		r->out->unsure = true;
	return best;
}

/* The highest priority below @below of clauses that are met; -1: there are none. */
static int next_clauses(const struct run *r, uint8_t table, const struct flow_key *key, int below)
{
	int top = -1;

	for (unsigned i = 0; i < r->w->n_rules; i++) {
		const struct world_rule *rule = &r->w->rules[i];

		if (rule->is_clause && rule->rule->priority < below && rule->rule->priority > top &&
		    is_met(rule, table, key))
			top = rule->rule->priority;
	}
	return top;
}

/* Whether all clauses of conjunction @id are met at @priority. */
static bool is_whole(const struct run *r, uint8_t table, const struct flow_key *key, int priority,
		     uint32_t id)
{
	unsigned met = 0, n = 0;

	for (unsigned i = 0; i < r->w->n_rules; i++) {
		const struct world_rule *rule = &r->w->rules[i];

		if (!rule->is_clause || rule->rule->priority != priority ||
		    !is_met(rule, table, key))
			continue;
		ACTIONS_FOR_EACH(a, rule->rule->actions.bytes, rule->rule->actions.len)
		{
			const struct action_conjunction *c = (const void *)a;

			if (c->id == id) {
				met |= 1u << c->clause;
				n = c->n_clauses;
			}
		}
	}
	return n && met == (1u << n) - 1;
}

/* Whether a clause stands in front of a rule with the same match: while a conjunction is looked
 * for, Open vSwitch does not see such rules, and nobody says that it should be so. */
static bool clause_hides(const struct run *r, uint8_t table, const struct flow_key *key)
{
	for (unsigned i = 0; i < r->w->n_rules; i++) {
		const struct world_rule *clause = &r->w->rules[i];

		for (unsigned j = 0;
		     clause->is_clause && is_met(clause, table, key) && j < r->w->n_rules; j++) {
			const struct world_rule *rule = &r->w->rules[j];

			if (!rule->gone && !rule->is_clause && rule->rule->table == table &&
			    match_equal(&rule->match, &clause->match))
				return true;
		}
	}
	return false;
}

/* ovs-fields(7), "conjunctive match fields" */
static const struct world_rule *look_up(struct run *r, uint8_t table, uint32_t in_port)
{
	const struct world_rule *hard, *found = NULL;
	struct flow_key key = r->s.key;
	int least, top = INT_MAX;

	key.in_port = in_port;
	/* OFPC_FRAG_NORMAL: ports of fragments are 0 */
	if (r->w->frags != 3 && (key.nw_frag & FLOW_FRAG_ANY))
		key.tp_src = key.tp_dst = 0;
	hard = find_hard(r, table, &key);
	least = hard ? hard->rule->priority : -1;
	while (!found && (top = next_clauses(r, table, &key, top)) >= least && top >= 0)
		for (uint32_t id = 1; id <= CONJUNCTIONS; id++) {
			if (!is_whole(r, table, &key, top, id))
				continue;
			if (found || top == least || clause_hides(r, table, &key))
				r->out->unsure = true;
			key.conj_id = id;
			found = find_hard(r, table, &key);
			key.conj_id = 0;
		}
	if (found)
		r->out->n_conjunctions++;
	return found ? found : hard;
}

static void missed(struct run *r, enum table_miss miss)
{
	const struct pipeline_port *in = find_port(r->w, r->start_port);

	if (miss == MISS_CONTROLLER && !(in && in->no_packet_in))
		reference_to_controller(r, 0, MISS_LEN, 0, 0);
}

static void tell(uint8_t table, const struct world_rule *rule)
{
	char text[1024] = "no rule";

	if (rule)
		match_print(&rule->match, text, sizeof(text));
	printf("  table %u, priority %d: %s\n", table, rule ? rule->rule->priority : -1, text);
}

/* One table, and those that it leads to. @resubmitted: then a miss is nothing. */
void reference_visit(struct run *r, uint8_t table, uint32_t in_port, bool resubmitted)
{
	const struct rule *old_rule = r->rule;
	uint8_t old_table = r->table;

	while (table < RULE_TABLES && r->s.key.in_port < UINT32_MAX) {
		const struct world_table *t = &r->w->tables[table];
		const struct world_rule *rule;

		/* OFPC_FRAG_DROP */
		if (r->w->frags == 1 && (r->s.key.nw_frag & FLOW_FRAG_ANY))
			break;
		reference_credit(r, &t->lookups);
		r->table = table;
		rule = look_up(r, table, in_port);
		if (reference_tell)
			tell(table, rule);
		r->rule = rule ? rule->rule : NULL;
		if (!rule && !resubmitted && t->miss == MISS_CONTINUE) {
			table++;
			continue;
		}
		if (!rule) {
			if (!resubmitted)
				missed(r, t->miss);
			break;
		}
		reference_credit(r, &t->matches);
		reference_credit(r, &rule->expect);
		r->next = UINT8_MAX;
		reference_list(r, rule->rule->actions.bytes, rule->rule->actions.len);
		table = r->next;
		r->next = UINT8_MAX;
		in_port = r->s.key.in_port;
		resubmitted = false;
	}
	r->rule = old_rule;
	r->table = old_table;
}

/* ---- others */

static void output_reg(struct run *r, const struct action_output_reg *a)
{
	uint32_t port =
		(uint32_t)reference_get_part(r, &a->from); /* 16 bits: those of OpenFlow 1.0 */

	if (port >= 0xff00)
		port |= 0xffff0000u;
	reference_output(r, port, port == OFPORT_CONTROLLER ? a->max_len : 0);
}

static void enqueue(struct run *r, const struct action_queue *a)
{
	uint32_t old = r->s.queue;

	r->s.queue = a->queue;
	reference_output(r, a->port, 0);
	r->s.queue = old;
}

static void fin_timeout(struct run *r)
{
	if (!r->rule || !field_present(&fields[FIELD_tcp_flags], &r->s.key, NULL) ||
	    !(r->s.key.tcp_flags & 5))
		return;
	reference_record(r, RECORD_FIN)->rule = r->rule;
}

/* The rest of the way is not for this packet, or this copy. */
static enum meter_verdict ask_meter(struct run *r, uint32_t id, uint8_t *levels)
{
	if (reference_meter)
		return reference_meter(id, r->s.frame.len, levels);
	return meter_says(meter_remarks(r->w->meters[id]), &r->start_frame, r->n_meters++, levels);
}

static void meter(struct run *r, uint32_t id)
{
	uint8_t levels, tos;

	if (id > METERS || !id || r->dead)
		return;
	reference_record(r, RECORD_METER)->port = id;
	switch (ask_meter(r, id, &levels)) {
	case METER_PASS:
		break;
	case METER_DROP:
		r->dead = true;
		break;
	case METER_REMARK:
		tos = r->s.key.nw_tos ^ r->s.remark;
		r->s.remark = r->s.key.nw_tos ^ reference_remark(tos, levels);
		break;
	}
}

static void learn(struct run *r, const struct action_learn *a)
{
	struct record *record = reference_record(r, RECORD_LEARN);

	record->rule = r->rule;
	record->cookie = a->cookie;
	record->table = a->table;
	record->port = a->priority;
	record->frame.len = 0;
	for (uint32_t i = 0; i < a->n_specs; i++) {
		const struct learn_spec *s = &a->specs[i];
		u128 value = s->kind == LEARN_MATCH_VALUE || s->kind == LEARN_LOAD_VALUE
				     ? s->value
				     : reference_get_part(r, &s->from);
		u128 ones = ((u128)1 << s->to.n_bits) - 1;

		if (s->kind == LEARN_MATCH_FIELD || s->kind == LEARN_MATCH_VALUE) {
			match_set(&record->match, s->to.field, value << s->to.first,
				  ones << s->to.first);
		} else if (s->kind == LEARN_OUTPUT) {
			record_put(record, 1, OFPORT_NONE, value, 0);
		} else {
			record_put(record, 0, s->to.field->id, value << s->to.first,
				   ones << s->to.first);
		}
	}
	if (a->has_result)
		reference_set_part(r, &a->result, world_has_room(r->w, a, &record->match));
	assert(r->out->n_lessons < LESSONS_MAX);
	r->out->lessons[r->out->n_lessons++] = *record;
}

static void run_clone(struct run *r, const struct action_nested *a)
{
	struct copy copy = { r->s, r->dead, r->n_stack, r->n_set };
	uint8_t n_set = r->n_set;
	struct segment set[SET_MAX];
	u128 stack[STACK_MAX];

	memcpy(set, r->set, sizeof(set));
	memcpy(stack, r->stack, sizeof(stack));
	reference_list(r, a->actions, a->action.len - sizeof(a->action));
	reference_own_set(r);
	memcpy(r->set, set, sizeof(set));
	memcpy(r->stack, stack, sizeof(stack));
	r->n_set = n_set;
	r->s = copy.s;
	r->dead = copy.dead;
	r->n_stack = copy.n_stack;
}

static void lead_on(struct run *r, const struct action *action)
{
	const struct action_resubmit *resubmit = (const void *)action;
	const struct action_nested *nested = (const void *)action;

	switch (action->kind) {
	case ACTION_GROUP:
		reference_group(r, ((const struct action_group *)action)->group);
		break;
	case ACTION_RESUBMIT:
		reference_visit(
			r, resubmit->table == 255 ? r->table : resubmit->table,
			resubmit->port == OFPORT_IN_PORT ? r->s.key.in_port : resubmit->port, true);
		break;
	case ACTION_CLONE:
		run_clone(r, nested);
		break;
	case ACTION_WRITE_ACTIONS:
		assert(r->n_set < SET_MAX);
		r->set[r->n_set++] =
			(struct segment){ nested->actions, action->len - sizeof(*action) };
		break;
	case ACTION_CLEAR_ACTIONS:
		r->n_set = 0;
		break;
	default:
		break;
	}
}

/* Its meter is for its copy alone. With nothing special, it is an output to that port. */
static void controller(struct run *r, const struct action_controller *a)
{
	bool dead = r->dead;
	uint8_t remark = r->s.remark;

	if (a->has_meter)
		meter(r, a->meter);
	if (a->reason == 1 && !a->id && !a->userdata_len)
		reference_output(r, OFPORT_CONTROLLER, a->max_len);
	else
		reference_to_controller(r, a->id, a->max_len, a->reason, a->userdata_len);
	r->dead = dead;
	r->s.remark = remark;
}

/* False: the list ends here. */
static bool carry_out(struct run *r, const struct action *action)
{
	const struct action_output *output = (const void *)action;
	const struct action_queue *queue = (const void *)action;
	const struct action_check_len *check = (const void *)action;
	bool go_on = true;

	if (reference_change(r, action, &go_on))
		return go_on;
	switch (action->kind) {
	case ACTION_OUTPUT:
		reference_output(r, output->port, output->max_len);
		break;
	case ACTION_OUTPUT_REG:
		output_reg(r, (const void *)action);
		break;
	case ACTION_CONTROLLER:
		controller(r, (const void *)action);
		break;
	case ACTION_ENQUEUE:
		enqueue(r, queue);
		break;
	case ACTION_SET_QUEUE:
		r->s.queue = queue->queue;
		break;
	case ACTION_POP_QUEUE:
		r->s.queue = UINT32_MAX;
		break;
	case ACTION_LEARN:
		learn(r, (const void *)action);
		break;
	case ACTION_MULTIPATH:
		reference_multipath(r, (const void *)action);
		break;
	case ACTION_BUNDLE:
		reference_bundle(r, (const void *)action);
		break;
	case ACTION_CHECK_PKT_LARGER:
		reference_sync(r);
		reference_set_part(r, &check->to, r->s.frame.len > check->len);
		break;
	case ACTION_EXIT:
		r->exited = true;
		break;
	case ACTION_FIN_TIMEOUT:
		fin_timeout(r);
		break;
	case ACTION_METER:
		meter(r, ((const struct action_meter *)action)->meter);
		break;
	case ACTION_GOTO_TABLE:
		r->next = ((const struct action_goto *)action)->table;
		return false;
	default:
		lead_on(r, action);
		break;
	}
	return true;
}

void reference_list(struct run *r, const uint8_t *bytes, size_t len)
{
	ACTIONS_FOR_EACH(a, bytes, len)
	if (r->exited || !carry_out(r, a) || r->exited)
		return;
}

/* ---- action sets */

/* The last of a kind that was written stands in for all of them (OpenFlow 1.5.1, 5.6). */
static const struct action *last_of(const struct segment *set, unsigned n, unsigned kind)
{
	const struct action *last = NULL;

	for (unsigned i = 0; i < n; i++)
		ACTIONS_FOR_EACH(a, set[i].bytes, set[i].len)
	if (a->kind == kind)
		last = a;
	return last;
}

static bool run_last(struct run *r, const struct segment *set, unsigned n, unsigned kind)
{
	const struct action *a = last_of(set, n, kind);

	return !a || carry_out(r, a);
}

void reference_set(struct run *r, const struct segment *set, unsigned n)
{
	static const uint8_t before[] = { ACTION_POP_VLAN,  ACTION_POP_MPLS, ACTION_PUSH_MPLS,
					  ACTION_PUSH_VLAN, ACTION_DEC_TTL,  ACTION_DEC_MPLS_TTL };
	static const uint8_t ends[] = { ACTION_GROUP, ACTION_OUTPUT, ACTION_RESUBMIT };
	const struct action *end = NULL;

	for (unsigned i = 0; i < sizeof(ends) && !end; i++)
		end = last_of(set, n, ends[i]);
	if (!end)
		return; /* the packet goes nowhere */
	for (unsigned i = 0; i < sizeof(before); i++)
		if (!run_last(r, set, n, before[i]))
			return;
	for (unsigned i = 0; i < n; i++)
		ACTIONS_FOR_EACH(a, set[i].bytes, set[i].len)
	if (a->kind == ACTION_SET_FIELD || a->kind == ACTION_SET_VLAN_VID ||
	    a->kind == ACTION_SET_VLAN_PCP)
		carry_out(r, a);
	carry_out(r, end);
}

void reference_own_set(struct run *r)
{
	struct segment set[SET_MAX];
	unsigned n = r->n_set;
	bool in_set = r->in_set;

	if (!n || r->exited)
		return;
	memcpy(set, r->set, sizeof(set));
	r->n_set = 0;
	r->in_set = true;
	reference_set(r, set, n);
	r->in_set = in_set;
}

void reference_run(const struct world *w, const struct frame *frame, uint32_t in_port,
		   struct choices *choices, struct reference_result *out)
{
	static struct run r; /* large */
	const struct pipeline_port *in = find_port(w, in_port);

	memset(&r, 0, sizeof(r));
	out->records.n = out->n_credits = 0;
	out->n_conjunctions = out->n_lessons = 0;
	out->unsure = false;
	choices->n = 0;
	r.w = w;
	r.out = out;
	r.choices = choices;
	r.start_port = in_port;
	r.start_frame = r.s.frame = *frame;
	r.s.queue = UINT32_MAX;
	r.next = UINT8_MAX;
	frame_key(frame, in_port, &r.s.key);
	if (in && in->no_receive)
		return;
	reference_visit(&r, 0, in_port, false);
	reference_own_set(&r);
}
