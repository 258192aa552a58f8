// SPDX-License-Identifier: Apache-2.0
/* Packets on paper: by their fields and by their bytes; names of ports; what NORMAL would do. */
#include "flows_rig.h"

static char story[65536];

/* The text of what becomes of @packet. */
static const char *tell(struct flows_rig *r, const struct traced *packet)
{
	struct error err = { "" };
	json_t *told = flows_trace(r->flows, packet, &err);

	if (!told)
		fail_msg("%s", err.text);
	snprintf(story, sizeof(story), "%s", option_string(told, "text", ""));
	json_decref(told);
	return story;
}

static const char *tell_fields(struct flows_rig *r, const char *text)
{
	struct flow_key key;
	struct error err;

	if (flows_parse_packet(r->flows, text, &key, &err))
		fail_msg("%s", err.text);
	return tell(r, &(struct traced){ .key = &key });
}

static void has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("\"%s\" is not in:\n%s", part, text);
}

static void test_ports(void **state)
{
	struct flows_rig *r = *state;

	change_rules(r, FLOW_ADD, "priority=5,udp,actions=output:2,output:99");
	has(tell_fields(r, "in_port=vm3,udp"), "It comes in by port 3 (vm3).\n");
	has(story, "send it out of port 2 (vm2)\n");
	has(tell_fields(r, "in_port=77,udp"), "by port 77, which the bridge does not have.\n");
	has(tell_fields(r, "udp"), "It comes in by no port.\n");
}

static void test_normal(void **state)
{
	struct flows_rig *r = *state;

	has(tell_fields(r, "in_port=1,dl_dst=02:00:00:00:00:05"), "nobody knows its destination");
	has(tell_fields(r, "in_port=1,dl_dst=01:00:5e:00:00:05"), "it is for all ports");
	rig_announce(&r->rig, "vm2", MAC(5));
	has(tell_fields(r, "in_port=1,dl_dst=02:00:00:00:00:05"),
	    "(NORMAL): its destination is behind port 2 (vm2)\n");
	/* that of another VLAN is somebody else */
	rig_set(&r->rig, "vm1", "tag", "7");
	has(tell_fields(r, "in_port=1,dl_dst=02:00:00:00:00:05"), "nobody knows its destination");
}

/* The beginning of a frame is enough, if its length is known. */
static void test_frame(void **state)
{
	static const uint8_t head[PKT_HEAD_MAX] = { 2, 0, 0, 0, 0, 2,	 2, 0, 0,
						    0, 0, 1, 8, 0, 0x45, 0, 3, 0xe8 };
	struct traced packet = { .in_port = 1, .frame = head, .len = sizeof(head) };
	struct flows_rig *r = *state;
	struct error err = { "" };

	change_rules(r, FLOW_ADD,
		     "priority=5,ip,actions=check_pkt_larger(500)->NXM_NX_REG0[0],resubmit(,1)");
	change_rules(r, FLOW_ADD, "table=1,reg0=1,actions=output:2");
	packet.total_len = 1014;
	has(tell(r, &packet), "ip,in_port=1,dl_src=02:00:00:00:00:01");
	has(story, "send it out of port 2");
	packet.total_len = 0;
	has(tell(r, &packet), "drop it: no rule");
	packet.len = ETH_HLEN - 1;
	assert_null(flows_trace(r->flows, &packet, &err));
	has(err.text, "no Ethernet frame");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, flows_setup, flows_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(test_ports), TEST(test_normal), TEST(test_frame) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
