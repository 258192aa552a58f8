// SPDX-License-Identifier: Apache-2.0
/* Masks of plans: which are there, and in which order. */
#include <string.h>

#include "base/hash.h"
#include "flow/masks.h"

#define IDLE_MIN 2  /* rankings: then a mask may go, when there is need */
#define IDLE_MAX 60 /* rankings: then a mask only makes looks longer */

void masks_init(struct masks *m)
{
	memset(m, 0, sizeof(*m));
	for (unsigned i = 0; i <= FLOW_KEY_PACKET_WORDS; i++)
		m->secrets[i] = hash_mix(hash_secret(), i + 1);
}

void masks_describe(const struct masks *m, const struct flow_key *examined, struct mask *out)
{
	out->id = m->secrets[0];
	out->map = out->hits = 0;
	out->idle = out->n_words = out->n_plans[0] = out->n_plans[1] = 0;
	for (unsigned i = 0; i < FLOW_KEY_PACKET_WORDS; i++) {
		if (!examined->words[i])
			continue;
		out->map |= 1ull << i;
		out->words[out->n_words++] = examined->words[i];
		out->id = hash_mix(out->id ^ examined->words[i], m->secrets[i]);
	}
	out->id |= 1;
}

static bool same(const struct mask *a, const struct mask *b)
{
	return a->id == b->id && a->map == b->map &&
	       !memcmp(a->words, b->words, a->n_words * sizeof(*a->words));
}

static void drop(struct masks *m, unsigned place_in_order)
{
	m->masks[m->order[place_in_order]].id = 0;
	m->n--;
	memmove(&m->order[place_in_order], &m->order[place_in_order + 1], m->n - place_in_order);
}

/* Lets the mask go that has been idle for longest. False: none has. */
static bool make_room(struct masks *m)
{
	unsigned idlest = 0;

	for (unsigned i = 1; i < m->n; i++)
		if (m->masks[m->order[i]].idle > m->masks[m->order[idlest]].idle)
			idlest = i;
	if (m->masks[m->order[idlest]].idle < IDLE_MIN)
		return false;
	drop(m, idlest);
	return true;
}

int masks_take(struct masks *m, const struct mask *like)
{
	unsigned place = 0;

	for (unsigned i = 0; i < m->n; i++)
		if (same(&m->masks[m->order[i]], like))
			return m->order[i];
	if (m->n == MASKS_MAX && !make_room(m))
		return -1;
	while (m->masks[place].id)
		place++;
	m->masks[place] = *like;
	m->order[m->n++] = (uint8_t)place;
	return (int)place;
}

void masks_empty_half(struct masks *m, unsigned half)
{
	for (unsigned i = m->n; i--;) {
		struct mask *mask = &m->masks[m->order[i]];

		mask->n_plans[half] = 0;
		if (!mask->n_plans[!half])
			drop(m, i);
	}
}

void masks_rank(struct masks *m)
{
	for (unsigned i = m->n; i--;) {
		struct mask *mask = &m->masks[m->order[i]];

		mask->hits /= 2;
		if (++mask->idle > IDLE_MAX)
			drop(m, i);
	}
	/* they are nearly in order */
	for (unsigned i = 1; i < m->n; i++) {
		uint8_t place = m->order[i];
		unsigned j = i;

		for (; j && m->masks[m->order[j - 1]].hits < m->masks[place].hits; j--)
			m->order[j] = m->order[j - 1];
		m->order[j] = place;
	}
}
