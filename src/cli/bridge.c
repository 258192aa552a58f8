// SPDX-License-Identifier: Apache-2.0
/* vireo bridge add|del|set|show */
#include "cli/client.h"
#include "cli/output.h"

static enum status change(const struct cli *cli, const char *method, int argc, char **argv)
{
	json_t *params = make_params("name", argc, argv);

	return params ? client_call(cli, method, params, NULL) : STATUS_USAGE;
}

static enum status add(const struct cli *cli, int argc, char **argv)
{
	enum status status = check_words(argc, argv, 1, 1000, "bridge add NAME [OPTION VALUE]...");

	return status ? status : change(cli, "bridge.add", argc, argv);
}

static enum status del(const struct cli *cli, int argc, char **argv)
{
	enum status status = check_words(argc, argv, 1, 1, "bridge del NAME");

	return status ? status : change(cli, "bridge.del", argc, argv);
}

static enum status set(const struct cli *cli, int argc, char **argv)
{
	enum status status = check_words(argc, argv, 3, 1000, "bridge set NAME OPTION VALUE...");

	return status ? status : change(cli, "bridge.set", argc, argv);
}

static enum status show(const struct cli *cli, int argc, char **argv)
{
	static const char *const columns[] = { "name", "ports", "macs", "options", NULL };
	enum status status = check_words(argc, argv, 0, 1, "bridge show [NAME]");
	json_t *params, *bridges;

	if (status)
		return status;
	params = argc ? make_params("name", argc, argv) : json_object();
	status = params ? client_call(cli, "bridge.show", params, &bridges) : STATUS_USAGE;
	if (status)
		return status;
	if (cli->json)
		print_json(bridges);
	else
		print_table(bridges, columns, false, 0);
	json_decref(bridges);
	return STATUS_OK;
}

static const struct verb verbs[] = {
	{ .name = "add",
	  .args = "NAME [OPTION VALUE]...",
	  .help = "make a bridge",
	  .run = add,
	  .words = { WORD_NEW },
	  .options = OPTIONS_BRIDGE },
	{ .name = "del",
	  .args = "NAME",
	  .help = "remove a bridge that has no ports",
	  .run = del,
	  .words = { WORD_BRIDGE } },
	{ .name = "set",
	  .args = "NAME OPTION VALUE...",
	  .help = "change options",
	  .run = set,
	  .words = { WORD_BRIDGE },
	  .options = OPTIONS_BRIDGE },
	{ .name = "show",
	  .args = "[NAME]",
	  .help = "list bridges and their ports",
	  .run = show,
	  .words = { WORD_BRIDGE } },
	{ .name = NULL },
};

const struct object bridge_object = { "bridge", "switches frames between its ports", verbs };
