// SPDX-License-Identifier: Apache-2.0
/* The command line of vireod: what it takes, and what it says about what it does not take. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "daemon/options.h"

static char said[8192]; /* on stdout and stderr */

/* Parses words, which NULL ends, without the program's name; what is printed comes to said. */
static enum options_verdict parse(struct daemon_options *o, const char *const *words)
{
	char *argv[16] = { (char *)(uintptr_t) "vireod" };
	int argc = 1, out = dup(1), err = dup(2);
	FILE *file = tmpfile();
	enum options_verdict verdict;
	size_t n;

	assert_non_null(file);
	for (; *words; words++)
		argv[argc++] = (char *)(uintptr_t)*words;
	fflush(stdout);
	dup2(fileno(file), 1);
	dup2(fileno(file), 2);
	verdict = daemon_options_parse(o, argc, argv);
	fflush(stdout);
	fflush(stderr);
	dup2(out, 1);
	dup2(err, 2);
	close(out);
	close(err);
	rewind(file);
	n = fread(said, 1, sizeof(said) - 1, file);
	said[n] = 0;
	fclose(file);
	return verdict;
}

#define WORDS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void test_defaults(void **state)
{
	struct daemon_options o;

	assert_int_equal(parse(&o, (const char *const[]){ NULL }), OPTIONS_RUN);
	assert_string_equal(o.run_dir, "/run/vireo");
	assert_string_equal(o.log_level, "info");
	assert_null(o.config);
	assert_null(o.group);
	assert_null(o.user);
	assert_null(o.worker_cpus);
	assert_int_equal(o.workers, 1);
	assert_int_equal(o.watchdog, 10);
	assert_string_equal(said, "");
}

static void test_takes_all(void **state)
{
	struct daemon_options o;

	assert_int_equal(
		parse(&o, WORDS("--config", "c", "--run-dir=/tmp/x", "--group", "kvm",
				"--workers=64", "--worker-cpus", "0-3", "--log-level", "debug")),
		OPTIONS_RUN);
	assert_string_equal(o.config, "c");
	assert_string_equal(o.run_dir, "/tmp/x");
	assert_string_equal(o.group, "kvm");
	assert_int_equal(o.workers, 64);
	assert_string_equal(o.worker_cpus, "0-3");
	assert_string_equal(o.log_level, "debug");
	assert_string_equal(said, "");
	/* again, from a clean state */
	assert_int_equal(parse(&o, WORDS("--workers", "2", "--watchdog", "0", "--user", "me")),
			 OPTIONS_RUN);
	assert_string_equal(o.user, "me");
	assert_int_equal(o.watchdog, 0);
	assert_int_equal(o.workers, 2);
	assert_null(o.config);
}

static void test_prints(void **state)
{
	static const char *const options[] = { "--config",    "--run-dir",  "--group",
					       "--user",      "--workers",  "--worker-cpus",
					       "--log-level", "--watchdog", "--version",
					       "--help" };
	struct daemon_options o;

	assert_int_equal(parse(&o, WORDS("--version")), OPTIONS_DONE);
	assert_string_equal(said, "vireod " VIREO_VERSION "\n");
	assert_int_equal(parse(&o, WORDS("-V")), OPTIONS_DONE);
	assert_string_equal(said, "vireod " VIREO_VERSION "\n");
	assert_int_equal(parse(&o, WORDS("-h")), OPTIONS_DONE);
	assert_int_equal(parse(&o, WORDS("--help")), OPTIONS_DONE);
	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		assert_non_null(strstr(said, options[i]));
}

static void test_refuses(void **state)
{
	static const struct {
		const char *words[5], *why;
	} wrong[] = {
		{ { "--workers", "0" }, "from 1 to 64, not \"0\"" },
		{ { "--workers", "65" }, "from 1 to 64, not \"65\"" },
		{ { "--workers", "" }, "a value is missing after \"--workers\"" },
		{ { "--workers", "-1" }, "from 1 to 64, not \"-1\"" },
		{ { "--workers", "2x" }, "from 1 to 64, not \"2x\"" },
		{ { "--workers", "99999999999999999999" }, "from 1 to 64" },
		{ { "--workers" }, "a value is missing after \"--workers\"" },
		{ { "--run-dir", "x", "--config" }, "a value is missing after \"--config\"" },
		{ { "--keeper-fd", "nonsense" }, "number of a file descriptor, not \"nonsense\"" },
		{ { "--keeper-fd", "-1" }, "number of a file descriptor, not \"-1\"" },
		{ { "--keeper-fd", "99999999999" }, "number of a file descriptor" },
		{ { "--watchdog", "3601" }, "seconds, 0 to 3600, not \"3601\"" },
		{ { "--watchdog", "-1" }, "seconds, 0 to 3600, not \"-1\"" },
		{ { "--watchdog", "1s" }, "seconds, 0 to 3600, not \"1s\"" },
		{ { "--nonsense" }, "unknown option \"--nonsense\"" },
		{ { "--workers=2", "--nonsense=3" }, "unknown option \"--nonsense=3\"" },
		{ { "-x" }, "unknown option \"-x\"" },
		{ { "--workers", "2", "-xy" }, "unknown option \"-x\"" },
		{ { "--config=" }, "a value is missing after \"--config\"" },
		{ { "--work", "2" }, "unknown option \"--work\"" }, /* could be two */
		{ { "--help=me" }, "unknown option" },
		{ { "start" }, "unknown argument \"start\"" },
		{ { "--workers", "2", "start" }, "unknown argument \"start\"" },
		{ { "--", "start" }, "unknown argument \"start\"" },
	};
	struct daemon_options o;

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		assert_int_equal(parse(&o, wrong[i].words), OPTIONS_WRONG);
		if (strncmp(said, "vireod: ", 8) || !strstr(said, wrong[i].why))
			fail_msg("%s: %s", wrong[i].words[0], said);
		/* one line */
		assert_ptr_equal(strchr(said, '\n'), said + strlen(said) - 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_takes_all),
		cmocka_unit_test(test_prints),
		cmocka_unit_test(test_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
