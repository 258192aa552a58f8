// SPDX-License-Identifier: Apache-2.0
/* vireo config show|check|save|reload */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/client.h"
#include "cli/output.h"

/* A request is at most 1 MiB, and a line's end takes two bytes of it. */
#define TEXT_MAX ((1u << 20) - 65536)

static enum status show(const struct cli *cli, int argc, char **argv)
{
	enum status status = check_words(argc, argv, 0, 0, "config show");
	json_t *config;

	if (!status)
		status = client_call(cli, "config.show", NULL, &config);
	if (status)
		return status;
	if (cli->json)
		print_json(json_object_get(config, "config"));
	else
		fputs(json_string_value(json_object_get(config, "text")) ?: "", stdout);
	json_decref(config);
	return STATUS_OK;
}

/* Reads the file, or stdin for "-", into {"text": ...}. */
static enum status read_text(const char *path, json_t **params)
{
	FILE *in = strcmp(path, "-") ? fopen(path, "re") : stdin;
	char *text = malloc(TEXT_MAX + 1);
	enum status status = STATUS_OK;
	size_t len;

	*params = NULL;
	if (!in || !text) {
		status = fail(STATUS_REFUSED, "cannot open %s: %s", path, strerror(errno));
		goto out;
	}
	len = fread(text, 1, TEXT_MAX + 1, in);
	if (ferror(in)) {
		status = fail(STATUS_REFUSED, "cannot read %s: %s", path, strerror(errno));
	} else if (len > TEXT_MAX) {
		status = fail(STATUS_REFUSED, "%s is longer than %u bytes: too long to be checked",
			      path, TEXT_MAX);
	} else {
		*params = json_pack("{s:s%}", "text", text, len);
		if (!*params)
			status = fail(STATUS_REFUSED, "%s is not UTF-8, or holds a NUL", path);
	}
out:
	free(text);
	if (in && in != stdin)
		fclose(in);
	return status;
}

static enum status check(const struct cli *cli, int argc, char **argv)
{
	enum status status = check_words(argc, argv, 0, 1, "config check [FILE|-]");
	json_t *params = NULL, *counts = NULL;
	struct error err = { "" };
	char *text;

	if (!status && argc)
		status = read_text(argv[0], &params);
	if (status)
		return status;
	status = client_try(cli, "config.check", params, NO_FILE, &counts, &err);
	if (status == STATUS_REFUSED && argc)
		return fail(status, "%s: %s", argv[0], err.text);
	if (status)
		return fail(status, "%s", err.text);
	if (cli->json) {
		print_json(counts);
	} else {
		text = value_text(counts);
		printf("good: %s\n", text);
		free(text);
	}
	json_decref(counts);
	return STATUS_OK;
}

/* Prints that @done came true of the file that @result names. */
static void tell(const struct cli *cli, const char *done, const json_t *result)
{
	if (cli->json)
		print_json(result);
	else
		printf("%s %s\n", done, json_string_value(json_object_get(result, "path")) ?: "");
}

static enum status save(const struct cli *cli, int argc, char **argv)
{
	enum status status = check_words(argc, argv, 0, 0, "config save");
	json_t *result = NULL;

	if (!status)
		status = client_call(cli, "config.save", NULL, &result);
	if (!status)
		tell(cli, "saved to", result);
	json_decref(result);
	return status;
}

static enum status reload(const struct cli *cli, int argc, char **argv)
{
	enum status status = check_words(argc, argv, 0, 0, "config reload");
	json_t *result = NULL;

	if (!status)
		status = client_call(cli, "config.reload", NULL, &result);
	/* what cannot be known before ports that go have let go of their sockets */
	if (!status)
		status = client_call(cli, "config.result", NULL, NULL);
	if (!status)
		tell(cli, "now as in", result);
	json_decref(result);
	return status;
}

static const struct verb verbs[] = {
	{ .name = "show", .args = "", .help = "print the running configuration", .run = show },
	{ .name = "check",
	  .args = "[FILE|-]",
	  .help = "check a file, or vireod's own, and change nothing",
	  .run = check,
	  .words = { WORD_FILE } },
	{ .name = "save",
	  .args = "",
	  .help = "write the running configuration to vireod's --config file",
	  .run = save },
	{ .name = "reload",
	  .args = "",
	  .help = "make the switch what the file says; what is the same is not touched",
	  .run = reload },
	{ .name = NULL },
};

const struct object config_object = { "config", "the configuration file", verbs };
