// SPDX-License-Identifier: Apache-2.0
// Results for people: what is printed, byte for byte.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "captured.h"
#include "cli/output.h"

static json_t *load(const char *text)
{
	json_t *json = json_loads(text, JSON_DECODE_ANY, NULL);

	assert_non_null(json);
	return json;
}

static struct captured out;

static void begin(void)
{
	capture_begin(&out, stdout);
}

static void end(const char *want)
{
	assert_string_equal(capture_end(&out), want);
}

static void value_is(const char *json, const char *want)
{
	json_t *value = load(json);
	char *text = value_text(value);

	assert_string_equal(text, want);
	free(text);
	json_decref(value);
}

static void test_values(void **state)
{
	value_is("true", "yes");
	value_is("false", "no");
	value_is("null", "-");
	value_is("-12", "-12");
	value_is("33.333", "33.3");
	value_is("\"a\\u001b[2J\\n\\u007f\"", "a?[2J??");
	value_is("[\"a\",1,[]]", "a, 1, ");
	value_is("{\"a\":1,\"b\":[2,3]}", "a 1, b 2, 3");
}

static void number_is(double number, const char *want)
{
	char text[16];

	assert_string_equal(human_number(number, text, sizeof(text)), want);
}

static void test_numbers(void **state)
{
	number_is(0, "0");
	number_is(999, "999");
	number_is(999.6, "1.00k");
	number_is(1234, "1.23k");
	number_is(12345, "12.3k");
	number_is(123456, "123k");
	number_is(999999, "1.00M");
	number_is(14.88e6, "14.9M");
	number_is(1e21, "1000E");
}

static void test_table(void **state)
{
	static const char *const first[] = { "name", "missing", "n", NULL };
	json_t *rows =
		load("[{\"n\":5,\"name\":\"a\"},{\"rx_x\":\"\\u00e4\",\"name\":\"long\",\"n\":"
		     "1234}]");
	json_t *none = load("[]");

	begin();
	print_table(rows, first, false, 2);
	end("  NAME     N  RX-X\n"
	    "  a        5  -\n"
	    "  long  1234  \u00e4\n");
	begin();
	print_table(rows, first, true, 0);
	end("NAME  MISSING     N\n"
	    "a           -     5\n"
	    "long        -  1234\n");
	begin();
	print_table(none, NULL, false, 0);
	end("");
	json_decref(rows);
	json_decref(none);
}

static void test_members(void **state)
{
	static const char *const done[] = { "x", NULL };
	json_t *object = load("{\"x\":1,\"peer_pid\":12,\"features\":[\"A\",\"B\"],\"empty\":\"\","
			      "\"sub\":{\"a\":1},\"rings\":[{\"i\":0}]}");

	begin();
	print_members(object, done, 2);
	end("  peer pid          12\n"
	    "  features          A, B\n"
	    "  empty             -\n"
	    "  sub\n"
	    "    a               1\n"
	    "  rings\n"
	    "    I\n"
	    "    0\n");
	json_decref(object);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_members),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
