/* SPDX-License-Identifier: Apache-2.0 */
/* The reference of NORMAL: what a bridge that learns does with a frame (802.1Q, 8; VLANs of ports
 * as in Open vSwitch's Port table). Ports and addresses are arrays that are looked through.
 */
#pragma once

#include "frame.h"
#include "rules.h"

#define ADDRESSES_MAX 512
#define SOURCES_MAX 2

/* Of a port; both sides are told. */
struct bridge_port {
	bool there, link;
	uint32_t serial; /* of ports of this number, so many have been there */
	bool access, native_tagged, is_protected;
	uint16_t tag;
	bool all_vlans; /* else: */
	uint64_t trunks[64];
	unsigned mtu, mac_limit; /* 0: no limit */
	unsigned n_sources;	 /* 0: any */
	uint64_t sources[SOURCES_MAX];
};

struct bridge {
	struct bridge_port ports[PORTS + 1];
	unsigned n;
	struct bridge_address {
		uint64_t mac;
		uint16_t vid;
		uint32_t port, seen; /* seconds */
		bool is_static;
	} addresses[ADDRESSES_MAX];
};

typedef void bridge_send(void *arg, uint32_t port, const struct frame *frame);

/* Whether a frame is short enough for a port, in or out. */
bool bridge_fits(const struct bridge_port *port, const struct frame *frame);
/* What NORMAL does with a frame that has come in by port @in: calls @send. */
void bridge_normal(struct bridge *b, uint32_t in, const struct frame *frame, uint32_t now,
		   bridge_send *send, void *arg);

/* What administrators do. */
void bridge_flush(struct bridge *b, uint32_t port, bool also_static); /* 0: of all ports */
void bridge_age(struct bridge *b, uint32_t now, uint32_t aging);
void bridge_put(struct bridge *b, const struct bridge_address *address); /* in place of others */
void bridge_remove(struct bridge *b, uint64_t mac, uint16_t vid);
