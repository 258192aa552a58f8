/* SPDX-License-Identifier: Apache-2.0 */
/* What a worker does when it has found nothing to do: poll on, take a nap, doze, or sleep.
 *
 * Theory of operation. Sleep asks all queues for kicks and lasts until one comes: it costs nothing
 * while it lasts, but each guest that sends pays a system call, and being woken costs some
 * microseconds of processor time. So a worker polls on for a while before it sleeps, and learns for
 * how long that pays. When packets come so often that it would never sleep, but not so often that
 * it has much to do, polling burns a whole core. Then it takes naps instead: short sleeps by the
 * clock, in which packets gather and nobody kicks. After a nap it polls for a time that grows with
 * the square of the number of packets that had to wait: the more there are, the more of them
 * polling serves at once, and the less of it is in vain.
 *
 * A core that has nothing to do for some 200 microseconds sleeps deeply, that of a virtual machine
 * above all, and is slow to wake. While packets come more often than that core's wake-up is worth,
 * but not so often that it stays awake by itself, the worker dozes: it sleeps, to be woken by a
 * kick, but not for long at a time.
 *
 * Naps are for packets that come by themselves. Where each one waits for the answer to the one
 * before, a nap makes the traffic slower and gathers nothing: when the rate falls with the naps
 * they stop, and are tried again only later and later.
 *
 * Used by the worker alone. Times are nanoseconds, by clock_ns().
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define REST_DOZE_NS 100000 /* to doze, at most */

/* What to do next. */
enum rest_choice { REST_POLL, REST_NAP, REST_DOZE, REST_SLEEP };

/* What a worker has learnt. */
struct rest {
	uint64_t poll_ns;    /* how long it polls before it sleeps, learnt; any thread may read */
	uint64_t idle_since; /* 0: it is not */
	uint64_t found_at;   /* when there was something to do after there was nothing */
	uint64_t gap_ns;     /* between the last two such times */
	uint64_t n_sleeps;
	bool probe; /* poll for the longest time until the next sleep */

	/* the period at hand */
	uint64_t began, packets;

	bool naps;
	bool woke;	     /* from a nap, and what waited is not done yet */
	uint64_t waited;     /* packets, as far as it matters */
	uint64_t nap_ns;     /* how long a nap is to be, at the rate of the last period */
	uint64_t late_ns;    /* what naps take longer than they should, learnt */
	uint64_t poll_until; /* no nap before */
	uint64_t rate;	     /* packets in a millisecond, before naps began */
	uint64_t not_before; /* when naps may be tried again, and how long they */
	uint64_t penalty;    /* are not when they fail the next time */
};

/* Nothing is known yet. */
void rest_init(struct rest *r, uint64_t now);

/* What to do after a turn with @n packets. */
enum rest_choice rest_choose(struct rest *r, uint64_t now, unsigned n);

/* How long to nap: less than it is to be, as timers are late. */
uint64_t rest_nap_ns(const struct rest *r);

/* Behind a nap that took longer by @late, and behind a sleep that lasted until @now. */
void rest_napped(struct rest *r, uint64_t late);
void rest_slept(struct rest *r, uint64_t now);
