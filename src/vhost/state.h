/* SPDX-License-Identifier: Apache-2.0 */
/* What a vhost-user device is made of and what its owner sees of it; see vhost/device.h for what is
 * done with it.
 */
#pragma once

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "virtio/dirty.h"
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
	uint32_t base;	/* where to start, see ring_start(); or where it was when it was paused */
	uint32_t first; /* SET_VRING_BASE, or where it was stopped: where a new ring would start */
	/* Where it was when the device was reset, if nothing was said of it since; else 0. */
	uint32_t reset_base;
	bool resume;		   /* goes on from its state the next time that it starts */
	struct inflight *inflight; /* of a live ring: where it notes what is in flight */
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
	/* What the owner knows of the device, to go with its guest to another back-end: @n bytes,
	 * malloc'd; and back, from whomever they come. 0, or -errno and a text, and then nothing
	 * was changed. For the protocol feature DEVICE_STATE alone. */
	int (*save)(void *owner, uint8_t **bytes, size_t *n, struct error *err);
	int (*load)(void *owner, const uint8_t *bytes, size_t n, struct error *err);
};

/* Which side makes the socket. */
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
	uint64_t supported; /* all that could be: an earlier process may have offered them */
	uint64_t protocol_features; /* vhost-user protocol features offered */
	unsigned n_queue_pairs;	    /* 1..128 */
	uint16_t mtu;		    /* offered in the configuration space */
	uint8_t mac[6];		    /* configuration space */
	struct event_base *base;    /* the loop, for the protocol feature DEVICE_STATE */
};

/* What a person or a worker may know of a device; lives in it, read only. */
struct vhost_device_state {
	const struct guestmem *mem; /* never NULL; workers read this pointer with rcu_read() */
	/* What is written to guest memory must be noted here; NULL: nowhere. And who may want to
	 * know that it was: -1: nobody. Neither changes while a worker has a ring. */
	const struct dirty_log *log;
	int log_fd;
	uint64_t features;	    /* acknowledged by SET_FEATURES */
	uint64_t protocol_features; /* acknowledged */
	uint16_t mtu;		    /* told by NET_SET_MTU; 0: not told */
	uint8_t status;		    /* virtio device status, by SET_STATUS */
	bool connected;
	int peer_pid;		/* of the front-end, SO_PEERCRED; 0: unknown */
	unsigned n_vrings_used; /* highest vring the front-end has touched, plus one */
	uint64_t n_connects;	/* connections so far */
	bool resumed;		/* an earlier process had this connection */
	uint32_t n_again; /* frames, at most, that it had taken from the guest and not completed,
			   * and that are taken again: some may have been delivered */
	char last_error[ERROR_TEXT_MAX]; /* why the last connection was closed by us; empty: never
					  */
};
