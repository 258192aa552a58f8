// SPDX-License-Identifier: Apache-2.0
/* Names of messages and feature bits. */
#include <stdbool.h>
#include <stdio.h>

#include "base/compiler.h"
#include "vhost/names.h"
#include "vhost/proto.h"

#define NAME(n) [VHOST_USER_##n] = "VHOST_USER_" #n

static const char *const request_names[] = {
	NAME(GET_FEATURES),
	NAME(SET_FEATURES),
	NAME(SET_OWNER),
	NAME(RESET_OWNER),
	NAME(SET_MEM_TABLE),
	NAME(SET_LOG_BASE),
	NAME(SET_LOG_FD),
	NAME(SET_VRING_NUM),
	NAME(SET_VRING_ADDR),
	NAME(SET_VRING_BASE),
	NAME(GET_VRING_BASE),
	NAME(SET_VRING_KICK),
	NAME(SET_VRING_CALL),
	NAME(SET_VRING_ERR),
	NAME(GET_PROTOCOL_FEATURES),
	NAME(SET_PROTOCOL_FEATURES),
	NAME(GET_QUEUE_NUM),
	NAME(SET_VRING_ENABLE),
	NAME(SEND_RARP),
	NAME(NET_SET_MTU),
	NAME(SET_BACKEND_REQ_FD),
	NAME(IOTLB_MSG),
	NAME(SET_VRING_ENDIAN),
	NAME(GET_CONFIG),
	NAME(SET_CONFIG),
	NAME(CREATE_CRYPTO_SESSION),
	NAME(CLOSE_CRYPTO_SESSION),
	NAME(POSTCOPY_ADVISE),
	NAME(POSTCOPY_LISTEN),
	NAME(POSTCOPY_END),
	NAME(GET_INFLIGHT_FD),
	NAME(SET_INFLIGHT_FD),
	NAME(GPU_SET_SOCKET),
	NAME(RESET_DEVICE),
	NAME(VRING_KICK),
	NAME(GET_MAX_MEM_SLOTS),
	NAME(ADD_MEM_REG),
	NAME(REM_MEM_REG),
	NAME(SET_STATUS),
	NAME(GET_STATUS),
	NAME(GET_SHARED_OBJECT),
	NAME(SET_DEVICE_STATE_FD),
	NAME(CHECK_DEVICE_STATE),
};

#undef NAME
#define NAME(n) [VHOST_USER_PROTOCOL_F_##n] = "VHOST_USER_PROTOCOL_F_" #n

static const char *const protocol_names[64] = {
	NAME(MQ),
	NAME(LOG_SHMFD),
	NAME(RARP),
	NAME(REPLY_ACK),
	NAME(NET_MTU),
	NAME(BACKEND_REQ),
	NAME(CROSS_ENDIAN),
	NAME(CRYPTO_SESSION),
	NAME(PAGEFAULT),
	NAME(CONFIG),
	NAME(BACKEND_SEND_FD),
	NAME(HOST_NOTIFIER),
	NAME(INFLIGHT_SHMFD),
	NAME(RESET_DEVICE),
	NAME(INBAND_NOTIFICATIONS),
	NAME(CONFIGURE_MEM_SLOTS),
	NAME(STATUS),
	NAME(XEN_MMAP),
	NAME(SHARED_OBJECT),
	NAME(DEVICE_STATE),
	NAME(GET_VRING_BASE_INFLIGHT),
};

/* virtio 1.3, 5.1.3 and 6; numbers, because not every kernel's headers know all of them */
static const char *const feature_names[64] = {
	[0] = "VIRTIO_NET_F_CSUM",
	[1] = "VIRTIO_NET_F_GUEST_CSUM",
	[2] = "VIRTIO_NET_F_CTRL_GUEST_OFFLOADS",
	[3] = "VIRTIO_NET_F_MTU",
	[5] = "VIRTIO_NET_F_MAC",
	[6] = "VIRTIO_NET_F_GSO",
	[7] = "VIRTIO_NET_F_GUEST_TSO4",
	[8] = "VIRTIO_NET_F_GUEST_TSO6",
	[9] = "VIRTIO_NET_F_GUEST_ECN",
	[10] = "VIRTIO_NET_F_GUEST_UFO",
	[11] = "VIRTIO_NET_F_HOST_TSO4",
	[12] = "VIRTIO_NET_F_HOST_TSO6",
	[13] = "VIRTIO_NET_F_HOST_ECN",
	[14] = "VIRTIO_NET_F_HOST_UFO",
	[15] = "VIRTIO_NET_F_MRG_RXBUF",
	[16] = "VIRTIO_NET_F_STATUS",
	[17] = "VIRTIO_NET_F_CTRL_VQ",
	[18] = "VIRTIO_NET_F_CTRL_RX",
	[19] = "VIRTIO_NET_F_CTRL_VLAN",
	[20] = "VIRTIO_NET_F_CTRL_RX_EXTRA",
	[21] = "VIRTIO_NET_F_GUEST_ANNOUNCE",
	[22] = "VIRTIO_NET_F_MQ",
	[23] = "VIRTIO_NET_F_CTRL_MAC_ADDR",
	[24] = "VIRTIO_F_NOTIFY_ON_EMPTY",
	[VHOST_USER_F_LOG_ALL] = "VHOST_F_LOG_ALL",
	[27] = "VIRTIO_F_ANY_LAYOUT",
	[28] = "VIRTIO_F_INDIRECT_DESC",
	[29] = "VIRTIO_F_EVENT_IDX",
	[VHOST_USER_F_PROTOCOL_FEATURES] = "VHOST_USER_F_PROTOCOL_FEATURES",
	[32] = "VIRTIO_F_VERSION_1",
	[33] = "VIRTIO_F_ACCESS_PLATFORM",
	[34] = "VIRTIO_F_RING_PACKED",
	[35] = "VIRTIO_F_IN_ORDER",
	[36] = "VIRTIO_F_ORDER_PLATFORM",
	[37] = "VIRTIO_F_SR_IOV",
	[38] = "VIRTIO_F_NOTIFICATION_DATA",
	[39] = "VIRTIO_F_NOTIF_CONFIG_DATA",
	[40] = "VIRTIO_F_RING_RESET",
	[41] = "VIRTIO_F_ADMIN_VQ",
	[50] = "VIRTIO_NET_F_DEVICE_STATS",
	[51] = "VIRTIO_NET_F_HASH_TUNNEL",
	[52] = "VIRTIO_NET_F_VQ_NOTF_COAL",
	[53] = "VIRTIO_NET_F_NOTF_COAL",
	[54] = "VIRTIO_NET_F_GUEST_USO4",
	[55] = "VIRTIO_NET_F_GUEST_USO6",
	[56] = "VIRTIO_NET_F_HOST_USO",
	[57] = "VIRTIO_NET_F_HASH_REPORT",
	[59] = "VIRTIO_NET_F_GUEST_HDRLEN",
	[60] = "VIRTIO_NET_F_RSS",
	[61] = "VIRTIO_NET_F_RSC_EXT",
	[62] = "VIRTIO_NET_F_STANDBY",
	[63] = "VIRTIO_NET_F_SPEED_DUPLEX",
};

static const char *const status_names[64] = {
	[0] = "ACKNOWLEDGE",	    [1] = "DRIVER", [2] = "DRIVER_OK", [3] = "FEATURES_OK",
	[6] = "DEVICE_NEEDS_RESET", [7] = "FAILED",
};

const char *vhost_request_name(uint32_t request)
{
	static __thread char unknown[sizeof("message 4294967295")];

	if (request < ARRAY_SIZE(request_names) && request_names[request])
		return request_names[request];
	snprintf(unknown, sizeof(unknown), "message %u", request);
	return unknown;
}

/* @name, or "bit N" in @text. */
static const char *bit_name(const char *name, unsigned bit, char *text, size_t size)
{
	if (name)
		return name;
	snprintf(text, size, "bit %u", bit);
	return text;
}

static json_t *bits_json(uint64_t bits, const char *const *names)
{
	json_t *array = json_array();
	char text[16];

	for (unsigned bit = 0; array && bit < 64; bit++)
		if (bits >> bit & 1)
			json_array_append_new(
				array, json_string(bit_name(names[bit], bit, text, sizeof(text))));
	return array;
}

static char *bits_text(uint64_t bits, const char *const *names, char *text, size_t size)
{
	char unknown[16];
	size_t len = 0;

	text[0] = '\0';
	for (unsigned bit = 0; bit < 64 && len < size; bit++)
		if (bits >> bit & 1)
			len += snprintf(text + len, size - len, "%s%s", len ? " " : "",
					bit_name(names[bit], bit, unknown, sizeof(unknown)));
	return text;
}

json_t *vhost_features_json(uint64_t features)
{
	return bits_json(features, feature_names);
}

json_t *vhost_protocol_features_json(uint64_t features)
{
	return bits_json(features, protocol_names);
}

json_t *vhost_status_json(uint8_t status)
{
	return bits_json(status, status_names);
}

char *vhost_features_text(uint64_t features, char *text, size_t size)
{
	return bits_text(features, feature_names, text, size);
}

char *vhost_protocol_features_text(uint64_t features, char *text, size_t size)
{
	return bits_text(features, protocol_names, text, size);
}
