// SPDX-License-Identifier: Apache-2.0
/* Users and groups, looked up here, and asked for. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/broker.h"
#include "base/ids.h"

static struct error err;
static enum broker_request asked;
static char asked_name[256];
static int64_t answer;

static int ask(struct broker *broker, struct broker_call *call, struct error *e)
{
	const struct broker_name *args = call->args;

	assert_int_equal(call->size, sizeof(*args));
	asked = call->what;
	strcpy(asked_name, args->name);
	call->value = answer;
	return answer < 0 ? (int)answer : 0;
}

static void test_here(void **state)
{
	assert_int_equal(ids_find_user("root", &err), 0);
	assert_int_equal(ids_find_group("root", &err), 0);
	assert_int_equal(ids_find_user("0", &err), 0);
	assert_int_equal(ids_find_group("4294967294", &err), UINT32_MAX - 1);
	assert_int_equal(ids_find_group("4294967295", &err), -EINVAL);
	assert_string_equal(err.text, "there is no group \"4294967295\"");
	assert_int_equal(ids_find_user("", &err), -EINVAL);
	assert_int_equal(ids_find_user("12x", &err), -EINVAL);
	assert_string_equal(err.text, "there is no user \"12x\"");
}

static void test_asked(void **state)
{
	struct broker broker = { ask };
	char long_name[300];

	memset(long_name, 'a', sizeof(long_name) - 1);
	long_name[sizeof(long_name) - 1] = 0;
	broker_set(&broker);
	answer = 77;
	assert_int_equal(ids_find_user("somebody", &err), 77);
	assert_int_equal(asked, BROKER_USER);
	assert_string_equal(asked_name, "somebody");
	assert_int_equal(ids_find_group("some", &err), 77);
	assert_int_equal(asked, BROKER_GROUP);
	asked = 0;
	assert_int_equal(ids_find_user("5", &err), 5); /* nobody need be asked */
	assert_int_equal(ids_find_user(long_name, &err), -EINVAL);
	assert_int_equal(asked, 0);
	answer = -ENOENT;
	assert_int_equal(ids_find_user("somebody", &err), -EINVAL);
	broker_set(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_here),
		cmocka_unit_test(test_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
