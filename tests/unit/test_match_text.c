// SPDX-License-Identifier: Apache-2.0
/* Matches as text. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "flow/match.h"
#include "some_matches.h"

static void expect(const char *text, const char *printed)
{
	struct match match, again;
	struct error err = { "" };
	char line[1024];

	if (match_parse(&match, text, &err) < 0)
		fail_msg("%s: %s", text, err.text);
	assert_int_equal(match_print(&match, line, sizeof(line)), strlen(printed));
	assert_string_equal(line, printed);
	assert_int_equal(match_parse(&again, line, &err), 0);
	assert_true(match_equal(&match, &again));
}

static void refuse(const char *text, const char *why)
{
	struct match match;
	struct error err = { "" };

	assert_int_equal(match_parse(&match, text, &err), -EINVAL);
	assert_string_equal(err.text, why);
	assert_int_equal(match_parse(&match, text, NULL), -EINVAL);
}

static void test_there_and_back(void **state)
{
	for (unsigned i = 0; i < ARRAY_SIZE(some_matches); i++)
		expect(some_matches[i], some_matches[i]);
}

/* What ovs-ofctl 3.1 makes of them, too. */
static void test_other_ways_to_say_it(void **state)
{
	expect("tcp tp_src=5", "tcp,tp_src=5");
	expect("tcp,,tp_src=5,", "tcp,tp_src=5");
	expect("tp_src=80,tcp", "tcp,tp_src=80");
	expect("tp_dst=5,nw_proto=17,dl_type=0x800", "udp,tp_dst=5");
	expect("nw_proto=2,arp", "arp,arp_op=2");
	expect("nw_src=1.2.3.4,arp", "arp,arp_spa=1.2.3.4");
	expect("ip,nw_src=1.2.3.4,nw_src=1.2.3.5", "ip,nw_src=1.2.3.5");
	expect("eth,dl_type=0x86dd,ip_proto=58,icmpv6_type=135", "icmp6,icmp_type=135");
	expect("icmp6,tp_src=3,tp_dst=1", "icmp6,icmp_type=3,icmp_code=1");
	expect("ip,ip_dscp=46,ip_ecn=2", "ip,nw_tos=184,nw_ecn=2");
	expect("ip,nw_src=0.0.0.0/0", "ip");
	expect("xreg1=0x500000006", "reg2=0x5,reg3=0x6");
	expect("xxreg0=0x1/0xff", "reg3=0x1/0xff");
	expect("in_port_oxm=5", "in_port=5");
	expect("ipv4", "ip");
	expect("actset_output=unset", "actset_output=UNSET");
	expect("udp,tp_dst=0/8", "udp,tp_dst=0x0/0x8");
	expect("packet_type=0", "packet_type=(0,0)");
	expect("OXM_OF_IPV4_SRC=1.2.3.4,ip", "ip,nw_src=1.2.3.4");
	expect("tunnel_id=7", "tun_id=0x7");
}

static void test_tags(void **state)
{
	expect("dl_vlan=5,dl_vlan_pcp=3", "dl_vlan=5,dl_vlan_pcp=3");
	expect("dl_vlan_pcp=3,dl_vlan=5", "dl_vlan=5,dl_vlan_pcp=3");
	expect("vlan_vid=0x1005,vlan_pcp=3", "dl_vlan=5,dl_vlan_pcp=3");
	expect("dl_vlan=0xffff", "vlan_tci=0x0000");
	expect("vlan_vid=0", "vlan_tci=0x0000");
	expect("vlan_vid=0x1000/0x1000", "vlan_tci=0x1000/0x1000");
	expect("vlan_tci=0x5005/0x1fff", "dl_vlan=5");
	expect("vlan_tci=0x5000/0xf000", "dl_vlan_pcp=2");
	refuse("dl_vlan=4096", "dl_vlan: 0 to 4095, or 0xffff: no tag");
	refuse("dl_vlan=5/0xf", "dl_vlan cannot be matched with a mask");
	refuse("dl_vlan_pcp=1/1", "dl_vlan_pcp cannot be matched with a mask");
	refuse("dl_vlan_pcp=8", "dl_vlan_pcp: \"8\" is not a number of 3 bits");
	refuse("vlan_vid=0x2000", "vlan_vid: 0 to 4095, plus 4096: there is a tag");
	refuse("dl_vlan", "dl_vlan needs a value");
}

static void test_mistakes(void **state)
{
	char longest[3000];

	refuse("tp_src=80",
	       "tp_src can be matched only together with tcp, udp, sctp, icmp or icmp6");
	refuse("ip,udp_dst=80",
	       "tp_dst can be matched only together with tcp, udp, sctp, icmp or icmp6");
	refuse("nw_src=1.2.3.4", "nw_src can be matched only together with ip or arp");
	refuse("tcp=5", "tcp takes no value");
	refuse("in_port", "in_port needs a value");
	refuse("tp_src=", "tp_src needs a value");
	refuse("TCP", "there is no field \"TCP\"");
	refuse("nw_sorc=1.2.3.4", "there is no field \"nw_sorc\"");
	refuse("=5", "there is no field \"\"");
	refuse("ip,nw_ttl=1/1", "nw_ttl cannot be matched with a mask");
	refuse("ip,nw_tos=3", "nw_tos: the lower two bits are nw_ecn");
	refuse("vlan_vid=5", "vlan_vid: no packet has VLAN 5 and no tag: write dl_vlan=5, or "
			     "vlan_vid=0x1005");
	refuse("packet_type=1", "packet_type: all packets are Ethernet: (0,0)");
	refuse("packet_type=(1,0x800)", "packet_type: all packets are Ethernet: (0,0)");
	refuse("packet_type=(0,0", "packet_type: \"(0,0\" is not a number of 32 bits");
	refuse("packet_type=()", "packet_type: \"()\" is not a number of 32 bits");
	refuse("packet_type=(,)", "packet_type: \"(,)\" is not a number of 32 bits");
	refuse("tun_ttl=5", "tun_ttl can be written, but not matched");
	memset(longest, ',', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	refuse(longest, "a match of more than 2047 bytes");
}

static void test_unknown_fields_are_told_apart(void **state)
{
	struct match match;
	struct error err;

	match_init(&match);
	assert_int_equal(match_parse_term(&match, "priority", "5", &err), -ENOENT);
	assert_int_equal(match_parse_term(&match, "drop", NULL, &err), -ENOENT);
	assert_int_equal(match_parse_term(&match, "in_prt", "5", &err), -ENOENT);
	assert_string_equal(err.text, "there is no field \"in_prt\": did you mean \"in_port\"?");
	assert_int_equal(match_parse_term(&match, "in_port", "x", &err), -EINVAL);
	assert_true(match_equal(&match, &(struct match){ 0 }));
}

static void test_short_buffers(void **state)
{
	const char *text = some_matches[ARRAY_SIZE(some_matches) - 1];
	struct match match;
	char line[1024];

	assert_int_equal(match_parse(&match, text, NULL), 0);
	for (size_t size = 0; size <= strlen(text) + 1; size++) {
		memset(line, 'x', sizeof(line));
		assert_int_equal(match_print(&match, line, size), strlen(text));
		assert_int_equal(line[size], 'x');
		if (size)
			assert_int_equal(strlen(line), size - 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_other_ways_to_say_it),
		cmocka_unit_test(test_tags),
		cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_unknown_fields_are_told_apart),
		cmocka_unit_test(test_short_buffers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
