// SPDX-License-Identifier: Apache-2.0
/* Ports as OpenFlow sees them. */
#include <errno.h>

#include "flows_rig.h"

static bool list_port(void *arg, const struct flows_port *port)
{
	sprintf((char *)arg + strlen(arg), "%u:%s%s ", port->number, port->name,
		port->no_flood ? "(no-flood)" : "");
	return true;
}

static void expect_ports(struct flows_rig *r, const char *want)
{
	char text[512] = "";

	flows_each_port(r->flows, list_port, text);
	assert_string_equal(text, want);
}

static void test_numbers(void **state)
{
	struct flows_rig *r = *state;

	expect_ports(r, "1:vm1 2:vm2 3:vm3 ");
	rig_add(&r->rig, "vm9", J("{s:s}", "ofport", "90"));
	rig_add(&r->rig, "vm5", J("{s:s}", "ofport", "5"));
	expect_ports(r, "1:vm1 2:vm2 3:vm3 5:vm5 90:vm9 ");
	/* its id is the number of another, so it has a number from the other end */
	rig_add(&r->rig, "vm6", J("{s:s}", "ofport", "6"));
	rig_add(&r->rig, "br0", NULL);
	rig_refuse(&r->rig, switch_port_add,
		   J("{s:s, s:s, s:s}", "name", "x", "type", "dummy", "ofport", "90"), -EEXIST,
		   "port \"vm9\" has the number 90 already");
	expect_ports(r, "1:vm1 2:vm2 3:vm3 5:vm5 6:vm6 90:vm9 4294967294:br0 ");
	assert_int_equal(r->n_ports[0], 4);
	rig_del(&r->rig, "vm9");
	assert_int_equal(r->n_ports[1], 1);
	expect_ports(r, "1:vm1 2:vm2 3:vm3 5:vm5 6:vm6 4294967294:br0 ");
}

/* Ids of two bridges are different, numbers need not be. */
static void test_taken_ids(void **state)
{
	struct flows_rig *r = *state;
	struct sw_port *p;

	rig_add(&r->rig, "a", J("{s:s}", "ofport", "5")); /* id 4 */
	rig_add(&r->rig, "b", NULL);			  /* id 5 */
	p = rig_find(&r->rig, "b");
	assert_int_equal(p->id, 5);
	assert_int_equal(p->ofport, 0xfeff);
}

static uint64_t version_of(struct flows_rig *r)
{
	return pipeline_version(flows_pipeline(r->flows));
}

/* Whether a change of vm2's link makes a new version of the rules, which shows it, then. */
static bool set_link(struct flows_rig *r, bool link)
{
	uint64_t before = version_of(r);
	unsigned n = r->n_ports[2];

	dummy_set_link(r->ports[1], link);
	UNTIL(&r->rig, r->n_ports[2] == n + 1);
	if (version_of(r) != before)
		assert_int_equal(pipeline_port(flows_pipeline(r->flows), 2)->live, link);
	return version_of(r) != before;
}

/* How many new versions a link makes that goes down and up again. */
static unsigned flap(struct flows_rig *r)
{
	unsigned n = set_link(r, false);

	return n + set_link(r, true);
}

static enum of_error mod_group(struct flows_rig *r, enum group_command command, const char *text)
{
	struct error err = { "" };
	struct group *group;
	uint32_t bucket;

	assert_int_equal(group_parse(&group, &bucket, text, &err), 0);
	return flows_group_mod(r->flows, command, group->id, group, bucket, &err);
}

/* Links that nobody watches make no new version, for whose sake all plans would go. */
static void test_links_that_nobody_watches(void **state)
{
	struct flows_rig *r = *state;
	uint64_t version;

	assert_int_equal(pipeline_n_ports(flows_pipeline(r->flows)), 3);
	assert_int_equal(flap(r), 0);
	/* others are watched */
	assert_int_equal(
		mod_group(r, GROUP_ADD, "group_id=1,type=ff,bucket=watch_port:3,actions=output:3"),
		0);
	change_rules(r, FLOW_ADD, "in_port=1,actions=bundle(eth_src,0,hrw,ofport,members:1,3)");
	assert_int_equal(flap(r), 0);
	/* what OpenFlow knows nothing of */
	version = version_of(r);
	rig_set(&r->rig, "vm1", "mtu", "1400");
	assert_int_equal(version_of(r), version);
}

/* As long as somebody watches one, each change of its link makes a version. */
static void test_links_that_are_watched(void **state)
{
	struct flows_rig *r = *state;
	char refused[] = "in_port=1,actions=drop\nin_port=2,actions=group:9";
	struct error err = { "" };

	change_rules(r, FLOW_ADD,
		     "in_port=1,actions=clone(bundle(eth_src,0,active_backup,ofport,members:2,3))");
	assert_int_equal(flap(r), 2);
	assert_int_not_equal(flows_change(r->flows, FLOW_ADD, refused, &err), 0);
	assert_int_equal(flap(r), 2);
	assert_int_equal(mod_group(r, GROUP_ADD,
				   "group_id=1,type=select,bucket=watch_port:2,actions=output:2"),
			 0);
	change_rules(r, FLOW_DELETE, "in_port=1");
	assert_int_equal(flap(r), 2);
	assert_int_equal(mod_group(r, GROUP_MODIFY,
				   "group_id=1,type=ff,"
				   "bucket=watch_port:2,actions=output:2"),
			 0);
	assert_int_equal(flap(r), 2);
	assert_int_equal(mod_group(r, GROUP_MODIFY,
				   "group_id=1,type=ff,"
				   "bucket=watch_port:3,actions=output:3"),
			 0);
	assert_int_equal(flap(r), 0);
}

/* So does a bucket that sends to whatever port is live. */
static void test_links_of_bundles_in_buckets(void **state)
{
	struct flows_rig *r = *state;

	assert_int_equal(mod_group(r, GROUP_ADD,
				   "group_id=1,type=indirect,bucket=actions="
				   "clone(bundle(eth_src,0,active_backup,ofport,members:2,3))"),
			 0);
	assert_int_equal(flap(r), 2);
	assert_int_equal(
		mod_group(r, GROUP_MODIFY, "group_id=1,type=indirect,bucket=actions=output:2"), 0);
	assert_int_equal(flap(r), 0);
	/* however often it asks for a port, and whoever else does */
	assert_int_equal(mod_group(r, GROUP_ADD,
				   "group_id=2,type=indirect,"
				   "bucket=actions=bundle(eth_src,0,hrw,ofport,members:2)"),
			 0);
	assert_int_equal(mod_group(r, GROUP_ADD,
				   "group_id=3,type=all,"
				   "bucket=actions=bundle(eth_src,0,hrw,ofport,members:2,2,3),"
				   "bucket=actions=bundle(eth_src,0,hrw,ofport,members:3,2)"),
			 0);
	assert_int_equal(mod_group(r, GROUP_DELETE, "group_id=3"), 0);
	assert_int_equal(flap(r), 2);
	assert_int_equal(mod_group(r, GROUP_DELETE, "group_id=2"), 0);
	assert_int_equal(flap(r), 0);
}

/* Who begins to watch knows what has happened before. */
static void test_links_when_somebody_watches(void **state)
{
	static const char rule[] = "in_port=1,actions=bundle(eth_src,0,active_backup,ofport,"
				   "members:2,3)";
	struct flows_rig *r = *state;

	dummy_set_link(r->ports[1], false);
	UNTIL(&r->rig, r->n_ports[2] == 1);
	change_rules(r, FLOW_ADD, rule);
	assert_false(pipeline_port(flows_pipeline(r->flows), 2)->live);
	send_packets(r, 0, 1, 53);
	UNTIL(&r->rig, take_packets(r, 2) == 1);
	change_rules(r, FLOW_DELETE, "in_port=1");
	dummy_set_link(r->ports[1], true);
	UNTIL(&r->rig, r->n_ports[2] == 2);
	assert_int_equal(mod_group(r, GROUP_ADD,
				   "group_id=1,type=ff,bucket=watch_port:2,actions=output:2,"
				   "bucket=watch_port:3,actions=output:3"),
			 0);
	assert_true(pipeline_port(flows_pipeline(r->flows), 2)->live);
	change_rules(r, FLOW_ADD, "in_port=1,actions=group:1");
	send_packets(r, 0, 1, 53);
	UNTIL(&r->rig, take_packets(r, 1) == 1);
}

/* A packet that a controller sends asks for itself. */
static void test_links_for_packet_out(void **state)
{
	static const uint8_t frame[64] = { 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x88, 0xb5 };
	struct flows_rig *r = *state;
	struct action_list actions = { 0 };
	struct error err = { "" };

	assert_int_equal(actions_parse(&actions,
				       "clone(bundle(eth_src,0,active_backup,ofport,members:2,3))",
				       false, &err),
			 0);
	dummy_set_link(r->ports[1], false);
	UNTIL(&r->rig, r->n_ports[2] == 1);
	assert_int_equal(
		flows_packet_out(r->flows, OFPORT_CONTROLLER, &actions, frame, sizeof(frame), &err),
		0);
	UNTIL(&r->rig, take_packets(r, 2) == 1);
	dummy_set_link(r->ports[1], true);
	UNTIL(&r->rig, r->n_ports[2] == 2);
	assert_int_equal(
		flows_packet_out(r->flows, OFPORT_CONTROLLER, &actions, frame, sizeof(frame), &err),
		0);
	UNTIL(&r->rig, take_packets(r, 1) == 1);
	actions_free(&actions);
}

static void test_config(void **state)
{
	struct flows_rig *r = *state;
	struct error err = { "" };

	assert_int_equal(flows_port_mod(r->flows, 9, 1, 1, &err), OFERR_PORT_BAD_PORT);
	assert_int_equal(flows_port_mod(r->flows, 2, 1 << 4, 1 << 4, &err), 0);
	expect_ports(r, "1:vm1 2:vm2(no-flood) 3:vm3 ");
	assert_true(pipeline_port(flows_pipeline(r->flows), 2)->no_flood);
	assert_int_equal(r->n_ports[2], 1);
	assert_int_equal(flows_port_mod(r->flows, 2, 1, 1, &err), 0);
	assert_true(pipeline_port(flows_pipeline(r->flows), 2)->no_receive);
	assert_true(pipeline_port(flows_pipeline(r->flows), 2)->no_flood);
	assert_int_equal(flows_port_mod(r->flows, 2, 0, ~0u, &err), 0);
	assert_false(pipeline_port(flows_pipeline(r->flows), 2)->no_receive);
	expect_ports(r, "1:vm1 2:vm2 3:vm3 ");
}

/* NORMAL goes by what controllers have set, too. */
static void test_normal_goes_by_flags(void **state)
{
	static const uint32_t flags[] = { 1, 1 << 4, 1 << 5 };
	struct flows_rig *r = *state;
	struct error err = { "" };

	for (unsigned i = 0; i <= ARRAY_SIZE(flags); i++) {
		if (i < ARRAY_SIZE(flags))
			assert_int_equal(flows_port_mod(r->flows, 2, flags[i], flags[i], &err), 0);
		send_packets(r, 0, 4, 53); /* to an address that nobody has */
		await_packets(r, "vm1", 4 * (i + 1));
		UNTIL(&r->rig, rig_counter(&r->rig, "vm3", "tx_packets") == 4 * (i + 1));
		if (i < ARRAY_SIZE(flags))
			assert_int_equal(rig_counter(&r->rig, "vm2", "tx_packets"), 0);
		else
			UNTIL(&r->rig, rig_counter(&r->rig, "vm2", "tx_packets") == 4);
		assert_int_equal(flows_port_mod(r->flows, 2, 0, ~0u, &err), 0);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, flows_setup, flows_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_numbers),
		TEST(test_taken_ids),
		TEST(test_links_that_nobody_watches),
		TEST(test_links_that_are_watched),
		TEST(test_links_of_bundles_in_buckets),
		TEST(test_links_when_somebody_watches),
		TEST(test_links_for_packet_out),
		TEST(test_config),
		TEST(test_normal_goes_by_flags),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
