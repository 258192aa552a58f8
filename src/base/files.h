/* SPDX-License-Identifier: Apache-2.0 */
/* File descriptors that others send: some numbers are kept back from them, so that a flood of them
 * leaves this process enough for what it has to do itself (serving the control socket above all).
 *
 * The kernel gives each new file the lowest free number, so a number says how full the process is,
 * without anybody counting. Any thread.
 */
#pragma once

#define FILES_KEPT_BACK 256 /* numbers; fewer when the process may have less than a thousand */

/* Raises the process's limit (RLIMIT_NOFILE) to what it may be, and notes it. Once, at start. */
void files_raise_limit(void);

/* What to do with @fd, which somebody has sent: @fd itself; or -1 with errno EMFILE, closed and
 * counted, where the numbers begin that are kept back. */
int files_admit(int fd);
