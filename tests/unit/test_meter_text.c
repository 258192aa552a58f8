// SPDX-License-Identifier: Apache-2.0
/* Meters as text, and what must hold of any. */
#include "action_round.h"

#include "flow/meter.h"

static void round_meter(const char *text, const char *shown)
{
	struct meter *meter, *again;
	char out[512];
	struct error err = { "" };

	if (meter_parse(&meter, text, &err))
		fail_msg("%s: %s", text, err.text);
	assert_int_equal(meter_print(meter, out, sizeof(out)), strlen(shown));
	assert_string_equal(out, shown);
	assert_int_equal(meter_check(meter, &err), OFERR_NONE);
	assert_int_equal(meter_parse(&again, out, &err), 0);
	meter_print(again, out, sizeof(out));
	assert_string_equal(out, shown);
	meter_unref(meter);
	meter_unref(again);
}

static void test_there_and_back(void **state)
{
	(void)state;
	round_meter("meter=1 pktps burst stats bands=type=drop rate=1000 burst_size=10",
		    "meter=1 pktps burst stats bands=type=drop rate=1000 burst_size=10");
	round_meter("meter=1,kbps,bands=type=drop,rate=5,type=dscp_remark,rate=3,prec_level=1",
		    "meter=1 kbps bands=type=drop rate=5 type=dscp_remark rate=3 prec_level=1");
}

static void refuse(const char *text, const char *why)
{
	struct meter *meter = NULL;
	struct error err = { "" };

	if (meter_parse(&meter, text, &err) != -EINVAL)
		fail_msg("%s was understood", text);
	if (!strstr(err.text, why))
		fail_msg("%s: %s", text, err.text);
	assert_null(meter);
}

static void test_refuses(void **state)
{
	char many[512] = "meter=1 kbps bands=";

	(void)state;
	refuse("kbps bands=type=drop rate=5", "meter=NUMBER is missing");
	refuse("meter=1 bands=type=drop rate=100", "kbps or pktps is missing");
	refuse("meter=1 kbps", "bands= is missing");
	refuse("meter=1 foo bands=type=drop rate=1", "foo is not one of");
	refuse("meter=0xffff0001 kbps bands=type=drop rate=5", "too much");
	refuse("meter=1 kbps bands=type=drop", "lacks its rate");
	refuse("meter=1 kbps burst bands=type=drop rate=5", "lacks its burst_size");
	refuse("meter=1 kbps bands=type=drop rate=5 burst_size=5", "meters with burst");
	refuse("meter=1 kbps bands=type=drop rate=5 prec_level=1", "for dscp_remark");
	refuse("meter=1 kbps bands=rate=5 type=drop", "begins with type=");
	refuse("meter=1 kbps bands=type=foo rate=5", "not one of drop");
	refuse("meter=1 kbps bands=type=drop foo=5", "a band has no foo");
	for (unsigned i = 0; i <= METER_BANDS_MAX; i++)
		strcat(many, "type=drop rate=1 ");
	refuse(many, "more than 8 bands");
}

static void test_checks(void **state)
{
	struct meter meter = { .id = 1,
			       .flags = METER_KBPS,
			       .n_bands = 1,
			       .bands = { { .type = BAND_DROP, .rate = 1 } } };
	struct error err;

	(void)state;
	assert_int_equal(meter_check(&meter, &err), OFERR_NONE);
	meter.id = 0;
	assert_int_equal(meter_check(&meter, &err), OFERR_METER_INVALID);
	meter.id = METER_MAX + 1;
	assert_int_equal(meter_check(&meter, &err), OFERR_METER_INVALID);
	meter.id = 1;
	meter.flags = METER_KBPS | METER_PKTPS;
	assert_int_equal(meter_check(&meter, &err), OFERR_METER_BAD_FLAGS);
	meter.flags = METER_KBPS | 0x100;
	assert_int_equal(meter_check(&meter, &err), OFERR_METER_BAD_FLAGS);
	meter.flags = METER_STATS;
	assert_int_equal(meter_check(&meter, &err), OFERR_METER_BAD_FLAGS);
	meter.flags = METER_PKTPS;
	meter.bands[0].type = 3;
	assert_int_equal(meter_check(&meter, &err), OFERR_METER_BAD_BAND);
	meter.n_bands = METER_BANDS_MAX + 1;
	assert_int_equal(meter_check(&meter, &err), OFERR_METER_OUT_OF_BANDS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_refuses),
		cmocka_unit_test(test_checks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
