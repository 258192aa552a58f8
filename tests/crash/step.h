/* SPDX-License-Identifier: Apache-2.0 */
/* A process that is executed one instruction at a time (ptrace), and may die behind any of them.
 *
 * Theory of operation. The stepped process is a fork of ours and has some memory in common with us:
 * the states of rings, the rings, and packets. After each instruction that changed that memory, and
 * while the process stands still, crash() plays what would follow if it had died there: a ring is
 * resumed and used until all is done, with us as its guest. Then the memory becomes again what it
 * was, and the next instruction is executed. What crash() knows of the guest it must restore
 * itself. What a process tells others by a system call cannot be taken back; so those who are told
 * get their turn behind each call, in called(), and then crash() is played on a copy of them.
 *
 * Every store that may change what is not a packet must be a shared_store(), which sites.h has
 * listed in the program. A change by any other instruction fails the test, and so does a place in
 * the list that was never executed: a new store must be stepped through, too. What the kernel
 * writes in a system call is declared by that.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What the process is to do, and what came of it; the worlds say what the numbers mean. */
struct step_op {
	int what;
	unsigned n, how;
	uint64_t first;
	uint32_t base;
	unsigned result;
	uint32_t busy; /* for step.c */
	int error;     /* for step.c */
};

struct step {
	uint8_t *memory; /* in common, @len bytes; other than packets up to @packets */
	size_t len, packets;
	struct step_op *op; /* in common, too */
	void *world;
	void (*perform)(void *world); /* in the process: does op */
	bool (*crash)(void *world);   /* with us, see above. True: it really dies here. */
	/* With us: it has made the system call @number. True: who dies here may be told from who
	 * died before, so crash() follows. NULL: never. */
	bool (*called)(void *world, long number);
	bool crashes; /* it may also get a signal, and die of it */

	/* for step.c */
	uint8_t *before; /* the memory, as it was behind the last instruction */
	pid_t pid;
	int signal; /* that it gets with the next instruction; 0: none */
};

/* Makes the memory, zeroed, in whole pages: others may be mapped in their place. The other fields
 * of
 * @s are the caller's. */
void step_init(struct step *s, size_t len, size_t packets);

/* Ends the process, if there is one, and frees the memory. */
void step_destroy(struct step *s);

/* Ends the process, if there is one. */
void step_kill(struct step *s);

/* Makes the process, from what we are now. */
void step_spawn(struct step *s);

/* Lets it do s->op, step by step. False: it is dead; step_spawn() makes another. */
bool step_run(struct step *s);

/* In crash(): @len bytes of the memory, from @at on, do not become again what they were. */
void step_keep(struct step *s, size_t at, size_t len);

/* A note for step_report(). */
void step_note_call(long number);

/* Prints the list of places, and fails if one was never executed. */
void step_report(void);
