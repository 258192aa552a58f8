/* SPDX-License-Identifier: Apache-2.0 */
/* Statistics that one thread counts and any thread reads. No torn values, no locked instruction. */
#pragma once

#include <stdint.h>

/* Adds @n; only the counter's owner may call this. */
static inline void counter_add(uint64_t *c, uint64_t n)
{
	__atomic_store_n(c, *c + n, __ATOMIC_RELAXED);
}

/* The value now; any thread. */
static inline uint64_t counter_read(const uint64_t *c)
{
	return __atomic_load_n(c, __ATOMIC_RELAXED);
}
