/* SPDX-License-Identifier: Apache-2.0 */
/* A file of records that outlives the process: what was added behind its end counts when the end
 * has been moved behind it, which is one store. Control thread.
 *
 * A later process finds it as it was at some instruction, or, after a bug, with anything in it:
 * whoever reads takes nothing for granted.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/keep.h"

/* Of this form; and bounds. */
#define LEDGER_VERSION 1u
#define LEDGER_SETTINGS 64 /* words */
#define LEDGER_SIZE_MAX (2ull << 30)
#define LEDGER_ROOM_MAX (LEDGER_SIZE_MAX - 4096) /* without its header */

/* First member of each: 8-byte aligned. */
struct ledger_record {
	uint32_t len; /* bytes with this, a multiple of 8 */
	uint32_t kind;
};

struct ledger_header {
	uint64_t version, size;		    /* of the file */
	uint64_t end;			    /* of the records */
	uint64_t settings[LEDGER_SETTINGS]; /* each by itself, in no order with records */
};

struct ledger {
	struct keep *keep;
	char key[KEEP_KEY_MAX];
	struct ledger_header *header;
	int file;	    /* that is not held yet, or -1 */
	uint64_t end, tail; /* of what counts; and of what is about to */
	uint64_t dead;	    /* bytes of records that are of no use */
};

/* An empty one with room for @room bytes; held when ledger_hold() is called. 0 or -ENOMEM. */
int ledger_create(struct ledger *ledger, struct keep *keep, const char *key, uint64_t room);
/* What an earlier process has left. 0, -ENOENT: nothing, or -EINVAL: nothing that can be read. */
int ledger_open(struct ledger *ledger, struct keep *keep, const char *key);
/* Lets it be held in place of the one before. */
void ledger_hold(struct ledger *ledger);
/* Unmaps; what is held stays held. */
void ledger_close(struct ledger *ledger);

/* Bytes that are left. */
uint64_t ledger_room(const struct ledger *ledger);
/* Puts a record behind the others; there must be room. Returns its place, which is never 0. */
uint64_t ledger_add(struct ledger *ledger, const struct ledger_record *record);
/* What has been added counts. */
void ledger_commit(struct ledger *ledger);
/* A record is of no use any more: something behind it says so. */
void ledger_dead(struct ledger *ledger, uint64_t place);

/* @place: of ledger_add() or ledger_next(). */
static inline const struct ledger_record *ledger_at(const struct ledger *ledger, uint64_t place)
{
	return (const void *)((const char *)ledger->header + place);
}

/* The place of the record behind that at @place (0: of the first); 0: there is none. What it
 * returns is wholly within the file, at least its first word and its length. */
uint64_t ledger_next(const struct ledger *ledger, uint64_t place);

/* A setting, which counts at once. */
void ledger_set(struct ledger *ledger, unsigned setting, uint64_t value);
static inline uint64_t ledger_get(const struct ledger *ledger, unsigned setting)
{
	return ledger->header->settings[setting];
}
