// SPDX-License-Identifier: Apache-2.0
// What receivers take, and doing in software what they do not.
#include "port/offload.h"
#include "packet/checksum.h"
#include "packet/gso.h"
#include "virtio/net_header.h"

/* Each offload, and the features that stand for it. */
static const struct {
	const char *name;
	unsigned offload;
	unsigned from_guest, to_guest; /* bit numbers */
} features_of[] = {
	{ "csum", OFFLOAD_CSUM, VIRTIO_NET_F_CSUM, VIRTIO_NET_F_GUEST_CSUM },
	{ "tso4", OFFLOAD_TSO4, VIRTIO_NET_F_HOST_TSO4, VIRTIO_NET_F_GUEST_TSO4 },
	{ "tso6", OFFLOAD_TSO6, VIRTIO_NET_F_HOST_TSO6, VIRTIO_NET_F_GUEST_TSO6 },
	{ "ecn", OFFLOAD_ECN, VIRTIO_NET_F_HOST_ECN, VIRTIO_NET_F_GUEST_ECN },
	{ "uso4", OFFLOAD_USO4, VIRTIO_NET_F_HOST_USO, VIRTIO_NET_F_GUEST_USO4 },
	{ "uso6", OFFLOAD_USO6, VIRTIO_NET_F_HOST_USO, VIRTIO_NET_F_GUEST_USO6 },
};

/* Takes out what lacks what it depends on. */
static unsigned consistent(unsigned offloads)
{
	if (!(offloads & OFFLOAD_CSUM))
		return 0;
	if (!(offloads & (OFFLOAD_TSO4 | OFFLOAD_TSO6)))
		offloads &= ~(unsigned)OFFLOAD_ECN;
	return offloads;
}

unsigned offload_wanted(const json_t *options)
{
	unsigned offloads = 0;

	if (option_bool(options, "offload-csum", true))
		offloads |= OFFLOAD_CSUM;
	if (option_bool(options, "offload-tso", true))
		offloads |= OFFLOAD_TSO4 | OFFLOAD_TSO6;
	if (option_bool(options, "offload-ecn", true))
		offloads |= OFFLOAD_ECN;
	if (option_bool(options, "offload-uso", true))
		offloads |= OFFLOAD_USO4 | OFFLOAD_USO6;
	return consistent(offloads);
}

uint64_t offload_features(unsigned offloads)
{
	uint64_t features = 0;

	for (size_t i = 0; i < ARRAY_SIZE(features_of); i++)
		if (offloads & features_of[i].offload)
			features |=
				1ull << features_of[i].from_guest | 1ull << features_of[i].to_guest;
	return features;
}

unsigned offload_of_guest(uint64_t features)
{
	unsigned offloads = 0;

	for (size_t i = 0; i < ARRAY_SIZE(features_of); i++)
		if (features >> features_of[i].to_guest & 1)
			offloads |= features_of[i].offload;
	return consistent(offloads);
}

json_t *offload_names(unsigned offloads)
{
	json_t *names = json_array();

	for (size_t i = 0; i < ARRAY_SIZE(features_of); i++)
		if (offloads & features_of[i].offload)
			json_array_append_new(names, json_string(features_of[i].name));
	return names;
}

bool offload_check(struct pkt *pkt)
{
	const struct virtio_net_hdr *o = &pkt->offload;

	/* csum_start must stay what it says when the switch puts a tag on */
	if (o->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM &&
	    (o->csum_start < ETH_HLEN + (pkt->tagged ? VLAN_TAG_LEN : 0) ||
	     o->csum_start > UINT16_MAX - VLAN_TAG_LEN))
		return false;
	return o->gso_type == VIRTIO_NET_HDR_GSO_NONE || !gso_check(pkt);
}

/* The offloads that a receiver of the packet must take, or more than there are. */
static unsigned needed(const struct pkt *pkt)
{
	const struct virtio_net_hdr *o = &pkt->offload;
	unsigned ecn = o->gso_type & VIRTIO_NET_HDR_GSO_ECN ? OFFLOAD_ECN : 0;
	struct gso gso;

	switch (o->gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
	case VIRTIO_NET_HDR_GSO_NONE:
		return OFFLOAD_CSUM;
	case VIRTIO_NET_HDR_GSO_TCPV4:
		return OFFLOAD_CSUM | OFFLOAD_TSO4 | ecn;
	case VIRTIO_NET_HDR_GSO_TCPV6:
		return OFFLOAD_CSUM | OFFLOAD_TSO6 | ecn;
	case VIRTIO_NET_HDR_GSO_UDP_L4:
		if (!gso_start(&gso, pkt))
			return OFFLOAD_CSUM | (gso.ipv6 ? OFFLOAD_USO6 : OFFLOAD_USO4);
		break;
	default:
		break;
	}
	return ~0u;
}

static void transmit_scratch(struct batch *scratch, struct txq *q, struct port_counters *c)
{
	struct pkt *list[BATCH_MAX];

	for (unsigned i = 0; i < scratch->n; i++)
		list[i] = &scratch->pkts[i];
	if (scratch->n)
		q->port->ops->tx(q, list, scratch->n, c);
}

/* Sends the segments of a large packet. */
static void transmit_segments(struct batch *scratch, struct txq *q, const struct pkt *pkt,
			      bool leave_checksum, struct port_counters *c)
{
	struct gso gso;

	if (gso_start(&gso, pkt) < 0) {
		drop_count(c, DROP_tx_offload, 1);
		return;
	}
	do {
		batch_clear(scratch);
		while (scratch->n < BATCH_MAX && gso_next(&gso, leave_checksum, scratch))
			;
		transmit_scratch(scratch, q, c);
	} while (scratch->n == BATCH_MAX);
}

/* Sends a packet whose checksum field is far from its start (a tunnel's inner packet, say). */
static void transmit_copy(struct batch *scratch, struct txq *q, const struct pkt *pkt,
			  struct port_counters *c)
{
	batch_clear(scratch);
	if (checksum_complete_copy(pkt, scratch) < 0)
		drop_count(c, DROP_tx_offload, 1);
	transmit_scratch(scratch, q, c);
}

void offload_transmit(struct batch *scratch, struct txq *q, struct pkt *const *pkts, unsigned n,
		      struct port_counters *c)
{
	/* may change at any time: each packet is right for what the receiver takes or took */
	unsigned taken = __atomic_load_n(&q->offloads, __ATOMIC_RELAXED), first = 0;

	for (unsigned i = 0; i < n; i++) {
		struct pkt *pkt = pkts[i];
		bool large;

		if (likely(offload_none(pkt)) || !(needed(pkt) & ~taken))
			continue;
		large = pkt->offload.gso_type != VIRTIO_NET_HDR_GSO_NONE;
		/* in place: whoever else gets the packet can do with the whole checksum */
		if (!large && !checksum_complete(pkt))
			continue;
		if (i > first)
			q->port->ops->tx(q, pkts + first, i - first, c);
		first = i + 1;
		if (large)
			transmit_segments(scratch, q, pkt, taken & OFFLOAD_CSUM, c);
		else
			transmit_copy(scratch, q, pkt, c);
	}
	if (likely(n > first))
		q->port->ops->tx(q, pkts + first, n - first, c);
}
