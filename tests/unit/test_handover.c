// SPDX-License-Identifier: Apache-2.0
/* Workers and the queues that they share (src/datapath/forward.c), step by step: who sends what
 * where, ports that are held, what waits in inboxes.
 */
#include <errno.h>

#include "forward_stage.h"

static uint32_t numbered(uint8_t *frame, mac_t dst, uint8_t number)
{
	uint32_t len = make_frame(frame, dst, MAC(1), UNTAGGED, 46);

	frame[ETH_HLEN] = number;
	return len;
}

static void expect_numbers(struct stage *s, unsigned port, const uint8_t *numbers)
{
	uint8_t frame[FRAME_MAX];

	for (; *numbers; numbers++)
		expect_frame(s, port, frame, numbered(frame, MAC(2), *numbers));
	expect_nothing(s, port);
}

#define NUMBERS(...) ((const uint8_t[]){ __VA_ARGS__, 0 })

/* A queue is sent to by whoever has a packet for it, at once, and by each in its own order. */
static void test_workers_share_a_queue(void **state)
{
	uint8_t frame[FRAME_MAX];
	struct stage *s = *state;

	for (unsigned i = 1; i <= 3; i++)
		maker_add(&s->m, i, 1);
	s->m.worker[2][0] = 1;
	s->m.worker[3][0] = 2;
	mac_table_learn(s->m.macs[0], MAC(2), 10, 2, 1, 0);
	mac_table_learn(s->m.macs[0], MAC(2), 0, 2, 1, 0);
	follow(s);
	for (uint8_t i = 1; i < 9; i += 2) {
		inject(s, 1, frame, numbered(frame, MAC(2), i));
		turn(s, 0, 1);
		inject(s, 3, frame, numbered(frame, MAC(2), i + 1));
		turn(s, 2, 3);
	}
	expect_numbers(s, 2, NUMBERS(1, 2, 3, 4, 5, 6, 7, 8));
	assert_true(inboxes_empty(&s->inboxes));
	assert_int_equal(s->m.ports[2].state->counters[0].tx_packets, 4);
	assert_int_equal(s->m.ports[2].state->counters[1].tx_packets, 0);
	assert_int_equal(s->m.ports[2].state->counters[2].tx_packets, 4);
	assert_int_equal(s->m.ports[2].port->txqs[0]->lock.state, LOCK_FREE);
}

/* Who is alone on a queue does not look at its lock. */
static void test_no_lock_for_one_user(void **state)
{
	uint8_t frame[FRAME_MAX];
	struct stage *s = *state;

	maker_add(&s->m, 1, 1);
	maker_add(&s->m, 2, 3);
	for (unsigned q = 0; q < 3; q++) {
		s->m.worker[2][q] = q;
		lock_take(&s->m.ports[2].port->txqs[q]->lock);
	}
	mac_table_learn(s->m.macs[0], MAC(2), 0, 2, 1, 0);
	s->m.alone = true;
	follow(s);
	inject(s, 1, frame, numbered(frame, MAC(2), 1));
	turn(s, 0, 1); /* would wait for ever */
	expect_numbers(s, 2, NUMBERS(1));
	s->m.worker[1][0] = 2;
	follow(s);
	inject(s, 1, frame, numbered(frame, MAC(2), 2));
	turn(s, 2, 1);
	expect_nothing(s, 2);
	assert_non_null(dummy_sent_peek(s->m.ports[2].port, 2));
}

/* What waits in an inbox keeps its home, as long as views say that the worker sends from there. */
static void test_waiting_keeps_to_homes(void **state)
{
	uint8_t frame[FRAME_MAX];
	struct stage *s = *state;

	s->m.has_homes = true;
	maker_add(&s->m, 1, 1);
	maker_add(&s->m, 2, 2);
	s->m.home[1][0] = s->m.home[2][1] = 1; /* port 1 has moved from worker 1 to worker 0 */
	s->m.worker[2][1] = 1;
	mac_table_learn(s->m.macs[0], MAC(2), 0, 2, 1, 0);
	for (unsigned i = 0; i < 2; i++) {
		s->m.ports[2].held = true;
		follow(s);
		inject(s, 1, frame, numbered(frame, MAC(2), 1));
		turn(s, 0, 1);
		s->m.ports[2].held = false;
		s->m.worker[1][0] = i; /* and, the second time, back */
		follow(s);
		turn(s, 0, 0);
		assert_int_equal(dummy_sent_peek(s->m.ports[2].port, 1) != NULL, i == 0);
		assert_int_equal(dummy_sent_peek(s->m.ports[2].port, 0) != NULL, i == 1);
		dummy_sent_pop(s->m.ports[2].port, 1 - i);
		s->m.worker[1][0] = 0;
	}
}

/* Packets wait for a held port, with all that belongs to them. */
static void test_waits(void **state)
{
	uint8_t frame[FRAME_MAX], bytes[FRAME_MAX];
	struct stage *s = *state;
	const struct virtio_net_hdr offload = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
						.csum_start = 34,
						.csum_offset = 6 };

	maker_add(&s->m, 1, 1);
	maker_add(&s->m, 2, 1);
	set_mode(s, 2, true, 10, false);
	mac_table_learn(s->m.macs[0], MAC(2), 10, 2, 1, 0);
	s->m.ports[2].held = true;
	follow(s);
	assert_true(forward_inboxes_empty(s->fw[0]));
	assert_true(inboxes_empty(&s->inboxes));
	for (uint32_t len = 46; len < 1500; len += 131) {
		uint32_t n = make_frame(frame, MAC(2), MAC(1), 10, len);

		assert_int_equal(dummy_inject(s->m.ports[1].port, 0, frame, n, &offload), 0);
	}
	turn(s, 0, 1);
	expect_nothing(s, 2);
	assert_false(forward_inboxes_empty(s->fw[0]));
	assert_false(inboxes_empty(&s->inboxes));
	assert_true(forward_inboxes_empty(s->fw[1]));
	s->m.ports[2].held = false;
	follow(s);
	turn(s, 0, 0);
	for (uint32_t len = 46; len < 1500; len += 131) {
		const struct dummy_frame *f = dummy_sent_peek(s->m.ports[2].port, 0);
		uint32_t n = make_frame(bytes, MAC(2), MAC(1), UNTAGGED, len);

		assert_non_null(f);
		assert_int_equal(f->offload.csum_start, 30); /* the tag is off */
		expect_frame(s, 2, bytes, n);
	}
	assert_true(inboxes_empty(&s->inboxes));
}

/* The longest frame that a guest may send, and a tag that the switch puts on it. */
static void test_longest_waits(void **state)
{
	struct stage *s = *state;
	uint8_t *frame = calloc(1, FRAME_LEN_MAX + VLAN_TAG_LEN);
	uint32_t len;

	assert_non_null(frame);
	maker_add(&s->m, 1, 1);
	maker_add(&s->m, 2, 1);
	s->m.ports[1].mtu = s->m.ports[2].mtu = 65535;
	set_mode(s, 1, true, 10, false);
	s->m.ports[2].held = true;
	follow(s);
	len = make_frame(frame, BROADCAST, MAC(1), UNTAGGED, FRAME_LEN_MAX - ETH_HLEN);
	memcpy(frame + 12, "\x88\xa8\0\x1\x88\xa8\0\x2", 8);
	inject(s, 1, frame, len);
	turn(s, 0, 1);
	s->m.ports[2].held = false;
	follow(s);
	turn(s, 0, 0);
	memmove(frame + 16, frame + 12, len - 12);
	memcpy(frame + 12, "\x81\0\0\xa", 4);
	expect_frame(s, 2, frame, len + VLAN_TAG_LEN);
	free(frame);
}

/* A port that is held for too long: drops are counted. */
static void test_inbox_is_bounded(void **state)
{
	enum { N = 20000 };
	uint8_t frame[FRAME_MAX];
	struct stage *s = *state;
	uint32_t len = numbered(frame, MAC(2), 1);
	uint64_t dropped;

	maker_add(&s->m, 1, 1);
	maker_add(&s->m, 2, 1);
	mac_table_learn(s->m.macs[0], MAC(2), 0, 2, 1, 0);
	s->m.ports[2].held = true;
	follow(s);
	for (unsigned i = 0; i < N; i++) {
		inject(s, 1, frame, len);
		turn(s, 0, 1);
	}
	dropped = maker_drops(&s->m, 2, DROP_tx_held_full);
	assert_true(dropped > 0 && dropped < N);
	/* all that is there is handled in one turn, so that nothing overtakes it */
	s->m.ports[2].held = false;
	follow(s);
	turn(s, 0, 0);
	assert_true(inboxes_empty(&s->inboxes));
	assert_int_equal(maker_tx(&s->m, 2) + maker_all_drops(&s->m, 2), N);
}

/* A port that is held: what is sent waits where it comes from, and nothing overtakes it. */
static void test_held_packets_wait_in_order(void **state)
{
	uint8_t frame[FRAME_MAX];
	struct stage *s = *state;

	for (unsigned i = 1; i <= 3; i++)
		maker_add(&s->m, i, 1);
	s->m.worker[2][0] = 1; /* worker 0 receives from port 1 and sends to port 2 of worker 1 */
	mac_table_learn(s->m.macs[0], MAC(2), 0, 2, 1, 0);
	mac_table_learn(s->m.macs[0], MAC(3), 0, 3, 1, 0);
	s->m.ports[2].held = true;
	follow(s);
	inject(s, 1, frame, numbered(frame, MAC(2), 1));
	inject(s, 1, frame, numbered(frame, MAC(2), 2));
	turn(s, 0, 1);
	turn(s, 1, 0);
	expect_nothing(s, 2);
	assert_int_equal(s->m.ports[2].state->counters[0].tx_held, 2);
	assert_int_equal(forward_inboxes(s->fw[0], s->view, 1), 0);
	assert_false(forward_inboxes_empty(s->fw[0]));
	/* other ports are not concerned */
	inject(s, 1, frame, numbered(frame, MAC(3), 9));
	turn(s, 0, 1);
	expect_frame(s, 3, frame, numbered(frame, MAC(3), 9));
	/* within a turn that began when the port was held, nothing overtakes either */
	forward_inboxes(s->fw[0], s->view, 1);
	s->m.ports[2].held = false;
	follow(s);
	batch_clear(s->batch);
	inject(s, 1, frame, numbered(frame, MAC(2), 3));
	s->m.ports[1].port->ops->rx(s->m.ports[1].port->rxqs[0], s->batch,
				    &s->m.ports[1].state->counters[0]);
	forward_batch(s->fw[0], s->view, &(struct view_rxq){ .port = 1 }, s->batch, 1,
		      &s->m.ports[1].state->counters[0]);
	s->m.ports[1].port->ops->rx_done(s->m.ports[1].port->rxqs[0], s->batch);
	expect_nothing(s, 2);
	inject(s, 1, frame, numbered(frame, MAC(2), 4));
	turn(s, 0, 1);
	expect_numbers(s, 2, NUMBERS(1, 2, 3, 4));
	assert_true(inboxes_empty(&s->inboxes));
	assert_int_equal(s->m.ports[2].state->counters[0].tx_held, 0);
	assert_int_equal(maker_all_drops(&s->m, 2), 0);
}

/* Two ports held for different times, by one worker alone. */
static void test_two_held_ports(void **state)
{
	uint8_t frame[FRAME_MAX];
	struct stage *s = *state;

	for (unsigned i = 1; i <= 3; i++)
		maker_add(&s->m, i, 1);
	mac_table_learn(s->m.macs[0], MAC(2), 0, 2, 1, 0);
	mac_table_learn(s->m.macs[0], MAC(3), 0, 3, 1, 0);
	s->m.ports[2].held = s->m.ports[3].held = true;
	follow(s);
	inject(s, 1, frame, numbered(frame, MAC(3), 1));
	inject(s, 1, frame, numbered(frame, MAC(2), 1));
	turn(s, 0, 1);
	/* port 2 is free, but its packet waits behind that for port 3: later ones wait, too */
	s->m.ports[2].held = false;
	follow(s);
	inject(s, 1, frame, numbered(frame, MAC(2), 2));
	turn(s, 0, 1);
	expect_nothing(s, 2);
	s->m.ports[3].held = false;
	follow(s);
	inject(s, 1, frame, numbered(frame, MAC(2), 3));
	turn(s, 0, 1);
	expect_numbers(s, 2, NUMBERS(1, 2, 3));
	expect_frame(s, 3, frame, numbered(frame, MAC(3), 1));
	expect_nothing(s, 3);
}

/* A port that goes while packets for it wait, and another that gets its number. */
static void test_records_of_a_removed_port(void **state)
{
	uint8_t frame[FRAME_MAX];
	struct stage *s = *state;

	maker_add(&s->m, 1, 1);
	maker_add(&s->m, 2, 1);
	s->m.worker[2][0] = 1;
	mac_table_learn(s->m.macs[0], MAC(2), 0, 2, 1, 0);
	follow(s);
	s->m.ports[2].held = true;
	follow(s);
	inject(s, 1, frame, numbered(frame, MAC(2), 1));
	inject(s, 1, frame, numbered(frame, MAC(2), 2));
	turn(s, 0, 1);
	assert_int_equal(inboxes_inject(&s->inboxes, s->view->ports[2], frame,
					numbered(frame, BROADCAST, 3)),
			 0);
	maker_del(&s->m, 2);
	maker_add(&s->m, 2, 1);
	s->m.ports[2].serial = 77;
	follow(s);
	turn(s, 0, 0);
	expect_nothing(s, 2);
	expect_nothing(s, 1);
	assert_true(inboxes_empty(&s->inboxes));
	/* and the new one is served */
	inject(s, 1, frame, numbered(frame, MAC(2), 4));
	turn(s, 0, 1);
	expect_numbers(s, 2, NUMBERS(4));
	/* a batch from a port that is gone is let go */
	inject(s, 1, frame, numbered(frame, MAC(2), 5));
	batch_clear(s->batch);
	s->m.ports[1].port->ops->rx(s->m.ports[1].port->rxqs[0], s->batch,
				    &s->m.ports[1].state->counters[0]);
	forward_batch(s->fw[0], s->view, &(struct view_rxq){ .port = 9 }, s->batch, 1,
		      &s->m.ports[1].state->counters[0]);
	forward_batch(s->fw[0], s->view, &(struct view_rxq){ .port = 4000 }, s->batch, 1,
		      &s->m.ports[1].state->counters[0]);
	s->m.ports[1].port->ops->rx_done(s->m.ports[1].port->rxqs[0], s->batch);
	expect_nothing(s, 2);
}

/* What the control thread injects is received, from whatever port, held or not. */
static void test_injects(void **state)
{
	uint8_t frame[FRAME_MAX];
	struct stage *s = *state;
	uint32_t len = make_frame(frame, BROADCAST, MAC(7), UNTAGGED, 46);

	for (unsigned i = 1; i <= 3; i++)
		maker_add(&s->m, i, 1);
	s->m.ports[1].held = true;
	follow(s);
	assert_int_equal(inboxes_inject(&s->inboxes, s->view->ports[1], frame, len), 0);
	turn(s, 0, 0);
	expect_frame(s, 2, frame, len);
	expect_frame(s, 3, frame, len);
	assert_int_equal(mac_table_lookup(s->m.macs[0], MAC(7), 0), 1);
	while (inboxes_inject(&s->inboxes, s->view->ports[1], frame, len) == 0)
		;
	assert_int_equal(inboxes_inject(&s->inboxes, s->view->ports[1], frame, len), -ENOBUFS);
}

/* Several queues, of one worker or of several: a flow stays on one, all of them are used. */
static void test_spreads_flows(void **state)
{
	static const unsigned owners[][4] = { { 0, 0, 0, 0 }, { 0, 1, 0, 2 }, { 1, 2, 1, 1 } };
	uint8_t frame[FRAME_MAX];
	struct stage *s = *state;

	maker_add(&s->m, 1, 1);
	maker_add(&s->m, 2, 4);
	mac_table_learn(s->m.macs[0], MAC(2), 0, 2, 1, 0);
	for (unsigned o = 0; o < ARRAY_SIZE(owners); o++) {
		int queue_of[64];
		unsigned used = 0, got = 0;

		memset(queue_of, -1, sizeof(queue_of));
		for (unsigned q = 0; q < 4; q++)
			s->m.worker[2][q] = owners[o][q];
		follow(s);
		for (unsigned i = 0; i < 256; i++) {
			uint32_t len =
				make_frame(frame, MAC(2), 0x0a0000000000ull + i % 64, UNTAGGED, 46);

			frame[ETH_HLEN] = (uint8_t)(i / 64); /* number in its flow */
			inject(s, 1, frame, len);
		}
		turn(s, 0, 1);
		for (unsigned q = 0; q < 4; q++) {
			const struct dummy_frame *f;
			uint8_t next[64] = { 0 };

			used += dummy_sent_peek(s->m.ports[2].port, q) != NULL;
			while ((f = dummy_sent_peek(s->m.ports[2].port, q))) {
				unsigned flow = f->bytes[11];

				assert_true(queue_of[flow] == -1 || queue_of[flow] == (int)q);
				queue_of[flow] = (int)q;
				assert_int_equal(f->bytes[ETH_HLEN], next[flow]++);
				dummy_sent_pop(s->m.ports[2].port, q);
				got++;
			}
		}
		assert_int_equal(got, 256);
		/* a worker that has queues of its own uses these */
		assert_int_equal(used, o == 1 ? 2 : 4);
	}
}

/* A flow of UDP between a guest of one queue (port 1) and one of several (port 2). */
static uint32_t make_flow(uint8_t *frame, bool reply, unsigned flow)
{
	uint32_t len =
		make_frame(frame, reply ? MAC(1) : MAC(2), reply ? MAC(2) : MAC(1), UNTAGGED, 46);
	const uint8_t ip[] = {
		0x45, 0, 0, 46,		  0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, reply ? 2 : 1,
		10,   0, 0, reply ? 1 : 2
	};
	uint8_t ports[] = { 1, (uint8_t)flow, 2, 2 };

	frame[12] = 0x08;
	frame[13] = 0x00;
	memcpy(frame + ETH_HLEN, ip, sizeof(ip));
	memcpy(frame + ETH_HLEN + sizeof(ip) + (reply ? 2 : 0), ports, 2);
	memcpy(frame + ETH_HLEN + sizeof(ip) + (reply ? 0 : 2), ports + 2, 2);
	return len;
}

/* Port 2's guest sends on queue @pair, which worker @w serves. */
static void reply(struct stage *s, unsigned w, unsigned flow, unsigned pair)
{
	uint8_t frame[FRAME_MAX];
	uint32_t len = make_flow(frame, true, flow);

	assert_int_equal(dummy_inject(s->m.ports[2].port, pair, frame, len, NULL), 0);
	take(s, w, 2, pair);
	while (dummy_sent_peek(s->m.ports[1].port, 0))
		dummy_sent_pop(s->m.ports[1].port, 0);
}

/* Sends to port 2, by the worker that serves port 1, and returns the queue where that came out. */
static unsigned queue_of(struct stage *s, unsigned flow)
{
	struct port *port = s->m.ports[2].port;
	uint8_t frame[FRAME_MAX];
	unsigned queue = 99;

	inject(s, 1, frame, make_flow(frame, false, flow));
	turn(s, s->m.worker[1][0], 1);
	for (unsigned q = 0; q < 4; q++)
		for (; dummy_sent_peek(port, q); dummy_sent_pop(port, q)) {
			assert_int_equal(queue, 99);
			queue = q;
		}
	return queue;
}

static void open_steered(struct stage *s, const unsigned owners[4])
{
	s->m.steer = true;
	maker_add(&s->m, 1, 1);
	maker_add(&s->m, 2, 4);
	for (unsigned q = 0; q < 4; q++)
		s->m.worker[2][q] = owners[q];
	mac_table_learn(s->m.macs[0], MAC(1), 0, 1, 1, 0);
	mac_table_learn(s->m.macs[0], MAC(2), 0, 2, 1, 0);
	follow(s);
}

/* Replies go where the guest sent from: among the queues of the worker that has the packet, and
 * among all when it has none. */
static void test_replies_follow_the_guest(void **state)
{
	static const unsigned none[4] = { 1, 2, 1, 2 };
	struct stage *s = *state;

	open_steered(s, (const unsigned[4]){ 0 });
	for (unsigned o = 0; o < 2; o++) {
		const unsigned *owners = s->m.worker[2];

		for (unsigned flow = 0; flow < 8; flow++)
			for (unsigned pair = 0; pair < 4; pair++) {
				reply(s, owners[pair], flow, pair);
				assert_int_equal(queue_of(s, flow), pair);
			}
		/* all at once: each keeps its own */
		for (unsigned flow = 0; flow < 8; flow++)
			reply(s, owners[flow % 4], flow, flow % 4);
		for (unsigned flow = 0; flow < 8; flow++)
			assert_int_equal(queue_of(s, flow), flow % 4);
		for (unsigned q = 0; q < 4; q++)
			s->m.worker[2][q] = none[q];
		follow(s);
	}
}

/* What the guest wants is not to be had: the flow goes where its hash says, as before. */
static void test_steering_gives_way(void **state)
{
	static const unsigned owners[4] = { 0, 0, 1, 1 };
	struct stage *s = *state;
	unsigned by_hash[8], before;

	open_steered(s, owners);
	for (unsigned flow = 0; flow < 8; flow++)
		by_hash[flow] = queue_of(s, flow);
	for (unsigned flow = 0; flow < 8; flow++) {
		before = by_hash[flow];
		assert_true(before < 2);
		/* a queue of another worker: what has a queue of its own does not share */
		reply(s, 1, flow, 2 + flow % 2);
		assert_int_equal(queue_of(s, flow), before);
		/* of this one */
		reply(s, 0, flow, 1 - before);
		assert_int_equal(queue_of(s, flow), 1 - before);
	}
	/* queues 1 to 3 are disabled: only one is left */
	s->m.ports[2].port->n_txqs = 1;
	follow(s);
	for (unsigned flow = 0; flow < 8; flow++)
		assert_int_equal(queue_of(s, flow), 0);
	/* and back: what was said before is still known */
	s->m.ports[2].port->n_txqs = 4;
	follow(s);
	for (unsigned flow = 0; flow < 8; flow++)
		assert_int_equal(queue_of(s, flow), 1 - by_hash[flow]);
}

/* Wherever queues move, a flow stays on its queue: one of the same home as the sender's. */
static void test_moves_do_not_change_queues(void **state)
{
	static const unsigned owners[][5] = { { 0, 0, 0, 1, 1 },
					      { 1, 0, 0, 1, 1 },
					      { 2, 0, 1, 2, 0 },
					      { 0, 1, 1, 1, 1 },
					      { 1, 2, 2, 2, 2 } };
	struct stage *s = *state;
	unsigned first[16], used = 0;

	s->m.has_homes = true;
	s->m.home[2][2] = s->m.home[2][3] = 1;
	open_steered(s, &owners[0][1]);
	for (unsigned o = 0; o < ARRAY_SIZE(owners); o++) {
		s->m.worker[1][0] = owners[o][0];
		for (unsigned q = 0; q < 4; q++)
			s->m.worker[2][q] = owners[o][1 + q];
		follow(s);
		for (unsigned flow = 0; flow < ARRAY_SIZE(first); flow++) {
			unsigned queue = queue_of(s, flow);

			if (!o)
				first[flow] = queue;
			assert_true(queue < 2);
			assert_int_equal(queue, first[flow]);
			used |= 1u << queue;
		}
		assert_int_equal(used, 3);
	}
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_workers_share_a_queue),
		TEST(test_no_lock_for_one_user),
		TEST(test_waiting_keeps_to_homes),
		TEST(test_waits),
		TEST(test_longest_waits),
		TEST(test_inbox_is_bounded),
		TEST(test_held_packets_wait_in_order),
		TEST(test_two_held_ports),
		TEST(test_records_of_a_removed_port),
		TEST(test_injects),
		TEST(test_spreads_flows),
		TEST(test_replies_follow_the_guest),
		TEST(test_steering_gives_way),
		TEST(test_moves_do_not_change_queues),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
