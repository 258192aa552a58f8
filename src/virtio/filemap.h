/* SPDX-License-Identifier: Apache-2.0 */
/* Files that a front-end shares with us (guest memory, the dirty log), mapped so that it can
 * neither let us wait nor end us by what it does with them. Control thread, unless told.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "virtio/bus_guard.h"

/* A part of a file, mapped for reading and writing. */
struct filemap {
	uint8_t *host; /* first byte of that part */
	void *map;     /* where it is mapped, from the file's offset aligned down */
	size_t map_len;
	void *reserved; /* address space around that, which nobody may touch */
	size_t reserved_len;
	size_t page_size; /* of the file */
	struct bus_guard *guard;
	/* to know it again */
	dev_t device;
	ino_t inode;
	uint64_t offset;
};

/* Maps @size (> 0) bytes of @fd from @offset on. Only memory that the kernel itself provides is
 * taken: memfd, tmpfs, hugetlbfs. In front of it and behind its last page lie pages that nobody may
 * touch, so that no access that goes wrong meets another mapping. The fd is borrowed and not needed
 * afterwards. @what: the part's name in error texts ("memory region"). Returns 0, or -errno and a
 * text: another file, a part that wraps or ends behind the file (which is asked for its size),
 * short memory.
 */
int filemap_open(struct filemap *map, const char *what, int fd, uint64_t offset, uint64_t size,
		 struct error *err);

/* Unmaps. No thread may use it. */
void filemap_close(struct filemap *map);

/* Whether @map starts at @offset of the file that @fd refers to. */
bool filemap_is(const struct filemap *map, int fd, uint64_t offset);

/* Whether the front-end has cut off the file: reads give zeros, what is written is lost. Any thread
 * that holds it.
 */
static inline bool filemap_lost(const struct filemap *map)
{
	return bus_guard_hit(map->guard);
}
