// SPDX-License-Identifier: Apache-2.0
/* Parts of shared files: which are taken, and what happens when they are cut off. test_guestmem.c
 * has the same seen from a guest's memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/limit.h"
#include "virtio/filemap.h"

#define PAGE 4096u

static int make_fd(uint64_t size)
{
	int fd = memfd_create("test-filemap", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	return fd;
}

static void test_maps_any_part(void **state)
{
	static const uint64_t offsets[] = { 0, 1, PAGE - 1, PAGE, 2 * PAGE + 77 };
	int fd = make_fd(4 * PAGE);

	for (unsigned i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
		struct filemap map, again;
		struct error err;
		uint8_t byte;

		assert_int_equal(filemap_open(&map, "part", fd, offsets[i], PAGE + 5, &err), 0);
		map.host[0] = (uint8_t)(i + 1);
		map.host[PAGE + 4] = (uint8_t)(i + 101);
		assert_int_equal(pread(fd, &byte, 1, (off_t)offsets[i]), 1);
		assert_int_equal(byte, i + 1);
		assert_int_equal(pread(fd, &byte, 1, (off_t)offsets[i] + PAGE + 4), 1);
		assert_int_equal(byte, i + 101);
		assert_true(filemap_is(&map, fd, offsets[i]));
		assert_false(filemap_is(&map, fd, offsets[i] + 1));
		assert_int_equal(filemap_open(&again, "part", fd, offsets[i], 1, &err), 0);
		assert_int_equal(again.host[0], i + 1);
		filemap_close(&again);
		assert_false(filemap_lost(&map));
		filemap_close(&map);
	}
	close(fd);
}

/* Whether the kernel can read a byte at @at, for us. */
static bool readable(const uint8_t *at)
{
	int fds[2];
	ssize_t n;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	n = write(fds[1], at, 1);
	assert_true(n == 1 || errno == EFAULT);
	close(fds[0]);
	close(fds[1]);
	return n == 1;
}

/* Regions of one guest, of several: none is a neighbour of anything. */
static void test_guards(void **state)
{
	static const uint64_t sizes[] = { 1, PAGE, PAGE + 1, 2u << 20, (2u << 20) + PAGE };
	int fd = make_fd(4u << 20);
	struct filemap maps[2][5];
	struct error err;

	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(filemap_open(&maps[i / 5][i % 5], "part", fd, i / 5 * PAGE,
					      sizes[i % 5], &err),
				 0);
	for (unsigned i = 0; i < 10; i++) {
		const struct filemap *map = &maps[i / 5][i % 5];
		const uint8_t *start = map->map;

		assert_false(readable(start - 1));
		assert_true(readable(start));
		assert_true(readable(start + map->map_len - 1));
		assert_false(readable(start + map->map_len));
		if (sizes[i % 5] >= 2u << 20) /* as in the file, for large pages */
			assert_int_equal((uintptr_t)start % (2u << 20), i / 5 * PAGE);
	}
	for (unsigned i = 0; i < 10; i++)
		filemap_close(&maps[i / 5][i % 5]);
	close(fd);
}

static void expect_refused(int fd, uint64_t offset, uint64_t size, int code, const char *text)
{
	struct error err = { "" };
	struct filemap map;

	assert_int_equal(filemap_open(&map, "part", fd, offset, size, &err), code);
	if (!strstr(err.text, text))
		fail_msg("\"%s\" does not say \"%s\"", err.text, text);
	assert_memory_equal(err.text, "part", 4);
}

static void test_refuses(void **state)
{
	int fd = make_fd(2 * PAGE), other = make_fd(2 * PAGE), huge = make_fd(INT64_MAX), dir;
	struct filemap map;
	struct error err;

	expect_refused(fd, UINT64_MAX, 2, -EINVAL, "wraps");
	expect_refused(fd, 0, UINT64_MAX, -EINVAL, "wraps");
	expect_refused(fd, 1ull << 62, 1ull << 62, -EINVAL, "wraps");
	expect_refused(fd, 0, 2 * PAGE + 1, -EINVAL, "behind its file");
	expect_refused(fd, 2 * PAGE, 1, -EINVAL, "behind its file");
	expect_refused(huge, 0, INT64_MAX - PAGE, -ENOSPC, "more than 96 TiB");
	dir = open("/proc", O_RDONLY | O_DIRECTORY);
	expect_refused(dir, 0, PAGE, -EINVAL, "memfd");
	expect_refused(-1, 0, PAGE, -EBADF, "file");

	assert_int_equal(filemap_open(&map, "part", fd, 0, PAGE, &err), 0);
	assert_false(filemap_is(&map, other, 0));
	assert_false(filemap_is(&map, dir, 0));
	filemap_close(&map);
	close(dir);
	close(huge);
	close(other);
	close(fd);
}

static uint64_t now_of(const char *name)
{
	const struct limit *l = limits();

	while (l && strcmp(l->name, name) != 0)
		l = l->next;
	assert_non_null(l);
	return limit_now(l);
}

/* A sparse file is as large as its owner likes: all mappings together are bounded. */
static void test_bounds(void **state)
{
	uint64_t size = 8ull << 40, page = (uint64_t)sysconf(_SC_PAGESIZE);
	int fd = make_fd(size);
	struct filemap maps[16];
	struct error err;
	unsigned n = 0;

	assert_int_equal(now_of("mapped_regions"), 0);
	assert_int_equal(now_of("mapped_bytes"), 0);
	while (n < 16 && !filemap_open(&maps[n], "part", fd, 0, size, &err))
		n++;
#if !SANITIZED
	assert_int_equal(n, 12);
	expect_refused(fd, 0, 1, -ENOSPC, "part of 0x1000 bytes: more than 96 TiB");
#endif
	assert_int_equal(now_of("mapped_regions"), n);
	assert_int_equal(now_of("mapped_bytes"), n * size);
	while (n)
		filemap_close(&maps[--n]);
	assert_int_equal(filemap_open(&maps[0], "part", fd, page - 1, 2, &err), 0);
	assert_int_equal(now_of("mapped_bytes"), 2 * page);
	filemap_close(&maps[0]);
	assert_int_equal(now_of("mapped_regions"), 0);
	assert_int_equal(now_of("mapped_bytes"), 0);
	close(fd);
}

static void test_cut_off(void **state)
{
	int fd = make_fd(2 * PAGE);
	struct filemap map;
	struct error err;

	bus_guard_install();
	assert_int_equal(filemap_open(&map, "part", fd, 100, PAGE, &err), 0);
	map.host[0] = 1;
	assert_int_equal(ftruncate(fd, 0), 0);
	map.host[PAGE - 1] = 1; /* and we live */
	assert_int_equal(map.host[0], 0);
	assert_true(filemap_lost(&map));
	filemap_close(&map);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_maps_any_part), cmocka_unit_test(test_guards),
		cmocka_unit_test(test_refuses),	      cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_cut_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
