/* SPDX-License-Identifier: Apache-2.0 */
/* Help, from the tables of objects and verbs, and from the daemon's tables of options. */
#pragma once

#include "cli/cli.h"

/* "vireo help": objects and options of the program. */
void help_program(void);

/* "vireo OBJECT help" */
void help_object(const struct object *object);

/* "vireo OBJECT VERB ... help": with the options of the kind that "type KIND" among the words
 * names, or of all. STATUS_USAGE when there is no such kind; no daemon is no error.
 */
enum status help_verb(const struct cli *cli, const struct object *object, const struct verb *verb,
		      int argc, char **argv);

/* Whether the object is a command by itself: "vireo top". */
bool object_is_verb(const struct object *object);
