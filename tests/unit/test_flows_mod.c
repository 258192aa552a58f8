// SPDX-License-Identifier: Apache-2.0
/* Changes of rules as OpenFlow has them. */
#include "switch/flows_private.h"

#include "count_walks.h"
#include "flows_rig.h"
#include "short_memory.h"

#define START "0 0  -> NORMAL\n"

static void test_adds(void **state)
{
	struct flows_rig *r = *state;

	change_rules(r, FLOW_ADD, "table=3,priority=7,in_port=1,actions=output:2");
	expect_rules(r, START "3 7 in_port=1 -> output:2\n");
	change_rules(r, FLOW_ADD, "table=3,priority=7,in_port=1,actions=output:3");
	expect_rules(r, START "3 7 in_port=1 -> output:3\n");
	change_rules(r, FLOW_ADD, "table=3,priority=8,in_port=1,actions=drop");
	expect_rules(r, START "3 7 in_port=1 -> output:3\n3 8 in_port=1 -> drop\n");
	/* no such table; for OpenFlow 1.0 that is the first one */
	assert_int_equal(mod_rules(r, FLOW_ADD, 4, "in_port=1,actions=drop", 0), 0);
	assert_int_equal(pipeline_n_rules(flows_pipeline(r->flows), 255), 4);
}

static enum of_error add_to_all_tables(struct flows_rig *r, uint8_t version)
{
	struct flow_mod mod = { .command = FLOW_ADD,
				.table = FLOWS_TABLE_ALL,
				.priority = 1,
				.out_port = OFPORT_NONE,
				.out_group = GROUP_ANY,
				.version = version };
	struct error err;

	match_init(&mod.match);
	return flows_mod(r->flows, &mod, &err);
}

static void test_table_255(void **state)
{
	struct flows_rig *r = *state;

	assert_int_equal(add_to_all_tables(r, 4), OFERR_FLOW_BAD_TABLE_ID);
	assert_int_equal(add_to_all_tables(r, 1), OFERR_NONE);
	expect_rules(r, START "0 1  -> drop\n");
}

static void test_overlap(void **state)
{
	struct flows_rig *r = *state;

	change_rules(r, FLOW_ADD, "priority=5,in_port=1,actions=drop");
	assert_int_equal(
		mod_rules(r, FLOW_ADD, 4, "priority=5,ip,actions=drop", RULE_CHECK_OVERLAP),
		OFERR_FLOW_OVERLAP);
	assert_int_equal(
		mod_rules(r, FLOW_ADD, 4, "priority=6,ip,actions=drop", RULE_CHECK_OVERLAP), 0);
	/* the same rule is replaced */
	assert_int_equal(mod_rules(r, FLOW_ADD, 4, "priority=5,in_port=1,actions=output:2",
				   RULE_CHECK_OVERLAP),
			 0);
	assert_int_equal(
		mod_rules(r, FLOW_ADD, 4, "priority=5,in_port=2,actions=drop", RULE_CHECK_OVERLAP),
		0);
}

static void test_modifies(void **state)
{
	struct flows_rig *r = *state;
	struct rule *rule;

	change_rules(r, FLOW_ADD,
		     "cookie=5,priority=1,in_port=1,tcp,idle_timeout=60,actions=output:2\n"
		     "cookie=6,priority=2,in_port=1,udp,hard_timeout=70,actions=output:2\n"
		     "cookie=7,priority=3,in_port=2,actions=output:1");
	change_rules(r, FLOW_MODIFY, "in_port=1,actions=output:3");
	expect_rules(r, START "0 1 tcp,in_port=1 -> output:3\n0 2 udp,in_port=1 -> output:3\n"
			      "0 3 in_port=2 -> output:1\n");
	rule = find_rule(r, "priority=1,in_port=1,tcp");
	assert_int_equal(rule->cookie, 5);
	assert_int_equal(rule->idle_timeout, 60);
	change_rules(r, FLOW_MODIFY, "cookie=9,in_port=1,udp,actions=drop");
	assert_int_equal(find_rule(r, "priority=2,in_port=1,udp")->cookie, 9);
	change_rules(r, FLOW_MODIFY, "cookie=7/-1,actions=drop");
	expect_rules(r, START "0 1 tcp,in_port=1 -> output:3\n0 2 udp,in_port=1 -> drop\n"
			      "0 3 in_port=2 -> drop\n");
	change_rules(r, FLOW_MODIFY_STRICT, "priority=2,in_port=1,udp,actions=output:1");
	change_rules(r, FLOW_MODIFY_STRICT, "priority=3,in_port=1,udp,actions=output:9");
	expect_rules(r, START "0 1 tcp,in_port=1 -> output:3\n0 2 udp,in_port=1 -> output:1\n"
			      "0 3 in_port=2 -> drop\n");
}

/* Who changes what is not there adds it, in OpenFlow 1.0 alone, and not if he asked for a cookie,
 * or has none for it (on the wire that is -1). */
static void test_modify_adds(void **state)
{
	struct flows_rig *r = *state;

	assert_int_equal(mod_rules(r, FLOW_MODIFY, 4, "in_port=1,actions=output:2", 0), 0);
	assert_int_equal(mod_rules(r, FLOW_MODIFY, 0, "in_port=1,actions=output:2", 0), 0);
	assert_int_equal(mod_rules(r, FLOW_MODIFY, 1, "cookie=1/1,in_port=1,actions=output:2", 0),
			 0);
	assert_int_equal(mod_rules(r, FLOW_MODIFY, 1, "in_port=1,actions=output:2", 0), 0);
	expect_rules(r, START);
	assert_int_equal(mod_rules(r, FLOW_MODIFY, 1, "cookie=0,in_port=1,actions=output:2", 0), 0);
	expect_rules(r, "0 0  -> NORMAL\n0 32768 in_port=1 -> output:2\n");
}

static void test_deletes(void **state)
{
	struct flows_rig *r = *state;

	change_rules(r, FLOW_ADD,
		     "table=0,priority=1,in_port=1,tcp,actions=output:2\n"
		     "table=1,priority=1,in_port=1,cookie=0x15,actions=output:3\n"
		     "# a comment\n\n"
		     "table=2,priority=1,actions=output:2");
	change_rules(r, FLOW_DELETE, "table=2,in_port=1"); /* it is within, not the other way */
	change_rules(r, FLOW_DELETE, "out_port=3,tcp");
	change_rules(r, FLOW_DELETE, "cookie=0x16/0xf");
	assert_int_equal(pipeline_n_rules(flows_pipeline(r->flows), 255), 4);
	change_rules(r, FLOW_DELETE, "cookie=0x5/0xf");
	assert_int_equal(pipeline_n_rules(flows_pipeline(r->flows), 255), 3);
	change_rules(r, FLOW_DELETE_STRICT, "table=0,priority=2,in_port=1,tcp");
	change_rules(r, FLOW_DELETE_STRICT, "table=0,priority=1,in_port=1");
	assert_int_equal(pipeline_n_rules(flows_pipeline(r->flows), 255), 3);
	change_rules(r, FLOW_DELETE_STRICT, "priority=1,in_port=1,tcp");
	expect_rules(r, START "2 1  -> output:2\n");
	change_rules(r, FLOW_DELETE, "out_port=2");
	expect_rules(r, START);
}

static void test_filters(void **state)
{
	struct flows_rig *r = *state;

	change_rules(r, FLOW_DELETE, "");
	change_rules(r, FLOW_ADD,
		     "table=0,priority=1,in_port=1,tcp,cookie=1,actions=output:2\n"
		     "table=1,priority=2,in_port=2,cookie=2,actions=output:3");
	expect_filtered(r, "table=1", "1 2 in_port=2 -> output:3\n");
	expect_filtered(r, "cookie=1/-1", "0 1 tcp,in_port=1 -> output:2\n");
	expect_filtered(r, "in_port=vm2", "1 2 in_port=2 -> output:3\n");
	expect_filtered(r, "out_port=vm2", "0 1 tcp,in_port=1 -> output:2\n");
	expect_filtered(r, "udp", "");
}

/* All of several, or none. */
static void test_all_or_none(void **state)
{
	struct flows_rig *r = *state;
	struct error err = { "" };
	char text[] = "in_port=1,actions=output:2\n\nin_port=2,actions=group:5\n";
	uint64_t before = pipeline_version(flows_pipeline(r->flows));

	assert_true(flows_change(r->flows, FLOW_ADD, text, &err) < 0);
	assert_non_null(strstr(err.text, "line 3"));
	expect_rules(r, START);
	assert_int_equal(pipeline_version(flows_pipeline(r->flows)), before);
}

static void test_refuses_text(void **state)
{
	static const char *const bad[] = {
		"in_port=1",
		"in_port=1,actions=nonsense",
		"priority=70000,actions=drop",
		"table=255,actions=drop",
		"cookie=x,actions=drop",
		"color=red,actions=drop",
		"tp_dst=80,actions=drop",
		"out_port=1,actions=drop",
		"idle_timeout=-1,actions=drop",
	};
	struct flows_rig *r = *state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct error err = { "" };
		char *text = strdup(bad[i]);

		if (flows_change(r->flows, FLOW_ADD, text, &err) == 0 || !*err.text)
			fail_msg("%s", bad[i]);
		free(text);
	}
	expect_rules(r, START);
}

static void test_replaces(void **state)
{
	struct flows_rig *r = *state;
	struct error err = { "" };
	char text[] = "priority=1,in_port=1,actions=output:2\n"
		      "cookie=0x0, duration=5s, table=0, n_packets=9, n_bytes=9, "
		      "priority=2,in_port=2 actions=output:3\n";
	char again[] = "priority=1,in_port=1,actions=output:2\n";
	size_t n;

	change_rules(r, FLOW_ADD, "priority=1,in_port=1,actions=output:2");
	send_packets(r, 0, 4, 53);
	await_packets(r, "vm1", 4);
	assert_int_equal(flows_replace(r->flows, text, &n, &err), 0);
	assert_int_equal(n, 2); /* NORMAL has gone, one has come */
	expect_rules(r, "0 1 in_port=1 -> output:2\n0 2 in_port=2 -> output:3\n");
	assert_int_equal(tally_read(find_rule(r, "priority=1,in_port=1")->tally).packets, 4);
	assert_int_equal(flows_replace(r->flows, again, &n, &err), 0);
	assert_int_equal(n, 1);
	expect_rules(r, "0 1 in_port=1 -> output:2\n");
}

/* As in ovs-ofctl, a field may stand in front of what it depends on; and brackets have commas. */
static void test_terms_in_any_order(void **state)
{
	struct flows_rig *r = *state;

	change_rules(r, FLOW_DELETE, "");
	change_rules(r, FLOW_ADD,
		     "tp_dst=80,nw_dst=10.0.0.1,tcp,actions=drop\n"
		     "priority=5,nw_src=10.0.0.2 packet_type=(0,0), dl_type=0x0800,actions=drop");
	expect_rules(r, "0 32768 tcp,nw_dst=10.0.0.1,tp_dst=80 -> drop\n"
			"0 5 ip,nw_src=10.0.0.2,packet_type=(0,0) -> drop\n");
	change_rules(r, FLOW_DELETE, "tp_dst=80,tcp");
	expect_rules(r, "0 5 ip,nw_src=10.0.0.2,packet_type=(0,0) -> drop\n");
}

/* Of actions that know more about their match than their text says, too. */
static void test_replaces_by_the_same(void **state)
{
	struct flows_rig *r = *state;
	const char text[] = "priority=1,udp,actions=mod_tp_dst:5,mod_vlan_vid:7,output:2\n"
			    "priority=2,dl_vlan=3,actions=mod_vlan_vid:7,output:2\n";
	struct error err = { "" };
	char copy[sizeof(text)];
	size_t n;

	for (unsigned i = 0; i < 2; i++) {
		memcpy(copy, text, sizeof(text));
		assert_int_equal(flows_replace(r->flows, copy, &n, &err), 0);
		assert_int_equal(n, i ? 0 : 3);
	}
}

static void set_max_rules(struct flows_rig *r, uint8_t table, uint32_t most)
{
	struct pipeline_table settings;
	struct change c;

	assert_int_equal(change_begin(&c, r->flows), 0);
	settings = *pipeline_table(c.next, table);
	settings.max_rules = most;
	pipeline_set_table(c.next, table, &settings);
	c.other = true;
	assert_int_equal(change_commit(&c), 0);
}

static void test_full_table(void **state)
{
	struct flows_rig *r = *state;

	set_max_rules(r, 5, 1);
	change_rules(r, FLOW_ADD, "table=5,in_port=1,actions=drop");
	change_rules(r, FLOW_ADD, "table=5,in_port=1,actions=output:2");
	assert_int_equal(mod_rules(r, FLOW_ADD, 4, "table=5,in_port=2,actions=drop", 0),
			 OFERR_FLOW_TABLE_FULL);
}

static int replace_rules(struct flows_rig *r, const char *text, struct error *err)
{
	char *copy = strdup(text);
	size_t n;
	int result = flows_replace(r->flows, copy, &n, err);

	free(copy);
	return result;
}

/* What is to go takes no room from what comes in its place. */
static void test_replaces_full_table(void **state)
{
	static const char *const texts[] = {
		"table=5,in_port=1,actions=output:2\ntable=5,in_port=2,actions=output:3",
		"table=5,in_port=3,actions=output:1\ntable=5,udp,actions=output:3",
		"table=5,in_port=3,actions=output:2\ntable=5,in_port=1,actions=output:3",
	};
	static const char too_many[] = "table=5,tcp,actions=drop\ntable=5,in_port=3,actions=drop\n"
				       "table=5,udp,actions=drop";
	static const char too_long[] = "table=5,tcp,actions=output:1\n"
				       "table=5,in_port=3,actions=output:2,output:3";
	struct flows_rig *r = *state;
	struct error err;

	assert_int_equal(replace_rules(r, texts[0], &err), 0);
	for (unsigned i = 0; i < 2; i++) {
		unsigned n = r->flows->n_rules;
		uint64_t len = r->flows->actions_len;

		if (i == 0)
			set_max_rules(r, 5, 2);
		else
			r->flows->n_rules = FLOWS_MAX;
		r->flows->actions_len = FLOWS_ACTIONS_MAX;
		for (unsigned j = 1; j <= 3; j++)
			if (replace_rules(r, texts[j % 3], &err) != 0)
				fail_msg("%s: %s", texts[j % 3], err.text);
		assert_int_equal(replace_rules(r, too_many, &err), -ENOSPC);
		assert_non_null(strstr(err.text, "line 3"));
		assert_int_equal(replace_rules(r, too_long, &err), -ENOSPC);
		assert_non_null(strstr(err.text, "line 2"));
		r->flows->n_rules = n;
		r->flows->actions_len += len - FLOWS_ACTIONS_MAX;
		set_max_rules(r, 5, 0);
	}
	expect_rules(r, "5 32768 in_port=1 -> output:2\n5 32768 in_port=2 -> output:3\n");
}

/* Several become one version; what is refused is not part of it. */
static void test_gathers(void **state)
{
	struct flows_rig *r = *state;
	const struct pipeline *before = flows_pipeline(r->flows);

	flows_gather(r->flows);
	assert_int_equal(mod_rules(r, FLOW_ADD, 4, "table=1,in_port=1,actions=drop", 0), 0);
	assert_int_equal(mod_rules(r, FLOW_ADD, 4, "table=1,in_port=2,actions=group:5", 0),
			 OFERR_ACT_BAD_OUT_GROUP);
	assert_int_equal(mod_rules(r, FLOW_MODIFY, 4, "table=1,actions=output:2", 0), 0);
	assert_int_equal(mod_rules(r, FLOW_ADD, 4, "table=2,in_port=3,actions=drop", 0), 0);
	assert_int_equal(mod_rules(r, FLOW_DELETE, 4, "table=2", 0), 0);
	assert_ptr_equal(flows_pipeline(r->flows), before);
	expect_rules(r, START);
	assert_int_equal(flows_publish(r->flows), 0);
	expect_rules(r, START "1 32768 in_port=1 -> output:2\n");
	before = flows_pipeline(r->flows);
	flows_gather(r->flows);
	assert_int_equal(flows_publish(r->flows), 0);
	assert_ptr_equal(flows_pipeline(r->flows), before);
	assert_int_equal(mod_rules(r, FLOW_DELETE, 4, "table=1", 0), 0); /* at once again */
	expect_rules(r, START);
}

/* A rule goes with the one that has taught it; one that comes next stays. */
static void test_gathers_around_learning(void **state)
{
	struct flows_rig *r = *state;

	flows_gather(r->flows);
	assert_int_equal(mod_rules(r, FLOW_ADD, 4,
				   "in_port=1,actions=learn(table=5,cookie=9,delete_learned)", 0),
			 0);
	assert_int_equal(mod_rules(r, FLOW_ADD, 4, "table=5,cookie=9,in_port=1,actions=drop", 0),
			 0);
	assert_int_equal(mod_rules(r, FLOW_DELETE, 4, "table=0,in_port=1", 0), 0);
	assert_int_equal(mod_rules(r, FLOW_ADD, 4, "table=5,cookie=9,in_port=2,actions=drop", 0),
			 0);
	assert_int_equal(flows_publish(r->flows), 0);
	expect_rules(r, START "5 32768 in_port=2 -> drop\n");
}

#define TEACHER \
	"in_port=1,actions=learn(table=1,cookie=0xc,limit=5,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[])"

static unsigned n_learned(struct flows_rig *r, uint8_t table, uint64_t cookie)
{
	return uses_learned(r->flows, flows_pipeline(r->flows), table, cookie);
}

/* What a limit counts is as before when a change is refused, whatever came and went in it. */
static void test_limit_behind_refused(void **state)
{
	char text[] = "table=1,cookie=0xc,udp,actions=drop\ncookie=9," TEACHER "\nnonsense";
	struct flows_rig *r = *state;
	struct error err;

	change_rules(r, FLOW_ADD, TEACHER);
	change_rules(r, FLOW_ADD, "table=1,cookie=0xc,tcp,actions=drop");
	change_rules(r, FLOW_ADD, "table=1,cookie=0xd,icmp,actions=drop");
	assert_int_equal(n_learned(r, 1, 0xc), 1);
	assert_true(flows_change(r->flows, FLOW_ADD, text, &err) < 0);
	assert_int_equal(n_learned(r, 1, 0xc), 1);
	change_rules(r, FLOW_ADD, "cookie=9," TEACHER);
	assert_int_equal(n_learned(r, 1, 0xc), 1);
	change_rules(r, FLOW_ADD, "table=1,cookie=0xc,udp,actions=drop");
	assert_int_equal(n_learned(r, 1, 0xc), 2);
	change_rules(r, FLOW_DELETE, "table=1");
	assert_int_equal(n_learned(r, 1, 0xc), 0);
}

/* Rules that were taught within another action go with their teacher, too; and so on. */
static void test_delete_learned_within(void **state)
{
	struct flows_rig *r = *state;

	change_rules(r, FLOW_ADD,
		     "in_port=1,actions=clone(learn(table=1,cookie=1,delete_learned))\n"
		     "table=1,cookie=1,udp,actions=learn(table=2,cookie=2,delete_learned)\n"
		     "table=1,cookie=3,tcp,actions=drop\ntable=2,cookie=2,actions=drop\n"
		     "table=2,cookie=1,tcp,actions=drop");
	change_rules(r, FLOW_DELETE, "table=0,in_port=1");
	expect_rules(r, START "1 32768 tcp -> drop\n2 32768 tcp -> drop\n");
}

#define N_LEARNS 500
#define N_RULES 20000

/* A rule that teaches many cookies comes and goes without a walk over all rules for each. */
static void test_teaches_many(void **state)
{
	char *text = malloc(N_RULES * 64), *at = text;
	struct flows_rig *r = *state;
	unsigned n_before;

	for (unsigned i = 0; i < N_RULES; i++)
		at += sprintf(at, "table=7,cookie=%u,reg0=%u,actions=drop\n", i, i);
	change_rules(r, FLOW_ADD, text);
	at = text + sprintf(text, "in_port=1,actions=drop");
	for (unsigned i = 0; i < N_LEARNS; i++)
		at += sprintf(at, ",learn(table=7,cookie=%u,limit=9,delete_learned)", i);
	memcpy(strstr(text, "drop,"), "     ", 5);
	n_before = n_walks;
	change_rules(r, FLOW_ADD, text);
	for (unsigned i = 0; i < N_LEARNS; i++)
		assert_int_equal(n_learned(r, 7, i), 1);
	change_rules(r, FLOW_DELETE, "table=0,in_port=1");
	assert_in_range(n_walks - n_before, 1, 10);
	assert_int_equal(pipeline_n_rules(flows_pipeline(r->flows), 7), N_RULES - N_LEARNS);
	free(text);
}

#ifndef MEMORY_IS_NEVER_SHORT
#define MANY 8

static void parse(struct flows_rig *r, enum flow_command command, const char *text,
		  struct flow_mod *mod)
{
	struct error err;

	assert_int_equal(flows_parse_mod(r->flows, command, text, mod, &err), 0);
	mod->version = 4;
}

static bool count_changed(void *arg, const struct rule *rule)
{
	unsigned *n = arg;

	*n += rule->actions.len > 0;
	return true;
}

/* How many rules of table 1 have actions. */
static unsigned n_changed(struct flows_rig *r)
{
	const struct flow_filter filter = { .table = 1,
					    .out_port = OFPORT_NONE,
					    .out_group = GROUP_ANY };
	unsigned n = 0;

	flows_each(r->flows, &filter, count_changed, &n);
	return n;
}

/* Two rules and a change of many others, with so many allocations for the second half. Whether
 * anything was refused. */
static bool gather_in_short_memory(struct flows_rig *r, int allowance)
{
	struct flow_mod mods[3];
	unsigned n_accepted = 1, n_refused;
	enum of_error e[3];
	struct error err;

	parse(r, FLOW_ADD, "table=2,in_port=1,actions=drop", &mods[0]);
	parse(r, FLOW_MODIFY, "table=1,actions=output:2", &mods[1]);
	parse(r, FLOW_ADD, "table=3,in_port=1,actions=drop", &mods[2]);
	flows_gather(r->flows);
	e[0] = flows_mod(r->flows, &mods[0], &err);
	assert_int_equal(e[0], OFERR_NONE);
	memory_left = allowance;
	for (unsigned i = 1; i < 3; i++) {
		e[i] = flows_mod(r->flows, &mods[i], &err);
		n_accepted += !e[i];
	}
	n_refused = flows_publish(r->flows);
	memory_left = -1;
	if (n_refused) {
		assert_int_equal(n_refused, n_accepted);
		n_accepted = 0;
	}
	assert_int_equal(pipeline_n_rules(flows_pipeline(r->flows), 2), n_accepted > 0);
	assert_int_equal(n_changed(r), n_accepted && !e[1] ? MANY : 0);
	assert_int_equal(pipeline_n_rules(flows_pipeline(r->flows), 3), n_accepted && !e[2]);
	return n_accepted < 3;
}
#endif

/* All that was accepted is in force, or refused after all; never half of one. */
static void test_gathers_while_memory_is_short(void **state)
{
#ifdef MEMORY_IS_NEVER_SHORT
	skip();
#else
	struct flows_rig *r = *state;
	bool refused = true;
	int allowance;

	for (allowance = 0; refused && allowance < 1000; allowance++) {
		change_rules(r, FLOW_DELETE, "");
		for (unsigned i = 0; i < MANY; i++) {
			char text[64];

			snprintf(text, sizeof(text), "table=1,priority=%u,udp,actions=drop", 1 + i);
			change_rules(r, FLOW_ADD, text);
		}
		refused = gather_in_short_memory(r, allowance);
	}
	assert_in_range(allowance, MANY, 999);
#endif
}

#define TEACH(table, cookie) \
	"actions=learn(table=" table ",cookie=" cookie ",delete_learned,reg0=1)\n"

/* When memory was short, so that it is not counted who teaches what, all rules are asked. */
static void test_delete_learned_uncounted(void **state)
{
	struct flows_rig *r = *state;

	change_rules(
		r, FLOW_ADD,
		"in_port=1," TEACH("1", "3") "in_port=2," TEACH(
			"1",
			"3") "table=1,cookie=3,in_port=1," TEACH("2",
								 "4") "table=2,cookie=4,actions=drop");
	uses_sub(&r->flows->uses, USE_DELETER, 1, 3);
	r->flows->uses.lost = true;
	change_rules(r, FLOW_DELETE, "table=0,in_port=1");
	assert_int_equal(pipeline_n_rules(flows_pipeline(r->flows), 1), 1);
	assert_int_equal(pipeline_n_rules(flows_pipeline(r->flows), 2), 1);
	change_rules(r, FLOW_DELETE, "table=0,in_port=2");
	expect_rules(r, START);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, flows_setup, flows_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_adds),
		TEST(test_table_255),
		TEST(test_overlap),
		TEST(test_modifies),
		TEST(test_modify_adds),
		TEST(test_deletes),
		TEST(test_filters),
		TEST(test_all_or_none),
		TEST(test_refuses_text),
		TEST(test_replaces),
		TEST(test_terms_in_any_order),
		TEST(test_replaces_by_the_same),
		TEST(test_full_table),
		TEST(test_replaces_full_table),
		TEST(test_gathers),
		TEST(test_gathers_around_learning),
		TEST(test_delete_learned_uncounted),
		TEST(test_limit_behind_refused),
		TEST(test_delete_learned_within),
		TEST(test_teaches_many),
		TEST(test_gathers_while_memory_is_short),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
