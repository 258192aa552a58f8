/* SPDX-License-Identifier: Apache-2.0 */
/* The state of a device on its way to another back-end, or from one (vhost-user, "Migrating
 * back-end state", SET_DEVICE_STATE_FD, CHECK_DEVICE_STATE). What it says, the device's owner
 * knows. Control thread.
 *
 * Theory of operation. The front-end sends one end of a pipe; while all rings are stopped the state
 * goes through it, after the answer. What is saved is what was when the message came. What is
 * loaded takes effect when all of it is there, or not at all. CHECK_DEVICE_STATE waits for the end,
 * which is near then, and tells how it was. One transfer at a time: another one, or the end of the
 * connection, gives up the one before. So does the end of this process, and the next one answers
 * that there was none: a transfer is not kept, as nobody knows how much of it the other side has
 * seen.
 *
 * We use the front-end's pipe and make no channel of our own, which the specification allows.
 */
#pragma once

#include "vhost/channel.h"
#include "vhost/session.h"

#define VHOST_DEVICE_STATE_MAX (1u << 20) /* bytes that are read */

/* Gives up a transfer, and forgets how the last one was. */
void vhost_device_state_reset(struct vhost_session *session);

/* Whether the answer to CHECK_DEVICE_STATE must wait; session->transferred() tells for how long. */
bool vhost_check_device_state_waits(struct vhost_session *session);

/* Message handlers, see struct vhost_rule in vhost/message.h. What cannot be done they log and
 * answer: the connection goes on. */
int vhost_set_device_state_fd(struct vhost_session *session, struct vhost_message *m,
			      struct error *err);
int vhost_check_device_state(struct vhost_session *session, struct vhost_message *m,
			     struct error *err);
