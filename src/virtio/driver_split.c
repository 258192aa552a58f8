// SPDX-License-Identifier: Apache-2.0
/* Split virtqueue, driver side (virtio 1.2, 2.7). See split.c for how the two sides agree. */
#include "base/counter.h"
#include "virtio/driver_chain.h"
#include "virtio/shared.h"

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

/* Writes the buffers to descriptors of the free list, from *@at on; they stay in the list. */
static int fill_free(struct driver_ring *ring, const struct iovec *bufs, unsigned n, uint16_t *at,
		     uint16_t *end, bool more, uint16_t flags)
{
	struct vring_desc *descs = ring->desc;

	for (unsigned i = 0; i < n; i++) {
		uint16_t next = ring->state[*at].next;
		bool last = !more && i + 1 == n;
		uint64_t addr;
		int rc = driver_translate(ring, &bufs[i], &addr);

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
	struct vring_desc *descs = ring->desc;
	uint16_t head = ring->free_head;
	uint64_t table;
	int rc = driver_fill_table(ring, head, out, n_out, in, n_in, &table);

	if (rc < 0)
		return rc;
	shared_store_desc(&descs[head], table, (uint32_t)((n_out + n_in) * sizeof(*descs)),
			  VRING_DESC_F_INDIRECT, 0);
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

static int split_add(struct driver_ring *ring, const struct iovec *out, unsigned n_out,
		     const struct iovec *in, unsigned n_in, void *cookie)
{
	unsigned mask = ring->config.size - 1;
	uint16_t head = ring->free_head;
	struct driver_plan plan;
	int rc = driver_plan(ring, out, n_out, in, n_in, &plan);

	if (rc < 0)
		return rc;
	rc = plan.indirect ? add_indirect(ring, out, n_out, in, n_in)
			   : add_direct(ring, out, n_out, in, n_in);
	if (rc < 0)
		return rc;
	driver_keep(ring, head, &plan, cookie);
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
		state[at].in_len = writable ? buffers[i]->len : 0;
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
	if (driver_has_event_idx(ring))
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

/* The element of the next used chain. */
static const struct vring_used_elem *next_elem(const struct driver_ring *ring)
{
	return &used_ring(ring)->ring[ring->next_used & (ring->config.size - 1)];
}

/* Gets the next @n used chains. Returns how many: fewer when the device was not given one. */
static unsigned get_any_order(struct driver_ring *ring, void **cookies, uint32_t *lens, unsigned n)
{
	const struct vring_used_elem *elems = used_ring(ring)->ring;
	unsigned size = ring->config.size, i;
	uint16_t at = ring->next_used;

	for (i = 0; i < n; i++, at++) {
		const struct vring_used_elem *e = &elems[at & (size - 1)];
		uint32_t id = shared_load(&e->id);

		if (unlikely(id >= size || !ring->state[id].cookie))
			break;
		cookies[i] = ring->state[id].cookie;
		lens[i] = shared_load(&e->len);
		free_chain(ring, (uint16_t)id);
	}
	ring->next_used = at;
	return i;
}

/* The same with IN_ORDER. There is an element where a batch starts; others were left out. */
static bool get_in_order(struct driver_ring *ring, void **cookie, uint32_t *len)
{
	const struct vring_used_elem *e = next_elem(ring);

	if (!ring->in_batch &&
	    unlikely(!driver_batch_begin(ring, shared_load(&e->id), shared_load(&e->len),
					 ring->config.size - ring->n_free)))
		return false;
	/* The index says that the batch ends here, and the element that it does not. */
	if (unlikely(ring->oldest != ring->batch_last &&
		     (uint16_t)(ring->next_used + 1) == ring->used_seen))
		return false;
	driver_batch_next(ring, cookie, len);
	return true;
}

static unsigned split_get(struct driver_ring *ring, void **cookies, uint32_t *lens, unsigned max)
{
	unsigned n, i = 0;

	if (unlikely(ring->broken))
		return 0;
	n = count_used(ring, max);
	if (!n) {
		/* it comes with the index that is waited for */
		__builtin_prefetch(next_elem(ring));
		return 0;
	}
	if (likely(!driver_has_in_order(ring)))
		i = get_any_order(ring, cookies, lens, n);
	else
		while (i < n && get_in_order(ring, &cookies[i], &lens[i])) {
			ring->next_used++;
			i++;
		}
	ring->broken = i < n;
	return i;
}

static bool split_enable_call(struct driver_ring *ring)
{
	if (unlikely(ring->broken))
		return false;
	if (driver_has_event_idx(ring))
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
	if (!driver_has_event_idx(ring))
		shared_store(&avail_ring(ring)->flags, VRING_AVAIL_F_NO_INTERRUPT);
}

static uint32_t split_base(const struct driver_ring *ring)
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
