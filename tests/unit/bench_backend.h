/* SPDX-License-Identifier: Apache-2.0 */
/* A vhost-user back-end for tests of the load generator: in the generator's own event loop it moves
 * frames from the rings of one socket to those of the next, and does to them what a test wants.
 */
#pragma once

#include <event2/event.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/compiler.h"
#include "base/rcu.h"
#include "vhost/device.h"
#include "vhost/socket_endpoint.h"

#define BACKEND_PORTS_MAX 4
#define BACKEND_FEATURES                                                            \
	(1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_NET_F_MRG_RXBUF | 1ull << 30 | \
	 1ull << VIRTIO_RING_F_INDIRECT_DESC | 1ull << VIRTIO_F_RING_PACKED |       \
	 1ull << VIRTIO_F_IN_ORDER)
#define BACKEND_TSO_FEATURES                                          \
	(1ull << VIRTIO_NET_F_CSUM | 1ull << VIRTIO_NET_F_HOST_TSO4 | \
	 1ull << VIRTIO_NET_F_GUEST_CSUM | 1ull << VIRTIO_NET_F_GUEST_TSO4)
#define BACKEND_BATCH 32
#define BACKEND_BYTES_MAX 66000

struct backend;

struct backend_port {
	struct backend *backend;
	char path[64];
	struct vhost_device *device;
	struct event *quiesced;
};

/* Zeroed, then n_ports, features, n_pairs, change, limit and done are set. */
struct backend {
	struct event_base *base;
	struct vhost_socket_maker sockets;
	struct event *tick;
	struct backend_port ports[BACKEND_PORTS_MAX];
	unsigned n_ports;
	unsigned n_apart;  /* the last ones, whose frames go round among themselves */
	uint64_t features; /* offered */
	unsigned n_pairs;
	/* What becomes of a frame (without virtio-net header) before it goes on: its new length,
	 * 0: it is lost. */
	uint32_t (*change)(struct backend *backend, uint8_t *frame, uint32_t len);
	uint64_t n_frames; /* that change() saw */
	uint64_t limit;	   /* of n_frames: then *@done is set */
	volatile sig_atomic_t *done;
	struct iovec arena[RING_ARENA_LEN];
};

static inline void backend_quiesced(evutil_socket_t fd, short what, void *arg)
{
	vhost_device_quiesced(((struct backend_port *)arg)->device);
}

static inline void backend_quiesce(void *owner)
{
	event_active(((struct backend_port *)owner)->quiesced, EV_TIMEOUT, 0);
}

static inline void backend_changed(void *owner)
{
}

/* The frame of a chain, header included; its length, 0: too long. */
static inline uint32_t backend_gather(const struct ring_chain *chain, uint8_t *to, uint32_t size)
{
	uint32_t len = 0;

	for (unsigned i = 0; i < chain->n_out; i++) {
		if (chain->iov[i].iov_len > size - len)
			return 0;
		memcpy(to + len, chain->iov[i].iov_base, chain->iov[i].iov_len);
		len += (uint32_t)chain->iov[i].iov_len;
	}
	return len;
}

static inline void backend_deliver(struct backend *b, struct backend_port *to, unsigned pair,
				   const uint8_t *bytes, uint32_t len)
{
	struct vhost_vring *rx = vhost_device_vring(to->device, 2 * pair);
	uint32_t lens[BACKEND_BATCH], at = 0;
	uint8_t *first = NULL;
	struct ring_chain chain;
	uint16_t n = 0;

	/* into as many buffers as it takes */
	while (at < len || !n) {
		if (!rx->live || n == BACKEND_BATCH ||
		    ring_take(&rx->ring, vhost_device_state(to->device)->mem, &chain, 1, b->arena,
			      RING_ARENA_LEN) != 1)
			return;
		lens[n] = min(len - at, (uint32_t)chain.iov[0].iov_len);
		memcpy(chain.iov[0].iov_base, bytes + at, lens[n]);
		first = first ?: chain.iov[0].iov_base;
		at += lens[n++];
	}
	memcpy(first + 10, &n, sizeof(n));
	ring_complete(&rx->ring, lens, n);
}

static inline struct backend_port *backend_next(struct backend *b, unsigned from)
{
	unsigned first = from < b->n_ports - b->n_apart ? 0 : b->n_ports - b->n_apart;
	unsigned n = first ? b->n_apart : b->n_ports - b->n_apart;

	return &b->ports[first + (from - first + 1) % n];
}

/* Moves up to BACKEND_BATCH frames of one queue. */
static inline void backend_move(struct backend *b, unsigned from, unsigned pair)
{
	struct backend_port *source = &b->ports[from];
	struct vhost_vring *tx = vhost_device_vring(source->device, 2 * pair + 1);

	for (unsigned i = 0; tx->live && i < BACKEND_BATCH; i++) {
		static uint8_t bytes[BACKEND_BYTES_MAX];
		struct ring_chain chain;
		uint32_t len;

		if (ring_take(&tx->ring, vhost_device_state(source->device)->mem, &chain, 1,
			      b->arena, RING_ARENA_LEN) != 1)
			return;
		len = backend_gather(&chain, bytes, sizeof(bytes));
		ring_complete(&tx->ring, NULL, 1);
		if (b->change && len > 12) {
			len = b->change(b, bytes + 12, len - 12);
			len += len ? 12 : 0;
		}
		if (++b->n_frames == b->limit)
			*b->done = 1;
		if (len)
			backend_deliver(b, backend_next(b, from), pair, bytes, len);
	}
}

static inline void backend_tick(evutil_socket_t fd, short what, void *arg)
{
	const struct timeval soon = { 0, 300 };
	struct backend *b = arg;

	for (unsigned i = 0; i < b->n_ports; i++)
		for (unsigned pair = 0; pair < b->n_pairs; pair++)
			backend_move(b, i, pair);
	event_add(b->tick, &soon);
}

/* Listens on every port's path. */
static inline void backend_start(struct backend *b, struct event_base *base)
{
	static const struct vhost_device_ops ops = { .quiesce = backend_quiesce,
						     .changed = backend_changed };
	const struct timeval soon = { 0, 300 };

	b->base = base;
	vhost_socket_maker_init(&b->sockets, base);
	b->tick = evtimer_new(base, backend_tick, b);
	for (unsigned i = 0; i < b->n_ports; i++) {
		struct backend_port *port = &b->ports[i];
		struct vhost_device_config config = {
			.name = "test",
			.path = port->path,
			.rights = { -1, -1, -1 },
			.features = b->features,
			.protocol_features = 1ull << 0 | 1ull << 3,
			.n_queue_pairs = b->n_pairs,
			.mtu = 1500,
		};
		struct error err;

		port->backend = b;
		snprintf(port->path, sizeof(port->path), "/tmp/vireo-bench-%d-%u", getpid(), i);
		port->quiesced = evtimer_new(base, backend_quiesced, port);
		if (vhost_device_create(&port->device, &config, &ops, port, &b->sockets.maker,
					&err) != 0)
			abort();
	}
	event_add(b->tick, &soon);
}

/* Hangs up, for good. */
static inline void backend_stop(struct backend *b)
{
	for (unsigned i = 0; i < b->n_ports; i++) {
		vhost_device_destroy(b->ports[i].device);
		event_free(b->ports[i].quiesced);
	}
	event_free(b->tick);
	b->n_ports = 0;
	rcu_drain();
}
