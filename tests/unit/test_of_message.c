// SPDX-License-Identifier: Apache-2.0
/* Hello, and which messages there are in which version; what is malformed; order of answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "openflow_peer.h"

static const uint8_t versions[] = { OF10, OF13, OF14, OF15 };

static void hello(uint8_t version, const char *body, uint8_t want)
{
	peer_setup(0);
	peer_send(version, OFT_HELLO, body);
	assert_int_equal(peer.s->version, want);
	assert_int_equal(peer.ended, !want);
	peer_teardown();
}

static void test_versions_are_agreed_upon(void **state)
{
	hello(OF10, "", OF10);
	hello(2, "", OF10); /* 1.1 has 1.0 below it */
	hello(OF13, "", OF13);
	hello(9, "", OF15);
	hello(OF15, "0001 0008 00000012", OF13); /* 1.0 and 1.3 */
	hello(OF15, "0007 0005 ff 000000 0001 0008 00000020", OF14);
	hello(OF15, "0001 0008 0000000c", 0); /* 1.1 and 1.2 */
	hello(0, "", 0);
	hello(OF10, "0001 0003", OF10); /* an element that is none */
}

static void test_says_hello_first(void **state)
{
	peer_setup(0);
	peer_teardown();
	fake_setup();
	peer.len = 0;
	peer.s = of_session_create(&peer.bridge, &peer.transport);
	assert_true(peer_got("06 00 0010 00000001 0001 0008 00000072"));
	peer_teardown();
}

static void test_whoever_says_something_else_first_is_refused(void **state)
{
	peer_setup(0);
	peer_send(OF13, 5, "");
	assert_true(peer_got("04 01 0014 11223344 0000 0000 04050008 11223344"));
	assert_true(peer.ended);
	peer_teardown();
}

static void test_echo(void **state)
{
	for (size_t i = 0; i < sizeof(versions); i++) {
		char want[64];

		peer_setup(versions[i]);
		peer_send(versions[i], 2, "616263");
		snprintf(want, sizeof(want), "%02x 03 000b 11223344 616263", versions[i]);
		assert_true(peer_got(want));
		peer_send(versions[i], 3, "61");
		assert_int_equal(peer.len, 0);
		peer_teardown();
	}
}

/* It is the same in all of them. */
static void test_echo_in_another_version(void **state)
{
	peer_setup(OF13);
	peer_send(OF10, 2, "616263");
	assert_true(peer_got("01 03 000b 11223344 616263"));
	peer_send(9, 2, "");
	assert_true(peer_got("09 03 0008 11223344"));
	peer_send(OF10, 3, "");
	assert_int_equal(peer.len, 0);
	peer_teardown();
}

static void test_errors_bring_back_what_they_are_about(void **state)
{
	peer_setup(OF13);
	peer_send(OF13, 99, "");
	assert_true(peer_got("04 01 0014 11223344 0001 0001 04630008 11223344"));
	/* at most 64 bytes of it */
	peer_send(OF13, 99,
		  "00000000000000000000000000000000000000000000000000000000000000000000"
		  "00000000000000000000000000000000000000000000000000000000000000000000");
	assert_int_equal(be16_load(peer.sent + 2), 12 + 64);
	assert_int_equal(be16_load(peer.sent + 12 + 2), 8 + 68);
	peer_send(OF13, 5, "00"); /* a features request has no body */
	assert_true(peer_got("04 01 0015 11223344 0001 0006 04050009 11223344 00"));
	peer_send(OF10, 5, "");
	assert_true(peer_got("04 01 0014 11223344 0001 0000 01050008 11223344"));
	peer_teardown();
}

static void test_messages_of_other_versions_are_unknown(void **state)
{
	peer_setup(OF10);
	peer_send(OF10, 24, "00000000000000000000000000000000"); /* a role request is later */
	assert_int_equal(be32_load(peer.sent + 8), 0x00010001);
	peer_send(OF10, 16, "00060000 00000000 00000000"); /* group statistics, too */
	assert_int_equal(be32_load(peer.sent + 8), 0x00010002);
	peer_teardown();
	peer_setup(OF14);
	peer_send(OF14, 22, "00000000 00000000"); /* a multipart since 1.4 */
	assert_int_equal(be32_load(peer.sent + 8), 0x00010001);
	peer_send(OF14, 33, "00000001 0000 0000"); /* there are no bundles */
	assert_int_equal(be32_load(peer.sent + 8), 0x00010001);
	peer_teardown();
}

static void test_vendors(void **state)
{
	peer_setup(OF13);
	peer_send(OF13, 4, "00002320 00000099");
	assert_int_equal(be32_load(peer.sent + 8), 0x00010004);
	peer_send(OF13, 4, "12345678 00000001");
	assert_int_equal(be32_load(peer.sent + 8), 0x00010003);
	peer_send(OF13, 4, "0000");
	assert_int_equal(be32_load(peer.sent + 8), 0x00010006);
	peer_send(OF13, 18, "ffff0000 00000000 12345678 00000001");
	assert_int_equal(be32_load(peer.sent + 8), 0x00010003);
	peer_send(OF13, 18, "ffff0000 00000000 00002320 00000001");
	assert_int_equal(be32_load(peer.sent + 8), 0x00010004);
	peer_send(OF13, 18, "ffff0000 00000000 0000");
	assert_int_equal(be32_load(peer.sent + 8), 0x00010006);
	peer_teardown();
}

static void test_features(void **state)
{
	peer_setup(OF13);
	peer_send(OF13, 5, "");
	assert_true(peer_got("04 06 0020 11223344 0000............ 00000000 ff 00 0000 0000004f "
			     "00000000"));
	peer_teardown();
	peer_setup(OF10);
	peer_send(OF10, 5, "");
	assert_int_equal(peer.len, 32 + 2 * 48);
	assert_int_equal(be32_load(peer.sent + 24), 0xc7);
	assert_int_equal(be32_load(peer.sent + 28), 0xfff);
	assert_memory_equal(peer.sent + 32, "\0\1\2\0\0\0\0\1vm1", 12);
	peer_teardown();
}

static void test_configuration(void **state)
{
	for (size_t i = 0; i < sizeof(versions); i++) {
		uint8_t v = versions[i];

		peer_setup(v);
		peer_send(v, 7, "");
		assert_int_equal(be32_load(peer.sent + 8), 0);
		peer_send(v, 9, "0001 0080");
		assert_int_equal(peer.len, 0);
		peer_send(v, 7, "");
		assert_int_equal(be32_load(peer.sent + 8), 0x00010080);
		peer_send(v, 9, "0002 0080"); /* nobody reassembles */
		peer_send(v, 7, "");
		assert_int_equal(be32_load(peer.sent + 8), 0x00010080);
		peer_teardown();
	}
	peer_setup(OF10);
	peer_send(OF10, 9, "0004 0000");
	peer_send(OF10, 7, "");
	assert_int_equal(be32_load(peer.sent + 8), 0x00040000);
	peer_send(OF10, 9, "0010 0000");
	assert_true(peer_got("01 01 0020 11223344 b0c20000 00002320 00010209"
			     "0109000c 11223344 00100000"));
	peer_teardown();
	peer_setup(OF13);
	peer_send(OF13, 9, "0010 0000");
	assert_int_equal(be32_load(peer.sent + 8), 0x000a0000);
	peer_teardown();
}

static void test_barrier(void **state)
{
	peer_setup(OF10);
	peer_send(OF10, 18, "");
	assert_true(peer_got("01 13 0008 11223344"));
	peer_teardown();
	peer_setup(OF15);
	peer_send(OF15, 20, "");
	assert_true(peer_got("06 15 0008 11223344"));
	peer_teardown();
}

/* What was sent before a barrier leaves before what comes behind it is done. */
static void test_barrier_behind_packets(void **state)
{
	peer_setup(OF13);
	fake.hold_settles = true;
	peer_send(OF13, 13,
		  "ffffffff fffffffd 0010 000000000000"
		  "0000 0010 00000002 0000 000000000000 ffffffffffff 020000000001 88b5 0000");
	peer_send(OF13, 20, "");
	assert_int_equal(peer.len, 0);
	assert_false(of_session_ready(peer.s));
	fake_settle();
	assert_true(peer_got("04 15 0008 11223344"));
	/* there was none since */
	peer_send(OF13, 20, "");
	assert_true(peer_got("04 15 0008 11223344"));
	fake.hold_settles = false;
	peer_teardown();
}

static void test_description(void **state)
{
	peer_setup(OF10);
	peer_send(OF10, 16, "00000000");
	assert_int_equal(peer.len, 12 + 1056);
	assert_string_equal((char *)peer.sent + 12, "vireo");
	assert_string_equal((char *)peer.sent + 12 + 1056 - 256, "br0");
	peer_teardown();
	peer_setup(OF15);
	peer_send(OF15, 18, "00000000 00000000");
	assert_int_equal(peer.len, 16 + 1056);
	peer_teardown();
}

static void test_counts_are_waited_for(void **state)
{
	peer_setup(OF13);
	fake.hold_settles = true;
	peer_send(OF13, 18, "00030000 00000000");
	assert_int_equal(peer.len, 0);
	assert_false(of_session_ready(peer.s));
	fake_settle();
	assert_int_equal(peer.len, 16 + 255 * 24);
	assert_true(of_session_ready(peer.s));
	assert_int_equal(peer.n_ready, 1);
	/* a peer that has gone meanwhile */
	peer_send(OF13, 18, "00030000 00000000");
	peer_teardown();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_versions_are_agreed_upon),
		cmocka_unit_test(test_says_hello_first),
		cmocka_unit_test(test_whoever_says_something_else_first_is_refused),
		cmocka_unit_test(test_echo),
		cmocka_unit_test(test_echo_in_another_version),
		cmocka_unit_test(test_errors_bring_back_what_they_are_about),
		cmocka_unit_test(test_messages_of_other_versions_are_unknown),
		cmocka_unit_test(test_vendors),
		cmocka_unit_test(test_features),
		cmocka_unit_test(test_configuration),
		cmocka_unit_test(test_barrier),
		cmocka_unit_test(test_barrier_behind_packets),
		cmocka_unit_test(test_description),
		cmocka_unit_test(test_counts_are_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
