// SPDX-License-Identifier: Apache-2.0
/* The rules of a bridge: their life, versions and who waits for them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/limit.h"
#include "base/log.h"
#include "switch/flows_keep.h"
#include "switch/flows_private.h"

LOG_MODULE("flows");
LIMIT(flow_limit, "flows", 16 * FLOWS_MAX, "rules of all bridges");

#define TABLE_SLOTS 2	      /* tallies of a table: lookups and matches */
#define TURN_NS NSEC_PER_MSEC /* after this long, what waits goes on in the next turn */

_Static_assert(BANK_SLOTS_MAX > 2 * (FLOWS_MAX + FLOWS_BUCKETS_MAX),
	       "all rules and buckets have tallies, and all that come in their place");

uint64_t flows_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / NSEC_PER_MSEC;
}

/* What waits until all has settled. */

static void on_settled(void *arg);

static void settle(struct flows *flows)
{
	if (flows->settling || !flows->after || flows->closed || flows->sw->destroying)
		return;
	flows->settling = container_of(flows->after_end, struct after, next);
	flows->counted_ms = flows_now_ms();
	datapath_settle(flows->sw->dp, &flows->waiter, on_settled, flows);
}

static struct after *take_after(struct flows *flows)
{
	struct after *after = flows->after;

	if (after) {
		flows->after = after->next;
		if (!flows->after)
			flows->after_end = &flows->after;
	}
	return after;
}

/* Does what waits up to flows->settling, and no more of it in a turn of the loop than others can
 * wait for: a million rules that go at once are told of one by one. But at least @least: twice as
 * much as has come since the last turn, or more and more would wait, since more comes while workers
 * are asked. */
static void take_turn(struct flows *flows, size_t least)
{
	static const struct timeval now;
	const struct after *last = flows->settling;
	uint64_t until = clock_ns() + TURN_NS;
	struct after *after;

	flows->n_late = 0;
	for (size_t n = 1; (after = take_after(flows)); n++) {
		bool was_last = after == last, late;

		after->fn(after);
		late = n >= FLOWS_TURN || clock_ns() > until;
		if (late) /* what is next may take long, too, here and at other bridges */
			keep_busy(flows->sw->env.keep);
		if (was_last)
			break;
		/* a timer, not event_active(): what is ready elsewhere comes first */
		if (late && n >= least && event_add(flows->more, &now) == 0)
			return;
	}
	flows->settling = NULL;
	settle(flows);
}

static void on_settled(void *arg)
{
	take_turn(arg, 0);
}

static void on_more(evutil_socket_t fd, short what, void *arg)
{
	struct flows *flows = arg;

	take_turn(flows, 2 * flows->n_late);
}

static void add_after(struct flows *flows, struct after *after, void (*fn)(struct after *after))
{
	*after = (struct after){ .fn = fn };
	*flows->after_end = after;
	flows->after_end = &after->next;
	flows->n_late++;
}

void flows_after(struct flows *flows, struct after *after, void (*fn)(struct after *after))
{
	add_after(flows, after, fn);
	settle(flows);
}

struct call {
	struct after after; /* first */
	void (*fn)(void *arg);
	void *arg;
};

static void call(struct after *after)
{
	struct call *c = container_of(after, struct call, after);

	c->fn(c->arg);
	free(c);
}

void flows_settle(struct flows *flows, void (*fn)(void *arg), void *arg)
{
	struct call *c = malloc(sizeof(*c));

	if (!c) {
		fn(arg); /* with counts that are somewhat late */
		return;
	}
	c->fn = fn;
	c->arg = arg;
	flows_after(flows, &c->after, call);
}

struct old_version {
	struct after after; /* first */
	struct pipeline *pipeline;
};

static void free_version(struct after *after)
{
	struct old_version *old = container_of(after, struct old_version, after);

	pipeline_free(old->pipeline);
	free(old);
}

/* Rules and what belongs to them. */

static void free_rule(struct rule *rule)
{
	struct flows_rule *owner = rule->owner;

	if (!owner)
		return;
	keep_busy(owner->flows->sw->env.keep); /* whoever lets go of it may do so with a million */
	bank_unref(&owner->flows->tallies, owner->slot);
	free(owner);
	room_give(rule->actions.len);
	limit_give(&flow_limit, 1);
}

static void free_group(struct group *group)
{
	struct flows_group *owner = group->owner;

	if (!owner)
		return;
	bank_unref(&owner->flows->tallies, owner->slot);
	for (unsigned i = 0; i < owner->n_buckets; i++)
		bank_unref(&owner->flows->tallies, owner->buckets[i]);
	room_give(owner->actions_len);
	free(owner);
}

static void free_meter(struct meter *meter)
{
	struct flows_meter *owner = meter->owner;

	if (!owner)
		return;
	bank_unref(&owner->flows->meters, owner->slot);
	free(owner);
}

/* A tally: @heir's, or a new one. */
static int take_tally(struct flows *flows, const struct rule *heir, uint32_t *slot)
{
	if (!heir)
		return bank_take(&flows->tallies, slot);
	*slot = ((const struct flows_rule *)heir->owner)->slot;
	bank_ref(&flows->tallies, *slot);
	return 0;
}

struct rule *flows_make_rule_at(struct flows *flows, uint8_t table, uint16_t priority,
				const struct match *match, struct action_list *actions,
				uint32_t slot)
{
	struct flows_rule *owner = calloc(1, sizeof(*owner));
	uint32_t len = actions->len;
	struct rule *rule;

	if (!owner || !limit_take(&flow_limit, 1))
		goto no_owner;
	if (!room_take(len))
		goto no_room;
	actions_settle(actions, match);
	rule = rule_create(table, priority, match, actions);
	if (!rule)
		goto no_rule;
	owner->flows = flows;
	owner->rule = rule;
	owner->slot = slot;
	rule->owner = owner;
	rule->id = slot;
	rule->tally = bank_at(&flows->tallies, slot);
	rule->created_ms = rule->modified_ms = flows_now_ms();
	return rule;
no_rule:
	room_give(len);
no_room:
	limit_give(&flow_limit, 1);
no_owner:
	bank_unref(&flows->tallies, slot);
	free(owner);
	actions_free(actions);
	return NULL;
}

struct rule *flows_make_rule(struct flows *flows, uint8_t table, uint16_t priority,
			     const struct match *match, struct action_list *actions,
			     const struct rule *heir)
{
	uint32_t slot;

	if (take_tally(flows, heir, &slot) == 0)
		return flows_make_rule_at(flows, table, priority, match, actions, slot);
	actions_free(actions);
	return NULL;
}

/* Changes. */

int change_begin(struct change *c, struct flows *flows)
{
	*c = (struct change){ .flows = flows,
			      .n_rules = flows->n_rules,
			      .n_buckets = flows->n_buckets,
			      .actions_len = flows->actions_len };
	c->next = pipeline_next(flows->current);
	return c->next ? 0 : -ENOMEM;
}

/* Room for @n more effects. */
static int reserve(struct change *c, size_t n)
{
	size_t size = max(c->size * 2, (size_t)8);
	struct change_effect *effects;

	if (c->n + n <= c->size)
		return 0;
	effects = reallocarray(c->effects, size, sizeof(*effects));
	if (!effects)
		return -ENOMEM;
	c->effects = effects;
	c->size = size;
	return 0;
}

/* Takes a reference to @rule. */
static void add_effect(struct change *c, struct rule *rule, bool added, unsigned why, bool silent)
{
	c->effects[c->n++] = (struct change_effect){
		.rule = rule, .added = added, .why = (uint8_t)why, .silent = silent
	};
	c->n_rules += added ? 1 : -1u;
	c->actions_len += added ? rule->actions.len : -(uint64_t)rule->actions.len;
	keep_busy(c->flows->sw->env.keep);
	uses_note_rule(c->flows, rule, added);
}

int change_add(struct change *c, struct rule *rule, struct rule *old)
{
	if (reserve(c, 2) < 0)
		goto no_memory;
	if (old)
		rule_ref(old); /* the version may be the last that shows it */
	if (pipeline_add_rule(c->next, rule) < 0) {
		if (old)
			rule_unref(old);
		goto no_memory;
	}
	if (old)
		add_effect(c, old, false, REMOVED_DELETE, true);
	add_effect(c, rule, true, 0, false);
	return 0;
no_memory:
	rule_unref(rule);
	return -ENOMEM;
}

int change_remove(struct change *c, struct rule *rule, enum removed_reason why)
{
	if (reserve(c, 1) < 0)
		return -ENOMEM;
	rule_ref(rule);
	if (pipeline_remove_rule(c->next, rule) < 0) {
		rule_unref(rule);
		return -ENOMEM;
	}
	add_effect(c, rule, false, why, false);
	return 0;
}

/* A group is there in place of another one; either may be NULL. */
static void note_groups(struct flows *flows, unsigned kind, const void *old, const void *now)
{
	if (kind != CHANGE_GROUP)
		return;
	uses_note_group(flows, old, false);
	uses_note_group(flows, now, true);
}

int change_note(struct change *c, struct change_object object)
{
	size_t size = max(c->objects_size * 2, (size_t)4);
	struct change_object *objects;

	if (c->n_objects == c->objects_size) {
		objects = reallocarray(c->objects, size, sizeof(*objects));
		if (!objects)
			return -ENOMEM;
		c->objects = objects;
		c->objects_size = size;
	}
	keep_busy(c->flows->sw->env.keep);
	c->objects[c->n_objects++] = object;
	c->other = true;
	note_groups(c->flows, object.kind, object.old, object.object);
	return 0;
}

void change_abort(struct change *c)
{
	while (c->n--) {
		struct change_effect *e = &c->effects[c->n];

		uses_note_rule(c->flows, e->rule, !e->added);
		rule_unref(e->rule);
	}
	while (c->n_objects--) {
		const struct change_object *o = &c->objects[c->n_objects];

		note_groups(c->flows, o->kind, o->object, o->old);
	}
	free(c->effects);
	free(c->objects);
	pipeline_free(c->next);
}

/* One that is gone: the version before, which had it, is freed by now. */
static void let_go(struct after *after)
{
	rule_unref(container_of(after, struct flows_rule, after)->rule);
}

static void tell_removed(struct after *after)
{
	struct flows_rule *owner = container_of(after, struct flows_rule, after);
	struct flows_listener *next;

	for (struct flows_listener *l = owner->flows->listeners; l; l = next) {
		next = l->next;
		if (l->removed)
			l->removed(l->arg, owner->rule, owner->why);
	}
	let_go(after);
}

/* Behind publication, and behind the version before in the queue. */
static void take_effect(struct flows *flows, struct change_effect *e)
{
	struct flows_rule *owner = e->rule->owner;
	bool told;

	keep_busy(flows->sw->env.keep);
	owner->shown = e->added;
	if (e->added) {
		expire_add(flows, owner);
		rule_unref(e->rule); /* the version has its own */
		return;
	}
	expire_remove(flows, owner);
	owner->why = e->why;
	told = !e->silent && !e->rule->hidden && e->rule->flags & RULE_SEND_FLOW_REM;
	add_after(flows, &owner->after, told && flows->listeners ? tell_removed : let_go);
}

int change_commit(struct change *c)
{
	struct flows *flows = c->flows;
	struct old_version *old;

	if (!c->n && !c->other) {
		change_abort(c);
		return 0;
	}
	old = malloc(sizeof(*old));
	if (!old || uses_forget_learned(c) < 0 ||
	    (flows_ports_differ(flows, c->next) && flows_set_ports(flows, c->next) < 0) ||
	    expire_reserve(flows, c->n) < 0 || flows_keep_change(flows, c) < 0) {
		free(old);
		change_abort(c);
		return -ENOMEM;
	}
	old->pipeline = (struct pipeline *)flows->current;
	pipeline_finish(c->next);
	rcu_publish(&flows->current, c->next);
	flows->n_rules = c->n_rules;
	flows->n_buckets = c->n_buckets;
	flows->actions_len = c->actions_len;
	add_after(flows, &old->after, free_version);
	for (size_t i = 0; i < c->n; i++)
		take_effect(flows, &c->effects[i]);
	settle(flows); /* for all of them: who is told of one does not wait for workers twice */
	free(c->effects);
	free(c->objects);
	return 0;
}

/* Finding. */

bool rule_list_add(struct rule_list *list, struct rule *rule)
{
	struct rule **rules;
	size_t size = max(list->size * 2, (size_t)16);

	if (list->n == list->size) {
		rules = reallocarray(list->rules, size, sizeof(*rules));
		if (!rules) {
			list->no_memory = true;
			return false;
		}
		list->rules = rules;
		list->size = size;
	}
	list->rules[list->n++] = rule;
	return true;
}

static bool passes(const struct flow_filter *filter, const struct rule *rule)
{
	return !rule->hidden && !((rule->cookie ^ filter->cookie) & filter->cookie_mask) &&
	       (filter->out_port == OFPORT_NONE ||
		actions_output_to(&rule->actions, filter->out_port)) &&
	       (filter->out_group == GROUP_ANY ||
		actions_use_group(&rule->actions, filter->out_group));
}

struct collecting {
	const struct flow_filter *filter;
	struct rule_list *out;
};

static bool collect(void *arg, struct rule *rule)
{
	const struct collecting *c = arg;

	return !passes(c->filter, rule) || rule_list_add(c->out, rule);
}

static void collect_strictly(const struct pipeline *p, const struct collecting *c)
{
	bool all = c->filter->table == FLOWS_TABLE_ALL;
	unsigned last = all ? PIPELINE_TABLES - 1 : c->filter->table;
	unsigned t = pipeline_next_table(p, all ? 0 : c->filter->table);

	for (; t <= last; t = pipeline_next_table(p, t + 1)) {
		struct rule *rule =
			pipeline_find_rule(p, (uint8_t)t, c->filter->priority, &c->filter->match);

		if (rule && !collect((void *)c, rule))
			return;
	}
}

void flows_collect(const struct pipeline *p, const struct flow_filter *filter,
		   struct rule_list *out)
{
	struct collecting c = { .filter = filter, .out = out };

	if (filter->strict)
		collect_strictly(p, &c);
	else
		pipeline_each_rule(p, filter->table, &filter->match, collect, &c);
}

bool flows_has_group(const void *pipeline, uint32_t group)
{
	return pipeline_group(pipeline, group);
}

bool flows_has_meter(const void *pipeline, uint32_t meter)
{
	return pipeline_meter(pipeline, meter);
}

struct showing {
	const struct flow_filter *filter;
	bool (*fn)(void *arg, const struct rule *rule);
	void *arg;
};

static bool show(void *arg, struct rule *rule)
{
	const struct showing *s = arg;

	return !passes(s->filter, rule) || s->fn(s->arg, rule);
}

void flows_each(struct flows *flows, const struct flow_filter *filter,
		bool (*fn)(void *arg, const struct rule *rule), void *arg)
{
	struct showing s = { .filter = filter, .fn = fn, .arg = arg };
	struct rule_list list = { 0 };

	if (!filter->strict) {
		pipeline_each_rule(flows->current, filter->table, &filter->match, show, &s);
		return;
	}
	flows_collect(flows->current, filter, &list);
	for (size_t i = 0; i < list.n && fn(arg, list.rules[i]); i++)
		;
	free(list.rules);
}

/* Settings of tables. */

static int make_tables(struct flows *flows, struct pipeline *p)
{
	for (unsigned t = 0; t < PIPELINE_TABLES; t++) {
		struct pipeline_table table = { .miss = MISS_CONTROLLER };
		uint32_t slots[TABLE_SLOTS];

		for (unsigned i = 0; i < TABLE_SLOTS; i++)
			if (flows_keep_table(flows, t * TABLE_SLOTS + i, &slots[i]) < 0)
				return -ENOMEM;
		table.lookups = bank_at(&flows->tallies, slots[0]);
		table.matches = bank_at(&flows->tallies, slots[1]);
		if (pipeline_set_table(p, (uint8_t)t, &table) < 0)
			return -ENOMEM;
	}
	return 0;
}

enum of_error flows_set_table_miss(struct flows *flows, uint8_t table, enum table_miss miss,
				   struct error *err)
{
	unsigned first = table, last = table;
	struct change c;
	int r;

	if (table == FLOWS_TABLE_ALL) {
		first = 0;
		last = PIPELINE_TABLES - 1;
	}
	r = change_begin(&c, flows);
	for (unsigned t = first; r == 0 && t <= last; t++) {
		struct pipeline_table settings = *pipeline_table(c.next, (uint8_t)t);

		settings.miss = miss;
		r = pipeline_set_table(c.next, (uint8_t)t, &settings);
		if (r < 0)
			change_abort(&c);
	}
	c.settings = c.other = true;
	if (r == 0)
		r = change_commit(&c);
	if (r == 0)
		return OFERR_NONE;
	error_set(err, r, "out of memory");
	return OFERR_TABLE_BAD_CONFIG;
}

void flows_set_frags(struct flows *flows, uint8_t mode)
{
	struct change c;

	if (pipeline_frags(flows->current) == mode || change_begin(&c, flows) < 0)
		return;
	pipeline_set_frags(c.next, mode);
	c.settings = c.other = true;
	(void)change_commit(&c);
}

/* Bridges. */

void flows_show_first(struct flows *flows, struct rule *rule)
{
	struct flows_rule *owner = rule->owner;

	owner->shown = true;
	flows->n_rules++;
	flows->actions_len += rule->actions.len;
	uses_note_rule(flows, rule, true);
	expire_add(flows, owner);
}

int flows_hide_first(struct flows *flows, struct pipeline *p, struct rule *rule)
{
	int r;

	flows->n_rules--;
	flows->actions_len -= rule->actions.len;
	uses_note_rule(flows, rule, false);
	expire_remove(flows, rule->owner);
	rule_ref(rule); /* the version is the only one that has it */
	r = pipeline_remove_rule(p, rule);
	rule_unref(rule);
	return r;
}

static int add_default(struct flows *flows, struct pipeline *p)
{
	struct action_list actions = { 0 };
	struct action_output *out = actions_append(&actions, ACTION_OUTPUT, sizeof(*out));
	struct match match;
	struct rule *rule;
	int r;

	if (!out)
		return -ENOMEM;
	out->port = OFPORT_NORMAL;
	match_init(&match);
	rule = flows_make_rule(flows, 0, 0, &match, &actions, NULL);
	if (!rule)
		return -ENOMEM;
	r = pipeline_add_rule(p, rule);
	if (r == 0)
		flows_show_first(flows, rule);
	rule_unref(rule);
	return r;
}

/* The first version. */
static int make_first(struct flows *flows)
{
	struct pipeline *p = pipeline_create();
	int r = p ? make_tables(flows, p) : -ENOMEM;

	if (r == 0)
		r = flows_keep_restore(flows, p);
	if (r == 0 && !flows->secure && !flows->restored)
		r = add_default(flows, p);
	if (r < 0) {
		pipeline_free(p);
		return r;
	}
	pipeline_finish(p);
	flows->current = p;
	return 0;
}

struct flows *flows_create(struct swtch *sw, const char *bridge, const json_t *options,
			   struct error *err)
{
	struct flows *flows = calloc(1, sizeof(*flows));

	if (!flows)
		goto no_memory;
	rule_on_free = free_rule;
	group_on_free = free_group;
	meter_on_free = free_meter;
	flows->sw = sw;
	flows->name = bridge;
	flows->after_end = &flows->after;
	flows->ledger_room = LEDGER_ROOM_MAX;
	flows->secure = !strcmp(option_string(options, "fail-mode", "standalone"), "secure");
	flows->more = evtimer_new(sw->base, on_more, flows);
	if (!flows->more || expire_init(flows) < 0 || flows_keep_open(flows) < 0 ||
	    make_first(flows) < 0 || flows_keep_started(flows) < 0)
		goto no_memory;
	return flows;
no_memory:
	flows_destroy(flows);
	error_set(err, -ENOMEM, "out of memory");
	return NULL;
}

void flows_close(struct flows *flows)
{
	struct flows_listener *l;

	flows->closed = true;
	expire_close(flows);
	while ((l = flows->listeners)) {
		__atomic_store_n(&flows->listeners, l->next, __ATOMIC_RELAXED);
		if (l->gone)
			l->gone(l->arg);
	}
}

void flows_destroy(struct flows *flows)
{
	struct after *after;

	if (!flows)
		return;
	if (!flows->closed)
		flows_close(flows);
	if (flows->more)
		event_free(flows->more);
	while ((after = take_after(flows)))
		after->fn(after);
	pipeline_free((struct pipeline *)flows->current);
	flows_free_ports(flows);
	uses_free(&flows->uses);
	free(flows->due);
	flows_keep_close(flows);
	free(flows);
}

struct flows *switch_flows(struct swtch *sw, const char *bridge)
{
	struct sw_bridge *b = switch_find_bridge(sw, bridge);

	return b ? b->flows : NULL;
}

const struct pipeline *const *flows_rules(const struct flows *flows)
{
	return &flows->current;
}

const char *flows_bridge(const struct flows *flows)
{
	return flows->name;
}

const struct pipeline *flows_pipeline(const struct flows *flows)
{
	return flows->current;
}

void flows_listen(struct flows *flows, struct flows_listener *listener)
{
	listener->next = flows->listeners;
	__atomic_store_n(&flows->listeners, listener, __ATOMIC_RELAXED); /* workers look at it */
}

void flows_unlisten(struct flows *flows, struct flows_listener *listener)
{
	struct flows_listener **at = &flows->listeners;

	while (*at && *at != listener)
		at = &(*at)->next;
	if (*at)
		__atomic_store_n(at, listener->next, __ATOMIC_RELAXED);
}

const void *const *flows_listened(const struct flows *flows)
{
	return (const void *const *)&flows->listeners;
}

void switch_watch_bridges(struct swtch *sw, void (*fn)(void *arg, struct flows *flows), void *arg)
{
	sw->on_bridge = fn;
	sw->on_bridge_arg = arg;
	for (struct sw_bridge *b = sw->bridges; fn && b; b = b->next)
		fn(arg, b->flows);
}
