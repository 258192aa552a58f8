/* SPDX-License-Identifier: Apache-2.0 */
/* Ports that made the switch crash three times in a row: they are not made again, so that the
 * others go on. Control thread.
 *
 * Theory of operation. In memory that outlives the process there is a record: whom the last crash
 * is to be laid at the door of (base/blame.h), how many in a row it were, and who is in quarantine.
 * A new process reads it. A process that was killed from outside blames nobody, and changes
 * nothing.
 */
#pragma once

#include <stdbool.h>

#include "base/keep.h"

struct quarantine;

/* Goes on with the record of an earlier process, if there is one, and makes this process write to
 * it when it crashes. NULL when memory is short. Not freed: threads may crash at any time. */
struct quarantine *quarantine_open(struct keep *keep);

/* Whether the port of this name is in quarantine. @q may be NULL. */
bool quarantine_holds(const struct quarantine *q, const char *name);

/* It is no more. */
void quarantine_pardon(struct quarantine *q, const char *name);
