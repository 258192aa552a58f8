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
 * A table may outlive its process (mac_table_create_kept()), at any instruction: an entry is there
 * whole, or not; an address that moves is behind the old port or the new one; one that takes
 * another's place is there once that is gone. The next process learns what it finds there anew.
 *
 * Full table: a new address takes the place of an old one of the port that holds the most, so that
 * a port that floods addresses pushes out its own.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/keep.h"
#include "base/store.h"
#include "packet/ethernet.h"

/* Addresses that a table holds: unless told, and at most. */
#define MAC_TABLE_SIZE_DEFAULT 8192
#define MAC_TABLE_SIZE_MAX 1048576
#define MAC_PORTS_MAX 4096 /* port numbers are below this */
#define MAC_NO_PORT UINT32_MAX
#define MAC_AGING_DEFAULT 300 /* seconds */

struct mac_table;

#define MAC_KEPT_VERSION 1u /* of what mac_table_create_kept() leaves: slots as they are below */

/* An entry as it is in the table: open to those who keep a struct mac_ref. */
struct mac_slot {
	uint64_t key;	/* MAC_KEY_PRESENT | vid << 48 | mac; 0: free */
	uint64_t value; /* MAC_VALUE_STATIC | port << 32 | seconds */
};

/* Bits of a slot's words. */
#define MAC_KEY_PRESENT (1ull << 60)  /* so that no key in use is 0 */
#define MAC_VALUE_STATIC (1ull << 63) /* the administrator's word: never moves, never ages */

/* An address and the place where it was found; valid as long as the table. */
struct mac_ref {
	struct mac_slot *slot;
	uint64_t key;
};

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

/* The same, with entries that outlive this process, held under @key; and with those learned that an
 * earlier process has left there. @keep NULL: as above. */
struct mac_table *mac_table_create_kept(unsigned size, struct keep *keep, const char *key);

/* Frees now; nobody may use it. What is held stays so. NULL is fine. */
void mac_table_destroy(struct mac_table *table);

/* Workers. The port where @mac was learned, or MAC_NO_PORT. */
uint32_t mac_table_lookup(const struct mac_table *table, mac_t mac, uint16_t vid);

/* Workers. @mac was seen as a source on @port at @now seconds. @limit: most addresses of this port,
 * 0: no limit; it holds for addresses that move here, too. Multicast sources and 00:00:00:00:00:00
 * are not learned, static entries do not move.
 */
void mac_table_learn(struct mac_table *table, mac_t mac, uint16_t vid, uint32_t port, uint32_t now,
		     unsigned limit);

/* Workers. Fills in @ref; false when the address is not known. */
bool mac_table_ref(const struct mac_table *table, mac_t mac, uint16_t vid, struct mac_ref *ref);

/* The port of an entry's value. */
static inline uint32_t mac_value_port(uint64_t value)
{
	return (uint32_t)(value >> 32) & (MAC_PORTS_MAX - 1);
}

/* The value under a slot's @key; false when the slot is another address's by now. Loads pair with
 * the stores of writers, see above. Any thread. */
static inline bool mac_slot_read(const struct mac_slot *slot, uint64_t key, uint64_t *value)
{
	*value = __atomic_load_n(&slot->value, __ATOMIC_ACQUIRE);
	return __atomic_load_n(&slot->key, __ATOMIC_RELAXED) == key;
}

/* Workers. Whether the address is still there, and behind @port. */
static inline bool mac_ref_is(const struct mac_ref *ref, uint32_t port)
{
	uint64_t value;

	return mac_slot_read(ref->slot, ref->key, &value) && mac_value_port(value) == port;
}

/* Workers. The address was seen as a source on @port at @now seconds: refreshes its time stamp.
 * True when it is known to be there; else it has to be learned. */
static inline bool mac_ref_seen(const struct mac_ref *ref, uint32_t port, uint32_t now)
{
	uint64_t value;

	if (!mac_slot_read(ref->slot, ref->key, &value) || mac_value_port(value) != port)
		return false;
	if (!(value & MAC_VALUE_STATIC) && (uint32_t)value != now)
		SHARED_SWAP(&ref->slot->value, &value, (uint64_t)port << 32 | now,
			    __ATOMIC_RELEASE);
	return true;
}

/* Control thread from here on. */

/* Adds or replaces a static entry. Returns 0, or -ENOSPC when the entry's place is full of static
 * ones. */
int mac_table_add_static(struct mac_table *table, mac_t mac, uint16_t vid, uint32_t port);

/* @mac was seen as a source on @port at @seen seconds, as somebody says who was there: learned as
 * mac_table_learn() does. False when it could not be (the limit, no room, a static entry). */
bool mac_table_put(struct mac_table *table, mac_t mac, uint16_t vid, uint32_t port, uint32_t seen,
		   unsigned limit);

/* Removes an entry of any kind: true when there was one. */
bool mac_table_remove(struct mac_table *table, mac_t mac, uint16_t vid);

/* Removes what was learned on @port (MAC_NO_PORT: on any), with static entries when @also_static.
 * Returns how many. */
unsigned mac_table_flush(struct mac_table *table, uint32_t port, bool also_static);

/* Removes learned entries not seen for @aging seconds at @now. Returns how many. */
unsigned mac_table_age(struct mac_table *table, uint32_t now, uint32_t aging);

/* When the learned entry that was not seen for longest was seen, seconds; false: there is none. */
bool mac_table_oldest(const struct mac_table *table, uint32_t *seen);

/* Calls @fn for each entry. */
void mac_table_each(const struct mac_table *table, uint32_t now,
		    void (*fn)(const struct mac_entry *entry, void *arg), void *arg);

/* Entries now; of @port alone, unless it is MAC_NO_PORT. */
unsigned mac_table_count(const struct mac_table *table, uint32_t port);

/* Addresses that were not learned (table or port's limit full), and that moved between ports. */
uint64_t mac_table_refused(const struct mac_table *table);
uint64_t mac_table_moves(const struct mac_table *table);
