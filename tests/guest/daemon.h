/* SPDX-License-Identifier: Apache-2.0 */
/* A real vireod in a directory of its own, for tests. The programs are those of $VIREO_BUILD (or
 * $VIREOD and $VIREO). Every function fails the running cmocka test when something goes wrong, and
 * belongs to the test's main thread.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/compiler.h"

struct daemon {
	pid_t pid;	  /* the keeper */
	pid_t switch_pid; /* the process that it has started */
	char dir[64];	  /* run directory; sockets and the log are in it */
};

/* Starts vireod with @workers worker threads and waits until it answers. */
void daemon_start(struct daemon *daemon, unsigned workers);

/* The same without a keeper. @again: in the directory of one that was killed. */
void daemon_start_alone(struct daemon *daemon, unsigned workers, bool again);

/* Kills one that was started so, at once. */
void daemon_kill(struct daemon *daemon);

/* Kills the switch process of one with a keeper, and waits for the next. */
void daemon_kill_switch(struct daemon *daemon);

/* Sends SIGTERM and fails unless it ends with status 0, having removed its control socket, and no
 * sanitizer said anything. Removes the directory. */
void daemon_stop(struct daemon *daemon);

/* Waits until a switch process has taken the place of the one known, which the test has killed. */
void daemon_find_switch(struct daemon *daemon);

/* For a test's teardown: kills what is left of a daemon after a failed test, and shows its log. */
void daemon_discard(struct daemon *daemon);

/* Runs "vireo --run-dir DIR WORDS"; words are separated by blanks. Fails unless it succeeds. */
void daemon_vireo(const struct daemon *daemon, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* What "vireo -j port show NAME" prints about one port; a new reference. */
json_t *daemon_port(const struct daemon *daemon, const char *name);

/* State of a port's queue: "ok", why it is broken, or "" when there is none such. @direction: "rx"
 * or "tx", as the switch sees it. Copied to @state. */
void daemon_queue_state(const struct daemon *daemon, const char *name, const char *direction,
			char state[128]);

/* The counter @name (rx_packets, ...) or drops.@name of a port. */
uint64_t daemon_counter(const struct daemon *daemon, const char *port, const char *name);
uint64_t daemon_drops(const struct daemon *daemon, const char *port, const char *reason);

/* Open fds, and memory resident that is the daemon's own (anonymous; guests' memory is not), KiB;
 * of both processes. */
unsigned daemon_fds(const struct daemon *daemon);
unsigned daemon_memory(const struct daemon *daemon);

/* Fails the test when one of the daemon's processes has ended, even if it was started again. */
void daemon_check_alive(struct daemon *daemon);

/* @count times $TEST_SCALE (default 1), at least 1. */
unsigned scaled(unsigned count);

/* The same up to 1; from there on it grows to @whole, which it is at 10 (./dev test --long). */
unsigned scaled_to(unsigned count, unsigned whole);
