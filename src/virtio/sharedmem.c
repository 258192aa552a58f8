// SPDX-License-Identifier: Apache-2.0
// Memory that a driver in user space shares with its device: memfds and a bump allocator.

#include "virtio/sharedmem.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/memfd.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/compiler.h"

#define PAGE 4096u
#define HUGE_PAGE (2u << 20)

static int check(const struct sharedmem *mem, uint64_t size, uint64_t addr, struct error *err)
{
	if (mem->memory.n_regions == SHAREDMEM_REGIONS_MAX)
		return error_set(err, -ENOSPC, "more than %u memory regions",
				 SHAREDMEM_REGIONS_MAX);
	if (size == 0 || addr > UINT64_MAX - size)
		return error_set(err, -EINVAL, "%" PRIu64 " bytes at %#" PRIx64 " wrap or are none",
				 size, addr);
	for (unsigned i = 0; i < mem->memory.n_regions; i++) {
		const struct driver_region *r = &mem->regions[i];

		if (addr < r->guest_addr + r->size && r->guest_addr < addr + size)
			return error_set(err, -EEXIST, "region at %#" PRIx64 " overlaps another",
					 addr);
	}
	return 0;
}

/* A mapped memfd of @size bytes; its fd, or -errno and a text. */
static int map_memfd(const char *name, uint64_t size, unsigned flags, void **host,
		     struct error *err)
{
	int fd = memfd_create(name, MFD_CLOEXEC | flags), rc;

	if (fd < 0)
		return error_set(err, -errno, "memfd: %s", strerror(errno));
	if (ftruncate(fd, (off_t)size) != 0) {
		rc = error_set(err, -errno, "memfd of %" PRIu64 " bytes: %s", size,
			       strerror(errno));
		goto close;
	}
	/* Huge pages that are not there are refused here, not at the first touch. */
	*host = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (*host == MAP_FAILED) {
		rc = error_set(err, -errno, "mapping %" PRIu64 " bytes: %s", size, strerror(errno));
		goto close;
	}
	return fd;
close:
	close(fd);
	return rc;
}

static int add(struct sharedmem *mem, const char *name, uint64_t size, uint64_t page,
	       uint64_t guest_addr, struct error *err)
{
	struct driver_region *region = &mem->regions[mem->memory.n_regions];
	void *host;
	int fd, rc;

	if (size > (uint64_t)INT64_MAX - page)
		return error_set(err, -EINVAL, "region of %" PRIu64 " bytes is too large", size);
	size = (size + page - 1) & ~(page - 1);
	rc = check(mem, size, guest_addr, err);
	if (rc != 0)
		return rc;
	fd = map_memfd(name, size, page == HUGE_PAGE ? MFD_HUGETLB | MFD_HUGE_2MB : 0, &host, err);
	if (fd < 0)
		return fd;
	*region = (struct driver_region){
		.host = host,
		.size = size,
		.guest_addr = guest_addr,
		.user_addr = (uintptr_t)host,
		.fd = fd,
	};
	mem->used[mem->memory.n_regions++] = 0;
	mem->memory.regions = mem->regions;
	return 0;
}

int sharedmem_add(struct sharedmem *mem, const char *name, uint64_t size, uint64_t guest_addr,
		  struct error *err)
{
	return add(mem, name, size, PAGE, guest_addr, err);
}

int sharedmem_add_huge(struct sharedmem *mem, const char *name, uint64_t size, uint64_t guest_addr,
		       struct error *err)
{
	if (add(mem, name, size, HUGE_PAGE, guest_addr, NULL) == 0)
		return 0;
	return add(mem, name, size, PAGE, guest_addr, err);
}

void *sharedmem_alloc(struct sharedmem *mem, uint64_t size, uint64_t align)
{
	assert(align > 0 && align <= PAGE && (align & (align - 1)) == 0);
	for (unsigned i = 0; i < mem->memory.n_regions; i++) {
		uint64_t start = (mem->used[i] + align - 1) & ~(align - 1);

		if (start > mem->regions[i].size || size > mem->regions[i].size - start)
			continue;
		mem->used[i] = start + size;
		return memset(mem->regions[i].host + start, 0, size);
	}
	return NULL;
}

void sharedmem_reset(struct sharedmem *mem)
{
	memset(mem->used, 0, sizeof(mem->used));
}

void sharedmem_destroy(struct sharedmem *mem)
{
	for (unsigned i = 0; i < mem->memory.n_regions; i++) {
		munmap(mem->regions[i].host, mem->regions[i].size);
		close(mem->regions[i].fd);
	}
	memset(mem, 0, sizeof(*mem));
}
