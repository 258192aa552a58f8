/* SPDX-License-Identifier: Apache-2.0 */
/* Whom a thread is at work for, so that a crash can be laid at his door. Any thread, once
 * installed.
 *
 * When the process gets a signal that says that its code has gone wrong (SIGSEGV, SIGABRT, SIGILL,
 * SIGFPE), the name that the thread works for is written to memory that outlives the process; then
 * the signal has the effect that it had before. The name is there whole, or not at all.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#define BLAME_NAME_MAX 64 /* bytes, with the end */

/* Whom this thread works for; NULL: nobody. */
extern _Thread_local const char *blame_name;

/* The thread works for @name, which must stay where it is until blame_end(). */
static inline void blame_begin(const char *name)
{
	blame_name = name;
}

/* It does so no more. */
static inline void blame_end(void)
{
	blame_name = NULL;
}

/* The signal's own thread is told apart by its id, @tid in process @pid, which it may not ask for
 * any more (base/filter.h). */
void blame_know_thread(pid_t pid, pid_t tid);

/* Lays the crash that is about to come at the door of whom this thread works for. In a signal
 * handler. */
void blame_note(void);

/* Lets the handler write to @crashed, BLAME_NAME_MAX bytes, from now on. One thread. */
void blame_install(char *crashed);
