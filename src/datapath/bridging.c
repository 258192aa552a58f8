// SPDX-License-Identifier: Apache-2.0
/* Bridges that learn: where one packet goes, by NORMAL, and through patch ports. */
#include "datapath/bridging.h"

/* To the other end of a patch port. */
static void cross(struct forwarder *fw, const struct view_port *out, struct pkt *pkt,
		  struct normal_tag tag, unsigned hops)
{
	/* as it is on the cable: the packet gets its tag where it leaves the switch */
	uint32_t len =
		pkt->len + (tag.tagged ? VLAN_TAG_LEN : 0) - (pkt->tagged ? VLAN_TAG_LEN : 0);
	const struct view_port *peer = out->patch_peer ? fw->view->ports[out->patch_peer] : NULL;

	if (!peer) {
		drop_count(counters(fw, out), DROP_tx_link_down, 1);
		return;
	}
	if (hops == VIEW_PATCH_HOPS_MAX || fw->n_crossings == fw->view->n_ports) {
		drop_count(counters(fw, out), DROP_patch_loop, 1);
		return;
	}
	fw->n_crossings++;
	counter_add(&counters(fw, out)->tx_packets, 1);
	counter_add(&counters(fw, out)->tx_bytes, len);
	counter_add(&counters(fw, peer)->rx_packets, 1);
	counter_add(&counters(fw, peer)->rx_bytes, len);
	fw->enter(fw, peer, pkt, tag, hops + 1);
}

void bridging_emit(struct forwarder *fw, const struct view_port *out, struct pkt *pkt,
		   struct normal_tag tag, unsigned hops)
{
	if (unlikely(payload_len(pkt) > out->mtu)) {
		drop_count(counters(fw, out), DROP_tx_too_long, 1);
		return;
	}
	if (likely(!out->patch))
		put_in_outbox(fw, out, pkt, tag);
	else
		cross(fw, out, pkt, tag, hops);
}

static void flood(struct forwarder *fw, const struct view_port *in, struct pkt *pkt,
		  const struct normal_frame *frame, unsigned hops)
{
	const struct view_bridge *bridge = in->bridge;
	bool sent = false;

	for (unsigned i = 0; i < bridge->n_ports; i++) {
		const struct view_port *out = bridge->ports[i];

		if (out->no_flood || !normal_may_send(in, out, frame->vid))
			continue;
		bridging_emit(fw, out, pkt, normal_out_tag(out, frame), hops);
		sent = true;
	}
	if (!sent)
		drop_count(counters(fw, in), DROP_no_output, 1);
}

/* A tag that comes to light where the one before it, which @tag stands for, is taken off or is of
 * no VLAN: then the frame would be in a VLAN of the sender's choice.
 */
static bool hides_tag(const struct pkt *pkt, struct normal_tag tag)
{
	/* of one whose tag has been taken off already, too; what is shorter has none behind it */
	return pkt->ethertype == ETH_P_8021Q && pkt->len >= ETH_HLEN + VLAN_TAG_LEN &&
	       !(tag.tagged && tag.tci & VLAN_VID_MASK);
}

void bridging_normal(struct forwarder *fw, const struct view_port *in, struct pkt *pkt,
		     struct normal_tag tag, unsigned hops)
{
	struct normal_frame frame;
	struct normal_result result;
	enum drop_reason why;

	if (unlikely(hides_tag(pkt, tag))) {
		drop_count(counters(fw, in), DROP_vlan, 1);
		return;
	}
	if (unlikely(
		    !normal_receive(in, pkt->head, tag.tagged, tag.tci, fw->now_s, &frame, &why))) {
		drop_count(counters(fw, in), why, 1);
		return;
	}
	result = normal_decide(fw->view, in, &frame, fw->now);
	switch (result.verdict) {
	case NORMAL_UNICAST:
		if (likely(fw->slot && !result.out->patch && hops == 0))
			trip_record(fw->slot, fw->key, fw->view, in, &frame, result.out);
		bridging_emit(fw, result.out, pkt, normal_out_tag(result.out, &frame), hops);
		break;
	case NORMAL_FLOOD:
		flood(fw, in, pkt, &frame, hops);
		break;
	case NORMAL_DROP:
		drop_count(counters(fw, in), result.drop, 1);
		break;
	}
}

bool bridging_admits(struct forwarder *fw, const struct view_port *in, const struct pkt *pkt)
{
	if (likely(payload_len(pkt) <= in->mtu))
		return true;
	drop_count(counters(fw, in), DROP_too_long, 1);
	return false;
}

void bridging_received(struct forwarder *fw, const struct view_port *in, struct pkt *pkt,
		       unsigned hops)
{
	bridging_normal(fw, in, pkt, (struct normal_tag){ pkt->tagged, pkt->tci }, hops);
}

bool bridging_decide(struct forwarder *fw, const struct view_port *in, struct pkt *pkt,
		     const struct trip_key *key, struct trip *slot)
{
	if (unlikely(!bridging_admits(fw, in, pkt)))
		return false;
	fw->n_crossings = 0;
	fw->key = key;
	fw->slot = slot;
	bridging_received(fw, in, pkt, 0);
	fw->slot = NULL;
	return true;
}
