// SPDX-License-Identifier: Apache-2.0
// One of several by a hash.
#include "flow/choose.h"
#include "base/hash.h"

#define ITER_TRIES 64

uint32_t choose_hash(uint64_t a, uint64_t b)
{
	return (uint32_t)(hash_mix(a, b) >> 32);
}

/* log2 of @x > 0 in units of 2^-24: the mantissa is squared, and each time that it is two or more,
 * the next bit is one. */
static uint64_t log2_fixed(uint32_t x)
{
	unsigned shift = (unsigned)__builtin_clz(x);
	uint64_t m = (uint64_t)x << shift, log = 31 - shift; /* m: 1.31 bits */

	for (int i = 0; i < 24; i++) {
		m = (m * m) >> 31;
		log <<= 1;
		if (m >> 32) {
			m >>= 1;
			log |= 1;
		}
	}
	return log;
}

/* -log(u) / weight, of a u that is spread evenly over 0..1, is spread exponentially; the chance to
 * be the lowest is in proportion to the weight. */
uint64_t choose_claim(uint32_t id, uint16_t weight, uint32_t hash)
{
	uint32_t u = choose_hash(id, hash);

	return (((32ull << 24) - log2_fixed(u ? u : 1)) << 24) / weight;
}

static unsigned highest_random_weight(uint32_t hash, unsigned n)
{
	unsigned best = 0;

	for (unsigned i = 1; i < n; i++)
		if (choose_hash(i, hash) > choose_hash(best, hash))
			best = i;
	return best;
}

/* Asks again until the answer is one of the links. */
static unsigned iterate(uint32_t hash, unsigned n, unsigned modulo)
{
	if (modulo < n || modulo / 2 > n)
		for (modulo = 1; modulo < n;)
			modulo *= 2;
	for (unsigned i = 0; i < ITER_TRIES; i++) {
		unsigned link = choose_hash(hash, i) % modulo;

		if (link < n)
			return link;
	}
	return hash % n;
}

unsigned choose_link(enum multipath_algorithm algorithm, uint32_t hash, unsigned n, unsigned arg)
{
	switch (algorithm) {
	case MULTIPATH_HASH_THRESHOLD:
		return (unsigned)((uint64_t)hash * n >> 32);
	case MULTIPATH_HRW:
		return highest_random_weight(hash, n);
	case MULTIPATH_ITER_HASH:
		return iterate(hash, n, arg);
	default:
		return hash % n;
	}
}
