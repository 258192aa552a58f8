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
