// SPDX-License-Identifier: Apache-2.0
/* What guests have done to other back-ends: a test for each known vulnerability whose cause is what
 * a guest puts into its rings. doc/threat-model.md lists them all, with the rule that each one
 * tests; those that a switch as a whole is not needed for are in test_known_rings.c.
 */
#include <linux/if_ether.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "hostile/raw.h"
#include "hostile/world.h"
#include "virtio/ring.h"

#define HEADER_LEN 12u
#define BUFFER 0x30000u	 /* what a test sends, from the start of memory */
#define TABLE 0x40000u	 /* an indirect table */
#define NEXT_LEN 0x2000u /* bytes of a second region, behind memory */
#define LONG 32768u	 /* descriptors of a chain that takes its time */
#define TCP_AT 34u	 /* in a frame: behind Ethernet and IPv4 */

enum { RECEIVES, SENDS }; /* the guest's rings */

static void enter(struct raw *raw, struct world *w, enum raw_state state)
{
	if (!raw_open(raw, w->path, state)) {
		daemon_check_alive(&w->daemon);
		fail_msg("no front-end gets into state %u any more", state);
	}
}

static struct vring_desc *descs(struct raw *raw, unsigned ring)
{
	return (struct vring_desc *)(raw->mem + RAW_DESC(ring));
}

static struct vring_avail *avail(struct raw *raw, unsigned ring)
{
	return (struct vring_avail *)(raw->mem + RAW_DRIVER(ring));
}

static uint16_t used_idx(struct raw *raw, unsigned ring)
{
	const struct vring_used *used = (const void *)(raw->mem + RAW_DEVICE(ring));

	return __atomic_load_n(&used->idx, __ATOMIC_ACQUIRE);
}

static void offer(struct raw *raw, unsigned ring, uint16_t head)
{
	struct vring_avail *a = avail(raw, ring);

	a->ring[a->idx % RAW_RING] = head;
	__atomic_store_n(&a->idx, (uint16_t)(a->idx + 1), __ATOMIC_RELEASE);
	eventfd_write(raw->event_fds[1], 1);
}

/* Waits until the device has used all that it was given: what was sent has arrived by then. */
static void await_used(struct world *w, struct raw *raw, unsigned ring)
{
	uint64_t end = clock_ns() + 10 * NSEC_PER_SEC;

	while (used_idx(raw, ring) != avail(raw, ring)->idx) {
		if (clock_ns() > end) {
			world_check(w);
			fail_msg("a chain is not used");
		}
		usleep(50);
	}
}

/* The attacker on running rings, and nothing on its way to the peer. */
static void begin(struct world *w, struct raw *raw)
{
	uint8_t frame[GUEST_FRAME_MAX];

	enter(raw, w, RAW_RUNNING);
	await_used(w, raw, SENDS);
	guest_turn(&w->peer);
	while (guest_receive(&w->peer, frame) > 0)
		;
}

/* Descriptors for @len bytes at offset @at in pieces of @piece bytes, from number @first on, with
 * one of no byte behind each when @gaps. Returns how many. */
static unsigned describe(struct vring_desc *d, uint64_t addr, uint32_t len, uint32_t piece,
			 bool gaps)
{
	unsigned n = 0;

	for (uint32_t at = 0; at < len; at += piece) {
		d[n] = (struct vring_desc){ addr + at, min(piece, len - at), VRING_DESC_F_NEXT,
					    (uint16_t)(n + 1) };
		n++;
		if (!gaps)
			continue;
		d[n] = (struct vring_desc){ addr, 0, VRING_DESC_F_NEXT, (uint16_t)(n + 1) };
		n++;
	}
	d[n - 1].flags = 0;
	return n;
}

/* Sends @len bytes of the buffer, header and frame, and waits until they are used. */
static void send_buffer(struct world *w, struct raw *raw, uint32_t len, uint32_t piece)
{
	describe(descs(raw, SENDS), RAW_GUEST_ADDR + BUFFER, len, piece, false);
	offer(raw, SENDS, 0);
	await_used(w, raw, SENDS);
}

/* Makes a frame of @len bytes to the peer in the buffer, behind a header that asks for nothing. */
static uint8_t *make_frame(struct raw *raw, uint32_t len)
{
	uint8_t *frame = raw->mem + BUFFER + HEADER_LEN;

	memset(raw->mem + BUFFER, 0, HEADER_LEN);
	guest_ethernet(frame, PEER_MAC, EVIL_MAC);
	for (uint32_t i = ETH_HLEN; i < len; i++)
		frame[i] = (uint8_t)(i * 7 + len);
	return frame;
}

/* Fails unless the peer got just one frame, which is @want. */
static void expect_frame(struct world *w, const void *want, uint32_t len, const char *what)
{
	uint8_t got[GUEST_FRAME_MAX];
	uint32_t n;

	guest_turn(&w->peer);
	n = guest_receive(&w->peer, got);
	if (n != len)
		fail_msg("%s: the peer got %u bytes, not %u", what, n, len);
	assert_memory_equal(got, want, len);
	assert_int_equal(guest_receive(&w->peer, got), 0);
}

static void expect_no_frame(struct world *w, const char *what)
{
	uint8_t got[GUEST_FRAME_MAX];

	guest_turn(&w->peer);
	if (guest_receive(&w->peer, got) > 0)
		fail_msg("%s: the peer got a frame", what);
}

static void expect_drops(struct world *w, const char *reason, uint64_t want)
{
	uint64_t n = daemon_drops(&w->daemon, "evil", reason);

	if (n != want)
		fail_msg("%llu frames dropped for %s, not %llu", (unsigned long long)n, reason,
			 (unsigned long long)want);
}

/* ---- addresses */

/* A second region: the guest's and the front-end's addresses go on behind memory, the file is
 * another one, and so is the place where it is mapped. */
static uint8_t *add_next(struct raw *raw)
{
	struct vhost_user_region region = raw_memory_region();
	int fd = memfd_create("next", MFD_CLOEXEC);
	uint8_t *next;

	assert_int_equal(ftruncate(fd, NEXT_LEN), 0);
	next = mmap(NULL, NEXT_LEN, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(next, MAP_FAILED);
	region.guest_addr += RAW_MEM_SIZE;
	region.user_addr += RAW_MEM_SIZE;
	region.size = NEXT_LEN;
	assert_true(raw_region(raw, VHOST_USER_ADD_MEM_REG, &region, fd) && raw_sync(raw));
	close(fd);
	return next;
}

/* An address was checked, and as many bytes used from there as the guest said, although what is
 * behind a region is not what the guest has there. */
static void test_cve_2018_1059(void **state)
{
	const uint32_t len = 200, first = 40;
	struct vhost_user_vring_addr addr = { .index = 1,
					      .desc = RAW_USER_ADDR + RAW_MEM_SIZE - 16,
					      .avail = RAW_USER_ADDR + RAW_DRIVER(1),
					      .used = RAW_USER_ADDR + RAW_DEVICE(1) };
	struct world *w = *state;
	struct raw raw;
	uint8_t *frame, *next;

	/* a buffer of two regions: each byte from where the guest has it */
	begin(w, &raw);
	next = add_next(&raw);
	frame = make_frame(&raw, len);
	memcpy(raw.mem + RAW_MEM_SIZE - first, raw.mem + BUFFER, first);
	memcpy(next, raw.mem + BUFFER + first, HEADER_LEN + len - first);
	describe(descs(&raw, SENDS), RAW_GUEST_ADDR + RAW_MEM_SIZE - first, HEADER_LEN + len, 4096,
		 false);
	offer(&raw, SENDS, 0);
	await_used(w, &raw, SENDS);
	expect_frame(w, frame, len, "buffer of two regions");
	/* one that ends behind the last */
	describe(descs(&raw, SENDS), RAW_GUEST_ADDR + RAW_MEM_SIZE + NEXT_LEN - first,
		 HEADER_LEN + len, 4096, false);
	offer(&raw, SENDS, 0);
	world_expect_state(w, "rx", ring_fault_text(RING_FAULT_ADDRESS), "behind the last region");
	expect_no_frame(w, "behind the last region");
	munmap(next, NEXT_LEN);
	raw_close(&raw);

	/* a ring must lie in one region, however its addresses go on */
	begin(w, &raw);
	next = add_next(&raw);
	raw_send(&raw, VHOST_USER_SET_VRING_ADDR, VHOST_USER_VERSION, sizeof(addr), &addr,
		 sizeof(addr), NULL, 0);
	assert_true(raw_sync(&raw));
	world_expect_state(w, "rx", ring_fault_text(RING_FAULT_UNMAPPED), "ring of two regions");
	munmap(next, NEXT_LEN);
	raw_close(&raw);
	world_expect_service(w, "buffers of two regions");
}

/* ---- the virtio-net header */

/* The header was expected in two descriptors at most, and in full. */
static void test_cve_2022_2132(void **state)
{
	const uint32_t len = 100, total = HEADER_LEN + len;
	struct world *w = *state;
	uint64_t n_short = 0;
	struct raw raw;
	uint8_t *frame;
	unsigned n;

	begin(w, &raw);
	frame = make_frame(&raw, len);
	for (uint32_t piece = 2; piece <= 13; piece++) {
		send_buffer(w, &raw, total, piece);
		expect_frame(w, frame, len, "header in pieces");
	}
	/* twelve bytes of one, each in front of one of none, and the same in a table */
	n = describe(descs(&raw, SENDS), RAW_GUEST_ADDR + BUFFER, HEADER_LEN, 1, true);
	descs(&raw, SENDS)[n - 1] =
		(struct vring_desc){ RAW_GUEST_ADDR + BUFFER + HEADER_LEN, len, 0, 0 };
	offer(&raw, SENDS, 0);
	await_used(w, &raw, SENDS);
	expect_frame(w, frame, len, "header of single bytes");
	n = describe((struct vring_desc *)(raw.mem + TABLE), RAW_GUEST_ADDR + BUFFER, total, 1,
		     true);
	descs(&raw, SENDS)[0] =
		(struct vring_desc){ RAW_GUEST_ADDR + TABLE, n * 16, VRING_DESC_F_INDIRECT, 0 };
	offer(&raw, SENDS, 0);
	await_used(w, &raw, SENDS);
	expect_frame(w, frame, len, "header of single bytes in a table");
	/* less than a header, in one piece and in many: given back, counted, no frame */
	for (uint32_t piece = 1; piece <= HEADER_LEN; piece += 11)
		for (uint32_t some = 1; some < HEADER_LEN; some++, n_short++)
			send_buffer(w, &raw, some, piece);
	expect_drops(w, "net_header", n_short);
	expect_no_frame(w, "less than a header");
	send_buffer(w, &raw, total, total);
	expect_frame(w, frame, len, "whole header");
	raw_close(&raw);
	world_expect_service(w, "headers");
}

static void set_header(struct raw *raw, struct virtio_net_hdr_v1 header)
{
	memcpy(raw->mem + BUFFER, &header, sizeof(header));
}

/* The sum that a receiver finds from @from to the end: all ones when the checksum is right. */
static uint16_t sum(const uint8_t *frame, uint32_t from, uint32_t len)
{
	uint32_t s = 0;

	for (uint32_t i = from; i < len; i++)
		s += (i - from) % 2 ? frame[i] : (uint32_t)frame[i] << 8;
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return (uint16_t)s;
}

/* The checksum was computed from wherever csum_start said, also behind the end of the packet. The
 * peer takes no checksums undone, so the switch must compute those that it lets through. */
static void test_cve_2024_11614(void **state)
{
	const uint16_t len = 100;
	const struct {
		uint16_t start, offset;
	} wrong[] = {
		{ len, 0 },	    { len - 1, 0 },	{ len + 1, 0 }, { 0xffff, 0 },
		{ 0xffff, 0xffff }, { TCP_AT, 0xffff }, { TCP_AT, 65 }, { TCP_AT, 0xffde },
		{ len - 2, 1 },	    { 0, 0 },		{ 0, 16 },	{ 13, 0 },
		{ 0xfffe, TCP_AT },
	};
	struct world *w = *state;
	uint8_t got[GUEST_FRAME_MAX];
	struct raw raw;
	uint8_t *frame;

	begin(w, &raw);
	for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++) {
		make_frame(&raw, len);
		set_header(&raw, (struct virtio_net_hdr_v1){ .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
							     .csum_start = wrong[i].start,
							     .csum_offset = wrong[i].offset });
		send_buffer(w, &raw, HEADER_LEN + len, 4096);
		expect_no_frame(w, "checksum that is not in the frame");
	}
	expect_drops(w, "net_header", ARRAY_SIZE(wrong));
	frame = make_frame(&raw, len);
	memset(frame + TCP_AT + 16, 0, 2);
	set_header(&raw, (struct virtio_net_hdr_v1){ .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
						     .csum_start = TCP_AT,
						     .csum_offset = 16 });
	send_buffer(w, &raw, HEADER_LEN + len, 4096);
	guest_turn(&w->peer);
	assert_int_equal(guest_receive(&w->peer, got), len);
	assert_int_equal(sum(got, TCP_AT, len), 0xffff);
	raw_close(&raw);
	world_expect_service(w, "checksums");
}

/* A large TCP packet of @payload bytes, to be sent in segments of @size. */
static uint32_t make_large(struct raw *raw, uint32_t payload, uint16_t size)
{
	uint32_t len = TCP_AT + 20 + payload;
	uint8_t *frame = make_frame(raw, len), *ip = frame + ETH_HLEN, *tcp = frame + TCP_AT;

	frame[12] = 0x08;
	frame[13] = 0x00;
	memset(ip, 0, 40);
	ip[0] = 0x45;
	ip[2] = (uint8_t)((len - ETH_HLEN) >> 8);
	ip[3] = (uint8_t)(len - ETH_HLEN);
	ip[9] = 6;
	tcp[12] = 0x50;
	tcp[13] = 0x10;
	set_header(raw, (struct virtio_net_hdr_v1){ .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
						    .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
						    .gso_size = size,
						    .hdr_len = TCP_AT + 20,
						    .csum_start = TCP_AT,
						    .csum_offset = 16 });
	return HEADER_LEN + len;
}

/* Segments of 0 bytes, by which lengths were divided, and of so few that there would be thousands.
 * The peer takes none, so the switch must make them. */
static void test_segments_of_no_byte(void **state)
{
	struct world *w = *state;
	uint8_t got[GUEST_FRAME_MAX];
	unsigned n = 0;
	struct raw raw;

	begin(w, &raw);
	send_buffer(w, &raw, make_large(&raw, 5000, 0), 4096);
	expect_no_frame(w, "segments of 0 bytes");
	expect_drops(w, "net_header", 1);
	for (uint16_t size = 1; size <= 3; size++)
		send_buffer(w, &raw, make_large(&raw, 5000, size), 4096);
	expect_no_frame(w, "segments of 1 to 3 bytes");
	expect_drops(w, "offload", 3);
	send_buffer(w, &raw, make_large(&raw, 5000, 1000), 4096);
	guest_turn(&w->peer);
	while (guest_receive(&w->peer, got) == TCP_AT + 20 + 1000) {
		assert_int_equal(sum(got, ETH_HLEN, TCP_AT), 0xffff);
		n++;
	}
	assert_int_equal(n, 5);
	raw_close(&raw);
	world_expect_service(w, "segments");
}

/* ---- frames */

/* A frame shorter than an Ethernet header went on to the kernel's network stack. Here none that is
 * goes to any port, with and without a checksum to compute. */
static void test_cve_2024_41090(void **state)
{
	struct world *w = *state;
	struct raw raw;
	uint8_t *frame;

	begin(w, &raw);
	for (uint32_t len = 0; len < ETH_HLEN; len++) {
		make_frame(&raw, ETH_HLEN);
		send_buffer(w, &raw, HEADER_LEN + len, 4096);
		send_buffer(w, &raw, HEADER_LEN + len, 3);
		set_header(&raw,
			   (struct virtio_net_hdr_v1){ .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM });
		send_buffer(w, &raw, HEADER_LEN + len, 4096);
	}
	expect_no_frame(w, "less than an Ethernet header");
	expect_drops(w, "too_short", 2 * ETH_HLEN);
	expect_drops(w, "net_header", ETH_HLEN);
	frame = make_frame(&raw, ETH_HLEN);
	send_buffer(w, &raw, HEADER_LEN + ETH_HLEN, 4096);
	expect_frame(w, frame, ETH_HLEN, "an Ethernet header");
	raw_close(&raw);
	world_expect_service(w, "short frames");
}

/* ---- what takes long, and what is noted */

/* Chains to send, of many buffers of no byte in a table, and one of less than a header. */
static void describe_long(struct raw *raw)
{
	struct vring_desc *table = (struct vring_desc *)(raw->mem + TABLE);

	for (unsigned i = 0; i < LONG; i++)
		table[i] = (struct vring_desc){ RAW_GUEST_ADDR + BUFFER, 0, VRING_DESC_F_NEXT,
						(uint16_t)(i + 1) };
	table[LONG - 1].len = 5;
	table[LONG - 1].flags = 0;
	for (unsigned i = 0; i < RAW_RING; i++) {
		descs(raw, SENDS)[i] = (struct vring_desc){ RAW_GUEST_ADDR + TABLE, LONG * 16,
							    VRING_DESC_F_INDIRECT, 0 };
		avail(raw, SENDS)->ring[i] = (uint16_t)i;
	}
}

/* Chains were handled as long as some were there, and a guest can always bring more. Here all
 * queues are of one worker, and one of them never ends: its chains take longer to go through than
 * to be offered again, and none of them is a packet. */
static void test_cve_2019_3900(void **state)
{
	static const char *const ports[] = { "a", "b", "evil", "peer" };
	struct world *w = *state;
	uint64_t n_offered = 0, end;
	unsigned long before;
	struct raw raw;

	for (unsigned i = 0; i < ARRAY_SIZE(ports); i++)
		daemon_vireo(&w->daemon, "worker set port %s queue 0 worker 0", ports[i]);
	begin(w, &raw);
	describe_long(&raw);
	before = traffic_count(w->traffic);
	end = clock_ns() + scaled(1500) * NSEC_PER_MSEC;
	while (clock_ns() < end || n_offered <= 10 * RAW_RING ||
	       traffic_count(w->traffic) < before + 500) {
		uint16_t idx = used_idx(&raw, SENDS) + RAW_RING;

		n_offered += (uint16_t)(idx - avail(&raw, SENDS)->idx);
		__atomic_store_n(&avail(&raw, SENDS)->idx, idx, __ATOMIC_RELEASE);
		eventfd_write(raw.event_fds[1], 1);
		if (clock_ns() > end + 60 * NSEC_PER_SEC)
			fail_msg("the other guests had %lu frames beside %llu chains without end",
				 traffic_count(w->traffic) - before, (unsigned long long)n_offered);
	}
	await_used(w, &raw, SENDS);
	raw_close(&raw);
	world_expect_service(w, "a queue without end");
}

/* Pages that are marked in the log; fails when one is that nothing can have been written to. */
static unsigned count_marks(const uint8_t *log, uint32_t buffer)
{
	unsigned n = 0;

	for (uint64_t page = 0; page < 8ull * RAW_LOG_SIZE; page++) {
		uint64_t at = (page << 12) - RAW_GUEST_ADDR;

		if (!(log[page / 8] >> page % 8 & 1))
			continue;
		if (at != buffer && at != RAW_DEVICE(RECEIVES) && at != RAW_DEVICE(SENDS))
			fail_msg("page 0x%llx is marked", (unsigned long long)page);
		n++;
	}
	return n;
}

/* A chain to write to, of @n buffers of no byte and one of two pages at the end. */
static void describe_empty(struct vring_desc *d, unsigned n)
{
	const uint16_t flags = VRING_DESC_F_WRITE | VRING_DESC_F_NEXT;

	for (unsigned i = 0; i < n; i++)
		d[i] = (struct vring_desc){ RAW_GUEST_ADDR + BUFFER, 0, flags, (uint16_t)(i + 1) };
	d[n] = (struct vring_desc){ RAW_GUEST_ADDR + BUFFER, 8192, VRING_DESC_F_WRITE, 0 };
}

/* While a migration logs what is written: a buffer of no byte took a place in the list of what was
 * to be noted, but not in that of buffers, so that the first list ran over. Here there is no list:
 * pages are marked by what was really written. */
static void test_cve_2019_14835(void **state)
{
	struct world *w = *state;

	for (unsigned table = 0; table < 2; table++) {
		int fd = memfd_create("log", MFD_CLOEXEC);
		uint64_t end = clock_ns() + 10 * NSEC_PER_SEC;
		struct vring_desc *d;
		struct raw raw;
		uint8_t *log;

		assert_int_equal(ftruncate(fd, RAW_LOG_SIZE), 0);
		log = mmap(NULL, RAW_LOG_SIZE, PROT_READ, MAP_SHARED, fd, 0);
		assert_ptr_not_equal(log, MAP_FAILED);
		enter(&raw, w, RAW_MEMORY);
		assert_true(raw_start_log(&raw, fd));
		d = descs(&raw, RECEIVES);
		if (table) {
			describe_empty((struct vring_desc *)(raw.mem + TABLE), 30000);
			d[0] = (struct vring_desc){ RAW_GUEST_ADDR + TABLE, 30001 * 16,
						    VRING_DESC_F_INDIRECT, 0 };
		} else {
			describe_empty(d, RAW_RING - 1);
		}
		offer(&raw, RECEIVES, 0);
		assert_true(raw_run_ring(&raw, 0) && raw_run_ring(&raw, 1) && raw_sync(&raw));
		while (used_idx(&raw, RECEIVES) == 0 && clock_ns() < end)
			world_peer_turn(w, 1);
		assert_int_equal(used_idx(&raw, RECEIVES), 1);
		assert_true(raw_sync(&raw));
		assert_int_equal(count_marks(log, BUFFER),
				 3); /* its first page, and both used rings */
		raw_close(&raw);
		munmap(log, RAW_LOG_SIZE);
		close(fd);
	}
	world_expect_service(w, "logged buffers of no byte");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		WORLD_TEST(test_cve_2018_1059),	 WORLD_TEST(test_cve_2022_2132),
		WORLD_TEST(test_cve_2024_11614), WORLD_TEST(test_segments_of_no_byte),
		WORLD_TEST(test_cve_2024_41090), WORLD_TEST(test_cve_2019_3900),
		WORLD_TEST(test_cve_2019_14835),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
