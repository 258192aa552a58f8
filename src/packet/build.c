// SPDX-License-Identifier: Apache-2.0
// Frames that the switch itself makes.
#include <arpa/inet.h>
#include <linux/if_arp.h>

#include "packet/build.h"

/* ARP for IPv4 over Ethernet (RFC 826); RARP has the same form (RFC 903). */
struct arp_packet {
	uint16_t hardware, protocol;
	uint8_t hardware_len, protocol_len;
	uint16_t operation;
	uint8_t sender_mac[ETH_ALEN], sender_ip[4];
	uint8_t target_mac[ETH_ALEN], target_ip[4];
} __attribute__((packed));

void build_rarp(uint8_t *buf, mac_t mac)
{
	struct arp_packet arp = {
		.hardware = htons(ARPHRD_ETHER),
		.protocol = htons(ETH_P_IP),
		.hardware_len = ETH_ALEN,
		.protocol_len = 4,
		.operation = htons(ARPOP_RREQUEST),
	};
	uint16_t type = htons(ETH_P_RARP);

	mac_store(arp.sender_mac, mac);
	mac_store(arp.target_mac, mac);
	memset(buf, 0, BUILD_RARP_LEN);
	memset(buf, 0xff, ETH_ALEN);
	mac_store(buf + ETH_ALEN, mac);
	memcpy(buf + 2 * ETH_ALEN, &type, sizeof(type));
	memcpy(buf + ETH_HLEN, &arp, sizeof(arp));
}
