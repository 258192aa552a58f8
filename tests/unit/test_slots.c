// SPDX-License-Identifier: Apache-2.0
// Slots: room, alignment, and memory only for what was written.
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "port/slots.h"

#define CACHE_LINE 64
#define MANY 16384 /* slots: a gigabyte */

static void test_room(void **state)
{
	uint8_t *slots = slots_map(3);

	assert_non_null(slots);
	assert_true(SLOT_LEN >= SLOT_HEADROOM + FRAME_TAGGED_MAX);
	assert_ptr_equal(slot_frame(slots, 0), slots + SLOT_HEADROOM);
	for (unsigned i = 0; i < 3; i++)
		memset(slot_frame(slots, i) - SLOT_HEADROOM, (int)i + 1,
		       SLOT_HEADROOM + FRAME_TAGGED_MAX);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(slot_frame(slots, i)[-SLOT_HEADROOM], i + 1);
		assert_int_equal(slot_frame(slots, i)[FRAME_TAGGED_MAX - 1], i + 1);
	}
	slots_unmap(slots, 3);
}

/* Frames start at cache lines, and not all at the same place of a page. */
static void test_alignment(void **state)
{
	uint8_t *slots = slots_map(64);
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	unsigned same = 0;

	assert_non_null(slots);
	for (unsigned i = 0; i < 64; i++) {
		assert_int_equal((uintptr_t)slot_frame(slots, i) % CACHE_LINE, 0);
		same += (uintptr_t)slot_frame(slots, i) % page ==
			(uintptr_t)slot_frame(slots, 0) % page;
	}
	assert_true(same <= 2);
	slots_unmap(slots, 64);
}

static size_t count_resident(uint8_t *slots, unsigned n)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE),
	       n_pages = (n * (size_t)SLOT_LEN + page - 1) / page;
	unsigned char *pages = malloc(n_pages);
	size_t resident = 0;

	assert_int_equal(mincore(slots, n * (size_t)SLOT_LEN, pages), 0);
	for (size_t i = 0; i < n_pages; i++)
		resident += pages[i] & 1;
	free(pages);
	return resident * page;
}

static void test_lazy(void **state)
{
	uint8_t *slots = slots_map(MANY);
	size_t resident;

	assert_non_null(slots);
	assert_int_equal(count_resident(slots, MANY), 0);
	memset(slot_frame(slots, MANY / 2), 0xee, FRAME_TAGGED_MAX);
	resident = count_resident(slots, MANY);
	assert_true(resident >= FRAME_TAGGED_MAX);
	assert_true(resident <= 4u << 20); /* two huge pages, if the kernel takes those */
	slots_unmap(slots, MANY);
}

static void test_unmap(void **state)
{
	unsigned char page;
	uint8_t *slots = slots_map(1);

	slots_unmap(NULL, 5);
	assert_int_equal(mincore(slots, 1, &page), 0);
	slots_unmap(slots, 1);
	assert_int_equal(mincore(slots, 1, &page), -1);
	assert_int_equal(errno, ENOMEM);
	assert_null(slots_map(UINT_MAX)); /* more than there are addresses */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_room),
		cmocka_unit_test(test_alignment),
		cmocka_unit_test(test_lazy),
		cmocka_unit_test(test_unmap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
