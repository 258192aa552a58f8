// SPDX-License-Identifier: Apache-2.0
// Tags and labels that come and go.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "flow_world.h"

static int setup(void **state)
{
	*state = world_create(4);
	return 0;
}

static int teardown(void **state)
{
	world_destroy(*state);
	return 0;
}

static void test_vlan(void **state)
{
	struct world *w = *state;

	world_rule(w, 0, 5, "",
		   "pop_vlan,output:2,push_vlan:0x8100,set_field:4100->vlan_vid,output:3");
	assert_string_equal(world_run(w, "in_port=1,dl_vlan=5,dl_vlan_pcp=3"),
			    "pop_vlan output:2 push_vlan output:3");
	assert_int_equal(w->sent[0].key.vlan[0].tci, 0);
	assert_int_equal(w->sent[1].key.vlan[0].tci, FLOW_VLAN_PRESENT | 4);
	assert_string_equal(world_run(w, "in_port=1,ip"), "output:2 push_vlan output:3");
}

/* vlan_tci says whether there is a tag. */
static void test_vlan_tci(void **state)
{
	struct world *w = *state;

	world_rule(w, 0, 5, "",
		   "load:0x1005->NXM_OF_VLAN_TCI[],output:2,load:0->NXM_OF_VLAN_TCI[],output:3");
	assert_string_equal(world_run(w, "in_port=1,ip"), "push_vlan output:2 pop_vlan output:3");
	assert_int_equal(w->sent[0].key.vlan[0].tci, 0x1005);
	assert_string_equal(world_run(w, "in_port=1,dl_vlan=9,dl_vlan_pcp=1"),
			    "set output:2 pop_vlan output:3");
	assert_int_equal(w->sent[0].key.vlan[0].tci, 0x1005);
}

static void test_mod_vlan(void **state)
{
	struct world *w = *state;

	world_rule(w, 0, 5, "", "mod_vlan_vid:7,mod_vlan_pcp:2,output:2");
	assert_string_equal(world_run(w, "in_port=1,ip"), "push_vlan output:2");
	assert_int_equal(w->sent[0].key.vlan[0].tci, 2 << 13 | FLOW_VLAN_PRESENT | 7);
	assert_string_equal(world_run(w, "in_port=1,dl_vlan=9,dl_vlan_pcp=1"), "set output:2");
	assert_int_equal(w->sent[0].key.vlan[0].tci, 2 << 13 | FLOW_VLAN_PRESENT | 7);
	world_rule(w, 0, 5, "", "mod_vlan_vid:7,output:2");
	world_run(w, "in_port=1,dl_vlan=9,dl_vlan_pcp=1");
	assert_int_equal(w->sent[0].key.vlan[0].tci, 1 << 13 | FLOW_VLAN_PRESENT | 7);
}

static void test_two_tags(void **state)
{
	struct world *w = *state;

	world_rule(w, 0, 5, "",
		   "set_field:4097->vlan_vid,push_vlan:0x88a8,set_field:4098->vlan_vid,output:2,"
		   "pop_vlan,set_field:4099->vlan_vid,output:3");
	assert_string_equal(world_run(w, "in_port=1,dl_vlan=9,dl_vlan_pcp=1"),
			    "set push_vlan output:2 pop_vlan set output:3");
	assert_int_equal(w->sent[0].key.vlan[0].tci & 0xfff, 2);
	assert_int_equal(w->sent[0].key.vlan[1].tci, 1 << 13 | FLOW_VLAN_PRESENT | 1);
	assert_int_equal(w->sent[1].key.vlan[0].tci, 1 << 13 | FLOW_VLAN_PRESENT | 3);
}

static void test_push_mpls(void **state)
{
	struct world *w = *state;

	world_rule(w, 0, 5, "", "set_field:9->tcp_dst,push_mpls:0x8847,resubmit(,1)");
	world_rule(w, 1, 5, "tcp", "output:4");
	world_rule(w, 1, 4, "mpls,mpls_label=0,mpls_bos=1", "set_field:7->mpls_label,output:2");
	/* what is behind the label cannot be seen, but has been written */
	assert_string_equal(world_run(w, "in_port=1,tcp,nw_ttl=9,nw_tos=32,tp_dst=80"),
			    "set push_mpls output:2");
	assert_int_equal(w->sent[0].key.tp_dst, 9);
	assert_int_equal(w->sent[0].key.mpls_lse[0], 7 << 12 | 0x100 | 9);
	assert_int_equal(w->sent[0].key.eth_type, 0x8847);
}

/* What was pushed here and is popped again shows what was there. */
static void test_push_and_pop_mpls(void **state)
{
	struct world *w = *state;

	world_rule(
		w, 0, 5, "",
		"push_mpls:0x8847,push_mpls:0x8847,pop_mpls:0x8847,pop_mpls:0x0800,resubmit(,1)");
	world_rule(w, 1, 5, "tcp,tp_dst=80", "dec_ttl,output:2");
	assert_string_equal(world_run(w, "in_port=1,tcp,nw_ttl=9,tp_dst=80"),
			    "push_mpls push_mpls pop_mpls pop_mpls set output:2");
	assert_int_equal(w->sent[0].key.nw_ttl, 8);
	assert_true(w->draft.cacheable);
	assert_int_equal(w->draft.examined.tp_dst, UINT16_MAX);
}

static void test_too_many_labels(void **state)
{
	struct world *w = *state;

	world_rule(w, 0, 5, "",
		   "push_mpls:0x8847,push_mpls:0x8847,push_mpls:0x8847,push_mpls:0x8847,output:2");
	assert_string_equal(world_run(w, "in_port=1,ip"), "drop:flow_limit");
	assert_string_equal(w->limit.what, "more than 3 MPLS labels");
}

static void test_dec_mpls_ttl(void **state)
{
	struct world *w = *state;

	world_rule(w, 0, 5, "", "dec_mpls_ttl,output:2");
	assert_string_equal(world_run(w, "in_port=1,mpls,mpls_ttl=7,mpls_bos=1"), "set output:2");
	assert_int_equal(w->sent[0].key.mpls_lse[0], 0x106);
	assert_string_equal(world_run(w, "in_port=1,mpls,mpls_ttl=1,mpls_bos=1"), "controller:0");
}

/* What is behind the packet's own labels is read from the packet, and is not of the key. */
static void test_pop_mpls(void **state)
{
	struct world *w = *state;
	struct translate_input in = { .pipeline = w->p, .len = sizeof(labelled_frame) };
	struct flow_key key;
	struct iovec rest;
	struct pkt pkt;

	pkt_init_single(&pkt, &rest, labelled_frame, sizeof(labelled_frame));
	memset(&key, 0, sizeof(key));
	flow_key_extract(&key, &pkt, 1);
	in.key = &key;
	in.pkt = &pkt;
	world_rule(w, 0, 5, "mpls", "pop_mpls:0x0800,resubmit(,1)");
	world_rule(w, 1, 5, "", "output:3");
	translate(&in, &w->draft, &w->limit);
	world_carry_out(w, &key);
	assert_string_equal(w->words, "pop_mpls output:3");
	assert_true(w->draft.cacheable);
	world_rule(w, 1, 6, "udp,tp_dst=53,nw_ttl=33", "dec_ttl,output:2");
	translate(&in, &w->draft, &w->limit);
	world_carry_out(w, &key);
	assert_string_equal(w->words, "pop_mpls set output:2");
	assert_int_equal(w->sent[0].key.nw_ttl, 32);
	assert_false(w->draft.cacheable);
	/* on paper there is nothing */
	assert_string_equal(world_run_key(w, &key), "pop_mpls output:3");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_vlan, setup, teardown),
		cmocka_unit_test_setup_teardown(test_vlan_tci, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mod_vlan, setup, teardown),
		cmocka_unit_test_setup_teardown(test_two_tags, setup, teardown),
		cmocka_unit_test_setup_teardown(test_push_mpls, setup, teardown),
		cmocka_unit_test_setup_teardown(test_push_and_pop_mpls, setup, teardown),
		cmocka_unit_test_setup_teardown(test_too_many_labels, setup, teardown),
		cmocka_unit_test_setup_teardown(test_dec_mpls_ttl, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pop_mpls, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
