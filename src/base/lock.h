/* SPDX-License-Identifier: Apache-2.0 */
/* A lock for a few microseconds of work: who does not get it spins as long as that usually takes,
 * then sleeps. All bits zero is a free lock. Any thread.
 *
 * Whoever comes may get it before those who sleep, which take long to wake up. One that was woken
 * several times in vain has it passed on: then only those who have slept may take it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"

struct lock {
	uint32_t state;	     /* LOCK_FREE.. */
	uint32_t n_starving; /* threads that have slept in vain too often */
};

enum {
	LOCK_FREE,
	LOCK_HELD,
	LOCK_AWAITED, /* held, and somebody may sleep */
	LOCK_PASSED,  /* free for those who have slept; there is one, which is starving */
};

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
	/* who starves does so until it has the lock: the number falls only while we have not */
	bool pass = unlikely(__atomic_load_n(&lock->n_starving, __ATOMIC_RELAXED));

	if (unlikely(__atomic_exchange_n(&lock->state, pass ? LOCK_PASSED : LOCK_FREE,
					 __ATOMIC_RELEASE) == LOCK_AWAITED))
		lock_wake(lock);
}
