/* SPDX-License-Identifier: Apache-2.0 */
/* A small pipeline for tests of translation, written as text; and a model of the datapath that
 * carries out plans on keys.
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flow/story.h"
#include "flow/translate.h"
#include "port/drop.h"

#define WORLD_SENT_MAX 64
#define WORLD_GONE_MAX 512 /* rules, with their tallies */

/* A packet that left. */
struct world_sent {
	enum plan_kind kind; /* PLAN_OUTPUT, PLAN_NORMAL, PLAN_CONTROLLER */
	uint32_t port;	     /* or the controller */
	uint32_t max_len;
	uint8_t reason;
	struct flow_key key;
};

/* A label, 3, in front of UDP to port 53, TTL 33. */
__attribute__((unused)) static const uint8_t labelled_frame[] = {
	0, 0, 0, 0,  0,	 5, 0, 0,  0, 0, 0, 4,	0x88, 0x47, 0, 0, 0x31, 9, 0x45, 0, 0, 28, 0,
	0, 0, 0, 33, 17, 0, 0, 10, 0, 0, 1, 10, 0,    0,    2, 0, 1,	0, 53,	 0, 8, 0,  0
};

struct world {
	struct pipeline *p;
	struct plan_draft draft;
	struct translate_limit limit;
	struct translate_story story;
	struct tally tallies[WORLD_GONE_MAX];
	unsigned n_tallies;
	/* what came of the last packet */
	unsigned n_sent;
	struct world_sent sent[WORLD_SENT_MAX];
	char words[4096]; /* the steps, by kind */
};

static inline struct tally *world_tally(struct world *w)
{
	assert_true(w->n_tallies < WORLD_GONE_MAX);
	return &w->tallies[w->n_tallies++];
}

/* With ports 1 to @n_ports, which are live; and LOCAL. */
static inline struct world *world_create(unsigned n_ports)
{
	struct world *w = calloc(1, sizeof(*w));
	struct pipeline_port ports[16] = { 0 };

	assert_non_null(w);
	w->p = pipeline_create();
	assert_non_null(w->p);
	for (unsigned i = 0; i < n_ports; i++)
		ports[i] = (struct pipeline_port){ .number = i + 1, .live = true };
	ports[n_ports] = (struct pipeline_port){ .number = OFPORT_LOCAL, .live = true };
	assert_int_equal(pipeline_set_ports(w->p, ports, n_ports + 1), 0);
	return w;
}

static inline void world_destroy(struct world *w)
{
	pipeline_free(w->p);
	free(w);
}

/* Changes a port's flags. */
static inline void world_port(struct world *w, struct pipeline_port port)
{
	struct pipeline_port ports[16];
	unsigned n = pipeline_n_ports(w->p);

	memcpy(ports, pipeline_ports(w->p), n * sizeof(ports[0]));
	for (unsigned i = 0; i < n; i++)
		if (ports[i].number == port.number)
			ports[i] = port;
	assert_int_equal(pipeline_set_ports(w->p, ports, n), 0);
}

static inline struct rule *world_rule(struct world *w, uint8_t table, uint16_t priority,
				      const char *match_text, const char *actions_text)
{
	struct action_list actions = { 0 };
	struct error err = { 0 };
	struct match match;
	struct rule *rule;

	match_init(&match);
	if (match_parse(&match, match_text, &err))
		fail_msg("%s: %s", match_text, err.text);
	if (strcmp(actions_text, "drop") != 0 && actions_parse(&actions, actions_text, true, &err))
		fail_msg("%s: %s", actions_text, err.text);
	rule = rule_create(table, priority, &match, &actions);
	assert_non_null(rule);
	rule->tally = world_tally(w);
	rule->cookie = 100u * table + priority;
	assert_int_equal(pipeline_add_rule(w->p, rule), 0);
	rule_unref(rule);
	return rule;
}

static inline struct group *world_group(struct world *w, const char *text)
{
	struct error err = { 0 };
	struct group *group;
	uint32_t bucket;

	if (group_parse(&group, &bucket, text, &err))
		fail_msg("%s: %s", text, err.text);
	group->tally = world_tally(w);
	for (unsigned i = 0; i < group->n_buckets; i++)
		group->buckets[i].tally = world_tally(w);
	assert_int_equal(pipeline_add_group(w->p, group), 0);
	return group;
}

/* The key of a packet, from the text of a match; "in_port" is needed. */
static inline struct flow_key world_key(const char *text)
{
	struct error err = { 0 };
	struct match match;

	match_init(&match);
	if (match_parse(&match, text, &err))
		fail_msg("%s: %s", text, err.text);
	if (match.key.vlan[0].tci)
		match.key.vlan[0].tpid = ETH_P_8021Q;
	return match.key;
}

/* ---- what a datapath would do, to a key */

static inline void world_say(struct world *w, const char *format, ...) PRINTF_LIKE(2, 3);
static inline void world_say(struct world *w, const char *format, ...)
{
	size_t len = strlen(w->words);
	va_list args;

	if (len)
		w->words[len++] = ' ';
	va_start(args, format);
	vsnprintf(w->words + len, sizeof(w->words) - len, format, args);
	va_end(args);
}

static inline void world_send(struct world *w, const struct plan_step *step,
			      const struct flow_key *key)
{
	const struct plan_controller *c = (const void *)step;
	const struct plan_output *o = (const void *)step;
	struct world_sent *sent = &w->sent[w->n_sent++];

	assert_true(w->n_sent <= WORLD_SENT_MAX);
	*sent = (struct world_sent){ .kind = step->kind, .port = step->arg, .key = *key };
	if (step->kind == PLAN_OUTPUT)
		sent->max_len = o->max_len;
	if (step->kind == PLAN_CONTROLLER) {
		sent->max_len = c->max_len;
		sent->reason = c->reason;
	}
	if (step->kind == PLAN_NORMAL)
		world_say(w, "normal");
	else
		world_say(w, "%s:%u", step->kind == PLAN_OUTPUT ? "output" : "controller",
			  step->arg);
}

static inline void world_rewrite(const struct plan_rewrite *r, struct flow_key *key)
{
	unsigned i = 0;

	for (uint64_t map = r->map; map; map &= map - 1, i++) {
		unsigned word = (unsigned)__builtin_ctzll(map);

		assert_int_equal(r->words[i].value & ~r->words[i].mask, 0);
		key->words[word] = (key->words[word] & ~r->words[i].mask) | r->words[i].value;
	}
}

static inline void world_push(struct flow_key *key, uint32_t arg)
{
	key->vlan[1] = key->vlan[0];
	key->vlan[0].tpid = (uint16_t)(arg >> 16);
	key->vlan[0].tci = (uint16_t)(arg | FLOW_VLAN_PRESENT);
}

static inline void world_labels(struct flow_key *key, const struct plan_step *step)
{
	if (step->kind == PLAN_PUSH_MPLS) {
		key->mpls_lse[2] = key->mpls_lse[1];
		key->mpls_lse[1] = key->mpls_lse[0];
		key->mpls_lse[0] = step->arg;
		key->eth_type = (uint16_t)((const struct plan_push_mpls *)step)->ethertype;
	} else {
		key->mpls_lse[0] = key->mpls_lse[1];
		key->mpls_lse[1] = key->mpls_lse[2];
		key->mpls_lse[2] = 0;
		key->eth_type = (uint16_t)step->arg;
	}
}

static inline void world_step(struct world *w, const struct plan_step *step, struct flow_key *key,
			      struct flow_key *saved, unsigned *n_saved)
{
	switch (step->kind) {
	case PLAN_OUTPUT:
	case PLAN_NORMAL:
	case PLAN_CONTROLLER:
		world_send(w, step, key);
		return;
	case PLAN_REWRITE:
		world_rewrite((const void *)step, key);
		world_say(w, "set");
		return;
	case PLAN_PUSH_VLAN:
		world_push(key, step->arg);
		world_say(w, "push_vlan");
		return;
	case PLAN_POP_VLAN:
		key->vlan[0] = key->vlan[1];
		memset(&key->vlan[1], 0, sizeof(key->vlan[1]));
		world_say(w, "pop_vlan");
		return;
	case PLAN_PUSH_MPLS:
	case PLAN_POP_MPLS:
		world_labels(key, step);
		world_say(w, step->kind == PLAN_PUSH_MPLS ? "push_mpls" : "pop_mpls");
		return;
	case PLAN_SAVE:
		assert_true(*n_saved < w->draft.n_saves);
		saved[(*n_saved)++] = *key;
		world_say(w, "save");
		return;
	case PLAN_RESTORE:
		*key = saved[--*n_saved];
		world_say(w, "restore");
		return;
	case PLAN_DROP:
		world_say(w, "drop:%s", drop_name(step->arg));
		return;
	case PLAN_QUEUE:
		world_say(w, "queue:%d", (int)step->arg);
		return;
	default:
		world_say(w, "%s",
			  step->kind == PLAN_METER   ? "meter"
			  : step->kind == PLAN_LEARN ? "learn"
						     : "fin_timeout");
	}
}

static inline void world_carry_out(struct world *w, const struct flow_key *key)
{
	struct flow_key now = *key, saved[PLAN_SAVES_MAX];
	unsigned n_saved = 0;

	w->n_sent = 0;
	w->words[0] = '\0';
	PLAN_FOR_EACH(step, w->draft.steps, w->draft.steps_len)
	world_step(w, step, &now, saved, &n_saved);
}

/* ---- packets */

/* Returns the steps in words; the rest is in @w. */
static inline const char *world_run_key(struct world *w, const struct flow_key *key)
{
	struct translate_input in = { .pipeline = w->p, .key = key, .len = 100 };

	if (w->story.table)
		in.story = &w->story;
	translate(&in, &w->draft, &w->limit);
	world_carry_out(w, key);
	return w->words;
}

static inline const char *world_run(struct world *w, const char *packet)
{
	struct flow_key key = world_key(packet);

	return world_run_key(w, &key);
}

/* What has been examined, as a match of the packet. */
static inline const char *world_examined(struct world *w, const char *packet)
{
	static char text[4096];
	struct match match = { .key = world_key(packet), .mask = w->draft.examined };

	for (unsigned i = 0; i < FLOW_KEY_WORDS; i++)
		match.key.words[i] &= match.mask.words[i];
	match_print(&match, text, sizeof(text));
	return text;
}

static inline bool world_credited(const struct world *w, const struct tally *tally)
{
	for (unsigned i = 0; i < w->draft.n_credits; i++)
		if (w->draft.credits[i] == tally)
			return true;
	return false;
}
