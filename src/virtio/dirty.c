// SPDX-License-Identifier: Apache-2.0
/* The dirty log: its mapping, and the marks. */
#include <errno.h>
#include <inttypes.h>
#include <linux/virtio_config.h>
#include <stdlib.h>

#include "base/compiler.h"
#include "virtio/dirty.h"
#include "virtio/packed.h"
#include "virtio/shared.h"

#define FEATURE_PACKED (1ull << VIRTIO_F_RING_PACKED)
#define FEATURE_EVENT_IDX (1ull << VIRTIO_RING_F_EVENT_IDX)

int dirty_log_create(struct dirty_log **out, int fd, uint64_t offset, uint64_t size,
		     struct error *err)
{
	struct dirty_log *log;
	int rc;

	if (!size)
		return error_set(err, -EINVAL, "dirty log of 0 bytes");
	log = calloc(1, sizeof(*log));
	if (!log)
		return error_set(err, -ENOMEM, "dirty log: out of memory");
	rc = filemap_open(&log->file, "dirty log", fd, offset, size, err);
	if (rc < 0) {
		free(log);
		return rc;
	}
	log->size = size;
	*out = log;
	return 0;
}

void dirty_log_destroy(struct dirty_log *log)
{
	if (!log)
		return;
	filemap_close(&log->file);
	free(log);
}

bool dirty_log_is(const struct dirty_log *log, int fd, uint64_t offset, uint64_t size)
{
	return log->size == size && filemap_is(&log->file, fd, offset) && !filemap_lost(&log->file);
}

int dirty_log_check(const struct dirty_log *log, const struct guestmem *mem, struct error *err)
{
	for (unsigned i = 0; i < mem->n_ranges; i++) {
		const struct guestmem_range *r = &mem->ranges[i];
		uint64_t last = r->guest_addr + (r->size - 1);

		/* The page number divided by 8 is a byte of the log. */
		if (last >> (DIRTY_PAGE_SHIFT + 3) >= log->size)
			return error_set(err, -EINVAL,
					 "dirty log of 0x%" PRIx64
					 " bytes does not reach to guest address 0x%" PRIx64
					 ", where a memory region ends",
					 log->size, last);
	}
	return 0;
}

void dirty_begin(struct dirty *dirty, const struct dirty_log *log, const struct guestmem *mem)
{
	*dirty = (struct dirty){ .log = log, .mem = mem };
	/* What was written is visible before the bits are read. Pairs with the front-end's barrier
	 * between clearing a bit and copying the page. */
	shared_fence();
}

/* Sets the bits of pages @first..@last. */
static void set_bits(struct dirty *dirty, uint64_t first, uint64_t last)
{
	uint8_t *bytes = dirty->log->file.host;

	for (uint64_t page = first; page <= last; page++) {
		uint8_t *byte = &bytes[page / 8], bit = (uint8_t)(1u << page % 8);

		if (shared_load(byte) & bit)
			continue;
		/* Release, and acquire by the front-end that takes the bit: it copies what was
		 * written. */
		SHARED_OR(byte, bit, __ATOMIC_RELEASE);
		dirty->news = true;
	}
}

/* The range that @host is in, or NULL. */
static const struct guestmem_range *find_range(const struct guestmem *mem, const void *host)
{
	for (unsigned i = mem->n_ranges; i--;)
		if ((uintptr_t)host - (uintptr_t)mem->ranges[i].host < mem->ranges[i].size)
			return &mem->ranges[i];
	return NULL;
}

void dirty_mark(struct dirty *dirty, const void *host, uint64_t len)
{
	const struct guestmem_range *r = dirty->range;
	uint64_t offset, last;

	if (!len)
		return;
	if (!r || (uintptr_t)host - (uintptr_t)r->host >= r->size)
		r = dirty->range = find_range(dirty->mem, host);
	offset = r ? (uintptr_t)host - (uintptr_t)r->host : 0;
	if (unlikely(!r || len > r->size - offset)) {
		dirty->failed = true;
		return;
	}
	last = r->guest_addr + offset + (len - 1);
	if (unlikely(last >> (DIRTY_PAGE_SHIFT + 3) >= dirty->log->size)) {
		dirty->failed = true;
		return;
	}
	set_bits(dirty, (r->guest_addr + offset) >> DIRTY_PAGE_SHIFT, last >> DIRTY_PAGE_SHIFT);
}

void dirty_mark_chain(struct dirty *dirty, const struct ring_chain *chain, uint64_t len)
{
	const struct iovec *iov = chain->iov + chain->n_out, *end = iov + chain->n_in;

	for (; len && iov < end; iov++) {
		uint64_t part = min(len, (uint64_t)iov->iov_len);

		dirty_mark(dirty, iov->iov_base, part);
		len -= part;
	}
}

/* Marks entries @from..@to - 1, of @len bytes each, of a ring that starts at @base; all when both
 * are the same. */
static void mark_entries(struct dirty *dirty, const uint8_t *base, unsigned len, unsigned size,
			 unsigned from, unsigned to)
{
	if (from < to) {
		dirty_mark(dirty, base + (size_t)from * len, (uint64_t)(to - from) * len);
		return;
	}
	dirty_mark(dirty, base + (size_t)from * len, (uint64_t)(size - from) * len);
	dirty_mark(dirty, base, (uint64_t)to * len);
}

void dirty_mark_used(struct dirty *dirty, const struct ring *ring, uint16_t from)
{
	const struct ring_config *c = &ring->config;
	unsigned mask = c->size - 1;

	if (c->features & FEATURE_PACKED) {
		mark_entries(dirty, c->desc, sizeof(struct vring_packed_desc), c->size, from,
			     ring->next_used);
		return;
	}
	mark_entries(dirty, (const uint8_t *)c->device + sizeof(struct vring_used),
		     sizeof(struct vring_used_elem), c->size, from & mask, ring->next_used & mask);
	dirty_mark(dirty, c->device, sizeof(struct vring_used)); /* the index */
}

/* Bytes of the structure that config.device points to. */
static size_t device_len(const struct ring_config *c)
{
	if (c->features & FEATURE_PACKED)
		return sizeof(struct vring_packed_desc_event);
	return sizeof(struct vring_used) + c->size * sizeof(struct vring_used_elem) +
	       sizeof(uint16_t);
}

void dirty_mark_events(struct dirty *dirty, const struct ring *ring)
{
	const struct ring_config *c = &ring->config;
	const uint8_t *device = c->device;

	if (c->features & FEATURE_PACKED)
		dirty_mark(dirty, device, device_len(c));
	else if (c->features & FEATURE_EVENT_IDX)
		dirty_mark(dirty, device + device_len(c) - sizeof(uint16_t), sizeof(uint16_t));
	else
		dirty_mark(dirty, device, sizeof(uint16_t)); /* flags */
}

void dirty_mark_ring(struct dirty *dirty, const struct ring *ring)
{
	const struct ring_config *c = &ring->config;

	dirty_mark(dirty, c->device, device_len(c));
	if (c->features & FEATURE_PACKED)
		dirty_mark(dirty, c->desc, (uint64_t)c->size * sizeof(struct vring_packed_desc));
}

bool dirty_end(struct dirty *dirty)
{
	if (unlikely(bus_guard_any_hit() && filemap_lost(&dirty->log->file)))
		dirty->failed = true;
	return !dirty->failed;
}
