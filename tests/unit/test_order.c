// SPDX-License-Identifier: Apache-2.0
/* Orders that are root's, and everything else that may be handed on as one. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/order.h"

#define PROGRAM "/usr/sbin/vireod"

static struct error err;
static int ends[2];

static void give(void)
{
	assert_int_equal(order_give(ORDER_UPGRADE, PROGRAM, ends), 0);
}

static void close_both(void)
{
	close(ends[0]);
	close(ends[1]);
}

static void refused(int fd, const char *what, const char *path, const char *why)
{
	assert_int_equal(order_take(fd, what, path, &err), -EPERM);
	assert_string_equal(err.text, why);
}

static void test_holds_once(void **state)
{
	give();
	assert_int_equal(order_take(ends[0], ORDER_UPGRADE, PROGRAM, &err), 0);
	refused(ends[0], ORDER_UPGRADE, PROGRAM, "root has ordered something else");
	close_both();
}

static void test_holds_for_one_thing(void **state)
{
	static const struct {
		const char *what, *path;
	} others[] = {
		{ ORDER_REPLACE, PROGRAM },
		{ ORDER_UPGRADE, "/usr/sbin/vireo" },
		{ ORDER_UPGRADE, PROGRAM "x" },
		{ ORDER_UPGRADE, "" },
	};

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		give();
		refused(ends[0], others[i].what, others[i].path, "root has ordered something else");
		/* nor is there a second try */
		refused(ends[0], ORDER_UPGRADE, PROGRAM, "root has ordered something else");
		close_both();
	}
}

static void test_holds_while_somebody_waits(void **state)
{
	give();
	close(ends[1]);
	refused(ends[0], ORDER_UPGRADE, PROGRAM,
		"who has ordered it does not wait for it any more");
	close(ends[0]);
}

static void test_only_roots(void **state)
{
	if (geteuid() != 0)
		skip();
	assert_int_equal(seteuid(4242), 0);
	give();
	assert_int_equal(seteuid(0), 0);
	refused(ends[0], ORDER_UPGRADE, PROGRAM, "root has not ordered it");
	close_both();
}

/* Root has made the sockets, and somebody else has one of them: what he says is not root's. */
static void test_sent_by_others(void **state)
{
	static const char text[] = ORDER_UPGRADE PROGRAM;

	if (geteuid() != 0)
		skip();
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	assert_int_equal(seteuid(4242), 0);
	assert_int_equal(send(ends[1], text, sizeof(text) - 1, 0), sizeof(text) - 1);
	assert_int_equal(seteuid(0), 0);
	refused(ends[0], ORDER_UPGRADE, PROGRAM, "root has ordered something else");
	close_both();
}

/* Files that a rogue switch may have at hand. */
static void test_no_order(void **state)
{
	static const char text[] = ORDER_UPGRADE PROGRAM;
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	refused(fd, ORDER_UPGRADE, PROGRAM, "root has not ordered it");
	close(fd);
	refused(-1, ORDER_UPGRADE, PROGRAM, "root has not ordered it");
	/* as a front-end of root's, which writes what its guest wants */
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	assert_int_equal(write(ends[1], text, sizeof(text) - 1), sizeof(text) - 1);
	refused(ends[0], ORDER_UPGRADE, PROGRAM, "root has not ordered it");
	close_both();
	/* as the keeper's own link, in which nothing waits */
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	refused(ends[0], ORDER_UPGRADE, PROGRAM, "root has ordered something else");
	close_both();
}

static void test_long_path(void **state)
{
	char path[2 * PATH_MAX];

	memset(path, 'x', sizeof(path));
	path[sizeof(path) - 1] = 0;
	assert_int_equal(order_give(ORDER_UPGRADE, path, ends), -ENAMETOOLONG);
	refused(-1, ORDER_UPGRADE, path, "the program's path is too long");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_holds_once),
		cmocka_unit_test(test_holds_for_one_thing),
		cmocka_unit_test(test_holds_while_somebody_waits),
		cmocka_unit_test(test_only_roots),
		cmocka_unit_test(test_sent_by_others),
		cmocka_unit_test(test_no_order),
		cmocka_unit_test(test_long_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
