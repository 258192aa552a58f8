/* SPDX-License-Identifier: Apache-2.0 */
/* How the device side of a virtqueue, of either layout, turns the descriptors of a chain into
 * fragments of guest memory. The layout goes from one descriptor to the next; what it finds there,
 * a private copy, is added to the walk. Worker threads.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/compiler.h"
#include "virtio/guestmem.h"
#include "virtio/ring.h"
#include "virtio/shared.h"

/* Descriptors looked at in one call of take(), about: the next chain after that waits. */
#define WALK_MAX RING_SIZE_MAX

/* A chain as it is read. */
struct walk {
	const struct ring *ring;
	const struct guestmem *mem;
	const struct guestmem_range *range; /* where the last buffer was; NULL: none yet */
	struct iovec *iov;		    /* fragments so far, then room */
	unsigned n_iov, max_iov;
	unsigned n_out;		  /* of n_iov: readable */
	uint64_t out_len, in_len; /* bytes so far */
	unsigned n_desc;	  /* descriptors of this chain so far, those of a table too */
	bool writable;		  /* a writable one was among them */
	bool full;		  /* ended early: more fragments than max_iov */
};

/* An indirect table (2.7.5.3, 2.8.7), and the part of it that is mapped in one piece. */
struct walk_table {
	uint64_t addr;	     /* guest address of the table */
	unsigned n;	     /* descriptors in it */
	uint64_t part_addr;  /* guest address of the piece at hand */
	uint64_t part_len;   /* its length; 0: none yet */
	const uint8_t *part; /* where it is mapped */
};

/* Starts a batch of chains whose fragments go to @arena. */
static inline void walk_init(struct walk *w, const struct ring *ring, const struct guestmem *mem,
			     struct iovec *arena, unsigned arena_len)
{
	*w = (struct walk){ .ring = ring, .mem = mem, .iov = arena };
	/* n_out and n_in have 16 bits, and no legal chain needs more. */
	w->max_iov = min(arena_len, (unsigned)UINT16_MAX);
	w->range = mem->n_ranges ? &mem->ranges[mem->n_ranges - 1] : NULL;
}

/* Starts a chain. */
static inline void walk_open(struct walk *w, struct ring_chain *chain)
{
	w->n_iov = w->n_out = w->n_desc = 0;
	w->out_len = w->in_len = 0;
	w->writable = w->full = false;
	chain->iov = w->iov;
}

/* Whether @len bytes, at least one, at @offset lie in a range of @size bytes (> 0). */
static inline bool walk_fits(uint64_t offset, uint32_t len, uint64_t size)
{
	/* no byte is one less than none, modulo 2^64 */
	return offset < size && (uint64_t)len - 1 < size - offset;
}

/* Makes @chain of one buffer. */
static ALWAYS_INLINE void walk_set_single(struct ring_chain *chain, struct iovec *iov,
					  uint8_t *host, uint32_t len, bool in, uint16_t id)
{
	*iov = (struct iovec){ .iov_base = host, .iov_len = len };
	*chain = (struct ring_chain){ .iov = iov,
				      .out_len = in ? 0 : len,
				      .in_len = in ? len : 0,
				      .n_out = !in,
				      .n_in = in,
				      .id = id };
}

/* Goes on behind @n fragments that were filled in without the walk. */
static inline void walk_skip(struct walk *w, unsigned n)
{
	w->iov += n;
	w->max_iov -= n;
}

/* Adds memory that lies anywhere, maybe in several ranges. */
enum ring_fault walk_add_pieces(struct walk *w, uint64_t addr, uint64_t len);

/* Adds the buffer of one descriptor. */
static inline enum ring_fault walk_add(struct walk *w, uint64_t addr, uint32_t len, bool in)
{
	const struct guestmem_range *r = w->range;
	enum ring_fault fault = RING_OK;

	if (in) {
		w->writable = true;
		w->in_len += len;
	} else if (unlikely(w->writable)) {
		return RING_FAULT_DIRECTION;
	} else {
		w->out_len += len;
	}
	if (unlikely(w->out_len + w->in_len > UINT32_MAX))
		return RING_FAULT_CHAIN_LENGTH;
	if (likely(r && len && w->n_iov < w->max_iov && guestmem_range_holds(r, addr, len)))
		w->iov[w->n_iov++] = (struct iovec){ .iov_base = r->host + (addr - r->guest_addr),
						     .iov_len = len };
	else
		fault = walk_add_pieces(w, addr, len);
	if (!w->writable)
		w->n_out = w->n_iov;
	return fault;
}

/* What was added becomes @chain. */
static inline void walk_close(const struct walk *w, struct ring_chain *chain)
{
	chain->out_len = (uint32_t)w->out_len;
	chain->in_len = (uint32_t)w->in_len;
	chain->n_out = (uint16_t)w->n_out;
	chain->n_in = (uint16_t)(w->n_iov - w->n_out);
}

/* Goes on behind the fragments of a chain that was closed. */
static inline void walk_next(struct walk *w)
{
	walk_skip(w, w->n_iov);
}

/* Starts on the indirect table that a descriptor refers to, @len bytes at @addr, if that was
 * negotiated and it has a right size. The specification forbids chains longer than the ring also
 * here (2.7.5.3.1, 2.8.7), but drivers exceed it with small rings (Linux does); what bounds the
 * work is the table's own length, and the arena the number of fragments: no chain may be longer
 * than that of the largest ring there can be.
 */
enum ring_fault walk_table_open(const struct walk *w, uint64_t addr, uint32_t len,
				struct walk_table *table);

/* Copies descriptor @i (< table->n): its two words, as they lie in memory. False when no memory is
 * there. */
bool walk_table_load(const struct walk *w, struct walk_table *table, unsigned i, uint64_t words[2]);
