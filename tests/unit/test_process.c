// SPDX-License-Identifier: Apache-2.0
/* Processes that are ended, and programs that may not be executed. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "keeper/death.h"
#include "keeper/process.h"

/* One that hears no signal that it can help. */
static pid_t stubborn(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		signal(SIGTERM, SIG_IGN);
		for (;;)
			pause();
	}
	return pid;
}

static void test_orphan(void **state)
{
	pid_t pid = stubborn();
	int pidfd = pidfd_open(pid, 0), status;
	struct pollfd end = { .fd = pidfd, .events = POLLIN };

	kill(pid, SIGSTOP);
	assert_int_equal(poll(&end, 1, 0), 0);
	process_end_orphan(pidfd, pid);
	assert_true(poll(&end, 1, 0) == 1 || death_has_come(pid)); /* it is not yet waited for */
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	process_end_orphan(pidfd, pid); /* so is one that has ended before */
	close(pidfd);
}

static void test_end(void **state)
{
	struct process p = { .exe_fd = -1 };

	process_end(&p);
	p.pid = stubborn();
	process_end(&p);
	assert_int_equal(p.pid, 0);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static void test_programs(void **state)
{
	char path[] = "/tmp/vireo-test-XXXXXX";
	int fd = mkstemp(path), program;
	struct error err;

	assert_int_equal(fchmod(fd, 0700), 0);
	program = process_open_program(path, &err);
	if (getuid() == 0)
		assert_true(program >= 0);
	if (program >= 0)
		close(program);
	assert_int_equal(fchmod(fd, 0600), 0);
	assert_int_equal(process_open_program(path, &err), -EACCES);
	assert_non_null(strstr(err.text, "no program"));
	assert_int_equal(fchmod(fd, 0722), 0);
	assert_int_equal(process_open_program(path, &err), -EPERM);
	assert_int_equal(process_open_program("/nowhere", &err), -ENOENT);
	unlink(path);
	close(fd);
}

static void test_words(void **state)
{
	char text[64];

	assert_string_equal(process_ending(3 << 8, text, sizeof(text)), "exit status 3");
	assert_string_equal(process_ending(9, text, sizeof(text)), "killed by signal 9 (Killed)");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_orphan),
		cmocka_unit_test(test_end),
		cmocka_unit_test(test_programs),
		cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
