// SPDX-License-Identifier: Apache-2.0
/* How long the keeper waits for the program that takes over. */
#include "base/clock.h"
#include "keeper/private.h"
#include "keeper_peer.h"

/* When the timer of upgrades is over, in microseconds; 0: it does not run. */
static int64_t end_of(const struct keeper *k)
{
	struct timeval end;

	if (!event_pending(k->upgrade_timer, EV_TIMEOUT, &end))
		return 0;
	return end.tv_sec * 1000000ll + end.tv_usec;
}

static void say_busy(struct keeper *k)
{
	struct keeper_packet p;

	keeper_packet_init(&p, KEEPER_BUSY, 0, 0);
	keeper_switch_ops.packet(&k->now, &p);
}

/* Who says that he has much to do before he leaves, or before he serves, has more time for it, but
 * not without an end; a process that serves gives none to a program that is being started. */
static void test_waits_for_who_is_busy(void **state)
{
	static const struct timeval soon = { .tv_usec = 1000 };
	struct keeper k = { .now = { .pid = 1, .exe_fd = -1 } };
	int64_t before;

	k.now.keeper = &k;
	k.base = event_base_new();
	k.upgrade_timer = evtimer_new(k.base, keeper_upgrade_late, &k);
	say_busy(&k);
	assert_int_equal(end_of(&k), 0); /* there is no upgrade */
	k.step_ns = clock_ns();
	event_add(k.upgrade_timer, &soon);
	before = end_of(&k);
	k.ready = true;
	keeper_now_is_busy(&k);
	assert_int_equal(end_of(&k), before);
	k.leaving = true;
	say_busy(&k);
	assert_true(end_of(&k) > before + 1000000);
	event_add(k.upgrade_timer, &soon);
	k.leaving = k.ready = false;
	say_busy(&k);
	assert_true(end_of(&k) > before + 1000000);
	event_add(k.upgrade_timer, &soon);
	before = end_of(&k);
	k.step_ns -= 61 * NSEC_PER_SEC;
	say_busy(&k);
	assert_int_equal(end_of(&k), before);
	event_free(k.upgrade_timer);
	event_base_free(k.base);
}

/* Who was told to leave has to, in time, also when nobody is there any more to take its place. */
static void test_next_dies(void **state)
{
	static const struct timeval soon = { .tv_usec = 1000 };
	struct keeper k = { .now = { .exe_fd = -1 }, .next = { .exe_fd = -1 } };

	k.base = event_base_new();
	k.upgrade_timer = evtimer_new(k.base, keeper_upgrade_late, &k);
	event_add(k.upgrade_timer, &soon);
	k.leaving = true;
	keeper_end_upgrade(&k, -ENOEXEC, "a test");
	assert_true(end_of(&k) > 0);
	k.leaving = false;
	keeper_end_upgrade(&k, 0, NULL);
	assert_int_equal(end_of(&k), 0);
	event_free(k.upgrade_timer);
	event_base_free(k.base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_waits_for_who_is_busy),
		cmocka_unit_test(test_next_dies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
