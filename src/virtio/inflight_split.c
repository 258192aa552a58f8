// SPDX-License-Identifier: Apache-2.0
/* Split virtqueue that notes in a region of the front-end's what is in flight (vhost-user,
 * "Inflight I/O tracking", "For split virtqueue"); see inflight.h.
 *
 * Theory of operation. A chain is in flight from when its mark is stored; what was read and not
 * marked is still in the available ring. To complete chains the region is given, in this order, the
 * list of them, as many as the used index will be ahead of the region's; the used ring's index,
 * which publishes them; no marks; the new index. Whoever comes next finds both indices equal, and
 * marks are right, or the used ring's ahead, and then its list says whose marks are to go.
 */
#include <errno.h>
#include <stdlib.h>

#include "virtio/inflight.h"

#define TAKEN_MASK (RING_TAKE_MAX - 1)

static struct inflight_split *region_of(const struct ring *ring)
{
	return ring->config.inflight->region;
}

static void set_mark(struct inflight_split *region, unsigned head, uint8_t mark)
{
	ring_state_order();
	shared_store(&region->desc[head].inflight, mark);
	ring_state_order();
}

/* ---- start */

/* Makes a region of one that was never used, or was not finished. */
static void init_region(const struct ring *ring)
{
	struct inflight_split *r = region_of(ring);
	unsigned n_desc = ring->config.inflight->n_desc;

	for (unsigned i = 0; i < n_desc; i++)
		shared_store(&r->desc[i].inflight, 0);
	shared_store(&r->features, 0);
	shared_store(&r->desc_num, (uint16_t)n_desc);
	shared_store(&r->last_batch_head, 0);
	shared_store(&r->used_idx, ring->next_used);
	ring_state_order();
	shared_store(&r->version, INFLIGHT_VERSION);
}

/* Brings to an end what the last process was doing when the used ring's index was already ahead. */
static int end_batch(const struct ring *ring, struct error *err)
{
	struct inflight_split *r = region_of(ring);
	unsigned n_desc = ring->config.inflight->n_desc;
	uint16_t n = (uint16_t)(ring->next_used - shared_load(&r->used_idx));
	unsigned head = shared_load(&r->last_batch_head);

	if (n > n_desc)
		return inflight_damaged(err, "used_idx is not that of this ring");
	for (unsigned i = 0; i < n; i++) {
		if (head >= n_desc)
			return inflight_damaged(err, "the last batch leaves the table");
		set_mark(r, head, 0);
		head = shared_load(&r->desc[head].next);
	}
	shared_store(&r->used_idx, ring->next_used);
	return 0;
}

/* Finds the chains in flight. */
static int find_chains(const struct ring *ring, struct error *err)
{
	const struct inflight_split *r = region_of(ring);
	struct inflight *t = ring->config.inflight;

	for (unsigned i = 0; i < t->n_desc; i++) {
		if (shared_load(&r->desc[i].inflight) != 1)
			continue;
		if (i >= ring->config.size)
			return inflight_damaged(err, "a chain in flight is beyond the ring");
		inflight_add(t, shared_load(&r->desc[i].counter), (uint16_t)i, (uint16_t)i);
	}
	inflight_order(t);
	return 0;
}

/* Makes the available ring from which they are taken. */
static int make_image(struct ring *ring, struct error *err)
{
	struct inflight *t = ring->config.inflight;
	const struct vring_avail *real = ring->config.driver;
	uint16_t n = (uint16_t)t->n_chains, size = (uint16_t)ring->config.size;
	struct vring_avail *image;

	if (!n)
		return 0;
	if (n > (uint16_t)(shared_load_acquire(&real->idx) - ring->next_used))
		return inflight_damaged(err, "more chains in flight than the driver has given");
	t->image = image = calloc(1, sizeof(*image) + size * sizeof(image->ring[0]));
	if (!image)
		return error_set(err, -ENOMEM, "out of memory");
	for (unsigned i = 0; i < n; i++)
		image->ring[(ring->next_used + i) & (size - 1)] = t->chains[i].first;
	ring->avail_seen = image->idx = (uint16_t)(ring->next_used + n);
	return 0;
}

static int start(struct ring *ring, struct error *err)
{
	const struct inflight_split *r = region_of(ring);
	struct inflight *t = ring->config.inflight;
	bool used;
	int rc;

	rc = inflight_check(t, ring, shared_load(&r->version), shared_load(&r->desc_num), &used,
			    err);
	if (!rc)
		rc = ring_split_ops.start(ring, err);
	if (rc)
		return rc;
	if (inflight_begin(t))
		return error_set(err, -ENOMEM, "out of memory");
	if (!used) {
		init_region(ring);
	} else {
		rc = end_batch(ring, err) ?: find_chains(ring, err) ?: make_image(ring, err);
		ring->config.resume = true;
	}
	t->last_batch_head = shared_load(&r->last_batch_head);
	return rc;
}

/* ---- use */

static unsigned take_again(struct ring *ring, const struct guestmem *mem, struct ring_chain *chains,
			   unsigned max, struct iovec *arena, unsigned arena_len)
{
	struct inflight *t = ring->config.inflight;
	void *driver = ring->config.driver;
	unsigned n;

	ring->config.driver = t->image;
	n = ring_split_ops.take(ring, mem, chains, min(max, t->n_left), arena, arena_len);
	ring->config.driver = driver;
	inflight_taken_again(t, n);
	return n;
}

static unsigned take(struct ring *ring, const struct guestmem *mem, struct ring_chain *chains,
		     unsigned max, struct iovec *arena, unsigned arena_len)
{
	struct inflight_split *r = region_of(ring);
	struct inflight *t = ring->config.inflight;
	uint16_t at = ring->next_avail;
	unsigned n;

	inflight_check_lost(ring);
	if (unlikely(t->n_left))
		return take_again(ring, mem, chains, max, arena, arena_len);
	n = ring_split_ops.take(ring, mem, chains, max, arena, arena_len);
	for (unsigned i = 0; i < n; i++, at++) {
		unsigned head = ring->state->taken[at & TAKEN_MASK];

		shared_store(&r->desc[head].counter, t->counter++);
		set_mark(r, head, 1);
	}
	return n;
}

/* The newest first: what is marked are always the oldest ones. */
static void untake(struct ring *ring, unsigned n)
{
	unsigned of_ring = n - inflight_untaken(ring->config.inflight, ring, n);
	uint16_t at = ring->next_avail;

	while (of_ring--)
		set_mark(region_of(ring), ring->state->taken[--at & TAKEN_MASK], 0);
	ring_split_ops.untake(ring, n);
}

/* Adds a chain to the list of those that are being completed. */
static void list_chain(struct inflight_split *region, struct inflight *t, uint16_t head)
{
	shared_store(&region->desc[head].next, t->last_batch_head);
	ring_state_order();
	shared_store(&region->last_batch_head, head);
	ring_state_order();
	t->last_batch_head = head;
}

static void complete(struct ring *ring, const uint32_t *lens, unsigned n)
{
	struct inflight_split *r = region_of(ring);
	struct inflight *t = ring->config.inflight;
	uint16_t heads[RING_TAKE_MAX], at = ring->next_used;

	inflight_completed(t, n);
	if (unlikely(ring_broken(ring) || !n)) {
		ring_split_ops.complete(ring, lens, n);
		return;
	}
	for (unsigned i = 0; i < n; i++, at++) {
		heads[i] = (uint16_t)ring->state->taken[at & TAKEN_MASK];
		list_chain(r, t, heads[i]);
	}
	ring_split_ops.complete(ring, lens, n);
	for (unsigned i = 0; i < n; i++)
		set_mark(r, heads[i], 0);
	shared_store(&r->used_idx, ring->next_used);
	ring_state_order();
}

static void prepare(const struct ring *ring, unsigned n)
{
	ring_split_ops.prepare(ring, n);
}

static bool wants_notify(struct ring *ring, bool settled)
{
	return ring_split_ops.wants_notify(ring, settled);
}

static bool enable_kick(struct ring *ring)
{
	return ring_split_ops.enable_kick(ring);
}

static void disable_kick(struct ring *ring)
{
	ring_split_ops.disable_kick(ring);
}

static uint32_t base(const struct ring *ring)
{
	return ring_split_ops.base(ring);
}

const struct ring_ops ring_split_inflight_ops = {
	.name = "split",
	.start = start,
	.take = take,
	.untake = untake,
	.prepare = prepare,
	.complete = complete,
	.wants_notify = wants_notify,
	.enable_kick = enable_kick,
	.disable_kick = disable_kick,
	.base = base,
};
