// SPDX-License-Identifier: Apache-2.0
/* The control socket: framing, files, bounds, who may come in, and what becomes of the file.
 *
 *   client socket(s) --- unix stream --- rpc_server, run by pump() in the same thread
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/limit.h"
#include "rpc/connection.h"
#include "rpc/server.h"

#define NOBODY 65534

struct fixture {
	char dir[64], path[96], lock[96];
	struct event_base *base;
	struct rpc_server *server;
};

/* What the methods saw. */
static unsigned n_calls, n_fds;

static int count(void *ctx, json_t *params, struct rpc_fds *fds, json_t **result, struct error *err)
{
	n_calls++;
	n_fds = fds->n;
	*result = json_integer(n_calls);
	return 0;
}

/* Keeps the first file: writes a byte into it and closes it itself. */
static int keep(void *ctx, json_t *params, struct rpc_fds *fds, json_t **result, struct error *err)
{
	n_fds = fds->n;
	if (!fds->n)
		return error_set(err, -EBADF, "no file");
	assert_int_equal(write(fds->fd[0], "k", 1), 1);
	close(fds->fd[0]);
	fds->fd[0] = -1;
	return 0;
}

static int large(void *ctx, json_t *params, struct rpc_fds *fds, json_t **result, struct error *err)
{
	size_t len = (size_t)json_integer_value(json_object_get(params, "len"));
	char *text = malloc(len + 1);

	assert_non_null(text);
	n_calls++;
	memset(text, 'x', len);
	*result = json_stringn(text, len);
	free(text);
	return 0;
}

/* Takes longer than a turn. */
static int slow(void *ctx, json_t *params, struct rpc_fds *fds, json_t **result, struct error *err)
{
	n_calls++;
	usleep(RPC_TURN_NS / 1000 + 100);
	return 0;
}

static const struct rpc_method table[] = {
	{ "count", count }, { "keep", keep }, { "large", large }, { "slow", slow }, { NULL, NULL }
};

static int count_open_files(void)
{
	int n = 0;

	for (int fd = 0; fd < 1024; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			n++;
	return n;
}

static int make_server(struct fixture *f, struct rpc_server **server, const char *group,
		       struct error *err)
{
	const struct rpc_config config = {
		.path = f->path, .group = group, .base = f->base, .methods = table
	};

	return rpc_server_create(server, &config, err);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct error err = { "" };

	assert_non_null(f);
	n_calls = n_fds = 0;
	strcpy(f->dir, "/tmp/vireo-test-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/vireod.sock", f->dir);
	snprintf(f->lock, sizeof(f->lock), "%s/vireod.lock", f->dir);
	f->base = event_base_new();
	assert_non_null(f->base);
	if (make_server(f, &f->server, NULL, &err))
		fail_msg("%s", err.text);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	rpc_server_destroy(f->server);
	event_base_free(f->base);
	assert_int_equal(rmdir(f->dir), 0); /* nothing was left behind */
	free(f);
	return 0;
}

static void pump(struct fixture *f)
{
	for (int i = 0; i < 8; i++)
		event_base_loop(f->base, EVLOOP_NONBLOCK);
}

static int dial(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	assert_true(fd >= 0);
	strcpy(addr.sun_path, path);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		close(fd);
		return -errno;
	}
	return fd;
}

static int client(struct fixture *f)
{
	int fd = dial(f->path);

	assert_true(fd >= 0);
	pump(f);
	return fd;
}

static void put(struct fixture *f, int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
	pump(f);
}

/* Sends @text with @n copies of @file. */
static void put_files(int fd, const char *text, int file, unsigned n)
{
	char control[CMSG_SPACE(64 * sizeof(int))] __attribute__((aligned(8))) = { 0 };
	struct iovec iov = { (char *)text, strlen(text) };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = CMSG_SPACE(n * sizeof(int)) };
	struct cmsghdr *h = CMSG_FIRSTHDR(&msg);

	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(n * sizeof(int));
	for (unsigned i = 0; i < n; i++)
		memcpy(CMSG_DATA(h) + i * sizeof(int), &file, sizeof(int));
	assert_int_equal(sendmsg(fd, &msg, MSG_NOSIGNAL), iov.iov_len);
}

/* What has arrived at the client. */
static const char *get(int fd)
{
	static char text[8192];
	ssize_t n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static bool at_end(int fd)
{
	char c;

	return recv(fd, &c, 1, MSG_DONTWAIT) == 0 || errno == ECONNRESET;
}

#define COUNT "{\"jsonrpc\":\"2.0\",\"method\":\"count\",\"id\":1}\n"
#define KEEP "{\"jsonrpc\":\"2.0\",\"method\":\"keep\",\"id\":1}\n"
#define RESULT(r) "{\"jsonrpc\":\"2.0\",\"result\":" r ",\"id\":1}\n"

static void test_framing(void **state)
{
	struct fixture *f = *state;
	int fd = client(f);

	put(f, fd, COUNT);
	assert_string_equal(get(fd), RESULT("1"));
	put(f, fd, COUNT "\n \r\n" COUNT COUNT);
	assert_string_equal(get(fd), RESULT("2") RESULT("3") RESULT("4"));
	for (const char *c = COUNT; *c; c++) {
		char byte[2] = { *c, '\0' };

		assert_string_equal(get(fd), "");
		put(f, fd, byte);
	}
	assert_string_equal(get(fd), RESULT("5"));
	/* the last line may lack its end */
	put(f, fd, "{\"jsonrpc\":\"2.0\",\"method\":\"count\",\"id\":1}");
	assert_string_equal(get(fd), "");
	shutdown(fd, SHUT_WR);
	pump(f);
	assert_string_equal(get(fd), RESULT("6"));
	assert_true(at_end(fd));
	close(fd);
}

static void test_many_requests(void **state)
{
	enum { N = 1000 };
	struct fixture *f = *state;
	int fd = client(f), other = client(f);
	char *text = malloc(N * strlen(COUNT) + 1);

	/* more than one turn's worth: all are answered, and the other client meanwhile */
	assert_non_null(text);
	for (int i = 0; i < N; i++)
		strcpy(text + i * strlen(COUNT), COUNT);
	assert_int_equal(send(fd, text, strlen(text), 0), strlen(text));
	free(text);
	event_base_loop(f->base, EVLOOP_NONBLOCK | EVLOOP_ONCE);
	assert_in_range(n_calls, 1, RPC_TURN);
	assert_int_equal(send(other, COUNT, strlen(COUNT), 0), strlen(COUNT));
	for (int i = 0; i < 3; i++)
		event_base_loop(f->base, EVLOOP_NONBLOCK | EVLOOP_ONCE);
	assert_true(*get(other));
	assert_true(n_calls < N);
	pump(f);
	assert_int_equal(n_calls, N + 1);
	close(fd);
	close(other);
}

/* Of a client whose requests take long, others wait for one, not for a turn's worth. */
static void test_slow_requests(void **state)
{
	static const char request[] = "{\"jsonrpc\":\"2.0\",\"method\":\"slow\",\"id\":1}\n";
	struct fixture *f = *state;
	int fd = client(f), other = client(f);

	for (int i = 0; i < RPC_TURN; i++)
		assert_int_equal(send(fd, request, sizeof(request) - 1, 0), sizeof(request) - 1);
	event_base_loop(f->base, EVLOOP_NONBLOCK | EVLOOP_ONCE);
	assert_int_equal(n_calls, 1);
	assert_int_equal(send(other, COUNT, strlen(COUNT), 0), strlen(COUNT));
	for (int i = 0; i < 3; i++)
		event_base_loop(f->base, EVLOOP_NONBLOCK | EVLOOP_ONCE);
	assert_true(*get(other));
	assert_in_range(n_calls, 2, 5);
	while (n_calls < RPC_TURN + 1)
		pump(f);
	close(fd);
	close(other);
}

static void test_long_request(void **state)
{
	struct fixture *f = *state;
	int fd = client(f);
	char *text = malloc(RPC_REQUEST_MAX + 2);
	size_t sent = 0;

	assert_non_null(text);
	memset(text, ' ', RPC_REQUEST_MAX);
	strcpy(text + RPC_REQUEST_MAX - strlen(COUNT) + 1, COUNT);
	for (int round = 0; round < 2; round++) {
		/* the first is as long as can be, the second has no end */
		size_t len = round ? RPC_REQUEST_MAX - 1 : RPC_REQUEST_MAX + 1;

		for (sent = 0; sent < len;) {
			ssize_t n = send(fd, text + sent, len - sent, MSG_DONTWAIT | MSG_NOSIGNAL);

			if (n < 0)
				pump(f);
			else
				sent += (size_t)n;
		}
		pump(f);
		if (!round)
			assert_string_equal(get(fd), RESULT("1"));
	}
	assert_string_equal(get(fd), "");
	send(fd, "    ", 4, MSG_NOSIGNAL);
	pump(f);
	assert_non_null(strstr(get(fd), "request longer than 1 MiB"));
	assert_true(at_end(fd));
	free(text);
	close(fd);
}

static void test_files(void **state)
{
	struct fixture *f = *state;
	int fd = client(f), pipes[2], before;
	char bytes[8];

	assert_int_equal(pipe2(pipes, O_NONBLOCK), 0);
	before = count_open_files();
	/* claimed, and the unclaimed closed */
	put_files(fd, KEEP, pipes[1], 3);
	pump(f);
	assert_int_equal(n_fds, 3);
	assert_string_equal(get(fd), RESULT("true"));
	assert_int_equal(read(pipes[0], bytes, sizeof(bytes)), 1);
	assert_int_equal(count_open_files(), before);
	/* they belong to the request that they were sent with, though others went before */
	assert_int_equal(send(fd, COUNT COUNT, 2 * strlen(COUNT), 0), 2 * strlen(COUNT));
	put_files(fd, KEEP, pipes[1], 1);
	assert_int_equal(send(fd, COUNT, strlen(COUNT), 0), strlen(COUNT));
	pump(f);
	assert_int_equal(read(pipes[0], bytes, sizeof(bytes)), 1);
	assert_int_equal(n_calls, 3);
	assert_int_equal(n_fds, 0);
	get(fd);
	/* in the middle of a request */
	put(f, fd, "{\"jsonrpc\":\"2.0\",");
	put_files(fd, "\"method\":", pipes[1], 2);
	put(f, fd, "\"keep\",\"id\":1}\n");
	assert_string_equal(get(fd), RESULT("true"));
	assert_int_equal(n_fds, 2);
	assert_int_equal(count_open_files(), before);
	/* with a request that never ends */
	put_files(fd, "{", pipes[1], 8);
	pump(f);
	assert_int_equal(count_open_files(), before + 8);
	close(fd);
	pump(f);
	assert_int_equal(count_open_files(), before - 2);
	close(pipes[0]);
	close(pipes[1]);
}

static void test_too_many_files(void **state)
{
	struct fixture *f = *state;
	int before = count_open_files(), fd;

	for (unsigned n = 1; n <= 9; n += 2) {
		fd = client(f);
		/* up to 8 in all are fine: the request goes on */
		put_files(fd, "{", STDIN_FILENO, n);
		pump(f);
		if (n <= 8) {
			put_files(fd, " ", STDIN_FILENO, 9 - n);
			put_files(fd, " ", STDIN_FILENO, 8);
			put_files(fd, "}\n", STDIN_FILENO, 1);
			pump(f);
		}
		assert_non_null(strstr(get(fd), n <= 8 ? "more than 8 files" : "at most 8"));
		assert_true(at_end(fd));
		close(fd);
		assert_int_equal(count_open_files(), before);
	}
}

/* A client that never reads is not served for ever, and costs no more than the bounds say. */
static void test_deaf_client(void **state)
{
	static const char large_request[] = "{\"jsonrpc\":\"2.0\",\"method\":\"large\",\"params\":{"
					    "\"len\":100000},\"id\":1}\n";
	struct fixture *f = *state;
	int fd = client(f), other = client(f);
	unsigned served;

	for (int i = 0; i < 200; i++)
		put(f, fd, large_request);
	served = n_calls;
	assert_in_range(served, 2, 20);
	put(f, other, COUNT);
	assert_true(*get(other));
	/* when it reads, it gets everything */
	for (int i = 0; i < 20000 && n_calls < 201; i++) {
		get(fd);
		pump(f);
	}
	assert_int_equal(n_calls, 201);
	close(fd);
	close(other);
}

/* A limit of the server's, by its name. */
static const struct limit *limit_of(const char *name)
{
	const struct limit *l = limits();

	while (l && strcmp(l->name, name) != 0)
		l = l->next;
	assert_non_null(l);
	return l;
}

/* Fills in @fds with @n clients that another process, of user @uid, has connected. */
static void foreign_clients(struct fixture *f, uid_t uid, int *fds, unsigned n)
{
	int ends[2], status;
	pid_t pid;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	pid = fork();
	if (pid == 0) {
		if (setresuid(uid, uid, uid) != 0)
			_exit(1);
		for (unsigned i = 0; i < n; i++)
			put_files(ends[1], "c", dial(f->path), 1);
		_exit(0);
	}
	assert_true(pid > 0);
	for (unsigned i = 0; i < n; i++) {
		union {
			struct cmsghdr align;
			char bytes[CMSG_SPACE(sizeof(int))];
		} control;
		char byte;
		struct iovec iov = { &byte, 1 };
		struct msghdr msg = { .msg_iov = &iov,
				      .msg_iovlen = 1,
				      .msg_control = &control,
				      .msg_controllen = sizeof(control) };

		assert_int_equal(recvmsg(ends[0], &msg, 0), 1);
		assert_non_null(CMSG_FIRSTHDR(&msg));
		memcpy(&fds[i], CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fds[i]));
		pump(f);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(ends[0]);
	close(ends[1]);
}

static void assert_turned_away(int fd, const char *why)
{
	assert_non_null(strstr(get(fd), why));
	assert_true(at_end(fd));
	close(fd);
}

static void test_too_many_clients(void **state)
{
	uint64_t refused = limit_refused(limit_of("rpc_clients")),
		 of_process = limit_refused(limit_of("rpc_clients_of_process"));
	struct fixture *f = *state;
	int fds[RPC_CLIENTS_MAX], extra;

	/* one process does not get all places */
	for (int i = 0; i < RPC_CLIENTS_OF_PROCESS; i++)
		fds[i] = client(f);
	assert_turned_away(client(f), "16 clients of this process are connected already");
	assert_int_equal(limit_refused(limit_of("rpc_clients_of_process")) - of_process, 1);
	for (int i = RPC_CLIENTS_OF_PROCESS; i < RPC_CLIENTS_MAX; i += RPC_CLIENTS_OF_PROCESS)
		foreign_clients(f, geteuid(), fds + i, RPC_CLIENTS_OF_PROCESS);
	assert_int_equal(limit_now(limit_of("rpc_clients")), RPC_CLIENTS_MAX);
	foreign_clients(f, geteuid(), &extra, 1);
	assert_turned_away(extra, "64 clients are connected already");
	assert_int_equal(limit_refused(limit_of("rpc_clients")) - refused, 1);
	close(fds[5]);
	pump(f);
	fds[5] = client(f);
	put(f, fds[5], COUNT);
	assert_string_equal(get(fds[5]), RESULT("1"));
	for (int i = 0; i < RPC_CLIENTS_MAX; i++)
		close(fds[i]);
	pump(f);
	assert_int_equal(limit_now(limit_of("rpc_clients")), 0);
}

/* Users do not lock root out. */
static void test_places_of_root(void **state)
{
	enum { OF_USERS = RPC_CLIENTS_OF_USERS, OF_PROCESS = RPC_CLIENTS_OF_PROCESS };
	struct fixture *f = *state;
	int fds[OF_USERS], extra;

	if (geteuid() != 0)
		skip();
	/* users' clients come in by their group */
	rpc_server_destroy(f->server);
	f->server = NULL;
	assert_int_equal(make_server(f, &f->server, "65534", NULL), 0);
	assert_int_equal(chmod(f->dir, 0755), 0);
	assert_int_equal(chmod(f->path, 0666), 0);
	assert_int_equal(setegid(NOBODY), 0);
	for (int i = 0; i < OF_USERS; i += OF_PROCESS)
		foreign_clients(f, NOBODY, fds + i, OF_PROCESS);
	assert_int_equal(limit_now(limit_of("rpc_clients_of_users")), OF_USERS);
	foreign_clients(f, NOBODY, &extra, 1);
	assert_turned_away(extra, "48 clients are connected already, and the other places");
	assert_int_equal(setegid(0), 0);
	extra = client(f);
	put(f, extra, COUNT);
	assert_string_equal(get(extra), RESULT("1"));
	close(extra);
	for (int i = 0; i < OF_USERS; i++)
		close(fds[i]);
	pump(f);
	assert_int_equal(limit_now(limit_of("rpc_clients")), 0);
	assert_int_equal(limit_now(limit_of("rpc_clients_of_users")), 0);
}

static void test_one_daemon(void **state)
{
	struct fixture *f = *state;
	struct rpc_server *second = NULL;
	struct error err = { "" };
	struct stat st;
	char want[256];

	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	snprintf(want, sizeof(want), "another vireod (process %d) serves %s: use another --run-dir",
		 getpid(), f->path);
	assert_int_equal(make_server(f, &second, NULL, &err), -EBUSY);
	assert_string_equal(err.text, want);
	assert_int_equal(stat(f->path, &st), 0);
	rpc_server_destroy(f->server);
	f->server = NULL;
	assert_int_equal(stat(f->path, &st), -1);
	assert_int_equal(stat(f->lock, &st), -1);
}

static void test_stale_file(void **state)
{
	struct fixture *f = *state;
	struct error err = { "" };
	char saved[128], want[256];
	int fd;

	/* a dead daemon leaves its socket and its lock's file */
	snprintf(saved, sizeof(saved), "%s.saved", f->path);
	assert_int_equal(rename(f->path, saved), 0);
	rpc_server_destroy(f->server);
	assert_int_equal(rename(saved, f->path), 0);
	close(open(f->lock, O_CREAT | O_WRONLY, 0600));
	if (make_server(f, &f->server, NULL, &err))
		fail_msg("%s", err.text);
	fd = client(f);
	put(f, fd, COUNT);
	assert_string_equal(get(fd), RESULT("1"));
	close(fd);
	/* what is no socket is somebody else's */
	rpc_server_destroy(f->server);
	f->server = NULL;
	close(open(f->path, O_CREAT | O_WRONLY, 0600));
	assert_int_equal(make_server(f, &f->server, NULL, &err), -EEXIST);
	snprintf(want, sizeof(want), "%s is there and is no socket: remove it", f->path);
	assert_string_equal(err.text, want);
	assert_int_equal(unlink(f->path), 0);
}

static void test_bad_config(void **state)
{
	struct fixture *f = *state;
	struct rpc_server *server = NULL;
	struct error err = { "" };
	struct rpc_config config = { .base = f->base, .methods = table };
	char path[200];

	assert_int_equal(make_server(f, &server, "no-such-group-here", &err), -EINVAL);
	assert_string_equal(err.text, "there is no group \"no-such-group-here\"");
	memset(path, 'a', sizeof(path) - 1);
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	config.path = path;
	assert_int_equal(rpc_server_create(&server, &config, &err), -ENAMETOOLONG);
	config.path = "/nonexistent-directory/vireod.sock";
	assert_int_equal(rpc_server_create(&server, &config, &err), -ENOENT);
	assert_string_equal(err.text, "cannot open /nonexistent-directory/vireod.lock: No such "
				      "file or directory (--run-dir names another place)");
}

/* Runs as user nobody, primary group @gid, supplementary group @extra; writes what vireod said to
 * @result. */
static void call_as_nobody(const char *path, gid_t gid, gid_t extra, int result)
{
	char text[512];
	ssize_t n;
	int fd;

	if (setgroups(1, &extra) || setresgid(gid, gid, gid) || setresuid(NOBODY, NOBODY, NOBODY))
		_exit(1);
	fd = dial(path);
	if (fd < 0) {
		n = snprintf(text, sizeof(text), "connect: %d", fd);
	} else {
		/* who has been turned away already cannot send, and can read why */
		(void)!send(fd, COUNT, strlen(COUNT), MSG_NOSIGNAL);
		n = recv(fd, text, sizeof(text), 0);
	}
	_exit(write(result, text, (size_t)n) == n ? 0 : 1);
}

static const char *as_nobody(struct fixture *f, gid_t gid, gid_t extra)
{
	static char text[512];
	int pipes[2], status;
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe(pipes), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid)
		call_as_nobody(f->path, gid, extra, pipes[1]);
	close(pipes[1]);
	for (int i = 0; i < 5000; i++) {
		struct pollfd poll_fd = { .fd = pipes[0], .events = POLLIN };

		pump(f);
		if (poll(&poll_fd, 1, 1))
			break;
	}
	n = read(pipes[0], text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	close(pipes[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	return text;
}

static void test_who_may(void **state)
{
	struct fixture *f = *state;
	struct error err = { "" };
	struct stat st;

	assert_int_equal(geteuid(), 0); /* or no other users can be taken on */
	assert_int_equal(chmod(f->dir, 0755), 0);
	/* the file's mode keeps others out; behind it, the daemon itself does */
	assert_string_equal(as_nobody(f, NOBODY, NOBODY), "connect: -13");
	assert_int_equal(chmod(f->path, 0666), 0);
	assert_non_null(strstr(as_nobody(f, NOBODY, NOBODY),
			       "user 65534 may not control vireod: only root and user 0 may"));
	rpc_server_destroy(f->server);
	assert_int_equal(make_server(f, &f->server, "4242", &err), 0);
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	assert_int_equal(st.st_gid, 4242);
	assert_string_equal(as_nobody(f, 4242, NOBODY), RESULT("1"));
	assert_string_equal(as_nobody(f, NOBODY, 4242), RESULT("2"));
	assert_string_equal(as_nobody(f, NOBODY, NOBODY), "connect: -13");
	assert_int_equal(chmod(f->path, 0666), 0);
	assert_non_null(strstr(as_nobody(f, NOBODY, 4343), "members of group 4242 may"));
	assert_int_equal(n_calls, 2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_framing),	   TEST(test_many_requests), TEST(test_slow_requests),
		TEST(test_places_of_root), TEST(test_long_request),  TEST(test_files),
		TEST(test_too_many_files), TEST(test_deaf_client),   TEST(test_too_many_clients),
		TEST(test_one_daemon),	   TEST(test_stale_file),    TEST(test_bad_config),
		TEST(test_who_may),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}
