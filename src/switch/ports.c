// SPDX-License-Identifier: Apache-2.0
/* Ports: adding, changing, removing, and what they ask of the switch. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/limit.h"
#include "base/log.h"
#include "packet/build.h"
#include "port/kinds.h"
#include "switch/private.h"

#define HELD_NS_MAX (10 * NSEC_PER_MSEC) /* then workers must see a port released */

LOG_MODULE("switch");
LIMIT(port_limit, "ports", VIEW_PORTS_MAX - 1, "of all bridges");

struct sw_port *switch_find_port(const struct swtch *sw, const char *name)
{
	struct sw_port *p = sw->ports;

	while (p && strcmp(p->name, name))
		p = p->next;
	return p;
}

struct sw_port *switch_port_by_id(const struct swtch *sw, uint32_t id)
{
	struct sw_port *p = sw->ports;

	while (p && p->id != id)
		p = p->next;
	return p;
}

int switch_no_such_port(const struct swtch *sw, const char *name, struct error *err)
{
	const char *words[256], *near;
	size_t n = 0;

	for (const struct sw_port *p = sw->ports; p && n < ARRAY_SIZE(words); p = p->next)
		words[n++] = p->name;
	near = nearest_word(name, words, n);
	return error_set(err, -ENOENT,
			 near ? "no port \"%s\": did you mean \"%s\"?" : "no port \"%s\"", name,
			 near);
}

/* What ports ask of the switch. */

static void quiesced(void *arg)
{
	struct sw_port *p = arg;

	p->asked = false;
	/* a port that is being removed is destroyed next; it changes nothing any more */
	if (!p->removing)
		p->port->ops->quiesced(p->port);
}

/* Until quiesced() nobody receives from the port, and what is sent to it waits. */
static void hold(struct sw_port *p)
{
	p->changing = true;
	if (!p->held_since)
		p->held_since = clock_ns();
	if (p->port) /* else create() has not finished: no view shows it yet */
		switch_publish(p->sw);
	datapath_quiesce(p->sw->dp, quiesced, p);
}

/* Workers have seen the port released. */
static void hold_again(void *arg)
{
	struct sw_port *p = arg;

	p->held_since = 0;
	if (!p->removing && !p->sw->destroying)
		hold(p);
}

static void env_quiesce(struct port *port)
{
	struct sw_port *p = port->owner;

	/* what is being removed is not asked any more: removed() must be the last to be called */
	if (p->asked || p->removing || p->sw->destroying)
		return;
	p->asked = true;
	if (!p->port || !p->held_since || clock_ns() - p->held_since < HELD_NS_MAX) {
		hold(p);
		return;
	}
	/* A front-end that always has one more message would be held for ever, and with it what
	 * waits for other ports behind its packets: those go first. */
	switch_publish(p->sw);
	datapath_quiesce(p->sw->dp, hold_again, p);
}

static void env_changed(struct port *port)
{
	struct sw_port *p = port->owner;

	/* before quiesced(), it is something else that has changed */
	if (!p->asked)
		p->changing = false;
	if (!p->sw->destroying)
		switch_publish_soon(p->sw);
}

static void env_announce(struct port *port, mac_t mac)
{
	struct sw_port *p = port->owner;
	uint8_t frame[ETH_ZLEN];

	if (!p->port || p->sw->destroying)
		return;
	build_rarp(frame, mac);
	datapath_inject(p->sw->dp, p->id, frame, sizeof(frame));
}

static void env_attention(struct port *port)
{
	struct sw_port *p = port->owner;
	uint64_t one = 1;

	if (!__atomic_exchange_n(&p->attention, true, __ATOMIC_SEQ_CST) &&
	    write(p->sw->attention_fd, &one, sizeof(one)) < 0)
		log_limited(LOG_WARNING, "cannot call the control thread: %s", strerror(errno));
}

void switch_env_init(struct port_env *env, struct event_base *base,
		     const struct vhost_endpoint_maker *endpoints)
{
	*env = (struct port_env){
		.base = base,
		.endpoints = endpoints,
		.quiesce = env_quiesce,
		.changed = env_changed,
		.announce = env_announce,
		.attention = env_attention,
		.save = switch_port_save,
		.load = switch_port_load,
	};
}

/* Adding. */

static const struct port_ops *find_kind(const json_t *options, struct error *err)
{
	const char *type = json_string_value(json_object_get(options, "type")), *near;
	const char *words[16];
	const struct port_ops *kind;
	size_t n = 0;

	for (const struct port_ops *const *k = port_kinds; *k && n < ARRAY_SIZE(words); k++)
		words[n++] = (*k)->kind;
	kind = type ? port_kind_find(type) : NULL;
	if (kind)
		return kind;
	near = type ? nearest_word(type, words, n) : NULL;
	if (near)
		error_set(err, -EINVAL, "no kind of port \"%s\": did you mean \"%s\"?", type, near);
	else
		error_set(err, -EINVAL,
			  "a port needs a type: vhost-user, tap, pcap, patch or dummy");
	return NULL;
}

static uint32_t free_id(const struct swtch *sw)
{
	uint32_t id = 1;

	while (id < VIEW_PORTS_MAX && switch_port_by_id(sw, id))
		id++;
	return id < VIEW_PORTS_MAX ? id : 0;
}

/* What an earlier process has learned under this id is another port's. */
static void forget_id(struct swtch *sw, uint32_t id)
{
	for (struct sw_bridge *b = sw->bridges; b; b = b->next)
		if (mac_table_count(b->macs, id))
			mac_table_flush(b->macs, id, false);
}

/* Makes a port's counters, or goes on with those of an earlier process; then with the id that it
 * had there, too, which that process's MAC tables have. */
static int make_state(struct sw_port *p)
{
	struct swtch *sw = p->sw;
	int r = port_state_open(&p->kept, sw->env.keep, p->name, datapath_n_workers(sw->dp),
				sw->gone);
	uint32_t id = p->kept.id;

	if (id && id < VIEW_PORTS_MAX && !switch_port_by_id(sw, id))
		p->id = id;
	if (sw->restoring && p->id != id)
		forget_id(sw, p->id);
	if (r)
		return r;
	port_state_hold(&p->kept, sw->env.keep, p->name, p->id);
	p->state = p->kept.state;
	return 0;
}

int port_canonical(const json_t *params, json_t **options, const struct port_ops **kind,
		   struct port_settings *settings, struct error *err)
{
	json_t *o = json_deep_copy(params);
	int r = -EINVAL;

	json_object_del(o, "name");
	if (!json_object_get(o, "bridge"))
		json_object_set_new(o, "bridge", json_string(SWITCH_DEFAULT_BRIDGE));
	*kind = find_kind(o, err);
	if (*kind)
		r = options_check(switch_port_tables(*kind), o, true, err);
	if (r == 0)
		r = settings_read(settings, o, err);
	if (r < 0)
		json_decref(o);
	else
		*options = o;
	return r;
}

/* Everything about a port that can be checked without touching the system. */
static int prepare(struct swtch *sw, struct sw_port *p, const json_t *params,
		   const struct port_ops **kind, struct error *err)
{
	const char *name = json_string_value(json_object_get(params, "name")), *bridge;
	struct sw_port *old;
	int r;

	if (!name)
		return error_set(err, -EINVAL, "a port needs a name");
	r = port_name_check(name, err);
	if (r < 0)
		return r;
	snprintf(p->name, sizeof(p->name), "%s", name);
	r = port_canonical(params, &p->options, kind, &p->settings, err);
	if (r < 0)
		return r;
	old = switch_find_port(sw, p->name);
	if (old)
		return error_set(err, old->removing ? -EBUSY : -EEXIST,
				 old->removing ? "port \"%s\" is still being removed"
					       : "there is a port \"%s\" already",
				 p->name);
	bridge = option_string(p->options, "bridge", "");
	p->bridge = switch_find_bridge(sw, bridge);
	if (!p->bridge)
		return error_set(err, -ENOENT,
				 "no bridge \"%s\": add it with \"vireo bridge add %s\"", bridge,
				 bridge);
	p->id = free_id(sw);
	p->serial = ++sw->last_serial;
	return p->id ? 0 : error_set(err, -ENOSPC, "no more than %u ports", VIEW_PORTS_MAX - 1);
}

/* Makes the port itself. One that an earlier process had, and that cannot be made, stays in the
 * configuration. @kind NULL: it is not even known what it is, as the text says. */
static int create(struct sw_port *p, const struct port_ops *kind, struct port **out,
		  struct error *err)
{
	struct swtch *sw = p->sw;
	int r = -EINVAL;

	if (sw->restoring && quarantine_holds(sw->quarantine, p->name))
		kind = &quarantine_port_ops;
	if (kind)
		r = kind->create(out, p->name, p->options, &sw->env, p, err);
	if (r < 0 && sw->restoring)
		r = restore_failed(p, out, err->text);
	return r;
}

int switch_port_add(struct swtch *sw, const json_t *params, struct error *err)
{
	struct sw_port *p, **last = &sw->ports;
	const struct port_ops *kind = NULL;
	struct port *port;
	int r;

	if (!limit_take(&port_limit, 1))
		return error_set(err, -ENOSPC, "no more than %u ports", VIEW_PORTS_MAX - 1);
	p = calloc(1, sizeof(*p));
	if (!p) {
		limit_give(&port_limit, 1);
		return error_set(err, -ENOMEM, "out of memory");
	}
	p->sw = sw;
	r = prepare(sw, p, params, &kind, err);
	if (r < 0 && sw->restoring && !restore_prepare(p, params)) {
		kind = NULL;
		p->id = free_id(sw);
		p->serial = ++sw->last_serial;
		r = p->id ? 0 : r;
	}
	if (r < 0)
		goto fail;
	r = make_state(p);
	if (r < 0) {
		error_set(err, r, "out of memory");
		goto fail;
	}
	r = flows_number_port(p, err);
	if (r < 0)
		goto fail;
	r = create(p, kind, &port, err);
	if (r < 0)
		goto fail;
	port->mtu = p->settings.mtu;
	p->port = port;
	json_object_del(p->options, "fd"); /* the kind's now */
	while (*last)
		last = &(*last)->next;
	*last = p;
	log_info("port %s added: %s on bridge %s", p->name, port->ops->kind, p->bridge->name);
	switch_publish(sw);
	return 0;
fail:
	if (p->state)
		port_state_release(sw->env.keep, p->name);
	switch_port_free(p);
	return r;
}

void switch_port_free(struct sw_port *p)
{
	if (p->port)
		p->port->ops->destroy(p->port);
	live_close(p);
	settings_free(&p->settings);
	json_decref(p->options);
	steer_destroy(p->steer);
	port_state_close(&p->kept);
	free(p);
	limit_give(&port_limit, 1);
}

/* No worker uses it, and none learns addresses on it any more. */
static void removed(void *arg)
{
	struct sw_port *p = arg, **at;
	struct swtch *sw = p->sw;

	for (at = &sw->ports; *at != p; at = &(*at)->next)
		;
	*at = p->next;
	mac_table_flush(p->bridge->macs, p->id, true);
	log_info("port %s removed", p->name);
	quarantine_pardon(sw->quarantine, p->name);
	gone_add(sw->gone, p->state, datapath_n_workers(sw->dp));
	port_state_release(sw->env.keep, p->name);
	switch_port_free(p);
	sw->n_removing--;
	if (!sw->n_removing && !sw->destroying)
		switch_removal_done(sw);
}

int switch_port_del(struct swtch *sw, const char *name, struct error *err)
{
	struct sw_port *p = switch_find_port(sw, name);

	if (!p || p->removing)
		return switch_no_such_port(sw, name, err);
	p->removing = true;
	live_port_gone(p);
	sw->n_removing++;
	switch_publish(sw);
	datapath_quiesce(sw->dp, removed, p);
	return 0;
}

static int set_checked(struct sw_port *p, json_t *merged, json_t *changes, struct error *err)
{
	struct port_settings settings;
	int r = settings_read(&settings, merged, err);

	if (r == 0)
		r = p->port->ops->set(p->port, merged, changes, err);
	if (r < 0) {
		settings_free(&settings);
		return r;
	}
	settings_free(&p->settings);
	p->settings = settings;
	p->port->mtu = settings.mtu;
	json_decref(p->options);
	p->options = json_incref(merged);
	switch_publish(p->sw);
	return 0;
}

int switch_port_set(struct swtch *sw, const json_t *params, struct error *err)
{
	const char *name = json_string_value(json_object_get(params, "name"));
	struct sw_port *p = name ? switch_find_port(sw, name) : NULL;
	json_t *wanted, *changes, *merged;
	int r;

	if (!name)
		return error_set(err, -EINVAL, "which port? give its name");
	if (!p || p->removing)
		return switch_no_such_port(sw, name, err);
	wanted = json_copy((json_t *)params);
	json_object_del(wanted, "name");
	r = options_merge(switch_port_tables(p->port->ops), p->options, wanted, &merged, &changes,
			  err);
	json_decref(wanted);
	if (r < 0)
		return r;
	r = set_checked(p, merged, changes, err);
	json_decref(changes);
	json_decref(merged);
	return r;
}

json_t *switch_port_later(const struct swtch *sw, const json_t *params)
{
	const char *name = json_string_value(json_object_get(params, "name"));
	const struct sw_port *p = name ? switch_find_port(sw, name) : NULL;

	if (!p || !p->port->link)
		return json_array();
	return options_later(switch_port_tables(p->port->ops), params);
}

/* Showing. */

void switch_show_counters(const struct port_counters *c, json_t *out)
{
	json_t *drops = json_object();

	json_object_set_new(out, "rx_packets", json_integer((json_int_t)c->rx_packets));
	json_object_set_new(out, "rx_bytes", json_integer((json_int_t)c->rx_bytes));
	json_object_set_new(out, "tx_packets", json_integer((json_int_t)c->tx_packets));
	json_object_set_new(out, "tx_bytes", json_integer((json_int_t)c->tx_bytes));
	json_object_set_new(out, "copied_bytes", json_integer((json_int_t)c->copied_bytes));
	if (c->tx_held)
		json_object_set_new(out, "tx_held", json_integer((json_int_t)c->tx_held));
	for (unsigned i = 0; i < DROP_N_REASONS; i++)
		if (c->drops[i])
			json_object_set_new(drops, drop_name(i),
					    json_integer((json_int_t)c->drops[i]));
	json_object_set_new(out, "drops", drops);
}

struct port_counters switch_port_counters(const struct sw_port *p)
{
	struct port_counters sum = p->state->before;

	for (unsigned w = 0; w < datapath_n_workers(p->sw->dp); w++)
		port_counters_add(&sum, &p->state->counters[w]);
	return sum;
}

static void show_counters(const struct sw_port *p, json_t *out)
{
	struct port_counters sum = switch_port_counters(p);

	switch_show_counters(&sum, out);
}

/* The kind lists its queues; the switch knows who serves them. */
static void show_workers(const struct sw_port *p, json_t *queues)
{
	json_t *q;
	size_t i;

	json_array_foreach (queues, i, q) {
		json_int_t pair = json_integer_value(json_object_get(q, "index"));

		if (pair >= 0 && pair < PORT_QUEUES_MAX && p->assigned[pair])
			json_object_set_new(q, "worker", json_integer(p->target[pair]));
	}
}

static json_t *describe_port(const struct sw_port *p)
{
	json_t *o = json_pack("{s:s, s:s, s:s, s:b, s:i, s:O}", "name", p->name, "type",
			      option_string(p->options, "type", p->port->ops->kind), "bridge",
			      p->bridge->name, "link", p->port->link, "mtu", p->settings.mtu,
			      "options", p->options);

	show_counters(p, o);
	json_object_set_new(o, "macs", json_integer(mac_table_count(p->bridge->macs, p->id)));
	json_object_set_new(o, "macs_max", json_integer(switch_mac_limit(p)));
	if (p->port->numa_node >= 0)
		json_object_set_new(o, "numa_node", json_integer(p->port->numa_node));
	p->port->ops->show(p->port, o);
	show_workers(p, json_object_get(o, "queues"));
	return o;
}

json_t *switch_port_show(struct swtch *sw, const char *name, struct error *err)
{
	json_t *list = json_array();

	for (const struct sw_port *p = sw->ports; p; p = p->next)
		if (p->port && !p->removing && (!name || !strcmp(p->name, name)))
			json_array_append_new(list, describe_port(p));
	if (name && !json_array_size(list)) {
		switch_no_such_port(sw, name, err);
		json_decref(list);
		return NULL;
	}
	return list;
}
