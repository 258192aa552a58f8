// SPDX-License-Identifier: Apache-2.0
/* What the service manager hears, by a path, by a name of the abstract kind, and when there is
 * none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "fds.h"
#include "keeper/manager.h"

/* A manager that listens at @path, in which '@' stands for a zero byte at the front. */
static int listen_at(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	memcpy(addr.sun_path, path, strlen(path));
	if (*path == '@')
		*addr.sun_path = 0;
	assert_int_equal(bind(fd, (struct sockaddr *)&addr,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path))),
			 0);
	setenv("NOTIFY_SOCKET", path, true);
	return fd;
}

static void hears(int fd, const char *what)
{
	char text[64] = { 0 };

	manager_notify(what);
	assert_int_equal(recv(fd, text, sizeof(text), 0), strlen(what));
	assert_string_equal(text, what);
	close(fd);
}

static void test_tells(void **state)
{
	char path[64];
	unsigned n = count_fds();

	snprintf(path, sizeof(path), "/tmp/vireo-manager-%d", getpid());
	hears(listen_at(path), "READY=1");
	manager_notify("STOPPING=1"); /* it is there no more: that is logged */
	unlink(path);
	manager_notify("STOPPING=1");
	snprintf(path, sizeof(path), "@vireo-manager-%d", getpid());
	hears(listen_at(path), "STOPPING=1");
	assert_int_equal(count_fds(), n);
}

/* None, or a name that no socket can have. */
static void test_nobody(void **state)
{
	static char name[200];
	unsigned n = count_fds();

	unsetenv("NOTIFY_SOCKET");
	manager_notify("READY=1");
	setenv("NOTIFY_SOCKET", "", true);
	manager_notify("READY=1");
	memset(name, 'x', sizeof(name) - 1);
	setenv("NOTIFY_SOCKET", name, true);
	manager_notify("READY=1");
	assert_int_equal(count_fds(), n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tells),
		cmocka_unit_test(test_nobody),
	};

	log_set_level("keeper", "error", NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
