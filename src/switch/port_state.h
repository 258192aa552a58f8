/* SPDX-License-Identifier: Apache-2.0 */
/* What a port's successor goes on with: its counters and its number, in memory that outlives the
 * process (struct view_port_state). Control thread.
 */
#pragma once

#include "switch/gone.h"

/* Where it is. Zeroed: nowhere. */
struct port_state {
	struct view_port_state *state; /* NULL: nowhere */
	size_t len;
	int file;    /* of memory that nobody holds yet; -1: somebody does, or nobody can */
	uint32_t id; /* that it had in an earlier process; 0: in none */
};

/* Goes on with the counters that port @name had in an earlier process with as many workers, in the
 * same memory: a death in between loses nothing of them, and what waited for the port then is
 * counted as lost, once. Else makes new ones. @keep and @gone may be NULL. 0 or -ENOMEM. */
int port_state_open(struct port_state *s, struct keep *keep, const char *name, unsigned n_workers,
		    const struct gone *gone);

/* Lets it outlive this process, with @id, not 0, as the port's number: MAC tables have it. */
void port_state_hold(struct port_state *s, struct keep *keep, const char *name, uint32_t id);

/* No later process will want it. */
void port_state_release(struct keep *keep, const char *name);

/* Unmaps it; it is held as before. */
void port_state_close(struct port_state *s);
