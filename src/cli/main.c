// SPDX-License-Identifier: Apache-2.0
/* vireo: finds the object and the verb that a command names. */
/* <getopt.h> has another struct option than base/option.h: options are taken by hand */
#include <stdio.h>
#include <string.h>

#include "base/option.h"
#include "cli/cli.h"
#include "cli/complete.h"
#include "cli/help.h"

#define WORDS_MAX 32

static bool is_help(const char *word)
{
	return !strcmp(word, "help") || !strcmp(word, "--help") || !strcmp(word, "-h");
}

static enum status refuse_object(const char *word)
{
	const char *names[WORDS_MAX], *near;
	size_t n = 0;

	for (const struct object *const *o = objects; *o; o++)
		names[n++] = (*o)->name;
	near = nearest_word(word, names, n);
	if (near)
		return fail(STATUS_USAGE, "no object is called \"%s\": did you mean \"%s\"?", word,
			    near);
	return fail(STATUS_USAGE, "no object is called \"%s\" (\"vireo help\" lists them)", word);
}

static enum status refuse_verb(const struct object *object, const char *word)
{
	const char *names[WORDS_MAX], *near;
	size_t n = 0;

	for (const struct verb *v = object->verbs; v->name; v++)
		names[n++] = v->name;
	near = nearest_word(word, names, n);
	if (near)
		return fail(STATUS_USAGE, "%s has no verb \"%s\": did you mean \"%s\"?",
			    object->name, word, near);
	return fail(STATUS_USAGE, "%s has no verb \"%s\" (\"vireo %s help\" lists them)",
		    object->name, word, object->name);
}

static const struct verb *find_verb(const struct object *object, const char *name)
{
	for (const struct verb *v = object->verbs; v->name; v++)
		if (!strcmp(v->name, name))
			return v;
	return NULL;
}

/* Whether the last word of a command is an option that belongs in front of the object. */
static bool is_late_option(int argc, char **argv)
{
	const char *last = argc ? argv[argc - 1] : "", *before = argc > 1 ? argv[argc - 2] : "";

	return !strcmp(last, "-j") || !strcmp(last, "--json") || !strcmp(before, "--run-dir") ||
	       !strncmp(last, "--run-dir", strlen("--run-dir"));
}

/* Runs the command whose words behind the object are @argv. */
static enum status run_object(const struct cli *cli, const struct object *object, int argc,
			      char **argv)
{
	const struct verb *verb;

	if (argc && is_help(argv[0])) {
		help_object(object);
		return STATUS_OK;
	}
	if (object_is_verb(object)) {
		verb = &object->verbs[0];
	} else {
		verb = find_verb(object, argc ? argv[0] : "show");
		if (!verb)
			return refuse_verb(object, argc ? argv[0] : "show");
		if (argc) {
			argc--;
			argv++;
		}
	}
	if (argc && is_help(argv[argc - 1]))
		return help_verb(cli, object, verb, argc - 1, argv);
	if (is_late_option(argc, argv))
		return fail(STATUS_USAGE, "options come first: vireo [--run-dir DIR] [-j] %s ...",
			    object->name);
	return verb->run(cli, argc, argv);
}

static enum status run(const struct cli *cli, int argc, char **argv)
{
	if (!argc)
		return fail(STATUS_USAGE, "which object? (\"vireo help\" lists them)");
	if (!strcmp(argv[0], "complete")) {
		complete(cli, argc - 1, argv + 1);
		return STATUS_OK;
	}
	for (const struct object *const *o = objects; *o; o++)
		if (!strcmp((*o)->name, argv[0]))
			return run_object(cli, *o, argc - 1, argv + 1);
	if (strcmp(argv[0], "help"))
		return refuse_object(argv[0]);
	/* "vireo help port" as well as "vireo port help" */
	if (argc == 1) {
		help_program();
		return STATUS_OK;
	}
	for (const struct object *const *o = objects; *o; o++) {
		if (strcmp((*o)->name, argv[1]))
			continue;
		help_object(*o);
		return STATUS_OK;
	}
	return refuse_object(argv[1]);
}

/* Takes the options in front of the object; returns how many words they are, or -1 after an error.
 * *@done: there is nothing more to do.
 */
static int take_options(struct cli *cli, int argc, char **argv, bool *done)
{
	int i = 1;

	for (; i < argc && argv[i][0] == '-' && !*done; i++) {
		if (!strcmp(argv[i], "-j") || !strcmp(argv[i], "--json")) {
			cli->json = true;
		} else if (!strcmp(argv[i], "--run-dir") && i + 1 < argc) {
			cli->run_dir = argv[++i];
		} else if (!strncmp(argv[i], "--run-dir=", 10) && argv[i][10]) {
			cli->run_dir = argv[i] + 10;
		} else if (!strcmp(argv[i], "-V") || !strcmp(argv[i], "--version")) {
			puts("vireo " VIREO_VERSION);
			*done = true;
		} else if (is_help(argv[i])) {
			help_program();
			*done = true;
		} else if (!strcmp(argv[i], "--run-dir")) {
			fail(STATUS_USAGE, "--run-dir needs a directory");
			return -1;
		} else {
			fail(STATUS_USAGE, "no option is called \"%s\" (\"vireo help\" lists them)",
			     argv[i]);
			return -1;
		}
	}
	return i;
}

int main(int argc, char **argv)
{
	struct cli cli = { .run_dir = DEFAULT_RUN_DIR };
	bool done = false;
	int n = take_options(&cli, argc, argv, &done);
	enum status status;

	if (n < 0)
		return STATUS_USAGE;
	status = done ? STATUS_OK : run(&cli, argc - n, argv + n);
	if (fflush(stdout) || ferror(stdout))
		return fail(STATUS_REFUSED, "cannot write the output");
	return status;
}
