// SPDX-License-Identifier: Apache-2.0
/* Answers in parts: whose turn it is, and who may list how much. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fake_clock.h"
#include "openflow/dump.h"
#include "openflow_peer.h"

#define OF_PROCESS OF_OF_PROCESS(OF_DUMP_MAX)
#define OF_USERS OF_OF_USERS(OF_DUMP_MAX)

static size_t n_written, n_released;
static uint64_t takes_ns; /* to write one */

static void write_one(struct of_reply *reply, const void *object, uint32_t arg)
{
	n_written++;
	fake_ns += takes_ns;
	out_u32(&reply->out, arg);
}

static void release_one(void *object)
{
	n_released++;
}

static const struct of_dump_ops ops = { write_one, release_one };

static void setup(void)
{
	peer_setup(OF13);
	n_written = n_released = 0;
}

/* A session of another process beside the peer's. */
static struct of_session *join(int pid, bool root)
{
	struct of_session *s = of_session_create(&peer.bridge, &peer.transport);

	assert_non_null(s);
	s->pid = pid;
	s->root = root;
	peer.len = 0;
	return s;
}

/* Lists up to @n objects for @s; how many were taken. */
static size_t list(struct of_session *s, size_t n, struct of_dump **out)
{
	struct of_dump *dump = of_dump_create(s, &ops, 7);
	size_t taken = 0;

	assert_non_null(dump);
	while (taken < n && of_dump_add(dump, NULL))
		taken++;
	*out = dump;
	return taken;
}

static void start(struct of_session *s, struct of_dump *dump)
{
	const uint8_t message[OF_HEADER] = { OF13, OFT_MULTIPART_REQUEST_13, 0, OF_HEADER };
	const struct of_request r = {
		.version = OF13, .type = message[1], .message = message, .len = sizeof(message)
	};

	of_dump_start(dump, s, &r);
}

/* What takes long to be written has a turn for each; what does not has few. */
static void test_turns_are_short(void **state)
{
	struct of_dump *dump;

	setup();
	takes_ns = OF_TURN_NS + 1;
	assert_int_equal(list(peer.s, 5, &dump), 5);
	start(peer.s, dump);
	for (size_t n = 1; n < 5; n++) {
		assert_int_equal(n_written, n);
		assert_int_equal(n_released, n); /* it goes in turns, too */
		assert_false(of_session_ready(peer.s));
		of_session_more(peer.s);
	}
	assert_int_equal(n_written, 5);
	assert_true(of_session_ready(peer.s));
	takes_ns = OF_TURN_NS / 100;
	assert_int_equal(list(peer.s, 150, &dump), 150);
	start(peer.s, dump);
	assert_in_range(n_written, 5 + 100, 5 + 102);
	of_session_more(peer.s);
	assert_int_equal(n_written, 5 + 150);
	assert_int_equal(n_released, 5 + 150);
	peer_teardown();
}

/* Who does not read gets nothing written, and what is listed goes with the session. */
static void test_who_does_not_read(void **state)
{
	struct of_dump *dump;

	setup();
	takes_ns = 0;
	peer.waiting = OF_QUEUE_MAX + 1;
	assert_int_equal(list(peer.s, 5, &dump), 5);
	start(peer.s, dump);
	of_session_more(peer.s);
	assert_int_equal(n_written, 0);
	peer_teardown();
	assert_int_equal(n_released, 5);
}

/* One process has its share, in however many lists, and another's go on. */
static void test_share_of_a_process(void **state)
{
	struct of_session *same, *other;
	struct of_dump *first, *second, *third;

	setup();
	same = join(peer.s->pid, false);
	other = join(peer.s->pid + 1, false);
	assert_int_equal(list(peer.s, OF_PROCESS - 10, &first), OF_PROCESS - 10);
	assert_int_equal(list(same, SIZE_MAX, &second), 10);
	assert_int_equal(list(other, SIZE_MAX, &third), OF_PROCESS);
	of_dump_free(third);
	of_dump_free(first);
	of_dump_free(second);
	assert_int_equal(list(same, SIZE_MAX, &first), OF_PROCESS); /* it is given back */
	of_dump_free(first);
	of_session_destroy(same);
	of_session_destroy(other);
	peer_teardown();
}

/* Users leave something to root, who may have all that is left, by some processes. */
static void test_share_of_users(void **state)
{
	struct of_session *s[6];
	struct of_dump *dumps[6];
	size_t listed = 0;

	setup();
	for (int i = 0; i < 6; i++)
		s[i] = join(100 + i, i >= 4);
	for (int i = 0; i < 4; i++)
		listed += list(s[i], SIZE_MAX, &dumps[i]);
	assert_int_equal(listed, OF_USERS);
	assert_int_equal(list(s[4], SIZE_MAX, &dumps[4]), OF_DUMP_MAX - OF_USERS);
	assert_int_equal(list(s[5], SIZE_MAX, &dumps[5]), 0);
	for (int i = 0; i < 6; i++) {
		of_dump_free(dumps[i]);
		of_session_destroy(s[i]);
	}
	peer_teardown();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_turns_are_short),
		cmocka_unit_test(test_who_does_not_read),
		cmocka_unit_test(test_share_of_a_process),
		cmocka_unit_test(test_share_of_users),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
