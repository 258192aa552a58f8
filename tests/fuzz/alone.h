/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of a bridge without workers: what a switch has around them, and no more. Nobody
 * receives packets, so versions that are replaced stay until all is closed.
 */
#pragma once

#include "base/log.h"
#include "input.h"
#include "switch/flows_private.h"
#include "switch/flows_text.h"

#define ALONE_PORTS 3

static struct {
	struct swtch sw;
	struct sw_bridge bridge;
	struct sw_port ports[ALONE_PORTS]; /* vm1.., with the numbers 1.. */
	struct view_port_state states[ALONE_PORTS];
	struct port port;
	struct flows *flows;
} alone;

/* @keep: what an earlier process has left, or NULL. */
static inline void alone_open(struct keep *keep)
{
	static struct event_base *base;
	static struct mac_table *macs;
	struct error err = { "" };

	if (!base) {
		log_set_level("all", "error", NULL);
		base = event_base_new();
		macs = mac_table_create(64);
		require(base && macs);
		mac_table_learn(macs, 0x020000000001, 0, 1, 1, 0);
	}
	memset(&alone, 0, sizeof(alone));
	alone.sw.base = base;
	alone.sw.env.keep = keep;
	alone.sw.destroying = true; /* nobody is asked to settle */
	alone.sw.bridges = &alone.bridge;
	alone.bridge.macs = macs;
	strcpy(alone.bridge.name, "br0");
	for (unsigned i = 0; i < ALONE_PORTS; i++) {
		struct sw_port *p = &alone.ports[i];

		*p = (struct sw_port){ .next = alone.sw.ports,
				       .sw = &alone.sw,
				       .id = i + 1,
				       .ofport = i + 1,
				       .bridge = &alone.bridge,
				       .port = &alone.port,
				       .state = &alone.states[i] };
		snprintf(p->name, sizeof(p->name), "vm%u", i + 1);
		alone.sw.ports = p;
	}
	alone.flows = flows_create(&alone.sw, alone.bridge.name, NULL, &err);
	require(alone.flows);
	alone.bridge.flows = alone.flows;
}

/* What is held stays held. */
static inline void alone_close(void)
{
	flows_destroy(alone.flows);
}

/* ---- rules in words */

struct alone_text {
	char *bytes;
	size_t len, size;
};

static inline void alone_say(struct alone_text *t, const char *text)
{
	size_t n = strlen(text);

	if (t->size - t->len <= n) {
		t->size = 2 * t->size + n + 1;
		t->bytes = realloc(t->bytes, t->size);
		require(t->bytes);
	}
	memcpy(t->bytes + t->len, text, n + 1);
	t->len += n;
}

static inline void alone_say_number(struct alone_text *t, const char *name, uint64_t n)
{
	char text[64];

	snprintf(text, sizeof(text), "%s=%llu,", name, (unsigned long long)n);
	alone_say(t, text);
}

/* Adds what flows_show_rule() tells of it, as a line that adds it again. */
static inline bool alone_say_rule(void *arg, const struct rule *rule)
{
	json_t *o = flows_show_rule(rule), *flag;
	const char *match = json_string_value(json_object_get(o, "match"));
	const char *actions = json_string_value(json_object_get(o, "actions"));
	struct alone_text *t = arg;
	size_t i;

	require(o && match && actions);
	alone_say_number(t, "table", rule->table);
	alone_say_number(t, "priority", rule->priority);
	alone_say_number(t, "idle_timeout", rule->idle_timeout);
	alone_say_number(t, "hard_timeout", rule->hard_timeout);
	alone_say_number(t, "importance", rule->importance);
	alone_say_number(t, "cookie", rule->cookie);
	json_array_foreach (json_object_get(o, "flags"), i, flag) {
		alone_say(t, json_string_value(flag));
		alone_say(t, ",");
	}
	alone_say(t, match);
	alone_say(t, ",actions=");
	alone_say(t, actions);
	alone_say(t, "\n");
	json_decref(o);
	return true;
}

/* The same of what flows_show_group() and flows_show_meter() tell. */
static inline bool alone_say_group(void *arg, const struct group *group)
{
	json_t *o = flows_show_group(group);

	alone_say(arg, json_string_value(json_object_get(o, "text")));
	alone_say(arg, "\n");
	json_decref(o);
	return true;
}

static inline bool alone_say_meter(void *arg, struct meter *meter)
{
	json_t *o = flows_show_meter(meter);

	alone_say(arg, json_string_value(json_object_get(o, "text")));
	alone_say(arg, "\n");
	json_decref(o);
	return true;
}

/* All rules, a line each; free() it. */
static inline char *alone_say_rules(void)
{
	const struct flow_filter all = { .table = FLOWS_TABLE_ALL,
					 .out_port = OFPORT_NONE,
					 .out_group = GROUP_ANY };
	struct alone_text t = { 0 };

	alone_say(&t, "");
	flows_each(alone.flows, &all, alone_say_rule, &t);
	return t.bytes;
}
