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
	bool enabled;	     /* else what the guest sends is thrown away */
	bool mergeable;	     /* a packet may take several receive buffers */
	bool listed;	     /* workers may have it */
	bool reported;	     /* by a worker, that the ring is broken */
	bool told;	     /* control thread: to the log and the front-end */
	struct iovec *arena; /* for receive buffers, RING_ARENA_LEN elements; NULL for what the
				guest sends */
};

/* Fills in a queue of @port for a live vring. Only while no worker has the queue. 0 or -ENOMEM. */
int vhost_queue_init(struct vhost_queue *q, struct port *port, unsigned pair,
		     struct vhost_vring *vring, const struct vhost_device_state *state,
		     bool guest_sends);

/* Frees what vhost_queue_init() made. */
void vhost_queue_free(struct vhost_queue *q);

/* Hooks of port_ops. */
void vhost_queue_rx(struct rxq *rxq, struct batch *batch, struct port_counters *c);
void vhost_queue_rx_done(struct rxq *rxq, struct batch *batch);
bool vhost_queue_arm(struct rxq *rxq);
void vhost_queue_disarm(struct rxq *rxq);
void vhost_queue_tx(struct txq *txq, struct pkt *const *pkts, unsigned n, struct port_counters *c);
