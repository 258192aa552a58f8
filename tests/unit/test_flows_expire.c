// SPDX-License-Identifier: Apache-2.0
/* Timeouts: what is in use stays, what is not goes, in any order. */
#include "switch/flows_private.h"

#include "flows_rig.h"

static void test_hard(void **state)
{
	struct flows_rig *r = *state;
	uint64_t start = clock_ns();
	bool in_time;

	change_rules(r, FLOW_ADD, "send_flow_rem,hard_timeout=1,in_port=1,actions=output:2");
	send_packets(r, 0, 3, 53);
	UNTIL(&r->rig, rig_counter(&r->rig, "vm1", "rx_packets") == 3);
	rig_turned();
	in_time = clock_ns() - start < NSEC_PER_SEC - 100 * NSEC_PER_MSEC;
	UNTIL(&r->rig, r->n_removed == 1);
	/* both ends are whole milliseconds of another clock */
	assert_true(clock_ns() - start >= NSEC_PER_SEC - 2 * NSEC_PER_MSEC);
	assert_int_equal(r->why, REMOVED_HARD);
	if (in_time) /* this machine had time for it */
		assert_int_equal(r->removed_packets, 3);
	expect_rules(r, "0 0  -> NORMAL\n");
}

/* Packets that only plans count keep it alive. */
static void test_idle(void **state)
{
	struct flows_rig *r = *state;
	uint64_t start = clock_ns(), end = start + 2500 * NSEC_PER_MSEC, last = start;
	uint64_t sent = 0, longest = 0;

	change_rules(r, FLOW_ADD, "send_flow_rem,idle_timeout=1,in_port=1,actions=output:2");
	while (clock_ns() < end) {
		if (clock_ns() - last > 100 * NSEC_PER_MSEC) {
			send_packets(r, 0, 1, 53);
			sent++;
			UNTIL(&r->rig, take_packets(r, 1));
			longest = max(longest, clock_ns() - last);
			last = clock_ns();
		}
		rig_run(&r->rig);
		usleep(1000);
	}
	longest = max(longest, clock_ns() - last);
	if (longest > NSEC_PER_SEC - 100 * NSEC_PER_MSEC)
		return; /* this machine had no time for it */
	assert_int_equal(r->n_removed, 0);
	UNTIL(&r->rig, r->n_removed == 1);
	assert_int_equal(r->why, REMOVED_IDLE);
	assert_int_equal(r->removed_packets, sent);
}

/* A rule that was in use is not idle because its counts begin anew. */
static void test_idle_behind_reset(void **state)
{
	struct flows_rig *r = *state;
	const struct flows_rule *owner;
	struct rule *rule;

	change_rules(r, FLOW_ADD, "idle_timeout=5,in_port=1,actions=output:2");
	find_rule(r, "in_port=1")->created_ms -= 60000;
	send_packets(r, 0, 1, 53);
	await_packets(r, "vm1", 1);
	assert_int_equal(
		mod_rules(r, FLOW_MODIFY, 6, "in_port=1,actions=output:3", RULE_RESET_COUNTS), 0);
	rule = find_rule(r, "in_port=1");
	owner = rule->owner;
	assert_int_equal(tally_read(rule->tally).packets, 0);
	assert_true(owner->due_ms >= rule->modified_ms + 4990);
}

static void test_many(void **state)
{
	struct flows_rig *r = *state;

	for (unsigned i = 0; i < 500; i++) {
		char text[128];

		snprintf(text, sizeof(text),
			 "send_flow_rem,hard_timeout=%u,priority=%u,in_port=1,actions=output:2",
			 i % 2 ? 1 : 100 + i * 7 % 13, i + 1);
		change_rules(r, FLOW_ADD, text);
	}
	for (unsigned i = 0; i < 500; i += 4) {
		char text[64];

		snprintf(text, sizeof(text), "priority=%u,in_port=1", i + 1);
		change_rules(r, FLOW_DELETE_STRICT, text);
	}
	UNTIL(&r->rig, r->n_removed == 125 + 250);
	assert_int_equal(pipeline_n_rules(flows_pipeline(r->flows), 255), 126);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, flows_setup, flows_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_hard),
		TEST(test_idle),
		TEST(test_idle_behind_reset),
		TEST(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
