// SPDX-License-Identifier: Apache-2.0
/* Meter-mods, statistics, configuration and features. Bytes as ovs-ofctl and Open vSwitch send
 * them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "openflow_peer.h"

#define BAND "0001 0010 000003e8 0000000a 00000000"

static uint32_t error(void)
{
	return peer.len >= 12 ? be32_load(peer.sent + 8) : 0;
}

static void test_meter(void **state)
{
	const struct meter *meter;

	peer_setup(OF13);
	peer_send(OF13, 29, "0000 000e 00000001" BAND "0002 0010 000007d0 00000000 03000000");
	assert_int_equal(peer.len, 0);
	meter = pipeline_meter(fake.pipeline, 1);
	assert_non_null(meter);
	assert_int_equal(meter->flags, METER_PKTPS | METER_BURST | METER_STATS);
	assert_int_equal(meter->n_bands, 2);
	assert_int_equal(meter->bands[0].rate, 1000);
	assert_int_equal(meter->bands[0].burst, 10);
	assert_int_equal(meter->bands[1].prec_level, 3);
	peer_send(OF13, 18, "000a0000 00000000 ffffffff 00000000");
	assert_true(peer_got("04 13 0038 11223344 000a 0000 00000000 0028 000e 00000001" BAND
			     "0002 0010 000007d0 00000000 03000000"));
	fake.meter = (struct meter_state){ .packets = 9, .bytes = 900 };
	fake.meter.bands[1].packets = 2;
	fake.meter.bands[1].bytes = 200;
	fake.users = 2;
	peer_send(OF13, 18, "00090000 00000000 00000001 00000000");
	assert_true(
		peer_got("04 13 0058 11223344 0009 0000 00000000 00000001 0048 000000000000"
			 "00000002 0000000000000009 0000000000000384 ........ ........"
			 "0000000000000000 0000000000000000 0000000000000002 00000000000000c8"));
	peer_send(OF13, 29, "0002 0000 00000001");
	assert_int_equal(pipeline_n_meters(fake.pipeline), 0);
	peer_teardown();
}

static void test_refusals(void **state)
{
	peer_setup(OF13);
	peer_send(OF13, 29, "0003 0000 00000001");
	assert_int_equal(error(), 0x000c0004);
	peer_send(OF13, 29, "0000 0000 00000000");
	assert_int_equal(error(), 0x000c0002);
	peer_send(OF13, 29, "0000 0000 00000001 0003 0010 000003e8 0000000a 00000000");
	assert_int_equal(error(), 0x000c0008);
	peer_send(OF13, 29, "0000 0000 00000001 0001 0008 000003e8");
	assert_int_equal(error(), 0x00010006);
	peer_send(OF13, 29, "0000 0000 00000001" BAND BAND BAND BAND BAND BAND BAND BAND BAND);
	assert_int_equal(error(), 0x000c000b);
	peer_send(OF13, 18, "000a0000 00000000 00000001 00000000");
	assert_int_equal(error(), 0x000c0003);
	fake.refuse = OFERR_METER_EXISTS;
	peer_send(OF13, 29, "0000 0001 00000001" BAND);
	assert_int_equal(error(), 0x000c0001);
	peer_teardown();
}

static void test_features(void **state)
{
	peer_setup(OF15);
	peer_send(OF15, 18, "000b0000 00000000");
	assert_true(peer_got("06 13 0020 11223344 000b 0000 00000000 00010000 00000006 0000000f"
			     "08 000000"));
	peer_teardown();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_meter),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_features),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
