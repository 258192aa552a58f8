// SPDX-License-Identifier: Apache-2.0
// "vireo trace --live": what it asks for, and what it prints of what comes.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* first: cmocka has a macro of the name fail() */
#include "cli/trace_live.h"

#include <cmocka.h>

#include "captured.h"
#include "fake_daemon.h"

#define STORY(number, more)                                                                  \
	"{\"number\":" number ",\"time\":1.5,\"length\":98,\"text\":\"The packet: tcp\\n\"," \
	"\"trace\":{\"cut\":false}" more "}"
#define END "{\"end\":null,\"told\":2,\"left_out\":7}"

static struct fake_daemon fake;
static struct captured out, err_stream;

/* Runs "vireo trace --live WORDS" against a daemon that tells so. */
static enum status run(const char *words, const char *const *messages, bool json)
{
	const struct reply replies[] = { { "trace.live", RESULT("true") }, { NULL, NULL } };
	struct cli cli = { .json = json };
	char copy[256], *argv[16];
	enum status status;
	int argc = 0;

	snprintf(copy, sizeof(copy), "%s", words);
	for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
		argv[argc++] = word;
	fake_daemon_start(&fake, replies);
	fake.messages = messages;
	cli.run_dir = fake.dir;
	capture_begin(&out, stdout);
	capture_begin(&err_stream, stderr);
	status = trace_live(&cli, argc, argv);
	capture_end(&err_stream);
	capture_end(&out);
	fake_daemon_stop(&fake);
	fake_daemon_clean(&fake);
	return status;
}

static void has(const char *text, const char *want)
{
	if (!strstr(text, want))
		fail_msg("\"%s\" is not in \"%s\"", want, text);
}

static void test_text(void **state)
{
	static const char *const messages[] = {
		STORY("1", ""), STORY("2", ",\"dropped\":\"too_long\",\"rules_changed\":true"),
		"{\"number\":3,\"too_long\":true}", END, NULL
	};

	assert_int_equal(run("vm1 -c 5 tcp, tp_dst=80", messages, false), STATUS_OK);
	has(fake.request, "\"port\":\"vm1\"");
	has(fake.request, "\"filter\":\"tcp, tp_dst=80\"");
	has(fake.request, "\"count\":5");
	has(fake.request, "\"fd\":0");
	has(out.text, "Packet 1, at ");
	has(out.text, ":01.500, 98 bytes\nThe packet: tcp\n\nPacket 2");
	has(out.text, "It is dropped before it meets a rule (too_long).");
	has(out.text, "Rules have changed since it came");
	has(out.text, "Packet 3: its story is too long");
	has(out.text, "2 packets told; 7 more came meanwhile, and were left out.\n");
	has(err_stream.text, "Waiting for packets from vm1");
}

/* An object a line. */
static void test_json(void **state)
{
	static const char *const messages[] = { STORY("1", ""), END, NULL };

	assert_int_equal(run("vm1", messages, true), STATUS_OK);
	has(fake.request, "\"count\":10");
	has(fake.request, "\"filter\":\"\"");
	assert_string_equal(
		out.text,
		"{\"number\":1,\"time\":1.5,\"length\":98,\"trace\":{\"cut\":false}}\n" END "\n");
	assert_string_equal(err_stream.text, "");
}

static void test_ends_early(void **state)
{
	static const char *const gone[] = {
		"{\"end\":\"the port is gone\",\"told\":1,\"left_out\":0}", NULL
	};
	static const char *const silence[] = { STORY("1", ""), NULL };

	assert_int_equal(run("-c 3 vm1", gone, false), STATUS_REFUSED);
	has(fake.request, "\"port\":\"vm1\"");
	has(fake.request, "\"count\":3");
	has(out.text, "1 packet told.\n");
	has(err_stream.text, "the trace of vm1 has ended: the port is gone");
	assert_int_equal(run("vm1", silence, false), STATUS_REFUSED);
	has(err_stream.text, "ended without a word");
}

static void test_words(void **state)
{
	assert_int_equal(run("", NULL, false), STATUS_USAGE);
	assert_int_equal(run("-c 3", NULL, false), STATUS_USAGE);
	assert_int_equal(run("vm1 -c", NULL, false), STATUS_USAGE);
	assert_int_equal(run("vm1 -c x", NULL, false), STATUS_USAGE);
	has(err_stream.text, "-c needs a number");
	assert_int_equal(run("vm1 -c -1", NULL, false), STATUS_USAGE);
}

static void test_refused(void **state)
{
	static const struct reply replies[] = { { "trace.live", REFUSAL("no port \\\"vm1\\\"") },
						{ NULL, NULL } };
	struct cli cli = { 0 };
	char word[] = "vm1", *argv[] = { word, NULL };

	fake_daemon_start(&fake, replies);
	cli.run_dir = fake.dir;
	capture_begin(&err_stream, stderr);
	assert_int_equal(trace_live(&cli, 1, argv), STATUS_REFUSED);
	capture_end(&err_stream);
	fake_daemon_stop(&fake);
	fake_daemon_clean(&fake);
	has(err_stream.text, "no port \"vm1\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),	   cmocka_unit_test(test_json),
		cmocka_unit_test(test_ends_early), cmocka_unit_test(test_words),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
