/* SPDX-License-Identifier: Apache-2.0 */
/* Rings as the front-end sets them up (vhost-user, "Ring states"). Control thread; a handler that
 * changes a live ring is called while no worker uses it.
 *
 * A ring is live when it is started, has a size, addresses and memory behind them, in whatever
 * order these came. It starts at SET_VRING_KICK, as DPDK's back-end does; the specification would
 * have it start at the first kick, which differs only in what is done before that: nothing is in
 * the ring then. SET_VRING_NUM and SET_VRING_BASE stop a ring that runs, since a front-end that
 * sends them has begun anew (user-mode Linux does so without GET_VRING_BASE); the next
 * SET_VRING_KICK starts it.
 */
#pragma once

#include "vhost/channel.h"
#include "vhost/session.h"

/* A stopped, disabled ring without anything. */
void vhost_vring_init(struct vhost_vring *vring);

/* Stops and forgets all rings; with @fds also the call and error fds, which otherwise stay, because
 * a front-end may send them once only. So does, for GET_VRING_BASE alone, where each ring was: QEMU
 * 7.2 resets the device first and asks then, whenever it stops a guest.
 */
void vhost_vrings_reset(struct vhost_session *session, bool fds);

/* The front-end is a new one: nothing that is kept of rings is of it. */
void vhost_vrings_forget(struct vhost_session *session);

/* After memory or features have changed: looks up the addresses of every started ring anew. Those
 * that are in no memory are not live; those whose memory has come back are. A live ring goes on
 * where it was.
 */
void vhost_vrings_update(struct vhost_session *session);

/* The same for those that are not live; live ones are not touched. */
void vhost_vrings_revive(struct vhost_session *session);

/* All that an earlier process was told of the rings is known: those that ran go on from their
 * states. Returns 0, or -EINVAL and a text when one cannot. */
int vhost_vrings_resume(struct vhost_session *session, struct error *err);

/* Takes the first fd of a message to signal or to wait for: an eventfd, or a pipe to write to, in
 * which no write waits. Returns 0, or -errno and a text for all else. */
int vhost_take_event_fd(struct vhost_message *m, int *fd, struct error *err);

/* Message handlers, see struct vhost_rule in vhost/message.h. */
int vhost_set_vring_num(struct vhost_session *session, struct vhost_message *m, struct error *err);
int vhost_set_vring_addr(struct vhost_session *session, struct vhost_message *m, struct error *err);
int vhost_set_vring_base(struct vhost_session *session, struct vhost_message *m, struct error *err);
int vhost_get_vring_base(struct vhost_session *session, struct vhost_message *m, struct error *err);
int vhost_set_vring_kick(struct vhost_session *session, struct vhost_message *m, struct error *err);
int vhost_set_vring_call(struct vhost_session *session, struct vhost_message *m, struct error *err);
int vhost_set_vring_err(struct vhost_session *session, struct vhost_message *m, struct error *err);
int vhost_set_vring_enable(struct vhost_session *session, struct vhost_message *m,
			   struct error *err);
int vhost_reset_owner(struct vhost_session *session, struct vhost_message *m, struct error *err);
