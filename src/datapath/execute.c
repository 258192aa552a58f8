// SPDX-License-Identifier: Apache-2.0
/* Carrying out plans. */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "base/log.h"
#include "datapath/bridging.h"
#include "datapath/execute.h"
#include "flow/layout.h"
#include "flow/rewrite.h"
#include "flow/translate.h"
#include "packet/checksum.h"
#include "packet/gso.h"
#include "port/offload.h"

LOG_MODULE("datapath");

#define PLANS_HALF (16u << 20) /* bytes of half a cache; untouched ones cost nothing */
#define REFUSED_MS 1000	       /* before a rule that was refused is asked for again */
#define NESTED_PLANS_MAX 16    /* made for one packet behind patch ports: others are not kept */

/* Packets that went by NORMAL alone, of one bridge, and are not credited yet. */
struct normal_count {
	const struct rule *rule;
	struct tally *credits[3]; /* that of the rule, those of its table; or NULL */
	uint64_t packets, bytes, used_ms;
};

#define ALIKE_CREDITS_MAX 16

/* Packets in a row that had no plan of the cache, have met the same rules, and are not credited
 * yet: to add to what other workers add to is dear. */
struct alike_count {
	uint32_t n;
	struct tally *credits[ALIKE_CREDITS_MAX];
	uint64_t packets, bytes, used_ms;
};

struct execution {
	struct plans *plans;
	struct upcalls *up;
	struct normal_count normal;
	struct alike_count alike;
	uint64_t now_ms;
	unsigned n_nested; /* plans made behind patch ports, for the packet at hand */
	/* The key of the packet at hand on each bridge of its way; words that are not of the packet
	 * stay 0. */
	struct flow_key keys[VIEW_PATCH_HOPS_MAX + 1];
	struct plan_draft drafts[VIEW_PATCH_HOPS_MAX + 1]; /* untouched ones cost nothing */
};

/* A plan while it is carried out. */
struct course {
	struct forwarder *fw;
	const struct execution_out *out;
	const struct pipeline *rules;
	struct pkt *pkt;
	unsigned hops;
	bool queued;	       /* the packet is in outboxes, which see what is changed on it, */
	struct normal_tag tag; /* and may change its tag: this one is right */
	unsigned n_saved;
	struct rewrite_saved saved[PLAN_SAVES_MAX];
};

struct execution *execution_create(struct upcalls *up)
{
	struct execution *x = mmap(NULL, sizeof(*x), PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (x == MAP_FAILED)
		return NULL;
	x->up = up;
	x->plans = plans_create(PLANS_HALF);
	if (x->plans)
		return x;
	execution_destroy(x);
	return NULL;
}

void execution_destroy(struct execution *x)
{
	if (!x)
		return;
	plans_destroy(x->plans);
	munmap(x, sizeof(*x));
}

const struct pipeline *execution_rules(const struct view_bridge *bridge, const struct rule **normal)
{
	const struct pipeline *rules;

	*normal = NULL;
	if (!bridge->rules)
		return NULL;
	rules = rcu_read(bridge->rules);
	*normal = pipeline_only_normal(rules);
	return *normal ? NULL : rules;
}

/* Before the headers are changed: what is in outboxes leaves as it is. */
static void unqueue(struct course *c)
{
	if (!c->queued)
		return;
	flush_all(c->fw);
	c->queued = false;
	if (c->pkt->tagged || c->tag.tagged)
		pkt_set_tag(c->pkt, c->tag.tagged, c->tag.tci);
}

/* It is put into outboxes now. */
static void queue(struct course *c)
{
	if (c->queued)
		return;
	c->queued = true;
	c->tag = (struct normal_tag){ c->pkt->tagged, c->pkt->tci };
}

/* Of the packet with its own tag, whatever outboxes have made of that. */
static uint32_t own_len(const struct course *c)
{
	if (!c->queued)
		return c->pkt->len;
	return c->pkt->len + (c->tag.tagged ? VLAN_TAG_LEN : 0) -
	       (c->pkt->tagged ? VLAN_TAG_LEN : 0);
}

static void drop(struct course *c, enum drop_reason reason)
{
	drop_count(counters(c->fw, c->out->in), reason, 1);
}

static void output(struct course *c, const struct plan_output *step)
{
	const struct view_port *port = view_find_ofport(c->out->in->bridge, step->step.arg);
	struct rewrite_saved whole;
	bool cut = step->max_len && step->max_len < own_len(c);

	if (unlikely(!port)) {
		drop(c, DROP_no_such_port);
		return;
	}
	if (unlikely(cut)) {
		unqueue(c);
		rewrite_save(c->pkt, &whole);
		if (!rewrite_truncate(c->pkt, step->max_len)) {
			rewrite_restore(c->pkt, &whole);
			drop(c, DROP_offload);
			return;
		}
	}
	queue(c);
	bridging_emit(c->fw, port, c->pkt, c->tag, c->hops);
	if (unlikely(cut)) {
		unqueue(c);
		rewrite_restore(c->pkt, &whole);
	}
}

static void normal(struct course *c)
{
	unqueue(c); /* outboxes may have given it another tag */
	queue(c);
	bridging_received(c->fw, c->out->in, c->pkt, c->hops);
}

/* Whether anybody wants what packets have for controllers. */
static bool listened(const struct view_bridge *bridge)
{
	return !bridge->listened || __atomic_load_n(bridge->listened, __ATOMIC_RELAXED);
}

/* False: there is no room. */
static bool tell(struct course *c, struct upcall *u, const struct pkt *pkt)
{
	u->total_len = u->frame_len = pkt->len;
	if (u->max_len != CONTROLLER_WHOLE)
		u->frame_len = min(u->total_len, (uint32_t)u->max_len);
	if (upcalls_put(c->fw->execution->up, u, pkt))
		return true;
	drop(c, DROP_controller_full);
	return false;
}

/* A controller gets what would be on a wire: its checksum is complete. */
static void tell_packet(struct course *c, struct upcall *u)
{
	struct batch *room = &c->fw->segments;
	struct pkt *copy = &room->pkts[0];

	if (likely(!(c->pkt->offload.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM))) {
		(void)tell(c, u, c->pkt);
		return;
	}
	room->n = room->n_frags = 0;
	*copy = *c->pkt;
	copy->head = copy->buf + (c->pkt->head - c->pkt->buf);
	if (checksum_complete(copy) == 0 || checksum_complete_copy(c->pkt, room) == 0)
		(void)tell(c, u, copy);
	else
		drop(c, DROP_offload);
}

/* And a large packet's segments. */
static void tell_segments(struct course *c, struct upcall *u)
{
	struct batch *room = &c->fw->segments;
	struct gso gso;

	if (gso_start(&gso, c->pkt) < 0) {
		drop(c, DROP_offload);
		return;
	}
	do
		room->n = room->n_frags = 0;
	while (gso_next(&gso, false, room) && tell(c, u, &room->pkts[0]));
}

static void to_controller(struct course *c, const struct plan_controller *step)
{
	struct upcall u = {
		.kind = UPCALL_PACKET,
		.reason = step->reason,
		.table = step->table,
		.controller = (uint16_t)step->step.arg,
		.max_len = step->max_len,
		.userdata_len = step->userdata_len,
		.port = c->out->in->id,
		.serial = c->out->in->serial,
		.in_port = c->out->in_port,
		.cookie = step->cookie,
		.rules = c->out->in->bridge->rules,
		.rule = step->rule,
		.map = step->map,
		.words = step->words,
		.userdata = (const uint8_t *)(step->words + __builtin_popcountll(step->map)),
	};

	if (!listened(c->out->in->bridge)) {
		drop(c, DROP_no_controller);
		return;
	}
	unqueue(c); /* outboxes may have given it another tag */
	if (c->pkt->offload.gso_type != VIRTIO_NET_HDR_GSO_NONE)
		tell_segments(c, &u);
	else
		tell_packet(c, &u);
}

/* Where to go on behind a meter: as many bytes; 0: the packet is over its limit. */
static uint32_t metered(struct course *c, const struct plan_meter *step)
{
	uint8_t levels;

	switch (meter_take(step->meter, own_len(c), c->fw->now, &levels)) {
	case METER_PASS:
		return step->step.len;
	case METER_REMARK:
		unqueue(c);
		rewrite_remark(c->pkt, levels);
		return step->step.len;
	case METER_DROP:
		break;
	}
	drop(c, DROP_meter);
	return step->step.arg; /* a copy is dropped alone */
}

static void finish(const struct course *c, const struct plan_fin_timeout *step)
{
	uint16_t idle = __atomic_load_n(&step->rule->idle_timeout, __ATOMIC_RELAXED);
	uint16_t hard = __atomic_load_n(&step->rule->hard_timeout, __ATOMIC_RELAXED);
	struct upcall u = {
		.kind = UPCALL_FIN,
		.rules = c->out->in->bridge->rules,
		.rule = step->rule,
		.idle = step->idle,
		.hard = step->hard,
	};

	/* a rule that lives for a shorter time anyway stays as it is; one without a record lives on
	 * as long as it would without the packet */
	if ((step->idle && (!idle || idle > step->idle)) ||
	    (step->hard && (!hard || hard > step->hard)))
		(void)upcalls_put(c->fw->execution->up, &u, NULL);
}

/* A step that changes headers. False: the packet cannot go on. */
static bool rewrite(struct course *c, const struct plan_step *s)
{
	unqueue(c);
	switch (s->kind) {
	case PLAN_REWRITE:
		rewrite_fields(c->pkt, (const struct plan_rewrite *)s);
		return true;
	case PLAN_PUSH_VLAN:
		return rewrite_push_vlan(c->pkt, (uint16_t)(s->arg >> 16), (uint16_t)s->arg);
	case PLAN_POP_VLAN:
		rewrite_pop_vlan(c->pkt);
		return true;
	case PLAN_PUSH_MPLS:
		return rewrite_push_mpls(
			c->pkt, (uint16_t)((const struct plan_push_mpls *)s)->ethertype, s->arg);
	case PLAN_POP_MPLS:
		rewrite_pop_mpls(c->pkt, (uint16_t)s->arg);
		return true;
	case PLAN_SAVE:
		if (c->n_saved == PLAN_SAVES_MAX)
			return false;
		rewrite_save(c->pkt, &c->saved[c->n_saved++]);
		return true;
	default: /* PLAN_RESTORE */
		rewrite_restore(c->pkt, &c->saved[--c->n_saved]);
		return true;
	}
}

/* One step. How many bytes behind it begins the next one; 0: it was the last one for this packet.
 */
static uint32_t step(struct course *c, const struct plan_step *s)
{
	switch (s->kind) {
	case PLAN_OUTPUT:
		output(c, (const struct plan_output *)s);
		break;
	case PLAN_NORMAL:
		normal(c);
		break;
	case PLAN_CONTROLLER:
		to_controller(c, (const struct plan_controller *)s);
		break;
	case PLAN_METER:
		return metered(c, (const struct plan_meter *)s);
	case PLAN_DROP:
		drop(c, s->arg);
		break;
	case PLAN_FIN_TIMEOUT:
		finish(c, (const struct plan_fin_timeout *)s);
		break;
	case PLAN_LEARN:
	case PLAN_QUEUE:
		break;
	default:
		if (likely(rewrite(c, s)))
			break;
		drop(c, DROP_no_headroom);
		return 0;
	}
	return s->len;
}

static uint64_t boottime_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Whether the control thread was asked for the rule lately, and has not made it: as long as the
 * rules are these, it hardly will. */
static bool is_refused(const struct course *c, const struct plan_learn *l)
{
	if (likely(!l->asked) || c->fw->execution->now_ms - l->asked_ms >= REFUSED_MS ||
	    spsc_consumed(&c->fw->execution->up->queue) < l->asked)
		return false;
	/* it gives the record back behind publication */
	return rcu_read(c->out->in->bridge->rules) == c->rules;
}

/* Whether the rule that a learn step makes is there, as it makes it; then it is young again. */
static bool is_learned(const struct course *c, const struct plan_learn *l)
{
	const struct action_learn *a = l->learn;
	struct rule *rule = pipeline_find_rule(c->rules, a->table, a->priority, &l->match);
	struct action_list actions = { (uint8_t *)l + l->step.arg, l->actions_len, l->actions_len };

	if (!rule || rule->cookie != a->cookie || rule->hard_timeout != a->hard_timeout ||
	    rule->idle_timeout != a->idle_timeout || !actions_equal(&rule->actions, &actions))
		return false;
	__atomic_store_n(&rule->modified_ms, boottime_ms(), __ATOMIC_RELAXED);
	return true;
}

/* Whether nothing has to be asked for. */
static bool is_known(const struct course *c, const struct plan_learn *l)
{
	return is_refused(c, l) || is_learned(c, l);
}

/* Lets the control thread learn what the packet teaches, and send it on its way again. */
static void teach(struct course *c, uint8_t *steps, uint32_t len, size_t learn_len, unsigned n)
{
	struct upcalls *up = c->fw->execution->up;
	struct upcall u = {
		.kind = UPCALL_LEARN,
		.port = c->out->in->id,
		.serial = c->out->in->serial,
		.in_port = c->out->in_port,
		.rules = c->out->in->bridge->rules,
	};

	if (!upcalls_room(up,
			  learn_len + c->pkt->len + (c->out->actions ? c->out->actions->len : 0),
			  n + 1)) {
		drop(c, DROP_learn_full);
		return;
	}
	PLAN_FOR_EACH(s, steps, len)
	{
		struct plan_learn *l = (struct plan_learn *)s;

		if (s->kind != PLAN_LEARN || is_known(c, l))
			continue;
		u.learn = l;
		if (!upcalls_put(up, &u, NULL))
			continue;
		l->asked = spsc_published(&up->queue);
		l->asked_ms = c->fw->execution->now_ms;
	}
	u.kind = UPCALL_AGAIN;
	u.learn = NULL;
	u.total_len = u.frame_len = c->pkt->len;
	if (c->out->actions) {
		u.actions = c->out->actions->bytes;
		u.actions_len = c->out->actions->len;
	}
	u.offload = c->pkt->offload;
	u.hops = c->hops;
	u.n_crossings = c->fw->n_crossings;
	u.n_waits = (uint8_t)(c->out->n_waits + 1);
	u.version = pipeline_version(c->rules);
	if (!upcalls_put(up, &u, c->pkt))
		drop(c, DROP_learn_full);
}

/* Whether the packet has waited enough: it goes on, whatever has been learned. By other rules than
 * those that it waited for it may teach something else. */
static bool has_waited(const struct course *c)
{
	const struct execution_out *out = c->out;

	return out->n_waits &&
	       (out->n_waits >= EXECUTION_WAITS_MAX || out->version == pipeline_version(c->rules));
}

/* Whether the packet has to wait until what it teaches has been learned; it is on its way then. */
static bool teaches(struct course *c, uint8_t *steps, uint32_t len)
{
	size_t learn_len = 0;
	unsigned n = 0;

	if (likely(len < sizeof(struct plan_learn)))
		return false;
	PLAN_FOR_EACH(s, steps, len)
	if (s->kind == PLAN_LEARN && !is_known(c, (const struct plan_learn *)s)) {
		learn_len += s->len + sizeof(struct action_learn);
		n++;
	}
	if (!n || has_waited(c))
		return false;
	teach(c, steps, len, learn_len, n);
	return true;
}

static void take_course(struct course *c, const uint8_t *steps, uint32_t len)
{
	const uint8_t *at = steps, *end = steps + len;

	while (at < end) {
		uint32_t behind = step(c, (const struct plan_step *)at);

		if (unlikely(!behind))
			return;
		at += behind;
	}
}

/* Spreads a flow over the hints; flows that collide only cost time. */
static uint32_t hash_of(const struct flow_key *key)
{
	const uint64_t *w = key->words;
	uint64_t h = hash_mix(w[0] ^ w[5], w[3] ^ hash_secret());

	if (unlikely(key->eth_type != ETH_P_IP))
		h = hash_mix(h ^ w[1] ^ w[6] ^ w[8], w[2] ^ w[4] ^ w[7] ^ w[9]);
	return (uint32_t)(h ^ h >> 32);
}

static void log_limit(const struct translate_limit *limit)
{
	if (limit->rule)
		log_limited(LOG_WARNING,
			    "a packet was dropped: %s (table %u, priority %u, cookie 0x%llx)",
			    limit->what, limit->rule->table, limit->rule->priority,
			    (unsigned long long)limit->rule->cookie);
	else
		log_limited(LOG_WARNING, "a packet was dropped: %s", limit->what);
}

static void credit_alike(struct execution *x)
{
	struct alike_count *a = &x->alike;

	for (uint32_t i = 0; i < a->n; i++)
		tally_add(a->credits[i], a->packets, a->bytes, a->used_ms);
	a->n = 0;
	a->packets = a->bytes = 0;
}

static void count_draft(struct execution *x, const struct plan_draft *draft, uint32_t len)
{
	struct alike_count *a = &x->alike;
	size_t size = draft->n_credits * sizeof(draft->credits[0]);

	if (draft->n_credits > ALIKE_CREDITS_MAX) {
		for (uint32_t i = 0; i < draft->n_credits; i++)
			tally_add(draft->credits[i], 1, len, x->now_ms);
		return;
	}
	if (a->n != draft->n_credits || memcmp(a->credits, draft->credits, size)) {
		credit_alike(x);
		a->n = draft->n_credits;
		memcpy(a->credits, draft->credits, size);
	}
	a->packets++;
	a->bytes += len;
	a->used_ms = x->now_ms;
}

/* Translates, keeps the plan if that can be, and carries it out. */
static void make_plan(struct course *c, const struct flow_key *key, uint32_t hash)
{
	struct execution *x = c->fw->execution;
	struct plan_draft *draft = &x->drafts[c->hops];
	const struct translate_input in = {
		.pipeline = c->rules,
		.key = key,
		.len = c->pkt->len,
		.pkt = c->pkt,
		.actions = c->out->actions,
	};
	struct translate_limit limit = { NULL, NULL };
	struct plan *plan = NULL;
	uint32_t len = c->pkt->len;

	translate(&in, draft, &limit);
	if (unlikely(limit.what))
		log_limit(&limit);
	if (!in.actions && draft->cacheable && (!c->hops || x->n_nested++ < NESTED_PLANS_MAX))
		plan = plans_add(x->plans, key, pipeline_version(c->rules), hash, draft);
	if (teaches(c, plan ? plan->steps : draft->steps, draft->steps_len))
		return;
	if (plan)
		plans_count(x->plans, plan, len);
	else
		count_draft(x, draft, len);
	take_course(c, draft->steps, draft->steps_len);
}

/* Whether the transport header of an IPv6 packet, which rules would have to see, lies behind the
 * private copy: extension headers can push it there. */
static bool hides_transport(const struct pkt *pkt, const struct flow_key *key)
{
	struct layout l;

	if (likely(key->tp_src | key->tp_dst) || key->eth_type != ETH_P_IPV6 ||
	    pkt->len <= pkt->head_len || key->nw_frag & FLOW_FRAG_LATER)
		return false;
	layout_read(&l, pkt);
	return !l.l4 && l.limit < l.end &&
	       (!l.transport || l.proto == IPPROTO_TCP || l.proto == IPPROTO_UDP ||
		l.proto == IPPROTO_SCTP || l.proto == IPPROTO_ICMPV6);
}

/* A packet meets the rules of its bridge. */
static void meet_rules(struct course *c)
{
	struct execution *x = c->fw->execution;
	struct flow_key *key = &x->keys[c->hops];
	struct plan *plan;
	uint32_t hash;

	flow_key_extract(key, c->pkt, c->out->in_port);
	if (unlikely(hides_transport(c->pkt, key))) {
		drop(c, DROP_headers_long);
		return;
	}
	hash = hash_of(key);
	if (unlikely(c->out->actions)) {
		make_plan(c, key, hash);
		return;
	}
	plan = plans_find(x->plans, key, pipeline_version(c->rules), hash);
	if (unlikely(!plan)) {
		make_plan(c, key, hash);
		return;
	}
	if (unlikely(teaches(c, plan->steps, plan->steps_len)))
		return;
	plans_count(x->plans, plan, c->pkt->len);
	take_course(c, plan->steps, plan->steps_len);
}

/* Whether rules can be met: what the guest has left to be done must leave headers alone. */
static bool fit_for_rules(struct forwarder *fw, const struct view_port *in, struct pkt *pkt)
{
	if (likely(offload_none(pkt)) || likely(rewrite_check_offload(pkt)))
		return true;
	drop_count(counters(fw, in), DROP_offload, 1);
	return false;
}

void execution_packet(struct forwarder *fw, const struct pipeline *rules,
		      const struct view_port *in, struct pkt *pkt, unsigned hops)
{
	const struct execution_out out = { .in = in, .in_port = in->ofport };
	struct course c;

	c.fw = fw;
	c.out = &out;
	c.rules = rules;
	c.pkt = pkt;
	c.hops = hops;
	c.queued = false;
	c.n_saved = 0;
	if (!hops)
		fw->execution->n_nested = 0;
	if (likely(fit_for_rules(fw, in, pkt)))
		meet_rules(&c);
}

void execution_packet_out(struct forwarder *fw, const struct execution_out *out, struct pkt *pkt)
{
	struct course c = { .fw = fw, .out = out, .pkt = pkt, .hops = out->hops };

	fw->execution->n_nested = 0;
	c.rules = out->in->bridge->rules ? rcu_read(out->in->bridge->rules) : NULL;
	if (c.rules && fit_for_rules(fw, out->in, pkt))
		meet_rules(&c);
}

void execution_enter(struct forwarder *fw, const struct pipeline *rules, const struct view_port *in,
		     struct pkt *pkt, struct normal_tag tag, unsigned hops)
{
	struct rewrite_saved saved;

	flush_all(fw);
	rewrite_save(pkt, &saved);
	if (pkt->tagged || tag.tagged)
		pkt_set_tag(pkt, tag.tagged, tag.tci);
	execution_packet(fw, rules, in, pkt, hops);
	flush_all(fw);
	rewrite_restore(pkt, &saved);
}

static void credit_normal(struct execution *x)
{
	struct normal_count *n = &x->normal;

	for (unsigned i = 0; i < ARRAY_SIZE(n->credits); i++)
		if (n->credits[i])
			tally_add(n->credits[i], n->packets, n->bytes, n->used_ms);
	*n = (struct normal_count){ 0 };
}

void execution_count_normal(struct execution *x, const struct view_bridge *bridge,
			    const struct rule *rule, unsigned n, uint64_t bytes)
{
	if (unlikely(x->normal.rule != rule)) {
		const struct pipeline_table *table = pipeline_table(rcu_read(bridge->rules), 0);

		credit_normal(x);
		x->normal.rule = rule;
		x->normal.credits[0] = rule->tally;
		x->normal.credits[1] = table->lookups;
		x->normal.credits[2] = table->matches;
	}
	x->normal.packets += n;
	x->normal.bytes += bytes;
	x->normal.used_ms = x->now_ms;
}

void execution_set_time(struct execution *x, uint64_t now)
{
	x->now_ms = now / 1000000;
	plans_set_time(x->plans, x->now_ms);
}

void execution_settle(struct execution *x)
{
	credit_normal(x);
	credit_alike(x);
	plans_settle(x->plans, x->now_ms);
}

bool execution_settled(const struct execution *x)
{
	return !x->normal.rule && !x->alike.n && plans_settled(x->plans);
}

void execution_stats(const struct execution *x, struct plans_stats *out)
{
	plans_stats(x->plans, out);
}
