// SPDX-License-Identifier: Apache-2.0
/* vireo port add|del|set|show */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/output.h"
#include "cli/port_show.h"

static bool is_word(const json_t *params, const char *name, const char *word)
{
	const char *value = json_string_value(json_object_get(params, name));

	return value && !strcmp(value, word);
}

/* The daemon would look for a relative path elsewhere. */
static enum status make_absolute(json_t *params, const char *name)
{
	const char *path = json_string_value(json_object_get(params, name));
	char *whole;
	int ret;

	if (!path)
		return STATUS_OK;
	whole = absolute_path(path);
	ret = json_object_set_new(params, name, whole ? json_string(whole) : NULL);
	free(whole);
	return ret ? fail(STATUS_USAGE, "cannot make %s an absolute path", path) : STATUS_OK;
}

/* The daemon wants the file's own path, whatever links led to it. */
static int name_file(json_t *params, int fd)
{
	char link[64], path[PATH_MAX];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path));
	if (n < 0)
		return -1;
	return json_object_set_new(params, "file", json_stringn(path, (size_t)n));
}

/* Files are opened here, with the rights of who called: the daemon's are not lent. *@fd is the
 * file, or NO_FILE when none is needed.
 */
static enum status open_file(json_t *params, int *fd)
{
	const char *path = json_string_value(json_object_get(params, "file"));
	bool writes = is_word(params, "direction", "write");

	*fd = NO_FILE;
	if (!path)
		return STATUS_OK;
	if (!is_word(params, "type", "pcap"))
		return fail(STATUS_USAGE,
			    "\"file\" is an option of \"port add\" for type pcap alone");
	*fd = open(path, (writes ? O_WRONLY | O_CREAT : O_RDONLY) | O_CLOEXEC | O_NOCTTY, 0666);
	if (*fd < 0)
		return fail(STATUS_REFUSED, "cannot open %s: %s", path, strerror(errno));
	if (name_file(params, *fd) || json_object_set_new(params, "fd", json_integer(0)))
		return fail(STATUS_REFUSED, "cannot name %s to vireod", path);
	return STATUS_OK;
}

/* Takes the reference to @params; *@result is a new one. */
static enum status call_with_file(const struct cli *cli, const char *method, json_t *params,
				  json_t **result)
{
	struct error err = { "" };
	int fd = NO_FILE;
	enum status status = make_absolute(params, "path");

	if (!status)
		status = open_file(params, &fd);
	if (status) {
		json_decref(params);
	} else {
		status = client_try(cli, method, params, fd, result, &err);
		if (status)
			fail(status, "%s", err.text);
	}
	if (fd >= 0)
		close(fd);
	return status;
}

static enum status change(const struct cli *cli, const char *method, int argc, char **argv)
{
	json_t *params = make_params("name", argc, argv), *result = NULL, *name;
	enum status status = params ? call_with_file(cli, method, params, &result) : STATUS_USAGE;
	size_t i;

	json_array_foreach (json_object_get(result, "later"), i, name)
		printf("%s takes effect at the next negotiation, when %s is connected again\n",
		       json_string_value(name) ?: "", argv[0]);
	json_decref(result);
	return status;
}

static enum status add(const struct cli *cli, int argc, char **argv)
{
	enum status status =
		check_words(argc, argv, 3, 1000, "port add NAME type KIND [OPTION VALUE]...");

	return status ? status : change(cli, "port.add", argc, argv);
}

static enum status del(const struct cli *cli, int argc, char **argv)
{
	enum status status = check_words(argc, argv, 1, 1, "port del NAME");

	return status ? status : change(cli, "port.del", argc, argv);
}

static enum status set(const struct cli *cli, int argc, char **argv)
{
	enum status status = check_words(argc, argv, 3, 1000, "port set NAME OPTION VALUE...");

	return status ? status : change(cli, "port.set", argc, argv);
}

static enum status show(const struct cli *cli, int argc, char **argv)
{
	enum status status = check_words(argc, argv, 0, 1, "port show [NAME]");
	json_t *params, *ports, *described = NULL;
	struct error err;

	if (status)
		return status;
	params = argc ? make_params("name", argc, argv) : json_object();
	status = params ? client_call(cli, "port.show", params, &ports) : STATUS_USAGE;
	if (status)
		return status;
	if (cli->json) {
		print_json(ports);
	} else if (argc) {
		/* for the words behind the names of drops; not a reason to fail */
		client_try(cli, "describe", NULL, NO_FILE, &described, &err);
		port_print(json_array_get(ports, 0), json_object_get(described, "drops"));
	} else {
		ports_print(ports);
	}
	json_decref(described);
	json_decref(ports);
	return STATUS_OK;
}

static const struct verb verbs[] = {
	{ .name = "add",
	  .args = "NAME type KIND [OPTION VALUE]...",
	  .help = "make a port (\"vireo port add type KIND help\" lists its options)",
	  .run = add,
	  .words = { WORD_NEW },
	  .options = OPTIONS_PORT },
	{ .name = "del",
	  .args = "NAME",
	  .help = "remove a port",
	  .run = del,
	  .words = { WORD_PORT } },
	{ .name = "set",
	  .args = "NAME OPTION VALUE...",
	  .help = "change options",
	  .run = set,
	  .words = { WORD_PORT },
	  .options = OPTIONS_PORT },
	{ .name = "show",
	  .args = "[NAME]",
	  .help = "list ports, or tell everything about one",
	  .run = show,
	  .words = { WORD_PORT } },
	{ .name = NULL },
};

const struct object port_object = { "port", "connects a guest, the host or a file to a bridge",
				    verbs };
