/* SPDX-License-Identifier: Apache-2.0 */
/* A virtqueue, driver side: one interface for the split and the packed layout (virtio 1.2, 2.7 and
 * 2.8).
 *
 * It serves the load generator, the guest in tests, and ports that drive devices themselves
 * (vhost-net, vDPA, virtio-pci). The layout is chosen once, by driver_ring_init(). Used by one
 * thread at a time.
 *
 * add() describes buffers to the device, publish() makes all that was added visible at once, and
 * when wants_kick() says so the device must be kicked. get() hands back what the device has used.
 * To sleep: enable_call(); if it returns false wait for the call eventfd, else go on with get().
 *
 * The device may be hostile too: whatever is needed to get the buffers back is kept in private
 * memory, never read from the ring, and a device that returns what it was not given makes the ring
 * broken (get() and add() fail from then on).
 */
#pragma once

#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/error.h"

/* A piece of memory that the device can reach: where it is here, and what the device calls it. */
struct driver_region {
	uint8_t *host;	     /* where it is mapped in this process */
	uint64_t size;	     /* bytes */
	uint64_t guest_addr; /* what goes into descriptors: guest-physical address, or IOVA */
	uint64_t user_addr;  /* what vhost-user calls it in ring addresses; often (uintptr_t)host */
	int fd;		     /* of a memfd or file, for the memory table; -1: none. Borrowed. */
	uint64_t fd_offset;  /* of the region in it, bytes */
};

/* All of them. Owned by the caller, must outlive the rings that use it; does not change while
 * they do. */
struct driver_memory {
	unsigned n_regions;
	const struct driver_region *regions;
};

/* Whether all of @len (> 0) bytes at @host are in @region. */
static inline bool driver_region_holds(const struct driver_region *region, const void *host,
				       uint64_t len)
{
	uint64_t offset = (uintptr_t)host - (uintptr_t)region->host;

	return offset < region->size && len <= region->size - offset;
}

/* The region that holds @len (> 0) bytes at @host, all of them, or NULL. */
const struct driver_region *driver_memory_find(const struct driver_memory *mem, const void *host,
					       uint64_t len);

/* Address of @host for descriptors. @host must be in some region. */
uint64_t driver_memory_guest_addr(const struct driver_memory *mem, const void *host);

/* Address of @host for vhost-user ring addresses. @host must be in some region. */
uint64_t driver_memory_user_addr(const struct driver_memory *mem, const void *host);

/* Where the three parts of a ring go, as offsets into one piece of memory that is aligned to
 * @align. */
struct driver_layout {
	size_t desc;   /* descriptor table */
	size_t driver; /* available ring (packed: driver event suppression) */
	size_t device; /* used ring (packed: device event suppression) */
	size_t size;   /* bytes in all */
	size_t align; /* of the whole; a page, so that rings of different queues do not share one */
};

/* Layout of a ring of @size entries. Returns 0, or -EINVAL for a size that virtio does not allow
 * (1..32768, a power of two for split rings). */
int driver_layout(uint64_t features, uint32_t size, struct driver_layout *layout);

struct driver_config {
	uint64_t features; /* negotiated, as bit masks; RING_PACKED chooses the layout */
	uint32_t size;	   /* entries */
	const struct driver_memory *memory;
	void *ring; /* driver_layout().size bytes in @memory; cleared by driver_ring_init() */

	/* Indirect descriptor tables, used when INDIRECT_DESC was negotiated: @size tables of
	 * @indirect_len descriptors (16 * size * indirect_len bytes, 16-byte aligned, in @memory).
	 * NULL: none. Chains of at least @indirect_min and at most @indirect_len buffers go into
	 * a table, others become direct chains. */
	struct vring_desc *indirect;
	uint16_t indirect_len;
	uint16_t indirect_min;

	/* Where to start, usually 0: as if so many chains (split) or descriptors (packed) had come
	 * and gone. */
	uint16_t start;
};

/* A piece of memory that goes to the device and comes back, again and again, as a chain of one
 * descriptor: its address is looked up once, by driver_buffer_init(). */
struct driver_buffer {
	void *host;
	uint64_t addr; /* of it, for descriptors */
	uint32_t len;  /* bytes; the owner may lower it while the device does not have it */
};

/* Makes a buffer of @len (> 0) bytes at @host. Returns 0, or -EFAULT when they do not lie in one
 * region of @mem. */
int driver_buffer_init(struct driver_buffer *buffer, const struct driver_memory *mem, void *host,
		       uint32_t len);

struct driver_ring;

/* One for each layout. Called through the functions below. */
struct driver_ring_ops {
	const char *name; /* "split", "packed" */
	void (*start)(struct driver_ring *);
	int (*add)(struct driver_ring *, const struct iovec *out, unsigned n_out,
		   const struct iovec *in, unsigned n_in, void *cookie);
	/* NULL: done with add(), one by one. */
	unsigned (*add_buffers)(struct driver_ring *, struct driver_buffer *const *buffers,
				unsigned n, bool writable);
	void (*publish)(struct driver_ring *);
	bool (*wants_kick)(struct driver_ring *);
	unsigned (*get)(struct driver_ring *, void **cookies, uint32_t *lens, unsigned max);
	bool (*enable_call)(struct driver_ring *);
	void (*disable_call)(struct driver_ring *);
	uint32_t (*base)(const struct driver_ring *);
};

/* The layouts that there are. */
extern const struct driver_ring_ops driver_split_ops;
extern const struct driver_ring_ops driver_packed_ops;

/* What the driver remembers of a chain, by its head (split) or buffer id (packed). Private memory.
 */
struct driver_desc {
	void *cookie;	 /* of the chain that starts here; NULL: none does */
	uint16_t next;	 /* in the chain, or in the list of free ones */
	uint16_t n;	 /* descriptors of the chain that starts here */
	uint32_t in_len; /* IN_ORDER: bytes that the device may write to it, modulo 2^32 */
};

struct driver_ring {
	const struct driver_ring_ops *ops;
	struct driver_config config;

	/* The ring's memory, shared with the device. Open to everybody, so that tests can write
	 * there what no driver should. Split: struct vring_desc[], struct vring_avail, struct
	 * vring_used; packed: struct vring_packed_desc[] and two vring_packed_desc_event. */
	void *desc;
	void *driver;
	void *device;

	struct driver_desc *state;	    /* config.size elements */
	const struct driver_region *region; /* where the last buffer was found */
	uint16_t next_avail;		    /* index of the next chain to add; packed: position */
	uint16_t published;		    /* split: what the device has been told of next_avail */
	uint16_t kicked;    /* split: published, at the time of the last wants_kick() */
	uint16_t next_used; /* index of the next used element to read; packed: position */
	uint16_t used_seen; /* split: device's index when it was last read */
	uint16_t free_head; /* first free descriptor or id; meaningless when n_free is 0 */
	uint32_t n_free;    /* free descriptors */

	/* Packed: wrap counters at next_avail and next_used; descriptors added and not published,
	 * and of the first of them the position and the word that publishes it; descriptors
	 * published since wants_kick() last looked. */
	bool avail_wrap, used_wrap;
	uint16_t first;
	uint32_t n_unpublished, n_unkicked;
	uint64_t first_word;

	/* IN_ORDER: the oldest chain that the device has; and of a batch that it returned by one
	 * used element, as long as not all of it was got, the last chain and its length. */
	uint16_t oldest;
	uint16_t batch_last;
	uint32_t batch_len;
	bool in_batch;

	bool broken;	  /* the device returned what it was not given */
	bool detaching;	  /* driver_ring_detach() was called */
	uint64_t n_added; /* chains, counted */
	uint64_t n_kicks; /* kicks that were wanted */
};

/* Lays a ring out in config->ring, clears it and allocates the private state. @config is copied.
 * Returns 0, -ENOMEM, or -EINVAL and a text. */
int driver_ring_init(struct driver_ring *ring, const struct driver_config *config,
		     struct error *err);

/* Frees the private state; the ring's memory is the caller's. Cookies not yet got are forgotten,
 * see driver_ring_detach(). A zeroed ring is fine. */
void driver_ring_destroy(struct driver_ring *ring);

/* The cookie of a chain that the device has not given back, which is forgotten by this; NULL when
 * there is none. For clearing up after the device was stopped; the ring cannot be used afterwards
 * except for driver_ring_destroy(). */
void *driver_ring_detach(struct driver_ring *ring);

/* The first chain that the device has not completed, by its own word: what SET_VRING_BASE says to a
 * device that takes over a running ring and completes in order. An index (split) or, twice, a
 * position (packed), see ring_start(). */
static inline uint32_t driver_ring_base(const struct driver_ring *ring)
{
	return ring->ops->base(ring);
}

/* Descriptors that are free: a direct chain takes one for each buffer, an indirect one takes one.
 */
static inline unsigned driver_ring_free(const struct driver_ring *ring)
{
	return ring->n_free;
}

/* Whether the device has given back everything that was added. */
static inline bool driver_ring_idle(const struct driver_ring *ring)
{
	return ring->n_free == ring->config.size;
}

/* Adds a chain: @n_out buffers that the device reads, then @n_in that it writes, at least one in
 * all. Each must lie within one region of the memory; lengths may be 0. @cookie (not NULL) comes
 * back from get(). The device sees the chain after publish(). Returns 0, -ENOSPC when too few
 * descriptors are free, -EFAULT for a buffer outside the memory, -EINVAL for no buffer or more than
 * the ring can ever hold, -EIO when the ring is broken. */
static inline int driver_ring_add(struct driver_ring *ring, const struct iovec *out, unsigned n_out,
				  const struct iovec *in, unsigned n_in, void *cookie)
{
	return ring->ops->add(ring, out, n_out, in, n_in, cookie);
}

/* Adds @n buffers, in order, each as a chain for the device to read or, with @writable, to write.
 * The cookie of each is the buffer itself: what get_batch() hands out can be added again as it is.
 * Returns how many were added: fewer when the ring is full, 0 when it is broken. */
unsigned driver_ring_add_buffers(struct driver_ring *ring, struct driver_buffer *const *buffers,
				 unsigned n, bool writable);

/* Makes all chains added so far visible to the device. */
static inline void driver_ring_publish(struct driver_ring *ring)
{
	ring->ops->publish(ring);
}

/* Whether the device wants to be kicked for what was published since this was last called. Call it
 * after each publish() (or batch of them), and kick when true. */
static inline bool driver_ring_wants_kick(struct driver_ring *ring)
{
	return ring->ops->wants_kick(ring);
}

/* Takes up to @max used chains: their cookies and how many bytes the device says it wrote to each
 * (not checked: it may lie). With IN_ORDER it may leave lengths out; then all that was writable
 * counts as written. Returns how many; 0 also when the ring is or becomes broken. */
static inline unsigned driver_ring_get_batch(struct driver_ring *ring, void **cookies,
					     uint32_t *lens, unsigned max)
{
	return ring->ops->get(ring, cookies, lens, max);
}

/* The same for one chain: its cookie, or NULL. */
static inline void *driver_ring_get(struct driver_ring *ring, uint32_t *len)
{
	void *cookie;

	return ring->ops->get(ring, &cookie, len, 1) ? cookie : NULL;
}

/* Asks the device to call (interrupt) when it uses the next chain. True when there are used chains
 * already: do not sleep. */
static inline bool driver_ring_enable_call(struct driver_ring *ring)
{
	return ring->ops->enable_call(ring);
}

/* Tells the device not to call: somebody is looking. A hint, calls may still come. */
static inline void driver_ring_disable_call(struct driver_ring *ring)
{
	ring->ops->disable_call(ring);
}
