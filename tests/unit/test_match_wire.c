// SPDX-License-Identifier: Apache-2.0
/* Matches as OXM and NXM. */
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

static const uint8_t versions[] = { 1, 4, 5, 6 };

static struct match parse(const char *text)
{
	struct match match;
	struct error err = { "" };

	if (match_parse(&match, text, &err) < 0)
		fail_msg("%s: %s", text, err.text);
	return match;
}

static size_t unhex(const char *text, uint8_t *bytes)
{
	size_t n = 0;

	for (; *text; text += 2) {
		char byte[] = { text[0], text[1], '\0' };

		bytes[n++] = (uint8_t)strtoul(byte, NULL, 16);
	}
	return n;
}

static void test_there_and_back_in_each_version(void **state)
{
	for (unsigned i = 0; i < ARRAY_SIZE(some_matches); i++) {
		struct match match = parse(some_matches[i]), again;
		struct error err = { "" };

		for (unsigned v = 0; v < ARRAY_SIZE(versions); v++) {
			uint8_t bytes[MATCH_WIRE_MAX];
			size_t n = match_encode(&match, versions[v], bytes, sizeof(bytes));

			if (match_decode(&again, bytes, n, false, &err))
				fail_msg("%s, version %u: %s", some_matches[i], versions[v],
					 err.text);
			assert_true(match_equal(&match, &again));
		}
	}
}

/* Those which Open vSwitch 3.1 writes, for 1.0 (NXM), 1.3 and 1.5. */
static const struct {
	const char *text, *wire[3];
} known[] = {
	{ "in_port=1", { "000000020001", "8000000400000001", "8000000400000001" } },
	{ "in_port=LOCAL", { "00000002fffe", "80000004fffffffe", "80000004fffffffe" } },
	{ "actset_output=3",
	  { "ffff56084f4e460000000003", "ffff56084f4e460000000003", "8000560400000003" } },
	{ "tun_flags=oam", { "0001d10400010001", "0001d10400010001", "0001d10400010001" } },
	{ "ct_state=+trk",
	  { "0001d3080000002000000020", "0001d3080000002000000020", "0001d3080000002000000020" } },
	{ "ct_state=trk",
	  { "0001d30800000020000000ff", "0001d30800000020000000ff", "0001d30800000020000000ff" } },
	{ "metadata=0x1/0xf",
	  { "800005100000000000000001000000000000000f", "800005100000000000000001000000000000000f",
	    "800005100000000000000001000000000000000f" } },
	{ "reg0=1",
	  { "0001000400000001", "0001000400000001", "800101100000000100000000ffffffff00000000" } },
	{ "reg0=1,reg1=2",
	  { "00010004000000010001020400000002", "00010004000000010001020400000002",
	    "800100080000000100000002" } },
	{ "dl_vlan=5", { "0000090410051fff", "80000c021005", "80000c021005" } },
	{ "dl_vlan_pcp=3",
	  { "000009047000f000", "80000d041000100080000e0103", "80000d041000100080000e0103" } },
	{ "vlan_tci=0", { "000008020000", "80000c020000", "80000c020000" } },
	{ "vlan_vid=0x1000/0x1000",
	  { "0000090410001000", "80000d0410001000", "80000d0410001000" } },
	{ "ip,nw_tos=184",
	  { "00000602080000000a01b8", "80000a020800800010012e", "80000a020800800010012e" } },
	{ "tcp,tcp_flags=+syn-ack",
	  { "00000602080000000c01060001450400020012",
	    "80000a0208008000140106ffff55084f4e460000020012",
	    "80000a02080080001401068000550400020012" } },
	{ "ip,nw_src=10.0.0.0/8",
	  { "00000602080000000f080a000000ff000000", "80000a020800800017080a000000ff000000",
	    "80000a020800800017080a000000ff000000" } },
};

static void test_bytes(void **state)
{
	static const uint8_t of[] = { 1, 4, 6 };

	for (unsigned i = 0; i < ARRAY_SIZE(known); i++) {
		struct match match = parse(known[i].text);

		for (unsigned v = 0; v < ARRAY_SIZE(of); v++) {
			uint8_t bytes[MATCH_WIRE_MAX], expected[MATCH_WIRE_MAX];
			size_t n = unhex(known[i].wire[v], expected);

			assert_int_equal(match_encode(&match, of[v], bytes, sizeof(bytes)), n);
			assert_memory_equal(bytes, expected, n);
		}
	}
}

static void expect(const char *hex, const char *text)
{
	uint8_t bytes[MATCH_WIRE_MAX];
	struct match match, expected = parse(text);
	struct error err = { "" };

	if (match_decode(&match, bytes, unhex(hex, bytes), false, &err))
		fail_msg("%s: %s", hex, err.text);
	assert_true(match_equal(&match, &expected));
}

static void refuse(const char *hex, enum of_error error)
{
	uint8_t bytes[MATCH_WIRE_MAX];
	size_t n = unhex(hex, bytes);
	struct match match;
	struct error err = { "" };

	assert_string_equal(of_error_name(match_decode(&match, bytes, n, false, &err)),
			    of_error_name(error));
	assert_true(*err.text);
	assert_int_equal(match_decode(&match, bytes, n, false, NULL), error);
}

static void test_what_others_write(void **state)
{
	expect("", "");
	expect("0001d20400000021", "ct_state=0x21"); /* no mask: all of them */
	expect("80000a0208008000140106000144020002", "tcp,tcp_flags=2");
	expect("80000d0400000000", ""); /* a mask of nothing */
	expect("80000d0410051fff", "dl_vlan=5");
	expect("80000a020800800017080a000000ff00ff00", "ip,nw_src=10.0.0.0/255.0.255.0");
	expect("80000a0286dd800039080000000500f0000f",
	       "ipv6,ipv6_label=5/0xf"); /* too wide a mask */
	expect("00000602080000000a01b8", "ip,nw_tos=184");
}

static void test_hostile(void **state)
{
	refuse("80", OFERR_MATCH_BAD_LEN);
	refuse("800000", OFERR_MATCH_BAD_LEN);
	refuse("80000004000000", OFERR_MATCH_BAD_LEN);
	refuse("80000004", OFERR_MATCH_BAD_LEN);
	refuse("80000003000001", OFERR_MATCH_BAD_FIELD); /* a wrong length */
	refuse("800001050000000100", OFERR_MATCH_BAD_FIELD);
	refuse("00000000", OFERR_MATCH_BAD_FIELD);
	refuse("80007e00", OFERR_MATCH_BAD_FIELD);
	refuse("ffff0003000000", OFERR_MATCH_BAD_FIELD);   /* an experimenter without a number */
	refuse("ffff54044f4e4600", OFERR_MATCH_BAD_FIELD); /* and without a value */
	refuse("ffff5406000023200002", OFERR_MATCH_BAD_FIELD);
	refuse("80000a02080080000a020800", OFERR_MATCH_DUP_FIELD);
	refuse("000101080000000100000001000101080000000200000002", OFERR_MATCH_DUP_FIELD);
	refuse("0001000400000001800100080000000000000000", OFERR_MATCH_DUP_FIELD);
	refuse("80000c021005000008021005", OFERR_MATCH_DUP_FIELD);
	refuse("80000a020800800016040a000001800016040a000001", OFERR_MATCH_DUP_FIELD);
	refuse("800016040a00000180000a020800", OFERR_MATCH_BAD_PREREQ); /* too early */
	refuse("80000e0103", OFERR_MATCH_BAD_PREREQ);
	refuse("80000c02000080000e0103", OFERR_MATCH_BAD_PREREQ);
	refuse("80000a020800800020020050", OFERR_MATCH_BAD_PREREQ);
	refuse("0001f0040a000001", OFERR_MATCH_BAD_PREREQ);
	/* what was there at first: a packet with ports, and with code 0 */
	refuse("80000a020800800014010680001a0200290001340103", OFERR_MATCH_BAD_PREREQ);
	refuse("80000a0286dd800014013a80003a018780003e10fe800000000000000000000000000001"
	       "80003c0107",
	       OFERR_MATCH_BAD_PREREQ);
	refuse("80000c022000", OFERR_MATCH_BAD_VALUE);
	refuse("80000c02100580000e0108", OFERR_MATCH_BAD_VALUE);
	refuse("8000000400011170", OFERR_MATCH_BAD_VALUE); /* no port has this number */
	refuse("80000a02080000000a0103", OFERR_MATCH_BAD_VALUE);
	refuse("80000a02080080001001ff", OFERR_MATCH_BAD_VALUE);
	refuse("8000580400010800", OFERR_MATCH_BAD_VALUE); /* a packet that is not Ethernet */
	refuse("0001d20400000100", OFERR_MATCH_BAD_VALUE);
	refuse("8000010800000001000000ff", OFERR_MATCH_BAD_MASK);
	refuse("80000b0418000f00", OFERR_MATCH_BAD_WILDCARDS);
	refuse("80000b040800ff00", OFERR_MATCH_BAD_MASK);
}

static void test_loose_passes_over_what_it_does_not_know(void **state)
{
	uint8_t bytes[64];
	size_t n = unhex("ffff0008000023200000000180000a0208008000fe02beef", bytes);
	struct match match, ip = parse("ip");

	assert_int_equal(match_decode(&match, bytes, n, true, NULL), OFERR_NONE);
	assert_true(match_equal(&match, &ip));
	assert_int_equal(match_decode(&match, bytes, n - 1, true, NULL), OFERR_MATCH_BAD_LEN);
	assert_int_equal(match_decode(&match, bytes, n, false, NULL), OFERR_MATCH_BAD_FIELD);
}

/* Cut anywhere, or with any byte changed: refused, or understood and written again alike. */
static void test_damaged(void **state)
{
	struct match match = parse(some_matches[ARRAY_SIZE(some_matches) - 1]), again;
	uint8_t bytes[MATCH_WIRE_MAX];
	size_t n = match_encode(&match, 4, bytes, sizeof(bytes));

	for (size_t len = 0; len < n; len++) {
		uint8_t *copy = malloc(len + 1);

		memcpy(copy, bytes, len);
		match_decode(&again, copy, len, true, NULL);
		free(copy);
	}
	for (size_t at = 0; at < n; at++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			uint8_t written[MATCH_WIRE_MAX];
			struct match twice;
			size_t len;

			bytes[at] ^= (uint8_t)(1u << bit);
			if (!match_decode(&again, bytes, n, true, NULL)) {
				len = match_encode(&again, 6, written, sizeof(written));
				assert_int_equal(match_decode(&twice, written, len, false, NULL),
						 OFERR_NONE);
				assert_true(match_equal(&again, &twice));
			}
			bytes[at] ^= (uint8_t)(1u << bit);
		}
	}
}

static void test_fits(void **state)
{
	struct match match = { 0 };
	uint8_t bytes[MATCH_WIRE_MAX];
	size_t n;

	/* of everything a part: more than any match can be */
	match.mask.eth_type = match.key.eth_type = 0;
	for (unsigned i = 0; i < FIELD_N; i++)
		if (fields[i].prereq == PREREQ_NONE)
			match_set(&match, &fields[i], 0, field_ones(&fields[i]) >> 1 | 1);
	for (unsigned v = 0; v < ARRAY_SIZE(versions); v++)
		assert_in_range(match_encode(&match, versions[v], bytes, sizeof(bytes)), 1,
				sizeof(bytes) / 2);
	match = parse(some_matches[ARRAY_SIZE(some_matches) - 1]);
	n = match_encode(&match, 4, bytes, sizeof(bytes));
	for (size_t size = 0; size < n; size++) {
		memset(bytes, 0xee, sizeof(bytes));
		assert_int_equal(match_encode(&match, 4, bytes, size), n);
		assert_int_equal(bytes[size], 0xee);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back_in_each_version),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_what_others_write),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_loose_passes_over_what_it_does_not_know),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
