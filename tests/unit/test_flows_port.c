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

/* A version shows which ports are live, whether or not some rule asks: packets that controllers
 * send may. */
static void test_live(void **state)
{
	struct flows_rig *r = *state;
	uint64_t version;

	assert_int_equal(pipeline_n_ports(flows_pipeline(r->flows)), 3);
	assert_true(pipeline_port(flows_pipeline(r->flows), 2)->live);
	dummy_set_link(r->ports[1], false);
	UNTIL(&r->rig, r->n_ports[2] == 1);
	assert_false(pipeline_port(flows_pipeline(r->flows), 2)->live);
	dummy_set_link(r->ports[1], true);
	UNTIL(&r->rig, r->n_ports[2] == 2);
	assert_true(pipeline_port(flows_pipeline(r->flows), 2)->live);
	/* what OpenFlow knows nothing of */
	version = pipeline_version(flows_pipeline(r->flows));
	rig_set(&r->rig, "vm1", "mtu", "1400");
	assert_int_equal(pipeline_version(flows_pipeline(r->flows)), version);
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
		TEST(test_live),
		TEST(test_config),
		TEST(test_normal_goes_by_flags),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
