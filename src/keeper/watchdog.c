// SPDX-License-Identifier: Apache-2.0
/* Looks for signs of life, and what is done without them. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "keeper/watchdog.h"

#define LOOKS_MAX 3		  /* in a row without a good sign */
#define LOOKS_ALL (LOOKS_MAX + 2) /* until it is noticed: a turn is missed in two answers */
#define ABORT_MS 2000		  /* to die of SIGABRT, with a core */

LOG_MODULE("keeper");

struct watchdog {
	watchdog_ask *ask;
	void *owner;
	unsigned seconds;
	pid_t pid; /* 0: none is watched */
	struct event *look, *ring;
	int bell;      /* -1: none */
	bool watching; /* else nothing is expected of it */
	bool waits;    /* it has not answered */
	bool rang;     /* since it was asked */
	bool sign;     /* since the last look: its control thread goes on */
	pid_t stuck;   /* a thread that, by the last answer, does not */
	unsigned n;    /* looks without a good sign */
	bool aborted;  /* it has been sent SIGABRT */
};

static void look_later(struct watchdog *w, unsigned ms)
{
	struct timeval tv = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	event_add(w->look, &tv);
}

/* The process that traces @pid; 0: none. */
static int tracer(pid_t pid)
{
	char path[32], line[128];
	int found = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "re");
	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, "TracerPid:", 10))
			found = atoi(line + 10);
	fclose(f);
	return found;
}

/* The thread that is stuck gets the signal, if it is still one of the process's; a process that was
 * stopped does not see it before it goes on. */
static void abort_it(struct watchdog *w)
{
	pid_t thread = w->stuck ? w->stuck : w->pid;

	if (thread == w->pid)
		log_error("the switch process %d has not answered for %u s: killing it", w->pid,
			  w->seconds);
	else
		log_error("thread %d of the switch process %d has been stuck for %u s: killing it",
			  thread, w->pid, w->seconds);
	if (syscall(SYS_tgkill, w->pid, thread, SIGABRT) < 0)
		kill(w->pid, SIGABRT);
	kill(w->pid, SIGCONT);
	w->aborted = true;
	look_later(w, ABORT_MS);
}

static void ask(struct watchdog *w)
{
	w->ask(w->owner); /* which stirs it */
	w->waits = true;
	w->sign = w->rang = false;
}

static void on_look(evutil_socket_t fd, short what, void *arg)
{
	struct watchdog *w = arg;

	if (w->aborted) {
		kill(w->pid, SIGKILL);
		return;
	}
	w->n = w->sign && !w->stuck ? 0 : w->n + 1;
	if (w->n >= LOOKS_MAX) {
		if (!tracer(w->pid)) {
			abort_it(w);
			return;
		}
		log_limited(LOG_INFO, "the switch process hangs, but is being traced");
		w->n = 0;
	}
	if (w->waits)
		w->sign = false;
	else
		ask(w);
	look_later(w, w->seconds * 1000 / LOOKS_ALL);
}

void watchdog_stir(struct watchdog *w)
{
	if (!w || !w->pid)
		return;
	w->rang = true;
	if (w->watching)
		return;
	w->watching = true;
	w->sign = true; /* nothing was expected of it until now */
	w->stuck = 0;
	w->n = 0;
	look_later(w, w->seconds * 1000 / LOOKS_ALL);
}

static void on_ring(evutil_socket_t fd, short what, void *arg)
{
	watchdog_stir(arg);
}

void watchdog_sign(struct watchdog *w)
{
	if (w)
		w->sign = true;
}

void watchdog_alive(struct watchdog *w, pid_t stuck, bool quiet)
{
	if (!w || !w->pid || w->aborted)
		return;
	w->sign = true;
	w->waits = false;
	w->stuck = stuck;
	/* who has rung since the question was no longer asleep when, or soon after, it was answered
	 */
	if (!quiet || stuck || w->rang)
		return;
	w->watching = false;
	event_del(w->look);
}

void watchdog_begin(struct watchdog *w, pid_t pid, int bell)
{
	if (!w) {
		if (bell >= 0)
			close(bell);
		return;
	}
	watchdog_end(w);
	w->pid = pid;
	w->bell = bell;
	if (bell >= 0)
		/* edges, so that it need not be read: who holds its other end could make that wait
		 */
		w->ring = event_new(event_get_base(w->look), bell, EV_READ | EV_PERSIST | EV_ET,
				    on_ring, w);
	if (w->ring)
		event_add(w->ring, NULL);
	watchdog_stir(w);
}

void watchdog_end(struct watchdog *w)
{
	if (!w)
		return;
	event_del(w->look);
	if (w->ring)
		event_free(w->ring);
	w->ring = NULL;
	if (w->bell >= 0)
		close(w->bell);
	w->bell = -1;
	w->pid = w->stuck = 0;
	w->watching = w->waits = w->aborted = false;
}

struct watchdog *watchdog_create(struct event_base *base, unsigned seconds, watchdog_ask *fn,
				 void *owner)
{
	struct watchdog *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->ask = fn;
	w->owner = owner;
	w->seconds = seconds;
	w->bell = -1;
	w->look = evtimer_new(base, on_look, w);
	if (w->look)
		return w;
	free(w);
	return NULL;
}

void watchdog_destroy(struct watchdog *w)
{
	if (!w)
		return;
	watchdog_end(w);
	event_free(w->look);
	free(w);
}
