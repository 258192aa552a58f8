// SPDX-License-Identifier: Apache-2.0
/* While the control thread is long about what has settled: a rule that is in use, and who looks
 * whether the thread goes on. */
#include "switch/flows_private.h"

#include "fake_clock.h"
#include "flows_rig.h"

/* Workers see it, too, before another packet comes. */
static void pass(unsigned ms)
{
	__atomic_fetch_add(&fake_ns, ms * NSEC_PER_MSEC, __ATOMIC_RELAXED);
	rig_turned();
}

/* Time goes by between the end of counting and the look at what is due, and packets come. */
static void on_late(void *arg)
{
	struct flows_rig *r = arg;

	pass(2000);
	send_packets(r, 0, 1, 53);
	while (rig_counter(&r->rig, "vm1", "rx_packets") < 3)
		usleep(50);
	rig_turned();
}

/* Has @fn, and behind it the look at what is due, called when the same settling is over. */
static void look_behind(struct flows_rig *r, void (*fn)(void *arg))
{
	struct flows *flows = r->flows;
	static struct after held;

	assert_null(flows->settling);
	flows->settling = &held;
	flows_settle(flows, fn, r);
	event_active(flows->timer, EV_TIMEOUT, 1);
	UNTIL(&r->rig, flows->expiring);
	flows->settling = NULL;
	count_rules(r);
}

static void test_idle_behind_others(void **state)
{
	struct flows_rig *r = *state;

	change_rules(r, FLOW_ADD, "send_flow_rem,idle_timeout=1,in_port=1,actions=output:2");
	send_packets(r, 0, 1, 53);
	await_packets(r, "vm1", 1);
	pass(500);
	send_packets(r, 0, 1, 53);
	await_packets(r, "vm1", 2);
	pass(750); /* to be looked at; it was used 750 ms ago */
	look_behind(r, on_late);
	assert_int_equal(r->n_removed, 0);
	await_packets(r, "vm1", 3);
	assert_int_equal(r->n_removed, 0);
	pass(2000);
	UNTIL(&r->rig, r->n_removed == 1);
	assert_int_equal(r->why, REMOVED_IDLE);
	assert_int_equal(r->removed_packets, 3);
}

static unsigned n_busy, n_long;

static void on_busy(struct keep *keep)
{
	n_busy++;
}

/* Like an answer about all rules. */
static void on_long(void *arg)
{
	pass(2);
	n_long++;
}

/* Behind each that is long it says that it goes on, also in a turn that has to do many. */
static void test_says_that_it_goes_on(void **state)
{
	struct flows_rig *r = *state;
	static struct keep keep = { .busy = on_busy };

	count_rules(r);
	r->rig.sw->env.keep = &keep;
	n_busy = n_long = 0;
	for (unsigned i = 0; i < 20; i++)
		flows_settle(r->flows, on_long, NULL);
	while (n_long < 2) /* the first has been alone */
		event_base_loop(r->rig.base, EVLOOP_NONBLOCK | EVLOOP_ONCE);
	for (unsigned i = 0; i < 20; i++)
		flows_settle(r->flows, on_long, NULL);
	while (n_long == 2)
		event_base_loop(r->rig.base, EVLOOP_NONBLOCK | EVLOOP_ONCE);
	assert_int_equal(n_long, 20);
	assert_int_equal(n_busy, 20);
	UNTIL(&r->rig, n_long == 40);
	r->rig.sw->env.keep = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_idle_behind_others, flows_setup,
						flows_teardown),
		cmocka_unit_test_setup_teardown(test_says_that_it_goes_on, flows_setup,
						flows_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
