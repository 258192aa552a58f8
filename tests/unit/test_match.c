// SPDX-License-Identifier: Apache-2.0
/* Matches: setting them, comparing them, and which are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <linux/if_ether.h>

#include "flow/match.h"

static struct match parse(const char *text)
{
	struct match match;
	struct error err = { "" };

	if (match_parse(&match, text, &err) < 0)
		fail_msg("%s: %s", text, err.text);
	return match;
}

static void test_key_has_no_bit_of_its_own(void **state)
{
	struct match match;

	match_init(&match);
	match_set(&match, &fields[FIELD_reg0], 0xff, 0x0f);
	assert_int_equal(match.mask.regs[flow_key_reg(0)], 0x0f);
	assert_int_equal(match.key.regs[flow_key_reg(0)], 0x0f);
	match_set(&match, &fields[FIELD_reg0], 0xff, 0); /* replaces */
	assert_true(match_equal(&match, &(struct match){ 0 }));
}

static void test_no_tag_is_said_in_one_way(void **state)
{
	struct match a = parse("vlan_tci=0"), b = parse("vlan_tci=0/0x1fff");
	struct match c = parse("dl_vlan=0xffff"), d = parse("vlan_vid=0");
	struct match tag = parse("dl_vlan=0");

	assert_true(match_equal(&a, &b) && match_equal(&a, &c) && match_equal(&a, &d));
	assert_false(match_equal(&a, &tag));
	match_init(&b);
	match_set(&b, &fields[FIELD_vlan_tci], 0, 0x1fff);
	assert_true(match_equal(&a, &b));
}

static void expect(const char *a_text, const char *b_text, bool within, bool overlaps)
{
	struct match a = parse(a_text), b = parse(b_text);

	assert_int_equal(match_is_within(&a, &b), within);
	assert_int_equal(match_overlaps(&a, &b), overlaps);
	assert_int_equal(match_overlaps(&b, &a), overlaps);
}

static void test_within_and_overlap(void **state)
{
	expect("", "", true, true);
	expect("ip", "", true, true);
	expect("", "ip", false, true);
	expect("tcp", "ip", true, true);
	expect("ip", "tcp", false, true);
	expect("ip", "ipv6", false, false);
	expect("ip,nw_src=10.0.0.0/8", "ip,nw_src=10.1.0.0/16", false, true);
	expect("ip,nw_src=10.1.0.0/16", "ip,nw_src=10.0.0.0/8", true, true);
	expect("ip,nw_src=10.0.0.0/8", "ip,nw_src=11.0.0.0/8", false, false);
	expect("in_port=1", "metadata=1", false, true);
	expect("reg0=1/1", "reg0=2/2", false, true);
	expect("reg0=1/3", "reg0=2/2", false, false);
}

static void test_covers(void **state)
{
	struct match match = parse("ip,nw_src=10.0.0.0/8");
	struct flow_key key = { .eth_type = ETH_P_IP, .nw_src = 0x0a010203, .in_port = 5 };

	assert_true(match_covers(&match, &key));
	key.nw_src = 0x0b010203;
	assert_false(match_covers(&match, &key));
	key.nw_src = 0x0a010203;
	key.eth_type = ETH_P_IPV6;
	assert_false(match_covers(&match, &key));
}

static void test_prerequisites(void **state)
{
	static const struct {
		enum field_id id;
		const char *why;
	} alone[] = {
		{ FIELD_udp_src,
		  "tp_src can be matched only together with tcp, udp, sctp, icmp or icmp6" },
		{ FIELD_icmp_code,
		  "tp_dst can be matched only together with tcp, udp, sctp, icmp or icmp6" },
		{ FIELD_arp_spa, "nw_src can be matched only together with ip or arp" },
		{ FIELD_nw_proto, "nw_proto can be matched only together with ip or ipv6" },
		{ FIELD_ipv6_dst, "ipv6_dst can be matched only together with ipv6" },
		{ FIELD_mpls_tc, "mpls_tc can be matched only together with mpls or mplsm" },
		{ FIELD_tcp_flags, "tcp_flags can be matched only together with tcp or tcp6" },
		{ FIELD_arp_sha, "arp_sha can be matched only together with arp or rarp" },
		{ FIELD_nd_target,
		  "nd_target can be matched only together with icmp6,icmp_type=135 (or 136)" },
		{ FIELD_ct_nw_src,
		  "ct_nw_src can be matched only together with ip,ct_state=+trk-inv "
		  "(or +new, +est, +rel, +rpl)" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(alone); i++) {
		struct match match;
		struct error err = { "" };

		match_init(&match);
		assert_int_equal(match_check(&match, &err), OFERR_NONE);
		match_set(&match, &fields[alone[i].id], 1, 1);
		assert_int_equal(match_check(&match, &err), OFERR_MATCH_BAD_PREREQ);
		assert_string_equal(err.text, alone[i].why);
		assert_int_equal(match_check(&match, NULL), OFERR_MATCH_BAD_PREREQ);
	}
}

/* Which of the fields that share a place is meant. */
static void test_complaints_about_shared_places(void **state)
{
	struct match match = parse("icmp6,icmp_type=136");
	struct error err = { "" };

	match_set(&match, &fields[FIELD_nd_sll], 1, 1);
	assert_int_equal(match_check(&match, &err), OFERR_MATCH_BAD_PREREQ);
	assert_string_equal(err.text,
			    "nd_sll can be matched only together with icmp6,icmp_type=135");
	match_set(&match, &fields[FIELD_nd_sll], 0, 0);
	match_set(&match, &fields[FIELD_nd_tll], 1, 1);
	assert_int_equal(match_check(&match, &err), OFERR_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_key_has_no_bit_of_its_own),
		cmocka_unit_test(test_no_tag_is_said_in_one_way),
		cmocka_unit_test(test_within_and_overlap),
		cmocka_unit_test(test_covers),
		cmocka_unit_test(test_prerequisites),
		cmocka_unit_test(test_complaints_about_shared_places),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
