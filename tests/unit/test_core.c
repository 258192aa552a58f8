// SPDX-License-Identifier: Apache-2.0
/* The switch as a whole: start, end, attention, what it tells about itself. */
#include <errno.h>

#include "port/drop.h"
#include "switch_rig.h"

static void test_start_and_end(void **state)
{
	struct event_base *base = event_base_new();
	unsigned n_fds = count_fds();
	struct swtch *sw = NULL;
	struct error err;

	for (unsigned n = 1; n <= VIEW_WORKERS_MAX; n = n * 4) {
		assert_int_equal(switch_create(&sw, base, n, NULL, &err), 0);
		assert_true(switch_settled(sw));
		switch_destroy(sw);
	}
	assert_int_equal(switch_create(&sw, base, 2, "1-", &err), -EINVAL);
	assert_non_null(strstr(err.text, "is no list of CPUs"));
	switch_destroy(NULL);
	event_base_free(base);
	rcu_drain();
	assert_int_equal(count_fds(), n_fds - 3); /* the base's own */
}

/* The end comes at any moment. */
static void test_ends_in_the_middle(void **state)
{
	struct rig rig;

	for (unsigned i = 0; i < 20; i++) {
		struct port *a;

		rig_open(&rig, 2);
		rig_add_bridge(&rig, "br0");
		rig_add_bridge(&rig, "br1");
		a = rig_add(&rig, "a", NULL);
		rig_add(&rig, "b", J("{s:i}", "queues", 4));
		for (unsigned k = 0; k < 50; k++)
			rig_send(&rig, a, BROADCAST, MAC(k), k);
		if (i & 1)
			rig_set(&rig, "a", "queues", "3");
		if (i & 2)
			rig_move(&rig, "b", 1, 1 - rig_find(&rig, "b")->worker[1]);
		if (i & 4)
			rig_del(&rig, "b");
		if (i & 8) {
			struct error err;

			assert_int_equal(switch_bridge_del(rig.sw, "br1", &err), 0);
		}
		if (i & 16)
			rig_run(&rig);
		rig_close(&rig);
	}
}

static unsigned n_attended;
static const struct port_ops *real_ops;

static void attend(struct port *port)
{
	n_attended++;
}

/* Workers call the control thread: it comes once for many calls, and to the right port. */
static void test_attention(void **state)
{
	struct port_ops ops;
	struct port *a, *b;
	struct rig rig;

	rig_open(&rig, 1);
	rig_add_bridge(&rig, "br0");
	/* one that no worker calls */
	rig_do(&rig, switch_port_add,
	       J("{s:s, s:s, s:s}", "name", "a", "type", "patch", "peer", "x"));
	a = rig_find(&rig, "a")->port;
	b = rig_add(&rig, "b", NULL);
	real_ops = a->ops;
	ops = *real_ops;
	ops.attend = attend;
	a->ops = &ops;
	n_attended = 0;
	b->env->attention(b); /* has no attend() */
	rig_run(&rig);
	assert_int_equal(n_attended, 0);
	for (unsigned i = 0; i < 100; i++)
		a->env->attention(a);
	assert_int_equal(n_attended, 0); /* from the loop only */
	UNTIL(&rig, n_attended);
	assert_int_equal(n_attended, 1);
	a->env->attention(a);
	UNTIL(&rig, n_attended == 2);
	a->ops = real_ops;
	rig_close(&rig);
}

static uint64_t number_at(const json_t *o, const char *a, const char *b, const char *c)
{
	o = json_object_get(json_object_get(o, a), b);
	if (c)
		o = json_object_get(o, c);
	assert_true(json_is_integer(o));
	return (uint64_t)json_integer_value(o);
}

static void test_stats(void **state)
{
	struct port *a;
	struct rig rig;
	json_t *o;

	rig_open(&rig, 1);
	rig_add_bridge(&rig, "br0");
	a = rig_add(&rig, "a", J("{s:i}", "mac-limit", 1));
	rig_add(&rig, "b", NULL);
	rig_announce(&rig, "a", MAC(1));
	for (unsigned i = 0; i < 3; i++)
		rig_send(&rig, a, MAC(1), MAC(2), i);
	UNTIL(&rig, rig_counter(&rig, "a", "same_port") == 3);
	o = switch_stats_show(rig.sw);
	assert_int_equal(number_at(o, "totals", "rx_packets", NULL), 4);
	assert_int_equal(number_at(o, "totals", "rx_bytes", NULL), 4 * 64);
	assert_int_equal(number_at(o, "totals", "tx_packets", NULL), 1);
	assert_int_equal(number_at(o, "drops", "same_port", NULL), 3);
	assert_int_equal(number_at(o, "mac_tables", "br0", "entries"), 1);
	assert_int_equal(number_at(o, "mac_tables", "br0", "entries_max"), MAC_TABLE_SIZE_DEFAULT);
	assert_int_equal(number_at(o, "mac_tables", "br0", "refused"), 3);
	assert_int_equal(number_at(o, "mac_tables", "br0", "over_mac_limit"), 3);
	assert_int_equal(number_at(o, "mac_tables", "br0", "moves"), 0);
	assert_int_equal(number_at(o, "objects", "ports", NULL), 2);
	assert_int_equal(number_at(o, "objects", "ports_max", NULL), 4095);
	assert_int_equal(number_at(o, "objects", "links_up", NULL), 2);
	assert_int_equal(number_at(o, "objects", "receive_queues", NULL), 2);
	assert_int_equal(number_at(o, "limits", "ports", "now"), 2);
	assert_int_equal(number_at(o, "limits", "ports", "most"), 4095);
	assert_int_equal(number_at(o, "limits", "ports", "refused"), 0);
	assert_int_equal(number_at(o, "limits", "bridges", "now"), 1);
	assert_int_equal(number_at(o, "limits", "mac_addresses", "now"), MAC_TABLE_SIZE_DEFAULT);
	assert_int_equal(number_at(o, "limits", "waiting_bytes", "now"), 0);
	assert_int_equal(number_at(o, "limits", "waiting_bytes", "most"), 2u << 20);
	assert_int_equal(number_at(o, "limits", "guest_regions", "most"), 509);
	/* of what is bounded for each guest nobody counts how much there is */
	assert_null(json_object_get(json_object_get(json_object_get(o, "limits"), "guest_regions"),
				    "now"));
	json_decref(o);
	rig_close(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_start_and_end),
		cmocka_unit_test(test_ends_in_the_middle),
		cmocka_unit_test(test_attention),
		cmocka_unit_test(test_stats),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
