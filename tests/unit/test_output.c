// SPDX-License-Identifier: Apache-2.0
// Results for people: what is printed, byte for byte.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/output.h"
#include "cli/port_show.h"

static json_t *load(const char *text)
{
	json_t *json = json_loads(text, JSON_DECODE_ANY, NULL);

	assert_non_null(json);
	return json;
}

/* Everything that is printed between begin() and end() goes to a file. */
static int saved_stdout;
static FILE *captured;

static void begin(void)
{
	fflush(stdout);
	captured = tmpfile();
	assert_non_null(captured);
	saved_stdout = dup(STDOUT_FILENO);
	assert_true(dup2(fileno(captured), STDOUT_FILENO) >= 0);
}

static void end(const char *want)
{
	static char got[8192];
	size_t n;

	fflush(stdout);
	assert_true(dup2(saved_stdout, STDOUT_FILENO) >= 0);
	close(saved_stdout);
	rewind(captured);
	n = fread(got, 1, sizeof(got) - 1, captured);
	got[n] = '\0';
	fclose(captured);
	assert_string_equal(got, want);
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

static const char port_text[] =
	"{\"name\":\"vm1\",\"type\":\"tap\",\"bridge\":\"br0\",\"link\":true,\"mtu\":1500,"
	"\"rx_packets\":2,\"rx_bytes\":120,\"tx_packets\":10,\"tx_bytes\":15000,"
	"\"drops\":{\"vlan\":3,\"zero\":0,\"new_reason\":1},\"something_new\":\"x\","
	"\"queues\":[{\"index\":0,\"worker\":1,\"direction\":\"rx\"}]}";

static void test_port(void **state)
{
	json_t *port = load(port_text), *texts = load("{\"vlan\":\"VLAN not allowed\"}");

	begin();
	port_print(port, texts);
	end("vm1: tap port on bridge br0, link up\n"
	    "  mtu               1500\n"
	    "  something new     x\n"
	    "  received          2 packets, 120 bytes\n"
	    "  sent              10 packets, 15000 bytes (15.0kB)\n"
	    "  drops\n"
	    "    vlan            3  VLAN not allowed\n"
	    "    new_reason      1\n"
	    "  queues\n"
	    "    DIRECTION  INDEX  WORKER\n"
	    "    rx             0       1\n");
	json_object_clear(json_object_get(port, "drops"));
	json_object_del(port, "queues");
	json_object_del(port, "something_new");
	json_object_del(port, "mtu");
	json_object_set_new(port, "options", load("{\"existing\": true, \"tag\": 7}"));
	begin();
	port_print(port, NULL);
	end("vm1: tap port on bridge br0, link up\n"
	    "  options\n"
	    "    existing        on\n" /* as it was said */
	    "    tag             7\n"
	    "  received          2 packets, 120 bytes\n"
	    "  sent              10 packets, 15000 bytes (15.0kB)\n"
	    "  drops             none\n");
	json_object_del(port, "options");
	begin();
	port_print(port, NULL);
	end("vm1: tap port on bridge br0, link up\n"
	    "  received          2 packets, 120 bytes\n"
	    "  sent              10 packets, 15000 bytes (15.0kB)\n"
	    "  drops             none\n");
	json_decref(port);
	json_decref(texts);
}

static void test_drops(void **state)
{
	json_t *drops = load("{\"too_long\": 12, \"vlan\": 0}"), *none = load("{}");
	json_t *texts = load("{\"too_long\": \"longer\"}");

	begin();
	drops_print(drops, texts, 0);
	end("drops\n"
	    "  too_long          12  longer\n");
	begin();
	drops_print(none, NULL, 0);
	end("drops               none\n");
	json_decref(drops);
	json_decref(none);
	json_decref(texts);
}

static void test_ports(void **state)
{
	json_t *port = load(port_text), *ports = json_array();

	json_array_append(ports, port);
	begin();
	ports_print(ports);
	end("NAME  TYPE  BRIDGE  LINK  RX-PACKETS  RX-BYTES  TX-PACKETS  TX-BYTES  DROPS\n"
	    "vm1   tap   br0     up             2       120          10     15000      4\n");
	json_decref(ports);
	ports = json_array();
	begin();
	ports_print(ports);
	end("NAME  TYPE  BRIDGE  LINK  RX-PACKETS  RX-BYTES  TX-PACKETS  TX-BYTES  DROPS\n");
	json_decref(ports);
	json_decref(port);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values), cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_table),  cmocka_unit_test(test_members),
		cmocka_unit_test(test_port),   cmocka_unit_test(test_ports),
		cmocka_unit_test(test_drops),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
