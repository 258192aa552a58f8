// SPDX-License-Identifier: Apache-2.0
/* What changes while there is traffic, on both sides: ports, their VLANs, and addresses. */
#include <assert.h>

#include "traffic.h"

static uint32_t below(struct traffic *t, uint32_t n)
{
	return random_below(&t->world, n);
}

static bool one_in(struct traffic *t, uint32_t n)
{
	return !below(t, n);
}

static uint16_t random_vlan(struct traffic *t)
{
	return one_in(t, 3) ? 0 : (uint16_t)(10 + below(t, 3));
}

static void random_settings(struct traffic *t, struct bridge_port *p)
{
	p->access = one_in(t, 3);
	p->tag = random_vlan(t);
	p->native_tagged = one_in(t, 3);
	p->is_protected = one_in(t, 4);
	p->all_vlans = one_in(t, 2);
	p->trunks[0] = below(t, 2) | below(t, 8) << 10;
	p->mtu = one_in(t, 6) ? 60 + below(t, 100) : 1500;
	p->mac_limit = one_in(t, 6) ? 1 + below(t, 6) : 0;
	p->n_sources = one_in(t, 8) ? 1 + below(t, SOURCES_MAX) : 0;
	for (unsigned i = 0; i < SOURCES_MAX; i++)
		p->sources[i] = 0x020000000000ull + below(t, 4);
}

void traffic_flush(struct traffic *t, uint32_t port, bool also_static)
{
	bridge_flush(&t->memory.bridge, port, also_static);
	if (!t->mutation.addresses)
		mac_table_flush(rig_macs(t->rig), port ? port : MAC_NO_PORT, also_static);
}

void traffic_sync_ports(struct traffic *t, bool settings)
{
	struct bridge_port *ports = t->memory.bridge.ports;

	for (uint32_t n = 1; n <= PORTS; n++) {
		const struct pipeline_port *p = NULL;

		for (unsigned i = 0; i < t->world.n_ports; i++)
			if (t->world.ports[i].number == n)
				p = &t->world.ports[i];
		if (p && !ports[n].there) {
			random_settings(t, &ports[n]);
			ports[n].serial++;
		}
		if (!p && ports[n].there)
			traffic_flush(t, n, true);
		ports[n].there = p;
		ports[n].link = p && p->live;
	}
	if (!settings || !t->mutation.ports)
		rig_show_ports(t->rig, ports);
}

static void add_static(struct traffic *t)
{
	struct bridge_address a = { .mac = 0x020000000000ull + below(t, 4),
				    .vid = random_vlan(t),
				    .port = 1 + below(t, PORTS),
				    .is_static = true };

	if (!t->memory.bridge.ports[a.port].there)
		return;
	bridge_put(&t->memory.bridge, &a);
	assert(!mac_table_add_static(rig_macs(t->rig), a.mac, a.vid, a.port));
}

static void remove_one(struct traffic *t)
{
	struct bridge *b = &t->memory.bridge;
	struct bridge_address a;

	if (!b->n)
		return;
	a = b->addresses[below(t, b->n)];
	bridge_remove(b, a.mac, a.vid);
	if (!t->mutation.addresses)
		assert(mac_table_remove(rig_macs(t->rig), a.mac, a.vid));
}

static void age(struct traffic *t)
{
	uint32_t aging = 1 + below(t, 20);

	bridge_age(&t->memory.bridge, traffic_seconds(t), aging);
	if (!t->mutation.addresses)
		mac_table_age(rig_macs(t->rig), traffic_seconds(t), aging);
}

void traffic_happen(struct traffic *t)
{
	t->n_events++;
	switch (below(t, 8)) {
	case 0:
	case 1:
		random_settings(t, &t->memory.bridge.ports[1 + below(t, PORTS)]);
		traffic_sync_ports(t, true);
		break;
	case 2:
		traffic_flush(t, one_in(t, 3) ? 0 : 1 + below(t, PORTS), false);
		break;
	case 3:
		age(t);
		break;
	case 4:
		add_static(t);
		break;
	case 5:
	case 6:
		remove_one(t);
		break;
	default:
		t->now += below(t, 10) * NSEC_PER_SEC;
		break;
	}
}
