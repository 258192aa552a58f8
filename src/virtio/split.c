// SPDX-License-Identifier: Apache-2.0
/* Split virtqueue, device side (virtio 1.2, 2.7).
 *
 * Theory of operation. The driver writes descriptors, then the available ring, then its index with
 * release order; take() loads the index with acquire order and copies each head and each descriptor
 * once. complete() writes used elements, then our index with release order. Whoever goes to sleep
 * tells the other side first and then looks once more; each side has a full fence between the two,
 * so that at least one of them sees what the other has done.
 *
 * What outlives this process is our index: what is in front of it was completed, what is behind it
 * was not, whatever of that had been taken, or had its used element written already. Whoever takes
 * over starts there, and needs nothing else (struct ring_state only counts).
 */
#include <assert.h>
#include <errno.h>
#include <linux/virtio_config.h>
#include <stdint.h>

#include "base/compiler.h"
#include "virtio/ring.h"
#include "virtio/shared.h"
#include "virtio/walk.h"

#define FEATURE_EVENT_IDX (1ull << VIRTIO_RING_F_EVENT_IDX)
#define FEATURE_IN_ORDER (1ull << VIRTIO_F_IN_ORDER)

#define TAKEN_MASK (RING_TAKE_MAX - 1)

static_assert((RING_TAKE_MAX & TAKEN_MASK) == 0, "indexed by a mask");

static struct vring_avail *avail_ring(const struct ring *ring)
{
	return ring->config.driver;
}

static struct vring_used *used_ring(const struct ring *ring)
{
	return ring->config.device;
}

/* Both events lie behind the last entry of the ring that the other side reads (2.7.6, 2.7.8). */
static uint16_t *used_event(const struct ring *ring)
{
	return &avail_ring(ring)->ring[ring->config.size];
}

static uint16_t *avail_event(const struct ring *ring)
{
	return (uint16_t *)((uint8_t *)used_ring(ring) + sizeof(struct vring_used) +
			    ring->config.size * sizeof(struct vring_used_elem));
}

/* Goes through the indirect table that @head refers to. */
static enum ring_fault walk_indirect(struct walk *w, const struct vring_desc *head)
{
	struct walk_table table;
	enum ring_fault fault;
	unsigned left, i = 0;
	struct vring_desc d;
	uint64_t words[2];

	fault = walk_table_open(w, head->addr, head->len, &table);
	if (fault)
		return fault;
	if (head->flags & VRING_DESC_F_NEXT)
		return RING_FAULT_INDIRECT_NEXT;
	left = table.n;
	for (;;) {
		if (i >= table.n)
			return RING_FAULT_DESC_INDEX;
		if (!left-- || ++w->n_desc > RING_SIZE_MAX)
			return RING_FAULT_LOOP;
		if (!walk_table_load(w, &table, i, words))
			return RING_FAULT_ADDRESS;
		d = shared_unpack_desc(words[0], words[1]);
		if (d.flags & VRING_DESC_F_INDIRECT)
			return RING_FAULT_INDIRECT_NESTED;
		fault = walk_add(w, d.addr, d.len, d.flags & VRING_DESC_F_WRITE);
		if (fault || !(d.flags & VRING_DESC_F_NEXT))
			return fault;
		i = d.next;
	}
}

/* Goes through the chain whose first descriptor is @d, a copy. */
static enum ring_fault walk_chain(struct walk *w, struct vring_desc d)
{
	const struct vring_desc *descs = w->ring->config.desc;
	enum ring_fault fault;

	for (;;) {
		if (++w->n_desc > w->ring->config.size)
			return RING_FAULT_LOOP;
		if (d.flags & VRING_DESC_F_INDIRECT) {
			w->n_desc--; /* stands for the table's, holds no buffer itself */
			return walk_indirect(w, &d);
		}
		fault = walk_add(w, d.addr, d.len, d.flags & VRING_DESC_F_WRITE);
		if (fault || !(d.flags & VRING_DESC_F_NEXT))
			return fault;
		if (d.next >= w->ring->config.size)
			return RING_FAULT_DESC_INDEX;
		d = shared_load_desc(&descs[d.next]);
	}
}

/* Reads one chain into @chain and what is left of the arena. */
static enum ring_fault take_chain(struct walk *w, uint32_t head, struct ring_chain *chain)
{
	const struct vring_desc *descs = w->ring->config.desc;
	enum ring_fault fault;
	struct vring_desc d;

	if (unlikely(head >= w->ring->config.size))
		return RING_FAULT_DESC_INDEX;
	d = shared_load_desc(&descs[head]);
	walk_open(w, chain);
	chain->id = (uint16_t)head;
	fault = walk_chain(w, d);
	if (fault)
		return fault;
	walk_close(w, chain);
	walk_next(w);
	return RING_OK;
}

/* How many chains can be taken, at most @max. The driver's index is read again only when what it
 * said last is not enough. */
static unsigned count_available(struct ring *ring, unsigned max)
{
	uint16_t n = (uint16_t)(ring->avail_seen - ring->next_avail), fresh, idx;

	if (n >= max)
		return max;
	/* Pairs with the driver's release of its index: heads and descriptors are there. */
	idx = shared_load_acquire(&avail_ring(ring)->idx);
	fresh = (uint16_t)(idx - ring->next_avail);
	if (unlikely(fresh > ring->config.size - ring->n_taken)) {
		if (!n) /* what was announced before comes first */
			ring_break(ring, RING_FAULT_AVAIL_INDEX);
		return n;
	}
	ring->avail_seen = idx;
	/* in the same cache line */
	ring->no_interrupt = shared_load(&avail_ring(ring)->flags) & VRING_AVAIL_F_NO_INTERRUPT;
	return min((unsigned)fresh, max);
}

/* Looks ahead for a chain that may be on its way: its head, and the descriptor that it will most
 * likely have, which is the one behind the last. The driver writes both before its index, which is
 * what is waited for: three lines come together, not one after the other. */
static void fetch_next(const struct ring *ring)
{
	const struct vring_desc *descs = ring->config.desc;
	unsigned mask = ring->config.size - 1, at = ring->next_avail;

	__builtin_prefetch(&avail_ring(ring)->ring[at & mask]);
	__builtin_prefetch(&descs[(ring->state->taken[(at - 1u) & TAKEN_MASK] + 1u) & mask]);
}

/* Copies the heads of the next @n chains to taken[], which has nothing else here, and gets their
 * descriptors on the way. */
static void fetch_heads(struct ring *ring, unsigned n)
{
	const uint16_t *avail = avail_ring(ring)->ring;
	const struct vring_desc *descs = ring->config.desc;
	unsigned mask = ring->config.size - 1, at = ring->next_avail;
	uint32_t *taken = ring->state->taken;

	for (unsigned i = 0; i < n; i++, at++) {
		uint32_t head = shared_load(&avail[at & mask]);

		shared_store(&taken[at & TAKEN_MASK], head);
		__builtin_prefetch(&descs[head & mask]);
	}
}

/* Reads the chains whose heads are in taken[] from @at on and which are one buffer, to be written
 * when @in, that lies in @range, as long as they come, up to the end of taken[]. Returns how many,
 * at most @n.
 */
static ALWAYS_INLINE unsigned take_run(const struct ring *ring, const struct guestmem_range *range,
				       unsigned at, struct ring_chain *chains, struct iovec *iov,
				       unsigned n, bool in)
{
	const uint32_t *taken = &ring->state->taken[at & TAKEN_MASK];
	const struct vring_desc *descs = ring->config.desc;
	const unsigned wanted = in ? VRING_DESC_F_WRITE : 0;
	uint64_t base = range->guest_addr, size = range->size;
	unsigned n_descs = ring->config.size, i;
	uint8_t *host = range->host;

	n = min(n, RING_TAKE_MAX - (at & TAKEN_MASK));
	for (i = 0; i < n; i++) {
		uint32_t head = taken[i];
		struct vring_desc d;

		if (unlikely(head >= n_descs))
			break;
		d = shared_load_desc(&descs[head]);
		if (unlikely(d.flags != wanted || !walk_fits(d.addr - base, d.len, size)))
			break;
		walk_set_single(&chains[i], &iov[i], host + (d.addr - base), d.len, in,
				(uint16_t)head);
	}
	return i;
}

/* The same for a direction that the compiler knows, each with all registers for itself. */
static NEVER_INLINE unsigned take_run_in(const struct ring *ring,
					 const struct guestmem_range *range, unsigned at,
					 struct ring_chain *chains, struct iovec *iov, unsigned n)
{
	return take_run(ring, range, at, chains, iov, n, true);
}

static NEVER_INLINE unsigned take_run_out(const struct ring *ring,
					  const struct guestmem_range *range, unsigned at,
					  struct ring_chain *chains, struct iovec *iov, unsigned n)
{
	return take_run(ring, range, at, chains, iov, n, false);
}

/* Reads chains of one buffer that lies where the last one did and is as writable as the next one,
 * which nearly all are, as long as they come. Returns how many of the next @n.
 */
static inline unsigned take_singles(const struct ring *ring, const struct guestmem_range *range,
				    unsigned at, struct ring_chain *chains, struct iovec *iov,
				    unsigned n)
{
	const struct vring_desc *descs = ring->config.desc;
	unsigned total = 0, got;

	while (total < n) {
		unsigned next = at + total, head = ring->state->taken[next & TAKEN_MASK];

		if (unlikely(head >= ring->config.size))
			break;
		if (shared_load(&descs[head].flags) & VRING_DESC_F_WRITE) /* just a guess */
			got = take_run_in(ring, range, next, chains + total, iov + total,
					  n - total);
		else
			got = take_run_out(ring, range, next, chains + total, iov + total,
					   n - total);
		if (!got)
			break;
		total += got;
	}
	return total;
}

static unsigned split_take(struct ring *ring, const struct guestmem *mem, struct ring_chain *chains,
			   unsigned max, struct iovec *arena, unsigned arena_len)
{
	unsigned n, i = 0, n_walked = 0, at = ring->next_avail;
	struct walk w;

	if (unlikely(guestmem_lost(mem)))
		ring_break(ring, RING_FAULT_UNMAPPED);
	if (unlikely(ring_broken(ring)))
		return 0;
	n = count_available(ring, min(max, RING_TAKE_MAX - (unsigned)ring->n_taken));
	if (!n) {
		fetch_next(ring);
		return 0;
	}
	fetch_heads(ring, n);
	walk_init(&w, ring, mem, arena, arena_len);
	while (n_walked < WALK_MAX) {
		enum ring_fault fault;

		if (likely(w.range)) {
			unsigned k = take_singles(ring, w.range, at + i, &chains[i], w.iov,
						  min(n - i, w.max_iov));

			walk_skip(&w, k);
			n_walked += k;
			i += k;
		}
		if (i == n)
			break;
		fault = take_chain(&w, ring->state->taken[(at + i) & TAKEN_MASK], &chains[i]);
		if (unlikely(fault)) {
			/* The next call will find it first, unless the arena was too short. */
			if (i == 0 && (!w.full || arena_len >= RING_ARENA_LEN))
				ring_break(ring, fault);
			break;
		}
		n_walked += w.n_desc;
		i++;
	}
	ring->next_avail = (uint16_t)(at + i);
	ring_set_taken(ring, ring->n_taken + i);
	if (ring->avail_seen != ring->next_avail)
		fetch_next(ring);
	return i;
}

static void split_untake(struct ring *ring, unsigned n)
{
	assert(n <= ring->n_taken);
	ring->next_avail = (uint16_t)(ring->next_avail - n);
	ring_set_taken(ring, ring->n_taken - n);
}

/* Writes @n used elements from ring position @at on. */
static inline void put_used(struct ring *ring, unsigned at, const uint32_t *lens, unsigned n)
{
	struct vring_used_elem *elems = used_ring(ring)->ring;
	const uint32_t *taken = ring->state->taken;
	unsigned mask = ring->config.size - 1;

	for (unsigned i = 0; i < n; i++, at++) {
		struct vring_used_elem *e = &elems[at & mask];

		shared_store(&e->id, taken[at & TAKEN_MASK]);
		shared_store(&e->len, lens ? lens[i] : 0);
	}
}

static void split_prepare(const struct ring *ring, unsigned n)
{
	const struct vring_used *used = used_ring(ring);
	unsigned mask = ring->config.size - 1, at = ring->next_used;

	prefetch_write(&used->idx);
	for (unsigned i = 0; i < n; i += CACHE_LINE / sizeof(used->ring[0]))
		prefetch_write(&used->ring[(at + i) & mask]);
}

/* Makes @n > 0 chains from ring position @at on visible as completed. */
static inline void publish_used(struct ring *ring, unsigned at, const uint32_t *lens, unsigned n)
{
	uint32_t *taken = ring->state->taken;

	if (lens) {
		put_used(ring, at, lens, n);
	} else if (ring->config.features & FEATURE_IN_ORDER) {
		/* One element, of the last chain, stands for all of them (2.7.9). */
		shared_store(&taken[at & TAKEN_MASK], taken[(at + n - 1) & TAKEN_MASK]);
		put_used(ring, at, NULL, 1);
	} else {
		put_used(ring, at, NULL, n);
	}
	/* Pairs with the driver's acquire of this index: elements and buffers are written. */
	shared_store_release(&used_ring(ring)->idx, ring->next_used);
	ring->n_untold += n;
	ring_count_chains(ring, n);
}

static void split_complete(struct ring *ring, const uint32_t *lens, unsigned n)
{
	uint16_t at = ring->next_used;

	assert(n <= ring->n_taken);
	ring->next_used = (uint16_t)(at + n);
	if (likely(!ring_broken(ring) && n))
		publish_used(ring, at, lens, n);
	ring_state_order(); /* up to the index they may be taken once more */
	ring_set_taken(ring, ring->n_taken - n);
}

static bool split_wants_notify(struct ring *ring, bool settled)
{
	bool all = !ring->notified_valid || ring->n_untold > UINT16_MAX, wanted;
	uint16_t now = ring->next_used, old = (uint16_t)(now - ring->n_untold);

	if (unlikely(ring_broken(ring)) || (!ring->n_untold && ring->notified_valid))
		return false;
	if (ring->config.features & FEATURE_EVENT_IDX)
		/* The first time we do not know what was told before us; and between looks that
		 * are final the index may have gone around: it cannot say then what is new. */
		wanted = all || vring_need_event(shared_load(used_event(ring)), now, old);
	else if (!settled && ring->no_interrupt)
		wanted = false;
	else
		wanted = !(shared_load(&avail_ring(ring)->flags) & VRING_AVAIL_F_NO_INTERRUPT);
	/* A no that is not final is asked again, about all since the last answer that was. */
	if (wanted || settled) {
		ring->n_untold = 0;
		ring->notified_valid = true;
	}
	if (wanted)
		ring_count_notified(ring);
	return wanted;
}

static bool split_enable_kick(struct ring *ring)
{
	if (unlikely(ring_broken(ring)))
		return false;
	if (ring->config.features & FEATURE_EVENT_IDX)
		shared_store(avail_event(ring), ring->next_avail);
	else
		shared_store(&used_ring(ring)->flags, 0);
	/* What we ask for is visible before we look once more. Pairs with the driver's fence
	 * between its index and looking whether we want a kick. */
	shared_fence();
	return shared_load_acquire(&avail_ring(ring)->idx) != ring->next_avail;
}

static void split_disable_kick(struct ring *ring)
{
	/* With EVENT_IDX the driver has one event to kick for, and does so once at most. */
	if (!(ring->config.features & FEATURE_EVENT_IDX) && likely(!ring_broken(ring)))
		shared_store(&used_ring(ring)->flags, VRING_USED_F_NO_NOTIFY);
}

static int split_start(struct ring *ring, struct error *err)
{
	const struct ring_config *c = &ring->config;

	if (c->size & (c->size - 1))
		return error_set(err, -EINVAL, "split ring of %u entries: must be a power of two",
				 c->size);
	if ((uintptr_t)c->desc % VRING_DESC_ALIGN_SIZE ||
	    (uintptr_t)c->driver % VRING_AVAIL_ALIGN_SIZE ||
	    (uintptr_t)c->device % VRING_USED_ALIGN_SIZE)
		return error_set(err, -EINVAL, "parts of the ring are not aligned");
	ring->no_interrupt = false;
	ring->next_used = shared_load(&used_ring(ring)->idx);
	ring->next_avail = ring->avail_seen = ring->next_used;
	return 0;
}

static uint32_t split_base(const struct ring *ring)
{
	return ring->next_used;
}

const struct ring_ops ring_split_ops = {
	.name = "split",
	.start = split_start,
	.take = split_take,
	.untake = split_untake,
	.prepare = split_prepare,
	.complete = split_complete,
	.wants_notify = split_wants_notify,
	.enable_kick = split_enable_kick,
	.disable_kick = split_disable_kick,
	.base = split_base,
};
