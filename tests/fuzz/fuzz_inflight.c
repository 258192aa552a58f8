// SPDX-License-Identifier: Apache-2.0
/* Fuzzes a ring that goes on with what a region says is in flight: the input is the region, the
 * ring's memory, and what happens to both. Each is a heap block of its own, so that
 * AddressSanitizer sees every border.
 */
#include <errno.h>
#include <linux/virtio_config.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "input.h"
#include "virtio/inflight.h"
#include "virtio/packed.h"

#define BUFFERS 1024ull /* bytes of guest memory beside the ring */
#define BUFFERS_ADDR 0x1000ull
#define ENTRIES_MAX 16 /* entries */
#define OPS_MAX 300

enum part { REGION, DESC, DRIVER, DEVICE, N_PARTS };

struct world {
	struct input in;
	struct guestmem *mem;
	uint8_t *parts[N_PARTS];
	size_t lens[N_PARTS];
	struct ring_config config;
	struct inflight *inflight;
	unsigned n_desc;
	struct ring ring;
	bool started;
	unsigned n_out; /* chains in the caller's hands */
};

static const struct filemap no_map;
static struct iovec arena[RING_ARENA_LEN];

static void setup(struct world *w)
{
	unsigned choice = take_number(&w->in, 1), packed = choice & 1;
	unsigned size = packed ? 1 + take_number(&w->in, 1) % ENTRIES_MAX
			       : 1u << take_number(&w->in, 1) % 5;

	w->n_desc = size + (choice >> 1 & 3);
	w->mem = calloc(1, sizeof(*w->mem) + sizeof(w->mem->ranges[0]));
	require(w->mem);
	w->mem->n_ranges = 1;
	w->mem->ranges[0] = (struct guestmem_range){ .guest_addr = BUFFERS_ADDR,
						     .size = BUFFERS,
						     .host = zeroed(BUFFERS) };
	w->lens[REGION] = packed ? sizeof(struct inflight_packed) +
					   w->n_desc * sizeof(struct inflight_desc_packed)
				 : sizeof(struct inflight_split) +
					   w->n_desc * sizeof(struct inflight_desc_split);
	w->lens[DESC] = 16 * size;
	w->lens[DRIVER] = packed ? 4 : 6 + 2 * size;
	w->lens[DEVICE] = packed ? 4 : 6 + 8 * size;
	for (unsigned i = 0; i < N_PARTS; i++)
		w->parts[i] = zeroed(w->lens[i]);
	w->config = (struct ring_config){
		.features = (uint64_t)packed << VIRTIO_F_RING_PACKED |
			    (choice & 8 ? 1ull << VIRTIO_F_IN_ORDER : 0) |
			    (choice & 16 ? 1ull << VIRTIO_RING_F_INDIRECT_DESC : 0),
		.size = size,
		.desc = w->parts[DESC],
		.driver = w->parts[DRIVER],
		.device = w->parts[DEVICE],
		.base = packed ? PACKED_F_WRAP : 0,
	};
	if (choice & 32)
		for (unsigned i = 0; i < N_PARTS; i++)
			take_bytes(&w->in, w->parts[i], w->lens[i]);
}

static void teardown(struct world *w)
{
	inflight_destroy(w->inflight);
	for (unsigned i = 0; i < N_PARTS; i++)
		free(w->parts[i]);
	free(w->mem->ranges[0].host);
	free(w->mem);
}

/* The next process begins; it may find the region not to its liking. */
static void start(struct world *w)
{
	struct error err = { "" };
	int rc;

	inflight_destroy(w->inflight);
	w->inflight = NULL;
	require(!inflight_create(&w->inflight, w->parts[REGION], w->n_desc, &no_map));
	w->config.inflight = w->inflight;
	rc = ring_start(&w->ring, &w->config, &err);
	require(rc == 0 || (rc == -EINVAL && *err.text));
	w->started = rc == 0;
	w->n_out = 0;
	if (w->started)
		require(w->inflight->n_left <= w->config.size);
}

static void take(struct world *w)
{
	unsigned max = take_number(&w->in, 1) & 31, n;
	struct ring_chain chains[32];

	n = ring_take(&w->ring, w->mem, chains, max, arena, RING_ARENA_LEN);
	require(n <= max && w->n_out + n <= w->config.size);
	for (unsigned i = 0; i < n; i++)
		for (unsigned k = 0; k < (unsigned)chains[i].n_out + chains[i].n_in; k++) {
			const struct iovec *v = &chains[i].iov[k];
			uint64_t at = (uint64_t)((uint8_t *)v->iov_base - w->mem->ranges[0].host);

			require(v->iov_len && at < BUFFERS && v->iov_len <= BUFFERS - at);
		}
	w->n_out += n;
	require(w->ring.n_taken == w->n_out);
}

static void complete(struct world *w)
{
	unsigned n = take_number(&w->in, 1) % (w->n_out + 1);

	for (unsigned i = 0; i < n; i++)
		ring_lens(&w->ring)[i] = i;
	ring_complete(&w->ring, n % 2 ? ring_lens(&w->ring) : NULL, n);
	w->n_out -= n;
}

static void untake(struct world *w)
{
	unsigned n = take_number(&w->in, 1) % (w->n_out + 1);

	ring_untake(&w->ring, n);
	w->n_out -= n;
}

static void write_bytes(struct world *w)
{
	unsigned part = take_number(&w->in, 1) % N_PARTS;
	size_t at = take_number(&w->in, 2) % w->lens[part], len = take_number(&w->in, 1) % 17;

	take_bytes(&w->in, w->parts[part] + at, min(len, w->lens[part] - at));
}

/* A buffer is available where the device looks next. */
static void offer(struct world *w)
{
	uint16_t at = w->ring.next_avail % w->config.size, flags = take_number(&w->in, 1) & 3;
	struct vring_desc *d = (struct vring_desc *)w->parts[DESC] + at;
	struct vring_avail *avail = (struct vring_avail *)w->parts[DRIVER];

	d->addr = BUFFERS_ADDR + at;
	d->len = 1 + take_number(&w->in, 1) % 8;
	if (w->config.features >> VIRTIO_F_RING_PACKED & 1) {
		((struct vring_packed_desc *)d)->flags =
			(uint16_t)(flags | packed_avail_bits(w->ring.avail_wrap));
		return;
	}
	d->flags = flags;
	avail->ring[at] = at;
	avail->idx = (uint16_t)(w->ring.next_avail + 1);
}

static void step(struct world *w)
{
	unsigned what = take_number(&w->in, 1) % 8;

	if (what == 0 || (!w->started && what < 6))
		start(w);
	else if (what < 3)
		take(w);
	else if (what == 3)
		complete(w);
	else if (what == 4)
		untake(w);
	else if (what == 5)
		ring_enable_kick(&w->ring);
	else if (what == 6)
		write_bytes(w);
	else
		offer(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world w = { .in = { data, size } };

	setup(&w);
	start(&w);
	for (unsigned i = 0; i < OPS_MAX && w.in.left; i++)
		step(&w);
	teardown(&w);
	return 0;
}
