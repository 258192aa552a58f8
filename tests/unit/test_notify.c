// SPDX-License-Identifier: Apache-2.0
/* Signalling an eventfd whose holder wants us to wait. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/notify.h"

static void test_counts(void **state)
{
	int fd = eventfd(0, EFD_CLOEXEC);
	eventfd_t value;

	assert_true(fd >= 0);
	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(notify_fd(fd), 0);
	assert_int_equal(eventfd_read(fd, &value), 0);
	assert_int_equal(value, 1000);
	close(fd);
}

/* A blocking eventfd that is full: an ordinary write() would wait for ever. */
static void test_never_waits(void **state)
{
	int fd = eventfd(0, EFD_CLOEXEC);
	struct pollfd p = { .fd = fd, .events = POLLIN };

	alarm(10);
	assert_int_equal(eventfd_write(fd, UINT64_MAX - 1), 0);
	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(notify_fd(fd), 0);
	alarm(0);
	assert_int_equal(poll(&p, 1, 0), 1);
	close(fd);
}

static void test_pipe(void **state)
{
	uint64_t bytes[2];
	int fds[2], r = 0;

	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(notify_fd(fds[1]), 0);
	assert_int_equal(read(fds[0], bytes, sizeof(bytes)), 8);
	for (unsigned i = 0; i < 100000 && !r; i++)
		r = notify_fd(fds[1]);
	assert_int_equal(r, -EAGAIN);
	close(fds[0]);
	close(fds[1]);
	assert_int_equal(notify_fd(fds[1]), -EBADF);
}

static void *notify_once(void *arg)
{
	assert_int_equal(notify_fd(*(int *)arg), 0);
	return NULL;
}

/* What the kernel has of this process, as it has it for each that works so. */
static unsigned n_rings(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[512];
	unsigned n = 0;

	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps))
		n += strstr(line, "/[aio]") != NULL;
	fclose(maps);
	return n;
}

/* Threads that come and go leave nothing behind. */
static void test_threads(void **state)
{
	int fd = eventfd(0, EFD_CLOEXEC);
	eventfd_t value;
	unsigned before;

	assert_int_equal(notify_fd(fd), 0);
	before = n_rings();
	assert_in_range(before, 1, 1);
	for (unsigned i = 0; i < 100; i++) {
		pthread_t thread;

		assert_int_equal(pthread_create(&thread, NULL, notify_once, &fd), 0);
		assert_int_equal(pthread_join(thread, NULL), 0);
	}
	assert_int_equal(eventfd_read(fd, &value), 0);
	assert_int_equal(value, 101);
	assert_in_range(n_rings(), before, before + 1);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_never_waits),
		cmocka_unit_test(test_pipe),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
