// SPDX-License-Identifier: Apache-2.0
/* What threads may call, and what becomes of those that call something else. In processes of their
 * own, since there is no way back.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/blame.h"
#include "base/filter.h"

#define WORKER_MAX 12
#define PROCESS_MAX 40

/* What a child has reported. */
struct report {
	int call, tid;
	uint32_t kind;
};

static int pipe_[2];
static char *crashed; /* shared with children */
static bool filters;  /* this build does */

static void report(int call, int tid, enum filter_thread kind)
{
	const struct report r = { call, tid, kind };

	if (write(pipe_[1], &r, sizeof(r)) < 0)
		_exit(99);
}

/* Does it in a child, as a thread of @kind. Returns the wait status. */
static int in_child(enum filter_thread kind, void (*fn)(void))
{
	int status;
	pid_t pid;

	memset(crashed, 0, BLAME_NAME_MAX);
	pid = fork();
	if (pid == 0) {
		blame_install(crashed);
		if (!filter_arm(report) || filter_enter(kind, NULL))
			_exit(98);
		blame_begin("vm1");
		fn();
		_exit(0); /* exit_group(): only the control thread may */
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

/* The child dies of it, and says which call it was. */
static void is_forbidden(enum filter_thread kind, void (*fn)(void), int call)
{
	int status = in_child(kind, fn);
	struct report r;

	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSYS);
	assert_int_equal(read(pipe_[0], &r, sizeof(r)), sizeof(r));
	assert_int_equal(r.call, call);
	assert_int_equal(r.kind, kind);
	assert_true(r.tid > 0);
	assert_string_equal(crashed, "vm1");
}

static void open_a_file(void)
{
	syscall(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY);
}

static void make_a_socket(void)
{
	syscall(SYS_socket, AF_INET, SOCK_STREAM, 0);
}

static void execute(void)
{
	char *argv[] = { NULL };

	syscall(SYS_execve, "/bin/true", argv, argv);
}

static void map_code(void)
{
	syscall(SYS_mmap, NULL, 4096ul, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0l);
}

static void do_without(void)
{
	if (syscall(SYS_tgkill, 1, 1, 0) != -1 || errno != EPERM)
		abort();
	if (syscall(SYS_mprotect, NULL, 0ul, PROT_EXEC) != -1 || syscall(SYS_getpid) != -1)
		abort();
}

static void push_input(void)
{
	syscall(SYS_ioctl, 0, TIOCSTI, "x");
}

static void stat_a_path(void)
{
	char buffer[256];

	syscall(SYS_newfstatat, AT_FDCWD, "/etc/passwd", buffer, 0);
}

/* SIGIO, or any other signal, would go to a process of the same user. */
static void own_a_file(void)
{
	fcntl(pipe_[0], F_SETOWN, 1);
}

static void look_for_pages(void)
{
	syscall(SYS_move_pages, 1, 0ul, NULL, NULL, NULL, 0);
}

/* By a socket that is not connected. */
static void send_to_somebody(void)
{
	syscall(SYS_sendto, pipe_[1], "x", 1ul, 0, crashed, 16u);
}

static void end_the_process(void)
{
	syscall(SYS_exit_group, 0);
}

static void test_forbidden(void **state)
{
	if (!filters)
		return;
	for (unsigned kind = 0; kind < FILTER_THREADS; kind++) {
		is_forbidden(kind, open_a_file, SYS_openat);
		is_forbidden(kind, make_a_socket, SYS_socket);
		is_forbidden(kind, execute, SYS_execve);
		is_forbidden(kind, map_code, SYS_mmap);
		is_forbidden(kind, push_input, SYS_ioctl);
		is_forbidden(kind, stat_a_path, SYS_newfstatat);
		is_forbidden(kind, own_a_file, SYS_fcntl);
		is_forbidden(kind, look_for_pages, SYS_move_pages);
		is_forbidden(kind, send_to_somebody, SYS_sendto);
	}
	is_forbidden(FILTER_WORKER, end_the_process, SYS_exit_group);
}

/* What it needs it may do, and what only makes the C library comfortable fails without harm. */
static void work(void)
{
	struct timespec time = { .tv_nsec = 1000 };
	void *memory[64];

	if (write(pipe_[1], "x", 1) != 1 || read(pipe_[0], crashed, 1) != 1)
		abort();
	if (ppoll(NULL, 0, &time, NULL) != 0)
		abort();
	/* a worker does not do this, but if it did it would get some */
	for (int i = 0; i < 64; i++) {
		memory[i] = malloc(100000);
		if (!memory[i])
			abort();
	}
	for (int i = 0; i < 64; i++)
		free(memory[i]);
}

static void test_allowed(void **state)
{
	if (!filters)
		return;
	assert_int_equal(in_child(FILTER_CONTROL, work), 0);
	assert_int_equal(in_child(FILTER_CONTROL, do_without), 0);
}

static void *worker(void *arg)
{
	if (filter_enter(FILTER_WORKER, NULL))
		return NULL;
	work();
	return arg;
}

static void run_worker(void)
{
	pthread_t thread;
	void *result = NULL;

	pthread_create(&thread, NULL, worker, crashed);
	pthread_join(thread, &result);
	if (result != crashed)
		abort();
}

/* A thread ends as any other. */
static void test_worker(void **state)
{
	int status;
	pid_t pid;

	if (!filters)
		return;
	pid = fork();
	if (pid == 0) {
		filter_arm(report);
		run_worker();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void give_up(void)
{
	abort();
}

static void fault(void)
{
	*(volatile char *)NULL = 0;
}

/* Other ends are as they were. */
static void test_crashes(void **state)
{
	int status;

	if (!filters)
		return;
	status = in_child(FILTER_WORKER, fault);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	assert_string_equal(crashed, "vm1");
	status = in_child(FILTER_WORKER, give_up);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) != SIGSYS);
	assert_string_equal(crashed, "vm1");
}

static void test_counts(void **state)
{
	assert_in_range(filter_n_calls(FILTER_WORKER), 1, WORKER_MAX);
	assert_in_range(filter_n_calls(FILTER_MEMORY), 1, WORKER_MAX);
	assert_in_range(filter_n_calls(FILTER_THREADS), filter_n_calls(FILTER_CONTROL),
			PROCESS_MAX);
	print_message("worker %u, memory %u, control %u, all %u\n", filter_n_calls(FILTER_WORKER),
		      filter_n_calls(FILTER_MEMORY), filter_n_calls(FILTER_CONTROL),
		      filter_n_calls(FILTER_THREADS));
}

static void test_names(void **state)
{
	char text[64];

	assert_string_equal(filter_call_name(SYS_openat, text, sizeof(text)), "openat");
	assert_string_equal(filter_call_name(99999, text, sizeof(text)), "number 99999");
	assert_string_equal(filter_thread_name(FILTER_WORKER), "worker");
	assert_string_equal(filter_thread_name(UINT32_MAX), "thread");
}

/* Before filter_arm() nothing is filtered: this thread goes on. */
static void test_unarmed(void **state)
{
	assert_int_equal(filter_enter(FILTER_WORKER, NULL), 0);
	assert_int_equal(access("/", F_OK), 0);
}

static int group_setup(void **state)
{
	pid_t pid;
	int status;

	crashed = mmap(NULL, BLAME_NAME_MAX, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		       0);
	if (crashed == MAP_FAILED || pipe2(pipe_, O_CLOEXEC))
		return -1;
	pid = fork();
	if (pid == 0)
		_exit(filter_arm(report));
	waitpid(pid, &status, 0);
	filters = WEXITSTATUS(status);
	if (!filters)
		print_message("built with a sanitizer: nothing is filtered\n");
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unarmed), cmocka_unit_test(test_counts),
		cmocka_unit_test(test_names),	cmocka_unit_test(test_forbidden),
		cmocka_unit_test(test_allowed), cmocka_unit_test(test_worker),
		cmocka_unit_test(test_crashes),
	};

	return cmocka_run_group_tests(tests, group_setup, NULL);
}
