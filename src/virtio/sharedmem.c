// SPDX-License-Identifier: Apache-2.0
// Memory that a driver in user space shares with its device: memfds and a bump allocator.

#include "virtio/sharedmem.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/compiler.h"

#define PAGE 4096u

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

int sharedmem_add(struct sharedmem *mem, const char *name, uint64_t size, uint64_t guest_addr,
		  struct error *err)
{
	struct driver_region *region = &mem->regions[mem->memory.n_regions];
	void *host;
	int fd, rc;

	if (size > (uint64_t)INT64_MAX - PAGE)
		return error_set(err, -EINVAL, "region of %" PRIu64 " bytes is too large", size);
	size = (size + PAGE - 1) & ~(uint64_t)(PAGE - 1);
	rc = check(mem, size, guest_addr, err);
	if (rc != 0)
		return rc;
	fd = memfd_create(name, MFD_CLOEXEC);
	if (fd < 0)
		return error_set(err, -errno, "memfd: %s", strerror(errno));
	if (ftruncate(fd, (off_t)size) != 0) {
		rc = error_set(err, -errno, "memfd of %" PRIu64 " bytes: %s", size,
			       strerror(errno));
		goto close;
	}
	host = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (host == MAP_FAILED) {
		rc = error_set(err, -errno, "mapping %" PRIu64 " bytes: %s", size, strerror(errno));
		goto close;
	}
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
close:
	close(fd);
	return rc;
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
