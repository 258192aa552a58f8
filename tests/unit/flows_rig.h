/* SPDX-License-Identifier: Apache-2.0 */
/* For tests of rules: a switch with a bridge and three ports, and rules as text. */
#pragma once

#include "switch/flows_text.h"
#include "switch_rig.h"

struct flows_rig {
	struct rig rig; /* first */
	struct flows *flows;
	struct port *ports[3];
	struct flows_listener listener;
	unsigned n_removed, n_ports[3]; /* what the listener was told */
	enum removed_reason why;
	uint64_t removed_packets;
};

UNUSED_OK static void rig_on_removed(void *arg, const struct rule *rule, enum removed_reason why)
{
	struct flows_rig *r = arg;

	r->n_removed++;
	r->why = why;
	r->removed_packets += tally_read(rule->tally).packets;
}

UNUSED_OK static void rig_on_port(void *arg, const struct flows_port *port, unsigned why)
{
	struct flows_rig *r = arg;

	r->n_ports[why]++;
}

UNUSED_OK static int flows_setup(void **state)
{
	static struct flows_rig r;

	memset(&r, 0, sizeof(r));
	rig_open(&r.rig, 2);
	rig_add_bridge(&r.rig, "br0");
	r.ports[0] = rig_add(&r.rig, "vm1", NULL);
	r.ports[1] = rig_add(&r.rig, "vm2", NULL);
	r.ports[2] = rig_add(&r.rig, "vm3", NULL);
	rig_settle(&r.rig);
	r.flows = switch_flows(r.rig.sw, "br0");
	assert_non_null(r.flows);
	r.listener = (struct flows_listener){ .arg = &r,
					      .removed = rig_on_removed,
					      .port = rig_on_port };
	flows_listen(r.flows, &r.listener);
	*state = &r;
	return 0;
}

UNUSED_OK static int flows_teardown(void **state)
{
	rig_close(*state);
	return 0;
}

/* Changes rules by a text that is right. */
UNUSED_OK static void change_rules(struct flows_rig *r, enum flow_command command, const char *text)
{
	struct error err = { "" };
	char *copy = strdup(text);

	if (flows_change(r->flows, command, copy, &err) != 0)
		fail_msg("%s: %s", text, err.text);
	free(copy);
}

/* One flow mod; the error that it is refused with. */
UNUSED_OK static enum of_error mod_rules(struct flows_rig *r, enum flow_command command,
					 uint8_t version, const char *text, unsigned flags)
{
	struct error err = { "" };
	struct flow_mod mod;

	if (flows_parse_mod(r->flows, command, text, &mod, &err) != 0)
		fail_msg("%s: %s", text, err.text);
	mod.version = version;
	mod.flags |= (uint16_t)flags;
	return flows_mod(r->flows, &mod, &err);
}

struct rig_texts {
	char *lines[64];
	size_t n;
};

UNUSED_OK static bool rig_collect(void *arg, const struct rule *rule)
{
	struct rig_texts *t = arg;
	json_t *o = flows_show_rule(rule);

	assert_true(t->n < 64);
	assert_true(asprintf(&t->lines[t->n++], "%u %u %s -> %s", rule->table, rule->priority,
			     option_string(o, "match", ""), option_string(o, "actions", "")) > 0);
	json_decref(o);
	return true;
}

UNUSED_OK static int rig_by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The rules that pass @filter, sorted as text, must be these lines. */
UNUSED_OK static void expect_filtered(struct flows_rig *r, const char *filter, const char *want)
{
	struct rig_texts t = { 0 };
	struct flow_filter f;
	struct error err = { "" };
	char all[8192] = "";

	if (flows_parse_filter(r->flows, filter, &f, &err) != 0)
		fail_msg("%s: %s", filter, err.text);
	flows_each(r->flows, &f, rig_collect, &t);
	qsort(t.lines, t.n, sizeof(t.lines[0]), rig_by_text);
	for (size_t i = 0; i < t.n; i++) {
		strcat(all, t.lines[i]);
		strcat(all, "\n");
		free(t.lines[i]);
	}
	assert_string_equal(all, want);
}

UNUSED_OK static void expect_rules(struct flows_rig *r, const char *want)
{
	expect_filtered(r, "", want);
}

/* A rule of exactly this match. */
UNUSED_OK static struct rule *find_rule(struct flows_rig *r, const char *text)
{
	struct flow_mod mod;
	struct error err = { "" };
	struct rule *rule;

	if (flows_parse_mod(r->flows, FLOW_DELETE_STRICT, text, &mod, &err) != 0)
		fail_msg("%s: %s", text, err.text);
	rule = pipeline_find_rule(flows_pipeline(r->flows),
				  mod.table == FLOWS_TABLE_ALL ? 0 : mod.table, mod.priority,
				  &mod.match);
	if (!rule)
		fail_msg("no rule %s", text);
	return rule;
}

UNUSED_OK static void rig_counted(void *arg)
{
	*(bool *)arg = true;
}

/* Lets all be counted and told. */
UNUSED_OK static void count_rules(struct flows_rig *r)
{
	bool done = false;

	flows_settle(r->flows, rig_counted, &done);
	UNTIL(&r->rig, done);
}

/* Sends @n UDP packets in by port @port, counted from 0, to UDP port @dport. */
UNUSED_OK static void send_packets(struct flows_rig *r, unsigned port, unsigned n, uint16_t dport)
{
	uint8_t frame[60] = { 0 };

	memcpy(frame, "\x02\0\0\0\0\x02\x02\0\0\0\0\x01\x08\0\x45\0\0\x2e", 18);
	memcpy(frame + 22, "\x40\x11\0\0\x0a\0\0\1\x0a\0\0\2\x10\0", 14);
	frame[36] = (uint8_t)(dport >> 8);
	frame[37] = (uint8_t)dport;
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(dummy_inject(r->ports[port], 0, frame, sizeof(frame), NULL), 0);
}

/* Frames that have come out of port @port so far, from now on. */
UNUSED_OK static unsigned take_packets(struct flows_rig *r, unsigned port)
{
	unsigned n = 0;

	while (dummy_sent_peek(r->ports[port], 0)) {
		dummy_sent_pop(r->ports[port], 0);
		n++;
	}
	return n;
}

/* Waits until the port has received so many in all. */
UNUSED_OK static void await_packets(struct flows_rig *r, const char *port, uint64_t n)
{
	UNTIL(&r->rig, rig_counter(&r->rig, port, "rx_packets") == n);
	rig_turned();
	count_rules(r);
}
