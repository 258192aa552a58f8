// SPDX-License-Identifier: Apache-2.0
// The words of "vireo bench": what they mean, and one line about what is wrong.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/bench_options.h"

#define WORDS(...) ((char **)(const char *[]){ __VA_ARGS__, NULL })

static struct bench_words words;

static int count(char **argv)
{
	int n = 0;

	while (argv[n])
		n++;
	return n;
}

static void takes(char **argv)
{
	struct error err;

	if (bench_words_read(&words, count(argv), argv, &err) != 0)
		fail_msg("%s", err.text);
}

static void refuses(const char *want, char **argv)
{
	struct error err = { "" };

	assert_int_equal(bench_words_read(&words, count(argv), argv, &err), -EINVAL);
	if (!strstr(err.text, want))
		fail_msg("\"%s\" is not in \"%s\"", want, err.text);
	assert_null(strchr(err.text, '\n'));
}

static void test_defaults(void **state)
{
	char **argv = WORDS("/a.sock", "./b.sock");

	takes(argv);
	assert_int_equal(words.n_paths, 2);
	assert_ptr_equal(words.paths, argv);
	assert_int_equal(words.cpu, -1);
	assert_int_equal(words.config.kind, BENCH_OPEN);
	assert_int_equal(words.config.frame_len, 60);
	assert_int_equal(words.config.tso, BENCH_TSO_OFF);
	assert_int_equal(words.config.flows, 1);
	assert_int_equal(words.config.rate, 0);
	assert_int_equal(words.config.ring_size, 256);
	assert_int_equal(words.config.n_queues, 1);
	assert_true(words.config.check && words.config.mergeable && words.config.huge);
	assert_false(words.config.in_order);
	assert_false(words.config.packed || words.config.indirect || words.config.listen);
	assert_int_equal(words.config.measure_ns, 5000000000);
	assert_int_equal(words.config.warmup_ns, 1000000000);
}

static void test_options(void **state)
{
	takes(WORDS("/a", "load", "loop", "size", "1518", "window", "64", "ring", "packed",
		    "ring-size", "300", "check", "off", "cpu", "3", "mode", "listen", "indirect",
		    "on", "mergeable", "off", "queues", "4", "hugepages", "off", "in-order", "on",
		    "seconds", "0.25", "warmup", "0"));
	assert_int_equal(words.n_paths, 1);
	assert_int_equal(words.config.kind, BENCH_LOOP);
	assert_int_equal(words.config.frame_len, 1514);
	assert_int_equal(words.config.window, 64);
	assert_int_equal(words.config.ring_size, 300);
	assert_int_equal(words.config.flows, 4); /* one for each queue */
	assert_int_equal(words.cpu, 3);
	assert_true(words.config.in_order);
	assert_true(words.config.packed && words.config.indirect && words.config.listen);
	assert_false(words.config.check || words.config.mergeable || words.config.huge);
	assert_int_equal(words.config.measure_ns, 250000000);
	assert_int_equal(words.config.warmup_ns, 0);
}

static void test_flood(void **state)
{
	takes(WORDS("/a", "/b", "/c", "/d", "/e", "rate", "10000", "flood", "3", "ring", "packed"));
	assert_int_equal(words.config.n_flood, 3);
	assert_int_equal(words.config.rate, 10000);
	assert_true(words.config.check);
	assert_int_equal(words.flood.rate, 0);
	assert_false(words.flood.check);
	assert_true(words.flood.packed);
	takes(WORDS("/a", "/b", "/c", "/d", "rate", "1", "flood", "2", "size", "1518"));
	assert_int_equal(words.flood.frame_len, 1510);
	takes(WORDS("/a", "/b", "/c", "/d", "load", "loop", "flood", "2", "fresh", "macs"));
	assert_int_equal(words.config.kind, BENCH_LOOP);
	assert_int_equal(words.config.window, 128); /* as if the flood was not there */
	assert_int_equal(words.config.fresh, BENCH_FRESH_NONE);
	assert_int_equal(words.flood.kind, BENCH_OPEN);
	assert_int_equal(words.flood.frame_len, BENCH_FRAME_MIN + 4);
	assert_int_equal(words.flood.fresh, BENCH_FRESH_MACS);
	takes(WORDS("/a", "/b", "/c", "/d", "load", "loop", "flood", "2", "silent", "1"));
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(bench_words_port(&words, i)->kind, i < 2    ? BENCH_LOOP
								    : i == 2 ? BENCH_OPEN
									     : BENCH_NONE);
	refuses("fewer than", WORDS("/a", "/b", "/c", "/d", "load", "loop", "silent", "1"));
	refuses("silent 2",
		WORDS("/a", "/b", "/c", "/d", "load", "loop", "flood", "2", "silent", "2"));
	refuses("with a \"rate\"", WORDS("/a", "/b", "/c", "/d", "flood", "2"));
	refuses("two more sockets", WORDS("/a", "/b", "/c", "rate", "1", "flood", "2"));
	refuses("2", WORDS("/a", "/b", "/c", "rate", "1", "flood", "1"));
}

static void test_tso(void **state)
{
	takes(WORDS("/a", "tso", "on"));
	assert_int_equal(words.config.tso, BENCH_TSO_ON);
	assert_int_equal(words.config.frame_len, 66 + 45 * 1448);
	takes(WORDS("/a", "/b", "tso", "send", "size", "65553", "load", "loop"));
	assert_int_equal(words.config.tso, BENCH_TSO_SEND);
	assert_int_equal(words.config.frame_len, BENCH_LARGE_MAX);
	assert_int_equal(words.config.window, 256 / 46 / 2); /* segments need room, too */
	takes(WORDS("/a", "/b", "tso", "on", "load", "loop"));
	assert_int_equal(words.config.window, 256 / 16 / 2);
	refuses("at most 8", WORDS("/a", "/b", "tso", "on", "load", "loop", "window", "9"));
	refuses("more than a segment's 1518", WORDS("/a", "tso", "send", "size", "1518"));
	refuses("65553", WORDS("/a", "tso", "on", "size", "65554"));
	refuses("at most 1024 with \"tso\"", WORDS("/a", "tso", "on", "flows", "1025"));
	refuses("too small", WORDS("/a", "/b", "tso", "send", "ring-size", "64"));
	refuses("send", WORDS("/a", "tso", "maybe"));
}

/* All frames of a closed loop fit the ring of any port. */
static void test_window(void **state)
{
	takes(WORDS("/a", "load", "loop", "ring-size", "128"));
	assert_int_equal(words.config.window, 128);
	takes(WORDS("/a", "/b", "load", "loop", "ring-size", "128"));
	assert_int_equal(words.config.window, 64);
	takes(WORDS("/a", "/b", "load", "loop", "window", "128"));
	takes(WORDS("/a", "/b", "load", "ping"));
	assert_int_equal(words.config.window, 1);
	refuses("at most 128", WORDS("/a", "/b", "load", "loop", "window", "129"));
}

static void test_refused(void **state)
{
	refuses("no socket", WORDS("size", "64"));
	refuses("./NAME", WORDS("a.sock"));
	refuses("no socket", (char *[]){ NULL });
	refuses("size", WORDS("/a", "sise", "64"));
	refuses("64", WORDS("/a", "size", "63"));
	refuses("9018", WORDS("/a", "size", "9019"));
	refuses("needs a value", WORDS("/a", "size"));
	refuses("no time", WORDS("/a", "seconds", "1s"));
	refuses("no time", WORDS("/a", "seconds", "-1"));
	refuses("no time", WORDS("/a", "seconds", "nan"));
	refuses("no time", WORDS("/a", "warmup", "86401"));
	refuses("twice", WORDS("/a", "size", "64", "size", "65"));
	refuses("not UTF-8", WORDS("/a", "size", "\xff"));
	refuses("open", WORDS("/a", "load", "opn"));
	refuses("power of two", WORDS("/a", "ring-size", "300"));
	refuses("each of 4 queues", WORDS("/a", "queues", "4", "hugepages", "off", "flows", "3"));
	refuses("load open", WORDS("/a", "load", "loop", "rate", "5"));
	refuses("load loop", WORDS("/a", "window", "5"));
	refuses("check off", WORDS("/a", "fresh", "flows"));
	refuses("load open", WORDS("/a", "load", "loop", "check", "off", "fresh", "macs"));
	takes(WORDS("/a", "check", "off", "fresh", "macs"));
	refuses("\"turns\" is for", WORDS("/a", "check", "off", "fresh", "macs", "turns", "20"));
	refuses("\"turns\" is for",
		WORDS("/a", "/b", "/c", "/d", "load", "loop", "flood", "2", "turns", "20"));
	takes(WORDS("/a", "/b", "/c", "/d", "load", "loop", "flood", "2", "fresh", "macs", "turns",
		    "20"));
	assert_int_equal(words.config.turn_ns, 20000000);
}

static void test_many_sockets(void **state)
{
	const char *argv[BENCH_PORTS_MAX + 4];

	for (unsigned i = 0; i <= BENCH_PORTS_MAX; i++)
		argv[i] = "/a";
	argv[BENCH_PORTS_MAX + 1] = NULL;
	refuses("more than 64 sockets", (char **)argv);
	argv[BENCH_PORTS_MAX] = NULL;
	takes((char **)argv);
	argv[BENCH_PORTS_MAX] = "load";
	argv[BENCH_PORTS_MAX + 1] = "loop";
	argv[BENCH_PORTS_MAX + 2] = "ring-size";
	argv[BENCH_PORTS_MAX + 3] = NULL;
	refuses("needs a value", (char **)argv);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults), cmocka_unit_test(test_options),
		cmocka_unit_test(test_tso),	 cmocka_unit_test(test_window),
		cmocka_unit_test(test_refused),	 cmocka_unit_test(test_many_sockets),
		cmocka_unit_test(test_flood),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
