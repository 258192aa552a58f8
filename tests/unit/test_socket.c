// SPDX-License-Identifier: Apache-2.0
/* Socket files: rights, stale and live ones, what is no socket, removal. */
#include <sys/stat.h>

#include "vhost/socket.h"
#include "vhost_peer.h"

static const struct vhost_socket_rights plain = { -1, -1, -1 };

struct place {
	char dir[64], path[96];
	unsigned n_fds;
};

static int make_place(void **state)
{
	static struct place p;

	p.n_fds = count_fds();
	snprintf(p.dir, sizeof(p.dir), "/tmp/vireo-test-XXXXXX");
	assert_non_null(mkdtemp(p.dir));
	snprintf(p.path, sizeof(p.path), "%s/s", p.dir);
	*state = &p;
	return 0;
}

static int leave_place(void **state)
{
	struct place *p = *state;

	return rmdir(p->dir) == 0 && count_fds() == p->n_fds ? 0 : -1;
}

static void test_listen_and_remove(void **state)
{
	struct place *p = *state;
	struct vhost_socket_file file;
	struct error err;
	struct stat st;
	mode_t mask = umask(0);
	int fd, peer;

	fd = vhost_socket_listen(p->path, &plain, &file, &err);
	umask(mask);
	assert_true(fd >= 0);
	assert_int_equal(stat(p->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	peer = vhost_socket_connect(p->path, &err);
	assert_true(peer >= 0);
	assert_int_equal(vhost_socket_peer_pid(peer), getpid());
	assert_false(vhost_socket_hung_up(peer));
	close(fd);
	assert_true(vhost_socket_hung_up(peer));
	close(peer);
	vhost_socket_remove(p->path, &file);
	assert_int_equal(lstat(p->path, &st), -1);
	vhost_socket_remove(p->path, &file);
}

static void test_rights(void **state)
{
	struct place *p = *state;
	struct vhost_socket_rights rights = { -1, -1, 0666 };
	struct vhost_socket_file file;
	struct error err;
	struct stat st;
	mode_t mask = umask(0077);
	int fd;

	if (geteuid() == 0)
		rights.uid = rights.gid = 4711;
	fd = vhost_socket_listen(p->path, &rights, &file, &err);
	umask(mask);
	assert_true(fd >= 0);
	assert_int_equal(stat(p->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0666); /* whatever umask says */
	if (geteuid() == 0) {
		assert_int_equal(st.st_uid, 4711);
		assert_int_equal(st.st_gid, 4711);
	}
	vhost_socket_remove(p->path, &file);
	close(fd);
	rights = (struct vhost_socket_rights){ -1, -1, 0 };
	fd = vhost_socket_listen(p->path, &rights, &file, &err);
	assert_true(fd >= 0);
	assert_int_equal(stat(p->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0);
	vhost_socket_remove(p->path, &file);
	close(fd);
}

static void test_stale_is_replaced(void **state)
{
	struct place *p = *state;
	struct vhost_socket_file old, new;
	struct error err;
	int fd;

	fd = vhost_socket_listen(p->path, &plain, &old, &err);
	assert_true(fd >= 0);
	close(fd); /* as if the process had been killed */
	fd = vhost_socket_listen(p->path, &plain, &new, &err);
	assert_true(fd >= 0);
	close(fd);
	vhost_socket_remove(p->path, &new);
}

static void test_live_is_left_alone(void **state)
{
	struct place *p = *state;
	struct vhost_socket_file file, other;
	struct error err;
	struct stat before, after;
	int fd, peers[16], n = 0;

	fd = vhost_socket_listen(p->path, &plain, &file, &err);
	assert_int_equal(lstat(p->path, &before), 0);
	assert_int_equal(vhost_socket_listen(p->path, &plain, &other, &err), -EADDRINUSE);
	assert_non_null(strstr(err.text, "is in use"));
	assert_int_equal(accept(fd, NULL, NULL), -1); /* it saw nobody */
	/* also when it is too busy to answer */
	while (n < 16 && (peers[n] = vhost_socket_connect(p->path, &err)) >= 0)
		n++;
	assert_true(n > 0 && n < 16);
	assert_int_equal(peers[n], -EAGAIN);
	assert_int_equal(vhost_socket_listen(p->path, &plain, &other, &err), -EADDRINUSE);
	assert_int_equal(lstat(p->path, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	while (n > 0)
		close(peers[--n]);
	vhost_socket_remove(p->path, &file);
	close(fd);
}

/* Somebody's datagram socket, file, link, directory: none of ours. */
static void test_others_are_left_alone(void **state)
{
	struct place *p = *state;
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct vhost_socket_file file;
	struct error err;
	struct stat st;
	int fd;

	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	strcpy(addr.sun_path, p->path);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(vhost_socket_listen(p->path, &plain, &file, &err), -EADDRINUSE);
	close(fd);
	unlink(p->path);

	close(open(p->path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	assert_int_equal(vhost_socket_listen(p->path, &plain, &file, &err), -EEXIST);
	assert_non_null(strstr(err.text, "is no socket"));
	assert_int_equal(lstat(p->path, &st), 0);
	assert_true(S_ISREG(st.st_mode));
	unlink(p->path);

	assert_int_equal(symlink("/nowhere", p->path), 0);
	assert_int_equal(vhost_socket_listen(p->path, &plain, &file, &err), -EEXIST);
	unlink(p->path);

	assert_int_equal(mkdir(p->path, 0700), 0);
	assert_int_equal(vhost_socket_listen(p->path, &plain, &file, &err), -EEXIST);
	rmdir(p->path);
}

static void test_bad_paths(void **state)
{
	struct place *p = *state;
	struct vhost_socket_file file;
	struct error err;
	char path[128];

	memset(path, 'x', sizeof(path));
	memcpy(path, "/tmp/", 5);
	path[108] = '\0';
	assert_int_equal(vhost_socket_listen(path, &plain, &file, &err), -ENAMETOOLONG);
	assert_string_equal(err.text, "the socket's path has 108 bytes, at most 107 are possible");
	assert_int_equal(vhost_socket_connect(path, &err), -ENAMETOOLONG);
	path[107] = '\0';
	assert_int_equal(vhost_socket_check_path(path, &err), 0);
	assert_int_equal(vhost_socket_listen("", &plain, &file, &err), -EINVAL);
	snprintf(path, sizeof(path), "%s/none/s", p->dir);
	assert_int_equal(vhost_socket_listen(path, &plain, &file, &err), -ENOENT);
	assert_non_null(strstr(err.text, path));
	assert_int_equal(vhost_socket_connect(path, &err), -ENOENT);
}

/* A socket that another process has put there since is not removed. */
static void test_remove_only_ours(void **state)
{
	struct place *p = *state;
	struct vhost_socket_file ours, theirs;
	struct error err;
	struct stat st;
	int fd, other;

	fd = vhost_socket_listen(p->path, &plain, &ours, &err);
	unlink(p->path);
	other = vhost_socket_listen(p->path, &plain, &theirs, &err);
	assert_true(fd >= 0 && other >= 0);
	if (ours.ino != theirs.ino) /* inode numbers may be used again */
		vhost_socket_remove(p->path, &ours);
	assert_int_equal(lstat(p->path, &st), 0);
	close(fd);
	close(other);
	vhost_socket_remove(p->path, &theirs);
}

static void test_pair(void **state)
{
	struct place *p = *state;
	struct vhost_socket_file file;
	struct error err;
	int pair[2], listener, ours, theirs, event = eventfd(0, EFD_CLOEXEC);

	listener = vhost_socket_listen(p->path, &plain, &file, &err);
	ours = vhost_socket_connect(p->path, &err);
	theirs = accept(listener, NULL, NULL);
	assert_true(listener >= 0 && ours >= 0 && theirs >= 0 && event >= 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_true(vhost_socket_is_pair(pair[0]));
	assert_true(vhost_socket_is_pair(pair[1]));
	assert_false(vhost_socket_is_pair(ours));
	assert_false(vhost_socket_is_pair(theirs));
	assert_false(vhost_socket_is_pair(listener));
	assert_false(vhost_socket_is_pair(event));
	assert_false(vhost_socket_is_pair(-1));
	close(event);
	close(pair[0]);
	close(pair[1]);
	close(ours);
	close(theirs);
	close(listener);
	vhost_socket_remove(p->path, &file);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, make_place, leave_place)
	const struct CMUnitTest tests[] = {
		T(test_listen_and_remove),     T(test_rights),
		T(test_stale_is_replaced),     T(test_live_is_left_alone),
		T(test_others_are_left_alone), T(test_bad_paths),
		T(test_remove_only_ours),      T(test_pair),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
