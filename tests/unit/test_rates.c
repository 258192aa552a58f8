// SPDX-License-Identifier: Apache-2.0
// Rates of ports that stay, come, go and begin to count anew.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/rates.h"

static json_t *load(const char *text)
{
	json_t *ports = json_loads(text, 0, NULL);

	assert_non_null(ports);
	return ports;
}

#define PORT(name, link, rx, tx, drops)                                                         \
	"{\"name\":\"" name "\",\"link\":" link ",\"rx_packets\":" rx ",\"rx_bytes\":" rx "00," \
	"\"tx_packets\":" tx ",\"tx_bytes\":" tx "00,\"drops\":" drops "}"

static void test_rates(void **state)
{
	json_t *before = load("[" PORT("gone", "true", "1", "1", "{}") "," PORT(
		"a", "false", "100", "10", "{\"vlan\":1}") "," PORT("b", "true", "500", "5",
								    "{}") "]");
	json_t *now =
		load("[" PORT("a", "true", "300", "10", "{\"vlan\":3,\"too_long\":4}") "," PORT(
			"new", "true", "9", "9", "{\"vlan\":9}") "," PORT("b", "true", "20", "50",
									  "{}") "]");
	struct port_rate r[4];

	assert_int_equal(rates_compute(before, now, 2, r, 4), 3);
	assert_string_equal(r[0].name, "a");
	assert_true(r[0].link);
	assert_float_equal(r[0].rx_packets, 100, 1e-9);
	assert_float_equal(r[0].rx_bits, 80000, 1e-9);
	assert_float_equal(r[0].tx_packets, 0, 1e-9);
	assert_float_equal(r[0].drops, 3, 1e-9);
	assert_string_equal(r[1].name, "new");
	assert_float_equal(r[1].rx_packets + r[1].tx_bits + r[1].drops, 0, 1e-9);
	/* made anew under its old name: not a rate of millions, nor a negative one */
	assert_string_equal(r[2].name, "b");
	assert_float_equal(r[2].rx_packets + r[2].tx_packets, 0, 1e-9);
	assert_int_equal(rates_compute(before, now, 2, r, 1), 1);
	assert_int_equal(rates_compute(NULL, now, 2, r, 4), 3);
	assert_float_equal(r[0].rx_packets, 0, 1e-9);
	assert_int_equal(rates_compute(now, before, 0, r, 4), 3);
	assert_float_equal(r[2].rx_packets, 0, 1e-9);
	json_decref(before);
	json_decref(now);
}

/* An answer of another shape is no reason to crash. */
static void test_odd_answers(void **state)
{
	json_t *odd = load("[1, {}, {\"name\":3,\"drops\":[1]}, []]");
	struct port_rate r[8];

	assert_int_equal(rates_compute(odd, odd, 1, r, 8), 4);
	assert_string_equal(r[2].name, "?");
	assert_int_equal(rates_compute(odd, NULL, 1, r, 8), 0);
	json_decref(odd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rates),
		cmocka_unit_test(test_odd_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
