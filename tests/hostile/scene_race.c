// SPDX-License-Identifier: Apache-2.0
/* A guest that rewrites what it has just shown: descriptors, links of chains, headers and frames.
 * Nobody can say what must come of it but that others do not notice, so it is for the stage that
 * looks at nothing (attack.c); what the back-end makes of each value, test_racing.c asks.
 */
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <unistd.h>

#include "base/clock.h"
#include "hostile/stage.h"

#define BIT(n) (1ull << (n))
#define N_ROUNDS 10 /* of each way */
#define RACE_NS (500 * NSEC_PER_MSEC)
#define STALL_NS (20 * NSEC_PER_MSEC) /* a ring is given up that has done nothing for so long */
#define PAUSE_US 100
#define N_CHAINS 16u
#define N_REWRITES 1000
#define BUFFER 512u /* bytes from one buffer to the next */
#define LEN 200u
#define LOW 0x20000000ull

static uint64_t addr_of(unsigned queue, unsigned i)
{
	return LOW + (uint64_t)queue * ROGUE_SIZE + (i % N_CHAINS) * BUFFER;
}

/* ---- ways to rewrite, each of one place, which @x chooses */

static void rewrite_buffer(struct stage *s, uint64_t x)
{
	static const uint32_t lens[] = {
		LEN, 0, 11, 12, BUFFER, ROGUE_SIZE, 0x10000000, UINT32_MAX
	};
	unsigned queue = x & 1, i = x >> 1 & (ROGUE_RING - 1);
	struct vring_desc *desc = (struct vring_desc *)s->rogue.rings[queue].desc + i;
	uint64_t addrs[] = { addr_of(queue, i), addr_of(1 - queue, i), LOW + 2 * ROGUE_SIZE - 100,
			     UINT64_MAX - 10 };

	/* they lie at the same place in both layouts */
	if (x >> 8 & 1)
		__atomic_store_n(&desc->addr, addrs[x >> 9 & 3], __ATOMIC_RELAXED);
	else
		__atomic_store_n(&desc->len, lens[x >> 9 & 7], __ATOMIC_RELAXED);
}

/* Flags, and next or id. */
static void rewrite_link(struct stage *s, uint64_t x)
{
	unsigned queue = x & 1, i = x >> 1 & (ROGUE_RING - 1);
	uint16_t *halves = (uint16_t *)((struct vring_desc *)s->rogue.rings[queue].desc + i);
	struct vring_avail *avail = s->rogue.rings[queue].driver;

	switch (x >> 8 & 3) {
	case 0:
		__atomic_store_n(&halves[6], (uint16_t)(x >> 16 & 7), __ATOMIC_RELAXED);
		break;
	case 1:
		__atomic_store_n(&halves[7], (uint16_t)(x >> 16), __ATOMIC_RELAXED);
		break;
	case 2:
		__atomic_store_n(&halves[7], (uint16_t)(x >> 16 & 127), __ATOMIC_RELAXED);
		break;
	default: /* packed: its suppression fields, and nothing */
		__atomic_store_n(&avail->ring[i], (uint16_t)(x >> 16 & 127), __ATOMIC_RELAXED);
		break;
	}
}

/* The virtio-net header and the frame's headers. */
static void rewrite_header(struct stage *s, uint64_t x)
{
	static const uint8_t values[] = { 0, 1, 3, 4, 16, 34, 100, 0xff };
	uint8_t *byte = rogue_byte(&s->rogue, addr_of(ROGUE_TX, x & 15) + (x >> 4 & 63), false);

	__atomic_store_n(byte, values[x >> 16 & 7], __ATOMIC_RELAXED);
}

static const struct way {
	const char *name;
	void (*rewrite)(struct stage *, uint64_t x);
	uint64_t features;
} ways[] = {
	{ "buffer", rewrite_buffer, 0 },
	{ "link", rewrite_link, BIT(VIRTIO_RING_F_INDIRECT_DESC) },
	{ "header", rewrite_header, BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_HOST_TSO4) },
};

/* ---- a race */

static void show(struct stage *s, unsigned queue)
{
	uint8_t head[64];

	for (unsigned i = 0; i < N_CHAINS; i++) {
		struct vring_desc desc = { addr_of(queue, i), LEN,
					   queue == ROGUE_RX ? VRING_DESC_F_WRITE : 0, 0 };
		struct rogue_buffer at = { desc.addr, LEN, false };

		if (queue == ROGUE_TX)
			rogue_write(&s->rogue, &at, 1, 0, head, stage_head(s, head));
		rogue_put(&s->rogue, queue, i, &desc, 1);
	}
	rogue_show(&s->rogue, queue);
}

/* Takes what is used; true: everything of @queue is. */
static bool reap(struct stage *s, unsigned queue)
{
	const struct rogue_ring *ring = &s->rogue.rings[queue];
	uint32_t id, len;

	while (rogue_used(&s->rogue, queue, &id, &len))
		;
	return ring->n_used == ring->n_put;
}

static void race(struct stage *s, const struct way *way, uint64_t x)
{
	uint64_t end = clock_ns() + RACE_NS, moved = clock_ns();

	while (clock_ns() < end) {
		for (unsigned queue = 0; queue < 2; queue++)
			if (reap(s, queue)) {
				show(s, queue);
				moved = clock_ns();
			}
		for (unsigned i = 0; i < N_REWRITES; i++) {
			x = x * 6364136223846793005ull + 1442695040888963407ull;
			way->rewrite(s, x >> 24);
		}
		usleep(PAUSE_US);
		if (clock_ns() > moved + STALL_NS && !rogue_restart(&s->rogue))
			return;
	}
}

void scene_race(struct stage *s)
{
	for (unsigned i = 0; i < N_ROUNDS; i++)
		for (size_t j = 0; j < ARRAY_SIZE(ways); j++) {
			if (!stage_begin(s, "race.%s.%u", ways[j].name, i))
				continue;
			stage_open(s,
				   &(struct rogue_config){ .features = BIT(VIRTIO_F_VERSION_1) |
								       BIT(VIRTIO_NET_F_MRG_RXBUF) |
								       ways[j].features });
			race(s, &ways[j], i);
			stage_end(s);
		}
}
