// SPDX-License-Identifier: Apache-2.0
/* libFuzzer target: what clients of the control socket say of rules, groups and meters. Each line
 * of the input is for one method, which its first byte chooses; "|" ends lines of one text. What is
 * refused must say why. Rules, groups and meters that have come in by text are shown as texts that
 * bring in the same once more, and filters find them.
 */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "alone.h"
#include "rpc/context.h"
#include "rpc/flow_methods.h"

#define LINES_MAX 24

static struct methods_context context = { .sw = &alone.sw };

struct method {
	flow_method *fn;
	const char *text;   /* the parameter that the line is */
	const char *strict; /* true, if not NULL */
};

static const struct method methods_of_text[] = {
	{ flow_method_add, "flow", NULL },	     { flow_method_mod, "flow", NULL },
	{ flow_method_mod, "flow", "strict" },	     { flow_method_del, "flow", NULL },
	{ flow_method_del, "flow", "strict" },	     { flow_method_replace, "flow", NULL },
	{ flow_method_show, "filter", NULL },	     { flow_method_group_add, "group", NULL },
	{ flow_method_group_mod, "group", NULL },    { flow_method_group_insert, "group", NULL },
	{ flow_method_group_del, "group", NULL },    { flow_method_meter_add, "meter", NULL },
	{ flow_method_meter_mod, "meter", NULL },    { flow_method_meter_del, "meter", NULL },
	{ flow_method_trace, "flow", NULL },	     { flow_method_trace, "hex", NULL },
	{ flow_method_group_remove, "group", NULL }, { flow_method_add, "file", NULL },
};

/* Returns what the method does; the result is whole. */
static int call(flow_method *fn, json_t *params, struct rpc_fds *fds, struct error *err)
{
	json_t *result = NULL;
	int r = fn(&context, params, fds, &result, err);
	char *text;

	require(r == 0 || *err->text);
	if (r == 0 && result) {
		text = json_dumps(result, 0);
		require(text);
		free(text);
	}
	json_decref(result);
	json_decref(params);
	return r;
}

/* With a text of which what is no UTF-8 has been refused before. */
static int say(const struct method *m, const char *text, struct error *err)
{
	json_t *params = json_object();
	struct rpc_fds fds = { .n = 0 };
	int r;

	if (!strcmp(m->text, "file")) {
		fds.fd[fds.n++] = memfd_create("rules", MFD_CLOEXEC);
		require(write(fds.fd[0], text, strlen(text)) == (ssize_t)strlen(text));
		json_object_set_new(params, "file", json_integer(0));
	} else if (json_object_set_new(params, m->text, json_string(text)) < 0) {
		json_decref(params);
		return -EINVAL;
	}
	if (m->strict)
		json_object_set_new(params, m->strict, json_true());
	if (m->fn == flow_method_group_remove)
		json_object_set_new(params, "bucket", json_string(strchr(text, ',') ?: "last"));
	r = call(m->fn, params, &fds, err);
	while (fds.n)
		close(fds.fd[--fds.n]);
	return r;
}

/* What takes more than OpenFlow's lengths can say may be shown, and not be understood. */
static bool is_too_long(const struct error *err)
{
	return strstr(err->text, "too many") || strstr(err->text, "more than") ||
	       strstr(err->text, "too long");
}

/* Replaced by what is shown of them, all rules are as they were. */
static void replace_by_itself(void)
{
	char *shown = alone_say_rules(), *copy = strdup(shown), *again;
	struct error err = { "" };
	size_t n = 1;

	require(copy);
	if (flows_replace(alone.flows, copy, &n, &err) == 0) {
		again = alone_say_rules();
		require(n == 0 && !strcmp(shown, again));
		free(again);
	} else {
		require(is_too_long(&err));
	}
	free(copy);
	free(shown);
}

static bool find_by_filter(void *arg, const struct rule *rule)
{
	const struct rule *found = *(const struct rule **)arg;

	*(const struct rule **)arg = found == rule ? NULL : found;
	return true;
}

/* A rule is among those that its own match lets through. */
static bool filter(void *arg, const struct rule *rule)
{
	static char text[65536];
	const struct rule *looked_for = rule;
	struct flow_filter f;
	struct match match;
	struct error err;

	rule_match(rule, &match);
	require(match_print(&match, text, sizeof(text)) < (int)sizeof(text));
	if (flows_parse_filter(alone.flows, text, &f, &err) < 0) {
		require(is_too_long(&err));
		return true;
	}
	flows_each(alone.flows, &f, find_by_filter, &looked_for);
	require(!looked_for);
	return --*(unsigned *)arg;
}

static bool set_group(void *arg, const struct group *group)
{
	const struct method m = { flow_method_group_mod, "group", NULL };
	json_t *o = flows_show_group(group);
	struct error err = { "" };

	if (say(&m, json_string_value(json_object_get(o, "text")), &err) < 0)
		require(is_too_long(&err));
	json_decref(o);
	return true;
}

static bool set_meter(void *arg, struct meter *meter)
{
	const struct method m = { flow_method_meter_mod, "meter", NULL };
	json_t *o = flows_show_meter(meter);
	struct error err = { "" };

	require(say(&m, json_string_value(json_object_get(o, "text")), &err) == 0);
	json_decref(o);
	return true;
}

static void check(void)
{
	const struct flow_filter all = { .table = FLOWS_TABLE_ALL,
					 .out_port = OFPORT_NONE,
					 .out_group = GROUP_ANY };
	const struct pipeline *now = flows_pipeline(alone.flows);
	unsigned most = 5;

	replace_by_itself();
	flows_each(alone.flows, &all, filter, &most);
	/* the version is shown until all is closed */
	pipeline_each_group(now, set_group, NULL);
	pipeline_each_meter(now, set_meter, NULL);
	replace_by_itself();
}

static void one_line(char *line)
{
	const struct method *m = &methods_of_text[(uint8_t)*line % ARRAY_SIZE(methods_of_text)];
	struct error err = { "" };

	for (char *at = line; (at = strchr(at, '|'));)
		*at = '\n';
	(void)say(m, line + 1, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = zeroed(size + 1), *rest = text, *line;

	if (size)
		memcpy(text, data, size);
	alone_open(NULL);
	for (unsigned n = 0; n < LINES_MAX && (line = strsep(&rest, "\n")); n++)
		if (*line)
			one_line(line);
	check();
	alone_close();
	free(text);
	return 0;
}
