/* SPDX-License-Identifier: Apache-2.0 */
/* The switch's side of the oracle for traffic: one worker's forwarder, without a thread, dummy
 * ports, and what workers tell the control thread.
 */
#pragma once

#include "bridge.h"
#include "datapath/upcall.h"
#include "flow/plans.h"

struct rig;

struct rig *rig_create(void);
void rig_destroy(struct rig *rig);

/* Ports are these, from the next frame on; and rules. */
void rig_show_ports(struct rig *rig, const struct bridge_port ports[PORTS + 1]);
void rig_publish(struct rig *rig, const struct pipeline *rules);
struct mac_table *rig_macs(struct rig *rig);

/* A frame waits at a port that is there; there is room for a batch of them. */
void rig_inject(struct rig *rig, uint32_t port, const struct frame *frame);
/* Those that wait at a port (at most a batch) come in together, at @now (ns). */
void rig_receive(struct rig *rig, uint32_t port, uint64_t now);
/* One that has waited until it was learned what it teaches (UPCALL_AGAIN). */
void rig_keep(struct rig *rig, const struct upcall *u);
void rig_again(struct rig *rig, uint64_t now);

/* The oldest frame that was sent by @port; false: none. */
bool rig_sent(struct rig *rig, uint32_t port, struct frame *out);
/* The oldest record for the control thread, valid until rig_release(); NULL: none. */
const struct upcall *rig_upcall(struct rig *rig);
void rig_release(struct rig *rig);

/* All is counted. */
void rig_settle(struct rig *rig);
void rig_stats(struct rig *rig, struct plans_stats *stats);
