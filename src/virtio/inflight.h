/* SPDX-License-Identifier: Apache-2.0 */
/* Rings that note in memory of the front-end's which chains they have taken and not completed, so
 * that whoever is the front-end's next back-end can process them again (vhost-user specification,
 * "Inflight I/O tracking"). The layout is that of the specification: the next back-end may be
 * another program, and so may the one before.
 *
 * Theory of operation. A ring with ring_config.inflight has operations tables of its own, which do
 * what those of its layout do, and note it around that; rings without it have nothing to look at.
 * When such a ring starts and its region was in use, what stands there is brought to an end or
 * undone, as the specification says. What is in flight then is handed out first, by take(), before
 * anything that the ring itself has: in the order in which it was taken, from a private image of
 * the available ring (split) or of the descriptors (packed) that has it where chains that are
 * completed in order have their places. Whether the ring's last process was this program, and in
 * which order it completed, makes no difference.
 *
 * Everything in the region may be changed by the front-end at any moment. It is read at the start
 * only, each value once, and checked; from then on what is needed is in private memory. Stores are
 * ordered as in packed.c: a process that dies stops between two instructions, so only the compiler
 * has to be kept from reordering them.
 */
#pragma once

#include "base/compiler.h"
#include "virtio/filemap.h"
#include "virtio/ring.h"

#define INFLIGHT_VERSION 1 /* of regions */
#define INFLIGHT_ALIGN 64  /* bytes, of each queue's; not specified, but all back-ends do so */

/* A descriptor of a split ring; all but @next is of heads only. */
struct inflight_desc_split {
	uint8_t inflight; /* 1: taken and not completed */
	uint8_t padding[5];
	uint16_t next;	  /* chain completed before this one */
	uint64_t counter; /* the order in which chains were taken */
};

/* Region of a split ring. */
struct inflight_split {
	uint64_t features; /* 0 */
	uint16_t version;  /* INFLIGHT_VERSION; 0: never used */
	uint16_t desc_num; /* elements of desc[] */
	uint16_t last_batch_head;
	uint16_t used_idx; /* of the used ring, behind the last batch that was completed wholly */
	struct inflight_desc_split desc[];
};

/* A descriptor that was taken from a packed ring, or a free element. */
struct inflight_desc_packed {
	uint8_t inflight; /* 1: the chain that begins here is taken and not completed */
	uint8_t padding;
	uint16_t next;	  /* of the chain, or of the free list */
	uint16_t last;	  /* of the chain that begins here, */
	uint16_t num;	  /* its descriptors, */
	uint64_t counter; /* and the order in which chains were taken */
	uint16_t id;	  /* as they were in the ring */
	uint16_t flags;
	uint32_t len;
	uint64_t addr;
};

/* Region of a packed ring. */
struct inflight_packed {
	uint64_t features;
	uint16_t version;
	uint16_t desc_num;
	uint16_t free_head; /* first of the list of free elements */
	uint16_t old_free_head;
	uint16_t used_idx; /* position of the next used descriptor */
	uint16_t old_used_idx;
	uint8_t used_wrap_counter;
	uint8_t old_used_wrap_counter;
	uint8_t padding[7];
	struct inflight_desc_packed desc[];
};

static_assert(sizeof(struct inflight_desc_split) == 16 && sizeof(struct inflight_split) == 16 &&
		      sizeof(struct inflight_desc_packed) == 32 &&
		      sizeof(struct inflight_packed) == 32,
	      "vhost-user, \"Inflight I/O tracking\"");

/* A chain in a region. */
struct inflight_chain {
	uint64_t counter;
	uint16_t first, last; /* elements of desc[]; split: only the first, which is the head */
};

/* What a ring knows of its region; the ring's user uses it, nobody else. */
struct inflight {
	void *region;		   /* struct inflight_split or inflight_packed */
	const struct filemap *map; /* what that lies in */
	unsigned n_desc;	   /* elements of its desc[] */
	uint64_t counter;	   /* of the next chain that is taken */
	uint16_t last_batch_head;  /* split: as in the region */

	/* Chains that were in flight at the start, in the order in which they were taken. */
	struct inflight_chain *chains;
	unsigned n_chains;
	unsigned n_left;  /* of them, the last: not taken again yet */
	unsigned n_again; /* of those before: taken, not completed */
	void *image;	  /* the available ring or descriptors that they are taken from */

	/* Packed. */
	uint16_t free_head;			    /* of the list of free elements: */
	uint16_t *next;				    /* links, as in the region; n_desc ends it */
	struct inflight_chain taken[RING_TAKE_MAX]; /* as ring_state.taken[] */
};

/* Bytes of the region of a queue of @size entries (1..RING_SIZE_MAX). */
uint64_t inflight_queue_len(bool packed, unsigned size);

/* Prepares a ring to note in @region, 8-byte aligned, of a queue of @n_desc entries; it lies in
 * @map, which must live as long. Returns 0, or -ENOMEM. One that no ring uses is destroyed with
 * inflight_destroy(); NULL is fine. Control thread.
 */
int inflight_create(struct inflight **out, void *region, unsigned n_desc,
		    const struct filemap *map);
void inflight_destroy(struct inflight *inflight);

/* ---- for the layouts */

/* Checks what both regions begin with: returns 0 and whether it was in use, or -EINVAL and a text.
 */
int inflight_check(const struct inflight *inflight, const struct ring *ring, unsigned version,
		   unsigned desc_num, bool *used, struct error *err);

/* A region that cannot be: returns -EINVAL, and says @what is wrong. */
int inflight_damaged(struct error *err, const char *what);

/* Forgets what an earlier start has found. Returns 0, or -ENOMEM when there is no room for as many
 * chains as there can be. */
int inflight_begin(struct inflight *inflight);

/* Adds a chain of the region. */
void inflight_add(struct inflight *inflight, uint64_t counter, uint16_t first, uint16_t last);

/* All are there: puts them in order, to be taken again. */
void inflight_order(struct inflight *inflight);

/* Before chains are taken: breaks a ring whose region was cut off. */
static inline void inflight_check_lost(struct ring *ring)
{
	if (unlikely(bus_guard_any_hit()) && filemap_lost(ring->config.inflight->map))
		ring_break(ring, RING_FAULT_INFLIGHT);
}

/* The next @n of those that are taken again were. */
static inline void inflight_taken_again(struct inflight *inflight, unsigned n)
{
	inflight->n_left -= n;
	inflight->n_again += n;
}

/* Of the last @n chains taken, how many are not from the ring; they will be taken again. */
unsigned inflight_untaken(struct inflight *inflight, const struct ring *ring, unsigned n);

/* The oldest @n chains taken are completed. */
static inline void inflight_completed(struct inflight *inflight, unsigned n)
{
	inflight->n_again -= min(n, inflight->n_again);
}
