// SPDX-License-Identifier: Apache-2.0
/* Patch ports: a peer's name, checked and changed. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fake_env.h"
#include "port/kinds.h"
#include "port/patch.h"

static void peer_is_kept_and_shown(void **state)
{
	struct fake_env env = fake_env_make(NULL);
	json_t *shown = json_object();
	struct port *port;
	struct error err;

	assert_int_equal(fake_create(&patch_port_ops, &port, "p0", json_pack("{s:s}", "peer", "p1"),
				     &env, &err),
			 0);
	assert_true(port_is_patch(port));
	assert_string_equal(patch_peer_name(port), "p1");
	assert_int_equal(port->n_rxqs + port->n_txqs, 0);
	assert_false(port->link);
	port->ops->show(port, shown);
	assert_string_equal(option_string(shown, "peer", ""), "p1");
	json_decref(shown);
	port->ops->destroy(port);
	patch_port_ops.destroy(NULL);
}

static void peer_can_be_changed(void **state)
{
	struct fake_env env = fake_env_make(NULL);
	struct port *port;
	struct error err;
	json_t *changes;

	assert_int_equal(fake_create(&patch_port_ops, &port, "p0", json_pack("{s:s}", "peer", "p1"),
				     &env, &err),
			 0);
	changes = json_pack("{s:s}", "peer", "p2");
	assert_int_equal(port->ops->set(port, changes, changes, &err), 0);
	assert_string_equal(patch_peer_name(port), "p2");
	assert_int_equal(env.n_changed, 1);
	json_decref(changes);

	changes = json_pack("{s:s}", "peer", "p0");
	assert_int_equal(port->ops->set(port, changes, changes, &err), -EINVAL);
	assert_string_equal(patch_peer_name(port), "p2");
	assert_int_equal(env.n_changed, 1);
	json_decref(changes);

	/* Something else changed. */
	changes = json_pack("{s:s, s:i}", "peer", "p2", "mtu", 9000);
	assert_int_equal(port->ops->set(port, changes, changes, &err), 0);
	assert_int_equal(env.n_changed, 1);
	json_decref(changes);
	port->ops->destroy(port);
}

static void bad_peers_are_refused(void **state)
{
	struct fake_env env = fake_env_make(NULL);
	json_t *bad[] = { json_object(), json_pack("{s:s}", "peer", "p0"),
			  json_pack("{s:s}", "peer", "a b"), json_pack("{s:s}", "peer", "") };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct error err = { "" };
		struct port *port;

		assert_int_equal(fake_create(&patch_port_ops, &port, "p0", bad[i], &env, &err),
				 -EINVAL);
		assert_non_null(strstr(err.text, "peer"));
	}
}

static void other_kinds_are_no_patch(void **state)
{
	struct port port;

	port_init(&port, &dummy_port_ops, "d", NULL, NULL);
	assert_false(port_is_patch(&port));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(peer_is_kept_and_shown),
		cmocka_unit_test(peer_can_be_changed),
		cmocka_unit_test(bad_peers_are_refused),
		cmocka_unit_test(other_kinds_are_no_patch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
