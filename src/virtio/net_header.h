/* SPDX-License-Identifier: Apache-2.0 */
/* The header in front of every packet on a virtio-net queue (virtio 1.2, 5.1.6): 12 bytes with
 * VERSION_1 or MRG_RXBUF, else 10. Any thread.
 */
#pragma once

#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#define NET_HEADER_LEN_MAX 12

/* 12 or 10, by the negotiated features. */
unsigned net_header_len(uint64_t features);

/* Takes the header off the front of a chain, wherever its bytes are split: copies @len bytes to
 * @header and changes
 * @iov (@n elements) to what follows. Returns the elements left, from the front of the array
 * onwards in @iov (elements are moved or shortened in place; *@iov is advanced), or -EINVAL when
 * the chain is shorter than the header.
 */
int net_header_pull(struct iovec **iov, unsigned n, void *header, unsigned len);

/* Checks a guest's offload request against the features it negotiated and the frame's length
 * (without header). False: the packet must be dropped. An unknown gso_type, offsets beyond the
 * frame, gso_size 0 and whatever was not negotiated are refused. All zero is always right.
 */
bool net_header_valid(const struct virtio_net_hdr *header, uint64_t features, uint32_t frame_len);
