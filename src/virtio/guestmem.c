// SPDX-License-Identifier: Apache-2.0
/* Guest memory: regions mapped from the front-end's file descriptors, and the lookups. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/limit.h"
#include "virtio/filemap.h"
#include "virtio/guestmem.h"

#define LINEAR_MAX 8	   /* ranges up to which a linear search is quicker than a binary one */
#define NUMA_PROBES_MAX 64 /* pages looked at in all: front-ends decide how often */

LIMIT_EACH(guest_regions, "guest_regions", GUESTMEM_REGIONS_MAX, "of memory, of one guest");
LIMIT_EACH(guest_bytes, "guest_bytes", GUESTMEM_BYTES_MAX, "of memory mapped, of one guest");

/* All fields atomic: regions go in any thread. */
struct guestmem_account {
	unsigned refs; /* guestmems and regions */
	uint64_t bytes;
};

struct guestmem_region {
	unsigned refs;	 /* guestmems that hold it; atomic, the last may be dropped by any thread */
	unsigned n_adds; /* times that the front-end has added it; control thread */
	struct filemap file;
	uint64_t size; /* as it is booked in */
	struct guestmem_account *account;
};

static void hold_account(struct guestmem_account *account)
{
	__atomic_add_fetch(&account->refs, 1, __ATOMIC_RELAXED);
}

static void put_account(struct guestmem_account *account)
{
	if (account && !__atomic_sub_fetch(&account->refs, 1, __ATOMIC_ACQ_REL))
		free(account);
}

/* @size bytes more. 0, or -ENOSPC and a text. */
static int book(struct guestmem_account *account, uint64_t size, struct error *err)
{
	uint64_t now = __atomic_load_n(&account->bytes, __ATOMIC_RELAXED);

	if (size > GUESTMEM_BYTES_MAX || now > GUESTMEM_BYTES_MAX - size) {
		limit_refuse(&guest_bytes);
		return error_set(err, -ENOSPC,
				 "memory region of 0x%" PRIx64 " bytes: more than %llu TiB of one "
				 "guest, with what is still being let go of",
				 size, GUESTMEM_BYTES_MAX >> 40);
	}
	/* others only subtract */
	__atomic_add_fetch(&account->bytes, size, __ATOMIC_RELAXED);
	return 0;
}

static void unbook(struct guestmem_account *account, uint64_t size)
{
	__atomic_sub_fetch(&account->bytes, size, __ATOMIC_RELAXED);
}

static void put_region(struct guestmem_region *region)
{
	/* Release: this user's accesses come before the end; acquire: so do those of the others. */
	if (__atomic_sub_fetch(&region->refs, 1, __ATOMIC_ACQ_REL))
		return;
	unbook(region->account, region->size);
	put_account(region->account);
	filemap_close(&region->file);
	free(region);
}

static int map_region(struct guestmem_account *account, const struct guestmem_region_config *c,
		      int fd, struct guestmem_region **region_out, uint8_t **host,
		      struct error *err)
{
	struct guestmem_region *region = calloc(1, sizeof(*region));
	int rc;

	if (!region)
		return error_set(err, -ENOMEM, "memory region: out of memory");
	rc = book(account, c->size, err);
	if (rc < 0)
		goto fail;
	rc = filemap_open(&region->file, "memory region", fd, c->mmap_offset, c->size, err);
	if (rc < 0)
		goto fail_booked;
	region->refs = region->n_adds = 1;
	region->size = c->size;
	region->account = account;
	hold_account(account);
	/* Both are wishes: a core dump without the guest's memory, and fewer TLB misses. */
	madvise(region->file.map, region->file.map_len, MADV_DONTDUMP);
	madvise(region->file.map, region->file.map_len, MADV_HUGEPAGE);
	*region_out = region;
	*host = region->file.host;
	return 0;
fail_booked:
	unbook(account, c->size);
fail:
	free(region);
	return rc;
}

static struct guestmem *alloc_mem(unsigned n_ranges, struct guestmem_account *account)
{
	static uint64_t last_serial;
	struct guestmem *mem;

	mem = calloc(1, sizeof(*mem) + n_ranges * sizeof(mem->ranges[0]));
	if (!mem)
		return NULL;
	mem->n_ranges = n_ranges;
	mem->account = account;
	hold_account(account);
	mem->serial = __atomic_add_fetch(&last_serial, 1, __ATOMIC_RELAXED);
	return mem;
}

struct guestmem *guestmem_create(void)
{
	struct guestmem_account *account = calloc(1, sizeof(*account));
	struct guestmem *mem = account ? alloc_mem(0, account) : NULL;

	if (!mem)
		free(account);
	return mem;
}

static void hold_ranges(struct guestmem_range *to, const struct guestmem_range *from, unsigned n)
{
	memcpy(to, from, n * sizeof(*from));
	for (unsigned i = 0; i < n; i++)
		__atomic_add_fetch(&from[i].region->refs, 1, __ATOMIC_RELAXED);
}

static int check_addresses(const struct guestmem_region_config *c, struct error *err)
{
	uint64_t end;

	if (!c->size)
		return error_set(err, -EINVAL, "memory region of 0 bytes");
	if (__builtin_add_overflow(c->guest_addr, c->size, &end))
		return error_set(err, -EINVAL,
				 "memory region's guest addresses wrap: 0x%" PRIx64 " + 0x%" PRIx64,
				 c->guest_addr, c->size);
	if (__builtin_add_overflow(c->user_addr, c->size, &end))
		return error_set(err, -EINVAL,
				 "memory region's user addresses wrap: 0x%" PRIx64 " + 0x%" PRIx64,
				 c->user_addr, c->size);
	return 0;
}

/* Where in the sorted list the region belongs, or -EINVAL. */
static int find_place(const struct guestmem *mem, const struct guestmem_region_config *c,
		      struct error *err)
{
	unsigned i;

	if (mem->n_ranges >= GUESTMEM_REGIONS_MAX) {
		limit_refuse(&guest_regions);
		return error_set(err, -EINVAL, "more than %d memory regions", GUESTMEM_REGIONS_MAX);
	}
	for (i = 0; i < mem->n_ranges; i++) {
		const struct guestmem_range *r = &mem->ranges[i];

		if (r->guest_addr + r->size <= c->guest_addr)
			continue;
		if (c->guest_addr + c->size <= r->guest_addr)
			break;
		return error_set(err, -EINVAL,
				 "memory regions overlap: 0x%" PRIx64 " + 0x%" PRIx64
				 " and 0x%" PRIx64 " + 0x%" PRIx64,
				 r->guest_addr, r->size, c->guest_addr, c->size);
	}
	return (int)i;
}

int guestmem_add(const struct guestmem *old, const struct guestmem_region_config *config, int fd,
		 struct guestmem **out, struct error *err)
{
	struct guestmem_region *region = NULL;
	struct guestmem *mem;
	uint8_t *host = NULL;
	int place, rc;

	rc = check_addresses(config, err);
	if (rc < 0)
		return rc;
	place = find_place(old, config, err);
	if (place < 0)
		return place;
	mem = alloc_mem(old->n_ranges + 1, old->account);
	if (!mem)
		return error_set(err, -ENOMEM, "memory region: out of memory");
	rc = map_region(old->account, config, fd, &region, &host, err);
	if (rc < 0) {
		put_account(mem->account);
		free(mem);
		return rc;
	}
	hold_ranges(mem->ranges, old->ranges, (unsigned)place);
	hold_ranges(mem->ranges + place + 1, old->ranges + place, old->n_ranges - (unsigned)place);
	mem->ranges[place] = (struct guestmem_range){ .guest_addr = config->guest_addr,
						      .user_addr = config->user_addr,
						      .size = config->size,
						      .host = host,
						      .region = region };
	*out = mem;
	return 0;
}

/* The index of exactly this region, n_ranges when there is none. */
static unsigned find_same(const struct guestmem *mem, const struct guestmem_region_config *c)
{
	unsigned i;

	for (i = 0; i < mem->n_ranges; i++) {
		const struct guestmem_range *r = &mem->ranges[i];

		if (r->guest_addr == c->guest_addr && r->user_addr == c->user_addr &&
		    r->size == c->size)
			break;
	}
	return i;
}

bool guestmem_add_again(const struct guestmem *mem, const struct guestmem_region_config *config,
			int fd)
{
	unsigned i = find_same(mem, config);
	struct guestmem_region *region;

	if (i == mem->n_ranges)
		return false;
	region = mem->ranges[i].region;
	if (!filemap_is(&region->file, fd, config->mmap_offset) ||
	    region->n_adds == GUESTMEM_ADDS_MAX)
		return false;
	region->n_adds++;
	return true;
}

bool guestmem_remove_again(const struct guestmem *mem, const struct guestmem_region_config *config)
{
	unsigned i = find_same(mem, config);

	if (i == mem->n_ranges || mem->ranges[i].region->n_adds == 1)
		return false;
	mem->ranges[i].region->n_adds--;
	return true;
}

int guestmem_remove(const struct guestmem *old, const struct guestmem_region_config *config,
		    struct guestmem **out, struct error *err)
{
	unsigned i = find_same(old, config);
	struct guestmem *mem;

	if (i == old->n_ranges)
		return error_set(err, -EINVAL,
				 "no memory region of 0x%" PRIx64 " bytes at 0x%" PRIx64,
				 config->size, config->guest_addr);
	mem = alloc_mem(old->n_ranges - 1, old->account);
	if (!mem)
		return error_set(err, -ENOMEM, "memory region: out of memory");
	hold_ranges(mem->ranges, old->ranges, i);
	hold_ranges(mem->ranges + i, old->ranges + i + 1, old->n_ranges - i - 1);
	*out = mem;
	return 0;
}

void guestmem_destroy(struct guestmem *mem)
{
	if (!mem)
		return;
	for (unsigned i = 0; i < mem->n_ranges; i++)
		put_region(mem->ranges[i].region);
	put_account(mem->account);
	free(mem);
}

static void destroy_rcu(struct rcu_free *item)
{
	guestmem_destroy(container_of(item, struct guestmem, rcu));
}

void guestmem_destroy_later(struct guestmem *mem)
{
	if (mem)
		rcu_free_later(&mem->rcu, destroy_rcu);
}

/* The node of the page at @host, or -1. Asks for a page that is there already, so that no memory
 * comes into being by the question; but a page of the file is not in our page table before it was
 * read. The read is left to the kernel: it fails, without SIGBUS, where the file was cut off.
 */
static int page_node(uint8_t *host, size_t page)
{
	void *addr = (void *)((uintptr_t)host & ~(uintptr_t)(page - 1));
	unsigned char there;
	int node = -1;

	if (page == (size_t)sysconf(_SC_PAGESIZE) &&
	    (mincore(addr, page, &there) < 0 || !(there & 1)))
		return -1;
#ifdef MADV_POPULATE_READ
	if (madvise(addr, page, MADV_POPULATE_READ) < 0)
		return -1;
#endif
	if (syscall(SYS_move_pages, 0, 1ul, &addr, 0ul, &node, 0) < 0)
		return -1;
	return node >= 0 ? node : -1;
}

int guestmem_numa_node(const struct guestmem *mem)
{
	unsigned n = min(mem->n_ranges, (unsigned)NUMA_PROBES_MAX);

	for (unsigned i = 0; i < n; i++) {
		const struct guestmem_range *r = &mem->ranges[i];
		uint64_t step = max(r->size / (NUMA_PROBES_MAX / n) + 1,
				    (uint64_t)r->region->file.page_size);

		for (uint64_t at = 0; at < r->size; at += step) {
			int node = page_node(r->host + at, r->region->file.page_size);

			if (node >= 0)
				return node;
		}
	}
	return -1;
}

uint64_t guestmem_size(const struct guestmem *mem)
{
	uint64_t size = 0;

	for (unsigned i = 0; i < mem->n_ranges; i++)
		size += mem->ranges[i].size;
	return size;
}

bool guestmem_lost_any(const struct guestmem *mem)
{
	for (unsigned i = 0; i < mem->n_ranges; i++)
		if (mem->ranges[i].region && filemap_lost(&mem->ranges[i].region->file))
			return true;
	return false;
}

const struct guestmem_range *guestmem_find(const struct guestmem *mem, uint64_t addr)
{
	unsigned low = 0, high = mem->n_ranges;

	if (high <= LINEAR_MAX) {
		/* From the top: most of a guest's memory lies high, and so do most buffers. */
		while (high--)
			if (guestmem_range_holds(&mem->ranges[high], addr, 1))
				return &mem->ranges[high];
		return NULL;
	}
	while (low < high) {
		unsigned mid = (low + high) / 2;

		if (addr < mem->ranges[mid].guest_addr)
			high = mid;
		else if (addr - mem->ranges[mid].guest_addr >= mem->ranges[mid].size)
			low = mid + 1;
		else
			return &mem->ranges[mid];
	}
	return NULL;
}

void *guestmem_lookup(const struct guestmem *mem, uint64_t addr, uint64_t *len)
{
	const struct guestmem_range *r = guestmem_find(mem, addr);

	if (!r)
		return NULL;
	*len = r->size - (addr - r->guest_addr);
	return r->host + (addr - r->guest_addr);
}

void *guestmem_user(const struct guestmem *mem, uint64_t user_addr, uint64_t len)
{
	for (unsigned i = 0; len && i < mem->n_ranges; i++) {
		const struct guestmem_range *r = &mem->ranges[i];
		uint64_t offset = user_addr - r->user_addr;

		if (offset < r->size && len <= r->size - offset)
			return r->host + offset;
	}
	return NULL;
}

void *guestmem_guest(const struct guestmem *mem, uint64_t guest_addr, uint64_t len)
{
	const struct guestmem_range *r = guestmem_find(mem, guest_addr);

	if (!r || !len || !guestmem_range_holds(r, guest_addr, len))
		return NULL;
	return r->host + (guest_addr - r->guest_addr);
}
