/* SPDX-License-Identifier: Apache-2.0 */
/* Somebody who holds file descriptors for a test: one key at a time. */
#pragma once

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/compiler.h"
#include "base/keep.h"

#define FAKE_KEEP_MAX 64

/* Zeroed and with fake_keep_ops it is ready. */
struct fake_keep {
	struct keep keep; /* first */
	unsigned n_busy;
	struct {
		char key[KEEP_KEY_MAX];
		int fd;
	} held[FAKE_KEEP_MAX];
};

static inline int *fake_keep_find(struct keep *keep, const char *key)
{
	struct fake_keep *f = container_of(keep, struct fake_keep, keep);

	for (unsigned i = 0; i < FAKE_KEEP_MAX; i++)
		if (!strcmp(f->held[i].key, key))
			return &f->held[i].fd;
	return NULL;
}

static inline void fake_keep_release(struct keep *keep, const char *key)
{
	struct fake_keep *f = container_of(keep, struct fake_keep, keep);

	for (unsigned i = 0; i < FAKE_KEEP_MAX; i++)
		if (*key && !strcmp(f->held[i].key, key)) {
			close(f->held[i].fd);
			*f->held[i].key = 0;
		}
}

static inline void fake_keep_hold(struct keep *keep, const char *key, const int *fds, unsigned n)
{
	struct fake_keep *f = container_of(keep, struct fake_keep, keep);

	fake_keep_release(keep, key);
	for (unsigned i = 0; i < FAKE_KEEP_MAX; i++)
		if (!*f->held[i].key) {
			snprintf(f->held[i].key, KEEP_KEY_MAX, "%s", key);
			f->held[i].fd = fcntl(fds[0], F_DUPFD_CLOEXEC, 0);
			return;
		}
}

/* As a new process would find it: what is held stays held. */
static inline unsigned fake_keep_take(struct keep *keep, const char *key, int *fds, unsigned max)
{
	int *fd = fake_keep_find(keep, key);

	if (!fd)
		return 0;
	fds[0] = fcntl(*fd, F_DUPFD_CLOEXEC, 0);
	return 1;
}

static inline void fake_keep_busy(struct keep *keep)
{
	container_of(keep, struct fake_keep, keep)->n_busy++;
}

static inline void fake_keep_init(struct fake_keep *f)
{
	memset(f, 0, sizeof(*f));
	f->keep =
		(struct keep){ fake_keep_hold, fake_keep_release, fake_keep_take, fake_keep_busy };
}

static inline void fake_keep_clear(struct fake_keep *f)
{
	for (unsigned i = 0; i < FAKE_KEEP_MAX; i++)
		fake_keep_release(&f->keep, f->held[i].key);
}
