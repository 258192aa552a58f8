/* SPDX-License-Identifier: Apache-2.0 */
/* Statistics that one thread counts and any thread reads, in memory that may outlive the process.
 * No torn values, no locked instruction. */
#pragma once

#include <stdint.h>

#include "base/store.h"

/* Makes it @value; only the counter's owner may call this. */
static inline void counter_set(uint64_t *c, uint64_t value)
{
	shared_store(c, value);
}

/* Adds @n; the same. */
static inline void counter_add(uint64_t *c, uint64_t n)
{
	counter_set(c, *c + n);
}

/* The value now; any thread. */
static inline uint64_t counter_read(const uint64_t *c)
{
	return __atomic_load_n(c, __ATOMIC_RELAXED);
}
