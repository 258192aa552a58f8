// SPDX-License-Identifier: Apache-2.0
/* The life of a vhost-user device: connections that come and go, workers that must let go first. */
#include <sys/resource.h>
#include <time.h>

#include "base/clock.h"
#include "scale.h"
#include "vhost_peer.h"

static const struct vhost_device_state *st(struct rig *rig)
{
	return vhost_device_state(rig->device);
}

/* Runs the loop, timers too, for so long. */
static void run_for(struct rig *rig, unsigned ms)
{
	uint64_t end = clock_ns() + ms * NSEC_PER_MSEC;

	while (clock_ns() < end) {
		rig_run(rig);
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	}
}

static void set_up(struct rig *rig)
{
	negotiate(rig);
	send_memory(rig);
	for (unsigned i = 0; i < 2; i++) {
		send_ring(rig, i);
		close(send_eventfd(rig, VHOST_USER_SET_VRING_CALL, i));
		close(send_eventfd(rig, VHOST_USER_SET_VRING_ERR, i));
		send_state(rig, VHOST_USER_SET_VRING_ENABLE, i, 1);
	}
	rig_run(rig);
	assert_true(vring(rig, 0)->live && vring(rig, 1)->live);
	rig->n_quiesce = rig->n_changed = 0;
}

/* A message that workers must let go for waits, and what follows it waits behind it. */
static void test_message_is_held(void **state)
{
	struct rig *rig = *state;
	struct vhost_user_vring_state base = { 0, 0 };
	union vhost_user_payload answer;

	set_up(rig);
	rig->hold = true;
	send_message(rig, VHOST_USER_GET_VRING_BASE, 0, &base, sizeof(base), NULL, 0);
	send_message(rig, VHOST_USER_GET_FEATURES, 0, NULL, 0, NULL, 0);
	assert_int_equal(receive(rig, 0, &answer), -1);
	assert_int_equal(rig->n_quiesce, 1);
	assert_int_equal(rig->n_changed, 0);
	assert_true(vring(rig, 0)->live); /* untouched */
	assert_non_null(vring(rig, 0)->ring.ops);
	rig_quiesced(rig);
	assert_false(vring(rig, 0)->live);
	assert_true(vring(rig, 1)->live);
	assert_int_equal(rig->n_changed, 1);
	assert_int_equal(receive(rig, VHOST_USER_GET_VRING_BASE, &answer), 8);
	assert_int_equal(receive(rig, VHOST_USER_GET_FEATURES, &answer), 8);
	assert_int_equal(rig->n_changed, 1);
	vhost_device_quiesced(rig->device); /* nobody asked: nothing happens */
	assert_true(alive(rig));
}

/* One that fails lets workers go on. */
static void test_held_message_fails(void **state)
{
	struct rig *rig = *state;

	set_up(rig);
	assert_int_equal(ask_state(rig, VHOST_USER_SET_VRING_NUM, 0, 0), 1);
	assert_int_equal(rig->n_quiesce, 1);
	assert_int_equal(rig->n_changed, 1);
	assert_true(vring(rig, 0)->live);
	rig->hold = true;
	send_state(rig, VHOST_USER_SET_VRING_NUM, 0, 0);
	rig_run(rig);
	assert_int_equal(rig->n_changed, 1);
	rig_quiesced(rig); /* and closes: the reset needs no second asking */
	assert_int_equal(rig->n_quiesce, 2);
	assert_int_equal(rig->n_changed, 2);
	assert_false(vring(rig, 0)->live);
	assert_refused(rig, "VHOST_USER_SET_VRING_NUM: ring size 0");
}

/* The reset after a disconnect waits for the workers; the next front-end waits in the backlog. */
static void test_disconnect_with_live_rings(void **state)
{
	struct rig *rig = *state;

	set_up(rig);
	rig->hold = true;
	rig_disconnect(rig);
	assert_int_equal(rig->n_quiesce, 1);
	assert_false(st(rig)->connected);
	assert_true(vring(rig, 0)->live);
	assert_int_equal(st(rig)->mem->n_ranges, 1);
	rig->peer = connect_to(rig->path);
	rig_run(rig);
	assert_false(st(rig)->connected);
	assert_int_equal(rig->n_changed, 0);
	rig_quiesced(rig);
	assert_int_equal(rig->n_changed, 1);
	assert_false(vring(rig, 0)->live || vring(rig, 0)->started || vring(rig, 0)->enabled);
	assert_int_equal(vring(rig, 0)->call_fd, -1);
	assert_int_equal(vring(rig, 0)->err_fd, -1);
	assert_int_equal(st(rig)->mem->n_ranges, 0);
	assert_int_equal(st(rig)->features, 0);
	assert_int_equal(st(rig)->protocol_features, 0);
	assert_int_equal(st(rig)->n_vrings_used, 0);
	rig_run(rig);
	assert_true(st(rig)->connected);
	rig->hold = false;
	set_up(rig);
	assert_int_equal(st(rig)->n_connects, 2);
	assert_string_equal(st(rig)->last_error, ""); /* they closed, not we */
}

static void test_disconnect_while_held(void **state)
{
	struct rig *rig = *state;

	set_up(rig);
	rig->hold = true;
	send_state(rig, VHOST_USER_SET_VRING_ENABLE, 0, 0);
	rig_run(rig);
	assert_true(rig->asked);
	rig_disconnect(rig);
	rig->hold = false;
	rig_run(rig);
	assert_false(st(rig)->connected);
	assert_false(vring(rig, 0)->live);
	rig_connect(rig);
	set_up(rig);
}

/* The old front-end has died and a new one comes before we have seen it. */
static void test_new_one_at_once(void **state)
{
	struct rig *rig = *state;
	int old = rig->peer;

	set_up(rig);
	rig->peer = connect_to(rig->path);
	close(old);
	rig_run(rig);
	assert_int_equal(st(rig)->n_connects, 2);
	assert_true(alive(rig));
	/* also while a message is held */
	set_up(rig);
	rig->hold = true;
	send_state(rig, VHOST_USER_SET_VRING_ENABLE, 0, 0);
	rig_run(rig);
	old = rig->peer;
	rig->peer = connect_to(rig->path);
	close(old);
	rig_run(rig);
	rig->hold = false;
	rig_run(rig);
	assert_int_equal(st(rig)->n_connects, 3);
	assert_true(alive(rig));
}

static void test_second_front_end(void **state)
{
	struct rig *rig = *state;
	char byte;
	int other;

	set_up(rig);
	for (int i = 0; i < 20; i++) {
		other = connect_to(rig->path);
		rig_run(rig);
		assert_int_equal(recv(other, &byte, 1, MSG_DONTWAIT), 0);
		close(other);
	}
	assert_true(alive(rig));
	assert_true(vring(rig, 0)->live);
	assert_int_equal(st(rig)->n_connects, 1);
	assert_int_equal(st(rig)->peer_pid, getpid());
}

static void test_reconnect(void **state)
{
	struct rig *rig = *state;
	unsigned n = scaled(100), before = 0;

	for (unsigned i = 0; i < n; i++) {
		set_up(rig);
		rig_disconnect(rig);
		assert_int_equal(rig->n_quiesce, 1);
		if (i == 0)
			before = count_fds();
		assert_int_equal(count_fds(), before);
		rig_connect(rig);
	}
	assert_int_equal(st(rig)->n_connects, n + 1);
}

/* One that asks and asks and does not read the answers: it is not heard until it does, and its end
 * is seen all the same. */
static void test_does_not_read(void **state)
{
	struct rig *rig = *state;
	struct vhost_user_header get = { VHOST_USER_GET_FEATURES, VHOST_USER_VERSION, 0 };
	unsigned n_full = 0;

	set_up(rig);
	while (n_full < 100) {
		if (send(rig->peer, &get, sizeof(get), MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
			assert_int_equal(errno, EAGAIN);
			n_full++;
		}
		rig_run(rig);
	}
	assert_true(st(rig)->connected);
	rig_disconnect(rig);
	assert_false(st(rig)->connected);
}

/* A slow one gets all answers in the end. */
static void test_reads_slowly(void **state)
{
	struct rig *rig = *state;
	union vhost_user_payload answer;
	int small = 1, n = 0;

	assert_int_equal(setsockopt(rig->peer, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < 50; i++)
			send_message(rig, VHOST_USER_GET_FEATURES, 0, NULL, 0, NULL, 0);
		while (receive(rig, VHOST_USER_GET_FEATURES, &answer) == 8)
			n++;
	}
	assert_int_equal(n, 1000);
}

/* No front-end keeps the control thread for itself. */
static void test_bounded_turn(void **state)
{
	struct rig *rig = *state;
	char answers[4096];
	ssize_t n;

	for (int i = 0; i < 100; i++)
		send_message(rig, VHOST_USER_GET_FEATURES, 0, NULL, 0, NULL, 0);
	event_base_loop(rig->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
	n = recv(rig->peer, answers, sizeof(answers), MSG_DONTWAIT);
	assert_int_equal(n, 32 * 20);
	rig_run(rig);
	n = recv(rig->peer, answers, sizeof(answers), MSG_DONTWAIT);
	assert_int_equal(n, 68 * 20);
}

static void test_destroy_in_any_state(void **state)
{
	struct rig *rig = *state;

	for (int what = 0; what < 4; what++) {
		rig->hold = false;
		set_up(rig);
		rig->hold = true;
		if (what == 0) { /* a message is held, with fds */
			int fd = eventfd(0, EFD_CLOEXEC);
			uint64_t value = 0;

			send_message(rig, VHOST_USER_SET_VRING_CALL, 0, &value, 8, &fd, 1);
			close(fd);
			rig_run(rig);
			assert_true(rig->asked);
		} else if (what == 1) { /* the reset waits */
			rig_disconnect(rig);
			assert_true(rig->asked);
		} else if (what == 2) { /* half a message is there */
			struct vhost_user_header h = { VHOST_USER_SET_MEM_TABLE, 1, 40 };

			send_bytes(rig->peer, &h, sizeof(h), &rig->mem_fd, 1);
			rig_run(rig);
		}
		rig_finish(rig);
		rig_prepare(rig);
		rig_create(rig);
		rig_connect(rig);
	}
	vhost_device_destroy(NULL);
}

/* Why we closed is remembered over the next connection. */
static void test_last_error(void **state)
{
	struct rig *rig = *state;

	send_message(rig, 99, 0, NULL, 0, NULL, 0);
	assert_refused(rig, "message 99: not supported");
	rig_connect(rig);
	assert_true(alive(rig));
	assert_string_equal(st(rig)->last_error, "message 99: not supported");
}

static void test_create_fails(void **state)
{
	struct rig *rig = *state;
	struct vhost_device_config config = rig->config;
	struct vhost_device *other = NULL;
	struct error err;
	char path[128] = "/tmp/";

	assert_int_equal(
		vhost_device_create(&other, &config, &rig_ops, rig, &rig->sockets.maker, &err),
		-EADDRINUSE);
	memset(path + 5, 'x', sizeof(path) - 6);
	config.path = path;
	assert_int_equal(
		vhost_device_create(&other, &config, &rig_ops, rig, &rig->sockets.maker, &err),
		-ENAMETOOLONG);
	config.mode = VHOST_CONNECT;
	assert_int_equal(
		vhost_device_create(&other, &config, &rig_ops, rig, &rig->sockets.maker, &err),
		-ENAMETOOLONG);
	assert_null(other);
	assert_true(alive(rig));
}

/* Out of fds: a front-end waits until there are some, and the loop does not spin. */
static void test_out_of_fds(void **state)
{
	struct rig *rig = *state;
	struct rlimit old, none;
	uint64_t value = 0;
	int fd = eventfd(0, EFD_CLOEXEC), lowest;

	negotiate(rig);
	lowest = dup(fd);
	close(lowest);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	none = old;
	none.rlim_cur = (rlim_t)lowest;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_equal(ask(rig, VHOST_USER_SET_VRING_CALL, &value, 8, &fd, 1), 1);
	setrlimit(RLIMIT_NOFILE, &old);
	close(fd);
	rig_disconnect(rig);
	rig->peer = connect_to(rig->path);
	lowest = dup(rig->peer);
	close(lowest);
	none.rlim_cur = (rlim_t)lowest;
	setrlimit(RLIMIT_NOFILE, &none);
	rig_run(rig);
	assert_false(st(rig)->connected);
	assert_int_equal(event_base_get_num_events(rig->base, EVENT_BASE_COUNT_ADDED), 1);
	setrlimit(RLIMIT_NOFILE, &old);
	run_for(rig, 120);
	assert_true(alive(rig));
}

/* ---- connecting devices */

static int connecting_setup(void **state)
{
	static struct rig rig;

	rig_prepare(&rig);
	rig.config.mode = VHOST_CONNECT;
	rig_create(&rig);
	*state = &rig;
	return 0;
}

static int listen_at(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(fd, 8), 0);
	return fd;
}

/* The next connection to @fd. */
static int next_connection(struct rig *rig, int fd)
{
	uint64_t end = clock_ns() + 10 * NSEC_PER_SEC;
	int peer;

	while ((peer = accept(fd, NULL, NULL)) < 0 && clock_ns() < end)
		run_for(rig, 1);
	assert_true(peer >= 0);
	return peer;
}

/* A front-end that comes late is found, and again when it has gone. */
static void test_connect_late(void **state)
{
	struct rig *rig = *state;
	int fd;

	run_for(rig, 100);
	assert_int_equal(st(rig)->n_connects, 0);
	fd = listen_at(rig->path);
	rig->peer = next_connection(rig, fd);
	set_up(rig);
	assert_int_equal(st(rig)->n_connects, 1);
	rig_disconnect(rig);
	assert_int_equal(rig->n_quiesce, 1);
	rig->peer = next_connection(rig, fd);
	set_up(rig);
	assert_int_equal(st(rig)->n_connects, 2);
	close(fd);
	unlink(rig->path);
}

/* Somebody who closes at once is not asked again and again without pause. */
static void test_connect_backs_off(void **state)
{
	struct rig *rig = *state;
	uint64_t begin = clock_ns();
	int fd = listen_at(rig->path);

	for (unsigned n = 0; n < 5; n++)
		close(next_connection(rig, fd));
	/* at 0, 50, 150, 350, 750 ms, or later */
	assert_true(clock_ns() - begin >= 740 * NSEC_PER_MSEC);
	close(fd);
	unlink(rig->path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(test_message_is_held),
		RIG_TEST(test_held_message_fails),
		RIG_TEST(test_disconnect_with_live_rings),
		RIG_TEST(test_disconnect_while_held),
		RIG_TEST(test_new_one_at_once),
		RIG_TEST(test_second_front_end),
		RIG_TEST(test_reconnect),
		RIG_TEST(test_does_not_read),
		RIG_TEST(test_reads_slowly),
		RIG_TEST(test_bounded_turn),
		RIG_TEST(test_destroy_in_any_state),
		RIG_TEST(test_last_error),
		RIG_TEST(test_create_fails),
		RIG_TEST(test_out_of_fds),
		cmocka_unit_test_setup_teardown(test_connect_late, connecting_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_connect_backs_off, connecting_setup,
						rig_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
