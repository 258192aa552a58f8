// SPDX-License-Identifier: Apache-2.0
/* What of a message that has acted a new process would have to be told, and what no longer. */
#include "base/compiler.h"
#include "vhost/message.h"

/* Edits, as they are put together. */
struct list {
	struct vhost_edit *edits;
	unsigned n;
};

static void add(struct list *list, enum vhost_edit_kind kind, uint32_t request, uint64_t detail)
{
	list->edits[list->n++] =
		(struct vhost_edit){ .kind = kind,
				     .key = { .request = request, .detail = detail } };
}

static void keep(struct list *list, uint32_t request, uint64_t detail)
{
	add(list, VHOST_EDIT_KEEP, request, detail);
}

static void forget(struct list *list, uint32_t request, uint64_t detail)
{
	add(list, VHOST_EDIT_FORGET, request, detail);
}

/* A dirty log that the device has forgotten. */
static void forget_gone_log(struct list *list, const struct vhost_session *session)
{
	if (!session->log)
		forget(list, VHOST_USER_SET_LOG_BASE, 0);
}

/* What a reset of the device undoes; memory, protocol features, call and error fds stay. */
static void forget_device(struct list *list, const struct vhost_session *session)
{
	static const uint32_t undone[] = {
		VHOST_USER_SET_FEATURES,   VHOST_USER_SET_STATUS,	VHOST_USER_RESET_OWNER,
		VHOST_USER_SET_VRING_NUM,  VHOST_USER_SET_VRING_ADDR,	VHOST_USER_SET_VRING_BASE,
		VHOST_USER_SET_VRING_KICK, VHOST_USER_SET_VRING_ENABLE, VHOST_USER_SET_INFLIGHT_FD,
	};

	static_assert(ARRAY_SIZE(undone) < VHOST_EDITS_MAX, "they fit, and the log");
	for (size_t i = 0; i < ARRAY_SIZE(undone); i++)
		forget(list, undone[i], VHOST_KEY_ALL);
	forget_gone_log(list, session);
}

/* Without bit 30 it enables all rings, too, which the next one with it does not undo. */
static void keep_features(struct list *list, uint64_t features)
{
	bool extended = features >> VHOST_USER_F_PROTOCOL_FEATURES & 1;

	if (!extended) {
		forget(list, VHOST_USER_SET_VRING_ENABLE, VHOST_KEY_ALL);
		forget(list, VHOST_USER_RESET_OWNER, VHOST_KEY_ALL);
		forget(list, VHOST_USER_SET_FEATURES, VHOST_KEY_ALL);
	}
	keep(list, VHOST_USER_SET_FEATURES, extended);
}

/* What the front-end was offered is what it is offered for as long as it is connected, whatever the
 * next process could do. */
static void keep_offer(struct list *list, uint32_t request, uint64_t offered)
{
	forget(list, request, VHOST_KEY_ALL);
	add(list, VHOST_EDIT_ANSWER, request, offered);
}

/* Each range of the configuration space for itself: only the same one covers all of it. */
static void keep_config(struct list *list, const struct vhost_user_config *config)
{
	uint64_t begin = config->offset, end = begin + config->size;

	end = min(end, (uint64_t)sizeof(struct virtio_net_config)); /* there is no more */
	if (begin < end)
		keep(list, VHOST_USER_SET_CONFIG, begin << 32 | end);
}

/* Of a ring that a message has stopped, the kick fd is gone, and where it was is known here only.
 */
static void forget_stopped(struct list *list, const struct vhost_session *session, unsigned index)
{
	if (session->vrings[index].started)
		return;
	forget(list, VHOST_USER_SET_VRING_KICK, index);
	add(list, VHOST_EDIT_BASE, VHOST_USER_SET_VRING_BASE, index);
	list->edits[list->n - 1].value = session->vrings[index].base;
}

static_assert(VHOST_COUNT_MAX >= GUESTMEM_ADDS_MAX, "regions are kept as often as they were added");

unsigned vhost_message_edits(const struct vhost_session *session, const struct vhost_message *m,
			     struct vhost_edit edits[VHOST_EDITS_MAX])
{
	struct list list = { .edits = edits };
	uint32_t request = m->header.request;

	switch (request) {
	case VHOST_USER_GET_FEATURES:
	case VHOST_USER_GET_PROTOCOL_FEATURES:
		keep_offer(&list, request, m->payload.u64);
		break;
	case VHOST_USER_SET_FEATURES:
		keep_features(&list, m->payload.u64);
		forget_gone_log(&list, session);
		break;
	case VHOST_USER_SET_PROTOCOL_FEATURES:
	case VHOST_USER_NET_SET_MTU:
	case VHOST_USER_SET_BACKEND_REQ_FD:
	case VHOST_USER_SET_LOG_BASE:
	case VHOST_USER_SET_LOG_FD:
	case VHOST_USER_SET_INFLIGHT_FD:
		keep(&list, request, 0);
		break;
	case VHOST_USER_SET_CONFIG:
		keep_config(&list, &m->payload.config);
		break;
	case VHOST_USER_SET_STATUS:
		if (m->payload.u64)
			keep(&list, request, 0);
		else
			forget_device(&list, session);
		break;
	case VHOST_USER_RESET_DEVICE:
		forget_device(&list, session);
		break;
	case VHOST_USER_RESET_OWNER:
		forget(&list, VHOST_USER_SET_VRING_ENABLE, VHOST_KEY_ALL);
		keep(&list, request, 0);
		break;
	case VHOST_USER_SET_MEM_TABLE:
		forget(&list, VHOST_USER_ADD_MEM_REG, VHOST_KEY_ALL);
		forget(&list, VHOST_USER_REM_MEM_REG, VHOST_KEY_ALL);
		keep(&list, request, 0);
		break;
	case VHOST_USER_ADD_MEM_REG:
		add(&list, VHOST_EDIT_KEEP_MORE, request, m->payload.single.region.guest_addr);
		break;
	case VHOST_USER_REM_MEM_REG:
		/* one of the table's, unless it was added */
		forget(&list, VHOST_USER_ADD_MEM_REG, m->payload.single.region.guest_addr);
		add(&list, VHOST_EDIT_KEEP_ELSE, request, m->payload.single.region.guest_addr);
		break;
	case VHOST_USER_SET_VRING_BASE:
		keep(&list, request, m->payload.state.index);
		if (!session->vrings[m->payload.state.index].started)
			forget(&list, VHOST_USER_SET_VRING_KICK, m->payload.state.index);
		break;
	case VHOST_USER_SET_VRING_NUM:
		keep(&list, request, m->payload.state.index);
		forget_stopped(&list, session, m->payload.state.index);
		break;
	case VHOST_USER_SET_VRING_ADDR:
	case VHOST_USER_SET_VRING_ENABLE:
		keep(&list, request, m->payload.state.index);
		break;
	case VHOST_USER_GET_VRING_BASE:
		forget_stopped(&list, session, m->payload.state.index);
		forget_gone_log(&list, session);
		break;
	case VHOST_USER_SET_VRING_KICK:
	case VHOST_USER_SET_VRING_CALL:
	case VHOST_USER_SET_VRING_ERR:
		keep(&list, request, m->payload.u64 & VHOST_USER_VRING_INDEX_MASK);
		break;
	default:
		break; /* asks for something, or has acted for good */
	}
	return list.n;
}
