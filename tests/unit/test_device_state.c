// SPDX-License-Identifier: Apache-2.0
/* SET_DEVICE_STATE_FD and CHECK_DEVICE_STATE: what goes and comes, when it is refused, and
 * front-ends that stop in the middle.
 */
#include <signal.h>

#include "base/clock.h"
#include "base/log.h"
#include "vhost_peer.h"

#define OK VHOST_USER_TRANSFER_NO_FD
#define REFUSED (VHOST_USER_TRANSFER_NO_FD | 1)

/* SET_DEVICE_STATE_FD with @fd; what is answered. */
static uint64_t transfer(struct rig *rig, uint32_t direction, uint32_t phase, int fd)
{
	struct vhost_user_transfer t = { direction, phase };
	union vhost_user_payload answer;

	send_message(rig, VHOST_USER_SET_DEVICE_STATE_FD, 0, &t, sizeof(t), &fd, 1);
	assert_int_equal(receive(rig, VHOST_USER_SET_DEVICE_STATE_FD, &answer), 8);
	return answer.u64;
}

/* A transfer that begins. Returns the front-end's end of the pipe, or -1 and nothing. */
static int begin(struct rig *rig, uint32_t direction)
{
	int ends[2], given = direction == VHOST_USER_TRANSFER_SAVE;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0); /* it blocks, unless ours does not */
	assert_int_equal(transfer(rig, direction, 0, ends[given]), OK);
	close(ends[given]);
	fcntl(ends[!given], F_SETFL, O_NONBLOCK);
	return ends[!given];
}

static void ask_check(struct rig *rig)
{
	send_message(rig, VHOST_USER_CHECK_DEVICE_STATE, 0, NULL, 0, NULL, 0);
}

/* Waits for the answer, which may take as long as a transfer that is given up. */
static uint64_t await_check(struct rig *rig)
{
	uint64_t end = clock_ns() + 60 * NSEC_PER_SEC;
	union vhost_user_payload answer;
	int n;

	while ((n = receive(rig, VHOST_USER_CHECK_DEVICE_STATE, &answer)) == -1) {
		assert_true(clock_ns() < end);
		usleep(1000);
	}
	assert_int_equal(n, 8);
	return answer.u64;
}

static uint64_t check(struct rig *rig)
{
	ask_check(rig);
	return await_check(rig);
}

static int state_setup(void **state)
{
	rig_setup(state);
	negotiate(*state);
	signal(SIGPIPE, SIG_IGN);
	return 0;
}

static void test_save(void **state)
{
	static uint8_t saved[200000], got[200001];
	struct rig *rig = *state;
	size_t at = 0;
	int fd;

	for (size_t i = 0; i < sizeof(saved); i++)
		saved[i] = (uint8_t)(i % 251);
	rig->saved = saved;
	rig->n_saved = sizeof(saved);
	fd = begin(rig, VHOST_USER_TRANSFER_SAVE);
	rig->saved = NULL; /* it was taken when the message came */
	for (unsigned turn = 0; turn < 10000; turn++) {
		ssize_t n;

		rig_run(rig);
		n = read(fd, got + at, sizeof(got) - at);
		if (n == 0)
			break;
		at += n > 0 ? (size_t)n : 0;
	}
	assert_int_equal(at, sizeof(saved));
	assert_memory_equal(got, saved, at);
	close(fd);
	assert_int_equal(check(rig), 0);
	assert_int_equal(check(rig), 0);
}

static void test_load(void **state)
{
	struct rig *rig = *state;
	int fd = begin(rig, VHOST_USER_TRANSFER_LOAD);

	assert_int_equal(write(fd, "v123", 4), 4);
	rig_run(rig);
	assert_int_equal(rig->n_loads, 0); /* not before the end */
	assert_int_equal(write(fd, "456", 3), 3);
	close(fd);
	assert_int_equal(check(rig), 0);
	assert_int_equal(rig->n_loads, 1);
	assert_int_equal(rig->n_loaded, 7);
	assert_int_equal(rig->last_loaded, '6');
}

/* CHECK_DEVICE_STATE comes while the state is still on its way; others wait behind it. */
static void test_check_waits(void **state)
{
	union vhost_user_payload answer;
	struct rig *rig = *state;
	int fd = begin(rig, VHOST_USER_TRANSFER_LOAD);

	ask_check(rig);
	send_message(rig, VHOST_USER_GET_FEATURES, 0, NULL, 0, NULL, 0);
	assert_int_equal(receive(rig, 0, &answer), -1);
	assert_int_equal(write(fd, "v", 1), 1);
	close(fd);
	assert_int_equal(await_check(rig), 0);
	assert_int_equal(receive(rig, VHOST_USER_GET_FEATURES, &answer), 8);
	assert_int_equal(rig->n_loads, 1);
}

static void test_load_fails(void **state)
{
	struct rig *rig = *state;
	int fd = begin(rig, VHOST_USER_TRANSFER_LOAD);

	assert_int_equal(write(fd, "x", 1), 1);
	close(fd);
	assert_int_equal(check(rig), 1);
	fd = begin(rig, VHOST_USER_TRANSFER_LOAD);
	close(fd);
	assert_int_equal(check(rig), 1);
	assert_int_equal(rig->n_loads, 2);
	fd = begin(rig, VHOST_USER_TRANSFER_LOAD); /* the next may be right */
	assert_int_equal(write(fd, "v", 1), 1);
	close(fd);
	assert_int_equal(check(rig), 0);
	assert_true(alive(rig));
}

static void test_too_long(void **state)
{
	static const uint8_t bytes[65536] = { 'v' };
	struct rig *rig = *state;
	int fd = begin(rig, VHOST_USER_TRANSFER_LOAD);
	size_t at = 0;

	while (at <= 2u << 20) {
		ssize_t n = write(fd, bytes, sizeof(bytes));

		if (n < 0 && errno == EPIPE)
			break;
		at += n > 0 ? (size_t)n : 0;
		rig_run(rig);
	}
	assert_in_range(at, 1u << 20, (1u << 20) + 2 * sizeof(bytes));
	close(fd);
	assert_int_equal(check(rig), 1);
	assert_int_equal(rig->n_loads, 0);
}

static void test_refused(void **state)
{
	int ends[2], file = memfd_create("file", MFD_CLOEXEC), event = eventfd(0, EFD_CLOEXEC);
	struct rig *rig = *state;
	int pair[2];

	rig->saved = (const uint8_t *)"v";
	rig->n_saved = 1;
	assert_int_equal(check(rig), 1); /* there was none */
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	for (uint32_t direction = 0; direction < 2; direction++) {
		assert_int_equal(transfer(rig, direction, 0, file), REFUSED);
		assert_int_equal(transfer(rig, direction, 0, event), REFUSED);
		assert_int_equal(transfer(rig, direction, 0, pair[0]), REFUSED);
		assert_int_equal(transfer(rig, direction, 0, rig->peer), REFUSED);
		/* the wrong end */
		assert_int_equal(transfer(rig, direction, 0, ends[direction]), REFUSED);
		assert_int_equal(transfer(rig, direction, 1, ends[!direction]), REFUSED);
	}
	assert_int_equal(transfer(rig, 2, 0, ends[0]), REFUSED);
	rig->saved = NULL;
	assert_int_equal(transfer(rig, VHOST_USER_TRANSFER_SAVE, 0, ends[1]), REFUSED);
	assert_int_equal(check(rig), 1);
	/* not while rings run */
	send_memory(rig);
	send_ring(rig, 0);
	assert_int_equal(transfer(rig, VHOST_USER_TRANSFER_LOAD, 0, ends[0]), REFUSED);
	assert_int_equal(ask_state(rig, VHOST_USER_GET_VRING_BASE, 0, 0), 0);
	assert_int_equal(transfer(rig, VHOST_USER_TRANSFER_LOAD, 0, ends[0]), OK);
	for (unsigned i = 0; i < 2; i++) {
		close(ends[i]);
		close(pair[i]);
	}
	close(file);
	close(event);
	assert_true(alive(rig));
}

/* What breaks the protocol ends the connection. */
static void test_without_fd(void **state)
{
	struct vhost_user_transfer t = { 0, 0 };
	struct rig *rig = *state;

	send_message(rig, VHOST_USER_SET_DEVICE_STATE_FD, 0, &t, sizeof(t), NULL, 0);
	assert_refused(rig, "file descriptors");
}

static void test_not_negotiated(void **state)
{
	struct rig *rig = *state;

	send_u64(rig, VHOST_USER_SET_PROTOCOL_FEATURES,
		 ALL_PROTOCOL & ~BIT(VHOST_USER_PROTOCOL_F_DEVICE_STATE));
	ask_check(rig);
	assert_refused(rig, "VHOST_USER_PROTOCOL_F_DEVICE_STATE was not negotiated");
}

/* A front-end that does not read, or does not close, is answered all the same. */
static void test_stalls(void **state)
{
	static uint8_t saved[200000];
	struct rig *rig = *state;
	int fd;

	rig->saved = saved;
	rig->n_saved = sizeof(saved);
	fd = begin(rig, VHOST_USER_TRANSFER_SAVE);
	assert_int_equal(check(rig), 1);
	close(fd);
	fd = begin(rig, VHOST_USER_TRANSFER_LOAD);
	assert_int_equal(write(fd, "v", 1), 1);
	assert_int_equal(check(rig), 1);
	assert_int_equal(rig->n_loads, 0);
	close(fd);
	fd = begin(rig, VHOST_USER_TRANSFER_SAVE);
	close(fd); /* nobody will read */
	assert_int_equal(check(rig), 1);
	assert_true(alive(rig));
}

/* Another transfer takes the place of one that is under way. */
static void test_again(void **state)
{
	struct rig *rig = *state;
	int first = begin(rig, VHOST_USER_TRANSFER_LOAD), second;
	uint8_t byte;

	assert_int_equal(write(first, "x", 1), 1);
	second = begin(rig, VHOST_USER_TRANSFER_LOAD);
	assert_int_equal(write(first, "x", 1), -1);
	assert_int_equal(errno, EPIPE);
	assert_int_equal(write(second, "v", 1), 1);
	close(second);
	assert_int_equal(check(rig), 0);
	close(first);
	rig->saved = (const uint8_t *)"abc";
	rig->n_saved = 3;
	first = begin(rig, VHOST_USER_TRANSFER_SAVE);
	second = begin(rig, VHOST_USER_TRANSFER_LOAD);
	close(second);
	assert_int_equal(check(rig), 1);
	while (read(first, &byte, 1) > 0)
		;
	close(first);
}

/* The front-end dies in the middle; nothing takes effect, and the next one begins anew. */
static void test_disconnected(void **state)
{
	struct rig *rig = *state;
	int fd = begin(rig, VHOST_USER_TRANSFER_LOAD);

	assert_int_equal(write(fd, "v", 1), 1);
	rig_disconnect(rig);
	assert_false(vhost_device_state(rig->device)->connected);
	close(fd);
	rig_run(rig);
	assert_int_equal(rig->n_loads, 0);
	rig_connect(rig);
	negotiate(rig);
	assert_int_equal(check(rig), 1);

	fd = begin(rig, VHOST_USER_TRANSFER_LOAD);
	ask_check(rig);
	rig_run(rig);
	close(fd);
	rig_disconnect(rig);
	assert_false(vhost_device_state(rig->device)->connected);
	rig_connect(rig);
	assert_true(alive(rig));

	negotiate(rig);
	fd = begin(rig, VHOST_USER_TRANSFER_LOAD); /* until the device goes, too */
	ask_check(rig);
	rig_run(rig);
	close(fd);
}

#define STATE_TEST(f) cmocka_unit_test_setup_teardown(f, state_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STATE_TEST(test_save),	       STATE_TEST(test_load),
		STATE_TEST(test_check_waits),  STATE_TEST(test_load_fails),
		STATE_TEST(test_too_long),     STATE_TEST(test_refused),
		STATE_TEST(test_without_fd),   STATE_TEST(test_not_negotiated),
		STATE_TEST(test_stalls),       STATE_TEST(test_again),
		STATE_TEST(test_disconnected),
	};

	log_set_level("all", "error", NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
