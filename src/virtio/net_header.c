// SPDX-License-Identifier: Apache-2.0
/* The virtio-net header: taking it off a chain, and checking what a guest says in it. */
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/virtio_config.h>
#include <string.h>

#include "base/compiler.h"
#include "packet/checksum.h"
#include "virtio/net_header.h"

#define TCP_HEADER_LEN 20
#define UDP_HEADER_LEN 8

static bool negotiated(uint64_t features, unsigned bit)
{
	return features >> bit & 1;
}

unsigned net_header_len(uint64_t features)
{
	if (negotiated(features, VIRTIO_F_VERSION_1) ||
	    negotiated(features, VIRTIO_NET_F_MRG_RXBUF))
		return sizeof(struct virtio_net_hdr_mrg_rxbuf);
	return sizeof(struct virtio_net_hdr);
}

bool net_header_asks(uint64_t features)
{
	/* every other offload depends on it (5.1.3.1) */
	return negotiated(features, VIRTIO_NET_F_CSUM);
}

int net_header_pull(struct iovec **iov, unsigned n, void *header, unsigned len)
{
	struct iovec *v = *iov;
	uint8_t *to = header;

	/* The common case: a length that the compiler knows, and more behind it. */
	if (likely(n && len == sizeof(struct virtio_net_hdr_mrg_rxbuf) && v->iov_len > len)) {
		memcpy(header, v->iov_base, sizeof(struct virtio_net_hdr_mrg_rxbuf));
		__asm__ volatile("" : : "r"(header) : "memory"); /* as below */
		v->iov_base = (uint8_t *)v->iov_base + len;
		v->iov_len -= len;
		return (int)n;
	}
	while (len) {
		size_t part;

		if (!n)
			return -EINVAL;
		part = min(v->iov_len, (size_t)len);
		memcpy(to, v->iov_base, part);
		to += part;
		len -= (unsigned)part;
		if (part < v->iov_len) {
			v->iov_base = (uint8_t *)v->iov_base + part;
			v->iov_len -= part;
		} else {
			v++;
			n--;
		}
	}
	/* The copy is real: what is checked later cannot be read again from the guest's memory. */
	__asm__ volatile("" : : "r"(header) : "memory");
	*iov = v;
	return (int)n;
}

/* Whether @header_len bytes from csum_start and the checksum field lie in the frame, behind the
 * addresses that the switch has looked at. */
static bool csum_inside(const struct virtio_net_hdr *h, uint32_t frame_len, uint32_t header_len)
{
	uint32_t start = h->csum_start, room;

	if (start < ETH_HLEN || start >= frame_len)
		return false;
	room = frame_len - start;
	return room >= header_len && room >= (uint32_t)h->csum_offset + 2;
}

static bool tcp_valid(const struct virtio_net_hdr *h, uint64_t features, uint32_t frame_len,
		      unsigned feature)
{
	if (!negotiated(features, feature))
		return false;
	if ((h->gso_type & VIRTIO_NET_HDR_GSO_ECN) && !negotiated(features, VIRTIO_NET_F_HOST_ECN))
		return false;
	return h->csum_offset == TCP_CSUM_OFFSET && csum_inside(h, frame_len, TCP_HEADER_LEN);
}

static bool udp_valid(const struct virtio_net_hdr *h, uint64_t features, uint32_t frame_len,
		      unsigned feature)
{
	return negotiated(features, feature) && !(h->gso_type & VIRTIO_NET_HDR_GSO_ECN) &&
	       h->csum_offset == UDP_CSUM_OFFSET && csum_inside(h, frame_len, UDP_HEADER_LEN);
}

static bool gso_valid(const struct virtio_net_hdr *h, uint64_t features, uint32_t frame_len)
{
	/* 5.1.6.2.1: segmentation always asks for the checksum too. */
	if (!(h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) || !h->gso_size || h->hdr_len > frame_len)
		return false;
	switch (h->gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
	case VIRTIO_NET_HDR_GSO_TCPV4:
		return tcp_valid(h, features, frame_len, VIRTIO_NET_F_HOST_TSO4);
	case VIRTIO_NET_HDR_GSO_TCPV6:
		return tcp_valid(h, features, frame_len, VIRTIO_NET_F_HOST_TSO6);
	case VIRTIO_NET_HDR_GSO_UDP:
		return udp_valid(h, features, frame_len, VIRTIO_NET_F_HOST_UFO);
	case VIRTIO_NET_HDR_GSO_UDP_L4:
		return udp_valid(h, features, frame_len, VIRTIO_NET_F_HOST_USO);
	default:
		return false;
	}
}

bool net_header_valid(const struct virtio_net_hdr *h, uint64_t features, uint32_t frame_len)
{
	if (h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
		if (!negotiated(features, VIRTIO_NET_F_CSUM) || !csum_inside(h, frame_len, 0))
			return false;
	}
	return h->gso_type == VIRTIO_NET_HDR_GSO_NONE || gso_valid(h, features, frame_len);
}

void net_header_clean(struct virtio_net_hdr *h)
{
	h->flags &= VIRTIO_NET_HDR_F_NEEDS_CSUM;
	if (!h->flags) {
		h->csum_start = 0;
		h->csum_offset = 0;
	}
	if (h->gso_type == VIRTIO_NET_HDR_GSO_NONE) {
		h->gso_size = 0;
		h->hdr_len = 0;
	}
}
