// SPDX-License-Identifier: Apache-2.0
/* The match of OpenFlow 1.0. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "flow/match.h"
#include "some_matches.h"

#define AT_WILDCARDS 0
#define AT_DL_TYPE 22
#define AT_NW_PROTO 25
#define AT_TP_SRC 36

static struct match parse(const char *text)
{
	struct match match;
	struct error err = { "" };

	if (match_parse(&match, text, &err) < 0)
		fail_msg("%s: %s", text, err.text);
	return match;
}

static void test_there_and_back(void **state)
{
	unsigned said = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(some_matches); i++) {
		struct match match = parse(some_matches[i]), again;
		uint8_t bytes[MATCH_OF10_LEN];

		if (!match_encode_of10(&match, bytes))
			continue;
		said++;
		assert_int_equal(match_decode_of10(&again, bytes), OFERR_NONE);
		assert_true(match_equal(&match, &again));
	}
	assert_in_range(said, 15, ARRAY_SIZE(some_matches));
}

/* As Open vSwitch 3.1 writes them: the wildcards, and the fields of a whole one. */
static void test_bytes(void **state)
{
	static const struct {
		const char *text;
		uint32_t wildcards;
	} known[] = {
		{ "", 0x003820ff },
		{ "in_port=1", 0x003820fe },
		{ "dl_vlan=0xffff", 0x002820fd },
		{ "dl_vlan=5", 0x003820fd },
		{ "dl_vlan_pcp=5", 0x002820ff },
		{ "ip,nw_src=10.0.0.0/8", 0x003818ef },
		{ "ip,nw_dst=1.2.3.4", 0x003020ef },
		{ "arp,arp_op=1", 0x003820cf },
	};
	static const uint8_t whole[MATCH_OF10_LEN] = {
		0x00, 0x26, 0x20, 0x4c, 0x00, 0x01, 0, 0, 0, 0, 0, 0, 0,  0, 0, 0, 0, 0, 0x00, 0x05,
		3,    0,    8,	  0,	0,    6,    0, 0, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0,    80,
	};
	struct match match =
		parse("tcp,tp_dst=80,in_port=1,nw_dst=10.0.0.0/8,dl_vlan=5,dl_vlan_pcp=3");
	uint8_t bytes[MATCH_OF10_LEN];

	assert_true(match_encode_of10(&match, bytes));
	assert_memory_equal(bytes, whole, sizeof(bytes));
	for (unsigned i = 0; i < ARRAY_SIZE(known); i++) {
		match = parse(known[i].text);
		assert_true(match_encode_of10(&match, bytes));
		assert_int_equal(be32_load(bytes + AT_WILDCARDS), known[i].wildcards);
	}
}

static void test_what_it_cannot_say(void **state)
{
	static const char *const texts[] = {
		"reg0=0",
		"metadata=1",
		"ipv6,nw_proto=6",
		"tcp6,tp_dst=80",
		"ip,nw_src=10.0.0.0/255.0.255.0",
		"tcp,tp_dst=80/0xfff0",
		"ip,nw_ttl=5",
		"ip,nw_ecn=1",
		"dl_dst=01:00:00:00:00:00/01:00:00:00:00:00",
		"vlan_tci=0x1000/0x1000",
		"vlan_tci=0/0x1000",
		"vlan_tci=0x3000/0x3000",
		"vlan_tci=0x1001/0x100f",
		"vlan_tci=0x0005",
		"arp,arp_op=256",
		"arp,arp_sha=00:11:22:33:44:55",
		"tcp,tcp_flags=+syn",
	};

	for (unsigned i = 0; i < ARRAY_SIZE(texts); i++) {
		struct match match = parse(texts[i]);
		uint8_t bytes[MATCH_OF10_LEN];

		if (match_encode_of10(&match, bytes))
			fail_msg("%s", texts[i]);
	}
}

static void decode(const uint8_t *bytes, const char *text)
{
	struct match match, expected = parse(text);

	assert_int_equal(match_decode_of10(&match, bytes), OFERR_NONE);
	assert_true(match_equal(&match, &expected));
}

/* Fields whose protocol is not matched do not count. */
static void test_passes_over_what_does_not_apply(void **state)
{
	uint8_t bytes[MATCH_OF10_LEN];

	memset(bytes, 0x11, sizeof(bytes));
	be32_store(bytes, 0x00383fff & ~0x60u); /* a protocol and a port, but no EtherType */
	decode(bytes, "");
	be32_store(bytes, 0x00383fff & ~0x70u);
	decode(bytes, "dl_type=0x1111");
	be16_store(bytes + AT_DL_TYPE, 0x0800);
	decode(bytes, "udp,tp_src=4369");
}

static void test_icmp_has_bytes(void **state)
{
	uint8_t bytes[MATCH_OF10_LEN] = { 0 };
	struct match match;

	be32_store(bytes, 0x003820ff & ~0x70u);
	be16_store(bytes + AT_DL_TYPE, 0x0800);
	bytes[AT_NW_PROTO] = 1;
	be16_store(bytes + AT_TP_SRC, 8);
	decode(bytes, "icmp,icmp_type=8");
	be16_store(bytes + AT_TP_SRC, 0x108);
	assert_int_equal(match_decode_of10(&match, bytes), OFERR_MATCH_BAD_VALUE);
}

/* Whatever the bytes are, what they mean can be said and is understood. */
static void test_hostile(void **state)
{
	uint32_t seed = 1;

	for (unsigned n = 0; n < 20000; n++) {
		static const uint16_t types[] = { 0x0800, 0x0806, 0x8035, 0x86dd, 0x8847 };
		static const uint8_t protos[] = { 1, 6, 17, 132, 58 };
		uint8_t bytes[MATCH_OF10_LEN], again[MATCH_OF10_LEN];
		struct match match, twice;

		for (unsigned i = 0; i < sizeof(bytes); i++) {
			seed = seed * 1664525 + 1013904223;
			bytes[i] = (uint8_t)(seed >> 24);
		}
		be16_store(bytes + AT_DL_TYPE, types[n % ARRAY_SIZE(types)]);
		bytes[AT_NW_PROTO] = protos[n / 5 % ARRAY_SIZE(protos)];
		if (match_decode_of10(&match, bytes))
			continue;
		assert_int_equal(match_check(&match, NULL), OFERR_NONE);
		if (!match_encode_of10(&match, again))
			fail_msg("%u", n);
		assert_int_equal(match_decode_of10(&twice, again), OFERR_NONE);
		assert_true(match_equal(&match, &twice));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_what_it_cannot_say),
		cmocka_unit_test(test_passes_over_what_does_not_apply),
		cmocka_unit_test(test_icmp_has_bytes),
		cmocka_unit_test(test_hostile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
