// SPDX-License-Identifier: Apache-2.0
/* Random matches, and the world around them (see rules.h); packets are in packets.c, actions in
 * actions.c. */
#include <assert.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "actions.h"
#include "rules.h"

#define PRIORITIES 2000 /* ties are rare: nobody says which rule is met then */
#define RULES_AT_FIRST 60

static bool one_in(struct world *w, uint32_t n)
{
	return !random_below(w, n);
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
		/* all clauses of a conjunction have the same priority: above all other rules, or
		 * among them */
		priority = (uint16_t)(PRIORITIES + 50 - 250 * random_clauses(w, &actions));
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
	w->rules[w->n_rules - 1].is_learned = true;
	pipeline_finish(w->pipeline);
	return true;
}

bool world_has_room(const struct world *w, const struct action_learn *learn,
		    const struct match *match)
{
	unsigned n = 0;

	for (unsigned i = 0; i < w->n_rules; i++) {
		const struct world_rule *r = &w->rules[i];

		if (r->gone || r->rule->table != learn->table || r->rule->cookie != learn->cookie)
			continue;
		if (r->rule->priority == learn->priority && match_equal(&r->match, match))
			return true;
		n++;
	}
	return !learn->limit || n < learn->limit;
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
		w->n_ports++;
		if (w->plain)
			continue;
		p->no_flood = one_in(w, 6);
		p->no_forward = one_in(w, 12);
		p->no_receive = one_in(w, 20);
		p->no_packet_in = one_in(w, 6);
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

/* Rates of which each packet and each byte takes a whole number of parts of ns. */
static void add_random_meter(struct world *w, uint32_t id)
{
	static const uint16_t rates[] = { 2, 5, 10, 20, 50 };
	struct meter *meter = meter_create(id);

	assert(meter);
	meter->flags = one_in(w, 2) ? METER_PKTPS : METER_KBPS;
	meter->n_bands = 1 + random_below(w, 3);
	for (unsigned i = 0; i < meter->n_bands; i++) {
		struct meter_band *band = &meter->bands[i];

		band->type = one_in(w, 2) ? BAND_DROP : BAND_DSCP_REMARK;
		band->rate = rates[random_below(w, ARRAY_SIZE(rates))];
		band->burst = random_below(w, 4);
		band->prec_level = (uint8_t)random_below(w, 3);
	}
	meter->state = &w->meter_states[id];
	w->meters[id] = meter;
	meter_ref(meter);
	assert(!pipeline_add_meter(w->pipeline, meter));
}

static void begin(struct world *w, uint64_t seed, bool plain)
{
	memset(w, 0, sizeof(*w));
	w->seed = seed << 32;
	w->plain = plain;
	w->pipeline = pipeline_create();
	assert(w->pipeline);
	random_ports(w);
	for (uint8_t i = 0; i < RULE_TABLES; i++)
		set_table(w, i);
	for (uint32_t i = 1; i <= METERS; i++)
		add_random_meter(w, i);
	for (unsigned i = 0; i < POOL; i++)
		random_key(w, &w->pool[i]);
}

void world_create(struct world *w, uint64_t seed)
{
	begin(w, seed, false);
	for (uint32_t i = 1; i <= GROUPS; i++)
		add_random_group(w, i);
	for (unsigned i = 0; i < RULES_AT_FIRST; i++)
		add_random_rule(w);
	set_frags(w);
	pipeline_finish(w->pipeline);
}

void world_create_plain(struct world *w, uint64_t seed)
{
	struct action_list actions = { 0 };
	struct action_output *output;
	struct match match;
	struct rule *rule;

	begin(w, seed, true);
	output = actions_append(&actions, ACTION_OUTPUT, sizeof(*output));
	assert(output);
	output->port = OFPORT_NORMAL;
	match_init(&match);
	rule = rule_create(0, 0, &match, &actions);
	assert(rule);
	add_rule(w, rule, &match);
	pipeline_finish(w->pipeline);
}

/* A rule comes, or the one that has come goes. */
static void change_plain(struct world *w)
{
	if (w->n_rules > 1 && !w->rules[w->n_rules - 1].gone) {
		w->rules[w->n_rules - 1].gone = true;
		assert(!pipeline_remove_rule(w->pipeline, w->rules[w->n_rules - 1].rule));
	} else if (one_in(w, 2)) {
		add_random_rule(w);
	} else {
		random_ports(w);
	}
}

bool world_change(struct world *w)
{
	struct pipeline *next = pipeline_next(w->pipeline);
	bool room = true;

	assert(next);
	pipeline_free(w->pipeline);
	w->pipeline = next;
	switch (w->plain ? UINT32_MAX : random_below(w, 16)) {
	case UINT32_MAX:
		change_plain(w);
		break;
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

/* Calls @fn for all that is counted, until that is true; of what it was then. */
static const char *find_expect(struct world *w, bool (*fn)(struct expect *e))
{
	for (unsigned i = 0; i < w->n_rules; i++)
		if (fn(&w->rules[i].expect))
			return "counts of a rule";
	for (unsigned i = 0; i < w->n_groups; i++)
		for (unsigned b = 0; b <= BUCKETS_MAX; b++)
			if (fn(b ? &w->groups[i].buckets[b - 1] : &w->groups[i].expect))
				return "counts of a group";
	for (unsigned i = 0; i < RULE_TABLES; i++)
		if (fn(&w->tables[i].lookups) || fn(&w->tables[i].matches))
			return "counts of a table";
	return NULL;
}

static bool is_wrong(struct expect *e)
{
	return e->packets != e->tally.packets || e->bytes != e->tally.bytes;
}

const char *world_miscounts(struct world *w)
{
	return find_expect(w, is_wrong);
}

static bool believe(struct expect *e)
{
	e->packets = e->tally.packets;
	e->bytes = e->tally.bytes;
	return false;
}

void world_believe_counts(struct world *w)
{
	(void)find_expect(w, believe);
}
