// SPDX-License-Identifier: Apache-2.0
// The story of a packet: what is told, as text and as JSON.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "flow_world.h"

static int setup(void **state)
{
	*state = world_create(4);
	return 0;
}

static int teardown(void **state)
{
	world_destroy(*state);
	return 0;
}

#define TCP "in_port=1,tcp,nw_src=10.0.0.1,nw_dst=10.0.0.2,nw_ttl=64,tp_src=1000,tp_dst=80"

static char *tell(struct world *w, const char *packet, json_t **json)
{
	struct flow_key key = world_key(packet);
	struct story *story = story_create(&key);
	char *text;

	assert_non_null(story);
	w->story = *story_hooks(story);
	world_run_key(w, &key);
	text = story_text(story, &w->draft, &w->limit);
	assert_non_null(text);
	if (json) {
		*json = story_json(story, &w->draft, &w->limit);
		assert_non_null(*json);
	}
	story_destroy(story);
	return text;
}

static void assert_has(const char *text, const char *part)
{
	if (!text || !strstr(text, part))
		fail_msg("\"%s\" is not in:\n%s", part, text ? text : "");
}

static void test_text(void **state)
{
	struct world *w = *state;
	char *text;

	world_rule(w, 0, 5, "tcp", "set_field:7->reg0,resubmit(,3),resubmit(,9)");
	world_rule(w, 3, 6, "ip,nw_dst=10.0.0.0/8", "dec_ttl,output:2");
	text = tell(w, TCP, NULL);
	assert_has(text, "The packet: tcp,in_port=1");
	assert_has(text, "\nIt comes in by port 1.\n");
	assert_has(text, "Table 0: the rule for tcp, priority 5, cookie 0x5:\n"
			 "    (looked at: tcp)\n"
			 "    set_field:0x7->reg0  (reg0: 0 -> 0x7)\n"
			 "    on to table 3, and back here:\n"
			 "    Table 3: the rule for ip,nw_dst=10.0.0.0/8, priority 6");
	assert_has(text, "        dec_ttl  (nw_ttl: 64 -> 63)\n"
			 "        output:2\n"
			 "    on to table 9\n"
			 "Table 9: no rule is for it.\n");
	assert_has(text, "What becomes of it:\n  set nw_ttl=63\n  send it out of port 2\n");
	assert_has(text, "The same for all packets with: ");
	free(text);
}

/* A table that only leads on is a line, and does not stand deeper than the one before, unless that
 * one goes on behind it. */
static void test_hops(void **state)
{
	struct world *w = *state;
	char *text;

	world_rule(w, 0, 0, "", "resubmit(,1)");
	world_rule(w, 1, 7, "tcp", "goto_table:2");
	world_rule(w, 2, 0, "", "resubmit(,3),resubmit(,4)");
	world_rule(w, 3, 0, "", "resubmit(,5)");
	world_rule(w, 4, 5, "tcp,tp_dst=64/0xffc0", "drop");
	world_rule(w, 5, 0, "", "set_field:0->reg1");
	text = tell(w, TCP, NULL);
	assert_has(text, "Table 0: the rule for all packets: on to table 1.\n"
			 "Table 1: the rule for tcp, priority 7, cookie 0x6b: on to table 2.\n"
			 "    (looked at: tcp)\n"
			 "Table 2: the rule for all packets, cookie 0xc8:\n"
			 "    on to table 3, and back here:\n"
			 "    Table 3: the rule for all packets, cookie 0x12c: on to table 5.\n"
			 "    Table 5: the rule for all packets, cookie 0x1f4:\n"
			 "        set_field:0->reg1  (as it was)\n"
			 "    on to table 4\n"
			 "Table 4: the rule for tcp,tp_dst=0x40/0xffc0, priority 5, cookie 0x195: "
			 "drop.\n"
			 "    (looked at: no fragment, tp_dst 64 to 127)\n");
	assert_has(text, "  drop it: the rules for it send it nowhere (flow_drop, in table 4)\n");
	free(text);
}

/* What is done at the end, in buckets. */
static void test_action_set(void **state)
{
	struct world *w = *state;
	char *text;

	world_group(w, "group_id=1,type=all,bucket=actions=set_field:1->reg1,resubmit(,7),"
		       "bucket=actions=output:3");
	world_rule(w, 0, 5, "dl_dst=00:00:00:00:00:00/01:00:00:00:00:00", "write_actions(group:1)");
	world_rule(w, 7, 0, "", "output:2");
	text = tell(w, TCP, NULL);
	assert_has(text, "    (looked at: dl_dst no multicast)\n"
			 "    write_actions(group:1)\n"
			 "    (kept for the end)\n"
			 "(the action set is carried out)\n"
			 "    group:1\n"
			 "    (bucket 0)\n"
			 "        set_field:0x1->reg1  (reg1: 0 -> 0x1)\n"
			 "        on to table 7\n"
			 "    Table 7: the rule for all packets, cookie 0x2bc:\n"
			 "        output:2\n"
			 "    (bucket 1)\n"
			 "        output:3\n");
	free(text);
}

static const char *name_of(void *arg, uint32_t port)
{
	return port == 2 ? "vm2" : NULL;
}

static void where(void *arg, const struct flow_key *key, char *text, size_t size)
{
	snprintf(text, size, "to %x", (unsigned)key->nw_dst);
}

/* What the bridge knows of ports and addresses. */
static void test_bridge(void **state)
{
	const struct story_bridge bridge = { NULL, name_of, where };
	struct flow_key key = world_key(TCP);
	struct story *story = story_create(&key);
	struct world *w = *state;
	char *text;

	world_rule(w, 0, 5, "ip", "output:2,set_field:10.0.0.9->ip_dst,normal");
	story_set_bridge(story, &bridge);
	w->story = *story_hooks(story);
	world_run_key(w, &key);
	text = story_text(story, &w->draft, &w->limit);
	assert_has(text, "It comes in by port 1, which the bridge does not have.\n");
	assert_has(text, "send it out of port 2 (vm2)\n");
	assert_has(text, "(NORMAL): to a000009\n");
	free(text);
	story_destroy(story);
}

static void test_drop(void **state)
{
	struct world *w = *state;
	struct pipeline_table table = *pipeline_table(w->p, 0);
	char *text;

	table.miss = MISS_DROP;
	assert_int_equal(pipeline_set_table(w->p, 0, &table), 0);
	text = tell(w, TCP, NULL);
	assert_has(text, "drop it: no rule");
	free(text);
}

static void test_json(void **state)
{
	struct world *w = *state;
	json_t *json, *event;
	char *text;

	world_rule(w, 0, 5, "tcp", "output:2");
	text = tell(w, TCP, &json);
	event = json_array_get(json_object_get(json, "events"), 0);
	assert_int_equal(json_integer_value(json_object_get(event, "table")), 0);
	assert_int_equal(
		json_integer_value(json_object_get(json_object_get(event, "rule"), "priority")), 5);
	event = json_array_get(json_object_get(json, "steps"), 0);
	assert_string_equal(json_string_value(json_object_get(event, "step")), "output");
	assert_int_equal(json_integer_value(json_object_get(event, "port")), 2);
	assert_true(json_is_true(json_object_get(json, "cacheable")));
	json_decref(json);
	free(text);
}

/* All steps have words. */
static void test_steps(void **state)
{
	struct world *w = *state;
	char *text;

	world_rule(
		w, 0, 5, "",
		"clone(push_vlan:0x8100,set_field:4101->vlan_vid,output:2),pop_vlan,push_mpls:0x8847,"
		"set_queue:2,output:3,pop_mpls:0x0800,"
		"learn(table=1,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[]),"
		"controller(max_len=20),normal,fin_timeout(idle_timeout=1),local");
	text = tell(w, "in_port=1,tcp,nw_ttl=9,tcp_flags=+fin", NULL);
	assert_has(text, "keep the headers as they are now");
	assert_has(text, "add a tag of VLAN 5, priority 0");
	assert_has(text, "and go on with those that were kept");
	assert_has(text, "put MPLS label 0 in front, TTL 9");
	assert_has(text, "from here on use queue 2");
	assert_has(text, "take away the outermost MPLS label");
	assert_has(text, "make a rule in table 1 for dl_dst=");
	assert_has(text, "send a copy to controller 0 (action), 20 bytes of it");
	assert_has(text, "let the learning bridge decide");
	assert_has(text, "shorten the timeouts");
	assert_has(text, "send it out of port LOCAL");
	free(text);
}

static void add_meter(struct world *w, const char *text)
{
	struct error err = { "" };
	struct meter *meter;

	if (meter_parse(&meter, text, &err) != 0)
		fail_msg("%s: %s", text, err.text);
	assert_int_equal(pipeline_add_meter(w->p, meter), 0);
}

/* What a meter can do is told. */
static void test_meters(void **state)
{
	struct world *w = *state;
	json_t *json, *step;
	char *text;

	add_meter(w, "meter=1 pktps bands=type=drop rate=5");
	add_meter(w, "meter=2 pktps bands=type=dscp_remark rate=5 prec_level=1");
	add_meter(w, "meter=3 kbps bands=type=dscp_remark rate=5 prec_level=1 type=drop rate=9");
	world_rule(w, 0, 5, "", "controller(meter_id=1),output:2");
	text = tell(w, TCP, NULL);
	assert_has(text, "keep the headers as they are now ...\n"
			 "  drop it if it is over the limit of meter 1\n");
	free(text);
	world_rule(w, 0, 5, "", "meter:1,meter:2,meter:3,output:2");
	text = tell(w, TCP, &json);
	assert_has(text, "  drop it if it is over the limit of meter 1\n");
	assert_has(text,
		   "  raise the drop precedence of its DSCP if it is over the limit of meter 2\n");
	assert_has(text,
		   "  drop it, or raise the drop precedence of its DSCP, if it is over the limit "
		   "of meter 3\n");
	step = json_array_get(json_object_get(json, "steps"), 1);
	assert_false(json_is_true(json_object_get(step, "drops")));
	assert_true(json_is_true(json_object_get(step, "remarks")));
	json_decref(json);
	free(text);
}

/* What a meter may have changed is not told as if it were set behind it. */
static void test_remarked(void **state)
{
	struct world *w = *state;
	char *text;

	add_meter(w, "meter=2 pktps bands=type=dscp_remark rate=5 prec_level=1");
	world_rule(w, 0, 5, "ip,nw_tos=144",
		   "clone(meter:2,set_field:0/0x70->nw_tos,output:3),"
		   "set_field:0/0x70->nw_tos,output:2");
	text = tell(w, TCP ",nw_tos=144", NULL);
	assert_has(text, "  set ip_dscp=0x20/0x3d\n  send it out of port 3\n");
	assert_has(text, "  set ip_dscp=32\n  send it out of port 2\n");
	free(text);
}

static json_int_t number_of(const json_t *json, size_t step, const char *name)
{
	const json_t *steps = json_object_get(json, "steps");
	const json_t *value = json_object_get(json_array_get(steps, step), name);

	assert_true(json_is_integer(value));
	return json_integer_value(value);
}

/* Headers that come and go are told wholly: a program can do the same. */
static void test_headers(void **state)
{
	struct world *w = *state;
	json_t *json;
	char *text;

	world_rule(w, 0, 5, "",
		   "push_mpls:0x8848,push_vlan:0x88a8,set_field:4101->vlan_vid,output:2,"
		   "pop_vlan,output:2,pop_mpls:0x0800,output:2");
	text = tell(w, TCP ",nw_tos=40", &json);
	assert_has(text, "add a tag of VLAN 5, priority 0 (802.1ad)\n");
	assert_int_equal(number_of(json, 0, "ethertype"), 0x8848);
	assert_int_equal(number_of(json, 0, "tc"), 2);
	assert_int_equal(number_of(json, 0, "bos"), 1);
	assert_int_equal(number_of(json, 1, "tpid"), 0x88a8);
	assert_int_equal(number_of(json, 5, "ethertype"), 0x0800);
	json_decref(json);
	free(text);
}

/* What is known of a label is not known of the one behind it. */
static void test_label_behind_a_label(void **state)
{
	struct world *w = *state;
	struct flow_key key = world_key("in_port=1,mpls,mpls_ttl=0,mpls_bos=0");
	struct translate_limit limit;
	struct translate_input in = { .pipeline = w->p, .key = &key, .len = 60 };
	struct story *story;
	char *text;

	key.mpls_lse[1] = 2 << 12 | 0x1ff;
	world_rule(w, 0, 5, "mpls,mpls_ttl=0", "pop_mpls:0x8847,dec_mpls_ttl,output:2");
	story = story_create(&key);
	assert_non_null(story);
	in.story = story_hooks(story);
	translate(&in, &w->draft, &limit);
	text = story_text(story, &w->draft, &limit);
	assert_has(text, "set mpls_ttl=254\n");
	free(text);
	story_destroy(story);
}

/* Nor of what shows when the last one is gone. */
static void test_behind_labels(void **state)
{
	struct world *w = *state;
	struct translate_input in = { .pipeline = w->p, .len = sizeof(labelled_frame) };
	struct translate_limit limit;
	struct flow_key key = { 0 };
	struct story *story;
	struct iovec rest;
	struct pkt pkt;
	char *text;

	pkt_init_single(&pkt, &rest, labelled_frame, sizeof(labelled_frame));
	flow_key_extract(&key, &pkt, 1);
	world_rule(w, 0, 5, "mpls", "pop_mpls:0x0800,resubmit(,1)");
	world_rule(w, 1, 5, "udp", "set_field:0x2/0xf->udp_dst,dec_ttl,output:2");
	story = story_create(&key);
	assert_non_null(story);
	in.key = &key;
	in.pkt = &pkt;
	in.story = story_hooks(story);
	translate(&in, &w->draft, &limit);
	text = story_text(story, &w->draft, &limit);
	assert_has(text, "udp_dst: 53 -> 50");
	assert_has(text, "set nw_ttl=32, udp_dst=0x2/0xf\n");
	free(text);
	story_destroy(story);
}

static void test_a_long_story_is_cut(void **state)
{
	struct world *w = *state;
	char text[8192] = "", *told;

	for (unsigned i = 0; i < 200; i++)
		strcat(text, "set_field:1->reg0,");
	world_rule(w, 1, 5, "", text);
	text[0] = '\0';
	for (unsigned i = 0; i < 200; i++)
		strcat(text, "resubmit(,1),");
	world_rule(w, 0, 5, "", text);
	told = tell(w, TCP, NULL);
	assert_has(told, "... and so on");
	free(told);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_text, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hops, setup, teardown),
		cmocka_unit_test_setup_teardown(test_action_set, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bridge, setup, teardown),
		cmocka_unit_test_setup_teardown(test_drop, setup, teardown),
		cmocka_unit_test_setup_teardown(test_json, setup, teardown),
		cmocka_unit_test_setup_teardown(test_steps, setup, teardown),
		cmocka_unit_test_setup_teardown(test_meters, setup, teardown),
		cmocka_unit_test_setup_teardown(test_remarked, setup, teardown),
		cmocka_unit_test_setup_teardown(test_headers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_label_behind_a_label, setup, teardown),
		cmocka_unit_test_setup_teardown(test_behind_labels, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_long_story_is_cut, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
