// SPDX-License-Identifier: Apache-2.0
// The configuration text: what is understood, what is refused and where, and the way there and
// back.
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "scale.h"
#include "switch/config.h"

static json_t *parse(const char *text)
{
	struct error err = { "" };
	json_t *config = config_parse(text, strlen(text), &err);

	if (!config)
		fail_msg("refused: %s", err.text);
	return config;
}

static void expect(const char *text, const char *json)
{
	json_t *config = parse(text), *want = json_loads(json, 0, NULL);

	assert_non_null(want);
	if (!json_equal(config, want))
		fail_msg("got %s, want %s", json_dumps(config, 0), json);
	json_decref(config);
	json_decref(want);
}

static void refuse_bytes(const char *text, size_t len, const char *why)
{
	struct error err = { "" };

	assert_null(config_parse(text, len, &err));
	assert_string_equal(err.text, why);
}

static void refuse(const char *text, const char *why)
{
	refuse_bytes(text, strlen(text), why);
}

static void test_empty(void **state)
{
	const char *empty = "{\"bridges\":{},\"ports\":{},\"macs\":[],\"workers\":[],\"log\":{}}";

	expect("", empty);
	expect("\n\n", empty);
	expect("  \t\n# all comment\n   # another, with a \" quote\r\n", empty);
}

static void test_all_kinds(void **state)
{
	expect("# a switch\n"
	       "bridge add br0 mac-aging-time 300\n"
	       "port add vm1 type vhost-user path /run/vireo/vm1.sock tag 10 # the first\r\n"
	       "\tport  add\tvm2 type tap offload tso off mtu 9000 offload-csum on\n"
	       "mac add 02:00:00:00:00:01 port vm1\n"
	       "mac add 02:00:00:00:00:01 port vm1 vlan 7\n"
	       "worker set port vm1 queue 0 worker 1\n"
	       "log set vhost debug",
	       "{\"bridges\":{\"br0\":{\"mac-aging-time\":\"300\"}},"
	       "\"ports\":{\"vm1\":{\"type\":\"vhost-user\",\"path\":\"/run/vireo/vm1.sock\","
	       "\"tag\":\"10\"},\"vm2\":{\"type\":\"tap\",\"offload-tso\":\"off\",\"mtu\":\"9000\",\"offload-csum\":\"on\"}},"
	       "\"macs\":[{\"mac\":\"02:00:00:00:00:01\",\"port\":\"vm1\"},"
	       "{\"mac\":\"02:00:00:00:00:01\",\"port\":\"vm1\",\"vlan\":\"7\"}],"
	       "\"workers\":[{\"port\":\"vm1\",\"queue\":\"0\",\"worker\":\"1\"}],"
	       "\"log\":{\"vhost\":\"debug\"}}");
}

static void test_quotes(void **state)
{
	expect("port add p type pcap file \"/tmp/a \\\"b\\\" \\\\c#.pcap\" x \"\" y a#b z c\\d\n",
	       "{\"bridges\":{},\"macs\":[],\"workers\":[],\"log\":{},\"ports\":{\"p\":{"
	       "\"type\":\"pcap\",\"file\":\"/tmp/a \\\"b\\\" \\\\c#.pcap\",\"x\":\"\","
	       "\"y\":\"a#b\",\"z\":\"c\\\\d\"}}}");
	refuse("\nport add \"p", "line 2: the closing quote is missing");
	refuse("port add \"p\\", "line 1: after \\ only \\ or \" may follow");
	refuse("port add \"p\\n\"", "line 1: after \\ only \\ or \" may follow");
	refuse("port add \"p\"q", "line 1: a blank is missing after a closing quote");
	refuse("port add p\"q\"", "line 1: a quote inside a word: put the whole word in quotes");
}

static void test_refused(void **state)
{
	refuse("bridge add\n", "line 1: the name is missing: bridge add NAME [OPTION VALUE]...");
	refuse("bridge add br0 aging\n", "line 1: \"aging\" needs a value");
	refuse("bridge add br0 aging 1 aging 2", "line 1: \"aging\" is there twice");
	refuse("bridge add br0 name br1", "line 1: \"name\" is no option");
	refuse("mac add\n",
	       "line 1: the address is missing: mac add ADDRESS port NAME [OPTION VALUE]...");
	refuse("mac add 02:00:00:00:00:01 mac 02:00:00:00:00:02", "line 1: \"mac\" is there twice");
	refuse("worker set", "line 1: options are missing: worker set OPTION VALUE...");
	refuse("log set vhost", "line 1: too few words: log set MODULE LEVEL");
	refuse("log set vhost debug 1", "line 1: too many words: log set MODULE LEVEL");
	refuse("prot add a type tap", "line 1: \"prot\" is unknown, did you mean \"port\"?");
	refuse("xyzzy", "line 1: \"xyzzy\" is unknown: a line begins with bridge, port, mac, "
			"worker or log");
	refuse("port", "line 1: a line about a port reads \"port add NAME type KIND [OPTION "
		       "VALUE]...\"");
	refuse("log show all x", "line 1: a line about a log reads \"log set MODULE LEVEL\"");
}

static void test_twice(void **state)
{
	refuse("bridge add a\nbridge add b\nbridge add a", "line 3: bridge \"a\" is there twice");
	refuse("port add a type tap\nport add a type dummy", "line 2: port \"a\" is there twice");
	refuse("mac add 02:AB:00:00:00:01 port a\nmac add 02:ab:00:00:00:01 vlan 0 port a",
	       "line 2: mac \"02:ab:00:00:00:01\" is there twice");
	refuse("worker set port a queue 1 worker 0\nworker set queue 1 port a worker 1",
	       "line 2: queue \"1\" of port \"a\" is there twice");
	refuse("worker set poll always\nworker set poll adaptive",
	       "line 2: \"worker set poll\" is there twice");
	refuse("worker set rebalance off\nworker set poll always\nworker set rebalance on",
	       "line 3: \"worker set rebalance\" is there twice");
	refuse("log set all debug\nlog set all info", "line 2: log \"all\" is there twice");
}

static void test_bytes(void **state)
{
	char *big;

	refuse_bytes("bridge add a\0b\n", 15, "line 1: control character 0x00");
	refuse("bridge add a\x1b[2J", "line 1: control character 0x1b");
	refuse("\nbridge add a\r \n", "line 2: control character 0x0d");
	refuse("bridge add a\x7f", "line 1: control character 0x7f");
	refuse("bridge add a\xff", "line 1: not UTF-8");
	expect("bridge add \xc3\xa4\n", "{\"bridges\":{\"\\u00e4\":{}},\"ports\":{},\"macs\":[],"
					"\"workers\":[],\"log\":{}}");
	big = malloc(CONFIG_TEXT_MAX + 1);
	assert_non_null(big);
	memset(big, '\n', CONFIG_TEXT_MAX + 1);
	refuse_bytes(big, CONFIG_TEXT_MAX + 1, "longer than 16 MiB");
	memset(big, 'a', CONFIG_TEXT_MAX);
	assert_null(config_parse(big, CONFIG_TEXT_MAX, NULL));
	free(big);
}

static void test_too_many_words(void **state)
{
	char text[1024] = "bridge add b";

	for (int i = 0; i < 254; i++)
		strcat(text, " x");
	refuse(text, "line 1: more than 256 words");
}

static void test_format(void **state)
{
	json_t *config =
		json_pack("{s:{s:{s:i, s:b}}, s:{s:{s:s, s:s, s:[s,s]}}, s:[{s:s, s:s}], s:{s:s}}",
			  "bridges", "br0", "mac-aging-time", 300, "x", 1, "ports", "vm 1", "path",
			  "/tmp/a b", "type", "tap", "macs", "m1", "m2", "macs", "port", "vm 1",
			  "mac", "02:00:00:00:00:01", "log", "vhost", "debug");
	char *text;

	assert_non_null(config);
	text = config_format(config);
	assert_non_null(text);
	assert_string_equal(text, "bridge add br0 mac-aging-time 300 x on\n"
				  "port add \"vm 1\" type tap path \"/tmp/a b\" macs m1,m2\n"
				  "mac add 02:00:00:00:00:01 port \"vm 1\"\n"
				  "log set vhost debug\n");
	free(text);
	json_decref(config);
	/* what no line can hold is refused, not written wrongly */
	config = json_pack("{s:{s:{s:s}}}", "bridges", "b", "x", "1\nport add evil type tap");
	assert_null(config_format(config));
	json_decref(config);
}

static uint32_t seed = 1;

static unsigned roll(unsigned n)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % n;
}

/* A word of letters that need care. */
static const char *word(char *buf)
{
	static const char letters[] = "ab\"\\# \tz9:/,.";
	unsigned len = roll(6);

	for (unsigned i = 0; i < len; i++)
		buf[i] = letters[roll(sizeof(letters) - 1)];
	buf[len] = '\0';
	return buf;
}

static json_t *some_options(bool mac)
{
	char name[8], value[8];
	json_t *options = json_object();

	if (mac)
		json_object_set_new(options, "mac", json_sprintf("%u", roll(1u << 30)));
	for (unsigned i = roll(5); i > 0; i--)
		json_object_set_new(options, word(name), json_string(word(value)));
	return options;
}

static json_t *some_config(void)
{
	json_t *config = parse("");
	char name[8], level[8];

	for (unsigned i = roll(4); i > 0; i--) {
		json_object_set_new(json_object_get(config, "bridges"), word(name),
				    some_options(false));
		json_object_set_new(json_object_get(config, "ports"), word(name),
				    some_options(false));
		json_array_append_new(json_object_get(config, "macs"), some_options(true));
		json_object_set_new(json_object_get(config, "log"), word(name),
				    json_string(word(level)));
	}
	return config;
}

/* Whatever data there is, its text means the same data. */
static void test_round_trip(void **state)
{
	unsigned n = scaled(2000);

	for (unsigned i = 0; i < n; i++) {
		json_t *config = some_config(), *again;
		char *text = config_format(config);

		assert_non_null(text);
		again = parse(text);
		if (!json_equal(config, again))
			fail_msg("round %d: \"%s\" means %s", i, text, json_dumps(again, 0));
		free(text);
		json_decref(config);
		json_decref(again);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),	       cmocka_unit_test(test_all_kinds),
		cmocka_unit_test(test_quotes),	       cmocka_unit_test(test_refused),
		cmocka_unit_test(test_twice),	       cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_too_many_words), cmocka_unit_test(test_format),
		cmocka_unit_test(test_round_trip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
