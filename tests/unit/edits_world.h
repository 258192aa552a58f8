/* SPDX-License-Identifier: Apache-2.0 */
/* For test_edits.c: a world of a switch process and what outlives it, and what a front-end may send
 * at random. */
#pragma once

#include "base/compiler.h"
#include "vhost/features.h"
#include "vhost/message.h"
#include "vhost/vring.h"
#include "vhost_peer.h"

#define N_VRINGS 4
#define N_FILES 2
#define FILE_LEN (2u << 20)
#define REGION_LEN (1u << 20)
#define INFLIGHT_LEN (64u << 10)
#define F_MRG BIT(VIRTIO_NET_F_MRG_RXBUF)
#define TRACE_MAX 400
#define JOURNAL_MAX 900 /* 509 regions, 300 ranges of the configuration space, the rest */

/* A process's session, and what outlives the process. */
struct world {
	struct vhost_session *session;
	struct vhost_journal *journal;
	struct ring_state *states;
	int files[N_FILES];
	int inflight_file;
	struct vhost_user_region added[16]; /* with which file, below; may be gone */
	int added_file[16];
	bool many_regions;
	bool asked; /* the front-end, what is offered */
	unsigned seed, n_trace;
	char trace[TRACE_MAX][100]; /* the last messages */
};

static unsigned dice(struct world *w, unsigned n)
{
	return (unsigned)rand_r(&w->seed) % n;
}

static bool maybe(struct world *w, unsigned one_in)
{
	return dice(w, one_in) == 0;
}

static void give_fd(struct vhost_message *m, int fd)
{
	assert_true(fd >= 0);
	m->fds[m->n_fds++] = fd;
}

static void make_region(struct world *w, struct vhost_user_region *r, int *file)
{
	unsigned half = dice(w, 2), small = maybe(w, 6);

	*file = (int)dice(w, 8) ? (int)half : (int)dice(w, N_FILES);
	*r = (struct vhost_user_region){ .guest_addr = MEM_GUEST + half * REGION_LEN,
					 .user_addr = MEM_USER + half * REGION_LEN,
					 .size = REGION_LEN >> small,
					 .mmap_offset = maybe(w, 8) ? 4096 : 0 };
	if (!w->many_regions)
		return;
	r->guest_addr += 4096ull * dice(w, 5000);
	r->size = 4096;
}

static void make_table(struct world *w, struct vhost_message *m)
{
	struct vhost_user_memory *table = &m->payload.memory;
	unsigned n = dice(w, 4);
	int file;

	table->n_regions = n > 2 ? 2 : n;
	for (unsigned i = 0; i < table->n_regions; i++) {
		make_region(w, &table->regions[i], &file);
		if (table->n_regions == 2 && !maybe(w, 8)) {
			table->regions[i].guest_addr = MEM_GUEST + i * REGION_LEN;
			table->regions[i].user_addr = MEM_USER + i * REGION_LEN;
		}
		give_fd(m, dup(w->files[file]));
	}
	m->header.size = 8 + 32 * table->n_regions;
}

/* Regions are added again, and removed as often, more or less. */
static void make_single(struct world *w, struct vhost_message *m, bool add)
{
	unsigned i = dice(w, 4);

	if (!w->added[i].size || maybe(w, 4))
		make_region(w, &w->added[i], &w->added_file[i]);
	m->payload.single.region = w->added[i];
	if (add || maybe(w, 4))
		give_fd(m, dup(w->files[w->added_file[i]]));
	m->header.size = 40;
}

static void make_addr(struct world *w, struct vhost_message *m)
{
	unsigned i = dice(w, N_VRINGS);
	uint64_t at = MEM_USER + (dice(w, 4) ? 0 : REGION_LEN) + (2 * i + dice(w, 2)) * 0x8000u;

	m->payload.addr = (struct vhost_user_vring_addr){ .index = i,
							  .desc = at + (maybe(w, 12) ? 1 : 0),
							  .avail = at + 0x2000,
							  .used = at + 0x4000 };
	m->header.size = 40;
}

static void make_state(struct world *w, struct vhost_message *m, uint32_t num)
{
	m->payload.state.index = dice(w, 40) ? dice(w, N_VRINGS) : N_VRINGS;
	m->payload.state.num = num;
	m->header.size = 8;
}

static void make_fd(struct world *w, struct vhost_message *m)
{
	m->payload.u64 = dice(w, N_VRINGS);
	m->header.size = 8;
	if (maybe(w, 4))
		m->payload.u64 |= VHOST_USER_VRING_NOFD;
	else
		give_fd(m, eventfd(0, EFD_CLOEXEC));
}

static void make_config(struct world *w, struct vhost_message *m)
{
	struct vhost_user_config *c = &m->payload.config;

	c->offset = dice(w, 12) ? dice(w, 28) : dice(w, 300);
	c->size = dice(w, 20);
	c->flags = dice(w, 8) != 0;
	for (unsigned i = 0; i < c->size; i++)
		c->data[i] = (uint8_t)dice(w, 256);
	m->header.size = 12 + c->size;
}

/* For all rings of up to 256 entries, and sometimes not. */
static void make_inflight(struct world *w, struct vhost_message *m)
{
	m->payload.inflight.mmap_size = INFLIGHT_LEN;
	m->payload.inflight.num_queues = maybe(w, 8) ? 2 : N_VRINGS;
	m->payload.inflight.queue_size = maybe(w, 8) ? 16 : 256;
	m->header.size = sizeof(m->payload.inflight);
	give_fd(m, dup(w->inflight_file));
}

static void make_backend_fd(struct vhost_message *m)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	close(pair[1]);
	give_fd(m, pair[0]);
}

static uint64_t some_features(struct world *w)
{
	static const uint64_t bits[] = { F_MRG, F_PACKED, BIT(VIRTIO_NET_F_MQ) };
	uint64_t features = F_V1;

	features |= maybe(w, 4) ? 0 : F_EXTENDED;
	for (unsigned i = 0; i < ARRAY_SIZE(bits); i++)
		if (!maybe(w, i == 2 ? 1 : 2) || maybe(w, 20))
			features |= bits[i];
	return features;
}

static uint32_t some_size(struct world *w)
{
	static const uint32_t sizes[] = { 8, 16, 256, 256, 256, 3, 0, 1u << 16 };

	return sizes[dice(w, ARRAY_SIZE(sizes))];
}

static uint32_t some_base(struct world *w)
{
	static const uint32_t bases[] = { 0, 1, 0x8000, 0x80008000, 0x80018001, 7 };

	return bases[dice(w, ARRAY_SIZE(bases))];
}

static void make_message(struct world *w, struct vhost_message *m)
{
	static const uint32_t requests[] = {
		VHOST_USER_SET_FEATURES,     VHOST_USER_SET_FEATURES,
		VHOST_USER_SET_MEM_TABLE,    VHOST_USER_SET_MEM_TABLE,
		VHOST_USER_ADD_MEM_REG,	     VHOST_USER_ADD_MEM_REG,
		VHOST_USER_REM_MEM_REG,	     VHOST_USER_SET_VRING_NUM,
		VHOST_USER_SET_VRING_NUM,    VHOST_USER_SET_VRING_ADDR,
		VHOST_USER_SET_VRING_ADDR,   VHOST_USER_SET_VRING_ADDR,
		VHOST_USER_SET_VRING_BASE,   VHOST_USER_GET_VRING_BASE,
		VHOST_USER_SET_VRING_KICK,   VHOST_USER_SET_VRING_KICK,
		VHOST_USER_SET_VRING_KICK,   VHOST_USER_SET_VRING_CALL,
		VHOST_USER_SET_VRING_ERR,    VHOST_USER_SET_VRING_ENABLE,
		VHOST_USER_SET_VRING_ENABLE, VHOST_USER_SET_STATUS,
		VHOST_USER_RESET_DEVICE,     VHOST_USER_RESET_OWNER,
		VHOST_USER_SET_OWNER,	     VHOST_USER_SET_PROTOCOL_FEATURES,
		VHOST_USER_NET_SET_MTU,	     VHOST_USER_SET_CONFIG,
		VHOST_USER_GET_FEATURES,     VHOST_USER_SET_BACKEND_REQ_FD,
		VHOST_USER_SET_INFLIGHT_FD,
	};

	memset(m, 0, sizeof(*m));
	m->header = (struct vhost_user_header){ requests[dice(w, ARRAY_SIZE(requests))],
						VHOST_USER_VERSION, 0 };
	switch (m->header.request) {
	case VHOST_USER_SET_MEM_TABLE:
		make_table(w, m);
		return;
	case VHOST_USER_ADD_MEM_REG:
	case VHOST_USER_REM_MEM_REG:
		make_single(w, m, m->header.request == VHOST_USER_ADD_MEM_REG);
		return;
	case VHOST_USER_SET_VRING_NUM:
		make_state(w, m, some_size(w));
		return;
	case VHOST_USER_SET_VRING_BASE:
	case VHOST_USER_GET_VRING_BASE:
		make_state(w, m, some_base(w));
		return;
	case VHOST_USER_SET_VRING_ENABLE:
		make_state(w, m, dice(w, 3) != 0);
		return;
	case VHOST_USER_SET_VRING_ADDR:
		make_addr(w, m);
		return;
	case VHOST_USER_SET_VRING_KICK:
	case VHOST_USER_SET_VRING_CALL:
	case VHOST_USER_SET_VRING_ERR:
		make_fd(w, m);
		return;
	case VHOST_USER_SET_CONFIG:
		make_config(w, m);
		return;
	case VHOST_USER_SET_BACKEND_REQ_FD:
		make_backend_fd(m);
		return;
	case VHOST_USER_SET_INFLIGHT_FD:
		make_inflight(w, m);
		return;
	case VHOST_USER_SET_FEATURES:
		m->payload.u64 = some_features(w);
		break;
	case VHOST_USER_SET_PROTOCOL_FEATURES:
		m->payload.u64 = ALL_PROTOCOL;
		if (maybe(w, 8))
			m->payload.u64 &= ~BIT(VHOST_USER_PROTOCOL_F_STATUS);
		break;
	case VHOST_USER_NET_SET_MTU:
		m->payload.u64 = 1000 + dice(w, 3);
		break;
	case VHOST_USER_SET_STATUS:
		m->payload.u64 = dice(w, 16);
		break;
	default:
		return;
	}
	m->header.size = 8;
}
