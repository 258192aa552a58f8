// SPDX-License-Identifier: Apache-2.0
/* What deleted ports have counted: added once, and not lost with the process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fake_keep.h"
#include "switch/gone.h"

static void count(struct port_counters *c, uint64_t n)
{
	memset(c, 0, sizeof(*c));
	c->rx_packets = n;
	c->tx_held = 2;
	c->drops[DROP_vlan] = 10 * n;
}

static void test_adds_once(void **state)
{
	struct port_counters c[2], zero = { 0 };
	struct gone *gone = gone_open(NULL);

	count(&c[0], 3);
	count(&c[1], 4);
	gone_add(gone, c, 2);
	assert_int_equal(gone_sum(gone)->rx_packets, 7);
	assert_int_equal(gone_sum(gone)->drops[DROP_vlan], 70);
	/* nobody will send what waits */
	assert_int_equal(gone_sum(gone)->drops[DROP_tx_held_lost], 4);
	assert_int_equal(gone_sum(gone)->tx_held, 0);
	assert_memory_equal(&c[0], &zero, sizeof(zero));
	assert_memory_equal(&c[1], &zero, sizeof(zero));
	gone_add(gone, c, 2);
	assert_int_equal(gone_sum(gone)->rx_packets, 7);
	gone_close(gone);
}

static void test_outlives_the_process(void **state)
{
	struct port_counters c;
	struct fake_keep f;
	struct gone *gone;

	fake_keep_init(&f);
	for (unsigned i = 1; i <= 3; i++) {
		gone = gone_open(&f.keep);
		count(&c, 5);
		gone_add(gone, &c, 1);
		assert_int_equal(gone_sum(gone)->rx_packets, 5 * i);
		gone_close(gone);
	}
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
	struct port_counters c;

	count(&c, 5);
	gone_add(NULL, &c, 1);
	assert_int_equal(gone_sum(NULL)->rx_packets, 0);
	gone_close(NULL);
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
