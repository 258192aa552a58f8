// SPDX-License-Identifier: Apache-2.0
/* The wire of actions: lists and instructions as they should be, and as they should not: lengths,
 * types, nesting, order; what is said is cut off and changed at each byte.
 */
#include "action_round.h"

#include "base/bytes.h"

static void test_lists(void **state)
{
	(void)state;
	round_wire(1, true, "", "drop");
	round_wire(1, true, "0000000800010000 0000000800020000", "output:1,output:2");
	round_wire(4, false, "0000001000000001ffff000000000000", "output:1");
	round_wire_refused(1, true, "00000008", OFERR_ACT_BAD_LEN);
	round_wire_refused(1, true, "0000000400010000", OFERR_ACT_BAD_LEN);
	round_wire_refused(1, true, "0000000000010000", OFERR_ACT_BAD_LEN);
	round_wire_refused(1, true, "0000001000010000", OFERR_ACT_BAD_LEN);
	round_wire_refused(1, true, "0000001000010000 0000000000000000", OFERR_ACT_BAD_LEN);
	round_wire_refused(1, true, "0000000900010000 00", OFERR_ACT_BAD_LEN);
	round_wire_refused(1, true, "00400008 00000000", OFERR_ACT_BAD_TYPE);
	round_wire_refused(1, true, "ffff0008 00002320", OFERR_ACT_BAD_LEN);
	round_wire_refused(1, true, "ffff0010 00002320 0063 000000000000", OFERR_ACT_BAD_EXP_TYPE);
	round_wire_refused(1, true, "ffff0010 00002321 0001 000000000000",
			   OFERR_ACT_BAD_EXPERIMENTER);
	round_wire_refused(1, true, "ffff0010 00002320 0023 000000000000", OFERR_ACT_BAD_TYPE);
}

static void test_instructions(void **state)
{
	(void)state;
	round_wire(4, true, "0001000805000000", "goto_table:5");
	round_wire(4, true, "0001000805000000 0006000800000007 0005000800000000",
		   "meter:7,clear_actions,goto_table:5");
	round_wire(4, true, "0005000800000000 0004001800000000 00000010000000010064000000000000",
		   "output:1,clear_actions");
	round_wire(4, true, "0002001800000000 0000000000000005 000000000000000f",
		   "write_metadata:0x5/0xf");
	round_wire(4, true, "0003001800000000 00000010000000010000000000000000",
		   "write_actions(output:1)");
	round_wire(6, true, "0004001000000000 001d000800000005", "meter:5");
	round_wire_refused(4, true, "0001000cff000000 00000000", OFERR_INST_BAD_LEN);
	round_wire_refused(4, true, "0001000800", OFERR_INST_BAD_LEN);
	round_wire_refused(4, true, "00010010050000000000000000000000", OFERR_INST_BAD_LEN);
	round_wire_refused(4, true, "00010008ff000000", OFERR_INST_BAD_TABLE_ID);
	round_wire_refused(4, true, "0009000800000000", OFERR_INST_UNKNOWN);
	round_wire_refused(6, true, "0006000800000005", OFERR_INST_UNKNOWN);
	round_wire_refused(4, true, "ffff000800002320", OFERR_INST_BAD_EXPERIMENTER);
	round_wire_refused(4, true, "0005000800000000 0005000800000000", OFERR_INST_DUPLICATE);
	round_wire_refused(4, true, "0004001000000000 001d000800000005", OFERR_ACT_BAD_TYPE);
}

static void test_order(void **state)
{
	const char *write_metadata = "ffff00200000232000160000000000000000000000000005"
				     "ffffffffffffffff";
	char hex[256];

	(void)state;
	round_wire(1, true, write_metadata, "write_metadata:0x5");
	round_wire_refused(1, false, write_metadata, OFERR_ACT_BAD_TYPE);
	snprintf(hex, sizeof(hex), "%s 0000000800010000", write_metadata);
	round_wire_refused(1, true, hex, OFERR_ACT_UNSUPPORTED_ORDER);
	snprintf(hex, sizeof(hex), "%s%s", write_metadata, write_metadata);
	round_wire_refused(1, true, hex, OFERR_ACT_UNSUPPORTED_ORDER);
}

static void test_nests_to_a_depth(void **state)
{
	uint8_t bytes[16 * (ACTIONS_NESTED_MAX + 1)] = { 0 };
	struct action_list list = { 0 };
	struct error err;

	(void)state;
	for (unsigned at = 0; at < sizeof(bytes); at += 16) {
		be16_store(bytes + at, 0xffff);
		be16_store(bytes + at + 2, (uint16_t)(sizeof(bytes) - at));
		be32_store(bytes + at + 4, 0x2320);
		be16_store(bytes + at + 8, 42);
	}
	assert_int_equal(actions_decode(&list, 1, false, bytes, sizeof(bytes), &err),
			 OFERR_ACT_TOO_MANY);
	be16_store(bytes + 2, (uint16_t)(sizeof(bytes) - 16));
	for (unsigned at = 16; at < sizeof(bytes); at += 16)
		be16_store(bytes + at + 2, (uint16_t)(sizeof(bytes) - 16 - at));
	assert_int_equal(actions_decode(&list, 1, false, bytes, sizeof(bytes) - 16, &err),
			 OFERR_NONE);
	actions_free(&list);
}

static const char everything[] =
	"output:1,controller(id=3,userdata=aa.bb,pause),output:NXM_NX_REG0[],enqueue:1:2,"
	"set_field:5/0xf->reg0,load:1->NXM_NX_REG1[],move:reg1[]->reg2[],group:5,resubmit(1,2),"
	"clone(output:5),push:reg1[],learn(limit=5,result_dst=reg0[0],eth_type=0x800,"
	"NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],load:5->reg1[],output:NXM_OF_IN_PORT[]),"
	"multipath(eth_src,50,modulo_n,1,0,NXM_NX_REG0[]),"
	"bundle_load(eth_src,0,hrw,ofport,reg0[],members:1,2),check_pkt_larger(1500)->reg0[0],"
	"note:01,output(port=1,max_len=100),mod_vlan_vid:5,dec_ttl(1,2),conjunction(1,1/2)";

static void read_any(uint8_t version, const uint8_t *bytes, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);
	struct action_list list = { 0 };
	char text[ROUND_TEXT_MAX];
	struct error err;

	assert_non_null(copy);
	memcpy(copy, bytes, len);
	if (actions_decode(&list, version, version != 1, copy, len, &err) == OFERR_NONE)
		actions_print(&list, text, sizeof(text));
	else
		assert_null(list.bytes);
	actions_free(&list);
	free(copy);
}

/* A sanitizer watches. */
static void test_is_cut_and_changed(void **state)
{
	static const uint8_t versions[] = { 1, 4, 6 };
	struct action_list list = { 0 };
	struct error err;

	(void)state;
	assert_int_equal(actions_parse(&list, everything, true, &err), 0);
	for (unsigned v = 0; v < ARRAY_SIZE(versions); v++) {
		uint8_t *bytes = NULL;
		size_t n = 0, size = 0;

		assert_int_equal(
			actions_encode(list.bytes, list.len, versions[v], true, &bytes, &n, &size),
			0);
		for (size_t i = 0; i < n; i++) {
			static const uint8_t values[] = { 0, 1, 0x7f, 0xff };
			uint8_t old = bytes[i];

			read_any(versions[v], bytes, i);
			for (unsigned j = 0; j < sizeof(values); j++) {
				bytes[i] = values[j];
				read_any(versions[v], bytes, n);
			}
			bytes[i] = old;
		}
		free(bytes);
	}
	actions_free(&list);
}

/* What an action can say at most is 64 KiB. */
static void test_too_long_to_say(void **state)
{
	const size_t n_inner = 3500;
	char *text = malloc(16 * n_inner + 64);
	struct action_list list = { 0 };
	uint8_t *bytes = NULL;
	size_t n = 0, size = 0;
	struct error err;

	(void)state;
	assert_non_null(text);
	strcpy(text, "clone(");
	for (size_t i = 0; i < n_inner; i++)
		memcpy(text + 6 + 12 * i, "enqueue:1:2,", 13);
	strcat(text, ")");
	assert_int_equal(actions_parse(&list, text, true, &err), 0);
	assert_int_equal(actions_encode(list.bytes, list.len, 4, true, &bytes, &n, &size),
			 -EMSGSIZE);
	assert_int_equal(n, 0);
	assert_int_equal(actions_encode(list.bytes, list.len, 1, true, &bytes, &n, &size), 0);
	free(bytes);
	free(text);
	actions_free(&list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_instructions),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_nests_to_a_depth),
		cmocka_unit_test(test_is_cut_and_changed),
		cmocka_unit_test(test_too_long_to_say),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
