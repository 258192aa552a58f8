/* SPDX-License-Identifier: Apache-2.0 */
/* The contract between the switch and a kind of port.
 *
 * Life cycle. create() gets options that were checked against the kind's table, validates what a
 * table cannot say, acquires what the port needs (a socket, a tap) and may fail, with a text for
 * the user; after that, nothing that a peer does makes the port fail: it goes down and comes back.
 * From then on the port tells the switch through its env which queues can be used. destroy() is
 * called when no worker uses any queue of the port any more; it cannot fail. set() changes options
 * of a living port, all or nothing.
 *
 * Queues. The port keeps the arrays rxqs and txqs: the queues that workers may use now. It changes
 * them only while no worker has them: it calls env->quiesce(), the switch takes all of the port's
 * queues away from the workers and calls quiesced() when none can touch them; the port changes what
 * it must, and calls env->changed(), upon which the switch hands the queues out again. A port whose
 * queues nobody ever had may skip the first half. Each queue is used by one worker at a time:
 * a receive queue by the one that it was given to, a transmit queue by one that needs no lock since
 * it is alone, or by whoever has its lock.
 *
 * Worker side. rx() fills a batch, of at most batch->most packets; they stay valid until rx_done()
 * for the same queue, which comes before the next rx(). tx() sends packets in order and copies what
 * it needs before it returns: it never keeps a packet; it gets none that asks for what the queue's
 * offloads do not have (see port/offload.h). Neither blocks, allocates or logs. Each packet that
 * tx() does not send it counts as a drop in the counters it is given; rx() counts rx_packets,
 * rx_bytes and the drops of what it does not hand on. arm() and disarm() bracket the worker's
 * sleep: after arm() returned false, wake_fd becomes readable (or gets a new event, as seen by an
 * edge-triggered epoll) when there is something to receive.
 */
#pragma once

#include <event2/event.h>
#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"
#include "base/keep.h"
#include "base/lock.h"
#include "base/option.h"
#include "packet/pkt.h"
#include "port/drop.h"
#include "vhost/endpoint.h"

#define PORT_NAME_MAX 63    /* bytes, without the end */
#define PORT_QUEUES_MAX 128 /* in each direction */

struct port;

/* First member of a kind's receive queue (what the switch receives from). */
struct rxq {
	struct port *port;
	unsigned index; /* queue pair, 0.. */
	int wake_fd;	/* for epoll; -1: can only be polled */
	bool unsettled; /* the worker's: it has to come back (see datapath/unsettled.h) */
	/* the worker's as well: what it costs, and what it owes for that (see datapath/fair.h) */
	bool busy;	     /* had packets when it was looked at last */
	uint8_t cut;	     /* its batches are at most BATCH_MAX >> cut packets */
	uint32_t debt;	     /* ticks */
	uint64_t busy_ticks; /* counted (see datapath_worker_stats) */
};

/* First member of a kind's transmit queue. */
struct txq {
	struct port *port;
	unsigned index;
	unsigned offloads;  /* atomic: bits of enum offload, what tx() takes undone */
	uint64_t unsettled; /* as above, a bit for each worker */
	struct lock lock;   /* around tx() and tx_settle(), when several workers use the queue */
};

/* What a port may ask of the switch; given to create(), valid as long as the port. Control thread.
 */
struct port_env {
	struct event_base *base;		      /* the control thread's loop */
	const struct vhost_endpoint_maker *endpoints; /* where vhost-user ports wait */
	struct keep *keep; /* of what must outlive this process; NULL: nothing does */

	/* Takes all queues of the port away from the workers, then calls ops->quiesced(), always
	 * from the loop, never from inside this call. Queues stay away until changed(). Asking
	 * again before quiesced() is one request.
	 */
	void (*quiesce)(struct port *port);
	/* rxqs, txqs, link or mtu differ from before: publish them. */
	void (*changed)(struct port *port);
	/* The guest behind the port has moved here: make the other ports learn it (vhost-user
	 * SEND_RARP). */
	void (*announce)(struct port *port, mac_t mac);
	/* What the switch knows of the port, to go with its guest to another switch: @n bytes,
	 * malloc'd. And back, from whomever they come: a port of this switch goes on with them.
	 * Both return 0, or -errno and a text, and then nothing was changed (switch/saved_port.h).
	 */
	int (*save)(struct port *port, uint8_t **bytes, size_t *n, struct error *err);
	int (*load)(struct port *port, const uint8_t *bytes, size_t n, struct error *err);
	/* Worker threads too: calls ops->attend() from the loop soon; several calls may become one.
	 */
	void (*attention)(struct port *port);
};

struct port_ops {
	const char *kind;	      /* "vhost-user" */
	const char *summary;	      /* one line for help */
	const struct option *options; /* of this kind, beside the switch's own for all ports */

	/* Control thread. */
	int (*create)(struct port **out, const char *name, const json_t *options,
		      const struct port_env *env, void *owner, struct error *err);
	void (*destroy)(struct port *port);
	int (*set)(struct port *port, const json_t *options, const json_t *changes,
		   struct error *err);
	void (*quiesced)(struct port *port);
	/* Something in the port wants the control thread: a worker called env->attention(). May be
	 * NULL. */
	void (*attend)(struct port *port);
	/* Adds what the kind knows to @out: peer, socket, features, rings, ... Numbers with names,
	 * never bare hex alone. */
	void (*show)(const struct port *port, json_t *out);

	/* Worker thread. */
	void (*rx)(struct rxq *q, struct batch *batch, struct port_counters *c);
	void (*rx_done)(struct rxq *q, struct batch *batch);
	bool (*arm)(struct rxq *q);
	void (*disarm)(struct rxq *q);
	void (*tx)(struct txq *q, struct pkt *const *pkts, unsigned n, struct port_counters *c);
	/* Soon after rx_done() and tx(), behind a full barrier: the peer may have gone to sleep
	 * just when it was looked at. NULL: nothing to settle. */
	void (*rx_settle)(struct rxq *q);
	void (*tx_settle)(struct txq *q);
};

/* A running port. The kind allocates it, first member of its own structure, with port_init(). */
struct port {
	const struct port_ops *ops;
	const struct port_env *env;
	void *owner; /* the switch's own record of this port; the kind does not look */
	char name[PORT_NAME_MAX + 1];
	bool link;     /* somebody is there: a front-end with started rings, a tap that is up */
	unsigned mtu;  /* of the payload behind the Ethernet header and tags; set by the switch
			  before create() returns to others */
	int numa_node; /* of the peer's memory, -1: unknown */
	unsigned n_rxqs, n_txqs;
	struct rxq *rxqs[PORT_QUEUES_MAX];
	struct txq *txqs[PORT_QUEUES_MAX];
};

/* Fills in a new port: name, ops, env, owner, mtu 1500, numa_node -1; all else zero. */
void port_init(struct port *port, const struct port_ops *ops, const char *name,
	       const struct port_env *env, void *owner);

/* The kinds, an array that NULL ends. */
extern const struct port_ops *const port_kinds[];

/* The kind of this name, or NULL. */
const struct port_ops *port_kind_find(const char *kind);

/* Checks the name of a port or bridge: 1..PORT_NAME_MAX letters, digits, '.', '-', '_', not
 * starting with '-' or
 * '.'. 0 or -EINVAL. */
int port_name_check(const char *name, struct error *err);
