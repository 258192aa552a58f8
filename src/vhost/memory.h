/* SPDX-License-Identifier: Apache-2.0 */
/* Guest memory as the front-end describes it (vhost-user, "Memory access"), and where to note what
 * we write there ("Migration"). Control thread.
 */
#pragma once

#include "vhost/channel.h"
#include "vhost/session.h"

/* Lets go of all memory; rings must have been stopped. */
void vhost_memory_reset(struct vhost_session *session);

/* Message handlers, see struct vhost_rule in vhost/message.h. The fds of a message are closed by
 * the caller: mapping does not need them.
 */
int vhost_set_mem_table(struct vhost_session *session, struct vhost_message *m, struct error *err);
int vhost_get_max_mem_slots(struct vhost_session *session, struct vhost_message *m,
			    struct error *err);
int vhost_add_mem_reg(struct vhost_session *session, struct vhost_message *m, struct error *err);
int vhost_rem_mem_reg(struct vhost_session *session, struct vhost_message *m, struct error *err);
int vhost_set_log_base(struct vhost_session *session, struct vhost_message *m, struct error *err);
int vhost_set_log_fd(struct vhost_session *session, struct vhost_message *m, struct error *err);

/* Whether SET_LOG_BASE brings the log that there is, so that workers need not let go for it. */
bool vhost_set_log_base_same(const struct vhost_session *session, const struct vhost_message *m);
