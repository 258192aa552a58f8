/* SPDX-License-Identifier: Apache-2.0 */
/* What the methods of the control socket know. Control thread. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "switch/switch.h"

/* The methods' ctx. */
struct methods_context {
	struct swtch *sw;
	const char *config_path; /* what --config named; NULL: nothing */
	const char *log_level;	 /* what --log-level said: of modules that the file leaves out */
	pid_t pid;		 /* of this process */
	uint64_t started_ns;	 /* clock_ns() when the daemon started */
	bool changed; /* set by calls that may have changed the configuration; whoever looks at
		       * that clears it */
	/* Asks for another program to go on, by @order (base/order.h; stays the caller's); its
	 * result is final when all has settled. 0 or -errno and a text. */
	int (*upgrade)(struct methods_context *context, const char *path, bool keeper, int order,
		       struct error *err);
	int (*upgrade_result)(struct methods_context *context, struct error *err);
};
