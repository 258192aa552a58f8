/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the reference share. */
#pragma once

#include "reference.h"

#define SET_MAX 64
#define STACK_MAX 64

struct segment {
	const uint8_t *bytes;
	size_t len;
};

/* What a copy of a packet has for itself. */
struct state {
	struct flow_key key;
	struct frame frame;
	uint32_t queue; /* UINT32_MAX: none */
	uint8_t remark; /* bits of nw_tos that meters have turned over: rules do not see that */
};

/* What is as before when a clone or a bucket ends. */
struct copy {
	struct state s;
	bool dead;
	unsigned n_stack, n_set;
};

struct run {
	const struct world *w;
	struct reference_result *out;
	struct choices *choices;
	uint32_t start_port;
	struct frame start_frame;
	struct state s;
	bool dead;   /* a meter has dropped it: nothing happens any more, but for what is counted */
	bool exited; /* by exit */
	bool in_group, in_set;
	const struct rule *rule;
	uint8_t table, next; /* next: of goto_table; UINT8_MAX: none */
	unsigned n_meters;
	uint8_t n_set;
	struct segment set[SET_MAX];
	unsigned n_stack;
	u128 stack[STACK_MAX];
	struct record ignored; /* what happens to the dead */
};

void reference_credit(struct run *r, const struct expect *e);
struct record *reference_record(struct run *r, enum record_kind kind);
void reference_to_controller(struct run *r, uint32_t id, uint32_t max_len, uint8_t reason,
			     unsigned userdata_len);
/* The frame becomes what the key says. */
void reference_sync(struct run *r);
u128 reference_get_part(const struct run *r, const struct subfield *from);
void reference_set_part(struct run *r, const struct subfield *to, u128 value);
/* False: the action is none of those that change packets. *@go_on: false: the list ends here. */
bool reference_change(struct run *r, const struct action *action, bool *go_on);
bool reference_port_live(const struct world *w, uint32_t number);
void reference_output(struct run *r, uint32_t port, uint32_t max_len);
void reference_visit(struct run *r, uint8_t table, uint32_t in_port, bool resubmitted);
void reference_list(struct run *r, const uint8_t *bytes, size_t len);
void reference_set(struct run *r, const struct segment *set, unsigned n);
void reference_own_set(struct run *r);
void reference_group(struct run *r, uint32_t id);
void reference_multipath(struct run *r, const struct action_multipath *a);
void reference_bundle(struct run *r, const struct action_bundle *a);
