// SPDX-License-Identifier: Apache-2.0
/* Processes that crash, each for somebody. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/blame.h"
#include "base/store.h"
#include "fake_keep.h"
#include "switch/quarantine.h"

/* How a process ends. */
enum end { FAULT, ABORT, SENT, KILLED, WELL };

/* A new process. */
static struct quarantine *begin(struct fake_keep *f)
{
	static const int signals[] = { SIGSEGV, SIGABRT, SIGILL, SIGFPE };
	struct quarantine *q;

	/* not those of the test's framework, which go on */
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		signal(signals[i], SIG_DFL);
	q = quarantine_open(&f->keep);
	assert_non_null(q);
	return q;
}

/* A process works for @name and ends; then a new one goes on with what it has left, and this test
 * is that process. */
static struct quarantine *after(struct fake_keep *f, const char *name, enum end end, int signal)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (!pid) {
		setrlimit(RLIMIT_CORE, &(struct rlimit){ 0 });
		if (name)
			blame_begin(name);
		if (end == FAULT)
			__builtin_trap();
		if (end == ABORT)
			abort();
		if (end == SENT)
			raise(SIGSEGV);
		if (end == KILLED)
			raise(SIGKILL);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	/* a sanitizer makes an exit status of it */
	if (!WIFEXITED(status))
		assert_int_equal(WTERMSIG(status), signal);
	return begin(f);
}

static void test_three_in_a_row(void **state)
{
	struct quarantine *q;
	struct fake_keep f;

	fake_keep_init(&f);
	q = begin(&f);
	assert_false(quarantine_holds(q, "evil") || quarantine_holds(q, ""));
	assert_false(quarantine_holds(NULL, "evil"));
	/* others in between, or nobody to blame */
	q = after(&f, "evil", SENT, SIGSEGV);
	q = after(&f, "evil", ABORT, SIGABRT);
	q = after(&f, "good", SENT, SIGSEGV);
	q = after(&f, "evil", SENT, SIGSEGV);
	q = after(&f, "evil", FAULT, SIGILL);
	assert_false(quarantine_holds(q, "evil") || quarantine_holds(q, "good"));
	q = after(&f, "evil", KILLED, SIGKILL);
	q = after(&f, "evil", WELL, 0);
	q = after(&f, NULL, ABORT, SIGABRT);
	assert_false(quarantine_holds(q, "evil"));
	/* that was not in between */
	q = after(&f, "evil", SENT, SIGSEGV);
	assert_true(quarantine_holds(q, "evil"));
	assert_false(quarantine_holds(q, "good") || quarantine_holds(q, ""));
	/* it stays there */
	q = after(&f, "good", SENT, SIGSEGV);
	assert_true(quarantine_holds(q, "evil"));
	quarantine_pardon(q, "evil");
	q = after(&f, NULL, WELL, 0);
	assert_false(quarantine_holds(q, "evil"));
	fake_keep_clear(&f);
}

/* Another version's record is no record. */
static void test_garbage(void **state)
{
	struct fake_keep f;
	char *memory;
	int file;

	fake_keep_init(&f);
	memory = keep_memory(&f.keep, 100, &file);
	keep_hold_memory(&f.keep, "quarantine", file);
	memset(SHARED_AT(memory), 0xff, 100);
	assert_false(quarantine_holds(begin(&f), "evil"));
	keep_unmap(memory, 100);
	fake_keep_clear(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_three_in_a_row),
		cmocka_unit_test(test_garbage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
