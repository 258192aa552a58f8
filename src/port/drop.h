/* SPDX-License-Identifier: Apache-2.0 */
/* Why packets are dropped: every drop increments exactly one of these counters, of one port. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/counter.h"

/* clang-format off */
/*          name                 counted at   in words                                                      */
#define DROP_REASONS(X)                                                                                      \
	X(too_short,               "received",   "frame shorter than an Ethernet header (14 bytes)")          \
	X(too_long,                "received",   "frame longer than the port's MTU")                          \
	X(net_header,              "received",   "virtio-net header missing, or asks for what was not negotiated") \
	X(offload,                 "received",   "asks for a checksum or segmentation that its headers do not allow") \
	X(truncated,               "received",   "frame cut off by its source (pcap snapshot length)")        \
	X(queue_disabled,          "received",   "sent by the guest on a queue that it has not enabled")      \
	X(reserved_mac,            "received",   "link-local destination (01:80:c2:00:00:0x), never forwarded") \
	X(source_mac,              "received",   "source MAC address not allowed on this port")               \
	X(vlan,                    "received",   "VLAN not allowed on this port")                             \
	X(broadcast_limit,         "received",   "over the port's broadcast rate limit")                      \
	X(unknown_limit,           "received",   "over the port's unknown-unicast rate limit")                \
	X(same_port,               "received",   "destination is on the port that the frame came from")       \
	X(no_output,               "received",   "no other port may get this frame")                          \
	X(patch_loop,              "received",   "crossed too many patch ports: the bridges form a loop")     \
	X(flow_no_rule,            "received",   "no rule of the table that it came to is for it")            \
	X(flow_drop,               "received",   "the rules for it send it nowhere")                          \
	X(flow_fragment,           "received",   "a fragment of an IP packet, which the bridge is set to drop") \
	X(flow_ttl,                "received",   "its time to live is over")                                  \
	X(flow_group,              "received",   "no bucket of the group is live, or there is no such group")  \
	X(flow_port,               "received",   "port flags forbid it: no-receive, no-forward, or back to where it came from") \
	X(flow_limit,              "received",   "its way through the rules is longer than what is allowed")   \
	X(no_such_port,            "received",   "a rule sends it to a port that the bridge does not have")   \
	X(meter,                   "received",   "over the limit of a meter")                                 \
	X(headers_long,            "received",   "IPv6 extension headers hide what rules have to see (128 bytes)") \
	X(no_headroom,             "received",   "no room for the headers that a rule puts in front")         \
	X(no_controller,           "received",   "copy for a controller, and nobody listens")                 \
	X(controller_full,         "received",   "copy for a controller: too many wait for it already")       \
	X(learn_full,              "received",   "teaches a rule, and too many wait for that already")        \
	X(port_removed,            "received",   "the port was just being removed")                           \
	X(tx_link_down,            "sent",       "nobody is connected to the port")                           \
	X(tx_no_queue,             "sent",       "the guest has no receive queue enabled")                    \
	X(tx_too_long,             "sent",       "frame longer than the port's MTU")                          \
	X(tx_ring_full,            "sent",       "the guest has no receive buffers left")                     \
	X(tx_buffer_small,         "sent",       "frame does not fit into the guest's receive buffers")       \
	X(tx_ring_broken,          "sent",       "the guest's receive queue is broken")                       \
	X(tx_held_full,            "sent",       "the port's queues were changing, and too much waited for it") \
	X(tx_held_lost,            "sent",       "waited for the port when it was removed, or the switch died") \
	X(tx_would_block,          "sent",       "the kernel's queue behind the port is full")                \
	X(tx_offload,              "sent",       "needs a checksum or segmentation that cannot be done")      \
	X(tx_error,                "sent",       "the kernel refused the frame")
/* clang-format on */

/* DROP_too_short, ...: index of a counter. */
enum drop_reason {
#define X(name, where, words) DROP_##name,
	DROP_REASONS(X)
#undef X
		DROP_N_REASONS
};

/* Whether it is counted at the port that the packet was sent to, not that it came by. */
bool drop_is_tx(enum drop_reason reason);

/* What one worker has counted for one port. @rx is from the port to the switch, @tx from the switch
 * to the port. */
struct port_counters {
	uint64_t rx_packets, rx_bytes; /* taken by the switch, dropped ones included */
	uint64_t tx_packets, tx_bytes; /* really delivered */
	uint64_t copied_bytes;	       /* payload bytes copied to deliver tx_bytes */
	uint64_t tx_held; /* packets that wait for the port now; after a crash: that waited then */
	uint64_t drops[DROP_N_REASONS];
} __attribute__((aligned(64)));

/* Adds what has been counted in @c, by whichever thread, to @sum, which is the caller's. */
void port_counters_add(struct port_counters *sum, const struct port_counters *c);

/* Stores them in place of what is in @to, which may outlive the process: each is old or new. */
void port_counters_store(struct port_counters *to, const struct port_counters *from);

/* What waits will not be sent any more. Nobody counts there meanwhile. When the process dies in it,
 * the next one calls it again, and it counts once. */
void port_lose_held(struct port_counters *c);

/* "tx_ring_full"; and the same in words. Any thread. */
const char *drop_name(enum drop_reason reason);
const char *drop_text(enum drop_reason reason);

/* Counts @n drops; the worker that owns @c. */
static inline void drop_count(struct port_counters *c, enum drop_reason reason, unsigned n)
{
	counter_add(&c->drops[reason], n);
}
