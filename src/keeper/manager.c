// SPDX-License-Identifier: Apache-2.0
/* Datagrams to the service manager's socket, and what it leaves in the environment. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "keeper/manager.h"

#define FIRST_FD 3   /* SD_LISTEN_FDS_START */
#define PATIENCE_S 1 /* of ours, with a manager that reads nothing */

LOG_MODULE("keeper");

/* ---- to the manager */

/* Sends @state, with @fd if that is not -1. */
static int send_state(const char *state, int fd)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct timeval patience = { .tv_sec = PATIENCE_S };
	struct iovec iov = { (void *)state, strlen(state) };
	struct msghdr msg = { .msg_name = &addr, .msg_iov = &iov, .msg_iovlen = 1 };
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	size_t len = path ? strlen(path) : 0;
	int sock, rc = 0;

	if (!len || len >= sizeof(addr.sun_path))
		return 0;
	memcpy(addr.sun_path, path, len);
	if (path[0] == '@')
		addr.sun_path[0] = 0;
	msg.msg_namelen = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	if (fd >= 0) {
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	}
	sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (sock < 0)
		return -errno;
	setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	do {
		rc = sendmsg(sock, &msg, MSG_NOSIGNAL) < 0 ? -errno : 0;
	} while (rc == -EINTR);
	close(sock);
	return rc;
}

void manager_notify(const char *state)
{
	int rc = send_state(state, -1);

	if (rc)
		log_limited(LOG_WARNING, "cannot tell the service manager \"%s\": %s", state,
			    strerror(-rc));
}

int manager_store(const char *name, int fd)
{
	char state[64 + NAME_MAX];

	snprintf(state, sizeof(state), "FDSTORE=1\nFDPOLL=0\nFDNAME=%s", name);
	return send_state(state, fd);
}

void manager_unstore(const char *name)
{
	char state[64 + NAME_MAX];

	snprintf(state, sizeof(state), "FDSTOREREMOVE=1\nFDNAME=%s", name);
	manager_notify(state);
}

/* ---- from the manager */

/* A number in the environment; 0 when there is none. */
static unsigned long number_of(const char *variable)
{
	const char *text = getenv(variable);

	return text ? strtoul(text, NULL, 10) : 0;
}

/* Splits @text, which ends up in the same memory as the array, into @n names. */
static char **split(const char *text, unsigned n)
{
	size_t array = (n + 1) * sizeof(char *), len = strlen(text) + 1;
	char **names = calloc(1, array + len), *at;

	if (!names)
		return NULL;
	at = (char *)names + array;
	memcpy(at, text, len);
	for (unsigned i = 0; i < n; i++) {
		names[i] = at ? strsep(&at, ":") : (char *)names + array + len - 1;
	}
	return names;
}

unsigned manager_stored(int *first, char ***names)
{
	unsigned long n = number_of("LISTEN_FDS");
	const char *text = getenv("LISTEN_FDNAMES");

	*first = FIRST_FD;
	*names = NULL;
	if (n && n < INT_MAX - FIRST_FD && number_of("LISTEN_PID") == (unsigned long)getpid())
		*names = split(text ?: "", (unsigned)n);
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDNAMES");
	if (!*names)
		return 0;
	for (unsigned i = 0; i < n; i++)
		fcntl(FIRST_FD + (int)i, F_SETFD, FD_CLOEXEC);
	return (unsigned)n;
}

unsigned manager_watchdog_ms(void)
{
	unsigned long pid = number_of("WATCHDOG_PID"), us = number_of("WATCHDOG_USEC");

	if (!us || (pid && pid != (unsigned long)getpid()))
		return 0;
	us /= 2000; /* twice as often as it must be */
	return us > 1 ? (unsigned)us : 1;
}

void manager_hide(void)
{
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}
