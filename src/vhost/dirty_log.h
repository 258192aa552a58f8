/* SPDX-License-Identifier: Apache-2.0 */
/* The dirty log of a vhost-user device: which one there is, and when it is in use (vhost-user,
 * "Migration"). Control thread, while no worker uses a ring of the device.
 *
 * A log is in use from when both SET_LOG_BASE has brought it and SET_FEATURES has acknowledged
 * VHOST_F_LOG_ALL, in either order: QEMU sends SET_LOG_BASE first when a migration begins, and last
 * when a guest's driver starts during one. Until both are there, rings of a front-end that has
 * acknowledged LOG_ALL wait: a write that is noted nowhere would be lost to the migration. For the
 * same reason the log is forgotten when SET_FEATURES takes LOG_ALL back, and when the last ring was
 * stopped (GET_VRING_BASE): whoever starts rings after that brings a new one.
 */
#pragma once

#include "vhost/session.h"

/* Takes a log, in place of the one that there is. Returns 0, or -errno and a text, for one that
 * does not reach over all guest memory too; then the old one stays.
 */
int vhost_dirty_log_set(struct vhost_session *session, int fd, uint64_t offset, uint64_t size,
			struct error *err);

/* Takes an event fd, to be signalled when bits were set; -1: none. Takes it over. */
void vhost_dirty_log_set_fd(struct vhost_session *session, int fd);

/* After features have changed. */
void vhost_dirty_log_update(struct vhost_session *session);

/* Checks that the log, if there is one, reaches over @mem, which is to be guest memory. Returns 0,
 * or -EINVAL and a text. */
int vhost_dirty_log_check(const struct vhost_session *session, const struct guestmem *mem,
			  struct error *err);

/* Forgets the log. */
void vhost_dirty_log_reset(struct vhost_session *session);
