// SPDX-License-Identifier: Apache-2.0
/* The handler of signals that say that something is wrong with this program. */
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/blame.h"
#include "base/compiler.h"

_Thread_local const char *blame_name;

static const int signals[] = { SIGSEGV, SIGABRT, SIGILL, SIGFPE };
static struct sigaction before[ARRAY_SIZE(signals)];
static char *to;

/* Only what may be called from a signal handler. */
static void on_signal(int sig, siginfo_t *info, void *context)
{
	const char *from = blame_name;

	for (size_t i = 0; from && from[i] && i < BLAME_NAME_MAX - 1; i++)
		to[i] = from[i];
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		if (signals[i] == sig)
			sigaction(sig, &before[i], NULL);
	/* a fault is made again when this returns; what somebody has sent is not */
	if (info->si_code <= 0)
		raise(sig);
}

void blame_install(char *crashed)
{
	struct sigaction action = { .sa_sigaction = on_signal,
				    .sa_flags = SA_SIGINFO | SA_NODEFER };
	struct sigaction old;

	to = crashed;
	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		sigaction(signals[i], &action, &old);
		if (old.sa_sigaction != on_signal)
			before[i] = old;
	}
}
