// SPDX-License-Identifier: Apache-2.0
/* NORMAL, as it must be (see bridge.h). */
#include <assert.h>
#include <linux/if_ether.h>
#include <string.h>

#include "bridge.h"

#define VID 0xfffu

static uint64_t load_mac(const struct frame *f, uint32_t at)
{
	uint64_t mac = 0;

	for (unsigned i = 0; i < 6; i++)
		mac = mac << 8 | f->bytes[at + i];
	return mac;
}

/* A tag of 802.1Q; others are not the bridge's business. */
static bool is_tagged(const struct frame *f)
{
	return f->len >= 18 && frame_load16(f, 12) == ETH_P_8021Q;
}

bool bridge_fits(const struct bridge_port *port, const struct frame *f)
{
	uint32_t headers = ETH_HLEN;

	/* two tags are not counted, nor what is missing of a frame that has been cut */
	for (unsigned i = 0; i < 2 && headers <= f->len; i++) {
		uint16_t type = frame_load16(f, headers - 2);

		if (type == ETH_P_8021Q || type == ETH_P_8021AD)
			headers += 4;
	}
	return f->len <= headers + port->mtu;
}

/* ---- addresses */

static struct bridge_address *find(struct bridge *b, uint64_t mac, uint16_t vid)
{
	for (unsigned i = 0; i < b->n; i++)
		if (b->addresses[i].mac == mac && b->addresses[i].vid == vid)
			return &b->addresses[i];
	return NULL;
}

static unsigned count(const struct bridge *b, uint32_t port)
{
	unsigned n = 0;

	for (unsigned i = 0; i < b->n; i++)
		n += b->addresses[i].port == port;
	return n;
}

static void learn(struct bridge *b, uint64_t mac, uint16_t vid, uint32_t port, uint32_t now)
{
	struct bridge_address *a = find(b, mac, vid);
	unsigned limit = b->ports[port].mac_limit;

	if (mac >> 40 & 1 || !mac || (a && a->is_static))
		return;
	if ((!a || a->port != port) && limit && count(b, port) >= limit)
		return;
	bridge_put(b, &(struct bridge_address){ mac, vid, port, now, false });
}

void bridge_put(struct bridge *b, const struct bridge_address *address)
{
	struct bridge_address *a = find(b, address->mac, address->vid);

	assert(a || b->n < ADDRESSES_MAX);
	if (!a)
		a = &b->addresses[b->n++];
	*a = *address;
}

static void take_out(struct bridge *b, unsigned i)
{
	b->addresses[i] = b->addresses[--b->n];
}

void bridge_remove(struct bridge *b, uint64_t mac, uint16_t vid)
{
	struct bridge_address *a = find(b, mac, vid);

	if (a)
		take_out(b, (unsigned)(a - b->addresses));
}

void bridge_flush(struct bridge *b, uint32_t port, bool also_static)
{
	for (unsigned i = b->n; i--;)
		if ((!port || b->addresses[i].port == port) &&
		    (also_static || !b->addresses[i].is_static))
			take_out(b, i);
}

void bridge_age(struct bridge *b, uint32_t now, uint32_t aging)
{
	for (unsigned i = b->n; i--;)
		if (!b->addresses[i].is_static && now >= b->addresses[i].seen + aging)
			take_out(b, i);
}

/* ---- frames */

static bool carries(const struct bridge_port *p, uint16_t vid)
{
	if (p->access)
		return p->tag == vid;
	return p->all_vlans || (p->tag && p->tag == vid) || p->trunks[vid / 64] >> vid % 64 & 1;
}

/* The VLAN of a frame; -1: it is not let in. */
static int classify(const struct bridge_port *in, const struct frame *f)
{
	uint16_t vid = is_tagged(f) ? frame_load16(f, 14) & VID : 0;
	bool is_allowed = !in->n_sources;

	/* a tag behind one of no VLAN would come to light where that is taken off */
	if (is_tagged(f) && !vid && frame_load16(f, 16) == ETH_P_8021Q)
		return -1;
	for (unsigned i = 0; i < in->n_sources; i++)
		if (in->sources[i] == load_mac(f, 6))
			is_allowed = true;
	if (!is_allowed)
		return -1;
	if (in->access)
		return vid ? -1 : in->tag;
	vid = vid ? vid : in->tag;
	return vid < VID && carries(in, vid) ? vid : -1;
}

static bool may_send(const struct bridge *b, uint32_t in, uint32_t out, uint16_t vid)
{
	const struct bridge_port *p = &b->ports[out];

	return p->there && in != out && !(p->is_protected && b->ports[in].is_protected) &&
	       carries(p, vid);
}

/* Sends it with the tag that belongs there. */
static void emit(const struct bridge_port *p, uint32_t out, const struct frame *frame, uint16_t vid,
		 bridge_send *send, void *arg)
{
	uint16_t prio = is_tagged(frame) ? frame_load16(frame, 14) & ~VID : 0;
	struct frame f = *frame;

	if (!p->link || !bridge_fits(p, frame))
		return;
	if (is_tagged(&f))
		frame_remove(&f, 12, 4);
	if (vid && !p->access && (vid != p->tag || p->native_tagged)) {
		frame_insert(&f, 12, 4);
		frame_store16(&f, 12, ETH_P_8021Q);
		frame_store16(&f, 14, prio | vid);
	}
	send(arg, out, &f);
}

void bridge_normal(struct bridge *b, uint32_t in, const struct frame *frame, uint32_t now,
		   bridge_send *send, void *arg)
{
	uint64_t dst = load_mac(frame, 0);
	int vid = classify(&b->ports[in], frame);
	const struct bridge_address *a;

	if (vid < 0 || dst >> 4 == 0x0180c200000)
		return;
	learn(b, load_mac(frame, 6), (uint16_t)vid, in, now);
	a = dst >> 40 & 1 ? NULL : find(b, dst, (uint16_t)vid);
	for (uint32_t out = 1; out <= PORTS; out++)
		if (may_send(b, in, out, (uint16_t)vid) &&
		    (!a || !b->ports[a->port].there || a->port == out))
			emit(&b->ports[out], out, frame, (uint16_t)vid, send, arg);
}
