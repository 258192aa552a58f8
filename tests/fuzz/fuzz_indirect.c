// SPDX-License-Identifier: Apache-2.0
/* libFuzzer target: one chain of descriptors with indirect tables, of either layout, that lie
 * anywhere in guest memory: over borders of regions, at odd addresses, on top of each other. A
 * second, simple reading of the specification says which bytes the chain stands for, or what is
 * wrong with it; the ring must say the same.
 */
#include <linux/virtio_config.h>
#include <stdbool.h>
#include <stddef.h>

#include "input.h"
#include "virtio/guestmem.h"
#include "virtio/packed.h"
#include "virtio/ring.h"

#define REGION_LEN 0x400u
#define N_REGIONS 3
#define SIZE_MAX_LOG2 4
#define DESCS_MAX 16
#define PIECES_MAX RING_ARENA_LEN /* a table may go round and round */

/* The second goes on behind the first, the third lies alone. */
static const uint64_t addrs[N_REGIONS] = { 0x1000, 0x1000 + REGION_LEN, 0x8000 };

static struct {
	struct input in;
	bool packed, indirect; /* features */
	uint32_t size;
	struct guestmem *mem;
	struct vring_desc *descs;
	struct vring_avail *avail;
	void *device;
} w;

/* What a chain stands for, or why it is wrong. */
struct meaning {
	enum ring_fault fault;
	bool writable;	 /* one was among them */
	uint64_t len[2]; /* bytes: readable, writable */
	uint16_t id;
	unsigned n;
	struct iovec pieces[PIECES_MAX]; /* in order, each in one region */
};

/* ---- the simple reading */

/* The region that a byte is in; NULL: none. */
static const struct guestmem_range *region_of(uint64_t addr)
{
	for (unsigned i = 0; i < N_REGIONS; i++)
		if (addr >= addrs[i] && addr - addrs[i] < REGION_LEN)
			return &w.mem->ranges[i];
	return NULL;
}

/* One byte of guest memory; NULL: there is none. */
static uint8_t *byte_at(uint64_t addr)
{
	const struct guestmem_range *r = region_of(addr);

	return r ? r->host + (addr - r->guest_addr) : NULL;
}

static bool read_desc(uint64_t addr, struct vring_desc *d)
{
	uint8_t bytes[sizeof(*d)];

	for (unsigned i = 0; i < sizeof(bytes); i++) {
		const uint8_t *byte = byte_at(addr + i);

		if (!byte)
			return false;
		bytes[i] = *byte;
	}
	memcpy(d, bytes, sizeof(bytes));
	return true;
}

/* Flags lie elsewhere in a packed descriptor. */
static unsigned flags_of(const struct vring_desc *d)
{
	return w.packed ? d->next : d->flags;
}

static void mean_pieces(struct meaning *m, uint64_t addr, uint64_t len)
{
	while (len && !m->fault) {
		const struct guestmem_range *r = region_of(addr);
		uint64_t part;

		if (!r) {
			m->fault = RING_FAULT_ADDRESS;
			return;
		}
		if (m->n == PIECES_MAX) {
			m->fault = RING_FAULT_CHAIN_LENGTH;
			return;
		}
		part = min(len, r->guest_addr + r->size - addr);
		m->pieces[m->n++] = (struct iovec){ byte_at(addr), part };
		addr += part;
		len -= part;
	}
}

static void mean_buffer(struct meaning *m, const struct vring_desc *d)
{
	bool in = flags_of(d) & VRING_DESC_F_WRITE;

	if (!in && m->writable)
		m->fault = RING_FAULT_DIRECTION;
	m->writable = m->writable || in;
	if (m->fault)
		return;
	m->len[in] += d->len;
	if (m->len[0] + m->len[1] > UINT32_MAX)
		m->fault = RING_FAULT_CHAIN_LENGTH;
	else
		mean_pieces(m, d->addr, d->len);
}

static void mean_table(struct meaning *m, const struct vring_desc *head)
{
	unsigned n = head->len / 16, i = 0, seen = 0;
	struct vring_desc d;

	if (!w.indirect)
		m->fault = RING_FAULT_INDIRECT_FEATURE;
	else if (!n || head->len % 16 || n > RING_SIZE_MAX)
		m->fault = RING_FAULT_INDIRECT_SIZE;
	else if (head->addr + head->len < head->addr)
		m->fault = RING_FAULT_ADDRESS;
	else if (!w.packed && head->flags & VRING_DESC_F_NEXT)
		m->fault = RING_FAULT_INDIRECT_NEXT;
	while (!m->fault && (!w.packed || i < n)) {
		if (i >= n)
			m->fault = RING_FAULT_DESC_INDEX;
		else if (seen++ == n)
			m->fault = RING_FAULT_LOOP;
		else if (!read_desc(head->addr + 16ull * i, &d))
			m->fault = RING_FAULT_ADDRESS;
		else if (!w.packed && d.flags & VRING_DESC_F_INDIRECT)
			m->fault = RING_FAULT_INDIRECT_NESTED;
		else
			mean_buffer(m, &d);
		if (w.packed)
			i++;
		else if (!m->fault && !(d.flags & VRING_DESC_F_NEXT))
			return;
		else if (!m->fault)
			i = d.next;
	}
}

/* The chain whose head is descriptor 0. */
static void mean_chain(struct meaning *m)
{
	unsigned at = 0;

	for (unsigned seen = 0; !m->fault; seen++) {
		struct vring_desc d;

		if (seen == w.size) {
			m->fault = RING_FAULT_LOOP;
			return;
		}
		d = w.descs[at];
		m->id = w.packed ? d.flags : 0;
		if (flags_of(&d) & VRING_DESC_F_INDIRECT) {
			if (w.packed && (seen || flags_of(&d) & VRING_DESC_F_NEXT))
				m->fault = RING_FAULT_INDIRECT_NEXT;
			else
				mean_table(m, &d);
			return;
		}
		mean_buffer(m, &d);
		if (m->fault || !(flags_of(&d) & VRING_DESC_F_NEXT))
			return;
		at = w.packed ? at + 1 : d.next;
		if (!w.packed && at >= w.size)
			m->fault = RING_FAULT_DESC_INDEX;
		at %= w.size;
	}
}

/* ---- what the driver writes */

/* Somewhere in memory, or near it. */
static uint64_t some_addr(void)
{
	uint64_t addr =
		addrs[take_choice(&w.in, N_REGIONS)] + take_number(&w.in, 2) % (REGION_LEN + 16);

	return take_choice(&w.in, 64) == 1 ? UINT64_MAX - (addr & 0xff) : addr;
}

/* @table: it may well refer to one. @next: the index behind it. */
static struct vring_desc some_desc(bool table, unsigned next, bool last)
{
	unsigned choice = take_choice(&w.in, 256);
	uint16_t flags = (uint16_t)(choice & VRING_DESC_F_WRITE);
	struct vring_desc d = { .addr = some_addr(), .len = (uint32_t)take_number(&w.in, 1) };

	if (table && choice & 4) {
		flags = VRING_DESC_F_INDIRECT;
		d.len = 16 * (1 + take_choice(&w.in, DESCS_MAX));
	} else if (!last) {
		flags |= VRING_DESC_F_NEXT;
	}
	if ((choice & 0xf8) == 8) /* odd */
		flags = (uint16_t)take_choice(&w.in, 8);
	if ((choice & 0xf8) == 16)
		d.len = (uint32_t)take_number(&w.in, 4);
	if ((choice & 0xf8) == 24)
		next = take_choice(&w.in, 256);
	d.flags = w.packed ? (uint16_t)take_choice(&w.in, 16) : flags; /* an id */
	d.next = w.packed ? (uint16_t)(flags | packed_avail_bits(true)) : (uint16_t)next;
	return d;
}

static void write_table(uint64_t addr, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct vring_desc d = some_desc(false, i + 1, i + 1 == n);

		for (unsigned b = 0; b < sizeof(d); b++) {
			uint8_t *byte = byte_at(addr + 16ull * i + b);

			if (byte)
				*byte = ((const uint8_t *)&d)[b];
		}
	}
}

/* With a table wherever a descriptor says that there is one. */
static void write_chain(void)
{
	unsigned n = 1 + take_choice(&w.in, w.size);

	for (unsigned i = 0; i < n; i++)
		w.descs[i] = some_desc(true, i + 1, i + 1 == n);
	for (unsigned i = 0; i < n; i++)
		if (flags_of(&w.descs[i]) & VRING_DESC_F_INDIRECT)
			write_table(w.descs[i].addr, min(w.descs[i].len / 16, 2u * DESCS_MAX));
}

/* ---- */

static void compare(const struct meaning *m, const struct ring *ring, const struct ring_chain *c,
		    unsigned n)
{
	require(n == (m->fault == RING_OK));
	require(ring_fault(ring) == m->fault);
	if (!n)
		return;
	require(c->out_len == m->len[0] && c->in_len == m->len[1] && c->id == m->id);
	require((unsigned)c->n_out + c->n_in == m->n);
	for (unsigned i = 0; i < m->n; i++)
		require(c->iov[i].iov_base == m->pieces[i].iov_base &&
			c->iov[i].iov_len == m->pieces[i].iov_len);
}

static void begin(unsigned choice)
{
	w.packed = choice & 1;
	w.indirect = choice & 2 || choice & 4;
	w.size = 1u << take_choice(&w.in, SIZE_MAX_LOG2 + 1);
	w.mem = calloc(1, sizeof(*w.mem) + N_REGIONS * sizeof(w.mem->ranges[0]));
	require(w.mem);
	w.mem->n_ranges = N_REGIONS;
	for (unsigned i = 0; i < N_REGIONS; i++)
		w.mem->ranges[i] = (struct guestmem_range){ .guest_addr = addrs[i],
							    .size = REGION_LEN,
							    .host = zeroed(REGION_LEN) };
	w.descs = zeroed(16 * w.size);
	w.avail = zeroed(6 + 2 * w.size);
	w.device = zeroed(6 + 8 * w.size);
}

static void end(void)
{
	for (unsigned i = 0; i < N_REGIONS; i++)
		free(w.mem->ranges[i].host);
	free(w.mem);
	free(w.descs);
	free(w.avail);
	free(w.device);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct iovec arena[RING_ARENA_LEN];
	static struct meaning meaning;
	struct ring_config config;
	struct ring_chain chain;
	struct ring ring;
	struct error err;
	unsigned n;

	w.in = (struct input){ data, size };
	begin(take_choice(&w.in, 8));
	write_chain();
	w.avail->idx = 1;
	config = (struct ring_config){
		.features = (w.packed ? 1ull << VIRTIO_F_RING_PACKED : 0) |
			    (w.indirect ? 1ull << VIRTIO_RING_F_INDIRECT_DESC : 0),
		.size = w.size,
		.desc = w.descs,
		.driver = w.avail,
		.device = w.device,
		.base = w.packed ? PACKED_F_WRAP : 0,
	};
	require(ring_start(&ring, &config, &err) == 0);
	n = ring_take(&ring, w.mem, &chain, 1, arena, RING_ARENA_LEN);
	memset(&meaning, 0, offsetof(struct meaning, pieces));
	mean_chain(&meaning);
	compare(&meaning, &ring, &chain, n);
	end();
	return 0;
}
