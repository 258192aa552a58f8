// SPDX-License-Identifier: Apache-2.0
/* The options of bridges and ports (src/switch/options.c): what is taken, what is refused with what
 * words, and what they mean to the datapath.
 */
#include <errno.h>

#include "port/drop.h"
#include "port/kinds.h"
#include "switch_rig.h"

/* Options of a port, canonical; NULL and a text. */
static json_t *canonical(const char *name, const char *value, struct port_settings *s,
			 struct error *err)
{
	json_t *params = J("{s:s}", "type", "dummy"), *options = NULL;
	const struct port_ops *kind;

	if (name)
		json_object_set_new(params, name, json_string(value));
	if (port_canonical(params, &options, &kind, s, err) < 0)
		options = NULL;
	json_decref(params);
	return options;
}

static void expect_refused(const char *name, const char *value, const char *why)
{
	struct error err = { "" };
	struct port_settings s;

	if (canonical(name, value, &s, &err))
		fail_msg("%s %s was taken", name, value);
	if (!strstr(err.text, why))
		fail_msg("%s %s: \"%s\"", name, value, err.text);
}

static void expect_taken(const char *name, const char *value, const char *want,
			 struct port_settings *s)
{
	struct error err = { "" };
	json_t *options = canonical(name, value, s, &err);
	char text[2048];

	if (!options)
		fail_msg("%s %s: \"%s\"", name, value, err.text);
	option_text(json_object_get(options, name), text, sizeof(text));
	assert_string_equal(text, want);
	json_decref(options);
}

static void test_vlans(void **state)
{
	static const char *const wrong[] = { ",",
					     "1,",
					     ",1",
					     "1,,2",
					     "5-4",
					     "4095",
					     "1-4095",
					     "x",
					     "1-",
					     "-1",
					     "1;2",
					     "1 2",
					     "99999999999999999999",
					     "1-2-3",
					     "0x10" };
	struct port_settings s;

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		expect_refused("trunks", wrong[i], "write it like 10,20-30 (0 to 4094)");
	expect_refused("trunks", "", "trunks");
	expect_taken("trunks", "0,5-7,4094", "0,5-7,4094", &s);
	assert_true(s.has_trunks);
	for (unsigned vid = 0; vid < 4096; vid++)
		assert_int_equal(s.trunks[vid / 64] >> (vid % 64) & 1,
				 vid == 0 || (vid >= 5 && vid <= 7) || vid == 4094);
	expect_taken("trunks", "0-4094", "0-4094", &s);
	assert_true(s.trunks[0] == UINT64_MAX && s.trunks[63] == UINT64_MAX >> 1);
	settings_free(&s);
}

static void test_macs(void **state)
{
	static const char *const wrong[] = { ",",
					     "02:00:00:00:00:01,",
					     ",02:00:00:00:00:01",
					     "02:00:00:00:00:01,,02:00:00:00:00:02",
					     "ff:ff:ff:ff:ff:ff",
					     "01:00:00:00:00:00",
					     "02:00:00:00:00:01 02:00:00:00:00:02",
					     "02:00:00:00:00:0",
					     "02:00:00:00:00:001" };
	char many[65 * MAC_TEXT_LEN + 1] = "", mac[MAC_TEXT_LEN];
	struct port_settings s;

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		expect_refused("allowed-macs", wrong[i], "is no unicast MAC address");
	expect_taken("allowed-macs", "02:00:00:00:00:AA", "02:00:00:00:00:aa", &s);
	assert_int_equal(s.n_macs, 1);
	settings_free(&s);
	for (unsigned i = 0; i < 64; i++) {
		strcat(many, i ? "," : "");
		strcat(many, mac_format(MAC(i), mac));
	}
	expect_taken("allowed-macs", many, many, &s);
	assert_int_equal(s.n_macs, 64);
	for (unsigned i = 0; i < 64; i++)
		assert_true(s.macs[i] == MAC(i));
	settings_free(&s);
	settings_free(&s); /* once is enough, twice is fine */
	strcat(many, ",02:00:00:00:00:01");
	expect_refused("allowed-macs", many, "more than 64 MAC addresses");
}

static void test_limits(void **state)
{
	struct port_settings s;

	expect_taken("broadcast-limit", "1", "1", &s);
	assert_int_equal(s.broadcast_limit.interval_ns, NSEC_PER_SEC);
	assert_int_equal(s.unknown_limit.interval_ns, 0);
	expect_taken("unknown-limit", "1000000000", "1000000000", &s);
	assert_int_equal(s.unknown_limit.interval_ns, 1);
	expect_refused("broadcast-limit", "0", "from 1 to 1000000000");
	expect_refused("mac-limit", "0", "from 1");
	expect_refused("mtu", "65536", "from 68 to 65535");
	expect_taken("mac-limit", "3", "3", &s);
	assert_int_equal(s.mac_limit, 3);
	expect_taken("protected", "on", "on", &s);
	assert_true(s.is_protected);
	expect_refused("protected", "yes", "on or off");
}

/* All combinations of tag, trunks and vlan-mode. */
static void test_vlan_modes(void **state)
{
	static const struct {
		const char *tag, *trunks, *mode;
		const char *why; /* NULL: right */
		bool access, native_tagged, has_trunks;
	} cases[] = {
		{ NULL, NULL, NULL, NULL, false, false, false },
		{ "5", NULL, NULL, NULL, true, false, false },
		{ "5", NULL, "access", NULL, true, false, false },
		{ "5", NULL, "native-tagged", NULL, false, true, false },
		{ "5", NULL, "native-untagged", NULL, false, false, false },
		{ "5", "6", "native-tagged", NULL, false, true, true },
		{ "5", "6", "native-untagged", NULL, false, false, true },
		{ NULL, "6", NULL, NULL, false, false, true },
		{ NULL, "6", "trunk", NULL, false, false, true },
		{ NULL, NULL, "trunk", NULL, false, false, false },
		{ NULL, NULL, "access", "vlan-mode access needs a tag", false, false, false },
		{ NULL, "6", "native-tagged", "vlan-mode native-tagged needs a tag", false, false,
		  false },
		{ "5", NULL, "trunk", "a trunk has no tag", false, false, false },
		{ "5", "6", NULL, "an access port has no trunks", false, false, false },
		{ "5", "6", "access", "an access port has no trunks", false, false, false },
		{ "5", NULL, "acess", "did you mean \"access\"?", false, false, false },
		{ "0", NULL, NULL, "from 1 to 4094", false, false, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		json_t *params = J("{s:s, s:s*, s:s*, s:s*}", "type", "dummy", "tag", cases[i].tag,
				   "trunks", cases[i].trunks, "vlan-mode", cases[i].mode);
		struct error err = { "" };
		const struct port_ops *kind;
		struct port_settings s;
		json_t *options;
		int r = port_canonical(params, &options, &kind, &s, &err);

		json_decref(params);
		if (cases[i].why) {
			if (r != -EINVAL || !strstr(err.text, cases[i].why))
				fail_msg("case %zu: %d \"%s\"", i, r, err.text);
			continue;
		}
		if (r < 0)
			fail_msg("case %zu: %s", i, err.text);
		assert_int_equal(s.access, cases[i].access);
		assert_int_equal(s.native_tagged, cases[i].native_tagged);
		assert_int_equal(s.has_trunks, cases[i].has_trunks);
		assert_int_equal(s.tag, cases[i].tag ? 5 : 0);
		json_decref(options);
	}
}

/* Options that are canonical stay what they are. */
static void test_canonical_is_stable(void **state)
{
	json_t *params = J("{s:s, s:i, s:s, s:s, s:b, s:s}", "type", "dummy", "tag", 7, "trunks",
			   "1,2", "vlan-mode", "native-tagged", "protected", 1, "allowed-macs",
			   "02:00:00:00:00:0A");
	const struct port_ops *kind;
	struct port_settings s;
	json_t *once, *twice;
	struct error err;

	assert_int_equal(port_canonical(params, &once, &kind, &s, &err), 0);
	settings_free(&s);
	assert_int_equal(port_canonical(once, &twice, &kind, &s, &err), 0);
	settings_free(&s);
	assert_true(json_equal(once, twice));
	assert_string_equal(option_string(once, "bridge", ""), SWITCH_DEFAULT_BRIDGE);
	assert_ptr_equal(kind, &dummy_port_ops);
	json_decref(params);
	json_decref(once);
	json_decref(twice);
}

/* All that there is, is described: for help, completion and "did you mean". */
static void test_describes(void **state)
{
	json_t *o = switch_describe(), *kinds, *kind, *drops, *option;
	const char *name;
	size_t i;

	assert_non_null(o);
	kinds = json_object_get(json_object_get(o, "port"), "kinds");
	for (const struct port_ops *const *k = port_kinds; *k; k++)
		assert_non_null(json_object_get(kinds, (*k)->kind));
	json_object_foreach (kinds, name, kind) {
		assert_true(*option_string(kind, "summary", ""));
		json_array_foreach (json_object_get(kind, "options"), i, option)
			assert_true(*option_string(option, "help", ""));
	}
	json_array_foreach (json_object_get(o, "bridge"), i, option)
		assert_true(*option_string(option, "help", ""));
	json_array_foreach (json_object_get(json_object_get(o, "port"), "common"), i, option)
		assert_true(*option_string(option, "help", ""));
	drops = json_object_get(o, "drops");
	assert_int_equal(json_object_size(drops), DROP_N_REASONS);
	json_decref(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vlans),
		cmocka_unit_test(test_macs),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_vlan_modes),
		cmocka_unit_test(test_canonical_is_stable),
		cmocka_unit_test(test_describes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
