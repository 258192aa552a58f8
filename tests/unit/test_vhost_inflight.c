// SPDX-License-Identifier: Apache-2.0
/* The messages of inflight tracking: which regions are made, which are taken, which rings note in
 * them, and that a front-end that comes back finds what it had in flight.
 */
#include "base/compiler.h"
#include "vhost_peer.h"
#include "virtio/bus_guard.h"
#include "virtio/inflight.h"

#define SPLIT_LEN (16u + 16 * RING_SIZE + 48) /* a queue's region, a multiple of 64 */
#define PACKED_LEN (32u + 32 * RING_SIZE + 32)

static struct vhost_user_inflight shape_of(uint64_t size, unsigned n_queues, unsigned queue_size)
{
	return (struct vhost_user_inflight){ .mmap_size = size,
					     .num_queues = (uint16_t)n_queues,
					     .queue_size = (uint16_t)queue_size };
}

/* The answer to GET_INFLIGHT_FD, and the file that comes with it, or -1. */
static struct vhost_user_inflight get_region(struct rig *rig, unsigned n_queues, int *fd)
{
	struct vhost_user_inflight shape = shape_of(0, n_queues, RING_SIZE);
	struct __attribute__((packed)) {
		struct vhost_user_header header;
		struct vhost_user_inflight shape;
	} answer = { 0 };
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { &answer, sizeof(answer) };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *c;

	send_message(rig, VHOST_USER_GET_INFLIGHT_FD, 0, &shape, sizeof(shape), NULL, 0);
	rig_run(rig);
	assert_int_equal(recvmsg(rig->peer, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC), sizeof(answer));
	assert_int_equal(answer.header.request, VHOST_USER_GET_INFLIGHT_FD);
	c = CMSG_FIRSTHDR(&msg);
	*fd = -1;
	if (c)
		memcpy(fd, CMSG_DATA(c), sizeof(*fd));
	return answer.shape;
}

static int64_t set_region(struct rig *rig, struct vhost_user_inflight shape, int fd)
{
	return ask(rig, VHOST_USER_SET_INFLIGHT_FD, &shape, sizeof(shape), &fd, 1);
}

static void agree(struct rig *rig, uint64_t features)
{
	negotiate(rig);
	assert_int_equal(ask_u64(rig, VHOST_USER_SET_FEATURES, F_V1 | F_EXTENDED | features), 0);
	send_memory(rig);
}

static int make_region(size_t len, void **map)
{
	int fd = memfd_create("region", MFD_CLOEXEC);

	assert_int_equal(ftruncate(fd, (off_t)len), 0);
	*map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(*map, MAP_FAILED);
	return fd;
}

static void test_made(void **state)
{
	const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
	struct vhost_user_inflight shape;
	struct rig *rig = *state;
	uint64_t word = 1;
	int fd;

	for (unsigned packed = 0; packed <= 1; packed++) {
		uint64_t len = packed ? PACKED_LEN : SPLIT_LEN;

		agree(rig, packed ? F_PACKED : 0);
		shape = get_region(rig, 2, &fd);
		assert_true(fd >= 0);
		assert_int_equal(shape.mmap_size, 2 * len);
		assert_int_equal(shape.mmap_offset, 0);
		assert_int_equal(shape.num_queues, 2);
		assert_int_equal(shape.queue_size, RING_SIZE);
		assert_int_equal(lseek(fd, 0, SEEK_END), 2 * len);
		assert_int_equal(pread(fd, &word, sizeof(word), 8), sizeof(word));
		assert_int_equal(word, 0); /* version: never used */
		assert_int_equal(fcntl(fd, F_GET_SEALS) & seals, seals);
		assert_int_equal(set_region(rig, shape, fd), 0);
		close(fd);
	}
}

static void test_not_negotiated(void **state)
{
	struct vhost_user_inflight shape = shape_of(0, 2, RING_SIZE);
	struct rig *rig = *state;

	send_u64(rig, VHOST_USER_SET_PROTOCOL_FEATURES,
		 ALL_PROTOCOL & ~BIT(VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD));
	send_message(rig, VHOST_USER_GET_INFLIGHT_FD, 0, &shape, sizeof(shape), NULL, 0);
	assert_refused(rig, "INFLIGHT_SHMFD was not negotiated");
}

static void test_impossible_wishes(void **state)
{
	const struct {
		unsigned n_queues, queue_size;
		const char *why;
	} wishes[] = {
		{ 0, 256, "0 queues are not 1..256" },
		{ 257, 256, "257 queues are not 1..256" },
		{ 2, 0, "queue size 0 is not in 1..32768" },
		{ 2, 32769, "queue size 32769 is not in 1..32768" },
	};
	struct rig *rig = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(wishes); i++) {
		struct vhost_user_inflight shape =
			shape_of(0, wishes[i].n_queues, wishes[i].queue_size);

		negotiate(rig);
		send_message(rig, VHOST_USER_GET_INFLIGHT_FD, 0, &shape, sizeof(shape), NULL, 0);
		assert_refused(rig, wishes[i].why);
		rig_connect(rig);
	}
}

/* None of these is taken, and the connection goes on. */
static void test_hostile_files(void **state)
{
	const struct vhost_user_inflight good = shape_of(2 * SPLIT_LEN, 2, RING_SIZE);
	struct rig *rig = *state;
	struct vhost_user_inflight shape;
	int pair[2], null = open("/dev/null", O_RDWR | O_CLOEXEC), fd;
	void *map;

	agree(rig, 0);
	fd = make_region(2 * SPLIT_LEN, &map);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(set_region(rig, good, null), 1);
	assert_int_equal(set_region(rig, good, pair[0]), 1);
	assert_int_equal(set_region(rig, good, rig->peer), 1);
	for (unsigned i = 0; i < 9; i++) {
		shape = good;
		switch (i) {
		case 0:
			shape.mmap_size = 0;
			break;
		case 1:
			shape.mmap_size++; /* behind the file */
			break;
		case 2:
			shape.mmap_offset = 8;
			break;
		case 3:
			shape.mmap_size -= 4;
			shape.mmap_offset = 4; /* not aligned */
			break;
		case 4:
			shape.mmap_offset = UINT64_MAX - 7; /* wraps */
			break;
		case 5:
			shape.mmap_size = UINT64_MAX;
			break;
		case 6:
			shape.num_queues = 0;
			break;
		case 7: /* longer than any, though the file has it */
			shape.mmap_size = (1ull << 30) + 1;
			assert_int_equal(ftruncate(fd, 2ll << 30), 0);
			break;
		default:
			shape.queue_size = 65535;
		}
		assert_int_equal(set_region(rig, shape, fd), 1);
	}
	assert_int_equal(set_region(rig, good, fd), 0);
	assert_int_equal(set_region(rig, good, fd), 0); /* again, in its place */
	munmap(map, 2 * SPLIT_LEN);
	close(fd);
	close(null);
	close(pair[0]);
	close(pair[1]);
	assert_true(alive(rig));
}

/* A region that has no place for a ring, or that is of something else: the ring does not start. */
static void test_wrong_regions(void **state)
{
	const struct {
		struct vhost_user_inflight shape;
		uint16_t version;
		const char *why;
	} regions[] = {
		{ shape_of(2 * SPLIT_LEN, 1, RING_SIZE), 0, "for 1 rings of at most 256" },
		{ shape_of(2 * SPLIT_LEN, 2, RING_SIZE - 1), 0, "for 2 rings of at most 255" },
		{ shape_of(2 * SPLIT_LEN - 8, 2, RING_SIZE), 0, "ring 1 has its part at" },
		{ shape_of(2 * SPLIT_LEN, 2, RING_SIZE), 2, "version 2, known is 1" },
	};
	struct rig *rig = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(regions); i++) {
		uint16_t *map;
		int fd = make_region(2 * SPLIT_LEN, (void **)&map);

		map[SPLIT_LEN / 2 + 4] = regions[i].version;
		agree(rig, 0);
		assert_int_equal(set_region(rig, regions[i].shape, fd), 0);
		send_ring(rig, 1);
		assert_refused(rig, regions[i].why);
		munmap(map, 2 * SPLIT_LEN);
		close(fd);
		rig_connect(rig);
	}
}

/* The guest gives a chain that begins with descriptor @head. */
static void give(struct rig *rig, unsigned index, uint16_t head)
{
	uint8_t *at = (uint8_t *)rig->mem + (size_t)index * RING_STRIDE;
	struct vring_desc *d = (struct vring_desc *)at + head;
	struct vring_avail *avail = (struct vring_avail *)(at + 0x2000);

	*d = (struct vring_desc){ .addr = MEM_GUEST + 0x100000 + head, .len = 1 };
	avail->ring[avail->idx++ % RING_SIZE] = head;
}

static unsigned take(struct rig *rig, unsigned index, uint16_t *ids)
{
	static struct iovec arena[RING_ARENA_LEN];
	struct ring_chain chains[8];
	unsigned n = ring_take(&vring(rig, index)->ring, vhost_device_state(rig->device)->mem,
			       chains, 8, arena, RING_ARENA_LEN);

	for (unsigned i = 0; i < n; i++)
		ids[i] = chains[i].id;
	return n;
}

static const struct inflight_split *region_of_ring(const void *map, unsigned index)
{
	return (const void *)((const uint8_t *)map + (size_t)index * SPLIT_LEN);
}

/* A ring notes in its part, and what is in flight when it is stopped goes back; but not when a
 * back-end dies, as another one before us has. */
static void test_goes_on(void **state)
{
	const struct inflight_split *r;
	struct vhost_user_inflight shape;
	struct rig *rig = *state;
	struct vring_used *used = (void *)((uint8_t *)rig->mem + RING_STRIDE + 0x4000);
	struct inflight_split *dead;
	uint16_t ids[8];
	void *map;
	int fd;

	agree(rig, 0);
	shape = get_region(rig, 2, &fd);
	map = mmap(NULL, shape.mmap_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_int_equal(set_region(rig, shape, fd), 0);
	send_ring(rig, 1);
	rig_run(rig);
	r = region_of_ring(map, 1);
	assert_int_equal(r->version, INFLIGHT_VERSION);
	assert_int_equal(region_of_ring(map, 0)->version, 0);
	give(rig, 1, 3);
	give(rig, 1, 7);
	assert_int_equal(take(rig, 1, ids), 2);
	assert_true(r->desc[3].inflight && r->desc[7].inflight);
	ring_complete(&vring(rig, 1)->ring, NULL, 1);
	assert_true(!r->desc[3].inflight && r->desc[7].inflight);

	/* rings run: not now */
	assert_int_equal(set_region(rig, shape, fd), 1);
	/* stopped, or the front-end gone */
	assert_int_equal(ask_state(rig, VHOST_USER_GET_VRING_BASE, 1, 0), 1ull << 32 | 1);
	assert_false(r->desc[7].inflight);
	rig_disconnect(rig);

	/* a back-end has died that had taken both, 7 first */
	give(rig, 1, 9);
	dead = (struct inflight_split *)(uintptr_t)r;
	dead->desc[7] = (struct inflight_desc_split){ .inflight = 1, .counter = 50 };
	dead->desc[9] = (struct inflight_desc_split){ .inflight = 1, .counter = 40 };
	rig_connect(rig);
	agree(rig, 0);
	assert_int_equal(set_region(rig, shape, fd), 0);
	send_ring(rig, 1);
	rig_run(rig);
	assert_true(vring(rig, 1)->live);
	assert_int_equal(take(rig, 1, ids), 2);
	assert_int_equal(ids[0], 9);
	assert_int_equal(ids[1], 7);
	ring_complete(&vring(rig, 1)->ring, NULL, 2);
	assert_int_equal(used->idx, 3);
	assert_int_equal(used->ring[1].id, 9);
	assert_int_equal(used->ring[2].id, 7);
	assert_int_equal(take(rig, 1, ids), 0);
	assert_int_equal(r->used_idx, 3);
	munmap(map, shape.mmap_size);
	close(fd);
}

static void test_without(void **state)
{
	struct rig *rig = *state;

	agree(rig, 0);
	send_ring(rig, 1);
	rig_run(rig);
	assert_true(vring(rig, 1)->live);
	assert_ptr_equal(vring(rig, 1)->ring.ops, &ring_split_ops);
}

/* The region belongs to the rings of one driver. */
static void test_reset(void **state)
{
	struct rig *rig = *state;
	void *map;
	int fd = make_region(2 * SPLIT_LEN, &map);

	agree(rig, 0);
	assert_int_equal(set_region(rig, shape_of(2 * SPLIT_LEN, 2, RING_SIZE), fd), 0);
	send_ring(rig, 0);
	rig_run(rig);
	assert_ptr_equal(vring(rig, 0)->ring.ops, &ring_split_inflight_ops);
	assert_int_equal(ask_u64(rig, VHOST_USER_SET_STATUS, 0), 0);
	assert_int_equal(ask_u64(rig, VHOST_USER_SET_FEATURES, F_V1 | F_EXTENDED), 0);
	send_ring(rig, 0);
	rig_run(rig);
	assert_ptr_equal(vring(rig, 0)->ring.ops, &ring_split_ops);
	munmap(map, 2 * SPLIT_LEN);
	close(fd);
}

/* A front-end that cuts its region off gets its rings broken. */
static void test_cut_off(void **state)
{
	struct rig *rig = *state;
	uint16_t ids[8];
	void *map;
	int fd = make_region(2 * SPLIT_LEN, &map);

	bus_guard_install(); /* cmocka has its own handler */
	agree(rig, 0);
	assert_int_equal(set_region(rig, shape_of(2 * SPLIT_LEN, 2, RING_SIZE), fd), 0);
	send_ring(rig, 0);
	rig_run(rig);
	give(rig, 0, 0);
	assert_int_equal(take(rig, 0, ids), 1);
	munmap(map, 2 * SPLIT_LEN);
	assert_int_equal(ftruncate(fd, 0), 0);
	ring_complete(&vring(rig, 0)->ring, NULL, 1);
	give(rig, 0, 1);
	assert_int_equal(take(rig, 0, ids), 0);
	assert_int_equal(ring_fault(&vring(rig, 0)->ring), RING_FAULT_INFLIGHT);
	close(fd);
}

/* As the specification draws it, without the padding that compilers add. */
static void test_short_message(void **state)
{
	struct vhost_user_inflight shape = shape_of(2 * SPLIT_LEN, 2, RING_SIZE);
	struct rig *rig = *state;
	void *map;
	int fd = make_region(2 * SPLIT_LEN, &map);

	agree(rig, 0);
	assert_int_equal(ask(rig, VHOST_USER_SET_INFLIGHT_FD, &shape, 20, &fd, 1), 0);
	munmap(map, 2 * SPLIT_LEN);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(test_made),
		RIG_TEST(test_not_negotiated),
		RIG_TEST(test_impossible_wishes),
		RIG_TEST(test_hostile_files),
		RIG_TEST(test_wrong_regions),
		RIG_TEST(test_goes_on),
		RIG_TEST(test_without),
		RIG_TEST(test_reset),
		RIG_TEST(test_cut_off),
		RIG_TEST(test_short_message),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
