/* SPDX-License-Identifier: Apache-2.0 */
/* Learns at once that a switch process is dead, and looks after the bodies. The keeper's thread.
 *
 * Theory of operation. A process that is killed stores nothing any more as soon as its threads have
 * left their last system calls. But the kernel tells its parent only when it has taken down what it
 * had: asynchronous operations, for which it waits (base/notify.c), guests' memory, files. That is
 * tens of milliseconds, and guests wait. So the process gives the keeper a word that the kernel
 * changes before it begins with all that (base/lifeline.h), when the main thread dies, which does
 * so only with the process. A thread of the keeper waits for that.
 *
 * That is a hint: the process may be in a guest's hands, and pretend. So it is killed now, and the
 * kernel is asked for each thread whether it has memory; one that has none can never get any again,
 * nor can a process that is killed get another thread. When none has, all that the process has
 * written is there, and nothing will change, as behind waitpid(). What the process died of the
 * kernel shows then, too. It does not show it to everybody (CAP_SYS_PTRACE), and old kernels cannot
 * wait like this; then the end of the process is what is waited for.
 */
#pragma once

#include <event2/event.h>
#include <stdbool.h>
#include <sys/types.h>

struct death;

/* The process is dead, with @status as waitpid(2) will say. From the loop, whose thread, this
 * process's first one, goes first since that is known (hurry_lend()): hurry_begin() takes it over,
 * or it is to be taken back. The watch may be forgotten from here. */
typedef void death_found(void *owner, int status);

/* Waits for the death of child @pid, until death_forget(), which must follow before it is waited
 * for, or soon behind that. Takes over @file, which the process has sent as its lifeline. NULL when
 * that makes no sense, or memory is short. */
struct death *death_watch(struct event_base *base, pid_t pid, int file, death_found *fn,
			  void *owner);

/* NULL is fine. */
void death_forget(struct death *d);

/* Whether no thread of @pid, which was killed, has any memory; false when it cannot be told. Those
 * that have go first until they have none (base/hurry.h). Any thread. */
bool death_has_come(pid_t pid);

/* ---- bodies: dead processes whose end is still to come */

#define BODIES_MAX 2 /* more of them at once are not left behind */

/* Takes over the pidfd of a dead child, or of another process, and lets a thread wait for its end;
 * false, and it does not, when there are too many, or @pidfd is none. */
bool bodies_add(int pidfd);

/* How many have not ended. */
unsigned bodies_count(void);

/* Waits up to @ms until there are none. */
void bodies_wait(unsigned ms);
