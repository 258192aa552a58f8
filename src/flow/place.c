// SPDX-License-Identifier: Apache-2.0
/* What a table needs of a rule to find it. */
#include <stdlib.h>
#include <string.h>

#include "flow/action.h"
#include "flow/place.h"

static const struct action_conjunction *conjunction_of(const struct action *action)
{
	return action->kind == ACTION_CONJUNCTION ? (const void *)action : NULL;
}

static int compare(const void *a, const void *b)
{
	return place_compare_clauses(a, b);
}

/* *@out: NULL when there are none. False: memory is short. */
static bool find_clauses(const struct action_list *actions, struct place_clauses **out)
{
	unsigned n = 0;

	*out = NULL;
	ACTIONS_FOR_EACH(a, actions->bytes, actions->len)
	n += conjunction_of(a) != NULL;
	if (!n)
		return true;
	*out = calloc(1, sizeof(**out) + n * sizeof((*out)->at[0]));
	if (!*out)
		return false;
	ACTIONS_FOR_EACH(a, actions->bytes, actions->len)
	{
		const struct action_conjunction *c = conjunction_of(a);

		if (c)
			(*out)->at[(*out)->n++] =
				(struct place_clause){ c->id, c->clause, c->n_clauses };
	}
	qsort((*out)->at, n, sizeof((*out)->at[0]), compare);
	return true;
}

static void fill(struct classifier_place *place, struct shape *shape, const struct match *match)
{
	place->shape = shape;
	place->shared = false;
	for (unsigned i = 0; i < shape->n_parts; i++)
		place->values[i] = shape_value(&shape->parts[i], &match->key);
	place->hash = shape_hash_key(shape, &match->key);
}

const struct classifier_place *place_for_now(union place_room *room, struct shape *shape,
					     const struct match *match)
{
	fill(&room->place, shape, match);
	room->place.clauses = NULL;
	return &room->place;
}

struct classifier_place *place_create(const struct match *match, const struct action_list *actions)
{
	struct shape *shape = shape_create(&match->mask);
	struct classifier_place *place;

	if (!shape)
		return NULL;
	place = malloc(sizeof(*place) + shape->n_parts * sizeof(place->values[0]));
	if (!place || !find_clauses(actions, &place->clauses)) {
		free(place);
		shape_unref(shape);
		return NULL;
	}
	fill(place, shape, match);
	return place;
}

void place_destroy(struct classifier_place *place)
{
	if (!place)
		return;
	shape_unref(place->shape);
	free(place->clauses);
	free(place);
}

void place_match(const struct classifier_place *place, struct match *out)
{
	memset(out, 0, sizeof(*out));
	for (unsigned i = 0; i < place->shape->n_parts; i++) {
		const struct shape_part *part = &place->shape->parts[i];

		out->mask.words[part->word] |= part->mask;
		out->key.words[part->word] |= place->values[i];
	}
}

bool place_same(const struct classifier_place *a, const struct classifier_place *b)
{
	return a->hash == b->hash &&
	       !memcmp(a->values, b->values, a->shape->n_parts * sizeof(a->values[0]));
}

bool place_overlaps(const struct classifier_place *place, const struct match *match)
{
	for (unsigned i = 0; i < place->shape->n_parts; i++) {
		const struct shape_part *part = &place->shape->parts[i];

		if ((place->values[i] ^ match->key.words[part->word]) & part->mask &
		    match->mask.words[part->word])
			return false;
	}
	return true;
}

bool place_is_within(const struct classifier_place *place, const struct match *match)
{
	return shape_has(place->shape, &match->mask) && place_overlaps(place, match);
}

void place_share(struct classifier_place *place, struct shape *shape)
{
	if (place->shared)
		return;
	place->shared = true;
	shape_ref(shape);
	shape_unref(place->shape);
	place->shape = shape;
}
