// SPDX-License-Identifier: Apache-2.0
/* Deaths of switch processes. */
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "base/hurry.h"
#include "base/lifeline.h"
#include "keeper/death.h"

#define PAUSE_MIN_NS (50 * NSEC_PER_USEC) /* between looks at threads; doubled for each */
#define PAUSE_MAX_NS NSEC_PER_MSEC
#define EXIT_CODE 52 /* field of /proc/PID/stat, see proc(5) */

struct death {
	pid_t pid;
	int pidfd;
	const uint32_t *word; /* its lifeline */
	uint32_t stop;
	int found; /* eventfd: its status, which is not 0 */
	struct event *event;
	pthread_t thread;
	death_found *fn;
	void *owner;
};

/* ---- what the kernel shows */

/* Without a reference to the memory, unlike other files there: who has the last one takes it down.
 */
static bool has_memory(int task, const char *tid)
{
	char path[32], program[1];

	snprintf(path, sizeof(path), "%.16s/exe", tid);
	return readlinkat(task, path, program, sizeof(program)) >= 0 ||
	       (errno != ENOENT && errno != ESRCH);
}

/* How many threads of a directory have none. The others are to die before anything else is done;
 * what is left to be taken down of the dead may wait. */
static unsigned count_dead(DIR *dir)
{
	struct dirent *entry;
	unsigned n = 0;

	while ((entry = readdir(dir))) {
		pid_t tid = (pid_t)strtol(entry->d_name, NULL, 10);

		if (tid && has_memory(dirfd(dir), entry->d_name)) {
			hurry_lend(tid);
		} else if (tid) {
			hurry_take_back(tid);
			n++;
		}
	}
	return n;
}

bool death_has_come(pid_t pid)
{
	char path[32];
	bool come = false;
	struct stat st;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	if (!dir)
		return false;
	/* While threads end, the list of them may lack some; the number of links, two more, counts
	 * those that there were before that. */
	if (fstat(dirfd(dir), &st) == 0 && st.st_nlink > 2)
		come = count_dead(dir) == st.st_nlink - 2;
	closedir(dir);
	return come;
}

/* 0: it is not shown, or the process has ended in good order. */
static int show_status(pid_t pid)
{
	char path[32], line[1024], *at;
	int status = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	if (!f)
		return 0;
	if (fgets(line, sizeof(line), f)) {
		at = strrchr(line, ')'); /* the end of field 2, which may hold anything */
		for (unsigned field = 2; at && field < EXIT_CODE; field++)
			at = strchr(at + 1, ' ');
		status = at ? atoi(at) : 0;
	}
	fclose(f);
	return status;
}

/* ---- the thread that waits */

/* Signals are the main thread's. */
static int start_thread(pthread_t *thread, void *(*fn)(void *), void *arg)
{
	sigset_t all, old;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(thread, NULL, fn, arg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -rc;
}

static bool is_stopped(const struct death *d)
{
	return __atomic_load_n(&d->stop, __ATOMIC_RELAXED);
}

/* False: nobody wants to know any more. */
static bool wait_for_threads(const struct death *d)
{
	long ns = PAUSE_MIN_NS;

	while (!death_has_come(d->pid)) {
		if (is_stopped(d))
			return false;
		lifeline_pause(&d->stop, ns);
		ns = min(ns * 2, (long)PAUSE_MAX_NS);
	}
	return true;
}

static void *watch(void *arg)
{
	struct death *d = arg;
	int status;

	hurry_lend(gettid()); /* guests wait for it, and it does little */
	if (lifeline_wait(d->word, d->pid, &d->stop) || is_stopped(d))
		return NULL;
	pidfd_send_signal(d->pidfd, SIGKILL, NULL, 0);
	if (!wait_for_threads(d))
		return NULL;
	status = show_status(d->pid);
	if (status <= 0)
		return NULL;
	hurry_lend(getpid()); /* the main thread goes on */
	eventfd_write(d->found, (eventfd_t)status);
	return NULL;
}

static void on_found(evutil_socket_t fd, short what, void *arg)
{
	struct death *d = arg;
	eventfd_t status;

	if (eventfd_read(fd, &status) == 0)
		d->fn(d->owner, (int)status);
}

/* ---- construction */

static int start(struct death *d, struct event_base *base)
{
	d->pidfd = pidfd_open(d->pid, 0);
	d->found = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (d->pidfd < 0 || d->found < 0)
		return -errno;
	d->event = event_new(base, d->found, EV_READ, on_found, d);
	if (!d->event || event_add(d->event, NULL))
		return -ENOMEM;
	return start_thread(&d->thread, watch, d);
}

static void destroy(struct death *d)
{
	if (d->event)
		event_free(d->event);
	if (d->found >= 0)
		close(d->found);
	if (d->pidfd >= 0)
		close(d->pidfd);
	lifeline_unmap(d->word);
	free(d);
}

struct death *death_watch(struct event_base *base, pid_t pid, int file, death_found *fn,
			  void *owner)
{
	const uint32_t *word = lifeline_map(file);
	struct death *d = word ? calloc(1, sizeof(*d)) : NULL;

	if (!d) {
		lifeline_unmap(word);
		return NULL;
	}
	*d = (struct death){
		.pid = pid, .pidfd = -1, .found = -1, .word = word, .fn = fn, .owner = owner
	};
	if (start(d, base) == 0)
		return d;
	destroy(d);
	return NULL;
}

void death_forget(struct death *d)
{
	if (!d)
		return;
	lifeline_stop(&d->stop);
	pthread_join(d->thread, NULL);
	destroy(d);
}

/* ---- bodies */

static unsigned n_bodies; /* atomic; added to by the keeper's thread alone */

/* Not in the keeper's own thread, nor in a hurry: until the last threads of a child have taken
 * their files out of /proc, who waits for it goes round in the kernel, and they may need the
 * processor. */
static void *wait_for_end(void *arg)
{
	int pidfd = (int)(intptr_t)arg;
	struct pollfd end = { .fd = pidfd, .events = POLLIN };
	siginfo_t info;

	if (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED) < 0)
		poll(&end, 1, -1); /* somebody else's child */
	close(pidfd);
	__atomic_sub_fetch(&n_bodies, 1, __ATOMIC_RELEASE);
	return NULL;
}

bool bodies_add(int pidfd)
{
	pthread_t thread;

	if (pidfd < 0 || bodies_count() == BODIES_MAX)
		return false;
	__atomic_add_fetch(&n_bodies, 1, __ATOMIC_RELAXED);
	if (start_thread(&thread, wait_for_end, (void *)(intptr_t)pidfd)) {
		__atomic_sub_fetch(&n_bodies, 1, __ATOMIC_RELAXED);
		return false;
	}
	pthread_detach(thread);
	return true;
}

unsigned bodies_count(void)
{
	return __atomic_load_n(&n_bodies, __ATOMIC_ACQUIRE);
}

void bodies_wait(unsigned ms)
{
	static const struct timespec pause = { .tv_nsec = NSEC_PER_MSEC };

	while (bodies_count() && ms--)
		nanosleep(&pause, NULL);
}
