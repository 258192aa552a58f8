/* SPDX-License-Identifier: Apache-2.0 */
/* Finds out that the switch process hangs, and kills it. The keeper's thread.
 *
 * Theory of operation. A process that hangs is one whose control thread does not come back to its
 * loop, or one of whose workers has no more turns and does not sleep: it goes round in a loop of
 * its own, waits for ever, or was stopped. The keeper asks; the control thread answers when it
 * comes to it, and says whether all workers had a turn since it was asked before. Any other packet
 * counts for the control thread, which may be busy making ports. What is counted are looks without
 * a good sign in a row, not time: when keeper and switch have both not had the machine (a virtual
 * machine that was stopped), one look finds nothing, not all.
 *
 * A process with nothing to do is not asked. When all workers sleep, with no end to it, the answer
 * says so, and the keeper asks no more until the process is stirred: a thread that wakes up rings
 * the bell, an eventfd, before it does anything that may never end; what is sent to the process
 * stirs it, too; and so does a signal that stops it. So nobody wakes up for the watchdog while
 * nothing happens, and while something does the keeper asks a few times in the period. Packets pay
 * nothing; a worker that wakes up pays for a look at a flag.
 *
 * A process that a debugger traces is left alone. One that hangs gets SIGABRT, in the thread that
 * is stuck, so that the port it works for is to blame (base/blame.h) and there is a core, and
 * SIGKILL a moment later. What follows is what follows any death.
 */
#pragma once

#include <event2/event.h>
#include <stdbool.h>
#include <sys/types.h>

struct watchdog;

/* Asks the process whether it goes on: watchdog_alive() when it says so. */
typedef void watchdog_ask(void *owner);

/* A process may hang for @seconds, > 0. NULL when memory is short. */
struct watchdog *watchdog_create(struct event_base *base, unsigned seconds, watchdog_ask *fn,
				 void *owner);

/* NULL is fine. */
void watchdog_destroy(struct watchdog *w);

/* Watches child @pid, in place of others, until watchdog_end(), which must follow when it has been
 * waited for: its number may be another's then. Takes over @bell, an eventfd; -1: none. @w may be
 * NULL, here and below. */
void watchdog_begin(struct watchdog *w, pid_t pid, int bell);
void watchdog_end(struct watchdog *w);

/* The process has answered: @stuck is a thread that does not go on, 0: none; @quiet: it has nothing
 * to do, and rings when it has. */
void watchdog_alive(struct watchdog *w, pid_t stuck, bool quiet);

/* Its control thread has said something else. */
void watchdog_sign(struct watchdog *w);

/* Something has happened that it has to do something about. */
void watchdog_stir(struct watchdog *w);
