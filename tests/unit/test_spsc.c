// SPDX-License-Identifier: Apache-2.0
/* The queue between two threads: records whole and in order, room given back, both ends at once. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/spsc.h"
#include "scale.h"

#define SIZE 4096
#define RECORD_MAX 300

static int setup(void **state)
{
	struct spsc *q = aligned_alloc(CACHE_LINE, sizeof(*q));

	assert_non_null(q);
	assert_int_equal(spsc_init(q, SIZE), 0);
	*state = q;
	return 0;
}

static int teardown(void **state)
{
	spsc_destroy(*state);
	spsc_destroy(*state);
	free(*state);
	return 0;
}

/* The record number @i: its length and bytes follow from the number. */
static size_t length_of(unsigned i)
{
	return i * 7919u % RECORD_MAX;
}

static bool produce(struct spsc *q, unsigned i)
{
	uint8_t *p = spsc_reserve(q, length_of(i));

	if (!p)
		return false;
	assert_int_equal((uintptr_t)p % 8, 0);
	memset(p, (int)(i & 0xff), length_of(i));
	spsc_commit(q, length_of(i));
	return true;
}

static bool consume(struct spsc *q, unsigned i)
{
	size_t len;
	uint8_t *p = spsc_peek(q, &len);

	if (!p)
		return false;
	assert_int_equal(len, length_of(i));
	for (size_t k = 0; k < len; k++)
		assert_int_equal(p[k], i & 0xff);
	spsc_pop(q);
	return true;
}

static void new_queue_is_empty(void **state)
{
	struct spsc *q = *state;
	size_t len;

	assert_true(spsc_empty(q));
	assert_null(spsc_peek(q, &len));
}

static void too_long_never_fits(void **state)
{
	struct spsc *q = *state;

	assert_null(spsc_reserve(q, SIZE + 1));
	assert_null(spsc_reserve(q, SIZE));
	assert_null(spsc_reserve(q, SIZE_MAX));
	assert_null(spsc_reserve(q, SIZE_MAX - 8));
	assert_non_null(spsc_reserve(q, SIZE - 8));
}

static void reserved_is_not_yet_there(void **state)
{
	struct spsc *q = *state;
	size_t len;

	assert_non_null(spsc_reserve(q, 100));
	assert_true(spsc_empty(q));
	assert_non_null(spsc_reserve(q, 200));
	assert_null(spsc_peek(q, &len));
	spsc_commit(q, 150);
	assert_false(spsc_empty(q));
	assert_non_null(spsc_peek(q, &len));
	assert_int_equal(len, 150);
}

static void room_comes_back_with_release(void **state)
{
	struct spsc *q = *state;
	unsigned in = 0, out = 0;

	while (produce(q, in))
		in++;
	assert_true(in > 10);
	while (consume(q, out))
		out++;
	assert_int_equal(out, in);
	assert_true(spsc_empty(q));
	assert_false(produce(q, in));
	spsc_release(q);
	assert_true(produce(q, in));
}

/* Fill and empty by changing amounts: every offset of the end is met. */
static void wraps_everywhere(void **state)
{
	struct spsc *q = *state;
	unsigned in = 0, out = 0;

	for (unsigned round = 0; round < 20000; round++) {
		for (unsigned n = round % 7; n && produce(q, in); n--)
			in++;
		for (unsigned n = round % 5 + 1; n && consume(q, out); n--)
			out++;
		spsc_release(q);
	}
	while (consume(q, out))
		out++;
	assert_int_equal(out, in);
	assert_true(in > 20000);
}

static void bytes_stay_until_release(void **state)
{
	struct spsc *q = *state;
	unsigned in = 0, more;
	uint8_t *first;
	size_t len;

	while (produce(q, in))
		in++;
	assert_true(length_of(1) > 0);
	assert_true(consume(q, 0));
	first = spsc_peek(q, &len);
	spsc_pop(q);
	for (more = in; produce(q, more); more++)
		;
	assert_int_equal(more, in);
	assert_int_equal(first[0], 1);
}

struct threads {
	struct spsc *q;
	unsigned n;
};

static void *producer(void *arg)
{
	struct threads *t = arg;

	for (unsigned i = 0; i < t->n;) {
		if (produce(t->q, i))
			i++;
		else
			sched_yield();
	}
	return NULL;
}

static void two_threads(void **state)
{
	struct threads t = { *state, scaled(100000) };
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, producer, &t), 0);
	for (unsigned i = 0; i < t.n;) {
		if (consume(t.q, i)) {
			if (++i % 3 == 0)
				spsc_release(t.q);
		} else {
			spsc_release(t.q);
			sched_yield();
		}
	}
	pthread_join(thread, NULL);
	assert_true(spsc_empty(t.q));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(new_queue_is_empty, setup, teardown),
		cmocka_unit_test_setup_teardown(too_long_never_fits, setup, teardown),
		cmocka_unit_test_setup_teardown(reserved_is_not_yet_there, setup, teardown),
		cmocka_unit_test_setup_teardown(room_comes_back_with_release, setup, teardown),
		cmocka_unit_test_setup_teardown(wraps_everywhere, setup, teardown),
		cmocka_unit_test_setup_teardown(bytes_stay_until_release, setup, teardown),
		cmocka_unit_test_setup_teardown(two_threads, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
