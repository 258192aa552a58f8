// SPDX-License-Identifier: Apache-2.0
/* Values of fields as text. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "flow/field.h"

#define ALL (~(u128)0)

static void expect(enum field_id id, const char *text, u128 value, u128 mask, const char *printed)
{
	const struct field *f = &fields[id];
	struct error err;
	char line[200];
	u128 v, m;

	assert_int_equal(field_parse(f, text, &v, &m, &err), 0);
	assert_true(v == value);
	assert_true(m == (mask & field_ones(f)));
	assert_int_equal(field_print(f, v, m, line, sizeof(line)), strlen(printed));
	assert_string_equal(line, printed);
	assert_int_equal(field_parse(f, line, &v, &m, &err), 0);
	assert_true(v == value && m == (mask & field_ones(f)));
}

static void refuse(enum field_id id, const char *text, const char *why)
{
	struct error err;
	u128 v, m;

	assert_int_equal(field_parse(&fields[id], text, &v, &m, &err), -EINVAL);
	assert_string_equal(err.text, why);
	assert_int_equal(field_parse(&fields[id], text, &v, &m, NULL), -EINVAL);
}

static void test_numbers(void **state)
{
	expect(FIELD_tcp_dst, "80", 80, ALL, "80");
	expect(FIELD_tcp_dst, "0x50/0xfff0", 0x50, 0xfff0, "0x50/0xfff0");
	expect(FIELD_tcp_dst, "81/0xfff0", 0x50, 0xfff0, "0x50/0xfff0");
	expect(FIELD_reg0, "5", 5, ALL, "0x5");
	expect(FIELD_reg0, "010", 8, ALL, "0x8");
	expect(FIELD_reg0, "0", 0, ALL, "0");
	expect(FIELD_reg0, "0X1f/0X1f", 0x1f, 0x1f, "0x1f/0x1f");
	expect(FIELD_ct_label, "0x0123456789abcdef0123456789abcdef",
	       (u128)0x0123456789abcdef << 64 | 0x0123456789abcdef, ALL,
	       "0x123456789abcdef0123456789abcdef");
	expect(FIELD_eth_type, "2048", 0x800, ALL, "0x0800");
	expect(FIELD_ipv6_label, "5", 5, ALL, "0x00005");
	refuse(FIELD_tcp_dst, "65536", "tcp_dst: \"65536\" is not a number of 16 bits");
	refuse(FIELD_mpls_bos, "2", "mpls_bos: \"2\" is not a number of 1 bit");
	refuse(FIELD_reg0, "-1", "reg0: \"-1\" is not a number of 32 bits");
	refuse(FIELD_reg0, "08", "reg0: \"08\" is not a number of 32 bits");
	refuse(FIELD_reg0, "0x", "reg0: \"0x\" is not a number of 32 bits");
	refuse(FIELD_reg0, "", "reg0: \"\" is not a number of 32 bits");
	refuse(FIELD_reg0, "5/", "reg0: \"\" is not a mask for it");
	refuse(FIELD_reg0, "5/5/5", "reg0: \"5/5\" is not a mask for it");
	refuse(FIELD_ct_label, "0x100000000000000000000000000000000",
	       "ct_label: \"0x100000000000000000000000000000000\" is not a number of 128 bits");
	refuse(FIELD_ct_label, "340282366920938463463374607431768211456",
	       "ct_label: \"340282366920938463463374607431768211456\" is not a number of 128 bits");
}

static void test_ethernet_addresses(void **state)
{
	expect(FIELD_eth_src, "00:11:22:aa:BB:cc", 0x001122aabbcc, ALL, "00:11:22:aa:bb:cc");
	expect(FIELD_eth_src, "1:2:3:4:5:6", 0x010203040506, ALL, "01:02:03:04:05:06");
	expect(FIELD_eth_dst, "01:00:00:00:00:00/01:00:00:00:00:00", 1ull << 40, 1ull << 40,
	       "01:00:00:00:00:00/01:00:00:00:00:00");
	refuse(FIELD_eth_src, "00:11:22:33:44",
	       "eth_src: \"00:11:22:33:44\" is not an Ethernet address, like 02:00:00:00:00:01");
	refuse(FIELD_eth_src, "1:2:3:4:5:6:",
	       "eth_src: \"1:2:3:4:5:6:\" is not an Ethernet address, like 02:00:00:00:00:01");
	refuse(FIELD_eth_src, "1:2:3:4:5:006",
	       "eth_src: \"1:2:3:4:5:006\" is not an Ethernet address, like 02:00:00:00:00:01");
	refuse(FIELD_eth_src,
	       "::::: ", "eth_src: \"::::: \" is not an Ethernet address, like 02:00:00:00:00:01");
	refuse(FIELD_eth_src, "5",
	       "eth_src: \"5\" is not an Ethernet address, like 02:00:00:00:00:01");
	refuse(FIELD_eth_src, "1:2:3:4:5:6/8", "eth_src: \"8\" is not a mask for it");
}

static void test_addresses(void **state)
{
	expect(FIELD_ip_src, "10.1.2.3", 0x0a010203, ALL, "10.1.2.3");
	expect(FIELD_ip_src, "10.1.2.3/8", 0x0a000000, 0xff000000, "10.0.0.0/8");
	expect(FIELD_ip_src, "10.1.2.3/0", 0, 0, "0.0.0.0/0");
	expect(FIELD_ip_src, "10.1.2.3/32", 0x0a010203, ALL, "10.1.2.3");
	expect(FIELD_ip_src, "10.1.2.3/255.0.255.0", 0x0a000200, 0xff00ff00,
	       "10.0.2.0/255.0.255.0");
	expect(FIELD_ipv6_src, "fe80::1/64", (u128)0xfe80 << 112, ~(u128)0 << 64, "fe80::/64");
	expect(FIELD_ipv6_src, "::1/::f", 1, 15, "::1/::f");
	expect(FIELD_ipv6_src, "2001:db8::1/128", (u128)0x20010db8 << 96 | 1, ALL, "2001:db8::1");
	refuse(FIELD_ip_src, "10.1.2", "ip_src: \"10.1.2\" is not an IPv4 address, like 192.0.2.1");
	refuse(FIELD_ip_src, "10.1.2.3/33", "ip_src: \"33\" is not a mask for it");
	refuse(FIELD_ip_src, "10.1.2.3/255", "ip_src: \"255\" is not a mask for it");
	refuse(FIELD_ipv6_src, "::/129", "ipv6_src: \"129\" is not a mask for it");
	refuse(FIELD_ipv6_src, "10.1.2.3",
	       "ipv6_src: \"10.1.2.3\" is not an IPv6 address, like 2001:db8::1");
}

static void test_ports(void **state)
{
	expect(FIELD_in_port, "1", 1, ALL, "1");
	expect(FIELD_in_port, "local", OFPORT_LOCAL, ALL, "LOCAL");
	expect(FIELD_in_port, "65534", OFPORT_LOCAL, ALL, "LOCAL");
	expect(FIELD_in_port, "4294967293", OFPORT_CONTROLLER, ALL, "CONTROLLER");
	expect(FIELD_in_port, "NONE", OFPORT_NONE, ALL, "ANY");
	expect(FIELD_in_port, "65280", OFPORT_MAX, ALL, "65280");
	refuse(FIELD_in_port, "70000",
	       "in_port: \"70000\" is not a port: 0 to 65279, LOCAL, CONTROLLER and so on");
	refuse(FIELD_in_port, "vm1",
	       "in_port: \"vm1\" is not a port: 0 to 65279, LOCAL, CONTROLLER and so on");
}

static void test_fragments(void **state)
{
	expect(FIELD_ip_frag, "no", 0, 3, "no");
	expect(FIELD_ip_frag, "yes", 1, 1, "yes");
	expect(FIELD_ip_frag, "first", 1, 3, "first");
	expect(FIELD_ip_frag, "later", 3, 3, "later");
	expect(FIELD_ip_frag, "not_later", 0, 2, "not_later");
	expect(FIELD_ip_frag, "2/2", 2, 2, "0x2/0x2");
	refuse(FIELD_ip_frag, "4", "ip_frag: \"4\" is not one of no, yes, first, later, not_later");
}

static void test_flags(void **state)
{
	expect(FIELD_tcp_flags, "+syn-ack", 0x02, 0x12, "+syn-ack");
	expect(FIELD_tcp_flags, "syn|ack", 0x12, ALL, "syn|ack");
	expect(FIELD_tcp_flags, "0x12/0x12", 0x12, 0x12, "+syn+ack");
	expect(FIELD_tcp_flags, "0", 0, ALL, "0");
	expect(FIELD_tcp_flags, "0xfff", 0xfff, ALL,
	       "fin|syn|rst|psh|ack|urg|ece|cwr|ns|[200]|[400]|[800]");
	expect(FIELD_tcp_flags, "+[200]-[c00]", 0x200, 0xe00, "+[200]-[400]-[800]");
	expect(FIELD_ct_state, "+trk+new", 0x21, 0x21, "+new+trk");
	expect(FIELD_ct_state, "new|trk", 0x21, ALL, "new|trk");
	expect(FIELD_ct_state, "-trk", 0, 0x20, "-trk");
	expect(FIELD_tun_flags, "oam", 1, 1, "+oam");
	expect(FIELD_tun_flags, "0", 0, 1, "-oam");
	refuse(FIELD_tcp_flags, "+foo",
	       "tcp_flags: \"+foo\" is not a set of TCP flags, like +syn-ack");
	refuse(FIELD_tcp_flags, "+syn-syn",
	       "tcp_flags: \"+syn-syn\" is not a set of TCP flags, like +syn-ack");
	refuse(FIELD_tcp_flags, "+[1000]",
	       "tcp_flags: \"+[1000]\" is not a set of TCP flags, like +syn-ack");
	refuse(FIELD_tcp_flags, "+[]",
	       "tcp_flags: \"+[]\" is not a set of TCP flags, like +syn-ack");
	refuse(FIELD_ct_state, "0x100/0x100",
	       "ct_state: \"0x100\" is not a state of connections, like +trk+new");
	refuse(FIELD_tun_flags, "2", "tun_flags: \"2\" is not a set of flags, like +oam");
}

/* Each value of each field is read as it was written. */
static void test_all_fields_there_and_back(void **state)
{
	static const u128 patterns[] = {
		0,
		1,
		~(u128)0,
		(u128)0xa5a5a5a55a5a5a5a << 64 | 0xa5a5a5a55a5a5a5a,
	};

	for (unsigned i = 0; i < FIELD_N; i++) {
		const struct field *f = &fields[i];

		for (unsigned n = 0; n < ARRAY_SIZE(patterns); n++) {
			u128 value = patterns[n] & field_ones(f), v, m;
			struct error err;
			char line[200];

			if (f->format == FORMAT_PORT && !field_is_port(value))
				continue;
			field_print(f, value, field_ones(f), line, sizeof(line));
			assert_int_equal(field_parse(f, line, &v, &m, &err), 0);
			assert_true(v == value && m == field_ones(f));
			if (!f->maskable || !value)
				continue;
			field_print(f, value, value, line, sizeof(line));
			assert_int_equal(field_parse(f, line, &v, &m, &err), 0);
			assert_true(v == value && m == value);
		}
	}
}

static void test_short_buffers(void **state)
{
	const struct field *f = &fields[FIELD_tcp_flags];
	char line[200], cut[200];
	int n = field_print(f, 0xfff, 0xfff, line, sizeof(line));

	for (size_t size = 1; size <= (size_t)n; size++) {
		memset(cut, 'x', sizeof(cut));
		assert_int_equal(field_print(f, 0xfff, 0xfff, cut, size), n);
		assert_int_equal(strlen(cut), size - 1);
		assert_int_equal(strncmp(cut, line, size - 1), 0);
		assert_int_equal(cut[size], 'x');
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_ethernet_addresses),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_fragments),
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_all_fields_there_and_back),
		cmocka_unit_test(test_short_buffers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
