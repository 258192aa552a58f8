// SPDX-License-Identifier: Apache-2.0
/* JSON-RPC 2.0: one request in, one answer out. Depth and size of what is decoded are bounded by
 * jansson (2048 levels) and by the caller.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/option.h"
#include "rpc/jsonrpc.h"

#define NAMES_MAX 128 /* methods that "did you mean" looks at */

/* What a call gave. */
struct outcome {
	int code;  /* 0, or an error's */
	int error; /* errno behind RPC_REFUSED */
	json_t *result;
	struct error err;
};

struct request {
	const char *method;
	json_t *params;	  /* own reference */
	const json_t *id; /* NULL: a notification */
};

static int refuse(struct outcome *out, int code, const char *text)
{
	out->code = code;
	error_set(&out->err, 0, "%s", text);
	return code;
}

/* Takes the request apart; nonzero and an outcome when it is none. */
static int parse(const json_t *root, struct request *req, struct outcome *out)
{
	const json_t *params = json_object_get(root, "params");
	const char *version = json_string_value(json_object_get(root, "jsonrpc"));

	if (json_is_array(root))
		return refuse(out, RPC_INVALID_REQUEST,
			      "batches are not supported: send one request a line");
	req->id = json_object_get(root, "id");
	if (req->id && !json_is_string(req->id) && !json_is_number(req->id) &&
	    !json_is_null(req->id)) {
		req->id = NULL;
		return refuse(out, RPC_INVALID_REQUEST, "id must be a text, a number or null");
	}
	if (!version || strcmp(version, "2.0"))
		return refuse(out, RPC_INVALID_REQUEST, "not a JSON-RPC 2.0 request");
	req->method = json_string_value(json_object_get(root, "method"));
	if (!req->method)
		return refuse(out, RPC_INVALID_REQUEST, "method must be a text");
	if (params && !json_is_object(params))
		return refuse(out, RPC_INVALID_PARAMS,
			      "params must be an object of names and values");
	req->params = params ? json_copy((json_t *)params) : json_object();
	if (!req->params)
		return refuse(out, RPC_INTERNAL_ERROR, "out of memory");
	return 0;
}

static void refuse_method(const struct rpc_method *methods, const char *name, struct outcome *out)
{
	const char *names[NAMES_MAX], *near;
	size_t n = 0;

	for (; methods->name && n < NAMES_MAX; methods++)
		names[n++] = methods->name;
	near = nearest_word(name, names, n);
	out->code = RPC_METHOD_NOT_FOUND;
	if (near)
		error_set(&out->err, 0, "no method \"%.64s\": did you mean \"%s\"?", name, near);
	else
		error_set(&out->err, 0, "no method \"%.64s\"", name);
}

static void call(const struct rpc_method *methods, void *ctx, const struct request *req,
		 struct rpc_fds *fds, struct outcome *out)
{
	struct rpc_fds none = { 0 };
	int ret;

	for (const struct rpc_method *m = methods; m->name; m++) {
		if (strcmp(m->name, req->method))
			continue;
		ret = m->call(ctx, req->params, fds ? fds : &none, &out->result, &out->err);
		if (!ret)
			return;
		out->code = ret == RPC_INVALID_PARAMS ? ret : RPC_REFUSED;
		out->error = ret == RPC_INVALID_PARAMS ? 0 : -ret;
		return;
	}
	refuse_method(methods, req->method, out);
}

/* An error's text may be cut in the middle of a character; JSON holds whole ones only. */
static json_t *whole_text(const char *text)
{
	for (size_t len = strlen(text); len; len--) {
		json_t *whole = json_stringn(text, len);

		if (whole)
			return whole;
	}
	return json_string("");
}

static json_t *error_object(const struct outcome *out)
{
	json_t *object =
		json_pack("{s:i, s:o}", "code", out->code, "message", whole_text(out->err.text));
	const char *name = strerrorname_np(out->error);

	if (out->error > 0 && name)
		json_object_set_new(object, "data", json_pack("{s:s}", "errno", name));
	return object;
}

/* The answer's line; takes the result's reference. */
static char *dump(struct outcome *out, const json_t *id, size_t *len)
{
	json_t *answer = json_pack("{s:s}", "jsonrpc", "2.0"), *value;
	char *text = NULL, *line;

	if (out->code)
		value = error_object(out);
	else
		value = out->result ? out->result : json_true();
	json_object_set_new(answer, out->code ? "error" : "result", value);
	json_object_set_new(answer, "id", id ? json_incref((json_t *)id) : json_null());
	if (json_object_size(answer) == 3)
		text = json_dumps(answer, JSON_COMPACT);
	json_decref(answer);
	if (!text)
		return NULL;
	*len = strlen(text);
	line = realloc(text, *len + 2);
	if (!line) {
		free(text);
		return NULL;
	}
	memcpy(line + *len, "\n", 2);
	(*len)++;
	return line;
}

/* The same, but always an answer if there is memory for a short one. */
static char *dump_bounded(struct outcome *out, const json_t *id, size_t *len)
{
	char *line = dump(out, id, len);
	struct outcome instead = { .code = RPC_INTERNAL_ERROR };

	if (line && *len <= RPC_ANSWER_MAX)
		return line;
	error_set(&instead.err, 0, line ? "the answer is longer than %u MiB" : "out of memory",
		  RPC_ANSWER_MAX >> 20);
	free(line);
	return dump(&instead, id, len);
}

char *jsonrpc_answer(const struct rpc_method *methods, void *ctx, const char *text, size_t text_len,
		     struct rpc_fds *fds, size_t *len)
{
	struct outcome out = { .code = 0 };
	struct request req = { .method = NULL };
	json_error_t why;
	json_t *root = json_loadb(text, text_len, JSON_REJECT_DUPLICATES, &why);
	char *line = NULL;

	if (!root) {
		out.code = RPC_PARSE_ERROR;
		error_set(&out.err, 0, "not JSON: %s (byte %d)", why.text, why.position);
	} else if (!parse(root, &req, &out)) {
		call(methods, ctx, &req, fds, &out);
	}
	if (req.id || !req.method)
		line = dump_bounded(&out, req.id, len);
	else
		json_decref(out.result);
	json_decref(req.params);
	json_decref(root);
	return line;
}

char *jsonrpc_error(int code, const char *message, size_t *len)
{
	struct outcome out = { .code = code };

	error_set(&out.err, 0, "%s", message);
	return dump(&out, NULL, len);
}
