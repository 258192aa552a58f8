// SPDX-License-Identifier: Apache-2.0
/* Records in a file of memory. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/store.h"
#include "switch/ledger.h"

#define FIRST sizeof(struct ledger_header)

_Static_assert(FIRST % 8 == 0, "records are aligned");
_Static_assert(FIRST <= LEDGER_SIZE_MAX - LEDGER_ROOM_MAX, "there is room for the header");

int ledger_create(struct ledger *ledger, struct keep *keep, const char *key, uint64_t room)
{
	uint64_t size = FIRST + ((room + 4095) & ~4095ull);

	if (size > LEDGER_SIZE_MAX)
		return -ENOMEM;
	*ledger = (struct ledger){ .keep = keep, .file = -1, .end = FIRST, .tail = FIRST };
	snprintf(ledger->key, sizeof(ledger->key), "%s", key);
	ledger->header = keep_room(keep, size, &ledger->file);
	if (!ledger->header)
		return -ENOMEM;
	shared_store(&ledger->header->size, size);
	shared_store(&ledger->header->end, FIRST);
	store_order();
	shared_store(&ledger->header->version, LEDGER_VERSION);
	return 0;
}

int ledger_open(struct ledger *ledger, struct keep *keep, const char *key)
{
	size_t len = 0;
	struct ledger_header *old = keep_old_memory(keep, key, &len);

	if (!old)
		return len ? -EINVAL : -ENOENT;
	if (len < FIRST || old->version != LEDGER_VERSION || old->size != len || old->end < FIRST ||
	    old->end > len) {
		keep_unmap(old, len);
		return -EINVAL;
	}
	*ledger = (struct ledger){
		.keep = keep, .header = old, .file = -1, .end = old->end, .tail = old->end
	};
	snprintf(ledger->key, sizeof(ledger->key), "%s", key);
	return 0;
}

void ledger_hold(struct ledger *ledger)
{
	keep_hold_memory(ledger->keep, ledger->key, ledger->file);
	ledger->file = -1;
}

void ledger_close(struct ledger *ledger)
{
	if (!ledger->header)
		return;
	keep_unmap(ledger->header, ledger->header->size);
	ledger->header = NULL;
}

uint64_t ledger_room(const struct ledger *ledger)
{
	return ledger->header->size - ledger->tail;
}

uint64_t ledger_add(struct ledger *ledger, const struct ledger_record *record)
{
	uint64_t place = ledger->tail;

	shared_copy_words((uint64_t *)((char *)ledger->header + place), (const uint64_t *)record,
			  record->len / 8);
	ledger->tail += record->len;
	return place;
}

void ledger_commit(struct ledger *ledger)
{
	store_order();
	shared_store(&ledger->header->end, ledger->tail);
	ledger->end = ledger->tail;
}

void ledger_dead(struct ledger *ledger, uint64_t place)
{
	ledger->dead += ledger_at(ledger, place)->len;
}

uint64_t ledger_next(const struct ledger *ledger, uint64_t place)
{
	uint64_t next = place ? place + ledger_at(ledger, place)->len : FIRST;
	uint32_t len;

	if (ledger->end - next < sizeof(struct ledger_record) || next > ledger->end)
		return 0;
	len = ledger_at(ledger, next)->len;
	if (len < sizeof(struct ledger_record) || len % 8 || len > ledger->end - next)
		return 0;
	return next;
}

void ledger_set(struct ledger *ledger, unsigned setting, uint64_t value)
{
	if (ledger->header->settings[setting] != value)
		shared_store(&ledger->header->settings[setting], value);
}
