// SPDX-License-Identifier: Apache-2.0
/* What another keeper finds in the table, at whatever point the one before has ended. */
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "keeper/table.h"
#include "notify_socket.h"

#define RECORDS 40

/* What is to be there: record @i holds values[i], 0: there is none. */
struct picture {
	uint32_t values[RECORDS];
};

static int event_of(uint32_t value)
{
	return eventfd(value, EFD_NONBLOCK | EFD_CLOEXEC);
}

/* Whether the table says so, and the fds of each record, eventfds, hold its value, too. */
static bool shows(const struct keeper_table *t, const struct picture *p)
{
	struct picture seen = { { 0 } };

	for (const struct table_record *r = NULL; (r = keeper_table_next(t, TABLE_HELD, r));) {
		uint32_t value;
		uint64_t count;
		int fd = keeper_table_fd(t, r, 1);

		memcpy(&value, r->data, sizeof(value));
		if (r->device >= RECORDS || r->len != sizeof(value) || r->n_fds != 2 ||
		    keeper_table_fd(t, r, 0) != -1)
			return false;
		if (read(fd, &count, sizeof(count)) != sizeof(count) || count != value)
			return false;
		if (write(fd, &count, sizeof(count)) != sizeof(count))
			return false;
		seen.values[r->device] = value;
	}
	return !memcmp(&seen, p, sizeof(seen));
}

/* A copy of the table, which whoever goes on with it changes. */
static int copy_of(const struct keeper_table *t)
{
	static char bytes[1 << 20]; /* all that these tests use of it */
	int from = keeper_table_own_fd(t), to = memfd_create("copy", MFD_CLOEXEC);
	struct stat st;

	if (fstat(from, &st) || ftruncate(to, st.st_size) ||
	    pread(from, bytes, sizeof(bytes), 0) != sizeof(bytes) ||
	    pwrite(to, bytes, sizeof(bytes), 0) != sizeof(bytes))
		_exit(2);
	return to;
}

/* Lets another process go on with the table as it is now. */
static bool another_sees(struct keeper_table *t, const struct picture *p)
{
	pid_t pid;
	int status;

	pid = fork();
	if (pid == 0) {
		struct keeper_table *mine = NULL;
		struct error err = { "" };

		keeper_table_ready(t);
		keeper_table_bequeath(t, -1, 0);
		if (keeper_table_restore(&mine, copy_of(t), &err))
			fprintf(stderr, "%s\n", err.text);
		_exit(mine && shows(mine, p) ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	keeper_table_disinherit(t);
	return status == 0;
}

static const struct table_record *add(struct keeper_table *t, uint32_t i, uint32_t value)
{
	int fds[2] = { -1, event_of(value) };
	const struct table_record *r =
		keeper_table_add(t, TABLE_HELD, i, &value, sizeof(value), fds, 2);

	close(fds[1]);
	return r;
}

/* Each point between two steps of a change. */
static void test_changes(void **state)
{
	for (int point = 0; point < 5; point++) {
		struct keeper_table *t = keeper_table_create();
		struct picture before = { { 1, 2 } }, after = { { 1, 0, 3 } };
		const struct table_record *r;

		add(t, 0, 1);
		r = add(t, 1, 2);
		keeper_table_commit(t);
		if (point > 0)
			add(t, 2, 3);
		if (point > 1)
			keeper_table_drop(t, r);
		if (point > 2)
			keeper_table_commit(t);
		if (point > 3) { /* an unfinished one behind it */
			keeper_table_drop(t, keeper_table_next(t, TABLE_HELD, NULL));
			add(t, 0, 9);
		}
		assert_true(another_sees(t, point > 2 ? &after : &before));
		keeper_table_destroy(t);
	}
}

static void test_random_changes(void **state)
{
	struct keeper_table *t = keeper_table_create();
	const struct table_record *records[RECORDS] = { NULL };
	struct picture made = { { 0 } }, wanted = made;
	unsigned seed = 1, n_fds = count_fds();

	for (unsigned i = 0; i < 3000; i++) {
		uint32_t at = (uint32_t)rand_r(&seed) % RECORDS;

		keeper_table_drop(t, records[at]);
		records[at] = NULL;
		wanted.values[at] = 0;
		if (rand_r(&seed) % 3) {
			wanted.values[at] = 1 + (uint32_t)rand_r(&seed) % 1000;
			records[at] = add(t, at, wanted.values[at]);
		}
		if (rand_r(&seed) % 4 == 0) {
			keeper_table_commit(t);
			made = wanted;
		}
		if (i % 100 == 99)
			assert_true(another_sees(t, &made));
	}
	for (unsigned i = 0; i < RECORDS; i++)
		keeper_table_drop(t, records[i]);
	keeper_table_commit(t);
	assert_int_equal(count_fds(), n_fds);
	keeper_table_destroy(t);
}

static void test_what_it_refuses(void **state)
{
	static const char bytes[TABLE_DATA_MAX + 1];
	struct keeper_table *t = keeper_table_create(), *other;
	uint32_t version = 99;
	struct error err;
	int fd = dup(keeper_table_own_fd(t));

	assert_true(keeper_table_whole(t));
	assert_int_equal(keeper_table_check(fd, &err), 0);
	assert_int_equal(pwrite(fd, &version, sizeof(version), 8), sizeof(version));
	assert_int_equal(keeper_table_check(fd, &err), -EPROTO);
	assert_non_null(strstr(err.text, "version 99"));
	assert_null(keeper_table_add(t, TABLE_HELD, 0, bytes, sizeof(bytes), NULL, 0));
	assert_false(keeper_table_whole(t));
	assert_null(add(t, 0, 1));
	assert_int_equal(keeper_table_check(fd, &err), -ENOENT);
	keeper_table_commit(t);
	keeper_table_destroy(t);
	close(fd);

	fd = memfd_create("short", MFD_CLOEXEC);
	assert_int_equal(keeper_table_check(fd, &err), -EPROTO);
	assert_int_equal(keeper_table_restore(&other, fd, &err), -EPROTO); /* closes it */
	assert_int_equal(keeper_table_restore(&other, -1, &err), -ENOENT);
}

/* The manager gets what is new before a change, and lets go of what is old behind it. */
static void test_manager_in_time(void **state)
{
	int notify = open_notify_socket();
	struct keeper_table *t = keeper_table_create();
	const struct table_record *r;
	bool with_fd;

	assert_string_equal(hear(notify, &with_fd), "FDSTORE=1\nFDPOLL=0\nFDNAME=table");
	r = add(t, 0, 1);
	assert_string_equal(hear(notify, &with_fd), "FDSTORE=1\nFDPOLL=0\nFDNAME=1");
	keeper_table_commit(t);
	keeper_table_drop(t, r);
	assert_string_equal(hear(notify, &with_fd), "");
	keeper_table_commit(t);
	assert_string_equal(hear(notify, &with_fd), "FDSTOREREMOVE=1\nFDNAME=1");
	keeper_table_destroy(t);
	assert_string_equal(hear(notify, &with_fd), "FDSTOREREMOVE=1\nFDNAME=table");
	close_notify_socket(notify);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_random_changes),
		cmocka_unit_test(test_what_it_refuses),
		cmocka_unit_test(test_manager_in_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
