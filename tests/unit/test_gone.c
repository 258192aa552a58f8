// SPDX-License-Identifier: Apache-2.0
/* What deleted ports have counted: added once, and not lost with the process. Deaths in the middle
 * are in tests/crash. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "fake_keep.h"
#include "switch/gone.h"

#define WORKERS 2
#define LEN (sizeof(struct view_port_state) + WORKERS * sizeof(struct port_counters))

static void count(struct port_counters *c, uint64_t n)
{
	memset(c, 0, sizeof(*c));
	c->rx_packets = n;
	c->tx_held = 2;
	c->drops[DROP_vlan] = 10 * n;
}

/* Of port @id, which has counted @n twice, and more before. */
static struct view_port_state *make(uint32_t id, uint64_t n)
{
	struct view_port_state *state = aligned_alloc(CACHE_LINE, LEN);

	assert_non_null(state);
	memset(state, 0, LEN);
	state->id = id;
	state->before.rx_packets = 100;
	count(&state->counters[0], n);
	count(&state->counters[1], n + 1);
	return state;
}

static bool is_zero(const struct view_port_state *state)
{
	static const struct port_counters zero;

	return !memcmp(&state->before, &zero, sizeof(zero)) &&
	       !memcmp(&state->counters[0], &zero, sizeof(zero)) &&
	       !memcmp(&state->counters[1], &zero, sizeof(zero));
}

static void test_adds_once(void **state)
{
	struct view_port_state *port = make(7, 3);
	struct gone *gone = gone_open(NULL);

	gone_add(gone, port, WORKERS);
	assert_int_equal(gone_sum(gone)->rx_packets, 107);
	assert_int_equal(gone_sum(gone)->drops[DROP_vlan], 70);
	/* nobody will send what waits */
	assert_int_equal(gone_sum(gone)->drops[DROP_tx_held_lost], 4);
	assert_int_equal(gone_sum(gone)->tx_held, 0);
	assert_true(is_zero(port));
	gone_add(gone, port, WORKERS);
	assert_int_equal(gone_sum(gone)->rx_packets, 107);
	/* of a port that was added whole nothing is left to settle */
	count(&port->counters[0], 5);
	gone_settle(gone, port, WORKERS);
	assert_int_equal(port->counters[0].rx_packets, 5);
	free(port);
	gone_close(gone);
}

static void test_outlives_the_process(void **state)
{
	struct view_port_state *port = make(7, 0);
	struct fake_keep f;
	struct gone *gone;

	fake_keep_init(&f);
	for (unsigned i = 1; i <= 3; i++) {
		gone = gone_open(&f.keep);
		count(&port->counters[0], 5);
		gone_add(gone, port, WORKERS);
		assert_int_equal(gone_sum(gone)->rx_packets, 101 + 5 * i);
		gone_close(gone);
	}
	free(port);
	fake_keep_clear(&f);
}

/* Another version counts other things. */
static void test_garbage(void **state)
{
	struct fake_keep f;
	struct gone *gone;
	char *memory;
	size_t len;
	int file;

	fake_keep_init(&f);
	keep_unmap(keep_memory(&f.keep, 100, &file), 100);
	keep_hold_memory(&f.keep, "gone", file);
	gone_close(gone_open(&f.keep));
	memory = keep_old_memory(&f.keep, "gone", &len);
	memset(memory, 0xff, len);
	gone = gone_open(&f.keep);
	assert_int_equal(gone_sum(gone)->rx_packets, 0);
	gone_close(gone);
	keep_unmap(memory, len);
	fake_keep_clear(&f);
}

static void test_without_memory(void **state)
{
	struct view_port_state *port = make(7, 5);

	gone_add(NULL, port, WORKERS);
	gone_settle(NULL, port, WORKERS);
	gone_settled(NULL);
	assert_int_equal(gone_sum(NULL)->rx_packets, 0);
	gone_close(NULL);
	free(port);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_adds_once),
		cmocka_unit_test(test_outlives_the_process),
		cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
