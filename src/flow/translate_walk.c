// SPDX-License-Identifier: Apache-2.0
/* Translation (see translate.h): the walk through tables, lists of actions and action sets. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "flow/classifier.h"
#include "flow/translate_private.h"

#define MISS_MAX_LEN 128 /* of a packet that no rule is for: bytes for the controller */

#define MASK_WORK 4 /* a mask of a table is as much to look at as so many actions */

#define FRAGS_DROP 1 /* OFPC_FRAG */
#define FRAGS_NX_MATCH 3

void translate_note(struct translation *t, const char *format, ...)
{
	const struct translate_story *story = t->in->story;
	char text[256];
	va_list args;

	if (!story || !story->note)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	story->note(story->arg, t->indent, text);
}

void translate_stop(struct translation *t, const char *what)
{
	if (t->stopped)
		return;
	t->stopped = true;
	t->limit->what = what;
	t->limit->rule = t->rule;
	translate_note(t, "dropped: %s", what);
}

void translate_reason(struct translation *t, enum drop_reason reason)
{
	t->has_reason = true;
	t->reason = reason;
}

void translate_credit(struct translation *t, struct tally *tally)
{
	if (!tally || t->stopped)
		return;
	if (t->out->n_credits == PLAN_CREDITS_MAX)
		translate_stop(t, "too much to be counted");
	else
		t->out->credits[t->out->n_credits++] = tally;
}

bool translate_deeper(struct translation *t)
{
	if (t->depth >= TRANSLATE_DEPTH_MAX)
		translate_stop(t, "more than 64 resubmits within each other");
	else if (t->n_resubmits >= TRANSLATE_RESUBMITS_MAX)
		translate_stop(t, "more than 4096 resubmits");
	if (t->stopped)
		return false;
	t->n_resubmits++;
	return true;
}

bool translate_work(struct translation *t, size_t n)
{
	t->n_work += n;
	if (t->n_work > TRANSLATE_WORK_MAX)
		translate_stop(
			t,
			"more than 262144 actions, buckets and ports, or 65536 masks to look at");
	return !t->stopped;
}

/* ---- tables */

/* Looks up; bits that were examined of the key as it is now are left in @seen. Ports of fragments
 * are 0, even if they are there, unless @frags says otherwise (see pipeline_set_frags()). */
static const struct rule *look_up_rule(struct translation *t, uint8_t table, uint8_t frags,
				       struct key_bits *seen)
{
	static const struct flow_key ports = { .tp_src = UINT16_MAX, .tp_dst = UINT16_MAX };
	const unsigned word = offsetof(struct flow_key, tp_src) / 8; /* of both */
	struct flow_key *key = &t->s.key;
	uint16_t tp_src = key->tp_src, tp_dst = key->tp_dst;
	struct lookup lookup = { .work_max = (TRANSLATE_WORK_MAX - t->n_work) / MASK_WORK };
	bool hide = frags != FRAGS_NX_MATCH && (key->nw_frag & FLOW_FRAG_ANY);
	const struct rule *rule;
	bool seen_ports;

	seen->map = 0;
	if (hide)
		key->tp_src = key->tp_dst = 0;
	rule = pipeline_lookup(t->p, table, key, seen, &lookup);
	seen_ports = seen->map >> word & 1 && seen->words[word] & ports.words[word];
	if (frags != FRAGS_NX_MATCH && seen_ports)
		KEY_BITS_ADD(seen, nw_frag, FLOW_FRAG_ANY);
	if (hide) {
		key->tp_src = tp_src;
		key->tp_dst = tp_dst;
		if (seen_ports)
			seen->words[word] &= ~ports.words[word];
	}
	if (translate_work(t, lookup.work * MASK_WORK) && lookup.conj_id)
		translate_note(t, "all clauses of conjunction %u are met", lookup.conj_id);
	return rule;
}

static void tell_table(struct translation *t, uint8_t table, const struct rule *rule,
		       const struct flow_key *before)
{
	const struct translate_story *story = t->in->story;
	struct flow_key added = { 0 };

	for (unsigned w = 0; w < FLOW_KEY_PACKET_WORDS; w++)
		added.words[w] = t->out->examined.words[w] & ~before->words[w];
	story->table(story->arg, t->indent, table, &t->s.key, rule, &added);
}

static NEVER_INLINE void told_examine(struct translation *t, uint8_t table, const struct rule *rule,
				      const struct key_bits *seen)
{
	struct flow_key before = t->out->examined;

	translate_examine(t, seen);
	tell_table(t, table, rule, &before);
}

/* The packet is in no rule's hands. */
static void missed(struct translation *t, const struct pipeline_table *settings)
{
	struct action_controller action = { .max_len = MISS_MAX_LEN };
	const struct pipeline_port *in = pipeline_port(t->p, t->in->key->in_port);

	translate_reason(t, DROP_flow_no_rule);
	if (settings->miss != MISS_CONTROLLER) {
		translate_note(t, "the table drops such packets");
	} else if (in && in->no_packet_in) {
		translate_note(t, "the port makes no packet-ins (no-packet-in)");
	} else {
		translate_note(t, "the table sends such packets to the controller");
		translate_controller(t, &action);
	}
}

static bool drop_fragment(struct translation *t)
{
	if (likely(pipeline_frags(t->p) != FRAGS_DROP))
		return false;
	translate_examine_field(t, FIELD_ip_frag, FLOW_FRAG_ANY);
	if (!(t->s.key.nw_frag & FLOW_FRAG_ANY))
		return false;
	translate_note(t, "fragments are dropped here");
	translate_reason(t, DROP_flow_fragment);
	return true;
}

/* The rule for the packet in a table, or in those that it is to go on with. */
static NEVER_INLINE const struct rule *look_up(struct translation *t, uint32_t in_port, bool miss)
{
	const struct translate_story *story = t->in->story;
	const struct pipeline_table *settings;
	uint32_t old_port = t->s.key.in_port;
	const struct rule *rule = NULL;
	struct key_bits seen;

	if (drop_fragment(t))
		return NULL;
	for (;; t->table++) {
		settings = pipeline_table(t->p, t->table);
		translate_credit(t, settings->lookups);
		t->s.key.in_port = in_port;
		rule = look_up_rule(t, t->table, pipeline_frags(t->p), &seen);
		if (t->stopped)
			return NULL;
		if (story && story->table)
			told_examine(t, t->table, rule, &seen);
		else
			translate_examine(t, &seen);
		t->s.key.in_port = old_port;
		if (rule || !miss || settings->miss != MISS_CONTINUE ||
		    t->table == PIPELINE_TABLES - 1)
			break;
	}
	t->rule = rule;
	if (rule) {
		translate_credit(t, settings->matches);
		translate_credit(t, rule->tally);
		if (!rule->actions.len)
			translate_reason(t, DROP_flow_drop);
	} else if (miss) {
		missed(t, settings);
	} else {
		translate_reason(t, DROP_flow_no_rule);
	}
	return rule;
}

void translate_visit(struct translation *t, uint8_t table, uint32_t in_port, bool miss)
{
	const struct rule *old_rule = t->rule, *rule;
	uint8_t old_table = t->table;
	bool back = t->rule && table <= t->table;

	t->depth += back;
	t->indent++;
	do {
		t->next = NO_TABLE;
		if (!translate_deeper(t))
			break;
		t->table = table;
		rule = look_up(t, in_port, miss);
		if (!rule)
			break;
		translate_list(t, rule->actions.bytes, rule->actions.len);
		table = t->next;
		in_port = t->s.key.in_port;
		miss = true;
	} while (table != NO_TABLE && !t->stopped);
	t->next = NO_TABLE;
	t->indent--;
	t->depth -= back;
	t->table = old_table;
	t->rule = old_rule;
}

/* ---- actions */

static bool leads_on(enum action_kind kind)
{
	switch (kind) {
	case ACTION_OUTPUT: /* may be to the table */
	case ACTION_GROUP:
	case ACTION_RESUBMIT:
	case ACTION_CLONE:
	case ACTION_GOTO_TABLE:
	case ACTION_WRITE_ACTIONS:
		return true;
	default:
		return false;
	}
}

static void tell_action(struct translation *t, const struct action *action,
			const struct flow_key *before)
{
	const struct translate_story *story = t->in->story;

	story->action(story->arg, t->indent, action, before, &t->s.key);
}

static NEVER_INLINE bool told_simple(struct translation *t, const struct action *action)
{
	struct flow_key before = t->s.key;
	bool go_on = translate_simple(t, action);

	tell_action(t, action, &before);
	return go_on;
}

static bool carry_out(struct translation *t, const struct action *action)
{
	bool told = t->in->story && t->in->story->action;

	if (leads_on(action->kind)) {
		if (told)
			tell_action(t, action, &t->s.key);
		return translate_nested(t, action);
	}
	return told ? told_simple(t, action) : translate_simple(t, action);
}

void translate_list(struct translation *t, const uint8_t *bytes, size_t len)
{
	ACTIONS_FOR_EACH(action, bytes, len)
	if (!translate_work(t, 1) || !carry_out(t, action) || t->stopped || t->exited)
		return;
}

/* The last one of these kinds; NULL: none. */
static const struct action *last_of(const struct translate_segment *segments, unsigned n,
				    uint64_t kinds)
{
	const struct action *found = NULL;

	while (n-- && !found)
		ACTIONS_FOR_EACH(action, segments[n].bytes, segments[n].len)
	if (kinds >> action->kind & 1)
		found = action;
	return found;
}

/* Whether they may be looked through; they are short, or few. */
static bool may_look(struct translation *t, const struct translate_segment *segments, unsigned n)
{
	size_t len = 0;

	for (unsigned i = 0; i < n; i++)
		len += segments[i].len;
	return translate_work(t, n + len / sizeof(struct action));
}

#define KIND(k) (1ull << ACTION_##k)

/* Sets and moves: all of them, in the order in which they came. */
static bool run_sets(struct translation *t, const struct translate_segment *segments, unsigned n)
{
	const uint64_t sets =
		KIND(SET_FIELD) | KIND(MOVE) | KIND(SET_VLAN_VID) | KIND(SET_VLAN_PCP);

	for (unsigned i = 0; i < n; i++)
		ACTIONS_FOR_EACH(action, segments[i].bytes, segments[i].len)
	if ((sets >> action->kind & 1) && (!carry_out(t, action) || t->stopped))
		return false;
	return true;
}

void translate_set(struct translation *t, const struct translate_segment *segments, unsigned n)
{
	static const uint64_t first[] = { KIND(POP_VLAN),  KIND(POP_MPLS), KIND(PUSH_MPLS),
					  KIND(PUSH_VLAN), KIND(DEC_TTL),  KIND(DEC_MPLS_TTL) };
	static const uint64_t outputs[] = { KIND(GROUP),
					    KIND(OUTPUT) | KIND(OUTPUT_REG) | KIND(ENQUEUE) |
						    KIND(CONTROLLER),
					    KIND(RESUBMIT) };
	static const uint64_t quality[] = { KIND(METER), KIND(SET_QUEUE) };
	const struct action *out = NULL, *action;

	if (!may_look(t, segments, n))
		return;
	for (unsigned i = 0; i < ARRAY_SIZE(outputs) && !out; i++)
		out = last_of(segments, n, outputs[i]);
	if (!out) { /* whatever is done to it, it goes nowhere */
		translate_reason(t, DROP_flow_drop);
		return;
	}
	for (unsigned i = 0; i < ARRAY_SIZE(first); i++) {
		action = last_of(segments, n, first[i]);
		if (action && (!carry_out(t, action) || t->stopped))
			return;
	}
	if (!run_sets(t, segments, n))
		return;
	for (unsigned i = 0; i < ARRAY_SIZE(quality); i++) {
		action = last_of(segments, n, quality[i]);
		if (action && (!carry_out(t, action) || t->stopped))
			return;
	}
	carry_out(t, out);
}

void translate_own_set(struct translation *t)
{
	unsigned first = t->set_first, n = t->n_set;
	bool in_set = t->in_set;

	if (n == first || t->stopped || t->exited)
		return;
	translate_note(t, "the action set is carried out");
	t->in_set = true;
	t->set_first = n; /* what is written meanwhile comes too late */
	t->indent++;
	translate_set(t, &t->set[first], n - first);
	t->indent--;
	t->set_first = first;
	t->n_set = n;
	t->in_set = in_set;
}

/* ---- the whole */

static void init_state(struct translate_state *s, const struct flow_key *key)
{
	const size_t len = FLOW_KEY_PACKET_WORDS * sizeof(key->words[0]);

	s->key = *key;
	s->key.actset_output = PORT_UNSET;
	memset(&s->known, 0, len);
	memset(&s->dirty, 0, len);
	memset(&s->foreign, 0, len);
	s->moved = s->covered = false;
	s->remarked = 0;
	for (unsigned i = 0; i < FLOW_VLANS; i++)
		s->tag_from[i] = (uint8_t)i;
	for (unsigned i = 0; i < FLOW_LABELS; i++)
		s->label_from[i] = (uint8_t)i;
	s->queue = NO_QUEUE;
	s->grown = 0;
}

/* Not wholly zeroed: most of it is the stack's room. */
static void init(struct translation *t, const struct translate_input *in, struct plan_draft *out,
		 struct translate_limit *limit)
{
	memset(t, 0, offsetof(struct translation, s));
	t->in = in;
	t->p = in->pipeline;
	t->out = out;
	t->limit = limit;
	t->next = NO_TABLE;
	t->last = NO_STEP;
	t->queue_sent = NO_QUEUE;
	init_state(&t->s, in->key);
	t->n_set = t->set_first = 0;
	t->top = t->n_pushed = t->pushed_floor = 0;
	limit->what = NULL;
	limit->rule = NULL;
	out->steps_len = out->n_credits = out->n_saves = 0;
	out->cacheable = true;
	out->why_not = NULL;
	memset(&out->examined, 0, sizeof(out->examined));
	out->examined.in_port = UINT32_MAX;
}

static void walk(struct translation *t)
{
	const struct pipeline_port *in = pipeline_port(t->p, t->s.key.in_port);

	if (t->in->actions) {
		translate_list(t, t->in->actions->bytes, t->in->actions->len);
	} else if (in && in->no_receive) {
		translate_note(t, "port %u receives nothing (no-receive)", in->number);
		translate_reason(t, DROP_flow_port);
		return;
	} else {
		translate_visit(t, 0, t->s.key.in_port, true);
	}
	translate_own_set(t);
}

static bool goes_somewhere(const struct plan_draft *out)
{
	PLAN_FOR_EACH(step, out->steps, out->steps_len)
	if (step->kind == PLAN_OUTPUT || step->kind == PLAN_NORMAL || step->kind == PLAN_CONTROLLER)
		return true;
	return false;
}

void translate(const struct translate_input *in, struct plan_draft *out,
	       struct translate_limit *limit)
{
	struct translation t;

	init(&t, in, out, limit);
	walk(&t);
	if (t.stopped) {
		t.stopped = false;
		out->steps_len = 0;
		translate_reason(&t, DROP_flow_limit);
	}
	t.copy = NULL;
	if (!goes_somewhere(out))
		translate_step(&t, PLAN_DROP, sizeof(struct plan_step),
			       t.has_reason ? t.reason : DROP_flow_drop);
	translate_trim(out);
}
