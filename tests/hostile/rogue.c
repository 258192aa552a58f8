// SPDX-License-Identifier: Apache-2.0
// A guest of which everything is written by hand.

#include "hostile/rogue.h"

#include <linux/virtio_config.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/compiler.h"
#include "virtio/inflight.h"
#include "virtio/net_header.h"
#include "virtio/packed.h"

#define EDGE_BYTE 0xed
#define RING_BYTES 0x4000u /* of RINGS for each ring; the table is behind them */
#define DRIVER_AT 0x2000u
#define DEVICE_AT 0x3000u
#define LOG_PAGE 4096u
#define LOG_LEN 0x8000u /* bytes of the dirty log: the memory ends below 0x40000000 */
#define PROTOCOL_FEATURES                                                                  \
	(1ull << VHOST_USER_PROTOCOL_F_MQ | 1ull << VHOST_USER_PROTOCOL_F_LOG_SHMFD |      \
	 1ull << VHOST_USER_PROTOCOL_F_REPLY_ACK | 1ull << VHOST_USER_PROTOCOL_F_NET_MTU | \
	 1ull << VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS |                               \
	 1ull << VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD |                                    \
	 1ull << VHOST_USER_PROTOCOL_F_RESET_DEVICE | 1ull << VHOST_USER_PROTOCOL_F_STATUS)

static const struct {
	uint64_t addr;
	uint32_t size;
} places[ROGUE_N_REGIONS] = {
	[ROGUE_RINGS] = { 0x10000000, 4 * RING_BYTES },
	[ROGUE_LOW] = { 0x20000000, ROGUE_SIZE },
	[ROGUE_HIGH] = { 0x20000000 + ROGUE_SIZE, ROGUE_SIZE },
	[ROGUE_FAR] = { 0x30000000, ROGUE_SIZE },
};

/* ---- memory */

static bool make_region(struct rogue *r, unsigned i)
{
	uint32_t size = places[i].size, len = size + 2 * ROGUE_EDGE;
	int fd = memfd_create("rogue", MFD_CLOEXEC);
	uint8_t *file, *model = malloc(size);

	r->regions[i].fd = fd;
	r->regions[i].model = model;
	if (fd < 0 || model == NULL || ftruncate(fd, len) != 0)
		return false;
	file = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (file == MAP_FAILED)
		return false;
	memset(file, EDGE_BYTE, len);
	r->regions[i].addr = places[i].addr;
	r->regions[i].size = size;
	r->regions[i].file = file;
	r->regions[i].host = file + ROGUE_EDGE;
	return true;
}

bool rogue_init(struct rogue *r)
{
	memset(r, 0, sizeof(*r));
	r->raw.fd = r->notes_fd = -1;
	for (unsigned i = 0; i < ROGUE_N_REGIONS; i++)
		r->regions[i].fd = -1;
	for (unsigned i = 0; i < 2; i++)
		r->rings[i].err_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	for (unsigned i = 0; i < ROGUE_N_REGIONS; i++)
		if (!make_region(r, i))
			return false;
	return true;
}

void rogue_destroy(struct rogue *r)
{
	for (unsigned i = 0; i < ROGUE_N_REGIONS; i++) {
		if (r->regions[i].file != NULL)
			munmap(r->regions[i].file, r->regions[i].size + 2 * ROGUE_EDGE);
		if (r->regions[i].fd >= 0)
			close(r->regions[i].fd);
		free(r->regions[i].model);
	}
	for (unsigned i = 0; i < 2; i++)
		close(r->rings[i].err_fd);
}

/* Each byte tells where it is, more or less, and of which filling; rings start empty. */
static void fill(struct rogue *r, uint8_t seed)
{
	for (unsigned i = 0; i < ROGUE_N_REGIONS; i++)
		for (uint32_t at = 0; at < r->regions[i].size; at++)
			r->regions[i].host[at] = (uint8_t)(at * 7 + (at >> 8) + 64 * i + seed);
	memset(r->regions[ROGUE_RINGS].host, 0, r->regions[ROGUE_RINGS].size);
}

int rogue_find(const struct rogue *r, uint64_t addr, uint32_t len)
{
	for (int i = 0; i < ROGUE_N_REGIONS; i++) {
		uint64_t offset = addr - r->regions[i].addr;

		if (offset < r->regions[i].size && len <= r->regions[i].size - offset)
			return i;
	}
	return -1;
}

uint8_t *rogue_byte(const struct rogue *r, uint64_t addr, bool model)
{
	int i = rogue_find(r, addr, 1);

	if (i < 0)
		return NULL;
	return (model ? r->regions[i].model : r->regions[i].host) + (addr - r->regions[i].addr);
}

/* Copies between @bytes and a list, either way, up to @len bytes. Returns how many. */
static size_t copy(const struct rogue *r, const struct rogue_buffer *list, unsigned n,
		   uint32_t skip, uint8_t *bytes, size_t len, bool model, bool to_memory)
{
	size_t done = 0;

	for (unsigned i = 0; i < n; i++) {
		for (uint32_t at = min(skip, list[i].len); at < list[i].len && done < len; at++) {
			uint8_t *p = rogue_byte(r, list[i].addr + at, model);

			if (p == NULL)
				return done;
			if (to_memory)
				*p = bytes[done++];
			else
				bytes[done++] = *p;
		}
		skip -= min(skip, list[i].len);
	}
	return done;
}

void rogue_write(struct rogue *r, const struct rogue_buffer *list, unsigned n, uint32_t skip,
		 const void *bytes, size_t len)
{
	copy(r, list, n, skip, (uint8_t *)bytes, len, false, true);
}

void rogue_model_write(struct rogue *r, const struct rogue_buffer *list, unsigned n, uint32_t skip,
		       const void *bytes, size_t len)
{
	copy(r, list, n, skip, (uint8_t *)bytes, len, true, true);
}

size_t rogue_model_read(const struct rogue *r, const struct rogue_buffer *list, unsigned n,
			uint32_t skip, void *to, size_t max)
{
	return copy(r, list, n, skip, to, max, true, false);
}

/* ---- set-up */

/* Empty rings at the place where they start. */
static void clear_ring(struct rogue *r, unsigned queue)
{
	struct rogue_ring *ring = &r->rings[queue];
	uint8_t *host = r->regions[ROGUE_RINGS].host + queue * RING_BYTES;
	uint32_t base = r->config.base[queue];
	int err_fd = ring->err_fd;

	*ring = (struct rogue_ring){ .desc = host,
				     .driver = host + DRIVER_AT,
				     .device = host + DEVICE_AT,
				     .err_fd = err_fd };
	memset(host, 0, RING_BYTES);
	rogue_broken(r, queue);
	if (r->packed) {
		struct vring_packed_desc *descs = ring->desc;

		ring->avail = ring->used = base & 0x7fff;
		ring->avail_wrap = ring->used_wrap = base & 0x8000;
		/* as the last time around has left them */
		for (unsigned i = 0; i < min(r->config.size, (unsigned)ROGUE_RING_MAX); i++)
			descs[i].flags = (uint16_t)packed_used_bits(!ring->used_wrap);
		return;
	}
	ring->avail = ring->used = (uint16_t)base;
	((struct vring_avail *)ring->driver)->idx = (uint16_t)base;
	((struct vring_used *)ring->device)->idx = (uint16_t)base;
}

bool rogue_send_table(struct rogue *r)
{
	struct vhost_user_memory memory = { .n_regions = ROGUE_N_REGIONS };
	uint32_t len = 8 + ROGUE_N_REGIONS * sizeof(memory.regions[0]);
	int fds[ROGUE_N_REGIONS];

	for (unsigned i = 0; i < ROGUE_N_REGIONS; i++) {
		memory.regions[i] =
			(struct vhost_user_region){ r->regions[i].addr, r->regions[i].size,
						    r->regions[i].addr + ROGUE_USER, ROGUE_EDGE };
		fds[i] = r->regions[i].fd;
	}
	return raw_send(&r->raw, VHOST_USER_SET_MEM_TABLE, VHOST_USER_VERSION, len, &memory, len,
			fds, ROGUE_N_REGIONS);
}

bool rogue_send_addr(struct rogue *r, unsigned queue, unsigned ring)
{
	uint64_t at = places[ROGUE_RINGS].addr + ROGUE_USER + (uint64_t)ring * RING_BYTES;
	struct vhost_user_vring_addr addr = {
		.index = queue, .desc = at, .avail = at + DRIVER_AT, .used = at + DEVICE_AT
	};

	return raw_send(&r->raw, VHOST_USER_SET_VRING_ADDR, VHOST_USER_VERSION, sizeof(addr), &addr,
			sizeof(addr), NULL, 0);
}

bool rogue_send_fd(struct rogue *r, uint32_t request, unsigned queue, int fd)
{
	uint64_t u64 = queue;

	return raw_send(&r->raw, request, VHOST_USER_VERSION, 8, &u64, 8, &fd, 1);
}

static bool start_ring(struct rogue *r, unsigned queue)
{
	struct raw *raw = &r->raw;

	return raw_vring_state(raw, VHOST_USER_SET_VRING_NUM, queue, r->config.size) &&
	       raw_vring_state(raw, VHOST_USER_SET_VRING_BASE, queue, r->config.base[queue]) &&
	       rogue_send_addr(r, queue, queue) &&
	       rogue_send_fd(r, VHOST_USER_SET_VRING_ERR, queue, r->rings[queue].err_fd) &&
	       rogue_send_fd(r, VHOST_USER_SET_VRING_CALL, queue, raw->event_fds[0]) &&
	       rogue_send_fd(r, VHOST_USER_SET_VRING_KICK, queue, raw->event_fds[1]) &&
	       raw_vring_state(raw, VHOST_USER_SET_VRING_ENABLE, queue, 1);
}

void rogue_picture(struct rogue *r)
{
	for (unsigned i = 0; i < ROGUE_N_REGIONS; i++)
		memcpy(r->regions[i].model, r->regions[i].host, r->regions[i].size);
}

/* Gives the back-end where to note, a new file of zeros. */
static bool send_notes(struct rogue *r)
{
	uint64_t len = LOG_LEN;

	if (r->config.notes == ROGUE_NO_NOTES)
		return true;
	if (r->config.notes == ROGUE_INFLIGHT)
		len = 2 * inflight_queue_len(r->packed, r->config.size);
	if (r->notes_fd >= 0)
		close(r->notes_fd);
	r->notes_fd = memfd_create("rogue-notes", MFD_CLOEXEC);
	if (r->notes_fd < 0 || ftruncate(r->notes_fd, (off_t)len) != 0)
		return false;
	if (r->config.notes == ROGUE_INFLIGHT) {
		struct vhost_user_inflight shape = { len, 0, 2, (uint16_t)r->config.size, 0 };

		return raw_send(&r->raw, VHOST_USER_SET_INFLIGHT_FD, VHOST_USER_VERSION,
				sizeof(shape), &shape, sizeof(shape), &r->notes_fd, 1);
	}
	return raw_log(&r->raw, len, 0, r->notes_fd);
}

bool rogue_logged(const struct rogue *r, uint64_t addr)
{
	uint64_t page = addr / LOG_PAGE;
	uint8_t byte = 0;

	return pread(r->notes_fd, &byte, 1, (off_t)(page / 8)) == 1 && byte >> page % 8 & 1;
}

/* Nobody uses rings. */
static bool start(struct rogue *r)
{
	clear_ring(r, 0);
	clear_ring(r, 1);
	rogue_picture(r);
	return raw_u64(&r->raw, VHOST_USER_SET_FEATURES, r->config.features) &&
	       rogue_send_table(r) && send_notes(r) && start_ring(r, 0) && start_ring(r, 1) &&
	       raw_sync(&r->raw);
}

bool rogue_open(struct rogue *r, const char *path, const struct rogue_config *config, uint8_t seed)
{
	r->config = *config;
	r->config.features |= 1ull << VHOST_USER_F_PROTOCOL_FEATURES;
	if (config->notes == ROGUE_LOG)
		r->config.features |= 1ull << VHOST_USER_F_LOG_ALL;
	if (r->config.size == 0)
		r->config.size = ROGUE_RING;
	r->packed = config->features >> VIRTIO_F_RING_PACKED & 1;
	for (unsigned i = 0; i < 2; i++)
		if (r->packed && r->config.base[i] == 0)
			r->config.base[i] = 0x8000;
	r->header_len = net_header_len(config->features);
	/* whoever was there before is gone when this one is served */
	if (!raw_open(&r->raw, path, RAW_FRESH))
		return false;
	fill(r, seed);
	return raw_send(&r->raw, VHOST_USER_SET_OWNER, VHOST_USER_VERSION, 0, NULL, 0, NULL, 0) &&
	       raw_u64(&r->raw, VHOST_USER_SET_PROTOCOL_FEATURES, PROTOCOL_FEATURES) && start(r);
}

bool rogue_restart(struct rogue *r)
{
	return raw_vring_state(&r->raw, VHOST_USER_GET_VRING_BASE, 0, 0) &&
	       raw_vring_state(&r->raw, VHOST_USER_GET_VRING_BASE, 1, 0) && raw_sync(&r->raw) &&
	       start(r);
}

void rogue_close(struct rogue *r)
{
	raw_close(&r->raw);
	if (r->notes_fd >= 0)
		close(r->notes_fd);
	r->notes_fd = -1;
}

/* ---- rings */

void rogue_write_table(struct rogue *r, uint64_t addr, unsigned i, const struct vring_desc *desc)
{
	struct rogue_buffer at = { addr + 16ull * i, 16, false };
	struct vring_packed_desc packed = { desc->addr, desc->len, desc->next, desc->flags };

	rogue_write(r, &at, 1, 0, r->packed ? (const void *)&packed : (const void *)desc, 16);
}

static void put_split(struct rogue *r, struct rogue_ring *ring, unsigned slot,
		      const struct vring_desc *descs, unsigned n)
{
	struct vring_avail *avail = ring->driver;
	struct vring_desc *table = ring->desc;

	memcpy(&table[slot], descs, n * sizeof(*descs));
	avail->ring[ring->avail++ & (r->config.size - 1)] = (uint16_t)slot;
}

static void put_packed(struct rogue *r, struct rogue_ring *ring, unsigned slot,
		       const struct vring_desc *descs, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		uint64_t *words = (uint64_t *)ring->desc + 2 * (size_t)ring->avail;
		unsigned flags = descs[i].flags & ~(PACKED_F_AVAIL | PACKED_F_USED);
		uint64_t word = packed_pack(descs[i].len, (uint16_t)slot,
					    flags | packed_avail_bits(ring->avail_wrap));

		words[0] = descs[i].addr;
		if (ring->first == NULL) {
			ring->first = &words[1];
			ring->first_word = word;
		} else {
			__atomic_store_n(&words[1], word, __ATOMIC_RELEASE);
		}
		packed_advance(&ring->avail, &ring->avail_wrap, 1, r->config.size);
	}
}

void rogue_put(struct rogue *r, unsigned queue, unsigned slot, const struct vring_desc *descs,
	       unsigned n)
{
	struct rogue_ring *ring = &r->rings[queue];

	ring->n_desc[ring->n_put++ % ROGUE_RING_MAX] = (uint16_t)n;
	if (r->packed)
		put_packed(r, ring, slot, descs, n);
	else
		put_split(r, ring, slot, descs, n);
}

void rogue_kick(struct rogue *r)
{
	eventfd_write(r->raw.event_fds[1], 1);
}

void rogue_show(struct rogue *r, unsigned queue)
{
	struct rogue_ring *ring = &r->rings[queue];
	struct vring_avail *avail = ring->driver;

	rogue_picture(r);
	if (!r->packed) { /* what is about to be written */
		uint8_t *model = r->regions[ROGUE_RINGS].model;
		uint8_t *host = r->regions[ROGUE_RINGS].host;

		memcpy(model + ((uint8_t *)&avail->idx - host), &ring->avail, sizeof(ring->avail));
		__atomic_store_n(&avail->idx, ring->avail, __ATOMIC_RELEASE);
	} else if (ring->first != NULL) {
		__atomic_store_n(ring->first, ring->first_word, __ATOMIC_RELEASE);
		ring->first = NULL;
	}
	rogue_kick(r);
}

static bool used_split(struct rogue *r, struct rogue_ring *ring, uint32_t *id, uint32_t *len)
{
	struct vring_used *used = ring->device;
	const struct vring_used_elem *elem = &used->ring[ring->used & (r->config.size - 1)];

	if (__atomic_load_n(&used->idx, __ATOMIC_ACQUIRE) == ring->used)
		return false;
	*id = elem->id;
	*len = elem->len;
	ring->used++;
	return true;
}

static bool used_packed(struct rogue *r, struct rogue_ring *ring, uint32_t *id, uint32_t *len)
{
	const uint64_t *word = (uint64_t *)ring->desc + 2 * (size_t)ring->used + 1;
	struct packed_word d = packed_unpack(__atomic_load_n(word, __ATOMIC_ACQUIRE));

	if (!packed_is_used(d.flags, ring->used_wrap))
		return false;
	*id = d.id;
	*len = d.len;
	packed_advance(&ring->used, &ring->used_wrap, ring->n_desc[ring->n_used % ROGUE_RING_MAX],
		       r->config.size);
	return true;
}

bool rogue_used(struct rogue *r, unsigned queue, uint32_t *id, uint32_t *len)
{
	struct rogue_ring *ring = &r->rings[queue];

	if (ring->n_used == ring->n_put)
		return false;
	if (!(r->packed ? used_packed(r, ring, id, len) : used_split(r, ring, id, len)))
		return false;
	ring->n_used++;
	return true;
}

bool rogue_broken(struct rogue *r, unsigned queue)
{
	eventfd_t value;

	return eventfd_read(r->rings[queue].err_fd, &value) == 0;
}

/* ---- what may not have changed */

/* The first byte that differs, or @len. */
static uint32_t differs(const uint8_t *a, const uint8_t *b, uint32_t len)
{
	uint32_t at = 0;

	if (memcmp(a, b, len) == 0)
		return len;
	while (a[at] == b[at])
		at++;
	return at;
}

/* Makes @seen, a copy of RINGS, be what the model is in what the device may write of a ring. */
static void allow_ring(const struct rogue *r, unsigned queue, uint8_t *seen)
{
	const uint8_t *model = r->regions[ROGUE_RINGS].model + queue * RING_BYTES;
	uint32_t len = r->packed ? 4 : 6 + 8 * r->config.size;

	seen += queue * RING_BYTES;
	memcpy(seen + DEVICE_AT, model + DEVICE_AT, len);
	if (r->packed)
		memcpy(seen, model, 16ul * r->config.size);
}

/* Where a region differs from the model, or its size. The device goes on meanwhile. */
static uint32_t stray_in(const struct rogue *r, unsigned i)
{
	uint32_t size = r->regions[i].size;
	uint8_t seen[4 * RING_BYTES];

	memcpy(seen, r->regions[i].host, size);
	for (unsigned queue = 0; i == ROGUE_RINGS && queue < 2; queue++)
		allow_ring(r, queue, seen);
	return differs(seen, r->regions[i].model, size);
}

uint64_t rogue_stray(const struct rogue *r, bool only_edges)
{
	uint8_t edge[ROGUE_EDGE];

	memset(edge, EDGE_BYTE, sizeof(edge));
	for (unsigned i = 0; i < ROGUE_N_REGIONS; i++) {
		uint64_t addr = r->regions[i].addr;
		const uint8_t *behind = r->regions[i].host + r->regions[i].size;
		uint32_t size = r->regions[i].size, at;

		at = differs(r->regions[i].file, edge, ROGUE_EDGE);
		if (at < ROGUE_EDGE)
			return addr - ROGUE_EDGE + at;
		at = differs(behind, edge, ROGUE_EDGE);
		if (at < ROGUE_EDGE)
			return addr + size + at;
		at = only_edges ? size : stray_in(r, i);
		if (at < size)
			return addr + at;
	}
	return 0;
}
