// SPDX-License-Identifier: Apache-2.0
/* Memory that outlives a process, and memory that does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/store.h"
#include "fake_keep.h"

static void test_memory(void **state)
{
	struct fake_keep f;
	size_t len = 0;
	char *a, *b;
	int file;

	fake_keep_init(&f);
	assert_null(keep_old_memory(&f.keep, "a", &len));
	a = keep_memory(&f.keep, 10000, &file);
	assert_non_null(a);
	for (unsigned i = 0; i < 10000; i++)
		assert_int_equal(a[i], 0);
	strcpy(SHARED_AT(a), "mark");
	assert_null(keep_old_memory(&f.keep, "a", &len)); /* not yet */
	keep_hold_memory(&f.keep, "a", file);
	/* the next process sees it, also what is written later */
	b = keep_old_memory(&f.keep, "a", &len);
	assert_non_null(b);
	assert_int_equal(len, 10000);
	assert_string_equal(b, "mark");
	strcpy(SHARED_AT(a), "more");
	assert_string_equal(b, "more");
	keep_unmap(b, len);
	keep_unmap(a, 10000);
	b = keep_old_memory(&f.keep, "a", &len);
	assert_string_equal(b, "more");
	keep_unmap(b, len);
	/* new memory takes its place */
	a = keep_memory(&f.keep, 64, &file);
	b = keep_old_memory(&f.keep, "a", &len);
	assert_string_equal(b, "more");
	keep_unmap(b, len);
	keep_hold_memory(&f.keep, "a", file);
	b = keep_old_memory(&f.keep, "a", &len);
	assert_int_equal(len, 64);
	assert_string_equal(b, "");
	keep_unmap(a, 64);
	keep_unmap(b, 64);
	keep_release(&f.keep, "a");
	assert_null(keep_old_memory(&f.keep, "a", &len));
	fake_keep_clear(&f);
}

#ifdef CHECK_STORES
/* Who stores to it by other means than base/store.h does so no more. */
static void test_checked(void **state)
{
	struct fake_keep f;
	int file, status;
	char *a;
	pid_t pid;

	fake_keep_init(&f);
	a = keep_memory(&f.keep, 10000, &file);
	shared_store(&a[9999], 1);
	assert_int_equal(a[9999], 1);
	pid = fork();
	if (pid == 0) {
		signal(SIGSEGV, SIG_DFL);
		*(volatile char *)&a[9999] = 2;
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	assert_int_equal(a[9999], 1);
	close(file);
	keep_unmap(a, 10000);
	fake_keep_clear(&f);
}
#endif

/* Room takes memory where something is written. */
static void test_room(void **state)
{
	struct fake_keep f;
	struct stat before, after;
	size_t len = 0;
	char *a, *b;
	int file;

	fake_keep_init(&f);
	a = keep_memory(&f.keep, 1 << 20, &file);
	assert_int_equal(fstat(file, &before), 0);
	assert_true(before.st_blocks * 512 >= 1 << 20);
	keep_unmap(a, 1 << 20);
	close(file);
	a = keep_room(&f.keep, 64 << 20, &file);
	assert_non_null(a);
	strcpy(SHARED_AT(a + 5000), "mark");
	assert_int_equal(fstat(file, &after), 0);
	assert_in_range(after.st_blocks * 512, 1, 8 << 20);
	keep_hold_memory(&f.keep, "a", file);
	keep_unmap(a, 64 << 20);
	b = keep_old_memory(&f.keep, "a", &len);
	assert_int_equal(len, 64 << 20);
	assert_string_equal(b + 5000, "mark");
	keep_unmap(b, len);
	fake_keep_clear(&f);
}

static void test_nobody(void **state)
{
	int file;
	char *a = keep_memory(NULL, 100, &file);
	size_t len;

	assert_non_null(a);
	assert_int_equal(file, -1);
	a[99] = 1;
	keep_hold_memory(NULL, "a", file);
	assert_null(keep_old_memory(NULL, "a", &len));
	keep_release(NULL, "a");
	keep_busy(NULL);
	keep_unmap(a, 100);
	keep_unmap(NULL, 0);
}

static void test_busy(void **state)
{
	struct fake_keep f;

	fake_keep_init(&f);
	keep_busy(&f.keep);
	keep_busy(&f.keep);
	assert_int_equal(f.n_busy, 2);
	f.keep.busy = NULL; /* not all want to know */
	keep_busy(&f.keep);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memory),
#ifdef CHECK_STORES
		cmocka_unit_test(test_checked),
#endif
		cmocka_unit_test(test_room),	cmocka_unit_test(test_nobody),
		cmocka_unit_test(test_busy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
