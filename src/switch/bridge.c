// SPDX-License-Identifier: Apache-2.0
/* Bridges and their MAC tables. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limit.h"
#include "switch/private.h"

#define BRIDGES_MAX 1024
#define ADDRESSES_MAX (4 * MAC_TABLE_SIZE_MAX) /* 128 MiB */

LIMIT(bridge_limit, "bridges", BRIDGES_MAX, "of the switch");
LIMIT(address_limit, "mac_addresses", ADDRESSES_MAX,
      "that the tables of all bridges have room for");

struct sw_bridge *switch_find_bridge(const struct swtch *sw, const char *name)
{
	struct sw_bridge *b = sw->bridges;

	while (b && strcmp(b->name, name))
		b = b->next;
	return b;
}

static int no_such_bridge(const struct swtch *sw, const char *name, struct error *err)
{
	const char *words[64], *near;
	size_t n = 0;

	for (const struct sw_bridge *b = sw->bridges; b && n < ARRAY_SIZE(words); b = b->next)
		words[n++] = b->name;
	near = nearest_word(name, words, n);
	return error_set(err, -ENOENT,
			 near ? "no bridge \"%s\": did you mean \"%s\"?" : "no bridge \"%s\"", name,
			 near);
}

/* Takes "name" out of a copy of @params. */
static int take_name(const json_t *params, json_t **options, char *name, struct error *err)
{
	const char *given = json_string_value(json_object_get(params, "name"));
	int r;

	if (!given)
		return error_set(err, -EINVAL, "which bridge? give its name");
	r = port_name_check(given, err);
	if (r < 0)
		return r;
	snprintf(name, PORT_NAME_MAX + 1, "%s", given);
	*options = json_deep_copy(params);
	json_object_del(*options, "name");
	return 0;
}

/* The same, and checks the rest, which is all that a bridge is to be. */
static int take_params(const json_t *params, json_t **options, char *name, struct error *err)
{
	int r = take_name(params, options, name, err);

	if (r < 0)
		return r;
	r = options_check(switch_bridge_tables(), *options, true, err);
	if (r < 0)
		json_decref(*options);
	return r;
}

static unsigned table_size(const json_t *options)
{
	return (unsigned)option_uint(options, "mac-table-size", MAC_TABLE_SIZE_DEFAULT);
}

/* What the entries of a bridge are held under: those of another version are not found. */
static void macs_key(const struct sw_bridge *b, char key[KEEP_KEY_MAX])
{
	snprintf(key, KEEP_KEY_MAX, "macs/%u/%s", MAC_KEPT_VERSION, b->name);
}

/* 0, or -errno and a text. */
static int make_macs(struct swtch *sw, const struct sw_bridge *b, unsigned size,
		     struct mac_table **out, struct error *err)
{
	char key[KEEP_KEY_MAX];

	if (!limit_take(&address_limit, size))
		return error_set(err, -ENOSPC,
				 "the MAC tables of all bridges would have room for more than %u "
				 "addresses: choose a smaller mac-table-size",
				 ADDRESSES_MAX);
	macs_key(b, key);
	*out = mac_table_create_kept(size, sw->env.keep, key);
	if (*out)
		return 0;
	limit_give(&address_limit, size);
	return error_set(err, -ENOMEM, "out of memory");
}

/* No worker uses it. NULL is fine. */
static void free_macs(void *arg)
{
	struct mac_table *macs = arg;

	if (macs)
		limit_give(&address_limit, mac_table_most(macs));
	mac_table_destroy(macs);
}

/* Of what counts packets that come by no port. */
static size_t nowhere_size(const struct swtch *sw)
{
	size_t size = sizeof(struct view_port_state) +
		      datapath_n_workers(sw->dp) * sizeof(struct port_counters);

	return (size + CACHE_LINE - 1) & ~(size_t)(CACHE_LINE - 1);
}

int switch_bridge_add(struct swtch *sw, const json_t *params, struct error *err)
{
	struct sw_bridge *b, **last = &sw->bridges;
	int r;

	if (!limit_take(&bridge_limit, 1))
		return error_set(err, -ENOSPC, "no more than %u bridges", BRIDGES_MAX);
	b = calloc(1, sizeof(*b));
	if (!b) {
		limit_give(&bridge_limit, 1);
		return error_set(err, -ENOMEM, "out of memory");
	}
	r = take_params(params, &b->options, b->name, err);
	if (r < 0) {
		b->options = NULL;
		goto fail;
	}
	if (switch_find_bridge(sw, b->name)) {
		r = error_set(err, -EEXIST, "there is a bridge \"%s\" already", b->name);
		goto fail;
	}
	b->aging = (uint32_t)option_uint(b->options, "mac-aging-time", MAC_AGING_DEFAULT);
	b->nowhere = aligned_alloc(CACHE_LINE, nowhere_size(sw));
	if (!b->nowhere) {
		r = error_set(err, -ENOMEM, "out of memory");
		goto fail;
	}
	memset(b->nowhere, 0, nowhere_size(sw));
	r = make_macs(sw, b, table_size(b->options), &b->macs, err);
	if (r < 0)
		goto fail;
	b->flows = flows_create(sw, b->name, b->options, err);
	if (!b->flows) {
		r = -ENOMEM;
		goto fail;
	}
	b->rules = flows_rules(b->flows);
	b->listened = flows_listened(b->flows);
	while (*last)
		last = &(*last)->next;
	*last = b;
	if (sw->on_bridge)
		sw->on_bridge(sw->on_bridge_arg, b->flows);
	return 0;
fail:
	bridge_free(b);
	return r;
}

void bridge_free(struct sw_bridge *b)
{
	json_decref(b->options);
	flows_destroy(b->flows);
	free_macs(b->macs);
	free(b->nowhere);
	free(b);
	limit_give(&bridge_limit, 1);
}

/* Workers of an older view may still use its MAC table. */
static void free_unlinked(void *arg)
{
	bridge_free(arg);
}

int switch_bridge_del(struct swtch *sw, const char *name, struct error *err)
{
	struct sw_bridge *b = switch_find_bridge(sw, name), **at = &sw->bridges;
	char key[KEEP_KEY_MAX];

	if (!b)
		return no_such_bridge(sw, name, err);
	if (!strcmp(name, SWITCH_DEFAULT_BRIDGE))
		return error_set(err, -EBUSY,
				 "bridge \"%s\" is always there: ports that name no bridge belong "
				 "to it",
				 name);
	for (const struct sw_port *p = sw->ports; p; p = p->next)
		if (p->bridge == b)
			return error_set(
				err, -EBUSY,
				"bridge \"%s\" has ports (\"%s\" is one): delete them first", name,
				p->name);
	while (*at != b)
		at = &(*at)->next;
	*at = b->next;
	macs_key(b, key);
	keep_release(sw->env.keep, key);
	flows_close(b->flows);
	flows_release(b->flows);
	switch_publish(sw);
	datapath_settle(sw->dp, &b->waiter, free_unlinked, b);
	return 0;
}

/* Takes the reference to @options. */
static void set_options(struct sw_bridge *b, json_t *options)
{
	json_decref(b->options);
	b->options = options;
	b->aging = (uint32_t)option_uint(b->options, "mac-aging-time", MAC_AGING_DEFAULT);
}

int switch_bridge_set(struct swtch *sw, const json_t *params, struct error *err)
{
	char name[PORT_NAME_MAX + 1];
	struct sw_bridge *b;
	json_t *wanted = NULL, *merged, *changes;
	int r = take_name(params, &wanted, name, err);

	if (r < 0)
		return r;
	b = switch_find_bridge(sw, name);
	r = b ? options_merge(switch_bridge_tables(), b->options, wanted, &merged, &changes, err)
	      : no_such_bridge(sw, name, err);
	json_decref(wanted);
	if (r < 0)
		return r;
	json_decref(changes);
	set_options(b, merged);
	return 0;
}

/* Another table, for a bridge that has no ports and therefore is in no view. */
static int change_table(struct swtch *sw, struct sw_bridge *b, unsigned size, struct error *err)
{
	struct mac_table *macs = NULL;
	int r;

	for (const struct sw_port *p = sw->ports; p; p = p->next)
		if (p->bridge == b)
			return error_set(
				err, -EBUSY,
				"mac-table-size cannot be changed while the bridge has ports (\"%s\" is one)",
				p->name);
	r = make_macs(sw, b, size, &macs, err);
	if (r < 0)
		return r;
	/* a worker may still be using an older view */
	datapath_quiesce(sw->dp, free_macs, b->macs);
	b->macs = macs;
	return 0;
}

int switch_bridge_apply(struct swtch *sw, const json_t *params, struct error *err)
{
	char name[PORT_NAME_MAX + 1];
	struct sw_bridge *b;
	json_t *options = NULL;
	int r = take_params(params, &options, name, err);

	if (r < 0)
		return r;
	b = switch_find_bridge(sw, name);
	if (!b) {
		json_decref(options);
		return no_such_bridge(sw, name, err);
	}
	if (table_size(b->options) != table_size(options))
		r = change_table(sw, b, table_size(options), err);
	if (r == 0) {
		set_options(b, options);
		switch_wake_up(sw); /* addresses may be too old now */
	} else {
		json_decref(options);
	}
	return r;
}

unsigned switch_mac_limit(const struct sw_port *p)
{
	return p->settings.mac_limit ?: max(mac_table_most(p->bridge->macs) / 2, 1u);
}

static json_t *describe_bridge(const struct swtch *sw, const struct sw_bridge *b)
{
	json_t *ports = json_array();

	for (const struct sw_port *p = sw->ports; p; p = p->next)
		if (p->bridge == b && !p->removing)
			json_array_append_new(ports, json_string(p->name));
	return json_pack("{s:s, s:o, s:O, s:I, s:I, s:I, s:I}", "name", b->name, "ports", ports,
			 "options", b->options, "mac_aging_time", (json_int_t)b->aging, "macs",
			 (json_int_t)mac_table_count(b->macs, MAC_NO_PORT), "mac_moves",
			 (json_int_t)mac_table_moves(b->macs), "macs_refused",
			 (json_int_t)mac_table_refused(b->macs));
}

json_t *switch_bridge_show(struct swtch *sw, const char *name, struct error *err)
{
	json_t *list;

	if (name && !switch_find_bridge(sw, name)) {
		no_such_bridge(sw, name, err);
		return NULL;
	}
	list = json_array();
	for (const struct sw_bridge *b = sw->bridges; b; b = b->next)
		if (!name || !strcmp(b->name, name))
			json_array_append_new(list, describe_bridge(sw, b));
	return list;
}

static uint32_t now_seconds(void)
{
	return (uint32_t)(clock_ns() / NSEC_PER_SEC);
}

void switch_age_macs(struct swtch *sw)
{
	for (const struct sw_bridge *b = sw->bridges; b; b = b->next)
		mac_table_age(b->macs, now_seconds(), b->aging);
}

static json_t *check_mac(const char *text, struct error *err)
{
	char canonical[MAC_TEXT_LEN];
	mac_t mac;

	if (mac_parse(text, &mac) && !mac_is_multicast(mac))
		return json_string(mac_format(mac, canonical));
	error_set(err, -EINVAL, "\"%s\" is no unicast MAC address: write it like 02:00:00:00:00:01",
		  text);
	return NULL;
}

static const struct option mac_options[] = {
	{ .name = "mac", .type = OPTION_CUSTOM, .flags = OPTION_REQUIRED, .check = check_mac },
	{ .name = "vlan", .type = OPTION_UINT, .max = VLAN_VID_MAX },
	{ .name = "port", .type = OPTION_STRING },
	{ .name = "bridge", .type = OPTION_STRING },
	{ 0 },
};

static const struct option *const mac_tables[] = { mac_options, NULL };

/* Checks {"mac", "vlan", ...}; a new reference, or NULL and a text. */
static json_t *mac_params(const json_t *params, mac_t *mac, uint16_t *vid, struct error *err)
{
	json_t *checked = json_deep_copy(params);

	if (options_check(mac_tables, checked, true, err) < 0) {
		json_decref(checked);
		return NULL;
	}
	mac_parse(option_string(checked, "mac", ""), mac);
	*vid = (uint16_t)option_uint(checked, "vlan", 0);
	return checked;
}

json_t *switch_mac_canonical(const json_t *params, struct error *err)
{
	json_t *checked, *out;
	const char *port;
	uint16_t vid;
	mac_t mac;

	checked = mac_params(params, &mac, &vid, err);
	if (!checked)
		return NULL;
	port = option_string(checked, "port", NULL);
	if (port)
		out = json_pack("{s:s, s:i, s:s}", "mac", option_string(checked, "mac", ""), "vlan",
				vid, "port", port);
	else
		out = NULL;
	if (!out)
		error_set(err, -EINVAL, "on which port? add \"port NAME\"");
	json_decref(checked);
	return out;
}

int switch_mac_add(struct swtch *sw, const json_t *params, struct error *err)
{
	struct sw_port *p;
	const char *name;
	json_t *checked;
	uint16_t vid;
	mac_t mac;
	int r;

	checked = mac_params(params, &mac, &vid, err);
	if (!checked)
		return -EINVAL;
	name = option_string(checked, "port", NULL);
	p = name ? switch_find_port(sw, name) : NULL;
	if (!name) {
		r = error_set(err, -EINVAL, "on which port? add \"port NAME\"");
	} else if (!p || p->removing) {
		r = switch_no_such_port(sw, name, err);
	} else {
		r = mac_table_add_static(p->bridge->macs, mac, vid, p->id);
		if (r < 0)
			error_set(err, r, "bridge \"%s\" has no room for this static address",
				  p->bridge->name);
	}
	json_decref(checked);
	return r;
}

int switch_mac_del(struct swtch *sw, const json_t *params, struct error *err)
{
	struct sw_bridge *b;
	const char *name;
	json_t *checked;
	uint16_t vid;
	mac_t mac;
	int r = 0;

	checked = mac_params(params, &mac, &vid, err);
	if (!checked)
		return -EINVAL;
	name = option_string(checked, "bridge", SWITCH_DEFAULT_BRIDGE);
	b = switch_find_bridge(sw, name);
	if (!b)
		r = no_such_bridge(sw, name, err);
	else if (!mac_table_remove(b->macs, mac, vid))
		r = error_set(err, -ENOENT, "bridge \"%s\" has no address %s on VLAN %u", name,
			      option_string(checked, "mac", ""), vid);
	json_decref(checked);
	return r;
}

static int flush(struct swtch *sw, const json_t *filter, struct error *err)
{
	const char *bridge = option_string(filter, "bridge", NULL);
	const char *port = option_string(filter, "port", NULL);
	uint32_t id = MAC_NO_PORT;

	if (bridge && !switch_find_bridge(sw, bridge))
		return no_such_bridge(sw, bridge, err);
	if (port) {
		const struct sw_port *p = switch_find_port(sw, port);

		if (!p)
			return switch_no_such_port(sw, port, err);
		id = p->id;
	}
	for (const struct sw_bridge *b = sw->bridges; b; b = b->next)
		if (!bridge || !strcmp(b->name, bridge))
			mac_table_flush(b->macs, id, false);
	return 0;
}

int switch_mac_flush(struct swtch *sw, const json_t *params, struct error *err)
{
	static const struct option table[] = {
		{ .name = "bridge", .type = OPTION_STRING },
		{ .name = "port", .type = OPTION_STRING },
		{ 0 },
	};
	static const struct option *const tables[] = { table, NULL };
	json_t *filter = json_deep_copy(params);
	/* a filter that is misspelt would flush everything */
	int r = options_check(tables, filter, true, err);

	if (r == 0)
		r = flush(sw, filter, err);
	json_decref(filter);
	return r;
}

struct mac_list {
	const struct swtch *sw;
	const char *bridge;
	json_t *list;
};

static void list_mac(const struct mac_entry *entry, void *arg)
{
	struct mac_list *l = arg;
	const struct sw_port *p = switch_port_by_id(l->sw, entry->port);
	char text[MAC_TEXT_LEN];

	if (p)
		json_array_append_new(l->list, json_pack("{s:s, s:i, s:s, s:s, s:I, s:b}", "bridge",
							 l->bridge, "vlan", entry->vid, "mac",
							 mac_format(entry->mac, text), "port",
							 p->name, "age", (json_int_t)entry->age,
							 "static", entry->is_static));
}

json_t *switch_mac_show(struct swtch *sw, const char *bridge, struct error *err)
{
	struct mac_list l = { .sw = sw };

	if (bridge && !switch_find_bridge(sw, bridge)) {
		no_such_bridge(sw, bridge, err);
		return NULL;
	}
	l.list = json_array();
	for (const struct sw_bridge *b = sw->bridges; b; b = b->next) {
		if (bridge && strcmp(b->name, bridge))
			continue;
		l.bridge = b->name;
		mac_table_each(b->macs, now_seconds(), list_mac, &l);
	}
	return l.list;
}
