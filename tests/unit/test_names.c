// SPDX-License-Identifier: Apache-2.0
/* Names of feature bits and messages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "vhost/names.h"

#define BIT(n) (1ull << (n))

static void test_names(void **state)
{
	json_t *names = vhost_features_json(BIT(15) | BIT(32) | BIT(42) | BIT(30));
	char text[24];

	assert_int_equal(json_array_size(names), 4);
	assert_string_equal(json_string_value(json_array_get(names, 0)), "VIRTIO_NET_F_MRG_RXBUF");
	assert_string_equal(json_string_value(json_array_get(names, 1)),
			    "VHOST_USER_F_PROTOCOL_FEATURES");
	assert_string_equal(json_string_value(json_array_get(names, 2)), "VIRTIO_F_VERSION_1");
	assert_string_equal(json_string_value(json_array_get(names, 3)), "bit 42");
	json_decref(names);
	names = vhost_protocol_features_json(BIT(20) | BIT(63));
	assert_string_equal(json_string_value(json_array_get(names, 0)),
			    "VHOST_USER_PROTOCOL_F_GET_VRING_BASE_INFLIGHT");
	assert_string_equal(json_string_value(json_array_get(names, 1)), "bit 63");
	json_decref(names);
	names = vhost_status_json(0x94);
	assert_int_equal(json_array_size(names), 3);
	assert_string_equal(json_string_value(json_array_get(names, 0)), "DRIVER_OK");
	assert_string_equal(json_string_value(json_array_get(names, 1)), "bit 4");
	assert_string_equal(json_string_value(json_array_get(names, 2)), "FAILED");
	json_decref(names);
	assert_string_equal(vhost_features_text(BIT(60) | BIT(61), text, sizeof(text)),
			    "VIRTIO_NET_F_RSS VIRTIO"); /* cut */
	assert_string_equal(vhost_request_name(28), "VHOST_USER_POSTCOPY_ADVISE");
	assert_string_equal(vhost_request_name(0), "message 0");
	assert_string_equal(vhost_request_name(UINT32_MAX), "message 4294967295");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_names) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
