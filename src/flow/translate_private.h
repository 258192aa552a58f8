/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of translation share; see translate.h. A translation is on the stack of its
 * caller: nothing is allocated. Functions that recurse (list, visit, group) keep small frames,
 * since resubmits nest deep; those that need room for keys are never inlined into them.
 */
#pragma once

#include "flow/translate.h"
#include "port/drop.h"

#define TRANSLATE_COPIES_MAX 64 /* clones and buckets within each other */
#define TRANSLATE_SET_MAX 256	/* write_actions that one packet may meet */
/* Values on the stack, and those that clones keep. */
#define TRANSLATE_PUSHES_MAX (TRANSLATE_STACK_MAX / sizeof(struct translate_pushed))

#define NOT_OWN 0xff	    /* a tag or a label that an action has added */
#define NO_TABLE 0xff	    /* no goto_table */
#define NO_QUEUE UINT32_MAX /* no set_queue */
#define NO_STEP UINT32_MAX
#define QUEUE_OPEN UINT64_MAX  /* a meter decides which one it is */
#define PORT_UNSET 0xfffffff7u /* actset_output when the action set has no output */

/* What a clone or a bucket gives back as it was. */
struct translate_state {
	struct flow_key key; /* as rules see it now */
	/* Of these three only FLOW_KEY_PACKET_WORDS are filled in; the others are known always. */
	struct flow_key known; /* bits that are not the packet's own: the same in all of the plan */
	struct flow_key dirty; /* of these, what no step has written to the packet yet */
	struct flow_key foreign; /* bits that are the packet's own, but not of its key: those behind
				    labels that were popped */
	/* Which of the packet's own tags and labels it is: they move when others are pushed. */
	uint8_t tag_from[FLOW_VLANS], label_from[FLOW_LABELS];
	bool moved; /* some are not where they were */
	/* Bits of nw_tos that a meter may have changed in the packet, which rules do not see. */
	uint8_t remarked;
	/* Layers 3 and 4 as they were when a label was put in front of them. */
	bool covered;
	struct flow_key covered_key, covered_known, covered_foreign;
	uint32_t queue;
	int32_t grown; /* bytes that pushes have added */
};

/* A clone, or a bucket. Headers are put aside by the first step that changes them, if there is one.
 */
struct translate_copy {
	struct translate_copy *outer;
	uint32_t save_at; /* the PLAN_SAVE, or NO_STEP */
	struct translate_state state;
};

/* Actions of a write_actions, or of a bucket. */
struct translate_segment {
	const uint8_t *bytes;
	uint32_t len;
};

/* A value that was pushed. What a clone shares with its origin stays until the clone ends. */
struct translate_pushed {
	u128 value;
	uint32_t below; /* index + 1; 0: none */
	uint32_t n_bits;
};

struct translation {
	const struct translate_input *in;
	const struct pipeline *p;
	struct plan_draft *out;
	struct translate_limit *limit;
	const struct rule *rule; /* that is carried out; NULL: packet-out */
	uint8_t table, next;	 /* in which it is; that of a goto_table, or NO_TABLE */
	bool stopped;		 /* at a limit: all is in vain */
	bool exited;		 /* by exit */
	bool in_group, in_set, set_has_group;
	bool has_reason;
	enum drop_reason reason; /* why there may be no output */
	unsigned depth, n_resubmits, n_copies, indent;
	size_t n_work;		     /* see translate_work() */
	uint64_t queue_sent;	     /* by the last PLAN_QUEUE; or QUEUE_OPEN */
	uint32_t last;		     /* step that may be changed still, or NO_STEP */
	struct translate_copy *copy; /* the innermost */
	unsigned n_saved;	     /* of the copies around: with a PLAN_SAVE */
	struct translate_state s;

	unsigned set_first, n_set; /* the action set that counts now: those between */
	struct translate_segment set[TRANSLATE_SET_MAX];
	uint32_t top, n_pushed, pushed_floor; /* of the stack */
	struct translate_pushed pushed[TRANSLATE_PUSHES_MAX];
};

/* ---- translate_walk.c */

/* Ends it: the packet is dropped, and @what is logged. */
void translate_stop(struct translation *t, const char *what);
/* Keeps why the packet gets nowhere, should it come to that. */
void translate_reason(struct translation *t, enum drop_reason reason);
void translate_credit(struct translation *t, struct tally *tally);
/* Tells the story, if somebody listens. */
void translate_note(struct translation *t, const char *format, ...) PRINTF_LIKE(2, 3);
/* One more table or group; false: beyond a limit. */
bool translate_deeper(struct translation *t);
/* So many more actions are carried out, or things are looked at: buckets, ports, masks of tables;
 * false: beyond a limit. */
bool translate_work(struct translation *t, size_t n);
/* Actions in a row, until one ends them. */
void translate_list(struct translation *t, const uint8_t *bytes, size_t len);
/* As an action set, in its order (OpenFlow 1.5.1, 5.6). */
void translate_set(struct translation *t, const struct translate_segment *segments, unsigned n);
/* The packet's own, at the end; exit is the end of that, too. */
void translate_own_set(struct translation *t);
/* A table, and those that follow by goto_table; @in_port for this lookup. @miss: what the table's
 * settings say happens when there is no rule. */
void translate_visit(struct translation *t, uint8_t table, uint32_t in_port, bool miss);

/* ---- translate_key.c: the key, and which bits of it have been examined */

/* @bits of the key have been read. */
void translate_examine(struct translation *t, const struct key_bits *bits);
void translate_examine_field(struct translation *t, enum field_id id, u128 mask);
/* Whether the packet has the field. */
bool translate_present(struct translation *t, const struct field *field);
u128 translate_read(struct translation *t, const struct subfield *sub);
/* Sets bits of a field that is there (only vlan_tci may not be). */
void translate_write(struct translation *t, const struct field *field, u128 value, u128 mask);
void translate_write_sub(struct translation *t, const struct subfield *sub, u128 value);
/* Bits of layers 3 and 4 in a word of the key. */
uint64_t translate_upper_bits(unsigned word);

/* ---- translate_commit.c: steps */

/* Appends a zeroed step; NULL: beyond the limit, translation has stopped. */
void *translate_step(struct translation *t, enum plan_kind kind, size_t len, uint32_t arg);
/* Writes to the packet what has changed in the key. */
void translate_commit(struct translation *t);
/* To a port of the bridge; @max_len 0: the whole packet. */
void translate_send(struct translation *t, uint32_t port, uint32_t max_len);
void translate_copy_begin(struct translation *t, struct translate_copy *copy);
void translate_copy_end(struct translation *t, struct translate_copy *copy);
/* Takes away what serves no output. */
void translate_trim(struct plan_draft *out);

/* ---- translate_tag.c: tags and labels */

/* An outermost tag more, with this VLAN and priority; or less, when there is one. */
void translate_push_vlan(struct translation *t, uint16_t tpid, uint16_t tci);
void translate_pop_vlan(struct translation *t);

/* An outermost label more, or less, when there is one; then the packet is of @ethertype. */
void translate_push_mpls(struct translation *t, uint16_t ethertype);
void translate_pop_mpls(struct translation *t, uint16_t ethertype);

/* ---- translate_action.c */

/* One action that leads nowhere else; false: no further ones of its list. */
bool translate_simple(struct translation *t, const struct action *action);
/* The same for those that lead to other actions. */
bool translate_nested(struct translation *t, const struct action *action);
/* @max_len 0: the whole packet, but not for the controller. */
void translate_output(struct translation *t, uint32_t port, uint32_t max_len);
void translate_controller(struct translation *t, const struct action_controller *action);

/* ---- translate_group.c */

/* The group of this number, if there is one. */
void translate_group(struct translation *t, uint32_t id);
/* Writes the link that the hash chooses. */
void translate_multipath(struct translation *t, const struct action_multipath *action);
/* The port; OFPORT_NONE: none is live. */
uint32_t translate_bundle(struct translation *t, const struct action_bundle *action);

/* ---- translate_learn.c */

/* Makes the step that makes the rule. */
void translate_learn(struct translation *t, const struct action_learn *learn);
