// SPDX-License-Identifier: Apache-2.0
/* Sockets that are files, and the control socket's lock. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/listener.h"

#define BACKLOG 64

/* "/run/vireo/vireod.sock" -> "/run/vireo/vireod.lock" */
static char *lock_path_of(const char *path)
{
	size_t len = strlen(path);
	char *lock;

	if (len > 5 && !strcmp(path + len - 5, ".sock"))
		len -= 5;
	return asprintf(&lock, "%.*s.lock", (int)len, path) < 0 ? NULL : lock;
}

static int refuse_second(int lock_fd, const char *path, struct error *err)
{
	char pid[16];
	ssize_t n = pread(lock_fd, pid, sizeof(pid) - 1, 0);

	if (n < 0)
		n = 0;
	pid[n] = '\0';
	pid[strspn(pid, "0123456789")] = '\0';
	return error_set(err, -EBUSY,
			 "another vireod (process %s) serves %s: use another --run-dir",
			 *pid ? pid : "unknown", path);
}

/* Takes the lock; returns its fd. Who ends removes the file, so the file that is locked in the end
 * must be the one that has the name.
 */
static int take_lock(const struct listener *l, struct error *err)
{
	struct stat opened, named;
	int fd, ret;

	for (;;) {
		fd = open(l->lock_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd < 0) {
			ret = -errno;
			return error_set(err, ret,
					 "cannot open %s: %s (--run-dir names another place)",
					 l->lock_path, strerror(-ret));
		}
		if (flock(fd, LOCK_EX | LOCK_NB)) {
			ret = errno == EWOULDBLOCK
				      ? refuse_second(fd, l->path, err)
				      : error_set(err, -errno, "cannot lock %s", l->lock_path);
			break;
		}
		if (!fstat(fd, &opened) && !lstat(l->lock_path, &named) &&
		    opened.st_ino == named.st_ino && opened.st_dev == named.st_dev) {
			if (ftruncate(fd, 0) || dprintf(fd, "%d\n", getpid()) < 0) {
				/* the number is for people; the lock holds without it */
			}
			return fd;
		}
		close(fd);
	}
	close(fd);
	return ret;
}

/* Removes a dead daemon's socket; refuses to remove anything else. */
static int remove_stale(const char *path, struct error *err)
{
	struct stat st;

	if (lstat(path, &st))
		return 0;
	if (!S_ISSOCK(st.st_mode))
		return error_set(err, -EEXIST, "%s is there and is no socket: remove it", path);
	if (unlink(path) && errno != ENOENT)
		return error_set(err, -errno, "cannot remove the old %s: %s", path,
				 strerror(errno));
	return 0;
}

/* Whether somebody listens at @path, whose file may have been left behind. */
static bool is_served(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	bool served;

	if (fd < 0)
		return false;
	memcpy(addr.sun_path, path, strlen(path));
	served = !connect(fd, (struct sockaddr *)&addr, sizeof(addr)) || errno == EAGAIN;
	close(fd);
	return served;
}

static int check_path(const char *path, struct error *err)
{
	assert(path);
	if (strlen(path) < sizeof(((struct sockaddr_un *)NULL)->sun_path))
		return 0;
	return error_set(err, -ENAMETOOLONG,
			 "the socket's path %s is longer than the 107 bytes that are possible: use "
			 "another --run-dir",
			 path);
}

/* Returns the socket. */
static int bind_socket(const char *path, const struct peer_policy *policy, struct error *err)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), ret;
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	assert(path);
	memcpy(addr.sun_path, path, strlen(path));
	/* the file gets the socket's own mode, whatever the umask leaves of it */
	if (fd < 0 || fchmod(fd, 0600)) {
		ret = error_set(err, -errno, "cannot make a socket: %s", strerror(errno));
		goto fail;
	}
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		ret = error_set(err, -errno, "cannot make %s: %s", path, strerror(errno));
		goto fail;
	}
	if ((policy->has_group && (lchown(path, (uid_t)-1, policy->group) || chmod(path, 0660))) ||
	    listen(fd, BACKLOG)) {
		ret = error_set(err, -errno, "cannot open %s to group %u: %s", path, policy->group,
				strerror(errno));
		unlink(path);
		goto fail;
	}
	return fd;
fail:
	if (fd >= 0)
		close(fd);
	return ret;
}

int listener_bind(const char *path, const struct peer_policy *policy, struct error *err)
{
	int ret = check_path(path, err);

	if (ret)
		return ret;
	if (is_served(path))
		return error_set(err, -EBUSY, "another process serves %s", path);
	ret = remove_stale(path, err);
	return ret ? ret : bind_socket(path, policy, err);
}

int listener_open(struct listener *l, const char *path, const struct peer_policy *policy,
		  struct error *err)
{
	int ret;

	*l = (struct listener){ .fd = -1, .lock_fd = -1 };
	ret = check_path(path, err);
	if (ret)
		return ret;
	ret = -ENOMEM;
	l->path = strdup(path);
	l->lock_path = lock_path_of(path);
	if (!l->path || !l->lock_path) {
		error_set(err, ret, "out of memory");
		goto fail;
	}
	ret = take_lock(l, err);
	if (ret < 0)
		goto fail;
	l->lock_fd = ret;
	ret = remove_stale(path, err);
	if (!ret)
		ret = bind_socket(path, policy, err);
	if (ret < 0)
		goto fail_lock;
	l->fd = ret;
	return 0;
fail_lock:
	unlink(l->lock_path);
	close(l->lock_fd);
fail:
	free(l->lock_path);
	free(l->path);
	*l = (struct listener){ .fd = -1, .lock_fd = -1 };
	return ret;
}

int listener_adopt(struct listener *l, const char *path, int fd, int lock_fd)
{
	*l = (struct listener){ .fd = fd, .lock_fd = lock_fd, .adopted = true };
	l->path = strdup(path);
	l->lock_path = lock_path_of(path);
	if (l->path && l->lock_path)
		return 0;
	close(fd);
	close(lock_fd);
	free(l->path);
	free(l->lock_path);
	*l = (struct listener){ .fd = -1, .lock_fd = -1 };
	return -ENOMEM;
}

void listener_remove(const char *path)
{
	char *lock_path = lock_path_of(path);

	unlink(path);
	if (lock_path)
		unlink(lock_path);
	free(lock_path);
}

void listener_close(struct listener *l)
{
	if (l->fd < 0)
		return;
	if (!l->adopted)
		listener_remove(l->path);
	close(l->fd);
	close(l->lock_fd);
	free(l->path);
	free(l->lock_path);
	*l = (struct listener){ .fd = -1, .lock_fd = -1 };
}
