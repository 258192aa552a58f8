// SPDX-License-Identifier: Apache-2.0
/* The methods about rules, groups, meters and traces, on a switch. */
#include <sys/mman.h>
#include <sys/socket.h>

#include "flows_rig.h"
#include "rpc/methods.h"

static struct methods_context context;

static int setup(void **state)
{
	int r = flows_setup(state);

	context.sw = ((struct flows_rig *)*state)->rig.sw;
	return r;
}

/* The answer to a request, whole. */
static json_t *ask(const char *method, json_t *params, int fd)
{
	struct rpc_fds fds = { .n = fd >= 0, .fd = { fd } };
	json_t *request = json_pack("{s:s, s:s, s:o, s:i}", "jsonrpc", "2.0", "method", method,
				    "params", params, "id", 1);
	char *text = json_dumps(request, 0), *line;
	json_t *answer;
	size_t len;

	line = jsonrpc_answer(methods, &context, text, strlen(text), &fds, &len);
	assert_non_null(line);
	answer = json_loads(line, 0, NULL);
	assert_non_null(answer);
	free(line);
	free(text);
	json_decref(request);
	return answer;
}

/* The result of what must succeed: a new reference. */
static json_t *get(const char *method, json_t *params, int fd)
{
	json_t *answer = ask(method, params, fd);
	json_t *result = json_incref(json_object_get(answer, "result"));

	if (!result)
		fail_msg("%s: %s", method, json_dumps(answer, 0));
	json_decref(answer);
	return result;
}

static void succeeds(const char *method, json_t *params)
{
	json_decref(get(method, params, -1));
}

static void refuses(const char *method, json_t *params, const char *want)
{
	json_t *answer = ask(method, params, -1);
	const char *text =
		json_string_value(json_object_get(json_object_get(answer, "error"), "message"));

	if (!text || !strstr(text, want))
		fail_msg("%s: %s", method, text ? text : "no error");
	json_decref(answer);
}

static void test_flows(void **state)
{
	struct flows_rig *r = *state;
	json_t *shown;

	succeeds("flow.add", J("{s:s}", "flow", "priority=5,in_port=vm1,actions=vm2"));
	expect_rules(r, "0 0  -> NORMAL\n0 5 in_port=1 -> output:2\n");
	succeeds("flow.mod", J("{s:s, s:s}", "bridge", "br0", "flow", "in_port=vm1,actions=drop"));
	succeeds("flow.mod", J("{s:s, s:b}", "flow", "priority=0,actions=drop", "strict", 1));
	expect_rules(r, "0 0  -> drop\n0 5 in_port=1 -> drop\n");
	succeeds("flow.settle", J("{}"));
	rig_settle(&r->rig);
	shown = get("flow.show", J("{s:s}", "filter", "in_port=vm1"), -1);
	assert_int_equal(json_array_size(json_object_get(shown, "flows")), 1);
	assert_true(json_is_false(json_object_get(shown, "more")));
	json_decref(shown);
	shown = get("flow.show", J("{s:i}", "skip", 1), -1);
	assert_int_equal(json_array_size(json_object_get(shown, "flows")), 1);
	json_decref(shown);
	succeeds("flow.del", J("{s:s}", "flow", "in_port=1"));
	succeeds("flow.del", J("{}"));
	expect_rules(r, "");
}

static void test_refuses(void **state)
{
	struct flows_rig *r = *state;

	refuses("flow.add", J("{}"), "\"flow\" is missing");
	refuses("flow.add", J("{s:i}", "flow", 5), "no text");
	refuses("flow.add", J("{s:s, s:s}", "flow", "actions=drop", "bridge", "lab"),
		"no bridge \"lab\"");
	refuses("flow.add", J("{s:s, s:i}", "flow", "actions=drop", "bridge", 1), "must be a text");
	refuses("flow.add", J("{s:s}", "flov", "actions=drop"), "did you mean \"flow\"?");
	refuses("flow.add", J("{s:i}", "file", 0), "index of a file");
	refuses("flow.show", J("{s:s}", "filter", "actions=drop"), "cannot be filtered");
	refuses("group.add", J("{}"), "\"group\" is missing");
	refuses("group.del", J("{s:s}", "group", "x"), "no number");
	refuses("group.del", J("{s:s}", "group", "7"), "no group 7");
	refuses("group.del", J("{s:s}", "group", "group_id="), "\"\" is no number");
	refuses("group.del", J("{s:s}", "group", ""), "no number");
	refuses("group.remove", J("{s:s, s:s}", "group", "7", "bucket", ""), "no number");
	refuses("group.remove", J("{s:s, s:s}", "group", "group=", "bucket", "1"), "no number");
	refuses("meter.del", J("{s:s}", "meter", "meter="), "no number");
	refuses("meter.del", J("{s:s}", "meter", ""), "no number");
	refuses("group.remove", J("{s:s, s:s}", "group", "7", "bucket", "1"), "no group 7");
	refuses("meter.del", J("{s:s}", "meter", "7"), "no meter 7");
	refuses("trace", J("{s:s}", "hex", "abc"), "odd number");
	refuses("trace", J("{s:s}", "hex", "xy"), "not hexadecimal");
	refuses("trace", J("{s:s}", "hex", "0011"), "no Ethernet frame");
	refuses("trace", J("{s:s}", "flow", "priority=5"), "fields alone");
	refuses("trace.live", J("{s:s}", "filter", "tcp"), "\"port\" is missing");
	refuses("trace.live", J("{s:s}", "port", "vm1"), "\"fd\" must be the index");
	expect_rules(r, "0 0  -> NORMAL\n");
}

static int make_file(const char *text, size_t len)
{
	int fd = memfd_create("flows", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), len);
	return fd;
}

/* The answer to @method with a file of @text, which may have NULs within. */
static json_t *ask_with_file(const char *method, const char *text, size_t len)
{
	int fd = make_file(text, len);
	json_t *answer = ask(method, J("{s:i}", "file", 0), fd);

	close(fd);
	return answer;
}

static void test_files(void **state)
{
	struct flows_rig *r = *state;
	static const char two[] =
		"priority=5,in_port=1,actions=output:2\n# nothing\nactions=drop\n";
	json_t *result = ask_with_file("flow.replace", two, strlen(two));
	int pipes[2];

	assert_int_equal(
		json_integer_value(json_object_get(json_object_get(result, "result"), "changed")),
		3);
	json_decref(result);
	expect_rules(r, "0 32768  -> drop\n0 5 in_port=1 -> output:2\n");
	json_decref(ask_with_file("flow.del", "in_port=1", 9));
	expect_rules(r, "0 32768  -> drop\n");
	/* no line is no rule, and not all of them */
	result = ask_with_file("flow.del", "", 0);
	assert_null(json_object_get(result, "error"));
	json_decref(result);
	expect_rules(r, "0 32768  -> drop\n");
	for (size_t i = 0; i < 2; i++) {
		result = ask_with_file(i ? "flow.replace" : "flow.del", "tcp,actions=drop\n\0\n",
				       19);
		assert_non_null(json_object_get(result, "error"));
		json_decref(result);
	}
	expect_rules(r, "0 32768  -> drop\n");
	/* one that could block is not read */
	assert_int_equal(pipe(pipes), 0);
	result = ask("flow.add", J("{s:i}", "file", 0), pipes[0]);
	assert_non_null(json_object_get(result, "error"));
	json_decref(result);
	close(pipes[0]);
	close(pipes[1]);
}

static void test_groups_and_meters(void **state)
{
	struct flows_rig *r = *state;
	json_t *list, *groups;

	succeeds("group.add", J("{s:s}", "group", "group_id=1,type=all,bucket=vm1,bucket=vm2"));
	succeeds("group.mod", J("{s:s}", "group", "group_id=1,type=select,bucket=vm2"));
	succeeds("group.insert",
		 J("{s:s}", "group",
		   "group_id=1,command_bucket_id=first,bucket=bucket_id:7,actions=vm3"));
	list = get("group.show", J("{}"), -1);
	groups = json_object_get(list, "groups");
	assert_int_equal(json_array_size(json_object_get(json_array_get(groups, 0), "buckets")), 2);
	json_decref(list);
	succeeds("group.remove", J("{s:s, s:s}", "group", "1", "bucket", "7"));
	succeeds("group.remove", J("{s:s, s:s}", "group", "1", "bucket", "last"));
	succeeds("group.del", J("{s:s}", "group", "group_id=1"));
	succeeds("meter.add", J("{s:s}", "meter", "meter=1 pktps bands=type=drop rate=5"));
	succeeds("meter.mod", J("{s:s}", "meter", "meter=1 pktps bands=type=drop rate=9"));
	list = get("meter.show", J("{}"), -1);
	assert_int_equal(json_array_size(json_object_get(list, "meters")), 1);
	json_decref(list);
	succeeds("meter.del", J("{s:s}", "meter", "all"));
	assert_int_equal(pipeline_n_meters(flows_pipeline(r->flows)), 0);
}

/* How many things @method shows in all, on how many pages. */
static size_t count_shown(const char *method, const char *name, unsigned *n_pages)
{
	size_t n = 0;
	bool more = true;

	for (*n_pages = 0; more; ++*n_pages) {
		json_t *page = get(method, J("{s:i}", "skip", (int)n), -1);

		assert_true(json_dumpb(page, NULL, 0, 0) < RPC_ANSWER_MAX / 2);
		assert_true(json_array_size(json_object_get(page, name)));
		n += json_array_size(json_object_get(page, name));
		more = json_is_true(json_object_get(page, "more"));
		json_decref(page);
	}
	return n;
}

/* A few rules or groups may be as long as an answer. */
static void test_pages(void **state)
{
	static char text[20000];
	unsigned n_pages;

	for (int i = 0; i < 300; i++) {
		int len = snprintf(text, sizeof(text), "in_port=%d,actions=", i + 1);

		while (len < 15000)
			len += sprintf(text + len, "load:1->NXM_NX_REG0[],");
		succeeds("flow.add", J("{s:s}", "flow", text));
		len = snprintf(text, sizeof(text), "group_id=%d,type=all", i + 1);
		while (len < 10000)
			len += sprintf(text + len, ",bucket=output:1");
		succeeds("group.add", J("{s:s}", "group", text));
		snprintf(text, sizeof(text), "meter=%d pktps bands=type=drop rate=5", i + 1);
		succeeds("meter.add", J("{s:s}", "meter", text));
	}
	assert_int_equal(count_shown("flow.show", "flows", &n_pages), 301);
	assert_in_range(n_pages, 2, 5);
	assert_int_equal(count_shown("group.show", "groups", &n_pages), 300);
	assert_in_range(n_pages, 2, 20);
	assert_int_equal(count_shown("meter.show", "meters", &n_pages), 300);
	assert_int_equal(n_pages, 1);
}

/* The socket goes along, and is the switch's from then on. */
static void test_live(void **state)
{
	struct flows_rig *r = *state;
	char byte;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
	json_decref(ask("trace.live", J("{s:s, s:i, s:i}", "port", "vm1", "fd", 0, "count", -1),
			fds[1]));
	assert_int_equal(rig_find(&r->rig, "vm1")->n_lives, 0);
	json_decref(
		get("trace.live",
		    J("{s:s, s:i, s:s, s:i}", "port", "vm1", "fd", 0, "filter", "udp", "count", 5),
		    fds[1]));
	assert_int_equal(rig_find(&r->rig, "vm1")->n_lives, 1);
	send_packets(r, 0, 1, 53);
	UNTIL(&r->rig, recv(fds[0], &byte, 1, MSG_DONTWAIT) == 1);
	close(fds[0]);
	UNTIL(&r->rig, !rig_find(&r->rig, "vm1")->n_lives);
}

static void test_traces(void **state)
{
	json_t *told = get("trace", J("{s:s}", "flow", "in_port=vm1,udp"), -1);

	assert_non_null(strstr(option_string(told, "text", ""), "NORMAL"));
	json_decref(told);
	told = get(
		"trace",
		J("{s:s, s:s}", "hex", "02:00:00:00:00:02 020000000001 88b5 00", "in_port", "vm2"),
		-1);
	assert_non_null(strstr(option_string(told, "text", ""), "in_port=2"));
	json_decref(told);
	told = get("cache.show", J("{}"), -1);
	assert_int_equal(json_array_size(told), 2); /* workers */
	json_decref(told);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, flows_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_flows),  TEST(test_refuses),
		TEST(test_files),  TEST(test_groups_and_meters),
		TEST(test_traces), TEST(test_live),
		TEST(test_pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
