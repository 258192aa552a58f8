// SPDX-License-Identifier: Apache-2.0
/* The objects there are, in the order of help. */
#include "cli/cli.h"

const struct object *const objects[] = {
	&bridge_object,	 &port_object,	 &mac_object,	&flow_object,	&group_object,
	&meter_object,	 &trace_object,	 &cache_object, &worker_object, &stats_object,
	&log_object,	 &config_object, &top_object,	&bench_object,	&upgrade_object,
	&version_object, NULL,
};
