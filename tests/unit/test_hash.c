// SPDX-License-Identifier: Apache-2.0
/* How well small keys are spread over a table, with any bits of the hash; and the secret. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "base/hash.h"

#define KEYS 16384
#define BUCKETS 1024 /* 16 keys each */

/* No bucket of a random spread of 16 keys each is expected to have as many as this: the chance is
 * below 1e-12 for each.
 */
#define FULLEST_MAX 60

/* The keys of the largest bucket, and how many buckets are empty, when ten bits from @shift on
 * choose. */
static unsigned fullest(uint64_t stride, uint64_t secret, unsigned shift, unsigned *n_empty)
{
	unsigned count[BUCKETS] = { 0 }, most = 0;

	for (uint64_t i = 0; i < KEYS; i++)
		count[hash_mix(i * stride, secret) >> shift & (BUCKETS - 1)]++;
	*n_empty = 0;
	for (unsigned i = 0; i < BUCKETS; i++) {
		most = count[i] > most ? count[i] : most;
		*n_empty += !count[i];
	}
	return most;
}

/* Keys that count up in their low, middle and high bits: addresses, VLANs above addresses. */
static void test_spread(void **state)
{
	static const uint64_t strides[] = { 1, 2, 256, 4096, 1ull << 24, 1ull << 40, 1ull << 48 };
	static const uint64_t secrets[] = { 0, 1, 0x0123456789abcdefull, UINT64_MAX };

	for (unsigned s = 0; s < sizeof(strides) / sizeof(*strides); s++) {
		for (unsigned k = 0; k < sizeof(secrets) / sizeof(*secrets); k++) {
			for (unsigned shift = 0; shift <= 54; shift += 18) {
				unsigned n_empty;

				assert_in_range(fullest(strides[s], secrets[k], shift, &n_empty),
						16, FULLEST_MAX);
				assert_in_range(n_empty, 0, 10);
			}
		}
	}
}

/* As many keys in a row as there are buckets, under many secrets, those among them that make the
 * worst multipliers (few bits, at either end). Of 64 random ones the fullest bucket has some 4
 * or 5. */
static void test_spread_of_few(void **state)
{
	enum { FEW = 64, SECRETS = 4096 };
	unsigned long most_sum = 0;
	uint64_t seed = 1;

	for (unsigned s = 0; s < SECRETS; s++) {
		uint64_t secret = seed = hash_mix(seed, s);

		if (s < 64)
			secret = 0xd6e8feb86659fd93ull ^ 1ull << s;
		for (unsigned shift = 0; shift <= 32; shift += 32) {
			uint8_t count[FEW] = { 0 }, most = 0;

			for (uint64_t i = 0; i < FEW; i++) {
				uint64_t h = hash_mix(0x1000020000000000ull + i, secret) >> shift;

				most = max(most, ++count[h % FEW]);
			}
			assert_in_range(most, 1, 14);
			most_sum += most;
		}
	}
	assert_in_range(most_sum, 3 * 2 * SECRETS, 6 * 2 * SECRETS);
}

/* One bit of either word changes about half of the bits of the hash. */
static void test_one_bit(void **state)
{
	uint64_t a = 0x0200000000010064ull, b = 0x5ca1ab1e0ddba11ull;

	for (unsigned word = 0; word < 2; word++) {
		unsigned changed = 0;

		for (unsigned bit = 0; bit < 64; bit++) {
			uint64_t flip = 1ull << bit;
			uint64_t other = word ? hash_mix(a, b ^ flip) : hash_mix(a ^ flip, b);
			unsigned n = (unsigned)__builtin_popcountll(hash_mix(a, b) ^ other);

			assert_in_range(n, 8, 56);
			changed += n;
		}
		assert_in_range(changed, 64 * 26, 64 * 38);
	}
}

/* Keys that share a bucket under one secret do not under another. */
static void test_secret_matters(void **state)
{
	unsigned n_first = 0, n_both = 0;

	for (uint64_t i = 0; i < KEYS; i++) {
		if (hash_mix(i, 1) & (BUCKETS - 1))
			continue;
		n_first++;
		n_both += !(hash_mix(i, 2) & (BUCKETS - 1));
	}
	assert_in_range(n_first, 2, FULLEST_MAX);
	assert_in_range(n_both, 0, 3);
	assert_int_equal(hash_mix(3, 4), hash_mix(3, 4));
}

/* This program, started again, prints its secret. */
static uint64_t secret_of_another(void)
{
	uint64_t secret = 0;
	char command[512];
	ssize_t n = readlink("/proc/self/exe", command, sizeof(command) - 16);
	FILE *f;

	assert_true(n > 0);
	strcpy(command + n, " print");
	f = popen(command, "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%lx", &secret), 1);
	assert_int_equal(pclose(f), 0);
	return secret;
}

static void test_secret(void **state)
{
	uint64_t first = hash_secret(), second = secret_of_another(), third = secret_of_another();

	assert_true(first == hash_secret());
	assert_true(first && second && third);
	assert_true(first != second && first != third && second != third);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_spread),	cmocka_unit_test(test_spread_of_few),
		cmocka_unit_test(test_one_bit), cmocka_unit_test(test_secret_matters),
		cmocka_unit_test(test_secret),
	};

	if (argc > 1)
		return printf("%lx\n", hash_secret()) < 0;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
