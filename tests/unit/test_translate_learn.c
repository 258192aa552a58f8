// SPDX-License-Identifier: Apache-2.0
// Rules that are learned.
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

#define TCP                                                                                \
	"in_port=3,tcp,dl_src=00:00:00:00:00:04,dl_dst=00:00:00:00:00:05,nw_src=10.0.0.1," \
	"nw_dst=10.0.0.2,nw_ttl=64,tp_src=1000,tp_dst=80"

static const struct plan_learn *learned(const struct world *w)
{
	PLAN_FOR_EACH(step, w->draft.steps, w->draft.steps_len)
	if (step->kind == PLAN_LEARN)
		return (const void *)step;
	fail_msg("nothing is learned");
	return NULL;
}

static void assert_learned(struct world *w, const char *match_text, const char *actions_text)
{
	const struct plan_learn *step = learned(w);
	const uint8_t *actions = (const uint8_t *)step + step->step.arg;
	struct match match;
	struct error err;
	char text[1024];

	match_init(&match);
	assert_int_equal(match_parse(&match, match_text, &err), 0);
	assert_true(match_equal(&match, &step->match));
	actions_print_bytes(actions, step->actions_len, text, sizeof(text));
	assert_string_equal(text, actions_text);
}

static void test_learns_an_address(void **state)
{
	struct world *w = *state;
	struct rule *teacher;

	teacher = world_rule(w, 0, 5, "",
			     "learn(table=1,priority=7,hard_timeout=60,"
			     "NXM_OF_VLAN_TCI[0..11],NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],"
			     "output:NXM_OF_IN_PORT[]),output:2");
	assert_string_equal(world_run(w, TCP), "learn output:2");
	assert_learned(w, "vlan_tci=0/0xfff,dl_dst=00:00:00:00:00:04", "output:3");
	assert_int_equal(learned(w)->learn->hard_timeout, 60);
	assert_ptr_equal(learned(w)->teacher, teacher);
	/* what it is made from is examined */
	assert_int_equal(w->draft.examined.eth_src, 0xffffffffffffull);
	assert_int_equal(w->draft.examined.vlan[0].tci, 0xfff);
	assert_int_equal(w->draft.examined.eth_dst, 0);
}

static void test_learns_values(void **state)
{
	struct world *w = *state;

	world_rule(w, 0, 5, "",
		   "learn(table=1,fin_idle_timeout=3,eth_type=0x800,nw_proto=6,"
		   "NXM_OF_IP_SRC[]=NXM_OF_IP_DST[],load:5->NXM_NX_REG0[4..7],"
		   "load:NXM_OF_TCP_SRC[]->NXM_NX_REG1[0..15])");
	assert_string_equal(world_run(w, TCP), "learn drop:flow_drop");
	assert_learned(w, "tcp,nw_src=10.0.0.2",
		       "fin_timeout(idle_timeout=3),load:0x5->NXM_NX_REG0[4..7],"
		       "load:0x3e8->NXM_NX_REG1[0..15]");
}

/* What actions have written is learned as it is. */
static void test_learns_what_was_written(void **state)
{
	struct world *w = *state;

	world_rule(w, 0, 5, "",
		   "set_field:00:00:00:00:00:77->eth_src,"
		   "learn(table=1,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[])");
	world_run(w, TCP);
	assert_learned(w, "dl_dst=00:00:00:00:00:77", "output:3");
	assert_int_equal(w->draft.examined.eth_src, 0);
}

static void test_tells_whether_there_is_room(void **state)
{
	struct world *w = *state;
	const char *learn = "learn(table=1,priority=7,cookie=107,limit=2,result_dst=NXM_NX_REG0[0],"
			    "NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[]),resubmit(,2)";
	struct rule *rule;

	world_rule(w, 0, 5, "", learn);
	world_rule(w, 2, 5, "reg0=1", "output:1");
	world_rule(w, 2, 5, "reg0=0", "output:2");
	world_rule(w, 1, 7, "dl_dst=00:00:00:00:00:01", "drop"); /* its cookie is 107 */
	assert_string_equal(world_run(w, TCP), "learn output:1");
	world_rule(w, 1, 7, "dl_dst=00:00:00:00:00:02", "drop");
	assert_string_equal(world_run(w, TCP), "learn output:2");
	/* one that is there already has room; one of another cookie is not it */
	rule = world_rule(w, 1, 7, "dl_dst=00:00:00:00:00:04", "drop");
	assert_string_equal(world_run(w, TCP), "learn output:1");
	rule->cookie = 108;
	assert_string_equal(world_run(w, TCP), "learn output:2");
}

/* A value of the packet's takes the place of one that another field needs. */
static void test_learns_no_nonsense(void **state)
{
	struct world *w = *state;

	world_rule(w, 0, 5, "ip",
		   "learn(table=1,limit=5,result_dst=NXM_NX_REG0[0],eth_type=0x800,nw_proto=6,"
		   "NXM_OF_IP_PROTO[],NXM_OF_TCP_DST[]=80),resubmit(,2)");
	world_rule(w, 2, 5, "reg0=0", "output:1");
	world_rule(w, 2, 5, "reg0=1", "output:2");
	assert_string_equal(world_run(w, TCP), "learn output:2");
	assert_string_equal(world_run(w, "in_port=3,ip,nw_proto=47"), "output:1");
	assert_string_equal(world_run(w, "in_port=3,udp"), "learn output:2");
	assert_learned(w, "udp,tp_dst=80", "drop");
}

/* What is not learned leaves no steps, which would end it. */
static void test_learns_nonsense_too_often(void **state)
{
	struct world *w = *state;
	char text[8192] = "";

	for (unsigned i = 0; i < 50; i++)
		strcat(text, "learn(table=3,eth_type=0x800,nw_proto=6,NXM_OF_IP_PROTO[],"
			     "NXM_OF_TCP_DST[]=80),");
	world_rule(w, 1, 5, "ip", text);
	text[0] = 0;
	for (unsigned i = 0; i < 90; i++)
		strcat(text, "resubmit(,1),");
	world_rule(w, 0, 5, "", text);
	assert_string_equal(world_run(w, "in_port=3,ip,nw_proto=47"), "drop:flow_limit");
	assert_non_null(strstr(w->limit.what, "262144 actions"));
}

/* Counting rules is work. */
static void test_counts_too_much(void **state)
{
	static const char learn[] =
		"learn(table=1,cookie=5,limit=2,result_dst=NXM_NX_REG0[0],reg2=5),";
	struct action_list none = { 0 };
	struct world *w = *state;
	char text[4096] = "";

	for (unsigned i = 0; i < 50000; i++) {
		struct match match = { 0 };
		struct rule *rule;

		match.mask.metadata = UINT64_MAX;
		match.key.metadata = i;
		rule = rule_create(1, 1, &match, &none);
		assert_int_equal(pipeline_add_rule(w->p, rule), 0);
		rule_unref(rule);
	}
	for (unsigned i = 0; i < 20; i++)
		strcat(text, learn);
	world_rule(w, 0, 5, "", text);
	world_run(w, TCP);
	assert_null(w->limit.what);
	strcat(text, learn);
	world_rule(w, 0, 5, "", text);
	assert_string_equal(world_run(w, TCP), "drop:flow_limit");
	assert_non_null(strstr(w->limit.what, "262144 actions"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_learns_an_address, setup, teardown),
		cmocka_unit_test_setup_teardown(test_learns_values, setup, teardown),
		cmocka_unit_test_setup_teardown(test_learns_what_was_written, setup, teardown),
		cmocka_unit_test_setup_teardown(test_learns_no_nonsense, setup, teardown),
		cmocka_unit_test_setup_teardown(test_learns_nonsense_too_often, setup, teardown),
		cmocka_unit_test_setup_teardown(test_counts_too_much, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tells_whether_there_is_room, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
