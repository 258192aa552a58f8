// SPDX-License-Identifier: Apache-2.0
/* Steps through processes that crash while they work for somebody, and through those behind them
 * that judge it. Wherever one dies, each crash is one strike against its name, or, when its handler
 * was itself ended before it was through, none; never two, and never one against another name.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/blame.h"
#include "base/compiler.h"
#include "holder.h"
#include "scenes.h"
#include "step.h"
#include "switch/quarantine.h"

#define KEY "quarantine"
#define RECORD_LEN 8192 /* bytes, whole pages */
#define STRIKES 3

enum what { OPEN, CRASH, PARDON };

/* Two begin alike. */
static const char *const names[] = { "vm1", "vm12", "db" };
#define NAMES ARRAY_SIZE(names)

static const int signals[] = { SIGSEGV, SIGABRT, SIGILL, SIGFPE };

/* How many more crashes lock each of them up. */
struct picture {
	unsigned left[NAMES];
};

struct world {
	struct step step;
	struct holder holder;
	struct quarantine *q;	      /* of the stepped process */
	struct picture before, after; /* the operation */
};

/* Goes on as a new process. What it logs is no news. */
static struct quarantine *begin(struct holder *h)
{
	int saved = dup(STDERR_FILENO), nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
	struct quarantine *q;

	dup2(nowhere, STDERR_FILENO);
	q = quarantine_open(&h->keep);
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(nowhere);
	return q;
}

/* In the stepped process. */
static void perform(void *world)
{
	struct world *w = world;
	const char *name = names[w->step.op->n];

	switch ((enum what)w->step.op->what) {
	case OPEN:
		setrlimit(RLIMIT_CORE, &(struct rlimit){ 0 });
		w->holder.tells = true;
		w->q = begin(&w->holder);
		break;
	case CRASH:
		blame_begin(name);
		raise(signals[w->step.op->how]);
		break;
	case PARDON:
		quarantine_pardon(w->q, name);
		break;
	}
}

static bool called(void *world, long number)
{
	struct world *w = world;

	if (!holder_listen(&w->holder))
		return false;
	assert_true(holder_map(&w->holder, KEY, w->step.memory, RECORD_LEN));
	return true;
}

/* A process that is not stepped works for @name, and crashes. */
static void crash_for(const char *name)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		setrlimit(RLIMIT_CORE, &(struct rlimit){ 0 });
		blame_begin(name);
		raise(SIGABRT);
	}
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* Processes go on, and crash, until @name is locked up. */
static unsigned count_left(const struct world *w, const char *name)
{
	struct holder next;
	struct quarantine *q;
	struct stat st;
	bool held;
	unsigned n;

	holder_copy(&next, &w->holder);
	for (n = 0;; n++) {
		q = begin(&next);
		assert_non_null(q);
		held = quarantine_holds(q, name);
		if (!held)
			crash_for(name);
		assert_int_equal(fstat(next.list->fds[0], &st), 0);
		munmap(q, (size_t)st.st_size);
		if (held || n > STRIKES)
			break;
	}
	holder_destroy(&next);
	return n;
}

static void look(const struct world *w, struct picture *p)
{
	for (size_t i = 0; i < NAMES; i++)
		p->left[i] = count_left(w, names[i]);
}

static bool crash(void *world)
{
	struct world *w = world;
	struct picture now;

	look(w, &now);
	if (memcmp(&now, &w->before, sizeof(now)) != 0)
		assert_memory_equal(&now, &w->after, sizeof(now));
	return false;
}

/* One more strike against a name, as switch/quarantine.h has it. */
static void strike(struct picture *p, unsigned name)
{
	for (unsigned i = 0; i < NAMES; i++)
		if (p->left[i] && i != name)
			p->left[i] = STRIKES;
	if (p->left[name])
		p->left[name]--;
}

/* Does one operation, of which the process may die. */
static void run(struct world *w, enum what what, unsigned name, unsigned how)
{
	*w->step.op = (struct step_op){ .what = what, .n = name, .how = how };
	assert_int_equal(step_run(&w->step), what != CRASH);
	w->before = w->after;
	crash(w);
}

/* A process that crashes for @name. */
static void live(struct world *w, unsigned name, unsigned how)
{
	step_spawn(&w->step);
	run(w, OPEN, 0, 0);
	strike(&w->after, name);
	run(w, CRASH, name, how);
}

static void pardon(struct world *w, unsigned name)
{
	step_spawn(&w->step);
	run(w, OPEN, 0, 0);
	w->after.left[name] = STRIKES;
	run(w, PARDON, name, 0);
	step_kill(&w->step);
}

void scene_quarantine(void)
{
	static const unsigned who[] = { 0, 1, 1, 0, 1, 1, 1, 2 };
	struct sigaction old[ARRAY_SIZE(signals)];
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	/* not those of this framework, which would go on */
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		sigaction(signals[i], &(struct sigaction){ .sa_handler = SIG_DFL }, &old[i]);
	holder_init(&w->holder);
	w->step = (struct step){
		.world = w, .perform = perform, .crash = crash, .called = called, .crashes = true
	};
	step_init(&w->step, RECORD_LEN, RECORD_LEN);
	w->before = w->after = (struct picture){ { STRIKES, STRIKES, STRIKES } };
	for (size_t i = 0; i < ARRAY_SIZE(who); i++)
		live(w, who[i], (unsigned)i % ARRAY_SIZE(signals));
	assert_int_equal(w->after.left[1], 0);
	pardon(w, 1);
	live(w, 1, 0);
	assert_int_equal(w->after.left[1], STRIKES - 1);
	step_destroy(&w->step);
	holder_destroy(&w->holder);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		sigaction(signals[i], &old[i], NULL);
	free(w);
}
