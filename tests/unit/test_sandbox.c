// SPDX-License-Identifier: Apache-2.0
/* What a process has left when it has given up the rest. In processes of their own; needs root. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/sandbox.h"

#define SOMEBODY 4242

static struct error err;

/* The rest of the line of /proc/self/status that begins with @key. */
static bool status_is(const char *key, const char *want)
{
	char line[256];
	bool found = false;
	FILE *f = fopen("/proc/self/status", "re");

	while (f && !found && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = 0;
		if (!strncmp(line, key, strlen(key)))
			found = !strcmp(line + strlen(key), want);
	}
	if (f)
		fclose(f);
	return found;
}

static int in_child(int (*fn)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(fn());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int give_up(void)
{
	const struct sandbox_user user = { SOMEBODY, SOMEBODY };

	return sandbox_begin(&user, &err) ? 100 : 0;
}

static int nothing_is_left(void)
{
	static const char none[] = "\t0000000000000000", ids[] = "\t4242\t4242\t4242\t4242";

	if (give_up())
		return 1;
	if (!status_is("CapEff:", none) || !status_is("CapPrm:", none) ||
	    !status_is("CapInh:", none) || !status_is("CapAmb:", none))
		return 2;
	if (!status_is("Uid:", ids) || !status_is("Gid:", ids) || !status_is("Groups:", "\t "))
		return 3;
	if (!status_is("NoNewPrivs:", "\t1"))
		return 4;
	return setuid(0) == 0 ? 5 : 0;
}

/* Whether this process is in another namespace of this kind than its parent. */
static bool is_apart(const char *parent, const char *kind)
{
	char path[64], own[64] = "";

	snprintf(path, sizeof(path), "/proc/self/ns/%s", kind);
	return readlink(path, own, sizeof(own) - 1) > 0 && strcmp(own, parent);
}

static int nothing_is_seen(void)
{
	static const char *const kinds[] = { "mnt", "ipc", "uts" };
	char before[3][64] = { "" }, path[64];
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	for (unsigned i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "/proc/self/ns/%s", kinds[i]);
		if (readlink(path, before[i], sizeof(before[i]) - 1) < 0)
			return 1;
	}
	if (give_up())
		return 2;
	for (unsigned i = 0; i < 3; i++)
		if (!is_apart(before[i], kinds[i]))
			return 3;
	if (access("/etc/passwd", F_OK) == 0 || access("/dev/null", F_OK) == 0 ||
	    access("/proc/sys", F_OK) == 0 ||
	    open("/new", O_CREAT | O_WRONLY | O_CLOEXEC, 0600) >= 0)
		return 4;
	if (access("/proc/1", F_OK) == 0)
		return 5;
	/* but what a file is can be told, and how many processors there are */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return readlink(path, before[0], sizeof(before[0])) > 0 && sysconf(_SC_NPROCESSORS_CONF) > 0
		       ? 0
		       : 6;
}

static int root_without_capabilities(void)
{
	const struct sandbox_user root = { 0, 0 };

	if (sandbox_begin(&root, &err))
		return 1;
	return status_is("CapEff:", "\t0000000000000000") && getuid() == 0 ? 0 : 2;
}

static int not_as_another(void)
{
	struct sandbox_user user;

	if (setuid(SOMEBODY))
		return 1;
	if (sandbox_find_user(&user, NULL, &err) || user.uid != SOMEBODY)
		return 2;
	if (sandbox_find_user(&user, "4242", &err))
		return 3;
	if (sandbox_find_user(&user, "root", &err) != -EPERM || !strstr(err.text, "only root"))
		return 4;
	return sandbox_begin(&user, &err) || getuid() != SOMEBODY ? 5 : 0;
}

static void test_nothing_is_left(void **state)
{
	assert_int_equal(in_child(nothing_is_left), 0);
}

static void test_nothing_is_seen(void **state)
{
	assert_int_equal(in_child(nothing_is_seen), 0);
	assert_int_equal(access("/etc/passwd", F_OK), 0);
}

static void test_root_without_capabilities(void **state)
{
	assert_int_equal(in_child(root_without_capabilities), 0);
}

static void test_not_as_another(void **state)
{
	assert_int_equal(in_child(not_as_another), 0);
}

static void test_users(void **state)
{
	struct sandbox_user user;

	assert_int_equal(sandbox_find_user(&user, NULL, &err), 0);
	assert_int_not_equal(user.uid, 0);
	assert_int_equal(sandbox_find_user(&user, "root", &err), 0);
	assert_int_equal(user.uid, 0);
	assert_int_equal(sandbox_find_user(&user, "4242", &err), 0);
	assert_int_equal(user.gid, 4242);
	assert_int_equal(sandbox_find_user(&user, "nobody-of-this-name", &err), -EINVAL);
}

static int group_setup(void **state)
{
	if (geteuid() == 0)
		return 0;
	print_error("this test needs root\n");
	return -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_users),
		cmocka_unit_test(test_nothing_is_left),
		cmocka_unit_test(test_nothing_is_seen),
		cmocka_unit_test(test_root_without_capabilities),
		cmocka_unit_test(test_not_as_another),
	};

	return cmocka_run_group_tests(tests, group_setup, NULL);
}
