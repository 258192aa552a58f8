/* SPDX-License-Identifier: Apache-2.0 */
/* vhost-user messages over a unix stream socket, for either side: a message may arrive byte by
 * byte and leave in pieces; file descriptors travel with its header (vhost-user, "Communication").
 * Never blocks. One thread at a time. Knows nothing of what messages mean.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "vhost/proto.h"

#define VHOST_CHANNEL_QUEUE_MAX 64 /* messages that wait for a peer that does not read */

/* A whole message as it came. Who holds it owns its fds: take one by replacing it with -1, then
 * vhost_message_close_fds().
 */
struct vhost_message {
	struct vhost_user_header header; /* header.size bytes of payload are valid, the rest is 0 */
	union vhost_user_payload payload;
	int fds[VHOST_USER_FDS_MAX]; /* close-on-exec */
	unsigned n_fds;
	bool fds_lost; /* more than VHOST_USER_FDS_MAX came, or this process could not open more */
};

struct vhost_channel_out; /* a message, or the rest of one, that waits to be sent */

struct vhost_channel {
	int fd;			       /* -1: closed */
	struct vhost_message in;       /* being received */
	size_t in_len;		       /* bytes of it that are here, header included */
	struct vhost_channel_out *out; /* oldest first */
	struct vhost_channel_out **out_end;
	unsigned n_out;
	bool stays; /* see vhost_channel_let_stay() */
};

/* Takes over @fd, a connected stream socket, and makes it non-blocking. Cannot fail. */
void vhost_channel_init(struct vhost_channel *channel, int fd);

/* From now on what is received stays in the socket, too, until vhost_channel_consume(), so that a
 * process that dies has lost nothing, and another can receive it again. Where we are is kept by the
 * socket (SO_PEEK_OFF, socket(7)). While the rest of a message is on its way, the socket is
 * readable: wait for edges. Returns 0 or -errno.
 */
int vhost_channel_let_stay(struct vhost_channel *channel);

/* Takes out of the socket what was received of it, by this process or by one before that has died
 * meanwhile; then the next message can be received. Returns 0 or -errno.
 */
int vhost_channel_consume(struct vhost_channel *channel);

/* Closes the socket and every fd that was received or waits to be sent. May be called again. */
void vhost_channel_close(struct vhost_channel *channel);

/* Receives. Returns
 *   1 and a whole message in @message, whose fds are the caller's now,
 *   0 when the rest of the message is still on its way (wait until the socket is readable),
 *   -ECONNRESET when the peer has closed, also in the middle of a message,
 *   -EPROTO and a text when what came is no message: another version, a payload of more than
 *     VHOST_USER_PAYLOAD_MAX bytes, fds behind the header,
 *   another -errno and a text when the socket failed.
 * After an error the only thing to do is vhost_channel_close().
 */
int vhost_channel_receive(struct vhost_channel *channel, struct vhost_message *message,
			  struct error *err);

/* Sends a header with VHOST_USER_VERSION and @flags (VHOST_USER_FLAG_*), @size bytes (at most
 * VHOST_USER_PAYLOAD_MAX) of @payload, and @n_fds (at most VHOST_USER_FDS_MAX) fds, which stay the
 * caller's and may be closed at once. What the socket does not take now waits: see
 * vhost_channel_sending(). Returns 0; -ENOBUFS when VHOST_CHANNEL_QUEUE_MAX messages wait already,
 * -ECONNRESET when the peer is gone, or another -errno; then close.
 */
int vhost_channel_send(struct vhost_channel *channel, uint32_t request, uint32_t flags,
		       const void *payload, size_t size, const int *fds, unsigned n_fds);

/* Whether something waits to be sent: wait until the socket is writable, then
 * vhost_channel_flush(). */
bool vhost_channel_sending(const struct vhost_channel *channel);

/* Sends what waits, as far as the socket takes it. 0 (see vhost_channel_sending()) or -errno. */
int vhost_channel_flush(struct vhost_channel *channel);

/* Closes the fds that @message still holds. */
void vhost_message_close_fds(struct vhost_message *message);
