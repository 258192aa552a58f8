/* SPDX-License-Identifier: Apache-2.0 */
/* Token bucket: limits log lines, broadcast and unknown-unicast rates. One thread at a time. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

struct bucket {
	uint64_t per_sec;   /* tokens that arrive in a second; 0: no limit */
	uint64_t burst;	    /* most tokens that can wait, >= 1 */
	uint64_t tokens_ns; /* tokens in hand, in units of 1/per_sec seconds * 1e9 */
	uint64_t last_ns;   /* time of the last refill, clock_ns() */
};

/* Takes @n tokens at time @now (clock_ns()); false, taking none, when there are too few. */
static inline bool bucket_take(struct bucket *b, uint64_t n, uint64_t now)
{
	uint64_t full, gained;

	if (!b->per_sec)
		return true;
	full = b->burst * NSEC_PER_SEC;
	if (now > b->last_ns) {
		if (__builtin_mul_overflow(now - b->last_ns, b->per_sec, &gained) ||
		    __builtin_add_overflow(b->tokens_ns, gained, &b->tokens_ns) ||
		    b->tokens_ns > full)
			b->tokens_ns = full;
		b->last_ns = now;
	}
	if (b->tokens_ns < n * NSEC_PER_SEC)
		return false;
	b->tokens_ns -= n * NSEC_PER_SEC;
	return true;
}

/* A full bucket. */
static inline struct bucket bucket_make(uint64_t per_sec, uint64_t burst)
{
	if (!burst)
		burst = 1;
	return (struct bucket){ .per_sec = per_sec,
				.burst = burst,
				.tokens_ns = burst * NSEC_PER_SEC };
}
