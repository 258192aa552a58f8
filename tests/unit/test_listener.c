// SPDX-License-Identifier: Apache-2.0
/* The control socket's file and its lock: who gets them, with what mode, and what is left. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/listener.h"

struct fixture {
	char dir[64], path[96], lock[96];
	struct listener l;
	struct error err;
};

static const struct peer_policy nobody_else;

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	strcpy(f->dir, "/tmp/vireo-test-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/vireod.sock", f->dir);
	snprintf(f->lock, sizeof(f->lock), "%s/vireod.lock", f->dir);
	f->l.fd = -1;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	listener_close(&f->l);
	assert_int_equal(rmdir(f->dir), 0); /* both files are gone */
	free(f);
	return 0;
}

static void open_it(struct fixture *f)
{
	if (listener_open(&f->l, f->path, &nobody_else, &f->err))
		fail_msg("%s", f->err.text);
}

static void refuses(struct fixture *f, int code)
{
	struct listener l;

	assert_int_equal(listener_open(&l, f->path, &nobody_else, &f->err), code);
	assert_int_equal(l.fd, -1);
	assert_int_equal(l.lock_fd, -1);
	assert_null(l.path);
	assert_null(l.lock_path);
	listener_close(&l);
}

static bool exists(const char *path)
{
	struct stat st;

	return !lstat(path, &st);
}

static void make_file(const char *path, const char *text)
{
	int fd = open(path, O_CREAT | O_WRONLY | O_EXCL, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static int dial(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), ret = 0;

	assert_true(fd >= 0);
	strcpy(addr.sun_path, path);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		ret = -errno;
	close(fd);
	return ret;
}

static void test_open(void **state)
{
	struct fixture *f = *state;
	char text[32] = "", want[32];
	mode_t old = umask(0);
	struct stat st;
	int fd;

	open_it(f);
	umask(old);
	assert_int_equal(stat(f->path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(stat(f->lock, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	fd = open(f->lock, O_RDONLY);
	assert_true(read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	snprintf(want, sizeof(want), "%d\n", getpid());
	assert_string_equal(text, want);
	/* non-blocking, and no child inherits it */
	assert_true(fcntl(f->l.fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(f->l.fd, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(f->l.lock_fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(accept(f->l.fd, NULL, NULL), -1);
	assert_int_equal(dial(f->path), 0);
	fd = accept(f->l.fd, NULL, NULL);
	assert_true(fd >= 0);
	close(fd);
	listener_close(&f->l);
	assert_false(exists(f->path));
	assert_false(exists(f->lock));
	listener_close(&f->l);
	assert_int_equal(f->l.fd, -1);
}

static void test_group(void **state)
{
	const struct peer_policy policy = { .has_group = true, .group = 4242 };
	struct fixture *f = *state;
	mode_t old = umask(077);
	struct stat st;

	assert_int_equal(listener_open(&f->l, f->path, &policy, &f->err), 0);
	umask(old);
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	assert_int_equal(st.st_gid, 4242);
	assert_int_equal(st.st_uid, geteuid());
	assert_int_equal(stat(f->lock, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void test_live(void **state)
{
	struct fixture *f = *state;
	struct stat before, after;
	char want[256];

	open_it(f);
	assert_int_equal(stat(f->path, &before), 0);
	refuses(f, -EBUSY);
	snprintf(want, sizeof(want), "another vireod (process %d) serves %s: use another --run-dir",
		 getpid(), f->path);
	assert_string_equal(f->err.text, want);
	/* the first one's files are untouched */
	assert_int_equal(stat(f->path, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_true(exists(f->lock));
	assert_int_equal(dial(f->path), 0);
}

/* The holder of the lock may not have written its number yet, or anything else. */
static void test_live_unknown(void **state)
{
	struct fixture *f = *state;
	int fd;

	make_file(f->lock, "\x1b[31mnot a number, and a long one at that\n");
	fd = open(f->lock, O_RDWR);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	refuses(f, -EBUSY);
	assert_non_null(strstr(f->err.text, "another vireod (process unknown) serves"));
	assert_int_equal(pwrite(fd, "123x", 4, 0), 4);
	refuses(f, -EBUSY);
	assert_non_null(strstr(f->err.text, "(process 123)"));
	close(fd);
	open_it(f); /* it has ended */
}

/* A daemon that was killed left both files. */
static void test_stale(void **state)
{
	struct fixture *f = *state;
	pid_t pid = fork();
	char text[64] = "", want[32];
	int status, fd;

	assert_true(pid >= 0);
	if (!pid) {
		if (!listener_open(&f->l, f->path, &nobody_else, &f->err))
			kill(getpid(), SIGKILL);
		_exit(1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_true(exists(f->path));
	assert_true(exists(f->lock));
	assert_int_equal(dial(f->path), -ECONNREFUSED);
	open_it(f);
	assert_int_equal(dial(f->path), 0);
	/* nothing of the old number is left */
	fd = open(f->lock, O_RDONLY);
	assert_true(read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	snprintf(want, sizeof(want), "%d\n", getpid());
	assert_string_equal(text, want);
}

/* What is no socket is somebody else's, and stays. */
static void test_foreign_file(void **state)
{
	struct fixture *f = *state;
	char want[256];

	snprintf(want, sizeof(want), "%s is there and is no socket: remove it", f->path);
	make_file(f->path, "precious");
	refuses(f, -EEXIST);
	assert_string_equal(f->err.text, want);
	assert_true(exists(f->path));
	assert_false(exists(f->lock));
	assert_int_equal(unlink(f->path), 0);
	assert_int_equal(symlink("/nowhere", f->path), 0);
	refuses(f, -EEXIST);
	assert_true(exists(f->path));
	assert_int_equal(unlink(f->path), 0);
	open_it(f);
}

/* A link in the lock's place must not have us write into what it points to. */
static void test_lock_link(void **state)
{
	struct fixture *f = *state;
	char victim[128];
	struct stat st;

	snprintf(victim, sizeof(victim), "%s/victim", f->dir);
	make_file(victim, "precious");
	assert_int_equal(symlink(victim, f->lock), 0);
	refuses(f, -ELOOP);
	assert_non_null(strstr(f->err.text, f->lock));
	assert_int_equal(stat(victim, &st), 0);
	assert_int_equal(st.st_size, strlen("precious"));
	assert_false(exists(f->path));
	assert_int_equal(unlink(f->lock), 0);
	assert_int_equal(unlink(victim), 0);
}

static void test_path(void **state)
{
	struct fixture *f = *state;
	struct listener l;
	char path[160], lock[200];

	/* the longest that an address holds, and one more */
	memset(path, 'a', sizeof(path));
	memcpy(path, f->dir, strlen(f->dir));
	path[strlen(f->dir)] = '/';
	path[107] = '\0';
	assert_int_equal(listener_open(&l, path, &nobody_else, &f->err), 0);
	snprintf(lock, sizeof(lock), "%s.lock", path); /* there is no ".sock" to replace */
	assert_true(exists(path));
	assert_true(exists(lock));
	assert_int_equal(dial(path), 0);
	listener_close(&l);
	assert_false(exists(lock));
	path[107] = 'a';
	path[108] = '\0';
	assert_int_equal(listener_open(&l, path, &nobody_else, &f->err), -ENAMETOOLONG);
	assert_int_equal(l.fd, -1);
	assert_non_null(strstr(f->err.text, "107 bytes"));
	snprintf(path, sizeof(path), "%s/none/vireod.sock", f->dir);
	assert_int_equal(listener_open(&l, path, &nobody_else, &f->err), -ENOENT);
	assert_non_null(strstr(f->err.text, "/none/vireod.lock: No such file or directory"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_open),	 TEST(test_group), TEST(test_live),
		TEST(test_live_unknown), TEST(test_stale), TEST(test_foreign_file),
		TEST(test_lock_link),	 TEST(test_path),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}
