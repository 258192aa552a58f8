/* SPDX-License-Identifier: Apache-2.0 */
/* The internet checksum (RFC 1071): 16-bit one's complement sums, kept in the byte order of memory,
 * which the sum does not care about. Worker threads.
 */
#pragma once

#include "packet/pkt.h"

#define TCP_CSUM_OFFSET 16 /* of the checksum in a TCP header */
#define UDP_CSUM_OFFSET 6  /* and in a UDP header */

/* @sum and the sum of @len bytes at @bytes, padded with a zero byte when odd. Cannot overflow for
 * anything that fits into memory, when @sum came from few such calls. Start with 0.
 */
uint64_t checksum_add(uint64_t sum, const void *bytes, size_t len);

/* The sum in 16 bits, not complemented; store it with memcpy(). */
uint16_t checksum_fold(uint64_t sum);

/* The sum of the frame's bytes from offset @from (<= pkt->len) to its end, wherever head and
 * fragments are cut. */
uint64_t checksum_pkt(const struct pkt *pkt, uint32_t from);

/* Does what VIRTIO_NET_HDR_F_NEEDS_CSUM asks for (virtio 1.2, 5.1.6.2): the checksum from
 * csum_start to the end goes where csum_offset says, which holds the pseudo header's sum until
 * then; the request is cleared. A result of 0 becomes 0xffff when the field is where UDP has it
 * (RFC 768). Returns 0, or -EINVAL when the field is not within the private copy: nothing is
 * changed then. The request must lie within the frame, as net_header_valid() tells.
 */
int checksum_complete(struct pkt *pkt);

/* The same for a packet whose field is not within the private copy: leaves @pkt as it is and adds
 * to
 * @out, which must have room for a packet, one whose fragments are in @out's arena and refer to
 * @pkt's bytes, but for the checksum. 0, or -ENOBUFS when the arena has no room.
 */
int checksum_complete_copy(const struct pkt *pkt, struct batch *out);
