/* SPDX-License-Identifier: Apache-2.0 */
/* What ports have counted that are no more: the switch's totals never fall, and no packet is
 * missing in them because its port is. In memory that outlives the process. Control thread.
 */
#pragma once

#include "base/keep.h"
#include "port/drop.h"

struct gone;

/* Goes on with what an earlier process has left, if that counted the same things. NULL when memory
 * is short: then nothing is remembered. @keep may be NULL. */
struct gone *gone_open(struct keep *keep);

/* Frees it here; it is kept as before. NULL is fine. */
void gone_close(struct gone *gone);

/* Adds the counters that a port had with each of @n_workers, which are zero from then on: were the
 * switch to die now and make the port again, nothing would count twice. Nobody uses the port any
 * more; what waits for it is lost. */
void gone_add(struct gone *gone, struct port_counters *counters, unsigned n_workers);

/* All of it; @gone NULL: zeros. */
const struct port_counters *gone_sum(const struct gone *gone);
