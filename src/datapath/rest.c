// SPDX-License-Identifier: Apache-2.0
/* Polling, naps, dozing and sleep (see rest.h for how it works). */
#include "datapath/rest.h"

#include "base/clock.h"
#include "base/compiler.h"

#define POLL_NS_MIN (2 * NSEC_PER_USEC)
#define POLL_NS_MAX (20 * NSEC_PER_USEC) /* about what being woken costs */
#define PROBE_SLEEPS 32 /* of so many sleeps, one comes later, to see what comes meanwhile */
#define PERIOD_NS (2 * NSEC_PER_MSEC)
#define NAP_NS_MAX (60 * NSEC_PER_USEC)	      /* a nap is to be so long, at most, ... */
#define NAP_PACKETS 24			      /* or until about so many packets wait */
#define NAP_NS_MIN (2 * NSEC_PER_USEC)	      /* what is asked for, however late timers are */
#define NAP_LATE_ASSUMED (20 * NSEC_PER_USEC) /* how late they are, before there was a nap */
#define NAP_PACKETS_MIN 4		      /* that a nap must gather, for naps to begin ... */
#define NAP_PACKETS_MAX 80		      /* and may: less than half of a usual ring */
#define NAP_PACKETS_LIMIT 144		      /* ... and to go on */
#define NAP_FORGET 64			      /* periods in which a long nap is forgotten */
#define NAP_POLL_NS 4			      /* of polling, for the square of how many waited */
#define DOZE_GAP_MIN (150 * NSEC_PER_USEC)    /* dozes when packets come so seldom, ... */
#define DOZE_GAP_MAX (1500 * NSEC_PER_USEC)   /* and no more seldom, and for so long */
#define PENALTY_MIN (10 * NSEC_PER_MSEC)
#define PENALTY_MAX (1 * NSEC_PER_SEC)

void rest_init(struct rest *r, uint64_t now)
{
	*r = (struct rest){
		.poll_ns = POLL_NS_MIN,
		.began = now,
		.nap_ns = NAP_NS_MAX,
		.late_ns = NAP_LATE_ASSUMED,
		.penalty = PENALTY_MIN,
	};
}

static void set_poll(struct rest *r, uint64_t ns)
{
	ns = max(ns, POLL_NS_MIN);
	ns = min(ns, POLL_NS_MAX);
	__atomic_store_n(&r->poll_ns, ns, __ATOMIC_RELAXED); /* for statistics */
}

/* The traffic does not bear naps. */
static void give_up_naps(struct rest *r, uint64_t now)
{
	r->naps = false;
	r->not_before = now + r->penalty;
	r->penalty = min(2 * r->penalty, PENALTY_MAX);
}

/* At the end of a period. */
static void judge_naps(struct rest *r, uint64_t now)
{
	uint64_t took = now - r->began, rate = r->packets * NSEC_PER_MSEC / took;
	uint64_t gathered;

	r->nap_ns = min(NAP_PACKETS * took / (r->packets + 1), NAP_NS_MAX);
	gathered = r->packets * (rest_nap_ns(r) + r->late_ns) / took;
	if (!r->naps) {
		/* one that the machine made long, when it stood still, must not rule out the next
		 */
		if (r->late_ns > NAP_LATE_ASSUMED)
			r->late_ns -= (r->late_ns - NAP_LATE_ASSUMED) / NAP_FORGET;
		r->naps = gathered >= NAP_PACKETS_MIN && gathered <= NAP_PACKETS_MAX &&
			  now >= r->not_before;
		r->rate = rate;
	} else if (rate < r->rate - r->rate / 4) {
		give_up_naps(r, now);
	} else if (gathered > NAP_PACKETS_LIMIT) {
		r->naps = false;
	} else {
		r->penalty = PENALTY_MIN;
	}
	r->began = now;
	r->packets = 0;
}

/* All that waited is done. */
static void nap_done(struct rest *r, uint64_t now)
{
	r->woke = false;
	r->poll_until = now + r->waited * r->waited * NAP_POLL_NS;
	if (!r->waited)
		r->naps = false; /* sleep is better, if it goes on like that */
}

static void found_work(struct rest *r, uint64_t now, unsigned n)
{
	uint64_t idle = r->idle_since ? now - r->idle_since : 0;

	if (r->idle_since) {
		r->gap_ns = now - r->found_at;
		r->found_at = now;
	}
	/* polling pays when work comes soon after the last */
	if (2 * idle > r->poll_ns && idle < POLL_NS_MAX)
		set_poll(r, 2 * idle);
	r->idle_since = 0;
	r->packets += n;
	if (r->woke)
		r->waited = min(r->waited + n, (uint64_t)NAP_PACKETS_LIMIT);
}

enum rest_choice rest_choose(struct rest *r, uint64_t now, unsigned n)
{
	if (n) {
		found_work(r, now, n);
		return REST_POLL;
	}
	if (r->woke)
		nap_done(r, now);
	if (!r->idle_since)
		r->idle_since = now;
	if (now - r->began >= PERIOD_NS)
		judge_naps(r, now);
	if (r->naps)
		return now < r->poll_until ? REST_POLL : REST_NAP;
	if (now - r->idle_since <= (r->probe ? POLL_NS_MAX : r->poll_ns))
		return REST_POLL;
	set_poll(r, r->poll_ns / 2);
	r->probe = ++r->n_sleeps % PROBE_SLEEPS == 0;
	if (r->gap_ns >= DOZE_GAP_MIN && r->gap_ns <= DOZE_GAP_MAX &&
	    now - r->found_at <= DOZE_GAP_MAX)
		return REST_DOZE;
	return REST_SLEEP;
}

uint64_t rest_nap_ns(const struct rest *r)
{
	return r->late_ns + NAP_NS_MIN < r->nap_ns ? r->nap_ns - r->late_ns : NAP_NS_MIN;
}

void rest_napped(struct rest *r, uint64_t late)
{
	r->late_ns += late / 8;
	r->late_ns -= r->late_ns / 8;
	r->woke = true;
	r->waited = 0;
	r->idle_since = 0; /* what came meanwhile says nothing of polling */
}

void rest_slept(struct rest *r, uint64_t now)
{
	r->idle_since = now; /* how long it took to be woken says nothing of polling */
}
