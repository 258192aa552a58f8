/* SPDX-License-Identifier: Apache-2.0 */
/* Small helpers that C lacks. Any thread. */
#pragma once

#include <stddef.h>

#define CACHE_LINE 64 /* bytes that cores exchange at once, on every machine we run on */

/* Which sanitizers a build has, 1 or 0: gcc defines macros, clang is asked. */
#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#define THREAD_SANITIZER 1
#else
#define THREAD_SANITIZER 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define ADDRESS_SANITIZER 1
#else
#define ADDRESS_SANITIZER 0
#endif
#define SANITIZED (THREAD_SANITIZER || ADDRESS_SANITIZER || __has_feature(memory_sanitizer))

/* Tells the compiler which way a branch nearly always goes. */
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/* Number of elements of an array (not of a pointer). */
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* The structure of type @type whose member @member @ptr points to. */
#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

/* The smaller and the larger of two values of any type; each is evaluated once. */
#define min(a, b)                       \
	({                              \
		__typeof__(a) _a = (a); \
		__typeof__(b) _b = (b); \
		_a < _b ? _a : _b;      \
	})
#define max(a, b)                       \
	({                              \
		__typeof__(a) _a = (a); \
		__typeof__(b) _b = (b); \
		_a > _b ? _a : _b;      \
	})

/* Marks a function as printf-like: format is argument @f, values start at argument @v. */
#define PRINTF_LIKE(f, v) __attribute__((format(printf, f, v)))

/* For what is only fast as a part of its caller, where it is told constants; and for what is only
 * fast with all registers for itself. */
#define ALWAYS_INLINE inline __attribute__((always_inline))
#define NEVER_INLINE __attribute__((noinline))

/* Tells the processor that this is a loop that waits for another thread. */
#if defined(__x86_64__) || defined(__i386__)
#define cpu_relax() __builtin_ia32_pause()
#else
#define cpu_relax() __asm__ volatile("" : : : "memory")
#endif

/* Brings the cache line of @p near, to be written. Compilers make a plain prefetch of it unless
 * told that the processor has PREFETCHW; those of x86-64 that do not have it ignore it. */
static inline void prefetch_write(const void *p)
{
#if defined(__x86_64__)
	__asm__ volatile("prefetchw %0" : : "m"(*(const char *)p));
#else
	__builtin_prefetch(p, 1);
#endif
}
