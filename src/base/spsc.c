// SPDX-License-Identifier: Apache-2.0
/* Single-producer single-consumer queue of records (see spsc.h for how it works). */
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

#include "base/spsc.h"

#define SPSC_SKIP UINT64_MAX /* in place of a length: go on at the start of the array */
#define HEADER sizeof(uint64_t)

static size_t record_size(size_t len)
{
	return HEADER + ((len + 7) & ~(size_t)7);
}

static uint64_t *header_at(struct spsc *q, uint64_t pos)
{
	return (uint64_t *)(q->bytes + (pos & (q->size - 1)));
}

int spsc_init(struct spsc *q, size_t size)
{
	memset(q, 0, sizeof(*q));
	q->bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (q->bytes == MAP_FAILED) {
		q->bytes = NULL;
		return -ENOMEM;
	}
	q->size = size;
	return 0;
}

void spsc_destroy(struct spsc *q)
{
	if (q->bytes)
		munmap(q->bytes, q->size);
	q->bytes = NULL;
}

void *spsc_reserve(struct spsc *q, size_t len)
{
	/* pairs with the release store in spsc_pop(): the consumer is done with the room */
	uint64_t tail = __atomic_load_n(&q->tail, __ATOMIC_ACQUIRE);
	size_t to_end = q->size - (q->head & (q->size - 1));
	size_t need, skip;

	if (len > q->size)
		return NULL;
	need = record_size(len);
	skip = need > to_end ? to_end : 0;
	if (skip + need > q->size - (q->head - tail))
		return NULL;
	if (skip)
		*header_at(q, q->head) = SPSC_SKIP;
	q->reserved = q->head + skip;
	return header_at(q, q->reserved) + 1;
}

void spsc_commit(struct spsc *q, size_t len)
{
	*header_at(q, q->reserved) = len;
	/* pairs with the acquire load in spsc_peek(): the record is complete */
	__atomic_store_n(&q->head, q->reserved + record_size(len), __ATOMIC_RELEASE);
}

void *spsc_peek(struct spsc *q, size_t *len)
{
	/* pairs with the release store in spsc_commit() */
	uint64_t head = __atomic_load_n(&q->head, __ATOMIC_ACQUIRE);
	uint64_t *header;

	if (head == q->next)
		return NULL;
	header = header_at(q, q->next);
	if (*header == SPSC_SKIP) {
		/* skip and record were published together, so there is a record */
		q->next += q->size - (q->next & (q->size - 1));
		header = header_at(q, q->next);
	}
	*len = *header;
	return header + 1;
}

void spsc_pop(struct spsc *q)
{
	q->next += record_size(*header_at(q, q->next));
}

void spsc_release(struct spsc *q)
{
	/* pairs with the acquire load in spsc_reserve() */
	__atomic_store_n(&q->tail, q->next, __ATOMIC_RELEASE);
}

bool spsc_empty(const struct spsc *q)
{
	return __atomic_load_n(&q->head, __ATOMIC_ACQUIRE) == q->next;
}

uint64_t spsc_published(const struct spsc *q)
{
	return __atomic_load_n(&q->head, __ATOMIC_ACQUIRE);
}

uint64_t spsc_consumed(const struct spsc *q)
{
	/* pairs with the release store in spsc_release() */
	return __atomic_load_n(&q->tail, __ATOMIC_ACQUIRE);
}
