// SPDX-License-Identifier: Apache-2.0
/* A guest goes from one switch to another, and with it what the first one knew of its port:
 *
 *	guest --- "vm" |            | "vm" --- guest, later
 *	               | from    to |
 *	 peer --- "p"  |            | "p" --- peer
 *	                            | "q" --- other, who must not get what is the guest's
 *
 * States that are wrong, and processes that die in the middle.
 */
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "guest/daemon.h"
#include "guest/guest.h"

#define FEATURES (1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_NET_F_MRG_RXBUF)
#define WAIT_MS 20000
#define LEN 60
#define N_FRAMES 50
enum { VM = 1, VM_TOO = 2, PEER = 9 }; /* last bytes of addresses */

struct world {
	struct daemon from, to;
	struct guest guest, moved, peer, peer_there, other;
	uint8_t *state;
	size_t n;
};

static void connect_guest(struct daemon *daemon, struct guest *guest, const char *name, bool waits)
{
	char path[128];
	const struct guest_config config = {
		.path = path, .features = FEATURES, .required = FEATURES, .waits = waits
	};
	struct error err;

	snprintf(path, sizeof(path), "%s/%s.sock", daemon->dir, name);
	if (guest_open(guest, &config, &err) != 0)
		fail_msg("%s: %s", name, err.text);
	if (guest_wait(guest, WAIT_MS) != 0)
		fail_msg("%s does not get ready: %s", name, guest->why);
}

static void start_daemon(struct daemon *daemon, const char *const *ports, const char *options)
{
	daemon_start(daemon, 1);
	for (; *ports; ports++)
		daemon_vireo(daemon, "port add %s type vhost-user path %s/%s.sock %s", *ports,
			     daemon->dir, *ports, options);
}

static int setup(void **state)
{
	static const char *const here[] = { "vm", "p", NULL }, *const there[] = { "vm", "p", "q",
										  NULL };
	static struct world world;
	struct world *w = &world;

	memset(w, 0, sizeof(*w));
	*state = w;
	signal(SIGPIPE, SIG_IGN);
	start_daemon(&w->from, here, "tag 10");
	start_daemon(&w->to, there, "tag 20");
	connect_guest(&w->from, &w->guest, "vm", false);
	connect_guest(&w->from, &w->peer, "p", false);
	connect_guest(&w->to, &w->peer_there, "p", false);
	connect_guest(&w->to, &w->other, "q", false);
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;
	struct guest *guests[] = { &w->guest, &w->moved, &w->peer, &w->peer_there, &w->other };

	for (unsigned i = 0; i < sizeof(guests) / sizeof(guests[0]); i++)
		if (guests[i]->base)
			guest_close(guests[i]);
	free(w->state);
	daemon_stop(&w->from);
	daemon_stop(&w->to);
	return 0;
}

/* ---- traffic */

static void send_frame(struct guest *guest, uint8_t to, uint8_t from, uint8_t number)
{
	uint64_t end = clock_ns() + WAIT_MS * NSEC_PER_MSEC;
	uint8_t frame[LEN] = { 0 };
	unsigned at = guest_ethernet(frame, to, from);

	frame[at] = number;
	while (!guest_send(guest, frame, sizeof(frame))) {
		assert_true(clock_ns() < end);
		usleep(100);
	}
}

/* The number of the next frame; -1: none is there. */
static int receive(struct guest *guest)
{
	uint8_t frame[GUEST_FRAME_MAX];

	return guest_receive(guest, frame) ? frame[14] : -1;
}

static int await_frame(struct guest *guest)
{
	uint64_t end = clock_ns() + WAIT_MS * NSEC_PER_MSEC;
	int number;

	while ((number = receive(guest)) < 0) {
		assert_true(clock_ns() < end);
		usleep(100);
	}
	return number;
}

static void await_counter(const struct daemon *daemon, const char *name, uint64_t value)
{
	for (unsigned tries = 0; daemon_counter(daemon, "vm", name) != value; tries++) {
		if (tries > 500)
			fail_msg("%s is %llu, not %llu", name,
				 (unsigned long long)daemon_counter(daemon, "vm", name),
				 (unsigned long long)value);
		usleep(10000);
	}
}

/* The guest and its peer talk; then its rings stop, and w->state is what is saved. */
static void live_and_save(struct world *w)
{
	send_frame(&w->guest, 0xff, VM_TOO, 0);
	for (unsigned i = 1; i < N_FRAMES; i++)
		send_frame(&w->guest, 0xff, VM, (uint8_t)i);
	for (unsigned i = 0; i < N_FRAMES; i++)
		assert_int_equal(await_frame(&w->peer), i);
	send_frame(&w->peer, VM, PEER, 77);
	assert_int_equal(await_frame(&w->guest), 77);
	await_counter(&w->from, "rx_packets", N_FRAMES);
	assert_int_equal(guest_stop(&w->guest, WAIT_MS), 0);
	assert_int_equal(guest_save(&w->guest), 0);
	if (guest_state(&w->guest, WAIT_MS) != 0)
		fail_msg("saving: %s", w->guest.why);
	w->n = w->guest.n_saved;
	w->state = malloc(w->n);
	memcpy(w->state, w->guest.saved, w->n);
}

static int load(struct world *w, const uint8_t *bytes, size_t n)
{
	assert_int_equal(guest_load(&w->moved, bytes, n), 0);
	return guest_state(&w->moved, WAIT_MS);
}

/* The peer there sends something to the guest, which may not run: nobody else may get it. */
static void expect_unicast(struct world *w, uint8_t to, bool known)
{
	send_frame(&w->peer_there, to, PEER, 88);
	send_frame(&w->peer_there, 0xff, PEER, 99); /* behind it, everybody gets this */
	assert_int_equal(await_frame(&w->other), known ? 99 : 88);
	if (!known)
		assert_int_equal(await_frame(&w->other), 99);
}

/* ---- tests */

static void test_goes_on(void **state)
{
	struct world *w = *state;

	live_and_save(w);
	guest_close(&w->guest);
	connect_guest(&w->to, &w->moved, "vm", true);
	expect_unicast(w, VM, false);
	if (load(w, w->state, w->n) != 0)
		fail_msg("loading: %s", w->moved.why);
	assert_int_equal(daemon_counter(&w->to, "vm", "rx_packets"), N_FRAMES);
	assert_int_equal(daemon_counter(&w->to, "vm", "tx_packets"), 1);
	expect_unicast(w, VM, true);
	expect_unicast(w, VM_TOO, true);
	assert_int_equal(guest_start(&w->moved), 0);
	assert_int_equal(guest_wait(&w->moved, WAIT_MS), 0);
	expect_unicast(w, VM, true);
	assert_int_equal(await_frame(&w->moved), 88);
	assert_int_equal(await_frame(&w->moved), 99);
	await_counter(&w->to, "tx_packets", 3);
	send_frame(&w->moved, PEER, VM, 33);
	assert_int_equal(await_frame(&w->peer_there), 33);
	await_counter(&w->to, "rx_packets", N_FRAMES + 1);
}

/* What came outlives the switch process. */
static void test_outlives_a_crash(void **state)
{
	struct world *w = *state;

	live_and_save(w);
	connect_guest(&w->to, &w->moved, "vm", true);
	assert_int_equal(load(w, w->state, w->n), 0);
	kill(w->to.switch_pid, SIGKILL);
	daemon_find_switch(&w->to);
	assert_int_equal(daemon_counter(&w->to, "vm", "rx_packets"), N_FRAMES);
	expect_unicast(w, VM, true);
}

static void test_wrong_states(void **state)
{
	struct world *w = *state;
	unsigned fds;

	live_and_save(w);
	connect_guest(&w->to, &w->moved, "vm", true);
	assert_int_equal(load(w, w->state, 0), -EIO);
	fds = daemon_fds(&w->to);
	for (size_t n = 1; n < w->n; n += 1 + w->n / scaled(30))
		assert_int_equal(load(w, w->state, n), -EIO);
	w->state[8]++; /* another major version */
	assert_int_equal(load(w, w->state, w->n), -EIO);
	w->state[8]--;
	w->state = realloc(w->state, 3 << 20); /* longer than it says, and than anybody reads */
	memset(w->state + w->n, 0, (3 << 20) - w->n);
	assert_int_equal(load(w, w->state, w->n + 1), -EIO);
	assert_true(load(w, w->state, 3 << 20) < 0);
	expect_unicast(w, VM, false);
	assert_int_equal(daemon_counter(&w->to, "vm", "rx_packets"), 0);
	assert_int_equal(load(w, w->state, w->n), 0);
	assert_int_equal(w->moved.n_downs, 0);
	assert_true(daemon_fds(&w->to) <= fds);
	daemon_check_alive(&w->to);
}

/* The front-end goes in the middle, again and again; the port is there for the next one. */
static void test_front_end_dies(void **state)
{
	struct world *w = *state;
	unsigned fds = 0;

	live_and_save(w);
	w->state = realloc(w->state, 1 << 20);
	for (unsigned i = 0; i < scaled(20); i++) {
		connect_guest(&w->to, &w->moved, "vm", true);
		if (i % 2)
			assert_int_equal(guest_load(&w->moved, w->state, 1 << 20), 0);
		else
			assert_int_equal(guest_save(&w->moved), 0);
		for (unsigned turn = 0; turn < i % 7; turn++)
			guest_turn(&w->moved);
		guest_close(&w->moved);
		if (i == 4)
			fds = daemon_fds(&w->to) + 8; /* what one connection has, at most */
		if (i > 4)
			assert_true(daemon_fds(&w->to) <= fds);
	}
	connect_guest(&w->to, &w->moved, "vm", true);
	assert_int_equal(load(w, w->state, w->n), 0);
	daemon_check_alive(&w->to);
}

/* The switch is killed in the middle: the front-end gets an answer, and can try again. */
static void test_switch_is_killed(void **state)
{
	struct world *w = *state;
	unsigned n_failed = 0;

	live_and_save(w);
	connect_guest(&w->to, &w->moved, "vm", true);
	for (unsigned i = 0; i < scaled(8); i++) {
		int rc;

		if (i % 2)
			assert_int_equal(guest_save(&w->moved), 0);
		else
			assert_int_equal(guest_load(&w->moved, w->state, w->n), 0);
		for (unsigned turn = 0; turn < i % 6; turn++)
			guest_turn(&w->moved);
		usleep(i * 50);
		kill(w->to.switch_pid, SIGKILL);
		rc = guest_state(&w->moved, WAIT_MS);
		if (rc != 0 && rc != -EIO && rc != -EPIPE)
			fail_msg("%d: %s", rc, w->moved.why);
		n_failed += rc != 0;
		daemon_find_switch(&w->to);
	}
	assert_int_equal(w->moved.n_downs, 0); /* it stayed connected */
	assert_int_equal(load(w, w->state, w->n), 0);
	assert_int_equal(daemon_counter(&w->to, "vm", "rx_packets"), N_FRAMES);
	expect_unicast(w, VM, true);
	printf("%u transfers of %u were cut off\n", n_failed, scaled(8));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_goes_on),	   TEST(test_outlives_a_crash), TEST(test_wrong_states),
		TEST(test_front_end_dies), TEST(test_switch_is_killed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
