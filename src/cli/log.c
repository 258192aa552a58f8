// SPDX-License-Identifier: Apache-2.0
/* vireo log show|set */
#include "cli/client.h"
#include "cli/output.h"

static enum status set(const struct cli *cli, int argc, char **argv)
{
	enum status status =
		check_words(argc, argv, 2, 2, "log set MODULE|all error|warning|info|debug");
	json_t *params;

	if (status)
		return status;
	params = json_pack("{s:s, s:s}", "module", argv[0], "level", argv[1]);
	if (!params)
		return fail(STATUS_USAGE, "\"%s %s\" is not UTF-8", argv[0], argv[1]);
	return client_call(cli, "log.set", params, NULL);
}

static enum status show(const struct cli *cli, int argc, char **argv)
{
	enum status status = check_words(argc, argv, 0, 0, "log show");
	json_t *levels;

	if (!status)
		status = client_call(cli, "log.show", NULL, &levels);
	if (status)
		return status;
	if (cli->json)
		print_json(levels);
	else
		print_members(levels, NULL, 0);
	json_decref(levels);
	return STATUS_OK;
}

static const struct verb verbs[] = {
	{ .name = "show",
	  .args = "",
	  .help = "list the daemon's modules and how much each logs",
	  .run = show },
	{ .name = "set",
	  .args = "MODULE|all error|warning|info|debug",
	  .help = "choose how much a module logs",
	  .run = set,
	  .words = { WORD_MODULE, WORD_LEVEL } },
	{ .name = NULL },
};

const struct object log_object = { "log", "what the daemon writes to its log", verbs };
