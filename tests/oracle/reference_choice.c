// SPDX-License-Identifier: Apache-2.0
/* The reference: groups, and where one of several is chosen. */
#include <string.h>

#include "reference_private.h"

/* One of @n, as it has been asked for; where hashes decide, nobody knows which. */
static unsigned choose(struct run *r, unsigned n)
{
	unsigned i = r->choices->n;

	if (n < 2)
		return 0;
	if (i == CHOICES_MAX) {
		r->out->unsure = true;
		return 0;
	}
	r->choices->options[i] = (uint8_t)n;
	r->choices->n++;
	return r->choices->picked[i];
}

static const struct world_group *find_group(const struct world *w, uint32_t id)
{
	for (unsigned i = 0; i < w->n_groups; i++)
		if (!w->groups[i].gone && w->groups[i].group->id == id)
			return &w->groups[i];
	return NULL;
}

static bool bucket_live(const struct world *w, const struct group_bucket *b)
{
	bool live = b->watch_port == OFPORT_NONE && b->watch_group == GROUP_ANY;
	const struct world_group *g;

	if (b->watch_port != OFPORT_NONE && reference_port_live(w, b->watch_port))
		live = true;
	if (b->watch_group == GROUP_ANY)
		return live;
	g = find_group(w, b->watch_group);
	for (unsigned i = 0; g && i < g->group->n_buckets; i++)
		if (bucket_live(w, &g->group->buckets[i]))
			live = true;
	return live;
}

static void run_bucket(struct run *r, const struct world_group *g, unsigned i)
{
	const struct group_bucket *b = &g->group->buckets[i];
	const struct segment set = { b->actions.bytes, b->actions.len };
	struct state s = r->s;
	bool dead = r->dead, in_group = r->in_group;

	reference_credit(r, &g->buckets[i]);
	r->in_group = true;
	reference_set(r, &set, 1);
	r->in_group = in_group;
	r->exited = false;
	r->s = s;
	r->dead = dead;
}

static void run_chosen(struct run *r, const struct world_group *g)
{
	const struct group *group = g->group;
	unsigned may[BUCKETS_MAX], n = 0;

	for (unsigned i = 0; i < group->n_buckets; i++)
		if (bucket_live(r->w, &group->buckets[i]) &&
		    (group->type == GROUP_TYPE_FF || group->buckets[i].weight))
			may[n++] = i;
	if (!n)
		return;
	reference_credit(r, &g->expect);
	run_bucket(r, g, may[group->type == GROUP_TYPE_FF ? 0 : choose(r, n)]);
}

void reference_group(struct run *r, uint32_t id)
{
	const struct world_group *g = find_group(r->w, id);

	if (!g)
		return;
	if (g->group->type == GROUP_TYPE_SELECT || g->group->type == GROUP_TYPE_FF) {
		run_chosen(r, g);
		return;
	}
	reference_credit(r, &g->expect);
	for (unsigned i = 0; i < g->group->n_buckets; i++)
		run_bucket(r, g, i);
}

void reference_multipath(struct run *r, const struct action_multipath *a)
{
	reference_set_part(r, &a->to, choose(r, a->max_link + 1u));
}

void reference_bundle(struct run *r, const struct action_bundle *a)
{
	uint32_t may[8], n = 0, port;

	for (uint32_t i = 0; i < a->n_ports && n < 8; i++)
		if (reference_port_live(r->w, a->ports[i]))
			may[n++] = a->ports[i];
	if (!n)
		port = OFPORT_NONE;
	else
		port = may[a->algorithm == BUNDLE_HRW ? choose(r, n) : 0];
	if (a->has_to)
		reference_set_part(r, &a->to, port);
	else
		reference_output(r, port, 0);
}

bool choices_next(struct choices *c)
{
	memset(&c->picked[c->n], 0, CHOICES_MAX - c->n);
	for (unsigned i = c->n; i--;) {
		if (++c->picked[i] < c->options[i])
			return true;
		c->picked[i] = 0;
	}
	return false;
}
