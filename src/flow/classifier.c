// SPDX-License-Identifier: Apache-2.0
/* The rules of one table as tuples: adding, removing, finding by match. */
#include <errno.h>
#include <stdlib.h>

#include "flow/classifier.h"
#include "flow/place.h"
#include "flow/tuple.h"

#define NUMBER_BITS 48 /* of a tuple's number, below its rank */

static struct tuple *tuple_of(uint64_t value)
{
	return (struct tuple *)value;
}

static void ref_tuple(uint64_t value)
{
	tuple_ref(tuple_of(value));
}

static void unref_tuple(uint64_t value)
{
	tuple_unref(tuple_of(value));
}

static const struct pmap_type tuple_type = { ref_tuple, unref_tuple };

void classifier_init(struct classifier *c)
{
	c->n_rules = 0;
	c->next = 0;
	pmap_init(&c->tuples, &tuple_type);
	pmap_init(&c->shapes, NULL);
}

void classifier_share(struct classifier *to, const struct classifier *from)
{
	to->n_rules = from->n_rules;
	to->next = from->next;
	pmap_share(&to->tuples, &from->tuples);
	pmap_share(&to->shapes, &from->shapes);
}

void classifier_clear(struct classifier *c)
{
	pmap_clear(&c->tuples);
	pmap_clear(&c->shapes);
	c->n_rules = 0;
}

/* The tuple of a shape, and in *@key where it stands; NULL: there is none. */
static struct tuple *find_tuple(const struct classifier *c, const struct shape *shape,
				uint64_t *key)
{
	uint64_t value;

	if (!pmap_get(&c->shapes, shape->hash, key) || !pmap_get(&c->tuples, *key, &value))
		return NULL;
	return shape_equal(tuple_of(value)->shape, shape) ? tuple_of(value) : NULL;
}

static uint64_t key_of(uint16_t priority, uint64_t number)
{
	return tuple_rank(priority) << NUMBER_BITS | (number & ((1ull << NUMBER_BITS) - 1));
}

/* 0 or -ENOMEM; also for a shape with the hash of another one, which is as likely. */
static int add_tuple(struct classifier *c, struct shape *shape, uint16_t priority)
{
	uint64_t key = key_of(priority, c->next), other;
	struct tuple *t;

	if (pmap_get(&c->shapes, shape->hash, &other))
		return -ENOMEM;
	t = tuple_create(shape);
	if (!t)
		return -ENOMEM;
	if (pmap_put(&c->tuples, key, (uint64_t)t)) {
		tuple_unref(t);
		return -ENOMEM;
	}
	if (pmap_put(&c->shapes, shape->hash, key)) {
		pmap_remove(&c->tuples, key);
		return -ENOMEM;
	}
	c->next++;
	return 0;
}

/* The tuple of @shape, the classifier's own; NULL: memory is short. */
static struct tuple *own_tuple(struct classifier *c, const struct shape *shape, uint64_t *key)
{
	uint64_t *at;

	if (!find_tuple(c, shape, key) || !pmap_edit(&c->shapes, shape->hash))
		return NULL;
	at = pmap_edit(&c->tuples, *key);
	return at && tuple_own((struct tuple **)at) ? tuple_of(*at) : NULL;
}

/* Lets an own tuple stand where @priority belongs. 0 or -ENOMEM. */
static int move_tuple(struct classifier *c, struct tuple *t, uint16_t priority, uint64_t *key)
{
	uint64_t to = key_of(priority, *key);

	if (to == *key)
		return 0;
	tuple_ref(t);
	if (pmap_put(&c->tuples, to, (uint64_t)t)) {
		tuple_unref(t);
		return -ENOMEM;
	}
	*pmap_edit(&c->shapes, t->shape->hash) = to;
	pmap_remove(&c->tuples, *key);
	*key = to;
	return 0;
}

/* An own tuple may have lost rules, or got none: lets it stand where it belongs now, or nowhere.
 * When memory is short it stands in front of that, which only costs time. */
static void settle_tuple(struct classifier *c, struct tuple *t, uint64_t key)
{
	if (t->n_rules) {
		move_tuple(c, t, tuple_priority(t), &key);
		return;
	}
	pmap_remove(&c->shapes, t->shape->hash);
	pmap_remove(&c->tuples, key);
}

int classifier_add(struct classifier *c, struct rule *rule)
{
	struct shape *shape = rule->place->shape;
	struct tuple *t;
	unsigned n;
	uint64_t key;
	int ret;

	if (!find_tuple(c, shape, &key) && add_tuple(c, shape, rule->priority))
		return -ENOMEM;
	t = own_tuple(c, shape, &key);
	if (!t)
		return -ENOMEM; /* a new tuple is always its own */
	n = t->n_rules;
	ret = key_of(rule->priority, key) < key ? move_tuple(c, t, rule->priority, &key) : 0;
	if (!ret)
		ret = tuple_add(t, rule);
	if (ret) {
		settle_tuple(c, t, key);
		return ret;
	}
	c->n_rules += t->n_rules - n;
	place_share(rule->place, t->shape);
	return 0;
}

int classifier_remove(struct classifier *c, const struct rule *rule)
{
	const struct shape *shape = rule->place->shape;
	struct tuple *t;
	uint64_t key;
	int ret;

	t = find_tuple(c, shape, &key);
	if (!t || tuple_find(t, rule->priority, rule->place) != rule)
		return -ENOENT;
	t = own_tuple(c, shape, &key);
	if (!t)
		return -ENOMEM;
	ret = tuple_remove(t, rule); /* which may be gone now */
	if (ret)
		return ret;
	c->n_rules--;
	settle_tuple(c, t, key);
	return 0;
}

struct rule *classifier_find(const struct classifier *c, uint16_t priority,
			     const struct match *match)
{
	union shape_room shape_room;
	union place_room room;
	struct shape *shape = shape_for_now(&shape_room, &match->mask);
	const struct tuple *t;
	uint64_t key;

	t = find_tuple(c, shape, &key);
	return t ? tuple_find(t, priority, place_for_now(&room, shape, match)) : NULL;
}

/* A walk over rules; how much of a tuple is looked at depends on what its shape has in common with
 * the match that is asked for. */
struct walk {
	const struct match *match; /* NULL: all */
	struct rule *found;
	uint16_t priority;
	bool (*fn)(void *arg, struct rule *rule);
	void *arg;
};

/* Whether the match says what all bits of the shape are. */
static bool is_told(const struct shape *shape, const struct match *match)
{
	for (unsigned i = 0; i < shape->n_parts; i++)
		if (shape->parts[i].mask & ~match->mask.words[shape->parts[i].word])
			return false;
	return true;
}

/* Those rules of a tuple that may have something in common with the match. */
static bool each_near(const struct tuple *t, const struct match *match,
		      bool (*fn)(void *arg, struct rule *rule), void *arg)
{
	if (match && is_told(t->shape, match))
		return tuple_each_of(t, shape_hash_key(t->shape, &match->key), fn, arg);
	return tuple_each(t, fn, arg);
}

static bool find_overlap(void *arg, struct rule *rule)
{
	struct walk *walk = arg;

	if (rule->priority != walk->priority || !place_overlaps(rule->place, walk->match))
		return true;
	walk->found = rule;
	return false;
}

static bool find_overlap_in_tuple(void *arg, uint64_t key, uint64_t value)
{
	const struct tuple *t = tuple_of(value);
	struct walk *walk = arg;
	uint64_t n;

	if (!pmap_get(&t->priorities, tuple_rank(walk->priority), &n))
		return true;
	return each_near(t, walk->match, find_overlap, walk);
}

struct rule *classifier_find_overlap(const struct classifier *c, uint16_t priority,
				     const struct match *match)
{
	struct walk walk = { .match = match, .priority = priority };

	pmap_each(&c->tuples, find_overlap_in_tuple, &walk);
	return walk.found;
}

static bool pass_on(void *arg, struct rule *rule)
{
	const struct walk *walk = arg;

	return (walk->match && !place_overlaps(rule->place, walk->match)) ||
	       walk->fn(walk->arg, rule);
}

static bool each_in_tuple(void *arg, uint64_t key, uint64_t value)
{
	const struct tuple *t = tuple_of(value);
	struct walk *walk = arg;

	/* within the filter is what has all its bits, with the same values */
	if (walk->match && !shape_has(t->shape, &walk->match->mask))
		return true;
	return each_near(t, walk->match, pass_on, walk);
}

bool classifier_each(const struct classifier *c, const struct match *filter,
		     bool (*fn)(void *arg, struct rule *rule), void *arg)
{
	struct walk walk = { .match = filter, .fn = fn, .arg = arg };

	return pmap_each(&c->tuples, each_in_tuple, &walk);
}
