// SPDX-License-Identifier: Apache-2.0
// Calls: what is sent, what comes back, and how each failure ends the program.
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

/* first: cmocka has a macro of the name fail() */
#include "cli/client.h"

#include <cmocka.h>

#include "captured.h"
#include "fake_daemon.h"
#include "fds.h"

#define LARGE 1000000 /* bytes: more than a socket holds, and many reads */

static struct fake_daemon fake;
static struct captured err_stream;
static struct error err;

/* One call to a daemon with one reply; the daemon is gone afterwards. */
static enum status call(const struct reply *replies, const char *method, json_t *params, int fd,
			json_t **result)
{
	struct cli cli = { .run_dir = fake.dir };
	enum status status;

	fake_daemon_start(&fake, replies);
	err = (struct error){ "" };
	status = client_try(&cli, method, params, fd, result, &err);
	fake_daemon_stop(&fake);
	return status;
}

static void says(const char *want)
{
	if (!strstr(err.text, want))
		fail_msg("\"%s\" does not say \"%s\"", err.text, want);
}

static void test_result(void **state)
{
	static const struct reply replies[] = { { "", RESULT("[7,\"seven\"]") }, { NULL, NULL } };
	json_t *result = NULL;

	assert_int_equal(
		call(replies, "port.show", json_pack("{s:s}", "name", "vm1"), NO_FILE, &result),
		STATUS_OK);
	assert_string_equal(fake.request, "{\"jsonrpc\":\"2.0\",\"method\":\"port.show\","
					  "\"params\":{\"name\":\"vm1\"},\"id\":1}\n");
	assert_int_equal(fake.file, -1);
	assert_int_equal(json_array_size(result), 2);
	assert_int_equal(json_integer_value(json_array_get(result, 0)), 7);
	json_decref(result);
	fake_daemon_clean(&fake);

	/* no params, and nobody wants the result */
	assert_int_equal(call(replies, "version", NULL, NO_FILE, NULL), STATUS_OK);
	assert_non_null(strstr(fake.request, "\"params\":{}"));
	fake_daemon_clean(&fake);
}

static void test_large_result(void **state)
{
	static char text[LARGE + 64];
	const struct reply replies[] = { { "", text }, { NULL, NULL } };
	json_t *result = NULL;
	int n = sprintf(text, "{\"result\":\"");

	memset(text + n, 'x', LARGE);
	strcpy(text + n + LARGE, "\"}\n");
	assert_int_equal(call(replies, "mac.show", NULL, NO_FILE, &result), STATUS_OK);
	assert_int_equal(json_string_length(result), LARGE);
	json_decref(result);
	fake_daemon_clean(&fake);
}

static void test_refusal(void **state)
{
	static const struct reply replies[] = { { "", REFUSAL("there is no port vm9") },
						{ NULL, NULL } };
	static const struct reply silent[] = { { "", "{\"error\":{}}\n" }, { NULL, NULL } };
	json_t *result = NULL;

	assert_int_equal(call(replies, "port.del", NULL, NO_FILE, &result), STATUS_REFUSED);
	assert_string_equal(err.text, "there is no port vm9");
	assert_null(result);
	fake_daemon_clean(&fake);
	assert_int_equal(call(silent, "port.del", NULL, NO_FILE, &result), STATUS_REFUSED);
	assert_string_equal(err.text, "refused without a reason");
	fake_daemon_clean(&fake);
}

/* A daemon that has too many callers answers before it reads, and reads nothing. */
static void test_turned_away(void **state)
{
	static const struct reply replies[] = { { NULL, REFUSAL("too many connections") },
						{ NULL, NULL } };
	char *large = malloc(LARGE + 1);

	memset(large, 'y', LARGE);
	large[LARGE] = '\0';
	for (int i = 0; i < 20; i++) {
		json_t *params = json_pack("{s:s}", "name", i % 2 ? large : "vm1");

		assert_int_equal(call(replies, "port.show", params, NO_FILE, NULL), STATUS_REFUSED);
		assert_string_equal(err.text, "too many connections");
		fake_daemon_clean(&fake);
	}
	free(large);
}

static void test_dies_in_the_middle(void **state)
{
	static const struct reply at_once[] = { { "", "" }, { NULL, NULL } };
	static const struct reply half[] = { { "", "{\"jsonrpc\":\"2.0\",\"resu" },
					     { NULL, NULL } };
	unsigned n_fds = count_fds();
	json_t *result = NULL;

	assert_int_equal(call(at_once, "port.show", NULL, NO_FILE, &result), STATUS_NO_DAEMON);
	says("cannot talk to vireod at ");
	says(fake.path);
	fake_daemon_clean(&fake);
	assert_int_equal(call(half, "port.show", NULL, NO_FILE, &result), STATUS_NO_DAEMON);
	says("cannot talk to vireod at ");
	assert_null(result);
	fake_daemon_clean(&fake);
	assert_int_equal(count_fds(), n_fds);
}

static void test_somebody_else(void **state)
{
	static const char *const answers[] = { "220 mail.example ESMTP\n", "{}\n", "[1]\n", "\n" };

	for (unsigned i = 0; i < ARRAY_SIZE(answers); i++) {
		const struct reply replies[] = { { "", answers[i] }, { NULL, NULL } };

		assert_int_equal(call(replies, "version", NULL, NO_FILE, NULL), STATUS_NO_DAEMON);
		says("is not vireod");
		fake_daemon_clean(&fake);
	}
}

static void test_nobody(void **state)
{
	static const struct reply none[] = { { "", NULL } };
	struct cli cli = { .run_dir = "/nonexistent/vireo" };
	char deep[200];

	assert_int_equal(client_try(&cli, "version", NULL, NO_FILE, NULL, &err), STATUS_NO_DAEMON);
	assert_string_equal(err.text, "vireod is not running: nobody listens at "
				      "/nonexistent/vireo/vireod.sock (start \"vireod\", or give "
				      "its --run-dir)");

	/* the socket of one that has ended */
	fake_daemon_start(&fake, none);
	fake_daemon_stop(&fake);
	cli.run_dir = fake.dir;
	assert_int_equal(client_try(&cli, "version", NULL, NO_FILE, NULL, &err), STATUS_NO_DAEMON);
	says("vireod is not running");
	fake_daemon_clean(&fake);

	memset(deep, 'd', sizeof(deep));
	deep[0] = '/';
	deep[sizeof(deep) - 1] = '\0';
	cli.run_dir = deep;
	assert_int_equal(client_try(&cli, "version", NULL, NO_FILE, NULL, &err), STATUS_NO_DAEMON);
	says("cannot talk to vireod");
}

static void test_file(void **state)
{
	static const struct reply replies[] = { { "", RESULT("null") }, { NULL, NULL } };
	struct stat sent, got;
	unsigned n_fds = count_fds();
	int fd = memfd_create("file", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(call(replies, "port.add", NULL, fd, NULL), STATUS_OK);
	assert_true(fake.file >= 0 && fake.file != fd);
	assert_int_equal(fstat(fd, &sent), 0); /* still ours */
	assert_int_equal(fstat(fake.file, &got), 0);
	assert_true(sent.st_dev == got.st_dev && sent.st_ino == got.st_ino);
	fake_daemon_clean(&fake);
	close(fd);
	assert_int_equal(count_fds(), n_fds);
}

static void test_not_utf8(void **state)
{
	static const struct cli cli = { .run_dir = "/nonexistent" };

	assert_int_equal(client_try(&cli, "\xff", json_object(), NO_FILE, NULL, &err),
			 STATUS_REFUSED);
	says("not UTF-8");
}

static void test_call_prints(void **state)
{
	static const struct reply replies[] = { { "\"good\"", RESULT("1") },
						{ "\"bad\"", REFUSAL("no") },
						{ NULL, NULL } };
	struct cli cli = { .run_dir = fake.dir };
	json_t *result = NULL;

	fake_daemon_start(&fake, replies);
	capture_begin(&err_stream, stderr);
	assert_int_equal(client_call(&cli, "good", NULL, &result), STATUS_OK);
	assert_string_equal(capture_end(&err_stream), "");
	assert_int_equal(json_integer_value(result), 1);
	json_decref(result);
	capture_begin(&err_stream, stderr);
	assert_int_equal(client_call(&cli, "bad", NULL, &result), STATUS_REFUSED);
	assert_string_equal(capture_end(&err_stream), "vireo: no\n");
	fake_daemon_stop(&fake);
	capture_begin(&err_stream, stderr);
	assert_int_equal(client_call(&cli, "good", NULL, &result), STATUS_NO_DAEMON);
	assert_non_null(strstr(capture_end(&err_stream), "vireo: vireod is not running"));
	fake_daemon_clean(&fake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_result),
		cmocka_unit_test(test_large_result),
		cmocka_unit_test(test_refusal),
		cmocka_unit_test(test_turned_away),
		cmocka_unit_test(test_dies_in_the_middle),
		cmocka_unit_test(test_somebody_else),
		cmocka_unit_test(test_nobody),
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_not_utf8),
		cmocka_unit_test(test_call_prints),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
