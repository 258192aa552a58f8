// SPDX-License-Identifier: Apache-2.0
/* Memory that outlives a process: files without a name. */
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/keep.h"

/* @more_flags: of mmap(2), or 0. */
static void *make_memory(struct keep *keep, size_t len, int more_flags, int *file)
{
	void *memory = NULL;
	int fd;

	*file = -1;
	if (!keep) {
		memory = mmap(NULL, len, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | more_flags, -1, 0);
		return memory == MAP_FAILED ? NULL : memory;
	}
	fd = memfd_create("vireo", MFD_CLOEXEC);
	if (fd >= 0 && ftruncate(fd, (off_t)len) == 0)
		memory = keep_map(fd, len, more_flags);
	if (memory)
		*file = fd;
	else if (fd >= 0)
		close(fd);
	return memory;
}

void *keep_memory(struct keep *keep, size_t len, int *file)
{
	/* all of it at once: workers do not wait for the kernel to clear pages */
	return make_memory(keep, len, MAP_POPULATE, file);
}

void *keep_room(struct keep *keep, size_t len, int *file)
{
	return make_memory(keep, len, 0, file);
}

void keep_hold_memory(struct keep *keep, const char *key, int file)
{
	if (file < 0)
		return;
	keep->hold(keep, key, &file, 1);
	close(file);
}

void *keep_old_memory(struct keep *keep, const char *key, size_t *len)
{
	void *memory = NULL;
	struct stat st;
	int fd;

	if (!keep || !keep->take(keep, key, &fd, 1))
		return NULL;
	if (fstat(fd, &st) == 0 && st.st_size > 0) {
		*len = (size_t)st.st_size;
		memory = keep_map(fd, *len, 0);
	}
	close(fd);
	return memory;
}

void keep_busy(struct keep *keep)
{
	if (keep && keep->busy)
		keep->busy(keep);
}

void keep_release(struct keep *keep, const char *key)
{
	if (keep)
		keep->release(keep, key);
}
