/* SPDX-License-Identifier: Apache-2.0 */
/* Threads that others wait for while nothing else goes on: for a moment they get a processor before
 * all that share it fairly. Any thread.
 */
#pragma once

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/types.h>

/* How a thread is scheduled otherwise. Zeroed: it is in no hurry. */
struct hurry {
	bool on;
	int policy;
	struct sched_param param;
};

/* Lets @thread go first (SCHED_FIFO, not inherited by threads that it makes). Does nothing where
 * that is not allowed. It must have little to do: nobody else gets its processor meanwhile. Takes
 * over what was lent to it. */
void hurry_begin(struct hurry *h, pthread_t thread);

/* As before. */
void hurry_end(struct hurry *h, pthread_t thread);

/* The same for a thread of another process, by its id, which has no rights to do so; and back to
 * the usual (SCHED_OTHER). A thread that is scheduled otherwise stays as it is. */
void hurry_lend(pid_t tid);
void hurry_take_back(pid_t tid);
