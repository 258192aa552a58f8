/* SPDX-License-Identifier: Apache-2.0 */
/* Instructions that not every processor has. */
#pragma once

#include <stdbool.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

/* Whether cache_demote() does anything here. It asks the processor, which takes long on a virtual
 * one: ask once.
 */
static inline bool cpu_has_cache_demote(void)
{
#if defined(__x86_64__)
	unsigned a, b, c, d;

	return __get_cpuid_count(7, 0, &a, &b, &c, &d) && c & 1u << 25;
#else
	return false;
#endif
}

/* Moves the cache line of @p, which another core will read next, to the cache that both share
 * (CLDEMOTE, Intel SDM volume 2A; a no-operation on processors of x86-64 that do not have it). */
static inline void cache_demote(const void *p)
{
#if defined(__x86_64__)
	__asm__ volatile("cldemote %0" : : "m"(*(const char *)p));
#else
	(void)p;
#endif
}
