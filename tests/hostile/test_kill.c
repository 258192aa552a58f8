// SPDX-License-Identifier: Apache-2.0
/* Front-ends that are killed at any moment, in the middle of traffic or of saying hello. The port
 * takes the next one, and nobody else loses a frame.
 */
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "hostile/world.h"

#define FEATURES                                                       \
	(1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_NET_F_MRG_RXBUF | \
	 1ull << VIRTIO_RING_F_EVENT_IDX | 1ull << VIRTIO_RING_F_INDIRECT_DESC)

/* The life of a front-end: connects and sends to the peer all the time. Says when it is ready. */
static void live(const char *path, int ready_fd)
{
	struct guest_config config = { .path = path, .features = FEATURES };
	uint8_t frame[GUEST_FRAME_MAX] = { 0 };
	struct guest guest;
	struct error err;

	if (guest_open(&guest, &config, &err) != 0 || guest_wait(&guest, 10000) != 0 ||
	    write(ready_fd, "r", 1) != 1)
		_exit(1);
	for (uint32_t n = 0;; n++) {
		guest_ethernet(frame, PEER_MAC, EVIL_MAC);
		guest_send(&guest, frame, 60 + n % 1400);
		guest_receive(&guest, frame);
		if (n % 32 == 0)
			guest_turn(&guest);
	}
}

static pid_t spawn(struct world *w, int ready_fd)
{
	pid_t parent = getpid(), pid = fork();

	assert_int_not_equal(pid, -1);
	if (pid > 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	live(w->path, ready_fd);
	_exit(1);
}

/* Waits until the front-end says that it is ready. */
static void await_ready(struct world *w, int fd, unsigned round)
{
	char word;

	if (read(fd, &word, 1) == 1)
		return;
	daemon_check_alive(&w->daemon);
	fail_msg("front-end %u could not connect", round);
}

static void kill_one(struct world *w, unsigned round)
{
	unsigned got = 0, us = (unsigned)random() % 5000;
	int fds[2], status;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = spawn(w, fds[1]);
	close(fds[1]);
	if (round % 4 != 0) { /* one in four dies while it says hello */
		uint64_t end = clock_ns() + 10 * NSEC_PER_SEC;

		await_ready(w, fds[0], round);
		while (got == 0 && clock_ns() < end)
			got += world_peer_turn(w, 1);
		assert_true(got > 0); /* there was traffic */
	}
	usleep(us);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	close(fds[0]);
}

static void test_kill(void **state)
{
	unsigned n_rounds = scaled_to(200, 10000);
	struct world *w = *state;

	srandom(5);
	for (unsigned n = 0; n < n_rounds; n++) {
		kill_one(w, n);
		world_peer_turn(w, 8);
		world_check(w);
		if (n == n_rounds / 4) { /* what waits for the port has been all over its inbox */
			world_expect_service(w, "killed front-ends");
			world_baseline(w);
		}
	}
	world_expect_service(w, "killed front-ends");
	if (w->fds != 0)
		world_check_growth(w);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		WORLD_TEST(test_kill),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
