/* SPDX-License-Identifier: Apache-2.0 */
/* For tests of the dirty log: the front-end's side of it. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "virtio/dirty.h"

/* A log as the front-end has it, from the beginning of its file. */
struct log_file {
	int fd;
	uint64_t size; /* bytes, a multiple of 8 */
	uint8_t *bits;
};

static inline struct log_file log_file_make(uint64_t size)
{
	struct log_file f = { .fd = memfd_create("test-log", MFD_CLOEXEC),
			      .size = (size + 7) & ~7ull };

	assert_true(f.fd >= 0);
	assert_int_equal(ftruncate(f.fd, (off_t)f.size), 0);
	f.bits = mmap(NULL, f.size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, f.fd, 0);
	assert_ptr_not_equal(f.bits, MAP_FAILED);
	return f;
}

static inline void log_file_end(struct log_file *f)
{
	munmap(f->bits, f->size);
	close(f->fd);
}

/* Whether the page at this guest address is marked; clears the mark. */
static inline bool log_file_take(const struct log_file *f, uint64_t addr)
{
	uint64_t page = addr >> DIRTY_PAGE_SHIFT;
	uint8_t bit = (uint8_t)(1u << page % 8);

	return __atomic_fetch_and(&f->bits[page / 8], (uint8_t)~bit, __ATOMIC_SEQ_CST) & bit;
}

/* Marks that there are. */
static inline uint64_t log_file_count(const struct log_file *f)
{
	uint64_t n = 0;

	for (uint64_t i = 0; i < f->size; i += 8)
		n += (unsigned)__builtin_popcountll(*(const uint64_t *)(f->bits + i));
	return n;
}
