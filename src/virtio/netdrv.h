/* SPDX-License-Identifier: Apache-2.0 */
/* A virtio-net driver in user space (virtio 1.2, 5.1): receive buffers, sending, mergeable buffers,
 * the header. How the device is reached (vhost-user, vhost-net, vDPA) is the transport's business.
 *
 * Frames are received in place and sent by copy: send() copies into the driver's own buffers, which
 * the device can reach; send_chain() sends any buffers that lie in the shared memory. Nothing
 * blocks and nothing is allocated after netdrv_create(). A pair of queues is used by one thread at
 * a time, receiving and sending each; create, start and destroy while nobody uses any of them.
 *
 * A device that breaks the rules (returns what it was not given, lengths beyond a buffer, a wrong
 * number of merged buffers) makes that queue broken: it gives and takes nothing from then on.
 */
#pragma once

#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/error.h"
#include "virtio/driver.h"
#include "virtio/sharedmem.h"

#define NETDRV_PAIRS_MAX 128 /* queue pairs of one driver */
#define NETDRV_BATCH_MAX 32  /* frames in one receive() */

/* One queue, as the transport has to tell the device. Pointers lie in the driver's memory. */
struct netdrv_ring_info {
	uint32_t size; /* entries */
	void *desc, *driver, *device;
	uint32_t base; /* where the device has to start, see ring_start() */
};

struct netdrv_transport;

struct netdrv_transport_ops {
	/* The device may use queue @index (2 * pair: receives from the device, 2 * pair + 1: sends
	 * to it) from now on. Returns 0, or -errno and a text. Control thread. */
	int (*start_queue)(struct netdrv_transport *transport, unsigned index,
			   const struct netdrv_ring_info *ring, struct error *err);
	/* Tells the device that the queue has something for it. Any thread that uses the queue. */
	void (*kick)(struct netdrv_transport *transport, unsigned index);
	/* Readable when the device has called (an eventfd, to be read by the waiter); -1: poll. */
	int (*call_fd)(const struct netdrv_transport *transport, unsigned index);
};

/* First member of a transport. Must outlive the driver. */
struct netdrv_transport {
	const struct netdrv_transport_ops *ops;
};

struct netdrv_config {
	uint64_t features;     /* negotiated, as bit masks */
	unsigned n_pairs;      /* of queues, 1..NETDRV_PAIRS_MAX */
	uint32_t rx_ring_size; /* entries; 0: 256 */
	uint32_t tx_ring_size; /* entries; 0: 256 */

	/* Receive buffers: as many as the ring takes. */
	uint32_t rx_buffer_len; /* bytes of each, header included; 0: 2048 */
	uint32_t rx_first_len;	/* bytes of its first descriptor; 0: as rx_piece_len */
	uint32_t rx_piece_len;	/* bytes of each further descriptor; 0: all in one descriptor */

	/* Buffers that send() copies to. */
	uint32_t tx_buffer_len; /* bytes of each, header included; 0: 2048 */
	uint32_t tx_buffers;	/* how many; 0: tx_ring_size */

	/* With INDIRECT_DESC: chains of indirect_min (0: 2) to indirect_len descriptors go into an
	 * indirect table. 0: none do. */
	uint16_t indirect_len;
	uint16_t indirect_min;
};

/* A frame: bytes of the Ethernet frame, without the virtio-net header. */
struct netdrv_frame {
	struct virtio_net_hdr_v1 header; /* little-endian, as on the ring; num_buffers: ignored
					    when sending */
	const struct iovec *iov;
	unsigned n_iov;
	uint32_t len; /* sum of iov */
};

/* A chain of the caller's own buffers, virtio-net header included. done() is called by reap() when
 * the device has given it back; it must not call the driver. Must live until then. */
struct netdrv_chain {
	void (*done)(struct netdrv_chain *chain);
};

/* Since netdrv_create(); written by the queue's thread. */
struct netdrv_counters {
	uint64_t rx_frames, rx_bytes; /* bytes without virtio-net headers */
	uint64_t tx_frames, tx_bytes; /* handed to the device */
	uint64_t rx_kicks, tx_kicks;
};

struct netdrv; /* opaque */

/* Lays out queues and buffers in @mem, which must outlive the driver; only sharedmem_reset() or
 * _destroy() give the bytes back. Returns 0 and the driver, or -EINVAL (sizes), -ENOMEM (private
 * memory or @mem is short) and a text.
 */
int netdrv_create(struct netdrv **out, const struct netdrv_config *config, struct sharedmem *mem,
		  struct error *err);

/* Frees. The device must not use the queues any more. NULL is fine. */
void netdrv_destroy(struct netdrv *drv);

/* Fills the receive queues and hands every queue to the device through @transport. Again, after the
 * device was replaced by another (a back-end that was restarted) with the same features: it goes on
 * where the last one had completed. Returns 0, or what the transport said.
 */
int netdrv_start(struct netdrv *drv, struct netdrv_transport *transport, struct error *err);

/* Bytes of the virtio-net header: 10 or 12. */
unsigned netdrv_header_len(const struct netdrv *drv);

/* Sends @n frames on queue pair @pair, in order, by copy. Returns how many were taken: fewer when
 * the ring or the buffers are full (reap() and try later), or the next frame is larger than
 * tx_buffer_len. Kicks when the device wants it.
 */
unsigned netdrv_send(struct netdrv *drv, unsigned pair, const struct netdrv_frame *frames,
		     unsigned n);

/* Sends one frame from @n buffers in the shared memory, virtio-net header at the front, each buffer
 * one descriptor. Not visible to the device before netdrv_push(). Returns 0 or what
 * driver_ring_add() says (-ENOSPC: full).
 */
int netdrv_send_chain(struct netdrv *drv, unsigned pair, const struct iovec *iov, unsigned n,
		      struct netdrv_chain *chain);

/* Makes what send_chain() added visible to the device, and kicks if it wants that. */
void netdrv_push(struct netdrv *drv, unsigned pair);

/* Takes back what the device has sent; send() does so by itself. Returns how many chains. */
unsigned netdrv_reap(struct netdrv *drv, unsigned pair);

/* Frames handed to the device and not yet given back. */
unsigned netdrv_in_flight(const struct netdrv *drv, unsigned pair);

/* Receives up to @max (NETDRV_BATCH_MAX) frames. They lie in the receive buffers and are valid
 * until netdrv_release() for the pair. Returns how many; frames are in the order of the ring.
 */
unsigned netdrv_receive(struct netdrv *drv, unsigned pair, struct netdrv_frame *frames,
			unsigned max);

/* Gives the buffers of all frames received so far back to the device, and kicks if it wants that.
 */
void netdrv_release(struct netdrv *drv, unsigned pair);

/* Before sleeping on netdrv_call_fd(): asks the device to call when frames come. True when there
 * are some already: do not sleep. _disable() is a hint that somebody is looking.
 */
bool netdrv_rx_enable_call(struct netdrv *drv, unsigned pair);
void netdrv_rx_disable_call(struct netdrv *drv, unsigned pair);

/* The same for sent buffers that come back. */
bool netdrv_tx_enable_call(struct netdrv *drv, unsigned pair);
void netdrv_tx_disable_call(struct netdrv *drv, unsigned pair);

/* The eventfd of queue @index (2 * pair, 2 * pair + 1), or -1. */
int netdrv_call_fd(const struct netdrv *drv, unsigned index);

/* Kicks queue @index whether or not the device wants it. */
void netdrv_kick(struct netdrv *drv, unsigned index);

/* Whether the device broke the rules on one of the pair's queues. */
bool netdrv_broken(const struct netdrv *drv, unsigned pair);

const struct netdrv_counters *netdrv_counters(const struct netdrv *drv, unsigned pair);

/* The ring itself, for tests that write there what no driver should. */
struct driver_ring *netdrv_ring(struct netdrv *drv, unsigned index);
