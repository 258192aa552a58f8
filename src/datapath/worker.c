// SPDX-License-Identifier: Apache-2.0
/* Worker threads: turns and sleep (see worker.h for how it works). */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/blame.h"
#include "base/clock.h"
#include "base/filter.h"
#include "base/log.h"
#include "base/notify.h"
#include "datapath/worker.h"

LOG_MODULE("worker");

#define CLOCK_TICKS 2000 /* about a microsecond: how old the time may be that packets see */
#define TIMER_SLACK_NS 1000ul
#define POLLED_QUEUE_MS 1 /* longest sleep while a queue cannot wake us */

static unsigned poll_queue(struct worker *w, const struct view *view, const struct view_rxq *rxq,
			   uint64_t now)
{
	const struct port_ops *ops = rxq->q->port->ops;
	struct batch *batch = w->batch;
	struct port_counters *c = &view->ports[rxq->port]->state->counters[w->id];
	const struct view *newest;

	blame_begin(rxq->q->port->name);
	batch_clear(batch);
	batch->most = fair_most(rxq->q);
	ops->rx(rxq->q, batch, c);
	if (!batch->n) {
		blame_end();
		return 0;
	}
	/* after the packets were taken: they meet the newest rules */
	newest = rcu_read(&w->shared->view);
	forward_batch(w->forwarder, newest, rxq, batch, now, c);
	ops->rx_done(rxq->q, batch);
	/* only now: forwarding may have come back to all that was in the list */
	unsettled_add_rx(&w->unsettled, rxq->q);
	blame_end();
	return batch->n;
}

/* The same, at its cost. */
static unsigned serve_queue(struct worker *w, const struct view *view, const struct view_rxq *rxq,
			    uint64_t now)
{
	struct fair *f = &w->fair;
	unsigned n;

	if (unlikely(fair_reads_before(f, rxq->q)))
		f->at = clock_ticks();
	n = poll_queue(w, view, rxq, now);
	if (n)
		fair_charge(f, rxq->q, n, clock_ticks());
	else
		fair_nothing(f, rxq->q);
	return n;
}

/* Those that were passed over, when nobody else had anything. */
static unsigned serve_debtors(struct worker *w, const struct view *view, uint64_t now)
{
	const struct view_worker *mine = &view->workers[w->id];
	unsigned n = 0;

	for (unsigned i = 0; i < mine->n_rxqs; i++)
		if (fair_forgives(mine->rxqs[i].q))
			n += serve_queue(w, view, &mine->rxqs[i], now);
	return n;
}

static void disarm(const struct view_worker *mine, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		mine->rxqs[i].q->port->ops->disarm(mine->rxqs[i].q);
}

/* One round over everything that may have work, which begins at @ticks. Returns how many packets
 * there were. */
static unsigned turn(struct worker *w, const struct view *view, uint64_t now, uint64_t ticks)
{
	const struct view_worker *mine = &view->workers[w->id];
	unsigned n = forward_inboxes(w->forwarder, view, now);

	if (w->armed) {
		disarm(mine, mine->n_rxqs);
		w->armed = false;
	}
	fair_begin(&w->fair, ticks, n > 0);
	for (unsigned i = 0; i < mine->n_rxqs; i++)
		if (likely(!fair_passes(&w->fair, mine->rxqs[i].q)))
			n += serve_queue(w, view, &mine->rxqs[i], now);
	if (unlikely(!n && w->fair.passed))
		n = serve_debtors(w, view, now);
	fair_end(&w->fair, mine->n_rxqs);
	return n;
}

/* Asks all queues to wake us. False, with nothing armed, when one of them has work already. */
static bool arm(const struct view_worker *mine, bool *all_wake)
{
	for (unsigned i = 0; i < mine->n_rxqs; i++) {
		struct rxq *q = mine->rxqs[i].q;

		if (q->wake_fd < 0)
			*all_wake = false;
		if (q->port->ops->arm(q)) {
			disarm(mine, i + 1);
			return false;
		}
	}
	return true;
}

/* Whether a packet that must wait keeps the inbox from being empty: then the next view wakes us. */
static bool only_held_left(struct worker *w, const struct view *view)
{
	unsigned n = forward_inboxes(w->forwarder, view, clock_ns());

	counter_add(&w->packets, n);
	return n == 0;
}

/* Waits for an event, @most nanoseconds, 0: for ever; unless all queues wake us, a millisecond at
 * most. Kernels before 5.11 know no shorter time: there, it is that or for ever. Returns how many
 * events there are. */
static int wait_for_event(struct worker *w, long most, bool all_wake)
{
	const struct timespec time = { .tv_nsec = most || all_wake ? most
								   : POLLED_QUEUE_MS * 1000000l };
	struct epoll_event events[16];
	int n = epoll_pwait2(w->epoll_fd, events, ARRAY_SIZE(events), time.tv_nsec ? &time : NULL,
			     NULL);

	if (n < 0 && errno == ENOSYS)
		n = epoll_wait(w->epoll_fd, events, ARRAY_SIZE(events),
			       all_wake ? -1 : POLLED_QUEUE_MS);
	return n;
}

/* Sleeps until something happens, unless something already has; @most: nanoseconds, 0: for ever. */
static void sleep_until_work(struct worker *w, const struct view *view, long most)
{
	const struct view_worker *mine = &view->workers[w->id];
	uint64_t generation = view->generation;
	bool all_wake = true;
	int n;

	if (!arm(mine, &all_wake))
		return;
	/* pairs with worker_wake(): work made visible before it saw us awake is seen below */
	(void)__atomic_exchange_n(&w->asleep, true, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&w->shared->generation, __ATOMIC_SEQ_CST) == generation &&
	    !__atomic_load_n(&w->shared->stop, __ATOMIC_SEQ_CST) &&
	    (forward_inboxes_empty(w->forwarder) || only_held_left(w, view))) {
		counter_add(&w->sleeps, 1);
		forward_settle(w->forwarder); /* who sleeps has nothing to credit */
		rcu_reader_offline();
		__atomic_store_n(&w->seen, WORKER_IDLE, __ATOMIC_SEQ_CST);
		__atomic_store_n(&w->sound, all_wake && !most, __ATOMIC_SEQ_CST);
		n = wait_for_event(w, most, all_wake);
		/* before anything is done that may never end; pairs with datapath_look() */
		__atomic_store_n(&w->sound, false, __ATOMIC_SEQ_CST);
		if (n > 0)
			worker_ring(w->shared);
		/* the view may be gone: it is not touched again, and queues are disarmed in the
		 * next turn */
		__atomic_store_n(&w->seen,
				 __atomic_load_n(&w->shared->generation, __ATOMIC_SEQ_CST),
				 __ATOMIC_SEQ_CST);
		rcu_reader_online();
		__atomic_store_n(&w->asleep, false, __ATOMIC_RELAXED);
		w->armed = true;
		return;
	}
	__atomic_store_n(&w->asleep, false, __ATOMIC_RELAXED);
	disarm(mine, mine->n_rxqs);
}

/* Sleeps for a short time, whatever happens. */
static void nap(struct worker *w)
{
	uint64_t end = clock_ns() + rest_nap_ns(&w->rest), now;
	struct timespec time = { .tv_nsec = (long)rest_nap_ns(&w->rest) };

	ppoll(NULL, 0, &time, NULL); /* which tap.c needs as well: workers may do little */
	now = clock_ns();
	rest_napped(&w->rest, now > end ? now - end : 0);
	counter_add(&w->naps, 1);
}

/* The control thread has nothing to do until there are packets, and there are. */
static void tell_packet(struct worker_shared *shared)
{
	uint64_t one = 1;

	if (__atomic_exchange_n(&shared->awaited, false, __ATOMIC_RELAXED) &&
	    write(shared->packet_fd, &one, sizeof(one)) < 0)
		log_limited(LOG_WARNING, "calling the control thread: %s", strerror(errno));
}

/* After a turn with @n packets. Returns whether it took time. */
static bool rest(struct worker *w, const struct view *view, uint64_t now, unsigned n)
{
	enum rest_choice choice = rest_choose(&w->rest, now, n);

	if (likely(choice == REST_POLL) ||
	    __atomic_load_n(&w->shared->poll_always, __ATOMIC_RELAXED))
		return false;
	if (choice == REST_NAP) {
		nap(w);
	} else {
		sleep_until_work(w, view, choice == REST_DOZE ? REST_DOZE_NS : 0);
		rest_slept(&w->rest, clock_ns());
	}
	return true;
}

/* Somebody wants to know what was counted: pairs with datapath_settle(). */
static void settle(struct worker *w, uint64_t asked)
{
	forward_settle(w->forwarder);
	__atomic_store_n(&w->settled, asked, __ATOMIC_RELEASE);
}

static void run(struct worker *w)
{
	struct worker_shared *shared = w->shared;
	uint64_t now = clock_ns(), ticks = clock_ticks(), now_ticks = ticks;

	while (!__atomic_load_n(&shared->stop, __ATOMIC_RELAXED)) {
		uint64_t generation = __atomic_load_n(&shared->generation, __ATOMIC_ACQUIRE);
		uint64_t before = ticks;
		uint64_t asked = __atomic_load_n(&shared->settle, __ATOMIC_ACQUIRE);
		const struct view *view;
		unsigned n;

		if (unlikely(generation != w->seen))
			unsettled_settle(&w->unsettled);
		if (unlikely(asked != w->settled))
			settle(w, asked);
		/* pairs with the load of @seen in datapath_quiesce() */
		__atomic_store_n(&w->seen, generation, __ATOMIC_RELEASE);
		view = __atomic_load_n(&shared->view, __ATOMIC_SEQ_CST);
		n = turn(w, view, now, ticks);
		unsettled_turn(&w->unsettled, n);
		ticks = fair_is_now(&w->fair) ? w->fair.at : clock_ticks();
		if (ticks - now_ticks > CLOCK_TICKS) {
			now = clock_ns();
			now_ticks = ticks;
		}
		counter_add(&w->turns, 1);
		if (n) {
			counter_add(&w->packets, n);
			counter_add(&w->busy_ticks, ticks - before);
			if (unlikely(__atomic_load_n(&shared->awaited, __ATOMIC_RELAXED)))
				tell_packet(shared);
		}
		if (rest(w, view, now, n)) {
			now = clock_ns();
			ticks = now_ticks = clock_ticks();
		}
		rcu_reader_quiescent();
	}
	unsettled_settle(&w->unsettled);
}

static void *main_of_thread(void *arg)
{
	struct worker *w = arg;
	struct error err;

	__atomic_store_n(&w->tid, gettid(), __ATOMIC_RELAXED);
	prctl(PR_SET_TIMERSLACK, TIMER_SLACK_NS);
	rcu_reader_register();
	notify_prepare();
	if (filter_enter(FILTER_WORKER, &err)) {
		log_error("worker %u: %s", w->id, err.text);
		abort();
	}
	run(w);
	forward_settle(w->forwarder);
	__atomic_store_n(&w->seen, WORKER_IDLE, __ATOMIC_SEQ_CST);
	rcu_reader_unregister();
	return NULL;
}

static int start_thread(struct worker *w)
{
	sigset_t all, old;
	pthread_attr_t attr;
	char name[16];
	cpu_set_t cpus;
	int r;

	pthread_attr_init(&attr);
	if (w->cpu >= 0) {
		CPU_ZERO(&cpus);
		CPU_SET(w->cpu, &cpus);
		pthread_attr_setaffinity_np(&attr, sizeof(cpus), &cpus);
	}
	/* signals are the control thread's, but for those that a thread brings on itself: guest
	 * memory that a front-end has cut off raises SIGBUS (virtio/bus_guard.h); and SIGABRT,
	 * which ends one that is stuck, and lays it at somebody's door (base/blame.h) */
	sigfillset(&all);
	sigdelset(&all, SIGBUS);
	sigdelset(&all, SIGABRT);
	sigdelset(&all, SIGSEGV);
	sigdelset(&all, SIGFPE);
	sigdelset(&all, SIGILL);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&w->thread, &attr, main_of_thread, w);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	if (r)
		return -r;
	w->running = true;
	snprintf(name, sizeof(name), "vireo-worker%u", w->id);
	pthread_setname_np(w->thread, name);
	return 0;
}

int worker_start(struct worker *w, struct worker_shared *shared, unsigned id, int cpu)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };

	*w = (struct worker){ .shared = shared, .id = id, .cpu = cpu, .seen = WORKER_IDLE };
	w->unsettled.worker = id;
	w->first_ns = clock_ns();
	rest_init(&w->rest, w->first_ns);
	fair_init(&w->fair);
	w->first_ticks = clock_ticks();
	w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	w->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w->epoll_fd < 0 || w->wake_fd < 0 ||
	    epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, w->wake_fd, &event) < 0)
		return -errno;
	if (upcalls_init(&w->upcalls, shared->upcall_fd) < 0)
		return -ENOMEM;
	w->has_upcalls = true;
	w->forwarder = forwarder_create(id, &shared->inboxes, &w->upcalls, &w->unsettled);
	w->batch = batch_create();
	if (!w->forwarder || !w->batch)
		return -ENOMEM;
	return start_thread(w);
}

void worker_join(struct worker *w)
{
	if (!w->running)
		return;
	worker_wake(w);
	pthread_join(w->thread, NULL);
	w->running = false;
}

void worker_free(struct worker *w)
{
	batch_destroy(w->batch);
	forwarder_destroy(w->forwarder);
	if (w->has_upcalls)
		upcalls_destroy(&w->upcalls);
	if (w->epoll_fd >= 0)
		close(w->epoll_fd);
	if (w->wake_fd >= 0)
		close(w->wake_fd);
}

void worker_ring(struct worker_shared *shared)
{
	uint64_t one = 1;

	if (!__atomic_load_n(&shared->rings, __ATOMIC_SEQ_CST) ||
	    !__atomic_exchange_n(&shared->rings, false, __ATOMIC_SEQ_CST))
		return;
	if (write(shared->bell_fd, &one, sizeof(one)) < 0)
		log_limited(LOG_WARNING, "telling the keeper: %s", strerror(errno));
}

void worker_wake(struct worker *w)
{
	uint64_t one = 1;

	/* pairs with the exchange in sleep_until_work(): the later of the two sees what came before
	 * the other */
	if (__atomic_exchange_n(&w->asleep, false, __ATOMIC_SEQ_CST) &&
	    write(w->wake_fd, &one, sizeof(one)) < 0)
		log_limited(LOG_WARNING, "waking worker %u: %s", w->id, strerror(errno));
}
