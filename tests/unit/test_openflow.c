// SPDX-License-Identifier: Apache-2.0
/* The sockets of bridges: who comes in, what they are told unasked, what is left behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/limit.h"
#include "base/log.h"
#include "flows_fake.h"
#include "openflow/openflow.h"
#include "openflow/session.h"

static const uint8_t hello[] = { OF10, OFT_HELLO, 0, 8, 0, 0, 0, 1 };

struct fixture {
	char dir[64], mgmt[96], snoop[96];
	struct event_base *base;
	struct swtch sw;
	struct openflow_config config;
	struct openflow *of;
};

static void start(struct fixture *f)
{
	struct error err;

	if (openflow_create(&f->of, &f->config, &err))
		fail_msg("%s", err.text);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	log_set_level("all", "error", NULL);
	strcpy(f->dir, "/tmp/vireo-test-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->mgmt, sizeof(f->mgmt), "%s/br0.mgmt", f->dir);
	snprintf(f->snoop, sizeof(f->snoop), "%s/br0.snoop", f->dir);
	fake_setup();
	f->base = event_base_new();
	f->config = (struct openflow_config){
		.sw = &f->sw, .base = f->base, .run_dir = f->dir, .owner = getuid()
	};
	start(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	openflow_destroy(f->of);
	assert_null(fake.listeners);
	fake_teardown();
	event_base_free(f->base);
	assert_int_equal(rmdir(f->dir), 0); /* nothing is left */
	free(f);
	return 0;
}

static void turn(struct fixture *f, int n)
{
	while (n--)
		event_base_loop(f->base, EVLOOP_NONBLOCK | EVLOOP_ONCE);
}

static int connect_to(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(addr.sun_path, path);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		close(fd);
		return -1;
	}
	return fd;
}

/* The type of the next message; -1: none; -2: closed. */
static int take(struct fixture *f, int fd)
{
	uint8_t message[4096];

	for (int i = 0; i < 20; i++) {
		ssize_t n = recv(fd, message, OF_HEADER, MSG_DONTWAIT | MSG_PEEK);

		if (!n)
			return -2;
		if (n == OF_HEADER) {
			assert_true(recv(fd, message, be16_load(message + 2), MSG_WAITALL) > 0);
			return message[1];
		}
		turn(f, 1);
	}
	return -1;
}

static int join(struct fixture *f)
{
	int fd = connect_to(f->mgmt);

	assert_true(fd >= 0);
	assert_int_equal(send(fd, hello, sizeof(hello), 0), sizeof(hello));
	assert_int_equal(take(f, fd), OFT_HELLO);
	turn(f, 3);
	return fd;
}

static void test_sockets(void **state)
{
	struct fixture *f = *state;
	struct stat st;

	assert_int_equal(stat(f->mgmt, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(stat(f->snoop, &st), 0);
	close(join(f));
}

static void test_what_nobody_serves_is_replaced(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	openflow_destroy(f->of);
	strcpy(addr.sun_path, f->mgmt);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	close(fd); /* its file stays */
	start(f);
	close(join(f));
}

static void test_what_another_serves_stays_so(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), peer;

	openflow_destroy(f->of);
	strcpy(addr.sun_path, f->mgmt);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(fd, 1), 0);
	start(f); /* the switch works without it */
	peer = connect_to(f->mgmt);
	assert_int_equal(take(f, peer), -1);
	close(peer);
	close(fd);
	assert_int_equal(unlink(f->mgmt), 0);
}

enum { OF_PROCESS = OF_OF_PROCESS(OF_SESSIONS_MAX), OF_USERS = OF_OF_USERS(OF_SESSIONS_MAX) };

/* Peers of another process; they stay until it is told to end. */
struct others {
	pid_t pid;
	int fd;
};

static void stay(const struct fixture *f, uid_t uid, unsigned n, int fd)
{
	char byte = 0;

	if (uid && (setresgid(uid, uid, uid) || setresuid(uid, uid, uid)))
		_exit(1);
	while (n--)
		if (connect_to(f->mgmt) < 0)
			_exit(1);
	_exit(write(fd, &byte, 1) != 1 || read(fd, &byte, 1) != 0);
}

static struct others bring(struct fixture *f, uid_t uid, unsigned n)
{
	struct others o;
	int ends[2];
	char byte;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	o.pid = fork();
	if (!o.pid) {
		close(ends[0]);
		stay(f, uid, n, ends[1]);
	}
	assert_true(o.pid > 0);
	close(ends[1]);
	o.fd = ends[0];
	assert_int_equal(read(o.fd, &byte, 1), 1);
	turn(f, 8);
	return o;
}

static void send_away(struct fixture *f, struct others o)
{
	int status;

	shutdown(o.fd, SHUT_RDWR);
	close(o.fd);
	assert_int_equal(waitpid(o.pid, &status, 0), o.pid);
	assert_int_equal(status, 0);
	turn(f, 20);
}

static uint64_t refused(const char *name)
{
	const struct limit *l = limits();

	while (l && strcmp(l->name, name) != 0)
		l = l->next;
	assert_non_null(l);
	return limit_refused(l);
}

static void expect_turned_away(struct fixture *f)
{
	int fd = connect_to(f->mgmt);

	assert_int_equal(take(f, fd), -2);
	close(fd);
}

static void test_too_many_are_turned_away(void **state)
{
	uint64_t of_process = refused("openflow_peers_of_process"), all = refused("openflow_peers");
	struct others others[OF_SESSIONS_MAX / OF_PROCESS - 1];
	struct fixture *f = *state;
	int fds[OF_PROCESS];

	for (unsigned i = 0; i < OF_PROCESS; i++)
		fds[i] = join(f);
	/* one process does not get all places */
	expect_turned_away(f);
	assert_int_equal(refused("openflow_peers_of_process") - of_process, 1);
	close(fds[0]);
	turn(f, 3);
	fds[0] = join(f);
	for (unsigned i = 0; i < ARRAY_SIZE(others); i++)
		others[i] = bring(f, 0, OF_PROCESS);
	assert_int_equal(refused("openflow_peers") - all, 0);
	send_away(f, bring(f, 0, 1));
	assert_int_equal(refused("openflow_peers") - all, 1);
	for (unsigned i = 0; i < ARRAY_SIZE(others); i++)
		send_away(f, others[i]);
	for (unsigned i = 0; i < OF_PROCESS; i++)
		close(fds[i]);
}

/* Users do not lock root out. */
static void test_places_of_root(void **state)
{
	const uid_t nobody = 65534;
	uint64_t of_users = refused("openflow_peers_of_users");
	struct others others[OF_USERS / OF_PROCESS];
	struct fixture *f = *state;

	if (geteuid() != 0)
		skip();
	openflow_destroy(f->of);
	f->config.group = "65534"; /* users come in by it */
	start(f);
	assert_int_equal(chmod(f->dir, 0755), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(others); i++)
		others[i] = bring(f, nobody, OF_PROCESS);
	assert_int_equal(refused("openflow_peers_of_users") - of_users, 0);
	send_away(f, bring(f, nobody, 1));
	assert_int_equal(refused("openflow_peers_of_users") - of_users, 1);
	close(join(f));
	for (unsigned i = 0; i < ARRAY_SIZE(others); i++)
		send_away(f, others[i]);
}

static void test_news_are_told_to_those_who_asked(void **state)
{
	static const uint8_t want[] = { OF10, 9, 0, 12, 0, 0, 0, 1, 0, 0, 0, 128 };
	struct fixture *f = *state;
	int first = join(f), second = join(f);
	struct flow_key key = { .in_port = 1 };
	struct flows_packet packet = { .metadata = &key,
				       .reason = 1,
				       .max_len = 64,
				       .frame = (const uint8_t *)"0123456789abcdef",
				       .len = 16,
				       .total_len = 16 };

	assert_int_equal(send(first, want, sizeof(want), 0), sizeof(want));
	turn(f, 3);
	fake.listeners->packet(fake.listeners->arg, &packet);
	fake.listeners->port(fake.listeners->arg, &fake.ports[0], 2);
	assert_int_equal(take(f, first), OFT_PACKET_IN);
	assert_int_equal(take(f, first), OFT_PORT_STATUS);
	assert_int_equal(take(f, second), -1);
	close(first);
	close(second);
}

static void test_snoop(void **state)
{
	static const uint8_t echo[] = { OF10, OFT_ECHO_REQUEST, 0, 8, 0, 0, 0, 7 };
	struct fixture *f = *state;
	int snoop = connect_to(f->snoop), peer;

	assert_int_equal(take(f, snoop), OFT_HELLO);
	peer = join(f);
	assert_int_equal(take(f, snoop), OFT_HELLO); /* ours, and the peer's */
	assert_int_equal(take(f, snoop), OFT_HELLO);
	assert_int_equal(send(peer, echo, sizeof(echo), 0), sizeof(echo));
	assert_int_equal(take(f, snoop), OFT_ECHO_REQUEST);
	assert_int_equal(take(f, snoop), OFT_ECHO_REPLY);
	close(snoop);
	turn(f, 3);
	assert_int_equal(send(peer, echo, sizeof(echo), 0), sizeof(echo));
	assert_int_equal(take(f, peer), OFT_ECHO_REPLY);
	close(peer);
}

static void test_a_bridge_that_goes_takes_all_along(void **state)
{
	struct fixture *f = *state;
	struct flows_listener *l = fake.listeners;
	int peer = join(f);
	struct stat st;

	l->gone(l->arg);
	assert_null(fake.listeners);
	assert_int_equal(take(f, peer), -2);
	assert_true(stat(f->mgmt, &st) && stat(f->snoop, &st));
	close(peer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, setup, teardown)
		TEST(test_sockets),
		TEST(test_what_nobody_serves_is_replaced),
		TEST(test_what_another_serves_stays_so),
		TEST(test_too_many_are_turned_away),
		TEST(test_places_of_root),
		TEST(test_news_are_told_to_those_who_asked),
		TEST(test_snoop),
		TEST(test_a_bridge_that_goes_takes_all_along),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
