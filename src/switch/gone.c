// SPDX-License-Identifier: Apache-2.0
/* Counters of deleted ports. */
#include <string.h>

#include "switch/gone.h"

#define KEY "gone"
#define VERSION 1u

struct gone {
	struct port_counters sum;
	uint32_t layout;
};

/* Of the counters: another version counts other things. */
static uint32_t layout(void)
{
	return VERSION << 24 | DROP_N_REASONS;
}

struct gone *gone_open(struct keep *keep)
{
	size_t len = 0;
	int file;
	struct gone *gone = keep_old_memory(keep, KEY, &len);

	if (gone && len == sizeof(*gone) && gone->layout == layout())
		return gone;
	keep_unmap(gone, len);
	gone = keep_memory(keep, sizeof(*gone), &file);
	if (!gone)
		return NULL;
	gone->layout = layout();
	keep_hold_memory(keep, KEY, file);
	return gone;
}

void gone_close(struct gone *gone)
{
	keep_unmap(gone, sizeof(*gone));
}

void gone_add(struct gone *gone, struct port_counters *counters, unsigned n_workers)
{
	for (unsigned w = 0; gone && w < n_workers; w++) {
		port_lose_held(&counters[w]);
		port_counters_add(&gone->sum, &counters[w]);
		memset(&counters[w], 0, sizeof(counters[w]));
	}
}

const struct port_counters *gone_sum(const struct gone *gone)
{
	static const struct port_counters none;

	return gone ? &gone->sum : &none;
}
