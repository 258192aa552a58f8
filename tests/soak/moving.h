/* SPDX-License-Identifier: Apache-2.0 */
/* What a machine's monitor does while it moves its guest: copies the memory, again and again what
 * the switch has noted in the dirty log, and compares in the end.
 */
#pragma once

#include "vhost/frontend.h"

enum moving_state {
	MOVING_NOT,
	MOVING_ASKED,  /* for the log */
	MOVING_COPIES, /* while the guest runs */
	MOVING_STOPS,  /* rings are being stopped */
};

/* Zeroed: it does not move. */
struct moving {
	enum moving_state state;
	const struct driver_region *region;
	uint64_t *log; /* shared with the switch */
	size_t log_size;
	uint8_t *copy; /* of the memory */
	unsigned n_rounds;
};

/* Asks for the log. Returns 0, or -errno and a text. */
int moving_begin(struct moving *m, struct frontend *frontend, const struct sharedmem *mem,
		 struct error *err);

/* The switch has taken the log. */
void moving_logged(struct moving *m);

/* A round. False: enough. */
bool moving_copy(struct moving *m);

/* All rings have stopped: the last round. Returns in how many pages of receive buffers, which only
 * the switch writes, the copy differs; and is zeroed. */
unsigned moving_end(struct moving *m, struct netdrv *drv, unsigned n_queues);

/* It does not move, after all. */
void moving_forget(struct moving *m);
