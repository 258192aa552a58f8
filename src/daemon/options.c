// SPDX-License-Identifier: Apache-2.0
/* The command line of vireod. */
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "daemon/options.h"

static const char help[] =
	"vireod - a virtual switch for virtual machines\n"
	"\n"
	"Usage: vireod [OPTION]...\n"
	"\n"
	"Runs in the foreground and logs to standard error. \"vireo\" controls it.\n"
	"\n"
	"  --config FILE       configuration to start with, and for \"vireo config save\"\n"
	"  --run-dir DIR       where the control socket is made (" DAEMON_RUN_DIR ")\n"
	"  --group GROUP       group that may use the control socket, beside root\n"
	"  --user USER         whom the switch runs as when root starts it (vireo, or nobody)\n"
	"  --workers N         threads that move packets, 1 to 64 (1)\n"
	"  --worker-cpus LIST  CPUs to pin them to, in turn, like 2,4-5\n"
	"  --log-level LEVEL   error, warning, info or debug (info)\n"
	"  --watchdog SECONDS  a switch that hangs so long is killed and started again (10); 0: not\n"
	"  --no-keeper         one process, after which guests have to connect anew (for debugging)\n"
	"  -V, --version       print the version\n"
	"  -h, --help          print this\n"
	"\n"
	"Example:\n"
	"  vireod &\n"
	"  vireo port add vm1 type vhost-user path /run/vireo/vm1.sock\n"
	"  vireo port add lan type tap\n"
	"  vireo port show\n"
	"\n"
	"See vireod(8), vireo(1) and vireo.conf(5).\n";

static const struct option longs[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "run-dir", required_argument, NULL, 'r' },
	{ "group", required_argument, NULL, 'g' },
	{ "user", required_argument, NULL, 'u' },
	{ "workers", required_argument, NULL, 'w' },
	{ "worker-cpus", required_argument, NULL, 'p' },
	{ "log-level", required_argument, NULL, 'l' },
	{ "watchdog", required_argument, NULL, 'd' },
	{ "no-keeper", no_argument, NULL, 'n' },
	{ "keeper-fd", required_argument, NULL, 'k' },	  /* for the keeper alone */
	{ "keeper-table", required_argument, NULL, 't' }, /* the same */
	{ "version", no_argument, NULL, 'V' },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

static enum options_verdict wrong(const char *what, const char *value)
{
	fprintf(stderr, "vireod: %s \"%s\" (\"vireod --help\" explains)\n", what, value);
	return OPTIONS_WRONG;
}

static enum options_verdict read_workers(struct daemon_options *o, const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (!*text || *end || n < 1 || n > DAEMON_WORKERS_MAX)
		return wrong("--workers takes a number from 1 to 64, not", text);
	o->workers = (unsigned)n;
	return OPTIONS_RUN;
}

static enum options_verdict wrong_fd(const char *option, const char *value)
{
	char what[64];

	snprintf(what, sizeof(what), "%s takes the number of a file descriptor, not", option);
	return wrong(what, value);
}

static enum options_verdict read_fd(const char *option, int *fd, const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || n > INT_MAX)
		return wrong_fd(option, text);
	*fd = (int)n;
	return OPTIONS_RUN;
}

static enum options_verdict read_watchdog(struct daemon_options *o, const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || n > DAEMON_WATCHDOG_MAX)
		return wrong("--watchdog takes seconds, 0 to 3600, not", text);
	o->watchdog = (unsigned)n;
	return OPTIONS_RUN;
}

static enum options_verdict read_level(struct daemon_options *o)
{
	if (log_check_level("all", optarg, NULL) < 0)
		return wrong("--log-level takes error, warning, info or debug, not", optarg);
	o->log_level = optarg;
	return OPTIONS_RUN;
}

static enum options_verdict take(struct daemon_options *o, int letter, const char *word)
{
	switch (letter) {
	case 'c':
		o->config = optarg;
		return OPTIONS_RUN;
	case 'r':
		o->run_dir = optarg;
		return OPTIONS_RUN;
	case 'g':
		o->group = optarg;
		return OPTIONS_RUN;
	case 'u':
		o->user = optarg;
		return OPTIONS_RUN;
	case 'w':
		return read_workers(o, optarg ? optarg : "");
	case 'p':
		o->worker_cpus = optarg;
		return OPTIONS_RUN;
	case 'l':
		return read_level(o);
	case 'd':
		return read_watchdog(o, optarg ? optarg : "");
	case 'n':
		o->no_keeper = true;
		return OPTIONS_RUN;
	case 'k':
		return read_fd("--keeper-fd", &o->keeper_fd, optarg ? optarg : "");
	case 't':
		return read_fd("--keeper-table", &o->keeper_table, optarg ? optarg : "");
	case 'V':
		puts("vireod " VIREO_VERSION);
		return OPTIONS_DONE;
	case 'h':
		fputs(help, stdout);
		return OPTIONS_DONE;
	case ':':
		return wrong("a value is missing after", word);
	default:
		return wrong("unknown option", word);
	}
}

enum options_verdict daemon_options_parse(struct daemon_options *o, int argc, char **argv)
{
	enum options_verdict verdict;
	int letter, index = 0;

	*o = (struct daemon_options){
		.run_dir = DAEMON_RUN_DIR,
		.workers = 1,
		.log_level = "info",
		.watchdog = DAEMON_WATCHDOG,
		.keeper_fd = -1,
		.keeper_table = -1,
	};
	opterr = 0;
	optind = 0;
	while ((letter = getopt_long(argc, argv, ":hV", longs, &index)) != -1) {
		/* of several letters behind one dash, getopt goes on with the same word */
		char letters[] = { '-', (char)optopt, '\0' }, name[32];
		const char *word = letter == '?' && optopt ? letters : argv[optind - 1];

		if (letter != ':' && optarg && !*optarg) {
			letter = ':';
			snprintf(name, sizeof(name), "--%s", longs[index].name);
			word = name;
		}
		verdict = take(o, letter, word);
		if (verdict != OPTIONS_RUN)
			return verdict;
	}
	if (optind < argc)
		return wrong("unknown argument", argv[optind]);
	return OPTIONS_RUN;
}
