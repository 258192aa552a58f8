/* SPDX-License-Identifier: Apache-2.0 */
/* File descriptors of all kinds, for fuzzers whose inputs bring some; and a quick way to see that
 * none is lost.
 */
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "input.h"

#define FDS_OPEN_MAX 128 /* those above are not counted */
#define GUEST_LEN (1u << 17)

enum fd_kind {
	FD_GUEST, /* GUEST_LEN bytes of memory, mapped at fd_guest_memory */
	FD_EVENT,
	FD_PIPE_IN,
	FD_PIPE_OUT,
	FD_ZERO,
	FD_SOCKET,
	FD_PAGE, /* one page of memory */
	FD_DIRECTORY,
	FD_KINDS,
};

static int fds_of_kind[FD_KINDS];
static uint8_t *fd_guest_memory;

/* Makes them, once. */
static inline void fds_prepare(void)
{
	int pair[2];

	signal(SIGPIPE, SIG_IGN);
	fds_of_kind[FD_GUEST] = memfd_create("guest", MFD_CLOEXEC);
	fds_of_kind[FD_PAGE] = memfd_create("page", MFD_CLOEXEC);
	require(ftruncate(fds_of_kind[FD_GUEST], GUEST_LEN) == 0);
	require(ftruncate(fds_of_kind[FD_PAGE], 4096) == 0);
	fd_guest_memory =
		mmap(NULL, GUEST_LEN, PROT_READ | PROT_WRITE, MAP_SHARED, fds_of_kind[FD_GUEST], 0);
	require(fd_guest_memory != MAP_FAILED);
	fds_of_kind[FD_EVENT] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	require(pipe2(pair, O_CLOEXEC | O_NONBLOCK) == 0);
	fds_of_kind[FD_PIPE_IN] = pair[0];
	fds_of_kind[FD_PIPE_OUT] = pair[1];
	fds_of_kind[FD_ZERO] = open("/dev/zero", O_RDWR | O_CLOEXEC);
	require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
	fds_of_kind[FD_SOCKET] = pair[0];
	fds_of_kind[FD_DIRECTORY] = open("/", O_RDONLY | O_CLOEXEC);
}

/* One of them, which stays where it is. */
static inline int take_fd(struct input *in)
{
	return fds_of_kind[take_choice(in, FD_KINDS)];
}

/* One more descriptor of the same open file. */
static inline int fd_again(int fd)
{
	int again = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	require(again >= 0);
	return again;
}

/* Takes what waits at a socket and closes the file descriptors that came with it. False: nothing
 * waited. */
static inline bool drop_packet(int fd)
{
	static uint8_t bytes[8192];
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * 64)];
	} control;
	struct iovec iov = { bytes, sizeof(bytes) };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *c;
	int got;

	if (recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) <= 0)
		return false;
	require(!(msg.msg_flags & MSG_CTRUNC));
	c = CMSG_FIRSTHDR(&msg);
	for (size_t at = CMSG_LEN(0); c && at < c->cmsg_len; at += sizeof(got)) {
		memcpy(&got, (uint8_t *)c + at, sizeof(got));
		close(got);
	}
	return true;
}

/* How many of the lowest FDS_OPEN_MAX file descriptors are open. One system call: what is closed
 * polls as such. */
static inline unsigned fds_open(void)
{
	static struct pollfd all[FDS_OPEN_MAX];
	unsigned n = 0;

	for (int i = 0; i < FDS_OPEN_MAX; i++)
		all[i].fd = i;
	require(poll(all, FDS_OPEN_MAX, 0) >= 0);
	for (int i = 0; i < FDS_OPEN_MAX; i++)
		n += !(all[i].revents & POLLNVAL);
	return n;
}
