/* SPDX-License-Identifier: Apache-2.0 */
/* Letting go of files that others have sent, which can take as long as they like: to close a file,
 * the kernel asks the file system that it is on, and that may be a program of theirs (FUSE), for
 * which a process waits even when it is killed; and who is the last to have a TCP socket waits, if
 * the socket says so (SO_LINGER), until its other end has read all.
 *
 * So what comes in is looked at, in ways in which nobody can let us wait. Memory, pipes, eventfds
 * and unix sockets may stay. Any other file is closed by a thread that does nothing else, and is
 * waited for only as long as that one does not wait itself; an open /dev/null stands in its place:
 * what it was meant for takes it as little.
 *
 * Files that are still on their way, in a socket, are never closed, but let go of by the kernel
 * when their message is read or their socket is closed. Of those a TCP socket can make us wait; a
 * signal ends that.
 */
#pragma once

/* Looks at @fd, which has just come. Returns it, or what stands in its place; or -1, and nothing is
 * left of it. Any thread of a process that may open files and start threads. */
int letgo_unless_plain(int fd);

/* From the first to the second a wait that a signal ends takes 10 ms at most: a signal comes each
 * 10 ms (SIGURG, to this thread). One within another is fine. One thread of the process, the
 * control thread or the keeper's; without timers they do nothing. */
void letgo_begin(void);
void letgo_end(void);
