// SPDX-License-Identifier: Apache-2.0
/* vireo group add|mod|del|insert|remove|show and vireo meter add|mod|del|show */
#include <stdio.h>
#include <string.h>

#include "cli/client.h"
#include "cli/output.h"
#include "cli/rules.h"

static json_int_t number(const json_t *object, const char *name)
{
	return json_integer_value(json_object_get(object, name));
}

/* Changes a group: all words make up its text. */
static enum status group_change(const struct cli *cli, int argc, char **argv, const char *method,
				const char *usage)
{
	enum status status = check_words(argc, argv, 1, 1000, usage);

	return status ? status : rules_change(cli, method, "group", argc, argv);
}

static enum status group_add(const struct cli *cli, int argc, char **argv)
{
	return group_change(cli, argc, argv, "group.add", "group add [bridge NAME] GROUP");
}

static enum status group_mod(const struct cli *cli, int argc, char **argv)
{
	return group_change(cli, argc, argv, "group.mod", "group mod [bridge NAME] GROUP");
}

static enum status group_insert(const struct cli *cli, int argc, char **argv)
{
	return group_change(cli, argc, argv, "group.insert", "group insert [bridge NAME] GROUP");
}

static enum status group_del(const struct cli *cli, int argc, char **argv)
{
	return group_change(cli, argc, argv, "group.del", "group del [bridge NAME] ID | all");
}

static enum status group_remove(const struct cli *cli, int argc, char **argv)
{
	enum status status = check_words(
		argc, argv, 3, 5, "group remove [bridge NAME] ID bucket NUMBER|first|last|all");
	json_t *params;

	if (status)
		return status;
	params = rules_params(&argc, &argv);
	if (!params)
		return STATUS_USAGE;
	if (argc != 3 || strcmp(argv[1], "bucket")) {
		json_decref(params);
		return fail(STATUS_USAGE, "which bucket? vireo group remove [bridge NAME] ID "
					  "bucket NUMBER|first|last|all");
	}
	if (!add_pair(params, "group", argv[0]) || !add_pair(params, "bucket", argv[2])) {
		json_decref(params);
		return STATUS_USAGE;
	}
	return client_call(cli, "group.remove", params, NULL);
}

/* Lists what there is of @what, "group" or "meter", after counts are exact. */
static enum status get_list(const struct cli *cli, const char *what, int argc, char **argv,
			    json_t **out)
{
	char usage[64], method[32], name[32];
	enum status status;
	json_t *params;

	snprintf(usage, sizeof(usage), "%s show [bridge NAME]", what);
	snprintf(method, sizeof(method), "%s.show", what);
	snprintf(name, sizeof(name), "%ss", what);
	status = check_words(argc, argv, 0, 2, usage);
	if (status)
		return status;
	params = rules_params(&argc, &argv);
	if (!params)
		return STATUS_USAGE;
	if (argc)
		status =
			fail(STATUS_USAGE, "\"%s\" is one word too many: vireo %s", argv[0], usage);
	if (!status)
		status = client_call(cli, "flow.settle", json_deep_copy(params), NULL);
	if (!status)
		status = rules_list(cli, method, name, params, out);
	json_decref(params);
	return status;
}

static void print_group(const json_t *group)
{
	static const char *const columns[] = { "bucket",  "weight", "watch_port", "watch_group",
					       "packets", "bytes",  "actions",	  NULL };

	printf("group %lld, %s: %lld packets, %lld bytes\n", (long long)number(group, "group"),
	       json_string_value(json_object_get(group, "type")) ?: "",
	       (long long)number(group, "packets"), (long long)number(group, "bytes"));
	print_table(json_object_get(group, "buckets"), columns, false, 2);
}

static enum status group_show(const struct cli *cli, int argc, char **argv)
{
	json_t *groups = NULL;
	const json_t *group;
	size_t i;
	enum status status = get_list(cli, "group", argc, argv, &groups);

	if (status)
		return status;
	if (cli->json)
		print_json(groups);
	else
		json_array_foreach (groups, i, group)
			print_group(group);
	json_decref(groups);
	return STATUS_OK;
}

/* Meters. */

static enum status meter_change(const struct cli *cli, int argc, char **argv, const char *method,
				const char *usage)
{
	enum status status = check_words(argc, argv, 1, 1000, usage);

	return status ? status : rules_change(cli, method, "meter", argc, argv);
}

static enum status meter_add(const struct cli *cli, int argc, char **argv)
{
	return meter_change(cli, argc, argv, "meter.add", "meter add [bridge NAME] METER");
}

static enum status meter_mod(const struct cli *cli, int argc, char **argv)
{
	return meter_change(cli, argc, argv, "meter.mod", "meter mod [bridge NAME] METER");
}

static enum status meter_del(const struct cli *cli, int argc, char **argv)
{
	return meter_change(cli, argc, argv, "meter.del", "meter del [bridge NAME] ID | all");
}

static void print_meter(const json_t *meter)
{
	static const char *const columns[] = { "band", "rate", "burst", "packets", "bytes", NULL };

	printf("meter %lld, in %s: %lld packets, %lld bytes\n", (long long)number(meter, "meter"),
	       json_string_value(json_object_get(meter, "unit")) ?: "",
	       (long long)number(meter, "packets"), (long long)number(meter, "bytes"));
	print_table(json_object_get(meter, "bands"), columns, false, 2);
}

static enum status meter_show(const struct cli *cli, int argc, char **argv)
{
	json_t *meters = NULL;
	const json_t *meter;
	size_t i;
	enum status status = get_list(cli, "meter", argc, argv, &meters);

	if (status)
		return status;
	if (cli->json)
		print_json(meters);
	else
		json_array_foreach (meters, i, meter)
			print_meter(meter);
	json_decref(meters);
	return STATUS_OK;
}

static const char *const bridge_option[] = { "bridge", NULL };

static const struct verb group_verbs[] = {
	{ .name = "show",
	  .args = "[bridge NAME]",
	  .help = "list groups, their buckets and what went through them",
	  .run = group_show,
	  .own_options = bridge_option },
	{ .name = "add",
	  .args = "[bridge NAME] GROUP",
	  .help = "add a group, like group_id=1,type=select,bucket=vm1,bucket=vm2",
	  .run = group_add,
	  .own_options = bridge_option },
	{ .name = "mod",
	  .args = "[bridge NAME] GROUP",
	  .help = "give a group another type and other buckets",
	  .run = group_mod,
	  .own_options = bridge_option },
	{ .name = "insert",
	  .args = "[bridge NAME] GROUP",
	  .help = "add buckets; command_bucket_id=first, =last or =NUMBER tells behind which",
	  .run = group_insert,
	  .own_options = bridge_option },
	{ .name = "remove",
	  .args = "[bridge NAME] ID bucket NUMBER|first|last|all",
	  .help = "remove a bucket",
	  .run = group_remove,
	  .own_options = bridge_option },
	{ .name = "del",
	  .args = "[bridge NAME] ID | all",
	  .help = "remove a group, and the rules that use it",
	  .run = group_del,
	  .own_options = bridge_option },
	{ .name = NULL },
};

static const struct verb meter_verbs[] = {
	{ .name = "show",
	  .args = "[bridge NAME]",
	  .help = "list meters, and what was over their limits",
	  .run = meter_show,
	  .own_options = bridge_option },
	{ .name = "add",
	  .args = "[bridge NAME] METER",
	  .help = "add a meter, like meter=1,pktps,bands=type=drop,rate=1000",
	  .run = meter_add,
	  .own_options = bridge_option },
	{ .name = "mod",
	  .args = "[bridge NAME] METER",
	  .help = "give a meter other bands",
	  .run = meter_mod,
	  .own_options = bridge_option },
	{ .name = "del",
	  .args = "[bridge NAME] ID | all",
	  .help = "remove a meter, and the rules that use it",
	  .run = meter_del,
	  .own_options = bridge_option },
	{ .name = NULL },
};

const struct object group_object = { "group", "groups that rules send packets to (OpenFlow)",
				     group_verbs };
const struct object meter_object = { "meter", "limits that rules put on packets (OpenFlow)",
				     meter_verbs };
