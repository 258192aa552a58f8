/* SPDX-License-Identifier: Apache-2.0 */
/* A plan: what becomes of a packet on its whole way through the pipeline of a bridge, as steps to
 * be taken one after the other, and what is to be counted. Made by flow/translate.h, kept by
 * flow/plans.h, carried out by the datapath.
 */
#pragma once

#include "flow/pipeline.h"

enum plan_kind {
	PLAN_REWRITE, /* sets bits of header fields */
	PLAN_PUSH_VLAN,
	PLAN_POP_VLAN,
	PLAN_PUSH_MPLS,
	PLAN_POP_MPLS,
	PLAN_OUTPUT,	  /* to a port */
	PLAN_NORMAL,	  /* to the learning bridge; flow/normal.h decides for each packet */
	PLAN_CONTROLLER,  /* a copy to the control thread */
	PLAN_METER,	  /* may drop the packet: then the rest of the plan is not for it */
	PLAN_LEARN,	  /* makes a rule, if it is not there */
	PLAN_SAVE,	  /* puts the headers aside ... */
	PLAN_RESTORE,	  /* ... and brings them back */
	PLAN_DROP,	  /* counts why there is no output; the last step */
	PLAN_FIN_TIMEOUT, /* of packets with FIN or RST only (examined): shortens a rule's timeouts
			   */
	PLAN_QUEUE,	  /* of what follows; no port has queues yet */
};

struct plan_step {
	uint16_t kind;
	uint16_t len; /* bytes with this, a multiple of 8 */
	uint32_t arg; /* below */
};

/* PLAN_REWRITE: for each bit of @map a value and a mask: packet = packet & ~mask | value. Words are
 * of struct flow_key's first FLOW_KEY_PACKET_WORDS. */
struct plan_rewrite {
	struct plan_step step; /* arg: 0 */
	uint64_t map;
	struct {
		uint64_t value, mask;
	} words[];
};

/* PLAN_PUSH_VLAN: arg is tpid << 16 | tci (DEI bit: 0). PLAN_PUSH_MPLS: see below. PLAN_POP_MPLS:
 * arg is the EtherType that follows. PLAN_QUEUE: arg is the queue. PLAN_DROP: arg is enum
 * drop_reason (port/drop.h). */
struct plan_push_mpls {
	struct plan_step step; /* arg: the label stack entry */
	uint32_t ethertype, pad;
};

struct plan_output {
	struct plan_step step; /* arg: OFPORT, resolved by the view; never IN_PORT and the like */
	uint32_t max_len;      /* 0: all */
	uint32_t pad;
};

struct plan_controller {
	struct plan_step step;	 /* arg: the controller's id */
	const struct rule *rule; /* NULL: packet-out or a table miss without a rule */
	uint64_t cookie;
	uint16_t max_len;
	uint8_t reason, table;
	uint16_t userdata_len, pad;
	/* metadata of the packet at this point, for the message: words that are not of the packet
	 */
	uint64_t map;	  /* bit i: words[FLOW_KEY_PACKET_WORDS + i] */
	uint64_t words[]; /* then userdata, padded */
};

struct plan_meter {
	/* arg: when it drops the packet, go on this many bytes behind the beginning of this step,
	 * at the PLAN_RESTORE of the copy that is dropped; 0: all that follows is not for the
	 * packet */
	struct plan_step step;
	struct meter *meter;
};

/* The rule that a learn action makes of this packet. All of it is constant: what it is made from
 * has been examined. */
struct plan_learn {
	struct plan_step step; /* arg: offset in bytes of the learned rule's actions behind this */
	const struct action_learn *learn;
	const struct rule *teacher; /* the rule that has the action */
	uint64_t asked;	   /* worker: up to where its upcalls have asked for the rule; 0: never */
	uint64_t asked_ms; /* when */
	struct match match;
	uint32_t actions_len, pad;
	/* actions_len bytes of actions follow */
};

/* PLAN_FIN_TIMEOUT: @rule's timeouts become these, in seconds, when the packet has FIN or RST; 0:
 * as they were. */
struct plan_fin_timeout {
	struct plan_step step;
	const struct rule *rule;
	uint16_t idle, hard;
	uint32_t pad;
};

#define PLAN_STEPS_MAX 65536 /* bytes of steps */
#define PLAN_CREDITS_MAX 16384

/* What a translation makes; memory of the caller's, used again and again. */
struct plan_draft {
	uint32_t steps_len;
	uint32_t n_credits;
	uint32_t n_saves; /* deepest nesting of PLAN_SAVE */
	bool cacheable;	  /* false: why_not says in words why */
	const char *why_not;
	struct flow_key examined; /* any packet that is the same in these bits has this plan */
	struct tally *credits[PLAN_CREDITS_MAX]; /* each gets every packet and its bytes */
	uint8_t steps[PLAN_STEPS_MAX] __attribute__((aligned(16)));
};

#define PLAN_SAVES_MAX 8 /* deeper ones are dropped, with a count */

/* The steps of a plan, of LEN bytes in all, one behind the other. */
#define PLAN_FOR_EACH(S, STEPS, LEN)                                  \
	for (const struct plan_step *S = (const void *)(STEPS);       \
	     (const uint8_t *)(S) < (const uint8_t *)(STEPS) + (LEN); \
	     S = (const void *)((const uint8_t *)(S) + (S)->len))
