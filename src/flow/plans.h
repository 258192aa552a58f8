/* SPDX-License-Identifier: Apache-2.0 */
/* The cache of plans of one worker, used by it alone: two levels (doc/architecture.md).
 *
 * Theory of operation. A plan stands under the bits that its translation examined; a *mask* is such
 * a set of bits, and plans of one mask are in one hash table (level two: one look for each mask).
 * Level one is a table of *hints*: by the hash of a packet's whole flow, the plan that the flow had
 * last; whether it still is the right one, the plan's own bits tell. So a hint is never wrong, only
 * useless. While there are more masks than are looked at, hints alone lead to plans of those that
 * have come too late: flows that last go on by them, whoever has taken the masks. A plan is of one
 * version of one bridge's pipeline and dies with it. Memory has two halves: plans are made in the
 * one that is current; when it is full the other is emptied and becomes current, and plans that are
 * hit in the old half move over. So live flows stay, whatever floods; and once memory has been
 * full, a plan is kept only when it is made for the second time.
 *
 * What find and add return is in the current half: it stays until more than a whole half has been
 * made or moved since, that is at least PLANS_STAY plans.
 */
#pragma once

#include "flow/plan.h"

#define PLANS_MASKS_MAX 128 /* distinct sets of bits */

struct plans;

/* A plan that is kept. Constant but for the counts. */
struct plan {
	uint64_t version;	 /* of the pipeline */
	uint64_t map;		 /* words that the mask has */
	uint64_t packets, bytes; /* not credited yet */
	uint64_t used_ms;	 /* by the last of them */
	uint8_t *steps;
	uint32_t steps_len, n_credits;
	struct plan *dirty_next; /* of those with counts that are not credited yet */
	/* the cache's own */
	struct plan *moved; /* to the other half: it is there now; NULL: no */
	uint64_t hash;	    /* of its key under its mask, with the version */
	uint64_t mask_id;
	uint32_t len; /* bytes */
	uint8_t mask; /* its place, as long as mask_id is there */
	uint8_t half;
	bool dirty;
	struct plan_word {
		uint64_t value, mask;
	} words[]; /* for each bit of map */
};

/* What each packet and its bytes are credited to: n_credits. */
static inline struct tally **plan_credits(const struct plan *plan)
{
	return (struct tally **)(plan->steps + (plan->steps_len + 7) / 8 * 8);
}

#define PLANS_STAY 64 /* no plan takes more than this part of a half */

/* What "vireo cache show" tells. */
struct plans_stats {
	uint64_t hint_hits, mask_hits, misses;
	uint64_t made, moved, evicted, flipped; /* plans; halves */
	uint64_t masks_full; /* how often a plan was to be kept whose mask had no room */
	/* plans that were not kept: made for the first time while memory is short; not cacheable;
	 * too large */
	uint64_t once, not_cacheable, too_large;
	uint32_t n_masks, n_plans;
	size_t used, size; /* bytes of a half */
};

/* @half: bytes of each half. NULL when memory is short. */
struct plans *plans_create(size_t half);
void plans_destroy(struct plans *plans);

/* The plan for a packet with @key, in the pipeline of @version; NULL: translate, then plans_add().
 * @flow_hash: of the whole flow, keyed (packet/parse.h: pkt_hash(), with the port). Words of @key
 * behind FLOW_KEY_PACKET_WORDS must be 0. */
struct plan *plans_find(struct plans *plans, const struct flow_key *key, uint64_t version,
			uint32_t flow_hash);
/* Keeps a plan; NULL when it cannot be kept (then it is still to be carried out, from the draft).
 */
struct plan *plans_add(struct plans *plans, const struct flow_key *key, uint64_t version,
		       uint32_t flow_hash, const struct plan_draft *draft);
/* It is @now_ms: for counts, as in struct tally. */
void plans_set_time(struct plans *plans, uint64_t now_ms);
/* A packet takes the plan, which find or add have just returned. */
void plans_count(struct plans *plans, struct plan *plan, uint32_t bytes);
/* Credits all that has gathered; it is @now_ms. */
void plans_settle(struct plans *plans, uint64_t now_ms);
bool plans_settled(const struct plans *plans);
/* Any thread. */
void plans_stats(const struct plans *plans, struct plans_stats *out);
