/* SPDX-License-Identifier: Apache-2.0 */
/* Offloads: checksums that a packet still needs, and packets too large for the wire. What a
 * receiver takes passes as it is; for others the switch does the work here, in front of the queue.
 */
#pragma once

#include "port/port.h"

/* What a receiver takes; bits of txq.offloads. */
enum offload {
	OFFLOAD_CSUM = 1 << 0, /* an incomplete checksum; without it, none of the others */
	OFFLOAD_TSO4 = 1 << 1, /* large TCP packets over IPv4 */
	OFFLOAD_TSO6 = 1 << 2,
	OFFLOAD_ECN = 1 << 3,  /* ... that have CWR set */
	OFFLOAD_USO4 = 1 << 4, /* large UDP packets */
	OFFLOAD_USO6 = 1 << 5,
	OFFLOAD_ALL = (1 << 6) - 1,
};

/* Options of kinds that exchange packets with offloads, all with @option_flags; offload_wanted()
 * reads them.
 */
#define OFFLOAD_OPTIONS(option_flags)                                                     \
	{ .name = "offload-csum",                                                         \
	  .type = OPTION_BOOL,                                                            \
	  .flags = (option_flags),                                                        \
	  .help = "leave checksums undone, both ways; off: tso, uso and ecn, too (on)" }, \
		{ .name = "offload-tso",                                                  \
		  .type = OPTION_BOOL,                                                    \
		  .flags = (option_flags),                                                \
		  .help = "exchange TCP packets of up to 64 KiB in one piece (on)" },     \
		{ .name = "offload-uso",                                                  \
		  .type = OPTION_BOOL,                                                    \
		  .flags = (option_flags),                                                \
		  .help = "exchange many UDP datagrams in one piece (on)" },              \
	{                                                                                 \
		.name = "offload-ecn", .type = OPTION_BOOL, .flags = (option_flags),      \
		.help = "with tso, also packets that answer congestion marks (on)"        \
	}

/* What @options (checked) let a port exchange: OFFLOAD_* bits, without those that lack what they
 * depend on (virtio 1.2, 5.1.3.1). */
unsigned offload_wanted(const json_t *options);

/* The features of a device that takes @offloads from the guest and gives them to it. */
uint64_t offload_features(unsigned offloads);

/* What a guest that acknowledged @features takes. */
unsigned offload_of_guest(uint64_t features);

/* Their names ("csum", "tso4", ...): an array, a new reference. */
json_t *offload_names(unsigned offloads);

/* Whether the packet is complete as it is. */
static inline bool offload_none(const struct pkt *pkt)
{
	return !(pkt->offload.flags | pkt->offload.gso_type);
}

/* Segments that a turn of a receive queue may bring: behind a packet that reaches it, the batch
 * ends. Making them may be the switch's work, which others wait for. */
#define OFFLOAD_TURN 512

/* How many segments a packet of @len bytes asks for; 0: it is none of those. */
static inline unsigned offload_segments(const struct virtio_net_hdr *offload, uint32_t len)
{
	if (offload->gso_type == VIRTIO_NET_HDR_GSO_NONE)
		return 0;
	return len / (offload->gso_size ?: 1) + 1;
}

/* Checks what a received and parsed packet asks for against its own headers, and makes hdr_len of
 * large ones true. False: it must be dropped. Large packets must be what they say; no checksum may
 * be put where the addresses and the tag are, that decide where the packet goes, nor start so far
 * behind that with one more tag its place has more than 16 bits. Worker threads.
 */
bool offload_check(struct pkt *pkt);

/* Sends @pkts by @q, each as the queue's receiver takes it: as it is, with its checksum completed,
 * or in segments made in @scratch. The rest is what port_ops.tx says. Worker threads.
 */
void offload_transmit(struct batch *scratch, struct txq *q, struct pkt *const *pkts, unsigned n,
		      struct port_counters *c);
