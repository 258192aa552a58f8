// SPDX-License-Identifier: Apache-2.0
/* What rules use: groups, meters, and the cookies of the rules that they teach. */
#include <errno.h>
#include <stdlib.h>

#include "switch/flows_private.h"

#define PORTS 0x10000u /* numbers of ports that may be live are below */

typedef bool each_action(void *arg, const struct action *action);

/* Calls @fn for each action, those within others included, until it returns false: then so does
 * this. */
static bool walk(const uint8_t *bytes, size_t len, each_action *fn, void *arg)
{
	ACTIONS_FOR_EACH(a, bytes, len)
	{
		const struct action_nested *nested = (const void *)a;

		if (!fn(arg, a))
			return false;
		if ((a->kind == ACTION_CLONE || a->kind == ACTION_WRITE_ACTIONS) &&
		    !walk(nested->actions, a->len - offsetof(struct action_nested, actions), fn,
			  arg))
			return false;
	}
	return true;
}

struct noting {
	struct uses *uses;
	struct rule *rule;
	bool added;
	uint64_t *noted; /* bitmap of PORTS that need not be again; NULL: all are, each time */
};

static void count(const struct noting *n, enum use_kind kind, uint8_t table, uint64_t id)
{
	if (n->added)
		(void)uses_add(n->uses, kind, table, id);
	else
		(void)uses_sub(n->uses, kind, table, id);
}

/* Users that go are known without their actions. */
static void note_user(const struct noting *n, enum use_kind kind, uint32_t id)
{
	struct flows_rule *owner = n->rule->owner;

	if (n->added)
		uses_add_user(n->uses, kind, id, n->rule, &owner->users);
}

static void note_bundle(const struct noting *n, const struct action_bundle *bundle)
{
	for (uint32_t i = 0; i < bundle->n_ports; i++) {
		uint32_t port = bundle->ports[i];

		if (n->noted && port < PORTS) {
			if (n->noted[port / 64] >> port % 64 & 1)
				continue;
			n->noted[port / 64] |= 1ull << port % 64;
		}
		count(n, USE_LIVE, 0, port);
	}
}

/* Who takes the rules along that it taught. */
static bool note_deleter(void *arg, const struct action *a)
{
	const struct action_learn *learn = (const void *)a;

	if (a->kind == ACTION_LEARN && learn->flags & LEARN_DELETE_LEARNED)
		count(arg, USE_DELETER, learn->table, learn->cookie);
	return true;
}

static bool note_action(void *arg, const struct action *a)
{
	const struct action_controller *c = (const void *)a;
	const struct noting *n = arg;

	switch (a->kind) {
	case ACTION_GROUP:
		note_user(n, USE_GROUP, ((const struct action_group *)a)->group);
		break;
	case ACTION_METER:
		note_user(n, USE_METER, ((const struct action_meter *)a)->meter);
		break;
	case ACTION_CONTROLLER:
		if (c->has_meter)
			note_user(n, USE_METER, c->meter);
		break;
	case ACTION_BUNDLE:
		note_bundle(n, (const struct action_bundle *)a);
		break;
	case ACTION_LEARN:
		note_deleter(arg, a);
		break;
	default:
		break;
	}
	return true;
}

void uses_note_rule(struct flows *flows, struct rule *rule, bool added)
{
	struct noting n = { .uses = &flows->uses, .rule = rule, .added = added };
	struct flows_rule *owner = rule->owner;

	if (flows->uses.counted[rule->table])
		count(&n, USE_COOKIE, rule->table, rule->cookie);
	if (!added)
		uses_drop_users(&flows->uses, &owner->users);
	walk(rule->actions.bytes, rule->actions.len, note_action, &n);
}

struct each_next {
	void (*fn)(void *arg, uint32_t id);
	void *arg;
};

static bool next_by_action(void *arg, const struct action *a)
{
	const struct each_next *e = arg;

	if (a->kind == ACTION_GROUP)
		e->fn(e->arg, ((const struct action_group *)a)->group);
	return true;
}

void uses_each_next(const struct group *group, void (*fn)(void *arg, uint32_t id), void *arg)
{
	struct each_next e = { .fn = fn, .arg = arg };

	for (unsigned i = 0; i < group->n_buckets; i++) {
		const struct group_bucket *b = &group->buckets[i];

		if (b->watch_group != GROUP_ANY)
			fn(arg, b->watch_group);
		walk(b->actions.bytes, b->actions.len, next_by_action, &e);
	}
}

static void note_next(void *arg, uint32_t id)
{
	count(arg, USE_NEXT, 0, id);
}

static bool note_live(void *arg, const struct action *a)
{
	if (a->kind == ACTION_BUNDLE)
		note_bundle(arg, (const struct action_bundle *)a);
	return true;
}

/* Ports of bundles once: buckets have room for millions of them. */
void uses_note_group(struct flows *flows, const struct group *group, bool added)
{
	uint64_t noted[PORTS / 64] = { 0 };
	struct noting n = { .uses = &flows->uses, .added = added, .noted = noted };

	if (!group)
		return;
	uses_each_next(group, note_next, &n);
	for (unsigned i = 0; i < group->n_buckets; i++) {
		const struct group_bucket *b = &group->buckets[i];

		if (b->watch_port != OFPORT_NONE)
			count(&n, USE_LIVE, 0, b->watch_port);
		walk(b->actions.bytes, b->actions.len, note_live, &n);
	}
}

static bool is_no_bundle(void *arg, const struct action *a)
{
	return a->kind != ACTION_BUNDLE;
}

bool uses_live_ports(const struct action_list *actions)
{
	return !walk(actions->bytes, actions->len, is_no_bundle, NULL);
}

/* Rules that were learned, as limits count them. */

static bool count_cookie(void *arg, struct rule *rule)
{
	return uses_add(arg, USE_COOKIE, rule->table, rule->cookie);
}

struct members {
	uint64_t cookie;
	unsigned n;
};

static bool count_one(void *arg, struct rule *rule)
{
	struct members *m = arg;

	m->n += rule->cookie == m->cookie;
	return true;
}

unsigned uses_learned(struct flows *flows, const struct pipeline *p, uint8_t table, uint64_t cookie)
{
	struct uses *uses = &flows->uses;
	struct members m = { .cookie = cookie };
	const struct use *use;

	if (!uses->lost && !uses->counted[table]) {
		pipeline_each_rule(p, table, NULL, count_cookie, uses);
		uses->counted[table] = true;
	}
	if (uses->lost) {
		pipeline_each_rule(p, table, NULL, count_one, &m);
		return m.n;
	}
	use = uses_find(uses, USE_COOKIE, table, cookie);
	return use ? use->count : 0;
}

/* What goes with those that taught it. */

struct taught {
	uint64_t cookie;
	struct rule *rule; /* NULL: gone */
};

/* Rules of a table, sorted by their cookies. */
struct by_cookie {
	struct taught *rules; /* NULL: not asked for yet */
	size_t n;
};

struct forgetting {
	struct change *c;
	struct by_cookie *tables;
	const struct uses *deleters; /* NULL: not asked for yet */
	struct uses counted;	     /* these, if those of the bridge are lost */
};

static int compare_cookies(const void *a, const void *b)
{
	const struct taught *x = a, *y = b;

	return x->cookie < y->cookie ? -1 : x->cookie > y->cookie;
}

static bool add_taught(void *arg, struct rule *rule)
{
	struct by_cookie *t = arg;

	if (!rule->hidden)
		t->rules[t->n++] = (struct taught){ rule->cookie, rule };
	return true;
}

/* Rules of @table: in one go, since a change may take away teachers of any number of cookies. NULL:
 * no memory. */
static struct by_cookie *rules_by_cookie(struct forgetting *f, uint8_t table)
{
	const struct pipeline *p = f->c->next;
	struct by_cookie *t;

	if (!f->tables)
		f->tables = calloc(256, sizeof(f->tables[0]));
	if (!f->tables)
		return NULL;
	t = &f->tables[table];
	if (t->rules)
		return t;
	t->rules = calloc(pipeline_n_rules(p, table) + 1, sizeof(t->rules[0]));
	if (!t->rules)
		return NULL;
	pipeline_each_rule(p, table, NULL, add_taught, t);
	qsort(t->rules, t->n, sizeof(t->rules[0]), compare_cookies);
	return t;
}

static size_t first_of_cookie(const struct by_cookie *t, uint64_t cookie)
{
	size_t low = 0, high = t->n;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (t->rules[mid].cookie < cookie)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static bool count_deleter(void *arg, struct rule *rule)
{
	struct noting n = { .uses = arg, .added = true };

	keep_busy(((const struct flows_rule *)rule->owner)->flows->sw->env.keep);
	return walk(rule->actions.bytes, rule->actions.len, note_deleter, &n);
}

/* Who still teaches; NULL: no memory. */
static const struct uses *find_deleters(struct forgetting *f)
{
	const struct uses *uses = &f->c->flows->uses;

	if (!f->deleters && uses->lost)
		pipeline_each_rule(f->c->next, 255, NULL, count_deleter, &f->counted);
	if (!f->deleters)
		f->deleters = uses->lost ? &f->counted : uses;
	return f->deleters->lost ? NULL : f->deleters;
}

static bool remove_taught(struct forgetting *f, struct rule *rule)
{
	struct noting n = { .uses = &f->counted };

	if (change_remove(f->c, rule, REMOVED_DELETE) < 0)
		return false;
	return walk(rule->actions.bytes, rule->actions.len, note_deleter, &n);
}

/* Rules that a learn action has made, when no other rule teaches them any more. */
static bool forget(void *arg, const struct action *a)
{
	const struct action_learn *learn = (const void *)a;
	struct forgetting *f = arg;
	const struct uses *deleters;
	struct by_cookie *t;

	if (a->kind != ACTION_LEARN || !(learn->flags & LEARN_DELETE_LEARNED))
		return true;
	deleters = find_deleters(f);
	if (!deleters)
		return false;
	if (uses_find(deleters, USE_DELETER, learn->table, learn->cookie))
		return true;
	t = rules_by_cookie(f, learn->table);
	if (!t)
		return false;
	/* they go together: when the first is gone, so are the others */
	for (size_t i = first_of_cookie(t, learn->cookie);
	     i < t->n && t->rules[i].cookie == learn->cookie && t->rules[i].rule; i++) {
		if (!remove_taught(f, t->rules[i].rule))
			return false;
		t->rules[i].rule = NULL;
	}
	return true;
}

int uses_forget_learned(struct change *c)
{
	struct forgetting f = { .c = c };
	bool good = true;

	for (size_t i = 0; good && i < c->n; i++) {
		const struct action_list *actions = &c->effects[i].rule->actions;

		good = c->effects[i].added || walk(actions->bytes, actions->len, forget, &f);
	}
	for (unsigned i = 0; f.tables && i < 256; i++)
		free(f.tables[i].rules);
	free(f.tables);
	uses_free(&f.counted);
	return good ? 0 : -ENOMEM;
}

/* Users of groups and meters. */

struct search {
	enum use_kind kind;
	uint32_t id;
	bool all; /* whatever its number */
	struct rule_list *out;
};

static bool is_other(void *arg, const struct action *a)
{
	const struct action_controller *c = (const void *)a;
	const struct search *s = arg;

	if (s->kind == USE_GROUP)
		return a->kind != ACTION_GROUP ||
		       (!s->all && ((const struct action_group *)a)->group != s->id);
	if (a->kind == ACTION_METER)
		return !s->all && ((const struct action_meter *)a)->meter != s->id;
	return a->kind != ACTION_CONTROLLER || !c->has_meter || (!s->all && c->meter != s->id);
}

static bool search_rule(void *arg, struct rule *rule)
{
	const struct search *s = arg;

	return walk(rule->actions.bytes, rule->actions.len, is_other, arg) ||
	       rule_list_add(s->out, rule);
}

static bool is_all(enum use_kind kind, uint32_t id)
{
	return id == (kind == USE_GROUP ? GROUP_ALL : METER_ALL);
}

/* Rules of @p that use a group or a meter, or any of them: one walk over all rules. */
static void collect(const struct pipeline *p, enum use_kind kind, uint32_t id,
		    struct rule_list *out)
{
	struct search s = { .kind = kind, .id = id, .all = is_all(kind, id), .out = out };

	pipeline_each_rule(p, 255, NULL, search_rule, &s);
}

static int remove_noted(struct change *c, enum use_kind kind, uint32_t id, enum removed_reason why)
{
	const struct use *use;
	int r = 0;

	/* with each rule, its note goes */
	while (r == 0 && (use = uses_find(&c->flows->uses, kind, 0, id)))
		r = change_remove(c, use->users->rule, why);
	return r;
}

int uses_remove(struct change *c, enum use_kind kind, uint32_t id, enum removed_reason why)
{
	const struct uses *uses = &c->flows->uses;
	struct rule_list list = { 0 };
	int r;

	if (!uses->lost && !uses->by_kind[kind])
		return 0;
	if (!uses->lost && !is_all(kind, id))
		return remove_noted(c, kind, id, why);
	collect(c->next, kind, id, &list);
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
	collect(flows->current, kind, id, &list);
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
