// SPDX-License-Identifier: Apache-2.0
/* A thread goes first for a moment, and those that it makes do not. Where that is not allowed
 * nothing changes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/hurry.h"

/* Of this thread, by the kernel: the library remembers what it has set itself. */
static int policy(void)
{
	return sched_getscheduler(0) & ~SCHED_RESET_ON_FORK;
}

static void *tell_policy(void *arg)
{
	*(int *)arg = policy();
	return NULL;
}

static void test_goes_first(void **state)
{
	int before = policy(), other = -1;
	struct hurry h = { 0 };
	pthread_t thread;

	hurry_end(&h, pthread_self()); /* it was in none */
	assert_int_equal(policy(), before);
	hurry_begin(&h, pthread_self());
	hurry_begin(&h, pthread_self());
	assert_int_equal(policy(), h.on ? SCHED_FIFO : before);
	assert_int_equal(pthread_create(&thread, NULL, tell_policy, &other), 0);
	pthread_join(thread, NULL);
	assert_int_equal(other, before);
	hurry_end(&h, pthread_self());
	assert_false(h.on);
	assert_int_equal(policy(), before);
}

/* By another process; here this one plays it. */
static void test_is_lent(void **state)
{
	struct sched_param usual = { .sched_priority = 0 };
	struct hurry h = { 0 };
	int before = policy();

	hurry_take_back(gettid()); /* it was in none */
	assert_int_equal(policy(), before);
	hurry_lend(gettid());
	if (policy() == before)
		return; /* not allowed here */
	assert_int_equal(policy(), SCHED_FIFO);
	hurry_take_back(gettid());
	assert_int_equal(policy(), SCHED_OTHER);
	hurry_lend(gettid());
	hurry_begin(&h, pthread_self()); /* it is its own now */
	assert_int_equal(policy(), SCHED_FIFO);
	hurry_end(&h, pthread_self());
	assert_int_equal(policy(), SCHED_OTHER);
	/* as an administrator has it */
	assert_int_equal(sched_setscheduler(0, SCHED_BATCH, &usual), 0);
	hurry_lend(gettid());
	assert_int_equal(policy(), SCHED_BATCH);
	hurry_take_back(gettid());
	assert_int_equal(policy(), SCHED_BATCH);
	assert_int_equal(sched_setscheduler(0, SCHED_OTHER, &usual), 0);
	hurry_lend(1 << 30); /* nobody */
	hurry_take_back(1 << 30);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_goes_first),
		cmocka_unit_test(test_is_lent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
