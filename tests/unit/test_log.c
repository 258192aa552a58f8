// SPDX-License-Identifier: Apache-2.0
/* Log lines as they reach stderr, levels, and the limit for what a peer can provoke. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/limit.h"
#include "base/log.h"

LOG_MODULE("test");

/* What says how many lines were left out. */
static const struct limit *log_lines(void)
{
	const struct limit *l = limits();

	while (l && strcmp(l->name, "log_lines") != 0)
		l = l->next;
	assert_non_null(l);
	return l;
}

struct capture {
	int saved, file;
	char text[65536];
};

/* stderr goes to a file from here on. */
static int setup(void **state)
{
	static struct capture c;

	c.saved = dup(STDERR_FILENO);
	c.file = memfd_create("stderr", MFD_CLOEXEC);
	assert_true(c.saved >= 0 && c.file >= 0);
	fflush(stderr);
	assert_true(dup2(c.file, STDERR_FILENO) >= 0);
	*state = &c;
	return 0;
}

static int teardown(void **state)
{
	struct capture *c = *state;

	dup2(c->saved, STDERR_FILENO);
	close(c->saved);
	close(c->file);
	unsetenv("JOURNAL_STREAM");
	log_init();
	return log_set_level("all", "info", NULL);
}

/* All that was written since the last call. */
static const char *written(struct capture *c)
{
	ssize_t n = pread(c->file, c->text, sizeof(c->text) - 1, 0);

	assert_true(n >= 0);
	c->text[n] = '\0';
	assert_int_equal(ftruncate(c->file, 0), 0);
	assert_int_equal(lseek(c->file, 0, SEEK_SET), 0);
	return c->text;
}

static unsigned count(const char *text, const char *what)
{
	unsigned n = 0;

	for (; (text = strstr(text, what)); text += strlen(what))
		n++;
	return n;
}

static void one_line_for_people(void **state)
{
	unsigned h, m, s, ms;
	char rest[100];
	const char *line;

	errno = EXDEV;
	log_warning("guest %d says %s", 7, "no");
	assert_int_equal(errno, EXDEV);
	line = written(*state);
	assert_int_equal(sscanf(line, "%2u:%2u:%2u.%3u %99[^\n]", &h, &m, &s, &ms, rest), 5);
	assert_string_equal(rest, "warning test: guest 7 says no");
	assert_int_equal(count(line, "\n"), 1);
}

static void journal_gets_priorities(void **state)
{
	char stream[64];
	struct stat st;

	assert_int_equal(fstat(STDERR_FILENO, &st), 0);
	snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	log_init();
	log_error("bad");
	log_info("good");
	assert_string_equal(written(*state), "<3>test: bad\n<6>test: good\n");

	/* Inherited, but stderr is something else by now. */
	setenv("JOURNAL_STREAM", "1:1", 1);
	log_init();
	log_error("bad");
	assert_null(strstr(written(*state), "<3>"));
}

static void levels_filter(void **state)
{
	struct error err;

	log_debug("hidden");
	assert_string_equal(written(*state), "");
	assert_int_equal(log_set_level("test", "debug", &err), 0);
	log_debug("shown");
	assert_non_null(strstr(written(*state), "debug test: shown"));
	assert_int_equal(log_set_level("all", "error", &err), 0);
	log_warning("hidden");
	assert_string_equal(written(*state), "");
	log_error("shown");
	assert_non_null(strstr(written(*state), "error test: shown"));
}

static void wrong_levels_are_explained(void **state)
{
	struct error err;

	assert_int_equal(log_set_level("test", "loud", &err), -EINVAL);
	assert_non_null(strstr(err.text, "\"loud\" is no log level: use error, warning"));
	assert_int_equal(log_set_level("nothing", "info", &err), -EINVAL);
	assert_non_null(strstr(err.text, "no module \"nothing\""));
	assert_int_equal(log_set_level("tset", "debug", &err), -EINVAL);
	assert_string_equal(err.text, "no module \"tset\": did you mean \"test\"?");
	assert_int_equal(log_check_level("all", "debug", &err), 0);
	assert_int_equal(log_check_level("test", "debug", &err), 0);
	assert_int_equal(log_check_level("test", "loud", &err), -EINVAL);
	assert_int_equal(log_this.level, LOG_INFO);
}

static void modules_are_listed(void **state)
{
	unsigned n = 0;

	for (const struct log_module *m = log_modules(); m; m = m->next)
		n += !strcmp(m->name, "test");
	assert_int_equal(n, 1);
}

static void lines_cannot_be_forged(void **state)
{
	const char *line;

	log_warning("peer says %s", "a\n12:00:00.000 error fake: \x1b[31m\x7f");
	line = written(*state);
	assert_int_equal(count(line, "\n"), 1);
	assert_non_null(strstr(line, "peer says a?12:00:00.000 error fake: ?[31m?\n"));
}

static void long_lines_are_cut(void **state)
{
	char text[5000];
	const char *line;

	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	log_warning("%s", text);
	line = written(*state);
	assert_in_range(strlen(line), 500, 1024);
	assert_int_equal(line[strlen(line) - 1], '\n');
}

static void floods_are_limited_and_counted(void **state)
{
	struct log_limit limit = { 0 };
	const char *text;
	unsigned passed = 0;

	for (int i = 0; i < 1000; i++)
		passed += log_limit_pass(&limit, &log_this);
	/* Ten, and one more for each second that this took. */
	assert_in_range(passed, 10, 12);
	assert_int_equal(limit.n_suppressed + passed, 1000);
	assert_int_equal(limit_refused(log_lines()), 1000 - passed);
	assert_string_equal(written(*state), "");

	limit.bucket.tokens_ns = NSEC_PER_SEC;
	assert_true(log_limit_pass(&limit, &log_this));
	text = written(*state);
	assert_non_null(strstr(text, "more lines like the next one were left out"));
	assert_int_equal(limit.n_suppressed, 0);

	for (int i = 0; i < 100; i++)
		log_limited(LOG_WARNING, "flood %d", i);
	assert_in_range(count(written(*state), "flood"), 10, 12);
}

/* More than all modules together may write; debug lines are what somebody has asked for. */
static void all_lines_are_limited(void **state)
{
	static const char note[] = "lines of all modules were left out here\n";
	struct capture *c = *state;
	uint64_t began = clock_ns(), refused = limit_refused(log_lines()), seconds;
	unsigned passed = 0, n_notes = 0;
	const char *text;
	struct error err;

	for (unsigned i = 0; i < 3000; i++) {
		log_info("n");
		if (i % 500 == 499) {
			text = written(c);
			passed += count(text, "info test: n\n");
			n_notes += count(text, note);
		}
	}
	seconds = (clock_ns() - began) / NSEC_PER_SEC + 1;
	/* earlier tests have written some of those that may come at once */
	assert_in_range(passed, 800, 1000 + 100 * seconds);
	assert_int_equal(limit_refused(log_lines()) - refused, 3000 - passed);
	assert_int_equal(log_set_level("test", "debug", &err), 0);
	for (unsigned i = 0; i < 100; i++)
		log_debug("d");
	text = written(c);
	assert_int_equal(count(text, "debug test: d\n"), 100);
	assert_true(n_notes + count(text, note) >= 1);
}

static void error_texts(void **state)
{
	char text[500];
	struct error err;

	assert_int_equal(error_set(&err, -EINVAL, "%d is odd", 3), -EINVAL);
	assert_string_equal(err.text, "3 is odd");
	error_prefix(&err, "port %s", "p");
	assert_string_equal(err.text, "port p: 3 is odd");
	assert_int_equal(error_set(NULL, -EIO, "nobody listens"), -EIO);
	error_prefix(NULL, "nobody");
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	error_set(&err, 0, "%s", text);
	assert_int_equal(strlen(err.text), ERROR_TEXT_MAX - 1);
	error_prefix(&err, "%s", text);
	assert_int_equal(strlen(err.text), ERROR_TEXT_MAX - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(one_line_for_people, setup, teardown),
		cmocka_unit_test_setup_teardown(journal_gets_priorities, setup, teardown),
		cmocka_unit_test_setup_teardown(levels_filter, setup, teardown),
		cmocka_unit_test_setup_teardown(wrong_levels_are_explained, setup, teardown),
		cmocka_unit_test_setup_teardown(modules_are_listed, setup, teardown),
		cmocka_unit_test_setup_teardown(lines_cannot_be_forged, setup, teardown),
		cmocka_unit_test_setup_teardown(long_lines_are_cut, setup, teardown),
		cmocka_unit_test_setup_teardown(floods_are_limited_and_counted, setup, teardown),
		cmocka_unit_test_setup_teardown(all_lines_are_limited, setup, teardown),
		cmocka_unit_test(error_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
