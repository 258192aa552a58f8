/* SPDX-License-Identifier: Apache-2.0 */
/* Stores to memory that outlives this process, or that a guest or a front-end sees. All of them go
 * through these, so that tests/crash can list them and let the process die behind each. Any thread.
 *
 * Whoever looks there when this process is dead finds what it had stored up to some instruction,
 * wholly: each store is of one naturally aligned integer, so nobody finds half of one; and what the
 * next process must find in some order is stored in that order, with store_order() in between.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* How a store is done. tests/crash has another way, which also notes its place. */
#ifndef SHARED_STORE
#define SHARED_STORE(p, v, order) __atomic_store_n((p), (v), (order))
/* The same if there is *@old; else *@old becomes what is there. Whether it was stored. */
#define SHARED_SWAP(p, old, v, order) \
	__atomic_compare_exchange_n((p), (old), (v), 0, (order), __ATOMIC_RELAXED)
/* Sets @bits of what is there. */
#define SHARED_OR(p, bits, order) ((void)__atomic_fetch_or((p), (bits), (order)))
#endif

/* Stores an integer, in no order with anything else. */
#define shared_store(p, v) SHARED_STORE(p, v, __ATOMIC_RELAXED)

/* Keeps stores in front of this in front of those behind it, as far as a process sees that takes
 * over when this one is dead: in the order of instructions, which costs nothing. */
static inline void store_order(void)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/* Copies @n words, one by one. */
static inline void shared_copy_words(uint64_t *to, const uint64_t *from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		shared_store(&to[i], from[i]);
}

/* Copies @n bytes, one by one. */
static inline void shared_copy_bytes(void *to, const void *from, size_t n)
{
	const uint8_t *bytes = from;

	for (size_t i = 0; i < n; i++)
		shared_store((uint8_t *)to + i, bytes[i]);
}
