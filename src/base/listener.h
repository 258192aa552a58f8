/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets that are files, and that of the control socket: one daemon for each path, no other's file
 * is ever replaced. Control thread.
 *
 * A lock file beside the socket ("vireod.sock" -> "vireod.lock", locked by flock(2), holds the
 * daemon's process id) says whether a daemon lives; with the lock held, a socket file that is there
 * was left by a dead one.
 */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "base/peer.h"

/* An open control socket. Owned by the caller. */
struct listener {
	int fd, lock_fd;
	char *path, *lock_path;
	bool adopted;
};

/* Makes the socket at @path, non-blocking, mode 0600, or 0660 and owned by the group when the
 * policy has one; at no moment more open than that. -EBUSY and a text when another daemon lives
 * there.
 */
int listener_open(struct listener *l, const char *path, const struct peer_policy *policy,
		  struct error *err);

/* Goes on with a socket that another process has opened, and its lock; the fds are the listener's
 * now. Who has made the files removes them. 0 or -ENOMEM. */
int listener_adopt(struct listener *l, const char *path, int fd, int lock_fd);

/* Closes, and removes both files unless another process has made them. */
void listener_close(struct listener *l);

/* Makes a socket at @path, with that mode, for who holds the lock of its directory's control
 * socket: a file that is there is replaced, if it is a socket that nobody serves. Returns the fd,
 * which is non-blocking, or -errno and a text.
 */
int listener_bind(const char *path, const struct peer_policy *policy, struct error *err);

/* Removes the files of the socket at @path, which nobody serves any more. */
void listener_remove(const char *path);
