// SPDX-License-Identifier: Apache-2.0
/* Statistics of rules in all formats, their parts, and removals. Bytes as Open vSwitch sends them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "openflow/flow_stats.h"
#include "openflow/packet.h"
#include "openflow/port.h"
#include "openflow_peer.h"
#include "short_memory.h"

#define ALL_OXM "0001 0004 00000000"
#define ALL13 "ff 000000 ffffffff ffffffff 00000000 0000000000000000 0000000000000000" ALL_OXM

static void add_rule(uint8_t table, uint16_t priority, const char *match, const char *actions)
{
	struct flow_mod mod = { .table = table, .priority = priority, .cookie = priority };
	struct error err;

	if (match_parse(&mod.match, match, &err) ||
	    actions_parse(&mod.actions, actions, true, &err))
		fail_msg("%s", err.text);
	fake.tally = (struct tally){ .packets = 5, .bytes = 300 };
	flows_mod(&fake, &mod, NULL);
}

static void add(uint8_t table, uint16_t priority, const char *match)
{
	add_rule(table, priority, match, "output:1");
}

static void setup(uint8_t version)
{
	peer_setup(version);
	add(3, 7, "tcp,nw_src=10.0.0.0/8");
}

static void test_nicira(void **state)
{
	setup(OF10);
	peer_send(OF10, 16, "ffff0000 00002320 00000000 00000000 ffff 0000 ff 000000");
	assert_true(peer_got(
		"01 11 0068 11223344 ffff 0000 00002320 00000000 00000000"
		"0050 03 00 ........ ........ 0007 0000 0000 0017 .... .... 0000000000000007"
		"0000000000000005 000000000000012c"
		"00000602 0800 00000c01 06 00000f08 0a000000 ff000000 00"
		"0000 0008 0001 0000"));
	peer_teardown();
}

static void test_openflow10(void **state)
{
	setup(OF10);
	peer_send(OF10, 16,
		  "0001 0000 003fffff 0000 000000000000 000000000000 0000 00 00 0000 00 00 0000 "
		  "00000000 00000000 0000 0000 ff 00 ffff");
	assert_true(peer_got("01 11 006c 11223344 0001 0000 0060 03 00"
			     "003818cf 0000 000000000000 000000000000 0000 00 00 0800 00 06 0000"
			     "0a000000 00000000 0000 0000"
			     "........ ........ 0007 0000 0000 000000000000 0000000000000007"
			     "0000000000000005 000000000000012c 0000 0008 0001 0000"));
	peer_teardown();
}

static void test_openflow13(void **state)
{
	setup(OF13);
	peer_send(OF13, 18, "00010000 00000000" ALL13);
	assert_true(peer_got(
		"04 13 0078 11223344 0001 0000 00000000 0068 03 00 ........ ........ 0007"
		"0000 0000 0000 0000 0000 0000000000000007 0000000000000005 000000000000012c"
		"0001 001b 80000a02 0800 80001401 06 80001708 0a000000 ff000000 0000000000"
		"0004 0018 00000000 0000 0010 00000001 0000 000000000000"));
	peer_teardown();
}

static void test_openflow15(void **state)
{
	setup(OF15);
	peer_send(OF15, 18, "00010000 00000000" ALL13);
	assert_true(peer_got(
		"06 13 0098 11223344 0001 0000 00000000 0088 0000 03 00 0007 0000 0000 0000 0000"
		"0000000000000007"
		"0001 001b 80000a02 0800 80001401 06 80001708 0a000000 ff000000 0000000000"
		"0000 0034 80020008 ................ 80020208 ................"
		"80020808 0000000000000005 80020a08 000000000000012c 00000000"
		"0004 0018 00000000 0000 0010 00000001 0000 000000000000"));
	peer_teardown();
}

static void test_filters(void **state)
{
	setup(OF13);
	peer_send(OF13, 18,
		  "00010000 00000000 03 000000 00000002 00000009 00000000 0000000000000012"
		  "00000000000000ff" ALL_OXM);
	assert_int_equal(fake.filter.table, 3);
	assert_int_equal(fake.filter.out_port, 2);
	assert_int_equal(fake.filter.out_group, 9);
	assert_int_equal(fake.filter.cookie, 0x12);
	assert_int_equal(fake.filter.cookie_mask, 0xff);
	assert_true(peer_got("04 13 0010 11223344 0001 0000 00000000"));
	peer_send(OF13, 18, "00010000 00000000 ff");
	assert_int_equal(be32_load(peer.sent + 8), 0x00010006);
	peer_teardown();
	setup(OF10);
	peer_send(OF10, 16,
		  "ffff0000 00002320 00000000 00000000 0002 000c ff 000000 00013c08"
		  "0000000000000007 00000000");
	assert_int_equal(fake.filter.out_port, 2);
	assert_int_equal(fake.filter.cookie, 7);
	assert_int_equal(fake.filter.cookie_mask, UINT64_MAX);
	peer_teardown();
}

static void test_aggregates(void **state)
{
	setup(OF10);
	add(4, 1, "");
	peer_send(OF10, 16, "ffff0000 00002320 00000001 00000000 ffff 0000 ff 000000");
	assert_true(peer_got("01 11 0030 11223344 ffff 0000 00002320 00000001 00000000"
			     "000000000000000a 0000000000000258 00000002 00000000"));
	peer_teardown();
	setup(OF14);
	peer_send(OF14, 18, "00020000 00000000" ALL13);
	assert_true(peer_got("05 13 0028 11223344 0002 0000 00000000"
			     "0000000000000005 000000000000012c 00000001 00000000"));
	peer_teardown();
	setup(OF15);
	peer_send(OF15, 18, "00020000 00000000" ALL13);
	assert_true(peer_got("06 13 0038 11223344 0002 0000 00000000 0000 0024"
			     "80020808 0000000000000005 80020a08 000000000000012c 80020604 00000001"
			     "00000000"));
	peer_teardown();
}

/* Counts the messages and the entries of 104 bytes in what was sent. */
static unsigned n_entries(unsigned *n_messages, bool *finished)
{
	unsigned n = 0;

	*n_messages = 0;
	for (size_t at = 0; at < peer.len;) {
		size_t len = be16_load(peer.sent + at + 2);

		n += (unsigned)(len - 16) / 104;
		*finished = !be16_load(peer.sent + at + 10);
		++*n_messages;
		at += len;
	}
	return n;
}

static void test_many_rules_in_parts_as_the_peer_reads(void **state)
{
	unsigned n_messages;
	bool finished;

	setup(OF13);
	for (unsigned i = 0; i < 3000; i++) {
		char match[64];

		snprintf(match, sizeof(match), "tcp,nw_src=10.%u.%u.0/24", i / 250, i % 250);
		add(1, (uint16_t)(i + 10), match);
	}
	peer.waiting = OF_QUEUE_MAX + 1;
	peer_send(OF13, 18, "00010000 00000000" ALL13);
	assert_int_equal(peer.len, 0);
	assert_false(of_session_ready(peer.s));
	/* rules that go meanwhile are told all the same */
	fake_publish(pipeline_create());
	peer.waiting = 0;
	for (unsigned i = 0; !of_session_ready(peer.s); i++) {
		assert_in_range(i, 0, 3000); /* turns of one rule at least */
		of_session_more(peer.s);
	}
	assert_int_equal(n_entries(&n_messages, &finished), 3001);
	assert_int_equal(n_messages, 5);
	assert_true(finished);
	peer_teardown();
}

/* A masked set_field has an action for each run of its bits, before 1.5. */
static void test_what_a_version_cannot_say_is_left_out(void **state)
{
	static const char set[] =
		"set_field:0x55555555555555555555555555555555/0x55555555555555555555555555555555"
		"->xxreg0,";
	char actions[44 * sizeof(set)];
	unsigned n_messages;
	bool finished;

	for (unsigned i = 0; i < 44; i++)
		strcpy(actions + i * (sizeof(set) - 1), set);
	setup(OF13);
	add_rule(3, 6, "tcp,nw_src=10.0.0.0/8", actions);
	add(3, 5, "tcp,nw_src=10.0.0.0/8");
	peer_send(OF13, 18, "00010000 00000000" ALL13);
	assert_true(of_session_ready(peer.s));
	assert_int_equal(n_entries(&n_messages, &finished), 2);
	assert_true(finished);
	peer_teardown();
}

/* It is answered wholly, refused, or ends: nobody waits in vain. */
static void test_short_memory(void **state)
{
#ifndef MEMORY_IS_NEVER_SHORT
	unsigned n_messages;
	bool finished = false;

	for (int allowance = 0; !finished; allowance++) {
		assert_in_range(allowance, 0, 100);
		setup(OF13);
		add_rule(3, 6, "tcp,nw_src=10.0.0.0/8", "clone(output:1)");
		memory_left = allowance;
		peer_send(OF13, 18, "00010000 00000000" ALL13);
		memory_left = -1;
		if (peer.ended)
			assert_int_equal(peer.len, 0);
		else if (peer.sent[1] == OFT_ERROR)
			assert_int_equal(be32_load(peer.sent + 8), 0x0001000d);
		else
			n_entries(&n_messages, &finished);
		assert_true(peer.ended || peer.len);
		peer_teardown();
	}
#endif
}

static void test_a_peer_that_goes_gives_the_rules_back(void **state)
{
	setup(OF13);
	peer.waiting = OF_QUEUE_MAX + 1;
	peer_send(OF13, 18, "00010000 00000000" ALL13);
	assert_non_null(peer.s->later);
	peer_teardown();
}

static bool tell(void *arg, struct rule *rule)
{
	of_tell_removed(peer.s, rule, *(enum removed_reason *)arg);
	return true;
}

static void removed(enum removed_reason why)
{
	peer.len = 0;
	pipeline_each_rule(fake.pipeline, 255, NULL, tell, &why);
}

static void test_removals(void **state)
{
	setup(OF10);
	removed(REMOVED_IDLE);
	assert_int_equal(peer.len, 0); /* nobody has asked for anything unasked */
	peer_send(OF10, 9, "0000 0080");
	removed(REMOVED_METER_DELETE);
	assert_true(peer_got("01 0b 0058 00000000"
			     "003818cf 0000 000000000000 000000000000 0000 00 00 0800 00 06 0000"
			     "0a000000 00000000 0000 0000 0000000000000007 0007 02 00"
			     "........ ........ 0000 0000 0000000000000005 000000000000012c"));
	peer_send(OF10, 4, "00002320 0000000c 00000002");
	removed(REMOVED_HARD);
	assert_true(peer_got("01 04 0050 00000000 00002320 0000000e 0000000000000007 0007 01 04"
			     "........ ........ 0000 0017 0000000000000005 000000000000012c"
			     "00000602 0800 00000c01 06 00000f08 0a000000 ff000000 00"));
	peer_teardown();
	setup(OF13);
	peer_send(OF13, 9, "0000 0080");
	removed(REMOVED_GROUP_DELETE);
	assert_true(peer_got("04 0b 0050 00000000 0000000000000007 0007 03 03 ........ ........"
			     "0000 0000 0000000000000005 000000000000012c"
			     "0001 001b 80000a02 0800 80001401 06 80001708 0a000000 ff000000"
			     "0000000000"));
	/* no deletions, please */
	peer_send(OF13, 28, "00000000 00000000 00000000 00000000 00000003 00000000");
	removed(REMOVED_DELETE);
	assert_int_equal(peer.len, 0);
	peer_teardown();
}

/* For a peer that does not read nothing is written that would only be dropped. */
static void test_news_that_are_not_read(void **state)
{
	struct flow_key key = { .in_port = 1 };
	struct flows_packet packet = { .metadata = &key, .reason = 1, .max_len = 64 };
	const int plenty = 1000;

	setup(OF14);
	peer_send(OF14, 9, "0000 0080");
	peer.waiting = OF_UNASKED_MAX + 1;
	memory_left = plenty;
	removed(REMOVED_IDLE);
	of_tell_packet(peer.s, &packet);
	of_tell_port(peer.s, &fake.ports[0], 2);
	assert_int_equal(memory_left, plenty); /* with a sanitizer it is not counted */
	memory_left = -1;
	assert_int_equal(peer.len, 0);
	assert_int_equal(peer.s->n_dropped, 3);
	peer.waiting = OF_UNASKED_MAX;
	of_tell_port(peer.s, &fake.ports[0], 2);
	assert_true(peer.len);
	assert_int_equal(peer.s->n_dropped, 3);
	peer_teardown();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nicira),
		cmocka_unit_test(test_openflow10),
		cmocka_unit_test(test_openflow13),
		cmocka_unit_test(test_openflow15),
		cmocka_unit_test(test_filters),
		cmocka_unit_test(test_aggregates),
		cmocka_unit_test(test_many_rules_in_parts_as_the_peer_reads),
		cmocka_unit_test(test_what_a_version_cannot_say_is_left_out),
		cmocka_unit_test(test_short_memory),
		cmocka_unit_test(test_a_peer_that_goes_gives_the_rules_back),
		cmocka_unit_test(test_removals),
		cmocka_unit_test(test_news_that_are_not_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
