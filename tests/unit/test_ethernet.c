// SPDX-License-Identifier: Apache-2.0
/* MAC addresses as text and as numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "packet/ethernet.h"

static void text_and_back(void **state)
{
	static const struct {
		const char *text;
		mac_t mac;
	} cases[] = {
		{ "00:00:00:00:00:00", 0 },
		{ "02:00:00:00:00:01", 0x020000000001 },
		{ "ff:ff:ff:ff:ff:ff", 0xffffffffffff },
		{ "12:34:56:78:9a:bc", 0x123456789abc },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[MAC_TEXT_LEN];
		mac_t mac;

		assert_true(mac_parse(cases[i].text, &mac));
		assert_int_equal(mac, cases[i].mac);
		assert_string_equal(mac_format(mac, text), cases[i].text);
	}
}

static void upper_case_is_read(void **state)
{
	mac_t mac;

	assert_true(mac_parse("AB:cD:Ef:00:00:0F", &mac));
	assert_int_equal(mac, 0xabcdef00000f);
}

static void anything_else_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"0",
		"02",
		"02:00:00:00:00",
		"02:00:00:00:00:",
		"02:00:00:00:00:0",
		"02:00:00:00:00:011",
		"02:00:00:00:00:01:",
		"02:00:00:00:00:01 ",
		" 02:00:00:00:00:01",
		"02-00-00-00-00-01",
		"02:00:00:00:00:0g",
		"+2:00:00:00:00:01",
		"0x:00:00:00:00:01",
		"2:0:0:0:0:1",
		"020000000001",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		mac_t mac = 42;

		assert_false(mac_parse(bad[i], &mac));
		assert_int_equal(mac, 42);
	}
}

static void bytes_and_back(void **state)
{
	const uint8_t bytes[ETH_ALEN] = { 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc };
	uint8_t back[ETH_ALEN];

	assert_int_equal(mac_load(bytes), 0x123456789abc);
	mac_store(back, mac_load(bytes));
	assert_memory_equal(back, bytes, ETH_ALEN);
}

static void kinds_of_addresses(void **state)
{
	assert_true(mac_is_multicast(0x010000000000));
	assert_true(mac_is_multicast(0xffffffffffff));
	assert_false(mac_is_multicast(0x020000000001));
	assert_true(mac_is_broadcast(0xffffffffffff));
	assert_false(mac_is_broadcast(0xfffffffffffe));
	assert_true(mac_is_reserved(0x0180c2000000));
	assert_true(mac_is_reserved(0x0180c200000f));
	assert_false(mac_is_reserved(0x0180c2000010));
	assert_false(mac_is_reserved(0x0180c1ffffff));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_and_back),
		cmocka_unit_test(upper_case_is_read),
		cmocka_unit_test(anything_else_is_refused),
		cmocka_unit_test(bytes_and_back),
		cmocka_unit_test(kinds_of_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
