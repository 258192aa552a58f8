/* SPDX-License-Identifier: Apache-2.0 */
/* A histogram of durations, from nanoseconds to centuries in bounded memory: values below 16 are
 * exact, others fall into one of 16 buckets of their power of two, so a value read back is at most
 * 1/16 too low. Not for several threads at a time.
 */
#pragma once

#include <stdint.h>

#define HISTOGRAM_STEPS 16 /* buckets of each power of two */
#define HISTOGRAM_BUCKETS (61 * HISTOGRAM_STEPS)

/* Zeroed, it is empty. */
struct histogram {
	uint64_t count;
	uint64_t min, max; /* exact; of no meaning when count is 0 */
	uint64_t buckets[HISTOGRAM_BUCKETS];
};

/* Counts @value. */
void histogram_add(struct histogram *h, uint64_t value);

/* The smallest value of bucket @index. */
uint64_t histogram_bucket_start(unsigned index);

/* The bucket that counts @value. */
unsigned histogram_bucket(uint64_t value);

/* The value that @fraction (0..1) of all values do not exceed, as exact as buckets are and between
 * min and max; 0 when there are none. */
uint64_t histogram_quantile(const struct histogram *h, double fraction);
