// SPDX-License-Identifier: Apache-2.0
/* A front-end that cuts off a file behind memory it has shared: whoever reads there gets SIGBUS.
 * It must be the port that breaks, not the switch.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "hostile/raw.h"
#include "hostile/world.h"

/* @len bytes of the memory stay. */
static void cut_off(struct world *w, off_t len)
{
	struct raw raw;

	for (unsigned n = 0; n < scaled(10); n++) {
		if (!raw_open(&raw, w->path, RAW_RUNNING))
			fail_msg("no front-end can connect any more");
		world_peer_turn(w, 8);
		assert_int_equal(ftruncate(raw.mem_fd, len), 0);
		eventfd_write(raw.event_fds[1], 1);
		world_peer_turn(w, 8);
		raw_sync(&raw);
		usleep(10000);
		raw_close(&raw);
		world_check(w);
		if (n == 2)
			world_baseline(w);
	}
	world_expect_service(w, "memory cut off");
	if (w->fds != 0)
		world_check_growth(w);
}

static void test_rings(void **state)
{
	cut_off(*state, 0);
}

/* The rings lie in front of the buffers. */
static void test_buffers(void **state)
{
	cut_off(*state, RAW_FRAME);
}

/* The dirty log of a migration, while packets are written to the guest and noted there. */
static void test_log(void **state)
{
	struct world *w = *state;
	struct raw raw;

	for (unsigned n = 0; n < scaled(10); n++) {
		int fd = memfd_create("log", MFD_CLOEXEC);

		assert_int_equal(ftruncate(fd, RAW_LOG_SIZE), 0);
		if (!raw_open(&raw, w->path, RAW_RUNNING))
			fail_msg("no front-end can connect any more");
		assert_true(raw_start_log(&raw, fd));
		raw_traffic(&raw, 8);
		world_peer_turn(w, 8);
		assert_true(raw_sync(&raw));
		assert_int_equal(ftruncate(fd, 0), 0);
		raw_traffic(&raw, 8);
		world_peer_turn(w, 8);
		raw_sync(&raw);
		usleep(10000);
		raw_close(&raw);
		close(fd);
		world_check(w);
		if (n == 2)
			world_baseline(w);
	}
	world_expect_service(w, "log cut off");
	if (w->fds != 0)
		world_check_growth(w);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		WORLD_TEST(test_rings),
		WORLD_TEST(test_buffers),
		WORLD_TEST(test_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
