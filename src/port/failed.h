/* SPDX-License-Identifier: Apache-2.0 */
/* What stands in the place of a port that an earlier process had and that cannot be made again: it
 * does nothing, is down, and says why. Control thread.
 */
#pragma once

#include "port/port.h"

/* How such a port is recognised; not listed among the kinds. */
extern const struct port_ops failed_port_ops;

/* Makes one. @why: the reason, copied. 0 or -ENOMEM. */
int failed_port_create(struct port **out, const char *name, const char *why,
		       const struct port_env *env, void *owner);

/* There is another reason now. Returns whether it differs from the one before. */
bool failed_port_explain(struct port *port, const char *why);
