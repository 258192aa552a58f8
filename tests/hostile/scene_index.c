// SPDX-License-Identifier: Apache-2.0
/* Indices and heads of split rings, positions and wrap counters of packed ones, and the fields by
 * which each side tells the other when it wants to be told.
 */
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "hostile/stage.h"
#include "virtio/packed.h"

#define USUAL (1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_NET_F_MRG_RXBUF)
#define EVENT_IDX (1ull << VIRTIO_RING_F_EVENT_IDX)

/* One good chain for @queue at @slot. Returns where its buffer is. */
static struct rogue_buffer put_good(struct stage *s, unsigned queue, unsigned slot)
{
	struct rogue_buffer at;
	struct vring_desc desc;
	uint8_t head[64];

	stage_good_list(&at, 1, 300, queue);
	stage_describe(s, STAGE_DIRECT, &at, 1, &desc);
	if (queue == ROGUE_TX)
		rogue_write(&s->rogue, &at, 1, 0, head, stage_head(s, head));
	rogue_put(&s->rogue, queue, slot, &desc, 1);
	return at;
}

/* @n chains that put_good() has made of one buffer are there and work: all are sent, or the first
 * receives. */
static void expect_good(struct stage *s, unsigned queue, const struct rogue_buffer *at, unsigned n)
{
	uint8_t frame[512] = { 0 };
	uint32_t id, len, frame_len = at->len - s->rogue.header_len;

	if (queue == ROGUE_RX) {
		stage_peer_sends(s, frame);
		stage_expect_received(s, at, 1, frame);
		return;
	}
	rogue_model_read(&s->rogue, at, 1, s->rogue.header_len, frame, sizeof(frame));
	for (unsigned i = 0; i < n; i++)
		stage_expect_frame(s, frame, frame_len);
	for (unsigned i = 0; i < n; i++)
		stage_await_used(s, ROGUE_TX, &id, &len);
	stage_expect_memory(s);
}

static void open_at(struct stage *s, uint64_t features, uint32_t base)
{
	stage_open(s,
		   &(struct rogue_config){ .features = USUAL | features, .base = { base, base } });
}

/* ---- split: how many chains the index makes available */

static void jump(struct stage *s, unsigned queue, uint16_t base, unsigned by)
{
	struct rogue_ring *ring = &s->rogue.rings[queue];
	struct vring_avail *avail;
	struct rogue_buffer at;

	if (!stage_begin(s, "%s.index.from-%u.by-%u", stage_queues[queue], base, by))
		return;
	open_at(s, 0, base);
	avail = ring->driver;
	at = put_good(s, queue, 0);
	for (unsigned i = 0; i < ROGUE_RING; i++)
		avail->ring[i] = 0;
	ring->avail = (uint16_t)(ring->avail - 1 + by);
	ring->n_put += by - 1;
	for (unsigned i = 0; i < ROGUE_RING_MAX; i++)
		ring->n_desc[i] = 1;
	rogue_show(&s->rogue, queue);
	if (by > ROGUE_RING) {
		stage_expect_broken(s, queue, RING_FAULT_AVAIL_INDEX);
	} else {
		if (by > 0)
			expect_good(s, queue, &at, by);
		stage_expect_drops(s, NULL, 0);
	}
	if (queue == ROGUE_TX)
		stage_pass_rx(s, NULL, 0);
	else
		stage_pass_tx(s);
	stage_end(s);
}

static void jumps_of(struct stage *s, unsigned queue)
{
	static const uint16_t bases[] = { 0, 0x7ff0, 0xffc1, 0xffff };
	static const unsigned jumps[] = { 0,   1,      2,      63,     64,     65,     66,
					  128, 0x4000, 0x7fff, 0x8000, 0x8001, 0xfffe, 0xffff };

	for (size_t i = 0; i < ARRAY_SIZE(bases); i++)
		for (size_t j = 0; j < ARRAY_SIZE(jumps); j++)
			jump(s, queue, bases[i], jumps[j]);
}

/* ---- split: heads */

static void head(struct stage *s, unsigned queue, unsigned n_good, unsigned value)
{
	struct rogue_ring *ring = &s->rogue.rings[queue];
	struct vring_avail *avail;
	struct rogue_buffer at = { 0 };
	unsigned n = n_good;

	if (!stage_begin(s, "%s.head.behind-%u.%u", stage_queues[queue], n_good, value))
		return;
	open_at(s, 0, 0);
	avail = ring->driver;
	while (n-- > 0)
		at = put_good(s, queue, 0);
	avail->ring[ring->avail++ % ROGUE_RING] = (uint16_t)value;
	rogue_show(&s->rogue, queue);
	if (queue == ROGUE_TX && n_good > 0)
		expect_good(s, queue, &at, n_good);
	stage_expect_broken(s, queue, RING_FAULT_DESC_INDEX);
	stage_end(s);
}

static void heads_of(struct stage *s, unsigned queue)
{
	static const unsigned values[] = { 64, 65, 0x7fff, 0x8000, 0xffff };
	static const unsigned numbers[] = { 0, 1, 5, 31, 32, 33 };

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		for (size_t j = 0; j < ARRAY_SIZE(values); j++)
			head(s, queue, numbers[i], values[j]);
}

/* ---- split: what the device has written is written over */

static void overwrite(struct stage *s, unsigned queue, unsigned value)
{
	struct rogue_ring *ring = &s->rogue.rings[queue];
	struct vring_used *used;
	struct rogue_buffer at;

	if (!stage_begin(s, "%s.used-ring.%u", stage_queues[queue], value))
		return;
	open_at(s, EVENT_IDX, 0);
	used = ring->device;
	memset(used, (int)value, 6 + 8 * ROGUE_RING);
	at = put_good(s, queue, 0);
	rogue_show(&s->rogue, queue);
	if (queue == ROGUE_RX)
		stage_peer_sends(s, (uint8_t[STAGE_FRAME_LEN]){ 0 });
	for (unsigned i = 0; i < 100000 && used->idx != ring->avail; i++)
		usleep(20);
	if (__atomic_load_n(&used->idx, __ATOMIC_ACQUIRE) != ring->avail)
		stage_fail(s, "the device does not go on where it was");
	if (queue == ROGUE_TX)
		expect_good(s, queue, &at, 1);
	stage_end(s);
}

/* ---- when the guest wants to be told: whatever it says, the port works */

static void split_event(struct stage *s, unsigned queue, uint64_t features, uint16_t flags,
			uint16_t event)
{
	struct rogue_ring *ring = &s->rogue.rings[queue];
	struct vring_avail *avail;

	if (!stage_begin(s, "%s.event.%s.%u.%u", stage_queues[queue], features ? "idx" : "flag",
			 flags, event))
		return;
	open_at(s, features, 0xfffe);
	avail = ring->driver;
	avail->flags = flags;
	avail->ring[ROGUE_RING] = (uint16_t)(ring->used + event);
	for (unsigned i = 0; i < 3; i++) {
		struct rogue_buffer at = put_good(s, queue, 0);

		rogue_show(&s->rogue, queue);
		expect_good(s, queue, &at, 1);
	}
	stage_end(s);
}

static void split_events_of(struct stage *s, unsigned queue)
{
	static const uint16_t flags[] = { 0, 1, 2, 0xfffe, 0xffff };
	static const uint16_t events[] = { 0, 1, 2, 0x7fff, 0x8000, 0xffff };

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		for (size_t j = 0; j < ARRAY_SIZE(events); j++) {
			split_event(s, queue, 0, flags[i], events[j]);
			split_event(s, queue, EVENT_IDX, flags[i], events[j]);
		}
}

void scene_split_index(struct stage *s)
{
	static const unsigned values[] = { 0, 1, 0x7f, 0x80, 0xff };

	for (unsigned queue = 0; queue < 2; queue++) {
		jumps_of(s, queue);
		heads_of(s, queue);
		for (size_t i = 0; i < ARRAY_SIZE(values); i++)
			overwrite(s, queue, values[i]);
		split_events_of(s, queue);
	}
}

/* ---- packed: where rings start, and chains that go around their end */

static const uint32_t positions[] = { 0x8000, 0x8001, 0x801f, 0x803f, 0x0001, 0x001f, 0x003f };

static void start_at(struct stage *s, unsigned queue, uint32_t base, unsigned n)
{
	struct rogue_buffer list[ROGUE_RING];

	if (!stage_begin(s, "%s.start.%x.chain-of-%u", stage_queues[queue], base, n))
		return;
	open_at(s, 0, base);
	stage_good_list(list, n, 40, queue);
	stage_attack_list(s, queue, STAGE_DIRECT, list, n, RING_OK);
}

/* ---- packed: flags that say available, or not */

static void wrap_flags(struct stage *s, unsigned queue, uint32_t base, unsigned bits)
{
	struct rogue_ring *ring = &s->rogue.rings[queue];
	uint8_t frame[STAGE_FRAME_LEN];
	struct vring_packed_desc *desc;
	struct rogue_buffer at;
	bool seen;

	if (!stage_begin(s, "%s.wrap.%x.%s%s", stage_queues[queue], base,
			 bits & PACKED_F_AVAIL ? "A" : "a", bits & PACKED_F_USED ? "U" : "u"))
		return;
	open_at(s, 0, base);
	at = put_good(s, queue, 7);
	rogue_picture(&s->rogue);
	desc = (struct vring_packed_desc *)(ring->first - 1);
	seen = packed_is_avail(bits, packed_is_avail((unsigned)(ring->first_word >> 48), true));
	desc->len = at.len;
	desc->id = 7;
	__atomic_store_n(&desc->flags, (uint16_t)(bits | (at.write ? VRING_DESC_F_WRITE : 0)),
			 __ATOMIC_RELEASE);
	rogue_kick(&s->rogue);
	stage_peer_sends(s, frame);
	if (seen && queue == ROGUE_RX) {
		ring->first = NULL;
		stage_expect_received(s, &at, 1, frame);
		stage_expect_drops(s, NULL, 0);
	} else {
		stage_expect_drops(s, "tx_ring_full", 1);
		if (seen)
			ring->first = NULL;
		else /* now it is said right */
			rogue_show(&s->rogue, queue);
		expect_good(s, queue, &at, 1);
	}
	stage_end(s);
}

/* The same of the second of two, which means nothing there. */
static void wrap_flags_behind(struct stage *s, unsigned queue, unsigned bits)
{
	struct rogue_ring *ring = &s->rogue.rings[queue];
	struct vring_packed_desc *second;
	struct rogue_buffer list[2];
	uint8_t frame[2 * 64], head[64];
	struct vring_desc chain[2];
	uint32_t id, len;

	if (!stage_begin(s, "%s.wrap-behind.%s%s", stage_queues[queue],
			 bits & PACKED_F_AVAIL ? "A" : "a", bits & PACKED_F_USED ? "U" : "u"))
		return;
	open_at(s, 0, 0);
	stage_good_list(list, 2, 64, queue);
	stage_describe(s, STAGE_DIRECT, list, 2, chain);
	if (queue == ROGUE_TX)
		rogue_write(&s->rogue, list, 2, 0, head, stage_head(s, head));
	second = (struct vring_packed_desc *)ring->desc + ring->avail + 1;
	rogue_put(&s->rogue, queue, 0, chain, 2);
	second->flags = (uint16_t)(bits | (queue == ROGUE_RX ? VRING_DESC_F_WRITE : 0));
	rogue_show(&s->rogue, queue);
	if (queue == ROGUE_RX) {
		stage_peer_sends(s, frame);
		stage_expect_received(s, list, 2, frame);
	} else {
		len = (uint32_t)rogue_model_read(&s->rogue, list, 2, s->rogue.header_len, frame,
						 sizeof(frame));
		stage_expect_frame(s, frame, len);
		stage_await_used(s, queue, &id, &len);
	}
	stage_end(s);
}

/* ---- packed: buffer ids */

static void buffer_id(struct stage *s, unsigned queue, unsigned value)
{
	struct rogue_buffer at;
	uint32_t id, len;

	if (!stage_begin(s, "%s.id.%u", stage_queues[queue], value))
		return;
	open_at(s, 0, 0);
	at = put_good(s, queue, value);
	rogue_show(&s->rogue, queue);
	if (queue == ROGUE_RX)
		stage_peer_sends(s, (uint8_t[STAGE_FRAME_LEN]){ 0 });
	else
		stage_await_frame(s, (uint8_t[GUEST_FRAME_MAX]){ 0 });
	stage_await_used(s, queue, &id, &len);
	if (id != value || len != (at.write ? 12u + STAGE_FRAME_LEN : 0))
		stage_fail(s, "id %u, length %u came back", id, len);
	stage_end(s);
}

/* ---- packed: a ring that was used where it cannot have been */

static void used_ahead(struct stage *s, unsigned queue, uint32_t base, unsigned at)
{
	struct vring_packed_desc *descs;
	struct rogue *r = &s->rogue;
	bool wrap = base & 0x8000;

	if (!stage_begin(s, "%s.used-ahead.%x.%u", stage_queues[queue], base, at))
		return;
	open_at(s, 0, 0);
	if (!raw_vring_state(&r->raw, VHOST_USER_GET_VRING_BASE, queue, 0) || !raw_sync(&r->raw))
		stage_fail(s, "the ring does not stop");
	descs = r->rings[queue].desc;
	for (unsigned i = 0; i < ROGUE_RING; i++)
		descs[i].flags = (uint16_t)packed_used_bits(i == at ? wrap : !wrap);
	raw_vring_state(&r->raw, VHOST_USER_SET_VRING_BASE, queue, base);
	rogue_send_fd(r, VHOST_USER_SET_VRING_KICK, queue, r->raw.event_fds[1]);
	raw_sync(&r->raw);
	rogue_kick(r);
	stage_expect_state(s, queue, at < (base & 0x7fff) ? RING_OK : RING_FAULT_POSITION);
	stage_end(s);
}

/* ---- packed: chains as long as the ring, and longer */

static void ring_long(struct stage *s, unsigned queue, uint32_t base, unsigned n, bool endless)
{
	struct rogue_buffer list[ROGUE_RING];
	struct vring_desc descs[ROGUE_RING];

	if (!stage_begin(s, "%s.chain-of-%u%s.%x", stage_queues[queue], n,
			 endless ? "-and-next" : "", base))
		return;
	open_at(s, 0, base);
	stage_good_list(list, n, 20, queue);
	stage_describe(s, STAGE_DIRECT, list, n, descs);
	if (endless)
		descs[n - 1].flags |= VRING_DESC_F_NEXT;
	stage_attack(s, queue, descs, n, list, n, endless ? RING_FAULT_LOOP : RING_OK);
}

static void packed_event(struct stage *s, unsigned queue, uint64_t features, uint16_t position,
			 uint16_t flags)
{
	struct vring_packed_desc_event *event;

	if (!stage_begin(s, "%s.event.%s.%x.%u", stage_queues[queue], features ? "idx" : "flag",
			 position, flags))
		return;
	open_at(s, features, 0x803e);
	event = s->rogue.rings[queue].driver;
	event->off_wrap = position;
	event->flags = flags;
	for (unsigned i = 0; i < 3; i++) {
		struct rogue_buffer at = put_good(s, queue, i);

		rogue_show(&s->rogue, queue);
		expect_good(s, queue, &at, 1);
	}
	stage_end(s);
}

static void packed_events_of(struct stage *s, unsigned queue)
{
	static const uint16_t at[] = { 0, 1, 0x3f, 0x40, 0x7fff, 0x8000, 0x8001, 0x803f, 0xffff };
	static const uint16_t flags[] = { 0, 1, 2, 3, 0xfffe };

	for (size_t i = 0; i < ARRAY_SIZE(at); i++)
		for (size_t j = 0; j < ARRAY_SIZE(flags); j++) {
			packed_event(s, queue, 0, at[i], flags[j]);
			packed_event(s, queue, EVENT_IDX, at[i], flags[j]);
		}
}

/* ---- packed: starts that there cannot be */

static void refused_start(struct stage *s, uint32_t base)
{
	char text[96];

	if (!stage_begin(s, "refused-start.%x", base))
		return;
	snprintf(text, sizeof(text), "packed ring of %u entries cannot start at", ROGUE_RING);
	stage_expect_refused(s, &(struct rogue_config){ .features = USUAL, .base = { base } },
			     text);
}

static void positions_of(struct stage *s, unsigned queue)
{
	static const unsigned bits[] = { 0, PACKED_F_AVAIL, PACKED_F_USED,
					 PACKED_F_AVAIL | PACKED_F_USED };
	static const unsigned ids[] = { 0, 1, 63, 64, 0x7fff, 0x8000, 0xffff };

	for (size_t i = 0; i < ARRAY_SIZE(positions); i++) {
		for (unsigned n = 3; n < 64; n += 20)
			start_at(s, queue, positions[i], n);
		for (size_t j = 0; j < ARRAY_SIZE(bits); j++)
			wrap_flags(s, queue, positions[i], bits[j]);
		/* a ring with an inflight region that was used starts where that says */
		for (unsigned at = 0; s->notes != ROGUE_INFLIGHT && at < ROGUE_RING; at += 21)
			used_ahead(s, queue, positions[i], at);
		ring_long(s, queue, positions[i], 63, false);
		ring_long(s, queue, positions[i], 64, true);
	}
	for (size_t j = 0; j < ARRAY_SIZE(bits); j++)
		wrap_flags_behind(s, queue, bits[j]);
	for (size_t j = 0; j < ARRAY_SIZE(ids); j++)
		buffer_id(s, queue, ids[j]);
}

void scene_packed_index(struct stage *s)
{
	static const uint32_t bases[] = { 64, 65, 0x7fff, 0x8040, 0xffff, 0x80408000 };

	for (unsigned queue = 0; queue < 2; queue++) {
		positions_of(s, queue);
		packed_events_of(s, queue);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bases); i++)
		refused_start(s, bases[i]);
}
