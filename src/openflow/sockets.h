/* SPDX-License-Identifier: Apache-2.0 */
/* The files by which OpenFlow peers reach a bridge: RUN_DIR/BRIDGE.mgmt and RUN_DIR/BRIDGE.snoop.
 * Whoever has the control socket of RUN_DIR may make and remove them. Control thread, or the
 * keeper's.
 */
#pragma once

#include "base/listener.h"

#define OF_SOCKETS_KEY "openflow/" /* what they are held under; the bridge's name follows */

/* In this order. */
enum of_socket { OF_SOCKET_MGMT, OF_SOCKET_SNOOP, OF_SOCKETS };

/* Makes both; with a broker, has them made. 0, or -errno and a text. */
int of_sockets_open(const char *run_dir, const char *bridge, const struct peer_policy *policy,
		    int fds[OF_SOCKETS], struct error *err);

/* Removes both files, or has them removed. */
void of_sockets_remove(const char *run_dir, const char *bridge);
