// SPDX-License-Identifier: Apache-2.0
/* What all ports share: names, kinds, drop reasons. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "port/kinds.h"

static void good_names(void **state)
{
	static const char *const names[] = { "a", "vm1", "0", "br0.100", "a-b_c.D", "_x" };
	char longest[PORT_NAME_MAX + 1];
	struct error err;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		assert_int_equal(port_name_check(names[i], &err), 0);
	memset(longest, 'a', PORT_NAME_MAX);
	longest[PORT_NAME_MAX] = '\0';
	assert_int_equal(port_name_check(longest, &err), 0);
}

static void bad_names(void **state)
{
	static const char *const names[] = {
		"", "-a", ".a", "a b", "a/b", "a\n", "\xc3\xbc", "a:b"
	};
	char longest[PORT_NAME_MAX + 2];

	memset(longest, 'a', PORT_NAME_MAX + 1);
	longest[PORT_NAME_MAX + 1] = '\0';
	for (size_t i = 0; i <= ARRAY_SIZE(names); i++) {
		struct error err = { "" };

		assert_int_equal(port_name_check(i ? names[i - 1] : longest, &err), -EINVAL);
		assert_string_not_equal(err.text, "");
	}
}

static void kinds_are_found_by_name(void **state)
{
	static const char *const kinds[] = { "vhost-user", "tap", "pcap", "patch", "dummy" };
	unsigned n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		const struct port_ops *ops = port_kind_find(kinds[i]);

		assert_non_null(ops);
		assert_string_equal(ops->kind, kinds[i]);
		assert_non_null(ops->summary);
	}
	assert_null(port_kind_find("taps"));
	assert_null(port_kind_find(""));
	while (port_kinds[n])
		n++;
	assert_int_equal(n, ARRAY_SIZE(kinds));
}

/* Every option has help, and what its type needs. */
static void tables_are_complete(void **state)
{
	for (const struct port_ops *const *ops = port_kinds; *ops; ops++) {
		for (const struct option *o = (*ops)->options; o->name; o++) {
			assert_non_null(o->help);
			assert_int_not_equal(o->help[strlen(o->help) - 1], '.');
			if (o->type == OPTION_CHOICE)
				assert_non_null(o->choices);
			if (o->type == OPTION_CUSTOM)
				assert_non_null(o->check);
			if (o->type == OPTION_UINT)
				assert_true(o->max > o->min);
		}
	}
}

static void ports_start_with_defaults(void **state)
{
	struct port_env env = { 0 };
	char owner;
	struct port port;

	memset(&port, 0xff, sizeof(port));
	port_init(&port, &tap_port_ops, "vm1", &env, &owner);
	assert_string_equal(port.name, "vm1");
	assert_ptr_equal(port.ops, &tap_port_ops);
	assert_ptr_equal(port.env, &env);
	assert_ptr_equal(port.owner, &owner);
	assert_int_equal(port.mtu, 1500);
	assert_int_equal(port.numa_node, -1);
	assert_false(port.link);
	assert_int_equal(port.n_rxqs + port.n_txqs, 0);
}

static void drop_reasons_have_names_and_words(void **state)
{
	assert_string_equal(drop_name(DROP_tx_ring_full), "tx_ring_full");
	assert_string_equal(drop_text(DROP_too_short),
			    "frame shorter than an Ethernet header (14 bytes)");
	for (unsigned a = 0; a < DROP_N_REASONS; a++) {
		assert_true(strlen(drop_text(a)) > 10);
		for (unsigned b = a + 1; b < DROP_N_REASONS; b++)
			assert_string_not_equal(drop_name(a), drop_name(b));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_names),
		cmocka_unit_test(bad_names),
		cmocka_unit_test(kinds_are_found_by_name),
		cmocka_unit_test(tables_are_complete),
		cmocka_unit_test(ports_start_with_defaults),
		cmocka_unit_test(drop_reasons_have_names_and_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
