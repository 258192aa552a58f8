// SPDX-License-Identifier: Apache-2.0
// "vireo upgrade": which program it names, and what it says of what becomes of it.
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* first: cmocka has a macro of the name fail() */
#include "cli/cli.h"

#include <cmocka.h>

#include "captured.h"
#include "fake_daemon.h"

static struct fake_daemon fake;
static struct captured out, err_stream;
static char ordered[512]; /* what came along as an order */

/* Runs "vireo upgrade WORD" against a daemon that replies so. */
static enum status run(const struct reply *replies, const char *word, bool json)
{
	struct cli cli = { .json = json };
	char copy[256], *argv[] = { copy, NULL };
	enum status status;

	fake_daemon_start(&fake, replies);
	cli.run_dir = fake.dir;
	snprintf(copy, sizeof(copy), "%s", word);
	capture_begin(&out, stdout);
	capture_begin(&err_stream, stderr);
	status = upgrade_object.verbs[0].run(&cli, word[0] ? 1 : 0, argv);
	capture_end(&err_stream);
	capture_end(&out);
	fake_daemon_stop(&fake);
	memset(ordered, 0, sizeof(ordered));
	if (fake.file >= 0)
		assert_true(recv(fake.file, ordered, sizeof(ordered) - 1, MSG_DONTWAIT) > 0);
	fake_daemon_clean(&fake);
	return status;
}

static void says(const char *want)
{
	if (!strstr(err_stream.text, want))
		fail_msg("\"%s\" does not say \"%s\"", err_stream.text, want);
}

/* A file that is not there is told of before anybody is asked. */
static void test_no_file(void **state)
{
	static const struct reply replies[] = { { NULL, NULL } };

	assert_int_equal(run(replies, "/nowhere/vireod", false), STATUS_REFUSED);
	says("/nowhere/vireod: No such file or directory");
}

/* The daemon refuses at once. */
static void test_refused(void **state)
{
	static const struct reply replies[] = {
		{ "\"version\"", RESULT("{\"pid\":7,\"version\":\"1\"}") },
		{ "\"upgrade\"", REFUSAL("only root may exchange the program") },
		{ NULL, NULL },
	};

	assert_int_equal(run(replies, "/bin/sh", false), STATUS_REFUSED);
	says("only root may exchange the program");
	assert_non_null(strstr(fake.request, "\"path\":\"/")); /* whole, without links */
}

/* The program is ordered, too, where the daemon cannot change that. */
static void test_order(void **state)
{
	static const struct reply replies[] = {
		{ "\"version\"", RESULT("{\"pid\":7,\"version\":\"1\"}") },
		{ "\"upgrade\"", REFUSAL("not now") },
		{ NULL, NULL },
	};
	char program[PATH_MAX], want[PATH_MAX + 32];

	assert_non_null(realpath("/bin/sh", program));
	snprintf(want, sizeof(want), "vireo upgrade %s", program);
	assert_int_equal(run(replies, "/bin/sh", false), STATUS_REFUSED);
	assert_string_equal(ordered, want);
}

/* It tries, and tells later why nothing came of it. */
static void test_refused_later(void **state)
{
	static const struct reply replies[] = {
		{ "\"version\"", RESULT("{\"pid\":7,\"version\":\"1\"}") },
		{ "\"upgrade\"", RESULT("true") },
		{ "\"upgrade.result\"", REFUSAL("/bin/sh must belong to root") },
		{ NULL, NULL },
	};

	assert_int_equal(run(replies, "/bin/sh", false), STATUS_REFUSED);
	says("/bin/sh must belong to root");
}

static void test_no_daemon(void **state)
{
	struct cli cli = { .run_dir = "/nowhere" };
	char program[] = "/bin/sh", *argv[] = { program, NULL };

	capture_begin(&err_stream, stderr);
	assert_int_equal(upgrade_object.verbs[0].run(&cli, 1, argv), STATUS_NO_DAEMON);
	capture_end(&err_stream);
	says("vireod is not running");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_file),	  cmocka_unit_test(test_refused),
		cmocka_unit_test(test_order),	  cmocka_unit_test(test_refused_later),
		cmocka_unit_test(test_no_daemon),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
