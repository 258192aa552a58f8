/* SPDX-License-Identifier: Apache-2.0 */
/* Packets and bytes of something in the pipeline: a rule, a bucket, a table. Workers add what has
 * gathered in their plans (flow/plans.h) from time to time; the control thread reads. May lie in
 * memory that outlives the process (base/store.h). Any thread.
 */
#pragma once

#include <stdint.h>

#include "base/store.h"

struct tally {
	uint64_t packets, bytes;
	/* clock_ns() / 1000000 of the last packet, or of when counts were set back; 0: never */
	uint64_t used_ms;
};

/* Any number of threads may add at once. */
static inline void tally_word_add(uint64_t *word, uint64_t n)
{
	uint64_t old = __atomic_load_n(word, __ATOMIC_RELAXED);

	while (!SHARED_SWAP(word, &old, old + n, __ATOMIC_RELAXED))
		;
}

/* The same for what has gathered until @used_ms; an older time than is there counts for nothing. */
static inline void tally_add(struct tally *tally, uint64_t packets, uint64_t bytes,
			     uint64_t used_ms)
{
	tally_word_add(&tally->packets, packets);
	tally_word_add(&tally->bytes, bytes);
	if (__atomic_load_n(&tally->used_ms, __ATOMIC_RELAXED) < used_ms)
		shared_store(&tally->used_ms, used_ms);
}

/* Each word by itself: they may be of different moments. */
static inline struct tally tally_read(const struct tally *tally)
{
	return (struct tally){
		__atomic_load_n(&tally->packets, __ATOMIC_RELAXED),
		__atomic_load_n(&tally->bytes, __ATOMIC_RELAXED),
		__atomic_load_n(&tally->used_ms, __ATOMIC_RELAXED),
	};
}
