/* SPDX-License-Identifier: Apache-2.0 */
/* What commands about rules, groups and meters have in common. */
#pragma once

#include "cli/cli.h"

/* Takes "bridge NAME" off the front of the words, if it is there, into new parameters; NULL after
 * an error was printed. */
json_t *rules_params(int *argc, char ***argv);

/* All of a file, "-": standard input, as a file of memory that vireod reads; or -1 after an error
 * was printed. */
int rules_file(const char *path);

/* Calls @method with the text @name, which all words in @argv make up. */
enum status rules_change(const struct cli *cli, const char *method, const char *name, int argc,
			 char **argv);

/* The list @name that @method shows: all of it, whatever the number, since vireod gives some at a
 * time. *@out is a new reference. */
enum status rules_list(const struct cli *cli, const char *method, const char *name,
		       const json_t *params, json_t **out);

/* Adds the words with blanks in between to @params, as the text @name; false after an error was
 * printed.
 */
bool rules_add(json_t *params, const char *name, int argc, char **argv);

/* "1.2 s", "3 min", "2.5 h"; never: "". Writes to @text and returns it. */
char *rules_time(const json_t *seconds, char *text, size_t size);
