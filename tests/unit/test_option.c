// SPDX-License-Identifier: Apache-2.0
/* Options: words become values, mistakes become texts. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "base/option.h"

static const char *const modes[] = { "listen", "connect", NULL };

/* "a,b" -> ["a", "b"]; anything with an 'x' is refused. */
static json_t *check_list(const char *text, struct error *err)
{
	char *copy = strdup(text), *save, *word;
	json_t *list = json_array();

	if (strchr(text, 'x')) {
		error_set(err, -EINVAL, "x is not allowed");
		json_decref(list);
		list = NULL;
	} else {
		for (word = strtok_r(copy, ",", &save); word; word = strtok_r(NULL, ",", &save))
			json_array_append_new(list, json_string(word));
	}
	free(copy);
	return list;
}

static const struct option common[] = {
	{ .name = "name", .type = OPTION_STRING, .flags = OPTION_REQUIRED, .help = "Name" },
	{ .name = "mtu", .type = OPTION_UINT, .help = "Longest payload", .min = 68, .max = 65521 },
	{ .name = "enabled", .type = OPTION_BOOL, .help = "Take part" },
	{ .name = NULL },
};

static const struct option own[] = {
	{ .name = "mode",
	  .type = OPTION_CHOICE,
	  .flags = OPTION_FIXED,
	  .help = "Who starts",
	  .choices = modes },
	{ .name = "socket-mode", .type = OPTION_OCTAL, .help = "Who may connect" },
	{ .name = "macs", .type = OPTION_CUSTOM, .help = "Addresses", .check = check_list },
	{ .name = "fd", .type = OPTION_UINT, .flags = OPTION_HIDDEN, .help = "Passed", .max = 9 },
	{ .name = "big", .type = OPTION_UINT, .help = "Any", .max = UINT64_MAX },
	{ .name = NULL },
};

static const struct option *const tables[] = { common, own, NULL };

/* Checks {"name": "n", @name: @value}; returns the canonical value, or NULL with a text in @err. */
static json_t *check(const char *name, json_t *value, struct error *err)
{
	json_t *object = json_pack("{s:s}", "name", "n"), *made = NULL;

	assert_int_equal(json_object_set_new(object, name, value), 0);
	*err = (struct error){ "" };
	if (options_check(tables, object, true, err) == 0) {
		made = json_incref(json_object_get(object, name));
		assert_string_equal(err->text, "");
	} else {
		assert_string_not_equal(err->text, "");
	}
	json_decref(object);
	return made;
}

static void assert_makes(const char *name, json_t *value, json_t *expected)
{
	struct error err;
	json_t *made = check(name, value, &err), *again;

	if (!made)
		fail_msg("refused: %s", err.text);
	assert_true(json_equal(made, expected));
	/* What is canonical stays as it is. */
	again = check(name, json_incref(made), &err);
	assert_true(json_equal(again, expected));
	json_decref(again);
	json_decref(made);
	json_decref(expected);
}

static void assert_refused(const char *name, json_t *value, const char *text)
{
	struct error err;

	assert_null(check(name, value, &err));
	if (!strstr(err.text, text))
		fail_msg("\"%s\" does not say \"%s\"", err.text, text);
}

static void words_become_values(void **state)
{
	assert_makes("name", json_string("vm1"), json_string("vm1"));
	assert_makes("name", json_string("z\xc3\xbcrich /x"), json_string("z\xc3\xbcrich /x"));
	assert_makes("mtu", json_string("1500"), json_integer(1500));
	assert_makes("mtu", json_integer(68), json_integer(68));
	assert_makes("mtu", json_string("65521"), json_integer(65521));
	assert_makes("big", json_string("9223372036854775807"), json_integer(INT64_MAX));
	assert_makes("enabled", json_string("on"), json_true());
	assert_makes("enabled", json_string("off"), json_false());
	assert_makes("enabled", json_false(), json_false());
	assert_makes("mode", json_string("connect"), json_string("connect"));
	assert_makes("socket-mode", json_string("660"), json_string("0660"));
	assert_makes("socket-mode", json_string("0777"), json_string("0777"));
	assert_makes("socket-mode", json_string("0"), json_string("0000"));
	assert_makes("macs", json_string("a,b"), json_pack("[ss]", "a", "b"));
	assert_makes("macs", json_integer(12), json_pack("[s]", "12"));
	assert_makes("fd", json_integer(3), json_integer(3));
}

static void numbers_out_of_range_are_refused(void **state)
{
	static const char *const bad[] = { "67",
					   "65522",
					   "-1",
					   "+70",
					   " 70",
					   "70 ",
					   "0x50",
					   "1e3",
					   "70.0",
					   "",
					   "99999999999999999999999",
					   "on" };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_refused("mtu", json_string(bad[i]),
			       "\"mtu\": give a number from 68 to 65521");
	assert_refused("mtu", json_integer(67), "68 to 65521");
	assert_refused("mtu", json_integer(-1), "68 to 65521");
	assert_refused("mtu", json_real(70), "68 to 65521");
	assert_refused("mtu", json_true(), "68 to 65521");
	assert_refused("mtu", json_null(), "68 to 65521");
	assert_refused("big", json_integer(-1), "from 0");
	assert_refused("big", json_string("9223372036854775808"), "from 0");
}

static void wrong_words_are_refused(void **state)
{
	assert_refused("enabled", json_string("yes"), "say on or off");
	assert_refused("enabled", json_integer(1), "say on or off");
	assert_refused("mode", json_string("conect"), "did you mean \"connect\"");
	assert_refused("mode", json_string("zzz"), "give one of listen, connect");
	assert_refused("mode", json_array(), "give one of listen, connect");
	assert_refused("socket-mode", json_string("0680"), "octal");
	assert_refused("socket-mode", json_string("01000"), "octal");
	assert_refused("socket-mode", json_integer(660), "octal");
	assert_refused("macs", json_string("a,x"), "\"macs\": x is not allowed");
	assert_refused("macs", json_object(), "give a value");
	assert_refused("macs", json_string("a\nb"), "control character");
}

static void texts_are_bounded_and_printable(void **state)
{
	char *text = malloc(70001);

	assert_non_null(text);
	memset(text, 'a', 70000);
	text[70000] = '\0';
	assert_refused("macs", json_string(text), "too long");
	text[1025] = '\0';
	assert_refused("name", json_string(text), "1025 bytes long");
	text[1024] = '\0';
	assert_makes("name", json_string(text), json_string(text));
	free(text);
	assert_refused("name", json_string(""), "give a text");
	assert_refused("name", json_string("a\x1b[2J"), "control character");
	assert_refused("name", json_string("a\x7f"), "control character");
	assert_refused("name", json_stringn("a\0b", 3), "control character");
	assert_refused("name", json_integer(1), "give a text");
}

static void unknown_options_get_a_suggestion(void **state)
{
	assert_refused("socketmode", json_string("x"), "did you mean \"socket-mode\"?");
	assert_refused("mut", json_string("x"), "did you mean \"mtu\"?");
	assert_refused("zzzzzz", json_string("x"), "unknown option \"zzzzzz\"");
	assert_refused("f\x1b", json_string("x"), "unknown option \"f?\"");
}

static void hidden_options_are_not_suggested(void **state)
{
	struct error err;

	assert_null(check("fdd", json_string("1"), &err));
	assert_null(strstr(err.text, "did you mean"));
}

static void required_and_fixed(void **state)
{
	json_t *object = json_pack("{s:s}", "mtu", "1500");
	struct error err;

	assert_int_equal(options_check(tables, object, true, &err), -EINVAL);
	assert_string_equal(err.text, "option \"name\" is missing: Name");
	assert_int_equal(options_check(tables, object, false, &err), 0);
	json_object_set_new(object, "mode", json_string("listen"));
	assert_int_equal(options_check(tables, object, false, &err), -EINVAL);
	assert_non_null(strstr(err.text, "\"mode\" cannot be changed"));
	json_decref(object);

	object = json_array();
	assert_int_equal(options_check(tables, object, true, &err), -EINVAL);
	assert_int_equal(options_check(tables, NULL, true, NULL), -EINVAL);
	json_decref(object);
}

/* What options_merge() makes of {"name": "n", "mtu": 1500, "mode": "listen"}. */
static int merge(json_t *changes, json_t **merged, json_t **set, struct error *err)
{
	json_t *has = json_pack("{s:s, s:i, s:s}", "name", "n", "mtu", 1500, "mode", "listen");
	int ret = options_merge(tables, has, changes, merged, set, err);

	json_decref(has);
	json_decref(changes);
	return ret;
}

static void changes_are_merged(void **state)
{
	json_t *merged, *set;
	struct error err;

	assert_int_equal(merge(json_pack("{s:s, s:s}", "mtu", "default", "enabled", "on"), &merged,
			       &set, &err),
			 0);
	assert_null(json_object_get(merged, "mtu"));
	assert_true(option_bool(merged, "enabled", false));
	assert_string_equal(option_string(merged, "mode", ""), "listen");
	assert_int_equal(json_object_size(merged), 3);
	assert_int_equal(json_object_size(set), 1);
	assert_true(option_bool(set, "enabled", false));
	json_decref(merged);
	json_decref(set);
	/* a text that is no word of the option, unless it says that */
	assert_int_equal(merge(json_pack("{s:s}", "mtu", "many"), &merged, &set, &err), -EINVAL);
	assert_non_null(strstr(err.text, "from 68 to 65521"));
	assert_int_equal(merge(json_pack("{s:s}", "mode", "default"), &merged, &set, &err),
			 -EINVAL);
	assert_non_null(strstr(err.text, "\"mode\" cannot be changed"));
	assert_int_equal(merge(json_pack("{s:s}", "name", "default"), &merged, &set, &err),
			 -EINVAL);
	assert_non_null(strstr(err.text, "\"name\" is missing"));
	assert_int_equal(merge(json_pack("{s:s}", "mut", "default"), &merged, &set, &err), -EINVAL);
	assert_non_null(strstr(err.text, "did you mean \"mtu\"?"));
}

static void values_are_read_back(void **state)
{
	json_t *object = json_pack("{s:i, s:b, s:s}", "n", 7, "b", 1, "s", "text");

	assert_int_equal(option_uint(object, "n", 1), 7);
	assert_int_equal(option_uint(object, "none", 1), 1);
	assert_true(option_bool(object, "b", false));
	assert_true(option_bool(object, "none", true));
	assert_false(option_bool(object, "none", false));
	assert_string_equal(option_string(object, "s", "x"), "text");
	assert_string_equal(option_string(object, "none", "x"), "x");
	assert_null(option_string(NULL, "s", NULL));
	json_decref(object);
}

static void assert_text(json_t *value, const char *expected)
{
	char text[64];
	int len = (int)strlen(expected);

	assert_int_equal(option_text(value, NULL, 0), len);
	assert_int_equal(option_text(value, text, sizeof(text)), len);
	assert_string_equal(text, expected);
	/* Cut anywhere, it stays the beginning, and nothing behind it is touched. */
	for (size_t size = 1; size <= strlen(expected); size++) {
		memset(text, '#', sizeof(text));
		assert_int_equal(option_text(value, text, size), len);
		assert_int_equal(strncmp(text, expected, strlen(text)), 0);
		assert_true(strlen(text) < size);
		assert_int_equal(text[size], '#');
	}
	json_decref(value);
}

static void values_as_words(void **state)
{
	assert_text(json_true(), "on");
	assert_text(json_false(), "off");
	assert_text(json_integer(1500), "1500");
	assert_text(json_string("word"), "word");
	assert_text(json_pack("[ssi]", "first", "second", 3), "first,second,3");
	assert_text(json_array(), "");
	assert_text(json_null(), "");
}

static void tables_are_described(void **state)
{
	json_t *all = options_describe(tables), *item;
	size_t i, seen = 0;

	json_array_foreach (all, i, item) {
		const char *name = option_string(item, "name", "");

		assert_string_not_equal(name, "fd");
		if (!strcmp(name, "mtu")) {
			assert_int_equal(option_uint(item, "min", 0), 68);
			assert_int_equal(option_uint(item, "max", 0), 65521);
			assert_false(option_bool(item, "required", true));
			seen++;
		}
		if (!strcmp(name, "mode")) {
			assert_int_equal(json_array_size(json_object_get(item, "choices")), 2);
			assert_true(option_bool(item, "fixed", false));
			seen++;
		}
		if (!strcmp(name, "name")) {
			assert_true(option_bool(item, "required", false));
			assert_string_equal(option_string(item, "help", ""), "Name");
			seen++;
		}
	}
	assert_int_equal(seen, 3);
	assert_int_equal(json_array_size(all), 7);
	json_decref(all);
}

static void names_of_two_words(void **state)
{
	char buffer[OPTION_NAME_MAX], longer[200];
	char offload[] = "offload", tso[] = "tso", off[] = "off", joined[] = "offload-tso";
	char *two[] = { offload, tso, off }, *one[] = { joined, off };
	char *endless[] = { offload, longer };
	size_t used = 0;

	assert_string_equal(option_name(two, 3, buffer, &used), "offload-tso");
	assert_int_equal(used, 2);
	assert_string_equal(option_name(two, 1, buffer, &used), "offload");
	assert_int_equal(used, 1);
	assert_string_equal(option_name(one, 2, buffer, &used), "offload-tso");
	assert_int_equal(used, 1);
	memset(longer, 'x', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	option_name(endless, 2, buffer, &used);
	assert_int_equal(strlen(buffer), OPTION_NAME_MAX - 1);
}

static void some_take_effect_later(void **state)
{
	static const struct option later[] = {
		{ .name = "now", .type = OPTION_BOOL, .help = "at once" },
		{ .name = "then", .type = OPTION_BOOL, .flags = OPTION_LATER, .help = "not" },
		{ .name = NULL },
	};
	const struct option *const both[] = { later, NULL };
	json_t *changes = json_pack("{s:b, s:b, s:s}", "now", 1, "then", 0, "name", "vm");
	json_t *names = options_later(both, changes), *all = options_describe(both);

	assert_int_equal(json_array_size(names), 1);
	assert_string_equal(json_string_value(json_array_get(names, 0)), "then");
	assert_null(json_object_get(json_array_get(all, 0), "later"));
	assert_true(json_is_true(json_object_get(json_array_get(all, 1), "later")));
	json_decref(all);
	json_decref(names);
	json_decref(changes);
}

static void nearest_words(void **state)
{
	const char *const words[] = { "bridge", NULL,	 "port",    "mac",
				      "worker", "stats", "version", "config" };
	const size_t n = ARRAY_SIZE(words);
	char longest[200];

	assert_string_equal(nearest_word("prot", words, n), "port");
	assert_string_equal(nearest_word("bridg", words, n), "bridge");
	assert_string_equal(nearest_word("bride", words, n), "bridge");
	assert_string_equal(nearest_word("wroker", words, n), "worker");
	assert_string_equal(nearest_word("ver", words, n), "version");
	assert_string_equal(nearest_word("mac", words, n), "mac");
	assert_string_equal(nearest_word("may", words, n), "mac");
	assert_null(nearest_word("flow", words, n));
	assert_null(nearest_word("", words, n));
	assert_null(nearest_word("x", words, n));
	assert_null(nearest_word("port", words, 0));
	memset(longest, 'p', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_null(nearest_word(longest, words, n));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_become_values),
		cmocka_unit_test(numbers_out_of_range_are_refused),
		cmocka_unit_test(wrong_words_are_refused),
		cmocka_unit_test(texts_are_bounded_and_printable),
		cmocka_unit_test(unknown_options_get_a_suggestion),
		cmocka_unit_test(hidden_options_are_not_suggested),
		cmocka_unit_test(required_and_fixed),
		cmocka_unit_test(changes_are_merged),
		cmocka_unit_test(values_are_read_back),
		cmocka_unit_test(values_as_words),
		cmocka_unit_test(tables_are_described),
		cmocka_unit_test(names_of_two_words),
		cmocka_unit_test(some_take_effect_later),
		cmocka_unit_test(nearest_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
