// SPDX-License-Identifier: Apache-2.0
/* A packet that has taught a rule goes again by way of the control thread: it is as large as it
 * was, what it asks for is still asked for, and the patch ports that it has crossed still count.
 * And a rule that was refused is asked for again, in time.
 */
#include <unistd.h>

#include "base/rcu.h"
#include "datapath/datapath.h"
#include "rules_stage.h"

#define WAIT_NS (20 * NSEC_PER_SEC)
#define CHECKSUM_AT (ETH_HLEN + 20)
#define LEARN "learn(table=1,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[])"

/* A worker, and two bridges, which a patch cable connects: ports 1, 2 and 3, 4. */
static struct world {
	struct maker m;
	struct event_base *base;
	struct datapath *dp;
	struct rules_stage rules[2];
	unsigned n_again;
} w;

/* What the control thread does, but that it makes no rule. */
static void on_upcall(void *arg, const struct upcall *u)
{
	if (u->kind != UPCALL_AGAIN)
		return;
	w.n_again++;
	assert_int_equal(datapath_again(w.dp, u), 0);
}

static int start(void **state)
{
	struct error err = { "" };

	memset(&w, 0, sizeof(w));
	maker_init(&w.m, 1);
	for (unsigned i = 1; i <= 4; i++) {
		maker_add(&w.m, i, 1);
		w.m.bridge[i] = i > 2;
	}
	w.m.ports[2].patch = w.m.ports[3].patch = true;
	w.m.ports[2].patch_peer = 3;
	w.m.ports[3].patch_peer = 2;
	for (unsigned i = 0; i < 2; i++) {
		rules_init(&w.rules[i]);
		rules_ports(&w.rules[i], 4);
		w.m.rules[i] = (const struct pipeline *const *)&w.rules[i].current;
	}
	w.base = event_base_new();
	if (datapath_create(&w.dp, w.base, 1, NULL, &err) != 0)
		fail_msg("%s", err.text);
	datapath_set_upcall(w.dp, on_upcall, NULL);
	return 0;
}

/* From here on workers count no more. */
static void stop_workers(void)
{
	datapath_destroy(w.dp);
	w.dp = NULL;
}

static int stop(void **state)
{
	stop_workers();
	event_base_free(w.base);
	rcu_drain();
	for (unsigned i = 0; i < 2; i++)
		rules_free(&w.rules[i]);
	maker_destroy(&w.m);
	return 0;
}

/* A frame comes in by port 1, with all rules there. */
static void receive(uint32_t len, const struct virtio_net_hdr *offload, const uint8_t *frame)
{
	datapath_publish(w.dp, maker_view(&w.m));
	assert_int_equal(dummy_inject(w.m.ports[1].port, 0, frame, len, offload), 0);
}

#define UNTIL(condition)                                                                  \
	do {                                                                              \
		uint64_t end_ = clock_ns() + WAIT_NS;                                     \
		while (!(condition)) {                                                    \
			event_base_loop(w.base, EVLOOP_NONBLOCK);                         \
			if (clock_ns() > end_)                                            \
				fail_msg("line %d: waited for %s", __LINE__, #condition); \
			usleep(50);                                                       \
		}                                                                         \
	} while (0)

/* A TCP packet over IPv4 with @payload bytes. */
static uint32_t make_tcp(uint8_t *frame, uint32_t payload)
{
	uint8_t *ip = frame + ETH_HLEN;

	memset(frame, 0, ETH_HLEN + 40 + payload);
	make_frame(frame, MAC(9), MAC(1), UNTAGGED, 0);
	memcpy(frame + 12, "\x08\0\x45", 3);
	ip[2] = (uint8_t)((40 + payload) >> 8);
	ip[3] = (uint8_t)(40 + payload);
	memcpy(ip + 8, "\x40\x06\0\0\x0a\0\0\1\x0a\0\0\2\x10\0\0\x50", 16);
	ip[32] = 0x50;
	return ETH_HLEN + 40 + payload;
}

/* Small ones whose checksum is to be made, and large ones. Here they leave as they came: whatever
 * is lost on the way is seen. */
static void test_offload(void **state)
{
	struct virtio_net_hdr offload = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
					  .csum_start = CHECKSUM_AT,
					  .csum_offset = 16 };
	const struct dummy_frame *f = NULL;
	uint8_t frame[FRAME_MAX];
	uint32_t len = make_tcp(frame, 1200);

	rules_add(&w.rules[0], 0, 10, "in_port=1", LEARN ",output:4");
	w.m.bridge[4] = 0;
	for (unsigned large = 0; large < 2; large++) {
		if (large) {
			offload.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
			offload.gso_size = 500;
			offload.hdr_len = ETH_HLEN + 40;
			frame[6 + 5] = 2; /* teaches another rule */
		}
		receive(len, &offload, frame);
		UNTIL((f = dummy_sent_peek(w.m.ports[4].port, 0)));
		assert_int_equal(f->len, len);
		assert_memory_equal(f->bytes, frame, len);
		assert_int_equal(f->offload.flags, offload.flags);
		assert_int_equal(f->offload.csum_start, offload.csum_start);
		assert_int_equal(f->offload.csum_offset, offload.csum_offset);
		assert_int_equal(f->offload.gso_type, offload.gso_type);
		assert_int_equal(f->offload.gso_size, offload.gso_size);
		assert_int_equal(f->offload.hdr_len, offload.hdr_len);
		dummy_sent_pop(w.m.ports[4].port, 0);
		assert_int_equal(w.n_again, large + 1);
	}
}

/* Between two bridges that send a packet to and fro, it crosses no more patch ports than one that
 * never waits. */
static void test_hops(void **state)
{
	uint8_t frame[FRAME_MAX];

	rules_add(&w.rules[0], 0, 10, "in_port=1", "output:2");
	rules_add(&w.rules[0], 0, 10, "in_port=2", LEARN ",in_port");
	rules_add(&w.rules[1], 0, 10, "in_port=3", LEARN ",in_port");
	receive(make_frame(frame, MAC(9), MAC(1), UNTAGGED, 100), NULL, frame);
	UNTIL(maker_drops(&w.m, 2, DROP_patch_loop) + maker_drops(&w.m, 3, DROP_patch_loop));
	stop_workers();
	assert_true(w.n_again >= 2);
	assert_int_equal(maker_tx(&w.m, 2) + maker_tx(&w.m, 3), VIEW_PATCH_HOPS_MAX);
}

/* Copies of a packet cross as many patch ports as there are ports, all together; what was crossed
 * before it waited is among them. */
static void test_crossings(void **state)
{
	uint8_t frame[FRAME_MAX];
	uint32_t len = make_frame(frame, MAC(9), MAC(1), UNTAGGED, 100);
	char actions[512] = LEARN;

	for (unsigned i = 0; i < MAKER_PORTS; i++) /* as many as the view has */
		strcat(actions, ",in_port");
	strcat(actions, ",output:4");
	rules_add(&w.rules[0], 0, 10, "in_port=1", "output:2");
	rules_add(&w.rules[0], 0, 10, "in_port=2", "drop");
	rules_add(&w.rules[1], 0, 10, "in_port=3", actions);
	receive(len, NULL, frame);
	UNTIL(dummy_sent_peek(w.m.ports[4].port, 0));
	stop_workers();
	assert_int_equal(w.n_again, 1);
	assert_int_equal(maker_tx(&w.m, 2), 1);
	assert_int_equal(maker_tx(&w.m, 3), MAKER_PORTS - 1);
	assert_int_equal(maker_drops(&w.m, 3, DROP_patch_loop), 1);
}

/* The same on a worker that the test turns by hand, whose clock is the test's. */
static int start_by_hand(void **state)
{
	struct stage *s;

	if (setup(state) < 0)
		return -1;
	s = *state;
	for (unsigned i = 1; i <= 2; i++)
		maker_add(&s->m, i, 1);
	rules_init(&w.rules[0]);
	rules_ports(&w.rules[0], 2);
	s->m.rules[0] = (const struct pipeline *const *)&w.rules[0].current;
	follow(s);
	return 0;
}

static int stop_by_hand(void **state)
{
	int r = teardown(state);

	rules_free(&w.rules[0]);
	return r;
}

/* A packet teaches one rule, and waits. */
static void expect_asked(struct stage *s)
{
	struct upcall *u = upcalls_next(&s->upcalls[0]);

	assert_non_null(u);
	assert_int_equal(u->kind, UPCALL_LEARN);
	u = upcalls_next(&s->upcalls[0]);
	assert_non_null(u);
	assert_int_equal(u->kind, UPCALL_AGAIN);
	assert_null(upcalls_next(&s->upcalls[0]));
	upcalls_release(&s->upcalls[0]);
	expect_nothing(s, 2);
}

/* A second later it is asked for again, though the rules are the same; made then, it is met. */
static void test_learn_refused_for_a_second(void **state)
{
	struct stage *s = *state;
	uint8_t frame[FRAME_MAX];
	uint32_t len = make_frame(frame, MAC(9), MAC(1), UNTAGGED, 100);
	struct record r = {
		.kind = RECORD_TAUGHT, .port = 1, .serial = 1, .len = len, .in_port = 1
	};
	struct tally *learned;

	rules_add(&w.rules[0], 0, 10, "in_port=1",
		  "learn(table=1,NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[]),output:2,resubmit(,1)");
	for (unsigned seconds = 0; seconds < 3; seconds++) {
		inject(s, 1, frame, len);
		turn(s, 0, 1);
		expect_asked(s);
		s->now += NSEC_PER_SEC - NSEC_PER_MSEC;
		inject(s, 1, frame, len);
		turn(s, 0, 1);
		expect_frame(s, 2, frame, len);
		assert_null(upcalls_next(&s->upcalls[0]));
		s->now += NSEC_PER_MSEC;
	}
	inject(s, 1, frame, len);
	turn(s, 0, 1);
	expect_asked(s);
	learned = rules_add(&w.rules[0], 1, 32768, "dl_src=02:00:00:00:00:01", "output:1");
	assert_int_equal(inboxes_put(&s->inboxes, &r, NULL, frame), 0);
	inject(s, 1, frame, len);
	turn(s, 0, 1);
	expect_frame(s, 2, frame, len);
	expect_frame(s, 2, frame, len);
	assert_null(upcalls_next(&s->upcalls[0]));
	forward_settle(s->fw[0]);
	assert_int_equal(learned->packets, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_offload),
		TEST(test_hops),
		TEST(test_crossings),
		cmocka_unit_test_setup_teardown(test_learn_refused_for_a_second, start_by_hand,
						stop_by_hand),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
