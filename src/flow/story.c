// SPDX-License-Identifier: Apache-2.0
/* The story of a packet: what translation tells is kept as JSON, in a flat list with depths; the
 * text is made from it.
 */
#include <linux/if_ether.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flow/story.h"
#include "port/drop.h"

#define EVENTS_MAX 20000 /* longer stories are cut */
#define TEXT_MAX 8192	 /* of a match, or of actions */

struct story {
	struct translate_story hooks;
	struct story_bridge bridge;
	struct flow_key key;
	json_t *events;
	struct flow_key *revealed; /* behind labels that were popped, in order */
	unsigned n_revealed, revealed_max;
	bool cut, failed; /* too long; memory was short */
};

/* ---- fields in words */

/* Fields that say the same as others. */
static bool is_double(enum field_id id)
{
	if (id >= FIELD_xreg0 && id <= FIELD_xxreg3)
		return true;
	return id == FIELD_in_port_oxm || id == FIELD_vlan_tci || id == FIELD_nw_tos ||
	       id == FIELD_packet_type;
}

static bool has(enum field_id id, const struct flow_key *key)
{
	if (id == FIELD_vlan_vid) /* may be matched without a tag */
		id = FIELD_vlan_pcp;
	return !is_double(id) && field_present(&fields[id], key, NULL);
}

static json_t *value_text(const struct field *field, u128 value, u128 mask)
{
	char text[256];

	field_print(field, value, mask, text, sizeof(text));
	return json_string(text);
}

/* [{"field", "from", "to"}]: those that differ; a field that is not there has null. */
static json_t *changes_json(const struct flow_key *before, const struct flow_key *after)
{
	json_t *changes = json_array();

	for (unsigned id = 0; id < FIELD_N; id++) {
		const struct field *field = &fields[id];
		bool had = has(id, before), got = has(id, after);
		u128 from = field_get(field, before), to = field_get(field, after);
		u128 ones = field_ones(field);

		if (had == got && (!had || from == to))
			continue;
		json_array_append_new(
			changes, json_pack("{s:s, s:o, s:o}", "field", field->name, "from",
					   had ? value_text(field, from, ones) : json_null(), "to",
					   got ? value_text(field, to, ones) : json_null()));
	}
	return changes;
}

/* Which of @bits are those of fields that @key has, as a match. */
static json_t *bits_text(const struct flow_key *key, const struct flow_key *bits)
{
	struct match match;
	char *text = malloc(TEXT_MAX);
	json_t *string;

	if (!text)
		return json_null();
	match.mask = *bits;
	for (unsigned w = 0; w < FLOW_KEY_WORDS; w++)
		match.key.words[w] = key->words[w] & bits->words[w];
	match_print(&match, text, TEXT_MAX);
	string = json_string(text);
	free(text);
	return string;
}

/* Fields that need not be told when they are 0. */
static bool is_usual(enum field_id id)
{
	return id == FIELD_ip_dscp || id == FIELD_nw_ecn || id == FIELD_ip_frag;
}

/* The packet itself: all fields that it has, but for the usual, and of what it does not bring what
 * is not 0. */
static json_t *packet_text(const struct flow_key *key)
{
	struct flow_key bits = { 0 };

	for (unsigned id = 0; id < FIELD_N; id++) {
		bool own = fields[id].offset < 8 * FLOW_KEY_PACKET_WORDS && !is_usual(id);

		if (has(id, key) && (own || field_get(&fields[id], key)))
			field_set(&fields[id], &bits, field_ones(&fields[id]),
				  field_ones(&fields[id]));
	}
	return bits_text(key, &bits);
}

static json_t *actions_text(const void *bytes, size_t len)
{
	char *text = malloc(TEXT_MAX);
	json_t *string;

	if (!text)
		return json_null();
	actions_print_bytes(bytes, len, text, TEXT_MAX);
	string = json_string(text);
	free(text);
	return string;
}

static bool any(const struct flow_key *bits)
{
	for (unsigned w = 0; w < FLOW_KEY_WORDS; w++)
		if (bits->words[w])
			return true;
	return false;
}

/* ---- listening */

static void add_event(struct story *story, unsigned depth, json_t *event)
{
	if (json_array_size(story->events) >= EVENTS_MAX)
		story->cut = true;
	else if (!event || json_object_set_new(event, "depth", json_integer(depth)) ||
		 json_array_append(story->events, event))
		story->failed = true;
	json_decref(event);
}

static json_t *rule_json(const struct rule *rule)
{
	struct match match;

	rule_match(rule, &match);
	return json_pack("{s:i, s:I, s:o, s:o}", "priority", rule->priority, "cookie",
			 (json_int_t)rule->cookie, "match", bits_text(&match.key, &match.mask),
			 "actions", actions_text(rule->actions.bytes, rule->actions.len));
}

static void on_table(void *arg, unsigned depth, uint8_t table, const struct flow_key *key,
		     const struct rule *rule, const struct flow_key *examined)
{
	struct story *story = arg;
	json_t *event;

	if (story->cut)
		return;
	event = json_pack("{s:i, s:o}", "table", table, "rule",
			  rule ? rule_json(rule) : json_null());
	if (any(examined))
		json_object_set_new(event, "examined", bits_text(&story->key, examined));
	add_event(story, depth, event);
}

static void on_action(void *arg, unsigned depth, const struct action *action,
		      const struct flow_key *before, const struct flow_key *after)
{
	struct story *story = arg;

	if (!story->cut)
		add_event(story, depth,
			  json_pack("{s:o, s:o}", "action", actions_text(action, action->len),
				    "changes", changes_json(before, after)));
}

static void on_note(void *arg, unsigned depth, const char *text)
{
	struct story *story = arg;

	if (!story->cut)
		add_event(story, depth, json_pack("{s:s}", "note", text));
}

static void on_revealed(void *arg, const struct flow_key *key)
{
	struct story *story = arg;

	if (story->n_revealed == story->revealed_max) {
		unsigned many = story->revealed_max ? 2 * story->revealed_max : 4;
		void *more = realloc(story->revealed, many * sizeof(*key));

		if (!more) {
			story->failed = true;
			return;
		}
		story->revealed = more;
		story->revealed_max = many;
	}
	story->revealed[story->n_revealed++] = *key;
}

struct story *story_create(const struct flow_key *key)
{
	struct story *story = calloc(1, sizeof(*story));

	if (!story)
		return NULL;
	story->events = json_array();
	if (!story->events) {
		free(story);
		return NULL;
	}
	story->key = *key;
	story->hooks = (struct translate_story){ story, on_table, on_action, on_note, on_revealed };
	return story;
}

void story_destroy(struct story *story)
{
	if (!story)
		return;
	json_decref(story->events);
	free(story->revealed);
	free(story);
}

void story_set_bridge(struct story *story, const struct story_bridge *bridge)
{
	story->bridge = *bridge;
}

const struct translate_story *story_hooks(const struct story *story)
{
	return &story->hooks;
}

/* ---- steps */

#define DROP_PRECEDENCE 0x18 /* bits of nw_tos, in an assured forwarding DSCP (RFC 2597) */

/* What they have made of the packet so far: tells which fields a rewrite is of. */
struct telling {
	const struct story *story;
	const struct story_bridge *bridge;
	unsigned n_revealed;
	struct flow_key key;
	struct flow_key known; /* bits that are the same in all packets of the plan */
	struct {
		struct flow_key key, known;
	} saved[PLAN_SAVES_MAX];
	unsigned n_saved;
};

static json_t *rewrite_json(struct telling *t, const struct plan_rewrite *step)
{
	struct flow_key bits = { 0 };
	json_t *set = json_object();
	unsigned i = 0;

	for (uint64_t map = step->map; map; map &= map - 1, i++) {
		unsigned w = (unsigned)__builtin_ctzll(map);

		bits.words[w] = step->words[i].mask;
		t->key.words[w] = (t->key.words[w] & ~step->words[i].mask) | step->words[i].value;
		t->known.words[w] |= step->words[i].mask;
	}
	for (unsigned id = 0; id < FIELD_N; id++) {
		const struct field *field = &fields[id];
		u128 mask = field_get(field, &bits), known = field_get(field, &t->known);

		if (mask && has(id, &t->key))
			json_object_set_new(
				set, field->name,
				value_text(field, field_get(field, &t->key) & known, known));
	}
	return json_pack("{s:s, s:o}", "step", "set", "fields", set);
}

static json_t *push_vlan_json(struct telling *t, uint32_t arg)
{
	t->key.vlan[1] = t->key.vlan[0];
	t->known.vlan[1] = t->known.vlan[0];
	t->known.vlan[0] = (struct flow_vlan){ UINT16_MAX, UINT16_MAX };
	t->key.vlan[0].tpid = (uint16_t)(arg >> 16);
	t->key.vlan[0].tci = (uint16_t)(arg | FLOW_VLAN_PRESENT);
	return json_pack("{s:s, s:i, s:i, s:i}", "step", "push_vlan", "tpid", (int)(arg >> 16),
			 "vid", (int)(arg & 0xfff), "pcp", (int)(arg >> 13 & 7));
}

static json_t *pop_vlan_json(struct telling *t)
{
	t->key.vlan[0] = t->key.vlan[1];
	t->key.vlan[1] = (struct flow_vlan){ 0 };
	t->known.vlan[0] = t->known.vlan[1];
	t->known.vlan[1] = (struct flow_vlan){ 0 };
	return json_pack("{s:s}", "step", "pop_vlan");
}

/* Labels move, with what is known of them: up to @lse, of which all bits are known. */
static void push_label(struct telling *t, uint32_t lse)
{
	uint32_t *key = t->key.mpls_lse, *known = t->known.mpls_lse;

	memmove(key + 1, key, (FLOW_LABELS - 1) * sizeof(*key));
	memmove(known + 1, known, (FLOW_LABELS - 1) * sizeof(*known));
	key[0] = lse;
	known[0] = UINT32_MAX;
}

static json_t *pop_mpls_json(struct telling *t, uint16_t ethertype)
{
	uint32_t *key = t->key.mpls_lse, *known = t->known.mpls_lse;

	memmove(key, key + 1, (FLOW_LABELS - 1) * sizeof(*key));
	memmove(known, known + 1, (FLOW_LABELS - 1) * sizeof(*known));
	key[FLOW_LABELS - 1] = known[FLOW_LABELS - 1] = 0;
	if (ethertype != ETH_P_MPLS_UC && ethertype != ETH_P_MPLS_MC) {
		const struct flow_key old = t->known;

		/* what comes to light has not been looked at */
		if (t->n_revealed < t->story->n_revealed)
			t->key = t->story->revealed[t->n_revealed++];
		t->known = (struct flow_key){ .eth_src = old.eth_src, .eth_dst = old.eth_dst };
		memcpy(t->known.vlan, old.vlan, sizeof(old.vlan));
	}
	t->key.eth_type = ethertype;
	return json_pack("{s:s, s:i}", "step", "pop_mpls", "ethertype", (int)ethertype);
}

static json_t *push_mpls_json(struct telling *t, const struct plan_push_mpls *step)
{
	push_label(t, step->step.arg);
	t->key.eth_type = (uint16_t)step->ethertype;
	return json_pack("{s:s, s:i, s:i, s:i, s:i, s:i}", "step", "push_mpls", "ethertype",
			 (int)step->ethertype, "label", (int)(step->step.arg >> 12), "tc",
			 (int)(step->step.arg >> 9 & 7), "bos", (int)(step->step.arg >> 8 & 1),
			 "ttl", (int)(step->step.arg & 0xff));
}

static json_t *controller_json(const struct plan_controller *step)
{
	static const char *const reasons[] = { "no_match",   "action", "invalid_ttl",
					       "action_set", "group",  "packet_out" };

	return json_pack("{s:s, s:i, s:i, s:s}", "step", "controller", "id", (int)step->step.arg,
			 "max_len", step->max_len, "reason",
			 step->reason < ARRAY_SIZE(reasons) ? reasons[step->reason] : "other");
}

static json_t *learn_json(const struct plan_learn *step)
{
	return json_pack("{s:s, s:i, s:i, s:o, s:o}", "step", "learn", "table", step->learn->table,
			 "priority", step->learn->priority, "match",
			 bits_text(&step->match.key, &step->match.mask), "actions",
			 actions_text(step + 1, step->actions_len));
}

/* "port" and its "name", or "unknown" when there is no such port. */
static void set_port(json_t *json, const struct story_bridge *bridge, uint32_t port)
{
	const char *name = bridge->port ? bridge->port(bridge->arg, port) : NULL;

	json_object_set_new(json, "port", json_integer(port));
	if (name)
		json_object_set_new(json, "name", json_string(name));
	else if (bridge->port)
		json_object_set_new(json, "unknown", json_true());
}

static json_t *output_json(const struct telling *t, const struct plan_output *step)
{
	json_t *json = json_pack("{s:s}", "step", "output");

	set_port(json, t->bridge, step->step.arg);
	if (step->max_len)
		json_object_set_new(json, "max_len", json_integer(step->max_len));
	return json;
}

static json_t *meter_json(struct telling *t, const struct meter *meter)
{
	bool drops = false;

	if (meter_remarks(meter)) /* some packets only */
		t->known.nw_tos &= (uint8_t)~DROP_PRECEDENCE;
	for (unsigned i = 0; i < meter->n_bands; i++)
		if (meter->bands[i].type == BAND_DROP)
			drops = true;
	return json_pack("{s:s, s:I, s:b, s:b}", "step", "meter", "id", (json_int_t)meter->id,
			 "drops", drops, "remarks", meter_remarks(meter));
}

static json_t *normal_json(const struct telling *t)
{
	json_t *json = json_pack("{s:s}", "step", "normal");
	char text[256];

	if (t->bridge->normal) {
		t->bridge->normal(t->bridge->arg, &t->key, text, sizeof(text));
		json_object_set_new(json, "where", json_string(text));
	}
	return json;
}

static json_t *drop_json(uint32_t reason)
{
	return json_pack("{s:s, s:s, s:s}", "step", "drop", "reason", drop_name(reason), "text",
			 drop_text(reason));
}

static json_t *save_json(struct telling *t)
{
	if (t->n_saved < PLAN_SAVES_MAX)
		t->saved[t->n_saved++] = (typeof(*t->saved)){ t->key, t->known };
	return json_pack("{s:s}", "step", "save");
}

static json_t *restore_json(struct telling *t)
{
	if (t->n_saved) {
		t->key = t->saved[--t->n_saved].key;
		t->known = t->saved[t->n_saved].known;
	}
	return json_pack("{s:s}", "step", "restore");
}

static json_t *step_json(struct telling *t, const struct plan_step *step)
{
	const void *s = step;

	switch (step->kind) {
	case PLAN_REWRITE:
		return rewrite_json(t, s);
	case PLAN_PUSH_VLAN:
		return push_vlan_json(t, step->arg);
	case PLAN_POP_VLAN:
		return pop_vlan_json(t);
	case PLAN_PUSH_MPLS:
		return push_mpls_json(t, s);
	case PLAN_POP_MPLS:
		return pop_mpls_json(t, (uint16_t)step->arg);
	case PLAN_OUTPUT:
		return output_json(t, s);
	case PLAN_NORMAL:
		return normal_json(t);
	case PLAN_CONTROLLER:
		return controller_json(s);
	case PLAN_METER:
		return meter_json(t, ((const struct plan_meter *)s)->meter);
	case PLAN_LEARN:
		return learn_json(s);
	case PLAN_SAVE:
		return save_json(t);
	case PLAN_RESTORE:
		return restore_json(t);
	case PLAN_DROP:
		return drop_json(step->arg);
	case PLAN_FIN_TIMEOUT:
		return json_pack("{s:s}", "step", "fin_timeout");
	default:
		return json_pack("{s:s, s:I}", "step", "queue", "id", (json_int_t)step->arg);
	}
}

/* {"port", "name"}; no port: {}. */
static json_t *in_json(const struct story *story)
{
	json_t *json = json_object();

	if (story->key.in_port != OFPORT_NONE)
		set_port(json, &story->bridge, story->key.in_port);
	return json;
}

static json_t *steps_json(const struct story *story, const struct plan_draft *draft)
{
	struct telling *t = calloc(1, sizeof(*t));
	json_t *steps = json_array();

	if (!t)
		return steps;
	t->story = story;
	t->bridge = &story->bridge;
	t->key = story->key;
	t->known = draft->examined;
	PLAN_FOR_EACH(step, draft->steps, draft->steps_len)
	json_array_append_new(steps, step_json(t, step));
	free(t);
	return steps;
}

json_t *story_json(const struct story *story, const struct plan_draft *draft,
		   const struct translate_limit *limit)
{
	json_t *json;

	if (story->failed)
		return NULL;
	json = json_pack("{s:o, s:o, s:O, s:b, s:o, s:o, s:b}", "packet", packet_text(&story->key),
			 "in", in_json(story), "events", story->events, "cut", story->cut, "steps",
			 steps_json(story, draft), "examined",
			 bits_text(&story->key, &draft->examined), "cacheable", draft->cacheable);
	if (json && !draft->cacheable)
		json_object_set_new(json, "why_not", json_string(draft->why_not));
	if (json && limit->what)
		json_object_set_new(json, "limit", json_string(limit->what));
	return json;
}
