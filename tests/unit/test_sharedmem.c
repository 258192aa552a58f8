// SPDX-License-Identifier: Apache-2.0
/* Shared memory of a driver: regions that cannot be are refused, pieces do not overlap. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "virtio/sharedmem.h"

static void test_regions(void **state)
{
	struct sharedmem mem = { 0 };
	struct error err;

	assert_int_equal(sharedmem_add(&mem, "a", 5000, 0x1000, &err), 0);
	assert_int_equal(mem.regions[0].size, 8192);
	assert_int_equal(sharedmem_add(&mem, "b", 1, 0x2fff, &err), -EEXIST);
	assert_int_equal(sharedmem_add(&mem, "b", 1, 0, &err), 0);
	assert_int_equal(sharedmem_add(&mem, "b", 0, 0x10000, &err), -EINVAL);
	assert_int_equal(sharedmem_add(&mem, "b", 8192, UINT64_MAX - 4096, &err), -EINVAL);
	assert_int_equal(sharedmem_add(&mem, "b", UINT64_MAX, 0x10000, &err), -EINVAL);
	for (unsigned i = 2; i < SHAREDMEM_REGIONS_MAX; i++)
		assert_int_equal(sharedmem_add(&mem, "c", 4096, i << 20, &err), 0);
	assert_int_equal(sharedmem_add(&mem, "c", 4096, 1ull << 40, &err), -ENOSPC);
	assert_int_equal(mem.memory.n_regions, SHAREDMEM_REGIONS_MAX);
	sharedmem_destroy(&mem);
	sharedmem_destroy(&mem);
}

static void test_alloc(void **state)
{
	struct sharedmem mem = { 0 };
	struct error err;
	uint8_t *a, *b, *c;
	char *other;

	assert_int_equal(sharedmem_add(&mem, "a", 4096, 0, &err), 0);
	assert_int_equal(sharedmem_add(&mem, "b", 8192, 0x10000, &err), 0);
	a = sharedmem_alloc(&mem, 100, 64);
	b = sharedmem_alloc(&mem, 100, 64);
	assert_ptr_equal(b, a + 128);
	assert_ptr_equal(sharedmem_alloc(&mem, 1, 1), b + 100);
	c = sharedmem_alloc(&mem, 8192, 4096);
	assert_ptr_equal(c, mem.regions[1].host);
	assert_null(sharedmem_alloc(&mem, 4096, 1));
	assert_null(sharedmem_alloc(&mem, UINT64_MAX, 1));
	assert_non_null(sharedmem_alloc(&mem, 3000, 1));

	/* The fd shows the same bytes; reused memory is zero. */
	memset(a, 0xab, 100);
	other = mmap(NULL, 4096, PROT_READ, MAP_SHARED, mem.regions[0].fd, 0);
	assert_ptr_not_equal(other, MAP_FAILED);
	assert_int_equal((uint8_t)other[99], 0xab);
	sharedmem_reset(&mem);
	assert_ptr_equal(sharedmem_alloc(&mem, 100, 64), a);
	assert_int_equal(other[99], 0);
	munmap(other, 4096);
	sharedmem_destroy(&mem);
}

/* With huge pages or without: as the system has them. */
static void test_huge(void **state)
{
	struct sharedmem mem = { 0 };
	struct error err;
	uint8_t *a;

	assert_int_equal(sharedmem_add_huge(&mem, "a", 5000, 0x200000, &err), 0);
	assert_true(mem.regions[0].size == 8192 || mem.regions[0].size == 2 << 20);
	a = sharedmem_alloc(&mem, 5000, 4096);
	assert_non_null(a);
	memset(a, 1, 5000);
	assert_int_equal(sharedmem_add_huge(&mem, "b", 1, 0x200000, &err), -EEXIST);
	assert_int_equal(sharedmem_add_huge(&mem, "b", UINT64_MAX, 0, &err), -EINVAL);
	sharedmem_destroy(&mem);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_regions),
		cmocka_unit_test(test_alloc),
		cmocka_unit_test(test_huge),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
