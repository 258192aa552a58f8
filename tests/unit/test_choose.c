// SPDX-License-Identifier: Apache-2.0
// Choices by hash: in proportion to weights, the same everywhere, and few move.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "flow/choose.h"

#define FLOWS 20000u

/* The one of @n with the lowest claim. */
static unsigned winner(const uint16_t *weights, unsigned n, unsigned out, uint32_t hash)
{
	uint64_t best = UINT64_MAX;
	unsigned who = 0;

	for (unsigned i = 0; i < n; i++) {
		uint64_t claim = i == out ? UINT64_MAX : choose_claim(i, weights[i], hash);

		if (claim < best) {
			best = claim;
			who = i;
		}
	}
	return who;
}

static void test_shares_by_weight(void **state)
{
	const uint16_t weights[] = { 1, 2, 5, 12 };
	unsigned got[4] = { 0 };

	for (unsigned i = 0; i < FLOWS; i++)
		got[winner(weights, 4, 4, choose_hash(i, 7))]++;
	for (unsigned i = 0; i < 4; i++)
		assert_in_range(got[i], FLOWS * weights[i] / 20 * 9 / 10,
				FLOWS * weights[i] / 20 * 11 / 10);
}

/* When one goes, flows of others stay where they are. */
static void test_only_its_own_flows_move(void **state)
{
	const uint16_t weights[] = { 3, 3, 3, 1, 65535 };

	for (unsigned i = 0; i < FLOWS; i++) {
		uint32_t hash = choose_hash(i, 1);
		unsigned before = winner(weights, 4, 4, hash), after = winner(weights, 4, 1, hash);

		assert_true(before == 1 ? after != 1 : after == before);
	}
}

static void test_links_are_even(void **state)
{
	static const enum multipath_algorithm algorithms[] = { MULTIPATH_MODULO_N,
							       MULTIPATH_HASH_THRESHOLD,
							       MULTIPATH_HRW, MULTIPATH_ITER_HASH };

	for (unsigned a = 0; a < 4; a++) {
		for (unsigned n = 1; n < 12; n += 3) {
			unsigned got[12] = { 0 };

			for (unsigned i = 0; i < FLOWS; i++) {
				unsigned link = choose_link(algorithms[a], choose_hash(i, 0), n, 0);

				assert_true(link < n);
				got[link]++;
			}
			for (unsigned i = 0; i < n; i++)
				assert_in_range(got[i], FLOWS / n * 9 / 10, FLOWS / n * 11 / 10);
		}
	}
}

/* Where flows go must not depend on the process. */
static void test_is_the_same_everywhere(void **state)
{
	assert_int_equal(choose_hash(1, 2), 0xf1e413d2);
	assert_int_equal(choose_claim(3, 5, 0x12345678), 0x34c2e2999999);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shares_by_weight),
		cmocka_unit_test(test_only_its_own_flows_move),
		cmocka_unit_test(test_links_are_even),
		cmocka_unit_test(test_is_the_same_everywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
