// SPDX-License-Identifier: Apache-2.0
/* Memory that outlives a process: files without a name. */
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/keep.h"

void *keep_memory(struct keep *keep, size_t len, int *file)
{
	/* all of it at once: workers do not wait for the kernel to clear pages */
	int flags = MAP_POPULATE | (keep ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS), fd = -1;
	void *memory = MAP_FAILED;

	if (keep)
		fd = memfd_create("vireo", MFD_CLOEXEC);
	if (!keep || (fd >= 0 && ftruncate(fd, (off_t)len) == 0))
		memory = mmap(NULL, len, PROT_READ | PROT_WRITE, flags, fd, 0);
	*file = fd;
	if (memory != MAP_FAILED)
		return memory;
	if (fd >= 0)
		close(fd);
	return NULL;
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
	void *memory = MAP_FAILED;
	struct stat st;
	int fd;

	if (!keep || !keep->take(keep, key, &fd, 1))
		return NULL;
	if (fstat(fd, &st) == 0 && st.st_size > 0) {
		*len = (size_t)st.st_size;
		memory = mmap(NULL, *len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	}
	close(fd);
	return memory == MAP_FAILED ? NULL : memory;
}

void keep_unmap(void *memory, size_t len)
{
	if (memory)
		munmap(memory, len);
}

void keep_release(struct keep *keep, const char *key)
{
	if (keep)
		keep->release(keep, key);
}
