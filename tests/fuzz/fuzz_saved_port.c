// SPDX-License-Identifier: Apache-2.0
/* libFuzzer target: any bytes as the state of a port, which comes from another switch. What is
 * understood must come back the same from the bytes that it makes.
 */
#include <stdlib.h>
#include <string.h>

#include "input.h"
#include "switch/saved_port.h"

static void same(const struct saved_port *a, const struct saved_port *b)
{
	require(!memcmp(&a->counters, &b->counters, sizeof(a->counters)));
	require(a->has_vlans == b->has_vlans && a->n_macs >= b->n_macs);
	require(b->n_macs == a->n_macs || b->n_macs == SAVED_PORT_MACS_MAX);
	for (unsigned i = 0; i < b->n_macs; i++)
		require(a->macs[i].mac == b->macs[i].mac && a->macs[i].vid == b->macs[i].vid &&
			a->macs[i].age == b->macs[i].age);
	require(a->vlans.access == b->vlans.access && a->vlans.tag == b->vlans.tag &&
		a->vlans.native_tagged == b->vlans.native_tagged &&
		a->vlans.has_trunks == b->vlans.has_trunks &&
		a->vlans.is_protected == b->vlans.is_protected);
	require(!memcmp(a->vlans.trunks, b->vlans.trunks, sizeof(a->vlans.trunks)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct saved_port port, again;
	struct error err = { "" };
	uint8_t *bytes;
	size_t n;

	if (saved_port_decode(&port, data, size, &err)) {
		require(err.text[0] && !port.macs); /* a refusal must say why */
		return 0;
	}
	require(!saved_port_encode(&port, &bytes, &n));
	require(!saved_port_decode(&again, bytes, n, &err));
	same(&port, &again);
	saved_port_free(&port);
	saved_port_free(&again);
	free(bytes);
	return 0;
}
