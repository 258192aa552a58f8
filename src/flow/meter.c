// SPDX-License-Identifier: Apache-2.0
/* Meters: their memory. */
#include <stdlib.h>

#include "flow/meter.h"
#include "flow/refs.h"

void (*meter_on_free)(struct meter *meter);

struct meter *meter_create(uint32_t id)
{
	struct meter *meter = calloc(1, sizeof(*meter));

	if (!meter)
		return NULL;
	meter->refs = 1;
	meter->id = id;
	return meter;
}

bool meter_remarks(const struct meter *meter)
{
	for (unsigned i = 0; i < meter->n_bands; i++)
		if (meter->bands[i].type == BAND_DSCP_REMARK)
			return true;
	return false;
}

void meter_ref(struct meter *meter)
{
	refs_take(&meter->refs);
}

void meter_unref(struct meter *meter)
{
	if (!meter || !refs_drop(&meter->refs))
		return;
	if (meter_on_free)
		meter_on_free(meter);
	free(meter);
}
