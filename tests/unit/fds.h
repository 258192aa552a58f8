/* SPDX-License-Identifier: Apache-2.0 */
/* File descriptors in tests: counting them, to see that none is lost, and sending some. */
#pragma once

#include <assert.h>
#include <dirent.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>

#define SEND_FDS_MAX 64

/* File descriptors that this process has open. */
static inline unsigned count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	assert(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

/* Sends @len bytes and, with the first of them, @n <= SEND_FDS_MAX file descriptors. As sendmsg(2).
 */
static inline ssize_t send_fds(int fd, const void *bytes, size_t len, const int *fds, unsigned n,
			       int flags)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(SEND_FDS_MAX * sizeof(int))];
	} control = { 0 };
	struct iovec iov = { .iov_base = (void *)bytes, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	assert(n <= SEND_FDS_MAX);
	if (n) {
		struct cmsghdr *c;

		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(n * sizeof(int));
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n * sizeof(int));
	}
	return sendmsg(fd, &msg, flags);
}
