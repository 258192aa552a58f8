/* SPDX-License-Identifier: Apache-2.0 */
/* A persistent map: 64-bit keys, in order, to 64-bit values. Maps that were made from one another
 * share all nodes in which they do not differ; a change copies the nodes on the way to its key and
 * costs the same however large the map is.
 *
 * Theory of operation. A trie of 16 ways that leaves out nodes with one way (so it is 5 deep for
 * 100,000 hashes, and flat for small numbers). A node counts the maps and nodes that have it. What
 * can only be reached from one map (all counts on the way from its root are 1) is changed in place:
 * nobody else can see it, and nobody can come to see it meanwhile. So many changes to a map that is
 * not shared yet copy each node once.
 *
 * Threads. A map is changed by one thread while nobody reads it. Maps that share nodes are
 * independent: each may be read by many threads, or changed or cleared by one.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct pmap_node;

/* What a map does with values: it has a reference to each. Constant; NULL: values are integers. */
struct pmap_type {
	void (*ref)(uint64_t value);
	void (*unref)(uint64_t value);
};

/* A version of a map. */
struct pmap {
	struct pmap_node *root;
	const struct pmap_type *type;
};

/* An empty map. */
void pmap_init(struct pmap *map, const struct pmap_type *type);
/* Makes @to, which holds nothing, the same as @from. */
void pmap_share(struct pmap *to, const struct pmap *from);
/* Empties it. */
void pmap_clear(struct pmap *map);

/* Whether @key is there, and its value. */
bool pmap_get(const struct pmap *map, uint64_t key, uint64_t *value);
/* The first entry whose key is @from or behind it; false: none. */
bool pmap_at_least(const struct pmap *map, uint64_t from, uint64_t *key, uint64_t *value);
/* How many leading bits of @key some entry's key has, too, at most; 64: it is there. */
unsigned pmap_common_bits(const struct pmap *map, uint64_t key);
/* Calls @fn for all entries in order, until it returns false: then false. */
bool pmap_each(const struct pmap *map, bool (*fn)(void *arg, uint64_t key, uint64_t value),
	       void *arg);

/* Sets a value; takes over the caller's reference to it. 0, or -ENOMEM: then nothing has changed.
 */
int pmap_put(struct pmap *map, uint64_t key, uint64_t value);
/* 0, -ENOENT: it was not there, or -ENOMEM: then nothing has changed. Does not fail for what
 * pmap_put() or pmap_edit() has reached since the map was shared. */
int pmap_remove(struct pmap *map, uint64_t key);
/* Where the value of @key stands, to be changed there by the caller, until something else in the
 * map is added or removed; NULL: it is not there, or memory is short. */
uint64_t *pmap_edit(struct pmap *map, uint64_t key);
