// SPDX-License-Identifier: Apache-2.0
/* CRC32c: values of RFC 3720 B.4, and changes of any packet. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "packet/crc32c.h"

static void test_known_values(void **state)
{
	uint8_t bytes[32] = { 0 };

	assert_int_equal(crc32c("123456789", 9), 0xe3069283);
	assert_int_equal(crc32c(bytes, 32), 0x8a9136aa);
	memset(bytes, 0xff, sizeof(bytes));
	assert_int_equal(crc32c(bytes, 32), 0x62a8ab43);
	for (unsigned i = 0; i < 32; i++)
		bytes[i] = (uint8_t)i;
	assert_int_equal(crc32c(bytes, 32), 0x46dd794e);
	assert_int_equal(crc32c(bytes, 0), 0);
}

static void test_change(void **state)
{
	static uint8_t bytes[70000];

	srandom(2);
	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)random();
	for (unsigned i = 0; i < 300; i++) {
		uint32_t len = i < 290 ? 4 + i : 65000 + i, before, after, crc;
		uint32_t at = (uint32_t)random() % (len - 3);

		crc = crc32c(bytes, len);
		memcpy(&before, bytes + at, 4);
		after = i % 7 ? (uint32_t)random() : before;
		memcpy(bytes + at, &after, 4);
		assert_int_equal(crc ^ crc32c_change(before, after, len - at), crc32c(bytes, len));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_values),
		cmocka_unit_test(test_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
