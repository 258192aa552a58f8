// SPDX-License-Identifier: Apache-2.0
/* Error texts: what is written, what is cut, and what happens without a place to write to. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"

/* An error between two bytes that nobody may touch. */
struct fenced {
	char before;
	struct error err;
	char after;
};

static void fence(struct fenced *f)
{
	memset(f, '#', sizeof(*f));
}

static void assert_fenced(const struct fenced *f)
{
	assert_int_equal(f->before, '#');
	assert_int_equal(f->after, '#');
	assert_non_null(memchr(f->err.text, '\0', sizeof(f->err.text)));
}

static void fill(char *text, char c, size_t len)
{
	memset(text, c, len);
	text[len] = '\0';
}

static void test_set(void **state)
{
	struct error err = { "an older text" };

	assert_int_equal(error_set(&err, -EINVAL, "%s %d", "port", 7), -EINVAL);
	assert_string_equal(err.text, "port 7");
	assert_int_equal(error_set(&err, 5, "100%% of %c", 'x'), 5);
	assert_string_equal(err.text, "100% of x");
	assert_int_equal(error_set(&err, 0, "%s", ""), 0);
	assert_string_equal(err.text, "");
}

static void test_set_cut(void **state)
{
	char text[2 * ERROR_TEXT_MAX];
	struct fenced f;

	/* the longest that fits, and what is longer by one and by far */
	for (size_t len = ERROR_TEXT_MAX - 2; len < sizeof(text); len++) {
		fill(text, 'a', len);
		text[0] = '<';
		fence(&f);
		assert_int_equal(error_set(&f.err, -EIO, "%s", text), -EIO);
		assert_fenced(&f);
		assert_int_equal(strlen(f.err.text),
				 len < ERROR_TEXT_MAX ? len : ERROR_TEXT_MAX - 1);
		assert_memory_equal(f.err.text, text, strlen(f.err.text));
	}
}

static void test_prefix(void **state)
{
	struct error err = { "no such port" };

	error_prefix(&err, "%s %u", "bridge", 3u);
	assert_string_equal(err.text, "bridge 3: no such port");
	error_prefix(&err, "%s", "/etc/vireo.conf");
	assert_string_equal(err.text, "/etc/vireo.conf: bridge 3: no such port");
	/* the old text is no format */
	error_set(&err, 0, "%s", "50% full, %s %n");
	error_prefix(&err, "disk");
	assert_string_equal(err.text, "disk: 50% full, %s %n");
	err.text[0] = '\0';
	error_prefix(&err, "empty");
	assert_string_equal(err.text, "empty: ");
}

static void test_prefix_cut(void **state)
{
	char text[2 * ERROR_TEXT_MAX], want[4 * ERROR_TEXT_MAX];
	struct fenced f;

	/* whatever the lengths are: the start of "prefix: old" */
	for (size_t old_len = 0; old_len < ERROR_TEXT_MAX; old_len += 51) {
		for (size_t len = 0; len < sizeof(text); len++) {
			size_t want_len;

			fence(&f);
			fill(f.err.text, 'o', old_len);
			fill(text, 'p', len);
			want_len = len + 2 + old_len;
			fill(want, 'o', want_len);
			memset(want, 'p', len);
			memcpy(want + len, ": ", 2);
			if (want_len >= ERROR_TEXT_MAX)
				want[ERROR_TEXT_MAX - 1] = '\0';
			error_prefix(&f.err, "%s", text);
			assert_fenced(&f);
			assert_string_equal(f.err.text, want);
		}
	}
}

static void test_nobody_asks(void **state)
{
	assert_int_equal(error_set(NULL, -ENOMEM, "%s", "lost"), -ENOMEM);
	error_prefix(NULL, "%s", "lost");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set),	    cmocka_unit_test(test_set_cut),
		cmocka_unit_test(test_prefix),	    cmocka_unit_test(test_prefix_cut),
		cmocka_unit_test(test_nobody_asks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
