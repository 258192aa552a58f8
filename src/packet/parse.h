/* SPDX-License-Identifier: Apache-2.0 */
/* Header parsing on a packet's private copy. Worker threads. Hostile input: every read is bounded
 * by head_len. */
#pragma once

#include "packet/pkt.h"

/* Reads addresses, tag, type and, for IPv4 and IPv6, the flow's addresses and ports; sets hash,
 * ethertype, tagged and tci of @pkt, which must have at least ETH_HLEN bytes. The hash is the same
 * for all packets of a flow (fragments hash by addresses alone), and differs from process to
 * process.
 */
void pkt_parse(struct pkt *pkt);
