/* SPDX-License-Identifier: Apache-2.0 */
/* A word in shared memory that the kernel changes when a thread dies, however it dies, before it
 * begins to take down what the process has. That may take long, and only behind it others learn of
 * the end of a process.
 *
 * It is the one entry of the thread's list of robust futexes (get_robust_list(2)). So the thread
 * can have no robust mutexes of pthreads, whose list that was.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

/* Ties the word to the calling thread. Returns a file with it, for others to hold; or -errno. Once
 * in a process. */
int lifeline_tie(void);

/* Takes over @file, which another process has sent and which may be anything, and maps the word, as
 * memory that is never to be looked at by the caller: who has the file can cut it off. NULL when it
 * is no file in memory. */
const uint32_t *lifeline_map(int file);
void lifeline_unmap(const uint32_t *word);

/* Waits until the word is not, or no longer, that of thread @tid, lives it or not: other processes
 * may say what they like; or until lifeline_stop(). Returns 0 then, or -errno when that cannot be
 * waited for. Any thread. */
int lifeline_wait(const uint32_t *word, pid_t tid, const uint32_t *stop);

/* The same for @ns at most, < 1 s, without a word. */
void lifeline_pause(const uint32_t *stop, long ns);

/* Sets *@stop, which was 0, and so ends both of these. Any thread. */
void lifeline_stop(uint32_t *stop);
