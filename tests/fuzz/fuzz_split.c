// SPDX-License-Identifier: Apache-2.0
/* Fuzzes both sides of a split ring. */
#include "fuzz_ring.h"

#define SIZE_LOG2_MAX 6

static uint32_t ring_size(unsigned choice)
{
	return 1u << choice % (SIZE_LOG2_MAX + 1);
}

static size_t driver_len(uint32_t size)
{
	return 6 + 2 * size;
}

static size_t device_len(uint32_t size)
{
	return 6 + 8 * size;
}

static uint16_t start(struct world *w)
{
	return ((struct vring_used *)w->config.device)->idx;
}

static struct vring_desc desc(uint64_t addr, uint32_t len, uint8_t flags, uint8_t next)
{
	return (struct vring_desc){ addr, len, flags & 7, next };
}

static void offer(struct world *w)
{
	struct vring_avail *avail = w->config.driver;

	avail->ring[avail->idx % w->config.size] = (uint16_t)take_number(&w->in, 1);
	avail->idx++;
}

static void check_completed(const struct world *w, uint32_t base, unsigned n)
{
	require(ring_base(&w->ring) == (uint16_t)(base + n));
	if (n && !ring_broken(&w->ring))
		require(((struct vring_used *)w->config.device)->idx == (uint16_t)(base + n));
}

const struct fuzz_layout fuzzed = {
	.size = ring_size,
	.driver_len = driver_len,
	.device_len = device_len,
	.start = start,
	.desc = desc,
	.offer = offer,
	.check_completed = check_completed,
};
