// SPDX-License-Identifier: Apache-2.0
/* What queues cost their workers, and moving them when one worker has too much to do and another
 * has time.
 *
 * Theory of operation. Workers take the time of each batch (datapath/fair.h); a queue's part of
 * their busy time, times the share of the time that the worker was busy, is its load. Every few
 * seconds the busiest worker is looked at. A full worker hides how much more its queues would
 * bring, so one queue moves at a time, and the next measurement decides about the next. A queue
 * that was moved rests: sharing queues with other workers has a price that shows only afterwards,
 * and must not make queues go back and forth.
 */
#include "base/log.h"
#include "switch/private.h"

LOG_MODULE("switch");

#define BUSY_PERCENT 80 /* a worker with less than this is left alone */
#define REST_NS (60 * NSEC_PER_SEC)

/* The new value of *@counter's owner minus the old one; a queue that was made anew begins at 0. */
static uint64_t grown(uint64_t *old, uint64_t now)
{
	uint64_t by = now >= *old ? now - *old : now;

	*old = now;
	return by;
}

/* Returns the ticks that it was busy since the last measurement. */
static uint64_t measure_worker(struct swtch *sw, unsigned w)
{
	struct worker_load *l = &sw->loads[w];
	struct datapath_worker_stats stats;
	uint64_t now = clock_ns(), busy;

	datapath_worker_stats(sw->dp, w, &stats);
	/* measured by a clock whose ticks are measured by another: it may seem to go back a little
	 */
	busy = stats.busy_ns > l->busy_ns ? stats.busy_ns - l->busy_ns : 0;
	l->busy_ns = stats.busy_ns;
	l->percent = now > l->at_ns ? 100.0 * (double)busy / (double)(now - l->at_ns) : 0;
	l->percent = min(l->percent, 100.0);
	l->at_ns = now;
	return grown(&l->busy_ticks, stats.busy_ticks);
}

static void measure_port(struct sw_port *p, const uint64_t *busy)
{
	for (unsigned q = 0; q < PORT_QUEUES_MAX; q++)
		p->loads[q].percent = 0;
	for (unsigned q = 0; p->port && q < p->port->n_rxqs; q++) {
		struct rxq *rxq = p->port->rxqs[q];
		struct pair_load *l = &p->loads[rxq->index];
		unsigned w = p->worker[rxq->index];
		uint64_t ticks = grown(&l->busy_ticks, counter_read(&rxq->busy_ticks));

		if (busy[w])
			l->percent =
				p->sw->loads[w].percent * min(1.0, (double)ticks / (double)busy[w]);
	}
}

static void measure(struct swtch *sw)
{
	uint64_t busy[VIEW_WORKERS_MAX];

	for (unsigned w = 0; w < datapath_n_workers(sw->dp); w++)
		busy[w] = measure_worker(sw, w);
	for (struct sw_port *p = sw->ports; p; p = p->next)
		measure_port(p, busy);
}

/* A queue pair that could move, and where to. */
struct move {
	struct sw_port *p;
	unsigned pair, to;
	double apart; /* how much the loads of the two workers would differ then */
};

/* Whether a queue of @load on a worker of @from should go to one of @to: the variance of the two
 * has to shrink by a quarter, or what is won is not worth the disturbance. @apart: as above.
 */
static bool helps(double from, double to, double load, double *apart)
{
	double before = from - to, after = before - 2 * load;

	*apart = after < 0 ? -after : after;
	return load > 0 && before > 0 && 4 * after * after <= 3 * before * before;
}

static void consider(struct move *best, struct sw_port *p, unsigned pair)
{
	const struct worker_load *loads = p->sw->loads;
	unsigned from = p->worker[pair];
	double apart;

	for (unsigned to = 0; to < datapath_n_workers(p->sw->dp); to++) {
		if (!helps(loads[from].percent, loads[to].percent, p->loads[pair].percent,
			   &apart) ||
		    (best->p && apart >= best->apart) ||
		    (switch_worker_is_far(p, to) && !switch_worker_is_far(p, from)))
			continue;
		*best = (struct move){ .p = p, .pair = pair, .to = to, .apart = apart };
	}
}

static bool may_move(const struct sw_port *p, unsigned pair, uint64_t now)
{
	const struct pair_load *l = &p->loads[pair];

	return !p->pinned[pair] && (!l->moved_ns || now - l->moved_ns > REST_NS);
}

static unsigned busiest_worker(const struct swtch *sw)
{
	unsigned busiest = 0;

	for (unsigned w = 1; w < datapath_n_workers(sw->dp); w++)
		if (sw->loads[w].percent > sw->loads[busiest].percent)
			busiest = w;
	return busiest;
}

void switch_rebalance(struct swtch *sw)
{
	unsigned from = busiest_worker(sw);
	uint64_t now = clock_ns();
	struct move best = { 0 };

	if (sw->keep_queues || sw->moving || sw->loads[from].percent < BUSY_PERCENT)
		return;
	for (struct sw_port *p = sw->ports; p; p = p->next)
		for (unsigned q = 0; p->port && !p->removing && q < p->port->n_rxqs; q++) {
			unsigned pair = p->port->rxqs[q]->index;

			if (p->worker[pair] == from && may_move(p, pair, now))
				consider(&best, p, pair);
		}
	if (!best.p)
		return;
	log_info(
		"%s queue %u moves from worker %u (%.0f %% busy, %.0f %% with it) to worker %u (%.0f %%)",
		best.p->name, best.pair, from, sw->loads[from].percent,
		best.p->loads[best.pair].percent, best.to, sw->loads[best.to].percent);
	best.p->loads[best.pair].why = PAIR_LOAD;
	best.p->loads[best.pair].moved_ns = now;
	switch_move_pair(best.p, best.pair, best.to);
}

/* A port that had no packets for a whole period has no flows that could be disturbed. */
static void settle_idle(struct sw_port *p)
{
	uint64_t n = switch_port_packets(p);
	bool idle = n == p->n_packets;

	p->n_packets = n;
	if (!idle || !memcmp(p->home, p->worker, sizeof(p->home)))
		return;
	switch_settle_port(p);
}

void switch_balance(struct swtch *sw)
{
	if (sw->moving)
		return;
	measure(sw);
	for (struct sw_port *p = sw->ports; p; p = p->next)
		settle_idle(p);
	/* what a queue that moved has cost, it cost two workers */
	if (sw->n_moves == sw->n_moves_measured)
		switch_rebalance(sw);
	sw->n_moves_measured = sw->n_moves;
}

const char *switch_pair_why(const struct sw_port *p, unsigned pair)
{
	static const char *const names[] = {
		[PAIR_COUNT] = "fewest queues",
		[PAIR_MEMORY] = "near its memory",
		[PAIR_LOAD] = "load",
	};

	return p->pinned[pair] ? "pinned" : names[p->loads[pair].why];
}
