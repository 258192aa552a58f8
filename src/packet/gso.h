/* SPDX-License-Identifier: Apache-2.0 */
/* Segmentation of large TCP and UDP packets in software, for receivers that take none (virtio 1.2,
 * 5.1.6.2: "generic segmentation offload"). TCP over IPv4 and IPv6, and UDP (virtio 1.3,
 * VIRTIO_NET_HDR_GSO_UDP_L4), behind VLAN tags, MPLS labels and IPv6 extension headers. Worker
 * threads.
 */
#pragma once

#include "packet/pkt.h"

/* Segments of one packet, at most. Linux's TCP sends no smaller ones than 48 bytes
 * (net.ipv4.tcp_min_snd_mss), of which 64 KiB have this many: what asks for more only wants to keep
 * us busy.
 */
#define GSO_SEGMENTS_MAX 1366

/* A packet being segmented. Offsets are from the start of the frame. */
struct gso {
	const struct pkt *pkt;
	uint16_t network, transport; /* where these headers start */
	uint16_t header_len;	     /* bytes of all headers; the payload follows */
	bool ipv6, tcp;
	uint16_t destination; /* address that the checksum covers, perhaps of a routing header */
	uint16_t size;	      /* payload bytes of a segment; of the last one, perhaps less */
	uint32_t left;	      /* payload bytes that are not in a segment yet */
	unsigned n_segments;
	unsigned index; /* of the next segment */
	unsigned frag;	/* the next payload byte is in this fragment; 0: the rest of the head */
	size_t at;	/* at this offset */
};

/* Starts segmentation of @pkt, whose offload state net_header_valid() let pass. Reads the headers
 * and takes nothing but gso_size for granted. @pkt must stay as it is until the last segment is
 * used. Returns 0, or -EINVAL: headers are not what gso_type and csum_start say, are not all within
 * the private copy, belong to an IP fragment, or ask for segments that are longer than an IP packet
 * or more than GSO_SEGMENTS_MAX.
 */
int gso_start(struct gso *gso, const struct pkt *pkt);

/* Adds the next segment to @out, which must have room for a packet: a private copy of the headers,
 * edited, and fragments in @out's arena that point to the payload where @pkt has it. The transport
 * checksum is completed, or with @leave_checksum left for the receiver (NEEDS_CSUM). False, and
 * nothing done, after the last one. An arena that was empty before holds any BATCH_MAX segments.
 */
bool gso_next(struct gso *gso, bool leave_checksum, struct batch *out);

/* Checks a received packet as gso_start() does, and that its headers (at most PKT_HEAD_MAX -
 * VLAN_TAG_LEN bytes) stay within a private copy when they get a tag; then makes its hdr_len true:
 * the bytes of all headers. 0 or -EINVAL.
 */
int gso_check(struct pkt *pkt);
