// SPDX-License-Identifier: Apache-2.0
/* What front-ends have done to other back-ends: a test for each known vulnerability whose cause is
 * a vhost-user message. doc/threat-model.md lists them all, with the rule that each one tests.
 */
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "hostile/raw.h"
#include "hostile/world.h"

#define VIRTIO_NET_F_HASH_REPORT_BIT 57 /* virtio 1.2, 5.1.3 */
#define SURPLUS_MAX 8
#define SEGMENT 4096u

static void enter(struct raw *raw, struct world *w, enum raw_state state)
{
	if (!raw_open(raw, w->path, state)) {
		daemon_check_alive(&w->daemon);
		fail_msg("no front-end gets into state %u any more", state);
	}
}

/* Whether the port says that its last connection was ended because of @why. */
static bool ended_because(const struct world *w, const char *why)
{
	json_t *port = daemon_port(&w->daemon, "evil");
	const char *said = json_string_value(json_object_get(port, "last_error"));
	bool found = said != NULL && strstr(said, why) != NULL;

	json_decref(port);
	return found;
}

/* What was sent has ended the connection, and the port says why. Closes @raw. */
static void expect_refused(struct world *w, struct raw *raw, const char *why)
{
	uint64_t end = clock_ns() + 10 * NSEC_PER_SEC;

	if (raw_sync(raw))
		fail_msg("not refused: %s", why);
	raw_close(raw);
	while (!ended_because(w, why)) {
		daemon_check_alive(&w->daemon);
		if (clock_ns() > end)
			fail_msg("refused, but not because of: %s", why);
	}
	world_check(w);
}

/* After many messages: nothing of them is left, and the port is there for the next. */
static void expect_nothing_left(struct world *w)
{
	world_expect_service(w, "messages");
	world_check_growth(w);
}

/* SET_VRING_NUM made a table, each time anew, and forgot the one before. */
static void test_cve_2019_14818(void **state)
{
	struct world *w = *state;
	struct raw raw;

	for (unsigned round = 0; round < 2; round++) { /* the first one warms up */
		enter(&raw, w, RAW_RUNNING);
		for (unsigned i = 0; i < scaled(10000); i++) {
			assert_true(raw_vring_state(&raw, VHOST_USER_SET_VRING_NUM, i % 3,
						    1u << i % 16));
			if (i % 64 == 0)
				assert_true(raw_sync(&raw));
		}
		assert_true(raw_sync(&raw));
		raw_close(&raw);
		if (round == 0) {
			world_expect_service(w, "ring sizes");
			world_baseline(w);
		}
	}
	expect_nothing_left(w);
}

/* SET_LOG_BASE: size and offset were added, and the sum wrapped; so a small mapping was made for a
 * large log. */
static void test_cve_2020_10722(void **state)
{
	static const char WRAPS[] = "dirty log's file offset wraps";
	static const char TOO_LARGE[] = ": more than 8589934592";
	static const struct {
		uint64_t size, offset;
		const char *why;
	} logs[] = {
		{ RAW_LOG_SIZE, UINT64_MAX - RAW_LOG_SIZE + 1, WRAPS },	   /* 2^64, which is 0 */
		{ RAW_LOG_SIZE, UINT64_MAX - RAW_LOG_SIZE + 4097, WRAPS }, /* a page */
		{ RAW_LOG_SIZE, INT64_MAX, WRAPS },
		{ UINT64_MAX - 4095, 4096, TOO_LARGE },
		{ UINT64_MAX, 1, TOO_LARGE },
		{ 1ull << 63, 1ull << 63, TOO_LARGE },
	};
	struct world *w = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(logs); i++) {
		int fd = memfd_create("log", MFD_CLOEXEC);
		struct raw raw;

		assert_int_equal(ftruncate(fd, RAW_LOG_SIZE), 0);
		enter(&raw, w, RAW_RUNNING);
		raw_log(&raw, logs[i].size, logs[i].offset, fd);
		expect_refused(w, &raw, logs[i].why);
		close(fd);
	}
	world_expect_service(w, "logs");
}

/* An index of 32 bits was looked at in 16. */
static void test_cve_2020_10723(void **state)
{
	static const uint32_t requests[] = {
		VHOST_USER_SET_VRING_NUM,  VHOST_USER_SET_VRING_ADDR,	VHOST_USER_SET_VRING_BASE,
		VHOST_USER_GET_VRING_BASE, VHOST_USER_SET_VRING_ENABLE,
	};
	static const uint32_t indices[] = {
		16, 0x10000, 0x10001, 0x80000001, 0xffff0000, 0xffffffff
	};
	struct world *w = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(indices); i++)
		for (unsigned j = 0; j < ARRAY_SIZE(requests); j++) {
			struct vhost_user_vring_addr addr = { .index = indices[i] };
			uint32_t size = requests[j] == VHOST_USER_SET_VRING_ADDR ? 40 : 8;
			char why[64];
			struct raw raw;

			enter(&raw, w, RAW_RUNNING);
			raw_send(&raw, requests[j], VHOST_USER_VERSION, size, &addr, size, NULL, 0);
			snprintf(why, sizeof(why), "there is no ring %u,", indices[i]);
			expect_refused(w, &raw, why);
		}
	world_expect_service(w, "indices");
}

/* vhost-crypto read keys behind the end of a message. There is no crypto device here: its requests
 * are unknown, and its feature is not offered. */
static void test_cve_2020_10724(void **state)
{
	static const uint32_t requests[] = { VHOST_USER_CREATE_CRYPTO_SESSION,
					     VHOST_USER_CLOSE_CRYPTO_SESSION };
	struct world *w = *state;
	uint8_t payload[1024];
	struct raw raw;

	memset(payload, 0xff, sizeof(payload)); /* lengths of keys, among others */
	for (unsigned i = 0; i < ARRAY_SIZE(requests); i++)
		for (uint32_t size = 0; size <= sizeof(payload); size += 256) {
			enter(&raw, w, RAW_RUNNING);
			raw_send(&raw, requests[i], VHOST_USER_VERSION, size, payload, size, NULL,
				 0);
			expect_refused(w, &raw, "not supported");
		}
	enter(&raw, w, RAW_NEGOTIATED);
	raw_u64(&raw, VHOST_USER_SET_PROTOCOL_FEATURES,
		1ull << VHOST_USER_PROTOCOL_F_CRYPTO_SESSION);
	expect_refused(w, &raw, "PROTOCOL_F_CRYPTO_SESSION");
}

/* GET_INFLIGHT_FD made a region, each time anew, and forgot the one before. */
static void test_cve_2020_10726(void **state)
{
	const struct vhost_user_inflight shape = { .num_queues = 2, .queue_size = RAW_RING };
	struct world *w = *state;
	struct raw raw;

	for (unsigned round = 0; round < 2; round++) {
		enter(&raw, w, RAW_RUNNING);
		for (unsigned i = 0; i < scaled(2000); i++) {
			raw_send(&raw, VHOST_USER_GET_INFLIGHT_FD, VHOST_USER_VERSION,
				 sizeof(shape), &shape, sizeof(shape), NULL, 0);
			if (i % 16 == 0)
				assert_true(raw_sync(&raw));
		}
		assert_true(raw_sync(&raw));
		raw_close(&raw);
		if (round == 0) {
			world_expect_service(w, "regions");
			world_baseline(w);
		}
	}
	expect_nothing_left(w);
}

static void send_inflight(struct raw *raw, uint64_t size, unsigned n_queues, int fd)
{
	const struct vhost_user_inflight shape = { .mmap_size = size,
						   .num_queues = (uint16_t)n_queues,
						   .queue_size = RAW_RING };

	raw_send(raw, VHOST_USER_SET_INFLIGHT_FD, VHOST_USER_VERSION, sizeof(shape), &shape,
		 sizeof(shape), &fd, 1);
}

/* SET_INFLIGHT_FD: the number of queues was not looked at, so that rings had their part of the
 * region behind its end. */
static void test_cve_2021_3839(void **state)
{
	const uint64_t part = 16 + 16 * RAW_RING + 48; /* of one queue, a multiple of 64 */
	const struct {
		uint64_t size;
		unsigned n_queues;
		const char *why;
	} regions[] = {
		{ SEGMENT, 0, "0 queues are not 1..256" },
		{ SEGMENT, 257, "257 queues are not 1..256" },
		{ SEGMENT, 65535, "65535 queues are not 1..256" },
		{ SEGMENT, 1, "inflight region is for 1 rings" },
		{ part, 256, "ring 1 has its part at" },
		{ 2 * part - 1, 2, "ring 1 has its part at" },
		{ SEGMENT + 1, 2, "ends behind its file" },
	};
	struct world *w = *state;
	struct raw raw;
	int fd = memfd_create("inflight", MFD_CLOEXEC);

	assert_int_equal(ftruncate(fd, SEGMENT), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(regions); i++) {
		enter(&raw, w, RAW_MEMORY);
		send_inflight(&raw, regions[i].size, regions[i].n_queues, fd);
		raw_run_ring(&raw, 0);
		raw_run_ring(&raw, 1);
		expect_refused(w, &raw, regions[i].why);
	}
	enter(&raw, w, RAW_MEMORY);
	send_inflight(&raw, 2 * part, 2, fd);
	assert_true(raw_run_ring(&raw, 0) && raw_run_ring(&raw, 1));
	assert_true(raw_sync(&raw));
	raw_close(&raw);
	close(fd);
	world_expect_service(w, "regions");
}

/* The most fds that a message may bring, by the vhost-user specification. */
static unsigned fds_of(uint32_t request)
{
	switch (request) {
	case VHOST_USER_SET_MEM_TABLE:
		return 8;
	case VHOST_USER_SET_LOG_BASE:
	case VHOST_USER_SET_LOG_FD:
	case VHOST_USER_SET_VRING_KICK:
	case VHOST_USER_SET_VRING_CALL:
	case VHOST_USER_SET_VRING_ERR:
	case VHOST_USER_SET_BACKEND_REQ_FD:
	case VHOST_USER_SET_INFLIGHT_FD:
	case VHOST_USER_ADD_MEM_REG:
	case VHOST_USER_REM_MEM_REG:
	case VHOST_USER_SET_DEVICE_STATE_FD:
		return 1;
	default:
		return 0;
	}
}

/* Bytes of payload with which it is looked at further. */
static uint32_t payload_of(uint32_t request)
{
	switch (request) {
	case VHOST_USER_GET_FEATURES:
	case VHOST_USER_SET_OWNER:
	case VHOST_USER_RESET_OWNER:
	case VHOST_USER_SET_LOG_FD:
	case VHOST_USER_GET_PROTOCOL_FEATURES:
	case VHOST_USER_GET_QUEUE_NUM:
	case VHOST_USER_SET_BACKEND_REQ_FD:
	case VHOST_USER_RESET_DEVICE:
	case VHOST_USER_GET_MAX_MEM_SLOTS:
	case VHOST_USER_GET_STATUS:
	case VHOST_USER_CHECK_DEVICE_STATE:
		return 0;
	case VHOST_USER_SET_MEM_TABLE:
	case VHOST_USER_SET_VRING_ADDR:
	case VHOST_USER_ADD_MEM_REG:
	case VHOST_USER_REM_MEM_REG:
		return 40;
	case VHOST_USER_SET_LOG_BASE:
		return 16;
	case VHOST_USER_GET_INFLIGHT_FD:
	case VHOST_USER_SET_INFLIGHT_FD:
		return sizeof(struct vhost_user_inflight);
	default:
		return 8;
	}
}

/* A message of zeros with @n fds, of many kinds. With more than it may bring the connection ends.
 */
static void send_with_fds(struct world *w, struct raw *raw, uint32_t request, unsigned n)
{
	static const uint8_t zeros[40];
	uint32_t size = payload_of(request);
	int fds[RAW_FDS_MAX];

	if (raw->fd < 0)
		enter(raw, w, RAW_MEMORY);
	for (unsigned i = 0; i < n; i++)
		fds[i] = i % 3 == 2 ? raw->mem_fd : raw->event_fds[i % 3];
	raw_send(raw, request, VHOST_USER_VERSION, size, zeros, size, fds, n);
	if (request == VHOST_USER_GET_FEATURES) /* which raw_sync() sends, too: two answers come */
		raw_sync(raw);
	if (raw_sync(raw)) {
		if (n > fds_of(request))
			fail_msg("request %u goes on with %u fds", request, n);
		return;
	}
	raw_close(raw);
	raw->fd = -1;
}

/* Fds that came with messages which expect fewer, or none, stayed open: those of the two messages
 * of in-flight tracking (CVE-2022-0669), and of others. */
static void test_cve_2022_0669(void **state)
{
	struct world *w = *state;
	struct raw raw = { .fd = -1 };
	unsigned rounds = 1 + scaled(2);

	for (unsigned round = 0; round < rounds; round++) {
		for (uint32_t request = 1; request <= VHOST_USER_CHECK_DEVICE_STATE; request++)
			for (unsigned n = 0; n <= fds_of(request) + SURPLUS_MAX; n++)
				send_with_fds(w, &raw, request, n);
		if (raw.fd >= 0)
			raw_close(&raw);
		raw.fd = -1;
		world_check(w);
		if (round == 0) {
			world_expect_service(w, "surplus fds");
			world_baseline(w);
		}
	}
	expect_nothing_left(w);
}

/* ---- files that are not what they should be */

static int make_unix(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	memset(addr.sun_path + 1, 'n', sizeof(addr.sun_path) - 1); /* the longest name there is */
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

static int make_inet(void)
{
	return socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
}

static int make_packet(void)
{
	return socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_LOOPBACK));
}

static int make_netlink(void)
{
	return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0);
}

static int make_epoll(void)
{
	return epoll_create1(EPOLL_CLOEXEC);
}

static int make_timer(void)
{
	return timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
}

static int make_inotify(void)
{
	return inotify_init1(IN_CLOEXEC);
}

static int make_null(void)
{
	return open("/dev/null", O_RDWR | O_CLOEXEC);
}

static int make_directory(void)
{
	return open("/", O_RDONLY | O_CLOEXEC);
}

/* Sends @fd with each message that brings one; each ends the connection, the last one is answered.
 */
static void send_file(struct world *w, int fd, const char *name)
{
	static const uint32_t requests[] = {
		VHOST_USER_SET_MEM_TABLE,   VHOST_USER_SET_LOG_BASE,
		VHOST_USER_SET_LOG_FD,	    VHOST_USER_SET_VRING_KICK,
		VHOST_USER_SET_VRING_CALL,  VHOST_USER_SET_VRING_ERR,
		VHOST_USER_ADD_MEM_REG,	    VHOST_USER_SET_BACKEND_REQ_FD,
		VHOST_USER_SET_INFLIGHT_FD, VHOST_USER_SET_DEVICE_STATE_FD,
	};
	struct vhost_user_region region = raw_memory_region();
	struct raw raw;

	for (unsigned i = 0; i < ARRAY_SIZE(requests); i++) {
		uint64_t words[5] = { 0, 0, 0, 0, 0 };
		uint32_t size = payload_of(requests[i]);

		if (requests[i] == VHOST_USER_SET_LOG_BASE)
			words[0] = RAW_LOG_SIZE;
		if (requests[i] == VHOST_USER_SET_MEM_TABLE)
			words[0] = 1;
		if (requests[i] == VHOST_USER_SET_INFLIGHT_FD) {
			struct vhost_user_inflight shape = { SEGMENT, 0, 2, RAW_RING, 0 };

			memcpy(words, &shape, sizeof(shape));
		}
		region.guest_addr += 1ull << 32;
		if (size == 40)
			memcpy(&words[1], &region, sizeof(region));
		enter(&raw, w, RAW_MEMORY);
		raw_send(&raw, requests[i], VHOST_USER_VERSION, size, words, size, &fd, 1);
		if (raw_sync(&raw) != (requests[i] == VHOST_USER_SET_DEVICE_STATE_FD))
			fail_msg("%s as the file of request %u", name, requests[i]);
		raw_close(&raw);
	}
}

/* A file descriptor was taken for what it should be: a socket of another family, whose name is
 * longer, filled more than the buffer for it. */
static void test_cve_2020_10942(void **state)
{
	static const struct {
		const char *name;
		int (*make)(void);
	} kinds[] = {
		{ "unix socket", make_unix },	  { "internet socket", make_inet },
		{ "packet socket", make_packet }, { "netlink socket", make_netlink },
		{ "epoll", make_epoll },	  { "timer", make_timer },
		{ "inotify", make_inotify },	  { "/dev/null", make_null },
		{ "directory", make_directory },
	};
	struct world *w = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
		int fd = kinds[i].make();

		if (fd < 0)
			fail_msg("cannot make: %s", kinds[i].name);
		send_file(w, fd, kinds[i].name);
		close(fd);
		world_check(w);
		if (i == 0) {
			world_expect_service(w, "files");
			world_baseline(w);
		}
	}
	expect_nothing_left(w);
}

/* A header of 20 bytes, for hashes, was copied to where 12 had room. There is no such header here:
 * who wants the feature is refused. (How long headers can be: test_known_rings.c.) */
static void test_cve_2023_6693(void **state)
{
	struct world *w = *state;
	struct raw raw;

	enter(&raw, w, RAW_NEGOTIATED);
	raw_u64(&raw, VHOST_USER_SET_FEATURES,
		1ull << 32 | 1ull << 30 | 1ull << VIRTIO_NET_F_HASH_REPORT_BIT);
	expect_refused(w, &raw, "features that were not offered");
	world_expect_service(w, "features");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		WORLD_TEST(test_cve_2019_14818), WORLD_TEST(test_cve_2020_10722),
		WORLD_TEST(test_cve_2020_10723), WORLD_TEST(test_cve_2020_10724),
		WORLD_TEST(test_cve_2020_10726), WORLD_TEST(test_cve_2021_3839),
		WORLD_TEST(test_cve_2022_0669),	 WORLD_TEST(test_cve_2020_10942),
		WORLD_TEST(test_cve_2023_6693),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
