// SPDX-License-Identifier: Apache-2.0
/* The cache of plans (see plans.h for how it works). A plan lies in one piece: its words, then its
 * steps, then what it credits. Where plans are, tables and hints say in units of UNIT bytes.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/counter.h"
#include "base/hash.h"
#include "flow/masks.h"
#include "flow/plans.h"

#define UNIT 16u
#define HALF_MIN (64u << 10)
#define HINT_SETS 4096 /* of two */
#define FIRSTS 16384
#define USUAL_LEN 256 /* bytes of a plan: gives the size of the tables */
#define RANK_MS 1000  /* how often the order of masks is made new */

static_assert(PLANS_MASKS_MAX == MASKS_MAX, "the same");
static_assert(offsetof(struct plan, words) % UNIT == 0, "what follows is aligned");

/* Where a plan is: place 0 is nowhere. */
struct ref {
	uint32_t tag;
	uint32_t place;
};

/* What was hit last stands first; what is new stands second. So flows that come once push out only
 * each other. */
struct hints {
	struct ref way[2];
};

struct half {
	struct ref *table; /* of table_len, open addressing */
	uint32_t used;	   /* units */
	uint32_t n_plans;  /* those that moved out are not counted */
	uint32_t n_refs;
	struct plan *dirty;
};

struct plans {
	uint8_t *memory; /* both halves, the first UNIT bytes are not used */
	struct half halves[2];
	unsigned current;
	uint32_t half_units, table_len; /* the latter a power of two */
	uint64_t now_ms, ranked_ms;
	struct plans_stats stats; /* but for what is counted elsewhere */
	struct masks masks;
	struct hints hints[HINT_SETS];
	uint32_t firsts[FIRSTS]; /* hashes of packets that have had no plan lately */
};

static void *map_memory(size_t len)
{
	/* what is not touched costs nothing */
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static size_t memory_len(const struct plans *c)
{
	return (size_t)UNIT * (1 + 2 * (size_t)c->half_units);
}

struct plans *plans_create(size_t half)
{
	struct plans *c = map_memory(sizeof(*c));

	if (!c)
		return NULL;
	half = max(half, (size_t)HALF_MIN);
	half = min(half, (size_t)UINT32_MAX);
	c->half_units = (uint32_t)(half / UNIT);
	for (c->table_len = 256; c->table_len < half / USUAL_LEN; c->table_len *= 2)
		;
	c->table_len *= 2; /* half full at most, with usual plans */
	c->memory = map_memory(memory_len(c));
	for (int i = 0; i < 2; i++)
		c->halves[i].table = map_memory(c->table_len * sizeof(struct ref));
	masks_init(&c->masks);
	if (c->memory && c->halves[0].table && c->halves[1].table)
		return c;
	plans_destroy(c);
	return NULL;
}

void plans_destroy(struct plans *c)
{
	if (!c)
		return;
	for (int i = 0; i < 2; i++)
		if (c->halves[i].table)
			munmap(c->halves[i].table, c->table_len * sizeof(struct ref));
	if (c->memory)
		munmap(c->memory, memory_len(c));
	munmap(c, sizeof(*c));
}

static inline struct plan *plan_at(const struct plans *c, uint32_t place)
{
	return (struct plan *)(c->memory + (size_t)place * UNIT);
}

static inline uint32_t place_of(const struct plans *c, const struct plan *plan)
{
	return (uint32_t)((size_t)((const uint8_t *)plan - c->memory) / UNIT);
}

static inline bool is_for(const struct plan *plan, const struct flow_key *key, uint64_t version)
{
	const struct plan_word *w = plan->words;
	uint64_t diff = plan->version ^ version;

	for (uint64_t map = plan->map; map; map &= map - 1, w++)
		diff |= (key->words[__builtin_ctzll(map)] & w->mask) ^ w->value;
	return !diff;
}

/* Counts */

static void settle_half(struct plans *c, struct half *half)
{
	struct plan *next;

	for (struct plan *p = half->dirty; p; p = next) {
		next = p->dirty_next;
		for (uint32_t i = 0; i < p->n_credits; i++)
			tally_add(plan_credits(p)[i], p->packets, p->bytes, p->used_ms);
		if (c->masks.masks[p->mask].id == p->mask_id)
			c->masks.masks[p->mask].idle = 0;
		p->packets = 0;
		p->bytes = 0;
		p->dirty = false;
	}
	half->dirty = NULL;
}

void plans_set_time(struct plans *c, uint64_t now_ms)
{
	c->now_ms = now_ms;
}

void plans_settle(struct plans *c, uint64_t now_ms)
{
	c->now_ms = now_ms;
	for (int i = 0; i < 2; i++)
		settle_half(c, &c->halves[i]);
	if (now_ms - c->ranked_ms < RANK_MS)
		return;
	c->ranked_ms = now_ms;
	masks_rank(&c->masks);
	shared_store(&c->stats.n_masks, c->masks.n);
}

bool plans_settled(const struct plans *c)
{
	return !c->halves[0].dirty && !c->halves[1].dirty;
}

void plans_count(struct plans *c, struct plan *plan, uint32_t bytes)
{
	if (unlikely(!plan->dirty)) {
		struct half *half = &c->halves[plan->half];

		plan->dirty = true;
		plan->dirty_next = half->dirty;
		half->dirty = plan;
	}
	plan->packets++;
	plan->bytes += bytes;
	plan->used_ms = c->now_ms;
}

/* Memory */

static void add_n_plans(struct plans *c, const struct plan *plan, int n)
{
	struct mask *mask = &c->masks.masks[plan->mask];

	c->halves[plan->half].n_plans += n;
	shared_store(&c->stats.n_plans, c->stats.n_plans + n);
	if (mask->id == plan->mask_id)
		mask->n_plans[plan->half] += n;
}

/* No hint leads to a half that is emptied. */
static void sweep_hints(struct plans *c, unsigned half)
{
	uint32_t first = 1 + half * c->half_units;

	for (unsigned i = 0; i < HINT_SETS; i++)
		for (int w = 0; w < 2; w++) {
			struct ref *hint = &c->hints[i].way[w];

			if (hint->place - first < c->half_units)
				*hint = (struct ref){ 0 };
		}
}

/* The old half is emptied and becomes the current one. */
static void flip(struct plans *c)
{
	struct half *half = &c->halves[!c->current];

	settle_half(c, half);
	counter_add(&c->stats.flipped, 1);
	counter_add(&c->stats.evicted, half->n_plans);
	shared_store(&c->stats.n_plans, c->stats.n_plans - half->n_plans);
	if (half->n_refs)
		memset(half->table, 0, c->table_len * sizeof(*half->table));
	*half = (struct half){ .table = half->table };
	c->current = !c->current;
	sweep_hints(c, c->current);
	masks_empty_half(&c->masks, c->current);
	shared_store(&c->stats.n_masks, c->masks.n);
}

static uint32_t units(uint32_t len)
{
	return (len + UNIT - 1) / UNIT;
}

/* Lets @len bytes have room in the current half. */
static void make_room(struct plans *c, uint32_t len)
{
	const struct half *half = &c->halves[c->current];

	if (half->used + units(len) > c->half_units || half->n_refs >= c->table_len / 4 * 3)
		flip(c);
}

/* There is room. */
static struct plan *allocate(struct plans *c, uint32_t len)
{
	struct half *half = &c->halves[c->current];
	uint32_t place = 1 + c->current * c->half_units + half->used;

	half->used += units(len);
	shared_store(&c->stats.used, (size_t)half->used * UNIT);
	return plan_at(c, place);
}

/* Lets a plan that is complete be found. */
static void enter(struct plans *c, struct plan *plan)
{
	struct half *half = &c->halves[plan->half];
	uint32_t i = (uint32_t)plan->hash;

	while (half->table[i & (c->table_len - 1)].place)
		i++;
	half->table[i & (c->table_len - 1)] =
		(struct ref){ (uint32_t)(plan->hash >> 32), place_of(c, plan) };
	half->n_refs++;
	add_n_plans(c, plan, 1);
}

static void set_pointers(struct plan *plan, unsigned half)
{
	uint8_t *at = (uint8_t *)&plan->words[__builtin_popcountll(plan->map)];

	plan->steps = at;
	plan->packets = plan->bytes = 0;
	plan->dirty_next = plan->moved = NULL;
	plan->half = (uint8_t)half;
	plan->dirty = false;
}

/* The mask of a plan may have gone. */
static void restore_mask(struct plans *c, struct plan *plan)
{
	struct mask mask = { .id = plan->mask_id, .map = plan->map };
	int place;

	if (likely(c->masks.masks[plan->mask].id == plan->mask_id))
		return;
	mask.n_words = (uint32_t)__builtin_popcountll(plan->map);
	for (uint32_t i = 0; i < mask.n_words; i++)
		mask.words[i] = plan->words[i].mask;
	place = masks_take(&c->masks, &mask);
	if (place < 0)
		return;
	plan->mask = (uint8_t)place;
	shared_store(&c->stats.n_masks, c->masks.n);
}

/* Brings a plan that was hit to the current half. What has been counted with the old one stays
 * there until it is credited. */
static NEVER_INLINE struct plan *move(struct plans *c, struct plan *old)
{
	unsigned half = old->half;
	struct plan *plan;

	if (old->moved)
		return old->moved;
	add_n_plans(c, old, -1);
	make_room(c, old->len);
	plan = allocate(c, old->len);
	if (half != c->current)
		old->moved = plan;
	/* else its half has just been emptied, and its bytes are still there */
	memmove(plan, old, old->len);
	set_pointers(plan, c->current);
	restore_mask(c, plan);
	enter(c, plan);
	counter_add(&c->stats.moved, 1);
	return plan;
}

static inline struct plan *in_current(struct plans *c, struct plan *plan)
{
	return likely(plan->half == c->current) ? plan : move(c, plan);
}

/* Looking */

static void set_hint(struct plans *c, uint32_t flow_hash, const struct plan *plan)
{
	struct hints *hints = &c->hints[flow_hash % HINT_SETS];

	hints->way[hints->way[0].place != 0] = (struct ref){ flow_hash, place_of(c, plan) };
}

static inline struct plan *find_hint(struct plans *c, const struct flow_key *key, uint64_t version,
				     uint32_t flow_hash)
{
	struct hints *hints = &c->hints[flow_hash % HINT_SETS];

	for (int w = 0; w < 2; w++) {
		struct ref hint = hints->way[w];
		struct plan *plan, *now;

		if (hint.tag != flow_hash || !hint.place)
			continue;
		plan = plan_at(c, hint.place);
		if (!is_for(plan, key, version))
			continue;
		now = in_current(c, plan);
		if (unlikely(w || now != plan)) {
			hint.place = place_of(c, now);
			hints->way[w] = hints->way[0];
			hints->way[0] = hint;
		}
		return now;
	}
	return NULL;
}

static struct plan *find_in_half(const struct plans *c, const struct half *half, uint64_t hash,
				 const struct flow_key *key, uint64_t version)
{
	uint32_t tag = (uint32_t)(hash >> 32);

	if (!half->n_refs)
		return NULL;
	for (uint32_t i = (uint32_t)hash;; i++) {
		struct ref ref = half->table[i & (c->table_len - 1)];
		struct plan *plan;

		if (!ref.place)
			return NULL;
		plan = plan_at(c, ref.place);
		if (ref.tag == tag && is_for(plan, key, version))
			return plan;
	}
}

/* The one of this hash, wherever it is. */
static inline struct plan *find_hashed(struct plans *c, uint64_t hash, const struct flow_key *key,
				       uint64_t version)
{
	const struct half *half = &c->halves[c->current], *other = &c->halves[!c->current];
	struct plan *plan = find_in_half(c, half, hash, key, version);

	return plan ? plan : find_in_half(c, other, hash, key, version);
}

static uint64_t hash_version(uint64_t hash, uint64_t version)
{
	return hash_mix(hash, version);
}

static NEVER_INLINE struct plan *find_by_masks(struct plans *c, const struct flow_key *key,
					       uint64_t version)
{
	const struct half *other = &c->halves[!c->current];

	for (unsigned i = 0; i < c->masks.n; i++) {
		struct mask *mask = &c->masks.masks[c->masks.order[i]];
		uint64_t hash = hash_version(masks_hash(&c->masks, mask, key), version);
		struct plan *plan;

		/* not of memory that was never touched, for which the processor walks page tables
		 * again and again */
		if (other->n_refs)
			__builtin_prefetch(&other->table[(uint32_t)hash & (c->table_len - 1)]);
		plan = find_hashed(c, hash, key, version);
		if (plan) {
			mask->hits++;
			return in_current(c, plan);
		}
	}
	return NULL;
}

struct plan *plans_find(struct plans *c, const struct flow_key *key, uint64_t version,
			uint32_t flow_hash)
{
	struct plan *plan = find_hint(c, key, version, flow_hash);

	if (likely(plan)) {
		counter_add(&c->stats.hint_hits, 1);
		return plan;
	}
	plan = find_by_masks(c, key, version);
	if (!plan) {
		counter_add(&c->stats.misses, 1);
		return NULL;
	}
	counter_add(&c->stats.mask_hits, 1);
	set_hint(c, flow_hash, plan);
	return plan;
}

/* Keeping */

/* Whether a packet with this hash has missed not long ago; now it has. */
static bool missed_before(struct plans *c, uint64_t hash)
{
	uint32_t *first = &c->firsts[hash % FIRSTS];
	uint32_t tag = (uint32_t)(hash >> 32) | 1;

	if (*first == tag)
		return true;
	*first = tag;
	return false;
}

/* Whether the plan is worth a place; else counts why not. */
static bool is_worth(struct plans *c, const struct plan_draft *draft, size_t len, uint64_t hash)
{
	if (!draft->cacheable)
		counter_add(&c->stats.not_cacheable, 1);
	else if (len > (size_t)c->half_units * UNIT / PLANS_STAY)
		counter_add(&c->stats.too_large, 1);
	else if (!missed_before(c, hash) && c->stats.flipped)
		counter_add(&c->stats.once, 1);
	else
		return true;
	return false;
}

/* A plan without a mask is not found by packets of other flows: they get the one that there is, or
 * equal ones without number would be made, all at one place of the table. NULL: there is none. */
static struct plan *share(struct plans *c, const struct flow_key *key, uint64_t version,
			  uint64_t hash, uint32_t flow_hash)
{
	struct plan *plan = find_hashed(c, hash, key, version);

	if (!plan)
		return NULL;
	plan = in_current(c, plan);
	set_hint(c, flow_hash, plan);
	return plan;
}

static void fill(struct plan *plan, const struct mask *mask, const struct flow_key *key,
		 const struct plan_draft *draft)
{
	struct plan_word *w = plan->words;

	plan->map = mask->map;
	plan->mask_id = mask->id;
	plan->steps_len = draft->steps_len;
	plan->n_credits = draft->n_credits;
	for (uint64_t map = mask->map; map; map &= map - 1, w++) {
		w->mask = mask->words[w - plan->words];
		w->value = key->words[__builtin_ctzll(map)] & w->mask;
	}
}

struct plan *plans_add(struct plans *c, const struct flow_key *key, uint64_t version,
		       uint32_t flow_hash, const struct plan_draft *draft)
{
	struct plan *plan;
	struct mask mask;
	uint64_t hash;
	size_t len;
	int place;

	masks_describe(&c->masks, &draft->examined, &mask);
	hash = masks_hash(&c->masks, &mask, key);
	len = sizeof(*plan) + mask.n_words * sizeof(plan->words[0]) +
	      (draft->steps_len + 7) / 8 * 8 + draft->n_credits * sizeof(draft->credits[0]);
	if (!is_worth(c, draft, len, hash))
		return NULL;
	make_room(c, (uint32_t)len); /* masks may go */
	place = masks_take(&c->masks, &mask);
	if (place < 0 && c->now_ms - c->ranked_ms >= RANK_MS) {
		plans_settle(c, c->now_ms); /* nobody has asked for so long, and we do not sleep */
		place = masks_take(&c->masks, &mask);
	}
	shared_store(&c->stats.n_masks, c->masks.n);
	if (place < 0) { /* as one whose mask has gone: only hints lead to it */
		counter_add(&c->stats.masks_full, 1);
		plan = share(c, key, version, hash_version(hash, version), flow_hash);
		if (plan)
			return plan;
	}
	plan = allocate(c, (uint32_t)len);
	*plan = (struct plan){
		.version = version,
		.hash = hash_version(hash, version),
		.len = (uint32_t)len,
		.mask = (uint8_t)max(place, 0),
	};
	fill(plan, &mask, key, draft);
	set_pointers(plan, c->current);
	memcpy((uint8_t *)plan->steps, draft->steps, draft->steps_len);
	memcpy(plan_credits(plan), draft->credits, draft->n_credits * sizeof(draft->credits[0]));
	enter(c, plan);
	counter_add(&c->stats.made, 1);
	set_hint(c, flow_hash, plan);
	return plan;
}

void plans_stats(const struct plans *c, struct plans_stats *out)
{
	const struct plans_stats *s = &c->stats;

	*out = (struct plans_stats){
		.hint_hits = counter_read(&s->hint_hits),
		.mask_hits = counter_read(&s->mask_hits),
		.misses = counter_read(&s->misses),
		.made = counter_read(&s->made),
		.moved = counter_read(&s->moved),
		.evicted = counter_read(&s->evicted),
		.flipped = counter_read(&s->flipped),
		.masks_full = counter_read(&s->masks_full),
		.once = counter_read(&s->once),
		.not_cacheable = counter_read(&s->not_cacheable),
		.too_large = counter_read(&s->too_large),
		.n_masks = __atomic_load_n(&s->n_masks, __ATOMIC_RELAXED),
		.n_plans = __atomic_load_n(&s->n_plans, __ATOMIC_RELAXED),
		.used = __atomic_load_n(&s->used, __ATOMIC_RELAXED),
		.size = (size_t)c->half_units * UNIT,
	};
}
