// SPDX-License-Identifier: Apache-2.0
/* A malicious front-end that does not speak the protocol: messages cut off, too long, of another
 * version, with too many fds, in every state of the connection. The port is there for the next
 * front-end, and nobody else notices.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "hostile/raw.h"
#include "hostile/world.h"

static void open_or_fail(struct raw *raw, struct world *w, enum raw_state state, const char *what)
{
	if (!raw_open(raw, w->path, state)) {
		daemon_check_alive(&w->daemon);
		fail_msg("%s: no front-end gets into state %u any more", what, state);
	}
}

static const uint32_t odd_requests[] = { 0, 44, 45, 255, 0x10000, 0xffffffff };

#define N_REQUESTS (43 + ARRAY_SIZE(odd_requests))

static uint32_t right_size(uint32_t request)
{
	switch (request) {
	case VHOST_USER_SET_MEM_TABLE:
		return 8 + 32;
	case VHOST_USER_SET_VRING_ADDR:
	case VHOST_USER_ADD_MEM_REG:
	case VHOST_USER_REM_MEM_REG:
		return 40;
	case VHOST_USER_GET_CONFIG:
	case VHOST_USER_SET_CONFIG:
		return 12 + 60;
	case VHOST_USER_GET_FEATURES:
	case VHOST_USER_SET_OWNER:
	case VHOST_USER_RESET_OWNER:
	case VHOST_USER_GET_PROTOCOL_FEATURES:
	case VHOST_USER_GET_QUEUE_NUM:
	case VHOST_USER_SET_BACKEND_REQ_FD:
	case VHOST_USER_RESET_DEVICE:
	case VHOST_USER_GET_MAX_MEM_SLOTS:
	case VHOST_USER_GET_STATUS:
	case VHOST_USER_CHECK_DEVICE_STATE:
		return 0;
	default:
		return 8;
	}
}

enum variant {
	RIGHT,
	ZEROS,
	ONES,
	EMPTY,
	ONE_LESS,
	ONE_MORE,
	LARGEST,
	TOO_LARGE,
	HUGE,
	HALF, /* and closes */
	HALF_HEADER,
	ONE_FD,
	EIGHT_FDS,
	NINE_FDS,
	MANY_FDS,
	LATE_FD,
	VERSION_0,
	VERSION_2,
	IS_REPLY,
	WANTS_REPLY,
	N_VARIANTS,
};

/* A payload that passes the first look of many handlers. */
static void fill(uint8_t *payload, uint32_t request, enum variant variant)
{
	struct vhost_user_region region = raw_memory_region();
	struct vhost_user_single_region single = { .region = region };

	memset(payload, variant == ONES ? 0xff : 0, 4096);
	if (variant == ZEROS || variant == ONES)
		return;
	region.guest_addr += 1ull << 32;
	region.user_addr += 1ull << 32;
	if (request == VHOST_USER_SET_MEM_TABLE) {
		payload[0] = 1;
		memcpy(payload + 8, &region, sizeof(region));
	} else if (request == VHOST_USER_ADD_MEM_REG) {
		single.region = region;
		memcpy(payload, &single, sizeof(single));
	} else if (request == VHOST_USER_REM_MEM_REG) {
		memcpy(payload, &single, sizeof(single));
	} else {
		payload[0] = 1;
		payload[4] = 1;
	}
}

static void throw_message(struct raw *raw, uint32_t request, enum variant variant)
{
	uint32_t size = right_size(request), flags = VHOST_USER_VERSION;
	uint8_t payload[4096];
	int fds[RAW_FDS_MAX], late = raw->event_fds[0];
	unsigned n_fds = 0;

	for (unsigned i = 0; i < RAW_FDS_MAX; i++)
		fds[i] = raw->mem_fd >= 0 && i % 2 ? raw->mem_fd : raw->event_fds[i % 2];
	fill(payload, request, variant);
	switch (variant) {
	case EMPTY:
		size = 0;
		break;
	case ONE_LESS:
		size = size > 0 ? size - 1 : 1;
		break;
	case ONE_MORE:
		size++;
		break;
	case LARGEST:
		size = VHOST_USER_PAYLOAD_MAX;
		break;
	case TOO_LARGE:
		size = VHOST_USER_PAYLOAD_MAX + 1;
		break;
	case HUGE:
		size = 0xffffffff;
		break;
	case ONE_FD:
		n_fds = 1;
		break;
	case EIGHT_FDS:
		n_fds = 8;
		break;
	case NINE_FDS:
		n_fds = 9;
		break;
	case MANY_FDS:
		n_fds = RAW_FDS_MAX;
		break;
	case VERSION_0:
		flags = 0;
		break;
	case VERSION_2:
		flags = 2;
		break;
	case IS_REPLY:
		flags |= VHOST_USER_FLAG_REPLY;
		break;
	case WANTS_REPLY:
		flags |= VHOST_USER_FLAG_NEED_REPLY;
		break;
	default:
		break;
	}
	if (variant == HALF_HEADER) {
		raw_write(raw, payload, 5, fds, 1);
	} else if (variant == LATE_FD) {
		raw_send(raw, request, flags, size, NULL, 0, NULL, 0);
		raw_write(raw, payload, size ?: 1, &late, 1);
	} else {
		raw_send(raw, request, flags, size, payload, variant == HALF ? size / 2 : size, fds,
			 n_fds);
	}
}

static void test_malformed(void **state)
{
	struct world *w = *state;
	unsigned total = RAW_N_STATES * (unsigned)N_REQUESTS * N_VARIANTS;
	unsigned n_rounds = scaled(1000), half = n_rounds / 2;

	for (unsigned n = 0; n < n_rounds; n++) {
		unsigned i =
			(unsigned)((uint64_t)n * 1009 % total); /* prime to total: all, in time */
		enum variant variant = i % N_VARIANTS;
		unsigned r = i / N_VARIANTS % N_REQUESTS;
		enum raw_state at = i / N_VARIANTS / (unsigned)N_REQUESTS;
		uint32_t request = r < 43 ? r + 1 : odd_requests[r - 43];
		struct raw raw;

		open_or_fail(&raw, w, at, "malformed message");
		throw_message(&raw, request, variant);
		if (variant != HALF && variant != HALF_HEADER && variant != HUGE && n % 2)
			raw_sync(&raw);
		raw_close(&raw);
		if (n % 10 == 0)
			world_peer_turn(w, 4);
		if (n % 50 == 0)
			world_check(w);
		if (n == half) {
			world_expect_service(w, "malformed messages");
			world_baseline(w);
		}
	}
	world_expect_service(w, "malformed messages");
	world_check_growth(w);
}

/* ---- very many of each type, on connections that stay open as long as the protocol allows */

#define BATCH 16 /* messages, then their answers are taken */

static uint64_t next_random(uint64_t *x)
{
	*x = *x * 6364136223846793005ull + 1442695040888963407ull;
	return *x >> 33;
}

/* Numbers at the bounds of what handlers check. */
static void fill_odd(uint8_t *payload, uint64_t *x)
{
	static const uint64_t odd[] = { 0,
					1,
					2,
					0x100,
					1000,
					4096,
					0xffff,
					0x10000,
					0x80000000,
					0xffffffff,
					RAW_GUEST_ADDR,
					RAW_USER_ADDR,
					1ull << 63,
					UINT64_MAX - 4095,
					UINT64_MAX };

	for (unsigned i = 0; i < VHOST_USER_PAYLOAD_MAX; i += 8)
		memcpy(payload + i, &odd[next_random(x) % ARRAY_SIZE(odd)], 8);
}

static uint32_t odd_size(uint32_t right, uint64_t *x)
{
	switch (next_random(x) % 64) {
	case 0:
		return 0;
	case 1:
		return right + 1;
	case 2:
		return right > 0 ? right - 1 : 8;
	case 3:
		return (uint32_t)(next_random(x) % (VHOST_USER_PAYLOAD_MAX + 1));
	default:
		return right;
	}
}

/* A message with odd values, maybe an odd size, and 0 to 8 fds, of a table more than its regions.
 */
static bool throw_odd(struct raw *raw, uint32_t request, uint64_t *x)
{
	uint32_t flags = VHOST_USER_VERSION | VHOST_USER_FLAG_NEED_REPLY;
	uint32_t size = odd_size(right_size(request), x);
	unsigned n_fds = (unsigned)(next_random(x) % 9);
	uint8_t payload[VHOST_USER_PAYLOAD_MAX];
	int fds[RAW_FDS_MAX];

	if (next_random(x) % 4)
		fill_odd(payload, x);
	else
		for (unsigned i = 0; i < sizeof(payload); i++)
			payload[i] = (uint8_t)next_random(x);
	if (request == VHOST_USER_SET_MEM_TABLE) {
		payload[0] = (uint8_t)(next_random(x) % 9);
		memset(payload + 1, 0, 7);
		size = size == 8 + 32 ? 8 + 32u * payload[0] : size;
		n_fds += payload[0];
	}
	for (unsigned i = 0; i < n_fds; i++)
		fds[i] = raw->mem_fd >= 0 && next_random(x) % 2 ? raw->mem_fd
								: raw->event_fds[i % 2];
	return raw_send(raw, request, flags, size, payload, size, fds, n_fds);
}

/* @n messages of one type. Returns the connections that it took. */
static unsigned throw_many(struct world *w, uint32_t request, unsigned n, uint64_t *x)
{
	unsigned n_connections = 0;
	struct raw raw = { .fd = -1 };

	for (unsigned i = 0; i < n; i++) {
		if (raw.fd < 0) {
			if (n_connections > 0)
				raw_close(&raw);
			open_or_fail(&raw, w, RAW_NEGOTIATED + n_connections++ % 3, "odd message");
		}
		throw_odd(&raw, request, x);
		if (i % BATCH == BATCH - 1)
			raw_sync(&raw);
		if (i % 1024 == 0) {
			world_peer_turn(w, 1);
			world_check(w);
		}
	}
	raw_close(&raw);
	return n_connections;
}

static void test_each_type(void **state)
{
	unsigned n = scaled_to(1000, 100000), n_connections = 0;
	struct world *w = *state;
	uint64_t x = 11;

	for (uint32_t r = 0; r < N_REQUESTS; r++)
		throw_many(w, r < 43 ? r + 1 : odd_requests[r - 43], 100, &x);
	world_expect_service(w, "odd messages");
	world_baseline(w);
	for (uint32_t r = 0; r < N_REQUESTS; r++)
		n_connections += throw_many(w, r < 43 ? r + 1 : odd_requests[r - 43], n, &x);
	world_expect_service(w, "odd messages");
	printf("%u messages of each of %zu types, on %u connections\n", n, N_REQUESTS,
	       n_connections);
	world_check_growth(w);
}

/* Many that connect and say nothing. */
static void test_crowd(void **state)
{
	struct world *w = *state;
	struct raw raws[64];
	unsigned n = 0;

	world_expect_service(w, "before the crowd");
	world_baseline(w);
	for (unsigned i = 0; i < ARRAY_SIZE(raws); i++)
		raws[i].fd = -1;
	open_or_fail(&raws[0], w, RAW_RUNNING, "crowd");
	for (unsigned round = 0; round < scaled(5); round++) {
		for (unsigned i = 1; i < ARRAY_SIZE(raws); i++)
			if (raws[i].fd < 0)
				raws[i].fd = raw_connect(w->path);
		for (unsigned i = 1; i < ARRAY_SIZE(raws); i++) {
			n += raws[i].fd >= 0;
			if (raws[i].fd >= 0)
				close(raws[i].fd);
			raws[i].fd = -1;
		}
		assert_true(raw_sync(&raws[0])); /* the first one stays */
		world_check(w);
	}
	assert_true(n > 0);
	raw_close(&raws[0]);
	world_expect_service(w, "crowd");
	world_check_growth(w);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		WORLD_TEST(test_malformed),
		WORLD_TEST(test_each_type),
		WORLD_TEST(test_crowd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
