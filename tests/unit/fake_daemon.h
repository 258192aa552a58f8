/* SPDX-License-Identifier: Apache-2.0 */
/* A thread that answers the command line's calls with texts that the test chose:
 *
 *	test -> client -- DIR/vireod.sock -- thread
 */
#pragma once

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define RESULT(json) "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":" json "}\n"
#define REFUSAL(text) \
	"{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32000,\"message\":\"" text "\"}}\n"

/* To a request in which @when is found (NULL: before any is read), the bytes @answer; then the
 * connection is closed. The first that fits counts; with none, nothing is answered.
 */
struct reply {
	const char *when, *answer;
};

/* Read what it says of the last request only when it was stopped. */
struct fake_daemon {
	char dir[32], path[64];
	int listener;
	pthread_t thread;
	const struct reply *replies; /* ended by a NULL answer */
	/* Set before a request with a file: messages, ended by NULL, that are sent to it before the
	 * answer; then it is closed. NULL: it is kept. */
	const char *const *messages;
	/* the last request */
	char request[4096];
	int file; /* that came with its first byte, or -1 */
};

static inline void fake_daemon_keep_file(struct fake_daemon *d, struct msghdr *msg)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(msg);

	if (!c || c->cmsg_type != SCM_RIGHTS)
		return;
	if (d->file >= 0)
		close(d->file);
	memcpy(&d->file, CMSG_DATA(c), sizeof(d->file));
}

/* Reads a line. */
static inline void fake_daemon_read(struct fake_daemon *d, int fd)
{
	size_t len = 0;

	while (len < sizeof(d->request) - 1) {
		union {
			struct cmsghdr align;
			char bytes[CMSG_SPACE(sizeof(int))];
		} control;
		struct iovec iov = { d->request + len, sizeof(d->request) - 1 - len };
		struct msghdr msg = { .msg_iov = &iov,
				      .msg_iovlen = 1,
				      .msg_control = &control,
				      .msg_controllen = sizeof(control) };
		ssize_t n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);

		if (n <= 0)
			break;
		fake_daemon_keep_file(d, &msg);
		len += (size_t)n;
		if (d->request[len - 1] == '\n')
			break;
	}
	d->request[len] = '\0';
}

static inline void fake_daemon_tell(struct fake_daemon *d)
{
	for (const char *const *m = d->messages; *m; m++)
		if (send(d->file, *m, strlen(*m), MSG_NOSIGNAL) < 0)
			assert(0);
	close(d->file);
	d->file = -1;
}

static inline void fake_daemon_answer(struct fake_daemon *d, int fd)
{
	const struct reply *r = d->replies;
	size_t left;

	if (r->when)
		fake_daemon_read(d, fd);
	while (r->answer && r->when && !strstr(d->request, r->when))
		r++;
	if (d->messages)
		fake_daemon_tell(d);
	left = r->answer ? strlen(r->answer) : 0;
	for (const char *at = r->answer; left;) {
		ssize_t n = send(fd, at, left, MSG_NOSIGNAL);

		if (n <= 0)
			break;
		at += n;
		left -= (size_t)n;
	}
}

static inline void *fake_daemon_run(void *arg)
{
	struct fake_daemon *d = arg;
	int fd;

	while ((fd = accept4(d->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		fake_daemon_answer(d, fd);
		close(fd);
	}
	return NULL;
}

/* Listens in a new directory. */
static inline void fake_daemon_start(struct fake_daemon *d, const struct reply *replies)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	*d = (struct fake_daemon){ .dir = "/tmp/vireo-test-XXXXXX",
				   .replies = replies,
				   .file = -1 };
	if (!mkdtemp(d->dir))
		assert(0);
	snprintf(d->path, sizeof(d->path), "%s/vireod.sock", d->dir);
	memcpy(addr.sun_path, d->path, sizeof(d->path));
	d->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(d->listener, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    listen(d->listener, 8) < 0 || pthread_create(&d->thread, NULL, fake_daemon_run, d) != 0)
		assert(0);
}

/* Ends the thread; the socket's name stays, and nobody listens there. */
static inline void fake_daemon_stop(struct fake_daemon *d)
{
	shutdown(d->listener, SHUT_RDWR);
	pthread_join(d->thread, NULL);
	close(d->listener);
}

/* After the stop: takes the rest away. */
static inline void fake_daemon_clean(struct fake_daemon *d)
{
	if (d->file >= 0)
		close(d->file);
	unlink(d->path);
	rmdir(d->dir);
}
