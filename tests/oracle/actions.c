// SPDX-License-Identifier: Apache-2.0
/* Random actions (see actions.h): all kinds, such that packets do not go round in circles. */
#include <assert.h>
#include <linux/if_ether.h>
#include <string.h>

#include "actions.h"

#define NESTED 2

/* What may stand in a list. */
struct place {
	uint8_t table;
	uint32_t group; /* groups below this number */
	unsigned depth; /* of clones */
};

static bool one_in(struct world *w, uint32_t n)
{
	return !random_below(w, n);
}

static void *append(struct action_list *list, enum action_kind kind, size_t len)
{
	void *action = actions_append(list, kind, len);

	assert(action);
	return action;
}

static uint32_t random_output(struct world *w)
{
	static const uint32_t special[] = { OFPORT_IN_PORT, OFPORT_FLOOD,      OFPORT_ALL,
					    OFPORT_NORMAL,  OFPORT_CONTROLLER, OFPORT_NONE,
					    OFPORT_TABLE };

	if (one_in(w, 4))
		return special[random_below(w, ARRAY_SIZE(special))];
	return 1 + random_below(w, PORTS + 1); /* one of which is never there */
}

static void add_output(struct world *w, struct action_list *list)
{
	struct action_output *a = append(list, ACTION_OUTPUT, sizeof(*a));

	a->port = random_output(w);
	if (a->port == OFPORT_CONTROLLER)
		a->max_len = one_in(w, 2) ? CONTROLLER_WHOLE : random_below(w, 200);
	else if (a->port <= PORTS && one_in(w, 6))
		a->max_len = 14 + random_below(w, 100);
}

static const struct field *random_field(struct world *w, bool writable)
{
	for (;;) {
		const struct field *f = &fields[random_below(w, FIELD_N)];

		/* registers are many; tags have actions of their own */
		if (f->id >= FIELD_reg0 + 4 && f->id < FIELD_eth_src && !one_in(w, 8))
			continue;
		if (f->id == FIELD_vlan_tci || f->id == FIELD_vlan_vid ||
		    (f->id >= FIELD_packet_type && f->id <= FIELD_dp_hash) ||
		    f->prereq == PREREQ_CT || f->id == FIELD_nd_options_type)
			continue;
		/* a packet is to stay of the kind that it is */
		if (writable && (!f->writable || f->id == FIELD_icmpv6_type ||
				 f->id == FIELD_icmpv6_code || f->id == FIELD_eth_type))
			continue;
		return f;
	}
}

static void random_part(struct world *w, struct subfield *sub, bool writable, unsigned n_bits)
{
	do
		sub->field = random_field(w, writable);
	while (sub->field->n_bits < n_bits);
	if (!n_bits)
		n_bits = 1 + random_below(w, sub->field->n_bits);
	sub->n_bits = (uint8_t)n_bits;
	sub->first = (uint8_t)random_below(w, sub->field->n_bits - n_bits + 1u);
}

static void random_register(struct world *w, struct subfield *sub, unsigned n_bits)
{
	sub->field = &fields[FIELD_reg0 + random_below(w, 4)];
	sub->n_bits = (uint8_t)n_bits;
	sub->first = (uint8_t)(one_in(w, 2) ? 0 : random_below(w, 33 - n_bits));
}

/* A value that some packet has. */
static void add_set_field(struct world *w, struct action_list *list)
{
	struct action_set_field *a = append(list, ACTION_SET_FIELD, sizeof(*a));
	const struct field *f = random_field(w, true);
	struct flow_key key;

	random_key(w, &key);
	key.metadata = random_below(w, 3);
	for (unsigned i = 0; i < FLOW_REGS; i++)
		key.regs[i] = random_below(w, 3);
	a->field = f;
	a->mask = field_ones(f);
	if (one_in(w, 3))
		a->mask &= (u128)random_below(w, UINT32_MAX) << 40 | random_below(w, UINT32_MAX);
	a->value = field_get(f, &key) & a->mask;
}

static void add_move(struct world *w, struct action_list *list)
{
	struct action_move *a = append(list, ACTION_MOVE, sizeof(*a));

	random_part(w, &a->to, true, 0);
	random_part(w, &a->from, false, a->to.n_bits);
}

static void add_stack(struct world *w, struct action_list *list)
{
	bool push = one_in(w, 2);
	struct action_stack *a =
		append(list, push ? ACTION_STACK_PUSH : ACTION_STACK_POP, sizeof(*a));

	random_part(w, &a->sub, !push, 0);
}

static void add_vlan(struct world *w, struct action_list *list)
{
	static const uint8_t kinds[] = { ACTION_PUSH_VLAN, ACTION_POP_VLAN, ACTION_SET_VLAN_VID,
					 ACTION_SET_VLAN_PCP };
	enum action_kind kind = (enum action_kind)kinds[random_below(w, 4)];
	struct action_vlan *a =
		append(list, kind, kind == ACTION_POP_VLAN ? sizeof(a->action) : sizeof(*a));

	if (kind == ACTION_PUSH_VLAN)
		a->value = one_in(w, 4) ? ETH_P_8021AD : ETH_P_8021Q;
	else if (kind == ACTION_SET_VLAN_VID)
		a->value = (uint16_t)(10 + random_below(w, 3));
	else if (kind == ACTION_SET_VLAN_PCP)
		a->value = (uint16_t)random_below(w, 3);
}

static void add_mpls(struct world *w, struct action_list *list)
{
	bool push = one_in(w, 2);
	struct action_mpls *a = append(list, push ? ACTION_PUSH_MPLS : ACTION_POP_MPLS, sizeof(*a));

	if (push)
		a->ethertype = one_in(w, 4) ? ETH_P_MPLS_MC : ETH_P_MPLS_UC;
	else
		a->ethertype = one_in(w, 4) ? ETH_P_MPLS_UC : ETH_P_IP;
}

static void add_ttl(struct world *w, struct action_list *list)
{
	bool mpls = one_in(w, 3);
	unsigned n = mpls ? 0 : random_below(w, 3);
	struct action_ids *a = append(list, mpls ? ACTION_DEC_MPLS_TTL : ACTION_DEC_TTL,
				      sizeof(*a) + n * sizeof(a->ids[0]));

	a->n = (uint16_t)n;
	for (unsigned i = 0; i < n; i++)
		a->ids[i] = (uint16_t)(i + 1);
}

static void add_controller(struct world *w, struct action_list *list)
{
	unsigned n = one_in(w, 3) ? 5 : 0;
	struct action_controller *a = append(list, ACTION_CONTROLLER, sizeof(*a) + n);

	a->max_len = (uint16_t)(one_in(w, 2) ? CONTROLLER_WHOLE : 20);
	a->id = (uint16_t)random_below(w, 3);
	a->reason = (uint8_t)random_below(w, 3);
	a->has_meter = one_in(w, 4);
	a->meter = 1 + random_below(w, METERS);
	a->userdata_len = (uint16_t)n;
	memset(a->userdata, 7, n);
}

static void add_learn(struct world *w, struct action_list *list, const struct place *p)
{
	unsigned n = 1 + random_below(w, 3);
	struct action_learn *a;

	if (p->table + 1 >= RULE_TABLES)
		return;
	a = append(list, ACTION_LEARN, sizeof(*a) + n * sizeof(a->specs[0]));
	a->priority = (uint16_t)random_below(w, 2000);
	a->table = (uint8_t)(p->table + 1 + random_below(w, RULE_TABLES - p->table - 1u));
	a->cookie = LEARNED_COOKIE + random_below(w, 4);
	a->limit = one_in(w, 2) ? 1 + random_below(w, 8) : 0;
	a->has_result = one_in(w, 2);
	random_register(w, &a->result, 1);
	a->n_specs = n;
	for (unsigned i = 0; i < n; i++) {
		struct learn_spec *s = &a->specs[i];

		s->kind = (uint8_t)random_below(w, 5);
		if (s->kind == LEARN_MATCH_FIELD || s->kind == LEARN_MATCH_VALUE)
			s->to = (struct subfield){
				&fields[one_in(w, 2) ? FIELD_eth_src : FIELD_eth_dst], 0, 48
			};
		else
			random_register(w, &s->to, 16);
		s->from = s->to.field->id < FIELD_eth_src || s->kind == LEARN_OUTPUT
				  ? (struct subfield){ &fields[FIELD_in_port], 0, 16 }
				  : (struct subfield){ &fields[FIELD_eth_src], 0, 48 };
		s->value = s->to.n_bits == 48 ? 0x020000000000ull + random_below(w, 4)
					      : random_below(w, 3);
	}
}

static void add_choice(struct world *w, struct action_list *list)
{
	if (one_in(w, 2)) {
		struct action_multipath *a = append(list, ACTION_MULTIPATH, sizeof(*a));

		a->fields = (uint8_t)random_below(w, HASH_SYMMETRIC_L3 + 1);
		a->algorithm = (uint8_t)random_below(w, MULTIPATH_ITER_HASH + 1);
		a->basis = (uint16_t)random_below(w, 3);
		a->max_link = (uint16_t)random_below(w, 3);
		random_register(w, &a->to, 16);
	} else {
		unsigned n = 1 + random_below(w, 3);
		struct action_bundle *a =
			append(list, ACTION_BUNDLE, sizeof(*a) + n * sizeof(a->ports[0]));

		a->fields = (uint8_t)random_below(w, HASH_SYMMETRIC_L3 + 1);
		a->algorithm = (uint8_t)random_below(w, 2);
		a->has_to = one_in(w, 2);
		random_register(w, &a->to, 16);
		a->n_ports = n;
		for (unsigned i = 0; i < n; i++)
			a->ports[i] = 1 + random_below(w, PORTS);
	}
}

static void add_queue(struct world *w, struct action_list *list)
{
	static const uint8_t kinds[] = { ACTION_ENQUEUE, ACTION_SET_QUEUE, ACTION_POP_QUEUE };
	enum action_kind kind = (enum action_kind)kinds[random_below(w, 3)];
	struct action_queue *a = append(list, kind, sizeof(*a));

	a->port = 1 + random_below(w, PORTS);
	a->queue = random_below(w, 3);
}

static void add_actions(struct world *w, struct action_list *list, const struct place *p,
			unsigned n);

static void add_clone(struct world *w, struct action_list *list, const struct place *p)
{
	struct action_list inner = { 0 };
	struct place place = *p;
	struct action_nested *a;

	place.depth++;
	add_actions(w, &inner, &place, 1 + random_below(w, 3));
	a = append(list, ACTION_CLONE, sizeof(a->action) + inner.len);
	if (inner.len)
		memcpy(a->actions, inner.bytes, inner.len);
	actions_free(&inner);
}

static void add_resubmit(struct world *w, struct action_list *list, const struct place *p)
{
	struct action_resubmit *a;

	if (p->table + 1 >= RULE_TABLES)
		return;
	a = append(list, ACTION_RESUBMIT, sizeof(*a));
	a->port = one_in(w, 3) ? 1 + random_below(w, PORTS) : OFPORT_IN_PORT;
	a->table = (uint8_t)(p->table + 1 + random_below(w, RULE_TABLES - p->table - 1u));
}

static void add_group(struct world *w, struct action_list *list, const struct place *p)
{
	struct action_group *a;

	if (p->group <= 1)
		return;
	a = append(list, ACTION_GROUP, sizeof(*a));
	a->group = 1 + random_below(w, p->group - 1);
}

static void add_rare(struct world *w, struct action_list *list)
{
	struct action_check_len *check;
	struct action_fin_timeout *fin;
	struct action_output_reg *reg;
	struct action_meter *meter;

	switch (random_below(w, 12)) {
	case 0:
		check = append(list, ACTION_CHECK_PKT_LARGER, sizeof(*check));
		check->len = (uint16_t)(60 + random_below(w, 100));
		random_register(w, &check->to, 1);
		break;
	case 1:
		append(list, ACTION_NOTE, sizeof(struct action_note));
		break;
	case 2:
		append(list, ACTION_EXIT, sizeof(struct action));
		break;
	case 3:
		fin = append(list, ACTION_FIN_TIMEOUT, sizeof(*fin));
		fin->idle = 5;
		fin->hard = (uint16_t)random_below(w, 10);
		break;
	case 4:
	case 5:
		reg = append(list, ACTION_OUTPUT_REG, sizeof(*reg));
		random_register(w, &reg->from, 16);
		reg->max_len = CONTROLLER_WHOLE;
		break;
	default:
		meter = append(list, ACTION_METER, sizeof(*meter));
		meter->meter = 1 + random_below(w, METERS + 1);
		break;
	}
}

static void add_action(struct world *w, struct action_list *list, const struct place *p)
{
	switch (random_below(w, 26)) {
	case 0 ... 5:
		add_output(w, list);
		break;
	case 6 ... 9:
		add_set_field(w, list);
		break;
	case 10:
		add_move(w, list);
		break;
	case 11:
		add_stack(w, list);
		break;
	case 12 ... 13:
		add_vlan(w, list);
		break;
	case 14:
		add_mpls(w, list);
		break;
	case 15:
		add_ttl(w, list);
		break;
	case 16:
		add_controller(w, list);
		break;
	case 17:
		add_choice(w, list);
		break;
	case 18:
		add_queue(w, list);
		break;
	case 19:
		if (p->depth < NESTED)
			add_clone(w, list, p);
		break;
	case 20 ... 21:
		add_resubmit(w, list, p);
		break;
	case 22:
		add_group(w, list, p);
		break;
	case 23:
		add_learn(w, list, p);
		break;
	default:
		add_rare(w, list);
		break;
	}
}

static void add_actions(struct world *w, struct action_list *list, const struct place *p,
			unsigned n)
{
	while (n--)
		add_action(w, list, p);
}

/* Only what an action set may have. */
static void add_set(struct world *w, struct action_list *list, const struct place *p)
{
	for (unsigned n = random_below(w, 3); n--;)
		switch (random_below(w, 6)) {
		case 0 ... 2:
			add_set_field(w, list);
			break;
		case 3:
			add_vlan(w, list);
			break;
		case 4:
			add_mpls(w, list);
			break;
		default:
			add_ttl(w, list);
			break;
		}
	if (one_in(w, 5))
		add_group(w, list, p);
	if (one_in(w, 8))
		add_resubmit(w, list, p);
	if (!one_in(w, 4))
		add_output(w, list);
}

static void add_instructions(struct world *w, struct action_list *list, const struct place *p)
{
	struct action_metadata *metadata;
	struct action_goto *go;

	if (one_in(w, 12))
		append(list, ACTION_CLEAR_ACTIONS, sizeof(struct action));
	if (one_in(w, 5)) {
		struct action_list inner = { 0 };
		struct action_nested *a;

		add_set(w, &inner, p);
		a = append(list, ACTION_WRITE_ACTIONS, sizeof(a->action) + inner.len);
		if (inner.len)
			memcpy(a->actions, inner.bytes, inner.len);
		actions_free(&inner);
	}
	if (one_in(w, 5)) {
		metadata = append(list, ACTION_WRITE_METADATA, sizeof(*metadata));
		metadata->mask = random_below(w, 4);
		metadata->value = random_below(w, 4) & metadata->mask;
	}
	if (one_in(w, 3) && p->table + 1 < RULE_TABLES) {
		go = append(list, ACTION_GOTO_TABLE, sizeof(*go));
		go->table = (uint8_t)(p->table + 1 + random_below(w, RULE_TABLES - p->table - 1u));
	}
}

void random_actions(struct world *w, uint8_t table, struct action_list *list)
{
	struct place p = { .table = table, .group = table + 1 < RULE_TABLES ? GROUPS + 1 : 0 };

	add_actions(w, list, &p, random_below(w, 5));
	add_instructions(w, list, &p);
}

void random_bucket(struct world *w, uint32_t id, struct action_list *list)
{
	struct place p = { .table = RULE_TABLES - 2, .group = id };

	add_set(w, list, &p);
}

unsigned random_clauses(struct world *w, struct action_list *list)
{
	unsigned id = 1 + random_below(w, CONJUNCTIONS), n = 1 + random_below(w, 2);

	for (unsigned i = 0; i < n && id + i <= CONJUNCTIONS; i++) {
		struct action_conjunction *a = append(list, ACTION_CONJUNCTION, sizeof(*a));

		a->id = id + i;
		a->n_clauses = (uint8_t)(2 + a->id % 2);
		a->clause = (uint8_t)random_below(w, a->n_clauses);
	}
	return id / 3;
}
