// SPDX-License-Identifier: Apache-2.0
/* What makes sense behind which match. */
#include "action_round.h"

static bool is_seven(const void *arg, uint32_t number)
{
	assert_string_equal(arg, "arg");
	return number == 7;
}

static enum of_error check(const char *match_text, const char *text, struct action_limits limits)
{
	struct action_list list = { 0 };
	struct error err = { "" };
	struct match match;
	enum of_error error;

	if (match_text)
		assert_int_equal(match_parse(&match, match_text, &err), 0);
	if (actions_parse(&list, text, true, &err))
		fail_msg("%s: %s", text, err.text);
	error = actions_check(&list, match_text ? &match : NULL, &limits, &err);
	assert_true(!error == !*err.text);
	actions_free(&list);
	return error;
}

static const struct {
	const char *match, *text;
	enum of_error error, lax; /* lax: of OpenFlow 1.0 */
} cases[] = {
	/* prerequisites */
	{ "tcp", "set_field:5->tcp_dst", OFERR_NONE, OFERR_NONE },
	{ "", "set_field:5->tcp_dst", OFERR_ACT_MATCH_INCONSISTENT, OFERR_ACT_MATCH_INCONSISTENT },
	{ "udp", "set_field:5->tcp_dst", OFERR_ACT_MATCH_INCONSISTENT,
	  OFERR_ACT_MATCH_INCONSISTENT },
	{ "", "load:5->NXM_NX_IP_TTL[]", OFERR_ACT_MATCH_INCONSISTENT,
	  OFERR_ACT_MATCH_INCONSISTENT },
	{ "", "mod_nw_src:1.2.3.4", OFERR_ACT_MATCH_INCONSISTENT, OFERR_NONE },
	{ "", "mod_tp_src:5", OFERR_ACT_MATCH_INCONSISTENT, OFERR_NONE },
	{ "udp", "mod_tp_src:5", OFERR_NONE, OFERR_NONE },
	{ "", "dec_ttl", OFERR_ACT_MATCH_INCONSISTENT, OFERR_NONE },
	{ "ip", "fin_timeout()", OFERR_ACT_MATCH_INCONSISTENT, OFERR_NONE },
	{ "", "strip_vlan", OFERR_ACT_MATCH_INCONSISTENT, OFERR_NONE },
	{ "", "pop_mpls:0x0800", OFERR_ACT_MATCH_INCONSISTENT, OFERR_NONE },
	/* who knows what a packet is when its action set is carried out */
	{ "", "write_actions(pop_vlan,push_vlan:0x8100,dec_ttl)", OFERR_NONE, OFERR_NONE },
	{ "", "write_actions(clone(pop_vlan))", OFERR_NONE, OFERR_NONE },
	{ "", "clone(pop_vlan)", OFERR_ACT_MATCH_INCONSISTENT, OFERR_NONE },
	{ "", "write_actions(set_field:5->tcp_dst)", OFERR_ACT_MATCH_INCONSISTENT,
	  OFERR_ACT_MATCH_INCONSISTENT },
	{ "", "dec_mpls_ttl", OFERR_ACT_MATCH_INCONSISTENT, OFERR_NONE },
	{ "ip", "move:ip_src[]->ip_dst[]", OFERR_NONE, OFERR_NONE },
	{ "", "move:reg0[]->ip_dst[]", OFERR_ACT_MATCH_INCONSISTENT, OFERR_ACT_MATCH_INCONSISTENT },
	{ "", "move:ip_dst[]->reg0[]", OFERR_ACT_MATCH_INCONSISTENT, OFERR_ACT_MATCH_INCONSISTENT },
	{ "", "push:ip_dst[]", OFERR_ACT_MATCH_INCONSISTENT, OFERR_ACT_MATCH_INCONSISTENT },
	{ "", "output:ip_dst[]", OFERR_ACT_MATCH_INCONSISTENT, OFERR_ACT_MATCH_INCONSISTENT },
	{ "", "set_field:5->ct_mark", OFERR_ACT_BAD_SET_ARGUMENT, OFERR_ACT_BAD_SET_ARGUMENT },
	{ "", "move:reg0[]->ct_mark[]", OFERR_ACT_BAD_SET_ARGUMENT, OFERR_ACT_BAD_SET_ARGUMENT },
	/* tags and labels that come and go */
	{ "", "set_field:4101->vlan_vid", OFERR_ACT_MATCH_INCONSISTENT,
	  OFERR_ACT_MATCH_INCONSISTENT },
	{ "", "push_vlan:0x8100,set_field:4101->vlan_vid", OFERR_NONE, OFERR_NONE },
	{ "", "mod_vlan_vid:5,set_field:3->vlan_pcp", OFERR_NONE, OFERR_NONE },
	{ "", "set_field:0x1005->vlan_tci,strip_vlan", OFERR_NONE, OFERR_NONE },
	{ "dl_vlan=5", "strip_vlan,set_field:3->vlan_pcp", OFERR_ACT_MATCH_INCONSISTENT,
	  OFERR_ACT_MATCH_INCONSISTENT },
	{ "dl_vlan=5", "push_vlan:0x8100,strip_vlan,set_field:3->vlan_pcp", OFERR_NONE,
	  OFERR_NONE },
	{ "dl_vlan=5", "push_vlan:0x8100,push_vlan:0x8100", OFERR_ACT_BAD_TAG, OFERR_ACT_BAD_TAG },
	{ "ip", "push_mpls:0x8847,set_field:5->mpls_label", OFERR_NONE, OFERR_NONE },
	{ "ip", "push_mpls:0x8847,set_field:5->nw_ttl", OFERR_ACT_MATCH_INCONSISTENT,
	  OFERR_ACT_MATCH_INCONSISTENT },
	{ "mpls", "pop_mpls:0x0800,set_field:5->nw_ttl", OFERR_NONE, OFERR_NONE },
	{ "tcp", "push_mpls:0x8847,pop_mpls:0x0800,set_field:5->tcp_dst",
	  OFERR_ACT_MATCH_INCONSISTENT, OFERR_ACT_MATCH_INCONSISTENT },
	{ "", "clone(push_vlan:0x8100),set_field:3->vlan_pcp", OFERR_ACT_MATCH_INCONSISTENT,
	  OFERR_ACT_MATCH_INCONSISTENT },
	/* ports */
	{ "", "output:NONE", OFERR_ACT_BAD_OUT_PORT, OFERR_ACT_BAD_OUT_PORT },
	{ "", "output:65281", OFERR_ACT_BAD_OUT_PORT, OFERR_ACT_BAD_OUT_PORT },
	{ "", "enqueue:CONTROLLER:1", OFERR_ACT_BAD_OUT_PORT, OFERR_ACT_BAD_OUT_PORT },
	{ "", "enqueue:LOCAL:1", OFERR_NONE, OFERR_NONE },
	/* lists */
	{ "", "conjunction(1,1/2),note:00,conjunction(2,1/2)", OFERR_NONE, OFERR_NONE },
	{ "", "conjunction(1,1/2),output:1", OFERR_ACT_BAD_ARGUMENT, OFERR_ACT_BAD_ARGUMENT },
	{ "", "write_actions(output:1,group:7)", OFERR_NONE, OFERR_NONE },
	{ "", "write_actions(learn())", OFERR_ACT_BAD_TYPE, OFERR_ACT_BAD_TYPE },
	{ "", "write_actions(output(port=1,max_len=100))", OFERR_ACT_BAD_TYPE, OFERR_ACT_BAD_TYPE },
	/* learn */
	{ "", "learn(eth_type=0x800,ip_src=1.2.3.4)", OFERR_NONE, OFERR_NONE },
	{ "", "learn(ip_src=1.2.3.4,eth_type=0x800)", OFERR_ACT_MATCH_INCONSISTENT,
	  OFERR_ACT_MATCH_INCONSISTENT },
	{ "ip", "learn(eth_type=0x800,NXM_OF_IP_SRC[]=NXM_OF_IP_DST[])", OFERR_NONE, OFERR_NONE },
	{ "", "learn(eth_type=0x800,NXM_OF_IP_SRC[]=NXM_OF_IP_DST[])", OFERR_ACT_MATCH_INCONSISTENT,
	  OFERR_ACT_MATCH_INCONSISTENT },
	{ "", "learn(load:5->ip_src[])", OFERR_ACT_MATCH_INCONSISTENT,
	  OFERR_ACT_MATCH_INCONSISTENT },
	/* what the table of the rule allows */
	{ "", "goto_table:6", OFERR_NONE, OFERR_NONE },
	{ "", "goto_table:5", OFERR_INST_BAD_TABLE_ID, OFERR_INST_BAD_TABLE_ID },
	{ "", "resubmit(,1)", OFERR_NONE, OFERR_NONE },
	/* what there is */
	{ "", "group:7,meter:7", OFERR_NONE, OFERR_NONE },
	{ "", "group:8", OFERR_ACT_BAD_OUT_GROUP, OFERR_ACT_BAD_OUT_GROUP },
	{ "", "clone(group:8)", OFERR_ACT_BAD_OUT_GROUP, OFERR_ACT_BAD_OUT_GROUP },
	{ "", "meter:8", OFERR_METER_INVALID, OFERR_METER_INVALID },
	{ "", "controller(meter_id=8)", OFERR_METER_INVALID, OFERR_METER_INVALID },
};

static void test_refuses_what_makes_no_sense(void **state)
{
	struct action_limits limits = { .table = 5,
					.has_table = true,
					.group_exists = is_seven,
					.meter_exists = is_seven,
					.arg = "arg" };

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		limits.inconsistent = false;
		if (check(cases[i].match, cases[i].text, limits) != cases[i].error)
			fail_msg("%s actions=%s", cases[i].match, cases[i].text);
		limits.inconsistent = true;
		if (check(cases[i].match, cases[i].text, limits) != cases[i].lax)
			fail_msg("of OpenFlow 1.0: %s actions=%s", cases[i].match, cases[i].text);
	}
}

static void test_unknown_packets_may_be_any(void **state)
{
	const struct action_limits none = { 0 };

	(void)state;
	assert_int_equal(check(NULL, "set_field:5->tcp_dst,dec_ttl,pop_mpls:0x0800", none),
			 OFERR_NONE);
	assert_int_equal(check(NULL, "group:8,meter:8,goto_table:0", none), OFERR_NONE);
	assert_int_equal(check(NULL, "output:NONE", none), OFERR_ACT_BAD_OUT_PORT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refuses_what_makes_no_sense),
		cmocka_unit_test(test_unknown_packets_may_be_any),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
