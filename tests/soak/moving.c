// SPDX-License-Identifier: Apache-2.0
// A guest's memory on the move.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/compiler.h"
#include "soak/moving.h"

#define PAGE 4096u
#define ROUNDS 50
#define WORD_BITS 64

static size_t n_pages(const struct moving *m)
{
	return m->region->size / PAGE;
}

int moving_begin(struct moving *m, struct frontend *frontend, const struct sharedmem *mem,
		 struct error *err)
{
	const struct driver_region *region = &mem->regions[0];
	size_t bits = (region->guest_addr + region->size) / PAGE;
	int fd = memfd_create("dirty-log", MFD_CLOEXEC), rc = -ENOMEM;

	m->region = region;
	m->log_size = (bits + WORD_BITS - 1) / WORD_BITS * sizeof(*m->log);
	if (fd < 0 || ftruncate(fd, (off_t)m->log_size) < 0)
		return error_set(err, -errno, "no file");
	m->log = mmap(NULL, m->log_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	m->copy = malloc(region->size);
	if (m->log != MAP_FAILED && m->copy)
		rc = frontend_start_log(frontend, fd, 0, m->log_size);
	close(fd);
	m->state = MOVING_ASKED;
	return rc ? error_set(err, rc, "%s", strerror(-rc)) : 0;
}

void moving_logged(struct moving *m)
{
	memcpy(m->copy, m->region->host, m->region->size);
	m->state = MOVING_COPIES;
}

/* Copies the pages of one word of the log. */
static void copy_word(struct moving *m, size_t word)
{
	uint64_t bits = __atomic_exchange_n(&m->log[word], 0, __ATOMIC_SEQ_CST);
	size_t first = m->region->guest_addr / PAGE;

	for (; bits; bits &= bits - 1) {
		size_t page = word * WORD_BITS + (unsigned)__builtin_ctzll(bits) - first;

		if (page < n_pages(m))
			memcpy(m->copy + page * PAGE, m->region->host + page * PAGE, PAGE);
	}
}

bool moving_copy(struct moving *m)
{
	for (size_t i = 0; i < m->log_size / sizeof(*m->log); i++)
		copy_word(m, i);
	return ++m->n_rounds < ROUNDS;
}

/* Pages that differ, of those that lie wholly between @from and @to. */
static unsigned compare(const struct moving *m, const uint8_t *from, const uint8_t *to)
{
	size_t page = ((size_t)(from - m->region->host) + PAGE - 1) / PAGE;
	size_t end = (size_t)(to - m->region->host) / PAGE;
	unsigned n = 0;

	for (; page < end; page++)
		n += memcmp(m->copy + page * PAGE, m->region->host + page * PAGE, PAGE) != 0;
	return n;
}

unsigned moving_end(struct moving *m, struct netdrv *drv, unsigned n_queues)
{
	unsigned n = 0;

	moving_copy(m);
	for (unsigned i = 0; i < n_queues; i++) {
		/* netdrv_create() lays out one after the other: ring, receive buffers, ring */
		const struct driver_ring *rx = netdrv_ring(drv, 2 * i),
					 *tx = netdrv_ring(drv, 2 * i + 1);
		struct driver_layout layout;

		driver_layout(rx->config.features, rx->config.size, &layout);
		n += compare(m, (const uint8_t *)rx->desc + layout.size, tx->desc);
	}
	moving_forget(m);
	return n;
}

void moving_forget(struct moving *m)
{
	if (m->log)
		munmap(m->log, m->log_size);
	free(m->copy);
	memset(m, 0, sizeof(*m));
}
