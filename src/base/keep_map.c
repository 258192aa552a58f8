// SPDX-License-Identifier: Apache-2.0
/* How files are mapped that outlive the process. */
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/keep.h"
#include "base/store.h"

#ifdef CHECK_STORES
/* Everything is mapped twice: to be read, and WINDOW behind it, to be written. Places are given out
 * in granules, the next free ones first, so that one is not soon used again.
 */
#define WINDOW (1ull << 40)
#define GRANULE (1ull << 21)
#define GRANULES (WINDOW / GRANULE)
#define ROUND (GRANULES / 32) /* then the first ones again: ASan has memory for each ever used */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* of what follows */
static bool taken[GRANULES];
static size_t next;

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

static size_t granules(size_t len)
{
	return (len + GRANULE - 1) / GRANULE;
}

/* The first of @n free granules in a row behind those that were taken last; GRANULES: there are
 * none. */
static size_t find(size_t n)
{
	size_t first = next, free = 0;

	for (size_t tried = 0; n <= GRANULES && tried < 2 * GRANULES; tried++) {
		if (first + n > GRANULES) {
			first = free = 0;
		} else if (taken[first + free]) {
			first += free + 1;
			free = 0;
		} else if (++free == n) {
			return first;
		}
	}
	return GRANULES;
}

static char *take(size_t n)
{
	size_t first;

	pthread_mutex_lock(&mutex);
	first = find(n);
	if (first < GRANULES) {
		memset(&taken[first], 1, n);
		next = first + n < ROUND ? first + n : 0;
	}
	pthread_mutex_unlock(&mutex);
	return first < GRANULES ? window() + first * GRANULE : NULL;
}

static void give_back(char *place, size_t n)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED;

	if (mmap(place, n * GRANULE, PROT_NONE, flags, -1, 0) == MAP_FAILED ||
	    mmap(place + WINDOW, n * GRANULE, PROT_NONE, flags, -1, 0) == MAP_FAILED)
		abort();
	pthread_mutex_lock(&mutex);
	memset(&taken[(size_t)(place - window()) / GRANULE], 0, n);
	pthread_mutex_unlock(&mutex);
}

static bool is_in_window(const void *p)
{
	return (uintptr_t)p - (uintptr_t)window() < WINDOW;
}

void *keep_writable(const void *p)
{
	return (char *)p + (is_in_window(p) ? WINDOW : 0);
}

void *keep_map(int fd, size_t len, int more_flags)
{
	int flags = MAP_SHARED | MAP_FIXED | more_flags;
	char *memory = take(granules(len));

	if (!memory)
		return NULL;
	if (mmap(memory, len, PROT_READ, flags, fd, 0) != MAP_FAILED &&
	    mmap(memory + WINDOW, len, PROT_READ | PROT_WRITE, flags, fd, 0) != MAP_FAILED)
		return memory;
	give_back(memory, granules(len));
	return NULL;
}

void keep_unmap(const void *memory, size_t len)
{
	if (memory && is_in_window(memory))
		give_back((char *)memory, granules(len));
	else if (memory)
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
