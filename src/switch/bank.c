// SPDX-License-Identifier: Apache-2.0
/* Slots of counts. The list of free ones is of this process alone: which are in use after its death
 * is told by whoever has written down what they are for.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/store.h"
#include "switch/bank.h"

#define NONE UINT32_MAX
#define IS_FREE 0x80000000u /* in refs: the other bits are the next free one */
#define NEXT_MASK 0x7fffffffu

_Static_assert(BANK_SLOTS_MAX < NEXT_MASK, "a number of a slot, and one that is none");

static size_t chunk_slots(unsigned chunk)
{
	return (size_t)BANK_CHUNK_FIRST << chunk;
}

static void chunk_key(const struct bank *bank, unsigned chunk, char key[KEEP_KEY_MAX])
{
	snprintf(key, KEEP_KEY_MAX, "%.*s/%u", KEEP_KEY_MAX - 12, bank->key, chunk);
}

static unsigned n_chunks(const struct bank *bank)
{
	unsigned n = 0;

	while (n < BANK_CHUNKS && bank->chunks[n])
		n++;
	return n;
}

void bank_init(struct bank *bank, struct keep *keep, const char *key, size_t size)
{
	*bank = (struct bank){ .keep = keep, .size = size, .free = NONE };
	snprintf(bank->key, sizeof(bank->key), "%s", key);
}

static void set_free(struct bank *bank, uint32_t slot)
{
	bank->refs[slot] = IS_FREE | (bank->free & NEXT_MASK);
	bank->free = slot;
}

/* Room to note references of @n more slots. */
static bool more_refs(struct bank *bank, size_t n)
{
	uint32_t *refs = reallocarray(bank->refs, bank->n_slots + n, sizeof(*refs));

	if (!refs)
		return false;
	bank->refs = refs;
	memset(refs + bank->n_slots, 0, n * sizeof(*refs));
	return true;
}

void bank_recover(struct bank *bank)
{
	char key[KEEP_KEY_MAX];

	for (unsigned i = 0; i < BANK_CHUNKS; i++) {
		size_t len = 0, n = chunk_slots(i);
		void *old;

		chunk_key(bank, i, key);
		old = keep_old_memory(bank->keep, key, &len);
		if (!old || len != n * bank->size || !more_refs(bank, n)) {
			keep_unmap(old, len);
			return;
		}
		bank->chunks[i] = old;
		bank->n_slots += (uint32_t)n;
		bank->n_old = bank->n_slots;
	}
}

void bank_recovered(struct bank *bank)
{
	bank->free = NONE;
	for (uint32_t slot = bank->n_slots; slot-- > 0;)
		if (!bank->refs[slot] || bank->refs[slot] & IS_FREE)
			set_free(bank, slot);
}

void bank_close(struct bank *bank)
{
	for (unsigned i = 0; i < BANK_CHUNKS; i++)
		keep_unmap(bank->chunks[i], chunk_slots(i) * bank->size);
	free(bank->refs);
	memset(bank, 0, sizeof(*bank));
}

void bank_release(struct bank *bank)
{
	char key[KEEP_KEY_MAX];

	for (unsigned i = 0; i < n_chunks(bank); i++) {
		chunk_key(bank, i, key);
		keep_release(bank->keep, key);
	}
}

static int grow(struct bank *bank)
{
	unsigned chunk = n_chunks(bank);
	size_t n = chunk_slots(chunk);
	char key[KEEP_KEY_MAX];
	int file;

	if (chunk == BANK_CHUNKS)
		return -ENOSPC;
	if (!more_refs(bank, n))
		return -ENOMEM;
	bank->chunks[chunk] = keep_memory(bank->keep, n * bank->size, &file);
	if (!bank->chunks[chunk])
		return -ENOMEM;
	chunk_key(bank, chunk, key);
	keep_hold_memory(bank->keep, key, file);
	bank->n_slots += (uint32_t)n;
	for (uint32_t i = 1; i <= n; i++)
		set_free(bank, bank->n_slots - i);
	return 0;
}

int bank_take(struct bank *bank, uint32_t *slot)
{
	uint64_t *words;
	int r = bank->free == NONE ? grow(bank) : 0;

	if (r)
		return r;
	*slot = bank->free;
	bank->free = bank->refs[*slot] & NEXT_MASK;
	if (bank->free == NEXT_MASK)
		bank->free = NONE;
	bank->refs[*slot] = 1;
	words = bank_at(bank, *slot);
	for (size_t i = 0; i < bank->size / 8; i++)
		if (words[i])
			shared_store(&words[i], 0);
	return 0;
}

void bank_ref(struct bank *bank, uint32_t slot)
{
	bank->refs[slot]++;
}

void bank_unref(struct bank *bank, uint32_t slot)
{
	if (!--bank->refs[slot])
		set_free(bank, slot);
}

bool bank_claim(struct bank *bank, uint32_t slot)
{
	if (slot >= bank->n_old || bank->refs[slot] >= IS_FREE - 1)
		return false;
	bank->refs[slot]++;
	return true;
}
