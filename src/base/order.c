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

int order_give(const char *what, const char *path, int ends[2])
{
	char text[TEXT_MAX];
	int len = make_text(text, what, path), rc = 0;

	if (len < 0)
		return len;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	if (send(ends[1], text, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL) == len)
		return 0;
	rc = -errno;
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

/* No other socket that somebody could have at hand is of this kind but the keeper's own links, in
 * which nothing begins like an order. */
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
	if (recv(fd, found, sizeof(found), MSG_DONTWAIT) != len ||
	    memcmp(found, text, (size_t)len) != 0)
		return error_set(err, -EPERM, "root has ordered something else");
	return 0;
}
