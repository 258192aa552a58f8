/* SPDX-License-Identifier: Apache-2.0 */
/* Slots of counts that many objects need and that may outlive the process: arrays of one size of
 * slot, which never move, with references. Control thread; who has a slot's address may count there
 * in any thread, as base/store.h has it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/keep.h"

#define BANK_CHUNKS 12	       /* arrays, each twice as long as the one before */
#define BANK_CHUNK_FIRST 1024u /* slots of the first */
#define BANK_SLOTS_MAX (BANK_CHUNK_FIRST * ((1u << BANK_CHUNKS) - 1))

struct bank {
	struct keep *keep; /* NULL: nothing outlives the process */
	char key[KEEP_KEY_MAX];
	size_t size; /* of a slot, a multiple of 8 */
	void *chunks[BANK_CHUNKS];
	uint32_t *refs; /* of each slot that there is: how often it is used, or the next free one */
	uint32_t n_slots, n_old; /* of these, left by an earlier process */
	uint32_t free;		 /* the first free one; UINT32_MAX: none */
};

/* An empty one, with slots of @size bytes; arrays will be held under keys that begin with @key,
 * which has room for three more bytes. */
void bank_init(struct bank *bank, struct keep *keep, const char *key, size_t size);
/* The slots that an earlier process has left, all free; bank_claim() those that are in use before
 * any bank_take(). */
void bank_recover(struct bank *bank);
/* Frees all; what is held stays held. */
void bank_close(struct bank *bank);
/* Holds nothing any more. */
void bank_release(struct bank *bank);

/* A zeroed slot with one reference. 0, -ENOMEM, or -ENOSPC when there are no more. */
int bank_take(struct bank *bank, uint32_t *slot);
/* One more reference; and one less: with the last the slot is free. */
void bank_ref(struct bank *bank, uint32_t slot);
void bank_unref(struct bank *bank, uint32_t slot);
/* A reference to a slot as it was left by an earlier process; false: there is no such slot. */
bool bank_claim(struct bank *bank, uint32_t slot);
/* Behind the last bank_claim(): all others are free. */
void bank_recovered(struct bank *bank);

/* Where a slot is; valid as long as the bank. */
static inline void *bank_at(const struct bank *bank, uint32_t slot)
{
	uint32_t n = slot / BANK_CHUNK_FIRST + 1;
	unsigned chunk = 31u - (unsigned)__builtin_clz(n);
	uint32_t first = BANK_CHUNK_FIRST * ((1u << chunk) - 1);

	return (char *)bank->chunks[chunk] + (slot - first) * bank->size;
}
