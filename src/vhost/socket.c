// SPDX-License-Identifier: Apache-2.0
/* Socket files: made with the right owner before anybody can connect, replaced when stale, removed
 * when they are ours.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "vhost/socket.h"

#define BACKLOG 4

int vhost_socket_check_path(const char *path, struct error *err)
{
	size_t len = strlen(path);
	struct sockaddr_un addr;

	if (len == 0)
		return error_set(err, -EINVAL, "the socket's path is empty");
	if (len >= sizeof(addr.sun_path))
		return error_set(err, -ENAMETOOLONG,
				 "the socket's path has %zu bytes, at most %zu are possible", len,
				 sizeof(addr.sun_path) - 1);
	return 0;
}

static struct sockaddr_un make_address(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	return addr;
}

static int make_socket(struct error *err)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return error_set(err, -errno, "cannot make a socket: %s", strerror(errno));
	return fd;
}

int vhost_socket_connect(const char *path, struct error *err)
{
	struct sockaddr_un addr = make_address(path);
	int fd, rc;

	rc = vhost_socket_check_path(path, err);
	if (rc)
		return rc;
	fd = make_socket(err);
	if (fd < 0)
		return fd;
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0) {
		rc = error_set(err, -errno, "cannot connect to %s: %s", path, strerror(errno));
		close(fd);
		return rc;
	}
	return fd;
}

/* Asks the kernel whether the socket file @path belongs to a socket, without a connection that its
 * owner would see: a datagram socket is refused as of the wrong type (or connected, to one of its
 * own). Returns 0, -ECONNREFUSED when nobody has the file, or why it cannot be told.
 */
static int probe(const char *path)
{
	struct sockaddr_un addr = make_address(path);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), rc = 0;

	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0 && errno != EPROTOTYPE)
		rc = -errno;
	close(fd);
	return rc;
}

/* Removes what a dead listener has left. Returns 0 when the path is free now. */
static int clear_path(const char *path, struct error *err)
{
	struct stat st;
	int rc;

	if (lstat(path, &st) != 0) {
		if (errno == ENOENT)
			return 0;
		return error_set(err, -errno, "%s: %s", path, strerror(errno));
	}
	if (!S_ISSOCK(st.st_mode))
		return error_set(err, -EEXIST, "%s exists and is no socket: choose another path",
				 path);
	rc = probe(path);
	if (rc == 0)
		return error_set(err, -EADDRINUSE,
				 "%s is in use: another port or process listens there; choose "
				 "another path",
				 path);
	if (rc == -ENOENT)
		return 0;
	if (rc != -ECONNREFUSED)
		return error_set(err, rc, "%s: cannot tell whether it is in use: %s", path,
				 strerror(-rc));
	if (unlink(path) != 0 && errno != ENOENT)
		return error_set(err, -errno, "cannot remove the stale socket %s: %s", path,
				 strerror(errno));
	return 0;
}

/* Owner and mode of the new socket file, through an fd that cannot be led to another file. */
static int set_rights(const char *path, const struct vhost_socket_rights *rights,
		      struct vhost_socket_file *file, struct error *err)
{
	int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	char self[64];
	struct stat st;
	int rc = 0;

	if (fd < 0 || fstat(fd, &st) != 0 || !S_ISSOCK(st.st_mode)) {
		rc = error_set(err, -EIO, "%s was replaced while it was made", path);
		goto out;
	}
	file->dev = st.st_dev;
	file->ino = st.st_ino;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	if ((rights->uid >= 0 || rights->gid >= 0) &&
	    fchownat(fd, "", (uid_t)rights->uid, (gid_t)rights->gid, AT_EMPTY_PATH) != 0)
		rc = error_set(err, -errno, "cannot change the owner or group of %s: %s", path,
			       strerror(errno));
	else if (chmod(self, rights->mode >= 0 ? (mode_t)rights->mode & 07777 : 0600) != 0)
		rc = error_set(err, -errno, "cannot set the mode of %s: %s", path, strerror(errno));
out:
	if (fd >= 0)
		close(fd);
	return rc;
}

int vhost_socket_listen(const char *path, const struct vhost_socket_rights *rights,
			struct vhost_socket_file *file, struct error *err)
{
	struct sockaddr_un addr = make_address(path);
	int fd, rc;

	file->ino = 0;
	rc = vhost_socket_check_path(path, err);
	if (rc)
		return rc;
	rc = clear_path(path, err);
	if (rc)
		return rc;
	fd = make_socket(err);
	if (fd < 0)
		return fd;
	/* The file gets no more rights than the socket has at bind(), and nobody can connect before
	 * listen(). */
	if (fchmod(fd, 0600) != 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0) {
		rc = error_set(err, -errno, "cannot make the socket %s: %s", path, strerror(errno));
		goto fail;
	}
	rc = set_rights(path, rights, file, err);
	if (rc)
		goto fail_remove;
	if (listen(fd, BACKLOG) != 0) {
		rc = error_set(err, -errno, "cannot listen on %s: %s", path, strerror(errno));
		goto fail_remove;
	}
	return fd;
fail_remove:
	vhost_socket_remove(path, file);
fail:
	close(fd);
	return rc;
}

void vhost_socket_remove(const char *path, const struct vhost_socket_file *file)
{
	struct stat st;

	if (file->ino && lstat(path, &st) == 0 && st.st_dev == file->dev && st.st_ino == file->ino)
		unlink(path);
}

bool vhost_socket_hung_up(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLRDHUP };

	return poll(&p, 1, 0) == 1 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR));
}

int vhost_socket_peer_pid(int fd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) != 0)
		return 0;
	return cred.pid;
}

static bool is_nameless(int fd, int (*get)(int, struct sockaddr *, socklen_t *))
{
	struct sockaddr_un addr = { 0 };
	socklen_t len = sizeof(addr);

	return get(fd, (struct sockaddr *)&addr, &len) == 0 && addr.sun_family == AF_UNIX &&
	       len == sizeof(sa_family_t);
}

static int get_own_name(int fd, struct sockaddr *addr, socklen_t *len)
{
	return getsockname(fd, addr, len);
}

static int get_peer_name(int fd, struct sockaddr *addr, socklen_t *len)
{
	return getpeername(fd, addr, len);
}

bool vhost_socket_is_pair(int fd)
{
	return is_nameless(fd, get_own_name) && is_nameless(fd, get_peer_name);
}
