// SPDX-License-Identifier: Apache-2.0
/* From a configuration to a running switch: the difference is applied and nothing else is touched.
 */
#include <errno.h>

#include "base/log.h"
#include "switch/config.h"
#include "switch_rig.h"

static int setup(void **state)
{
	static struct rig rig;

	log_set_level("switch", "error", NULL);
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

static json_t *parse(const char *text)
{
	struct error err = { "" };
	json_t *config = config_parse(text, strlen(text), &err);

	if (!config)
		fail_msg("%s", err.text);
	return config;
}

/* Applies the text of a configuration and waits until it is in force. */
static int apply(struct rig *rig, const char *text, struct error *err)
{
	json_t *config = parse(text);
	int r = switch_config_apply(rig->sw, config, err);

	json_decref(config);
	if (r < 0)
		return r;
	rig_settle(rig);
	return switch_config_result(rig->sw, err);
}

static void must_apply(struct rig *rig, const char *text)
{
	struct error err = { "" };

	if (apply(rig, text, &err) != 0)
		fail_msg("%s", err.text);
}

static const char everything[] = "bridge add br0 mac-aging-time 100\n"
				 "bridge add lab mac-table-size 64\n"
				 "port add a type dummy mtu 2000 tag 10\n"
				 "port add b type dummy bridge lab queues 2\n"
				 "port add p type patch peer q\n"
				 "port add q type patch peer p bridge lab\n"
				 "mac add 02:00:00:00:00:0A port a vlan 10\n"
				 "mac add 02:00:00:00:00:0b port b\n"
				 "worker set port b queue 1 worker 1\n"
				 "worker set poll always\n"
				 "worker set rebalance off\n";

static void expect_config(struct rig *rig, const char *text)
{
	json_t *config = switch_config(rig->sw);
	char *is = config_format(config);

	assert_non_null(is);
	assert_string_equal(is, text);
	free(is);
	json_decref(config);
}

/* What a configuration becomes is that configuration, as text and as data. */
static void test_round_trip(void **state)
{
	struct rig *rig = *state;
	json_t *config, *again;
	struct error err;
	char *text;

	must_apply(rig, everything);
	config = switch_config(rig->sw);
	text = config_format(config);
	assert_non_null(text);
	assert_int_equal(switch_config_check(config, &err), 0);
	must_apply(rig, text);
	expect_config(rig, text);
	/* straight, numbers as numbers */
	assert_int_equal(switch_config_apply(rig->sw, config, &err), 0);
	rig_settle(rig);
	assert_int_equal(switch_config_result(rig->sw, &err), 0);
	expect_config(rig, text);
	again = switch_config(rig->sw);
	assert_true(json_equal(config, again));
	json_decref(again);
	json_decref(config);
	free(text);
}

/* Ports that stay the same are the same, with their counters and what was learned on them. */
static void test_leaves_alone_what_is_the_same(void **state)
{
	struct rig *rig = *state;
	struct port *a, *b;
	uint64_t rx;

	must_apply(rig, everything);
	a = rig_find(rig, "a")->port;
	b = rig_find(rig, "b")->port;
	rig_announce(rig, "b", MAC(2));
	rig_announce(rig, "a", MAC(1));
	rx = rig_counter(rig, "a", "rx_packets");
	assert_true(rx > 0);
	must_apply(rig, everything);
	assert_ptr_equal(rig_find(rig, "a")->port, a);
	assert_ptr_equal(rig_find(rig, "b")->port, b);
	assert_int_equal(rig_counter(rig, "a", "rx_packets"), rx);
	assert_int_equal(mac_table_lookup(rig_find(rig, "a")->bridge->macs, MAC(1), 10),
			 rig_find(rig, "a")->id);
	assert_int_equal(mac_table_lookup(rig_find(rig, "b")->bridge->macs, MAC(2), 0),
			 rig_find(rig, "b")->id);
	assert_true(rig_find(rig, "b")->pinned[1]);
	assert_true(datapath_poll_always(rig->sw->dp));
}

/* A settable option is set, a fixed one makes the port anew, what is not there goes. */
static void test_applies_the_difference(void **state)
{
	struct rig *rig = *state;
	struct sw_port *a, *b;
	struct port *a_port;
	uint32_t b_serial;

	must_apply(rig, everything);
	a = rig_find(rig, "a");
	a_port = a->port;
	b = rig_find(rig, "b");
	b_serial = b->serial;
	must_apply(rig, "bridge add lab mac-table-size 64\n"
			"port add a type dummy mtu 3000\n"
			"port add b type dummy bridge lab keep off\n"
			"port add c type dummy\n");
	assert_ptr_equal(rig_find(rig, "a"), a);
	assert_ptr_equal(a->port, a_port);
	assert_int_equal(a->port->mtu, 3000);
	assert_int_equal(a->settings.tag, 0); /* set back */
	assert_int_not_equal(rig_find(rig, "b")->serial, b_serial);
	assert_int_equal(rig_find(rig, "b")->port->n_rxqs, 1);
	assert_false(rig_find(rig, "b")->pinned[1]);
	assert_false(datapath_poll_always(rig->sw->dp));
	assert_null(switch_find_port(rig->sw, "p"));
	assert_null(switch_find_port(rig->sw, "q"));
	assert_non_null(switch_find_port(rig->sw, "c"));
	assert_int_equal(mac_table_count(switch_find_bridge(rig->sw, "br0")->macs, MAC_NO_PORT), 0);
	assert_int_equal(mac_table_count(switch_find_bridge(rig->sw, "lab")->macs, MAC_NO_PORT), 0);
	assert_int_equal(switch_find_bridge(rig->sw, "br0")->aging, MAC_AGING_DEFAULT);
	/* to another bridge, to another kind, and bridges go */
	must_apply(rig, "port add a type dummy bridge br1\nbridge add br1\n"
			"port add b type patch peer c\nport add c type patch peer b\n");
	assert_string_equal(rig_find(rig, "a")->bridge->name, "br1");
	assert_string_equal(rig_find(rig, "b")->port->ops->kind, "patch");
	assert_null(switch_find_bridge(rig->sw, "lab"));
	must_apply(rig, "");
	assert_null(rig->sw->ports);
	assert_non_null(switch_find_bridge(rig->sw, "br0")); /* stays */
	assert_null(rig->sw->bridges->next);
}

/* What was there goes before what is new comes: a name is free for another kind, and a socket or a
 * device would be. */
static void test_removes_first(void **state)
{
	struct rig *rig = *state;
	struct error err;
	json_t *config;

	must_apply(rig, "port add a type dummy\n");
	config = parse("port add a type patch peer b\nport add b type patch peer a\n");
	assert_int_equal(switch_config_apply(rig->sw, config, &err), 0);
	json_decref(config);
	/* nothing is added while the old one is let go of */
	assert_false(switch_settled(rig->sw));
	assert_true(rig_find(rig, "a")->removing);
	assert_null(switch_find_port(rig->sw, "b"));
	rig_settle(rig);
	assert_string_equal(rig_find(rig, "a")->port->ops->kind, "patch");
	assert_non_null(switch_find_port(rig->sw, "b"));
}

/* A second one before the first is through: the second holds. */
static void test_applies_the_last(void **state)
{
	struct rig *rig = *state;
	struct error err;
	json_t *config;

	must_apply(rig, "port add a type dummy\n");
	config = parse("port add b type dummy\n");
	assert_int_equal(switch_config_apply(rig->sw, config, &err), 0);
	json_decref(config);
	assert_false(switch_settled(rig->sw));
	must_apply(rig, "port add c type dummy\n");
	assert_null(switch_find_port(rig->sw, "a"));
	assert_null(switch_find_port(rig->sw, "b"));
	assert_non_null(switch_find_port(rig->sw, "c"));
	/* and one that is never through */
	config = parse("port add d type dummy\n");
	assert_int_equal(switch_config_apply(rig->sw, config, &err), 0);
	json_decref(config);
	assert_false(switch_settled(rig->sw));
}

/* A configuration that cannot be right changes nothing. */
static void test_checks_first(void **state)
{
	static const struct {
		const char *text, *why;
	} wrong[] = {
		{ "bridge add br1 mac-aging-time 5\n", "bridge br1: option \"mac-aging-time\"" },
		{ "bridge add br1 color red\n", "unknown option \"color\"" },
		{ "port add b type dumy\n", "port b: no kind of port \"dumy\"" },
		{ "port add b mtu 1500\n", "port b: a port needs a type" },
		{ "port add b type dummy bridge br5\n", "no bridge \"br5\" in the configuration" },
		{ "port add b type dummy tag 5000\n", "port b: option \"tag\"" },
		{ "port add b type dummy tag 5 vlan-mode trunk\n", "a trunk has no tag" },
		{ "port add b type vhost-user\n", "option \"path\" is missing" },
		{ "port add b type pcap file x fd 3\n", "fd" },
		{ "mac add 02:00:00:00:00:01 port c\n", "mac: no port \"c\" in the configuration" },
		{ "mac add 02:00:00:00:00:01\n", "mac: on which port?" },
		{ "mac add nonsense port a\n", "mac: option \"mac\"" },
		{ "worker set port c queue 0 worker 0\n", "worker: no port \"c\"" },
		{ "worker set port a queue 0 worker x\n", "is no worker" },
		{ "worker set port a queue 128 worker 0\n", "option \"queue\"" },
		{ "worker set poll sometimes\n", "option \"poll\"" },
	};
	struct rig *rig = *state;

	must_apply(rig, "port add a type dummy\n");
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct error err = { "" };
		char text[256];

		/* were it applied, "old" would go and "a" be set */
		snprintf(text, sizeof(text), "port add a type dummy mtu 3000\n%s", wrong[i].text);
		if (apply(rig, text, &err) >= 0 || !strstr(err.text, wrong[i].why))
			fail_msg("%s: \"%s\"", wrong[i].text, err.text);
		assert_int_equal(rig_find(rig, "a")->settings.mtu, 1500);
	}
}

/* What fails later is told, and the rest is done all the same. */
static void test_tells_what_failed(void **state)
{
	struct error err = { "" };
	struct rig *rig = *state;

	assert_true(apply(rig,
			  "port add a type dummy\n"
			  "port add bad type vhost-user path /proc/nowhere/x.sock\n"
			  "port add c type dummy\n"
			  "worker set port a queue 0 worker 63\n"
			  "mac add 02:00:00:00:00:01 port c\n",
			  &err) < 0);
	assert_non_null(strstr(err.text, "bad: "));
	assert_non_null(strstr(err.text, "/proc/nowhere/x.sock"));
	assert_non_null(switch_find_port(rig->sw, "a"));
	assert_non_null(switch_find_port(rig->sw, "c"));
	assert_null(switch_find_port(rig->sw, "bad"));
	assert_int_equal(mac_table_count(switch_find_bridge(rig->sw, "br0")->macs, MAC_NO_PORT), 1);
	/* the table of a bridge with ports cannot be made anew */
	assert_int_equal(apply(rig,
			       "bridge add br0 mac-table-size 32\nport add a type dummy\n"
			       "port add d type dummy\n",
			       &err),
			 -EBUSY);
	assert_non_null(strstr(err.text, "br0: mac-table-size cannot be changed"));
	assert_non_null(switch_find_port(rig->sw, "d"));
	/* the next one starts afresh */
	must_apply(rig, "port add a type dummy\n");
}

/* Static addresses that stay are never gone, not even for a moment. */
static void test_keeps_static_addresses(void **state)
{
	struct rig *rig = *state;
	struct port *a, *b, *c;

	must_apply(rig, "port add a type dummy\nport add b type dummy\nport add c type dummy\n"
			"mac add 02:00:00:00:00:02 port b\n");
	a = rig_find(rig, "a")->port;
	b = rig_find(rig, "b")->port;
	c = rig_find(rig, "c")->port;
	for (unsigned i = 0; i < 50; i++) {
		for (unsigned k = 0; k < 20; k++)
			rig_send(rig, a, MAC(2), MAC(1), i);
		must_apply(rig,
			   i % 2 ? "port add a type dummy\nport add b type dummy\n"
				   "port add c type dummy\nmac add 02:00:00:00:00:02 port b\n"
				   "mac add 02:00:00:00:00:03 port a\n"
				 : "port add a type dummy\nport add b type dummy\n"
				   "port add c type dummy\nmac add 02:00:00:00:00:02 port b\n");
	}
	for (unsigned i = 0; i < 50 * 20; i++)
		rig_expect(rig, b);
	assert_null(dummy_sent_peek(c, 0)); /* nothing was flooded */
	must_apply(rig, "port add a type dummy\nport add b type dummy\nport add c type dummy\n"
			"mac add 02:00:00:00:00:02 port c\n");
	assert_int_equal(mac_table_lookup(rig_find(rig, "a")->bridge->macs, MAC(2), 0),
			 rig_find(rig, "c")->id);
	assert_int_equal(mac_table_count(rig_find(rig, "a")->bridge->macs, rig_find(rig, "a")->id),
			 1); /* what was learned */
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_round_trip),
		TEST(test_leaves_alone_what_is_the_same),
		TEST(test_applies_the_difference),
		TEST(test_removes_first),
		TEST(test_applies_the_last),
		TEST(test_checks_first),
		TEST(test_tells_what_failed),
		TEST(test_keeps_static_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
