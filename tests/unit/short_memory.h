/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that is short when a test wants it: stands in front of the C library's allocation. Not in
 * builds with a sanitizer, which stands there itself.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"

/* How many more allocations of this thread succeed; negative: all. */
static __thread int __attribute__((unused)) memory_left = -1;

#if SANITIZED || !defined(__GLIBC__)
#define MEMORY_IS_NEVER_SHORT
#endif

#ifndef MEMORY_IS_NEVER_SHORT
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *old, size_t size);
void *malloc(size_t size);
void *calloc(size_t n, size_t size);
void *realloc(void *old, size_t size);

static bool memory_is_short(void)
{
	if (memory_left < 0)
		return false;
	if (!memory_left)
		return true;
	memory_left--;
	return false;
}

void *malloc(size_t size)
{
	return memory_is_short() ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
	return memory_is_short() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *old, size_t size)
{
	return memory_is_short() ? NULL : __libc_realloc(old, size);
}
#endif
