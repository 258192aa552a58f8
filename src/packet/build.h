/* SPDX-License-Identifier: Apache-2.0 */
/* Frames that the switch itself makes. Any thread. */
#pragma once

#include "packet/ethernet.h"

#define BUILD_RARP_LEN ETH_ZLEN /* 60, the shortest frame on a wire */

/* Writes BUILD_RARP_LEN bytes to @buf: a broadcast reverse-ARP request (RFC 903) from @mac for its
 * own address. Nobody answers it; every bridge on its way learns where @mac is now.
 */
void build_rarp(uint8_t *buf, mac_t mac);
