/* SPDX-License-Identifier: Apache-2.0 */
/* What the driver sides of both layouts share beyond driver.h: chains of buffers on their way in,
 * and batches that come back in order.
 */
#pragma once

#include <errno.h>
#include <linux/virtio_config.h>

#include "base/compiler.h"
#include "virtio/driver.h"

/* Whether kicks and calls go by index or position. */
static inline bool driver_has_event_idx(const struct driver_ring *ring)
{
	return ring->config.features & 1ull << VIRTIO_RING_F_EVENT_IDX;
}

/* Whether chains are used in order. */
static inline bool driver_has_in_order(const struct driver_ring *ring)
{
	return ring->config.features & 1ull << VIRTIO_F_IN_ORDER;
}

/* The address for descriptors of a buffer, or -EFAULT. */
static inline int driver_translate(struct driver_ring *ring, const struct iovec *buf,
				   uint64_t *addr)
{
	*addr = 0;
	if (!buf->iov_len)
		return 0;
	if (!ring->region || !driver_region_holds(ring->region, buf->iov_base, buf->iov_len))
		ring->region = driver_memory_find(ring->config.memory, buf->iov_base, buf->iov_len);
	if (unlikely(!ring->region))
		return -EFAULT;
	*addr = ring->region->guest_addr +
		(uint64_t)((const uint8_t *)buf->iov_base - ring->region->host);
	return 0;
}

/* What it takes to add a chain: descriptors of the ring, or a table. */
struct driver_plan {
	unsigned n;	 /* buffers */
	unsigned n_desc; /* descriptors of the ring that they take */
	bool indirect;
	uint32_t in_len; /* bytes in writable ones, modulo 2^32 */
};

/* Checks a chain and plans it. 0, or why add() refuses it. */
int driver_plan(const struct driver_ring *ring, const struct iovec *out, unsigned n_out,
		const struct iovec *in, unsigned n_in, struct driver_plan *plan);

/* Writes the buffers to the indirect table of head or id @index, in the ring's layout, and tells
 * the table's address for descriptors. 0 or -EFAULT. */
int driver_fill_table(struct driver_ring *ring, unsigned index, const struct iovec *out,
		      unsigned n_out, const struct iovec *in, unsigned n_in, uint64_t *addr);

/* Remembers a chain that was added. */
static inline void driver_keep(struct driver_ring *ring, uint16_t index,
			       const struct driver_plan *plan, void *cookie)
{
	struct driver_desc *state = &ring->state[index];

	state->cookie = cookie;
	state->n = (uint16_t)plan->n_desc;
	state->in_len = plan->in_len;
	ring->n_free -= plan->n_desc;
}

/* IN_ORDER: descriptors are used and freed in the order of the ring, so chains lie one behind the
 * other there, and the device may return a batch of them by its last one (2.7.9, 2.8.8).
 */

/* Descriptors from the oldest chain to that of @index, inclusive. */
static inline unsigned driver_batch_span(const struct driver_ring *ring, unsigned oldest,
					 unsigned index)
{
	unsigned distance = index >= oldest ? index - oldest : index + ring->config.size - oldest;

	return distance + ring->state[index].n;
}

/* The device has returned the chains up to that of @index, the last with @len bytes written. False
 * when it does not have that one. @n_out: descriptors that it has. */
static inline bool driver_batch_begin(struct driver_ring *ring, uint32_t index, uint32_t len,
				      unsigned n_out)
{
	if (unlikely(index >= ring->config.size || !ring->state[index].cookie ||
		     driver_batch_span(ring, ring->oldest, index) > n_out))
		return false;
	ring->batch_last = (uint16_t)index;
	ring->batch_len = len;
	ring->in_batch = true;
	return true;
}

/* The next chain of the batch, which is forgotten by this. Returns how many descriptors it had. */
static inline unsigned driver_batch_next(struct driver_ring *ring, void **cookie, uint32_t *len)
{
	struct driver_desc *state = &ring->state[ring->oldest];
	unsigned next = ring->oldest + state->n;

	ring->in_batch = ring->oldest != ring->batch_last;
	*cookie = state->cookie;
	*len = ring->in_batch ? state->in_len : ring->batch_len;
	state->cookie = NULL;
	ring->n_free += state->n;
	ring->oldest = (uint16_t)(next < ring->config.size ? next : next - ring->config.size);
	return state->n;
}
