// SPDX-License-Identifier: Apache-2.0
/* SIGBUS in guest memory: replaced by zeros and remembered. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "virtio/bus_guard.h"

#define GUARDS_MAX 65536

/* All fields atomic: the handler reads entries that other threads are changing. */
struct bus_guard {
	uintptr_t start; /* 0: free */
	size_t len;
	bool hit;
};

unsigned bus_guard_n_hit;

static struct bus_guard guards[GUARDS_MAX];
static unsigned n_guards; /* entries ever used; atomic */
static unsigned n_skip;	  /* entries from the start that are certainly in use */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct sigaction previous;
static bool given_back; /* it has been tried */

static struct bus_guard *find_guard(uintptr_t addr)
{
	unsigned n = __atomic_load_n(&n_guards, __ATOMIC_ACQUIRE);

	for (unsigned i = 0; i < n; i++) {
		uintptr_t start = __atomic_load_n(&guards[i].start, __ATOMIC_ACQUIRE);

		if (start && addr >= start &&
		    addr - start < __atomic_load_n(&guards[i].len, __ATOMIC_RELAXED))
			return &guards[i];
	}
	return NULL;
}

/* The access is repeated under the action that was there before. Who may not have that any more
 * (base/filter.h) comes here again, and ends. */
static void give_back(int sig)
{
	if (__atomic_exchange_n(&given_back, true, __ATOMIC_RELAXED))
		__builtin_trap();
	sigaction(sig, &previous, NULL);
}

/* Signal handler. The bare system call, since a wrapper (a sanitizer's) may do what a handler must
 * not. Mapping twice, when two threads fault at once, does no harm. */
static void replace_mapping(int sig, siginfo_t *info, void *context)
{
	int saved = errno;
	struct bus_guard *g = find_guard((uintptr_t)info->si_addr);
	long rc;

	if (!g) {
		/* not ours; what somebody sent is sent again */
		give_back(sig);
		if (info->si_code <= 0)
			raise(sig);
		return;
	}
	rc = syscall(SYS_mmap, g->start, g->len, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
	if (rc == -1)
		give_back(sig);
	else if (!__atomic_exchange_n(&g->hit, true, __ATOMIC_RELAXED))
		__atomic_add_fetch(&bus_guard_n_hit, 1, __ATOMIC_RELAXED);
	errno = saved;
}

void bus_guard_install(void)
{
	struct sigaction action = { .sa_sigaction = replace_mapping,
				    .sa_flags = SA_SIGINFO | SA_ONSTACK },
			 now;

	sigemptyset(&action.sa_mask);
	if (sigaction(SIGBUS, NULL, &now) == 0 && now.sa_sigaction != replace_mapping) {
		previous = now;
		given_back = false;
		sigaction(SIGBUS, &action, NULL);
	}
}

struct bus_guard *bus_guard_add(void *start, size_t len)
{
	struct bus_guard *g = NULL;

	pthread_once(&once, bus_guard_install);
	pthread_mutex_lock(&lock);
	while (n_skip < GUARDS_MAX && guards[n_skip].start)
		n_skip++;
	if (n_skip < GUARDS_MAX) {
		g = &guards[n_skip];
		__atomic_store_n(&g->hit, false, __ATOMIC_RELAXED);
		__atomic_store_n(&g->len, len, __ATOMIC_RELAXED);
		/* Pairs with find_guard(): an entry that is seen is whole. */
		__atomic_store_n(&g->start, (uintptr_t)start, __ATOMIC_RELEASE);
		if (n_skip >= n_guards)
			__atomic_store_n(&n_guards, n_skip + 1, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&lock);
	return g;
}

void bus_guard_remove(struct bus_guard *guard)
{
	unsigned i;

	if (!guard)
		return;
	i = (unsigned)(guard - guards);
	pthread_mutex_lock(&lock);
	if (__atomic_load_n(&guard->hit, __ATOMIC_RELAXED))
		__atomic_sub_fetch(&bus_guard_n_hit, 1, __ATOMIC_RELAXED);
	__atomic_store_n(&guard->start, 0, __ATOMIC_RELEASE);
	if (i < n_skip)
		n_skip = i;
	pthread_mutex_unlock(&lock);
}

bool bus_guard_hit(const struct bus_guard *guard)
{
	return __atomic_load_n(&guard->hit, __ATOMIC_RELAXED);
}
