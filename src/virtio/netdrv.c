// SPDX-License-Identifier: Apache-2.0
// A virtio-net driver in user space: queues and buffers in shared memory, frames in and out.

#include "virtio/netdrv.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <linux/virtio_config.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "virtio/net_header.h"

#define DEFAULT_RING_SIZE 256
#define DEFAULT_BUFFER_LEN 2048
#define BUFFER_LEN_MAX (1u << 20)
#define BIT(n) (1ull << (n))

struct rx_buffer {
	struct iovec *pieces; /* rx_queue.n_pieces, one descriptor each */
	uint32_t used_len;    /* what the device said it wrote */
};

struct rx_queue {
	struct driver_ring ring;
	unsigned n_buffers;
	unsigned n_pieces; /* of each buffer */
	struct rx_buffer *buffers;
	struct iovec *pieces; /* n_buffers * n_pieces */
	struct iovec *arena;  /* as many: fragments of the frames handed out */
	unsigned n_arena;
	struct rx_buffer **held; /* got from the device, oldest first; n_buffers elements */
	unsigned n_held;
	unsigned n_parsed; /* of them: belong to frames handed out */
	void **cookies;	   /* scratch, NETDRV_BATCH_MAX */
	bool broken;
};

/* A buffer of the driver's own to send from: a chain without done(). */
struct tx_slot {
	struct netdrv_chain chain;
	uint8_t *host;
};

struct tx_queue {
	struct driver_ring ring;
	struct tx_slot *slots;
	struct tx_slot **free; /* stack */
	unsigned n_free;
	unsigned in_flight;
};

struct pair {
	struct rx_queue rx;
	struct tx_queue tx;
	struct netdrv_counters counters;
} __attribute__((aligned(CACHE_LINE)));

struct netdrv {
	struct netdrv_config config;
	struct netdrv_transport *transport; /* NULL: not started */
	unsigned header_len;
	bool one_piece; /* header and frame may share a descriptor */
	struct pair *pairs;
};

static bool has(const struct netdrv *drv, unsigned feature)
{
	return drv->config.features & BIT(feature);
}

/* Puts the values that a caller left out, and refuses what cannot be. */
static int normalize(struct netdrv *drv, struct error *err)
{
	struct netdrv_config *c = &drv->config;

	if (c->n_pairs < 1 || c->n_pairs > NETDRV_PAIRS_MAX)
		return error_set(err, -EINVAL, "%u queue pairs: must be 1..%u", c->n_pairs,
				 NETDRV_PAIRS_MAX);
	c->rx_ring_size = c->rx_ring_size ?: DEFAULT_RING_SIZE;
	c->tx_ring_size = c->tx_ring_size ?: DEFAULT_RING_SIZE;
	c->rx_buffer_len = c->rx_buffer_len ?: DEFAULT_BUFFER_LEN;
	c->tx_buffer_len = c->tx_buffer_len ?: DEFAULT_BUFFER_LEN;
	c->tx_buffers = c->tx_buffers ?: c->tx_ring_size;
	c->indirect_min = c->indirect_min ?: 2;
	if (!has(drv, VIRTIO_RING_F_INDIRECT_DESC))
		c->indirect_len = 0;
	/* Legacy devices expect the header in a buffer of its own (virtio 1.2, 5.1.6.6). */
	if (!drv->one_piece && !has(drv, VIRTIO_NET_F_MRG_RXBUF) && c->rx_first_len == 0 &&
	    c->rx_piece_len == 0)
		c->rx_first_len = drv->header_len;
	if (c->rx_buffer_len < drv->header_len || c->rx_buffer_len > BUFFER_LEN_MAX ||
	    c->tx_buffer_len < drv->header_len || c->tx_buffer_len > BUFFER_LEN_MAX)
		return error_set(err, -EINVAL, "buffers must have %u..%u bytes", drv->header_len,
				 BUFFER_LEN_MAX);
	return 0;
}

/* Length of piece @i of a receive buffer, of which @left bytes remain. */
static uint32_t piece_len(const struct netdrv_config *c, unsigned i, uint32_t left)
{
	uint32_t len = i == 0 && c->rx_first_len ? c->rx_first_len : c->rx_piece_len;

	return len && len < left ? len : left;
}

static unsigned count_pieces(const struct netdrv_config *c)
{
	uint32_t left = c->rx_buffer_len;
	unsigned n = 0;

	do {
		left -= piece_len(c, n, left);
		n++;
	} while (left > 0);
	return n;
}

static int ring_create(struct driver_ring *ring, const struct netdrv_config *c, uint32_t size,
		       struct sharedmem *mem, struct error *err)
{
	struct driver_config config = {
		.features = c->features,
		.size = size,
		.memory = &mem->memory,
		.indirect_len = c->indirect_len,
		.indirect_min = c->indirect_min,
	};
	struct driver_layout layout;
	int rc = driver_layout(c->features, size, &layout);

	if (rc != 0)
		return error_set(err, rc, "a ring cannot have %u entries", size);
	config.ring = sharedmem_alloc(mem, layout.size, layout.align);
	if (c->indirect_len > 0)
		config.indirect = sharedmem_alloc(mem, 16ull * size * c->indirect_len, 16);
	if (config.ring == NULL || (c->indirect_len > 0 && config.indirect == NULL))
		return error_set(err, -ENOMEM, "shared memory is too small for the rings");
	return driver_ring_init(ring, &config, err);
}

/* Gives every buffer its memory. Pieces start on cache lines, so that between them there are
 * mostly bytes that belong to none. */
static int rx_layout(struct rx_queue *q, const struct netdrv_config *c, struct sharedmem *mem)
{
	for (unsigned b = 0; b < q->n_buffers; b++) {
		uint32_t left = c->rx_buffer_len;

		q->buffers[b].pieces = &q->pieces[b * q->n_pieces];
		for (unsigned i = 0; i < q->n_pieces; i++) {
			uint32_t len = piece_len(c, i, left);
			void *host = sharedmem_alloc(mem, len, CACHE_LINE);

			if (host == NULL)
				return -ENOMEM;
			q->buffers[b].pieces[i] =
				(struct iovec){ .iov_base = host, .iov_len = len };
			left -= len;
		}
	}
	return 0;
}

static int rx_create(struct rx_queue *q, const struct netdrv_config *c, struct sharedmem *mem,
		     struct error *err)
{
	size_t total;
	int rc = ring_create(&q->ring, c, c->rx_ring_size, mem, err);

	if (rc != 0)
		return rc;
	q->n_pieces = count_pieces(c);
	q->n_buffers = c->rx_ring_size;
	if (q->n_pieces < c->indirect_min || q->n_pieces > c->indirect_len)
		q->n_buffers /= q->n_pieces;
	total = (size_t)q->n_buffers * q->n_pieces;
	if (total == 0)
		return error_set(err, -EINVAL,
				 "a receive buffer of %u descriptors does not fit a ring of %u",
				 q->n_pieces, c->rx_ring_size);
	q->buffers = calloc(q->n_buffers, sizeof(*q->buffers));
	q->held = calloc(q->n_buffers, sizeof(struct rx_buffer *));
	q->pieces = calloc(total, sizeof(*q->pieces));
	q->arena = calloc(total, sizeof(*q->arena));
	q->cookies = calloc(NETDRV_BATCH_MAX, sizeof(void *));
	if (!q->buffers || !q->held || !q->pieces || !q->arena || !q->cookies)
		return error_set(err, -ENOMEM, "out of memory");
	rc = rx_layout(q, c, mem);
	if (rc != 0)
		return error_set(err, rc, "shared memory is too small for the receive buffers");
	/* All buffers start out as held and parsed: release() gives them to the device. */
	for (unsigned b = 0; b < q->n_buffers; b++)
		q->held[b] = &q->buffers[b];
	q->n_held = q->n_parsed = q->n_buffers;
	return 0;
}

static int tx_create(struct tx_queue *q, const struct netdrv_config *c, struct sharedmem *mem,
		     struct error *err)
{
	int rc = ring_create(&q->ring, c, c->tx_ring_size, mem, err);

	if (rc != 0)
		return rc;
	q->slots = calloc(c->tx_buffers, sizeof(*q->slots));
	q->free = calloc(c->tx_buffers, sizeof(struct tx_slot *));
	if (!q->slots || !q->free)
		return error_set(err, -ENOMEM, "out of memory");
	for (unsigned i = 0; i < c->tx_buffers; i++) {
		q->slots[i].host = sharedmem_alloc(mem, c->tx_buffer_len, CACHE_LINE);
		if (q->slots[i].host == NULL)
			return error_set(err, -ENOMEM,
					 "shared memory is too small for the send buffers");
		q->free[q->n_free++] = &q->slots[i];
	}
	return 0;
}

int netdrv_create(struct netdrv **out, const struct netdrv_config *config, struct sharedmem *mem,
		  struct error *err)
{
	struct netdrv *drv = calloc(1, sizeof(*drv));
	int rc;

	if (drv == NULL)
		return error_set(err, -ENOMEM, "out of memory");
	drv->config = *config;
	drv->header_len = net_header_len(config->features);
	drv->one_piece = has(drv, VIRTIO_F_VERSION_1) || has(drv, VIRTIO_F_ANY_LAYOUT);
	rc = normalize(drv, err);
	if (rc != 0)
		goto destroy;
	drv->pairs = aligned_alloc(CACHE_LINE, drv->config.n_pairs * sizeof(*drv->pairs));
	if (drv->pairs == NULL) {
		rc = error_set(err, -ENOMEM, "out of memory");
		goto destroy;
	}
	memset(drv->pairs, 0, drv->config.n_pairs * sizeof(*drv->pairs));
	for (unsigned i = 0; i < drv->config.n_pairs; i++) {
		rc = rx_create(&drv->pairs[i].rx, &drv->config, mem, err);
		if (rc == 0)
			rc = tx_create(&drv->pairs[i].tx, &drv->config, mem, err);
		if (rc != 0)
			goto destroy;
	}
	*out = drv;
	return 0;
destroy:
	netdrv_destroy(drv);
	return rc;
}

void netdrv_destroy(struct netdrv *drv)
{
	if (drv == NULL)
		return;
	for (unsigned i = 0; drv->pairs != NULL && i < drv->config.n_pairs; i++) {
		struct pair *pair = &drv->pairs[i];

		driver_ring_destroy(&pair->tx.ring);
		free(pair->tx.free);
		free(pair->tx.slots);
		driver_ring_destroy(&pair->rx.ring);
		free(pair->rx.cookies);
		free(pair->rx.arena);
		free(pair->rx.pieces);
		free(pair->rx.held);
		free(pair->rx.buffers);
	}
	free(drv->pairs);
	free(drv);
}

int netdrv_start(struct netdrv *drv, struct netdrv_transport *transport, struct error *err)
{
	drv->transport = NULL; /* the old device is not kicked any more */
	for (unsigned i = 0; i < drv->config.n_pairs; i++)
		netdrv_release(drv, i);
	for (unsigned i = 0; i < 2 * drv->config.n_pairs; i++) {
		const struct driver_ring *ring = netdrv_ring(drv, i);
		struct netdrv_ring_info info = {
			.size = ring->config.size,
			.desc = ring->desc,
			.driver = ring->driver,
			.device = ring->device,
			.base = driver_ring_base(ring),
		};
		int rc = transport->ops->start_queue(transport, i, &info, err);

		if (rc != 0)
			return rc;
	}
	drv->transport = transport;
	for (unsigned i = 0; i < 2 * drv->config.n_pairs; i++)
		netdrv_kick(drv, i);
	return 0;
}

unsigned netdrv_header_len(const struct netdrv *drv)
{
	return drv->header_len;
}

static void publish(struct netdrv *drv, unsigned index, struct driver_ring *ring, uint64_t *n_kicks)
{
	driver_ring_publish(ring);
	if (drv->transport != NULL && driver_ring_wants_kick(ring)) {
		drv->transport->ops->kick(drv->transport, index);
		(*n_kicks)++;
	}
}

/* Copies header and frame to @to; the caller checked that they fit. */
static void gather(const struct netdrv *drv, uint8_t *to, const struct netdrv_frame *frame)
{
	memcpy(to, &frame->header, drv->header_len);
	to += drv->header_len;
	for (unsigned i = 0; i < frame->n_iov; i++) {
		memcpy(to, frame->iov[i].iov_base, frame->iov[i].iov_len);
		to += frame->iov[i].iov_len;
	}
}

static int send_one(struct netdrv *drv, struct tx_queue *q, const struct netdrv_frame *frame)
{
	struct tx_slot *slot;
	struct iovec iov[2];
	int rc;

	if (q->n_free == 0)
		return -ENOSPC;
	slot = q->free[q->n_free - 1];
	gather(drv, slot->host, frame);
	iov[0] = (struct iovec){ slot->host, drv->header_len };
	iov[1] = (struct iovec){ slot->host + drv->header_len, frame->len };
	if (drv->one_piece)
		iov[0].iov_len += frame->len;
	rc = driver_ring_add(&q->ring, iov, drv->one_piece ? 1 : 2, NULL, 0, &slot->chain);
	if (rc == 0)
		q->n_free--;
	return rc;
}

unsigned netdrv_send(struct netdrv *drv, unsigned index, const struct netdrv_frame *frames,
		     unsigned n)
{
	struct pair *pair = &drv->pairs[index];
	unsigned i;

	netdrv_reap(drv, index);
	for (i = 0; i < n; i++) {
		if (frames[i].len > drv->config.tx_buffer_len - drv->header_len ||
		    send_one(drv, &pair->tx, &frames[i]) != 0)
			break;
		pair->counters.tx_bytes += frames[i].len;
	}
	pair->counters.tx_frames += i;
	pair->tx.in_flight += i;
	if (i > 0)
		netdrv_push(drv, index);
	return i;
}

int netdrv_send_chain(struct netdrv *drv, unsigned index, const struct iovec *iov, unsigned n,
		      struct netdrv_chain *chain)
{
	struct pair *pair = &drv->pairs[index];
	int rc = driver_ring_add(&pair->tx.ring, iov, n, NULL, 0, chain);

	if (rc != 0)
		return rc;
	for (unsigned i = 0; i < n; i++)
		pair->counters.tx_bytes += iov[i].iov_len;
	pair->counters.tx_bytes -= drv->header_len;
	pair->counters.tx_frames++;
	pair->tx.in_flight++;
	return 0;
}

void netdrv_push(struct netdrv *drv, unsigned index)
{
	struct pair *pair = &drv->pairs[index];

	publish(drv, 2 * index + 1, &pair->tx.ring, &pair->counters.tx_kicks);
}

unsigned netdrv_reap(struct netdrv *drv, unsigned index)
{
	struct tx_queue *q = &drv->pairs[index].tx;
	void *cookies[NETDRV_BATCH_MAX];
	uint32_t lens[NETDRV_BATCH_MAX];
	unsigned n, total = 0;

	while ((n = driver_ring_get_batch(&q->ring, cookies, lens, NETDRV_BATCH_MAX)) > 0) {
		for (unsigned i = 0; i < n; i++) {
			struct netdrv_chain *chain = cookies[i];

			if (chain->done != NULL)
				chain->done(chain);
			else
				q->free[q->n_free++] = container_of(chain, struct tx_slot, chain);
		}
		total += n;
	}
	q->in_flight -= total;
	return total;
}

unsigned netdrv_in_flight(const struct netdrv *drv, unsigned index)
{
	return drv->pairs[index].tx.in_flight;
}

/* Gets what the device has used, up to @max buffers, behind what is held. */
static void hold(struct rx_queue *q, unsigned max)
{
	uint32_t lens[NETDRV_BATCH_MAX];
	unsigned n;

	n = driver_ring_get_batch(&q->ring, q->cookies, lens, min(max, (unsigned)NETDRV_BATCH_MAX));
	for (unsigned i = 0; i < n; i++) {
		struct rx_buffer *buffer = q->cookies[i];

		buffer->used_len = lens[i];
		q->held[q->n_held++] = buffer;
	}
}

/* Adds the used part of @buffer to the arena. Returns the elements, or -1 when the device claims to
 * have written more than there is room for. */
static int scatter(struct rx_queue *q, const struct rx_buffer *buffer)
{
	uint32_t left = buffer->used_len;
	unsigned i;

	for (i = 0; i < q->n_pieces && left > 0; i++) {
		struct iovec *iov = &q->arena[q->n_arena + i];

		*iov = buffer->pieces[i];
		iov->iov_len = min(iov->iov_len, (size_t)left);
		left -= (uint32_t)iov->iov_len;
	}
	return left > 0 ? -1 : (int)i;
}

/* How many buffers the frame at the front of the held ones takes; 0: not all of them are here yet;
 * -1: the device broke the rules. */
static int frame_buffers(struct netdrv *drv, struct rx_queue *q,
			 const struct virtio_net_hdr_v1 *header)
{
	unsigned n = 1;

	if (has(drv, VIRTIO_NET_F_MRG_RXBUF))
		n = le16toh(header->num_buffers);
	if (n == 0 || n > q->n_buffers)
		return -1;
	while (q->n_held - q->n_parsed < n) {
		unsigned before = q->n_held;

		hold(q, n - (q->n_held - q->n_parsed));
		if (q->n_held == before)
			return 0;
	}
	return (int)n;
}

/* Makes a frame of the held buffers. 1: done, 0: it is not whole yet, -1: rules broken. */
static int parse(struct netdrv *drv, struct rx_queue *q, struct netdrv_frame *frame)
{
	unsigned start = q->n_arena;
	struct iovec *iov = &q->arena[start];
	int n = scatter(q, q->held[q->n_parsed]), rest, n_buffers;
	uint32_t len = q->held[q->n_parsed]->used_len;

	frame->header = (struct virtio_net_hdr_v1){ .num_buffers = htole16(1) };
	if (n < 0)
		return -1;
	rest = net_header_pull(&iov, (unsigned)n, &frame->header, drv->header_len);
	if (rest < 0)
		return -1;
	n_buffers = frame_buffers(drv, q, &frame->header);
	if (n_buffers <= 0)
		return n_buffers;
	q->n_arena += (unsigned)n;
	for (int i = 1; i < n_buffers; i++) {
		n = scatter(q, q->held[q->n_parsed + (unsigned)i]);
		if (n < 0)
			return -1;
		q->n_arena += (unsigned)n;
		rest += n;
		len += q->held[q->n_parsed + (unsigned)i]->used_len;
	}
	q->n_parsed += (unsigned)n_buffers;
	frame->iov = iov;
	frame->n_iov = (unsigned)rest;
	frame->len = len - drv->header_len;
	return 1;
}

unsigned netdrv_receive(struct netdrv *drv, unsigned index, struct netdrv_frame *frames,
			unsigned max)
{
	struct pair *pair = &drv->pairs[index];
	struct rx_queue *q = &pair->rx;
	unsigned n = 0;

	max = min(max, (unsigned)NETDRV_BATCH_MAX);
	if (q->broken)
		return 0;
	if (q->n_held - q->n_parsed < max)
		hold(q, max - (q->n_held - q->n_parsed));
	while (n < max && q->n_parsed < q->n_held) {
		int rc = parse(drv, q, &frames[n]);

		if (rc < 0)
			q->broken = true;
		if (rc <= 0)
			break;
		pair->counters.rx_bytes += frames[n].len;
		n++;
	}
	pair->counters.rx_frames += n;
	return n;
}

void netdrv_release(struct netdrv *drv, unsigned index)
{
	struct pair *pair = &drv->pairs[index];
	struct rx_queue *q = &pair->rx;

	if (q->broken || q->n_parsed == 0)
		return;
	for (unsigned i = 0; i < q->n_parsed; i++) {
		struct rx_buffer *buffer = q->held[i];

		/* The ring has room for every buffer: only a broken one refuses. */
		if (driver_ring_add(&q->ring, NULL, 0, buffer->pieces, q->n_pieces, buffer) != 0) {
			q->broken = true;
			return;
		}
	}
	q->n_held -= q->n_parsed;
	memmove(q->held, q->held + q->n_parsed, q->n_held * sizeof(struct rx_buffer *));
	q->n_parsed = 0;
	q->n_arena = 0;
	publish(drv, 2 * index, &q->ring, &pair->counters.rx_kicks);
}

bool netdrv_rx_enable_call(struct netdrv *drv, unsigned index)
{
	return driver_ring_enable_call(&drv->pairs[index].rx.ring);
}

void netdrv_rx_disable_call(struct netdrv *drv, unsigned index)
{
	driver_ring_disable_call(&drv->pairs[index].rx.ring);
}

bool netdrv_tx_enable_call(struct netdrv *drv, unsigned index)
{
	return driver_ring_enable_call(&drv->pairs[index].tx.ring);
}

void netdrv_tx_disable_call(struct netdrv *drv, unsigned index)
{
	driver_ring_disable_call(&drv->pairs[index].tx.ring);
}

int netdrv_call_fd(const struct netdrv *drv, unsigned index)
{
	return drv->transport ? drv->transport->ops->call_fd(drv->transport, index) : -1;
}

void netdrv_kick(struct netdrv *drv, unsigned index)
{
	if (drv->transport != NULL)
		drv->transport->ops->kick(drv->transport, index);
}

bool netdrv_broken(const struct netdrv *drv, unsigned index)
{
	const struct pair *pair = &drv->pairs[index];

	return pair->rx.broken || pair->rx.ring.broken || pair->tx.ring.broken;
}

const struct netdrv_counters *netdrv_counters(const struct netdrv *drv, unsigned index)
{
	return &drv->pairs[index].counters;
}

struct driver_ring *netdrv_ring(struct netdrv *drv, unsigned index)
{
	struct pair *pair = &drv->pairs[index / 2];

	return index % 2 ? &pair->tx.ring : &pair->rx.ring;
}
