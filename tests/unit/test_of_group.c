// SPDX-License-Identifier: Apache-2.0
/* Group-mods, statistics and descriptions, with the layouts of 1.3 and 1.5. Bytes as ovs-ofctl and
 * Open vSwitch send them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "count_buckets.h"
#include "openflow_peer.h"

/* type=select,selection_method=hash,fields=ip_src,bucket=bucket_id:1,weight:3,actions=output:1 */
#define BUCKET15 "0020 0010 00000001 0000 0010 00000001 0000 000000000000 0000 0008 0003 0000"
#define METHOD                                                                   \
	"ffff 0030 0000154d 00000001 00000000 68617368000000000000000000000000 " \
	"0000000000000000 80001604 ffffffff"
#define GROUP15 "01 00 00000005 0020 0000 ffffffff" BUCKET15 METHOD

static uint32_t error(void)
{
	return peer.len >= 12 ? be32_load(peer.sent + 8) : 0;
}

static const struct group *group(void)
{
	return pipeline_group(fake.pipeline, 5);
}

static void test_new_layout(void **state)
{
	peer_setup(OF15);
	peer_send(OF15, 15, "0000" GROUP15);
	assert_int_equal(peer.len, 0);
	assert_non_null(group());
	assert_int_equal(group()->type, GROUP_TYPE_SELECT);
	assert_int_equal(group()->method, GROUP_METHOD_HASH);
	assert_int_equal(group()->n_buckets, 1);
	assert_int_equal(group()->buckets[0].id, 1);
	assert_int_equal(group()->buckets[0].weight, 3);
	assert_int_equal(group()->buckets[0].watch_port, OFPORT_NONE);
	assert_true(actions_output_to(&group()->buckets[0].actions, 1));
	/* the same comes back */
	peer_send(OF15, 18, "00070000 00000000 fffffffc 00000000");
	assert_true(peer_got("06 13 0070 11223344 0007 0000 00000000 0060 01 00 00000005 0020 "
			     "000000000000" BUCKET15 METHOD));
	peer_send(OF15, 18, "00070000 00000000 00000006 00000000");
	assert_true(peer_got("06 13 0010 11223344 0007 0000 00000000"));
	peer_teardown();
}

static void test_of_nicira(void **state)
{
	peer_setup(OF10);
	peer_send(OF10, 4,
		  "00002320 0000001f 0000 01 00 00000005 0018 0000 ffffffff"
		  "0018 0008 00000001 0000 0008 0001 0000 0000 0008 0003 0000");
	assert_int_equal(peer.len, 0);
	assert_int_equal(group()->buckets[0].weight, 3);
	peer_send(OF10, 16, "ffff0000 00002320 00000008 00000000 fffffffc 00000000");
	assert_true(peer_got("01 11 0040 11223344 ffff 0000 00002320 00000008 00000000"
			     "0028 01 00 00000005 0018 000000000000"
			     "0018 0008 00000001 0000 0008 0001 0000 0000 0008 0003 0000"));
	peer_teardown();
}

/* In a select group it is 1, so that packets go there. */
static void test_weight_that_is_not_said(void **state)
{
	peer_setup(OF15);
	peer_send(OF15, 15, "0000 01 00 00000005 0008 0000 ffffffff 0008 0000 00000001");
	assert_int_equal(peer.len, 0);
	assert_int_equal(group()->buckets[0].weight, 1);
	peer_send(OF15, 15, "0001 00 00 00000005 0008 0000 ffffffff 0008 0000 00000001");
	assert_int_equal(group()->buckets[0].weight, 0);
	peer_teardown();
	peer_setup(OF10);
	peer_send(OF10, 4,
		  "00002320 0000001f 0000 01 00 00000005 0008 0000 ffffffff 0008 0000 00000001");
	assert_int_equal(group()->buckets[0].weight, 1);
	peer_teardown();
}

static void test_old_layout(void **state)
{
	peer_setup(OF13);
	peer_send(OF13, 15,
		  "0000 03 00 00000005 0020 0000 00000001 ffffffff 00000000"
		  "0000 0010 00000001 0000 000000000000 0010 0000 ffffffff 00000007 00000000");
	assert_int_equal(peer.len, 0);
	assert_int_equal(group()->type, GROUP_TYPE_FF);
	assert_int_equal(group()->n_buckets, 2);
	assert_int_equal(group()->buckets[0].watch_port, 1);
	assert_int_equal(group()->buckets[1].watch_group, 7);
	peer_send(OF13, 18, "00070000 00000000");
	assert_true(
		peer_got("04 13 0048 11223344 0007 0000 00000000 0038 03 00 00000005"
			 "0020 0000 00000001 ffffffff 00000000 0000 0010 00000001 0000 000000000000"
			 "0010 0000 ffffffff 00000007 00000000"));
	fake.tally = (struct tally){ .packets = 1, .bytes = 64 };
	fake.users = 3;
	peer_send(OF13, 18, "00060000 00000000 00000005 00000000");
	assert_true(peer_got(
		"04 13 0058 11223344 0006 0000 00000000 0048 0000 00000005 00000003 00000000"
		"0000000000000001 0000000000000040 ........ ........"
		"0000000000000001 0000000000000040 0000000000000001 0000000000000040"));
	peer_teardown();
}

/* Longer in 1.3 than an action can be. */
static void test_what_a_version_cannot_say_is_left_out(void **state)
{
	static char text[12 * 3500 + 8] = "clone(";
	struct group *long_one = group_create(4, GROUP_TYPE_ALL, 1);
	struct error err;

	for (size_t i = 0; i < 3500; i++)
		strcpy(text + 6 + 12 * i, "enqueue:1:2,");
	strcat(text, ")");
	peer_setup(OF13);
	assert_int_equal(actions_parse(&long_one->buckets[0].actions, text, false, &err), 0);
	flows_group_mod(&fake, GROUP_ADD, 4, long_one, BUCKET_ALL, &err);
	peer_send(OF13, 15, "0000 01 00 00000005");
	peer_send(OF13, 18, "00070000 00000000");
	assert_true(peer_got("04 13 0018 11223344 0007 0000 00000000 0008 01 00 00000005"));
	peer_teardown();
}

static void test_buckets_come_and_go(void **state)
{
	peer_setup(OF15);
	peer_send(OF15, 15, "0003 01 00 00000005 0020 0000 fffffffe" BUCKET15);
	assert_int_equal(peer.len, 0);
	assert_int_equal(fake.group_command, GROUP_INSERT_BUCKET);
	assert_int_equal(fake.bucket, BUCKET_LAST);
	peer_send(OF15, 15, "0005 01 00 00000005 0000 0000 00000001");
	assert_int_equal(fake.group_command, GROUP_REMOVE_BUCKET);
	assert_int_equal(fake.bucket, 1);
	peer_send(OF15, 15, "8000" GROUP15);
	assert_int_equal(fake.group_command, GROUP_ADD_OR_MOD);
	peer_send(OF15, 15, "0002 00 00 fffffffc 0000 0000 ffffffff");
	assert_int_equal(fake.group_command, GROUP_DELETE);
	peer_teardown();
}

static void test_refusals(void **state)
{
	peer_setup(OF13);
	peer_send(OF13, 15, "0003 00 00 00000005"); /* 1.5 has this */
	assert_int_equal(error(), 0x0006000b);
	peer_send(OF13, 15, "0000 04 00 00000005");
	assert_int_equal(error(), 0x0006000a);
	peer_send(OF13, 15, "0000 00 00 ffffffff");
	assert_int_equal(error(), 0x00060001);
	peer_send(OF13, 15, "0000 00 00 00000005 0018 0000");
	assert_int_equal(error(), 0x0006000c);
	peer_send(OF13, 15, "0000 00 00 00000005 0000 0000");
	assert_int_equal(error(), 0x0006000c);
	fake.refuse = OFERR_GROUP_EXISTS;
	peer_send(OF13, 15, "0000 00 00 00000005");
	assert_int_equal(error(), 0x00060000);
	peer_teardown();
	peer_setup(OF15);
	peer_send(OF15, 15, "0000 01 00 00000005 0021 0000 ffffffff" BUCKET15);
	assert_int_equal(error(), 0x0006000c);
	/* a bucket's actions are longer than it */
	peer_send(OF15, 15,
		  "0000 01 00 00000005 0010 0000 ffffffff 0010 0010 00000001 00000000"
		  "00000000");
	assert_int_equal(error(), 0x0006000c);
	assert_int_equal(pipeline_n_groups(fake.pipeline), 0);
	peer_teardown();
}

#define GROUP_PROPS "0000 01 00 00000005 0000 0000 ffffffff "
#define BUCKET_PROPS "0000 01 00 00000005 0010 0000 ffffffff 0010 0000 00000001 "

static void test_bad_properties(void **state)
{
	static const struct {
		const char *message;
		uint32_t error;
	} cases[] = {
		{ GROUP_PROPS "0009 0008 00000000", 0x000e0000 },
		{ GROUP_PROPS "0000 0010 00000000", 0x000e0001 },
		{ GROUP_PROPS "ffff 0010 12345678 00000001 00000000", 0x000e0005 },
		{ GROUP_PROPS "ffff 0010 0000154d 00000002 00000000", 0x000e0006 },
		{ GROUP_PROPS "ffff 0010 0000154d 00000001 00000000", 0x000e0001 },
		{ GROUP_PROPS "ffff 0008 0000154d", 0x000e0001 },
		{ GROUP_PROPS "ffff 0028 0000154d 00000001 00000000"
			      "71000000000000000000000000000000 0000000000000000",
		  0x000e0002 }, /* there is no method q */
		{ BUCKET_PROPS "0009 0008 00000000", 0x000e0000 },
		{ BUCKET_PROPS "0000 0009 00000000", 0x000e0001 },
		{ BUCKET_PROPS "ffff 0008 12345678", 0x000e0005 },
	};

	peer_setup(OF15);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		peer_send(OF15, 15, cases[i].message);
		assert_int_equal(error(), cases[i].error);
	}
	assert_int_equal(pipeline_n_groups(fake.pipeline), 0);
	peer_teardown();
}

/* Only where it says something. */
static void test_bucket_of_a_command(void **state)
{
	static const struct {
		const char *command, *bucket;
		uint32_t error;
	} cases[] = {
		{ "0000", "00000003", 0x0006000c }, { "0001", "fffffffe", 0x0006000c },
		{ "0002", "00000003", 0x0006000c }, { "8000", "00000003", 0x0006000c },
		{ "0003", "ffffffff", 0x0006000c }, { "0003", "ffffff01", 0x0006000c },
		{ "0005", "ffffff01", 0x0006000c }, { "0003", "ffffff00", 0 },
		{ "0003", "fffffffd", 0 },	    { "0005", "fffffffe", 0 },
		{ "0005", "ffffffff", 0 },	    { "0000", "ffffffff", 0 },
	};

	peer_setup(OF15);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char message[64];

		snprintf(message, sizeof(message), "%s 01 00 00000005 0000 0000 %s",
			 cases[i].command, cases[i].bucket);
		peer_send(OF15, 15, message);
		assert_int_equal(error(), cases[i].error);
	}
	peer_send(OF15, 18, "00070000 00000000 fffffffc 00000000 00000000");
	assert_int_equal(error(), 0x00010006);
	peer_teardown();
}

/* A group that buckets were added to until no message has room for its description. */
static void add_large_group(uint32_t id)
{
	struct group *group = group_create(id, GROUP_TYPE_ALL, GROUP_BUCKETS_MAX);
	struct error err;

	assert_non_null(group);
	for (unsigned i = 0; i < GROUP_BUCKETS_MAX; i++)
		for (unsigned n = 0; n < 100; n++) {
			struct action_output *out = actions_append(&group->buckets[i].actions,
								   ACTION_OUTPUT, sizeof(*out));

			assert_non_null(out);
			out->port = 1;
		}
	assert_int_equal(flows_group_mod(&fake, GROUP_ADD, id, group, 0, &err), 0);
}

/* What is left out is not written to its end. */
static void test_what_no_message_has_room_for(void **state)
{
	peer_setup(OF13);
	add_large_group(7);
	n_buckets_written = 0;
	peer_send(OF13, 18, "00070000 00000000");
	assert_true(peer_got("04 13 0010 11223344 0007 0000 00000000"));
	assert_in_range(n_buckets_written, 1, OF_LEN_MAX / 1600 + 1);
	peer_teardown();
}

static void test_features(void **state)
{
	peer_setup(OF13);
	peer_send(OF13, 18, "00080000 00000000");
	assert_true(peer_got("04 13 0038 11223344 0008 0000 00000000 0000000f 00000007"
			     "ffffff00 ffffff00 ffffff00 ffffff00"
			     "03ff8001 03ff8001 03ff8001 03ff8001"));
	peer_teardown();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_new_layout),
		cmocka_unit_test(test_of_nicira),
		cmocka_unit_test(test_old_layout),
		cmocka_unit_test(test_weight_that_is_not_said),
		cmocka_unit_test(test_buckets_come_and_go),
		cmocka_unit_test(test_what_a_version_cannot_say_is_left_out),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_what_no_message_has_room_for),
		cmocka_unit_test(test_features),
		cmocka_unit_test(test_bad_properties),
		cmocka_unit_test(test_bucket_of_a_command),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
