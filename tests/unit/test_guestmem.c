// SPDX-License-Identifier: Apache-2.0
/* Guest memory: mapping, sharing and lookups. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/compiler.h"
#include "virtio/guestmem.h"
#include "virtio/ring.h"

#define PAGE 4096ull

static int make_fd(uint64_t size)
{
	int fd = memfd_create("test-guestmem", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	return fd;
}

static struct guestmem_region_config config(uint64_t guest, uint64_t user, uint64_t size,
					    uint64_t offset)
{
	return (struct guestmem_region_config){
		.guest_addr = guest, .user_addr = user, .size = size, .mmap_offset = offset
	};
}

/* Replaces *@mem by one with the region added. */
static int add(struct guestmem **mem, struct guestmem_region_config c, int fd, struct error *err)
{
	struct guestmem *more = NULL;
	int rc = guestmem_add(*mem, &c, fd, &more, err);

	if (rc == 0) {
		guestmem_destroy(*mem);
		*mem = more;
	} else {
		assert_null(more);
	}
	return rc;
}

static unsigned count_maps(void)
{
	FILE *f = fopen("/proc/self/maps", "r");
	char line[512];
	unsigned n = 0;

	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		n += strstr(line, "test-guestmem") != NULL;
	fclose(f);
	return n;
}

static void test_empty(void **state)
{
	struct guestmem *mem = guestmem_create();
	uint64_t len;

	assert_non_null(mem);
	assert_null(guestmem_lookup(mem, 0, &len));
	assert_null(guestmem_user(mem, 0, 1));
	assert_null(guestmem_guest(mem, 0, 1));
	assert_int_equal(guestmem_size(mem), 0);
	assert_int_equal(guestmem_numa_node(mem), -1);
	guestmem_destroy(mem);
	guestmem_destroy(NULL);
	guestmem_destroy_later(NULL);
}

static void test_lookup(void **state)
{
	struct guestmem *mem = guestmem_create();
	struct error err;
	uint64_t len = 0;
	uint8_t *p;
	int fd = make_fd(8 * PAGE);

	/* The higher address first: the list is sorted. */
	assert_int_equal(add(&mem, config(0x100000, 0x7000000, 2 * PAGE, 4 * PAGE), fd, &err), 0);
	assert_int_equal(add(&mem, config(0x10000, 0x9000000, PAGE, 0), fd, &err), 0);
	assert_int_equal(mem->n_ranges, 2);
	assert_int_equal(mem->ranges[0].guest_addr, 0x10000);
	assert_int_equal(guestmem_size(mem), 3 * PAGE);

	assert_int_equal(pwrite(fd, "low", 3, 10), 3);
	assert_int_equal(pwrite(fd, "high", 4, 4 * PAGE + 20), 4);
	close(fd);

	p = guestmem_lookup(mem, 0x10000 + 10, &len);
	assert_non_null(p);
	assert_memory_equal(p, "low", 3);
	assert_int_equal(len, PAGE - 10);
	p = guestmem_lookup(mem, 0x100000 + 20, &len);
	assert_memory_equal(p, "high", 4);
	assert_int_equal(len, 2 * PAGE - 20);
	p = guestmem_lookup(mem, 0x100000 + 2 * PAGE - 1, &len);
	assert_non_null(p);
	assert_int_equal(len, 1);
	assert_null(guestmem_lookup(mem, 0x100000 + 2 * PAGE, &len));
	assert_null(guestmem_lookup(mem, 0x10000 - 1, &len));
	assert_null(guestmem_lookup(mem, 0x10000 + PAGE, &len));
	assert_null(guestmem_lookup(mem, UINT64_MAX, &len));

	p = guestmem_user(mem, 0x7000000 + 20, 4);
	assert_memory_equal(p, "high", 4);
	assert_non_null(guestmem_user(mem, 0x7000000, 2 * PAGE));
	assert_null(guestmem_user(mem, 0x7000000, 2 * PAGE + 1));
	assert_null(guestmem_user(mem, 0x7000000 + 1, 2 * PAGE));
	assert_null(guestmem_user(mem, 0x7000000 + 1, UINT64_MAX));
	assert_null(guestmem_user(mem, 0x7000000, 0));
	assert_null(guestmem_user(mem, 0x100000, 1));

	p = guestmem_guest(mem, 0x10000 + 10, 3);
	assert_memory_equal(p, "low", 3);
	assert_non_null(guestmem_guest(mem, 0x10000, PAGE));
	assert_null(guestmem_guest(mem, 0x10000, PAGE + 1));
	assert_null(guestmem_guest(mem, 0x10000, UINT64_MAX));
	assert_null(guestmem_guest(mem, 0x10000, 0));
	guestmem_destroy(mem);
	assert_int_equal(count_maps(), 0);
}

/* Offsets and sizes that are no multiples of a page, as the specification allows. */
static void test_unaligned(void **state)
{
	struct guestmem *mem = guestmem_create();
	struct error err;
	uint64_t len = 0;
	int fd = make_fd(3 * PAGE);
	uint8_t *p;

	assert_int_equal(pwrite(fd, "x", 1, PAGE + 100), 1);
	assert_int_equal(add(&mem, config(0x5000, 0x5000, 50, PAGE + 100), fd, &err), 0);
	p = guestmem_lookup(mem, 0x5000, &len);
	assert_int_equal(*p, 'x');
	assert_int_equal(len, 50);
	assert_null(guestmem_lookup(mem, 0x5000 + 50, &len));
	/* What is written through the mapping is in the file. */
	p[1] = 'y';
	assert_int_equal(pread(fd, &p[2], 1, PAGE + 101), 1);
	assert_int_equal(p[2], 'y');
	close(fd);
	guestmem_destroy(mem);
}

static void expect_refused(struct guestmem *mem, struct guestmem_region_config c, int fd, int code,
			   const char *text)
{
	struct guestmem *out = NULL;
	struct error err = { "" };

	assert_int_equal(guestmem_add(mem, &c, fd, &out, &err), code);
	assert_null(out);
	if (!strstr(err.text, text))
		fail_msg("\"%s\" does not say \"%s\"", err.text, text);
}

static void test_refused(void **state)
{
	struct guestmem *mem = guestmem_create();
	struct error err;
	int fd = make_fd(4 * PAGE), pipe_fds[2], dir;

	assert_int_equal(add(&mem, config(0x10000, 0x10000, 2 * PAGE, 0), fd, &err), 0);
	expect_refused(mem, config(0x80000, 0x80000, 0, 0), fd, -EINVAL, "0 bytes");
	expect_refused(mem, config(UINT64_MAX - PAGE + 1, 0x80000, PAGE, 0), fd, -EINVAL,
		       "guest addresses wrap");
	expect_refused(mem, config(0x80000, UINT64_MAX - 1, PAGE, 0), fd, -EINVAL,
		       "user addresses wrap");
	expect_refused(mem, config(0x80000, 0x80000, PAGE, UINT64_MAX - 5), fd, -EINVAL, "wraps");
	expect_refused(mem, config(0x80000, 0x80000, PAGE, 1ull << 63), fd, -EINVAL, "wraps");
	expect_refused(mem, config(0x80000, 0x80000, 1ull << 62, 0), fd, -ENOSPC, "8 TiB");
	expect_refused(mem, config(0x80000, 0x80000, 1ull << 40, 0), fd, -EINVAL,
		       "behind its file");
	expect_refused(mem, config(0x80000, 0x80000, PAGE, 4 * PAGE), fd, -EINVAL,
		       "behind its file");
	expect_refused(mem, config(0x80000, 0x80000, 4 * PAGE, 1), fd, -EINVAL, "behind its file");

	expect_refused(mem, config(0x10000, 0x80000, 2 * PAGE, 0), fd, -EINVAL, "overlap");
	expect_refused(mem, config(0x10000 + PAGE, 0x80000, 2 * PAGE, 0), fd, -EINVAL, "overlap");
	expect_refused(mem, config(0x10000 - PAGE, 0x80000, PAGE + 1, 0), fd, -EINVAL, "overlap");
	expect_refused(mem, config(0x10000 - PAGE, 0x80000, 4 * PAGE, 0), fd, -EINVAL, "overlap");
	expect_refused(mem, config(0x10000 + 5, 0x80000, 5, 0), fd, -EINVAL, "overlap");

	assert_int_equal(pipe(pipe_fds), 0);
	expect_refused(mem, config(0x80000, 0x80000, PAGE, 0), pipe_fds[0], -EINVAL, "memfd");
	dir = open("/proc", O_RDONLY | O_DIRECTORY);
	expect_refused(mem, config(0x80000, 0x80000, PAGE, 0), dir, -EINVAL, "memfd");
	expect_refused(mem, config(0x80000, 0x80000, PAGE, 0), -1, -EBADF, "Bad file");
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	close(dir);

	/* Neighbours are no overlap. */
	assert_int_equal(add(&mem, config(0x10000 + 2 * PAGE, 0x80000, PAGE, 0), fd, &err), 0);
	assert_int_equal(add(&mem, config(0x10000 - PAGE, 0x90000, PAGE, 0), fd, &err), 0);
	assert_int_equal(mem->n_ranges, 3);
	close(fd);
	guestmem_destroy(mem);
	assert_int_equal(count_maps(), 0);
}

/* A file that may only be read is of no use, and says so. */
static void test_read_only(void **state)
{
	struct guestmem *mem = guestmem_create();
	char path[64];
	int fd = make_fd(PAGE), ro;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ro = open(path, O_RDONLY);
	assert_true(ro >= 0);
	expect_refused(mem, config(0, 0, PAGE, 0), ro, -EACCES, "mmap");
	close(ro);
	close(fd);
	guestmem_destroy(mem);
}

/* Whoever answers for such a file could let us wait. */
static void test_foreign_file(void **state)
{
	struct guestmem *mem = guestmem_create();
	int device = open("/dev/zero", O_RDWR), file = open("/proc/self/exe", O_RDONLY);

	assert_true(device >= 0 && file >= 0);
	expect_refused(mem, config(0x1000, 0x1000, PAGE, 0), device, -EINVAL, "memfd");
	expect_refused(mem, config(0x1000, 0x1000, PAGE, 0), file, -EINVAL, "memfd");
	close(device);
	close(file);
	guestmem_destroy(mem);
}

static void test_remove(void **state)
{
	struct guestmem *mem = guestmem_create(), *less = NULL;
	struct guestmem_region_config c = config(0x20000, 0xb0000, PAGE, PAGE), wrong;
	struct error err;
	uint64_t len;
	int fd = make_fd(3 * PAGE);

	assert_int_equal(add(&mem, config(0x10000, 0xa0000, PAGE, 0), fd, &err), 0);
	assert_int_equal(add(&mem, c, fd, &err), 0);
	assert_int_equal(add(&mem, config(0x30000, 0xc0000, PAGE, 2 * PAGE), fd, &err), 0);
	close(fd);
	assert_int_equal(count_maps(), 3);

	wrong = c;
	wrong.size++;
	assert_int_equal(guestmem_remove(mem, &wrong, &less, &err), -EINVAL);
	wrong = c;
	wrong.user_addr++;
	assert_int_equal(guestmem_remove(mem, &wrong, &less, &err), -EINVAL);
	wrong = c;
	wrong.guest_addr++;
	assert_int_equal(guestmem_remove(mem, &wrong, &less, &err), -EINVAL);
	assert_null(less);
	c.mmap_offset = 0; /* is not compared */
	assert_int_equal(guestmem_remove(mem, &c, &less, &err), 0);

	/* Both live: the old one still has the region. */
	assert_non_null(guestmem_lookup(mem, 0x20000, &len));
	assert_null(guestmem_lookup(less, 0x20000, &len));
	assert_ptr_equal(guestmem_lookup(less, 0x10000, &len), guestmem_lookup(mem, 0x10000, &len));
	assert_ptr_equal(guestmem_lookup(less, 0x30000, &len), guestmem_lookup(mem, 0x30000, &len));
	assert_int_equal(count_maps(), 3);
	guestmem_destroy(mem);
	assert_int_equal(count_maps(), 2);
	assert_non_null(guestmem_lookup(less, 0x10000, &len));
	guestmem_destroy_later(less);
	rcu_drain();
	assert_int_equal(count_maps(), 0);
}

static void test_most_regions(void **state)
{
	struct guestmem *mem = guestmem_create();
	struct error err;
	uint64_t len = 0;
	int fd = make_fd(GUESTMEM_REGIONS_MAX * PAGE);

	/* In an order that is neither up nor down: 509 is a prime. */
	for (uint64_t i = 0; i < GUESTMEM_REGIONS_MAX; i++) {
		uint64_t k = i * 200 % GUESTMEM_REGIONS_MAX;

		assert_int_equal(pwrite(fd, &k, sizeof(k), (off_t)(k * PAGE)), sizeof(k));
		assert_int_equal(
			add(&mem, config(k * 2 * PAGE, k * PAGE, PAGE, k * PAGE), fd, &err), 0);
		/* Linear and binary search find the same. */
		for (uint64_t j = 0; j <= i; j += 1 + i / 16) {
			uint64_t want = j * 200 % GUESTMEM_REGIONS_MAX, *got;

			got = guestmem_lookup(mem, want * 2 * PAGE, &len);
			assert_non_null(got);
			assert_int_equal(*got, want);
			assert_int_equal(len, PAGE);
			got = guestmem_user(mem, want * PAGE, PAGE);
			assert_int_equal(*got, want);
			assert_null(guestmem_lookup(mem, want * 2 * PAGE + PAGE, &len));
			assert_null(guestmem_lookup(mem, want * 2 * PAGE + 2 * PAGE - 1, &len));
		}
	}
	expect_refused(mem, config(1ull << 40, 1ull << 40, PAGE, 0), fd, -EINVAL, "more than 509");
	assert_null(guestmem_lookup(mem, 1ull << 40, &len));
	close(fd);
	guestmem_destroy(mem);
	assert_int_equal(count_maps(), 0);
}

/* Sparse files cost their owner nothing: one guest leaves the others room. */
static void test_bytes_of_a_guest(void **state)
{
	struct guestmem *mem = guestmem_create(), *other = guestmem_create(), *next;
	uint64_t half = GUESTMEM_BYTES_MAX / 2;
	int fd = make_fd(half);
	struct error err;

	if (add(&mem, config(0, 0, half, 0), fd, &err) != 0) /* no such space: a sanitizer's */
		goto out;
	expect_refused(mem, config(half, half, GUESTMEM_BYTES_MAX, 0), fd, -ENOSPC, "8 TiB");
	assert_int_equal(add(&mem, config(half, half, half, 0), fd, &err), 0);
	expect_refused(mem, config(1ull << 50, 1ull << 50, PAGE, 0), fd, -ENOSPC, "8 TiB");
	/* what is not unmapped yet counts */
	assert_int_equal(guestmem_remove(mem,
					 &(struct guestmem_region_config){ half, half, half, 0 },
					 &next, &err),
			 0);
	expect_refused(next, config(1ull << 50, 1ull << 50, PAGE, 0), fd, -ENOSPC, "8 TiB");
	guestmem_destroy(mem);
	mem = next;
	assert_int_equal(add(&mem, config(1ull << 50, 1ull << 50, PAGE, 0), fd, &err), 0);
	/* another guest has its own */
	assert_int_equal(add(&other, config(0, 0, half, 0), fd, &err), 0);
out:
	guestmem_destroy(mem);
	guestmem_destroy(other);
	close(fd);
	assert_int_equal(count_maps(), 0);
}

static void test_numa(void **state)
{
	struct guestmem *mem = guestmem_create();
	struct error err;
	int fd = make_fd(1024 * PAGE), node;
	uint64_t len;

	assert_int_equal(add(&mem, config(0, 0, 1024 * PAGE, 0), fd, &err), 0);
	/* Nothing is there, and asking brings nothing. */
	assert_int_equal(guestmem_numa_node(mem), -1);
	assert_int_equal(lseek(fd, 0, SEEK_DATA), -1);
	memset(guestmem_lookup(mem, 512 * PAGE, &len), 1, PAGE);
	node = guestmem_numa_node(mem);
	/* -1 where the kernel has no NUMA or a sandbox forbids the question. */
	assert_true(node >= -1 && node < 1024);
	if (access("/sys/devices/system/node/node1", F_OK) < 0)
		assert_true(node <= 0);
	close(fd);
	guestmem_destroy(mem);
}

/* However many regions there are, few pages are looked at: a front-end decides how often. */
static void test_numa_of_many_regions(void **state)
{
	struct guestmem *mem = guestmem_create();
	struct error err;
	int fd = make_fd(500 * PAGE);
	uint64_t len;

	for (uint64_t i = 0; i < 500; i++)
		assert_int_equal(add(&mem, config(i * PAGE, i * PAGE, PAGE, i * PAGE), fd, &err),
				 0);
	memset(guestmem_lookup(mem, 499 * PAGE, &len), 1, PAGE);
	assert_int_equal(guestmem_numa_node(mem), -1);
	close(fd);
	guestmem_destroy(mem);
}

/* The front-end cuts its file off while we use it: zeros instead of SIGBUS, and the device is lost,
 * but no other one.
 */
static void test_cut_off(void **state)
{
	struct guestmem *mem = guestmem_create(), *other = guestmem_create();
	uint64_t size = 64 * PAGE, len;
	struct ring_chain chain;
	struct ring_config config_ring = { .size = 4 };
	struct iovec arena[4];
	struct ring ring;
	struct error err;
	uint8_t *p;
	int fd = make_fd(size), other_fd = make_fd(PAGE);

	assert_int_equal(add(&mem, config(0, 0, size, 0), fd, &err), 0);
	assert_int_equal(add(&other, config(0, 0, PAGE, 0), other_fd, &err), 0);
	p = guestmem_lookup(mem, 0, &len);
	memset(p, 0x55, size);
	memset(guestmem_lookup(other, 0, &len), 0x66, PAGE);
	memset(p, 0, PAGE);
	config_ring.desc = p;
	config_ring.driver = p + 128;
	config_ring.device = p + 256;
	assert_int_equal(ring_start(&ring, &config_ring, &err), 0);
	assert_int_equal(ring_take(&ring, mem, &chain, 1, arena, 4), 0);
	assert_false(ring_broken(&ring));
	assert_false(guestmem_lost(mem));

	bus_guard_install(); /* cmocka has its own */
	assert_int_equal(ftruncate(fd, (off_t)PAGE), 0);
	assert_int_equal(((volatile uint8_t *)p)[size - 1], 0);
	p[size - 1] = 7;
	assert_int_equal(p[size - 1], 7);
	assert_true(guestmem_lost(mem));
	assert_false(guestmem_lost(other));
	assert_int_equal(*(uint8_t *)guestmem_lookup(other, 0, &len), 0x66);
	assert_int_equal(ring_take(&ring, mem, &chain, 1, arena, 4), 0);
	assert_int_equal(ring.fault, RING_FAULT_UNMAPPED);
	assert_int_equal(guestmem_numa_node(mem), guestmem_numa_node(mem));

	guestmem_destroy(mem);
	assert_false(bus_guard_any_hit());
	guestmem_destroy(other);
	close(fd);
	close(other_fd);
	assert_int_equal(count_maps(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_lookup),
		cmocka_unit_test(test_unaligned),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_read_only),
		cmocka_unit_test(test_foreign_file),
		cmocka_unit_test(test_remove),
		cmocka_unit_test(test_most_regions),
		cmocka_unit_test(test_bytes_of_a_guest),
		cmocka_unit_test(test_numa),
		cmocka_unit_test(test_numa_of_many_regions),
		cmocka_unit_test(test_cut_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
