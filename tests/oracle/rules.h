/* SPDX-License-Identifier: Apache-2.0 */
/* Random rules, groups, meters, ports and packets, of few values, so that they meet. The same
 * things stand in plain arrays, for the reference, and in a pipeline.
 */
#pragma once

#include "flow/pipeline.h"
#include "frame.h"

#define RULES_MAX 600 /* of a world, those that are gone included */
#define RULE_TABLES 5 /* 0.. */
#define PORTS 6	      /* 1.. */
#define GROUPS 6      /* 1.. */
#define GROUP_STATES 128
#define BUCKETS_MAX 3
#define METERS 3       /* 1.. */
#define CONJUNCTIONS 3 /* 1.. */

/* What the switch has counted, and what it should have. */
struct expect {
	struct tally tally;
	uint64_t packets, bytes;
};

struct world_rule {
	bool gone;
	bool is_clause; /* of conjunctions */
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
	unsigned n_ports;
	struct pipeline_port ports[PORTS];
	struct world_table {
		enum table_miss miss;
		struct expect lookups, matches;
	} tables[RULE_TABLES];
	uint8_t frags;
	struct pipeline *pipeline;
};

uint32_t random_below(struct world *w, uint32_t n);

/* A world with some of each, as @seed has it; its pipeline is complete. */
void world_create(struct world *w, uint64_t seed);
/* When the pipeline's last users are gone. */
void world_destroy(struct world *w);
/* Changes something: a new version. False: there is no room for more rules. */
bool world_change(struct world *w);
/* Adds a rule that has been learned. */
bool world_learn(struct world *w, uint8_t table, uint16_t priority, uint64_t cookie,
		 const struct match *match, const uint8_t *actions, uint32_t len);

/* A packet, and the key that it should have. */
void random_key(struct world *w, struct flow_key *key);
/* Another value for something in @key. */
void random_mutate(struct world *w, struct flow_key *key);
