// SPDX-License-Identifier: Apache-2.0
/* Where a buffer is and how long it is: every kind of place, at every place of a chain, direct and
 * in an indirect table, to be read and to be written.
 */
#include <stdint.h>

#include "hostile/stage.h"

#define LOW 0x20000000ull
#define HIGH (LOW + ROGUE_SIZE)
#define FAR 0x30000000ull

struct place {
	const char *name;
	uint64_t addr;
	uint32_t len;
	bool outside; /* of memory, all of it or some */
};

static const struct place places[] = {
	{ "inside", LOW + 0x100, 256, false },
	{ "at-start", LOW, 256, false },
	{ "at-end", FAR + ROGUE_SIZE - 256, 256, false },
	{ "first-byte", LOW, 1, false },
	{ "last-byte", FAR + ROGUE_SIZE - 1, 1, false },
	{ "over-two-regions", HIGH - 128, 256, false },
	{ "a-byte-of-two-regions", HIGH - 1, 2, false },
	{ "whole-region", HIGH, ROGUE_SIZE, false },
	{ "two-whole-regions", LOW, 2 * ROGUE_SIZE, false },
	{ "header-but-one", LOW + 0x200, 11, false },
	{ "header", LOW + 0x200, 12, false },
	{ "header-and-one", LOW + 0x201, 13, false },
	{ "odd-address", LOW + 0x333, 177, false },
	{ "empty", LOW + 0x100, 0, false },
	{ "empty-at-null", 0, 0, false },
	{ "empty-outside", FAR - 64, 0, false },
	{ "empty-behind-end", FAR + ROGUE_SIZE, 0, false },
	{ "empty-at-top", UINT64_MAX, 0, false },
	{ "null", 0, 64, true },
	{ "null-of-4g", 0, UINT32_MAX, true },
	{ "below", LOW - 64, 64, true },
	{ "a-byte-below", LOW - 1, 64, true },
	{ "in-file-below", LOW - ROGUE_EDGE, 64, true },
	{ "behind-end", FAR + ROGUE_SIZE, 1, true },
	{ "in-file-behind-end", FAR + ROGUE_SIZE + 64, 64, true },
	{ "a-byte-over-end", FAR + ROGUE_SIZE - 63, 64, true },
	{ "over-end", FAR + ROGUE_SIZE - 1, ROGUE_EDGE, true },
	{ "over-two-regions-and-end", LOW, 2 * ROGUE_SIZE + 1, true },
	{ "over-gap", HIGH + ROGUE_SIZE - 1, FAR - (HIGH + ROGUE_SIZE) + 64, true },
	{ "in-gap", 0x28000000, 64, true },
	{ "below-all", 0x10000000 - 1, 64, true },
	{ "to-the-top", UINT64_MAX - 63, 64, true },
	{ "wraps", UINT64_MAX - 15, 64, true },
	{ "wraps-by-4g", UINT64_MAX, UINT32_MAX, true },
	{ "of-4g", LOW + 0x100, UINT32_MAX, true },
	{ "of-2g", LOW, 0x80000000, true },
	{ "front-end-address", LOW + ROGUE_USER, 64, true },
	{ "code-address", (uintptr_t)0x401000, 64, true },
	{ "stack-address", 0x7ffffffde000, 64, true },
	{ "bit-32", LOW | 1ull << 32, 64, true },
	{ "bit-63", LOW | 1ull << 63, 64, true },
	{ "sign-extended", 0xffffffff00000000ull | LOW, 64, true },
	{ "non-canonical", 0x0000800000000000ull, 64, true },
};

/* Which of the buffers of a chain it is. */
static const struct shape {
	const char *name;
	unsigned n, at;
} shapes[] = { { "alone", 1, 0 }, { "first", 3, 0 }, { "middle", 3, 1 }, { "last", 3, 2 } };

/* The chain is read in order, and ends where something is wrong. */
static enum ring_fault fault_of(const struct place *place, const struct rogue_buffer *list,
				unsigned at)
{
	uint64_t len = place->len;

	for (unsigned i = 0; i < at; i++)
		len += list[i].len;
	if (len > UINT32_MAX)
		return RING_FAULT_CHAIN_LENGTH;
	return place->outside ? RING_FAULT_ADDRESS : RING_OK;
}

static void one(struct stage *s, unsigned queue, enum stage_form form, const struct shape *shape,
		const struct place *place)
{
	struct rogue_buffer list[3];

	if (!stage_begin(s, "%s.buffer%s.%s.%s.%s", stage_queues[queue], s->ahead ? "-ahead" : "",
			 stage_forms[form], shape->name, place->name))
		return;
	stage_open_usual(s);
	stage_good_list(list, shape->n, 64, queue);
	list[shape->at].addr = place->addr;
	list[shape->at].len = place->len;
	stage_attack_list(s, queue, form, list, shape->n, fault_of(place, list, shape->at));
}

static void all(struct stage *s, unsigned queue)
{
	for (unsigned form = 0; form < STAGE_N_FORMS; form++)
		for (size_t i = 0; i < ARRAY_SIZE(shapes); i++)
			for (size_t j = 0; j < ARRAY_SIZE(places); j++)
				one(s, queue, form, &shapes[i], &places[j]);
}

void scene_buffer(struct stage *s)
{
	all(s, ROGUE_TX);
	all(s, ROGUE_RX);
	s->ahead = true;
	all(s, ROGUE_RX);
	s->ahead = false;
}
