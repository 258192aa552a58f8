/* SPDX-License-Identifier: Apache-2.0 */
/* Actions and instructions: what a rule, a bucket or a packet-out does. One list holds both:
 * instructions stand in it in the order in which they are carried out (meter, apply, clear, write,
 * metadata, goto), actions of apply_actions simply in a row. Text (ovs-ofctl), and the wire of
 * OpenFlow 1.0 (with Nicira's extensions) to 1.5, from the rows of flow/action.c. Any thread; input
 * is hostile. A finished list is constant.
 */
#pragma once

#include "flow/match.h"

#define ACTIONS_LEN_MAX 65536 /* bytes of a list in memory */
#define ACTIONS_NESTED_MAX 16 /* clone in clone, and so on */

enum action_kind {
	/* actions */
	ACTION_OUTPUT,
	ACTION_OUTPUT_REG,
	ACTION_CONTROLLER,
	ACTION_ENQUEUE,
	ACTION_SET_QUEUE,
	ACTION_POP_QUEUE,
	ACTION_SET_FIELD, /* also load, mod_*, set_tunnel ... */
	ACTION_MOVE,
	ACTION_PUSH_VLAN,
	ACTION_POP_VLAN,
	ACTION_SET_VLAN_VID, /* of OpenFlow 1.0: adds a tag when there is none */
	ACTION_SET_VLAN_PCP, /* the same */
	ACTION_PUSH_MPLS,
	ACTION_POP_MPLS,
	ACTION_DEC_TTL,
	ACTION_DEC_MPLS_TTL,
	ACTION_GROUP,
	ACTION_RESUBMIT,
	ACTION_CLONE,
	ACTION_STACK_PUSH,
	ACTION_STACK_POP,
	ACTION_LEARN,
	ACTION_CONJUNCTION,
	ACTION_MULTIPATH,
	ACTION_BUNDLE,
	ACTION_CHECK_PKT_LARGER,
	ACTION_NOTE,
	ACTION_EXIT,
	ACTION_FIN_TIMEOUT,
	/* instructions */
	ACTION_METER,
	ACTION_CLEAR_ACTIONS,
	ACTION_WRITE_ACTIONS,
	ACTION_WRITE_METADATA,
	ACTION_GOTO_TABLE,
	ACTION_KINDS,
};

/* First member of each: 8-byte aligned, the next one is @len bytes behind. */
struct action {
	uint16_t kind;
	uint16_t pad;
	uint32_t len; /* of this one with all that belongs to it, a multiple of 8 */
};

/* Owned memory; finished lists are shared as constant ones. {0} is empty: drop. */
struct action_list {
	uint8_t *bytes; /* 8-byte aligned; malloc */
	uint32_t len, size;
};

#define ACTIONS_FOR_EACH(A, BYTES, LEN)                                                \
	for (const struct action *A = (const void *)(BYTES);                           \
	     (uintptr_t)(A) < (uintptr_t)(BYTES) + (LEN); /* of an empty list, NULL */ \
	     A = (const void *)((const uint8_t *)(A) + (A)->len))

struct action_output {
	struct action action;
	uint32_t port;	  /* OFPORT */
	uint32_t max_len; /* 0: the whole packet; of OFPORT_CONTROLLER: see action_controller */
};

struct action_output_reg {
	struct action action;
	struct subfield from;
	uint32_t max_len; /* when the port is the controller; 0xffff: no limit */
};

/* Of action_controller: max_len that cuts nothing; and bytes of userdata. */
#define CONTROLLER_WHOLE 0xffffu
#define CONTROLLER_USERDATA_MAX 1024

struct action_controller {
	struct action action;
	uint16_t max_len; /* CONTROLLER_WHOLE: all */
	uint16_t id;	  /* of the controller */
	uint8_t reason;	  /* OFPR (OpenFlow 1.5.1, 7.4.1) */
	bool pause, has_meter;
	uint32_t meter;
	uint16_t userdata_len;
	uint8_t userdata[];
};

struct action_queue { /* ENQUEUE, SET_QUEUE */
	struct action action;
	uint32_t port, queue;
};

/* How a SET_FIELD was written, so that it is shown the same way. MOD: mod_*, set_tunnel and
 * set_mpls_*, actions of OpenFlow 1.0 and Nicira's; of FIELD_tcp_src and FIELD_tcp_dst then any
 * packet's that has ports is set. MOD64: set_tunnel64. */
enum set_style { SET_STYLE_FIELD, SET_STYLE_LOAD, SET_STYLE_MOD, SET_STYLE_MOD64 };

struct action_set_field {
	struct action action;
	const struct field *field;
	u128 value, mask; /* as the field has them; value has no bit that mask has not */
	uint8_t style;
} __attribute__((aligned(8)));

struct action_move {
	struct action action;
	struct subfield from, to; /* of the same n_bits */
};

struct action_vlan { /* PUSH_VLAN: value is the TPID; SET_VLAN_VID, SET_VLAN_PCP */
	struct action action;
	uint16_t value;
	bool tagged; /* SET_VLAN_*: packets have a tag then, see actions_settle() */
};

struct action_mpls { /* PUSH_MPLS, POP_MPLS */
	struct action action;
	uint16_t ethertype;
};

struct action_ids { /* DEC_TTL: whom to tell of packets whose TTL is over; n 0: controller 0 */
	struct action action;
	uint16_t n;
	uint16_t ids[];
};

/* GROUP */
struct action_group {
	struct action action;
	uint32_t group;
};

struct action_resubmit {
	struct action action;
	uint32_t port; /* OFPORT_IN_PORT: that of the packet */
	uint8_t table; /* 255: the same table */
	bool old;      /* written as resubmit:PORT */
};

struct action_nested { /* CLONE, WRITE_ACTIONS */
	struct action action;
	uint8_t actions[]; /* action.len - sizeof(struct action) bytes */
};

struct action_stack { /* STACK_PUSH, STACK_POP */
	struct action action;
	struct subfield sub;
};

/* What a spec makes of the learned rule: a match, a load or an output; of the packet's field, or of
 * a constant. */
enum learn_kind {
	LEARN_MATCH_FIELD,
	LEARN_MATCH_VALUE,
	LEARN_LOAD_FIELD,
	LEARN_LOAD_VALUE,
	LEARN_OUTPUT
};

struct learn_spec {
	uint8_t kind;
	struct subfield from; /* for kinds _FIELD and LEARN_OUTPUT */
	struct subfield to;   /* not for LEARN_OUTPUT */
	u128 value;	      /* for kinds _VALUE */
} __attribute__((aligned(8)));

/* Flags of a learn action, as on the wire: the learned rule tells controllers when it is gone; it
 * goes when the rule that has the action does. */
#define LEARN_SEND_FLOW_REM 1u
#define LEARN_DELETE_LEARNED 2u

struct action_learn {
	struct action action;
	uint16_t idle_timeout, hard_timeout, priority;
	uint16_t fin_idle_timeout, fin_hard_timeout;
	uint8_t table, flags;
	uint64_t cookie;
	uint32_t limit; /* 0: none */
	bool has_result;
	struct subfield result; /* one bit: whether there was room */
	uint32_t n_specs;
	struct learn_spec specs[];
};

struct action_conjunction {
	struct action action;
	uint32_t id;
	uint8_t clause, n_clauses; /* clause from 0 */
};

/* What a hash is over (nx_hash_fields). */
enum hash_fields {
	HASH_ETH_SRC,
	HASH_SYMMETRIC_L4,
	HASH_SYMMETRIC_L3L4,
	HASH_SYMMETRIC_L3L4_UDP,
	HASH_NW_SRC,
	HASH_NW_DST,
	HASH_SYMMETRIC_L3
};
enum multipath_algorithm {
	MULTIPATH_MODULO_N,
	MULTIPATH_HASH_THRESHOLD,
	MULTIPATH_HRW,
	MULTIPATH_ITER_HASH
};

struct action_multipath {
	struct action action;
	uint8_t fields, algorithm; /* enum hash_fields, enum multipath_algorithm */
	uint16_t basis, max_link, arg;
	struct subfield to;
};

/* How a bundle chooses a port that is up: the first, or by a hash. */
enum bundle_algorithm { BUNDLE_ACTIVE_BACKUP, BUNDLE_HRW };

struct action_bundle { /* also bundle_load: has_to */
	struct action action;
	uint8_t fields, algorithm; /* enum hash_fields, enum bundle_algorithm */
	uint16_t basis;
	bool has_to;
	struct subfield to;
	uint32_t n_ports;
	uint32_t ports[];
};

struct action_check_len {
	struct action action;
	uint16_t len;
	struct subfield to; /* one bit */
};

/* Does nothing; kept and shown. */
struct action_note {
	struct action action;
	uint32_t n;
	uint8_t bytes[];
};

/* FIN_TIMEOUT: of the rule, in seconds, from the first TCP FIN or RST on; 0: as it was. */
struct action_fin_timeout {
	struct action action;
	uint16_t idle, hard;
};

/* METER */
struct action_meter {
	struct action action;
	uint32_t meter;
};

/* WRITE_METADATA */
struct action_metadata {
	struct action action;
	uint64_t value, mask;
};

/* GOTO_TABLE */
struct action_goto {
	struct action action;
	uint8_t table;
};

/* What it owns; it is empty then. */
void actions_free(struct action_list *list);
/* Copies; 0 or -ENOMEM. */
int actions_copy(struct action_list *to, const struct action_list *from);
bool actions_equal(const struct action_list *a, const struct action_list *b);
/* Appends a zeroed action with its kind and len (which is rounded up) set; NULL when memory is
 * short or the list would be too long. Pointers to earlier ones are void. */
void *actions_append(struct action_list *list, enum action_kind kind, size_t len);

/* "set_field:1->reg0,resubmit(,2)"; @instructions: these too. Adds to an empty @list; on error it
 * is empty. Names of ports are numbers and the reserved ones. 0 or -EINVAL, -ENOMEM with a text. */
int actions_parse(struct action_list *list, const char *text, bool instructions, struct error *err);
/* As ovs-ofctl does, "drop" when it is empty; returns the length as snprintf() does. */
int actions_print(const struct action_list *list, char *text, size_t size);
int actions_print_bytes(const uint8_t *bytes, size_t len, char *text, size_t size);

/* Reads actions of a message of @version (wire: 1, 4, 5, 6), @instructions: instructions. On error
 * @list is empty. */
enum of_error actions_decode(struct action_list *list, uint8_t version, bool instructions,
			     const uint8_t *bytes, size_t len, struct error *err);
/* Appends them to @out (malloc'd, *@n bytes of *@size), for a peer of @version. What the version
 * cannot say is said with Nicira's extensions. 0, -ENOMEM, or -EMSGSIZE: one of them, or an
 * instruction, has more than 64 KiB there. */
int actions_encode(const uint8_t *bytes, size_t len, uint8_t version, bool instructions,
		   uint8_t **out, size_t *n, size_t *size);

/* What a check needs to know of the switch. */
struct action_limits {
	uint8_t table;	   /* in which the rule is to be; goto_table must go forward */
	bool has_table;	   /* false: packet-out, bucket */
	bool inconsistent; /* OpenFlow 1.0: fields need no prerequisites (they are passed over) */
	/* NULL: anything goes */
	bool (*group_exists)(const void *arg, uint32_t group);
	bool (*meter_exists)(const void *arg, uint32_t meter);
	const void *arg;
};

/* Refuses what makes no sense behind @match (NULL: of packets unknown): prerequisites, ports,
 * groups, tables, order of instructions, ct. */
enum of_error actions_check(const struct action_list *list, const struct match *match,
			    const struct action_limits *limits, struct error *err);

/* Notes in actions that pass actions_check() what they need to know of @match to be said in
 * OpenFlow 1.3: whether mod_vlan_vid finds a tag, and the protocol whose port mod_tp_dst sets. Does
 * not change what they do with packets of @match. */
void actions_settle(struct action_list *list, const struct match *match);

/* Whether an output to @port, or a group @group, is among them, nested ones too (filters out_port
 * and out_group). */
bool actions_output_to(const struct action_list *list, uint32_t port);
bool actions_use_group(const struct action_list *list, uint32_t group);
