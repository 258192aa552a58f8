// SPDX-License-Identifier: Apache-2.0
/* Messages kept by key: which are there, in which order, and whose fds they hold. */
#include <errno.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "fds.h"
#include "vhost/journal.h"

#define KIND(k, request, detail)           \
	{                                  \
		VHOST_EDIT_##k, 0,         \
		{                          \
			request, 0, detail \
		}                          \
	}

static int setup(void **state)
{
	*state = vhost_journal_create();
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	vhost_journal_destroy(*state);
	return 0;
}

/* Edits for a message that holds @value, and @n_fds new fds. */
static void edit_by(struct vhost_journal *j, const struct vhost_edit *edits, unsigned n,
		    uint64_t value, unsigned n_fds)
{
	struct vhost_message m = { .header = { 7, 1 | VHOST_USER_FLAG_NEED_REPLY, 8 },
				   .payload.u64 = value };

	while (m.n_fds < n_fds)
		m.fds[m.n_fds++] = eventfd(0, EFD_CLOEXEC);
	assert_int_equal(vhost_journal_edit(j, edits, n, &m), 0);
	vhost_message_close_fds(&m);
}

static void edit(struct vhost_journal *j, struct vhost_edit e, uint64_t value, unsigned n_fds)
{
	edit_by(j, &e, 1, value, n_fds);
}

#define EDIT(j, value, n_fds, ...) edit(j, (struct vhost_edit)KIND(__VA_ARGS__), value, n_fds)

/* What is kept, as the digits of a number: 123 for 1, 2 and 3. */
static uint64_t kept(const struct vhost_journal *j)
{
	struct vhost_message m;
	uint64_t number = 0, last, digits = 0;

	while ((last = number, number = vhost_journal_next(j, number, &m))) {
		assert_true(number > last);
		assert_int_equal(m.header.flags, 1); /* it must not be answered */
		digits = digits * 10 + m.payload.u64;
	}
	return digits;
}

/* Who makes messages up comes to an end. */
static void test_full(void **state)
{
	static const struct vhost_edit one_more = KIND(KEEP, 6, 0);
	struct vhost_message m = { .header = { 7, 1, 8 } };
	struct vhost_journal *j = *state;

	for (unsigned i = 0; i < VHOST_JOURNAL_MAX; i++)
		EDIT(j, 1, 0, KEEP, 5, i);
	assert_int_equal(vhost_journal_edit(j, &one_more, 1, &m), -ENOSPC);
	assert_int_equal(vhost_journal_len(j), VHOST_JOURNAL_MAX);
}

static void test_order_and_keys(void **state)
{
	struct vhost_journal *j = *state;
	struct vhost_message m;

	assert_int_equal(vhost_journal_next(j, 0, &m), 0);
	EDIT(j, 1, 0, KEEP, 5, 0);
	EDIT(j, 2, 0, KEEP, 5, 1);
	EDIT(j, 3, 0, KEEP, 6, 0);
	assert_int_equal(kept(j), 123);
	EDIT(j, 4, 0, KEEP, 5, 0); /* the new one stands where it came */
	assert_int_equal(kept(j), 234);
	EDIT(j, 0, 0, FORGET, 5, 7); /* there is none */
	assert_int_equal(kept(j), 234);
	EDIT(j, 0, 0, FORGET, 6, 0);
	assert_int_equal(kept(j), 24);
	EDIT(j, 5, 0, KEEP, 6, VHOST_KEY_ALL - 1);
	EDIT(j, 0, 0, FORGET, 5, VHOST_KEY_ALL);
	assert_int_equal(kept(j), 5);
	assert_int_equal(vhost_journal_len(j), 1);
	vhost_journal_clear(j);
	assert_int_equal(kept(j), 0);
	EDIT(j, 6, 0, KEEP, 5, 0);
	assert_int_equal(kept(j), 6);
}

/* Telling goes on behind what was told, whatever has gone meanwhile. */
static void test_next_while_it_changes(void **state)
{
	struct vhost_journal *j = *state;
	struct vhost_message m;
	uint64_t number;

	for (unsigned i = 1; i < 5; i++)
		EDIT(j, i, 0, KEEP, 5, i);
	number = vhost_journal_next(j, 0, &m);
	number = vhost_journal_next(j, number, &m);
	assert_int_equal(m.payload.u64, 2);
	EDIT(j, 0, 0, FORGET, 5, 2);
	EDIT(j, 0, 0, FORGET, 5, 3);
	number = vhost_journal_next(j, number, &m);
	assert_int_equal(m.payload.u64, 4);
	assert_int_equal(vhost_journal_next(j, number, &m), 0);
}

static void test_keep_else(void **state)
{
	static const struct vhost_edit remove[] = { KIND(FORGET, 1, 9), KIND(KEEP_ELSE, 2, 9) };
	struct vhost_journal *j = *state;

	EDIT(j, 1, 0, KEEP, 1, 9);
	edit_by(j, remove, 2, 2, 1);
	assert_int_equal(kept(j), 0);
	edit_by(j, remove, 2, 3, 1);
	assert_int_equal(kept(j), 3);
}

/* The same message as often as it came, in the place where it came first. */
static void test_keep_more(void **state)
{
	struct vhost_journal *j = *state;
	unsigned n_fds = count_fds();

	EDIT(j, 1, 1, KEEP_MORE, 1, 9);
	EDIT(j, 2, 0, KEEP, 1, 8);
	EDIT(j, 1, 1, KEEP_MORE, 1, 9);
	EDIT(j, 1, 1, KEEP_MORE, 1, 9);
	assert_int_equal(kept(j), 1112);
	assert_int_equal(vhost_journal_len(j), 2);
	assert_int_equal(count_fds(), n_fds + 1);
	EDIT(j, 0, 0, FORGET, 1, 9);
	assert_int_equal(kept(j), 112);
	EDIT(j, 0, 0, FORGET, 1, VHOST_KEY_ALL);
	assert_int_equal(kept(j), 0);
	for (unsigned i = 0; i < VHOST_COUNT_MAX + 10; i++)
		EDIT(j, 0, 0, KEEP_MORE, 1, 9);
	for (unsigned i = 0; i < VHOST_COUNT_MAX; i++) {
		assert_int_equal(vhost_journal_len(j), 1);
		EDIT(j, 0, 0, FORGET, 1, 9);
	}
	assert_int_equal(vhost_journal_len(j), 0);
	assert_int_equal(count_fds(), n_fds);
}

static void test_base(void **state)
{
	struct vhost_edit base = { VHOST_EDIT_BASE,
				   0x80058005,
				   { VHOST_USER_SET_VRING_BASE, 0, 3 } };
	struct vhost_journal *j = *state;
	struct vhost_message m;

	edit(j, base, 77, 1);
	base.value = 6;
	edit(j, base, 77, 1);
	assert_int_equal(vhost_journal_len(j), 1);
	assert_true(vhost_journal_next(j, 0, &m));
	assert_int_equal(m.header.request, VHOST_USER_SET_VRING_BASE);
	assert_int_equal(m.header.flags, VHOST_USER_VERSION);
	assert_int_equal(m.header.size, 8);
	assert_int_equal(m.payload.state.index, 3);
	assert_int_equal(m.payload.state.num, 6);
	assert_int_equal(m.n_fds, 0);
}

/* Each is closed when what holds it goes, and not before. */
static void test_fds(void **state)
{
	struct vhost_journal *j = *state;
	struct vhost_message m;
	unsigned n_fds = count_fds();
	uint64_t value = 1;

	EDIT(j, 1, 8, KEEP, 1, 0);
	EDIT(j, 2, 1, KEEP, 1, 1);
	assert_int_equal(count_fds(), n_fds + 9);
	assert_true(vhost_journal_next(j, 0, &m));
	assert_int_equal(m.n_fds, 8);
	for (unsigned i = 0; i < m.n_fds; i++)
		assert_int_equal(write(m.fds[i], &value, sizeof(value)), sizeof(value));
	EDIT(j, 3, 2, KEEP, 1, 0);
	assert_int_equal(count_fds(), n_fds + 3);
	EDIT(j, 0, 1, FORGET, 1, 1);
	assert_int_equal(count_fds(), n_fds + 2);
	vhost_journal_clear(j);
	assert_int_equal(count_fds(), n_fds);
	EDIT(j, 1, 3, KEEP, 1, 0);
	vhost_journal_destroy(j);
	assert_int_equal(count_fds(), n_fds);
	vhost_journal_destroy(NULL);
	*state = vhost_journal_create();
}

/* More edits than there may be change nothing; neither do many right ones take memory. */
static void test_bounded(void **state)
{
	struct vhost_edit edits[VHOST_EDITS_MAX + 1] = { KIND(KEEP, 1, 0) };
	struct vhost_journal *j = *state;
	struct vhost_message m = { .header = { 7, 1, 8 } };
	size_t before = 0;

	assert_int_equal(vhost_journal_edit(j, edits, VHOST_EDITS_MAX + 1, &m), -EINVAL);
	assert_int_equal(vhost_journal_len(j), 0);
	for (unsigned i = 0; i < 100000; i++) {
		EDIT(j, i, i % 100 == 0, KEEP, 1, i % 7);
		if (i == 1000)
			before = mallinfo2().uordblks;
	}
	assert_int_equal(vhost_journal_len(j), 7);
	assert_true(mallinfo2().uordblks <= before + 4096);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_order_and_keys), TEST(test_next_while_it_changes),
		TEST(test_keep_else),	   TEST(test_keep_more),
		TEST(test_base),	   TEST(test_fds),
		TEST(test_bounded),	   TEST(test_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
