// SPDX-License-Identifier: Apache-2.0
/* Every frame intact: frames of every length through a real vireod, in every layout of descriptors,
 * compared byte for byte.
 *
 *	guest a --- vhost-user "a" --- vireod --- vhost-user "b" --- guest b
 */
#include <errno.h>
#include <linux/virtio_config.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "guest/daemon.h"
#include "guest/guest.h"

#define BIT(n) (1ull << (n))
#define MODERN BIT(VIRTIO_F_VERSION_1)
#define MRG BIT(VIRTIO_NET_F_MRG_RXBUF)
#define INDIRECT BIT(VIRTIO_RING_F_INDIRECT_DESC)
#define EVENT BIT(VIRTIO_RING_F_EVENT_IDX)
#define PACKED (MODERN | BIT(VIRTIO_F_RING_PACKED))
#define IN_ORDER BIT(VIRTIO_F_IN_ORDER)

#define LEN_MIN 14
#define LEN_MAX 1518
#define DESCS_MAX 64
#define SLOTS 32
#define SLOT_LEN 4096
#define WAIT_NS (20 * NSEC_PER_SEC)

/* How a sends and b receives. */
struct combo {
	const char *name;
	uint64_t a, b; /* features */
	uint32_t tx_ring, rx_ring;
	uint32_t rx_buffer, rx_first, rx_piece; /* 0: see netdrv_config */
	uint16_t tx_indirect, rx_indirect;	/* longest table */
};

/* A frame on its way. */
struct slot {
	struct netdrv_chain chain;
	bool busy;
	uint8_t *memory; /* SLOT_LEN shared bytes, the pieces lie scattered in it */
	uint8_t frame[LEN_MAX];
	uint32_t len;
};

struct world {
	struct daemon daemon;
	struct guest a, b;
	struct slot slots[SLOTS];
	uint64_t random;
	uint64_t n_frames;
};

static uint32_t rnd(struct world *w, uint32_t below)
{
	w->random = w->random * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(w->random >> 33) % below;
}

static void done(struct netdrv_chain *chain)
{
	container_of(chain, struct slot, chain)->busy = false;
}

static void connect_guest(struct world *w, struct guest *guest, const char *name, bool listen,
			  uint64_t features, const struct netdrv_config *net, unsigned n_regions)
{
	char path[128];
	struct guest_config config = {
		.path = path,
		.listen = listen,
		.features = features,
		.required = features,
		.mem_size = 16 << 20,
		.n_regions = n_regions,
		.net = *net,
	};
	struct error err;

	snprintf(path, sizeof(path), "%s/%s.sock", w->daemon.dir, name);
	if (guest_open(guest, &config, &err) != 0)
		fail_msg("%s: %s", name, err.text);
}

static void wait_guest(struct guest *guest, const char *name)
{
	if (guest_wait(guest, 10000) != 0)
		fail_msg("%s does not get ready: %s", name, guest->why);
}

static void connect_pair(struct world *w, const struct combo *c, bool listen, unsigned n_regions)
{
	struct netdrv_config tx = {
		.tx_ring_size = c->tx_ring,
		.indirect_len = c->tx_indirect,
	};
	struct netdrv_config rx = {
		.rx_ring_size = c->rx_ring,
		.rx_buffer_len = c->rx_buffer,
		.rx_first_len = c->rx_first,
		.rx_piece_len = c->rx_piece,
		.indirect_len = c->rx_indirect,
	};

	connect_guest(w, &w->a, listen ? "la" : "a", listen, c->a, &tx, n_regions);
	connect_guest(w, &w->b, listen ? "lb" : "b", listen, c->b, &rx, n_regions);
	wait_guest(&w->a, "a");
	wait_guest(&w->b, "b");
	for (unsigned i = 0; i < SLOTS; i++) {
		w->slots[i] = (struct slot){ .chain = { done } };
		w->slots[i].memory = sharedmem_alloc(&w->a.mem, SLOT_LEN, 64);
		assert_non_null(w->slots[i].memory);
	}
}

static void disconnect_pair(struct world *w)
{
	guest_close(&w->a);
	guest_close(&w->b);
}

static int compare_u32(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* Cuts @total bytes into @n pieces; ends[i] is where piece i ends. One kind of cut in three goes
 * through the virtio-net header, one takes it apart byte for byte. Pieces may be empty. */
static void cut(struct world *w, uint32_t total, uint32_t header_len, unsigned n, uint32_t *ends)
{
	uint32_t kind = rnd(w, 3);

	for (unsigned i = 0; i < n - 1; i++) {
		ends[i] = rnd(w, total + 1);
		if (kind == 1 && i == 0)
			ends[i] = 1 + rnd(w, header_len);
		if (kind == 2 && i < header_len)
			ends[i] = i + 1;
	}
	ends[n - 1] = total;
	qsort(ends, n, sizeof(ends[0]), compare_u32);
}

/* Lays header and frame of @slot out in its memory, in @n pieces with gaps between them. */
static void lay_out(struct world *w, struct slot *slot, unsigned n, struct iovec *iov)
{
	uint32_t header_len = netdrv_header_len(w->a.drv), total = header_len + slot->len, at = 0;
	uint8_t bytes[12 + LEN_MAX] = { 0 }, *to = slot->memory;
	uint32_t ends[DESCS_MAX];

	memcpy(bytes + header_len, slot->frame, slot->len);
	memset(slot->memory, 0xee, SLOT_LEN);
	cut(w, total, header_len, n, ends);
	for (unsigned i = 0; i < n; i++) {
		to += rnd(w, 8);
		iov[i] = (struct iovec){ to, ends[i] - at };
		memcpy(to, bytes + at, ends[i] - at);
		to += ends[i] - at;
		at = ends[i];
	}
}

static void make_frame(struct world *w, struct slot *slot, uint32_t len)
{
	slot->len = len;
	for (uint32_t i = guest_ethernet(slot->frame, 0xb, 0xa); i < len; i++)
		slot->frame[i] = (uint8_t)rnd(w, 256);
}

static void send_slot(struct world *w, const struct combo *c, struct slot *slot)
{
	unsigned most = min(c->tx_ring, (uint32_t)DESCS_MAX), n = 1 + rnd(w, most);
	struct iovec iov[DESCS_MAX];
	uint64_t end = clock_ns() + WAIT_NS;
	int rc;

	lay_out(w, slot, n, iov);
	slot->busy = true;
	while ((rc = netdrv_send_chain(w->a.drv, 0, iov, n, &slot->chain)) == -ENOSPC) {
		netdrv_push(w->a.drv, 0);
		netdrv_reap(w->a.drv, 0);
		sched_yield();
		if (clock_ns() > end)
			fail_msg("%s: the switch does not take frames", c->name);
	}
	assert_int_equal(rc, 0);
	netdrv_push(w->a.drv, 0);
}

static void compare(const struct combo *c, const struct slot *slot,
		    const struct netdrv_frame *frame)
{
	uint32_t at = 0;

	if (frame->len != slot->len)
		fail_msg("%s: %u bytes sent, %u received", c->name, slot->len, frame->len);
	for (unsigned i = 0; i < frame->n_iov; i++) {
		const uint8_t *bytes = frame->iov[i].iov_base;

		for (size_t j = 0; j < frame->iov[i].iov_len; j++, at++)
			if (bytes[j] != slot->frame[at])
				fail_msg("%s: frame of %u bytes: byte %u differs", c->name,
					 slot->len, at);
	}
	assert_int_equal(at, slot->len);
	assert_int_equal(frame->header.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM, 0);
	assert_int_equal(frame->header.gso_type, VIRTIO_NET_HDR_GSO_NONE);
}

/* Receives @n frames and compares them with the slots. */
static void receive(struct world *w, const struct combo *c, unsigned n)
{
	uint64_t end = clock_ns() + WAIT_NS;
	unsigned got = 0;

	while (got < n) {
		struct netdrv_frame frames[NETDRV_BATCH_MAX];
		unsigned k = netdrv_receive(w->b.drv, 0, frames, n - got);

		for (unsigned i = 0; i < k; i++)
			compare(c, &w->slots[got++], &frames[i]);
		netdrv_release(w->b.drv, 0);
		if (k > 0)
			continue;
		sched_yield();
		if (clock_ns() > end || netdrv_broken(w->b.drv, 0)) {
			daemon_check_alive(&w->daemon);
			fail_msg("%s: %u of %u frames of up to %u bytes came", c->name, got, n,
				 w->slots[n - 1].len);
		}
	}
	w->n_frames += n;
	while (netdrv_in_flight(w->a.drv, 0) > 0 && clock_ns() < end)
		netdrv_reap(w->a.drv, 0);
	for (unsigned i = 0; i < n; i++)
		assert_false(w->slots[i].busy);
	assert_int_equal(netdrv_receive(w->b.drv, 0, &(struct netdrv_frame){ 0 }, 1), 0);
}

/* Frames that b can take at once: never more in flight than that. */
static unsigned window(const struct world *w, const struct combo *c)
{
	uint32_t buffer = c->rx_buffer ?: 2048, pieces = 1, each;

	if (c->rx_piece != 0)
		pieces =
			1 + (buffer - (c->rx_first ?: c->rx_piece) + c->rx_piece - 1) / c->rx_piece;
	else if (c->rx_first != 0 || !(c->b & (MODERN | MRG)))
		pieces = 2;
	if (c->rx_indirect >= pieces && pieces > 1)
		pieces = 1;
	each = (LEN_MAX + netdrv_header_len(w->b.drv) + buffer - 1) / buffer;
	assert_true(c->rx_ring / pieces >= each);
	return min(c->rx_ring / pieces / each, (uint32_t)SLOTS);
}

static void run_combo(struct world *w, const struct combo *c)
{
	unsigned most = window(w, c), n = 0;

	for (uint32_t len = LEN_MIN; len <= LEN_MAX; len++) {
		make_frame(w, &w->slots[n], len);
		send_slot(w, c, &w->slots[n]);
		if (++n == most || len == LEN_MAX) {
			receive(w, c, n);
			n = 0;
		}
	}
}

static const struct combo combos[] = {
	{ "legacy, 10 bytes of header", 0, 0, 256, 256, .rx_buffer = 0 },
	{ "legacy, merged, 12 bytes of header", MRG, MRG, 256, 256, .rx_buffer = 0 },
	{ "legacy to modern", 0, MODERN, 64, 64, .rx_buffer = 0 },
	{ "modern to legacy", MODERN, 0, 64, 64, .rx_buffer = 0 },
	{ "legacy, receive buffers in pieces", 0, 0, 256, 256, .rx_buffer = 1600, .rx_first = 7,
	  .rx_piece = 97 },
	{ "ring of 2", MODERN, MODERN, 2, 2, .rx_buffer = 0 },
	{ "ring of 4", MODERN | EVENT, MODERN | EVENT, 4, 4, .rx_buffer = 0 },
	{ "ring of 8", MODERN, MODERN | MRG, 8, 8, .rx_buffer = 0 },
	{ "ring of 16", MODERN, MODERN | EVENT, 16, 16, .rx_buffer = 0 },
	{ "ring of 32", MODERN, MODERN | MRG | EVENT, 32, 32, .rx_buffer = 0 },
	{ "ring of 128", MODERN, MODERN, 128, 128, .rx_buffer = 0 },
	{ "ring of 512", MODERN | EVENT, MODERN | EVENT, 512, 512, .rx_buffer = 0 },
	{ "ring of 1024", MODERN, MODERN, 1024, 1024, .rx_buffer = 0 },
	{ "merged, buffers of 64", MODERN, MODERN | MRG, 256, 256, .rx_buffer = 64 },
	{ "merged, buffers of 64, events", MODERN | EVENT, MODERN | MRG | EVENT, 256, 1024,
	  .rx_buffer = 64 },
	{ "merged, buffers of 13", MODERN, MODERN | MRG, 256, 1024, .rx_buffer = 13 },
	{ "merged, buffers of 200 in pieces", MODERN, MODERN | MRG, 256, 256, .rx_buffer = 200,
	  .rx_first = 5, .rx_piece = 61 },
	{ "merged, buffers of 1530", MODERN, MODERN | MRG, 256, 256, .rx_buffer = 1530 },
	{ "receive header split at 1", MODERN, MODERN, 256, 256, .rx_buffer = 1600, .rx_first = 1 },
	{ "receive header split at 11", MODERN, MODERN, 256, 256, .rx_buffer = 1600,
	  .rx_first = 11 },
	{ "receive in pieces of 3 bytes", MODERN, MODERN, 256, 1024, .rx_buffer = 1530,
	  .rx_first = 2, .rx_piece = 3 },
	{ "receive in pieces of 100", MODERN, MODERN, 256, 256, .rx_buffer = 1600,
	  .rx_piece = 100 },
	{ "indirect", MODERN | INDIRECT, MODERN, 64, 64, .tx_indirect = 64 },
	{ "indirect, events", MODERN | INDIRECT | EVENT, MODERN | EVENT, 128, 128,
	  .tx_indirect = 40 },
	{ "indirect on receive", MODERN, MODERN | INDIRECT, 64, 64, .rx_buffer = 1600,
	  .rx_first = 9, .rx_piece = 37, .rx_indirect = 64 },
	{ "indirect on both, merged", MODERN | INDIRECT, MODERN | INDIRECT | MRG, 256, 64,
	  .rx_buffer = 400, .rx_piece = 33, .tx_indirect = 64, .rx_indirect = 64 },
	{ "in order, chains", MODERN | IN_ORDER, MODERN | IN_ORDER | MRG, 64, 64, .rx_buffer = 400,
	  .rx_piece = 70 },
	{ "packed ring of 3", PACKED, PACKED, 3, 3, .rx_buffer = 0 },
	{ "packed ring of 255, events", PACKED | EVENT, PACKED | EVENT, 255, 255, .rx_buffer = 0 },
	{ "packed to split", PACKED | EVENT, MODERN | MRG, 256, 256, .rx_buffer = 0 },
	{ "split to packed", MODERN, PACKED | MRG, 256, 256, .rx_buffer = 0 },
	{ "packed, merged, buffers of 64", PACKED, PACKED | MRG, 100, 1000, .rx_buffer = 64 },
	{ "packed, receive in pieces of 3 bytes", PACKED | EVENT, PACKED | EVENT, 128, 1023,
	  .rx_buffer = 1530, .rx_first = 2, .rx_piece = 3 },
	{ "packed, indirect", PACKED | INDIRECT, PACKED | INDIRECT | MRG, 65, 65, .rx_buffer = 400,
	  .rx_piece = 33, .tx_indirect = 64, .rx_indirect = 64 },
	{ "packed, in order, chains", PACKED | IN_ORDER, PACKED | IN_ORDER | MRG, 65, 66,
	  .rx_buffer = 400, .rx_piece = 70 },
	{ "packed, in order, indirect", PACKED | IN_ORDER | INDIRECT | EVENT,
	  PACKED | IN_ORDER | INDIRECT, 30, 30, .rx_buffer = 1600, .rx_piece = 100,
	  .tx_indirect = 64, .rx_indirect = 64 },
};

static void test_layouts(void **state)
{
	struct world *w = *state;

	for (unsigned round = 0; round < scaled(1); round++) {
		for (unsigned i = 0; i < ARRAY_SIZE(combos); i++) {
			connect_pair(w, &combos[i], false, 1);
			run_combo(w, &combos[i]);
			disconnect_pair(w);
		}
	}
	assert_int_equal(w->n_frames, scaled(1) * ARRAY_SIZE(combos) * (LEN_MAX - LEN_MIN + 1));
}

/* The switch connects to the guests, again and again. */
static void test_connect_mode(void **state)
{
	struct world *w = *state;

	daemon_vireo(&w->daemon,
		     "port add la type vhost-user path %s/la.sock mode connect mtu 1504",
		     w->daemon.dir);
	daemon_vireo(&w->daemon,
		     "port add lb type vhost-user path %s/lb.sock mode connect mtu 1504",
		     w->daemon.dir);
	for (unsigned i = 0; i < 3; i++) {
		const struct combo *c = &combos[i * 11 + 1];

		connect_pair(w, c, true, 2);
		run_combo(w, c);
		disconnect_pair(w);
	}
	daemon_vireo(&w->daemon, "port del la");
	daemon_vireo(&w->daemon, "port del lb");
}

/* One descriptor that goes on from one memory region into the next. */
static void test_straddling(void **state)
{
	static const struct combo c = { "straddling", MODERN, MODERN, 4, 64, .rx_buffer = 0 };
	struct world *w = *state;
	uint8_t bytes[12 + LEN_MAX] = { 0 };

	connect_pair(w, &c, false, 2);
	for (uint32_t before = 1; before < 12 + 200; before++) {
		struct slot *slot = &w->slots[0];
		struct driver_ring *ring = netdrv_ring(w->a.drv, 1);
		struct driver_region *regions = w->a.mem.regions;
		struct iovec iov = { regions[0].host + regions[0].size - before, before };
		uint16_t head;

		make_frame(w, slot, 200 + before);
		memcpy(bytes + 12, slot->frame, slot->len);
		memcpy(iov.iov_base, bytes, before);
		memcpy(regions[1].host, bytes + before, 12 + slot->len - before);
		slot->busy = true;
		assert_int_equal(netdrv_send_chain(w->a.drv, 0, &iov, 1, &slot->chain), 0);
		head = ((struct vring_avail *)ring->driver)->ring[(ring->next_avail - 1) % 4];
		((struct vring_desc *)ring->desc)[head].len = 12 + slot->len;
		netdrv_push(w->a.drv, 0);
		receive(w, &c, 1);
	}
	disconnect_pair(w);
}

static int setup(void **state)
{
	static struct world world = { .random = 42 };
	struct world *w = &world;

	*state = w;
	daemon_start(&w->daemon, 1);
	for (unsigned i = 0; i < 2; i++)
		daemon_vireo(&w->daemon, "port add %c type vhost-user path %s/%c.sock mtu 1504",
			     "ab"[i], w -> daemon.dir, "ab"[i]);
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	daemon_vireo(&w->daemon, "port del a");
	daemon_stop(&w->daemon);
	return 0;
}

/* After a test, failed or not. */
static int clean(void **state)
{
	disconnect_pair(*state);
	return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, NULL, clean)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_layouts),
		TEST(test_connect_mode),
		TEST(test_straddling),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
