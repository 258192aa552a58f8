// SPDX-License-Identifier: Apache-2.0
/* Versions of the pipeline of a bridge. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "flow/classifier.h"
#include "flow/pipeline.h"
#include "flow/pmap.h"
#include "flow/refs.h"

#define ALL_TABLES 255

/* One that has rules or settings. */
struct table {
	uint32_t refs;
	struct pipeline_table settings;
	struct classifier rules;
};

struct ports {
	uint32_t refs;
	unsigned n;
	struct pipeline_port at[];
};

struct pipeline {
	struct rcu_free rcu;
	uint64_t version;
	unsigned n_rules, n_groups, n_meters;
	uint64_t used[(PIPELINE_TABLES + 63) / 64]; /* tables with rules, a bit each */
	struct pmap tables, groups, meters;	    /* by number */
	struct ports *ports;			    /* NULL: none */
	uint8_t frags;
	const struct rule *only_normal;
};

static uint64_t next_version(void)
{
	static uint64_t last;

	return __atomic_add_fetch(&last, 1, __ATOMIC_RELAXED);
}

static struct table *table_of(uint64_t value)
{
	return (struct table *)value;
}

static void ref_table(uint64_t value)
{
	refs_take(&table_of(value)->refs);
}

static void unref_table(uint64_t value)
{
	struct table *table = table_of(value);

	if (!refs_drop(&table->refs))
		return;
	classifier_clear(&table->rules);
	free(table);
}

static void ref_group(uint64_t value)
{
	group_ref((struct group *)value);
}

static void unref_group(uint64_t value)
{
	group_unref((struct group *)value);
}

static void ref_meter(uint64_t value)
{
	meter_ref((struct meter *)value);
}

static void unref_meter(uint64_t value)
{
	meter_unref((struct meter *)value);
}

static const struct pmap_type table_type = { ref_table, unref_table },
			      group_type = { ref_group, unref_group },
			      meter_type = { ref_meter, unref_meter };

struct pipeline *pipeline_create(void)
{
	struct pipeline *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->version = next_version();
	pmap_init(&p->tables, &table_type);
	pmap_init(&p->groups, &group_type);
	pmap_init(&p->meters, &meter_type);
	return p;
}

struct pipeline *pipeline_next(const struct pipeline *old)
{
	struct pipeline *p = malloc(sizeof(*p));

	if (!p)
		return NULL;
	*p = *old;
	p->version = next_version();
	p->only_normal = NULL;
	pmap_share(&p->tables, &old->tables);
	pmap_share(&p->groups, &old->groups);
	pmap_share(&p->meters, &old->meters);
	if (p->ports)
		refs_take(&p->ports->refs);
	return p;
}

static void unref_ports(struct ports *ports)
{
	if (ports && refs_drop(&ports->refs))
		free(ports);
}

void pipeline_free(struct pipeline *p)
{
	if (!p)
		return;
	pmap_clear(&p->tables);
	pmap_clear(&p->groups);
	pmap_clear(&p->meters);
	unref_ports(p->ports);
	free(p);
}

static void free_now(struct rcu_free *item)
{
	pipeline_free(container_of(item, struct pipeline, rcu));
}

void pipeline_free_later(struct pipeline *p)
{
	if (p)
		rcu_free_later(&p->rcu, free_now);
}

uint64_t pipeline_version(const struct pipeline *p)
{
	return p->version;
}

static struct table *find_table(const struct pipeline *p, uint8_t id)
{
	uint64_t value;

	return pmap_get(&p->tables, id, &value) ? table_of(value) : NULL;
}

/* Makes *@at a table that nobody else has; NULL: memory is short. */
static struct table *own(uint64_t *at)
{
	struct table *old = table_of(*at), *table;

	if (refs_alone(&old->refs))
		return old;
	table = malloc(sizeof(*table));
	if (!table)
		return NULL;
	table->refs = 1;
	table->settings = old->settings;
	classifier_share(&table->rules, &old->rules);
	*at = (uint64_t)table;
	unref_table((uint64_t)old);
	return table;
}

/* The table of this number, to be changed, made if it is new; NULL: memory is short. */
static struct table *own_table(struct pipeline *p, uint8_t id)
{
	struct table *table;
	uint64_t *at;

	if (find_table(p, id)) {
		at = pmap_edit(&p->tables, id);
		return at ? own(at) : NULL;
	}
	table = calloc(1, sizeof(*table));
	if (!table)
		return NULL;
	table->refs = 1;
	classifier_init(&table->rules);
	if (pmap_put(&p->tables, id, (uint64_t)table)) {
		free(table);
		return NULL;
	}
	return table;
}

/* A table had @before rules. */
static void recount(struct pipeline *p, uint8_t id, const struct table *table, unsigned before)
{
	uint64_t bit = 1ull << id % 64;

	p->n_rules += table->rules.n_rules - before;
	if (table->rules.n_rules)
		p->used[id / 64] |= bit;
	else
		p->used[id / 64] &= ~bit;
}

int pipeline_add_rule(struct pipeline *p, struct rule *rule)
{
	struct table *table = own_table(p, rule->table);
	unsigned before;
	int ret;

	if (!table)
		return -ENOMEM;
	before = table->rules.n_rules;
	ret = classifier_add(&table->rules, rule);
	recount(p, rule->table, table, before);
	return ret;
}

int pipeline_remove_rule(struct pipeline *p, const struct rule *rule)
{
	struct table *table;
	unsigned before;
	int ret;

	if (!find_table(p, rule->table))
		return -ENOENT;
	table = own_table(p, rule->table);
	if (!table)
		return -ENOMEM;
	before = table->rules.n_rules;
	ret = classifier_remove(&table->rules, rule);
	recount(p, rule->table, table, before);
	return ret;
}

struct rule *pipeline_find_rule(const struct pipeline *p, uint8_t table, uint16_t priority,
				const struct match *match)
{
	const struct table *t = find_table(p, table);

	return t ? classifier_find(&t->rules, priority, match) : NULL;
}

struct rule *pipeline_find_overlap(const struct pipeline *p, uint8_t table, uint16_t priority,
				   const struct match *match)
{
	const struct table *t = find_table(p, table);

	return t ? classifier_find_overlap(&t->rules, priority, match) : NULL;
}

unsigned pipeline_next_table(const struct pipeline *p, unsigned from)
{
	for (unsigned i = from / 64; i < ARRAY_SIZE(p->used); i++, from = i * 64) {
		uint64_t left = p->used[i] >> from % 64;

		if (left)
			return from + (unsigned)__builtin_ctzll(left);
	}
	return PIPELINE_TABLES;
}

void pipeline_each_rule(const struct pipeline *p, uint8_t table, const struct match *filter,
			bool (*fn)(void *arg, struct rule *rule), void *arg)
{
	unsigned last = table == ALL_TABLES ? PIPELINE_TABLES - 1 : table;
	unsigned id = pipeline_next_table(p, table == ALL_TABLES ? 0 : table);

	while (id <= last && classifier_each(&find_table(p, (uint8_t)id)->rules, filter, fn, arg))
		id = pipeline_next_table(p, id + 1);
}

unsigned pipeline_n_rules(const struct pipeline *p, uint8_t table)
{
	const struct table *t;

	if (table == ALL_TABLES)
		return p->n_rules;
	t = find_table(p, table);
	return t ? t->rules.n_rules : 0;
}

const struct rule *pipeline_lookup(const struct pipeline *p, uint8_t table,
				   const struct flow_key *key, struct key_bits *examined,
				   struct lookup *lookup)
{
	const struct table *t = find_table(p, table);

	if (t)
		return classifier_lookup(&t->rules, key, examined, lookup);
	lookup->work = 0;
	lookup->conj_id = 0;
	return NULL;
}

const struct pipeline_table *pipeline_table(const struct pipeline *p, uint8_t table)
{
	static const struct pipeline_table none;
	const struct table *t = find_table(p, table);

	return t ? &t->settings : &none;
}

int pipeline_set_table(struct pipeline *p, uint8_t table, const struct pipeline_table *settings)
{
	struct table *t = own_table(p, table);

	if (!t)
		return -ENOMEM;
	t->settings = *settings;
	return 0;
}

/* Adds to a map, counting. */
static int put_counted(struct pmap *map, unsigned *n, uint64_t key, void *value)
{
	uint64_t other;
	bool more = !pmap_get(map, key, &other);
	int ret = pmap_put(map, key, (uint64_t)value);

	if (!ret)
		*n += more;
	return ret;
}

static int remove_counted(struct pmap *map, unsigned *n, uint64_t key)
{
	int ret = pmap_remove(map, key);

	if (!ret)
		--*n;
	return ret;
}

static void *get(const struct pmap *map, uint64_t key)
{
	uint64_t value;

	return pmap_get(map, key, &value) ? (void *)value : NULL;
}

int pipeline_add_group(struct pipeline *p, struct group *group)
{
	return put_counted(&p->groups, &p->n_groups, group->id, group);
}

int pipeline_remove_group(struct pipeline *p, uint32_t id)
{
	return remove_counted(&p->groups, &p->n_groups, id);
}

const struct group *pipeline_group(const struct pipeline *p, uint32_t id)
{
	return get(&p->groups, id);
}

unsigned pipeline_n_groups(const struct pipeline *p)
{
	return p->n_groups;
}

int pipeline_add_meter(struct pipeline *p, struct meter *meter)
{
	return put_counted(&p->meters, &p->n_meters, meter->id, meter);
}

int pipeline_remove_meter(struct pipeline *p, uint32_t id)
{
	return remove_counted(&p->meters, &p->n_meters, id);
}

struct meter *pipeline_meter(const struct pipeline *p, uint32_t id)
{
	return get(&p->meters, id);
}

unsigned pipeline_n_meters(const struct pipeline *p)
{
	return p->n_meters;
}

struct each_object {
	bool (*group)(void *arg, const struct group *group);
	bool (*meter)(void *arg, struct meter *meter);
	void *arg;
};

static bool each_group(void *arg, uint64_t key, uint64_t value)
{
	const struct each_object *each = arg;

	return each->group(each->arg, (const struct group *)value);
}

static bool each_meter(void *arg, uint64_t key, uint64_t value)
{
	const struct each_object *each = arg;

	return each->meter(each->arg, (struct meter *)value);
}

void pipeline_each_group(const struct pipeline *p, bool (*fn)(void *arg, const struct group *group),
			 void *arg)
{
	struct each_object each = { .group = fn, .arg = arg };

	pmap_each(&p->groups, each_group, &each);
}

void pipeline_each_meter(const struct pipeline *p, bool (*fn)(void *arg, struct meter *meter),
			 void *arg)
{
	struct each_object each = { .meter = fn, .arg = arg };

	pmap_each(&p->meters, each_meter, &each);
}

static int compare_ports(const void *a, const void *b)
{
	const struct pipeline_port *x = a, *y = b;

	return (x->number > y->number) - (x->number < y->number);
}

static bool same_ports(const struct pipeline_port *a, const struct pipeline_port *b, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (a[i].number != b[i].number || a[i].live != b[i].live ||
		    a[i].no_flood != b[i].no_flood || a[i].no_forward != b[i].no_forward ||
		    a[i].no_receive != b[i].no_receive || a[i].no_packet_in != b[i].no_packet_in)
			return false;
	return true;
}

int pipeline_set_ports(struct pipeline *p, const struct pipeline_port *ports, unsigned n)
{
	struct ports *copy;

	if (n == pipeline_n_ports(p) && same_ports(pipeline_ports(p), ports, n))
		return 0;
	copy = malloc(sizeof(*copy) + n * sizeof(copy->at[0]));
	if (!copy)
		return -ENOMEM;
	copy->refs = 1;
	copy->n = n;
	if (n)
		memcpy(copy->at, ports, n * sizeof(copy->at[0]));
	unref_ports(p->ports);
	p->ports = copy;
	return 0;
}

const struct pipeline_port *pipeline_port(const struct pipeline *p, uint32_t number)
{
	struct pipeline_port key = { .number = number };

	return p->ports ? bsearch(&key, p->ports->at, p->ports->n, sizeof(key), compare_ports)
			: NULL;
}

unsigned pipeline_n_ports(const struct pipeline *p)
{
	return p->ports ? p->ports->n : 0;
}

const struct pipeline_port *pipeline_ports(const struct pipeline *p)
{
	return p->ports ? p->ports->at : NULL;
}

void pipeline_set_frags(struct pipeline *p, uint8_t mode)
{
	p->frags = mode;
}

uint8_t pipeline_frags(const struct pipeline *p)
{
	return p->frags;
}

static bool find_first(void *arg, struct rule *rule)
{
	*(const struct rule **)arg = rule;
	return false;
}

/* Whether the rule matches all packets, and does nothing with them but NORMAL. */
static bool is_normal(const struct rule *rule)
{
	const struct action_output *output = (const void *)rule->actions.bytes;
	struct match match;

	rule_match(rule, &match);
	for (unsigned i = 0; i < FLOW_KEY_WORDS; i++)
		if (match.mask.words[i])
			return false;
	return rule->actions.len >= sizeof(*output) && output->action.kind == ACTION_OUTPUT &&
	       output->action.len == rule->actions.len && output->port == OFPORT_NORMAL;
}

void pipeline_finish(struct pipeline *p)
{
	const struct rule *rule = NULL;

	p->only_normal = NULL;
	if (p->n_rules != 1 || p->frags == PIPELINE_FRAGS_DROP)
		return;
	for (unsigned i = 0; i < pipeline_n_ports(p); i++) {
		const struct pipeline_port *port = &p->ports->at[i];

		if (port->no_flood || port->no_forward || port->no_receive)
			return;
	}
	pipeline_each_rule(p, 0, NULL, find_first, &rule);
	if (rule && is_normal(rule))
		p->only_normal = rule;
}

const struct rule *pipeline_only_normal(const struct pipeline *p)
{
	return p->only_normal;
}
