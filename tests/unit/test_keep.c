// SPDX-License-Identifier: Apache-2.0
/* Memory that outlives a process, and memory that does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

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
	strcpy(a, "mark");
	assert_null(keep_old_memory(&f.keep, "a", &len)); /* not yet */
	keep_hold_memory(&f.keep, "a", file);
	/* the next process sees it, also what is written later */
	b = keep_old_memory(&f.keep, "a", &len);
	assert_non_null(b);
	assert_int_equal(len, 10000);
	assert_string_equal(b, "mark");
	strcpy(a, "more");
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
	keep_unmap(a, 100);
	keep_unmap(NULL, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
