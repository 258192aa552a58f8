// SPDX-License-Identifier: Apache-2.0
/* The methods of the control socket that are about rules, groups, meters and traces. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/option.h"
#include "rpc/context.h"
#include "rpc/flow_methods.h"
#include "switch/flows_text.h"

/* What one answer shows ends behind so many rules, groups or meters, or bytes of them. */
#define SHOWN_MAX 10000
#define SHOWN_BYTES_MAX (RPC_ANSWER_MAX / 4)

static const char *text_of(const json_t *params, const char *name)
{
	return json_string_value(json_object_get(params, name));
}

/* No others than @names (NULL-terminated). */
static int check_names(const json_t *params, const char *const *names, struct error *err)
{
	const char *name;
	const json_t *value;

	json_object_foreach ((json_t *)params, name, value) {
		size_t n = 0;
		bool known = false;
		const char *near;

		for (; names[n]; n++)
			known |= !strcmp(names[n], name);
		if (known)
			continue;
		near = nearest_word(name, names, n);
		error_set(err, RPC_INVALID_PARAMS,
			  near ? "unknown parameter \"%.64s\": did you mean \"%s\"?"
			       : "unknown parameter \"%.64s\"",
			  name, near);
		return RPC_INVALID_PARAMS;
	}
	return 0;
}

/* Checks names, and finds the bridge: br0 unless it is named. */
static int begin(void *ctx, const json_t *params, const char *const *names, struct flows **flows,
		 struct error *err)
{
	const struct methods_context *m = ctx;
	const json_t *bridge = json_object_get(params, "bridge");
	const char *name = bridge ? json_string_value(bridge) : SWITCH_DEFAULT_BRIDGE;
	int r = check_names(params, names, err);

	if (r)
		return r;
	if (!name) {
		error_set(err, RPC_INVALID_PARAMS, "\"bridge\" must be a text");
		return RPC_INVALID_PARAMS;
	}
	*flows = switch_flows(m->sw, name);
	if (*flows)
		return 0;
	error_set(err, -ENOENT, "no bridge \"%.64s\"", name);
	return -ENOENT;
}

/* A text that must be there, or @otherwise if that is not NULL. */
static int need_text(const json_t *params, const char *name, const char *otherwise,
		     const char **out, struct error *err)
{
	const json_t *value = json_object_get(params, name);

	*out = value ? json_string_value(value) : otherwise;
	if (*out)
		return 0;
	error_set(err, RPC_INVALID_PARAMS, "\"%s\" is missing, or no text", name);
	return RPC_INVALID_PARAMS;
}

static int out_of_memory(struct error *err)
{
	error_set(err, -ENOMEM, "out of memory");
	return -ENOMEM;
}

/* All of a file of memory, the end of its last line, too: one without lines is not "no text", which
 * deletes all rules; malloc'd. Nothing else is read, since that might block. */
static int read_file(int fd, char **out, struct error *err)
{
	struct stat st;
	size_t used = 0;
	ssize_t n = 1;

	if (fcntl(fd, F_GET_SEALS) < 0 || fstat(fd, &st) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return error_set(err, RPC_INVALID_PARAMS, "\"file\" must be a file of memory");
	if (st.st_size < 0 || st.st_size > (off_t)FLOWS_TEXT_MAX)
		return error_set(err, -EFBIG, "more than %u MiB of rules", FLOWS_TEXT_MAX >> 20);
	*out = malloc((size_t)st.st_size + 2);
	if (!*out)
		return out_of_memory(err);
	while (n > 0 && used < (size_t)st.st_size) {
		n = read(fd, *out + used, (size_t)st.st_size - used);
		used += n > 0 ? (size_t)n : 0;
	}
	if (used < (size_t)st.st_size)
		return error_set(err, -EIO, "the file cannot be read to its end");
	if (memchr(*out, 0, used))
		return error_set(err, RPC_INVALID_PARAMS, "the file holds a NUL");
	memcpy(*out + used, "\n", 2);
	return 0;
}

/* The file that @name is the index of, among those that came with the request; NULL and a text. */
static int *find_file(const json_t *params, const char *name, struct rpc_fds *fds,
		      struct error *err)
{
	const json_t *file = json_object_get(params, name);
	json_int_t i = json_integer_value(file);

	if (json_is_integer(file) && fds && i >= 0 && i < fds->n)
		return &fds->fd[i];
	error_set(err, RPC_INVALID_PARAMS,
		  "\"%s\" must be the index of a file sent with the request", name);
	return NULL;
}

/* What "flow" or "file" has; malloc'd. @otherwise: when there is neither. */
static int read_text(const json_t *params, struct rpc_fds *fds, const char *otherwise, char **out,
		     struct error *err)
{
	const char *text;
	int r;

	if (json_object_get(params, "file")) {
		const int *fd = find_file(params, "file", fds, err);

		return fd ? read_file(*fd, out, err) : RPC_INVALID_PARAMS;
	}
	r = need_text(params, "flow", otherwise, &text, err);
	if (r)
		return r;
	*out = strdup(text);
	return *out ? 0 : out_of_memory(err);
}

static int change(void *ctx, json_t *params, struct rpc_fds *fds, enum flow_command command,
		  enum flow_command strict, struct error *err)
{
	static const char *const names[] = { "bridge", "flow", "file", "strict", NULL };
	const char *otherwise = command == FLOW_DELETE ? "" : NULL;
	struct flows *flows;
	char *text = NULL;
	int r = begin(ctx, params, names, &flows, err);

	if (!r)
		r = read_text(params, fds, otherwise, &text, err);
	if (!r)
		r = flows_change(flows,
				 json_is_true(json_object_get(params, "strict")) ? strict : command,
				 text, err);
	free(text);
	return r;
}

int flow_method_add(void *ctx, json_t *params, struct rpc_fds *fds, json_t **result,
		    struct error *err)
{
	return change(ctx, params, fds, FLOW_ADD, FLOW_ADD, err);
}

int flow_method_mod(void *ctx, json_t *params, struct rpc_fds *fds, json_t **result,
		    struct error *err)
{
	return change(ctx, params, fds, FLOW_MODIFY, FLOW_MODIFY_STRICT, err);
}

int flow_method_del(void *ctx, json_t *params, struct rpc_fds *fds, json_t **result,
		    struct error *err)
{
	return change(ctx, params, fds, FLOW_DELETE, FLOW_DELETE_STRICT, err);
}

int flow_method_replace(void *ctx, json_t *params, struct rpc_fds *fds, json_t **result,
			struct error *err)
{
	static const char *const names[] = { "bridge", "flow", "file", NULL };
	struct flows *flows;
	char *text = NULL;
	size_t n = 0;
	int r = begin(ctx, params, names, &flows, err);

	if (!r)
		r = read_text(params, fds, NULL, &text, err);
	if (!r)
		r = flows_replace(flows, text, &n, err);
	free(text);
	if (!r)
		*result = json_pack("{s:I}", "changed", (json_int_t)n);
	return r;
}

int flow_method_settle(void *ctx, json_t *params, struct rpc_fds *fds, json_t **result,
		       struct error *err)
{
	static const char *const names[] = { "bridge", NULL };
	const struct methods_context *m = ctx;
	struct flows *flows;
	int r = begin(ctx, params, names, &flows, err);

	if (!r)
		switch_count(m->sw, flows);
	return r;
}

/* A list, in answers of some size: from the @skip-th on. */
struct page {
	json_t *list;
	size_t skip, n, bytes;
	bool more;
};

static void begin_page(struct page *page, const json_t *params)
{
	json_int_t skip = json_integer_value(json_object_get(params, "skip"));

	*page = (struct page){ .list = json_array(), .skip = skip > 0 ? (size_t)skip : 0 };
}

static int end_page(const struct page *page, const char *name, json_t **result, struct error *err)
{
	*result = json_pack("{s:o, s:b}", name, page->list, "more", page->more);
	return *result ? 0 : out_of_memory(err);
}

/* Whether the next one is on the page. */
static bool is_on(struct page *page)
{
	if (page->skip) {
		page->skip--;
		return false;
	}
	page->more = page->n == SHOWN_MAX || page->bytes > SHOWN_BYTES_MAX;
	return !page->more;
}

static void put(struct page *page, json_t *shown)
{
	page->n++;
	page->bytes += json_dumpb(shown, NULL, 0, JSON_COMPACT);
	json_array_append_new(page->list, shown);
}

static bool show_rule(void *arg, const struct rule *rule)
{
	struct page *page = arg;

	if (is_on(page))
		put(page, flows_show_rule(rule));
	return !page->more;
}

int flow_method_show(void *ctx, json_t *params, struct rpc_fds *fds, json_t **result,
		     struct error *err)
{
	static const char *const names[] = { "bridge", "filter", "skip", NULL };
	struct flow_filter filter;
	struct page page;
	struct flows *flows;
	const char *text;
	int r = begin(ctx, params, names, &flows, err);

	if (!r)
		r = need_text(params, "filter", "", &text, err);
	if (!r)
		r = flows_parse_filter(flows, text, &filter, err);
	if (r)
		return r;
	begin_page(&page, params);
	flows_each(flows, &filter, show_rule, &page);
	return end_page(&page, "flows", result, err);
}

/* Groups and meters. */

static int refused(enum of_error e, struct error *err)
{
	if (!e)
		return 0;
	return *err->text ? -EINVAL : error_set(err, -EINVAL, "refused: %s", of_error_name(e));
}

/* The number in "group_id=5", "group=5" or "5"; "all": @all. Nothing is an error, for
 * that is what a shell makes of a variable that is not set. */
static int read_id(const char *text, const char *const *words, uint32_t all, uint32_t *out,
		   struct error *err)
{
	unsigned long n;
	char *end;

	for (; *words; words++)
		if (!strncmp(text, *words, strlen(*words)))
			text += strlen(*words);
	*out = all;
	if (!strcmp(text, "all"))
		return 0;
	n = strtoul(text, &end, 0);
	if (*end || end == text || *text == '-' || n > UINT32_MAX)
		return error_set(err, -EINVAL, "\"%.64s\" is no number", text);
	*out = (uint32_t)n;
	return 0;
}

static const char *const group_words[] = { "group_id=", "group=", NULL };
static const char *const meter_words[] = { "meter=", NULL };

static int group_change(void *ctx, json_t *params, enum group_command command, struct error *err)
{
	static const char *const names[] = { "bridge", "group", NULL };
	uint32_t bucket = BUCKET_LAST;
	struct group *group = NULL;
	struct flows *flows;
	const char *text;
	char *numbered;
	int r = begin(ctx, params, names, &flows, err);

	if (!r)
		r = need_text(params, "group", NULL, &text, err);
	if (r)
		return r;
	numbered = flows_number_ports(flows, text);
	r = numbered ? group_parse(&group, &bucket, numbered, err) : out_of_memory(err);
	free(numbered);
	if (r)
		return r;
	error_set(err, 0, "%s", "");
	return refused(flows_group_mod(flows, command, group->id, group, bucket, err), err);
}

int flow_method_group_add(void *ctx, json_t *params, struct rpc_fds *fds, json_t **result,
			  struct error *err)
{
	return group_change(ctx, params, GROUP_ADD, err);
}

int flow_method_group_mod(void *ctx, json_t *params, struct rpc_fds *fds, json_t **result,
			  struct error *err)
{
	return group_change(ctx, params, GROUP_MODIFY, err);
}

int flow_method_group_insert(void *ctx, json_t *params, struct rpc_fds *fds, json_t **result,
			     struct error *err)
{
	return group_change(ctx, params, GROUP_INSERT_BUCKET, err);
}

int flow_method_group_remove(void *ctx, json_t *params, struct rpc_fds *fds, json_t **result,
			     struct error *err)
{
	static const char *const names[] = { "bridge", "group", "bucket", NULL };
	const char *group, *bucket = NULL;
	uint32_t id = 0, number = 0;
	struct flows *flows;
	int r = begin(ctx, params, names, &flows, err);

	if (!r)
		r = need_text(params, "group", NULL, &group, err);
	if (!r)
		r = need_text(params, "bucket", NULL, &bucket, err);
	if (!r)
		r = read_id(group, group_words, GROUP_ALL, &id, err);
	if (!r && !strcmp(bucket, "first"))
		number = BUCKET_FIRST;
	else if (!r && !strcmp(bucket, "last"))
		number = BUCKET_LAST;
	else if (!r)
		r = read_id(bucket, group_words + 2, BUCKET_ALL, &number, err);
	if (r)
		return r;
	return refused(flows_group_mod(flows, GROUP_REMOVE_BUCKET, id, NULL, number, err), err);
}

int flow_method_group_del(void *ctx, json_t *params, struct rpc_fds *fds, json_t **result,
			  struct error *err)
{
	static const char *const names[] = { "bridge", "group", NULL };
	struct flows *flows;
	const char *text;
	uint32_t id = 0;
	int r = begin(ctx, params, names, &flows, err);

	if (!r)
		r = need_text(params, "group", NULL, &text, err);
	if (!r)
		r = read_id(text, group_words, GROUP_ALL, &id, err);
	if (!r && id != GROUP_ALL && !pipeline_group(flows_pipeline(flows), id))
		r = error_set(err, -ENOENT, "no group %u", id);
	return r ? r : refused(flows_group_mod(flows, GROUP_DELETE, id, NULL, 0, err), err);
}

static bool show_group(void *arg, const struct group *group)
{
	struct page *page = arg;

	if (is_on(page))
		put(page, flows_show_group(group));
	return !page->more;
}

int flow_method_group_show(void *ctx, json_t *params, struct rpc_fds *fds, json_t **result,
			   struct error *err)
{
	static const char *const names[] = { "bridge", "skip", NULL };
	struct flows *flows;
	struct page page;
	int r = begin(ctx, params, names, &flows, err);

	if (r)
		return r;
	begin_page(&page, params);
	pipeline_each_group(flows_pipeline(flows), show_group, &page);
	return end_page(&page, "groups", result, err);
}

static int meter_change(void *ctx, json_t *params, enum meter_command command, struct error *err)
{
	static const char *const names[] = { "bridge", "meter", NULL };
	struct meter *meter = NULL;
	struct flows *flows;
	const char *text;
	int r = begin(ctx, params, names, &flows, err);

	if (!r)
		r = need_text(params, "meter", NULL, &text, err);
	if (!r)
		r = meter_parse(&meter, text, err);
	if (r)
		return r;
	error_set(err, 0, "%s", "");
	return refused(flows_meter_mod(flows, command, meter->id, meter, err), err);
}

int flow_method_meter_add(void *ctx, json_t *params, struct rpc_fds *fds, json_t **result,
			  struct error *err)
{
	return meter_change(ctx, params, METER_ADD, err);
}

int flow_method_meter_mod(void *ctx, json_t *params, struct rpc_fds *fds, json_t **result,
			  struct error *err)
{
	return meter_change(ctx, params, METER_MODIFY, err);
}

int flow_method_meter_del(void *ctx, json_t *params, struct rpc_fds *fds, json_t **result,
			  struct error *err)
{
	static const char *const names[] = { "bridge", "meter", NULL };
	struct flows *flows;
	const char *text;
	uint32_t id = 0;
	int r = begin(ctx, params, names, &flows, err);

	if (!r)
		r = need_text(params, "meter", NULL, &text, err);
	if (!r)
		r = read_id(text, meter_words, METER_ALL, &id, err);
	if (!r && id != METER_ALL && !pipeline_meter(flows_pipeline(flows), id))
		r = error_set(err, -ENOENT, "no meter %u", id);
	return r ? r : refused(flows_meter_mod(flows, METER_DELETE, id, NULL, err), err);
}

static bool show_meter(void *arg, struct meter *meter)
{
	struct page *page = arg;

	if (is_on(page))
		put(page, flows_show_meter(meter));
	return !page->more;
}

int flow_method_meter_show(void *ctx, json_t *params, struct rpc_fds *fds, json_t **result,
			   struct error *err)
{
	static const char *const names[] = { "bridge", "skip", NULL };
	struct flows *flows;
	struct page page;
	int r = begin(ctx, params, names, &flows, err);

	if (r)
		return r;
	begin_page(&page, params);
	pipeline_each_meter(flows_pipeline(flows), show_meter, &page);
	return end_page(&page, "meters", result, err);
}

/* Traces. */

/* "02 00 00:..." -> bytes, malloc'd. */
static int read_hex(const char *text, uint8_t **out, size_t *n, struct error *err)
{
	uint8_t *bytes = calloc(1, strlen(text) / 2 + 1);
	size_t digits = 0;

	if (!bytes)
		return out_of_memory(err);
	for (; *text; text++) {
		if (isspace((unsigned char)*text) || *text == ':')
			continue;
		if (!isxdigit((unsigned char)*text)) {
			free(bytes);
			return error_set(err, -EINVAL, "\"%.16s\" is not hexadecimal", text);
		}
		bytes[digits / 2] =
			(uint8_t)(bytes[digits / 2] << 4 |
				  (isdigit((unsigned char)*text) ? *text - '0'
								 : (*text | 0x20) - 'a' + 10));
		digits++;
	}
	if (digits % 2) {
		free(bytes);
		return error_set(err, -EINVAL, "an odd number of hexadecimal digits");
	}
	*out = bytes;
	*n = digits / 2;
	return 0;
}

static int trace_hex(struct flows *flows, const json_t *params, const char *hex, json_t **result,
		     struct error *err)
{
	const char *in_port = text_of(params, "in_port");
	char term[128];
	struct flow_key key = { .in_port = OFPORT_NONE };
	uint8_t *frame = NULL;
	size_t n = 0;
	int r = read_hex(hex, &frame, &n, err);

	if (!r && in_port) {
		snprintf(term, sizeof(term), "in_port=%s", in_port);
		r = flows_parse_packet(flows, term, &key, err);
	}
	if (!r)
		*result = flows_trace(
			flows, &(struct traced){ .in_port = key.in_port, .frame = frame, .len = n },
			err);
	free(frame);
	return r ? r : *result ? 0 : -EINVAL;
}

int flow_method_trace(void *ctx, json_t *params, struct rpc_fds *fds, json_t **result,
		      struct error *err)
{
	static const char *const names[] = { "bridge", "flow", "hex", "in_port", NULL };
	const char *text, *hex = text_of(params, "hex");
	struct flow_key key;
	struct flows *flows;
	int r = begin(ctx, params, names, &flows, err);

	if (!r && hex)
		return trace_hex(flows, params, hex, result, err);
	if (!r)
		r = need_text(params, "flow", NULL, &text, err);
	if (!r)
		r = flows_parse_packet(flows, text, &key, err);
	if (r)
		return r;
	*result = flows_trace(flows, &(struct traced){ .key = &key }, err);
	return *result ? 0 : -EINVAL;
}

int flow_method_trace_live(void *ctx, json_t *params, struct rpc_fds *fds, json_t **result,
			   struct error *err)
{
	static const char *const names[] = { "port", "filter", "count", "fd", NULL };
	const json_t *count = json_object_get(params, "count");
	const struct methods_context *m = ctx;
	struct live_request request = { .root = fds && fds->root };
	int r = check_names(params, names, err), *fd = NULL;

	if (!r)
		r = need_text(params, "port", NULL, &request.port, err);
	if (!r)
		r = need_text(params, "filter", "", &request.filter, err);
	if (!r)
		fd = find_file(params, "fd", fds, err);
	if (!fd)
		return r ? r : RPC_INVALID_PARAMS;
	if (count && (!json_is_integer(count) || json_integer_value(count) < 0 ||
		      json_integer_value(count) > UINT32_MAX))
		return error_set(err, RPC_INVALID_PARAMS, "\"count\" must be a number");
	request.count = (unsigned)json_integer_value(count);
	r = switch_trace_live(m->sw, &request, *fd, err);
	if (!r)
		*fd = -1;
	return r;
}

int flow_method_cache_show(void *ctx, json_t *params, struct rpc_fds *fds, json_t **result,
			   struct error *err)
{
	static const char *const names[] = { NULL };
	const struct methods_context *m = ctx;
	int r = check_names(params, names, err);

	if (r)
		return r;
	*result = switch_cache_show(m->sw);
	return *result ? 0 : out_of_memory(err);
}
