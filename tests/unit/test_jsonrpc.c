// SPDX-License-Identifier: Apache-2.0
// JSON-RPC 2.0: each rule of the specification, and what hostile text gets.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rpc/jsonrpc.h"

static int n_calls;

static int echo(void *ctx, json_t *params, struct rpc_fds *fds, json_t **result, struct error *err)
{
	n_calls++;
	assert_ptr_equal(ctx, &n_calls);
	*result = json_incref(params);
	return 0;
}

static int nothing(void *ctx, json_t *params, struct rpc_fds *fds, json_t **result,
		   struct error *err)
{
	n_calls++;
	return 0;
}

static int refusing(void *ctx, json_t *params, struct rpc_fds *fds, json_t **result,
		    struct error *err)
{
	if (json_object_get(params, "bad"))
		return error_set(err, RPC_INVALID_PARAMS, "bad is bad");
	return error_set(err, -EEXIST, "port \"vm1\" exists");
}

/* An error text of 255 bytes that ends in half a character. */
static int cut_text(void *ctx, json_t *params, struct rpc_fds *fds, json_t **result,
		    struct error *err)
{
	char text[300];

	memset(text, 'a', sizeof(text));
	memcpy(text + 254, "\xc3\xa4", 3);
	return error_set(err, -EINVAL, "%s", text);
}

static int huge(void *ctx, json_t *params, struct rpc_fds *fds, json_t **result, struct error *err)
{
	char *text = malloc(RPC_ANSWER_MAX);

	assert_non_null(text);
	memset(text, 'a', RPC_ANSWER_MAX);
	*result = json_stringn(text, RPC_ANSWER_MAX);
	free(text);
	return 0;
}

static const struct rpc_method table[] = {
	{ "echo", echo },	  { "nothing", nothing }, { "refusing", refusing },
	{ "cut-text", cut_text }, { "huge", huge },	  { NULL, NULL },
};

static void answers(const char *request, const char *want)
{
	size_t len = 0;
	char *got = jsonrpc_answer(table, &n_calls, request, strlen(request), NULL, &len);

	if (!want) {
		assert_null(got);
		return;
	}
	assert_non_null(got);
	assert_int_equal(len, strlen(got));
	assert_int_equal(got[len - 1], '\n');
	got[len - 1] = '\0';
	assert_string_equal(got, want);
	free(got);
}

#define ERROR(code, text, id) \
	"{\"jsonrpc\":\"2.0\",\"error\":{\"code\":" code ",\"message\":\"" text "\"},\"id\":" id "}"

static void test_result(void **state)
{
	answers("{\"jsonrpc\":\"2.0\",\"method\":\"echo\",\"params\":{\"a\":[1]},\"id\":7}",
		"{\"jsonrpc\":\"2.0\",\"result\":{\"a\":[1]},\"id\":7}");
	answers("{\"jsonrpc\":\"2.0\",\"method\":\"echo\",\"id\":\"x\"}",
		"{\"jsonrpc\":\"2.0\",\"result\":{},\"id\":\"x\"}");
	answers(" {\"jsonrpc\":\"2.0\",\"method\":\"nothing\",\"id\":null} ",
		"{\"jsonrpc\":\"2.0\",\"result\":true,\"id\":null}");
}

static void test_notification(void **state)
{
	n_calls = 0;
	answers("{\"jsonrpc\":\"2.0\",\"method\":\"echo\"}", NULL);
	answers("{\"jsonrpc\":\"2.0\",\"method\":\"nothing\"}", NULL);
	assert_int_equal(n_calls, 2);
	answers("{\"jsonrpc\":\"2.0\",\"method\":\"refusing\"}", NULL);
	answers("{\"jsonrpc\":\"2.0\",\"method\":\"unknown\"}", NULL);
	answers("{\"jsonrpc\":\"2.0\",\"method\":\"echo\",\"params\":[1]}", NULL);
}

static void test_refused(void **state)
{
	answers("{\"jsonrpc\":\"2.0\",\"method\":\"refusing\",\"id\":1}",
		"{\"jsonrpc\":\"2.0\",\"error\":{\"code\":1,\"message\":\"port \\\"vm1\\\" exists\","
		"\"data\":{\"errno\":\"EEXIST\"}},\"id\":1}");
	answers("{\"jsonrpc\":\"2.0\",\"method\":\"refusing\",\"params\":{\"bad\":1},\"id\":1}",
		ERROR("-32602", "bad is bad", "1"));
	answers("{\"jsonrpc\":\"2.0\",\"method\":\"echo\",\"params\":[1],\"id\":1}",
		ERROR("-32602", "params must be an object of names and values", "1"));
	answers("{\"jsonrpc\":\"2.0\",\"method\":\"ecko\",\"id\":1}",
		ERROR("-32601", "no method \\\"ecko\\\": did you mean \\\"echo\\\"?", "1"));
	answers("{\"jsonrpc\":\"2.0\",\"method\":\"\",\"id\":1}",
		ERROR("-32601", "no method \\\"\\\"", "1"));
}

static void test_no_request(void **state)
{
	answers("[]",
		ERROR("-32600", "batches are not supported: send one request a line", "null"));
	answers("[{\"jsonrpc\":\"2.0\",\"method\":\"echo\",\"id\":1}]",
		ERROR("-32600", "batches are not supported: send one request a line", "null"));
	answers("{}", ERROR("-32600", "not a JSON-RPC 2.0 request", "null"));
	answers("{\"method\":\"echo\",\"id\":1}",
		ERROR("-32600", "not a JSON-RPC 2.0 request", "1"));
	answers("{\"jsonrpc\":\"1.0\",\"method\":\"echo\",\"id\":1}",
		ERROR("-32600", "not a JSON-RPC 2.0 request", "1"));
	answers("{\"jsonrpc\":\"2.0\",\"method\":1,\"id\":2}",
		ERROR("-32600", "method must be a text", "2"));
	answers("{\"jsonrpc\":\"2.0\",\"method\":\"echo\",\"id\":{}}",
		ERROR("-32600", "id must be a text, a number or null", "null"));
	answers("{\"jsonrpc\":\"2.0\",\"id\":1.5}",
		ERROR("-32600", "method must be a text", "1.5"));
}

/* The code of the answer to @text. */
static int code_of(const char *text, size_t text_len)
{
	size_t len = 0;
	char *line = jsonrpc_answer(table, &n_calls, text, text_len, NULL, &len);
	json_t *answer;
	int code;

	assert_non_null(line);
	answer = json_loadb(line, len, 0, NULL);
	assert_non_null(answer);
	code = (int)json_integer_value(json_object_get(json_object_get(answer, "error"), "code"));
	json_decref(answer);
	free(line);
	return code;
}

static void test_not_json(void **state)
{
	static const char *const texts[] = {
		"",
		"{",
		"nonsense",
		"\"text\"",
		"1",
		"{\"a\":1,\"a\":2}",
		"{} x",
		"\xff\xfe",
		"{\"jsonrpc\":\"2.0\",\"method\":\"echo\",\"id\":1}{}",
		"{\"id\":\"\\u0000\"}",
		"{\"id\":99999999999999999999999999}",
		"{\"id\":1e999}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (code_of(texts[i], strlen(texts[i])) != RPC_PARSE_ERROR)
			fail_msg("%s was understood", texts[i]);
	assert_int_equal(code_of("{}\0{}", 5), RPC_PARSE_ERROR);
}

static void test_depth(void **state)
{
	enum { DEPTH = 500000 };
	char *text = malloc(DEPTH);

	assert_non_null(text);
	memset(text, '[', DEPTH);
	assert_int_equal(code_of(text, DEPTH), RPC_PARSE_ERROR);
	for (size_t at = 0; at + 5 <= DEPTH; at += 5)
		memcpy(text + at, "{\"a\":", 5);
	assert_int_equal(code_of(text, DEPTH), RPC_PARSE_ERROR);
	free(text);
}

static void test_bounded_texts(void **state)
{
	static const char cut[] = "{\"jsonrpc\":\"2.0\",\"method\":\"cut-text\",\"id\":1}";
	static const char big[] = "{\"jsonrpc\":\"2.0\",\"method\":\"huge\",\"id\":1}";
	size_t len = 0;
	char *line;

	assert_int_equal(code_of(cut, strlen(cut)), RPC_REFUSED);
	assert_int_equal(code_of(big, strlen(big)), RPC_INTERNAL_ERROR);
	line = jsonrpc_error(RPC_REFUSED, "no \"entry\"", &len);
	assert_string_equal(line, "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":1,\"message\":"
				  "\"no \\\"entry\\\"\"},\"id\":null}\n");
	assert_int_equal(len, strlen(line));
	free(line);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_result),	      cmocka_unit_test(test_notification),
		cmocka_unit_test(test_refused),	      cmocka_unit_test(test_no_request),
		cmocka_unit_test(test_not_json),      cmocka_unit_test(test_depth),
		cmocka_unit_test(test_bounded_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
