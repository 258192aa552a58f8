/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of the tables of a pipeline. */
#pragma once

#include "flow/action.h"
#include "flow/tally.h"

#define RULE_SEND_FLOW_REM 1u /* OFPFF */
#define RULE_CHECK_OVERLAP 2u
#define RULE_RESET_COUNTS 4u
#define RULE_NO_PKT_COUNTS 8u
#define RULE_NO_BYT_COUNTS 16u

/* A rule, constant but for what tally points at and the two times. */
struct rule {
	uint32_t refs; /* control thread, and rcu's */
	uint32_t id;   /* of its place in what is kept; the owner's */
	uint16_t priority, idle_timeout, hard_timeout, importance;
	uint16_t flags; /* RULE */
	uint8_t table;
	bool hidden; /* made by the switch itself (default flows) */
	uint64_t cookie;
	struct action_list actions;	  /* that lie in bytes */
	struct tally *tally;		  /* the owner's */
	uint64_t created_ms, modified_ms; /* CLOCK_BOOTTIME, milliseconds; modified: shared_store */
	void *owner;			  /* the control thread's, see switch/flows.c */
	struct classifier_place *place;	  /* flow/place.h: the match, compact; conjunctions */
	uint8_t bytes[] __attribute__((aligned(8)));
};

/* The match of a rule, unpacked. */
void rule_match(const struct rule *rule, struct match *out);

/* Makes a rule of @match; @actions is taken over, and left empty, in any case. NULL when memory
 * is short. References: 1, the caller's. */
struct rule *rule_create(uint8_t table, uint16_t priority, const struct match *match,
			 struct action_list *actions);
void rule_ref(struct rule *rule);
void rule_unref(struct rule *rule);
/* When the last reference goes; for what the owner points at. May be NULL. Any thread. */
extern void (*rule_on_free)(struct rule *rule);
