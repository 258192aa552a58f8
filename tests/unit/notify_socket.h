/* SPDX-License-Identifier: Apache-2.0 */
/* For tests of what the keeper tells the service manager: its socket, played by the test. */
#pragma once

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "fds.h"

#define UNUSED_OK __attribute__((unused))

/* Listens, and says so in the environment. Returns the socket. */
UNUSED_OK static int open_notify_socket(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	socklen_t len = sizeof(addr);
	char name[sizeof(addr.sun_path)];

	/* an abstract name that the kernel chooses */
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(sa_family_t)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
	snprintf(name, sizeof(name), "@%.*s", (int)(len - sizeof(sa_family_t) - 1),
		 addr.sun_path + 1);
	setenv("NOTIFY_SOCKET", name, 1);
	return fd;
}

UNUSED_OK static void close_notify_socket(int fd)
{
	unsetenv("NOTIFY_SOCKET");
	close(fd);
}

/* The next message, "" when there is none, and whether a descriptor came with it, which is closed.
 */
UNUSED_OK static const char *hear(int fd, bool *with_fd)
{
	static char text[512];
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { text, sizeof(text) - 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(fd, &msg, 0);
	struct cmsghdr *c = n >= 0 ? CMSG_FIRSTHDR(&msg) : NULL;
	int came;

	*with_fd = c != NULL;
	if (c) {
		memcpy(&came, CMSG_DATA(c), sizeof(came));
		close(came);
	}
	text[n < 0 ? 0 : n] = 0;
	return text;
}
