// SPDX-License-Identifier: Apache-2.0
/* Desired configuration -> running switch: check the whole, compute the difference, delete, add,
 * set. */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "switch/private.h"

LOG_MODULE("switch");

static json_t *member(const json_t *config, const char *name)
{
	return json_object_get(config, name);
}

/* @options with "name": what the functions of switch.h take. */
static json_t *params_of(const char *name, const json_t *options)
{
	json_t *params = json_deep_copy(options);

	json_object_set_new(params, "name", json_string(name));
	return params;
}

static void export_mac(const struct mac_entry *entry, void *arg)
{
	json_t **pair = arg; /* list, and the switch's ports by id */
	char text[MAC_TEXT_LEN], id[16];
	json_t *o;

	if (!entry->is_static)
		return;
	snprintf(id, sizeof(id), "%u", entry->port);
	if (!json_object_get(pair[1], id))
		return;
	o = json_pack("{s:s, s:O}", "mac", mac_format(entry->mac, text), "port",
		      json_object_get(pair[1], id));
	if (entry->vid)
		json_object_set_new(o, "vlan", json_integer(entry->vid));
	json_array_append_new(pair[0], o);
}

static json_t *export_macs(const struct swtch *sw)
{
	json_t *pair[2] = { json_array(), json_object() };

	for (const struct sw_port *p = sw->ports; p; p = p->next) {
		char id[16];

		snprintf(id, sizeof(id), "%u", p->id);
		json_object_set_new(pair[1], id, json_string(p->name));
	}
	for (const struct sw_bridge *b = sw->bridges; b; b = b->next)
		mac_table_each(b->macs, 0, export_mac, pair);
	json_decref(pair[1]);
	return pair[0];
}

static json_t *export_workers(const struct swtch *sw)
{
	json_t *list = json_array();

	if (datapath_poll_always(sw->dp))
		json_array_append_new(list, json_pack("{s:s}", "poll", "always"));
	if (sw->keep_queues)
		json_array_append_new(list, json_pack("{s:b}", "rebalance", false));
	for (const struct sw_port *p = sw->ports; p; p = p->next)
		for (int q = 0; q < PORT_QUEUES_MAX; q++)
			if (p->pinned[q] && !p->removing)
				json_array_append_new(list, json_pack("{s:s, s:i, s:i}", "port",
								      p->name, "queue", q, "worker",
								      p->target[q]));
	return list;
}

json_t *switch_config(const struct swtch *sw)
{
	json_t *bridges = json_object(), *ports = json_object();

	for (const struct sw_bridge *b = sw->bridges; b; b = b->next)
		json_object_set_new(bridges, b->name, json_deep_copy(b->options));
	for (const struct sw_port *p = sw->ports; p; p = p->next) {
		json_t *options;

		if (p->removing)
			continue;
		options = json_deep_copy(p->options);
		if (!strcmp(option_string(options, "bridge", ""), SWITCH_DEFAULT_BRIDGE))
			json_object_del(options, "bridge");
		json_object_set_new(ports, p->name, options);
	}
	return json_pack("{s:o, s:o, s:o, s:o}", "bridges", bridges, "ports", ports, "macs",
			 export_macs(sw), "workers", export_workers(sw));
}

static int check_bridges(const json_t *config, struct error *err)
{
	const char *name;
	json_t *options;

	json_object_foreach (member(config, "bridges"), name, options) {
		json_t *copy = json_deep_copy(options);
		int r = port_name_check(name, err);

		if (r == 0)
			r = options_check(switch_bridge_tables(), copy, true, err);
		json_decref(copy);
		if (r < 0) {
			error_prefix(err, "bridge %s", name);
			return r;
		}
	}
	return 0;
}

static int check_port(const json_t *config, const char *name, const json_t *params,
		      struct error *err)
{
	struct port_settings settings;
	const struct port_ops *kind;
	const char *bridge;
	json_t *options = NULL;
	int r = port_name_check(name, err);

	if (r == 0 && json_object_get(params, "fd"))
		r = error_set(err, -EINVAL, "unknown option \"fd\": a file has no open files");
	if (r == 0)
		r = port_canonical(params, &options, &kind, &settings, err);
	if (r < 0)
		return r;
	bridge = option_string(options, "bridge", "");
	if (strcmp(bridge, SWITCH_DEFAULT_BRIDGE) &&
	    !json_object_get(member(config, "bridges"), bridge))
		r = error_set(err, -ENOENT, "no bridge \"%s\" in the configuration", bridge);
	settings_free(&settings);
	json_decref(options);
	return r;
}

/* Whether @entry, of a list whose entries concern ports, names one that is configured. */
static int check_port_of(const json_t *config, const json_t *entry, struct error *err)
{
	const char *port = option_string(entry, "port", NULL);

	if (!port || json_object_get(member(config, "ports"), port))
		return 0;
	return error_set(err, -ENOENT, "no port \"%s\" in the configuration", port);
}

static int check_list(const json_t *config, const char *list, const char *object,
		      json_t *(*canonical)(const json_t *params, struct error *err),
		      struct error *err)
{
	json_t *entry;
	size_t i;

	json_array_foreach (member(config, list), i, entry) {
		json_t *checked = canonical(entry, err);
		int r = checked ? check_port_of(config, checked, err) : -EINVAL;

		json_decref(checked);
		if (r < 0) {
			error_prefix(err, "%s", object);
			return r;
		}
	}
	return 0;
}

static int check_ports(const json_t *config, struct error *err)
{
	const char *name;
	json_t *options;
	int r;

	json_object_foreach (member(config, "ports"), name, options) {
		r = check_port(config, name, options, err);
		if (r < 0) {
			error_prefix(err, "port %s", name);
			return r;
		}
	}
	return 0;
}

int switch_config_check(const json_t *config, struct error *err)
{
	int r = check_bridges(config, err);

	if (r == 0)
		r = check_ports(config, err);
	if (r == 0)
		r = check_list(config, "macs", "mac", switch_mac_canonical, err);
	if (r == 0)
		r = check_list(config, "workers", "worker", switch_worker_canonical, err);
	return r;
}

/* Whether two canonical sets of options differ in one that cannot be changed on a living port. */
static bool must_be_remade(const json_t *has, const json_t *wants, const struct port_ops *kind)
{
	const struct option *const *tables = switch_port_tables(kind);

	for (; *tables; tables++)
		for (const struct option *o = *tables; o->name; o++) {
			json_t *a = json_object_get(has, o->name);
			json_t *b = json_object_get(wants, o->name);

			if (o->flags & OPTION_FIXED && a != b && !(a && b && json_equal(a, b)))
				return true;
		}
	return false;
}

/* Canonical options of @p in @config (a new reference), or NULL when it is not there as such a
 * port. */
static json_t *wanted_options(const struct sw_port *p, const json_t *config)
{
	const json_t *params = json_object_get(member(config, "ports"), p->name);
	struct port_settings settings;
	const struct port_ops *kind;
	json_t *options;

	if (!params || port_canonical(params, &options, &kind, &settings, NULL) < 0)
		return NULL;
	settings_free(&settings);
	if (kind == p->port->ops && !must_be_remade(p->options, options, kind))
		return options;
	json_decref(options);
	return NULL;
}

/* Remembers the first thing that went wrong. */
static void note(struct swtch *sw, int r, struct error *err, const char *what)
{
	if (r >= 0)
		return;
	error_prefix(err, "%s", what);
	log_error("configuration: %s", err->text);
	if (sw->apply_result == 0) {
		sw->apply_result = r;
		sw->apply_error = *err;
	}
}

static void apply_bridge(struct swtch *sw, const char *name, const json_t *options)
{
	json_t *params = params_of(name, options);
	struct error err;

	if (!switch_find_bridge(sw, name))
		note(sw, switch_bridge_add(sw, params, &err), &err, name);
	else
		note(sw, switch_bridge_apply(sw, params, &err), &err, name);
	json_decref(params);
}

static void apply_bridges(struct swtch *sw, const json_t *config)
{
	const json_t *bridges = member(config, "bridges");
	const char *name;
	json_t *options;

	json_object_foreach ((json_t *)bridges, name, options)
		apply_bridge(sw, name, options);
	/* the default one is always there, with its defaults when nothing is said of it */
	if (json_object_get(bridges, SWITCH_DEFAULT_BRIDGE))
		return;
	options = json_object();
	apply_bridge(sw, SWITCH_DEFAULT_BRIDGE, options);
	json_decref(options);
}

static void remove_bridges(struct swtch *sw, const json_t *config)
{
	struct sw_bridge *b, *next;
	struct error err;

	for (b = sw->bridges; b; b = next) {
		next = b->next;
		if (strcmp(b->name, SWITCH_DEFAULT_BRIDGE) &&
		    !json_object_get(member(config, "bridges"), b->name))
			note(sw, switch_bridge_del(sw, b->name, &err), &err, "bridge");
	}
}

/* What differs, as parameters of switch_port_set(): new values, and "default" for what is no longer
 * there. */
static json_t *difference(const char *name, const json_t *has, const json_t *wants)
{
	json_t *params = json_pack("{s:s}", "name", name), *value;
	const char *key;

	json_object_foreach ((json_t *)wants, key, value)
		if (!json_equal(json_object_get(has, key), value))
			json_object_set(params, key, value);
	json_object_foreach ((json_t *)has, key, value)
		if (!json_object_get(wants, key))
			json_object_set_new(params, key, json_string("default"));
	return params;
}

static void apply_port(struct swtch *sw, const json_t *config, const char *name,
		       const json_t *options)
{
	struct sw_port *p = switch_find_port(sw, name);
	json_t *params, *wants;
	struct error err;

	if (!p) {
		params = params_of(name, options);
		note(sw, switch_port_add(sw, params, &err), &err, name);
	} else {
		wants = wanted_options(p, config);
		params = difference(name, p->options, wants);
		if (json_object_size(params) > 1)
			note(sw, switch_port_set(sw, params, &err), &err, name);
		json_decref(wants);
	}
	json_decref(params);
}

static bool holds(const json_t *list, const json_t *wanted)
{
	json_t *entry;
	size_t i;

	json_array_foreach (list, i, entry) {
		if (json_equal(entry, wanted))
			return true;
	}
	return false;
}

/* The entries of @list in canonical form. A new reference. */
static json_t *canonical_macs(const json_t *list)
{
	json_t *out = json_array(), *entry;
	size_t i;

	json_array_foreach (list, i, entry)
		json_array_append_new(out, switch_mac_canonical(entry, NULL));
	return out;
}

static void remove_mac(struct swtch *sw, const json_t *entry)
{
	const struct sw_port *p = switch_find_port(sw, option_string(entry, "port", ""));
	mac_t mac;

	if (p && mac_parse(option_string(entry, "mac", ""), &mac))
		mac_table_remove(p->bridge->macs, mac, (uint16_t)option_uint(entry, "vlan", 0));
}

static void apply_macs(struct swtch *sw, const json_t *config)
{
	json_t *exported = export_macs(sw), *has = canonical_macs(exported), *entry;
	json_t *wants = canonical_macs(member(config, "macs"));
	struct error err;
	size_t i;

	json_array_foreach (has, i, entry) {
		if (!holds(wants, entry))
			remove_mac(sw, entry);
	}
	json_array_foreach (wants, i, entry) {
		if (!holds(has, entry))
			note(sw, switch_mac_add(sw, entry, &err), &err, "mac");
	}
	json_decref(exported);
	json_decref(wants);
	json_decref(has);
}

static void apply_workers(struct swtch *sw, const json_t *config)
{
	struct error err;
	json_t *entry;
	size_t i;

	datapath_set_poll_always(sw->dp, false);
	sw->keep_queues = false;
	for (struct sw_port *p = sw->ports; p; p = p->next)
		memset(p->pinned, 0, sizeof(p->pinned));
	json_array_foreach (member(config, "workers"), i, entry)
		note(sw, switch_worker_set(sw, entry, &err), &err, "worker");
}

static void finish(struct swtch *sw, const json_t *config)
{
	const char *name;
	json_t *options;

	apply_bridges(sw, config);
	json_object_foreach (member(config, "ports"), name, options)
		apply_port(sw, config, name, options);
	remove_bridges(sw, config);
	apply_macs(sw, config);
	apply_workers(sw, config);
}

int switch_config_apply(struct swtch *sw, const json_t *config, struct error *err)
{
	int r = switch_config_check(config, err);

	if (r < 0)
		return r;
	sw->apply_result = 0;
	for (struct sw_port *p = sw->ports; p; p = p->next) {
		json_t *wants;

		if (p->removing)
			continue;
		wants = wanted_options(p, config);
		if (!wants)
			switch_port_del(sw, p->name, NULL);
		json_decref(wants);
	}
	json_decref(sw->to_apply);
	sw->to_apply = NULL;
	if (sw->n_removing)
		sw->to_apply = json_deep_copy(config);
	else
		finish(sw, config);
	return 0;
}

void switch_config_restore(struct swtch *sw, const json_t *config)
{
	sw->apply_result = 0;
	finish(sw, config);
}

void switch_removal_done(struct swtch *sw)
{
	json_t *config = sw->to_apply;

	sw->to_apply = NULL;
	if (config)
		finish(sw, config);
	json_decref(config);
}

bool switch_settled(const struct swtch *sw)
{
	return !sw->n_removing && !sw->moving && !sw->to_apply && !sw->n_counting;
}

int switch_config_result(const struct swtch *sw, struct error *err)
{
	return sw->apply_result < 0 ? error_set(err, sw->apply_result, "%s", sw->apply_error.text)
				    : 0;
}
