// SPDX-License-Identifier: Apache-2.0
/* Random packets, matches, and the world around them (see rules.h); actions are in actions.c. */
#include <assert.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "actions.h"
#include "rules.h"

#define PRIORITIES 2000 /* ties are rare: nobody says which rule is met then */
#define RULES_AT_FIRST 60

/* splitmix64 */
uint32_t random_below(struct world *w, uint32_t n)
{
	uint64_t v = w->seed += 0x9e3779b97f4a7c15ull;

	v = (v ^ v >> 30) * 0xbf58476d1ce4e5b9ull;
	v = (v ^ v >> 27) * 0x94d049bb133111ebull;
	return (uint32_t)((v ^ v >> 31) % n);
}

static bool one_in(struct world *w, uint32_t n)
{
	return !random_below(w, n);
}

/* ---- packets */

static uint64_t random_mac(struct world *w)
{
	return 0x020000000000ull + random_below(w, 4);
}

static uint32_t random_ip(struct world *w)
{
	return 0x0a000000u + random_below(w, 8) * 0x00010100u + random_below(w, 3);
}

static u128 random_ipv6(struct world *w)
{
	return (u128)0xfd00000000000000ull << 64 | (u128)random_below(w, 3) << 64 |
	       random_below(w, 4);
}

static uint16_t random_port(struct world *w)
{
	return one_in(w, 10) ? (uint16_t)random_below(w, 65536)
			     : (uint16_t)(80 + random_below(w, 4));
}

static uint16_t random_tci(struct world *w)
{
	return (uint16_t)(FLOW_VLAN_PRESENT | random_below(w, 3) << 13 | (10 + random_below(w, 3)));
}

static uint8_t random_ttl(struct world *w)
{
	static const uint8_t ttls[] = { 0, 1, 2, 64, 64, 64, 63, 255 };

	return ttls[random_below(w, sizeof(ttls))];
}

static void random_nd(struct world *w, struct flow_key *key)
{
	key->tp_src = (uint16_t)(135 + random_below(w, 2));
	key->tp_dst = 0;
	key->nd_target = random_ipv6(w);
	key->nd_reserved = random_below(w, 2);
	key->nd_options_type = (uint8_t)(1 + random_below(w, 2));
	if (key->nd_options_type == 1)
		key->arp_sha = random_mac(w);
	else
		key->arp_tha = random_mac(w);
}

static void random_l4(struct world *w, struct flow_key *key)
{
	static const uint8_t protos[] = { IPPROTO_TCP,	IPPROTO_TCP,  IPPROTO_UDP,  IPPROTO_UDP,
					  IPPROTO_SCTP, IPPROTO_ICMP, IPPROTO_ICMP, 47 };
	bool v6 = key->eth_type == ETH_P_IPV6;

	key->nw_proto = protos[random_below(w, sizeof(protos))];
	if (v6 && key->nw_proto == IPPROTO_ICMP)
		key->nw_proto = IPPROTO_ICMPV6;
	if (key->nw_proto != IPPROTO_SCTP && key->nw_proto != IPPROTO_ICMPV6 && one_in(w, 8))
		key->nw_frag =
			(uint8_t)(one_in(w, 2) ? FLOW_FRAG_ANY : FLOW_FRAG_ANY | FLOW_FRAG_LATER);
	if (key->nw_frag & FLOW_FRAG_LATER) {
		if (v6) /* as Open vSwitch has it */
			key->nw_proto = IPPROTO_FRAGMENT;
		return;
	}
	switch (key->nw_proto) {
	case IPPROTO_TCP:
		key->tcp_flags = (uint16_t)(1u << random_below(w, 5));
		/* fall through */
	case IPPROTO_UDP:
	case IPPROTO_SCTP:
		key->tp_src = random_port(w);
		key->tp_dst = random_port(w);
		break;
	case IPPROTO_ICMP:
		key->tp_src = (uint16_t)(random_below(w, 2) * 8);
		key->tp_dst = (uint16_t)random_below(w, 2);
		break;
	case IPPROTO_ICMPV6:
		key->tp_src = (uint16_t)(128 + random_below(w, 2));
		if (one_in(w, 2))
			random_nd(w, key);
		break;
	default:
		break;
	}
}

static void random_l3(struct world *w, struct flow_key *key)
{
	static const uint8_t dscps[] = { 0, 4, 10, 14, 36 }; /* AF11, 13, 42 */
	static const uint16_t types[] = { ETH_P_IP,  ETH_P_IP,	 ETH_P_IP,	ETH_P_IP,
					  ETH_P_IP,  ETH_P_IPV6, ETH_P_IPV6,	ETH_P_IPV6,
					  ETH_P_ARP, ETH_P_RARP, ETH_P_MPLS_UC, ETH_P_MPLS_MC,
					  0x88b5 };

	key->eth_type = types[random_below(w, ARRAY_SIZE(types))];
	switch (key->eth_type) {
	case ETH_P_IP:
		key->nw_src = random_ip(w);
		key->nw_dst = random_ip(w);
		break;
	case ETH_P_IPV6:
		key->ipv6_src = random_ipv6(w);
		key->ipv6_dst = random_ipv6(w);
		key->ipv6_label = random_below(w, 3);
		break;
	case ETH_P_ARP:
	case ETH_P_RARP:
		key->arp_op = (uint16_t)(1 + random_below(w, 3));
		key->nw_src = random_ip(w);
		key->nw_dst = random_ip(w);
		key->arp_sha = random_mac(w);
		key->arp_tha = random_mac(w);
		return;
	case ETH_P_MPLS_UC:
	case ETH_P_MPLS_MC:
		for (unsigned i = 0, n = random_below(w, 2); i <= n; i++)
			key->mpls_lse[i] = random_below(w, 3) << 12 | random_below(w, 2) << 9 |
					   (i == n) << 8 | random_ttl(w);
		return;
	default:
		return;
	}
	key->nw_tos =
		(uint8_t)(dscps[random_below(w, ARRAY_SIZE(dscps))] << 2 | random_below(w, 4));
	key->nw_ttl = random_ttl(w);
	random_l4(w, key);
}

void random_key(struct world *w, struct flow_key *key)
{
	memset(key, 0, sizeof(*key));
	key->in_port = 1 + random_below(w, PORTS);
	key->eth_src = random_mac(w);
	key->eth_dst = random_mac(w);
	if (one_in(w, 2)) {
		key->vlan[0] = (struct flow_vlan){ ETH_P_8021Q, random_tci(w) };
		if (one_in(w, 4))
			key->vlan[1] = (struct flow_vlan){ ETH_P_8021Q, random_tci(w) };
		if (one_in(w, 5))
			key->vlan[0].tpid = ETH_P_8021AD;
	}
	random_l3(w, key);
}

void random_mutate(struct world *w, struct flow_key *key)
{
	struct flow_key other;

	/* parts of another packet of the same kind; what makes the kind stays */
	do
		random_key(w, &other);
	while (other.eth_type != key->eth_type || other.nw_proto != key->nw_proto ||
	       other.nw_frag != key->nw_frag || !other.nd_options_type != !key->nd_options_type ||
	       !other.vlan[0].tpid != !key->vlan[0].tpid ||
	       !other.vlan[1].tpid != !key->vlan[1].tpid);
	if (key->nd_options_type && one_in(w, 2)) {
		key->nd_target = other.nd_target;
		return;
	}
	if (key->eth_type == ETH_P_MPLS_UC || key->eth_type == ETH_P_MPLS_MC ||
	    key->nd_options_type || one_in(w, 4)) {
		*key = other;
		return;
	}
	for (unsigned n = 1 + random_below(w, 2); n--;) {
		unsigned i = random_below(w, FLOW_KEY_PACKET_WORDS);

		if (i >= 6 && i < 10) /* both halves of an address */
			key->words[i ^ 1] = other.words[i ^ 1];
		key->words[i] = other.words[i];
	}
}

/* ---- matches */

/* What must be matched before @field can be. */
static void add_prerequisites(struct match *match, const struct flow_key *key,
			      const struct field *field)
{
	if (field->prereq == PREREQ_NONE)
		return;
	if (field->prereq == PREREQ_VLAN) {
		match_set(match, &fields[FIELD_vlan_tci], FLOW_VLAN_PRESENT, FLOW_VLAN_PRESENT);
		return;
	}
	match_set(match, &fields[FIELD_eth_type], key->eth_type, UINT16_MAX);
	if (field->prereq < PREREQ_TCP)
		return;
	match_set(match, &fields[FIELD_nw_proto], key->nw_proto, UINT8_MAX);
	if (field->prereq >= PREREQ_ND) {
		match_set(match, &fields[FIELD_icmpv6_type], key->tp_src, UINT8_MAX);
		match_set(match, &fields[FIELD_icmpv6_code], key->tp_dst, UINT8_MAX);
	}
}

static u128 random_mask(struct world *w, const struct field *field)
{
	u128 ones = field_ones(field);

	if (!field->maskable || one_in(w, 2))
		return ones;
	if (one_in(w, 2)) /* a prefix */
		return ones & ~(((u128)1 << random_below(w, field->n_bits)) - 1);
	return ones & ((u128)random_below(w, UINT32_MAX) << 64 |
		       (uint64_t)random_below(w, UINT32_MAX) << 32 | random_below(w, UINT32_MAX));
}

static bool can_match(const struct field *field)
{
	switch (field->id) {
	case FIELD_packet_type:
	case FIELD_actset_output:
	case FIELD_conj_id:
	case FIELD_recirc_id:
	case FIELD_dp_hash:
	case FIELD_nd_reserved:
	case FIELD_nd_options_type:
		return false;
	default:
		return field->prereq != PREREQ_CT;
	}
}

/* Of up to @n fields. */
static void random_match(struct world *w, struct match *match, unsigned n)
{
	struct flow_key key;

	n = random_below(w, n + 1);

	match_init(match);
	random_key(w, &key);
	key.metadata = random_below(w, 3);
	for (unsigned i = 0; i < 4; i++)
		key.regs[flow_key_reg(i)] = random_below(w, 3);
	for (unsigned tries = 0; n && tries < 100; tries++) {
		const struct field *field = &fields[random_below(w, FIELD_N)];
		u128 mask;

		/* what few packets have is matched more often */
		if (key.arp_op && one_in(w, 3))
			field = &fields[FIELD_arp_op + random_below(w, 5)];
		else if (key.mpls_lse[0] && one_in(w, 3))
			field = &fields[FIELD_mpls_label + random_below(w, 4)];
		else if (key.nd_options_type && one_in(w, 3))
			field = &fields[FIELD_nd_target + random_below(w, 3)];
		/* half of the matches on a register, by one of its names */
		if (field->id >= FIELD_reg0 + 4 && field->id < FIELD_eth_src && !one_in(w, 8))
			continue;
		/* half of the matches on what only some packets have */
		if (!can_match(field) || !field_present(field, &key, NULL) ||
		    (field->prereq < PREREQ_IPV4 && one_in(w, 2)))
			continue;
		add_prerequisites(match, &key, field);
		mask = random_mask(w, field);
		match_set(match, field, field_get(field, &key) & mask, mask);
		n--;
	}
}

/* ---- the world */

static struct tally *start(struct expect *e)
{
	memset(e, 0, sizeof(*e));
	return &e->tally;
}

static void add_rule(struct world *w, struct rule *rule, const struct match *match)
{
	struct world_rule *r = &w->rules[w->n_rules++];

	*r = (struct world_rule){ .rule = rule, .match = *match };
	r->is_clause = rule->actions.len &&
		       ((const struct action *)rule->actions.bytes)->kind == ACTION_CONJUNCTION;
	rule->tally = start(&r->expect);
	for (unsigned i = 0; i + 1 < w->n_rules; i++) {
		const struct rule *old = w->rules[i].rule;

		if (!w->rules[i].gone && old->table == rule->table &&
		    old->priority == rule->priority && match_equal(&w->rules[i].match, match))
			w->rules[i].gone = true;
	}
	assert(!pipeline_add_rule(w->pipeline, rule));
}

/* A clause of conjunctions, or a rule for packets that meet all clauses. */
static struct rule *random_conjunctive(struct world *w, struct match *match)
{
	uint16_t priority = (uint16_t)random_below(w, PRIORITIES);
	uint8_t table = (uint8_t)random_below(w, 2);
	struct action_list actions = { 0 };

	random_match(w, match, 1);
	if (one_in(w, 4)) {
		match_set(match, &fields[FIELD_conj_id], 1 + random_below(w, CONJUNCTIONS),
			  UINT32_MAX);
		random_actions(w, table, &actions);
	} else {
		/* all clauses of a conjunction have the same priority */
		priority = (uint16_t)(PRIORITIES - 200 + random_clauses(w, &actions));
	}
	return rule_create(table, priority, match, &actions);
}

static struct rule *random_rule(struct world *w, struct match *match)
{
	uint16_t priority = (uint16_t)random_below(w, PRIORITIES);
	uint8_t table = (uint8_t)(one_in(w, 2) ? 0 : random_below(w, RULE_TABLES));
	struct action_list actions = { 0 };

	random_match(w, match, 3);
	if (w->n_rules && one_in(w, 4)) { /* in place of another one */
		const struct world_rule *old = &w->rules[random_below(w, w->n_rules)];

		*match = old->match;
		table = old->rule->table;
		priority = old->rule->priority;
	}
	random_actions(w, table, &actions);
	return rule_create(table, priority, match, &actions);
}

static bool add_random_rule(struct world *w)
{
	struct match match;
	struct rule *rule;

	if (w->n_rules == RULES_MAX)
		return false;
	rule = one_in(w, 5) ? random_conjunctive(w, &match) : random_rule(w, &match);
	assert(rule);
	rule->cookie = random_below(w, 1000);
	add_rule(w, rule, &match);
	return true;
}

bool world_learn(struct world *w, uint8_t table, uint16_t priority, uint64_t cookie,
		 const struct match *match, const uint8_t *actions, uint32_t len)
{
	struct action_list list = { 0 };
	struct pipeline *next;
	struct rule *rule;

	if (w->n_rules == RULES_MAX)
		return false;
	next = pipeline_next(w->pipeline);
	assert(next);
	pipeline_free(w->pipeline);
	w->pipeline = next;
	if (len) {
		list.bytes = malloc(len);
		assert(list.bytes);
		memcpy(list.bytes, actions, len);
		list.len = list.size = len;
	}
	rule = rule_create(table, priority, match, &list);
	assert(rule);
	rule->cookie = cookie;
	add_rule(w, rule, match);
	pipeline_finish(w->pipeline);
	return true;
}

static void remove_random_rule(struct world *w)
{
	struct world_rule *r = &w->rules[random_below(w, w->n_rules)];

	if (r->gone)
		return;
	r->gone = true;
	assert(!pipeline_remove_rule(w->pipeline, r->rule));
}

static bool add_random_group(struct world *w, uint32_t id)
{
	struct world_group *g = &w->groups[w->n_groups];
	enum group_type type = (enum group_type)random_below(w, 4);
	unsigned n = type == GROUP_TYPE_INDIRECT ? 1 : random_below(w, BUCKETS_MAX + 1);

	if (w->n_groups == GROUP_STATES)
		return false;
	for (unsigned i = 0; i < w->n_groups; i++)
		if (!w->groups[i].gone && w->groups[i].group->id == id)
			w->groups[i].gone = true;
	w->n_groups++;
	memset(g, 0, sizeof(*g));
	g->group = group_create(id, type, n);
	assert(g->group);
	g->group->tally = start(&g->expect);
	if (type == GROUP_TYPE_SELECT && one_in(w, 2)) {
		g->group->method = GROUP_METHOD_HASH;
		random_match(w, &g->group->fields, 3);
	}
	for (unsigned i = 0; i < n; i++) {
		struct group_bucket *b = &g->group->buckets[i];

		b->tally = start(&g->buckets[i]);
		b->weight = (uint16_t)random_below(w, 3);
		if (type == GROUP_TYPE_FF || one_in(w, 4)) {
			b->watch_port = 1 + random_below(w, PORTS);
			if (id > 1 && one_in(w, 4))
				b->watch_group = 1 + random_below(w, id - 1);
		}
		random_bucket(w, id, &b->actions);
	}
	group_ref(g->group); /* one for us */
	assert(!pipeline_add_group(w->pipeline, g->group));
	return true;
}

static void random_ports(struct world *w)
{
	w->n_ports = 0;
	for (uint32_t i = 1; i <= PORTS; i++) {
		struct pipeline_port *p = &w->ports[w->n_ports];

		if (one_in(w, 10))
			continue;
		*p = (struct pipeline_port){ .number = i, .live = !one_in(w, 4) };
		p->no_flood = one_in(w, 6);
		p->no_forward = one_in(w, 12);
		p->no_receive = one_in(w, 20);
		p->no_packet_in = one_in(w, 6);
		w->n_ports++;
	}
	assert(!pipeline_set_ports(w->pipeline, w->ports, w->n_ports));
}

static void set_table(struct world *w, uint8_t i)
{
	struct pipeline_table settings = {
		.miss = (enum table_miss)random_below(w, 3),
		.lookups = &w->tables[i].lookups.tally,
		.matches = &w->tables[i].matches.tally,
	};

	w->tables[i].miss =
		i + 1 < RULE_TABLES || settings.miss != MISS_CONTINUE ? settings.miss : MISS_DROP;
	settings.miss = w->tables[i].miss;
	assert(!pipeline_set_table(w->pipeline, i, &settings));
}

static void set_frags(struct world *w)
{
	static const uint8_t modes[] = { 0, 0, 1, 3 };

	w->frags = modes[random_below(w, sizeof(modes))];
	pipeline_set_frags(w->pipeline, w->frags);
}

void world_create(struct world *w, uint64_t seed)
{
	memset(w, 0, sizeof(*w));
	w->seed = seed << 32;
	w->pipeline = pipeline_create();
	assert(w->pipeline);
	random_ports(w);
	for (uint8_t i = 0; i < RULE_TABLES; i++)
		set_table(w, i);
	for (uint32_t i = 1; i <= METERS; i++) {
		w->meters[i] = meter_create(i);
		assert(w->meters[i]);
		meter_ref(w->meters[i]);
		assert(!pipeline_add_meter(w->pipeline, w->meters[i]));
	}
	for (uint32_t i = 1; i <= GROUPS; i++)
		add_random_group(w, i);
	for (unsigned i = 0; i < RULES_AT_FIRST; i++)
		add_random_rule(w);
	set_frags(w);
	pipeline_finish(w->pipeline);
}

bool world_change(struct world *w)
{
	struct pipeline *next = pipeline_next(w->pipeline);
	bool room = true;

	assert(next);
	pipeline_free(w->pipeline);
	w->pipeline = next;
	switch (random_below(w, 16)) {
	case 0:
		random_ports(w);
		break;
	case 1:
		set_table(w, (uint8_t)random_below(w, RULE_TABLES));
		break;
	case 2:
		room = add_random_group(w, 1 + random_below(w, GROUPS));
		break;
	case 3:
		set_frags(w);
		break;
	case 4 ... 9:
		for (unsigned n = 1 + random_below(w, 4); n--;)
			remove_random_rule(w);
		break;
	default:
		for (unsigned n = 1 + random_below(w, 4); room && n--;)
			room = add_random_rule(w);
		break;
	}
	pipeline_finish(w->pipeline);
	return room;
}

void world_destroy(struct world *w)
{
	pipeline_free(w->pipeline);
	for (unsigned i = 0; i < w->n_rules; i++)
		rule_unref(w->rules[i].rule);
	for (unsigned i = 0; i < w->n_groups; i++)
		group_unref(w->groups[i].group);
	for (unsigned i = 1; i <= METERS; i++)
		meter_unref(w->meters[i]);
}
