// SPDX-License-Identifier: Apache-2.0
/* Chains of descriptors to fragments of guest memory: what does not happen to every packet. */
#include <string.h>

#include "virtio/walk.h"

#define DESC_LEN sizeof(struct vring_desc)

static const struct guestmem_range *find_range(struct walk *w, uint64_t addr)
{
	if (!w->range || !guestmem_range_holds(w->range, addr, 1))
		w->range = guestmem_find(w->mem, addr);
	return w->range;
}

enum ring_fault walk_add_pieces(struct walk *w, uint64_t addr, uint64_t len)
{
	while (len) {
		const struct guestmem_range *r = find_range(w, addr);
		uint64_t offset, part;

		if (!r)
			return RING_FAULT_ADDRESS;
		if (w->n_iov == w->max_iov) {
			w->full = true;
			return RING_FAULT_CHAIN_LENGTH;
		}
		offset = addr - r->guest_addr;
		part = min(len, r->size - offset);
		w->iov[w->n_iov++] =
			(struct iovec){ .iov_base = r->host + offset, .iov_len = part };
		addr += part; /* at most the range's end, which does not wrap */
		len -= part;
	}
	return RING_OK;
}

enum ring_fault walk_table_open(const struct walk *w, uint64_t addr, uint32_t len,
				struct walk_table *table)
{
	unsigned n = len / DESC_LEN;
	uint64_t end;

	if (!(w->ring->config.features & 1ull << VIRTIO_RING_F_INDIRECT_DESC))
		return RING_FAULT_INDIRECT_FEATURE;
	if (!n || len % DESC_LEN || n > RING_SIZE_MAX)
		return RING_FAULT_INDIRECT_SIZE;
	if (__builtin_add_overflow(addr, len, &end))
		return RING_FAULT_ADDRESS;
	*table = (struct walk_table){ .addr = addr, .n = n };
	return RING_OK;
}

/* Reads an indirect descriptor byte by byte: it crosses a border of regions, or is not aligned,
 * which virtio does not forbid. */
static bool load_scattered(const struct walk *w, uint64_t addr, uint64_t words[2])
{
	uint8_t bytes[DESC_LEN] = { 0 };
	unsigned i = 0;

	while (i < sizeof(bytes)) {
		uint64_t valid;
		const uint8_t *p = guestmem_lookup(w->mem, addr + i, &valid);

		if (!p)
			return false;
		while (valid-- && i < sizeof(bytes))
			bytes[i++] = shared_load(p++);
	}
	memcpy(words, bytes, sizeof(bytes));
	return true;
}

bool walk_table_load(const struct walk *w, struct walk_table *t, unsigned i, uint64_t words[2])
{
	uint64_t addr = t->addr + (uint64_t)i * DESC_LEN, offset = addr - t->part_addr;
	const uint64_t *from;

	if (offset >= t->part_len) {
		const struct guestmem_range *r = w->range;

		/* The buffers' range is a good guess, and stays theirs. */
		if (!r || !guestmem_range_holds(r, addr, 1))
			r = guestmem_find(w->mem, addr);
		if (!r)
			return false;
		t->part_addr = addr;
		t->part_len = r->size - (addr - r->guest_addr);
		t->part = r->host + (addr - r->guest_addr);
		offset = 0;
	}
	if (unlikely(t->part_len - offset < DESC_LEN || (uintptr_t)(t->part + offset) % 8))
		return load_scattered(w, addr, words);
	from = (const uint64_t *)(t->part + offset);
	words[0] = shared_load(&from[0]);
	words[1] = shared_load(&from[1]);
	return true;
}
