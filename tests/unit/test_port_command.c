// SPDX-License-Identifier: Apache-2.0
// "vireo port" and "vireo bridge": what words become, which are refused here, and the file of a
// pcap port.
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* first: cmocka has a macro of the name fail() */
#include "cli/cli.h"

#include <cmocka.h>

#include "captured.h"
#include "fake_daemon.h"

static const struct reply replies[] = {
	{ ".show\"", RESULT("[{\"name\":\"vm1\"},{\"name\":\"vm2\"}]") },
	{ "\"port.set", RESULT("{\"later\":[\"offload-tso\"]}") },
	{ "\"port.", RESULT("null") },
	{ NULL, NULL },
};

static struct fake_daemon fake;
static struct captured out, err_stream;

static int start(void **state)
{
	fake_daemon_start(&fake, replies);
	return 0;
}

static int clean(void **state)
{
	fake_daemon_clean(&fake);
	return 0;
}

/* Runs a verb with @words, blanks between them; the daemon may end then. */
static enum status run(const struct object *object, const char *name, const char *words)
{
	struct cli cli = { .run_dir = fake.dir };
	const struct verb *v = object->verbs;
	char copy[256], *argv[32];
	enum status status;
	int argc = 0;

	assert_true(strlen(words) < sizeof(copy));
	strcpy(copy, words);
	for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
		argv[argc++] = word;
	argv[argc] = NULL;
	while (v->name && strcmp(v->name, name))
		v++;
	assert_non_null(v->name);
	capture_begin(&out, stdout);
	capture_begin(&err_stream, stderr);
	status = v->run(&cli, argc, argv);
	capture_end(&err_stream);
	capture_end(&out);
	return status;
}

static void says(const char *want)
{
	if (!strstr(err_stream.text, want))
		fail_msg("\"%s\" does not say \"%s\"", err_stream.text, want);
}

static void test_words_of_a_call(void **state)
{
	char here[256], want[512];

	assert_non_null(getcwd(here, sizeof(here)));
	assert_int_equal(run(&port_object, "add", "vm1 type vhost-user path vm1.sock"), STATUS_OK);
	fake_daemon_stop(&fake);
	snprintf(want, sizeof(want),
		 "\"method\":\"port.add\",\"params\":{\"name\":\"vm1\",\"type\":\"vhost-user\","
		 "\"path\":\"%s/vm1.sock\"}",
		 here);
	assert_non_null(strstr(fake.request, want));
	assert_int_equal(fake.file, -1);
}

/* The daemon says what does not take effect at once. */
static void test_later(void **state)
{
	assert_int_equal(run(&port_object, "set", "vm1 offload tso off"), STATUS_OK);
	assert_string_equal(out.text, "offload-tso takes effect at the next negotiation, when vm1 "
				      "is connected again\n");
	fake_daemon_stop(&fake);
	assert_non_null(
		strstr(fake.request, "\"params\":{\"name\":\"vm1\",\"offload-tso\":\"off\"}"));
}

static void test_refused_words(void **state)
{
	assert_int_equal(run(&port_object, "add", "vm1 type"), STATUS_USAGE);
	says("too few words");
	assert_int_equal(run(&port_object, "del", "vm1 vm2"), STATUS_USAGE);
	says("\"vm2\" is one word too many");
	assert_int_equal(run(&port_object, "set", "vm1 tag 1 tag 2"), STATUS_USAGE);
	says("\"tag\" is there twice");
	assert_int_equal(run(&port_object, "add", "t0 type tap file x"), STATUS_USAGE);
	says("for type pcap alone");
	assert_int_equal(run(&port_object, "add", "f type pcap file /nonexistent/x"),
			 STATUS_REFUSED);
	says("cannot open /nonexistent/x");
	fake_daemon_stop(&fake);
	assert_string_equal(fake.request, ""); /* the daemon was not asked */
}

/* The file itself goes, and its own path, whatever link led there. */
static void test_file(void **state)
{
	char file[64], link[64], words[256], want[256];
	struct stat ours, theirs;

	snprintf(file, sizeof(file), "%s/f.pcap", fake.dir);
	snprintf(link, sizeof(link), "%s/link", fake.dir);
	assert_int_equal(symlink("f.pcap", link), 0);
	snprintf(words, sizeof(words), "f type pcap direction write file %s", link);
	assert_int_equal(run(&port_object, "add", words), STATUS_OK);
	fake_daemon_stop(&fake);
	assert_true(fake.file >= 0);
	assert_int_equal(stat(file, &ours), 0); /* made */
	assert_int_equal(fstat(fake.file, &theirs), 0);
	assert_int_equal(ours.st_ino, theirs.st_ino);
	assert_int_equal(fcntl(fake.file, F_GETFL) & O_ACCMODE, O_WRONLY);
	snprintf(want, sizeof(want), "\"file\":\"%s\"", file);
	assert_non_null(strstr(fake.request, want));
	assert_non_null(strstr(fake.request, "\"fd\":0"));
	unlink(link);
	unlink(file);
}

/* A name that cannot be sent must not become "all". */
static void test_show_of_no_utf8(void **state)
{
	assert_int_equal(run(&port_object, "show", "\xff"), STATUS_USAGE);
	says("not UTF-8");
	assert_string_equal(out.text, "");
	assert_int_equal(run(&bridge_object, "show", "\xff"), STATUS_USAGE);
	says("not UTF-8");
	assert_string_equal(out.text, "");
	assert_int_equal(run(&port_object, "show", "vm1"), STATUS_OK);
	assert_non_null(strstr(out.text, "vm1: "));
	assert_int_equal(run(&bridge_object, "show", "br0"), STATUS_OK);
	fake_daemon_stop(&fake);
	assert_non_null(strstr(fake.request, "\"params\":{\"name\":\"br0\"}"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_words_of_a_call, start, clean),
		cmocka_unit_test_setup_teardown(test_later, start, clean),
		cmocka_unit_test_setup_teardown(test_refused_words, start, clean),
		cmocka_unit_test_setup_teardown(test_file, start, clean),
		cmocka_unit_test_setup_teardown(test_show_of_no_utf8, start, clean),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
