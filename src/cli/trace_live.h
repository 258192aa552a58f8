/* SPDX-License-Identifier: Apache-2.0 */
/* vireo trace --live */
#pragma once

#include "cli/cli.h"

/* The words of the command. */
#define TRACE_LIVE_USAGE "trace --live PORT [-c COUNT] [FILTER]"

/* @argv: the words behind --live. Ends when so many packets as wanted are told, at a signal, or
 * when the daemon says so. */
enum status trace_live(const struct cli *cli, int argc, char **argv);
