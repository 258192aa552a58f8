// SPDX-License-Identifier: Apache-2.0
/* Changes of rules (OpenFlow 1.5.1, 6.4 and 7.3.4.1; of OpenFlow 1.0, 4.6). */
#include <errno.h>
#include <stdlib.h>

#include "base/limit.h"
#include "switch/flows_private.h"

LIMIT_EACH(bridge_flow_limit, "flows_of_bridge", FLOWS_MAX, "rules of each bridge");

#define STATE_FLAGS (RULE_SEND_FLOW_REM | RULE_NO_PKT_COUNTS | RULE_NO_BYT_COUNTS)

/* Versions on the wire. */
#define OF10 1
#define OF11 2

static enum of_error no_memory(struct error *err)
{
	error_set(err, -ENOMEM, "out of memory");
	return OFERR_FLOW_TABLE_FULL;
}

/* Whether @actions may stand behind @match in @table. */
static enum of_error check_actions(const struct change *c, const struct flow_mod *mod,
				   uint8_t table, const struct match *match, struct error *err)
{
	const struct action_limits limits = {
		.table = table,
		.has_table = true,
		.inconsistent = mod->version == OF10 || mod->learned,
		.group_exists = flows_has_group,
		.meter_exists = flows_has_meter,
		.arg = c->next,
	};

	return actions_check(&mod->actions, match, &limits, err);
}

static enum of_error check_room(const struct change *c, uint8_t table, struct error *err)
{
	uint32_t most = pipeline_table(c->next, table)->max_rules;
	unsigned n = c->n_rules - (c->going ? c->going->n : 0);
	unsigned n_of_table =
		pipeline_n_rules(c->next, table) - (c->going ? c->going->n_of_table[table] : 0);

	if (n >= FLOWS_MAX) {
		limit_refuse(&bridge_flow_limit);
		error_set(err, -ENOSPC, "no more than %u rules in a bridge", FLOWS_MAX);
		return OFERR_FLOW_TABLE_FULL;
	}
	if (most && n_of_table >= most) {
		error_set(err, -ENOSPC, "table %u has room for %u rules", table, most);
		return OFERR_FLOW_TABLE_FULL;
	}
	return OFERR_NONE;
}

/* Room for @more bytes of actions in place of @less. */
static enum of_error check_actions_room(const struct change *c, uint64_t more, uint64_t less,
					struct error *err)
{
	return room_check(c, more, less, err) < 0 ? OFERR_FLOW_TABLE_FULL : OFERR_NONE;
}

static enum of_error check_new(const struct change *c, const struct flow_mod *mod, uint8_t table,
			       struct error *err)
{
	if (mod->flags & RULE_CHECK_OVERLAP &&
	    pipeline_find_overlap(c->next, table, mod->priority, &mod->match)) {
		error_set(err, -EEXIST,
			  "a rule of the same priority is for some of the same packets");
		return OFERR_FLOW_OVERLAP;
	}
	return check_room(c, table, err);
}

static enum of_error add(struct change *c, struct flow_mod *mod, struct error *err)
{
	uint8_t table = mod->table == FLOWS_TABLE_ALL && mod->version <= OF10 ? 0 : mod->table;
	bool reset = mod->flags & RULE_RESET_COUNTS || mod->version == OF10 || mod->version == OF11;
	struct rule *old, *rule;
	enum of_error e;

	if (table >= PIPELINE_TABLES) {
		error_set(err, -EINVAL, "which table? there are 0 to %u", PIPELINE_TABLES - 1);
		return OFERR_FLOW_BAD_TABLE_ID;
	}
	old = pipeline_find_rule(c->next, table, mod->priority, &mod->match);
	if (old && old->hidden)
		return OFERR_FLOW_PERM;
	e = check_actions(c, mod, table, &mod->match, err);
	if (!e && !old)
		e = check_new(c, mod, table, err);
	if (!e)
		e = check_actions_room(c, mod->actions.len, old ? old->actions.len : 0, err);
	if (e)
		return e;
	rule = flows_make_rule(c->flows, table, mod->priority, &mod->match, &mod->actions,
			       reset ? NULL : old);
	if (!rule)
		return no_memory(err);
	rule->cookie = mod->cookie;
	rule->idle_timeout = mod->idle_timeout;
	rule->hard_timeout = mod->hard_timeout;
	rule->importance = mod->importance;
	rule->flags = mod->flags & STATE_FLAGS;
	return change_add(c, rule, old) < 0 ? no_memory(err) : OFERR_NONE;
}

/* Room for the same actions in each rule of @list. Asked first: so what is looked at rule by rule
 * has a bound. */
static enum of_error check_copies(const struct change *c, const struct flow_mod *mod,
				  const struct rule_list *list, struct error *err)
{
	uint64_t less = 0;

	for (size_t i = 0; i < list->n; i++)
		less += list->rules[i]->actions.len;
	return check_actions_room(c, (uint64_t)list->n * mod->actions.len, less, err);
}

/* Whether all of @list may be given other actions. */
static enum of_error check_modify(const struct change *c, const struct flow_mod *mod,
				  const struct rule_list *list, struct error *err)
{
	enum of_error e = check_copies(c, mod, list, err);

	for (size_t i = 0; !e && i < list->n; i++) {
		struct match match;

		keep_busy(c->flows->sw->env.keep);
		rule_match(list->rules[i], &match);
		e = check_actions(c, mod, list->rules[i]->table, &match, err);
	}
	return e;
}

/* Gives @old, which is shown, other actions. */
static enum of_error modify_rule(struct change *c, const struct flow_mod *mod, struct rule *old,
				 struct error *err)
{
	bool reset = mod->flags & RULE_RESET_COUNTS;
	struct action_list actions = { 0 };
	struct match match;
	struct rule *rule;

	rule_match(old, &match);
	if (actions_copy(&actions, &mod->actions) < 0)
		return no_memory(err);
	rule = flows_make_rule(c->flows, old->table, old->priority, &match, &actions,
			       reset ? NULL : old);
	if (!rule)
		return no_memory(err);
	if (reset) /* it is old, but idle from now on */
		tally_add(rule->tally, 0, 0, clock_ns() / NSEC_PER_MSEC);
	rule->cookie = mod->new_cookie ? mod->cookie : old->cookie;
	rule->idle_timeout = old->idle_timeout;
	rule->hard_timeout = old->hard_timeout;
	rule->importance = old->importance;
	rule->flags = old->flags;
	rule->created_ms = old->created_ms;
	return change_add(c, rule, old) < 0 ? no_memory(err) : OFERR_NONE;
}

static enum of_error collect(struct change *c, const struct flow_mod *mod, bool delete, bool strict,
			     struct rule_list *out, struct error *err)
{
	const struct flow_filter filter = {
		.table = mod->table,
		.out_port = delete ? mod->out_port : OFPORT_NONE,
		.out_group = delete ? mod->out_group : GROUP_ANY,
		.cookie = mod->cookie_value,
		.cookie_mask = mod->cookie_mask,
		.strict = strict,
		.priority = mod->priority,
		.match = mod->match,
	};

	flows_collect(c->next, &filter, out);
	return out->no_memory ? no_memory(err) : OFERR_NONE;
}

static enum of_error modify(struct change *c, struct flow_mod *mod, bool strict, struct error *err)
{
	struct rule_list list = { 0 };
	enum of_error e = collect(c, mod, false, strict, &list, err);

	/* from here on only memory can be short: so half of it is never done, see gather() */
	if (!e)
		e = check_modify(c, mod, &list, err);
	for (size_t i = 0; !e && i < list.n; i++)
		e = modify_rule(c, mod, list.rules[i], err);
	/* before OpenFlow 1.2, who changes what is not there adds it, if he says its cookie */
	if (!e && !list.n && (mod->version == OF10 || mod->version == OF11) && mod->new_cookie &&
	    !mod->cookie_mask)
		e = add(c, mod, err);
	free(list.rules);
	return e;
}

static enum of_error remove_rules(struct change *c, const struct flow_mod *mod, bool strict,
				  struct error *err)
{
	struct rule_list list = { 0 };
	enum of_error e = collect(c, mod, true, strict, &list, err);

	for (size_t i = 0; !e && i < list.n; i++)
		if (change_remove(c, list.rules[i], REMOVED_DELETE) < 0)
			e = no_memory(err);
	free(list.rules);
	return e;
}

static enum of_error carry_out(struct change *c, struct flow_mod *mod, struct error *err)
{
	bool strict = mod->command == FLOW_MODIFY_STRICT || mod->command == FLOW_DELETE_STRICT;

	switch (mod->command) {
	case FLOW_ADD:
		return add(c, mod, err);
	case FLOW_MODIFY:
	case FLOW_MODIFY_STRICT:
		return modify(c, mod, strict, err);
	case FLOW_DELETE:
	case FLOW_DELETE_STRICT:
		return remove_rules(c, mod, strict, err);
	default:
		error_set(err, -EINVAL, "no such command");
		return OFERR_FLOW_BAD_COMMAND;
	}
}

enum of_error flows_mod_within(struct change *c, struct flow_mod *mod, struct error *err)
{
	enum of_error e = carry_out(c, mod, err);

	actions_free(&mod->actions);
	return e;
}

enum of_error flows_mods(struct flows *flows, struct flow_mod *mods, size_t n, size_t *failed,
			 struct error *err)
{
	enum of_error e = OFERR_NONE;
	struct change c;
	size_t i;

	*failed = 0;
	if (change_begin(&c, flows) < 0) {
		e = no_memory(err);
	} else {
		for (i = 0; !e && i < n; i++) {
			*failed = i;
			e = carry_out(&c, &mods[i], err);
		}
		if (e)
			change_abort(&c);
		else if (change_commit(&c) < 0)
			e = no_memory(err);
	}
	for (i = 0; i < n; i++)
		actions_free(&mods[i].actions);
	return e;
}

/* Gathering. */

/* What goes with a rule that has taught it is found out when a change is over: so that must be
 * before the next one begins. */
static bool goes_alone(const struct flows *flows)
{
	return flows->uses.lost || flows->uses.by_kind[USE_DELETER];
}

static void publish(struct flows *flows)
{
	struct gathering *g = &flows->gathering;

	if (!g->begun)
		return;
	g->begun = false;
	if (g->lost)
		change_abort(&g->change);
	else if (change_commit(&g->change) < 0)
		g->lost = true;
	else
		g->n = 0;
}

static enum of_error gather(struct flows *flows, struct flow_mod *mod, struct error *err)
{
	struct gathering *g = &flows->gathering;
	bool alone = goes_alone(flows);
	enum of_error e;
	size_t before;

	if (alone)
		publish(flows);
	if (!g->lost && !g->begun)
		g->begun = change_begin(&g->change, flows) == 0;
	if (g->lost || !g->begun) {
		actions_free(&mod->actions);
		return no_memory(err);
	}
	before = g->change.n;
	e = flows_mod_within(&g->change, mod, err);
	if (!e)
		g->n++;
	else if (g->change.n != before)
		g->lost = true; /* there was no memory for the other half of it */
	if (alone)
		publish(flows);
	return e;
}

void flows_gather(struct flows *flows)
{
	flows->gathering.on = true;
}

unsigned flows_publish(struct flows *flows)
{
	struct gathering *g = &flows->gathering;
	unsigned n_refused;

	publish(flows);
	n_refused = g->n;
	g->on = g->lost = false;
	g->n = 0;
	return n_refused;
}

enum of_error flows_mod(struct flows *flows, struct flow_mod *mod, struct error *err)
{
	size_t failed;

	if (flows->gathering.on)
		return gather(flows, mod, err);
	return flows_mods(flows, mod, 1, &failed, err);
}
