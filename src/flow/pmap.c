// SPDX-License-Identifier: Apache-2.0
/* A persistent map: a trie of 16 ways with counted nodes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "flow/pmap.h"
#include "flow/refs.h"

#define WAY_BITS 4
#define WAYS (1u << WAY_BITS)

/* A node tells keys apart by four of their bits, those from its shift on; above these all keys in
 * it are the same. A way has an entry (leaf) or a node (kid), or nothing. */
struct pmap_node {
	uint32_t refs;
	uint16_t leaves, kids; /* which ways */
	uint64_t prefix;       /* bits above; in the lowest four: shift / WAY_BITS */
	uint64_t words[];      /* for each leaf key and value, then for each kid its address */
};

static unsigned shift_of(const struct pmap_node *n)
{
	return (n->prefix & (WAYS - 1)) * WAY_BITS;
}

static unsigned way_of(const struct pmap_node *n, uint64_t key)
{
	return key >> shift_of(n) & (WAYS - 1);
}

/* Whether the keys in @n have the same bits above its ways as @key. */
static bool is_below(const struct pmap_node *n, uint64_t key)
{
	return !((n->prefix ^ key) >> shift_of(n) >> WAY_BITS);
}

static void set_place(struct pmap_node *n, uint64_t key, unsigned shift)
{
	n->prefix = (key >> shift >> WAY_BITS << WAY_BITS << shift) | shift / WAY_BITS;
}

/* The shift of a node that tells two keys apart. */
static unsigned shift_between(uint64_t a, uint64_t b)
{
	return (63 - (unsigned)__builtin_clzll(a ^ b)) / WAY_BITS * WAY_BITS;
}

/* Compilers call a function for it, unless they may use an instruction that x86-64 need not have.
 */
static unsigned count(unsigned ways)
{
	ways -= ways >> 1 & 0x5555;
	ways = (ways & 0x3333) + (ways >> 2 & 0x3333);
	ways = (ways + (ways >> 4)) & 0x0f0f;
	return (ways + (ways >> 8)) & 0x1f;
}

static unsigned n_words(const struct pmap_node *n)
{
	return 2 * count(n->leaves) + count(n->kids);
}

static bool has(unsigned ways, unsigned way)
{
	return ways >> way & 1;
}

static unsigned before(unsigned ways, unsigned way)
{
	return count(ways & ((1u << way) - 1));
}

static uint64_t *leaf_at(const struct pmap_node *n, unsigned way)
{
	return (uint64_t *)&n->words[2 * before(n->leaves, way)];
}

static struct pmap_node **kid_at(const struct pmap_node *n, unsigned way)
{
	return (struct pmap_node **)&n->words[2 * count(n->leaves) + before(n->kids, way)];
}

static size_t size_of(unsigned words)
{
	return sizeof(struct pmap_node) + words * sizeof(uint64_t);
}

/* These four need room for the words that come in. */

static void add_leaf(struct pmap_node *n, unsigned way, uint64_t key, uint64_t value)
{
	uint64_t *at = leaf_at(n, way), *end = &n->words[n_words(n)];

	memmove(at + 2, at, (size_t)(end - at) * sizeof(*at));
	at[0] = key;
	at[1] = value;
	n->leaves |= 1u << way;
}

static void drop_leaf(struct pmap_node *n, unsigned way)
{
	uint64_t *at = leaf_at(n, way), *end = &n->words[n_words(n)];

	memmove(at, at + 2, (size_t)(end - at - 2) * sizeof(*at));
	n->leaves &= ~(1u << way);
}

static void add_kid(struct pmap_node *n, unsigned way, struct pmap_node *kid)
{
	struct pmap_node **at = kid_at(n, way), **end = (struct pmap_node **)&n->words[n_words(n)];

	memmove(at + 1, at, (size_t)(end - at) * sizeof(*at));
	*at = kid;
	n->kids |= 1u << way;
}

static void drop_kid(struct pmap_node *n, unsigned way)
{
	struct pmap_node **at = kid_at(n, way), **end = (struct pmap_node **)&n->words[n_words(n)];

	memmove(at, at + 1, (size_t)(end - at - 1) * sizeof(*at));
	n->kids &= ~(1u << way);
}

static void unref_node(const struct pmap_type *type, struct pmap_node *n)
{
	unsigned n_leaves, n_kids;

	if (!refs_drop(&n->refs))
		return;
	n_leaves = count(n->leaves);
	n_kids = count(n->kids);
	for (unsigned i = 0; type && i < n_leaves; i++)
		type->unref(n->words[2 * i + 1]);
	for (unsigned i = 0; i < n_kids; i++)
		unref_node(type, (struct pmap_node *)n->words[2 * n_leaves + i]);
	free(n);
}

/* Makes *@at a node that nobody else has, with room for @more words. False: memory is short; then
 * it is as good as before. The way to it is the caller's own. */
static bool own(const struct pmap_type *type, struct pmap_node **at, unsigned more)
{
	struct pmap_node *old = *at, *n;
	unsigned n_leaves = count(old->leaves), n_kids = count(old->kids);
	bool alone = refs_alone(&old->refs);

	if (alone && !more)
		return true;
	n = alone ? realloc(old, size_of(n_words(old) + more))
		  : malloc(size_of(n_words(old) + more));
	if (!n)
		return false;
	*at = n;
	if (alone)
		return true;
	n->refs = 1;
	n->leaves = old->leaves;
	n->kids = old->kids;
	n->prefix = old->prefix;
	memcpy(n->words, old->words, n_words(old) * sizeof(old->words[0]));
	for (unsigned i = 0; type && i < n_leaves; i++)
		type->ref(n->words[2 * i + 1]);
	for (unsigned i = 0; i < n_kids; i++)
		refs_take(&((struct pmap_node *)n->words[2 * n_leaves + i])->refs);
	unref_node(type, old);
	return true;
}

/* A node with one entry, and room for one more. */
static struct pmap_node *make_node(uint64_t key, uint64_t value, unsigned shift)
{
	struct pmap_node *n = malloc(size_of(4));

	if (!n)
		return NULL;
	n->refs = 1;
	n->leaves = n->kids = 0;
	set_place(n, key, shift);
	add_leaf(n, way_of(n, key), key, value);
	return n;
}

void pmap_init(struct pmap *map, const struct pmap_type *type)
{
	map->root = NULL;
	map->type = type;
}

void pmap_share(struct pmap *to, const struct pmap *from)
{
	*to = *from;
	if (to->root)
		refs_take(&to->root->refs);
}

void pmap_clear(struct pmap *map)
{
	if (map->root)
		unref_node(map->type, map->root);
	map->root = NULL;
}

bool pmap_get(const struct pmap *map, uint64_t key, uint64_t *value)
{
	const struct pmap_node *n = map->root;

	while (n) {
		unsigned way = way_of(n, key);

		if (has(n->leaves, way)) {
			const uint64_t *leaf = leaf_at(n, way);

			*value = leaf[1];
			return leaf[0] == key;
		}
		/* whether the bits that are left out are the same, the leaf tells */
		n = has(n->kids, way) ? *kid_at(n, way) : NULL;
	}
	return false;
}

/* Leading bits that two keys share. */
static unsigned common_bits(uint64_t a, uint64_t b)
{
	return a == b ? 64 : (unsigned)__builtin_clzll(a ^ b);
}

unsigned pmap_common_bits(const struct pmap *map, uint64_t key)
{
	const struct pmap_node *n = map->root;
	unsigned most = 0;

	while (n && is_below(n, key)) {
		unsigned ways = n->leaves | n->kids, way = way_of(n, key);

		if (has(n->leaves, way))
			return common_bits(leaf_at(n, way)[0], key);
		if (has(n->kids, way)) {
			n = *kid_at(n, way);
			continue;
		}
		for (; ways; ways &= ways - 1) {
			uint64_t beside = (uint64_t)__builtin_ctz(ways) ^ way;

			most = max(most, common_bits(key, key ^ beside << shift_of(n)));
		}
		return most;
	}
	return n ? common_bits(n->prefix | (WAYS - 1), key | (WAYS - 1)) : 0;
}

static bool at_least(const struct pmap_node *n, uint64_t from, uint64_t *key, uint64_t *value)
{
	uint64_t mine = n->prefix >> shift_of(n) >> WAY_BITS;
	uint64_t its = from >> shift_of(n) >> WAY_BITS;
	unsigned ways;

	if (mine < its)
		return false;
	ways = n->leaves | n->kids;
	if (mine == its)
		ways &= UINT32_MAX << way_of(n, from);
	for (; ways; ways &= ways - 1) {
		unsigned way = (unsigned)__builtin_ctz(ways);

		if (!has(n->leaves, way)) {
			if (at_least(*kid_at(n, way), from, key, value))
				return true;
			continue;
		}
		*key = leaf_at(n, way)[0];
		*value = leaf_at(n, way)[1];
		if (*key >= from)
			return true;
	}
	return false;
}

bool pmap_at_least(const struct pmap *map, uint64_t from, uint64_t *key, uint64_t *value)
{
	return map->root && at_least(map->root, from, key, value);
}

static bool each(const struct pmap_node *n, bool (*fn)(void *arg, uint64_t key, uint64_t value),
		 void *arg)
{
	const uint64_t *leaf = n->words;
	struct pmap_node *const *kid = kid_at(n, 0);

	for (unsigned ways = n->leaves | n->kids; ways; ways &= ways - 1) {
		if (!has(n->leaves, (unsigned)__builtin_ctz(ways))) {
			if (!each(*kid++, fn, arg))
				return false;
			continue;
		}
		if (!fn(arg, leaf[0], leaf[1]))
			return false;
		leaf += 2;
	}
	return true;
}

bool pmap_each(const struct pmap *map, bool (*fn)(void *arg, uint64_t key, uint64_t value),
	       void *arg)
{
	return !map->root || each(map->root, fn, arg);
}

/* In place of *@at, whose keys differ from @key above its ways: a node that has both. */
static int put_above(struct pmap_node **at, uint64_t key, uint64_t value)
{
	struct pmap_node *n =
		make_node(key, value, shift_between((*at)->prefix | (WAYS - 1), key | (WAYS - 1)));

	if (!n)
		return -ENOMEM;
	add_kid(n, way_of(n, (*at)->prefix), *at);
	*at = n;
	return 0;
}

/* In place of the leaf of *@at, the caller's own: a node that has it and another one. */
static int put_below(struct pmap_node *n, unsigned way, uint64_t key, uint64_t value)
{
	const uint64_t *leaf = leaf_at(n, way);
	struct pmap_node *kid = make_node(key, value, shift_between(leaf[0], key));

	if (!kid)
		return -ENOMEM;
	add_leaf(kid, way_of(kid, leaf[0]), leaf[0], leaf[1]);
	drop_leaf(n, way);
	add_kid(n, way, kid);
	return 0;
}

static int put_first(struct pmap *map, uint64_t key, uint64_t value)
{
	map->root = make_node(key, value, 0);
	return map->root ? 0 : -ENOMEM;
}

/* Lets the only entry of a node stand wherever it must so that @key can stand beside it. */
static void make_wide(struct pmap_node *n, uint64_t key)
{
	set_place(n, key, shift_between(n->words[0], key));
	n->leaves = (uint16_t)(1u << way_of(n, n->words[0]));
}

int pmap_put(struct pmap *map, uint64_t key, uint64_t value)
{
	struct pmap_node **at = &map->root;

	if (!*at)
		return put_first(map, key, value);
	for (;;) {
		bool below = is_below(*at, key);
		bool single = !(*at)->kids && count((*at)->leaves) == 1;
		unsigned way = way_of(*at, key);
		bool leaf = has((*at)->leaves, way), kid = has((*at)->kids, way);

		if (!below && !single)
			return put_above(at, key, value);
		if (!own(map->type, at, below && (leaf || kid) ? 0 : 2))
			return -ENOMEM;
		if (!below) {
			make_wide(*at, key);
			way = way_of(*at, key);
			leaf = kid = false;
		}
		if (leaf && leaf_at(*at, way)[0] != key)
			return put_below(*at, way, key, value);
		if (leaf) {
			if (map->type)
				map->type->unref(leaf_at(*at, way)[1]);
			leaf_at(*at, way)[1] = value;
			return 0;
		}
		if (!kid) {
			add_leaf(*at, way, key, value);
			return 0;
		}
		at = kid_at(*at, way);
	}
}

uint64_t *pmap_edit(struct pmap *map, uint64_t key)
{
	struct pmap_node **at = &map->root;
	uint64_t value;

	if (!pmap_get(map, key, &value))
		return NULL;
	for (;;) {
		unsigned way = way_of(*at, key);

		if (!own(map->type, at, 0))
			return NULL;
		if (has((*at)->leaves, way))
			return &leaf_at(*at, way)[1];
		at = kid_at(*at, way);
	}
}

/* *@at, which is the map's own, has lost the entry of @key. It goes, if it has only one now: not
 * always to where a leaf stands in the node above, for which memory may be short. */
static void tidy(const struct pmap_type *type, struct pmap_node **above, struct pmap_node **at,
		 uint64_t key)
{
	struct pmap_node *n = *at;

	if (!n->kids && !n->leaves) {
		if (above)
			drop_kid(*above, way_of(*above, key));
		else
			*at = NULL;
		free(n);
	} else if (!n->leaves && count(n->kids) == 1) {
		*at = *(struct pmap_node **)&n->words[0];
		free(n);
	} else if (above && !n->kids && count(n->leaves) == 1 && own(type, above, 1)) {
		drop_kid(*above, way_of(*above, key));
		add_leaf(*above, way_of(*above, key), n->words[0], n->words[1]);
		free(n);
	}
}

int pmap_remove(struct pmap *map, uint64_t key)
{
	struct pmap_node **above = NULL, **at = &map->root;
	uint64_t value;

	if (!pmap_get(map, key, &value))
		return -ENOENT;
	for (;;) {
		unsigned way = way_of(*at, key);

		if (!own(map->type, at, 0))
			return -ENOMEM;
		if (has((*at)->leaves, way)) {
			drop_leaf(*at, way);
			break;
		}
		above = at;
		at = kid_at(*at, way);
	}
	tidy(map->type, above, at, key);
	if (map->type)
		map->type->unref(value);
	return 0;
}
