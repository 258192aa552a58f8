// SPDX-License-Identifier: Apache-2.0
/* Bytes through a pipe: more than it holds, a peer that stops, closes early, or says too much. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <signal.h>

#include "base/clock.h"
#include "fds.h"
#include "vhost/fd_kind.h"
#include "vhost/transfer.h"

#define LEN 300000u
#define MAX 400000u

struct world {
	struct event_base *base;
	struct vhost_transfer *transfer;
	struct vhost_transfer_owner owner;
	int peer; /* our end of the pipe; -1: closed */
	unsigned n_over;
	int rc;
	char why[64];
	unsigned n_fds;
};

static void over(void *owner, int rc, const char *why)
{
	struct world *w = owner;

	w->n_over++;
	w->rc = rc;
	strncpy(w->why, why, sizeof(w->why) - 1);
}

static int setup(void **state)
{
	static struct world w;

	memset(&w, 0, sizeof(w));
	w.n_fds = count_fds();
	w.base = event_base_new();
	w.owner = (struct vhost_transfer_owner){ over, &w };
	w.peer = -1;
	signal(SIGPIPE, SIG_IGN);
	*state = &w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	vhost_transfer_destroy(w->transfer);
	event_base_free(w->base);
	if (w->peer >= 0)
		close(w->peer);
	assert_int_equal(count_fds(), w->n_fds);
	return 0;
}

static uint8_t byte_at(size_t i)
{
	return (uint8_t)(i * 7 + i / 251);
}

static void begin_write(struct world *w, size_t n)
{
	uint8_t *bytes = malloc(n + 1);
	struct error err;
	int ends[2];

	for (size_t i = 0; i < n; i++)
		bytes[i] = byte_at(i);
	assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
	w->peer = ends[0];
	assert_int_equal(
		vhost_transfer_write(&w->transfer, ends[1], bytes, n, w->base, &w->owner, &err), 0);
}

static void begin_read(struct world *w, size_t max)
{
	struct error err;
	int ends[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
	w->peer = ends[1];
	assert_int_equal(vhost_transfer_read(&w->transfer, ends[0], max, w->base, &w->owner, &err),
			 0);
}

static void run(struct world *w)
{
	for (unsigned i = 0; i < 5; i++)
		event_base_loop(w->base, EVLOOP_NONBLOCK);
}

static void close_peer(struct world *w)
{
	close(w->peer);
	w->peer = -1;
}

/* The peer writes @n more bytes, while the transfer reads. */
static void feed(struct world *w, size_t *at, size_t n)
{
	uint8_t bytes[5000];

	while (n) {
		size_t len = n < sizeof(bytes) ? n : sizeof(bytes);
		ssize_t done;

		for (size_t i = 0; i < len; i++)
			bytes[i] = byte_at(*at + i);
		done = write(w->peer, bytes, len);
		run(w);
		if (done < 0 && errno == EPIPE)
			return;
		if (done > 0) {
			*at += (size_t)done;
			n -= (size_t)done;
		}
	}
}

static void test_write(void **state)
{
	struct world *w = *state;
	uint8_t bytes[4096];
	size_t at = 0;

	begin_write(w, LEN);
	assert_int_equal(read(w->peer, bytes, 1), -1); /* not from inside the call */
	for (unsigned turn = 0; turn < 10000 && at < LEN; turn++) {
		ssize_t n;

		run(w);
		n = read(w->peer, bytes, sizeof(bytes));
		for (ssize_t i = 0; i < n; i++)
			assert_int_equal(bytes[i], byte_at(at++));
	}
	assert_int_equal(at, LEN);
	run(w);
	assert_int_equal(read(w->peer, bytes, 1), 0); /* the end */
	assert_int_equal(w->n_over, 1);
	assert_int_equal(w->rc, 0);
}

static void test_read(void **state)
{
	struct world *w = *state;
	const uint8_t *bytes;
	size_t at = 0, n;

	begin_read(w, MAX);
	feed(w, &at, LEN);
	assert_int_equal(w->n_over, 0);
	close_peer(w);
	run(w);
	assert_int_equal(w->n_over, 1);
	assert_int_equal(w->rc, 0);
	bytes = vhost_transfer_bytes(w->transfer, &n);
	assert_int_equal(n, LEN);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(bytes[i], byte_at(i));
}

static void test_read_nothing(void **state)
{
	struct world *w = *state;
	size_t n;

	begin_read(w, MAX);
	close_peer(w);
	run(w);
	assert_int_equal(w->n_over, 1);
	assert_int_equal(w->rc, 0);
	vhost_transfer_bytes(w->transfer, &n);
	assert_int_equal(n, 0);
}

/* Just so much, and a byte more. */
static void test_read_too_much(void **state)
{
	struct world *w = *state;
	size_t at = 0;

	begin_read(w, LEN);
	feed(w, &at, LEN);
	assert_int_equal(w->n_over, 0);
	feed(w, &at, 100000);
	assert_int_equal(w->n_over, 1);
	assert_int_equal(w->rc, -EFBIG);
	assert_int_equal(write(w->peer, "", 1), -1); /* the other end is closed */
}

static void test_reader_goes(void **state)
{
	struct world *w = *state;

	begin_write(w, LEN);
	run(w);
	assert_int_equal(w->n_over, 0);
	close_peer(w);
	run(w);
	assert_int_equal(w->n_over, 1);
	assert_int_equal(w->rc, -EPIPE);
}

/* Who waits for the end does so for a short time. */
static void expect_timeout(struct world *w, const char *why)
{
	uint64_t begin = clock_ns();

	run(w);
	vhost_transfer_hurry(w->transfer);
	while (!w->n_over && clock_ns() - begin < 60 * NSEC_PER_SEC)
		event_base_loop(w->base, EVLOOP_ONCE);
	assert_int_equal(w->rc, -ETIMEDOUT);
	assert_string_equal(w->why, why);
	assert_in_range(clock_ns() - begin, NSEC_PER_SEC / 20, 20 * NSEC_PER_SEC);
}

static void test_peer_does_not_read(void **state)
{
	begin_write(*state, LEN);
	expect_timeout(*state, "the other side does not read");
}

static void test_peer_does_not_close(void **state)
{
	size_t at = 0;

	begin_read(*state, LEN);
	feed(*state, &at, 10);
	expect_timeout(*state, "the other side neither writes nor closes");
}

static void test_given_up(void **state)
{
	struct world *w = *state;

	begin_write(w, LEN);
	run(w);
	vhost_transfer_destroy(w->transfer);
	w->transfer = NULL;
	run(w);
	assert_int_equal(w->n_over, 0);
	vhost_transfer_destroy(NULL);
}

/* An end that is opened anew does not wait, whatever becomes of the one that was given. */
static void test_kinds(void **state)
{
	int ends[2], pair[2], own, event = eventfd(0, EFD_CLOEXEC);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	uint8_t byte;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(vhost_fd_kind(ends[0]), VHOST_FD_PIPE);
	assert_int_equal(vhost_fd_kind(event), VHOST_FD_EVENTFD);
	assert_int_equal(vhost_fd_kind(pair[0]), VHOST_FD_OTHER);
	assert_int_equal(vhost_fd_kind(null), VHOST_FD_OTHER);
	assert_int_equal(vhost_fd_kind(-1), VHOST_FD_OTHER);
	assert_int_equal(vhost_pipe_open(ends[0], O_WRONLY), -EBADF);
	assert_int_equal(vhost_pipe_open(ends[1], O_RDONLY), -EBADF);
	own = vhost_pipe_open(ends[0], O_RDONLY);
	assert_true(own >= 0);
	assert_int_equal(read(own, &byte, 1), -1);
	assert_int_equal(errno, EAGAIN);
	close(own);
	own = vhost_pipe_open(ends[1], O_WRONLY);
	assert_true(own >= 0);
	while (write(own, "x", 1) == 1)
		;
	assert_int_equal(errno, EAGAIN);
	for (unsigned i = 0; i < 2; i++) {
		close(ends[i]);
		close(pair[i]);
	}
	close(own);
	close(event);
	close(null);
}

#define WORLD_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(test_write),
		WORLD_TEST(test_read),
		WORLD_TEST(test_read_nothing),
		WORLD_TEST(test_read_too_much),
		WORLD_TEST(test_reader_goes),
		WORLD_TEST(test_peer_does_not_read),
		WORLD_TEST(test_peer_does_not_close),
		WORLD_TEST(test_given_up),
		WORLD_TEST(test_kinds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
