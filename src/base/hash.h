/* SPDX-License-Identifier: Apache-2.0 */
/* Hash functions for tables keyed by small integers; keyed by a per-process secret, so that a guest
 * cannot choose addresses that collide. Any thread.
 */
#pragma once

#include <stdint.h>

/* Mixes two words into 64 well-spread bits: multiply and fold (after wyhash), twice, since @b may
 * turn out to be a poor multiplier. */
static inline uint64_t hash_mix(uint64_t a, uint64_t b)
{
	__uint128_t m = (__uint128_t)(a ^ 0x9e3779b97f4a7c15ull) * (b ^ 0xd6e8feb86659fd93ull);

	m = (__uint128_t)((uint64_t)m ^ (uint64_t)(m >> 64)) * 0xa0761d6478bd642full;
	return (uint64_t)m ^ (uint64_t)(m >> 64);
}

/* The process's secret, drawn from getrandom(2) at start. */
uint64_t hash_secret(void);
