/* SPDX-License-Identifier: Apache-2.0 */
/* How many rules and groups of a bridge use what: a table from (kind, table, number) to counts; and
 * which ones, of groups and meters. Control thread. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct rule;

enum use_kind {
	USE_GROUP,   /* rules with an action to the group: users */
	USE_METER,   /* rules with the meter: users */
	USE_COOKIE,  /* rules of this table with this cookie, of tables that are counted */
	USE_NEXT,    /* groups that send packets to the group, or watch it */
	USE_LIVE,    /* rules and groups that ask whether the port is live */
	USE_DELETER, /* rules that take the rules they taught with them when they go */
	USE_KINDS,
};

/* A rule that uses a group or a meter, noted once however often it does. */
struct user {
	struct rule *rule;
	struct use *use;
	struct user *next, **at; /* users of the same, and what points here */
	struct user *other;	 /* the next thing that the rule uses */
};

struct use {
	struct use *next;
	struct user *users; /* of groups and meters: @count of them */
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
/* @rule uses a group or meter; @users are all that it uses. Those that are noted of one rule must
 * be noted one behind the other. When memory is short, the counts are lost. */
void uses_add_user(struct uses *uses, enum use_kind kind, uint32_t id, struct rule *rule,
		   struct user **users);
/* The rule of @users uses nothing any more. */
void uses_drop_users(struct uses *uses, struct user **users);
/* One less; whether that was the last. */
bool uses_sub(struct uses *uses, enum use_kind kind, uint8_t table, uint64_t id);
