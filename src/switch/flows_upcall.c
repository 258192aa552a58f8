// SPDX-License-Identifier: Apache-2.0
/* What packets want of the control thread: controllers to be told, rules to be learned. And the way
 * back: packets that controllers send.
 */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "datapath/upcall.h"
#include "switch/flows_keep.h"

LOG_MODULE("flows");

struct flows *flows_of_rules(struct swtch *sw, const void *rules)
{
	for (struct sw_bridge *b = sw->bridges; b; b = b->next)
		if (&b->flows->current == rules)
			return b->flows;
	return NULL;
}

static void deliver(struct flows *flows, const struct upcall *u)
{
	struct flow_key metadata;
	struct flows_packet packet = {
		.metadata = &metadata,
		.cookie = u->cookie,
		.controller = u->controller,
		.max_len = u->max_len,
		.reason = u->reason,
		.table = u->table,
		.userdata = u->userdata,
		.userdata_len = u->userdata_len,
		.frame = u->frame,
		.len = u->frame_len,
		.total_len = u->total_len,
	};
	struct flows_listener *next;
	unsigned n = 0;

	memset(&metadata, 0, sizeof(metadata));
	metadata.in_port = u->in_port;
	for (unsigned i = 0; i < FLOW_KEY_WORDS - FLOW_KEY_PACKET_WORDS; i++)
		if (u->map >> i & 1)
			metadata.words[FLOW_KEY_PACKET_WORDS + i] = u->words[n++];
	for (struct flows_listener *l = flows->listeners; l; l = next) {
		next = l->next;
		if (l->packet)
			l->packet(l->arg, &packet);
	}
}

/* Whether there is room for another rule that @a makes. */
static bool below_limit(struct flows *flows, const struct action_learn *a, const struct rule *old)
{
	return !a->limit || (old && old->cookie == a->cookie) ||
	       uses_learned(flows, flows->current, a->table, a->cookie) < a->limit;
}

/* The one that is there is as the packet teaches it: it is young again. */
static bool refresh(const struct rule *old, const struct action_learn *a,
		    const struct action_list *actions)
{
	if (!old || old->hidden || old->cookie != a->cookie ||
	    old->idle_timeout != a->idle_timeout || old->hard_timeout != a->hard_timeout ||
	    !actions_equal(&old->actions, actions))
		return false;
	__atomic_store_n(&((struct rule *)old)->modified_ms, flows_now_ms(), __ATOMIC_RELAXED);
	return true;
}

/* Whether the rule that teaches has gone meanwhile, and no other one teaches the same in its place:
 * what it has taught would be left behind. */
static bool is_stale(const struct flows *flows, const struct plan_learn *l)
{
	const struct rule *teacher = l->teacher, *now;
	struct match match;

	if (!teacher || !teacher->owner || ((struct flows_rule *)teacher->owner)->shown)
		return false;
	rule_match(teacher, &match);
	now = pipeline_find_rule(flows->current, teacher->table, teacher->priority, &match);
	return !now || !actions_equal(&now->actions, &teacher->actions);
}

static void learn(struct flows *flows, const struct plan_learn *l)
{
	const struct action_learn *a = l->learn;
	struct action_list taught = { .bytes = (uint8_t *)l + l->step.arg,
				      .len = l->actions_len,
				      .size = l->actions_len };
	struct flow_mod mod = {
		.command = FLOW_ADD,
		.table = a->table,
		.priority = a->priority,
		.idle_timeout = a->idle_timeout,
		.hard_timeout = a->hard_timeout,
		.flags = a->flags & LEARN_SEND_FLOW_REM ? RULE_SEND_FLOW_REM : 0,
		.cookie = a->cookie,
		.out_port = OFPORT_NONE,
		.out_group = GROUP_ANY,
		.match = l->match,
		.learned = true,
	};
	const struct rule *old =
		pipeline_find_rule(flows->current, a->table, a->priority, &l->match);
	struct error err = { "" };
	enum of_error e;

	if (is_stale(flows, l) || refresh(old, a, &taught) || !below_limit(flows, a, old))
		return;
	if (actions_copy(&mod.actions, &taught) < 0)
		return;
	e = flows_mod(flows, &mod, &err);
	if (e)
		log_limited(LOG_WARNING, "bridge %s cannot learn a rule for table %u: %s",
			    flows->name, a->table, *err.text ? err.text : of_error_name(e));
}

/* A timeout is at most @most seconds from now on; 0: does not matter. */
static void shorten(uint16_t *timeout, uint16_t most)
{
	if (most && (!*timeout || *timeout > most))
		__atomic_store_n(timeout, most, __ATOMIC_RELAXED);
}

static void finish(struct flows *flows, const struct upcall *u)
{
	struct rule *rule = (struct rule *)u->rule;
	struct flows_rule *owner = rule->owner;

	if (!owner || !owner->shown || expire_reserve(flows, 1) < 0)
		return;
	shorten(&rule->idle_timeout, u->idle);
	shorten(&rule->hard_timeout, u->hard);
	expire_add(flows, owner);
	flows_keep_times(rule);
}

/* A packet goes on by what it has taught. Lost, it is counted where workers do not count. */
static void go_again(struct swtch *sw, const struct upcall *u)
{
	struct sw_port *p;

	if (datapath_again(sw->dp, u) == 0)
		return;
	p = switch_port_by_id(sw, u->port);
	if (p && p->serial == u->serial && p->state)
		drop_count(&p->state->before, DROP_learn_full, 1);
}

static void on_upcall(void *arg, const struct upcall *u)
{
	struct swtch *sw = arg;
	struct flows *flows = flows_of_rules(sw, u->rules);

	if (!flows || flows->closed || sw->destroying)
		return;
	switch (u->kind) {
	case UPCALL_PACKET:
		deliver(flows, u);
		break;
	case UPCALL_LEARN:
		learn(flows, u->learn);
		break;
	case UPCALL_AGAIN:
		go_again(sw, u);
		break;
	case UPCALL_FIN:
		finish(flows, u);
		break;
	case UPCALL_WATCHED:
		live_packet(flows, u);
		break;
	default:
		break;
	}
}

void flows_upcalls_init(struct swtch *sw)
{
	datapath_set_upcall(sw->dp, on_upcall, sw);
}

enum of_error flows_packet_out(struct flows *flows, uint32_t in_port,
			       const struct action_list *actions, const uint8_t *frame, size_t len,
			       struct error *err)
{
	const struct action_limits limits = {
		.group_exists = flows_has_group,
		.meter_exists = flows_has_meter,
		.arg = flows->current,
	};
	const struct sw_port *p = flows_find_port(flows, in_port);
	enum of_error e = actions_check(actions, NULL, &limits, err);
	int r;

	if (e)
		return e;
	if (!p && in_port < OFPORT_MAX) {
		error_set(err, -ENOENT, "bridge %s has no port %u", flows->name, in_port);
		return OFERR_BAD_PORT;
	}
	if (len < ETH_HLEN || len > UINT16_MAX) {
		error_set(err, -EINVAL, "a packet of %zu bytes is no Ethernet frame", len);
		return OFERR_BAD_PACKET;
	}
	if (uses_live_ports(actions) && flows_show_live(flows) < 0) {
		error_set(err, -ENOMEM, "out of memory");
		return OFERR_BUFFER_UNKNOWN;
	}
	r = datapath_packet_out(flows->sw->dp, &flows->current, p ? p->id : 0, in_port, actions,
				frame, (uint32_t)len);
	if (r == 0)
		return OFERR_NONE;
	error_set(err, r, "too many packets wait to be sent");
	return OFERR_BUFFER_UNKNOWN;
}
