/* SPDX-License-Identifier: Apache-2.0 */
/* A virtqueue, device side: one interface for the split and the packed layout (virtio 1.2, 2.7 and
 * 2.8).
 *
 * Layout is chosen once, when the ring is started, by the operations table; every operation handles
 * a batch, so there is no decision for each packet. Used by one thread at a time: the worker that
 * owns the queue, or the control thread while no worker has it.
 *
 * take() hands out chains in ring order and remembers them; complete() returns them to the driver
 * in the same order. What is taken and not wanted after all goes back with untake(). A chain is
 * read once, into memory of ours, and checked there: nothing that the guest changes later changes
 * what was decided.
 *
 * A guest that breaks the rules gets its ring marked broken, with the reason; a broken ring gives
 * and takes nothing.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/counter.h"
#include "base/error.h"
#include "virtio/guestmem.h"
#include "virtio/ring_state.h"
#include "virtio/shared.h"

#define RING_SIZE_MAX 32768 /* entries (2.7) */

/* Fragments of the longest chain: each descriptor one, and one more at each border of regions. */
#define RING_ARENA_LEN (RING_SIZE_MAX + GUESTMEM_REGIONS_MAX)

/* Why a ring was given up. */
enum ring_fault {
	RING_OK,
	RING_FAULT_AVAIL_INDEX,	     /* more available than the ring has entries */
	RING_FAULT_DESC_INDEX,	     /* a head or next index beyond the table */
	RING_FAULT_LOOP,	     /* a chain longer than the ring: it never ends */
	RING_FAULT_ADDRESS,	     /* a buffer outside of guest memory */
	RING_FAULT_CHAIN_LENGTH,     /* a chain of 4 GiB or more (2.7.5), or in too many pieces */
	RING_FAULT_DIRECTION,	     /* a readable buffer behind a writable one (2.7.4.2) */
	RING_FAULT_INDIRECT_FEATURE, /* an indirect table that was not negotiated */
	RING_FAULT_INDIRECT_NESTED,  /* an indirect table in an indirect table */
	RING_FAULT_INDIRECT_NEXT,    /* INDIRECT and NEXT in one descriptor, or (packed) chain */
	RING_FAULT_INDIRECT_SIZE,    /* a table of 0 bytes, of no multiple of 16, or too long */
	RING_FAULT_NO_WRITABLE,	     /* a receive buffer that cannot be written */
	RING_FAULT_POSITION,	     /* a packed ring that does not stand where it is to start */
	RING_FAULT_UNMAPPED,	     /* the ring's own memory was taken away */
	RING_FAULT_LOG,		     /* what is written cannot be noted in the dirty log */
	RING_FAULT_INFLIGHT,	     /* what is in flight cannot be noted */
	RING_N_FAULTS,
};

/* "descriptor index beyond the table", ...; "ok" for RING_OK. */
const char *ring_fault_text(enum ring_fault fault);

struct inflight;

/* Where a ring lies and how it is to be used. Host pointers, from guestmem_user(). */
struct ring_config {
	uint64_t features; /* negotiated, as bit masks; RING_PACKED chooses the layout */
	uint32_t size;	   /* entries: 1..RING_SIZE_MAX, a power of two for split rings */
	void *desc;	   /* 16-byte aligned, 16 * size bytes */
	void *driver;	   /* available ring, 2-byte aligned, 6 + 2 * size bytes;
			    * packed: driver event suppression, 4-byte aligned, 4 bytes */
	void *device;	   /* used ring, 4-byte aligned, 6 + 8 * size bytes;
			    * packed: device event suppression, 4-byte aligned, 4 bytes */
	uint32_t base;	   /* where to start, as SET_VRING_BASE says it, see ring_start() */

	/* What outlives the ring. Borrowed; no other ring's, as long as this one runs. NULL: the
	 * ring has its own, which does not. */
	struct ring_state *state;
	bool resume; /* go on as @state says, whatever @base is */

	/* Where to note what is in flight, see virtio/inflight.h. Borrowed; this ring's only, as
	 * long as it runs. NULL: nowhere. */
	struct inflight *inflight;
};

/* A chain of buffers, as take() found it. The fragments point into guest memory and are readable or
 * writable as the counts say; the readable ones come first. Zero-length buffers are left out.
 */
struct ring_chain {
	struct iovec *iov; /* n_out + n_in elements in the caller's arena */
	uint32_t out_len;  /* bytes in the readable ones */
	uint32_t in_len;   /* bytes in the writable ones */
	uint16_t n_out, n_in;
	uint16_t id; /* for the ring itself */
};

struct ring;

/* One for each layout. Called through the functions below. */
struct ring_ops {
	const char *name; /* "split", "packed" */
	int (*start)(struct ring *, struct error *);
	unsigned (*take)(struct ring *, const struct guestmem *, struct ring_chain *, unsigned max,
			 struct iovec *arena, unsigned arena_len);
	void (*untake)(struct ring *, unsigned n);
	void (*prepare)(const struct ring *, unsigned n);
	void (*complete)(struct ring *, const uint32_t *lens, unsigned n);
	bool (*wants_notify)(struct ring *, bool settled);
	bool (*enable_kick)(struct ring *);
	void (*disable_kick)(struct ring *);
	uint32_t (*base)(const struct ring *);
};

/* Embedded in a port's queue. Layout-private positions are in here too, since they must be quick to
 * reach. Not to be moved while it runs. */
struct ring {
	const struct ring_ops *ops; /* NULL: not started */
	struct ring_state *state;   /* that of config, or ours */
	struct ring_config config;
	uint16_t next_avail; /* first chain not taken; packed: position of its descriptor */
	uint16_t next_used;  /* first chain not completed; split: the used index, modulo 2^16 */
	uint16_t n_taken;    /* between the two: chains taken, not completed */
	uint16_t avail_seen; /* split: driver's index when it was last read */
	bool notified_valid; /* else nobody knows what the driver was told before us */
	bool no_interrupt;   /* split: driver's flag when its index was last read */
	bool avail_wrap, used_wrap; /* packed: wrap counters at next_avail and next_used */
	uint16_t taken_first;	    /* packed: of state->taken[], the oldest */
	uint16_t n_taken_desc;	    /* packed: descriptors of the chains taken */
	uint32_t n_untold;	    /* chains used since wants_notify() last said yes, or a no that
				       was final; packed: descriptors */
	enum ring_fault
		fault; /* other than RING_OK: broken; written by the owner, read by any thread */
	uint64_t n_chains;   /* completed, counted */
	uint64_t n_notified; /* notifications that were wanted */
	struct ring_state own;
};

/* The layouts that there are. */
extern const struct ring_ops ring_split_ops;
extern const struct ring_ops ring_packed_ops;
/* The same for rings that note what is in flight. */
extern const struct ring_ops ring_split_inflight_ops;
extern const struct ring_ops ring_packed_inflight_ops;

/* Starts a ring. Checks size, alignment and layout. Returns 0 or -EINVAL and a text. The ring holds
 * no resource: to stop it, stop calling it, or say so with ring_stop().
 *
 * A split ring goes on where its used index is, whatever config->base says: chains are completed in
 * order here, so what is not in the used ring was not done, and the driver must not see used
 * entries that nobody wrote. Front-ends that reconnect to a new back-end may say 0.
 *
 * The base of a packed ring has the position of the first chain to take in its low 16 bits, the
 * wrap counter in the highest of them; and in its high 16 bits, in the same way, that of the first
 * chain to complete, or 0 when the front-end leaves it out. That is where the ring goes on: what
 * lies between the two was not done. A ring that was used beyond that position is broken from the
 * start (RING_FAULT_POSITION): the front-end has lost it, and it cannot be found in the ring.
 *
 * With config->resume the ring goes on where the process was that last ran it with this state, at
 * whatever instruction that was killed: what it had completed is completed, what it had taken and
 * not completed is taken again. A broken ring stays broken. The first look says that the driver
 * wants to be told, unless it said that it does not: nobody knows what it was told. Refused when
 * the state is of a ring that does not run, of another layout or size, of another version, or is
 * damaged; it is then left as it is.
 *
 * With config->inflight, of a region that was in use, the ring goes on as that says, wherever the
 * base or the state say: what is in flight there is taken again, before anything else. Refused when
 * the region is of another version, or cannot be that of this ring.
 */
int ring_start(struct ring *ring, const struct ring_config *config, struct error *err);

/* Ends what ring_start() began, in the state too: nobody can resume it. Not needed when the ring
 * will be started again. A ring that does not run, or a zeroed one, is fine. */
void ring_stop(struct ring *ring);

/* Lets a ring that was just started count on from there. */
void ring_count_from(struct ring *ring, uint64_t n_chains, uint64_t n_notified);

/* What GET_VRING_BASE answers: the first chain not completed, as an index (split) or a position,
 * twice (packed, see ring_start()). */
static inline uint32_t ring_base(const struct ring *ring)
{
	return ring->ops->base(ring);
}

/* Marks the ring broken, once: the first reason stays. */
void ring_break(struct ring *ring, enum ring_fault fault);

/* Why the ring was given up; RING_OK: it was not. Any thread. */
static inline enum ring_fault ring_fault(const struct ring *ring)
{
	return __atomic_load_n(&ring->fault, __ATOMIC_RELAXED);
}

/* Whether it was. Any thread. */
static inline bool ring_broken(const struct ring *ring)
{
	return ring_fault(ring) != RING_OK;
}

/* Takes up to @max chains (at most RING_TAKE_MAX minus what is in flight). @arena takes their
 * fragments; a chain that does not fit in what is left of it is not taken now. An arena of
 * RING_ARENA_LEN is large enough for any chain; one that does not fit in so many is a fault. Fewer
 * than @max may come although there are more, so that one call does not take too long. Returns how
 * many; 0 also when the ring is or becomes broken, but chains before the bad one are handed out
 * first.
 */
static inline unsigned ring_take(struct ring *ring, const struct guestmem *mem,
				 struct ring_chain *chains, unsigned max, struct iovec *arena,
				 unsigned arena_len)
{
	return ring->ops->take(ring, mem, chains, max, arena, arena_len);
}

/* Gives back the last @n chains taken, unused. */
static inline void ring_untake(struct ring *ring, unsigned n)
{
	ring->ops->untake(ring, n);
}

/* Asks for the cache lines that completing @n chains will write: the driver has looked at them
 * last. Worth it a little before, when it is clear that something will be completed. */
static inline void ring_prepare(const struct ring *ring, unsigned n)
{
	ring->ops->prepare(ring, n);
}

/* Where lengths for ring_complete() may be put: RING_TAKE_MAX of them, the first that of the oldest
 * chain taken. Those that are elsewhere it has to copy. */
static inline uint32_t *ring_lens(struct ring *ring)
{
	return ring->state->lens;
}

/* Returns the oldest @n chains taken to the driver, with the number of bytes written to each
 * (@lens[i]), and makes them visible at once. @lens may be NULL for chains that are only read: with
 * IN_ORDER one used element stands for all of them, and a driver takes what was writable in the
 * others for written.
 */
static inline void ring_complete(struct ring *ring, const uint32_t *lens, unsigned n)
{
	ring->ops->complete(ring, lens, n);
}

/* Whether the driver wants to be told of what was completed since the last time this said so.
 *
 * A driver that goes to sleep asks for it first, then looks at the ring once more; we have to do
 * the same the other way round, with a full barrier (of ours alone, the driver has its own) between
 * complete() and the look. The barrier waits until the guest's cache lines are here, so it is left
 * to the caller: ring_peek_notify() looks at once, without one, and may say no to a driver that is
 * just falling asleep. Whoever used it comes back after a barrier, soon, with ring_settle_notify().
 */
static inline bool ring_peek_notify(struct ring *ring)
{
	return ring->ops->wants_notify(ring, false);
}

/* The same for the caller that has passed a full barrier since the last complete(). */
static inline bool ring_settle_notify(struct ring *ring)
{
	return ring->ops->wants_notify(ring, true);
}

/* Both in one: the answer is final. */
static inline bool ring_wants_notify(struct ring *ring)
{
	shared_fence(); /* pairs with the driver's, see above */
	return ring_settle_notify(ring);
}

/* Asks the driver to kick when it adds a chain. True when there are chains already: do not sleep.
 */
static inline bool ring_enable_kick(struct ring *ring)
{
	return ring->ops->enable_kick(ring);
}

/* Tells the driver not to kick: somebody is looking. */
static inline void ring_disable_kick(struct ring *ring)
{
	ring->ops->disable_kick(ring);
}

/* For the layouts, which keep some of what is known of a ring in its state, too: how many chains
 * are in flight. */
static inline void ring_set_taken(struct ring *ring, unsigned n)
{
	ring->n_taken = (uint16_t)n;
	shared_store(&ring->state->n_taken, n);
}

/* For the layouts: @n more were completed. */
static inline void ring_count_chains(struct ring *ring, unsigned n)
{
	counter_add(&ring->n_chains, n);
	shared_store(&ring->state->n_chains, ring->n_chains);
}

/* For the layouts: a notification is wanted. */
static inline void ring_count_notified(struct ring *ring)
{
	counter_add(&ring->n_notified, 1);
	shared_store(&ring->state->n_notified, ring->n_notified);
}
