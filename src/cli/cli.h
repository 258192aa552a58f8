/* SPDX-License-Identifier: Apache-2.0 */
/* The program "vireo": OBJECT VERB WORDS..., in the manner of ip(8). One file for each object; the
 * tables of their verbs are what is executed, helped with and completed. One thread.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/compiler.h"

/* Where vireod's socket is unless --run-dir says otherwise. */
#define DEFAULT_RUN_DIR "/run/vireo"

/* How the program ends. */
enum status {
	STATUS_OK,
	STATUS_REFUSED,	  /* the switch said no, or the system did */
	STATUS_USAGE,	  /* the command was not understood */
	STATUS_NO_DAEMON, /* vireod cannot be reached */
};

/* The options before the object. */
struct cli {
	const char *run_dir;
	bool json;
};

/* What a word of a command names; for completion. */
enum word_kind {
	WORD_NONE,
	WORD_NEW, /* something that does not exist yet */
	WORD_BRIDGE,
	WORD_PORT,
	WORD_MODULE,
	WORD_LEVEL,
	WORD_FILE,
};

/* Which of the daemon's tables describe the options of a command. */
enum option_set { OPTIONS_NONE, OPTIONS_BRIDGE, OPTIONS_PORT };

struct option; /* base/option.h */

struct verb {
	const char *name;
	const char *args; /* as help shows them */
	const char *help; /* one line */
	/* @argv holds the words behind the verb. Prints its own errors. */
	enum status (*run)(const struct cli *cli, int argc, char **argv);
	enum word_kind words[2];	/* what the first words are, in front of options */
	enum option_set options;	/* whose names may follow */
	const char *const *own_options; /* beside those; NULL-terminated, or NULL */
	const struct option *table;	/* options that this program knows itself, behind words with
					 * a '/'; ended by a NULL name, or NULL */
};

struct object {
	const char *name;
	const char *help;	  /* one line */
	const struct verb *verbs; /* ended by a NULL name; the verb "show" may be left out. One
				   * verb of the object's own name: the object takes no verb */
};

/* All objects; NULL ends the array. */
extern const struct object *const objects[];

/* One for each file of a subcommand. */
extern const struct object bridge_object, port_object, mac_object, flow_object, group_object,
	meter_object, trace_object, cache_object, worker_object, stats_object, log_object,
	config_object, top_object, bench_object, upgrade_object, version_object;

/* Prints "vireo: ..." to stderr; returns @status. */
enum status fail(enum status status, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Fails when there are fewer than @min or more than @max words; @usage: what would be right. */
enum status check_words(int argc, char **argv, int min, int max, const char *usage);

/* Adds a text to @params; false after an error was printed: @value is NULL or not UTF-8, or @name
 * is there already.
 */
bool add_pair(json_t *params, const char *name, const char *value);

/* Makes {@first: the first word, and the pairs OPTION VALUE behind it}, where OPTION may be two
 * words (option_name()); with @first NULL, of pairs alone. A new reference; NULL after an error was
 * printed: an option without a value, or given twice, is STATUS_USAGE.
 */
json_t *make_params(const char *first, int argc, char **argv);

/* A relative path made absolute, because the daemon's directory is another; malloc'd, or NULL. */
char *absolute_path(const char *path);
