/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of one table that have the same shape: found with one look into a map, whose keys are
 * hashes of what their matches want. Persistent: a tuple that several versions show is copied
 * before it is changed, which costs little. Threads: see flow/pmap.h.
 */
#pragma once

#include "flow/pmap.h"
#include "flow/rule.h"
#include "flow/shape.h"

struct tuple {
	uint32_t refs;
	unsigned n_rules;
	struct shape *shape;
	struct pmap priorities; /* tuple_rank() -> how many rules have it */
	struct pmap rules;	/* hash -> rule, or chain of rules that differ in priority */
	struct pmap stages[SHAPE_STAGES - 1]; /* hash up to there -> how many rules have it */
	struct pmap prefixes[SHAPE_PREFIXES]; /* shape_prefix() -> how many rules have it */
};

/* In ascending order of this, the highest priority comes first. */
static inline uint64_t tuple_rank(uint16_t priority)
{
	return UINT16_MAX - priority;
}

/* An empty one for @shape. NULL when memory is short. */
struct tuple *tuple_create(struct shape *shape);
void tuple_ref(struct tuple *tuple);
void tuple_unref(struct tuple *tuple);
/* Makes *@tuple one that nobody else has. False when memory is short: it is as good as before. */
bool tuple_own(struct tuple **tuple);

/* The highest priority of a rule in it. Not of an empty one. */
uint16_t tuple_priority(const struct tuple *tuple);

/* Adds a rule of the tuple's shape, in place of one of the same priority and match, or removes one
 * that is there. 0 or -ENOMEM: nothing has changed. The tuple is the caller's own. */
int tuple_add(struct tuple *tuple, struct rule *rule);
int tuple_remove(struct tuple *tuple, const struct rule *rule);

/* The rule of a priority and match, of a place of the tuple's shape; NULL: none. */
struct rule *tuple_find(const struct tuple *tuple, uint16_t priority,
			const struct classifier_place *place);
/* The rule of the highest priority that a packet with @key meets; NULL: none. Adds to @examined
 * (may be NULL) what the answer depends on. */
struct rule *tuple_lookup(const struct tuple *tuple, const struct flow_key *key,
			  struct key_bits *examined);
/* The rule of the next lower priority and the same match; NULL: none. */
struct rule *tuple_below(const struct tuple *tuple, const struct rule *rule);
/* Calls @fn for each rule until it returns false: then false. */
bool tuple_each(const struct tuple *tuple, bool (*fn)(void *arg, struct rule *rule), void *arg);
/* The same for those with one hash of values (shape_hash_key()). */
bool tuple_each_of(const struct tuple *tuple, uint64_t hash,
		   bool (*fn)(void *arg, struct rule *rule), void *arg);
