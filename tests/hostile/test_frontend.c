// SPDX-License-Identifier: Apache-2.0
/* A malicious front-end that speaks the protocol: wrong values, the wrong order, wrong fds, memory
 * taken away, while traffic flows. The port is there for the next front-end, and nobody else
 * notices.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
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

#define MODERN (1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_NET_F_MRG_RXBUF)

static void open_or_fail(struct raw *raw, struct world *w, enum raw_state state, const char *what)
{
	if (!raw_open(raw, w->path, state)) {
		daemon_check_alive(&w->daemon);
		fail_msg("%s: no front-end gets into state %u any more", what, state);
	}
}

/* ---- messages with wrong values, on running rings */

struct lie {
	const char *name;
	void (*tell)(struct raw *);
	bool closes; /* the connection; else the front-end may go on */
};

static void num_0(struct raw *raw)
{
	raw_vring_state(raw, VHOST_USER_SET_VRING_NUM, 1, 0);
}

static void num_too_large(struct raw *raw)
{
	raw_vring_state(raw, VHOST_USER_SET_VRING_NUM, 1, 65536);
}

static void kick_fd(struct raw *raw, uint64_t index, int fd)
{
	raw_send(raw, VHOST_USER_SET_VRING_KICK, VHOST_USER_VERSION, 8, &index, 8, &fd, 1);
}

static void num_no_power(struct raw *raw)
{
	raw_vring_state(raw, VHOST_USER_SET_VRING_NUM, 1, 3);
	kick_fd(raw, 1, raw->event_fds[1]);
}

static void index_beyond(struct raw *raw)
{
	raw_vring_state(raw, VHOST_USER_SET_VRING_NUM, 16, 64);
}

static void index_far_beyond(struct raw *raw)
{
	raw_vring_state(raw, VHOST_USER_SET_VRING_ENABLE, 0xffffffff, 1);
}

static void kick_index_beyond(struct raw *raw)
{
	kick_fd(raw, 255, raw->event_fds[1]);
}

static void base_too_large(struct raw *raw)
{
	raw_vring_state(raw, VHOST_USER_SET_VRING_BASE, 0, 65536);
}

static void get_base_beyond(struct raw *raw)
{
	raw_vring_state(raw, VHOST_USER_GET_VRING_BASE, 200, 0);
}

static void enable_2(struct raw *raw)
{
	raw_vring_state(raw, VHOST_USER_SET_VRING_ENABLE, 0, 2);
}

static void ring_at(struct raw *raw, uint64_t desc, uint64_t avail, uint64_t used)
{
	struct vhost_user_vring_addr addr = {
		.index = 1, .desc = desc, .avail = avail, .used = used
	};

	raw_send(raw, VHOST_USER_SET_VRING_ADDR, VHOST_USER_VERSION, sizeof(addr), &addr,
		 sizeof(addr), NULL, 0);
}

static void ring_unaligned(struct raw *raw)
{
	ring_at(raw, RAW_USER_ADDR + 1, RAW_USER_ADDR + 0x1000, RAW_USER_ADDR + 0x2000);
}

static void ring_outside(struct raw *raw)
{
	ring_at(raw, 0x1000, 0x2000, 0x3000);
}

static void ring_wraps(struct raw *raw)
{
	ring_at(raw, UINT64_MAX - 15, UINT64_MAX - 1, UINT64_MAX - 3);
}

static void ring_straddles_end(struct raw *raw)
{
	ring_at(raw, RAW_USER_ADDR + RAW_MEM_SIZE - 16, RAW_USER_ADDR, RAW_USER_ADDR + 0x2000);
}

static void rings_on_each_other(struct raw *raw)
{
	ring_at(raw, RAW_USER_ADDR, RAW_USER_ADDR, RAW_USER_ADDR);
	raw_traffic(raw, 8);
}

static void kick_is_memory(struct raw *raw)
{
	kick_fd(raw, 1, raw->mem_fd);
}

static void kick_is_device(struct raw *raw)
{
	int fd = open("/dev/zero", O_RDWR | O_CLOEXEC);

	kick_fd(raw, 1, fd);
	close(fd);
}

static void kick_is_dead_pipe(struct raw *raw)
{
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	kick_fd(raw, 1, fds[0]);
	close(fds[0]);
	close(fds[1]);
}

/* Lets the back-end write to @fd, which is full and, whatever the back-end did to it, blocks. */
static void call_blocks(struct raw *raw, int fd)
{
	for (uint64_t i = 0; i < 2; i++) {
		struct vring_avail *avail = (struct vring_avail *)(raw->mem + RAW_DRIVER(i));
		struct vring_used *used = (struct vring_used *)(raw->mem + RAW_DEVICE(i));

		raw_send(raw, VHOST_USER_SET_VRING_CALL, VHOST_USER_VERSION, 8, &i, 8, &fd, 1);
		raw_sync(raw);
		avail->ring[RAW_RING] = used->idx; /* used_event: call at the next one */
	}
	fcntl(fd, F_SETFL, 0);
	raw_traffic(raw, 64);
	raw_sync(raw);
}

static void call_is_full_pipe(struct raw *raw)
{
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	while (write(fds[1], &fds, 8) > 0)
		;
	call_blocks(raw, fds[1]);
	close(fds[0]);
	close(fds[1]);
}

static void call_is_full_eventfd(struct raw *raw)
{
	int fd = eventfd(0, EFD_CLOEXEC);

	assert_int_equal(eventfd_write(fd, UINT64_MAX - 1), 0);
	call_blocks(raw, fd);
	close(fd);
}

static void add(struct raw *raw, uint64_t guest_offset, uint64_t user_offset, uint64_t size,
		uint64_t mmap_offset, int fd)
{
	struct vhost_user_region region = raw_memory_region();

	region.guest_addr += guest_offset;
	region.user_addr += user_offset;
	region.size = size;
	region.mmap_offset = mmap_offset;
	raw_region(raw, VHOST_USER_ADD_MEM_REG, &region, fd);
}

static void region_twice(struct raw *raw)
{
	add(raw, 0, 0, RAW_MEM_SIZE, 0, raw->mem_fd);
}

static void region_of_other_memory(struct raw *raw)
{
	int fd = memfd_create("other", MFD_CLOEXEC);

	assert_int_equal(ftruncate(fd, RAW_MEM_SIZE), 0);
	add(raw, 0, 0, RAW_MEM_SIZE, 0, fd);
	close(fd);
}

static void region_overlaps(struct raw *raw)
{
	add(raw, RAW_MEM_SIZE - 4096, 1ull << 40, RAW_MEM_SIZE, 0, raw->mem_fd);
}

static void region_wraps(struct raw *raw)
{
	add(raw, UINT64_MAX - RAW_GUEST_ADDR - 8191, 1ull << 40, RAW_MEM_SIZE, 0, raw->mem_fd);
}

static void region_empty(struct raw *raw)
{
	add(raw, 1ull << 40, 1ull << 40, 0, 0, raw->mem_fd);
}

static void region_beyond_file(struct raw *raw)
{
	add(raw, 1ull << 40, 1ull << 40, RAW_MEM_SIZE, 4096, raw->mem_fd);
}

static void region_offset_wraps(struct raw *raw)
{
	add(raw, 1ull << 40, 1ull << 40, 8192, UINT64_MAX - 4095, raw->mem_fd);
}

static void region_huge(struct raw *raw)
{
	add(raw, 1ull << 40, 1ull << 40, 1ull << 62, 0, raw->mem_fd);
}

static void region_of_eventfd(struct raw *raw)
{
	add(raw, 1ull << 40, 1ull << 40, 4096, 0, raw->event_fds[0]);
}

static void region_of_directory(struct raw *raw)
{
	int fd = open("/", O_RDONLY | O_CLOEXEC);

	add(raw, 1ull << 40, 1ull << 40, 4096, 0, fd);
	close(fd);
}

static void region_not_there(struct raw *raw)
{
	struct vhost_user_region region = raw_memory_region();

	region.guest_addr += 4096;
	raw_region(raw, VHOST_USER_REM_MEM_REG, &region, -1);
}

static void too_many_regions(struct raw *raw)
{
	for (unsigned i = 1; i < 520; i++)
		add(raw, (uint64_t)i << 32, (uint64_t)i << 24, 4096, 0, raw->mem_fd);
}

static void table(struct raw *raw, uint32_t n_regions, unsigned n, unsigned n_fds, uint64_t step)
{
	struct vhost_user_memory memory = { .n_regions = n_regions };
	int fds[8];

	for (unsigned i = 0; i < 8; i++) {
		memory.regions[i] = raw_memory_region();
		memory.regions[i].guest_addr += i * step;
		memory.regions[i].user_addr += i * step;
		fds[i] = raw->mem_fd;
	}
	raw_send(raw, VHOST_USER_SET_MEM_TABLE, VHOST_USER_VERSION, 8 + 32 * n, &memory, 8 + 32 * n,
		 fds, n_fds);
}

static void table_of_nine(struct raw *raw)
{
	table(raw, 9, 8, 8, 1ull << 32);
}

static void table_of_many(struct raw *raw)
{
	table(raw, 0xffffffff, 8, 8, 1ull << 32);
}

static void table_short(struct raw *raw)
{
	table(raw, 8, 7, 8, 1ull << 32);
}

static void table_fds_missing(struct raw *raw)
{
	table(raw, 8, 8, 7, 1ull << 32);
}

static void table_overlaps(struct raw *raw)
{
	table(raw, 8, 8, 8, 0);
}

static void table_empty(struct raw *raw)
{
	table(raw, 0, 0, 0, 0);
}

static void table_good(struct raw *raw)
{
	table(raw, 8, 8, 8, 1ull << 32);
}

static void features_unknown(struct raw *raw)
{
	raw_u64(raw, VHOST_USER_SET_FEATURES, UINT64_MAX);
}

static void protocol_features_unknown(struct raw *raw)
{
	raw_u64(raw, VHOST_USER_SET_PROTOCOL_FEATURES, UINT64_MAX);
}

static void features_dropped(struct raw *raw)
{
	raw_u64(raw, VHOST_USER_SET_FEATURES, 0);
	raw_traffic(raw, 8);
}

/* A log of @size bytes in a file that has them, unless that is too much. */
static void log_of(struct raw *raw, uint64_t size, uint64_t offset)
{
	int fd = memfd_create("log", MFD_CLOEXEC);

	assert_int_equal(ftruncate(fd, RAW_LOG_SIZE), 0);
	raw_log(raw, size, offset, fd);
	close(fd);
}

static void log_empty(struct raw *raw)
{
	log_of(raw, 0, 0);
}

static void log_beyond_file(struct raw *raw)
{
	log_of(raw, RAW_LOG_SIZE, 1);
}

static void log_wraps(struct raw *raw)
{
	log_of(raw, RAW_LOG_SIZE, UINT64_MAX - RAW_LOG_SIZE + 1);
}

static void log_too_short(struct raw *raw)
{
	log_of(raw, RAW_LOG_SIZE - 1, 0);
}

static void log_of_eventfd(struct raw *raw)
{
	raw_log(raw, RAW_LOG_SIZE, 0, raw->event_fds[0]);
}

/* Our marks go into memory that we write, and it is counted as written. */
static void log_is_guest_memory(struct raw *raw)
{
	raw_start_log(raw, raw->mem_fd);
	raw_traffic(raw, 8);
}

static void log_too_short_for_more(struct raw *raw)
{
	log_of(raw, RAW_LOG_SIZE, 0);
	add(raw, 1ull << 40, 1ull << 40, 4096, 0, raw->mem_fd);
}

static void log_event_is_memory(struct raw *raw)
{
	raw_send(raw, VHOST_USER_SET_LOG_FD, VHOST_USER_VERSION, 0, NULL, 0, &raw->mem_fd, 1);
}

static void logs_change(struct raw *raw)
{
	for (unsigned i = 0; i < 50; i++) {
		int fd = memfd_create("log", MFD_CLOEXEC);

		assert_int_equal(ftruncate(fd, RAW_LOG_SIZE), 0);
		raw_start_log(raw, fd);
		raw_traffic(raw, 8);
		close(fd);
	}
}

static void unknown_request(struct raw *raw)
{
	raw_u64(raw, 200, 0);
}

static void reset_under_traffic(struct raw *raw)
{
	raw_u64(raw, VHOST_USER_SET_STATUS, 0);
	raw_traffic(raw, 8);
}

static void never_reads(struct raw *raw)
{
	for (unsigned i = 0; i < 20000; i++)
		if (!raw_send(raw, VHOST_USER_GET_FEATURES, VHOST_USER_VERSION, 0, NULL, 0, NULL,
			      0))
			break;
}

static void byte_by_byte(struct raw *raw)
{
	struct {
		struct vhost_user_header header;
		struct vhost_user_vring_state state;
	} message = { { VHOST_USER_SET_VRING_ENABLE, VHOST_USER_VERSION, 8 }, { 1, 0 } };

	for (size_t i = 0; i < sizeof(message); i++)
		raw_write(raw, (uint8_t *)&message + i, 1, NULL, 0);
}

static const struct lie lies[] = {
	{ "ring of 0 entries", num_0, true },
	{ "ring of 65536 entries", num_too_large, true },
	{ "ring of 3 entries", num_no_power, true },
	{ "ring beyond the last", index_beyond, true },
	{ "ring far beyond the last", index_far_beyond, true },
	{ "kick for a ring beyond", kick_index_beyond, true },
	{ "base of 65536", base_too_large, true },
	{ "base of a ring beyond", get_base_beyond, true },
	{ "enable by 2", enable_2, true },
	{ "ring unaligned", ring_unaligned, true },
	{ "ring outside of memory", ring_outside, false },
	{ "ring wraps", ring_wraps, false },
	{ "ring straddles the end", ring_straddles_end, false },
	{ "parts of the ring on each other", rings_on_each_other, false },
	{ "kick fd is memory", kick_is_memory, true },
	{ "kick fd is /dev/zero", kick_is_device, true },
	{ "kick fd is a dead pipe", kick_is_dead_pipe, true },
	{ "call fd is a full pipe", call_is_full_pipe, false },
	{ "call fd is a full eventfd", call_is_full_eventfd, false },
	{ "region twice", region_twice, false },
	{ "other memory at the same place", region_of_other_memory, true },
	{ "regions overlap", region_overlaps, true },
	{ "region wraps", region_wraps, true },
	{ "region of 0 bytes", region_empty, true },
	{ "region beyond the end of its file", region_beyond_file, true },
	{ "region at an offset that wraps", region_offset_wraps, true },
	{ "region of 4 EiB", region_huge, true },
	{ "region of an eventfd", region_of_eventfd, true },
	{ "region of a directory", region_of_directory, true },
	{ "region to remove is not there", region_not_there, true },
	{ "too many regions", too_many_regions, true },
	{ "table of nine", table_of_nine, true },
	{ "table of four billion", table_of_many, true },
	{ "table too short", table_short, true },
	{ "table without an fd", table_fds_missing, true },
	{ "table of overlapping regions", table_overlaps, true },
	{ "table of nothing", table_empty, false },
	{ "table, as it should be", table_good, false },
	{ "features that were not offered", features_unknown, true },
	{ "protocol features that were not offered", protocol_features_unknown, true },
	{ "no features, while rings run", features_dropped, false },
	{ "log of 0 bytes", log_empty, true },
	{ "log beyond the end of its file", log_beyond_file, true },
	{ "log at an offset that wraps", log_wraps, true },
	{ "log that does not reach over memory", log_too_short, true },
	{ "log of an eventfd", log_of_eventfd, true },
	{ "log in guest memory", log_is_guest_memory, false },
	{ "memory that the log does not reach", log_too_short_for_more, true },
	{ "log event is memory", log_event_is_memory, true },
	{ "logs that change under traffic", logs_change, false },
	{ "unknown request", unknown_request, true },
	{ "reset under traffic", reset_under_traffic, false },
	{ "answers never read", never_reads, true },
	{ "byte by byte", byte_by_byte, false },
};

static void test_wrong_values(void **state)
{
	struct world *w = *state;
	unsigned n_rounds = scaled(200);

	for (unsigned n = 0; n < n_rounds; n++) {
		const struct lie *lie = &lies[n % ARRAY_SIZE(lies)];
		struct raw raw;
		bool closed;

		open_or_fail(&raw, w, RAW_RUNNING, lie->name);
		lie->tell(&raw);
		world_peer_turn(w, 4);
		closed = !raw_sync(&raw);
		if (closed != lie->closes)
			fail_msg("%s: the connection %s", lie->name, closed ? "ends" : "goes on");
		raw_close(&raw);
		world_check(w);
		if (n < ARRAY_SIZE(lies))
			world_expect_service(w, lie->name);
		if (n == ARRAY_SIZE(lies))
			world_baseline(w);
	}
	if (n_rounds > ARRAY_SIZE(lies))
		world_check_growth(w);
}

/* ---- right messages at the wrong time */

static void throw_valid(struct raw *raw, unsigned x)
{
	struct vhost_user_region region = raw_memory_region();
	uint32_t index = x / 18 % 2;
	uint64_t u64 = index;

	switch (x % 18) {
	case 0:
		raw_vring_state(raw, VHOST_USER_SET_VRING_NUM, index, 1u << x / 32 % 7);
		break;
	case 1:
		raw_vring_state(raw, VHOST_USER_SET_VRING_BASE, index, x / 32 % 65536);
		break;
	case 2:
		ring_at(raw, RAW_USER_ADDR + RAW_DESC(1), RAW_USER_ADDR + RAW_DRIVER(1),
			RAW_USER_ADDR + RAW_DEVICE(1));
		break;
	case 3:
		kick_fd(raw, index, raw->event_fds[1]);
		break;
	case 4:
		raw_send(raw, VHOST_USER_SET_VRING_CALL, VHOST_USER_VERSION, 8, &u64, 8,
			 &raw->event_fds[0], 1);
		break;
	case 5:
		u64 |= VHOST_USER_VRING_NOFD;
		raw_u64(raw, VHOST_USER_SET_VRING_KICK, u64);
		break;
	case 6:
	case 7:
		raw_vring_state(raw, VHOST_USER_SET_VRING_ENABLE, index, x / 32 % 2);
		break;
	case 8:
		raw_vring_state(raw, VHOST_USER_GET_VRING_BASE, index, 0);
		break;
	case 9:
		raw_region(raw, VHOST_USER_ADD_MEM_REG, &region, raw->mem_fd);
		break;
	case 10:
		raw_region(raw, VHOST_USER_REM_MEM_REG, &region, -1);
		raw_region(raw, VHOST_USER_ADD_MEM_REG, &region, raw->mem_fd);
		break;
	case 11:
		table(raw, 1, 1, 1, 0);
		break;
	case 12:
		raw_u64(raw, VHOST_USER_SET_FEATURES, MODERN | x / 32 % 2 << 30);
		break;
	case 13:
		raw_send(raw, VHOST_USER_RESET_OWNER, VHOST_USER_VERSION, 0, NULL, 0, NULL, 0);
		break;
	case 14:
		raw_u64(raw, VHOST_USER_SET_STATUS, x / 32 % 16);
		break;
	case 15:
		log_of(raw, RAW_LOG_SIZE, 0);
		break;
	case 16:
		raw_u64(raw, VHOST_USER_SET_FEATURES,
			MODERN | 1ull << 30 | x / 32 % 2 << VHOST_USER_F_LOG_ALL);
		break;
	default:
		raw_traffic(raw, x / 32 % 64);
		break;
	}
}

static void test_out_of_order(void **state)
{
	struct world *w = *state;

	srandom(3);
	for (unsigned n = 0; n < scaled(100); n++) {
		struct raw raw;

		open_or_fail(&raw, w, n % 4 ? RAW_RUNNING : RAW_MEMORY, "out of order");
		for (unsigned i = 0; i < 40 && raw.fd >= 0; i++) {
			throw_valid(&raw, (unsigned)random());
			if (i % 8 == 0)
				world_peer_turn(w, 2);
			if (i % 16 == 0)
				raw_sync(&raw);
		}
		raw_close(&raw);
		world_check(w);
		if (n == 20)
			world_baseline(w);
	}
	world_expect_service(w, "out of order");
	if (w->fds != 0)
		world_check_growth(w);
}

/* ---- memory taken away under traffic */

enum removal { REMOVE_RINGS, TABLE_WITHOUT_RINGS, REMOVE_BUFFERS, N_REMOVALS };

static void open_guest(struct world *w, struct guest *guest)
{
	struct guest_config config = {
		.path = w->path,
		.features = MODERN,
		.mem_size = 2 << 20,
		.n_regions = 2,
	};
	struct error err = { "" };

	if (guest_open(guest, &config, &err) != 0 || guest_wait(guest, 10000) != 0)
		fail_msg("the evil guest cannot connect: %s %s", err.text, guest->why);
}

static void describe(const struct driver_region *from, struct vhost_user_region *to)
{
	*to = (struct vhost_user_region){ from->guest_addr, from->size, from->user_addr, 0 };
}

static void take_away(struct guest *guest, enum removal removal)
{
	const struct driver_region *regions = guest->mem.regions;
	struct raw raw = { .fd = frontend_fd(guest->frontend) };
	struct vhost_user_memory memory = { .n_regions = 1 };
	struct vhost_user_region region;

	describe(&regions[removal == REMOVE_BUFFERS], &region);
	describe(&regions[1], &memory.regions[0]);
	if (removal == TABLE_WITHOUT_RINGS)
		raw_send(&raw, VHOST_USER_SET_MEM_TABLE, VHOST_USER_VERSION, 40, &memory, 40,
			 &regions[1].fd, 1);
	else
		raw_region(&raw, VHOST_USER_REM_MEM_REG, &region, -1);
}

static void done(struct netdrv_chain *chain)
{
}

/* Sends from a buffer in the second region, as fast as the device takes it. */
static void send_some(struct guest *guest, struct netdrv_chain *chain)
{
	struct iovec iov = { guest->mem.regions[1].host + 4096, 12 + 100 };

	guest_ethernet((uint8_t *)iov.iov_base + 12, PEER_MAC, EVIL_MAC);
	for (unsigned i = 0; i < 32; i++)
		if (netdrv_send_chain(guest->drv, 0, &iov, 1, chain) != 0)
			break;
	netdrv_push(guest->drv, 0);
	netdrv_reap(guest->drv, 0);
}

static void expect_gone(struct world *w, struct guest *guest, enum removal removal,
			struct netdrv_chain *chain)
{
	uint64_t end = clock_ns() + 10 * NSEC_PER_SEC;
	char state[128];

	do { /* the switch may take some more before it reads the message */
		send_some(guest, chain);
		daemon_queue_state(&w->daemon, "evil", "rx", state);
	} while (strcmp(state, "ok") == 0 && clock_ns() < end);
	if (removal == REMOVE_BUFFERS)
		assert_string_equal(state, ring_fault_text(RING_FAULT_ADDRESS));
	else /* the queue is not there any more, or says why */
		assert_string_not_equal(state, "ok");
}

static void test_memory_taken_away(void **state)
{
	struct world *w = *state;

	for (unsigned n = 0; n < scaled(60); n++) {
		struct netdrv_chain chain = { done };
		struct guest guest;

		open_guest(w, &guest);
		for (unsigned i = 0; i < 20; i++) {
			if (i == 10)
				take_away(&guest, n % N_REMOVALS);
			send_some(&guest, &chain);
			world_peer_turn(w, 8);
		}
		expect_gone(w, &guest, n % N_REMOVALS, &chain);
		guest_close(&guest);
		world_check(w);
		if (n == 6)
			world_baseline(w);
	}
	world_expect_service(w, "memory taken away");
	if (w->fds != 0)
		world_check_growth(w);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		WORLD_TEST(test_wrong_values),
		WORLD_TEST(test_out_of_order),
		WORLD_TEST(test_memory_taken_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
