/* SPDX-License-Identifier: Apache-2.0 */
/* Completion for shells. */
#pragma once

#include "cli/cli.h"

/* "vireo complete [WORD]...": prints, one a line, what may follow these words of a command line.
 * Nothing when that is a file's name, or anything. Never an error.
 */
void complete(const struct cli *cli, int argc, char **argv);
