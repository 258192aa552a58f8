/* SPDX-License-Identifier: Apache-2.0 */
/* How many rules of a bridge use what: a table from (kind, table, number) to counts. Control
 * thread. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum use_kind {
	USE_GROUP,   /* rules with an action to the group */
	USE_METER,   /* rules with the meter */
	USE_COOKIE,  /* rules of this table with this cookie, of tables that are counted */
	USE_DELETER, /* rules that take the rules they taught with them when they go */
	USE_KINDS,
};

struct use {
	struct use *next;
	uint64_t id;
	uint32_t count; /* never 0 */
	uint8_t kind, table;
};

struct uses {
	struct use **heads;
	uint32_t n, size;	     /* size: a power of two, or 0 */
	uint32_t by_kind[USE_KINDS]; /* entries of each */
	bool counted[256]; /* tables whose rules are counted by cookies, once it was asked for */
	bool lost; /* there was no memory to count: nothing here can be relied on, whoever asks
		      looks at all rules */
};

/* All; {0} is empty. */
void uses_free(struct uses *uses);
/* NULL: none. */
struct use *uses_find(const struct uses *uses, enum use_kind kind, uint8_t table, uint64_t id);
/* One more, which may be the first; NULL when memory is short: then the counts are lost. */
struct use *uses_add(struct uses *uses, enum use_kind kind, uint8_t table, uint64_t id);
/* One less; whether that was the last. */
bool uses_sub(struct uses *uses, enum use_kind kind, uint8_t table, uint64_t id);
