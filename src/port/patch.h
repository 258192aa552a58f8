/* SPDX-License-Identifier: Apache-2.0 */
/* Ports of kind patch: what is sent to one end comes out of the other, on another bridge. A patch
 * port has no queues: the switch finds the other end by name and forwards there in the same step.
 * The switch sets link: true while the other end exists and names this port as its peer.
 * Control thread.
 */
#pragma once

#include "port/port.h"

/* Whether @port is one. */
bool port_is_patch(const struct port *port);

/* Name of the port at the other end of a patch port; it need not exist. Valid until the port is
 * changed (which env->changed() tells) or destroyed.
 */
const char *patch_peer_name(const struct port *port);
