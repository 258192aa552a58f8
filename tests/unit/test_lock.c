// SPDX-License-Identifier: Apache-2.0
/* Threads that want one lock. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/lock.h"

#define N_THREADS 4
#define N_ROUNDS 20000

static struct lock lock;
static uint64_t count; /* with the lock */
static bool inside;

static void *add(void *arg)
{
	for (unsigned i = 0; i < N_ROUNDS; i++) {
		lock_take(&lock);
		if (inside)
			count += 1000000; /* cannot be: found below */
		inside = true;
		count++;
		if (i % 1000 == 0)
			usleep(100); /* long enough for all others to sleep */
		inside = false;
		lock_release(&lock);
	}
	return NULL;
}

static void test_one_at_a_time(void **state)
{
	pthread_t threads[N_THREADS];

	for (unsigned i = 0; i < N_THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, add, NULL), 0);
	for (unsigned i = 0; i < N_THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(count, N_THREADS * N_ROUNDS);
	assert_int_equal(lock.state, LOCK_FREE);
}

static void *take_and_count(void *arg)
{
	lock_take(&lock);
	count++;
	lock_release(&lock);
	return NULL;
}

/* Who waits for long sleeps, and is woken. */
static void test_sleeps(void **state)
{
	pthread_t threads[2];

	count = 0;
	lock_take(&lock);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, take_and_count, NULL), 0);
	while (__atomic_load_n(&lock.state, __ATOMIC_RELAXED) != LOCK_AWAITED)
		usleep(100);
	usleep(1000);
	assert_int_equal(count, 0);
	lock_release(&lock);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(count, 2);
	assert_int_equal(lock.state, LOCK_FREE);
}

/* Slow to wake up: shares the processor of whoever has made it, and does not take it from him. */
static void *take_slowly(void *cpus)
{
	struct sched_param none = { .sched_priority = 0 };

	assert_int_equal(sched_setaffinity(0, sizeof(cpu_set_t), cpus), 0);
	assert_int_equal(sched_setscheduler(0, SCHED_BATCH, &none), 0);
	return take_and_count(NULL);
}

/* Who holds it most of the time, and takes it again before others have woken up, gives way. */
static void test_nobody_starves(void **state)
{
	unsigned n_passed = 0;
	cpu_set_t all, here;

	assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
	CPU_ZERO(&here);
	CPU_SET(sched_getcpu(), &here);
	assert_int_equal(sched_setaffinity(0, sizeof(here), &here), 0);
	/* as the scheduler likes it, the other one may be quick enough all the same */
	for (unsigned i = 0; n_passed < 3 && i < 2000; i++) {
		pthread_t thread;
		bool starves = false;

		count = 0;
		lock_take(&lock);
		assert_int_equal(pthread_create(&thread, NULL, take_slowly, &here), 0);
		while (!count && !starves) {
			while (__atomic_load_n(&lock.state, __ATOMIC_RELAXED) != LOCK_AWAITED)
				usleep(10);
			usleep(200);
			starves = __atomic_load_n(&lock.n_starving, __ATOMIC_RELAXED);
			lock_release(&lock);
			lock_take(&lock);
		}
		/* it was its turn, not ours */
		assert_int_equal(count, 1);
		n_passed += starves;
		lock_release(&lock);
		pthread_join(thread, NULL);
		assert_int_equal(lock.state, LOCK_FREE);
		assert_int_equal(lock.n_starving, 0);
	}
	assert_int_equal(sched_setaffinity(0, sizeof(all), &all), 0);
	assert_int_equal(n_passed, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_at_a_time),
		cmocka_unit_test(test_sleeps),
		cmocka_unit_test(test_nobody_starves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
