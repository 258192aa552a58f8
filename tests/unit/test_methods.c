// SPDX-License-Identifier: Apache-2.0
/* The methods: which function of the switch each calls, with what, and what is refused before it.
 * The switch is a stub.
 */
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "rpc/methods.h"
#include "switch_stub.h"

LOG_MODULE("test");

static struct methods_context context = { .log_level = "info" };
static char dir[64], path[128];

static int setup(void **state)
{
	stub_return = 0;
	stub_call[0] = '\0';
	strcpy(dir, "/tmp/vireo-test-XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/vireo.conf", dir);
	context.config_path = path;
	context.started_ns = clock_ns();
	context.pid = getpid();
	return 0;
}

static int teardown(void **state)
{
	unlink(path);
	assert_int_equal(rmdir(dir), 0);
	log_set_level("all", "info", NULL);
	json_decref(stub_config);
	stub_config = NULL;
	return 0;
}

/* The answer to method @name with @params: its result, or its error. */
static json_t *call_with(const char *name, const char *params, struct rpc_fds *fds)
{
	char request[1024];
	json_t *answer, *part;
	size_t len = 0;
	char *line;

	snprintf(request, sizeof(request),
		 "{\"jsonrpc\":\"2.0\",\"method\":\"%s\",\"params\":%s,\"id\":1}", name, params);
	line = jsonrpc_answer(methods, &context, request, strlen(request), fds, &len);
	assert_non_null(line);
	answer = json_loadb(line, len, 0, NULL);
	assert_non_null(answer);
	part = json_object_get(answer, "result");
	part = json_incref(part ? part : json_object_get(answer, "error"));
	json_decref(answer);
	free(line);
	return part;
}

static void gives(const char *name, const char *params, const char *want)
{
	json_t *got = call_with(name, params, NULL);
	char *text = json_dumps(got, JSON_SORT_KEYS | JSON_ENCODE_ANY);

	assert_string_equal(text, want);
	free(text);
	json_decref(got);
}

/* Calls @name, which must succeed and reach the switch as @want. */
static void reaches(const char *name, const char *params, const char *want)
{
	json_t *got;

	stub_call[0] = '\0';
	got = call_with(name, params, NULL);
	assert_null(json_object_get(got, "code"));
	assert_string_equal(stub_call, want);
	json_decref(got);
}

/* Calls @name, which must be refused without the switch's being asked. */
static void refuses(const char *name, const char *params, const char *why)
{
	json_t *got;

	stub_call[0] = '\0';
	got = call_with(name, params, NULL);
	assert_int_equal(json_integer_value(json_object_get(got, "code")), RPC_INVALID_PARAMS);
	assert_string_equal(json_string_value(json_object_get(got, "message")), why);
	assert_string_equal(stub_call, "");
	json_decref(got);
}

/* Whether the configuration may be another one after a call. */
static void test_tells_of_changes(void **state)
{
	static const struct {
		const char *name, *params;
		bool changes;
	} calls[] = {
		{ "bridge.add", "{\"name\":\"a\"}", true },
		{ "bridge.set", "{\"name\":\"a\"}", true },
		{ "bridge.del", "{\"name\":\"a\"}", true },
		{ "bridge.show", "{}", false },
		{ "port.add", "{\"name\":\"a\"}", true },
		{ "port.set", "{\"name\":\"a\"}", true },
		{ "port.del", "{\"name\":\"a\"}", true },
		{ "port.show", "{}", false },
		{ "mac.add", "{}", true },
		{ "mac.del", "{}", true },
		{ "mac.flush", "{}", false },
		{ "mac.show", "{}", false },
		{ "worker.set", "{}", true },
		{ "worker.show", "{}", false },
		{ "stats.show", "{}", false },
		{ "version", "{}", false },
		{ "describe", "{}", false },
		{ "log.show", "{}", false },
		{ "config.result", "{}", false },
		{ "no.such", "{}", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		context.changed = false;
		json_decref(call_with(calls[i].name, calls[i].params, NULL));
		if (context.changed != calls[i].changes)
			fail_msg("%s: %d", calls[i].name, context.changed);
	}
}

static void test_changes(void **state)
{
	static const char *const named[] = { "bridge.add", "bridge.set", "port.add", "port.set" };
	static const char *const calls[] = { "bridge_add", "bridge_set", "port_add", "port_set" };
	char want[128];

	for (size_t i = 0; i < ARRAY_SIZE(named); i++) {
		snprintf(want, sizeof(want), "%s {\"mtu\": \"9000\", \"name\": \"a\"}", calls[i]);
		reaches(named[i], "{\"name\":\"a\",\"mtu\":\"9000\"}", want);
		refuses(named[i], "{}", "\"name\" is missing, or no text");
		refuses(named[i], "{\"name\":1}", "\"name\" is missing, or no text");
	}
	reaches("mac.add", "{\"mac\":\"m\"}", "mac_add {\"mac\": \"m\"}");
	reaches("mac.del", "{\"mac\":\"m\"}", "mac_del {\"mac\": \"m\"}");
	reaches("mac.flush", "{}", "mac_flush {}");
	reaches("worker.set", "{\"poll\":\"always\"}", "worker_set {\"poll\": \"always\"}");
	reaches("bridge.del", "{\"name\":\"a\"}", "bridge_del \"a\"");
	reaches("port.del", "{\"name\":\"a\"}", "port_del \"a\"");
	refuses("port.del", "{}", "\"name\" is missing");
	refuses("port.del", "{\"name\":\"a\",\"x\":1}", "unknown parameter \"x\"");
	refuses("port.del", "{\"name\":[]}", "\"name\" must be a text");
}

static void test_shows(void **state)
{
	reaches("port.show", "{}", "port_show -");
	reaches("port.show", "{\"name\":\"a\"}", "port_show a");
	reaches("bridge.show", "{\"name\":\"a\"}", "bridge_show a");
	reaches("mac.show", "{\"bridge\":\"b\"}", "mac_show b");
	reaches("worker.show", "{}", "worker_show -");
	refuses("mac.show", "{\"name\":\"b\"}", "unknown parameter \"name\"");
	refuses("worker.show", "{\"name\":\"b\"}", "unknown parameter \"name\"");
	gives("port.show", "{}", "[{\"name\": \"a\"}]");
	gives("stats.show", "{}", "{\"ports\": 1}");
	gives("describe", "{}", "{\"bridge\": []}");
}

static void test_switch_refuses(void **state)
{
	stub_return = -EEXIST;
	gives("port.add", "{\"name\":\"a\"}",
	      "{\"code\": 1, \"data\": {\"errno\": \"EEXIST\"}, \"message\": \"refused\"}");
	gives("port.show", "{\"name\":\"a\"}",
	      "{\"code\": 1, \"data\": {\"errno\": \"ENOENT\"}, \"message\": \"refused\"}");
}

static void test_version(void **state)
{
	json_t *got = call_with("version", "{}", NULL);

	assert_string_equal(json_string_value(json_object_get(got, "version")), VIREO_VERSION);
	assert_int_equal(json_integer_value(json_object_get(got, "pid")), getpid());
	assert_int_equal(json_integer_value(json_object_get(got, "uptime")), 0);
	json_decref(got);
}

static void add_file(struct rpc_fds *fds, const char *file, const char *index, const char *why)
{
	char params[512];
	json_t *got;

	stub_fd_open = false;
	snprintf(params, sizeof(params), "{\"name\":\"a\",\"file\":\"%s\"%s%s}", file,
		 *index ? ",\"fd\":" : "", index);
	got = call_with("port.add", params, fds);
	if (why)
		assert_string_equal(json_string_value(json_object_get(got, "message")), why);
	else
		assert_true(json_is_true(got));
	assert_int_equal(stub_fd_open, !why);
	json_decref(got);
}

static void test_files(void **state)
{
	static const char index_text[] = "\"fd\" must be the index of a file sent with the request";
	static const char path_text[] = "\"file\" must be the whole path, without links, of \"fd\"";
	struct rpc_fds fds = { .n = 1, .fd = { open(path, O_RDWR | O_CREAT, 0600) } };
	char wrong[256], linked[256];

	assert_true(fds.fd[0] >= 0);
	add_file(&fds, path, "0", NULL);
	assert_true(fds.fd[0] >= 0); /* still the server's to close */
	add_file(&fds, path, "1", index_text);
	add_file(&fds, path, "-1", index_text);
	add_file(&fds, path, "\"0\"", index_text);
	add_file(&fds, path, "9223372036854775807", index_text);
	/* a daemon's own file, by its path or by its number, is not to be had */
	add_file(&fds, path, "", "\"file\" must be opened by the client, and sent as \"fd\"");
	add_file(&fds, "/etc/passwd", "0", path_text);
	snprintf(wrong, sizeof(wrong), "%s/.", path);
	add_file(&fds, wrong, "0", path_text);
	snprintf(linked, sizeof(linked), "%s/link", dir);
	assert_int_equal(symlink(path, linked), 0);
	add_file(&fds, linked, "0", path_text);
	unlink(linked);
	refuses("port.add", "{\"name\":\"a\",\"fd\":0}", index_text);
	refuses("port.set", "{\"name\":\"a\",\"fd\":2}", index_text);
	close(fds.fd[0]);
}

static void test_log(void **state)
{
	json_t *got;

	gives("log.set", "{\"module\":\"test\",\"level\":\"debug\"}", "true");
	assert_int_equal(log_this.level, LOG_DEBUG);
	got = call_with("log.show", "{}", NULL);
	assert_string_equal(json_string_value(json_object_get(got, "test")), "debug");
	json_decref(got);
	refuses("log.set", "{\"module\":\"test\"}", "\"level\" is missing");
	got = call_with("log.set", "{\"module\":\"test\",\"level\":\"loud\"}", NULL);
	assert_int_equal(json_integer_value(json_object_get(got, "code")), RPC_REFUSED);
	json_decref(got);
}

static void read_file(char *text, size_t size)
{
	FILE *in = fopen(path, "re");

	assert_non_null(in);
	text[fread(text, 1, size - 1, in)] = '\0';
	fclose(in);
}

/* The result must be the path. */
static void tells_path(const char *method)
{
	json_t *got = call_with(method, "{}", NULL);
	const char *told = json_string_value(json_object_get(got, "path"));

	if (!told)
		fail_msg("%s: %s", method, json_string_value(json_object_get(got, "message")));
	assert_string_equal(told, path);
	json_decref(got);
}

static void test_save(void **state)
{
	char text[512], linked[256];
	struct stat st;

	stub_config = json_pack("{s:{s:{s:i}}}", "bridges", "br0", "x", 5);
	log_set_level("test", "error", NULL);
	tells_path("config.save");
	read_file(text, sizeof(text));
	assert_string_equal(text, "# Written by \"vireo config save\"; \"vireo config reload\" "
				  "reads it.\nbridge add br0 x 5\nlog set test error\n");
	/* again: the mode is kept, and a link followed */
	assert_int_equal(chmod(path, 0604), 0);
	snprintf(linked, sizeof(linked), "%s/link", dir);
	assert_int_equal(symlink("vireo.conf", linked), 0);
	context.config_path = linked;
	json_object_clear(stub_config);
	json_decref(call_with("config.save", "{}", NULL));
	assert_int_equal(lstat(linked, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0604);
	read_file(text, sizeof(text));
	assert_null(strstr(text, "bridge add"));
	unlink(linked);
}

static void test_save_fails(void **state)
{
	char nowhere[256];
	json_t *got;

	snprintf(nowhere, sizeof(nowhere), "%s/no/vireo.conf", dir);
	context.config_path = nowhere;
	got = call_with("config.save", "{}", NULL);
	assert_non_null(strstr(json_string_value(json_object_get(got, "message")),
			       "no/vireo.conf: No such file or directory"));
	json_decref(got);
	/* what no line can hold is not written, and what was there stays */
	context.config_path = path;
	json_decref(call_with("config.save", "{}", NULL));
	assert_int_equal(access(path, R_OK), 0);
	stub_config = json_pack("{s:{s:{s:s}}}", "bridges", "br0", "x", "a\nb");
	got = call_with("config.save", "{}", NULL);
	assert_int_equal(json_integer_value(json_object_get(got, "code")), RPC_REFUSED);
	assert_int_equal(access(path, R_OK), 0);
	json_decref(got);
	context.config_path = NULL;
	gives("config.save", "{}",
	      "{\"code\": 1, \"data\": {\"errno\": \"ENOENT\"}, \"message\": \"vireod was "
	      "started without --config: it has no file\"}");
}

static void write_file(const char *text)
{
	FILE *out = fopen(path, "we");

	assert_non_null(out);
	fputs(text, out);
	fclose(out);
}

#define EMPTY_SECTIONS "\"macs\": [], \"ports\": {}, \"workers\": []}"

static void test_reload(void **state)
{
	json_t *got;

	/* "all" is the standard for the others, wherever it stands */
	write_file("log set test debug\nlog set all warning\nbridge add b\n");
	stub_call[0] = '\0';
	tells_path("config.reload");
	assert_string_equal(stub_call, "config_apply {\"bridges\": {\"b\": {}}, \"log\": {\"all\": "
				       "\"warning\", \"test\": \"debug\"}, " EMPTY_SECTIONS);
	assert_int_equal(log_this.level, LOG_DEBUG);
	/* what the file does not name has the command line's level */
	context.log_level = "error";
	write_file("");
	tells_path("config.reload");
	assert_int_equal(log_this.level, LOG_ERROR);
	context.log_level = "info";
	/* nothing is applied of a file with a mistake */
	log_set_level("test", "info", NULL);
	stub_call[0] = '\0';
	write_file("log set test debug\nlog set nobody debug\n");
	got = call_with("config.reload", "{}", NULL);
	assert_non_null(strstr(json_string_value(json_object_get(got, "message")),
			       "/vireo.conf: log: no module \"nobody\" (\"vireo log show\" lists "
			       "them)"));
	json_decref(got);
	write_file("log set test debug\n\nport\n");
	got = call_with("config.reload", "{}", NULL);
	assert_non_null(strstr(json_string_value(json_object_get(got, "message")),
			       "/vireo.conf: line 3: "));
	json_decref(got);
	assert_int_equal(log_this.level, LOG_INFO);
	assert_string_equal(stub_call, "");
}

static void test_odd_file(void **state)
{
	json_t *got;

	assert_int_equal(mkfifo(path, 0600), 0);
	got = call_with("config.reload", "{}", NULL); /* must not wait for a writer */
	assert_non_null(
		strstr(json_string_value(json_object_get(got, "message")), "not a regular file"));
	json_decref(got);
	unlink(path);
	got = call_with("config.reload", "{}", NULL);
	assert_non_null(strstr(json_string_value(json_object_get(got, "message")),
			       "/vireo.conf: No such file or directory"));
	json_decref(got);
}

static void test_check(void **state)
{
	json_t *got;

	reaches("config.check", "{\"text\":\"bridge add b\"}",
		"config_check {\"bridges\": {\"b\": {}}, \"log\": {}, " EMPTY_SECTIONS);
	gives("config.check", "{\"text\":\"bridge add b\\nlog set test info\"}",
	      "{\"bridges\": 1, \"log\": 1, \"macs\": 0, \"ports\": 0, \"workers\": 0}");
	got = call_with("config.check", "{\"text\":\"log set test loud\"}", NULL);
	assert_string_equal(json_string_value(json_object_get(got, "message")),
			    "log: \"loud\" is no log level: use error, warning, info or debug");
	json_decref(got);
	got = call_with("config.check", "{\"text\":\"\\nbridge\"}", NULL);
	assert_non_null(strstr(json_string_value(json_object_get(got, "message")), "line 2: "));
	json_decref(got);
	write_file("bridge add b\n");
	gives("config.check", "{}",
	      "{\"bridges\": 1, \"log\": 0, \"macs\": 0, \"ports\": 0, \"workers\": 0}");
	refuses("config.check", "{\"txet\":\"\"}",
		"unknown parameter \"txet\": did you mean \"text\"?");
}

static void test_config_show(void **state)
{
	char want[512];

	stub_config = json_pack("{s:{s:{}}}", "bridges", "br0");
	snprintf(want, sizeof(want),
		 "{\"config\": {\"bridges\": {\"br0\": {}}, \"log\": {}}, \"path\": \"%s\", "
		 "\"text\": \"bridge add br0\\n\"}",
		 path);
	gives("config.show", "{}", want);
	context.config_path = NULL;
	gives("config.show", "{}",
	      "{\"config\": {\"bridges\": {\"br0\": {}}, \"log\": {}}, \"path\": null, "
	      "\"text\": \"bridge add br0\\n\"}");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_tells_of_changes),
		TEST(test_changes),
		TEST(test_shows),
		TEST(test_switch_refuses),
		TEST(test_version),
		TEST(test_files),
		TEST(test_log),
		TEST(test_save),
		TEST(test_save_fails),
		TEST(test_reload),
		TEST(test_odd_file),
		TEST(test_check),
		TEST(test_config_show),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}
