// SPDX-License-Identifier: Apache-2.0
/* Shared files: what is checked before they are mapped, and the guard for when they are cut off. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/compiler.h"
#include "virtio/filemap.h"

#define LARGE_PAGE (2u << 20) /* that the kernel may make of a file's pages, where it fits */

/* Any file system but the kernel's own memory may be somebody's server (FUSE), and we would wait
 * for it at every question and every page. That seals can be asked for tells it, without asking the
 * file.
 */
static bool is_kernel_memory(int fd)
{
	return fcntl(fd, F_GET_SEALS) >= 0;
}

static int check_file(const char *what, int fd, uint64_t offset, uint64_t size, struct stat *st,
		      struct error *err)
{
	uint64_t end;

	if (__builtin_add_overflow(offset, size, &end) || end > INT64_MAX)
		return error_set(err, -EINVAL, "%s's file offset wraps: 0x%" PRIx64 " + 0x%" PRIx64,
				 what, offset, size);
	if (!is_kernel_memory(fd))
		return error_set(err, -errno,
				 "%s's file: %s (memfd, tmpfs and hugetlbfs are taken)", what,
				 strerror(errno));
	if (fstat(fd, st) < 0)
		return error_set(err, -errno, "%s's file: %s", what, strerror(errno));
	if (st->st_size < 0 || end > (uint64_t)st->st_size)
		return error_set(err, -EINVAL,
				 "%s of 0x%" PRIx64 " bytes at offset 0x%" PRIx64
				 " ends behind its file of 0x%" PRIx64 " bytes",
				 what, size, offset, (uint64_t)st->st_size);
	return 0;
}

/* Mappings of hugetlbfs files start and end at their own page size. */
static int file_page_size(int fd, size_t *size)
{
	struct statfs fs;

	*size = (size_t)sysconf(_SC_PAGESIZE);
	if (fstatfs(fd, &fs) < 0)
		return -errno;
	if (fs.f_type == HUGETLBFS_MAGIC && fs.f_bsize > 0 && (size_t)fs.f_bsize > *size)
		*size = (size_t)fs.f_bsize;
	return 0;
}

/* Where in a reserved piece of address space @len bytes from @offset of a file go: behind a guard
 * page, and such that large pages of the file are large pages here. *@room: bytes to reserve, for
 * pages on both sides that nobody may touch. */
static uintptr_t place(uintptr_t reserved, size_t page, uint64_t offset, size_t len, size_t *room)
{
	size_t guard = (size_t)sysconf(_SC_PAGESIZE), align = max(page, guard);
	uintptr_t first = reserved + guard;

	if (len >= LARGE_PAGE)
		align = max(align, (size_t)LARGE_PAGE);
	*room = len + align + 2 * guard;
	return first + ((uintptr_t)offset - first) % align;
}

/* Maps @len bytes from @start of the file, both multiples of its page size. Whoever runs over an
 * end of it dies there, instead of reading or writing what another guest has. */
static int map_file(struct filemap *map, int fd, uint64_t start, size_t len)
{
	size_t room;
	void *at;

	place(0, map->page_size, start, len, &room);
	map->reserved =
		mmap(NULL, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (map->reserved == MAP_FAILED)
		return -errno;
	map->reserved_len = room;
	at = (void *)place((uintptr_t)map->reserved, map->page_size, start, len, &room);
	map->map = mmap(at, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE | MAP_FIXED, fd,
			(off_t)start);
	if (map->map == MAP_FAILED) {
		int rc = -errno;

		munmap(map->reserved, map->reserved_len);
		return rc;
	}
	map->map_len = len;
	return 0;
}

int filemap_open(struct filemap *map, const char *what, int fd, uint64_t offset, uint64_t size,
		 struct error *err)
{
	uint64_t start, len;
	struct stat st = { 0 };
	size_t page;
	int rc;

	rc = check_file(what, fd, offset, size, &st, err);
	if (rc < 0)
		return rc;
	rc = file_page_size(fd, &page);
	if (rc < 0)
		return error_set(err, rc, "%s's file: %s", what, strerror(-rc));
	start = offset & ~(uint64_t)(page - 1);
	len = offset + size - start;
	if (__builtin_add_overflow(len, page - 1, &len) || len > SIZE_MAX / 2)
		return error_set(err, -EINVAL, "%s is too large", what);
	len &= ~(uint64_t)(page - 1);

	*map = (struct filemap){
		.page_size = page, .device = st.st_dev, .inode = st.st_ino, .offset = offset
	};
	rc = map_file(map, fd, start, len);
	if (rc < 0)
		return error_set(err, rc, "%s of 0x%" PRIx64 " bytes: mmap: %s", what, size,
				 strerror(-rc));
	map->guard = bus_guard_add(map->map, len);
	if (!map->guard) {
		munmap(map->reserved, map->reserved_len);
		return error_set(err, -ENOSPC, "too many memory regions of all guests");
	}
	map->host = (uint8_t *)map->map + (offset - start);
	return 0;
}

void filemap_close(struct filemap *map)
{
	bus_guard_remove(map->guard);
	munmap(map->reserved, map->reserved_len);
}

bool filemap_is(const struct filemap *map, int fd, uint64_t offset)
{
	struct stat st;

	return is_kernel_memory(fd) && fstat(fd, &st) == 0 && st.st_dev == map->device &&
	       st.st_ino == map->inode && offset == map->offset;
}
