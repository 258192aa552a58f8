/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a message: that it has acted, and its answer, in memory that may outlive the process,
 * so that another goes on with it wherever the first has died. Control thread.
 *
 * Theory of operation. The message stays in the socket while it acts. Its answer is written here
 * under the number of a change that its owner is about to make (vhost_outbox_put()); when that
 * change is made, it has acted. Only then it is taken out of the socket, whose SO_PEEK_OFF says in
 * each moment how much of it is still to be taken, and @consumed becomes @acted before anything
 * more is looked at. Then the answer is sent, in one call of sendmmsg(2), in which the kernel
 * itself writes to @io.msg_len that it has taken it. So the memory always tells what is done.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "vhost/proto.h"

#define VHOST_ANSWER_MAX                                                        \
	280 /* bytes; the specification's longest payload is 268, its header 12 \
	     */

struct vhost_outbox {
	uint64_t acted;	   /* number of the change by which the last message has acted */
	uint64_t consumed; /* the same, of the last message that was taken out of the socket */
	struct mmsghdr io; /* of which the kernel writes msg_len */
	uint64_t reserved[2];
	uint32_t len;	  /* bytes of the answer; 0: there is none */
	uint32_t with_fd; /* whether a file goes with it, which is not here */
	uint8_t bytes[VHOST_ANSWER_MAX];
};

/* Writes the answer to a message that acts with the change @number (greater than those before);
 * @reply false: there is none. 0, or -EMSGSIZE when it is too long.
 */
int vhost_outbox_put(struct vhost_outbox *outbox, uint64_t number, bool reply, uint32_t request,
		     const void *payload, size_t size, bool with_fd);

/* In a process that goes on with what another has left. @made: the number of the last change that
 * was made. */
void vhost_outbox_resume(struct vhost_outbox *outbox, uint64_t made);

/* The last message has been taken out of the socket. */
void vhost_outbox_consumed(struct vhost_outbox *outbox);

/* A new connection: nothing of the one before is left to do. */
void vhost_outbox_clear(struct vhost_outbox *outbox);

/* Whether an answer is still to be sent. */
bool vhost_outbox_sending(const struct vhost_outbox *outbox);

/* Sends it, if there is one, to the socket @fd, and with it @file, which stays the caller's; -1:
 * the file, if there should be one, was lost with the process that had it, and so is the
 * connection. 0, -EAGAIN when the socket takes nothing now, or -errno. */
int vhost_outbox_send(struct vhost_outbox *outbox, int fd, int file);
