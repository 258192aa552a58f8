// SPDX-License-Identifier: Apache-2.0
/* Open files by number, found again by comparison. */
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/compiler.h"
#include "base/log.h"
#include "keeper/limits.h"
#include "keeper/manager.h"
#include "keeper/store.h"

#define NAME_LEN 4	       /* with the end: enough for all numbers */
#define NAMES_MAX (120 * 1024) /* bytes of all names: a variable may have 128 KiB */

LOG_MODULE("keeper");

static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
#define BASE (sizeof(digits) - 1)

struct file {
	int fd;
	unsigned number, n_refs;
};

struct keeper_store {
	unsigned n, lowest; /* no number below this one is free, but 0 */
	unsigned end;	    /* no number from this one on was ever used */
	size_t names_len;
	void *tree;	      /* of files, by kcmp() */
	struct file *files[]; /* by number; NULL: none */
};

/* ---- names */

static void name_of(unsigned number, char name[NAME_LEN])
{
	char *at = name;

	do {
		*at++ = digits[number % BASE];
		number /= BASE;
	} while (number);
	*at = 0;
}

/* 0: no name of ours. */
static unsigned number_of(const char *name)
{
	size_t number = 0, len = strlen(name);

	if (!len || len >= NAME_LEN)
		return 0;
	while (len--) {
		const char *digit = strchr(digits, name[len]);

		if (!digit)
			return 0;
		number = number * BASE + (size_t)(digit - digits);
	}
	return number < keeper_limits.files ? (unsigned)number : 0;
}

static size_t name_len(unsigned number)
{
	char name[NAME_LEN];

	name_of(number, name);
	return strlen(name) + 1;
}

/* ---- files */

/* An order of open files that the kernel gives; 0: the same. */
static int compare(const void *a, const void *b)
{
	const struct file *fa = a, *fb = b;
	pid_t pid = getpid();
	long order = syscall(SYS_kcmp, pid, pid, KCMP_FILE, (long)fa->fd, (long)fb->fd);

	return order == 0 ? 0 : order == 1 ? -1 : 1;
}

static bool kernel_compares(int fd)
{
	pid_t pid = getpid();

	return syscall(SYS_kcmp, pid, pid, KCMP_FILE, (long)fd, (long)fd) == 0;
}

static struct file *file_of(const struct keeper_store *store, unsigned number)
{
	return number < keeper_limits.files ? store->files[number] : NULL;
}

static int insert(struct keeper_store *store, unsigned number, int fd)
{
	struct file *f = calloc(1, sizeof(*f)), **found;

	if (!f)
		return -ENOMEM;
	*f = (struct file){ .fd = fd, .number = number };
	found = tsearch(f, &store->tree, compare);
	if (!found || *found != f) { /* it is there under another number */
		free(f);
		return found ? -EEXIST : -ENOMEM;
	}
	store->files[number] = f;
	store->names_len += name_len(number);
	store->end = max(store->end, number + 1);
	store->n++;
	return 0;
}

static void delete (struct keeper_store *store, struct file *f)
{
	tdelete(f, &store->tree, compare);
	store->files[f->number] = NULL;
	store->names_len -= name_len(f->number);
	store->lowest = min(store->lowest, f->number);
	store->n--;
	close(f->fd);
	free(f);
}

/* 0: there is none. */
static unsigned free_number(struct keeper_store *store)
{
	while (store->lowest < keeper_limits.files && store->files[store->lowest])
		store->lowest++;
	if (store->lowest == keeper_limits.files ||
	    store->names_len + name_len(store->lowest) > NAMES_MAX)
		return 0;
	return store->lowest;
}

/* A new file; its number, or 0. */
static unsigned make_file(struct keeper_store *store, int fd)
{
	unsigned number = free_number(store);
	int own = number ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
	char name[NAME_LEN];

	if (own < 0)
		return 0;
	name_of(number, name);
	if (manager_store(name, own) || insert(store, number, own)) {
		close(own);
		return 0;
	}
	return number;
}

unsigned keeper_store_add(struct keeper_store *store, int fd)
{
	struct file key = { .fd = fd }, *f, **found;
	unsigned number;

	if (!kernel_compares(fd))
		return 0;
	found = tfind(&key, &store->tree, compare);
	number = found ? (*found)->number : make_file(store, fd);
	f = file_of(store, number);
	if (!f)
		return 0;
	f->n_refs++;
	return number;
}

bool keeper_store_refer(struct keeper_store *store, unsigned number)
{
	struct file *f = file_of(store, number);

	if (!f)
		return false;
	f->n_refs++;
	return true;
}

static void let_go(struct keeper_store *store, struct file *f)
{
	char name[NAME_LEN];

	name_of(f->number, name);
	manager_unstore(name);
	delete (store, f);
}

void keeper_store_drop(struct keeper_store *store, unsigned number)
{
	struct file *f = file_of(store, number);

	if (f && --f->n_refs == 0)
		let_go(store, f);
}

int keeper_store_fd(const struct keeper_store *store, unsigned number)
{
	const struct file *f = file_of(store, number);

	return f ? f->fd : -1;
}

/* ---- from another process */

int keeper_store_adopt_number(struct keeper_store *store, unsigned number, int fd)
{
	if (!number || number >= keeper_limits.files || store->files[number])
		return -EEXIST;
	if (!kernel_compares(fd))
		return -EBADF;
	return insert(store, number, fd);
}

bool keeper_store_adopt(struct keeper_store *store, const char *name, int fd)
{
	unsigned number = number_of(name);

	return number && keeper_store_adopt_number(store, number, fd) == 0;
}

void keeper_store_sweep(struct keeper_store *store)
{
	for (unsigned i = 1; i < store->end; i++)
		if (store->files[i] && !store->files[i]->n_refs)
			let_go(store, store->files[i]);
}

void keeper_store_clear(struct keeper_store *store)
{
	for (unsigned i = 1; i < store->end; i++)
		if (store->files[i])
			let_go(store, store->files[i]);
}

void keeper_store_each(const struct keeper_store *store,
		       void (*each)(void *ctx, unsigned number, int fd), void *ctx)
{
	for (unsigned i = 1; i < store->end; i++)
		if (store->files[i])
			each(ctx, i, store->files[i]->fd);
}

/* ---- construction */

struct keeper_store *keeper_store_create(void)
{
	struct keeper_store *store =
		calloc(1, sizeof(*store) + keeper_limits.files * sizeof(store->files[0]));

	if (store)
		store->lowest = 1;
	return store;
}

void keeper_store_destroy(struct keeper_store *store)
{
	if (!store)
		return;
	for (unsigned i = 1; i < store->end; i++)
		if (store->files[i])
			delete (store, store->files[i]);
	free(store);
}
