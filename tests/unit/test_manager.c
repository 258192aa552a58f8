// SPDX-License-Identifier: Apache-2.0
/* What the service manager is told, and what it leaves in the environment. */
#include <fcntl.h>

#include "keeper/manager.h"
#include "notify_socket.h"

static void test_nobody(void **state)
{
	int first;
	char **names;

	unsetenv("NOTIFY_SOCKET");
	manager_notify("READY=1");
	assert_int_equal(manager_store("a", 0), 0);
	assert_int_equal(manager_stored(&first, &names), 0);
	assert_null(names);
	assert_int_equal(manager_watchdog_ms(), 0);
}

static void test_tells(void **state)
{
	int fd = open_notify_socket();
	bool with_fd;

	manager_notify("READY=1");
	assert_string_equal(hear(fd, &with_fd), "READY=1");
	assert_false(with_fd);
	assert_int_equal(manager_store("a1", 0), 0);
	assert_string_equal(hear(fd, &with_fd), "FDSTORE=1\nFDPOLL=0\nFDNAME=a1");
	assert_true(with_fd);
	manager_unstore("a1");
	assert_string_equal(hear(fd, &with_fd), "FDSTOREREMOVE=1\nFDNAME=a1");
	assert_false(with_fd);
	assert_string_equal(hear(fd, &with_fd), "");
	close_notify_socket(fd);
}

static void test_manager_that_is_gone(void **state)
{
	setenv("NOTIFY_SOCKET", "/nowhere/at/all", 1);
	assert_int_equal(manager_store("a", 0), -ENOENT);
	unsetenv("NOTIFY_SOCKET");
}

static void set_listen(const char *pid, const char *n, const char *names)
{
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", n, 1);
	if (names)
		setenv("LISTEN_FDNAMES", names, 1);
}

static void test_stored(void **state)
{
	char pid[16], **names;
	int first;

	snprintf(pid, sizeof(pid), "%d", getpid());
	set_listen(pid, "3", "a:bc:");
	assert_int_equal(manager_stored(&first, &names), 3);
	assert_int_equal(first, 3);
	assert_string_equal(names[0], "a");
	assert_string_equal(names[1], "bc");
	assert_string_equal(names[2], "");
	free(names);
	assert_null(getenv("LISTEN_FDS"));

	set_listen(pid, "2", "only");
	assert_int_equal(manager_stored(&first, &names), 2);
	assert_string_equal(names[0], "only");
	assert_string_equal(names[1], "");
	free(names);

	set_listen("1", "2", "a:b"); /* another process's */
	assert_int_equal(manager_stored(&first, &names), 0);
	set_listen(pid, "no number", NULL);
	assert_int_equal(manager_stored(&first, &names), 0);
}

static void test_watchdog(void **state)
{
	setenv("WATCHDOG_USEC", "3000000", 1);
	assert_int_equal(manager_watchdog_ms(), 1500);
	setenv("WATCHDOG_PID", "1", 1);
	assert_int_equal(manager_watchdog_ms(), 0);
	manager_hide();
	assert_null(getenv("WATCHDOG_USEC"));
	assert_int_equal(manager_watchdog_ms(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nobody),
		cmocka_unit_test(test_tells),
		cmocka_unit_test(test_manager_that_is_gone),
		cmocka_unit_test(test_stored),
		cmocka_unit_test(test_watchdog),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
