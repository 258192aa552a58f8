// SPDX-License-Identifier: Apache-2.0
/* Open files, each once, and what the service manager hears of them. */
#include <fcntl.h>
#include <sys/eventfd.h>

#include "keeper/store.h"
#include "notify_socket.h"

static void test_each_file_once(void **state)
{
	unsigned n_fds = count_fds(), a, b;
	struct keeper_store *s = keeper_store_create();
	int notify = open_notify_socket(), one = eventfd(0, 0), two = eventfd(0, 0), again;
	bool with_fd;

	again = dup(one);
	a = keeper_store_add(s, one);
	b = keeper_store_add(s, two);
	assert_true(a && b && a != b);
	assert_int_equal(keeper_store_add(s, again), a);
	assert_string_equal(hear(notify, &with_fd), "FDSTORE=1\nFDPOLL=0\nFDNAME=1");
	assert_string_equal(hear(notify, &with_fd), "FDSTORE=1\nFDPOLL=0\nFDNAME=2");
	assert_string_equal(hear(notify, &with_fd), "");
	keeper_store_drop(s, a);
	assert_string_equal(hear(notify, &with_fd), "");
	assert_true(keeper_store_fd(s, a) >= 0);
	keeper_store_drop(s, a);
	assert_string_equal(hear(notify, &with_fd), "FDSTOREREMOVE=1\nFDNAME=1");
	assert_int_equal(keeper_store_fd(s, a), -1);
	assert_int_equal(keeper_store_add(s, again), a); /* its number is free */
	close(one);
	close(two);
	close(again);
	keeper_store_clear(s);
	keeper_store_destroy(s);
	close_notify_socket(notify);
	assert_int_equal(count_fds(), n_fds);
}

static void test_what_another_had(void **state)
{
	unsigned n_fds = count_fds();
	struct keeper_store *s = keeper_store_create();
	int fd = eventfd(0, 0), again = dup(fd);

	assert_false(keeper_store_adopt(s, "", fd));
	assert_false(keeper_store_adopt(s, "table", fd));
	assert_false(keeper_store_adopt(s, "0", fd));
	assert_false(keeper_store_adopt(s, "ZZZ", fd));
	assert_false(keeper_store_adopt(s, "a-", fd));
	assert_true(keeper_store_adopt(s, "a", dup(fd)));
	assert_false(keeper_store_adopt(s, "a", fd));
	assert_false(keeper_store_adopt(s, "c", again)); /* each file is there once */
	assert_true(keeper_store_adopt(s, "b", eventfd(0, 0)));
	assert_true(keeper_store_refer(s, 10));
	assert_false(keeper_store_refer(s, 12));
	assert_int_equal(keeper_store_add(s, fd), 10);
	keeper_store_sweep(s);
	assert_true(keeper_store_fd(s, 10) >= 0);
	assert_int_equal(keeper_store_fd(s, 11), -1);
	keeper_store_destroy(s);
	close(again);
	close(fd);
	assert_int_equal(count_fds(), n_fds);
}

/* All numbers have names, and names stand for numbers. */
static void test_names(void **state)
{
	struct keeper_store *s = keeper_store_create();
	int notify = open_notify_socket();
	bool with_fd;
	unsigned n;

	for (unsigned i = 1; i <= 200; i++) {
		int fd = eventfd(0, 0);
		const char *name;

		n = keeper_store_add(s, fd);
		assert_int_equal(n, i);
		name = strrchr(hear(notify, &with_fd), '=') + 1;
		assert_int_equal(keeper_store_adopt(s, name, fd), 0); /* it is taken */
		close(fd);
	}
	keeper_store_destroy(s);
	close_notify_socket(notify);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_file_once),
		cmocka_unit_test(test_what_another_had),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
