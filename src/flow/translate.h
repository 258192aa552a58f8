/* SPDX-License-Identifier: Apache-2.0 */
/* The way of a packet through the pipeline: from its key to a plan. Any thread: workers for packets
 * that have no plan yet, the control thread for packet-outs and for "vireo trace".
 *
 * Theory of operation. The key is a copy that actions change. What a packet looks like at an output
 * is told by the difference between the key and what has been written to the packet so far: that
 * becomes a step (PLAN_REWRITE, pushes, pops) right before the output. Each bit of the packet that
 * a lookup, a read, a hash or a test depends on is examined, but only if it is still the packet's
 * own: what an action has written is known.
 *
 * Tags and labels come and go at once, as steps and in the key, and take the marks of their bits
 * along to where they then are. A clone or a bucket works on a copy: PLAN_SAVE is put right before
 * the first step in it that changes the packet, so there is none when nothing does, or when nothing
 * follows. What is behind labels that are popped is no part of the key: it is read from the packet
 * itself, and a plan that depends on it is not kept.
 */
#pragma once

#include "flow/plan.h"

#define TRANSLATE_RESUBMITS_MAX 4096 /* of one packet, as in Open vSwitch */
#define TRANSLATE_DEPTH_MAX 64	     /* of resubmits in resubmits */
#define TRANSLATE_STACK_MAX 65536    /* bytes of push */
/* Actions carried out; buckets, ports, links looked at; masks of tables and clauses of conjunctions
 * looked at, four times. */
#define TRANSLATE_WORK_MAX 262144

/* Follows the story while it happens; for trace. Each may be NULL. */
struct translate_story {
	void *arg;
	/* A table is looked up: @rule or NULL; @key at this moment; @examined: bits that this
	 * lookup has added. @depth: nesting, for indentation. */
	void (*table)(void *arg, unsigned depth, uint8_t table, const struct flow_key *key,
		      const struct rule *rule, const struct flow_key *examined);
	/* An action is carried out. */
	void (*action)(void *arg, unsigned depth, const struct action *action,
		       const struct flow_key *before, const struct flow_key *after);
	/* Anything else that a reader wants to know, one line. */
	void (*note)(void *arg, unsigned depth, const char *text);
	/* The last label was popped, a step of the plan: @key shows what was behind it. */
	void (*revealed)(void *arg, const struct flow_key *key);
};

struct translate_input {
	const struct pipeline *pipeline;
	const struct flow_key *key; /* in_port set */
	uint32_t len;		    /* of the packet in bytes, for check_pkt_larger */
	/* The packet that the key is of, for what is behind labels that are popped (the key does
	 * not have it); NULL: fields behind them are 0. */
	const struct pkt *pkt;
	const struct action_list
		*actions; /* packet-out: these in place of table 0; NULL: table 0 */
	const struct translate_story *story; /* NULL: nobody listens */
};

/* Which bound was met: text for the log, and the rule that was carried out then. */
struct translate_limit {
	const char *what; /* NULL: none */
	const struct rule *rule;
};

/* Makes a plan. Cannot fail: what goes beyond a bound makes a plan that drops, and *@limit tells.
 * The plan depends on nothing but the pipeline, the examined bits of the key and, if it is not
 * cacheable, the rest of the packet. Takes about 80 kB of the stack, and a megabyte when resubmits
 * nest as deep as they may.
 */
void translate(const struct translate_input *in, struct plan_draft *out,
	       struct translate_limit *limit);
