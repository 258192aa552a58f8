/* SPDX-License-Identifier: Apache-2.0 */
/* For tests of the keeper and of the switch's end of it: packets by hand. Everything runs in one
 * thread.
 */
#pragma once

#include <sys/stat.h>

#include "keeper/link.h"
#include "vhost_peer.h"

/* The two ends of a new link. */
UNUSED_OK static void make_pair(int pair[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
}

/* A packet as it is; its fds are closed. */
UNUSED_OK static void put_packet(int fd, struct keeper_packet *p)
{
	uint8_t bytes[sizeof(p->header) + KEEPER_PAYLOAD_MAX];

	memcpy(bytes, &p->header, sizeof(p->header));
	memcpy(bytes + sizeof(p->header), p->bytes, p->header.size);
	send_bytes(fd, bytes, sizeof(p->header) + p->header.size, p->fds, p->n_fds);
	keeper_packet_close_fds(p);
}

/* One with a payload. */
UNUSED_OK static void put(int fd, enum keeper_kind kind, uint32_t device, uint32_t connection,
			  const void *payload, size_t size)
{
	struct keeper_packet p;

	keeper_packet_init(&p, kind, device, connection);
	p.header.size = (uint32_t)size;
	if (size)
		memcpy(p.bytes, payload, size);
	put_packet(fd, &p);
}

/* The next packet, if there is one. */
UNUSED_OK static bool get_packet(int fd, struct keeper_packet *p)
{
	struct iovec iov[] = { { &p->header, sizeof(p->header) },
			       { p->bytes, KEEPER_PAYLOAD_MAX } };
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * KEEPER_FDS_MAX)];
	} control;
	struct msghdr msg = { .msg_iov = iov,
			      .msg_iovlen = 2,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	struct cmsghdr *c;

	p->n_fds = 0;
	if (n < 0 && errno == EAGAIN)
		return false;
	assert_int_equal(n, sizeof(p->header) + p->header.size);
	c = CMSG_FIRSTHDR(&msg);
	if (c) {
		p->n_fds = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(p->fds, CMSG_DATA(c), p->n_fds * sizeof(int));
	}
	return true;
}

/* Whether both are the same file; for eventfds, see same_event(). */
UNUSED_OK static bool same_file(int a, int b)
{
	struct stat sa, sb;

	return fstat(a, &sa) == 0 && fstat(b, &sb) == 0 && sa.st_ino == sb.st_ino;
}

/* Whether what is written to @a is read from @b. */
UNUSED_OK static bool same_event(int a, int b)
{
	uint64_t value = 1, back = 0;

	fcntl(b, F_SETFL, O_NONBLOCK);
	return write(a, &value, sizeof(value)) == sizeof(value) &&
	       read(b, &back, sizeof(back)) == sizeof(back) && back == 1;
}
