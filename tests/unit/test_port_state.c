// SPDX-License-Identifier: Apache-2.0
/* Counters that a port goes on with, as far as the process before had the same; what that one has
 * left is not trusted. Deaths in the middle are in tests/crash.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fake_keep.h"
#include "switch/port_state.h"

#define KEY "port/vm1"

/* A process in which the port has this id, counts, and ends; the memory as it is then. */
static void live(struct fake_keep *f, unsigned n_workers, uint32_t id)
{
	struct port_state s;

	assert_int_equal(port_state_open(&s, &f->keep, "vm1", n_workers, NULL), 0);
	port_state_hold(&s, &f->keep, "vm1", id);
	counter_add(&s.state->counters[0].rx_packets, 5);
	counter_set(&s.state->counters[0].tx_held, 3);
	port_state_close(&s);
	port_state_close(&s);
}

/* The next process. */
static struct port_state next(struct fake_keep *f, unsigned n_workers)
{
	struct port_state s;

	assert_int_equal(port_state_open(&s, &f->keep, "vm1", n_workers, NULL), 0);
	return s;
}

static void test_goes_on(void **state)
{
	struct fake_keep f;
	struct port_state s;

	fake_keep_init(&f);
	live(&f, 2, 9);
	live(&f, 2, 9);
	s = next(&f, 2);
	assert_int_equal(s.id, 9);
	assert_int_equal(s.state->counters[0].rx_packets, 10);
	/* what waited is lost, once */
	assert_int_equal(s.state->counters[0].tx_held, 0);
	assert_int_equal(s.state->counters[0].drops[DROP_tx_held_lost], 6);
	port_state_close(&s);
	port_state_release(&f.keep, "vm1");
	s = next(&f, 2);
	assert_int_equal(s.id, 0);
	assert_int_equal(s.state->counters[0].rx_packets, 0);
	port_state_hold(&s, &f.keep, "vm1", 1);
	port_state_close(&s);
	fake_keep_clear(&f);
}

static void test_other_layout(void **state)
{
	struct fake_keep f;
	struct port_state s;
	uint32_t *memory;
	size_t len;

	fake_keep_init(&f);
	live(&f, 2, 9);
	s = next(&f, 3); /* other workers */
	assert_int_equal(s.id, 0);
	port_state_hold(&s, &f.keep, "vm1", 1);
	port_state_close(&s);
	memory = keep_old_memory(&f.keep, KEY, &len);
	*memory += 1; /* another version */
	keep_unmap(memory, len);
	s = next(&f, 3);
	assert_int_equal(s.id, 0);
	port_state_hold(&s, &f.keep, "vm1", 1);
	port_state_close(&s);
	fake_keep_clear(&f);
}

static void test_without_keeper(void **state)
{
	struct port_state s;

	assert_int_equal(port_state_open(&s, NULL, "vm1", 1, NULL), 0);
	port_state_hold(&s, NULL, "vm1", 4);
	assert_int_equal(s.state->id, 4);
	port_state_release(NULL, "vm1");
	port_state_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_goes_on),
		cmocka_unit_test(test_other_layout),
		cmocka_unit_test(test_without_keeper),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
