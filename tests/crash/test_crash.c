// SPDX-License-Identifier: Apache-2.0
/* A switch that dies at any instruction loses nothing of what its rings were: every store that the
 * next process, or a guest, can see is a place to die at (step.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/compiler.h"
#include "base/log.h"
#include "guest.h"
#include "scale.h"
#include "scenes.h"

/* What runs now; empty when all is well. */
static char running[128];

/* Less would not reach all stores. */
static unsigned at_least(unsigned n)
{
	return max(scaled(n), n);
}

static void run_all(void (*scene)(uint64_t, uint32_t, unsigned, unsigned), uint64_t layout,
		    const uint32_t *sizes, unsigned n_sizes, unsigned n)
{
	static const uint64_t features[] = { 0, EVENT_IDX, IN_ORDER, EVENT_IDX | IN_ORDER };

	for (unsigned f = 0; f < ARRAY_SIZE(features); f++)
		for (unsigned i = 0; i < n_sizes; i++) {
			unsigned seed = f * n_sizes + i + (layout ? 1 : 0);

			snprintf(running, sizeof(running), "features 0x%llx, %u entries, seed %u",
				 (unsigned long long)(layout | features[f]), sizes[i], seed);
			scene(layout | features[f], sizes[i], seed, at_least(n));
		}
	running[0] = 0;
}

static int tell_what(void **state)
{
	if (running[0])
		print_error("failed with %s\n", running);
	return 0;
}

static void test_ring(void **state)
{
	static const uint32_t split[] = { 1, 4, 8 }, packed[] = { 1, 3, 7, 8 };

	run_all(scene_ring, 0, split, ARRAY_SIZE(split), 16);
	run_all(scene_ring, PACKED, packed, ARRAY_SIZE(packed), 16);
}

static void test_inflight(void **state)
{
	static const uint32_t split[] = { 1, 8 }, packed[] = { 1, 3, 8 };

	run_all(scene_inflight, 0, split, ARRAY_SIZE(split), 10);
	run_all(scene_inflight, PACKED, packed, ARRAY_SIZE(packed), 14);
}

static void test_port(void **state)
{
	static const uint32_t split[] = { 8 }, packed[] = { 7 };

	run_all(scene_port, 0, split, ARRAY_SIZE(split), 4);
	run_all(scene_port, PACKED, packed, ARRAY_SIZE(packed), 4);
}

static void test_migration(void **state)
{
	static const uint32_t split[] = { 8 }, packed[] = { 7 };

	run_all(scene_migration, 0, split, ARRAY_SIZE(split), 3);
	run_all(scene_migration, PACKED, packed, ARRAY_SIZE(packed), 3);
}

static void test_mac(void **state)
{
	scene_mac(1, at_least(100));
}

static void test_kept(void **state)
{
	scene_kept(1, at_least(50));
}

static void test_forward(void **state)
{
	scene_forward(1, at_least(8));
}

static void test_files(void **state)
{
	scene_files();
}

static void test_table(void **state)
{
	scene_table();
}

static void test_tap(void **state)
{
	scene_tap();
}

static void test_quarantine(void **state)
{
	scene_quarantine();
}

static void test_ledger(void **state)
{
	scene_ledger(1, at_least(30));
}

static void test_messages(void **state)
{
	log_set_level("all", "error", NULL);
	scene_message(BIT(VIRTIO_F_VERSION_1), true);
	scene_message(BIT(VIRTIO_F_VERSION_1) | PACKED, false);
	scene_message_report();
}

static void test_every_store(void **state)
{
	step_report();
}

/* With an argument: only tests of that name, which may have wildcards. */
int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_ring, tell_what),
		cmocka_unit_test_teardown(test_inflight, tell_what),
		cmocka_unit_test_teardown(test_port, tell_what),
		cmocka_unit_test_teardown(test_migration, tell_what),
		cmocka_unit_test(test_mac),
		cmocka_unit_test(test_kept),
		cmocka_unit_test(test_forward),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_quarantine),
		cmocka_unit_test(test_ledger),
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_tap),
		cmocka_unit_test(test_every_store),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
