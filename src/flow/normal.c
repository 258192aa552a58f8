// SPDX-License-Identifier: Apache-2.0
/* The NORMAL action: admission, learning, lookup, flooding. */
#include "flow/normal.h"

static bool trunk_carries(const struct view_port *port, uint16_t vid)
{
	return !port->trunks || port->trunks[vid / 64] >> (vid % 64) & 1;
}

/* Whether frames of @vid belong on this port at all. */
static bool port_carries(const struct view_port *port, uint16_t vid)
{
	if (port->access)
		return port->tag == vid;
	return (port->tag && port->tag == vid) || trunk_carries(port, vid);
}

/* The VLAN of a frame that enters by @in. A tag with VLAN 0 only carries a priority (802.1Q 6.9.1).
 */
static bool classify(const struct view_port *in, bool tagged, uint16_t tci,
		     struct normal_frame *frame)
{
	uint16_t vid = tagged ? tci & VLAN_VID_MASK : 0;

	frame->prio = tagged ? tci & ~VLAN_VID_MASK : 0;
	frame->vid = vid ? vid : in->tag;
	if (in->access)
		return vid == 0;
	return vid <= VLAN_VID_MAX && port_carries(in, frame->vid);
}

static bool source_allowed(const struct view_port *in, mac_t src)
{
	if (likely(!in->n_macs))
		return true;
	for (unsigned i = 0; i < in->n_macs; i++)
		if (in->macs[i] == src)
			return true;
	return false;
}

bool normal_receive(const struct view_port *in, const uint8_t *ethernet, bool tagged, uint16_t tci,
		    uint32_t now, struct normal_frame *frame, enum drop_reason *drop)
{
	frame->dst = mac_load(ethernet);
	frame->src = mac_load(ethernet + ETH_ALEN);
	if (unlikely(!source_allowed(in, frame->src))) {
		*drop = DROP_source_mac;
		return false;
	}
	if (unlikely(!classify(in, tagged, tci, frame))) {
		*drop = DROP_vlan;
		return false;
	}
	if (unlikely(mac_is_reserved(frame->dst))) {
		*drop = DROP_reserved_mac;
		return false;
	}
	if (likely(in->id)) /* else it came from nowhere */
		mac_table_learn(in->bridge->macs, frame->src, frame->vid, in->id, now,
				in->mac_limit);
	return true;
}

static struct normal_result dropped(enum drop_reason why)
{
	return (struct normal_result){ .verdict = NORMAL_DROP, .drop = why };
}

/* Floods, unless that is over the limit of the port it came from. */
static struct normal_result flood(const struct view_limit *limit, uint64_t *due, uint64_t now_ns,
				  enum drop_reason over)
{
	if (!view_limit_take(limit, due, now_ns))
		return dropped(over);
	return (struct normal_result){ .verdict = NORMAL_FLOOD };
}

struct normal_result normal_decide(const struct view *view, const struct view_port *in,
				   const struct normal_frame *frame, uint64_t now_ns)
{
	const struct view_port *out = NULL;
	uint32_t id;

	if (mac_is_multicast(frame->dst)) {
		if (mac_is_broadcast(frame->dst))
			return flood(&in->broadcast_limit, &in->state->broadcast_due, now_ns,
				     DROP_broadcast_limit);
		return (struct normal_result){ .verdict = NORMAL_FLOOD };
	}
	id = mac_table_lookup(in->bridge->macs, frame->dst, frame->vid);
	if (id < view->n_ports)
		out = view->ports[id];
	if (unlikely(!out || out->bridge != in->bridge)) /* unknown, or its port has just gone */
		return flood(&in->unknown_limit, &in->state->unknown_due, now_ns,
			     DROP_unknown_limit);
	if (out == in)
		return dropped(DROP_same_port);
	if (!normal_may_send(in, out, frame->vid))
		return dropped(DROP_no_output);
	return (struct normal_result){ .verdict = NORMAL_UNICAST, .out = out };
}

bool normal_may_send(const struct view_port *in, const struct view_port *out, uint16_t vid)
{
	return out != in && !(in->is_protected && out->is_protected) && !out->no_forward &&
	       port_carries(out, vid);
}

struct normal_tag normal_out_tag(const struct view_port *out, const struct normal_frame *frame)
{
	bool tagged = frame->vid && !out->access && (frame->vid != out->tag || out->native_tagged);

	return (struct normal_tag){ tagged, tagged ? frame->prio | frame->vid : 0 };
}
