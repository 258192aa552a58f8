// SPDX-License-Identifier: Apache-2.0
/* Tables of automatic receive steering: making them. */
#include <assert.h>
#include <stdlib.h>

#include "flow/steer.h"
#include "port/port.h"

static_assert(PORT_QUEUES_MAX <= STEER_PAIR + 1, "an entry holds any queue pair");

struct steer *steer_create(void)
{
	return calloc(1, sizeof(struct steer));
}

void steer_destroy(struct steer *steer)
{
	free(steer);
}
