// SPDX-License-Identifier: Apache-2.0
/* vireo mac show|add|del|flush */
#include "cli/client.h"
#include "cli/output.h"

/* Calls @method with what @argv says; its first word is an address if @first says so. */
static enum status change(const struct cli *cli, const char *method, const char *first, int argc,
			  char **argv)
{
	json_t *params = make_params(first, argc, argv);

	return params ? client_call(cli, method, params, NULL) : STATUS_USAGE;
}

static enum status add(const struct cli *cli, int argc, char **argv)
{
	enum status status = check_words(argc, argv, 3, 7, "mac add ADDRESS port NAME [vlan ID]");

	return status ? status : change(cli, "mac.add", "mac", argc, argv);
}

static enum status del(const struct cli *cli, int argc, char **argv)
{
	enum status status =
		check_words(argc, argv, 1, 5, "mac del ADDRESS [vlan ID] [bridge NAME]");

	return status ? status : change(cli, "mac.del", "mac", argc, argv);
}

static enum status flush(const struct cli *cli, int argc, char **argv)
{
	enum status status = check_words(argc, argv, 0, 4, "mac flush [bridge NAME] [port NAME]");

	return status ? status : change(cli, "mac.flush", NULL, argc, argv);
}

static enum status show(const struct cli *cli, int argc, char **argv)
{
	static const char *const columns[] = { "bridge", "vlan",   "mac", "port",
					       "age",	 "static", NULL };
	enum status status = check_words(argc, argv, 0, 2, "mac show [bridge NAME]");
	json_t *params, *macs;

	if (status)
		return status;
	params = make_params(NULL, argc, argv);
	status = params ? client_call(cli, "mac.show", params, &macs) : STATUS_USAGE;
	if (status)
		return status;
	if (cli->json)
		print_json(macs);
	else
		print_table(macs, columns, false, 0);
	json_decref(macs);
	return STATUS_OK;
}

static const char *const add_options[] = { "port", "vlan", NULL };
static const char *const del_options[] = { "vlan", "bridge", NULL };
static const char *const flush_options[] = { "bridge", "port", NULL };
static const char *const show_options[] = { "bridge", NULL };

static const struct verb verbs[] = {
	{ .name = "show",
	  .args = "[bridge NAME]",
	  .help = "list learned and static addresses",
	  .run = show,
	  .own_options = show_options },
	{ .name = "add",
	  .args = "ADDRESS port NAME [vlan ID]",
	  .help = "bind an address to a port: it is not learned elsewhere, and does not age",
	  .run = add,
	  .words = { WORD_NEW },
	  .own_options = add_options },
	{ .name = "del",
	  .args = "ADDRESS [vlan ID] [bridge NAME]",
	  .help = "remove an address",
	  .run = del,
	  .words = { WORD_NEW },
	  .own_options = del_options },
	{ .name = "flush",
	  .args = "[bridge NAME] [port NAME]",
	  .help = "forget what was learned; static addresses stay",
	  .run = flush,
	  .own_options = flush_options },
	{ .name = NULL },
};

const struct object mac_object = { "mac", "the addresses that bridges know", verbs };
