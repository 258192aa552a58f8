/* SPDX-License-Identifier: Apache-2.0 */
/* The header in front of every packet on a virtio-net queue (virtio 1.2, 5.1.6): 12 bytes with
 * VERSION_1 or MRG_RXBUF, else 10. Any thread.
 */
#pragma once

#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "packet/pkt.h"

#define NET_HEADER_LEN_MAX 12 /* bytes */

/* UDP segmentation (virtio 1.3), for kernel headers that do not have it yet. */
#ifndef VIRTIO_NET_F_HOST_USO
#define VIRTIO_NET_F_GUEST_USO4 54
#define VIRTIO_NET_F_GUEST_USO6 55
#define VIRTIO_NET_F_HOST_USO 56
#endif

/* 12 or 10, by the negotiated features. */
unsigned net_header_len(uint64_t features);

/* Whether the guest may ask for anything in the headers of what it sends; if not, they mean
 * nothing. */
bool net_header_asks(uint64_t features);

/* Takes the header off the front of a chain, wherever its bytes are split: copies @len bytes to
 * @header and changes @iov (@n elements) to what follows. Elements used up are left behind by
 * moving
 * *@iov on, one that is used in part is shortened in place. Returns the number of elements left, or
 * -EINVAL when the chain is shorter than the header (@iov is then of no use).
 */
int net_header_pull(struct iovec **iov, unsigned n, void *header, unsigned len);

/* Checks a guest's offload request against the features it negotiated and the frame's length
 * (without header). False: the packet must be dropped. All zero is always right. Refused are
 * checksum and segmentation that were not negotiated, an unknown gso_type, segmentation without
 * checksum, of size 0 or with a checksum field that is not the protocol's, a checksum outside of
 * the frame or inside the Ethernet header, and, with segmentation, a hdr_len beyond the frame.
 *
 * What the specification tells a device to ignore is let through and means nothing: flags other
 * than NEEDS_CSUM, hdr_len without segmentation, num_buffers, csum_start and csum_offset without
 * NEEDS_CSUM. net_header_clean() clears it.
 */
bool net_header_valid(const struct virtio_net_hdr *header, uint64_t features, uint32_t frame_len);

/* Clears in a valid header what means nothing, so that it can be passed on. */
void net_header_clean(struct virtio_net_hdr *header);
