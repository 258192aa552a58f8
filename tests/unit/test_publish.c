// SPDX-License-Identifier: Apache-2.0
/* Views of a running switch: settings, queues by worker, patch ports, what is held or gone. */
#include <errno.h>

#include "datapath/worker.h"
#include "flow/normal.h"
#include "switch_rig.h"

/* What workers follow now. */
static const struct view *view_of(struct rig *rig)
{
	/* first member of struct datapath, which nobody else should know */
	return ((const struct worker_shared *)(const void *)rig->sw->dp)->view;
}

static const struct view_port *port_of(struct rig *rig, const char *name)
{
	const struct view_port *v = view_of(rig)->ports[rig_find(rig, name)->id];

	assert_non_null(v);
	assert_ptr_equal(v->port, rig_find(rig, name)->port);
	assert_int_equal(v->serial, rig_find(rig, name)->serial);
	return v;
}

static int setup(void **state)
{
	static struct rig rig;

	rig_open(&rig, 3);
	rig_add_bridge(&rig, "br0");
	*state = &rig;
	return 0;
}

static int teardown(void **state)
{
	rig_close(*state);
	return 0;
}

static void test_settings(void **state)
{
	struct rig *rig = *state;
	const struct view_port *v;

	rig_add(rig, "plain", NULL);
	rig_add(rig, "full",
		J("{s:i, s:i, s:s, s:s, s:s, s:s, s:i, s:i, s:i}", "mtu", 9000, "tag", 7,
		  "vlan-mode", "native-tagged", "trunks", "0,20-22,4094", "protected", "on",
		  "allowed-macs", "02:00:00:00:00:01,02:00:00:00:00:02,02:00:00:00:00:03",
		  "mac-limit", 5, "broadcast-limit", 1000, "unknown-limit", 10));
	rig_add(rig, "access", J("{s:i}", "tag", 4094));
	v = port_of(rig, "plain");
	assert_false(v->access || v->native_tagged || v->is_protected || v->held || v->patch);
	assert_true(v->link && !v->tag && !v->trunks && !v->n_macs);
	assert_int_equal(v->mac_limit, MAC_TABLE_SIZE_DEFAULT / 2);
	assert_true(v->mtu == 1500 && !v->broadcast_limit.interval_ns);
	v = port_of(rig, "full");
	assert_true(!v->access && v->native_tagged && v->is_protected && v->tag == 7);
	assert_true(v->mtu == 9000 && v->mac_limit == 5 && v->n_macs == 3 && v->macs[2] == MAC(3));
	assert_true(v->broadcast_limit.interval_ns == NSEC_PER_MSEC &&
		    v->unknown_limit.interval_ns == 100 * NSEC_PER_MSEC);
	for (unsigned vid = 0; vid < 4096; vid++)
		assert_int_equal(v->trunks[vid / 64] >> (vid % 64) & 1,
				 vid == 0 || (vid >= 20 && vid <= 22) || vid == 4094);
	v = port_of(rig, "access");
	assert_true(v->access && v->tag == 4094);
	assert_int_equal(view_of(rig)->n_workers, 3);
}

/* Every queue has one home, and by_home finds it. */
static void check_queues(struct rig *rig, const struct view_port *v)
{
	const struct sw_port *p = rig_find(rig, v->port->name);
	const struct view *view = view_of(rig);
	unsigned n = 0, n_rxqs = 0;

	assert_int_equal(v->n_txqs, v->port->n_txqs);
	for (unsigned w = 0; w < view->n_workers; w++) {
		unsigned n_home = 0;

		for (unsigned q = 0; q < v->n_txqs; q++)
			n_home += p->home[v->port->txqs[q]->index] == w;
		assert_int_equal(v->by_home[w].first, n_home ? n : 0);
		assert_int_equal(v->by_home[w].n, n_home ? n_home : v->n_txqs);
		for (unsigned q = 0; q < n_home; q++, n++) {
			assert_int_equal(p->home[v->txqs[n].q->index], w);
		}
		for (unsigned q = 0; q < view->workers[w].n_rxqs; q++) {
			const struct view_rxq *rxq = &view->workers[w].rxqs[q];

			if (rxq->port != v->id)
				continue;
			n_rxqs++;
			assert_int_equal(rxq->home, p->home[rxq->q->index]);
			assert_ptr_equal(rxq->q->port, v->port);
			assert_int_equal(p->worker[rxq->q->index], w);
			assert_true(view->workers[w].homes >> rxq->home & 1);
		}
		assert_true(view->workers[w].homes >> w & 1);
	}
	assert_int_equal(n, v->n_txqs);
	assert_int_equal(n_rxqs, v->held ? 0 : v->port->n_rxqs);
}

/* A port steers when some worker has a choice, and by_pair finds each queue. */
static void check_steering(struct rig *rig, const struct view_port *v)
{
	bool choice = false;

	for (unsigned w = 0; w < view_of(rig)->n_workers; w++)
		choice |= v->by_home[w].n > 1;
	assert_int_equal(v->steer != NULL, choice);
	for (unsigned q = 0; choice && q < PORT_QUEUES_MAX; q++) {
		if (q < v->n_txqs)
			assert_int_equal(v->txqs[v->by_pair[q]].q->index, q);
		else
			assert_int_equal(v->by_pair[q], VIEW_NO_TXQ);
	}
}

static void test_queues(void **state)
{
	struct rig *rig = *state;
	char name[8];

	for (unsigned i = 1; i <= 12; i++) {
		snprintf(name, sizeof(name), "p%u", i);
		rig_add(rig, name, J("{s:i}", "queues", i));
	}
	for (unsigned i = 1; i <= 12; i++) {
		snprintf(name, sizeof(name), "p%u", i);
		check_queues(rig, port_of(rig, name));
		check_steering(rig, port_of(rig, name));
		/* no other queue, or one for each worker: nothing to choose */
		assert_int_equal(port_of(rig, name)->steer != NULL, i != 1 && i != 3);
	}
	rig_move(rig, "p7", 3, 0);
	rig_move(rig, "p7", 4, 0);
	for (unsigned w = 0; w < 3; w++) /* nobody receives while queues move */
		assert_int_equal(view_of(rig)->workers[w].n_rxqs, 0);
	rig_settle(rig);
	check_queues(rig, port_of(rig, "p7"));
	check_steering(rig, port_of(rig, "p7"));
	assert_int_equal(rig_find(rig, "p7")->worker[3], 0);
	assert_int_equal(rig_find(rig, "p7")->worker[4], 0);
}

/* Whether the queues of a port at these homes are shared, and no others. */
static bool shares(struct rig *rig, const char *name, uint64_t homes)
{
	const struct view_port *v = port_of(rig, name);
	const struct sw_port *p = rig_find(rig, name);

	for (unsigned q = 0; q < v->n_txqs; q++)
		if (v->txqs[q].shared != (homes >> p->home[v->txqs[q].q->index] & 1))
			return false;
	return true;
}

/* A queue is shared as long as it may have several users, and some time before and after. */
static void test_shares(void **state)
{
	struct rig *rig = *state;

	rig_add(rig, "three", J("{s:i}", "queues", 3));
	assert_true(shares(rig, "three", 0)); /* at once: nobody has ever used them */
	rig_add(rig, "one", NULL);
	rig_add(rig, "two", J("{s:i}", "queues", 2));
	assert_true(shares(rig, "one", 7) && shares(rig, "two", 7) && shares(rig, "three", 0));
	rig_set(rig, "two", "queues", "3");
	UNTIL(rig, port_of(rig, "two")->n_txqs == 3 && shares(rig, "two", 0));
	rig_set(rig, "two", "queues", "2");
	UNTIL(rig, port_of(rig, "two")->n_txqs == 2);
	assert_true(shares(rig, "two", 7) && shares(rig, "three", 0));
	/* a pair goes: packets from it are sent to the queues of its home, by another worker */
	rig_announce(rig, "one", MAC(1));
	assert_int_equal(rig_find(rig, "one")->home[0], 0);
	rig_move(rig, "one", 0, 2);
	assert_true(shares(rig, "three", 7)); /* before it does */
	rig_settle(rig);
	assert_int_equal(rig_find(rig, "one")->home[0], 0);
	UNTIL(rig, shares(rig, "three", 1 << 0));
	rig_move(rig, "one", 0, 1);
	rig_settle(rig);
	UNTIL(rig, shares(rig, "three", 1 << 0));
	/* the port is idle: it becomes at home there */
	switch_balance(rig->sw);
	switch_balance(rig->sw);
	rig_settle(rig);
	assert_int_equal(rig_find(rig, "one")->home[0], 1);
	UNTIL(rig, shares(rig, "three", 0));
	/* or goes away */
	rig_announce(rig, "one", MAC(1));
	rig_move(rig, "one", 0, 0);
	rig_settle(rig);
	UNTIL(rig, shares(rig, "three", 1 << 1));
	rig_del(rig, "one");
	assert_true(shares(rig, "three", 1 << 1)); /* a worker may still be at it */
	rig_settle(rig);
	UNTIL(rig, shares(rig, "three", 0));
}

static void test_held(void **state)
{
	struct rig *rig = *state;

	rig_add(rig, "a", NULL);
	rig_add(rig, "b", NULL);
	rig_set(rig, "a", "queues", "5");
	assert_true(port_of(rig, "a")->held);
	assert_int_equal(port_of(rig, "a")->n_txqs, 1); /* still the old ones */
	check_queues(rig, port_of(rig, "a"));
	assert_false(port_of(rig, "b")->held);
	check_queues(rig, port_of(rig, "b"));
	UNTIL(rig, !port_of(rig, "a")->held);
	assert_int_equal(port_of(rig, "a")->n_txqs, 5);
	check_queues(rig, port_of(rig, "a"));
}

static const struct view_bridge *bridge_of(struct rig *rig, const char *port)
{
	return port_of(rig, port)->bridge;
}

static void test_bridges(void **state)
{
	struct rig *rig = *state;
	uint32_t id;

	rig_add_bridge(rig, "br1");
	rig_add(rig, "a", NULL);
	rig_add(rig, "b", J("{s:s}", "bridge", "br1"));
	rig_add(rig, "c", NULL);
	assert_ptr_equal(bridge_of(rig, "a"), bridge_of(rig, "c"));
	assert_ptr_not_equal(bridge_of(rig, "a"), bridge_of(rig, "b"));
	assert_int_equal(bridge_of(rig, "a")->n_ports, 2);
	assert_int_equal(bridge_of(rig, "b")->n_ports, 1);
	assert_ptr_equal(bridge_of(rig, "a")->macs, switch_find_bridge(rig->sw, "br0")->macs);
	/* one that is going is shown no more, at once */
	id = rig_find(rig, "a")->id;
	rig_del(rig, "a");
	assert_null(view_of(rig)->ports[id]);
	assert_int_equal(bridge_of(rig, "c")->n_ports, 1);
	rig_settle(rig);
	rig_del(rig, "b");
	rig_del(rig, "c");
	rig_settle(rig);
	assert_int_equal(view_of(rig)->n_ports, 0);
}

static void add_patch(struct rig *rig, const char *name, const char *peer, const char *bridge)
{
	rig_do(rig, switch_port_add,
	       J("{s:s, s:s, s:s, s:s}", "name", name, "type", "patch", "peer", peer, "bridge",
		 bridge));
}

/* Two ends that name each other are joined; everything else is a loose end. */
static void test_patches(void **state)
{
	struct rig *rig = *state;

	rig_add_bridge(rig, "br1");
	rig_add(rig, "x", NULL);
	add_patch(rig, "a", "b", "br0");
	assert_true(port_of(rig, "a")->patch);
	assert_int_equal(port_of(rig, "a")->patch_peer, 0);
	assert_false(port_of(rig, "a")->link);
	add_patch(rig, "b", "a", "br1");
	assert_int_equal(port_of(rig, "a")->patch_peer, rig_find(rig, "b")->id);
	assert_int_equal(port_of(rig, "b")->patch_peer, rig_find(rig, "a")->id);
	assert_true(port_of(rig, "a")->link && rig_find(rig, "b")->port->link);
	rig_set(rig, "b", "peer", "x"); /* no patch port */
	assert_int_equal(port_of(rig, "a")->patch_peer, 0);
	assert_int_equal(port_of(rig, "b")->patch_peer, 0);
	assert_false(rig_find(rig, "b")->port->link);
	add_patch(rig, "c", "a", "br1"); /* names one that names another */
	assert_int_equal(port_of(rig, "c")->patch_peer, 0);
	rig_refuse(rig, switch_port_set, J("{s:s, s:s}", "name", "b", "peer", "b"), -EINVAL,
		   "its own peer");
	rig_set(rig, "a", "peer", "c");
	assert_int_equal(port_of(rig, "a")->patch_peer, rig_find(rig, "c")->id);
	rig_del(rig, "c");
	assert_int_equal(port_of(rig, "a")->patch_peer, 0);
	assert_false(port_of(rig, "a")->link);
	rig_settle(rig);
}

/* A packet's way over a patch port between bridges, in a running switch. */
static void test_patch_carries(void **state)
{
	struct rig *rig = *state;
	struct port *x, *y;

	rig_add_bridge(rig, "br1");
	x = rig_add(rig, "x", NULL);
	y = rig_add(rig, "y", J("{s:s}", "bridge", "br1"));
	add_patch(rig, "a", "b", "br0");
	add_patch(rig, "b", "a", "br1");
	rig_send(rig, x, BROADCAST, MAC(1), 5);
	assert_int_equal(rig_expect(rig, y), 5);
	rig_send(rig, y, MAC(1), MAC(2), 6);
	assert_int_equal(rig_expect(rig, x), 6);
	UNTIL(rig,
	      rig_counter(rig, "a", "tx_packets") == 1 && rig_counter(rig, "a", "rx_packets") == 1);
	rig_del(rig, "b");
	rig_send(rig, x, BROADCAST, MAC(1), 7);
	UNTIL(rig, rig_counter(rig, "a", "tx_link_down") == 1);
	rig_settle(rig);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_settings), TEST(test_queues),	 TEST(test_shares),	   TEST(test_held),
		TEST(test_bridges),  TEST(test_patches), TEST(test_patch_carries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
