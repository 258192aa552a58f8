/* SPDX-License-Identifier: Apache-2.0 */
/* Automatic receive steering (virtio 1.2, 5.1.6.5.6): on which queue pair a guest last sent packets
 * of a flow, so that replies go there and meet the thread, and the warm cache, that wait for them.
 * One table for each port that has a choice of queues.
 *
 * Theory of operation. An entry is one word: part of the flow's hash, the queue pair, and when it
 * was used last. Any worker reads and writes it without a lock; a word that is lost in a race is
 * written again with the next packet, and a flow that two workers wrote into two entries at once is
 * found in the first. A flow keeps its entry while there are packets in either
 * direction, however many others would like to have it: those go by their hash alone, so that no
 * two flows push each other from queue to queue. The table of a guest is written by nobody else, so
 * a guest that fills it with flows disturbs only its own.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"

#define STEER_FLOWS 4096 /* entries of a table, 16 KiB; a power of two */
#define STEER_WAYS 4	 /* entries where a flow may be, in one cache line */
#define STEER_IDLE_S 8	 /* seconds without a packet after which an entry can be replaced */
#define STEER_NONE UINT8_MAX

/* The table of one port. */
struct steer {
	uint32_t sets[STEER_FLOWS / STEER_WAYS][STEER_WAYS];
};

/* NULL when memory is short. Free with steer_destroy() when no worker uses it; NULL is fine. */
struct steer *steer_create(void);
void steer_destroy(struct steer *steer);

/* An entry: hash in the upper half, seconds in the next byte, then one bit and the queue pair. */
#define STEER_HASH 0xffff0000u
#define STEER_TIME 0x0000ff00u
#define STEER_USED 0x00000080u
#define STEER_PAIR 0x0000007fu

/* Seconds, as an entry has them. */
static inline uint32_t steer_time(uint32_t now_s)
{
	return now_s << 8 & STEER_TIME;
}

/* The entries where a flow may be. */
static inline uint32_t *steer_set(struct steer *steer, uint32_t hash)
{
	return steer->sets[hash % (STEER_FLOWS / STEER_WAYS)];
}

/* Whether an entry is that of the flow with @hash. */
static inline bool steer_is(uint32_t entry, uint32_t hash)
{
	return (entry & (STEER_HASH | STEER_USED)) == ((hash & STEER_HASH) | STEER_USED);
}

/* The guest has sent a packet of the flow with this hash (pkt_hash()) on queue pair @pair (below
 * PORT_QUEUES_MAX). @now_s: seconds. Any worker.
 */
static inline void steer_note(struct steer *steer, uint32_t hash, unsigned pair, uint32_t now_s)
{
	uint32_t new = (hash & STEER_HASH) | steer_time(now_s) | STEER_USED | pair;
	uint32_t *set = steer_set(steer, hash), *place = NULL;

	for (unsigned i = 0; i < STEER_WAYS; i++) {
		uint32_t old = __atomic_load_n(&set[i], __ATOMIC_RELAXED);

		if (likely(old == new))
			return;
		if (steer_is(old, hash)) {
			place = &set[i];
			break;
		}
		if (!old || steer_time(now_s - (old >> 8)) > steer_time(STEER_IDLE_S))
			place = &set[i];
	}
	if (place)
		__atomic_store_n(place, new, __ATOMIC_RELAXED);
}

/* The queue pair on which the guest last sent a packet of this flow; STEER_NONE: not known. Any
 * worker. */
static inline unsigned steer_find(struct steer *steer, uint32_t hash, uint32_t now_s)
{
	uint32_t *set = steer_set(steer, hash);

	for (unsigned i = 0; i < STEER_WAYS; i++) {
		uint32_t old = __atomic_load_n(&set[i], __ATOMIC_RELAXED);

		if (!steer_is(old, hash))
			continue;
		if (unlikely((old ^ steer_time(now_s)) & STEER_TIME))
			/* once a second; whoever wrote it meanwhile knows better */
			__atomic_compare_exchange_n(&set[i], &(uint32_t){ old },
						    (old & ~STEER_TIME) | steer_time(now_s), false,
						    __ATOMIC_RELAXED, __ATOMIC_RELAXED);
		return old & STEER_PAIR;
	}
	return STEER_NONE;
}
