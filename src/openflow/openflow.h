/* SPDX-License-Identifier: Apache-2.0 */
/* OpenFlow for the bridges of a switch: peers connect to RUN_DIR/BRIDGE.mgmt ("ovs-ofctl ...
 * BRIDGE") and speak OpenFlow 1.0 with Nicira's extensions, 1.3, 1.4 or 1.5; who connects to
 * RUN_DIR/BRIDGE.snoop is sent a copy of all their messages. Control thread.
 */
#pragma once

#include <event2/event.h>

#include "base/keep.h"
#include "base/peer.h"
#include "switch/switch.h"

struct openflow;

struct openflow_config {
	struct swtch *sw; /* must outlive it */
	struct event_base *base;
	const char *run_dir;
	const char *group; /* may connect beside root and the owner; NULL: none */
	uid_t owner;	   /* who has started the daemon */
	struct keep *keep; /* holds the sockets for the next process; NULL: none */
};

/* Serves all bridges, those to come too. What cannot be opened is logged: the switch works without
 * it. 0, or -ENOMEM or -EINVAL (there is no such group) and a text. */
int openflow_create(struct openflow **out, const struct openflow_config *config, struct error *err);

/* Closes all connections; without a keep, removes the sockets. Before the switch is destroyed. NULL
 * is fine. */
void openflow_destroy(struct openflow *of);
