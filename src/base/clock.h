/* SPDX-License-Identifier: Apache-2.0 */
/* Monotonic time. Any thread. */
#pragma once

#include <stdint.h>
#include <time.h>

/* Nanoseconds in a second, a millisecond, a microsecond. */
#define NSEC_PER_SEC 1000000000ull
#define NSEC_PER_MSEC 1000000ull
#define NSEC_PER_USEC 1000ull

/* Nanoseconds of CLOCK_MONOTONIC; no system call on common hardware (vDSO). */
static inline uint64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

/* The same, late by some milliseconds at most: for those who ask very often. */
static inline uint64_t clock_coarse_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

/* Ticks of the processor's clock, for measuring short times cheaply; how long a tick is has to be
 * found out by comparing with clock_ns(). Where there is no such clock, nanoseconds. On a machine
 * whose cores' clocks differ, a difference may be wrong, even negative.
 */
static inline uint64_t clock_ticks(void)
{
#if defined(__x86_64__)
	return __builtin_ia32_rdtsc();
#else
	return clock_ns();
#endif
}
