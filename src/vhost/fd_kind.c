// SPDX-License-Identifier: Apache-2.0
/* Kinds of file descriptors. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/broker.h"
#include "vhost/fd_kind.h"

enum vhost_fd_kind vhost_fd_kind(int fd)
{
	char link[64], name[64];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, name, sizeof(name) - 1);
	if (n < 0)
		return VHOST_FD_OTHER;
	name[n] = 0;
	if (!strcmp(name, "anon_inode:[eventfd]"))
		return VHOST_FD_EVENTFD;
	return strncmp(name, "pipe:[", 6) ? VHOST_FD_OTHER : VHOST_FD_PIPE;
}

/* A pipe is its maker's, and this process may be somebody else's. */
static int ask_for_pipe(int fd, int access)
{
	struct broker_pipe args = { .access = (uint32_t)access };
	struct broker_call call = {
		.what = BROKER_PIPE, .args = &args, .size = sizeof(args), .fds = &fd, .n_fds = 1
	};

	return broker_ask_file(&call, NULL);
}

int vhost_pipe_open(int fd, int access)
{
	int given = fcntl(fd, F_GETFL) & O_ACCMODE, own;
	char link[64];

	if (given != access && given != O_RDWR)
		return -EBADF;
	if (broker_present())
		return ask_for_pipe(fd, access);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	own = open(link, access | O_NONBLOCK | O_CLOEXEC);
	return own < 0 ? -errno : own;
}
