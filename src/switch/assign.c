// SPDX-License-Identifier: Apache-2.0
/* Which worker serves which queue pair: the one with the fewest of the port's, then with the fewest
 * of all, preferably near the guest's memory. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "switch/private.h"

#define BUSY_SAMPLE_NS (NSEC_PER_SEC / 2) /* shortest time over which a worker's load is told */

/* NUMA node of a CPU, -1 when unknown. */
static int cpu_node(int cpu)
{
	char path[64];

	for (int node = 0; cpu >= 0 && node < 64; node++) {
		snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/node%d", cpu, node);
		if (access(path, F_OK) == 0)
			return node;
	}
	return -1;
}

int switch_find_nodes(struct swtch *sw)
{
	unsigned n = datapath_n_workers(sw->dp);
	struct datapath_worker_stats stats;

	sw->nodes = calloc(n, sizeof(*sw->nodes));
	if (!sw->nodes)
		return -ENOMEM;
	for (unsigned w = 0; w < n; w++) {
		datapath_worker_stats(sw->dp, w, &stats);
		sw->nodes[w] = cpu_node(stats.cpu);
	}
	return 0;
}

/* Queue pairs of @p at @worker, but for @but. */
static unsigned n_pairs_of(const struct sw_port *p, unsigned worker, unsigned but)
{
	unsigned n = 0;

	for (unsigned q = 0; q < PORT_QUEUES_MAX; q++)
		n += q != but && p->assigned[q] && p->target[q] == worker;
	return n;
}

static unsigned n_queues_of(const struct swtch *sw, unsigned worker)
{
	unsigned n = 0;

	for (const struct sw_port *p = sw->ports; p; p = p->next)
		n += n_pairs_of(p, worker, PORT_QUEUES_MAX);
	return n;
}

bool switch_worker_is_far(const struct sw_port *p, unsigned worker)
{
	int node = p->sw->nodes[worker];

	if (p->port->numa_node < 0)
		return false;
	return node >= 0 && node != p->port->numa_node;
}

/* The best worker for queue pair @pair, which itself does not count. */
static unsigned choose_worker(struct sw_port *p, unsigned pair)
{
	unsigned n_workers = datapath_n_workers(p->sw->dp), best = 0, best_cost = UINT32_MAX;
	enum pair_why why = PAIR_COUNT;

	if (n_workers == 1)
		return 0;
	for (unsigned w = 0; w < n_workers; w++) {
		unsigned cost = n_queues_of(p->sw, w) - (p->assigned[pair] && p->target[pair] == w);

		/* two ports may come up at once, their pairs in turn: with one of each port at
		 * each worker, workers share no transmit queue */
		cost += n_pairs_of(p, w, pair) << 16;
		/* memory of another node costs more than a shared worker */
		if (switch_worker_is_far(p, w)) {
			cost += 1u << 24;
			why = PAIR_MEMORY;
		}
		if (cost < best_cost) {
			best_cost = cost;
			best = w;
		}
	}
	p->loads[pair].why = why;
	return best;
}

static void assign_pair(struct sw_port *p, unsigned pair)
{
	if (p->assigned[pair])
		return;
	p->worker[pair] = p->target[pair] = p->home[pair] = (uint8_t)choose_worker(p, pair);
	p->assigned[pair] = true;
}

void switch_assign(struct sw_port *p)
{
	/* no flow is on a queue: when the port comes up again, let all begin where they are */
	if (!p->port->n_rxqs && !p->port->n_txqs)
		memcpy(p->home, p->worker, sizeof(p->home));
	for (unsigned q = 0; q < p->port->n_rxqs; q++)
		assign_pair(p, p->port->rxqs[q]->index);
	for (unsigned q = 0; q < p->port->n_txqs; q++)
		assign_pair(p, p->port->txqs[q]->index);
}

/* Nothing is on its way between workers any more: queues may change hands. */
static void moved(void *arg)
{
	struct swtch *sw = arg;

	sw->moving = false;
	for (struct sw_port *p = sw->ports; p; p = p->next) {
		sw->n_moves += memcmp(p->worker, p->target, sizeof(p->worker)) != 0;
		memcpy(p->worker, p->target, sizeof(p->worker));
		/* no flow could be disturbed, and many are pinned right away */
		if (p->settles || !switch_port_packets(p))
			memcpy(p->home, p->worker, sizeof(p->home));
		p->settles = false;
	}
	if (!sw->destroying)
		switch_publish(sw);
}

/* Nobody receives until all that was received is sent, then queues change hands. */
static void move(struct swtch *sw)
{
	if (sw->moving)
		return;
	sw->moving = true;
	switch_publish(sw);
	datapath_drain(sw->dp, moved, sw);
}

void switch_settle_port(struct sw_port *p)
{
	p->settles = true;
	move(p->sw);
}

static bool has_queue(const struct sw_port *p, unsigned pair)
{
	for (unsigned q = 0; q < p->port->n_rxqs; q++)
		if (p->port->rxqs[q]->index == pair)
			return true;
	for (unsigned q = 0; q < p->port->n_txqs; q++)
		if (p->port->txqs[q]->index == pair)
			return true;
	return false;
}

uint64_t switch_port_packets(const struct sw_port *p)
{
	uint64_t n = 0;

	for (unsigned w = 0; w < datapath_n_workers(p->sw->dp); w++)
		n += counter_read(&p->state->counters[w].rx_packets) +
		     counter_read(&p->state->counters[w].tx_packets);
	return n;
}

void switch_move_pair(struct sw_port *p, unsigned pair, unsigned worker)
{
	p->target[pair] = (uint8_t)worker;
	if (!p->assigned[pair] || !has_queue(p, pair)) {
		p->worker[pair] = p->home[pair] = (uint8_t)worker;
		p->assigned[pair] = true;
	}
	if (p->worker[pair] != worker)
		move(p->sw);
}

/* Of "worker": a number, or "auto". */
static bool read_worker(const char *text, unsigned *worker)
{
	char end;

	return *text >= '0' && *text <= '9' && sscanf(text, "%u%c", worker, &end) == 1;
}

static json_t *check_worker(const char *text, struct error *err)
{
	unsigned worker;

	if (!strcmp(text, "auto") || (read_worker(text, &worker) && worker < VIEW_WORKERS_MAX))
		return json_string(text);
	error_set(err, -EINVAL, "\"%.40s\" is no worker: give its number, or auto", text);
	return NULL;
}

json_t *switch_worker_canonical(const json_t *params, struct error *err)
{
	static const char *const ways[] = { "adaptive", "always", NULL };
	static const struct option poll_table[] = {
		{ .name = "poll",
		  .type = OPTION_CHOICE,
		  .flags = OPTION_REQUIRED,
		  .choices = ways },
		{ 0 },
	};
	static const struct option queue_table[] = {
		{ .name = "port", .type = OPTION_STRING, .flags = OPTION_REQUIRED },
		{ .name = "queue",
		  .type = OPTION_UINT,
		  .flags = OPTION_REQUIRED,
		  .max = PORT_QUEUES_MAX - 1 },
		{ .name = "worker",
		  .type = OPTION_CUSTOM,
		  .flags = OPTION_REQUIRED,
		  .check = check_worker },
		{ 0 },
	};
	static const struct option balance_table[] = {
		{ .name = "rebalance", .type = OPTION_BOOL, .flags = OPTION_REQUIRED },
		{ 0 },
	};
	const struct option *table = json_object_get(params, "poll")	    ? poll_table
				     : json_object_get(params, "rebalance") ? balance_table
									    : queue_table;
	const struct option *const tables[] = { table, NULL };
	json_t *checked = json_deep_copy(params);

	if (options_check(tables, checked, true, err) == 0)
		return checked;
	json_decref(checked);
	return NULL;
}

static int set_queue(struct swtch *sw, const json_t *checked, struct error *err)
{
	const char *port = option_string(checked, "port", "");
	const char *word = option_string(checked, "worker", "");
	unsigned pair = (unsigned)option_uint(checked, "queue", 0), worker;
	struct sw_port *p = switch_find_port(sw, port);

	if (!p || p->removing)
		return switch_no_such_port(sw, port, err);
	if (!read_worker(word, &worker)) {
		p->pinned[pair] = false;
		switch_move_pair(p, pair, choose_worker(p, pair));
		return 0;
	}
	if (worker >= datapath_n_workers(sw->dp))
		return error_set(err, -EINVAL, "no worker %u: use 0 to %u, or auto", worker,
				 datapath_n_workers(sw->dp) - 1);
	p->pinned[pair] = true;
	switch_move_pair(p, pair, worker);
	return 0;
}

int switch_worker_set(struct swtch *sw, const json_t *params, struct error *err)
{
	json_t *checked = switch_worker_canonical(params, err);
	const char *poll;
	int r = 0;

	if (!checked)
		return -EINVAL;
	poll = option_string(checked, "poll", NULL);
	if (poll)
		datapath_set_poll_always(sw->dp, !strcmp(poll, "always"));
	else if (json_object_get(checked, "rebalance"))
		sw->keep_queues = !option_bool(checked, "rebalance", true);
	else
		r = set_queue(sw, checked, err);
	json_decref(checked);
	return r;
}

static json_t *queues_of(const struct swtch *sw, unsigned worker)
{
	json_t *list = json_array();

	for (const struct sw_port *p = sw->ports; p; p = p->next)
		for (unsigned q = 0; p->port && q < p->port->n_rxqs; q++) {
			unsigned pair = p->port->rxqs[q]->index;

			if (p->target[pair] == worker)
				json_array_append_new(
					list,
					json_pack("{s:s, s:i, s:i, s:b, s:s, s:f}", "port", p->name,
						  "queue", pair, "home", p->home[pair], "pinned",
						  p->pinned[pair], "why", switch_pair_why(p, pair),
						  "load_percent", p->loads[pair].percent));
		}
	return list;
}

/* Share of the time since the last look that the worker was busy. Looks that follow each other
 * closely (several people watch) get the same answer.
 */
static double busy_percent(struct swtch *sw, unsigned w, uint64_t busy)
{
	struct busy_sample *s = &sw->busy[w];
	uint64_t now = clock_ns(), passed = now - s->at_ns;

	if (passed < BUSY_SAMPLE_NS)
		return s->percent;
	/* how long a tick is, is known better each time: a worker that did nothing may have less */
	busy = max(busy, s->busy_ns);
	s->percent = 100.0 * (double)(busy - s->busy_ns) / (double)passed;
	s->percent = min(s->percent, 100.0);
	s->busy_ns = busy;
	s->at_ns = now;
	return s->percent;
}

json_t *switch_worker_show(struct swtch *sw)
{
	json_t *list = json_array();

	for (unsigned w = 0; w < datapath_n_workers(sw->dp); w++) {
		struct datapath_worker_stats s;
		json_t *o;

		datapath_worker_stats(sw->dp, w, &s);
		o = json_pack("{s:i, s:s, s:f, s:f, s:I, s:I, s:I, s:I, s:I, s:f, s:s, s:b, s:o}",
			      "worker", w, "state", s.asleep ? "asleep" : "polling", "busy_percent",
			      busy_percent(sw, w, s.busy_ns), "load_percent", sw->loads[w].percent,
			      "busy_ns", (json_int_t)s.busy_ns, "packets", (json_int_t)s.packets,
			      "turns", (json_int_t)s.turns, "sleeps", (json_int_t)s.sleeps, "naps",
			      (json_int_t)s.naps, "poll_us", (double)s.poll_ns / NSEC_PER_USEC,
			      "poll", datapath_poll_always(sw->dp) ? "always" : "adaptive",
			      "rebalance", !sw->keep_queues, "queues", queues_of(sw, w));
		if (s.cpu >= 0)
			json_object_set_new(o, "cpu", json_integer(s.cpu));
		json_array_append_new(list, o);
	}
	return list;
}
