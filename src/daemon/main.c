// SPDX-License-Identifier: Apache-2.0
/* vireod: the program. */
#include <event2/event.h>
#include <stdio.h>

#include "base/log.h"
#include "base/sandbox.h"
#include "daemon/daemon.h"
#include "keeper/keeper.h"

LOG_MODULE("daemon");

/* What libevent complains of a peer may bring about again and again, as with a file that cannot be
 * waited for. */
static void on_complaint(int severity, const char *text)
{
	log_limited(severity == EVENT_LOG_ERR ? LOG_ERROR : LOG_WARNING, "libevent: %s", text);
}

static int run_keeper(const struct daemon_options *options, char **argv, struct error *err)
{
	struct keeper_config config = { .argv = argv,
					.table_fd = options->keeper_table,
					.watchdog = options->watchdog,
					.rights = { .config = options->config,
						    .run_dir = options->run_dir,
						    .group = options->group } };
	int rc = sandbox_find_user(&config.rights.user, options->user, err);

	return rc ? rc : keeper_run(&config, err);
}

/* What this process is to be. */
static int run(const struct daemon_options *options, char **argv, struct error *err)
{
	if (options->keeper_fd >= 0 && options->keeper_table >= 0)
		return keeper_check(options->keeper_fd, options->keeper_table, err);
	if (options->no_keeper || options->keeper_fd >= 0)
		return daemon_run(options, err);
	return run_keeper(options, argv, err);
}

int main(int argc, char **argv)
{
	struct daemon_options options;
	struct error err;
	int rc;

	switch (daemon_options_parse(&options, argc, argv)) {
	case OPTIONS_DONE:
		return 0;
	case OPTIONS_WRONG:
		return 2;
	case OPTIONS_RUN:
		break;
	}
	log_init();
	event_set_log_callback(on_complaint);
	rc = log_set_level("all", options.log_level, &err);
	if (!rc)
		rc = run(&options, argv, &err);
	if (rc < 0) {
		fprintf(stderr, "vireod: %s\n", err.text);
		return 1;
	}
	return rc;
}
