// SPDX-License-Identifier: Apache-2.0
/* vhost-user framing: messages in pieces, fds, peers that close, flood or do not read. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "base/files.h"
#include "fds.h"
#include "vhost/channel.h"

struct pair {
	struct vhost_channel channel;
	int peer;
	unsigned n_fds_before;
};

static int setup(void **state)
{
	static struct pair p;
	int fds[2];

	p.n_fds_before = count_fds();
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	vhost_channel_init(&p.channel, fds[0]);
	p.peer = fds[1];
	*state = &p;
	return 0;
}

/* Every test ends with as many open fds as it started with. */
static int teardown(void **state)
{
	struct pair *p = *state;

	vhost_channel_close(&p->channel);
	vhost_channel_close(&p->channel);
	if (p->peer >= 0)
		close(p->peer);
	return count_fds() == p->n_fds_before ? 0 : -1;
}

static void send_all(int fd, const void *bytes, size_t len, const int *fds, unsigned n)
{
	assert_int_equal(send_fds(fd, bytes, len, fds, n, 0), (ssize_t)len);
}

struct small {
	struct vhost_user_header header;
	uint64_t u64 __attribute__((packed));
};

static struct small make_small(uint32_t request, uint64_t value)
{
	return (struct small){ .header = { request, VHOST_USER_VERSION, sizeof(uint64_t) },
			       .u64 = value };
}

static void test_byte_by_byte(void **state)
{
	struct pair *p = *state;
	struct small m = make_small(VHOST_USER_SET_FEATURES, 0x1122334455667788);
	struct vhost_message got;
	struct error err;

	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < sizeof(m); i++) {
			assert_int_equal(vhost_channel_receive(&p->channel, &got, &err), 0);
			assert_int_equal(write(p->peer, (char *)&m + i, 1), 1);
		}
		assert_int_equal(vhost_channel_receive(&p->channel, &got, &err), 1);
		assert_int_equal(got.header.request, VHOST_USER_SET_FEATURES);
		assert_int_equal(got.header.size, 8);
		assert_int_equal(got.payload.u64, 0x1122334455667788);
		assert_int_equal(got.n_fds, 0);
		assert_false(got.fds_lost);
	}
}

/* Messages that arrive together are told apart, and each gets its own fds. */
static void test_back_to_back_with_fds(void **state)
{
	struct pair *p = *state;
	struct small a = make_small(VHOST_USER_SET_VRING_KICK, 1);
	struct small b = make_small(VHOST_USER_SET_VRING_CALL, 2);
	struct vhost_message got;
	struct error err;
	int fds[2] = { eventfd(7, 0), eventfd(9, 0) };
	uint64_t value;

	send_all(p->peer, &b, sizeof(b), NULL, 0);
	send_all(p->peer, &a, sizeof(a), &fds[0], 1);
	send_all(p->peer, &b, sizeof(b), &fds[1], 1);
	close(fds[0]);
	close(fds[1]);
	assert_int_equal(vhost_channel_receive(&p->channel, &got, &err), 1);
	assert_int_equal(got.header.request, VHOST_USER_SET_VRING_CALL);
	assert_int_equal(got.n_fds, 0);
	assert_int_equal(vhost_channel_receive(&p->channel, &got, &err), 1);
	assert_int_equal(got.header.request, VHOST_USER_SET_VRING_KICK);
	assert_int_equal(got.n_fds, 1);
	assert_true(fcntl(got.fds[0], F_GETFD) & FD_CLOEXEC);
	assert_int_equal(read(got.fds[0], &value, 8), 8);
	assert_int_equal(value, 7);
	vhost_message_close_fds(&got);
	assert_int_equal(vhost_channel_receive(&p->channel, &got, &err), 1);
	assert_int_equal(got.n_fds, 1);
	assert_int_equal(read(got.fds[0], &value, 8), 8);
	assert_int_equal(value, 9);
	vhost_message_close_fds(&got);
	assert_int_equal(vhost_channel_receive(&p->channel, &got, &err), 0);
}

/* The header may come in pieces, with the fds on its first byte. */
static void test_fds_on_first_byte(void **state)
{
	struct pair *p = *state;
	struct small a = make_small(VHOST_USER_SET_VRING_KICK, 1);
	struct vhost_message got;
	struct error err;
	int fds[8];

	for (int i = 0; i < 8; i++)
		fds[i] = eventfd(0, 0);
	send_all(p->peer, &a, 1, fds, 8);
	assert_int_equal(vhost_channel_receive(&p->channel, &got, &err), 0);
	send_all(p->peer, (char *)&a + 1, sizeof(a) - 1, NULL, 0);
	assert_int_equal(vhost_channel_receive(&p->channel, &got, &err), 1);
	assert_int_equal(got.n_fds, 8);
	assert_false(got.fds_lost);
	vhost_message_close_fds(&got);
	for (int i = 0; i < 8; i++)
		close(fds[i]);
}

static void test_surplus_fds_are_closed(void **state)
{
	struct pair *p = *state;
	struct small a = make_small(VHOST_USER_SET_VRING_KICK, 1);
	struct vhost_message got;
	struct error err;
	int fds[40];

	for (int i = 0; i < 40; i++)
		fds[i] = eventfd(0, 0);
	send_all(p->peer, &a, sizeof(a), fds, 40);
	assert_int_equal(vhost_channel_receive(&p->channel, &got, &err), 1);
	assert_int_equal(got.n_fds, 8);
	assert_true(got.fds_lost);
	vhost_message_close_fds(&got);
	/* the same in two halves of a header */
	send_all(p->peer, &a, 4, fds, 5);
	assert_int_equal(vhost_channel_receive(&p->channel, &got, &err), 0);
	send_all(p->peer, (char *)&a + 4, sizeof(a) - 4, fds, 5);
	assert_int_equal(vhost_channel_receive(&p->channel, &got, &err), 1);
	assert_int_equal(got.n_fds, 8);
	assert_true(got.fds_lost);
	vhost_message_close_fds(&got);
	for (int i = 0; i < 40; i++)
		close(fds[i]);
}

/* What takes others' time to close does not come in. */
static void test_strange_files(void **state)
{
	struct pair *p = *state;
	struct small a = make_small(VHOST_USER_SET_VRING_KICK, 1);
	int fds[2] = { eventfd(0, 0), open("/", O_RDONLY | O_DIRECTORY) };
	struct vhost_message got;
	struct error err;
	struct stat st;

	send_all(p->peer, &a, sizeof(a), fds, 2);
	close(fds[0]);
	close(fds[1]);
	assert_int_equal(vhost_channel_receive(&p->channel, &got, &err), 1);
	assert_int_equal(got.n_fds, 2);
	assert_int_equal(eventfd_write(got.fds[0], 1), 0);
	assert_int_equal(fstat(got.fds[1], &st), 0);
	assert_true(S_ISCHR(st.st_mode)); /* /dev/null */
	vhost_message_close_fds(&got);
	for (unsigned i = 0; i < 2000 && count_fds() > p->n_fds_before + 2; i++)
		poll(NULL, 0, 10); /* another thread closes it */
}

static void test_fds_in_payload(void **state)
{
	struct pair *p = *state;
	struct small a = make_small(VHOST_USER_SET_VRING_KICK, 1);
	struct vhost_message got;
	struct error err;
	int fd = eventfd(0, 0);

	send_all(p->peer, &a, 12, NULL, 0);
	send_all(p->peer, (char *)&a + 12, 8, &fd, 1);
	close(fd);
	assert_int_equal(vhost_channel_receive(&p->channel, &got, &err), -EPROTO);
	assert_non_null(strstr(err.text, "behind its header"));
}

static void test_bad_headers(void **state)
{
	struct pair *p = *state;
	struct vhost_message got;
	struct error err;
	struct vhost_user_header version = { 1, 2, 0 };
	int fd = eventfd(0, 0);

	send_all(p->peer, &version, sizeof(version), &fd, 1);
	assert_int_equal(vhost_channel_receive(&p->channel, &got, &err), -EPROTO);
	assert_string_equal(err.text, "message 1 has protocol version 2, not 1");
	close(fd);
}

static void test_payload_sizes(void **state)
{
	struct pair *p = *state;
	struct {
		struct vhost_user_header header;
		uint8_t bytes[VHOST_USER_PAYLOAD_MAX];
	} big = { .header = { 99, VHOST_USER_VERSION, VHOST_USER_PAYLOAD_MAX } };
	struct vhost_user_header empty = { 3, VHOST_USER_VERSION, 0 };
	struct vhost_message got;
	struct error err;

	memset(big.bytes, 0x5a, sizeof(big.bytes));
	assert_int_equal(write(p->peer, &big, sizeof(big)), sizeof(big));
	assert_int_equal(write(p->peer, &empty, sizeof(empty)), sizeof(empty));
	assert_int_equal(vhost_channel_receive(&p->channel, &got, &err), 1);
	assert_memory_equal(got.payload.bytes, big.bytes, sizeof(big.bytes));
	assert_int_equal(vhost_channel_receive(&p->channel, &got, &err), 1);
	assert_int_equal(got.header.request, 3);
	assert_int_equal(got.payload.bytes[0], 0); /* nothing left of the message before */
	assert_int_equal(got.payload.bytes[1000], 0);
	big.header.size++;
	assert_int_equal(write(p->peer, &big, sizeof(big)), sizeof(big));
	assert_int_equal(vhost_channel_receive(&p->channel, &got, &err), -EPROTO);
	assert_string_equal(err.text, "message 99 claims 1025 bytes of payload, at most 1024");
}

static void test_peer_closes(void **state)
{
	struct pair *p = *state;
	struct small a = make_small(VHOST_USER_SET_VRING_KICK, 1);
	struct vhost_message got;
	struct error err;
	int fd = eventfd(0, 0);

	send_all(p->peer, &a, sizeof(a), NULL, 0);
	send_all(p->peer, &a, 15, &fd, 1);
	close(fd);
	close(p->peer);
	p->peer = -1;
	assert_int_equal(vhost_channel_receive(&p->channel, &got, &err), 1);
	assert_int_equal(vhost_channel_receive(&p->channel, &got, &err), -ECONNRESET);
	assert_string_equal(err.text, "the peer closed within a message");
	assert_int_equal(vhost_channel_send(&p->channel, 1, 0, NULL, 0, NULL, 0), -ECONNRESET);
}

static void test_send(void **state)
{
	struct pair *p = *state;
	struct vhost_channel other;
	struct vhost_message got;
	struct error err;
	uint64_t value = 5;
	int fd = eventfd(0, 0);

	vhost_channel_init(&other, p->peer);
	p->peer = -1;
	assert_int_equal(vhost_channel_send(&p->channel, VHOST_USER_SET_STATUS,
					    VHOST_USER_FLAG_NEED_REPLY, &value, 8, &fd, 1),
			 0);
	close(fd);
	assert_false(vhost_channel_sending(&p->channel));
	assert_int_equal(vhost_channel_receive(&other, &got, &err), 1);
	assert_int_equal(got.header.request, VHOST_USER_SET_STATUS);
	assert_int_equal(got.header.flags, VHOST_USER_VERSION | VHOST_USER_FLAG_NEED_REPLY);
	assert_int_equal(got.payload.u64, 5);
	assert_int_equal(got.n_fds, 1);
	vhost_message_close_fds(&got);
	vhost_channel_close(&other);
}

/* A peer that does not read: messages wait, none is lost, torn or reordered, fds stay with theirs;
 * at last there are too many.
 */
static void test_slow_reader(void **state)
{
	struct pair *p = *state;
	struct vhost_channel other;
	struct vhost_message got;
	struct error err;
	uint8_t payload[VHOST_USER_PAYLOAD_MAX];
	uint32_t n_sent = 0, n_got = 0;
	int small = 4096, rc;
	int fd = eventfd(0, 0);

	memset(payload, 0xa5, sizeof(payload));
	assert_int_equal(setsockopt(p->channel.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)),
			 0);
	vhost_channel_init(&other, p->peer);
	p->peer = -1;
	while (!(rc = vhost_channel_send(&p->channel, n_sent, 0, payload, sizeof(payload), &fd,
					 n_sent % 3 == 0)))
		n_sent++;
	close(fd);
	assert_int_equal(rc, -ENOBUFS);
	assert_true(n_sent >= VHOST_CHANNEL_QUEUE_MAX);
	assert_true(n_sent < VHOST_CHANNEL_QUEUE_MAX + 100);
	while (n_got < n_sent) {
		rc = vhost_channel_receive(&other, &got, &err);
		assert_true(rc >= 0);
		if (rc == 0) {
			assert_true(vhost_channel_sending(&p->channel));
			assert_int_equal(vhost_channel_flush(&p->channel), 0);
			continue;
		}
		assert_int_equal(got.header.request, n_got);
		assert_memory_equal(got.payload.bytes, payload, sizeof(payload));
		assert_int_equal(got.n_fds, n_got % 3 == 0);
		vhost_message_close_fds(&got);
		n_got++;
	}
	assert_false(vhost_channel_sending(&p->channel));
	vhost_channel_close(&other);
}

/* Closing frees what waits, fds included (teardown counts them). */
static void test_close_with_queue(void **state)
{
	struct pair *p = *state;
	uint8_t payload[VHOST_USER_PAYLOAD_MAX] = { 0 };
	struct vhost_user_header half = { 1, VHOST_USER_VERSION, 8 };
	struct vhost_message got;
	struct error err;
	int fds[2] = { eventfd(0, 0), eventfd(0, 0) };

	while (!vhost_channel_send(&p->channel, 1, 0, payload, sizeof(payload), fds, 2))
		;
	send_all(p->peer, &half, sizeof(half), fds, 2);
	assert_int_equal(vhost_channel_receive(&p->channel, &got, &err), 0);
	close(fds[0]);
	close(fds[1]);
	assert_true(vhost_channel_sending(&p->channel));
}

/* What was received stays in the socket, with its fds, for another channel; consume() goes on where
 * a process has died. */
static void test_stays(void **state)
{
	struct pair *p = *state;
	struct small a = make_small(VHOST_USER_SET_VRING_KICK, 1);
	struct small b = make_small(VHOST_USER_SET_VRING_CALL, 2);
	struct vhost_message got;
	struct vhost_channel other;
	struct error err;
	int fd = eventfd(0, EFD_CLOEXEC), left;
	socklen_t len = sizeof(left);
	char byte;

	assert_int_equal(vhost_channel_let_stay(&p->channel), 0);
	for (size_t i = 0; i < sizeof(a); i++) {
		assert_int_equal(vhost_channel_receive(&p->channel, &got, &err), 0);
		send_all(p->peer, (char *)&a + i, 1, &fd, i == 0);
	}
	send_all(p->peer, &b, sizeof(b), &fd, 1);
	close(fd);
	for (int round = 0; round < 2; round++) {
		/* another process looks from the beginning */
		assert_int_equal(vhost_channel_receive(&p->channel, &got, &err), 1);
		assert_int_equal(got.header.request, VHOST_USER_SET_VRING_KICK);
		assert_int_equal(got.n_fds, 1);
		assert_false(got.fds_lost);
		vhost_message_close_fds(&got);
		vhost_channel_init(&other, dup(p->channel.fd));
		vhost_channel_close(&p->channel);
		p->channel = other;
		p->channel.out_end = &p->channel.out;
		if (!round)
			assert_int_equal(vhost_channel_let_stay(&p->channel), 0);
	}
	/* one dies while it takes it out */
	assert_int_equal(recv(p->channel.fd, &byte, 1, 0), 1);
	assert_int_equal(getsockopt(p->channel.fd, SOL_SOCKET, SO_PEEK_OFF, &left, &len), 0);
	assert_int_equal(left, sizeof(a) - 1);
	assert_int_equal(vhost_channel_consume(&p->channel), 0);
	assert_int_equal(vhost_channel_consume(&p->channel), 0);
	assert_int_equal(vhost_channel_let_stay(&p->channel), 0);
	assert_int_equal(vhost_channel_receive(&p->channel, &got, &err), 1);
	assert_int_equal(got.header.request, VHOST_USER_SET_VRING_CALL);
	assert_int_equal(got.payload.u64, 2);
	assert_int_equal(got.n_fds, 1);
	assert_false(got.fds_lost);
	vhost_message_close_fds(&got);
	assert_int_equal(vhost_channel_consume(&p->channel), 0);
	close(p->peer);
	p->peer = -1;
	assert_int_equal(vhost_channel_receive(&p->channel, &got, &err), -ECONNRESET);
}

/* A process that is nearly full of files keeps the last numbers for itself: what would take them is
 * closed, and the message says that something is missing. The last test: the limit stays. */
static void test_full_process(void **state)
{
	struct small m = make_small(VHOST_USER_SET_VRING_CALL, 1);
	struct rlimit few = { 64, 64 };
	struct pair *p = *state;
	struct vhost_message got;
	struct error err;
	int hold[64], fds[4];
	unsigned n = 0;

	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	files_raise_limit(); /* a quarter of so few is kept back */
	for (unsigned i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = eventfd(0, EFD_CLOEXEC);
	do {
		hold[n] = eventfd(0, EFD_CLOEXEC);
		assert_true(hold[n] >= 0);
	} while (hold[n++] < 45);
	for (unsigned stays = 0; stays < 2; stays++) {
		if (stays)
			assert_int_equal(vhost_channel_let_stay(&p->channel), 0);
		send_all(p->peer, &m, sizeof(m), fds, ARRAY_SIZE(fds));
		assert_int_equal(vhost_channel_receive(&p->channel, &got, &err), 1);
		assert_true(got.fds_lost);
		assert_int_equal(got.n_fds, 2);
		assert_int_equal(got.fds[1], 47);
		assert_int_equal(fcntl(48, F_GETFD), -1);
		vhost_message_close_fds(&got);
		if (stays)
			assert_int_equal(vhost_channel_consume(&p->channel), 0);
	}
	while (n)
		close(hold[--n]);
	send_all(p->peer, &m, sizeof(m), fds, ARRAY_SIZE(fds));
	assert_int_equal(vhost_channel_receive(&p->channel, &got, &err), 1);
	assert_false(got.fds_lost);
	assert_int_equal(got.n_fds, 4);
	vhost_message_close_fds(&got);
	for (unsigned i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_byte_by_byte),
		T(test_back_to_back_with_fds),
		T(test_fds_on_first_byte),
		T(test_surplus_fds_are_closed),
		T(test_strange_files),
		T(test_fds_in_payload),
		T(test_bad_headers),
		T(test_payload_sizes),
		T(test_peer_closes),
		T(test_send),
		T(test_slow_reader),
		T(test_close_with_queue),
		T(test_stays),
		T(test_full_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
