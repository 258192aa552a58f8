// SPDX-License-Identifier: Apache-2.0
/* File descriptors that others send, in a process that is nearly full of them. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/files.h"
#include "base/limit.h"

#define MOST 128 /* files of this process: a quarter is kept back */

static const struct limit *files(void)
{
	const struct limit *l = limits();

	while (l && strcmp(l->name, "files") != 0)
		l = l->next;
	assert_non_null(l);
	return l;
}

static void test_some_are_kept_back(void **state)
{
	struct rlimit limit = { MOST / 2, MOST };
	uint64_t refused;
	int fd, last;

	/* nothing is refused before the limit is known */
	fd = files_admit(dup(STDIN_FILENO));
	assert_true(fd > 0);
	close(fd);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	files_raise_limit();
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(limit.rlim_cur, MOST);
	assert_int_equal(files()->most, MOST - MOST / 4);
	assert_int_equal(limit_now(files()), fd);

	for (last = fd; (fd = files_admit(dup(STDIN_FILENO))) >= 0; last = fd)
		assert_true(fd >= last);
	assert_int_equal(last, MOST - MOST / 4 - 1);
	assert_int_equal(limit_now(files()), files()->most);
	refused = limit_refused(files());
	assert_int_equal(refused, 1);
	/* it was closed; we ourselves can go on */
	assert_int_equal(fcntl(last + 1, F_GETFD), -1);
	for (unsigned i = 0; i < MOST / 4; i++)
		assert_int_equal(dup(STDIN_FILENO), last + 1 + (int)i);
	assert_int_equal(dup(STDIN_FILENO), -1);
	assert_int_equal(limit_now(files()), files()->most);
	/* what did not come is nothing to count */
	assert_int_equal(files_admit(-1), -1);
	assert_int_equal(limit_refused(files()), refused);
	/* there is room again */
	close(last);
	assert_int_equal(files_admit(dup(STDIN_FILENO)), last);
	for (fd = STDERR_FILENO + 1; fd < MOST; fd++) /* a sanitizer's end needs some, too */
		close(fd);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_some_are_kept_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
