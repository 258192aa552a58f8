// SPDX-License-Identifier: Apache-2.0
/* Ports as OpenFlow sees them: numbers, flags, and who is told when they change. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/log.h"
#include "switch/flows_keep.h"
#include "switch/flows_private.h"

LOG_MODULE("flows");

#define NUMBER_MAX 0xfeffu /* the last of OpenFlow 1.0 */

/* OFPPC (OpenFlow 1.5.1, 7.2.1.1) */
#define CONFIG_DOWN 1u
#define CONFIG_NO_RECEIVE (1u << 2)
#define CONFIG_NO_FLOOD (1u << 4) /* OpenFlow 1.0 */
#define CONFIG_NO_FORWARD (1u << 5)
#define CONFIG_NO_PACKET_IN (1u << 6)
#define CONFIG_ALL                                                               \
	(CONFIG_DOWN | CONFIG_NO_RECEIVE | CONFIG_NO_FLOOD | CONFIG_NO_FORWARD | \
	 CONFIG_NO_PACKET_IN)

/* OFPPR: why listeners are told. */
enum { PORT_ADDED, PORT_DELETED, PORT_CHANGED };

static bool is_there(const struct sw_port *p)
{
	return p->port && !p->removing;
}

/* Numbers. */

static const struct sw_port *holder_of(const struct sw_port *p, uint32_t number)
{
	for (const struct sw_port *other = p->sw->ports; other; other = other->next)
		if (other != p && other->bridge == p->bridge && other->ofport == number)
			return other;
	return NULL;
}

/* The port's own, the one it had in an earlier process, its id, or the highest that is free. */
static uint32_t choose_number(const struct sw_port *p)
{
	uint32_t kept = p->state ? p->state->ofport : 0, number = NUMBER_MAX;

	if (kept && kept <= NUMBER_MAX && !holder_of(p, kept))
		return kept;
	if (!holder_of(p, p->id))
		return p->id;
	while (number && holder_of(p, number))
		number--;
	return number;
}

int flows_number_port(struct sw_port *p, struct error *err)
{
	uint32_t wanted = (uint32_t)option_uint(p->options, "ofport", 0);
	const struct sw_port *holder;

	p->created_ms = flows_now_ms();
	if (!strcmp(p->name, p->bridge->name))
		wanted = OFPORT_LOCAL;
	holder = wanted ? holder_of(p, wanted) : NULL;
	if (holder && !p->sw->restoring)
		return error_set(err, -EEXIST, "port \"%s\" has the number %u already",
				 holder->name, wanted);
	p->ofport = wanted && !holder ? wanted : choose_number(p);
	if (p->state)
		shared_store(&p->state->ofport, p->ofport);
	return 0;
}

struct sw_port *flows_find_port(const struct flows *flows, uint32_t number)
{
	for (struct sw_port *p = flows->sw->ports; p; p = p->next)
		if (is_there(p) && p->bridge->flows == flows && p->ofport == number)
			return p;
	return NULL;
}

/* Showing. */

static void describe(const struct sw_port *p, struct flows_port *out)
{
	uint32_t config = p->state->of_config;

	*out = (struct flows_port){
		.number = p->ofport,
		.link = p->port->link,
		.down = config & CONFIG_DOWN,
		.no_receive = config & CONFIG_NO_RECEIVE,
		.no_forward = config & CONFIG_NO_FORWARD,
		.no_flood = config & CONFIG_NO_FLOOD,
		.no_packet_in = config & CONFIG_NO_PACKET_IN,
		.created_ms = p->created_ms,
	};
	snprintf(out->name, sizeof(out->name), "%s", p->name);
}

static void describe_counts(const struct sw_port *p, struct flows_port *out)
{
	struct port_counters sum = switch_port_counters(p);

	out->rx_packets = sum.rx_packets;
	out->rx_bytes = sum.rx_bytes;
	out->tx_packets = sum.tx_packets;
	out->tx_bytes = sum.tx_bytes;
	for (unsigned i = 0; i < DROP_N_REASONS; i++)
		if (!drop_is_tx(i))
			out->rx_dropped += sum.drops[i];
		else
			out->tx_dropped += sum.drops[i];
}

static int by_number(const void *a, const void *b)
{
	const struct flows_port *x = a, *y = b;

	return x->number < y->number ? -1 : x->number > y->number;
}

/* All ports of the bridge, sorted; malloc'd, NULL when memory is short. */
static struct flows_port *list_ports(const struct flows *flows, bool counts, unsigned *n)
{
	struct flows_port *list;
	unsigned size = 1;

	for (const struct sw_port *p = flows->sw->ports; p; p = p->next)
		size += is_there(p) && p->bridge->flows == flows;
	*n = 0;
	list = calloc(size, sizeof(*list));
	if (!list)
		return NULL;
	for (const struct sw_port *p = flows->sw->ports; p; p = p->next) {
		if (!is_there(p) || p->bridge->flows != flows)
			continue;
		describe(p, &list[*n]);
		if (counts)
			describe_counts(p, &list[*n]);
		++*n;
	}
	qsort(list, *n, sizeof(*list), by_number);
	return list;
}

void flows_each_port(struct flows *flows, bool (*fn)(void *arg, const struct flows_port *port),
		     void *arg)
{
	unsigned n;
	struct flows_port *list = list_ports(flows, true, &n);

	for (unsigned i = 0; list && i < n && fn(arg, &list[i]); i++)
		;
	free(list);
}

/* Changes. */

static void tell(struct flows *flows, const struct flows_port *port, unsigned why)
{
	struct flows_listener *next;

	for (struct flows_listener *l = flows->listeners; l; l = next) {
		next = l->next;
		if (l->port)
			l->port(l->arg, port, why);
	}
}

static bool same(const struct flows_port *a, const struct flows_port *b)
{
	return a->link == b->link && a->down == b->down && a->no_receive == b->no_receive &&
	       a->no_forward == b->no_forward && a->no_flood == b->no_flood &&
	       a->no_packet_in == b->no_packet_in;
}

/* Tells listeners what is different between two sorted lists. */
static void compare(struct flows *flows, const struct flows_port *old, unsigned n_old,
		    const struct flows_port *now, unsigned n_now)
{
	unsigned i = 0, j = 0;

	while (i < n_old || j < n_now) {
		bool gone = j == n_now || (i < n_old && old[i].number < now[j].number);
		bool fresh = i == n_old || (j < n_now && now[j].number < old[i].number);

		/* another port of the same number is another port */
		if (!gone && !fresh && strcmp(old[i].name, now[j].name))
			gone = fresh = true;
		if (gone)
			tell(flows, &old[i], PORT_DELETED);
		if (fresh)
			tell(flows, &now[j], PORT_ADDED);
		if (!gone && !fresh && !same(&old[i], &now[j]))
			tell(flows, &now[j], PORT_CHANGED);
		i += !fresh || gone;
		j += !gone || fresh;
	}
}

int flows_set_ports(const struct flows *flows, struct pipeline *p)
{
	struct pipeline_port *ports = calloc(flows->n_shown + 1, sizeof(*ports));
	int r;

	if (!ports)
		return -ENOMEM;
	for (unsigned i = 0; i < flows->n_shown; i++) {
		const struct flows_port *s = &flows->shown[i];

		ports[i] = (struct pipeline_port){
			.number = s->number,
			.live = s->link && !s->down,
			.no_flood = s->no_flood,
			.no_forward = s->no_forward || s->down,
			.no_receive = s->no_receive || s->down,
			.no_packet_in = s->no_packet_in,
		};
	}
	r = pipeline_set_ports(p, ports, flows->n_shown);
	free(ports);
	return r;
}

/* A guest that takes its link up and down makes no new versions, with which all plans would go,
 * unless somebody wants to know. */
static bool live_matters(const struct flows *flows, uint32_t number)
{
	return flows->uses.lost || uses_find(&flows->uses, USE_LIVE, 0, number);
}

/* @live: all of them. */
static bool ports_differ(const struct flows *flows, const struct pipeline *p, bool live)
{
	const struct pipeline_port *ports = pipeline_ports(p);

	if (pipeline_n_ports(p) != flows->n_shown)
		return true;
	for (unsigned i = 0; i < flows->n_shown; i++) {
		const struct flows_port *s = &flows->shown[i];

		if (ports[i].number != s->number || ports[i].no_flood != s->no_flood ||
		    ports[i].no_forward != (s->no_forward || s->down) ||
		    ports[i].no_receive != (s->no_receive || s->down) ||
		    ports[i].no_packet_in != s->no_packet_in ||
		    (ports[i].live != (s->link && !s->down) &&
		     (live || live_matters(flows, s->number))))
			return true;
	}
	return false;
}

bool flows_ports_differ(const struct flows *flows, const struct pipeline *p)
{
	return ports_differ(flows, p, false);
}

/* Makes a version that shows the ports as they are, if it matters. 0 or -ENOMEM. */
static int publish_ports(struct flows *flows, bool live)
{
	struct change c;

	if (!ports_differ(flows, flows->current, live))
		return 0;
	if (change_begin(&c, flows) < 0)
		return -ENOMEM;
	c.other = true;
	if (flows_set_ports(flows, c.next) == 0)
		return change_commit(&c);
	change_abort(&c);
	return -ENOMEM;
}

int flows_show_live(struct flows *flows)
{
	return publish_ports(flows, true);
}

static void look_at_ports(struct flows *flows)
{
	struct flows_port *before = flows->shown, *now;
	unsigned n_before = flows->n_shown, n;

	now = list_ports(flows, false, &n);
	if (!now) {
		flows->sw->ports_seen = 0; /* look again the next time */
		return;
	}
	flows->shown = now;
	flows->n_shown = n;
	if (publish_ports(flows, false) < 0)
		flows->sw->ports_seen = 0;
	compare(flows, before, n_before, now, n);
	free(before);
}

void flows_show_flags(const struct sw_port *p, struct view_port *v)
{
	uint32_t config = p->state->of_config;

	v->no_flood = config & CONFIG_NO_FLOOD;
	v->no_forward = config & (CONFIG_NO_FORWARD | CONFIG_DOWN);
}

/* Of all that is compared: most calls find nothing new. Never 0. */
static uint64_t hash_ports(const struct swtch *sw)
{
	uint64_t hash = hash_secret();

	for (const struct sw_port *p = sw->ports; p; p = p->next)
		if (is_there(p))
			hash = hash_mix(hash ^ ((uint64_t)p->serial << 32 | p->ofport),
					(uintptr_t)p->bridge ^
						((uint64_t)p->state->of_config << 1 | p->port->link)
							<< 48);
	return hash | 1;
}

void flows_ports_changed(struct swtch *sw)
{
	uint64_t hash = hash_ports(sw);

	if (hash == sw->ports_seen)
		return;
	sw->ports_seen = hash;
	for (struct sw_bridge *b = sw->bridges; b; b = b->next)
		look_at_ports(b->flows);
}

void flows_free_ports(struct flows *flows)
{
	free(flows->shown);
}

enum of_error flows_port_mod(struct flows *flows, uint32_t number, uint32_t config, uint32_t mask,
			     struct error *err)
{
	struct sw_port *p = flows_find_port(flows, number);
	uint32_t before;

	if (!p) {
		error_set(err, -ENOENT, "bridge %s has no port %u", flows->name, number);
		return OFERR_PORT_BAD_PORT;
	}
	mask &= CONFIG_ALL;
	before = p->state->of_config;
	shared_store(&p->state->of_config, (before & ~mask) | (config & mask));
	if (p->state->of_config != before)
		switch_publish(flows->sw);
	return OFERR_NONE;
}
