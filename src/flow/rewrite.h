/* SPDX-License-Identifier: Apache-2.0 */
/* Changes headers on a packet's private copy, and what depends on them: lengths, checksums (RFC 1624)
 * and the offload state (what a guest has left to be done still comes out right). Worker threads.
 * Hostile packets: a header that is not wholly within head_len is not touched.
 */
#pragma once

#include "flow/plan.h"

/* Whether a pipeline may look at the packet: a checksum that the guest has left to others is that of
 * the transport header, or has been completed here; so nothing is written over headers that were
 * matched. False: the packet is to be dropped. */
bool rewrite_check_offload(struct pkt *pkt);

/* Sets bits of the packet's fields (see struct plan_rewrite). */
void rewrite_fields(struct pkt *pkt, const struct plan_rewrite *r);
/* An outermost tag more, or less (nothing happens when there is none). False when there is no room
 * for it in the private copy: the packet is to be dropped. */
bool rewrite_push_vlan(struct pkt *pkt, uint16_t tpid, uint16_t tci);
void rewrite_pop_vlan(struct pkt *pkt);
/* An outermost label more, or less, behind the tags. */
bool rewrite_push_mpls(struct pkt *pkt, uint16_t ethertype, uint32_t lse);
void rewrite_pop_mpls(struct pkt *pkt, uint16_t ethertype);
/* Raises the drop precedence of an assured-forwarding DSCP by @levels (RFC 2597). */
void rewrite_remark(struct pkt *pkt, uint8_t levels);
/* Cuts the packet to @len bytes; completes a checksum that was left to others before. */
bool rewrite_truncate(struct pkt *pkt, uint32_t len);

/* Headers put aside: PLAN_SAVE, PLAN_RESTORE. */
struct rewrite_saved {
	uint32_t len;
	uint16_t head_len, n_frags;
	int16_t head; /* offset in pkt->buf */
	uint16_t ethertype, tci;
	bool tagged;
	struct virtio_net_hdr offload;
	uint8_t buf[PKT_HEADROOM + PKT_HEAD_MAX];
};

void rewrite_save(const struct pkt *pkt, struct rewrite_saved *to);
void rewrite_restore(struct pkt *pkt, const struct rewrite_saved *from);
