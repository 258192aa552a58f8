// SPDX-License-Identifier: Apache-2.0
/* Help. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/option.h"
#include "cli/client.h"
#include "cli/help.h"

#define KINDS_MAX 64
#define VALUE_WIDTH 14

bool object_is_verb(const struct object *object)
{
	return !strcmp(object->verbs[0].name, object->name);
}

void help_program(void)
{
	puts("usage: vireo [--run-dir DIR] [-j] OBJECT VERB [WORD]...\n"
	     "\n"
	     "objects:");
	for (const struct object *const *o = objects; *o; o++) {
		printf("  %-9s %s", (*o)->name, (*o)->help);
		if (!object_is_verb(*o)) {
			fputs(": ", stdout);
			for (const struct verb *v = (*o)->verbs; v->name; v++)
				printf("%s%s", v == (*o)->verbs ? "" : "|", v->name);
		}
		putchar('\n');
	}
	puts("\n"
	     "options:\n"
	     "  --run-dir DIR  directory of the daemon's socket (" DEFAULT_RUN_DIR ")\n"
	     "  -j, --json     print JSON\n"
	     "  -h, --help     print this\n"
	     "  -V, --version  print the version of vireo\n"
	     "\n"
	     "\"vireo OBJECT help\" and \"vireo OBJECT VERB help\" tell more; so does vireo(1).\n"
	     "Without a verb, an object is shown. The daemon is vireod(8).");
}

static const char *text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : "";
}

/* "1..8", "read|write", or of what type the value is. */
static void format_value(const json_t *option, char *text, size_t size)
{
	const json_t *max = json_object_get(option, "max"), *choice;
	size_t len = 0, i;

	if (max) {
		snprintf(text, size, "%lld..%lld",
			 (long long)json_integer_value(json_object_get(option, "min")),
			 (long long)json_integer_value(max));
		return;
	}
	json_array_foreach (json_object_get(option, "choices"), i, choice) {
		if (len < size)
			len += (size_t)snprintf(text + len, size - len, "%s%s", i ? "|" : "",
						json_string_value(choice) ?: "");
	}
	/* the help tells choices that are too long for the column */
	if (!len || len >= size || len > VALUE_WIDTH)
		snprintf(text, size, "%s", text_of(option, "type"));
}

static void print_option(const json_t *option, bool changing)
{
	char value[64];

	format_value(option, value, sizeof(value));
	printf("  %-18s %-*s %s", text_of(option, "name"), VALUE_WIDTH, value,
	       text_of(option, "help"));
	if (!changing && json_is_true(json_object_get(option, "required")))
		fputs("; must be given", stdout);
	if (json_is_true(json_object_get(option, "fixed")))
		fputs("; cannot be changed later", stdout);
	if (json_is_true(json_object_get(option, "later")))
		fputs("; takes effect at the next negotiation", stdout);
	putchar('\n');
}

/* @changing: only those that can be changed. */
static void print_options(const char *title, const json_t *options, bool changing)
{
	const json_t *option;
	bool any = false;
	size_t i;

	json_array_foreach (options, i, option) {
		if (changing && json_is_true(json_object_get(option, "fixed")))
			continue;
		if (!any)
			printf("\n%s:\n", title);
		any = true;
		print_option(option, changing);
	}
}

/* Those that this program knows itself. */
static void print_table_options(const struct verb *verb)
{
	const struct option *const tables[] = { verb->table, NULL };
	json_t *options;

	if (!verb->table)
		return;
	options = options_describe(tables);
	print_options("options", options, false);
	json_decref(options);
}

static void print_usage(const struct object *object, const struct verb *verb)
{
	printf("usage: vireo %s", object->name);
	if (!object_is_verb(object))
		printf(" %s", verb->name);
	printf("%s%s\n  %s\n", *verb->args ? " " : "", verb->args, verb->help);
}

void help_object(const struct object *object)
{
	if (object_is_verb(object)) {
		print_usage(object, &object->verbs[0]);
		print_table_options(&object->verbs[0]);
		return;
	}
	printf("%s: %s\n", object->name, object->help);
	for (const struct verb *v = object->verbs; v->name; v++)
		printf("\n  vireo %s %s%s%s\n      %s\n", object->name, v->name,
		       *v->args ? " " : "", v->args, v->help);
}

static enum status refuse_kind(const json_t *kinds, const char *kind)
{
	const char *names[KINDS_MAX], *name, *near;
	const json_t *value;
	size_t n = 0;

	json_object_foreach ((json_t *)kinds, name, value)
		if (n < KINDS_MAX)
			names[n++] = name;
	near = nearest_word(kind, names, n);
	if (near)
		return fail(STATUS_USAGE, "no kind of port is called \"%s\": did you mean \"%s\"?",
			    kind, near);
	return fail(STATUS_USAGE,
		    "no kind of port is called \"%s\" (\"vireo port add help\" lists them)", kind);
}

static void list_kinds(const json_t *kinds)
{
	const json_t *kind;
	const char *name;

	puts("\nkinds:");
	json_object_foreach ((json_t *)kinds, name, kind)
		printf("  %-18s %s\n", name, text_of(kind, "summary"));
}

/* The options of ports: of the kind @wanted, or NULL; when @changing, of all kinds. */
static enum status help_port(const json_t *described, const char *wanted, bool changing)
{
	const json_t *kinds = json_object_get(json_object_get(described, "port"), "kinds");
	const json_t *kind;
	const char *name;
	char title[128];

	if (wanted && !json_object_get(kinds, wanted))
		return refuse_kind(kinds, wanted);
	if (!wanted && !changing)
		list_kinds(kinds);
	json_object_foreach ((json_t *)kinds, name, kind) {
		if (wanted ? strcmp(name, wanted) : !changing)
			continue;
		snprintf(title, sizeof(title), "options of type %s (%s)", name,
			 text_of(kind, "summary"));
		print_options(title, json_object_get(kind, "options"), changing);
	}
	print_options("options of every port",
		      json_object_get(json_object_get(described, "port"), "common"), changing);
	return STATUS_OK;
}

/* The word behind "type". */
static const char *kind_in(int argc, char **argv)
{
	for (int i = 0; i + 1 < argc; i++)
		if (!strcmp(argv[i], "type"))
			return argv[i + 1];
	return NULL;
}

enum status help_verb(const struct cli *cli, const struct object *object, const struct verb *verb,
		      int argc, char **argv)
{
	bool changing = !strcmp(verb->name, "set");
	json_t *described = NULL;
	enum status status = STATUS_OK;
	struct error err;

	print_usage(object, verb);
	print_table_options(verb);
	if (verb->options == OPTIONS_NONE)
		return STATUS_OK;
	if (client_try(cli, "describe", NULL, NO_FILE, &described, &err)) {
		puts("\nThe options are listed here when vireod runs, and in vireo(1).");
		return STATUS_OK;
	}
	if (verb->options == OPTIONS_BRIDGE)
		print_options("options", json_object_get(described, "bridge"), changing);
	else
		status = help_port(described, kind_in(argc, argv), changing);
	if (changing)
		puts("\nThe value \"default\" sets an option back.");
	json_decref(described);
	return status;
}
