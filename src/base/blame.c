// SPDX-License-Identifier: Apache-2.0
/* The handler of signals that say that something is wrong with this program. */
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/blame.h"
#include "base/compiler.h"
#include "base/store.h"

_Thread_local const char *blame_name;

static const int signals[] = { SIGSEGV, SIGABRT, SIGILL, SIGFPE };
static struct sigaction before[ARRAY_SIZE(signals)];
static char *to;
static int noted;
static _Thread_local pid_t own_pid, own_tid; /* 0: raise() may ask for them */

void blame_know_thread(pid_t pid, pid_t tid)
{
	own_pid = pid;
	own_tid = tid;
}

/* The first byte comes last: who dies in here, by a signal that nobody can handle, blames nobody,
 * and no one whose name begins like this one. */
static void note(const char *name)
{
	size_t len = strnlen(name, BLAME_NAME_MAX - 1);

	for (size_t i = 1; i < len; i++)
		shared_store(&to[i], name[i]);
	shared_store(&to[len], 0);
	store_order();
	shared_store(&to[0], name[0]);
}

void blame_note(void)
{
	const char *name = blame_name;

	/* of two threads that crash at once the first: no mixture of both */
	if (to && name && !__atomic_exchange_n(&noted, 1, __ATOMIC_RELAXED))
		note(name);
}

static void send_again(int sig)
{
	if (own_tid)
		syscall(SYS_tgkill, own_pid, own_tid, sig);
	else
		raise(sig);
}

/* Only what may be called from a signal handler. */
static void on_signal(int sig, siginfo_t *info, void *context)
{
	blame_note();
	/* the usual effect is there already (SA_RESETHAND); who has been here before, a sanitizer,
	 * has a handler of its own */
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		if (signals[i] == sig && before[i].sa_handler != SIG_DFL)
			sigaction(sig, &before[i], NULL);
	/* a fault is made again when this returns; what somebody has sent is not */
	if (info->si_code <= 0)
		send_again(sig);
}

void blame_install(char *crashed)
{
	struct sigaction action = { .sa_sigaction = on_signal,
				    .sa_flags = SA_SIGINFO | SA_NODEFER | SA_RESETHAND };
	struct sigaction old;

	to = crashed;
	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		sigaction(signals[i], &action, &old);
		if (old.sa_sigaction != on_signal)
			before[i] = old;
	}
}
