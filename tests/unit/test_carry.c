// SPDX-License-Identifier: Apache-2.0
/* What goes with a guest from one port to another: counters that go on, addresses within the limits
 * of the new port, VLANs that are only compared. What is wrong changes nothing.
 */
#include <errno.h>

#include "base/log.h"
#include "switch/saved_port.h"
#include "switch_rig.h"

struct state {
	uint8_t *bytes;
	size_t n;
};

static int setup(void **state)
{
	static struct rig rig;

	rig_open(&rig, 2);
	rig_add_bridge(&rig, "br0");
	*state = &rig;
	return 0;
}

static int teardown(void **state)
{
	rig_close(*state);
	return 0;
}

static struct state save(struct rig *rig, const char *name)
{
	struct error err = { "" };
	struct state s;

	assert_int_equal(switch_port_save(rig_find(rig, name)->port, &s.bytes, &s.n, &err), 0);
	return s;
}

static void load(struct rig *rig, const char *name, struct state s)
{
	struct error err = { "" };

	if (switch_port_load(rig_find(rig, name)->port, s.bytes, s.n, &err) != 0)
		fail_msg("%s", err.text);
	free(s.bytes);
}

/* A state with these addresses. */
static void load_macs(struct rig *rig, const char *name, const struct saved_vlans *vlans,
		      const struct saved_mac *macs, unsigned n)
{
	struct saved_port port = { .n_macs = n, .macs = (struct saved_mac *)macs };
	struct state s;

	if (vlans) {
		port.has_vlans = true;
		port.vlans = *vlans;
	}
	assert_int_equal(saved_port_encode(&port, &s.bytes, &s.n), 0);
	load(rig, name, s);
}

static uint32_t where(struct rig *rig, mac_t mac, uint16_t vid)
{
	return mac_table_lookup(switch_find_bridge(rig->sw, "br0")->macs, mac, vid);
}

static uint32_t id(struct rig *rig, const char *name)
{
	return rig_find(rig, name)->id;
}

/* A guest that was talked to on "old" goes on on "new". */
static void test_goes_on(void **state)
{
	struct rig *rig = *state;
	struct port *old = rig_add(rig, "old", NULL), *peer = rig_add(rig, "peer", NULL);
	struct port *new;
	struct state s;

	rig_announce(rig, "old", MAC(1));
	rig_announce(rig, "peer", MAC(2));
	for (unsigned i = 0; i < 10; i++) {
		rig_send(rig, peer, MAC(1), MAC(2), i);
		rig_send(rig, old, MAC(2), MAC(1), i);
	}
	UNTIL(rig, rig_counter(rig, "old", "rx_packets") == 11);
	UNTIL(rig, rig_counter(rig, "peer", "rx_packets") == 11);
	rig_turned();
	UNTIL(rig, rig_counter(rig, "old", "tx_packets") >= 10);
	s = save(rig, "old");
	rig_del(rig, "old");
	rig_settle(rig);
	new = rig_add(rig, "new", NULL);
	rig_drain(peer);
	load(rig, "new", s);
	assert_int_equal(where(rig, MAC(1), 0), id(rig, "new"));
	assert_int_equal(rig_counter(rig, "new", "rx_packets"), 11);
	assert_in_range(rig_counter(rig, "new", "tx_packets"), 10, 11);
	/* it is found without having said a word, and counting goes on */
	rig_send(rig, peer, MAC(1), MAC(2), 77);
	assert_int_equal(rig_expect(rig, new), 77);
	rig_send(rig, new, MAC(2), MAC(1), 78);
	UNTIL(rig, rig_counter(rig, "new", "rx_packets") == 12);
	assert_in_range(rig_counter(rig, "new", "tx_packets"), 11, 12);
	/* and so on, to a third one */
	rig_add(rig, "third", NULL);
	s = save(rig, "new");
	load(rig, "third", s);
	assert_int_equal(rig_counter(rig, "third", "rx_packets"), 12);
	/* the same again, as after a migration that was given up, adds nothing */
	load(rig, "third", save(rig, "new"));
	assert_int_equal(rig_counter(rig, "third", "rx_packets"), 12);
}

/* The port's limits hold for what comes so, too. */
static void test_limits(void **state)
{
	static const struct saved_mac macs[] = {
		{ MAC(1), 0, 0 }, { MAC(2), 0, 5 }, { MAC(3), 0, 5 }, { MAC(4), 0, 1000 }
	};
	struct rig *rig = *state;

	rig_add(rig, "a", J("{s:i}", "mac-limit", 2));
	rig_add(rig, "b", J("{s:s}", "allowed-macs", "02:00:00:00:00:02"));
	rig_add(rig, "c", NULL);
	rig_do(rig, switch_mac_add, J("{s:s, s:s}", "mac", "02:00:00:00:00:01", "port", "c"));

	load_macs(rig, "a", NULL, macs, 4);
	assert_int_equal(where(rig, MAC(1), 0), id(rig, "c")); /* the administrator's word */
	assert_int_equal(where(rig, MAC(2), 0), id(rig, "a"));
	assert_int_equal(where(rig, MAC(3), 0), id(rig, "a"));
	assert_int_equal(where(rig, MAC(4), 0), MAC_NO_PORT); /* too old */
	load_macs(rig, "b", NULL, macs, 4);
	assert_int_equal(where(rig, MAC(2), 0), id(rig, "b"));
	assert_int_equal(where(rig, MAC(3), 0), id(rig, "a"));
	rig_set(rig, "a", "mac-limit", "1");
	load_macs(rig, "a", NULL, macs, 4);
	assert_int_equal(where(rig, MAC(2), 0), id(rig, "b"));
}

/* Static addresses are this switch's configuration, and do not travel. */
static void test_static_stays(void **state)
{
	struct rig *rig = *state;

	rig_add(rig, "a", NULL);
	rig_add(rig, "b", NULL);
	rig_do(rig, switch_mac_add, J("{s:s, s:s}", "mac", "02:00:00:00:00:01", "port", "a"));
	rig_announce(rig, "a", MAC(2));
	load(rig, "b", save(rig, "a"));
	assert_int_equal(where(rig, MAC(1), 0), id(rig, "a"));
	assert_int_equal(where(rig, MAC(2), 0), id(rig, "b"));
	assert_int_equal(mac_table_count(rig_find(rig, "b")->bridge->macs, id(rig, "b")), 1);
}

/* Which VLANs a port carries is up to its own configuration. */
static void test_vlans(void **state)
{
	static const struct saved_vlans access = { .access = true, .tag = 10 },
					trunk = { .tag = 5 };
	static const struct saved_mac in_access[] = { { MAC(1), 10, 0 } };
	static const struct saved_mac in_trunk[] = {
		{ MAC(2), 5, 0 }, { MAC(3), 30, 0 }, { MAC(4), 31, 0 }, { MAC(5), 0, 0 }
	};
	struct rig *rig = *state;

	rig_add(rig, "access", J("{s:i}", "tag", 20));
	rig_add(rig, "trunk", J("{s:s}", "trunks", "10,30"));
	load_macs(rig, "access", &access, in_access, 1);
	assert_int_equal(where(rig, MAC(1), 20), id(rig, "access"));
	assert_int_equal(where(rig, MAC(1), 10), MAC_NO_PORT);
	load_macs(rig, "access", NULL, in_access, 1); /* in which VLAN it sends is not known */
	assert_int_equal(where(rig, MAC(1), 10), MAC_NO_PORT);
	load_macs(rig, "access", &trunk, in_trunk, 4);
	assert_int_equal(where(rig, MAC(2), 20), id(rig, "access"));
	assert_int_equal(where(rig, MAC(3), 30), MAC_NO_PORT);
	load_macs(rig, "trunk", &trunk, in_trunk, 4);
	assert_int_equal(where(rig, MAC(3), 30), id(rig, "trunk"));
	assert_int_equal(where(rig, MAC(4), 31), MAC_NO_PORT);
	assert_int_equal(where(rig, MAC(5), 0), MAC_NO_PORT);
	assert_int_equal(where(rig, MAC(2), 20), id(rig, "access"));
	assert_int_equal(where(rig, MAC(2), 0), MAC_NO_PORT);
	assert_int_equal(rig_find(rig, "access")->settings.tag, 20);
}

/* Addresses that have come age as others do. */
static void test_ages(void **state)
{
	static const struct saved_mac macs[] = { { MAC(1), 0, 298 }, { MAC(2), 0, 0 } };
	struct rig *rig = *state;

	rig_add(rig, "a", NULL);
	load_macs(rig, "a", NULL, macs, 2);
	assert_int_equal(where(rig, MAC(1), 0), id(rig, "a"));
	assert_int_equal(mac_table_age(rig_find(rig, "a")->bridge->macs,
				       (uint32_t)(clock_ns() / NSEC_PER_SEC) + 20, 300),
			 1);
	assert_int_equal(where(rig, MAC(1), 0), MAC_NO_PORT);
	assert_int_equal(where(rig, MAC(2), 0), id(rig, "a"));
}

/* A state that is cut off anywhere changes nothing. */
static void test_wrong(void **state)
{
	struct rig *rig = *state;
	struct error err;
	struct state s;

	rig_add(rig, "a", NULL);
	rig_add(rig, "b", NULL);
	rig_announce(rig, "a", MAC(1));
	s = save(rig, "a");
	for (size_t n = 0; n < s.n; n++) {
		err.text[0] = '\0';
		assert_int_equal(switch_port_load(rig_find(rig, "b")->port, s.bytes, n, &err),
				 -EINVAL);
		assert_true(err.text[0]);
	}
	assert_int_equal(where(rig, MAC(1), 0), id(rig, "a"));
	assert_int_equal(rig_counter(rig, "b", "rx_packets"), 0);
	load(rig, "b", s);
	assert_int_equal(rig_counter(rig, "b", "rx_packets"), 1);
}

#define CARRY_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CARRY_TEST(test_goes_on), CARRY_TEST(test_limits), CARRY_TEST(test_static_stays),
		CARRY_TEST(test_vlans),	  CARRY_TEST(test_ages),   CARRY_TEST(test_wrong),
	};

	log_set_level("all", "error", NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
