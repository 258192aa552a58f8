/* SPDX-License-Identifier: Apache-2.0 */
/* The checksum of SCTP (RFC 9260, 6.8 and appendix A). It is linear: what a change of a few bytes
 * does to it does not depend on the rest of the packet. Any thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* CRC32c of @len bytes, to be stored little-endian. Plain: for tests and short packets. */
uint32_t crc32c(const void *bytes, size_t len);

/* By what the CRC32c changes (exclusive or) when the four bytes that @before is of, in memory
 * order, become @after, and @len bytes, themselves included, follow to the end. */
uint32_t crc32c_change(uint32_t before, uint32_t after, uint32_t len);
