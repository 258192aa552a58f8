// SPDX-License-Identifier: Apache-2.0
/* A switch without packets stops looking at the clock, and begins again. */
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

/* What happens after five seconds. */
static void tick(struct rig *rig)
{
	event_active(rig->sw->timer, EV_TIMEOUT, 0);
	rig_run(rig);
}

static bool ticks(struct rig *rig)
{
	return evtimer_pending(rig->sw->timer, NULL);
}

static void test_quiet(void **state)
{
	struct rig *rig = *state;
	struct timeval when, now;
	struct port *a = rig_add(rig, "a", NULL);

	rig_add(rig, "b", NULL);
	rig_settle(rig);
	for (unsigned i = 0; i < 4; i++)
		tick(rig);
	assert_true(rig->sw->quiet);
	assert_false(ticks(rig));
	/* a packet, of a station that is to be forgotten some time */
	rig_send(rig, a, BROADCAST, MAC(1), UINT32_MAX);
	UNTIL(rig, !rig->sw->quiet && ticks(rig));
	/* again, if the worker found the table locked */
	UNTIL(rig, mac_table_count(rig_find(rig, "a")->bridge->macs, MAC_NO_PORT) == 1 ||
			   (rig_send(rig, a, BROADCAST, MAC(1), UINT32_MAX), false));
	for (unsigned i = 0; i < 4; i++)
		tick(rig);
	assert_true(rig->sw->quiet);
	assert_true(evtimer_pending(rig->sw->timer, &when));
	event_base_gettimeofday_cached(rig->base, &now);
	assert_in_range(when.tv_sec - now.tv_sec, MAC_AGING_DEFAULT - 30, MAC_AGING_DEFAULT + 1);
	/* a change */
	rig_add(rig, "c", NULL);
	UNTIL(rig, !rig->sw->quiet);
	assert_true(ticks(rig));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_quiet, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
