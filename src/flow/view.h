/* SPDX-License-Identifier: Apache-2.0 */
/* The view: an immutable picture of all bridges and ports, made by the control thread and read by
 * workers.
 *
 * Anything in the configuration that changes makes a new view, published by RCU. A view points at
 * things that live longer than it: running ports, their queues, MAC tables, counters. These are
 * taken apart only after no worker uses a view that shows them.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/rcu.h"
#include "flow/steer.h"
#include "port/port.h"
#include "state/mac.h"

#define VIEW_PORTS_MAX MAC_PORTS_MAX /* port numbers are below this */
#define VIEW_WORKERS_MAX 64
#define VIEW_NO_TXQ UINT8_MAX

/* Port numbers are indices into arrays; not those of OpenFlow. 0 is never used. */

/* A limit shared by workers without a lock: the time at which the next packet would conform
 * (generic cell rate algorithm). */
struct view_limit {
	uint64_t interval_ns; /* between packets at the limit; 0: no limit */
	uint64_t burst_ns;    /* how far the next packet may be ahead of its time */
};

/* The parts of a port that workers write; lives as long as the port, and may outlive the process
 * (switch/port_state.h). */
struct view_port_state {
	uint32_t layout;		     /* of what follows, where it outlives the process */
	uint32_t id;			     /* of the port */
	uint64_t broadcast_due, unknown_due; /* for the limits, ns */
	uint32_t ofport;		     /* its number in OpenFlow; 0: not known */
	uint32_t of_config;		     /* OFPPC, as controllers have set it */
	struct port_counters before;	     /* by the switch that the guest has come from */
	struct port_counters counters[];     /* one for each worker */
};

/* The *home* of a queue pair is the worker that it had when its port came up, or when there was no
 * traffic for a while. Which of a
 * port's transmit queues a flow takes depends on the home of the receive queue it comes from, not
 * on who serves what now: when queues move to other workers, flows keep their queues.
 */

/* A transmit queue. One that is not shared is used by its home alone, without a lock: nobody else
 * serves a receive queue of that home, and packets of all other homes have queues of their own. A
 * shared one is used by whoever has its lock. Workers follow two views for a moment: a queue that
 * is not shared in one of them has no other user in the other (see switch/publish.c).
 */
struct view_txq {
	struct txq *q;
	bool shared;
};

struct view_bridge;
struct watch;

struct view_port {
	uint32_t id;
	uint32_t serial; /* of this port: ids are used again, serials are not */
	uint32_t ofport; /* its number in OpenFlow */
	struct port *port;
	struct view_port_state *state;
	const struct view_bridge *bridge;
	uint32_t patch_peer; /* id of the other end of a patch; 0: no patch, or no other end */
	bool patch;
	bool link;
	bool held;    /* queues change hands: what is sent waits (see datapath/forward.h) */
	bool noticed; /* what comes in is looked at before it is decided: by steer, or watches */

	/* VLANs, as in Open vSwitch's Port table */
	bool access;		/* untagged outside, @tag inside */
	bool native_tagged;	/* the native VLAN leaves with its tag */
	uint16_t tag;		/* access VLAN, or VLAN of untagged frames on a trunk; 0: none */
	const uint64_t *trunks; /* bitmap of 4096 VLANs that a trunk carries; NULL: all */
	bool is_protected;	/* exchanges nothing with other protected ports */

	/* OpenFlow's flags, for NORMAL; a port that is down has no_forward */
	bool no_flood, no_forward;

	unsigned mtu;
	unsigned mac_limit;
	unsigned n_macs; /* allowed sources, 0: any */
	const mac_t *macs;
	struct view_limit broadcast_limit, unknown_limit;

	unsigned n_txqs;
	struct view_txq *txqs; /* sorted by home */
	struct view_txq_range {
		uint16_t first, n;
	} * by_home; /* where packets from a queue of this home go: to queues of the same home, to
			any if there is none */

	/* where replies go; NULL: nobody has a choice of queues */
	struct steer *steer;
	const uint8_t
		*by_pair; /* with steer: where in txqs a queue pair is, VIEW_NO_TXQ: nowhere */

	/* who is told of what comes in */
	unsigned n_watches;
	struct watch *const *watches; /* datapath/watch.h */
};

/* A port by its number in OpenFlow. */
struct view_ofport {
	uint32_t number;
	const struct view_port *port;
};

struct pipeline;

/* Ports that exchange frames, and where addresses were seen. */
struct view_bridge {
	struct mac_table *macs;
	unsigned n_ports;
	const struct view_port **ports;
	/* Where the newest rules are (RCU), which change without a new view. Lives as long as the
	 * bridge, and tells which one it is. NULL: there are none, all frames go by NORMAL. */
	const struct pipeline *const *rules;
	/* Not NULL there: somebody listens to what packets have for controllers. NULL: ask nobody.
	 */
	const void *const *listened;
	const struct view_ofport *ofports; /* n_ports, sorted by number */
	const struct view_port
		*nowhere; /* stands for the port of packets that came by none; id 0 */
};

/* A receive queue that a worker is to poll. */
struct view_rxq {
	struct rxq *q;
	uint32_t port;
	uint32_t home;
};

/* What one worker has to poll. */
struct view_worker {
	uint64_t homes; /* bits: of its receive queues, held ones too, and its own number */
	unsigned n_rxqs;
	struct view_rxq *rxqs;
};

struct view {
	struct rcu_free rcu;
	uint64_t generation;
	unsigned n_ports;		/* ports has elements 0..n_ports-1 */
	const struct view_port **ports; /* by id; NULL: no such port */
	unsigned n_bridges;
	const struct view_bridge **bridges;
	unsigned n_workers;
	struct view_worker *workers;
	void *memory; /* all arrays above, freed together */
};

/* The port of a bridge with this number in OpenFlow; NULL: none. */
static inline const struct view_port *view_find_ofport(const struct view_bridge *bridge,
						       uint32_t number)
{
	unsigned low = 0, high = bridge->n_ports;

	while (low < high) {
		unsigned mid = (low + high) / 2;

		if (bridge->ofports[mid].number == number)
			return bridge->ofports[mid].port;
		if (bridge->ofports[mid].number < number)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

/* Packets that crossed more patch ports than this are in a loop. So are those whose copies crossed
 * more of them, taken together, than there are ports.
 */
#define VIEW_PATCH_HOPS_MAX 8

/* Takes one packet from a limit at @now (ns); false when it is over the limit. Any worker. */
static inline bool view_limit_take(const struct view_limit *limit, uint64_t *due, uint64_t now)
{
	uint64_t old = __atomic_load_n(due, __ATOMIC_RELAXED), next;

	if (!limit->interval_ns)
		return true;
	do {
		uint64_t start = old > now ? old : now;

		if (start - now > limit->burst_ns)
			return false;
		next = start + limit->interval_ns;
	} while (!SHARED_SWAP(due, &old, next, __ATOMIC_RELAXED));
	return true;
}
