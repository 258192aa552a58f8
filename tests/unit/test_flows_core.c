// SPDX-License-Identifier: Apache-2.0
/* Rules of a bridge: versions, counts, and who is told of what is gone. */
#include "base/limit.h"
#include "switch/flows_private.h"

#include "flows_rig.h"

static void test_begins_with_normal(void **state)
{
	struct flows_rig *r = *state;

	expect_rules(r, "0 0  -> NORMAL\n");
	assert_string_equal(flows_bridge(r->flows), "br0");
	assert_null(switch_flows(r->rig.sw, "br1"));
}

static void test_secure_begins_with_nothing(void **state)
{
	struct flows_rig *r = *state;

	rig_do(&r->rig, switch_bridge_add, J("{s:s, s:s}", "name", "lab", "fail-mode", "secure"));
	assert_int_equal(pipeline_n_rules(flows_pipeline(switch_flows(r->rig.sw, "lab")), 255), 0);
	rig_refuse(&r->rig, switch_bridge_add, J("{s:s, s:s}", "name", "x", "fail-mode", "open"),
		   -EINVAL, "fail-mode");
}

static void test_each_change_is_a_version(void **state)
{
	struct flows_rig *r = *state;
	uint64_t before = pipeline_version(flows_pipeline(r->flows));

	change_rules(r, FLOW_ADD, "in_port=1,actions=output:2");
	assert_true(pipeline_version(flows_pipeline(r->flows)) > before);
	before = pipeline_version(flows_pipeline(r->flows));
	change_rules(r, FLOW_DELETE, "in_port=7"); /* there is none */
	assert_int_equal(pipeline_version(flows_pipeline(r->flows)), before);
}

static void test_packets_follow_and_are_counted(void **state)
{
	struct flows_rig *r = *state;
	struct tally t;

	change_rules(r, FLOW_ADD, "in_port=vm1,udp,tp_dst=53,actions=output:vm2");
	change_rules(r, FLOW_ADD, "in_port=vm1,udp,tp_dst=54,actions=output:vm3");
	send_packets(r, 0, 5, 53);
	send_packets(r, 0, 3, 54);
	await_packets(r, "vm1", 8);
	UNTIL(&r->rig, rig_counter(&r->rig, "vm2", "tx_packets") == 5);
	UNTIL(&r->rig, rig_counter(&r->rig, "vm3", "tx_packets") == 3);
	t = tally_read(find_rule(r, "in_port=vm1,udp,tp_dst=53")->tally);
	assert_int_equal(t.packets, 5);
	assert_int_equal(t.bytes, 300);
	assert_true(t.used_ms > 0);
	t = tally_read(pipeline_table(flows_pipeline(r->flows), 0)->matches);
	assert_int_equal(t.packets, 8);
}

/* What is gone is told of when its counts are final. */
static void test_removed_with_final_counts(void **state)
{
	struct flows_rig *r = *state;

	change_rules(r, FLOW_ADD, "send_flow_rem,in_port=1,actions=output:2");
	change_rules(r, FLOW_ADD, "in_port=2,actions=output:1");
	send_packets(r, 0, 100, 53);
	UNTIL(&r->rig, rig_counter(&r->rig, "vm1", "rx_packets") == 100);
	rig_turned();
	change_rules(r, FLOW_DELETE, "");
	assert_int_equal(r->n_removed, 0);
	UNTIL(&r->rig, r->n_removed == 1); /* the other rule did not ask for it */
	assert_int_equal(r->why, REMOVED_DELETE);
	assert_int_equal(r->removed_packets, 100);
	expect_rules(r, "");
}

/* Replacing is no removal, and the counts go on. */
static void test_counts_go_on(void **state)
{
	struct flows_rig *r = *state;

	change_rules(r, FLOW_ADD, "send_flow_rem,in_port=1,actions=output:2");
	send_packets(r, 0, 10, 53);
	await_packets(r, "vm1", 10);
	change_rules(r, FLOW_MODIFY, "in_port=1,actions=output:3");
	send_packets(r, 0, 10, 53);
	await_packets(r, "vm1", 20);
	assert_int_equal(tally_read(find_rule(r, "in_port=1")->tally).packets, 20);
	assert_int_equal(rig_counter(&r->rig, "vm3", "tx_packets"), 10);
	change_rules(r, FLOW_ADD, "in_port=1,actions=output:2");
	assert_int_equal(tally_read(find_rule(r, "in_port=1")->tally).packets, 20);
	change_rules(r, FLOW_ADD, "reset_counts,in_port=1,actions=output:2");
	assert_int_equal(tally_read(find_rule(r, "in_port=1")->tally).packets, 0);
	count_rules(r);
	assert_int_equal(r->n_removed, 0);
}

static void on_bridge(void *arg, struct flows *flows)
{
	strcat(arg, flows_bridge(flows));
	strcat(arg, " ");
}

static void on_gone(void *arg)
{
	*(bool *)arg = true;
}

static void test_bridges_come_and_go(void **state)
{
	struct flows_rig *r = *state;
	struct error err = { "" };
	char names[64] = "";
	bool gone = false;
	struct flows_listener l = { .arg = &gone, .gone = on_gone };

	switch_watch_bridges(r->rig.sw, on_bridge, names);
	rig_add_bridge(&r->rig, "lab");
	assert_string_equal(names, "br0 lab ");
	switch_watch_bridges(r->rig.sw, NULL, NULL);
	flows_listen(switch_flows(r->rig.sw, "lab"), &l);
	assert_int_equal(switch_bridge_del(r->rig.sw, "lab", &err), 0);
	assert_true(gone);
	assert_null(switch_flows(r->rig.sw, "lab"));
	rig_add_bridge(&r->rig, "lab2");
	assert_string_equal(names, "br0 lab ");
}

/* While packets flow, thousands of versions; none is lost, and all memory goes. */
static void test_many_versions(void **state)
{
	struct flows_rig *r = *state;
	uint64_t sent = 0;

	change_rules(r, FLOW_ADD, "priority=1,in_port=1,actions=output:2");
	for (unsigned i = 0; i < 2000; i++) {
		char text[128];

		snprintf(text, sizeof(text),
			 "priority=10,in_port=1,udp,tp_dst=%u,actions=output:%u", i % 64,
			 2 + i % 2);
		change_rules(r, i % 128 < 64 ? FLOW_ADD : FLOW_MODIFY_STRICT, text);
		if (i % 10 == 0) {
			send_packets(r, 0, 5, (uint16_t)(i % 64));
			sent += 5;
		}
		if (i % 100 == 0)
			rig_run(&r->rig);
		(void)take_packets(r, 1);
		(void)take_packets(r, 2);
	}
	await_packets(r, "vm1", sent);
	UNTIL(&r->rig, rig_counter(&r->rig, "vm2", "tx_packets") +
				       rig_counter(&r->rig, "vm3", "tx_packets") ==
			       sent);
}

static void test_table_miss_and_fragments(void **state)
{
	struct flows_rig *r = *state;
	struct error err = { "" };

	assert_int_equal(flows_set_table_miss(r->flows, FLOWS_TABLE_ALL, MISS_CONTINUE, &err), 0);
	assert_int_equal(pipeline_table(flows_pipeline(r->flows), 254)->miss, MISS_CONTINUE);
	assert_int_equal(flows_set_table_miss(r->flows, 3, MISS_DROP, &err), 0);
	assert_int_equal(pipeline_table(flows_pipeline(r->flows), 3)->miss, MISS_DROP);
	flows_set_frags(r->flows, 1);
	assert_int_equal(pipeline_frags(flows_pipeline(r->flows)), 1);
}

/* What a change takes away settles with the version that had it, at once. */
static void test_a_change_settles_as_one(void **state)
{
	struct flows_rig *r = *state;

	change_rules(r, FLOW_ADD, "in_port=1,actions=drop\nin_port=2,actions=drop");
	count_rules(r);
	change_rules(r, FLOW_DELETE, "");
	assert_non_null(r->flows->settling);
	assert_ptr_equal(r->flows->settling, container_of(r->flows->after_end, struct after, next));
}

#define MANY (3 * FLOWS_TURN) /* rules; they are more than a turn is for */

/* With @flag, like "send_flow_rem,". */
static void add_rules(struct flows_rig *r, const char *flag)
{
	for (unsigned i = 0; i < MANY; i++) {
		char text[96];

		snprintf(text, sizeof(text), "%spriority=%u,actions=drop", flag, i);
		change_rules(r, FLOW_ADD, text);
	}
}

static void add_many(struct flows_rig *r)
{
	add_rules(r, "send_flow_rem,");
}

/* One turn of the loop; rig_run() goes on as long as there is anything to do. */
static void turn(struct flows_rig *r)
{
	event_base_loop(r->rig.base, EVLOOP_NONBLOCK | EVLOOP_ONCE);
}

/* Removes all, and turns the loop until some are told of. */
static void tell_some(struct flows_rig *r)
{
	uint64_t end = clock_ns() + WAIT_NS;

	change_rules(r, FLOW_DELETE, "");
	while (!r->n_removed && clock_ns() < end)
		turn(r);
	assert_in_range(r->n_removed, 1, FLOWS_TURN);
}

/* Rules that go at once are told of in turns; who has asked for counts behind them waits. */
static void test_many_are_told_of_in_turns(void **state)
{
	struct flows_rig *r = *state;
	bool counted = false;
	unsigned before;

	add_many(r);
	tell_some(r);
	flows_settle(r->flows, rig_counted, &counted);
	while (r->n_removed < MANY) {
		before = r->n_removed;
		turn(r);
		assert_in_range(r->n_removed - before, 0, FLOWS_TURN);
		assert_false(counted);
	}
	UNTIL(&r->rig, counted);
}

static void count_one(void *arg)
{
	++*(unsigned *)arg;
}

/* Twice as many as come meanwhile, at least: what waits does not become more and more. */
static void test_turns_keep_up(void **state)
{
	struct flows_rig *r = *state;
	const unsigned n_late = FLOWS_TURN + 100;
	static unsigned n_counted;
	unsigned before;

	n_counted = 0;
	add_many(r);
	tell_some(r);
	before = r->n_removed;
	for (unsigned i = 0; i < n_late; i++)
		flows_settle(r->flows, count_one, &n_counted);
	turn(r);
	assert_in_range(r->n_removed - before, 2 * FLOWS_TURN, 2 * n_late);
	UNTIL(&r->rig, n_counted == n_late);
	assert_int_equal(r->n_removed, MANY);
}

/* However long it goes on: what comes while workers are asked has to be made good, too. */
static void test_turns_keep_up_for_long(void **state)
{
	struct flows_rig *r = *state;
	static unsigned n_counted;
	unsigned n_asked = 0;

	n_counted = 0;
	for (unsigned i = 0; i < 300; i++) {
		uint64_t end = clock_ns() + WAIT_NS;
		unsigned before = n_counted;

		for (unsigned j = 0; j < 2 * FLOWS_TURN; j++, n_asked++)
			flows_settle(r->flows, count_one, &n_counted);
		while (n_counted == before && clock_ns() < end)
			turn(r);
		assert_in_range(n_asked - n_counted, 0, 8 * FLOWS_TURN);
	}
	UNTIL(&r->rig, n_counted == n_asked);
}

/* Of all bridges, with those that are gone and not freed yet. */
static uint64_t n_rules(void)
{
	const struct limit *l = limits();

	while (l && strcmp(l->name, "flows") != 0)
		l = l->next;
	assert_non_null(l);
	return limit_now(l);
}

/* And those that nobody is told of are freed in turns. */
static void test_many_are_freed_in_turns(void **state)
{
	struct flows_rig *r = *state;
	uint64_t before, first = n_rules();

	add_rules(r, "");
	count_rules(r);
	assert_int_equal(n_rules() - first, MANY - 1); /* there was one of priority 0 */
	change_rules(r, FLOW_DELETE, "");
	while ((before = n_rules())) {
		turn(r);
		assert_in_range(before - n_rules(), 0, FLOWS_TURN);
	}
}

/* A bridge that goes meanwhile: nobody hears of the rest, who waits for counts is answered. */
static void test_a_bridge_goes_between_turns(void **state)
{
	struct flows_rig *r = *state;
	struct error err = { "" };
	bool counted = false;
	unsigned told;

	rig_add_bridge(&r->rig, "lab");
	flows_unlisten(r->flows, &r->listener);
	r->flows = switch_flows(r->rig.sw, "lab");
	flows_listen(r->flows, &r->listener);
	add_many(r);
	tell_some(r);
	flows_settle(r->flows, rig_counted, &counted);
	told = r->n_removed;
	assert_int_equal(switch_bridge_del(r->rig.sw, "lab", &err), 0);
	UNTIL(&r->rig, counted);
	assert_int_equal(r->n_removed, told);
}

/* The switch ends meanwhile: nothing is left, and nothing is freed twice. */
static void test_the_end_between_turns(void **state)
{
	struct flows_rig *r = *state;

	add_many(r);
	tell_some(r);
}

/* Whoever listens may leave when it hears of a rule. */
static void on_removed_leave(void *arg, const struct rule *rule, enum removed_reason why)
{
	struct flows_rig *r = arg;

	r->n_removed++;
	flows_unlisten(r->flows, &r->listener);
}

static void test_a_listener_leaves_between_turns(void **state)
{
	struct flows_rig *r = *state;

	add_many(r);
	r->listener.removed = on_removed_leave;
	tell_some(r);
	count_rules(r);
	assert_int_equal(r->n_removed, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, flows_setup, flows_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_begins_with_normal),
		TEST(test_secure_begins_with_nothing),
		TEST(test_each_change_is_a_version),
		TEST(test_packets_follow_and_are_counted),
		TEST(test_removed_with_final_counts),
		TEST(test_counts_go_on),
		TEST(test_bridges_come_and_go),
		TEST(test_many_versions),
		TEST(test_table_miss_and_fragments),
		TEST(test_a_change_settles_as_one),
		TEST(test_many_are_told_of_in_turns),
		TEST(test_many_are_freed_in_turns),
		TEST(test_turns_keep_up),
		TEST(test_turns_keep_up_for_long),
		TEST(test_a_bridge_goes_between_turns),
		TEST(test_the_end_between_turns),
		TEST(test_a_listener_leaves_between_turns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
