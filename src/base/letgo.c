// SPDX-License-Identifier: Apache-2.0
/* Kinds of files, threads that close, and a timer. */
#include "base/letgo.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

#define THREADS_MAX 16	    /* that close; when all of them wait, files stay open */
#define WAITING_MANY 256    /* files, which is worth a word */
#define PATIENCE_MS 1000    /* with one that gets no processor */
#define LOOKS 3		    /* at threads that all wait, in a row */
#define STACK_LEN (1 << 18) /* bytes, of each */
#define SIGNAL_MS 10

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

LOG_MODULE("files");

/* ---- kinds */

static bool is_eventfd(int fd)
{
	char link[64], name[32];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, name, sizeof(name) - 1);
	if (n < 0)
		return false;
	name[n] = 0;
	return !strcmp(name, "anon_inode:[eventfd]");
}

static bool is_unix_socket(int fd)
{
	socklen_t len = sizeof(int);
	int domain;

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && domain == AF_UNIX;
}

/* Each by a question that the kernel itself answers. */
static bool is_plain(int fd)
{
	return fcntl(fd, F_GET_SEALS) >= 0 || fcntl(fd, F_GETPIPE_SZ) >= 0 || is_eventfd(fd) ||
	       is_unix_socket(fd);
}

/* ---- threads that close */

struct waiting {
	struct waiting *next;
	int fd;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct waiting *first;
static unsigned n_waiting;
static struct closer {
	bool runs;
	pid_t tid; /* 0: it has not begun */
} closers[THREADS_MAX];

/* NULL, and the thread is none any more, when there is nothing left to do. */
static struct waiting *next_file(struct closer *closer)
{
	struct waiting *w;

	pthread_mutex_lock(&mutex);
	closer->tid = gettid();
	w = first;
	if (w) {
		first = w->next;
		n_waiting--;
	} else {
		*closer = (struct closer){ .runs = false };
	}
	pthread_mutex_unlock(&mutex);
	return w;
}

static void *close_files(void *closer)
{
	struct waiting *w;

	while ((w = next_file(closer))) {
		close(w->fd);
		free(w);
	}
	return NULL;
}

static int start_thread(struct closer *closer)
{
	pthread_attr_t attr;
	sigset_t all, before;
	pthread_t thread;
	int rc = pthread_attr_init(&attr);

	if (rc)
		return rc;
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, STACK_LEN);
	sigfillset(&all); /* they are for others */
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&thread, &attr, close_files, closer);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	return rc;
}

/* The lock is taken. Returns NULL when there are enough of them. */
static struct closer *find_closer(void)
{
	for (unsigned i = 0; i < THREADS_MAX; i++)
		if (!closers[i].runs)
			return &closers[i];
	return NULL;
}

/* Has one more thread close, while there are not too many: those that are there may all be waiting.
 */
static void close_elsewhere(int fd)
{
	struct waiting *w = malloc(sizeof(*w));
	struct closer *closer;
	bool many;

	if (!w)
		return; /* it stays open: to close it here could be the end of us */
	w->fd = fd;
	pthread_mutex_lock(&mutex);
	w->next = first;
	first = w;
	many = ++n_waiting >= WAITING_MANY;
	closer = find_closer();
	if (closer)
		*closer = (struct closer){ .runs = true };
	pthread_mutex_unlock(&mutex);
	if (many)
		log_limited(LOG_WARNING, "files that front-ends have sent do not let themselves "
					 "be closed: whoever serves them does not answer");
	if (!closer || start_thread(closer) == 0)
		return;
	pthread_mutex_lock(&mutex);
	closer->runs = false;
	pthread_mutex_unlock(&mutex);
}

/* Whether a thread waits in the kernel; one that only waits for its processor does not. */
static bool is_waiting(pid_t tid)
{
	char path[64], text[128], *end;
	int fd;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (fd >= 0)
		close(fd);
	if (n < 0)
		return true;
	text[n] = 0;
	end = strrchr(text, ')'); /* of its name */
	return !end || end[1] != ' ' || end[2] != 'R';
}

/* Whether some thread is on its way to close, and does not wait for anybody. */
static bool goes_on(void)
{
	struct closer now[THREADS_MAX];

	pthread_mutex_lock(&mutex);
	memcpy(now, closers, sizeof(now));
	pthread_mutex_unlock(&mutex);
	for (unsigned i = 0; i < THREADS_MAX; i++)
		if (now[i].runs && (!now[i].tid || !is_waiting(now[i].tid)))
			return true;
	return false;
}

/* Most files are closed at once: then they are, when this returns. */
static void wait_while_it_goes_on(void)
{
	static const struct timespec nap = { .tv_nsec = 50000 };
	uint64_t end = clock_ns() + PATIENCE_MS * NSEC_PER_MSEC;

	for (unsigned n = 0; n < LOOKS && clock_ns() < end;) {
		n = goes_on() ? 0 : n + 1;
		if (n < LOOKS)
			nanosleep(&nap, NULL);
	}
}

int letgo_unless_plain(int fd)
{
	if (fd < 0 || is_plain(fd))
		return fd;
	close_elsewhere(fd);
	wait_while_it_goes_on();
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* ---- a timer */

static timer_t timer;
static bool have_timer;
static unsigned depth;

static void on_signal(int sig)
{
}

static void make_timer(void)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID,
				  .sigev_signo = SIGURG,
				  .sigev_notify_thread_id = gettid() };

	have_timer = sigaction(SIGURG, &action, NULL) == 0 &&
		     timer_create(CLOCK_MONOTONIC, &event, &timer) == 0;
}

static void set_timer(unsigned ms)
{
	struct timespec each = { .tv_nsec = (long)(ms * NSEC_PER_MSEC) };
	struct itimerspec spec = { .it_value = each, .it_interval = each };

	if (have_timer)
		timer_settime(timer, 0, &spec, NULL);
}

void letgo_begin(void)
{
	if (depth++)
		return;
	if (!have_timer)
		make_timer();
	set_timer(SIGNAL_MS);
}

void letgo_end(void)
{
	if (--depth == 0)
		set_timer(0);
}
