// SPDX-License-Identifier: Apache-2.0
/* What a load came to. */
#include "cli/bench_report.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/compiler.h"

#define BAR_WIDTH 40 /* characters */
#define ROWS 64	     /* powers of two */
#define PORT_FORMAT "%-5s %13s %13s %10s %13s %8s %8s  %s\n"

static const char *const kinds[] = {
	[BENCH_OPEN] = "open", [BENCH_LOOP] = "loop", [BENCH_PING] = "ping"
};

static const char *const tsos[] = {
	[BENCH_TSO_OFF] = "off", [BENCH_TSO_ON] = "on", [BENCH_TSO_SEND] = "send"
};

static const char *const turn_names[] = {
	[BENCH_TURN_FRESH] = "fresh", [BENCH_TURN_ALONE] = "alone", [BENCH_TURN_KNOWN] = "known"
};

static double per_second(const struct bench_load *load, uint64_t count)
{
	return load->measured_ns ? (double)count * NSEC_PER_SEC / (double)load->measured_ns : 0;
}

/* @lost: of the frames that were sent in the whole run. */
static json_t *report_counters(const struct bench_load *load, const struct bench_counters *run,
			       const struct bench_counters *measured, uint64_t lost)
{
	double received = per_second(load, measured->received);
	double bits = received * 8 * (load->config->frame_len + ETH_FCS_LEN);

	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:f}", "sent",
			 (json_int_t)run->sent, "received", (json_int_t)run->received, "lost",
			 (json_int_t)lost, "refused", (json_int_t)run->refused, "other",
			 (json_int_t)run->other, "corrupted", (json_int_t)run->corrupted,
			 "reordered", (json_int_t)run->reordered, "sent_mpps",
			 per_second(load, measured->sent) / 1e6, "received_mpps", received / 1e6,
			 "received_gbits", bits / 1e9);
}

/* Of what port @index has sent. More may come than was sent: a switch may duplicate. */
static uint64_t lost_by(const struct bench_load *load, unsigned index)
{
	uint64_t sent = load->ports[index].counters.sent;
	unsigned to = bench_load_receiver(load->n_ports, load->config->n_flood, index);
	uint64_t received = load->ports[to].counters.received;

	return sent > received ? sent - received : 0;
}

static void totals(const struct bench_load *load, struct bench_counters *run,
		   struct bench_counters *measured, uint64_t *lost)
{
	*run = *measured = (struct bench_counters){ 0 };
	*lost = 0;
	for (unsigned i = 0; i < load->n_ports; i++) {
		bench_counters_add(run, &load->ports[i].counters);
		bench_counters_add(measured, &load->measured[i]);
		*lost += lost_by(load, i);
	}
}

static json_t *report_ports(const struct bench_load *load)
{
	json_t *ports = json_array();

	for (unsigned i = 0; i < load->n_ports; i++) {
		const struct bench_port *port = &load->ports[i];
		json_t *row = report_counters(load, &port->counters, &load->measured[i],
					      lost_by(load, i));
		char mac[MAC_TEXT_LEN];

		json_object_set_new(row, "socket", json_string(port->path));
		json_object_set_new(row, "mac", json_string(mac_format(port->mac, mac)));
		json_array_append_new(ports, row);
	}
	return ports;
}

static json_t *report_latency(const struct histogram *h)
{
	json_t *buckets = json_array();

	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		if (h->buckets[i])
			json_array_append_new(buckets,
					      json_pack("{s:I, s:I}", "from_ns",
							(json_int_t)histogram_bucket_start(i),
							"frames", (json_int_t)h->buckets[i]));
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:o}", "frames", (json_int_t)h->count, "min_ns",
			 (json_int_t)h->min, "median_ns", (json_int_t)histogram_quantile(h, 0.5),
			 "p99_ns", (json_int_t)histogram_quantile(h, 0.99), "max_ns",
			 (json_int_t)h->max, "histogram", buckets);
}

/* Millions of frames a second of each port. */
static json_t *report_turn(const struct bench_load *load, const struct bench_turn *turn)
{
	double us = (double)max(turn->ns, (uint64_t)NSEC_PER_USEC) / NSEC_PER_USEC;
	json_t *sent = json_array(), *received = json_array();

	for (unsigned i = 0; i < load->n_ports; i++) {
		json_array_append_new(sent, json_real((double)turn->counters[i].sent / us));
		json_array_append_new(received, json_real((double)turn->counters[i].received / us));
	}
	return json_pack("{s:f, s:o, s:o}", "seconds", us / 1e6, "sent_mpps", sent, "received_mpps",
			 received);
}

static json_t *report_turns(const struct bench_load *load)
{
	json_t *turns = json_object();

	for (unsigned i = 0; i < BENCH_TURNS; i++)
		json_object_set_new(turns, turn_names[i], report_turn(load, &load->turns[i]));
	return turns;
}

/* How hard the generator worked. What else ran on its processor meanwhile hit turns with and
 * without work alike, so of its own run time the same share was busy. */
static json_t *report_generator(const struct bench_load *load,
				const struct bench_counters *measured)
{
	double measured_ns = (double)max(load->measured_ns, (uint64_t)1);
	double busy = (double)load->busy_ns / measured_ns;
	uint64_t moved = measured->sent + measured->received;

	return json_pack("{s:f, s:f, s:f, s:I}", "cpu_percent",
			 100 * (double)load->cpu_ns / measured_ns, "busy_percent", 100 * busy,
			 "busy_ns_per_frame",
			 moved ? busy * (double)load->cpu_ns / (double)moved : 0, "kicks",
			 (json_int_t)load->kicks);
}

json_t *bench_report(const struct bench_load *load)
{
	const struct bench_config *config = load->config;
	struct bench_counters run, measured;
	json_t *report;
	uint64_t lost;

	totals(load, &run, &measured, &lost);
	report = json_pack("{s:s, s:i, s:s, s:i, s:i, s:s, s:i, s:b, s:f, s:o, s:o, s:o}", "load",
			   kinds[config->kind], "size", (int)(config->frame_len + ETH_FCS_LEN),
			   "tso", tsos[config->tso], "flows", (int)config->flows, "queues",
			   (int)config->n_queues, "ring", config->packed ? "packed" : "split",
			   "ring_size", (int)config->ring_size, "check", config->check, "seconds",
			   (double)load->measured_ns / NSEC_PER_SEC, "ports", report_ports(load),
			   "total", report_counters(load, &run, &measured, lost), "generator",
			   report_generator(load, &measured));
	if (bench_config_stamps(config))
		json_object_set_new(report, "latency", report_latency(&load->latency));
	if (config->turn_ns)
		json_object_set_new(report, "turns", report_turns(load));
	return report;
}

static json_int_t whole(const json_t *object, const char *name)
{
	return json_integer_value(json_object_get(object, name));
}

static double real(const json_t *object, const char *name)
{
	return json_real_value(json_object_get(object, name));
}

static void print_row(const char *name, const json_t *row)
{
	char sent[24], received[24], lost[24], refused[24], mpps[24], gbits[24];

	snprintf(sent, sizeof(sent), "%" PRIdMAX, (intmax_t)whole(row, "sent"));
	snprintf(received, sizeof(received), "%" PRIdMAX, (intmax_t)whole(row, "received"));
	snprintf(lost, sizeof(lost), "%" PRIdMAX, (intmax_t)whole(row, "lost"));
	snprintf(refused, sizeof(refused), "%" PRIdMAX, (intmax_t)whole(row, "refused"));
	snprintf(mpps, sizeof(mpps), "%.3f", real(row, "received_mpps"));
	snprintf(gbits, sizeof(gbits), "%.3f", real(row, "received_gbits"));
	printf(PORT_FORMAT, name, sent, received, lost, refused, mpps, gbits,
	       json_string_value(json_object_get(row, "socket")) ?: "");
}

static void print_ports(const json_t *report)
{
	const json_t *row, *total = json_object_get(report, "total");
	size_t i;

	printf(PORT_FORMAT, "port", "sent", "received", "lost", "refused", "Mpps", "Gbit/s",
	       "socket");
	json_array_foreach (json_object_get(report, "ports"), i, row) {
		char name[24];

		snprintf(name, sizeof(name), "%zu", i);
		print_row(name, row);
	}
	print_row("total", total);
	if (json_is_true(json_object_get(report, "check")))
		printf("\ncorrupted %" PRIdMAX ", reordered %" PRIdMAX "\n",
		       (intmax_t)whole(total, "corrupted"), (intmax_t)whole(total, "reordered"));
}

/* A line for each power of two, between the first and the last that have something. */
static void print_histogram(const json_t *latency)
{
	uint64_t rows[ROWS] = { 0 }, most = 1;
	unsigned first = ROWS - 1, last = 0;
	const json_t *bucket;
	size_t i;

	json_array_foreach (json_object_get(latency, "histogram"), i, bucket) {
		uint64_t from = (uint64_t)whole(bucket, "from_ns");
		unsigned row = 63 - (unsigned)__builtin_clzll(from | 1);

		rows[row] += (uint64_t)whole(bucket, "frames");
		most = max(most, rows[row]);
		first = min(first, row);
		last = max(last, row);
	}
	for (unsigned row = first; row <= last && row < ROWS; row++) {
		int width = (int)((double)rows[row] / (double)most * BAR_WIDTH + 0.5);

		printf("  from %12.3f us %12" PRIu64 " %.*s\n",
		       row ? (double)(1ull << row) / 1e3 : 0, rows[row], width,
		       "########################################");
	}
}

static void print_latency(const json_t *latency)
{
	if (!latency || !whole(latency, "frames"))
		return;
	printf("\nlatency of %" PRIdMAX
	       " frames, us: min %.3f, median %.3f, 99 %% %.3f, max %.3f\n",
	       (intmax_t)whole(latency, "frames"), (double)whole(latency, "min_ns") / 1e3,
	       (double)whole(latency, "median_ns") / 1e3, (double)whole(latency, "p99_ns") / 1e3,
	       (double)whole(latency, "max_ns") / 1e3);
	print_histogram(latency);
}

static void print_turns(const json_t *turns)
{
	const json_t *turn, *mpps;
	const char *name;
	size_t i;

	if (!turns)
		return;
	printf("\nreceived, Mpps of each port, while the flood's addresses were (alone: without flood)\n");
	json_object_foreach ((json_t *)turns, name, turn) {
		printf("  %-5s", name);
		json_array_foreach (json_object_get(turn, "received_mpps"), i, mpps)
			printf(" %9.3f", json_real_value(mpps));
		printf("\n");
	}
}

void bench_report_print(const json_t *report)
{
	const json_t *generator = json_object_get(report, "generator");

	print_ports(report);
	print_latency(json_object_get(report, "latency"));
	print_turns(json_object_get(report, "turns"));
	printf("\nmeasured for %.2f s, of which the generator had its processor for %.0f %%\n"
	       "generator: busy for %.0f %% of its time, %.1f ns for each frame sent or received\n"
	       "kicks that the switch wanted: %" PRIdMAX "\n",
	       real(report, "seconds"), real(generator, "cpu_percent"),
	       real(generator, "busy_percent"), real(generator, "busy_ns_per_frame"),
	       (intmax_t)whole(generator, "kicks"));
}

bool bench_report_fails(const struct bench_load *load, struct error *err)
{
	struct bench_counters run, measured;
	uint64_t lost;

	totals(load, &run, &measured, &lost);
	if (run.corrupted || run.reordered)
		error_set(err, 0,
			  "of %" PRIu64 " frames, %" PRIu64 " were corrupted and %" PRIu64
			  " came out of order",
			  run.received, run.corrupted, run.reordered);
	else if (!run.received)
		error_set(err, 0, "of %" PRIu64 " frames sent, none arrived", run.sent);
	else
		return false;
	return true;
}
