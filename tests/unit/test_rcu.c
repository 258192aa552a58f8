// SPDX-License-Identifier: Apache-2.0
/* Nothing is freed while a reader may hold it, everything is freed once none can.
 *
 *   reader thread: does one step after the other as the test asks --- control thread: the test
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/rcu.h"

#define ALIVE 0x600dd06u
#define DEAD 0xdeadu
#define LONG_ENOUGH 20000 /* usec: a grace period without readers takes far less */

struct thing {
	struct rcu_free free;
	unsigned magic;
};

static struct thing *shared;
static unsigned n_freed;

static void free_thing(struct rcu_free *item)
{
	struct thing *t = container_of(item, struct thing, free);

	t->magic = DEAD; /* a plain write: a reader that still looks is a race */
	free(t);
	__atomic_add_fetch(&n_freed, 1, __ATOMIC_RELAXED);
}

static unsigned freed(void)
{
	return __atomic_load_n(&n_freed, __ATOMIC_RELAXED);
}

static struct thing *thing_new(void)
{
	struct thing *t = calloc(1, sizeof(*t));

	assert_non_null(t);
	t->magic = ALIVE;
	return t;
}

/* Puts a new thing in the place of the old one. */
static void replace(void)
{
	struct thing *old = shared;

	rcu_publish(&shared, thing_new());
	rcu_free_later(&old->free, free_thing);
}

enum step { STEP_READ, STEP_LOOK_AGAIN, STEP_QUIESCENT, STEP_OFFLINE, STEP_ONLINE, STEP_END };

struct reader {
	pthread_t thread;
	int to[2], from[2]; /* pipes: steps, and what the thing's magic was */
};

static void *read_steps(void *arg)
{
	struct reader *r = arg;
	struct thing *held = NULL;
	enum step step;

	rcu_reader_register();
	do {
		unsigned magic = 0;

		if (read(r->to[0], &step, sizeof(step)) != sizeof(step))
			step = STEP_END;
		if (step == STEP_READ)
			held = rcu_read(&shared);
		if (step == STEP_READ || step == STEP_LOOK_AGAIN)
			magic = held->magic;
		else if (step == STEP_QUIESCENT)
			rcu_reader_quiescent();
		else if (step == STEP_OFFLINE)
			rcu_reader_offline();
		else if (step == STEP_ONLINE)
			rcu_reader_online();
		else
			rcu_reader_unregister();
		if (write(r->from[1], &magic, sizeof(magic)) != sizeof(magic))
			abort();
	} while (step != STEP_END);
	return NULL;
}

/* Has the reader make the step, waits until it is done, gives the magic it saw. */
static unsigned step(struct reader *r, enum step what)
{
	unsigned magic;

	assert_int_equal(write(r->to[1], &what, sizeof(what)), sizeof(what));
	assert_int_equal(read(r->from[0], &magic, sizeof(magic)), sizeof(magic));
	return magic;
}

static void start(struct reader *r)
{
	assert_int_equal(pipe(r->to), 0);
	assert_int_equal(pipe(r->from), 0);
	assert_int_equal(pthread_create(&r->thread, NULL, read_steps, r), 0);
}

static void end(struct reader *r)
{
	assert_int_equal(pthread_join(r->thread, NULL), 0);
	for (int i = 0; i < 2; i++) {
		close(r->to[i]);
		close(r->from[i]);
	}
}

static int setup(void **state)
{
	__atomic_store_n(&n_freed, 0, __ATOMIC_RELAXED);
	shared = thing_new();
	return 0;
}

static int teardown(void **state)
{
	free(shared);
	return 0;
}

/* Holds back what the reader may hold, whichever way it then lets go. */
static void held_until(enum step lets_go)
{
	struct reader r;

	start(&r);
	assert_int_equal(step(&r, STEP_READ), ALIVE);
	replace();
	usleep(LONG_ENOUGH);
	assert_int_equal(freed(), 0);
	assert_int_equal(step(&r, STEP_LOOK_AGAIN), ALIVE);
	assert_int_equal(freed(), 0);
	step(&r, lets_go);
	if (lets_go == STEP_QUIESCENT) {
		/* once was enough, or not: liburcu may have begun to wait only now */
		for (int i = 0; i < 5000 && !freed(); i++) {
			step(&r, STEP_QUIESCENT);
			usleep(1000);
		}
		assert_int_equal(freed(), 1);
		assert_int_equal(step(&r, STEP_READ), ALIVE);
	} else {
		rcu_drain();
		assert_int_equal(freed(), 1);
	}
	if (lets_go != STEP_END)
		step(&r, STEP_END);
	end(&r);
}

static void test_quiescent(void **state)
{
	held_until(STEP_QUIESCENT);
}

static void test_offline(void **state)
{
	held_until(STEP_OFFLINE);
}

static void test_unregister(void **state)
{
	held_until(STEP_END);
}

/* One of two readers is not enough; and one that is back online holds again. */
static void test_two_readers(void **state)
{
	struct reader a, b;

	start(&a);
	start(&b);
	assert_int_equal(step(&a, STEP_READ), ALIVE);
	step(&b, STEP_OFFLINE);
	replace();
	usleep(LONG_ENOUGH);
	assert_int_equal(freed(), 0);
	step(&b, STEP_ONLINE);
	assert_int_equal(step(&b, STEP_READ), ALIVE);
	step(&a, STEP_OFFLINE);
	/* whether or not the first thing waits for b: the second does */
	replace();
	usleep(LONG_ENOUGH);
	assert_in_range(freed(), 0, 1);
	assert_int_equal(step(&b, STEP_LOOK_AGAIN), ALIVE);
	step(&b, STEP_END);
	rcu_drain();
	assert_int_equal(freed(), 2);
	step(&a, STEP_END);
	end(&a);
	end(&b);
}

static void test_no_reader(void **state)
{
	for (unsigned i = 0; i < 1000; i++)
		replace();
	rcu_drain();
	assert_int_equal(freed(), 1000);
	assert_int_equal(shared->magic, ALIVE);
}

static bool stop;

/* A worker's turns: read, look, be quiescent. Gives how many looks were wrong. */
static void *read_on(void *arg)
{
	uintptr_t n_wrong = 0;

	rcu_reader_register();
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		for (int i = 0; i < 10; i++)
			n_wrong += rcu_read(&shared)->magic != ALIVE;
		rcu_reader_quiescent();
	}
	rcu_reader_unregister();
	return (void *)n_wrong;
}

static void test_at_full_speed(void **state)
{
	pthread_t threads[2];

	stop = false;
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, read_on, NULL), 0);
	for (unsigned i = 0; i < 2000; i++) {
		replace();
		if (i % 100 == 0)
			usleep(500);
	}
	rcu_drain();
	assert_int_equal(freed(), 2000);
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (int i = 0; i < 2; i++) {
		void *n_wrong;

		assert_int_equal(pthread_join(threads[i], &n_wrong), 0);
		assert_null(n_wrong);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_quiescent),	TEST(test_offline),   TEST(test_unregister),
		TEST(test_two_readers), TEST(test_no_reader), TEST(test_at_full_speed),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}
