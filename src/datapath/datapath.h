/* SPDX-License-Identifier: Apache-2.0 */
/* The datapath as the control thread sees it: workers, the view they follow, and how to learn that
 * they have let go of an old one. Control thread.
 */
#pragma once

#include <event2/event.h>

#include "datapath/upcall.h"
#include "flow/plans.h"
#include "flow/view.h"

struct datapath;

/* What a worker has done since the start. */
struct datapath_worker_stats {
	int cpu; /* -1: not pinned */
	bool asleep;
	uint64_t turns;	  /* rounds over its queues */
	uint64_t packets; /* handled */
	uint64_t sleeps;  /* until something happened */
	uint64_t naps;	  /* by the clock */
	uint64_t busy_ns; /* time in turns that had work */
	/* the same in clock_ticks(); rxq.busy_ticks is a queue's part of it */
	uint64_t busy_ticks;
	uint64_t poll_ns; /* how long it polls at present before it sleeps */
};

/* Somebody who waits for workers. Only datapath.c looks at what is in it. */
struct waiter {
	struct waiter *next;
	uint64_t generation;
	uint64_t since;
	bool complained;
	void (*fn)(void *arg);
	void *arg;
	bool drain;	   /* the inboxes have to be empty, too */
	bool settles;	   /* all that was counted has to be credited, too: */
	uint64_t injected; /* first of packets of ours, up to here in their inbox */
	uint64_t settle;   /* then by this number of worker_shared; 0: not asked for yet */
	bool credited;	   /* it is; then what points at what was counted has to be handed out */
	uint64_t ends[VIEW_WORKERS_MAX]; /* up to here in each worker's upcalls */
	unsigned n_looks;
	uint64_t turns[VIEW_WORKERS_MAX]; /* of each worker at the last look */
};

/* Starts @n_workers (1..VIEW_WORKERS_MAX) threads. @cpus: CPUs to pin them to in turn, "2,4-5";
 * NULL: not pinned. Returns 0, or -errno and a text.
 */
int datapath_create(struct datapath **out, struct event_base *base, unsigned n_workers,
		    const char *cpus, struct error *err);

/* Ends the threads; the last view is freed, what was to be called after a quiesce is called. NULL
 * is fine. */
void datapath_destroy(struct datapath *dp);

/* As given to datapath_create(). */
unsigned datapath_n_workers(const struct datapath *dp);

/* Makes @view the one that workers follow from their next batch on; takes it over and frees the old
 * one after a grace period. Registers and removes the wake-up fds of receive queues as they come
 * and go.
 */
void datapath_publish(struct datapath *dp, struct view *view);

/* Says that there was no memory for the view that is due: what is asked for by datapath_quiesce()
 * and datapath_drain() until the next datapath_publish() waits for that one.
 */
void datapath_owes_view(struct datapath *dp);

/* Calls @fn(@arg), from the loop, once no worker uses a view older than the newest now. */
void datapath_quiesce(struct datapath *dp, void (*fn)(void *arg), void *arg);

/* The same for a view that lists no receive queues, and once nothing is on its way between workers
 * (or that takes a second). Later calls of datapath_quiesce() do not wait for this one.
 */
void datapath_drain(struct datapath *dp, void (*fn)(void *arg), void *arg);

/* The same, once no worker uses rules older than those that are published now, packets of
 * datapath_packet_out() have left, all that packets did until then has been credited to rules,
 * groups and tables, and all that workers had for the control thread has been handed out: then
 * rules that are in no version any more can be freed. @w is the caller's, so that this cannot fail:
 * it must stay until @fn is called, and may go, or be used again, then. */
void datapath_settle(struct datapath *dp, struct waiter *w, void (*fn)(void *arg), void *arg);

/* Calls @fn(@arg, ...), from the loop, for what workers have for the control thread. The record and
 * what it points at are valid during the call. */
typedef void datapath_upcall_fn(void *arg, const struct upcall *u);
void datapath_set_upcall(struct datapath *dp, datapath_upcall_fn *fn, void *arg);

/* Lets a worker carry out @actions on @frame (at least ETH_HLEN bytes), as if it had come in by
 * @in_port (OFPORT) of the bridge whose rules are at @rules. @port: the number of that port in
 * views, 0: it came from nowhere. 0, -ENOENT when the view has no such port, or -ENOBUFS. */
int datapath_packet_out(struct datapath *dp, const struct pipeline *const *rules, uint32_t port,
			uint32_t in_port, const struct action_list *actions, const void *frame,
			uint32_t len);

/* Lets a worker handle the packet of an UPCALL_AGAIN, from the beginning. 0 or -ENOBUFS. */
int datapath_again(struct datapath *dp, const struct upcall *u);

/* Of a worker's cache of plans. */
void datapath_plans_stats(const struct datapath *dp, unsigned worker, struct plans_stats *stats);

/* Lets a worker handle @frame (at least ETH_HLEN bytes) as if it had been received on port @port.
 * 0, -ENOENT when the view has no such port, or -ENOBUFS. */
int datapath_inject(struct datapath *dp, uint32_t port, const void *frame, uint32_t len);

/* Counters of a worker (0..n_workers-1), as they are now. */
void datapath_worker_stats(const struct datapath *dp, unsigned worker,
			   struct datapath_worker_stats *stats);

/* Packets handled by all workers so far. */
uint64_t datapath_packets(const struct datapath *dp);

/* Bytes of packets in all inboxes, as they are now, and at most. */
void datapath_waiting(const struct datapath *dp, uint64_t *now, uint64_t *most);

/* Calls @fn(@arg), from the loop, once, when a worker handles packets; those that come at the same
 * moment as this call may not count. */
void datapath_await_packet(struct datapath *dp, void (*fn)(void *arg), void *arg);

/* Lets workers end, which must have nothing to do, and does not wait for it: for a process that is
 * about to end, and whose workers would poll on. */
void datapath_retire(struct datapath *dp);

/* Lets worker threads, when they wake up for the first time after datapath_look(), add 1 to the
 * eventfd @fd, which must not block and outlive the datapath. */
void datapath_set_bell(struct datapath *dp, int fd);

/* The same is done on behalf of this thread, at the beginning of something that may take long. */
void datapath_ring(struct datapath *dp);

/* Whether workers go on: the thread id of one that neither sleeps nor has had a turn since the last
 * call, 0: there is none. @asleep: all of them sleep until something happens, and the bell will
 * ring then. */
int datapath_look(struct datapath *dp, bool *asleep);

/* Workers never sleep (@always), or when there is nothing to do. */
void datapath_set_poll_always(struct datapath *dp, bool always);
bool datapath_poll_always(const struct datapath *dp);
