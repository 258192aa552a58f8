// SPDX-License-Identifier: Apache-2.0
/* The front-end's memory: tables, single regions, and what their changes do to rings. */
#include "vhost_peer.h"

static const struct guestmem *memory(struct rig *rig)
{
	return rcu_read(&vhost_device_state(rig->device)->mem);
}

static int64_t ask_region(struct rig *rig, uint32_t request, struct vhost_user_region region,
			  const int *fds, unsigned n)
{
	struct vhost_user_single_region single = { .region = region };

	return ask(rig, request, &single, sizeof(single), fds, n);
}

static void test_table(void **state)
{
	struct rig *rig = *state;
	struct vhost_user_memory table = { .n_regions = 8 };
	int fds[8];

	negotiate(rig);
	assert_int_equal(memory(rig)->n_ranges, 0);
	for (unsigned i = 0; i < 8; i++) {
		table.regions[i] =
			(struct vhost_user_region){ MEM_GUEST + i * 0x20000, 0x10000,
						    MEM_USER + i * 0x20000, i * 0x10000 };
		fds[i] = rig->mem_fd;
	}
	assert_int_equal(ask(rig, VHOST_USER_SET_MEM_TABLE, &table, sizeof(table), fds, 8), 0);
	assert_int_equal(memory(rig)->n_ranges, 8);
	rig->mem[7 * 0x10000 / 8] = 4711;
	assert_int_equal(*(uint64_t *)guestmem_guest(memory(rig), MEM_GUEST + 7 * 0x20000, 8),
			 4711);
	/* a new table takes the place of the old one */
	table.n_regions = 1;
	assert_int_equal(ask(rig, VHOST_USER_SET_MEM_TABLE, &table, 8 + 32, fds, 1), 0);
	assert_int_equal(memory(rig)->n_ranges, 1);
	/* longer than need be: old front-ends send it whole */
	assert_int_equal(ask(rig, VHOST_USER_SET_MEM_TABLE, &table, sizeof(table), fds, 1), 0);
	table.n_regions = 0;
	assert_int_equal(ask(rig, VHOST_USER_SET_MEM_TABLE, &table, 8, NULL, 0), 0);
	assert_int_equal(memory(rig)->n_ranges, 0);
}

static void test_wrong_tables(void **state)
{
	struct rig *rig = *state;
	struct vhost_user_memory table = { .n_regions = 1, .regions = { whole_region() } };
	const uint32_t r = VHOST_USER_SET_MEM_TABLE;
	int fds[2] = { rig->mem_fd, rig->mem_fd };
	int closed;

	negotiate(rig);
	send_memory(rig);
	assert_int_equal(ask(rig, r, &table, 8 + 32, fds, 0), 1);
	assert_int_equal(ask(rig, r, &table, 8 + 32, fds, 2), 1);
	assert_int_equal(ask(rig, r, &table, 8 + 31, fds, 1), 1);
	table.n_regions = 2; /* overlap: the second is 0 bytes at 0, then the same as the first */
	assert_int_equal(ask(rig, r, &table, 8 + 64, fds, 2), 1);
	table.regions[1] = table.regions[0];
	assert_int_equal(ask(rig, r, &table, 8 + 64, fds, 2), 1);
	table.n_regions = 9;
	assert_int_equal(ask(rig, r, &table, sizeof(table), fds, 1), 1);
	table.n_regions = UINT32_MAX;
	assert_int_equal(ask(rig, r, &table, sizeof(table), fds, 1), 1);
	table.n_regions = 1;
	table.regions[0].size = MEM_SIZE + 4096; /* beyond the file */
	assert_int_equal(ask(rig, r, &table, 8 + 32, fds, 1), 1);
	table.regions[0].size = UINT64_MAX - 4095;
	assert_int_equal(ask(rig, r, &table, 8 + 32, fds, 1), 1);
	table.regions[0] = whole_region();
	closed = eventfd(0, EFD_CLOEXEC); /* cannot be mapped */
	assert_int_equal(ask(rig, r, &table, 8 + 32, &closed, 1), 1);
	close(closed);
	assert_int_equal(memory(rig)->n_ranges, 1); /* what there was is still there */
	assert_int_equal(memory(rig)->ranges[0].size, MEM_SIZE);
}

static void test_add_and_remove(void **state)
{
	struct rig *rig = *state;
	struct vhost_user_region one = { MEM_GUEST, 0x100000, MEM_USER, 0 };
	struct vhost_user_region two = { MEM_GUEST + 0x100000, 0x100000, MEM_USER + 0x100000,
					 0x100000 };

	negotiate(rig);
	assert_int_equal(get_u64(rig, VHOST_USER_GET_MAX_MEM_SLOTS), GUESTMEM_REGIONS_MAX);
	assert_int_equal(ask_region(rig, VHOST_USER_ADD_MEM_REG, one, &rig->mem_fd, 1), 0);
	assert_int_equal(ask_region(rig, VHOST_USER_ADD_MEM_REG, two, &rig->mem_fd, 1), 0);
	assert_int_equal(memory(rig)->n_ranges, 2);
	assert_int_equal(ask_region(rig, VHOST_USER_ADD_MEM_REG, two, NULL, 0), 1);
	assert_int_equal(memory(rig)->n_ranges, 2);
	one.mmap_offset = 99; /* is ignored; an fd may come and is closed */
	assert_int_equal(ask_region(rig, VHOST_USER_REM_MEM_REG, one, &rig->mem_fd, 1), 0);
	assert_int_equal(memory(rig)->n_ranges, 1);
	assert_int_equal(ask_region(rig, VHOST_USER_REM_MEM_REG, one, NULL, 0), 1);
	two.size--;
	assert_int_equal(ask_region(rig, VHOST_USER_REM_MEM_REG, two, NULL, 0), 1);
	two.size++;
	assert_int_equal(ask_region(rig, VHOST_USER_REM_MEM_REG, two, NULL, 0), 0);
	assert_int_equal(memory(rig)->n_ranges, 0);
	assert_true(alive(rig));
}

/* A front-end of two queue pairs may add each region twice, and remove it as often. */
static void test_added_twice(void **state)
{
	struct rig *rig = *state;
	struct vhost_user_region whole = whole_region(), other = whole;
	int fd = memfd_create("another", MFD_CLOEXEC);

	assert_int_equal(ftruncate(fd, MEM_SIZE), 0);
	negotiate(rig);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(ask_region(rig, VHOST_USER_ADD_MEM_REG, whole, &rig->mem_fd, 1),
				 0);
	assert_int_equal(memory(rig)->n_ranges, 1);
	/* the same place, but not the same memory */
	assert_int_equal(ask_region(rig, VHOST_USER_ADD_MEM_REG, whole, &fd, 1), 1);
	other.user_addr += 4096;
	assert_int_equal(ask_region(rig, VHOST_USER_ADD_MEM_REG, other, &rig->mem_fd, 1), 1);
	close(fd);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(memory(rig)->n_ranges, 1);
		assert_int_equal(ask_region(rig, VHOST_USER_REM_MEM_REG, whole, NULL, 0), 0);
	}
	assert_int_equal(memory(rig)->n_ranges, 0);
	assert_int_equal(ask_region(rig, VHOST_USER_REM_MEM_REG, whole, NULL, 0), 1);
}

/* As many regions as are promised, and not one more. */
static void test_many_regions(void **state)
{
	struct rig *rig = *state;
	struct vhost_user_region r = { 0, 4096, 0, 0 };

	negotiate(rig);
	for (unsigned i = 0; i <= GUESTMEM_REGIONS_MAX; i++) {
		r.guest_addr = MEM_GUEST + i * 8192ull;
		r.user_addr = MEM_USER + i * 8192ull;
		r.mmap_offset = (i % 512) * 4096ull;
		assert_int_equal(ask_region(rig, VHOST_USER_ADD_MEM_REG, r, &rig->mem_fd, 1),
				 i == GUESTMEM_REGIONS_MAX);
	}
	assert_int_equal(memory(rig)->n_ranges, GUESTMEM_REGIONS_MAX);
}

/* A ring whose memory goes is not live; it goes on when the memory comes back. */
static void test_rings_follow_memory(void **state)
{
	struct rig *rig = *state;
	struct vhost_user_region far = { MEM_GUEST + MEM_SIZE, 0x10000, MEM_USER + MEM_SIZE, 0 };
	void *desc;

	negotiate(rig);
	assert_int_equal(ask_region(rig, VHOST_USER_ADD_MEM_REG, whole_region(), &rig->mem_fd, 1),
			 0);
	send_ring(rig, 0);
	send_ring(rig, 1);
	rig_run(rig);
	assert_true(vring(rig, 0)->live && vring(rig, 1)->live);
	desc = vring(rig, 1)->ring.config.desc;
	/* more memory disturbs nobody */
	assert_int_equal(ask_region(rig, VHOST_USER_ADD_MEM_REG, far, &rig->mem_fd, 1), 0);
	assert_int_equal(rig->n_quiesce, 0);
	assert_ptr_equal(vring(rig, 1)->ring.config.desc, desc);
	/* less does, though these rings are elsewhere */
	vring(rig, 1)->ring.n_chains = 12345;
	assert_int_equal(ask_region(rig, VHOST_USER_REM_MEM_REG, far, NULL, 0), 0);
	assert_int_equal(rig->n_quiesce, 1);
	assert_true(vring(rig, 0)->live && vring(rig, 1)->live);
	assert_int_equal(vring(rig, 1)->ring.n_chains, 12345);
	assert_int_equal(ask_region(rig, VHOST_USER_REM_MEM_REG, whole_region(), NULL, 0), 0);
	assert_int_equal(rig->n_quiesce, 2);
	assert_true(vring(rig, 0)->started);
	assert_false(vring(rig, 0)->live || vring(rig, 1)->live);
	assert_null(vring(rig, 0)->ring.ops);
	rig->n_changed = 0;
	assert_int_equal(ask_region(rig, VHOST_USER_ADD_MEM_REG, whole_region(), &rig->mem_fd, 1),
			 0);
	assert_int_equal(rig->n_quiesce, 2);
	assert_int_equal(rig->n_changed, 1);
	assert_true(vring(rig, 0)->live && vring(rig, 1)->live);
	/* a whole new table, elsewhere in our address space */
	send_memory(rig);
	rig_run(rig);
	assert_int_equal(rig->n_quiesce, 3);
	assert_true(vring(rig, 0)->live && vring(rig, 1)->live);
	assert_ptr_equal(vring(rig, 1)->ring.config.desc,
			 guestmem_user(memory(rig), MEM_USER + RING_STRIDE, 4096));
}

/* Rings outside of memory, or half outside, wait without harm. */
static void test_ring_addresses(void **state)
{
	struct rig *rig = *state;
	struct vhost_user_vring_addr addr;
	const uint64_t end = MEM_USER + MEM_SIZE;
	const uint64_t bad[] = { 0, MEM_USER - 16, end, end - 16, UINT64_MAX - 15, MEM_GUEST };

	negotiate(rig);
	send_memory(rig);
	send_ring(rig, 0);
	for (size_t i = 0; i < 3 * sizeof(bad) / sizeof(bad[0]); i++) {
		uint64_t *part[] = { &addr.desc, &addr.avail, &addr.used };

		addr = (struct vhost_user_vring_addr){
			0, 0, MEM_USER, MEM_USER + 0x4000, MEM_USER + 0x2000, 0
		};
		*part[i % 3] = bad[i / 3];
		assert_int_equal(ask(rig, VHOST_USER_SET_VRING_ADDR, &addr, 40, NULL, 0), 0);
		assert_false(vring(rig, 0)->live);
	}
	send_addr(rig, 0);
	rig_run(rig);
	assert_true(vring(rig, 0)->live);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(test_table),	       RIG_TEST(test_wrong_tables),
		RIG_TEST(test_add_and_remove), RIG_TEST(test_added_twice),
		RIG_TEST(test_many_regions),   RIG_TEST(test_rings_follow_memory),
		RIG_TEST(test_ring_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
