// SPDX-License-Identifier: Apache-2.0
/* Going first, for a moment. */
#include "base/hurry.h"

#define LENT (SCHED_FIFO | SCHED_RESET_ON_FORK)

void hurry_begin(struct hurry *h, pthread_t thread)
{
	struct sched_param first = { .sched_priority = 1 };

	if (h->on || pthread_getschedparam(thread, &h->policy, &h->param))
		return;
	if (h->policy == LENT) {
		h->policy = SCHED_OTHER;
		h->param.sched_priority = 0;
	}
	h->on = h->policy != SCHED_FIFO && h->policy != SCHED_RR &&
		!pthread_setschedparam(thread, LENT, &first);
}

void hurry_end(struct hurry *h, pthread_t thread)
{
	if (h->on)
		pthread_setschedparam(thread, h->policy, &h->param);
	h->on = false;
}

void hurry_lend(pid_t tid)
{
	struct sched_param first = { .sched_priority = 1 };

	if (sched_getscheduler(tid) == SCHED_OTHER)
		sched_setscheduler(tid, LENT, &first);
}

void hurry_take_back(pid_t tid)
{
	struct sched_param usual = { .sched_priority = 0 };
	int policy = sched_getscheduler(tid);

	if (policy == LENT)
		sched_setscheduler(tid, SCHED_OTHER, &usual);
}
