// SPDX-License-Identifier: Apache-2.0
/* vireod: the program. */
#include <stdio.h>

#include "base/log.h"
#include "daemon/daemon.h"
#include "keeper/keeper.h"

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
	rc = log_set_level("all", options.log_level, &err);
	if (!rc)
		rc = options.no_keeper || options.keeper_fd >= 0
			     ? daemon_run(&options, &err)
			     : keeper_run(argv, options.watchdog, &err);
	if (rc < 0) {
		fprintf(stderr, "vireod: %s\n", err.text);
		return 1;
	}
	return rc;
}
