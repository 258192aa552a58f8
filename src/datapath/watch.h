/* SPDX-License-Identifier: Apache-2.0 */
/* Somebody watches what comes in by a port ("vireo trace --live"): workers tell the control thread
 * of packets that a watch is for, as they were received, before anything is decided. So many of
 * them as its limit lets through: the others are counted alone. A watch is made by the control
 * thread and shown to workers by views; where there is none, packets pass no instruction of this.
 */
#pragma once

#include "datapath/upcall.h"
#include "flow/match.h"
#include "packet/pkt.h"

struct watch {
	struct match filter; /* of what a packet brings, and its port */
	struct view_limit limit;
	uint64_t due;	 /* for the limit; workers, like the next one */
	uint64_t n_seen; /* packets that pass the filter, told or not */
};

/* Worker: tells of the packets of @batch, received by @in, that watches of it are for. @now: ns. */
void watch_batch(struct upcalls *up, const struct view_port *in, struct batch *batch, uint64_t now);
