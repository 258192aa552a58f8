/* SPDX-License-Identifier: Apache-2.0 */
/* A switch that only notes what is asked of it: takes the place of src/switch for tests and fuzzers
 * of what stands above it. Included by one file of a program, and defines switch.h's functions.
 */
#pragma once

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "switch/flows_text.h"
#include "switch/switch.h"

/* The last call: "port_add {...}"; what it shall return; and the "fd" it saw is that of a file. */
static char stub_call[4096];
static int stub_return;
static bool stub_fd_open;
static json_t *stub_config; /* what switch_config() gives; NULL: nothing */

/* Notes the call; returns what it shall. */
static int stub_note(const char *name, const json_t *params, struct error *err)
{
	char *text = json_dumps(params, JSON_SORT_KEYS | JSON_ENCODE_ANY);
	struct stat st;

	snprintf(stub_call, sizeof(stub_call), "%s %s", name, text ? text : "-");
	free(text);
	stub_fd_open = json_object_get(params, "fd") &&
		       !fstat((int)json_integer_value(json_object_get(params, "fd")), &st);
	return stub_return ? error_set(err, stub_return, "refused") : 0;
}

/* The same for what shows something: an array of one object. */
static json_t *stub_show(const char *name, const char *filter, struct error *err)
{
	snprintf(stub_call, sizeof(stub_call), "%s %s", name, filter ? filter : "-");
	if (!stub_return)
		return json_pack("[{s:s}]", "name", "a");
	error_set(err, 0, "refused");
	return NULL;
}

/* Each defines one function of switch.h. */
#define STUB_CHANGE(name)                                                            \
	int switch_##name(struct swtch *sw, const json_t *params, struct error *err) \
	{                                                                            \
		return stub_note(#name, params, err);                                \
	}
/* ... that takes a name */
#define STUB_DEL(name)                                                            \
	int switch_##name(struct swtch *sw, const char *which, struct error *err) \
	{                                                                         \
		json_t *text = json_string(which);                                \
		int ret = stub_note(#name, text, err);                            \
                                                                                  \
		json_decref(text);                                                \
		return ret;                                                       \
	}
/* ... that shows */
#define STUB_SHOW(name)                                                               \
	json_t *switch_##name(struct swtch *sw, const char *which, struct error *err) \
	{                                                                             \
		return stub_show(#name, which, err);                                  \
	}

STUB_CHANGE(bridge_add)
STUB_CHANGE(bridge_set)
STUB_CHANGE(port_add)
STUB_CHANGE(port_set)
STUB_CHANGE(mac_add)
STUB_CHANGE(mac_del)
STUB_CHANGE(mac_flush)
STUB_CHANGE(worker_set)
STUB_DEL(bridge_del)
STUB_DEL(port_del)
STUB_SHOW(bridge_show)
STUB_SHOW(port_show)
STUB_SHOW(mac_show)

/* As in switch.h. */
json_t *switch_port_later(const struct swtch *sw, const json_t *params)
{
	return json_pack("[s]", "offload-tso");
}

/* As in switch.h. */
json_t *switch_worker_show(struct swtch *sw)
{
	return stub_show("worker_show", NULL, NULL);
}

/* As in switch.h. */
json_t *switch_stats_show(struct swtch *sw)
{
	return json_pack("{s:i}", "ports", 1);
}

/* As in switch.h. */
json_t *switch_describe(void)
{
	return json_pack("{s:[]}", "bridge");
}

/* As in switch.h. */
json_t *switch_config(const struct swtch *sw)
{
	return stub_config ? json_deep_copy(stub_config) : json_object();
}

/* As in switch.h. */
int switch_config_check(const json_t *config, struct error *err)
{
	return stub_note("config_check", config, err);
}

/* As in switch.h. */
int switch_config_apply(struct swtch *sw, const json_t *config, struct error *err)
{
	return stub_note("config_apply", config, err);
}

/* As in switch.h. */
int switch_config_result(const struct swtch *sw, struct error *err)
{
	return stub_note("config_result", NULL, err);
}

/* Rules: there is no bridge that has any. The functions are as in flows.h and flows_text.h. */

struct flows *switch_flows(struct swtch *sw, const char *bridge)
{
	return NULL;
}

const struct pipeline *flows_pipeline(const struct flows *flows)
{
	return NULL;
}

int flows_change(struct flows *flows, enum flow_command command, char *text, struct error *err)
{
	return -ENOENT;
}

int flows_replace(struct flows *flows, char *text, size_t *n_changed, struct error *err)
{
	return -ENOENT;
}

void flows_each(struct flows *flows, const struct flow_filter *filter,
		bool (*fn)(void *arg, const struct rule *rule), void *arg)
{
}

int flows_parse_filter(const struct flows *flows, const char *text, struct flow_filter *out,
		       struct error *err)
{
	return -ENOENT;
}

int flows_parse_packet(const struct flows *flows, const char *text, struct flow_key *out,
		       struct error *err)
{
	return -ENOENT;
}

char *flows_number_ports(const struct flows *flows, const char *text)
{
	return NULL;
}

enum of_error flows_group_mod(struct flows *flows, enum group_command command, uint32_t id,
			      struct group *group, uint32_t bucket, struct error *err)
{
	return OFERR_GROUP_UNKNOWN;
}

enum of_error flows_meter_mod(struct flows *flows, enum meter_command command, uint32_t id,
			      struct meter *meter, struct error *err)
{
	return OFERR_METER_UNKNOWN;
}

json_t *flows_show_rule(const struct rule *rule)
{
	return NULL;
}

json_t *flows_show_group(const struct group *group)
{
	return NULL;
}

json_t *flows_show_meter(const struct meter *meter)
{
	return NULL;
}

json_t *flows_trace(struct flows *flows, const struct traced *packet, struct error *err)
{
	return NULL;
}

int switch_trace_live(struct swtch *sw, const struct live_request *request, int fd,
		      struct error *err)
{
	return error_set(err, -ENOENT, "no port");
}

void switch_count(struct swtch *sw, struct flows *flows)
{
}

json_t *switch_cache_show(struct swtch *sw)
{
	return json_array();
}
