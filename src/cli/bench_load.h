/* SPDX-License-Identifier: Apache-2.0 */
/* The load itself: one thread polls all ports, sends and receives in bursts, counts and checks.
 */
#pragma once

#include <signal.h>

#include "cli/bench_port.h"
#include "cli/histogram.h"

/* What of a flood takes turns, within the measured time. */
enum bench_turn_kind {
	BENCH_TURN_FRESH, /* also where there are no turns */
	BENCH_TURN_ALONE, /* it sends nothing */
	BENCH_TURN_KNOWN, /* each port sends from its own address */
	BENCH_TURNS
};

/* All turns of one kind. */
struct bench_turn {
	uint64_t ns;
	struct bench_counters counters[BENCH_PORTS_MAX];
};

/* Ports and what came of them. The caller fills in config, base, n_ports and what interrupt points
 * to, and opens the ports, in order: each sends to bench_load_receiver(). */
struct bench_load {
	const struct bench_config *config;
	struct event_base *base;
	struct bench_port ports[BENCH_PORTS_MAX];
	unsigned n_ports;
	const volatile sig_atomic_t *interrupted; /* true: end early */

	uint64_t began; /* when the load did, by clock_ns() */
	enum bench_turn_kind turn;

	/* Results. */
	struct bench_counters measured[BENCH_PORTS_MAX]; /* in the measured time */
	struct bench_turn turns[BENCH_TURNS];
	uint64_t measured_ns;
	uint64_t cpu_ns;	  /* of that: the thread had a processor */
	uint64_t busy_ns;	  /* of that: in turns in which there was something to do */
	uint64_t kicks;		  /* that the back-ends wanted meanwhile: system calls */
	struct histogram latency; /* ns from sending to receiving, in the measured time */
};

/* Waits until all ports are up. Returns 0, or -errno and a text. */
int bench_load_connect(struct bench_load *load, struct error *err);

/* Announces the ports' addresses, loads for warmup_ns and measure_ns, and waits for what is still
 * on its way. Returns 0, or -errno and a text: a connection lost, a broken ring, nothing that comes
 * back. Results up to then are there. */
int bench_load_run(struct bench_load *load, struct error *err);

/* The port that gets the frames of port @index, of @n_ports: the next one, the last one's the
 * first; the last @n_flood of them keep to themselves, as do the others. */
unsigned bench_load_receiver(unsigned n_ports, unsigned n_flood, unsigned index);

/* Whether frames carry the time, so that there is a latency. Else nothing touches them, and they
 * are told by their length. */
bool bench_config_stamps(const struct bench_config *config);
