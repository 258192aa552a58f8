// SPDX-License-Identifier: Apache-2.0
/* Threads that go wrong, each for somebody, in processes of their own. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/blame.h"

static char *crashed; /* shared with children */

/* What a child does, and which signal ends it. */
static void *give_up(void *arg)
{
	blame_begin(arg);
	abort();
}

static void in_another_thread(void)
{
	static char name[] = "worker";
	pthread_t thread;

	blame_begin("main");
	pthread_create(&thread, NULL, give_up, name);
	pthread_join(thread, NULL);
}

static void in_this_one(void)
{
	blame_begin("vm1");
	abort();
}

static void for_nobody(void)
{
	blame_begin("vm1");
	blame_end();
	abort();
}

static void by_a_fault(void)
{
	blame_begin("vm1");
	raise(SIGFPE);
}

static void with_a_long_name(void)
{
	static char name[2 * BLAME_NAME_MAX];

	memset(name, 'x', sizeof(name) - 1);
	blame_begin(name);
	abort();
}

static void twice_installed(void)
{
	static char other[BLAME_NAME_MAX];

	blame_install(other);
	blame_install(crashed); /* it goes on with what was before the first */
	in_this_one();
}

static void killed(void)
{
	blame_begin("vm1");
	raise(SIGKILL);
}

/* The name that is left when @fn has ended its process by @signal. */
static const char *left_by(void (*fn)(void), int signal_number)
{
	static const int signals[] = { SIGSEGV, SIGABRT, SIGILL, SIGFPE };
	int status;
	pid_t pid;

	memset(crashed, 0, BLAME_NAME_MAX);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		setrlimit(RLIMIT_CORE, &(struct rlimit){ 0 });
		for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
			signal(signals[i], SIG_DFL); /* not the test framework's */
		blame_install(crashed);
		fn();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), signal_number);
	return crashed;
}

static void test_names(void **state)
{
	const char *name;

	assert_string_equal(left_by(in_this_one, SIGABRT), "vm1");
	assert_string_equal(left_by(by_a_fault, SIGFPE), "vm1");
	assert_string_equal(left_by(in_another_thread, SIGABRT), "worker");
	assert_string_equal(left_by(for_nobody, SIGABRT), "");
	assert_string_equal(left_by(killed, SIGKILL), "");
	assert_string_equal(left_by(twice_installed, SIGABRT), "vm1");
	name = left_by(with_a_long_name, SIGABRT);
	assert_int_equal(strlen(name), BLAME_NAME_MAX - 1);
	assert_int_equal(strspn(name, "x"), BLAME_NAME_MAX - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_names) };

	crashed = mmap(NULL, BLAME_NAME_MAX, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		       0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
