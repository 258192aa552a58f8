// SPDX-License-Identifier: Apache-2.0
/* The message table, and what is checked before a handler sees a message. */
#include <errno.h>

#include "vhost/device_state.h"
#include "vhost/features.h"
#include "vhost/inflight.h"
#include "vhost/memory.h"
#include "vhost/message.h"
#include "vhost/names.h"
#include "vhost/vring.h"

#define U64 .size_min = 8, .size_max = 8
#define STATE .size_min = 8, .size_max = 8, .index = VHOST_INDEX_STATE
#define FD_U64 U64, .fds_max = 1, .index = VHOST_INDEX_FD
#define REGION .size_min = 40, .size_max = 40
/* Of a front-end that sends what is specified, and of those that send what C makes of it. */
#define INFLIGHT .size_min = 20, .size_max = sizeof(struct vhost_user_inflight)
#define CONFIG .size_min = 12, .size_max = 12 + VHOST_USER_CONFIG_MAX
#define NEEDS(WHEN, name) .when = VHOST_##WHEN, .feature = VHOST_USER_PROTOCOL_F_##name

static bool set_vring_enable_same(const struct vhost_session *session,
				  const struct vhost_message *m)
{
	return session->vrings[m->payload.state.index].enabled == m->payload.state.num;
}

/* In the order of the specification. What is not named is 0: no payload, no fd, in every state,
 * disturbs nothing, no answer.
 */
static const struct vhost_rule rules[] = {
	{ .request = VHOST_USER_GET_FEATURES, .reply = true, .handle = vhost_get_features },
	{ .request = VHOST_USER_SET_FEATURES,
	  U64,
	  .disturbs = VHOST_DISTURBS_ALL,
	  .same = vhost_set_features_same,
	  .handle = vhost_set_features },
	{ .request = VHOST_USER_SET_OWNER, .handle = vhost_set_owner },
	{ .request = VHOST_USER_RESET_OWNER,
	  .disturbs = VHOST_DISTURBS_ALL,
	  .handle = vhost_reset_owner },
	{ .request = VHOST_USER_SET_MEM_TABLE,
	  .size_min = 8,
	  .size_max = sizeof(struct vhost_user_memory),
	  .fds_max = VHOST_USER_TABLE_REGIONS_MAX,
	  .disturbs = VHOST_DISTURBS_ALL,
	  .handle = vhost_set_mem_table },
	{ .request = VHOST_USER_SET_LOG_BASE,
	  .size_min = 16,
	  .size_max = 16,
	  .fds_min = 1,
	  .fds_max = 1,
	  NEEDS(NEGOTIATED, LOG_SHMFD),
	  .disturbs = VHOST_DISTURBS_ALL,
	  .same = vhost_set_log_base_same,
	  .reply = true,
	  .handle = vhost_set_log_base },
	{ .request = VHOST_USER_SET_LOG_FD,
	  .fds_min = 1,
	  .fds_max = 1,
	  .disturbs = VHOST_DISTURBS_ALL,
	  .handle = vhost_set_log_fd },
	{ .request = VHOST_USER_SET_VRING_NUM,
	  STATE,
	  .disturbs = VHOST_DISTURBS_VRING,
	  .handle = vhost_set_vring_num },
	{ .request = VHOST_USER_SET_VRING_ADDR,
	  .size_min = 40,
	  .size_max = 40,
	  .index = VHOST_INDEX_STATE,
	  .disturbs = VHOST_DISTURBS_VRING,
	  .handle = vhost_set_vring_addr },
	{ .request = VHOST_USER_SET_VRING_BASE,
	  STATE,
	  .disturbs = VHOST_DISTURBS_VRING,
	  .handle = vhost_set_vring_base },
	{ .request = VHOST_USER_GET_VRING_BASE,
	  STATE,
	  .disturbs = VHOST_DISTURBS_VRING,
	  .reply = true,
	  .handle = vhost_get_vring_base },
	{ .request = VHOST_USER_SET_VRING_KICK,
	  FD_U64,
	  .disturbs = VHOST_DISTURBS_VRING,
	  .handle = vhost_set_vring_kick },
	{ .request = VHOST_USER_SET_VRING_CALL,
	  FD_U64,
	  .disturbs = VHOST_DISTURBS_VRING,
	  .handle = vhost_set_vring_call },
	{ .request = VHOST_USER_SET_VRING_ERR, FD_U64, .handle = vhost_set_vring_err },
	{ .request = VHOST_USER_GET_PROTOCOL_FEATURES,
	  .when = VHOST_EXTENDED,
	  .reply = true,
	  .handle = vhost_get_protocol_features },
	{ .request = VHOST_USER_SET_PROTOCOL_FEATURES,
	  U64,
	  .when = VHOST_EXTENDED,
	  .handle = vhost_set_protocol_features },
	{ .request = VHOST_USER_GET_QUEUE_NUM,
	  NEEDS(OFFERED, MQ),
	  .reply = true,
	  .handle = vhost_get_queue_num },
	{ .request = VHOST_USER_SET_VRING_ENABLE,
	  STATE,
	  .when = VHOST_EXTENDED,
	  .disturbs = VHOST_DISTURBS_VRING,
	  .same = set_vring_enable_same,
	  .handle = vhost_set_vring_enable },
	{ .request = VHOST_USER_SEND_RARP, U64, NEEDS(OFFERED, RARP), .handle = vhost_send_rarp },
	{ .request = VHOST_USER_NET_SET_MTU,
	  U64,
	  NEEDS(OFFERED, NET_MTU),
	  .handle = vhost_net_set_mtu },
	{ .request = VHOST_USER_SET_BACKEND_REQ_FD,
	  .fds_min = 1,
	  .fds_max = 1,
	  NEEDS(OFFERED, BACKEND_REQ),
	  .handle = vhost_set_backend_req_fd },
	{ .request = VHOST_USER_GET_CONFIG,
	  CONFIG,
	  NEEDS(NEGOTIATED, CONFIG),
	  .reply = true,
	  .handle = vhost_get_config },
	{ .request = VHOST_USER_SET_CONFIG,
	  CONFIG,
	  NEEDS(NEGOTIATED, CONFIG),
	  .handle = vhost_set_config },
	{ .request = VHOST_USER_GET_INFLIGHT_FD,
	  INFLIGHT,
	  NEEDS(NEGOTIATED, INFLIGHT_SHMFD),
	  .reply = true,
	  .reply_fd = true,
	  .handle = vhost_get_inflight_fd },
	{ .request = VHOST_USER_SET_INFLIGHT_FD,
	  INFLIGHT,
	  .fds_min = 1,
	  .fds_max = 1,
	  NEEDS(NEGOTIATED, INFLIGHT_SHMFD),
	  .handle = vhost_set_inflight_fd },
	{ .request = VHOST_USER_RESET_DEVICE,
	  NEEDS(NEGOTIATED, RESET_DEVICE),
	  .disturbs = VHOST_DISTURBS_ALL,
	  .handle = vhost_reset_device },
	{ .request = VHOST_USER_GET_MAX_MEM_SLOTS,
	  NEEDS(NEGOTIATED, CONFIGURE_MEM_SLOTS),
	  .reply = true,
	  .handle = vhost_get_max_mem_slots },
	{ .request = VHOST_USER_ADD_MEM_REG,
	  REGION,
	  .fds_min = 1,
	  .fds_max = 1,
	  NEEDS(NEGOTIATED, CONFIGURE_MEM_SLOTS),
	  .handle = vhost_add_mem_reg },
	{ .request = VHOST_USER_REM_MEM_REG,
	  REGION,
	  .fds_max = 1, /* "For compatibility with existing incorrect implementations" */
	  NEEDS(NEGOTIATED, CONFIGURE_MEM_SLOTS),
	  .disturbs = VHOST_DISTURBS_ALL,
	  .handle = vhost_rem_mem_reg },
	{ .request = VHOST_USER_SET_STATUS,
	  U64,
	  NEEDS(NEGOTIATED, STATUS),
	  .disturbs = VHOST_DISTURBS_ALL,
	  .same = vhost_set_status_same,
	  .handle = vhost_set_status },
	{ .request = VHOST_USER_GET_STATUS,
	  NEEDS(NEGOTIATED, STATUS),
	  .reply = true,
	  .handle = vhost_get_status },
	{ .request = VHOST_USER_SET_DEVICE_STATE_FD,
	  U64,
	  .fds_min = 1,
	  .fds_max = 1,
	  NEEDS(NEGOTIATED, DEVICE_STATE),
	  .reply = true,
	  .handle = vhost_set_device_state_fd },
	{ .request = VHOST_USER_CHECK_DEVICE_STATE,
	  NEEDS(NEGOTIATED, DEVICE_STATE),
	  .reply = true,
	  .waits = vhost_check_device_state_waits,
	  .handle = vhost_check_device_state },
};

const struct vhost_rule *vhost_message_rule(uint32_t request)
{
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
		if (rules[i].request == request)
			return &rules[i];
	return NULL;
}

static int check_state(const struct vhost_session *s, const struct vhost_rule *rule,
		       struct error *err)
{
	char text[64];

	if (s->frozen)
		return 0; /* an earlier process has looked, and told features may follow */
	switch (rule->when) {
	case VHOST_ALWAYS:
		return 0;
	case VHOST_EXTENDED:
		if (s->features >> VHOST_USER_F_PROTOCOL_FEATURES & 1)
			return 0;
		return error_set(err, -EPROTO, "VHOST_USER_F_PROTOCOL_FEATURES was not offered");
	case VHOST_OFFERED:
		if (s->protocol_features >> rule->feature & 1)
			return 0;
		break;
	case VHOST_NEGOTIATED:
		if (s->state.protocol_features >> rule->feature & 1)
			return 0;
		break;
	}
	vhost_protocol_features_text(1ull << rule->feature, text, sizeof(text));
	return error_set(err, -EPROTO, "%s was not %s", text,
			 rule->when == VHOST_OFFERED ? "offered" : "negotiated");
}

static unsigned vring_index(const struct vhost_rule *rule, const struct vhost_message *m)
{
	if (rule->index == VHOST_INDEX_FD)
		return m->payload.u64 & VHOST_USER_VRING_INDEX_MASK;
	return m->payload.state.index;
}

int vhost_message_check(const struct vhost_session *session, const struct vhost_rule *rule,
			const struct vhost_message *m, struct error *err)
{
	uint32_t size = m->header.size;

	if (size < rule->size_min || size > rule->size_max)
		return error_set(err, -EPROTO, "%u bytes of payload, not %u%s%.0u", size,
				 rule->size_min, rule->size_min == rule->size_max ? "" : "..",
				 rule->size_min == rule->size_max ? 0 : rule->size_max);
	if (m->fds_lost)
		return error_set(
			err, -EPROTO,
			"more than %u file descriptors, or more than this process may open",
			VHOST_USER_FDS_MAX);
	if (m->n_fds < rule->fds_min || m->n_fds > rule->fds_max)
		return error_set(err, -EPROTO, "%u file descriptors, not %u..%u", m->n_fds,
				 rule->fds_min, rule->fds_max);
	if (rule->index != VHOST_NO_INDEX && vring_index(rule, m) >= session->n_vrings)
		return error_set(err, -EPROTO, "there is no ring %u, 0..%u are offered",
				 vring_index(rule, m), session->n_vrings - 1);
	return check_state(session, rule, err);
}

bool vhost_message_waits(struct vhost_session *session, const struct vhost_rule *rule)
{
	return rule->waits && rule->waits(session);
}

bool vhost_message_disturbs(const struct vhost_session *session, const struct vhost_rule *rule,
			    const struct vhost_message *m)
{
	if (rule->same && rule->same(session, m))
		return false;
	switch (rule->disturbs) {
	case VHOST_DISTURBS_VRING:
		return session->vrings[vring_index(rule, m)].live;
	case VHOST_DISTURBS_ALL:
		return vhost_session_live(session);
	default:
		return false;
	}
}

int vhost_message_act(struct vhost_session *session, const struct vhost_rule *rule,
		      struct vhost_message *m, struct error *err)
{
	if (rule->index != VHOST_NO_INDEX)
		session->state.n_vrings_used =
			max(session->state.n_vrings_used, vring_index(rule, m) + 1);
	return rule->handle(session, m, err);
}
