// SPDX-License-Identifier: Apache-2.0
// Help: from the tables of the program, and from what a daemon says of its options.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* first: cmocka has a macro of the name fail() */
#include "cli/help.h"

#include <cmocka.h>

#include "captured.h"
#include "fake_daemon.h"

#define DESCRIBED                                                                             \
	"{\"bridge\":[{\"name\":\"mac-age\",\"type\":\"number\",\"min\":0,\"max\":3600,"      \
	"\"help\":\"seconds\"}],"                                                             \
	"\"port\":{\"common\":[{\"name\":\"bridge\",\"type\":\"text\",\"help\":\"where\","    \
	"\"required\":true,\"fixed\":true}],"                                                 \
	"\"kinds\":{\"tap\":{\"summary\":\"a kernel device\",\"options\":["                   \
	"{\"name\":\"netns\",\"type\":\"text\",\"help\":\"namespace\",\"fixed\":true},"       \
	"{\"name\":\"vlan-mode\",\"choices\":[\"a\",\"b\"],\"help\":\"how\"},"                \
	"{\"name\":\"long\",\"type\":\"word\",\"choices\":[\"eleven-char\",\"more\"],"        \
	"\"help\":\"see vireo(1)\"}]},"                                                       \
	"\"pcap\":{\"summary\":\"a file\",\"options\":[{\"name\":\"file\",\"type\":\"path\"," \
	"\"help\":\"which\",\"fixed\":true}]}}}}"

static const struct reply replies[] = { { "\"describe\"", RESULT(DESCRIBED) }, { NULL, NULL } };

static struct fake_daemon fake;
static struct captured out, err_stream;

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

static const struct verb *verb_of(const struct object *object, const char *name)
{
	const struct verb *v = object->verbs;

	while (v->name && strcmp(v->name, name))
		v++;
	assert_non_null(v->name);
	return v;
}

/* What is printed about a verb, behind its usage. */
static const char *helped(const char *run_dir, const struct object *object, const char *name,
			  const char *kind, enum status want)
{
	const struct verb *verb = verb_of(object, name);
	char *words[] = { (char *)"p", (char *)"type", (char *)kind, NULL };
	struct cli cli = { .run_dir = run_dir };
	char usage[512];
	enum status status;

	capture_begin(&out, stdout);
	status = help_verb(&cli, object, verb, kind ? 3 : 0, words);
	capture_end(&out);
	assert_int_equal(status, want);
	snprintf(usage, sizeof(usage), "usage: vireo %s %s%s%s\n  %s\n", object->name, name,
		 *verb->args ? " " : "", verb->args, verb->help);
	assert_memory_equal(out.text, usage, strlen(usage));
	return out.text + strlen(usage);
}

static void test_program(void **state)
{
	capture_begin(&out, stdout);
	help_program();
	capture_end(&out);
	assert_memory_equal(out.text, "usage: vireo ", 13);
	for (const struct object *const *o = objects; *o; o++) {
		char line[128];

		snprintf(line, sizeof(line), "\n  %-9s %s", (*o)->name, (*o)->help);
		assert_non_null(strstr(out.text, line));
	}
	assert_non_null(strstr(out.text, ": add|del|set|show\n"));
}

static void test_object(void **state)
{
	char want[128];

	assert_true(object_is_verb(&top_object));
	assert_false(object_is_verb(&port_object));
	capture_begin(&out, stdout);
	help_object(&top_object);
	snprintf(want, sizeof(want), "usage: vireo top\n  %s\n", top_object.verbs[0].help);
	assert_string_equal(capture_end(&out), want);
	capture_begin(&out, stdout);
	help_object(&bench_object);
	assert_non_null(
		strstr(capture_end(&out), "usage: vireo bench SOCKET... [OPTION VALUE]...\n"));
	assert_non_null(strstr(out.text, "  load               open|loop|ping "));
	capture_begin(&out, stdout);
	help_object(&bridge_object);
	assert_string_equal(capture_end(&out), "bridge: switches frames between its ports\n"
					       "\n  vireo bridge add NAME [OPTION VALUE]...\n"
					       "      make a bridge\n"
					       "\n  vireo bridge del NAME\n"
					       "      remove a bridge that has no ports\n"
					       "\n  vireo bridge set NAME OPTION VALUE...\n"
					       "      change options\n"
					       "\n  vireo bridge show [NAME]\n"
					       "      list bridges and their ports\n");
}

static void test_verb_without_options(void **state)
{
	assert_string_equal(helped(fake.dir, &port_object, "del", NULL, STATUS_OK), "");
	assert_string_equal(helped(fake.dir, &log_object, "show", NULL, STATUS_OK), "");
}

static void test_options_of_a_bridge(void **state)
{
	assert_string_equal(helped(fake.dir, &bridge_object, "add", NULL, STATUS_OK),
			    "\noptions:\n"
			    "  mac-age            0..3600        seconds\n");
	assert_string_equal(helped(fake.dir, &bridge_object, "set", NULL, STATUS_OK),
			    "\noptions:\n"
			    "  mac-age            0..3600        seconds\n"
			    "\nThe value \"default\" sets an option back.\n");
}

static void test_options_of_a_new_port(void **state)
{
	static const char common[] =
		"\noptions of every port:\n"
		"  bridge             text           where; must be given; cannot be changed later\n";
	char want[1024];

	snprintf(want, sizeof(want),
		 "\nkinds:\n"
		 "  tap                a kernel device\n"
		 "  pcap               a file\n%s",
		 common);
	assert_string_equal(helped(fake.dir, &port_object, "add", NULL, STATUS_OK), want);
	snprintf(want, sizeof(want),
		 "\noptions of type tap (a kernel device):\n"
		 "  netns              text           namespace; cannot be changed later\n"
		 "  vlan-mode          a|b            how\n"
		 "  long               word           see vireo(1)\n%s",
		 common);
	assert_string_equal(helped(fake.dir, &port_object, "add", "tap", STATUS_OK), want);
}

/* Nothing that cannot be changed, and no title above nothing. */
static void test_options_to_change(void **state)
{
	assert_string_equal(helped(fake.dir, &port_object, "set", NULL, STATUS_OK),
			    "\noptions of type tap (a kernel device):\n"
			    "  vlan-mode          a|b            how\n"
			    "  long               word           see vireo(1)\n"
			    "\nThe value \"default\" sets an option back.\n");
}

static void test_no_such_kind(void **state)
{
	capture_begin(&err_stream, stderr);
	helped(fake.dir, &port_object, "add", "tapp", STATUS_USAGE);
	assert_string_equal(capture_end(&err_stream),
			    "vireo: no kind of port is called \"tapp\": did you mean \"tap\"?\n");
	capture_begin(&err_stream, stderr);
	helped(fake.dir, &port_object, "add", "hyperspace", STATUS_USAGE);
	assert_string_equal(capture_end(&err_stream),
			    "vireo: no kind of port is called \"hyperspace\" (\"vireo port add "
			    "help\" lists them)\n");
}

static void test_no_daemon(void **state)
{
	static const char none[] = "/nonexistent";

	assert_string_equal(helped(none, &port_object, "add", "tap", STATUS_OK),
			    "\nThe options are listed here when vireod runs, and in vireo(1).\n");
	assert_string_equal(helped(none, &bridge_object, "del", NULL, STATUS_OK), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_program),
		cmocka_unit_test(test_object),
		cmocka_unit_test_setup_teardown(test_verb_without_options, start, stop),
		cmocka_unit_test_setup_teardown(test_options_of_a_bridge, start, stop),
		cmocka_unit_test_setup_teardown(test_options_of_a_new_port, start, stop),
		cmocka_unit_test_setup_teardown(test_options_to_change, start, stop),
		cmocka_unit_test_setup_teardown(test_no_such_kind, start, stop),
		cmocka_unit_test(test_no_daemon),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
