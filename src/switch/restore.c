// SPDX-License-Identifier: Apache-2.0
/* Ports of an earlier process that cannot be made again stay in the configuration, down, with the
 * reason (port/failed.h), and are tried again from time to time.
 */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "port/failed.h"
#include "switch/private.h"

#define RETRY_S_MIN 1 /* before the first try, doubled for each behind it */
#define RETRY_S_MAX 30

LOG_MODULE("switch");

int restore_prepare(struct sw_port *p, const json_t *params)
{
	struct swtch *sw = p->sw;
	json_t *options;

	if (!*p->name || switch_find_port(sw, p->name))
		return -EINVAL;
	options = json_deep_copy(params);
	json_object_del(options, "name");
	json_object_del(options, "fd");
	json_decref(p->options);
	p->options = options;
	settings_free(&p->settings);
	p->settings = (struct port_settings){ .mtu = 1500 };
	p->bridge = switch_find_bridge(sw, option_string(options, "bridge", SWITCH_DEFAULT_BRIDGE));
	if (!p->bridge)
		p->bridge = switch_find_bridge(sw, SWITCH_DEFAULT_BRIDGE);
	return p->bridge && options ? 0 : -EINVAL;
}

int restore_failed(struct sw_port *p, struct port **out, const char *why)
{
	int r = failed_port_create(out, p->name, why, &p->sw->env, p);

	if (r)
		return r;
	log_error("port %s cannot be made again, and stays, but down: %s", p->name, why);
	return 0;
}

static bool is_failed(const struct sw_port *p)
{
	return p->port && !p->removing && p->port->ops == &failed_port_ops;
}

/* No worker looks at what stood in a port's place. */
static void replaced(void *arg)
{
	failed_port_ops.destroy(arg);
}

/* Makes the port itself, with the options as they are. 0 or -errno and a text. */
static int make_again(struct sw_port *p, struct port **out, json_t **options,
		      struct port_settings *settings, struct error *err)
{
	struct port *old = p->port;
	const struct port_ops *kind;
	struct sw_bridge *bridge;
	int r;

	r = port_canonical(p->options, options, &kind, settings, err);
	if (r < 0)
		return r;
	bridge = switch_find_bridge(p->sw, option_string(*options, "bridge", ""));
	if (!bridge) {
		r = error_set(err, -ENOENT, "no bridge \"%s\"",
			      option_string(*options, "bridge", ""));
	} else {
		p->port = NULL; /* as whenever create() runs */
		r = kind->create(out, p->name, *options, &p->sw->env, p, err);
		p->port = old;
	}
	if (r < 0) {
		settings_free(settings);
		json_decref(*options);
		return r;
	}
	if (p->bridge != bridge) {
		p->bridge = bridge;
		(void)flows_number_port(p, NULL);
	}
	return 0;
}

static void try_again(struct sw_port *p)
{
	struct port *old = p->port, *port = NULL;
	struct port_settings settings;
	struct error err = { "" };
	json_t *options;

	if (make_again(p, &port, &options, &settings, &err) < 0) {
		if (failed_port_explain(old, err.text))
			log_error("port %s cannot be made: %s", p->name, err.text);
		return;
	}
	json_decref(p->options);
	p->options = options;
	settings_free(&p->settings);
	p->settings = settings;
	port->mtu = settings.mtu;
	p->port = port;
	log_info("port %s is there again", p->name);
	switch_publish(p->sw);
	datapath_quiesce(p->sw->dp, replaced, old);
}

static void plan(struct swtch *sw)
{
	struct timeval tv = { .tv_sec = sw->retry_s };

	for (const struct sw_port *p = sw->ports; p; p = p->next)
		if (is_failed(p)) {
			event_add(sw->retry_timer, &tv);
			return;
		}
}

static void on_retry(evutil_socket_t fd, short what, void *arg)
{
	struct swtch *sw = arg;

	switch_ring(sw);
	for (struct sw_port *p = sw->ports; p; p = p->next)
		if (is_failed(p))
			try_again(p);
	sw->retry_s = min(2 * sw->retry_s, (unsigned)RETRY_S_MAX);
	plan(sw);
}

int restore_init(struct swtch *sw)
{
	sw->retry_timer = evtimer_new(sw->base, on_retry, sw);
	return sw->retry_timer ? 0 : -1;
}

void restore_retry(struct swtch *sw)
{
	sw->retry_s = RETRY_S_MIN;
	plan(sw);
}
