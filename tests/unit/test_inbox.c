// SPDX-License-Identifier: Apache-2.0
/* What the control thread has put into its inbox: whole, in order, and with room left for all. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "datapath/inbox.h"

#define N_WORKERS 2

static uint8_t frame[UINT16_MAX];
static const uint8_t actions[] = { 1, 2, 3, 4, 5, 6, 7, 8 };

static int setup(void **state)
{
	static struct inboxes inboxes;

	for (size_t i = 0; i < sizeof(frame); i++)
		frame[i] = (uint8_t)(i * 7);
	*state = &inboxes;
	return inboxes_init(&inboxes, N_WORKERS);
}

static int teardown(void **state)
{
	inboxes_destroy(*state);
	inboxes_destroy(*state);
	return 0;
}

static int put(struct inboxes *in, enum record_kind kind, uint32_t len, uint32_t actions_len)
{
	const struct record r = {
		.kind = (uint8_t)kind, .len = len, .actions_len = actions_len, .hops = 3
	};

	return inboxes_put(in, &r, actions, frame);
}

/* The oldest record, which is gone then. */
static const struct record *take(struct inboxes *in)
{
	struct spsc *queue = inboxes_of_control(in);
	size_t len;
	const struct record *r = spsc_peek(queue, &len);

	assert_non_null(r);
	assert_int_equal(len, sizeof(*r) + r->actions_len + r->len);
	spsc_pop(queue);
	spsc_release(queue);
	return r;
}

static void test_records(void **state)
{
	const struct view_port port = { .id = 5, .serial = 6 };
	struct inboxes *in = *state;
	const struct record *r;

	assert_true(inboxes_empty(in));
	assert_int_equal(put(in, RECORD_PACKET_OUT, 100, sizeof(actions)), 0);
	assert_int_equal(inboxes_inject(in, &port, frame, 60), 0);
	assert_false(inboxes_empty(in));
	r = take(in);
	assert_int_equal(r->kind, RECORD_PACKET_OUT);
	assert_int_equal(r->hops, 3);
	assert_memory_equal(r + 1, actions, sizeof(actions));
	assert_memory_equal((const uint8_t *)(r + 1) + sizeof(actions), frame, 100);
	r = take(in);
	assert_int_equal(r->kind, RECORD_RECEIVE);
	assert_int_equal(r->port, 5);
	assert_int_equal(r->serial, 6);
	assert_memory_equal(r + 1, frame, 60);
	assert_true(inboxes_empty(in));
	for (unsigned i = 0; i < N_WORKERS; i++)
		assert_true(spsc_empty(inboxes_of_worker(in, i)));
}

/* Packets that have taught rules fill half of it, and not what others need. */
static void test_room(void **state)
{
	struct inboxes *in = *state;
	unsigned n_taught = 0, n_out = 0;
	uint64_t now, most;

	while (put(in, RECORD_TAUGHT, 1500, 0) == 0)
		assert_true(++n_taught < 2 * INBOX_SIZE / 1500);
	inboxes_waiting(in, &now, &most);
	assert_in_range(now, INBOX_TAUGHT_MAX - 2000, INBOX_TAUGHT_MAX);
	assert_int_equal(most, 3 * INBOX_SIZE);
	while (put(in, RECORD_PACKET_OUT, UINT16_MAX, sizeof(actions)) == 0)
		assert_true(++n_out < INBOX_SIZE / UINT16_MAX);
	assert_in_range(n_out, 6, 8);
	assert_int_equal(put(in, RECORD_TAUGHT, 60, 0), -ENOBUFS);
	for (unsigned i = 0; i < n_taught; i++)
		assert_int_equal(take(in)->kind, RECORD_TAUGHT);
	for (unsigned i = 0; i < n_out; i++)
		assert_int_equal(take(in)->kind, RECORD_PACKET_OUT);
	assert_int_equal(put(in, RECORD_TAUGHT, UINT16_MAX, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_records, setup, teardown),
		cmocka_unit_test_setup_teardown(test_room, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
