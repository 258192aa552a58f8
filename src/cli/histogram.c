// SPDX-License-Identifier: Apache-2.0
/* A histogram of durations. */
#include "cli/histogram.h"
#include "base/compiler.h"

#define STEP_BITS 4

_Static_assert(1 << STEP_BITS == HISTOGRAM_STEPS, "a bucket is a power of two and some more bits");

unsigned histogram_bucket(uint64_t value)
{
	unsigned shift;

	if (value < HISTOGRAM_STEPS)
		return (unsigned)value;
	shift = 63 - (unsigned)__builtin_clzll(value) - STEP_BITS;
	/* value >> shift has its highest bit set, which counts as one row of buckets more */
	return shift * HISTOGRAM_STEPS + (unsigned)(value >> shift);
}

uint64_t histogram_bucket_start(unsigned index)
{
	unsigned shift;

	if (index < 2 * HISTOGRAM_STEPS)
		return index;
	shift = index / HISTOGRAM_STEPS - 1;
	return (uint64_t)(index % HISTOGRAM_STEPS + HISTOGRAM_STEPS) << shift;
}

void histogram_add(struct histogram *h, uint64_t value)
{
	h->min = h->count ? min(h->min, value) : value;
	h->max = h->count ? max(h->max, value) : value;
	h->count++;
	h->buckets[histogram_bucket(value)]++;
}

uint64_t histogram_quantile(const struct histogram *h, double fraction)
{
	uint64_t wanted, seen = 0;

	if (!h->count)
		return 0;
	wanted = max((uint64_t)(fraction * (double)h->count + 0.5), (uint64_t)1);
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		seen += h->buckets[i];
		if (seen >= wanted) {
			uint64_t value = histogram_bucket_start(i);

			return value < h->min ? h->min : min(value, h->max);
		}
	}
	return h->max;
}
