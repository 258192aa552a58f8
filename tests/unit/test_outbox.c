// SPDX-License-Identifier: Apache-2.0
/* The last message's answer, as another process finds it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "vhost/outbox.h"

static uint64_t answer(int fd)
{
	struct {
		struct vhost_user_header header;
		uint64_t value;
	} __attribute__((packed)) m;

	if (recv(fd, &m, sizeof(m), MSG_DONTWAIT) != sizeof(m))
		return 0;
	assert_int_equal(m.header.flags, VHOST_USER_VERSION | VHOST_USER_FLAG_REPLY);
	assert_int_equal(m.header.size, 8);
	return m.value;
}

static void test_sent_once(void **state)
{
	struct vhost_outbox out = { 0 };
	uint64_t value = 7;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_false(vhost_outbox_sending(&out));
	assert_int_equal(vhost_outbox_put(&out, 5, true, 1, &value, sizeof(value), false), 0);
	assert_true(vhost_outbox_sending(&out));
	assert_int_equal(vhost_outbox_send(&out, pair[0], -1), 0);
	assert_false(vhost_outbox_sending(&out));
	vhost_outbox_resume(&out, 5);
	assert_int_equal(vhost_outbox_send(&out, pair[0], -1), 0);
	assert_int_equal(answer(pair[1]), 7);
	assert_int_equal(answer(pair[1]), 0);
	close(pair[1]);
	assert_int_equal(vhost_outbox_put(&out, 6, true, 1, &value, sizeof(value), false), 0);
	assert_int_equal(vhost_outbox_send(&out, pair[0], -1), -ECONNRESET);
	close(pair[0]);
}

/* What no change has made true was never there; what it has is sent by whoever comes. */
static void test_counts_with_its_change(void **state)
{
	struct vhost_outbox out = { 0 };
	uint64_t value = 7;

	vhost_outbox_put(&out, 5, false, 0, NULL, 0, false);
	out.consumed = 5;
	vhost_outbox_put(&out, 9, true, 1, &value, sizeof(value), false);
	vhost_outbox_resume(&out, 8);
	assert_false(vhost_outbox_sending(&out));
	assert_int_equal(out.acted, 5);
	assert_int_equal(out.consumed, 5);
	vhost_outbox_put(&out, 9, true, 1, &value, sizeof(value), false);
	vhost_outbox_resume(&out, 9);
	assert_true(vhost_outbox_sending(&out));
	assert_int_equal(out.acted, 9);
	assert_int_equal(out.consumed, 5);
	vhost_outbox_clear(&out);
	assert_false(vhost_outbox_sending(&out));
	assert_int_equal(out.consumed, 9);
}

static void test_too_long(void **state)
{
	static const char bytes[VHOST_ANSWER_MAX];
	struct vhost_outbox out = { 0 };

	assert_int_equal(vhost_outbox_put(&out, 1, true, 1, bytes, sizeof(bytes), false),
			 -EMSGSIZE);
	assert_int_equal(out.acted, 0);
	out.len = VHOST_ANSWER_MAX + 1; /* as a memory that makes no sense has it */
	vhost_outbox_resume(&out, 1);
	assert_false(vhost_outbox_sending(&out));
}

/* A file goes with its answer, once; without it there is no answer. */
static void test_file(void **state)
{
	struct vhost_outbox out = { 0 };
	union {
		struct cmsghdr header;
		uint8_t bytes[CMSG_SPACE(4 * sizeof(int))];
	} control;
	uint8_t bytes[64];
	struct iovec iov = { bytes, sizeof(bytes) };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control.bytes,
			    .msg_controllen = sizeof(control) };
	uint64_t value = 7;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	vhost_outbox_put(&out, 1, true, 1, &value, sizeof(value), true);
	assert_int_equal(vhost_outbox_send(&out, pair[0], pair[0]), 0);
	assert_int_equal(recvmsg(pair[1], &m, MSG_DONTWAIT), 20);
	assert_int_equal(control.header.cmsg_type, SCM_RIGHTS);
	assert_int_equal(control.header.cmsg_len, CMSG_LEN(sizeof(int)));
	close(*(int *)CMSG_DATA(&control.header));
	vhost_outbox_put(&out, 2, true, 1, &value, sizeof(value), true);
	assert_int_equal(vhost_outbox_send(&out, pair[0], -1), -ECONNRESET);
	close(pair[0]);
	close(pair[1]);
}

/* A front-end that does not read: the answer waits whole. */
static void test_full_socket(void **state)
{
	struct vhost_outbox out = { 0 };
	uint64_t value = 7;
	char byte = 1;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	while (send(pair[0], &byte, 1, MSG_DONTWAIT) == 1)
		;
	vhost_outbox_put(&out, 1, true, 1, &value, sizeof(value), false);
	assert_int_equal(vhost_outbox_send(&out, pair[0], -1), -EAGAIN);
	assert_true(vhost_outbox_sending(&out));
	while (recv(pair[1], &byte, 1, MSG_DONTWAIT) == 1)
		;
	assert_int_equal(vhost_outbox_send(&out, pair[0], -1), 0);
	assert_int_equal(answer(pair[1]), 7);
	close(pair[0]);
	close(pair[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sent_once),   cmocka_unit_test(test_counts_with_its_change),
		cmocka_unit_test(test_too_long),    cmocka_unit_test(test_file),
		cmocka_unit_test(test_full_socket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
