// SPDX-License-Identifier: Apache-2.0
/* Roles, and which unasked messages are wanted. Bytes as Open vSwitch sends them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "openflow_peer.h"

static uint32_t error(void)
{
	return peer.len >= 12 ? be32_load(peer.sent + 8) : 0;
}

static void test_defaults(void **state)
{
	peer_setup(OF13);
	peer_send(OF13, 26, "");
	assert_true(peer_got("04 1b 0020 11223344 00000003 00000000 00000007 00000007 0000000f "
			     "00000000"));
	peer_teardown();
	peer_setup(OF14);
	peer_send(OF14, 26, "");
	assert_true(peer_got("05 1b 0068 11223344"
			     "0000 0008 00000000 0001 0008 0000003b 0002 0008 00000007"
			     "0003 0008 00000007 0004 0008 00000000 0005 0008 0000003f"
			     "0006 0008 00000000 0007 0008 00000000 0008 0008 00000000"
			     "0009 0008 00000000 000a 0008 00000000 000b 0008 00000000"));
	peer_teardown();
}

static void test_changes(void **state)
{
	peer_setup(OF13);
	peer_send(OF13, 9, "0000 0080");
	assert_true(of_session_wants(peer.s, ASYNC_PACKET_IN, 1));
	assert_false(of_session_wants(peer.s, ASYNC_PACKET_IN, 2));
	peer_send(OF13, 28, "00000004 00000000 00000000 00000007 00000000 00000000");
	assert_int_equal(peer.len, 0);
	assert_false(of_session_wants(peer.s, ASYNC_PACKET_IN, 1));
	assert_true(of_session_wants(peer.s, ASYNC_PACKET_IN, 2));
	assert_false(of_session_wants(peer.s, ASYNC_PORT_STATUS, 0));
	peer_send(OF13, 4,
		  "00002320 00000013 00000002 00000000 00000000 00000007 00000000 "
		  "00000000");
	/* what is a reason of its own later is an action here */
	assert_true(of_session_wants(peer.s, ASYNC_PACKET_IN, 4));
	peer_send(OF13, 28, "00");
	assert_int_equal(error(), 0x00010006);
	peer_teardown();
	peer_setup(OF14);
	peer_send(OF14, 9, "0000 0080");
	peer_send(OF14, 28, "0001 0008 00000004 0000 0008 00000001");
	assert_int_equal(peer.len, 0);
	assert_true(of_session_wants(peer.s, ASYNC_PACKET_IN, 2));
	assert_false(of_session_wants(peer.s, ASYNC_PACKET_IN, 0));
	peer_send(OF14, 28, "0001 0008 00000001 000c 0008 00000001");
	assert_int_equal(error(), 0x000f0001);
	peer_send(OF14, 28, "0003 0008 00000008");
	assert_int_equal(error(), 0x000f0000);
	peer_send(OF14, 28, "0001 0008 00000080"); /* no such reason */
	assert_int_equal(error(), 0x000f0000);
	peer_send(OF14, 28, "0001 000c 00000001 00000000 00000000");
	assert_int_equal(error(), 0x000e0001);
	peer_send(OF14, 28, "ffff 0008 12345678");
	assert_int_equal(error(), 0x000e0005);
	assert_true(of_session_wants(peer.s, ASYNC_PACKET_IN, 2)); /* all or nothing */
	peer_teardown();
}

static void test_roles(void **state)
{
	struct of_session *other;

	peer_setup(OF13);
	peer_send(OF13, 24, "00000000 00000000 0000000000000000");
	assert_true(peer_got("04 19 0018 11223344 00000001 00000000 ffffffffffffffff"));
	peer_send(OF13, 24, "00000002 00000000 0000000000000005");
	assert_true(peer_got("04 19 0018 11223344 00000002 00000000 0000000000000005"));
	peer_send(OF13, 24, "00000003 00000000 0000000000000004");
	assert_int_equal(error(), 0x000b0000);
	peer_send(OF13, 24, "00000004 00000000 0000000000000006");
	assert_int_equal(error(), 0x000b0002);
	/* another master makes this one a slave */
	other = peer.s;
	peer.s = of_session_create(&peer.bridge, &peer.transport);
	peer_send(OF10, OFT_HELLO, "");
	peer_send(OF10, 4, "00002320 0000000a 00000001");
	assert_true(peer_got("01 04 0014 11223344 00002320 0000000b 00000001"));
	assert_int_equal(other->role, ROLE_SLAVE);
	peer_send(OF10, 4, "00002320 0000000a 00000003");
	assert_int_equal(error(), 0xb0c20000);
	of_session_destroy(other);
	peer_teardown();
}

static void test_controller_id(void **state)
{
	peer_setup(OF10);
	peer_send(OF10, 4, "00002320 00000014 000000000000 0102");
	assert_int_equal(peer.len, 0);
	assert_int_equal(peer.s->controller, 0x102);
	peer_send(OF10, 4, "00002320 00000014 000001000000 0103");
	assert_true(peer_got("01 01 002c 11223344 b0c20000 00002320 00010203"
			     "01040018 11223344 00002320 00000014 000001000000 0103"));
	assert_int_equal(peer.s->controller, 0x102);
	peer_teardown();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_roles),
		cmocka_unit_test(test_controller_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
