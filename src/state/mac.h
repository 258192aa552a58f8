/* SPDX-License-Identifier: Apache-2.0 */
/* A bridge's MAC table: which port a station is behind, per VLAN (802.1Q 8.8).
 *
 * Theory of operation. A fixed array of sets of four entries; an address may be in either of two
 * sets. An entry is two words: the key (address, VLAN, present bit) and the value (port, time last
 * seen, static bit). Readers take no lock: they load key, value, and the key again; a writer that
 * reuses an entry clears the key before it stores the new value, so a reader that saw the same key
 * twice saw a value that belonged to it. Time stamps are refreshed by compare-and-swap, at most
 * once a second. Whatever changes which entries exist runs under a lock: workers try it for a
 * moment, and learn with a later packet when it is taken.
 *
 * Full table: a new address takes the place of an old one of the port that holds the most, so that
 * a port that floods addresses pushes out its own.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "packet/ethernet.h"

/* Addresses that a table holds: unless told, and at most. */
#define MAC_TABLE_SIZE_DEFAULT 8192
#define MAC_TABLE_SIZE_MAX 1048576
#define MAC_PORTS_MAX 4096 /* port numbers are below this */
#define MAC_NO_PORT UINT32_MAX
#define MAC_AGING_DEFAULT 300 /* seconds */

struct mac_table;

/* A snapshot of one entry, for people. */
struct mac_entry {
	mac_t mac;
	uint16_t vid;
	uint32_t port;
	uint32_t age; /* seconds since it was last seen; 0 for static entries */
	bool is_static;
};

/* At most @size entries (1..MAC_TABLE_SIZE_MAX). NULL when memory is short. */
struct mac_table *mac_table_create(unsigned size);

/* Frees now; nobody may use it. NULL is fine. */
void mac_table_destroy(struct mac_table *table);

/* Workers. The port where @mac was learned, or MAC_NO_PORT. */
uint32_t mac_table_lookup(const struct mac_table *table, mac_t mac, uint16_t vid);

/* Workers. @mac was seen as a source on @port at @now seconds. @limit: most addresses of this port,
 * 0: no limit; it holds for addresses that move here, too. Multicast sources and 00:00:00:00:00:00
 * are not learned, static entries do not move.
 */
void mac_table_learn(struct mac_table *table, mac_t mac, uint16_t vid, uint32_t port, uint32_t now,
		     unsigned limit);

/* Control thread from here on. */

/* Adds or replaces a static entry. Returns 0, or -ENOSPC when the entry's place is full of static
 * ones. */
int mac_table_add_static(struct mac_table *table, mac_t mac, uint16_t vid, uint32_t port);

/* Removes an entry of any kind: true when there was one. */
bool mac_table_remove(struct mac_table *table, mac_t mac, uint16_t vid);

/* Removes what was learned on @port (MAC_NO_PORT: on any), with static entries when @also_static.
 * Returns how many. */
unsigned mac_table_flush(struct mac_table *table, uint32_t port, bool also_static);

/* Removes learned entries not seen for @aging seconds at @now. Returns how many. */
unsigned mac_table_age(struct mac_table *table, uint32_t now, uint32_t aging);

/* Calls @fn for each entry. */
void mac_table_each(const struct mac_table *table, uint32_t now,
		    void (*fn)(const struct mac_entry *entry, void *arg), void *arg);

/* Entries now; of @port alone, unless it is MAC_NO_PORT. */
unsigned mac_table_count(const struct mac_table *table, uint32_t port);

/* Addresses that were not learned (table or port's limit full), and that moved between ports. */
uint64_t mac_table_refused(const struct mac_table *table);
uint64_t mac_table_moves(const struct mac_table *table);
