// SPDX-License-Identifier: Apache-2.0
/* Groups that would send packets to themselves, or watch themselves: there are none. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "switch/flows_private.h"

struct search {
	const struct pipeline *p;
	struct keep *keep;
	uint32_t *ids; /* of groups that are led to, and wait to be looked at */
	size_t n, size;
	bool no_memory;
};

/* Numbers of searches mark groups that they have met: each search is the next. */
static uint64_t *mark_of(const struct group *group)
{
	return &((struct flows_group *)group->owner)->met;
}

static void add_id(struct search *s, uint32_t id)
{
	size_t size = max(2 * s->size, (size_t)16);
	uint32_t *ids;

	if (s->n == s->size) {
		ids = reallocarray(s->ids, size, sizeof(*ids));
		if (!ids) {
			s->no_memory = true;
			return;
		}
		s->ids = ids;
		s->size = size;
	}
	s->ids[s->n++] = id;
}

static void add_led_to(void *arg, uint32_t id)
{
	add_id(arg, id);
}

/* Adds the groups that @group leads to. */
static void look_at(struct search *s, const struct group *group)
{
	keep_busy(s->keep);
	uses_each_next(group, add_led_to, s);
}

int loops_check(struct flows *flows, const struct pipeline *p, const struct group *group)
{
	struct search s = { .p = p, .keep = flows->sw->env.keep };
	/* when none leads to it, only itself may */
	bool far = flows->uses.lost || uses_find(&flows->uses, USE_NEXT, 0, group->id);
	uint64_t mark = ++flows->n_searches;
	bool loop = false;

	look_at(&s, group);
	while (s.n && !loop && !s.no_memory) {
		uint32_t id = s.ids[--s.n];
		const struct group *next = far ? pipeline_group(p, id) : NULL;

		loop = id == group->id;
		if (loop || !next || *mark_of(next) == mark)
			continue;
		*mark_of(next) = mark;
		look_at(&s, next);
	}
	free(s.ids);
	if (s.no_memory)
		return -ENOMEM;
	return loop ? -ELOOP : 0;
}

/* All loops: a search in depth. Groups on the way are open; who leads to one of them closes a loop.
 */

struct open_group {
	const struct group *group;
	size_t first; /* of the ids that it leads to: the last ones are those of the last group */
};

struct way {
	struct search s;	   /* first */
	struct open_group *groups; /* the first is none: all ids are led to by it */
	size_t n;
	uint64_t open, done; /* marks */
};

static bool add_each(void *arg, const struct group *group)
{
	add_id(arg, group->id);
	return true;
}

static void enter(struct way *w, const struct group *group)
{
	*mark_of(group) = w->open;
	w->groups[w->n++] = (struct open_group){ group, w->s.n };
	look_at(&w->s, group);
}

/* Takes the next id; the group that closes a loop by it, which is on the way no more, or NULL. */
static const struct group *go_on(struct way *w)
{
	const struct open_group *last = &w->groups[w->n - 1];
	const struct group *next;

	if (w->s.n == last->first) { /* those of the first one are not all taken */
		*mark_of(last->group) = w->done;
		w->n--;
		return NULL;
	}
	next = pipeline_group(w->s.p, w->s.ids[--w->s.n]);
	if (!next || *mark_of(next) == w->done)
		return NULL;
	if (*mark_of(next) != w->open) {
		enter(w, next);
		return NULL;
	}
	assert(last->group); /* an open group is on the way */
	w->s.n = last->first;
	w->n--;
	return last->group;
}

int loops_remove(struct flows *flows, struct pipeline *p, size_t *n_removed)
{
	struct way w = {
		.s = { .p = p, .keep = flows->sw->env.keep },
		.groups = calloc(pipeline_n_groups(p) + 1, sizeof(w.groups[0])),
		.n = 1,
		.open = flows->n_searches + 1,
		.done = flows->n_searches + 2,
	};
	int r = w.groups ? 0 : -ENOMEM;

	flows->n_searches += 2;
	*n_removed = 0;
	pipeline_each_group(p, add_each, &w.s);
	while (r == 0 && w.s.n && !w.s.no_memory) {
		const struct group *group = go_on(&w);

		if (!group)
			continue;
		++*n_removed;
		flows->n_buckets -= group->n_buckets;
		flows->actions_len -= ((const struct flows_group *)group->owner)->actions_len;
		uses_note_group(flows, group, false);
		r = pipeline_remove_group(p, group->id);
	}
	free(w.groups);
	free(w.s.ids);
	return w.s.no_memory ? -ENOMEM : r;
}
