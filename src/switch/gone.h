/* SPDX-License-Identifier: Apache-2.0 */
/* What ports have counted that are no more: the switch's totals never fall, and no packet is
 * missing in them because its port is. In memory that outlives the process. Control thread.
 *
 * Theory of operation. There are two sums, and one word says which of them counts. A port's
 * counters are added to the other one, and then that word is stored, with the port's id: from then
 * on they are in the sum, and the port's own are to be zero. When they are, the word is stored
 * without the id. If the process dies in between and the next one makes the port again, the id
 * tells that its counters are in the sum already (gone_settle()). So everything counts once, at
 * every instruction.
 */
#pragma once

#include "base/keep.h"
#include "flow/view.h"

struct gone;

/* Goes on with what an earlier process has left, if that counted the same things. NULL when memory
 * is short: then nothing is remembered. @keep may be NULL. */
struct gone *gone_open(struct keep *keep);

/* Frees it here; it is kept as before. NULL is fine. */
void gone_close(struct gone *gone);

/* Adds the counters that a port had with each of @n_workers, and before, which are zero from then
 * on. Nobody uses the port any more; what waits for it is lost. @gone may be NULL. */
void gone_add(struct gone *gone, struct view_port_state *state, unsigned n_workers);

/* A port goes on with the counters of an earlier process: they are zero from then on if that has
 * died in gone_add(). @gone may be NULL. */
void gone_settle(const struct gone *gone, struct view_port_state *state, unsigned n_workers);

/* gone_settle() has seen all ports that there are. @gone may be NULL. */
void gone_settled(struct gone *gone);

/* All of it; @gone NULL: zeros. */
const struct port_counters *gone_sum(const struct gone *gone);
