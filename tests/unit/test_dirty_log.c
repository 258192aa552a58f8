// SPDX-License-Identifier: Apache-2.0
/* The messages of a migration: which logs are taken, when one is in use, when it is forgotten, and
 * that no ring runs without one that should have one.
 */
#include "log_file.h"
#include "vhost_peer.h"

#define LOG_SIZE ((MEM_GUEST + MEM_SIZE) / 4096 / 8)

static const struct vhost_device_state *st(struct rig *rig)
{
	return vhost_device_state(rig->device);
}

static void send_log(struct rig *rig, uint64_t size, uint64_t offset, int fd)
{
	struct vhost_user_log log = { size, offset };

	send_message(rig, VHOST_USER_SET_LOG_BASE, 0, &log, sizeof(log), &fd, 1);
}

/* Sends it and takes the answer, which comes once. */
static void set_log(struct rig *rig, const struct log_file *f)
{
	union vhost_user_payload answer = { .u64 = 1 };

	send_log(rig, f->size, 0, f->fd);
	assert_int_equal(receive(rig, VHOST_USER_SET_LOG_BASE, &answer), 8);
	assert_int_equal(answer.u64, 0);
	assert_int_equal(receive(rig, 0, &answer), -1);
}

static void set_features(struct rig *rig, uint64_t more)
{
	assert_int_equal(ask_u64(rig, VHOST_USER_SET_FEATURES, F_V1 | F_EXTENDED | more), 0);
}

/* Two running rings. */
static void set_up(struct rig *rig)
{
	negotiate(rig);
	send_memory(rig);
	for (unsigned i = 0; i < 2; i++)
		send_ring(rig, i);
	rig_run(rig);
	assert_true(vring(rig, 0)->live && vring(rig, 1)->live);
	rig->n_quiesce = rig->n_changed = 0;
}

static unsigned count_logs(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[512];
	unsigned n = 0;

	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps))
		n += strstr(line, "memfd:test-log") != NULL;
	fclose(maps);
	return n;
}

/* As QEMU begins and ends a migration that is cancelled. */
static void test_begins_and_ends(void **state)
{
	struct rig *rig = *state;
	struct log_file f = log_file_make(LOG_SIZE), g = log_file_make(LOG_SIZE);

	set_up(rig);
	set_log(rig, &f);
	assert_null(st(rig)->log); /* not asked for yet */
	assert_int_equal(rig->n_quiesce, 1);
	set_features(rig, F_LOG);
	assert_non_null(st(rig)->log);
	assert_int_equal(dirty_log_pages(st(rig)->log), 8 * LOG_SIZE);
	assert_true(vring(rig, 0)->live && vring(rig, 1)->live);
	assert_int_equal(rig->n_quiesce, 2);
	/* the same once more, as QEMU 7.2 sends it for each queue pair: nobody is disturbed */
	set_log(rig, &f);
	set_features(rig, F_LOG);
	assert_int_equal(rig->n_quiesce, 2);
	/* another one takes its place, when workers have let go of the rings */
	rig->hold = true;
	send_log(rig, g.size, 0, g.fd);
	rig_run(rig);
	assert_true(rig->asked);
	assert_true(dirty_log_is(st(rig)->log, f.fd, 0, f.size));
	rig->hold = false;
	rig_quiesced(rig);
	assert_int_equal(receive(rig, VHOST_USER_SET_LOG_BASE, &(union vhost_user_payload){ 0 }),
			 8);
	assert_true(dirty_log_is(st(rig)->log, g.fd, 0, g.size));
	assert_int_equal(count_logs(), 3); /* ours of both, and the device's of one */
	set_features(rig, 0);
	assert_null(st(rig)->log);
	assert_int_equal(count_logs(), 2);
	assert_true(vring(rig, 0)->live && vring(rig, 1)->live);
	log_file_end(&f);
	log_file_end(&g);
}

/* Rings that are to be logged wait for the log, as QEMU starts them during a migration; and when
 * all are stopped the log is forgotten, since the next one will be another.
 */
static void test_rings_wait(void **state)
{
	struct rig *rig = *state;
	struct log_file f = log_file_make(LOG_SIZE);
	union vhost_user_payload answer;

	negotiate(rig);
	set_features(rig, F_LOG);
	send_memory(rig);
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 2; i++) {
			send_ring(rig, i);
			send_state(rig, VHOST_USER_SET_VRING_ENABLE, i, 1);
		}
		rig_run(rig);
		assert_false(vring(rig, 0)->live || vring(rig, 1)->live);
		set_log(rig, &f);
		assert_true(vring(rig, 0)->live && vring(rig, 1)->live);
		assert_non_null(st(rig)->log);
		for (unsigned i = 0; i < 2; i++) {
			assert_non_null(st(rig)->log);
			send_state(rig, VHOST_USER_GET_VRING_BASE, i, 0);
			assert_int_equal(receive(rig, VHOST_USER_GET_VRING_BASE, &answer), 8);
		}
		assert_null(st(rig)->log);
		assert_int_equal(count_logs(), 1);
	}
	/* one that waits can be stopped */
	send_ring(rig, 0);
	send_state(rig, VHOST_USER_GET_VRING_BASE, 0, 0);
	assert_int_equal(receive(rig, VHOST_USER_GET_VRING_BASE, &answer), 8);
	/* or runs when it is not to be logged any more */
	send_ring(rig, 0);
	set_features(rig, 0);
	assert_true(vring(rig, 0)->live);
	/* and one that runs waits from when it is to be logged without a log */
	set_features(rig, F_LOG);
	assert_false(vring(rig, 0)->live);
	set_log(rig, &f);
	assert_true(vring(rig, 0)->live);
	log_file_end(&f);
}

/* A log that comes before any ring is started is kept. */
static void test_log_first(void **state)
{
	struct rig *rig = *state;
	struct log_file f = log_file_make(LOG_SIZE);

	negotiate(rig);
	set_log(rig, &f); /* there is no memory yet that it would have to reach over */
	set_features(rig, F_LOG);
	send_memory(rig);
	send_ring(rig, 0);
	rig_run(rig);
	assert_true(vring(rig, 0)->live);
	assert_non_null(st(rig)->log);
	/* a reset forgets it */
	assert_int_equal(ask(rig, VHOST_USER_RESET_DEVICE, NULL, 0, NULL, 0), 0);
	assert_null(st(rig)->log);
	assert_int_equal(count_logs(), 1);
	/* so does the end of the connection */
	set_log(rig, &f);
	assert_int_equal(count_logs(), 2);
	rig_disconnect(rig);
	assert_int_equal(count_logs(), 1);
	rig_connect(rig);
	log_file_end(&f);
}

/* Sends what is wrong; whatever there was is gone with the connection. */
static void expect_refused(struct rig *rig, uint64_t size, uint64_t offset, int fd, const char *why)
{
	unsigned n = count_fds();

	if (rig->peer < 0) {
		rig_connect(rig);
		set_up(rig);
	}
	send_log(rig, size, offset, fd);
	assert_refused(rig, why);
	assert_int_equal(count_fds(), n - 2); /* both ends of the connection */
	rig_connect(rig);
	set_up(rig);
}

static void test_hostile_values(void **state)
{
	struct rig *rig = *state;
	struct log_file f = log_file_make(LOG_SIZE + 4096);
	int pair[2];

	set_up(rig);
	expect_refused(rig, 0, 0, f.fd, "dirty log of 0 bytes");
	expect_refused(rig, UINT64_MAX, 0, f.fd, "more than 8589934592");
	expect_refused(rig, (8ull << 30) + 1, 0, f.fd, "more than 8589934592");
	expect_refused(rig, 8ull << 30, 0, f.fd, "ends behind its file");
	expect_refused(rig, LOG_SIZE, UINT64_MAX, f.fd, "wraps");
	expect_refused(rig, 8ull << 30, UINT64_MAX, f.fd, "wraps");
	expect_refused(rig, LOG_SIZE, UINT64_MAX - LOG_SIZE + 1, f.fd, "wraps");
	expect_refused(rig, 1ull << 32, 4096, f.fd, "ends behind its file");
	expect_refused(rig, LOG_SIZE, 4097, f.fd, "ends behind its file");
	expect_refused(rig, LOG_SIZE + 4097, 0, f.fd, "ends behind its file");
	expect_refused(rig, LOG_SIZE - 1, 0, f.fd, "does not reach to guest address 0x401fffff");
	expect_refused(rig, 1, 0, f.fd, "does not reach");
	assert_int_equal(pipe(pair), 0);
	expect_refused(rig, LOG_SIZE, 0, pair[0], "memfd, tmpfs and hugetlbfs are taken");
	close(pair[0]);
	close(pair[1]);
	/* it reaches exactly, at the end of its file */
	send_log(rig, LOG_SIZE, 4096, f.fd);
	assert_int_equal(receive(rig, VHOST_USER_SET_LOG_BASE, &(union vhost_user_payload){ 0 }),
			 8);
	assert_true(alive(rig));
	log_file_end(&f);
}

/* Without LOG_SHMFD there is no way to share a log. */
static void test_not_negotiated(void **state)
{
	struct rig *rig = *state;
	struct log_file f = log_file_make(LOG_SIZE);

	send_u64(rig, VHOST_USER_SET_PROTOCOL_FEATURES,
		 ALL_PROTOCOL & ~BIT(VHOST_USER_PROTOCOL_F_LOG_SHMFD));
	send_log(rig, f.size, 0, f.fd);
	assert_refused(rig, "LOG_SHMFD was not negotiated");
	rig_connect(rig);
	log_file_end(&f);
}

/* Memory that the log does not reach is refused, and what there was stays. */
static void test_memory_grows(void **state)
{
	struct rig *rig = *state;
	struct log_file f = log_file_make(LOG_SIZE), g = log_file_make(2 * LOG_SIZE);
	struct vhost_user_single_region more = { .region = { MEM_GUEST + MEM_SIZE, 4096,
							     MEM_USER + MEM_SIZE, 0 } };
	struct vhost_user_memory table = { .n_regions = 2,
					   .regions = { whole_region(), more.region } };
	int fds[2] = { rig->mem_fd, rig->mem_fd };

	set_up(rig);
	set_log(rig, &f);
	set_features(rig, F_LOG);
	assert_int_equal(ask(rig, VHOST_USER_ADD_MEM_REG, &more, sizeof(more), fds, 1), 1);
	assert_int_equal(ask(rig, VHOST_USER_SET_MEM_TABLE, &table, 8 + 2 * 32, fds, 2), 1);
	assert_int_equal(st(rig)->mem->n_ranges, 1);
	assert_true(vring(rig, 0)->live && vring(rig, 1)->live);
	set_log(rig, &g); /* a larger one first, as QEMU does */
	assert_int_equal(ask(rig, VHOST_USER_ADD_MEM_REG, &more, sizeof(more), fds, 1), 0);
	assert_int_equal(st(rig)->mem->n_ranges, 2);
	send_log(rig, f.size, 0, f.fd);
	assert_refused(rig, "does not reach");
	rig_connect(rig);
	/* after the migration nobody has to reach anything */
	set_up(rig);
	set_log(rig, &f);
	set_features(rig, F_LOG);
	set_features(rig, 0);
	assert_int_equal(ask(rig, VHOST_USER_ADD_MEM_REG, &more, sizeof(more), fds, 1), 0);
	log_file_end(&f);
	log_file_end(&g);
}

static void test_log_fd(void **state)
{
	struct rig *rig = *state;
	unsigned n = count_fds();
	int fd = eventfd(0, EFD_CLOEXEC);

	set_up(rig);
	assert_int_equal(st(rig)->log_fd, -1);
	assert_int_equal(ask(rig, VHOST_USER_SET_LOG_FD, NULL, 0, &fd, 1), 0);
	assert_true(st(rig)->log_fd >= 0);
	assert_int_equal(rig->n_quiesce, 1);
	assert_int_equal(ask(rig, VHOST_USER_SET_LOG_FD, NULL, 0, &fd, 1), 0);
	assert_int_equal(count_fds(), n + 2); /* the test's and the last one */
	assert_int_equal(ask(rig, VHOST_USER_SET_LOG_FD, NULL, 0, &rig->mem_fd, 1), 1);
	assert_true(st(rig)->log_fd >= 0);
	rig_disconnect(rig);
	assert_int_equal(st(rig)->log_fd, -1);
	rig_connect(rig);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(test_begins_and_ends), RIG_TEST(test_rings_wait),
		RIG_TEST(test_log_first),	RIG_TEST(test_hostile_values),
		RIG_TEST(test_not_negotiated),	RIG_TEST(test_memory_grows),
		RIG_TEST(test_log_fd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
