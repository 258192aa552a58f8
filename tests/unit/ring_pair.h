/* SPDX-License-Identifier: Apache-2.0 */
/* A driver side and a device side on the same memory, for tests. The memory is plain heap, so that
 * AddressSanitizer sees its borders and ThreadSanitizer both sides' accesses.
 */
#pragma once

#include <linux/virtio_config.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "virtio/driver.h"
#include "virtio/guestmem.h"
#include "virtio/ring.h"

/* Features. */
#define BIT(n) (1ull << (n))
#define INDIRECT BIT(VIRTIO_RING_F_INDIRECT_DESC) /* tables are allowed */
#define EVENT_IDX BIT(VIRTIO_RING_F_EVENT_IDX)	  /* kicks and calls by index */
#define PACKED BIT(VIRTIO_F_RING_PACKED)	  /* the layout */
#define IN_ORDER BIT(VIRTIO_F_IN_ORDER)		  /* chains are used in order, in batches */

/* Where the regions are for the device. */
#define PAIR_REGIONS 3
#define PAIR_RING_ADDR 0x10000ull   /* region 0: ring and indirect tables */
#define PAIR_BUF_ADDR 0x80000000ull /* region 1: buffers */
#define PAIR_BUF_LEN 0x10000ull
#define PAIR_NEXT_ADDR (PAIR_BUF_ADDR + PAIR_BUF_LEN) /* region 2 goes on behind region 1 */
#define PAIR_NEXT_LEN 0x3000ull

struct ring_pair {
	struct driver_region regions[PAIR_REGIONS];
	struct driver_memory memory;
	struct guestmem *mem;
	struct driver_ring driver;
	struct ring device;
	uint8_t *buf, *next; /* regions 1 and 2 */
};

/* @len zeroed bytes at a page. */
static inline uint8_t *pair_alloc(size_t len)
{
	void *p = NULL;

	if (posix_memalign(&p, 4096, len))
		abort();
	memset(p, 0, len);
	return p;
}

/* What the device is told of the driver's ring. */
static inline struct ring_config pair_device_config(const struct ring_pair *p)
{
	return (struct ring_config){ .features = p->driver.config.features,
				     .size = p->driver.config.size,
				     .desc = p->driver.desc,
				     .driver = p->driver.driver,
				     .device = p->driver.device,
				     .base = driver_ring_base(&p->driver) };
}

/* Makes both sides of a ring; @indirect_len: descriptors in each indirect table, 0: none. */
static inline void pair_init(struct ring_pair *p, uint64_t features, uint32_t size, uint16_t start,
			     uint16_t indirect_len)
{
	struct driver_config config = { .features = features, .size = size, .start = start };
	struct driver_layout layout;
	struct ring_config device;
	size_t tables = 16ull * size * indirect_len, len;
	struct error err;

	memset(p, 0, sizeof(*p));
	if (driver_layout(features, size, &layout) < 0)
		abort();
	len = layout.size + tables;
	p->regions[0] = (struct driver_region){ pair_alloc(len), len, PAIR_RING_ADDR, 0, -1, 0 };
	p->buf = pair_alloc(PAIR_BUF_LEN);
	p->regions[1] = (struct driver_region){ p->buf, PAIR_BUF_LEN, PAIR_BUF_ADDR, 0, -1, 0 };
	p->next = pair_alloc(PAIR_NEXT_LEN);
	p->regions[2] = (struct driver_region){ p->next, PAIR_NEXT_LEN, PAIR_NEXT_ADDR, 0, -1, 0 };
	p->memory = (struct driver_memory){ PAIR_REGIONS, p->regions };

	p->mem = calloc(1, sizeof(*p->mem) + PAIR_REGIONS * sizeof(p->mem->ranges[0]));
	if (!p->mem)
		abort();
	p->mem->n_ranges = PAIR_REGIONS;
	for (unsigned i = 0; i < PAIR_REGIONS; i++)
		p->mem->ranges[i] = (struct guestmem_range){ .guest_addr = p->regions[i].guest_addr,
							     .size = p->regions[i].size,
							     .host = p->regions[i].host };

	config.memory = &p->memory;
	config.ring = p->regions[0].host;
	if (indirect_len) {
		config.indirect = (struct vring_desc *)(p->regions[0].host + layout.size);
		config.indirect_len = indirect_len;
		config.indirect_min = 2;
	}
	if (driver_ring_init(&p->driver, &config, &err) < 0)
		abort();
	device = pair_device_config(p);
	if (ring_start(&p->device, &device, &err) < 0)
		abort();
}

/* Frees everything that pair_init() made. */
static inline void pair_destroy(struct ring_pair *p)
{
	driver_ring_destroy(&p->driver);
	for (unsigned i = 0; i < PAIR_REGIONS; i++)
		free(p->regions[i].host);
	free(p->mem); /* made by hand: holds no mappings */
}

/* The ring's descriptors, for tests to scribble on. */
static inline struct vring_desc *pair_desc(struct ring_pair *p)
{
	return p->driver.desc;
}

/* Its available ring. */
static inline struct vring_avail *pair_avail(struct ring_pair *p)
{
	return p->driver.driver;
}

/* Its used ring. */
static inline struct vring_used *pair_used(struct ring_pair *p)
{
	return p->driver.device;
}

/* Makes head @head available as a driver would, without any check. */
static inline void pair_offer(struct ring_pair *p, uint16_t head)
{
	struct vring_avail *avail = pair_avail(p);

	avail->ring[avail->idx & (p->driver.config.size - 1)] = head;
	__atomic_store_n(&avail->idx, (uint16_t)(avail->idx + 1), __ATOMIC_RELEASE);
}

/* The descriptors of a packed ring. */
static inline struct vring_packed_desc *pair_packed(struct ring_pair *p)
{
	return p->driver.desc;
}
