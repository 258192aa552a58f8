// SPDX-License-Identifier: Apache-2.0
/* What happens when two threads want one lock. */
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/lock.h"

#define SPINS 200	 /* looks at a lock that is held, before sleep: some microseconds */
#define SLEEPS_IN_VAIN 4 /* from then on the lock is passed on */

static void futex(uint32_t *at, int op, uint32_t value)
{
	syscall(SYS_futex, at, op, value, (const struct timespec *)0); /* no timeout */
}

/* Tries to get a lock from any state in which it may be had, or to make it known that somebody
 * waits. Returns the state behind that, LOCK_FREE: it is ours.
 */
static uint32_t claim(struct lock *lock, bool has_slept)
{
	uint32_t state = __atomic_load_n(&lock->state, __ATOMIC_RELAXED);

	for (;;) {
		bool ours = state == LOCK_FREE || (state == LOCK_PASSED && has_slept);

		if (!ours && state != LOCK_HELD)
			return state;
		/* pairs with the exchange in lock_release(): it sees that somebody sleeps, or we
		 * that it is free */
		if (__atomic_compare_exchange_n(&lock->state, &state, LOCK_AWAITED, false,
						__ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			return ours ? LOCK_FREE : LOCK_AWAITED;
	}
}

void lock_wait(struct lock *lock)
{
	unsigned n_sleeps = 0;
	uint32_t state;

	for (unsigned i = 0; i < SPINS; i++) {
		cpu_relax();
		state = LOCK_FREE;
		if (__atomic_load_n(&lock->state, __ATOMIC_RELAXED) == LOCK_FREE &&
		    __atomic_compare_exchange_n(&lock->state, &state, LOCK_HELD, false,
						__ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			return;
	}
	while ((state = claim(lock, n_sleeps)) != LOCK_FREE) {
		if (++n_sleeps == SLEEPS_IN_VAIN)
			__atomic_add_fetch(&lock->n_starving, 1, __ATOMIC_RELAXED);
		futex(&lock->state, FUTEX_WAIT_PRIVATE, state);
	}
	if (n_sleeps >= SLEEPS_IN_VAIN)
		__atomic_sub_fetch(&lock->n_starving, 1, __ATOMIC_RELAXED);
}

void lock_wake(struct lock *lock)
{
	futex(&lock->state, FUTEX_WAKE_PRIVATE, 1);
}
