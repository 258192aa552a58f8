/* SPDX-License-Identifier: Apache-2.0 */
/* What a vhost-user front-end sends, made from an input: messages as the specification has them,
 * about memory and rings that are there, and the same with a few bytes changed; and any bytes.
 */
#pragma once

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>

#include "descriptors.h"
#include "vhost/channel.h"
#include "vhost/proto.h"

#define N_VRINGS 4
#define GUEST_ADDR 0x100000ull		  /* guest-physical, of the memory of FD_GUEST */
#define GUEST_USER_ADDR 0x7f0000000000ull /* in the front-end */
#define RING_STRIDE 0x4000u		  /* ring i lies at i * this in memory, with its parts: */
#define RING_DRIVER 0x2000u
#define RING_DEVICE 0x3000u
#define BUFFERS (N_VRINGS * RING_STRIDE) /* what is not rings, in memory */

#define F_BIT(n) (1ull << (n))
#define ALL_PROTOCOL 0x9b23full /* protocol features that the device knows */
#define OFFERED                                                                               \
	(F_BIT(VIRTIO_F_VERSION_1) | F_BIT(VIRTIO_F_RING_PACKED) | F_BIT(VIRTIO_F_IN_ORDER) | \
	 F_BIT(VIRTIO_RING_F_EVENT_IDX) | F_BIT(VIRTIO_RING_F_INDIRECT_DESC) |                \
	 F_BIT(VIRTIO_NET_F_MRG_RXBUF) | F_BIT(VIRTIO_NET_F_MQ) | F_BIT(VHOST_USER_F_LOG_ALL))

static inline void message_init(struct vhost_message *m, uint32_t request, size_t size)
{
	memset(m, 0, sizeof(*m));
	m->header = (struct vhost_user_header){ request, VHOST_USER_VERSION, (uint32_t)size };
}

static inline void message_fd(struct vhost_message *m, int fd)
{
	if (m->n_fds < VHOST_USER_FDS_MAX)
		m->fds[m->n_fds++] = fd;
}

static inline void message_u64(struct vhost_message *m, uint32_t request, uint64_t value)
{
	message_init(m, request, sizeof(value));
	m->payload.u64 = value;
}

static inline void message_state(struct vhost_message *m, uint32_t request, uint32_t index,
				 uint32_t num)
{
	message_init(m, request, sizeof(m->payload.state));
	m->payload.state = (struct vhost_user_vring_state){ index, num };
}

/* Memory as one region, one half of it, or one page. */
static inline struct vhost_user_region take_region(struct input *in)
{
	unsigned choice = take_choice(in, 32);
	uint64_t half = GUEST_LEN / 2, at = choice == 2 ? half : 0;

	if (choice >= 8) {
		at = choice * 4096;
		return (struct vhost_user_region){ GUEST_ADDR + at, 4096, GUEST_USER_ADDR + at,
						   at };
	}
	return (struct vhost_user_region){ GUEST_ADDR + at, choice ? half : GUEST_LEN,
					   GUEST_USER_ADDR + at, choice == 3 ? half : at };
}

static inline void make_table(struct input *in, struct vhost_message *m)
{
	unsigned n = take_choice(in, 3);

	message_init(m, VHOST_USER_SET_MEM_TABLE, 8 + n * sizeof(struct vhost_user_region));
	m->payload.memory.n_regions = n;
	for (unsigned i = 0; i < n; i++) {
		m->payload.memory.regions[i] = take_region(in);
		message_fd(m, fds_of_kind[FD_GUEST]);
	}
}

static inline void make_single(struct input *in, struct vhost_message *m)
{
	bool add = take_choice(in, 2);

	message_init(m, add ? VHOST_USER_ADD_MEM_REG : VHOST_USER_REM_MEM_REG,
		     sizeof(m->payload.single));
	m->payload.single.region = take_region(in);
	if (add)
		message_fd(m, fds_of_kind[FD_GUEST]);
}

static inline void make_addr(struct vhost_message *m, unsigned index)
{
	uint64_t at = GUEST_USER_ADDR + index * RING_STRIDE;

	message_init(m, VHOST_USER_SET_VRING_ADDR, sizeof(m->payload.addr));
	m->payload.addr = (struct vhost_user_vring_addr){
		.index = index, .desc = at, .avail = at + RING_DRIVER, .used = at + RING_DEVICE
	};
}

static inline void make_ring_fd(struct vhost_message *m, uint32_t request, unsigned index, int fd)
{
	message_u64(m, request, index);
	message_fd(m, fd);
}

/* All that is said of rings. */
static inline void make_vring(struct input *in, struct vhost_message *m)
{
	static const uint32_t bases[] = { 0, 1, 0x8000, 0x80008000, 0x80018001, 0xffff };
	static const uint32_t fd_requests[] = { VHOST_USER_SET_VRING_KICK,
						VHOST_USER_SET_VRING_CALL,
						VHOST_USER_SET_VRING_ERR };
	unsigned index = take_choice(in, N_VRINGS);

	switch (take_choice(in, 6)) {
	case 0:
		message_state(m, VHOST_USER_SET_VRING_NUM, index, 1u << take_choice(in, 9));
		break;
	case 1:
		make_addr(m, index);
		break;
	case 2:
		message_state(m, VHOST_USER_SET_VRING_BASE, index,
			      bases[take_choice(in, ARRAY_SIZE(bases))]);
		break;
	case 3:
		message_state(m, VHOST_USER_GET_VRING_BASE, index, 0);
		break;
	case 4:
		make_ring_fd(m, fd_requests[take_choice(in, ARRAY_SIZE(fd_requests))], index,
			     take_choice(in, 4) ? fds_of_kind[FD_EVENT] : take_fd(in));
		break;
	default:
		message_state(m, VHOST_USER_SET_VRING_ENABLE, index, take_choice(in, 2));
	}
}

static inline void make_features(struct input *in, struct vhost_message *m)
{
	static const unsigned bits[] = { VIRTIO_F_VERSION_1,   VHOST_USER_F_PROTOCOL_FEATURES,
					 VIRTIO_F_RING_PACKED, VIRTIO_RING_F_EVENT_IDX,
					 VIRTIO_F_IN_ORDER,    VIRTIO_RING_F_INDIRECT_DESC,
					 VHOST_USER_F_LOG_ALL, VIRTIO_NET_F_MQ };
	unsigned leave_out = take_choice(in, 256);
	uint64_t features = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(bits); i++)
		if (!(leave_out >> i & 1))
			features |= F_BIT(bits[i]);
	message_u64(m, VHOST_USER_SET_FEATURES, features);
}

/* A log that may be good. */
static inline void make_log(struct input *in, struct vhost_message *m)
{
	message_init(m, VHOST_USER_SET_LOG_BASE, sizeof(m->payload.log));
	m->payload.log.size = (GUEST_ADDR + GUEST_LEN) / 4096 / 8 - take_choice(in, 2);
	m->payload.log.offset = take_number(in, 1);
	message_fd(m, fds_of_kind[take_choice(in, 2) ? FD_GUEST : FD_PAGE]);
}

static inline void make_config(struct input *in, struct vhost_message *m)
{
	struct vhost_user_config *c = &m->payload.config;

	message_init(m, take_choice(in, 2) ? VHOST_USER_SET_CONFIG : VHOST_USER_GET_CONFIG, 0);
	c->offset = take_choice(in, 64);
	c->size = take_choice(in, 64);
	c->flags = take_choice(in, 2);
	take_bytes(in, c->data, c->size);
	m->header.size = 12 + c->size;
}

static inline void make_inflight(struct input *in, struct vhost_message *m)
{
	bool set = take_choice(in, 2);

	message_init(m, set ? VHOST_USER_SET_INFLIGHT_FD : VHOST_USER_GET_INFLIGHT_FD,
		     sizeof(m->payload.inflight));
	m->payload.inflight.num_queues = (uint16_t)(1 + take_choice(in, N_VRINGS));
	m->payload.inflight.queue_size = (uint16_t)(1u << take_choice(in, 9));
	if (!set)
		return;
	m->payload.inflight.mmap_size = GUEST_LEN / 2;
	m->payload.inflight.mmap_offset = GUEST_LEN / 2;
	message_fd(m, fds_of_kind[FD_GUEST]);
}

/* What has no more to it than a number, or nothing. */
static inline void make_plain(struct input *in, struct vhost_message *m)
{
	static const struct {
		uint32_t request;
		uint32_t size;
		int fd; /* its kind; -1: none */
	} plain[] = {
		{ VHOST_USER_GET_FEATURES, 0, -1 },
		{ VHOST_USER_SET_OWNER, 0, -1 },
		{ VHOST_USER_RESET_OWNER, 0, -1 },
		{ VHOST_USER_SET_LOG_FD, 0, FD_EVENT },
		{ VHOST_USER_GET_PROTOCOL_FEATURES, 0, -1 },
		{ VHOST_USER_GET_QUEUE_NUM, 0, -1 },
		{ VHOST_USER_SEND_RARP, 8, -1 },
		{ VHOST_USER_NET_SET_MTU, 8, -1 },
		{ VHOST_USER_SET_BACKEND_REQ_FD, 0, FD_SOCKET },
		{ VHOST_USER_RESET_DEVICE, 0, -1 },
		{ VHOST_USER_GET_MAX_MEM_SLOTS, 0, -1 },
		{ VHOST_USER_SET_STATUS, 8, -1 },
		{ VHOST_USER_GET_STATUS, 0, -1 },
		{ VHOST_USER_CHECK_DEVICE_STATE, 0, -1 },
	};
	unsigned i = take_choice(in, ARRAY_SIZE(plain));

	message_init(m, plain[i].request, plain[i].size);
	if (plain[i].size)
		m->payload.u64 = take_number(in, 2);
	if (plain[i].fd >= 0)
		message_fd(m, fds_of_kind[plain[i].fd]);
}

static inline void make_any(struct input *in, struct vhost_message *m)
{
	size_t size = take_number(in, 1);
	unsigned n;

	message_init(m, take_choice(in, 48), size > 250 ? 1000 + 4 * (size - 250) : size);
	n = take_choice(in, VHOST_USER_FDS_MAX + 1);
	while (n--)
		message_fd(m, take_fd(in));
	take_bytes(in, m->payload.bytes, m->header.size);
}

/* One message. Its fds stay where they are: who hands them on makes others of them. */
static inline void make_message(struct input *in, struct vhost_message *m)
{
	unsigned choice = take_choice(in, 16);
	size_t len;

	switch (choice) {
	case 0:
	case 1:
		make_table(in, m);
		break;
	case 2:
		make_single(in, m);
		break;
	case 3:
	case 4:
	case 5:
		make_vring(in, m);
		break;
	case 6:
	case 7:
		make_features(in, m);
		break;
	case 8:
		message_u64(m, VHOST_USER_SET_PROTOCOL_FEATURES,
			    ALL_PROTOCOL & ~take_number(in, 1));
		break;
	case 9:
		make_log(in, m);
		break;
	case 10:
		make_config(in, m);
		break;
	case 11:
		make_inflight(in, m);
		break;
	case 12:
	case 13:
		make_plain(in, m);
		break;
	default:
		make_any(in, m);
	}
	if (take_choice(in, 2))
		m->header.flags |= VHOST_USER_FLAG_NEED_REPLY;
	len = min((size_t)m->header.size, sizeof(m->payload));
	if (len)
		take_damage(in, m->payload.bytes, len, 3);
}
