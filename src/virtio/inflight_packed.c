// SPDX-License-Identifier: Apache-2.0
/* Packed virtqueue that notes in a region of the front-end's what is in flight (vhost-user,
 * "Inflight I/O tracking", "For packed virtqueue"); see inflight.h.
 *
 * Theory of operation. Used descriptors overwrite available ones, so a copy of each descriptor
 * taken is kept in the region, in elements that come from a list of free ones. A chain is in flight
 * when that list, from old_free_head, has gone past it: one store. To complete chains, their
 * elements are put back in front of the list at free_head, used_idx and its wrap counter move on,
 * the used descriptors are written, the first of the batch last, which publishes them; then marks
 * go, and the old values become the new ones. Whoever comes next finds used_idx and old_used_idx
 * equal, or, if not, looks at the descriptor at the old position: when it is still available
 * nothing was published, and the old values count; else the new ones.
 *
 * Used descriptors that a batch has written behind its first one, which was not published, are made
 * available again at the start, or the driver would come to them.
 *
 * The four values of a position are one word of memory here, as are both heads of the list, so that
 * they change together. When a batch was all of the ring, used_idx is equal to old_used_idx after
 * it, so wrap counters are compared as well.
 */
#include <errno.h>
#include <stdlib.h>

#include "virtio/inflight.h"
#include "virtio/packed.h"

#define TAKEN_MASK (RING_TAKE_MAX - 1)
#define CHAIN_FLAGS (VRING_DESC_F_WRITE | VRING_DESC_F_INDIRECT)

/* used_idx, old_used_idx and their wrap counters, as one word. */
struct positions {
	uint16_t used, old;
	bool used_wrap, old_wrap;
};

static_assert(offsetof(struct inflight_packed, version) == 8 &&
		      offsetof(struct inflight_packed, used_idx) == 16,
	      "words");

static struct inflight_packed *region_of(const struct ring *ring)
{
	return ring->config.inflight->region;
}

static uint64_t *desc_words(const struct ring *ring, unsigned at)
{
	return (uint64_t *)ring->config.desc + (size_t)2 * at;
}

static void store_positions(struct inflight_packed *region, const struct positions *p)
{
	uint64_t word = p->used | (uint64_t)p->old << 16 | (p->used_wrap ? 1ull << 32 : 0) |
			(p->old_wrap ? 1ull << 40 : 0);

	ring_state_order();
	shared_store((uint64_t *)&region->used_idx, word);
	ring_state_order();
}

/* Both heads of the list of free elements. */
static void store_heads(struct inflight_packed *region, unsigned n_desc, uint16_t head)
{
	uint64_t word = INFLIGHT_VERSION | (uint64_t)n_desc << 16 | (uint64_t)head << 32 |
			(uint64_t)head << 48;

	ring_state_order();
	shared_store((uint64_t *)&region->version, word);
	ring_state_order();
}

static void set_mark(struct inflight_packed *region, unsigned i, uint8_t mark)
{
	ring_state_order();
	shared_store(&region->desc[i].inflight, mark);
	ring_state_order();
}

static void link_to(struct ring *ring, unsigned i, uint16_t next)
{
	ring->config.inflight->next[i] = next;
	shared_store(&region_of(ring)->desc[i].next, next);
}

/* ---- start */

/* Makes a region of one that was never used, or was not finished. */
static void init_region(struct ring *ring)
{
	struct positions p = { ring->next_used, ring->next_used, ring->used_wrap, ring->used_wrap };
	struct inflight_packed *r = region_of(ring);
	struct inflight *t = ring->config.inflight;

	for (unsigned i = 0; i < t->n_desc; i++) {
		shared_store(&r->desc[i].inflight, 0);
		link_to(ring, i, (uint16_t)(i + 1));
	}
	t->free_head = 0;
	shared_store(&r->features, 0);
	store_positions(r, &p);
	store_heads(r, t->n_desc, 0); /* the version, too */
}

static int load_positions(const struct ring *ring, struct positions *p, struct error *err)
{
	uint64_t word = shared_load((uint64_t *)&region_of(ring)->used_idx);
	unsigned wraps = word >> 32 & UINT16_MAX;

	*p = (struct positions){ (uint16_t)word, (uint16_t)(word >> 16), wraps & 1, wraps >> 8 };
	if (p->used >= ring->config.size || p->old >= ring->config.size)
		return inflight_damaged(err, "used_idx is beyond the ring");
	if (wraps & ~0x101u)
		return inflight_damaged(err, "a wrap counter is neither 0 nor 1");
	return 0;
}

/* Ends what the last process was doing, or undoes it. Gives the position to go on from, and the
 * first free element. */
static int settle(struct ring *ring, struct positions *p, struct error *err)
{
	struct inflight_packed *r = region_of(ring);
	struct inflight *t = ring->config.inflight;
	int rc = load_positions(ring, p, err);
	uint64_t rest;

	if (rc)
		return rc;
	t->free_head = shared_load(&r->old_free_head);
	rest = shared_load_acquire(&desc_words(ring, p->old)[1]);
	if ((p->used != p->old || p->used_wrap != p->old_wrap) &&
	    !packed_is_avail(packed_unpack(rest).flags, p->old_wrap)) {
		/* the order in which it was done: as long as positions differ, this can be again */
		t->free_head = shared_load(&r->free_head);
		p->old = p->used;
		p->old_wrap = p->used_wrap;
	}
	p->used = p->old;
	p->used_wrap = p->old_wrap;
	store_heads(r, t->n_desc, t->free_head);
	store_positions(r, p);
	return 0;
}

/* Goes through the list of free elements, which are not in flight, and notes them in @seen. It ends
 * with a link to nowhere, or to where it has been. Returns how many there are. */
static unsigned walk_free(struct ring *ring, bool *seen)
{
	struct inflight_packed *r = region_of(ring);
	struct inflight *t = ring->config.inflight;
	unsigned n = 0, last = 0;

	for (unsigned i = t->free_head; i < t->n_desc && !seen[i]; n++) {
		seen[i] = true;
		if (shared_load(&r->desc[i].inflight))
			set_mark(r, i, 0);
		last = i;
		i = t->next[i] = shared_load(&r->desc[i].next);
	}
	if (n)
		t->next[last] = (uint16_t)t->n_desc;
	else
		t->free_head = (uint16_t)t->n_desc;
	return n;
}

/* Goes through the chain that begins with element @first. Returns how many elements it has, or 0:
 * it cannot be. */
static unsigned walk_chain(const struct ring *ring, unsigned first, bool *seen)
{
	const struct inflight_packed *r = region_of(ring);
	struct inflight *t = ring->config.inflight;
	unsigned num = shared_load(&r->desc[first].num), i = first, last = first;

	for (unsigned k = 0; k < num; k++) {
		if (i >= t->n_desc || seen[i])
			return 0;
		seen[i] = true;
		last = i;
		i = t->next[i] = shared_load(&r->desc[i].next);
	}
	if (!num || num > ring->config.size)
		return 0;
	inflight_add(t, shared_load(&r->desc[first].counter), (uint16_t)first, (uint16_t)last);
	return num;
}

/* Finds the chains in flight. */
static int find_chains(struct ring *ring, bool *seen, struct error *err)
{
	const struct inflight_packed *r = region_of(ring);
	struct inflight *t = ring->config.inflight;
	unsigned n_free = walk_free(ring, seen), n_taken = 0;

	for (unsigned i = 0; i < t->n_desc; i++) {
		unsigned n;

		if (seen[i] || shared_load(&r->desc[i].inflight) != 1)
			continue;
		n = walk_chain(ring, i, seen);
		if (!n)
			return inflight_damaged(err, "a chain in flight has no end");
		n_taken += n;
	}
	if (n_taken > ring->config.size)
		return inflight_damaged(err, "more descriptors in flight than the ring has");
	if (n_free + n_taken != t->n_desc)
		return inflight_damaged(err, "elements are neither free nor in flight");
	inflight_order(t);
	return 0;
}

/* A batch that was not published may have left used descriptors behind its first one. The driver
 * has not come to them yet; it must not find them when it does. */
static void restore_desc(const struct ring *ring, unsigned at, bool wrap)
{
	uint64_t *rest = &desc_words(ring, at)[1];
	const uint64_t *image = ring->config.inflight->image;

	if (packed_is_used(packed_unpack(shared_load(rest)).flags, wrap))
		shared_store(rest, image[2 * at + 1]);
}

/* Writes a chain's descriptors, as available ones, to the image from position @at on, which moves
 * behind them. */
static void image_chain(const struct ring *ring, const struct inflight_chain *chain, uint16_t *at,
			bool *wrap)
{
	uint16_t begin = *at;
	bool begin_wrap = *wrap;
	const struct inflight_packed *r = region_of(ring);
	const struct inflight *t = ring->config.inflight;
	uint64_t *image = t->image;

	for (unsigned i = chain->first;; i = t->next[i]) {
		unsigned flags = shared_load(&r->desc[i].flags) & CHAIN_FLAGS;

		flags |= packed_avail_bits(*wrap) | (i == chain->last ? 0 : VRING_DESC_F_NEXT);
		image[2 * *at] = shared_load(&r->desc[i].addr);
		image[2 * *at + 1] = packed_pack(shared_load(&r->desc[i].len),
						 shared_load(&r->desc[i].id), flags);
		packed_advance(at, wrap, 1, ring->config.size);
		if (i == chain->last)
			break;
	}
	restore_desc(ring, begin, begin_wrap);
}

/* Makes the ring from which they are taken: the real one, as it would be if none of them had been
 * completed. */
static int make_image(const struct ring *ring, const struct positions *p, struct error *err)
{
	struct inflight *t = ring->config.inflight;
	unsigned n_words = 2 * ring->config.size;
	uint16_t at = p->used;
	bool wrap = p->used_wrap;
	uint64_t *image;

	t->image = image = calloc(n_words, sizeof(*image));
	if (!image)
		return error_set(err, -ENOMEM, "out of memory");
	for (unsigned i = 0; i < n_words; i++)
		image[i] = shared_load(&desc_words(ring, 0)[i]);
	for (unsigned i = 0; i < t->n_chains; i++)
		image_chain(ring, &t->chains[i], &at, &wrap);
	return 0;
}

/* Starts at a position, of a ring that is like the image. */
static int start_at(struct ring *ring, const struct positions *p, struct error *err)
{
	struct ring_config real = ring->config;
	uint32_t position = packed_position(p->used, p->used_wrap);
	int rc;

	ring->config.desc = ring->config.inflight->image;
	ring->config.base = position | position << 16;
	ring->config.resume = false;
	rc = ring_packed_ops.start(ring, err);
	ring->config = real;
	ring->config.resume = true;
	return rc;
}

/* Goes on with what the region says. */
static int recover(struct ring *ring, struct error *err)
{
	struct inflight *t = ring->config.inflight;
	bool *seen = calloc(t->n_desc, sizeof(*seen));
	struct positions p;
	int rc;

	if (!seen)
		return error_set(err, -ENOMEM, "out of memory");
	rc = settle(ring, &p, err) ?: find_chains(ring, seen, err) ?: make_image(ring, &p, err);
	free(seen);
	rc = rc ?: start_at(ring, &p, err);
	if (!t->n_left) {
		free(t->image);
		t->image = NULL;
	}
	return rc;
}

static int start(struct ring *ring, struct error *err)
{
	const struct inflight_packed *r = region_of(ring);
	struct inflight *t = ring->config.inflight;
	bool used;
	int rc;

	if ((uintptr_t)ring->config.desc % sizeof(struct vring_packed_desc))
		return error_set(err, -EINVAL, "descriptors of the ring are not aligned");
	rc = inflight_check(t, ring, shared_load(&r->version), shared_load(&r->desc_num), &used,
			    err);
	if (rc)
		return rc;
	if (inflight_begin(t))
		return error_set(err, -ENOMEM, "out of memory");
	if (used)
		return recover(ring, err);
	rc = ring_packed_ops.start(ring, err);
	if (!rc)
		init_region(ring);
	return rc;
}

/* ---- use */

static unsigned take_again(struct ring *ring, const struct guestmem *mem, struct ring_chain *chains,
			   unsigned max, struct iovec *arena, unsigned arena_len)
{
	struct inflight *t = ring->config.inflight;
	unsigned slot = ring->taken_first + ring->n_taken, n;
	void *desc = ring->config.desc;

	ring->config.desc = t->image;
	n = ring_packed_ops.take(ring, mem, chains, min(max, t->n_left), arena, arena_len);
	ring->config.desc = desc;
	for (unsigned i = 0; i < n; i++)
		t->taken[slot++ & TAKEN_MASK] = t->chains[t->n_chains - t->n_left + i];
	inflight_taken_again(t, n);
	return n;
}

/* Copies the descriptor at @at to element @i. */
static void copy_desc(const struct ring *ring, unsigned at, struct inflight_desc_packed *to)
{
	struct packed_word d = packed_unpack(shared_load(&desc_words(ring, at)[1]));

	shared_store(&to->addr, shared_load(&desc_words(ring, at)[0]));
	shared_store(&to->len, d.len);
	shared_store(&to->flags, d.flags);
	shared_store(&to->id, d.id);
}

/* Notes a chain of @n descriptors from position @at on, and moves that on. There are free elements:
 * as many as the ring has descriptors, at least, and each that is in flight takes one. */
static struct inflight_chain note_chain(struct ring *ring, uint16_t *at, bool *wrap, unsigned n)
{
	struct inflight_packed *r = region_of(ring);
	struct inflight *t = ring->config.inflight;
	struct inflight_chain chain = { .counter = t->counter++, .first = t->free_head };
	struct inflight_desc_packed *head = &r->desc[chain.first];

	shared_store(&head->num, 0);
	shared_store(&head->counter, chain.counter);
	set_mark(r, chain.first, 1);
	for (unsigned k = 1; k <= n; k++) {
		chain.last = t->free_head;
		if (k == n)
			shared_store(&head->last, chain.last);
		shared_store(&head->num, (uint16_t)k);
		copy_desc(ring, *at, &r->desc[chain.last]);
		packed_advance(at, wrap, 1, ring->config.size);
		t->free_head = t->next[chain.last];
		shared_store(&r->free_head, t->free_head);
	}
	ring_state_order();
	shared_store(&r->old_free_head, t->free_head);
	ring_state_order();
	return chain;
}

static unsigned take(struct ring *ring, const struct guestmem *mem, struct ring_chain *chains,
		     unsigned max, struct iovec *arena, unsigned arena_len)
{
	struct inflight *t = ring->config.inflight;
	unsigned slot = ring->taken_first + ring->n_taken, n;
	uint16_t at = ring->next_avail;
	bool wrap = ring->avail_wrap;

	inflight_check_lost(ring);
	if (unlikely(t->n_left))
		return take_again(ring, mem, chains, max, arena, arena_len);
	n = ring_packed_ops.take(ring, mem, chains, max, arena, arena_len);
	for (unsigned i = 0; i < n; i++, slot++) {
		unsigned n_desc = ring_taken_n_desc(ring->state->taken[slot & TAKEN_MASK]);

		t->taken[slot & TAKEN_MASK] = note_chain(ring, &at, &wrap, n_desc);
	}
	return n;
}

/* Puts a chain's elements in front of the list of free ones. The caller stores its head. */
static void free_chain(struct ring *ring, const struct inflight_chain *chain)
{
	struct inflight *t = ring->config.inflight;

	link_to(ring, chain->last, t->free_head);
	t->free_head = chain->first;
	ring_state_order();
}

/* The newest first: what is in flight are always the oldest ones. */
static void untake(struct ring *ring, unsigned n)
{
	struct inflight_packed *r = region_of(ring);
	struct inflight *t = ring->config.inflight;
	unsigned of_ring = n - inflight_untaken(t, ring, n);
	unsigned slot = ring->taken_first + ring->n_taken;

	while (of_ring--) {
		const struct inflight_chain *chain = &t->taken[--slot & TAKEN_MASK];

		free_chain(ring, chain);
		store_heads(r, t->n_desc, t->free_head);
		set_mark(r, chain->first, 0);
	}
	ring_packed_ops.untake(ring, n);
}

/* Frees the oldest @n chains, and moves @p behind them. */
static void free_oldest(struct ring *ring, unsigned n, struct positions *p)
{
	struct inflight *t = ring->config.inflight;
	unsigned slot = ring->taken_first;

	for (unsigned i = 0; i < n; i++, slot++) {
		uint32_t taken = ring->state->taken[slot & TAKEN_MASK];

		free_chain(ring, &t->taken[slot & TAKEN_MASK]);
		shared_store(&region_of(ring)->free_head, t->free_head);
		packed_advance(&p->used, &p->used_wrap, ring_taken_n_desc(taken),
			       ring->config.size);
	}
}

static void complete(struct ring *ring, const uint32_t *lens, unsigned n)
{
	struct positions p = { ring->next_used, ring->next_used, ring->used_wrap, ring->used_wrap };
	struct inflight_packed *r = region_of(ring);
	struct inflight *t = ring->config.inflight;
	unsigned slot = ring->taken_first;

	inflight_completed(t, n);
	if (unlikely(ring_broken(ring) || !n)) {
		ring_packed_ops.complete(ring, lens, n);
		return;
	}
	free_oldest(ring, n, &p);
	store_positions(r, &p);
	ring_packed_ops.complete(ring, lens, n);
	for (unsigned i = 0; i < n; i++, slot++)
		set_mark(r, t->taken[slot & TAKEN_MASK].first, 0);
	shared_store(&r->old_free_head, t->free_head);
	p.old = p.used;
	p.old_wrap = p.used_wrap;
	store_positions(r, &p);
}

static void prepare(const struct ring *ring, unsigned n)
{
	ring_packed_ops.prepare(ring, n);
}

static bool wants_notify(struct ring *ring, bool settled)
{
	return ring_packed_ops.wants_notify(ring, settled);
}

/* What is to be taken again is there, whatever the ring has. */
static bool enable_kick(struct ring *ring)
{
	bool more = ring_packed_ops.enable_kick(ring);

	return more || (ring->config.inflight->n_left && !ring_broken(ring));
}

static void disable_kick(struct ring *ring)
{
	ring_packed_ops.disable_kick(ring);
}

static uint32_t base(const struct ring *ring)
{
	return ring_packed_ops.base(ring);
}

const struct ring_ops ring_packed_inflight_ops = {
	.name = "packed",
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
