/* SPDX-License-Identifier: Apache-2.0 */
/* The trip cache: what was decided for a frame, kept so that the next one like it needs no
 * decision. One for each worker, used by it alone.
 *
 * Theory of operation. A trip is found by the Ethernet header that the decision was made from
 * (addresses, and the first tag when there is one), the port that the frame came in by, and the
 * generation of the view. It refers to the entries of the MAC table that the decision rests on, and
 * looks at them each time: the source still there, the destination still behind the same port. So a
 * trip never outlives what it was made of, nothing has to tell the cache of changes, and looking at
 * the source refreshes its age as learning would.
 *
 * Only frames that NORMAL sends to one port are kept: floods are rate-limited and counted.
 */
#pragma once

#include <assert.h>

#include "base/hash.h"
#include "flow/normal.h"
#include "packet/parse.h"

#define TRIPS 4096 /* in a cache: 256 KiB, touched as needed; a power of two */

/* The bytes that a decision is made from, as they are in the frame. */
struct trip_key {
	uint64_t first, second;
};

/* What was decided, and what it rests on. */
struct trip {
	struct trip_key key;
	uint64_t origin; /* generation and number of the port it came in by; 0: no trip */
	struct mac_ref src, dst;
	uint16_t out; /* port number, in the same view */
	struct normal_tag tag;
} __attribute__((aligned(CACHE_LINE)));

static_assert(sizeof(struct trip) == CACHE_LINE, "one look, one line");

/* Of one worker. */
struct trip_cache {
	uint64_t secret; /* no guest can choose addresses that share a place with another's */
	struct trip trips[TRIPS];
};

/* NULL when memory is short. Free with trip_cache_destroy(); NULL is fine. */
struct trip_cache *trip_cache_create(void);
void trip_cache_destroy(struct trip_cache *cache);

/* The key of a frame of at least ETH_HLEN + VLAN_TAG_LEN bytes, if it has no tag; if it has one,
 * this is not the key of any frame that has none. */
static inline void trip_key_read_untagged(const struct pkt *pkt, struct trip_key *key)
{
	memcpy(key, pkt->head, sizeof(*key));
	key->second &= 0x0000ffffffffffffull; /* the last two bytes are not Ethernet's */
}

/* Reads what pkt_parse() reads, and the key. False when there can be no trip: the frame is short or
 * has a tag behind a tag, which the key does not hold. @pkt has at least ETH_HLEN bytes.
 */
static inline bool trip_key_read(struct pkt *pkt, struct trip_key *key)
{
	pkt_parse(pkt);
	if (unlikely(pkt->len < ETH_HLEN + VLAN_TAG_LEN || ethertype_is_tag(pkt->ethertype)))
		return false;
	if (likely(!pkt->tagged))
		trip_key_read_untagged(pkt, key);
	else
		memcpy(key, pkt->head, sizeof(*key));
	return true;
}

/* Of frames that come in by @in: never 0, and never that of another view. */
static inline uint64_t trip_origin(const struct view *view, const struct view_port *in)
{
	return view->generation * VIEW_PORTS_MAX + in->id;
}

/* Where the trip of @key is, if there is one. */
static inline struct trip *trip_slot(struct trip_cache *cache, const struct trip_key *key,
				     const struct view_port *in)
{
	return &cache->trips[hash_mix(key->first ^ cache->secret, key->second ^ in->id) % TRIPS];
}

/* The port that frames of @key from @in go to, NULL when that must be decided. Then, and only then,
 * the source has not been seen by the MAC table. @now: seconds.
 */
static inline const struct view_port *trip_find(const struct trip *trip, const struct trip_key *key,
						const struct view *view, const struct view_port *in,
						uint32_t now)
{
	if (unlikely(trip->key.first != key->first || trip->key.second != key->second ||
		     trip->origin != trip_origin(view, in)))
		return NULL;
	if (unlikely(!mac_ref_is(&trip->dst, trip->out) || !mac_ref_seen(&trip->src, in->id, now)))
		return NULL;
	return view->ports[trip->out];
}

/* Keeps that NORMAL sent @frame, which came in by @in with @key, to @out alone. */
void trip_record(struct trip *trip, const struct trip_key *key, const struct view *view,
		 const struct view_port *in, const struct normal_frame *frame,
		 const struct view_port *out);
