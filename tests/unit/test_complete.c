// SPDX-License-Identifier: Apache-2.0
// Completion: which words may follow, with a daemon that describes itself and without.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* first: cmocka has a macro of the name fail() */
#include "cli/complete.h"

#include <cmocka.h>

#include "captured.h"
#include "fake_daemon.h"

#define DESCRIBED                                                                              \
	"{\"bridge\":[{\"name\":\"mac-age\",\"type\":\"number\"}],"                            \
	"\"port\":{\"common\":[{\"name\":\"type\",\"type\":\"string\",\"fixed\":true},"        \
	"{\"name\":\"bridge\",\"type\":\"string\",\"fixed\":true},"                            \
	"{\"name\":\"tag\",\"type\":\"number\"},{\"name\":\"isolated\",\"type\":\"on|off\"}]," \
	"\"kinds\":{\"tap\":{\"options\":[{\"name\":\"netns\",\"fixed\":true},"                \
	"{\"name\":\"mtu\",\"type\":\"number\"}]},"                                            \
	"\"pcap\":{\"options\":[{\"name\":\"direction\",\"choices\":[\"read\",\"write\"]}]},"  \
	"\"dummy\":{\"options\":[{\"name\":\"offload-csum\",\"type\":\"on|off\"},"             \
	"{\"name\":\"offload-mrg-rxbuf\",\"type\":\"on|off\"}]}}}}"

static const struct reply replies[] = {
	{ "\"describe\"", RESULT(DESCRIBED) },
	{ "\"bridge.show\"", RESULT("[{\"name\":\"br0\"},{\"name\":\"br1\"}]") },
	{ "\"port.show\",\"params\":{}", RESULT("[{\"name\":\"vm1\"},{\"name\":\"f\"}]") },
	{ "\"name\":\"vm1\"", RESULT("[{\"name\":\"vm1\",\"type\":\"tap\"}]") },
	{ "\"name\":\"f\"", RESULT("[{\"name\":\"f\",\"type\":\"pcap\"}]") },
	{ "\"port.show\"", REFUSAL("there is no such port") },
	{ "\"log.show\"", RESULT("{\"port\":\"info\",\"rpc\":\"info\"}") },
	{ NULL, NULL },
};

static struct fake_daemon fake;
static struct captured out;

static int start(void **state)
{
	fake_daemon_start(&fake, replies);
	return 0;
}

static int stop(void **state)
{
	fake_daemon_stop(&fake);
	fake_daemon_clean(&fake);
	return 0;
}

/* @words: with blanks between. Returns what is printed behind them. */
static const char *completed(const char *run_dir, const char *words)
{
	struct cli cli = { .run_dir = run_dir };
	char copy[256], *argv[32];
	int argc = 0;

	assert_true(strlen(words) < sizeof(copy));
	strcpy(copy, words);
	for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
		argv[argc++] = word;
	argv[argc] = NULL;
	capture_begin(&out, stdout);
	complete(&cli, argc, argv);
	return capture_end(&out);
}

static void completes(const char *words, const char *want)
{
	assert_string_equal(completed(fake.dir, words), want);
}

#define OBJECTS                                                                                  \
	"bridge\nport\nmac\nflow\ngroup\nmeter\ntrace\ncache\nworker\nstats\nlog\nconfig\ntop\n" \
	"bench\nupgrade\nversion\n"

static void test_objects(void **state)
{
	completes("", "--run-dir\n-j\n--json\n--help\n--version\nhelp\n" OBJECTS);
	completes("-j", "--run-dir\n-j\n--json\n--help\n--version\nhelp\n" OBJECTS);
	completes("help", OBJECTS);
	completes("--run-dir", ""); /* a directory */
	completes("nonsense", "");
}

static void test_verbs(void **state)
{
	completes("port", "add\ndel\nset\nshow\nhelp\n");
	completes("mac", "show\nadd\ndel\nflush\nhelp\n");
	completes("-j --json port", "add\ndel\nset\nshow\nhelp\n");
	completes("port frobnicate", "");
	completes("version", "");
	completes("top", "");
	completes("bench /a size 64 load", "open\nloop\nping\n");
	completes("bench /a /b check", "on\noff\n");
	assert_null(strstr(completed(fake.dir, "bench /a ring packed"), "ring\n"));
	assert_non_null(strstr(completed(fake.dir, "bench"), "ring-size\n"));
}

static void test_names(void **state)
{
	completes("port add", ""); /* a new name */
	completes("port del", "vm1\nf\n");
	completes("port set", "vm1\nf\n");
	completes("port show", "vm1\nf\n");
	completes("bridge show", "br0\nbr1\n");
	completes("mac add 02:00:00:00:00:01 port", "vm1\nf\n");
	completes("mac show bridge", "br0\nbr1\n");
	completes("trace --live", "vm1\nf\n");
	completes("log set", "all\nport\nrpc\n");
	completes("log set port", "error\nwarning\ninfo\ndebug\n");
}

static void test_options(void **state)
{
	completes("bridge add br7", "mac-age\n");
	completes("bridge add br7 mac-age 5", "");
	completes("port add p", "type\nbridge\ntag\nisolated\n");
	completes("port add p type tap", "bridge\ntag\nisolated\nnetns\nmtu\n");
	completes("port add p type pcap bridge br0", "tag\nisolated\ndirection\n");
	completes("port add p type nonsense", "bridge\ntag\nisolated\n");
	/* of the kind that it has, without what cannot be changed and what was said */
	completes("port set vm1", "tag\nisolated\nmtu\n");
	completes("port set f tag 7", "isolated\ndirection\n");
	completes("port set missing", "tag\nisolated\n");
	completes("worker set", "port\nqueue\nworker\npoll\nrebalance\n");
	completes("worker set port vm1", "queue\nworker\npoll\nrebalance\n");
}

static void test_values(void **state)
{
	completes("port add p type", "tap\npcap\ndummy\n");
	completes("port add p type tap bridge", "br0\nbr1\n");
	completes("port add p isolated", "on\noff\n");
	completes("port add p type pcap direction", "read\nwrite\n");
	completes("port set f direction", "read\nwrite\n");
	completes("port add p tag", ""); /* a number */
	completes("port add p type dummy offload", "csum\nmrg-rxbuf\n");
	completes("port add p type dummy offload csum", "on\noff\n");
	completes("port add p type dummy offload-csum", "on\noff\n");
	completes("port add p type dummy offload csum off",
		  "bridge\ntag\nisolated\noffload-mrg-rxbuf\n");
	completes("port add p nonsense", "");
	completes("worker set poll", "adaptive\nalways\n");
	completes("worker set rebalance", "on\noff\n");
	completes("worker set port vm1 queue 0 worker", "auto\n");
}

/* The tables of the program itself are always there. */
static void test_no_daemon(void **state)
{
	static const char none[] = "/nonexistent";

	assert_string_equal(completed(none, "port"), "add\ndel\nset\nshow\nhelp\n");
	assert_string_equal(completed(none, "port del"), "");
	assert_string_equal(completed(none, "port add p"), "");
	assert_string_equal(completed(none, "port add p type"), "");
	assert_string_equal(completed(none, "log set"), "all\n");
	assert_string_equal(completed(none, "worker set"),
			    "port\nqueue\nworker\npoll\nrebalance\n");
}

static void test_other_daemon(void **state)
{
	char words[128];

	snprintf(words, sizeof(words), "-j --run-dir %s port del", fake.dir);
	assert_string_equal(completed("/nonexistent", words), "vm1\nf\n");
}

/* Answers of another shape than ours must do no harm. */
static void test_strange_answers(void **state)
{
	static const struct reply strange[] = {
		{ "\"describe\"", RESULT("{\"bridge\":7,\"port\":[{\"name\":1}]}") },
		{ "\"bridge.show\"", RESULT("{\"name\":\"br0\"}") },
		{ "\"port.show\"", RESULT("[{\"name\":5,\"type\":[]}]") },
		{ "\"log.show\"", RESULT("null") },
		{ NULL, NULL },
	};

	fake_daemon_start(&fake, strange);
	completes("bridge del", "");
	completes("bridge add b", "");
	completes("port del", "\n");
	completes("port set vm1", "");
	completes("port add p type", "");
	completes("log set", "all\n");
	stop(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_objects, start, stop),
		cmocka_unit_test_setup_teardown(test_verbs, start, stop),
		cmocka_unit_test_setup_teardown(test_names, start, stop),
		cmocka_unit_test_setup_teardown(test_options, start, stop),
		cmocka_unit_test_setup_teardown(test_values, start, stop),
		cmocka_unit_test(test_no_daemon),
		cmocka_unit_test_setup_teardown(test_other_daemon, start, stop),
		cmocka_unit_test(test_strange_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
