// SPDX-License-Identifier: Apache-2.0
/* The death of a process is found, with what it died of, before it is waited for; and only when no
 * thread of it is left, whatever it pretends. Bodies.
 */
#include <errno.h>
#include <event2/event.h>
#include <linux/futex.h>
#include <poll.h>
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
#include "keeper/death.h"

#define BOUND_S 60	 /* of a wait that should end at once */
#define NOTHING_US 20000 /* for nothing to come */

struct child {
	pid_t pid;
	int file; /* its lifeline */
	int pipe; /* closed: it goes on */
};

/* ---- what children do */

static void *stay(void *arg)
{
	while (pause() < 0)
		continue;
	return arg;
}

static void *crash(void *arg)
{
	signal(SIGSEGV, SIG_DFL); /* a sanitizer has another */
	raise(SIGSEGV);
	return NULL;
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

static void by_others(int lifeline)
{
	stay(NULL);
}

static void by_itself(int lifeline)
{
	_exit(4);
}

static void in_order(int lifeline)
{
	_exit(0);
}

static void by_abort(int lifeline)
{
	signal(SIGABRT, SIG_DFL);
	abort();
}

static void by_thread(int lifeline)
{
	spawn(exit_all);
	stay(NULL);
}

static void by_fault_of_thread(int lifeline)
{
	spawn(crash);
	stay(NULL);
}

/* The others live. */
static void first_thread_only(int lifeline)
{
	syscall(SYS_exit, 0);
}

static void pretends(int lifeline)
{
	uint32_t *word = mmap(NULL, sizeof(*word), PROT_READ | PROT_WRITE, MAP_SHARED, lifeline, 0);

	__atomic_store_n(word, FUTEX_OWNER_DIED, __ATOMIC_RELAXED);
	syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
	stay(NULL);
}

static void cuts_it_off(int lifeline)
{
	if (ftruncate(lifeline, 0))
		abort();
	stay(NULL);
}

static struct child start(void (*die)(int lifeline))
{
	int pair[2], told[2], file = -1, pidfd;
	struct child c;
	char byte;

	assert_int_equal(pipe(pair), 0);
	assert_int_equal(pipe(told), 0);
	c.pid = fork();
	if (c.pid == 0) {
		close(pair[1]);
		spawn(stay);
		spawn(stay);
		file = lifeline_tie();
		if (write(told[1], &file, sizeof(file)) != sizeof(file) ||
		    read(pair[0], &byte, 1) != 0)
			abort();
		die(file);
	}
	close(pair[0]);
	close(told[1]);
	assert_int_equal(read(told[0], &file, sizeof(file)), sizeof(file));
	close(told[0]);
	pidfd = pidfd_open(c.pid, 0);
	c.file = pidfd_getfd(pidfd, file, 0);
	close(pidfd);
	assert_true(c.file >= 0);
	c.pipe = pair[1];
	return c;
}

static void go_on(struct child *c)
{
	close(c->pipe);
	c->pipe = -1;
}

static int reap(struct child *c)
{
	int status;

	kill(c->pid, SIGKILL);
	assert_int_equal(waitpid(c->pid, &status, 0), c->pid);
	if (c->pipe >= 0)
		close(c->pipe);
	return status;
}

/* ---- who waits for them */

struct watcher {
	struct event_base *base;
	struct death *death;
	int n, status;
};

static void on_death(void *owner, int status)
{
	struct watcher *w = owner;

	w->n++;
	w->status = status;
	death_forget(w->death); /* as it may be from here */
	w->death = NULL;
	event_base_loopbreak(w->base);
}

static void begin(struct watcher *w, const struct child *c)
{
	*w = (struct watcher){ .base = event_base_new() };
	w->death = death_watch(w->base, c->pid, c->file, on_death, w);
	assert_non_null(w->death);
}

static void end(struct watcher *w)
{
	death_forget(w->death);
	event_base_free(w->base);
}

static void expect_nothing(struct watcher *w)
{
	usleep(NOTHING_US);
	event_base_loop(w->base, EVLOOP_NONBLOCK);
	assert_int_equal(w->n, 0);
}

static bool works;

/* Old kernels cannot wait so, and some do not show us what a process has died of. */
static int find_out(void **state)
{
	struct child c = start(by_others);
	const struct timeval bound = { .tv_sec = BOUND_S / 2 };
	struct watcher w;

	alarm(BOUND_S);
	begin(&w, &c);
	kill(c.pid, SIGKILL);
	event_base_loopexit(w.base, &bound);
	event_base_dispatch(w.base);
	works = w.n;
	end(&w);
	reap(&c);
	return 0;
}

/* ---- tests */

static void dies(void (*how)(int), int expected)
{
	struct child c = start(how);
	struct watcher w;
	int status;

	begin(&w, &c);
	expect_nothing(&w);
	if (how == by_others)
		kill(c.pid, SIGKILL);
	else
		go_on(&c);
	event_base_dispatch(w.base);
	assert_int_equal(w.n, 1);
	while (!death_has_come(
		c.pid)) /* though it has not been waited for; threads that go confuse it */
		usleep(100);
	status = reap(&c);
	assert_int_equal(w.status & ~0x80, status & ~0x80); /* but for the core */
	assert_int_equal(status & ~0x80, expected);
	end(&w);
}

static void test_ways(void **state)
{
	if (!works)
		skip();
	dies(by_others, SIGKILL);
	dies(by_itself, 4 << 8);
	dies(by_abort, SIGABRT);
	dies(by_thread, 3 << 8);
	dies(by_fault_of_thread, SIGSEGV);
}

/* Who says so, or lets its first thread die alone, is dead then. */
static void test_pretenders(void **state)
{
	void (*const ways[])(int) = { pretends, first_thread_only };

	if (!works)
		skip();
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		struct child c = start(ways[i]);
		struct watcher w;
		siginfo_t info;

		begin(&w, &c);
		go_on(&c);
		assert_int_equal(waitid(P_PID, (id_t)c.pid, &info, WEXITED | WNOWAIT), 0);
		assert_int_equal(info.si_code, CLD_KILLED);
		end(&w);
		reap(&c);
	}
}

/* Then its end has to do: an orderly one, and that of one whose lifeline makes no sense. */
static void test_not_found(void **state)
{
	struct child c = start(in_order);
	struct watcher w;
	siginfo_t info;

	begin(&w, &c);
	go_on(&c);
	assert_int_equal(waitid(P_PID, (id_t)c.pid, &info, WEXITED | WNOWAIT), 0);
	expect_nothing(&w);
	end(&w);
	assert_int_equal(reap(&c), 0);

	c = start(cuts_it_off);
	go_on(&c);
	begin(&w, &c);
	expect_nothing(&w);
	end(&w);
	reap(&c);
}

static void test_no_lifeline(void **state)
{
	struct event_base *base = event_base_new();
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	assert_null(death_watch(base, getpid(), ends[0], on_death, NULL));
	assert_int_equal(close(ends[0]), -1); /* it was taken over */
	close(ends[1]);
	death_forget(NULL);
	event_base_free(base);
}

/* Not while any thread has memory. */
static void test_threads(void **state)
{
	struct child c = start(first_thread_only);
	siginfo_t info;

	assert_false(death_has_come(c.pid));
	go_on(&c);
	usleep(NOTHING_US); /* the first one dies */
	assert_false(death_has_come(c.pid));
	kill(c.pid, SIGKILL);
	assert_int_equal(waitid(P_PID, (id_t)c.pid, &info, WEXITED | WNOWAIT), 0);
	assert_true(death_has_come(c.pid));
	reap(&c);
	assert_false(death_has_come(c.pid)); /* nobody knows */
	close(c.file);
}

static void test_bodies(void **state)
{
	struct child c[BODIES_MAX + 1];
	int pidfds[BODIES_MAX + 1];

	bodies_wait(BOUND_S * 1000); /* there are none */
	assert_false(bodies_add(-1));
	for (unsigned i = 0; i <= BODIES_MAX; i++) {
		c[i] = start(by_others);
		close(c[i].file);
		pidfds[i] = pidfd_open(c[i].pid, 0);
	}
	for (unsigned i = 0; i <= BODIES_MAX; i++)
		assert_int_equal(bodies_add(pidfds[i]), i < BODIES_MAX);
	bodies_wait(10); /* they live */
	assert_int_equal(bodies_count(), BODIES_MAX);
	kill(c[0].pid, SIGKILL);
	while (bodies_count() == BODIES_MAX)
		usleep(1000);
	assert_int_equal(waitpid(c[0].pid, NULL, 0), -1); /* it has been waited for */
	assert_true(bodies_add(pidfds[BODIES_MAX]));
	for (unsigned i = 1; i <= BODIES_MAX; i++)
		kill(c[i].pid, SIGKILL);
	bodies_wait(BOUND_S * 1000);
	assert_int_equal(bodies_count(), 0);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	for (unsigned i = 0; i <= BODIES_MAX; i++)
		close(c[i].pipe);
}

/* Of another process only the end can be seen. */
static void test_orphan(void **state)
{
	int pair[2], pidfd;
	pid_t pid, orphan;

	assert_int_equal(pipe(pair), 0);
	pid = fork();
	if (pid == 0) {
		orphan = fork();
		if (orphan == 0)
			stay(NULL);
		_exit(write(pair[1], &orphan, sizeof(orphan)) != sizeof(orphan));
	}
	assert_int_equal(read(pair[0], &orphan, sizeof(orphan)), sizeof(orphan));
	waitpid(pid, NULL, 0);
	close(pair[0]);
	close(pair[1]);
	pidfd = pidfd_open(orphan, 0);
	assert_true(bodies_add(pidfd));
	bodies_wait(10);
	assert_int_equal(bodies_count(), 1);
	pidfd_send_signal(pidfd, SIGKILL, NULL, 0);
	bodies_wait(BOUND_S * 1000);
	assert_int_equal(bodies_count(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ways),	  cmocka_unit_test(test_pretenders),
		cmocka_unit_test(test_not_found), cmocka_unit_test(test_no_lifeline),
		cmocka_unit_test(test_threads),	  cmocka_unit_test(test_bodies),
		cmocka_unit_test(test_orphan),
	};

	return cmocka_run_group_tests(tests, find_out, NULL);
}
