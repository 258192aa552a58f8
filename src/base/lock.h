/* SPDX-License-Identifier: Apache-2.0 */
/* A lock for a few microseconds of work: who does not get it spins as long as that usually takes,
 * then sleeps. All bits zero is a free lock. Any thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"

struct lock {
	uint32_t state; /* LOCK_FREE.. */
};

enum { LOCK_FREE, LOCK_HELD, LOCK_AWAITED /* held, and somebody may sleep */ };

/* The rest of the two below, for whoever is not alone. */
void lock_wait(struct lock *lock);
void lock_wake(struct lock *lock);

/* Waits until the lock is ours. */
static inline void lock_take(struct lock *lock)
{
	uint32_t state = LOCK_FREE;

	/* pairs with the exchange in lock_release() */
	if (unlikely(!__atomic_compare_exchange_n(&lock->state, &state, LOCK_HELD, false,
						  __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)))
		lock_wait(lock);
}

/* Whoever has it. */
static inline void lock_release(struct lock *lock)
{
	if (unlikely(__atomic_exchange_n(&lock->state, LOCK_FREE, __ATOMIC_RELEASE) ==
		     LOCK_AWAITED))
		lock_wake(lock);
}
