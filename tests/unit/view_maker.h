/* SPDX-License-Identifier: Apache-2.0 */
/* For tests of the datapath without a switch: dummy ports, and views of them made by hand. Ports
 * are numbered 1.., all on one bridge unless said otherwise.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fake_env.h"
#include "flow/view.h"
#include "port/dummy.h"
#include "port/kinds.h"

#define MAKER_PORTS 17	 /* numbers 1..16 */
#define MAKER_BRIDGES 16 /* MAC tables, each for one bridge */
#define MAC(n) (0x020000000000ull + (n))
#define BROADCAST 0xffffffffffffull
#define UNUSED_OK __attribute__((unused))

/* What views are made of; the test changes it between views. */
struct maker {
	struct fake_env env;
	unsigned n_workers;
	struct mac_table *macs[MAKER_BRIDGES];
	struct view_port ports[MAKER_PORTS]; /* settings; the rest is filled in */
	unsigned bridge[MAKER_PORTS];
	unsigned worker[MAKER_PORTS][DUMMY_QUEUES_MAX];
	bool has_homes; /* home counts, otherwise everything is at home */
	unsigned home[MAKER_PORTS][DUMMY_QUEUES_MAX];
	bool no_rxqs; /* list none */
	bool steer;   /* ports of several queues learn what their guests want */
	struct steer *steers[MAKER_PORTS];
	const struct pipeline *const *rules[MAKER_BRIDGES];
	struct view_port_state *nowhere;
	bool alone; /* no transmit queue is shared; the test sees to it that none has to be */
};

UNUSED_OK static void maker_init(struct maker *m, unsigned n_workers)
{
	size_t size = sizeof(struct view_port_state) + n_workers * sizeof(struct port_counters);

	size = (size + CACHE_LINE - 1) & ~(size_t)(CACHE_LINE - 1);
	memset(m, 0, sizeof(*m));
	m->nowhere = aligned_alloc(CACHE_LINE, size);
	assert_non_null(m->nowhere);
	memset(m->nowhere, 0, size);
	m->env = fake_env_make(NULL);
	m->n_workers = n_workers;
	for (unsigned i = 0; i < MAKER_BRIDGES; i++) {
		m->macs[i] = mac_table_create(256);
		assert_non_null(m->macs[i]);
	}
}

/* A dummy port of @n_queues; its settings in m->ports[id] are those of a trunk of all VLANs. */
UNUSED_OK static struct port *maker_add(struct maker *m, unsigned id, unsigned n_queues)
{
	size_t size = sizeof(struct view_port_state) + m->n_workers * sizeof(struct port_counters);
	struct view_port *v = &m->ports[id];
	struct error err;

	size = (size + CACHE_LINE - 1) & ~(size_t)(CACHE_LINE - 1);
	assert_int_equal(fake_create(&dummy_port_ops, &v->port, "dummy",
				     json_pack("{s:i}", "queues", n_queues), &m->env, &err),
			 0);
	v->id = v->serial = id;
	v->mtu = 1500;
	v->link = true;
	v->state = aligned_alloc(CACHE_LINE, size);
	assert_non_null(v->state);
	memset(v->state, 0, size);
	return v->port;
}

UNUSED_OK static void maker_del(struct maker *m, unsigned id)
{
	m->ports[id].port->ops->destroy(m->ports[id].port);
	steer_destroy(m->steers[id]);
	m->steers[id] = NULL;
	free(m->ports[id].state);
	memset(&m->ports[id], 0, sizeof(m->ports[id]));
}

UNUSED_OK static void maker_destroy(struct maker *m)
{
	for (unsigned i = 1; i < MAKER_PORTS; i++)
		if (m->ports[i].port)
			maker_del(m, i);
	for (unsigned i = 0; i < MAKER_BRIDGES; i++)
		mac_table_destroy(m->macs[i]);
	free(m->nowhere);
}

/* Everything in one piece, as view->memory wants it. */
struct maker_view {
	const struct view_port *by_id[MAKER_PORTS];
	struct view_port ports[MAKER_PORTS];
	struct view_bridge bridges[MAKER_BRIDGES];
	const struct view_port *members[MAKER_BRIDGES][MAKER_PORTS];
	struct view_ofport ofports[MAKER_BRIDGES][MAKER_PORTS];
	struct view_port nowhere[MAKER_BRIDGES];
	const struct view_bridge *all[MAKER_BRIDGES];
	struct view_txq txqs[MAKER_PORTS][DUMMY_QUEUES_MAX];
	struct view_txq_range ranges[MAKER_PORTS][8];
	uint8_t by_pair[MAKER_PORTS][PORT_QUEUES_MAX];
	struct view_worker workers[8];
	struct view_rxq rxqs[8][MAKER_PORTS * DUMMY_QUEUES_MAX];
};

static unsigned maker_home(const struct maker *m, unsigned id, unsigned queue)
{
	return m->has_homes ? m->home[id][queue] : m->worker[id][queue];
}

static void maker_show_queues(struct maker *m, struct maker_view *mv, unsigned id)
{
	struct view_port *v = &mv->ports[id];
	unsigned n = 0;

	if (!v->patch)
		v->n_txqs = v->link ? v->port->n_txqs : 0;
	v->txqs = mv->txqs[id];
	v->by_home = mv->ranges[id];
	for (unsigned w = 0; w < m->n_workers; w++) {
		struct view_worker *worker = &mv->workers[w];

		v->by_home[w].first = (uint16_t)n;
		for (unsigned q = 0; q < v->n_txqs; q++)
			if (maker_home(m, id, q) == w)
				v->txqs[n++] = (struct view_txq){ v->port->txqs[q], !m->alone };
		v->by_home[w].n = (uint16_t)(n - v->by_home[w].first);
		worker->homes |= 1ull << w;
		for (unsigned q = 0; q < v->port->n_rxqs; q++)
			if (m->worker[id][q] == w)
				worker->homes |= 1ull << maker_home(m, id, q);
		for (unsigned q = 0; q < v->port->n_rxqs && !m->no_rxqs && !v->held; q++)
			if (m->worker[id][q] == w)
				worker->rxqs[worker->n_rxqs++] =
					(struct view_rxq){ v->port->rxqs[q], id,
							   maker_home(m, id, q) };
	}
	for (unsigned w = 0; w < m->n_workers; w++)
		if (!v->by_home[w].n)
			v->by_home[w] = (struct view_txq_range){ .n = (uint16_t)n };
}

static void maker_show_steering(struct maker *m, struct maker_view *mv, unsigned id)
{
	struct view_port *v = &mv->ports[id];

	if (v->n_txqs < 2)
		return;
	if (!m->steers[id])
		m->steers[id] = steer_create();
	assert_non_null(m->steers[id]);
	v->steer = m->steers[id];
	v->noticed = true;
	v->by_pair = mv->by_pair[id];
	memset(mv->by_pair[id], VIEW_NO_TXQ, PORT_QUEUES_MAX);
	for (unsigned i = 0; i < v->n_txqs; i++)
		mv->by_pair[id][v->txqs[i].q->index] = (uint8_t)i;
}

UNUSED_OK static struct view *maker_view(struct maker *m)
{
	struct view *view = calloc(1, sizeof(*view));
	struct maker_view *mv = calloc(1, sizeof(*mv));

	assert_non_null(view);
	assert_non_null(mv);
	*view = (struct view){ .n_ports = MAKER_PORTS,
			       .ports = mv->by_id,
			       .n_bridges = MAKER_BRIDGES,
			       .bridges = mv->all,
			       .n_workers = m->n_workers,
			       .workers = mv->workers,
			       .memory = mv };
	for (unsigned w = 0; w < m->n_workers; w++)
		mv->workers[w].rxqs = mv->rxqs[w];
	for (unsigned i = 0; i < MAKER_BRIDGES; i++) {
		mv->bridges[i].macs = m->macs[i];
		mv->bridges[i].ports = mv->members[i];
		mv->bridges[i].rules = m->rules[i];
		mv->bridges[i].ofports = mv->ofports[i];
		mv->bridges[i].nowhere = &mv->nowhere[i];
		mv->nowhere[i] = (struct view_port){ .state = m->nowhere,
						     .bridge = &mv->bridges[i],
						     .ofport = 0xffffffff,
						     .mtu = 65535 };
		mv->all[i] = &mv->bridges[i];
	}
	for (unsigned id = 1; id < MAKER_PORTS; id++) {
		struct view_bridge *b = &mv->bridges[m->bridge[id]];

		if (!m->ports[id].port)
			continue;
		mv->ports[id] = m->ports[id];
		mv->ports[id].bridge = b;
		maker_show_queues(m, mv, id);
		if (m->steer)
			maker_show_steering(m, mv, id);
		mv->ports[id].ofport = id;
		mv->by_id[id] = &mv->ports[id];
		mv->ofports[m->bridge[id]][b->n_ports] = (struct view_ofport){ id, &mv->ports[id] };
		b->ports[b->n_ports++] = mv->by_id[id];
	}
	return view;
}

/* For views that no datapath has taken over. */
UNUSED_OK static void maker_free_view(struct view *view)
{
	if (view)
		free(view->memory);
	free(view);
}

/* What all workers together have counted. */
UNUSED_OK static uint64_t maker_drops(const struct maker *m, unsigned id, enum drop_reason reason)
{
	uint64_t n = 0;

	for (unsigned w = 0; w < m->n_workers; w++)
		n += counter_read(&m->ports[id].state->counters[w].drops[reason]);
	return n;
}

UNUSED_OK static uint64_t maker_all_drops(const struct maker *m, unsigned id)
{
	uint64_t n = 0;

	for (unsigned r = 0; r < DROP_N_REASONS; r++)
		n += maker_drops(m, id, r);
	return n;
}

UNUSED_OK static uint64_t maker_rx(const struct maker *m, unsigned id)
{
	uint64_t n = 0;

	for (unsigned w = 0; w < m->n_workers; w++)
		n += counter_read(&m->ports[id].state->counters[w].rx_packets);
	return n;
}

UNUSED_OK static uint64_t maker_tx(const struct maker *m, unsigned id)
{
	uint64_t n = 0;

	for (unsigned w = 0; w < m->n_workers; w++)
		n += counter_read(&m->ports[id].state->counters[w].tx_packets);
	return n;
}
