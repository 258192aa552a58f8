/* SPDX-License-Identifier: Apache-2.0 */
/* What outlives this process: file descriptors that somebody else holds for it, under keys, and
 * that a later process gets back; and memory, as files that are held so. Control thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define KEEP_KEY_MAX 96 /* bytes, with the end */

/* Whoever holds. */
struct keep {
	/* Holds @fds (at most 8), which stay the caller's, too, in place of what was under @key. */
	void (*hold)(struct keep *keep, const char *key, const int *fds, unsigned n);
	/* Holds nothing under @key any more. */
	void (*release)(struct keep *keep, const char *key);
	/* What an earlier process let be held under @key, at most @max fds, which are the caller's
	 * now. Returns how many, 0: nothing. Once. */
	unsigned (*take)(struct keep *keep, const char *key, int *fds, unsigned max);
	/* This process goes on: it has work that takes long. May be NULL. */
	void (*busy)(struct keep *keep);
};

/* @len zeroed bytes that can be held, and the file that they are in; with @keep NULL just memory,
 * and -1. NULL when memory is short. */
void *keep_memory(struct keep *keep, size_t len, int *file);
/* The same, of which only what is written to takes memory: not for workers, which would wait. */
void *keep_room(struct keep *keep, size_t len, int *file);

/* Lets them be held under @key, in place of what was there: when everything is in them that a later
 * process must find, since this one may die at any moment. Closes @file; -1 is fine. */
void keep_hold_memory(struct keep *keep, const char *key, int file);

/* The memory that an earlier process has left under @key, with its length; NULL: none, or no @keep;
 * with a length that is not 0: it cannot be mapped. */
void *keep_old_memory(struct keep *keep, const char *key, size_t *len);

/* Maps @len bytes of a file that may outlive the process, for which only base/store.h writes to
 * them.
 * @more_flags: of mmap(2), or 0. NULL when memory is short. */
void *keep_map(int fd, size_t len, int more_flags);

/* Unmaps what these returned; NULL is fine. It is held as before. */
void keep_unmap(const void *memory, size_t len);

/* In a loop that may take seconds: so that nobody thinks that this process hangs. As often as one
 * likes; @keep NULL is fine. */
void keep_busy(struct keep *keep);

/* Holds nothing under @key any more; @keep NULL is fine. */
void keep_release(struct keep *keep, const char *key);
