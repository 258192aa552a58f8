// SPDX-License-Identifier: Apache-2.0
/* MAC table (see mac.h for how it works). */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "base/compiler.h"
#include "base/counter.h"
#include "base/hash.h"
#include "state/mac.h"

#define WAYS 4
#define SLOTS_MAX (4u * MAC_TABLE_SIZE_MAX) /* of the largest table, see below */
#define LOCK_TRIES 64
#define ROOM_SETS 16  /* that are looked through for an entry to let go of */
#define SMALL_PART 16 /* a port holds little if it is not more than this part of what may be */

struct set {
	struct mac_slot ways[WAYS];
} __attribute__((aligned(CACHE_LINE)));

struct mac_table {
	struct set *sets;
	uint64_t mask; /* sets - 1 */
	unsigned max;  /* entries */
	int locked;    /* the lock of all that follows, and of which keys exist */
	unsigned n;
	uint64_t hand; /* the set where make_room() goes on */
	uint64_t refused, over_limit, moves;
	unsigned by_port[MAC_PORTS_MAX];
};

static uint64_t make_key(mac_t mac, uint16_t vid)
{
	return MAC_KEY_PRESENT | (uint64_t)vid << 48 | mac;
}

static uint64_t make_value(uint32_t port, uint32_t now)
{
	return (uint64_t)port << 32 | now;
}

static size_t sets_len(const struct mac_table *t)
{
	return (t->mask + 1) * sizeof(*t->sets);
}

void mac_table_destroy(struct mac_table *t)
{
	if (!t)
		return;
	keep_unmap(t->sets, sets_len(t));
	free(t);
}

/* Under the lock too: time stamps change without it. */
static uint64_t load_value(const struct mac_slot *e)
{
	return __atomic_load_n(&e->value, __ATOMIC_RELAXED);
}

static bool try_lock(struct mac_table *t)
{
	/* pairs with the release store in unlock() */
	return !__atomic_exchange_n(&t->locked, 1, __ATOMIC_ACQUIRE);
}

/* For workers, which must not wait: as long as another one takes to write an entry, and no longer.
 */
static bool try_lock_briefly(struct mac_table *t)
{
	for (int i = 0; i < LOCK_TRIES; i++) {
		if (!__atomic_load_n(&t->locked, __ATOMIC_RELAXED) && try_lock(t))
			return true;
		cpu_relax();
	}
	return false;
}

static void lock(struct mac_table *t)
{
	static const struct timespec soon = { .tv_nsec = 1000 };

	while (!try_lock(t))
		ppoll(NULL, 0, &soon, NULL);
}

static void unlock(struct mac_table *t)
{
	__atomic_store_n(&t->locked, 0, __ATOMIC_RELEASE);
}

/* The two sets where a key may be. */
static void find_sets(const struct mac_table *t, uint64_t key, struct set *out[2])
{
	uint64_t h = hash_mix(key, hash_secret());

	out[0] = &t->sets[h & t->mask];
	out[1] = &t->sets[(h >> 32) & t->mask];
}

static struct mac_slot *find_entry(const struct mac_table *t, uint64_t key)
{
	struct set *sets[2];

	find_sets(t, key, sets);
	for (int s = 0; s < 2; s++)
		for (int w = 0; w < WAYS; w++)
			if (__atomic_load_n(&sets[s]->ways[w].key, __ATOMIC_ACQUIRE) == key)
				return &sets[s]->ways[w];
	return NULL;
}

uint32_t mac_table_lookup(const struct mac_table *t, mac_t mac, uint16_t vid)
{
	struct mac_ref ref;
	uint64_t value;

	if (!mac_table_ref(t, mac, vid, &ref) || !mac_slot_read(ref.slot, ref.key, &value))
		return MAC_NO_PORT;
	return mac_value_port(value);
}

bool mac_table_ref(const struct mac_table *t, mac_t mac, uint16_t vid, struct mac_ref *ref)
{
	ref->key = make_key(mac, vid);
	ref->slot = find_entry(t, ref->key);
	return ref->slot;
}

/* The rest runs under the lock. */

static void count_entry(struct mac_table *t, uint64_t value, int by)
{
	unsigned *port = &t->by_port[mac_value_port(value)];

	__atomic_store_n(port, *port + by, __ATOMIC_RELAXED);
	__atomic_store_n(&t->n, t->n + by, __ATOMIC_RELAXED);
}

static void clear_entry(struct mac_table *t, struct mac_slot *e)
{
	count_entry(t, load_value(e), -1);
	SHARED_STORE(&e->key, 0, __ATOMIC_RELEASE);
}

/* The same address has another value at once: it is known at every moment. */
static void change_entry(struct mac_table *t, struct mac_slot *e, uint64_t value)
{
	count_entry(t, load_value(e), -1);
	SHARED_STORE(&e->value, value, __ATOMIC_RELEASE);
	count_entry(t, value, 1);
}

static void write_entry(struct mac_table *t, struct mac_slot *e, uint64_t key, uint64_t value)
{
	if (e->key == key) {
		change_entry(t, e, value);
		return;
	}
	if (e->key)
		clear_entry(t, e);
	/* whoever loads this value sees the key cleared, or the new one */
	SHARED_STORE(&e->value, value, __ATOMIC_RELEASE);
	SHARED_STORE(&e->key, key, __ATOMIC_RELEASE);
	count_entry(t, value, 1);
}

/* Whether @e may lose its place to an address of a port that holds @held: it is learned, and nobody
 * loses one to a port that holds more. */
static bool may_go(const struct mac_table *t, const struct mac_slot *e, unsigned held)
{
	uint64_t value = load_value(e);

	return e->key && !(value & MAC_VALUE_STATIC) && t->by_port[mac_value_port(value)] > held;
}

/* Lets a full table have room for an address of @port: some entry goes, of the port that holds the
 * most of those looked at. */
static void make_room(struct mac_table *t, uint32_t port)
{
	unsigned most = t->by_port[port];
	struct mac_slot *best = NULL;

	for (unsigned s = 0; s < ROOM_SETS; s++) {
		struct set *set = &t->sets[t->hand++ & t->mask];

		for (int w = 0; w < WAYS; w++) {
			if (!may_go(t, &set->ways[w], most))
				continue;
			best = &set->ways[w];
			most = t->by_port[mac_value_port(load_value(best))];
		}
	}
	if (best)
		clear_entry(t, best);
}

/* A free entry for @key, or the oldest learned one of the port that holds the most; NULL: only
 * static ones. */
static struct mac_slot *find_place(struct mac_table *t, uint64_t key, bool may_use_free)
{
	struct mac_slot *best = NULL;
	struct set *sets[2];

	find_sets(t, key, sets);
	for (int i = 0; i < 2 * WAYS; i++) {
		struct mac_slot *e = &sets[i / WAYS]->ways[i % WAYS];
		uint64_t value = load_value(e);
		unsigned held, most;

		if (!e->key) {
			if (may_use_free)
				return e;
			continue;
		}
		if (value & MAC_VALUE_STATIC)
			continue;
		held = t->by_port[mac_value_port(value)];
		most = best ? t->by_port[mac_value_port(load_value(best))] : 0;
		if (!best || held > most ||
		    (held == most && (uint32_t)value < (uint32_t)load_value(best)))
			best = e;
	}
	return best;
}

/* Whether a place for @key is free, though the table may be full. */
static bool is_room(struct mac_table *t, uint64_t key)
{
	const struct mac_slot *e = find_place(t, key, true);

	return e && !e->key;
}

static void refuse(struct mac_table *t, bool over_limit)
{
	counter_add(&t->refused, 1);
	if (over_limit)
		counter_add(&t->over_limit, 1);
}

static void learn_locked(struct mac_table *t, uint64_t key, uint32_t port, uint32_t now,
			 unsigned limit)
{
	struct mac_slot *e = find_entry(t, key);
	bool over;

	if (e) {
		if (load_value(e) & MAC_VALUE_STATIC)
			return;
		if (mac_value_port(load_value(e)) != port) {
			if (limit && t->by_port[port] >= limit) {
				refuse(t, true);
				return;
			}
			counter_add(&t->moves, 1);
		}
		write_entry(t, e, key, make_value(port, now));
		return;
	}
	over = limit && t->by_port[port] >= limit;
	if (!over) {
		if (t->n >= t->max && t->by_port[port] <= t->max / SMALL_PART && is_room(t, key))
			make_room(t, port);
		e = find_place(t, key, t->n < t->max);
		/* nobody loses its place to a port that holds more */
		if (e &&
		    (!e->key || t->by_port[mac_value_port(load_value(e))] >= t->by_port[port])) {
			write_entry(t, e, key, make_value(port, now));
			return;
		}
	}
	refuse(t, over);
}

/* Learns what is in the sets of another table, however long somebody has made it. */
static void learn_from(struct mac_table *t, const struct mac_slot *slots, size_t n)
{
	n = min(n, (size_t)SLOTS_MAX);
	for (size_t i = 0; i < n; i++) {
		uint64_t key = slots[i].key, value = slots[i].value;

		if (key & MAC_KEY_PRESENT && !(value & MAC_VALUE_STATIC))
			learn_locked(t, key, mac_value_port(value), (uint32_t)value, 0);
	}
}

struct mac_table *mac_table_create_kept(unsigned size, struct keep *keep, const char *key)
{
	struct mac_table *t = calloc(1, sizeof(*t));
	struct mac_slot *old;
	size_t old_len = 0;
	int file;

	if (!t)
		return NULL;
	t->max = size;
	/* half full at most, so that two sets of four hardly ever overflow */
	while ((t->mask + 1) * WAYS < (uint64_t)size * 2)
		t->mask = 2 * t->mask + 1;
	old = keep_old_memory(keep, key, &old_len);
	t->sets = keep_memory(keep, sets_len(t), &file);
	if (t->sets && old)
		learn_from(t, old, old_len / sizeof(*old));
	keep_unmap(old, old_len);
	if (!t->sets) {
		free(t);
		return NULL;
	}
	keep_hold_memory(keep, key, file);
	return t;
}

struct mac_table *mac_table_create(unsigned size)
{
	return mac_table_create_kept(size, NULL, NULL);
}

void mac_table_learn(struct mac_table *t, mac_t mac, uint16_t vid, uint32_t port, uint32_t now,
		     unsigned limit)
{
	struct mac_ref ref;
	uint64_t value;

	if (likely(mac_table_ref(t, mac, vid, &ref))) {
		if (likely(mac_ref_seen(&ref, port, now)))
			return;
		if (mac_slot_read(ref.slot, ref.key, &value) && value & MAC_VALUE_STATIC)
			return;
	}
	if (mac_is_multicast(mac) || !mac || !try_lock_briefly(t))
		return;
	learn_locked(t, ref.key, port, now, limit);
	unlock(t);
}

int mac_table_add_static(struct mac_table *t, mac_t mac, uint16_t vid, uint32_t port)
{
	uint64_t key = make_key(mac, vid);
	struct mac_slot *e;

	lock(t);
	e = find_entry(t, key);
	if (!e)
		e = find_place(t, key, true);
	if (e)
		write_entry(t, e, key, MAC_VALUE_STATIC | make_value(port, 0));
	unlock(t);
	return e ? 0 : -ENOSPC;
}

bool mac_table_put(struct mac_table *t, mac_t mac, uint16_t vid, uint32_t port, uint32_t seen,
		   unsigned limit)
{
	uint64_t key = make_key(mac, vid);
	struct mac_slot *e;
	bool known;

	if (mac_is_multicast(mac) || !mac)
		return false;
	lock(t);
	e = find_entry(t, key);
	/* a worker may know better */
	known = e && mac_value_port(load_value(e)) == port &&
		(int32_t)((uint32_t)load_value(e) - seen) >= 0;
	if (!known)
		learn_locked(t, key, port, seen, limit);
	e = find_entry(t, key);
	known = e && mac_value_port(load_value(e)) == port;
	unlock(t);
	return known;
}

bool mac_table_remove(struct mac_table *t, mac_t mac, uint16_t vid)
{
	struct mac_slot *e;

	lock(t);
	e = find_entry(t, make_key(mac, vid));
	if (e)
		clear_entry(t, e);
	unlock(t);
	return e;
}

/* Removes the entries that @matches picks. Gives way to the workers between the sets. */
static unsigned remove_if(struct mac_table *t, bool (*matches)(uint64_t value, const void *arg),
			  const void *arg)
{
	unsigned n = 0;

	for (uint64_t s = 0; s <= t->mask && __atomic_load_n(&t->n, __ATOMIC_RELAXED); s++) {
		lock(t);
		for (int w = 0; w < WAYS; w++) {
			struct mac_slot *e = &t->sets[s].ways[w];

			if (e->key && matches(load_value(e), arg)) {
				clear_entry(t, e);
				n++;
			}
		}
		unlock(t);
	}
	return n;
}

bool mac_table_oldest(const struct mac_table *t, uint32_t *seen)
{
	bool found = false;

	for (uint64_t i = 0; i <= t->mask; i++)
		for (int w = 0; w < WAYS; w++) {
			const struct mac_slot *e = &t->sets[i].ways[w];
			uint64_t value = load_value(e);

			if (!__atomic_load_n(&e->key, __ATOMIC_RELAXED) || value & MAC_VALUE_STATIC)
				continue;
			/* seconds wrap around */
			if (!found || (int32_t)((uint32_t)value - *seen) < 0)
				*seen = (uint32_t)value;
			found = true;
		}
	return found;
}

struct flush {
	uint32_t port;
	bool also_static;
};

static bool flush_matches(uint64_t value, const void *arg)
{
	const struct flush *f = arg;

	return (f->port == MAC_NO_PORT || f->port == mac_value_port(value)) &&
	       (f->also_static || !(value & MAC_VALUE_STATIC));
}

unsigned mac_table_flush(struct mac_table *t, uint32_t port, bool also_static)
{
	struct flush f = { port, also_static };

	return remove_if(t, flush_matches, &f);
}

static bool age_matches(uint64_t value, const void *arg)
{
	/* a stamp from a moment ahead of us makes a negative age, which is young */
	return !(value & MAC_VALUE_STATIC) &&
	       (int32_t)(*(const uint32_t *)arg - (uint32_t)value) >= 0;
}

unsigned mac_table_age(struct mac_table *t, uint32_t now, uint32_t aging)
{
	uint32_t oldest = now - aging;

	return remove_if(t, age_matches, &oldest);
}

void mac_table_each(const struct mac_table *t, uint32_t now,
		    void (*fn)(const struct mac_entry *entry, void *arg), void *arg)
{
	for (uint64_t s = 0; s <= t->mask; s++) {
		for (int w = 0; w < WAYS; w++) {
			const struct mac_slot *e = &t->sets[s].ways[w];
			uint64_t key = __atomic_load_n(&e->key, __ATOMIC_ACQUIRE), value;
			struct mac_entry out;

			if (!key || !mac_slot_read(e, key, &value))
				continue;
			out.mac = key & 0xffffffffffffull;
			out.vid = key >> 48 & VLAN_VID_MASK;
			out.port = mac_value_port(value);
			out.is_static = value & MAC_VALUE_STATIC;
			out.age = out.is_static || (int32_t)(now - (uint32_t)value) < 0
					  ? 0
					  : now - (uint32_t)value;
			fn(&out, arg);
		}
	}
}

unsigned mac_table_count(const struct mac_table *t, uint32_t port)
{
	const unsigned *n = port == MAC_NO_PORT ? &t->n : &t->by_port[port];

	return __atomic_load_n(n, __ATOMIC_RELAXED);
}

uint64_t mac_table_refused(const struct mac_table *t)
{
	return counter_read(&t->refused);
}

uint64_t mac_table_over_limit(const struct mac_table *t)
{
	return counter_read(&t->over_limit);
}

unsigned mac_table_most(const struct mac_table *t)
{
	return t->max;
}

uint64_t mac_table_moves(const struct mac_table *t)
{
	return counter_read(&t->moves);
}
