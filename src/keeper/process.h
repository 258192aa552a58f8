/* SPDX-License-Identifier: Apache-2.0 */
/* Switch processes, as the keeper starts and ends them. The keeper's thread. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "keeper/link.h"

struct keeper;

/* A switch process. */
struct process {
	struct keeper *keeper;	  /* its owner; that of the link is this */
	struct keeper_link *link; /* NULL: no process */
	pid_t pid;		  /* 0: none */
	int exe_fd;		  /* the program, whatever is in its place now; -1: none */
	uint64_t started_ns;
	uint32_t version; /* of the link's protocol, as it has said; 0: not yet */
};

/* Opens a program, and makes sure that it is root's. Returns the fd, or -errno and a text. */
int process_open_program(const char *path, struct error *err);

/* Starts the program of @p with the options of @argv, which is ended by NULL, and a link to it. It
 * dies with this process. @table_fd: the keeper's table, when it is only to say whether it could
 * take the keeper's place (KEEPER_ABLE); else -1. Returns 0 or -errno.
 */
int process_start(struct process *p, char **argv, int table_fd, struct event_base *base,
		  const struct keeper_link_ops *ops);

/* Nothing is known of the process any more; it may go on. */
void process_forget(struct process *p);

/* Kills it and waits for its end; none is fine. */
void process_end(struct process *p);

/* Kills the process @pid behind @pidfd, whose parent may be gone, and waits until it is dead: then
 * nothing that it shares with others changes any more. Its end may still be to come. */
void process_end_orphan(int pidfd, pid_t pid);

/* Becomes the program behind @exe_fd, as the keeper, with the options of @argv. Returns -errno when
 * that cannot be. */
int process_become(int exe_fd, char **argv, int table_fd);

/* Lets the process go first for a moment (base/hurry.h), since others wait for it: all of its
 * threads, or only its first one; or, with process_calm(), none of them. It may not do that itself.
 */
void process_hurry(const struct process *p, bool all);
void process_calm(const struct process *p);

/* How a process ended, in words. */
const char *process_ending(int status, char *text, size_t size);
