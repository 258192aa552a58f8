/* SPDX-License-Identifier: Apache-2.0 */
/* What a table needs of a rule to find it: its match, compact, and of which conjunctions it is a
 * clause. Constant, but for place_share(). Any thread.
 */
#pragma once

#include "flow/match.h"
#include "flow/shape.h"

struct action_list;

/* The rule is one of clause @clause of conjunction @id; it has @n_clauses (ovs-fields(7), conj_id).
 */
struct place_clause {
	uint32_t id;
	uint8_t clause, n_clauses;
};

/* < 0, 0 or > 0: the order of conjunctions. */
static inline int place_compare_clauses(const struct place_clause *a, const struct place_clause *b)
{
	if (a->id != b->id)
		return a->id < b->id ? -1 : 1;
	return a->n_clauses - b->n_clauses;
}

struct classifier_place {
	struct shape *shape;
	bool shared;   /* the shape is that of other rules, too */
	uint64_t hash; /* of values */
	struct place_clauses {
		unsigned n;
		struct place_clause at[];
	} * clauses;	   /* in order of their conjunctions; NULL: an ordinary rule */
	uint64_t values[]; /* for each part of the shape */
};

/* Room for a place that is only to find another by. */
union place_room {
	struct classifier_place place;
	uint64_t words[sizeof(struct classifier_place) / 8 + SHAPE_PARTS_MAX];
};

/* Without clauses, and not to be destroyed. @shape is that of @match. */
const struct classifier_place *place_for_now(union place_room *room, struct shape *shape,
					     const struct match *match);

/* NULL when memory is short. */
struct classifier_place *place_create(const struct match *match, const struct action_list *actions);
void place_destroy(struct classifier_place *place);
void place_match(const struct classifier_place *place, struct match *out);
/* Whether a packet with @key is matched. */
static inline bool place_covers(const struct classifier_place *place, const struct flow_key *key)
{
	for (unsigned i = 0; i < place->shape->n_parts; i++)
		if (shape_value(&place->shape->parts[i], key) != place->values[i])
			return false;
	return true;
}
/* Whether two of the same shape match the same. */
bool place_same(const struct classifier_place *a, const struct classifier_place *b);
/* Whether some packet is matched by @match, too; or all packets of the place. */
bool place_overlaps(const struct classifier_place *place, const struct match *match);
bool place_is_within(const struct classifier_place *place, const struct match *match);
/* Takes an equal shape in place of its own, for good: when the rule is put into its first table,
 * that is, while no reader knows it. Later ones change nothing. */
void place_share(struct classifier_place *place, struct shape *shape);
