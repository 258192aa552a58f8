// SPDX-License-Identifier: Apache-2.0
/* Frames that the switch makes, byte for byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "packet/build.h"

static void rarp_is_what_rfc_903_says(void **state)
{
	static const uint8_t expected[BUILD_RARP_LEN] = {
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, /* to everybody */
		0x02, 0x12, 0x34, 0x56, 0x78, 0x9a, /* from the guest */
		0x80, 0x35,			    /* RARP */
		0x00, 0x01, 0x08, 0x00, 6,    4,    /* IPv4 over Ethernet */
		0x00, 0x03,			    /* request reverse */
		0x02, 0x12, 0x34, 0x56, 0x78, 0x9a, 0, 0, 0, 0,
		0x02, 0x12, 0x34, 0x56, 0x78, 0x9a, 0, 0, 0, 0,
	};
	uint8_t buf[BUILD_RARP_LEN + 1];

	memset(buf, 0x55, sizeof(buf));
	build_rarp(buf, 0x02123456789a);
	assert_memory_equal(buf, expected, BUILD_RARP_LEN);
	assert_int_equal(buf[BUILD_RARP_LEN], 0x55);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rarp_is_what_rfc_903_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
