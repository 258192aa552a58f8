// SPDX-License-Identifier: Apache-2.0
/* What happens when two threads want one lock. */
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/lock.h"

#define SPINS 200 /* looks at a lock that is held, before sleep: some microseconds */

void lock_wait(struct lock *lock)
{
	uint32_t state;

	for (unsigned i = 0; i < SPINS; i++) {
		cpu_relax();
		state = LOCK_FREE;
		if (__atomic_load_n(&lock->state, __ATOMIC_RELAXED) == LOCK_FREE &&
		    __atomic_compare_exchange_n(&lock->state, &state, LOCK_HELD, false,
						__ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			return;
	}
	/* pairs with the exchange in lock_release(): it sees that somebody sleeps, or we that it is
	 * free */
	while (__atomic_exchange_n(&lock->state, LOCK_AWAITED, __ATOMIC_ACQUIRE) != LOCK_FREE)
		syscall(SYS_futex, &lock->state, FUTEX_WAIT_PRIVATE, LOCK_AWAITED, NULL, NULL, 0);
}

void lock_wake(struct lock *lock)
{
	syscall(SYS_futex, &lock->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}
