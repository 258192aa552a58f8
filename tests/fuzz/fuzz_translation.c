// SPDX-License-Identifier: Apache-2.0
/* libFuzzer target: hostile rules and hostile packets. The input makes rules that resubmit to
 * themselves, clone in clones, use groups that use groups, push and learn, and a few packets, of
 * which some are damaged. The way of each packet is bounded, and the same when it is gone again;
 * its plan holds together, stays within the packet, does the same twice, and is that of all packets
 * that do not differ in what was examined, by way of the cache, too. Rules that are learned on the
 * way can be said in words, and are added.
 */
#include "flow/plans.h"
#include "flow/translate.h"
#include "packet.h"
#include "rules.h"

#define RULES_MAX 16
#define LEARNED_MAX 8
#define GROUPS_MAX 6
#define TALLIES_MAX 256
#define HALF (256u << 10) /* of the cache, in bytes */

static struct {
	struct pipeline *p;
	struct tally tallies[TALLIES_MAX];
	unsigned n_tallies, n_learned;
	struct meter_state meter;
	struct plans *plans;
	struct plan_draft draft, again;
} w;

static struct tally *new_tally(void)
{
	w.n_tallies = min(w.n_tallies + 1, TALLIES_MAX - 1u);
	return &w.tallies[w.n_tallies];
}

/* ---- rules */

static bool group_exists(const void *arg, uint32_t group)
{
	(void)arg;
	return pipeline_group(w.p, group);
}

static bool meter_exists(const void *arg, uint32_t meter)
{
	(void)arg;
	return pipeline_meter(w.p, meter);
}

/* Takes over @actions. */
static void add_rule(uint8_t table, uint16_t priority, const struct match *match,
		     struct action_list *actions, bool inconsistent)
{
	const struct action_limits limits = { .table = table,
					      .has_table = true,
					      .inconsistent = inconsistent,
					      .group_exists = group_exists,
					      .meter_exists = meter_exists };
	struct rule *rule;

	if (match_check(match, NULL) || actions_check(actions, match, &limits, NULL)) {
		actions_free(actions);
		return;
	}
	actions_settle(actions, match);
	rule = rule_create(table, priority, match, actions);
	require(rule);
	rule->tally = new_tally();
	require(pipeline_add_rule(w.p, rule) == 0);
	rule_unref(rule);
}

static void make_rule(struct input *in)
{
	uint8_t table = (uint8_t)take_choice(in, 7);
	uint16_t priority = (uint16_t)take_choice(in, 4);
	struct action_list actions = { 0 };
	struct rules_text t = { .len = 0 };
	struct match match;
	struct error err;

	rules_add(&t, in, RULES_PICK(in, rules_matches));
	if (match_parse(&match, t.bytes, &err))
		return;
	t.len = 0;
	if (take_choice(in, 8))
		rules_actions(&t, in, PLACE_RULE, 0);
	else
		rules_add(&t, in, RULES_PICK(in, rules_conjunctions));
	if (t.len && actions_parse(&actions, t.bytes, true, &err))
		return;
	add_rule(table == 6 ? 254 : table, priority, &match, &actions, take_choice(in, 2));
}

/* The switch refuses those that make a loop; here they come through. */
static void make_group(struct input *in, unsigned id)
{
	struct rules_text t = { .len = 0 };
	struct group *group;
	struct error err;

	rules_group(&t, in, id);
	if (group_parse(&group, NULL, t.bytes, &err))
		return;
	if (group_check(group, &err)) {
		group_unref(group);
		return;
	}
	group->tally = new_tally();
	for (unsigned i = 0; i < group->n_buckets; i++)
		group->buckets[i].tally = new_tally();
	require(pipeline_add_group(w.p, group) == 0);
}

static void make_meter(struct input *in)
{
	struct rules_text t = { .len = 0 };
	struct meter *meter;
	struct error err;

	rules_meter(&t, in, 1);
	if (meter_parse(&meter, t.bytes, &err))
		return;
	if (meter_check(meter, &err)) {
		meter_unref(meter);
		return;
	}
	memset(&w.meter, 0, sizeof(w.meter));
	meter->state = &w.meter;
	require(pipeline_add_meter(w.p, meter) == 0);
}

static void make_world(struct input *in)
{
	struct pipeline_port ports[5] = { { .number = 1 },
					  { .number = 2 },
					  { .number = 3 },
					  { .number = 4 },
					  { .number = OFPORT_LOCAL } };
	struct pipeline_table table = { .lookups = new_tally(), .matches = new_tally() };

	w.n_tallies = 0;
	w.p = pipeline_create();
	require(w.p);
	for (unsigned i = 0; i < ARRAY_SIZE(ports); i++) {
		unsigned flags = take_choice(in, 256);

		ports[i].live = !(flags & 1);
		ports[i].no_flood = flags & 16;
		ports[i].no_forward = flags & 32;
		ports[i].no_receive = flags / 64 == 3;
	}
	require(pipeline_set_ports(w.p, ports, ARRAY_SIZE(ports)) == 0);
	table.miss = (enum table_miss)take_choice(in, 3);
	require(pipeline_set_table(w.p, (uint8_t)take_choice(in, 6), &table) == 0);
	pipeline_set_frags(w.p, (uint8_t[]){ 0, 1, 3 }[take_choice(in, 3)]);
	if (take_choice(in, 2))
		make_meter(in);
	for (unsigned i = take_choice(in, GROUPS_MAX + 1); i; i--)
		make_group(in, i);
	for (unsigned n = take_choice(in, RULES_MAX + 1); n; n--)
		make_rule(in);
	pipeline_finish(w.p);
}

/* ---- plans */

/* Where a step begins, or the end. */
static bool is_step(const struct plan_draft *d, uint32_t at)
{
	PLAN_FOR_EACH(s, d->steps, d->steps_len)
	if ((const uint8_t *)s == d->steps + at)
		return true;
	return at == d->steps_len;
}

static void check_rewrite(const struct plan_rewrite *r)
{
	unsigned n = (unsigned)__builtin_popcountll(r->map);

	require(r->step.len == sizeof(*r) + n * sizeof(r->words[0]));
	require(!(r->map >> FLOW_KEY_PACKET_WORDS));
	for (unsigned i = 0; i < n; i++)
		require(r->words[i].mask && !(r->words[i].value & ~r->words[i].mask));
}

static void check_controller(const struct plan_controller *c)
{
	size_t n = (size_t)__builtin_popcountll(c->map);

	require(c->step.len >= sizeof(*c) + n * sizeof(c->words[0]) + c->userdata_len);
	require(c->map < 1ull << (FLOW_KEY_WORDS - FLOW_KEY_PACKET_WORDS));
}

/* The rule can be said in words, and understood. */
static void check_learn(const struct plan_learn *l)
{
	struct action_list list = { (uint8_t *)l + l->step.arg, l->actions_len, l->actions_len };
	static char text[65536];
	struct match again;
	struct error err;

	require(l->step.arg >= sizeof(*l) && l->step.arg + l->actions_len <= l->step.len);
	require(actions_print(&list, text, sizeof(text)) < (int)sizeof(text));
	if (match_check(&l->match, NULL))
		return;
	require(match_print(&l->match, text, sizeof(text)) < (int)sizeof(text));
	require(match_parse(&again, text, &err) == 0 && match_equal(&again, &l->match));
}

static void check_step(const struct plan_draft *d, const struct plan_step *s)
{
	uint32_t at = (uint32_t)((const uint8_t *)s - d->steps);

	require(s->len >= sizeof(*s) && s->len % 8 == 0 && s->len <= d->steps_len - at);
	switch (s->kind) {
	case PLAN_REWRITE:
		check_rewrite((const void *)s);
		break;
	case PLAN_OUTPUT:
		require(s->len == sizeof(struct plan_output) && pipeline_port(w.p, s->arg));
		break;
	case PLAN_CONTROLLER:
		check_controller((const void *)s);
		break;
	case PLAN_METER:
		require(!s->arg || (s->arg < d->steps_len - at && is_step(d, at + s->arg)));
		require(!s->arg ||
			((const struct plan_step *)((const uint8_t *)s + s->arg))->kind ==
				PLAN_RESTORE);
		break;
	case PLAN_LEARN:
		check_learn((const void *)s);
		break;
	case PLAN_DROP:
		require(at + s->len == d->steps_len);
		break;
	default:
		require(s->kind <= PLAN_QUEUE);
		break;
	}
}

static void check_plan(const struct plan_draft *d)
{
	unsigned n_saves = 0, most = 0;

	require(d->steps_len && d->steps_len <= PLAN_STEPS_MAX && d->n_credits <= PLAN_CREDITS_MAX);
	PLAN_FOR_EACH(s, d->steps, d->steps_len)
	{
		check_step(d, s);
		n_saves += s->kind == PLAN_SAVE;
		most = max(most, n_saves);
		require(s->kind != PLAN_RESTORE || n_saves--);
	}
	require(!n_saves && most == d->n_saves && most <= PLAN_SAVES_MAX);
	require(d->cacheable == !d->why_not);
	for (unsigned i = FLOW_KEY_PACKET_WORDS; i < FLOW_KEY_WORDS; i++)
		require(!d->examined.words[i] || !d->cacheable);
}

static bool same_plan(const struct plan_draft *a, const struct plan_draft *b)
{
	return a->steps_len == b->steps_len && a->n_credits == b->n_credits &&
	       !memcmp(a->steps, b->steps, a->steps_len) &&
	       !memcmp(a->credits, b->credits, a->n_credits * sizeof(a->credits[0]));
}

/* ---- what becomes of a packet */

/* Of all that leaves, in order. */
struct verdict {
	uint64_t hash;
	unsigned n;
	bool gone; /* there was no room for a header */
};

static void leave(struct verdict *v, const struct pkt *pkt, const struct plan_step *s)
{
	uint8_t bytes[FRAME_MAX];

	packet_check(pkt);
	pkt_copy(pkt, bytes);
	v->hash = (v->hash ^ s->kind ^ (uint64_t)s->arg << 8 ^ (uint64_t)pkt->len << 40) *
		  0x100000001b3ull;
	for (unsigned i = 0; i < pkt->len; i++)
		v->hash = (v->hash ^ bytes[i]) * 0x100000001b3ull;
	v->n++;
}

static void output(struct verdict *v, struct pkt *pkt, const struct plan_output *s)
{
	static struct rewrite_saved whole;

	if (!s->max_len || s->max_len >= pkt->len) {
		leave(v, pkt, &s->step);
		return;
	}
	rewrite_save(pkt, &whole);
	if (rewrite_truncate(pkt, s->max_len))
		leave(v, pkt, &s->step);
	rewrite_restore(pkt, &whole);
}

/* Headers come and go; false: the packet cannot go on. */
static bool change(struct pkt *pkt, const struct plan_step *s)
{
	switch (s->kind) {
	case PLAN_REWRITE:
		rewrite_fields(pkt, (const void *)s);
		return true;
	case PLAN_PUSH_VLAN:
		return rewrite_push_vlan(pkt, (uint16_t)(s->arg >> 16), (uint16_t)s->arg);
	case PLAN_POP_VLAN:
		rewrite_pop_vlan(pkt);
		return true;
	case PLAN_PUSH_MPLS:
		return rewrite_push_mpls(
			pkt, (uint16_t)((const struct plan_push_mpls *)s)->ethertype, s->arg);
	case PLAN_POP_MPLS:
		rewrite_pop_mpls(pkt, (uint16_t)s->arg);
		return true;
	default:
		return true;
	}
}

/* Bytes to go on; 0: the packet is dropped. */
static uint32_t metered(struct pkt *pkt, const struct plan_meter *s)
{
	uint8_t levels;

	switch (meter_take(s->meter, pkt->len, 1000000000, &levels)) {
	case METER_DROP:
		return s->step.arg;
	case METER_REMARK:
		rewrite_remark(pkt, levels);
		return s->step.len;
	default:
		return s->step.len;
	}
}

/* As the datapath does (datapath/execute.c). */
static struct verdict carry_out(const uint8_t *steps, uint32_t steps_len,
				const struct pkt *received)
{
	static struct rewrite_saved saved[PLAN_SAVES_MAX];
	struct pkt pkt = *received;
	struct verdict v = { .hash = 1 };
	unsigned n_saved = 0;
	uint32_t next;

	pkt.head = pkt.buf + (received->head - received->buf);
	memset(&w.meter, 0, sizeof(w.meter));
	for (uint32_t at = 0; at < steps_len && !v.gone; at += next) {
		const struct plan_step *s = (const void *)(steps + at);

		next = s->len;
		if (s->kind == PLAN_OUTPUT)
			output(&v, &pkt, (const void *)s);
		else if (s->kind == PLAN_NORMAL || s->kind == PLAN_CONTROLLER)
			leave(&v, &pkt, s);
		else if (s->kind == PLAN_SAVE)
			rewrite_save(&pkt, &saved[n_saved++]);
		else if (s->kind == PLAN_RESTORE)
			rewrite_restore(&pkt, &saved[--n_saved]);
		else if (s->kind == PLAN_METER)
			next = metered(&pkt, (const void *)s);
		else
			v.gone = !change(&pkt, s);
		v.gone |= !next;
	}
	packet_check(&pkt);
	return v;
}

/* ---- packets */

/* A new version with the rule that @l makes. */
static void learn(const struct plan_learn *l)
{
	struct action_list made = { (uint8_t *)l + l->step.arg, l->actions_len, l->actions_len };
	struct pipeline *before = w.p;
	struct action_list actions;

	require(actions_copy(&actions, &made) == 0);
	w.p = pipeline_next(before);
	require(w.p);
	add_rule(l->learn->table, l->learn->priority, &l->match, &actions, false);
	pipeline_finish(w.p);
	plans_settle(w.plans, 1);
	if (w.n_learned++)
		pipeline_free(before);
}

/* What the draft speaks of stays: the version before, too. */
static void learn_all(void)
{
	struct pipeline *before = w.p;

	w.n_learned = 0;
	PLAN_FOR_EACH(s, w.draft.steps, w.draft.steps_len)
	if (s->kind == PLAN_LEARN && w.n_learned < LEARNED_MAX)
		learn((const void *)s);
	if (w.n_learned)
		pipeline_free(before);
}

static void go(const struct fuzz_packet *f, const struct flow_key *key,
	       const struct action_list *actions, struct plan_draft *out)
{
	struct translate_input in = {
		.pipeline = w.p, .key = key, .len = f->len, .pkt = &f->pkt, .actions = actions
	};
	struct translate_limit limit;

	translate(&in, out, &limit);
	check_plan(out);
}

/* What the cache has for a packet is what the packet would be given; if there is nothing, it may be
 * kept. */
static void cache(const struct flow_key *key, uint32_t hash, const struct plan_draft *draft)
{
	uint64_t version = pipeline_version(w.p);
	struct plan *plan = plans_find(w.plans, key, version, hash);

	if (!plan) {
		plan = plans_add(w.plans, key, version, hash, draft);
		require(!plan ||
			(draft->cacheable && plan == plans_find(w.plans, key, version, hash)));
	}
	if (!plan)
		return;
	require(plan->steps_len == draft->steps_len &&
		!memcmp(plan->steps, draft->steps, plan->steps_len));
	plans_count(w.plans, plan, 60);
}

static bool not_told_apart(const struct flow_key *a, const struct flow_key *b)
{
	for (unsigned i = 0; i < FLOW_KEY_PACKET_WORDS; i++)
		if ((a->words[i] ^ b->words[i]) & w.draft.examined.words[i])
			return false;
	return true;
}

/* The packet comes again, with a few bytes changed: if nobody has told it from the first one, it
 * has the same plan. */
static void change_packet(struct fuzz_packet *f, struct input *in, uint32_t in_port,
			  const struct flow_key *first)
{
	struct flow_key key = { .in_port = 0 };
	bool told;

	packet_free(f);
	take_damage(in, f->made.bytes, f->len, 6);
	packet_receive(f, in, f->len);
	if (!packet_admit(f))
		return;
	flow_key_extract(&key, &f->pkt, in_port);
	told = !not_told_apart(first, &key);
	go(f, &key, NULL, &w.again);
	cache(&key, 2, &w.again);
	require(told || !w.draft.cacheable || same_plan(&w.draft, &w.again));
	carry_out(w.again.steps, w.again.steps_len, &f->pkt);
}

static void pass(struct fuzz_packet *f, struct input *in)
{
	uint32_t in_port = (uint32_t[]){ 1, 2, 3, 4, OFPORT_LOCAL, 77 }[take_choice(in, 6)];
	struct flow_key key = { .in_port = 0 };
	struct verdict first, second;

	flow_key_extract(&key, &f->pkt, in_port);
	go(f, &key, NULL, &w.draft);
	go(f, &key, NULL, &w.again);
	require(same_plan(&w.draft, &w.again));
	first = carry_out(w.draft.steps, w.draft.steps_len, &f->pkt);
	second = carry_out(w.draft.steps, w.draft.steps_len, &f->pkt);
	require(first.hash == second.hash && first.n == second.n && first.gone == second.gone);
	cache(&key, 1, &w.draft);
	for (unsigned n = take_choice(in, 4); n; n--)
		change_packet(f, in, in_port, &key);
	learn_all();
}

/* As a controller sends one. */
static void packet_out(const struct fuzz_packet *f, struct input *in)
{
	const struct action_limits limits = { .group_exists = group_exists,
					      .meter_exists = meter_exists };
	struct action_list actions = { 0 };
	struct rules_text t = { .len = 0 };
	struct flow_key key = { .in_port = 0 };
	struct error err;

	rules_actions(&t, in, PLACE_NESTED, 0);
	if (actions_parse(&actions, t.bytes, false, &err))
		return;
	flow_key_extract(&key, &f->pkt, OFPORT_CONTROLLER);
	if (actions_check(&actions, NULL, &limits, NULL) == OFERR_NONE) {
		go(f, &key, &actions, &w.again);
		carry_out(w.again.steps, w.again.steps_len, &f->pkt);
	}
	actions_free(&actions);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	static struct fuzz_packet f;

	if (!w.plans)
		w.plans = plans_create(HALF);
	require(w.plans);
	make_world(&in);
	for (unsigned n = 1 + take_choice(&in, 3); n; n--) {
		packet_make(&f, &in);
		if (packet_admit(&f)) {
			if (!take_choice(&in, 8))
				packet_out(&f, &in);
			pass(&f, &in);
		}
		packet_free(&f);
	}
	plans_settle(w.plans, 1);
	pipeline_free(w.p);
	return 0;
}
