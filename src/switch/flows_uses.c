// SPDX-License-Identifier: Apache-2.0
/* What rules use: groups, meters, and the cookies of the rules that they teach. */
#include <errno.h>
#include <stdlib.h>

#include "switch/flows_private.h"

struct walk {
	struct flows *flows;
	const struct pipeline *p; /* in which rules with a cookie are counted */
	bool added;
};

static void count(struct uses *uses, enum use_kind kind, uint32_t id, bool added)
{
	if (added)
		(void)uses_add(uses, kind, 0, id);
	else
		(void)uses_sub(uses, kind, 0, id);
}

struct members {
	uint64_t cookie;
	unsigned n;
};

static bool count_member(void *arg, struct rule *rule)
{
	struct members *m = arg;

	m->n += rule->cookie == m->cookie;
	return true;
}

static unsigned count_members(const struct pipeline *p, uint8_t table, uint64_t cookie)
{
	struct members m = { .cookie = cookie };

	pipeline_each_rule(p, table, NULL, count_member, &m);
	return m.n;
}

static void note_learn(const struct walk *w, const struct action_learn *learn)
{
	struct uses *uses = &w->flows->uses;
	struct use *use;

	if (learn->flags & LEARN_DELETE_LEARNED) {
		if (w->added)
			(void)uses_add(uses, USE_DELETER, learn->table, learn->cookie);
		else
			(void)uses_sub(uses, USE_DELETER, learn->table, learn->cookie);
	}
	if (!learn->limit)
		return;
	if (!w->added) {
		(void)uses_sub(uses, USE_LIMIT, learn->table, learn->cookie);
		return;
	}
	use = uses_add(uses, USE_LIMIT, learn->table, learn->cookie);
	if (use && use->count == 1)
		use->members = count_members(w->p, learn->table, learn->cookie);
}

static void note_actions(const struct walk *w, const uint8_t *bytes, size_t len)
{
	struct uses *uses = &w->flows->uses;

	ACTIONS_FOR_EACH(a, bytes, len)
	{
		const struct action_nested *nested = (const void *)a;

		switch (a->kind) {
		case ACTION_GROUP:
			count(uses, USE_GROUP, ((const struct action_group *)a)->group, w->added);
			break;
		case ACTION_METER:
			count(uses, USE_METER, ((const struct action_meter *)a)->meter, w->added);
			break;
		case ACTION_BUNDLE:
			count(uses, USE_BUNDLE, 0, w->added);
			break;
		case ACTION_CONTROLLER:
			if (((const struct action_controller *)a)->has_meter)
				count(uses, USE_METER, ((const struct action_controller *)a)->meter,
				      w->added);
			break;
		case ACTION_LEARN:
			note_learn(w, (const struct action_learn *)a);
			break;
		case ACTION_CLONE:
		case ACTION_WRITE_ACTIONS:
			note_actions(w, nested->actions,
				     a->len - offsetof(struct action_nested, actions));
			break;
		default:
			break;
		}
	}
}

void uses_note_rule(struct flows *flows, const struct pipeline *p, const struct rule *rule,
		    bool added)
{
	const struct walk w = { .flows = flows, .p = p, .added = added };
	struct use *use = uses_find(&flows->uses, USE_LIMIT, rule->table, rule->cookie);

	if (use)
		use->members += added ? 1 : -1u;
	note_actions(&w, rule->actions.bytes, rule->actions.len);
}

unsigned uses_learned(const struct flows *flows, const struct pipeline *p, uint8_t table,
		      uint64_t cookie)
{
	const struct use *use = uses_find(&flows->uses, USE_LIMIT, table, cookie);

	if (use && !flows->uses.lost)
		return use->members;
	return count_members(p, table, cookie);
}

struct search {
	enum use_kind kind;
	uint32_t id;
	bool all; /* whatever its number */
	struct rule_list *out;
};

static bool is_sought(const struct search *s, const struct action *a)
{
	const struct action_controller *c = (const void *)a;

	if (s->kind == USE_GROUP)
		return a->kind == ACTION_GROUP &&
		       (s->all || ((const struct action_group *)a)->group == s->id);
	if (a->kind == ACTION_METER)
		return s->all || ((const struct action_meter *)a)->meter == s->id;
	return a->kind == ACTION_CONTROLLER && c->has_meter && (s->all || c->meter == s->id);
}

static bool search_actions(const struct search *s, const uint8_t *bytes, size_t len)
{
	ACTIONS_FOR_EACH(a, bytes, len)
	{
		const struct action_nested *nested = (const void *)a;

		if (is_sought(s, a))
			return true;
		if ((a->kind == ACTION_CLONE || a->kind == ACTION_WRITE_ACTIONS) &&
		    search_actions(s, nested->actions,
				   a->len - offsetof(struct action_nested, actions)))
			return true;
	}
	return false;
}

static bool search_rule(void *arg, struct rule *rule)
{
	const struct search *s = arg;

	return !search_actions(s, rule->actions.bytes, rule->actions.len) ||
	       rule_list_add(s->out, rule);
}

/* Rules of @p that use a group or a meter, or any of them. */
static void collect(const struct flows *flows, const struct pipeline *p, enum use_kind kind,
		    uint32_t id, struct rule_list *out)
{
	bool all = id == (kind == USE_GROUP ? GROUP_ALL : METER_ALL);
	struct search s = { .kind = kind, .id = id, .all = all, .out = out };

	if (flows->uses.lost ||
	    (all ? flows->uses.by_kind[kind] > 0 : uses_find(&flows->uses, kind, 0, id) != NULL))
		pipeline_each_rule(p, 255, NULL, search_rule, &s);
}

int uses_remove(struct change *c, enum use_kind kind, uint32_t id, enum removed_reason why)
{
	struct rule_list list = { 0 };
	int r;

	collect(c->flows, c->next, kind, id, &list);
	r = list.no_memory ? -ENOMEM : 0;
	for (size_t i = 0; r == 0 && i < list.n; i++)
		r = change_remove(c, list.rules[i], why);
	free(list.rules);
	return r;
}

static unsigned count_users(struct flows *flows, enum use_kind kind, uint32_t id)
{
	const struct use *use = uses_find(&flows->uses, kind, 0, id);
	struct rule_list list = { 0 };

	if (!flows->uses.lost)
		return use ? use->count : 0;
	collect(flows, flows->current, kind, id, &list);
	free(list.rules);
	return (unsigned)list.n;
}

unsigned flows_group_users(struct flows *flows, uint32_t id)
{
	return count_users(flows, USE_GROUP, id);
}

unsigned flows_meter_users(struct flows *flows, uint32_t id)
{
	return count_users(flows, USE_METER, id);
}
