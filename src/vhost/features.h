/* SPDX-License-Identifier: Apache-2.0 */
/* Negotiation, device status and configuration space. Control thread. */
#pragma once

#include "vhost/channel.h"
#include "vhost/session.h"

/* Starts a negotiation: what is offered is fixed, nothing is acknowledged. */
void vhost_features_offer(struct vhost_session *session, const struct vhost_device_config *config);

/* Whether @m, which an earlier process has kept, says what that one has offered: then no more than
 * that is offered now, less what this program lacks. */
bool vhost_features_offered(struct vhost_session *session, const struct vhost_message *m);

/* Forgets what was negotiated, and the dirty log. */
void vhost_features_reset(struct vhost_session *session);

/* Whether the front-end has acknowledged this protocol feature. */
bool vhost_protocol_has(const struct vhost_session *session, unsigned feature);

/* Whether the message changes nothing, so that workers need not let go for it. */
bool vhost_set_features_same(const struct vhost_session *session, const struct vhost_message *m);
bool vhost_set_status_same(const struct vhost_session *session, const struct vhost_message *m);

/* Message handlers, see struct vhost_rule in vhost/message.h. */
int vhost_get_features(struct vhost_session *session, struct vhost_message *m, struct error *err);
int vhost_set_features(struct vhost_session *session, struct vhost_message *m, struct error *err);
int vhost_get_protocol_features(struct vhost_session *session, struct vhost_message *m,
				struct error *err);
int vhost_set_protocol_features(struct vhost_session *session, struct vhost_message *m,
				struct error *err);
int vhost_set_owner(struct vhost_session *session, struct vhost_message *m, struct error *err);
int vhost_get_queue_num(struct vhost_session *session, struct vhost_message *m, struct error *err);
int vhost_send_rarp(struct vhost_session *session, struct vhost_message *m, struct error *err);
int vhost_net_set_mtu(struct vhost_session *session, struct vhost_message *m, struct error *err);
int vhost_set_backend_req_fd(struct vhost_session *session, struct vhost_message *m,
			     struct error *err);
int vhost_reset_device(struct vhost_session *session, struct vhost_message *m, struct error *err);
int vhost_set_status(struct vhost_session *session, struct vhost_message *m, struct error *err);
int vhost_get_status(struct vhost_session *session, struct vhost_message *m, struct error *err);
int vhost_get_config(struct vhost_session *session, struct vhost_message *m, struct error *err);
int vhost_set_config(struct vhost_session *session, struct vhost_message *m, struct error *err);
