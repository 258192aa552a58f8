/* SPDX-License-Identifier: Apache-2.0 */
/* A bounded queue of records of any size between two threads, without locks: one producer, one
 * consumer.
 *
 * Theory of operation. One array of bytes, used as a circle; @head and @tail count bytes ever
 * written and ever consumed. A record is an 8-byte length and its bytes, padded to 8, never
 * wrapped: where it would cross the end, a length of SPSC_SKIP sends the consumer to the start. The
 * producer fills a record in place and publishes it by storing @head with release order; the
 * consumer loads @head with acquire order, uses the record in place and gives the room back by
 * storing @tail with release order, which the producer loads with acquire order. The array is
 * mapped, not touched: an unused queue costs no memory.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

struct spsc {
	uint8_t *bytes;
	size_t size;					    /* power of two */
	uint64_t head __attribute__((aligned(CACHE_LINE))); /* producer's */
	uint64_t reserved; /* producer: start of the record being filled */
	uint64_t tail __attribute__((aligned(CACHE_LINE))); /* consumer's */
	uint64_t next;					    /* consumer: first record not popped */
};

/* @size bytes, a power of two >= 4096. Returns 0 or -ENOMEM. */
int spsc_init(struct spsc *q, size_t size);
void spsc_destroy(struct spsc *q);

/* Producer: room for a record of @len bytes, 8-byte aligned, or NULL when there is none. The record
 * does not exist for the consumer until spsc_commit().
 */
void *spsc_reserve(struct spsc *q, size_t len);

/* Producer: publishes the record just reserved, @len bytes of it (at most what was reserved). */
void spsc_commit(struct spsc *q, size_t len);

/* Consumer: the oldest record not yet popped and its length, or NULL. */
void *spsc_peek(struct spsc *q, size_t *len);

/* Consumer: passes over the record that spsc_peek() returned; its bytes stay valid until
 * spsc_release(). */
void spsc_pop(struct spsc *q);

/* Consumer: gives the room of all popped records back to the producer. */
void spsc_release(struct spsc *q);

/* Consumer, and any thread as a hint: nothing to peek at. */
bool spsc_empty(const struct spsc *q);

/* Any thread: bytes of records ever published, and of these, how many the consumer has given back.
 * What is between them is in the queue; the rest of its size is free.
 */
uint64_t spsc_published(const struct spsc *q);
uint64_t spsc_consumed(const struct spsc *q);
