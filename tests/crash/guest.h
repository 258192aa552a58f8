/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that a stepped process, its guests and whoever comes after it have in common: states of
 * rings, then the rings, then packets. Guests and devices see it as one region.
 */
#pragma once

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <stdlib.h>
#include <string.h>

#include "step.h"
#include "virtio/driver.h"
#include "virtio/guestmem.h"
#include "virtio/ring.h"

/* Features. */
#define BIT(n) (1ull << (n))
#define EVENT_IDX BIT(VIRTIO_RING_F_EVENT_IDX)
#define PACKED BIT(VIRTIO_F_RING_PACKED)
#define IN_ORDER BIT(VIRTIO_F_IN_ORDER)

#define SHARED_STATES 4096 /* bytes for states, and for each ring */
#define SHARED_RING 4096
#define SHARED_ADDR 0x100000ull /* where a guest has all of it */
#define DESCS_MAX 16		/* entries of a ring */

/* Where all of it lies. */
struct shared {
	struct driver_region region;
	struct driver_memory memory;
	struct guestmem *mem;
};

/* A guest's end of a ring, and what it takes to put it back. */
struct guest_ring {
	struct driver_ring driver;
	struct ring_config config; /* for the device */
	struct driver_ring saved;
	struct driver_desc saved_descs[DESCS_MAX];
};

/* For memory that step_init() has made. */
static inline void shared_init(struct shared *sh, const struct step *s)
{
	sh->region = (struct driver_region){ s->memory, s->len, SHARED_ADDR, 0, -1, 0 };
	sh->memory = (struct driver_memory){ 1, &sh->region };
	sh->mem = calloc(1, sizeof(*sh->mem) + sizeof(sh->mem->ranges[0]));
	if (!sh->mem)
		abort();
	sh->mem->n_ranges = 1;
	sh->mem->ranges[0] = (struct guestmem_range){ .guest_addr = SHARED_ADDR,
						      .size = s->len,
						      .host = s->memory };
}

/* Ring number @index, which begins at the chain or descriptor @start. */
static inline void guest_ring_init(struct guest_ring *g, struct shared *sh, unsigned index,
				   uint64_t features, uint32_t size, uint16_t start)
{
	struct driver_config config = { .features = features, .size = size, .start = start };
	struct error err;

	config.memory = &sh->memory;
	config.ring = sh->region.host + SHARED_STATES + (size_t)index * SHARED_RING;
	if (size > DESCS_MAX || driver_ring_init(&g->driver, &config, &err) < 0)
		abort();
	g->config = (struct ring_config){
		.features = features,
		.size = size,
		.desc = g->driver.desc,
		.driver = g->driver.driver,
		.device = g->driver.device,
		.base = driver_ring_base(&g->driver),
		.state = (struct ring_state *)sh->region.host + index,
	};
}

/* What the guest knows; its memory is step.c's matter. */
static inline void guest_ring_save(struct guest_ring *g)
{
	g->saved = g->driver;
	memcpy(g->saved_descs, g->driver.state, g->driver.config.size * sizeof(g->saved_descs[0]));
}

static inline void guest_ring_restore(struct guest_ring *g)
{
	memcpy(g->driver.state, g->saved_descs, g->driver.config.size * sizeof(g->saved_descs[0]));
	g->driver = g->saved;
}
