// SPDX-License-Identifier: Apache-2.0
/* How rules outlive the process. */
#include <stdio.h>

#include "switch/flows_keep.h"

int flows_keep_open(struct flows *flows)
{
	char key[KEEP_KEY_MAX];

	snprintf(key, sizeof(key), "tallies/%s", flows->name);
	bank_init(&flows->tallies, NULL, key, sizeof(struct tally));
	snprintf(key, sizeof(key), "meters/%s", flows->name);
	bank_init(&flows->meters, NULL, key, sizeof(struct meter_state));
	return 0;
}

int flows_keep_table(struct flows *flows, unsigned i, uint32_t *slot)
{
	return bank_take(&flows->tallies, slot);
}

int flows_keep_restore(struct flows *flows, struct pipeline *p)
{
	return 0;
}

void flows_keep_started(struct flows *flows)
{
}

int flows_keep_change(struct flows *flows, const struct change *c)
{
	return 0;
}

void flows_keep_close(struct flows *flows)
{
	bank_close(&flows->tallies);
	bank_close(&flows->meters);
}

void flows_keep_release(struct flows *flows)
{
}
