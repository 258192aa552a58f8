/* SPDX-License-Identifier: Apache-2.0 */
/* A TAP device of the kernel: made or attached to, in this network namespace or a named one.
 * Control thread; only the queues' descriptors are for workers.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/keep.h"

#define TAP_QUEUES_MAX 128 /* pairs */

/* What is wanted. */
struct tap_spec {
	const char *interface; /* 1..15 bytes */
	const char *netns;     /* NULL: ours */
	bool existing;	       /* attach to a device that is there, else make one */
	bool net_header;       /* each frame travels behind a struct virtio_net_hdr */
	unsigned n_queues;     /* 1..TAP_QUEUES_MAX */
	unsigned mtu;	       /* 0: leave it */
};

/* What is wanted, as BROKER_TAP asks for it (base/broker.h). */
struct tap_request {
	char interface[16];
	char netns[256]; /* "": ours */
	uint32_t existing, net_header, n_queues, mtu;
};

/* BROKER_TAP_MTU. */
struct tap_mtu_request {
	uint32_t mtu;
};

/* What is there. Closing takes a device that we made with it. */
struct tap_device {
	unsigned n_queues;
	int queues[TAP_QUEUES_MAX]; /* non-blocking: a frame with each read and write */
	int control; /* a socket in the device's namespace, for its ioctls; it sends nothing */
	int monitor; /* rtnetlink, non-blocking: readable when some link in there changed */
	int ifindex;
};

/* What "ip link" would say: IFF_UP and IFF_RUNNING, or no such device any more. */
enum tap_state { TAP_UP, TAP_NO_CARRIER, TAP_DOWN, TAP_GONE };

/* 0 or -EINVAL and a text: whether the kernel can name a device so. */
int tap_interface_check(const char *interface, struct error *err);

/* Opens all queues, sets the MTU and brings the device up, or has it done. Returns 0, or -errno and
 * a text, having undone what it did to the kernel (an existing device may be left up).
 */
int tap_device_open(struct tap_device *dev, const struct tap_spec *spec, struct error *err);
void tap_device_close(struct tap_device *dev);

/* tap_keep.c: lets @keep hold the device for the port of this name; or no longer. */
void tap_device_hold(const struct tap_device *dev, struct keep *keep, const char *port);
void tap_device_release(const struct tap_device *dev, struct keep *keep, const char *port);

/* Goes on with the device that an earlier process had, if it is as @spec says; it is held as
 * before. False: there is none, or another, or a part of one, which is closed and held no more. */
bool tap_device_take(struct tap_device *dev, const struct tap_spec *spec, struct keep *keep,
		     const char *port);

/* 0 or -errno and a text. */
int tap_device_set_mtu(const struct tap_device *dev, unsigned mtu, struct error *err);

/* The same, of the device that @queue is attached to, wherever it is: who has that may ask for it.
 */
int tap_device_set_mtu_of(int queue, unsigned mtu, struct error *err);

/* Tells the kernel to leave @wanted (bits of enum offload) to us in what it sends. Returns what of
 * that this kernel knows: what may be left to it, too. Only with net_header.
 */
unsigned tap_device_set_offloads(const struct tap_device *dev, unsigned wanted);

/* The state now; reads (and forgets) what made monitor readable first. */
enum tap_state tap_device_state(const struct tap_device *dev);

/* "up", "no carrier", "down", "removed". */
const char *tap_state_name(enum tap_state state);
