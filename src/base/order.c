// SPDX-License-Identifier: Apache-2.0
/* Orders: a message in a pair of sockets. */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/order.h"

#define TEXT_MAX (PATH_MAX + 64) /* bytes, with the end */

/* Returns the length, or -ENAMETOOLONG. */
static int make_text(char text[TEXT_MAX], const char *what, const char *path)
{
	int len = snprintf(text, TEXT_MAX, "%s%s", what, path);

	return len < TEXT_MAX ? len : -ENAMETOOLONG;
}

union credentials {
	struct cmsghdr header;
	char bytes[CMSG_SPACE(sizeof(struct ucred))];
};

/* Sends @text, and says who does: the kernel looks whether that is true. 0 or -errno. */
static int send_text(int fd, const char *text, size_t len)
{
	const struct ucred self = { .pid = getpid(), .uid = geteuid(), .gid = getegid() };
	union credentials control = { .header = { .cmsg_level = SOL_SOCKET,
						  .cmsg_type = SCM_CREDENTIALS,
						  .cmsg_len = CMSG_LEN(sizeof(self)) } };
	struct iovec iov = { (void *)text, len };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };

	memcpy(CMSG_DATA(&control.header), &self, sizeof(self));
	return sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)len ? 0 : -errno;
}

int order_give(const char *what, const char *path, int ends[2])
{
	char text[TEXT_MAX];
	int len = make_text(text, what, path), rc;

	if (len < 0)
		return len;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	rc = send_text(ends[1], text, (size_t)len);
	if (!rc)
		return 0;
	close(ends[0]);
	close(ends[1]);
	return rc;
}

static bool is(int fd, int option, int value)
{
	socklen_t len = sizeof(int);
	int found;

	return getsockopt(fd, SOL_SOCKET, option, &found, &len) == 0 && found == value;
}

/* Of this kind are the keeper's own links, in which nothing begins like an order, and what else
 * root has made for others: so who has sent the order is asked, too. */
static bool is_roots(int fd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	return is(fd, SO_DOMAIN, AF_UNIX) && is(fd, SO_TYPE, SOCK_SEQPACKET) &&
	       getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 && cred.uid == 0;
}

static bool is_kept_up(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLRDHUP };

	return poll(&p, 1, 0) == 0;
}

/* Reads what waits. Its length, or -1 when it is not root who has sent it. */
static ssize_t receive_roots(int fd, char text[TEXT_MAX])
{
	union credentials control;
	struct iovec iov = { text, TEXT_MAX };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	const struct cmsghdr *c;
	struct ucred sender;
	ssize_t len;
	int on = 1;

	if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0)
		return -1;
	len = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	c = len < 0 ? NULL : CMSG_FIRSTHDR(&msg);
	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_CREDENTIALS)
		return -1;
	memcpy(&sender, CMSG_DATA(c), sizeof(sender));
	return sender.uid == 0 ? len : -1;
}

int order_take(int fd, const char *what, const char *path, struct error *err)
{
	char text[TEXT_MAX], found[TEXT_MAX];
	int len = make_text(text, what, path);

	if (len < 0)
		return error_set(err, -EPERM, "the program's path is too long");
	if (!is_roots(fd))
		return error_set(err, -EPERM, "root has not ordered it");
	if (!is_kept_up(fd))
		return error_set(err, -EPERM, "who has ordered it does not wait for it any more");
	if (receive_roots(fd, found) != len || memcmp(found, text, (size_t)len) != 0)
		return error_set(err, -EPERM, "root has ordered something else");
	return 0;
}
