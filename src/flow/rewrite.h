/* SPDX-License-Identifier: Apache-2.0 */
/* Changes headers on a packet's private copy, and what depends on them: lengths, checksums (RFC
 * 1624) and the offload state (what a guest has left to be done still comes out right). Worker
 * threads. Hostile packets: a header that is not wholly within head_len is not touched.
 */
#pragma once

#include "flow/plan.h"
#include "packet/pkt.h"

/* To be called once, before a pipeline looks at a packet. A guest may ask for a checksum anywhere:
 * what is written later must not be what has been matched before. So a request that is neither for
 * the checksum of the packet's own transport header nor for something behind all that can be
 * matched (a tunnel's inner packet) is met right away. False when it cannot be: the packet is to be
 * dropped.
 */
bool rewrite_check_request(struct pkt *pkt);

/* The same, at the cost of a look for packets without a request. */
static inline bool rewrite_check_offload(struct pkt *pkt)
{
	return !(pkt->offload.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) || rewrite_check_request(pkt);
}

/* Sets bits of the packet's fields (see struct plan_rewrite) that the key shows: of a packet that
 * does not have one, nothing is changed. eth_type, nw_frag, nw_proto, tcp_flags and the present bit
 * of tags are not changed. A checksum that was right is right afterwards, one that was wrong is
 * wrong by as much; but when an address changes whose transport header is behind the private copy
 * (long extension headers), and when ports of a fragment of SCTP do: these the receiver will drop.
 */
void rewrite_fields(struct pkt *pkt, const struct plan_rewrite *r);
/* An outermost tag more, or less (nothing happens when there is none). False when there is no room
 * for it in the private copy, with a tag that NORMAL may put on, or the frame would be too long:
 * the packet is to be dropped. What pkt_parse() sets is kept right. */
bool rewrite_push_vlan(struct pkt *pkt, uint16_t tpid, uint16_t tci);
void rewrite_pop_vlan(struct pkt *pkt);
/* An outermost label more, or less, behind the tags (those that the key shows). */
bool rewrite_push_mpls(struct pkt *pkt, uint16_t ethertype, uint32_t lse);
void rewrite_pop_mpls(struct pkt *pkt, uint16_t ethertype);
/* Raises the drop precedence of an assured-forwarding DSCP by @levels (RFC 2597). */
void rewrite_remark(struct pkt *pkt, uint8_t levels);
/* Cuts the packet to @len bytes, at least an Ethernet header; completes a checksum that was left to
 * others before, and leaves nothing to be done. False when that is not possible. */
bool rewrite_truncate(struct pkt *pkt, uint32_t len);

/* Headers put aside: PLAN_SAVE, PLAN_RESTORE. */
struct rewrite_saved {
	uint32_t len;
	uint16_t head_len, n_frags;
	int16_t head; /* offset in pkt->buf */
	uint32_t cut;
	uint16_t ethertype, tci;
	bool tagged;
	struct virtio_net_hdr offload;
	uint8_t buf[PKT_HEADROOM + PKT_HEAD_MAX];
};

/* What was cut off between the two comes back, too. @from is of this packet. */
void rewrite_save(const struct pkt *pkt, struct rewrite_saved *to);
void rewrite_restore(struct pkt *pkt, const struct rewrite_saved *from);
