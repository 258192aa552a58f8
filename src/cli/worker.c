// SPDX-License-Identifier: Apache-2.0
/* vireo worker show|set */
#include "cli/client.h"
#include "cli/output.h"

static enum status set(const struct cli *cli, int argc, char **argv)
{
	enum status status = check_words(argc, argv, 2, 6,
					 "worker set port NAME queue N worker N|auto, or vireo "
					 "worker set poll adaptive|always");
	json_t *params;

	if (status)
		return status;
	params = make_params(NULL, argc, argv);
	return params ? client_call(cli, "worker.set", params, NULL) : STATUS_USAGE;
}

/* "vm1:0" for {"port": "vm1", "queue": 0}. */
static json_t *name_queues(const json_t *queues)
{
	json_t *names = json_array();
	const json_t *queue;
	size_t i;

	json_array_foreach (queues, i, queue)
		json_array_append_new(
			names,
			json_sprintf(
				"%s:%d%s", json_string_value(json_object_get(queue, "port")) ?: "?",
				(int)json_integer_value(json_object_get(queue, "queue")),
				json_is_true(json_object_get(queue, "pinned")) ? " (pinned)" : ""));
	return names;
}

static enum status show(const struct cli *cli, int argc, char **argv)
{
	static const char *const columns[] = { "worker",  "cpu",    "state", "busy_percent",
					       "packets", "sleeps", NULL };
	enum status status = check_words(argc, argv, 0, 0, "worker show");
	json_t *workers, *worker;
	size_t i;

	if (!status)
		status = client_call(cli, "worker.show", NULL, &workers);
	if (status)
		return status;
	if (cli->json) {
		print_json(workers);
	} else {
		json_array_foreach (workers, i, worker)
			json_object_set_new(worker, "queues",
					    name_queues(json_object_get(worker, "queues")));
		print_table(workers, columns, false, 0);
	}
	json_decref(workers);
	return STATUS_OK;
}

static const char *const set_options[] = { "port", "queue", "worker", "poll", NULL };

static const struct verb verbs[] = {
	{ .name = "show",
	  .args = "",
	  .help = "list worker threads and the queues they serve",
	  .run = show },
	{ .name = "set",
	  .args = "port NAME queue N worker N|auto | poll adaptive|always",
	  .help = "pin a receive queue to a worker, or say how workers wait",
	  .run = set,
	  .own_options = set_options },
	{ .name = NULL },
};

const struct object worker_object = { "worker", "the threads that move packets", verbs };
