/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzzes both sides of a ring: the input is the ring's memory and what happens to it. Each part of
 * the ring is a heap block of its own, so that AddressSanitizer sees every border; what is handed
 * out is checked against the memory there is. What differs between the layouts is in a struct
 * fuzz_layout.
 */
#pragma once

#include <linux/virtio_config.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "input.h"
#include "virtio/driver.h"
#include "virtio/guestmem.h"
#include "virtio/ring.h"

#define PIECE 1024ull /* bytes of each region of buffers and tables */
#define N_REGIONS 3
#define ARENA_LEN RING_ARENA_LEN
#define OPS_MAX 400

/* The second region goes on behind the first, the third one lies alone. */
static const uint64_t addrs[N_REGIONS] = { 0x1000, 0x1000 + PIECE, 0x8000 };

struct world;

/* What the layouts do differently. */
struct fuzz_layout {
	uint64_t features; /* that choose it */
	uint32_t (*size)(unsigned choice);
	size_t (*driver_len)(uint32_t size);
	size_t (*device_len)(uint32_t size);
	uint16_t (*start)(struct world *w); /* driver_config.start; sets config.base */
	/* The bytes of a descriptor, whose flags and next or id come from a byte each. */
	struct vring_desc (*desc)(uint64_t addr, uint32_t len, uint8_t flags, uint8_t next);
	void (*offer)(struct world *w); /* makes something available */
	/* After @n chains were completed, with the ring where @base says before. */
	void (*check_completed)(const struct world *w, uint32_t base, unsigned n);
};

/* Defined by the fuzzer of each layout. */
extern const struct fuzz_layout fuzzed;

struct world {
	struct input in;
	struct guestmem *mem;
	struct driver_region regions[N_REGIONS];
	struct driver_memory memory;
	struct ring ring;
	struct ring_config config;
	size_t desc_len, driver_len, device_len;
	uint16_t start; /* of the driver */
	unsigned n_out; /* chains in the caller's hands */
	struct driver_ring driver;
};

static struct iovec arena[ARENA_LEN];

/* The device side. */
static void setup(struct world *w)
{
	unsigned choice = (unsigned)take_number(&w->in, 1);
	uint32_t size = fuzzed.size((unsigned)take_number(&w->in, 1));
	struct error err;

	w->mem = calloc(1, sizeof(*w->mem) + N_REGIONS * sizeof(w->mem->ranges[0]));
	require(w->mem);
	w->mem->n_ranges = N_REGIONS;
	for (unsigned i = 0; i < N_REGIONS; i++) {
		uint8_t *host = zeroed(PIECE);

		w->mem->ranges[i] = (struct guestmem_range){ .guest_addr = addrs[i],
							     .size = PIECE,
							     .host = host };
		w->regions[i] = (struct driver_region){
			.host = host, .size = PIECE, .guest_addr = addrs[i], .fd = -1
		};
	}
	w->memory = (struct driver_memory){ N_REGIONS, w->regions };
	w->desc_len = 16 * size;
	w->driver_len = fuzzed.driver_len(size);
	w->device_len = fuzzed.device_len(size);
	w->config = (struct ring_config){
		.features = fuzzed.features | (choice & 8 ? 1ull << VIRTIO_F_IN_ORDER : 0) |
			    (choice & 1 ? 1ull << VIRTIO_RING_F_EVENT_IDX : 0) |
			    (choice & 2 ? 1ull << VIRTIO_RING_F_INDIRECT_DESC : 0),
		.size = size,
		.desc = zeroed(w->desc_len),
		.driver = zeroed(w->driver_len),
		.device = zeroed(w->device_len),
	};
	if (choice & 4) {
		take_bytes(&w->in, w->config.desc, w->desc_len);
		take_bytes(&w->in, w->config.driver, w->driver_len);
		take_bytes(&w->in, w->config.device, w->device_len);
	}
	w->start = fuzzed.start(w);
	require(ring_start(&w->ring, &w->config, &err) == 0);
}

/* The driver side on the device's ring, as if both had been there from the start. */
static void setup_driver(struct world *w)
{
	struct driver_layout layout;
	struct driver_region region = { .fd = -1, .guest_addr = 0x100000 };
	struct driver_memory memory = { 1, &region };
	struct driver_config config = { .features = w->config.features,
					.size = w->config.size,
					.memory = &memory,
					.start = w->start };
	struct error err;

	require(driver_layout(config.features, config.size, &layout) == 0);
	region.size = layout.size;
	config.ring = region.host = zeroed(layout.size);
	require(driver_ring_init(&w->driver, &config, &err) == 0);
	free(region.host);
	w->driver.desc = w->config.desc;
	w->driver.driver = w->config.driver;
	w->driver.device = w->config.device;
	w->driver.config.memory = &w->memory;
	/* Tables of four descriptors in the third region, as many as there are heads for. */
	if (w->config.size * 64 <= PIECE) {
		w->driver.config.indirect = (struct vring_desc *)w->regions[2].host;
		w->driver.config.indirect_len = 4;
		w->driver.config.indirect_min = 2;
	}
}

static void teardown(struct world *w)
{
	driver_ring_destroy(&w->driver);
	for (unsigned i = 0; i < N_REGIONS; i++)
		free(w->regions[i].host);
	free(w->mem);
	free(w->config.desc);
	free(w->config.driver);
	free(w->config.device);
}

static bool inside(const struct world *w, const struct iovec *v)
{
	for (unsigned i = 0; i < N_REGIONS; i++)
		if (driver_region_holds(&w->regions[i], v->iov_base, v->iov_len))
			return true;
	return false;
}

/* Every byte is there, the counts and sums are right, and the fragments lie in the arena. */
static unsigned check_chain(const struct world *w, const struct ring_chain *c, unsigned used,
			    unsigned arena_len)
{
	uint64_t out_len = 0, in_len = 0;

	require(c->iov == arena + used);
	require(used + c->n_out + c->n_in <= arena_len);
	for (unsigned i = 0; i < (unsigned)c->n_out + c->n_in; i++) {
		require(c->iov[i].iov_len > 0 && inside(w, &c->iov[i]));
		*(i < c->n_out ? &out_len : &in_len) += c->iov[i].iov_len;
	}
	require(out_len == c->out_len && in_len == c->in_len);
	/* As users do with it. */
	for (unsigned i = 0; i < (unsigned)c->n_out + c->n_in; i++)
		((volatile uint8_t *)c->iov[i].iov_base)[c->iov[i].iov_len - 1];
	return used + c->n_out + c->n_in;
}

static void take(struct world *w)
{
	static const unsigned arena_lens[] = { ARENA_LEN, 0, 1, 7 };
	unsigned choice = (unsigned)take_number(&w->in, 1), max = choice & 63;
	unsigned arena_len = arena_lens[choice >> 6], n, used = 0;
	struct ring_chain chains[64];
	bool broken = ring_broken(&w->ring);

	n = ring_take(&w->ring, w->mem, chains, max, arena, arena_len);
	require(n <= max && w->n_out + n <= w->config.size);
	require(!broken || !n);
	for (unsigned i = 0; i < n; i++)
		used = check_chain(w, &chains[i], used, arena_len);
	w->n_out += n;
	require(w->ring.n_taken == w->n_out);
}

static void complete(struct world *w)
{
	unsigned n = (unsigned)take_number(&w->in, 1) % (w->n_out + 1);
	uint32_t base = ring_base(&w->ring);
	uint32_t lens[RING_TAKE_MAX];

	for (unsigned i = 0; i < n; i++)
		lens[i] = 1000 + i;
	ring_complete(&w->ring, n % 2 ? lens : NULL, n);
	w->n_out -= n;
	fuzzed.check_completed(w, base, n);
}

static void untake(struct world *w)
{
	unsigned n = (unsigned)take_number(&w->in, 1) % (w->n_out + 1);

	ring_untake(&w->ring, n);
	w->n_out -= n;
}

/* Writes a descriptor whose fields are mostly near what is right, to the ring or to memory. */
static void write_desc(struct world *w)
{
	unsigned at = (unsigned)take_number(&w->in, 1), where = (unsigned)take_number(&w->in, 1);
	uint64_t addr = addrs[where % 3] + take_number(&w->in, 2) % (PIECE + 16);
	uint32_t len = (uint32_t)take_number(&w->in, 2) & (where & 0x40 ? ~15u : ~0u);
	uint8_t flags = (uint8_t)take_number(&w->in, 1), next = (uint8_t)take_number(&w->in, 1);
	struct vring_desc d = fuzzed.desc(addr, len, flags, next);

	if (where & 0x80)
		memcpy((uint8_t *)w->config.desc + at % w->config.size * 16, &d, sizeof(d));
	else
		memcpy(w->regions[where >> 2 & 1].host + at % (PIECE / 16 - 1) * 16 +
			       (where >> 4 & 3),
		       &d, sizeof(d));
}

static void write_bytes(struct world *w)
{
	struct {
		uint8_t *at;
		size_t len;
	} parts[] = { { w->config.desc, w->desc_len },
		      { w->config.driver, w->driver_len },
		      { w->config.device, w->device_len },
		      { w->regions[0].host, PIECE },
		      { w->regions[1].host, PIECE } };
	unsigned part = (unsigned)take_number(&w->in, 1) % ARRAY_SIZE(parts);
	size_t at = take_number(&w->in, 2) % parts[part].len, len = take_number(&w->in, 1);

	take_bytes(&w->in, parts[part].at + at, min(len, parts[part].len - at));
}

static void driver_add(struct world *w)
{
	unsigned n = (unsigned)take_number(&w->in, 1) % 7,
		 n_out = (unsigned)take_number(&w->in, 1) % (n + 1);
	struct iovec v[6];

	for (unsigned i = 0; i < n; i++)
		v[i] = (struct iovec){ w->regions[i % N_REGIONS].host, take_number(&w->in, 2) };
	driver_ring_add(&w->driver, v, n_out, v + n_out, n - n_out, w);
	driver_ring_publish(&w->driver);
	driver_ring_wants_kick(&w->driver);
}

static void driver_get(struct world *w)
{
	unsigned max = (unsigned)take_number(&w->in, 1) % 64, before = driver_ring_free(&w->driver),
		 n;
	void *cookies[64];
	uint32_t lens[64];

	n = driver_ring_get_batch(&w->driver, cookies, lens, max);
	require(n <= max);
	for (unsigned i = 0; i < n; i++)
		require(cookies[i] == w);
	require(driver_ring_free(&w->driver) >= before + n);
	require(driver_ring_free(&w->driver) <= w->config.size);
	driver_ring_enable_call(&w->driver);
	driver_ring_disable_call(&w->driver);
}

static void step(struct world *w)
{
	switch (take_number(&w->in, 1) % 11) {
	case 0:
	case 1:
		take(w);
		break;
	case 2:
		complete(w);
		break;
	case 3:
		untake(w);
		break;
	case 4:
		ring_wants_notify(&w->ring);
		break;
	case 5:
		ring_enable_kick(&w->ring);
		ring_disable_kick(&w->ring);
		break;
	case 6:
		write_desc(w);
		break;
	case 7:
		write_bytes(w);
		break;
	case 8:
		fuzzed.offer(w);
		break;
	case 9:
		driver_add(w);
		break;
	case 10:
		driver_get(w);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world w = { .in = { data, size } };

	setup(&w);
	setup_driver(&w);
	for (unsigned i = 0; i < OPS_MAX && w.in.left; i++)
		step(&w);
	teardown(&w);
	return 0;
}
