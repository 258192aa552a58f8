/* SPDX-License-Identifier: Apache-2.0 */
/* The datapath half of vhost-user ports: packets out of and into a guest's rings. Worker threads,
 * except for making and freeing queues.
 */
#pragma once

#include "port/port.h"
#include "vhost/state.h"

/* One direction of a queue pair. What a guest sends (its transmitq) is our receive queue. */
struct vhost_queue {
	union {
		struct rxq rxq;
		struct txq txq;
	};
	struct vhost_vring *vring;
	const struct vhost_device_state *state;
	unsigned header_len; /* of the virtio-net header */
	bool header_asks;    /* the guest may ask for something in it; else it is not looked at */
	bool enabled;	     /* else what the guest sends is thrown away */
	bool mergeable;	     /* a packet may take several receive buffers */
	bool demote;	     /* what the guest will read next leaves our cache, where that helps */
	bool logs;	     /* what is written to the guest is noted, see port/vhost_dirty.h */
	bool listed;	     /* workers may have it */
	bool reported;	     /* by a worker, that the ring is broken */
	bool told;	     /* control thread: to the log and the front-end */
	struct vhost_buffers *buffers; /* of the guest, to receive in; NULL for what it sends */
};

/* Fills in a queue of @port for a live vring. Only while no worker has the queue. 0 or -ENOMEM. */
int vhost_queue_init(struct vhost_queue *q, struct port *port, unsigned pair,
		     struct vhost_vring *vring, const struct vhost_device_state *state,
		     bool guest_sends);

/* Frees what vhost_queue_init() made. */
void vhost_queue_free(struct vhost_queue *q);

/* vhost_tx.c: makes room for a guest's receive buffers. NULL when memory is short. */
struct vhost_buffers *vhost_buffers_create(void);
void vhost_buffers_destroy(struct vhost_buffers *buffers);

/* Forgets the buffers in hand, which go back to the ring unused if it still runs as it did. Only
 * while no worker has the queue. */
void vhost_buffers_reset(struct vhost_queue *q);

/* Interrupts the guest if it asks for it, by a look that may be too early: settled by
 * vhost_queue_settle(). And tells the control thread, once, that the ring is broken. */
void vhost_queue_notify(struct vhost_queue *q);
void vhost_queue_report_if_broken(struct vhost_queue *q, struct port *port);

/* Hooks of port_ops. */
void vhost_queue_rx_settle(struct rxq *rxq);
void vhost_queue_tx_settle(struct txq *txq);
void vhost_queue_rx(struct rxq *rxq, struct batch *batch, struct port_counters *c);
void vhost_queue_rx_done(struct rxq *rxq, struct batch *batch);
bool vhost_queue_arm(struct rxq *rxq);
void vhost_queue_disarm(struct rxq *rxq);
void vhost_queue_tx(struct txq *txq, struct pkt *const *pkts, unsigned n, struct port_counters *c);
