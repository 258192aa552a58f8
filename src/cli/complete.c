// SPDX-License-Identifier: Apache-2.0
/* Completion, from the same tables as help. */
#include <stdio.h>
#include <string.h>

#include "base/option.h"
#include "cli/client.h"
#include "cli/complete.h"
#include "cli/help.h"

#define PAIR_WORDS_MAX 256 /* what follows more is not completed */

/* Prints the member "name" of each object that @method lists. */
static void print_names(const struct cli *cli, const char *method)
{
	json_t *list = NULL;
	const json_t *item;
	struct error err;
	size_t i;

	if (client_try(cli, method, NULL, NO_FILE, &list, &err))
		return;
	json_array_foreach (list, i, item)
		puts(json_string_value(json_object_get(item, "name")) ?: "");
	json_decref(list);
}

static void print_keys(const json_t *object)
{
	const json_t *value;
	const char *name;

	json_object_foreach ((json_t *)object, name, value)
		puts(name);
}

static void print_modules(const struct cli *cli)
{
	json_t *levels = NULL;
	struct error err;

	puts("all");
	if (client_try(cli, "log.show", NULL, NO_FILE, &levels, &err))
		return;
	print_keys(levels);
	json_decref(levels);
}

static void print_words(const struct cli *cli, enum word_kind kind)
{
	switch (kind) {
	case WORD_BRIDGE:
		print_names(cli, "bridge.show");
		break;
	case WORD_PORT:
		print_names(cli, "port.show");
		break;
	case WORD_MODULE:
		print_modules(cli);
		break;
	case WORD_LEVEL:
		puts("error\nwarning\ninfo\ndebug");
		break;
	case WORD_NONE:
	case WORD_NEW:
	case WORD_FILE:
		break;
	}
}

/* The value behind option @name of the words, or NULL. */
static const char *value_in(int argc, char **argv, const char *name)
{
	for (int i = 0; i + 1 < argc; i += 2)
		if (!strcmp(argv[i], name))
			return argv[i + 1];
	return NULL;
}

/* The kind of a port that exists; a new reference to its name, or NULL. */
static json_t *kind_of(const struct cli *cli, const char *port)
{
	json_t *list = NULL, *kind;
	struct error err;

	if (client_try(cli, "port.show", json_pack("{s:s}", "name", port), NO_FILE, &list, &err))
		return NULL;
	kind = json_incref(json_object_get(json_array_get(list, 0), "type"));
	json_decref(list);
	return kind;
}

/* The arrays of options that may follow: common ones and those of the kind. */
static void find_options(const json_t *described, enum option_set set, const char *kind,
			 const json_t **tables)
{
	const json_t *port = json_object_get(described, "port");

	tables[0] = json_object_get(set == OPTIONS_BRIDGE ? described : port,
				    set == OPTIONS_BRIDGE ? "bridge" : "common");
	tables[1] = NULL;
	if (set == OPTIONS_PORT && kind)
		tables[1] = json_object_get(json_object_get(json_object_get(port, "kinds"), kind),
					    "options");
}

static void print_option_names(const json_t *const *tables, const struct verb *verb, int argc,
			       char **argv)
{
	const json_t *option;
	size_t i;

	for (int t = 0; t < 2; t++)
		json_array_foreach (tables[t], i, option) {
			const char *name = json_string_value(json_object_get(option, "name"));
			bool fixed = json_is_true(json_object_get(option, "fixed"));

			if (name && !value_in(argc, argv, name) &&
			    !(fixed && !strcmp(verb->name, "set")))
				puts(name);
		}
	for (const char *const *o = verb->own_options; o && *o; o++)
		if (!value_in(argc, argv, *o))
			puts(*o);
}

/* Whether option @name is of two words, of which the first is @first. */
static bool is_second(const char *name, const char *first)
{
	size_t len = strlen(first);

	return option_has_second(first) && !strncmp(name, first, len) && name[len] == '-';
}

static void print_values(const struct cli *cli, const json_t *described,
			 const json_t *const *tables, const char *wanted)
{
	const json_t *option, *choice;
	size_t i, j;

	if (!strcmp(wanted, "bridge"))
		print_words(cli, WORD_BRIDGE);
	else if (!strcmp(wanted, "port") || !strcmp(wanted, "--live"))
		print_words(cli, WORD_PORT);
	else if (!strcmp(wanted, "type"))
		print_keys(json_object_get(json_object_get(described, "port"), "kinds"));
	else if (!strcmp(wanted, "poll"))
		puts("adaptive\nalways");
	else if (!strcmp(wanted, "rebalance"))
		puts("on\noff");
	else if (!strcmp(wanted, "worker"))
		puts("auto");
	for (int t = 0; t < 2; t++)
		json_array_foreach (tables[t], i, option) {
			const char *name = json_string_value(json_object_get(option, "name"));
			const char *type = json_string_value(json_object_get(option, "type"));

			if (name && is_second(name, wanted))
				puts(name + strlen(wanted) + 1);
			if (!name || strcmp(name, wanted))
				continue;
			if (type && !strcmp(type, "on|off"))
				puts("on\noff");
			json_array_foreach (json_object_get(option, "choices"), j, choice)
				puts(json_string_value(choice) ?: "");
		}
}

/* What follows when this program knows the options itself; names of sockets come first. */
static void complete_table(const struct cli *cli, const struct verb *verb, int argc, char **argv)
{
	const struct option *const known[] = { verb->table, NULL };
	const json_t *tables[2] = { NULL, NULL };
	json_t *described;

	while (argc && strchr(argv[0], '/')) {
		argc--;
		argv++;
	}
	described = options_describe(known);
	tables[0] = described;
	if (argc % 2)
		print_values(cli, NULL, tables, argv[argc - 1]);
	else
		print_option_names(tables, verb, argc, argv);
	json_decref(described);
}

/* Option names of two words, as one; the rest as it is. */
struct pairs {
	char *argv[PAIR_WORDS_MAX];
	char names[PAIR_WORDS_MAX][OPTION_NAME_MAX];
	int argc;
};

static void join_names(struct pairs *p, int argc, char **argv)
{
	size_t n = (size_t)argc, i = 0, used;

	for (p->argc = 0; i < n && p->argc + 1 < PAIR_WORDS_MAX;) {
		char *buffer = p->names[p->argc];

		p->argv[p->argc++] = option_name(argv + i, n - i, buffer, &used);
		i += used;
		if (i < n)
			p->argv[p->argc++] = argv[i++];
	}
}

/* What follows the words behind a verb. */
static void complete_words(const struct cli *cli, const struct verb *verb, int argc, char **argv)
{
	int n_first = (verb->words[0] != WORD_NONE) + (verb->words[1] != WORD_NONE);
	const json_t *tables[2] = { NULL, NULL };
	json_t *described = NULL, *kind = NULL;
	const char *kind_name;
	struct pairs pairs;
	struct error err;

	if (verb->table) {
		complete_table(cli, verb, argc, argv);
		return;
	}
	if (argc < n_first) {
		print_words(cli, verb->words[argc]);
		return;
	}
	join_names(&pairs, argc - n_first, argv + n_first);
	if (verb->options != OPTIONS_NONE)
		client_try(cli, "describe", NULL, NO_FILE, &described, &err);
	kind_name = value_in(pairs.argc, pairs.argv, "type");
	if (!kind_name && verb->words[0] == WORD_PORT && argc) {
		kind = kind_of(cli, argv[0]);
		kind_name = json_string_value(kind);
	}
	find_options(described, verb->options, kind_name, tables);
	if (pairs.argc % 2)
		print_values(cli, described, tables, pairs.argv[pairs.argc - 1]);
	else
		print_option_names(tables, verb, pairs.argc, pairs.argv);
	json_decref(kind);
	json_decref(described);
}

static void complete_object(const struct cli *cli, const struct object *object, int argc,
			    char **argv)
{
	if (object_is_verb(object)) {
		complete_words(cli, &object->verbs[0], argc, argv);
		return;
	}
	for (const struct verb *v = object->verbs; v->name; v++) {
		if (!argc)
			puts(v->name);
		else if (!strcmp(v->name, argv[0]))
			complete_words(cli, v, argc - 1, argv + 1);
	}
	if (!argc)
		puts("help");
}

void complete(const struct cli *cli, int argc, char **argv)
{
	struct cli options = *cli;

	while (argc && argv[0][0] == '-') {
		int n = strcmp(argv[0], "--run-dir") ? 1 : 2;

		if (n > argc)
			return;
		if (n == 2)
			options.run_dir = argv[1];
		argc -= n;
		argv += n;
	}
	if (!argc)
		puts("--run-dir\n-j\n--json\n--help\n--version\nhelp");
	for (const struct object *const *o = objects; *o; o++) {
		if (!argc || (argc == 1 && !strcmp(argv[0], "help")))
			puts((*o)->name);
		else if (!strcmp((*o)->name, argv[0]))
			complete_object(&options, *o, argc - 1, argv + 1);
	}
}
