// SPDX-License-Identifier: Apache-2.0
/* Fuzzes both sides of a packed ring. */
#include "fuzz_ring.h"
#include "virtio/packed.h"

static uint32_t ring_size(unsigned choice)
{
	return 1 + choice % 70;
}

static size_t event_len(uint32_t size)
{
	return 4;
}

/* Both sides start at any position, in either round, mostly with nothing used behind it. */
static uint16_t start(struct world *w)
{
	uint32_t size = w->config.size, choice = (uint32_t)take_number(&w->in, 1);
	struct vring_packed_desc *d = w->config.desc;
	uint16_t at = (uint16_t)(choice % (2 * size));

	w->config.base = packed_position((uint16_t)(at % size), at < size);
	for (unsigned i = at % size; choice < 0xf0 && i < size; i++)
		if (packed_is_used(d[i].flags, at < size))
			d[i].flags ^= PACKED_F_AVAIL | PACKED_F_USED;
	return at;
}

/* Available in one round or the other, or used. */
static struct vring_desc desc(uint64_t addr, uint32_t len, uint8_t flags, uint8_t id)
{
	unsigned bits =
		flags & 0x80 ? packed_used_bits(flags & 0x40) : packed_avail_bits(flags & 0x40);

	return (struct vring_desc){ addr, len, id, (uint16_t)((flags & 7) | bits) };
}

/* The next descriptor that the device will look at. */
static void offer(struct world *w)
{
	struct vring_packed_desc *d = w->config.desc;
	unsigned flags = (unsigned)take_number(&w->in, 1) & 7;

	d += w->ring.next_avail;
	d->flags = (uint16_t)(flags | packed_avail_bits(w->ring.avail_wrap));
}

static void check_completed(const struct world *w, uint32_t base, unsigned n)
{
	const struct vring_packed_desc *d = w->config.desc;
	uint32_t now = ring_base(&w->ring);

	require((now & UINT16_MAX) == now >> 16);
	require((now & (PACKED_F_WRAP - 1)) < w->config.size);
	if (n && !ring_broken(&w->ring))
		require(packed_is_used(d[base & (PACKED_F_WRAP - 1)].flags, base & PACKED_F_WRAP));
}

const struct fuzz_layout fuzzed = {
	.features = 1ull << VIRTIO_F_RING_PACKED,
	.size = ring_size,
	.driver_len = event_len,
	.device_len = event_len,
	.start = start,
	.desc = desc,
	.offer = offer,
	.check_completed = check_completed,
};
