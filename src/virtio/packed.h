/* SPDX-License-Identifier: Apache-2.0 */
/* Packed virtqueues as both sides see them (virtio 1.2, 2.8): wrap counters, descriptors in two
 * words, event suppression. Any thread.
 *
 * A position in the ring is an index below its size, of any value from 1 to 32768, and a wrap
 * counter that flips whenever the index starts again at 0. Both sides keep such positions in
 * private memory; no index is shared.
 */
#pragma once

#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stdint.h>

#include "virtio/shared.h"

/* Of a descriptor's flags. */
#define PACKED_F_AVAIL (1u << VRING_PACKED_DESC_F_AVAIL) /* the driver's wrap counter */
#define PACKED_F_USED (1u << VRING_PACKED_DESC_F_USED)	 /* the same: used, another: available */
/* The wrap counter of a position in 16 bits. */
#define PACKED_F_WRAP (1u << VRING_PACKED_EVENT_F_WRAP_CTR)

static_assert(sizeof(struct vring_packed_desc) == 16 && sizeof(struct vring_packed_desc_event) == 4,
	      "virtio 1.2, 2.8.13 and 2.8.14");

/* A private copy of a descriptor's second word; the first one is its address. */
struct packed_word {
	uint32_t len;
	uint16_t id;
	uint16_t flags;
};

/* From the word as it lies in memory. */
static inline struct packed_word packed_unpack(uint64_t rest)
{
	return (struct packed_word){ .len = (uint32_t)rest,
				     .id = (uint16_t)(rest >> 32),
				     .flags = (uint16_t)(rest >> 48) };
}

/* The word as it lies in memory. */
static inline uint64_t packed_pack(uint32_t len, uint16_t id, unsigned flags)
{
	return len | (uint64_t)id << 32 | (uint64_t)flags << 48;
}

/* Both bits of a descriptor that is available at a position with this wrap counter (2.8.1). */
static inline unsigned packed_avail_bits(bool wrap)
{
	return wrap ? PACKED_F_AVAIL : PACKED_F_USED;
}

/* The same of a used one. */
static inline unsigned packed_used_bits(bool wrap)
{
	return wrap ? PACKED_F_AVAIL | PACKED_F_USED : 0;
}

/* Whether a descriptor with these flags is available at a position with this wrap counter. */
static inline bool packed_is_avail(unsigned flags, bool wrap)
{
	return (flags & (PACKED_F_AVAIL | PACKED_F_USED)) == packed_avail_bits(wrap);
}

/* Whether it is used. */
static inline bool packed_is_used(unsigned flags, bool wrap)
{
	return (flags & (PACKED_F_AVAIL | PACKED_F_USED)) == packed_used_bits(wrap);
}

/* Moves a position forward by @n (<= @size). */
static inline void packed_advance(uint16_t *at, bool *wrap, unsigned n, unsigned size)
{
	unsigned to = *at + n;

	if (to >= size) {
		to -= size;
		*wrap = !*wrap;
	}
	*at = (uint16_t)to;
}

/* Moves it back by @n (<= @size). */
static inline void packed_retreat(uint16_t *at, bool *wrap, unsigned n, unsigned size)
{
	if (n > *at) {
		n -= size; /* modulo 2^32 */
		*wrap = !*wrap;
	}
	*at = (uint16_t)(*at - n);
}

/* A position in 16 bits, as in event suppression structures and vhost-user messages. */
static inline uint16_t packed_position(uint16_t at, bool wrap)
{
	return (uint16_t)(at | (wrap ? PACKED_F_WRAP : 0));
}

/* Writes one's own event suppression structure (2.8.10) as a whole: a position that does not fit
 * the flags beside it is never seen. @event is 4-byte aligned. */
static inline void packed_store_event(void *event, uint16_t position, unsigned flags)
{
	shared_store((uint32_t *)event, position | (uint32_t)flags << 16);
}

/* Whether the other side, by its event suppression structure, wants to be told of the @n last
 * descriptors before the position @at, @wrap. */
static inline bool packed_wants_event(const void *event, uint16_t at, bool wrap, unsigned n,
				      unsigned size)
{
	uint32_t word = shared_load((const uint32_t *)event), flags = word >> 16;
	int distance;

	if (flags != VRING_PACKED_EVENT_FLAG_DESC)
		return flags != VRING_PACKED_EVENT_FLAG_DISABLE;
	/* From the descriptor that it waits for to ours, at most once around the ring. */
	distance = at - (int)(word & (PACKED_F_WRAP - 1));
	if (!(word & PACKED_F_WRAP) == wrap)
		distance += (int)size;
	return n >= size || (distance > 0 && (unsigned)distance <= n);
}
