// SPDX-License-Identifier: Apache-2.0
/* What packets want of the control thread, and packets that controllers send. */
#include "count_walks.h"
#include "flows_rig.h"

struct heard {
	unsigned n;
	uint64_t cookie, reg0;
	uint32_t in_port;
	size_t len;
	uint8_t reason, userdata;
};

static void on_packet(void *arg, const struct flows_packet *p)
{
	struct heard *h = arg;

	h->n++;
	h->cookie = p->cookie;
	h->in_port = p->metadata->in_port;
	h->reg0 = p->metadata->regs[flow_key_reg(0)];
	h->len = p->total_len;
	h->reason = p->reason;
	h->userdata = p->userdata_len ? p->userdata[0] : 0;
}

static void test_packet_in(void **state)
{
	struct flows_rig *r = *state;
	struct heard h = { 0 };
	struct flows_listener l = { .arg = &h, .packet = on_packet };

	flows_listen(r->flows, &l);
	change_rules(r, FLOW_ADD,
		     "cookie=9,in_port=1,actions=set_field:5->reg0,"
		     "controller(reason=action,userdata=07)");
	send_packets(r, 0, 1, 53);
	UNTIL(&r->rig, h.n == 1);
	assert_int_equal(h.cookie, 9);
	assert_int_equal(h.in_port, 1);
	assert_int_equal(h.reg0, 5);
	assert_int_equal(h.len, 60);
	assert_int_equal(h.userdata, 7);
	flows_unlisten(r->flows, &l);
	send_packets(r, 0, 1, 53);
	await_packets(r, "vm1", 2);
	assert_int_equal(h.n, 1);
}

static void on_slow_packet(void *arg, const struct flows_packet *p)
{
	usleep(2000);
	++*(unsigned *)arg;
}

/* However much packets want, sockets and timers have their turns. */
static void test_others_have_their_turn(void **state)
{
	struct flows_rig *r = *state;
	unsigned n = 0;
	struct flows_listener l = { .arg = &n, .packet = on_slow_packet };

	flows_listen(r->flows, &l);
	change_rules(r, FLOW_ADD, "in_port=1,actions=controller");
	send_packets(r, 0, 20, 53);
	usleep(20000); /* all are in the queue */
	event_base_loop(r->rig.base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
	assert_true(n < 20);
	UNTIL(&r->rig, n == 20);
	flows_unlisten(r->flows, &l);
}

static enum of_error out(struct flows_rig *r, uint32_t in_port, const char *text, size_t len)
{
	static const uint8_t frame[64] = { 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x88, 0xb5 };
	struct action_list actions = { 0 };
	struct error err = { "" };
	enum of_error e;

	assert_int_equal(actions_parse(&actions, text, false, &err), 0);
	e = flows_packet_out(r->flows, in_port, &actions, frame, len, &err);
	actions_free(&actions);
	return e;
}

static void test_packet_out(void **state)
{
	struct flows_rig *r = *state;

	assert_int_equal(out(r, OFPORT_CONTROLLER, "output:2", 64), 0);
	UNTIL(&r->rig, take_packets(r, 1) == 1);
	assert_int_equal(out(r, 99, "output:2", 64), OFERR_BAD_PORT);
	assert_int_equal(out(r, 1, "output:2", 13), OFERR_BAD_PACKET);
	assert_int_equal(out(r, 1, "clone(group:7)", 64), OFERR_ACT_BAD_OUT_GROUP);
	assert_int_equal(out(r, 1, "meter:7,output:2", 64), OFERR_METER_INVALID);
	change_rules(r, FLOW_ADD, "in_port=1,actions=output:3");
	assert_int_equal(out(r, 1, "resubmit(,0)", 64), 0);
	UNTIL(&r->rig, take_packets(r, 2) == 1);
}

/* What was sent by the control thread has left, and is counted, when all has settled, even if the
 * worker was asleep. */
static void test_settles_behind_packets(void **state)
{
	struct flows_rig *r = *state;

	change_rules(r, FLOW_ADD, "in_port=1,actions=output:3");
	for (unsigned i = 1; i <= 50; i++) {
		assert_int_equal(out(r, 1, "resubmit(,0)", 64), 0);
		count_rules(r);
		assert_int_equal(tally_read(find_rule(r, "in_port=1")->tally).packets, i);
		assert_int_equal(take_packets(r, 2), 1);
	}
}

#define LEARN                                                                                       \
	"table=0,priority=50,in_port=1,udp,send_flow_rem,actions="                                  \
	"learn(table=1,hard_timeout=60,cookie=0x33,%sNXM_OF_UDP_DST[],load:2->NXM_NX_REG0[0..15])," \
	"resubmit(,1)"

/* The packet that teaches a rule meets it. */
static void test_learns(void **state)
{
	struct flows_rig *r = *state;
	char text[512];

	snprintf(text, sizeof(text), LEARN, "eth_type=0x800,nw_proto=17,");
	change_rules(r, FLOW_ADD, text);
	send_packets(r, 0, 3, 53);
	UNTIL(&r->rig, pipeline_n_rules(flows_pipeline(r->flows), 1) == 1);
	assert_int_equal(find_rule(r, "table=1,udp,tp_dst=53")->cookie, 0x33);
	await_packets(r, "vm1", 3);
	UNTIL(&r->rig, (count_rules(r),
			tally_read(find_rule(r, "table=1,udp,tp_dst=53")->tally).packets == 3));
	send_packets(r, 0, 1, 54);
	UNTIL(&r->rig, pipeline_n_rules(flows_pipeline(r->flows), 1) == 2);
}

/* The rule that is taught says fin_timeout, which is for TCP, but is for all packets. */
static void test_learns_fin_timeout(void **state)
{
	struct flows_rig *r = *state;

	change_rules(
		r, FLOW_ADD,
		"table=0,in_port=1,actions=learn(table=1,fin_idle_timeout=5,NXM_OF_IN_PORT[])");
	send_packets(r, 0, 1, 53);
	UNTIL(&r->rig, pipeline_n_rules(flows_pipeline(r->flows), 1) == 1);
	expect_filtered(r, "table=1", "1 32768 in_port=1 -> fin_timeout(idle_timeout=5)\n");
}

static void test_limit(void **state)
{
	struct flows_rig *r = *state;
	char text[512];

	snprintf(text, sizeof(text), LEARN, "limit=2,eth_type=0x800,nw_proto=17,");
	change_rules(r, FLOW_ADD, text);
	for (uint16_t i = 0; i < 5; i++)
		send_packets(r, 0, 1, (uint16_t)(100 + i));
	await_packets(r, "vm1", 5);
	count_rules(r);
	assert_int_equal(pipeline_n_rules(flows_pipeline(r->flows), 1), 2);
	/* one goes, another may come */
	change_rules(r, FLOW_DELETE, "table=1,udp,tp_dst=100");
	change_rules(r, FLOW_DELETE, "table=1,udp,tp_dst=101");
	send_packets(r, 0, 1, 200);
	UNTIL(&r->rig, pipeline_n_rules(flows_pipeline(r->flows), 1) > 0);
}

/* The rules of a table are counted by one walk, whoever teaches: rules, or controllers with the
 * packets that they send, which are no users that could be noted. */
static void test_limit_is_counted_once(void **state)
{
	struct flows_rig *r = *state;
	unsigned n_before = n_walks;
	char text[512];

	for (unsigned i = 0; i < 60; i++) {
		snprintf(text, sizeof(text), "learn(table=1,limit=20,cookie=%u,reg0=%u),output:2",
			 i % 2, i);
		assert_int_equal(out(r, 1, text, 64), 0);
	}
	UNTIL(&r->rig, rig_counter(&r->rig, "vm2", "tx_packets") == 60);
	assert_int_equal(pipeline_n_rules(flows_pipeline(r->flows), 1), 40);
	snprintf(text, sizeof(text), LEARN, "limit=2,eth_type=0x800,nw_proto=17,");
	change_rules(r, FLOW_ADD, text);
	for (uint16_t i = 0; i < 5; i++)
		send_packets(r, 0, 1, (uint16_t)(100 + i));
	await_packets(r, "vm1", 5);
	assert_int_equal(pipeline_n_rules(flows_pipeline(r->flows), 1), 42);
	assert_int_equal(n_walks - n_before, 1);
	/* those that go are counted, too */
	change_rules(r, FLOW_DELETE, "table=1,reg0=7");
	assert_int_equal(out(r, 1, "learn(table=1,limit=20,cookie=1,reg0=99),output:2", 64), 0);
	UNTIL(&r->rig, rig_counter(&r->rig, "vm2", "tx_packets") == 61);
	assert_int_equal(pipeline_n_rules(flows_pipeline(r->flows), 1), 42);
}

static void test_delete_learned(void **state)
{
	struct flows_rig *r = *state;
	char text[512];

	snprintf(text, sizeof(text), LEARN, "delete_learned,eth_type=0x800,nw_proto=17,");
	change_rules(r, FLOW_ADD, text);
	change_rules(r, FLOW_ADD, "table=1,cookie=0x33,tcp,actions=drop"); /* is taken for one */
	change_rules(r, FLOW_ADD, "table=1,cookie=0x34,tcp,tp_dst=1,actions=drop");
	send_packets(r, 0, 1, 53);
	UNTIL(&r->rig, pipeline_n_rules(flows_pipeline(r->flows), 1) == 3);
	change_rules(r, FLOW_MODIFY, "table=0,in_port=1,actions=drop");
	expect_filtered(r, "table=1", "1 32768 tcp,tp_dst=1 -> drop\n");
}

/* What a rule teaches when it is gone already is not learned: nobody would take it away. */
static void test_stale_teacher(void **state)
{
	struct flows_rig *r = *state;
	char text[512];

	snprintf(text, sizeof(text), LEARN, "delete_learned,eth_type=0x800,nw_proto=17,");
	change_rules(r, FLOW_ADD, text);
	send_packets(r, 0, 1, 53);
	usleep(20000); /* it is in the queue */
	change_rules(r, FLOW_DELETE, "table=0,in_port=1");
	count_rules(r);
	expect_filtered(r, "table=1", "");
	/* one that is there again teaches */
	change_rules(r, FLOW_ADD, text);
	send_packets(r, 0, 1, 53);
	usleep(20000);
	change_rules(r, FLOW_ADD, text);
	count_rules(r);
	assert_int_equal(pipeline_n_rules(flows_pipeline(r->flows), 1), 1);
}

/* A packet that waits while its teacher is replaced teaches by the new one before it leaves. */
static void test_replaced_teacher(void **state)
{
	struct flows_rig *r = *state;

	change_rules(r, FLOW_ADD,
		     "in_port=1,udp,actions=learn(table=1,cookie=1,NXM_OF_IN_PORT[]),output:2");
	send_packets(r, 0, 1, 53);
	usleep(20000); /* it is in the queue */
	change_rules(r, FLOW_ADD,
		     "in_port=1,udp,actions=learn(table=2,cookie=2,eth_type=0x800,nw_proto=17,"
		     "NXM_OF_UDP_DST[],output:NXM_OF_IN_PORT[]),output:3");
	UNTIL(&r->rig, take_packets(r, 2) == 1);
	assert_int_equal(take_packets(r, 1), 0);
	expect_filtered(r, "table=1", "");
	expect_filtered(r, "table=2", "2 32768 udp,tp_dst=53 -> output:1\n");
}

/* What a packet has taught may lead it to another teacher. */
static void test_teaches_step_by_step(void **state)
{
	struct flows_rig *r = *state;

	change_rules(r, FLOW_ADD,
		     "in_port=1,actions=learn(table=1,NXM_OF_IN_PORT[],load:1->NXM_NX_REG0[]),"
		     "resubmit(,1),resubmit(,2)\n"
		     "table=2,reg0=1,actions=learn(table=3,NXM_OF_IN_PORT[],load:1->NXM_NX_REG1[]),"
		     "resubmit(,3),resubmit(,4)\n"
		     "table=4,reg1=1,actions=learn(table=5,NXM_OF_IN_PORT[]),output:2");
	send_packets(r, 0, 1, 53);
	UNTIL(&r->rig, take_packets(r, 1) == 1);
	assert_int_equal(pipeline_n_rules(flows_pipeline(r->flows), 1), 1);
	assert_int_equal(pipeline_n_rules(flows_pipeline(r->flows), 3), 1);
	assert_int_equal(pipeline_n_rules(flows_pipeline(r->flows), 5), 1);
}

static void test_fin_timeout(void **state)
{
	struct flows_rig *r = *state;
	uint8_t frame[60] = { 0 };

	change_rules(r, FLOW_ADD,
		     "send_flow_rem,in_port=1,tcp,idle_timeout=600,actions="
		     "fin_timeout(hard_timeout=1),output:2");
	memcpy(frame, "\x02\0\0\0\0\x02\x02\0\0\0\0\x01\x08\0\x45\0\0\x28", 18);
	memcpy(frame + 22, "\x40\x06\0\0\x0a\0\0\1\x0a\0\0\2\x10\0\0\x50", 16);
	frame[46] = 0x50;
	assert_int_equal(dummy_inject(r->ports[0], 0, frame, sizeof(frame), NULL), 0);
	await_packets(r, "vm1", 1);
	assert_int_equal(find_rule(r, "in_port=1,tcp")->hard_timeout, 0);
	frame[47] = 0x11; /* FIN, ACK */
	assert_int_equal(dummy_inject(r->ports[0], 0, frame, sizeof(frame), NULL), 0);
	UNTIL(&r->rig, r->n_removed == 1);
	assert_int_equal(r->why, REMOVED_HARD);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, flows_setup, flows_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_packet_in),
		TEST(test_others_have_their_turn),
		TEST(test_packet_out),
		TEST(test_settles_behind_packets),
		TEST(test_learns),
		TEST(test_learns_fin_timeout),
		TEST(test_limit),
		TEST(test_limit_is_counted_once),
		TEST(test_delete_learned),
		TEST(test_stale_teacher),
		TEST(test_replaced_teacher),
		TEST(test_teaches_step_by_step),
		TEST(test_fin_timeout),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
