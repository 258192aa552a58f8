// SPDX-License-Identifier: Apache-2.0
/* Ports: descriptions, statistics, changes and their news; queues, of which there are none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "openflow/port.h"
#include "openflow_peer.h"

static uint32_t error(void)
{
	return peer.len >= 12 ? be32_load(peer.sent + 8) : 0;
}

static void test_descriptions(void **state)
{
	peer_setup(OF10);
	peer_send(OF10, 16, "000d0000");
	assert_true(peer_got("01 11 006c 11223344 000d 0000"
			     "0001 020000000001 766d31 00000000000000000000000000 00000000 00000000"
			     "00000000 00000000 00000000 00000000"
			     "0002 000000000000 766d32 00000000000000000000000000 00000010 00000001"
			     "00000000 00000000 00000000 00000000"));
	peer_teardown();
	peer_setup(OF13);
	fake.n_ports = 1;
	peer_send(OF13, 18, "000d0000 00000000");
	assert_true(peer_got("04 13 0050 11223344 000d 0000 00000000 00000001 00000000"
			     "020000000001 0000 766d31 00000000000000000000000000"
			     "00000000 00000004 00000000 00000000 00000000 00000000 00000000"
			     "00000000"));
	peer_teardown();
	peer_setup(OF15);
	fake.n_ports = 1;
	peer_send(OF15, 18, "000d0000 00000000 00000001 00000000");
	assert_true(peer_got("06 13 0058 11223344 000d 0000 00000000 00000001 0048 0000"
			     "020000000001 0000 766d31 00000000000000000000000000"
			     "00000000 00000004 0000 0020 00000000"
			     "00000000 00000000 00000000 00000000 00000000 00000000"));
	peer_send(OF15, 18, "000d0000 00000000 00000009 00000000");
	assert_int_equal(error(), 0x0001000b);
	peer_send(OF15, 18, "000d0000 00000000");
	assert_int_equal(error(), 0x00010006);
	peer_send(OF15, 18, "000d0000 00000000 ffffffff 00000000 00000000");
	assert_int_equal(error(), 0x00010006);
	peer_teardown();
}

#define COUNTS                                                                 \
	"0000000000000001 0000000000000002 0000000000000003 0000000000000004 " \
	"0000000000000005 0000000000000006 ffffffffffffffff ffffffffffffffff "
#define UNKNOWN4 "ffffffffffffffff ffffffffffffffff ffffffffffffffff ffffffffffffffff "

static void test_statistics(void **state)
{
	peer_setup(OF10);
	peer_send(OF10, 16, "00040000 0001 000000000000");
	assert_true(peer_got("01 11 0074 11223344 0004 0000 0001 000000000000" COUNTS UNKNOWN4));
	peer_send(OF10, 16, "00040000 ffff 000000000000");
	assert_int_equal(peer.len, 12 + 2 * 104);
	peer_send(OF10, 16, "00040000 0009 000000000000");
	assert_int_equal(error(), 0xb0c20000);
	peer_teardown();
	peer_setup(OF13);
	peer_send(OF13, 18, "00040000 00000000 00000001 00000000");
	assert_true(
		peer_got("04 13 0080 11223344 0004 0000 00000000 00000001 00000000" COUNTS UNKNOWN4
			 "........ ........"));
	peer_teardown();
	peer_setup(OF14);
	peer_send(OF14, 18, "00040000 00000000 00000001 00000000");
	assert_true(peer_got("05 13 0088 11223344 0004 0000 00000000 0078 0000 00000001"
			     "........ ........" COUNTS "0000 0028 00000000" UNKNOWN4));
	peer_teardown();
}

static void test_changes(void **state)
{
	peer_setup(OF10);
	peer_send(OF10, 15, "0001 020000000001 00000010 00000010 00000000 00000000");
	assert_int_equal(peer.len, 0);
	assert_int_equal(fake.in_port, 1);
	assert_int_equal(fake.port_config, OFPC_NO_FLOOD);
	assert_int_equal(fake.port_mask, OFPC_NO_FLOOD);
	peer_send(OF10, 15, "0001 020000000009 00000010 00000010 00000000 00000000");
	assert_int_equal(error(), 0x00040001);
	peer_send(OF10, 15, "0009 020000000001 00000010 00000010 00000000 00000000");
	assert_int_equal(error(), 0x00040000);
	peer_teardown();
	peer_setup(OF13);
	peer_send(OF13, 16,
		  "00000001 00000000 020000000001 0000 00000001 00000001 00000000 "
		  "00000000");
	assert_int_equal(peer.len, 0);
	assert_int_equal(fake.port_config, OFPC_PORT_DOWN);
	peer_send(OF13, 16, "00000001 00000000 020000000001 0000 00000001 00000001");
	assert_int_equal(error(), 0x00010006);
	peer_teardown();
	peer_setup(OF15);
	peer_send(OF15, 16, "00000001 00000000 020000000001 0000 00000000 00000001");
	assert_int_equal(peer.len, 0);
	peer_send(OF15, 16,
		  "00000001 00000000 020000000001 0000 00000001 00000001 "
		  "0000 0008 00000000");
	assert_int_equal(peer.len, 0);
	peer_send(OF15, 16,
		  "00000001 00000000 020000000001 0000 00000001 00000001 "
		  "0000 0010 00000000");
	assert_int_equal(error(), 0x000e0001);
	peer_send(OF15, 16,
		  "00000001 00000000 020000000001 0000 00000001 00000001 "
		  "0009 0008 00000000");
	assert_int_equal(error(), 0x000e0000);
	peer_teardown();
}

static void test_news(void **state)
{
	peer_setup(OF10);
	of_tell_port(peer.s, &fake.ports[0], 2);
	assert_int_equal(peer.len, 0);
	peer_send(OF10, 9, "0000 0080");
	of_tell_port(peer.s, &fake.ports[0], 2);
	assert_int_equal(peer.len, 64);
	assert_int_equal(peer.sent[8], 2);
	peer_teardown();
	peer_setup(OF14);
	peer_send(OF14, 9, "0000 0080");
	of_tell_port(peer.s, &fake.ports[0], 0);
	assert_int_equal(peer.len, 16 + 72);
	peer_teardown();
}

static void test_there_are_no_queues(void **state)
{
	peer_setup(OF10);
	peer_send(OF10, 20, "0001 0000");
	assert_true(peer_got("01 15 0010 11223344 0001 000000000000"));
	peer_send(OF10, 20, "0009 0000");
	assert_int_equal(error(), 0x00050000);
	peer_send(OF10, 16, "00050000 fffc 0000 ffffffff");
	assert_true(peer_got("01 11 000c 11223344 0005 0000"));
	peer_send(OF10, 16, "00050000 0001 0000 00000001");
	assert_int_equal(error(), 0x00050001);
	peer_teardown();
	peer_setup(OF13);
	peer_send(OF13, 22, "ffffffff 00000000");
	assert_true(peer_got("04 17 0010 11223344 ffffffff 00000000"));
	peer_teardown();
	peer_setup(OF14);
	peer_send(OF14, 18, "000f0000 00000000 ffffffff ffffffff");
	assert_true(peer_got("05 13 0010 11223344 000f 0000 00000000"));
	peer_teardown();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_descriptions),
		cmocka_unit_test(test_statistics),
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_news),
		cmocka_unit_test(test_there_are_no_queues),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
