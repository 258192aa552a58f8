/* SPDX-License-Identifier: Apache-2.0 */
/* Random rules, groups, meters, ports and packets, of few values, so that they meet. The same
 * things stand in plain arrays, for the reference, and in a pipeline.
 */
#pragma once

#include "flow/pipeline.h"
#include "frame.h"

#define RULES_MAX 600	    /* of a world, those that are gone included */
#define LEARNED_COOKIE 1000 /* .. */
#define RULE_TABLES 5	    /* 0.. */
#define PORTS 6		    /* 1.. */
#define GROUPS 6	    /* 1.. */
#define GROUP_STATES 128
#define BUCKETS_MAX 3
#define METERS 3       /* 1.. */
#define POOL 48	       /* packets that come again and again */
#define CONJUNCTIONS 3 /* 1.. */

/* What the switch has counted, and what it should have. */
struct expect {
	struct tally tally;
	uint64_t packets, bytes;
};

struct world_rule {
	bool gone;
	bool is_clause; /* of conjunctions */
	bool is_learned;
	struct match match;
	struct rule *rule; /* its constant parts are used by the reference, too */
	struct expect expect;
};

struct world_group {
	bool gone;
	struct group *group;
	struct expect expect, buckets[BUCKETS_MAX];
};

struct world {
	uint64_t seed;
	unsigned n_rules, n_groups;
	struct world_rule rules[RULES_MAX];
	struct world_group groups[GROUP_STATES];
	struct meter *meters[METERS + 1];
	struct meter_state meter_states[METERS + 1];
	bool plain; /* NORMAL alone most of the time; ports have no flags */
	unsigned n_ports;
	struct pipeline_port ports[PORTS];
	struct world_table {
		enum table_miss miss;
		struct expect lookups, matches;
	} tables[RULE_TABLES];
	uint8_t frags;
	struct pipeline *pipeline;
	struct flow_key pool[POOL];
};

uint32_t random_below(struct world *w, uint32_t n);

/* A world with some of each, as @seed has it; its pipeline is complete. */
void world_create(struct world *w, uint64_t seed);
/* One that bridges; in which other rules come and go. */
void world_create_plain(struct world *w, uint64_t seed);
/* When the pipeline's last users are gone. */
void world_destroy(struct world *w);
/* Changes something: a new version. False: there is no room for more rules. */
bool world_change(struct world *w);
/* Adds a rule that has been learned. */
bool world_learn(struct world *w, uint8_t table, uint16_t priority, uint64_t cookie,
		 const struct match *match, const uint8_t *actions, uint32_t len);

/* Which counts of the switch are not as they should be; NULL: none. */
const char *world_miscounts(struct world *w);
/* They are right. */
void world_believe_counts(struct world *w);

/* Whether a rule of this match that @learn makes is there, or has room. */
bool world_has_room(const struct world *w, const struct action_learn *learn,
		    const struct match *match);

/* A packet, and the key that it should have. */
void random_key(struct world *w, struct flow_key *key);
/* One of the pool, or much like one. */
void random_packet(struct world *w, struct flow_key *key);
