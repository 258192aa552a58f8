// SPDX-License-Identifier: Apache-2.0
/* vireo upgrade */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/order.h"
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

/* Calls @method with the order @fd. */
static enum status call(const struct cli *cli, const char *method, const char *path, int fd,
			struct error *err)
{
	return client_try(cli, method, json_pack("{s:s, s:i}", "path", path, "fd", 0), fd, NULL,
			  err);
}

/* The switch process stays, and answers when the attempt is over. */
static enum status upgrade_keeper(const struct cli *cli, const char *path, int order)
{
	struct error err;
	enum status status = call(cli, "upgrade.keeper", path, order, &err);

	if (status)
		return fail(status, "%s", err.text);
	return client_call(cli, "upgrade.result", NULL, NULL);
}

static enum status upgrade_switch(const struct cli *cli, const char *path, int order)
{
	enum status status;
	struct error err;
	json_t *daemon;
	int before;

	before = serving(cli, &daemon);
	json_decref(daemon);
	/* the connection ends with the process, so that there may be no answer */
	status = call(cli, "upgrade", path, order, &err);
	if (status == STATUS_REFUSED || !before)
		return fail(status, "%s", err.text);
	return await_change(cli, before);
}

/* The order stands until all is over. */
static enum status upgrade_by_order(const struct cli *cli, const char *path, bool keeper)
{
	int order[2], rc = order_give(keeper ? ORDER_REPLACE : ORDER_UPGRADE, path, order);
	enum status status;

	if (rc)
		return fail(STATUS_REFUSED, "cannot make a socket: %s", strerror(-rc));
	status = keeper ? upgrade_keeper(cli, path, order[0]) : upgrade_switch(cli, path, order[0]);
	close(order[0]);
	close(order[1]);
	return status;
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
	return upgrade_by_order(cli, path, keeper);
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
