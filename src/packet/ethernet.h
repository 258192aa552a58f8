/* SPDX-License-Identifier: Apache-2.0 */
/* Ethernet as the switch sees it. Constants that the kernel's <linux/if_ether.h> has are taken from
 * there. */
#pragma once

#include <linux/if_ether.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define VLAN_TAG_LEN 4	     /* bytes: type 0x8100 and tag control information (802.1Q 9.5) */
#define VLAN_VID_MASK 0x0fff /* of the control information: VLAN */
#define VLAN_PCP_SHIFT 13    /* of the control information: priority */
#define VLAN_VID_MAX 4094    /* 0 is "priority tag only", 4095 is reserved (802.1Q 9.6) */

/* Longest frame that may come in: a 64 KiB IP packet, Ethernet and two tags. */
#define FRAME_LEN_MAX (65535 + ETH_HLEN + 2 * VLAN_TAG_LEN)

/* And longest frame that exists in the switch: with the tag that it puts on. */
#define FRAME_TAGGED_MAX (FRAME_LEN_MAX + VLAN_TAG_LEN)

#define MAC_TEXT_LEN 18 /* "02:00:00:00:00:01" and its end */

/* A MAC address in the low 48 bits, first byte highest: 02:00:00:00:00:01 is 0x020000000001. */
typedef uint64_t mac_t;

/* The address at @bytes, which need not be aligned. */
static inline mac_t mac_load(const uint8_t *bytes)
{
	uint32_t high, low = 0;

	memcpy(&high, bytes, 4);
	memcpy(&low, bytes + 4, 2);
	return (mac_t)__builtin_bswap32(high) << 16 | __builtin_bswap16((uint16_t)low);
}

/* Writes ETH_ALEN bytes. */
static inline void mac_store(uint8_t *bytes, mac_t mac)
{
	for (int i = 0; i < ETH_ALEN; i++)
		bytes[i] = (uint8_t)(mac >> (8 * (5 - i)));
}

/* The group bit; broadcast has it, too. */
static inline bool mac_is_multicast(mac_t mac)
{
	return mac >> 40 & 1;
}

/* ff:ff:ff:ff:ff:ff. */
static inline bool mac_is_broadcast(mac_t mac)
{
	return mac == 0xffffffffffffull;
}

/* 01:80:c2:00:00:00 to ..0f: never forwarded by a bridge (802.1Q table 8-1). */
static inline bool mac_is_reserved(mac_t mac)
{
	return (mac & ~0xfull) == 0x0180c2000000ull;
}

/* "02:00:00:00:00:01" -> @mac. False when @text is anything else. */
bool mac_parse(const char *text, mac_t *mac);

/* Writes MAC_TEXT_LEN bytes, the terminating zero included. Returns @text. */
char *mac_format(mac_t mac, char *text);
