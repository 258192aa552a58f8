// SPDX-License-Identifier: Apache-2.0
/* Files that others have sent, the worst of which is a TCP socket that must not be closed before
 * its other end has read all: it never does.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/letgo.h"
#include "fds.h"

#define PATIENCE_S 20
#define N_FILES 64

static int reader; /* the other end */

static int make_lingering(void)
{
	static const char bytes[65536];
	struct sockaddr_in addr = { .sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct linger for_ever = { .l_onoff = 1, .l_linger = 100000 };
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;
	socklen_t len = sizeof(addr);

	assert_int_equal(bind(listener, (struct sockaddr *)&addr, len), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&addr, &len), 0);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, len), 0);
	reader = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(reader >= 0);
	close(listener);
	while (send(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &for_ever, sizeof(for_ever)), 0);
	return fd;
}

static void is_null(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	assert_true(S_ISCHR(st.st_mode));
	assert_int_equal(st.st_rdev, makedev(1, 3));
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

/* Other threads close, in their own time. */
static void comes_to(unsigned n)
{
	for (unsigned i = 0; i < PATIENCE_S * 100 && count_fds() != n; i++)
		poll(NULL, 0, 10);
	assert_int_equal(count_fds(), n);
}

/* What front-ends need stays as it is. */
static void test_plain(void **state)
{
	int pair[2], ends[2], fds[6];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	memcpy(fds, pair, sizeof(pair));
	memcpy(fds + 2, ends, sizeof(ends));
	fds[4] = eventfd(0, EFD_CLOEXEC);
	fds[5] = memfd_create("test", MFD_CLOEXEC);
	for (unsigned i = 0; i < 6; i++) {
		assert_int_equal(letgo_unless_plain(fds[i]), fds[i]);
		assert_int_equal(close(fds[i]), 0);
	}
	assert_int_equal(letgo_unless_plain(-1), -1);
}

static void test_strange(void **state)
{
	unsigned before = count_fds();
	int fds[N_FILES];

	for (unsigned i = 0; i < N_FILES; i++) {
		fds[i] = letgo_unless_plain(open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
		is_null(fds[i]);
	}
	comes_to(before + N_FILES);
	for (unsigned i = 0; i < N_FILES; i++)
		close(fds[i]);
	assert_int_equal(count_fds(), before);
}

static void test_lingering(void **state)
{
	unsigned before = count_fds();
	int fd;

	alarm(PATIENCE_S);
	fd = letgo_unless_plain(make_lingering());
	is_null(fd);
	close(fd);
	/* and the next one does not wait for it */
	fd = letgo_unless_plain(open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	is_null(fd);
	close(fd);
	comes_to(before + 1);
	close(reader);
	alarm(0);
	comes_to(before);
}

/* Nobody has received it, and now it goes with the socket in which it is. */
static void test_on_its_way(void **state)
{
	int pair[2], fd;

	alarm(PATIENCE_S);
	for (unsigned i = 0; i < 3; i++) {
		fd = make_lingering();
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
		assert_int_equal(send_fds(pair[0], "x", 1, &fd, 1, 0), 1);
		letgo_begin();
		close(fd);
		letgo_begin();
		close(pair[1]);
		letgo_end();
		close(pair[0]);
		letgo_end();
		close(reader);
	}
	alarm(0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_strange),
		cmocka_unit_test(test_lingering),
		cmocka_unit_test(test_on_its_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
