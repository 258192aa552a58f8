// SPDX-License-Identifier: Apache-2.0
/* The rules of one shape in a table. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/compiler.h"
#include "flow/place.h"
#include "flow/refs.h"
#include "flow/tuple.h"

/* Rules of the same match. A value of tuple->rules is a rule, as nearly always, or with CHAIN set
 * one of these. */
struct chain {
	uint32_t refs;
	struct pmap rules; /* tuple_rank() -> rule */
};

#define CHAIN 1u

static struct chain *chain_of(uint64_t value)
{
	return value & CHAIN ? (struct chain *)(value - CHAIN) : NULL;
}

static struct rule *rule_of(uint64_t value)
{
	return (struct rule *)value;
}

static void ref_rule(uint64_t value)
{
	rule_ref(rule_of(value));
}

static void unref_rule(uint64_t value)
{
	rule_unref(rule_of(value));
}

static const struct pmap_type rule_type = { ref_rule, unref_rule };

static void ref_value(uint64_t value)
{
	if (chain_of(value))
		refs_take(&chain_of(value)->refs);
	else
		rule_ref(rule_of(value));
}

static void unref_value(uint64_t value)
{
	struct chain *chain = chain_of(value);

	if (!chain) {
		rule_unref(rule_of(value));
	} else if (refs_drop(&chain->refs)) {
		pmap_clear(&chain->rules);
		free(chain);
	}
}

static const struct pmap_type value_type = { ref_value, unref_value };

struct tuple *tuple_create(struct shape *shape)
{
	struct tuple *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->refs = 1;
	t->shape = shape;
	shape_ref(shape);
	pmap_init(&t->priorities, NULL);
	pmap_init(&t->rules, &value_type);
	for (unsigned i = 0; i < ARRAY_SIZE(t->stages); i++)
		pmap_init(&t->stages[i], NULL);
	for (unsigned i = 0; i < ARRAY_SIZE(t->prefixes); i++)
		pmap_init(&t->prefixes[i], NULL);
	return t;
}

void tuple_ref(struct tuple *t)
{
	refs_take(&t->refs);
}

void tuple_unref(struct tuple *t)
{
	if (!t || !refs_drop(&t->refs))
		return;
	pmap_clear(&t->priorities);
	pmap_clear(&t->rules);
	for (unsigned i = 0; i < ARRAY_SIZE(t->stages); i++)
		pmap_clear(&t->stages[i]);
	for (unsigned i = 0; i < ARRAY_SIZE(t->prefixes); i++)
		pmap_clear(&t->prefixes[i]);
	shape_unref(t->shape);
	free(t);
}

bool tuple_own(struct tuple **tuple)
{
	struct tuple *old = *tuple, *t;

	if (refs_alone(&old->refs))
		return true;
	t = tuple_create(old->shape);
	if (!t)
		return false;
	t->n_rules = old->n_rules;
	pmap_share(&t->priorities, &old->priorities);
	pmap_share(&t->rules, &old->rules);
	for (unsigned i = 0; i < ARRAY_SIZE(t->stages); i++)
		pmap_share(&t->stages[i], &old->stages[i]);
	for (unsigned i = 0; i < ARRAY_SIZE(t->prefixes); i++)
		pmap_share(&t->prefixes[i], &old->prefixes[i]);
	tuple_unref(old);
	*tuple = t;
	return true;
}

uint16_t tuple_priority(const struct tuple *t)
{
	uint64_t rank = 0, n;

	pmap_at_least(&t->priorities, 0, &rank, &n);
	return (uint16_t)tuple_rank((uint16_t)rank);
}

/* The first rule of a value, of rank @from or behind it; NULL: none. */
static struct rule *first_of(uint64_t value, uint64_t from)
{
	struct chain *chain = chain_of(value);
	uint64_t rank, rule;

	if (!chain)
		return tuple_rank(rule_of(value)->priority) >= from ? rule_of(value) : NULL;
	return pmap_at_least(&chain->rules, from, &rank, &rule) ? rule_of(rule) : NULL;
}

/* Counters of how many rules have something. */

static int count_up(struct pmap *map, uint64_t key)
{
	uint64_t n, *at;

	if (!pmap_get(map, key, &n))
		return pmap_put(map, key, 1);
	at = pmap_edit(map, key);
	if (!at)
		return -ENOMEM;
	++*at;
	return 0;
}

/* Of a counter that count_up() or pmap_edit() has made the map's own: so it cannot fail. */
static void count_down(struct pmap *map, uint64_t key)
{
	uint64_t *at = pmap_edit(map, key);

	if (!--*at)
		pmap_remove(map, key);
}

/* The hash of a place's values up to the end of a stage. */
static uint64_t stage_hash(const struct classifier_place *place, unsigned stage)
{
	uint64_t hash = hash_secret();

	for (unsigned i = 0; i < place->shape->ends[stage]; i++)
		hash = shape_hash_value(hash, place->values[i]);
	return hash;
}

/* The maps in which rules are counted: priorities, stages, prefixes. */
#define COUNTS (1 + SHAPE_STAGES - 1 + SHAPE_PREFIXES)

/* One of them, and in *@key under what @rule counts there; NULL: the tuple does not have it. */
static struct pmap *counts_of(struct tuple *t, const struct rule *rule, unsigned i, uint64_t *key)
{
	const struct classifier_place *place = rule->place;
	unsigned part;

	assert(t); /* else its first map would be no map */
	if (!i--) {
		*key = tuple_rank(rule->priority);
		return &t->priorities;
	}
	if (i < ARRAY_SIZE(t->stages)) {
		*key = stage_hash(place, i);
		return shape_is_staged(t->shape, i) ? &t->stages[i] : NULL;
	}
	i -= ARRAY_SIZE(t->stages);
	part = t->shape->prefixes[i];
	if (part == SHAPE_NO_PREFIX)
		return NULL;
	*key = shape_prefix(i, place->values[part]);
	return &t->prefixes[i];
}

/* In the first @n maps. */
static void uncount_in(struct tuple *t, const struct rule *rule, unsigned n)
{
	uint64_t key;

	for (unsigned i = 0; i < n; i++) {
		struct pmap *map = counts_of(t, rule, i, &key);

		if (map)
			count_down(map, key);
	}
}

static int count_rule(struct tuple *t, const struct rule *rule)
{
	uint64_t key;

	for (unsigned i = 0; i < COUNTS; i++) {
		struct pmap *map = counts_of(t, rule, i, &key);

		if (map && count_up(map, key)) {
			uncount_in(t, rule, i);
			return -ENOMEM;
		}
	}
	t->n_rules++;
	return 0;
}

static void uncount_rule(struct tuple *t, const struct rule *rule)
{
	uncount_in(t, rule, COUNTS);
	t->n_rules--;
}

/* So that uncount_rule() cannot fail. */
static bool own_counts(struct tuple *t, const struct rule *rule)
{
	uint64_t key;

	for (unsigned i = 0; i < COUNTS; i++) {
		struct pmap *map = counts_of(t, rule, i, &key);

		if (map && !pmap_edit(map, key))
			return false;
	}
	return true;
}

/* Makes the value at @at, which is the map's own, a chain that nobody else has. */
static struct chain *own_chain(uint64_t *at)
{
	struct chain *old = chain_of(*at), *chain;

	if (old && refs_alone(&old->refs))
		return old;
	chain = malloc(sizeof(*chain));
	if (!chain)
		return NULL;
	chain->refs = 1;
	pmap_init(&chain->rules, &rule_type);
	if (old) {
		pmap_share(&chain->rules, &old->rules);
		unref_value(*at);
	} else if (pmap_put(&chain->rules, tuple_rank(rule_of(*at)->priority), *at)) {
		free(chain);
		return NULL;
	}
	*at = (uint64_t)chain | CHAIN;
	return chain;
}

/* Puts a rule where others of its hash are. */
static int put_beside(struct tuple *t, struct rule *rule)
{
	uint64_t *at = pmap_edit(&t->rules, rule->place->hash);
	struct chain *chain = at ? own_chain(at) : NULL;

	if (!chain || pmap_put(&chain->rules, tuple_rank(rule->priority), (uint64_t)rule))
		return -ENOMEM;
	rule_ref(rule);
	return 0;
}

static int put_rule(struct tuple *t, struct rule *rule)
{
	uint64_t value;

	if (pmap_get(&t->rules, rule->place->hash, &value)) {
		/* two matches with one hash of 64 bits: as likely as memory that fails */
		if (!place_same(first_of(value, 0)->place, rule->place))
			return -ENOMEM;
		if (chain_of(value) || rule_of(value)->priority != rule->priority)
			return put_beside(t, rule);
	}
	if (pmap_put(&t->rules, rule->place->hash, (uint64_t)rule))
		return -ENOMEM;
	rule_ref(rule);
	return 0;
}

int tuple_add(struct tuple *t, struct rule *rule)
{
	bool replace = tuple_find(t, rule->priority, rule->place);

	if (!replace && count_rule(t, rule))
		return -ENOMEM;
	if (put_rule(t, rule)) {
		if (!replace)
			uncount_rule(t, rule);
		return -ENOMEM;
	}
	return 0;
}

int tuple_remove(struct tuple *t, const struct rule *rule)
{
	uint64_t hash = rule->place->hash, rank = tuple_rank(rule->priority), other;
	uint64_t *at = pmap_edit(&t->rules, hash);
	struct chain *chain = NULL;

	if (!at || !own_counts(t, rule))
		return -ENOMEM;
	if (chain_of(*at)) {
		chain = own_chain(at);
		if (!chain || !pmap_edit(&chain->rules, rank))
			return -ENOMEM;
	}
	uncount_rule(t, rule);
	if (chain)
		pmap_remove(&chain->rules, rank);
	if (!chain || !pmap_at_least(&chain->rules, 0, &rank, &other))
		pmap_remove(&t->rules, hash);
	return 0;
}

struct rule *tuple_find(const struct tuple *t, uint16_t priority,
			const struct classifier_place *place)
{
	struct rule *rule;
	uint64_t value;

	if (!pmap_get(&t->rules, place->hash, &value))
		return NULL;
	rule = first_of(value, tuple_rank(priority));
	return rule && rule->priority == priority && place_same(rule->place, place) ? rule : NULL;
}

/* The first rule of those whose values @key has; NULL: none. In *@n_parts how many parts of the
 * shape have been looked at. */
static struct rule *look(const struct tuple *t, const struct flow_key *key, unsigned *n_parts)
{
	const struct shape *shape = t->shape;
	uint64_t hash = hash_secret(), value;
	unsigned part = 0;
	struct rule *rule;

	for (unsigned stage = 0; part < shape->n_parts; stage++) {
		for (; part < shape->ends[stage]; part++)
			hash = shape_hash_value(hash, shape_value(&shape->parts[part], key));
		if (!shape_is_staged(shape, stage) || pmap_get(&t->stages[stage], hash, &value))
			continue;
		*n_parts = part;
		return NULL;
	}
	*n_parts = part;
	if (!pmap_get(&t->rules, hash, &value))
		return NULL;
	rule = first_of(value, 0);
	return place_covers(rule->place, key) ? rule : NULL;
}

/* Why no rule of the tuple was met, in as few bits as possible: no rule has the upper bits of some
 * address or port; else the first @n_parts do. */
static void examine_miss(const struct tuple *t, const struct flow_key *key, unsigned n_parts,
			 struct key_bits *examined)
{
	const struct shape *shape = t->shape;

	for (unsigned i = 0; i < SHAPE_PREFIXES; i++) {
		unsigned part = shape->prefixes[i], stage = 0, same;
		const struct shape_part *p = &shape->parts[part];

		if (part >= n_parts)
			continue;
		same = pmap_common_bits(&t->prefixes[i], shape_prefix(i, shape_value(p, key)));
		if (same == 64)
			continue;
		while (shape->ends[stage] <= part)
			stage++;
		shape_examine(shape, stage ? shape->ends[stage - 1] : 0, examined);
		key_bits_add(examined, (unsigned)p->word, shape_prefix_mask(i, same + 1));
		return;
	}
	shape_examine(shape, n_parts, examined);
}

struct rule *tuple_lookup(const struct tuple *t, const struct flow_key *key,
			  struct key_bits *examined)
{
	unsigned n_parts;
	struct rule *rule = look(t, key, &n_parts);

	if (examined && rule)
		shape_examine(t->shape, n_parts, examined);
	else if (examined)
		examine_miss(t, key, n_parts, examined);
	return rule;
}

struct rule *tuple_below(const struct tuple *t, const struct rule *rule)
{
	uint64_t value;

	if (!pmap_get(&t->rules, rule->place->hash, &value))
		return NULL;
	return first_of(value, tuple_rank(rule->priority) + 1);
}

struct each {
	bool (*fn)(void *arg, struct rule *rule);
	void *arg;
};

static bool each_of_chain(void *arg, uint64_t key, uint64_t value)
{
	struct each *each = arg;

	return each->fn(each->arg, rule_of(value));
}

static bool each_value(void *arg, uint64_t key, uint64_t value)
{
	struct chain *chain = chain_of(value);

	return chain ? pmap_each(&chain->rules, each_of_chain, arg)
		     : each_of_chain(arg, key, value);
}

bool tuple_each(const struct tuple *t, bool (*fn)(void *arg, struct rule *rule), void *arg)
{
	struct each each = { fn, arg };

	return pmap_each(&t->rules, each_value, &each);
}

bool tuple_each_of(const struct tuple *t, uint64_t hash, bool (*fn)(void *arg, struct rule *rule),
		   void *arg)
{
	struct each each = { fn, arg };
	uint64_t value;

	return !pmap_get(&t->rules, hash, &value) || each_value(&each, hash, value);
}
