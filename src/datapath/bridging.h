/* SPDX-License-Identifier: Apache-2.0 */
/* Bridges that learn: where one packet goes, by NORMAL, and through patch ports. Worker threads. */
#pragma once

#include "datapath/outbox.h"
#include "packet/parse.h"

/* Bytes of the frame, or of the longest one that a large packet stands for. */
static inline uint32_t frame_len(const struct pkt *pkt)
{
	if (likely(pkt->offload.gso_type == VIRTIO_NET_HDR_GSO_NONE))
		return pkt->len;
	return min(pkt->len, (uint32_t)pkt->offload.hdr_len + pkt->offload.gso_size);
}

/* Bytes behind the Ethernet header and tags, which is what an MTU limits. */
static inline uint32_t payload_len(const struct pkt *pkt)
{
	uint32_t len = frame_len(pkt);
	uint32_t headers = ETH_HLEN + (pkt->tagged ? VLAN_TAG_LEN : 0);
	uint16_t type = pkt->ethertype;

	/* at most two tags, as many as FRAME_LEN_MAX allows for */
	while (unlikely(ethertype_is_tag(type)) && headers < ETH_HLEN + 2 * VLAN_TAG_LEN) {
		headers += VLAN_TAG_LEN;
		if (pkt->head_len < headers)
			break;
		type = (uint16_t)(pkt->head[headers - 2] << 8 | pkt->head[headers - 1]);
	}
	return len > headers ? len - headers : 0;
}

/* A packet is to leave by @out with @tag: into its outbox, or through a patch port, or a drop.
 * @hops: patch ports behind it. */
void bridging_emit(struct forwarder *fw, const struct view_port *out, struct pkt *pkt,
		   struct normal_tag tag, unsigned hops);

/* A frame that carries @tag enters by @in, to go where NORMAL says; addresses are in the packet's
 * private copy. */
void bridging_normal(struct forwarder *fw, const struct view_port *in, struct pkt *pkt,
		     struct normal_tag tag, unsigned hops);

/* The same for a frame whose tag is where pkt_parse() has found it. */
void bridging_received(struct forwarder *fw, const struct view_port *in, struct pkt *pkt,
		       unsigned hops);

/* Whether a received frame is short enough to come in; counted otherwise. */
bool bridging_admits(struct forwarder *fw, const struct view_port *in, const struct pkt *pkt);

/* Decides for a frame without a trip, and lets it begin one at @slot (NULL: it cannot). False: it
 * is too long to come in. */
bool bridging_decide(struct forwarder *fw, const struct view_port *in, struct pkt *pkt,
		     const struct trip_key *key, struct trip *slot);
