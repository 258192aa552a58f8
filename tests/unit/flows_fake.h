/* SPDX-License-Identifier: Apache-2.0 */
/* A bridge without a switch, for tests of OpenFlow: real versions of the pipeline, changed in the
 * simplest way; ports and packets are lists. One at a time.
 */
#pragma once

#include <stdlib.h>
#include <string.h>

#include "switch/flows.h"

#define FAKE_PORTS 4

struct swtch {
	void (*on_bridge)(void *arg, struct flows *flows);
	void *arg;
};

struct flows {
	const char *name;
	struct pipeline *pipeline;
	struct flows_listener *listeners;
	struct flows_port ports[FAKE_PORTS];
	unsigned n_ports;
	struct tally tally; /* of all rules, groups and buckets */
	struct meter_state meter;
	unsigned users; /* of each group and meter */

	/* what was asked for last */
	unsigned n_mods;
	struct flow_mod mod;
	struct flow_filter filter;
	enum group_command group_command;
	uint32_t bucket;
	uint32_t port_config, port_mask;
	uint32_t in_port;
	struct action_list actions; /* of a packet-out */
	uint8_t frame[128];
	size_t frame_len;
	enum of_error refuse; /* the next change */
	bool gathers;
	unsigned n_waiting,
		n_published; /* flow-mods that wait; and how often some were published */
	unsigned lose;	     /* of the next ones that are published */

	bool hold_settles;
	void (*settled)(void *arg);
	void *settled_arg;
};

static struct flows fake;

static inline void fake_setup(void)
{
	memset(&fake, 0, sizeof(fake));
	fake.name = "br0";
	fake.pipeline = pipeline_create();
	if (!fake.pipeline)
		abort();
	fake.n_ports = 2;
	fake.ports[0] = (struct flows_port){ .number = 1,
					     .name = "vm1",
					     .mac = 0x020000000001,
					     .link = true,
					     .rx_packets = 1,
					     .tx_packets = 2,
					     .rx_bytes = 3,
					     .tx_bytes = 4,
					     .rx_dropped = 5,
					     .tx_dropped = 6 };
	fake.ports[1] = (struct flows_port){ .number = 2, .name = "vm2", .no_flood = true };
}

/* What waits is told all the same, as when a bridge goes away. */
static inline void fake_settle(void)
{
	void (*fn)(void *arg) = fake.settled;

	fake.settled = NULL;
	if (fn)
		fn(fake.settled_arg);
}

static inline void fake_teardown(void)
{
	fake_settle();
	pipeline_free(fake.pipeline);
	actions_free(&fake.actions);
	fake.pipeline = NULL;
}

const char *flows_bridge(const struct flows *flows)
{
	return flows->name;
}

const struct pipeline *flows_pipeline(const struct flows *flows)
{
	return flows->pipeline;
}

static inline enum of_error fake_refusal(void)
{
	enum of_error error = fake.refuse;

	fake.refuse = OFERR_NONE;
	return error;
}

static inline void fake_publish(struct pipeline *next)
{
	struct pipeline *old = fake.pipeline;

	fake.pipeline = next;
	pipeline_free(old);
}

struct fake_deletion {
	const struct flow_mod *mod;
	struct pipeline *next;
};

static inline bool fake_remove(void *arg, struct rule *rule)
{
	struct fake_deletion *d = arg;

	if ((rule->cookie & d->mod->cookie_mask) == (d->mod->cookie_value & d->mod->cookie_mask))
		pipeline_remove_rule(d->next, rule);
	return true;
}

enum of_error flows_mod(struct flows *flows, struct flow_mod *mod, struct error *err)
{
	struct fake_deletion d = { .mod = mod };
	enum of_error error = fake_refusal();
	struct rule *rule;

	flows->n_mods++;
	flows->mod = *mod;
	flows->mod.actions = (struct action_list){ 0 };
	if (error)
		return error;
	d.next = pipeline_next(flows->pipeline);
	if (!d.next)
		abort();
	if (mod->command == FLOW_ADD) {
		uint8_t table = mod->table == FLOWS_TABLE_ALL ? 0 : mod->table;

		rule = rule_create(table, mod->priority, &mod->match, &mod->actions);
		if (!rule)
			abort();
		rule->cookie = mod->cookie;
		rule->flags = mod->flags;
		rule->idle_timeout = mod->idle_timeout;
		rule->hard_timeout = mod->hard_timeout;
		rule->importance = mod->importance;
		rule->tally = &flows->tally;
		pipeline_add_rule(d.next, rule);
		rule_unref(rule);
	} else if (mod->command == FLOW_DELETE) {
		pipeline_each_rule(flows->pipeline, mod->table, &mod->match, fake_remove, &d);
	}
	fake_publish(d.next);
	flows->n_waiting += flows->gathers;
	return OFERR_NONE;
}

void flows_gather(struct flows *flows)
{
	flows->gathers = true;
}

unsigned flows_publish(struct flows *flows)
{
	unsigned n_lost = min(flows->lose, flows->n_waiting);

	flows->n_published += flows->n_waiting > 0;
	flows->n_waiting = flows->lose = 0;
	flows->gathers = false;
	return n_lost;
}

struct fake_walk {
	const struct flow_filter *filter;
	bool (*fn)(void *arg, const struct rule *rule);
	void *arg;
};

static inline bool fake_visit(void *arg, struct rule *rule)
{
	struct fake_walk *w = arg;

	if ((rule->cookie ^ w->filter->cookie) & w->filter->cookie_mask)
		return true;
	return w->fn(w->arg, rule);
}

void flows_each(struct flows *flows, const struct flow_filter *filter,
		bool (*fn)(void *arg, const struct rule *rule), void *arg)
{
	struct fake_walk w = { filter, fn, arg };

	flows->filter = *filter;
	pipeline_each_rule(flows->pipeline, filter->table, &filter->match, fake_visit, &w);
}

void flows_settle(struct flows *flows, void (*fn)(void *arg), void *arg)
{
	if (!flows->hold_settles) {
		fn(arg);
		return;
	}
	flows->settled = fn;
	flows->settled_arg = arg;
}

enum of_error flows_group_mod(struct flows *flows, enum group_command command, uint32_t id,
			      struct group *group, uint32_t bucket, struct error *err)
{
	enum of_error error = fake_refusal();
	struct pipeline *next;

	flows->group_command = command;
	flows->bucket = bucket;
	if (!group) {
		if (!error && command == GROUP_DELETE) {
			next = pipeline_next(flows->pipeline);
			pipeline_remove_group(next, id);
			fake_publish(next);
		}
		return error;
	}
	if (error || command == GROUP_INSERT_BUCKET) {
		group_unref(group);
		return error;
	}
	group->tally = &flows->tally;
	for (unsigned i = 0; i < group->n_buckets; i++)
		group->buckets[i].tally = &flows->tally;
	next = pipeline_next(flows->pipeline);
	if (pipeline_group(next, id))
		pipeline_remove_group(next, id);
	pipeline_add_group(next, group);
	fake_publish(next);
	return OFERR_NONE;
}

unsigned flows_group_users(struct flows *flows, uint32_t id)
{
	return flows->users;
}

unsigned flows_meter_users(struct flows *flows, uint32_t id)
{
	return flows->users;
}

enum of_error flows_meter_mod(struct flows *flows, enum meter_command command, uint32_t id,
			      struct meter *meter, struct error *err)
{
	enum of_error error = fake_refusal();
	struct pipeline *next;

	if (error) {
		meter_unref(meter);
		return error;
	}
	next = pipeline_next(flows->pipeline);
	if (pipeline_meter(next, id))
		pipeline_remove_meter(next, id);
	if (meter) {
		meter->state = &flows->meter;
		pipeline_add_meter(next, meter);
	}
	fake_publish(next);
	return OFERR_NONE;
}

void flows_set_frags(struct flows *flows, uint8_t mode)
{
	struct pipeline *next = pipeline_next(flows->pipeline);

	pipeline_set_frags(next, mode);
	fake_publish(next);
}

void flows_each_port(struct flows *flows, bool (*fn)(void *arg, const struct flows_port *port),
		     void *arg)
{
	for (unsigned i = 0; i < flows->n_ports && fn(arg, &flows->ports[i]); i++)
		;
}

enum of_error flows_port_mod(struct flows *flows, uint32_t number, uint32_t config, uint32_t mask,
			     struct error *err)
{
	flows->in_port = number;
	flows->port_config = config;
	flows->port_mask = mask;
	return fake_refusal();
}

enum of_error flows_packet_out(struct flows *flows, uint32_t in_port,
			       const struct action_list *actions, const uint8_t *frame, size_t len,
			       struct error *err)
{
	flows->in_port = in_port;
	actions_free(&flows->actions);
	if (actions_copy(&flows->actions, actions))
		abort();
	flows->frame_len = len;
	memcpy(flows->frame, frame, len < sizeof(flows->frame) ? len : sizeof(flows->frame));
	return fake_refusal();
}

void flows_listen(struct flows *flows, struct flows_listener *listener)
{
	listener->next = flows->listeners;
	flows->listeners = listener;
}

void flows_unlisten(struct flows *flows, struct flows_listener *listener)
{
	struct flows_listener **at = &flows->listeners;

	while (*at && *at != listener)
		at = &(*at)->next;
	if (*at)
		*at = listener->next;
}

void switch_watch_bridges(struct swtch *sw, void (*fn)(void *arg, struct flows *flows), void *arg)
{
	sw->on_bridge = fn;
	sw->arg = arg;
	if (fn)
		fn(arg, &fake);
}
