// SPDX-License-Identifier: Apache-2.0
/* File descriptors of a stepped process (holder.h). */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/compiler.h"
#include "holder.h"

union control {
	struct cmsghdr header;
	char bytes[CMSG_SPACE(KEEPER_FDS_MAX * sizeof(int))];
};

/* No fds: nothing is held there any more. */
static void change(struct holder *h, struct keeper_packet *p)
{
	if (!p->n_fds)
		held_drop(&h->list, p->key);
	else if (!held_put(&h->list, p))
		abort();
}

static void tell(struct holder *h, const char *key, const int *fds, unsigned n)
{
	char text[KEEPER_KEY_MAX] = "";
	union control control = { .bytes = { 0 } };
	struct iovec iov = { text, sizeof(text) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	strncpy(text, key, sizeof(text) - 1);
	if (n) {
		control.header = (struct cmsghdr){ .cmsg_level = SOL_SOCKET,
						   .cmsg_type = SCM_RIGHTS,
						   .cmsg_len = CMSG_LEN(n * sizeof(int)) };
		memcpy(CMSG_DATA(&control.header), fds, n * sizeof(int));
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(n * sizeof(int));
	}
	if (sendmsg(h->fds[1], &msg, 0) != sizeof(text))
		abort();
}

static void set(struct keep *keep, const char *key, const int *fds, unsigned n)
{
	struct holder *h = container_of(keep, struct holder, keep);
	struct keeper_packet p = { .n_fds = n };

	if (h->tells) {
		tell(h, key, fds, n);
		return;
	}
	strncpy(p.key, key, sizeof(p.key) - 1);
	for (unsigned i = 0; i < n; i++)
		p.fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 0);
	change(h, &p);
}

static void release(struct keep *keep, const char *key)
{
	set(keep, key, NULL, 0);
}

/* The process gets what was held when it was made, once. */
static unsigned take(struct keep *keep, const char *key, int *fds, unsigned max)
{
	struct holder *h = container_of(keep, struct holder, keep);
	struct held *own = NULL, *entry;
	struct keeper_packet p = { .n_fds = 0 };
	unsigned n;

	if (h->tells)
		return held_take(&h->list, key, fds, max);
	for (entry = h->list; entry && strcmp(entry->key, key) != 0; entry = entry->next)
		;
	if (!entry)
		return 0;
	memcpy(p.key, entry->key, sizeof(p.key));
	for (; p.n_fds < entry->n_fds; p.n_fds++)
		p.fds[p.n_fds] = fcntl(entry->fds[p.n_fds], F_DUPFD_CLOEXEC, 0);
	if (!held_put(&own, &p))
		abort();
	n = held_take(&own, key, fds, max);
	held_clear(&own);
	return n;
}

void holder_init(struct holder *h)
{
	*h = (struct holder){ .keep = { .hold = set, .release = release, .take = take } };
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, h->fds))
		abort();
}

void holder_copy(struct holder *h, const struct holder *from)
{
	holder_init(h);
	for (const struct held *entry = from->list; entry; entry = entry->next)
		set(&h->keep, entry->key, entry->fds, entry->n_fds);
}

void holder_destroy(struct holder *h)
{
	held_clear(&h->list);
	close(h->fds[0]);
	close(h->fds[1]);
}

/* One message; false: there is none. */
static bool hear(struct holder *h, struct keeper_packet *p)
{
	union control control;
	struct iovec iov = { p->key, sizeof(p->key) };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *c;

	p->n_fds = 0;
	if (recvmsg(h->fds[0], &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) != sizeof(p->key))
		return false;
	c = CMSG_FIRSTHDR(&msg);
	if (!c)
		return true;
	p->n_fds = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
	memcpy(p->fds, CMSG_DATA(c), p->n_fds * sizeof(int));
	return true;
}

bool holder_listen(struct holder *h)
{
	struct keeper_packet p;
	bool some = false;

	while (hear(h, &p)) {
		change(h, &p);
		some = true;
	}
	return some;
}

bool holder_map(const struct holder *h, const char *key, void *at, size_t len)
{
	for (const struct held *entry = h->list; entry; entry = entry->next) {
		if (strcmp(entry->key, key) != 0)
			continue;
		if (mmap(at, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, entry->fds[0],
			 0) == MAP_FAILED)
			abort();
		return true;
	}
	return false;
}
