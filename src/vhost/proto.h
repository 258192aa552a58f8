/* SPDX-License-Identifier: Apache-2.0 */
/* The vhost-user wire format, as both sides need it (vhost-user specification, "Message
 * Specification"). All numbers are in the machine's byte order. Names are the specification's.
 */
#pragma once

#include <stdint.h>

/* Of header.flags, and limits. */
#define VHOST_USER_VERSION 1u	       /* in the lowest two bits */
#define VHOST_USER_VERSION_MASK 3u     /* of header.flags */
#define VHOST_USER_FLAG_REPLY 4u       /* on every reply */
#define VHOST_USER_FLAG_NEED_REPLY 8u  /* asks for a reply; needs REPLY_ACK */
#define VHOST_USER_FDS_MAX 8	       /* file descriptors with one message */
#define VHOST_USER_TABLE_REGIONS_MAX 8 /* memory regions in one SET_MEM_TABLE */
#define VHOST_USER_CONFIG_MAX 256      /* bytes of configuration space in one message */
#define VHOST_USER_PAYLOAD_MAX 1024    /* bytes; the specification's largest payload is 268 */

/* Virtio feature bit 30: the back-end has protocol features. */
#define VHOST_USER_F_PROTOCOL_FEATURES 30

/* Bit 26: log guest memory writes, for live migration. */
#define VHOST_USER_F_LOG_ALL 26

/* Protocol feature bits ("Protocol features"). */
enum vhost_user_protocol_feature {
	VHOST_USER_PROTOCOL_F_MQ = 0,
	VHOST_USER_PROTOCOL_F_LOG_SHMFD = 1,
	VHOST_USER_PROTOCOL_F_RARP = 2,
	VHOST_USER_PROTOCOL_F_REPLY_ACK = 3,
	VHOST_USER_PROTOCOL_F_NET_MTU = 4,
	VHOST_USER_PROTOCOL_F_BACKEND_REQ = 5,
	VHOST_USER_PROTOCOL_F_CROSS_ENDIAN = 6,
	VHOST_USER_PROTOCOL_F_CRYPTO_SESSION = 7,
	VHOST_USER_PROTOCOL_F_PAGEFAULT = 8,
	VHOST_USER_PROTOCOL_F_CONFIG = 9,
	VHOST_USER_PROTOCOL_F_BACKEND_SEND_FD = 10,
	VHOST_USER_PROTOCOL_F_HOST_NOTIFIER = 11,
	VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD = 12,
	VHOST_USER_PROTOCOL_F_RESET_DEVICE = 13,
	VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS = 14,
	VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS = 15,
	VHOST_USER_PROTOCOL_F_STATUS = 16,
	VHOST_USER_PROTOCOL_F_XEN_MMAP = 17,
	VHOST_USER_PROTOCOL_F_SHARED_OBJECT = 18,
	VHOST_USER_PROTOCOL_F_DEVICE_STATE = 19,
	VHOST_USER_PROTOCOL_F_GET_VRING_BASE_INFLIGHT = 20,
};

/* header.request of what the front-end sends ("Front-end message types"). */
enum vhost_user_request {
	VHOST_USER_GET_FEATURES = 1,
	VHOST_USER_SET_FEATURES = 2,
	VHOST_USER_SET_OWNER = 3,
	VHOST_USER_RESET_OWNER = 4,
	VHOST_USER_SET_MEM_TABLE = 5,
	VHOST_USER_SET_LOG_BASE = 6,
	VHOST_USER_SET_LOG_FD = 7,
	VHOST_USER_SET_VRING_NUM = 8,
	VHOST_USER_SET_VRING_ADDR = 9,
	VHOST_USER_SET_VRING_BASE = 10,
	VHOST_USER_GET_VRING_BASE = 11,
	VHOST_USER_SET_VRING_KICK = 12,
	VHOST_USER_SET_VRING_CALL = 13,
	VHOST_USER_SET_VRING_ERR = 14,
	VHOST_USER_GET_PROTOCOL_FEATURES = 15,
	VHOST_USER_SET_PROTOCOL_FEATURES = 16,
	VHOST_USER_GET_QUEUE_NUM = 17,
	VHOST_USER_SET_VRING_ENABLE = 18,
	VHOST_USER_SEND_RARP = 19,
	VHOST_USER_NET_SET_MTU = 20,
	VHOST_USER_SET_BACKEND_REQ_FD = 21,
	VHOST_USER_IOTLB_MSG = 22,
	VHOST_USER_SET_VRING_ENDIAN = 23,
	VHOST_USER_GET_CONFIG = 24,
	VHOST_USER_SET_CONFIG = 25,
	VHOST_USER_CREATE_CRYPTO_SESSION = 26,
	VHOST_USER_CLOSE_CRYPTO_SESSION = 27,
	VHOST_USER_POSTCOPY_ADVISE = 28,
	VHOST_USER_POSTCOPY_LISTEN = 29,
	VHOST_USER_POSTCOPY_END = 30,
	VHOST_USER_GET_INFLIGHT_FD = 31,
	VHOST_USER_SET_INFLIGHT_FD = 32,
	VHOST_USER_GPU_SET_SOCKET = 33,
	VHOST_USER_RESET_DEVICE = 34,
	VHOST_USER_VRING_KICK = 35,
	VHOST_USER_GET_MAX_MEM_SLOTS = 36,
	VHOST_USER_ADD_MEM_REG = 37,
	VHOST_USER_REM_MEM_REG = 38,
	VHOST_USER_SET_STATUS = 39,
	VHOST_USER_GET_STATUS = 40,
	VHOST_USER_GET_SHARED_OBJECT = 41,
	VHOST_USER_SET_DEVICE_STATE_FD = 42,
	VHOST_USER_CHECK_DEVICE_STATE = 43,
};

/* header.request of what the back-end sends over the socket that SET_BACKEND_REQ_FD brought
 * ("Back-end message types").
 */
enum vhost_user_backend_request {
	VHOST_USER_BACKEND_IOTLB_MSG = 1,
	VHOST_USER_BACKEND_CONFIG_CHANGE_MSG = 2,
	VHOST_USER_BACKEND_VRING_HOST_NOTIFIER_MSG = 3,
	VHOST_USER_BACKEND_VRING_CALL = 4,
	VHOST_USER_BACKEND_VRING_ERR = 5,
	VHOST_USER_BACKEND_SHARED_OBJECT_ADD = 6,
	VHOST_USER_BACKEND_SHARED_OBJECT_REMOVE = 7,
	VHOST_USER_BACKEND_SHARED_OBJECT_LOOKUP = 8,
};

/* Of the u64 of SET_VRING_KICK, _CALL and _ERR. */
#define VHOST_USER_VRING_INDEX_MASK 0xffu
#define VHOST_USER_VRING_NOFD 0x100u /* no file descriptor comes with it: polling */

struct vhost_user_header {
	uint32_t request;
	uint32_t flags; /* VHOST_USER_VERSION and VHOST_USER_FLAG_* */
	uint32_t size;	/* bytes of payload that follow */
};

/* SET_VRING_NUM, SET_VRING_BASE, GET_VRING_BASE, SET_VRING_ENABLE */
struct vhost_user_vring_state {
	uint32_t index;
	uint32_t num;
};

/* SET_VRING_ADDR; front-end virtual addresses */
struct vhost_user_vring_addr {
	uint32_t index;
	uint32_t flags;
	uint64_t desc;
	uint64_t used;	/* device area */
	uint64_t avail; /* driver area */
	uint64_t log;	/* guest address of the used ring, for the dirty log */
};

/* A memory region; all in bytes */
struct vhost_user_region {
	uint64_t guest_addr;
	uint64_t size;
	uint64_t user_addr;
	uint64_t mmap_offset;
};

/* SET_MEM_TABLE; the payload is as long as n_regions says, or whole */
struct vhost_user_memory {
	uint32_t n_regions;
	uint32_t padding;
	struct vhost_user_region regions[VHOST_USER_TABLE_REGIONS_MAX];
};

/* ADD_MEM_REG, REM_MEM_REG */
struct vhost_user_single_region {
	uint64_t padding;
	struct vhost_user_region region;
};

/* SET_LOG_BASE; both in bytes */
struct vhost_user_log {
	uint64_t size;
	uint64_t offset; /* in the file, where the bit of guest address 0 is */
};

/* GET_INFLIGHT_FD, SET_INFLIGHT_FD */
struct vhost_user_inflight {
	uint64_t mmap_size;   /* bytes */
	uint64_t mmap_offset; /* in the file */
	uint16_t num_queues;
	uint16_t queue_size; /* entries */
	uint32_t padding;    /* not specified; front-ends send and expect it */
};

/* SET_DEVICE_STATE_FD ("Device state transfer parameters") */
struct vhost_user_transfer {
	uint32_t direction; /* VHOST_USER_TRANSFER_SAVE or _LOAD */
	uint32_t phase;	    /* VHOST_USER_TRANSFER_STOPPED */
};

/* From back-end to front-end, and the other way. */
enum { VHOST_USER_TRANSFER_SAVE = 0, VHOST_USER_TRANSFER_LOAD = 1 };

/* The only phase: all rings are stopped. */
enum { VHOST_USER_TRANSFER_STOPPED = 0 };

/* Of its answer: no other fd comes with it; the lowest 8 bits are 0 or an error. */
#define VHOST_USER_TRANSFER_NO_FD 0x100u

/* GET_CONFIG, SET_CONFIG; @size bytes follow in @data */
struct vhost_user_config {
	uint32_t offset;
	uint32_t size;
	uint32_t flags; /* 0: written by the guest, 1: live migration */
	uint8_t data[VHOST_USER_CONFIG_MAX];
};

/* What follows a header */
union vhost_user_payload {
	uint64_t u64;
	struct vhost_user_vring_state state;
	struct vhost_user_vring_addr addr;
	struct vhost_user_memory memory;
	struct vhost_user_single_region single;
	struct vhost_user_log log;
	struct vhost_user_inflight inflight;
	struct vhost_user_transfer transfer;
	struct vhost_user_config config;
	uint8_t bytes[VHOST_USER_PAYLOAD_MAX];
};

_Static_assert(sizeof(struct vhost_user_header) == 12, "header");
_Static_assert(sizeof(struct vhost_user_vring_addr) == 40, "vring address");
_Static_assert(sizeof(struct vhost_user_region) == 32, "memory region");
_Static_assert(sizeof(struct vhost_user_memory) == 8 + 8 * 32, "memory table");
_Static_assert(sizeof(struct vhost_user_single_region) == 40, "single region");
_Static_assert(sizeof(struct vhost_user_log) == 16, "log");
_Static_assert(sizeof(struct vhost_user_inflight) == 24, "inflight description");
_Static_assert(sizeof(struct vhost_user_config) == 12 + 256, "configuration space");
