/* SPDX-License-Identifier: Apache-2.0 */
/* The NORMAL action: a learning VLAN bridge (802.1Q). Worker threads. */
#pragma once

#include "flow/view.h"

/* A frame as it is on a bridge: its VLAN, whatever tag it came with. */
struct normal_frame {
	mac_t dst, src;
	uint16_t vid;  /* 0: no VLAN */
	uint16_t prio; /* PCP and DEI, in their place in a tag */
};

/* What is to be done with a frame. */
enum normal_verdict {
	NORMAL_DROP,	/* reason in @drop */
	NORMAL_UNICAST, /* to @out alone */
	NORMAL_FLOOD,	/* to every port of the bridge without no_flood for which
			 * normal_may_send() */
};

/* What was decided, and what the verdict needs. */
struct normal_result {
	enum normal_verdict verdict;
	enum drop_reason drop;
	const struct view_port *out;
};

/* How a frame leaves a port. */
struct normal_tag {
	bool tagged;
	uint16_t tci;
};

/* Admits a frame that enters by @in with this tag state (the port's checks: VLAN, source address,
 * reserved destination), fills in @frame and learns the source. False: drop it for *@drop.
 * @now: seconds, for learning.
 */
bool normal_receive(const struct view_port *in, const uint8_t *ethernet, bool tagged, uint16_t tci,
		    uint32_t now, struct normal_frame *frame, enum drop_reason *drop);

/* Where an admitted frame goes. @now_ns: for the rate limits. */
struct normal_result normal_decide(const struct view *view, const struct view_port *in,
				   const struct normal_frame *frame, uint64_t now_ns);

/* Whether @out may get a frame of this VLAN that came in by @in. */
bool normal_may_send(const struct view_port *in, const struct view_port *out, uint16_t vid);

/* The tag that the frame carries on @out. */
struct normal_tag normal_out_tag(const struct view_port *out, const struct normal_frame *frame);
