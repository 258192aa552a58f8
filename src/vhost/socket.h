/* SPDX-License-Identifier: Apache-2.0 */
/* Unix stream sockets that users name by a path. Control thread. */
#pragma once

#include <sys/types.h>

#include "base/error.h"
#include "vhost/state.h"

/* A socket file that this process has made. */
struct vhost_socket_file {
	dev_t dev;
	ino_t ino; /* 0: none */
};

/* Listens at @path. What is left of a listener that is gone is replaced; a socket that somebody
 * listens on, and whatever is no socket, is left alone and refused. Nobody can connect before
 * owner, group and mode are as @rights say. Returns the fd (non-blocking) and fills in @file, or
 * -errno and a text.
 */
int vhost_socket_listen(const char *path, const struct vhost_socket_rights *rights,
			struct vhost_socket_file *file, struct error *err);

/* Removes the socket file if it still is @file, and not one that somebody else has put there. */
void vhost_socket_remove(const char *path, const struct vhost_socket_file *file);

/* Connects to @path without waiting. Returns the fd (non-blocking), or -errno and a text; all
 * errors may pass, so that trying again later makes sense.
 */
int vhost_socket_connect(const char *path, struct error *err);

/* Whether the peer has closed, data that it sent before notwithstanding. */
bool vhost_socket_hung_up(int fd);

/* Process that was the peer when the connection was made; 0: unknown. */
int vhost_socket_peer_pid(int fd);

/* Whether @fd is an end of a nameless pair of unix sockets (socketpair(2)), as SET_BACKEND_REQ_FD
 * brings it, and not of a connection to a socket file: its own end of ours, say, which would never
 * hang up if we held it.
 */
bool vhost_socket_is_pair(int fd);

/* Checks that @path fits in a socket address. Returns 0, or -ENAMETOOLONG or -EINVAL and a text. */
int vhost_socket_check_path(const char *path, struct error *err);
