// SPDX-License-Identifier: Apache-2.0
/* vireo upgrade */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/output.h"

#define PROGRAM "/usr/sbin/vireod" /* where packages put it */
#define TRIES 100		   /* to reach the new process, ... */
#define TRY_US 50000		   /* one each so many microseconds */

/* What serves: 0 when nobody can tell now. */
static int serving(const struct cli *cli, json_t **daemon)
{
	struct error err;

	*daemon = NULL;
	if (client_try(cli, "version", NULL, NO_FILE, daemon, &err))
		return 0;
	return (int)json_integer_value(json_object_get(*daemon, "pid"));
}

/* Waits until another process serves than @before, or this one says why it still does. */
static enum status await_change(const struct cli *cli, int before)
{
	for (unsigned i = 0; i < TRIES; i++) {
		json_t *daemon;
		int pid = serving(cli, &daemon);

		if (pid && pid != before) {
			if (cli->json)
				print_json(daemon);
			else
				printf("vireod  %s, process %d\n",
				       json_string_value(json_object_get(daemon, "version")) ?: "?",
				       pid);
			json_decref(daemon);
			return STATUS_OK;
		}
		json_decref(daemon);
		if (pid) {
			enum status status = client_call(cli, "upgrade.result", NULL, NULL);

			if (status == STATUS_REFUSED)
				return status;
		}
		usleep(TRY_US);
	}
	return fail(STATUS_REFUSED, "the switch does not change: its log tells more");
}

/* The switch process stays, and answers when the attempt is over. */
static enum status upgrade_keeper(const struct cli *cli, const char *path)
{
	enum status status;

	status = client_call(cli, "upgrade.keeper", json_pack("{s:s}", "path", path), NULL);
	return status ? status : client_call(cli, "upgrade.result", NULL, NULL);
}

static enum status upgrade_switch(const struct cli *cli, const char *path)
{
	enum status status;
	struct error err;
	json_t *daemon;
	int before;

	before = serving(cli, &daemon);
	json_decref(daemon);
	/* the connection ends with the process, so that there may be no answer */
	status = client_try(cli, "upgrade", json_pack("{s:s}", "path", path), NO_FILE, NULL, &err);
	if (status == STATUS_REFUSED || !before)
		return fail(status, "%s", err.text);
	return await_change(cli, before);
}

static enum status upgrade(const struct cli *cli, int argc, char **argv)
{
	bool keeper = argc && !strcmp(argv[0], "--keeper");
	const char *program = PROGRAM;
	char path[PATH_MAX];
	enum status status;

	argc -= keeper;
	argv += keeper;
	status = check_words(argc, argv, 0, 1, "upgrade [--keeper] [PROGRAM]");
	if (status)
		return status;
	if (argc)
		program = argv[0];
	if (!realpath(program, path))
		return fail(STATUS_REFUSED, "%s: %s", program, strerror(errno));
	return keeper ? upgrade_keeper(cli, path) : upgrade_switch(cli, path);
}

static const struct verb verbs[] = {
	{ .name = "upgrade",
	  .args = "[--keeper] [PROGRAM]",
	  .help = "let another program (" PROGRAM ") go on; guests do not notice",
	  .run = upgrade,
	  .words = { WORD_FILE } },
	{ .name = NULL },
};

const struct object upgrade_object = { "upgrade", "exchange the running vireod", verbs };
