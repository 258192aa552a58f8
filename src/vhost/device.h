/* SPDX-License-Identifier: Apache-2.0 */
/* A vhost-user device, back-end side: what the front-end has set up (features, memory, rings), and
 * the messages that set it up. Control thread, except that a worker uses the ring of a vring it was
 * given.
 *
 * Rings and workers. A vring is *live* when it is started and its ring may be used by a worker. A
 * message that changes something a worker may be using (the message table says which) is held back:
 * the device stops reading its socket and calls quiesce(); when no worker uses any of the device's
 * rings its owner calls vhost_device_quiesced(), the message takes effect, is answered, and
 * changed() tells the owner to look at the rings again. The same happens before a disconnected
 * device is reset.
 */
#pragma once

#include <event2/event.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "virtio/guestmem.h"
#include "virtio/ring.h"

#define VHOST_VRINGS_MAX 256 /* 128 queue pairs */

/* A ring as the front-end describes it (vhost-user, "Ring states"). */
struct vhost_vring {
	struct ring ring; /* ring.ops is set while live */
	bool live;	  /* may be used: started, memory and addresses right */
	bool started;	  /* SET_VRING_KICK came, GET_VRING_BASE did not */
	bool enabled;	  /* SET_VRING_ENABLE, or by SET_FEATURES without bit 30 */
	int kick_fd;	  /* -1: none, the front-end wants to be polled */
	int call_fd;	  /* -1: none, the guest polls */
	int err_fd;	  /* -1: none */
	uint32_t size;	  /* SET_VRING_NUM; 0: not set */
	uint64_t desc_addr, driver_addr, device_addr; /* front-end virtual addresses */
	bool has_addr;
	uint16_t base; /* SET_VRING_BASE: where to start */
};

/* What the owner is told. Control thread. */
struct vhost_device_ops {
	/* Let no worker use any ring of the device; then call vhost_device_quiesced(), not from
	 * inside this call. */
	void (*quiesce)(void *owner);
	/* Live rings, features, connection or MTU differ from before. */
	void (*changed)(void *owner);
	/* SEND_RARP: the guest with this MAC address (as packet/ethernet.h packs it) has moved
	 * here. */
	void (*announce)(void *owner, uint64_t mac);
};

enum vhost_mode { VHOST_LISTEN, VHOST_CONNECT };

/* Who owns the socket file; -1 and 0: leave as created. */
struct vhost_socket_rights {
	int uid, gid; /* -1: leave */
	int mode;     /* -1: 0600, as umask or not */
};

struct vhost_device_config {
	const char *name; /* for log lines; copied */
	const char *path; /* of the socket, at most 107 bytes; copied */
	enum vhost_mode mode;
	struct vhost_socket_rights rights; /* listening sockets */
	uint64_t features;		   /* virtio features offered, transport bits included */
	uint64_t protocol_features;	   /* vhost-user protocol features offered */
	unsigned n_queue_pairs;		   /* 1..128 */
	uint16_t mtu;			   /* offered in the configuration space */
	uint8_t mac[6];			   /* configuration space */
};

struct vhost_device; /* opaque */

/* What a person or a worker may know of a device; lives in it, read only. */
struct vhost_device_state {
	const struct guestmem *mem; /* never NULL; workers read this pointer with rcu_read() */
	uint64_t features;	    /* acknowledged by SET_FEATURES */
	uint64_t protocol_features; /* acknowledged */
	uint16_t mtu;		    /* told by NET_SET_MTU; 0: not told */
	uint8_t status;		    /* virtio device status, by SET_STATUS */
	bool connected;
	int peer_pid;			 /* of the front-end, SO_PEERCRED; 0: unknown */
	unsigned n_vrings_used;		 /* highest vring the front-end has touched, plus one */
	uint64_t n_connects;		 /* connections so far */
	char last_error[ERROR_TEXT_MAX]; /* why the last connection was closed by us; empty: never
					  */
};

/* Makes a device and its socket: listens, or starts to connect (retries after 50 ms, doubling to 1
 * s). A stale socket file is replaced; a live one, a path that is too long and what is no socket
 * are refused. Returns 0 and the device, or -errno and a text. @ops and @owner must live as long as
 * the device.
 */
int vhost_device_create(struct vhost_device **out, const struct vhost_device_config *config,
			const struct vhost_device_ops *ops, void *owner, struct event_base *base,
			struct error *err);

/* Closes the connection, removes the socket file it made, unmaps, frees. No worker may use a ring.
 * NULL is fine. */
void vhost_device_destroy(struct vhost_device *device);

/* Answer to ops->quiesce(): workers have let go of every ring. */
void vhost_device_quiesced(struct vhost_device *device);

const struct vhost_device_state *vhost_device_state(const struct vhost_device *device);

/* Vring @index, 0..2 * queue pairs - 1; 2 * i is what the guest receives from, 2 * i + 1 what it
 * sends on. */
struct vhost_vring *vhost_device_vring(struct vhost_device *device, unsigned index);

/* Changes what will be offered at the next negotiation. */
void vhost_device_set_offer(struct vhost_device *device, uint64_t features, uint16_t mtu);

/* A worker found the ring broken: logs it, tells the front-end through its err fd. */
void vhost_device_ring_broken(struct vhost_device *device, unsigned index);

/* Names of the set bits, as a new JSON array of strings; unknown ones as "bit 57". */
json_t *vhost_features_json(uint64_t features);
json_t *vhost_protocol_features_json(uint64_t features);
