/* SPDX-License-Identifier: Apache-2.0 */
/* For tests of forwarding by rules: bridges of a stage (forward_stage.h) get rules from text. */
#pragma once

#include "forward_stage.h"

#include "datapath/execute.h"
#include "flow/pipeline.h"

/* The rules of one bridge. */
struct rules_stage {
	struct pipeline *current;
	struct tally tallies[64];
	struct tally lookups[4], matches[4]; /* of the first tables */
	unsigned n;
};

UNUSED_OK static void rules_init(struct rules_stage *r)
{
	memset(r, 0, sizeof(*r));
	r->current = pipeline_create();
	assert_non_null(r->current);
	for (uint8_t t = 0; t < ARRAY_SIZE(r->lookups); t++) {
		struct pipeline_table table = *pipeline_table(r->current, t);

		table.lookups = &r->lookups[t];
		table.matches = &r->matches[t];
		assert_int_equal(pipeline_set_table(r->current, t, &table), 0);
	}
}

/* A new version, which nobody uses yet, in place of the one before, which nobody uses any more. */
UNUSED_OK static void rules_publish(struct rules_stage *r, struct pipeline *next)
{
	struct pipeline *old = r->current;

	pipeline_finish(next);
	rcu_publish(&r->current, next);
	pipeline_free(old);
}

/* Ports 1..@n, all up. */
UNUSED_OK static void rules_ports(struct rules_stage *r, unsigned n)
{
	struct pipeline_port ports[MAKER_PORTS] = { 0 };
	struct pipeline *next = pipeline_next(r->current);

	assert_non_null(next);
	for (unsigned i = 0; i < n; i++)
		ports[i] = (struct pipeline_port){ .number = i + 1, .live = true };
	assert_int_equal(pipeline_set_ports(next, ports, n), 0);
	rules_publish(r, next);
}

/* Returns what counts its packets. */
UNUSED_OK static struct tally *rules_add(struct rules_stage *r, uint8_t table, uint16_t priority,
					 const char *match, const char *actions)
{
	struct pipeline *next = pipeline_next(r->current);
	struct tally *tally = &r->tallies[r->n++];
	struct action_list list = { 0 };
	struct rule *rule;
	struct error err;
	struct match m;

	assert_non_null(next);
	assert_in_range(r->n, 1, ARRAY_SIZE(r->tallies));
	if (match_parse(&m, match, &err) < 0 || actions_parse(&list, actions, true, &err) < 0)
		fail_msg("%s %s: %s", match, actions, err.text);
	rule = rule_create(table, priority, &m, &list);
	assert_non_null(rule);
	rule->tally = tally;
	assert_int_equal(pipeline_add_rule(next, rule), 0);
	rule_unref(rule);
	rules_publish(r, next);
	return tally;
}

UNUSED_OK static void rules_free(struct rules_stage *r)
{
	pipeline_free(r->current);
}
