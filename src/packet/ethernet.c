// SPDX-License-Identifier: Apache-2.0
// MAC addresses as text.
#include <stdio.h>

#include "packet/ethernet.h"

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool mac_parse(const char *text, mac_t *mac)
{
	mac_t value = 0;

	for (int i = 0; i < ETH_ALEN; i++) {
		for (int half = 0; half < 2; half++) {
			int digit = hex_digit(*text++);

			if (digit < 0)
				return false;
			value = value << 4 | (mac_t)digit;
		}
		if (*text++ != (i < ETH_ALEN - 1 ? ':' : '\0'))
			return false;
	}
	*mac = value;
	return true;
}

char *mac_format(mac_t mac, char *text)
{
	uint8_t b[ETH_ALEN];

	mac_store(b, mac);
	snprintf(text, MAC_TEXT_LEN, "%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3], b[4],
		 b[5]);
	return text;
}
