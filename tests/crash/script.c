// SPDX-License-Identifier: Apache-2.0
/* A front-end's messages: start-up, a running guest with all that may change under it, a
 * migration's log, stop, reset, and start again.
 */
#include <assert.h>
#include <fcntl.h>
#include <linux/virtio_config.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/compiler.h"
#include "script.h"

#define BIT(n) (1ull << (n))
#define RING 1 /* what the guest sends on */
#define LAST_BASE UINT64_MAX
#define FEATURES UINT64_MAX
#define FEATURES_LOGGED (UINT64_MAX - 1)

#define TELL(request, index, value)                     \
	{                                               \
		SAY, VHOST_USER_##request, index, value \
	}
#define ASK(request)                            \
	{                                       \
		SAY, VHOST_USER_##request, 0, 0 \
	}
#define ADD(n)                 \
	{                      \
		GUEST, 0, n, 0 \
	}
#define DO(action)              \
	{                       \
		action, 0, 0, 0 \
	}
/* A ring that is made to run, from @base on. */
#define RUN(base)                                                                            \
	TELL(SET_VRING_NUM, RING, 8), TELL(SET_VRING_BASE, RING, base), ASK(SET_VRING_ADDR), \
		TELL(SET_VRING_KICK, RING, 0), TELL(SET_VRING_ENABLE, RING, 1)

static const struct line all_lines[] = {
	DO(STARTS),
	DO(CONNECTS),
	ASK(SET_OWNER),
	ASK(GET_FEATURES),
	ASK(GET_PROTOCOL_FEATURES),
	TELL(SET_PROTOCOL_FEATURES, 0, SCRIPT_PROTOCOL),
	ASK(GET_QUEUE_NUM),
	ASK(GET_MAX_MEM_SLOTS),
	ASK(SET_BACKEND_REQ_FD),
	TELL(SET_VRING_CALL, 0, 0),
	TELL(SET_VRING_CALL, RING, 0),
	TELL(SET_VRING_ERR, RING, 0),
	TELL(SET_FEATURES, 0, FEATURES),
	ASK(GET_CONFIG),
	TELL(SET_CONFIG, 0, 7),
	ASK(GET_CONFIG),
	TELL(NET_SET_MTU, 0, 1400),
	TELL(SET_STATUS, 0, 7),
	ASK(SET_MEM_TABLE),
	ASK(ADD_MEM_REG),
	RUN(0),
	ADD(3),
	TELL(SET_STATUS, 0, 15),
	ADD(2),
	DO(RESTART),
	/* all that may change under a ring that runs */
	TELL(SET_VRING_CALL, RING, 0),
	TELL(SET_VRING_KICK, RING, 0),
	ADD(1),
	TELL(SET_VRING_ENABLE, RING, 0),
	ADD(1),
	TELL(SET_VRING_ENABLE, RING, 1),
	ASK(SET_VRING_ADDR),
	ASK(REM_MEM_REG),
	ASK(ADD_MEM_REG),
	ASK(REM_MEM_REG),
	ASK(SET_MEM_TABLE),
	ADD(2),
	TELL(SEND_RARP, 0, 0x0706050403020002),
	ASK(GET_STATUS),
	DO(CHANGES),
	/* a migration's log */
	ASK(SET_LOG_BASE),
	ASK(SET_LOG_FD),
	TELL(SET_FEATURES, 0, FEATURES_LOGGED),
	ADD(2),
	TELL(SET_FEATURES, 0, FEATURES),
	/* a guest that stops and goes on */
	TELL(GET_VRING_BASE, RING, 0),
	TELL(GET_VRING_BASE, RING, 0),
	RUN(LAST_BASE),
	ADD(3),
	DO(RESTART),
	/* one that is reset, and asked then where it was, as QEMU does it */
	TELL(SET_STATUS, 0, 0),
	DO(RESTART),
	TELL(GET_VRING_BASE, RING, 0),
	TELL(SET_FEATURES, 0, FEATURES),
	RUN(LAST_BASE),
	ADD(3),
	/* a ring that its size, or its base, stops */
	TELL(SET_VRING_NUM, RING, 8),
	TELL(GET_VRING_BASE, RING, 0),
	TELL(SET_VRING_KICK, RING, 0),
	ADD(2),
	TELL(GET_VRING_BASE, RING, 0),
	/* regions and transfers, while nothing runs; what is no pipe is refused */
	ASK(GET_INFLIGHT_FD),
	ASK(SET_INFLIGHT_FD),
	ASK(SET_DEVICE_STATE_FD),
	ASK(CHECK_DEVICE_STATE),
	ASK(RESET_DEVICE),
	TELL(GET_VRING_BASE, RING, 0),
	ADD(1),
	TELL(SET_FEATURES, 0, FEATURES),
	RUN(LAST_BASE),
	ASK(RESET_OWNER),
	TELL(SET_VRING_ENABLE, RING, 1),
	ADD(2),
	DO(LEAVES),
	ASK(GET_CONFIG),
	ASK(GET_STATUS),
};

void script_init(struct script *s, uint64_t features, enum action ending)
{
	const struct line end[] = { { ending, VHOST_USER_SET_VRING_NUM, RING, 0 },
				    DO(CLOSES),
				    DO(THE_END) };

	static_assert(ARRAY_SIZE(all_lines) + ARRAY_SIZE(end) <= SCRIPT_MAX, "they fit");
	memset(s, 0, sizeof(*s));
	memcpy(s->lines, all_lines, sizeof(all_lines));
	memcpy(&s->lines[ARRAY_SIZE(all_lines)], end, sizeof(end));
	s->features = features | BIT(VHOST_USER_F_PROTOCOL_FEATURES);
	s->call_fd = eventfd(0, EFD_CLOEXEC);
	s->log_fd = memfd_create("log", MFD_CLOEXEC);
	if (s->call_fd < 0 || ftruncate(s->log_fd, 4096) < 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s->backend_fds) < 0)
		abort();
}

void script_destroy(struct script *s)
{
	close(s->memory_fd);
	close(s->call_fd);
	close(s->log_fd);
	close(s->backend_fds[0]);
	close(s->backend_fds[1]);
}

static void give_fd(struct vhost_message *m, int fd)
{
	m->fds[m->n_fds++] = fd;
}

/* Of the ring and the buffers, or of the page behind them. */
static struct vhost_user_region region(bool more)
{
	uint64_t offset = more ? 2 * 4096 : 0;

	return (struct vhost_user_region){ .guest_addr = SCRIPT_GUEST + offset,
					   .user_addr = SCRIPT_USER + offset,
					   .size = more ? 4096 : 2 * 4096,
					   .mmap_offset = offset };
}

static void make_memory(const struct script *s, struct vhost_message *m)
{
	if (m->header.request == VHOST_USER_SET_MEM_TABLE) {
		m->payload.memory.n_regions = 1;
		m->payload.memory.regions[0] = region(false);
		m->header.size = 40;
	} else {
		m->payload.single.region = region(true);
		m->header.size = 40;
	}
	if (m->header.request != VHOST_USER_REM_MEM_REG)
		give_fd(m, s->memory_fd);
}

static void make_addr(const struct script *s, struct vhost_message *m)
{
	m->payload.addr = (struct vhost_user_vring_addr){
		.index = RING, .desc = s->desc, .avail = s->driver, .used = s->device
	};
	m->header.size = 40;
}

static void make_state(const struct script *s, const struct line *l,
		       const struct vhost_message *last, struct vhost_message *m)
{
	m->payload.state.index = l->index;
	m->payload.state.num = (uint32_t)l->value;
	if (l->request == VHOST_USER_SET_VRING_BASE)
		m->payload.state.num = l->value == LAST_BASE ? last->payload.state.num : s->base;
	m->header.size = 8;
}

static void make_config(const struct line *l, struct vhost_message *m)
{
	m->payload.config = (struct vhost_user_config){ .size = 12, .flags = 1 };
	memset(m->payload.config.data, (int)l->value, 6); /* the address */
	m->header.size = 12 + 12;
}

static void make_inflight(const struct script *s, struct vhost_message *m)
{
	m->payload.inflight = (struct vhost_user_inflight){ .num_queues = 2, .queue_size = 8 };
	m->header.size = sizeof(m->payload.inflight);
	if (m->header.request == VHOST_USER_GET_INFLIGHT_FD)
		return;
	m->payload.inflight.mmap_size = 4096;
	give_fd(m, s->log_fd);
}

static void make_number(const struct script *s, const struct line *l, struct vhost_message *m)
{
	m->payload.u64 = l->value;
	if (l->value == FEATURES)
		m->payload.u64 = s->features;
	if (l->value == FEATURES_LOGGED)
		m->payload.u64 = s->features | BIT(VHOST_USER_F_LOG_ALL);
	m->header.size = 8;
}

static void make_payload(const struct script *s, const struct line *l,
			 const struct vhost_message *last, struct vhost_message *m)
{
	switch (l->request) {
	case VHOST_USER_SET_MEM_TABLE:
	case VHOST_USER_ADD_MEM_REG:
	case VHOST_USER_REM_MEM_REG:
		make_memory(s, m);
		break;
	case VHOST_USER_SET_VRING_NUM:
	case VHOST_USER_SET_VRING_BASE:
	case VHOST_USER_GET_VRING_BASE:
	case VHOST_USER_SET_VRING_ENABLE:
		make_state(s, l, last, m);
		break;
	case VHOST_USER_SET_VRING_ADDR:
		make_addr(s, m);
		break;
	case VHOST_USER_SET_VRING_KICK:
	case VHOST_USER_SET_VRING_CALL:
	case VHOST_USER_SET_VRING_ERR:
		m->payload.u64 = l->index;
		m->header.size = 8;
		give_fd(m, s->call_fd);
		break;
	case VHOST_USER_GET_CONFIG:
	case VHOST_USER_SET_CONFIG:
		make_config(l, m);
		break;
	case VHOST_USER_SET_BACKEND_REQ_FD:
		give_fd(m, s->backend_fds[0]);
		break;
	case VHOST_USER_SET_LOG_BASE:
		m->payload.log.size = 4096;
		m->header.size = 16;
		give_fd(m, s->log_fd);
		break;
	case VHOST_USER_GET_INFLIGHT_FD:
	case VHOST_USER_SET_INFLIGHT_FD:
		make_inflight(s, m);
		break;
	case VHOST_USER_SET_DEVICE_STATE_FD:
		m->header.size = sizeof(m->payload.transfer);
		give_fd(m, s->call_fd);
		break;
	case VHOST_USER_SET_LOG_FD:
		give_fd(m, s->call_fd);
		break;
	case VHOST_USER_SET_FEATURES:
	case VHOST_USER_SET_PROTOCOL_FEATURES:
	case VHOST_USER_NET_SET_MTU:
	case VHOST_USER_SET_STATUS:
	case VHOST_USER_SEND_RARP:
		make_number(s, l, m);
		break;
	default:
		break;
	}
}

void script_message(const struct script *s, unsigned at, const struct vhost_message *last,
		    struct vhost_message *m)
{
	const struct line *l = &s->lines[at];

	memset(m, 0, sizeof(*m));
	m->header.request = l->request;
	if (l->action == SAY)
		m->header.flags = VHOST_USER_FLAG_NEED_REPLY;
	make_payload(s, l, last, m);
}

unsigned script_first(const struct script *s, uint32_t request)
{
	unsigned at = 0;

	while (s->lines[at].action != SAY || s->lines[at].request != request)
		at++;
	return at;
}

const char *script_action_name(enum action action)
{
	static const char *const names[] = { "starts",	"connects", "says",   "guest",
					     "restart", "changes",  "leaves", "hangs up",
					     "goes",	"closes",   "the end" };

	return names[action];
}
