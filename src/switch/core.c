// SPDX-License-Identifier: Apache-2.0
/* The switch as a whole: start, timers, end. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "switch/private.h"

static void on_publish(evutil_socket_t fd, short what, void *arg)
{
	switch_publish(arg);
}

static void on_attention(evutil_socket_t fd, short what, void *arg)
{
	struct swtch *sw = arg;
	uint64_t n;

	while (read(fd, &n, sizeof(n)) > 0)
		;
	for (struct sw_port *p = sw->ports; p; p = p->next)
		if (__atomic_exchange_n(&p->attention, false, __ATOMIC_SEQ_CST) && !p->removing &&
		    p->port->ops->attend)
			p->port->ops->attend(p->port);
}

static int make_events(struct swtch *sw)
{
	sw->attention_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (sw->attention_fd < 0)
		return -errno;
	sw->publish_event = evtimer_new(sw->base, on_publish, sw);
	sw->attention_event =
		event_new(sw->base, sw->attention_fd, EV_READ | EV_PERSIST, on_attention, sw);
	if (!sw->publish_event || !sw->attention_event || switch_timer_init(sw) < 0 ||
	    restore_init(sw) < 0)
		return -ENOMEM;
	event_add(sw->attention_event, NULL);
	return 0;
}

int switch_create(struct swtch **out, struct event_base *base, unsigned n_workers, const char *cpus,
		  struct error *err)
{
	struct swtch *sw = calloc(1, sizeof(*sw));
	int r = -ENOMEM;

	if (!sw)
		return error_set(err, r, "out of memory");
	sw->base = base;
	sw->attention_fd = -1;
	vhost_socket_maker_init(&sw->sockets, base);
	switch_env_init(&sw->env, base, &sw->sockets.maker);
	sw->busy = calloc(n_workers, sizeof(*sw->busy));
	sw->loads = calloc(n_workers, sizeof(*sw->loads));
	sw->gone = gone_open(NULL);
	if (!sw->busy || !sw->loads || !sw->gone) {
		error_set(err, r, "out of memory");
		goto fail;
	}
	for (unsigned w = 0; w < n_workers; w++)
		sw->busy[w].at_ns = sw->loads[w].at_ns = clock_ns();
	r = make_events(sw);
	if (r < 0) {
		error_set(err, r, "cannot set up events: %s", strerror(-r));
		goto fail;
	}
	r = datapath_create(&sw->dp, base, n_workers, cpus, err);
	if (r < 0)
		goto fail;
	flows_upcalls_init(sw);
	r = switch_find_nodes(sw);
	if (r < 0) {
		error_set(err, r, "out of memory");
		goto fail;
	}
	*out = sw;
	return 0;
fail:
	switch_destroy(sw);
	return r;
}

void switch_use_keeper(struct swtch *sw, const struct vhost_endpoint_maker *maker,
		       struct keep *keep, bool resumes)
{
	sw->env.endpoints = maker;
	sw->env.keep = keep;
	sw->restoring = resumes;
	sw->quarantine = quarantine_open(keep);
	gone_close(sw->gone);
	sw->gone = gone_open(keep);
}

static void on_drained(void *arg)
{
	struct swtch *sw = arg;

	if (sw->destroying)
		return;
	datapath_retire(sw->dp);
	sw->left(sw->left_arg);
}

void switch_leave(struct swtch *sw, void (*fn)(void *arg), void *arg)
{
	sw->leaving = true;
	sw->left = fn;
	sw->left_arg = arg;
	switch_publish(sw);
	datapath_drain(sw->dp, on_drained, sw);
}

void switch_restored(struct swtch *sw)
{
	for (uint32_t id = 1; id < VIEW_PORTS_MAX; id++) {
		if (switch_port_by_id(sw, id))
			continue;
		for (struct sw_bridge *b = sw->bridges; b; b = b->next)
			if (mac_table_count(b->macs, id))
				mac_table_flush(b->macs, id, false);
	}
	gone_settled(sw->gone);
	if (sw->restoring) {
		sw->restoring = false;
		switch_publish(sw);
		restore_retry(sw);
	}
}

void switch_set_bell(struct swtch *sw, int fd)
{
	datapath_set_bell(sw->dp, fd);
}

void switch_ring(struct swtch *sw)
{
	datapath_ring(sw->dp);
}

int switch_look(struct swtch *sw, bool *asleep)
{
	return datapath_look(sw->dp, asleep);
}

static void free_event(struct event *e)
{
	if (e)
		event_free(e);
}

void switch_destroy(struct swtch *sw)
{
	struct sw_bridge *b;
	struct sw_port *p;

	if (!sw)
		return;
	sw->destroying = true;
	/* ends the workers, and calls whatever waited for them */
	datapath_destroy(sw->dp);
	while ((p = sw->ports)) {
		sw->ports = p->next;
		switch_port_free(p);
	}
	while ((b = sw->bridges)) {
		sw->bridges = b->next;
		bridge_free(b);
	}
	json_decref(sw->to_apply);
	free_event(sw->publish_event);
	free_event(sw->timer);
	free_event(sw->retry_timer);
	free_event(sw->attention_event);
	if (sw->attention_fd >= 0)
		close(sw->attention_fd);
	gone_close(sw->gone);
	free(sw->busy);
	free(sw->loads);
	free(sw->nodes);
	free(sw);
}

static json_t *stats_of_pool(const struct swtch *sw)
{
	unsigned ports = 0, links = 0, queues = 0;

	for (const struct sw_port *p = sw->ports; p; p = p->next) {
		ports += !p->removing;
		links += p->port && p->port->link;
		queues += p->port ? p->port->n_rxqs : 0;
	}
	return json_pack("{s:i, s:i, s:i, s:i}", "ports", ports, "ports_max", VIEW_PORTS_MAX - 1,
			 "links_up", links, "receive_queues", queues);
}

/* As if all ports that were deleted were one. */
static json_t *show_gone(const struct swtch *sw)
{
	json_t *o = json_object();

	switch_show_counters(gone_sum(sw->gone), o);
	return o;
}

/* Counters may be those of a process that has crashed, and anything: sums wrap. */
json_t *switch_stats_show(struct swtch *sw)
{
	static const char *const sums[] = { "rx_packets", "rx_bytes",	  "tx_packets",
					    "tx_bytes",	  "copied_bytes", NULL };
	json_t *total = json_object(), *drops = json_object(), *ports, *port, *value;
	json_t *macs = json_object();
	const char *key;
	size_t i;

	ports = switch_port_show(sw, NULL, NULL);
	json_array_append_new(ports, show_gone(sw));
	for (const char *const *s = sums; *s; s++) {
		uint64_t n = 0;

		json_array_foreach (ports, i, port)
			n += (uint64_t)json_integer_value(json_object_get(port, *s));
		json_object_set_new(total, *s, json_integer((json_int_t)n));
	}
	json_array_foreach (ports, i, port) {
		json_object_foreach (json_object_get(port, "drops"), key, value) {
			uint64_t n = (uint64_t)json_integer_value(json_object_get(drops, key));

			n += (uint64_t)json_integer_value(value);
			json_object_set_new(drops, key, json_integer((json_int_t)n));
		}
	}
	json_decref(ports);
	for (const struct sw_bridge *b = sw->bridges; b; b = b->next)
		json_object_set_new(macs, b->name,
				    json_pack("{s:I, s:I, s:I, s:I, s:I}", "entries",
					      (json_int_t)mac_table_count(b->macs, MAC_NO_PORT),
					      "entries_max", (json_int_t)mac_table_most(b->macs),
					      "moves", (json_int_t)mac_table_moves(b->macs),
					      "refused", (json_int_t)mac_table_refused(b->macs),
					      "over_mac_limit",
					      (json_int_t)mac_table_over_limit(b->macs)));
	return json_pack("{s:o, s:o, s:o, s:o, s:o}", "totals", total, "drops", drops, "mac_tables",
			 macs, "objects", stats_of_pool(sw), "limits", switch_show_limits(sw));
}
