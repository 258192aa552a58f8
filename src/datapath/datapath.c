// SPDX-License-Identifier: Apache-2.0
/* Workers as a whole: starting them, giving them views, waiting until they have let go of old ones.
 */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "datapath/datapath.h"
#include "datapath/worker.h"

LOG_MODULE("datapath");

#define QUIESCE_POLL_US 100	     /* between looks at the workers */
#define QUIESCE_LATE_NS NSEC_PER_SEC /* a worker that takes longer is worth a log line */
#define UPCALLS_TURN_NS 1000000	     /* how long records of a worker are handed out in a row */
#define DRAIN_LOOKS_MAX 10000	     /* at inboxes that do not become empty */

struct datapath {
	struct worker_shared shared;
	struct event *poll;		       /* looks at the workers while somebody waits */
	struct waiter *waiters, **last_waiter; /* in order of generation */
	bool owes_view;			       /* the newest is older than what was asked for */
	struct event *upcall;		       /* a worker has something for us */
	datapath_upcall_fn *on_upcall;
	void *upcall_arg;
	struct event *packet; /* there is one, which was awaited */
	void (*on_packet)(void *arg);
	void *packet_arg;
	uint64_t turns[VIEW_WORKERS_MAX]; /* of each worker, at the last datapath_look() */
};

/* The next CPU of a list like "2,4-5", from *@at on; the list is circular. -EINVAL when it is no
 * list of CPUs. */
static int next_cpu(const char *cpus, const char **at, int *in_range)
{
	char *end;
	long first, last;

	if (!**at)
		*at = cpus;
	first = last = strtol(*at, &end, 10);
	if (end == *at || first < 0)
		return -EINVAL;
	if (*end == '-') {
		const char *text = end + 1;

		last = strtol(text, &end, 10);
		if (end == text || last < first)
			return -EINVAL;
	}
	if ((*end && *end != ',') || last >= CPU_SETSIZE || (*end && !end[1]))
		return -EINVAL;
	first += *in_range;
	if (first < last) {
		++*in_range;
	} else {
		*in_range = 0;
		*at = *end ? end + 1 : end;
	}
	return (int)first;
}

/* The whole list, also what is behind the CPUs that get a worker. */
static int check_cpus(const char *cpus, struct error *err)
{
	const char *at = cpus;
	int in_range = 0;

	do {
		if (next_cpu(cpus, &at, &in_range) < 0)
			return error_set(err, -EINVAL,
					 "\"%s\" is no list of CPUs: write it like 2,4-5", cpus);
	} while (*at);
	return 0;
}

static int start_workers(struct datapath *dp, const char *cpus, struct error *err)
{
	struct worker_shared *shared = &dp->shared;
	const char *at = cpus;
	int in_range = 0;

	if (cpus && check_cpus(cpus, err) < 0)
		return -EINVAL;
	for (unsigned i = 0; i < shared->n_workers; i++) {
		int cpu = cpus ? next_cpu(cpus, &at, &in_range) : -1, r;

		r = worker_start(&shared->workers[i], shared, i, cpu);
		if (r == -EINVAL && cpu >= 0)
			return error_set(
				err, r, "cannot run a worker on CPU %d: there is no such CPU", cpu);
		if (r < 0)
			return error_set(err, r, "cannot start worker %u: %s", i, strerror(-r));
	}
	return 0;
}

static void on_packet(evutil_socket_t fd, short what, void *arg)
{
	struct datapath *dp = arg;
	uint64_t n;

	if (read(fd, &n, sizeof(n)) == sizeof(n) && dp->on_packet)
		dp->on_packet(dp->packet_arg);
}

uint64_t datapath_packets(const struct datapath *dp)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < dp->shared.n_workers; i++)
		n += counter_read(&dp->shared.workers[i].packets);
	return n;
}

void datapath_waiting(const struct datapath *dp, uint64_t *now, uint64_t *most)
{
	inboxes_waiting(&dp->shared.inboxes, now, most);
}

void datapath_await_packet(struct datapath *dp, void (*fn)(void *arg), void *arg)
{
	dp->on_packet = fn;
	dp->packet_arg = arg;
	__atomic_store_n(&dp->shared.awaited, true, __ATOMIC_RELAXED);
}

static bool passed(const struct datapath *dp, uint64_t generation)
{
	for (unsigned i = 0; i < dp->shared.n_workers; i++)
		/* pairs with the stores of @seen in worker.c; WORKER_IDLE is above all */
		if (__atomic_load_n(&dp->shared.workers[i].seen, __ATOMIC_SEQ_CST) < generation)
			return false;
	return true;
}

static void complain(struct waiter *w)
{
	if (w->complained || clock_ns() - w->since < QUIESCE_LATE_NS)
		return;
	w->complained = true;
	log_error("a worker has been stuck for a second; changes wait for it");
}

/* Whether every worker has had a turn, or sleeps, since this was last true for @w. */
static bool all_turned(const struct datapath *dp, struct waiter *w)
{
	for (unsigned i = 0; i < dp->shared.n_workers; i++)
		if (counter_read(&dp->shared.workers[i].turns) == w->turns[i] &&
		    !__atomic_load_n(&dp->shared.workers[i].asleep, __ATOMIC_RELAXED))
			return false;
	for (unsigned i = 0; i < dp->shared.n_workers; i++)
		w->turns[i] = counter_read(&dp->shared.workers[i].turns);
	return true;
}

/* Whether nothing is on its way any more, if @w waits for that. A port that stays held keeps its
 * packets in an inbox: after a second or so the others go on. What is counted are looks between
 * which all workers had a turn, not time: one that did not get its processor could not have emptied
 * its inbox.
 */
static bool drained(const struct datapath *dp, struct waiter *w)
{
	if (!w->drain || inboxes_empty(&dp->shared.inboxes))
		return true;
	return all_turned(dp, w) && ++w->n_looks > DRAIN_LOOKS_MAX;
}

/* Asks workers to credit what they have counted, once those packets have left that came from us. */
static void ask_to_settle(struct datapath *dp, struct waiter *w)
{
	if (!w->settle && spsc_consumed(inboxes_of_control(&dp->shared.inboxes)) >= w->injected)
		w->settle = __atomic_add_fetch(&dp->shared.settle, 1, __ATOMIC_SEQ_CST);
}

/* Whether all workers have credited what they had counted when @w began to wait. */
static bool settled(struct datapath *dp, struct waiter *w)
{
	ask_to_settle(dp, w);
	for (unsigned i = 0; i < dp->shared.n_workers; i++) {
		const struct worker *worker = &dp->shared.workers[i];

		/* who sleeps has credited all before; pairs with settle() in worker.c */
		if (__atomic_load_n(&worker->settled, __ATOMIC_ACQUIRE) < w->settle &&
		    __atomic_load_n(&worker->seen, __ATOMIC_SEQ_CST) != WORKER_IDLE)
			return false;
	}
	return w->settle;
}

/* Hands out the oldest record of a queue. False: it is empty. */
static bool hand_out(struct datapath *dp, struct upcalls *up)
{
	struct upcall *u = upcalls_next(up);

	if (!u)
		return false;
	if (dp->on_upcall)
		dp->on_upcall(dp->upcall_arg, u);
	upcalls_release(up);
	return true;
}

/* What is in a worker's queue, for a while. Whether it is empty now. */
static bool hand_out_some(struct datapath *dp, struct upcalls *up)
{
	uint64_t until = clock_ns() + UPCALLS_TURN_NS;

	while (hand_out(dp, up))
		if (clock_ns() > until)
			return false;
	return true;
}

static void on_upcall(evutil_socket_t fd, short what, void *arg)
{
	struct datapath *dp = arg;
	uint64_t n, one = 1;
	bool empty = true;

	if (fd >= 0 && read(fd, &n, sizeof(n)) < 0 && errno != EAGAIN)
		log_limited(LOG_WARNING, "reading what workers want: %s", strerror(errno));
	for (unsigned i = 0; i < dp->shared.n_workers; i++)
		empty &= hand_out_some(dp, &dp->shared.workers[i].upcalls);
	/* not event_active(), which would go on without a look at sockets and timers */
	if (!empty && write(dp->shared.upcall_fd, &one, sizeof(one)) < 0)
		log_limited(LOG_WARNING, "calling the control thread: %s", strerror(errno));
}

/* Whether all that workers had in their queues when they had credited is handed out: it points at
 * what may be freed next. What they put there later does not, and may never end. */
static bool handed_out(const struct datapath *dp, struct waiter *w)
{
	for (unsigned i = 0; !w->credited && i < dp->shared.n_workers; i++)
		w->ends[i] = spsc_published(&dp->shared.workers[i].upcalls.queue);
	w->credited = true;
	for (unsigned i = 0; i < dp->shared.n_workers; i++)
		if (spsc_consumed(&dp->shared.workers[i].upcalls.queue) < w->ends[i])
			return false;
	return true;
}

/* Those who wait for counts are called in the order in which they came, too: what one of them frees
 * may be what an earlier one is about. @settles: earlier ones still wait. */
static bool is_over(struct datapath *dp, struct waiter *w, bool *settles)
{
	if (!w->settles)
		return drained(dp, w);
	if (!w->credited && !settled(dp, w))
		*settles = true;
	else
		*settles |= !handed_out(dp, w);
	return !*settles;
}

/* It is over for @w, which may be gone then. */
static void call(struct waiter *w)
{
	bool lent = w->settles;

	w->fn(w->arg);
	if (!lent)
		free(w);
}

static void look_at_workers(evutil_socket_t fd, short what, void *arg)
{
	struct timeval tv = { .tv_usec = QUIESCE_POLL_US };
	struct datapath *dp = arg;
	struct waiter *w, **at = &dp->waiters;
	bool settles = false;

	while ((w = *at) && passed(dp, w->generation)) {
		if (!is_over(dp, w, &settles)) {
			at = &w->next;
			continue;
		}
		*at = w->next;
		if (!w->next)
			dp->last_waiter = at;
		call(w); /* may add waiters */
	}
	if (dp->waiters) {
		complain(dp->waiters);
		event_add(dp->poll, &tv);
	}
}

static void stop_workers(struct datapath *dp)
{
	__atomic_store_n(&dp->shared.stop, true, __ATOMIC_SEQ_CST);
	for (unsigned i = 0; i < dp->shared.n_workers; i++)
		worker_join(&dp->shared.workers[i]);
	for (unsigned i = 0; i < dp->shared.n_workers; i++)
		worker_free(&dp->shared.workers[i]);
}

static struct view *empty_view(unsigned n_workers)
{
	struct view *v = calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	v->n_workers = n_workers;
	v->workers = calloc(n_workers, sizeof(*v->workers));
	v->memory = v->workers;
	if (v->workers)
		return v;
	free(v);
	return NULL;
}

int datapath_create(struct datapath **out, struct event_base *base, unsigned n_workers,
		    const char *cpus, struct error *err)
{
	struct datapath *dp = calloc(1, sizeof(*dp));
	int r = -ENOMEM;

	if (!dp)
		return error_set(err, r, "out of memory");
	dp->last_waiter = &dp->waiters;
	dp->shared.n_workers = n_workers;
	dp->shared.workers = aligned_alloc(CACHE_LINE, n_workers * sizeof(struct worker));
	dp->shared.view = empty_view(n_workers);
	dp->poll = evtimer_new(base, look_at_workers, dp);
	dp->shared.packet_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	dp->shared.upcall_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	dp->upcall = event_new(base, dp->shared.upcall_fd, EV_READ | EV_PERSIST, on_upcall, dp);
	dp->shared.bell_fd = -1;
	dp->packet = event_new(base, dp->shared.packet_fd, EV_READ | EV_PERSIST, on_packet, dp);
	if (!dp->shared.workers || !dp->shared.view || !dp->poll || dp->shared.packet_fd < 0 ||
	    !dp->packet || event_add(dp->packet, NULL) < 0 || dp->shared.upcall_fd < 0 ||
	    !dp->upcall || event_add(dp->upcall, NULL) < 0 ||
	    inboxes_init(&dp->shared.inboxes, n_workers) < 0) {
		error_set(err, r, "out of memory");
		dp->shared.n_workers = 0;
		goto fail;
	}
	for (unsigned i = 0; i < n_workers; i++)
		dp->shared.workers[i] = (struct worker){ .epoll_fd = -1, .wake_fd = -1 };
	r = start_workers(dp, cpus, err);
	if (r < 0)
		goto fail;
	*out = dp;
	return 0;
fail:
	datapath_destroy(dp);
	return r;
}

static void view_free(struct rcu_free *item)
{
	struct view *view = container_of(item, struct view, rcu);

	free(view->memory);
	free(view);
}

void datapath_destroy(struct datapath *dp)
{
	struct waiter *w;

	if (!dp)
		return;
	stop_workers(dp);
	while ((w = dp->waiters)) {
		dp->waiters = w->next;
		call(w);
	}
	if (dp->shared.view)
		view_free(&dp->shared.view->rcu);
	inboxes_destroy(&dp->shared.inboxes);
	if (dp->poll)
		event_free(dp->poll);
	if (dp->packet)
		event_free(dp->packet);
	if (dp->upcall)
		event_free(dp->upcall);
	if (dp->shared.packet_fd >= 0)
		close(dp->shared.packet_fd);
	if (dp->shared.upcall_fd >= 0)
		close(dp->shared.upcall_fd);
	free(dp->shared.workers);
	free(dp);
}

unsigned datapath_n_workers(const struct datapath *dp)
{
	return dp->shared.n_workers;
}

static bool view_polls(const struct view *view, unsigned worker, const struct rxq *q)
{
	const struct view_worker *w = &view->workers[worker];

	for (unsigned i = 0; i < w->n_rxqs; i++)
		if (w->rxqs[i].q == q)
			return true;
	return false;
}

static void watch(const struct worker *w, const struct rxq *q)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };

	if (q->wake_fd >= 0 && epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, q->wake_fd, &event) < 0)
		log_limited(LOG_WARNING, "%s queue %u cannot wake worker %u: %s", q->port->name,
			    q->index, w->id, strerror(errno));
}

static void unwatch(const struct worker *w, const struct rxq *q)
{
	if (q->wake_fd >= 0)
		epoll_ctl(w->epoll_fd, EPOLL_CTL_DEL, q->wake_fd, NULL);
}

/* Lets each worker wait for its queues in @new and no longer for those it had only in @old. */
static void update_watches(struct datapath *dp, const struct view *old, const struct view *new)
{
	for (unsigned i = 0; i < dp->shared.n_workers; i++) {
		const struct view_worker *had = &old->workers[i], *has = &new->workers[i];

		for (unsigned q = 0; q < had->n_rxqs; q++)
			if (!view_polls(new, i, had->rxqs[q].q))
				unwatch(&dp->shared.workers[i], had->rxqs[q].q);
		for (unsigned q = 0; q < has->n_rxqs; q++)
			if (!view_polls(old, i, has->rxqs[q].q))
				watch(&dp->shared.workers[i], has->rxqs[q].q);
	}
}

static void wake_all(struct datapath *dp)
{
	for (unsigned i = 0; i < dp->shared.n_workers; i++)
		worker_wake(&dp->shared.workers[i]);
}

void datapath_publish(struct datapath *dp, struct view *view)
{
	struct view *old = dp->shared.view;

	dp->owes_view = false;
	view->generation = old->generation + 1;
	update_watches(dp, old, view);
	__atomic_store_n(&dp->shared.view, view, __ATOMIC_SEQ_CST);
	__atomic_store_n(&dp->shared.generation, view->generation, __ATOMIC_SEQ_CST);
	rcu_free_later(&old->rcu, view_free);
	wake_all(dp);
}

static void begin(struct datapath *dp, struct waiter *w, void (*fn)(void *arg), void *arg)
{
	static const struct timeval now;

	*w = (struct waiter){
		.generation = dp->shared.generation + dp->owes_view,
		.since = clock_ns(),
		.fn = fn,
		.arg = arg,
	};
	*dp->last_waiter = w;
	dp->last_waiter = &w->next;
	event_add(dp->poll, &now);
}

static void wait_for_workers(struct datapath *dp, bool drain, void (*fn)(void *arg), void *arg)
{
	struct waiter *w = malloc(sizeof(*w));

	if (!w) {
		/* nothing may be skipped: wait here, which takes a turn of a worker */
		while (!passed(dp, dp->shared.generation))
			poll(NULL, 0, 1);
		fn(arg);
		return;
	}
	begin(dp, w, fn, arg);
	w->drain = drain;
}

void datapath_owes_view(struct datapath *dp)
{
	dp->owes_view = true;
}

void datapath_quiesce(struct datapath *dp, void (*fn)(void *arg), void *arg)
{
	wait_for_workers(dp, false, fn, arg);
}

void datapath_drain(struct datapath *dp, void (*fn)(void *arg), void *arg)
{
	wait_for_workers(dp, true, fn, arg);
}

void datapath_settle(struct datapath *dp, struct waiter *w, void (*fn)(void *arg), void *arg)
{
	begin(dp, w, fn, arg);
	w->settles = true;
	w->injected = spsc_published(inboxes_of_control(&dp->shared.inboxes));
	ask_to_settle(dp, w);
}

void datapath_set_upcall(struct datapath *dp, datapath_upcall_fn *fn, void *arg)
{
	dp->on_upcall = fn;
	dp->upcall_arg = arg;
}

/* Lets worker 0 have a packet with @actions, or NULL. */
static int put_packet(struct datapath *dp, const struct record *r, const void *actions,
		      const void *frame)
{
	int e = inboxes_put(&dp->shared.inboxes, r, actions, frame);

	if (e == 0)
		worker_wake(&dp->shared.workers[0]);
	return e;
}

int datapath_packet_out(struct datapath *dp, const struct pipeline *const *rules, uint32_t port,
			uint32_t in_port, const struct action_list *actions, const void *frame,
			uint32_t len)
{
	const struct view *view = dp->shared.view;
	struct record r = {
		.kind = RECORD_PACKET_OUT,
		.len = len,
		.actions_len = actions->len,
		.in_port = in_port,
		.rules = rules,
	};

	if (port && (port >= view->n_ports || !view->ports[port]))
		return -ENOENT;
	if (port) {
		r.port = port;
		r.serial = view->ports[port]->serial;
	}
	return put_packet(dp, &r, actions->bytes, frame);
}

int datapath_again(struct datapath *dp, const struct upcall *u)
{
	const struct record r = {
		.kind = RECORD_TAUGHT,
		.port = u->port,
		.serial = u->serial,
		.len = u->frame_len,
		.actions_len = u->actions_len,
		.in_port = u->in_port,
		.rules = u->rules,
		.offload = u->offload,
		.hops = u->hops,
		.n_crossings = u->n_crossings,
		.n_waits = u->n_waits,
		.version = u->version,
	};

	return put_packet(dp, &r, u->actions, u->frame);
}

void datapath_plans_stats(const struct datapath *dp, unsigned worker, struct plans_stats *stats)
{
	forward_stats(dp->shared.workers[worker].forwarder, stats);
}

int datapath_inject(struct datapath *dp, uint32_t port, const void *frame, uint32_t len)
{
	const struct view *view = dp->shared.view;
	int r;

	if (port >= view->n_ports || !view->ports[port])
		return -ENOENT;
	r = inboxes_inject(&dp->shared.inboxes, view->ports[port], frame, len);
	if (r == 0)
		worker_wake(&dp->shared.workers[0]);
	return r;
}

void datapath_retire(struct datapath *dp)
{
	__atomic_store_n(&dp->shared.stop, true, __ATOMIC_SEQ_CST);
	wake_all(dp);
}

void datapath_set_bell(struct datapath *dp, int fd)
{
	dp->shared.bell_fd = fd;
}

void datapath_ring(struct datapath *dp)
{
	worker_ring(&dp->shared);
}

/* Whether a worker that sleeps, and whose sleep has no end of its own, rings when it wakes up. */
static bool all_sound(const struct datapath *dp)
{
	/* pairs with worker_ring() behind the store to @sound: a worker that is still seen asleep
	 * here finds the flag when it wakes up */
	for (unsigned i = 0; i < dp->shared.n_workers; i++)
		if (!__atomic_load_n(&dp->shared.workers[i].sound, __ATOMIC_SEQ_CST))
			return false;
	return true;
}

int datapath_look(struct datapath *dp, bool *asleep)
{
	int stuck = 0;

	if (dp->shared.bell_fd >= 0)
		__atomic_store_n(&dp->shared.rings, true, __ATOMIC_SEQ_CST);
	*asleep = dp->shared.bell_fd >= 0 && all_sound(dp);
	for (unsigned i = 0; i < dp->shared.n_workers; i++) {
		const struct worker *w = &dp->shared.workers[i];
		uint64_t turns = counter_read(&w->turns);

		if (turns == dp->turns[i] && !__atomic_load_n(&w->asleep, __ATOMIC_RELAXED) &&
		    !stuck)
			stuck = __atomic_load_n(&w->tid, __ATOMIC_RELAXED);
		dp->turns[i] = turns;
	}
	return stuck;
}

static double ns_per_tick(const struct worker *w)
{
	uint64_t ticks = clock_ticks() - w->first_ticks;

	return ticks ? (double)(clock_ns() - w->first_ns) / (double)ticks : 0;
}

void datapath_worker_stats(const struct datapath *dp, unsigned worker,
			   struct datapath_worker_stats *stats)
{
	const struct worker *w = &dp->shared.workers[worker];

	*stats = (struct datapath_worker_stats){
		.cpu = w->cpu,
		.asleep = __atomic_load_n(&w->asleep, __ATOMIC_RELAXED),
		.turns = counter_read(&w->turns),
		.packets = counter_read(&w->packets),
		.sleeps = counter_read(&w->sleeps),
		.naps = counter_read(&w->naps),
		.busy_ns = (uint64_t)((double)counter_read(&w->busy_ticks) * ns_per_tick(w)),
		.busy_ticks = counter_read(&w->busy_ticks),
		.poll_ns = counter_read(&w->rest.poll_ns),
	};
}

void datapath_set_poll_always(struct datapath *dp, bool always)
{
	__atomic_store_n(&dp->shared.poll_always, always, __ATOMIC_RELAXED);
	wake_all(dp);
}

bool datapath_poll_always(const struct datapath *dp)
{
	return dp->shared.poll_always;
}
