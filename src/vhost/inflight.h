/* SPDX-License-Identifier: Apache-2.0 */
/* The region in which a front-end wants us to note what is in flight (vhost-user, "Inflight I/O
 * tracking"), of a front-end that has negotiated INFLIGHT_SHMFD. Control thread.
 *
 * GET_INFLIGHT_FD makes a new region, answers with its file, and forgets it; SET_INFLIGHT_FD brings
 * this one, or one that another back-end has used, and from then on rings that are started note in
 * it, and go on as it says (virtio/inflight.h). Without SET_INFLIGHT_FD they do not. Regions belong
 * to the rings of one driver: a reset of the device forgets the region, and so does the end of the
 * connection.
 *
 * Beside ring states, which outlive this process while the front-end stays connected: a ring that
 * notes in a region goes on as that says in both cases, since only that knows what an earlier
 * back-end has left, and it is never behind. SET_INFLIGHT_FD is kept like other messages.
 */
#pragma once

#include "vhost/channel.h"
#include "vhost/session.h"

/* Prepares ring @index, of @size entries, to note in the region: *@out; NULL when there is none. To
 * be destroyed with inflight_destroy() when the ring has stopped. Returns 0, or -errno and a text:
 * the region has no place for such a ring.
 */
int vhost_inflight_ring(const struct vhost_session *session, unsigned index, unsigned size,
			struct inflight **out, struct error *err);

/* Forgets the region; no ring uses it. */
void vhost_inflight_reset(struct vhost_session *session);

/* Message handlers, see struct vhost_rule in vhost/message.h. */
int vhost_get_inflight_fd(struct vhost_session *session, struct vhost_message *m,
			  struct error *err);
int vhost_set_inflight_fd(struct vhost_session *session, struct vhost_message *m,
			  struct error *err);
