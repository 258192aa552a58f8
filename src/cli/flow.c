// SPDX-License-Identifier: Apache-2.0
/* vireo flow add|mod|del|replace|show */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/output.h"
#include "cli/rules.h"

/* What is said with @params: the text of @argv, or "file FILE". Takes the reference. */
static enum status call_with_flows(const struct cli *cli, const char *method, json_t *params,
				   int argc, char **argv, json_t **result)
{
	struct error err = { "" };
	enum status status;
	int fd = NO_FILE;

	if (argc == 2 && !strcmp(argv[0], "file")) {
		fd = rules_file(argv[1]);
		if (fd < 0) {
			json_decref(params);
			return STATUS_REFUSED;
		}
		json_object_set_new(params, "file", json_integer(0));
	} else if (!rules_add(params, "flow", argc, argv)) {
		json_decref(params);
		return STATUS_USAGE;
	}
	status = client_try(cli, method, params, fd, result, &err);
	if (status && argc > 1 && !strpbrk(argv[0], "=,") && strstr(err.text, argv[0]))
		fail(status, "%s (for a bridge: \"bridge %s\")", err.text, argv[0]);
	else if (status)
		fail(status, "%s", err.text);
	if (fd >= 0)
		close(fd);
	return status;
}

static enum status change(const struct cli *cli, const char *method, int argc, char **argv)
{
	json_t *params = rules_params(&argc, &argv);

	if (!params)
		return STATUS_USAGE;
	if (argc && !strcmp(argv[0], "strict")) {
		json_object_set_new(params, "strict", json_true());
		argc--;
		argv++;
	}
	return call_with_flows(cli, method, params, argc, argv, NULL);
}

static enum status add(const struct cli *cli, int argc, char **argv)
{
	enum status status =
		check_words(argc, argv, 1, 1000, "flow add [bridge NAME] FLOW | file FILE");

	return status ? status : change(cli, "flow.add", argc, argv);
}

static enum status mod(const struct cli *cli, int argc, char **argv)
{
	enum status status = check_words(argc, argv, 1, 1000,
					 "flow mod [bridge NAME] [strict] FLOW | file FILE");

	return status ? status : change(cli, "flow.mod", argc, argv);
}

static enum status del(const struct cli *cli, int argc, char **argv)
{
	enum status status = check_words(argc, argv, 0, 1000,
					 "flow del [bridge NAME] [strict] [FLOW | file FILE]");

	return status ? status : change(cli, "flow.del", argc, argv);
}

static enum status replace(const struct cli *cli, int argc, char **argv)
{
	enum status status =
		check_words(argc, argv, 1, 3, "flow replace [bridge NAME] FILE (\"-\": stdin)");
	char *words[] = { (char[]){ "file" }, argc ? argv[argc - 1] : NULL };
	json_t *params, *result = NULL;

	if (status)
		return status;
	params = rules_params(&argc, &argv);
	if (!params)
		return STATUS_USAGE;
	if (argc != 1) {
		json_decref(params);
		return fail(STATUS_USAGE, "one file: vireo flow replace [bridge NAME] FILE");
	}
	status = call_with_flows(cli, "flow.replace", params, 2, words, &result);
	if (!status && cli->json)
		print_json(result);
	json_decref(result);
	return status;
}

/* Showing. */

static json_int_t number(const json_t *flow, const char *name)
{
	return json_integer_value(json_object_get(flow, name));
}

static const char *text(const json_t *flow, const char *name)
{
	return json_string_value(json_object_get(flow, name)) ?: "";
}

/* By table, then the highest priority first. */
static int by_place(const void *a, const void *b)
{
	const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
	json_int_t order = number(x, "table") - number(y, "table");

	if (!order)
		order = number(y, "priority") - number(x, "priority");
	if (order)
		return order < 0 ? -1 : 1;
	return strcmp(text(x, "match"), text(y, "match"));
}

static json_t *sorted(const json_t *flows)
{
	size_t n = json_array_size(flows);
	json_t **list = calloc(n + 1, sizeof(json_t *)), *out = json_array();

	if (!list || !out)
		exit(fail(STATUS_REFUSED, "out of memory"));
	for (size_t i = 0; i < n; i++)
		list[i] = json_array_get(flows, i);
	qsort(list, n, sizeof(json_t *), by_place);
	for (size_t i = 0; i < n; i++)
		json_array_append(out, list[i]);
	free(list);
	return out;
}

/* What stands behind a rule's actions, if it is not as usual: ", idle_timeout 60 s". */
static void print_rest(const json_t *flow)
{
	const json_t *flag;
	size_t i;

	if (strcmp(text(flow, "cookie"), "0x0"))
		printf("  cookie %s", text(flow, "cookie"));
	if (number(flow, "idle_timeout"))
		printf("  idle_timeout %lld", (long long)number(flow, "idle_timeout"));
	if (number(flow, "hard_timeout"))
		printf("  hard_timeout %lld", (long long)number(flow, "hard_timeout"));
	if (number(flow, "importance"))
		printf("  importance %lld", (long long)number(flow, "importance"));
	json_array_foreach (json_object_get(flow, "flags"), i, flag)
		printf("  %s", json_string_value(flag) ?: "");
}

static void print_flow(const json_t *flow)
{
	char packets[32], bytes[32], idle[32];

	printf("  %5lld  %s\n", (long long)number(flow, "priority"),
	       *text(flow, "match") ? text(flow, "match") : "all packets");
	printf("         -> %s\n", text(flow, "actions"));
	printf("         %s packets, %s bytes",
	       human_number((double)number(flow, "packets"), packets, sizeof(packets)),
	       human_number((double)number(flow, "bytes"), bytes, sizeof(bytes)));
	if (json_object_get(flow, "idle"))
		printf(", the last %s ago",
		       rules_time(json_object_get(flow, "idle"), idle, sizeof(idle)));
	print_rest(flow);
	putchar('\n');
}

static void print_flows(const json_t *flows)
{
	json_int_t table = -1;
	const json_t *flow;
	size_t i;

	json_array_foreach (flows, i, flow) {
		if (number(flow, "table") != table)
			printf("%stable %lld\n", i ? "\n" : "", (long long)number(flow, "table"));
		table = number(flow, "table");
		print_flow(flow);
	}
}

static enum status show(const struct cli *cli, int argc, char **argv)
{
	enum status status = check_words(argc, argv, 0, 1000, "flow show [bridge NAME] [FILTER]");
	json_t *params, *list = NULL, *flows;

	if (status)
		return status;
	params = rules_params(&argc, &argv);
	if (!params)
		return STATUS_USAGE;
	status = client_call(cli, "flow.settle", json_deep_copy(params), NULL);
	if (!status && !rules_add(params, "filter", argc, argv))
		status = STATUS_USAGE;
	if (!status)
		status = rules_list(cli, "flow.show", "flows", params, &list);
	json_decref(params);
	if (status)
		return status;
	flows = sorted(list);
	json_decref(list);
	if (cli->json)
		print_json(flows);
	else
		print_flows(flows);
	json_decref(flows);
	return STATUS_OK;
}

static const char *const bridge_option[] = { "bridge", NULL };

static const struct verb verbs[] = {
	{ .name = "show",
	  .args = "[bridge NAME] [FILTER]",
	  .help = "list rules, by table and priority (FILTER: table=0,cookie=1/-1,tcp,out_port=2)",
	  .run = show,
	  .own_options = bridge_option },
	{ .name = "add",
	  .args = "[bridge NAME] FLOW | file FILE",
	  .help = "add a rule, like table=0,priority=10,tcp,actions=output:vm1",
	  .run = add,
	  .own_options = bridge_option },
	{ .name = "mod",
	  .args = "[bridge NAME] [strict] FLOW | file FILE",
	  .help = "change the actions of rules (strict: of exactly this match and priority)",
	  .run = mod,
	  .own_options = bridge_option },
	{ .name = "del",
	  .args = "[bridge NAME] [strict] [FLOW | file FILE]",
	  .help = "remove rules; all of the bridge unless it is told which",
	  .run = del,
	  .own_options = bridge_option },
	{ .name = "replace",
	  .args = "[bridge NAME] FILE",
	  .help = "make the rules those of a file; what is the same stays, with its counts",
	  .run = replace,
	  .own_options = bridge_option },
	{ .name = NULL },
};

const struct object flow_object = { "flow", "the rules of a bridge (OpenFlow)", verbs };
