// SPDX-License-Identifier: Apache-2.0
/* Packed virtqueue, device side (virtio 1.2, 2.8).
 *
 * Theory of operation. There is one ring of descriptors. The driver makes one available by its
 * flags, written with release order; take() loads the word that holds them with acquire order, and
 * that word is the copy that is checked and used. A chain's first descriptor is the last that the
 * driver marks, so the others need not be looked at for that. complete() overwrites the first
 * descriptor of each chain with a used one, in ring order; the first one of a batch is written last
 * and with release order, so that the driver, which goes through them in order too, sees all or
 * none. For sleep see split.c: both sides tell, fence, and look once more.
 *
 * What outlives this process. Nothing in the ring's memory tells how far it was used, so that is in
 * struct ring_state, as one word: the position of the next used descriptor, the slot of its chain
 *in taken[], and how many chains are being completed. complete() stores, in this order,
 *
 *	lengths; the word with @n being completed; used descriptors of all chains but the first;
 *	the first one, which publishes all; the word with the position behind them, and 0.
 *
 * Whoever takes over finds one of these. A word with 0: no used descriptor is behind the position,
 * what was taken is still available, and is taken again. A word with @n, and the first descriptor
 * is available: the driver has seen nothing, and all that is to be written is in taken[] and
 * lens[], so it is written, again or for the first time. A word with @n, and the first descriptor
 * is anything else: it was published (the driver may have put another one there since), so only the
 * word is left to store. Each of these may be interrupted, and done again, itself.
 *
 * A process that is killed stops between two instructions, and all that it has stored becomes
 * visible before its death is known. So only the order of its instructions counts, which the
 * compiler may not change: ring_state_order(), which costs nothing.
 */
#include <assert.h>
#include <errno.h>
#include <linux/virtio_config.h>

#include "virtio/packed.h"
#include "virtio/ring.h"
#include "virtio/walk.h"

#define FEATURE_EVENT_IDX (1ull << VIRTIO_RING_F_EVENT_IDX)
#define FEATURE_IN_ORDER (1ull << VIRTIO_F_IN_ORDER)

#define TAKEN_MASK (RING_TAKE_MAX - 1)

#define DESCS_PER_LINE (CACHE_LINE / sizeof(struct vring_packed_desc))

/* The two words of descriptor @at. */
static uint64_t *desc_words(const struct ring *ring, unsigned at)
{
	return (uint64_t *)ring->config.desc + (size_t)2 * at;
}

static bool desc_available(const struct ring *ring)
{
	uint64_t rest = shared_load_acquire(&desc_words(ring, ring->next_avail)[1]);

	return packed_is_avail(packed_unpack(rest).flags, ring->avail_wrap);
}

/* Goes through an indirect table: all of its descriptors, one after the other; of their flags only
 * WRITE has a meaning (2.8.7). */
static enum ring_fault walk_indirect(struct walk *w, uint64_t addr, uint32_t len)
{
	struct walk_table table;
	enum ring_fault fault = walk_table_open(w, addr, len, &table);

	for (unsigned i = 0; !fault && i < table.n; i++) {
		struct packed_word d;
		uint64_t words[2];

		w->n_desc++;
		if (!walk_table_load(w, &table, i, words))
			return RING_FAULT_ADDRESS;
		d = packed_unpack(words[1]);
		fault = walk_add(w, words[0], d.len, d.flags & VRING_DESC_F_WRITE);
	}
	return fault;
}

/* Goes through the chain that starts at @at with a copy of its two words: @addr and *@d, which
 * becomes the last one's. @room: descriptors that it may have, and in @n how many it has. */
static enum ring_fault walk_chain(struct walk *w, unsigned at, uint64_t addr, struct packed_word *d,
				  unsigned room, unsigned *n)
{
	enum ring_fault fault;

	for (*n = 1;; ++*n) {
		const uint64_t *words;

		if (d->flags & VRING_DESC_F_INDIRECT) {
			if (*n > 1 || d->flags & VRING_DESC_F_NEXT)
				return RING_FAULT_INDIRECT_NEXT;
			return walk_indirect(w, addr, d->len);
		}
		w->n_desc++;
		fault = walk_add(w, addr, d->len, d->flags & VRING_DESC_F_WRITE);
		if (fault || !(d->flags & VRING_DESC_F_NEXT))
			return fault;
		if (*n == room)
			return RING_FAULT_LOOP;
		at = at + 1 == w->ring->config.size ? 0 : at + 1;
		words = desc_words(w->ring, at);
		addr = shared_load(&words[0]);
		*d = packed_unpack(shared_load(&words[1]));
	}
}

/* Reads the chain at @at, whose second word is @rest, into @chain and what is left of the arena. */
static enum ring_fault take_chain(struct walk *w, unsigned at, uint64_t rest, unsigned room,
				  struct ring_chain *chain, unsigned *n)
{
	uint64_t addr = shared_load(&desc_words(w->ring, at)[0]);
	struct packed_word d = packed_unpack(rest);
	enum ring_fault fault;

	if (unlikely(!room))
		return RING_FAULT_AVAIL_INDEX;
	walk_open(w, chain);
	fault = walk_chain(w, at, addr, &d, room, n);
	if (fault)
		return fault;
	walk_close(w, chain);
	chain->id = d.id;
	walk_next(w);
	return RING_OK;
}

/* Asks for the lines of the @n descriptors from @at, but for the first: where one is available,
 * others may be.
 */
static void fetch_descs(const struct ring *ring, unsigned at, unsigned n)
{
	for (unsigned i = 0; i < n; i += DESCS_PER_LINE) {
		at += DESCS_PER_LINE;
		__builtin_prefetch(desc_words(ring, at < ring->config.size ? at : 0));
	}
}

/* Where a ring is read, and how many more of its descriptors may be. */
struct cursor {
	uint16_t at;
	bool wrap;
	unsigned room;
	unsigned slot; /* of taken[], not yet masked */
};

/* Notes a chain of @n descriptors at the cursor and moves it on. */
static inline void cursor_pass(struct cursor *cur, struct ring *ring, uint16_t id, unsigned n)
{
	shared_store(&ring->state->taken[cur->slot++ & TAKEN_MASK], ring_taken(id, n));
	packed_advance(&cur->at, &cur->wrap, n, ring->config.size);
	cur->room -= n;
}

/* Reads chains of one buffer, to be written when @in, that lies in @range, as long as they come, up
 * to the end of the ring or of taken[]. Returns how many, at most @max.
 */
static ALWAYS_INLINE unsigned take_run(struct ring *ring, const struct guestmem_range *range,
				       const struct cursor *cur, struct ring_chain *chains,
				       struct iovec *iov, unsigned max, bool in)
{
	const unsigned looked_at = PACKED_F_AVAIL | PACKED_F_USED | VRING_DESC_F_WRITE |
				   VRING_DESC_F_NEXT | VRING_DESC_F_INDIRECT;
	const unsigned wanted = packed_avail_bits(cur->wrap) | (in ? VRING_DESC_F_WRITE : 0);
	uint32_t *taken = &ring->state->taken[cur->slot & TAKEN_MASK];
	const uint64_t *words = desc_words(ring, cur->at);
	uint64_t base = range->guest_addr, size = range->size;
	uint8_t *host = range->host;
	unsigned i;

	max = min(max, ring->config.size - cur->at);
	max = min(max, RING_TAKE_MAX - (cur->slot & TAKEN_MASK));
	for (i = 0; i < max; i++, words += 2) {
		/* Pairs with the driver's release of these flags, or of those of an earlier
		 * descriptor: the whole descriptor is written. */
		struct packed_word d = packed_unpack(shared_load_acquire(&words[1]));
		uint64_t offset = shared_load(&words[0]) - base;

		if ((d.flags & looked_at) != wanted || unlikely(!walk_fits(offset, d.len, size)))
			break;
		walk_set_single(&chains[i], &iov[i], host + offset, d.len, in, d.id);
		shared_store(&taken[i], ring_taken(d.id, 1));
	}
	return i;
}

/* The same for a direction that the compiler knows, each with all registers for itself. */
static NEVER_INLINE unsigned take_run_in(struct ring *ring, const struct guestmem_range *range,
					 const struct cursor *cur, struct ring_chain *chains,
					 struct iovec *iov, unsigned max)
{
	return take_run(ring, range, cur, chains, iov, max, true);
}

static NEVER_INLINE unsigned take_run_out(struct ring *ring, const struct guestmem_range *range,
					  const struct cursor *cur, struct ring_chain *chains,
					  struct iovec *iov, unsigned max)
{
	return take_run(ring, range, cur, chains, iov, max, false);
}

/* Reads chains of one buffer that lies where the last one did and is as writable as the next one,
 * which nearly all are, as long as they come. Returns how many, at most @max.
 */
static inline unsigned take_singles(struct ring *ring, const struct guestmem_range *range,
				    struct cursor *cur, struct ring_chain *chains,
				    struct iovec *iov, unsigned max)
{
	unsigned total = 0, n;

	max = min(max, cur->room);
	while (total < max) {
		uint64_t rest = shared_load(&desc_words(ring, cur->at)[1]); /* just a guess */

		if (packed_unpack(rest).flags & VRING_DESC_F_WRITE)
			n = take_run_in(ring, range, cur, chains + total, iov + total, max - total);
		else
			n = take_run_out(ring, range, cur, chains + total, iov + total,
					 max - total);
		if (!n)
			break;
		cur->slot += n;
		cur->room -= n;
		packed_advance(&cur->at, &cur->wrap, n, ring->config.size);
		total += n;
	}
	return total;
}

/* Reads any chain that is available at the cursor. Returns 1, 0 when there is none, or, as a
 * negative number, what is wrong with it. */
static int take_any(struct ring *ring, struct walk *w, struct cursor *cur, struct ring_chain *chain)
{
	uint64_t rest = shared_load_acquire(&desc_words(ring, cur->at)[1]); /* pairs as above */
	enum ring_fault fault;
	unsigned n;

	if (!packed_is_avail(packed_unpack(rest).flags, cur->wrap))
		return 0;
	fault = take_chain(w, cur->at, rest, cur->room, chain, &n);
	if (unlikely(fault))
		return -(int)fault;
	cursor_pass(cur, ring, chain->id, n);
	return 1;
}

static unsigned packed_take(struct ring *ring, const struct guestmem *mem,
			    struct ring_chain *chains, unsigned max, struct iovec *arena,
			    unsigned arena_len)
{
	struct cursor cur = { .at = ring->next_avail,
			      .wrap = ring->avail_wrap,
			      .room = ring->config.size - ring->n_taken_desc,
			      .slot = ring->taken_first + ring->n_taken };
	unsigned i = 0, n_walked = 0;
	struct walk w;

	if (unlikely(guestmem_lost(mem)))
		ring_break(ring, RING_FAULT_UNMAPPED);
	if (unlikely(ring_broken(ring)))
		return 0;
	max = min(max, RING_TAKE_MAX - (unsigned)ring->n_taken);
	if (!max || !desc_available(ring))
		return 0;
	fetch_descs(ring, cur.at, max);
	walk_init(&w, ring, mem, arena, arena_len);
	while (n_walked < WALK_MAX) {
		int got;

		if (likely(w.range)) {
			unsigned k = take_singles(ring, w.range, &cur, &chains[i], w.iov,
						  min(max - i, w.max_iov));

			walk_skip(&w, k);
			n_walked += k;
			i += k;
		}
		if (i == max)
			break;
		got = take_any(ring, &w, &cur, &chains[i]);
		/* The next call will find a fault first, unless the arena was too short. */
		if (unlikely(got < 0 && i == 0 && (!w.full || arena_len >= RING_ARENA_LEN)))
			ring_break(ring, (enum ring_fault) - got);
		if (got <= 0)
			break;
		n_walked += w.n_desc;
		i++;
	}
	ring->next_avail = cur.at;
	ring->avail_wrap = cur.wrap;
	ring_set_taken(ring, ring->n_taken + i);
	ring->n_taken_desc = (uint16_t)(ring->config.size - cur.room);
	return i;
}

static void packed_untake(struct ring *ring, unsigned n)
{
	unsigned slot = ring->taken_first + ring->n_taken;

	assert(n <= ring->n_taken);
	ring_set_taken(ring, ring->n_taken - n);
	while (n--) {
		unsigned n_desc = ring_taken_n_desc(ring->state->taken[--slot & TAKEN_MASK]);

		packed_retreat(&ring->next_avail, &ring->avail_wrap, n_desc, ring->config.size);
		ring->n_taken_desc = (uint16_t)(ring->n_taken_desc - n_desc);
	}
}

static void packed_prepare(const struct ring *ring, unsigned n)
{
	unsigned at = ring->next_used;

	for (unsigned i = 0; i < n; i += DESCS_PER_LINE, at += DESCS_PER_LINE)
		prefetch_write(desc_words(ring, at < ring->config.size ? at : 0));
}

/* The second word of a used descriptor (2.8.3). */
static inline uint64_t used_word(uint16_t id, uint32_t len, bool wrap)
{
	return packed_pack(len, id, packed_used_bits(wrap) | (len ? VRING_DESC_F_WRITE : 0));
}

/* A place where chains are completed. */
struct used_cursor {
	uint16_t at;
	bool wrap;
	unsigned slot;	 /* of taken[], not yet masked */
	unsigned n_desc; /* passed */
};

/* Goes over one chain. */
static inline void used_pass(struct used_cursor *cur, const struct ring *ring)
{
	unsigned n = ring_taken_n_desc(ring->state->taken[cur->slot++ & TAKEN_MASK]);

	packed_advance(&cur->at, &cur->wrap, n, ring->config.size);
	cur->n_desc += n;
}

/* Goes over @n chains. */
static void used_pass_all(struct used_cursor *cur, const struct ring *ring, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		used_pass(cur, ring);
}

/* Writes used descriptors for the @n chains at the cursor and goes over them. */
static void put_used(struct used_cursor *cur, const struct ring *ring, const uint32_t *lens,
		     unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		uint16_t id = ring_taken_id(ring->state->taken[cur->slot & TAKEN_MASK]);

		shared_store(&desc_words(ring, cur->at)[1],
			     used_word(id, lens ? lens[i] : 0, cur->wrap));
		used_pass(cur, ring);
	}
}

/* The same for chains of one descriptor each. */
static ALWAYS_INLINE void put_used_singles(struct used_cursor *cursor, const struct ring *ring,
					   const uint32_t *lens, unsigned n)
{
	unsigned size = ring->config.size;
	struct used_cursor cur = *cursor;

	cur.n_desc += n;
	while (n) { /* up to the end of the ring, or of taken[] */
		const uint32_t *taken = &ring->state->taken[cur.slot & TAKEN_MASK];
		unsigned k = min(n, RING_TAKE_MAX - (cur.slot & TAKEN_MASK));
		uint64_t *words = desc_words(ring, cur.at);

		k = min(k, size - cur.at);
		for (unsigned i = 0; i < k; i++, words += 2)
			shared_store(&words[1], used_word(ring_taken_id(taken[i]),
							  lens ? lens[i] : 0, cur.wrap));
		if (lens)
			lens += k;
		cur.slot += k;
		packed_advance(&cur.at, &cur.wrap, k, size);
		n -= k;
	}
	*cursor = cur;
}

/* Completes @n chains but leaves the first of them to be published: goes over them all. */
static void complete_behind(struct used_cursor *cur, const struct ring *ring, const uint32_t *lens,
			    unsigned n)
{
	bool singles = ring->n_taken_desc == ring->n_taken;

	used_pass(cur, ring);
	if (unlikely(!singles))
		put_used(cur, ring, lens ? lens + 1 : NULL, n - 1);
	else if (lens)
		put_used_singles(cur, ring, lens + 1, n - 1);
	else
		put_used_singles(cur, ring, NULL, n - 1);
}

/* Where completion begins. */
static struct used_cursor used_begin(const struct ring *ring)
{
	return (struct used_cursor){ .at = ring->next_used,
				     .wrap = ring->used_wrap,
				     .slot = ring->taken_first };
}

/* The @n chains that the cursor went over are completed. */
static inline void used_end(struct ring *ring, const struct used_cursor *cur, unsigned n)
{
	ring->next_used = cur->at;
	ring->used_wrap = cur->wrap;
	ring->taken_first = (uint16_t)(cur->slot & TAKEN_MASK);
	ring->n_taken_desc = (uint16_t)(ring->n_taken_desc - cur->n_desc);
	ring_set_taken(ring, ring->n_taken - n);
}

/* Tells the state that @n chains are being completed from the cursor on, @blank: without lengths;
 * or, for 0, that all before it are. */
static inline void store_position(struct ring_state *state, const struct used_cursor *cur,
				  unsigned n, bool blank)
{
	uint64_t word = packed_position(cur->at, cur->wrap) |
			(uint64_t)(cur->slot & TAKEN_MASK) << 16 | (uint64_t)n << 32 |
			(blank ? 1ull << 48 : 0);

	ring_state_order();
	shared_store(&state->position, word);
	ring_state_order();
}

/* Completes @n (> 0) chains, whose lengths are in the state, or, when @blank, are 0. */
static void complete_chains(struct ring *ring, bool blank, unsigned n)
{
	/* One descriptor for all of them is enough when nothing was written to any (2.8.8). */
	bool once = blank && ring->config.features & FEATURE_IN_ORDER;
	struct ring_state *state = ring->state;
	struct used_cursor cur = used_begin(ring);
	unsigned first = (once ? cur.slot + n - 1 : cur.slot) & TAKEN_MASK;
	uint64_t *words = desc_words(ring, cur.at), word;

	word = used_word(ring_taken_id(state->taken[first]), blank ? 0 : state->lens[0], cur.wrap);
	store_position(state, &cur, n, blank);
	if (unlikely(once))
		used_pass_all(&cur, ring, n);
	else
		complete_behind(&cur, ring, blank ? NULL : state->lens, n);
	/* Pairs with the driver's acquire of these flags: the other used descriptors and the
	 * buffers are written. */
	shared_store_release(&words[1], word);
	used_end(ring, &cur, n);
	store_position(state, &cur, 0, false);
	ring->n_untold += cur.n_desc;
	ring_count_chains(ring, n);
}

static void packed_complete(struct ring *ring, const uint32_t *lens, unsigned n)
{
	uint32_t *kept = ring->state->lens;

	assert(n <= ring->n_taken);
	if (!n)
		return;
	if (unlikely(ring_broken(ring))) {
		struct used_cursor cur = used_begin(ring);

		used_pass_all(&cur, ring, n);
		used_end(ring, &cur, n);
		return;
	}
	if (lens && unlikely(lens != kept))
		for (unsigned i = 0; i < n; i++)
			shared_store(&kept[i], lens[i]);
	complete_chains(ring, !lens, n);
}

static bool packed_wants_notify(struct ring *ring, bool settled)
{
	unsigned n = ring->n_untold;
	bool wanted;

	if (unlikely(ring_broken(ring)) || (!n && ring->notified_valid))
		return false;
	/* The first time we do not know what was told before us: as if all of the ring was new. */
	if (!ring->notified_valid || n > ring->config.size)
		n = ring->config.size;
	wanted = packed_wants_event(ring->config.driver, ring->next_used, ring->used_wrap, n,
				    ring->config.size);
	/* A no that is not final is asked again, about all since the last answer that was. */
	if (wanted || settled) {
		ring->n_untold = 0;
		ring->notified_valid = true;
	}
	if (wanted)
		ring_count_notified(ring);
	return wanted;
}

static bool packed_enable_kick(struct ring *ring)
{
	if (unlikely(ring_broken(ring)))
		return false;
	if (ring->config.features & FEATURE_EVENT_IDX)
		packed_store_event(ring->config.device,
				   packed_position(ring->next_avail, ring->avail_wrap),
				   VRING_PACKED_EVENT_FLAG_DESC);
	else
		packed_store_event(ring->config.device, 0, VRING_PACKED_EVENT_FLAG_ENABLE);
	/* What we ask for is visible before we look once more. Pairs with the driver's fence
	 * between making descriptors available and looking whether we want a kick. */
	shared_fence();
	return desc_available(ring);
}

static void packed_disable_kick(struct ring *ring)
{
	if (likely(!ring_broken(ring)))
		packed_store_event(ring->config.device, 0, VRING_PACKED_EVENT_FLAG_DISABLE);
}

/* A position of the driver's or of ours, in 16 bits. */
static int check_position(const struct ring *ring, uint32_t position, struct error *err)
{
	unsigned at = position & (PACKED_F_WRAP - 1);

	if (at < ring->config.size)
		return 0;
	return error_set(err, -EINVAL, "packed ring of %u entries cannot start at %u",
			 ring->config.size, at);
}

/* Whether a descriptor from here to the end was used this time around, which cannot be. */
static bool used_ahead(const struct ring *ring)
{
	for (unsigned at = ring->next_used; at < ring->config.size; at++) {
		uint64_t rest = shared_load(&desc_words(ring, at)[1]);

		if (packed_is_used(packed_unpack(rest).flags, ring->used_wrap))
			return true;
	}
	return false;
}

/* Finds the @n chains that were being completed when the ring's last process died: makes them those
 * in flight. False: there cannot be such chains. */
static bool find_completing(struct ring *ring, unsigned n)
{
	unsigned n_desc = 0;

	for (unsigned i = 0; i < n; i++) {
		unsigned slot = (ring->taken_first + i) & TAKEN_MASK;
		unsigned more = ring_taken_n_desc(ring->state->taken[slot]);

		if (!more || more > ring->config.size - n_desc)
			return false;
		n_desc += more;
	}
	ring->n_taken = (uint16_t)n;
	ring->n_taken_desc = (uint16_t)n_desc;
	return true;
}

/* Ends their completion, see the theory of operation. */
static void end_completing(struct ring *ring, bool blank, unsigned n)
{
	uint64_t rest = shared_load_acquire(&desc_words(ring, ring->next_used)[1]);
	struct used_cursor cur = used_begin(ring);

	if (packed_is_avail(packed_unpack(rest).flags, ring->used_wrap)) {
		packed_complete(ring, blank ? NULL : ring->state->lens, n);
		return;
	}
	used_pass_all(&cur, ring, n);
	used_end(ring, &cur, n);
	store_position(ring->state, &cur, 0, false);
	ring_count_chains(ring, n);
}

/* Goes on where another process was. */
static int resume(struct ring *ring, struct error *err)
{
	uint64_t word = shared_load(&ring->state->position);
	unsigned at = word & (PACKED_F_WRAP - 1), first = word >> 16 & UINT16_MAX;
	unsigned n = word >> 32 & UINT16_MAX, blank = (unsigned)(word >> 48);

	ring->next_used = (uint16_t)at;
	ring->used_wrap = word & PACKED_F_WRAP;
	ring->taken_first = (uint16_t)first;
	if (at >= ring->config.size || first >= RING_TAKE_MAX || n > RING_TAKE_MAX || blank > 1 ||
	    !find_completing(ring, n))
		return error_set(err, -EINVAL, "state of the ring is damaged: position 0x%llx",
				 (unsigned long long)word);
	if (n && !ring_broken(ring))
		end_completing(ring, blank, n);
	ring->n_taken = ring->n_taken_desc = 0;
	return 0;
}

/* Starts where the front-end says. */
static int start_at_base(struct ring *ring, struct error *err)
{
	uint32_t avail = ring->config.base & UINT16_MAX, used = ring->config.base >> 16;
	struct used_cursor cur;
	int rc;

	if (!used)
		used = avail;
	rc = check_position(ring, avail, err);
	if (!rc)
		rc = check_position(ring, used, err);
	if (rc)
		return rc;
	ring->next_used = (uint16_t)(used & (PACKED_F_WRAP - 1));
	ring->used_wrap = used & PACKED_F_WRAP;
	cur = used_begin(ring);
	store_position(ring->state, &cur, 0, false);
	return 0;
}

static int packed_start(struct ring *ring, struct error *err)
{
	const struct ring_config *c = &ring->config;
	int rc;

	if ((uintptr_t)c->desc % 16 || (uintptr_t)c->driver % 4 || (uintptr_t)c->device % 4)
		return error_set(err, -EINVAL, "parts of the ring are not aligned");
	rc = c->resume ? resume(ring, err) : start_at_base(ring, err);
	if (rc)
		return rc;
	ring->next_avail = ring->next_used;
	ring->avail_wrap = ring->used_wrap;
	if (used_ahead(ring))
		ring_break(ring, RING_FAULT_POSITION);
	return 0;
}

static uint32_t packed_base(const struct ring *ring)
{
	uint32_t position = packed_position(ring->next_used, ring->used_wrap);

	return position | position << 16;
}

const struct ring_ops ring_packed_ops = {
	.name = "packed",
	.start = packed_start,
	.take = packed_take,
	.untake = packed_untake,
	.prepare = packed_prepare,
	.complete = packed_complete,
	.wants_notify = packed_wants_notify,
	.enable_kick = packed_enable_kick,
	.disable_kick = packed_disable_kick,
	.base = packed_base,
};
