/* SPDX-License-Identifier: Apache-2.0 */
/* What a front-end knows of the answers to its messages (vhost-user, "Front-end message types").
 */
#pragma once

#include <stddef.h>

#include "vhost/proto.h"

#define ANSWER_ANY SIZE_MAX /* one of any length */

/* Bytes of the answer of its own that a request has, whether asked for or not; 0: it has none. */
static inline size_t answer_len(uint32_t request)
{
	switch (request) {
	case VHOST_USER_GET_FEATURES:
	case VHOST_USER_GET_PROTOCOL_FEATURES:
	case VHOST_USER_GET_QUEUE_NUM:
	case VHOST_USER_GET_MAX_MEM_SLOTS:
	case VHOST_USER_GET_VRING_BASE:
	case VHOST_USER_SET_DEVICE_STATE_FD:
	case VHOST_USER_CHECK_DEVICE_STATE:
		return sizeof(uint64_t);
	case VHOST_USER_GET_INFLIGHT_FD:
		return sizeof(struct vhost_user_inflight);
	case VHOST_USER_SET_LOG_BASE:
		return ANSWER_ANY;
	default:
		return 0;
	}
}
