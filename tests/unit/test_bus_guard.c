// SPDX-License-Identifier: Apache-2.0
/* SIGBUS in registered mappings. test_guestmem.c has the same seen from a guest's memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/compiler.h"
#include "virtio/bus_guard.h"

#define LEN 65536
#define GUARDS_MAX 65536

static uint8_t *map_file(int *fd)
{
	uint8_t *p;

	*fd = memfd_create("test-bus-guard", MFD_CLOEXEC);
	assert_true(*fd >= 0);
	assert_int_equal(ftruncate(*fd, LEN), 0);
	p = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
	assert_true(p != MAP_FAILED);
	return p;
}

static void test_limit(void **state)
{
	static struct bus_guard *guards[GUARDS_MAX];
	static char bytes[GUARDS_MAX];
	struct bus_guard *again;

	bus_guard_remove(NULL);
	for (unsigned i = 0; i < GUARDS_MAX; i++) {
		guards[i] = bus_guard_add(&bytes[i], 1);
		assert_non_null(guards[i]);
	}
	assert_null(bus_guard_add(bytes, 1));
	/* What is removed can be had again, in any order. */
	bus_guard_remove(guards[70]);
	bus_guard_remove(guards[7]);
	again = bus_guard_add(bytes, 1);
	assert_ptr_equal(again, guards[7]);
	again = bus_guard_add(bytes, 1);
	assert_ptr_equal(again, guards[70]);
	assert_null(bus_guard_add(bytes, 1));
	for (unsigned i = 0; i < GUARDS_MAX; i++)
		bus_guard_remove(guards[i]);
	assert_false(bus_guard_any_hit());
}

static void test_neighbours(void **state)
{
	struct bus_guard *guards[3];
	uint8_t *maps[3];
	int fds[3];

	bus_guard_install();
	for (unsigned i = 0; i < 3; i++) {
		maps[i] = map_file(&fds[i]);
		guards[i] = bus_guard_add(maps[i], LEN);
		maps[i][0] = (uint8_t)(i + 1);
	}
	assert_int_equal(ftruncate(fds[1], 0), 0);
	maps[1][LEN - 1] = 5;
	assert_int_equal(maps[1][LEN - 1], 5);
	assert_int_equal(maps[1][0], 0);
	assert_true(bus_guard_hit(guards[1]));
	assert_false(bus_guard_hit(guards[0]) || bus_guard_hit(guards[2]));
	assert_int_equal(maps[0][0], 1);
	assert_int_equal(maps[2][0], 3);
	assert_true(bus_guard_any_hit());
	bus_guard_remove(guards[1]);
	assert_false(bus_guard_any_hit());
	/* The entry is as new for the next one. */
	guards[1] = bus_guard_add(maps[1], LEN);
	assert_false(bus_guard_hit(guards[1]));
	for (unsigned i = 0; i < 3; i++) {
		bus_guard_remove(guards[i]);
		munmap(maps[i], LEN);
		close(fds[i]);
	}
}

struct reader {
	pthread_t thread;
	const volatile uint8_t *at;
	pthread_barrier_t *barrier;
	unsigned sum;
};

static void *read_main(void *arg)
{
	struct reader *r = arg;

	pthread_barrier_wait(r->barrier);
	for (unsigned i = 0; i < LEN; i += 512)
		r->sum += __atomic_load_n(&r->at[i], __ATOMIC_RELAXED);
	return NULL;
}

/* Both threads fault, on the same mapping and each on its own; each mapping is counted once. */
static void test_threads(void **state)
{
	bus_guard_install();
	for (unsigned round = 0; round < 200; round++) {
		struct reader readers[3] = { { 0 } };
		struct bus_guard *guards[2];
		pthread_barrier_t barrier;
		uint8_t *maps[2];
		int fds[2];

		pthread_barrier_init(&barrier, NULL, 3);
		for (unsigned i = 0; i < 2; i++) {
			maps[i] = map_file(&fds[i]);
			guards[i] = bus_guard_add(maps[i], LEN);
			assert_int_equal(ftruncate(fds[i], 0), 0);
		}
		for (unsigned i = 0; i < 3; i++) {
			readers[i].at = maps[i & 1];
			readers[i].barrier = &barrier;
			assert_int_equal(
				pthread_create(&readers[i].thread, NULL, read_main, &readers[i]),
				0);
		}
		for (unsigned i = 0; i < 3; i++) {
			pthread_join(readers[i].thread, NULL);
			assert_int_equal(readers[i].sum, 0);
		}
		assert_true(bus_guard_hit(guards[0]) && bus_guard_hit(guards[1]));
		for (unsigned i = 0; i < 2; i++) {
			bus_guard_remove(guards[i]);
			munmap(maps[i], LEN);
			close(fds[i]);
		}
		assert_false(bus_guard_any_hit());
		pthread_barrier_destroy(&barrier);
	}
}

/* In a child process: 0 when it lives, else the signal that ended it. */
static int end_of(void (*what)(void))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		signal(SIGBUS, SIG_DFL);
		bus_guard_install();
		what();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void fault_elsewhere(void)
{
	int fd;
	volatile uint8_t *p = map_file(&fd);

	if (ftruncate(fd, 0) == 0)
		p[0] = 1;
}

static void send_signal(void)
{
	kill(getpid(), SIGBUS);
}

static void nothing(void)
{
}

/* A SIGBUS that is none of ours still ends the process. */
static void test_foreign(void **state)
{
	assert_int_equal(end_of(fault_elsewhere), SIGBUS);
	assert_int_equal(end_of(send_signal), SIGBUS);
	assert_int_equal(end_of(nothing), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_neighbours),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_foreign),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
