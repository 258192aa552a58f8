// SPDX-License-Identifier: Apache-2.0
/* Records from workers to the control thread: whole, in order, bounded, and never a lost call. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "datapath/upcall.h"

static int setup(void **state)
{
	struct upcalls *up = aligned_alloc(CACHE_LINE, sizeof(*up));

	assert_non_null(up);
	assert_int_equal(upcalls_init(up, eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)), 0);
	*state = up;
	return 0;
}

static int teardown(void **state)
{
	struct upcalls *up = *state;

	close(up->fd);
	upcalls_destroy(up);
	free(up);
	return 0;
}

/* Whether the control thread has been called since the last time. */
static bool called(struct upcalls *up)
{
	uint64_t n;

	return read(up->fd, &n, sizeof(n)) == sizeof(n);
}

/* A packet of @len bytes, the private copy and one fragment. */
static void make_packet(struct pkt *pkt, uint8_t *bytes, uint32_t len, struct iovec *frag)
{
	for (uint32_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)(i * 31 + len);
	pkt_init_linear(pkt, bytes, len, frag);
}

static void test_whole(void **state)
{
	static const uint32_t lens[] = { 14, 60, 127, 128, 129, 1514, 9000 };
	static const uint8_t userdata[] = { 1, 2, 3 }, actions[] = "eight..";
	const uint64_t words[] = { 0x1122334455667788, 5 };
	static uint8_t bytes[9000];
	struct upcalls *up = *state;
	struct iovec frag;
	struct pkt pkt;

	for (unsigned i = 0; i < ARRAY_SIZE(lens); i++)
		for (uint32_t cut = 0; cut <= lens[i]; cut += lens[i] / 3) {
			const struct upcall u = {
				.kind = UPCALL_PACKET,
				.cookie = 77,
				.map = 0x8001,
				.words = words,
				.userdata = userdata,
				.userdata_len = sizeof(userdata),
				.actions = actions,
				.actions_len = sizeof(actions),
				.total_len = lens[i],
				.frame_len = cut,
			};
			struct upcall *got;

			make_packet(&pkt, bytes, lens[i], &frag);
			assert_true(upcalls_put(up, &u, &pkt));
			got = upcalls_next(up);
			assert_non_null(got);
			assert_int_equal(got->cookie, 77);
			assert_memory_equal(got->words, words, sizeof(words));
			assert_memory_equal(got->userdata, userdata, sizeof(userdata));
			assert_memory_equal(got->actions, actions, sizeof(actions));
			assert_int_equal(got->frame_len, cut);
			assert_memory_equal(got->frame, bytes, cut);
			assert_null(upcalls_next(up));
			upcalls_release(up);
		}
}

static void test_calls_once_until_looked_at(void **state)
{
	const struct upcall u = { .kind = UPCALL_FIN };
	struct upcalls *up = *state;

	assert_true(upcalls_put(up, &u, NULL));
	assert_true(called(up));
	assert_true(upcalls_put(up, &u, NULL));
	assert_false(called(up)); /* it has not looked yet */
	assert_non_null(upcalls_next(up));
	assert_non_null(upcalls_next(up));
	assert_null(upcalls_next(up));
	upcalls_release(up);
	assert_true(upcalls_put(up, &u, NULL));
	assert_true(called(up));
}

static void test_full(void **state)
{
	static uint8_t bytes[9000];
	struct upcalls *up = *state;
	struct upcall u = { .kind = UPCALL_PACKET };
	unsigned n = 0, m = 0;
	struct iovec frag;
	struct pkt pkt;

	make_packet(&pkt, bytes, sizeof(bytes), &frag);
	u.frame_len = u.total_len = sizeof(bytes);
	for (u.cookie = 0; upcalls_put(up, &u, &pkt); u.cookie++)
		n++;
	assert_in_range(n, 100, 300);
	assert_false(upcalls_room(up, sizeof(bytes), 1));
	for (struct upcall *got; (got = upcalls_next(up)); m++) {
		assert_int_equal(got->cookie, m);
		upcalls_release(up);
	}
	assert_int_equal(m, n);
	assert_true(upcalls_room(up, sizeof(bytes), 1));
	assert_true(upcalls_put(up, &u, &pkt));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(test_calls_once_until_looked_at, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
