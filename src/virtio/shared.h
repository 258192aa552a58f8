/* SPDX-License-Identifier: Apache-2.0 */
/* How both sides of a virtqueue touch the memory that they share. The other side may write it at
 * any moment, so each value is read once, by an access that the compiler can neither split nor
 * repeat, and used from the copy. Any thread.
 */
#pragma once

#include <assert.h>
#include <linux/virtio_ring.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/store.h"

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
	      "virtio 1.2 is little-endian (1.4) and no conversion is done here");
static_assert(sizeof(struct vring_desc) == 16 && sizeof(struct vring_used_elem) == 8,
	      "virtio 1.2, 2.7.5 and 2.7.8");

/* Reads a naturally aligned integer, in no order with anything else; shared_store() writes one. */
#define shared_load(p) __atomic_load_n((p), __ATOMIC_RELAXED)

/* Reads an index: what the other side wrote before it is visible behind this. Pairs with
 * shared_store_release() of the same index. */
#define shared_load_acquire(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define shared_store_release(p, v) SHARED_STORE(p, v, __ATOMIC_RELEASE)

/* Orders the stores before it against the loads behind it, on both sides of a "tell, then look
 * once more" protocol. ThreadSanitizer does not know fences, an exchange does the same.
 */
static inline void shared_fence(void)
{
#if THREAD_SANITIZER
	int here = 0;

	(void)__atomic_exchange_n(&here, 1, __ATOMIC_SEQ_CST);
#else
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

/* The descriptor of a split ring that has these two words. */
static inline struct vring_desc shared_unpack_desc(uint64_t addr, uint64_t rest)
{
	return (struct vring_desc){ .addr = addr,
				    .len = (uint32_t)rest,
				    .flags = (uint16_t)(rest >> 32),
				    .next = (uint16_t)(rest >> 48) };
}

/* A private copy of a descriptor, read in two words. @from is 8-byte aligned. */
static inline struct vring_desc shared_load_desc(const void *from)
{
	const uint64_t *words = from;
	uint64_t addr = shared_load(&words[0]), rest = shared_load(&words[1]);

	return shared_unpack_desc(addr, rest);
}

/* The second word of a descriptor of a split ring. */
static inline uint64_t shared_pack_desc(uint32_t len, unsigned flags, unsigned next)
{
	return len | (uint64_t)flags << 32 | (uint64_t)next << 48;
}

/* Writes a descriptor, in two words. @to is 8-byte aligned. */
static inline void shared_store_desc(void *to, uint64_t addr, uint32_t len, uint16_t flags,
				     uint16_t next)
{
	uint64_t *words = to;

	shared_store(&words[0], addr);
	shared_store(&words[1], shared_pack_desc(len, flags, next));
}
