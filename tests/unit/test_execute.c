// SPDX-License-Identifier: Apache-2.0
/* Bridges with rules: what leaves where, byte by byte, whether a plan is new, kept, or cannot be
 * kept; what is counted, and what the control thread gets.
 */
#include <netinet/in.h>

#include "packet/checksum.h"
#include "rules_stage.h"

static struct rules_stage rules[2];

static int begin(void **state)
{
	struct stage *s;

	if (setup(state) < 0)
		return -1;
	s = *state;
	for (unsigned i = 1; i <= 4; i++)
		maker_add(&s->m, i, 1);
	for (unsigned i = 0; i < 2; i++) {
		rules_init(&rules[i]);
		rules_ports(&rules[i], 8);
		s->m.rules[i] = (const struct pipeline *const *)&rules[i].current;
	}
	follow(s);
	return 0;
}

static int end(void **state)
{
	int r = teardown(state);

	rules_free(&rules[0]);
	rules_free(&rules[1]);
	return r;
}

/* The same frame comes in three times, so that its plan is made, kept, and found. */
static void thrice(struct stage *s, const uint8_t *frame, uint32_t len,
		   void (*check)(struct stage *s, const uint8_t *frame, uint32_t len))
{
	for (unsigned i = 0; i < 3; i++) {
		inject(s, 1, frame, len);
		turn(s, 0, 1);
		check(s, frame, len);
		for (unsigned p = 1; p <= 4; p++)
			expect_nothing(s, p);
	}
}

/* Credits all, long after the packets of a test came, at 1 s. */
static void settle(struct stage *s)
{
	forward_inboxes(s->fw[0], s->view, 9 * NSEC_PER_SEC);
	forward_settle(s->fw[0]);
}

static void to_two(struct stage *s, const uint8_t *frame, uint32_t len)
{
	expect_frame(s, 2, frame, len);
}

static void test_output(void **state)
{
	struct tally *hit = rules_add(&rules[0], 0, 10, "in_port=1", "output:2");
	struct tally *other = rules_add(&rules[0], 0, 20, "in_port=2", "output:3");
	struct stage *s = *state;
	uint8_t frame[FRAME_MAX];
	uint32_t len = make_frame(frame, MAC(9), MAC(1), UNTAGGED, 100);

	thrice(s, frame, len, to_two);
	settle(s);
	assert_int_equal(hit->packets, 3);
	assert_int_equal(hit->used_ms, 1000);
	assert_int_equal(hit->bytes, 3 * len);
	assert_int_equal(other->packets, 0);
	assert_int_equal(rules[0].lookups[0].packets, 3);
	assert_int_equal(rules[0].matches[0].packets, 3);
	assert_true(forward_settled(s->fw[0]));
}

/* Packets whose plans are not kept, in a row and in turn with others, with few credits and many. */
static void test_counted_without_plan(void **state)
{
	static const char *const larger = "check_pkt_larger(1000)->NXM_NX_REG0[0]";
	struct tally *hits[3], *behind;
	struct stage *s = *state;
	uint8_t frame[FRAME_MAX];
	char actions[256];

	snprintf(actions, sizeof(actions), "%s,output:4", larger);
	hits[0] = rules_add(&rules[0], 0, 10, "in_port=1", actions);
	hits[1] = rules_add(&rules[0], 0, 10, "in_port=2", actions);
	snprintf(actions, sizeof(actions), "%s%s", larger,
		 ",resubmit(,1),resubmit(,1),resubmit(,1),resubmit(,1),resubmit(,1),resubmit(,1)");
	hits[2] = rules_add(&rules[0], 0, 10, "in_port=3", actions);
	behind = rules_add(&rules[0], 1, 1, "", "load:1->NXM_NX_REG1[]");
	for (unsigned i = 0; i < 12; i++) { /* port 1, 1, 2, 3, 1, 1, 2 ... */
		unsigned port = i % 4 ? i % 4 : 1;

		inject(s, port, frame, make_frame(frame, MAC(9), MAC(1), UNTAGGED, 100 + i));
		turn(s, 0, port);
	}
	settle(s);
	assert_int_equal(hits[0]->packets, 6);
	assert_int_equal(hits[0]->used_ms, 1000);
	assert_int_equal(hits[0]->bytes, 6 * 114 + 0 + 1 + 4 + 5 + 8 + 9);
	assert_int_equal(hits[1]->packets, 3);
	assert_int_equal(hits[1]->bytes, 3 * 114 + 2 + 6 + 10);
	assert_int_equal(hits[2]->packets, 3);
	assert_int_equal(hits[2]->bytes, 3 * 114 + 3 + 7 + 11);
	assert_int_equal(behind->packets, 18);
	assert_int_equal(rules[0].lookups[0].packets, 12);
	assert_int_equal(rules[0].matches[1].packets, 18);
	assert_true(forward_settled(s->fw[0]));
	inject(s, 1, frame, 100);
	turn(s, 0, 1);
	assert_false(forward_settled(s->fw[0]));
	forward_settle(s->fw[0]);
	assert_int_equal(hits[0]->packets, 7);
}

/* What is changed behind an output is not seen there; a plan is tied to its version. */
static void in_turn(struct stage *s, const uint8_t *frame, uint32_t len)
{
	uint8_t want[FRAME_MAX];

	expect_frame(s, 2, frame, len);
	memcpy(want, frame, len);
	mac_store(want, MAC(33));
	expect_frame(s, 3, want, len);
	mac_store(want + 6, MAC(44));
	expect_frame(s, 4, want, len);
}

static void test_changes_between_outputs(void **state)
{
	struct stage *s = *state;
	uint8_t frame[FRAME_MAX];
	uint32_t len = make_frame(frame, MAC(9), MAC(1), UNTAGGED, 300);

	rules_add(&rules[0], 0, 10, "in_port=1",
		  "output:2,set_field:02:00:00:00:00:21->eth_dst,output:3,"
		  "set_field:02:00:00:00:00:2c->eth_src,output:4");
	thrice(s, frame, len, in_turn);
	rules_add(&rules[0], 0, 10, "in_port=1", "output:2"); /* in its place */
	thrice(s, frame, len, to_two);
}

static void test_vlan(void **state)
{
	struct stage *s = *state;
	uint8_t frame[FRAME_MAX], want[FRAME_MAX];
	uint32_t len = make_frame(frame, MAC(9), MAC(1), UNTAGGED, 300), tagged;

	rules_add(&rules[0], 0, 10, "in_port=1",
		  "push_vlan:0x8100,set_field:4106->vlan_vid,output:2,strip_vlan,output:3");
	inject(s, 1, frame, len);
	turn(s, 0, 1);
	tagged = make_frame(want, MAC(9), MAC(1), 10, 300);
	expect_frame(s, 2, want, tagged);
	expect_frame(s, 3, frame, len);
}

static void test_clone(void **state)
{
	struct stage *s = *state;
	uint8_t frame[FRAME_MAX], want[FRAME_MAX];
	uint32_t len = make_frame(frame, MAC(9), MAC(1), UNTAGGED, 300);

	rules_add(&rules[0], 0, 10, "in_port=1",
		  "clone(set_field:02:00:00:00:00:21->eth_dst,output:2),output:3");
	for (unsigned i = 0; i < 3; i++) {
		inject(s, 1, frame, len);
		turn(s, 0, 1);
		memcpy(want, frame, len);
		mac_store(want, MAC(33));
		expect_frame(s, 2, want, len);
		expect_frame(s, 3, frame, len);
	}
}

static void test_truncated(void **state)
{
	struct stage *s = *state;
	uint8_t frame[FRAME_MAX];
	uint32_t len = make_frame(frame, MAC(9), MAC(1), UNTAGGED, 900);

	rules_add(&rules[0], 0, 10, "in_port=1", "output(port=2,max_len=100),output:3");
	for (unsigned i = 0; i < 3; i++) {
		inject(s, 1, frame, len);
		turn(s, 0, 1);
		expect_frame(s, 2, frame, 100);
		expect_frame(s, 3, frame, len);
	}
}

/* NORMAL learns and floods; as the only rule, too, where no plan is made. */
static void test_normal(void **state)
{
	struct stage *s = *state;
	uint8_t frame[FRAME_MAX], back[FRAME_MAX];
	uint32_t len = make_frame(frame, MAC(9), MAC(1), UNTAGGED, 100);
	uint32_t back_len = make_frame(back, MAC(1), MAC(9), UNTAGGED, 70);

	for (unsigned mixed = 0; mixed < 2; mixed++) {
		struct tally *t;
		const struct rule *normal;

		if (mixed)
			rules_add(&rules[0], 0, 10, "in_port=4", "drop");
		t = rules_add(&rules[0], 0, 0, "", "NORMAL");
		assert_int_equal(!execution_rules(s->view->ports[1]->bridge, &normal), !mixed);
		mac_table_flush(s->m.macs[0], MAC_NO_PORT, false);
		inject(s, 1, frame, len);
		turn(s, 0, 1);
		for (unsigned p = 2; p <= 4; p++)
			expect_frame(s, p, frame, len);
		inject(s, 3, back, back_len);
		turn(s, 0, 3);
		expect_frame(s, 1, back, back_len);
		expect_nothing(s, 2);
		settle(s);
		assert_int_equal(t->packets, 2);
		assert_int_equal(t->used_ms, 1000);
		assert_int_equal(t->bytes, len + back_len);
	}
}

static void test_drops(void **state)
{
	struct stage *s = *state;
	uint8_t frame[FRAME_MAX];
	uint32_t len = make_frame(frame, MAC(9), MAC(1), UNTAGGED, 100);

	rules_add(&rules[0], 0, 10, "in_port=1", "output:77");
	inject(s, 1, frame, len);
	turn(s, 0, 1);
	assert_int_equal(maker_drops(&s->m, 1, DROP_no_such_port), 1);
	assert_int_equal(maker_all_drops(&s->m, 1), 1);
	rules_add(&rules[0], 0, 10, "in_port=2", "drop");
	inject(s, 2, frame, len);
	turn(s, 0, 2);
	assert_int_equal(maker_all_drops(&s->m, 2), 1);
}

static void test_controller(void **state)
{
	struct stage *s = *state;
	uint8_t frame[FRAME_MAX];
	uint32_t len = make_frame(frame, MAC(9), MAC(1), UNTAGGED, 500);
	struct upcall *u;

	rules_add(&rules[0], 0, 10, "in_port=1",
		  "set_field:0x77->reg0,controller(max_len=90,id=5,userdata=0a.0b),output:2");
	for (unsigned i = 0; i < 2; i++) {
		inject(s, 1, frame, len);
		turn(s, 0, 1);
		expect_frame(s, 2, frame, len);
		u = upcalls_next(&s->upcalls[0]);
		assert_non_null(u);
		assert_int_equal(u->kind, UPCALL_PACKET);
		assert_int_equal(u->controller, 5);
		assert_int_equal(u->in_port, 1);
		assert_int_equal(u->total_len, len);
		assert_int_equal(u->frame_len, 90);
		assert_memory_equal(u->frame, frame, 90);
		assert_int_equal(u->userdata_len, 2);
		assert_memory_equal(u->userdata, "\x0a\x0b", 2);
		assert_ptr_equal(u->rules, s->m.rules[0]);
		assert_int_not_equal(u->map, 0); /* reg0 */
		assert_null(upcalls_next(&s->upcalls[0]));
		upcalls_release(&s->upcalls[0]);
	}
}

/* A TCP packet that leaves its checksum to us; with @size, payload for segments of so much. */
static uint32_t make_tcp(uint8_t *frame, uint32_t payload, uint16_t size,
			 struct virtio_net_hdr *offload)
{
	uint8_t *ip = frame + ETH_HLEN, *tcp = ip + 20;
	uint16_t sum;

	memset(frame, 0, ETH_HLEN + 40 + payload);
	make_frame(frame, MAC(9), MAC(1), UNTAGGED, 0);
	memcpy(frame + 12, "\x08\0\x45", 3);
	ip[2] = (uint8_t)((40 + payload) >> 8);
	ip[3] = (uint8_t)(40 + payload);
	memcpy(ip + 8, "\x40\x06\0\0\x0a\0\0\1\x0a\0\0\2\x10\0\0\x50", 16);
	tcp[12] = 0x50;
	memset(tcp + 20, 0x5a, payload);
	/* of the pseudo header: addresses, protocol, length */
	sum = checksum_fold(checksum_add(0, ip + 12, 8));
	sum = checksum_fold(sum + (uint64_t)htons(IPPROTO_TCP) + htons((uint16_t)(20 + payload)));
	memcpy(tcp + TCP_CSUM_OFFSET, &sum, sizeof(sum));
	*offload = (struct virtio_net_hdr){ .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
					    .gso_type = size ? VIRTIO_NET_HDR_GSO_TCPV4
							     : VIRTIO_NET_HDR_GSO_NONE,
					    .gso_size = size,
					    .hdr_len = ETH_HLEN + 40,
					    .csum_start = ETH_HLEN + 20,
					    .csum_offset = TCP_CSUM_OFFSET };
	return ETH_HLEN + 40 + payload;
}

static void expect_checksum(const uint8_t *frame, uint32_t len)
{
	const uint8_t *ip = frame + ETH_HLEN;
	uint64_t sum = checksum_add(0, ip + 12, 8) + htons(IPPROTO_TCP) +
		       htons((uint16_t)(len - ETH_HLEN - 20));

	assert_int_equal(checksum_fold(checksum_add(sum, ip + 20, len - ETH_HLEN - 20)), 0xffff);
}

/* A controller gets packets as they are on a wire, and others get them as they came. */
static void test_controller_offload(void **state)
{
	struct stage *s = *state;
	uint8_t frame[FRAME_MAX];
	struct virtio_net_hdr offload;
	const struct dummy_frame *f;
	uint32_t len;
	struct upcall *u;

	rules_add(&rules[0], 0, 10, "in_port=1", "controller(max_len=65535),output:2");
	for (uint16_t size = 0; size <= 500; size += 500) {
		len = make_tcp(frame, 1200, size, &offload);
		assert_int_equal(dummy_inject(s->m.ports[1].port, 0, frame, len, &offload), 0);
		turn(s, 0, 1);
		for (unsigned left = 1200; left;) {
			unsigned part = size ? min(left, (unsigned)size) : left;

			u = upcalls_next(&s->upcalls[0]);
			assert_non_null(u);
			assert_int_equal(u->total_len, ETH_HLEN + 40 + part);
			assert_int_equal(u->frame_len, u->total_len);
			expect_checksum(u->frame, u->frame_len);
			left -= part;
		}
		assert_null(upcalls_next(&s->upcalls[0]));
		upcalls_release(&s->upcalls[0]);
		f = dummy_sent_peek(s->m.ports[2].port, 0);
		assert_non_null(f);
		assert_int_equal(f->len, len);
		assert_int_equal(f->offload.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
		assert_memory_equal(f->bytes, frame, len);
		dummy_sent_pop(s->m.ports[2].port, 0);
	}
}

/* What outboxes make of the tag of a packet, which is in them, is not the packet's: it goes on as
 * long as it is. NORMAL gives it a tag for port 2, or takes it off; then it leaves there once more,
 * as it is. */
static void test_tag_of_outboxes(void **state)
{
	struct stage *s = *state;
	uint8_t frame[FRAME_MAX], other[FRAME_MAX];
	struct meter_state counts = { 0 };
	struct meter *meter = meter_create(1);
	struct pipeline *next = pipeline_next(rules[0].current);
	struct upcall *u;

	assert_non_null(meter);
	assert_non_null(next);
	meter->state = &counts;
	assert_int_equal(pipeline_add_meter(next, meter), 0);
	rules_publish(&rules[0], next);
	rules_add(&rules[0], 0, 10, "in_port=1",
		  "NORMAL,output:2,controller(max_len=65535),output:2,meter:1,"
		  "NORMAL,output:2,output(port=3,max_len=116)");
	set_mode(s, 4, true, 99, false);
	for (unsigned tagged = 0; tagged < 2; tagged++) {
		uint32_t len = make_frame(frame, MAC(9), MAC(1), tagged ? 10 : UNTAGGED, 100);
		uint32_t other_len = make_frame(other, MAC(9), MAC(1), tagged ? UNTAGGED : 10, 100);

		memset(&counts, 0, sizeof(counts));
		set_mode(s, 1, false, tagged ? 0 : 10, false);
		set_mode(s, 2, tagged, tagged ? 10 : 0, false);
		set_mode(s, 3, true, 99, false);
		follow(s);
		inject(s, 1, frame, len);
		turn(s, 0, 1);
		for (unsigned i = 0; i < 2; i++) {
			expect_frame(s, 2, other, other_len);
			expect_frame(s, 2, frame, len);
			if (!i)
				expect_frame(s, 2, frame, len);
		}
		expect_frame(s, 3, frame, min(len, 116u));
		u = upcalls_next(&s->upcalls[0]);
		assert_non_null(u);
		assert_int_equal(u->total_len, len);
		assert_int_equal(u->frame_len, len);
		assert_memory_equal(u->frame, frame, len);
		upcalls_release(&s->upcalls[0]);
		assert_int_equal(counts.bytes, len);
	}
}

/* What is too long to come in meets no rule, not even one that is NORMAL for all. */
static void test_too_long_is_not_counted(void **state)
{
	struct stage *s = *state;
	uint8_t frame[FRAME_MAX];
	uint32_t len = make_frame(frame, MAC(9), MAC(1), UNTAGGED, 100);

	s->m.ports[1].mtu = 99;
	follow(s);
	for (unsigned mixed = 0; mixed < 2; mixed++) {
		struct tally *t;

		if (mixed)
			rules_add(&rules[0], 0, 10, "in_port=4", "drop");
		t = rules_add(&rules[0], 0, 0, "", "NORMAL");
		inject(s, 1, frame, len);
		inject(s, 1, frame, len - 1);
		turn(s, 0, 1);
		forward_settle(s->fw[0]);
		assert_int_equal(t->packets, 1);
		assert_int_equal(t->bytes, len - 1);
		assert_int_equal(maker_drops(&s->m, 1, DROP_too_long), 1 + mixed);
	}
}

/* Nobody is called, and the control thread has no work, when nobody listens. */
static void test_nobody_listens(void **state)
{
	static const void *const nobody, *const somebody = &nobody;
	struct stage *s = *state;
	uint8_t frame[FRAME_MAX];
	uint32_t len = make_frame(frame, MAC(9), MAC(1), UNTAGGED, 500);
	struct view_bridge *bridge = (struct view_bridge *)s->view->ports[1]->bridge;

	rules_add(&rules[0], 0, 10, "in_port=1", "controller,output:2");
	bridge->listened = &nobody;
	inject(s, 1, frame, len);
	turn(s, 0, 1);
	expect_frame(s, 2, frame, len);
	assert_null(upcalls_next(&s->upcalls[0]));
	assert_int_equal(maker_drops(&s->m, 1, DROP_no_controller), 1);
	bridge->listened = &somebody;
	inject(s, 1, frame, len);
	turn(s, 0, 1);
	expect_frame(s, 2, frame, len);
	assert_non_null(upcalls_next(&s->upcalls[0]));
	upcalls_release(&s->upcalls[0]);
}

/* A packet that teaches a rule waits until it is there; then it goes on. */
static void test_learn(void **state)
{
	struct stage *s = *state;
	uint8_t frame[FRAME_MAX];
	uint32_t len = make_frame(frame, MAC(9), MAC(1), UNTAGGED, 100);
	struct record r = {
		.kind = RECORD_TAUGHT, .port = 1, .serial = 1, .len = len, .in_port = 1
	};
	struct tally *t = rules_add(&rules[0], 0, 10, "in_port=1",
				    "learn(table=1,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],"
				    "output:NXM_OF_IN_PORT[]),output:2");
	struct upcall *u;

	inject(s, 1, frame, len);
	turn(s, 0, 1);
	expect_nothing(s, 2);
	u = upcalls_next(&s->upcalls[0]);
	assert_non_null(u);
	assert_int_equal(u->kind, UPCALL_LEARN);
	assert_int_equal(u->learn->match.key.eth_dst, MAC(1));
	u = upcalls_next(&s->upcalls[0]);
	assert_non_null(u);
	assert_int_equal(u->kind, UPCALL_AGAIN);
	assert_int_equal(u->frame_len, len);
	assert_memory_equal(u->frame, frame, len);
	assert_int_equal(u->n_waits, 1);
	assert_int_equal(u->version, pipeline_version(rules[0].current));
	r.n_waits = u->n_waits;
	r.version = u->version;
	assert_null(upcalls_next(&s->upcalls[0]));
	upcalls_release(&s->upcalls[0]);
	forward_settle(s->fw[0]);
	assert_int_equal(t->packets, 0);

	/* without the rule, too, it does not wait twice */
	assert_int_equal(inboxes_put(&s->inboxes, &r, NULL, frame), 0);
	turn(s, 0, 0);
	expect_frame(s, 2, frame, len);
	assert_null(upcalls_next(&s->upcalls[0]));

	rules_add(&rules[0], 1, 32768, "dl_dst=02:00:00:00:00:01", "output:1");
	inject(s, 1, frame, len);
	turn(s, 0, 1);
	expect_frame(s, 2, frame, len);
	assert_null(upcalls_next(&s->upcalls[0]));
	forward_settle(s->fw[0]);
	assert_int_equal(t->packets, 2);
}

/* A packet that has waited and meets other rules teaches what these teach, but does not wait for
 * ever. */
static void test_learn_by_other_rules(void **state)
{
	struct stage *s = *state;
	uint8_t frame[FRAME_MAX];
	uint32_t len = make_frame(frame, MAC(9), MAC(1), UNTAGGED, 100);
	struct record r = {
		.kind = RECORD_TAUGHT, .port = 1, .serial = 1, .len = len, .in_port = 1
	};
	struct upcall *u;

	rules_add(&rules[0], 0, 10, "in_port=1", "learn(table=1,cookie=0,reg0=1),output:2");
	inject(s, 1, frame, len);
	turn(s, 0, 1);
	for (unsigned i = 1; i <= EXECUTION_WAITS_MAX; i++) {
		char actions[64];

		u = upcalls_next(&s->upcalls[0]);
		assert_non_null(u);
		assert_int_equal(u->learn->learn->cookie, i - 1);
		u = upcalls_next(&s->upcalls[0]);
		assert_int_equal(u->n_waits, i);
		r.n_waits = u->n_waits;
		r.version = u->version;
		upcalls_release(&s->upcalls[0]);
		expect_nothing(s, 2);
		snprintf(actions, sizeof(actions), "learn(table=1,cookie=%u,reg0=1),output:2", i);
		rules_add(&rules[0], 0, 10, "in_port=1", actions);
		assert_int_equal(inboxes_put(&s->inboxes, &r, NULL, frame), 0);
		turn(s, 0, 0);
	}
	expect_frame(s, 2, frame, len);
	assert_null(upcalls_next(&s->upcalls[0]));
}

/* Who was asked for a rule, and has not made it, is not asked again by the same packets until rules
 * change. */
static void test_learn_refused(void **state)
{
	struct stage *s = *state;
	uint8_t frame[FRAME_MAX];
	uint32_t len = make_frame(frame, MAC(9), MAC(1), UNTAGGED, 100);

	rules_add(&rules[0], 0, 10, "in_port=1",
		  "learn(table=1,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[]),output:2");
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < 2;
		     i++) { /* the second asks before the first is answered */
			inject(s, 1, frame, len);
			turn(s, 0, 1);
			expect_nothing(s, 2);
		}
		for (unsigned i = 0; i < 4; i++)
			assert_non_null(upcalls_next(&s->upcalls[0]));
		upcalls_release(&s->upcalls[0]);
		for (unsigned i = 0; i < 3; i++) {
			inject(s, 1, frame, len);
			turn(s, 0, 1);
			expect_frame(s, 2, frame, len);
			assert_null(upcalls_next(&s->upcalls[0]));
		}
		rules_add(&rules[0], 2, (uint16_t)(10 + round), "", "drop");
	}
}

/* A large packet waits for rules as others do, and stays as large; it remembers patch ports. */
static void test_learn_large(void **state)
{
	struct stage *s = *state;
	uint8_t frame[FRAME_MAX];
	struct virtio_net_hdr offload;
	uint32_t len = make_tcp(frame, 1200, 500, &offload);
	struct upcall *u;
	struct record r = {
		.kind = RECORD_TAUGHT, .port = 1, .serial = 1, .len = len, .in_port = 1
	};
	const struct dummy_frame *f;

	rules_add(&rules[0], 0, 10, "in_port=1",
		  "learn(table=1,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[]),output:2");
	assert_int_equal(dummy_inject(s->m.ports[1].port, 0, frame, len, &offload), 0);
	turn(s, 0, 1);
	assert_non_null(upcalls_next(&s->upcalls[0]));
	u = upcalls_next(&s->upcalls[0]);
	assert_int_equal(u->kind, UPCALL_AGAIN);
	assert_int_equal(u->frame_len, len);
	r.offload = u->offload;
	r.n_waits = u->n_waits;
	r.version = u->version;
	upcalls_release(&s->upcalls[0]);
	assert_int_equal(inboxes_put(&s->inboxes, &r, NULL, frame), 0);
	turn(s, 0, 0);
	f = dummy_sent_peek(s->m.ports[2].port, 0);
	assert_non_null(f);
	assert_int_equal(f->len, len);
	assert_int_equal(f->offload.gso_size, 500);
	assert_memory_equal(f->bytes, frame, len);
	dummy_sent_pop(s->m.ports[2].port, 0);
}

/* However often a packet waits on its way through patch ports, it does not go round for ever. */
static void test_learn_loop(void **state)
{
	struct stage *s = *state;
	uint8_t frame[FRAME_MAX];
	uint32_t len = make_frame(frame, MAC(9), MAC(1), UNTAGGED, 100);
	struct upcall *u;
	unsigned n = 0;

	s->m.bridge[3] = 1;
	s->m.ports[2].patch = s->m.ports[3].patch = true;
	s->m.ports[2].patch_peer = 3;
	s->m.ports[3].patch_peer = 2;
	follow(s);
	rules_add(&rules[0], 0, 10, "",
		  "learn(table=1,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[]),output:2,in_port");
	rules_add(&rules[1], 0, 10, "", "learn(table=1,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[]),in_port");
	inject(s, 1, frame, len);
	turn(s, 0, 1);
	for (; n < 100 && (u = upcalls_next(&s->upcalls[0])); n++) {
		struct record r = {
			.kind = RECORD_TAUGHT,
			.port = u->port,
			.serial = u->serial,
			.len = u->frame_len,
			.in_port = u->in_port,
			.hops = (uint8_t)u->hops,
			.n_crossings = (uint16_t)u->n_crossings,
			.n_waits = u->n_waits,
			.version = u->version,
		};

		if (u->kind == UPCALL_AGAIN)
			assert_int_equal(inboxes_put(&s->inboxes, &r, NULL, u->frame), 0);
		upcalls_release(&s->upcalls[0]);
		turn(s, 0, 0);
	}
	assert_in_range(n, 4, 99);
	assert_int_not_equal(
		maker_drops(&s->m, 2, DROP_patch_loop) + maker_drops(&s->m, 3, DROP_patch_loop), 0);
	s->m.ports[2].patch = s->m.ports[3].patch = false;
	while (dummy_sent_peek(s->m.ports[1].port, 0))
		dummy_sent_pop(s->m.ports[1].port, 0);
}

/* Extension headers that push TCP out of sight are no way around a rule; short ones are none
 * either. */
static void test_hidden_transport(void **state)
{
	struct stage *s = *state;

	rules_add(&rules[0], 0, 10, "tcp6,tp_dst=22", "drop");
	rules_add(&rules[0], 0, 1, "", "output:2");
	for (unsigned units = 0; units < 20; units++) {
		uint32_t ext = 8 * (units + 1), len = ETH_HLEN + 40 + ext + 20;
		uint8_t frame[FRAME_MAX] = { 0 }, *ip = frame + ETH_HLEN, *tcp = ip + 40 + ext;

		make_frame(frame, MAC(9), MAC(1), UNTAGGED, 0);
		frame[12] = 0x86;
		frame[13] = 0xdd;
		ip[0] = 0x60;
		ip[5] = (uint8_t)(ext + 20);
		ip[6] = 0; /* hop-by-hop */
		ip[40] = IPPROTO_TCP;
		ip[41] = (uint8_t)units;
		tcp[3] = 22;
		tcp[12] = 0x50;
		inject(s, 1, frame, len);
		turn(s, 0, 1);
		expect_nothing(s, 2);
		tcp[3] = 23;
		inject(s, 1, frame, len);
		turn(s, 0, 1);
		if (ETH_HLEN + 40 + ext + 20 <= PKT_HEAD_MAX)
			expect_frame(s, 2, frame, len);
		expect_nothing(s, 2);
	}
	assert_int_not_equal(maker_drops(&s->m, 1, DROP_headers_long), 0);
}

static void test_packet_out(void **state)
{
	struct stage *s = *state;
	uint8_t frame[FRAME_MAX];
	uint32_t len = make_frame(frame, MAC(9), MAC(1), UNTAGGED, 100);
	struct action_list list = { 0 };
	struct record r = { .kind = RECORD_PACKET_OUT,
			    .len = len,
			    .in_port = OFPORT_CONTROLLER,
			    .rules = s->m.rules[0] };
	struct error err;

	rules_add(&rules[0], 0, 10, "in_port=3", "output:4");
	assert_int_equal(actions_parse(&list, "output:2,output:3", false, &err), 0);
	r.actions_len = list.len;
	assert_int_equal(inboxes_put(&s->inboxes, &r, list.bytes, frame), 0);
	turn(s, 0, 0);
	expect_frame(s, 2, frame, len);
	expect_frame(s, 3, frame, len);
	expect_nothing(s, 4);
	actions_free(&list);
	/* no actions are none, and not the rules */
	rules_add(&rules[0], 0, 1, "", "output:4");
	r.actions_len = 0;
	assert_int_equal(inboxes_put(&s->inboxes, &r, NULL, frame), 0);
	turn(s, 0, 0);
	expect_nothing(s, 4);
	r.rules = NULL; /* a bridge that is gone */
	r.actions_len = 0;
	assert_int_equal(inboxes_put(&s->inboxes, &r, NULL, frame), 0);
	turn(s, 0, 0);
	for (unsigned p = 1; p <= 4; p++)
		expect_nothing(s, p);
}

/* Behind a patch port the next bridge's rules change the packet, and nobody else sees that. */
static void test_patch(void **state)
{
	struct stage *s = *state;
	uint8_t frame[FRAME_MAX], want[FRAME_MAX];
	uint32_t len = make_frame(frame, MAC(9), MAC(1), UNTAGGED, 100);

	s->m.bridge[3] = s->m.bridge[4] = 1;
	s->m.ports[2].patch = s->m.ports[3].patch = true;
	s->m.ports[2].patch_peer = 3;
	s->m.ports[3].patch_peer = 2;
	follow(s);
	rules_add(&rules[0], 0, 10, "in_port=1",
		  "output:2,set_field:02:00:00:00:00:07->eth_src,in_port");
	rules_add(&rules[1], 0, 10, "in_port=3", "set_field:02:00:00:00:00:21->eth_dst,output:4");
	for (unsigned i = 0; i < 3; i++) {
		inject(s, 1, frame, len);
		turn(s, 0, 1);
		memcpy(want, frame, len);
		mac_store(want, MAC(33));
		expect_frame(s, 4, want, len);
		memcpy(want, frame, len);
		mac_store(want + 6, MAC(7));
		expect_frame(s, 1, want, len);
	}
	s->m.ports[2].patch = s->m.ports[3].patch = false;
}

/* A tag that comes to light where the one before it is taken off does not choose a VLAN, whatever
 * rules the next bridge has. */
static void test_patch_hidden_tag(void **state)
{
	struct stage *s = *state;
	uint8_t frame[FRAME_MAX];
	uint32_t len = make_frame(frame, MAC(9), MAC(1), 10, 100);

	s->m.bridge[3] = s->m.bridge[4] = 1;
	s->m.ports[2].patch = s->m.ports[3].patch = true;
	s->m.ports[2].patch_peer = 3;
	s->m.ports[3].patch_peer = 2;
	s->m.ports[2].access = s->m.ports[3].access = true;
	s->m.ports[2].tag = s->m.ports[3].tag = 10;
	follow(s);
	rules_add(&rules[0], 0, 10, "in_port=1", "NORMAL");
	rules_add(&rules[1], 0, 10, "in_port=3", "NORMAL");
	inject(s, 1, frame, len);
	turn(s, 0, 1);
	expect_frame(s, 4, frame, len);
	memcpy(frame + 16, "\x81\0\0\x14", 4);
	inject(s, 1, frame, len);
	turn(s, 0, 1);
	expect_nothing(s, 4);
	assert_int_equal(maker_drops(&s->m, 3, DROP_vlan), 1);
	s->m.ports[2].patch = s->m.ports[3].patch = false;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_output, begin, end),
		cmocka_unit_test_setup_teardown(test_counted_without_plan, begin, end),
		cmocka_unit_test_setup_teardown(test_changes_between_outputs, begin, end),
		cmocka_unit_test_setup_teardown(test_vlan, begin, end),
		cmocka_unit_test_setup_teardown(test_clone, begin, end),
		cmocka_unit_test_setup_teardown(test_truncated, begin, end),
		cmocka_unit_test_setup_teardown(test_normal, begin, end),
		cmocka_unit_test_setup_teardown(test_tag_of_outboxes, begin, end),
		cmocka_unit_test_setup_teardown(test_too_long_is_not_counted, begin, end),
		cmocka_unit_test_setup_teardown(test_drops, begin, end),
		cmocka_unit_test_setup_teardown(test_controller, begin, end),
		cmocka_unit_test_setup_teardown(test_controller_offload, begin, end),
		cmocka_unit_test_setup_teardown(test_nobody_listens, begin, end),
		cmocka_unit_test_setup_teardown(test_learn, begin, end),
		cmocka_unit_test_setup_teardown(test_learn_by_other_rules, begin, end),
		cmocka_unit_test_setup_teardown(test_learn_refused, begin, end),
		cmocka_unit_test_setup_teardown(test_learn_large, begin, end),
		cmocka_unit_test_setup_teardown(test_learn_loop, begin, end),
		cmocka_unit_test_setup_teardown(test_hidden_transport, begin, end),
		cmocka_unit_test_setup_teardown(test_packet_out, begin, end),
		cmocka_unit_test_setup_teardown(test_patch, begin, end),
		cmocka_unit_test_setup_teardown(test_patch_hidden_tag, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
