// SPDX-License-Identifier: Apache-2.0
/* The rules of one shape in a table. */
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

/* Those of the first @n stages. */
static void uncount_stages(struct tuple *t, const struct classifier_place *place, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (shape_is_staged(t->shape, i))
			count_down(&t->stages[i], stage_hash(place, i));
}

static int count_rule(struct tuple *t, const struct rule *rule)
{
	if (count_up(&t->priorities, tuple_rank(rule->priority)))
		return -ENOMEM;
	for (unsigned i = 0; i < ARRAY_SIZE(t->stages); i++) {
		if (shape_is_staged(t->shape, i) &&
		    count_up(&t->stages[i], stage_hash(rule->place, i))) {
			uncount_stages(t, rule->place, i);
			count_down(&t->priorities, tuple_rank(rule->priority));
			return -ENOMEM;
		}
	}
	t->n_rules++;
	return 0;
}

static void uncount_rule(struct tuple *t, const struct rule *rule)
{
	uncount_stages(t, rule->place, ARRAY_SIZE(t->stages));
	count_down(&t->priorities, tuple_rank(rule->priority));
	t->n_rules--;
}

/* So that uncount_rule() cannot fail. */
static bool own_counts(struct tuple *t, const struct rule *rule)
{
	for (unsigned i = 0; i < ARRAY_SIZE(t->stages); i++)
		if (shape_is_staged(t->shape, i) &&
		    !pmap_edit(&t->stages[i], stage_hash(rule->place, i)))
			return false;
	return pmap_edit(&t->priorities, tuple_rank(rule->priority));
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

/* Whether some rule may match @key, and in *@hash what tuple->rules has it under. Adds to @examined
 * what the answer depends on. */
static bool look_by_stages(const struct tuple *t, const struct flow_key *key,
			   struct flow_key *examined, uint64_t *hash)
{
	const struct shape *shape = t->shape;
	unsigned part = 0;
	uint64_t n;

	*hash = hash_secret();
	for (unsigned stage = 0; part < shape->n_parts; stage++) {
		for (; part < shape->ends[stage]; part++)
			*hash = shape_hash_value(*hash, shape_value(&shape->parts[part], key));
		if (shape_is_staged(shape, stage) && !pmap_get(&t->stages[stage], *hash, &n))
			break;
	}
	if (examined)
		shape_examine(shape, part, examined);
	return part == shape->n_parts;
}

struct rule *tuple_lookup(const struct tuple *t, const struct flow_key *key,
			  struct flow_key *examined)
{
	struct rule *rule;
	uint64_t hash, value;

	if (!look_by_stages(t, key, examined, &hash) || !pmap_get(&t->rules, hash, &value))
		return NULL;
	rule = first_of(value, 0);
	return place_covers(rule->place, key) ? rule : NULL;
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
