// SPDX-License-Identifier: Apache-2.0
/* Transmit queues that workers share, while everything that can change does: two workers are never
 * in one queue at the same time, and every queue that was sent to is settled.
 */
#include "port/kinds.h"
#include "scale.h"
#include "switch_rig.h"

#define PORTS 4u
#define PAIRS 5u /* of a port, at most */
#define MACS 3u	 /* of each port */

struct probe {
	bool inside;
	bool unsettled;
};

static struct probe probes[PORTS][PAIRS];
static unsigned n_clashes;

static struct probe *probe_of(const struct txq *q)
{
	return &probes[q->port->name[1] - '0'][q->index];
}

static void enter(struct probe *p)
{
	if (__atomic_exchange_n(&p->inside, true, __ATOMIC_SEQ_CST))
		__atomic_add_fetch(&n_clashes, 1, __ATOMIC_SEQ_CST);
}

/* Sometimes a worker is late, and others follow newer views meanwhile. */
static void leave(struct probe *p)
{
	static _Thread_local unsigned n;

	if (++n % 256 == 0)
		usleep(500);
	__atomic_store_n(&p->inside, false, __ATOMIC_SEQ_CST);
}

static void probe_tx(struct txq *q, struct pkt *const *pkts, unsigned n, struct port_counters *c)
{
	struct probe *p = probe_of(q);

	enter(p);
	__atomic_store_n(&p->unsettled, true, __ATOMIC_SEQ_CST);
	dummy_port_ops.tx(q, pkts, n, c);
	leave(p);
}

static void probe_settle(struct txq *q)
{
	struct probe *p = probe_of(q);

	enter(p);
	__atomic_store_n(&p->unsettled, false, __ATOMIC_SEQ_CST);
	leave(p);
}

static struct port_ops probe_ops;

/* Adds a port, whose queues nobody has sent to when it is new. */
static void add(struct rig *rig, unsigned i, unsigned n_queues)
{
	char name[8];
	struct port *port;

	for (unsigned q = 0; q < PAIRS; q++)
		assert_false(probes[i][q].unsettled);
	snprintf(name, sizeof(name), "p%u", i);
	port = rig_add(rig, name, J("{s:i, s:b}", "queues", n_queues, "keep", true));
#if THREAD_SANITIZER
	(void)port; /* it finds by itself what the probes are for, and would find this store */
#else
	/* what workers have sent already has nothing to settle */
	__atomic_store_n(&port->ops, &probe_ops, __ATOMIC_SEQ_CST);
#endif
}

static void send_some(struct rig *rig, unsigned from, unsigned *seed)
{
	char name[8];
	struct sw_port *p;
	uint8_t frame[64];
	unsigned pair;

	snprintf(name, sizeof(name), "p%u", from);
	p = switch_find_port(rig->sw, name);
	if (!p || p->removing)
		return;
	pair = (unsigned)rand_r(seed) % p->port->n_rxqs;
	for (unsigned i = 0; i < 40; i++) {
		unsigned to = (unsigned)rand_r(seed) % PORTS, k = (unsigned)rand_r(seed) % MACS;
		mac_t dst = rand_r(seed) % 8 ? MAC(16 * to + k) : BROADCAST;

		rig_frame(frame, sizeof(frame), dst, MAC(16 * from + (unsigned)rand_r(seed) % MACS),
			  i);
		if (dummy_inject(p->port, pair, frame, sizeof(frame), NULL) != 0)
			break;
	}
}

static void change_something(struct rig *rig, unsigned n_workers, unsigned *seed)
{
	unsigned i = (unsigned)rand_r(seed) % PORTS, what = (unsigned)rand_r(seed) % 12;
	struct sw_port *p;
	char name[8], text[8];

	snprintf(name, sizeof(name), "p%u", i);
	snprintf(text, sizeof(text), "%u", 1 + (unsigned)rand_r(seed) % PAIRS);
	p = switch_find_port(rig->sw, name);
	if (!p) {
		add(rig, i, 1 + (unsigned)rand_r(seed) % PAIRS);
		return;
	}
	if (p->removing)
		return;
	if (what < 6)
		rig_move(rig, name, (unsigned)rand_r(seed) % PAIRS,
			 (unsigned)rand_r(seed) % n_workers);
	else if (what < 8)
		rig_set(rig, name, "queues", text);
	else if (what == 8)
		rig_del(rig, name);
	else if (what == 9)
		dummy_set_link(p->port, rand_r(seed) % 2);
	else if (what == 10)
		switch_balance(rig->sw);
	else if (!rig->sw->moving)
		switch_settle_port(p);
}

static bool all_settled(void)
{
	for (unsigned i = 0; i < PORTS; i++)
		for (unsigned q = 0; q < PAIRS; q++)
			if (__atomic_load_n(&probes[i][q].unsettled, __ATOMIC_SEQ_CST))
				return false;
	return true;
}

/* Takes what was sent; a queue that is not there any more keeps what it has. */
static void drain_all(struct rig *rig)
{
	for (const struct sw_port *p = rig->sw->ports; p; p = p->next)
		rig_drain(p->port);
}

static void play(unsigned n_workers, unsigned n_steps, unsigned seed)
{
	struct rig rig;

	rig_open(&rig, n_workers);
	rig_add_bridge(&rig, "br0");
	event_del(rig.sw->timer);
	for (unsigned i = 0; i < n_steps; i++) {
		for (unsigned from = 0; from < PORTS; from++)
			send_some(&rig, from, &seed);
		if (i % 4 == 0)
			change_something(&rig, n_workers, &seed);
		rig_run(&rig);
		drain_all(&rig);
		if (rand_r(&seed) % 4 == 0)
			usleep(100);
		assert_int_equal(n_clashes, 0);
	}
	rig_settle(&rig);
	UNTIL(&rig, all_settled());
	assert_int_equal(n_clashes, 0);
	rig_close(&rig);
}

static void test_one_worker_in_a_queue(void **state)
{
	static const unsigned workers[] = { 2, 3, 5, 64 };

	probe_ops = dummy_port_ops;
	probe_ops.tx = probe_tx;
	probe_ops.tx_settle = probe_settle;
	for (unsigned i = 0; i < ARRAY_SIZE(workers); i++)
		play(workers[i], scaled(workers[i] == 64 ? 200 : 2000), 1 + i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_worker_in_a_queue),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
