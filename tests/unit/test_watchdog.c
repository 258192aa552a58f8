// SPDX-License-Identifier: Apache-2.0
/* A process that answers lives, another one does not. Children are processes that do nothing: what
 * they would say is said here. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "fds.h"
#include "keeper/watchdog.h"

#define SECONDS 1 /* of the watchdog */

/* What a process says when it is asked. */
enum answer { NOTHING, GOES_ON, QUIET, STUCK };

struct world {
	struct event_base *base;
	struct watchdog *dog;
	enum answer answer;
	unsigned n_asked;
	bool asked; /* and has not answered */
	pid_t child;
	int bell; /* ours; the watchdog has its own */
	unsigned n_fds;
};

static void on_ask(void *owner)
{
	struct world *w = owner;

	w->n_asked++;
	w->asked = true;
	watchdog_stir(w->dog); /* as everything that is sent does */
}

static void answer(struct world *w)
{
	if (w->asked && w->answer != NOTHING)
		watchdog_alive(w->dog, w->answer == STUCK ? w->child : 0, w->answer == QUIET);
	w->asked = false;
}

/* A child that sleeps; @deaf: also when it is to abort. */
static pid_t sleeper(bool deaf)
{
	pid_t pid;

	signal(SIGABRT, deaf ? SIG_IGN : SIG_DFL); /* the child's from its first instruction on */
	pid = fork();
	assert_true(pid >= 0);
	if (pid) {
		signal(SIGABRT, SIG_DFL);
		return pid;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setrlimit(RLIMIT_CORE, &(struct rlimit){ 0 });
	for (;;)
		pause();
}

static void begin(struct world *w, enum answer answer, bool deaf)
{
	w->answer = answer;
	w->n_asked = 0;
	w->asked = false;
	w->child = sleeper(deaf);
	w->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	watchdog_begin(w->dog, w->child, dup(w->bell));
}

static void end(struct world *w)
{
	watchdog_end(w->dog);
	close(w->bell);
	if (w->child) {
		kill(w->child, SIGKILL);
		waitpid(w->child, NULL, 0);
	}
}

/* The loop for so long; ends when the child does, and returns the signal that it died of. */
static int run(struct world *w, unsigned ms)
{
	uint64_t until = clock_ns() + ms * NSEC_PER_MSEC;
	int status;

	while (clock_ns() < until) {
		event_base_loop(w->base, EVLOOP_NONBLOCK);
		answer(w);
		if (waitpid(w->child, &status, WNOHANG) == w->child) {
			w->child = 0;
			return WIFSIGNALED(status) ? WTERMSIG(status) : -1;
		}
		usleep(1000);
	}
	return 0;
}

static int setup(void **state)
{
	static struct world w;

	w.n_fds = count_fds();
	w.base = event_base_new();
	w.dog = watchdog_create(w.base, SECONDS, on_ask, &w);
	assert_non_null(w.dog);
	*state = &w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	watchdog_destroy(w->dog);
	event_base_free(w->base);
	assert_int_equal(count_fds(), w->n_fds);
	return 0;
}

static void test_answers(void **state)
{
	struct world *w = *state;

	begin(w, GOES_ON, false);
	assert_int_equal(run(w, 2000), 0);
	assert_true(w->n_asked >= 2);
	end(w);
}

static void test_does_not_answer(void **state)
{
	struct world *w = *state;

	begin(w, NOTHING, false);
	assert_int_equal(run(w, 10000), SIGABRT);
	assert_int_equal(w->n_asked, 1); /* who does not answer is not asked again */
	end(w);
}

/* Other packets are as good as an answer. */
static void test_other_signs(void **state)
{
	struct world *w = *state;

	begin(w, NOTHING, false);
	for (unsigned i = 0; i < 40; i++) {
		watchdog_sign(w->dog);
		assert_int_equal(run(w, 50), 0);
	}
	assert_int_equal(run(w, 10000), SIGABRT);
	end(w);
}

static void test_worker_is_stuck(void **state)
{
	struct world *w = *state;

	begin(w, STUCK, false);
	assert_int_equal(run(w, 10000), SIGABRT);
	end(w);
}

/* Until a new question is asked, and answered. */
static void run_until_asked(struct world *w)
{
	w->n_asked = 0;
	for (unsigned i = 0; !w->n_asked; i++) {
		assert_true(i < 2000);
		assert_int_equal(run(w, 10), 0);
	}
}

/* Nobody asks a process with nothing to do, until it rings, or something is sent to it. */
static void test_quiet(void **state)
{
	struct world *w = *state;
	uint64_t one = 1;

	begin(w, QUIET, false);
	run_until_asked(w);
	w->n_asked = 0;
	assert_int_equal(run(w, 1500), 0);
	assert_int_equal(w->n_asked, 0);
	w->answer = GOES_ON;
	assert_int_equal(write(w->bell, &one, sizeof(one)), sizeof(one));
	assert_int_equal(run(w, 1500), 0);
	assert_true(w->n_asked > 0);
	w->answer = QUIET;
	run_until_asked(w);
	w->answer = NOTHING;
	assert_int_equal(run(w, 1500), 0);
	watchdog_stir(w->dog);
	assert_int_equal(run(w, 10000), SIGABRT);
	end(w);
}

/* What rings between question and answer is not forgotten. */
static void test_rings_meanwhile(void **state)
{
	struct world *w = *state;

	begin(w, NOTHING, false);
	while (!w->n_asked)
		assert_int_equal(run(w, 10), 0);
	watchdog_stir(w->dog);
	watchdog_alive(w->dog, 0, true);
	assert_int_equal(run(w, 10000), SIGABRT);
	end(w);
}

static void test_is_stopped(void **state)
{
	struct world *w = *state;

	begin(w, NOTHING, false);
	kill(w->child, SIGSTOP);
	assert_int_equal(run(w, 10000), SIGABRT);
	end(w);
}

static void test_does_not_abort(void **state)
{
	struct world *w = *state;

	begin(w, NOTHING, true);
	assert_int_equal(run(w, 20000), SIGKILL);
	end(w);
}

/* Nor does a debugger that stops it end it. */
static void test_is_traced(void **state)
{
	struct world *w = *state;
	int status;

	begin(w, NOTHING, false);
	assert_int_equal(ptrace(PTRACE_ATTACH, w->child, NULL, NULL), 0);
	assert_int_equal(waitpid(w->child, &status, 0), w->child);
	assert_true(WIFSTOPPED(status));
	assert_int_equal(run(w, 2500), 0);
	assert_int_equal(ptrace(PTRACE_DETACH, w->child, NULL, NULL), 0);
	assert_int_equal(run(w, 10000), SIGABRT);
	end(w);
}

/* Between processes nothing happens, and where there is no watchdog nothing ever does. */
static void test_nobody(void **state)
{
	struct world *w = *state;

	begin(w, NOTHING, false);
	watchdog_end(w->dog);
	watchdog_stir(w->dog);
	watchdog_alive(w->dog, 0, false);
	assert_int_equal(run(w, 1500), 0);
	assert_int_equal(w->n_asked, 0);
	end(w);
	watchdog_begin(NULL, 1, eventfd(0, EFD_CLOEXEC));
	watchdog_begin(NULL, 1, -1);
	watchdog_alive(NULL, 1, false);
	watchdog_sign(NULL);
	watchdog_stir(NULL);
	watchdog_end(NULL);
	watchdog_destroy(NULL);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_answers),	    TEST(test_does_not_answer), TEST(test_other_signs),
		TEST(test_worker_is_stuck), TEST(test_quiet),		TEST(test_rings_meanwhile),
		TEST(test_is_stopped),	    TEST(test_does_not_abort),	TEST(test_is_traced),
		TEST(test_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
