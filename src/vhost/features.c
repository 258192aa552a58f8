// SPDX-License-Identifier: Apache-2.0
/* What both sides agree on, and what the guest reads about its device. */
#include <endian.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "packet/ethernet.h"
#include "vhost/dirty_log.h"
#include "vhost/features.h"
#include "vhost/inflight.h"
#include "vhost/names.h"
#include "vhost/socket.h"
#include "vhost/vring.h"

#define CONFIG_HEADER_LEN offsetof(struct vhost_user_config, data)
#define MTU_MIN 68 /* virtio 1.2, 5.1.4.1 */

void vhost_features_offer(struct vhost_session *s, const struct vhost_device_config *config)
{
	s->features = config->features;
	s->protocol_features = config->protocol_features;
	if (s->protocol_features)
		s->features |= 1ull << VHOST_USER_F_PROTOCOL_FEATURES;
	memset(&s->config, 0, sizeof(s->config));
	memcpy(s->config.mac, config->mac, sizeof(s->config.mac));
	s->config.status = htole16(VIRTIO_NET_S_LINK_UP);
	s->config.max_virtqueue_pairs = htole16(config->n_queue_pairs);
	s->config.mtu = htole16(config->mtu);
}

bool vhost_features_offered(struct vhost_session *s, const struct vhost_message *m)
{
	uint64_t *offered;

	if (m->header.request == VHOST_USER_GET_FEATURES)
		offered = &s->features;
	else if (m->header.request == VHOST_USER_GET_PROTOCOL_FEATURES)
		offered = &s->protocol_features;
	else
		return false;
	if (m->header.size == sizeof(m->payload.u64)) /* else the question alone was kept */
		*offered &= m->payload.u64;
	return true;
}

void vhost_features_reset(struct vhost_session *s)
{
	vhost_dirty_log_reset(s);
	vhost_dirty_log_set_fd(s, -1);
	vhost_inflight_reset(s);
	s->state.features = 0;
	s->state.protocol_features = 0;
	s->state.mtu = 0;
	s->state.status = 0;
	if (s->backend_req_fd >= 0)
		close(s->backend_req_fd);
	s->backend_req_fd = -1;
}

bool vhost_protocol_has(const struct vhost_session *s, unsigned feature)
{
	return s->state.protocol_features >> feature & 1;
}

static int answer_u64(struct vhost_message *m, uint64_t value)
{
	m->payload.u64 = value;
	m->header.size = sizeof(value);
	return 0;
}

int vhost_get_features(struct vhost_session *s, struct vhost_message *m, struct error *err)
{
	return answer_u64(m, s->features);
}

bool vhost_set_features_same(const struct vhost_session *s, const struct vhost_message *m)
{
	return m->payload.u64 == s->state.features &&
	       (m->payload.u64 >> VHOST_USER_F_PROTOCOL_FEATURES & 1);
}

int vhost_set_features(struct vhost_session *s, struct vhost_message *m, struct error *err)
{
	uint64_t features = m->payload.u64, wrong = features & ~s->features;
	char text[128];

	if (wrong)
		return error_set(err, -EINVAL, "features that were not offered: %s",
				 vhost_features_text(wrong, text, sizeof(text)));
	if (!(features >> VHOST_USER_F_PROTOCOL_FEATURES & 1)) {
		/* "Ring states": nobody will send SET_VRING_ENABLE */
		for (unsigned i = 0; i < s->n_vrings; i++)
			s->vrings[i].enabled = true;
		s->changed = true;
	}
	if (features == s->state.features)
		return 0;
	s->state.features = features;
	s->changed = true;
	vhost_dirty_log_update(s);
	vhost_vrings_update(s);
	return 0;
}

int vhost_get_protocol_features(struct vhost_session *s, struct vhost_message *m, struct error *err)
{
	return answer_u64(m, s->protocol_features);
}

int vhost_set_protocol_features(struct vhost_session *s, struct vhost_message *m, struct error *err)
{
	uint64_t features = m->payload.u64, wrong = features & ~s->protocol_features;
	char text[128];

	if (wrong)
		return error_set(err, -EINVAL, "protocol features that were not offered: %s",
				 vhost_protocol_features_text(wrong, text, sizeof(text)));
	s->state.protocol_features = features;
	s->changed = true;
	return 0;
}

int vhost_set_owner(struct vhost_session *s, struct vhost_message *m, struct error *err)
{
	return 0;
}

int vhost_get_queue_num(struct vhost_session *s, struct vhost_message *m, struct error *err)
{
	return answer_u64(m, s->n_vrings / 2); /* of a network device: queue pairs */
}

int vhost_send_rarp(struct vhost_session *s, struct vhost_message *m, struct error *err)
{
	mac_t mac = mac_load(m->payload.bytes);

	if (!mac || mac_is_multicast(mac))
		return error_set(err, -EINVAL, "%012llx is no guest's MAC address",
				 (unsigned long long)mac);
	s->ops->announce(s->owner, mac);
	return 0;
}

int vhost_net_set_mtu(struct vhost_session *s, struct vhost_message *m, struct error *err)
{
	uint64_t mtu = m->payload.u64;

	if (mtu < MTU_MIN || mtu > UINT16_MAX)
		return error_set(err, -EINVAL, "MTU %llu is not in %u..%u", (unsigned long long)mtu,
				 MTU_MIN, UINT16_MAX);
	if (s->state.mtu != mtu)
		s->changed = true;
	s->state.mtu = (uint16_t)mtu;
	return 0;
}

int vhost_set_backend_req_fd(struct vhost_session *s, struct vhost_message *m, struct error *err)
{
	if (!vhost_socket_is_pair(m->fds[0]))
		return error_set(err, -EINVAL, "the file descriptor is no end of a socket pair");
	if (s->backend_req_fd >= 0)
		close(s->backend_req_fd);
	s->backend_req_fd = m->fds[0];
	m->fds[0] = -1;
	return 0;
}

/* Back to what a driver finds in a new device; memory, protocol features and the way to call the
 * guest belong to the front-end and stay.
 */
static void reset_device(struct vhost_session *s)
{
	vhost_vrings_reset(s, false);
	vhost_dirty_log_reset(s);
	vhost_inflight_reset(s);
	s->state.features = 0;
	s->state.status = 0;
	s->changed = true;
}

int vhost_reset_device(struct vhost_session *s, struct vhost_message *m, struct error *err)
{
	reset_device(s);
	return 0;
}

bool vhost_set_status_same(const struct vhost_session *s, const struct vhost_message *m)
{
	return m->payload.u64 != 0;
}

int vhost_set_status(struct vhost_session *s, struct vhost_message *m, struct error *err)
{
	uint64_t status = m->payload.u64;

	if (status > UINT8_MAX)
		return error_set(err, -EINVAL, "device status %llu is not in 0..255",
				 (unsigned long long)status);
	if (!status)
		reset_device(s);
	s->state.status = (uint8_t)status;
	return 0;
}

int vhost_get_status(struct vhost_session *s, struct vhost_message *m, struct error *err)
{
	return answer_u64(m, s->state.status);
}

/* Checks that the message holds what it says and stays within the configuration space. */
static int check_config(const struct vhost_message *m, struct error *err)
{
	const struct vhost_user_config *c = &m->payload.config;

	if (c->offset > VHOST_USER_CONFIG_MAX || c->size > VHOST_USER_CONFIG_MAX - c->offset)
		return error_set(err, -EINVAL, "%u bytes at %u are beyond the configuration space",
				 c->size, c->offset);
	if (m->header.size != CONFIG_HEADER_LEN + c->size)
		return error_set(err, -EINVAL, "%u bytes of configuration in %u bytes of payload",
				 c->size, m->header.size);
	return 0;
}

/* An error is answered by an empty payload. */
int vhost_get_config(struct vhost_session *s, struct vhost_message *m, struct error *err)
{
	struct vhost_user_config *c = &m->payload.config;
	uint8_t space[VHOST_USER_CONFIG_MAX] = { 0 };

	if (check_config(m, err)) {
		m->header.size = 0;
		return 0;
	}
	memcpy(space, &s->config, sizeof(s->config));
	memcpy(c->data, space + c->offset, c->size);
	return 0;
}

/* All of a network device's fields are read only; a migration may bring what the source showed. */
int vhost_set_config(struct vhost_session *s, struct vhost_message *m, struct error *err)
{
	const struct vhost_user_config *c = &m->payload.config;
	uint8_t space[VHOST_USER_CONFIG_MAX] = { 0 };
	int rc;

	rc = check_config(m, err);
	if (rc)
		return rc;
	if (c->flags != 1)
		return error_set(err, -EPERM, "the configuration space is read only");
	memcpy(space, &s->config, sizeof(s->config));
	memcpy(space + c->offset, c->data, c->size);
	memcpy(&s->config, space, sizeof(s->config));
	return 0;
}
