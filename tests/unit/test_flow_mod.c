// SPDX-License-Identifier: Apache-2.0
/* Flow-mods of all versions, and what is refused. Bytes are those that ovs-ofctl sends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "openflow_peer.h"

/* reg0=5 with drop, in table 1 */
#define NX_ADD                                                             \
	"00002320 0000000d 0000000000000000 0100 0000 0000 8000 ffffffff " \
	"ffff 0000 0008 000000000000 00010004 00000005"

/* tcp,nw_src=10.0.0.0/8 */
#define TCP_OXM "0001 001b 80000a02 0800 80001708 0a000000 ff000000 80001401 06 0000000000"
#define OUTPUT1 "0004 0018 00000000 0000 0010 00000001 ffff 000000000000"

static unsigned n_rules(void)
{
	return pipeline_n_rules(fake.pipeline, 255);
}

static uint32_t error(void)
{
	return peer.len >= 12 ? be32_load(peer.sent + 8) : 0;
}

static void test_nicira(void **state)
{
	char match[64];

	peer_setup(OF10);
	peer_send(OF10, 4, "00002320 0000000f 01 00000000000000"); /* the command has the table */
	peer_send(OF10, 4, NX_ADD);
	assert_int_equal(peer.len, 0);
	assert_int_equal(fake.mod.table, 1);
	assert_int_equal(fake.mod.priority, 0x8000);
	assert_int_equal(fake.mod.version, OF10);
	assert_true(fake.mod.new_cookie);
	match_print(&fake.mod.match, match, sizeof(match));
	assert_string_equal(match, "reg0=0x5");
	assert_int_equal(n_rules(), 1);
	peer_teardown();
}

static void test_cookie_of_nicira(void **state)
{
	peer_setup(OF10);
	peer_send(OF10, 4,
		  "00002320 0000000d ffffffffffffffff 0003 0000 0000 8000 ffffffff ffff 0000 "
		  "001c 000000000000 00013d10 0000000000000012 00000000000000ff "
		  "00010004 00000005 00000000");
	assert_int_equal(peer.len, 0);
	assert_int_equal(fake.mod.command, FLOW_DELETE);
	assert_int_equal(fake.mod.table, FLOWS_TABLE_ALL);
	assert_int_equal(fake.mod.cookie_value, 0x12);
	assert_int_equal(fake.mod.cookie_mask, 0xff);
	assert_false(fake.mod.new_cookie);
	/* an addition has nothing to look for */
	peer_send(OF10, 4,
		  "00002320 0000000d 0000000000000000 0000 0000 0000 8000 ffffffff ffff 0000 "
		  "000c 000000000000 00013c08 0000000000000012 00000000");
	assert_int_equal(error(), 0xb0c20000);
	peer_teardown();
}

static void test_openflow10(void **state)
{
	peer_setup(OF10);
	/* in_port=1, cookie 7, output to 2 */
	peer_send(OF10, 14,
		  "003ffffe 0001 000000000000 000000000000 0000 00 00 0000 00 00 0000 00000000 "
		  "00000000 0000 0000 0000000000000007 0000 000a 0014 0064 ffffffff ffff 0001 "
		  "0000 0008 0002 0000");
	assert_int_equal(peer.len, 0);
	assert_int_equal(fake.mod.table, FLOWS_TABLE_ALL);
	assert_int_equal(fake.mod.match.key.in_port, 1);
	assert_int_equal(fake.mod.cookie, 7);
	assert_int_equal(fake.mod.idle_timeout, 10);
	assert_int_equal(fake.mod.hard_timeout, 20);
	assert_int_equal(fake.mod.priority, 100);
	assert_int_equal(fake.mod.flags, RULE_SEND_FLOW_REM);
	assert_int_equal(fake.mod.out_port, OFPORT_NONE);
	assert_int_equal(n_rules(), 1);
	/* delete what goes to the controller */
	peer_send(OF10, 14,
		  "003fffff 0000 000000000000 000000000000 0000 00 00 0000 00 00 0000 00000000 "
		  "00000000 0000 0000 0000000000000000 0003 0000 0000 0000 ffffffff fffd 0000");
	assert_int_equal(fake.mod.out_port, OFPORT_CONTROLLER);
	/* emergency flows are none; the command is none */
	peer_send(OF10, 14,
		  "003fffff 0000 000000000000 000000000000 0000 00 00 0000 00 00 0000 00000000 "
		  "00000000 0000 0000 0000000000000000 0000 0000 0000 0000 ffffffff ffff 0004");
	assert_int_equal(error(), 0x00030000);
	peer_send(OF10, 14,
		  "003fffff 0000 000000000000 000000000000 0000 00 00 0000 00 00 0000 00000000 "
		  "00000000 0000 0000 0000000000000000 0009 0000 0000 0000 ffffffff ffff 0000");
	assert_int_equal(error(), 0x00030004);
	peer_send(OF10, 14, "003fffff");
	assert_int_equal(error(), 0x00010006);
	peer_teardown();
}

static void test_openflow13(void **state)
{
	char match[64];

	peer_setup(OF13);
	peer_send(OF13, 14,
		  "0000000000000007 0000000000000000 03 00 000a 0014 0007 ffffffff ffffffff "
		  "ffffffff 001f 0009" TCP_OXM OUTPUT1);
	assert_int_equal(peer.len, 0);
	assert_int_equal(fake.mod.table, 3);
	assert_int_equal(fake.mod.cookie, 7);
	assert_int_equal(fake.mod.flags, 0x1f);
	assert_int_equal(fake.mod.importance, 0); /* 1.4 has it */
	match_print(&fake.mod.match, match, sizeof(match));
	assert_string_equal(match, "tcp,nw_src=10.0.0.0/8");
	assert_int_equal(n_rules(), 1);
	peer_send(OF13, 14,
		  "0000000000000012 00000000000000ff ff 03 0000 0000 0000 ffffffff 00000002 "
		  "00000005 0000 0000 0001 0004 00000000");
	assert_int_equal(fake.mod.command, FLOW_DELETE);
	assert_int_equal(fake.mod.cookie_value, 0x12);
	assert_int_equal(fake.mod.cookie_mask, 0xff);
	assert_int_equal(fake.mod.out_port, 2);
	assert_int_equal(fake.mod.out_group, 5);
	peer_teardown();
}

static void test_openflow15(void **state)
{
	peer_setup(OF15);
	peer_send(OF15, 14,
		  "0000000000000007 0000000000000000 03 00 000a 0014 0007 ffffffff ffffffff "
		  "ffffffff 0000 0009" TCP_OXM OUTPUT1);
	assert_int_equal(peer.len, 0);
	assert_int_equal(fake.mod.importance, 9);
	assert_int_equal(n_rules(), 1);
	peer_teardown();
}

#define REST13 "0000 0000 0000 "
#define PORTS13 "ffffffff ffffffff "
#define ALL13 "0001 0004 00000000"

static void test_refusals(void **state)
{
	peer_setup(OF13);
	/* an addition to all tables; no such command; flags that are none */
	peer_send(OF13, 14,
		  "0000000000000000 0000000000000000 ff 00" REST13 "ffffffff" PORTS13
		  "0000 0000" ALL13);
	assert_int_equal(error(), 0x00050002);
	peer_send(OF13, 14,
		  "0000000000000000 0000000000000000 00 05" REST13 "ffffffff" PORTS13
		  "0000 0000" ALL13);
	assert_int_equal(error(), 0x00050006);
	peer_send(OF13, 14,
		  "0000000000000000 0000000000000000 00 00" REST13 "ffffffff" PORTS13
		  "0020 0000" ALL13);
	assert_int_equal(error(), 0x00050007);
	/* a match of another type; too long; actions cut off */
	peer_send(OF13, 14,
		  "0000000000000000 0000000000000000 00 00" REST13 "ffffffff" PORTS13
		  "0000 0000 0000 0058 00000000");
	assert_int_equal(error(), 0x00040000);
	peer_send(OF13, 14,
		  "0000000000000000 0000000000000000 00 00" REST13 "ffffffff" PORTS13
		  "0000 0000 0001 0010 00000000");
	assert_int_equal(error(), 0x00040001);
	assert_int_equal(fake.n_mods, 0);
	/* what the switch says */
	fake.refuse = OFERR_FLOW_OVERLAP;
	peer_send(OF13, 14,
		  "0000000000000000 0000000000000000 00 00" REST13 "ffffffff" PORTS13
		  "0000 0000" ALL13);
	assert_int_equal(error(), 0x00050003);
	/* a buffer: the rule is made */
	peer_send(OF13, 14,
		  "0000000000000000 0000000000000000 00 00" REST13 "00000001" PORTS13
		  "0000 0000" ALL13);
	assert_int_equal(error(), 0x00010008);
	assert_int_equal(n_rules(), 1);
	peer_teardown();
}

static void test_slaves_change_nothing(void **state)
{
	peer_setup(OF13);
	peer_send(OF13, 24, "00000003 00000000 0000000000000001");
	peer_send(OF13, 14,
		  "0000000000000000 0000000000000000 00 00" REST13 "ffffffff" PORTS13
		  "0000 0000" ALL13);
	assert_int_equal(error(), 0x0001000a);
	assert_int_equal(n_rules(), 0);
	peer_teardown();
}

#define ADD13_LEN (OF_HEADER + 48)

/* Hands over an addition to table @table, which stays at @message. */
static void add13(uint8_t message[ADD13_LEN], uint8_t table)
{
	memset(message, 0, ADD13_LEN);
	message[0] = OF13;
	message[1] = 14;
	be16_store(message + 2, ADD13_LEN);
	be32_store(message + 4, 100u + table); /* xid */
	message[OF_HEADER + 16] = table;
	be32_store(message + OF_HEADER + 24, UINT32_MAX); /* no buffer */
	be16_store(message + OF_HEADER + 40, 1);	  /* all packets */
	be16_store(message + OF_HEADER + 42, 4);
	message_handle(peer.s, message, ADD13_LEN);
}

/* Flow-mods of a turn are published together, before anything else is done. */
static void test_gathers(void **state)
{
	uint8_t messages[OF_GATHER_MAX + 1][ADD13_LEN];

	peer_setup(OF13);
	of_session_gather(peer.s);
	for (uint8_t i = 0; i < 3; i++)
		add13(messages[i], i);
	assert_int_equal(fake.n_waiting, 3);
	assert_int_equal(fake.n_published, 0);
	peer_send(OF13, 20, ""); /* a barrier */
	assert_true(peer_got("04 15 0008 11223344"));
	assert_int_equal(fake.n_waiting, 0);
	assert_int_equal(fake.n_published, 1);
	add13(messages[0], 0);
	assert_int_equal(fake.n_waiting, 1);
	of_session_publish(peer.s);
	assert_int_equal(fake.n_waiting, 0);
	assert_false(fake.gathers);
	add13(messages[0], 0); /* which waits for nobody */
	assert_int_equal(fake.n_waiting, 0);
	of_session_gather(peer.s);
	for (uint8_t i = 0; i <= OF_GATHER_MAX; i++)
		add13(messages[i], i);
	assert_int_equal(fake.n_waiting, 1);
	of_session_publish(peer.s);
	peer_teardown();
}

/* Those that cannot be published are refused, each by itself. */
static void test_refused_after_all(void **state)
{
	uint8_t messages[4][ADD13_LEN];

	peer_setup(OF13);
	of_session_gather(peer.s);
	for (uint8_t i = 0; i < 4; i++) {
		fake.refuse = i == 1 ? OFERR_FLOW_PERM : OFERR_NONE;
		add13(messages[i], i);
	}
	assert_int_equal(be32_load(peer.sent + 4), 101);
	peer.len = 0;
	fake.lose = 2;
	of_session_publish(peer.s);
	assert_int_equal(be32_load(peer.sent + 4), 102);
	assert_int_equal(error(), 0x00050001);
	assert_int_equal(peer.len % 2, 0);
	assert_int_equal(be16_load(peer.sent + 2), peer.len / 2);
	assert_int_equal(be32_load(peer.sent + peer.len / 2 + 4), 103);
	of_session_gather(peer.s); /* and nobody else */
	peer.len = 0;
	of_session_publish(peer.s);
	assert_int_equal(peer.len, 0);
	peer_teardown();
}

/* One that is refused leaves nobody waiting. */
static void test_gathers_nothing(void **state)
{
	uint8_t message[ADD13_LEN];

	peer_setup(OF13);
	of_session_gather(peer.s);
	fake.refuse = OFERR_FLOW_PERM;
	add13(message, 0);
	of_session_publish(peer.s);
	assert_false(fake.gathers);
	peer_teardown();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nicira),
		cmocka_unit_test(test_cookie_of_nicira),
		cmocka_unit_test(test_openflow10),
		cmocka_unit_test(test_openflow13),
		cmocka_unit_test(test_openflow15),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_slaves_change_nothing),
		cmocka_unit_test(test_gathers),
		cmocka_unit_test(test_refused_after_all),
		cmocka_unit_test(test_gathers_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
