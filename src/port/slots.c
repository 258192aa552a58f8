// SPDX-License-Identifier: Apache-2.0
// Room for whole frames.
#include <sys/mman.h>

#include "port/slots.h"

uint8_t *slots_map(unsigned n)
{
	void *p = mmap(NULL, (size_t)n * SLOT_LEN, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

void slots_unmap(uint8_t *slots, unsigned n)
{
	if (slots)
		munmap(slots, (size_t)n * SLOT_LEN);
}
