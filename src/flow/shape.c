// SPDX-License-Identifier: Apache-2.0
/* The shape of a match: its mask, split into stages. */
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "flow/refs.h"
#include "flow/shape.h"

enum { STAGE_CONDUIT, STAGE_L2, STAGE_L3, STAGE_L4 };

/* Words of a packet that are not of one stage alone. Low bits are what stands first in struct
 * flow_key. */
#define LOW16 0xffffull
#define LOW32 0xffffffffull

/* The bits of word @word that belong to @stage. */
static uint64_t stage_bits(unsigned stage, unsigned word)
{
	static const struct {
		uint64_t bits[SHAPE_STAGES];
	} packet[FLOW_KEY_PACKET_WORDS] = {
		[0] = { { [STAGE_CONDUIT] = LOW32, [STAGE_L3] = ~LOW32 } }, /* in_port | nw_* */
		[1] = { { [STAGE_L2] = ~0ull } },
		[2] = { { [STAGE_L2] = ~0ull } },
		[3] = { { [STAGE_L2] = LOW16, [STAGE_L4] = ~LOW16 } }, /* eth_type | tcp, tp_* */
		[4] = { { [STAGE_L2] = ~0ull } },
		[5] = { { [STAGE_L3] = ~0ull } },
		[6] = { { [STAGE_L3] = ~0ull } },
		[7] = { { [STAGE_L3] = ~0ull } },
		[8] = { { [STAGE_L3] = ~0ull } },
		[9] = { { [STAGE_L3] = ~0ull } },
		[10] = { { [STAGE_L3] = LOW32, [STAGE_L2] = ~LOW32 } }, /* label | MPLS */
		[11] = { { [STAGE_L2] = ~0ull } },
		[12] = { { [STAGE_L4] = ~0ull } },
		[13] = { { [STAGE_L4] = ~0ull } },
		[14] = { { [STAGE_L4] = ~0ull } },
		[15] = { { [STAGE_L4] = ~0ull } },
		[16] = { { [STAGE_L3] = LOW16, [STAGE_L4] = ~LOW16 } }, /* arp_op | nd_* */
		[17] = { { [STAGE_CONDUIT] = ~0ull } },
	};

	if (word < FLOW_KEY_PACKET_WORDS)
		return packet[word].bits[stage];
	return stage == STAGE_CONDUIT ? ~0ull : 0;
}

static_assert(offsetof(struct flow_key, in_port) == 0, "stage_bits(): word 0");
static_assert(offsetof(struct flow_key, eth_type) == 3 * 8, "stage_bits(): word 3");
static_assert(offsetof(struct flow_key, nw_src) == 5 * 8, "stage_bits(): word 5");
static_assert(offsetof(struct flow_key, ipv6_label) == 10 * 8, "stage_bits(): word 10");
static_assert(offsetof(struct flow_key, arp_op) == 16 * 8, "stage_bits(): word 16");

/* In the order of their stages. */
static const struct {
	uint8_t word, shift, bits;
} prefixes[SHAPE_PREFIXES] = {
	{ 5, 0, 32 },  /* nw_src */
	{ 5, 32, 32 }, /* nw_dst */
	{ 7, 0, 64 },  /* ipv6_src */
	{ 9, 0, 64 },  /* ipv6_dst */
	{ 3, 48, 16 }, /* tp_dst */
};

static_assert(offsetof(struct flow_key, nw_dst) == 5 * 8 + 4, "prefixes: nw_dst");
static_assert(offsetof(struct flow_key, ipv6_src) == 6 * 8, "prefixes: ipv6_src");
static_assert(offsetof(struct flow_key, ipv6_dst) == 8 * 8, "prefixes: ipv6_dst");
static_assert(offsetof(struct flow_key, tp_dst) == 3 * 8 + 6, "prefixes: tp_dst");

uint64_t shape_prefix(unsigned prefix, uint64_t value)
{
	return value >> prefixes[prefix].shift << (64 - prefixes[prefix].bits);
}

uint64_t shape_prefix_mask(unsigned prefix, unsigned n)
{
	uint64_t mask = n ? UINT64_MAX << (64 - n) : 0;

	return mask >> (64 - prefixes[prefix].bits) << prefixes[prefix].shift;
}

/* Whether the mask of a prefix's field is one: some bits from the first on. */
static bool is_prefix(unsigned prefix, uint64_t mask)
{
	uint64_t field = shape_prefix(prefix, mask);

	return field && !(~field & (~field + 1));
}

static void find_prefixes(struct shape *shape)
{
	memset(shape->prefixes, SHAPE_NO_PREFIX, sizeof(shape->prefixes));
	for (unsigned i = 0; i < shape->n_parts; i++)
		for (unsigned p = 0; p < SHAPE_PREFIXES; p++)
			if (shape->parts[i].word == prefixes[p].word &&
			    is_prefix(p, shape->parts[i].mask))
				shape->prefixes[p] = i;
}

struct shape *shape_for_now(union shape_room *room, const struct flow_key *mask)
{
	struct shape *shape = &room->shape;
	uint8_t words[FLOW_KEY_WORDS];
	unsigned n = 0, n_words = 0;

	for (unsigned word = 0; word < FLOW_KEY_WORDS; word++)
		if (mask->words[word])
			words[n_words++] = word;
	shape->refs = 1;
	shape->hash = hash_secret();
	for (unsigned stage = 0; stage < SHAPE_STAGES; stage++) {
		for (unsigned i = 0; i < n_words; i++) {
			uint64_t bits = mask->words[words[i]] & stage_bits(stage, words[i]);

			if (!bits)
				continue;
			shape->hash = hash_mix(bits, hash_mix(words[i], shape->hash));
			shape->parts[n++] = (struct shape_part){ bits, words[i] };
		}
		shape->ends[stage] = n;
	}
	shape->n_parts = n;
	find_prefixes(shape);
	return shape;
}

struct shape *shape_create(const struct flow_key *mask)
{
	union shape_room room;
	struct shape *now = shape_for_now(&room, mask);
	size_t size = sizeof(*now) + now->n_parts * sizeof(now->parts[0]);
	struct shape *shape = malloc(size);

	if (shape)
		memcpy(shape, now, size);
	return shape;
}

void shape_ref(struct shape *shape)
{
	refs_take(&shape->refs);
}

void shape_unref(struct shape *shape)
{
	if (shape && refs_drop(&shape->refs))
		free(shape);
}

bool shape_equal(const struct shape *a, const struct shape *b)
{
	return a == b || (a->hash == b->hash && a->n_parts == b->n_parts &&
			  !memcmp(a->parts, b->parts, a->n_parts * sizeof(a->parts[0])));
}

bool shape_has(const struct shape *a, const struct flow_key *b)
{
	struct flow_key left = *b;

	for (unsigned i = 0; i < a->n_parts; i++)
		left.words[a->parts[i].word] &= ~a->parts[i].mask;
	for (unsigned i = 0; i < FLOW_KEY_WORDS; i++)
		if (left.words[i])
			return false;
	return true;
}

uint64_t shape_hash_key(const struct shape *shape, const struct flow_key *key)
{
	uint64_t hash = hash_secret();

	for (unsigned i = 0; i < shape->n_parts; i++)
		hash = shape_hash_value(hash, shape_value(&shape->parts[i], key));
	return hash;
}

void shape_examine(const struct shape *shape, unsigned n_parts, struct key_bits *examined)
{
	for (unsigned i = 0; i < n_parts; i++)
		key_bits_add(examined, (unsigned)shape->parts[i].word, shape->parts[i].mask);
}
