/* SPDX-License-Identifier: Apache-2.0 */
/* Who has a vhost-user device, for fuzzers: lets it quiesce, saves and loads a state, and serves
 * its live rings as a worker would. Checks what the device promises its owner.
 */
#pragma once

#include <errno.h>

#include "front_end.h"
#include "vhost/device.h"

#define ARENA_LEN RING_ARENA_LEN

static struct vhost_device *device;
static bool asked; /* to quiesce */
static bool hold;  /* does not answer yet */

static void on_quiesce(void *owner)
{
	require(!asked);
	asked = true;
}

static void on_changed(void *owner)
{
	require(!asked);
}

static void on_announce(void *owner, uint64_t mac)
{
}

static int on_save(void *owner, uint8_t **bytes, size_t *n, struct error *err)
{
	*n = 100000; /* more than a pipe holds */
	*bytes = calloc(1, *n);
	return *bytes ? 0 : error_set(err, -ENOMEM, "out of memory");
}

static int on_load(void *owner, const uint8_t *bytes, size_t n, struct error *err)
{
	return n && bytes[n - 1] & 1 ? 0 : error_set(err, -EINVAL, "no state");
}

static const struct vhost_device_ops owner_ops = { .quiesce = on_quiesce,
						   .changed = on_changed,
						   .announce = on_announce,
						   .save = on_save,
						   .load = on_load };

static const struct vhost_device_config owner_config = {
	.name = "fuzz",
	.path = "nowhere",
	.mode = VHOST_LISTEN,
	.rights = { -1, -1, -1 },
	.features = OFFERED,
	.supported = OFFERED,
	.protocol_features = ALL_PROTOCOL,
	.n_queue_pairs = N_VRINGS / 2,
	.mtu = 1500,
};

static void answer_quiesce(void)
{
	if (!asked)
		return;
	asked = false;
	vhost_device_quiesced(device);
}

static void read_chains(const struct ring_chain *chains, unsigned n)
{
	for (unsigned c = 0; c < n; c++)
		for (unsigned f = 0; f < (unsigned)chains[c].n_out + chains[c].n_in; f++)
			*(volatile uint8_t *)chains[c].iov[f].iov_base;
}

static void serve_ring(struct vhost_vring *v, unsigned index)
{
	const struct vhost_device_state *st = vhost_device_state(device);
	static struct iovec arena[ARENA_LEN];
	struct ring_chain chains[8];
	uint16_t from = v->ring.next_used;
	struct dirty dirty;
	unsigned n;

	require(v->ring.ops);
	require(st->log || !(st->features >> VHOST_USER_F_LOG_ALL & 1));
	n = ring_take(&v->ring, st->mem, chains, ARRAY_SIZE(chains), arena, ARENA_LEN);
	read_chains(chains, n);
	ring_complete(&v->ring, NULL, n);
	if (n && st->log) {
		dirty_begin(&dirty, st->log, st->mem);
		dirty_mark_used(&dirty, &v->ring, from);
		for (unsigned c = 0; c < n; c++)
			dirty_mark_chain(&dirty, &chains[c], UINT32_MAX);
		require(dirty_end(&dirty) || bus_guard_any_hit());
	}
	if (ring_broken(&v->ring))
		vhost_device_ring_broken(device, index);
	else
		ring_wants_notify(&v->ring);
}

/* A worker's turn on each live ring; it may not have one while it was asked to let go. */
static void serve_rings(void)
{
	for (unsigned i = 0; i < N_VRINGS && !asked; i++) {
		struct vhost_vring *v = vhost_device_vring(device, i);

		if (v->live)
			serve_ring(v, i);
	}
}

/* The guest writes to a ring, or near it. */
static void guest_writes(struct input *in)
{
	static const uint16_t parts[] = { 0, RING_DRIVER, RING_DEVICE, 0x40 };
	size_t at = (size_t)take_choice(in, N_VRINGS) * RING_STRIDE, n;

	at += parts[take_choice(in, ARRAY_SIZE(parts))];
	n = take_choice(in, 64);
	take_bytes(in, fd_guest_memory + at, n);
}

/* The guest makes buffers available: a chain of descriptors, of either layout. */
static void guest_offers(struct input *in)
{
	unsigned ring = take_choice(in, N_VRINGS), n = 1 + take_choice(in, 4);
	uint8_t *at = fd_guest_memory + (size_t)ring * RING_STRIDE;
	struct vring_desc *descs = (void *)at;
	struct vring_avail *avail = (void *)(at + RING_DRIVER);

	for (unsigned i = 0; i < n; i++) {
		uint16_t flags = (uint16_t)take_number(in, 1); /* packed: id in flags' place */

		descs[i] = (struct vring_desc){ GUEST_ADDR + BUFFERS + i * 64, 64, flags,
						(uint16_t)(i + 1) };
	}
	avail->ring[avail->idx % 256] = 0;
	avail->idx++;
}
