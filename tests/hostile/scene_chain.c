// SPDX-License-Identifier: Apache-2.0
/* Shapes of chains: where next leads, how long they are, which way their buffers go, indirect
 * tables of any size at any place, flags that nobody has defined, and good chains in front of a bad
 * one.
 */
#include <string.h>

#include "hostile/stage.h"

#define GOOD_MAX 33 /* good chains in front of a bad one */
#define FAR_END (0x30000000ull + ROGUE_SIZE)
#define LOW_END (0x20000000ull + ROGUE_SIZE)

/* ---- next, and what stands in its place where there is none */

static const struct next {
	const char *name;
	int value;		/* -1: the descriptor itself */
	enum ring_fault direct; /* in a ring of 64 entries */
	enum ring_fault table;	/* in a table of 4 */
} nexts[] = {
	{ "itself", -1, RING_FAULT_LOOP, RING_FAULT_LOOP },
	{ "head", 0, RING_FAULT_LOOP, RING_FAULT_LOOP },
	{ "end-of-table", 4, RING_OK, RING_FAULT_DESC_INDEX },
	{ "behind-table", 5, RING_OK, RING_FAULT_DESC_INDEX },
	{ "last-entry", 63, RING_OK, RING_FAULT_DESC_INDEX },
	{ "end-of-ring", 64, RING_FAULT_DESC_INDEX, RING_FAULT_DESC_INDEX },
	{ "behind-ring", 65, RING_FAULT_DESC_INDEX, RING_FAULT_DESC_INDEX },
	{ "32767", 0x7fff, RING_FAULT_DESC_INDEX, RING_FAULT_DESC_INDEX },
	{ "32768", 0x8000, RING_FAULT_DESC_INDEX, RING_FAULT_DESC_INDEX },
	{ "65535", 0xffff, RING_FAULT_DESC_INDEX, RING_FAULT_DESC_INDEX },
};

static void next_in_ring(struct stage *s, unsigned queue, const struct next *next, unsigned at)
{
	static const unsigned empty[] = { 4, 5, STAGE_GOOD_SLOT };
	struct vring_desc descs[4], *ring;
	struct rogue_buffer list[4];

	if (!stage_begin(s, "%s.next.direct.%u.%s", stage_queues[queue], at, next->name))
		return;
	stage_open_usual(s);
	ring = s->rogue.rings[queue].desc;
	for (size_t i = 0; i < ARRAY_SIZE(empty); i++) /* where it may lead to */
		ring[empty[i]] =
			(struct vring_desc){ .flags = queue == ROGUE_RX ? VRING_DESC_F_WRITE : 0 };
	stage_good_list(list, 4, 64, queue);
	stage_describe(s, STAGE_DIRECT, list, 4, descs);
	descs[at].flags |= VRING_DESC_F_NEXT;
	descs[at].next = (uint16_t)(next->value < 0 ? (int)at : next->value);
	stage_attack(s, queue, descs, 4, list, at + 1, next->direct);
}

/* In a packed ring's table there is no next: all of it is the chain. */
static void next_in_table(struct stage *s, unsigned queue, const struct next *next, unsigned at)
{
	unsigned value = next->value < 0 ? at : (unsigned)next->value;
	struct rogue_buffer list[4];
	struct vring_desc desc, last;

	if (!stage_begin(s, "%s.next.table.%u.%s", stage_queues[queue], at, next->name))
		return;
	stage_open_usual(s);
	stage_good_list(list, 4, 64, queue);
	stage_describe(s, STAGE_TABLE, list, 4, &desc);
	last = (struct vring_desc){ list[at].addr, list[at].len,
				    VRING_DESC_F_NEXT | (list[at].write ? VRING_DESC_F_WRITE : 0),
				    (uint16_t)value };
	rogue_write_table(&s->rogue, ROGUE_TABLE, at, &last);
	stage_attack(s, queue, &desc, 1, list, 4, s->packed ? RING_OK : next->table);
}

static void nexts_of(struct stage *s, unsigned queue)
{
	static const unsigned places[] = { 0, 1, 3 };

	for (size_t i = 0; i < ARRAY_SIZE(nexts); i++)
		for (size_t j = 0; j < ARRAY_SIZE(places); j++) {
			if (!s->packed)
				next_in_ring(s, queue, &nexts[i], places[j]);
			next_in_table(s, queue, &nexts[i], places[j]);
		}
}

/* ---- long chains of short buffers; the header lies in one to twelve of them */

static void lengths_of(struct stage *s, unsigned queue)
{
	static const unsigned numbers[] = { 1, 2, 3, 11, 12, 13, 26, 60 };
	static const uint32_t lens[] = { 0, 1, 7, 12, 64 };
	struct rogue_buffer list[64];

	for (unsigned form = 0; form < STAGE_N_FORMS; form++)
		for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
			for (size_t j = 0; j < ARRAY_SIZE(lens); j++) {
				if (!stage_begin(s, "%s.length.%s.%u-of-%u", stage_queues[queue],
						 stage_forms[form], numbers[i], lens[j]))
					continue;
				stage_open_usual(s);
				stage_good_list(list, numbers[i], lens[j], queue);
				stage_attack_list(s, queue, form, list, numbers[i], RING_OK);
			}
}

/* ---- readable and writable buffers in every order */

static void directions_of(struct stage *s, unsigned queue)
{
	struct rogue_buffer list[3];

	for (unsigned form = 0; form < STAGE_N_FORMS; form++)
		for (unsigned mask = 0; mask < 8; mask++) {
			enum ring_fault fault = RING_OK;

			if (!stage_begin(s, "%s.direction.%s.%c%c%c", stage_queues[queue],
					 stage_forms[form], mask & 1 ? 'w' : 'r',
					 mask & 2 ? 'w' : 'r', mask & 4 ? 'w' : 'r'))
				continue;
			stage_open_usual(s);
			stage_good_list(list, 3, 64, queue);
			for (unsigned i = 0; i < 3; i++) {
				list[i].write = mask >> i & 1;
				if (i > 0 && list[i - 1].write && !list[i].write)
					fault = RING_FAULT_DIRECTION;
			}
			stage_attack_list(s, queue, form, list, 3, fault);
		}
}

/* ---- flags that have no meaning */

static void flags_of(struct stage *s, unsigned queue)
{
	struct rogue_buffer list;
	struct vring_desc desc;

	for (unsigned bit = 3; bit < 16; bit++) {
		if (s->packed &&
		    (bit == VRING_PACKED_DESC_F_AVAIL || bit == VRING_PACKED_DESC_F_USED))
			continue;
		for (unsigned form = 0; form < STAGE_N_FORMS; form++) {
			if (!stage_begin(s, "%s.flag.%s.%u", stage_queues[queue], stage_forms[form],
					 bit))
				continue;
			stage_open_usual(s);
			stage_good_list(&list, 1, 300, queue);
			stage_describe(s, form, &list, 1, &desc);
			desc.flags |= (uint16_t)(1u << bit);
			stage_attack(s, queue, &desc, 1, &list, 1, RING_OK);
		}
	}
}

/* ---- indirect tables */

static const struct table_len {
	uint32_t len;
	enum ring_fault split, packed;
} table_lens[] = {
	{ 0, RING_FAULT_INDIRECT_SIZE, RING_FAULT_INDIRECT_SIZE },
	{ 1, RING_FAULT_INDIRECT_SIZE, RING_FAULT_INDIRECT_SIZE },
	{ 8, RING_FAULT_INDIRECT_SIZE, RING_FAULT_INDIRECT_SIZE },
	{ 15, RING_FAULT_INDIRECT_SIZE, RING_FAULT_INDIRECT_SIZE },
	{ 16, RING_OK, RING_OK },
	{ 17, RING_FAULT_INDIRECT_SIZE, RING_FAULT_INDIRECT_SIZE },
	{ 24, RING_FAULT_INDIRECT_SIZE, RING_FAULT_INDIRECT_SIZE },
	{ 31, RING_FAULT_INDIRECT_SIZE, RING_FAULT_INDIRECT_SIZE },
	{ 32, RING_OK, RING_OK },
	{ 16 * 65, RING_OK, RING_OK }, /* more than the ring has: see walk.h */
	{ 16 * ROGUE_TABLE_MAX, RING_OK, RING_OK },
	/* of a split one only the first entry is read */
	{ 16 * (ROGUE_TABLE_MAX + 1), RING_OK, RING_FAULT_ADDRESS },
	{ 16 * RING_SIZE_MAX, RING_OK, RING_FAULT_ADDRESS },
	{ 16 * (RING_SIZE_MAX + 1), RING_FAULT_INDIRECT_SIZE, RING_FAULT_INDIRECT_SIZE },
	{ 0x80000000, RING_FAULT_INDIRECT_SIZE, RING_FAULT_INDIRECT_SIZE },
	{ 0xfffffff0, RING_FAULT_INDIRECT_SIZE, RING_FAULT_INDIRECT_SIZE },
	{ 0xffffffff, RING_FAULT_INDIRECT_SIZE, RING_FAULT_INDIRECT_SIZE },
};

/* A table that holds one good buffer; the rest of it is empty ones. */
static void table_len(struct stage *s, unsigned queue, const struct table_len *t, bool behind)
{
	const struct vring_desc empty = { .flags = queue == ROGUE_RX ? VRING_DESC_F_WRITE : 0 };
	enum ring_fault fault = s->packed ? t->packed : t->split;
	struct rogue_buffer list[2];
	struct vring_desc descs[2];

	if (!stage_begin(s, "%s.table-len.%s.%u", stage_queues[queue], behind ? "behind" : "alone",
			 t->len))
		return;
	stage_open_usual(s);
	stage_good_list(list, 2, 300, queue);
	if (s->packed && behind) /* 2.8.8: not both in a chain */
		fault = RING_FAULT_INDIRECT_NEXT;
	for (unsigned i = 0; i < ROGUE_TABLE_MAX; i++)
		rogue_write_table(&s->rogue, ROGUE_TABLE, i, &empty);
	stage_describe(s, STAGE_DIRECT, list, 2, descs);
	stage_describe(s, STAGE_TABLE, &list[behind], 1, &descs[behind]);
	descs[behind].len = t->len;
	stage_attack(s, queue, descs, 1u + behind, list, 1u + behind, fault);
}

static const struct table_place {
	const char *name;
	uint64_t addr;
	bool outside;
} table_places[] = {
	{ "at-start", 0x20000000, false },
	{ "at-end", FAR_END - 32, false },
	{ "between-entries-over-regions", LOW_END - 16, false },
	{ "entry-over-regions", LOW_END - 8, false },
	{ "entry-over-regions-odd", LOW_END - 19, false },
	{ "off-by-1", 0x20000001, false },
	{ "off-by-4", 0x20000004, false },
	{ "off-by-8", 0x20000008, false },
	{ "null", 0, true },
	{ "below", 0x20000000 - 32, true },
	{ "in-file-below", 0x20000000 - ROGUE_EDGE, true },
	{ "a-byte-below", 0x20000000 - 1, true },
	{ "behind-end", FAR_END, true },
	{ "entry-over-end", FAR_END - 16, true },
	{ "half-an-entry-over-end", FAR_END - 24, true },
	{ "a-byte-over-end", FAR_END - 31, true },
	{ "in-gap", 0x28000000, true },
	{ "wraps", UINT64_MAX - 15, true },
	{ "to-the-top", UINT64_MAX - 31, true },
	{ "front-end-address", 0x20000000 + ROGUE_USER, true },
	{ "bit-32", 0x120000000, true },
	{ "bit-63", 1ull << 63 | 0x20000000, true },
};

static void table_place(struct stage *s, unsigned queue, const struct table_place *place)
{
	struct vring_desc desc = { place->addr, 32, VRING_DESC_F_INDIRECT, 0 };
	struct rogue_buffer list[2];

	if (!stage_begin(s, "%s.table-at.%s", stage_queues[queue], place->name))
		return;
	stage_open_usual(s);
	stage_good_list(list, 2, 64, queue);
	for (unsigned i = 0; i < 2; i++) {
		struct vring_desc entry = { list[i].addr, list[i].len,
					    (uint16_t)(list[i].write ? VRING_DESC_F_WRITE : 0), 1 };

		if (i == 0)
			entry.flags |= VRING_DESC_F_NEXT;
		rogue_write_table(&s->rogue, place->addr, i, &entry);
	}
	stage_attack(s, queue, &desc, 1, list, 2, place->outside ? RING_FAULT_ADDRESS : RING_OK);
}

/* INDIRECT in the @at-th of three entries of a table, with other flags. */
static void nested(struct stage *s, unsigned queue, unsigned at, unsigned more)
{
	struct rogue_buffer list[3];
	struct vring_desc desc, entry;

	if (!stage_begin(s, "%s.nested.%u.%u", stage_queues[queue], at, more))
		return;
	stage_open_usual(s);
	stage_good_list(list, 3, 64, queue);
	stage_describe(s, STAGE_TABLE, list, 3, &desc);
	entry = (struct vring_desc){ list[at].addr, list[at].len,
				     (uint16_t)(VRING_DESC_F_INDIRECT | more), 0 };
	if (list[at].write)
		entry.flags |= VRING_DESC_F_WRITE;
	rogue_write_table(&s->rogue, ROGUE_TABLE, at, &entry);
	/* of flags in a packed ring's table only WRITE means something (2.8.7) */
	stage_attack(s, queue, &desc, 1, list, 3, s->packed ? RING_OK : RING_FAULT_INDIRECT_NESTED);
}

/* INDIRECT and other flags in the ring. */
static void combined(struct stage *s, unsigned queue, unsigned more)
{
	struct rogue_buffer list;
	struct vring_desc descs[2] = { { 0 } };

	if (!stage_begin(s, "%s.indirect-and.%u", stage_queues[queue], more))
		return;
	stage_open_usual(s);
	stage_good_list(&list, 1, 300, queue);
	stage_describe(s, STAGE_TABLE, &list, 1, descs);
	descs[0].flags |= (uint16_t)more;
	descs[0].next = 1;
	stage_attack(s, queue, descs, more & VRING_DESC_F_NEXT ? 2 : 1, &list, 1,
		     more & VRING_DESC_F_NEXT ? RING_FAULT_INDIRECT_NEXT : RING_OK);
}

static void tables_of(struct stage *s, unsigned queue)
{
	for (size_t i = 0; i < ARRAY_SIZE(table_lens); i++)
		for (unsigned behind = 0; behind < 2; behind++)
			table_len(s, queue, &table_lens[i], behind);
	for (size_t i = 0; i < ARRAY_SIZE(table_places); i++)
		table_place(s, queue, &table_places[i]);
	for (unsigned at = 0; at < 3; at++)
		for (unsigned more = 0; more < 2; more++)
			nested(s, queue, at, more * VRING_DESC_F_NEXT);
	for (unsigned more = 0; more < 4; more++)
		combined(s, queue, more);
}

/* ---- good chains in front of a bad one: they are done, and it is not */

enum bad { BAD_ADDRESS, BAD_DIRECTION, BAD_TABLE_LEN, BAD_TABLE_NEXT, BAD_TABLE_ADDRESS, N_BAD };

static const struct {
	const char *name;
	enum ring_fault fault;
	struct vring_desc descs[2];
} bads[N_BAD] = {
	[BAD_ADDRESS] = { "address", RING_FAULT_ADDRESS, { { 64, 64, VRING_DESC_F_WRITE, 0 } } },
	[BAD_DIRECTION] = { "direction",
			    RING_FAULT_DIRECTION,
			    { { 0x30000100, 64, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 1 },
			      { 0x30000200, 64, 0, 0 } } },
	[BAD_TABLE_LEN] = { "table-len",
			    RING_FAULT_INDIRECT_SIZE,
			    { { ROGUE_TABLE, 24, VRING_DESC_F_INDIRECT, 0 } } },
	[BAD_TABLE_NEXT] = { "table-next",
			     RING_FAULT_INDIRECT_NEXT,
			     { { ROGUE_TABLE, 16, VRING_DESC_F_INDIRECT | VRING_DESC_F_NEXT,
				 1 } } },
	[BAD_TABLE_ADDRESS] = { "table-address",
				RING_FAULT_ADDRESS,
				{ { FAR_END - 8, 16, VRING_DESC_F_INDIRECT, 0 } } },
};

/* Sends @n frames in chains that are shown together with a bad one behind them. */
static void behind_sent(struct stage *s, enum bad bad, unsigned n)
{
	uint8_t frames[GOOD_MAX][STAGE_HEAD_LEN], head[64];
	unsigned header_len = s->rogue.header_len;
	struct rogue_buffer list[GOOD_MAX];

	stage_good_list(list, n, header_len + STAGE_HEAD_LEN, ROGUE_TX);
	for (unsigned i = 0; i < n; i++) {
		struct vring_desc desc = { list[i].addr, list[i].len, 0, 0 };

		rogue_write(&s->rogue, &list[i], 1, 0, head, stage_head(s, head));
		memcpy(frames[i], head + header_len, STAGE_HEAD_LEN);
		rogue_put(&s->rogue, ROGUE_TX, 2 + i, &desc, 1);
	}
	rogue_put(&s->rogue, ROGUE_TX, 0, bads[bad].descs, 2);
	rogue_show(&s->rogue, ROGUE_TX);
	for (unsigned i = 0; i < n; i++)
		stage_expect_frame(s, frames[i], STAGE_HEAD_LEN);
	stage_expect_broken(s, ROGUE_TX, bads[bad].fault);
	stage_pass_rx(s, NULL, 0);
}

/* The same for what is received. Buffers are looked at before there are frames for them: it is
 * known that one is bad when those in front of it are not all filled yet. */
static void behind_received(struct stage *s, enum bad bad, unsigned n)
{
	uint32_t need = s->rogue.header_len + STAGE_FRAME_LEN;
	struct rogue_buffer list[GOOD_MAX];

	stage_good_list(list, n, need, ROGUE_RX);
	for (unsigned i = 0; i < n; i++) {
		struct vring_desc desc = { list[i].addr, list[i].len, VRING_DESC_F_WRITE, 0 };

		rogue_put(&s->rogue, ROGUE_RX, 2 + i, &desc, 1);
	}
	rogue_put(&s->rogue, ROGUE_RX, 0, bads[bad].descs, 2);
	rogue_show(&s->rogue, ROGUE_RX);
	stage_expect_broken(s, ROGUE_RX, bads[bad].fault);
}

static void behinds_of(struct stage *s, unsigned queue)
{
	static const unsigned numbers[] = { 0, 1, 2, 31, 32, GOOD_MAX };

	for (unsigned bad = 0; bad < N_BAD; bad++)
		for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
			if (!stage_begin(s, "%s.behind.%u.%s", stage_queues[queue], numbers[i],
					 bads[bad].name))
				continue;
			stage_open_usual(s);
			if (queue == ROGUE_TX)
				behind_sent(s, bad, numbers[i]);
			else
				behind_received(s, bad, numbers[i]);
			stage_end(s);
		}
}

void scene_chain(struct stage *s)
{
	for (unsigned queue = 0; queue < 2; queue++) {
		nexts_of(s, queue);
		lengths_of(s, queue);
		directions_of(s, queue);
		flags_of(s, queue);
		tables_of(s, queue);
		behinds_of(s, queue);
	}
}
