/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of vireod. */
#pragma once

#include <stdbool.h>

#define DAEMON_RUN_DIR "/run/vireo" /* where the control socket is made, unless told */
#define DAEMON_WORKERS_MAX 64
#define DAEMON_WATCHDOG 10 /* seconds */
#define DAEMON_WATCHDOG_MAX 3600

/* What the command line said; strings are borrowed from argv. */
struct daemon_options {
	const char *run_dir;	 /* DAEMON_RUN_DIR */
	const char *config;	 /* NULL: none */
	const char *group;	 /* that may use the control socket; NULL: root alone */
	const char *user;	 /* whom the switch process runs as; NULL: see base/sandbox.h */
	const char *worker_cpus; /* NULL: not pinned */
	unsigned workers;	 /* 1 */
	const char *log_level;	 /* "info" */
	unsigned watchdog;	 /* seconds without a sign of life that the keeper allows; 0: any */
	bool no_keeper;		 /* all in this process */
	int keeper_fd;		 /* of the keeper that has started this process; -1: none has */
	int keeper_table;	 /* the table to be a keeper with; -1: none */
};

/* What main() is to do: run, end well, end with an error. */
enum options_verdict { OPTIONS_RUN, OPTIONS_DONE, OPTIONS_WRONG };

/* Reads the command line. OPTIONS_DONE: help or version was printed. OPTIONS_WRONG: one line on
 * stderr says what is wrong.
 */
enum options_verdict daemon_options_parse(struct daemon_options *options, int argc, char **argv);
