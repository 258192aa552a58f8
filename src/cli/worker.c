// SPDX-License-Identifier: Apache-2.0
/* vireo worker show|set */
#include "cli/client.h"
#include "cli/output.h"

static enum status set(const struct cli *cli, int argc, char **argv)
{
	enum status status = check_words(argc, argv, 2, 6,
					 "worker set port NAME queue N worker N|auto, or vireo "
					 "worker set poll adaptive|always, or vireo worker "
					 "set rebalance on|off");
	json_t *params;

	if (status)
		return status;
	params = make_params(NULL, argc, argv);
	return params ? client_call(cli, "worker.set", params, NULL) : STATUS_USAGE;
}

/* Takes the queues out of @workers: a row for each, a new reference. */
static json_t *take_queues(const json_t *workers)
{
	json_t *rows = json_array(), *worker, *queue;
	size_t i, j;

	json_array_foreach (workers, i, worker) {
		json_array_foreach (json_object_get(worker, "queues"), j, queue) {
			json_object_set(queue, "worker", json_object_get(worker, "worker"));
			json_array_append(rows, queue);
		}
		json_object_del(worker, "queues");
	}
	return rows;
}

static void print_workers(const json_t *workers)
{
	static const char *const columns[] = { "worker",       "cpu",	       "state",
					       "busy_percent", "load_percent", "packets",
					       "sleeps",       "naps",	       NULL };
	static const char *const queue_columns[] = { "port",	     "queue", "worker", "home",
						     "load_percent", "why",   NULL };
	json_t *queues = take_queues(workers);

	print_table(workers, columns, false, 0);
	if (json_array_size(queues)) {
		putchar('\n');
		print_table(queues, queue_columns, true, 0);
	}
	json_decref(queues);
}

static enum status show(const struct cli *cli, int argc, char **argv)
{
	enum status status = check_words(argc, argv, 0, 0, "worker show");
	json_t *workers;

	if (!status)
		status = client_call(cli, "worker.show", NULL, &workers);
	if (status)
		return status;
	if (cli->json)
		print_json(workers);
	else
		print_workers(workers);
	json_decref(workers);
	return STATUS_OK;
}

static const char *const set_options[] = { "port", "queue", "worker", "poll", "rebalance", NULL };

static const struct verb verbs[] = {
	{ .name = "show",
	  .args = "",
	  .help = "list worker threads and the queues they serve",
	  .run = show },
	{ .name = "set",
	  .args = "port NAME queue N worker N|auto | poll adaptive|always | rebalance on|off",
	  .help = "pin a receive queue to a worker, say how workers wait and share the load",
	  .run = set,
	  .own_options = set_options },
	{ .name = NULL },
};

const struct object worker_object = { "worker", "the threads that move packets", verbs };
