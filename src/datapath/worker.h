/* SPDX-License-Identifier: Apache-2.0 */
/* A worker thread: polls its receive queues, runs every packet to completion, sleeps when there is
 * nothing to do.
 *
 * Theory of operation (views and sleep). The control thread stores the view, then its generation. A
 * worker starts a turn by announcing the generation it has seen in @seen, and then loads the view,
 * which is that one or a newer one; at the start of the next turn it holds nothing of the last one.
 * Before it sleeps it announces WORKER_IDLE. So once @seen is at least G or idle, the worker uses
 * nothing that a view before G showed. A worker that wakes up stores @seen, and only then loads the
 * view; the control thread stores the view, and only then loads @seen; all four are sequentially
 * consistent, so either the control thread sees that the worker is awake, or the worker sees the
 * new view.
 *
 * Whoever gives work to a worker (a view, a record in an inbox) makes it visible first and then
 * takes @asleep away; the worker sets @asleep first and then looks for work. Both exchange the
 * flag: whoever comes second sees what the first did before.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>

#include "datapath/fair.h"
#include "datapath/forward.h"
#include "datapath/rest.h"

#define WORKER_IDLE UINT64_MAX /* generation of a worker that uses no view */

/* What workers share, owned by the datapath. */
struct worker_shared {
	struct view *view;   /* the newest; RCU */
	uint64_t generation; /* of it; stored after it */
	bool stop;
	bool poll_always; /* never sleep */
	bool awaited;	  /* somebody wants to know, by packet_fd, when there is a packet */
	int packet_fd;	  /* eventfd */
	bool rings;	  /* who looks after this process wants to know when it wakes up ... */
	int bell_fd;	  /* ... by this eventfd; -1: nobody does */
	uint64_t settle;  /* how often counts were asked for */
	int upcall_fd;	  /* eventfd: there is something in a worker's upcalls */
	struct inboxes inboxes;
	unsigned n_workers;
	struct worker *workers;
};

struct worker {
	struct worker_shared *shared;
	unsigned id;
	int cpu; /* -1: not pinned */
	int epoll_fd;
	int wake_fd; /* eventfd */
	pthread_t thread;
	bool running;
	bool has_upcalls;
	int tid; /* of the thread, as the kernel counts; 0: it has not begun */
	struct forwarder *forwarder;
	struct batch *batch;
	struct unsettled unsettled;
	struct upcalls upcalls;

	/* written by the worker */
	uint64_t seen __attribute__((aligned(CACHE_LINE)));
	uint64_t settled; /* shared->settle, when all had been credited */
	bool asleep;
	bool sound; /* asleep until something happens, however long that takes */
	bool armed; /* queues were asked to wake us */
	uint64_t turns, sleeps, naps, packets;
	uint64_t busy_ticks;		/* of turns in which there were packets */
	uint64_t first_ticks, first_ns; /* when it started, by both clocks */
	struct rest rest;
	struct fair fair;
} __attribute__((aligned(CACHE_LINE)));

/* Prepares @w, number @id, and starts its thread, pinned to @cpu unless that is -1. 0 or -errno. */
int worker_start(struct worker *w, struct worker_shared *shared, unsigned id, int cpu);

/* After shared->stop was set: wakes the thread and waits for its end. Also after a failed start. */
void worker_join(struct worker *w);

/* Frees what worker_start() made, when all workers have ended: any may wake any other. */
void worker_free(struct worker *w);

/* Rings the bell, once, if somebody has asked for it. Any thread. */
void worker_ring(struct worker_shared *shared);

/* Wakes the worker if it sleeps. Call after the work was made visible. Any thread. */
void worker_wake(struct worker *w);
