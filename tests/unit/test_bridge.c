// SPDX-License-Identifier: Apache-2.0
/* Bridges: adding, changing, removing them; their MAC tables as people see them. */
#include <errno.h>

#include "switch_rig.h"

static int setup(void **state)
{
	static struct rig rig;

	rig_open(&rig, 1);
	rig_add_bridge(&rig, "br0");
	*state = &rig;
	return 0;
}

static int teardown(void **state)
{
	rig_close(*state);
	return 0;
}

static int del(struct rig *rig, const char *name, struct error *err)
{
	return switch_bridge_del(rig->sw, name, err);
}

static void test_adds_and_removes(void **state)
{
	struct rig *rig = *state;
	struct error err = { "" };
	json_t *list;

	rig_do(rig, switch_bridge_add,
	       J("{s:s, s:s, s:i}", "name", "lab", "mac-aging-time", "60", "mac-table-size", 64));
	list = switch_bridge_show(rig->sw, "lab", &err);
	assert_int_equal(json_array_size(list), 1);
	assert_int_equal(option_uint(json_array_get(list, 0), "mac_aging_time", 0), 60);
	json_decref(list);
	list = switch_bridge_show(rig->sw, NULL, &err);
	assert_int_equal(json_array_size(list), 2); /* in the order they were added */
	assert_string_equal(option_string(json_array_get(list, 0), "name", ""), "br0");
	json_decref(list);
	rig_add(rig, "vm1", J("{s:s}", "bridge", "lab"));
	assert_int_equal(del(rig, "lab", &err), -EBUSY);
	assert_string_equal(err.text,
			    "bridge \"lab\" has ports (\"vm1\" is one): delete them first");
	rig_del(rig, "vm1");
	assert_int_equal(del(rig, "lab", &err), -EBUSY); /* workers still may have it */
	rig_settle(rig);
	assert_int_equal(del(rig, "lab", &err), 0);
	assert_int_equal(del(rig, "lab", &err), -ENOENT);
	assert_null(switch_bridge_show(rig->sw, "br1", &err));
	assert_string_equal(err.text, "no bridge \"br1\": did you mean \"br0\"?");
}

static void test_refuses(void **state)
{
	struct rig *rig = *state;

	rig_refuse(rig, switch_bridge_add, J("{s:s}", "name", "br0"), -EEXIST,
		   "there is a bridge \"br0\" already");
	rig_refuse(rig, switch_bridge_add, J("{}"), -EINVAL, "give its name");
	rig_refuse(rig, switch_bridge_add, J("{s:i}", "name", 5), -EINVAL, "give its name");
	rig_refuse(rig, switch_bridge_add, J("{s:s}", "name", "a b"), -EINVAL, "name may have");
	rig_refuse(rig, switch_bridge_add, J("{s:s, s:s}", "name", "x", "mac-agin-time", "60"),
		   -EINVAL, "did you mean \"mac-aging-time\"?");
	rig_refuse(rig, switch_bridge_add, J("{s:s, s:s}", "name", "x", "mac-aging-time", "9"),
		   -EINVAL, "from 10 to 1000000");
	rig_refuse(rig, switch_bridge_set, J("{s:s, s:s}", "name", "br0", "mac-table-size", "64"),
		   -EINVAL, "cannot be changed");
	rig_refuse(rig, switch_bridge_set, J("{s:s, s:s}", "name", "br7", "mac-aging-time", "60"),
		   -ENOENT, "did you mean \"br0\"?");
	rig_refuse(rig, switch_bridge_set, J("{s:s}", "mac-aging-time", "60"), -EINVAL, "name");
}

static uint64_t aging_of(struct rig *rig, const char *name)
{
	json_t *list = switch_bridge_show(rig->sw, name, NULL);
	uint64_t aging = option_uint(json_array_get(list, 0), "mac_aging_time", 0);

	json_decref(list);
	return aging;
}

static void test_sets(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(aging_of(rig, "br0"), MAC_AGING_DEFAULT);
	rig_do(rig, switch_bridge_set, J("{s:s, s:s}", "name", "br0", "mac-aging-time", "77"));
	assert_int_equal(aging_of(rig, "br0"), 77);
	rig_do(rig, switch_bridge_set, J("{s:s}", "name", "br0"));
	assert_int_equal(aging_of(rig, "br0"), 77);
}

/* The whole of a bridge's options, as a configuration has them. */
static void test_apply(void **state)
{
	struct rig *rig = *state;
	const struct mac_table *macs;

	rig_do(rig, switch_bridge_apply,
	       J("{s:s, s:s, s:s}", "name", "br0", "mac-table-size", "64", "mac-aging-time", "50"));
	assert_int_equal(aging_of(rig, "br0"), 50);
	rig_add(rig, "vm1", NULL);
	macs = switch_find_bridge(rig->sw, "br0")->macs;
	/* the same once more, now with words and then with numbers, touches nothing */
	rig_do(rig, switch_bridge_apply, J("{s:s, s:s}", "name", "br0", "mac-table-size", "64"));
	assert_ptr_equal(switch_find_bridge(rig->sw, "br0")->macs, macs);
	assert_int_equal(aging_of(rig, "br0"), MAC_AGING_DEFAULT);
	rig_do(rig, switch_bridge_apply, J("{s:s, s:i}", "name", "br0", "mac-table-size", 64));
	assert_ptr_equal(switch_find_bridge(rig->sw, "br0")->macs, macs);
	rig_refuse(rig, switch_bridge_apply, J("{s:s}", "name", "br0"), -EBUSY,
		   "while the bridge has ports (\"vm1\" is one)");
	rig_refuse(rig, switch_bridge_apply, J("{s:s}", "name", "br9"), -ENOENT, "br0");
	rig_del(rig, "vm1");
	rig_settle(rig);
	rig_do(rig, switch_bridge_apply, J("{s:s}", "name", "br0"));
	assert_ptr_not_equal(switch_find_bridge(rig->sw, "br0")->macs, macs);
}

static json_t *macs_of(struct rig *rig, const char *bridge)
{
	json_t *list = switch_mac_show(rig->sw, bridge, NULL);

	assert_non_null(list);
	return list;
}

static size_t n_macs(struct rig *rig, const char *bridge)
{
	json_t *list = macs_of(rig, bridge);
	size_t n = json_array_size(list);

	json_decref(list);
	return n;
}

static void test_macs(void **state)
{
	struct rig *rig = *state;
	struct error err;
	json_t *list, *o;

	rig_add_bridge(rig, "br1");
	rig_add(rig, "vm1", NULL);
	rig_add(rig, "vm2", J("{s:s}", "bridge", "br1"));
	rig_announce(rig, "vm1", MAC(1));
	rig_announce(rig, "vm2", MAC(2));
	rig_do(rig, switch_mac_add,
	       J("{s:s, s:s, s:s}", "mac", "02:00:00:00:00:0A", "port", "vm1", "vlan", "7"));
	assert_int_equal(n_macs(rig, NULL), 3);
	list = macs_of(rig, "br1");
	assert_int_equal(json_array_size(list), 1);
	o = json_array_get(list, 0);
	assert_string_equal(option_string(o, "mac", ""), "02:00:00:00:00:02");
	assert_string_equal(option_string(o, "port", ""), "vm2");
	assert_string_equal(option_string(o, "bridge", ""), "br1");
	assert_false(option_bool(o, "static", true));
	json_decref(list);
	assert_null(switch_mac_show(rig->sw, "br5", &err));

	/* flush: by bridge, by port; static ones stay */
	rig_refuse(rig, switch_mac_flush, J("{s:s}", "bridge", "br5"), -ENOENT, "no bridge");
	rig_refuse(rig, switch_mac_flush, J("{s:s}", "port", "vm5"), -ENOENT, "did you mean");
	rig_refuse(rig, switch_mac_flush, J("{s:i}", "port", 5), -EINVAL, "give a text");
	rig_refuse(rig, switch_mac_flush, J("{s:s}", "prot", "vm1"), -EINVAL, "did you mean");
	rig_do(rig, switch_mac_flush, J("{s:s}", "bridge", "br1"));
	assert_int_equal(n_macs(rig, NULL), 2);
	rig_do(rig, switch_mac_flush, J("{s:s}", "port", "vm2"));
	assert_int_equal(n_macs(rig, NULL), 2);
	rig_do(rig, switch_mac_flush, J("{s:s}", "port", "vm1"));
	assert_int_equal(n_macs(rig, NULL), 1);
	rig_announce(rig, "vm1", MAC(1));
	rig_do(rig, switch_mac_flush, J("{}"));
	list = macs_of(rig, "br0");
	assert_int_equal(json_array_size(list), 1);
	o = json_array_get(list, 0);
	assert_true(option_bool(o, "static", false));
	assert_string_equal(option_string(o, "mac", ""), "02:00:00:00:00:0a");
	assert_int_equal(option_uint(o, "vlan", 0), 7);
	json_decref(list);

	rig_refuse(rig, switch_mac_del, J("{s:s}", "mac", "02:00:00:00:00:0a"), -ENOENT,
		   "bridge \"br0\" has no address 02:00:00:00:00:0a on VLAN 0");
	rig_refuse(rig, switch_mac_del,
		   J("{s:s, s:i, s:s}", "mac", "02:00:00:00:00:0a", "vlan", 7, "bridge", "br1"),
		   -ENOENT, "bridge \"br1\" has no address");
	rig_do(rig, switch_mac_del, J("{s:s, s:i}", "mac", "02:00:00:00:00:0a", "vlan", 7));
	assert_int_equal(n_macs(rig, NULL), 0);
}

static void test_refuses_macs(void **state)
{
	static const char *const wrong[] = { "", "02:00:00:00:00", "ff:ff:ff:ff:ff:ff", "nonsense",
					     "01:00:5e:00:00:01" };
	struct rig *rig = *state;

	rig_add(rig, "vm1", NULL);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		rig_refuse(rig, switch_mac_add, J("{s:s, s:s}", "mac", wrong[i], "port", "vm1"),
			   -EINVAL, "mac");
	rig_refuse(rig, switch_mac_add, J("{s:s}", "mac", "02:00:00:00:00:01"), -EINVAL,
		   "on which port? add \"port NAME\"");
	rig_refuse(rig, switch_mac_add, J("{s:s}", "port", "vm1"), -EINVAL, "mac");
	rig_refuse(rig, switch_mac_add, J("{s:s, s:s}", "mac", "02:00:00:00:00:01", "port", "vm2"),
		   -ENOENT, "did you mean \"vm1\"?");
	rig_refuse(rig, switch_mac_add,
		   J("{s:s, s:s, s:i}", "mac", "02:00:00:00:00:01", "port", "vm1", "vlan", 4095),
		   -EINVAL, "vlan");
	rig_del(rig, "vm1");
	rig_refuse(rig, switch_mac_add, J("{s:s, s:s}", "mac", "02:00:00:00:00:01", "port", "vm1"),
		   -ENOENT, "no port");
	rig_settle(rig);
}

/* Static entries of a port go with it; a port that comes back finds none. */
static void test_macs_go_with_their_port(void **state)
{
	struct rig *rig = *state;

	rig_add(rig, "vm1", NULL);
	rig_announce(rig, "vm1", MAC(1));
	rig_do(rig, switch_mac_add, J("{s:s, s:s}", "mac", "02:00:00:00:00:05", "port", "vm1"));
	assert_int_equal(n_macs(rig, NULL), 2);
	rig_del(rig, "vm1");
	rig_settle(rig);
	assert_int_equal(n_macs(rig, NULL), 0);
	rig_add(rig, "vm1", NULL);
	assert_int_equal(n_macs(rig, NULL), 0);
}

static void test_ages(void **state)
{
	struct rig *rig = *state;
	struct mac_table *macs = switch_find_bridge(rig->sw, "br0")->macs;
	uint32_t now = (uint32_t)(clock_ns() / NSEC_PER_SEC);

	rig_do(rig, switch_bridge_set, J("{s:s, s:s}", "name", "br0", "mac-aging-time", "10"));
	mac_table_learn(macs, MAC(1), 0, 1, now - 60, 0);
	mac_table_learn(macs, MAC(2), 0, 1, now, 0);
	switch_age_macs(rig->sw);
	assert_int_equal(mac_table_lookup(macs, MAC(1), 0), MAC_NO_PORT);
	assert_int_equal(mac_table_lookup(macs, MAC(2), 0), 1);
}

static json_int_t limit_of(struct rig *rig, const char *name, const char *what)
{
	json_t *stats = switch_stats_show(rig->sw), *limits = json_object_get(stats, "limits");
	json_int_t n = json_integer_value(json_object_get(json_object_get(limits, name), what));

	json_decref(stats);
	return n;
}

/* Bridges, and the addresses that all of them have room for, are bounded. */
static void test_bounds(void **state)
{
	struct rig *rig = *state;
	struct error err = { "" };
	char name[16];

	rig_do(rig, switch_bridge_add, J("{s:s, s:i}", "name", "m0", "mac-table-size", 1048576));
	rig_do(rig, switch_bridge_add, J("{s:s, s:i}", "name", "m1", "mac-table-size", 1048576));
	rig_do(rig, switch_bridge_add, J("{s:s, s:i}", "name", "m2", "mac-table-size", 1048576));
	rig_refuse(rig, switch_bridge_add, J("{s:s, s:i}", "name", "m3", "mac-table-size", 1048576),
		   -ENOSPC, "room for more than 4194304 addresses");
	for (unsigned i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "m%u", i);
		assert_int_equal(del(rig, name, &err), 0);
	}
	UNTIL(rig, limit_of(rig, "bridges", "now") == 1); /* workers have let go of them */
	for (unsigned i = 1; i < 1024; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		rig_do(rig, switch_bridge_add, J("{s:s, s:i}", "name", name, "mac-table-size", 16));
	}
	rig_refuse(rig, switch_bridge_add, J("{s:s}", "name", "more"), -ENOSPC,
		   "no more than 1024 bridges");
	assert_int_equal(limit_of(rig, "bridges", "now"), 1024);
	assert_int_equal(limit_of(rig, "bridges", "refused"), 1);
	assert_int_equal(limit_of(rig, "mac_addresses", "refused"), 1);
	for (unsigned i = 1; i < 1024; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		assert_int_equal(del(rig, name, &err), 0);
	}
	UNTIL(rig, limit_of(rig, "bridges", "now") == 1);
	assert_int_equal(limit_of(rig, "mac_addresses", "now"), MAC_TABLE_SIZE_DEFAULT);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_adds_and_removes),
		TEST(test_refuses),
		TEST(test_sets),
		TEST(test_apply),
		TEST(test_macs),
		TEST(test_refuses_macs),
		TEST(test_ages),
		TEST(test_macs_go_with_their_port),
		TEST(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
