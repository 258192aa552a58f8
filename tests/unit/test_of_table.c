// SPDX-License-Identifier: Apache-2.0
/* Tables: statistics, features, changes. */
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

static void test_statistics(void **state)
{
	static struct tally lookups = { .packets = 9 }, matches = { .packets = 4 };
	struct pipeline_table table = { .lookups = &lookups, .matches = &matches };
	struct pipeline *next;

	peer_setup(OF10);
	next = pipeline_next(fake.pipeline);
	pipeline_set_table(next, 0, &table);
	fake_publish(next);
	peer_send(OF10, 16, "00030000");
	assert_int_equal(peer.len, 12 + 255 * 64);
	peer.len = 12 + 64;
	assert_true(peer_got("01 11 3fcc 11223344 0003 0000 00 000000"
			     "0000000000000000000000000000000000000000000000000000000000000000"
			     "003fffff 000f4240 00000000 0000000000000009 0000000000000004"));
	peer_teardown();
	peer_setup(OF13);
	peer_send(OF13, 18, "00030000 00000000");
	assert_int_equal(peer.len, 16 + 255 * 24);
	peer_teardown();
}

/* Checks that properties have the lengths they say; returns how many. */
static unsigned check_props(const uint8_t *b, size_t len)
{
	unsigned n = 0;

	for (; len; n++) {
		size_t prop = (be16_load(b + 2) + 7u) & ~7u;

		assert_in_range(prop, 8, len);
		b += prop;
		len -= prop;
	}
	return n;
}

static void features(uint8_t version)
{
	unsigned n = 0;
	bool more = true;

	peer_setup(version);
	peer_send(version, 18, "000c0000 00000000");
	while (!of_session_ready(peer.s))
		of_session_more(peer.s);
	for (size_t at = 0; at < peer.len;) {
		size_t end = at + be16_load(peer.sent + at + 2);

		more = be16_load(peer.sent + at + 10);
		for (at += 16; at < end; n++) {
			size_t len = be16_load(peer.sent + at);

			assert_int_equal(peer.sent[at + 2], n);
			assert_int_equal(check_props(peer.sent + at + 64, len - 64), 8);
			at += len;
		}
	}
	assert_false(more);
	assert_int_equal(n, PIPELINE_TABLES);
	peer_send(version, 18, "000c0000 00000000 0000");
	assert_int_equal(error(), 0x000d0005);
	peer_teardown();
}

static void test_features(void **state)
{
	features(OF13);
	features(OF14);
	features(OF15);
}

static void test_changes(void **state)
{
	peer_setup(OF14);
	peer_send(OF14, 17, "01 000000 00000000");
	assert_int_equal(peer.len, 0);
	peer_send(OF14, 17, "01 000000 00000004"); /* eviction */
	assert_int_equal(error(), 0x00080001);
	peer_send(OF14, 18, "000e0000 00000000");
	assert_int_equal(peer.len, 16 + 255 * 8);
	peer_teardown();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_statistics),
		cmocka_unit_test(test_features),
		cmocka_unit_test(test_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
