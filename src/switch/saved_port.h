/* SPDX-License-Identifier: Apache-2.0 */
/* What a switch knows of a port, in the form in which it goes with a guest to another switch
 * (vhost-user, "Migrating back-end state"); as passive data, and as bytes. Any thread.
 *
 * Numbers are big-endian, nothing is padded. A state begins with
 *
 *	 0  8 bytes  "VIREOPRT"
 *	 8  u16      major version: 1. Another one cannot be read.
 *	10  u16      minor version: 0. A larger one has more to say, and can be read.
 *	12  u32      length of the whole state, bytes
 *
 * and goes on with sections, in any order, each kind at most once:
 *
 *	 0  u16      kind
 *	 2  u16      bit 0: who does not know this kind must not go on. The others are 0.
 *	 4  u32      length of what follows, bytes
 *
 *	kind 1, counters: of each   u8 length of its name, the name ("rx_packets", or a drop
 *reason's), u64 value, below 2^62; unknown names are skipped kind 2, addresses: of each  6 bytes
 *MAC address, u16 VLAN, u32 seconds since it was last seen kind 3, VLANs               u16 bits: 0
 *access port, 1 native VLAN leaves with its tag, 2 carries only the VLANs listed, 3 protected; u16
 *VLAN of untagged frames (0: none); with bit 2: 512 bytes, bit n % 8 of byte n / 8 is VLAN n
 *
 * Unknown sections are skipped, unless their bit 0 is set, and so is what a later version may add
 * behind the content of kind 3.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "packet/ethernet.h"
#include "port/drop.h"

#define SAVED_PORT_MAX (1u << 20)      /* bytes of a state, at most */
#define SAVED_PORT_MACS_MAX 32768      /* addresses that are written; as many as fit are read */
#define SAVED_COUNTER_MAX (1ull << 62) /* counters are below */

/* An address that was learned on the port. */
struct saved_mac {
	mac_t mac;
	uint16_t vid;
	uint32_t age; /* seconds */
};

/* How the port was configured; as struct port_settings. */
struct saved_vlans {
	bool access, native_tagged, has_trunks, is_protected;
	uint16_t tag;
	uint64_t trunks[4096 / 64]; /* zero without has_trunks */
};

struct saved_port {
	struct port_counters counters;
	bool has_vlans;
	struct saved_vlans vlans;
	unsigned n_macs;
	struct saved_mac *macs; /* owned, malloc'd */
};

/* Writes a state: @n bytes at @bytes, malloc'd. Returns 0 or -ENOMEM. Of more than
 * SAVED_PORT_MACS_MAX addresses it writes the first. */
int saved_port_encode(const struct saved_port *port, uint8_t **bytes, size_t *n);

/* Reads a state, from whomever it comes. Returns 0 and @port, for saved_port_free(); or -EINVAL
 * (cut off, too long, wrong in itself), -ENOTSUP (another version, or more than this program knows)
 * or -ENOMEM, and a text.
 */
int saved_port_decode(struct saved_port *port, const uint8_t *bytes, size_t n, struct error *err);

/* Frees what @port owns. */
void saved_port_free(struct saved_port *port);

/* Number @index of a port's counters, and its name; NULL: there are no more. */
const char *saved_counter_name(unsigned index);
uint64_t *saved_counter(struct port_counters *counters, unsigned index);
