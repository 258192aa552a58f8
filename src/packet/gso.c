// SPDX-License-Identifier: Apache-2.0
// Segmentation in software: what the headers are, and one segment after the other.
#include <errno.h>
#include <netinet/in.h>

#include "base/bytes.h"
#include "packet/checksum.h"
#include "packet/gso.h"
#include "packet/parse.h"

#define TAGS_MAX 8 /* also those that rules push */
#define LABELS_MAX 8
#define LABEL_LEN 4
#define LABEL_BOTTOM 0x01 /* in the third byte of a label (RFC 3032 2.1) */
#define IPV4_HEADER_MIN 20
#define IPV4_FRAGMENT 0x3fff /* "more fragments" and the offset */
#define IPV6_HEADER_LEN 40
#define IPV6_EXTENSIONS_MAX 8
#define ROUTING_MOBILE 2  /* type: the home address follows (RFC 6275 6.4) */
#define ROUTING_SEGMENT 4 /* the last address comes first (RFC 8754 2) */
#define TCP_HEADER_MIN 20
#define TCP_FLAGS 13
#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_PSH 0x08
#define TCP_CWR 0x80
#define UDP_HEADER_LEN 8

/* A packet's own fragments, the rest of its head, and one cut for each segment of a batch. */
#define FRAGS_MAX (BATCH_FRAGS_MAX - 1 - BATCH_MAX)

static bool in_head(const struct pkt *pkt, uint32_t at, uint32_t len)
{
	return at + len <= pkt->head_len;
}

/* Finds what is behind a label stack at @at (RFC 3032): its type, which nothing but its version
 * tells, or 0. */
static uint16_t find_labelled(struct gso *g, const struct pkt *pkt, uint32_t at)
{
	for (unsigned i = 0; i < LABELS_MAX && in_head(pkt, at, LABEL_LEN + 1); i++) {
		bool bottom = pkt->head[at + 2] & LABEL_BOTTOM;

		at += LABEL_LEN;
		if (!bottom)
			continue;
		g->network = (uint16_t)at;
		switch (pkt->head[at] >> 4) {
		case 4:
			return ETH_P_IP;
		case 6:
			return ETH_P_IPV6;
		default:
			return 0;
		}
	}
	return 0;
}

/* Finds the network header; returns its type, or 0. */
static uint16_t find_network(struct gso *g, const struct pkt *pkt)
{
	uint32_t at = ETH_HLEN;

	for (unsigned i = 0; i <= TAGS_MAX && in_head(pkt, 0, at); i++, at += VLAN_TAG_LEN) {
		uint16_t type = be16_load(pkt->head + at - 2);

		if (ethertype_is_tag(type))
			continue;
		if (type == ETH_P_MPLS_UC || type == ETH_P_MPLS_MC)
			return find_labelled(g, pkt, at);
		g->network = (uint16_t)at;
		return type;
	}
	return 0;
}

static int read_ipv4(struct gso *g, const struct pkt *pkt, uint8_t *protocol)
{
	const uint8_t *ip = pkt->head + g->network;
	unsigned len;

	if (!in_head(pkt, g->network, IPV4_HEADER_MIN) || ip[0] >> 4 != 4)
		return -EINVAL;
	len = (ip[0] & 0xfu) * 4;
	if (len < IPV4_HEADER_MIN || be16_load(ip + 6) & IPV4_FRAGMENT)
		return -EINVAL;
	*protocol = ip[9];
	g->transport = (uint16_t)(g->network + len);
	g->destination = (uint16_t)(g->network + 16);
	return 0;
}

/* RFC 8200 8.1: the checksum covers the final destination, which is in the routing header while
 * there are segments left. */
static int read_routing(struct gso *g, const uint8_t *head, uint32_t at, uint32_t len)
{
	uint8_t type = head[at + 2], segments_left = head[at + 3];

	if (!segments_left)
		return 0;
	if ((type != ROUTING_MOBILE && type != ROUTING_SEGMENT) || len < 8 + 16)
		return -EINVAL;
	g->destination = (uint16_t)(at + 8);
	return 0;
}

/* Anything but an extension header that may precede a whole TCP or UDP header ends the walk. */
static int read_ipv6(struct gso *g, const struct pkt *pkt, uint8_t *protocol)
{
	const uint8_t *head = pkt->head;
	uint32_t at = g->network;

	if (!in_head(pkt, at, IPV6_HEADER_LEN) || head[at] >> 4 != 6)
		return -EINVAL;
	*protocol = head[at + 6];
	g->destination = (uint16_t)(at + 24);
	at += IPV6_HEADER_LEN;
	for (unsigned i = 0; i < IPV6_EXTENSIONS_MAX; i++) {
		uint32_t len;

		if (*protocol != IPPROTO_HOPOPTS && *protocol != IPPROTO_DSTOPTS &&
		    *protocol != IPPROTO_ROUTING)
			break;
		if (!in_head(pkt, at, 8))
			return -EINVAL;
		len = (head[at + 1] + 1u) * 8;
		if (!in_head(pkt, at, len))
			return -EINVAL;
		if (*protocol == IPPROTO_ROUTING && read_routing(g, head, at, len) < 0)
			return -EINVAL;
		*protocol = head[at];
		at += len;
	}
	g->transport = (uint16_t)at;
	return 0;
}

static int read_transport(struct gso *g, const struct pkt *pkt, uint8_t protocol)
{
	const uint8_t *transport = pkt->head + g->transport;
	unsigned len = UDP_HEADER_LEN;

	if (protocol != (g->tcp ? IPPROTO_TCP : IPPROTO_UDP))
		return -EINVAL;
	if (g->tcp) {
		/* of what opens a connection, segments would not be copies */
		if (!in_head(pkt, g->transport, TCP_HEADER_MIN) || transport[TCP_FLAGS] & TCP_SYN)
			return -EINVAL;
		len = (transport[12] >> 4) * 4u;
		if (len < TCP_HEADER_MIN)
			return -EINVAL;
	}
	if (!in_head(pkt, g->transport, len))
		return -EINVAL;
	g->header_len = (uint16_t)(g->transport + len);
	return 0;
}

static int read_headers(struct gso *g, const struct pkt *pkt)
{
	uint8_t type = pkt->offload.gso_type & (uint8_t)~VIRTIO_NET_HDR_GSO_ECN, protocol;
	uint16_t ethertype = find_network(g, pkt);
	int r;

	g->ipv6 = ethertype == ETH_P_IPV6;
	g->tcp = type == VIRTIO_NET_HDR_GSO_TCPV4 || type == VIRTIO_NET_HDR_GSO_TCPV6;
	if (!g->tcp && type != VIRTIO_NET_HDR_GSO_UDP_L4)
		return -EINVAL;
	if (g->tcp && g->ipv6 != (type == VIRTIO_NET_HDR_GSO_TCPV6))
		return -EINVAL;
	if (!g->ipv6 && ethertype != ETH_P_IP)
		return -EINVAL;
	r = g->ipv6 ? read_ipv6(g, pkt, &protocol) : read_ipv4(g, pkt, &protocol);
	return r < 0 ? r : read_transport(g, pkt, protocol);
}

int gso_start(struct gso *g, const struct pkt *pkt)
{
	const struct virtio_net_hdr *offload = &pkt->offload;

	*g = (struct gso){ .pkt = pkt, .size = offload->gso_size };
	if (!g->size || pkt->n_frags > FRAGS_MAX || read_headers(g, pkt) < 0)
		return -EINVAL;
	if (!(offload->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) ||
	    offload->csum_start != g->transport ||
	    offload->csum_offset != (g->tcp ? TCP_CSUM_OFFSET : UDP_CSUM_OFFSET))
		return -EINVAL;
	g->left = pkt->len - g->header_len;
	if (g->header_len - g->network + min((uint32_t)g->size, g->left) > UINT16_MAX)
		return -EINVAL;
	g->n_segments = max((g->left + g->size - 1) / g->size, 1u);
	if (g->n_segments > GSO_SEGMENTS_MAX)
		return -EINVAL;
	g->at = g->header_len;
	return 0;
}

int gso_check(struct pkt *pkt)
{
	struct gso g;
	int r = gso_start(&g, pkt);

	if (r < 0)
		return r;
	/* with the tag that the switch may put on, still in a private copy */
	if (g.header_len > PKT_HEAD_MAX - VLAN_TAG_LEN)
		return -EINVAL;
	pkt->offload.hdr_len = g.header_len;
	return 0;
}

/* Lets @seg refer to the next @len bytes of payload. */
static void take_payload(struct gso *g, struct pkt *seg, struct batch *out, uint32_t len)
{
	const struct pkt *pkt = g->pkt;

	seg->frags = &out->frags[out->n_frags];
	seg->n_frags = 0;
	while (len) {
		uint8_t *base = g->frag ? pkt->frags[g->frag - 1].iov_base : pkt->head;
		size_t end = g->frag ? pkt->frags[g->frag - 1].iov_len : pkt->head_len;
		size_t part = min(end - g->at, (size_t)len);

		if (part)
			seg->frags[seg->n_frags++] = (struct iovec){ base + g->at, part };
		g->at += part;
		len -= (uint32_t)part;
		if (g->at == end) {
			g->frag++;
			g->at = 0;
		}
	}
	out->n_frags += seg->n_frags;
}

static void edit_network(const struct gso *g, const struct pkt *seg)
{
	uint8_t *ip = seg->head + g->network;
	uint16_t len = (uint16_t)(seg->len - g->network), checksum;

	if (g->ipv6) {
		be16_store(ip + 4, (uint16_t)(len - IPV6_HEADER_LEN));
		return;
	}
	be16_store(ip + 2, len);
	be16_store(ip + 4, (uint16_t)(be16_load(ip + 4) + g->index));
	memset(ip + 10, 0, sizeof(checksum));
	checksum = (uint16_t)~checksum_fold(checksum_add(0, ip, g->transport - g->network));
	memcpy(ip + 10, &checksum, sizeof(checksum));
}

/* What happens once happens in the first segment (RFC 3168 6.1.2: CWR) or the last one. */
static void edit_transport(const struct gso *g, const struct pkt *seg, bool last)
{
	uint8_t *transport = seg->head + g->transport;

	if (!g->tcp) {
		be16_store(transport + 4, (uint16_t)(seg->len - g->transport));
		return;
	}
	be32_store(transport + 4, be32_load(transport + 4) + g->index * g->size);
	if (g->index)
		transport[TCP_FLAGS] &= (uint8_t)~TCP_CWR;
	if (!last)
		transport[TCP_FLAGS] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
}

/* Asks for the transport checksum: puts the pseudo header's sum where the result will be. */
static void request_checksum(const struct gso *g, struct pkt *seg)
{
	const unsigned address_len = g->ipv6 ? 16 : 4;
	const uint8_t *source = seg->head + g->network + (g->ipv6 ? 8 : 12);
	uint8_t numbers[4] = { 0, g->tcp ? IPPROTO_TCP : IPPROTO_UDP };
	uint64_t sum;
	uint16_t pseudo;

	seg->offload = (struct virtio_net_hdr){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.csum_start = g->transport,
		.csum_offset = g->tcp ? TCP_CSUM_OFFSET : UDP_CSUM_OFFSET,
	};
	be16_store(numbers + 2, (uint16_t)(seg->len - g->transport));
	sum = checksum_add(0, source, address_len);
	sum = checksum_add(sum, seg->head + g->destination, address_len);
	pseudo = checksum_fold(checksum_add(sum, numbers, sizeof(numbers)));
	memcpy(seg->head + g->transport + seg->offload.csum_offset, &pseudo, sizeof(pseudo));
}

bool gso_next(struct gso *g, bool leave_checksum, struct batch *out)
{
	const struct pkt *pkt = g->pkt;
	uint32_t len = min((uint32_t)g->size, g->left);
	struct pkt *seg;

	if (g->index == g->n_segments)
		return false;
	seg = &out->pkts[out->n++];
	/* at the same place of its buffer as the packet's head: there is room */
	seg->head = seg->buf + (pkt->head - pkt->buf);
	memcpy(seg->head, pkt->head, g->header_len);
	seg->head_len = g->header_len;
	seg->len = g->header_len + len;
	seg->cut = 0;
	seg->ethertype = pkt->ethertype;
	seg->tci = pkt->tci;
	seg->tagged = pkt->tagged;
	take_payload(g, seg, out, len);
	g->left -= len;
	edit_network(g, seg);
	edit_transport(g, seg, !g->left);
	request_checksum(g, seg);
	if (!leave_checksum)
		checksum_complete(seg); /* the field is in the headers, which are private */
	g->index++;
	return true;
}
