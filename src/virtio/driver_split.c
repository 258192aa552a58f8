// SPDX-License-Identifier: Apache-2.0
/* Split virtqueue, driver side (virtio 1.2, 2.7). See split.c for how the two sides agree. */
#include <errno.h>

#include "base/compiler.h"
#include "base/counter.h"
#include "virtio/driver.h"
#include "virtio/shared.h"

#define FEATURE_INDIRECT (1ull << VIRTIO_RING_F_INDIRECT_DESC)
#define FEATURE_EVENT_IDX (1ull << VIRTIO_RING_F_EVENT_IDX)

static struct vring_avail *avail_ring(const struct driver_ring *ring)
{
	return ring->driver;
}

static struct vring_used *used_ring(const struct driver_ring *ring)
{
	return ring->device;
}

static uint16_t *used_event(const struct driver_ring *ring)
{
	return &avail_ring(ring)->ring[ring->config.size];
}

static uint16_t *avail_event(const struct driver_ring *ring)
{
	return (uint16_t *)((uint8_t *)used_ring(ring) + sizeof(struct vring_used) +
			    ring->config.size * sizeof(struct vring_used_elem));
}

static bool has_event_idx(const struct driver_ring *ring)
{
	return ring->config.features & FEATURE_EVENT_IDX;
}

/* The address for descriptors of a buffer, or -EFAULT. */
static int translate(struct driver_ring *ring, const struct iovec *buf, uint64_t *addr)
{
	*addr = 0;
	if (!buf->iov_len)
		return 0;
	if (!ring->region || !driver_region_holds(ring->region, buf->iov_base, buf->iov_len))
		ring->region = driver_memory_find(ring->config.memory, buf->iov_base, buf->iov_len);
	if (!ring->region)
		return -EFAULT;
	*addr = ring->region->guest_addr +
		(uint64_t)((const uint8_t *)buf->iov_base - ring->region->host);
	return 0;
}

/* Writes the buffers to the table of one head, one descriptor after the other. */
static int fill_table(struct driver_ring *ring, struct vring_desc *table, const struct iovec *bufs,
		      unsigned n, unsigned at, unsigned total, uint16_t flags)
{
	for (unsigned i = 0; i < n; i++, at++) {
		bool last = at + 1 == total;
		uint64_t addr;
		int rc = translate(ring, &bufs[i], &addr);

		if (rc < 0)
			return rc;
		shared_store_desc(&table[at], addr, (uint32_t)bufs[i].iov_len,
				  last ? flags : flags | VRING_DESC_F_NEXT,
				  last ? 0 : (uint16_t)(at + 1));
	}
	return 0;
}

/* Writes the buffers to descriptors of the free list, from *@at on; they stay in the list. */
static int fill_free(struct driver_ring *ring, const struct iovec *bufs, unsigned n, uint16_t *at,
		     uint16_t *end, bool more, uint16_t flags)
{
	struct vring_desc *descs = ring->desc;

	for (unsigned i = 0; i < n; i++) {
		uint16_t next = ring->state[*at].next;
		bool last = !more && i + 1 == n;
		uint64_t addr;
		int rc = translate(ring, &bufs[i], &addr);

		if (rc < 0)
			return rc;
		shared_store_desc(&descs[*at], addr, (uint32_t)bufs[i].iov_len,
				  last ? flags : flags | VRING_DESC_F_NEXT, last ? 0 : next);
		*end = *at;
		*at = next;
	}
	return 0;
}

static int add_indirect(struct driver_ring *ring, const struct iovec *out, unsigned n_out,
			const struct iovec *in, unsigned n_in)
{
	struct vring_desc *descs = ring->desc, *table;
	unsigned total = n_out + n_in;
	uint16_t head = ring->free_head;
	int rc;

	table = ring->config.indirect + (size_t)head * ring->config.indirect_len;
	rc = fill_table(ring, table, out, n_out, 0, total, 0);
	if (!rc)
		rc = fill_table(ring, table, in, n_in, n_out, total, VRING_DESC_F_WRITE);
	if (rc < 0)
		return rc;
	shared_store_desc(&descs[head], driver_memory_guest_addr(ring->config.memory, table),
			  (uint32_t)(total * sizeof(*table)), VRING_DESC_F_INDIRECT, 0);
	ring->free_head = ring->state[head].next;
	return 0;
}

static int add_direct(struct driver_ring *ring, const struct iovec *out, unsigned n_out,
		      const struct iovec *in, unsigned n_in)
{
	uint16_t at = ring->free_head, end = at;
	int rc;

	rc = fill_free(ring, out, n_out, &at, &end, n_in > 0, 0);
	if (!rc)
		rc = fill_free(ring, in, n_in, &at, &end, false, VRING_DESC_F_WRITE);
	if (rc < 0)
		return rc;
	ring->free_head = at;
	return 0;
}

static bool use_indirect(const struct driver_ring *ring, unsigned n)
{
	return ring->config.indirect && (ring->config.features & FEATURE_INDIRECT) &&
	       n >= ring->config.indirect_min && n <= ring->config.indirect_len;
}

static bool lengths_fit(const struct iovec *bufs, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (bufs[i].iov_len > UINT32_MAX)
			return false;
	return true;
}

static int split_add(struct driver_ring *ring, const struct iovec *out, unsigned n_out,
		     const struct iovec *in, unsigned n_in, void *cookie)
{
	unsigned mask = ring->config.size - 1, n = n_out + n_in;
	bool indirect = use_indirect(ring, n);
	uint16_t head = ring->free_head;
	int rc;

	if (unlikely(ring->broken))
		return -EIO;
	if (!n || n_out > UINT16_MAX || n_in > UINT16_MAX || (!indirect && n > ring->config.size) ||
	    !lengths_fit(out, n_out) || !lengths_fit(in, n_in))
		return -EINVAL;
	if ((indirect ? 1 : n) > ring->n_free)
		return -ENOSPC;
	rc = indirect ? add_indirect(ring, out, n_out, in, n_in)
		      : add_direct(ring, out, n_out, in, n_in);
	if (rc < 0)
		return rc;
	ring->state[head].cookie = cookie;
	ring->state[head].n = (uint16_t)(indirect ? 1 : n);
	ring->n_free -= ring->state[head].n;
	shared_store(&avail_ring(ring)->ring[ring->next_avail & mask], head);
	ring->next_avail++;
	counter_add(&ring->n_added, 1);
	return 0;
}

static unsigned split_add_buffers(struct driver_ring *ring, struct driver_buffer *const *buffers,
				  unsigned n, bool writable)
{
	const uint16_t flags = writable ? VRING_DESC_F_WRITE : 0;
	const unsigned mask = ring->config.size - 1;
	uint16_t *avail = avail_ring(ring)->ring;
	struct driver_desc *state = ring->state;
	struct vring_desc *descs = ring->desc;
	uint16_t at = ring->free_head, next_avail = ring->next_avail;

	if (unlikely(ring->broken))
		return 0;
	n = min(n, ring->n_free);
	for (unsigned i = 0; i < n; i++) {
		shared_store_desc(&descs[at], buffers[i]->addr, buffers[i]->len, flags, 0);
		shared_store(&avail[next_avail++ & mask], at);
		state[at].cookie = buffers[i];
		state[at].n = 1;
		at = state[at].next;
	}
	ring->free_head = at;
	ring->next_avail = next_avail;
	ring->n_free -= n;
	counter_add(&ring->n_added, n);
	return n;
}

static void split_publish(struct driver_ring *ring)
{
	/* Pairs with the device's acquire of this index: heads and descriptors are written. */
	shared_store_release(&avail_ring(ring)->idx, ring->next_avail);
	ring->published = ring->next_avail;
}

static bool split_wants_kick(struct driver_ring *ring)
{
	uint16_t old = ring->kicked, now = ring->published;
	bool wanted;

	if (now == old || unlikely(ring->broken))
		return false;
	/* Our index is visible before we look whether the device waits for it. Pairs with the
	 * device's fence between asking for a kick and looking at our index again. */
	shared_fence();
	ring->kicked = now;
	if (has_event_idx(ring))
		wanted = vring_need_event(shared_load(avail_event(ring)), now, old);
	else
		wanted = !(shared_load(&used_ring(ring)->flags) & VRING_USED_F_NO_NOTIFY);
	if (wanted)
		counter_add(&ring->n_kicks, 1);
	return wanted;
}

/* Used chains to read, at most @max. The device cannot have used more than it was given. */
static unsigned count_used(struct driver_ring *ring, unsigned max)
{
	uint16_t n = (uint16_t)(ring->used_seen - ring->next_used), idx;

	if (n >= max)
		return max;
	/* Pairs with the device's release of its index: elements and buffers are written. */
	idx = shared_load_acquire(&used_ring(ring)->idx);
	n = (uint16_t)(idx - ring->next_used);
	if (unlikely(n > (uint16_t)(ring->published - ring->next_used))) {
		ring->broken = true;
		return 0;
	}
	ring->used_seen = idx;
	return min((unsigned)n, max);
}

/* Puts the descriptors of a chain back to the free ones, all at once. */
static void free_chain(struct driver_ring *ring, uint16_t head)
{
	struct driver_desc *state = ring->state;
	uint16_t last = head;

	for (unsigned i = 1; i < state[head].n; i++)
		last = state[last].next;
	state[last].next = ring->free_head;
	ring->free_head = head;
	ring->n_free += state[head].n;
	state[head].cookie = NULL;
}

static unsigned split_get(struct driver_ring *ring, void **cookies, uint32_t *lens, unsigned max)
{
	unsigned mask = ring->config.size - 1, n, i;

	if (unlikely(ring->broken))
		return 0;
	n = count_used(ring, max);
	for (i = 0; i < n; i++) {
		struct vring_used_elem *e = &used_ring(ring)->ring[ring->next_used & mask];
		uint32_t id = shared_load(&e->id);

		if (unlikely(id >= ring->config.size || !ring->state[id].cookie)) {
			ring->broken = true;
			break;
		}
		cookies[i] = ring->state[id].cookie;
		lens[i] = shared_load(&e->len);
		free_chain(ring, (uint16_t)id);
		ring->next_used++;
	}
	return i;
}

static bool split_enable_call(struct driver_ring *ring)
{
	if (unlikely(ring->broken))
		return false;
	if (has_event_idx(ring))
		shared_store(used_event(ring), ring->next_used);
	else
		shared_store(&avail_ring(ring)->flags, 0);
	/* What we ask for is visible before we look once more. Pairs with the device's fence
	 * between its index and looking whether we want a call. */
	shared_fence();
	return shared_load_acquire(&used_ring(ring)->idx) != ring->next_used;
}

static void split_disable_call(struct driver_ring *ring)
{
	/* With EVENT_IDX the device has one event to call for, and does so once at most. */
	if (!has_event_idx(ring))
		shared_store(&avail_ring(ring)->flags, VRING_AVAIL_F_NO_INTERRUPT);
}

static uint16_t split_base(const struct driver_ring *ring)
{
	return shared_load(&used_ring(ring)->idx);
}

/* The memory is clear. Starts at an index other than 0 as if so many chains had come and gone. */
static void split_start(struct driver_ring *ring)
{
	uint16_t start = ring->config.start;

	ring->next_avail = ring->published = ring->kicked = start;
	ring->next_used = ring->used_seen = start;
	shared_store(used_event(ring), start);
	shared_store(avail_event(ring), start);
	shared_store(&used_ring(ring)->idx, start);
	shared_store_release(&avail_ring(ring)->idx, start);
}

const struct driver_ring_ops driver_split_ops = {
	.name = "split",
	.start = split_start,
	.add = split_add,
	.add_buffers = split_add_buffers,
	.publish = split_publish,
	.wants_kick = split_wants_kick,
	.get = split_get,
	.enable_call = split_enable_call,
	.disable_call = split_disable_call,
	.base = split_base,
};
