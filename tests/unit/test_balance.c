// SPDX-License-Identifier: Apache-2.0
/* Load of queues and workers, and when a queue moves because of it. What a measurement says is made
 * up here, but for the test of measuring.
 */
#include "switch_rig.h"

static int setup(void **state)
{
	static struct rig rig;

	rig_open(&rig, 3);
	rig_add_bridge(&rig, "br0");
	event_del(rig.sw->timer); /* the test says when */
	*state = &rig;
	return 0;
}

static int teardown(void **state)
{
	rig_close(*state);
	return 0;
}

/* Adds a port whose only queue takes @percent of the time of @worker. */
static void add(struct rig *rig, const char *name, unsigned worker, double percent)
{
	struct sw_port *p;

	rig_add(rig, name, NULL);
	p = rig_find(rig, name);
	switch_move_pair(p, 0, worker);
	rig_settle(rig);
	p->loads[0].percent = percent;
}

static void load(struct rig *rig, double first, double second, double third)
{
	rig->sw->loads[0].percent = first;
	rig->sw->loads[1].percent = second;
	rig->sw->loads[2].percent = third;
}

/* Rebalances and returns whether it is port @name that moves to @worker. */
static bool moves(struct rig *rig, const char *name, unsigned worker)
{
	unsigned n_moves = rig->sw->n_moves;
	const struct sw_port *p = rig_find(rig, name);
	bool is;

	switch_rebalance(rig->sw);
	is = p->target[0] == worker && p->worker[0] != worker;
	rig_settle(rig);
	return is && rig->sw->n_moves == n_moves + 1;
}

static bool nothing_moves(struct rig *rig)
{
	switch_rebalance(rig->sw);
	return switch_settled(rig->sw);
}

/* The queue and the worker that come closest to each other go together; only one queue moves. */
static void test_moves_what_helps_most(void **state)
{
	struct rig *rig = *state;

	add(rig, "big", 0, 60);
	add(rig, "small", 0, 10);
	add(rig, "fitting", 0, 25);
	add(rig, "other", 1, 60);
	load(rig, 95, 60, 50);
	assert_true(moves(rig, "fitting", 2));
	assert_int_equal(rig_find(rig, "big")->worker[0], 0);
	assert_int_equal(rig_find(rig, "small")->worker[0], 0);
	assert_string_equal(switch_pair_why(rig_find(rig, "fitting"), 0), "load");
	assert_string_equal(switch_pair_why(rig_find(rig, "big"), 0), "fewest queues");
}

static void test_leaves_alone(void **state)
{
	struct rig *rig = *state;

	add(rig, "a", 0, 95);
	add(rig, "b", 1, 20);
	/* one queue takes it all: moving it moves the problem */
	load(rig, 95, 20, 0);
	assert_true(nothing_moves(rig));
	/* there is time enough */
	rig_find(rig, "a")->loads[0].percent = 35;
	load(rig, 79, 0, 0);
	assert_true(nothing_moves(rig));
	/* all are busy, or little would change */
	load(rig, 95, 90, 90);
	assert_true(nothing_moves(rig));
	rig_find(rig, "a")->loads[0].percent = 5;
	load(rig, 95, 10, 10);
	assert_true(nothing_moves(rig));
	/* no load of its own */
	rig_find(rig, "a")->loads[0].percent = 0;
	load(rig, 95, 0, 0);
	assert_true(nothing_moves(rig));
}

static void test_respects_wishes(void **state)
{
	struct rig *rig = *state;

	add(rig, "a", 0, 45);
	add(rig, "b", 0, 40);
	load(rig, 95, 10, 10);
	rig_move(rig, "a", 0, 0);
	assert_string_equal(switch_pair_why(rig_find(rig, "a"), 0), "pinned");
	rig_do(rig, switch_worker_set, J("{s:s}", "rebalance", "off"));
	assert_true(nothing_moves(rig));
	rig_do(rig, switch_worker_set, J("{s:s}", "rebalance", "on"));
	assert_true(moves(rig, "b", 1));
	/* and what has moved for its load rests */
	load(rig, 10, 95, 10);
	assert_true(nothing_moves(rig));
	rig_find(rig, "b")->loads[0].moved_ns = clock_ns() - 61 * NSEC_PER_SEC;
	if (clock_ns() > 61 * NSEC_PER_SEC)
		assert_true(moves(rig, "b", 0));
}

/* Frames on one queue, and none on the other of the same worker. */
static void test_measures(void **state)
{
	struct rig *rig = *state;
	struct sw_port *busy, *idle;
	json_t *shown, *queue;
	uint8_t frame[64];
	size_t i;

	add(rig, "busy", 1, 0);
	add(rig, "idle", 1, 77);
	busy = rig_find(rig, "busy");
	idle = rig_find(rig, "idle");
	rig_do(rig, switch_worker_set, J("{s:s}", "rebalance", "off"));
	switch_balance(rig->sw);
	rig_frame(frame, sizeof(frame), BROADCAST, MAC(1), 1);
	UNTIL(rig, ({
		      for (unsigned n = 0; n < 500; n++)
			      dummy_inject(busy->port, 0, frame, sizeof(frame), NULL);
		      rig_drain(idle->port);
		      counter_read(&busy->port->rxqs[0]->busy_ticks) > 0;
	      }));
	rig_turned(); /* the worker's own ticks are counted behind its turn */
	switch_balance(rig->sw);
	assert_true(busy->loads[0].percent > 0 && busy->loads[0].percent <= 100);
	assert_true(rig->sw->loads[1].percent >= busy->loads[0].percent);
	assert_true(idle->loads[0].percent == 0);
	shown = switch_worker_show(rig->sw);
	json_array_foreach (json_object_get(json_array_get(shown, 1), "queues"), i, queue)
		if (!strcmp(option_string(queue, "port", ""), "busy"))
			assert_true(json_real_value(json_object_get(queue, "load_percent")) ==
				    busy->loads[0].percent);
	assert_int_equal(i, 2);
	json_decref(shown);
}

/* A queue's home follows it when its port has had no packets between two measurements. */
static void test_home_follows_when_idle(void **state)
{
	struct rig *rig = *state;
	struct sw_port *p;

	rig_add(rig, "a", NULL);
	p = rig_find(rig, "a");
	switch_move_pair(p, 0, 1); /* nothing was ever there */
	rig_settle(rig);
	assert_int_equal(p->home[0], 1);
	rig_announce(rig, "a", MAC(1));
	switch_move_pair(p, 0, 2);
	rig_settle(rig);
	assert_int_equal(p->home[0], 1);
	switch_balance(rig->sw);
	assert_int_equal(p->home[0], 1);
	rig_announce(rig, "a", MAC(1));
	switch_balance(rig->sw);
	assert_int_equal(p->home[0], 1);
	switch_balance(rig->sw);
	rig_settle(rig);
	assert_int_equal(p->home[0], 2);
}

/* An idle worker whose busy time seems to have gone back was not busy all the time. */
static void test_busy_time_that_went_back(void **state)
{
	struct rig *rig = *state;

	rig->sw->loads[1].busy_ns = UINT64_MAX / 4;
	rig->sw->loads[1].percent = 50;
	switch_balance(rig->sw);
	assert_true(rig->sw->loads[1].percent == 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_moves_what_helps_most),  TEST(test_leaves_alone),
		TEST(test_respects_wishes),	   TEST(test_measures),
		TEST(test_home_follows_when_idle), TEST(test_busy_time_that_went_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
