// SPDX-License-Identifier: Apache-2.0
/* What the driver side of a virtqueue does the same in every layout: memory, layout, life cycle. */
#include <assert.h>
#include <errno.h>
#include <linux/virtio_config.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "virtio/driver.h"

#define RING_ALIGN 4096
#define SIZE_LIMIT 32768

const struct driver_region *driver_memory_find(const struct driver_memory *mem, const void *host,
					       uint64_t len)
{
	for (unsigned i = 0; i < mem->n_regions; i++)
		if (driver_region_holds(&mem->regions[i], host, len))
			return &mem->regions[i];
	return NULL;
}

uint64_t driver_memory_guest_addr(const struct driver_memory *mem, const void *host)
{
	const struct driver_region *r = driver_memory_find(mem, host, 1);

	assert(r);
	return r->guest_addr + (uint64_t)((const uint8_t *)host - r->host);
}

uint64_t driver_memory_user_addr(const struct driver_memory *mem, const void *host)
{
	const struct driver_region *r = driver_memory_find(mem, host, 1);

	assert(r);
	return r->user_addr + (uint64_t)((const uint8_t *)host - r->host);
}

int driver_buffer_init(struct driver_buffer *buffer, const struct driver_memory *mem, void *host,
		       uint32_t len)
{
	if (!driver_memory_find(mem, host, len))
		return -EFAULT;
	*buffer = (struct driver_buffer){
		.host = host,
		.addr = driver_memory_guest_addr(mem, host),
		.len = len,
	};
	return 0;
}

static size_t align_up(size_t n, size_t align)
{
	return (n + align - 1) & ~(align - 1);
}

int driver_layout(uint64_t features, uint32_t size, struct driver_layout *layout)
{
	bool packed = features & 1ull << VIRTIO_F_RING_PACKED;
	size_t driver_len = sizeof(struct vring_packed_desc_event), device_len = driver_len;

	if (size < 1 || size > SIZE_LIMIT || (!packed && (size & (size - 1))))
		return -EINVAL;
	/* Split: both have an event behind their entries, negotiated or not. */
	if (!packed) {
		driver_len = sizeof(struct vring_avail) + sizeof(uint16_t) * (size + 1);
		device_len = sizeof(struct vring_used) + sizeof(struct vring_used_elem) * size +
			     sizeof(uint16_t);
	}
	/* Each side's part starts on cache lines of its own. */
	layout->desc = 0;
	layout->driver = align_up(sizeof(struct vring_desc) * size, CACHE_LINE);
	layout->device = align_up(layout->driver + driver_len, CACHE_LINE);
	layout->align = RING_ALIGN;
	layout->size = align_up(layout->device + device_len, RING_ALIGN);
	return 0;
}

int driver_ring_init(struct driver_ring *ring, const struct driver_config *config,
		     struct error *err)
{
	struct driver_layout layout;

	memset(ring, 0, sizeof(*ring));
	if (driver_layout(config->features, config->size, &layout) < 0)
		return error_set(
			err, -EINVAL,
			"ring of %u entries: must have 1 to %d, and a power of two if split",
			config->size, SIZE_LIMIT);
	if ((uintptr_t)config->ring % VRING_DESC_ALIGN_SIZE ||
	    !driver_memory_find(config->memory, config->ring, layout.size))
		return error_set(err, -EINVAL, "ring is not aligned or not in the memory");
	if (config->indirect &&
	    ((uintptr_t)config->indirect % VRING_DESC_ALIGN_SIZE || !config->indirect_len ||
	     !driver_memory_find(config->memory, config->indirect,
				 (uint64_t)config->size * config->indirect_len *
					 sizeof(struct vring_desc))))
		return error_set(err, -EINVAL,
				 "indirect tables are not aligned or not in the memory");
	ring->state = calloc(config->size, sizeof(*ring->state));
	if (!ring->state)
		return error_set(err, -ENOMEM, "ring: out of memory");
	ring->config = *config;
	memset(config->ring, 0, layout.size);
	ring->desc = (uint8_t *)config->ring + layout.desc;
	ring->driver = (uint8_t *)config->ring + layout.driver;
	ring->device = (uint8_t *)config->ring + layout.device;
	for (unsigned i = 0; i < config->size; i++)
		ring->state[i].next = (uint16_t)((i + 1) % config->size);
	ring->n_free = config->size;
	ring->ops = config->features & 1ull << VIRTIO_F_RING_PACKED ? &driver_packed_ops
								    : &driver_split_ops;
	ring->ops->start(ring);
	return 0;
}

void driver_ring_destroy(struct driver_ring *ring)
{
	free(ring->state);
	memset(ring, 0, sizeof(*ring));
}

/* For a layout without a quicker way. */
static unsigned add_one_by_one(struct driver_ring *ring, struct driver_buffer *const *buffers,
			       unsigned n, bool writable)
{
	unsigned i;

	for (i = 0; i < n; i++) {
		const struct iovec iov = { buffers[i]->host, buffers[i]->len };

		if (driver_ring_add(ring, writable ? NULL : &iov, writable ? 0 : 1,
				    writable ? &iov : NULL, writable ? 1 : 0, buffers[i]) != 0)
			break;
	}
	return i;
}

unsigned driver_ring_add_buffers(struct driver_ring *ring, struct driver_buffer *const *buffers,
				 unsigned n, bool writable)
{
	if (!ring->ops->add_buffers)
		return add_one_by_one(ring, buffers, n, writable);
	return ring->ops->add_buffers(ring, buffers, n, writable);
}

void *driver_ring_detach(struct driver_ring *ring)
{
	/* Wherever the search ended the last time, it goes on: free_head has no other use now. */
	if (!ring->detaching) {
		ring->detaching = true;
		ring->broken = true;
		ring->free_head = 0;
	}
	for (; ring->free_head < ring->config.size; ring->free_head++) {
		void *cookie = ring->state[ring->free_head].cookie;

		ring->state[ring->free_head].cookie = NULL;
		if (cookie)
			return cookie;
	}
	return NULL;
}
