// SPDX-License-Identifier: Apache-2.0
/* vireo stats show */
#include "cli/client.h"
#include "cli/output.h"
#include "cli/port_show.h"

#include <stdio.h>

/* {name: {...}} as a table. */
static void print_limits(const json_t *limits)
{
	static const char *const columns[] = { "limit", "now", "most", "refused", "text", NULL };
	json_t *rows = json_array(), *limit;
	const char *name;

	json_object_foreach ((json_t *)limits, name, limit) {
		json_t *row = json_copy(limit);

		json_object_set_new(row, "limit", json_string(name));
		json_array_append_new(rows, row);
	}
	printf("limits\n");
	print_table(rows, columns, true, 2);
	json_decref(rows);
}

static enum status show(const struct cli *cli, int argc, char **argv)
{
	enum status status = check_words(argc, argv, 0, 0, "stats show");
	static const char *const last[] = { "limits", "drops", NULL };
	json_t *stats, *described = NULL;
	struct error err;

	if (!status)
		status = client_call(cli, "stats.show", NULL, &stats);
	if (status)
		return status;
	if (cli->json) {
		print_json(stats);
	} else {
		/* for the words behind the names of drops; not a reason to fail */
		client_try(cli, "describe", NULL, NO_FILE, &described, &err);
		print_members(stats, last, 0);
		if (json_object_get(stats, "limits"))
			print_limits(json_object_get(stats, "limits"));
		drops_print(json_object_get(stats, "drops"), json_object_get(described, "drops"),
			    0);
		json_decref(described);
	}
	json_decref(stats);
	return STATUS_OK;
}

static const struct verb verbs[] = {
	{ .name = "show",
	  .args = "",
	  .help = "print the counters of the whole switch",
	  .run = show },
	{ .name = NULL },
};

const struct object stats_object = { "stats", "counters of the whole switch", verbs };
