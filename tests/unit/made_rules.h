/* SPDX-License-Identifier: Apache-2.0 */
/* Rules and keys at random, from so few values that they often meet; and a plain list of rules,
 * which is searched from its first to its last.
 */
#pragma once

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "base/hash.h"
#include "flow/place.h"
#include "flow/rule.h"

#define MADE_MAX 400

static uint64_t seed = 1;

static inline uint64_t draw(void)
{
	seed += 0x9e3779b97f4a7c15ull;
	return hash_mix(seed, 1);
}

static inline unsigned draw_below(unsigned n)
{
	return draw() % n;
}

/* A key of few values: two bits of each field. */
static inline void draw_key(struct flow_key *key)
{
	memset(key, 0, sizeof(*key));
	key->in_port = draw_below(3);
	key->nw_proto = draw_below(2) ? 6 : 17;
	key->eth_dst = draw_below(3);
	key->eth_type = draw_below(4) ? 0x800 : 0x86dd;
	key->nw_src = 0x0a000000 | draw_below(4);
	key->nw_dst = 0x0a000000 | draw_below(4) << 8;
	key->tp_src = draw_below(4);
	key->tp_dst = draw_below(4);
	key->metadata = draw_below(2);
	key->regs[flow_key_reg(5)] = draw_below(3);
	key->ipv6_dst = (u128)draw_below(2) << 100;
	key->arp_op = draw_below(2);
}

static inline void draw_match(struct match *match)
{
	struct flow_key *m = &match->mask;

	memset(m, 0, sizeof(*m));
	switch (draw_below(10)) {
	case 0:
		break;
	case 1:
		m->in_port = UINT32_MAX;
		break;
	case 2:
		m->eth_type = m->tp_dst = UINT16_MAX;
		m->nw_proto = UINT8_MAX;
		break;
	case 3:
		m->eth_type = m->tp_dst = m->tp_src = UINT16_MAX;
		m->nw_proto = UINT8_MAX;
		m->nw_src = m->nw_dst = UINT32_MAX;
		break;
	case 4:
		m->eth_type = UINT16_MAX;
		m->nw_src = UINT32_MAX << draw_below(3);
		break;
	case 5:
		m->metadata = 1;
		m->eth_dst = UINT64_MAX >> 16;
		m->tp_dst = 1u << draw_below(2);
		break;
	case 6:
		m->regs[flow_key_reg(5)] = UINT32_MAX;
		m->nw_dst = 0xff00;
		break;
	case 7:
		m->ipv6_dst = ~(u128)0;
		break;
	case 8:
		m->conj_id = UINT32_MAX;
		m->tp_src = draw_below(2) ? 3 : 0;
		break;
	default:
		m->arp_op = UINT16_MAX;
		m->tp_src = 2;
	}
	draw_key(&match->key);
	match->key.conj_id = draw_below(4);
	for (unsigned i = 0; i < FLOW_KEY_WORDS; i++)
		match->key.words[i] &= m->words[i];
}

static inline void add_conjunction(struct action_list *list, uint32_t id, uint8_t clause,
				   uint8_t n_clauses)
{
	struct action_conjunction *c;

	list->bytes = realloc(list->bytes, list->len + sizeof(*c));
	assert_non_null(list->bytes);
	c = (void *)(list->bytes + list->len);
	memset(c, 0, sizeof(*c));
	c->action = (struct action){ .kind = ACTION_CONJUNCTION, .len = sizeof(*c) };
	c->id = id;
	c->clause = clause;
	c->n_clauses = n_clauses;
	list->len += sizeof(*c);
	list->size = list->len;
}

/* One in three is a clause of one to three conjunctions (@conjunctions: whether there are any). */
static inline struct rule *draw_rule(unsigned n_priorities, bool conjunctions)
{
	struct action_list actions = { 0 };
	struct match match;
	struct rule *rule;

	draw_match(&match);
	if (conjunctions && !draw_below(3))
		for (unsigned n = 1 + draw_below(3); n; n--) {
			uint8_t n_clauses = 2 + draw_below(2);

			add_conjunction(&actions, 1 + draw_below(2), draw_below(n_clauses),
					n_clauses);
		}
	rule = rule_create(0, 100 + draw_below(n_priorities), &match, &actions);
	assert_non_null(rule);
	return rule;
}

/* Rules with a reference to each. */
struct made_rules {
	unsigned n;
	struct rule *at[MADE_MAX];
};

static inline bool same_match(const struct rule *a, const struct rule *b)
{
	struct match x, y;

	rule_match(a, &x);
	rule_match(b, &y);
	return !memcmp(&x, &y, sizeof(x));
}

static inline void made_drop(struct made_rules *list, unsigned i)
{
	rule_unref(list->at[i]);
	list->at[i] = list->at[--list->n];
}

/* Takes a reference; in place of a rule of the same match and priority. */
static inline void made_add(struct made_rules *list, struct rule *rule)
{
	rule_ref(rule);
	for (unsigned i = 0; i < list->n; i++) {
		if (list->at[i]->priority == rule->priority && same_match(list->at[i], rule)) {
			made_drop(list, i);
			break;
		}
	}
	assert_true(list->n < MADE_MAX);
	list->at[list->n++] = rule;
}

static inline void made_copy(struct made_rules *to, const struct made_rules *from)
{
	*to = *from;
	for (unsigned i = 0; i < to->n; i++)
		rule_ref(to->at[i]);
}

static inline void made_clear(struct made_rules *list)
{
	while (list->n)
		made_drop(list, list->n - 1);
}

static inline bool naive_covers(const struct rule *rule, const struct flow_key *key)
{
	struct match match;

	rule_match(rule, &match);
	for (unsigned i = 0; i < FLOW_KEY_WORDS; i++)
		if ((match.key.words[i] ^ key->words[i]) & match.mask.words[i])
			return false;
	return true;
}
