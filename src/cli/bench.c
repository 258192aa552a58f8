// SPDX-License-Identifier: Apache-2.0
/* vireo bench */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "cli/bench_load.h"
#include "cli/bench_options.h"
#include "cli/bench_report.h"
#include "cli/cli.h"
#include "cli/output.h"

#define MAC_FIRST 0x02000000000aull /* of port 0; the next one's is one more */

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	interrupted = 1;
}

/* Signals end the load, not the program: what was measured is told. */
static void catch_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
}

static enum status pin(int cpu)
{
	cpu_set_t set;

	if (cpu < 0)
		return STATUS_OK;
	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) != 0)
		return fail(STATUS_REFUSED, "cpu %d cannot be used: %s", cpu, strerror(errno));
	return STATUS_OK;
}

static int open_ports(struct bench_load *load, const struct bench_words *words, struct error *err)
{
	unsigned n = words->n_paths, n_flood = words->config.n_flood;
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < n; i++) {
		/* a single port sends to one that may be elsewhere */
		unsigned next = n == 1 ? 1 : bench_load_receiver(n, n_flood, i);

		rc = bench_port_open(&load->ports[i], bench_words_port(words, i), words->paths[i],
				     MAC_FIRST + i, MAC_FIRST + next, load->base, err);
		if (rc == 0)
			load->n_ports++;
		else
			error_prefix(err, "%s", words->paths[i]);
	}
	return rc;
}

static enum status report(const struct cli *cli, const struct bench_load *load)
{
	json_t *results = bench_report(load);
	struct error err;

	if (cli->json)
		print_json(results);
	else
		bench_report_print(results);
	json_decref(results);
	return bench_report_fails(load, &err) ? fail(STATUS_REFUSED, "%s", err.text) : STATUS_OK;
}

static enum status bench(const struct cli *cli, int argc, char **argv)
{
	struct error err = { "" };
	struct bench_words words;
	struct bench_load *load;
	enum status status;

	if (bench_words_read(&words, argc, argv, &err) != 0)
		return fail(STATUS_USAGE, "%s", err.text);
	status = pin(words.cpu);
	if (status)
		return status;
	load = calloc(1, sizeof(*load));
	if (load)
		load->base = event_base_new();
	if (!load || !load->base) {
		free(load);
		return fail(STATUS_REFUSED, "out of memory");
	}
	load->config = &words.config;
	load->interrupted = &interrupted;
	catch_signals();
	if (open_ports(load, &words, &err) != 0 || bench_load_connect(load, &err) != 0 ||
	    bench_load_run(load, &err) != 0)
		status = fail(STATUS_REFUSED, "%s", err.text);
	if (!status || load->measured_ns) {
		enum status told = report(cli, load);

		status = status ?: told;
	}
	for (unsigned i = 0; i < load->n_ports; i++)
		bench_port_close(&load->ports[i]);
	event_base_free(load->base);
	free(load);
	return status;
}

static const struct verb verbs[] = {
	{ .name = "bench",
	  .args = "SOCKET... [OPTION VALUE]...",
	  .help = "load vhost-user back-ends, and measure what comes through",
	  .run = bench,
	  .table = bench_options },
	{ .name = NULL },
};

const struct object bench_object = { "bench", "a load generator for vhost-user back-ends", verbs };
