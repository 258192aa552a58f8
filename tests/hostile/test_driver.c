// SPDX-License-Identifier: Apache-2.0
/* A malicious driver: rings that break every rule there is. The port shows what was wrong, and
 * nobody else notices.
 */
#include <errno.h>
#include <linux/virtio_config.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "hostile/world.h"
#include "virtio/packed.h"
#include "virtio/ring.h"

#define BIT(n) (1ull << (n))
#define MODERN (BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_NET_F_MRG_RXBUF))
#define INDIRECT BIT(VIRTIO_RING_F_INDIRECT_DESC)
#define PACKED BIT(VIRTIO_F_RING_PACKED)
#define RING 512
#define MEM_SIZE (16u << 20)
#define N_REGIONS 3 /* two that touch, a gap, a third */

enum queue { RX, TX }; /* of the guest: its ring 0, its ring 1 */

/* A guest whose ring is written by hand. */
struct evil {
	struct guest guest;
	enum queue queue;
	struct driver_ring *ring;
	bool packed;
	struct vring_desc desc[RING]; /* of the attack, as in a split ring */
	struct vring_desc *table;     /* an indirect one, RING entries, in the guest's memory */
	uint64_t table_addr;
	uint64_t buffer; /* address of 2048 bytes that hold a header and a frame */
	uint16_t write;	 /* VRING_DESC_F_WRITE on a receive queue */
	uint16_t head;	 /* what the attack makes available */
	uint16_t ahead;	 /* and how far beyond that the index goes */
};

struct attack {
	const char *name;
	void (*build)(struct evil *);
	enum ring_fault fault;	/* RING_OK: the port has to live with it */
	enum ring_fault packed; /* in a packed ring, if it is another one */
	bool only_split;	/* there is no such thing in a packed ring */
	bool without_indirect;	/* the feature is not negotiated */
	bool only_tx, only_rx;
};

/* ---- the attacks; desc[0] is the head unless said otherwise */

static void set(struct evil *e, unsigned i, uint64_t addr, uint32_t len, unsigned flags,
		unsigned next)
{
	e->desc[i] = (struct vring_desc){ addr, len, (uint16_t)flags, (uint16_t)next };
}

static void set_table(struct evil *e, unsigned i, uint64_t addr, uint32_t len, unsigned flags,
		      unsigned next)
{
	/* packed: struct vring_packed_desc, in which id and flags are the last two */
	e->table[i] = e->packed ? (struct vring_desc){ addr, len, 0, (uint16_t)flags }
				: (struct vring_desc){ addr, len, (uint16_t)flags, (uint16_t)next };
}

static uint64_t region(unsigned i)
{
	const struct guest_config config = { .mem_size = MEM_SIZE };

	return guest_region_addr(&config, i);
}

static void buffer_at(struct evil *e, uint64_t addr, uint32_t len)
{
	set(e, 0, addr, len, e->write, 0);
}

static void outside(struct evil *e)
{
	buffer_at(e, region(0) - 4096, 64);
}

static void at_zero(struct evil *e)
{
	buffer_at(e, 0, 64);
}

static void just_before(struct evil *e)
{
	buffer_at(e, region(0) - 1, 64);
}

static void straddling_end(struct evil *e)
{
	buffer_at(e, region(1) + MEM_SIZE - 32, 64);
}

static void straddling_gap(struct evil *e)
{
	buffer_at(e, region(1) + MEM_SIZE - 32, (uint32_t)(region(2) - region(1)));
}

static void after_end(struct evil *e)
{
	buffer_at(e, region(2) + MEM_SIZE, 1);
}

static void wrapping(struct evil *e)
{
	buffer_at(e, UINT64_MAX - 16, 64);
}

static void wrapping_into_memory(struct evil *e)
{
	buffer_at(e, UINT64_MAX, 0xffffffff);
}

static void huge(struct evil *e)
{
	buffer_at(e, e->buffer, 0xffffffff);
}

static void host_address(struct evil *e)
{
	buffer_at(e, (uintptr_t)e->guest.mem.regions[0].host, 64);
}

static void second_bad(struct evil *e)
{
	set(e, 0, e->buffer, 64, e->write | VRING_DESC_F_NEXT, 1);
	set(e, 1, 1, 64, e->write, 0);
}

static void four_gigabytes(struct evil *e)
{
	for (unsigned i = 0; i < 300; i++)
		set(e, i, region(0), MEM_SIZE, e->write | VRING_DESC_F_NEXT, i + 1);
	set(e, 300, region(0), MEM_SIZE, e->write, 0);
}

static void next_beyond(struct evil *e)
{
	set(e, 0, e->buffer, 64, e->write | VRING_DESC_F_NEXT, RING);
}

static void next_far_beyond(struct evil *e)
{
	set(e, 0, e->buffer, 64, e->write | VRING_DESC_F_NEXT, 0xffff);
}

static void head_beyond(struct evil *e)
{
	e->head = RING;
}

static void head_far_beyond(struct evil *e)
{
	e->head = 0xffff;
}

static void loop_one(struct evil *e)
{
	set(e, 0, e->buffer, 64, e->write | VRING_DESC_F_NEXT, 0);
}

static void loop_two(struct evil *e)
{
	set(e, 0, e->buffer, 64, e->write | VRING_DESC_F_NEXT, 1);
	set(e, 1, e->buffer, 0, e->write | VRING_DESC_F_NEXT, 0);
}

static void loop_all(struct evil *e)
{
	for (unsigned i = 0; i < RING; i++)
		set(e, i, e->buffer, 1, e->write | VRING_DESC_F_NEXT, (i + 1) % RING);
}

static void runaway(struct evil *e)
{
	buffer_at(e, e->buffer, 64);
	e->ahead = RING + 1;
}

static void jump(struct evil *e)
{
	buffer_at(e, e->buffer, 64);
	e->ahead = 0x8000;
}

static void backwards(struct evil *e)
{
	buffer_at(e, e->buffer, 64);
	e->ahead = 0xfffe;
}

static void readable_behind_writable(struct evil *e)
{
	set(e, 0, e->buffer, 64, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 1);
	set(e, 1, e->buffer, 64, 0, 0);
}

static void not_writable(struct evil *e)
{
	set(e, 0, e->buffer, 2048, 0, 0);
}

/* The table is right, as far as it goes. */
static void indirect_len(struct evil *e, uint32_t len)
{
	for (unsigned i = 0; i < RING; i++)
		set_table(e, i, e->buffer, 64, e->write, 0);
	set(e, 0, e->table_addr, len, VRING_DESC_F_INDIRECT, 0);
}

static void indirect_good(struct evil *e)
{
	indirect_len(e, 16);
}

static void indirect_empty(struct evil *e)
{
	indirect_len(e, 0);
}

static void indirect_odd(struct evil *e)
{
	indirect_len(e, 24);
}

static void indirect_huge(struct evil *e)
{
	indirect_len(e, 0xfffffff0);
}

static void indirect_with_next(struct evil *e)
{
	indirect_len(e, 16);
	e->desc[0].flags |= VRING_DESC_F_NEXT;
	e->desc[0].next = 1;
}

static void indirect_nested(struct evil *e)
{
	indirect_len(e, 32);
	set_table(e, 0, e->table_addr, 16, VRING_DESC_F_INDIRECT, 0);
}

static void indirect_nested_later(struct evil *e)
{
	indirect_len(e, 32);
	set_table(e, 0, e->buffer, 64, e->write | VRING_DESC_F_NEXT, 1);
	set_table(e, 1, e->table_addr, 32, VRING_DESC_F_INDIRECT, 0);
}

static void indirect_next_beyond(struct evil *e)
{
	indirect_len(e, 32);
	set_table(e, 0, e->buffer, 64, e->write | VRING_DESC_F_NEXT, 2);
}

static void indirect_loop(struct evil *e)
{
	indirect_len(e, 32);
	set_table(e, 0, e->buffer, 64, e->write | VRING_DESC_F_NEXT, 1);
	set_table(e, 1, e->buffer, 64, e->write | VRING_DESC_F_NEXT, 0);
}

static void indirect_outside(struct evil *e)
{
	indirect_len(e, 16);
	e->desc[0].addr = 64;
}

static void indirect_straddling(struct evil *e)
{
	indirect_len(e, 32);
	e->desc[0].addr = region(1) + MEM_SIZE - 16;
	e->table = (struct vring_desc *)(e->guest.mem.regions[1].host + MEM_SIZE - 16);
	set_table(e, 0, e->buffer, 64, e->write | VRING_DESC_F_NEXT, 1);
}

static void indirect_bad_buffer(struct evil *e)
{
	indirect_len(e, 16);
	e->table[0].addr = UINT64_MAX;
}

static void indirect_behind_direct(struct evil *e)
{
	indirect_len(e, 16);
	e->desc[1] = e->desc[0];
	set(e, 0, e->buffer, 64, e->write | VRING_DESC_F_NEXT, 1);
}

static void zero_length(struct evil *e)
{
	buffer_at(e, e->buffer, 0);
}

static void zero_lengths(struct evil *e)
{
	for (unsigned i = 0; i < RING - 1; i++)
		set(e, i, e->buffer, 0, e->write | VRING_DESC_F_NEXT, i + 1);
	set(e, RING - 1, e->buffer, 0, e->write, 0);
}

static void less_than_a_header(struct evil *e)
{
	buffer_at(e, e->buffer, 11);
}

static void header_alone(struct evil *e)
{
	buffer_at(e, e->buffer, 12);
}

static void long_frame(struct evil *e)
{
	buffer_at(e, region(0), MEM_SIZE);
}

static void only_writable(struct evil *e)
{
	set(e, 0, e->buffer, 2048, VRING_DESC_F_WRITE, 0);
}

static void overlapping_buffers(struct evil *e)
{
	for (unsigned i = 0; i < 40; i++)
		set(e, i, e->buffer + i, 40, e->write | VRING_DESC_F_NEXT, i + 1);
	set(e, 40, e->buffer, 40, e->write, 0);
}

/* The packet is the ring itself: the device writes over descriptors while it uses them. */
static void buffer_is_ring(struct evil *e)
{
	uint64_t addr =
		region(0) + (uint64_t)((uint8_t *)e->ring->desc - e->guest.mem.regions[0].host);

	buffer_at(e, addr, 2048);
}

static void unknown_flags(struct evil *e)
{
	set(e, 0, e->buffer, 100, e->write | 0xfff8, 0);
}

static void bad_offload(struct evil *e)
{
	memset(e->guest.mem.regions[2].host, 0xff, 12);
	buffer_at(e, e->buffer, 100);
}

static const struct attack attacks[] = {
	{ "buffer below memory", outside, .fault = RING_FAULT_ADDRESS },
	{ "buffer at 0", at_zero, .fault = RING_FAULT_ADDRESS },
	{ "buffer starts below memory", just_before, .fault = RING_FAULT_ADDRESS },
	{ "buffer straddles the end", straddling_end, .fault = RING_FAULT_ADDRESS },
	{ "buffer straddles a gap", straddling_gap, .fault = RING_FAULT_ADDRESS },
	{ "buffer above memory", after_end, .fault = RING_FAULT_ADDRESS },
	{ "buffer wraps", wrapping, .fault = RING_FAULT_ADDRESS },
	{ "buffer wraps into memory", wrapping_into_memory, .fault = RING_FAULT_ADDRESS },
	{ "buffer of 4 GiB", huge, .fault = RING_FAULT_ADDRESS },
	{ "buffer at a host address", host_address, .fault = RING_FAULT_ADDRESS },
	{ "second buffer outside", second_bad, .fault = RING_FAULT_ADDRESS },
	{ "chain of 4 GiB", four_gigabytes, .fault = RING_FAULT_CHAIN_LENGTH },
	{ "next beyond the table", next_beyond, .fault = RING_FAULT_DESC_INDEX,
	  .only_split = true },
	{ "next far beyond the table", next_far_beyond, .fault = RING_FAULT_DESC_INDEX,
	  .only_split = true },
	{ "head beyond the table", head_beyond, .fault = RING_FAULT_DESC_INDEX,
	  .only_split = true },
	{ "head far beyond the table", head_far_beyond, .fault = RING_FAULT_DESC_INDEX,
	  .only_split = true },
	{ "loop of one", loop_one, .fault = RING_FAULT_LOOP },
	{ "loop of two, one of them empty", loop_two, .fault = RING_FAULT_LOOP },
	{ "loop of the whole ring", loop_all, .fault = RING_FAULT_LOOP },
	{ "index runs away", runaway, .fault = RING_FAULT_AVAIL_INDEX, .only_split = true },
	{ "index jumps", jump, .fault = RING_FAULT_AVAIL_INDEX, .only_split = true },
	{ "index goes back", backwards, .fault = RING_FAULT_AVAIL_INDEX, .only_tx = true,
	  .only_split = true },
	{ "readable behind writable", readable_behind_writable, .fault = RING_FAULT_DIRECTION },
	{ "receive buffer to be read", not_writable, .fault = RING_FAULT_NO_WRITABLE,
	  .only_rx = true },
	{ "indirect, not negotiated", indirect_good, .fault = RING_FAULT_INDIRECT_FEATURE,
	  .without_indirect = true },
	{ "indirect table of 0 bytes", indirect_empty, .fault = RING_FAULT_INDIRECT_SIZE },
	{ "indirect table of 24 bytes", indirect_odd, .fault = RING_FAULT_INDIRECT_SIZE },
	{ "indirect table of 4 GiB", indirect_huge, .fault = RING_FAULT_INDIRECT_SIZE },
	{ "indirect with next", indirect_with_next, .fault = RING_FAULT_INDIRECT_NEXT },
	{ "indirect in indirect", indirect_nested, .fault = RING_FAULT_INDIRECT_NESTED,
	  .only_split = true },
	{ "indirect in indirect, later", indirect_nested_later, .fault = RING_FAULT_INDIRECT_NESTED,
	  .only_split = true },
	{ "next beyond the indirect table", indirect_next_beyond, .fault = RING_FAULT_DESC_INDEX,
	  .only_split = true },
	{ "loop in the indirect table", indirect_loop, .fault = RING_FAULT_LOOP,
	  .only_split = true },
	{ "indirect table outside", indirect_outside, .fault = RING_FAULT_ADDRESS },
	{ "indirect table straddles the end", indirect_straddling, .fault = RING_FAULT_ADDRESS },
	{ "buffer of an indirect table outside", indirect_bad_buffer, .fault = RING_FAULT_ADDRESS },
	{ "indirect behind direct", indirect_behind_direct, .fault = RING_OK,
	  .packed = RING_FAULT_INDIRECT_NEXT },
	{ "indirect, as it should be", indirect_good, .fault = RING_OK },
	{ "buffer of no byte", zero_length, .fault = RING_OK, .only_tx = true },
	{ "many buffers of no byte", zero_lengths, .fault = RING_OK, .only_tx = true },
	{ "less than a header", less_than_a_header, .fault = RING_OK },
	{ "a header alone", header_alone, .fault = RING_OK },
	{ "frame of 16 MiB", long_frame, .fault = RING_OK, .only_tx = true },
	{ "nothing to read", only_writable, .fault = RING_OK, .only_tx = true },
	{ "buffers overlap", overlapping_buffers, .fault = RING_OK },
	{ "buffer is the ring", buffer_is_ring, .fault = RING_OK, .only_tx = true },
	{ "unknown flags", unknown_flags, .fault = RING_OK },
	{ "offload that was not negotiated", bad_offload, .fault = RING_OK, .only_tx = true },
};

/* ---- how they are carried out */

static void evil_open(struct world *w, struct evil *e, enum queue queue, uint64_t features)
{
	struct guest_config config = {
		.path = w->path,
		.features = MODERN | features,
		.mem_size = MEM_SIZE,
		.n_regions = N_REGIONS,
		.net = { .rx_ring_size = RING, .tx_ring_size = RING, .tx_buffers = 16 },
	};
	struct error err;

	config.required = config.features;
	if (guest_open(&e->guest, &config, &err) != 0)
		fail_msg("%s", err.text);
	if (guest_wait(&e->guest, 10000) != 0)
		fail_msg("the evil guest cannot connect: %s", e->guest.why);
	e->queue = queue;
	e->ring = netdrv_ring(e->guest.drv, queue == TX);
	e->packed = features & PACKED;
	memset(e->desc, 0, sizeof(e->desc));
	e->table = (struct vring_desc *)(e->guest.mem.regions[2].host + 65536);
	e->table_addr = region(2) + 65536;
	e->buffer = region(2);
	memset(e->guest.mem.regions[2].host, 0, 12);
	guest_ethernet(e->guest.mem.regions[2].host + 12, PEER_MAC, EVIL_MAC);
	e->write = queue == RX ? VRING_DESC_F_WRITE : 0;
	e->head = 0;
	e->ahead = 0;
}

/* A receive ring is full of buffers: all become the bad one. */
static void show_split(struct evil *e)
{
	struct vring_avail *avail = e->ring->driver;
	uint16_t idx = avail->idx;

	memcpy(e->ring->desc, e->desc, sizeof(e->desc));
	if (e->queue == TX)
		avail->ring[idx++ % RING] = e->head;
	else
		for (unsigned i = 0; i < RING; i++)
			avail->ring[i] = e->head;
	__atomic_store_n(&avail->idx, (uint16_t)(idx + e->ahead), __ATOMIC_RELEASE);
}

/* Descriptors of the chain, at most RING. */
static unsigned chain_len(const struct evil *e)
{
	unsigned n = 1;

	for (unsigned i = 0; n < RING && e->desc[i].flags & VRING_DESC_F_NEXT; n++)
		i = e->desc[i].next;
	return n;
}

/* The chain once, or as often as the ring holds it. Its first descriptor is written last. */
static void show_packed(struct evil *e)
{
	unsigned n = chain_len(e), times = e->queue == TX ? 1 : RING / n;
	struct vring_packed_desc *ring = e->ring->desc;

	for (unsigned at = n * times; at-- > 0;) {
		unsigned from = 0;

		for (unsigned i = 0; i < at % n; i++)
			from = e->desc[from].next;
		ring[at].addr = e->desc[from].addr;
		__atomic_store_n(
			(uint64_t *)&ring[at].len,
			packed_pack(e->desc[from].len, 0,
				    (e->desc[from].flags & ~(PACKED_F_AVAIL | PACKED_F_USED)) |
					    packed_avail_bits(true)),
			__ATOMIC_RELEASE);
	}
}

/* Shows what was built to the device. */
static void show(struct world *w, struct evil *e)
{
	if (e->packed)
		show_packed(e);
	else
		show_split(e);
	netdrv_kick(e->guest.drv, e->queue == TX);
	if (e->queue == RX)
		world_peer_turn(w, 8);
}

/* Waits until the back-end says that it has given the ring up. */
static void expect_broken(struct world *w, struct evil *e, const char *name)
{
	struct pollfd fd = { frontend_err_fd(e->guest.frontend, e->queue == TX), POLLIN, 0 };
	uint64_t end = clock_ns() + 10 * NSEC_PER_SEC;

	while (poll(&fd, 1, 20) == 0) {
		world_check(w);
		if (clock_ns() > end)
			fail_msg("%s: the front-end was not told that its ring is broken", name);
		if (e->queue == RX)
			world_peer_turn(w, 8);
	}
}

static bool all_used(const struct evil *e)
{
	const struct vring_used *used = e->ring->device;
	const struct vring_avail *avail = e->ring->driver;
	const struct vring_packed_desc *first = e->ring->desc;

	if (e->packed)
		return packed_is_used(__atomic_load_n(&first->flags, __ATOMIC_ACQUIRE), true);
	return __atomic_load_n(&used->idx, __ATOMIC_ACQUIRE) == avail->idx;
}

/* Waits until the device has used all that it was given. */
static void expect_used(struct world *w, struct evil *e, const char *name)
{
	uint64_t end = clock_ns() + 10 * NSEC_PER_SEC;

	while (!all_used(e)) {
		world_check(w);
		if (clock_ns() > end)
			fail_msg("%s: chain not used", name);
		usleep(100);
	}
}

static void attack(struct world *w, const struct attack *a, enum queue queue, bool packed,
		   bool look)
{
	enum ring_fault fault = packed && a->packed != RING_OK ? a->packed : a->fault;
	const char *direction = queue == TX ? "rx" : "tx"; /* as the switch sees it */
	struct evil e;

	evil_open(w, &e, queue, (a->without_indirect ? 0 : INDIRECT) | (packed ? PACKED : 0));
	a->build(&e);
	show(w, &e);
	if (fault != RING_OK)
		expect_broken(w, &e, a->name);
	else if (queue == TX)
		expect_used(w, &e, a->name);
	if (look)
		world_expect_state(w, direction, ring_fault_text(fault), a->name);
	guest_close(&e.guest);
}

static void test_attacks(void **state)
{
	struct world *w = *state;
	unsigned n_rounds = scaled(1000), n = 0;

	for (unsigned i = 0; n < n_rounds; i = (i + 1) % (4 * ARRAY_SIZE(attacks))) {
		const struct attack *a = &attacks[i / 4];
		enum queue queue = i % 2;
		bool packed = i / 2 % 2;

		if ((queue == TX && a->only_rx) || (queue == RX && a->only_tx) ||
		    (packed && a->only_split))
			continue;
		attack(w, a, queue, packed, n < 4 * ARRAY_SIZE(attacks) || n % 20 == 0);
		world_check(w);
		if (++n == 100 || n == n_rounds) {
			world_expect_service(w, a->name);
			if (n == 100)
				world_baseline(w);
		}
	}
	if (n > 100)
		world_check_growth(w);
}

static uint64_t next_random(uint64_t *x)
{
	*x = *x * 6364136223846793005ull + 1442695040888963407ull;
	return *x >> 33;
}

/* Fills the ring with what looks right at first sight, more or less. */
static void scribble(struct evil *e, uint64_t *x)
{
	struct vring_avail *avail = e->ring->driver;
	struct vring_desc *descs = e->ring->desc;

	for (unsigned i = 0; i < RING; i++) {
		struct vring_desc *d = next_random(x) % 8 ? &descs[i] : &e->table[i];
		uint16_t flags = next_random(x) % 20 ? (uint16_t)(next_random(x) % 2 | e->write)
						     : (uint16_t)next_random(x);

		d->addr = region((unsigned)(next_random(x) % 3)) + next_random(x) % (MEM_SIZE + 9);
		d->len = next_random(x) % 50 ? (uint32_t)next_random(x) % 3000
					     : (uint32_t)next_random(x);
		if (flags & VRING_DESC_F_INDIRECT) {
			d->addr = e->table_addr;
			d->len = 16 * (uint32_t)(next_random(x) % (RING + 1));
		}
		d->flags = flags;
		d->next = (uint16_t)(next_random(x) % (RING + (next_random(x) % 50 == 0)));
		if (e->packed) /* where the flags are, mostly available this time around or next */
			d->next = (uint16_t)(flags | packed_avail_bits(next_random(x) % 2));
		else
			avail->ring[i] = (uint16_t)(next_random(x) % RING);
	}
	if (!e->packed)
		__atomic_store_n(&avail->idx, (uint16_t)(avail->idx + next_random(x) % 40),
				 __ATOMIC_RELEASE);
}

/* Rings of noise, which goes on changing while the device reads it. */
static void test_noise(void **state)
{
	struct world *w = *state;
	uint64_t x = 7;

	for (unsigned n = 0; n < scaled(60); n++) {
		enum queue queue = n % 2;
		struct evil e;

		evil_open(w, &e, queue, INDIRECT | (n / 2 % 2 ? PACKED : 0));
		for (unsigned turn = 0; turn < 20; turn++) {
			scribble(&e, &x);
			netdrv_kick(e.guest.drv, queue == TX);
			if (queue == RX)
				world_peer_turn(w, 8);
		}
		guest_close(&e.guest);
		world_check(w);
		if (n == 10)
			world_baseline(w);
	}
	world_expect_service(w, "noise");
	if (w->fds != 0)
		world_check_growth(w);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		WORLD_TEST(test_attacks),
		WORLD_TEST(test_noise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
