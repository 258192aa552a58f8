/* SPDX-License-Identifier: Apache-2.0 */
/* What a file descriptor is that a front-end has sent, asked in a way in which nobody can let us
 * wait: of a file system even fstat() asks, and who serves one may not answer. Any thread.
 */
#pragma once

/* What we tell apart. */
enum vhost_fd_kind { VHOST_FD_OTHER, VHOST_FD_EVENTFD, VHOST_FD_PIPE };

/* By the kernel's name of it. */
enum vhost_fd_kind vhost_fd_kind(int fd);

/* Opens the end of a pipe anew, O_RDONLY or O_WRONLY as @access says: whether that waits is then up
 * to us, and not to all who have the front-end's end. (An eventfd cannot be opened anew, see
 * base/notify.h.) Returns a non-blocking fd, or -EBADF when @fd is another end, or -errno.
 */
int vhost_pipe_open(int fd, int access);
