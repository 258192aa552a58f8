// SPDX-License-Identifier: Apache-2.0
/* What a worker does with packets, without threads: what leaves where, byte by byte; that each
 * packet is delivered or counted once; patch ports. Packets between workers: test_handover.c.
 */
#include "forward_stage.h"

/* One frame that enters a trunk leaves by ports of all kinds, as it should be on each. */
static void test_tags_byte_by_byte(void **state)
{
	enum { IN = 1, TRUNK, ACCESS, UNTAG, TAGGED, FOREIGN };
	/* how it comes; how it leaves TRUNK and TAGGED; how it leaves UNTAG */
	static const struct {
		int in, trunk, untag;
		bool vlan10;
	} cases[] = {
		{ UNTAGGED, UNTAGGED, UNTAGGED, false },
		{ 0, UNTAGGED, UNTAGGED, false }, /* a priority tag is taken off */
		{ 0xf000, UNTAGGED, UNTAGGED, false },
		{ 10, 10, UNTAGGED, true },
		{ 0xb00a, 0xb00a, UNTAGGED, true }, /* priority and DEI are kept */
		{ 0x7014, 0x7014, 0x7014, false },
		{ 4094, 4094, 4094, false },
	};
	static const uint32_t lens[] = { 0, 1, 46, 110, 113, 114, 115, 118, 300, 1496, 1500 };
	uint8_t frame[FRAME_MAX], want[FRAME_MAX];
	struct stage *s = *state;

	for (unsigned i = IN; i <= FOREIGN; i++)
		maker_add(&s->m, i, 1);
	set_mode(s, ACCESS, true, 10, false);
	set_mode(s, UNTAG, false, 10, false);
	set_mode(s, TAGGED, false, 10, true);
	set_mode(s, FOREIGN, true, 11, false);
	follow(s);
	for (unsigned c = 0; c < ARRAY_SIZE(cases); c++)
		for (unsigned l = 0; l < ARRAY_SIZE(lens); l++) {
			uint32_t len = make_frame(frame, BROADCAST, MAC(1), cases[c].in, lens[l]);

			inject(s, IN, frame, len);
			turn(s, 0, IN);
			len = make_frame(want, BROADCAST, MAC(1), cases[c].trunk, lens[l]);
			expect_frame(s, TRUNK, want, len);
			expect_frame(s, TAGGED, want, len);
			len = make_frame(want, BROADCAST, MAC(1), cases[c].untag, lens[l]);
			expect_frame(s, UNTAG, want, len);
			if (cases[c].vlan10)
				expect_frame(s, ACCESS, want, len);
			for (unsigned i = IN; i <= FOREIGN; i++)
				expect_nothing(s, i);
		}
	/* from an access port: the tag is put on, with the priority that a priority tag has */
	inject(s, ACCESS, frame, make_frame(frame, BROADCAST, MAC(2), UNTAGGED, 46));
	inject(s, ACCESS, frame, make_frame(frame, BROADCAST, MAC(2), 0xe000, 46));
	turn(s, 0, ACCESS);
	for (int prio = 0; prio <= 0xe000; prio += 0xe000) {
		uint32_t len = make_frame(want, BROADCAST, MAC(2), 10 | prio, 46);

		expect_frame(s, IN, want, len);
		expect_frame(s, TRUNK, want, len);
		expect_frame(s, TAGGED, want, len);
		expect_frame(s, UNTAG, want, make_frame(want, BROADCAST, MAC(2), UNTAGGED, 46));
	}
	for (unsigned i = IN; i <= FOREIGN; i++) {
		expect_nothing(s, i);
		assert_int_equal(maker_all_drops(&s->m, i), 0);
	}
}

/* Checksum and segmentation offsets follow the tag. */
static void test_tags_move_offload_offsets(void **state)
{
	const struct virtio_net_hdr offload = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
						.csum_start = 34,
						.csum_offset = 16 };
	const struct dummy_frame *f;
	uint8_t frame[FRAME_MAX];
	struct stage *s = *state;
	uint32_t len;

	maker_add(&s->m, 1, 1);
	maker_add(&s->m, 2, 1);
	maker_add(&s->m, 3, 1);
	set_mode(s, 1, true, 10, false);
	set_mode(s, 3, true, 10, false);
	follow(s);
	len = make_frame(frame, BROADCAST, MAC(1), UNTAGGED, 100);
	assert_int_equal(dummy_inject(s->m.ports[1].port, 0, frame, len, &offload), 0);
	turn(s, 0, 1);
	f = dummy_sent_peek(s->m.ports[2].port, 0);
	assert_non_null(f);
	assert_int_equal(f->offload.csum_start, 38);
	assert_int_equal(f->offload.csum_offset, 16);
	f = dummy_sent_peek(s->m.ports[3].port, 0);
	assert_non_null(f);
	assert_int_equal(f->offload.csum_start, 34);
}

/* Learning, unknown and known destinations; nothing comes back to where it came from. */
static void test_learns_and_floods(void **state)
{
	uint8_t a_to_b[FRAME_MAX], b_to_a[FRAME_MAX], group[FRAME_MAX];
	uint32_t len = make_frame(a_to_b, MAC(2), MAC(1), UNTAGGED, 50);
	struct stage *s = *state;

	make_frame(b_to_a, MAC(1), MAC(2), UNTAGGED, 50);
	make_frame(group, 0x01005e000005ull, MAC(1), UNTAGGED, 50);
	for (unsigned i = 1; i <= 3; i++)
		maker_add(&s->m, i, 1);
	follow(s);
	inject(s, 1, a_to_b, len);
	turn(s, 0, 1);
	expect_frame(s, 2, a_to_b, len);
	expect_frame(s, 3, a_to_b, len);
	inject(s, 2, b_to_a, len);
	turn(s, 0, 2);
	expect_frame(s, 1, b_to_a, len);
	inject(s, 1, a_to_b, len);
	inject(s, 1, group, len);
	turn(s, 0, 1);
	expect_frame(s, 2, a_to_b, len);
	expect_frame(s, 2, group, len);
	expect_frame(s, 3, group, len);
	/* MAC(1) moves to port 3 */
	inject(s, 3, group, len);
	turn(s, 0, 3);
	expect_frame(s, 1, group, len);
	expect_frame(s, 2, group, len);
	inject(s, 2, b_to_a, len);
	turn(s, 0, 2);
	expect_frame(s, 3, b_to_a, len);
	for (unsigned i = 1; i <= 3; i++) {
		expect_nothing(s, i);
		assert_int_equal(maker_all_drops(&s->m, i), 0);
	}
}

/* Injects a frame into port 1 and finds that it is dropped once, and where. */
static void expect_drop(struct stage *s, const void *frame, uint32_t len, unsigned port,
			enum drop_reason why)
{
	uint64_t before = maker_drops(&s->m, port, why), all = 0, now = 0;

	for (unsigned i = 1; i < MAKER_PORTS; i++)
		all += s->m.ports[i].port ? maker_all_drops(&s->m, i) : 0;
	inject(s, 1, frame, len);
	turn(s, 0, 1);
	for (unsigned i = 1; i < MAKER_PORTS; i++)
		now += s->m.ports[i].port ? maker_all_drops(&s->m, i) : 0;
	if (maker_drops(&s->m, port, why) != before + 1 || now != all + 1)
		fail_msg("%s: %llu drops of %llu", drop_name(why),
			 (unsigned long long)(maker_drops(&s->m, port, why) - before),
			 (unsigned long long)(now - all));
	expect_nothing(s, 1);
	expect_nothing(s, 2);
}

static void test_counts_each_drop_once(void **state)
{
	static const mac_t allowed[] = { MAC(1) };
	uint8_t frame[FRAME_MAX] = { 0 };
	struct stage *s = *state;
	struct view_port *in, *out;
	uint32_t len;

	maker_add(&s->m, 1, 1);
	maker_add(&s->m, 2, 1);
	in = &s->m.ports[1];
	out = &s->m.ports[2];
	mac_table_learn(s->m.macs[0], MAC(2), 0, 2, 1, 0);
	mac_table_learn(s->m.macs[0], MAC(9), 0, 1, 1, 0);
	follow(s);
	for (uint32_t i = 0; i < ETH_HLEN; i++) {
		make_frame(frame, MAC(2), MAC(1), UNTAGGED, 0);
		expect_drop(s, frame, i, 1, DROP_too_short);
	}
	len = make_frame(frame, MAC(9), MAC(1), UNTAGGED, 46);
	expect_drop(s, frame, len, 1, DROP_same_port);
	len = make_frame(frame, 0x0180c2000002ull, MAC(1), UNTAGGED, 46);
	expect_drop(s, frame, len, 1, DROP_reserved_mac);
	len = make_frame(frame, MAC(2), MAC(1), 4095, 46);
	expect_drop(s, frame, len, 1, DROP_vlan);
	len = make_frame(frame, MAC(2), MAC(3), UNTAGGED, 46);
	in->macs = allowed;
	in->n_macs = 1;
	follow(s);
	expect_drop(s, frame, len, 1, DROP_source_mac);
	in->n_macs = 0;
	in->is_protected = out->is_protected = true;
	follow(s);
	expect_drop(s, frame, len, 1, DROP_no_output);
	len = make_frame(frame, BROADCAST, MAC(1), UNTAGGED, 46);
	expect_drop(s, frame, len, 1, DROP_no_output);
	in->is_protected = false;
	in->broadcast_limit = in->unknown_limit = (struct view_limit){ NSEC_PER_SEC, 0 };
	in->state->broadcast_due = in->state->unknown_due = 100 * NSEC_PER_SEC;
	follow(s);
	expect_drop(s, frame, len, 1, DROP_broadcast_limit);
	len = make_frame(frame, MAC(77), MAC(1), UNTAGGED, 46);
	expect_drop(s, frame, len, 1, DROP_unknown_limit);
	len = make_frame(frame, MAC(2), MAC(1), UNTAGGED, 46);
	out->link = false;
	follow(s);
	expect_drop(s, frame, len, 2, DROP_tx_link_down);
	out->link = true;
	follow(s);
	s->view->ports[2]->port->n_txqs = 0; /* for the next one */
	follow(s);
	expect_drop(s, frame, len, 2, DROP_tx_no_queue);
	out->port->n_txqs = 1;
	follow(s);
	inject(s, 1, frame, len);
	turn(s, 0, 1);
	expect_frame(s, 2, frame, len);
	assert_int_equal(maker_rx(&s->m, 1), maker_all_drops(&s->m, 1) + maker_all_drops(&s->m, 2) +
						     maker_tx(&s->m, 2));
}

/* The double tag with which a guest of one VLAN reaches another behind a native trunk. */
static void test_hidden_tags(void **state)
{
	uint8_t frame[FRAME_MAX], want[FRAME_MAX];
	struct stage *s = *state;
	uint32_t len;

	maker_add(&s->m, 1, 1);
	maker_add(&s->m, 2, 1);
	set_mode(s, 1, true, 10, false);
	set_mode(s, 2, false, 10, false);
	follow(s);
	len = make_frame(frame, BROADCAST, MAC(1), 5 << VLAN_PCP_SHIFT, 46);
	inject(s, 1, frame, len);
	turn(s, 0, 1);
	expect_frame(s, 2, want, make_frame(want, BROADCAST, MAC(1), UNTAGGED, 46));
	memcpy(frame + 16, "\x81\0\0\x14", 4);
	expect_drop(s, frame, len, 1, DROP_vlan);
	/* behind a tag that stays, it does no harm */
	set_mode(s, 1, false, 0, false);
	follow(s);
	len = make_frame(frame, BROADCAST, MAC(1), 11, 46);
	memcpy(frame + 16, "\x81\0\0\x14", 4);
	inject(s, 1, frame, len);
	turn(s, 0, 1);
	expect_frame(s, 2, frame, len);
}

/* 14 bytes are a frame: addresses and a type. */
static void test_shortest_frame(void **state)
{
	uint8_t frame[FRAME_MAX];
	struct stage *s = *state;

	maker_add(&s->m, 1, 1);
	maker_add(&s->m, 2, 1);
	follow(s);
	inject(s, 1, frame, make_frame(frame, MAC(2), MAC(1), UNTAGGED, 0));
	turn(s, 0, 1);
	expect_frame(s, 2, frame, ETH_HLEN);
	/* with the type of a tag and nothing behind it, or half of it: no tag */
	make_frame(frame, MAC(2), MAC(1), 10, 0);
	for (uint32_t len = ETH_HLEN; len < ETH_HLEN + VLAN_TAG_LEN; len++) {
		inject(s, 1, frame, len);
		turn(s, 0, 1);
		expect_frame(s, 2, frame, len);
	}
	assert_int_equal(maker_all_drops(&s->m, 1), 0);
}

/* Puts tags in front of the type of an untagged frame; returns the length. */
static uint32_t stack_tags(uint8_t *frame, const uint16_t *types, unsigned n, uint32_t payload_len)
{
	uint32_t at = 12;

	make_frame(frame, MAC(2), MAC(1), UNTAGGED, 0);
	for (unsigned i = 0; i < n; i++) {
		frame[at++] = (uint8_t)(types[i] >> 8);
		frame[at++] = (uint8_t)types[i];
		frame[at++] = 0;
		frame[at++] = (uint8_t)(20 + i);
	}
	frame[at++] = 0x88;
	frame[at++] = 0xb5;
	memset(frame + at, 0x5a, payload_len);
	return at + payload_len;
}

/* Tags do not count, on the way in and on the way out. */
static void test_mtu(void **state)
{
	static const struct {
		uint16_t types[3];
		unsigned n, counted;
	} stacks[] = {
		{ { 0 }, 0, 0 },
		{ { 0x8100 }, 1, 0 },
		{ { 0x88a8 }, 1, 0 },
		{ { 0x8100, 0x8100 }, 2, 0 },
		{ { 0x88a8, 0x8100 }, 2, 0 },
		{ { 0x88a8, 0x88a8 }, 2, 0 },
		{ { 0x88a8, 0x8100, 0x8100 }, 3, 4 }, /* a third one does */
	};
	uint8_t frame[FRAME_MAX];
	struct stage *s = *state;

	maker_add(&s->m, 1, 1);
	maker_add(&s->m, 2, 1);
	s->m.ports[1].mtu = 1400;
	for (unsigned i = 0; i < ARRAY_SIZE(stacks); i++) {
		const uint16_t *types = stacks[i].types;
		unsigned n = stacks[i].n;
		uint32_t fits = 1400 - stacks[i].counted, len;

		s->m.ports[2].mtu = 1500;
		follow(s);
		len = stack_tags(frame, types, n, fits);
		inject(s, 1, frame, len);
		turn(s, 0, 1);
		expect_frame(s, 2, frame, len);
		expect_drop(s, frame, stack_tags(frame, types, n, fits + 1), 1, DROP_too_long);

		s->m.ports[2].mtu = 1300;
		follow(s);
		len = stack_tags(frame, types, n, fits - 100);
		inject(s, 1, frame, len);
		turn(s, 0, 1);
		expect_frame(s, 2, frame, len);
		expect_drop(s, frame, stack_tags(frame, types, n, fits - 99), 2, DROP_tx_too_long);
	}
	/* a tag that the switch puts on does not count either */
	set_mode(s, 1, true, 10, false);
	follow(s);
	inject(s, 1, frame, make_frame(frame, BROADCAST, MAC(1), UNTAGGED, 1300));
	turn(s, 0, 1);
	expect_frame(s, 2, frame, make_frame(frame, BROADCAST, MAC(1), 10, 1300));
}

/* A TCP packet of @payload bytes to everybody, and what asks for its segmentation. */
static uint32_t make_large(uint8_t *frame, int tci, uint32_t payload, uint16_t size,
			   struct virtio_net_hdr *offload)
{
	uint32_t len = make_frame(frame, BROADCAST, MAC(1), tci, 40 + payload);
	uint32_t at = len - 40 - payload;

	memcpy(frame + at - 2, "\x08\x00\x45", 3);
	memset(frame + at + 2, 0, 8);
	frame[at + 9] = 6;
	frame[at + 32] = 0x50;
	frame[at + 33] = 0x10;
	*offload = (struct virtio_net_hdr){ .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
					    .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
					    .gso_size = size,
					    .csum_start = (uint16_t)(at + 20),
					    .csum_offset = 16 };
	return len;
}

static void inject_large(struct stage *s, int tci, uint32_t payload, uint16_t size)
{
	static uint8_t frame[FRAME_LEN_MAX];
	struct virtio_net_hdr offload;
	uint32_t len = make_large(frame, tci, payload, size, &offload);

	assert_int_equal(dummy_inject(s->m.ports[1].port, 0, frame, len, &offload), 0);
	turn(s, 0, 1);
}

static unsigned count_sent(struct stage *s, unsigned port, uint32_t len)
{
	const struct dummy_frame *f;
	unsigned n = 0;

	while ((f = dummy_sent_peek(s->m.ports[port].port, 0))) {
		assert_int_equal(f->len, len);
		dummy_sent_pop(s->m.ports[port].port, 0);
		n++;
	}
	return n;
}

/* The MTU is for what a large packet stands for; a receiver gets it in segments or whole, from this
 * worker or another, with a tag of the switch's or without. */
static void test_large_packets(void **state)
{
	struct stage *s = *state;

	for (unsigned i = 1; i <= 4; i++)
		maker_add(&s->m, i, 1);
	set_mode(s, 1, true, 10, false);
	set_mode(s, 3, true, 10, false);
	s->m.worker[4][0] = 1;
	s->m.ports[3].port->txqs[0]->offloads = 0;
	s->m.ports[4].port->txqs[0]->offloads = 0;
	follow(s);
	inject_large(s, UNTAGGED, 14600, 1460);
	turn(s, 1, 0);
	assert_int_equal(count_sent(s, 2, 58 + 14600), 1);
	assert_int_equal(count_sent(s, 3, 54 + 1460), 10);
	assert_int_equal(count_sent(s, 4, 58 + 1460), 10);

	inject_large(s, UNTAGGED, 14600, 1461);
	assert_int_equal(maker_drops(&s->m, 1, DROP_too_long), 1);
	s->m.ports[2].mtu = 1400;
	follow(s);
	inject_large(s, UNTAGGED, 13610, 1361);
	assert_int_equal(maker_drops(&s->m, 2, DROP_tx_too_long), 1);
	inject_large(s, UNTAGGED, 13600, 1360);
	assert_int_equal(count_sent(s, 2, 58 + 13600), 1);
	/* one segment that is smaller than it might be */
	inject_large(s, UNTAGGED, 1000, 60000);
	assert_int_equal(count_sent(s, 2, 58 + 1000), 1);
}

/* No checksum goes where the tag and the addresses are. */
static void test_offload_requests_are_checked(void **state)
{
	struct stage *s = *state;
	struct virtio_net_hdr offload = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM };
	uint8_t frame[FRAME_MAX];
	uint32_t len;

	maker_add(&s->m, 1, 1);
	maker_add(&s->m, 2, 1);
	s->m.ports[2].port->txqs[0]->offloads = 0;
	follow(s);
	len = make_frame(frame, BROADCAST, MAC(1), 10, 100);
	offload.csum_start = 14; /* the tag's value */
	assert_int_equal(dummy_inject(s->m.ports[1].port, 0, frame, len, &offload), 0);
	turn(s, 0, 1);
	expect_nothing(s, 2);
	assert_int_equal(maker_drops(&s->m, 1, DROP_offload), 1);
	offload.csum_start = 18;
	assert_int_equal(dummy_inject(s->m.ports[1].port, 0, frame, len, &offload), 0);
	turn(s, 0, 1);
	assert_int_equal(count_sent(s, 2, len), 1);

	len = make_large(frame, UNTAGGED, 1500, 700, &offload);
	frame[23] = 17; /* no TCP */
	assert_int_equal(dummy_inject(s->m.ports[1].port, 0, frame, len, &offload), 0);
	turn(s, 0, 1);
	expect_nothing(s, 2);
	assert_int_equal(maker_drops(&s->m, 1, DROP_offload), 2);
}

/* Nor, with the tag that the switch puts on, where 16 bits cannot say it. */
static void test_offload_request_far_behind(void **state)
{
	struct stage *s = *state;
	struct virtio_net_hdr offload = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM };
	static uint8_t frame[FRAME_LEN_MAX], want[FRAME_LEN_MAX];
	uint32_t len = make_frame(frame, BROADCAST, MAC(1), UNTAGGED, 65535);

	for (unsigned i = 1; i <= 2; i++) {
		maker_add(&s->m, i, 1);
		s->m.ports[i].mtu = 65535;
	}
	set_mode(s, 1, true, 10, false);
	s->m.ports[2].port->txqs[0]->offloads = 0;
	follow(s);
	make_frame(want, BROADCAST, MAC(1), 10, 65535);
	offload.csum_start = 65531;
	assert_int_equal(dummy_inject(s->m.ports[1].port, 0, frame, len, &offload), 0);
	turn(s, 0, 1);
	memcpy(want + 65535, dummy_sent_peek(s->m.ports[2].port, 0)->bytes + 65535, 2);
	expect_frame(s, 2, want, len + 4);
	offload.csum_start = 65532;
	assert_int_equal(dummy_inject(s->m.ports[1].port, 0, frame, len, &offload), 0);
	turn(s, 0, 1);
	expect_nothing(s, 2);
	assert_int_equal(maker_drops(&s->m, 1, DROP_offload), 1);
}

/* A batch that goes to all ports, in all directions, more than an outbox takes. */
static void test_batches_keep_order(void **state)
{
	enum { N = 100 };
	uint8_t frame[FRAME_MAX];
	struct stage *s = *state;

	for (unsigned i = 1; i <= 4; i++)
		maker_add(&s->m, i, 1);
	set_mode(s, 3, true, 10, false);
	follow(s);
	mac_table_learn(s->m.macs[0], MAC(2), 10, 2, 1, 0);
	for (unsigned i = 0; i < N; i++)
		inject(s, 1, frame, make_frame(frame, i % 3 ? BROADCAST : MAC(2), MAC(1), 10, i));
	turn(s, 0, 1);
	for (unsigned i = 0; i < N; i++) {
		mac_t dst = i % 3 ? BROADCAST : MAC(2);

		expect_frame(s, 2, frame, make_frame(frame, dst, MAC(1), 10, i));
		if (i % 3 == 0)
			continue;
		expect_frame(s, 4, frame, make_frame(frame, dst, MAC(1), 10, i));
		expect_frame(s, 3, frame, make_frame(frame, dst, MAC(1), UNTAGGED, i));
	}
	for (unsigned i = 1; i <= 4; i++)
		expect_nothing(s, i);
}

/* ---- patch ports */

static void join(struct stage *s, unsigned a, unsigned bridge_a, unsigned b, unsigned bridge_b)
{
	maker_add(&s->m, a, 1);
	maker_add(&s->m, b, 1);
	s->m.bridge[a] = bridge_a;
	s->m.bridge[b] = bridge_b;
	s->m.ports[a].patch = s->m.ports[b].patch = true;
	s->m.ports[a].patch_peer = b;
	s->m.ports[b].patch_peer = a;
}

static uint64_t tx_bytes(struct stage *s, unsigned id)
{
	return s->m.ports[id].state->counters[0].tx_bytes;
}

static void test_patch_joins_bridges(void **state)
{
	uint8_t frame[FRAME_MAX];
	struct stage *s = *state;
	uint32_t len;

	maker_add(&s->m, 1, 1);
	maker_add(&s->m, 2, 1);
	s->m.bridge[2] = 1;
	join(s, 3, 0, 4, 1);
	set_mode(s, 1, true, 10, false);
	follow(s);
	len = make_frame(frame, MAC(2), MAC(1), UNTAGGED, 60);
	inject(s, 1, frame, len);
	turn(s, 0, 1);
	/* VLAN 10 on both bridges, learned on both */
	expect_frame(s, 2, frame, make_frame(frame, MAC(2), MAC(1), 10, 60));
	assert_int_equal(mac_table_lookup(s->m.macs[0], MAC(1), 10), 1);
	assert_int_equal(mac_table_lookup(s->m.macs[1], MAC(1), 10), 4);
	assert_int_equal(maker_tx(&s->m, 3), 1);
	assert_int_equal(maker_rx(&s->m, 4), 1);
	assert_int_equal(tx_bytes(s, 3), len + VLAN_TAG_LEN); /* as on a cable */
	assert_int_equal(s->m.ports[4].state->counters[0].rx_bytes, len + VLAN_TAG_LEN);
	/* and back, as unicast */
	inject(s, 2, frame, make_frame(frame, MAC(1), MAC(2), 10, 60));
	turn(s, 0, 2);
	expect_frame(s, 1, frame, make_frame(frame, MAC(1), MAC(2), UNTAGGED, 60));
	/* the MTU of the cable */
	s->m.ports[3].mtu = 59;
	follow(s);
	expect_drop(s, frame, make_frame(frame, MAC(2), MAC(1), UNTAGGED, 60), 3, DROP_tx_too_long);
	/* nobody at the other end */
	s->m.ports[3].mtu = 1500;
	s->m.ports[3].patch_peer = 0;
	follow(s);
	expect_drop(s, frame, make_frame(frame, MAC(2), MAC(1), UNTAGGED, 60), 3,
		    DROP_tx_link_down);
	s->m.ports[3].patch_peer = 15; /* gone a moment ago */
	follow(s);
	expect_drop(s, frame, make_frame(frame, MAC(2), MAC(1), UNTAGGED, 60), 3,
		    DROP_tx_link_down);
	assert_int_equal(maker_tx(&s->m, 3), 1);
}

/* Nor does a tag come to light on the next bridge, whose port has a VLAN for frames of none. */
static void test_patch_hidden_tag(void **state)
{
	uint8_t frame[FRAME_MAX];
	struct stage *s = *state;
	uint32_t len;

	maker_add(&s->m, 1, 1);
	maker_add(&s->m, 2, 1);
	s->m.bridge[2] = 1;
	join(s, 3, 0, 4, 1);
	set_mode(s, 3, true, 10, false); /* takes the tag off */
	set_mode(s, 4, true, 20, false);
	set_mode(s, 2, false, 20, false);
	follow(s);
	len = make_frame(frame, BROADCAST, MAC(1), 10, 60);
	inject(s, 1, frame, len);
	turn(s, 0, 1);
	expect_frame(s, 2, frame, make_frame(frame, BROADCAST, MAC(1), UNTAGGED, 60));
	len = make_frame(frame, BROADCAST, MAC(1), 10, 60);
	memcpy(frame + 16, "\x81\0\0\x1e", 4);
	expect_drop(s, frame, len, 4, DROP_vlan);
	expect_nothing(s, 2);
}

/* A chain of bridges is crossed up to the limit. */
static void test_patch_chain(void **state)
{
	uint8_t frame[FRAME_MAX];
	struct stage *s = *state;

	/* bridges 0..6, joined by 3-4, 5-6, ...; port 1 on the first, port 2 on the last */
	maker_add(&s->m, 1, 1);
	maker_add(&s->m, 2, 1);
	for (unsigned i = 0; i < 6; i++)
		join(s, 3 + 2 * i, i, 4 + 2 * i, i + 1);
	s->m.bridge[2] = 6;
	follow(s);
	inject(s, 1, frame, make_frame(frame, BROADCAST, MAC(1), UNTAGGED, 60));
	turn(s, 0, 1);
	expect_frame(s, 2, frame, make_frame(frame, BROADCAST, MAC(1), UNTAGGED, 60));
	for (unsigned i = 1; i < MAKER_PORTS; i++)
		if (s->m.ports[i].port)
			assert_int_equal(maker_all_drops(&s->m, i), 0);
}

/* Bridges that form a loop, or many: a frame ends, and soon. */
static void test_patch_loop(void **state)
{
	uint64_t loops = 0, crossed = 0, got = 0;
	uint8_t frame[FRAME_MAX];
	struct stage *s = *state;

	maker_add(&s->m, 1, 1);
	maker_add(&s->m, 2, 1);
	s->m.bridge[2] = 1;
	for (unsigned i = 3; i + 1 < MAKER_PORTS; i += 2)
		join(s, i, 0, i + 1, 1); /* seven cables between the same two bridges */
	follow(s);
	inject(s, 1, frame, make_frame(frame, BROADCAST, MAC(1), UNTAGGED, 60));
	turn(s, 0, 1);
	for (unsigned i = 3; i < MAKER_PORTS; i++) {
		loops += maker_drops(&s->m, i, DROP_patch_loop);
		crossed += maker_tx(&s->m, i);
		assert_int_equal(maker_drops(&s->m, i, DROP_patch_loop), maker_all_drops(&s->m, i));
	}
	assert_true(loops > 0);
	assert_in_range(crossed, 1, MAKER_PORTS);
	while (dummy_sent_peek(s->m.ports[2].port, 0)) {
		dummy_sent_pop(s->m.ports[2].port, 0);
		got++;
	}
	assert_in_range(got, 1, MAKER_PORTS);
	/* the next frame has a budget of its own */
	inject(s, 1, frame, make_frame(frame, BROADCAST, MAC(1), UNTAGGED, 60));
	turn(s, 0, 1);
	assert_non_null(dummy_sent_peek(s->m.ports[2].port, 0));
}

/* The same packet leaves a port with two tags, when it comes there by two ways. */
static void test_patch_two_ways_two_tags(void **state)
{
	uint8_t frame[FRAME_MAX];
	struct stage *s = *state;
	unsigned tagged = 0, untagged = 0;

	maker_add(&s->m, 1, 1);
	maker_add(&s->m, 2, 1);
	s->m.bridge[2] = 1;
	join(s, 3, 0, 4, 1);
	join(s, 5, 0, 6, 1);
	set_mode(s, 4, true, 10, false); /* bridge 1 sees one copy in VLAN 10, one in none */
	set_mode(s, 3, false, 0, false);
	follow(s);
	inject(s, 1, frame, make_frame(frame, BROADCAST, MAC(1), UNTAGGED, 60));
	turn(s, 0, 1);
	while (dummy_sent_peek(s->m.ports[2].port, 0)) {
		const struct dummy_frame *f = dummy_sent_peek(s->m.ports[2].port, 0);
		uint32_t len = make_frame(frame, BROADCAST, MAC(1), UNTAGGED, 60);

		if (f->len == len) {
			untagged++;
		} else {
			len = make_frame(frame, BROADCAST, MAC(1), 10, 60);
			assert_int_equal(f->len, len);
			tagged++;
		}
		assert_memory_equal(f->bytes, frame, len);
		dummy_sent_pop(s->m.ports[2].port, 0);
	}
	assert_true(tagged && untagged);
}

/* It is removed while a worker has its packets: they are somebody's to count. */
static void test_port_is_gone(void **state)
{
	uint8_t frame[FRAME_MAX];
	struct stage *s = *state;
	struct port_counters *c;
	struct rxq *q;

	maker_add(&s->m, 1, 1);
	maker_add(&s->m, 2, 1);
	follow(s);
	q = s->m.ports[1].port->rxqs[0];
	c = &s->m.ports[1].state->counters[0];
	inject(s, 1, frame, make_frame(frame, BROADCAST, MAC(1), UNTAGGED, 60));
	batch_clear(s->batch);
	q->port->ops->rx(q, s->batch, c);
	forward_batch(s->fw[0], s->view, &(struct view_rxq){ .q = q, .port = 9 }, s->batch, 1, c);
	expect_nothing(s, 2);
	assert_int_equal(c->drops[DROP_port_removed], 1);
	forward_batch(s->fw[0], s->view, &(struct view_rxq){ .q = q, .port = 1 }, s->batch, 1, c);
	assert_int_equal(c->drops[DROP_port_removed], 1);
	q->port->ops->rx_done(q, s->batch);
	assert_int_equal(maker_tx(&s->m, 2), 1);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_tags_byte_by_byte),
		TEST(test_tags_move_offload_offsets),
		TEST(test_large_packets),
		TEST(test_offload_requests_are_checked),
		TEST(test_offload_request_far_behind),
		TEST(test_learns_and_floods),
		TEST(test_counts_each_drop_once),
		TEST(test_hidden_tags),
		TEST(test_shortest_frame),
		TEST(test_mtu),
		TEST(test_batches_keep_order),
		TEST(test_patch_joins_bridges),
		TEST(test_patch_hidden_tag),
		TEST(test_patch_chain),
		TEST(test_patch_loop),
		TEST(test_patch_two_ways_two_tags),
		TEST(test_port_is_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
