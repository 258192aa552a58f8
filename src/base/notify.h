/* SPDX-License-Identifier: Apache-2.0 */
/* Signals to somebody who holds the other end of an eventfd and may want to harm us: whether a
 * write() to it waits is a property that all holders share and any of them can change at any time,
 * so one who fills the counter could stop a thread that writes. Here the kernel signals the eventfd
 * at the end of an asynchronous operation that does nothing, which never waits.
 */
#pragma once

/* Gets this thread ready for notify_fd(), which would do so itself: before a thread that may make
 * no more than that. */
void notify_prepare(void);

/* Adds 1 to the eventfd @fd; a full one stays full, and its holder is woken all the same. What is
 * no eventfd gets a write() of 8 bytes, which waits unless @fd is non-blocking and nobody else can
 * change that. So does an eventfd where the kernel lacks asynchronous operations. Returns 0 or
 * -errno. Any thread.
 */
int notify_fd(int fd);
