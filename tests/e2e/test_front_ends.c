// SPDX-License-Identifier: Apache-2.0
/* Front-ends that add and remove memory, stop and start rings, and are killed, all under traffic.
 *
 *	guest a ---- vireod ---- guest b
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../unit/fds.h"
#include "base/clock.h"
#include "base/compiler.h"
#include "guest/daemon.h"
#include "guest/guest.h"
#include "vhost/proto.h"

#define BIT(n) (1ull << (n))
#define FEATURES                                                                                \
	(BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_NET_F_MRG_RXBUF) | BIT(VIRTIO_RING_F_EVENT_IDX) | \
	 BIT(VIRTIO_RING_F_INDIRECT_DESC))
#define WAIT_NS (20 * NSEC_PER_SEC)
#define FRAME_LEN 100
#define WINDOW 32
#define SLOTS 509 /* memory slots of a front-end */
#define PAGE 4096u
#define HOT_ADDR 0x100000000ull /* where added pages are, with gaps between them */
#define N_DEATHS 11

struct world {
	struct daemon daemon;
	struct guest guests[2];
	uint64_t sent[2], received[2]; /* by guest @i */
	uint64_t seen[2];	       /* of the next frame to guest @i, the number */
	bool gaps;		       /* are allowed in what guest a gets */
};

static const char *const names[2] = { "a", "b" };
static struct world world;

static void plug(struct world *w, unsigned i, uint64_t features)
{
	char path[128];
	struct guest_config config = { .path = path, .features = FEATURES | features };
	struct error err = { "" };

	snprintf(path, sizeof(path), "%s/%s.sock", w->daemon.dir, names[i]);
	if (guest_open(&w->guests[i], &config, &err) || guest_wait(&w->guests[i], 10000))
		fail_msg("guest %s: %s %s", names[i], err.text, w->guests[i].why);
}

static void start(struct world *w, uint64_t features)
{
	memset(w, 0, sizeof(*w));
	daemon_start(&w->daemon, 1);
	for (unsigned i = 0; i < 2; i++) {
		daemon_vireo(&w->daemon, "port add %s type vhost-user path %s/%s.sock", names[i],
			     w->daemon.dir, names[i]);
		plug(w, i, features);
	}
}

static int stop(void **state)
{
	for (unsigned i = 0; i < 2; i++)
		guest_close(&world.guests[i]);
	daemon_discard(&world.daemon);
	return 0;
}

/* The end of a test that went well. */
static void finish(struct world *w)
{
	for (unsigned i = 0; i < 2; i++)
		guest_close(&w->guests[i]);
	daemon_stop(&w->daemon);
}

static void receive(struct world *w, unsigned i)
{
	uint8_t frame[GUEST_FRAME_MAX];
	uint64_t number;

	while (guest_receive(&w->guests[i], frame)) {
		memcpy(&number, frame + 14, sizeof(number));
		if (number != w->seen[i] && (!w->gaps || i || number < w->seen[i]))
			fail_msg("guest %s got frame %llu, not %llu", names[i],
				 (unsigned long long)number, (unsigned long long)w->seen[i]);
		w->seen[i] = number + 1;
		w->received[i]++;
	}
}

/* Both send what their window has room for, guest b as much to nobody, and take what has come. */
static void turn(struct world *w)
{
	for (unsigned i = 0; i < 2; i++) {
		uint8_t frame[FRAME_LEN] = { 0 };

		guest_turn(&w->guests[i]);
		if (w->guests[i].n_downs)
			fail_msg("guest %s: %s", names[i], w->guests[i].why);
		guest_ethernet(frame, (uint8_t)(11 - i), (uint8_t)(10 + i));
		for (unsigned n = 0; n < WINDOW; n++, w->sent[i]++) {
			if (w->sent[i] - w->seen[1 - i] >= WINDOW && !(w->gaps && i))
				break;
			memcpy(frame + 14, &w->sent[i], sizeof(w->sent[i]));
			if (!guest_send(&w->guests[i], frame, sizeof(frame)))
				break;
		}
		receive(w, i);
	}
}

/* Until @n more frames have come to guest b. */
static void pass(struct world *w, unsigned n)
{
	uint64_t end = clock_ns() + WAIT_NS, wanted = w->received[1] + n;

	while (w->received[1] < wanted) {
		if (clock_ns() > end)
			fail_msg("no frame comes any more, behind %llu",
				 (unsigned long long)w->received[1]);
		turn(w);
	}
}

/* ---- memory */

/* Guest a's front-end says something that is not answered. */
static void say(struct world *w, uint32_t request, const struct vhost_user_region *region, int fd)
{
	struct __attribute__((packed)) {
		struct vhost_user_header header;
		struct vhost_user_single_region single;
	} m = { { request, VHOST_USER_VERSION, sizeof(m.single) }, { .region = *region } };
	uint64_t end = clock_ns() + WAIT_NS;
	ssize_t n;

	while ((n = send_fds(frontend_fd(w->guests[0].frontend), &m, sizeof(m), &fd, fd >= 0,
			     MSG_NOSIGNAL | MSG_DONTWAIT)) < 0 &&
	       errno == EAGAIN) {
		assert_true(clock_ns() < end);
		turn(w);
	}
	assert_int_equal(n, sizeof(m));
}

static struct vhost_user_region hot_region(unsigned i)
{
	return (struct vhost_user_region){ .guest_addr = HOT_ADDR + 2ull * i * PAGE,
					   .size = PAGE,
					   .user_addr = HOT_ADDR + 2ull * i * PAGE,
					   .mmap_offset = (uint64_t)i * PAGE };
}

/* Under traffic, until the switch has so many regions of guest a. */
static void await_regions(struct world *w, unsigned n)
{
	uint64_t end = clock_ns() + WAIT_NS;
	long long there;

	do {
		pass(w, 8);
		there = (long long)daemon_counter(&w->daemon, "a", "memory_regions");
		if (clock_ns() > end)
			fail_msg("%lld memory regions are there, not %u", there, n);
	} while (there != n);
}

static void given_back(struct netdrv_chain *chain)
{
}

/* A frame out of memory that was added: three of its pages, that lie apart. */
static void send_from_added(struct world *w, uint8_t *hot)
{
	struct driver_region *regions = w->guests[0].mem.regions;
	struct driver_memory *memory = &w->guests[0].mem.memory;
	struct netdrv_chain chain = { given_back };
	unsigned n = memory->n_regions, header = netdrv_header_len(w->guests[0].drv);
	uint64_t end = clock_ns() + WAIT_NS;
	struct iovec iov[3];

	while (w->seen[1] < w->sent[0]) { /* the driver's own frames have come */
		assert_true(clock_ns() < end);
		receive(w, 1);
		netdrv_reap(w->guests[0].drv, 0);
	}
	for (unsigned i = 0; i < 3; i++) {
		struct vhost_user_region r = hot_region(200 * i);

		regions[n + i] = (struct driver_region){ .host = hot + r.mmap_offset,
							 .size = PAGE,
							 .guest_addr = r.guest_addr,
							 .fd = -1 };
		iov[i] = (struct iovec){ regions[n + i].host, 30 };
	}
	memset(hot, 0, header);
	guest_ethernet(hot + header, 11, 10);
	memcpy(hot + header + 14, &w->sent[0], 4);
	memset(regions[n + 1].host, 0, 30);
	iov[0].iov_len = header + 18;
	memory->n_regions += 3;
	assert_int_equal(netdrv_send_chain(w->guests[0].drv, 0, iov, 3, &chain), 0);
	netdrv_push(w->guests[0].drv, 0);
	w->sent[0]++;
	while (w->seen[1] < w->sent[0]) {
		assert_true(clock_ns() < end);
		receive(w, 1);
	}
	while (netdrv_in_flight(w->guests[0].drv, 0)) {
		assert_true(clock_ns() < end);
		netdrv_reap(w->guests[0].drv, 0);
	}
	memory->n_regions -= 3;
}

/* As many regions as there can be come and go, in any order, and no frame is lost. */
static void plug_memory(uint64_t features)
{
	int fd = memfd_create("hot", MFD_CLOEXEC);
	struct world *w = &world;
	struct vhost_user_region r;
	uint8_t *hot;

	assert_int_equal(ftruncate(fd, (off_t)SLOTS * PAGE), 0);
	hot = mmap(NULL, (size_t)SLOTS * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(hot, MAP_FAILED);
	start(w, features);
	for (unsigned round = 0; round < scaled(2); round++) {
		for (unsigned i = 0; i < SLOTS - 1; i++) { /* one is there */
			r = hot_region(i);
			say(w, VHOST_USER_ADD_MEM_REG, &r, fd);
			pass(w, 1);
		}
		await_regions(w, SLOTS);
		send_from_added(w, hot);
		for (unsigned i = 0; i < SLOTS - 1; i++) { /* 508 is 4 * 127 */
			r = hot_region(i * 31 % (SLOTS - 1));
			say(w, VHOST_USER_REM_MEM_REG, &r, -1);
			pass(w, 1);
		}
		await_regions(w, 1);
	}
	munmap(hot, (size_t)SLOTS * PAGE);
	close(fd);
	finish(w);
}

static void test_memory_split(void **state)
{
	plug_memory(0);
}

static void test_memory_packed(void **state)
{
	plug_memory(BIT(VIRTIO_F_RING_PACKED));
}

/* ---- rings */

/* Stops both rings of guest a while all send. Returns how long that took. */
static uint64_t stop_rings(struct world *w)
{
	unsigned wanted = w->guests[0].n_stopped + 2;
	uint64_t begin = clock_ns();

	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(frontend_stop_ring(w->guests[0].frontend, i), 0);
	while (w->guests[0].n_stopped < wanted) {
		if (clock_ns() - begin > WAIT_NS)
			fail_msg("GET_VRING_BASE was not answered");
		turn(w);
	}
	return clock_ns() - begin;
}

/* GET_VRING_BASE is answered soon, under load; nothing is touched behind it, and nothing lost. */
static void drain_rings(uint64_t features)
{
	struct world *w = &world;
	uint64_t worst = 0, total = 0;
	unsigned n = scaled(40);

	start(w, features);
	w->gaps = true; /* what comes while a guest has no ring */
	for (unsigned i = 0; i < n; i++) {
		struct error err = { "" };
		uint64_t ns, chains[2];

		pass(w, 50);
		ns = stop_rings(w);
		total += ns;
		worst = max(worst, ns);
		receive(w, 0);
		chains[0] = w->received[0];
		usleep(2000);
		receive(w, 0);
		assert_int_equal(w->received[0], chains[0]);
		if (netdrv_start(w->guests[0].drv, frontend_transport(w->guests[0].frontend),
				 &err) ||
		    guest_wait(&w->guests[0], 10000))
			fail_msg("guest a: %s", err.text);
		assert_false(netdrv_broken(w->guests[0].drv, 0));
	}
	pass(w, 2000); /* each descriptor goes around */
	print_message("rings stopped within %llu us on average, %llu us at worst\n",
		      (unsigned long long)(total / n / 1000), (unsigned long long)(worst / 1000));
	finish(w);
}

static void test_drain_split(void **state)
{
	drain_rings(0);
}

static void test_drain_packed(void **state)
{
	drain_rings(BIT(VIRTIO_F_RING_PACKED));
}

/* ---- death */

/* The life of a front-end. */
static void live(const char *path, int ready_fd)
{
	struct guest_config config = { .path = path, .features = FEATURES };
	uint8_t frame[GUEST_FRAME_MAX] = { 0 };
	struct guest guest;
	struct error err;

	if (guest_open(&guest, &config, &err) || guest_wait(&guest, 10000) ||
	    write(ready_fd, "r", 1) != 1)
		_exit(1);
	guest_ethernet(frame, 11, 13);
	for (;;) {
		guest_send(&guest, frame, 60);
		guest_receive(&guest, frame);
		guest_turn(&guest);
	}
}

static pid_t spawn(const struct world *w, int ready_fd)
{
	pid_t parent = getpid(), pid = fork();
	char path[128];

	assert_int_not_equal(pid, -1);
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	snprintf(path, sizeof(path), "%s/c.sock", w->daemon.dir);
	live(path, ready_fd);
	_exit(1);
}

/* Mappings of guests' memory, and their files, that a process has. */
static unsigned count_guest_memory(pid_t pid)
{
	char path[64], line[512];
	struct dirent *entry;
	unsigned n = 0;
	FILE *maps;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	maps = fopen(path, "r");
	while (maps && fgets(line, sizeof(line), maps))
		n += strstr(line, "memfd:guest") != NULL;
	if (maps)
		fclose(maps);
	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		ssize_t len = readlinkat(dirfd(dir), entry->d_name, line, sizeof(line) - 1);

		line[len > 0 ? len : 0] = '\0';
		n += strstr(line, "memfd:guest") != NULL;
	}
	if (dir)
		closedir(dir);
	return n;
}

static unsigned count_all(const struct world *w)
{
	return count_guest_memory(w->daemon.pid) + count_guest_memory(w->daemon.switch_pid);
}

/* Kills a front-end that sends and receives. Returns how long its memory and fds were held. */
static uint64_t kill_one(const struct world *w, unsigned n_fds)
{
	uint64_t begin;
	int fds[2];
	pid_t pid;
	char word;

	assert_int_equal(pipe(fds), 0);
	pid = spawn(w, fds[1]);
	close(fds[1]);
	assert_int_equal(read(fds[0], &word, 1), 1);
	close(fds[0]);
	usleep(2000);
	assert_true(count_all(w) > 0);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	begin = clock_ns();
	while (count_all(w) || daemon_fds(&w->daemon) > n_fds) {
		if (clock_ns() - begin > WAIT_NS)
			fail_msg("%u mappings and files of a dead front-end's are held, and %u "
				 "fds more than before",
				 count_all(w), daemon_fds(&w->daemon) - n_fds);
		usleep(200);
	}
	return clock_ns() - begin;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* A dead front-end's memory is unmapped, and its fds are closed, within 100 ms. */
static void test_death(void **state)
{
	struct world *w = &world;
	uint64_t times[N_DEATHS];
	unsigned n_fds;

	memset(w, 0, sizeof(*w));
	daemon_start(&w->daemon, 1);
	daemon_vireo(&w->daemon, "port add c type vhost-user path %s/c.sock", w->daemon.dir);
	n_fds = daemon_fds(&w->daemon);
	for (unsigned i = 0; i < N_DEATHS; i++)
		times[i] = kill_one(w, n_fds);
	qsort(times, N_DEATHS, sizeof(times[0]), by_value);
	print_message("let go of a dead front-end within %llu us (median), %llu us at worst\n",
		      (unsigned long long)(times[N_DEATHS / 2] / 1000),
		      (unsigned long long)(times[N_DEATHS - 1] / 1000));
	/* others may want the processor, but not each time */
	assert_true(times[N_DEATHS / 4] < (SANITIZED ? NSEC_PER_SEC : NSEC_PER_SEC / 10));
	finish(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_memory_split, stop),
		cmocka_unit_test_teardown(test_memory_packed, stop),
		cmocka_unit_test_teardown(test_drain_split, stop),
		cmocka_unit_test_teardown(test_drain_packed, stop),
		cmocka_unit_test_teardown(test_death, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
