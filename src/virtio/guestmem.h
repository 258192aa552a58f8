/* SPDX-License-Identifier: Apache-2.0 */
/* Guest memory as a device sees it: the only place where a guest address becomes a pointer.
 *
 * A guestmem is an immutable list of mapped regions. The control thread makes a new one from the
 * old one and a change, publishes it, and frees the old one after a grace period; a region stays
 * mapped as long as any guestmem holds it. Workers read it. Lookups never trust an address or a
 * length: they tell how many bytes from there are valid.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/rcu.h"
#include "virtio/bus_guard.h"

#define GUESTMEM_REGIONS_MAX 509 /* as QEMU's largest number of memory slots */
#define GUESTMEM_ADDS_MAX 256	 /* times that one may be added */
/* Bytes mapped of one guest, so that one leaves others room: of memory that is to go, too, which
 * may take a moment, and until then whoever comes with ever new memory is refused. */
#define GUESTMEM_BYTES_MAX (8ull << 40)

/* A region as the front-end describes it (vhost-user, "Memory region description"). */
struct guestmem_region_config {
	uint64_t guest_addr;  /* guest-physical address */
	uint64_t user_addr;   /* where the front-end has it in its own address space */
	uint64_t size;	      /* bytes, > 0 */
	uint64_t mmap_offset; /* of the region in the fd, bytes */
};

struct guestmem_region;	 /* a mapping, shared by the guestmems that hold it */
struct guestmem_account; /* of one guest, shared by all regions that were ever made for it */

/* Sorted by guest address, for lookups. */
struct guestmem_range {
	uint64_t guest_addr;
	uint64_t user_addr;
	uint64_t size;
	uint8_t *host;			/* where guest_addr is mapped here */
	struct guestmem_region *region; /* NULL in tests that make ranges by hand */
};

struct guestmem {
	struct rcu_free rcu;
	uint64_t serial;		  /* of this list: never used again, unlike its address */
	struct guestmem_account *account; /* NULL in tests that make ranges by hand */
	unsigned n_ranges;
	struct guestmem_range ranges[]; /* sorted by guest_addr, none overlaps another */
};

/* Control thread. All return 0 and a new guestmem in @out, or -errno and a text; @old is left as it
 * is. The fds are borrowed: mapping does not need them afterwards, the caller closes them.
 */

/* A guestmem of no region, of another guest than all others. NULL when memory is short. */
struct guestmem *guestmem_create(void);

/* @old and one more region, mapped from @fd. Refused: files that are not the kernel's own memory
 * (memfd, tmpfs, hugetlbfs), size 0, wrapping addresses, guest addresses that overlap another
 * region's, an offset that is not covered by the file (the file is asked for its size), more than
 * GUESTMEM_REGIONS_MAX, and more than GUESTMEM_BYTES_MAX in all. Front-end addresses may overlap,
 * as a front-end that shows the same memory twice does; lookups by them take the region with the
 * lowest guest address.
 */
int guestmem_add(const struct guestmem *old, const struct guestmem_region_config *config, int fd,
		 struct guestmem **out, struct error *err);

/* Front-ends of several queue pairs may add one region once for each (QEMU 7.2 does), and remove it
 * as often. Notes that the region at @config, which @mem holds, was added again; false: it is not
 * there, or is another one, so that guestmem_add() has to be asked.
 */
bool guestmem_add_again(const struct guestmem *mem, const struct guestmem_region_config *config,
			int fd);

/* Takes one of these back; false: the region was added once, so that guestmem_remove() has to be
 * asked. */
bool guestmem_remove_again(const struct guestmem *mem, const struct guestmem_region_config *config);

/* @old without the region that has this guest address, user address and size (vhost-user,
 * REM_MEM_REG). */
int guestmem_remove(const struct guestmem *old, const struct guestmem_region_config *config,
		    struct guestmem **out, struct error *err);

/* Frees now; regions that no other guestmem holds are unmapped. NULL is fine. No worker may use it.
 */
void guestmem_destroy(struct guestmem *mem);

/* Frees after a grace period. NULL is fine. */
void guestmem_destroy_later(struct guestmem *mem);

/* NUMA node of the guest's memory (of the first page that is there), or -1 when unknown. Control
 * thread. */
int guestmem_numa_node(const struct guestmem *mem);

/* Bytes mapped in all. */
uint64_t guestmem_size(const struct guestmem *mem);

/* Whether the front-end has cut off the file behind some region of @mem: reads there give zeros,
 * what is written is lost, and the device must be given up. A ring finds out by itself and breaks
 * (RING_FAULT_UNMAPPED). Any thread; quick unless there is such a device.
 */
bool guestmem_lost_any(const struct guestmem *mem);
static inline bool guestmem_lost(const struct guestmem *mem)
{
	return bus_guard_any_hit() && guestmem_lost_any(mem);
}

/* Whether @len (> 0) bytes at guest-physical @addr all lie in @range. Worker threads. */
static inline bool guestmem_range_holds(const struct guestmem_range *range, uint64_t addr,
					uint64_t len)
{
	uint64_t offset = addr - range->guest_addr;

	return offset < range->size && len <= range->size - offset;
}

/* The range that @addr is in, or NULL. Worker threads. */
const struct guestmem_range *guestmem_find(const struct guestmem *mem, uint64_t addr);

/* Worker threads. The pointer for guest-physical @addr, and in @len the number of bytes that are
 * valid from there on (to the region's end; never 0). NULL when @addr is in no region. A buffer
 * that goes on behind the end of a region may do so in the next one, if that starts there: look up
 * again.
 */
void *guestmem_lookup(const struct guestmem *mem, uint64_t addr, uint64_t *len);

/* The pointer for @len contiguous bytes (> 0) at front-end address @user_addr, or NULL unless one
 * region holds them all. Ring addresses are given so (vhost-user, "Ring states"). Control thread.
 */
void *guestmem_user(const struct guestmem *mem, uint64_t user_addr, uint64_t len);

/* The same for a guest-physical address. */
void *guestmem_guest(const struct guestmem *mem, uint64_t guest_addr, uint64_t len);
