// SPDX-License-Identifier: Apache-2.0
/* However the thread dies, its word changes and who waits for it goes on; it does not before that.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/lifeline.h"

#define BOUND_S 60 /* of a wait that should end at once */
#define PAUSE_US 20000

/* A child that has tied its lifeline, and waits for a byte. */
struct child {
	pid_t pid;
	int file;
	int pipe; /* closed: it goes on */
};

static void *end_thread(void *arg)
{
	return arg;
}

static void *exit_all(void *arg)
{
	_exit(3);
}

static void spawn(void *(*main_of_thread)(void *))
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, main_of_thread, NULL))
		abort();
}

/* Ways to die. */
static void by_itself(void)
{
	_exit(0);
}

static void by_thread(void)
{
	spawn(exit_all);
	for (;;)
		pause();
}

static void by_fault(void)
{
	signal(SIGSEGV, SIG_DFL); /* a sanitizer has another */
	raise(SIGSEGV);
}

static void by_abort(void)
{
	signal(SIGABRT, SIG_DFL);
	abort();
}

static void by_end_of_first_thread(void)
{
	spawn(exit_all);
	syscall(SYS_exit, 0);
}

static void by_others(void)
{
	for (;;)
		pause();
}

static struct child start(void (*die)(void))
{
	int pair[2], told[2], file = -1, pidfd;
	struct child c;
	char byte;

	assert_int_equal(pipe(pair), 0);
	assert_int_equal(pipe(told), 0);
	c.pid = fork();
	if (c.pid == 0) {
		close(pair[1]);
		spawn(end_thread); /* which is none of its business */
		file = lifeline_tie();
		if (write(told[1], &file, sizeof(file)) != sizeof(file) ||
		    read(pair[0], &byte, 1) != 0)
			abort();
		die();
	}
	close(pair[0]);
	close(told[1]);
	assert_int_equal(read(told[0], &file, sizeof(file)), sizeof(file));
	close(told[0]);
	assert_true(file >= 0);
	pidfd = pidfd_open(c.pid, 0);
	c.file = pidfd_getfd(pidfd, file, 0);
	close(pidfd);
	assert_true(c.file >= 0);
	c.pipe = pair[1];
	return c;
}

static void reap(struct child *c)
{
	kill(c->pid, SIGKILL);
	assert_int_equal(waitpid(c->pid, NULL, 0), c->pid);
	close(c->pipe);
}

/* A thread that waits. */
struct waiter {
	const uint32_t *word;
	pid_t pid;
	uint32_t stop;
	int result;
	bool over; /* atomic */
	pthread_t thread;
};

static void *wait_for_it(void *arg)
{
	struct waiter *w = arg;

	w->result = lifeline_wait(w->word, w->pid, &w->stop);
	__atomic_store_n(&w->over, true, __ATOMIC_RELEASE);
	return NULL;
}

static void begin(struct waiter *w, int file, pid_t pid)
{
	*w = (struct waiter){ .word = lifeline_map(file), .pid = pid };
	assert_non_null(w->word);
	assert_int_equal(pthread_create(&w->thread, NULL, wait_for_it, w), 0);
}

static int end(struct waiter *w)
{
	pthread_join(w->thread, NULL);
	lifeline_unmap(w->word);
	return w->result;
}

static bool is_over(const struct waiter *w)
{
	return __atomic_load_n(&w->over, __ATOMIC_ACQUIRE);
}

static bool works; /* the kernel can wait for two words */

static int find_out(void **state)
{
	struct child c = start(by_others);
	const uint32_t *word = lifeline_map(c.file);
	uint32_t stop = 1;

	works = lifeline_wait(word, c.pid, &stop) == 0;
	lifeline_unmap(word);
	reap(&c);
	alarm(BOUND_S);
	return 0;
}

static void test_deaths(void **state)
{
	static void (*const ways[])(void) = { by_itself, by_thread, by_fault, by_abort,
					      by_end_of_first_thread };

	if (!works)
		skip();
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		struct child c = start(ways[i]);
		struct waiter w;

		begin(&w, c.file, c.pid);
		usleep(PAUSE_US);
		assert_false(is_over(&w));
		close(c.pipe);
		c.pipe = -1;
		assert_int_equal(end(&w), 0);
		reap(&c);
	}
}

static void test_killed(void **state)
{
	struct child c;
	struct waiter w;

	if (!works)
		skip();
	c = start(by_others);
	begin(&w, c.file, c.pid);
	usleep(PAUSE_US);
	assert_false(is_over(&w));
	kill(c.pid, SIGKILL);
	assert_int_equal(end(&w), 0);
	reap(&c);
}

/* One that is dead before anybody waits. */
static void test_late(void **state)
{
	struct child c;
	struct waiter w;

	if (!works)
		skip();
	c = start(by_others);
	reap(&c);
	begin(&w, c.file, c.pid);
	assert_int_equal(end(&w), 0);
}

static void test_stop(void **state)
{
	struct child c;
	struct waiter w;

	if (!works)
		skip();
	c = start(by_others);
	begin(&w, c.file, c.pid);
	lifeline_pause(&w.stop, 1000000);
	assert_false(is_over(&w));
	lifeline_stop(&w.stop);
	lifeline_pause(&w.stop, 999999999); /* is none */
	assert_int_equal(end(&w), 0);
	reap(&c);
}

/* What else may come as a lifeline. */
static void test_hostile(void **state)
{
	int file = memfd_create("test", MFD_CLOEXEC), ends[2];
	uint32_t other = 77;
	struct waiter w;

	assert_int_equal(pipe(ends), 0);
	assert_null(lifeline_map(ends[0]));
	close(ends[1]);
	assert_null(lifeline_map(-1));
	assert_null(lifeline_map(open("/proc/self/exe", O_RDONLY | O_CLOEXEC)));
	if (!works)
		skip();
	begin(&w, dup(file), getpid()); /* it is empty */
	assert_true(end(&w) < 0);
	assert_int_equal(write(file, &other, sizeof(other)), sizeof(other));
	begin(&w, file, getpid());
	assert_int_equal(end(&w), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_deaths),	cmocka_unit_test(test_killed),
		cmocka_unit_test(test_late),	cmocka_unit_test(test_stop),
		cmocka_unit_test(test_hostile),
	};

	return cmocka_run_group_tests(tests, find_out, NULL);
}
