/* SPDX-License-Identifier: Apache-2.0 */
/* The pipeline of a bridge: tables of rules, groups, meters. Immutable once published; a change
 * makes a new version that shares all else with the one before (persistent maps), in time that does
 * not grow with the tables. The control thread changes; worker threads read the version that is the
 * newest when they took their packets.
 *
 * Ownership. A version holds references to what it shows; pipeline_free() gives them back. Rules,
 * groups and meters are counted by how many versions' nodes show them and freed with the last: so
 * whoever keeps a pointer keeps the version, or is in a grace period with it.
 */
#pragma once

#include "base/rcu.h"
#include "flow/action.h"
#include "flow/group.h"
#include "flow/meter.h"
#include "flow/rule.h"

#define PIPELINE_TABLES 255 /* 0..254 */

struct pipeline;

/* An empty one: version 1 (of all pipelines of the process: versions are never used twice). NULL
 * when memory is short. */
struct pipeline *pipeline_create(void);

/* A new version that shows the same as @old; changes are made to it until it is published. */
struct pipeline *pipeline_next(const struct pipeline *old);
/* Gives back what nobody else shows. Not while a reader may use it: see rcu_free_later(); thread of
 * the caller, which may be liburcu's: counts are atomic. NULL is fine. */
void pipeline_free(struct pipeline *p);
/* The same after a grace period. Control thread. */
void pipeline_free_later(struct pipeline *p);
uint64_t pipeline_version(const struct pipeline *p);

/* Adds a rule (takes a reference of its own), in place of one of the same table, priority and
 * match, or removes one that is shown (-ENOENT: it is not). 0 or -ENOMEM: nothing changed. Only on
 * a version that is not published. */
int pipeline_add_rule(struct pipeline *p, struct rule *rule);
int pipeline_remove_rule(struct pipeline *p, const struct rule *rule);

/* The rule of exactly this match and priority; NULL: none. */
struct rule *pipeline_find_rule(const struct pipeline *p, uint8_t table, uint16_t priority,
				const struct match *match);
/* A rule of @priority in @table that some packet of @match meets, too; NULL: none. */
struct rule *pipeline_find_overlap(const struct pipeline *p, uint8_t table, uint16_t priority,
				   const struct match *match);
/* Calls @fn for each rule of @table (255: all) that is within @filter (NULL: all), until it returns
 * false. It may change later versions, not @p. */
void pipeline_each_rule(const struct pipeline *p, uint8_t table, const struct match *filter,
			bool (*fn)(void *arg, struct rule *rule), void *arg);
unsigned pipeline_n_rules(const struct pipeline *p, uint8_t table); /* 255: all */
/* The first table from @from (0..255) on that has rules; PIPELINE_TABLES: none. */
unsigned pipeline_next_table(const struct pipeline *p, unsigned from);

struct lookup; /* flow/classifier.h */

/* The rule of the highest priority that @key meets, conjunctive matches included; NULL: a table
 * miss, or no answer (see struct lookup). Adds to @examined (NULL: no need) the bits that the
 * answer depends on: any other packet that is the same in these meets the same rule. Any thread. */
const struct rule *pipeline_lookup(const struct pipeline *p, uint8_t table,
				   const struct flow_key *key, struct key_bits *examined,
				   struct lookup *lookup);

/* What becomes of packets that no rule of a table is for. */
enum table_miss { MISS_CONTROLLER, MISS_CONTINUE, MISS_DROP };

/* Settings and counts of a table. */
struct pipeline_table {
	enum table_miss miss;
	struct tally *lookups, *matches; /* the owner's, live as long as the bridge */
	uint32_t max_rules;		 /* 0: no bound but the bridge's */
};

/* Defaults for a table that has not been changed. */
const struct pipeline_table *pipeline_table(const struct pipeline *p, uint8_t table);
/* Changes one. 0 or -ENOMEM. */
int pipeline_set_table(struct pipeline *p, uint8_t table, const struct pipeline_table *settings);

/* The rule, if there is no other, in the first table, and it sends all packets to NORMAL, and no
 * port has a flag that matters; else NULL. Any thread, quick: found out by pipeline_finish(). */
const struct rule *pipeline_only_normal(const struct pipeline *p);
/* The version is complete: call before it is published. */
void pipeline_finish(struct pipeline *p);

/* Groups and meters: as for rules, but adding one takes over the reference of the caller, unless it
 * fails. pipeline_each_*: in the order of their numbers. */
int pipeline_add_group(struct pipeline *p, struct group *group);
int pipeline_remove_group(struct pipeline *p, uint32_t id);
const struct group *pipeline_group(const struct pipeline *p, uint32_t id);
void pipeline_each_group(const struct pipeline *p, bool (*fn)(void *arg, const struct group *group),
			 void *arg);
unsigned pipeline_n_groups(const struct pipeline *p);
int pipeline_add_meter(struct pipeline *p, struct meter *meter);
int pipeline_remove_meter(struct pipeline *p, uint32_t id);
struct meter *pipeline_meter(const struct pipeline *p, uint32_t id);
void pipeline_each_meter(const struct pipeline *p, bool (*fn)(void *arg, struct meter *meter),
			 void *arg);
unsigned pipeline_n_meters(const struct pipeline *p);

/* What the translation must know of a port (the OpenFlow side). */
struct pipeline_port {
	uint32_t number; /* OFPORT */
	bool live;	 /* link up: for groups and bundles that watch it */
	bool no_flood, no_forward, no_receive, no_packet_in;
};

/* Ports of the bridge, which come sorted by number; in the version, since translation depends on
 * them. Copied. 0 or -ENOMEM. */
int pipeline_set_ports(struct pipeline *p, const struct pipeline_port *ports, unsigned n);
const struct pipeline_port *pipeline_port(const struct pipeline *p, uint32_t number);
unsigned pipeline_n_ports(const struct pipeline *p);
const struct pipeline_port *pipeline_ports(const struct pipeline *p);

/* How fragments are matched (OFPC_FRAG): 0 normal, 1 drop, 2 reassemble (refused), 3 nx-match. */
#define PIPELINE_FRAGS_DROP 1
void pipeline_set_frags(struct pipeline *p, uint8_t mode);
uint8_t pipeline_frags(const struct pipeline *p);
