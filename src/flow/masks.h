/* SPDX-License-Identifier: Apache-2.0 */
/* The masks under which the plans of one worker stand (flow/plans.h): which bits of a packet their
 * translations examined. The one worker's.
 *
 * Masks are looked at in the order of how often they lately had what was looked for. One that has
 * no plan any more goes; when there is no room, so does the one that has been of no use for
 * longest. Plans whose mask is gone, or has found no room, stay where they are, and are found again
 * when it comes.
 */
#pragma once

#include "flow/key.h"

#define MASKS_MAX 128 /* of one worker */

struct mask {
	uint64_t id;   /* hash of what it is; 0: not in use */
	uint64_t map;  /* words that it has */
	uint64_t hits; /* looks that found a plan, lately */
	uint32_t idle; /* rankings since a packet took one of its plans */
	uint32_t n_words;
	uint32_t n_plans[2];		       /* in each half of the memory of plans */
	uint64_t words[FLOW_KEY_PACKET_WORDS]; /* n_words, those of map */
};

struct masks {
	uint64_t secrets[FLOW_KEY_PACKET_WORDS + 1]; /* nobody can choose packets that collide */
	unsigned n;
	uint8_t order[MASKS_MAX]; /* n places, those that are in use */
	struct mask masks[MASKS_MAX];
};

/* Without masks, and with secrets of its own. */
void masks_init(struct masks *m);

/* What a mask of these examined bits would be: all but idle and the counts. */
void masks_describe(const struct masks *m, const struct flow_key *examined, struct mask *out);
/* The place of a mask, which is made if it is not there; -1: there is no room. */
int masks_take(struct masks *m, const struct mask *like);
/* Lets masks go that had plans in @half alone, which is emptied. */
void masks_empty_half(struct masks *m, unsigned half);
/* Makes the order new. About once a second. */
void masks_rank(struct masks *m);

/* A hash of two words. */
static inline uint64_t masks_fold(uint64_t a, uint64_t b)
{
	__uint128_t product = (__uint128_t)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Hash of the bits of @key that @mask has. The products do not wait for each other. */
static inline uint64_t masks_hash(const struct masks *m, const struct mask *mask,
				  const struct flow_key *key)
{
	const uint64_t *bits = mask->words, *secrets = m->secrets;
	uint64_t map = mask->map, sum = mask->id;

	while (map) {
		unsigned i = (unsigned)__builtin_ctzll(map);
		uint64_t a = (key->words[i] & *bits++) ^ secrets[i];
		uint64_t b = secrets[FLOW_KEY_PACKET_WORDS];

		map &= map - 1;
		if (map) {
			i = (unsigned)__builtin_ctzll(map);
			b = (key->words[i] & *bits++) ^ secrets[i];
			map &= map - 1;
		}
		sum += masks_fold(a, b);
	}
	return sum;
}
