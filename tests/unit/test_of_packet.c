// SPDX-License-Identifier: Apache-2.0
/* Packets to and from controllers, in all forms. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "openflow/packet.h"
#include "openflow_peer.h"

#define FRAME "010203040506 010203040507 0806 00"

static uint32_t error(void)
{
	return peer.len >= 12 ? be32_load(peer.sent + 8) : 0;
}

static void expect_out(uint32_t in_port)
{
	assert_int_equal(peer.len, 0);
	assert_int_equal(fake.in_port, in_port);
	assert_int_equal(fake.frame_len, 15);
	assert_int_equal(fake.frame[12], 8);
	assert_true(actions_output_to(&fake.actions, 2));
}

static void test_out(void **state)
{
	peer_setup(OF10);
	peer_send(OF10, 13, "ffffffff ffff 0008 0000 0008 0002 0000" FRAME);
	expect_out(OFPORT_NONE);
	peer_teardown();
	peer_setup(OF13);
	peer_send(OF13, 13,
		  "ffffffff fffffffd 0010 000000000000"
		  "0000 0010 00000002 0000 000000000000" FRAME);
	expect_out(OFPORT_CONTROLLER);
	peer_teardown();
	peer_setup(OF15);
	peer_send(OF15, 13,
		  "ffffffff 0010 0000 0001 000c 80000004 00000001 00000000"
		  "0000 0010 00000002 0000 000000000000" FRAME);
	expect_out(1);
	peer_teardown();
}

static void test_refusals(void **state)
{
	peer_setup(OF13);
	peer_send(OF13, 13, "00000001 fffffffd 0000 000000000000" FRAME);
	assert_int_equal(error(), 0x00010008);
	peer_send(OF13, 13, "ffffffff fffffffb 0000 000000000000" FRAME);
	assert_int_equal(error(), 0x0001000b);
	peer_send(OF13, 13, "ffffffff fffffffd 0010 000000000000");
	assert_int_equal(error(), 0x00010006);
	peer_send(OF13, 13, "ffffffff fffffffd 0000 000000000000 0102");
	assert_int_equal(error(), 0x0001000c);
	peer_send(OF13, 13, "ffffffff fffffffd");
	assert_int_equal(error(), 0x00010006);
	peer_teardown();
	peer_setup(OF15);
	/* the port must be told; nothing else can be */
	peer_send(OF15, 13, "ffffffff 0000 0000 0001 0004 00000000" FRAME);
	assert_int_equal(error(), 0x0001000b);
	peer_send(OF15, 13,
		  "ffffffff 0000 0000 0001 0018 80000004 00000001"
		  "80000408 0000000000000001" FRAME);
	assert_int_equal(error(), 0x00040006);
	peer_teardown();
}

static const uint8_t frame[] = { 1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 7, 8, 6, 0, 1 };

static struct flow_key metadata;
static struct flows_packet packet;

static void setup(uint8_t version)
{
	peer_setup(version);
	memset(&metadata, 0, sizeof(metadata));
	metadata.in_port = 1;
	metadata.metadata = 5;
	packet = (struct flows_packet){ .metadata = &metadata,
					.cookie = 7,
					.max_len = 14,
					.reason = 1,
					.table = 3,
					.frame = frame,
					.len = sizeof(frame),
					.total_len = sizeof(frame) };
}

static void tell(void)
{
	peer.len = 0;
	of_tell_packet(peer.s, &packet);
}

static void test_in(void **state)
{
	setup(OF10);
	tell();
	assert_int_equal(peer.len, 0); /* nobody has asked */
	peer_send(OF10, 9, "0000 0080");
	tell();
	assert_true(peer_got("01 0a 0020 00000000 ffffffff 0010 0001 01 00"
			     "010203040506 010203040507 0806"));
	peer_send(OF10, 4, "00002320 00000010 00000001");
	tell();
	assert_true(peer_got("01 04 0050 00000000 00002320 00000011 ffffffff 0010 01 03"
			     "0000000000000007 0012 000000000000 00000002 0001"
			     "80000408 0000000000000005 000000000000 0000"
			     "010203040506 010203040507 0806"));
	peer_teardown();
	setup(OF13);
	peer_send(OF13, 9, "0000 0080");
	packet.reason = 4;
	tell();
	assert_true(peer_got("04 0a 0040 00000000 ffffffff 0010 01 03 0000000000000007"
			     "0001 0018 80000004 00000001 80000408 0000000000000005 0000"
			     "010203040506 010203040507 0806"));
	peer_teardown();
}

static void test_second_form_of_nicira(void **state)
{
	static const uint8_t userdata[] = { 9, 8 };

	setup(OF14);
	peer_send(OF14, 9, "0000 0080");
	peer_send(OF14, 4, "00002320 00000010 00000002");
	packet.userdata = userdata;
	packet.userdata_len = 2;
	tell();
	assert_true(peer_got("05 04 0070 00000000 00002320 0000001e"
			     "0000 0012 010203040506 010203040507 0806 000000000000"
			     "0001 0008 00000010 0003 0005 03 000000"
			     "0004 0010 00000000 0000000000000007 0005 0005 01 000000"
			     "0006 0018 80000004 00000001 80000408 0000000000000005"
			     "0007 0006 0908 0000"));
	peer_send(OF14, 4, "00002320 00000010 00000003");
	assert_int_equal(error(), 0x00010005);
	peer_teardown();
}

static void test_who_gets_what(void **state)
{
	setup(OF13);
	peer_send(OF13, 9, "0000 0010");
	packet.controller = 5;
	tell();
	assert_int_equal(peer.len, 0);
	peer_send(OF13, 4, "00002320 00000014 000000000000 0005");
	tell();
	assert_int_equal(be16_load(peer.sent + 2), peer.len);
	packet.reason = 2; /* TTLs are not wanted */
	tell();
	assert_int_equal(peer.len, 0);
	/* of a packet that no rule was for, as much as was said */
	packet.reason = 0;
	packet.cookie = UINT64_MAX;
	packet.max_len = 0xffff;
	tell();
	assert_int_equal(peer.len, 24 + 24 + 2 + 16);
	peer_teardown();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_out),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_in),
		cmocka_unit_test(test_second_form_of_nicira),
		cmocka_unit_test(test_who_gets_what),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
