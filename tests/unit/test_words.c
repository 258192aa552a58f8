// SPDX-License-Identifier: Apache-2.0
// Words of commands: how many, in pairs, as paths.
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

#define WORDS(...) ((char **)(const char *[]){ __VA_ARGS__, NULL })

static char said[512];
static int saved;
static FILE *caught;

static void begin(void)
{
	caught = tmpfile();
	assert_non_null(caught);
	saved = dup(STDERR_FILENO);
	assert_true(dup2(fileno(caught), STDERR_FILENO) >= 0);
}

/* What was said to stderr since begin(). */
static const char *end(void)
{
	size_t n;

	assert_true(dup2(saved, STDERR_FILENO) >= 0);
	close(saved);
	rewind(caught);
	n = fread(said, 1, sizeof(said) - 1, caught);
	said[n] = '\0';
	fclose(caught);
	return said;
}

static void makes(const char *first, int argc, char **argv, const char *want)
{
	json_t *params = make_params(first, argc, argv);
	char *text = json_dumps(params, JSON_COMPACT | JSON_SORT_KEYS);

	assert_non_null(params);
	assert_string_equal(text, want);
	free(text);
	json_decref(params);
}

static void refuses(const char *first, int argc, char **argv, const char *want)
{
	begin();
	assert_null(make_params(first, argc, argv));
	assert_string_equal(end(), want);
}

static void test_params(void **state)
{
	makes(NULL, 0, WORDS(NULL), "{}");
	makes(NULL, 2, WORDS("poll", "always"), "{\"poll\":\"always\"}");
	makes("name", 1, WORDS("vm1"), "{\"name\":\"vm1\"}");
	makes("name", 3, WORDS("", "tag", "7"), "{\"name\":\"\",\"tag\":\"7\"}");
	refuses("name", 2, WORDS("vm1", "tag"), "vireo: \"tag\" needs a value\n");
	refuses("name", 5, WORDS("vm1", "tag", "7", "tag", "8"), "vireo: \"tag\" is there twice\n");
	makes("name", 4, WORDS("vm1", "offload", "tso", "off"),
	      "{\"name\":\"vm1\",\"offload-tso\":\"off\"}");
	makes("name", 6, WORDS("vm1", "mtu", "9000", "offload", "csum", "on"),
	      "{\"mtu\":\"9000\",\"name\":\"vm1\",\"offload-csum\":\"on\"}");
	makes(NULL, 2, WORDS("offload-ecn", "off"), "{\"offload-ecn\":\"off\"}");
	refuses("name", 3, WORDS("vm1", "offload", "tso"),
		"vireo: \"offload-tso\" needs a value\n");
	refuses("name", 2, WORDS("vm1", "offload"), "vireo: \"offload\" needs a value\n");
	refuses(NULL, 5, WORDS("offload", "tso", "off", "offload-tso", "on"),
		"vireo: \"offload-tso\" is there twice\n");
	/* else the second would take the first one's place */
	refuses("name", 3, WORDS("vm1", "name", "vm2"), "vireo: \"name\" is there twice\n");
	refuses("name", 1, WORDS("\xff"), "vireo: \"name \xff\" is not UTF-8\n");
	refuses(NULL, 2, WORDS("tag", "\xff"), "vireo: \"tag \xff\" is not UTF-8\n");
}

static void test_counts(void **state)
{
	begin();
	assert_int_equal(check_words(2, WORDS("a", "b"), 1, 2, "x"), STATUS_OK);
	assert_int_equal(check_words(1, WORDS("a"), 1, 2, "x"), STATUS_OK);
	assert_string_equal(end(), "");
	begin();
	assert_int_equal(check_words(0, WORDS(NULL), 1, 2, "x A"), STATUS_USAGE);
	assert_string_equal(end(), "vireo: too few words: vireo x A\n");
	begin();
	assert_int_equal(check_words(3, WORDS("a", "b", "c"), 1, 2, "x A"), STATUS_USAGE);
	assert_string_equal(end(), "vireo: \"c\" is one word too many: vireo x A\n");
}

static void test_paths(void **state)
{
	char *whole = absolute_path("a/b"), *here = getcwd(NULL, 0), want[4096];

	snprintf(want, sizeof(want), "%s/a/b", here);
	assert_string_equal(whole, want);
	free(whole);
	free(here);
	whole = absolute_path("/a");
	assert_string_equal(whole, "/a");
	free(whole);
	whole = absolute_path(""); /* the daemon says what is wrong with it */
	assert_string_equal(whole, "");
	free(whole);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_params),
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_paths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
