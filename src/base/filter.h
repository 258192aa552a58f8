/* SPDX-License-Identifier: Apache-2.0 */
/* Which system calls threads of the switch process may make, once they have begun. filter.c has the
 * one list of them.
 *
 * Who makes another one is stopped before it is made (SIGSYS): what it was, and where, is reported,
 * and the process dies. Some calls that the C library makes for its own comfort, and does without,
 * fail instead. In a program that is built with a sanitizer nothing is filtered.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/* What a thread is for. */
enum filter_thread {
	FILTER_CONTROL,
	FILTER_WORKER,
	FILTER_MEMORY, /* liburcu's, which frees memory */
	FILTER_THREADS,
};

/* Threads that call filter_enter() from now on are filtered. @report is called in a signal handler,
 * and may do no more than write(2): which call thread @tid of @kind wanted to make. Before there
 * are threads. False: this program cannot be filtered, and nothing is.
 */
bool filter_arm(void (*report)(int call, int tid, enum filter_thread kind));

/* The calling thread may make the calls of its kind from now on, and no others. Returns 0, or
 * -errno and a text. Does nothing before filter_arm().
 */
int filter_enter(enum filter_thread kind, struct error *err);

/* How many calls a thread of @kind may make; FILTER_THREADS: all kinds together. */
unsigned filter_n_calls(enum filter_thread kind);

/* The name of a call, or its number, in @text, which is returned. Any process. */
const char *filter_call_name(int call, char *text, size_t size);

/* "control thread", "worker", "memory thread"; anything for other numbers. */
const char *filter_thread_name(unsigned kind);
