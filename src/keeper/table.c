// SPDX-License-Identifier: Apache-2.0
/* Records in a file in memory, and changes to them. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/compiler.h"
#include "base/keep.h"
#include "base/log.h"
#include "base/store.h"
#include "keeper/limits.h"
#include "keeper/manager.h"
#include "keeper/store.h"
#include "keeper/table.h"

#define TABLE_MAGIC 0x65726f6576706b31ull
#define TABLE_VERSION 1
#define TABLE_NAME "table" /* for the manager: longer than a number's */
#define ATTEMPTS_MAX 8

LOG_MODULE("keeper");

struct layout {
	uint64_t magic; /* 0: broken, or given up */
	uint32_t version;
	uint32_t protocol; /* KEEPER_VERSION of whoever wrote it */
	uint64_t made;	   /* the last change */
	uint32_t n_used;   /* no record at or behind this one was ever used */
	uint32_t reserved; /* 0: or earlier keepers would look at so many of fds only */
	struct table_life life;
	int32_t fds[]; /* of files, by number, while life.heir is set; 0: none */
		       /* and behind the last one the records */
};

struct keeper_table {
	struct layout *layout;
	int fd;
	struct keeper_store *store;
	uint32_t lowest;	       /* no record before this one is free */
	struct table_record **dropped; /* by the change that is being made */
	size_t n_dropped, dropped_max;
};

static size_t records_offset(void)
{
	size_t end = offsetof(struct layout, fds) + keeper_limits.files * sizeof(int32_t);

	return (end + 7) / 8 * 8;
}

static struct table_record *records_of(const struct layout *l)
{
	return (struct table_record *)(void *)((uint8_t *)(uintptr_t)l + records_offset());
}

static size_t layout_size(void)
{
	return records_offset() + keeper_limits.records * sizeof(struct table_record);
}

static void break_table(struct keeper_table *t, const char *why)
{
	if (t->layout->magic)
		log_warning("the keeper cannot be replaced any more without a new start: %s", why);
	shared_store(&t->layout->magic, 0);
}

/* ---- changes */

static struct table_record *find_free(struct keeper_table *t)
{
	struct layout *l = t->layout;
	struct table_record *records = records_of(l);

	while (t->lowest < l->n_used && records[t->lowest].kind)
		t->lowest++;
	if (t->lowest == keeper_limits.records)
		return NULL;
	if (l->n_used <= t->lowest)
		shared_store(&l->n_used, t->lowest + 1);
	return &records[t->lowest++];
}

static void free_record(struct keeper_table *t, struct table_record *r)
{
	shared_store(&r->kind, 0);
	t->lowest = min(t->lowest, (uint32_t)(r - records_of(t->layout)));
}

static void drop_files(struct keeper_table *t, const struct table_record *r)
{
	for (unsigned i = 0; i < r->n_fds; i++)
		keeper_store_drop(t->store, r->files[i]);
}

static bool add_files(struct keeper_table *t, struct table_record *r, const int *fds, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		unsigned number = fds[i] < 0 ? 0 : keeper_store_add(t->store, fds[i]);

		if (!number && fds[i] >= 0) {
			drop_files(t, r);
			return false;
		}
		shared_store(&r->files[i], number);
		shared_store(&r->n_fds, i + 1);
	}
	return true;
}

const struct table_record *keeper_table_add(struct keeper_table *t, enum table_kind kind,
					    uint32_t device, const void *data, size_t len,
					    const int *fds, unsigned n)
{
	uint64_t words[TABLE_DATA_MAX / 8] = { 0 };
	struct table_record *r = NULL;

	if (t->layout->magic && len <= TABLE_DATA_MAX && n <= KEEPER_FDS_MAX)
		r = find_free(t);
	if (!r) {
		break_table(t, "its table has no room");
		return NULL;
	}
	if (len)
		memcpy(words, data, len);
	shared_copy_words((uint64_t *)(void *)r->data, words, ARRAY_SIZE(words));
	shared_store(&r->device, device);
	shared_store(&r->born, t->layout->made + 1);
	shared_store(&r->died, 0);
	shared_store(&r->len, (uint32_t)len);
	shared_store(&r->n_fds, 0);
	if (!add_files(t, r, fds, n)) {
		free_record(t, r);
		break_table(t, "a file descriptor cannot be kept");
		return NULL;
	}
	store_order();
	shared_store(&r->kind, kind);
	return r;
}

void keeper_table_drop(struct keeper_table *t, const struct table_record *dropped)
{
	struct table_record *r = (struct table_record *)dropped; /* ours */

	if (!r)
		return;
	if (t->n_dropped == t->dropped_max) {
		size_t many = t->dropped_max ? 2 * t->dropped_max : 64;
		void *more = realloc(t->dropped, many * sizeof(t->dropped[0]));

		if (!more) {
			break_table(t, "out of memory");
			return;
		}
		t->dropped = more;
		t->dropped_max = many;
	}
	t->dropped[t->n_dropped++] = r;
	shared_store(&r->died, t->layout->made + 1);
}

void keeper_table_commit(struct keeper_table *t)
{
	store_order();
	shared_store(&t->layout->made, t->layout->made + 1);
	store_order();
	for (size_t i = 0; i < t->n_dropped; i++) {
		drop_files(t, t->dropped[i]);
		free_record(t, t->dropped[i]);
	}
	t->n_dropped = 0;
}

uint64_t keeper_table_made(const struct keeper_table *t)
{
	return t->layout->made;
}

/* ---- reading */

/* Whether it is there as of the last change that was made. */
static bool lives(const struct layout *l, const struct table_record *r)
{
	return r->kind && r->born <= l->made && (!r->died || r->died > l->made);
}

const struct table_record *keeper_table_next(const struct keeper_table *t, enum table_kind kind,
					     const struct table_record *after)
{
	const struct table_record *records = records_of(t->layout);

	for (size_t i = after ? (size_t)(after - records) + 1 : 0; i < t->layout->n_used; i++)
		if (records[i].kind == kind && !records[i].died)
			return &records[i];
	return NULL;
}

int keeper_table_fd(const struct keeper_table *t, const struct table_record *r, unsigned i)
{
	return i < r->n_fds ? keeper_store_fd(t->store, r->files[i]) : -1;
}

int keeper_table_dup(const struct keeper_table *t, const struct table_record *r, unsigned i)
{
	int fd = keeper_table_fd(t, r, i);

	return fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

const struct table_life *keeper_table_life(const struct keeper_table *t)
{
	return &t->layout->life;
}

void keeper_table_ready(struct keeper_table *t)
{
	shared_store(&t->layout->life.ever_ready, 1);
	shared_store(&t->layout->life.n_attempts, 0);
}

void keeper_table_go_on(struct keeper_table *t)
{
	shared_store(&t->layout->life.heir, 0);
	shared_store(&t->layout->life.n_attempts, 0);
}

bool keeper_table_whole(const struct keeper_table *t)
{
	return t->layout->magic != 0;
}

int keeper_table_own_fd(const struct keeper_table *t)
{
	return t->fd;
}

/* ---- going on with another's */

static int check_layout(const struct layout *l, struct error *err)
{
	if (l->magic != TABLE_MAGIC)
		return error_set(err, -ENOENT, "there is nothing to go on with");
	if (l->version != TABLE_VERSION)
		return error_set(err, -EPROTO, "the keeper's table is of version %u, not %u",
				 l->version, TABLE_VERSION);
	if (l->protocol != KEEPER_VERSION)
		return error_set(err, -EPROTO, "the keeper speaks version %u, this program %u",
				 l->protocol, KEEPER_VERSION);
	if (l->n_used > keeper_limits.records)
		return error_set(err, -EPROTO, "the keeper's table makes no sense");
	for (uint32_t i = 0; i < l->n_used; i++) {
		const struct table_record *r = &records_of(l)[i];

		if (lives(l, r) && (r->kind >= TABLE_KINDS || r->len > TABLE_DATA_MAX ||
				    r->n_fds > KEEPER_FDS_MAX))
			return error_set(err, -EPROTO, "record %u of the keeper's table makes %s",
					 i, "no sense");
	}
	return 0;
}

/* NULL and a text when that cannot be. */
static struct layout *map_layout(int fd, struct error *err)
{
	struct layout *l;
	struct stat st;

	if (fstat(fd, &st) < 0 || st.st_size != (off_t)layout_size()) {
		error_set(err, -EPROTO, "the keeper's table is of another version");
		return NULL;
	}
	l = keep_map(fd, layout_size(), 0);
	if (!l)
		error_set(err, -ENOMEM, "out of memory");
	return l;
}

int keeper_table_check(int fd, struct error *err)
{
	struct layout *l = map_layout(fd, err);
	int rc;

	if (!l)
		return -EPROTO;
	rc = check_layout(l, err);
	keep_unmap(l, layout_size());
	return rc;
}

static struct keeper_table *make_table(int fd)
{
	struct keeper_table *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->store = keeper_store_create();
	if (!t->store) {
		free(t);
		return NULL;
	}
	t->fd = fd;
	return t;
}

static void free_table(struct keeper_table *t)
{
	keep_unmap(t->layout, layout_size());
	keeper_store_destroy(t->store);
	if (t->fd >= 0)
		close(t->fd);
	free(t->dropped);
	free(t);
}

/* Leaves what lives, with its files, and nothing else. */
static int settle(struct keeper_table *t, struct layout *l, struct error *err)
{
	int rc = check_layout(l, err);

	for (uint32_t i = 0; !rc && i < l->n_used; i++) {
		struct table_record *r = &records_of(l)[i];

		if (!lives(l, r)) {
			shared_store(&r->kind, 0);
			continue;
		}
		if (r->died)
			shared_store(&r->died, 0);
		for (unsigned f = 0; f < r->n_fds; f++)
			if (r->files[f] && !keeper_store_refer(t->store, r->files[f]))
				rc = error_set(err, -EBADF, "not all file descriptors are there");
	}
	if (!rc)
		shared_store(&l->life.n_attempts, l->life.n_attempts + 1);
	if (!rc && l->life.n_attempts > ATTEMPTS_MAX)
		rc = error_set(err, -ELOOP, "%u keepers in a row have ended with it", ATTEMPTS_MAX);
	return rc;
}

/* Takes over what the manager has held. The table's fd, or -1. */
static int adopt_stored(struct keeper_store *store)
{
	int first, table = -1;
	char **names;
	unsigned n = manager_stored(&first, &names);

	for (unsigned i = 0; i < n; i++) {
		int fd = first + (int)i;

		if (!strcmp(names[i], TABLE_NAME) && table < 0) {
			table = fd;
		} else if (!keeper_store_adopt(store, names[i], fd)) {
			close(fd);
			manager_unstore(names[i]);
		}
	}
	free(names);
	return table;
}

/* Takes over what this process, as another program, has left open. */
static int adopt_inherited(struct keeper_table *t, struct layout *l, struct error *err)
{
	if (l->life.heir != getpid())
		return error_set(err, -EPERM, "this process is not meant to go on with it");
	for (unsigned i = 1; i < keeper_limits.files; i++) {
		int fd = l->fds[i];

		if (!fd)
			continue;
		shared_store(&l->fds[i], 0);
		fcntl(fd, F_SETFD, FD_CLOEXEC);
		if (keeper_store_adopt_number(t->store, i, fd))
			return error_set(err, -EBADF, "not all file descriptors are there");
	}
	return 0;
}

int keeper_table_restore(struct keeper_table **out, int fd, struct error *err)
{
	bool inherited = fd >= 0;
	struct keeper_table *t = make_table(fd);
	struct layout *l = NULL;
	int rc = 0;

	if (!t)
		return error_set(err, -ENOMEM, "out of memory");
	if (!inherited)
		t->fd = adopt_stored(t->store);
	if (t->fd < 0)
		rc = error_set(err, -ENOENT, "there is nothing to go on with");
	else
		l = t->layout = map_layout(t->fd, err);
	if (l && inherited)
		rc = adopt_inherited(t, l, err);
	if (l && !rc)
		rc = settle(t, l, err);
	if (rc || !l) {
		if (t->fd >= 0)
			manager_unstore(TABLE_NAME);
		keeper_store_clear(t->store);
		free_table(t);
		return rc ?: -EPROTO;
	}
	fcntl(t->fd, F_SETFD, FD_CLOEXEC);
	if (!inherited)
		shared_store(&l->life.heir, 0);
	keeper_store_sweep(t->store);
	*out = t;
	return 0;
}

static void bequeath_one(void *ctx, unsigned number, int fd)
{
	struct layout *l = ctx;
	bool yes = l->life.heir;

	fcntl(fd, F_SETFD, yes ? 0 : FD_CLOEXEC);
	shared_store(&l->fds[number], yes ? fd : 0);
}

static void set_heir(struct keeper_table *t, pid_t heir)
{
	shared_store(&t->layout->life.heir, heir);
	shared_store(&t->layout->reserved, 0);
	keeper_store_each(t->store, bequeath_one, t->layout);
	fcntl(t->fd, F_SETFD, heir ? 0 : FD_CLOEXEC);
}

void keeper_table_bequeath(struct keeper_table *t, int link_fd, uint32_t n_crashes)
{
	shared_store(&t->layout->life.link_fd, link_fd);
	shared_store(&t->layout->life.n_crashes, n_crashes);
	store_order();
	set_heir(t, getpid());
}

void keeper_table_disinherit(struct keeper_table *t)
{
	set_heir(t, 0);
}

/* ---- construction */

struct keeper_table *keeper_table_create(void)
{
	int fd = memfd_create("vireo-keeper", MFD_CLOEXEC);
	struct keeper_table *t;
	struct layout *l;
	struct error err;

	if (fd < 0 || ftruncate(fd, (off_t)layout_size()) < 0)
		goto fail_fd;
	t = make_table(fd);
	if (!t)
		goto fail_fd;
	l = t->layout = map_layout(fd, &err);
	if (!l) {
		free_table(t);
		return NULL;
	}
	shared_store(&l->version, TABLE_VERSION);
	shared_store(&l->protocol, KEEPER_VERSION);
	store_order();
	shared_store(&l->magic, TABLE_MAGIC);
	if (manager_store(TABLE_NAME, fd))
		break_table(t, "the service manager does not take its table");
	return t;
fail_fd:
	if (fd >= 0)
		close(fd);
	return NULL;
}

void keeper_table_destroy(struct keeper_table *t)
{
	if (!t)
		return;
	shared_store(&t->layout->magic, 0);
	manager_unstore(TABLE_NAME);
	keeper_store_clear(t->store);
	free_table(t);
}
