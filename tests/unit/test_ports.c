// SPDX-License-Identifier: Apache-2.0
/* Ports of a running switch: what adding and setting refuse, what asks the switch for what, and
 * that ports come, change and go under traffic without anybody else noticing.
 */
#include <errno.h>
#include <sys/resource.h>

#include "fake_keep.h"
#include "packet/build.h"
#include "scale.h"
#include "switch_rig.h"

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

static void test_add_refuses(void **state)
{
	char name[PORT_NAME_MAX + 2];
	struct rig *rig = *state;

	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = 0;
	rig_refuse(rig, switch_port_add, J("{s:s}", "type", "dummy"), -EINVAL, "needs a name");
	rig_refuse(rig, switch_port_add, J("{s:i, s:s}", "name", 1, "type", "dummy"), -EINVAL,
		   "needs a name");
	rig_refuse(rig, switch_port_add, J("{s:s, s:s}", "name", name, "type", "dummy"), -EINVAL,
		   "at most 63");
	rig_refuse(rig, switch_port_add, J("{s:s}", "name", "a"), -EINVAL,
		   "needs a type: vhost-user, tap, pcap, patch or dummy");
	rig_refuse(rig, switch_port_add, J("{s:s, s:s}", "name", "a", "type", "vhostuser"), -EINVAL,
		   "did you mean \"vhost-user\"?");
	rig_refuse(rig, switch_port_add, J("{s:s, s:s}", "name", "a", "type", "vhost-user"),
		   -EINVAL, "option \"path\" is missing");
	rig_refuse(rig, switch_port_add,
		   J("{s:s, s:s, s:s}", "name", "a", "type", "dummy", "tga", "7"), -EINVAL,
		   "did you mean \"tag\"?");
	rig_refuse(rig, switch_port_add,
		   J("{s:s, s:s, s:s}", "name", "a", "type", "dummy", "bridge", "br7"), -ENOENT,
		   "no bridge \"br7\"");
	rig_refuse(rig, switch_port_add,
		   J("{s:s, s:s, s:s}", "name", "a", "type", "dummy", "mtu", "67"), -EINVAL,
		   "from 68 to 65535");
	rig_add(rig, "a", NULL);
	rig_refuse(rig, switch_port_add, J("{s:s, s:s}", "name", "a", "type", "dummy"), -EEXIST,
		   "there is a port \"a\" already");
	rig_del(rig, "a");
	rig_refuse(rig, switch_port_add, J("{s:s, s:s}", "name", "a", "type", "dummy"), -EBUSY,
		   "still being removed");
	rig_settle(rig);
	assert_null(rig->sw->ports);
}

static const char *option_of(struct rig *rig, const char *port, const char *name)
{
	static char text[1100];

	option_text(json_object_get(rig_find(rig, port)->options, name), text, sizeof(text));
	return text;
}

static void test_set(void **state)
{
	struct rig *rig = *state;
	struct port *a = rig_add(rig, "a", J("{s:s}", "mtu", "9000"));

	assert_int_equal(a->mtu, 9000);
	rig_do(rig, switch_port_set,
	       J("{s:s, s:s, s:s, s:s}", "name", "a", "tag", "10", "mtu", "2000", "allowed-macs",
		 "02:00:00:00:00:0A,02:00:00:00:00:0b"));
	assert_int_equal(a->mtu, 2000);
	assert_string_equal(option_of(rig, "a", "allowed-macs"),
			    "02:00:00:00:00:0a,02:00:00:00:00:0b");
	assert_int_equal(rig_find(rig, "a")->settings.n_macs, 2);
	assert_true(rig_find(rig, "a")->settings.access);
	/* what contradicts itself changes nothing */
	rig_refuse(rig, switch_port_set,
		   J("{s:s, s:s, s:i}", "name", "a", "trunks", "1", "mtu", 70), -EINVAL,
		   "access port has no trunks");
	assert_int_equal(a->mtu, 2000);
	assert_string_equal(option_of(rig, "a", "trunks"), "");
	rig_refuse(rig, switch_port_set, J("{s:s, s:s}", "name", "a", "type", "tap"), -EINVAL,
		   "cannot be changed");
	rig_refuse(rig, switch_port_set, J("{s:s, s:s}", "name", "a", "type", "default"), -EINVAL,
		   "cannot be changed");
	rig_refuse(rig, switch_port_set, J("{s:s, s:s}", "name", "a", "bridge", "default"), -EINVAL,
		   "cannot be changed");
	rig_refuse(rig, switch_port_set, J("{s:s, s:s}", "name", "a", "mtuu", "default"), -EINVAL,
		   "did you mean \"mtu\"?");
	rig_refuse(rig, switch_port_set, J("{s:s, s:s}", "name", "b", "mtu", "1500"), -ENOENT,
		   "no port \"b\"");
	rig_refuse(rig, switch_port_set, J("{s:s}", "mtu", "1500"), -EINVAL, "give its name");
	rig_do(rig, switch_port_set,
	       J("{s:s, s:s, s:s, s:s}", "name", "a", "tag", "default", "mtu", "default",
		 "allowed-macs", "default"));
	assert_int_equal(a->mtu, 1500);
	assert_int_equal(rig_find(rig, "a")->settings.n_macs, 0);
	assert_false(rig_find(rig, "a")->settings.access);
	assert_string_equal(option_of(rig, "a", "tag"), "");
	rig_del(rig, "a");
	rig_refuse(rig, switch_port_set, J("{s:s, s:s}", "name", "a", "mtu", "1500"), -ENOENT,
		   "no port");
	rig_settle(rig);
}

/* Settings take effect on traffic. */
static void test_settings_act(void **state)
{
	struct rig *rig = *state;
	struct port *a = rig_add(rig, "a", NULL), *b = rig_add(rig, "b", NULL);

	rig_announce(rig, "a", MAC(1));
	rig_announce(rig, "b", MAC(2));
	rig_expect(rig, a);
	rig_expect(rig, b);
	rig_send(rig, a, MAC(2), MAC(1), 1);
	assert_int_equal(rig_expect(rig, b), 1);
	rig_set(rig, "a", "allowed-macs", "02:00:00:00:00:09");
	rig_send(rig, a, MAC(2), MAC(1), 2);
	UNTIL(rig, rig_counter(rig, "a", "source_mac") == 1);
	rig_send(rig, a, MAC(2), MAC(9), 3);
	assert_int_equal(rig_expect(rig, b), 3);
	rig_set(rig, "a", "allowed-macs", "default");
	rig_set(rig, "a", "protected", "on");
	rig_set(rig, "b", "protected", "on");
	rig_send(rig, a, MAC(2), MAC(1), 4);
	UNTIL(rig, rig_counter(rig, "a", "no_output") == 1);
	rig_set(rig, "b", "protected", "off");
	rig_send(rig, a, MAC(2), MAC(1), 5);
	assert_int_equal(rig_expect(rig, b), 5);
	rig_set(rig, "a", "broadcast-limit", "1");
	for (unsigned i = 0; i < 20; i++)
		rig_send(rig, a, BROADCAST, MAC(1), 6);
	UNTIL(rig, rig_counter(rig, "a", "broadcast_limit") + rig_counter(rig, "b", "tx_packets") ==
			   20 + 4);
	assert_true(rig_counter(rig, "a", "broadcast_limit") >= 15);
	dummy_set_link(b, false);
	assert_int_equal(rig_counter(rig, "b", "link"), 0);
	dummy_set_link(b, true);
	assert_int_equal(rig_counter(rig, "a", "rx_packets"),
			 rig_drops(rig, "a") + rig_counter(rig, "b", "tx_packets"));
}

/* A guest that has moved here: the other ports hear a RARP from it. */
static void test_announces(void **state)
{
	struct rig *rig = *state;
	struct port *a = rig_add(rig, "a", NULL), *b = rig_add(rig, "b", NULL);
	uint8_t want[BUILD_RARP_LEN];

	rig_announce(rig, "b", MAC(7));
	rig_expect(rig, a);
	a->env->announce(a, MAC(7));
	build_rarp(want, MAC(7));
	UNTIL(rig, dummy_sent_peek(b, 0));
	assert_int_equal(dummy_sent_peek(b, 0)->len, sizeof(want));
	assert_memory_equal(dummy_sent_peek(b, 0)->bytes, want, sizeof(want));
	assert_null(dummy_sent_peek(a, 0));
	assert_int_equal(mac_table_lookup(rig_find(rig, "a")->bridge->macs, MAC(7), 0),
			 rig_find(rig, "a")->id);
	rig_del(rig, "a");
	a->env->announce(a, MAC(8)); /* too late */
	rig_settle(rig);
}

/* The kind changes its queues, again and again, while frames come in on the first. */
static void test_queues_change_under_traffic(void **state)
{
	const unsigned rounds = scaled(100);
	struct rig *rig = *state;
	struct port *a = rig_add(rig, "a", J("{s:i}", "queues", 2)), *b = rig_add(rig, "b", NULL);
	uint64_t sent = 0, received = 0, number;
	char n[8];

	rig_announce(rig, "b", MAC(2));
	rig_expect(rig, a);
	for (unsigned i = 0; i < rounds; i++) {
		snprintf(n, sizeof(n), "%u", 1 + i % 5);
		rig_set(rig, i % 2 ? "a" : "b", "queues", n);
		for (unsigned k = 0; k < 20; k++)
			rig_send(rig, a, MAC(2), MAC(1), sent++);
		if (i % 4 == 0)
			UNTIL(rig, rig_counter(rig, "a", "rx_packets") == sent);
		/* the receiver's one flow may come on any of its queues */
		for (unsigned q = 0; q < 5; q++)
			while (q < DUMMY_QUEUES_MAX && b->n_txqs && (q == 0 || i >= 8) &&
			       rig_receive(b, q, &number))
				received++;
	}
	UNTIL(rig, ({
		      for (unsigned q = 0; q < 5; q++)
			      while (rig_receive(b, q, &number))
				      received++;
		      received == sent;
	      }));
	assert_int_equal(rig_drops(rig, "a") + rig_drops(rig, "b"), 0);
}

/* quiesce() and changed() as a kind may call them, in any order. */
static void test_env_in_any_order(void **state)
{
	struct rig *rig = *state;
	struct port *a = rig_add(rig, "a", NULL);
	struct sw_port *p = rig_find(rig, "a");

	a->env->quiesce(a);
	a->env->quiesce(a); /* one request */
	assert_true(p->changing);
	a->env->changed(a); /* something else: the request stands */
	rig_run(rig);
	UNTIL(rig, !p->asked); /* quiesced() came, upon which the kind called changed() */
	assert_false(p->changing);
	a->env->changed(a);
	rig_run(rig);
	rig_set(rig, "a", "queues", "3");
	dummy_set_link(a, false); /* before it was quiesced */
	assert_true(p->changing);
	UNTIL(rig, !p->changing);
	assert_int_equal(a->n_rxqs, 3);
	/* a removal overtakes the request, and a request comes after the removal */
	rig_set(rig, "a", "queues", "4");
	rig_del(rig, "a");
	rig_settle(rig);
	a = rig_add(rig, "a", NULL);
	rig_del(rig, "a");
	a->env->quiesce(a);
	a->env->changed(a);
	a->env->attention(a);
	rig_settle(rig);
	for (unsigned i = 0; i < 20; i++) {
		rig_run(rig);
		usleep(200);
	}
	/* the end, with a request under way */
	a = rig_add(rig, "a", NULL);
	rig_set(rig, "a", "queues", "4");
}

static void ask_again(struct port *port)
{
	port->env->quiesce(port);
}

/* A port whose kind asks for one quiesce after the other keeps nothing from others for long. */
static void test_held_again_and_again(void **state)
{
	struct rig *rig = *state;
	struct port *a = rig_add(rig, "a", NULL), *b = rig_add(rig, "b", NULL);
	struct port *c = rig_add(rig, "c", NULL);

	rig_announce(rig, "a", MAC(1));
	rig_announce(rig, "b", MAC(2));
	rig_expect(rig, b);
	rig_expect(rig, a);
	dummy_on_quiesced(a, ask_again);
	a->env->quiesce(a);
	b->env->quiesce(b);
	rig_send(rig, c, MAC(1), MAC(3), 1);
	rig_send(rig, c, MAC(2), MAC(3), 2);
	for (unsigned i = 0; i < 10000 && rig_counter(rig, "c", "rx_packets") < 2; i++)
		usleep(1000); /* the loop stands still: both ports are held while workers send */
	usleep(2000);
	assert_int_equal(rig_expect(rig, b), 2); /* it waited behind the other */
	dummy_on_quiesced(a, NULL);
	assert_int_equal(rig_expect(rig, a), 1);
	UNTIL(rig, !rig_find(rig, "a")->changing);
}

/* ---- coming and going */

struct pair {
	struct port *a, *b;
	uint64_t sent, received;
};

static void talk(struct rig *rig, struct pair *t, unsigned n)
{
	uint64_t number;

	for (unsigned i = 0; i < n; i++)
		rig_send(rig, t->a, MAC(2), MAC(1), t->sent++);
	while (rig_receive(t->b, 0, &number))
		if (number < UINT32_MAX)
			assert_int_equal(number, t->received++);
	rig_drain(t->a);
}

static struct pair start_talk(struct rig *rig)
{
	struct pair t = { .a = rig_add(rig, "a", NULL), .b = rig_add(rig, "b", NULL) };

	rig_announce(rig, "b", MAC(2));
	rig_expect(rig, t.a);
	return t;
}

static void end_talk(struct rig *rig, struct pair *t)
{
	UNTIL(rig, (talk(rig, t, 0), t->received == t->sent));
	assert_int_equal(rig_drops(rig, "a"), 0);
	assert_int_equal(rig_counter(rig, "a", "rx_packets"), t->sent);
}

static long resident_kib(void)
{
	long pages = 0, resident = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%ld %ld", &pages, &resident), 2);
	fclose(f);
	return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

/* Ports and bridges come and go, in traffic of their own, beside two that talk. */
static void test_comes_and_goes_under_traffic(void **state)
{
	const unsigned rounds = scaled(1000);
	struct rig *rig = *state;
	struct pair t = start_talk(rig);
	struct error err;
	unsigned n_fds = 0;
	long memory = 0;

	for (unsigned i = 0; i < rounds; i++) {
		bool own = i % 5 == 0;
		struct port *x;

		if (own)
			rig_add_bridge(rig, "br1");
		x = rig_add(rig, "x", own ? J("{s:s}", "bridge", "br1") : NULL);
		for (unsigned k = 0; k < 4; k++)
			rig_send(rig, x, k % 2 ? BROADCAST : MAC(2), MAC(100 + i % 50), UINT32_MAX);
		talk(rig, &t, 5);
		if (i % 3 == 0)
			rig_run(rig);
		rig_del(rig, "x");
		talk(rig, &t, 5);
		rig_settle(rig);
		if (own)
			assert_int_equal(switch_bridge_del(rig->sw, "br1", &err), 0);
		if (i == rounds / 4) {
			rcu_drain();
			n_fds = count_fds();
			memory = resident_kib();
		}
	}
	end_talk(rig, &t);
	rcu_drain();
	assert_int_equal(count_fds(), n_fds);
#if !SANITIZED
	/* queues between threads are touched bit by bit, 1 MiB each: six between the workers, four
	 * of the ports that talk */
	assert_true(resident_kib() < memory + 10 * 1024);
#endif
	(void)memory;
	assert_int_equal(switch_settled(rig->sw), true);
}

/* Whether the bridge knows the address of each of p0, p1, .., which says it again if not: a worker
 * that finds the table locked learns it only with a later frame.
 */
static bool all_known(struct rig *rig, unsigned n)
{
	bool all = true;
	char name[16];

	for (unsigned i = 0; i < n; i++) {
		struct sw_port *p;

		snprintf(name, sizeof(name), "p%u", i);
		p = rig_find(rig, name);
		if (mac_table_lookup(p->bridge->macs, MAC(1000 + i), p->settings.tag) == p->id)
			continue;
		rig_send(rig, p->port, BROADCAST, MAC(1000 + i), UINT32_MAX);
		all = false;
	}
	return all;
}

/* Many at once, all in use when they go. */
static void test_many_ports(void **state)
{
	enum { N = 300 };
	struct rig *rig = *state;
	struct pair t = start_talk(rig);
	struct sw_port *a = rig_find(rig, "a");
	char name[8];

	for (unsigned i = 0; i < N; i++) {
		snprintf(name, sizeof(name), "p%u", i);
		rig_send(rig, rig_add(rig, name, NULL), BROADCAST, MAC(1000 + i), UINT32_MAX);
		if (i % 16 == 0)
			talk(rig, &t, 1);
	}
	UNTIL(rig, all_known(rig, N));
	/* its table may have been locked */
	UNTIL(rig, (talk(rig, &t, 1), mac_table_lookup(a->bridge->macs, MAC(1), 0) == a->id));
	assert_int_equal(mac_table_count(a->bridge->macs, MAC_NO_PORT), N + 2);
	for (unsigned i = 0; i < N; i++) {
		snprintf(name, sizeof(name), "p%u", (i * 7) % N);
		rig_del(rig, name);
	}
	talk(rig, &t, 10);
	rig_settle(rig);
	assert_int_equal(mac_table_count(rig_find(rig, "a")->bridge->macs, MAC_NO_PORT), 2);
	end_talk(rig, &t);
}

/* There is a limit, and it is told. */
static void test_too_many_ports(void **state)
{
	struct rig *rig = *state;
	struct sw_port *fake = calloc(VIEW_PORTS_MAX, sizeof(*fake));

	assert_non_null(fake);
	for (uint32_t i = 1; i < VIEW_PORTS_MAX; i++) {
		fake[i].id = i;
		snprintf(fake[i].name, sizeof(fake[i].name), "f%u", i);
		fake[i].next = rig->sw->ports;
		rig->sw->ports = &fake[i];
	}
	rig_refuse(rig, switch_port_add, J("{s:s, s:s}", "name", "a", "type", "dummy"), -ENOSPC,
		   "no more than 4095 ports");
	rig->sw->ports = NULL;
	free(fake);
}

static void test_shows(void **state)
{
	struct rig *rig = *state;
	struct error err;
	json_t *list, *o;

	rig_add(rig, "vm1", J("{s:s, s:i}", "mtu", "2000", "tag", 5));
	rig_add(rig, "vm2", NULL);
	list = switch_port_show(rig->sw, NULL, &err);
	assert_int_equal(json_array_size(list), 2);
	o = json_array_get(list, 0);
	assert_string_equal(option_string(o, "name", ""), "vm1");
	assert_string_equal(option_string(o, "type", ""), "dummy");
	assert_string_equal(option_string(o, "bridge", ""), "br0");
	assert_true(option_bool(o, "link", false));
	assert_int_equal(option_uint(o, "mtu", 0), 2000);
	for (const char *const *name =
		     (const char *const[]){ "rx_packets", "tx_packets", "rx_bytes", "tx_bytes",
					    "copied_bytes", "macs", NULL };
	     *name; name++)
		assert_true(json_is_integer(json_object_get(o, *name)));
	assert_true(json_is_object(json_object_get(o, "drops")));
	assert_int_equal(option_uint(json_object_get(o, "options"), "tag", 0), 5);
	json_decref(list);
	assert_null(switch_port_show(rig->sw, "vm3", &err));
	assert_non_null(strstr(err.text, "did you mean \"vm"));
	rig_del(rig, "vm1");
	assert_null(switch_port_show(rig->sw, "vm1", &err));
	rig_settle(rig);
}

/* A switch process that goes on with what another has left. */
static void next_process(struct rig *rig, struct fake_keep *f, bool resumes)
{
	rig_open(rig, 2);
	switch_use_keeper(rig->sw, &rig->sw->sockets.maker, &f->keep, resumes);
	rig_add_bridge(rig, "br0");
	rig_add(rig, "a", NULL);
	switch_restored(rig->sw);
}

static json_int_t total(struct rig *rig, const char *object, const char *name)
{
	json_t *stats = switch_stats_show(rig->sw);
	json_int_t n = json_integer_value(json_object_get(json_object_get(stats, object), name));

	json_decref(stats);
	return n;
}

/* After a death a port has its counters, in which what waited then is lost; and when the port is
 * deleted they are in the totals, once. */
static void test_counters_outlive_process_and_port(void **state)
{
	struct view_port_state *left;
	struct port_counters *c;
	struct fake_keep f;
	struct rig rig;
	size_t len;

	fake_keep_init(&f);
	next_process(&rig, &f, false);
	switch_destroy(rig.sw);
	event_base_free(rig.base);
	left = keep_old_memory(&f.keep, "port/a", &len);
	counter_set(&left->counters[0].rx_packets, 7);
	counter_set(&left->counters[1].tx_held, 3);
	counter_set(&left->counters[1].drops[DROP_tx_held_lost], 1);
	keep_unmap(left, len);
	next_process(&rig, &f, true);
	c = rig_find(&rig, "a")->state->counters;
	assert_int_equal(counter_read(&c[0].rx_packets), 7);
	assert_int_equal(counter_read(&c[1].tx_held), 0);
	assert_int_equal(counter_read(&c[1].drops[DROP_tx_held_lost]), 4);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(total(&rig, "totals", "rx_packets"), 7);
		assert_int_equal(total(&rig, "drops", "tx_held_lost"), 4);
		if (i == 0) {
			rig_del(&rig, "a");
			rig_settle(&rig);
			rig_add(&rig, "a", NULL); /* another one */
			c = rig_find(&rig, "a")->state->counters;
			assert_int_equal(counter_read(&c[0].rx_packets), 0);
		}
	}
	switch_destroy(rig.sw);
	event_base_free(rig.base);
	rcu_drain();
	fake_keep_clear(&f);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_add_refuses),
		TEST(test_set),
		TEST(test_settings_act),
		TEST(test_announces),
		TEST(test_queues_change_under_traffic),
		TEST(test_env_in_any_order),
		TEST(test_held_again_and_again),
		TEST(test_comes_and_goes_under_traffic),
		TEST(test_many_ports),
		TEST(test_too_many_ports),
		TEST(test_shows),
		cmocka_unit_test(test_counters_outlive_process_and_port),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
