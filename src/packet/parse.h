/* SPDX-License-Identifier: Apache-2.0 */
/* Header parsing on a packet's private copy. Worker threads. Hostile input: every read is bounded
 * by head_len. */
#pragma once

#include "packet/pkt.h"

/* Whether an EtherType says that a VLAN tag follows (802.1Q 9.5). */
static inline bool ethertype_is_tag(uint16_t ethertype)
{
	return ethertype == ETH_P_8021Q || ethertype == ETH_P_8021AD;
}

/* Reads the first 802.1Q tag and the type behind it: sets ethertype, tagged and tci of @pkt, which
 * must have at least ETH_HLEN bytes.
 */
static inline void pkt_parse(struct pkt *pkt)
{
	const uint8_t *p = pkt->head + 2 * ETH_ALEN;

	pkt->ethertype = (uint16_t)(p[0] << 8 | p[1]);
	pkt->tagged = false;
	pkt->tci = 0;
	if (unlikely(pkt->ethertype == ETH_P_8021Q && pkt->head_len >= ETH_HLEN + VLAN_TAG_LEN)) {
		pkt->tagged = true;
		pkt->tci = (uint16_t)(p[2] << 8 | p[3]);
		pkt->ethertype = (uint16_t)(p[4] << 8 | p[5]);
	}
}

/* The hash of the flow that a parsed packet belongs to: of VLAN and, for IPv4 and IPv6, addresses
 * and ports; of anything else, MAC addresses and type. The same for all packets of a flow, in both
 * directions (a reply may come from another MAC address: routers do that; fragments hash by
 * addresses alone); differs from process to process.
 */
uint32_t pkt_hash(const struct pkt *pkt);
