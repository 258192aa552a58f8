// SPDX-License-Identifier: Apache-2.0
/* How files are mapped that outlive the process. */
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/keep.h"
#include "base/store.h"

#ifdef CHECK_STORES
/* Everything is mapped twice: to be read, and WINDOW behind it, to be written. No place is used
 * again: there are enough, and whoever looks at one when it is unmapped is found out.
 */
#define WINDOW (1ull << 40)

static char *window(void)
{
	static char *the_window;
	char *window = __atomic_load_n(&the_window, __ATOMIC_ACQUIRE), *none = NULL;

	if (window)
		return window;
	window = mmap(NULL, 2 * WINDOW, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
		      0);
	if (window == MAP_FAILED)
		abort();
	if (__atomic_compare_exchange_n(&the_window, &none, window, false, __ATOMIC_ACQ_REL,
					__ATOMIC_ACQUIRE))
		return window;
	munmap(window, 2 * WINDOW); /* another thread was first */
	return none;
}

void *keep_writable(const void *p)
{
	uintptr_t offset = (uintptr_t)p - (uintptr_t)window();

	return (char *)p + (offset < WINDOW ? WINDOW : 0);
}

void *keep_map(int fd, size_t len, int more_flags)
{
	static uint64_t n_used;
	int flags = MAP_SHARED | MAP_FIXED | more_flags;
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), whole = (len + page - 1) / page * page,
		 at = __atomic_fetch_add(&n_used, whole, __ATOMIC_RELAXED);
	char *memory = window() + at;

	if (at + whole > WINDOW)
		return NULL;
	if (mmap(memory, len, PROT_READ, flags, fd, 0) == MAP_FAILED)
		return NULL;
	if (mmap(memory + WINDOW, len, PROT_READ | PROT_WRITE, flags, fd, 0) != MAP_FAILED)
		return memory;
	munmap(memory, len);
	return NULL;
}

void keep_unmap(const void *memory, size_t len)
{
	void *writable = memory ? keep_writable(memory) : NULL;

	if (writable)
		munmap(writable, len);
	if (writable != memory)
		munmap((void *)memory, len);
}
#else
void *keep_map(int fd, size_t len, int more_flags)
{
	void *memory = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | more_flags, fd, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

void keep_unmap(const void *memory, size_t len)
{
	if (memory)
		munmap((void *)memory, len);
}
#endif
