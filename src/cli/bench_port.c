// SPDX-License-Identifier: Apache-2.0
/* A port of the load generator: connection, rings, buffers. */
#include "cli/bench_port.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "base/hash.h"
#include "packet/build.h"
#include "packet/checksum.h"
#include "vhost/proto.h"

#define BIT(n) (1ull << (n))
#define MEMORY_ADDR (1ull << 30) /* for the device */
#define RECEIVE_MIN 1536	 /* bytes of a receive buffer: whatever a switch floods */
#define RECEIVE_LARGE 4096	 /* of one of several for a large frame, as Linux has them */
#define INDIRECT_LEN 2		 /* header and frame */
#define SENDS_MIN 16		 /* buffers of a guest that waits for its frames */
#define PAGE 4096

/* Space of a buffer of @len bytes. An odd number of cache lines, so that the beginnings of buffers
 * are spread over all sets of the cache. */
static uint32_t stride(uint32_t len)
{
	return ((len + CACHE_LINE - 1) / CACHE_LINE | 1) * CACHE_LINE;
}

static uint32_t send_len(const struct bench_config *config)
{
	return BENCH_HEADER_LEN + config->frame_len;
}

static uint32_t receive_len(const struct bench_config *config)
{
	if (config->tso == BENCH_TSO_SEND)
		return RECEIVE_MIN;
	if (config->tso == BENCH_TSO_ON && config->mergeable)
		return RECEIVE_LARGE;
	return max(send_len(config), (uint32_t)RECEIVE_MIN);
}

uint32_t bench_config_buffers(const struct bench_config *config)
{
	uint32_t payload = config->frame_len - BENCH_TCP_HEADERS;

	if (config->tso == BENCH_TSO_SEND)
		return (payload + BENCH_SEGMENT - 1) / BENCH_SEGMENT;
	return (send_len(config) + receive_len(config) - 1) / receive_len(config);
}

/* Flows are dealt to queues in turn: how many queue @index has. */
static uint32_t flows_of(const struct bench_config *config, uint32_t index)
{
	return (config->flows - index + config->n_queues - 1) / config->n_queues;
}

/* Every flow of a queue has a buffer at least. What a ring can receive can be sent; or as much as
 * may be on its way, or some, so that a single frame does not wait for its predecessor's buffer: a
 * guest does not use more memory than it needs, either. */
static uint32_t sends_of(const struct bench_config *config, uint32_t index)
{
	uint32_t n = config->ring_size / bench_config_buffers(config);

	if (config->kind != BENCH_OPEN) {
		uint32_t wanted = max(config->window, (uint32_t)SENDS_MIN);

		n = min(wanted, n);
	}
	return max(flows_of(config, index), n);
}

static uint64_t features_of(const struct bench_config *config)
{
	uint64_t features = BIT(VIRTIO_F_VERSION_1) | BIT(VHOST_USER_F_PROTOCOL_FEATURES);

	if (config->mergeable)
		features |= BIT(VIRTIO_NET_F_MRG_RXBUF);
	if (config->indirect)
		features |= BIT(VIRTIO_RING_F_INDIRECT_DESC);
	if (config->packed)
		features |= BIT(VIRTIO_F_RING_PACKED);
	if (config->in_order)
		features |= BIT(VIRTIO_F_IN_ORDER);
	if (config->n_queues > 1)
		features |= BIT(VIRTIO_NET_F_MQ);
	if (config->tso)
		features |= BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_HOST_TSO4);
	if (config->tso == BENCH_TSO_ON)
		features |= BIT(VIRTIO_NET_F_GUEST_CSUM) | BIT(VIRTIO_NET_F_GUEST_TSO4);
	return features;
}

/* Shared memory that everything takes; 0: a ring cannot have this size. */
static uint64_t memory_size(const struct bench_config *config)
{
	struct driver_layout layout;
	uint64_t size = PAGE;

	if (driver_layout(features_of(config), config->ring_size, &layout) != 0)
		return 0;
	for (uint32_t i = 0; i < config->n_queues; i++) {
		size += 2 * layout.size + PAGE;
		size += (uint64_t)sends_of(config, i) * stride(send_len(config));
		size += (uint64_t)config->ring_size * stride(receive_len(config));
		if (config->indirect)
			size += 2ull * config->ring_size * INDIRECT_LEN * sizeof(struct vring_desc);
	}
	return size;
}

static int make_ring(struct driver_ring *ring, struct bench_port *port, uint64_t features,
		     struct error *err)
{
	struct driver_config config = {
		.features = features,
		.size = port->config->ring_size,
		.memory = &port->mem.memory,
	};
	struct driver_layout layout;

	if (driver_layout(features, config.size, &layout) != 0)
		return error_set(err, -EINVAL, "a ring cannot have %u entries", config.size);
	config.ring = sharedmem_alloc(&port->mem, layout.size, layout.align);
	if (features & BIT(VIRTIO_RING_F_INDIRECT_DESC)) {
		config.indirect_len = config.indirect_min = INDIRECT_LEN;
		config.indirect = sharedmem_alloc(&port->mem,
						  (uint64_t)config.size * INDIRECT_LEN *
							  sizeof(struct vring_desc),
						  sizeof(struct vring_desc));
	}
	return driver_ring_init(ring, &config, err);
}

/* A buffer in new memory, zeroed. */
static int make_buffer(struct driver_buffer *buffer, struct bench_port *port, uint32_t len)
{
	void *host = sharedmem_alloc(&port->mem, stride(len), CACHE_LINE);

	return host ? driver_buffer_init(buffer, &port->mem.memory, host, len) : -ENOMEM;
}

/* A frame of @flow, and what is asked for with it. */
static void write_frame(const struct bench_port *port, uint8_t *at, uint32_t flow)
{
	const struct virtio_net_hdr large = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
		.hdr_len = BENCH_TCP_HEADERS,
		.gso_size = BENCH_SEGMENT,
		.csum_start = BENCH_TCP_AT,
		.csum_offset = TCP_CSUM_OFFSET,
	};

	if (port->config->tso)
		memcpy(at, &large, sizeof(large));
	bench_frame_build(at + BENCH_HEADER_LEN, port->config->frame_len, port->config->tso,
			  port->mac, port->peer, flow);
}

static int make_sends(struct bench_queue *q, struct bench_port *port, uint32_t index)
{
	const struct bench_config *config = port->config;
	uint32_t n_flows = flows_of(config, index), size = 1;

	q->n_sends = sends_of(config, index);
	while (size < q->n_sends)
		size *= 2;
	q->sends = calloc(size, sizeof(*q->sends));
	q->ready = calloc(size, sizeof(struct driver_buffer *));
	if (!q->sends || !q->ready)
		return -ENOMEM;
	q->ready_mask = size - 1;
	for (uint32_t i = 0; i < q->n_sends; i++) {
		struct bench_buffer *send = &q->sends[i];
		uint32_t flow = i % n_flows * config->n_queues + index;

		if (make_buffer(&send->buffer, port, send_len(config)) != 0)
			return -ENOMEM;
		send->flow = flow;
		write_frame(port, send->buffer.host, flow);
		q->ready[q->n_ready++] = &send->buffer;
	}
	return 0;
}

static int make_receives(struct bench_queue *q, struct bench_port *port)
{
	const struct bench_config *config = port->config;

	q->receives = calloc(config->ring_size, sizeof(*q->receives));
	if (!q->receives)
		return -ENOMEM;
	for (uint32_t i = 0; i < config->ring_size; i++) {
		struct driver_buffer *buffer = &q->receives[i];

		if (make_buffer(buffer, port, receive_len(config)) != 0)
			return -ENOMEM;
		driver_ring_add_buffers(&q->rx, &buffer, 1, true);
	}
	driver_ring_publish(&q->rx);
	return 0;
}

static int make_large(struct bench_queue *q, const struct bench_config *config)
{
	q->large = (struct bench_large){
		.len = config->frame_len,
		.whole = config->check,
		.mergeable = config->mergeable,
		.segments = config->tso == BENCH_TSO_SEND,
	};
	return config->tso ? bench_large_init(&q->large) : 0;
}

static int make_queue(struct bench_queue *q, struct bench_port *port, uint32_t index,
		      uint64_t features, struct error *err)
{
	int rc = make_ring(&q->rx, port, features, err);

	if (rc == 0)
		rc = make_ring(&q->tx, port, features, err);
	if (rc != 0)
		return rc;
	if (make_sends(q, port, index) != 0 || make_receives(q, port) != 0 ||
	    make_large(q, port->config) != 0)
		return error_set(err, -ENOMEM, "out of memory");
	/* nobody waits for a call here */
	driver_ring_disable_call(&q->rx);
	driver_ring_disable_call(&q->tx);
	return 0;
}

static void free_queues(struct bench_port *port)
{
	for (uint32_t i = 0; port->queues && i < port->config->n_queues; i++) {
		struct bench_queue *q = &port->queues[i];

		driver_ring_destroy(&q->rx);
		driver_ring_destroy(&q->tx);
		free(q->sends);
		free(q->receives);
		free(q->ready);
		bench_large_destroy(&q->large);
	}
	free(port->queues);
	port->queues = NULL;
}

static int start_ring(struct bench_port *port, unsigned index, const struct driver_ring *ring,
		      struct error *err)
{
	const struct netdrv_ring_info info = {
		.size = ring->config.size,
		.desc = ring->desc,
		.driver = ring->driver,
		.device = ring->device,
		.base = driver_ring_base(ring),
	};
	struct netdrv_transport *transport = frontend_transport(port->frontend);

	return transport->ops->start_queue(transport, index, &info, err);
}

/* Lays everything out anew for a connection, and starts its rings. */
static int set_up(struct bench_port *port, uint64_t features, struct error *err)
{
	const struct bench_config *config = port->config;
	uint32_t announcement_len = BENCH_HEADER_LEN + BUILD_RARP_LEN;
	int rc = 0;

	free_queues(port);
	sharedmem_reset(&port->mem);
	port->queues = calloc(config->n_queues, sizeof(*port->queues));
	if (!port->queues || make_buffer(&port->announcement, port, announcement_len) != 0)
		return error_set(err, -ENOMEM, "out of memory");
	build_rarp((uint8_t *)port->announcement.host + BENCH_HEADER_LEN, port->mac);
	for (uint32_t i = 0; rc == 0 && i < config->n_queues; i++)
		rc = make_queue(&port->queues[i], port, i, features, err);
	for (uint32_t i = 0; rc == 0 && i < config->n_queues; i++) {
		rc = start_ring(port, 2 * i, &port->queues[i].rx, err);
		if (rc == 0)
			rc = start_ring(port, 2 * i + 1, &port->queues[i].tx, err);
	}
	return rc;
}

/* What the back-end cannot do and the user asked for. */
static int check_offer(const struct bench_port *port, uint64_t features, unsigned n_pairs,
		       struct error *err)
{
	static const struct {
		uint64_t feature;
		const char *what;
	} names[] = {
		{ BIT(VIRTIO_F_VERSION_1), "virtio 1 (VIRTIO_F_VERSION_1)" },
		{ BIT(VIRTIO_F_RING_PACKED), "packed rings (\"ring split\" does without)" },
		{ BIT(VIRTIO_F_IN_ORDER), "use of buffers in order (VIRTIO_F_IN_ORDER)" },
		{ BIT(VIRTIO_NET_F_MRG_RXBUF),
		  "mergeable buffers (\"mergeable off\" does without)" },
		{ BIT(VIRTIO_RING_F_INDIRECT_DESC), "indirect descriptors" },
		{ BIT(VIRTIO_NET_F_HOST_TSO4), "to take large frames (VIRTIO_NET_F_HOST_TSO4)" },
		{ BIT(VIRTIO_NET_F_GUEST_TSO4),
		  "large frames (\"tso send\" does without: VIRTIO_NET_F_GUEST_TSO4)" },
	};
	uint64_t missing = features_of(port->config) & ~features;

	for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
		if (missing & names[i].feature)
			return error_set(err, -EPROTO, "the back-end does not offer %s",
					 names[i].what);
	if (n_pairs < port->config->n_queues)
		return error_set(err, -EPROTO, "the back-end has %u queue pair%s, not %u", n_pairs,
				 n_pairs == 1 ? "" : "s", port->config->n_queues);
	return 0;
}

static void on_negotiated(void *owner, uint64_t features, unsigned n_pairs)
{
	struct bench_port *port = owner;

	if (port->failed)
		return;
	port->failed = check_offer(port, features, n_pairs, &port->why) != 0 ||
		       set_up(port, features, &port->why) != 0;
}

static void on_ready(void *owner)
{
	struct bench_port *port = owner;

	port->up = !port->failed;
	for (uint32_t i = 0; port->up && i < 2 * port->config->n_queues; i++)
		frontend_transport(port->frontend)
			->ops->kick(frontend_transport(port->frontend), i);
}

static void on_down(void *owner, const char *why)
{
	struct bench_port *port = owner;

	if (port->failed)
		return;
	error_set(&port->why, 0, "%s", why);
	port->failed = port->up; /* before that, it is tried again */
	port->up = false;
}

static const struct frontend_ops ops = {
	.negotiated = on_negotiated,
	.ready = on_ready,
	.down = on_down,
};

static int make_books(struct bench_port *port)
{
	const struct bench_config *config = port->config;

	port->headers = calloc(config->flows, sizeof(*port->headers));
	port->numbers = calloc(config->flows, sizeof(*port->numbers));
	port->expected = calloc(config->flows, sizeof(*port->expected));
	if (!port->headers || !port->numbers || !port->expected)
		return -ENOMEM;
	for (uint32_t i = 0; i < config->flows; i++)
		bench_frame_headers(port->headers[i], config->frame_len, config->tso, port->mac,
				    port->peer, i);
	return 0;
}

int bench_port_open(struct bench_port *port, const struct bench_config *config, const char *path,
		    mac_t mac, mac_t peer, struct event_base *base, struct error *err)
{
	const struct frontend_config frontend = {
		.path = path,
		.listen = config->listen,
		.features = features_of(config),
		.protocol_features = FRONTEND_PROTOCOL_FEATURES,
		.memory = &port->mem.memory,
	};
	uint64_t size = memory_size(config);
	int rc;

	*port = (struct bench_port){ .config = config, .path = path, .mac = mac, .peer = peer };
	/* no other port, and no other run, had those that follow */
	port->renewed = (uint32_t)hash_mix(mac, clock_ns());
	if (size == 0)
		return error_set(err, -EINVAL, "no %s ring of %u entries can be made",
				 config->packed ? "packed" : "split", config->ring_size);
	if (make_books(port) != 0)
		rc = error_set(err, -ENOMEM, "out of memory");
	else if (config->huge)
		rc = sharedmem_add_huge(&port->mem, "bench", size, MEMORY_ADDR, err);
	else
		rc = sharedmem_add(&port->mem, "bench", size, MEMORY_ADDR, err);
	if (rc == 0)
		rc = frontend_create(&port->frontend, &frontend, &ops, port, base, err);
	if (rc != 0)
		bench_port_close(port);
	return rc;
}

void bench_port_close(struct bench_port *port)
{
	frontend_destroy(port->frontend);
	free_queues(port);
	sharedmem_destroy(&port->mem);
	free(port->headers);
	free(port->numbers);
	free(port->expected);
	memset(port, 0, sizeof(*port));
}

void bench_port_kick(struct bench_port *port)
{
	struct netdrv_transport *transport = frontend_transport(port->frontend);

	for (uint32_t i = 0; i < port->config->n_queues; i++) {
		struct bench_queue *q = &port->queues[i];

		if (driver_ring_wants_kick(&q->rx))
			transport->ops->kick(transport, 2 * i);
		if (driver_ring_wants_kick(&q->tx))
			transport->ops->kick(transport, 2 * i + 1);
	}
}

bool bench_port_broken(const struct bench_port *port)
{
	for (uint32_t i = 0; i < port->config->n_queues; i++)
		if (port->queues[i].rx.broken || port->queues[i].tx.broken)
			return true;
	return false;
}
