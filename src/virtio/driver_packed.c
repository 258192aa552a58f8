// SPDX-License-Identifier: Apache-2.0
/* Packed virtqueue, driver side (virtio 1.2, 2.8). See packed.c for how the two sides agree.
 *
 * Descriptors are written as available when their chain is added, except for the first one since
 * the last publish(): the device does not look behind it.
 */
#include "base/counter.h"
#include "virtio/driver_chain.h"
#include "virtio/packed.h"

/* The two words of descriptor @at. */
static uint64_t *desc_words(const struct driver_ring *ring, unsigned at)
{
	return (uint64_t *)ring->desc + (size_t)2 * at;
}

/* Descriptors that the device has. */
static unsigned count_out(const struct driver_ring *ring)
{
	return ring->config.size - ring->n_free - ring->n_unpublished;
}

/* A chain on its way into the ring. */
struct writer {
	uint16_t at; /* of the next descriptor */
	bool wrap;
	uint16_t id;
	uint64_t head; /* second word of the first descriptor, which is written last */
};

/* Writes one descriptor of the chain. */
static inline void put_desc(struct driver_ring *ring, struct writer *w, uint64_t addr, uint32_t len,
			    unsigned flags)
{
	uint64_t *words = desc_words(ring, w->at);
	uint64_t word = packed_pack(len, w->id, flags | packed_avail_bits(w->wrap));

	shared_store(&words[0], addr);
	if (w->at == ring->next_avail)
		w->head = word;
	else
		shared_store(&words[1], word);
	packed_advance(&w->at, &w->wrap, 1, ring->config.size);
}

/* Makes descriptors behind the first of a chain that came to nothing what they were: not
 * available. */
static void take_back(struct driver_ring *ring, unsigned n)
{
	uint16_t at = ring->next_avail;
	bool wrap = ring->avail_wrap;

	for (unsigned i = 0; i < n; i++) {
		if (i)
			shared_store(&desc_words(ring, at)[1],
				     packed_pack(0, 0, packed_used_bits(!wrap)));
		packed_advance(&at, &wrap, 1, ring->config.size);
	}
}

static int put_buffers(struct driver_ring *ring, struct writer *w, const struct iovec *bufs,
		       unsigned n, unsigned n_behind, unsigned flags)
{
	for (unsigned i = 0; i < n; i++) {
		bool more = i + 1 < n || n_behind;
		uint64_t addr;
		int rc = driver_translate(ring, &bufs[i], &addr);

		if (unlikely(rc < 0))
			return rc;
		put_desc(ring, w, addr, (uint32_t)bufs[i].iov_len,
			 more ? flags | VRING_DESC_F_NEXT : flags);
	}
	return 0;
}

static int put_table(struct driver_ring *ring, struct writer *w, const struct iovec *out,
		     unsigned n_out, const struct iovec *in, unsigned n_in)
{
	uint64_t table;
	int rc = driver_fill_table(ring, w->id, out, n_out, in, n_in, &table);

	if (rc < 0)
		return rc;
	put_desc(ring, w, table, (n_out + n_in) * (uint32_t)sizeof(struct vring_desc),
		 VRING_DESC_F_INDIRECT);
	return 0;
}

static int put_direct(struct driver_ring *ring, struct writer *w, const struct iovec *out,
		      unsigned n_out, const struct iovec *in, unsigned n_in)
{
	int rc = put_buffers(ring, w, out, n_out, n_in, 0);

	if (!rc)
		rc = put_buffers(ring, w, in, n_in, 0, VRING_DESC_F_WRITE);
	if (unlikely(rc < 0))
		take_back(ring, n_out + n_in);
	return rc;
}

static int packed_add(struct driver_ring *ring, const struct iovec *out, unsigned n_out,
		      const struct iovec *in, unsigned n_in, void *cookie)
{
	struct writer w = { .at = ring->next_avail, .wrap = ring->avail_wrap };
	struct driver_plan plan;
	int rc = driver_plan(ring, out, n_out, in, n_in, &plan);

	if (rc < 0)
		return rc;
	/* In order, a chain is called as its place is, which says how far a batch goes. */
	w.id = driver_has_in_order(ring) ? ring->next_avail : ring->free_head;
	rc = plan.indirect ? put_table(ring, &w, out, n_out, in, n_in)
			   : put_direct(ring, &w, out, n_out, in, n_in);
	if (rc < 0)
		return rc;
	if (ring->n_unpublished) {
		shared_store(&desc_words(ring, ring->next_avail)[1], w.head);
	} else {
		ring->first = ring->next_avail;
		ring->first_word = w.head;
	}
	ring->free_head = ring->state[w.id].next;
	driver_keep(ring, w.id, &plan, cookie);
	ring->n_unpublished += plan.n_desc;
	ring->next_avail = w.at;
	ring->avail_wrap = w.wrap;
	counter_add(&ring->n_added, 1);
	return 0;
}

/* Adds buffers up to the end of the ring, at most @n. Returns how many. */
static inline unsigned add_run(struct driver_ring *ring, struct driver_buffer *const *buffers,
			       unsigned n, bool writable)
{
	const bool in_order = driver_has_in_order(ring);
	const unsigned flags =
		(writable ? VRING_DESC_F_WRITE : 0) | packed_avail_bits(ring->avail_wrap);
	struct driver_desc *states = ring->state;
	uint64_t *words = desc_words(ring, ring->next_avail);
	uint16_t id = ring->free_head;

	n = min(n, ring->config.size - ring->next_avail);
	for (unsigned i = 0; i < n; i++, words += 2) {
		struct driver_buffer *buffer = buffers[i];
		struct driver_desc *state;
		uint64_t word;

		if (in_order)
			id = (uint16_t)(ring->next_avail + i);
		word = packed_pack(buffer->len, id, flags);
		shared_store(&words[0], buffer->addr);
		if (likely(i || ring->n_unpublished)) {
			shared_store(&words[1], word);
		} else {
			ring->first = ring->next_avail;
			ring->first_word = word;
		}
		state = &states[id];
		id = state->next;
		state->cookie = buffer;
		state->n = 1;
		state->in_len = writable ? buffer->len : 0;
	}
	ring->free_head = id;
	packed_advance(&ring->next_avail, &ring->avail_wrap, n, ring->config.size);
	ring->n_free -= n;
	ring->n_unpublished += n;
	return n;
}

static unsigned packed_add_buffers(struct driver_ring *ring, struct driver_buffer *const *buffers,
				   unsigned n, bool writable)
{
	unsigned i;

	if (unlikely(ring->broken))
		return 0;
	n = min(n, ring->n_free);
	for (i = 0; i < n;)
		i += add_run(ring, buffers + i, n - i, writable);
	counter_add(&ring->n_added, n);
	return n;
}

static void packed_publish(struct driver_ring *ring)
{
	if (!ring->n_unpublished)
		return;
	/* Pairs with the device's acquire of these flags: all other descriptors are written. */
	shared_store_release(&desc_words(ring, ring->first)[1], ring->first_word);
	ring->n_unkicked += ring->n_unpublished;
	ring->n_unpublished = 0;
}

static bool packed_wants_kick(struct driver_ring *ring)
{
	uint16_t at = ring->next_avail;
	bool wrap = ring->avail_wrap, wanted;
	unsigned n = ring->n_unkicked;

	if (!n || unlikely(ring->broken))
		return false;
	/* Our descriptors are visible before we look whether the device waits for them. Pairs with
	 * the device's fence between asking for a kick and looking at the ring again. */
	shared_fence();
	ring->n_unkicked = 0;
	packed_retreat(&at, &wrap, ring->n_unpublished, ring->config.size);
	wanted = packed_wants_event(ring->device, at, wrap, n, ring->config.size);
	if (wanted)
		counter_add(&ring->n_kicks, 1);
	return wanted;
}

/* Whether the descriptor at @at is used, and a copy of its second word. */
static bool load_used(const struct driver_ring *ring, unsigned at, bool wrap,
		      struct packed_word *word)
{
	/* Pairs with the device's release of these flags, or of those of an earlier descriptor:
	 * buffers are written. */
	*word = packed_unpack(shared_load_acquire(&desc_words(ring, at)[1]));
	return packed_is_used(word->flags, wrap);
}

/* Gets used chains, at most @max of them and of @n_out descriptors, which the device has. Not every
 * device sets WRITE where it wrote something, so lengths are taken as they are.
 */
static unsigned get_any_order(struct driver_ring *ring, unsigned n_out, void **cookies,
			      uint32_t *lens, unsigned max)
{
	struct driver_desc *states = ring->state;
	const unsigned size = ring->config.size;
	uint16_t at = ring->next_used, free_head = ring->free_head;
	bool wrap = ring->used_wrap;
	unsigned i, left = n_out;

	for (i = 0; i < max && left; i++) {
		struct driver_desc *state;
		struct packed_word word;

		if (!load_used(ring, at, wrap, &word))
			break;
		state = &states[word.id];
		/* the device was not given it? */
		if (unlikely(word.id >= size || !state->cookie || state->n > left)) {
			ring->broken = true;
			break;
		}
		cookies[i] = state->cookie;
		lens[i] = word.len;
		state->cookie = NULL;
		state->next = free_head;
		free_head = word.id;
		left -= state->n;
		packed_advance(&at, &wrap, state->n, size);
	}
	ring->next_used = at;
	ring->used_wrap = wrap;
	ring->free_head = free_head;
	ring->n_free += n_out - left;
	return i;
}

/* The same with IN_ORDER. There is a used descriptor where a batch starts; others were left out. */
static unsigned get_in_order(struct driver_ring *ring, unsigned n_out, void **cookies,
			     uint32_t *lens, unsigned max)
{
	struct packed_word word;
	unsigned i, n;

	for (i = 0; i < max && n_out; i++, n_out -= n) {
		if (!ring->in_batch) {
			if (!load_used(ring, ring->next_used, ring->used_wrap, &word))
				break;
			if (unlikely(!driver_batch_begin(ring, word.id, word.len, n_out))) {
				ring->broken = true;
				break;
			}
		}
		n = driver_batch_next(ring, &cookies[i], &lens[i]);
		packed_advance(&ring->next_used, &ring->used_wrap, n, ring->config.size);
	}
	return i;
}

static unsigned packed_get(struct driver_ring *ring, void **cookies, uint32_t *lens, unsigned max)
{
	if (unlikely(ring->broken))
		return 0;
	if (unlikely(driver_has_in_order(ring)))
		return get_in_order(ring, count_out(ring), cookies, lens, max);
	return get_any_order(ring, count_out(ring), cookies, lens, max);
}

static bool packed_enable_call(struct driver_ring *ring)
{
	struct packed_word word;

	if (unlikely(ring->broken))
		return false;
	if (driver_has_event_idx(ring))
		packed_store_event(ring->driver, packed_position(ring->next_used, ring->used_wrap),
				   VRING_PACKED_EVENT_FLAG_DESC);
	else
		packed_store_event(ring->driver, 0, VRING_PACKED_EVENT_FLAG_ENABLE);
	/* What we ask for is visible before we look once more. Pairs with the device's fence
	 * between using descriptors and looking whether we want a call. */
	shared_fence();
	return ring->in_batch ||
	       (count_out(ring) && load_used(ring, ring->next_used, ring->used_wrap, &word));
}

static void packed_disable_call(struct driver_ring *ring)
{
	packed_store_event(ring->driver, 0, VRING_PACKED_EVENT_FLAG_DISABLE);
}

/* Descriptors that the used one with this id stands for; 0: the device was not given it. */
static unsigned used_span(const struct driver_ring *ring, unsigned at, unsigned id)
{
	if (id >= ring->config.size || !ring->state[id].cookie)
		return 0;
	return driver_has_in_order(ring) ? driver_batch_span(ring, at, id) : ring->state[id].n;
}

/* Looks through what the device has used and we have not got. */
static uint32_t packed_base(const struct driver_ring *ring)
{
	unsigned left = count_out(ring), n = 0;
	uint16_t at = ring->next_used;
	bool wrap = ring->used_wrap;
	struct packed_word word;
	uint32_t position;

	if (ring->in_batch)
		n = used_span(ring, at, ring->batch_last);
	else if (left && load_used(ring, at, wrap, &word))
		n = used_span(ring, at, word.id);
	while (n && n <= left) {
		packed_advance(&at, &wrap, n, ring->config.size);
		left -= n;
		n = left && load_used(ring, at, wrap, &word) ? used_span(ring, at, word.id) : 0;
	}
	position = packed_position(at, wrap);
	return position | position << 16;
}

/* Starts somewhere in the ring as if so many descriptors had come and gone: those ahead are used
 * from the last time around. */
static void packed_start(struct driver_ring *ring)
{
	unsigned size = ring->config.size, start = ring->config.start % size;
	bool wrap = !(ring->config.start / size & 1);

	ring->next_avail = ring->next_used = ring->oldest = (uint16_t)start;
	ring->avail_wrap = ring->used_wrap = wrap;
	for (unsigned i = 0; i < size; i++)
		shared_store(&desc_words(ring, i)[1],
			     packed_pack(0, 0, packed_used_bits(i < start ? wrap : !wrap)));
}

const struct driver_ring_ops driver_packed_ops = {
	.name = "packed",
	.start = packed_start,
	.add = packed_add,
	.add_buffers = packed_add_buffers,
	.publish = packed_publish,
	.wants_kick = packed_wants_kick,
	.get = packed_get,
	.enable_call = packed_enable_call,
	.disable_call = packed_disable_call,
	.base = packed_base,
};
