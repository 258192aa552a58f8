// SPDX-License-Identifier: Apache-2.0
/* Right messages at the wrong time: every two of them, one after the other, on running rings, with
 * traffic behind each. Whatever the rings are then, a front-end that sets them up anew on the same
 * connection is served.
 */
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <string.h>

#include "hostile/stage.h"

#define FEATURES (1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_NET_F_MRG_RXBUF)
#define N_BUFFERS 8

static void state(struct stage *s, uint32_t request, unsigned queue, uint32_t num)
{
	raw_vring_state(&s->rogue.raw, request, queue, num);
}

static void disable(struct stage *s, unsigned queue)
{
	state(s, VHOST_USER_SET_VRING_ENABLE, queue, 0);
}

static void enable(struct stage *s, unsigned queue)
{
	state(s, VHOST_USER_SET_VRING_ENABLE, queue, 1);
}

static void get_base(struct stage *s, unsigned queue)
{
	state(s, VHOST_USER_GET_VRING_BASE, queue, 0);
}

static void base_0(struct stage *s, unsigned queue)
{
	state(s, VHOST_USER_SET_VRING_BASE, queue, 0);
}

static void base_17(struct stage *s, unsigned queue)
{
	state(s, VHOST_USER_SET_VRING_BASE, queue, 17);
}

static void num_same(struct stage *s, unsigned queue)
{
	state(s, VHOST_USER_SET_VRING_NUM, queue, ROGUE_RING);
}

static void num_half(struct stage *s, unsigned queue)
{
	state(s, VHOST_USER_SET_VRING_NUM, queue, ROGUE_RING / 2);
}

static void addr_same(struct stage *s, unsigned queue)
{
	rogue_send_addr(&s->rogue, queue, queue);
}

static void addr_of_other(struct stage *s, unsigned queue)
{
	rogue_send_addr(&s->rogue, queue, 1 - queue);
}

static void addr_nowhere(struct stage *s, unsigned queue)
{
	rogue_send_addr(&s->rogue, queue, 0x10000);
}

static void kick(struct stage *s, unsigned queue)
{
	rogue_send_fd(&s->rogue, VHOST_USER_SET_VRING_KICK, queue, s->rogue.raw.event_fds[1]);
}

static void kick_none(struct stage *s, unsigned queue)
{
	raw_u64(&s->rogue.raw, VHOST_USER_SET_VRING_KICK, queue | VHOST_USER_VRING_NOFD);
}

static void call_none(struct stage *s, unsigned queue)
{
	raw_u64(&s->rogue.raw, VHOST_USER_SET_VRING_CALL, queue | VHOST_USER_VRING_NOFD);
}

static void reset_owner(struct stage *s, unsigned queue)
{
	raw_send(&s->rogue.raw, VHOST_USER_RESET_OWNER, VHOST_USER_VERSION, 0, NULL, 0, NULL, 0);
}

static void reset_device(struct stage *s, unsigned queue)
{
	raw_send(&s->rogue.raw, VHOST_USER_RESET_DEVICE, VHOST_USER_VERSION, 0, NULL, 0, NULL, 0);
}

static void status_0(struct stage *s, unsigned queue)
{
	raw_u64(&s->rogue.raw, VHOST_USER_SET_STATUS, 0);
}

static void features_same(struct stage *s, unsigned queue)
{
	raw_u64(&s->rogue.raw, VHOST_USER_SET_FEATURES, s->rogue.config.features);
}

static void features_other_layout(struct stage *s, unsigned queue)
{
	raw_u64(&s->rogue.raw, VHOST_USER_SET_FEATURES,
		s->rogue.config.features ^ 1ull << VIRTIO_F_RING_PACKED);
}

static void features_none(struct stage *s, unsigned queue)
{
	raw_u64(&s->rogue.raw, VHOST_USER_SET_FEATURES, 1ull << VHOST_USER_F_PROTOCOL_FEATURES);
}

static void table_same(struct stage *s, unsigned queue)
{
	rogue_send_table(&s->rogue);
}

static void table_empty(struct stage *s, unsigned queue)
{
	uint64_t none = 0;

	raw_send(&s->rogue.raw, VHOST_USER_SET_MEM_TABLE, VHOST_USER_VERSION, 8, &none, 8, NULL, 0);
}

static void remove_region(struct stage *s, unsigned i)
{
	struct vhost_user_region region = { s->rogue.regions[i].addr, s->rogue.regions[i].size,
					    s->rogue.regions[i].addr + ROGUE_USER, ROGUE_EDGE };

	raw_region(&s->rogue.raw, VHOST_USER_REM_MEM_REG, &region, -1);
}

static void remove_buffers(struct stage *s, unsigned queue)
{
	remove_region(s, ROGUE_FAR);
}

static void remove_rings(struct stage *s, unsigned queue)
{
	remove_region(s, ROGUE_RINGS);
}

static const struct step {
	const char *name;
	void (*take)(struct stage *, unsigned queue);
	bool once; /* the second time there is nothing to be done: the connection is closed */
	bool takes_memory; /* all of it */
} steps[] = {
	{ "disable", disable, false, false },
	{ "enable", enable, false, false },
	{ "get-base", get_base, false, false },
	{ "base-0", base_0, false, false },
	{ "base-17", base_17, false, false },
	{ "num-same", num_same, false, false },
	{ "num-half", num_half, false, false },
	{ "addr-same", addr_same, false, false },
	{ "addr-of-other", addr_of_other, false, false },
	{ "addr-nowhere", addr_nowhere, false, false },
	{ "kick", kick, false, false },
	{ "kick-none", kick_none, false, false },
	{ "call-none", call_none, false, false },
	{ "reset-owner", reset_owner, false, false },
	{ "reset-device", reset_device, false, false },
	{ "status-0", status_0, false, false },
	{ "features-same", features_same, false, false },
	{ "features-other-layout", features_other_layout, false, false },
	{ "features-none", features_none, false, false },
	{ "table-same", table_same, false, false },
	{ "table-empty", table_empty, false, true },
	{ "remove-buffers", remove_buffers, true, false },
	{ "remove-rings", remove_rings, true, false },
};

/* A frame each way, whatever becomes of it. */
static void traffic(struct stage *s)
{
	struct rogue *r = &s->rogue;
	struct vring_desc out = { STAGE_GOOD, 100, 0, 0 };
	struct vring_desc in = { STAGE_GOOD_RX, 512, VRING_DESC_F_WRITE, 0 };
	struct rogue_buffer at = { STAGE_GOOD, 100, false };
	uint8_t head[64];

	rogue_write(r, &at, 1, 0, head, stage_head(s, head));
	rogue_put(r, ROGUE_TX, STAGE_GOOD_SLOT, &out, 1);
	rogue_show(r, ROGUE_TX);
	rogue_put(r, ROGUE_RX, STAGE_GOOD_SLOT, &in, 1);
	rogue_show(r, ROGUE_RX);
	world_peer_turn(s->world, 1);
}

/* A new frame is received, maybe behind some that have waited in the switch. */
static void expect_receives(struct stage *s)
{
	uint8_t frame[STAGE_FRAME_LEN], *got;
	struct rogue_buffer list[N_BUFFERS];
	uint32_t id, len;

	stage_good_list(list, N_BUFFERS, 512, ROGUE_RX);
	for (unsigned i = 0; i < N_BUFFERS; i++) {
		struct vring_desc desc = { list[i].addr, list[i].len, VRING_DESC_F_WRITE, 0 };

		rogue_put(&s->rogue, ROGUE_RX, i, &desc, 1);
	}
	rogue_show(&s->rogue, ROGUE_RX);
	stage_peer_sends(s, frame);
	for (unsigned i = 0; i < N_BUFFERS; i++) {
		stage_await_used(s, ROGUE_RX, &id, &len);
		got = rogue_byte(&s->rogue, list[i].addr, false);
		if (len == s->rogue.header_len + STAGE_FRAME_LEN &&
		    memcmp(got + s->rogue.header_len, frame, STAGE_FRAME_LEN) == 0)
			return;
	}
	stage_fail(s, "what the peer sends is not received");
}

static void two_steps(struct stage *s, unsigned queue, const struct step *first,
		      const struct step *second)
{
	uint8_t frame[GUEST_FRAME_MAX];

	if (second->once && (first == second || first->takes_memory))
		return; /* what is not there cannot be removed */
	if (!stage_begin(s, "%s.order.%s.%s", stage_queues[queue], first->name, second->name))
		return;
	stage_open(s, &(struct rogue_config){ .features = FEATURES });
	first->take(s, queue);
	traffic(s);
	second->take(s, queue);
	traffic(s);
	if (!raw_sync(&s->rogue.raw))
		stage_fail(s, "the connection ends");
	if (!rogue_restart(&s->rogue))
		stage_fail(s, "the rings cannot be set up again");
	while (guest_receive(&s->world->peer, frame) > 0)
		; /* of the rings before */
	stage_pass_tx(s);
	expect_receives(s);
	stage_end(s);
}

void scene_order(struct stage *s)
{
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
		for (size_t j = 0; j < ARRAY_SIZE(steps); j++)
			two_steps(s, (i + j) % 2, &steps[i], &steps[j]);
}
