/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that a driver in user space shares with its device: memfds, mapped here and handed to the
 * device as regions, and an allocator that gives pieces of them to rings and buffers. Pieces are
 * never given back one by one: a driver lays out its rings and buffers once. Not for several
 * threads at a time.
 */
#pragma once

#include "base/error.h"
#include "virtio/driver.h"

#define SHAREDMEM_REGIONS_MAX 16 /* memfds */

/* Owned by the caller; zeroed (= {0}) it is empty. Must not move: memory points into it. */
struct sharedmem {
	struct driver_memory memory; /* for driver_config and the memory table */
	struct driver_region regions[SHAREDMEM_REGIONS_MAX];
	uint64_t used[SHAREDMEM_REGIONS_MAX]; /* bytes given out, from the front of each region */
};

/* Adds a region of @size bytes (made a multiple of 4096) that the device finds at @guest_addr, in a
 * new memfd called @name. Front-end virtual addresses are this process's own. The fd is closed by
 * sharedmem_destroy(). Returns 0, or -errno and a text: overlapping or wrapping addresses, too many
 * regions, or what the system said.
 */
int sharedmem_add(struct sharedmem *mem, const char *name, uint64_t size, uint64_t guest_addr,
		  struct error *err);

/* The same of huge pages of 2 MiB (@size is made a multiple of that) when the system has so many to
 * give, else of ordinary ones. @guest_addr should be a multiple of 2 MiB.
 */
int sharedmem_add_huge(struct sharedmem *mem, const char *name, uint64_t size, uint64_t guest_addr,
		       struct error *err);

/* @size zeroed bytes at a multiple of @align (a power of two, at most 4096), from the first region
 * that has them; NULL when none has.
 */
void *sharedmem_alloc(struct sharedmem *mem, uint64_t size, uint64_t align);

/* Forgets everything that was given out; what the bytes hold stays. No ring may use them. */
void sharedmem_reset(struct sharedmem *mem);

/* Unmaps and closes; the device must have let go or be able to live with it. Empty is fine. */
void sharedmem_destroy(struct sharedmem *mem);
