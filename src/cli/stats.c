// SPDX-License-Identifier: Apache-2.0
/* vireo stats show */
#include "cli/client.h"
#include "cli/output.h"

static enum status show(const struct cli *cli, int argc, char **argv)
{
	enum status status = check_words(argc, argv, 0, 0, "stats show");
	json_t *stats;

	if (!status)
		status = client_call(cli, "stats.show", NULL, &stats);
	if (status)
		return status;
	if (cli->json)
		print_json(stats);
	else
		print_members(stats, NULL, 0);
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
