// SPDX-License-Identifier: Apache-2.0
/* Records of what there is one of, and of what is held by key. */
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "base/log.h"
#include "keeper/belongings.h"
#include "keeper/link.h"

LOG_MODULE("keeper");

static struct table_record *find_key(const struct keeper_table *table, const char *key)
{
	struct table_record *r = keeper_table_next(table, TABLE_HELD, NULL);

	while (r && strncmp((const char *)r->data, key, KEEPER_KEY_MAX) != 0)
		r = keeper_table_next(table, TABLE_HELD, r);
	return r;
}

void belongings_hold(struct keeper_table *table, const struct keeper_packet *p)
{
	struct table_record *old;
	char key[KEEPER_KEY_MAX];

	memcpy(key, p->key, sizeof(key));
	key[sizeof(key) - 1] = 0;
	old = find_key(table, key);
	keeper_table_add(table, TABLE_HELD, 0, key, sizeof(key), p->fds, p->n_fds);
	keeper_table_drop(table, old);
	keeper_table_commit(table);
}

void belongings_release(struct keeper_table *table, const char *key)
{
	keeper_table_drop(table, find_key(table, key));
	keeper_table_commit(table);
}

static void replace(struct keeper_table *table, enum table_kind kind, const void *data, size_t len,
		    int fd)
{
	struct table_record *old = keeper_table_next(table, kind, NULL);

	keeper_table_add(table, kind, 0, data, len, &fd, 1);
	keeper_table_drop(table, old);
	keeper_table_commit(table);
}

void belongings_set(struct keeper_table *table, enum table_kind kind, int fd)
{
	replace(table, kind, NULL, 0, fd);
}

void belongings_set_process(struct keeper_table *table, pid_t pid)
{
	int fd = pidfd_open(pid, 0);

	replace(table, TABLE_PROCESS, &pid, sizeof(pid), fd);
	if (fd >= 0)
		close(fd);
}

int belongings_fd(const struct keeper_table *table, enum table_kind kind)
{
	const struct table_record *r = keeper_table_next(table, kind, NULL);

	return r ? keeper_table_dup(table, r, 0) : -1;
}

pid_t belongings_process(const struct keeper_table *table, int *pidfd)
{
	const struct table_record *r = keeper_table_next(table, TABLE_PROCESS, NULL);
	pid_t pid = 0;

	*pidfd = -1;
	if (!r)
		return 0;
	memcpy(&pid, r->data, sizeof(pid));
	*pidfd = keeper_table_dup(table, r, 0);
	return pid;
}

static void load_held(const struct keeper_table *table, const struct table_record *r,
		      struct held **list)
{
	struct keeper_packet p;

	keeper_packet_init(&p, KEEPER_HOLD, 0, 0);
	memcpy(p.key, r->data, sizeof(p.key));
	p.key[sizeof(p.key) - 1] = 0;
	for (unsigned i = 0; i < r->n_fds; i++) {
		int fd = keeper_table_dup(table, r, i);

		if (fd >= 0)
			p.fds[p.n_fds++] = fd;
	}
	if (p.n_fds == r->n_fds && held_put(list, &p))
		return;
	log_error("%s cannot be kept: no more file descriptors, or memory", p.key);
	keeper_packet_close_fds(&p);
}

void belongings_held(const struct keeper_table *table, struct held **list)
{
	const struct table_record *r = NULL;

	while ((r = keeper_table_next(table, TABLE_HELD, r)))
		load_held(table, r, list);
}
