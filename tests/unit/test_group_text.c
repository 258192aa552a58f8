// SPDX-License-Identifier: Apache-2.0
/* Groups as text, and what must hold of any. */
#include "action_round.h"

#include "flow/group.h"

static void round_group(const char *text, const char *shown)
{
	struct group *group, *again;
	char out[1024];
	struct error err = { "" };

	if (group_parse(&group, NULL, text, &err))
		fail_msg("%s: %s", text, err.text);
	assert_int_equal(group_print(group, out, sizeof(out)), strlen(shown));
	assert_string_equal(out, shown);
	assert_int_equal(group_check(group, &err), OFERR_NONE);
	assert_int_equal(group_parse(&again, NULL, out, &err), 0);
	group_print(again, out, sizeof(out));
	assert_string_equal(out, shown);
	group_unref(group);
	group_unref(again);
}

static void test_there_and_back(void **state)
{
	(void)state;
	round_group("group_id=1,type=all", "group_id=1,type=all");
	round_group("group_id=1,type=all,bucket=output:1,output:2,bucket=actions=drop",
		    "group_id=1,type=all,bucket=bucket_id:0,actions=output:1,output:2,"
		    "bucket=bucket_id:1,actions=drop");
	round_group("group_id=5,type=select,bucket=bucket_id:0,weight:5,actions=1,bucket=output:2",
		    "group_id=5,type=select,bucket=bucket_id:0,weight:5,actions=output:1,"
		    "bucket=bucket_id:1,actions=output:2");
	round_group("group_id=5 type=select selection_method=hash selection_method_param=7 "
		    "fields(ip_dst,ip_src=255.255.0.0,reg3) bucket=weight=0,load:1->NXM_NX_REG0[]",
		    "group_id=5,type=select,selection_method=hash,selection_method_param=7,"
		    "fields(reg3,ip_src=255.255.0.0,ip_dst),"
		    "bucket=bucket_id:0,weight:0,actions=load:0x1->NXM_NX_REG0[]");
	round_group("group_id=5,type=select,selection_method=dp_hash,bucket=output:1",
		    "group_id=5,type=select,selection_method=dp_hash,"
		    "bucket=bucket_id:0,actions=output:1");
	round_group("group_id=6,type=ff,bucket=watch_port:LOCAL,watch_group:2,actions=output:1",
		    "group_id=6,type=ff,bucket=bucket_id:0,watch_port:LOCAL,watch_group:2,"
		    "actions=output:1");
	round_group("group_id=6,type=indirect,bucket=clone(output:1,output:2),exit",
		    "group_id=6,type=indirect,"
		    "bucket=bucket_id:0,actions=clone(output:1,output:2),exit");
}

static void test_commands(void **state)
{
	char out[128];
	struct group *group;
	struct error err;
	uint32_t bucket;

	(void)state;
	assert_int_equal(group_parse(&group, &bucket, "group_id=1,bucket=output:1", &err), 0);
	assert_int_equal(bucket, 0xfffffffe);
	group_unref(group);
	assert_int_equal(group_parse(&group, &bucket, "group_id=all,command_bucket_id=first", &err),
			 0);
	assert_int_equal(bucket, 0xfffffffd);
	assert_int_equal(group->id, GROUP_ALL);
	assert_in_range(group_print(group, out, sizeof(out)), 1, sizeof(out) - 1);
	assert_string_equal(out, "group_id=all,type=all");
	group_unref(group);
	assert_int_equal(group_parse(&group, &bucket, "group_id=1,command_bucket_id=5", &err), 0);
	assert_int_equal(bucket, 5);
	group_unref(group);
	assert_int_equal(group_parse(&group, NULL, "group_id=1,type=all,command_bucket_id=5", &err),
			 -EINVAL);
}

static void refuse(const char *text, const char *why)
{
	struct group *group = NULL;
	struct error err = { "" };

	if (group_parse(&group, NULL, text, &err) != -EINVAL)
		fail_msg("%s was understood", text);
	if (!strstr(err.text, why))
		fail_msg("%s: %s", text, err.text);
	assert_null(group);
}

static void test_refuses(void **state)
{
	char many[16 * (GROUP_BUCKETS_MAX + 4)] = "group_id=1,type=all";

	(void)state;
	refuse("", "group_id is missing");
	refuse("bucket=output:1", "group_id is missing");
	refuse("group_id=1,bucket=output:1", "type is missing");
	refuse("group_id=1,type=foo", "not one of all, select");
	refuse("group_id=0xffffff01,type=all", "too much");
	refuse("group_id=1,type=all,foo=1", "a group has no foo");
	refuse("group_id=1,type=select,fields(ip_dst),bucket=1", "selection_method=hash");
	refuse("group_id=1,type=select,selection_method=foo", "not one of hash");
	refuse("group_id=1,type=select,selection_method=hash,fields(foo)", "no field foo");
	refuse("group_id=1,type=select,bucket=weight:70000,1", "bucket 0: 70000 is too much");
	refuse("group_id=1,type=all,bucket=1,bucket=foo", "bucket 1: unknown action foo");
	refuse("group_id=1,type=all,bucket=goto_table:1", "is an instruction");
	for (unsigned i = 0; i <= GROUP_BUCKETS_MAX; i++)
		strcat(many, ",bucket=1");
	refuse(many, "more than 1024 buckets");
}

static const struct {
	const char *text;
	enum of_error error;
} checks[] = {
	{ "group_id=1,type=indirect", OFERR_GROUP_INVALID },
	{ "group_id=1,type=indirect,bucket=1,bucket=2", OFERR_GROUP_INVALID },
	{ "group_id=1,type=ff,bucket=1", OFERR_GROUP_INVALID },
	{ "group_id=1,type=ff,bucket=watch_group:1,2", OFERR_GROUP_LOOP },
	{ "group_id=1,type=all,bucket=watch_port:1,2", OFERR_GROUP_WATCH_UNSUPPORTED },
	{ "group_id=1,type=all,bucket=weight:5,2", OFERR_GROUP_INVALID },
	{ "group_id=1,type=all,selection_method=hash,bucket=2", OFERR_GROUP_INVALID },
	{ "group_id=1,type=all,bucket=bucket_id:1,2,bucket=bucket_id:1,3",
	  OFERR_GROUP_BUCKET_EXISTS },
	{ "group_id=1,type=select,bucket=watch_port:1,2", OFERR_NONE },
	{ "group_id=0xffffff00,type=select", OFERR_NONE },
};

static void test_checks(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(checks); i++) {
		struct error err = { "" };
		struct group *group;

		assert_int_equal(group_parse(&group, NULL, checks[i].text, &err), 0);
		if (group_check(group, &err) != checks[i].error)
			fail_msg("%s: %s", checks[i].text, err.text);
		group_unref(group);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_commands),
		cmocka_unit_test(test_refuses),
		cmocka_unit_test(test_checks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
