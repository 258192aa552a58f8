/* SPDX-License-Identifier: Apache-2.0 */
/* The shape of a match: which bits of a packet's key it is over, without what they are to be. Split
 * into stages, so that a lookup that fails in an early one has not looked at the bits of later
 * ones. Constant, counted; any thread.
 */
#pragma once

#include "base/hash.h"
#include "flow/key.h"

/* What comes with the packet from elsewhere (port, metadata, registers, tunnel, connection); layer
 * 2; layer 3; layer 4. */
#define SHAPE_STAGES 4

/* Some bits of a word of the key, all of the same stage. */
struct shape_part {
	uint64_t mask;
	uint64_t word; /* index */
};

/* Fields of which matches have prefixes, and whose upper bits alone can tell that no rule wants
 * them: addresses (of IPv6 the upper half), and the port that a packet
 * is for. */
#define SHAPE_PREFIXES 5
#define SHAPE_NO_PREFIX 0xff

struct shape {
	uint32_t refs;
	uint8_t n_parts;
	uint8_t ends[SHAPE_STAGES];	  /* parts up to the end of each stage */
	uint8_t prefixes[SHAPE_PREFIXES]; /* which part the field is in, or SHAPE_NO_PREFIX */
	uint64_t hash;
	struct shape_part parts[];
};

/* All words, and the four that are of two stages. */
#define SHAPE_PARTS_MAX (FLOW_KEY_WORDS + 4)

/* Room for a shape that is only to find another by. */
union shape_room {
	struct shape shape;
	uint64_t words[(sizeof(struct shape) + SHAPE_PARTS_MAX * sizeof(struct shape_part)) / 8];
};

/* Without references. */
struct shape *shape_for_now(union shape_room *room, const struct flow_key *mask);

/* NULL when memory is short. */
struct shape *shape_create(const struct flow_key *mask);
void shape_ref(struct shape *shape);
void shape_unref(struct shape *shape);
bool shape_equal(const struct shape *a, const struct shape *b);
/* Whether each bit of @b is one of @a. */
bool shape_has(const struct shape *a, const struct flow_key *b);

/* What a key has in a part. */
static inline uint64_t shape_value(const struct shape_part *part, const struct flow_key *key)
{
	return key->words[part->word] & part->mask;
}

/* A key is hashed part by part, from hash_secret() on. */
static inline uint64_t shape_hash_value(uint64_t hash, uint64_t value)
{
	return hash_mix(value, hash);
}

/* The hash of all that a key has in the shape. */
uint64_t shape_hash_key(const struct shape *shape, const struct flow_key *key);
/* The field of a prefix in a value of its part, its first bit at bit 63; and a mask of the first @n
 * bits of the field in its word. */
uint64_t shape_prefix(unsigned prefix, uint64_t value);
uint64_t shape_prefix_mask(unsigned prefix, unsigned n);
/* Adds the first @n_parts to @examined. */
void shape_examine(const struct shape *shape, unsigned n_parts, struct key_bits *examined);
/* Whether a stage is worth a set of what rules have in it: it has parts, and others come later. */
static inline bool shape_is_staged(const struct shape *shape, unsigned stage)
{
	return shape->ends[stage] > (stage ? shape->ends[stage - 1] : 0) &&
	       shape->ends[stage] < shape->n_parts;
}
