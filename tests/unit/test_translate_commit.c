// SPDX-License-Identifier: Apache-2.0
// Steps: only differences, headers put aside only when needed.
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

#define TCP                                                                                 \
	"in_port=1,tcp,dl_dst=00:00:00:00:00:05,nw_src=10.0.0.1,nw_dst=10.0.0.2,nw_ttl=64," \
	"tp_src=1000,tp_dst=80"

static void test_nothing_is_written_for_nobody(void **state)
{
	struct world *w = *state;

	world_rule(w, 0, 5, "", "output:2,set_field:1->tcp_dst,push_vlan:0x8100");
	assert_string_equal(world_run(w, TCP), "output:2");
}

static void test_differences_only(void **state)
{
	struct world *w = *state;

	world_rule(w, 0, 5, "",
		   "set_field:1->tcp_dst,set_field:2->tcp_dst,output:2,"
		   "set_field:2->tcp_dst,output:3,set_field:3->tcp_dst,output:4");
	assert_string_equal(world_run(w, TCP), "set output:2 output:3 set output:4");
	assert_int_equal(w->sent[0].key.tp_dst, 2);
	assert_int_equal(w->sent[1].key.tp_dst, 2);
	assert_int_equal(w->sent[2].key.tp_dst, 3);
	assert_int_equal(w->sent[2].key.tp_src, 1000);
}

/* Registers, metadata and in_port are not written to packets. */
static void test_metadata_is_not_of_the_packet(void **state)
{
	struct world *w = *state;

	world_rule(
		w, 0, 5, "",
		"set_field:1->reg0,set_field:2->metadata,set_field:3->tun_id,load:2->NXM_OF_IN_PORT[],"
		"output:1,output:2");
	assert_string_equal(world_run(w, TCP), "output:1");
}

static void test_a_push_takes_its_fields_along(void **state)
{
	struct world *w = *state;

	world_rule(w, 0, 5, "",
		   "push_vlan:0x88a8,set_field:4107->vlan_vid,set_field:2->vlan_pcp,output:2,"
		   "set_field:4108->vlan_vid,output:3");
	assert_string_equal(world_run(w, TCP), "push_vlan output:2 set output:3");
	assert_int_equal(w->sent[0].key.vlan[0].tci, 2 << 13 | FLOW_VLAN_PRESENT | 11);
	assert_int_equal(w->sent[0].key.vlan[0].tpid, 0x88a8);
	assert_int_equal(w->sent[1].key.vlan[0].tci, 2 << 13 | FLOW_VLAN_PRESENT | 12);
}

static void test_copies(void **state)
{
	struct world *w = *state;

	/* nothing changes in it */
	world_rule(w, 0, 5, "", "clone(output:2,set_field:1->reg0),output:3");
	assert_string_equal(world_run(w, TCP), "output:2 output:3");
	/* headers are put aside, for there is another output */
	world_rule(w, 0, 5, "",
		   "set_field:1->tcp_src,clone(set_field:5->tcp_dst,output:2),output:3");
	assert_string_equal(world_run(w, TCP), "set save set output:2 restore output:3");
	assert_int_equal(w->draft.n_saves, 1);
	assert_int_equal(w->sent[0].key.tp_dst, 5);
	assert_int_equal(w->sent[1].key.tp_dst, 80);
	assert_int_equal(w->sent[1].key.tp_src, 1);
	/* they are not when nobody asks for them */
	world_rule(w, 0, 5, "", "clone(set_field:5->tcp_dst,output:2)");
	assert_string_equal(world_run(w, TCP), "set output:2");
	assert_int_equal(w->draft.n_saves, 0);
	world_rule(w, 0, 5, "", "clone(clone(dec_ttl,output:2),output:3),output:4");
	assert_string_equal(world_run(w, TCP), "save set output:2 restore output:3 output:4");
	world_rule(w, 0, 5, "", "clone(dec_ttl,clone(dec_ttl,output:2),output:3),output:4");
	assert_string_equal(world_run(w, TCP),
			    "save set save set output:2 restore output:3 restore output:4");
}

/* What is pushed before a copy is not changed by what the copy writes. */
static void test_a_copy_does_not_change_what_was_before(void **state)
{
	struct world *w = *state;

	world_rule(w, 0, 5, "",
		   "push_vlan:0x8100,clone(set_field:4101->vlan_vid,output:2),output:3");
	assert_string_equal(world_run(w, TCP), "push_vlan save set output:2 restore output:3");
	assert_int_equal(w->sent[0].key.vlan[0].tci & 0xfff, 5);
	assert_int_equal(w->sent[1].key.vlan[0].tci & 0xfff, 0);
}

static void test_meters_drop_their_copy(void **state)
{
	struct world *w = *state;
	struct meter *meter = meter_create(1);
	const struct plan_step *at = NULL, *to;

	assert_int_equal(pipeline_add_meter(w->p, meter), 0);
	world_rule(w, 0, 5, "", "set_field:9->tcp_dst,clone(meter:1,output:2),output:3");
	assert_string_equal(world_run(w, TCP), "set save meter output:2 restore output:3");
	PLAN_FOR_EACH(step, w->draft.steps, w->draft.steps_len)
	if (step->kind == PLAN_METER)
		at = step;
	to = (const void *)((const uint8_t *)at + at->arg);
	assert_int_equal(to->kind, PLAN_RESTORE);
	/* all that follows is the copy's */
	world_rule(w, 0, 5, "", "clone(meter:1,output:2)");
	assert_string_equal(world_run(w, TCP), "meter output:2");
	assert_int_equal(((const struct plan_step *)w->draft.steps)->arg, 0);
	world_rule(w, 0, 5, "", "meter:1,output:2");
	assert_string_equal(world_run(w, TCP), "meter output:2");
	world_rule(w, 0, 5, "", "meter:1");
	assert_string_equal(world_run(w, TCP), "meter drop:flow_drop");
}

static void test_queue(void **state)
{
	struct world *w = *state;

	world_rule(w, 0, 5, "", "set_queue:4,output:2,pop_queue,output:3,enqueue(4,6),output:2");
	assert_string_equal(
		world_run(w, TCP),
		"queue:4 output:2 queue:-1 output:3 queue:6 output:4 queue:-1 output:2");
}

static void test_truncation(void **state)
{
	struct world *w = *state;

	world_rule(w, 0, 5, "", "output(port=2,max_len=100),output:3");
	assert_string_equal(world_run(w, TCP), "output:2 output:3");
	assert_int_equal(w->sent[0].max_len, 100);
	assert_int_equal(w->sent[1].max_len, 0);
}

/* What the meter of a controller's copy drops is that copy. */
static void test_meter_of_a_controller(void **state)
{
	struct world *w = *state;
	struct meter *meter = meter_create(1);
	const struct plan_step *at = NULL;

	assert_int_equal(pipeline_add_meter(w->p, meter), 0);
	world_rule(w, 0, 5, "", "set_field:9->tcp_dst,controller(meter_id=1),output:3");
	assert_string_equal(world_run(w, TCP), "set save meter controller:0 restore output:3");
	PLAN_FOR_EACH(step, w->draft.steps, w->draft.steps_len)
	if (step->kind == PLAN_METER)
		at = step;
	at = (const void *)((const uint8_t *)at + at->arg);
	assert_int_equal(at->kind, PLAN_RESTORE);
	assert_int_equal(w->sent[0].reason, 1);
	world_rule(w, 0, 5, "", "controller(meter_id=1,reason=invalid_ttl,id=7)");
	assert_string_equal(world_run(w, TCP), "meter controller:7");
	assert_int_equal(w->sent[0].reason, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_nothing_is_written_for_nobody, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_differences_only, setup, teardown),
		cmocka_unit_test_setup_teardown(test_metadata_is_not_of_the_packet, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_a_push_takes_its_fields_along, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_copies, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_copy_does_not_change_what_was_before, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_meter_of_a_controller, setup, teardown),
		cmocka_unit_test_setup_teardown(test_meters_drop_their_copy, setup, teardown),
		cmocka_unit_test_setup_teardown(test_queue, setup, teardown),
		cmocka_unit_test_setup_teardown(test_truncation, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
