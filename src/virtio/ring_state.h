/* SPDX-License-Identifier: Apache-2.0 */
/* What of a running ring must outlive the process that runs it: all that is neither in the guest's
 * memory nor sent again by the front-end. It lies in memory that somebody else holds too, so that
 * the next process can go on with the ring exactly where this one was killed; packed.c and split.c
 * say in which order things are stored, and why that is enough. The ring's user writes it, others
 * only read.
 *
 * A fixed layout, of integers of fixed width, whole cache lines; an array of them begins at one.
 * Who changes it gives it a new RING_STATE_VERSION: another version is refused, not guessed at.
 */
#pragma once

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "virtio/shared.h"

#define RING_TAKE_MAX 128    /* chains taken and not completed, at most; a power of two */
#define RING_STATE_VERSION 1 /* of the layout below, 1..65535 */

/* Zeroed: of a ring that does not run. Everything is stored with shared_store(). */
struct ring_state {
	uint64_t running; /* ring_state_mark() of the ring that runs; 0: none does */
	/* Packed: in 16 bits each, from the lowest: position of the next used descriptor, slot in
	 * taken[] of its chain, number of chains that are being completed, 1 when without lengths.
	 */
	uint64_t position;
	uint64_t n_chains;   /* completed; behind by those of one call of complete(), at most */
	uint64_t n_notified; /* notifications that were wanted */
	uint32_t n_taken;    /* chains taken and not completed: what may be done twice */
	uint32_t fault;	     /* enum ring_fault */
	/* Of a ring that does not run since the device was reset: where it was then, if the
	 * front-end has said nothing of it since, else 0. Written by the control thread. */
	uint64_t reset_base;
	uint64_t reserved[2];
	/* Of each chain in flight, circular: its head (split), or its buffer id in the low 16 bits
	 * and the number of its descriptors in the high ones (packed). */
	uint32_t taken[RING_TAKE_MAX];
	/* Bytes written to the chains in flight, from the oldest. */
	uint32_t lens[RING_TAKE_MAX];
};

static_assert(sizeof(struct ring_state) == 1088 && sizeof(struct ring_state) % CACHE_LINE == 0 &&
		      RING_STATE_VERSION == 1,
	      "another layout is another version");

/* What stands in a state while such a ring runs. */
static inline uint64_t ring_state_mark(bool packed, uint32_t size)
{
	return RING_STATE_VERSION | (packed ? 1ull << 16 : 0) | (uint64_t)size << 32;
}

/* The ring runs no more: nobody can go on with it. */
static inline void ring_state_stop(struct ring_state *state)
{
	shared_store(&state->running, 0);
}

/* Keeps stores to the state, or to the ring, that are in front of this in front of those behind it,
 * as far as a process sees that takes over when this one is dead: in the order of instructions. */
static inline void ring_state_order(void)
{
	store_order();
}

/* An element of taken[] of a packed ring. */
static inline uint32_t ring_taken(uint16_t id, unsigned n_desc)
{
	return id | (uint32_t)n_desc << 16;
}

/* Its buffer id. */
static inline uint16_t ring_taken_id(uint32_t taken)
{
	return (uint16_t)taken;
}

/* The number of its descriptors. */
static inline unsigned ring_taken_n_desc(uint32_t taken)
{
	return taken >> 16;
}
